//! pgherd dies in the middle of a statement that defines.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::{ALL, NONE, RULES, have, is_prepared};
use crate::proxy::common::connect;
use crate::support::{TestHerd, Want};

const LIMIT: Duration = Duration::from_secs(60);

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < until, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Killed where the transaction is prepared on some shards, where that is decided, and so on:
/// what another pgherd finds is finished by it, the same way on all shards.
#[tokio::test(flavor = "multi_thread")]
async fn all_shards_have_it_or_none() {
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    for (point, there) in [("begun", NONE), ("prepared", NONE), ("decided", ALL), ("finished", ALL)]
    {
        let points = herd.dir().join(format!("points-{point}"));
        fs::create_dir(&points).expect("a directory");
        fs::write(points.join(point), "").expect("a point");
        let proxy = herd.proxy_with(|text| with_points(text, &points));
        let client = connect(&proxy.dsn("app")).await;
        let table = format!("crash_{point}");
        let sql = format!("CREATE TABLE {table} (a int PRIMARY KEY); CREATE INDEX ON {table} (a)");
        let asked = tokio::spawn(async move { client.batch_execute(&sql).await });
        let reached = points.join(format!("{point}.reached"));
        until(point, || reached.exists());
        proxy.signal(libc::SIGKILL);
        assert!(asked.await.expect("no panic").is_err(), "{point}: the connection was lost");
        drop(proxy);
        let next = herd.proxy();
        until("nothing is left prepared", || !is_prepared(&herd));
        assert_eq!(have(&herd, &table), there, "{point}");
        let client = connect(&next.dsn("app")).await;
        let again = format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (b int)");
        client.batch_execute(&again).await.expect("run again");
        assert_eq!(have(&herd, &table), ALL);
    }
}

fn with_points(text: String, points: &Path) -> String {
    let line = format!("control_points = \"{}\"\n", points.display());
    match text.contains("[cluster]") {
        true => text.replacen("[cluster]\n", &format!("[cluster]\n{line}"), 1),
        false => format!("{text}\n[cluster]\n{line}"),
    }
}
