-- FILTER
SELECT count(*) FILTER (WHERE active), count(*) FILTER (WHERE age > 12 AND NOT active) FROM users
SELECT country, count(*) FILTER (WHERE active) AS n, sum(age) FILTER (WHERE active), avg(age) FILTER (WHERE age > 10), max(joined) FILTER (WHERE active) FROM users GROUP BY country ORDER BY n, 3, 4
SELECT sum(balance) FILTER (WHERE age < $1), avg(balance) FILTER (WHERE age < $1) FROM users --: with 14
SELECT pg_catalog.avg(age) FILTER (WHERE id IN (1, 2, 3)), stddev(age) FILTER (WHERE active) FROM users
SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = u.id)) FROM users u
SELECT count(*) FILTER (WHERE age > (SELECT min(size) FROM countries)) FROM users u
-- Variance
SELECT stddev(age), variance(age), stddev_pop(age), var_pop(age), stddev_samp(age), var_samp(age) FROM users
SELECT country, stddev(balance), var_pop(balance) FROM users GROUP BY country ORDER BY 2, 3 --: ordered by 2 3
SELECT stddev(id), variance(age::smallint), stddev_pop(balance * age) FROM users
SELECT stddev(n), var_samp(m), stddev_pop(i), variance(b) FROM measures WHERE n < 1000000 AND n > -1000000
SELECT variance(n) FROM nobody
SELECT round(stddev(score)::numeric, 8) FROM posts
SELECT stddev(n), var_pop(n) FROM lone
-- DISTINCT inside
SELECT count(DISTINCT country) FROM users
SELECT count(DISTINCT country), count(DISTINCT age), count(*), sum(age), avg(age), min(age) FROM users
SELECT count(DISTINCT age) AS n, sum(DISTINCT age), avg(DISTINCT age), max(DISTINCT age), bool_or(DISTINCT active) FROM users
SELECT country, count(DISTINCT age), count(age), sum(DISTINCT age) FROM users GROUP BY country ORDER BY 2, 3, 4
SELECT country, count(DISTINCT age % 3) AS n FROM users GROUP BY country ORDER BY n DESC, country COLLATE "C" LIMIT 3
SELECT count(DISTINCT country) FILTER (WHERE active), count(DISTINCT age) FILTER (WHERE age > 12) FROM users
SELECT count(DISTINCT n), sum(DISTINCT n) FROM nobody
SELECT count(DISTINCT id) FROM nobody WHERE id = 4
SELECT t, count(DISTINCT n) FROM nobody GROUP BY t
SELECT 'x' AS x, count(DISTINCT country) FROM users
SELECT count(DISTINCT 1) FROM users
SELECT count(DISTINCT -1), count(DISTINCT NULL) FROM users
SELECT count(DISTINCT $1) FROM users --: with 3
SELECT count(DISTINCT lower(name)) FROM users
SELECT count(DISTINCT n), count(DISTINCT m), count(DISTINCT f), count(DISTINCT t), count(DISTINCT c), count(DISTINCT d), count(DISTINCT x), count(DISTINCT u) FROM measures
SELECT sum(DISTINCT balance) FROM users
SELECT avg(DISTINCT i), sum(DISTINCT b), sum(DISTINCT s) FROM measures
SELECT count(DISTINCT j) FROM measures
SELECT count(DISTINCT (age, country)) FROM users
SELECT count(DISTINCT age + id), count(ALL age) FROM users
SELECT count(DISTINCT u.country) FROM users u JOIN posts p ON p.user_id = u.id
SELECT age % 4 AS a, count(DISTINCT country), count(DISTINCT active) FROM users GROUP BY age % 4 ORDER BY 1
SELECT count(DISTINCT user_id), count(DISTINCT title) FROM posts
SELECT user_id, count(DISTINCT title) FROM posts GROUP BY user_id ORDER BY 1
SELECT count(DISTINCT age), random() < 2 FROM users
-- DISTINCT ON
SELECT DISTINCT ON (age) age, id FROM users ORDER BY age, id
SELECT DISTINCT ON (age) id, age FROM users ORDER BY age DESC NULLS LAST, id DESC LIMIT 4
SELECT DISTINCT ON (age) id, age FROM users ORDER BY age, id LIMIT 4 OFFSET 2
SELECT DISTINCT ON (active, age) age, id, active FROM users ORDER BY age, active, id
SELECT DISTINCT ON (age) id FROM users ORDER BY age, joined, id
SELECT DISTINCT ON (age % 5) id, age FROM users ORDER BY age % 5, id
SELECT DISTINCT ON (age + id, age - id) id, age FROM users ORDER BY age - id, age + id, id
SELECT DISTINCT ON (age) age FROM users
SELECT DISTINCT ON (id) id, age FROM users ORDER BY age
SELECT DISTINCT ON (u.age) u.age, p.id FROM users u JOIN posts p ON p.user_id = u.id ORDER BY u.age, p.id, u.id
SELECT DISTINCT ON (n) n, k FROM measures ORDER BY n, k
SELECT DISTINCT ON (country COLLATE "C") country, id FROM users ORDER BY country COLLATE "C", id
SELECT DISTINCT ON (country) country, count(*) FROM users GROUP BY country, age ORDER BY country, count(*)
-- FETCH … WITH TIES
SELECT age FROM users ORDER BY age FETCH FIRST 2 ROWS WITH TIES
SELECT age FROM users ORDER BY age DESC NULLS LAST FETCH FIRST 4 ROWS WITH TIES
SELECT age FROM users ORDER BY age OFFSET 3 FETCH FIRST 2 ROWS WITH TIES
SELECT age FROM users ORDER BY age FETCH FIRST 0 ROWS WITH TIES
SELECT age FROM users ORDER BY age FETCH FIRST ROW WITH TIES
SELECT age FROM users ORDER BY age OFFSET $1 FETCH FIRST ($2) ROWS WITH TIES --: with 4|3
SELECT age FROM users ORDER BY age FETCH FIRST $1 ROWS WITH TIES --: with 3
SELECT age, active FROM users ORDER BY age, active FETCH FIRST 3 ROWS WITH TIES
SELECT active FROM users ORDER BY age FETCH FIRST 1 ROWS WITH TIES --: free
SELECT age, count(*) FROM users GROUP BY age ORDER BY count(*) DESC FETCH FIRST 2 ROWS WITH TIES --: ordered by 2
SELECT DISTINCT age FROM users ORDER BY age FETCH FIRST 3 ROWS WITH TIES
SELECT age FROM users FETCH FIRST 3 ROWS WITH TIES
-- Set operations
SELECT id FROM users UNION ALL SELECT user_id FROM posts ORDER BY 1
SELECT id AS x, age FROM users UNION ALL SELECT user_id, likes FROM posts ORDER BY x DESC, age LIMIT 9
SELECT id FROM users UNION ALL SELECT id FROM lone UNION ALL SELECT user_id FROM likes ORDER BY id OFFSET 12 LIMIT 5
SELECT age FROM users UNION SELECT likes FROM posts ORDER BY 1
SELECT age FROM users UNION SELECT size FROM countries ORDER BY 1
SELECT age FROM users UNION ALL SELECT size FROM countries ORDER BY 1
SELECT age FROM users UNION SELECT likes FROM posts UNION ALL SELECT 5 ORDER BY 1
SELECT age FROM users UNION ALL SELECT likes FROM posts UNION SELECT 5 ORDER BY 1
SELECT age FROM users UNION (SELECT likes FROM posts UNION SELECT 3) ORDER BY 1 DESC LIMIT 4
SELECT age FROM users UNION (SELECT likes FROM posts ORDER BY likes LIMIT 2) ORDER BY 1
SELECT age FROM users UNION SELECT max(likes) FROM posts ORDER BY 1
SELECT age FROM users UNION SELECT likes FROM posts ORDER BY age LIMIT $1 OFFSET $2 --: with 3|2
SELECT age FROM users INTERSECT SELECT likes FROM posts ORDER BY 1
SELECT age FROM users EXCEPT SELECT likes FROM posts ORDER BY 1
SELECT id FROM users EXCEPT SELECT user_id FROM posts ORDER BY 1
SELECT id FROM users INTERSECT SELECT user_id FROM posts ORDER BY 1 LIMIT 3
SELECT user_id FROM posts INTERSECT ALL SELECT user_id FROM likes ORDER BY 1
SELECT user_id FROM posts EXCEPT ALL SELECT user_id FROM likes ORDER BY 1
SELECT id, age FROM users EXCEPT SELECT user_id, likes FROM posts ORDER BY 2, 1
SELECT age, id FROM users EXCEPT SELECT likes, user_id FROM posts ORDER BY 2, 1
SELECT age, id FROM users EXCEPT SELECT user_id, id FROM posts ORDER BY 2, 1
SELECT id FROM users EXCEPT SELECT 3 ORDER BY 1
SELECT id FROM users UNION SELECT tenant FROM orders ORDER BY 1
SELECT id FROM users UNION ALL SELECT tenant FROM orders ORDER BY 1
SELECT login FROM people UNION SELECT name FROM users ORDER BY 1
SELECT login FROM people UNION SELECT name FROM users
SELECT count(*) FROM users UNION ALL SELECT count(*) FROM posts
SELECT id, 'u' AS w FROM users WHERE age > 15 UNION ALL SELECT user_id, 'p' FROM posts WHERE likes > 2 ORDER BY id, 2
SELECT user_id, count(*) FROM posts GROUP BY user_id UNION ALL SELECT user_id, count(*) FROM likes GROUP BY user_id ORDER BY 1, 2
SELECT user_id, count(*) FROM posts GROUP BY user_id UNION SELECT 1, 2 ORDER BY 1, 2
SELECT id FROM users WHERE id = 1 UNION ALL SELECT user_id FROM posts WHERE user_id = 5 ORDER BY 1
SELECT id FROM users UNION ALL SELECT user_id FROM posts ORDER BY age
WITH a AS (SELECT id FROM users WHERE age > 12) SELECT id FROM a UNION ALL SELECT user_id FROM posts ORDER BY id
(SELECT id FROM users WHERE age > 15) UNION ALL (SELECT user_id FROM posts) ORDER BY 1
SELECT n FROM measures UNION SELECT m FROM measures ORDER BY 1
SELECT age FROM users UNION ALL SELECT likes FROM posts --: free
