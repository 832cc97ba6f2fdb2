#writes
-- Transactions that several shards take part in.
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ SAVEPOINT a
+ UPDATE users SET age = 2 WHERE id = 14
+ SAVEPOINT b
+ UPDATE users SET age = 3 WHERE id = 24
+ UPDATE users SET age = 3 WHERE id = 34
+ SELECT count(*), sum(age) FROM users
+ ROLLBACK TO b
+ SELECT id, age FROM users WHERE id IN (4, 14, 24, 34) ORDER BY id
+ RELEASE a
+ ROLLBACK TO a
+ COMMIT
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ SAVEPOINT a
+ UPDATE users SET age = 2 WHERE id = 14
+ SELECT 1 / 0 FROM users WHERE id = 24
+ SELECT 1
+ SAVEPOINT c
+ ROLLBACK TO nobody
+ ROLLBACK TO a
+ UPDATE users SET age = 5 WHERE id = 34
+ SELECT sum(age) FROM users
+ COMMIT
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 1 WHERE id = 14
+ UPDATE users SET age = 1 WHERE id = 24
+ SELECT 1 / 0
+ COMMIT
+ SELECT sum(age) FROM users
BEGIN
+ SET LOCAL work_mem = '7MB'
+ UPDATE users SET age = 1 WHERE id = 4
+ SHOW work_mem
+ UPDATE users SET age = 1 WHERE id = 14
+ SHOW work_mem
+ SET LOCAL work_mem = '8MB'
+ UPDATE users SET age = 1 WHERE id = 24
+ SHOW work_mem
+ UPDATE users SET age = 1 WHERE id = 4
+ SHOW work_mem
+ SET work_mem = 'nonsense'
+ ROLLBACK
+ SHOW work_mem
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ SAVEPOINT a
+ SET work_mem = '9MB'
+ UPDATE users SET age = 1 WHERE id = 14
+ UPDATE users SET age = 1 WHERE id = 24
+ SHOW work_mem
+ ROLLBACK TO a
+ SHOW work_mem
+ UPDATE users SET age = 1 WHERE id = 34
+ SHOW work_mem
+ SET work_mem = '10MB'
+ COMMIT
+ SHOW work_mem
+ RESET work_mem
BEGIN ISOLATION LEVEL SERIALIZABLE
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 1 WHERE id = 14
+ SHOW transaction_isolation
+ UPDATE users SET age = 1 WHERE id = 24
+ SHOW transaction_isolation
+ COMMIT
BEGIN
+ SET TRANSACTION ISOLATION LEVEL REPEATABLE READ
+ SELECT age FROM users WHERE id = 4
+ UPDATE users SET age = 1 WHERE id = 14
+ SELECT count(*) FROM users
+ SHOW transaction_isolation
+ COMMIT
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 1 WHERE id = 14
+ SET TRANSACTION READ ONLY
+ UPDATE users SET age = 1 WHERE id = 24
+ ROLLBACK
BEGIN READ ONLY
+ SELECT age FROM users WHERE id = 4
+ SELECT age FROM users WHERE id = 14
+ UPDATE users SET age = 1 WHERE id = 24
+ ROLLBACK
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 1 WHERE id = 14
+ COMMIT AND CHAIN
+ UPDATE users SET age = 2 WHERE id = 24
+ UPDATE users SET age = 2 WHERE id = 34
+ ROLLBACK AND CHAIN
+ SELECT sum(age) FROM users
+ COMMIT
BEGIN ISOLATION LEVEL REPEATABLE READ
+ UPDATE users SET age = 1 WHERE id = 4
+ COMMIT AND CHAIN
+ SHOW transaction_isolation
+ UPDATE users SET age = 2 WHERE id = 14
+ UPDATE users SET age = 2 WHERE id = 24
+ SHOW transaction_isolation
+ COMMIT
BEGIN
+ DECLARE w CURSOR FOR SELECT id FROM posts WHERE user_id = 7 ORDER BY id
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 1 WHERE id = 14
+ UPDATE users SET age = 1 WHERE id = 24
+ FETCH 1 FROM w
+ UPDATE users SET age = 2 WHERE id = 34
+ FETCH ALL FROM w --: ordered
+ CLOSE w
+ FETCH 1 FROM w
+ ROLLBACK
BEGIN
+ DECLARE w CURSOR FOR SELECT id FROM posts WHERE user_id = 7 ORDER BY id
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 1 WHERE id = 14
+ CLOSE ALL
+ FETCH 1 FROM w
+ ROLLBACK
BEGIN
+ INSERT INTO settings VALUES ('t', '1')
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 1 WHERE id = 14
+ UPDATE users SET age = 1 WHERE id = 24
+ SELECT count(*) FROM settings
+ COMMIT
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4
+ UPDATE users SET age = 1 WHERE id = 14
+ BEGIN
+ UPDATE users SET age = 1 WHERE id = 24
+ COMMIT
+ COMMIT
UPDATE users SET age = 1 WHERE id = 4; UPDATE users SET age = 2 WHERE id = 14; UPDATE users SET age = 3 WHERE id = 24
UPDATE users SET age = 1 WHERE id = 4; UPDATE users SET age = 2 WHERE id = 14; SELECT 1 / 0; SELECT 1
SELECT 'before'; UPDATE users SET age = 1 WHERE id = 4 RETURNING id; SELECT count(*), sum(age) FROM users; SELECT id FROM users ORDER BY id LIMIT 3
SELECT 1; UPDATE users SET age = 1 WHERE id = 4; SELECT nothing FROM users WHERE id = 14
BEGIN
+ UPDATE users SET age = 1 WHERE id = 4; UPDATE users SET age = 2 WHERE id = 14; UPDATE users SET age = 3 WHERE id = 24
+ UPDATE users SET age = 4 WHERE id = 34; SELECT sum(age) FROM users
+ ROLLBACK
BEGIN
+ SELECT set_config('app.tenant', '7', true)
+ UPDATE users SET age = 1 WHERE id = 4 RETURNING current_setting('app.tenant')
+ UPDATE users SET age = 1 WHERE id = 14 RETURNING current_setting('app.tenant')
+ SAVEPOINT a
+ SELECT set_config('app.tenant', 'it''s', true)
+ UPDATE users SET age = 1 WHERE id = 24 RETURNING current_setting('app.tenant')
+ UPDATE users SET age = 1 WHERE id = 34 RETURNING current_setting('app.tenant')
+ ROLLBACK TO a
+ SELECT current_setting('app.tenant')
+ COMMIT
UPDATE logged SET country = 'nowhere'
UPDATE logged SET country = 'nowhere' RETURNING id
INSERT INTO logged (id, n, country) VALUES (900, 1, 'de'), (901, 1, 'nowhere'), (902, 1, 'de'), (903, 1, 'de')
UPDATE logged SET country = 'nowhere' WHERE id = 1; UPDATE logged SET n = 5; SELECT count(*) FROM logged
BEGIN
+ UPDATE logged SET country = 'nowhere'
+ SELECT count(*) FROM logged WHERE country = 'nowhere'
+ COMMIT
+ SELECT count(*) FROM logged WHERE country = 'nowhere'
BEGIN
+ UPDATE logged SET country = 'nowhere'
+ SET CONSTRAINTS ALL IMMEDIATE
+ ROLLBACK
BEGIN
+ UPDATE logged SET n = 3
+ SET CONSTRAINTS ALL IMMEDIATE
+ UPDATE logged SET country = 'nowhere'
+ COMMIT
