-- Aggregates of all rows.
SELECT count(*) FROM users
SELECT count(age), count(country), count(DISTINCT country), count(1), count(NULL) FROM users
SELECT count(*) AS n FROM users WHERE age > 15
SELECT sum(age), min(age), max(age), avg(age) FROM users
SELECT sum(balance), min(balance), max(balance), avg(balance) FROM users
SELECT sum(s), sum(i), sum(b), sum(n), sum(m), sum(r), sum(f), sum(x) FROM measures
SELECT avg(s), avg(i), avg(b), avg(m), avg(r), avg(f), avg(x) FROM measures
SELECT avg(n) FROM measures
SELECT min(s), min(i), min(b), min(m), min(r), min(f), min(t), min(v), min(c), min(d), min(z), min(y), min(w) FROM measures
SELECT max(s), max(i), max(b), max(m), max(r), max(f), max(t), max(v), max(c), max(d), max(z), max(y), max(w) FROM measures
SELECT min(x), max(x), min(a), max(a) FROM measures
SELECT min(n), max(n) FROM measures
SELECT bool_and(o), bool_or(o), every(o), bool_and(k > 0) FROM measures
SELECT bit_and(i), bit_or(i), bit_xor(i), bit_and(b), bit_or(s) FROM measures
SELECT stddev(i), stddev_pop(i), stddev_samp(m), variance(i), var_pop(s), var_samp(b) FROM measures
SELECT count(DISTINCT grp), sum(DISTINCT i), avg(DISTINCT s), min(DISTINCT t) FROM measures
SELECT count(DISTINCT (grp, i)) FROM measures
SELECT count(*) FILTER (WHERE o), sum(i) FILTER (WHERE grp = 'a'), max(t) FILTER (WHERE false) FROM measures
SELECT count(*), sum(i), avg(i), min(i), max(i), bool_and(i > 0), stddev(i) FROM measures WHERE false
SELECT count(*), sum(n), avg(n), min(t), max(t) FROM nobody
SELECT count(*), sum(n), avg(n), min(t), max(t), stddev(n), var_pop(n) FROM lone
SELECT coalesce(sum(n), 0), coalesce(max(t), 'none') FROM nobody
SELECT sum(age) + 1, sum(age) * 2.5, -max(age), count(*)::text || ' rows' FROM users
SELECT sum(likes)::numeric / count(*) FROM posts
SELECT round(avg(balance), 2), round(sum(balance) / count(*), 5) FROM users
SELECT max(age) - min(age) AS spread FROM users
SELECT CASE WHEN count(*) > 10 THEN 'many' ELSE 'few' END FROM users
SELECT sum(age + 1), sum(age * id), avg(id % 5), max(length(name)), min(upper(name)) FROM users
SELECT sum(CASE WHEN active THEN 1 ELSE 0 END) FROM users
SELECT sum(1), sum(2.5), max('x'), min(NULL::int) FROM users
SELECT count(*), (SELECT count(*) FROM countries) FROM users
SELECT count(*) FROM users WHERE id IN (1, 11, 21)
SELECT count(*) FROM users WHERE id = 1
SELECT count(*), sum(id) FROM users WHERE id BETWEEN 5 AND 25
SELECT count(*) FROM users WHERE age = $1 --: with 12
SELECT sum(age) FILTER (WHERE id > $1) FROM users --: with 20
SELECT min(login), max(login), count(*) FROM people
SELECT min(u::text), max(u::text) FROM items
SELECT min(day), max(day), sum(hits) FROM visits
SELECT sum(total), avg(total) FROM orders
SELECT 1 FROM users HAVING count(*) > 5
SELECT count(*) FROM users HAVING count(*) > 500
SELECT 'a' FROM users HAVING max(age) < 5
SELECT count(*) FROM users ORDER BY count(*)
SELECT count(*) FROM users LIMIT 1
SELECT count(*) FROM users OFFSET 1
SELECT max(age) FROM users ORDER BY 1 LIMIT 1
-- Of what we don't merge by itself
SELECT string_agg(name, ',' ORDER BY id) FROM users
SELECT array_agg(id ORDER BY id DESC) FROM users
SELECT array_agg(id ORDER BY id) FILTER (WHERE active) FROM users
SELECT string_agg(DISTINCT country, ',' ORDER BY country) FROM users
SELECT json_agg(id ORDER BY id) FROM users
SELECT jsonb_object_agg(id, name) FROM users
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY age), percentile_disc(0.25) WITHIN GROUP (ORDER BY balance) FROM users
SELECT mode() WITHIN GROUP (ORDER BY active) FROM users
SELECT rank(15) WITHIN GROUP (ORDER BY age) FROM users
SELECT corr(i, k) IS NOT NULL, regr_count(i, k) FROM measures
SELECT sum(n ORDER BY k) FROM measures
SELECT range_agg(int4range(i, i + 1)) FROM measures
SELECT count(DISTINCT b), count(DISTINCT u), count(DISTINCT d), count(DISTINCT j) FROM measures
-- In subqueries
SELECT * FROM (SELECT count(*) AS n FROM users) s
SELECT (SELECT count(*) FROM users), (SELECT max(id) FROM posts)
SELECT n * 2 FROM (SELECT sum(age) AS n FROM users) s
SELECT max(n) FROM (SELECT user_id, count(*) AS n FROM posts GROUP BY user_id) s
SELECT avg(n) FROM (SELECT country, count(*) AS n FROM users GROUP BY country) s
SELECT count(*) FROM (SELECT DISTINCT country FROM users) s
SELECT id FROM users WHERE age = (SELECT max(age) FROM users) ORDER BY id
SELECT id FROM users WHERE balance > (SELECT avg(balance) FROM users) ORDER BY id
SELECT name FROM countries WHERE size > (SELECT count(*) FROM users) ORDER BY name
