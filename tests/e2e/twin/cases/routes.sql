-- Which shards a statement needs.
SELECT id, name FROM users WHERE id = 4
SELECT id, name FROM users WHERE id = $1 --: with 17
SELECT id, name FROM users WHERE id = $1 --: with NULL
SELECT id, name FROM users WHERE id = 4000
SELECT id, name FROM users WHERE id = NULL
SELECT id, name FROM users WHERE false
SELECT k, i FROM measures WHERE k IS NULL
-- IN, ANY, OR
SELECT id, name FROM users WHERE id IN (1, 2, 3)
SELECT id, name FROM users WHERE id IN (1, 2, 3) ORDER BY id DESC
SELECT id, name FROM users WHERE id IN (1, 1, NULL, 4000)
SELECT id, name FROM users WHERE id IN ($1, $2, 33) ORDER BY id --: with 5|25
SELECT id, name FROM users WHERE id NOT IN (1, 2, 3) ORDER BY id
SELECT id, name FROM users WHERE id NOT IN (1, NULL)
SELECT id, name FROM users WHERE id = ANY (ARRAY[3, 13, 23])
SELECT id, name FROM users WHERE id = ANY ('{3, 13, 23, NULL}')
SELECT id, name FROM users WHERE id = ANY ($1) ORDER BY id --: with {1,11,21,31}
SELECT id, name FROM users WHERE id = ANY ($1::bigint[]) ORDER BY id --: with {1,11,NULL,31}
SELECT id, name FROM users WHERE id = ANY ($1::bigint[]) --: with {}
SELECT id, name FROM users WHERE id = ANY ($1::bigint[]) --: with NULL
SELECT id, name FROM users WHERE id = ALL (ARRAY[3, 3])
SELECT id, name FROM users WHERE id <> ALL (ARRAY[3, 13, 23]) ORDER BY id
SELECT id, name FROM users WHERE id = 1 OR id = 12 OR id = 35
SELECT id, name FROM users WHERE id = 1 OR name = 'user 5' ORDER BY id
SELECT id, name FROM users WHERE (id = 1 AND active) OR (id = 30 AND NOT active) ORDER BY id
SELECT id, name FROM users WHERE id IN (1, 2) AND id IN (2, 3)
-- Ranges
SELECT id, name FROM users WHERE id BETWEEN 11 AND 13 ORDER BY id
SELECT id, name FROM users WHERE id BETWEEN 8 AND 23 ORDER BY id
SELECT id, name FROM users WHERE id BETWEEN 23 AND 8
SELECT id, name FROM users WHERE id BETWEEN SYMMETRIC 23 AND 8 ORDER BY id
SELECT id, name FROM users WHERE id > 35
SELECT id, name FROM users WHERE id < 3 ORDER BY id
SELECT id, name FROM users WHERE id >= 10 AND id < 20 ORDER BY id
SELECT id, name FROM users WHERE id >= $1 AND id < $2 ORDER BY id --: with 15|25
SELECT id, name FROM users WHERE NOT (id < 38)
SELECT day, page, hits FROM visits WHERE day BETWEEN '2025-01-01' AND '2025-03-31' ORDER BY day, page
SELECT day, page, hits FROM visits WHERE day >= date '2025-06-01' ORDER BY 1, 2
SELECT login FROM people WHERE login >= 'm' AND login < 't' ORDER BY login
SELECT login FROM people WHERE login LIKE 'o%'
SELECT u, n FROM items WHERE u < '40000000-0000-0000-0000-000000000000' ORDER BY u
-- Row constructors
SELECT tenant, region, id FROM orders WHERE (tenant, region) = (2, 'n')
SELECT tenant, region, id FROM orders WHERE (tenant, region) IN ((2, 'n'), (3, 's'), (9, 'x')) ORDER BY 1, 2, 3
SELECT tenant, region, id FROM orders WHERE tenant = 4 ORDER BY region, id
SELECT tenant, region, id FROM orders WHERE tenant IN (1, 2) AND region IN ('n', 'e') ORDER BY 1, 2, 3
SELECT user_id, id FROM posts WHERE (user_id, id) > (20, 1) ORDER BY user_id, id
SELECT id FROM users WHERE (id, age) IN (SELECT id, age FROM users WHERE age > 20) ORDER BY id
-- What only a server can compute
SELECT id, name FROM users WHERE id = abs(-5)
SELECT id, name FROM users WHERE id = 2 + 3
SELECT id, name FROM users WHERE id = '5'::text::bigint
SELECT id, name FROM users WHERE id + 0 = 5
SELECT id, name FROM users WHERE id = (SELECT max(size) - 63 FROM countries WHERE code = 'fr')
SELECT id, name FROM users WHERE id::text = '5'
SELECT id, name FROM users WHERE id IS NOT DISTINCT FROM 5
SELECT id, name FROM users WHERE id % 10 = 5 ORDER BY id
SELECT id, name FROM users WHERE id = length('abcde')
SELECT login, name FROM people WHERE login = lower('ANNA')
SELECT login, name FROM people WHERE login = 'ömer'
SELECT login, name FROM people WHERE login = ''
SELECT login FROM people WHERE login IN ('anna', 'tom', 'ömer', 'nobody') ORDER BY login
SELECT login FROM people WHERE login = ANY ($1) ORDER BY login --: with {anna,zoe,""}
SELECT label, n FROM items WHERE u = md5('3')::uuid
SELECT label, n FROM items WHERE u IN ('c4ca4238-a0b9-2382-0dcc-509a6f75849b', 'c81e728d-9d4c-2f63-6f06-7f89cc14862c') ORDER BY n
-- All of them
SELECT * FROM users
SELECT * FROM measures
SELECT * FROM nobody
SELECT * FROM lone
SELECT * FROM people
SELECT * FROM items
SELECT * FROM visits
SELECT * FROM orders
SELECT * FROM posts
SELECT u.* FROM users u
SELECT users FROM users --: refused 0A000 range binary
SELECT id AS "Key", name AS "a b", 1, NULL, 'x' FROM users
SELECT id, id FROM users
SELECT FROM users
SELECT FROM users WHERE id > 30
SELECT tableoid::regclass, id FROM users --: refused 0A000
SELECT ctid IS NOT NULL, id FROM users --: refused 0A000
TABLE users
TABLE lone
SELECT * FROM ONLY users
SELECT * FROM users TABLESAMPLE BERNOULLI (100) --: refused 0A000
SELECT 1
SELECT generate_series(1, 5)
SELECT * FROM countries ORDER BY code
SELECT * FROM settings ORDER BY name
SELECT name, current_database() IS NOT NULL FROM users WHERE id IN (3, 33)
SELECT id FROM users WHERE id = 1; SELECT id FROM users WHERE id = 25
SELECT count(*) FROM users; SELECT count(*) FROM posts
SELECT 1; SELECT count(*) FROM users; SELECT 2
