-- Aggregates of all rows.
SELECT count(*) FROM users --: refused 0A000 portal
SELECT count(age), count(country), count(DISTINCT country), count(1), count(NULL) FROM users --: refused 0A000 portal
SELECT count(*) AS n FROM users WHERE age > 15 --: refused 0A000 portal
SELECT sum(age), min(age), max(age), avg(age) FROM users --: refused 0A000 portal
SELECT sum(balance), min(balance), max(balance), avg(balance) FROM users --: refused 0A000 portal
SELECT sum(s), sum(i), sum(b), sum(n), sum(m), sum(r), sum(f), sum(x) FROM measures --: refused 0A000 portal
SELECT avg(s), avg(i), avg(b), avg(m), avg(r), avg(f), avg(x) FROM measures --: refused 0A000 portal
SELECT avg(n) FROM measures --: refused 0A000 portal
SELECT min(s), min(i), min(b), min(m), min(r), min(f), min(t), min(v), min(c), min(d), min(z), min(y), min(w) FROM measures --: refused 0A000 portal
SELECT max(s), max(i), max(b), max(m), max(r), max(f), max(t), max(v), max(c), max(d), max(z), max(y), max(w) FROM measures --: refused 0A000 portal
SELECT min(x), max(x), min(a), max(a) FROM measures --: refused 0A000 portal
SELECT min(n), max(n) FROM measures --: refused 0A000 portal
SELECT bool_and(o), bool_or(o), every(o), bool_and(k > 0) FROM measures --: refused 0A000 portal
SELECT bit_and(i), bit_or(i), bit_xor(i), bit_and(b), bit_or(s) FROM measures --: refused 0A000 portal
SELECT stddev(i), stddev_pop(i), stddev_samp(m), variance(i), var_pop(s), var_samp(b) FROM measures --: refused 0A000 portal
SELECT count(DISTINCT grp), sum(DISTINCT i), avg(DISTINCT s), min(DISTINCT t) FROM measures --: refused 0A000 portal
SELECT count(DISTINCT (grp, i)) FROM measures --: refused 0A000 portal
SELECT count(*) FILTER (WHERE o), sum(i) FILTER (WHERE grp = 'a'), max(t) FILTER (WHERE false) FROM measures --: refused 0A000 portal
SELECT count(*), sum(i), avg(i), min(i), max(i), bool_and(i > 0), stddev(i) FROM measures WHERE false
SELECT count(*), sum(n), avg(n), min(t), max(t) FROM nobody --: refused 0A000 portal
SELECT count(*), sum(n), avg(n), min(t), max(t), stddev(n), var_pop(n) FROM lone --: refused 0A000 portal
SELECT coalesce(sum(n), 0), coalesce(max(t), 'none') FROM nobody --: refused 0A000 portal
SELECT sum(age) + 1, sum(age) * 2.5, -max(age), count(*)::text || ' rows' FROM users --: refused 0A000 portal
SELECT sum(likes)::numeric / count(*) FROM posts --: refused 0A000 portal
SELECT round(avg(balance), 2), round(sum(balance) / count(*), 5) FROM users --: refused 0A000 portal
SELECT max(age) - min(age) AS spread FROM users --: refused 0A000 portal
SELECT CASE WHEN count(*) > 10 THEN 'many' ELSE 'few' END FROM users --: refused 0A000 portal
SELECT sum(age + 1), sum(age * id), avg(id % 5), max(length(name)), min(upper(name)) FROM users --: refused 0A000 portal
SELECT sum(CASE WHEN active THEN 1 ELSE 0 END) FROM users --: refused 0A000 portal
SELECT sum(1), sum(2.5), max('x'), min(NULL::int) FROM users --: refused 0A000 portal
SELECT count(*), (SELECT count(*) FROM countries) FROM users --: refused 0A000 portal
SELECT count(*) FROM users WHERE id IN (1, 11, 21) --: refused 0A000 portal
SELECT count(*) FROM users WHERE id = 1
SELECT count(*), sum(id) FROM users WHERE id BETWEEN 5 AND 25 --: refused 0A000 portal
SELECT count(*) FROM users WHERE age = $1 --: refused 0A000 portal, with 12
SELECT sum(age) FILTER (WHERE id > $1) FROM users --: refused 0A000 portal, with 20
SELECT min(login), max(login), count(*) FROM people --: refused 0A000 portal
SELECT min(u::text), max(u::text) FROM items --: refused 0A000 portal
SELECT min(day), max(day), sum(hits) FROM visits --: refused 0A000 portal
SELECT sum(total), avg(total) FROM orders --: refused 0A000 portal
SELECT 1 FROM users HAVING count(*) > 5 --: refused 0A000 portal
SELECT count(*) FROM users HAVING count(*) > 500 --: refused 0A000 portal
SELECT 'a' FROM users HAVING max(age) < 5 --: refused 0A000 portal
SELECT count(*) FROM users ORDER BY count(*) --: refused 0A000 portal
SELECT count(*) FROM users LIMIT 1 --: refused 0A000 portal
SELECT count(*) FROM users OFFSET 1 --: refused 0A000 portal
SELECT max(age) FROM users ORDER BY 1 LIMIT 1 --: refused 0A000 portal
-- Of what we don't merge by itself
SELECT string_agg(name, ',' ORDER BY id) FROM users --: refused 0A000 portal
SELECT array_agg(id ORDER BY id DESC) FROM users --: refused 0A000 portal
SELECT array_agg(id ORDER BY id) FILTER (WHERE active) FROM users --: refused 0A000 portal
SELECT string_agg(DISTINCT country, ',' ORDER BY country) FROM users --: refused 0A000 portal
SELECT json_agg(id ORDER BY id) FROM users --: refused 0A000 portal
SELECT jsonb_object_agg(id, name) FROM users --: refused 0A000 portal
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY age), percentile_disc(0.25) WITHIN GROUP (ORDER BY balance) FROM users --: refused 0A000 portal
SELECT mode() WITHIN GROUP (ORDER BY active) FROM users --: refused 0A000 portal
SELECT rank(15) WITHIN GROUP (ORDER BY age) FROM users --: refused 0A000 portal
SELECT corr(i, k) IS NOT NULL, regr_count(i, k) FROM measures --: refused 0A000 portal
SELECT sum(n ORDER BY k) FROM measures --: refused 0A000 portal
SELECT range_agg(int4range(i, i + 1)) FROM measures --: refused 0A000 portal
SELECT count(DISTINCT b), count(DISTINCT u), count(DISTINCT d), count(DISTINCT j) FROM measures --: refused 0A000 portal
-- In subqueries
SELECT * FROM (SELECT count(*) AS n FROM users) s --: refused 0A000 portal
SELECT (SELECT count(*) FROM users), (SELECT max(id) FROM posts) --: refused 0A000 portal
SELECT n * 2 FROM (SELECT sum(age) AS n FROM users) s --: refused 0A000 portal
SELECT max(n) FROM (SELECT user_id, count(*) AS n FROM posts GROUP BY user_id) s --: refused 0A000 portal
SELECT avg(n) FROM (SELECT country, count(*) AS n FROM users GROUP BY country) s --: refused 0A000 portal
SELECT count(*) FROM (SELECT DISTINCT country FROM users) s --: refused 0A000 portal
SELECT id FROM users WHERE age = (SELECT max(age) FROM users) ORDER BY id --: refused 0A000 portal
SELECT id FROM users WHERE balance > (SELECT avg(balance) FROM users) ORDER BY id --: refused 0A000 portal
SELECT name FROM countries WHERE size > (SELECT count(*) FROM users) ORDER BY name --: refused 0A000 portal
