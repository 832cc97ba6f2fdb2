#writes
-- COPY FROM STDIN: each row to its shard.
COPY nobody FROM STDIN --: refused 0A000, data 1\t10\ta\n11\t20\tb\n21\t30\tc\n31\t\\N\t\\N\n
COPY nobody (id, t) FROM STDIN --: refused 0A000, data 1\ta\n25\tb\n
COPY nobody (t, id) FROM STDIN --: refused 0A000, data a\t1\nb\t25\n
COPY nobody FROM STDIN --: refused 0A000, data
COPY nobody FROM STDIN --: refused 0A000, data 1\t10\ta\n1\t20\tb\n
COPY nobody FROM STDIN --: refused 0A000, data 1\t10\ta\n25\tx\tb\n
COPY nobody FROM STDIN --: refused 0A000, data 1\t10\ta\n25\t5\n
COPY nobody FROM STDIN --: refused 0A000, data 1\t10\ta\n25\t5\tb\tc\n
COPY nobody FROM STDIN --: refused 0A000, data x\t10\ta\n
COPY nobody FROM STDIN --: refused 0A000, data 1\t10\ta\\tb\\nc\\\\d\n25\t5\té\n
COPY nobody FROM STDIN --: refused 0A000, data 1\t10\ta\n\\.\n
COPY nobody FROM STDIN (FORMAT csv) --: refused 0A000, data 1,10,a\n25,,"b ""x"" , c"\n31,5,"two\nlines"\n
COPY nobody FROM STDIN (FORMAT csv, HEADER) --: refused 0A000, data id,n,t\n1,10,a\n25,20,b\n
COPY nobody FROM STDIN (FORMAT csv, DELIMITER ';', QUOTE '''', NULL 'nil') --: refused 0A000, data 1;nil;'a;b'\n25;3;nil\n
COPY nobody FROM STDIN (FORMAT csv, HEADER MATCH) --: refused 0A000, data id,n,x\n1,10,a\n
COPY nobody FROM STDIN (FORMAT binary) --: refused 0A000, data PGCOPY\n\xff\x0d\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x04\x00\x00\x00\x09\xff\xff\xff\xff\x00\x03\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x25\xff\xff\xff\xff\x00\x00\x00\x01a\xff\xff
COPY nobody FROM STDIN (FORMAT binary) --: refused 0A000, data nonsense
COPY nobody FROM STDIN WHERE id > 10 --: refused 0A000, data 1\t10\ta\n25\t20\tb\n
COPY people FROM STDIN --: refused 0A000, data new\tN\t\\N\t\\N\nold\tO\t2000-01-01\tnew\nünï\tx\t\\N\t\\N\n
COPY items FROM STDIN --: refused 0A000, data 00000000-0000-0000-0000-000000000001\ta\t1\t1\nf0000000-0000-0000-0000-000000000001\ta\t1\t1\n
COPY visits FROM STDIN --: refused 0A000, data 2025-01-05\t/n\t1\n2026-05-05\t/n\t2\n
COPY orders (tenant, region, id) FROM STDIN --: refused 0A000, data 7\tn\t1\n7\ts\t1\n8\tw\t1\n
COPY measures (grp, i) FROM STDIN --: refused 0A000, data z\t1\nz\t2\n
COPY countries FROM STDIN --: refused 0A000, data no\tNorway\t5\n
COPY settings FROM STDIN --: data x\t1\ny\t2\n
COPY nothing FROM STDIN --: data 1\n
COPY users (id, nothing) FROM STDIN --: refused 0A000, data 1\t1\n
COPY users (id) FROM STDIN --: refused 0A000, data 500\n
COPY users (id, name) FROM STDIN --: refused 0A000, data 500\ta\n501\t\\N\n
BEGIN
+ COPY nobody FROM STDIN --: refused 0A000, data 1\t10\ta\n25\t20\tb\n
+ SELECT count(*) FROM nobody
+ ROLLBACK
