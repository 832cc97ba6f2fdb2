-- Statements that several shards answer, whose answers are merged.
-- One a line: `statement -- [parameters] => several`.

SELECT * FROM users -- => several
SELECT * FROM users WHERE name = 'x' -- => several
SELECT * FROM users WHERE id > 5 -- => several
SELECT * FROM users WHERE id <> 5 -- => several
SELECT * FROM users WHERE id BETWEEN 1 AND 2 -- => several
SELECT * FROM users WHERE id IS NULL -- => several
SELECT * FROM users WHERE id IS NOT NULL -- => several
SELECT * FROM users WHERE NOT id = 5 -- => several
SELECT * FROM users WHERE id + 0 = 5 -- => several
SELECT * FROM users WHERE coalesce(id, 0) = 5 -- => several
SELECT * FROM users WHERE id = 2 + 3 -- => several
SELECT * FROM users WHERE id = abs(-5) -- => several
SELECT * FROM users WHERE id IS NOT DISTINCT FROM 5 -- => several
SELECT * FROM users WHERE id::text = '5' -- => several
SELECT * FROM users WHERE CASE WHEN id = 5 THEN true ELSE false END -- => several
SELECT * FROM users WHERE id = 5 IS TRUE -- => several
SELECT * FROM users LIMIT 1 -- => several
SELECT * FROM users ORDER BY id LIMIT 10 -- => several
TABLE users -- => several
SELECT * FROM users WHERE id IN (1, 2, 3, 4, 5, 6) -- => several
SELECT * FROM users WHERE id = 1 OR id = 2 OR id = 3 OR id = 4 -- => several
SELECT * FROM users WHERE id = ANY (ARRAY[1, 2, 3, 4, 5]) -- => several
SELECT * FROM users WHERE id IN ($1, $2, $3, $4) -- $1:int8=1 $2:int8=2 $3:int8=3 $4:int8=4 => several
SELECT * FROM users WHERE (id = 1 OR id = 2 OR id = 3) AND name = 'x' -- => several
SELECT * FROM orders WHERE tenant_id = 1 AND region IN ('a', 'b', 'c', 'd', 'e') -- => several
SELECT * FROM orders WHERE (tenant_id, region) IN ((1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')) -- => several
SELECT * FROM events WHERE seq BETWEEN 500 AND 1500 -- => several
SELECT * FROM events WHERE seq < 1500 -- => several
SELECT * FROM events WHERE seq >= 1000 -- => several
SELECT * FROM visits WHERE day >= '2024-06-01' AND day < '2025-06-01' -- => several
SELECT * FROM orders WHERE tenant_id = 7 -- => several
SELECT * FROM orders WHERE region = 'eu' -- => several
SELECT * FROM orders WHERE tenant_id = 7 OR region = 'eu' -- => several
SELECT * FROM users WHERE id = 1 OR name = 'x' -- => several
SELECT * FROM users WHERE (id = 1 AND name = 'x') OR email = 'y' -- => several
SELECT * FROM users WHERE id = 1 OR true -- => several
SELECT * FROM generate_series(1, 3) g, users u WHERE u.id = g -- => several
SELECT * FROM users WHERE id = $1 -- $1:int8[]={1} => several
SELECT * FROM users WHERE id = ANY ($1) -- $1:int8[]={{1},{2}} => several
SELECT * FROM users WHERE id <> ALL ($1) -- $1:int8[]={1} => several
SELECT * FROM users WHERE id = ANY ($1) -- $1:int8[]={1,2,3,4,5} => several
SELECT * FROM visits WHERE day = 'yesterday' -- => several
SELECT * FROM users WHERE id = $1::numeric(4, 1) -- $1:=1 => several
SELECT * FROM users WHERE id = 9007199254740993::float8 -- => several
SELECT * FROM accounts WHERE login = 'x'::char(3) -- => several
SELECT * FROM accounts WHERE login = N'x' -- => several
SELECT * FROM accounts WHERE lower(login) = 'x' -- => several
SELECT * FROM accounts WHERE login LIKE 'x' -- => several
SELECT * FROM accounts WHERE login = 'x' COLLATE "en_US" -- => several
SELECT * FROM accounts WHERE login BETWEEN 'x' AND 'x' -- => several
EXPLAIN SELECT * FROM users -- => several
SELECT * FROM users WHERE id::int4 = 42 -- => several
SELECT count(*) FROM posts -- => several
SELECT max(id) FROM users -- => several
SELECT DISTINCT country FROM users -- => several
SELECT * FROM users WHERE id = 1 OR EXISTS (SELECT 1 FROM countries) -- => several
SELECT * FROM users u JOIN posts p ON p.user_id = u.id -- => several
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = u.id AND u.id = 1 -- => several
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = u.id AND p.user_id = 1 -- => several
SELECT * FROM users u RIGHT JOIN posts p ON p.user_id = u.id AND p.user_id = 1 -- => several
SELECT * FROM users u FULL JOIN posts p ON p.user_id = u.id AND u.id = 1 -- => several
SELECT * FROM users u FULL JOIN (SELECT * FROM posts WHERE user_id = 1) p ON p.user_id = u.id -- => several
SELECT * FROM users WHERE id IN (SELECT user_id FROM posts) -- => several
SELECT * FROM users WHERE id IN (SELECT user_id FROM posts WHERE likes > 5) -- => several
SELECT * FROM users WHERE NOT EXISTS (SELECT 1 FROM posts WHERE posts.user_id = users.id AND posts.user_id = 1) -- => several
SELECT * FROM (SELECT id + 0 AS id FROM users) u WHERE u.id = 1 -- => several
WITH u AS (SELECT * FROM users) SELECT * FROM u -- => several
SELECT * FROM users WHERE id = 1 UNION SELECT * FROM users -- => several
SELECT id FROM users WHERE id = 1 UNION ALL SELECT user_id FROM posts WHERE user_id = 2 -- => several
SELECT id FROM users WHERE id = 1 EXCEPT SELECT user_id FROM posts -- => several
SELECT id FROM users WHERE id = 1 INTERSECT SELECT user_id FROM posts WHERE likes > 3 -- => several
(SELECT id FROM users WHERE id = 1) UNION (SELECT id FROM users WHERE name = 'x') -- => several
-- COPY of tables of which several shards have rows.
COPY users TO STDOUT -- => several
COPY users (id) TO STDOUT WITH (FORMAT csv, HEADER) -- => several
COPY users FROM STDIN -- => several
COPY users (name, id) FROM STDIN CSV WHERE id > 5 -- => several
COPY orders FROM STDIN (FORMAT binary) -- => several
COPY orders (total) FROM STDIN -- => several
COPY countries FROM STDIN -- => several
COPY countries (code) FROM STDIN -- => several
COPY (SELECT * FROM users) TO STDOUT -- => several
COPY (SELECT id FROM users ORDER BY id LIMIT 5) TO STDOUT (FORMAT csv) -- => several
