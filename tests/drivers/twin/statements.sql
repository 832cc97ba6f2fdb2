-- See twin.py. A statement a line.
-- What a key is compared with.
SELECT id, name FROM users WHERE id = 42
SELECT id, name FROM users WHERE id = '42'
SELECT id, name FROM users WHERE id = '  42 '
SELECT id, name FROM users WHERE id = '4_2'
SELECT id, name FROM users WHERE id = '+42'
SELECT id, name FROM users WHERE id = '042'
SELECT id, name FROM users WHERE id = '1e2'
SELECT id, name FROM users WHERE id = 42.0
SELECT id, name FROM users WHERE id = 42.5
SELECT id, name FROM users WHERE id = 4.2e1
SELECT id, name FROM users WHERE id = '42.0'
SELECT id, name FROM users WHERE id = -1
SELECT id, name FROM users WHERE id = '-1'
SELECT id, name FROM users WHERE id = - 1
SELECT id, name FROM users WHERE id = -(1)
SELECT id, name FROM users WHERE id = +1
SELECT id, name FROM users WHERE id = - -1
SELECT id, name FROM users WHERE id = 9007199254740993
SELECT id, name FROM users WHERE id = '9007199254740993'
SELECT id, name FROM users WHERE id = 9223372036854775807
SELECT id, name FROM users WHERE id = 9223372036854775808
SELECT id, name FROM users WHERE id = -9223372036854775808
SELECT id, name FROM users WHERE id = 99999999999999999999
SELECT id, name FROM users WHERE id = '99999999999999999999'
SELECT id, name FROM users WHERE id = 'abc'
SELECT id, name FROM users WHERE id = ''
SELECT id, name FROM users WHERE id = null
SELECT id, name FROM users WHERE id = '42'::int
SELECT id, name FROM users WHERE id = '42'::text
SELECT id, name FROM users WHERE id = '42'::text::bigint
SELECT id, name FROM users WHERE id = 42::int2
SELECT id, name FROM users WHERE id = 42::numeric
SELECT id, name FROM users WHERE id = 42.4::int
SELECT id, name FROM users WHERE id = 42::float8
SELECT id, name FROM users WHERE id = 42::real
SELECT id, name FROM users WHERE id = '42'::numeric
SELECT id, name FROM users WHERE id = cast('42' as smallint)
SELECT id, name FROM users WHERE id = bigint '42'
SELECT id, name FROM users WHERE id = int8 '42'
SELECT id, name FROM users WHERE id = E'42'
SELECT id, name FROM users WHERE id = E'\x34\x32'
SELECT id, name FROM users WHERE id = E'4\062'
SELECT id, name FROM users WHERE id = U&'42'
SELECT id, name FROM users WHERE id = U&'\00342'
SELECT id, name FROM users WHERE id = $$42$$
SELECT id, name FROM users WHERE id = $a$42$a$
SELECT id, name FROM users WHERE id = '4' /* c */ '2'
SELECT id, name FROM users WHERE id = '4' '2'
SELECT id, name FROM users WHERE id = N'42'
SELECT id, name FROM users WHERE id = B'101010'
SELECT id, name FROM users WHERE id = X'2A'
SELECT id, name FROM users WHERE id = B'101010'::int
SELECT id, name FROM users WHERE id = 0x2A
SELECT id, name FROM users WHERE id = 42e0
SELECT id, name FROM users WHERE id = .42e2
SELECT id, name FROM users WHERE id = 42.
SELECT id, name FROM users WHERE id = 42::money
SELECT id, name FROM users WHERE id = true
SELECT id, name FROM users WHERE id = '42'::"char"
SELECT id, name FROM users WHERE id = 42::oid
SELECT id, name FROM users WHERE id = '42'::oid
SELECT id, name FROM users WHERE id = (42)
SELECT id, name FROM users WHERE id = ((42))
SELECT id, name FROM users WHERE id = (select 42)
SELECT id, name FROM users WHERE id = (values (42))
SELECT id, name FROM users WHERE id = 40+2
SELECT id, name FROM users WHERE id = 42 % 100
SELECT id, name FROM users WHERE id = abs(42)
SELECT id, name FROM users WHERE id = imm(41)
SELECT id, name FROM users WHERE id = coalesce(42,1)
SELECT id, name FROM users WHERE id = case when true then 42 end
SELECT id, name FROM users WHERE id = 42::bigint::int
SELECT id, name FROM users WHERE id = '42'::pg_catalog.int8
SELECT id, name FROM users WHERE id = 42 collate "C"
SELECT id, name FROM users WHERE id = some(array[42])
SELECT id, name FROM users WHERE id = any(array[42])
SELECT id, name FROM users WHERE id = any('{42}')
SELECT id, name FROM users WHERE id = any('{42,42}'::bigint[])
SELECT id, name FROM users WHERE id = any(array[42,null])
SELECT id, name FROM users WHERE id = all(array[42])
SELECT id, name FROM users WHERE id = any(select 42)
SELECT id, name FROM users WHERE id = any(values (42))
SELECT id, name FROM users WHERE id = 42 is true
SELECT id, name FROM users WHERE id = 42 is not false
SELECT id, name FROM users WHERE id = 42 isnull
SELECT id, name FROM users WHERE id = 42 = true
SELECT id, name FROM users WHERE id = 42 and true
SELECT id, name FROM users WHERE id = 42 or false
SELECT id, name FROM users WHERE id = 42 or null
SELECT id, name FROM users WHERE id = 42 and null
SELECT id, name FROM users WHERE id = date '2025-01-01'
SELECT id, name FROM users WHERE id = current_date
SELECT id, name FROM users WHERE id = array[42]
SELECT id, name FROM users WHERE id = row(42)
SELECT id, name FROM users WHERE id = 'nan'
SELECT id, name FROM users WHERE id = 42::mood
SELECT id, name FROM users WHERE id = id
SELECT id, name FROM users WHERE id = id + 0
SELECT id, name FROM users WHERE id = users.id
SELECT id, name FROM users WHERE id = 42 /*x*/
SELECT id, name FROM users WHERE id = 5-/**/-37
SELECT id, name FROM users WHERE id = length('x')
SELECT id, name FROM users WHERE 42 = id
SELECT id, name FROM users WHERE id=-1
SELECT id, name FROM users WHERE id =-1
SELECT id, name FROM users WHERE id=+1
SELECT id, name FROM users WHERE id=-/*c*/1
SELECT id, name FROM users WHERE id<>42
SELECT id, name FROM users WHERE id != 42
SELECT id, name FROM users WHERE id >= 42 and id <= 42
SELECT id, name FROM users WHERE id between 42 and 42
SELECT id, name FROM users WHERE id between symmetric 42 and 42
SELECT id, name FROM users WHERE id in (42)
SELECT id, name FROM users WHERE id in (42,42)
SELECT id, name FROM users WHERE id in (42,null)
SELECT id, name FROM users WHERE id in (null)
SELECT id, name FROM users WHERE id in (42.0)
SELECT id, name FROM users WHERE id in ('42')
SELECT id, name FROM users WHERE id in ('42',42.0)
SELECT id, name FROM users WHERE id in ('42', 42.5)
SELECT id, name FROM users WHERE id in (42, '1e2')
SELECT id, name FROM users WHERE id in (-1,-1)
SELECT id, name FROM users WHERE id in (- 1)
SELECT id, name FROM users WHERE id not in (42)
SELECT id, name FROM users WHERE not id = 42
SELECT id, name FROM users WHERE not (id <> 42)
SELECT id, name FROM users WHERE not not id = 42
SELECT id, name FROM users WHERE id is not distinct from 42
SELECT id, name FROM users WHERE id is distinct from 42
SELECT id, name FROM users WHERE coalesce(id,42)=42
SELECT id, name FROM users WHERE case when id=42 then true end
SELECT id, name FROM users WHERE case id when 42 then true else false end
SELECT id, name FROM users WHERE id = 42 and id = 43
SELECT id, name FROM users WHERE id = 42 or id = 42
SELECT id, name FROM users WHERE id=42 or id=43
SELECT id, name FROM users WHERE id = 42 or name = 'user 42'
SELECT id, name FROM users WHERE id = 42 and (name = 'x' or true)
SELECT id, name FROM users WHERE (id,name) = (42,'user 42')
SELECT id, name FROM users WHERE (id, name) = row(42,'user 42')
SELECT id, name FROM users WHERE row(id,name) = row(42,'user 42')
SELECT id, name FROM users WHERE (id,name) in ((42,'user 42'),(42,'x'))
SELECT id, name FROM users WHERE (id,name) in (select 42,'user 42')
SELECT id, name FROM users WHERE (id,name) >= (42,'a') and id=42
SELECT id, name FROM users WHERE (id) = (42)
SELECT id, name FROM users WHERE row(id) = row(42)
SELECT id, name FROM users WHERE (id, name) <> (42,'x') and id = 42
SELECT id, name FROM users WHERE users = row(42,'user 42',0,'de',42.50)
SELECT id, name FROM users WHERE users.* = row(42,'user 42',0,'de',42.50)
SELECT id, name FROM users WHERE id::int = 42
SELECT id, name FROM users WHERE id::int2 = 42
SELECT id, name FROM users WHERE id::int2 = 70000
SELECT id, name FROM users WHERE id::numeric = 42
SELECT id, name FROM users WHERE id::text = '42'
SELECT id, name FROM users WHERE cast(id as bigint) = 42
SELECT id, name FROM users WHERE -id = -42
SELECT id, name FROM users WHERE id+0 = 42
SELECT id, name FROM users WHERE id operator(pg_catalog.=) 42
SELECT id, name FROM users WHERE id operator(=) 42
SELECT id, name FROM users WHERE (id = 42) is true
SELECT id, name FROM users WHERE (id=42) is not true
SELECT id, name FROM users WHERE (id=42) is unknown
SELECT id, name FROM users WHERE (id = 42) = true
SELECT id, name FROM users WHERE (id=42) and not null
SELECT id, name FROM users WHERE id = 42 and id is null
SELECT id, name FROM users WHERE id is null
SELECT id, name FROM users WHERE id like '42'
SELECT id, name FROM users WHERE id::varchar = '42'
SELECT id, name FROM users WHERE true and id = 42
SELECT id, name FROM users WHERE id = 42 and false
SELECT id, name FROM users WHERE false
SELECT id, name FROM users WHERE null
SELECT id, name FROM users WHERE 1=1 and id=42
SELECT id, name FROM users WHERE id = 42 and exists (select 1)
SELECT id, name FROM users WHERE id = (select 42 where false)
SELECT id, name FROM users WHERE id = (select id from users u2 where u2.id=42)
SELECT id, name FROM users WHERE id = (select max(id) from users where id = 42)
SELECT id, name FROM users WHERE id in (select id from users where id=42)
SELECT id, name FROM users WHERE id = any(array(select 42))
SELECT id, name FROM users WHERE exists (select 1 from posts where user_id = id and user_id = 42)
SELECT id, name FROM users WHERE exists (select 1 from posts where user_id = users.id) and id = 42
SELECT id, name FROM users WHERE not exists (select 1 from posts where user_id = users.id) and id = 40
SELECT id, name FROM users WHERE id = 40 and id not in (select user_id from posts where user_id = id)
SELECT id, name FROM users WHERE id = 40 or exists(select 1 from posts where user_id=users.id)
SELECT id, name FROM users WHERE id =42 and (select count(*) from posts) > 0
SELECT id, name FROM users WHERE id =42 and (select count(*) from posts where user_id = users.id) > 0
SELECT id, name FROM users WHERE id =42 and (select count(*) from posts p where p.user_id = id) > 0
SELECT id, name FROM users WHERE id = 42 and case when exists (select 1 from posts where user_id = users.id) then true else false end
SELECT id, name FROM users WHERE id = 42 or (id = 42 and exists (select 1 from posts))
-- Names, joins, subqueries, common table expressions.
SELECT u.total_posts FROM users u WHERE id = 40 -- refused
SELECT (u).total_posts FROM users u WHERE id = 40 -- refused
SELECT (u.*).total_posts FROM users u WHERE id = 40 -- refused
SELECT 1 FROM users WHERE id=40 and users.total_posts > 40 -- refused
SELECT 1 FROM users WHERE id=40 ORDER BY users.total_posts -- refused
SELECT (SELECT u.total_posts) FROM users u WHERE id = 40 -- refused
SELECT (r).total_posts FROM (SELECT u AS r FROM users u WHERE u.id = 40) q -- refused
UPDATE users SET age = users.total_posts WHERE id=40 RETURNING * -- refused
SELECT * FROM (VALUES (5::bigint)) o(tableoid) WHERE EXISTS (SELECT 1 FROM users WHERE id = tableoid)
SELECT x.* FROM users AS u(x, y) JOIN posts x ON x.user_id = u.x WHERE u.x = 41
SELECT * FROM users AS u(name, id) WHERE u.name = 41
SELECT * FROM users AS u(name, id) WHERE u.id = '41'
SELECT * FROM users AS u(name, id) WHERE id = 'user 41' and name=41
SELECT * FROM users AS posts JOIN posts AS users ON users.user_id = posts.id WHERE users.id = 41
SELECT * FROM users AS posts JOIN posts AS users ON users.user_id = posts.id WHERE posts.id = 41
SELECT * FROM "Mixed" WHERE "Id" = 5
SELECT * FROM "Mixed" WHERE id = 6
SELECT * FROM "Mixed" WHERE Id = 6
SELECT * FROM Mixed WHERE Id = 6
SELECT * FROM "Mixed" WHERE "ID" = 6
SELECT * FROM "Mixed" m WHERE m."Id" = 5 and m.id = 6
SELECT * FROM U&"Mi\0078ed" WHERE U&"\0049d" = 5
SELECT * FROM public.users, s2.users WHERE public.users.id = 41 AND s2.users.id = 41
SELECT * FROM public.users, s2.users WHERE public.users.id = 41 AND s2.users.id = public.users.id
SELECT * FROM public.users JOIN s2.users USING (id) WHERE id = 41
SELECT * FROM public.users pu JOIN s2.users USING (id) WHERE users.id = 41
SELECT * FROM public.users WHERE users.id = 41
SELECT * FROM s2.users WHERE public.users.id = 41
WITH users AS (SELECT 41 AS id) SELECT * FROM users
WITH users AS (SELECT * FROM users WHERE id = 41) SELECT * FROM users
WITH users AS (SELECT * FROM users) SELECT * FROM users WHERE id = 41
WITH users AS (SELECT 1 AS id) SELECT * FROM public.users WHERE id = 41
WITH users AS (SELECT 41 AS id) SELECT p.* FROM posts p JOIN users ON p.user_id = users.id
WITH a AS (SELECT * FROM posts), users AS (SELECT 41 AS id) SELECT a.* FROM a JOIN users ON a.user_id = users.id
WITH RECURSIVE users AS (SELECT 41 AS id UNION ALL SELECT id+1 FROM users WHERE id < 44) SELECT * FROM users
WITH RECURSIVE r AS (SELECT id FROM users WHERE id=41 UNION ALL SELECT u.id FROM users u JOIN r ON u.id = r.id+1 WHERE u.id<45) SELECT * FROM r
WITH RECURSIVE r(n) AS (SELECT id FROM users WHERE id=41 UNION SELECT n FROM r) SELECT * FROM r JOIN posts p ON p.user_id = r.n
WITH RECURSIVE r(n) AS (SELECT 41::bigint UNION ALL SELECT n + 1 FROM r WHERE n < 44) SELECT p.* FROM posts p JOIN r ON p.user_id = r.n
WITH RECURSIVE r(n) AS (SELECT 41::bigint UNION ALL SELECT n + 1 FROM r WHERE n < 44) SELECT * FROM users WHERE id IN (SELECT n FROM r)
WITH RECURSIVE r(n) AS (SELECT 41::bigint UNION ALL SELECT n + 1 FROM r WHERE n < 44) SELECT * FROM users WHERE id = (SELECT n FROM r WHERE n = 42)
WITH RECURSIVE r(n) AS (SELECT 41::bigint UNION ALL SELECT n + 1 FROM r WHERE n < 44) SELECT * FROM r WHERE n = 43
WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 41 AS id) SELECT p.* FROM posts p JOIN a ON p.user_id = a.id
WITH c AS MATERIALIZED (SELECT * FROM users) SELECT * FROM c WHERE id = 41
WITH c AS (SELECT * FROM users) SELECT * FROM c a JOIN c b USING (id) WHERE a.id = 41
WITH c AS (SELECT * FROM users) SELECT * FROM c a, c b WHERE a.id = 41
WITH c AS (SELECT * FROM users) SELECT (SELECT count(*) FROM c) FROM c WHERE c.id = 41
WITH c(x) AS (SELECT id FROM users) SELECT * FROM c WHERE x = 41
WITH c(x) AS (SELECT id FROM users) SELECT * FROM c AS d(y) WHERE y = 41
SELECT * FROM users u NATURAL JOIN s2.users v WHERE u.id = 41
SELECT * FROM users u NATURAL LEFT JOIN posts p WHERE u.id = 41
SELECT * FROM users u JOIN posts p USING (id) WHERE id = 41
SELECT * FROM users u JOIN posts p USING (id) WHERE u.id = 1 and p.user_id = 41
SELECT * FROM users u LEFT JOIN s2.users v USING (id) WHERE id = 41
SELECT * FROM users u FULL JOIN s2.users v USING (id) WHERE id = 41
SELECT * FROM users u FULL JOIN s2.users v USING (id) WHERE u.id = 41
SELECT * FROM users u FULL JOIN s2.users v ON u.id = v.id WHERE u.id = 41 and v.id = 41
SELECT * FROM users u FULL JOIN s2.users v ON u.id = v.id AND u.id = 41
SELECT * FROM users u FULL JOIN s2.users v ON u.id = v.id WHERE coalesce(u.id, v.id) = 41
SELECT * FROM users u RIGHT JOIN s2.users v USING (id) WHERE id = 41
SELECT * FROM users u RIGHT JOIN posts p ON u.id = p.user_id AND p.user_id = 41
SELECT * FROM users u LEFT JOIN posts p ON u.id = p.user_id AND u.id = 41
SELECT * FROM users u LEFT JOIN posts p ON u.id = p.user_id WHERE p.user_id = 41
SELECT * FROM users u LEFT JOIN posts p ON u.id = p.user_id WHERE p.user_id IS NULL AND u.id = 40
SELECT * FROM users u LEFT JOIN posts p ON u.id = p.user_id AND p.user_id = 41 WHERE p.user_id IS NULL AND u.id = 40
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = 41 WHERE u.id = 41
SELECT * FROM users u LEFT JOIN posts p ON p.id = 1 WHERE u.id = 41
SELECT * FROM users u LEFT JOIN posts p ON u.id = p.user_id WHERE u.id = 40 AND coalesce(p.user_id, 7) = 7
SELECT * FROM users u LEFT JOIN posts p ON u.id = p.user_id AND p.user_id = 42 WHERE u.id = 41 AND coalesce(p.user_id, 7) = 7
SELECT * FROM users u LEFT JOIN (posts p JOIN s2.users v ON v.id = p.user_id) ON p.user_id = u.id WHERE u.id = 41
SELECT * FROM users u LEFT JOIN (SELECT * FROM posts LIMIT 5) p ON p.user_id = u.id WHERE u.id = 41
SELECT * FROM (SELECT * FROM users ORDER BY id LIMIT 3) q WHERE id = 41
SELECT * FROM (SELECT *, row_number() OVER (ORDER BY id) rn FROM users) q WHERE id = 41
SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY id) rn FROM users) q WHERE id = 41
SELECT * FROM (SELECT id, rank() OVER w FROM users WINDOW w AS (ORDER BY id)) q WHERE id = 41
SELECT * FROM (SELECT id FROM users WINDOW w AS (ORDER BY id)) q WHERE id = 41
SELECT * FROM (SELECT DISTINCT ON (name) id, name FROM users ORDER BY name, id) q WHERE id = 41
SELECT * FROM (SELECT DISTINCT id FROM users) q WHERE id = 41
SELECT * FROM (SELECT DISTINCT ON (id) id, name FROM users ORDER BY id) q WHERE id = 41
SELECT * FROM (SELECT id, count(*) FROM posts GROUP BY id) q WHERE id = 1
SELECT * FROM (SELECT user_id, count(*) FROM posts GROUP BY user_id) q WHERE user_id = 41
SELECT * FROM (SELECT user_id AS x, count(*) FROM posts GROUP BY x) q WHERE x = 41
SELECT * FROM (SELECT user_id AS x, count(*) FROM posts GROUP BY 1) q WHERE x = 41
SELECT * FROM (SELECT user_id, count(*) FROM posts GROUP BY GROUPING SETS ((user_id), ())) q WHERE user_id = 41
SELECT * FROM (SELECT user_id, count(*) FROM posts GROUP BY ROLLUP (user_id)) q WHERE user_id = 41
SELECT * FROM (SELECT user_id, id, count(*) FROM posts GROUP BY user_id, CUBE(id)) q WHERE user_id = 41
SELECT * FROM (SELECT user_id, count(*) FROM posts GROUP BY DISTINCT user_id) q WHERE user_id = 41
SELECT * FROM (SELECT max(user_id) AS user_id FROM posts) q WHERE user_id = 41
SELECT * FROM (SELECT max(user_id) AS user_id FROM posts GROUP BY id) q WHERE user_id = 41
SELECT user_id, count(*) FROM posts GROUP BY user_id HAVING user_id = 41
SELECT count(*) FROM posts HAVING max(user_id) = 41
SELECT 1 FROM posts HAVING 1 = 41
SELECT count(*) FROM posts WHERE user_id = 41 HAVING count(*) > 100
SELECT count(*) FILTER (WHERE user_id = 41) FROM posts
SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM posts p2 WHERE p2.id > 2)) FROM posts WHERE user_id = 41
SELECT sum((SELECT count(*) FROM posts p2)) FROM posts WHERE user_id = 41
SELECT string_agg(body, ',' ORDER BY (SELECT count(*) FROM posts)) FROM posts WHERE user_id = 41
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (SELECT count(*) FROM posts)) FROM posts WHERE user_id = 41
SELECT sum(id) OVER (ORDER BY (SELECT count(*) FROM posts)) FROM posts WHERE user_id = 41
SELECT sum(id) OVER w FROM posts WHERE user_id = 41 WINDOW w AS (PARTITION BY (SELECT count(*) FROM posts))
SELECT * FROM users WHERE id = 41 LIMIT (SELECT count(*) FROM posts)
SELECT * FROM users WHERE id = 41 OFFSET (SELECT count(*) FROM posts) - 80
SELECT DISTINCT ON ((SELECT count(*) FROM posts)) * FROM users WHERE id = 41
SELECT * FROM users WHERE id = 41 GROUP BY id, (SELECT count(*) FROM posts)
SELECT * FROM users WHERE id = 41 UNION SELECT * FROM users WHERE id = 41
SELECT * FROM users WHERE id = 41 UNION SELECT * FROM users
SELECT * FROM users WHERE id = 41 EXCEPT SELECT * FROM users
SELECT * FROM users EXCEPT SELECT * FROM users WHERE id = 41
SELECT id FROM users INTERSECT SELECT id FROM users WHERE id = 41
SELECT * FROM (SELECT id FROM users UNION ALL SELECT user_id FROM posts) q WHERE id = 41
SELECT * FROM (SELECT id FROM users UNION ALL SELECT user_id FROM posts ORDER BY 1 LIMIT 3) q WHERE id = 41
SELECT * FROM (SELECT id FROM users UNION ALL (SELECT user_id FROM posts LIMIT 3)) q WHERE id = 41
SELECT * FROM (SELECT id FROM users UNION ALL SELECT id::numeric FROM users) q WHERE id = 41
SELECT * FROM (SELECT id FROM users UNION ALL SELECT null) q WHERE id = 41
SELECT * FROM (SELECT id FROM users UNION ALL SELECT '41') q WHERE id = 41
SELECT * FROM (SELECT id FROM users EXCEPT SELECT user_id FROM posts) q WHERE id = 40
SELECT * FROM (SELECT id FROM users INTERSECT ALL SELECT user_id FROM posts) q WHERE id = 41
SELECT p.* FROM posts p JOIN (SELECT id FROM users WHERE id=41 UNION SELECT 41) q ON p.user_id = q.id
SELECT p.* FROM posts p JOIN (SELECT id FROM users WHERE id=41 UNION SELECT 42) q ON p.user_id = q.id
SELECT p.* FROM posts p JOIN (SELECT id FROM users WHERE id=41 INTERSECT SELECT id FROM users) q ON p.user_id = q.id
SELECT p.* FROM posts p JOIN (SELECT 41::bigint AS x EXCEPT SELECT 3) q ON p.user_id = q.x
SELECT p.* FROM posts p, (VALUES (41)) v(x) WHERE p.user_id = v.x
SELECT p.* FROM posts p, (VALUES (41),(41)) v(x) WHERE p.user_id = v.x
SELECT p.* FROM posts p, (VALUES (41),(42)) v(x) WHERE p.user_id = v.x
SELECT p.* FROM posts p, (VALUES (41,'a'),(41.0,'b')) v(x,y) WHERE p.user_id = v.x
SELECT p.* FROM posts p, (VALUES (41,'a'),(41.5,'b')) v(x,y) WHERE p.user_id = v.x
SELECT p.* FROM posts p, (VALUES (null),(41)) v(x) WHERE p.user_id = v.x
SELECT p.* FROM posts p, (VALUES ('41'),(41)) v(x) WHERE p.user_id = v.x
SELECT p.* FROM posts p, (VALUES ('41')) v(x) WHERE p.user_id = v.x
SELECT p.* FROM posts p, (VALUES ('41')) v(x) WHERE p.user_id = v.x::bigint
SELECT p.* FROM posts p, (SELECT 41 AS x) v WHERE p.user_id = v.x
SELECT p.* FROM posts p, (SELECT '41' AS x) v WHERE p.user_id = v.x
SELECT p.* FROM posts p, (SELECT 41.0 AS x) v WHERE p.user_id = v.x
SELECT p.* FROM posts p, (SELECT 41 AS x WHERE false) v WHERE p.user_id = v.x
SELECT p.* FROM posts p, (SELECT 41 AS x LIMIT 1) v WHERE p.user_id = v.x
SELECT p.* FROM posts p LEFT JOIN (SELECT 41 AS x) v ON true WHERE p.user_id = v.x
SELECT p.* FROM posts p, generate_series(41, 41) g WHERE p.user_id = g
SELECT p.* FROM posts p, generate_series(41, 41) g(user_id) WHERE p.user_id = g.user_id and p.user_id = 41
SELECT p.* FROM posts p, unnest(array[41]) AS x WHERE p.user_id = x
SELECT p.* FROM users u, LATERAL (SELECT * FROM posts p WHERE p.user_id = u.id) p WHERE u.id = 41
SELECT p.* FROM users u, LATERAL (SELECT * FROM posts p WHERE p.user_id = u.id ORDER BY id DESC LIMIT 1) p WHERE u.id = 41
SELECT p.* FROM users u LEFT JOIN LATERAL (SELECT count(*) FROM posts p WHERE p.user_id = u.id) p ON true WHERE u.id = 41
SELECT p.* FROM users u LEFT JOIN LATERAL (SELECT count(*) FROM posts p WHERE p.user_id = u.id) p ON u.id = 41
SELECT * FROM users u, LATERAL (SELECT u.id AS k) l, posts p WHERE p.user_id = l.k AND u.id = 41
SELECT * FROM users u WHERE EXISTS (SELECT 1 FROM posts u, (SELECT u.id) x(y) WHERE u.user_id = 41) AND u.id = 41
SELECT * FROM users u WHERE u.id = 41 AND EXISTS (SELECT 1 FROM posts u WHERE u.user_id = u.id)
SELECT * FROM users WHERE id = 41 AND EXISTS (SELECT 1 FROM posts WHERE user_id = id)
SELECT * FROM users u WHERE id = 41 AND name IN (SELECT 'user ' || p.user_id FROM posts p WHERE p.user_id = u.id)
SELECT * FROM users u WHERE id IN (SELECT user_id FROM posts WHERE user_id = 41 LIMIT 1)
SELECT * FROM users u WHERE id IN (SELECT user_id FROM posts WHERE id = 3 AND user_id IN (41, 41))
SELECT * FROM users u WHERE (id, 1) IN (SELECT user_id, id FROM posts WHERE user_id = 41)
SELECT * FROM users u WHERE id = (SELECT user_id FROM posts WHERE user_id = 41 AND id = 1)
SELECT * FROM users u WHERE id = (SELECT user_id FROM posts WHERE id = 1 AND user_id = 41 UNION ALL SELECT 41 WHERE false)
SELECT * FROM users u WHERE id = ANY (SELECT user_id FROM posts WHERE user_id = 41)
SELECT * FROM users u WHERE id <= ALL (SELECT user_id FROM posts WHERE user_id = 41) AND id = 41
SELECT * FROM users u WHERE id NOT IN (SELECT user_id FROM posts WHERE user_id = 41)
SELECT * FROM users u WHERE NOT EXISTS (SELECT 1 FROM posts p WHERE p.user_id = 41 AND u.id = 41)
SELECT (SELECT name FROM users u2 WHERE u2.id = u.id) FROM users u WHERE id = 41
SELECT (SELECT name FROM users u2 WHERE u2.id = u.id + 0) FROM users u WHERE id = 41
SELECT (SELECT u.id FROM posts LIMIT 1) FROM users u WHERE id = 41
SELECT ARRAY(SELECT body FROM posts WHERE user_id = u.id) FROM users u WHERE id = 41
SELECT CASE WHEN id = 41 THEN (SELECT count(*) FROM posts WHERE user_id = 41) ELSE (SELECT count(*) FROM posts WHERE user_id = 42) END FROM users WHERE id = 41
SELECT * FROM users ORDER BY (SELECT max(id) FROM posts WHERE user_id = users.id)
SELECT * FROM users u JOIN posts p ON p.user_id = u.id AND u.id = 41 CROSS JOIN countries c WHERE c.code = 'de'
SELECT * FROM users u, settings s WHERE u.id = 41
SELECT * FROM countries c LEFT JOIN users u ON u.country = c.code AND u.id = 41
SELECT * FROM countries c WHERE EXISTS (SELECT 1 FROM users u WHERE u.country = c.code AND u.id=41)
SELECT * FROM users TABLESAMPLE BERNOULLI (100) WHERE id = 41
SELECT * FROM (SELECT * FROM users TABLESAMPLE BERNOULLI (100)) q WHERE id = 41 -- refused
SELECT * FROM ONLY users WHERE id = 41
SELECT * FROM users * WHERE id = 41
TABLE users
SELECT * FROM (TABLE users) q WHERE id = 41
SELECT * FROM parted WHERE k = 5
SELECT * FROM parted_a WHERE k = 5 -- refused
SELECT * FROM parted_b -- refused
SELECT count(*) FROM vusers
SELECT * FROM vusers WHERE id = 41
SELECT * FROM vc WHERE k = 5 AND c = 'c5'
SELECT * FROM dk WHERE k = 5
SELECT * FROM dk WHERE k = 5::posint
SELECT * FROM dk WHERE k = -5
SELECT * FROM gk WHERE k = 10
SELECT * FROM small a JOIN small b ON a.s = b.k WHERE b.k = 5
SELECT * FROM small a JOIN small b ON a.k = b.s WHERE b.s = 5
SELECT * FROM small a JOIN small b ON a.k = b.s AND b.k = a.k WHERE b.s = 5
SELECT * FROM small a JOIN small b ON a.k = b.n WHERE b.k = 5
SELECT * FROM small a JOIN small b ON a.k = b.f AND a.k = b.k WHERE b.f = 5
SELECT * FROM small a WHERE k = i AND i = 5
SELECT * FROM small a WHERE k = s AND s = 5
SELECT * FROM small a WHERE k = s AND s = 5.0
SELECT * FROM small a WHERE k = s AND s = '5'
SELECT * FROM small a WHERE k = s AND s = 70000
SELECT * FROM small a WHERE k = n AND n = 5.0
SELECT * FROM small a WHERE k::text = t AND t = '5'
SELECT * FROM orgs WHERE a = 5
SELECT * FROM orgs WHERE b = 'x'
SELECT * FROM orgs WHERE a = 5 AND b = 'x'
SELECT * FROM orgs WHERE (a, b) = (5, 'x')
SELECT * FROM orgs WHERE (b, a) = ('x', 5)
SELECT * FROM orgs WHERE (a, b) IN ((5, 'x'), (5,'x'))
SELECT * FROM orgs WHERE (a, b) IN ((5, 'x'), (5,'y'))
SELECT * FROM orgs WHERE (a, b) IN ((5, 'x'), (5,null))
SELECT * FROM orgs WHERE a IN (5, 5) AND b IN ('x', 'x')
SELECT * FROM orgs WHERE a IN (5, 6) AND b = 'x' AND a = 5
SELECT * FROM orgs WHERE (a = 5 AND b = 'x') OR (a = 5 AND b = 'x')
SELECT * FROM orgs WHERE (a = 5 OR a = 6) AND b = 'x'
SELECT * FROM orgs WHERE a = 5 AND b = ' '
SELECT * FROM orgs WHERE a = 5 AND b = ''
SELECT * FROM orgs WHERE a = 5 AND b = 'ü'
SELECT * FROM orgs WHERE a = 5 AND b = U&'\00fc'
SELECT * FROM orgs WHERE a = 5 AND b = E'\u00fc'
SELECT * FROM orgs WHERE a = 5 AND b = E'\xc3\xbc'
SELECT * FROM orgs WHERE a = 5 AND b = 'q''q'
SELECT * FROM orgs WHERE a = 5 AND b = E'q\'q'
SELECT * FROM orgs WHERE a = 5 AND b = $$q'q$$
SELECT * FROM orgs WHERE a = 5 AND b = 'x'::char(5)
SELECT * FROM orgs WHERE a = 5 AND b = 'x'::bpchar
SELECT * FROM orgs WHERE a = 5 AND b = 'x'::varchar
SELECT * FROM orgs WHERE a = 5 AND b = 'xyz'::varchar(1)
SELECT * FROM orgs WHERE a = 5 AND b = 'x'::name
SELECT * FROM orgs WHERE a = 5 AND b = 'x' COLLATE "C"
SELECT * FROM orgs WHERE a = 5 AND b = 'X' COLLATE ci
SELECT * FROM orgs WHERE a = 5 AND b COLLATE ci = 'X'
SELECT * FROM orgs WHERE (a, b) = (5, 'X' COLLATE ci)
SELECT * FROM orgs WHERE a = 5 AND b COLLATE ci IN ('X')
SELECT * FROM orgs WHERE a = 5 AND b LIKE 'x'
SELECT * FROM orgs WHERE a = 5.0 AND b = 'x'
SELECT * FROM orgs WHERE a = 5000000000 AND b = 'x'
SELECT * FROM orgs o JOIN items i ON (i.org_a, i.org_b) = (o.a, o.b) WHERE o.a = 5 AND o.b = 'x'
SELECT * FROM orgs o JOIN items i ON i.org_a = o.a WHERE o.a = 5 AND o.b = 'x' AND i.org_b = 'x'
SELECT * FROM orgs o JOIN items i ON i.org_a = o.a AND i.org_b = o.b WHERE i.org_a = 5 AND o.b = 'x'
SELECT * FROM names WHERE name = 'abc'
SELECT * FROM names WHERE name = 'abc '
SELECT * FROM names WHERE name = 'abc'::char(4)
SELECT * FROM names WHERE name = 42
SELECT * FROM names WHERE name = '42'
SELECT * FROM names WHERE name = 'ABC' COLLATE ci
SELECT * FROM names n JOIN (SELECT 'ABC' COLLATE ci AS x) q ON n.name = q.x
SELECT * FROM names n WHERE n.name IN (SELECT 'ABC' COLLATE ci)
SELECT * FROM (SELECT name COLLATE ci AS name FROM names) q WHERE name = 'ABC'
SELECT * FROM (SELECT name COLLATE ci AS name FROM names UNION ALL SELECT name FROM names) q WHERE name = 'ABC'
SELECT upper(name) FROM (SELECT DISTINCT name COLLATE ci AS name FROM names) q WHERE name = 'ABC'
SELECT * FROM names WHERE name = 'null'
SELECT * FROM names WHERE name = null
SELECT * FROM names WHERE name = 'back\slash'
SELECT * FROM names WHERE name = E'back\\slash'
SELECT * FROM names WHERE name = current_user
SELECT * FROM vnames WHERE name = 'abc'
SELECT * FROM vnames WHERE name = 'abc '
SELECT * FROM vnames WHERE name = 'abcdefghi'
SELECT * FROM nums WHERE n = '42.1'
SELECT * FROM nums WHERE n = 1e10
SELECT * FROM nums WHERE n = 10000000000
SELECT * FROM nums WHERE n = 'NaN'
SELECT * FROM nums WHERE n = 'nan'::numeric
SELECT * FROM nums WHERE n = 0.1::float8
SELECT * FROM nums WHERE n = '0.1'::float8::numeric
SELECT * FROM nums WHERE n = -0
SELECT * FROM nums WHERE n = 9007199254740993
SELECT * FROM events WHERE day = '2025-01-01'
SELECT * FROM events WHERE day = '20250101'
SELECT * FROM events WHERE day = '2025-06-01 +00'
SELECT * FROM events WHERE day = '2025-06-01 -11:30'
SELECT * FROM tss WHERE t = '2025-01-01 +00'
SELECT * FROM events WHERE day = 'January 1, 2025'
SELECT * FROM events WHERE day = '2025-1-1'
SELECT * FROM events WHERE day = '1/1/2025'
SELECT * FROM events WHERE day = '03/04/2026'
SELECT * FROM events WHERE day = date '2025-01-01'
SELECT * FROM events WHERE day = '2025-01-01 23:00'
SELECT * FROM events WHERE day = '2025-01-01 23:00'::timestamp
SELECT * FROM events WHERE day = timestamp '2025-01-01'
SELECT * FROM events WHERE day = timestamptz '2025-01-01'
SELECT * FROM events WHERE day = timestamptz '2025-01-01 00:00+05'
SELECT * FROM events WHERE day = 'today'
SELECT * FROM events WHERE day = 'infinity'
SELECT * FROM events WHERE day >= '2025-01-01' AND day < '2026-01-01'
SELECT * FROM events WHERE day BETWEEN '2025-01-01' AND '2025-12-31'
SELECT * FROM events WHERE day BETWEEN '2025-12-31' AND '2025-01-01'
SELECT * FROM events WHERE day BETWEEN '2025-01-01' AND '2026-01-01'
SELECT * FROM events WHERE day BETWEEN SYMMETRIC '2025-12-31' AND '2025-01-01'
SELECT * FROM events WHERE day >= '2025-01-01' AND day <= '2025-12-31 23:59'
SELECT * FROM events WHERE day >= '2025-01-01' AND day < '2025-12-31 23:59'::timestamp
SELECT * FROM events WHERE day > '2024-12-31' AND day < '2026-01-01'
SELECT * FROM events WHERE day > '2024-12-30' AND day < '2026-01-01'
SELECT * FROM events WHERE day >= '2026-01-01'
SELECT * FROM events WHERE day > '2025-12-31'
SELECT * FROM events WHERE day < '2025-01-01'
SELECT * FROM events WHERE day <= '2025-01-01'
SELECT * FROM events WHERE '2025-01-01' > day
SELECT * FROM events WHERE NOT day >= '2025-01-01'
SELECT * FROM events WHERE day < '2025-01-01' OR day < '2024-01-01'
SELECT * FROM events WHERE day < null
SELECT * FROM events WHERE (day, n) < ('2025-01-01', 2)
SELECT * FROM events WHERE (day, n) >= ('2026-01-01', 2)
SELECT * FROM events WHERE (day, n) < ('2025-01-01', 5) AND day < '2025-01-01'
SELECT * FROM events WHERE day >= date '2026-01-01' - 1
SELECT * FROM events WHERE day::timestamp >= '2026-01-01'
SELECT * FROM tss WHERE t = '2025-01-01 00:00:00+00'
SELECT * FROM tss WHERE t = '2025-01-01 00:00:00'
SELECT * FROM tss WHERE t = '2025-01-01'
SELECT * FROM tss WHERE t = date '2025-01-01'
SELECT * FROM tss WHERE t = timestamp '2025-01-01 00:00'
SELECT * FROM tss WHERE t = '2025-01-01 01:00:00+01'
SELECT * FROM tss WHERE t = '2025-01-01 00:00:00 UTC'
SELECT * FROM tss WHERE t = '2025-01-01T00:00:00Z'
SELECT * FROM tss WHERE t = '2025-01-01 00:00:00.0000001+00'
SELECT * FROM tss WHERE t = '2025-01-01 00:00:00+00'::timestamptz(0)
SELECT * FROM uus WHERE u = '00000000-0000-0000-0000-000000000000'
SELECT * FROM uus WHERE u = '{00000000-0000-0000-0000-000000000000}'
SELECT * FROM uus WHERE u = '00000000000000000000000000000000'
SELECT * FROM uus WHERE u = ' 00000000000000000000000000000000'
SELECT * FROM uus WHERE u = '00000000-0000-0000-0000-00121BC4D91D'::uuid
SELECT * FROM users WHERE id = 41 FOR UPDATE
SELECT * FROM users u JOIN posts p ON p.user_id = u.id WHERE u.id = 41 FOR UPDATE OF u
SELECT * FROM users u JOIN posts p ON p.user_id = u.id WHERE u.id = 41 FOR NO KEY UPDATE OF p SKIP LOCKED
SELECT * FROM (SELECT * FROM users FOR UPDATE) q WHERE id = 41 -- refused
SELECT ctid IS NOT NULL, tableoid::regclass, xmin IS NULL FROM users WHERE id = 41
SELECT * FROM users WHERE ctid = '(0,1)' -- refused
SELECT u FROM users u WHERE u.id = 41
SELECT users FROM users WHERE users.id = 41
SELECT row_to_json(u) FROM users u WHERE u.id = 41
SELECT (u).id FROM users u WHERE (u).id = 41
SELECT (u.*).id FROM users u WHERE u.id = 41
SELECT * FROM json_to_recordset('[{"id":41}]') AS x(id bigint), users u WHERE u.id = x.id
SELECT * FROM users u, json_to_record('{"id":41}') AS u2(id bigint) WHERE u.id = 41
SELECT * FROM xmltable('/a' passing '<a id="3"/>' columns id bigint path '@id') x, users u WHERE u.id = 41
SELECT * FROM ROWS FROM (generate_series(1,2), generate_series(1,3)) AS x(a,b), users WHERE id = 41
SELECT extract(day from day), substring(day::text from 1 for 4), position('2' in day::text), overlay('abc' placing 'x' from 1) FROM events WHERE day='2025-01-01'
SELECT id, lag(id) OVER (ORDER BY id) FROM posts WHERE user_id = 43 ORDER BY id
SELECT max(user_id) FROM posts WHERE user_id = 41
SELECT count(*) FROM users
SELECT 1 WHERE EXISTS (SELECT 1 FROM users WHERE id=41) OR EXISTS (SELECT 1 FROM users WHERE id = 41)
SELECT 1 WHERE EXISTS (SELECT 1 FROM users WHERE id=41) OR EXISTS (SELECT 1 FROM users WHERE id = 42)
VALUES ((SELECT name FROM users WHERE id = 41)), ((SELECT body FROM posts WHERE user_id = 41 AND id = 1))
SELECT * FROM users WHERE id = 41 /* nested /* comment */ ' */ -- x
SELECT '/* pgherd: shard=s1 */', count(*) FROM users
SELECT $a$ /* pgherd: shard=s1 */ $a$, * FROM users WHERE id = 41
/* x /* pgherd: shard=s1 */ */ SELECT * FROM users WHERE id = 41
/* /* pgherd: shard=s1 */ */ SELECT count(*) FROM users
/* /* x */ pgherd: shard=s1 */ SELECT count(*) FROM users
SELECT count(*) FROM users -- pgherd: shard=s1
SELECT /* pgherd: shard=s1 */ count(*) FROM users
SELECT 1 + + 1, 1 - -1, 2 ^ -1, @ -5, - - 5
SELECT * FROM users WHERE id = 41 AND name = 'user 41' AND age::text = '6' AND balance = 41.5
-- Conditions, sets and arrays.
SELECT * FROM (VALUES (41::bigint)) o(tableoid) WHERE EXISTS (SELECT 1 FROM posts WHERE user_id > 0 AND user_id = tableoid)
SELECT o.xmin FROM (SELECT id AS xmin FROM users WHERE id=41) o WHERE EXISTS (SELECT 1 FROM posts WHERE user_id = xmin::text::bigint) -- refused
SELECT * FROM (SELECT id AS cmin FROM users WHERE id=41) o WHERE EXISTS (SELECT 1 FROM posts WHERE user_id::text = cmin::text) -- refused
SELECT agg2(user_id) FROM posts WHERE user_id = 41
SELECT * FROM (SELECT agg2(user_id) AS user_id FROM posts) q WHERE user_id = 41
SELECT 1 FROM users WHERE id = 41 AND name = ANY (SELECT body FROM posts WHERE user_id = 41 UNION SELECT 'user 41')
SELECT (SELECT sum(p.id) FROM posts p WHERE p.user_id = u.id) AS s, u.id FROM users u WHERE u.id IN (41) GROUP BY u.id HAVING count(*) > 0
SELECT u.id, p.user_id FROM users u LEFT JOIN posts p ON p.user_id = u.id AND p.id = (SELECT max(id) FROM posts WHERE user_id = u.id) WHERE u.id = 43
SELECT u.id, p.user_id FROM users u LEFT JOIN posts p ON p.user_id = u.id AND p.id = (SELECT max(id) FROM posts p3 WHERE p3.user_id = p.user_id) WHERE u.id = 43
SELECT * FROM users u JOIN posts p ON p.user_id = u.id LEFT JOIN s2.users v ON v.id = p.user_id WHERE v.id = 43
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = u.id LEFT JOIN s2.users v ON v.id = p.user_id WHERE u.id = 40
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = u.id JOIN s2.users v ON v.id = p.user_id WHERE u.id = 41
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = u.id JOIN s2.users v ON v.id = u.id WHERE v.id = 40
SELECT * FROM (users u LEFT JOIN posts p ON p.user_id = u.id) j(a,b,c,d,e,f,g,h,i,k) WHERE a = 41
SELECT * FROM (users u JOIN posts p ON p.user_id = u.id) WHERE u.id = 41
SELECT * FROM ((users u JOIN posts p ON p.user_id = u.id)) WHERE u.id = 41
SELECT j.* FROM (users u JOIN posts p ON p.user_id = u.id) AS j(x) WHERE j.x = 41
SELECT * FROM users u JOIN posts p USING (id) JOIN s2.users v USING (id) WHERE id = 1
SELECT * FROM users u, posts p WHERE u.id = p.user_id AND p.user_id + 0 = 41
SELECT * FROM users u, posts p WHERE u.id = p.user_id AND (u.id = 41 OR p.user_id = 41)
SELECT * FROM users u, posts p WHERE u.id = p.user_id AND (u.id = 41 AND p.id = 1 OR p.user_id = 41 AND p.id = 2)
SELECT * FROM users u, posts p WHERE (u.id, p.user_id) IN ((41, 41), (41, 41))
SELECT * FROM users u, posts p WHERE (u.id, p.user_id) IN ((41, 41), (42, 42))
SELECT * FROM users u, posts p WHERE (u.id, p.user_id) IN ((41, 42), (42, 41))
SELECT * FROM users u WHERE u.id IN (SELECT p.user_id FROM posts p WHERE p.user_id = 41 OR p.id = 999)
SELECT * FROM users u WHERE u.id = 41 AND EXISTS (SELECT 1 FROM posts p WHERE p.user_id = u.id OR p.id = 999)
SELECT * FROM users u WHERE u.id = 41 AND EXISTS (SELECT 1 FROM posts p WHERE p.user_id = u.id HAVING count(*) > 0)
SELECT * FROM users u WHERE u.id = 41 AND (SELECT count(*) FROM posts p, s2.users v WHERE p.user_id = u.id AND v.id = p.user_id) > 0
SELECT * FROM users u WHERE u.id = 41 AND 1 = ALL (SELECT 1 FROM posts p WHERE p.user_id = u.id)
SELECT * FROM users u WHERE u.id = 41 AND ROW(1,2) = (SELECT p.id, p.id+1 FROM posts p WHERE p.user_id = u.id AND p.id = 1)
SELECT * FROM users u WHERE u.id IN (VALUES (41),(41))
SELECT * FROM users u WHERE u.id IN (VALUES (41),(42))
SELECT * FROM users u WHERE u.id IN (SELECT 41 UNION SELECT 41)
SELECT * FROM users u WHERE u.id IN (SELECT x FROM (VALUES (41,1),(42,2)) v(x,y) WHERE y = 1)
SELECT * FROM users u WHERE u.id IN (SELECT x FROM (VALUES (41,1),(41,2)) v(x,y) WHERE y = 1)
SELECT * FROM users u WHERE u.id = (SELECT x FROM (VALUES (41,1),(42,2)) v(x,y) WHERE y = 2)
SELECT * FROM users WHERE id = CASE WHEN true THEN 41 END
SELECT * FROM users WHERE CASE WHEN id = 41 THEN true END AND id = 41
SELECT * FROM users WHERE id = 41 IS TRUE IS NOT FALSE
SELECT * FROM users WHERE (id = 41) IS NOT NULL
SELECT * FROM users WHERE NOT (id = 41) IS NULL
SELECT * FROM users WHERE (id = 41 AND NULL) IS NULL
SELECT * FROM users WHERE id = 41 NOTNULL
SELECT * FROM users WHERE id = 41 = ANY (ARRAY[true])
SELECT * FROM users WHERE (id = 41) = ANY (ARRAY[false])
SELECT * FROM users WHERE (id = 41) IN (false)
SELECT * FROM users WHERE (id = 41) <> true
SELECT * FROM users WHERE (id = 41)::text = 'false'
SELECT * FROM users WHERE bool(id = 41)
SELECT * FROM users WHERE (SELECT id = 41)
SELECT * FROM users WHERE (SELECT id <> 41)
SELECT * FROM users WHERE EXISTS (SELECT 1 WHERE id = 41)
SELECT * FROM users WHERE EXISTS (SELECT count(*) WHERE id = 41)
SELECT * FROM users WHERE EXISTS (SELECT 1 WHERE id = 41 LIMIT 0)
SELECT * FROM users WHERE EXISTS (SELECT 1 WHERE id = 41 OFFSET 0)
SELECT * FROM users WHERE EXISTS (SELECT 1 WHERE id = 41 UNION ALL SELECT 1)
SELECT * FROM users WHERE EXISTS ((SELECT 1 WHERE id = 41) EXCEPT SELECT 2)
SELECT * FROM users WHERE EXISTS (SELECT 2 EXCEPT SELECT 1 WHERE id = 41)
SELECT * FROM users WHERE EXISTS (SELECT 1 GROUP BY () HAVING id = 41)
SELECT * FROM users WHERE EXISTS (SELECT 1 WHERE id = 41 GROUP BY ())
SELECT * FROM users WHERE EXISTS (SELECT 1 WHERE id = 41 GROUP BY GROUPING SETS ((), ()))
SELECT * FROM users WHERE EXISTS (SELECT 1 FROM (SELECT 1) x LEFT JOIN (SELECT 2) y ON id = 41)
SELECT * FROM users WHERE EXISTS (SELECT 1 FROM (SELECT 1) x LEFT JOIN (SELECT 2 WHERE id = 41) y ON true)
SELECT * FROM users WHERE EXISTS (SELECT 1 FROM (SELECT 1) x JOIN (SELECT 2) y ON id = 41)
SELECT * FROM users WHERE id IN (SELECT id FROM (SELECT 41 AS id OFFSET 0) x)
SELECT * FROM users WHERE id IN (SELECT 41 FROM posts WHERE user_id = 42)
SELECT * FROM users WHERE id IN (SELECT 41 FROM posts WHERE user_id = 41)
SELECT * FROM users WHERE 41 IN (id, age)
SELECT * FROM users WHERE 41 IN (id)
SELECT * FROM users WHERE id IN (41, age)
SELECT * FROM users WHERE id = ANY (ARRAY[41, age])
SELECT * FROM users WHERE id = ANY (ARRAY[41]::bigint[])
SELECT * FROM users WHERE id = ANY (ARRAY[[41],[41]])
SELECT * FROM users WHERE id = ANY (ARRAY['41'])
SELECT * FROM users WHERE id = ANY (ARRAY[41.0])
SELECT * FROM users WHERE id = ANY (ARRAY[41, 41.5])
SELECT * FROM users WHERE id <> ALL (ARRAY[41])
SELECT * FROM users WHERE NOT id <> ALL (ARRAY[41])
SELECT * FROM users WHERE id = 41 LIMIT 0
SELECT * FROM users WHERE id = 41 FETCH FIRST ROW WITH TIES
SELECT * FROM users WHERE id = 41 ORDER BY id FETCH FIRST ROW WITH TIES
SELECT * FROM users WHERE id = 41 FOR UPDATE NOWAIT
SELECT * FROM users WHERE id BETWEEN 41 AND 41 AND id = 41
SELECT * FROM orgs o LEFT JOIN items i ON i.org_a = o.a AND i.org_b = 'x' WHERE o.a = 5 AND o.b = 'x'
SELECT * FROM orgs o LEFT JOIN items i ON i.org_a = o.a AND i.org_b = o.b WHERE o.a = 5 AND i.org_b = 'x'
SELECT * FROM orgs o JOIN items i ON (i.org_a, i.org_b) = (o.a, o.b) WHERE (o.a, i.org_b) = (5, 'x')
SELECT * FROM orgs o WHERE (o.a, o.b) IN (SELECT org_a, org_b FROM items WHERE org_a = 5 AND org_b = 'x')
SELECT * FROM orgs o WHERE (o.b, o.a) IN (SELECT org_b, org_a FROM items WHERE org_a = 5 AND org_b = 'x')
SELECT * FROM orgs o WHERE (o.a, o.b) IN (SELECT org_a, org_b FROM items WHERE org_a = 5) AND o.b = 'x'
SELECT * FROM orgs o JOIN items i ON i.org_a = o.a AND i.org_b = o.b AND (o.a, o.b) IN ((5,'x'),(5,'x'))
SELECT * FROM orgs o WHERE (a, b) = ANY (VALUES (5,'x'))
SELECT * FROM orgs o WHERE ROW(a, b) = ROW(5,'x') AND ROW(v) = ROW(50)
SELECT * FROM orgs o WHERE (a = 5 AND b = 'x') OR (a = 5 AND b = 'x' AND v = 1) OR false
SELECT * FROM orgs o WHERE (a, b) = (5, NULL)
SELECT * FROM orgs o WHERE a = 5 AND b = NULL
SELECT * FROM orgs o WHERE a = 5 AND b IN (NULL, 'x')
SELECT * FROM orgs o WHERE (a, b) <= (5, 'x') AND (a, b) >= (5, 'x')
INSERT INTO orgs SELECT o.a, o.b, 7 FROM orgs o WHERE o.a = 5 AND o.b = 'x' ON CONFLICT (a, b) DO UPDATE SET v = excluded.v RETURNING *
INSERT INTO items SELECT o.a, o.b, 7 FROM orgs o WHERE o.a = 5 AND o.b = 'x' RETURNING *
INSERT INTO items (n, org_b, org_a) SELECT 7, o.b, o.a FROM orgs o WHERE o.a = 5 AND o.b = 'x' RETURNING *
INSERT INTO items (org_b, org_a, n) SELECT o.b, 5, 8 FROM orgs o WHERE o.a = 5 AND o.b = 'x' RETURNING *
INSERT INTO items SELECT o.a, 'x', 9 FROM orgs o WHERE o.a = 5 AND o.b = 'y'
UPDATE orgs SET b = 'x' WHERE a = 5 AND b = 'x' RETURNING *
UPDATE orgs SET b = 'y' WHERE a = 5 AND b = 'x' RETURNING *
UPDATE orgs SET a = a, b = b WHERE a = 5 AND b = 'x' RETURNING *
UPDATE orgs SET (a, b) = (b::int, a::text) WHERE a = 5 AND b = 'x' RETURNING * -- refused
SELECT c.relname, u.id FROM pg_class c, users u WHERE u.id = 41 AND c.relname = 'users'
SELECT pg_size_pretty(pg_relation_size('users')) IS NOT NULL
SELECT has_table_privilege('users', 'SELECT')
SELECT relname FROM pg_class WHERE oid = 'users'::regclass
SELECT 'users'::regclass::text, id FROM users WHERE id = 42
SELECT obj_description('users'::regclass)
SELECT count(*) FROM information_schema.tables WHERE table_name = 'users'
SELECT currval('x') -- refused
SELECT * FROM pg_catalog.pg_tables WHERE tablename = 'users'
SELECT * FROM unknown_table
SELECT * FROM unknown_schema.users WHERE id = 1
SELECT nope(1)
SELECT id.x FROM users WHERE id = 41
SELECT name.first FROM users WHERE id = 41
SELECT users.name, (users).age, (users.*) IS NULL FROM users WHERE id = 41
SELECT jsonb_agg(u) FROM users u WHERE id = 41
SELECT to_jsonb(u)->>'name' FROM users u WHERE id = 41
SELECT * FROM users WHERE id = 41 AND (name, age) IS DISTINCT FROM ('x', 1)
SELECT * FROM users WHERE id = 41 AND name SIMILAR TO 'user%' ESCAPE '\'
SELECT * FROM users WHERE id = 41 AND (DATE '2020-01-01', DATE '2020-02-01') OVERLAPS (DATE '2020-01-15', DATE '2020-03-01')
SELECT * FROM users WHERE name = 'x' AND id = 41 OR id = 41 AND name = 'user 41'
SELECT * FROM users WHERE name = 'x' OR id = 41 AND name = 'user 41'
SELECT * FROM users WHERE NOT name = 'x' AND id = 41
SELECT * FROM users WHERE NOT (name = 'x' AND id = 41)
SELECT * FROM users WHERE - id = - 41
SELECT * FROM users WHERE id = - - 41
SELECT * FROM users WHERE id = -(-41)
SELECT * FROM users WHERE id = 41::int8::int8
SELECT * FROM users WHERE id = '41'::int8::int8
SELECT * FROM users WHERE id = '41.0'::numeric
SELECT * FROM users WHERE id = -'1'::int
SELECT * FROM users WHERE id = -1::int
SELECT * FROM users WHERE id = (-1)::int
SELECT * FROM users WHERE id = - 1 ::int
SELECT * FROM users WHERE id = 41 ::int + 0
SELECT * FROM users WHERE id=41::int and id = 41::numeric
SELECT * FROM nums WHERE n = -2::numeric
SELECT * FROM nums WHERE n = '4.2e1'
SELECT * FROM nums WHERE n = 4.2e1
SELECT * FROM nums WHERE n = 00042.000
SELECT * FROM nums WHERE n = .1
SELECT * FROM nums WHERE n = 1.
SELECT * FROM nums WHERE n = 'Infinity'
SELECT * FROM nums WHERE n = ' 42 '
SELECT * FROM nums WHERE n IN (1, 1.0, 1.00)
SELECT * FROM nums a JOIN small b ON a.n = b.n WHERE a.n = 1.5
SELECT * FROM nums a JOIN users b ON a.n = b.id WHERE b.id = 42
MERGE INTO orgs o USING (VALUES (5,'x',9)) v(a,b,c) ON (o.a, o.b) = (v.a, v.b) WHEN MATCHED THEN UPDATE SET v = v.c WHEN NOT MATCHED THEN INSERT VALUES (v.a, v.b, v.c)
MERGE INTO orgs o USING (VALUES (5,'new',9)) v(a,b,c) ON o.a = v.a AND o.b = v.b WHEN NOT MATCHED THEN INSERT (b, a, v) VALUES (v.b, v.a, v.c)
MERGE INTO orgs o USING (VALUES (5,'new',9)) v(a,b,c) ON o.a = v.a AND o.b = v.b WHEN NOT MATCHED THEN INSERT (b, a, v) VALUES ('x', v.a, v.c)
-- What writes, and what is no table.
INSERT INTO users VALUES (500,'n')
INSERT INTO users (name, id) VALUES ('n', 500) RETURNING *
INSERT INTO users (name) VALUES ('n')
INSERT INTO users DEFAULT VALUES
INSERT INTO users VALUES (500),(500)
INSERT INTO users VALUES (500),(501)
INSERT INTO users VALUES (NULL,'x')
INSERT INTO users VALUES (DEFAULT,'x')
INSERT INTO users VALUES (500.4,'x') RETURNING id
INSERT INTO users VALUES (500.5,'x') RETURNING id
INSERT INTO users VALUES (501.5,'x') RETURNING id
INSERT INTO users VALUES ('500','x') RETURNING id
INSERT INTO users VALUES (' 500 ','x') RETURNING id
INSERT INTO users VALUES ('500.5','x') RETURNING id
INSERT INTO users VALUES (500.5::float8,'x') RETURNING id -- refused
INSERT INTO users VALUES (501.5::float8,'x') RETURNING id -- refused
INSERT INTO users VALUES (500::text,'x') RETURNING id -- refused
INSERT INTO users VALUES (-500,'x') RETURNING id
INSERT INTO users VALUES (500+0,'x') RETURNING id
INSERT INTO users VALUES (99999999999999999999,'x') RETURNING id
INSERT INTO users VALUES (true,'x') RETURNING id -- refused
INSERT INTO users VALUES (41,'x') RETURNING id
INSERT INTO users (id, id) VALUES (500, 501)
INSERT INTO users (id, nope) VALUES (500, 501)
INSERT INTO users (id, name) VALUES (500)
INSERT INTO users (id) VALUES (500, 501)
INSERT INTO users VALUES (500,'a',1,'de',2,3)
INSERT INTO users SELECT 500, 'n'
INSERT INTO users (name, id) SELECT 'n', 500
INSERT INTO users SELECT 500.5, 'n'
INSERT INTO users SELECT * FROM users WHERE id = 41
INSERT INTO posts SELECT id, 77, name FROM users WHERE id = 41 RETURNING *
INSERT INTO posts SELECT id, 77, name FROM users WHERE name = 'user 41'
INSERT INTO posts SELECT id + 1, 77, name FROM users WHERE id = 41
INSERT INTO posts SELECT u.id, p.id + 50 FROM users u JOIN posts p ON p.user_id = u.id WHERE p.user_id = 41 RETURNING *
INSERT INTO posts SELECT p.id, 5 FROM posts p WHERE p.user_id = 41
INSERT INTO posts SELECT p.id, 5 FROM posts p WHERE p.user_id = 41 AND p.id = 41
INSERT INTO posts (id, user_id) SELECT 99, max(user_id) FROM posts WHERE user_id = 41
INSERT INTO posts (id, user_id) SELECT 99, user_id FROM posts WHERE user_id = 41 GROUP BY user_id RETURNING *
INSERT INTO posts (id, user_id) SELECT * FROM (VALUES (99, 41)) v RETURNING *
INSERT INTO posts (id, user_id) SELECT * FROM (VALUES (99, 41),(98,41)) v(a,b) RETURNING *
INSERT INTO posts (id, user_id) SELECT 99, 41 UNION ALL SELECT 98, 41 RETURNING *
INSERT INTO posts (id, user_id) SELECT 99, 41 UNION ALL SELECT 98, 42 RETURNING *
INSERT INTO posts (id, user_id) (VALUES (99, 41)) RETURNING *
INSERT INTO posts (id, user_id) VALUES (99, 41), (98, '41') RETURNING *
INSERT INTO posts (id, user_id) VALUES (99, 41), (98, 41.2) RETURNING *
INSERT INTO posts (id, user_id) VALUES (99, (SELECT 41)) RETURNING *
INSERT INTO posts (id, user_id) VALUES ((SELECT max(id) FROM posts WHERE user_id = 41) + 1, 41) RETURNING *
INSERT INTO posts (id, user_id) VALUES ((SELECT max(id) FROM posts) + 1, 41) RETURNING * -- refused
INSERT INTO posts (id, user_id) SELECT 99, k FROM small WHERE k = s AND s = 41 RETURNING *
INSERT INTO posts (id, user_id) SELECT 99, s FROM small WHERE k = 41 RETURNING *
INSERT INTO posts (id, user_id) SELECT 99, s FROM small WHERE k = 41 AND s = 41 RETURNING *
INSERT INTO posts (id, user_id) SELECT 99, n FROM small WHERE k = 41 AND n = 41.5 RETURNING *
INSERT INTO posts (id, user_id) SELECT 99, id FROM users LEFT JOIN small ON small.k = users.id WHERE users.id=41 RETURNING *
INSERT INTO posts (id, user_id) SELECT 99, k FROM users LEFT JOIN small ON small.k = users.id WHERE users.id=55 RETURNING *
INSERT INTO gk (base, v) VALUES (5, 1) RETURNING * -- refused
INSERT INTO gk VALUES (5, 10, 1)
INSERT INTO gk VALUES (5, DEFAULT, 1) -- refused
INSERT INTO dk VALUES (-5, 1)
INSERT INTO dk VALUES (500, 1) RETURNING *
INSERT INTO vnames VALUES ('zzzz  ', 1) RETURNING '[' || name || ']'
INSERT INTO vnames VALUES ('zzzzz  ', 1) RETURNING '[' || name || ']'
INSERT INTO vnames VALUES ('zzzzzz', 1) RETURNING '[' || name || ']'
INSERT INTO vnames VALUES ('zz  '::char(4), 1) RETURNING '[' || name || ']' -- refused
INSERT INTO vnames VALUES (12345, 1) RETURNING '[' || name || ']'
INSERT INTO names VALUES (1.50, 1) RETURNING '[' || name || ']' -- refused
INSERT INTO names VALUES (007, 1) RETURNING '[' || name || ']'
INSERT INTO names VALUES (1e3, 1) RETURNING '[' || name || ']' -- refused
INSERT INTO names VALUES (true, 1) RETURNING '[' || name || ']' -- refused
INSERT INTO nums VALUES (7.00, 1) RETURNING *
INSERT INTO nums VALUES ('7', 1) RETURNING *
INSERT INTO events VALUES ('2025-05-05', 7) RETURNING *
INSERT INTO events VALUES ('2025-05-05 23:59', 7) RETURNING *
INSERT INTO events VALUES (timestamp '2025-05-05 23:59', 7) RETURNING *
INSERT INTO events VALUES (timestamp '2024-12-31 23:59:59.9999999', 7) RETURNING *
INSERT INTO events VALUES ('2024-12-31 23:59:59.9999999', 7) RETURNING *
INSERT INTO events VALUES ('05/06/2025', 7) RETURNING * -- refused
INSERT INTO events VALUES ('now', 7) RETURNING * -- refused
INSERT INTO events VALUES (current_date, 7) RETURNING *
INSERT INTO tss VALUES ('2025-02-02 00:00+00', 7) RETURNING *
INSERT INTO tss VALUES ('2025-02-02 00:00:00.00000049+00', 7) RETURNING *
INSERT INTO tss VALUES ('2025-02-02 00:00', 7) RETURNING * -- refused
INSERT INTO parted VALUES (5, 200)
INSERT INTO parted VALUES (5, 20) RETURNING tableoid::regclass, *
INSERT INTO parted_a VALUES (5, 2) -- refused
INSERT INTO users VALUES (41,'x') ON CONFLICT DO NOTHING RETURNING *
INSERT INTO users VALUES (41,'x') ON CONFLICT (id) DO NOTHING
INSERT INTO users VALUES (41,'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING *
INSERT INTO users AS u VALUES (41,'x') ON CONFLICT (id) DO UPDATE SET name = u.name || excluded.name RETURNING *
INSERT INTO users VALUES (41,'x') ON CONFLICT ON CONSTRAINT users_pkey DO UPDATE SET name = excluded.name RETURNING *
INSERT INTO users VALUES (41,'x') ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING *
INSERT INTO users VALUES (41,'x') ON CONFLICT (id) DO UPDATE SET id = users.id RETURNING *
INSERT INTO users VALUES (41,'x') ON CONFLICT (id) DO UPDATE SET id = 700 RETURNING * -- refused
INSERT INTO users VALUES (41,'x') ON CONFLICT (id) DO UPDATE SET name = (SELECT count(*) FROM posts) RETURNING * -- refused
INSERT INTO users VALUES (41,'x') ON CONFLICT (id) DO UPDATE SET name = (SELECT count(*) FROM posts WHERE user_id = excluded.id) RETURNING * -- refused
INSERT INTO users VALUES (41,'x') ON CONFLICT (id) DO UPDATE SET name = (SELECT count(*) FROM posts WHERE user_id = 41) RETURNING *
INSERT INTO users VALUES (41,'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE users.age > 100 RETURNING *
INSERT INTO users VALUES (41,'x') ON CONFLICT (name) DO NOTHING -- refused
INSERT INTO users VALUES (41,'x') ON CONFLICT (id, name) DO NOTHING
INSERT INTO items VALUES (5,'x',0) ON CONFLICT DO NOTHING
INSERT INTO items VALUES (5,'x',0) ON CONFLICT (org_b, org_a, n) DO NOTHING
INSERT INTO orgs VALUES (5,'x',1),(5,'x',2) ON CONFLICT (a,b) DO UPDATE SET v = 3
UPDATE users SET name = 'z' WHERE id = 41
UPDATE users SET name = 'z' WHERE id = 41 RETURNING *
UPDATE users SET name = 'z'
UPDATE users SET id = 41 WHERE id = 41 RETURNING *
UPDATE users SET id = '41' WHERE id = 41 RETURNING *
UPDATE users SET id = id WHERE id = 41 RETURNING *
UPDATE users SET id = id + 1000 WHERE id = 41 RETURNING *
UPDATE users SET id = 42 WHERE id = 41
UPDATE users SET id = 700 WHERE id = 41
UPDATE users SET id = 701 WHERE id = 41
UPDATE users SET id = 702 WHERE id = 41
UPDATE users SET id = 703 WHERE id = 41
UPDATE users SET id = NULL WHERE id = 41
UPDATE users SET id = DEFAULT WHERE id = 41 -- refused
UPDATE users SET (id, name) = (41, 'q') WHERE id = 41 RETURNING *
UPDATE users SET (id, name) = ROW(41, 'q') WHERE id = 41 RETURNING *
UPDATE users SET (id, name) = (SELECT 41, 'q') WHERE id = 41 RETURNING * -- refused
UPDATE users SET (name, age) = (SELECT body, 3 FROM posts WHERE user_id = users.id AND id = 1) WHERE id = 41 RETURNING *
UPDATE users SET (name, age) = (SELECT body, 3 FROM posts WHERE id = 4 AND user_id = 43) WHERE id = 41 RETURNING * -- refused
UPDATE users u SET name = p.body FROM posts p WHERE p.user_id = u.id AND p.user_id = 41 AND p.id = 1 RETURNING u.*, p.*
UPDATE users u SET name = p.body FROM posts p WHERE p.user_id = u.id AND p.id = 1
UPDATE users u SET name = p.body FROM posts p WHERE p.user_id = 41 -- refused
UPDATE users u SET name = v.n FROM (VALUES (41, 'n')) v(i, n) WHERE u.id = v.i RETURNING *
UPDATE users u SET name = v.n FROM (VALUES (41, 'n'), (42, 'm')) v(i, n) WHERE u.id = v.i RETURNING *
UPDATE users u SET name = c.name FROM countries c WHERE c.code = u.country AND u.id = 41 RETURNING *
UPDATE users u SET name = s.value FROM settings s WHERE s.name = 's1' AND u.id = 41 -- refused
UPDATE users u SET name = (SELECT count(*) FROM posts) WHERE u.id = 41 -- refused
UPDATE users SET age = 1 WHERE id = 41 RETURNING (SELECT count(*) FROM posts) -- refused
UPDATE users SET age = 1 WHERE id = 41 RETURNING (SELECT count(*) FROM posts WHERE user_id = users.id)
UPDATE countries SET name = 'q' WHERE code = 'de'
UPDATE settings SET value = 'q' WHERE name = 's1'
UPDATE settings SET value = (SELECT name FROM users WHERE id = 41) WHERE name = 's1' -- refused
UPDATE gk SET base = 7 WHERE k = 10 -- refused
UPDATE parted SET v = 50 WHERE k = 5 RETURNING tableoid::regclass, *
UPDATE parted SET k = 6 WHERE k = 5 -- refused
UPDATE ONLY users SET age = 3 WHERE id = 41
UPDATE users SET total_posts = 3 WHERE id = 41
DELETE FROM users WHERE id = 41
DELETE FROM users WHERE id = 41 RETURNING *, (SELECT count(*) FROM users) -- refused
DELETE FROM users
DELETE FROM users u USING posts p WHERE u.id = p.user_id AND p.user_id = 41
DELETE FROM posts p USING users u WHERE p.user_id = u.id AND u.id = 41 RETURNING p.id, u.name
DELETE FROM posts USING users WHERE user_id = 41 -- refused
DELETE FROM posts USING users u LEFT JOIN posts p2 ON p2.user_id = u.id AND p2.user_id = 41 WHERE posts.user_id = u.id AND u.id = 41
DELETE FROM posts WHERE (user_id, id) IN (SELECT user_id, id FROM posts WHERE user_id = 41 ORDER BY id LIMIT 1) RETURNING *
DELETE FROM posts WHERE user_id = 41 AND id IN (SELECT id FROM posts ORDER BY id LIMIT 1) -- refused
WITH x AS (INSERT INTO users VALUES (500) RETURNING id) SELECT * FROM x
WITH x AS (INSERT INTO users VALUES (500) RETURNING id) INSERT INTO posts SELECT id, 1 FROM x RETURNING *
WITH x AS (INSERT INTO users VALUES (500) RETURNING id) INSERT INTO posts SELECT 500, 1 FROM x RETURNING *
WITH x AS (DELETE FROM posts WHERE user_id = 41 RETURNING *) SELECT count(*) FROM x
WITH x AS (DELETE FROM posts WHERE user_id = 41 RETURNING *) SELECT count(*) FROM x JOIN posts p ON p.user_id = x.user_id
WITH x AS (DELETE FROM posts WHERE user_id = 41 RETURNING *) SELECT * FROM x WHERE user_id = 42
WITH x AS (DELETE FROM posts RETURNING *) SELECT * FROM x WHERE user_id = 41 -- refused
WITH x AS (UPDATE posts SET flag = true WHERE user_id = 41 RETURNING user_id) UPDATE users SET age = 1 FROM x WHERE users.id = x.user_id RETURNING users.id
WITH x AS (UPDATE posts SET flag = true WHERE user_id = 41 RETURNING user_id) UPDATE users SET age = 1 FROM x WHERE users.id = x.user_id AND users.id = 41 RETURNING users.id
WITH x AS (SELECT 1) DELETE FROM users WHERE id = 41
WITH x AS (SELECT count(*) FROM posts) DELETE FROM users WHERE id = 41 -- refused
WITH posts AS (SELECT 1) DELETE FROM posts WHERE user_id = 41
WITH a AS (SELECT * FROM users WHERE id=41), b AS (UPDATE users SET age=9 FROM a WHERE users.id=a.id RETURNING users.*) SELECT * FROM b
MERGE INTO users u USING (VALUES (41, 'm')) v(i, n) ON u.id = v.i WHEN MATCHED THEN UPDATE SET name = v.n
MERGE INTO users u USING (VALUES (541, 'm')) v(i, n) ON u.id = v.i WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.i, v.n)
MERGE INTO users u USING (VALUES (541, 'm')) v(i, n) ON u.id = v.i WHEN NOT MATCHED THEN INSERT (id, name) VALUES (541, v.n)
MERGE INTO users u USING (VALUES (541, 'm')) v(i, n) ON u.id = v.i WHEN NOT MATCHED THEN INSERT (id, name) VALUES (542, v.n)
MERGE INTO users u USING (VALUES (41, 'm')) v(i, n) ON u.id = v.i WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.i, v.n)
MERGE INTO users u USING (VALUES (41, 'm')) v(i, n) ON u.id = 41 AND v.i = 41 WHEN MATCHED THEN UPDATE SET id = 700 -- refused
MERGE INTO users u USING (VALUES (41, 'm')) v(i, n) ON u.name = v.n WHEN MATCHED THEN DELETE
MERGE INTO users u USING (VALUES (41, 'm')) v(i, n) ON u.id = v.i AND u.id = 42 WHEN NOT MATCHED THEN INSERT VALUES (v.i)
MERGE INTO users u USING posts p ON u.id = p.user_id AND p.user_id = 41 WHEN MATCHED THEN UPDATE SET name = 'm'
MERGE INTO users u USING (SELECT * FROM posts WHERE user_id = 43) p ON u.id = p.user_id AND p.id=1 WHEN MATCHED THEN UPDATE SET name = p.body WHEN NOT MATCHED THEN DO NOTHING
MERGE INTO users u USING (SELECT * FROM posts WHERE user_id = 43) p ON u.id = p.user_id AND p.id=1 WHEN MATCHED AND u.age > (SELECT count(*) FROM posts) THEN UPDATE SET name = p.body -- refused
MERGE INTO users u USING (SELECT * FROM posts WHERE user_id = 41) p ON u.id = p.user_id AND p.id=1 WHEN NOT MATCHED THEN INSERT (id) VALUES (p.user_id)
MERGE INTO users u USING (SELECT * FROM posts WHERE user_id = 41) p ON u.id = p.user_id AND p.id=1 WHEN NOT MATCHED THEN INSERT (id) VALUES (p.id) -- refused
MERGE INTO users u USING (SELECT * FROM posts WHERE user_id = 41) p ON u.id = p.user_id AND p.id=1 WHEN NOT MATCHED THEN INSERT (name) VALUES ('q')
MERGE INTO users u USING (SELECT * FROM posts WHERE user_id = 41) p ON u.id = p.user_id AND p.id=1 WHEN NOT MATCHED THEN INSERT DEFAULT VALUES
SELECT * INTO users9 FROM users WHERE id = 41 -- refused
TRUNCATE users
LOCK TABLE users
DO $$ BEGIN DELETE FROM users; END $$ -- refused
EXPLAIN ANALYZE DELETE FROM users -- refused
SELECT query_to_xml('select * from users', true, true, '') -- refused
SELECT table_to_xml('users', true, true, '') -- refused
SELECT * FROM pg_class WHERE relname = 'users' AND false
SELECT 'users'::regclass
SELECT nextval('x')
SELECT lastval() -- refused
DECLARE c CURSOR FOR SELECT * FROM users WHERE id = 41
DECLARE c CURSOR FOR SELECT * FROM users
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM users WHERE id = 41 -- refused
PREPARE q AS SELECT * FROM users WHERE id = $1
EXECUTE q(41)
CALL nope() -- refused
SELECT set_config('search_path', 's2', false) -- refused
SELECT set_config('search_path', 's2', true) -- refused
SELECT current_setting('search_path')
SHOW search_path
SELECT version()
SELECT pg_backend_pid() > 0
SELECT now() = transaction_timestamp()
SELECT 1; SELECT 2
SELECT * FROM users WHERE id = 41; SELECT * FROM users WHERE id = 41
SELECT * FROM users WHERE id = 41; SELECT * FROM users WHERE id = 42
SELECT 1; SELEC 2
;
;;SELECT 1;;
-- nothing
/* x */
SELECT
SELECT FROM users WHERE id = 41
SELECT 1 AS "SELECT", 2 AS select, 3 "x y"
INSERT INTO booked VALUES (1, '[3,9)') ON CONFLICT DO NOTHING -- refused
INSERT INTO booked VALUES (2, '[3,9)') ON CONFLICT DO NOTHING -- refused
INSERT INTO booked VALUES (42, '[3,9)') ON CONFLICT ON CONSTRAINT booked_r_excl DO NOTHING -- refused
INSERT INTO booked VALUES (42, '[3,9)')
