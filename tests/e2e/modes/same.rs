//! One shard in transaction mode, and a connection of one plain Postgres: random sessions, on
//! connections that change under them, answer the same. `PGHERD_SAME_SEED` and
//! `PGHERD_SAME_ROUNDS` as for the sessions on several shards.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::herd;
use super::prepare::outcome;
use crate::proxy::common::connect;
use crate::support::{TestHerd, Want};

const STATEMENTS: &[&str] = &[
    "BEGIN",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "ROLLBACK TO a",
    "RELEASE a",
    "SELECT 1 / 0",
    "SELECT 7",
    "CREATE TEMP TABLE mine (n int)",
    "CREATE TEMP TABLE mine (n int) ON COMMIT DROP",
    "INSERT INTO mine VALUES (1)",
    "SELECT count(*) FROM mine",
    "DROP TABLE mine",
    "SELECT 1 AS n INTO TEMP mine",
    "DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 5)",
    "DECLARE c CURSOR FOR SELECT generate_series(1, 5)",
    "FETCH c",
    "FETCH 2 FROM c",
    "CLOSE c",
    "CLOSE ALL",
    "LISTEN news",
    "UNLISTEN news",
    "UNLISTEN *",
    "SELECT * FROM pg_listening_channels()",
    "SELECT pg_try_advisory_lock_shared(77)",
    "SELECT pg_advisory_unlock_shared(77)",
    "SELECT pg_advisory_unlock_all()",
    "PREPARE p AS SELECT 'p'",
    "PREPARE p (int) AS SELECT $1 + 1",
    "PREPARE t AS SELECT count(*) FROM mine",
    "EXECUTE p",
    "EXECUTE p (2)",
    "EXECUTE t",
    "DEALLOCATE p",
    "DEALLOCATE ALL",
    "DISCARD ALL",
    "DISCARD TEMP",
    "DISCARD PLANS",
    "DISCARD SEQUENCES",
    "SET work_mem = '1MB'",
    "SET LOCAL work_mem = '2MB'",
    "RESET ALL",
    "RESET work_mem",
    "SHOW work_mem",
    "SELECT set_config('work_mem', '3MB', false)",
    "SELECT set_config('work_mem', '4MB', true)",
    "SELECT set_config('app.x', 'y', false)",
    "SELECT nullif(current_setting('app.x', true), '')",
    "SET SESSION AUTHORIZATION pg_monitor",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET SESSION AUTHORIZATION",
    "SET ROLE pg_read_all_stats",
    "RESET ROLE",
    "SELECT session_user, current_user",
    "DO $$BEGIN PERFORM set_config('work_mem', '5MB', false); END$$",
    "DO $$BEGIN CREATE TEMP TABLE mine (n int); END$$",
    "SET search_path = pg_temp, public",
    "SET search_path = public",
    "PREPARE p AS SELECT 'q'; EXECUTE p",
    "BEGIN; SET LOCAL work_mem = '6MB'; PREPARE p AS SELECT 'r'; ROLLBACK",
    "EXECUTE p; DEALLOCATE p",
    "SELECT 1; SELECT 1 / 0; SELECT 2",
    "LOAD 'plpgsql'",
    "PREPARE TRANSACTION 'same'",
    "COMMIT PREPARED 'same'",
    "ROLLBACK PREPARED 'same'",
    "SET transform_null_equals = on",
    "SELECT NULL = NULL",
    "SET seed = 0.5",
];

#[tokio::test(flavor = "multi_thread")]
async fn sessions_on_one_shard_are_those_of_one_postgres() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let proxy = herd().proxy_with(|settings| settings + "[pool]\nsize = 6\n");
    // A server of its own, for locks.
    let plain_herd = TestHerd::shared(&Want::sharded(3, 0, crate::proxy::common::RULES));
    let plain_dsn = plain_herd.primary("s3").expect("a node").dsn();
    let mover = connect(&proxy.dsn("app")).await;
    let rounds = setting("PGHERD_SAME_ROUNDS").unwrap_or(40);
    let first_seed = setting("PGHERD_SAME_SEED").unwrap_or(1);
    for round in 0..rounds {
        let seed = first_seed.wrapping_add(round);
        let mut random = StdRng::seed_from_u64(seed);
        let (ours, plain) = (connect(&proxy.dsn("app")).await, connect(&plain_dsn).await);
        let mut said = Vec::new();
        for _ in 0..40 {
            let statement = *STATEMENTS.choose(&mut random).expect("some");
            let single = !statement.contains("; ") || statement.starts_with("DO ");
            let extended = single && random.random_bool(0.3);
            let sent = if extended { format!("/{statement}") } else { statement.to_owned() };
            let moves = random.random_bool(0.5);
            if moves {
                mover.batch_execute("BEGIN; SELECT 1").await.expect("begun");
            }
            let got = outcome(&ours, &sent).await;
            if moves {
                mover.batch_execute("COMMIT").await.expect("committed");
            }
            let expected = outcome(&plain, &sent).await;
            said.push(format!("{sent} -> {got}"));
            assert_eq!(got, expected, "seed {seed} after\n{}", said.join("\n"));
        }
        for client in [&ours, &plain] {
            client.batch_execute("ROLLBACK; RESET SESSION AUTHORIZATION").await.expect("ended");
            // There may be none.
            let _ = client.batch_execute("ROLLBACK PREPARED 'same'").await;
        }
    }
}
