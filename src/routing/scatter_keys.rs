//! What rows of several shards are ordered by: each ORDER BY expression's column in them.

use crate::sql::{
    Expr, Ident, LiteralSlot, Node, Ordering, Piece, Select, SelectItem, SetExpr, Tokens, Wording,
    visit_expr,
};

use super::bind::Analysis;
use super::merge;
use super::relation::{Found, Visible};
use super::scatter::Reason;

/// What a server keeps of a name, in bytes (NAMEDATALEN).
const MOST_OF_A_NAME: usize = 63;

/// One expression of ORDER BY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub column: KeyColumn,
    pub descending: bool,
    pub nulls_first: bool,
    pub bytewise: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyColumn {
    /// An output, from 0.
    Output(usize),
    /// The one output of this name: among those of `*`, or behind them.
    Named(Ident),
    /// `ORDER BY 2`
    Ordinal(LiteralSlot),
    /// A column that is added behind the outputs, from 0.
    Hidden(usize),
}

/// A column behind the outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Added {
    /// What stands elsewhere.
    Copy(Tokens),
    /// What an aggregate is put together from.
    Part(Part),
}

/// What is asked of each shard for one aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub kind: merge::PartKind,
    pub argument: Tokens,
    /// The condition of its FILTER; empty where it has none.
    pub filter: Tokens,
}

impl Added {
    /// The expression, in pieces of SQL.
    pub fn pieces(&self) -> Vec<Piece> {
        let text = |text: &str| Piece::Text(text.into());
        let Added::Part(Part { kind, argument, filter }) = self else {
            let Added::Copy(tokens) = self else { return Vec::new() };
            return vec![text("("), Piece::Copy(tokens.clone()), text(")")];
        };
        let argument = || Piece::Copy(argument.clone());
        let condition = || Piece::Copy(filter.clone());
        const NUMERIC: &str = ") AS pg_catalog.numeric)";
        let mut pieces = match kind {
            merge::PartKind::Function(merge::Function::CountAll) => {
                vec![text("pg_catalog.count(*)")]
            }
            merge::PartKind::Function(function) => {
                vec![text(&format!("pg_catalog.{function}(")), argument(), text(")")]
            }
            merge::PartKind::SumOfSquares => vec![
                text("pg_catalog.sum(CAST(("),
                argument(),
                text(&format!("{NUMERIC} OPERATOR(pg_catalog.*) CAST((")),
                argument(),
                text(&format!("{NUMERIC})")),
            ],
            // Values that FILTER leaves out are no values.
            merge::PartKind::Argument if !filter.is_empty() => {
                vec![text("(CASE WHEN "), condition(), text(" THEN "), argument(), text(" END)")]
            }
            merge::PartKind::Argument => vec![text("("), argument(), text(")")],
        };
        if !filter.is_empty() && *kind != merge::PartKind::Argument {
            pieces.extend([text(" FILTER (WHERE "), condition(), text(")")]);
        }
        pieces
    }
}

/// The outputs of a SELECT, and what they are made of.
pub(super) struct Outputs<'a, 'q> {
    pub analysis: &'a Analysis<'q>,
    pub select: &'a Select,
    /// What FROM shows.
    pub visible: &'a Visible,
    /// They are those of a set operation, whose first SELECT this is.
    pub sets: bool,
    /// Something gives another value each time that it is asked.
    pub volatile: bool,
}

impl Outputs<'_, '_> {
    /// The column of one expression. `added` are the expressions behind the outputs.
    pub fn key(
        &self,
        expr: &Expr,
        ordering: &Ordering,
        added: &mut Vec<Added>,
    ) -> Result<Key, Reason> {
        if ordering.using {
            return Err("it has ORDER BY … USING");
        }
        let (column, bytewise) = match expr {
            Expr::Literal(slot) => (KeyColumn::Ordinal(*slot), false),
            Expr::Column(parts) if parts.len() == 1 => self.named(&parts[0], ordering, added)?,
            expr => {
                let bytewise = self.is_bytewise(expr);
                let column = match self.same(&ordering.wording) {
                    Some(at) => KeyColumn::Output(at),
                    None => match self.starred(expr) {
                        Some(name) => KeyColumn::Named(name),
                        None => add(added, &ordering.tokens),
                    },
                };
                (column, bytewise)
            }
        };
        Ok(Key {
            column,
            descending: ordering.descending,
            // As Postgres has it where nothing is said.
            nulls_first: ordering.nulls_first.unwrap_or(ordering.descending),
            bytewise: bytewise || ordering.bytewise,
        })
    }

    /// A bare name is an output's, if one has it, before it is a column of FROM.
    fn named(
        &self,
        name: &Ident,
        ordering: &Ordering,
        added: &mut Vec<Added>,
    ) -> Result<(KeyColumn, bool), Reason> {
        let mut found = None;
        for (at, item) in self.select.items.iter().enumerate() {
            let SelectItem::Expr { expr, alias } = item else { continue };
            let own = match (alias, label(expr)) {
                (Some(alias), _) => Some(&**alias),
                (None, Some(label)) => label,
                (None, None) if may_be_labelled(expr, name) => {
                    return Err("it is ordered by a name that may be an output's");
                }
                (None, None) => None,
            };
            if own == Some(&**name) && found.replace((at, expr)).is_some() {
                return Err("it is ordered by a name that two outputs have");
            }
        }
        let Some((at, expr)) = found else {
            let bytewise = self.is_bytewise_column(std::slice::from_ref(name));
            if self.is_only(name) {
                return Ok((KeyColumn::Named(name.clone()), bytewise));
            }
            let several = self.visible.entries.len() > 1;
            let starred = several && self.has_star(self.select.items.len());
            if starred && self.is_column(name) != Some(true) {
                return Err("it is ordered by a bare name, with * of several tables");
            }
            return Ok((add(added, &ordering.tokens), bytewise));
        };
        let bytewise = self.is_bytewise(expr);
        if !self.has_star(at) {
            return Ok((KeyColumn::Output(at), bytewise));
        }
        // How many columns stand before it only the server knows for sure.
        if self.is_only(name) {
            return Ok((KeyColumn::Named(name.clone()), bytewise));
        }
        match self.select.item_tokens.get(at) {
            Some(tokens) if !self.volatile => Ok((add(added, tokens), bytewise)),
            _ => Err("it is ordered by an output behind * that isn't the same each time"),
        }
    }

    /// The name of the output of `*` that a column is, if no other output is called so.
    fn starred(&self, expr: &Expr) -> Option<Ident> {
        let Expr::Column(parts) = expr else { return None };
        let Found::Column(column) = self.visible.resolve(parts, &self.analysis.relations) else {
            return None;
        };
        let star = self.visible.star.as_ref()?;
        let name = &star.iter().find(|shown| shown.column == Some(column))?.name;
        self.is_only(name).then(|| name.clone())
    }

    /// Whether there is a `*`, and exactly one output has this name, so that the server's own
    /// description of its rows tells which one it is.
    fn is_only(&self, name: &Ident) -> bool {
        if !self.has_star(self.select.items.len()) || name.len() > MOST_OF_A_NAME {
            return false;
        }
        if self.sets {
            // Nothing but an output can be meant; of two the servers say so.
            return true;
        }
        let mut found = 0;
        for item in &self.select.items {
            found += match item {
                SelectItem::Expr { alias: Some(alias), .. } => usize::from(alias == name),
                SelectItem::Expr { expr, alias: None } => match label(expr) {
                    Some(label) => usize::from(label == Some(&**name)),
                    None if may_be_labelled(expr, name) => return false,
                    None => 0,
                },
                SelectItem::Wildcard => match &self.visible.star {
                    Some(star) => star.iter().filter(|shown| shown.name == *name).count(),
                    None => return false,
                },
                SelectItem::QualifiedWildcard(_) => return false,
            };
        }
        found == 1
    }

    /// How many there are, unless that hangs on a table.
    pub fn count(&self) -> Option<usize> {
        let count = self.select.items.len();
        (!self.has_star(count)).then_some(count)
    }

    /// Whether one of the first items is `*`.
    fn has_star(&self, before: usize) -> bool {
        let star = |item: &SelectItem| !matches!(item, SelectItem::Expr { .. });
        self.select.items.iter().take(before).any(star)
    }

    /// The output that is this expression, by its wording.
    pub fn same(&self, wanted: &Wording) -> Option<usize> {
        let wanted = wanted.as_ref()?;
        let is = |wording: &Wording| wording.as_ref() == Some(wanted);
        self.select.item_wordings.iter().position(is).filter(|at| !self.has_star(*at))
    }

    /// Which outputs have the order of their bytes, where they are texts, up to the first `*`.
    pub fn bytewise(&self) -> Vec<bool> {
        let own = |item: &SelectItem| match item {
            SelectItem::Expr { expr, .. } => Some(self.is_bytewise(expr)),
            SelectItem::Wildcard | SelectItem::QualifiedWildcard(_) => None,
        };
        self.select.items.iter().map_while(own).collect()
    }

    pub fn is_bytewise(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Column(parts) if self.is_bytewise_column(parts))
    }

    /// Whether a column is known, and its collation is C.
    fn is_bytewise_column(&self, parts: &[Ident]) -> bool {
        let found = self.visible.resolve(parts, &self.analysis.relations);
        matches!(found, Found::Column(column) if self.analysis.is_bytewise(column))
    }

    /// Whether a bare name is a column of FROM; `None` where that isn't known.
    pub fn is_column(&self, name: &Ident) -> Option<bool> {
        if self.visible.merged.iter().any(|(merged, _)| merged == name) {
            return Some(true);
        }
        match self.visible.resolve(std::slice::from_ref(name), &self.analysis.relations) {
            Found::Column(_) => Some(true),
            Found::Nowhere => Some(false),
            Found::Unknown => None,
        }
    }
}

pub(super) fn add(added: &mut Vec<Added>, tokens: &Tokens) -> KeyColumn {
    let column = Added::Copy(tokens.clone());
    let at = added.iter().position(|known| *known == column).unwrap_or_else(|| {
        added.push(column);
        added.len() - 1
    });
    KeyColumn::Hidden(at)
}

/// The name that the server gives an output without an alias: none that can be said in ORDER BY
/// in the inner `None`, one that isn't known in the outer.
#[allow(clippy::option_option)]
pub(super) fn label(expr: &Expr) -> Option<Option<&str>> {
    match expr {
        Expr::Column(parts) => Some(parts.last().map(|name| &**name)),
        Expr::Function(function) => Some(function.name.as_ref().map(|name| &*name.name)),
        Expr::Cast { expr, to } => match label(expr)? {
            Some(name) => Some(Some(name)),
            None => Some(Some(&to.name.name)),
        },
        Expr::Literal(_)
        | Expr::Parameter(_)
        | Expr::Null
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::Negate(_)
        | Expr::Equal(..)
        | Expr::Between { .. }
        | Expr::Compare { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::EqualAny { .. } => Some(None),
        Expr::Bool(_) => Some(Some("bool")),
        Expr::Row(_) => Some(Some("row")),
        Expr::Array(_) => Some(Some("array")),
        // A subscript has the name of what it is taken from, a CASE that of its ELSE.
        _ => None,
    }
}

/// Whether the name that isn't known may be this one: it is one that stands in the expression.
pub(super) fn may_be_labelled(expr: &Expr, name: &Ident) -> bool {
    if let Expr::Subquery(query) = expr {
        // That of its first output, unless it is an ARRAY.
        return &**name == "array" || first_output_may_be(&query.body, name);
    }
    let mut found = matches!(&**name, "case" | "exists" | "array" | "row" | "bool");
    visit_expr(expr, &mut |node| {
        found |= match node {
            Node::Expr(Expr::Column(parts)) => parts.contains(name),
            Node::Expr(Expr::Function(call)) => {
                call.name.as_ref().is_some_and(|called| called.name == *name)
            }
            Node::Expr(Expr::Cast { to, .. }) => to.name.name == *name,
            Node::Expr(Expr::Field(field)) => field == name,
            _ => false,
        }
    });
    found
}

fn first_output_may_be(body: &SetExpr, name: &Ident) -> bool {
    match body {
        SetExpr::Select(select) => match select.items.first() {
            Some(SelectItem::Expr { alias: Some(alias), .. }) => alias == name,
            Some(SelectItem::Expr { expr, .. }) => match label(expr) {
                Some(label) => label == Some(&**name),
                None => may_be_labelled(expr, name),
            },
            _ => true,
        },
        SetExpr::Nested(query) => first_output_may_be(&query.body, name),
        SetExpr::SetOperation { left, .. } => first_output_may_be(left, name),
        SetExpr::Values(_) => &**name == "column1",
    }
}
