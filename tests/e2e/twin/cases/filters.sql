-- Predicates and expressions that each shard computes for its own rows.
SELECT id FROM users WHERE age > 15 AND country = 'de'
SELECT id FROM users WHERE age IS NULL
SELECT id FROM users WHERE country IS NULL OR country <> 'de'
SELECT id FROM users WHERE name LIKE 'user 1%'
SELECT id FROM users WHERE name ~ '[35]$'
SELECT id FROM users WHERE active IS NOT TRUE
SELECT id FROM users WHERE joined BETWEEN '2024-12-22' AND '2024-12-24'
SELECT id FROM users WHERE age = $1 AND active = $2 --: with 15|t
SELECT id FROM users WHERE balance > $1::numeric --: with 200.5
SELECT id, balance * 2, balance / 3, round(balance / 7, 4), -balance FROM users
SELECT id, age + 1, age * 1.5, age::text || '!', age::float8 / 3 FROM users
SELECT id, coalesce(country, 'none'), nullif(country, 'de'), greatest(age, 15), least(age, id) FROM users
SELECT id, CASE WHEN age < 15 THEN 'young' WHEN age IS NULL THEN NULL ELSE 'old' END FROM users
SELECT id, upper(name), length(name), substring(name from 3 for 2), name || '/' || coalesce(country, '') FROM users
SELECT id, joined + 3, joined - date '2024-12-01', extract(dow FROM joined), to_char(joined, 'YYYY-MM-DD') FROM users
SELECT id, age IN (10, 11, 12), age BETWEEN 12 AND 15, age IS DISTINCT FROM 12 FROM users
SELECT user_id, id, created AT TIME ZONE 'UTC', date_trunc('day', created), created + interval '1 day' FROM posts
SELECT user_id, id, tags, tags[1], array_length(tags, 1), 'a' = ANY (tags) FROM posts
SELECT user_id, id, unnest(tags) FROM posts
SELECT k, j -> 'n', j ->> 'n', j #>> '{l,0}', j @> '{"n": 1}' FROM measures
SELECT k FROM measures WHERE j ->> 'n' = '1'
SELECT k FROM measures WHERE a @> ARRAY[1]
SELECT k FROM measures WHERE 2 = ANY (a)
SELECT k, x * 2, x + interval '1 hour', justify_days(x) FROM measures
SELECT k, encode(h, 'hex'), length(h), substring(h from 1 for 2) FROM measures
SELECT k, c, c || '|', length(c), c = 'c1' FROM measures
SELECT k, row(k, grp), ARRAY[i, s], ROW(1, 'a') FROM measures
SELECT k, generate_series(1, s) FROM measures WHERE s BETWEEN 1 AND 3
SELECT id, (SELECT name FROM countries WHERE code = country) FROM users
SELECT id FROM users WHERE country IN (SELECT code FROM countries WHERE size > 70)
SELECT id FROM users WHERE EXISTS (SELECT FROM countries WHERE code = country AND size < 70)
SELECT id FROM users u WHERE id = 3 AND EXISTS (SELECT FROM posts WHERE user_id = u.id)
-- Every type, as text and in binary
SELECT s, i, b, n, m FROM measures
SELECT r, f, t, v, c, o FROM measures
SELECT d, z, y, w, x FROM measures
SELECT u, j, h, a FROM measures
SELECT NULL, '', 'x'::varchar(3), 1::numeric(5, 2), 'a'::char(3), '1 day'::interval(0) FROM measures WHERE k < 5
SELECT 'NaN'::numeric, 'Infinity'::float8, '-0'::float8, 1e300 FROM users WHERE id < 5
-- Errors: the same code, wherever the row lies
SELECT 10 / (id - 7) FROM users
SELECT 10 / n FROM nobody
SELECT name::int FROM users
SELECT age / 0 FROM users WHERE id < 0
SELECT nothing FROM users
SELECT * FROM users WHERE nothing = 1
SELECT * FROM no_such_table
SELECT no_such_function(id) FROM users
SELECT id FROM users WHERE name = 5
SELECT id FROM users WHERE name
SELECT sum(name) FROM users
SELECT id, count(*) FROM users
SELECT id FROM users GROUP BY age
SELECT id FROM users WHERE count(*) > 1
SELECT id FROM users ORDER BY 5
SELECT DISTINCT id FROM users ORDER BY age
SELECT id FROM users ORDER BY nothing
SELECT id FROM users LIMIT -1
SELECT id FROM users OFFSET -1
SELECT id FROM users LIMIT 'x'
SELECT id FROM users UNION SELECT id, name FROM users
SELECT id FROM users UNION SELECT name FROM users
SELECT count(*) FILTER (WHERE count(*) > 1) FROM users
SELECT max(max(age)) FROM users
SELECT * FROM users WHERE id IN (1, 2, 'x')
SELECT id FROM users WHERE id = $1 --: with abc
SELECT id FROM users WHERE age = $1 --: with abc
SELECT id FROM users WHERE id IN ($1, 16, 33) ORDER BY -name --: with 2
SELECT id FROM users WHERE id IN ($1, 16, 33) AND nothing = 1 --: with 2
SELECT id FROM users WHERE id IN ($1, 16, 33) AND 1 / (id - 16) = 1 --: with 2
SELECT id FROM users WHERE id IN ($1, 16, 33) --: with x
SELECT id FROM users WHERE id > $1 AND nothing = 1 --: with 2
SELECT nothing FROM users WHERE id = $1 --: with 2
SELEC id FROM users
SELECT id FROM users WHERE
SELECT (SELECT id FROM users) FROM lone
SELECT sum(b) * 9223372036854775807 * 9 FROM measures
SELECT sum(b::int4) FROM measures
SELECT avg(i) / count(*) FILTER (WHERE false) FROM measures
