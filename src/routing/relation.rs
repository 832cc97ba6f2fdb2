//! Relations of one statement and the names by which its parts see them.

use std::rc::Rc;

use crate::config::rules::TableName;
use crate::sql::{Cte, Ident, Name};

use super::value::ColumnType;

/// A column of a relation, by numbers that are unique in one analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ColId {
    pub relation: u32,
    pub column: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub name: Ident,
    /// If it is a text: it is known to be ordered by its bytes.
    pub bytewise: bool,
    /// `None` where two equal values needn't be the same key: a type that no key has, or a
    /// collation in which different bytes are equal.
    pub column_type: Option<ColumnType>,
}

/// One occurrence of a table, a derived table, a function or a subquery's result.
#[derive(Debug, Clone, Default)]
pub(super) struct Relation {
    pub columns: Vec<Column>,
    /// There are columns that aren't listed.
    pub more: bool,
}

/// A relation under the name that a FROM clause gives it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub name: Option<Ident>,
    /// A table without an alias can be named with its schema.
    pub table: Option<TableName>,
    pub relation: u32,
}

/// What a FROM clause, or a part of it, shows to expressions.
#[derive(Debug, Clone)]
pub(super) struct Visible {
    pub entries: Vec<Entry>,
    /// Columns that USING merged; `None` where the merged value is neither side's own.
    pub merged: Vec<(Ident, Option<ColId>)>,
    /// Names of relations that are there but can't be resolved to columns.
    pub hidden: Vec<Ident>,
    /// Unqualified names may mean columns that aren't known.
    pub opaque: bool,
    /// What `*` stands for, in order; `None` where that isn't known.
    pub star: Option<Vec<StarColumn>>,
}

/// One column of `*`; a merged one may be neither side's own.
#[derive(Debug, Clone)]
pub(super) struct StarColumn {
    pub name: Ident,
    pub column: Option<ColId>,
}

impl Default for Visible {
    /// An empty FROM clause.
    fn default() -> Self {
        Visible {
            entries: Vec::new(),
            merged: Vec::new(),
            hidden: Vec::new(),
            opaque: false,
            star: Some(Vec::new()),
        }
    }
}

impl Visible {
    pub fn join(mut self, other: Visible) -> Visible {
        self.entries.extend(other.entries);
        self.merged.extend(other.merged);
        self.hidden.extend(other.hidden);
        self.opaque |= other.opaque;
        self.star = match (self.star, other.star) {
            (Some(mut left), Some(right)) => {
                left.extend(right);
                Some(left)
            }
            _ => None,
        };
        self
    }
}

/// A WITH list.
pub(super) struct WithBlock<'a> {
    pub ctes: &'a [Cte],
    pub recursive: bool,
    /// The scope in which the list stands.
    pub scope: Scope<'a>,
}

/// The common table expressions that can be named: the first so many of a list, and those
/// of the lists around it.
#[derive(Clone)]
pub(super) struct Env<'a> {
    pub block: Rc<WithBlock<'a>>,
    pub visible: usize,
}

struct Level<'a> {
    visible: Visible,
    parent: Scope<'a>,
}

/// What an expression sees: the FROM clause around it, and the queries around that.
#[derive(Clone, Default)]
pub(super) struct Scope<'a> {
    level: Option<Rc<Level<'a>>>,
    env: Option<Rc<Env<'a>>>,
}

/// What a column's name was found to mean.
pub(super) enum Found {
    Column(ColId),
    /// There is such a relation, or may be; the column isn't known.
    Unknown,
    /// No relation here or around has it.
    Nowhere,
}

impl<'a> Scope<'a> {
    /// The same, one FROM clause deeper.
    pub fn within(&self, visible: Visible) -> Scope<'a> {
        Scope {
            level: Some(Rc::new(Level { visible, parent: self.clone() })),
            env: self.env.clone(),
        }
    }

    pub fn with_env(&self, env: Env<'a>) -> Scope<'a> {
        Scope { level: self.level.clone(), env: Some(Rc::new(env)) }
    }

    /// The common table expression of this name, and the scope that its own text has.
    pub fn cte(&self, name: &str) -> Option<(Env<'a>, usize)> {
        let mut env = self.env.clone();
        while let Some(current) = env {
            let ctes = current.block.ctes.get(..current.visible).unwrap_or(&[]);
            if let Some(at) = ctes.iter().position(|cte| &*cte.name == name) {
                return Some(((*current).clone(), at));
            }
            env = current.block.scope.env.clone();
        }
        None
    }

    /// Resolves `column` or `table.column` or `schema.table.column`.
    pub fn resolve(&self, parts: &[Ident], relations: &[Relation]) -> Found {
        let mut level = self.level.clone();
        while let Some(current) = level {
            match current.visible.resolve(parts, relations) {
                Found::Nowhere => level = current.parent.level.clone(),
                found => return found,
            }
        }
        Found::Nowhere
    }

    /// What a name means in the innermost FROM clause.
    pub fn resolve_here(&self, parts: &[Ident], relations: &[Relation]) -> Found {
        self.innermost().map_or(Found::Nowhere, |visible| visible.resolve(parts, relations))
    }

    /// Whether no other query stands around this one.
    pub fn is_outermost(&self) -> bool {
        self.level.as_ref().is_none_or(|level| level.parent.level.is_none())
    }

    /// The relations of the innermost FROM clause, for `*`.
    pub fn innermost(&self) -> Option<&Visible> {
        self.level.as_ref().map(|level| &level.visible)
    }
}

impl Visible {
    /// What a column's name means here.
    pub fn resolve(&self, parts: &[Ident], relations: &[Relation]) -> Found {
        match parts {
            [column] => self.unqualified(column, relations),
            [table, column] => self.qualified(None, table, column, relations),
            [schema, table, column] => self.qualified(Some(schema), table, column, relations),
            _ => Found::Unknown,
        }
    }

    fn unqualified(&self, column: &str, relations: &[Relation]) -> Found {
        if let Some((_, merged)) = self.merged.iter().find(|(name, _)| &**name == column) {
            return merged.map_or(Found::Unknown, Found::Column);
        }
        if self.opaque {
            return Found::Unknown;
        }
        let mut found = Found::Nowhere;
        let mut more = false;
        for entry in &self.entries {
            let Some(relation) = relations.get(entry.relation as usize) else { continue };
            more |= relation.more;
            if let Some(at) = position(relation, column) {
                if matches!(found, Found::Column(_)) {
                    // Ambiguous: the server says so.
                    return Found::Unknown;
                }
                found = Found::Column(ColId { relation: entry.relation, column: at });
            }
        }
        match found {
            Found::Nowhere if more => Found::Unknown,
            found => found,
        }
    }

    fn qualified(
        &self,
        schema: Option<&Ident>,
        table: &str,
        column: &str,
        relations: &[Relation],
    ) -> Found {
        if schema.is_none() && self.hidden.iter().any(|name| &**name == table) {
            return Found::Unknown;
        }
        for entry in &self.entries {
            let matches = match schema {
                None => entry.name.as_deref() == Some(table),
                Some(schema) => {
                    entry.table.as_ref().is_some_and(|t| t.schema == *schema && &*t.name == table)
                }
            };
            if matches {
                let relation = relations.get(entry.relation as usize);
                let at = relation.and_then(|relation| position(relation, column));
                return at.map_or(Found::Unknown, |column| {
                    Found::Column(ColId { relation: entry.relation, column })
                });
            }
        }
        Found::Nowhere
    }

    /// The relation that `name.*` means.
    pub fn relation(&self, name: &Name) -> Option<u32> {
        let entry = self.entries.iter().find(|entry| match &name.schema {
            None => entry.name.as_ref() == Some(&name.name),
            Some(schema) => {
                let table = entry.table.as_ref();
                table.is_some_and(|t| t.schema == *schema && t.name == name.name)
            }
        })?;
        Some(entry.relation)
    }
}

/// The column's number; a name that a relation has twice (two unnamed outputs) means none.
pub(super) fn position(relation: &Relation, column: &str) -> Option<u32> {
    let mut matching = relation.columns.iter().enumerate().filter(|(_, c)| &*c.name == column);
    let (at, _) = matching.next()?;
    matching.next().is_none().then_some(at as u32)
}
