//! SQL's PREPARE, EXECUTE and DEALLOCATE in transaction mode: each statement through pgherd, on
//! connections that change under it and are shared with a client that uses the same names for
//! other things, answers as on a connection of one plain Postgres.

use tokio_postgres::{Client, SimpleQueryMessage};

use pgherd::cluster::ask::ask;
use pgherd::wire::frontend::{self, Format};

use super::session::raw_client;
use super::{SOON, herd, value};
use crate::proxy::common::{code, connect};
use crate::support::{TestHerd, Want};

/// A sequence of statements; `/` before one sends it by the extended protocol.
const SESSIONS: &[&[&str]] = &[
    &[
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "EXECUTE p",
        "PREPARE p AS SELECT 2",
        "EXECUTE p",
        "DEALLOCATE p",
        "EXECUTE p",
        "DEALLOCATE p",
        "PREPARE p AS SELECT 3",
        "EXECUTE p",
        "EXECUTE P",
        "EXECUTE \"P\"",
    ],
    &[
        "PREPARE q (int, text) AS SELECT $1 + 1, $2 || 'x'",
        "EXECUTE q (1 + 2, 'a')",
        "EXECUTE q (1)",
        "EXECUTE q ('x', 'y')",
        "EXECUTE q ((SELECT 1), 'y')",
        "EXECUTE q (NULL, lower('ABC'))",
        "EXPLAIN (COSTS off) EXECUTE q (1, 'a')",
        "CREATE TEMP TABLE made AS EXECUTE q (1, 'b')",
        "SELECT * FROM made",
        "DROP TABLE made",
        "EXECUTE q (5, 'c')",
    ],
    &[
        "BEGIN",
        "PREPARE p AS SELECT 'in it'",
        "ROLLBACK",
        "EXECUTE p",
        "BEGIN",
        "EXECUTE p",
        "EXECUTE nosuch",
        "EXECUTE p",
        "ROLLBACK",
        "EXECUTE p",
        "BEGIN",
        "SAVEPOINT a",
        "DEALLOCATE p",
        "ROLLBACK TO a",
        "EXECUTE p",
        "COMMIT",
    ],
    &[
        "PREPARE p AS SELECT * FROM nosuch_table",
        "PREPARE p AS SELEC 1",
        "PREPARE p AS BEGIN",
        "EXECUTE p",
        "PREPARE p (nosuch_type) AS SELECT $1",
        "PREPARE p AS SELECT $1 IS NULL",
        "PREPARE p AS SELECT $1::int",
        "EXECUTE p (4)",
        "DEALLOCATE ALL",
        "EXECUTE p (4)",
        "DEALLOCATE PREPARE p",
    ],
    &[
        "PREPARE p AS SELECT 1; EXECUTE p; EXECUTE p",
        "EXECUTE p; DEALLOCATE p; PREPARE p AS SELECT 2; EXECUTE p",
        "EXECUTE p",
        "PREPARE r AS SELECT 5; SELECT 1 / 0",
        "EXECUTE r",
        "BEGIN; PREPARE s AS SELECT 6; SELECT 1 / 0",
        "ROLLBACK",
        "EXECUTE s",
        "DEALLOCATE ALL; EXECUTE s",
        "EXECUTE r",
        "EXECUTE p",
    ],
    &[
        "/PREPARE p AS SELECT 10",
        "/EXECUTE p",
        "EXECUTE p",
        "/DEALLOCATE p",
        "/EXECUTE p",
        "/PREPARE p (int) AS SELECT $1 * 2",
        "/EXECUTE p (21)",
        "/EXECUTE p ('x')",
        "/PREPARE p AS SELECT 1",
        "BEGIN",
        "/EXECUTE p (1)",
        "/EXECUTE nosuch",
        "/EXECUTE p (1)",
        "ROLLBACK",
        "/EXECUTE p (1)",
        "/DEALLOCATE ALL",
        "/EXECUTE p (1)",
    ],
    &[
        "PREPARE p AS SELECT 1",
        "DISCARD ALL",
        "EXECUTE p",
        "PREPARE p AS SELECT 2",
        "DISCARD PLANS",
        "EXECUTE p",
        "PREPARE w AS INSERT INTO prepare_rows VALUES (1) RETURNING n",
        "BEGIN",
        "EXECUTE w",
        "/EXECUTE w",
        "ROLLBACK",
        "SELECT count(*) FROM prepare_rows",
    ],
];

pub async fn outcome(client: &Client, statement: &str) -> String {
    if let Some(statement) = statement.strip_prefix('/') {
        return match client.query(statement, &[]).await {
            Ok(rows) => format!("{} rows of {}", rows.len(), rows.first().map_or(0, |r| r.len())),
            Err(error) => shown(&error),
        };
    }
    match client.simple_query(statement).await {
        Ok(messages) => messages.iter().map(message).collect::<Vec<_>>().join(" | "),
        Err(error) => shown(&error),
    }
}

fn message(message: &SimpleQueryMessage) -> String {
    match message {
        SimpleQueryMessage::Row(row) => {
            (0..row.len()).map(|i| row.get(i).unwrap_or("NULL")).collect::<Vec<_>>().join(",")
        }
        SimpleQueryMessage::CommandComplete(rows) => format!("done {rows}"),
        _ => String::new(),
    }
}

/// The whole error but where in the server's code it comes from.
fn shown(error: &tokio_postgres::Error) -> String {
    let Some(error) = error.as_db_error() else { return error.to_string() };
    format!("{} {} {:?}", error.code().code(), error.message(), error.position())
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_of_sql_are_those_of_one_postgres() {
    let plain_dsn = herd().primary("s1").expect("a node").dsn();
    let proxy = herd().proxy_with(|settings| settings + "[pool]\nsize = 4\n");
    let (mover, other) = (connect(&proxy.dsn("app")).await, connect(&proxy.dsn("app")).await);
    mover.batch_execute("CREATE TABLE prepare_rows (n int)").await.expect("made");
    for session in SESSIONS {
        let (ours, plain) = (connect(&proxy.dsn("app")).await, connect(&plain_dsn).await);
        for (number, statement) in session.iter().enumerate() {
            // Another client has the same names for other things, on whichever connection.
            let theirs = format!("PREPARE p AS SELECT 'theirs {number}'");
            other.batch_execute(&theirs).await.expect("prepared");
            let expected_theirs = format!("theirs {number}");
            assert_eq!(value(&other, "EXECUTE p").await, Some(expected_theirs.clone()));
            if number % 2 == 0 {
                mover.batch_execute("BEGIN; SELECT 1").await.expect("begun");
            }
            let got = outcome(&ours, statement).await;
            if number % 2 == 0 {
                mover.batch_execute("COMMIT").await.expect("committed");
            }
            let expected = outcome(&plain, statement).await;
            assert_eq!(got, expected, "{statement} in {session:#?}");
            assert_eq!(value(&other, "EXECUTE p").await, Some(expected_theirs));
            other.batch_execute("DEALLOCATE p").await.expect("deallocated");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_shared_with_those_of_the_protocol() {
    let proxy = herd().proxy_with(|settings| settings);
    let client = connect(&proxy.dsn("app")).await;
    let mut raw = raw_client(proxy.port()).await;
    frontend::parse(&mut raw.output, b"mine", b"SELECT $1::int + 1", &[]).expect("written");
    let rows = ask(&mut raw, "EXECUTE mine (4)", SOON).await.expect("answered");
    assert_eq!(rows[0][0].as_deref(), Some("5"));
    let taken = ask(&mut raw, "PREPARE mine AS SELECT 1", SOON).await.expect_err("taken");
    assert_eq!(taken.to_string(), "prepared statement \"mine\" already exists");
    ask(&mut raw, "DEALLOCATE mine", SOON).await.expect("deallocated");
    let gone = ask(&mut raw, "EXECUTE mine (4)", SOON).await.expect_err("gone");
    assert_eq!(gone.to_string(), "prepared statement \"mine\" does not exist");
    // And the other way round.
    ask(&mut raw, "PREPARE theirs (int) AS SELECT $1 * 2", SOON).await.expect("prepared");
    frontend::bind(&mut raw.output, b"", b"theirs", Format::Text, &[Some(b"21")], Format::Text)
        .expect("written");
    frontend::execute(&mut raw.output, b"", 0);
    let rows = ask(&mut raw, "SELECT 1", SOON).await.expect("answered");
    assert_eq!(rows[0][0].as_deref(), Some("42"));
    // What is pgherd's own is nobody else's.
    for (statement, sqlstate) in [
        ("EXECUTE pgherd_1", "26000"),
        ("DEALLOCATE pgherd_1", "26000"),
        ("PREPARE pgherd_1 AS SELECT 1", "0A000"),
    ] {
        let refused = client.batch_execute(statement).await.expect_err("refused");
        assert_eq!(code(&refused), sqlstate, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_several_shards_the_arguments_say_where() {
    let herd = TestHerd::shared(&Want::sharded(3, 0, crate::proxy::common::RULES));
    let proxy = herd.proxy_with(|settings| settings);
    let client = connect(&proxy.dsn("app")).await;
    client
        .batch_execute("CREATE TABLE same_prepared (id bigint PRIMARY KEY, t text)")
        .await
        .expect("made");
    client
        .batch_execute("PREPARE put (bigint, text) AS INSERT INTO same_prepared VALUES ($1, $2)")
        .await
        .expect("prepared");
    client
        .batch_execute("PREPARE get AS SELECT t FROM same_prepared WHERE id = $1")
        .await
        .expect("prepared");
    for id in -20..20i64 {
        client.batch_execute(&format!("EXECUTE put ({id}, 'row {id}')")).await.expect("put");
    }
    for id in -20..20i64 {
        let expected = Some(format!("row {id}"));
        assert_eq!(value(&client, &format!("EXECUTE get ({id})")).await, expected);
        assert_eq!(value(&client, &format!("EXECUTE get ('{id}')")).await, expected);
        let rows = client.query(&format!("EXECUTE get ({id})"), &[]).await.expect("answered");
        assert_eq!(rows.len(), 1);
        let direct = format!("SELECT t FROM same_prepared WHERE id = {id}");
        assert_eq!(value(&client, &direct).await, expected);
    }
    assert_eq!(value(&client, "EXECUTE get (NULL)").await, None);
    for (statement, sqlstate) in [
        ("EXECUTE get (1 + 1)", "0A000"),
        ("EXECUTE get (7.5)", "0A000"),
        ("EXECUTE get (length('x'))", "0A000"),
        ("EXECUTE get (1, 2)", "42601"),
        ("EXECUTE nosuch (1)", "26000"),
        ("PREPARE get AS SELECT 1", "42P05"),
    ] {
        let refused = client.batch_execute(statement).await.expect_err(statement);
        assert_eq!(code(&refused), sqlstate, "{statement}");
    }
    // In a transaction that has no shard yet, and then is where the arguments say.
    client.batch_execute("BEGIN").await.expect("begun");
    client
        .batch_execute("PREPARE late AS SELECT t FROM same_prepared WHERE id = $1")
        .await
        .expect("prepared");
    assert_eq!(value(&client, "EXECUTE late (3)").await.as_deref(), Some("row 3"));
    client.batch_execute("ROLLBACK").await.expect("rolled back");
    assert_eq!(value(&client, "EXECUTE late (4)").await.as_deref(), Some("row 4"));
    client.batch_execute("DEALLOCATE ALL").await.expect("deallocated");
    let gone = client.batch_execute("EXECUTE late (4)").await.expect_err("gone");
    assert_eq!(code(&gone), "26000");
}
