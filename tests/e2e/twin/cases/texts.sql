#writes
-- Texts of several statements over several shards: BEGIN and COMMIT in them, and none.
BEGIN; UPDATE users SET age = 1 WHERE id = 4; UPDATE users SET age = 2 WHERE id = 14; COMMIT
BEGIN; UPDATE users SET age = 1; COMMIT; SELECT count(*) FROM users WHERE age = 1; UPDATE users SET age = 3
BEGIN; UPDATE users SET age = 1; COMMIT; UPDATE users SET age = 3; SELECT 1 / 0
UPDATE users SET age = 1; COMMIT; UPDATE users SET age = 2 WHERE age = 1; SELECT 1 / 0
UPDATE users SET age = 1; ROLLBACK; UPDATE users SET age = 2 WHERE age = 1
UPDATE users SET age = 1; COMMIT
UPDATE users SET age = 1; END; SELECT count(*) FROM users; ROLLBACK; SELECT 1
COMMIT; UPDATE users SET age = 1
ROLLBACK; UPDATE users SET age = 1; UPDATE users SET age = 2 WHERE id = 4
UPDATE users SET age = 1; BEGIN; UPDATE users SET age = 2; ROLLBACK
UPDATE users SET age = 1; BEGIN; UPDATE users SET age = 2; COMMIT; SELECT sum(age) FROM users; SELECT 1 / 0
BEGIN; UPDATE users SET age = 1; BEGIN; UPDATE users SET age = 2; COMMIT
BEGIN; UPDATE users SET age = 1; COMMIT; BEGIN; UPDATE users SET age = age + 1; ROLLBACK; SELECT sum(age) FROM users
UPDATE users SET age = 1; SAVEPOINT a
UPDATE users SET age = 1; RELEASE a
UPDATE users SET age = 1; ROLLBACK TO a
BEGIN; UPDATE users SET age = 1; SAVEPOINT a; UPDATE users SET age = 2; ROLLBACK TO a; COMMIT
UPDATE users SET age = 1; COMMIT AND CHAIN
UPDATE users SET age = 1; ROLLBACK AND CHAIN
COMMIT AND CHAIN; UPDATE users SET age = 1; UPDATE users SET age = 2 WHERE id = 4
BEGIN; UPDATE users SET age = 1; COMMIT AND CHAIN; UPDATE users SET age = age + 1; COMMIT
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM users; UPDATE users SET age = 1; COMMIT
SELECT count(*) FROM users; BEGIN READ ONLY; SELECT count(*) FROM users; COMMIT --: refused 0A000
SELECT count(*) FROM users; BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM users; COMMIT --: refused 0A000
UPDATE users SET age = 1; COMMIT; BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(age) FROM users; COMMIT
BEGIN
+ UPDATE users SET age = 1; COMMIT; UPDATE users SET age = 2 WHERE id = 4
BEGIN
+ UPDATE users SET age = 1; ROLLBACK; SELECT sum(age) FROM users; UPDATE users SET age = 2 WHERE id = 4
BEGIN
+ UPDATE users SET age = 1; BEGIN; SELECT sum(age) FROM users; COMMIT
BEGIN; UPDATE users SET age = 1; SELECT 1 / 0; COMMIT; SELECT 1
+ ROLLBACK
BEGIN; SELECT count(*) FROM users; SELECT 1 / 0
+ COMMIT; SELECT count(*) FROM users; UPDATE users SET age = 1
BEGIN; UPDATE users SET age = 1; SAVEPOINT a; SELECT 1 / 0
+ ROLLBACK TO a; SELECT sum(age) FROM users; COMMIT; SELECT sum(age) FROM users
SET work_mem = '1MB'; UPDATE users SET age = 1; COMMIT; SELECT current_setting('work_mem'); SELECT 1 / 0
+ SELECT current_setting('work_mem')
+ RESET work_mem
SET work_mem = '1MB'; UPDATE users SET age = 1; ROLLBACK; SELECT current_setting('work_mem'), count(*) FROM users
+ SELECT current_setting('work_mem')
SET LOCAL work_mem = '1MB'; SELECT count(*) FROM users
SET TRANSACTION READ ONLY; UPDATE users SET age = 1
UPDATE users SET age = 1; SET TRANSACTION READ ONLY; UPDATE users SET age = 2
UPDATE users SET age = 1;; UPDATE users SET age = 2 WHERE id = 4;
UPDATE users SET age = 1; BEGIN; SELECT count(*) FROM users
+ ROLLBACK
