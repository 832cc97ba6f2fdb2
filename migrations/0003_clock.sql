-- What a statement over several shards has in place of now() and the like: the moment at which its
-- transaction began, as one of the shards has it, read by each of them as it would read its own.
-- The names are those of the functions whose place they take, so that outputs have their names.

CREATE OR REPLACE FUNCTION pgherd.now(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT $1 $$;

CREATE OR REPLACE FUNCTION pgherd.transaction_timestamp(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT $1 $$;

CREATE OR REPLACE FUNCTION pgherd.statement_timestamp(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT $1 $$;

CREATE OR REPLACE FUNCTION pgherd."current_timestamp"(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT $1 $$;

-- By the session's time zone.
CREATE OR REPLACE FUNCTION pgherd."localtimestamp"(moment timestamptz) RETURNS timestamp
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT $1::pg_catalog.timestamp $$;

CREATE OR REPLACE FUNCTION pgherd."current_date"(moment timestamptz) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT $1::pg_catalog.date $$;

CREATE OR REPLACE FUNCTION pgherd."current_time"(moment timestamptz) RETURNS timetz
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT $1::pg_catalog.timetz $$;

CREATE OR REPLACE FUNCTION pgherd."localtime"(moment timestamptz) RETURNS time
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT $1::pg_catalog.time $$;

-- `age(t)` is the time from then to the beginning of today.
CREATE OR REPLACE FUNCTION pgherd.age(moment timestamptz, since timestamptz) RETURNS interval
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.age($1::pg_catalog.date::pg_catalog.timestamptz, $2)
$$;

CREATE OR REPLACE FUNCTION pgherd.age(moment timestamptz, since timestamp) RETURNS interval
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.age($1::pg_catalog.date::pg_catalog.timestamp, $2)
$$;

-- Which has nothing to do with the time.
CREATE OR REPLACE FUNCTION pgherd.age(moment timestamptz, since xid) RETURNS int4
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT pg_catalog.age($2) $$;
