-- GROUP BY, HAVING, DISTINCT.
SELECT country, count(*) FROM users GROUP BY country
SELECT country, count(*) FROM users GROUP BY country ORDER BY country
SELECT country, count(*) FROM users GROUP BY country ORDER BY count(*) DESC, country
SELECT country, count(*) AS n FROM users GROUP BY 1 ORDER BY n, 1
SELECT count(*), country FROM users GROUP BY country ORDER BY country DESC NULLS LAST
SELECT count(*) FROM users GROUP BY country
SELECT country FROM users GROUP BY country
SELECT country, active, sum(age), avg(balance) FROM users GROUP BY country, active ORDER BY 1, 2
SELECT id, count(*) FROM users GROUP BY id
SELECT id, name, count(*) FROM users GROUP BY id ORDER BY id
SELECT user_id, count(*), max(score), sum(likes) FROM posts GROUP BY user_id ORDER BY user_id
SELECT user_id, count(*) FROM posts GROUP BY user_id HAVING count(*) > 2 ORDER BY user_id
SELECT user_id % 5 AS m, count(*) FROM posts GROUP BY m ORDER BY m
SELECT user_id % 5, sum(likes) FROM posts GROUP BY user_id % 5 ORDER BY 1
SELECT length(name), count(*), min(id) FROM users GROUP BY length(name) ORDER BY 1
SELECT date_trunc('day', created), count(*) FROM posts GROUP BY 1 ORDER BY 1
SELECT age IS NULL, count(*) FROM users GROUP BY age IS NULL ORDER BY 1
SELECT CASE WHEN age < 15 THEN 'a' ELSE 'b' END AS c, count(*) FROM users GROUP BY c ORDER BY c
SELECT country, count(*) FROM users GROUP BY country HAVING count(*) > 10 ORDER BY country
SELECT country, sum(balance) FROM users GROUP BY country HAVING sum(balance) > 1000 AND min(age) < 12 ORDER BY 1
SELECT country FROM users GROUP BY country HAVING country IS NOT NULL ORDER BY country
SELECT country, count(*) FROM users WHERE age > 12 GROUP BY country HAVING max(age) > 20 ORDER BY 2, 1
SELECT country, count(*) * 100 / 43, round(avg(age), 1), max(age) - min(age) FROM users GROUP BY country ORDER BY country
SELECT country, coalesce(sum(age) FILTER (WHERE active), 0) FROM users GROUP BY country ORDER BY country
SELECT country, count(DISTINCT age), count(DISTINCT name) FROM users GROUP BY country ORDER BY country
SELECT grp, s, i, b % 3, o, count(*) FROM measures GROUP BY grp, s, i, b % 3, o
SELECT n, count(*) FROM measures GROUP BY n ORDER BY n
SELECT f, count(*) FROM measures GROUP BY f ORDER BY f
SELECT r, count(*) FROM measures GROUP BY r ORDER BY r
SELECT t, count(*) FROM measures GROUP BY t ORDER BY t
SELECT c, count(*) FROM measures GROUP BY c ORDER BY c
SELECT d, count(*) FROM measures GROUP BY d ORDER BY d
SELECT z, y, count(*) FROM measures GROUP BY z, y ORDER BY z, y
SELECT w, d, count(*) FROM measures GROUP BY w, d ORDER BY w, d
SELECT u, count(*) FROM measures GROUP BY u ORDER BY u
SELECT j, count(*) FROM measures GROUP BY j ORDER BY j
SELECT a, count(*) FROM measures GROUP BY a ORDER BY a
SELECT grp, sum(n), avg(m), stddev(i), min(t), max(z), bool_or(o) FROM measures GROUP BY grp ORDER BY grp
SELECT grp, sum(x), avg(x), max(x) FROM measures GROUP BY grp ORDER BY grp
SELECT grp, count(*) FROM measures GROUP BY grp ORDER BY sum(i) DESC NULLS LAST, grp
SELECT grp, count(*) FROM measures GROUP BY grp ORDER BY grp LIMIT 2
SELECT grp, count(*) FROM measures GROUP BY grp ORDER BY grp OFFSET 2
SELECT grp, count(*) FROM measures GROUP BY grp ORDER BY count(*) DESC, grp NULLS FIRST LIMIT 3
SELECT country, count(*) FROM users GROUP BY country LIMIT 2 --: some of SELECT country, count(*) FROM users GROUP BY country
SELECT n, count(*) FROM nobody GROUP BY n
SELECT n, count(*) FROM lone GROUP BY n
SELECT region, sum(total) FROM orders GROUP BY region ORDER BY region
SELECT tenant, region, count(*) FROM orders GROUP BY tenant, region ORDER BY 1, 2
SELECT tenant, sum(total) FROM orders GROUP BY tenant HAVING sum(total) > 100 ORDER BY sum(total) DESC
SELECT page, sum(hits), max(day) FROM visits GROUP BY page ORDER BY page
SELECT extract(year FROM day), sum(hits) FROM visits GROUP BY 1 ORDER BY 1
SELECT label, count(*), sum(n) FROM items GROUP BY label ORDER BY label
SELECT length(login), count(*), min(login) FROM people GROUP BY 1 ORDER BY 1
SELECT country, c.name, count(*) FROM users JOIN countries c ON c.code = country GROUP BY country, c.name ORDER BY 1
SELECT u.country, sum(p.likes) FROM users u JOIN posts p ON p.user_id = u.id GROUP BY u.country ORDER BY 1
SELECT country, string_agg(name, ',' ORDER BY id) FROM users GROUP BY country ORDER BY country
SELECT country, array_agg(age ORDER BY age, id) FROM users GROUP BY country ORDER BY country
-- Grouping sets
SELECT country, active, count(*) FROM users GROUP BY ROLLUP (country, active) ORDER BY 1, 2, 3
SELECT country, active, count(*), grouping(country, active) FROM users GROUP BY CUBE (country, active) ORDER BY 4, 1, 2
SELECT country, active, sum(age) FROM users GROUP BY GROUPING SETS ((country), (active), ()) ORDER BY 1, 2, 3
SELECT country, count(*) FROM users GROUP BY DISTINCT ROLLUP (country, country) ORDER BY 1, 2
-- DISTINCT
SELECT DISTINCT country FROM users
SELECT DISTINCT country FROM users ORDER BY country
SELECT DISTINCT country FROM users ORDER BY country DESC NULLS LAST LIMIT 2
SELECT DISTINCT country, active FROM users ORDER BY 2, 1
SELECT DISTINCT id FROM users
SELECT DISTINCT age % 3 FROM users ORDER BY 1
SELECT DISTINCT lower(t) FROM measures ORDER BY 1
SELECT DISTINCT i, s, o FROM measures ORDER BY s, i, o
SELECT DISTINCT a, j FROM measures
SELECT DISTINCT count(*) FROM users GROUP BY country
SELECT DISTINCT ON (country) country, id FROM users ORDER BY country, id
SELECT DISTINCT ON (country) country, id, age FROM users ORDER BY country, age DESC NULLS LAST, id
SELECT DISTINCT ON (user_id) user_id, id, title FROM posts ORDER BY user_id, id DESC
SELECT DISTINCT ON (user_id % 3, likes) user_id % 3, likes, user_id, id FROM posts ORDER BY user_id % 3, likes, user_id, id LIMIT 4
SELECT DISTINCT * FROM lone
SELECT DISTINCT n FROM nobody
