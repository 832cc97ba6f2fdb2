//! Transactions that wait for each other on different shards.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_postgres::Client;

use super::common::{code, connect, proxy, shard_of};

/// Rows on as many shards as there are.
async fn one_a_shard(client: &Client) -> Vec<i64> {
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS locked_rows (id bigint PRIMARY KEY, n int)")
        .await
        .expect("made");
    let (mut shards, mut ids) = (Vec::new(), Vec::new());
    for id in 1..100 {
        let shard = shard_of(client, "locked_rows", "id", id).await;
        if !shards.contains(&shard) {
            shards.push(shard);
            ids.push(id);
            let insert = "INSERT INTO locked_rows VALUES ($1, 0) ON CONFLICT (id) DO NOTHING";
            client.execute(insert, &[&id]).await.expect("inserted");
        }
    }
    assert!(ids.len() >= 3, "{ids:?}");
    ids
}

/// Each client locks its own row, and then the next one's: who hears what.
async fn around(ids: &[i64], own: &str) -> Vec<Result<u64, String>> {
    let dsn = proxy().dsn("app");
    let mut clients = Vec::new();
    for id in ids {
        let client = connect(&dsn).await;
        client.batch_execute("BEGIN").await.expect("begun");
        client.execute(own, &[id]).await.expect("its own");
        clients.push(client);
    }
    let tasks: Vec<_> = clients
        .into_iter()
        .zip(ids.iter().copied().cycle().skip(1))
        .map(|(client, next)| {
            tokio::spawn(async move {
                let update = "UPDATE locked_rows SET n = n + 1 WHERE id = $1";
                let done = client.execute(update, &[&next]).await;
                let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
                client.batch_execute(end).await.expect("ended");
                done.map_err(|error| code(&error).to_owned())
            })
        })
        .collect();
    let mut said = Vec::new();
    for task in tasks {
        let done = timeout(Duration::from_secs(60), task).await.expect("it doesn't hang");
        said.push(done.expect("no panic"));
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_wait_in_a_circle_over_shards_are_found_and_no_others() {
    let client = connect(&proxy().dsn("app")).await;
    let ids = one_a_shard(&client).await;
    let lock = "UPDATE locked_rows SET n = n + 1 WHERE id = $1";
    for circle in [&ids[..2], &ids[..3]] {
        let begun = Instant::now();
        let said = around(circle, lock).await;
        let losers: Vec<_> = said.iter().filter_map(|said| said.as_ref().err()).collect();
        assert_eq!(losers, ["40P01"], "{said:?} after {:?}", begun.elapsed());
    }
    those_that_only_wait_are_left_alone(&ids).await;
}

async fn those_that_only_wait_are_left_alone(ids: &[i64]) {
    let ids = ids.to_vec();
    let dsn = proxy().dsn("app");
    let (first, second) = (connect(&dsn).await, connect(&dsn).await);
    for (client, own) in [(&first, ids[0]), (&second, ids[1])] {
        client.batch_execute("BEGIN").await.expect("begun");
        let update = "UPDATE locked_rows SET n = n + 1 WHERE id = $1";
        client.execute(update, &[&own]).await.expect("its own");
        client.query("SELECT FROM locked_rows", &[]).await.expect("all shards take part");
    }
    let waiting = tokio::spawn(async move {
        let update = "UPDATE locked_rows SET n = n + 1 WHERE id = $1";
        let done = second.execute(update, &[&ids[0]]).await;
        second.batch_execute("COMMIT").await.expect("ended");
        done.map_err(|error| code(&error).to_owned())
    });
    // Longer than two looks at the locks.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!waiting.is_finished());
    first.batch_execute("COMMIT").await.expect("committed");
    assert_eq!(waiting.await.expect("no panic"), Ok(1));
}
