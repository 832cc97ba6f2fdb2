//! SIGTERM drains, SIGINT stops.

use std::time::{Duration, Instant};

use super::common::{code, connect, herd};
use super::traces::{left, until_nothing_is_left};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_transactions_end() {
    let mut proxy = herd().proxy_with(|settings| settings);
    let dsn = proxy.dsn("app");
    let (idle, mut busy) = (connect(&dsn).await, connect(&dsn).await);
    let transaction = busy.transaction().await.expect("begun");
    transaction.query_one("SELECT 1", &[]).await.expect("answered");
    proxy.signal(libc::SIGTERM);
    let until = Instant::now() + Duration::from_secs(10);
    while !idle.is_closed() {
        assert!(Instant::now() < until, "the idle client is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.is_err(), "nobody new");
    transaction.query_one("SELECT 2", &[]).await.expect("the transaction goes on");
    transaction.commit().await.expect("and ends");
    let status = proxy.wait(Duration::from_secs(10)).expect("then it stops");
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_stops_at_once() {
    let mut proxy = herd().proxy_with(|settings| settings);
    let client = connect(&proxy.dsn("app")).await;
    client.batch_execute("BEGIN; SELECT 1").await.expect("begun");
    proxy.signal(libc::SIGINT);
    let status = proxy.wait(Duration::from_secs(10)).expect("it stops");
    assert!(status.success(), "{status}");
    let gone = client.batch_execute("SELECT 1").await.expect_err("gone");
    assert!(gone.is_closed() || code(&gone) == "57P01", "{gone:?}");
}

/// What runs would go on running on its server, and be committed.
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_cancelled_when_the_proxy_stops() {
    let mut proxy = herd().proxy_with(|settings| settings + "\n[pool]\nsize = 1\n");
    let (runs, waits) = (connect(&proxy.dsn("app")).await, connect(&proxy.dsn("app")).await);
    let text = "/* pgherd: shard=s1 */ SELECT pg_sleep(600), 'stopped'";
    let running = tokio::spawn(async move { runs.batch_execute(text).await });
    let until = Instant::now() + Duration::from_secs(10);
    while left("stopped") == 0 {
        assert!(Instant::now() < until, "it doesn't run");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let waiting = tokio::spawn(async move { waits.batch_execute(text).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.signal(libc::SIGINT);
    let status = proxy.wait(Duration::from_secs(20)).expect("it stops");
    assert!(status.success(), "{status}");
    until_nothing_is_left("stopped");
    for ended in [running.await, waiting.await] {
        let error = ended.expect("ran").expect_err("cancelled");
        assert!(error.is_closed() || ["57014", "57P01"].contains(&code(&error)), "{error:?}");
    }
}
