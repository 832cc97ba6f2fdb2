-- COPY TO STDOUT.
COPY users TO STDOUT
COPY users (id, name) TO STDOUT
COPY users TO STDOUT (FORMAT csv)
COPY users TO STDOUT (FORMAT binary)
COPY users TO STDOUT WITH (FORMAT csv, DELIMITER ';', NULL 'null', FORCE_QUOTE (name))
COPY nobody TO STDOUT
COPY nobody TO STDOUT (FORMAT csv, HEADER)
COPY nobody TO STDOUT (FORMAT binary)
COPY lone TO STDOUT (FORMAT csv, HEADER)
COPY countries TO STDOUT
COPY settings TO STDOUT
COPY measures TO STDOUT
COPY measures TO STDOUT (FORMAT csv, FORCE_QUOTE *)
COPY measures TO STDOUT (FORMAT binary)
COPY (SELECT * FROM users WHERE id = 7) TO STDOUT
COPY (SELECT * FROM posts WHERE user_id = 7) TO STDOUT (FORMAT binary)
COPY (SELECT id, name FROM users WHERE age > 12) TO STDOUT
COPY (SELECT id, name FROM users ORDER BY id) TO STDOUT --: ordered
COPY (SELECT id, name FROM users ORDER BY id) TO STDOUT (FORMAT csv, HEADER) --: ordered
COPY (SELECT id, balance FROM users ORDER BY id DESC) TO STDOUT (FORMAT binary) --: ordered
COPY (SELECT id, name FROM users ORDER BY id LIMIT 5) TO STDOUT --: ordered
COPY (SELECT country, count(*) FROM users GROUP BY country ORDER BY 1) TO STDOUT --: refused 0A000, ordered
COPY (SELECT count(*) FROM users) TO STDOUT
COPY (SELECT u.id, p.title FROM users u JOIN posts p ON p.user_id = u.id) TO STDOUT
COPY (SELECT 1, NULL, 'a	b') TO STDOUT
COPY (SELECT 1 / 0 FROM users) TO STDOUT
COPY (SELECT nothing FROM users) TO STDOUT
COPY nothing TO STDOUT
COPY (VALUES (1), (2)) TO STDOUT
BEGIN
+ COPY (SELECT id FROM users ORDER BY id) TO STDOUT --: ordered
+ COMMIT
COPY (SELECT id, name, balance FROM users) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)
COPY (SELECT id, E'a\tb\\c\nd\re"f,g''' || id AS t, NULL AS n, '' AS e FROM users) TO STDOUT
COPY (SELECT id, E'a\tb\\c\nd\re"f,g''' || id AS t, NULL AS n, '' AS e FROM users) TO STDOUT CSV HEADER
COPY (SELECT id, E'a\tb\\c\nd\re"f,g''' || id AS t, NULL AS n, '' AS e FROM users) TO STDOUT CSV QUOTE '''' ESCAPE '\' DELIMITER ';' NULL 'a'
COPY (SELECT id, E'a|b\\c' || id AS "x|y", NULL AS n FROM users) TO STDOUT (DELIMITER '|', NULL 'nil', HEADER)
COPY (SELECT '\.' FROM users) TO STDOUT CSV
COPY (SELECT '\.', id FROM users) TO STDOUT CSV
COPY (SELECT id, name, age FROM users WHERE id IN (1, 25, 33) ORDER BY id) TO STDOUT (FORMAT csv, FORCE_QUOTE (name)) --: ordered
COPY (SELECT id, age FROM users WHERE age > 12 ORDER BY age DESC, id OFFSET 2) TO STDOUT (FORMAT binary) --: ordered
COPY (SELECT id FROM users WHERE id < 0) TO STDOUT (FORMAT csv, HEADER)
COPY (SELECT id FROM users WHERE id < 0) TO STDOUT (FORMAT binary)
COPY (SELECT country, count(*), avg(age) FROM users GROUP BY country ORDER BY 2, 1 COLLATE "C") TO STDOUT CSV --: refused 0A000, ordered
COPY (SELECT id FROM users ORDER BY id LIMIT 3 OFFSET 2) TO STDOUT (ENCODING 'UTF8') --: ordered
COPY (SELECT id FROM users) TO STDOUT (ENCODING 'LATIN1') --: refused 0A000
COPY (SELECT id FROM users) TO STDOUT (FORMAT csv, FORCE_QUOTE (nothing))
COPY (SELECT id FROM users) TO STDOUT (FORMAT nonsense) --: refused 0A000
COPY (SELECT id FROM users) TO STDOUT (FORMAT csv, FORCE_NOT_NULL (id)) --: refused 0A000
COPY users TO STDOUT (FORMAT nonsense)
COPY users TO STDOUT (FORMAT csv, FORCE_QUOTE (nothing))
COPY users (id, nothing) TO STDOUT
COPY users (id, name) TO STDOUT (ENCODING 'LATIN1')
COPY (SELECT nothing FROM users WHERE id > 5) TO STDOUT
COPY (SELECT 1 / (id - id) FROM users) TO STDOUT
BEGIN
+ COPY (SELECT id FROM users ORDER BY id) TO STDOUT --: ordered
+ COPY (SELECT 1 / (id - id) FROM users) TO STDOUT
