//! tokio-postgres, each answer checked. Drivers of other languages: `tests/e2e/drivers.rs`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt, future::join_all, pin_mut};
use tokio_postgres::NoTls;

use super::common::{code, connect, proxy, shard_of};

#[tokio::test(flavor = "multi_thread")]
async fn tokio_postgres_works() {
    let dsn = proxy().dsn("app");
    let mut client = connect(&dsn).await;
    client
        .execute("CREATE TABLE driver_rows (id bigint PRIMARY KEY, name text)", &[])
        .await
        .expect("DDL by the extended protocol");
    let insert = client.prepare("INSERT INTO driver_rows VALUES ($1, $2)").await.expect("prepared");
    for i in 0..60i64 {
        assert_eq!(client.execute(&insert, &[&i, &format!("n{i}")]).await.expect("inserted"), 1);
    }
    // One connection's pipeline: each statement with its own Sync, to whichever shard.
    let select =
        client.prepare("SELECT name FROM driver_rows WHERE id = $1").await.expect("prepared");
    let ids: Vec<i64> = (0..60).collect();
    let rows = join_all(ids.iter().map(|i| {
        let (client, select) = (&client, &select);
        async move { client.query_one(select, &[i]).await }
    }))
    .await;
    for (i, row) in ids.iter().zip(rows) {
        assert_eq!(row.expect("a row").get::<_, String>(0), format!("n{i}"));
    }
    // Parameters whose type the server says.
    let odd =
        client.query_one("SELECT id FROM driver_rows WHERE id = $1 AND name = $2", &[&7i64, &"n7"]);
    assert_eq!(odd.await.expect("a row").get::<_, i64>(0), 7);

    // Transactions, savepoints, portals with a row limit.
    let mut transaction = client.transaction().await.expect("begun");
    transaction.execute(&insert, &[&100i64, &"t"]).await.expect("inserted");
    let inner = transaction.transaction().await.expect("a savepoint");
    let twice = inner.execute(&insert, &[&100i64, &"t"]).await.expect_err("it is there");
    assert_eq!(code(&twice), "23505");
    inner.rollback().await.expect("rolled back");
    let portal = transaction
        .bind("SELECT generate_series(1, 10) FROM driver_rows WHERE id = $1", &[&100i64])
        .await
        .expect("bound");
    let first = transaction.query_portal(&portal, 4).await.expect("rows");
    let rest = transaction.query_portal(&portal, 0).await.expect("rows");
    assert_eq!((first.len(), rest.len()), (4, 6));
    transaction.commit().await.expect("committed");
    assert_eq!(
        client.execute("DELETE FROM driver_rows WHERE id = 100", &[]).await.expect("gone"),
        1
    );

    // A transaction that is dropped is rolled back.
    let dropped = client.transaction().await.expect("begun");
    dropped.execute(&insert, &[&101i64, &"t"]).await.expect("inserted");
    drop(dropped);
    let rows = client.query("SELECT 1 FROM driver_rows WHERE id = 101", &[]).await.expect("rows");
    assert!(rows.is_empty());

    // Errors leave the connection in order.
    let wrong = client.query("SELECT 1 / (id - id) FROM driver_rows WHERE id = $1", &[&1i64]).await;
    assert_eq!(code(&wrong.expect_err("division by zero")), "22012");
    let refused =
        client.query("SELECT * FROM driver_rows FOR UPDATE", &[]).await.expect_err("refused");
    assert_eq!(code(&refused), "0A000");
    let unparsed = client.prepare("SELEC").await.expect_err("no statement");
    assert_eq!(code(&unparsed), "42601");
    assert_eq!(client.query_one("SELECT 1", &[]).await.expect("a row").get::<_, i32>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_goes_both_ways() {
    let dsn = proxy().dsn("app");
    let client = connect(&dsn).await;
    client.batch_execute("CREATE TABLE driver_copy (id bigint, line text)").await.expect("made");
    let row = format!("7\t{}\n", "c".repeat(50_000));
    let sink = client
        .copy_in("/* pgherd: key=7 */ COPY driver_copy FROM STDIN")
        .await
        .expect("COPY begins");
    pin_mut!(sink);
    for _ in 0..200 {
        sink.send(Bytes::from(row.clone())).await.expect("sent");
    }
    assert_eq!(sink.finish().await.expect("finished"), 200);
    let stream = client
        .copy_out("COPY (SELECT * FROM driver_copy WHERE id = 7) TO STDOUT")
        .await
        .expect("COPY begins");
    let parts: Vec<Bytes> = stream.try_collect().await.expect("read");
    assert_eq!(parts.iter().map(Bytes::len).sum::<usize>(), 200 * row.len());
    // An error in the middle of one, and the client giving up.
    for bad in [true, false] {
        let sink = client
            .copy_in("/* pgherd: key=7 */ COPY driver_copy FROM STDIN")
            .await
            .expect("COPY begins");
        pin_mut!(sink);
        sink.send(Bytes::from(row.clone())).await.expect("sent");
        if bad {
            let _ = sink.send(Bytes::from_static(b"no number\tx\n")).await;
            let error = sink.finish().await.expect_err("refused");
            assert_eq!(code(&error), "22P02");
        }
    }
    let count = client
        .query_one("SELECT count(*) FROM driver_copy WHERE id = 7", &[])
        .await
        .expect("the connection goes on");
    assert_eq!(count.get::<_, i64>(0), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_request_hits_its_query_and_no_other() {
    let dsn = proxy().dsn("app");
    let (busy, other) = (connect(&dsn).await, connect(&dsn).await);
    let sleep = |client: tokio_postgres::Client, seconds: f64| async move {
        let slept = client.query_one("SELECT pg_sleep($1)", &[&seconds]).await.map(|_| ());
        (client, slept)
    };
    let token = busy.cancel_token();
    let started = Instant::now();
    let first = tokio::spawn(sleep(busy, 30.0));
    let second = tokio::spawn(sleep(other, 1.5));
    tokio::time::sleep(Duration::from_millis(500)).await;
    token.cancel_query(NoTls).await.expect("asked");
    let (busy, cancelled) = first.await.expect("no panic");
    assert_eq!(code(&cancelled.expect_err("cancelled")), "57014");
    assert!(started.elapsed() < Duration::from_secs(10));
    second.await.expect("no panic").1.expect("the other slept on");
    // Its connection serves others now; a late request must not reach them.
    token.cancel_query(NoTls).await.expect("asked");
    let others = join_all(
        (0..8).map(|_| async { connect(&dsn).await.query_one("SELECT pg_sleep(0.2)", &[]).await }),
    );
    for _ in 0..5 {
        token.cancel_query(NoTls).await.expect("asked");
    }
    for answer in others.await {
        answer.expect("nobody else is hit");
    }
    busy.query_one("SELECT 1", &[]).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let dsn = proxy().dsn("app");
    let watcher = connect(&dsn).await;
    let (client, connection) = tokio_postgres::connect(&dsn, NoTls).await.expect("it connects");
    let socket = tokio::spawn(async move {
        let _ = connection.await;
    });
    let asked = tokio::spawn(async move {
        let text = "BEGIN; SELECT pg_advisory_xact_lock(4711); SELECT pg_sleep(600)";
        client.batch_execute(text).await
    });
    let running = async || {
        let question = "SELECT count(*) FROM pg_stat_activity \
            WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' AND pid <> pg_backend_pid()";
        watcher.query_one(question, &[]).await.expect("answered").get::<_, i64>(0)
    };
    let until = Instant::now() + Duration::from_secs(20);
    while running().await == 0 {
        assert!(Instant::now() < until, "it never ran");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The socket is closed without a word.
    socket.abort();
    asked.await.expect("no panic").expect_err("its socket is gone");
    while running().await > 0 {
        assert!(Instant::now() < until, "it still runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let again = connect(&dsn).await;
    let got =
        again.query_one("SELECT pg_try_advisory_xact_lock(4711)", &[]).await.expect("answered");
    assert!(got.get::<_, bool>(0), "the lock is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_works_on_several_shards() {
    let dsn = proxy().dsn("app");
    let mut client = connect(&dsn).await;
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS users (id bigint PRIMARY KEY, name text)")
        .await
        .expect("made");
    let here = shard_of(&client, "users", "id", 1).await;
    let mut other = 2;
    while shard_of(&client, "users", "id", other).await == here {
        other += 1;
    }
    let transaction = client.transaction().await.expect("begun");
    transaction.execute("INSERT INTO users VALUES (1, 'a')", &[]).await.expect("inserted");
    let insert = format!("INSERT INTO users VALUES ({other}, 'b')");
    transaction.execute(&insert, &[]).await.expect("on another shard");
    let count = transaction.query_one("SELECT count(*) FROM users", &[]).await.expect("on all");
    assert!(count.get::<_, i64>(0) >= 2);
    // A portal is where it was bound.
    let portal = transaction
        .bind("SELECT generate_series(1, 10) FROM users WHERE id = $1", &[&1i64])
        .await
        .expect("bound");
    let first = transaction.query_portal(&portal, 4).await.expect("rows");
    let update = format!("UPDATE users SET name = 'c' WHERE id = {other}");
    transaction.execute(&update, &[]).await.expect("on the other shard");
    let rest = transaction.query_portal(&portal, 0).await.expect("rows");
    assert_eq!((first.len(), rest.len()), (4, 6));
    let twice = transaction.execute(&insert, &[]).await.expect_err("it is there");
    assert_eq!(code(&twice), "23505");
    let failed = transaction.execute("SELECT 1", &[]).await.expect_err("failed");
    assert_eq!(code(&failed), "25P02");
    // COMMIT of a failed transaction rolls back.
    transaction.commit().await.expect("answered by ROLLBACK");
    let rows_of = async |id: i64| {
        client.query("SELECT 1 FROM users WHERE id = $1", &[&id]).await.expect("rows").len()
    };
    assert_eq!((rows_of(1).await, rows_of(other).await), (0, 0));
    let transaction = client.transaction().await.expect("begun");
    transaction.execute("INSERT INTO users VALUES (1, 'a')", &[]).await.expect("inserted");
    transaction.execute(&insert, &[]).await.expect("on another shard");
    transaction.commit().await.expect("committed");
    for id in [1, other] {
        client.execute("DELETE FROM users WHERE id = $1", &[&id]).await.expect("deleted");
        let rows = client.query("SELECT 1 FROM users WHERE id = $1", &[&id]).await.expect("rows");
        assert!(rows.is_empty(), "{id}");
    }
    let stream = client.query_raw("SELECT 1", std::iter::empty::<i32>()).await.expect("rows");
    assert_eq!(
        stream.map(|row| row.expect("a row").get::<_, i32>(0)).collect::<Vec<_>>().await,
        [1]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn results_never_look_otherwise_than_a_client_was_told() {
    let dsn = proxy().dsn("app");
    let (client, other) = (connect(&dsn).await, connect(&dsn).await);
    client
        .batch_execute("CREATE TABLE shape_rows (id bigint PRIMARY KEY, a int)")
        .await
        .expect("created");
    client.execute("INSERT INTO shape_rows VALUES (42, 7)", &[]).await.expect("inserted");
    let all = client.prepare("SELECT * FROM shape_rows WHERE id = $1").await.expect("prepared");
    let one = client.prepare("SELECT a FROM shape_rows WHERE id = $1").await.expect("prepared");

    other.batch_execute("ALTER TABLE shape_rows ADD b text DEFAULT 'new'").await.expect("altered");
    for _ in 0..2 {
        let error = client.query(&all, &[&42i64]).await.expect_err("it has a column more");
        assert_eq!(code(&error), "0A000");
        let told = error.as_db_error().map(|error| error.message());
        assert_eq!(told, Some("cached plan must not change result type"));
        let routine = error.as_db_error().and_then(|error| error.routine());
        assert_eq!(routine, Some("RevalidateCachedQuery"));
    }
    // What still looks as it did goes on.
    let row = client.query_one(&one, &[&42i64]).await.expect("a row");
    assert_eq!(row.get::<_, i32>(0), 7);
    // In a transaction as well; and prepared anew it is what it is now.
    let again = client.prepare("SELECT * FROM shape_rows WHERE id = $1").await.expect("prepared");
    let row = client.query_one(&again, &[&42i64]).await.expect("a row");
    assert_eq!((row.len(), row.get::<_, &str>(2)), (3, "new"));
    other.batch_execute("ALTER TABLE shape_rows DROP b").await.expect("altered");
    let row = client.query_one(&all, &[&42i64]).await.expect("as it was told");
    assert_eq!(row.len(), 2);
    client.batch_execute("DROP TABLE shape_rows").await.expect("dropped");
    let error = client.query(&one, &[&42i64]).await.expect_err("gone");
    assert_eq!(code(&error), "42P01");
}
