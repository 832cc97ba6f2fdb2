//! COPY FROM STDIN: its options, and the shard of each row.

use pgherd::routing::{
    Copied, CopyTask, NoShard, PlanContext, Refusal, RouteError, Router, Values,
};
use pgherd::sql::{LexOptions, parse, scan};
use pgherd::wire::copy::{Part, Splitter};

use crate::fixture;

fn copied(router: &Router, text: &str, utf8: bool) -> Result<Copied, Refusal> {
    let text = text.as_bytes();
    let path: Vec<Box<str>> = vec!["app".into(), "public".into()];
    let scanned = scan(text, LexOptions::default()).expect("a statement").remove(0);
    let statement = parse(text, &scanned).expect("it is understood");
    let plan = router.plan(text, &scanned, &statement, &PlanContext { search_path: &path })?;
    let values = Values { text, literals: &scanned.literals, parameters: &[], utf8 };
    match plan.copied(router, &values, &scanned) {
        Ok(Some(CopyTask::Table(copied))) => Ok(*copied),
        Err(RouteError::Refused(refusal)) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

/// Where each row goes: a shard's name, or why it has none.
fn places(statement: &str, data: &str, utf8: bool) -> Vec<String> {
    let router = fixture::router();
    let copied = match copied(&router, statement, utf8) {
        Ok(copied) => copied,
        Err(refusal) => return vec![format!("{} {}", refusal.sqlstate, refusal.message)],
    };
    let Some(form) = copied.form else { return vec!["wrong".into()] };
    let keys = copied.keys.expect("a sharded table");
    let mut splitter = Splitter::new(form, &keys.wanted, 1 << 20);
    let mut rest = data.as_bytes();
    let mut places = Vec::new();
    while let Some(part) = splitter.next(rest, true).expect("short rows") {
        let len = match part {
            Part::Row(len, _) => {
                places.push(match keys.shard_of(&splitter, rest) {
                    Ok(shard) => router.shard_name(shard),
                    Err(NoShard::Refused) => "refused".into(),
                    Err(NoShard::Unknown(refusal)) => refusal.sqlstate.into(),
                });
                len
            }
            Part::Head(len, _) | Part::Tail(len) | Part::Ignored(len) => len,
            Part::Refused(len) => {
                places.push("refused".into());
                len
            }
        };
        rest = &rest[len..];
    }
    places
}

#[test]
fn rows_go_where_their_keys_lie() {
    for (statement, data, expected) in [
        ("COPY events FROM STDIN", "5\n1500\n2500\tx\n", &["s1", "s2", "s3"][..]),
        ("COPY events (seq) FROM STDIN DELIMITER ','", "5,x\n1500,y\n", &["s1", "s2"]),
        ("COPY events FROM STDIN (DELIMITER ',', NULL 'none')", "none\n", &["s3"]),
        ("COPY events FROM STDIN CSV HEADER QUOTE ''''", "seq\n'5'\n'1500'\n", &["s1", "s2"]),
        ("COPY events FROM STDIN (FORMAT csv, HEADER false)", "5\n1500\n", &["s1", "s2"]),
        ("COPY events FROM STDIN (FORMAT 'csv', HEADER match)", "seq\n1500\n", &["s2"]),
        (
            "COPY events FROM STDIN",
            "5\nx\n99999999999999999999\n\n",
            &["s1", "refused", "refused", "refused"],
        ),
        ("COPY events FROM STDIN", "5\n6\r\n", &["s1", "refused"]),
        ("COPY visits FROM STDIN", "2024-06-01\tx\n2025-06-01\n2026-06-01\n", &["s1", "s2", "s3"]),
        ("COPY visits FROM STDIN", "today\n", &["0A000"]),
        ("COPY visits FROM STDIN", "2024-13-45\n", &["refused"]),
    ] {
        assert_eq!(places(statement, data, true), expected, "{statement}");
    }
    // Which shard a hash lies on is the placement's to say; the same key has the same.
    let of = |statement: &str, data: &str| places(statement, data, true);
    assert_eq!(
        of("COPY users (id) FROM STDIN", "42\n"),
        of("COPY users (name, id) FROM STDIN", "x\t42\n")
    );
    assert_eq!(
        of("COPY orders (region, tenant_id) FROM STDIN CSV", "\"no\",7\n"),
        of("COPY orders (tenant_id, region) FROM STDIN", "7\tn\\157\n")
    );
}

#[test]
fn text_keys_are_read_in_utf8_or_ascii() {
    let statement = "COPY orders (region, tenant_id) FROM STDIN";
    let places = |data: &str, utf8: bool| places(statement, data, utf8);
    assert_eq!(places("a\t7\n", false), places("a\t7\n", true));
    assert_eq!(places("é\t7\n", false), ["0A000"]);
    assert_ne!(places("é\t7\n", true), ["0A000"]);
    let option = |encoding: &str| {
        self::places(&format!("{statement} (ENCODING '{encoding}')"), "é\t7\n", true)
    };
    assert_eq!(option("utf-8"), places("é\t7\n", true));
    assert_eq!(option("LATIN1"), ["0A000"]);
    assert_eq!(option("SJIS"), ["0A000 COPY of several shards in the encoding SJIS"]);
}

#[test]
fn options_that_a_server_refuses_are_left_to_it() {
    for options in [
        "(FORMAT xml)",
        "(FORMAT csv, FORMAT csv)",
        "(DELIMITER 'ab')",
        "(DELIMITER 'a')",
        "(DELIMITER E'\\n')",
        "(NULL E'a\\nb')",
        "(DELIMITER ',', NULL ',')",
        "(QUOTE '\"')",
        "(FORCE_NOT_NULL (id))",
        "(FORMAT csv, QUOTE 'ab')",
        "(FORMAT csv, QUOTE ',')",
        "(FORMAT csv, NULL '\"')",
        "(FORMAT csv, HEADER 2)",
        "(FORMAT csv, HEADER maybe)",
        "(FORMAT binary, HEADER)",
        "(FORMAT binary, DELIMITER ',')",
        "(WHATEVER 1)",
        "BINARY CSV",
    ] {
        assert_eq!(
            places(&format!("COPY users FROM STDIN {options}"), "", true),
            ["wrong"],
            "{options}"
        );
    }
    for (option, name) in [("ON_ERROR ignore", "on_error"), ("FORMAT csv, QUOTE '\\'", "quote")] {
        let said = places(&format!("COPY users FROM STDIN ({option})"), "", true);
        let expected =
            format!("0A000 COPY with this value of the option \"{name}\" concerns several shards");
        assert_eq!(said, [expected]);
    }
}

#[test]
fn all_shards_get_the_same_list_of_columns() {
    let router = fixture::router();
    let sent = |text: &str| {
        let copied = copied(&router, text, true).expect("not refused");
        copied.text.map(|edited| String::from_utf8(edited.text).expect("UTF-8"))
    };
    let columns = |table: &str| {
        let facts = &router.schema().tables[&fixture::table(table)];
        let names: Vec<String> = facts
            .columns
            .iter()
            .filter(|c| !c.generated)
            .map(|c| format!("\"{}\"", c.name))
            .collect();
        names.join(", ")
    };
    assert_eq!(
        sent("COPY users /* all */ FROM STDIN (FORMAT csv)"),
        Some(format!("COPY users ({}) /* all */ FROM STDIN (FORMAT csv)", columns("users")))
    );
    assert_eq!(
        sent("COPY public.users TO STDOUT"),
        Some(format!("COPY public.users ({}) TO STDOUT", columns("users")))
    );
    assert_eq!(sent("COPY users (id) FROM STDIN"), None);
}
