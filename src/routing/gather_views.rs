//! Views in what one server finishes. One of which each shard's rows are its share is pulled by its
//! name, as a table is; in the place of any other stands its definition, and what that reads is
//! pulled. `docs/decisions/016-views.md` has the argument.

use std::collections::HashSet;

use crate::config::rules::TableName;
use crate::sql::{self, Edit, Edited, Expr, FromItem, Node, Piece, Scanned, Statement, visit};

use super::bind::Analysis;
use super::bind_view::ViewSeen;
use super::definition::Definition;
use super::gather::{self, Gather, Names, Walk};
use super::gather_text::quoted;
use super::plan::Place;
use super::relation::Scope;
use super::scatter::Reason;
use super::schema::{Schema, Table, View};

/// Views whose definitions are put in their place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expansion {
    edits: Vec<Edit>,
    pub views: Vec<Expanded>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expanded {
    pub view: TableName,
    /// A statement without rows that fails if who asks may not read of the view what it reads.
    pub probe: String,
    /// What it reads it reads with its owner's rights, and not with those of who asks.
    pub of_owner: bool,
}

impl Expansion {
    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Copy(_) => 0,
        };
        let edit = |edit: &Edit| size_of::<Edit>() + edit.pieces.iter().map(piece).sum::<usize>();
        let view = |view: &Expanded| size_of::<Expanded>() + 80 + view.probe.len();
        size_of::<Expansion>()
            + self.edits.iter().map(edit).sum::<usize>()
            + self.views.iter().map(view).sum::<usize>()
    }

    /// The text with definitions in it, and what it is.
    pub fn apply(
        &self,
        text: &[u8],
        scanned: &Scanned,
    ) -> Result<(Edited, Scanned), super::Refusal> {
        let edited = sql::edit(text, scanned, &self.edits)?;
        match sql::scan_single(&edited.text, scanned.options)? {
            Some(scanned) => Ok((edited, scanned)),
            None => Err(super::Refusal::not_understood("a view's definition")),
        }
    }
}

impl Walk<'_> {
    /// The views whose definitions have to stand in their place, if there are any.
    pub(super) fn expansion(
        &self,
        analysis: &Analysis<'_>,
        names: &Names<'_>,
    ) -> Result<Option<Expansion>, Reason> {
        let mut seen: HashSet<u32> = HashSet::new();
        let mut expansion = Expansion { edits: Vec::new(), views: Vec::new() };
        for view in &analysis.views {
            let Some(at) = view.at else { continue };
            if view.shared.is_ok() || !is_apart(analysis, at) || !seen.insert(at) {
                continue;
            }
            let (edit, expanded) = self.expand(analysis, view, at, names)?;
            expansion.edits.push(edit);
            expansion.views.push(expanded);
        }
        expansion.edits.sort_by_key(|edit| edit.at.start);
        Ok((!expansion.edits.is_empty()).then_some(expansion))
    }

    fn expand(
        &self,
        analysis: &Analysis<'_>,
        seen: &ViewSeen<'_>,
        at: u32,
        names: &Names<'_>,
    ) -> Result<(Edit, Expanded), Reason> {
        const LOST: Reason = "a view stands where it isn't looked for";
        let found = self.at(at).ok_or(LOST)?;
        let FromItem::Table { alias, tokens, .. } = found.item else { return Err(LOST) };
        let schema = &*analysis.router.schema;
        let facts = schema.tables.get(&seen.table).ok_or(LOST)?;
        let view = facts.view.as_ref().ok_or(LOST)?;
        reads_alike(schema, view, facts)?;
        means_the_same(analysis, schema, seen.definition)?;
        let name = alias.name.as_ref().unwrap_or(&seen.table.name);
        let all = self.needs_all(found, name, names)?;
        let wanted = facts.columns.iter().filter(|c| all || names.all.contains(&*c.name));
        let wanted: Vec<String> = wanted.map(|column| quoted(&column.name)).collect();
        let (of, view_name) = (&seen.table.schema, &seen.table.name);
        let probe = format!(
            "SELECT {} FROM {}.{} WHERE false",
            wanted.join(", "),
            quoted(of),
            quoted(view_name)
        );
        let is_command = found.select.is_some_and(|(select, _)| select.items_end.is_none());
        let text = relation(seen.definition, facts, is_command, (name, alias.name.is_some()));
        let edit = Edit { at: tokens.clone(), pieces: vec![Piece::Text(text.into())] };
        let of_owner = !view.invoker;
        Ok((edit, Expanded { view: seen.table.clone(), probe, of_owner }))
    }
}

/// Whether what stands there has rows of sharded tables.
fn is_apart(analysis: &Analysis<'_>, at: u32) -> bool {
    let keys = |place: &Place| matches!(place, Place::Keys { .. });
    analysis.sites.iter().any(|site| site.at == at && keys(&site.place))
}

/// What stands for a view.
fn relation(
    definition: &Definition,
    facts: &Table,
    is_command: bool,
    (name, is_named): (&str, bool),
) -> String {
    let columns: Vec<String> = facts.columns.iter().map(|column| quoted(&column.name)).collect();
    let rows = format!(
        "(SELECT * FROM ({}) AS {}({}))",
        definition.text(),
        quoted(name),
        columns.join(", ")
    );
    let named = if is_named { rows } else { format!("{rows} AS {}", quoted(name)) };
    if is_command { format!("SELECT * FROM {named}") } else { named }
}

/// Whether who asks gets the same rows of what a view reads as its owner does, if he gets any.
fn reads_alike(schema: &Schema, view: &View, facts: &Table) -> Result<(), Reason> {
    if view.invoker {
        return Ok(());
    }
    let differs = |table: &Table| table.secured || table.view.as_ref().is_some_and(|v| v.invoker);
    match facts.reads.iter().filter_map(|read| schema.tables.get(read)).any(differs) {
        true => {
            Err("it has a view of a table with row security, which is read by the owner's rights")
        }
        false => Ok(()),
    }
}

/// Whether a definition says the same under the client's settings as where it was written down.
fn means_the_same(
    analysis: &Analysis<'_>,
    schema: &Schema,
    definition: &Definition,
) -> Result<(), Reason> {
    let text = definition.text();
    if !analysis.scanned.options.standard_conforming_strings && text.contains('\\') {
        return Err("it has a view with a backslash, under standard_conforming_strings = off");
    }
    if text.contains("::money") {
        return Err("it has a view with an amount of money, which is read by its locale");
    }
    if analysis.search_path.iter().skip(1).any(|schema| &**schema == "pg_catalog") {
        return Err("it has a view, and pg_catalog isn't the first of its search_path");
    }
    if schema.operators.iter().any(|operator| text.contains(&**operator)) {
        return Err(
            "it has a view with an operator that users have defined one of the same name of",
        );
    }
    let mut other = false;
    visit(definition.statement(), &mut |node| {
        if let Node::Expr(Expr::Function(call)) = node
            && let Some(name) = call.name.as_ref().filter(|name| name.schema.is_none())
        {
            let facts = schema.functions.get(&name.name).map_or(&[][..], Vec::as_slice);
            other |= facts.iter().any(|fact| &*fact.schema != "pg_catalog");
        }
    });
    match other {
        true => {
            Err("it has a view with a function that users have defined one of the same name of")
        }
        false => Ok(()),
    }
}

/// How a statement is gathered once definitions stand in it.
pub(super) fn expanded(
    analysis: &Analysis<'_>,
    expansion: Expansion,
) -> Result<Box<Gather>, Reason> {
    const UNREAD: Reason = "it isn't understood with a view's definition in it";
    let (edited, scanned) = expansion.apply(analysis.text, analysis.scanned).map_err(|_| UNREAD)?;
    let statement = sql::parse(&edited.text, &scanned).map_err(|_| UNREAD)?;
    let inner = innermost(&statement);
    let mut analysis = Analysis::new(analysis.router, analysis.search_path, &edited.text, &scanned);
    let node = analysis.write(inner, &Scope::default()).map_err(|_| UNREAD)?;
    analysis.settle(&node, &Vec::new(), None);
    if analysis.work > analysis.router.bounds.work {
        return Err(UNREAD);
    }
    let names = sql::names(&edited.text, &scanned).map_err(|_| UNREAD)?;
    let mut gather = gather::of(&analysis, inner, &names)?;
    gather.expansions.insert(0, expansion);
    Ok(gather)
}

/// The statement that reads rows, in others that do something with it.
fn innermost(statement: &Statement) -> &Statement {
    match statement {
        Statement::Explain(explain) => innermost(&explain.statement),
        Statement::Prepare { statement, .. } => innermost(statement),
        Statement::Copy(copy) => match &copy.what {
            sql::CopyWhat::Statement(statement) => innermost(statement),
            _ => statement,
        },
        other => other,
    }
}
