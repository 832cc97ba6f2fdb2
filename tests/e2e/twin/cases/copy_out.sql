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
COPY (SELECT country, count(*) FROM users GROUP BY country ORDER BY 1) TO STDOUT --: ordered
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
COPY (SELECT country, count(*), avg(age) FROM users GROUP BY country ORDER BY 2, 1 COLLATE "C") TO STDOUT CSV --: ordered
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
-- A query that one server finishes
COPY (SELECT id, rank() OVER (ORDER BY age DESC NULLS LAST, id) FROM users ORDER BY id) TO STDOUT --: ordered
COPY (SELECT id, rank() OVER (ORDER BY age DESC NULLS LAST, id) AS r FROM users ORDER BY id) TO STDOUT (FORMAT csv, HEADER) --: ordered
COPY (SELECT id, rank() OVER (ORDER BY age DESC NULLS LAST, id) FROM users ORDER BY id) TO STDOUT (FORMAT binary) --: ordered
COPY (SELECT name, id FROM users ORDER BY name, id) TO STDOUT --: ordered
COPY (SELECT name, id FROM users ORDER BY name, id) TO STDOUT (FORMAT binary) --: ordered
COPY (SELECT u.id, l.user_id FROM users u JOIN likes l ON l.author_id = u.id ORDER BY 1, 2, l.post_id) TO STDOUT CSV --: ordered
COPY (SELECT string_agg(name, ',' ORDER BY id) FROM users) TO STDOUT
COPY (SELECT * FROM measures m WHERE n > (SELECT avg(n) FROM measures WHERE n < 'NaN') ORDER BY k) TO STDOUT --: ordered
COPY (SELECT k, d, z, x, u, j, h, a, c, row_number() OVER (ORDER BY k) FROM measures ORDER BY k) TO STDOUT (FORMAT csv, FORCE_QUOTE *) --: ordered
COPY (SELECT k, d, z, x, u, j, h, a, c, row_number() OVER (ORDER BY k) FROM measures ORDER BY k) TO STDOUT (FORMAT binary) --: ordered
COPY (SELECT country, max(age) + count(*) FROM users GROUP BY country HAVING count(*) > 2 ORDER BY country) TO STDOUT --: ordered
COPY (SELECT sum(f) FROM measures WHERE f < 3) TO STDOUT (FORMAT binary)
COPY (SELECT id, count(*) OVER () FROM users WHERE id < -10) TO STDOUT (FORMAT csv, HEADER)
COPY (SELECT * FROM per_country ORDER BY country) TO STDOUT CSV HEADER --: ordered
COPY (TABLE titles) TO STDOUT
COPY (SELECT id / (n - n), count(*) OVER () FROM lone) TO STDOUT
COPY (SELECT nothing, count(*) OVER () FROM lone) TO STDOUT
COPY (SELECT lag(id) OVER (ORDER BY id), 1 / (id - 7) FROM users) TO STDOUT
COPY (SELECT count(*) OVER () FROM users) TO STDOUT (FORMAT csv, FORCE_QUOTE (nothing))
COPY (WITH a AS (SELECT id, age FROM users) SELECT x.id, y.id FROM a x JOIN a y ON x.age < y.age ORDER BY 1, 2) TO STDOUT --: ordered
BEGIN
+ UPDATE users SET age = 77 WHERE id = 3
+ COPY (SELECT id, rank() OVER (ORDER BY age DESC NULLS LAST, id) FROM users WHERE id < 5 ORDER BY id) TO STDOUT --: ordered
+ COPY (SELECT count(*) OVER (), 1 / (age - 77) FROM users) TO STDOUT
