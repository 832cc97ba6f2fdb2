-- psql: see README.md. Run with -X -a -q.
\set VERBOSITY verbose
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
DROP TABLE IF EXISTS psql_rows;
CREATE TABLE psql_rows (id bigint PRIMARY KEY, name text, n int, at timestamptz DEFAULT '2024-01-01 00:00Z');
INSERT INTO psql_rows SELECT i, 'name ' || i, i FROM generate_series(0, 99) i;
\d psql_rows
\dt psql_*
\di psql_*
SELECT count(*) AS rows, sum(n) AS total FROM psql_rows \gset
\echo :rows :total
SELECT 'SELECT ' || i || ' AS made' FROM generate_series(1, 3) i \gexec
SELECT id, n FROM psql_rows WHERE id < 3 ORDER BY id \gdesc
SELECT n % 3 AS a, n % 2 AS b, count(*) FROM psql_rows GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview
-- Large results by a cursor of psql's own.
\set FETCH_COUNT 7
SELECT id FROM psql_rows WHERE id < 20 ORDER BY id;
\unset FETCH_COUNT
-- Errors, with all their fields.
\set ON_ERROR_STOP off
SELECT 1/0;
SELECT nothing FROM psql_rows;
\if :sharded
\else
-- Where there are several shards: without the place in Postgres's own source.
SELEC 1;
\endif
INSERT INTO psql_rows VALUES (1);
SELECT 'x'::int; SELECT 'goes on' AS b;
\echo :ERROR :SQLSTATE :LAST_ERROR_MESSAGE
-- Transactions; with savepoints of psql's own.
BEGIN;
\set ON_ERROR_ROLLBACK on
UPDATE psql_rows SET n = -1 WHERE id = 1;
SELECT 1/0;
SELECT n FROM psql_rows WHERE id = 1;
\unset ON_ERROR_ROLLBACK
SELECT 1/0;
SELECT 'failed';
COMMIT;
SELECT n FROM psql_rows WHERE id = 1;
BEGIN \; SELECT 1 \; SELECT 1/0 \; SELECT 2;
SELECT 'in a failed transaction';
ROLLBACK;
SELECT 1 \; SELECT 2 \; BEGIN \; SELECT 3;
COMMIT AND CHAIN;
ROLLBACK;
\if :sharded
\else
-- Refused on several shards.
SET TRANSACTION READ WRITE \; COMMIT AND CHAIN;
\endif
BEGIN \; SET TRANSACTION READ ONLY \; SHOW transaction_read_only;
COMMIT \; BEGIN \; SHOW transaction_read_only \; ROLLBACK;
\if :sharded
\else
-- Refused on several shards.
SET work_mem = '6MB' \; BEGIN \; SET work_mem = '7MB' \; ROLLBACK \; SHOW work_mem;
\endif
RESET work_mem;
-- COPY both ways.
\copy psql_rows (id, name, n) FROM STDIN
1000	tab\there	1
1001	\N	\N
\.
\copy (SELECT id, name, n FROM psql_rows WHERE id >= 1000 ORDER BY id) TO STDOUT (FORMAT csv, NULL 'none')
COPY psql_rows (id, n) FROM STDIN;
1002	no number
\.
COPY (SELECT id FROM psql_rows ORDER BY id) TO STDOUT;
DELETE FROM psql_rows WHERE id >= 1000;
-- Cursors.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM psql_rows ORDER BY id;
FETCH 3 c;
MOVE FORWARD 10 c;
FETCH BACKWARD 2 c;
\if :sharded
\else
-- Refused on several shards: WHERE CURRENT OF, and WITH HOLD.
UPDATE psql_rows SET n = 0 WHERE CURRENT OF c;
COMMIT;
UPDATE psql_rows SET n = 0 WHERE CURRENT OF c;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM psql_rows ORDER BY id;
FETCH 2 held;
CLOSE held;
FETCH 2 held;
\endif
COMMIT;
-- SQL's PREPARE.
PREPARE plan (bigint) AS SELECT name FROM psql_rows WHERE id = $1;
EXECUTE plan (5);
\if :sharded
\else
-- Where there are several shards: on the one that is asked.
SELECT name, statement FROM pg_prepared_statements WHERE from_sql;
\endif
DEALLOCATE plan;
EXECUTE plan (5);
-- Settings.
SET timezone = 'Asia/Tokyo';
SELECT at FROM psql_rows WHERE id = 1;
\encoding LATIN1
SELECT length('é'), octet_length(convert_to('é', 'UTF8'));
\encoding UTF8
RESET ALL;
SHOW timezone;
SET client_min_messages = debug1;
/* pgherd: shard=s1 */ DO $$ BEGIN RAISE NOTICE 'hear %', 7; RAISE DEBUG 'and this'; END $$;
RESET client_min_messages;
\if :sharded
\else
-- Where there are several shards: with a line that says which.
EXPLAIN (COSTS off) SELECT * FROM psql_rows WHERE id = 5;
\endif
-- Large objects by psql: by function calls.
BEGIN;
SELECT lo_create(424242);
SELECT lo_put(424242, 0, 'in the large');
\lo_list
SELECT convert_from(lo_get(424242), 'UTF8');
\lo_unlink 424242
COMMIT;
-- Notifications, to oneself.
LISTEN psql_news;
NOTIFY psql_news, 'heard';
UNLISTEN psql_news;
NOTIFY psql_news, 'not heard';
SELECT count(*) FROM pg_listening_channels();
-- DISCARD, and a temporary table after it.
\if :sharded
\else
-- Refused on several shards.
CREATE TEMP TABLE psql_temp (a int);
INSERT INTO psql_temp VALUES (1);
SELECT * FROM psql_temp;
\endif
DISCARD ALL;
SELECT * FROM psql_temp;
DROP TABLE psql_rows;
