//! Postgres's own grammar as referee: what it accepts, we analyse, and say the same of it.
//!
//! For every SELECT, INSERT, UPDATE, DELETE and MERGE of the corpora: the kind, the tables,
//! the parameters, the literals with their values, the structure of every expression of an
//! item, WHERE, ON, HAVING, VALUES, SET, LIMIT and ORDER BY; aliases, joins, CTEs, labels,
//! columns of INSERT and SET, DISTINCT, GROUP BY, set operations and locks.

mod ours;
mod theirs;

use std::collections::BTreeMap;

use pgherd::sql::{LexOptions, parse, scan};
use proptest::prelude::*;
use serde_json::Value;

use crate::corpora;
use ours::ours;
use theirs::Theirs;

/// What one parser says of a statement.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    kind: String,
    tables: Vec<String>,
    parameters: Vec<u64>,
    /// Slots, one entry a literal.
    literals: Vec<u32>,
    expressions: Vec<String>,
    /// Names given and words that change what is read: aliases, labels, joins, CTEs, columns
    /// of INSERT and SET, DISTINCT, set operations, locks.
    shape: Vec<String>,
}

impl Facts {
    fn sorted(mut self) -> Self {
        self.tables.sort();
        self.parameters.sort_unstable();
        self.literals.sort_unstable();
        self.literals.dedup();
        self.expressions.sort();
        self.shape.sort();
        self
    }
}

/// What comes of holding one text against Postgres's grammar.
enum Verdict {
    /// Postgres doesn't take it either, or it isn't one statement.
    NotAccepted,
    Refused(String),
    /// Analysed; only of queries and changes of rows it is known that Postgres agrees.
    Analysed,
    Disagreed(String),
}

/// The verdict, and whether the text is a query or a change of rows.
fn judge(text: &str) -> (bool, Verdict) {
    let Some((planned, theirs)) = accepted(text) else { return (false, Verdict::NotAccepted) };
    let scanned = match scan(text.as_bytes(), LexOptions::default()) {
        Ok(scanned) => scanned,
        Err(error) => return (planned, Verdict::Refused(error.to_string())),
    };
    let [scanned] = &scanned[..] else {
        return (planned, Verdict::Disagreed(format!("{} statements to us", scanned.len())));
    };
    let statement = match parse(text.as_bytes(), scanned) {
        Ok(statement) => statement,
        Err(error) => return (planned, Verdict::Refused(error.to_string())),
    };
    if !planned {
        return (planned, Verdict::Analysed);
    }
    let ours = ours(&statement, &scanned.literals).sorted();
    let theirs = Theirs { text, scanned }.facts(&theirs).sorted();
    if ours == theirs {
        return (planned, Verdict::Analysed);
    }
    (planned, Verdict::Disagreed(format!("ours   {ours:?}\n  theirs {theirs:?}")))
}

#[test]
fn postgres_agrees_on_the_corpora() {
    let mut counts: BTreeMap<(&str, bool), [usize; 3]> = BTreeMap::new();
    for sample in corpora::all() {
        let (planned, verdict) = judge(&sample.text);
        let [analysed, refused, wrong] = counts.entry((sample.corpus, planned)).or_default();
        match verdict {
            Verdict::NotAccepted => {}
            Verdict::Analysed => *analysed += 1,
            Verdict::Refused(why) => {
                *refused += 1;
                println!("REFUSED {}\n  {why}", sample.text);
            }
            Verdict::Disagreed(how) => {
                *wrong += 1;
                println!("DISAGREE {}\n  {how}", sample.text);
            }
        }
    }
    for ((corpus, planned), [analysed, refused, wrong]) in &counts {
        let what = if *planned { "queries and changes" } else { "other statements" };
        println!("{corpus}, {what}: {analysed} analysed, {refused} refused, {wrong} disagree");
        let all = analysed + refused + wrong;
        assert!(analysed * 100 >= all * 99, "{corpus}: less than 99 % are analysed");
        assert_eq!(*wrong, 0, "{corpus}");
    }
}

/// Operands, prefixes, suffixes and infixes that bind in every way there is.
const OPERANDS: &[&str] = &[
    "a",
    "t.b",
    "1",
    "'x'",
    "$1",
    "NULL",
    "true",
    "f(a, 1)",
    "(a)",
    "(SELECT 1)",
    "ROW(1, a)",
    "ARRAY[1, 2]",
    "CASE WHEN a THEN b END",
    "a[1]",
    "(t).f",
    "date '2024-01-01'",
    "EXISTS (SELECT 1)",
    "CAST(a AS int)",
    "coalesce(a, b)",
    "count(*) FILTER (WHERE a OR b)",
    "(a, b)",
    "(a OR b)",
];
const PREFIXES: &[&str] =
    &["NOT ", "- ", "+ ", "@ ", "OPERATOR(pg_catalog.-) ", "", "", "", "", ""];
const SUFFIXES: &[&str] = &[
    " IS NULL",
    " IS NOT TRUE",
    " ISNULL",
    " NOTNULL",
    "::int",
    "::text[]",
    " COLLATE \"C\"",
    " AT TIME ZONE 'x'",
    " IN (1, 2)",
    " NOT IN (a, 1)",
    " IN (SELECT 1)",
    " IS NOT NFC NORMALIZED",
    " IS JSON",
    " AT LOCAL",
    " IS DOCUMENT",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
];
const INFIXES: &[&str] = &[
    "AND",
    "OR",
    "=",
    "<",
    ">=",
    "<>",
    "!=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "||",
    "->>",
    "@>",
    "~",
    "LIKE",
    "NOT LIKE",
    "ILIKE",
    "SIMILAR TO",
    "BETWEEN",
    "NOT BETWEEN",
    "BETWEEN SYMMETRIC",
    "AND",
    "OR",
    "IS DISTINCT FROM",
    "IS NOT DISTINCT FROM",
    "OPERATOR(pg_catalog.=)",
    "= ANY",
    "<> ALL",
    "ESCAPE",
    "OVERLAPS",
    "AT TIME ZONE",
    "LIKE ANY",
    "AND NOT",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 30_000, ..ProptestConfig::default() })]

    /// Whatever stands beside whatever: if Postgres takes it, we read it as Postgres does.
    #[test]
    fn postgres_agrees_on_random_expressions(
        parts in prop::collection::vec(
            (
                prop::sample::select(PREFIXES),
                prop::sample::select(OPERANDS),
                prop::sample::select(SUFFIXES),
                prop::sample::select(INFIXES),
            ),
            1..7,
        ),
    ) {
        let mut text = "SELECT * FROM t WHERE ".to_string();
        for (at, (prefix, operand, suffix, infix)) in parts.iter().enumerate() {
            let quantified = at > 0 && (parts[at - 1].3.ends_with("ANY") || parts[at - 1].3.ends_with("ALL"));
            let operand = if quantified { format!("({operand})") } else { operand.to_string() };
            let prefix = if quantified { "" } else { prefix };
            text.push_str(&format!("{prefix}{operand}{suffix}"));
            if at + 1 < parts.len() {
                text.push_str(&format!(" {infix} "));
            }
        }
        match judge(&text).1 {
            Verdict::NotAccepted | Verdict::Analysed => {}
            Verdict::Refused(why) => prop_assert!(false, "{}\n  {}", text, why),
            Verdict::Disagreed(how) => prop_assert!(false, "{}\n  {}", text, how),
        }
    }
}

/// The raw parse tree of the one statement in the text, if Postgres takes it, and whether it
/// is a query or a change of rows.
fn accepted(text: &str) -> Option<(bool, Value)> {
    let result = pg_query::parse(text, 0).ok()?;
    let [statement] = &result.protobuf.stmts[..] else { return None };
    let node = serde_json::to_value(statement.stmt.as_ref()?).ok()?;
    let kind = node["node"].as_object()?.keys().next()?.clone();
    let planned = ["SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"];
    Some((planned.contains(&kind.as_str()), node))
}

/// LIMIT ALL and FETCH FIRST ROW have a limit that stands nowhere in the text.
fn not_implied(rendered: &String) -> bool {
    rendered != "null" && rendered != "(? )"
}
