//! Whether all texts of a statement have one collation, the database's own, so that whoever has
//! them can put them in order.
//!
//! Postgres derives an expression's collation from what it is made of: a column with a collation of its
//! own, a COLLATE, and the type `name`, which has C.

use crate::sql::{self, Expr, NamePlace, Node, Statement, visit};

use super::bind::Analysis;
use super::functions;
use super::schema::Column;

/// Functions of the system that give a `name`.
const GIVE_NAMES: &[&str] = &[
    "current_catalog",
    "current_database",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_user",
    "getdatabaseencoding",
    "getpgusername",
    "name",
    "nameconcatoid",
    "pg_client_encoding",
    "pg_encoding_to_char",
    "pg_get_userbyid",
    "session_user",
    "user",
];

/// Whether that is so.
pub(super) fn is_one(analysis: &Analysis<'_>, statement: &Statement) -> bool {
    let names = sql::names(analysis.text, analysis.scanned);
    let collates = |name: &NamePlace| &*name.name == "collate";
    if !names.is_ok_and(|names| !names.iter().any(collates)) {
        return false;
    }
    let tables = analysis.occurrences.iter().filter_map(|occurrence| occurrence.table.as_ref());
    let plain = tables.into_iter().all(|table| {
        let facts = analysis.router.schema.tables.get(table);
        facts.is_some_and(|facts| facts.columns.iter().all(has_it))
    });
    plain
        && is_derived(analysis, statement)
        && analysis
            .views
            .iter()
            .map(|view| view.definition)
            .all(|view| is_derived(analysis, view.statement()) && !view.text().contains("COLLATE"))
}

/// A column of a text of the system's own types, without a collation of its own; or of no text.
fn has_it(column: &Column) -> bool {
    let is_plain = ["text", "character"].iter().any(|name| column.written.starts_with(name));
    match &*column.type_name {
        "text" | "varchar" | "bpchar" => column.collation.is_none() && is_plain,
        "name" | "_name" => false,
        _ => column.collation.is_none(),
    }
}

/// Whether nothing in a statement has another collation than what it is made of.
fn is_derived(analysis: &Analysis<'_>, statement: &Statement) -> bool {
    let mut derived = true;
    visit(statement, &mut |node| match node {
        Node::Expr(Expr::Function(call)) => {
            derived &= call.name.as_ref().is_some_and(|name| {
                let named = GIVE_NAMES.contains(&&*name.name);
                !named && !functions::is_defined(name, &analysis.router.schema)
            });
        }
        Node::Expr(Expr::Cast { to, .. }) => {
            derived &= matches!(to.name.schema.as_deref(), None | Some("pg_catalog"))
                && !matches!(&*to.name.name, "name" | "_name");
        }
        _ => {}
    });
    derived
}
