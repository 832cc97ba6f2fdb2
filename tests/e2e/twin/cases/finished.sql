-- Groups that are put together, and finished by one server
SELECT coalesce(sum(age), 0) FROM users --: refused 0A000 portal
SELECT coalesce(sum(n), 0), count(*) + 1 FROM nobody --: refused 0A000 portal
SELECT sum(age) / count(*), round(avg(age), 2), sum(balance)::int, -max(age) FROM users --: refused 0A000 portal
SELECT sum(age) * 1.0 / count(age) AS mean, count(*) > 5 AS many FROM users WHERE active --: refused 0A000 portal
SELECT country, round(avg(balance), 2) AS mean, max(age) - min(age) AS span FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT country, count(*) FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT country, count(*) FROM users GROUP BY country ORDER BY country DESC NULLS LAST LIMIT 2 --: refused 0A000 portal
SELECT country, count(*) FROM users GROUP BY country HAVING count(*) > 9 ORDER BY 2 DESC, 1 --: refused 0A000 portal
SELECT country FROM users GROUP BY country HAVING sum(age) > 100 AND country <> 'de' ORDER BY country --: refused 0A000 portal
SELECT u.country, sum(u.age) + 1 FROM users u GROUP BY u.country HAVING u.country IS NOT NULL ORDER BY u.country --: refused 0A000 portal
SELECT upper(country), count(*) * 2 FROM users GROUP BY country ORDER BY upper(country) --: refused 0A000 portal
SELECT upper(country), count(*) * 2 FROM users GROUP BY upper(country) ORDER BY upper(country) --: refused 0A000 portal
SELECT upper(country) AS c, sum(age) / 2 FROM users GROUP BY c ORDER BY c --: refused 0A000 portal
SELECT upper(country), sum(age) / 2 FROM users GROUP BY 1 ORDER BY 1 --: refused 0A000 portal
SELECT age % 3 AS a, country, sum(balance) * 2 FROM users GROUP BY 1, 2 ORDER BY 1, 2 --: refused 0A000 portal
SELECT age % 3 AS a, country, sum(balance) * 2 FROM users GROUP BY 1, users.country ORDER BY country, a --: refused 0A000 portal
SELECT country, active, sum(age) / count(*) FROM users GROUP BY active, country ORDER BY country, active --: refused 0A000 portal
SELECT u.country, p.likes, count(*) + 0 FROM users u JOIN posts p ON p.user_id = u.id GROUP BY u.country, p.likes ORDER BY u.country, p.likes --: refused 0A000 portal
SELECT c.name, sum(u.age) + sum(c.size) FROM users u JOIN countries c ON c.code = u.country GROUP BY c.name ORDER BY c.name --: refused 0A000 portal
SELECT country, count(DISTINCT age) + count(*) FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT count(DISTINCT age) * 2, sum(DISTINCT age) + 1 FROM users --: refused 0A000 portal
SELECT count(DISTINCT n) * 2 FROM nobody --: refused 0A000 portal
SELECT country, avg(age) FILTER (WHERE active) - avg(age) FILTER (WHERE NOT active) AS d FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT country, rank() OVER (ORDER BY sum(age) DESC, country) FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT country, sum(count(*)) OVER (ORDER BY country), count(*) FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT country, sum(age) OVER w FROM users GROUP BY country, age WINDOW w AS (PARTITION BY country ORDER BY age) ORDER BY country, 2 --: refused 0A000 portal
SELECT DISTINCT count(*) > 5 FROM users GROUP BY country ORDER BY 1 --: refused 0A000 portal
SELECT DISTINCT country, count(*) FROM users GROUP BY country, active ORDER BY country, 2 --: refused 0A000 portal
SELECT CASE WHEN sum(age) > 100 THEN 'much' ELSE 'little' END AS how, count(*) FROM users GROUP BY country ORDER BY 2, 1 --: refused 0A000 portal
SELECT sum(age) + $1 FROM users WHERE age > $2 --: refused 0A000 portal, with 3|12
SELECT country, sum(age) + $1 AS s FROM users GROUP BY country HAVING count(*) > $2 ORDER BY country LIMIT $3 --: refused 0A000 portal, with 3|1|2
SELECT 'x' AS x, sum(age) + 1 FROM users --: refused 0A000 portal
SELECT sum(age) + 1 AS "sum", sum(age)::text FROM users --: refused 0A000 portal
SELECT sum(age)::text, abs(min(age)), sum(age) IS NULL, NOT bool_and(active) FROM users --: refused 0A000 portal
SELECT GREATEST(max(age), max(likes)) FROM users u JOIN posts p ON p.user_id = u.id --: refused 0A000 portal
SELECT stddev(age) / avg(age), round(variance(balance), 3) FROM users --: refused 0A000 portal
SELECT max(joined) - min(joined), max(joined) + 1 FROM users --: refused 0A000 portal
SELECT date_trunc('month', joined) AS m, count(*) + 0 FROM users GROUP BY 1 ORDER BY 1 --: refused 0A000 portal
SELECT date_trunc('month', joined) AS m, count(*) + 0 FROM users GROUP BY date_trunc('month', joined) ORDER BY 1 --: refused 0A000 portal
SELECT date_trunc('month', joined) AS m, count(*) + 0 FROM users GROUP BY m ORDER BY m --: refused 0A000 portal
SELECT sum(age) / (count(*) - count(*)) FROM users --: refused 0A000 portal
SELECT country, 1 / (count(*) - 11) FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT country, age, count(*) + 0 FROM users GROUP BY country
SELECT sum(age) + id FROM users
SELECT country, sum(age) + (SELECT count(*) FROM countries) FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT country, sum(age) + 1, now() = now() FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT balance, count(*) + 0 FROM users GROUP BY balance ORDER BY balance --: refused 0A000 portal
SELECT v, count(*) + 0 FROM measures GROUP BY v ORDER BY v --: refused 0A000 portal
SELECT c, count(*) + 0 FROM measures GROUP BY c ORDER BY c --: refused 0A000 portal
SELECT t, max(n) + 1, min(d) - 1 FROM measures WHERE n < 1000 GROUP BY t ORDER BY t --: refused 0A000 portal
SELECT w, count(*) + 0 FROM measures GROUP BY w ORDER BY w --: refused 0A000 portal
SELECT f, count(*) + 0 FROM measures GROUP BY f ORDER BY f --: refused 0A000 portal
SELECT sum(f) + 1 FROM measures WHERE f BETWEEN 0 AND 1 --: refused 0A000 portal
SELECT max(name) || '!' FROM users --: refused 0A000 portal
SELECT a, count(*) + 0 FROM measures GROUP BY a ORDER BY a --: refused 0A000 portal
SELECT j, count(*) + 0 FROM measures GROUP BY j ORDER BY j --: refused 0A000 portal
WITH w AS (SELECT country, age FROM users WHERE age > 11) SELECT country, sum(age) + 1 FROM w GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT s.c, sum(s.n) + 1 FROM (SELECT user_id, country AS c, count(*) AS n FROM users JOIN posts ON user_id = users.id GROUP BY user_id, country) s GROUP BY s.c ORDER BY s.c --: refused 0A000 portal
SELECT country, count(*) FILTER (WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = u.id)) + 0 FROM users u GROUP BY country ORDER BY country --: refused 0A000 portal
SELECT u.country AS age, sum(u.age) + 0 FROM users u GROUP BY u.country ORDER BY age --: refused 0A000 portal
SELECT country AS c, sum(age) + 0 AS country FROM users GROUP BY users.country ORDER BY country --: refused 0A000 portal
BEGIN
+ SELECT country, sum(age) + 1 FROM users GROUP BY country ORDER BY country --: refused 0A000 portal
+ SELECT sum(age) / 0 FROM users
+ SELECT 1
+ ROLLBACK
