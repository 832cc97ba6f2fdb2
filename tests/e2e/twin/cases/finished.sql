-- Groups that are put together, and finished by one server
SELECT coalesce(sum(age), 0) FROM users
SELECT coalesce(sum(n), 0), count(*) + 1 FROM nobody
SELECT sum(age) / count(*), round(avg(age), 2), sum(balance)::int, -max(age) FROM users
SELECT sum(age) * 1.0 / count(age) AS mean, count(*) > 5 AS many FROM users WHERE active
SELECT country, round(avg(balance), 2) AS mean, max(age) - min(age) AS span FROM users GROUP BY country ORDER BY country
SELECT country, count(*) FROM users GROUP BY country ORDER BY country
SELECT country, count(*) FROM users GROUP BY country ORDER BY country DESC NULLS LAST LIMIT 2
SELECT country, count(*) FROM users GROUP BY country HAVING count(*) > 9 ORDER BY 2 DESC, 1
SELECT country FROM users GROUP BY country HAVING sum(age) > 100 AND country <> 'de' ORDER BY country
SELECT u.country, sum(u.age) + 1 FROM users u GROUP BY u.country HAVING u.country IS NOT NULL ORDER BY u.country
SELECT upper(country), count(*) * 2 FROM users GROUP BY country ORDER BY upper(country)
SELECT upper(country), count(*) * 2 FROM users GROUP BY upper(country) ORDER BY upper(country)
SELECT upper(country) AS c, sum(age) / 2 FROM users GROUP BY c ORDER BY c
SELECT upper(country), sum(age) / 2 FROM users GROUP BY 1 ORDER BY 1
SELECT age % 3 AS a, country, sum(balance) * 2 FROM users GROUP BY 1, 2 ORDER BY 1, 2
SELECT age % 3 AS a, country, sum(balance) * 2 FROM users GROUP BY 1, users.country ORDER BY country, a
SELECT country, active, sum(age) / count(*) FROM users GROUP BY active, country ORDER BY country, active
SELECT u.country, p.likes, count(*) + 0 FROM users u JOIN posts p ON p.user_id = u.id GROUP BY u.country, p.likes ORDER BY u.country, p.likes
SELECT c.name, sum(u.age) + sum(c.size) FROM users u JOIN countries c ON c.code = u.country GROUP BY c.name ORDER BY c.name
SELECT country, count(DISTINCT age) + count(*) FROM users GROUP BY country ORDER BY country
SELECT count(DISTINCT age) * 2, sum(DISTINCT age) + 1 FROM users
SELECT count(DISTINCT n) * 2 FROM nobody
SELECT country, avg(age) FILTER (WHERE active) - avg(age) FILTER (WHERE NOT active) AS d FROM users GROUP BY country ORDER BY country
SELECT country, rank() OVER (ORDER BY sum(age) DESC, country) FROM users GROUP BY country ORDER BY country
SELECT country, sum(count(*)) OVER (ORDER BY country), count(*) FROM users GROUP BY country ORDER BY country
SELECT country, sum(age) OVER w FROM users GROUP BY country, age WINDOW w AS (PARTITION BY country ORDER BY age) ORDER BY country, 2
SELECT DISTINCT count(*) > 5 FROM users GROUP BY country ORDER BY 1
SELECT DISTINCT country, count(*) FROM users GROUP BY country, active ORDER BY country, 2
SELECT CASE WHEN sum(age) > 100 THEN 'much' ELSE 'little' END AS how, count(*) FROM users GROUP BY country ORDER BY 2, 1
SELECT sum(age) + $1 FROM users WHERE age > $2 --: with 3|12
SELECT country, sum(age) + $1 AS s FROM users GROUP BY country HAVING count(*) > $2 ORDER BY country LIMIT $3 --: with 3|1|2
SELECT 'x' AS x, sum(age) + 1 FROM users
SELECT sum(age) + 1 AS "sum", sum(age)::text FROM users
SELECT sum(age)::text, abs(min(age)), sum(age) IS NULL, NOT bool_and(active) FROM users
SELECT GREATEST(max(age), max(likes)) FROM users u JOIN posts p ON p.user_id = u.id
SELECT stddev(age) / avg(age), round(variance(balance), 3) FROM users
SELECT max(joined) - min(joined), max(joined) + 1 FROM users
SELECT date_trunc('month', joined) AS m, count(*) + 0 FROM users GROUP BY 1 ORDER BY 1
SELECT date_trunc('month', joined) AS m, count(*) + 0 FROM users GROUP BY date_trunc('month', joined) ORDER BY 1
SELECT date_trunc('month', joined) AS m, count(*) + 0 FROM users GROUP BY m ORDER BY m
SELECT sum(age) / (count(*) - count(*)) FROM users
SELECT country, 1 / (count(*) - 11) FROM users GROUP BY country ORDER BY country
SELECT country, age, count(*) + 0 FROM users GROUP BY country
SELECT sum(age) + id FROM users
SELECT country, sum(age) + (SELECT count(*) FROM countries) FROM users GROUP BY country ORDER BY country
SELECT country, sum(age) + 1, now() = now() FROM users GROUP BY country ORDER BY country
SELECT balance, count(*) + 0 FROM users GROUP BY balance ORDER BY balance
SELECT v, count(*) + 0 FROM measures GROUP BY v ORDER BY v
SELECT c, count(*) + 0 FROM measures GROUP BY c ORDER BY c
SELECT t, max(n) + 1, min(d) - 1 FROM measures WHERE n < 1000 GROUP BY t ORDER BY t
SELECT w, count(*) + 0 FROM measures GROUP BY w ORDER BY w
SELECT f, count(*) + 0 FROM measures GROUP BY f ORDER BY f
SELECT sum(f) + 1 FROM measures WHERE f BETWEEN 0 AND 1
SELECT max(name) || '!' FROM users
SELECT a, count(*) + 0 FROM measures GROUP BY a ORDER BY a
SELECT j, count(*) + 0 FROM measures GROUP BY j ORDER BY j
WITH w AS (SELECT country, age FROM users WHERE age > 11) SELECT country, sum(age) + 1 FROM w GROUP BY country ORDER BY country
SELECT s.c, sum(s.n) + 1 FROM (SELECT user_id, country AS c, count(*) AS n FROM users JOIN posts ON user_id = users.id GROUP BY user_id, country) s GROUP BY s.c ORDER BY s.c
SELECT country, count(*) FILTER (WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = u.id)) + 0 FROM users u GROUP BY country ORDER BY country
SELECT u.country AS age, sum(u.age) + 0 FROM users u GROUP BY u.country ORDER BY age
SELECT country AS c, sum(age) + 0 AS country FROM users GROUP BY users.country ORDER BY country
BEGIN
+ SELECT country, sum(age) + 1 FROM users GROUP BY country ORDER BY country
+ SELECT sum(age) / 0 FROM users
+ SELECT 1
+ ROLLBACK
