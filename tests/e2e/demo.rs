//! The demo, small: the network goes through a proxy, and the ten statements are right.

use std::process::{Command, Output};

use crate::support::{PGHERD, TestHerd, Want};

const RULES: &str = include_str!("../../sharding-rules/social.yaml");

fn demo(herd: &TestHerd, verb: &str) -> Output {
    let mut command = Command::new(PGHERD);
    command.args(["demo", verb, "--users", "300", "-c"]).arg(herd.config());
    command.output().expect("pgherd runs")
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {why}\n{said}", output.status);
    said
}

#[test]
fn the_ten_statements_are_right() {
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    let proxy = herd.proxy();
    let loaded = succeeds(&demo(&herd, "load"));
    assert!(loaded.contains("loaded 300 users"), "{loaded}\n{}", proxy.log());
    let checked = succeeds(&demo(&herd, "check"));
    assert_eq!(checked.matches("   right\n").count(), 10, "{checked}");
    let listed = succeeds(&demo(&herd, "list"));
    assert_eq!(listed.matches("\n-- ").count(), 10, "{listed}");
    assert!(listed.contains(&format!("psql {}", proxy.dsn("app"))), "{listed}");

    // The tour can tell a wrong answer from a right one: it has written, so the same
    // statements now answer otherwise.
    let again = demo(&herd, "check");
    let said = String::from_utf8_lossy(&again.stdout);
    assert_eq!(again.status.code(), Some(1), "{said}");
    assert!(said.contains("WRONG: expected"), "{said}");
}
