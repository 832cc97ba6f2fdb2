//! SIGTERM drains, SIGINT stops.

use std::time::{Duration, Instant};

use super::common::{code, connect, herd};

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
