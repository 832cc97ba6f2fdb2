#writes
-- Writes through a view of one table, on the shards of its rows.
UPDATE adults SET name = 'grown' WHERE id = 6
UPDATE adults SET name = 'grown' WHERE id = 8
UPDATE adults SET name = 'grown' WHERE id = $1 RETURNING id, name, age --: with 21
UPDATE adults SET age = 3 WHERE id = 6 RETURNING *
UPDATE adults AS a SET name = a.name || '!' WHERE a.age > 20
UPDATE adults SET name = 'x' WHERE id IN (6, 7, 20, 21) RETURNING id, name
UPDATE adults SET age = age + 1
UPDATE adults SET age = 30 FROM posts p WHERE p.user_id = adults.id AND p.id = 1
UPDATE adults SET age = 30 FROM posts p WHERE p.id = adults.id --: refused 0A000
UPDATE adults SET age = (SELECT count(*) FROM posts p WHERE p.user_id = adults.id)
UPDATE adults SET age = (SELECT max(n) FROM per_user p WHERE p.user_id = adults.id) WHERE name <> 'x'
UPDATE adults SET age = (SELECT max(n) FROM per_country) --: refused 0A000
UPDATE renamed SET years = years - 1, called = 'c' WHERE years BETWEEN 10 AND 12 RETURNING *
UPDATE renamed SET called = 'c' WHERE id = 7
UPDATE elders SET name = 'elder'
UPDATE elders SET name = 'elder' WHERE id = 8 RETURNING id
UPDATE three_users SET balance = 1 WHERE id = 13
UPDATE three_users SET balance = balance * 2, active = NOT active
UPDATE adults SET id = 6 WHERE id = 6
UPDATE adults SET id = 7000 WHERE id = 6 --: refused 0A000
UPDATE few_logged SET n = n + 1
UPDATE few_logged SET n = 600 WHERE id = 3
UPDATE posts SET likes = 77 FROM adults a WHERE a.id = user_id
UPDATE posts SET likes = 77 WHERE user_id IN (SELECT id FROM adults)
DELETE FROM of_posts WHERE user_id = 7
DELETE FROM of_posts WHERE likes > 2 RETURNING user_id, id
DELETE FROM of_posts
DELETE FROM of_posts USING adults a WHERE a.id = of_posts.user_id RETURNING title
DELETE FROM elders WHERE name > 'user 5'
INSERT INTO adults VALUES (1001, 'new', 19)
INSERT INTO adults (id, name) VALUES (1002, 'young')
INSERT INTO adults (name, id) VALUES ('young', $1) RETURNING * --: with 1003
INSERT INTO adults (id, name) VALUES (1001, 'a'), (1002, 'b'), (1003, 'c'), (1004, 'd') RETURNING id, age
INSERT INTO renamed (called, id) VALUES ('a', 1001), ('b', 1002), ('c', 1003)
INSERT INTO renamed VALUES (1001, 'a', 5)
INSERT INTO elders VALUES (1001, 'a'), (1002, 'b'), (1012, 'c')
INSERT INTO adults VALUES (3, 'again', 1)
INSERT INTO adults VALUES (3, 'again', 1), (1003, 'not', 2) ON CONFLICT (id) DO NOTHING
INSERT INTO adults VALUES (6, 'again', 1), (1003, 'not', 2) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name
INSERT INTO few_logged (id, n) VALUES (1001, 7), (1002, 8)
INSERT INTO few_logged (id, n) VALUES (1001, 700)
INSERT INTO few_logged (id, n) VALUES (1001, 7), (1002, 700), (1003, 8)
INSERT INTO adults SELECT id + 0, name, 1 FROM users --: refused 0A000
INSERT INTO of_posts (user_id, id, title) SELECT id, 900, name FROM adults
INSERT INTO posts (user_id, id, title) SELECT id, 900, name FROM adults
INSERT INTO adults (name) VALUES ('nobody')
MERGE INTO adults a USING countries c ON a.name = c.name WHEN MATCHED THEN DELETE
BEGIN
+ UPDATE adults SET age = 50 WHERE id = 6
+ SELECT * FROM adults WHERE age = 50
+ SELECT count(*) FROM elders
+ ROLLBACK
PREPARE p (int) AS UPDATE adults SET age = $1 WHERE id = 6
+ EXECUTE p (77)
+ SELECT * FROM adults WHERE id = 6
+ DEALLOCATE p
-- What isn't followed
UPDATE eastern SET total = 0 --: refused 0A000
UPDATE "Odd View" SET v = 'x' WHERE "Col A" = 4 --: refused 0A000
INSERT INTO with_default (name) VALUES ('x') --: refused 0A000
UPDATE liked_users SET age = 1 WHERE id = 7 --: refused 0A000
UPDATE now_users SET age = 1 WHERE id = 7
UPDATE now_users SET age = 1 --: refused 0A000
UPDATE per_user SET n = 1 WHERE user_id = 7 --: refused 0A000 simple
DELETE FROM user_posts WHERE id = 7 --: refused 0A000 simple
UPDATE big_countries SET name = 'x' --: refused 0A000
UPDATE plain_settings SET value = 'x' WHERE name = 's1'
DELETE FROM plain_settings
