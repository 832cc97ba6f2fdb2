-- Statements that one shard can't answer: each is refused, none is sent.
-- One a line; behind `=>` the SQLSTATE and words of the message.
SELECT * FROM users -- => 0A000 public.users is not bound to one shard
SELECT * FROM users WHERE id = 1 OR name = 'x' -- => 0A000 public.users is not bound to one shard
SELECT * FROM stray WHERE id = 1 -- => 0A000 table public.stray is in no sharding rule
UPDATE countries SET name = 'x' -- => 0A000 reference table
