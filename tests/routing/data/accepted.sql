-- Statements that one shard answers: `statement -- [parameters] => where`, see tests/routing/data.rs.
-- By literal, in every way to write it.
SELECT 1 -- => any
SELECT * FROM users WHERE id = 42 -- => user 42
SELECT * FROM users WHERE id = '42' -- => user 42
SELECT * FROM users WHERE id = ' 42 ' -- => user 42
SELECT * FROM users WHERE id = E'42' -- => user 42
SELECT * FROM users WHERE id = $$42$$ -- => user 42
SELECT * FROM users WHERE id = -42 -- => user -42
SELECT * FROM users WHERE id = '-42' -- => user -42
SELECT * FROM users WHERE id = - 42 -- => user -42
SELECT * FROM users WHERE 42 = id -- => user 42
SELECT * FROM users WHERE (id) = (42) -- => user 42
SELECT * FROM users WHERE users.id = 42 -- => user 42
SELECT * FROM users WHERE public.users.id = 42 -- => user 42
SELECT * FROM public.users WHERE id = 42 -- => user 42
SELECT * FROM "users" WHERE "id" = 42 -- => user 42
SELECT * FROM USERS WHERE ID = 42 -- => user 42
SELECT * FROM ONLY users WHERE id = 42 -- => user 42
SELECT * FROM users AS u WHERE u.id = 42 -- => user 42
SELECT * FROM users AS u (k, n) WHERE u.k = 42 -- => user 42
SELECT * FROM users WHERE id = 42::int -- => user 42
SELECT * FROM users WHERE id = '42'::bigint -- => user 42
SELECT * FROM users WHERE id = CAST('42' AS smallint) -- => user 42
SELECT * FROM users WHERE id = bigint '42' -- => user 42
SELECT * FROM users WHERE id::bigint = 42 -- => user 42
SELECT * FROM users WHERE id = 42.0 -- => user 42
SELECT * FROM users WHERE id = 4.2e1 -- => user 42
SELECT * FROM users WHERE id = 42.5 -- => any
SELECT * FROM users WHERE id = NULL -- => any
SELECT * FROM users WHERE id = 99999999999999999999 -- => any
SELECT * FROM users WHERE false -- => any
SELECT * FROM users WHERE id = 42 AND false -- => any
SELECT * FROM users WHERE id = 1 AND id = 2 -- => any
SELECT * FROM users WHERE id IN (42) -- => user 42
SELECT * FROM users WHERE id IN (42, 42, '42') -- => user 42
SELECT * FROM users WHERE id IN (42, NULL) -- => user 42
SELECT * FROM users WHERE id = ANY (ARRAY[42]) -- => user 42
SELECT * FROM users WHERE id = ANY (ARRAY[42, 42]) -- => user 42
SELECT * FROM users WHERE id = 42 OR id = 42 -- => user 42
SELECT * FROM users WHERE (id = 42 AND name = 'a') OR (id = 42 AND name = 'b') -- => user 42
SELECT * FROM users WHERE id = 42 AND (name = 'a' OR email = 'b') -- => user 42
SELECT * FROM users WHERE id IN (1, 2, 3) AND id = 2 -- => user 2
SELECT * FROM users WHERE id = 42 AND id > 5 AND name IS NULL AND NOT name = 'x' -- => user 42
SELECT * FROM users WHERE ROW(id, name) = ROW(42, 'x') -- => user 42
SELECT * FROM users WHERE (name, id) = ('x', 42) -- => user 42
SELECT * FROM users WHERE (id, name) IN ((42, 'x'), (42, 'y')) -- => user 42
SELECT count(*), max(age), avg(age) FROM users WHERE id = 42 -- => user 42
SELECT country, count(*) FROM users WHERE id = 42 GROUP BY country HAVING count(*) > 1 ORDER BY 2 LIMIT 3 -- => user 42
SELECT id, count(*) FROM users GROUP BY id HAVING id = 42 -- => user 42
SELECT * FROM users WHERE id = 42 FOR UPDATE -- => user 42
SELECT * FROM users WHERE id = 42 FOR NO KEY UPDATE SKIP LOCKED -- => user 42
SELECT rank() OVER (ORDER BY likes) FROM posts WHERE user_id = 42 -- => user 42
SELECT *, tableoid::regclass FROM posts WHERE user_id = 42 -- => user 42
SELECT slug(name), safe_fn(), lower(name), now(), random() FROM users WHERE id = 42 -- => user 42
SELECT app.own_rows(id) FROM users WHERE id = 42 -- => user 42
SELECT u FROM users u WHERE u.id = 42 -- => user 42
SELECT u.*, p.* FROM users u, posts p WHERE u.id = p.user_id AND u.id = 42 -- => user 42
SELECT * FROM sessions WHERE user_id = 42 -- => user 42
SELECT * FROM app.sessions s WHERE s.user_id = 42 -- => user 42
-- By parameter.
SELECT * FROM users WHERE id = $1 -- $1:int8=42 => user 42
SELECT * FROM users WHERE id = $1 -- $1:int4=42 => user 42
SELECT * FROM users WHERE id = $1 -- $1:numeric=42.0 => user 42
SELECT * FROM users WHERE id = $1 -- $1:float8=42 => user 42
SELECT * FROM users WHERE id = $1 -- $1:=42 => user 42
SELECT * FROM users WHERE id = $1 -- $1:int8 => any
SELECT * FROM users WHERE id = $1::bigint -- $1:=42 => user 42
SELECT * FROM users WHERE id = $1::bigint -- $1:text=42 => user 42
SELECT * FROM users WHERE id = $1::bigint -- $1:int4=42 => user 42
SELECT * FROM users WHERE id = $1 AND age = $1 -- $1:=42 => types
SELECT * FROM users WHERE id = $1 AND age = $1 -- $1:int8=42 => user 42
SELECT * FROM users WHERE id IN ($1, 42) -- $1:=42 => types
SELECT * FROM users WHERE id IN ($1, $2) -- $1:=42 $2:=42 => user 42
SELECT * FROM users WHERE name = $2 AND id = $1 LIMIT $3 -- $1:int8=42 $2:text=x $3:int8=5 => user 42
SELECT * FROM accounts WHERE login = 'ada' -- => name ada
SELECT * FROM accounts WHERE login = $1 -- $1:varchar=ada => name ada
SELECT * FROM accounts WHERE login = $1::text -- $1:=ada => name ada
SELECT * FROM accounts WHERE login = 'it''s' -- => name it's
SELECT * FROM accounts WHERE login = E'it\'s' -- => name it's
SELECT * FROM accounts WHERE login = 'ålesund' -- => name ålesund
SELECT * FROM things WHERE id = '6f1c3a52-8f4b-4a40-9d8e-0c1b2a3d4e5f' -- => thing 6f1c3a52-8f4b-4a40-9d8e-0c1b2a3d4e5f
SELECT * FROM things WHERE id = '{6F1C3A528F4B4A409D8E0C1B2A3D4E5F}' -- => thing 6f1c3a52-8f4b-4a40-9d8e-0c1b2a3d4e5f
SELECT * FROM things WHERE id = $1 -- $1:uuid=6f1c3a52-8f4b-4a40-9d8e-0c1b2a3d4e5f => thing 6f1c3a52-8f4b-4a40-9d8e-0c1b2a3d4e5f
SELECT * FROM amounts WHERE n = 1.50 -- => amount 1.5
SELECT * FROM amounts WHERE n = 150e-2 -- => amount 1.5
SELECT * FROM amounts WHERE n = '1.500' -- => amount 1.5
SELECT * FROM amounts WHERE n = 7 -- => amount 7
SELECT * FROM amounts WHERE n = -7::int -- => amount -7
SELECT * FROM users WHERE id = ANY ($1) -- $1:int8[]={42} => user 42
SELECT * FROM users WHERE id = ANY ($1) -- $1:={42,NULL,42} => user 42
SELECT * FROM users WHERE id = ANY ($1) -- $1:int8[]={} => any
SELECT * FROM users WHERE id = ANY ($1) -- $1:int8[] => any
SELECT * FROM users WHERE id = ANY ($1::bigint[]) -- $1:={"42"} => user 42
SELECT * FROM users WHERE id = ANY ($1::int[]) AND id = 42 -- $1:={1,2,42} => user 42
SELECT * FROM users WHERE id = ANY ($1) OR id = ANY ($1) -- $1:={42} => types
-- Keys of several columns.
SELECT * FROM orders WHERE tenant_id = 7 AND region = 'eu' -- => order 7,eu
SELECT * FROM orders WHERE region = 'eu' AND total > 3 AND tenant_id = 7 -- => order 7,eu
SELECT * FROM orders WHERE (tenant_id, region) = (7, 'eu') -- => order 7,eu
SELECT * FROM orders WHERE (tenant_id, region, id) IN ((7, 'eu', 1), (7, 'eu', 2)) -- => order 7,eu
SELECT * FROM orders o JOIN order_items i ON i.order_id = o.id AND i.tenant_id = o.tenant_id AND i.region = o.region WHERE o.tenant_id = 7 AND o.region = 'eu' -- => order 7,eu
SELECT * FROM orders JOIN order_items USING (tenant_id, region) WHERE tenant_id = 7 AND region = 'eu' -- => order 7,eu
SELECT * FROM orders o LEFT JOIN order_items i USING (tenant_id, region) WHERE o.tenant_id = 7 AND o.region = 'eu' -- => order 7,eu
SELECT * FROM orders o LEFT JOIN order_items i ON i.tenant_id = 7 AND i.region = o.region WHERE o.tenant_id = 7 AND o.region = 'eu' -- => order 7,eu
SELECT * FROM orders WHERE tenant_id = $1 AND region = $2 -- $1:int4=7 $2:text=eu => order 7,eu
INSERT INTO orders (region, total, tenant_id, id) VALUES ('eu', 9.5, 7, 1) -- => order 7,eu
INSERT INTO orders (tenant_id, region) VALUES (7, 'eu'), (7, 'eu') RETURNING id -- => order 7,eu
UPDATE orders SET total = total + 1, region = 'eu' WHERE tenant_id = 7 AND region = 'eu' -- => order 7,eu
DELETE FROM order_items WHERE tenant_id = 7 AND region = 'eu' AND order_id = 3 -- => order 7,eu
-- Ranges.
SELECT * FROM events WHERE seq = 1500 -- => s2
SELECT * FROM events WHERE seq BETWEEN 1000 AND 1999 -- => s2
SELECT * FROM events WHERE seq >= 1000 AND seq < 2000 -- => s2
SELECT * FROM events WHERE seq > 2500 -- => s3
SELECT * FROM events WHERE 999 >= seq -- => s1
SELECT * FROM events WHERE seq IN (1200, 1700) -- => s2
SELECT * FROM events WHERE seq BETWEEN $1 AND $2 ORDER BY seq LIMIT 10 -- $1:int8=1100 $2:int8=1200 => s2
SELECT count(*) FROM events WHERE seq < 10 OR seq BETWEEN 20 AND 30 -- => s1
SELECT * FROM visits WHERE day = '2025-06-01' -- => s2
SELECT * FROM visits WHERE day = date '2025-06-01' -- => s2
SELECT * FROM visits WHERE day >= '2025-01-01' AND day < '2026-01-01' -- => s2
SELECT * FROM visits WHERE day = $1 -- $1:date=2026-02-03 => s3
INSERT INTO events VALUES (1, 'x', '{}'), (2, 'y', '{}') -- => s1
DELETE FROM events WHERE seq < 500 -- => s1
-- Joins.
SELECT * FROM users u JOIN posts p ON p.user_id = u.id WHERE u.id = 42 -- => user 42
SELECT * FROM users u JOIN posts p ON u.id = p.user_id AND u.id = 42 -- => user 42
SELECT * FROM posts p JOIN users u ON p.user_id = u.id WHERE p.user_id = 42 -- => user 42
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = u.id WHERE u.id = 42 -- => user 42
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = 42 WHERE u.id = 42 -- => user 42
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = u.id WHERE u.id = 42 AND p.id IS NULL -- => user 42
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = u.id WHERE p.user_id = 42 -- => user 42
SELECT * FROM posts p RIGHT JOIN users u ON p.user_id = u.id WHERE u.id = 42 -- => user 42
SELECT * FROM users u FULL JOIN posts p ON p.user_id = u.id WHERE u.id = 42 -- => user 42
SELECT * FROM users u FULL JOIN posts p ON p.user_id = u.id WHERE u.id = 42 AND p.user_id = 42 -- => user 42
SELECT * FROM users u JOIN posts p ON p.user_id = u.id JOIN likes l ON l.user_id = p.user_id AND l.post_id = p.id WHERE u.id = 42 -- => user 42
SELECT * FROM users u JOIN follows f ON f.follower_id = u.id JOIN timelines t ON t.user_id = f.follower_id WHERE t.user_id = 42 -- => user 42
SELECT * FROM timelines t JOIN users u ON u.id = t.user_id LEFT JOIN countries c ON c.code = u.country WHERE u.id = 42 -- => user 42
SELECT * FROM timelines NATURAL JOIN likes WHERE user_id = 42 -- => user 42
SELECT * FROM timelines t JOIN likes l USING (user_id, post_id) WHERE user_id = 42 -- => user 42
SELECT * FROM (users u JOIN posts p ON p.user_id = u.id) WHERE u.id = 42 -- => user 42
SELECT * FROM users u CROSS JOIN countries c WHERE u.id = 42 -- => user 42
SELECT * FROM users a JOIN users b ON a.id = b.id AND b.id = 42 -- => user 42
SELECT * FROM users u, posts p, likes l WHERE u.id = 42 AND p.user_id = u.id AND l.user_id = p.user_id -- => user 42
SELECT * FROM users u, LATERAL (SELECT * FROM posts p WHERE p.user_id = u.id ORDER BY created DESC LIMIT 3) p WHERE u.id = 42 -- => user 42
SELECT * FROM users u LEFT JOIN LATERAL (SELECT max(created) FROM posts p WHERE p.user_id = u.id) p ON true WHERE u.id = 42 -- => user 42
SELECT * FROM users u JOIN (VALUES (42, 'x')) v(id, tag) ON v.id = u.id -- => user 42
SELECT * FROM users u JOIN (SELECT 42 AS id) v ON v.id = u.id -- => user 42
SELECT * FROM users u JOIN (SELECT $1::bigint AS id) v ON v.id = u.id -- $1:=42 => user 42
SELECT * FROM users u, generate_series(1, 3) g WHERE u.id = 42 -- => user 42
SELECT * FROM users u, unnest(ARRAY['a', 'b']) AS tag WHERE u.id = 42 -- => user 42
SELECT t.* FROM timelines t WHERE t.user_id = 42 AND t.seen IS NOT TRUE ORDER BY t.post_id DESC LIMIT 20 OFFSET 20 -- => user 42
-- Set operations.
SELECT id FROM users WHERE id = 42 UNION SELECT user_id FROM posts WHERE user_id = 42 -- => user 42
SELECT id FROM users WHERE id = 42 EXCEPT ALL SELECT user_id FROM posts WHERE user_id = 42 ORDER BY 1 -- => user 42
SELECT name FROM users WHERE id = 42 UNION ALL SELECT name FROM countries -- => user 42
SELECT * FROM (SELECT id AS k FROM users UNION SELECT user_id FROM posts) x WHERE k = 42 -- => user 42
SELECT * FROM users WHERE id IN (SELECT user_id FROM posts WHERE user_id = 42 UNION SELECT user_id FROM likes WHERE user_id = 42) -- => user 42
VALUES (1), (2) -- => any
TABLE countries -- => any
-- Subqueries.
SELECT * FROM users WHERE id IN (SELECT user_id FROM posts WHERE user_id = 42) -- => user 42
SELECT * FROM posts WHERE user_id IN (SELECT id FROM users WHERE id = 42 AND age > 5) -- => user 42
SELECT * FROM users WHERE id = 42 AND id IN (SELECT user_id FROM posts) -- => user 42
SELECT * FROM users u WHERE u.id = 42 AND EXISTS (SELECT 1 FROM posts p WHERE p.user_id = u.id) -- => user 42
SELECT * FROM users u WHERE u.id = 42 AND NOT EXISTS (SELECT 1 FROM posts p WHERE p.user_id = u.id AND p.likes > 5) -- => user 42
SELECT * FROM users u WHERE EXISTS (SELECT 1 FROM posts p WHERE p.user_id = u.id AND p.user_id = 42) -- => user 42
SELECT u.*, (SELECT count(*) FROM posts p WHERE p.user_id = u.id) FROM users u WHERE u.id = 42 -- => user 42
SELECT u.*, ARRAY(SELECT p.id FROM posts p WHERE p.user_id = u.id) FROM users u WHERE u.id = 42 -- => user 42
SELECT * FROM posts WHERE user_id = (SELECT id FROM users WHERE id = 42) -- => user 42
SELECT * FROM users u WHERE u.id = 42 AND u.age > (SELECT avg(likes) FROM posts p WHERE p.user_id = 42) -- => user 42
SELECT * FROM users WHERE id = 42 AND name NOT IN (SELECT body FROM posts WHERE user_id = 42) -- => user 42
SELECT * FROM users u WHERE u.id = 42 AND (u.age = 1 OR EXISTS (SELECT 1 FROM posts p WHERE p.user_id = u.id)) -- => user 42
SELECT CASE WHEN EXISTS (SELECT 1 FROM posts p WHERE p.user_id = u.id) THEN 1 ELSE 0 END FROM users u WHERE u.id = 42 -- => user 42
SELECT name FROM users u WHERE id = 42 ORDER BY (SELECT count(*) FROM posts p WHERE p.user_id = u.id) -- => user 42
SELECT EXISTS (SELECT 1 FROM users WHERE id = 42) -- => user 42
SELECT (SELECT name FROM users WHERE id = 42), (SELECT count(*) FROM posts WHERE user_id = 42) -- => user 42
SELECT * FROM countries WHERE code = (SELECT country FROM users WHERE id = 42) -- => user 42
SELECT * FROM users WHERE country IN (SELECT code FROM countries) AND id = 42 -- => user 42
SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM posts p WHERE p.user_id = u.id)) FROM users u WHERE u.id = 42 -- => user 42
-- Derived tables and common table expressions.
SELECT * FROM (SELECT * FROM users) u WHERE u.id = 42 -- => user 42
SELECT * FROM (SELECT id AS k, name FROM users) u WHERE k = 42 -- => user 42
SELECT * FROM (SELECT id, name FROM users) u (a, b) WHERE a = 42 -- => user 42
SELECT * FROM (SELECT * FROM users WHERE id = 42 LIMIT 5) u -- => user 42
SELECT * FROM (SELECT user_id, count(*) AS n FROM posts GROUP BY user_id) p WHERE p.user_id = 42 -- => user 42
SELECT * FROM (SELECT DISTINCT user_id FROM posts) p WHERE p.user_id = 42 -- => user 42
SELECT * FROM users u JOIN (SELECT user_id, max(id) FROM posts GROUP BY user_id) p ON p.user_id = u.id WHERE u.id = 42 -- => user 42
SELECT * FROM (SELECT p.*, rank() OVER (ORDER BY likes) FROM posts p WHERE user_id = 42) x WHERE likes > 3 -- => user 42
WITH u AS (SELECT * FROM users WHERE id = 42) SELECT * FROM u -- => user 42
WITH u AS (SELECT * FROM users) SELECT * FROM u WHERE id = 42 -- => user 42
WITH u AS MATERIALIZED (SELECT * FROM users WHERE id = 42), p AS (SELECT * FROM posts WHERE user_id IN (SELECT id FROM u)) SELECT * FROM p -- => user 42
WITH u AS (SELECT id FROM users WHERE id = 42) SELECT * FROM posts JOIN u ON u.id = posts.user_id -- => user 42
WITH k (id) AS (VALUES (42)) SELECT * FROM users JOIN k USING (id) -- => user 42
WITH k AS (SELECT 42::bigint AS id) SELECT * FROM users, k WHERE users.id = k.id -- => user 42
WITH users AS (SELECT 1 AS id) SELECT * FROM users -- => any
WITH gone AS (DELETE FROM posts WHERE user_id = 42 RETURNING *) SELECT * FROM gone -- => user 42
WITH gone AS (DELETE FROM posts WHERE user_id = 42 RETURNING user_id, id) INSERT INTO timelines (user_id, post_id) SELECT user_id, id FROM gone -- => user 42
WITH new AS (INSERT INTO users (id) VALUES (42) RETURNING id) INSERT INTO posts (user_id, id) VALUES (42, 1) -- => user 42
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n -- => any
WITH RECURSIVE t AS (SELECT id FROM posts WHERE user_id = 42 UNION ALL SELECT p.id + 1 FROM posts p JOIN t ON t.id = p.id WHERE p.user_id = 42) SELECT * FROM t -- => user 42
-- Writes.
INSERT INTO users (id, name) VALUES (42, 'a') -- => user 42
INSERT INTO users VALUES (42, 'a', DEFAULT, NULL) -- => user 42
INSERT INTO users VALUES ($1, $2) -- $1:int8=42 $2:text=x => user 42
INSERT INTO users (id) VALUES ($1), ($2) -- $1:=42 $2:=42 => user 42
INSERT INTO users (name) VALUES ('x') -- => user 0
INSERT INTO users (id) VALUES (NULL) -- => user 0
INSERT INTO posts (id, body) VALUES (1, 'x') -- => s3
INSERT INTO users (id) VALUES (41.6) -- => user 42
INSERT INTO users (id) VALUES ('42'::int) RETURNING * -- => user 42
INSERT INTO users (id) VALUES (42) ON CONFLICT DO NOTHING -- => user 42
INSERT INTO users (id, name) VALUES (42, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE users.name <> excluded.name -- => user 42
INSERT INTO users AS u (id, name) VALUES (42, 'x') ON CONFLICT (id) DO UPDATE SET id = excluded.id, name = u.name || 'x' -- => user 42
INSERT INTO posts VALUES (1, 42, 'x') ON CONFLICT ON CONSTRAINT posts_pkey DO NOTHING -- => user 42
INSERT INTO posts (user_id, body) VALUES (42, 'x') RETURNING id -- => user 42
INSERT INTO posts (user_id, body) SELECT id, name FROM users WHERE id = 42 -- => user 42
INSERT INTO timelines (user_id, post_id) SELECT 42, id FROM posts WHERE user_id = 42 -- => user 42
INSERT INTO timelines (user_id, post_id) SELECT follower_id, 7 FROM follows WHERE follower_id = 42 AND followee_id = 1 -- => user 42
INSERT INTO users (id, name) SELECT 42, name FROM countries -- => user 42
INSERT INTO accounts VALUES ('ada', 'x') -- => name ada
INSERT INTO things VALUES ('6f1c3a52-8f4b-4a40-9d8e-0c1b2a3d4e5f', 'x') -- => thing 6f1c3a52-8f4b-4a40-9d8e-0c1b2a3d4e5f
INSERT INTO jobs (state) VALUES ('x') -- => home
INSERT INTO jobs (state) SELECT 'x' FROM settings -- => home
UPDATE users SET name = 'b', age = age + 1 WHERE id = 42 -- => user 42
UPDATE users SET id = 42 WHERE id = 42 -- => user 42
UPDATE users SET id = id WHERE id = 42 -- => user 42
UPDATE users u SET name = c.name FROM countries c WHERE c.code = u.country AND u.id = 42 -- => user 42
UPDATE posts SET body = u.name FROM users u WHERE u.id = posts.user_id AND u.id = 42 RETURNING posts.* -- => user 42
UPDATE posts SET likes = (SELECT count(*) FROM likes l WHERE l.user_id = posts.user_id) WHERE user_id = 42 -- => user 42
UPDATE jobs SET state = 'done' WHERE id = (SELECT id FROM jobs WHERE state = 'queued' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) -- => home
DELETE FROM posts WHERE user_id = 42 AND id = 7 -- => user 42
DELETE FROM posts USING users u WHERE u.id = posts.user_id AND u.id = 42 AND u.age < 3 -- => user 42
DELETE FROM posts WHERE user_id = 42 AND id IN (SELECT post_id FROM likes WHERE user_id = 42) -- => user 42
DELETE FROM settings -- => home
TRUNCATE jobs, settings -- => home
MERGE INTO users u USING (VALUES (42, 'x')) v(id, name) ON u.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name) -- => user 42
MERGE INTO posts p USING (SELECT * FROM timelines WHERE user_id = 42) t ON p.user_id = t.user_id AND p.id = t.post_id WHEN MATCHED THEN DELETE -- => user 42
MERGE INTO posts p USING users u ON p.user_id = u.id AND u.id = 42 WHEN MATCHED AND p.likes > 3 THEN DO NOTHING -- => user 42
MERGE INTO jobs j USING settings s ON j.state = s.name WHEN MATCHED THEN DELETE -- => home
-- Reference and home tables, functions.
SELECT * FROM countries -- => any
SELECT count(*) FROM countries WHERE code LIKE 'N%' -- => any
SELECT * FROM settings -- => home
SELECT * FROM jobs j JOIN settings s ON s.name = j.state JOIN countries c ON c.code = s.value -- => home
SELECT * FROM job_list -- => home
SELECT nextval('posts_id_seq') -- => home
SELECT setval('posts_id_seq', 7) -- => home
SELECT last_value FROM posts_id_seq -- => home
SELECT pg_advisory_xact_lock(7) -- => home
SELECT pg_advisory_lock(7) -- => home
SELECT pg_try_advisory_lock_shared(1, 2) -- => home
SELECT pg_advisory_unlock(7) -- => home
SELECT pg_notify('news', 'x') -- => home
NOTIFY news, 'x' -- => home
SELECT pg_notify('news', name) FROM users WHERE id = 42 -- => user 42
LISTEN news -- => all
UNLISTEN * -- => all
/* pgherd: key=user:42 */ LISTEN news -- => user 42
SELECT now(), random(), pg_sleep(0), current_user, gen_random_uuid() -- => any
SELECT coalesce($1, 'x'), extract(year from now()), greatest(1, 2) -- $1:text=a => any
SELECT pg_relation_size('users') -- => home
SELECT 'users'::regclass::oid -- => home
SELECT no_such_function(1) -- => any
SELECT * FROM no_such_table -- => home
SELECT slug('A b') -- => any
SELECT safe_fn() -- => any
COPY jobs FROM STDIN -- => home
COPY settings TO STDOUT -- => home
COPY countries TO STDOUT -- => any
COPY (SELECT * FROM posts WHERE user_id = 42) TO STDOUT WITH (FORMAT csv) -- => user 42
DECLARE c CURSOR FOR SELECT * FROM posts WHERE user_id = 42 -- => user 42
FETCH 10 FROM c -- => any
CLOSE c -- => any
LOCK TABLE jobs -- => home
EXPLAIN SELECT * FROM users WHERE id = 42 -- => user 42
EXPLAIN (ANALYZE, FORMAT json) DELETE FROM posts WHERE user_id = 42 -- => user 42
-- All shards.
CREATE INDEX ON posts (user_id, created) -- => all
CREATE TABLE t (a int) -- => all
ALTER TABLE users ADD COLUMN x int -- => all
DROP TABLE IF EXISTS t -- => all
CREATE VIEW v AS SELECT * FROM users -- => all
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1' -- => all
GRANT SELECT ON users TO PUBLIC -- => all
COMMENT ON TABLE users IS 'x' -- => all
VACUUM -- => all
ANALYZE users -- => all
-- For the session.
BEGIN -- => session
START TRANSACTION READ ONLY -- => session
COMMIT AND CHAIN -- => session
ROLLBACK TO SAVEPOINT a -- => session
SET timezone = 'UTC' -- => session
SET LOCAL pgherd.shard = 's1' -- => session
SHOW search_path -- => session
DISCARD ALL -- => session
PREPARE p AS SELECT * FROM users WHERE id = $1 -- => session
EXECUTE p (42) -- => session
DEALLOCATE ALL -- => session
-- Hints.
SELECT * FROM users /* pgherd: shard=s3 */ -- => s3
/* pgherd: shard=s1 */ SELECT count(*) FROM posts -- => s1
SELECT * FROM users /* pgherd: key=42 */ -- => user 42
SELECT * FROM users u, orders o /* pgherd: key=user:42 */ -- => user 42
SELECT * FROM orders /* pgherd: key='7,eu' */ -- => order 7,eu
UPDATE countries SET name = 'x' /* pgherd: shard=s2 */ -- => s2
TRUNCATE users /* pgherd: shard=s2 */ -- => s2
COPY users FROM STDIN /* pgherd: shard=s2 */ -- => s2
SELECT * FROM stray /* pgherd: shard=s2 */ -- => s2
SELECT do_things() /* pgherd: shard=s2 */ -- => s2
CREATE INDEX ON posts (likes) /* pgherd: shard=s2 */ -- => s2
SELECT u.slug, (u).slug, (u).name FROM users u WHERE u.id = 42 -- => user 42
DELETE FROM letters WHERE owner = 42 -- => user 42
-- The session follows such a setting, or refuses it by its name.
SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new -- => any
SELECT set_config('app.tenant', '7', true) -- => any
-- Rows of copies are locked where all their writers come first.
SELECT * FROM countries FOR UPDATE -- => home
SELECT * FROM countries c WHERE code = 'de' FOR KEY SHARE OF c NOWAIT -- => home
SELECT * FROM users u JOIN countries c ON c.code = u.country WHERE u.id = 42 FOR UPDATE OF u -- => user 42
SELECT * FROM users WHERE id = 42 AND country IN (SELECT code FROM countries) FOR UPDATE -- => user 42
WITH countries AS (SELECT 1 AS code) SELECT * FROM users, countries WHERE id = 42 FOR UPDATE -- => user 42
