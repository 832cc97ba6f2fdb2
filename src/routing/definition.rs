//! What a view says, as the server writes it down.

use std::sync::Arc;

use crate::config::rules::{TableName, Unlisted};
use crate::sql::{self, LexOptions, Literals, Query, Statement};

use super::nodes::Role;
use super::router::{Router, TableRule};
use super::schema::{Table, TableKind};

/// A definition longer than this isn't kept, and its view is refused where it would be needed:
/// bounds the memory that a schema takes.
const LONGEST: usize = 1 << 18;

/// A view's definition, as `pg_get_viewdef` writes it under a search path of `pg_catalog` alone: each
/// name that isn't the system's has its schema before it.
#[derive(Debug, Clone)]
pub struct Definition(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: Box<str>,
    literals: Literals,
    statement: Statement,
}

impl PartialEq for Definition {
    fn eq(&self, other: &Definition) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Definition {}

impl Definition {
    /// Reads a definition; `None` if it is too long, or our parser doesn't understand it.
    pub fn read(written: &str) -> Option<Definition> {
        let text = written.trim().trim_end_matches(';').trim_end();
        if text.len() > LONGEST {
            return None;
        }
        let scanned = sql::scan_single(text.as_bytes(), LexOptions::default()).ok()??;
        let statement = sql::parse(text.as_bytes(), &scanned).ok()?;
        let Statement::Query(_) = &statement else { return None };
        Some(Definition(Arc::new(Inner {
            text: text.into(),
            literals: scanned.literals,
            statement,
        })))
    }

    /// Without a semicolon.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    pub(super) fn literals(&self) -> &Literals {
        &self.0.literals
    }

    pub(super) fn statement(&self) -> &Statement {
        &self.0.statement
    }

    pub(super) fn query(&self) -> Option<&Query> {
        match &self.0.statement {
            Statement::Query(query) => Some(query),
            _ => None,
        }
    }
}

impl Router {
    /// The definition of a view that is read through: it is known, and no rule names the view.
    pub(super) fn definition(
        &self,
        table: &TableName,
        rule: Option<&TableRule>,
    ) -> Option<&Definition> {
        if rule.is_some() || self.shards.len() == 1 {
            return None;
        }
        let facts = self.schema.tables.get(table)?;
        facts.view.as_ref().filter(|_| facts.kind == TableKind::View)?.definition.as_ref()
    }

    /// Whether a view reads nothing but tables of the home shard, and of all shards where nothing is
    /// written, so that its definition needn't be followed.
    pub(super) fn reads_at_home(&self, view: &Table, role: Role) -> bool {
        let harmless = |table: &TableName| match self.rule(table) {
            Some(TableRule::Home | TableRule::Catalog) => true,
            Some(TableRule::Reference) => role == Role::Read,
            Some(TableRule::Sharded { .. }) => false,
            None => {
                let kind = self.schema.tables.get(table).map(|table| table.kind);
                self.rules.unlisted == Unlisted::Home
                    && matches!(kind, Some(TableKind::Table | TableKind::Partitioned))
            }
        };
        view.kind == TableKind::View && !view.reads.is_empty() && view.reads.iter().all(harmless)
    }
}
