//! Postgres's own grammar as referee: what it accepts, we analyse, and say the same of it.
//!
//! For every SELECT, INSERT, UPDATE, DELETE and MERGE of the corpora: the kind, the tables,
//! the parameters, the literals with their values, the structure of every expression of an
//! item, WHERE, ON, HAVING, VALUES, SET, LIMIT and ORDER BY; aliases, joins, CTEs, labels,
//! columns of INSERT and SET, DISTINCT, GROUP BY, set operations and locks.

mod ours;
mod theirs;

use std::collections::BTreeMap;

use pgherd::sql::{LexOptions, Scanned, parse, scan};
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

#[test]
fn postgres_agrees() {
    let mut counts: BTreeMap<(&str, bool), [usize; 4]> = BTreeMap::new();
    let mut disagreements = 0;
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    for sample in corpora::all() {
        let Some((planned, theirs)) = accepted(&sample.text) else { continue };
        let key = (sample.corpus, planned);
        let [accepted, analysed, refused, wrong] = counts.entry(key).or_default();
        *accepted += 1;
        let scanned = scan(sample.text.as_bytes(), LexOptions::default());
        let one = scanned.as_ref().ok().and_then(|s| <&[Scanned; 1]>::try_from(&s[..]).ok());
        let Some([scanned]) = one else {
            *refused += 1;
            println!("NOT SCANNED {}\n  {scanned:?}", sample.text);
            continue;
        };
        let statement = match parse(sample.text.as_bytes(), scanned) {
            Ok(statement) => statement,
            Err(error) => {
                *refused += 1;
                *refusals.entry(error.message.clone()).or_default() += 1;
                println!("REFUSED {}\n  {error}", sample.text);
                continue;
            }
        };
        *analysed += 1;
        if !planned {
            continue;
        }
        let ours = ours(&statement, &scanned.literals).sorted();
        let theirs = Theirs { text: &sample.text, scanned }.facts(&theirs).sorted();
        if ours != theirs {
            *wrong += 1;
            disagreements += 1;
            println!("DISAGREE {}\n  ours   {ours:?}\n  theirs {theirs:?}", sample.text);
        }
    }
    for ((corpus, planned), [accepted, analysed, refused, wrong]) in &counts {
        let what = if *planned { "queries and changes" } else { "other statements" };
        println!(
            "{corpus}, {what}: {accepted} accepted by Postgres, {analysed} analysed, {refused} refused, {wrong} disagree"
        );
        assert!(analysed * 100 >= accepted * 99, "{corpus}: less than 99 % are analysed");
    }
    assert_eq!(disagreements, 0);
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
