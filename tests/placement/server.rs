//! A connection to a real server.

use std::time::Duration;

use pgherd::local::Herd;
use tokio_postgres::{Client, NoTls};

use crate::support::{TestHerd, Want};

/// One server for all tests that only ask.
pub fn shared() -> &'static TestHerd {
    TestHerd::shared(&Want::unsharded(0))
}

/// A client of a shard's primary.
pub async fn connect(herd: &Herd, shard: &str) -> Client {
    let dsn = herd.primary(shard).expect("a primary").dsn();
    let connect = tokio_postgres::connect(&dsn, NoTls);
    let connected = tokio::time::timeout(Duration::from_secs(20), connect).await;
    let (client, connection) = connected.expect("in time").expect("a connection");
    tokio::spawn(connection);
    client
}

/// A runtime for one test.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
