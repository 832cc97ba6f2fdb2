#writes
-- Several shards write, each its own rows, or its own copy.
-- Rows in the order of VALUES
INSERT INTO users (id, name) VALUES (-501, 'a'), (502, 'b'), (503, 'c'), (504, 'd'), (505, 'e'), (11, 'x') RETURNING id, name --: ordered
INSERT INTO users (id, name) VALUES (-501, 'a'), (7, 'b'), (507, 'c'), (24, 'd'), (-5, 'e'), (33000, 'f') ON CONFLICT (id) DO UPDATE SET name = excluded.name, age = users.age + 1 RETURNING id, name, age --: ordered
INSERT INTO users (id, name) VALUES ($1, $2), ($3, $4), ($5, $6), ($7, $8) RETURNING id, name, balance --: ordered, with 601|a|602|b|603|NULL|604|d
INSERT INTO users (id, name) VALUES ($1, $2), ($3, $4), ($5, $6), ($7, $8) RETURNING id, name, balance --: ordered, with 601|a|602|b|603|c|604|d
INSERT INTO users (id, name, age) VALUES ($1, 'a', $2), ($3, 'b', $2), ($4, 'c', $2) RETURNING * --: ordered, with 601|5|602|617
INSERT INTO users (id, name, age) VALUES ($2, 'a', $1), ($1, 'b', $2), ($3, 'c', $3) RETURNING * --: ordered, with 601|602|617
INSERT INTO orders (tenant, region, id, total) VALUES (9, 'n', 1, 1), (8, 's', 1, 2), (9, 'n', 2, 3), (7, 'e', 1, 4), (6, 'w', 90, 5) RETURNING tenant, region, id --: ordered
INSERT INTO people (login, name) VALUES ('zz', 'Z'), ('aa', 'A'), ('mm', DEFAULT), ('ÄÖ', 'Ü') RETURNING login, name --: ordered
INSERT INTO items (u, label) VALUES ('00000000-0000-0000-0000-000000000001', 'a'), ('f0000000-0000-0000-0000-000000000001', 'b'), ('90000000-0000-0000-0000-000000000001', 'c') RETURNING * --: ordered
INSERT INTO measures (k, grp, n, d) VALUES (100, 'x', 1.50, '2025-01-01'), (NULL, 'y', 2, NULL), (NULL, 'z', 3, 'infinity'), (117, 'w', 'NaN', 'epoch') RETURNING k, grp, n, d --: ordered
INSERT INTO measures (k, a, j, h) VALUES (100, ARRAY[1,2], '{"a": [1, 2]}', 'abc'), (101, '{3,NULL}', 'null', '\x00'), (102, ARRAY[]::int[], '"(,)"', NULL), (103, NULL, NULL, '),(') RETURNING k, a, j, h --: ordered
INSERT INTO users (id, name) VALUES (-501, 'a'), (502, 'b'), (503, 'c'), (504, 'd') ON CONFLICT DO NOTHING RETURNING id
INSERT INTO users (id, name) VALUES (1, 'a'), (2, 'b'), (503, 'c'), (504, 'd') ON CONFLICT (id) DO UPDATE SET age = 1 WHERE users.active RETURNING id
INSERT INTO users (id, name) VALUES (-501, (SELECT max(name) FROM countries)), (502, (SELECT name FROM countries WHERE code = 'de')), (503, 'x') RETURNING id, name --: ordered
INSERT INTO users (id, name) VALUES (-501, 'a'), (502, 'b'), (503, 'c') RETURNING id, (SELECT count(*) FROM countries), name || '!' AS loud --: ordered
INSERT INTO users AS u (id, name) VALUES (-501, 'a'), (502, 'b'), (513, 'c') ON CONFLICT (id) DO NOTHING
INSERT INTO users VALUES (-501, 'a'), (502, 'b'), (513, 'c')
INSERT INTO users (id, name) VALUES (-501, 'a'), (502, 'b'), (-501, 'c')
INSERT INTO users (id, name) VALUES (-501, 'a'), (502, NULL), (503, 'c')
INSERT INTO users (id, name) VALUES (-501, 'a'), (2, 'b'), (503, 'c')
INSERT INTO users (id, name, age) VALUES (-501, 'a', 1), (502, 'b', 1 / 0), (503, 'c', 3)
INSERT INTO users (id, name, age) VALUES (-501, 'a', 1), (502, 'b', 'x'), (503, 'c', 3)
INSERT INTO users (id, name, nothing) VALUES (-501, 'a', 1), (502, 'b', 2), (503, 'c', 3)
INSERT INTO users (id, name) VALUES (-501, 'a'), (502, 'b', 3), (503, 'c')
INSERT INTO users (id, name) VALUES (-501, 'a'), (502, 'b'), (503, 'c') ON CONFLICT (id, name) DO NOTHING
INSERT INTO users (id, name) VALUES (-501, 'a'), (502, 'b'), (-501, 'c') ON CONFLICT (id) DO UPDATE SET name = excluded.name
INSERT INTO users (id, name) VALUES (-501, 'a'), (502, 'b'), (503, 'c') RETURNING nothing
INSERT INTO users (id, name) VALUES (-11, 'a'), (502, 'b'), (503, 'c') RETURNING ctid --: refused 0A000
INSERT INTO users (id, age) VALUES (-501, generate_series(1, 2)), (502, 1), (503, 4) --: refused 0A000 simple
INSERT INTO users (id, name) VALUES (-11, 'a'), (502, 'b'), (503, 'c') RETURNING now() = now() AS same
INSERT INTO users (id, name, joined) VALUES (-11, 'a', now()), (502, 'b', current_date), (503, 'c', 'today') RETURNING id, joined - current_date AS since
INSERT INTO users (id, name, joined) VALUES (-501, 'a', now()), (502, 'b', current_date), (503, 'c', 'today') RETURNING id, joined IS NULL AS open --: ordered
WITH c AS (SELECT code FROM countries WHERE size > 100) INSERT INTO users (id, name, country) VALUES (501, 'a', (SELECT code FROM c)), (502, 'b', 'x'), (503, 'c', NULL) RETURNING id, country --: ordered
-- Triggers, defaults, checks, references
INSERT INTO logged VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5) RETURNING * --: ordered
INSERT INTO logged VALUES (1, 1), (2, 13), (3, 3), (4, 13), (5, 5)
INSERT INTO logged VALUES (1, 1), (2, 13), (3, 3), (4, 13), (5, 5) RETURNING id --: refused 0A000 ring
INSERT INTO logged VALUES (1, 1), (2, 1000), (3, 3)
INSERT INTO logged (id, n, country) VALUES (1, 1, 'de'), (2, 2, 'fr'), (3, 3, 'nowhere')
INSERT INTO logged (id, n, seen) VALUES (1, 1, DEFAULT), (2, 2, 'now'), (3, 3, NULL) RETURNING seen --: ordered
INSERT INTO logged VALUES (1, 1), (2, 2), (3, 3), (4, 4)
+ UPDATE logged SET n = n * 10 RETURNING *
+ UPDATE logged SET n = n * 100 RETURNING *
INSERT INTO logged (id, n, country) VALUES (1, 1, 'de'), (2, 2, 'fr'), (3, 3, 'de'), (4, 4, 'us')
+ DELETE FROM countries WHERE code = 'de'
+ UPDATE countries SET code = 'uk' WHERE code = 'us'
INSERT INTO logged (id, n) SELECT id, coalesce(age, 0) FROM users
INSERT INTO logged (id, n) SELECT id, coalesce(age, 13) FROM users RETURNING id, changes
-- UPDATE and DELETE
UPDATE users SET name = v.name FROM (VALUES (1, 'one'), (12, 'twelve'), (23, 'more'), (34, 'last'), (900, 'no')) v (id, name) WHERE v.id = users.id RETURNING users.id, users.name
UPDATE users SET age = v.age FROM unnest(ARRAY[1, 12, 23]::bigint[], ARRAY[91, 92, 93]) v (id, age) WHERE v.id = users.id
UPDATE users SET name = (SELECT title FROM posts p WHERE p.user_id = users.id ORDER BY p.id DESC LIMIT 1) WHERE id IN (SELECT user_id FROM posts WHERE title IS NOT NULL AND id = 1) AND EXISTS (SELECT FROM posts WHERE user_id = users.id AND id = 2) AND NOT EXISTS (SELECT FROM posts WHERE user_id = users.id AND id = 3) RETURNING id, name
UPDATE users SET country = (SELECT title FROM posts p WHERE p.user_id = users.id AND p.id < 3 AND p.title IS NOT NULL)
UPDATE users SET name = (SELECT title FROM posts p WHERE p.user_id = users.id AND p.id = 1)
UPDATE users SET age = 3 RETURNING (SELECT count(*) FROM posts WHERE user_id = users.id), id
UPDATE users SET age = age + (SELECT max(size) FROM countries) WHERE country IS NOT NULL
UPDATE users SET age = (SELECT size FROM countries)
UPDATE users SET country = (SELECT code FROM countries ORDER BY size LIMIT 1) --: refused 0A000
UPDATE users SET age = CASE WHEN age IS NULL THEN 0 WHEN age > 15 THEN age - 1 ELSE age END, balance = -balance RETURNING *
UPDATE users SET name = NULL
UPDATE users SET id = id
UPDATE users SET id = users.id + 0
UPDATE users SET joined = joined + 1 WHERE joined < '2024-12-25' AND $1 = ANY (ARRAY[country, 'x']) RETURNING id, joined --: with de
UPDATE users SET joined = $1, country = $2 WHERE age > $3 RETURNING id --: with 2025-05-05|NULL|14
UPDATE users SET age = $1 --: with x
UPDATE users SET age = random() WHERE age > 100
UPDATE users u SET age = c.size FROM countries c LEFT JOIN rates r ON r.code = c.code AND r.since = '2025-01-01' WHERE c.code = u.country AND r.rate IS NOT NULL
UPDATE users u SET age = count FROM (SELECT user_id, count(*) FROM posts GROUP BY user_id) p WHERE p.user_id = u.id
UPDATE users u SET age = x.likes FROM LATERAL (SELECT max(likes) AS likes FROM posts p WHERE p.user_id = u.id) x
UPDATE users u SET age = p.likes FROM posts p WHERE p.id = u.id --: refused 0A000
UPDATE users u SET age = 1 FROM users v WHERE v.id = u.id AND v.age > 15
UPDATE users u SET age = 1 FROM users v WHERE v.id = u.id + 1 --: refused 0A000
UPDATE users SET age = 1 WHERE id NOT IN (SELECT user_id FROM posts) --: refused 0A000
UPDATE users SET age = 1 WHERE ctid = '(0,1)' --: refused 0A000
UPDATE users SET age = 1 WHERE tableoid = 'users'::regclass --: refused 0A000
UPDATE orders SET total = total * 2 WHERE id IN (2, 3) RETURNING tenant, region, id, total
UPDATE orders o SET note = jsonb_build_object('n', x.n) FROM (SELECT tenant, region, count(*) AS n FROM orders GROUP BY tenant, region) x WHERE x.tenant = o.tenant AND x.region = o.region
UPDATE orders o SET note = jsonb_build_object('n', x.n) FROM (SELECT tenant, count(*) AS n FROM orders GROUP BY tenant) x WHERE x.tenant = o.tenant --: refused 0A000
DELETE FROM orders WHERE total > 30 RETURNING *
DELETE FROM users RETURNING *
DELETE FROM users WHERE name LIKE '%1%' AND age BETWEEN 11 AND 20 RETURNING id
DELETE FROM users WHERE id = ANY ($1) RETURNING id --: with {1,2,3,900}
DELETE FROM posts p USING users u, countries c WHERE u.id = p.user_id AND c.code = u.country AND c.size < 70 RETURNING p.user_id, p.id, c.name
DELETE FROM posts USING users WHERE users.id = posts.user_id AND users.age = posts.likes
DELETE FROM measures WHERE k IS NULL OR k > 40 RETURNING k
DELETE FROM likes l WHERE NOT EXISTS (SELECT FROM posts p WHERE p.user_id = l.user_id AND p.id = l.post_id) RETURNING user_id, post_id
DELETE FROM likes l WHERE NOT EXISTS (SELECT FROM posts p WHERE p.id = l.post_id) --: refused 0A000
WITH old AS (SELECT id FROM users WHERE age > 18) DELETE FROM posts USING old WHERE old.id = posts.user_id RETURNING posts.user_id
WITH old AS (SELECT id FROM users ORDER BY age DESC NULLS LAST LIMIT 3) DELETE FROM posts USING old WHERE old.id = posts.user_id --: refused 0A000
-- INSERT … SELECT, the same key
INSERT INTO likes SELECT p.user_id, p.id + 100, u.id, 1 FROM posts p JOIN users u ON u.id = p.user_id WHERE p.likes > 1 RETURNING user_id, post_id
INSERT INTO likes SELECT user_id, id, user_id, likes FROM posts ON CONFLICT (user_id, author_id, post_id) DO UPDATE SET weight = likes.weight + excluded.weight
INSERT INTO nobody SELECT DISTINCT user_id, 1, max(title) OVER (PARTITION BY user_id) FROM posts
INSERT INTO nobody SELECT user_id, count(*), string_agg(title, ',' ORDER BY id) FROM posts GROUP BY user_id HAVING count(*) > 1 RETURNING *
INSERT INTO nobody SELECT u.id, p.n, c.name FROM users u LEFT JOIN (SELECT user_id, count(*) AS n FROM posts GROUP BY 1) p ON p.user_id = u.id LEFT JOIN countries c ON c.code = u.country
INSERT INTO nobody SELECT u.id, 1, 'x' FROM countries c LEFT JOIN users u ON u.country = c.code
INSERT INTO nobody SELECT u.id, 1, 'x' FROM countries c RIGHT JOIN users u ON u.country = c.code
INSERT INTO nobody SELECT user_id, 1, 'x' FROM posts UNION SELECT id, 1, 'x' FROM users
INSERT INTO nobody SELECT id, age, name FROM users WHERE id NOT IN (SELECT user_id FROM posts WHERE posts.user_id = users.id)
INSERT INTO nobody SELECT id, age, name FROM users ORDER BY id
INSERT INTO nobody SELECT id, age, name FROM users ORDER BY id LIMIT 5
INSERT INTO nobody SELECT id, age, name FROM users, generate_series(1, 2)
INSERT INTO nobody SELECT id, age, name FROM users, generate_series(1, 2) ON CONFLICT DO NOTHING
WITH u AS (SELECT id, age FROM users WHERE age > 15) INSERT INTO nobody (id, n) SELECT id, age FROM u
INSERT INTO measures SELECT * FROM measures WHERE k > 40 OR k IS NULL
-- MERGE
MERGE INTO nobody n USING users u ON n.id = u.id WHEN NOT MATCHED AND u.age > 15 THEN INSERT VALUES (u.id, u.age, u.name) WHEN NOT MATCHED THEN INSERT (id) VALUES (u.id)
MERGE INTO users u USING (SELECT user_id, count(*) AS n FROM posts GROUP BY user_id) p ON u.id = p.user_id WHEN MATCHED AND p.n = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET age = p.n WHEN NOT MATCHED THEN INSERT (id, name) VALUES (p.user_id, 'new')
MERGE INTO users u USING (VALUES (1, 'one'), (12, 'twelve'), (900, 'no')) v (id, name) ON u.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name
MERGE INTO users u USING countries c ON c.code = u.country WHEN MATCHED AND c.size < 70 THEN DELETE WHEN MATCHED THEN UPDATE SET age = c.size
MERGE INTO users u USING (VALUES (1, 'one'), (1, 'again'), (12, 'x')) v (id, name) ON u.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name
MERGE INTO users u USING posts p ON u.id = p.user_id WHEN MATCHED THEN UPDATE SET age = 1
MERGE INTO users u USING posts p ON u.id = p.likes WHEN MATCHED THEN UPDATE SET age = 1 --: refused 0A000
-- Reference tables
INSERT INTO countries VALUES ('a', 'A', 1), ('b', 'B', 2), ('c', 'C', NULL) RETURNING code --: ordered
INSERT INTO countries VALUES ($1, $2, $3) RETURNING * --: with no|Norway|5
INSERT INTO countries VALUES ('de', 'again', 1) ON CONFLICT DO NOTHING RETURNING *
INSERT INTO countries VALUES ('a', NULL, 1)
INSERT INTO countries (code) VALUES ('a')
INSERT INTO countries SELECT code || '2', upper(name), size FROM countries WHERE size > 50 RETURNING code
UPDATE countries SET size = size * 2, name = lower(name) WHERE code IN (SELECT code FROM rates WHERE rate > 1.01) RETURNING *
UPDATE countries SET size = 1 / size
UPDATE countries SET code = 'xx'
UPDATE countries SET size = (SELECT max(rate) FROM rates WHERE rates.code = countries.code)
UPDATE countries SET size = r.rate FROM rates r WHERE r.code = countries.code --: refused 0A000
UPDATE countries SET size = random() --: refused 0A000
UPDATE rates SET rate = rate + 1 WHERE since < '2025-02-15'
UPDATE rates SET rate = rate + 1 WHERE since < now()
DELETE FROM rates r USING countries c WHERE c.code = r.code AND c.size > 80 RETURNING r.code, since
DELETE FROM countries WHERE code = $1 --: with xx
MERGE INTO countries c USING rates r ON r.code = c.code AND r.since = '2025-01-01' WHEN MATCHED AND r.rate >= 1 THEN UPDATE SET size = r.rate
INSERT INTO units (id, name, made) VALUES (1, 'm', '2025-01-01'), (2, 's', '2025-01-01 10:00') RETURNING *
INSERT INTO units (id, name, made) VALUES (1, 'm', current_date), (2, 'n', 'yesterday') RETURNING id, name, made = current_date AS today
INSERT INTO units (id, name, made) VALUES (1, 'm', 'today')
INSERT INTO units (id, name, made) VALUES (1, 'now', '2025-01-01') RETURNING *
INSERT INTO units (id, name, made) SELECT size, name, '2025-01-01' FROM countries WHERE size IS NOT NULL RETURNING made, id
INSERT INTO units (id, name, made) VALUES (1, 'm', DEFAULT), (1, 'n', '2025-01-01')
UPDATE units SET made = now()
TRUNCATE countries
TRUNCATE countries CASCADE
TRUNCATE rates, likes
-- In a transaction
BEGIN
+ INSERT INTO users (id, name) VALUES (501, 'a'), (502, 'b'), (503, 'c') RETURNING id --: ordered
+ UPDATE users SET age = 77 WHERE id > 500 RETURNING id
+ DELETE FROM users WHERE id = 502
+ INSERT INTO countries VALUES ('no', 'Norway', 5)
+ UPDATE users SET country = 'no' WHERE age = 77
+ COMMIT
+ SELECT id, age, country FROM users WHERE id > 500 ORDER BY id
BEGIN
+ DELETE FROM posts
+ SELECT count(*) FROM posts
+ ROLLBACK
+ SELECT count(*) FROM posts
BEGIN
+ UPDATE users SET age = 1
+ SAVEPOINT s
+ UPDATE users SET age = 1 / (age - 1)
+ ROLLBACK TO s
+ UPDATE users SET age = age + 1 WHERE id < 20
+ RELEASE s
+ COMMIT
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ INSERT INTO users (id, name) VALUES (501, 'a'), (2, 'b'), (503, 'c')
+ SELECT 1
+ COMMIT
BEGIN ISOLATION LEVEL REPEATABLE READ
+ UPDATE users SET age = 2 WHERE age > 12
+ INSERT INTO countries VALUES ('no', 'Norway', 5) --: refused 0A000
BEGIN READ ONLY
+ UPDATE users SET age = 2 WHERE age > 12
BEGIN
+ LOCK TABLE users, posts IN SHARE MODE
+ UPDATE users SET age = 1
+ COMMIT
LOCK TABLE users
UPDATE users SET age = 1; DELETE FROM posts WHERE likes > 2; INSERT INTO users (id, name) VALUES (501, 'a'), (502, 'b')
UPDATE users SET age = 1; DELETE FROM posts WHERE 1 / (likes - 2) > 0
