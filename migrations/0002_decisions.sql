-- The outcome of transactions over several shards. Each shard but one prepares its part; the one
-- that is left commits its own part together with a row of this table, and that commit is the
-- decision. Where a row says what became of it, whoever finds a prepared part can finish it.

CREATE TABLE IF NOT EXISTS pgherd.decisions (
    gid text PRIMARY KEY,
    -- False: given up, and whoever comes to decide otherwise fails.
    committed boolean NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Called in the transaction itself, whoever runs it.
CREATE OR REPLACE FUNCTION pgherd.decide(gid text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- The other shards rely on this commit as soon as it is told.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    INSERT INTO pgherd.decisions (gid, committed) VALUES (decide.gid, true)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the transaction was given up while it was being committed'
            USING ERRCODE = 'serialization_failure', HINT = 'Run it again.';
    END IF;
END
$$;

-- What became of a transaction; one that nobody has decided is given up with this.
CREATE OR REPLACE FUNCTION pgherd.outcome(gid text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO pgherd.decisions (gid, committed) VALUES (outcome.gid, false)
    ON CONFLICT DO NOTHING;
    RETURN (SELECT d.committed FROM pgherd.decisions AS d WHERE d.gid = outcome.gid);
END
$$;
REVOKE EXECUTE ON FUNCTION pgherd.outcome(text) FROM PUBLIC;
