//! Tests that are data.
//!
//! `statements.txt`: a statement, `=>`, what we say of it; blocks apart by empty lines.
//! With PGHERD_BLESS=1 the right sides are written anew: read the difference before it is
//! committed.
//! `fingerprints.txt`: the statements of a block share a fingerprint, those of different
//! blocks don't.

use std::collections::HashMap;
use std::path::Path;

use pgherd::sql::{Fingerprint, LexOptions, parse, scan};

use crate::outline::outline;

/// All statements of a text, one a line, or the error.
fn said(text: &str) -> String {
    let text = text.as_bytes();
    let scanned = match scan(text, LexOptions::default()) {
        Ok(scanned) => scanned,
        Err(error) => return failure(&error),
    };
    let mut lines = Vec::new();
    for one in &scanned {
        let mut line = match parse(text, one) {
            Ok(statement) => outline(&statement),
            Err(error) => failure(&error),
        };
        for hint in &one.hints {
            line.push_str(&format!(" hint {}={}", hint.name, hint.value));
        }
        let values: Vec<String> = (0..one.literals.slots() as u32)
            .map(|slot| {
                let values = one.literals.slot(slot).iter().map(|l| {
                    let value = l.value(text).expect("a value");
                    format!("{}", String::from_utf8_lossy(&value).escape_debug())
                });
                values.collect::<Vec<_>>().join("|")
            })
            .collect();
        if !values.is_empty() {
            line.push_str(&format!("\n   # {}", values.join(", ")));
        }
        lines.push(line.replace('\u{1}', "\""));
    }
    if lines.is_empty() { "nothing".into() } else { lines.join("\n=> ") }
}

fn failure(error: &pgherd::sql::SqlError) -> String {
    let position = error.position.map(|p| format!(" at {p}")).unwrap_or_default();
    format!("{} {}{position}", error.sqlstate, error.message)
}

#[test]
fn statements_are_what_the_data_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql/statements.txt");
    let data = std::fs::read_to_string(&path).expect("statements.txt");
    let mut written = String::new();
    let mut wrong = Vec::new();
    for block in data.split("\n\n").map(|b| b.trim_matches('\n')).filter(|b| !b.is_empty()) {
        if block.starts_with("--") {
            written.push_str(&format!("{block}\n\n"));
            continue;
        }
        let (text, expected) = block.split_once("\n=> ").unwrap_or((block, ""));
        let said = said(text);
        if said != expected {
            wrong.push(format!("{text}\n=> {said}\nbut the data says\n=> {expected}\n"));
        }
        written.push_str(&format!("{text}\n=> {said}\n\n"));
    }
    if std::env::var_os("PGHERD_BLESS").is_some() {
        std::fs::write(&path, written.trim_end().to_string() + "\n").expect("written");
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn fingerprints_are_shared_within_a_block_only() {
    let mut seen: HashMap<Fingerprint, usize> = HashMap::new();
    for (number, block) in include_str!("fingerprints.txt").split("\n\n").enumerate() {
        let lines = block.lines().filter(|line| !line.is_empty() && !line.starts_with("--"));
        for line in lines {
            let line = line.replace("\\n", "\n");
            let scanned = scan(line.as_bytes(), LexOptions::default()).expect("scans");
            let [one] = &scanned[..] else { panic!("not one statement: {line}") };
            let block = *seen.entry(one.fingerprint).or_insert(number);
            assert_eq!(block, number, "{line}");
            let of_block = seen.values().filter(|&&n| n == number).count();
            assert_eq!(of_block, 1, "{line} is apart from its block");
        }
    }
}

#[test]
fn a_session_may_read_backslashes_as_escapes() {
    let text = br"SELECT 'a\'b', 'c''d\n', N'\x41'";
    let options = LexOptions { standard_conforming_strings: false };
    let one = &scan(text, options).expect("scans")[0];
    let values: Vec<Vec<u8>> =
        one.literals.all().iter().map(|l| l.value(text).expect("a value").into_owned()).collect();
    assert_eq!(values, [&b"a'b"[..], b"c'd\n", b"A"]);
    assert!(parse(text, one).is_ok());
    assert!(scan(br"SELECT U&'\0041'", options).is_err());
}
