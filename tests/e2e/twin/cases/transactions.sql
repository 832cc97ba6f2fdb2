#writes
-- Transactions: on one shard, and over several.
BEGIN
+ INSERT INTO users (id, name) VALUES (100, 'a')
+ SELECT id, name FROM users WHERE id = 100
+ COMMIT
BEGIN
+ INSERT INTO users (id, name) VALUES (100, 'a')
+ ROLLBACK
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 2 WHERE id = 14
+ UPDATE users SET age = 3 WHERE id = 24
+ UPDATE users SET age = 4 WHERE id = 34
+ COMMIT
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 2 WHERE id = 14
+ UPDATE users SET age = 3 WHERE id = 24
+ UPDATE users SET age = 4 WHERE id = 34
+ ROLLBACK
BEGIN
+ UPDATE users SET age = age + 1 WHERE id IN (4, 34)
+ SELECT sum(age), count(*) FROM users
+ DELETE FROM users WHERE id = 5
+ SELECT count(*) FROM users
+ COMMIT
BEGIN
+ SELECT count(*) FROM users
+ SELECT count(*) FROM posts WHERE user_id = 7
+ COMMIT
BEGIN
+ INSERT INTO users (id, name) VALUES (100, 'a')
+ SAVEPOINT s
+ INSERT INTO users (id, name) VALUES (1, 'a')
+ ROLLBACK TO s
+ INSERT INTO users (id, name) VALUES (100, 'again') ON CONFLICT (id) DO UPDATE SET name = 'b'
+ COMMIT
BEGIN
+ INSERT INTO users (id, name) VALUES (100, 'a')
+ SAVEPOINT s
+ INSERT INTO users (id, name) VALUES (133, 'b')
+ INSERT INTO users (id, name) VALUES (120, 'c')
+ ROLLBACK TO s
+ INSERT INTO users (id, name) VALUES (115, 'd')
+ RELEASE s
+ COMMIT
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ SELECT 1 / 0
+ SELECT 1
+ COMMIT
BEGIN
+ INSERT INTO users (id, name) VALUES (100, 'a')
+ INSERT INTO users (id, name) VALUES (14, 'twice')
+ COMMIT
BEGIN READ ONLY
+ UPDATE users SET age = 1 WHERE id = 4
+ ROLLBACK
BEGIN READ ONLY
+ SELECT count(*) FROM users
+ COMMIT
BEGIN ISOLATION LEVEL SERIALIZABLE
+ SHOW transaction_isolation
+ SELECT id FROM users WHERE id = 4
+ COMMIT
BEGIN ISOLATION LEVEL REPEATABLE READ
+ SELECT age FROM users WHERE id = 4
+ UPDATE users SET age = 8 WHERE id = 34
+ SELECT id, age FROM users WHERE id IN (4, 34) ORDER BY id
+ COMMIT
BEGIN
+ INSERT INTO settings VALUES ('t', '1')
+ INSERT INTO users (id, name) VALUES (131, 'b')
+ COMMIT
BEGIN
+ SELECT * FROM countries ORDER BY code
+ UPDATE users SET age = 1 WHERE id = 25
+ COMMIT
BEGIN
+ DELETE FROM users WHERE age > 15
+ INSERT INTO nobody (id, n) SELECT count(*), 1 FROM users
+ SELECT * FROM nobody
+ COMMIT
BEGIN
+ TRUNCATE posts
+ SELECT count(*) FROM posts
+ ROLLBACK
INSERT INTO users (id, name) VALUES (100, 'a'); INSERT INTO users (id, name) VALUES (1, 'twice')
INSERT INTO users (id, name) VALUES (100, 'a'); INSERT INTO users (id, name) VALUES (133, 'b'); SELECT count(*) FROM users
UPDATE users SET age = 1 WHERE id = 4; UPDATE users SET age = 1 WHERE id = 34; SELECT 1 / 0
BEGIN; UPDATE users SET age = 1 WHERE id = 4; COMMIT; SELECT age FROM users WHERE id = 4
-- Gathered in shards that take part for the first time.
BEGIN
+ SELECT u.id, p.id FROM users u JOIN posts p ON p.id = u.id AND p.user_id > u.id ORDER BY 1, 2
+ UPDATE users SET name = 'undone'
+ ROLLBACK
SELECT count(*) FROM users WHERE name = 'undone'
BEGIN
+ SELECT avg(r), sum(f) FROM measures
+ SELECT sum(s), avg(r) FROM measures
+ COMMIT
-- What a failed transaction hands on
BEGIN ISOLATION LEVEL REPEATABLE READ
+ UPDATE users SET age = 1 WHERE id = 4
+ SELECT 1 / 0
+ ROLLBACK AND CHAIN
+ UPDATE users SET age = 2 WHERE id = 4
+ UPDATE users SET age = 3 WHERE id = 14
+ SHOW transaction_isolation
+ COMMIT
BEGIN ISOLATION LEVEL REPEATABLE READ
+ UPDATE users SET age = 1
+ SELECT 1 / 0
+ COMMIT AND CHAIN
+ SHOW transaction_isolation
+ UPDATE users SET age = 2
+ COMMIT
BEGIN
+ SET TRANSACTION READ ONLY
+ SELECT count(*) FROM users WHERE id = 4
+ SAVEPOINT a
+ SELECT 1 / 0
+ COMMIT AND CHAIN
+ SHOW transaction_read_only
+ SELECT count(*) FROM users
+ SHOW transaction_read_only
+ UPDATE users SET age = 1 WHERE id = 14
+ ROLLBACK
BEGIN READ ONLY
+ SELECT count(*) FROM users
+ SAVEPOINT a
+ SELECT 1 / 0
+ ROLLBACK AND CHAIN
+ SHOW transaction_read_only
+ SELECT count(*) FROM users
+ UPDATE users SET age = 1 WHERE id = 14
+ ROLLBACK
