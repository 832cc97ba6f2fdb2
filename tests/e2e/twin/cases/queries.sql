-- Set operations: a key found in one part says nothing of another.
SELECT id FROM users WHERE id = 3 UNION SELECT id FROM users WHERE id = 4
SELECT id FROM users WHERE id = 3 UNION ALL SELECT user_id FROM posts WHERE user_id = 3
SELECT id FROM users UNION SELECT user_id FROM posts ORDER BY 1
SELECT id FROM users UNION ALL SELECT user_id FROM posts ORDER BY 1
SELECT id FROM users INTERSECT SELECT user_id FROM posts ORDER BY 1
SELECT id FROM users EXCEPT SELECT user_id FROM posts ORDER BY 1
SELECT user_id FROM posts EXCEPT ALL SELECT id FROM users ORDER BY 1
SELECT user_id FROM posts INTERSECT ALL SELECT user_id FROM likes ORDER BY 1
SELECT country FROM users UNION SELECT code FROM countries ORDER BY 1
SELECT country FROM users INTERSECT SELECT code FROM countries ORDER BY 1
SELECT code FROM countries EXCEPT SELECT country FROM users ORDER BY 1
SELECT age FROM users UNION SELECT n FROM items ORDER BY 1
SELECT id::numeric FROM users WHERE id < 4 UNION ALL SELECT 2.50 ORDER BY 1
SELECT 'u' AS kind, count(*) FROM users UNION ALL SELECT 'p', count(*) FROM posts ORDER BY 1
SELECT id FROM users UNION ALL SELECT 1000 ORDER BY 1 DESC LIMIT 3
(SELECT id FROM users WHERE age > 15) UNION (SELECT id FROM users WHERE age < 12) ORDER BY 1
SELECT id FROM users WHERE id = 3 UNION ALL SELECT 5 UNION ALL SELECT 5
SELECT count(*) FROM (SELECT id FROM users UNION SELECT n FROM items) s
VALUES (1, 'a'), (2, 'b')
-- Subqueries and common table expressions
WITH w AS (SELECT id, name FROM users WHERE id = 3) SELECT * FROM w
WITH w AS (SELECT id, name FROM users) SELECT * FROM w WHERE id = 3
WITH w AS (SELECT id, age FROM users WHERE age > 15) SELECT count(*), sum(age) FROM w
WITH w AS (SELECT id, age FROM users) SELECT * FROM w ORDER BY id LIMIT 5
WITH w AS MATERIALIZED (SELECT id, age FROM users) SELECT * FROM w WHERE id IN (3, 13) ORDER BY id
WITH a AS (SELECT id FROM users WHERE id < 5), b AS (SELECT user_id FROM posts) SELECT a.id, count(*) FROM a JOIN b ON b.user_id = a.id GROUP BY a.id ORDER BY 1
WITH w AS (SELECT country, count(*) AS n FROM users GROUP BY country) SELECT * FROM w WHERE n > 10 ORDER BY 1
WITH w AS (SELECT country, count(*) AS n FROM users GROUP BY country) SELECT c.name, w.n FROM countries c JOIN w ON w.country = c.code ORDER BY 1
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, u.name FROM n JOIN users u ON u.id = i ORDER BY 1
WITH RECURSIVE f (login, depth) AS (SELECT 'anna', 0 UNION ALL SELECT p.friend, f.depth + 1 FROM f JOIN people p ON p.login = f.login WHERE f.depth < 4 AND p.friend IS NOT NULL) SELECT * FROM f ORDER BY depth
SELECT * FROM (SELECT id, age FROM users WHERE age > 15) s WHERE s.id = 6
SELECT * FROM (SELECT id, age FROM users) s WHERE s.age = 12 ORDER BY id
SELECT s.a, count(*) FROM (SELECT age / 5 AS a FROM users) s GROUP BY s.a ORDER BY s.a
SELECT * FROM (SELECT country, max(age) AS a FROM users GROUP BY country) s ORDER BY a DESC, country
SELECT s.id FROM (SELECT DISTINCT user_id AS id FROM posts) s ORDER BY 1
SELECT id FROM users WHERE id = (SELECT user_id FROM posts WHERE user_id = 7 AND id = 1)
SELECT id FROM users WHERE id = (SELECT max(user_id) FROM posts)
SELECT id FROM users WHERE age > ALL (SELECT n + 15 FROM items) ORDER BY id
SELECT id FROM users WHERE age = ANY (SELECT hits FROM visits) ORDER BY id
SELECT id FROM users WHERE (age, country) IN (SELECT 12, 'de') ORDER BY id
SELECT EXISTS (SELECT FROM users WHERE age = 12), EXISTS (SELECT FROM nobody)
SELECT (SELECT name FROM users WHERE id = 3), (SELECT name FROM users WHERE id = 23)
SELECT ARRAY(SELECT id FROM users ORDER BY id LIMIT 3)
SELECT name, (SELECT count(*) FROM users) FROM countries ORDER BY name
SELECT * FROM countries WHERE code IN (SELECT country FROM users WHERE age = 12) ORDER BY code
SELECT * FROM settings WHERE name IN (SELECT 's' || id FROM users) ORDER BY name
-- Views
SELECT * FROM adults ORDER BY id
SELECT count(*) FROM adults
SELECT * FROM adults WHERE id = 6
SELECT * FROM adults WHERE id IN (6, 7, 20, 21) ORDER BY id
SELECT * FROM user_posts WHERE id = 7 ORDER BY post_id
SELECT name, count(*) FROM user_posts GROUP BY name ORDER BY 1
SELECT * FROM per_country ORDER BY country
SELECT max(n) FROM per_country
SELECT * FROM per_country p JOIN countries c ON c.code = p.country ORDER BY 1
SELECT * FROM big_countries ORDER BY code
SELECT u.id, b.name FROM users u JOIN big_countries b ON b.code = u.country ORDER BY 1
-- Windows
SELECT id, row_number() OVER (ORDER BY id) FROM users ORDER BY id
SELECT id, rank() OVER (ORDER BY age) FROM users ORDER BY id
SELECT id, dense_rank() OVER (PARTITION BY country ORDER BY age DESC) FROM users ORDER BY id
SELECT user_id, id, row_number() OVER (PARTITION BY user_id ORDER BY id) FROM posts ORDER BY 1, 2
SELECT user_id, id, sum(likes) OVER (PARTITION BY user_id ORDER BY id) FROM posts ORDER BY 1, 2
SELECT user_id, id, lag(title) OVER (PARTITION BY user_id ORDER BY id), lead(id, 1, 0) OVER (PARTITION BY user_id ORDER BY id) FROM posts ORDER BY 1, 2
SELECT id, sum(age) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM users ORDER BY id
SELECT id, count(*) OVER () FROM users ORDER BY id
SELECT id, avg(balance) OVER (PARTITION BY country) FROM users ORDER BY id
SELECT id, ntile(4) OVER (ORDER BY id), first_value(id) OVER w, last_value(id) OVER w FROM users WINDOW w AS (PARTITION BY active ORDER BY id) ORDER BY id
SELECT country, count(*), rank() OVER (ORDER BY count(*) DESC, country) FROM users GROUP BY country ORDER BY 3
SELECT * FROM (SELECT id, country, row_number() OVER (PARTITION BY country ORDER BY id) AS n FROM users) s WHERE n <= 2 ORDER BY country, n
SELECT * FROM (SELECT user_id, id, row_number() OVER (PARTITION BY user_id ORDER BY id DESC) AS n FROM posts) s WHERE n = 1 ORDER BY user_id
-- Prepared
PREPARE p AS SELECT id, name FROM users WHERE age > 15 ORDER BY id
+ EXECUTE p --: refused 0A000, ordered
+ DEALLOCATE p
PREPARE p (bigint) AS SELECT id, name FROM users WHERE id = $1
+ EXECUTE p (7)
+ EXECUTE p (27)
+ DEALLOCATE p
PREPARE p (int) AS SELECT count(*) FROM users WHERE age > $1
+ EXECUTE p (12) --: refused 0A000
+ EXECUTE p (17)
+ DEALLOCATE p
