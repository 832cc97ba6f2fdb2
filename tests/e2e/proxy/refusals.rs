//! What routing refuses is refused through the proxy, with its code, and no server hears of it.

use std::path::PathBuf;
use std::process::Command;

use super::common::{code, connect, psql};
use crate::support::{TestHerd, Want};

/// The lines `statement -- parameters => CODE words` of a data file.
fn refusals() -> Vec<(String, bool, String)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/routing/data/refusals.sql");
    let text = std::fs::read_to_string(path).expect("the list is there");
    let line = |line: &str| {
        let (before, expected) = line.rsplit_once("=> ")?;
        let (statement, parameters) = before.rsplit_once("-- ")?;
        let code = expected.split_whitespace().next()?;
        let coded = code.len() == 5 && code.starts_with(|c: char| c.is_ascii_digit());
        (coded && !statement.is_empty()).then(|| {
            (statement.trim_end().to_owned(), !parameters.trim().is_empty(), code.to_owned())
        })
    };
    text.lines().filter(|text| !text.starts_with("--")).filter_map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_not_sent() {
    let herd = TestHerd::start(&Want::sharded(3, 0, include_str!("refused_rules.yaml")));
    let proxy = herd.proxy();
    let dsn = proxy.dsn("app");
    let (_, errors) = psql(&dsn, include_str!("refused_tables.sql"));
    assert_eq!(errors, "");
    // From here on the servers write down every statement of this user in the database.
    for node in herd.nodes() {
        let set = "ALTER SYSTEM SET log_statement = 'all'";
        node.query(set, std::time::Duration::from_secs(10)).expect("set");
        let reload = "SELECT pg_reload_conf()";
        node.query(reload, std::time::Duration::from_secs(10)).expect("reloaded");
    }
    let client = connect(&dsn).await;
    let marked = "SELECT 'the log is on'";
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !logged(&herd, "the log is on") {
        client.batch_execute(marked).await.expect("answered");
        assert!(std::time::Instant::now() < until, "nothing is logged");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let list = refusals();
    let mut wrong = Vec::new();
    let mut tried = 0;
    for (number, (statement, has_parameters, expected)) in list.iter().enumerate() {
        if *has_parameters {
            continue;
        }
        tried += 1;
        // The mark is looked for in the servers' logs: a comment is part of what is logged.
        let text = format!("{statement} /* refused {number} */");
        match client.batch_execute(&text).await {
            Ok(()) => wrong.push(format!("{statement}: answered")),
            Err(error) if code(&error) != expected => {
                wrong.push(format!("{statement}: {} for {expected}: {error:?}", code(&error)));
            }
            Err(_) => {}
        }
        let found = client.simple_query("SELECT 'goes on'").await;
        assert!(found.is_ok(), "after {statement}: {found:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 3, "the list is empty");
    assert!(!logged(&herd, "/* refused"), "a refused statement was sent");
    println!("{tried} statements refused, none sent");
}

/// Whether any server's log has this text.
fn logged(herd: &TestHerd, text: &str) -> bool {
    herd.nodes().iter().any(|node| {
        let output = Command::new("grep").args(["-q", "-F", text]).arg(node.log()).status();
        output.expect("grep runs").success()
    })
}
