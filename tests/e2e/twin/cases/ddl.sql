#writes
-- Statements that define: alone, in blocks, with what follows them.
CREATE TABLE users (a int)
CREATE TABLE IF NOT EXISTS users (a int)
DROP TABLE no_such_table
DROP TABLE IF EXISTS no_such_table
CREATE TABLE bad (a int
CREATE TABLE bad (a no_such_type)
CREATE INDEX ON no_such_table (a)
CREATE INDEX ON users (no_such_column)
ALTER TABLE users ADD COLUMN name text
ALTER TABLE users ADD COLUMN IF NOT EXISTS name text
ALTER TABLE users DROP COLUMN no_such_column
ALTER TABLE users ALTER COLUMN name TYPE int USING name::int
ALTER TABLE users ADD CONSTRAINT young CHECK (id < 0)
DROP TABLE users
DROP VIEW IF EXISTS no_such_view
CREATE VIEW broken AS SELECT no_such_column FROM users
CREATE TYPE text AS ENUM ('a', 'a')
DROP TYPE no_such_type
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT no_such_column'
CREATE SCHEMA public
CREATE SCHEMA IF NOT EXISTS public
COMMENT ON TABLE users IS 'people'
COMMENT ON TABLE users IS NULL
COMMENT ON TABLE no_such_table IS 'x'
GRANT SELECT ON users TO no_such_role
CREATE ROLE pg_no_such
ANALYZE users
VACUUM nobody
REINDEX TABLE nobody
ANALYZE no_such_table
CREATE INDEX CONCURRENTLY ON no_such_table (a)
BEGIN
+ CREATE TABLE fresh (id bigint PRIMARY KEY, t text)
+ ROLLBACK
BEGIN
+ CREATE TABLE fresh (id bigint PRIMARY KEY, t text)
+ SAVEPOINT s
+ CREATE TABLE fresh (a int)
+ ROLLBACK TO s
+ DROP TABLE fresh
+ COMMIT
BEGIN
+ VACUUM nobody
+ ROLLBACK
BEGIN
+ CREATE INDEX CONCURRENTLY ON nobody (n)
+ ROLLBACK
BEGIN
+ ALTER TABLE users ADD COLUMN extra int DEFAULT 5
+ SELECT id, extra FROM users WHERE id = 4
+ UPDATE users SET extra = 1 WHERE id = 5
+ SELECT count(*), sum(extra) FROM users
+ SELECT id, extra FROM users WHERE id IN (4, 5, 6, 20, 33) ORDER BY id
+ ROLLBACK
BEGIN
+ ALTER TABLE users RENAME COLUMN name TO title
+ SELECT title FROM users WHERE id = 4
+ SELECT name FROM users WHERE id = 4
+ ROLLBACK
BEGIN
+ ALTER TABLE nobody DROP COLUMN n
+ INSERT INTO nobody VALUES (7, 'seven')
+ INSERT INTO nobody VALUES (30, 'thirty')
+ SELECT * FROM nobody ORDER BY id
+ SAVEPOINT s
+ ALTER TABLE nobody ADD n int
+ SELECT * FROM nobody ORDER BY id
+ ROLLBACK TO s
+ SELECT * FROM nobody ORDER BY id
+ ROLLBACK
BEGIN
+ CREATE INDEX likes_index ON posts (likes)
+ SELECT count(*) FROM posts WHERE likes = 3
+ DROP INDEX likes_index
+ COMMIT
BEGIN
+ CREATE UNIQUE INDEX once ON users (active)
+ ROLLBACK
BEGIN
+ DROP TABLE posts CASCADE
+ SELECT count(*) FROM posts
+ ROLLBACK
BEGIN
+ ALTER TABLE nobody ALTER COLUMN n SET NOT NULL
+ INSERT INTO nobody (id) VALUES (1)
+ ROLLBACK
BEGIN
+ ALTER TABLE nobody ADD CONSTRAINT small CHECK (n < 3)
+ INSERT INTO nobody (id, n) VALUES (1, 2)
+ INSERT INTO nobody (id, n) VALUES (2, 3)
+ ROLLBACK
BEGIN
+ ALTER TABLE nobody ALTER COLUMN n SET DEFAULT 9
+ INSERT INTO nobody (id) VALUES (1)
+ SELECT id, n FROM nobody
+ ROLLBACK
BEGIN
+ CREATE TYPE mood AS ENUM ('good', 'bad')
+ CREATE DOMAIN small AS int CHECK (VALUE < 10)
+ ALTER TABLE nobody ADD m mood, ADD s small
+ INSERT INTO nobody (id, m, s) VALUES (1, 'bad', 3)
+ SELECT id, m::text, s FROM nobody WHERE id = 1
+ INSERT INTO nobody (id, m, s) VALUES (2, 'ugly', 3)
+ ROLLBACK
BEGIN
+ CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'
+ SELECT twice(4)
+ SELECT id, twice(age) FROM users WHERE id = 4
+ DROP FUNCTION twice(int)
+ COMMIT
BEGIN
+ CREATE VIEW of_countries AS SELECT code FROM countries
+ DROP VIEW of_countries
+ COMMIT
BEGIN
+ CREATE TABLE fresh (a int)
+ SELECT 1 / 0
+ COMMIT
BEGIN READ ONLY
+ CREATE TABLE fresh (a int)
+ ROLLBACK
CREATE TABLE fresh (a int); DROP TABLE fresh
CREATE TABLE fresh (a int); SELECT 1 / 0
BEGIN; CREATE TABLE fresh (a int); DROP TABLE fresh; COMMIT
BEGIN; ALTER TABLE nobody ADD extra int DEFAULT 4; INSERT INTO nobody (id) VALUES (3); SELECT id, extra FROM nobody ORDER BY id; ROLLBACK --: ordered
CREATE TABLE fresh (a int); COMMIT
CREATE TABLE fresh (a int); SAVEPOINT s
ALTER TABLE nobody ADD extra int; INSERT INTO nobody (id, extra) VALUES (3, 4); UPDATE nobody SET n = extra; ALTER TABLE nobody DROP COLUMN extra
