#writes
-- COPY FROM STDIN: each row to its shard.
COPY nobody FROM STDIN --: data 1\t10\ta\n11\t20\tb\n21\t30\tc\n31\t\\N\t\\N\n
COPY nobody (id, t) FROM STDIN --: data 1\ta\n25\tb\n
COPY nobody (t, id) FROM STDIN --: data a\t1\nb\t25\n
COPY nobody FROM STDIN --: data
COPY nobody FROM STDIN --: data 1\t10\ta\n1\t20\tb\n
COPY nobody FROM STDIN --: data 1\t10\ta\n25\tx\tb\n
COPY nobody FROM STDIN --: data 1\t10\ta\n25\t5\n
COPY nobody FROM STDIN --: data 1\t10\ta\n25\t5\tb\tc\n
COPY nobody FROM STDIN --: data x\t10\ta\n
COPY nobody FROM STDIN --: data 1\t10\ta\\tb\\nc\\\\d\n25\t5\té\n
COPY nobody FROM STDIN --: data 1\t10\ta\n\\.\n
COPY nobody FROM STDIN (FORMAT csv) --: data 1,10,a\n25,,"b ""x"" , c"\n31,5,"two\nlines"\n
COPY nobody FROM STDIN (FORMAT csv, HEADER) --: data id,n,t\n1,10,a\n25,20,b\n
COPY nobody FROM STDIN (FORMAT csv, DELIMITER ';', QUOTE '''', NULL 'nil') --: data 1;nil;'a;b'\n25;3;nil\n
COPY nobody FROM STDIN (FORMAT csv, HEADER MATCH) --: data id,n,x\n1,10,a\n
COPY nobody FROM STDIN (FORMAT binary) --: data PGCOPY\n\xff\x0d\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x04\x00\x00\x00\x09\xff\xff\xff\xff\x00\x03\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x25\xff\xff\xff\xff\x00\x00\x00\x01a\xff\xff
COPY nobody FROM STDIN (FORMAT binary) --: data nonsense
COPY nobody FROM STDIN WHERE id > 10 --: data 1\t10\ta\n25\t20\tb\n
COPY people FROM STDIN --: data new\tN\t\\N\t\\N\nold\tO\t2000-01-01\tnew\nünï\tx\t\\N\t\\N\n
COPY items FROM STDIN --: data 00000000-0000-0000-0000-000000000001\ta\t1\t1\nf0000000-0000-0000-0000-000000000001\ta\t1\t1\n
COPY visits FROM STDIN --: data 2025-01-05\t/n\t1\n2026-05-05\t/n\t2\n
COPY orders (tenant, region, id) FROM STDIN --: data 7\tn\t1\n7\ts\t1\n8\tw\t1\n
COPY measures (grp, i) FROM STDIN --: data z\t1\nz\t2\n
COPY countries FROM STDIN --: data no\tNorway\t5\n
COPY settings FROM STDIN --: data x\t1\ny\t2\n
COPY nothing FROM STDIN --: data 1\n
COPY users (id, nothing) FROM STDIN --: data 1\t1\n
COPY users (id) FROM STDIN --: data 500\n
COPY users (id, name) FROM STDIN --: data 500\ta\n501\t\\N\n
BEGIN
+ COPY nobody FROM STDIN --: data 1\t10\ta\n25\t20\tb\n
+ SELECT count(*) FROM nobody
+ ROLLBACK
-- Ends of lines, escapes, headers.
COPY nobody FROM STDIN --: data 1\t10\ta\x0d\n25\t20\tb\x0d\n31\t\\N\t\x0d\n
COPY nobody FROM STDIN --: data 1\t10\ta\x0d25\t20\tb\x0d31\t5\tc
COPY nobody FROM STDIN --: data 1\t10\ta\n25\t20\tb\x0d\n
COPY nobody FROM STDIN --: data 1\t10\ta\x0d\n25\t20\tb\n
COPY nobody FROM STDIN --: data 1\t10\ta\n25\t20\tb\\\nc\n31\t1\t\\x41\\102\\\n
COPY nobody FROM STDIN --: data 1\t10\ta\n25\t20\tb\\.\n31\t1\tnever\n
COPY nobody FROM STDIN --: data 1\t10\ta\n\\.\x0d\n
COPY nobody FROM STDIN --: data 1\t10\ta\n\\.
COPY nobody FROM STDIN --: data 1\t10\ta\n\n25\t1\tb\n
COPY nobody FROM STDIN (HEADER) --: data anything\n1\t10\ta\n25\t20\tb\n
COPY nobody FROM STDIN (HEADER MATCH) --: data id\tn\tt\n1\t10\ta\n25\t20\tb\n
COPY nobody (t, id) FROM STDIN (HEADER match) --: data id\tt\n1\t10\n
COPY nobody FROM STDIN (HEADER) --: data id\tn\tt\n
COPY nobody FROM STDIN (DELIMITER '|', NULL '') --: data 1||a\n25|5|\n
COPY nobody FROM STDIN USING DELIMITERS ',' --: data 1,10,a\n25,\\N,b\n
COPY nobody FROM STDIN DELIMITER AS ',' NULL AS 'x' --: data 1,x,a\n25,1,x\n
-- CSV.
COPY nobody FROM STDIN CSV --: data 1,10,"a\n25,20,b\n
COPY nobody FROM STDIN CSV --: data 1,10,"a""b,c\nd"\n"25","20","e"\n
COPY nobody FROM STDIN CSV --: data 1,10,a"b"c\n25,20,""\n31,,\n
COPY nobody FROM STDIN CSV --: data 1,10,a\n\\.\n25,20,b\n
COPY nobody (t, id) FROM STDIN CSV --: data \\.,1\n"\\.",25\n
COPY nobody FROM STDIN CSV QUOTE '''' ESCAPE '\' --: data 1,10,'a\\'b\nc'\n25,20,'d\\\\'\n31,1,'e\\f'\n
COPY nobody FROM STDIN CSV --: data 1,10,"a\x0d\nb"\x0d\n25,20,b\x0d\n
COPY nobody FROM STDIN CSV --: data 1,10,a\n25,20,b\x0d\n
COPY nobody FROM STDIN CSV NULL 'n' FORCE NOT NULL t FORCE NULL n --: data 1,"n",n\n25,n,"n"\n
COPY nobody FROM STDIN (FORMAT csv, NULL '-', FORCE_NULL (id)) --: data "-",1,a\n25,1,b\n
COPY nobody FROM STDIN (FORMAT csv, HEADER true) --: data "id\n",n,t\n1,x,a\n
COPY nobody FROM STDIN (FORMAT csv, ESCAPE 'xy') --: data 1,2,a\n
-- The binary format.
COPY BINARY nobody FROM STDIN --: data PGCOPY\n\xff\x0d\n\x00\x00\x00\x00\x00\x00\x00\x00\x00
COPY nobody (id) FROM STDIN (FORMAT binary) --: data PGCOPY\n\xff\x0d\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x05\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x25
COPY nobody (id) FROM STDIN (FORMAT binary) --: data PGCOPY\n\xff\x0d\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x05
COPY nobody (id) FROM STDIN (FORMAT binary) --: data PGCOPY\n\xff\x0d\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x05\xff\xff\xff\xff
COPY nobody (id) FROM STDIN (FORMAT binary) --: data PGCOPY\n\xff\x0d\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x05\xff\xff\x00
COPY nobody (id) FROM STDIN (FORMAT binary) --: data PGCOPY\n\xff\x0d\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00
COPY nobody (id) FROM STDIN (FORMAT binary) --: data PGCOPY\n\xff\x0d\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff
-- Keys, and what isn't one.
COPY nobody FROM STDIN --: data \\N\t1\ta\n
COPY nobody FROM STDIN --: data 1\t1\ta\n99999999999999999999\t1\tb\n
COPY nobody FROM STDIN --: data 1\tx\ta\ny\t1\tb\n
COPY nobody FROM STDIN --: data 1\t1\ta\n 25 \t1\tb\n+31\t1\tc\n-5\t1\td\n
COPY nobody (n, t) FROM STDIN --: data 1\ta\n
COPY visits FROM STDIN --: refused 0A000, data 2025-01-05\t/n\t1\ntoday\t/n\t2\n
COPY visits FROM STDIN --: refused 0A000, data 20250105\t/n\t1\nJan 8, 2025\t/n\t2\n
COPY visits FROM STDIN --: data 2025-02-30\t/n\t1\n
COPY items (u) FROM STDIN --: data {00000000-0000-0000-0000-000000000001}\nA0EEBC999C0B4EF8BB6D6BB9BD380A11\n
COPY items (u) FROM STDIN --: data 00000000-0000-0000-0000-00000000000g\n
COPY people (login) FROM STDIN (ENCODING 'LATIN1') --: data plain\n
COPY people (login) FROM STDIN (ENCODING 'LATIN1') --: refused 0A000, data \xe9\n
COPY people (login) FROM STDIN --: data \xe9\n
-- Options and tables that are wrong.
COPY nobody FROM STDIN (FORMAT xml) --: data 1\t1\ta\n
COPY nobody FROM STDIN (DELIMITER 'ab') --: data 1\t1\ta\n
COPY nobody FROM STDIN (FORMAT csv, FORMAT csv) --: data 1\t1\ta\n
COPY nobody FROM STDIN (FORMAT csv, FORCE_NOT_NULL (nothing)) --: data 1,1,a\n
COPY nobody FROM STDIN (QUOTE '"') --: data 1\t1\ta\n
COPY nobody FROM STDIN (ENCODING 'nonsense') --: data 1\t1\ta\n
COPY nobody FROM STDIN (FREEZE) --: data 1\t1\ta\n
COPY nobody (id, id) FROM STDIN --: data 1\t1\n
COPY nobody FROM STDIN WHERE nothing > 1 --: data 1\t1\ta\n
COPY nobody FROM STDIN WHERE id > (SELECT 1) --: data 1\t1\ta\n
COPY nobody FROM STDIN WHERE t = 'a' OR n > 5 --: data 1\t1\ta\n25\t1\tb\n31\t9\tc\n
COPY countries FROM STDIN (FORMAT csv) --: data no,Norway,5\nse,Sweden,x\n
COPY countries FROM STDIN (FORMAT csv, HEADER) WHERE code <> 'no' --: data code,name,x\nno,Norway,5\nse,Sweden,6\n
COPY rates FROM STDIN --: data
-- In transactions.
BEGIN
+ COPY nobody FROM STDIN --: data 1\t10\ta\n25\t20\tb\n
+ COPY nobody FROM STDIN --: data 2\t10\ta\n26\tx\tb\n
+ SELECT count(*) FROM nobody
+ ROLLBACK
BEGIN
+ INSERT INTO nobody VALUES (25, 1, 'x')
+ SAVEPOINT a
+ COPY nobody FROM STDIN --: data 1\t10\ta\n25\t20\tb\n
+ ROLLBACK TO a
+ COPY nobody FROM STDIN --: data 1\t10\ta\n26\t20\tb\n
+ SELECT count(*) FROM nobody
+ COMMIT
BEGIN
+ COPY nobody TO STDOUT
+ COPY nobody FROM STDIN (FORMAT csv) --: data 1,10,a\n25,20,b\n
+ SELECT id FROM nobody ORDER BY id
+ COPY countries FROM STDIN (FORMAT csv) --: data no,Norway,5\n
+ COMMIT
SELECT 1; COPY nobody TO STDOUT
-- What writes, and is copied out.
COPY (DELETE FROM users WHERE id = 7 RETURNING id) TO STDOUT
COPY (DELETE FROM users RETURNING id) TO STDOUT --: refused 0A000
COPY (INSERT INTO nobody VALUES (1, 1, 'a'), (25, 2, 'b') RETURNING id) TO STDOUT --: refused 0A000
