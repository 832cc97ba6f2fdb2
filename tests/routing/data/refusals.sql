-- Statements that one shard can't answer: each is refused, and none is sent.
-- One a line: `statement -- [parameters] => SQLSTATE words of the message`. The end-to-end tests
-- read this file too.

-- No condition on the key, or none that binds it.
SELECT * FROM users FOR UPDATE -- => 0A000 public.users is not bound to one shard
SELECT * FROM users TABLESAMPLE BERNOULLI (10) -- => 0A000 public.users is not bound to one shard
-- Keys of several shards.
-- A part of the key.
-- OR with a branch that doesn't bind.
-- Derived tables and common table expressions.
SELECT * FROM (SELECT id FROM users FOR UPDATE) u WHERE u.id = 1 -- => 0A000 public.users is not bound to one shard
WITH gone AS (DELETE FROM posts WHERE likes = 0 RETURNING *) SELECT * FROM gone -- => 0A000 public.posts is not bound to one shard
WITH gone AS (DELETE FROM posts WHERE user_id = 1 RETURNING *) SELECT * FROM gone, users -- => 0A000 public.users is not bound to one shard
WITH u AS (UPDATE users SET name = 'x' RETURNING id) SELECT 1 -- => 0A000 public.users is not bound to one shard
-- Tables that no rule names, and views.
SELECT * FROM stray -- => 0A000 table public.stray is in no sharding rule
SELECT * FROM stray WHERE user_id = 1 -- => 0A000 table public.stray is in no sharding rule
INSERT INTO stray VALUES (1, 1) -- => 0A000 table public.stray is in no sharding rule
SELECT * FROM users u JOIN stray s ON s.user_id = u.id WHERE u.id = 1 -- => 0A000 table public.stray is in no sharding rule
-- Writes.
UPDATE posts SET (user_id, body) = (SELECT 1, 'x') WHERE user_id = 1 -- => 0A000 UPDATE changes public.posts.user_id, a shard key, to a value that isn't known
UPDATE posts SET body = 'x' FROM users WHERE posts.id = users.id AND users.id = 1 -- => 0A000 public.posts is not bound to one shard
UPDATE posts p SET body = 'x' FROM posts q WHERE p.user_id = 1 AND q.id = p.id -- => 0A000 public.posts as q is not bound to one shard
DELETE FROM posts USING users WHERE users.id = 1 -- => 0A000 public.posts is not bound to one shard
INSERT INTO users (id) VALUES ((SELECT max(id) FROM settings)) -- => 0A000 the row's key public.users.id isn't known
INSERT INTO likes VALUES (1, 2, 3) ON CONFLICT (post_id) DO NOTHING -- => 0A000 ON CONFLICT on public.likes: a conflicting row may lie on another shard
INSERT INTO likes VALUES (1, 2, 3) ON CONFLICT DO NOTHING -- => 0A000 ON CONFLICT on public.likes: a conflicting row may lie on another shard
INSERT INTO likes VALUES (1, 2, 3) ON CONFLICT ON CONSTRAINT likes_post_key DO NOTHING -- => 0A000 ON CONFLICT on public.likes: a conflicting row may lie on another shard
INSERT INTO likes VALUES (1, 2, 3) ON CONFLICT ON CONSTRAINT nobody_knows DO NOTHING -- => 0A000 ON CONFLICT on public.likes: a conflicting row may lie on another shard
INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET id = 2 -- => 0A000 UPDATE changes public.users.id, a shard key, to a value that isn't known
INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET id = users.id + 1 -- => 0A000 UPDATE changes public.users.id, a shard key, to a value that isn't known
INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = (SELECT max(body) FROM posts) -- => 0A000 public.posts is not bound to one shard
MERGE INTO users u USING jobs j ON u.id = j.user_id WHEN MATCHED THEN DELETE -- => 0A000 public.users as u is not bound to one shard
MERGE INTO users u USING (VALUES (1, 'x'), (2, 'y'), (3, 'z'), (4, 'w')) v(id, name) ON u.id = v.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name) -- => 0A000 public.users as u is bound to more than one shard
MERGE INTO users u USING (VALUES (1)) v(id) ON u.id = v.id WHEN NOT MATCHED THEN INSERT (id) VALUES (v.id + 1) -- => 0A000 the row's key public.users.id isn't known
TRUNCATE jobs, users -- => 0A000 TRUNCATE of public.users concerns all shards
COPY things (label) FROM STDIN -- => 0A000 the default of public.things.id, a shard key, is computed by the server
COPY letters (seal) FROM STDIN -- => 0A000 the default of public.letters.owner, a shard key, is computed by the server
COPY recent_posts FROM STDIN -- => 0A000 view public.recent_posts may read sharded tables
COPY countries FROM STDIN WHERE random() < 0.5 -- => 0A000 COPY of public.countries concerns all shards: it calls a function that may give another value on each shard
COPY users FROM STDIN WHERE id > nextval('posts_id_seq') -- => 0A000 COPY of public.users concerns all shards
COPY jobs FROM '/tmp/jobs' -- => 0A000 COPY with a server's file or program
-- Values that can't be read as the server would.
SELECT * FROM users WHERE id = 'abc' -- => 22P02 invalid input syntax for type bigint: "abc"
SELECT * FROM users WHERE id = $1 -- $1:int8=abc => 22P02 invalid input syntax for type bigint: "abc"
SELECT * FROM users WHERE id = '99999999999999999999' -- => 22003 value "99999999999999999999" is out of range for type bigint
SELECT * FROM accounts WHERE login = 42 -- => 42883 operator does not exist: text = integer
-- Functions.
SELECT user_rank(1) -- => 0A000 function user_rank may read or write tables
SELECT do_things() -- => 0A000 function do_things may read or write tables
SELECT do_things() FROM users WHERE id = 1 -- => 0A000 function do_things may read or write tables
SELECT * FROM user_rank(1) -- => 0A000 function user_rank may read or write tables
SELECT public.user_rank(id) FROM users WHERE id = 1 -- => 0A000 function user_rank may read or write tables
SELECT query_to_xml('SELECT * FROM users', true, false, '') -- => 0A000 function query_to_xml reads tables that are named in its arguments
SELECT table_to_xml('users', true, false, '') -- => 0A000 function table_to_xml reads tables that are named in its arguments
SELECT ts_rewrite('a'::tsquery, 'SELECT t, s FROM aliases') -- => 0A000 function ts_rewrite reads tables
SELECT * FROM ts_stat('SELECT vector FROM docs') -- => 0A000 function ts_stat reads tables that are named in its arguments
SELECT * FROM dblink('host=x', 'SELECT 1') AS t(a int) -- => 0A000 function dblink reads tables that are named in its arguments
SELECT currval('posts_id_seq') -- => 0A000 currval tells what a session did before, and sessions share servers
SELECT lastval() -- => 0A000 lastval tells what a session did before, and sessions share servers
SELECT nextval('posts_id_seq') FROM users WHERE id = 1 -- => 0A000 nextval in a statement on a sharded table
INSERT INTO posts (user_id, id) VALUES (1, nextval('posts_id_seq')) -- => 0A000 nextval in a statement on a sharded table
SELECT set_config('a.b', 'c', true), set_config('a.c', 'c', true) -- => 0A000 set_config for the session isn't seen by pgherd
SELECT set_config('a.b', 'c', false), set_config('a.c', 'c', false) -- => 0A000 set_config for the session isn't seen by pgherd
SELECT set_config('a.b', name, false) FROM users WHERE id = 1 -- => 0A000 set_config for the session isn't seen by pgherd
EXPLAIN ANALYZE SELECT set_config('a.b', 'c', false) -- => 0A000 set_config for the session isn't seen by pgherd
SELECT * FROM (SELECT id, safe_fn() FROM users) u WHERE u.id = 1 -- => 0A000 public.users is not bound to one shard
-- What needs a server's session of its own.
CREATE TABLE pg_temp.t (a int) -- => 0A000 temporary tables
CREATE TEMP TABLE t (a int) -- => 0A000 temporary tables live in one server's session, and sessions share servers
CREATE TEMP TABLE t AS SELECT 1 -- => 0A000 temporary tables live in one server's session, and sessions share servers
DECLARE c CURSOR WITH HOLD FOR SELECT 1 -- => 0A000 a WITH HOLD cursor needs a server's session of its own, and sessions share servers
PREPARE TRANSACTION 'x' -- => 0A000 PREPARE TRANSACTION by a client isn't supported
COMMIT PREPARED 'x' -- => 0A000 COMMIT PREPARED by a client isn't supported
ROLLBACK PREPARED 'x' -- => 0A000 ROLLBACK PREPARED by a client isn't supported
-- New tables from queries; bodies that can't be read.
CREATE TABLE t AS SELECT * FROM users -- => 0A000 CREATE TABLE fills a new table from a query
CREATE TABLE t AS SELECT 1 AS a -- => 0A000 CREATE TABLE fills a new table from a query
SELECT * INTO t FROM users WHERE id = 1 -- => 0A000 SELECT INTO t fills a new table from a query
CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM users -- => 0A000 CREATE MATERIALIZED VIEW fills a new table from a query
DO $$ BEGIN PERFORM 1; END $$ -- => 0A000 what a DO block does can't be known from its text
CALL do_it(1) -- => 0A000 what procedure do_it does can't be known from its text
UPDATE users SET name = 'x' WHERE CURRENT OF c -- => 0A000 WHERE CURRENT OF outside the cursor's transaction
PREPARE p AS CREATE TABLE x (a int) -- => 42601 syntax error at or near "CREATE"
-- Hints that can't be followed.
SELECT * FROM users /* pgherd: shard=s9 */ -- => 42704 shard "s9" does not exist
SELECT * FROM users /* pgherd: shard=s1, key=1 */ -- => 22023 invalid routing hint: more than one
SELECT * FROM users /* pgherd: key=abc */ -- => 22P02 invalid input syntax for type bigint: "abc"
SELECT * FROM users u, orders o /* pgherd: key=1 */ -- => 22023 invalid routing hint: the key doesn't say its keyspace
SELECT * FROM users /* pgherd: speed=fast */ -- => 22023 invalid routing hint: "speed"
-- A function of a row can be written as if it were a column of it.
SELECT u.user_rank FROM users u WHERE id = 1 -- => 0A000 function user_rank may read or write tables
SELECT name FROM users WHERE id = 1 ORDER BY users.user_rank -- => 0A000 function user_rank may read or write tables
SELECT (u).user_rank FROM users u WHERE id = 1 -- => 0A000 function user_rank may read or write tables
SELECT (u.*).user_rank FROM users u WHERE id = 1 -- => 0A000 function user_rank may read or write tables
SELECT (q.r).user_rank FROM (SELECT u AS r FROM users u WHERE u.id = 1) q -- => 0A000 function user_rank may read or write tables
UPDATE users u SET name = u.user_rank WHERE id = 1 -- => 0A000 function user_rank may read or write tables
-- A narrowing cast of the key fails for rows of whichever shard.
-- A key that the server computes changes with any column that it may be computed from.
UPDATE letters SET seal = 7 WHERE owner = 1 -- => 0A000 UPDATE changes public.letters.owner, a shard key, to a value that isn't known
INSERT INTO letters (seal) VALUES (7) -- => 0A000 the default of public.letters.owner, a shard key, is computed by the server
MERGE INTO letters l USING (VALUES (1)) v(i) ON l.owner = 1 WHEN MATCHED THEN UPDATE SET seal = 7 -- => 0A000 UPDATE changes public.letters.owner, a shard key, to a value that isn't known
-- A part of a sharded table: its rows lie on all shards.
SELECT * FROM old_posts WHERE id = 1 -- => 0A000 rows of public.old_posts are rows of a sharded table, too
INSERT INTO old_posts VALUES (1) -- => 0A000 rows of public.old_posts are rows of a sharded table, too
EXPLAIN ANALYZE DELETE FROM posts -- => 0A000 public.posts is not bound to one shard
-- Rows of copies are locked where all their writers come first.
SELECT * FROM users u JOIN countries c ON c.code = u.country WHERE u.id = 42 FOR UPDATE -- => 0A000 the statement's tables lie on more than one shard
SELECT * FROM users u JOIN (SELECT * FROM countries) c ON c.code = u.country WHERE u.id = 42 FOR UPDATE OF u, c -- => 0A000 the statement's tables lie on more than one shard
SELECT name FROM pg_cursors -- => 0A000 pg_cursors shows the cursors of one server, and those of pgherd's own
