-- Views: each the derived table that its definition is.
-- A condition outside binds the key inside.
SELECT * FROM adults WHERE id = 6
SELECT * FROM adults WHERE id = $1 --: with 6
SELECT * FROM adults WHERE id = $1 --: with 8
SELECT a.name FROM adults AS a WHERE a.id = 21
SELECT x.b FROM adults AS x (a, b) WHERE a = 21
SELECT adults.* FROM adults WHERE id = 21
SELECT public.adults.name FROM public.adults WHERE public.adults.id = 21
SELECT * FROM adults a JOIN posts p ON p.user_id = a.id WHERE a.id = 21 ORDER BY p.id
SELECT * FROM user_posts WHERE id = 7 ORDER BY post_id
SELECT * FROM adult_posts WHERE id = 21 ORDER BY post_id
SELECT * FROM user_countries WHERE id = 4
SELECT * FROM per_user WHERE user_id = 7
SELECT * FROM words WHERE id = 7 ORDER BY word
SELECT * FROM "Odd View" WHERE "Col A" = 4
SELECT * FROM eastern ORDER BY id
SELECT * FROM three_users WHERE id = 3
SELECT * FROM three_users WHERE id = 4
SELECT * FROM fans WHERE id = 7
SELECT * FROM users WHERE id IN (SELECT id FROM adults WHERE id = 6)
SELECT * FROM users u WHERE id = 6 AND EXISTS (SELECT FROM adults a WHERE a.id = u.id)
WITH a AS (SELECT * FROM adults) SELECT * FROM a WHERE id = 6
-- Each shard's rows of a view are its share.
SELECT * FROM adults ORDER BY id
TABLE adults
SELECT count(*), min(age), max(id), sum(age) FROM adults
SELECT age, count(*) FROM adults GROUP BY age ORDER BY age
SELECT DISTINCT name FROM adults ORDER BY name
SELECT * FROM adults ORDER BY id LIMIT 3 OFFSET 2
SELECT * FROM adults WHERE id IN (6, 7, 20, 21) ORDER BY id
SELECT * FROM adults WHERE id = ANY ($1) ORDER BY id --: with {6,7,20,21}
SELECT * FROM three_users ORDER BY id
SELECT * FROM adult_posts ORDER BY id, post_id
SELECT name, count(*) FROM user_posts GROUP BY name ORDER BY 1
SELECT id, count(*) FROM user_posts GROUP BY id ORDER BY 1
SELECT * FROM user_countries ORDER BY id
SELECT country, count(*) FROM user_countries GROUP BY country ORDER BY country
SELECT user_id, n, last FROM per_user ORDER BY user_id
SELECT n, count(*) FROM per_user GROUP BY n ORDER BY n
SELECT count(*) FROM words
SELECT id, count(*) FROM words GROUP BY id ORDER BY id
SELECT a.id, p.id FROM adults a JOIN posts p ON p.user_id = a.id ORDER BY 1, 2
SELECT a.id, u.n FROM adults a LEFT JOIN per_user u ON u.user_id = a.id ORDER BY 1
SELECT id FROM adults UNION ALL SELECT user_id FROM per_user ORDER BY 1
SELECT id FROM adults INTERSECT SELECT user_id FROM per_user ORDER BY 1
SELECT id, (SELECT n FROM per_user p WHERE p.user_id = a.id) FROM adults a ORDER BY id
SELECT id FROM users u WHERE NOT EXISTS (SELECT FROM per_user p WHERE p.user_id = u.id) ORDER BY id
SELECT "select", count(*) FROM "Odd View" GROUP BY 1 ORDER BY 1
SELECT * FROM kinds ORDER BY k
SELECT sum(n), max(m) FROM kinds
SELECT stddev(age) FROM adults
SELECT avg(n) FROM per_user HAVING count(*) > 1
-- Gathered: the view is pulled by its name.
SELECT id, name, rank() OVER (ORDER BY age DESC, id) FROM adults ORDER BY id
SELECT * FROM adults ORDER BY name COLLATE "en_US", id
SELECT name, age FROM adults ORDER BY name, id
SELECT a.id, b.id FROM adults a JOIN adults b ON a.age = b.age AND a.id < b.id ORDER BY 1, 2
SELECT a.id, l.author_id FROM adults a JOIN likes l ON l.author_id = a.id ORDER BY 1, l.user_id, l.post_id
SELECT string_agg(name, ',' ORDER BY id) FROM adults
SELECT string_agg(name, ',' ORDER BY id) FROM adults WHERE age > $1 --: with 20
SELECT array_agg(id ORDER BY id) FROM adults WHERE id > 10 AND name IS NOT NULL
SELECT max(name) FROM adult_posts
SELECT * FROM per_user ORDER BY titles, user_id
SELECT age, (SELECT count(*) FROM adults) FROM users WHERE id < 5 ORDER BY id
SELECT id FROM users WHERE age > ALL (SELECT age FROM adults WHERE id < 10) ORDER BY id
SELECT count(*) FROM (SELECT * FROM user_posts ORDER BY score, id, post_id LIMIT 7) s
SELECT c.name, a.name FROM countries c LEFT JOIN user_countries a ON a.country = c.name ORDER BY 1, a.id
SELECT row_number() OVER (ORDER BY k), d, z, x, u, j, a FROM kinds ORDER BY k
SELECT "Col A", lag(v) OVER (ORDER BY "Col A") FROM "Odd View" ORDER BY 1
SELECT * FROM adults NATURAL JOIN first_users ORDER BY id
SELECT three_users FROM three_users ORDER BY id --: refused 0A000 range binary
SELECT to_json(t) FROM three_users t ORDER BY id
-- Gathered: the definition stands in the place of the view.
SELECT * FROM per_country ORDER BY country
SELECT max(n) FROM per_country
SELECT * FROM per_country p JOIN countries c ON c.code = p.country ORDER BY 1
SELECT country FROM per_country WHERE n > $1 ORDER BY 1 --: with 9
SELECT p.country, n FROM per_country AS p WHERE p.country = 'de'
SELECT b FROM per_country AS x (a, b) ORDER BY b, a
SELECT * FROM full_countries ORDER BY country
SELECT f.n, p.n FROM full_countries f JOIN per_country p USING (country) ORDER BY country
SELECT * FROM ranked ORDER BY place LIMIT 4
SELECT * FROM ranked WHERE id = 7
SELECT * FROM ranked WHERE place = 3
SELECT * FROM first_users
SELECT count(*) FROM first_users WHERE age > 12
SELECT * FROM first_users WHERE id = 1
SELECT title FROM titles ORDER BY title
TABLE titles
SELECT count(*) FROM titles
SELECT * FROM liked ORDER BY who, whom, called
SELECT called, count(*) FROM liked WHERE whom < 10 GROUP BY called ORDER BY called
SELECT * FROM liked WHERE who = 7 ORDER BY whom
SELECT * FROM liked WHERE who = 7 AND whom = 7
SELECT * FROM of_settings ORDER BY id
SELECT * FROM of_settings WHERE id = 3
SELECT * FROM fans ORDER BY id
SELECT id, fans FROM fans WHERE fans > 2 ORDER BY id
SELECT * FROM friends ORDER BY depth
SELECT count(*) FROM timed
SELECT * FROM timed WHERE id < 3 ORDER BY id
SELECT * FROM ages ORDER BY age
SELECT u.id, a.n FROM users u JOIN ages a ON a.age = u.age WHERE u.id < 10 ORDER BY 1
SELECT id FROM users WHERE country IN (SELECT country FROM full_countries) ORDER BY id
SELECT r.place, a.name FROM ranked r JOIN adults a ON a.id = r.id ORDER BY 1
SELECT place, (SELECT count(*) FROM full_countries) FROM ranked WHERE place < 3 ORDER BY place
SELECT per_country FROM per_country WHERE country = 'de' --: refused 0A000
WITH w AS (SELECT * FROM per_country) SELECT w.n, v.n FROM w JOIN w v ON v.n < w.n ORDER BY 1, 2
SELECT n / (n - n) FROM per_country
SELECT nothing FROM per_country
-- Reference and home tables alone
SELECT * FROM big_countries ORDER BY code
SELECT u.id, b.name FROM users u JOIN big_countries b ON b.code = u.country ORDER BY 1
SELECT * FROM plain_settings ORDER BY name
SELECT u.id, s.value FROM users u JOIN plain_settings s ON s.name = 's' || u.id ORDER BY 1
SELECT * FROM constants
SELECT u.id, one, two FROM users u, constants WHERE u.id = 3
SELECT u.id, one, two FROM users u, constants WHERE u.id < 3 ORDER BY 1
-- Made and changed in a transaction, and after it
BEGIN
+ CREATE VIEW young AS SELECT id, age FROM users WHERE age < 12
+ SELECT * FROM young ORDER BY id
+ CREATE OR REPLACE VIEW young AS SELECT id, age FROM users WHERE age < 11
+ SELECT * FROM young ORDER BY id
+ SELECT array_agg(id ORDER BY id) FROM young
+ ALTER VIEW young RENAME COLUMN age TO years
+ SELECT years FROM young WHERE id = 0
+ SELECT years, row_number() OVER (ORDER BY id) FROM young ORDER BY id
+ DROP VIEW young
+ SELECT * FROM young
+ ROLLBACK
BEGIN
+ CREATE VIEW oldest AS SELECT max(age) AS age FROM users
+ SELECT * FROM oldest
+ UPDATE users SET age = 99 WHERE id = 4
+ SELECT * FROM oldest
+ SELECT u.id FROM users u JOIN oldest o ON o.age = u.age
+ ROLLBACK
-- COPY, PREPARE, EXPLAIN
COPY (SELECT * FROM adults ORDER BY id) TO STDOUT
PREPARE p AS SELECT * FROM per_country ORDER BY country
+ EXECUTE p --: refused 0A000
+ DEALLOCATE p
