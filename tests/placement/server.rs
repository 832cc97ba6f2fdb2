//! A real server for one test.

use std::time::Duration;

use pgherd::local::{self, Asked, Herd, Options};
use tokio_postgres::{Client, NoTls};

pub struct Server {
    herd: Herd,
    dir: tempfile::TempDir,
}

impl Server {
    /// So many shards without replicas, from a directory of their own.
    pub fn start(shards: u16) -> Server {
        for _ in 0..20 {
            let dir = tempfile::tempdir().expect("a directory");
            let mut options = Options::new(dir.path());
            options.fsync = false;
            options.asked = Asked {
                shards: Some(shards),
                replicas: Some(0),
                base_port: Some(rand::random_range(20_000..32_000)),
                ..Asked::default()
            };
            match local::up(&options, &|_| {}) {
                Ok(herd) => return Server { herd, dir },
                // A port may be taken.
                Err(error) => eprintln!("{error}"),
            }
        }
        panic!("no server starts");
    }

    pub async fn connect(&self, shard: &str) -> Client {
        let node = self.herd.primary(shard).expect("a primary");
        let dsn = node.dsn();
        let connect = tokio_postgres::connect(&dsn, NoTls);
        let connected = tokio::time::timeout(Duration::from_secs(20), connect).await;
        let (client, connection) = connected.expect("in time").expect("a connection");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = local::remove(self.dir.path()) {
            eprintln!("{error}");
        }
    }
}

/// A runtime for one test.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
