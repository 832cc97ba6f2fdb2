#writes
-- INSERT of one row: it has one place.
INSERT INTO users VALUES (100, 'new', 20, 'de', 1.5, '2025-01-01', true)
INSERT INTO users (id, name) VALUES (101, 'new')
INSERT INTO users (name, id) VALUES ('new', 102) RETURNING *
INSERT INTO users (id, name) VALUES ($1, $2) RETURNING id, name, balance, active --: with 103|new
INSERT INTO users (id, name) VALUES (1, 'again')
INSERT INTO users (id) VALUES (104)
INSERT INTO users (id, name, age) VALUES (105, 'x', 'y')
INSERT INTO users (id, name, nothing) VALUES (106, 'x', 1)
INSERT INTO users VALUES (107)
INSERT INTO users VALUES (107, 'a', 1, 'de', 1, '2025-01-01', true, 8)
INSERT INTO users (id, name, balance, active) VALUES (108, 'd', DEFAULT, DEFAULT) RETURNING *
INSERT INTO users (id, name) VALUES (100 + 9, 'expression')
INSERT INTO users (id, name) VALUES ('110', 'text')
INSERT INTO users (id, name) VALUES ('111'::text::bigint, 'cast') --: refused 0A000
INSERT INTO users (id, name) VALUES (NULL, 'null')
INSERT INTO users (name) VALUES ('no key')
INSERT INTO users (id, name) VALUES (DEFAULT, 'no key')
INSERT INTO users DEFAULT VALUES
INSERT INTO users (id, name) VALUES (abs(-112), 'function') RETURNING id
INSERT INTO users (id, name) VALUES ((SELECT 113), 'subquery')
INSERT INTO users (id, name) SELECT 114, 'select'
INSERT INTO measures (k, grp) VALUES (NULL, 'z')
INSERT INTO measures (grp) VALUES ('z')
INSERT INTO people (login, name) VALUES ('new', 'N')
INSERT INTO people (login, name) VALUES ('ünï', 'N') RETURNING login
INSERT INTO items (u, label) VALUES ('00000000-0000-0000-0000-000000000001', 'x')
INSERT INTO visits VALUES ('2025-12-31', '/new', 1)
INSERT INTO visits VALUES ('31.12.2025', '/new', 1) --: refused 0A000 simple
INSERT INTO orders (tenant, region, id, total) VALUES (9, 'n', 1, 5)
INSERT INTO settings VALUES ('new', 'v')
-- A key that only a server computes
INSERT INTO tickets (name) VALUES ('x')
INSERT INTO tickets (name) VALUES ('x') RETURNING *
INSERT INTO tickets (name) VALUES ($1) RETURNING id, name --: with x
INSERT INTO tickets (id, name) VALUES (DEFAULT, $1) RETURNING id, name --: with x
INSERT INTO tickets VALUES (DEFAULT, 'x') RETURNING *
INSERT INTO tickets VALUES (DEFAULT, 'x', DEFAULT) RETURNING size
INSERT INTO tickets DEFAULT VALUES RETURNING *
INSERT INTO tickets AS t DEFAULT VALUES ON CONFLICT DO NOTHING RETURNING t.id
INSERT INTO tickets (name) VALUES ('x'), ('y')
INSERT INTO tickets (name) VALUES ('x'), ('y') ON CONFLICT DO NOTHING
INSERT INTO tickets (name, id) VALUES ('x', DEFAULT), ('y', 7), ('z', $1) RETURNING id, name --: with 8
INSERT INTO tickets (name, id) VALUES ('x', DEFAULT), ('y', 7) ON CONFLICT (id) DO UPDATE SET name = excluded.name || tickets.name RETURNING *
INSERT INTO tickets (name) VALUES ('x')
+ INSERT INTO tickets (name) VALUES ('y') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING *
BEGIN
+ INSERT INTO tickets (name) VALUES ('x') RETURNING id
+ UPDATE tickets SET size = 4
+ INSERT INTO tickets (name) VALUES ('y')
+ COMMIT
INSERT INTO tickets (name, size) VALUES ('x', 'y')
INSERT INTO tickets (name, nothing) VALUES ('x', 1)
INSERT INTO tickets (name, size) VALUES ('x', 1 / 0)
INSERT INTO tickets (name) VALUES ('x', 1)
INSERT INTO tickets (name, size) VALUES ('x') --: refused 0A000 simple
INSERT INTO tickets (name, name) VALUES ('x', 'y')
INSERT INTO tickets (name) OVERRIDING SYSTEM VALUE VALUES ('x') RETURNING *
INSERT INTO tickets (name) VALUES ('x') RETURNING nothing
WITH n AS (SELECT 'cte' AS name) INSERT INTO tickets (name, size) VALUES ((SELECT name FROM n), 2) RETURNING *
WITH n AS (INSERT INTO tickets (name) VALUES ('x') RETURNING id) SELECT * FROM n
WITH n AS (INSERT INTO tickets (name) VALUES ($1) RETURNING id) INSERT INTO posts (user_id, id, title) SELECT id, 1, $2 FROM n RETURNING * --: with x|title
WITH n AS (INSERT INTO tickets (name) VALUES ('x') RETURNING *) INSERT INTO posts (user_id, id, title) SELECT n.id, i, n.name FROM n, generate_series(1, 3) i RETURNING *
WITH n AS (INSERT INTO tickets (name) VALUES ('x') RETURNING *), p AS (INSERT INTO posts (user_id, id) SELECT id, 1 FROM n RETURNING *) SELECT n.name, p.* FROM n JOIN p ON p.user_id = n.id
WITH n AS (INSERT INTO tickets (name) VALUES ('x') RETURNING *), m AS (INSERT INTO tickets (name) VALUES ('y') RETURNING *) SELECT * FROM n, m --: refused 0A000
WITH n AS (INSERT INTO users (id, name) VALUES (77, 'x') RETURNING id) UPDATE posts SET likes = 0 FROM n WHERE posts.user_id = n.id
WITH n AS (INSERT INTO users (id, name) VALUES (777, 'x') RETURNING id, name) INSERT INTO nobody (id, t) SELECT * FROM n
WITH n AS (INSERT INTO users (id, name) VALUES ('77.6'::numeric, 'x') RETURNING id, name) INSERT INTO nobody (id, t) SELECT * FROM n --: refused 0A000
WITH n AS (INSERT INTO users (id, name) VALUES (77.6, 'x') RETURNING id, name) INSERT INTO nobody (id, t) SELECT * FROM n --: refused 0A000
WITH n AS (INSERT INTO users (id, name) VALUES ($1, 'x') RETURNING id, name) INSERT INTO nobody (id, t) SELECT * FROM n --: with 78
WITH n AS (INSERT INTO users (id, name) VALUES (3, 'x') ON CONFLICT DO NOTHING RETURNING id, name) INSERT INTO nobody (id, t) SELECT * FROM n
INSERT INTO slips VALUES (1), (2)
INSERT INTO slips VALUES (1) RETURNING u
INSERT INTO slips (n) VALUES ($1) RETURNING * --: with 1
INSERT INTO slips DEFAULT VALUES RETURNING *
INSERT INTO codes (n) VALUES (1) RETURNING *
INSERT INTO codes (n) VALUES ($1) RETURNING * --: with 1
INSERT INTO codes DEFAULT VALUES
INSERT INTO users (id, name) VALUES (100 + 9, 'a'), (abs(-112), 'b'), (113, 'c'), (length('é€'), 'd') RETURNING id, name
INSERT INTO users (id, name) VALUES (10 / 0, 'a')
INSERT INTO users (id, name) VALUES ('a' || 'b', 'a')
INSERT INTO users (id, name) VALUES (pi(), 'a') --: refused 0A000
INSERT INTO users (id, name) VALUES ($1 + 1, 'a') --: with 100
INSERT INTO users (id, name, age) VALUES ($1 + 1, 'a', $1), ($2 * 2, $3, DEFAULT) RETURNING id, name, age --: with 100|60|x
INSERT INTO people (login, name) VALUES (lower($1), $1), ($2 || '!', lower($2)) RETURNING * --: with NEW|Ünï
INSERT INTO people (login, name) VALUES (lower($1), 'a') ON CONFLICT (login) DO UPDATE SET name = excluded.name || people.name RETURNING * --: with ANNA
INSERT INTO tickets (id, name) VALUES (DEFAULT, $1), (length($1), $1), (3, $2) RETURNING * --: with four|x
INSERT INTO items (u, label) VALUES (md5($1)::uuid, $1) RETURNING * --: with x
INSERT INTO users (id, name) VALUES (1 / $1, 'a') --: with 0
INSERT INTO users (id, name) VALUES (upper($1), 'a') --: with 7
INSERT INTO users (id, name) VALUES ((SELECT max(id) + 1 FROM users), 'a') --: refused 0A000
INSERT INTO users (id, name) VALUES (NULLIF(1, 1), 'a')
INSERT INTO people (login) VALUES (lower('NEW') /* a name */), ('it''s' || E'\\')
INSERT INTO visits VALUES (date '2025-01-01' + 3, '/x', 1)
INSERT INTO orders (tenant, region, id) VALUES (6 + 1, upper('n'), 1), (7, 's', 1) RETURNING *
EXPLAIN ANALYZE INSERT INTO tickets (name) VALUES ('x') --: refused 0A000
-- Of several rows
INSERT INTO users (id, name) VALUES (200, 'a'), (201, 'b'), (202, 'c'), (203, 'd')
INSERT INTO users (id, name) VALUES (200, 'a'), (201, 'b'), (202, 'c'), (203, 'd') RETURNING id, name, balance
INSERT INTO users (id, name) VALUES (12, 'twice'), (200, 'a'), (201, 'b')
INSERT INTO users (id, name) VALUES (200, 'a'), (201, 'b'), (200, 'c')
INSERT INTO users (id, name, age) VALUES (200, 'a', 1), (5000, 'b', 10 / 0)
INSERT INTO users (id, name, age) VALUES (200, 'a', DEFAULT), (211, 'b', 3), (222, 'c', NULL) RETURNING *
INSERT INTO users (id, name) VALUES ($1, 'a'), ($2, 'b'), ($3, 'c') --: with 200|210|220
INSERT INTO users VALUES (200, 'a'), (201, 'b')
INSERT INTO users (id, name) VALUES (200, 'a'), (NULL, 'b')
INSERT INTO posts (user_id, id, title) VALUES (3, 10, 'a'), (3, 11, 'b')
INSERT INTO posts (user_id, id, title) VALUES (3, 10, 'a'), (13, 10, 'b'), (23, 10, 'c') RETURNING user_id, title
INSERT INTO people (login) VALUES ('a1'), ('n1'), ('z1')
INSERT INTO orders (tenant, region, id) VALUES (7, 'n', 1), (7, 's', 1), (8, 'n', 1)
INSERT INTO visits VALUES ('2025-01-01', '/x', 1), ('2025-08-01', '/x', 1), ('2026-08-01', '/x', 1)
INSERT INTO settings VALUES ('x', '1'), ('y', '2') RETURNING *
-- INSERT … SELECT
INSERT INTO nobody SELECT id, age, name FROM users
INSERT INTO nobody SELECT id, age, name FROM users WHERE id = 7
INSERT INTO nobody SELECT id, age, name FROM users WHERE id IN (7, 17, 27) RETURNING id
INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users WHERE age > 15
INSERT INTO nobody (id, t) SELECT user_id, max(title) FROM posts GROUP BY user_id
INSERT INTO nobody (id, n) SELECT count(*), max(age) FROM users
INSERT INTO nobody (id) SELECT owner FROM items
INSERT INTO nobody (id) SELECT generate_series(1, 20)
INSERT INTO nobody (id, t) SELECT size, name FROM countries WHERE size IS NOT NULL
INSERT INTO nobody (id) SELECT user_id FROM posts
INSERT INTO users (id, name) SELECT id + 500, name FROM users ORDER BY id LIMIT 3
INSERT INTO settings SELECT 'u' || id, name FROM users WHERE age = 12
INSERT INTO settings SELECT code, name FROM countries RETURNING *
INSERT INTO people (login, name) SELECT login || '2', name FROM people WHERE born IS NULL
INSERT INTO measures SELECT * FROM measures WHERE k = 3
WITH n AS (SELECT 300 AS id, 'cte' AS name) INSERT INTO users (id, name) SELECT id, name FROM n
WITH n AS (INSERT INTO users (id, name) VALUES (301, 'x') RETURNING id) SELECT * FROM n
WITH n AS (INSERT INTO users (id, name) VALUES (302, 'x'), (313, 'y') RETURNING id) SELECT count(*) FROM n --: refused 0A000 ring
-- ON CONFLICT
INSERT INTO users (id, name) VALUES (1, 'again') ON CONFLICT DO NOTHING
INSERT INTO users (id, name) VALUES (1, 'again') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name
INSERT INTO users (id, name) VALUES (400, 'new') ON CONFLICT (id) DO UPDATE SET name = excluded.name
INSERT INTO users (id, name) VALUES (1, 'a'), (400, 'b'), (25, 'c') ON CONFLICT (id) DO UPDATE SET name = excluded.name || users.name
INSERT INTO users (id, name) VALUES (1, 'a'), (400, 'b'), (25, 'c') ON CONFLICT DO NOTHING RETURNING id
INSERT INTO users (id, name) VALUES (400, 'a'), (400, 'b') ON CONFLICT (id) DO UPDATE SET name = excluded.name
INSERT INTO users (id, name) VALUES (1, 'a') ON CONFLICT (name) DO NOTHING --: refused 0A000
INSERT INTO users (id, name) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET id = 500 --: refused 0A000
INSERT INTO users (id, name) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET age = users.age + 1 WHERE users.active
INSERT INTO posts (user_id, id, likes) VALUES (3, 1, 9) ON CONFLICT (user_id, id) DO UPDATE SET likes = posts.likes + excluded.likes RETURNING likes
INSERT INTO orders (tenant, region, id, total) VALUES (1, 'n', 4, 1) ON CONFLICT ON CONSTRAINT orders_pkey DO UPDATE SET total = 0
