#writes
-- UPDATE
UPDATE users SET age = 50 WHERE id = 4
UPDATE users SET age = age + 1 WHERE id = 4 RETURNING *
UPDATE users SET age = $1 WHERE id = $2 --: with 9|14
UPDATE users SET age = age + 1
UPDATE users SET age = age + 1 WHERE age > 15
UPDATE users SET age = age + 1 WHERE age > 15 RETURNING id, age
UPDATE users SET age = 0 WHERE id IN (1, 11, 21, 31)
UPDATE users SET age = 0 WHERE id BETWEEN 5 AND 8
UPDATE users SET age = 0 WHERE id = 3 OR id = 33 RETURNING id
UPDATE users SET age = 0 WHERE id = ANY ($1) --: with {3,33}
UPDATE users SET age = 0 WHERE false
UPDATE users SET age = 0 WHERE id = 4000
UPDATE users SET (age, country) = (1, 'xx') WHERE country = 'de'
UPDATE users SET name = NULL WHERE age = 12
UPDATE users SET age = 10 / (age - 12)
UPDATE users SET nothing = 1
UPDATE users SET balance = balance * 1.1, active = NOT active WHERE country IS NULL
UPDATE users SET balance = DEFAULT WHERE age < 12
UPDATE users SET country = (SELECT code FROM countries WHERE size = 83) WHERE age = 13
UPDATE users SET name = c.name FROM countries c WHERE c.code = users.country
UPDATE users u SET age = p.likes FROM posts p WHERE p.user_id = u.id AND p.id = 1
UPDATE users u SET age = p.likes FROM posts p WHERE p.user_id = u.id AND p.id = 1 AND u.id = 5
UPDATE users SET age = (SELECT count(*) FROM posts WHERE user_id = users.id)
UPDATE users SET age = (SELECT max(age) FROM users) --: refused 0A000
UPDATE users SET age = 1 WHERE id IN (SELECT author_id FROM likes) --: refused 0A000
UPDATE users SET age = 1 WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = users.id AND p.likes > 3)
UPDATE posts SET likes = likes + 1 WHERE user_id = 3
UPDATE posts SET likes = likes + 1 WHERE likes < 3
UPDATE people SET friend = NULL WHERE friend = 'bob' RETURNING login
UPDATE orders SET total = total + 1 WHERE tenant = 2
UPDATE orders SET total = total + 1 WHERE tenant = 2 AND region = 'n'
UPDATE visits SET hits = 0 WHERE day < '2025-03-01'
UPDATE nobody SET n = 1
UPDATE settings SET value = 'z' WHERE name < 's3'
UPDATE measures SET i = 1 WHERE k IS NULL
UPDATE adults SET age = 30 WHERE id = 6
WITH c AS (SELECT id FROM users WHERE age > 20) UPDATE users SET age = 20 FROM c WHERE c.id = users.id
WITH c AS (UPDATE users SET age = 20 WHERE age > 20 RETURNING id) SELECT count(*) FROM c --: refused 0A000
-- The key changes: the row moves
UPDATE users SET id = 4 WHERE id = 4
UPDATE users SET id = 1004 WHERE id = 4
UPDATE users SET id = 25 WHERE id = 4
UPDATE users SET id = id + 1000
UPDATE users SET id = id + 1000 WHERE id IN (3, 13)
UPDATE users SET id = $1 WHERE id = $2 RETURNING id, name --: with 1005|5
UPDATE people SET login = 'zzz' WHERE login = 'anna'
UPDATE orders SET region = 'x' WHERE tenant = 1 AND region = 'n'
UPDATE posts SET user_id = 9 WHERE user_id = 3
UPDATE users SET id = NULL WHERE id = 4
-- A changed shard key: rows go to other shards, or stay
UPDATE users SET id = id + 1000 RETURNING *
UPDATE users SET id = id + 1000, name = name || id, age = DEFAULT, balance = NULL, country = 'xx' WHERE age > 15 RETURNING id, name AS n, age + 1, country, (SELECT name FROM countries WHERE code = users.country)
UPDATE users u SET id = 2000 + u.age * 100 + u.id WHERE u.age IS NOT NULL RETURNING u.id, u.name
UPDATE users SET id = -id WHERE id > 3 RETURNING id
UPDATE users SET id = id * 2 WHERE id = 25 RETURNING id
UPDATE users SET id = 20 WHERE id = 4
UPDATE users SET id = 20 WHERE id IN (4, 25)
UPDATE users SET id = 2000 WHERE id IN (4, 25)
UPDATE users SET id = 2000 WHERE id IN (4, 25) AND name = 'nobody' RETURNING *
UPDATE users SET id = 2000 WHERE id = NULL RETURNING id
UPDATE users SET id = '2001' WHERE id = 12 RETURNING id
UPDATE users SET id = 2001.6 WHERE id = 12 RETURNING id
UPDATE users SET id = (SELECT size FROM countries WHERE code = 'us') WHERE id = 12 RETURNING id
UPDATE users SET id = (SELECT size FROM countries c WHERE c.code = users.country) + 1000 + id WHERE country IS NOT NULL RETURNING *
UPDATE users SET id = (SELECT max(id) FROM users) WHERE id = 12 --: refused 0A000
UPDATE users SET id = id / 0 WHERE id > 12
UPDATE users SET id = id * 9223372036854775807 WHERE id > 12
UPDATE users SET id = 'x' WHERE id > 12
UPDATE users SET id = name WHERE id > 12
UPDATE users SET id = true WHERE id > 12
UPDATE users SET id = nothing WHERE id > 12
UPDATE users SET id = id + 1000 WHERE nothing = 3
UPDATE users SET id = id + 1000 RETURNING nothing
UPDATE users SET id = id + 1000, nothing = 1
UPDATE users SET id = id + 1000, age = 'x'
UPDATE users SET id = id + 1000, name = NULL
UPDATE users SET id = id + 1000, age = 1 / (id - 30)
UPDATE users SET id = $1 + id, name = $2 WHERE age = $3 RETURNING * --: with 1000|moved|12
UPDATE users SET id = $1, name = $2 WHERE id = $3 RETURNING id, name --: with 1000|moved|33
UPDATE users SET id = $1 WHERE id = 12 --: with NULL
UPDATE users SET id = CASE WHEN id % 2 = 0 THEN id + 1000 ELSE id END WHERE id > 10 RETURNING id
UPDATE users SET id = id + 1000 WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = users.id AND p.likes > 3) RETURNING id
UPDATE users SET id = id + 1000 WHERE country IN (SELECT code FROM countries WHERE size > 80) RETURNING id
UPDATE users SET id = id + random()::int --: refused 0A000
UPDATE users SET (id, name) = (id + 1000, 'x') --: refused 0A000
UPDATE users SET id = DEFAULT WHERE id = 12 --: refused 0A000
UPDATE users SET id = id + 1000 FROM countries c WHERE c.code = users.country --: refused 0A000
UPDATE ONLY users /* here */ AS "U" SET id = "U".id + 1000 -- there
UPDATE users SET id = 45 - id WHERE id IN (12, 33) --: refused 0A000
UPDATE users SET id = id - 2 WHERE id IN (-2, 0)
UPDATE posts SET user_id = user_id + 100, id = id + 1 RETURNING user_id, id, tags, created, score
UPDATE posts SET user_id = 5, id = id + 10 WHERE user_id IN (3, 7, 11)
UPDATE posts SET user_id = 5 WHERE user_id IN (3, 7, 11)
UPDATE posts SET user_id = 50, tags = tags || '{new}' WHERE user_id IN (3, 22) RETURNING *
UPDATE measures SET k = k + 100, j = j || '{"m": true}', a = a || 7, n = n / 3, c = v, t = t || 'é' RETURNING *
UPDATE measures SET k = NULL WHERE k > 40 RETURNING k, grp, s, h, x, u
UPDATE measures SET k = 7 WHERE k IS NULL RETURNING *
UPDATE measures SET k = i WHERE k < 10
UPDATE measures SET k = s, v = 'longer than ten' WHERE k < 10
UPDATE measures SET k = k + 50, r = f, d = z, y = z, w = y, o = NULL WHERE k < 10
UPDATE nobody SET id = id + 1
UPDATE people SET login = login || '2' WHERE login < 'c' RETURNING *
UPDATE people SET login = friend WHERE friend IS NOT NULL --: refused 0A000
UPDATE people SET login = upper(login), name = $1 WHERE login = $2 RETURNING login, name --: with x|ömer
UPDATE items SET u = md5(u::text)::uuid RETURNING u, n
UPDATE items SET u = '00000000-0000-0000-0000-000000000001' WHERE n = 3 RETURNING *
UPDATE visits SET day = day + 200 WHERE hits > 3 RETURNING *
UPDATE visits SET day = '2026-05-05' WHERE day = '2024-11-07' RETURNING *
UPDATE visits SET day = $1 WHERE day = $2 RETURNING * --: with 2026-05-05|2024-11-07
UPDATE orders SET tenant = tenant + 10, region = lower(region) || 'x', note = NULL WHERE total > 30 RETURNING *
UPDATE orders SET region = 'q' WHERE tenant = 3 RETURNING tenant, region, id, note
UPDATE tickets SET id = 3
UPDATE logged SET id = id + 1 --: refused 0A000
EXPLAIN ANALYZE UPDATE users SET id = id + 1000 --: refused 0A000
BEGIN
+ UPDATE users SET name = 'before' WHERE id = 12
+ UPDATE users SET id = id + 1000 WHERE id > 10
+ SELECT id, name FROM users WHERE id > 1000 ORDER BY id
+ SAVEPOINT s
+ UPDATE users SET id = 5 WHERE id = 1012
+ ROLLBACK TO s
+ UPDATE posts SET user_id = user_id + 1000 WHERE user_id = 12 RETURNING *
+ UPDATE users SET id = id - 1000 WHERE id IN (1012, 1013) RETURNING id
+ COMMIT
BEGIN
+ UPDATE users SET id = 20 WHERE id = 4
+ SELECT 1
+ ROLLBACK
-- DELETE
DELETE FROM users WHERE id = 4
DELETE FROM users WHERE id = 4 RETURNING *
DELETE FROM users WHERE id = $1 --: with 14
DELETE FROM users
DELETE FROM users WHERE age > 15
DELETE FROM users WHERE age > 15 RETURNING id, name
DELETE FROM users WHERE id IN (1, 11, 21)
DELETE FROM users WHERE id BETWEEN 12 AND 17 RETURNING id
DELETE FROM users WHERE id < 15
DELETE FROM users WHERE false
DELETE FROM users WHERE 1 / (age - 12) > 0
DELETE FROM users u USING posts p WHERE p.user_id = u.id AND p.likes > 3
DELETE FROM users u USING countries c WHERE c.code = u.country AND c.size > 80
DELETE FROM users WHERE id IN (SELECT user_id FROM posts)
DELETE FROM users WHERE country IN (SELECT code FROM countries WHERE size < 100)
DELETE FROM users WHERE age = (SELECT max(age) FROM users) --: refused 0A000
DELETE FROM posts p WHERE NOT EXISTS (SELECT FROM likes l WHERE l.user_id = p.user_id)
DELETE FROM posts WHERE user_id = 7
DELETE FROM orders WHERE tenant = 2
DELETE FROM orders WHERE tenant = 2 AND region = 's'
DELETE FROM people WHERE login > 'k'
DELETE FROM items WHERE n = 3 RETURNING label
DELETE FROM visits WHERE day >= '2025-07-01' AND day < '2026-01-01'
DELETE FROM measures WHERE k IS NULL
DELETE FROM nobody
DELETE FROM settings WHERE value = 'v1'
WITH d AS (DELETE FROM users WHERE age > 15 RETURNING *) SELECT count(*) FROM d --: refused 0A000
WITH d AS (DELETE FROM posts WHERE user_id = 7 RETURNING *) SELECT count(*) FROM d
-- MERGE
MERGE INTO users u USING (VALUES (4, 'merged')) v (id, name) ON u.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name)
MERGE INTO users u USING (VALUES (4, 'merged'), (25, 'b'), (600, 'c')) v (id, name) ON u.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name) --: refused 0A000
MERGE INTO users u USING posts p ON u.id = p.user_id AND p.id = 1 WHEN MATCHED AND p.likes > 1 THEN DELETE WHEN MATCHED THEN UPDATE SET age = 0
MERGE INTO nobody n USING users u ON n.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (u.id, u.age, u.name)
-- Reference tables: on all shards
INSERT INTO countries VALUES ('no', 'Norway', 5)
INSERT INTO countries VALUES ('no', 'Norway', 5), ('se', 'Sweden', 10) RETURNING *
INSERT INTO countries VALUES ('de', 'again', 1)
INSERT INTO countries VALUES ('de', 'again', 1) ON CONFLICT (code) DO UPDATE SET name = excluded.name
INSERT INTO countries SELECT code || '2', name FROM countries
INSERT INTO countries SELECT 'u' || id, name FROM users WHERE id IN (3, 33) --: refused 0A000
UPDATE countries SET size = size + 1
UPDATE countries SET size = 1 WHERE code = 'de' RETURNING *
UPDATE countries SET size = (SELECT count(*) FROM users WHERE country = code) --: refused 0A000
DELETE FROM countries WHERE size < 70 RETURNING code
DELETE FROM countries
TRUNCATE rates
-- TRUNCATE
TRUNCATE users
TRUNCATE users, posts, likes
TRUNCATE TABLE nobody RESTART IDENTITY CASCADE
TRUNCATE settings
TRUNCATE nothing
