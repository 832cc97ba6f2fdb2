-- Writes on several shards: what each of them gets, or why not.
-- One a line: `statement -- [parameters] => spread HOW SHARDS`, or as in the other files.

-- Each shard for its own rows.
UPDATE users SET name = 'x' -- => spread sum s1 s2 s3
UPDATE users SET name = 'x' WHERE email = 'y' RETURNING * -- => spread sum s1 s2 s3
UPDATE users SET name = 'x' WHERE id = 1 OR email = 'y' -- => spread sum s1 s2 s3
UPDATE users SET name = 'x' WHERE id IN (1, 2) -- => spread sum s2 s3
UPDATE users SET name = 'x' WHERE id = 1 OR id = 2 OR id = 3 -- => spread sum s2 s3
UPDATE users SET created = now() WHERE age > 3 -- => spread sum s1 s2 s3
UPDATE users SET age = random() -- => spread sum s1 s2 s3
UPDATE users SET id = id WHERE age = 3 -- => spread sum s1 s2 s3
UPDATE users SET name = c.name FROM countries c WHERE c.code = country -- => spread sum s1 s2 s3
UPDATE users u SET age = likes FROM posts p WHERE p.user_id = u.id AND p.id = 1 -- => spread sum s1 s2 s3
UPDATE users u SET age = likes FROM posts p JOIN likes l ON l.user_id = p.user_id WHERE p.user_id = u.id -- => spread sum s1 s2 s3
UPDATE users SET name = v.name FROM (VALUES (1, 'a'), (2, 'b'), (3, 'c')) v (id, name) WHERE users.id = v.id -- => spread sum s2 s3
UPDATE users SET name = v.name FROM unnest($1::int8[], $2::text[]) v (id, name) WHERE users.id = v.id -- $1:int8[]={1,2} $2:= => spread sum s1 s2 s3
UPDATE users SET age = (SELECT count(*) FROM posts WHERE user_id = users.id) -- => spread sum s1 s2 s3
UPDATE users SET name = (SELECT body FROM posts WHERE user_id = users.id ORDER BY created DESC LIMIT 1) -- => spread sum s1 s2 s3
UPDATE users SET country = (SELECT max(code) FROM countries) -- => spread sum s1 s2 s3
UPDATE users SET age = 1 WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = users.id AND p.likes > 3) -- => spread sum s1 s2 s3
UPDATE users SET age = 1 WHERE id IN (SELECT user_id FROM posts WHERE likes > 3) -- => spread sum s1 s2 s3
WITH c AS (SELECT id FROM users WHERE age > 20) UPDATE users SET age = 20 FROM c WHERE c.id = users.id -- => spread sum s1 s2 s3
WITH c AS (SELECT code FROM countries) UPDATE users SET age = 20 FROM c WHERE c.code = users.country -- => spread sum s1 s2 s3
UPDATE order_items i SET price = 0 FROM orders o WHERE o.tenant_id = i.tenant_id AND o.region = i.region AND o.id = i.order_id -- => spread sum s1 s2 s3
DELETE FROM posts -- => spread sum s1 s2 s3
DELETE FROM posts WHERE id = 7 RETURNING body -- => spread sum s1 s2 s3
DELETE FROM order_items WHERE tenant_id = 7 AND order_id = 3 -- => spread sum s1 s2 s3
DELETE FROM events WHERE seq BETWEEN 900 AND 1100 -- => spread sum s1 s2
DELETE FROM users u USING posts p WHERE p.user_id = u.id AND p.likes > 3 -- => spread sum s1 s2 s3
DELETE FROM posts p WHERE NOT EXISTS (SELECT FROM likes l WHERE l.user_id = p.user_id) -- => spread sum s1 s2 s3
DELETE FROM users WHERE id NOT IN (SELECT user_id FROM posts WHERE posts.user_id = users.id) -- => spread sum s1 s2 s3
DELETE FROM users WHERE country IN (SELECT code FROM countries) -- => spread sum s1 s2 s3
EXPLAIN DELETE FROM users WHERE age = 3 -- => spread sum s1 s2 s3
-- What hangs on rows of other shards.
UPDATE users SET age = r.r FROM random() r (r) -- => 0A000 public.users is not bound to one shard
UPDATE users SET age = r.r FROM (SELECT random() AS r) r -- => 0A000 public.users is not bound to one shard
UPDATE users SET age = (SELECT max(age) FROM users) -- => 0A000 public.users is not bound to one shard
UPDATE users SET age = 1 WHERE id IN (SELECT author_id FROM likes) -- => 0A000 public.users is not bound to one shard
UPDATE users SET age = 1 WHERE id NOT IN (SELECT user_id FROM posts) -- => 0A000 public.users is not bound to one shard
UPDATE users u SET age = likes FROM posts p WHERE p.id = u.id -- => 0A000 public.users as u is not bound to one shard
UPDATE users u SET age = likes FROM posts p LEFT JOIN likes l ON l.author_id = p.id WHERE p.user_id = u.id -- => 0A000 public.users as u is not bound to one shard
UPDATE order_items i SET price = 0 FROM orders o WHERE o.tenant_id = i.tenant_id AND o.id = i.order_id -- => 0A000 public.order_items as i is not bound to one shard
UPDATE posts SET body = 'x' FROM users WHERE posts.id = users.id AND users.id = 1 -- => 0A000 public.posts is not bound to one shard
DELETE FROM users WHERE age = (SELECT max(age) FROM users) -- => 0A000 public.users is not bound to one shard
DELETE FROM posts USING users WHERE users.id = 1 -- => 0A000 public.posts is not bound to one shard
DELETE FROM users u USING (SELECT user_id FROM posts LIMIT 3) p WHERE p.user_id = u.id -- => 0A000 public.users as u is not bound to one shard
DELETE FROM users u USING things t WHERE t.label = u.name -- => 0A000 public.users as u is not bound to one shard
UPDATE users SET name = value FROM settings -- => 0A000 public.users is not bound to one shard
WITH c AS (SELECT id FROM users WHERE age > 20 LIMIT 3) UPDATE users SET age = 20 FROM c WHERE c.id = users.id -- => 0A000 public.users is not bound to one shard
WITH c AS (DELETE FROM posts RETURNING user_id) UPDATE users SET age = 20 FROM c WHERE c.user_id = users.id -- => 0A000 public.posts is not bound to one shard
WITH gone AS (DELETE FROM posts WHERE likes = 0 RETURNING *) SELECT * FROM gone -- => 0A000 public.posts is not bound to one shard
WITH c AS (SELECT id FROM users) DELETE FROM posts -- => 0A000 public.users is not bound to one shard
-- What each server says for itself.
UPDATE users SET name = 'x' RETURNING ctid -- => 0A000 public.users is not bound to one shard
DELETE FROM users WHERE ctid = '(0,1)' -- => 0A000 public.users is not bound to one shard
DELETE FROM users RETURNING id, now() -- => 0A000 public.users is not bound to one shard
DELETE FROM users RETURNING id, 'now'::timestamptz -- => a word for the time that each shard's clock tells
DELETE FROM users RETURNING id, '2025-01-01'::date -- => spread sum s1 s2 s3
DELETE FROM users WHERE name = version() -- => 0A000 public.users is not bound to one shard
DELETE FROM users u USING countries c TABLESAMPLE BERNOULLI (10) WHERE c.code = u.country -- => 0A000 public.users as u is not bound to one shard
UPDATE users SET country = (SELECT code FROM countries LIMIT 1) -- => 0A000 public.users is not bound to one shard
UPDATE users SET country = (SELECT string_agg(code, ',') FROM countries) -- => 0A000 public.users is not bound to one shard
UPDATE users SET age = (SELECT random()) -- => 0A000 public.users is not bound to one shard
DELETE FROM users WHERE age = nextval('s') -- => 0A000 nextval in a statement on a sharded table
DELETE FROM accounts -- => 0A000 public.accounts is not bound to one shard
-- The shard key.
UPDATE users SET id = id + 1 WHERE id = 1 -- => moved
UPDATE users SET id = 2 WHERE id = 1 -- => moved
UPDATE users SET id = 2 -- => moved
UPDATE posts SET user_id = users.id FROM users WHERE users.id = posts.user_id -- => spread sum s1 s2 s3
UPDATE posts SET user_id = users.age FROM users WHERE users.id = posts.user_id -- => 0A000 public.posts is not bound to one shard
-- Rows of VALUES.
INSERT INTO users (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd') -- => spread sum s2=2 s3=2
INSERT INTO users (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd') RETURNING id -- => spread interleaved s2=2 s3=2
INSERT INTO users (id, name) VALUES ($1, 'a'), ($2, 'b'), ($3, 'c') RETURNING id -- $1:int8=1 $2:int8=2 $3:int8=3 => spread interleaved s2=1 s3=2
INSERT INTO users (id, name) VALUES ($1, $4), ($2, $5), ($3, $6) -- $1:=1 $2:=2 $3:=3 $4:=a $5:=b $6:=c => spread sum s2=1 s3=2
INSERT INTO users (id, age) VALUES ($1, $2), ($2, $1), ($3, 1) -- $1:=1 $2:=2 $3:=3 => types
INSERT INTO users (id, age) VALUES ($1, $4), ($2, $4), ($3, 1) -- $1:int8=1 $2:int8=2 $3:int8=3 $4:=7 => types
INSERT INTO users (id, age) VALUES ($1, $4), ($2, $4), ($3, 1) -- $1:int8=1 $2:int8=2 $3:int8=3 $4:int4=7 => spread sum s2=1 s3=2
INSERT INTO users VALUES (1, lower('A')), (2, 'b') ON CONFLICT DO NOTHING RETURNING id -- => spread sum s2=1 s3=1
INSERT INTO users VALUES (1, 'a'), (2, 'b') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id -- => spread interleaved s2=1 s3=1
INSERT INTO users VALUES (1, 'a'), (2, 'b') ON CONFLICT (id) DO UPDATE SET name = 'x' WHERE users.age > 1 RETURNING id -- => spread sum s2=1 s3=1
INSERT INTO posts (user_id, body) VALUES (1, (SELECT max(name) FROM countries)), (2, DEFAULT) -- => spread sum s2=1 s3=1
INSERT INTO orders (tenant_id, region, total) VALUES (1, 'n', 1), (2, 's', 2), (1, 'n', 3) RETURNING id -- => spread interleaved s1=1 s3=2
WITH c AS (SELECT 1) INSERT INTO users (id, name) VALUES (1, 'a'), (2, 'b') -- => spread sum s2=1 s3=1
INSERT INTO users (id) VALUES (1), (NULL) -- => s3
INSERT INTO users (id, age) VALUES (1, generate_series(1, 2)), (2, 5) -- => 0A000 public.users is bound to more than one shard
INSERT INTO users (id, age) VALUES (1, (SELECT max(likes) FROM posts WHERE user_id = 2)), (2, 5) -- => 0A000 public.users is bound to more than one shard
INSERT INTO users (id) VALUES (1), (1 + 1) -- => asked INSERT INTO users (id) VALUES (1), ('70'::bigint)
INSERT INTO users (id) VALUES (1), (2) ORDER BY 1 -- => 0A000 public.users is bound to more than one shard
INSERT INTO users (id) VALUES (1), (2) LIMIT 1 -- => 0A000 public.users is bound to more than one shard
INSERT INTO users (id, created) VALUES (1, now()), (2, 'now') RETURNING created -- => spread interleaved s2=1 s3=1
INSERT INTO users (id) VALUES (1), (2) RETURNING now() -- => 0A000 public.users is bound to more than one shard
INSERT INTO likes VALUES (1, 2, 3), (2, 2, 3) ON CONFLICT DO NOTHING -- => 0A000 ON CONFLICT on public.likes: a conflicting row may lie on another shard
INSERT INTO accounts VALUES ('a', 'x'), ('b', 'y'), ('c', 'z') -- => 0A000 public.accounts is bound to more than one shard
-- INSERT … SELECT.
INSERT INTO users (id, name) SELECT id, name FROM users -- => spread sum s1 s2 s3
INSERT INTO timelines (user_id, post_id) SELECT user_id, id FROM posts WHERE likes > 3 RETURNING post_id -- => spread sum s1 s2 s3
INSERT INTO timelines (user_id, post_id, author_id) SELECT p.user_id, p.id, u.age FROM posts p JOIN users u ON u.id = p.user_id ON CONFLICT DO NOTHING -- => spread sum s1 s2 s3
INSERT INTO timelines (user_id, post_id) SELECT u.id, p.id FROM users u LEFT JOIN posts p ON p.user_id = u.id -- => spread sum s1 s2 s3
INSERT INTO timelines (user_id, post_id) SELECT p.user_id, max(p.id) FROM posts p GROUP BY p.user_id HAVING count(*) > 1 -- => spread sum s1 s2 s3
INSERT INTO users (id, country) SELECT u.id, c.code FROM users u, countries c -- => spread sum s1 s2 s3
WITH p AS (SELECT user_id, id FROM posts) INSERT INTO timelines (user_id, post_id) SELECT user_id, id FROM p -- => spread sum s1 s2 s3
INSERT INTO timelines (user_id, post_id) SELECT p.user_id, p.id FROM (SELECT user_id, id FROM posts) p -- => spread sum s1 s2 s3
INSERT INTO timelines (user_id, post_id) SELECT follower_id, 7 FROM follows WHERE followee_id = 1 -- => spread sum s1 s2 s3
INSERT INTO timelines (user_id, post_id) SELECT p.user_id, p.id FROM countries c LEFT JOIN (SELECT user_id, id FROM posts) p ON p.id = length(c.code) -- => fed
INSERT INTO timelines (user_id, post_id) SELECT p.user_id, p.id FROM countries c RIGHT JOIN (SELECT user_id, id FROM posts) p ON p.id = length(c.code) -- => spread sum s1 s2 s3
INSERT INTO timelines (user_id, post_id) SELECT followee_id, 7 FROM follows -- => fed
INSERT INTO timelines (user_id, post_id) SELECT user_id, id FROM posts UNION SELECT id, 1 FROM users -- => fed
INSERT INTO timelines (user_id, post_id) SELECT p.user_id, p.id FROM users u LEFT JOIN posts p ON p.user_id = u.id -- => fed
INSERT INTO timelines (user_id, post_id) SELECT user_id, id FROM posts ORDER BY id LIMIT 3 -- => fed
INSERT INTO timelines (user_id, post_id) SELECT user_id, rank() OVER (ORDER BY id) FROM posts -- => fed
INSERT INTO timelines (user_id, post_id) SELECT 1, id FROM posts -- => fed
INSERT INTO users (id) SELECT id FROM jobs -- => fed
INSERT INTO amounts SELECT id FROM users -- => fed
INSERT INTO users (id, name) SELECT id + 1, name FROM users -- => fed
INSERT INTO users (id, name) SELECT 1, code FROM countries -- => s3
INSERT INTO users (id) SELECT generate_series(1, 10) -- => fed
INSERT INTO users (id) SELECT * FROM unnest($1::int8[]) -- $1:int8[]={1,2} => fed
INSERT INTO timelines (user_id, post_id) SELECT DISTINCT user_id, id FROM posts -- => spread sum s1 s2 s3
INSERT INTO timelines (user_id, post_id) SELECT user_id, id FROM posts p WHERE EXISTS (SELECT FROM likes l WHERE l.author_id = p.id) -- => fed
-- MERGE.
MERGE INTO users u USING (VALUES (1, 'x'), (2, 'y')) v(id, name) ON u.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name -- => spread sum s2 s3
MERGE INTO users u USING countries c ON u.country = c.code WHEN MATCHED THEN DELETE -- => spread sum s1 s2 s3
MERGE INTO users u USING posts p ON u.id = p.user_id AND p.id = 1 WHEN MATCHED AND p.likes > 1 THEN DELETE WHEN MATCHED THEN UPDATE SET age = 0 -- => spread sum s1 s2 s3
MERGE INTO users u USING posts p ON u.id = p.user_id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (p.user_id, p.body) -- => spread sum s1 s2 s3
MERGE INTO users u USING (SELECT user_id, count(*) AS n FROM posts GROUP BY user_id) p ON u.id = p.user_id WHEN MATCHED THEN UPDATE SET age = p.n WHEN NOT MATCHED THEN INSERT (id, age) VALUES (p.user_id, p.n) -- => spread sum s1 s2 s3
MERGE INTO users u USING (VALUES (1)) v(id) ON u.age = v.id WHEN MATCHED THEN DELETE -- => spread sum s1 s2 s3
MERGE INTO users u USING (VALUES (1)) v(id) ON u.id = v.id WHEN NOT MATCHED BY SOURCE THEN DELETE -- => spread sum s1 s2 s3
MERGE INTO users u USING (VALUES (1, 'x'), (2, 'y'), (3, 'z'), (4, 'w')) v(id, name) ON u.id = v.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name) -- => 0A000 public.users as u is bound to more than one shard
MERGE INTO users u USING posts p ON u.id = p.id WHEN MATCHED THEN DELETE -- => 0A000 public.posts as p is not bound to one shard
MERGE INTO users u USING follows f ON u.id = f.follower_id WHEN NOT MATCHED THEN INSERT (id) VALUES (f.followee_id) -- => 0A000 public.follows as f is not bound to one shard
MERGE INTO users u USING jobs j ON u.id = j.user_id WHEN MATCHED THEN DELETE -- => 0A000 public.users as u is not bound to one shard
MERGE INTO users u USING posts p ON u.id = p.user_id WHEN MATCHED THEN UPDATE SET id = p.id -- => 0A000 public.posts as p is not bound to one shard
MERGE INTO users u USING posts p ON p.likes = 3 WHEN NOT MATCHED THEN INSERT (id) VALUES (p.user_id) -- => 0A000 public.posts as p is not bound to one shard
-- Reference tables: every copy.
INSERT INTO countries VALUES ('XX', 'x') -- => spread same s2 s1 s3 +lock
INSERT INTO countries VALUES ('XX', 'x'), ('YY', lower('Y')) ON CONFLICT (code) DO UPDATE SET name = excluded.name RETURNING * -- => spread same s2 s1 s3 +lock
INSERT INTO countries SELECT code || '2', name FROM countries -- => spread same s2 s1 s3 +lock
INSERT INTO countries VALUES ($1, $2) -- $1:text=a $2:text=now => spread same s2 s1 s3 +lock
UPDATE countries SET name = 'x' WHERE code = 'XX' -- => spread same s2 s1 s3 +lock
UPDATE countries SET name = (SELECT max(code) FROM rates) -- => spread same s2 s1 s3 +lock +shared
DELETE FROM countries -- => spread same s2 s1 s3 +lock
DELETE FROM countries c USING rates r WHERE r.code = c.code -- => spread same s2 s1 s3 +lock +shared
INSERT INTO rates (code, since, noted) VALUES ('x', '2025-01-01', '2025-01-01') -- => spread same s2 s1 s3 +lock
INSERT INTO rates (code, since, noted) VALUES ($1, $2, $3) -- $1:text=a $2:date=2025-01-01 $3:timestamptz=2025-01-01 => spread same s2 s1 s3 +lock
UPDATE rates SET rate = 1 WHERE since < '2025-01-01' -- => spread same s2 s1 s3 +lock
UPDATE rates SET rate = 1, noted = to_char(since, 'YYYY')::timestamptz -- => spread same s2 s1 s3 +lock
MERGE INTO countries c USING rates r ON c.code = r.code WHEN MATCHED THEN DELETE -- => spread same s2 s1 s3 +lock +shared
INSERT INTO units VALUES (1, 'm') -- => spread same s2 s1 s3 +lock
-- Where they would differ.
INSERT INTO units (name) VALUES ('m') -- => spread same s2 s1 s3 +lock
INSERT INTO units VALUES (DEFAULT, 'm') -- => spread same s2 s1 s3 +lock
INSERT INTO units DEFAULT VALUES -- => spread same s2 s1 s3 +lock
INSERT INTO rates (code, since) VALUES ('x', '2025-01-01') -- => spread same s2 s1 s3 +lock
INSERT INTO rates VALUES ('x', '2025-01-01', 1, now()) -- => spread same s2 s1 s3 +lock
INSERT INTO rates VALUES ('x', '2025-01-01', 1, 'now') -- => spread same s2 s1 s3 +lock
INSERT INTO rates VALUES ('x', $1, 1, '2025-01-01') -- $1:date=today => spread same s2 s1 s3 +lock
UPDATE rates SET noted = DEFAULT -- => 0A000 public.rates is a reference table: a write must reach all shards
UPDATE rates SET rate = random() -- => 0A000 public.rates is a reference table: a write must reach all shards
UPDATE rates SET rate = 1 WHERE since < current_date -- => 0A000 public.rates is a reference table: a write must reach all shards
DELETE FROM rates WHERE since < 'yesterday' -- => a word for the time that each shard's clock tells
DELETE FROM countries WHERE code = safe_fn() -- => 0A000 public.countries is a reference table: a write must reach all shards
UPDATE countries SET name = r.rate FROM rates r WHERE r.code = countries.code -- => 0A000 public.countries is a reference table: a write must reach all shards
UPDATE countries SET name = (SELECT code FROM rates LIMIT 1) -- => 0A000 public.countries is a reference table: a write must reach all shards
INSERT INTO countries SELECT code, 'x' FROM rates ON CONFLICT DO NOTHING -- => 0A000 public.countries is a reference table: a write must reach all shards
INSERT INTO countries SELECT name, 'x' FROM users -- => 0A000 public.users is not bound to one shard
INSERT INTO countries SELECT name, 'x' FROM settings -- => 0A000 public.countries is a reference table: a write must reach all shards
UPDATE countries SET name = (SELECT count(*) FROM users) -- => 0A000 public.countries is a reference table: a write must reach all shards
INSERT INTO watched VALUES ('x') -- => 0A000 public.watched is a reference table: a write must reach all shards
WITH c AS (INSERT INTO countries VALUES ('XX', 'x') RETURNING code) SELECT * FROM c -- => 0A000 public.countries is a reference table: a write must reach all shards
WITH c AS (INSERT INTO countries VALUES ('XX', 'x') RETURNING code) INSERT INTO users (id, country) SELECT 1, code FROM c -- => 0A000 public.countries is a reference table: a write must reach all shards
-- Whole tables.
TRUNCATE users -- => spread sum s2 s1 s3
TRUNCATE users, posts, countries RESTART IDENTITY CASCADE -- => spread sum s2 s1 s3
TRUNCATE jobs, users -- => 0A000 TRUNCATE of public.users concerns all shards
TRUNCATE jobs -- => s2
TRUNCATE accounts -- => 0A000 TRUNCATE of public.accounts concerns all shards
LOCK TABLE users -- => spread sum s2 s1 s3
LOCK TABLE users, countries IN SHARE MODE -- => spread sum s2 s1 s3
LOCK TABLE accounts -- => spread sum s2 s1 s3
LOCK TABLE users, jobs -- => 0A000 LOCK of public.users concerns all shards
-- Keys that only a server computes
INSERT INTO users (id) VALUES (DEFAULT), (1 + 1) -- => asked INSERT INTO users (id) VALUES (DEFAULT), ('70'::bigint)
INSERT INTO things (label) VALUES ('x') -- => asked INSERT INTO things (label, "id") VALUES ('x', '70')
INSERT INTO things DEFAULT VALUES -- => asked INSERT INTO things ("id") VALUES ('70')
INSERT INTO things VALUES (gen_random_uuid(), 'x') -- => asked INSERT INTO things VALUES ('70'::bigint, 'x')
INSERT INTO things (label) VALUES ('x'), ('y') ON CONFLICT (id) DO NOTHING RETURNING * -- => asked INSERT INTO things (label, "id") VALUES ('x', '70'), ('y', '70') ON CONFLICT (id) DO NOTHING RETURNING *
INSERT INTO things (label, id) VALUES ('x', DEFAULT), ('y', $1), (DEFAULT, /* a */ default /* b */) -- => asked INSERT INTO things (label, id) VALUES ('x', '70'), ('y', $1), (DEFAULT, /* a */ '70' /* b */)
INSERT INTO things AS t DEFAULT VALUES RETURNING t.id -- => asked INSERT INTO things AS t ("id") VALUES ('70') RETURNING t.id
INSERT INTO things (label) OVERRIDING SYSTEM VALUE VALUES ('x') -- => asked INSERT INTO things (label, "id") OVERRIDING SYSTEM VALUE VALUES ('x', '70')
INSERT INTO things (label, id) VALUES ('x', md5('a')::uuid), ('y', DEFAULT) -- => asked INSERT INTO things (label, id) VALUES ('x', '80'::bigint), ('y', '70')
INSERT INTO users (id) VALUES (1 + abs(2 - 3)) -- => asked INSERT INTO users (id) VALUES ('70'::bigint)
INSERT INTO users (id) VALUES ((SELECT max(id) FROM users)) -- => 0A000 the row's key public.users.id isn't known
INSERT INTO users (id) VALUES ($1 + 1) -- => asked INSERT INTO users (id) VALUES ('70'::bigint)
INSERT INTO things (id) VALUES (nextval('s')) -- => 0A000 the row's key public.things.id isn't known
INSERT INTO things (label) OVERRIDING USER VALUE VALUES ('x') -- => 0A000 the default of public.things.id, a shard key, is computed by the server
EXPLAIN ANALYZE INSERT INTO things (label) VALUES ('x') -- => 0A000 the default of public.things.id, a shard key, is computed by the server
EXPLAIN INSERT INTO things (label) VALUES ('x') -- => asked EXPLAIN INSERT INTO things (label, "id") VALUES ('x', '70')
-- Changed shard keys
UPDATE users SET id = id + 1 WHERE id = 1 -- => moved
UPDATE users SET id = 2 WHERE id = 1 -- => moved
UPDATE posts SET user_id = (SELECT 1) WHERE user_id = 1 -- => moved
UPDATE users SET id = $1 WHERE id = $2 -- $1:int8=5 $2:int8=5 => s1
UPDATE users u SET id = u.id + random() WHERE id = 1 -- => 0A000 UPDATE changes public.users.id, a shard key, to a value that isn't known
UPDATE users SET id = (SELECT max(id) FROM users) -- => 0A000 UPDATE changes public.users.id, a shard key, to a value that isn't known
-- Rows of a query
INSERT INTO users (id) SELECT id FROM jobs -- => fed
INSERT INTO timelines (user_id, post_id) SELECT 1, id FROM posts -- => fed
INSERT INTO amounts SELECT id FROM users WHERE id = 1 -- => fed
-- Keys that an INSERT in WITH returns
WITH n AS (INSERT INTO users (id, name) VALUES (7, 'x') RETURNING id) SELECT * FROM n JOIN posts p ON p.user_id = n.id -- => s3
WITH n AS (INSERT INTO users (id, name) VALUES (7, 'x') RETURNING id AS u, name) INSERT INTO posts (user_id, id) SELECT u, 1 FROM n -- => s3
WITH n AS (INSERT INTO users (id, name) VALUES (7.4, 'x') RETURNING id AS u, name) INSERT INTO posts (user_id, id) SELECT u, 1 FROM n -- => 0A000 public.posts is not bound to one shard
WITH n AS (INSERT INTO users (id, name) VALUES (7, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' RETURNING id) INSERT INTO posts (user_id, id) SELECT id, 1 FROM n -- => 0A000 public.posts is not bound to one shard
WITH n AS (INSERT INTO users (id, name) VALUES ($1, 'x') RETURNING *) INSERT INTO posts (user_id, id) SELECT id, 1 FROM n -- $1:=7 => types
WITH n AS (INSERT INTO users (id, name) VALUES ($1, 'x') RETURNING *) INSERT INTO posts (user_id, id) SELECT id, 1 FROM n -- $1:int8=7 => s3
WITH n AS (INSERT INTO users (id, name) VALUES (7, 'x'), (8, 'y') RETURNING id) INSERT INTO posts (user_id, id) SELECT id, 1 FROM n -- => 0A000 public.posts is not bound to one shard
WITH n AS (INSERT INTO users (id, name) VALUES (7, 'x') RETURNING id + 1 AS id) INSERT INTO posts (user_id, id) SELECT id, 1 FROM n -- => 0A000 the row's key public.posts.user_id isn't known
WITH n AS (INSERT INTO things (label) VALUES ('x') RETURNING id) SELECT * FROM n -- => asked WITH n AS (INSERT INTO things (label, "id") VALUES ('x', '70') RETURNING id) SELECT * FROM n
WITH n AS (INSERT INTO things (label) VALUES ('x') RETURNING id), m AS (INSERT INTO things (label) VALUES ('y') RETURNING id) SELECT * FROM n -- => 0A000 the default of public.things.id, a shard key, is computed by the server
