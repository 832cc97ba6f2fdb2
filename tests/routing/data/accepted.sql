-- Statements that belong to one shard. See tests/routing/data.rs for the form.
SELECT 1 -- => any
SELECT * FROM users WHERE id = 42 -- => user 42
SELECT * FROM users WHERE id = '42' -- => user 42
SELECT * FROM users WHERE id = -42 -- => user -42
SELECT * FROM users WHERE 42 = id -- => user 42
SELECT * FROM users WHERE id = $1 -- $1:int8=42 => user 42
SELECT * FROM users WHERE id = $1 -- $1:=42 => user 42
SELECT * FROM users u JOIN posts p ON p.user_id = u.id WHERE u.id = 42 -- => user 42
SELECT * FROM users u LEFT JOIN posts p ON p.user_id = u.id WHERE u.id = 42 -- => user 42
SELECT * FROM countries -- => any
SELECT * FROM settings -- => home
INSERT INTO users (id, name) VALUES (42, 'a') -- => user 42
INSERT INTO users VALUES ($1, $2) -- $1:int8=42 $2:text=x => user 42
UPDATE users SET name = 'b' WHERE id = 42 -- => user 42
DELETE FROM posts WHERE user_id = 42 AND id = 7 -- => user 42
BEGIN -- => session
SET timezone = 'UTC' -- => session
CREATE INDEX ON posts (user_id, created) -- => all
SELECT * FROM pg_class -- => home
