//! Hostile texts: whatever is nested or chained, the answer is a tree or an error, in the
//! 2 MB of stack that a worker of the runtime has.

use std::time::{Duration, Instant};

use pgherd::sql::{LexOptions, parse, scan};

/// Scans, parses, drops; the SQLSTATE if it was refused.
fn outcome(text: String) -> Option<&'static str> {
    let run = move || {
        let text = text.as_bytes();
        let scanned = match scan(text, LexOptions::default()) {
            Ok(scanned) => scanned,
            Err(error) => return Some(error.sqlstate),
        };
        scanned.iter().find_map(|one| parse(text, one).err()).map(|error| error.sqlstate)
    };
    let started = Instant::now();
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread");
    let outcome = thread.join().expect("no panic");
    assert!(started.elapsed() < Duration::from_secs(60));
    outcome
}

fn nested(depth: usize, open: &str, inside: &str, close: &str) -> String {
    format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
}

/// What can be nested: opening, innermost, closing, and what stands before all of it.
const NESTINGS: &[(&str, &str, &str, &str)] = &[
    ("SELECT ", "(", "1", ")"),
    ("SELECT ", "NOT ", "true", ""),
    ("SELECT ", "- ", "1", ""),
    ("SELECT ", "@ ", "1", ""),
    ("SELECT ", "f(", "1", ")"),
    ("SELECT ", "coalesce(1, ", "1", ")"),
    ("SELECT ", "CASE WHEN a THEN ", "1", " END"),
    ("SELECT ", "CASE ", "1", " WHEN 1 THEN 2 END"),
    ("SELECT ", "ARRAY[", "a", "]"),
    ("SELECT ARRAY", "[", "a", "]"),
    ("SELECT ", "ARRAY(SELECT ", "1", ")"),
    ("SELECT ", "(SELECT ", "1", ")"),
    ("SELECT ", "ROW(a, ", "1", ")"),
    ("SELECT ", "a[", "1", "]"),
    ("SELECT ", "CAST(", "1", " AS int)"),
    ("SELECT ", "trim(", "a", ")"),
    ("SELECT ", "json_object('a' : ", "1", ")"),
    ("SELECT ", "json_object(", "a", ")"),
    ("SELECT ", "json(", "a", ")"),
    ("SELECT ", "xmlconcat(", "a", ")"),
    ("SELECT ", "a IN (", "1", ")"),
    ("SELECT ", "a BETWEEN 0 AND (", "1", ")"),
    ("SELECT ", "EXISTS (SELECT ", "1", ")"),
    ("SELECT ", "a = ANY (", "b", ")"),
    ("SELECT ", "sum(x) FILTER (WHERE ", "y", ")"),
    ("SELECT ", "sum(x) OVER (ORDER BY ", "y", ")"),
    ("SELECT ", "a OR (b AND ", "c", ")"),
    ("SELECT ", "a = (b + ", "c", ")"),
    ("", "(", "SELECT 1", ")"),
    ("", "(SELECT 1 UNION ", "SELECT 1", ")"),
    ("", "WITH a AS (", "SELECT 1", ") SELECT 1"),
    ("", "EXPLAIN ", "SELECT 1", ""),
    ("SELECT * FROM ", "(", "a JOIN b USING (x)", ")"),
    ("SELECT * FROM ", "(SELECT * FROM ", "a", ") x"),
    ("SELECT * FROM ", "(a JOIN ", "b", " ON true)"),
    ("SELECT * FROM a ", "JOIN b ", "", "ON true "),
    ("SELECT 1 GROUP BY ", "GROUPING SETS (", "a", ")"),
    ("SELECT * FROM JSON_TABLE(a, 'x' ", "COLUMNS (NESTED PATH 'x' ", "COLUMNS (a int)", ")"),
];

#[test]
fn any_depth_is_parsed_or_refused() {
    for (before, open, inside, close) in NESTINGS {
        for depth in [3, 30, 150, 1_000, 20_000] {
            let end = if before.contains("JSON_TABLE") { ")" } else { "" };
            let text = format!("{before}{}{end}", nested(depth, open, inside, close));
            let outcome = outcome(text);
            match depth {
                3 => assert_eq!(outcome, None, "{before}{open}"),
                20_000 => assert_eq!(outcome, Some("54001"), "{before}{open}"),
                _ => assert!(matches!(outcome, None | Some("54001")), "{before}{open} {outcome:?}"),
            }
        }
    }
}

#[test]
fn any_chain_is_parsed_or_refused() {
    let chains = [
        ("SELECT a", " OR a", true),
        ("SELECT a", " AND a = 1", true),
        ("SELECT a", " || a", true),
        ("SELECT a", " + 1", true),
        ("SELECT a", " COLLATE \"C\"", true),
        ("SELECT a", " AT TIME ZONE 'x'", true),
        ("SELECT a", "[1]", true),
        ("SELECT (a)", ".b", true),
        ("SELECT 1", ", 1", true),
        ("SELECT a", "::int", false),
        ("SELECT a", " IS NULL", false),
        ("SELECT a", " IN (1)", false),
        ("SELECT a", " = ANY (b)", false),
        ("SELECT a", " ~ ANY (b)", false),
        ("SELECT a", " OPERATOR(pg_catalog.=) b", false),
        ("SELECT a", " || b = ANY (c)", false),
        ("SELECT 1", " UNION SELECT 1", false),
        ("SELECT 1", " INTERSECT SELECT 1", false),
        ("SELECT * FROM a", " JOIN a USING (x)", false),
        ("SELECT * FROM a", " CROSS JOIN a", false),
        ("SELECT * FROM a", ", a", true),
        ("INSERT INTO t VALUES (1)", ", (1)", true),
        ("WITH a AS (SELECT 1)", ", a AS (SELECT 1)", false),
    ];
    for (start, link, flat) in chains {
        let outcome = outcome(format!("{start}{}", link.repeat(90_000)));
        if flat {
            assert_eq!(outcome, None, "{start}{link}");
        } else {
            assert!(outcome.is_some(), "{start}{link}");
        }
    }
}

#[test]
fn a_thousand_of_anything_passes() {
    for text in [
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(1_000)),
        format!("SELECT * FROM a{}", " JOIN a USING (x)".repeat(1_000)),
        format!("SELECT a FROM t WHERE {} true", "a = 1 OR ".repeat(50_000)),
        format!("SELECT a FROM t WHERE a IN (1{})", ", 2".repeat(1_000_000)),
    ] {
        assert_eq!(outcome(text), None);
    }
}

#[test]
fn too_many_words_are_refused() {
    let text = format!("SELECT a{}", ", a".repeat(pgherd::sql::parser::MAX_TOKENS as usize));
    assert_eq!(outcome(text), Some("54001"));
}

#[test]
fn nested_comments_and_quotes_cost_no_stack() {
    let text = format!("{}{} SELECT 1", "/*".repeat(1_000_000), "*/".repeat(1_000_000));
    assert_eq!(outcome(text), None);
    assert_eq!(outcome("/*".repeat(1_000_000)), Some("42601"));
    assert_eq!(outcome(format!("SELECT '{}", "''".repeat(1_000_000))), Some("42601"));
    assert_eq!(outcome(format!("SELECT {}1", "$".repeat(1_000_001))), Some("42601"));
    assert_eq!(outcome("IN (1, ".repeat(50_000)), Some("42601"));
}
