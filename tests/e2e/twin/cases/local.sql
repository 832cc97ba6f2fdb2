-- What each shard can answer for its own rows, and what only looks like it.
-- Outer joins: a key that is NULL because nothing matched is no key.
SELECT p.user_id, count(*) FROM users u LEFT JOIN posts p ON p.user_id = u.id GROUP BY p.user_id
SELECT u.id, count(*), array_agg(p.id ORDER BY p.id) FROM users u LEFT JOIN posts p ON p.user_id = u.id GROUP BY u.id HAVING count(*) > 1 ORDER BY 1
SELECT DISTINCT p.user_id FROM users u LEFT JOIN posts p ON p.user_id = u.id ORDER BY 1
SELECT DISTINCT u.id, p.user_id FROM users u LEFT JOIN posts p ON p.user_id = u.id ORDER BY 1
SELECT coalesce(u.id, p.user_id) AS k, count(*) FROM users u FULL JOIN posts p ON p.user_id = u.id GROUP BY 1 ORDER BY 1
SELECT u.id, p.user_id, count(*) FROM users u FULL JOIN posts p ON p.user_id = u.id GROUP BY u.id, p.user_id ORDER BY 1, 2
SELECT p.user_id, l.user_id FROM posts p FULL JOIN likes l ON p.user_id = l.user_id AND p.id = l.post_id ORDER BY 1, 2, p.id, l.author_id
SELECT u.id, p.id, l.author_id FROM users u LEFT JOIN posts p ON p.user_id = u.id LEFT JOIN likes l ON l.user_id = p.user_id AND l.post_id = p.id ORDER BY 1, 2, 3
SELECT u.id, p.id, l.author_id FROM users u LEFT JOIN (posts p JOIN likes l ON l.user_id = p.user_id AND l.post_id = p.id) ON p.user_id = u.id ORDER BY 1, 2, 3
SELECT u.id, x.id, y.id FROM users u FULL JOIN posts x ON x.user_id = u.id FULL JOIN posts y ON y.user_id = u.id ORDER BY 1, 2, 3, x.user_id, y.user_id
SELECT u.id, p.id FROM users u LEFT JOIN posts p ON p.user_id = u.id AND p.id = (SELECT max(q.id) FROM posts q WHERE q.user_id = u.id) ORDER BY 1
SELECT u.id, p.id FROM users u RIGHT JOIN posts p ON p.user_id = u.id AND u.active ORDER BY p.user_id, p.id
SELECT u.id, c.name, p.id FROM users u LEFT JOIN countries c ON c.code = u.country LEFT JOIN posts p ON p.user_id = u.id AND p.title > c.name ORDER BY 1, 3
SELECT u.id, p.id FROM users u LEFT JOIN posts p ON p.user_id < u.id ORDER BY 1, 2
SELECT u.id, p.id FROM users u LEFT JOIN posts p ON p.user_id = u.id OR p.id = 1 ORDER BY 1, 2
SELECT u.id, p.id FROM users u JOIN posts p ON p.user_id = u.id + 1 ORDER BY 1, 2
SELECT u.id, m.s FROM users u LEFT JOIN measures m ON m.k = u.id ORDER BY 1, 2
SELECT m.k, u.id FROM measures m LEFT JOIN users u ON m.k = u.id WHERE u.id IS NULL ORDER BY 1
-- Keys by another name, and by more than one way
SELECT u.id, p.id FROM users u, posts p, likes l WHERE u.id = l.user_id AND l.user_id = p.user_id AND l.post_id = p.id ORDER BY 1, 2
SELECT u.id, p.id FROM users u CROSS JOIN posts p WHERE p.user_id = u.id::bigint ORDER BY 1, 2
SELECT a, b FROM (SELECT id AS a, name FROM users) x JOIN (SELECT user_id AS b, title FROM posts) y ON x.a = y.b ORDER BY 1, title
SELECT user_id, p.id, l.author_id FROM posts p LEFT JOIN likes l USING (user_id) ORDER BY 1, 2, 3
SELECT user_id FROM posts p FULL JOIN likes l USING (user_id) ORDER BY 1
SELECT * FROM posts p JOIN likes l USING (user_id) ORDER BY user_id, id, author_id, post_id
SELECT * FROM users u JOIN lone l ON l.id = u.id ORDER BY n
SELECT u.* FROM users u JOIN lone l ON l.id = u.id ORDER BY id
SELECT u.id, o.id FROM users u JOIN orders o ON o.user_id = u.id ORDER BY 1, 2
SELECT o.id, n.id FROM orders o JOIN orders n ON (o.tenant, o.region) = (n.tenant, n.region) ORDER BY 1, 2, o.tenant, o.region
SELECT o.id, n.id FROM orders o JOIN orders n ON o.tenant = n.tenant ORDER BY 1, 2
SELECT o.id, n.id FROM orders o JOIN orders n USING (tenant, region) WHERE o.id < n.id ORDER BY 1, 2
SELECT o.id, n.id FROM orders o JOIN orders n ON o.tenant = n.tenant AND o.region = n.region OR o.id = n.id ORDER BY 1, 2
SELECT tenant, region, count(*), sum(total) FROM orders GROUP BY region, tenant HAVING count(*) > 1 ORDER BY 1, 2
SELECT u.id, p.id FROM users u JOIN posts p ON p.user_id = u.id AND p.user_id IN (SELECT user_id FROM likes) ORDER BY 1, 2
-- Subqueries that are tied to the row, and some that aren't
SELECT id, (SELECT count(*) FROM posts WHERE user_id = users.id) FROM users ORDER BY 1
SELECT id, (SELECT count(*) FROM posts) FROM users ORDER BY 1
SELECT id, (SELECT p.title FROM posts p WHERE p.user_id = u.id ORDER BY p.id DESC LIMIT 1) FROM users u ORDER BY u.id
SELECT id, ARRAY(SELECT p.id FROM posts p WHERE p.user_id = u.id ORDER BY p.id) FROM users u ORDER BY u.id
SELECT id, (SELECT count(u.age) FROM posts p WHERE p.user_id = u.id) FROM users u ORDER BY u.id
SELECT (SELECT count(u.age)) FROM users u
SELECT (SELECT sum(u.age) FROM countries LIMIT 1) FROM users u
SELECT (SELECT sum(u.age + c.size) FROM countries c) FROM users u ORDER BY u.id
SELECT id FROM users u WHERE EXISTS (SELECT FROM posts p JOIN likes l ON l.user_id = p.user_id AND l.post_id = p.id WHERE p.user_id = u.id) ORDER BY id
SELECT id FROM users u WHERE EXISTS (SELECT FROM posts p, likes l WHERE p.user_id = u.id) ORDER BY id
SELECT id FROM users u WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = u.id AND EXISTS (SELECT FROM likes l WHERE l.user_id = u.id)) ORDER BY id
SELECT id FROM users u WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = u.id AND EXISTS (SELECT FROM likes l WHERE l.author_id = u.id)) ORDER BY id
SELECT id FROM users u WHERE EXISTS (SELECT FROM countries c WHERE c.code = u.country AND EXISTS (SELECT FROM posts p WHERE p.user_id = u.id)) ORDER BY id
SELECT id FROM users u WHERE EXISTS (SELECT FROM countries c LEFT JOIN posts p ON p.user_id = u.id WHERE c.code = u.country AND p.id IS NULL) ORDER BY id
SELECT id FROM users u WHERE EXISTS (SELECT FROM countries c LEFT JOIN posts p ON p.title = c.name WHERE c.code = u.country) ORDER BY id
SELECT id FROM users u WHERE (SELECT count(*) FROM posts p WHERE p.user_id = u.id) > 1 ORDER BY id
SELECT id FROM users u WHERE 1 < (SELECT count(*) FROM posts p LEFT JOIN likes l ON l.user_id = p.user_id WHERE p.user_id = u.id) ORDER BY id
SELECT id FROM users u WHERE NOT (id IN (SELECT user_id FROM posts WHERE user_id = u.id)) ORDER BY id
SELECT id FROM users u WHERE id NOT IN (SELECT user_id FROM posts WHERE user_id = u.id AND likes > 1) ORDER BY id
SELECT id FROM users u WHERE id IN (SELECT user_id FROM posts) OR age < 5 ORDER BY id
SELECT id FROM users u WHERE id = ANY (SELECT user_id FROM posts) ORDER BY id
SELECT id FROM users u WHERE id = ALL (SELECT user_id FROM posts WHERE user_id = u.id) ORDER BY id
SELECT id FROM users u WHERE id IN (SELECT user_id FROM posts ORDER BY likes, user_id, id LIMIT 3) ORDER BY id
SELECT id FROM users u WHERE id IN (SELECT user_id FROM posts GROUP BY user_id HAVING count(*) > 1) ORDER BY id
SELECT id FROM users u WHERE id IN (SELECT max(user_id) FROM posts) ORDER BY id
SELECT id FROM users u WHERE id IN (SELECT user_id FROM posts UNION SELECT user_id FROM likes) ORDER BY id
SELECT id FROM users u WHERE id IN (SELECT user_id FROM posts EXCEPT SELECT user_id FROM likes) ORDER BY id
SELECT id FROM users u WHERE id IN (SELECT user_id FROM posts UNION SELECT 3) ORDER BY id
SELECT id FROM users u WHERE (id, 1) IN (SELECT user_id, id FROM posts) ORDER BY id
SELECT u.country, count(*) FROM users u WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = u.id) GROUP BY u.country ORDER BY 2, 1
SELECT sum((SELECT count(*) FROM posts p WHERE p.user_id = u.id)) FROM users u
SELECT count(*) FROM users u WHERE u.id IN (SELECT l.author_id FROM likes l)
SELECT u.id, (SELECT c.name FROM countries c ORDER BY c.size LIMIT 1) FROM users u ORDER BY 1
SELECT u.id, (SELECT max(c.name) FROM countries c) FROM users u ORDER BY 1
SELECT u.id, random() < 2 FROM users u WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = u.id) ORDER BY 1
SELECT u.id FROM users u WHERE u.joined < (SELECT current_date) ORDER BY 1
SELECT u.id, (SELECT now()) = now() FROM users u ORDER BY 1
SELECT u.id, (SELECT p.ctid IS NULL FROM posts p WHERE p.user_id = u.id LIMIT 1) FROM users u ORDER BY 1 --: refused 0A000
-- Derived tables, LATERAL, WITH
SELECT s.user_id, s.n, u.name FROM users u JOIN (SELECT user_id, count(*) AS n, max(created) AS last FROM posts GROUP BY user_id) s ON s.user_id = u.id ORDER BY 1
SELECT s.country, s.n, u.id FROM users u JOIN (SELECT country, count(*) AS n FROM users GROUP BY country) s ON s.country = u.country ORDER BY 3
SELECT s.user_id, s.id FROM (SELECT DISTINCT ON (user_id) user_id, id FROM posts ORDER BY user_id, likes DESC, id) s ORDER BY 1
SELECT s.user_id, s.id FROM (SELECT user_id, id, row_number() OVER (ORDER BY id, user_id) AS n FROM posts) s WHERE n < 4 ORDER BY 1, 2
SELECT count(s.id) FROM (SELECT id FROM users LIMIT 3) s
SELECT s.id FROM (SELECT id FROM users UNION ALL SELECT user_id FROM posts) s ORDER BY 1
SELECT s.id FROM (SELECT id FROM users UNION SELECT user_id FROM posts) s ORDER BY 1
SELECT s.id FROM (SELECT id FROM users UNION ALL SELECT 5) s ORDER BY 1
SELECT s.id FROM (SELECT id FROM users INTERSECT ALL SELECT user_id FROM posts) s ORDER BY 1
SELECT s.age FROM (SELECT age FROM users EXCEPT SELECT id::int FROM lone) s ORDER BY 1
SELECT s.id, p.title FROM (SELECT id FROM users EXCEPT SELECT id FROM lone) s JOIN posts p ON p.user_id = s.id ORDER BY 1, p.id
SELECT u.id, t.id, t.likes FROM users u, LATERAL (SELECT p.id, p.likes FROM posts p WHERE p.user_id = u.id ORDER BY p.likes DESC, p.id LIMIT 2) t ORDER BY 1, 2
SELECT u.id, t.n FROM users u LEFT JOIN LATERAL (SELECT count(*) AS n FROM posts p WHERE p.user_id = u.id) t ON t.n > 1 ORDER BY 1
SELECT u.id, t.n FROM users u LEFT JOIN LATERAL (SELECT count(*) AS n FROM posts p WHERE p.likes = u.age) t ON true ORDER BY 1
SELECT u.id, t.n FROM users u JOIN posts p ON p.user_id = u.id, LATERAL (SELECT count(*) AS n FROM likes l WHERE l.user_id = p.user_id) t ORDER BY 1, p.id
SELECT u.id, x FROM users u, LATERAL unnest(ARRAY[u.age, u.age + 1]) x ORDER BY 1, 2
SELECT p.id, tag FROM posts p LEFT JOIN LATERAL unnest(p.tags) tag ON true ORDER BY p.user_id, 1, tag COLLATE "C"
SELECT x, u.id FROM generate_series(1, 3) x LEFT JOIN users u ON u.age = x ORDER BY 1, 2
WITH p AS (SELECT user_id, count(*) AS n FROM posts GROUP BY user_id) SELECT u.id, p.n FROM users u LEFT JOIN p ON p.user_id = u.id ORDER BY 1
WITH p AS (SELECT user_id, likes FROM posts), q AS (SELECT user_id, sum(likes) AS s FROM p GROUP BY user_id) SELECT a.user_id, a.s, b.likes FROM q a JOIN p b USING (user_id) ORDER BY 1, 3
WITH u AS (SELECT * FROM users WHERE age > 10) SELECT country, count(*), avg(age) FROM u GROUP BY country ORDER BY 2, 3
WITH c AS (SELECT code FROM countries WHERE size > 50) SELECT u.id FROM users u JOIN c ON c.code = u.country ORDER BY 1
WITH users AS (SELECT user_id AS id FROM posts) SELECT count(*) FROM users
WITH u AS (SELECT id FROM users ORDER BY id LIMIT 5) SELECT p.id FROM posts p JOIN u ON u.id = p.user_id ORDER BY p.user_id, 1
WITH RECURSIVE t AS (SELECT id, age FROM users WHERE id = 1 UNION ALL SELECT u.id, u.age FROM users u JOIN t ON u.id = t.id + 1) SELECT count(*) FROM t
WITH RECURSIVE n AS (SELECT 1 AS i UNION SELECT i + 1 FROM n WHERE i < 3) SELECT u.id, i FROM users u JOIN n ON true WHERE u.id < 30 ORDER BY 1, 2
-- One expression is another where only the operator differs
SELECT age + 1, id FROM users ORDER BY age - 1, id
SELECT id + age, id - age, count(*) FROM users GROUP BY id + age, id - age ORDER BY 1, 2
SELECT age + id AS a, age - id AS b FROM users ORDER BY age - id, id
SELECT extract(year FROM joined), count(*) FROM users GROUP BY extract(year FROM joined), extract(month FROM joined) ORDER BY 1, 2
SELECT balance::numeric(12, 1), count(*) FROM users GROUP BY balance::numeric(12, 1) ORDER BY 1
SELECT balance::numeric(12, 1) AS a FROM users ORDER BY balance::numeric(13, 2), id
SELECT active IS TRUE, count(*) FROM users GROUP BY active IS TRUE, active IS FALSE ORDER BY 1, 2
-- A function in FROM is called once
SELECT DISTINCT r < 2 FROM users u, random() r
SELECT count(DISTINCT r) FROM users u, random() r
SELECT max(r) = min(r) FROM users u, random() r
