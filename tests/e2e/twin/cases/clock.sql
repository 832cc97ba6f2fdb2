#writes
-- One time for all shards, by the names and types of the calls that read it.
SELECT now(), pg_catalog.now(), current_timestamp, current_timestamp(2), current_date, current_time, current_time(0), localtime, localtime(3), localtimestamp, localtimestamp(1), transaction_timestamp(), statement_timestamp(), now()::date, CAST(current_timestamp AS text), (SELECT now()), age(created), extract(epoch FROM now()), now() AT TIME ZONE 'UTC' FROM posts WHERE id < 0
SELECT CASE WHEN true THEN now() ELSE current_timestamp END, now() AS moment, current_date + 1, coalesce(created, now()), date_trunc('day', now()) FROM posts WHERE id < 0
SELECT x.now, y.* FROM posts p, LATERAL (SELECT now()) x, now() y WHERE p.id < 0
SELECT id, now() = now() AS same, current_timestamp - transaction_timestamp() AS none, localtimestamp - localtimestamp AS zero FROM users ORDER BY id
SELECT count(DISTINCT moment), count(*) FROM (SELECT now() AS moment FROM users) x
SELECT count(DISTINCT m) FROM (SELECT localtimestamp AS m FROM users UNION ALL SELECT localtimestamp FROM posts) x
SELECT count(*) FROM (SELECT DISTINCT current_time, now(), current_date, localtime(1) FROM users) x
SELECT max(now()) = min(now()) AS same, max(current_date) - min(current_date) AS days FROM users
SELECT max(statement_timestamp()) = min(statement_timestamp()) AS same FROM users
SELECT count(DISTINCT current_time(2)), count(DISTINCT localtimestamp(0)) FROM users
SELECT id, now() = now() AS same FROM users ORDER BY now(), id
SELECT id, row_number() OVER (ORDER BY id), count(now()) OVER () FROM users ORDER BY id
WITH t AS (SELECT now() AS n) SELECT u.id, t.n = now() AS same FROM users u, t ORDER BY 1
SELECT n = now() AS same, count(*) FROM users, now() AS n GROUP BY 1
SELECT date_trunc('month', now()) = date_trunc('month', localtimestamp)::timestamptz AS same, count(*) FROM users GROUP BY date_trunc('month', now())
SELECT country, max(now()) = now() AS same, count(*) FROM users GROUP BY country ORDER BY country COLLATE "C"
SELECT count(*) FROM posts WHERE created < now() AND created > now() - interval '100 years'
SELECT count(*) FROM posts WHERE created < now() - $1::interval --: with 1 day
SELECT u.id FROM users u JOIN posts p ON p.user_id = u.id AND p.created < current_date WHERE u.joined < current_date ORDER BY 1
SELECT count(*) FROM posts WHERE age(created) > '1 day'
SELECT user_id, id, age(created) - age(created) AS none, age(created) = age(current_date, created) AS same FROM posts ORDER BY user_id, id
SELECT id, age(joined) = age(current_date::timestamptz, joined::timestamptz) AS same FROM users ORDER BY id
COPY (SELECT id, now() = now() FROM users ORDER BY id) TO STDOUT
SELECT now() + 1 FROM users
SELECT nobody(now()) FROM users
SELECT id, current_timestamp(2) > now() + interval '1 hour' AS late FROM users ORDER BY id LIMIT 3
-- By the session's time zone
SET TimeZone = 'Asia/Tokyo'
+ SELECT min(localtimestamp - (now() AT TIME ZONE 'UTC')), max(localtimestamp - (now() AT TIME ZONE 'UTC')) FROM users
+ SELECT count(*) FROM users WHERE current_date = (now() AT TIME ZONE 'Asia/Tokyo')::date AND current_time::text LIKE '%+09'
+ SET DateStyle = 'SQL, DMY'
+ SELECT count(DISTINCT now()), min(extract(year FROM now())) = extract(year FROM min(current_date)) AS same FROM users
+ RESET DateStyle
+ RESET TimeZone
-- What isn't fit to be merged is gathered, in a transaction too
SET DateStyle = 'SQL, DMY'
+ BEGIN
+ UPDATE posts SET likes = 1 WHERE likes > 3
+ SELECT count(DISTINCT created) FROM posts WHERE id > 1
+ ROLLBACK
+ RESET DateStyle
-- In writes
BEGIN
+ UPDATE posts SET created = now()
+ SELECT count(DISTINCT created), min(created) = now() AS now, max(created) = current_timestamp AS again FROM posts
+ ROLLBACK
BEGIN
+ UPDATE posts SET created = now() WHERE user_id = 4
+ UPDATE posts SET created = current_timestamp WHERE user_id > 4 RETURNING created = now() AS same
+ SELECT count(DISTINCT created), min(created) = now() AS now FROM posts WHERE user_id >= 4
+ ROLLBACK
BEGIN
+ SELECT count(*) FROM posts WHERE created = now()
+ INSERT INTO posts (user_id, id, created) VALUES (1, 901, now()), (4, 902, now()), (14, 903, current_timestamp), (24, 904, transaction_timestamp()) RETURNING user_id, created = now() AS same --: ordered
+ SELECT count(DISTINCT created), max(created) = now() AS same FROM posts WHERE id > 900
+ DELETE FROM posts WHERE created = now() RETURNING user_id
+ ROLLBACK
BEGIN
+ INSERT INTO posts (user_id, id, created) VALUES ($1, 901, now()), ($2, 902, $3), (24, 903, now()) --: with 1|4|2025-01-01
+ SELECT user_id, created = now() AS same FROM posts WHERE id > 900 ORDER BY 1
+ ROLLBACK
BEGIN
+ UPDATE posts SET created = now() - $1::interval * id WHERE likes >= $2 --: with 1 day|0
+ SELECT count(DISTINCT created + interval '1 day' * id), max(created + interval '1 day' * id) = now() AS same FROM posts WHERE likes >= 0
+ ROLLBACK
BEGIN
+ INSERT INTO posts (user_id, id, created) SELECT user_id, id + 1000, now() FROM posts
+ SELECT count(DISTINCT created) FROM posts WHERE id > 1000
+ MERGE INTO posts p USING users u ON p.user_id = u.id WHEN MATCHED THEN UPDATE SET created = now() - interval '1 day'
+ SELECT count(DISTINCT created) FROM posts WHERE created < now() - interval '1 hour' AND created > now() - interval '25 hours'
+ ROLLBACK
BEGIN
+ INSERT INTO users (id, name, joined) VALUES (501, 'a', current_date), (502, 'b', now()), (503, 'c', localtimestamp) ON CONFLICT (id) DO UPDATE SET joined = now()
+ SELECT count(DISTINCT joined), max(joined) = current_date AS today FROM users WHERE id > 500
+ ROLLBACK
BEGIN
+ UPDATE users SET id = id + 1000, joined = current_date WHERE age > 20
+ SELECT count(DISTINCT joined), max(joined) = current_date AS today FROM users WHERE id > 1000
+ ROLLBACK
-- Statements of one shard, one after the other
BEGIN
+ UPDATE posts SET created = now() WHERE user_id = 4
+ UPDATE posts SET created = now() WHERE user_id = 14
+ UPDATE posts SET created = current_timestamp + $1::interval WHERE user_id = 24 --: with 0s
+ INSERT INTO posts (user_id, id, created) VALUES (34, 900, now()) RETURNING created = now() AS same
+ SELECT now() = max(created) AS same FROM posts WHERE user_id = 14
+ SELECT count(DISTINCT created), min(created) = now() AS same FROM posts WHERE user_id IN (4, 14, 24, 34) AND created > now() - interval '1 hour'
+ SELECT now() = (SELECT max(created) FROM posts) AS same
+ SELECT now() + 1 FROM posts WHERE user_id = 24
+ ROLLBACK
-- Copies
BEGIN
+ INSERT INTO units (id, name, made) VALUES (901, 'm', now()), (902, 's', current_timestamp)
+ UPDATE units SET made = now() - interval '1 hour' WHERE id = 901
+ SELECT id, made = now() AS same FROM units WHERE id > 900 ORDER BY id
+ UPDATE units SET made = statement_timestamp() WHERE made < now() RETURNING id
+ DELETE FROM units WHERE made < now() RETURNING id
+ SELECT count(*) FROM units WHERE made >= now()
+ ROLLBACK
UPDATE rates SET rate = rate + 1 WHERE since < now()
DELETE FROM rates WHERE since < current_date - 1
UPDATE countries SET size = extract(year FROM now()) - extract(year FROM now())
-- A statement has a time of its own in its transaction
BEGIN
+ SELECT count(DISTINCT statement_timestamp()) FROM users
+ SELECT min(statement_timestamp()) > now() AS later, count(DISTINCT statement_timestamp() - now()) FROM users
+ ROLLBACK
BEGIN
+ SELECT max(now()) = min(now()) AS same FROM users
+ COMMIT AND CHAIN
+ SELECT count(*) FROM users WHERE now() < statement_timestamp()
+ COMMIT
