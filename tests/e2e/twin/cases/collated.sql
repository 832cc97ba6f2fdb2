-- Ordered by texts under the database's own collation: each shard orders and cuts, one server says the rest.
SELECT name, id FROM users ORDER BY name, id
SELECT name, id FROM users ORDER BY name, id LIMIT 5
SELECT name, id FROM users ORDER BY name DESC, id LIMIT 5 OFFSET 7
SELECT * FROM users ORDER BY name, id LIMIT 3
SELECT id FROM users ORDER BY name, id LIMIT 4
SELECT title, user_id FROM posts ORDER BY title NULLS FIRST, user_id, id LIMIT 6
SELECT title, user_id FROM posts ORDER BY title DESC NULLS LAST, user_id, id OFFSET 40
SELECT t, k FROM measures ORDER BY t, k
SELECT v, k FROM measures ORDER BY v DESC, k LIMIT 9
SELECT c, k FROM measures ORDER BY c, k LIMIT 9
SELECT t, n, k FROM measures ORDER BY t, n DESC, k
SELECT t, r, k FROM measures ORDER BY t DESC, r, f, k
SELECT t, d, z, k FROM measures ORDER BY t, d, z DESC NULLS LAST, y, w, k
SELECT t, x, u, k FROM measures ORDER BY t, x, u, o, h, k
SELECT t, s, b FROM measures ORDER BY t, s, b, m
SELECT t, j, k FROM measures ORDER BY t, j, k
SELECT lower(t) AS l, k FROM measures ORDER BY l, k
SELECT k FROM measures ORDER BY lower(t) || v, k LIMIT 7
SELECT k FROM measures ORDER BY coalesce(t, 'x') DESC, k LIMIT 7
SELECT k, t::name FROM measures ORDER BY t::name, k
SELECT k FROM measures ORDER BY current_user || t, k
SELECT k, t FROM measures ORDER BY t COLLATE "en-x-icu" DESC, k LIMIT 5
SELECT k, t FROM measures ORDER BY t COLLATE "C" DESC, v, k LIMIT 5
SELECT k, x FROM (SELECT k, t COLLATE "en-x-icu" AS x FROM measures) s ORDER BY x, k LIMIT 5
SELECT k, t FROM measures ORDER BY t FETCH FIRST 6 ROWS WITH TIES --: free
SELECT grp, t FROM measures ORDER BY grp, t FETCH FIRST 11 ROWS WITH TIES --: free
SELECT DISTINCT ON (t) t, k FROM measures ORDER BY t, k
SELECT DISTINCT ON (t) t, n, k FROM measures ORDER BY t DESC, n, k LIMIT 4
SELECT DISTINCT ON (n, t) n, t, k FROM measures ORDER BY n, t, k
SELECT DISTINCT t FROM measures ORDER BY t
SELECT DISTINCT name, id FROM users ORDER BY name, id LIMIT 5
SELECT u.name, p.title FROM users u JOIN posts p ON p.user_id = u.id ORDER BY p.title, u.name, u.id, p.id LIMIT 10
SELECT u.name, c.name FROM users u LEFT JOIN countries c ON c.code = u.country ORDER BY c.name, u.name, u.id LIMIT 10
SELECT name, id FROM users WHERE id IN (1, 5, 9, 13, 17, 21, 25) ORDER BY name, id
SELECT name, id FROM users WHERE age > $1 ORDER BY name, id LIMIT $2 --: with 12|4
SELECT name, id FROM users WHERE id = ANY ($1) ORDER BY name DESC, id --: with {3,13,23,33}
SELECT name, id FROM users WHERE false ORDER BY name
SELECT name, id FROM users WHERE id < -100 ORDER BY name LIMIT 3
SELECT name, id FROM users ORDER BY name LIMIT 0
SELECT name, id FROM users ORDER BY name, id OFFSET 1000
SELECT t FROM nobody ORDER BY t
SELECT id, t FROM lone ORDER BY t
SELECT login FROM people ORDER BY login
SELECT login, friend FROM people ORDER BY friend NULLS FIRST, login LIMIT 7
SELECT id FROM users UNION ALL SELECT user_id FROM posts ORDER BY 1
SELECT name FROM users UNION ALL SELECT title FROM posts ORDER BY 1 LIMIT 20
SELECT name, id FROM adults ORDER BY name, id LIMIT 5
SELECT called, who FROM liked ORDER BY called, who, whom LIMIT 5
SELECT country, name FROM user_countries ORDER BY country, name, id
SELECT titles, user_id FROM per_user ORDER BY titles, user_id LIMIT 3
SELECT user_id, max(title) FROM posts GROUP BY user_id ORDER BY max(title), user_id
SELECT 1 / (id - 7), name FROM users ORDER BY name
SELECT name, nothing FROM users ORDER BY name
SELECT * FROM (SELECT name, id FROM users ORDER BY name, id LIMIT 5) s ORDER BY id
BEGIN
+ UPDATE users SET name = 'Zoë' WHERE id = 3
+ SELECT name, id FROM users ORDER BY name DESC, id LIMIT 3
+ UPDATE users SET name = 'zoe' WHERE id = 4
+ SELECT name, id FROM users ORDER BY name DESC, id LIMIT 3
+ ROLLBACK
COPY (SELECT name, id FROM users ORDER BY name, id LIMIT 5) TO STDOUT --: ordered
COPY (SELECT id FROM users ORDER BY name, id LIMIT 5) TO STDOUT (FORMAT binary) --: ordered
COPY (SELECT id, title FROM posts WHERE user_id < 0 ORDER BY title) TO STDOUT CSV HEADER
