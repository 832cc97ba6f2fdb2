-- Joins on the key: rows that belong together lie together.
SELECT u.id, p.id, p.title FROM users u JOIN posts p ON p.user_id = u.id
SELECT u.id, p.id, p.title FROM users u JOIN posts p ON p.user_id = u.id ORDER BY u.id, p.id
SELECT u.id, p.id, p.title FROM users u JOIN posts p ON p.user_id = u.id WHERE u.id = 7 ORDER BY p.id
SELECT u.id, p.id FROM users u JOIN posts p ON p.user_id = u.id WHERE p.user_id IN (3, 7, 27) ORDER BY 1, 2
SELECT u.id, p.id FROM users u, posts p WHERE p.user_id = u.id AND p.likes > 2 ORDER BY 1, 2
SELECT u.id, count(p.id) FROM users u LEFT JOIN posts p ON p.user_id = u.id GROUP BY u.id ORDER BY u.id
SELECT u.id, p.id FROM users u LEFT JOIN posts p ON p.user_id = u.id WHERE p.id IS NULL ORDER BY u.id
SELECT u.id, p.id FROM posts p RIGHT JOIN users u ON p.user_id = u.id ORDER BY 1, 2
SELECT u.id, p.user_id FROM users u FULL JOIN posts p ON p.user_id = u.id AND p.id = 1 ORDER BY 1, 2
SELECT p.user_id, l.post_id FROM posts p JOIN likes l USING (user_id) ORDER BY 1, 2, p.id, l.author_id
SELECT user_id, count(*) FROM posts JOIN likes USING (user_id) GROUP BY user_id ORDER BY 1
SELECT * FROM posts JOIN likes USING (user_id) WHERE user_id = 7
SELECT user_id, title FROM posts NATURAL JOIN (SELECT user_id, weight FROM likes) l ORDER BY 1, 2
SELECT u.id, p.id, l.author_id FROM users u JOIN posts p ON p.user_id = u.id JOIN likes l ON l.user_id = u.id AND l.post_id = p.id ORDER BY 1, 2, 3
SELECT a.id, b.id FROM users a JOIN users b USING (id) WHERE a.age < 12 ORDER BY 1
SELECT id, name FROM user_posts ORDER BY id, post_id
SELECT id FROM users u WHERE EXISTS (SELECT FROM posts p WHERE p.user_id = u.id) ORDER BY id
SELECT id FROM users u WHERE NOT EXISTS (SELECT FROM posts p WHERE p.user_id = u.id AND p.likes > 0) ORDER BY id
SELECT id FROM users WHERE id IN (SELECT user_id FROM posts WHERE likes > 3) ORDER BY id
SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM posts) ORDER BY id
SELECT id, (SELECT count(*) FROM posts WHERE user_id = users.id) FROM users ORDER BY id
SELECT id, (SELECT max(title) FROM posts p WHERE p.user_id = u.id AND p.likes > 0) FROM users u ORDER BY id
SELECT u.id, s.n FROM users u JOIN (SELECT user_id, count(*) AS n FROM posts GROUP BY user_id) s ON s.user_id = u.id ORDER BY 1
SELECT u.id, l.title FROM users u CROSS JOIN LATERAL (SELECT title FROM posts WHERE user_id = u.id ORDER BY id LIMIT 1) l ORDER BY 1
SELECT u.id, l.id FROM users u LEFT JOIN LATERAL (SELECT p.id FROM posts p WHERE p.user_id = u.id) l ON true ORDER BY 1, 2
SELECT count(*) FROM users u JOIN posts p ON p.user_id = u.id
SELECT sum(p.likes), count(DISTINCT u.country) FROM users u JOIN posts p ON p.user_id = u.id WHERE u.active
-- With reference tables
SELECT u.id, c.name FROM users u JOIN countries c ON c.code = u.country ORDER BY u.id
SELECT u.id, c.name FROM users u LEFT JOIN countries c ON c.code = u.country ORDER BY u.id
SELECT c.code, u.id FROM countries c LEFT JOIN users u ON u.country = c.code ORDER BY 1, 2
SELECT c.code, u.id FROM users u RIGHT JOIN countries c ON u.country = c.code ORDER BY 1, 2
SELECT c.code, u.id FROM users u FULL JOIN countries c ON u.country = c.code ORDER BY 1, 2
SELECT c.code, count(u.id) FROM countries c LEFT JOIN users u ON u.country = c.code GROUP BY c.code ORDER BY 1
SELECT c.code FROM countries c WHERE EXISTS (SELECT FROM users u WHERE u.country = c.code) ORDER BY 1
SELECT c.code FROM countries c WHERE NOT EXISTS (SELECT FROM users u WHERE u.country = c.code) ORDER BY 1
SELECT c.code FROM countries c WHERE c.code NOT IN (SELECT country FROM users WHERE country IS NOT NULL) ORDER BY 1
SELECT c.code, (SELECT count(*) FROM users u WHERE u.country = c.code) FROM countries c ORDER BY 1
SELECT u.id, r.rate FROM users u JOIN countries c ON c.code = u.country JOIN rates r ON r.code = c.code WHERE r.since > '2025-02-15' ORDER BY 1, 2
SELECT u.id, n FROM users u, generate_series(1, 2) n ORDER BY 1, 2
SELECT u.id, v.b FROM users u JOIN (VALUES (1, 'x'), (11, 'y'), (31, 'z')) v (a, b) ON v.a = u.id ORDER BY 1
SELECT v.a, u.id FROM (VALUES (1), (11), (4000)) v (a) LEFT JOIN users u ON v.a = u.id ORDER BY 1
SELECT x, u.id FROM unnest(ARRAY[1, 11, 4000]) x LEFT JOIN users u ON u.id = x ORDER BY 1
-- Off the key
SELECT a.id, b.id FROM users a JOIN users b ON a.age = b.age AND a.id < b.id ORDER BY 1, 2
SELECT u.id, l.user_id FROM users u JOIN likes l ON l.author_id = u.id ORDER BY 1, 2, l.post_id
SELECT u.name, l.user_id FROM likes l LEFT JOIN users u ON u.id = l.author_id WHERE l.user_id = 7
SELECT p.login, f.name FROM people p JOIN people f ON f.login = p.friend ORDER BY 1
SELECT p.login, f.name FROM people p LEFT JOIN people f ON f.login = p.friend ORDER BY 1
SELECT o.id, u.name FROM orders o JOIN users u ON u.id = o.user_id ORDER BY o.tenant, o.region, o.id
SELECT u.id, sum(o.total) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY 1
SELECT i.label, u.name FROM items i JOIN users u ON u.id = i.owner WHERE i.n > 2 ORDER BY u.id
SELECT count(*) FROM users, items
SELECT count(*) FROM users a CROSS JOIN users b
SELECT id FROM users WHERE id IN (SELECT author_id FROM likes) ORDER BY id
SELECT id FROM users WHERE id NOT IN (SELECT owner FROM items) ORDER BY id
SELECT id FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id AND o.total > 50) ORDER BY id
SELECT id, (SELECT count(*) FROM likes WHERE author_id = users.id) FROM users ORDER BY id
SELECT u.id, s.name FROM users u LEFT JOIN settings s ON s.value = 'v' || u.id WHERE u.id < 5 ORDER BY 1, 2
SELECT u.id, n.id FROM users u LEFT JOIN nobody n ON n.n = u.age ORDER BY 1
SELECT n.id, u.id FROM nobody n FULL JOIN lone u ON n.n = u.n
SELECT u.id FROM users u JOIN lone l ON l.id = u.id
SELECT a.country, count(*) FROM users a JOIN orders o ON o.user_id = a.id GROUP BY a.country ORDER BY 2 DESC, 1
-- Outer joins hide keys
SELECT u.id, p.id FROM users u LEFT JOIN posts p ON p.user_id = u.id AND u.id = 7 ORDER BY 1, 2
SELECT u.id, p.id FROM users u LEFT JOIN posts p ON p.user_id = 7 WHERE u.id = 3 ORDER BY 2
SELECT u.id, p.id FROM users u FULL JOIN posts p ON p.user_id = u.id WHERE u.id = 7 ORDER BY 2
SELECT u.id, p.id FROM users u FULL JOIN posts p ON p.user_id = u.id AND u.id = 7 ORDER BY 1, 2, p.user_id
SELECT p.user_id, u.id FROM posts p LEFT JOIN users u ON u.id = p.user_id AND u.age > 15 ORDER BY p.user_id, p.id
