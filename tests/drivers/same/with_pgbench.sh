#!/bin/sh
# pgbench in its protocols and with pipelines: see README.md. What it counts must add up.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
ask() { psql -X -A -t -q -v ON_ERROR_STOP=1 -c "$1"; }

run() { # NAME ARGUMENT…
    name=$1
    shift
    # A thread for each client: pgbench prepares with its thread waiting, and the others of that
    # thread, in their transactions, would keep all connections meanwhile.
    pgbench -n -c 6 -j 6 -t 30 "$@" > "$dir/out" 2> "$dir/wrong" || { cat "$dir/out" "$dir/wrong" >&2; exit 1; }
    grep -E 'transactions actually processed|failed transactions' "$dir/out" | sed "s/^/$name: /"
    ask 'SELECT count(*), sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts),
        sum(delta) = (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history'
}

PGOPTIONS='-c client_min_messages=error' pgbench -i -q -s 1 > "$dir/out" 2>&1 || { cat "$dir/out" >&2; exit 1; }
ask 'SELECT count(*) FROM pgbench_accounts'
for mode in simple extended prepared; do
    run "$mode" -M "$mode"
    run "$mode, reading" -M "$mode" -S
done

# A transaction in a pipeline, with a savepoint; several Syncs in flight; an error that is ignored
# by nobody.
cat > "$dir/pipeline" <<'END'
\set aid random(1, 100000)
\set delta random(-5000, 5000)
\startpipeline
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SAVEPOINT s;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
RELEASE s;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = 1;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :aid, :delta, CURRENT_TIMESTAMP);
END;
\endpipeline
\startpipeline
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
SELECT generate_series(1, 50);
SET application_name = 'one';
SHOW application_name;
\endpipeline
END
# No BEGIN: what is between the Syncs is one transaction.
cat > "$dir/implicit" <<'END'
\set aid random(1, 100000)
\set delta random(-5000, 5000)
\startpipeline
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = 1;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :aid, :delta, CURRENT_TIMESTAMP);
\endpipeline
END
for mode in extended prepared; do
    for script in pipeline implicit; do
        run "$script, $mode" -M "$mode" -f "$dir/$script"
    done
done
ask 'DROP TABLE pgbench_history, pgbench_accounts, pgbench_branches, pgbench_tellers'
