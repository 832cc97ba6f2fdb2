//! The same statements through pgherd, on three shards, and on one plain Postgres: the same rows,
//! command tags and error codes. Sessions and transactions, at random from a seed:
//! `PGHERD_SAME_SEED` (default 1) is the first, `PGHERD_SAME_ROUNDS` (default 60) says how many.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::common::{code, connect, proxy};
use crate::support::{TestHerd, Want};

const STATEMENTS: &[&str] = &[
    "BEGIN",
    "BEGIN",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "START TRANSACTION READ ONLY",
    "COMMIT",
    "END",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "SAVEPOINT a",
    "SAVEPOINT b",
    "RELEASE a",
    "RELEASE b",
    "ROLLBACK TO a",
    "ROLLBACK TO b",
    "SET work_mem = '1MB'",
    "SET work_mem = '2MB'",
    "SET LOCAL work_mem = '3MB'",
    "SET work_mem = 'nonsense'",
    "RESET work_mem",
    "RESET ALL",
    "SHOW work_mem",
    "SHOW work_mem",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET LOCAL TimeZone = 'Europe/Berlin'",
    "SHOW TimeZone",
    "SET app.name = 'x'",
    // Once a setting of one's own was set in a server's session, it is empty and no longer
    // unknown there: SHOW tells one from the other, applications must not.
    "SELECT nullif(current_setting('app.name', true), '')",
    "SHOW transaction_isolation",
    "SHOW transaction_read_only",
    "SET TRANSACTION READ ONLY",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET ROLE pg_monitor",
    "RESET ROLE",
    "SELECT n FROM same_rows WHERE id = 1",
    "SELECT n FROM same_rows WHERE id = 1",
    "UPDATE same_rows SET n = n + 1 WHERE id = 1",
    "UPDATE same_rows SET n = n + 1 WHERE id = 1",
    "UPDATE same_rows SET n = n + 1 WHERE id = 1 RETURNING n, current_setting('work_mem')",
    "INSERT INTO same_rows VALUES (1, 0)",
    "SELECT 1 / 0",
    "SELECT current_user, current_setting('timezone')",
    "SELECT * FROM nosuch_table",
    "SELEC",
    "",
    ";",
    "DECLARE c CURSOR FOR SELECT n FROM same_rows WHERE id = 1",
    "FETCH c",
    "CLOSE c",
    "DISCARD ALL",
    "DEALLOCATE nosuch",
    "BEGIN; UPDATE same_rows SET n = n + 10 WHERE id = 1; COMMIT",
    "UPDATE same_rows SET n = n + 100 WHERE id = 1; SELECT 1 / 0",
    "SET work_mem = '5MB'; SELECT 1 / 0",
    "SET work_mem = '6MB'; SHOW work_mem",
    "BEGIN; SET LOCAL work_mem = '7MB'",
    "BEGIN; SET work_mem = '8MB'; SAVEPOINT a; SET work_mem = '9MB'",
    "COMMIT; BEGIN",
    "ROLLBACK; SELECT n FROM same_rows WHERE id = 1",
    "SELECT n FROM same_rows WHERE id = 1; COMMIT; SELECT 1 / 0",
];

/// What a client is told of a statement.
async fn outcome(client: &Client, statement: &str, extended: bool) -> String {
    if extended {
        return match client.query(statement, &[]).await {
            Ok(rows) => format!("{} rows", rows.len()),
            Err(error) => code(&error).to_owned(),
        };
    }
    match client.simple_query(statement).await {
        Ok(messages) => messages.iter().map(shown).collect::<Vec<_>>().join(" | "),
        Err(error) => code(&error).to_owned(),
    }
}

fn shown(message: &SimpleQueryMessage) -> String {
    match message {
        SimpleQueryMessage::Row(row) => {
            (0..row.len()).map(|i| row.get(i).unwrap_or("NULL")).collect::<Vec<_>>().join(",")
        }
        SimpleQueryMessage::CommandComplete(rows) => format!("done {rows}"),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_transactions_are_those_of_one_postgres() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let herd = TestHerd::shared(&Want::unsharded(0));
    let plain_dsn = herd.primary("s1").expect("a node").dsn();
    let dsn = proxy().dsn("app");
    let tables = "CREATE TABLE same_rows (id bigint PRIMARY KEY, n bigint)";
    let first = "INSERT INTO same_rows VALUES (1, 0)";
    for dsn in [&dsn, &plain_dsn] {
        let client = connect(dsn).await;
        client.batch_execute(tables).await.expect("made");
        client.batch_execute(first).await.expect("inserted");
    }
    let rounds = setting("PGHERD_SAME_ROUNDS").unwrap_or(60);
    let first_seed = setting("PGHERD_SAME_SEED").unwrap_or(1);
    let (mut compared, mut refused) = (0, 0);
    for round in 0..rounds {
        let seed = first_seed.wrapping_add(round);
        let mut random = StdRng::seed_from_u64(seed);
        let (ours, plain) = (connect(&dsn).await, connect(&plain_dsn).await);
        let mut said = Vec::new();
        for _ in 0..40 {
            let statement = *STATEMENTS.choose(&mut random).expect("some");
            let several = statement.trim_end_matches(';').contains(';');
            let extended = !several && random.random_bool(0.4);
            let got = outcome(&ours, statement, extended).await;
            if got == "0A000" {
                // Refused, and before anything was done: the two are not the same any more.
                refused += 1;
                break;
            }
            let expected = outcome(&plain, statement, extended).await;
            said.push(format!("{statement}{} -> {got}", if extended { " (extended)" } else { "" }));
            assert_eq!(got, expected, "seed {seed} after\n{}", said.join("\n"));
            compared += 1;
        }
        // The next round begins with the same rows.
        drop((ours, plain));
        for dsn in [&dsn, &plain_dsn] {
            let client = connect(dsn).await;
            client.batch_execute("UPDATE same_rows SET n = 0 WHERE id = 1").await.expect("reset");
        }
    }
    println!("{compared} statements compared, {refused} sequences ended by a refusal");
    assert!(compared > rounds * 5, "{compared}");
}
