#writes
-- INSERT … SELECT whose rows belong to other shards than those they are made of
INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users
INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users RETURNING *
INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users WHERE id IN (3, 13, 23) RETURNING id, t || '!' AS said
INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users WHERE id = 3 RETURNING id
INSERT INTO nobody (id, n) SELECT count(*), max(age) FROM users
INSERT INTO nobody (id, n) SELECT age, count(*) FROM users WHERE age IS NOT NULL GROUP BY age HAVING count(*) > 1
INSERT INTO nobody (id, n) SELECT 1000 + row_number() OVER (ORDER BY id), age FROM users
INSERT INTO nobody SELECT DISTINCT owner FROM items
INSERT INTO nobody (id) SELECT generate_series(1, 20) RETURNING id
INSERT INTO nobody (id, t) SELECT size, name FROM countries WHERE size IS NOT NULL RETURNING *
INSERT INTO nobody SELECT u.id + p.id * 100, p.likes, u.name FROM users u JOIN posts p ON p.likes = u.age
INSERT INTO nobody (id, t) SELECT id + 1000, 'literal' FROM users ORDER BY id LIMIT 5
INSERT INTO nobody (t, id) SELECT $1, id + $2 FROM users WHERE age > $3 RETURNING * --: with x|1000|15
INSERT INTO nobody (id, t) SELECT id + $1, name FROM users WHERE id = $2 --: with 5|3
INSERT INTO nobody SELECT id + 1000, NULL, NULL FROM users WHERE false RETURNING *
INSERT INTO nobody (id) SELECT NULL FROM users
INSERT INTO nobody (id) SELECT id % 3 FROM users
INSERT INTO nobody (id, n) SELECT id + 1, 1 / (id - 10) FROM users
INSERT INTO nobody (id, n) SELECT id + 1, name FROM users
INSERT INTO nobody (id, n) SELECT id + 1, nothing FROM users
INSERT INTO nobody (id, n) SELECT id + 1 FROM users
INSERT INTO nobody (id) SELECT id + 1, 2 FROM users
INSERT INTO nobody (id, n) SELECT id * 1.5, age * 2.5 FROM users WHERE id > 0 RETURNING *
INSERT INTO nobody (id, n) SELECT '5', '6' FROM users LIMIT 1
INSERT INTO nobody (id, n) SELECT 'x', '6' FROM users LIMIT 1
INSERT INTO nobody (id) SELECT id + 1000 FROM users UNION SELECT id + 1000 FROM lone
INSERT INTO nobody (id) (SELECT 1000 + id FROM users ORDER BY id DESC LIMIT 2)
WITH old AS (SELECT id, name FROM users WHERE age > 15) INSERT INTO nobody (id, t) SELECT id + 1000, name FROM old RETURNING id
WITH old AS (SELECT max(id) AS id FROM users) INSERT INTO nobody (id, t) SELECT id + 1000, 'max' FROM old
WITH gone AS (DELETE FROM posts WHERE user_id = 3 RETURNING id) INSERT INTO nobody (id) SELECT id + 1000 FROM gone --: refused 0A000
INSERT INTO users (id, name) SELECT id + 500, name FROM users ORDER BY id LIMIT 3
INSERT INTO users SELECT id + 500, name, age, country, balance, joined, active FROM users WHERE country = 'de' RETURNING *
INSERT INTO users (id, name) SELECT id + 500, name FROM users WHERE false
INSERT INTO users (id, name) SELECT max(id) + 1, 'next' FROM users RETURNING *
+ INSERT INTO users (id, name) SELECT max(id) + 1, 'next' FROM users RETURNING *
INSERT INTO users AS u (id, name) SELECT id + 20, name FROM users ON CONFLICT DO NOTHING
INSERT INTO users AS u (id, name) SELECT id + 20, name FROM users ON CONFLICT (id) DO UPDATE SET name = excluded.name || u.name RETURNING id, name
INSERT INTO users (id, name) SELECT age, 'aged' FROM users WHERE age IS NOT NULL ON CONFLICT (id) DO UPDATE SET name = excluded.name
INSERT INTO users (id, name) SELECT 5 + id % 2, 'twice' FROM users ON CONFLICT (id) DO UPDATE SET name = (SELECT code FROM countries LIMIT 1) --: refused 0A000
INSERT INTO measures SELECT k + 100, grp, s, i, b8, n, m, r, f, t, v, c, o, d, z, y, w, x, u, j, h, a FROM (SELECT *, b8 AS b FROM measures) q
INSERT INTO measures SELECT k + 100, grp, s, i, b8, n, m, r, f, t, v, c, o, d, z, y, w, x, u, j, h, a FROM measures RETURNING *
INSERT INTO measures (k, v, m, c, r, z, a) SELECT id, name || ' is much too long', 1, 'c', 1, joined, ARRAY[age, 1] FROM users WHERE id > 10
INSERT INTO measures (k, v, m, c, r, z, a) SELECT id + 7, substr(name, 1, 10), balance * 1.005, 'c', balance, joined, ARRAY[age, 1] FROM users WHERE id > 10 RETURNING *
INSERT INTO measures (k, d, x, j, h, w) SELECT id + 7, '2025-01-02', '3 days', '{"a": [1]}', '\\x00ff', '10:00' FROM users WHERE id < 5 RETURNING *
INSERT INTO people (login, name) SELECT login || '2', name FROM people WHERE born IS NULL RETURNING *
INSERT INTO people (login, born) SELECT name, joined FROM users ORDER BY id ON CONFLICT (login) DO NOTHING
INSERT INTO items (u, label) SELECT md5(name)::uuid, name FROM users ON CONFLICT (u) DO NOTHING
INSERT INTO visits SELECT joined, 'j' || id, age FROM users RETURNING *
INSERT INTO orders (tenant, region, id, total) SELECT age, coalesce(country, '-'), id, balance FROM users WHERE age IS NOT NULL RETURNING *
INSERT INTO posts (user_id, id, title) SELECT p.id, p.user_id + 100, p.title FROM posts p RETURNING *
INSERT INTO tickets (name, size) SELECT name, age FROM users WHERE id = 3 RETURNING *
INSERT INTO tickets (name) SELECT name FROM users WHERE id < 5
INSERT INTO tickets (name) SELECT name FROM countries ON CONFLICT DO NOTHING
INSERT INTO slips (n) SELECT max(age) FROM users RETURNING *
INSERT INTO codes (n) SELECT 1
INSERT INTO logged (id, n) SELECT id + 500, age FROM users WHERE age IS NOT NULL RETURNING *
INSERT INTO logged (id, n, country) SELECT id + 500, age, 'zz' FROM users WHERE age IS NOT NULL
INSERT INTO logged (id, n) SELECT id + 500, 1000 FROM users
-- The home shard
INSERT INTO settings SELECT 'u' || id, name FROM users WHERE age = 12
INSERT INTO settings SELECT 'u' || id, name FROM users RETURNING name, value
INSERT INTO settings SELECT 'u' || id, name FROM users WHERE id = 13
INSERT INTO settings SELECT 'n', count(*) FROM users RETURNING *
INSERT INTO settings SELECT code, name FROM countries
INSERT INTO settings SELECT 's' || id, 'new' FROM users WHERE id > 0 ON CONFLICT (name) DO UPDATE SET value = excluded.value || settings.value RETURNING *
INSERT INTO nobody (id, t) SELECT length(value) + 1000, name FROM settings WHERE name = 's3' RETURNING *
-- In company
BEGIN
+ INSERT INTO users (id, name) VALUES (700, 'seven')
+ INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users WHERE id > 30 RETURNING id
+ SAVEPOINT s
+ INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users WHERE id > 35
+ ROLLBACK TO s
+ INSERT INTO nobody (id, t) SELECT id + 2000, t FROM nobody RETURNING id
+ COMMIT
EXPLAIN ANALYZE INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users --: refused 0A000
INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users RETURNING ctid --: refused 0A000
INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users RETURNING (SELECT max(id) FROM users) --: refused 0A000
INSERT INTO nobody (id, t) SELECT id + 1000, name FROM users RETURNING now() IS NOT NULL AS told
INSERT INTO nobody (id) OVERRIDING SYSTEM VALUE SELECT id + 1000 FROM users WHERE id < 3
INSERT INTO countries SELECT 'u' || id, name FROM users WHERE id IN (3, 33) --: refused 0A000
