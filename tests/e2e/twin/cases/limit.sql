-- LIMIT, OFFSET, FETCH.
SELECT id, name FROM users ORDER BY id LIMIT 5
SELECT id, name FROM users ORDER BY id DESC LIMIT 3
SELECT id, name FROM users ORDER BY id LIMIT 5 OFFSET 7
SELECT id, name FROM users ORDER BY id OFFSET 40
SELECT id, name FROM users ORDER BY id OFFSET 400
SELECT id, name FROM users ORDER BY id LIMIT 0
SELECT id, name FROM users ORDER BY id LIMIT ALL
SELECT id, name FROM users ORDER BY id LIMIT NULL OFFSET NULL
SELECT id, name FROM users ORDER BY id LIMIT 1000000000000
SELECT id, name FROM users ORDER BY id LIMIT 2 + 3
SELECT id, name FROM users ORDER BY id LIMIT (SELECT count(*) FROM countries)
SELECT id, name FROM users ORDER BY id LIMIT 3.5
SELECT id, name FROM users ORDER BY id LIMIT '4'
SELECT id, name FROM users ORDER BY id LIMIT $1 --: with 4
SELECT id, name FROM users ORDER BY id LIMIT $1 OFFSET $2 --: with 4|10
SELECT id, name FROM users ORDER BY id LIMIT $1::int OFFSET $2::smallint --: with 4|10
SELECT id, name FROM users ORDER BY id LIMIT $1::bigint --: with 4
SELECT id, name FROM users ORDER BY id LIMIT $1 --: with NULL
SELECT id, name FROM users ORDER BY id LIMIT $1 --: with -1
SELECT id, name FROM users ORDER BY id FETCH FIRST 4 ROWS ONLY
SELECT id, name FROM users ORDER BY id OFFSET 2 ROWS FETCH NEXT ROW ONLY
SELECT id, age FROM users ORDER BY age FETCH FIRST 4 ROWS WITH TIES --: ordered by 2
SELECT id, age FROM users ORDER BY age DESC FETCH FIRST 1 ROWS WITH TIES --: ordered by 2
SELECT id, age FROM users ORDER BY age NULLS FIRST OFFSET 2 FETCH FIRST 1 ROWS WITH TIES --: free, some of SELECT id, age FROM users
SELECT country FROM users ORDER BY country FETCH FIRST 2 ROWS WITH TIES
SELECT age FROM users ORDER BY age LIMIT 9
SELECT age, country FROM users ORDER BY age, country OFFSET 5 LIMIT 9
SELECT name FROM users ORDER BY id LIMIT 6 OFFSET 3
SELECT name FROM users ORDER BY age NULLS FIRST, id DESC LIMIT 6
SELECT k, n FROM measures ORDER BY n, k LIMIT 7
SELECT k, t FROM measures ORDER BY t DESC NULLS LAST, k LIMIT 7
SELECT k FROM measures ORDER BY x DESC, k LIMIT 3
SELECT id FROM users WHERE age > 14 ORDER BY id LIMIT 3
SELECT id FROM users WHERE id IN (1, 11, 21, 31) ORDER BY id LIMIT 2
SELECT id FROM users WHERE id = 3 LIMIT 1
SELECT * FROM nobody ORDER BY id LIMIT 3
SELECT * FROM lone ORDER BY id LIMIT 3 OFFSET 1
-- Which rows come is open, how many isn't
SELECT id, name FROM users LIMIT 5 --: some of SELECT id, name FROM users
SELECT id, name FROM users LIMIT 1 --: some of SELECT id, name FROM users
SELECT id, name FROM users LIMIT 0
SELECT id, name FROM users LIMIT 1000
SELECT id, name FROM users OFFSET 40 --: some of SELECT id, name FROM users
SELECT id, name FROM users LIMIT 5 OFFSET 41 --: some of SELECT id, name FROM users
SELECT id FROM users WHERE active LIMIT 4 --: some of SELECT id FROM users WHERE active
SELECT id, age FROM users ORDER BY age LIMIT 5 --: free, some of SELECT id, age FROM users
SELECT DISTINCT country FROM users LIMIT 2 --: some of SELECT DISTINCT country FROM users
SELECT * FROM posts FETCH FIRST 3 ROWS ONLY --: some of SELECT * FROM posts
SELECT * FROM nobody LIMIT 3
-- Inside
SELECT count(*) FROM (SELECT id FROM users LIMIT 7) s
SELECT max(id) FROM (SELECT id FROM users ORDER BY id LIMIT 7) s
SELECT * FROM (SELECT id FROM users ORDER BY id LIMIT 7) s ORDER BY id DESC
SELECT id FROM users WHERE id IN (SELECT id FROM users ORDER BY id DESC LIMIT 3) ORDER BY id
(SELECT id FROM users ORDER BY id LIMIT 2) UNION ALL (SELECT id FROM users ORDER BY id DESC LIMIT 2) ORDER BY id
SELECT id FROM users ORDER BY id LIMIT 3 FOR UPDATE --: refused 0A000
SELECT id FROM users WHERE id = 3 FOR UPDATE
SELECT id FROM users WHERE id IN (3, 30) ORDER BY id FOR SHARE --: refused 0A000
