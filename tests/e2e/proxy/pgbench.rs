//! pgbench in its three protocols, split by key and not.

use std::process::Command;

use super::common::{proxy, psql};
use crate::support::{Proxy, TestHerd, Want};

/// Runs pgbench for a moment; panics unless all went through.
fn pgbench(proxy: &Proxy, arguments: &[&str]) -> String {
    let output = Command::new("pgbench")
        .args(["-n", "-h", "127.0.0.1", "-U", "pgherd", "-p", &proxy.port().to_string()])
        .args(arguments)
        .arg("app")
        .env("PGPASSWORD", "pgherd")
        .output()
        .expect("pgbench runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}\n{text}\n{errors}");
    text
}

#[test]
fn pgbench_runs_on_an_unsharded_database() {
    let herd = TestHerd::start(&Want::unsharded(0));
    let proxy = herd.proxy();
    pgbench(&proxy, &["-i", "-q", "-s", "1"]);
    for mode in ["simple", "extended", "prepared"] {
        let out = pgbench(&proxy, &["-M", mode, "-c", "8", "-j", "2", "-t", "50"]);
        assert!(out.contains("number of transactions actually processed: 400/400"), "{out}");
    }
    let (out, _) = psql(
        &proxy.dsn("app"),
        "SELECT count(*), (SELECT sum(abalance) FROM pgbench_accounts) = sum(delta) FROM pgbench_history;",
    );
    assert_eq!(out, "1200|t\n");
}

#[test]
fn pgbench_runs_on_a_table_split_by_its_key() {
    let proxy = proxy();
    let dsn = proxy.dsn("app");
    let (_, errors) = psql(&dsn, "CREATE TABLE bench_accounts (aid bigint PRIMARY KEY, n int);");
    assert_eq!(errors, "");
    let rows: String =
        (1..=200).map(|i| format!("INSERT INTO bench_accounts VALUES ({i}, 0);\n")).collect();
    assert_eq!(psql(&dsn, &rows).1, "");
    let script = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(
        script.path(),
        "\\set aid random(1, 200)\nBEGIN;\n\
         UPDATE bench_accounts SET n = n + 1 WHERE aid = :aid;\n\
         SELECT n FROM bench_accounts WHERE aid = :aid;\nEND;\n",
    )
    .expect("it is written");
    let path = script.path().to_str().expect("a plain path");
    for mode in ["simple", "extended", "prepared"] {
        pgbench(proxy, &["-M", mode, "-c", "8", "-j", "2", "-t", "50", "-f", path]);
    }
    let mut sum = 0;
    for shard in ["s1", "s2", "s3"] {
        let sql = format!("/* pgherd: shard={shard} */ SELECT sum(n) FROM bench_accounts;");
        sum += psql(&dsn, &sql).0.trim().parse::<i64>().expect("a number");
    }
    assert_eq!(sum, 3 * 8 * 50);
}
