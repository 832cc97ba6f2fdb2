-- Statements that one server finishes over rows pulled from several shards.
-- One a line: `statement -- [parameters] => gathered`.


SELECT * FROM users u JOIN posts p ON p.id = u.id WHERE u.id = 1 -- => gathered
SELECT * FROM users u, posts p WHERE u.id = 1 -- => gathered
SELECT * FROM users u CROSS JOIN posts p WHERE p.user_id = 1 -- => gathered
SELECT * FROM users u LEFT JOIN posts p ON p.likes > 5 WHERE u.id = 1 -- => gathered
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = 1 WHERE p.id IS NULL -- => gathered
SELECT * FROM follows f JOIN users u ON u.id = f.followee_id WHERE f.follower_id = 1 -- => gathered
SELECT * FROM users a JOIN users b ON a.country = b.country WHERE a.id = 1 -- => gathered
SELECT * FROM users u JOIN orders o ON o.tenant_id = u.id WHERE u.id = 1 -- => gathered
SELECT * FROM users u JOIN posts p ON p.user_id = u.id OR p.likes = 0 WHERE u.id = 1 -- => gathered
SELECT * FROM users u JOIN posts p USING (id) WHERE u.id = 1 -- => gathered
SELECT * FROM users u NATURAL JOIN posts p WHERE u.id = 1 -- => gathered
SELECT * FROM users u JOIN amounts a ON a.n = u.id WHERE u.id = 1 -- => gathered
SELECT * FROM users u JOIN jobs j ON j.user_id = u.id WHERE u.id = 1 -- => gathered
VALUES (1), ((SELECT max(id) FROM users)) -- => gathered
SELECT * FROM users WHERE id = 1 AND name IN (SELECT body FROM posts) -- => gathered
SELECT * FROM users WHERE id NOT IN (SELECT user_id FROM posts WHERE user_id = 1) -- => gathered
SELECT * FROM users u WHERE u.id = 1 AND NOT EXISTS (SELECT 1 FROM posts p WHERE p.likes > u.age) -- => gathered
SELECT * FROM users WHERE EXISTS (SELECT 1 FROM posts WHERE user_id = 1) -- => gathered
SELECT (SELECT count(*) FROM posts) FROM users WHERE id = 1 -- => gathered
SELECT (SELECT count(*) FROM posts p WHERE p.user_id = u.id + 1) FROM users u WHERE u.id = 1 -- => gathered
SELECT * FROM users WHERE id = (SELECT max(user_id) FROM posts WHERE user_id = 1) -- => gathered
SELECT * FROM countries WHERE code IN (SELECT country FROM users) -- => gathered
SELECT * FROM settings WHERE value IN (SELECT name FROM users) -- => gathered
SELECT ARRAY(SELECT id FROM users) -- => gathered
SELECT EXISTS (SELECT 1 FROM users) -- => gathered
SELECT 1 LIMIT (SELECT count(*) FROM users) -- => gathered
SELECT * FROM users WHERE id = 1 ORDER BY (SELECT count(*) FROM posts) -- => gathered
SELECT name FROM users WHERE id = 1 GROUP BY name HAVING count(*) > (SELECT count(*) FROM posts) -- => gathered
SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM posts)) FROM users WHERE id = 1 -- => gathered
SELECT * FROM (SELECT * FROM users LIMIT 10) u WHERE u.id = 1 -- => gathered
SELECT * FROM (SELECT id, rank() OVER (ORDER BY age) FROM users) u WHERE u.id = 1 -- => gathered
SELECT * FROM (SELECT DISTINCT ON (country) id FROM users) u WHERE u.id = 1 -- => gathered
SELECT * FROM (SELECT max(id) AS id FROM users) u WHERE u.id = 1 -- => gathered
SELECT * FROM (SELECT id, random() AS r FROM users) u WHERE u.id = 1 -- => gathered
SELECT * FROM (SELECT country, count(*) FROM users GROUP BY country) c WHERE country = 'NO' -- => gathered
SELECT * FROM (SELECT id, count(*) FROM users GROUP BY ROLLUP (id)) u WHERE id = 1 -- => gathered
WITH u AS (SELECT * FROM users) SELECT * FROM u a JOIN u b ON a.country = b.country WHERE a.id = 1 -- => gathered
WITH u AS MATERIALIZED (SELECT *, random() FROM users) SELECT * FROM u WHERE id = 1 -- => gathered
WITH RECURSIVE f AS (SELECT followee_id FROM follows WHERE follower_id = 1 UNION SELECT g.followee_id FROM follows g JOIN f ON g.follower_id = f.followee_id) SELECT * FROM f -- => gathered
SELECT * FROM users u, LATERAL (SELECT * FROM posts p WHERE p.likes > u.age) x WHERE u.id = 1 -- => gathered
SELECT * FROM users o WHERE EXISTS (SELECT u.count FROM users u WHERE u.id = 1 AND o.id = 1) -- => gathered
