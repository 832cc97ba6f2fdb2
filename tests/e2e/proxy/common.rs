//! The herd and the proxy that most tests here share, and ways to speak to it.

use std::process::{Command, Output};
use std::sync::OnceLock;

use tokio_postgres::{Client, NoTls};

use crate::support::{Proxy, TestHerd, Want};

/// Tables of the tests that share a herd, each named after its test.
pub const RULES: &str = "
keyspaces:
  - name: users
    key: [bigint]
    placement: { ring: { virtual_nodes: 256 } }
    tables:
      users: [id]
      posts: [user_id]
      driver_rows: [id]
      driver_copy: [id]
      load_rows: [id]
      shape_rows: [id]
      locked_rows: [id]
      psql_rows: [id]
      same_rows: [id]
      same_prepared: [id]
      bench_accounts: [aid]
      hostile_rows: [id]
      vanish_rows: [id]
reference: [countries]
home: [notes]
unlisted: refuse
";

/// A herd of three shards that tests share.
pub fn herd() -> &'static TestHerd {
    TestHerd::shared(&Want::sharded(3, 0, RULES))
}

/// Its proxy.
pub fn proxy() -> &'static Proxy {
    static PROXY: OnceLock<Proxy> = OnceLock::new();
    PROXY.get_or_init(|| herd().proxy())
}

/// A connection by tokio-postgres.
pub async fn connect(dsn: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.expect("it connects");
    tokio::spawn(async move {
        // Its end shows in the client's own errors.
        let _ = connection.await;
    });
    client
}

/// Runs psql over a script and gives what it said, both streams.
pub fn psql(dsn: &str, script: &str) -> (String, String) {
    let output = psql_with(dsn, &["-q", "-X", "-A", "-t"], script);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr))
}

/// Runs psql with these arguments and a script on its input.
pub fn psql_with(dsn: &str, arguments: &[&str], script: &str) -> Output {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new("psql")
        .arg(dsn)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql runs");
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("psql reads");
    child.wait_with_output().expect("psql ends")
}

/// The shard of a key, as EXPLAIN says it.
pub async fn shard_of(client: &Client, table: &str, column: &str, key: i64) -> String {
    let explain = format!("EXPLAIN SELECT * FROM {table} WHERE {column} = {key}");
    let rows = client.query(&explain, &[]).await.expect("EXPLAIN is answered");
    let line: &str = rows[0].get(0);
    let shard = line.strip_prefix("pgherd: shard ").expect("the route comes first");
    shard.split_whitespace().next().expect("a name").to_owned()
}

/// The SQLSTATE of an error.
pub fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("", |code| code.code())
}
