-- Views, whose definitions the schema knows.
-- One a line, with whatever routing says of it.

-- A condition outside binds the key inside.
SELECT * FROM grown WHERE id = 42 -- => user 42
SELECT * FROM grown g WHERE g.id = $1 -- $1:int8=42 => user 42
SELECT x.a FROM grown x (a, b) WHERE a = 42 -- => user 42
SELECT * FROM public.grown WHERE grown.id = 42 -- => user 42
SELECT * FROM grown_posts WHERE author = 42 -- => user 42
SELECT * FROM everybody WHERE id = 42 -- => user 42
SELECT * FROM users u JOIN grown g ON g.id = u.id WHERE u.id = 42 -- => user 42
SELECT * FROM users WHERE id = 42 AND name IN (SELECT name FROM grown g WHERE g.id = users.id) -- => user 42
WITH grown AS (SELECT 1 AS id) SELECT * FROM grown -- => any
UPDATE posts SET likes = 0 FROM grown g WHERE user_id = g.id AND g.id = 42 -- => user 42
INSERT INTO posts (user_id, body) SELECT id, name FROM grown WHERE id = 42 -- => user 42
SELECT * FROM recent_posts WHERE user_id = 1 -- => user 1
-- So does one inside.
SELECT * FROM tenant_7 -- => order 7,eu
SELECT * FROM two_users WHERE id = 4 -- => user 4
-- Each shard's rows of it are its share.
SELECT * FROM grown -- => several
SELECT count(*) FROM grown_posts -- => several
SELECT * FROM everybody ORDER BY id -- => several
SELECT * FROM two_users -- => several
EXPLAIN SELECT * FROM grown -- => several
-- It isn't, or more than that is asked.
SELECT * FROM by_country -- => gathered
SELECT * FROM grown a JOIN grown b ON a.name = b.name -- => gathered
SELECT * FROM by_country WHERE country = 'NO' -- => gathered
SELECT a.n FROM by_country a JOIN works w ON w.id = a.n -- => gathered
-- Tables that are whole
SELECT * FROM named -- => any
SELECT * FROM works -- => home
UPDATE works SET id = 1 -- => home
UPDATE named SET code = 'x' -- => 0A000 view public.named isn't written through on several shards
SELECT * FROM named, users WHERE users.id = 42 -- => user 42
SELECT * FROM job_list -- => home
-- Refused
SELECT * FROM of_one -- => 0A000 view public.of_one may read sharded tables
SELECT * FROM vouched WHERE id = 42 -- => 0A000 public.users is not bound to one shard
SELECT * FROM vouched -- => 0A000 public.users is not bound to one shard
SELECT * FROM listless -- => 0A000 table public.stray is in no sharding rule
SELECT * FROM grown FOR UPDATE -- => 0A000 public.users is not bound to one shard
UPDATE grown_posts SET post = 5 WHERE author = 42 -- => 0A000 view public.grown_posts isn't written through on several shards
INSERT INTO by_country VALUES ('x', 1) -- => 0A000 view public.by_country isn't written through on several shards
TRUNCATE grown -- => 0A000 view public.grown isn't written through on several shards
LOCK TABLE grown -- => 0A000 view public.grown isn't written through on several shards
-- Writes through a view of one table
UPDATE grown SET name = 'x' WHERE id = 42 -- => user 42
UPDATE grown SET name = 'x' -- => spread sum s1 s2 s3
UPDATE grown SET id = 43 WHERE id = 42 -- => 0A000 the statement's tables lie on more than one shard
DELETE FROM grown g USING posts p WHERE p.user_id = g.id AND g.id = $1 -- $1:int8=42 => user 42
INSERT INTO grown VALUES (42, 'x') -- => user 42
INSERT INTO grown (name, id) VALUES ('x', 42), ('y', 43) -- => spread sum s1=1 s3=1
DELETE FROM recent_posts WHERE user_id = 1 -- => user 1
