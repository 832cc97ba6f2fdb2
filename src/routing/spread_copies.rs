//! Writes to reference tables: every shard has a copy and does the same, so that all that they
//! do must hang on nothing but the statement and the copies.

use crate::sql::{Expr, FromItem, Function, Insert, InsertSource, Node, SetExpr, Statement, visit};

use super::bind::Analysis;
use super::clock::reads_clock;
use super::scatter_check::is_time;
use super::schema::{Column, Table, Volatility};
use super::spread::Reason;

/// Functions of the catalog that are stable, and yet tell something of their server.
const OF_SERVER: &[&str] = &[
    "current_catalog",
    "current_database",
    "inet_client_addr",
    "inet_client_port",
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
];

/// Words that are read as a time of the server's clock.
const CLOCK_WORDS: [&[u8]; 4] = [b"now", b"today", b"tomorrow", b"yesterday"];

/// Whether all copies stay equal; and whether texts in the statement may be read as times.
pub(super) fn check(
    analysis: &Analysis<'_>,
    statement: &Statement,
    facts: &Table,
) -> Result<bool, Reason> {
    if !facts.triggers.is_empty() {
        return Err("its table has triggers or rules, which may do something else on each shard");
    }
    if analysis.effects.volatile > 0 {
        return Err("it calls a function that may give another value on each shard");
    }
    match statement {
        Statement::Update(update) if !update.from.is_empty() => {
            return Err("which of several matching rows UPDATE … FROM takes is open");
        }
        Statement::Insert(insert) => inserted(insert, facts)?,
        Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) => {}
        _ => return Err("it isn't a write"),
    }
    let mut wrong = None;
    let mut times = facts.columns.iter().any(holds_time);
    visit(statement, &mut |node| {
        let reason = match node {
            Node::Expr(Expr::Default) if facts.columns.iter().any(|c| c.default_varies) => {
                Some("a DEFAULT in it may be another value on each shard")
            }
            Node::Expr(Expr::Function(call)) => function(analysis, call).err(),
            Node::Expr(Expr::Cast { to, .. }) => {
                times |= is_time(&to.name.name);
                None
            }
            Node::From(FromItem::Table { name, .. }) => {
                let (table, _) = analysis.router.table(name, analysis.search_path);
                let read = analysis.router.schema.tables.get(&table);
                times |= read.is_none_or(|read| read.columns.iter().any(holds_time));
                None
            }
            _ => None,
        };
        wrong = wrong.or(reason);
    });
    wrong.map_or(Ok(times), Err)
}

fn inserted(insert: &Insert, facts: &Table) -> Result<(), Reason> {
    if insert.overriding_user {
        return Err("an identity's value may be another on each shard");
    }
    let given = |at: usize, column: &Column| match (&insert.source, insert.columns.is_empty()) {
        (InsertSource::DefaultValues, _) => false,
        (_, false) => insert.columns.contains(&column.name),
        (InsertSource::Query(query), true) => match &query.body {
            SetExpr::Values(rows) => rows.iter().all(|row| at < row.len()),
            _ => false,
        },
    };
    let varies = |(at, column): (usize, &Column)| column.default_varies && !given(at, column);
    if facts.columns.iter().enumerate().any(varies) {
        return Err("the default of a column that isn't given may be another value on each shard");
    }
    let of_values = match &insert.source {
        InsertSource::Query(query) => matches!(query.body, SetExpr::Values(_)),
        InsertSource::DefaultValues => true,
    };
    let skips = insert.on_conflict.as_ref().is_some_and(|conflict| conflict.update.is_none());
    if skips && !of_values {
        return Err("which of several conflicting rows INSERT … SELECT keeps is open");
    }
    Ok(())
}

/// A call that gives the same on every server with equal arguments and settings.
pub(super) fn function(analysis: &Analysis<'_>, call: &Function) -> Result<(), Reason> {
    let Some(name) = &call.name else { return Ok(()) };
    if reads_clock(call) {
        return Err("it reads the time, and each server has a clock of its own");
    }
    let facts = analysis.router.schema.functions.get(&name.name).map_or(&[][..], Vec::as_slice);
    let steady = |fact: &super::schema::FunctionFact| match fact.volatility {
        Volatility::Immutable => true,
        Volatility::Stable => &*fact.schema == "pg_catalog",
        Volatility::Volatile => false,
    };
    if OF_SERVER.contains(&&*name.name) || !facts.iter().all(steady) {
        return Err("it calls a function that may give another value on each shard");
    }
    Ok(())
}

/// Whether a text that is stored in the column, or compared with it, may be read as a time.
pub(super) fn holds_time(column: &Column) -> bool {
    let name = column.type_name.trim_start_matches('_');
    ["date", "time", "tsrange", "tstz", "tsmulti"].iter().any(|kind| name.starts_with(kind))
}

/// Whether a text may be read as a time that the server's clock tells.
pub(super) fn tells_clock(text: &[u8]) -> bool {
    let is_word = |word: &[u8]| CLOCK_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known));
    text.split(|b| !b.is_ascii_alphabetic()).any(is_word)
}

#[cfg(test)]
mod tests {
    use super::tells_clock;

    #[test]
    fn words_of_the_clock_are_found_and_no_others() {
        for text in ["now", " NOW ", "today 10:00", "[today,tomorrow)", "{yesterday}", "Tomorrow"] {
            assert!(tells_clock(text.as_bytes()), "{text}");
        }
        for text in ["", "nowhere", "2025-01-01", "known", "todays", "infinity"] {
            assert!(!tells_clock(text.as_bytes()), "{text}");
        }
    }
}
