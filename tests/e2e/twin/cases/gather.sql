-- Statements that one server finishes over rows pulled from several shards.
-- Which columns are pulled
SELECT count(*), (SELECT count(*) FROM posts) FROM users
SELECT (SELECT max(p.id) FROM posts p), u.id FROM users u ORDER BY u.id LIMIT 5
SELECT u.* FROM users u WHERE u.age > (SELECT avg(age) FROM users) ORDER BY u.id
SELECT * FROM users u NATURAL JOIN (SELECT id FROM lone) l ORDER BY id
SELECT x, y FROM users AS o(x, y) WHERE o.x NOT IN (SELECT id FROM lone) ORDER BY x
SELECT count(o) FROM users o WHERE (SELECT count(*) FROM lone) > 0
SELECT to_jsonb(o) -> 'name' FROM users o WHERE o.id < 9 AND EXISTS (SELECT FROM posts) ORDER BY o.id
SELECT row_to_json(l), (SELECT count(*) FROM posts) FROM lone l ORDER BY l.id
SELECT (o).name FROM users o WHERE o.id < 9 AND (SELECT count(*) FROM lone) < 100 ORDER BY (o).id
SELECT o IS NULL, o = o2 FROM lone o LEFT JOIN lone o2 ON o2.n = o.n ORDER BY 1, 2
TABLE users EXCEPT TABLE users
TABLE lone UNION ALL (TABLE lone) ORDER BY 1
SELECT id FROM ONLY users WHERE age < (SELECT max(age) FROM ONLY users) ORDER BY id
SELECT id FROM users * WHERE age < (SELECT max(age) FROM public.users) ORDER BY id
SELECT "users"."id" FROM "public"."users" WHERE "users"."age" = (SELECT max(age) FROM users) ORDER BY 1
SELECT users.id AS name FROM users GROUP BY users.id, users.name HAVING count(*) >= (SELECT 1) ORDER BY name
-- A name that means something further out once it isn't there
SELECT id, (SELECT age FROM lone LIMIT 1) FROM users WHERE id < 5 ORDER BY id
SELECT u.id, EXISTS (SELECT 1 FROM posts WHERE user_id = u.id AND name IS NOT NULL) FROM users u ORDER BY u.id
-- Types, NULLs and values at the edges
SELECT m.*, rank() OVER (ORDER BY m.k) FROM measures m ORDER BY m.k
SELECT m.k, lag(m.n) OVER w, lead(m.m) OVER w, first_value(m.t) OVER w FROM measures m WINDOW w AS (ORDER BY m.k) ORDER BY m.k
SELECT i.*, dense_rank() OVER (ORDER BY i.u) FROM items i ORDER BY i.u
SELECT v.*, row_number() OVER (ORDER BY v.day, v.page) FROM visits v ORDER BY v.day, v.page
SELECT p.*, count(*) OVER () FROM people p ORDER BY p.login
SELECT o.*, sum(o.total) OVER (PARTITION BY o.tenant) FROM orders o ORDER BY 1, 2, 3
SELECT pg_typeof(k), pg_typeof(t) FROM measures WHERE k = (SELECT min(k) FROM measures)
-- Filters that shards apply
SELECT id FROM users WHERE age = 12 AND id <> (SELECT max(id) FROM users) ORDER BY id
SELECT id FROM users WHERE age > $1 AND id <> (SELECT max(id) FROM users) ORDER BY id --: with 20
SELECT id FROM users WHERE age > $1::int AND name <> $2 AND id <> (SELECT max(id) FROM users) ORDER BY id --: with 20|user 5
SELECT id FROM users WHERE (age = 12 OR age IS NULL) AND NOT active AND id <> (SELECT max(id) FROM users) ORDER BY id
SELECT id FROM users WHERE age BETWEEN 5 AND 25 AND name IN ('a', 'b', 'user 3', 'user 4') AND (SELECT true) ORDER BY id
SELECT u.id, p.id FROM users u LEFT JOIN posts p ON p.id = u.id WHERE u.age < 30 AND p.id IS NULL ORDER BY 1, 2
SELECT u.id, p.id FROM users u LEFT JOIN posts p ON p.id = u.id WHERE p.likes > 2 ORDER BY 1, 2
SELECT u.id, p.id FROM users u RIGHT JOIN posts p ON p.id = u.id WHERE p.likes < 9 AND u.age IS NULL ORDER BY 1, 2
SELECT u.id, p.id FROM users u FULL JOIN posts p ON p.id = u.id WHERE u.age IS NULL OR p.likes IS NULL ORDER BY 1, 2
SELECT page FROM visits WHERE day >= '2025-01-01' AND day < 'now' AND hits <> (SELECT max(hits) FROM visits) ORDER BY day, page
SELECT page FROM visits WHERE day > $1 AND hits >= (SELECT min(hits) FROM visits) ORDER BY day, page --: with 2025-03-01
SELECT id FROM users WHERE id = 5 AND id = 6 AND age = (SELECT max(age) FROM users)
SELECT count(*) FROM users a, users b WHERE a.id = 5 AND b.id IN (17, 23)
-- GROUP BY of a primary key
SELECT u.* FROM users u GROUP BY u.id ORDER BY u.id
SELECT u.id, u.name, count(p.id) FROM users u LEFT JOIN posts p ON p.id = u.id GROUP BY u.id ORDER BY u.id
SELECT u.name, string_agg(p.body, ',' ORDER BY p.id) FROM users u JOIN posts p ON p.user_id = u.id GROUP BY u.id ORDER BY u.id
SELECT upper(name) FROM users GROUP BY id HAVING max(age) < 20 OR (SELECT false) ORDER BY id
-- Windows, sets, aggregates of which nothing is known, recursion
SELECT id, ntile(3) OVER (ORDER BY id), percent_rank() OVER (ORDER BY age NULLS FIRST) FROM users ORDER BY id
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY age), mode() WITHIN GROUP (ORDER BY country) FROM users
SELECT country, age % 2, count(*), grouping(country) FROM users GROUP BY GROUPING SETS ((country), (age % 2), ()) ORDER BY 1, 2, 3, 4
SELECT jsonb_object_agg(id, name ORDER BY id) FROM users WHERE id < 9
SELECT array_agg(DISTINCT age ORDER BY age DESC NULLS LAST) FROM users
WITH RECURSIVE r AS (SELECT id, 1 AS depth FROM users WHERE id = 1 UNION ALL SELECT u.id, depth + 1 FROM users u JOIN r ON u.id = r.id + 1 WHERE depth < 9) SELECT * FROM r ORDER BY id
WITH users AS (SELECT * FROM users WHERE age > 10), p AS (SELECT * FROM posts) SELECT u.id, (SELECT count(*) FROM p) FROM users u ORDER BY 1
WITH c AS MATERIALIZED (SELECT id, age FROM users) SELECT a.id, b.id FROM c a JOIN c b ON a.age = b.age AND a.id < b.id ORDER BY 1, 2
SELECT u.id, l.n FROM users u, LATERAL (SELECT count(*) AS n FROM posts p WHERE p.likes < u.age) l ORDER BY u.id
SELECT id FROM users ORDER BY name, id FETCH FIRST 5 ROWS WITH TIES
SELECT u.id FROM users u JOIN countries c ON c.code = u.country JOIN posts p ON p.likes = u.age ORDER BY u.id, p.id
SELECT u.id, s.value FROM users u, settings s WHERE u.id < 4 ORDER BY 1, 2
SELECT relname FROM pg_class c WHERE relname IN (SELECT 'users' FROM users)
-- Errors
SELECT 1 / (age - 12) FROM users WHERE id <> (SELECT max(id) FROM users)
SELECT nothing, (SELECT count(*) FROM posts) FROM users
SELECT id FROM users WHERE id = (SELECT id FROM posts)
SELECT id FROM users WHERE age = 'x' AND id = (SELECT max(id) FROM users)
SELECT id FROM users WHERE age = $1 AND id = (SELECT max(id) FROM users) --: with x
SELECT users FROM users WHERE id > (SELECT max(id) - 3 FROM users) --: refused 0A000, free
SELECT array_agg(l) FROM lone l, nobody --: refused 0A000
SELECT ctid FROM users, lone --: refused 0A000 simple
SELECT pg_column_size(u.name) FROM users u WHERE id = (SELECT max(id) FROM users) --: refused 0A000
-- In a transaction, which sees what it has written
BEGIN
+ INSERT INTO users (id, name, age) VALUES (901, 'new', 99), (902, 'newer', 98)
+ SELECT id, rank() OVER (ORDER BY age DESC NULLS LAST) FROM users WHERE age > 90 ORDER BY id
+ DELETE FROM users WHERE id = 901
+ SELECT (SELECT count(*) FROM users WHERE id > 900), (SELECT count(*) FROM posts)
+ ROLLBACK
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY
+ SELECT max(id) FROM users WHERE id < (SELECT max(id) FROM users)
+ ROLLBACK
