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
COPY (SELECT id, name FROM users WHERE age > 12) TO STDOUT --: refused 0A000
COPY (SELECT id, name FROM users ORDER BY id) TO STDOUT --: refused 0A000, ordered
COPY (SELECT id, name FROM users ORDER BY id) TO STDOUT (FORMAT csv, HEADER) --: refused 0A000, ordered
COPY (SELECT id, balance FROM users ORDER BY id DESC) TO STDOUT (FORMAT binary) --: refused 0A000, ordered
COPY (SELECT id, name FROM users ORDER BY id LIMIT 5) TO STDOUT --: refused 0A000, ordered
COPY (SELECT country, count(*) FROM users GROUP BY country ORDER BY 1) TO STDOUT --: refused 0A000, ordered
COPY (SELECT count(*) FROM users) TO STDOUT --: refused 0A000
COPY (SELECT u.id, p.title FROM users u JOIN posts p ON p.user_id = u.id) TO STDOUT --: refused 0A000
COPY (SELECT 1, NULL, 'a	b') TO STDOUT
COPY (SELECT 1 / 0 FROM users) TO STDOUT --: refused 0A000
COPY (SELECT nothing FROM users) TO STDOUT --: refused 0A000
COPY nothing TO STDOUT
COPY (VALUES (1), (2)) TO STDOUT
BEGIN
+ COPY (SELECT id FROM users ORDER BY id) TO STDOUT --: refused 0A000, ordered
+ COMMIT
