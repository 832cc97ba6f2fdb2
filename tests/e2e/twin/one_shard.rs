//! A plain Postgres with the same rows says of each statement what pgherd says, or pgherd
//! refuses it: `tests/drivers/twin/twin.py`.

use std::path::Path;
use std::process::Command;

use crate::support::{TestHerd, Want};

const RULES: &str = include_str!("../../drivers/twin/rules.yaml");

#[test]
fn a_plain_postgres_says_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/venv/bin/python");
    assert!(python.exists(), "no {}: `tools/test e2e` makes it", python.display());
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    let proxy = herd.proxy();
    let node = herd.primary("s1").expect("a primary").member().port;
    let ran = Command::new(&python)
        .arg(root.join("tests/drivers/twin/twin.py"))
        .env("PGPORT", proxy.port().to_string())
        .env("PGHERD_NODE_PORT", node.to_string())
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    let wrong = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{}\n{said}{wrong}\n{}", ran.status, proxy.log());
    println!("{said}");
}
