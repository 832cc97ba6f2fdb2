-- ORDER BY over several shards.
SELECT id, name FROM users ORDER BY id --: refused 0A000 portal
SELECT id, name FROM users ORDER BY id DESC --: refused 0A000 portal
SELECT id, name FROM users ORDER BY name, id --: refused 0A000 portal
SELECT id, name FROM users ORDER BY name DESC, id --: refused 0A000 portal
SELECT id, age FROM users ORDER BY age, id --: refused 0A000 portal
SELECT id, age FROM users ORDER BY age NULLS FIRST, id --: refused 0A000 portal
SELECT id, age FROM users ORDER BY age DESC, id --: refused 0A000 portal
SELECT id, age FROM users ORDER BY age DESC NULLS LAST, id DESC --: refused 0A000 portal
SELECT id, country FROM users ORDER BY country NULLS FIRST, age DESC NULLS LAST, id --: refused 0A000 portal
SELECT id, age FROM users ORDER BY 2, 1 --: refused 0A000 portal
SELECT id AS a, age AS b FROM users ORDER BY b, a --: refused 0A000 portal
SELECT id, age FROM users ORDER BY age --: refused 0A000 portal, ordered by 2
SELECT id, age, country FROM users ORDER BY country DESC, age --: refused 0A000 portal, ordered by 3 2
SELECT name FROM users ORDER BY id --: refused 0A000 portal
SELECT name FROM users ORDER BY id DESC --: refused 0A000 portal
SELECT name FROM users ORDER BY -id --: refused 0A000 portal
SELECT name FROM users ORDER BY id % 7, id --: refused 0A000 portal
SELECT name FROM users ORDER BY length(name), name, id --: refused 0A000 portal
SELECT id FROM users ORDER BY age + 1 DESC, id --: refused 0A000 portal
SELECT id FROM users ORDER BY coalesce(age, 0), id --: refused 0A000 portal
SELECT id, -age AS m FROM users ORDER BY m, id --: refused 0A000 portal
SELECT id, age AS id2 FROM users ORDER BY id2, id --: refused 0A000 portal
SELECT -id AS id FROM users ORDER BY id --: refused 0A000 portal
SELECT -id AS id FROM users ORDER BY users.id --: refused 0A000 portal
SELECT id FROM users ORDER BY age IS NULL, age, id --: refused 0A000 portal
SELECT id FROM users ORDER BY CASE country WHEN 'us' THEN 1 WHEN 'de' THEN 2 ELSE 3 END, id --: refused 0A000 portal
SELECT id, name FROM users ORDER BY (SELECT name FROM countries WHERE code = country), id --: refused 0A000 portal
SELECT * FROM users ORDER BY joined DESC, id --: refused 0A000 portal
SELECT id, active FROM users ORDER BY active, id --: refused 0A000 portal
SELECT id, balance FROM users ORDER BY balance --: refused 0A000 portal
SELECT id, balance FROM users ORDER BY abs(balance), id --: refused 0A000 portal
SELECT id FROM users ORDER BY random() --: refused 0A000 portal, free
SELECT id FROM users ORDER BY NULL::int, id --: refused 0A000 portal
SELECT id FROM users ORDER BY 'x'::text, id --: refused 0A000 portal
SELECT id FROM users ORDER BY id USING > --: refused 0A000 portal
SELECT * FROM nobody ORDER BY n, id --: refused 0A000 portal
SELECT * FROM lone ORDER BY n --: refused 0A000 portal
-- By each type
SELECT k, s FROM measures ORDER BY s, k --: refused 0A000 portal
SELECT k, i FROM measures ORDER BY i DESC, k --: refused 0A000 portal
SELECT k, b FROM measures ORDER BY b, k --: refused 0A000 portal
SELECT k, n FROM measures ORDER BY n, k --: refused 0A000 portal
SELECT k, n FROM measures ORDER BY n DESC NULLS LAST, k --: refused 0A000 portal
SELECT k, m FROM measures ORDER BY m, k --: refused 0A000 portal
SELECT k, r FROM measures ORDER BY r, k --: refused 0A000 portal
SELECT k, f FROM measures ORDER BY f DESC, k --: refused 0A000 portal
SELECT k, t FROM measures ORDER BY t, k --: refused 0A000 portal
SELECT k, t FROM measures ORDER BY t DESC, k --: refused 0A000 portal
SELECT k, t FROM measures ORDER BY t COLLATE "C", k --: refused 0A000 portal
SELECT k, t FROM measures ORDER BY t COLLATE "en-x-icu", k --: refused 0A000 portal
SELECT k, t FROM measures ORDER BY lower(t), k --: refused 0A000 portal
SELECT k, v FROM measures ORDER BY v, k --: refused 0A000 portal
SELECT k, c FROM measures ORDER BY c, k --: refused 0A000 portal
SELECT k, o FROM measures ORDER BY o, k --: refused 0A000 portal
SELECT k, o FROM measures ORDER BY o DESC, k --: refused 0A000 portal
SELECT k, d FROM measures ORDER BY d, k --: refused 0A000 portal
SELECT k, z FROM measures ORDER BY z DESC, k --: refused 0A000 portal
SELECT k, y FROM measures ORDER BY y, k --: refused 0A000 portal
SELECT k, w FROM measures ORDER BY w, k --: refused 0A000 portal
SELECT k, x FROM measures ORDER BY x, k --: refused 0A000 portal
SELECT k, u FROM measures ORDER BY u, k --: refused 0A000 portal
SELECT k, j FROM measures ORDER BY j, k --: refused 0A000 portal
SELECT k, h FROM measures ORDER BY h, k --: refused 0A000 portal
SELECT k, a FROM measures ORDER BY a, k --: refused 0A000 portal
SELECT k FROM measures ORDER BY k --: refused 0A000 portal
SELECT k FROM measures ORDER BY k NULLS FIRST --: refused 0A000 portal
SELECT k FROM measures ORDER BY row(s, k) --: refused 0A000 portal
SELECT k, f / 0.0001, f * 'NaN'::float8 FROM measures ORDER BY f * 'NaN'::float8, k --: refused 0A000 portal
SELECT k FROM measures ORDER BY f * 'Infinity'::float8, k --: refused 0A000 portal
SELECT login FROM people ORDER BY login --: refused 0A000 portal
SELECT login FROM people ORDER BY login DESC --: refused 0A000 portal
SELECT login, born FROM people ORDER BY born DESC NULLS LAST, login --: refused 0A000 portal
SELECT u, n FROM items ORDER BY u --: refused 0A000 portal
SELECT u, n FROM items ORDER BY n, u DESC --: refused 0A000 portal
SELECT day, page FROM visits ORDER BY page, day DESC --: refused 0A000 portal
SELECT tenant, region, id FROM orders ORDER BY region, tenant DESC, id --: refused 0A000 portal
SELECT * FROM orders ORDER BY total DESC, tenant, region, id --: refused 0A000 portal
SELECT user_id, id, title FROM posts ORDER BY title NULLS FIRST, user_id, id --: refused 0A000 portal
SELECT id FROM users WHERE id IN (3, 13, 23, 33) ORDER BY id DESC --: refused 0A000 portal
SELECT * FROM (SELECT id, name FROM users ORDER BY id) s ORDER BY name, id --: refused 0A000 portal
SELECT id FROM users WHERE id BETWEEN 5 AND 25 ORDER BY age, id --: refused 0A000 portal
