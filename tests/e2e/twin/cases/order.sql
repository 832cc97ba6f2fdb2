-- ORDER BY over several shards.
SELECT id, name FROM users ORDER BY id
SELECT id, name FROM users ORDER BY id DESC
SELECT id, name FROM users ORDER BY name, id
SELECT id, name FROM users ORDER BY name DESC, id
SELECT id, age FROM users ORDER BY age, id
SELECT id, age FROM users ORDER BY age NULLS FIRST, id
SELECT id, age FROM users ORDER BY age DESC, id
SELECT id, age FROM users ORDER BY age DESC NULLS LAST, id DESC
SELECT id, country FROM users ORDER BY country NULLS FIRST, age DESC NULLS LAST, id
SELECT id, age FROM users ORDER BY 2, 1
SELECT id AS a, age AS b FROM users ORDER BY b, a
SELECT id, age FROM users ORDER BY age --: ordered by 2
SELECT id, age, country FROM users ORDER BY country DESC, age --: ordered by 3 2
SELECT name FROM users ORDER BY id
SELECT name FROM users ORDER BY id DESC
SELECT name FROM users ORDER BY -id
SELECT name FROM users ORDER BY id % 7, id
SELECT name FROM users ORDER BY length(name), name, id
SELECT id FROM users ORDER BY age + 1 DESC, id
SELECT id FROM users ORDER BY coalesce(age, 0), id
SELECT id, -age AS m FROM users ORDER BY m, id
SELECT id, age AS id2 FROM users ORDER BY id2, id
SELECT -id AS id FROM users ORDER BY id
SELECT -id AS id FROM users ORDER BY users.id
SELECT id FROM users ORDER BY age IS NULL, age, id
SELECT id FROM users ORDER BY CASE country WHEN 'us' THEN 1 WHEN 'de' THEN 2 ELSE 3 END, id
SELECT id, name FROM users ORDER BY (SELECT name FROM countries WHERE code = country), id
SELECT * FROM users ORDER BY joined DESC, id
SELECT id, active FROM users ORDER BY active, id
SELECT id, balance FROM users ORDER BY balance
SELECT id, balance FROM users ORDER BY abs(balance), id
SELECT id FROM users ORDER BY random() --: free
SELECT id FROM users ORDER BY NULL::int, id
SELECT id FROM users ORDER BY 'x'::text, id
SELECT id FROM users ORDER BY id USING >
SELECT * FROM nobody ORDER BY n, id
SELECT * FROM lone ORDER BY n
-- By each type
SELECT k, s FROM measures ORDER BY s, k
SELECT k, i FROM measures ORDER BY i DESC, k
SELECT k, b FROM measures ORDER BY b, k
SELECT k, n FROM measures ORDER BY n, k
SELECT k, n FROM measures ORDER BY n DESC NULLS LAST, k
SELECT k, m FROM measures ORDER BY m, k
SELECT k, r FROM measures ORDER BY r, k
SELECT k, f FROM measures ORDER BY f DESC, k
SELECT k, t FROM measures ORDER BY t, k
SELECT k, t FROM measures ORDER BY t DESC, k
SELECT k, t FROM measures ORDER BY t COLLATE "C", k
SELECT k, t FROM measures ORDER BY t COLLATE "en-x-icu", k
SELECT k, t FROM measures ORDER BY lower(t), k
SELECT k, v FROM measures ORDER BY v, k
SELECT k, c FROM measures ORDER BY c, k
SELECT k, o FROM measures ORDER BY o, k
SELECT k, o FROM measures ORDER BY o DESC, k
SELECT k, d FROM measures ORDER BY d, k
SELECT k, z FROM measures ORDER BY z DESC, k
SELECT k, y FROM measures ORDER BY y, k
SELECT k, w FROM measures ORDER BY w, k
SELECT k, x FROM measures ORDER BY x, k
SELECT k, u FROM measures ORDER BY u, k
SELECT k, j FROM measures ORDER BY j, k
SELECT k, h FROM measures ORDER BY h, k
SELECT k, a FROM measures ORDER BY a, k
SELECT k FROM measures ORDER BY k
SELECT k FROM measures ORDER BY k NULLS FIRST
SELECT k FROM measures ORDER BY row(s, k)
SELECT k, f / 0.0001, f * 'NaN'::float8 FROM measures ORDER BY f * 'NaN'::float8, k
SELECT k FROM measures ORDER BY f * 'Infinity'::float8, k
SELECT login FROM people ORDER BY login
SELECT login FROM people ORDER BY login DESC
SELECT login, born FROM people ORDER BY born DESC NULLS LAST, login
SELECT u, n FROM items ORDER BY u
SELECT u, n FROM items ORDER BY n, u DESC
SELECT day, page FROM visits ORDER BY page, day DESC
SELECT tenant, region, id FROM orders ORDER BY region, tenant DESC, id
SELECT * FROM orders ORDER BY total DESC, tenant, region, id
SELECT user_id, id, title FROM posts ORDER BY title NULLS FIRST, user_id, id
SELECT id FROM users WHERE id IN (3, 13, 23, 33) ORDER BY id DESC
SELECT * FROM (SELECT id, name FROM users ORDER BY id) s ORDER BY name, id
SELECT id FROM users WHERE id BETWEEN 5 AND 25 ORDER BY age, id
-- By outputs of *, and behind it
SELECT * FROM users ORDER BY users.joined DESC, id DESC
SELECT u.* FROM users u ORDER BY u.age NULLS FIRST, u.id
SELECT *, -id AS back FROM users ORDER BY back
SELECT *, -id AS age FROM users ORDER BY age
SELECT *, -id AS age FROM users ORDER BY users.age, id
SELECT *, -id AS age FROM users ORDER BY users.age, users.id
SELECT -age AS id, * FROM users ORDER BY users.id
SELECT *, upper(name) FROM users ORDER BY upper, id
SELECT *, upper(name) FROM users ORDER BY upper(name), id
SELECT *, random() AS r FROM users WHERE id < 0 AND id > 0 ORDER BY r
SELECT * FROM users u JOIN posts p ON p.user_id = u.id ORDER BY p.user_id, p.id
SELECT * FROM users u JOIN posts p ON p.user_id = u.id ORDER BY user_id, title, p.id
SELECT * FROM users u JOIN posts p ON p.user_id = u.id ORDER BY id
SELECT u.*, p.title FROM users u JOIN posts p ON p.user_id = u.id ORDER BY title NULLS FIRST, u.id, p.id
SELECT * FROM posts JOIN likes USING (user_id) ORDER BY user_id, id, post_id, author_id
SELECT * FROM posts NATURAL JOIN (SELECT user_id, weight FROM likes) l ORDER BY user_id, id, weight
SELECT DISTINCT * FROM lone ORDER BY n
SELECT DISTINCT ON (country) * FROM users ORDER BY country, id
SELECT DISTINCT ON (users.age) * FROM users ORDER BY users.age DESC, users.id LIMIT 4
SELECT * FROM lone UNION ALL SELECT * FROM nobody ORDER BY n, id
SELECT * FROM users WHERE id < 5 UNION SELECT * FROM users WHERE id > 30 ORDER BY id DESC
SELECT * FROM lone UNION ALL SELECT * FROM nobody ORDER BY nothing
SELECT * FROM (SELECT id AS "Id", name AS "First Name" FROM users) s ORDER BY "First Name", "Id"
SELECT * FROM users ORDER BY nothing
SELECT * FROM users ORDER BY id, joined LIMIT 3 OFFSET 2
