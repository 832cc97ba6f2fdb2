//! A shard whose primary is killed: its keys get 57P03 in bounded time, the others are served,
//! and it is served again when it is back, by the same proxy.

use std::time::{Duration, Instant};

use pgherd::local::Stop;

use super::common::{code, connect, shard_of};
use crate::support::{TestHerd, Want};

/// Longest that an answer about a dead shard may take: limits.queue_timeout below, and a margin
/// for a busy machine.
const BOUND: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_shard_harms_nobody_else() {
    let herd = TestHerd::start(&Want::sharded(3, 0, super::common::RULES));
    let proxy = herd.proxy_with(|settings| settings + "\n[limits]\nqueue_timeout = \"2s\"\n");
    let dsn = proxy.dsn("app");
    let client = connect(&dsn).await;
    client
        .batch_execute("CREATE TABLE users (id bigint PRIMARY KEY, name text)")
        .await
        .expect("made");
    for id in 1..=30i64 {
        client.execute("INSERT INTO users VALUES ($1, 'x')", &[&id]).await.expect("inserted");
    }
    let mut keys: Vec<(i64, String)> = Vec::new();
    for id in 1..=30 {
        keys.push((id, shard_of(&client, "users", "id", id).await));
    }
    let (mine, others): (Vec<_>, Vec<_>) = keys.iter().partition(|(_, shard)| shard == "s2");
    assert!(!mine.is_empty() && !others.is_empty());
    let select = client.prepare("SELECT name FROM users WHERE id = $1").await.expect("prepared");

    // One client is in a transaction there when it happens, another waits for an answer.
    let open = connect(&dsn).await;
    let update = format!("BEGIN; UPDATE users SET name = 'lost' WHERE id = {}", mine[0].0);
    open.batch_execute(&update).await.expect("begun");
    let waiting = connect(&dsn).await;
    let text = format!("SELECT pg_sleep(60) FROM users WHERE id = {}", mine[0].0);
    let waiting = tokio::spawn(async move { waiting.batch_execute(&text).await });
    tokio::time::sleep(Duration::from_millis(300)).await;

    let primary = herd.primary("s2").expect("a node");
    assert!(primary.stop(Stop::Kill).expect("killed"));

    let waited = waiting.await.expect("no panic").expect_err("its server is gone");
    assert!(matches!(code(&waited), "08006" | "08007"), "{waited:?}");
    let lost = open.batch_execute("SELECT 1").await.expect_err("its transaction is gone");
    assert_eq!(code(&lost), "08006", "{lost:?}");
    let failed = open.batch_execute("SELECT 1").await.expect_err("until ROLLBACK");
    assert_eq!(code(&failed), "25P02");
    open.batch_execute("ROLLBACK").await.expect("answered without a server");

    for (id, _) in &mine {
        let started = Instant::now();
        let error = client.query(&select, &[id]).await.expect_err("its shard is dead");
        assert_eq!(code(&error), "57P03", "{error:?}");
        assert!(error.as_db_error().expect("told").message().contains("s2"), "{error:?}");
        assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
        // In between, all others are served, also to new clients.
        for (id, _) in others.iter().take(5) {
            client.query_one(&select, &[id]).await.expect("its shard lives");
        }
    }
    let fresh = connect(&dsn).await;
    let name: String = fresh
        .query_one("SELECT name FROM users WHERE id = $1", &[&others[0].0])
        .await
        .expect("served")
        .get(0);
    assert_eq!(name, "x");
    // DDL is refused before any shard has it.
    let refused =
        fresh.batch_execute("CREATE TABLE posts (user_id bigint)").await.expect_err("refused");
    assert_eq!(code(&refused), "57P03");
    let count = fresh
        .query_one("SELECT count(*) FROM pg_class WHERE relname = 'posts'", &[])
        .await
        .expect("the home shard lives");
    assert_eq!(count.get::<_, i64>(0), 0);

    primary.start().expect("it is back");
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match client.query_one(&select, &[&mine[0].0]).await {
            Ok(row) => {
                assert_eq!(row.get::<_, String>(0), "x", "what was not committed is gone");
                break;
            }
            Err(error) => assert_eq!(code(&error), "57P03", "{error:?}"),
        }
        assert!(Instant::now() < until, "it is not served again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (id, _) in &keys {
        client.query_one(&select, &[id]).await.expect("all are served");
    }
}
