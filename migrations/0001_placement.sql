-- What pgherd keeps on every node: the placement, as the proxy has it, and functions that
-- give the proxy's answer. Built on functions of the server alone; PostgreSQL 14 and later.

CREATE SCHEMA IF NOT EXISTS pgherd;
COMMENT ON SCHEMA pgherd IS 'Written by pgherd. Not part of the application.';
GRANT USAGE ON SCHEMA pgherd TO PUBLIC;

CREATE TABLE IF NOT EXISTS pgherd.migrations (
    number int PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now()
);

-- One row: the catalog that was installed last, and which of its shards this node is part of.
CREATE TABLE IF NOT EXISTS pgherd.catalog (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    database_id text NOT NULL,
    revision int8 NOT NULL,
    epoch int8 NOT NULL,
    shard text NOT NULL,
    -- The catalog file, whole.
    content text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now()
);

-- Piece i (from 1) of a keyspace lies on shards[i]; it ends before bounds[i].
CREATE TABLE IF NOT EXISTS pgherd.placement (
    keyspace text PRIMARY KEY,
    epoch int8 NOT NULL,
    key_types text[] NOT NULL CHECK (
        cardinality(key_types) > 0
        AND key_types <@ '{int2,int4,int8,text,uuid,numeric,date,time,timestamp,timestamptz}'::text[]
    ),
    kind text NOT NULL CHECK (kind IN ('ring', 'ranges')),
    -- Of a ring: positions.
    ring_bounds int8[] NOT NULL DEFAULT '{}',
    -- Of ranges: values of the key's type, as text.
    range_bounds text[] NOT NULL DEFAULT '{}',
    shards text[] NOT NULL,
    CHECK (cardinality(shards) = cardinality(ring_bounds) + cardinality(range_bounds) + 1)
);

GRANT SELECT ON pgherd.migrations, pgherd.catalog, pgherd.placement TO PUBLIC;

-- The ring position of a key of one column: its hash. NULL lies at 0. (Of a key of several:
-- hash_record_extended(ROW(a, b), 0).) The key has to be of its column's type: 42 and 42.0
-- are equal and have different hashes, while the integers agree.
CREATE OR REPLACE FUNCTION pgherd.position_of(key anyelement) RETURNS int8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.hash_record_extended(ROW(key), 0)
$$;

-- The slot of a key: the top 16 bits of its position, in signed order from 0.
CREATE OR REPLACE FUNCTION pgherd.slot_of(key anyelement) RETURNS int4
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (pg_catalog.hash_record_extended(ROW(key), 0) >> 48)::int4 + 32768
$$;

-- The record of a keyspace, for a key of so many columns.
CREATE OR REPLACE FUNCTION pgherd.placement_of(keyspace text, columns int4)
RETURNS pgherd.placement
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    placed pgherd.placement;
BEGIN
    SELECT p.* INTO placed FROM pgherd.placement AS p WHERE p.keyspace = placement_of.keyspace;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no keyspace "%"', keyspace
            USING ERRCODE = 'undefined_object',
                  HINT = 'pgherd.placement lists them; pgherd install brings a node up to date.';
    END IF;
    IF columns <> cardinality(placed.key_types) THEN
        RAISE EXCEPTION 'the key of keyspace "%" has the columns (%), not % column(s)',
            keyspace, array_to_string(placed.key_types, ', '), columns
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN placed;
END
$$;

-- The shard of a key, by the text of its columns: pgherd.shard_of('users', '42'),
-- pgherd.shard_of('events', 'a0ee…', 'login').
CREATE OR REPLACE FUNCTION pgherd.shard_of(keyspace text, VARIADIC key text[])
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    placed pgherd.placement := pgherd.placement_of(keyspace, cardinality(key));
    columns text;
    piece int4;
BEGIN
    SELECT string_agg(format('%L::%s', value, key_type), ', ' ORDER BY n) INTO columns
    FROM unnest(key, placed.key_types) WITH ORDINALITY AS c (value, key_type, n);
    IF placed.kind = 'ring' THEN
        EXECUTE format('SELECT width_bucket(hash_record_extended(ROW(%s), 0), $1)', columns)
            INTO piece USING placed.ring_bounds;
    ELSE
        EXECUTE format('SELECT width_bucket(%s %s, $1::%s[])', columns,
                CASE placed.key_types[1] WHEN 'text' THEN 'COLLATE "C"' END, placed.key_types[1])
            INTO piece USING placed.range_bounds;
    END IF;
    -- NULL falls into no bucket: it sorts last.
    RETURN placed.shards[coalesce(piece + 1, cardinality(placed.shards))];
END
$$;

-- The shard of a key of one column, of any type that converts to the column's:
-- pgherd.shard_of('users', id).
CREATE OR REPLACE FUNCTION pgherd.shard_of(keyspace text, key anyelement)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    placed pgherd.placement := pgherd.placement_of(keyspace, 1);
    piece int4;
BEGIN
    IF placed.kind = 'ring' THEN
        EXECUTE format('SELECT width_bucket(hash_record_extended(ROW($1::%s), 0), $2)',
                placed.key_types[1])
            INTO piece USING key, placed.ring_bounds;
    ELSE
        EXECUTE format('SELECT width_bucket($1::%s %s, $2::%s[])', placed.key_types[1],
                CASE placed.key_types[1] WHEN 'text' THEN 'COLLATE "C"' END, placed.key_types[1])
            INTO piece USING key, placed.range_bounds;
    END IF;
    RETURN placed.shards[coalesce(piece + 1, cardinality(placed.shards))];
END
$$;
