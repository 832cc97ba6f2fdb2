//! Groups of several shards that a server finishes: what each shard knows of its own rows is put
//! together as in [`scatter_groups`](super::scatter_groups), and one server makes of the groups
//! what the statement says: expressions of aggregates, HAVING, windows, its order of texts.
//!
//! The text that it finishes is the client's, with its aggregates as columns, and the groups in the
//! place of FROM … GROUP BY. Columns that it is grouped by keep their names, and those of their
//! tables, so that nothing else needs to be changed.

use crate::sql::{
    Clauses, Distinct, Expr, Function, Ident, LiteralSlot, Node, Query, Select, SelectItem,
    SetExpr, Statement, Tokens, Wording, visit_outside,
};

use super::bind::Analysis;
use super::facts::Pool;
use super::local::{Lies, Locality};
use super::merge;
use super::nodes::{Body, QueryNode};
use super::relation::{ColId, Found, Visible};
use super::scatter::{self, NO_SELECT, Reason};
use super::scatter_check::Check;
use super::scatter_groups::{Calls, function};
use super::scatter_keys::{Added, Outputs, Part, label, may_be_labelled};

/// What is known of such a statement before it has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Partial {
    pub keys: Vec<Key>,
    pub calls: Vec<Call>,
    pub aggregates: Vec<super::Aggregated>,
    /// What they are put together from, beside what the shards say of each.
    pub added: Vec<Added>,
    /// Those of `added` that the shards group by, too.
    pub values: Vec<usize>,
    pub by_bytes: bool,
    pub clauses: Clauses,
    pub has_with: bool,
    pub has_having: bool,
    /// The tables by whose names columns that it is grouped by may be called.
    pub tables: Vec<Named>,
    pub outputs: Vec<Shown>,
    /// Expressions of ORDER BY that are such a key as a whole.
    pub ordered: Vec<(Tokens, usize)>,
    pub times: Vec<LiteralSlot>,
}

/// One expression of GROUP BY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// What stands there.
    At(Tokens),
    /// The output of this number.
    Ordinal(LiteralSlot),
}

/// One call of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub tokens: Tokens,
    /// What a shard says of its own rows.
    pub own: Part,
}

/// A table of FROM, and the columns of it that are keys, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub relation: u32,
    pub name: Ident,
    pub columns: Vec<(Ident, usize)>,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub tokens: Tokens,
    /// It is this key.
    pub key: Option<usize>,
    /// It has to be one that is called by its number.
    pub needs_key: bool,
    /// The name that it has without saying so, by which ORDER BY may call it, as far as it is known. (The
    /// client is told the names that a server gives to its own text.)
    pub label: Option<Ident>,
}

/// Whether and how the groups of an analysed statement can be put together and finished.
pub(super) fn of(
    analysis: &Analysis<'_>,
    statement: &Statement,
    node: &QueryNode,
) -> Result<Box<Partial>, Reason> {
    let Statement::Query(query) = statement else { return Err(NO_SELECT) };
    scatter::harmless(analysis, query)?;
    let (SetExpr::Select(select), Body::Select(bound)) = (&query.body, &node.body) else {
        return Err("it is no plain SELECT");
    };
    if select.group_by.grouping_sets || !matches!(select.distinct, Distinct::No | Distinct::Rows) {
        return Err("it has grouping sets or DISTINCT ON");
    }
    if analysis.effects.volatile > 0 || analysis.outer_aggregate {
        return Err("it has something that isn't the same each time");
    }
    if !matches!(Locality::new(analysis).rows(bound, &mut Pool::new())?, Lies::Apart(_)) {
        return Err("it reads sharded tables in subqueries only");
    }
    let mut check = Check::new(analysis);
    check.grouped(query, select)?;
    let Check { times, collates, .. } = check;
    if collates || !scatter::compares_bytes(analysis) || !has_one_collation(analysis) {
        return Err("it has several collations");
    }
    let visible = &bound.visible;
    let outputs = Outputs { analysis, select, visible, sets: false, volatile: false };
    let mut plan =
        Planning { outputs: &outputs, query, calls: Calls::default(), found: empty(query, select) };
    plan.keys()?;
    plan.items()?;
    plan.rest()?;
    let Planning { calls, mut found, .. } = plan;
    if found.calls.is_empty() {
        return Err("it has no aggregates");
    }
    found.aggregates = calls.aggregates;
    found.values = calls.values;
    found.times = times;
    Ok(Box::new(found))
}

fn empty(query: &Query, select: &Select) -> Partial {
    Partial {
        keys: Vec::new(),
        calls: Vec::new(),
        aggregates: Vec::new(),
        added: Vec::new(),
        values: Vec::new(),
        by_bytes: true,
        clauses: select.clauses,
        has_with: !query.with.is_empty(),
        has_having: select.having.is_some(),
        tables: Vec::new(),
        outputs: Vec::new(),
        ordered: Vec::new(),
        times: Vec::new(),
    }
}

/// Whether texts are ordered alike wherever they come from.
fn has_one_collation(analysis: &Analysis<'_>) -> bool {
    let tables = analysis.occurrences.iter().filter_map(|occurrence| occurrence.table.as_ref());
    tables.into_iter().all(|table| {
        let facts = analysis.router.schema.tables.get(table);
        facts.is_some_and(|facts| facts.columns.iter().all(|column| column.collation.is_none()))
    })
}

/// One statement under way.
struct Planning<'a, 'q> {
    outputs: &'a Outputs<'a, 'q>,
    query: &'a Query,
    calls: Calls,
    found: Partial,
}

const UNGROUPED: Reason = "it has columns beside aggregates that it isn't grouped by";

impl Planning<'_, '_> {
    fn keys(&mut self) -> Result<(), Reason> {
        let Outputs { select, visible, analysis, .. } = *self.outputs;
        let written = select.group_by.expressions.iter().zip(&select.group_by.tokens);
        for (number, (expr, tokens)) in written.enumerate() {
            let key = match expr {
                Expr::Literal(slot) => Key::Ordinal(*slot),
                Expr::Row(_) => return Err("it is grouped by a row"),
                Expr::Column(parts) => match visible.resolve(parts, &analysis.relations) {
                    Found::Column(column) => {
                        self.name(number, column, visible)?;
                        Key::At(tokens.clone())
                    }
                    Found::Nowhere if parts.len() == 1 => {
                        let at = self.aliased(&parts[0])?;
                        Key::At(select.item_tokens.get(at).cloned().ok_or(UNGROUPED)?)
                    }
                    _ => return Err("it is grouped by a name that isn't known"),
                },
                _ => Key::At(tokens.clone()),
            };
            self.found.keys.push(key);
        }
        Ok(())
    }

    /// The output of this alias.
    fn aliased(&self, name: &Ident) -> Result<usize, Reason> {
        let is = |item: &SelectItem| matches!(item, SelectItem::Expr { alias: Some(alias), .. } if alias == name);
        let items = &self.outputs.select.items;
        let mut found = items.iter().enumerate().filter(|(_, item)| is(item));
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Ok(at),
            _ => Err("it is grouped by a name that isn't known"),
        }
    }

    /// A column is a key: it may be called by the name of its table.
    fn name(&mut self, key: usize, column: ColId, visible: &Visible) -> Result<(), Reason> {
        let relations = &self.outputs.analysis.relations;
        let known = relations.get(column.relation as usize);
        let known = known.and_then(|relation| relation.columns.get(column.column as usize));
        let entry = visible.entries.iter().find(|entry| entry.relation == column.relation);
        let (Some(known), Some(entry)) = (known, entry) else { return Err(UNGROUPED) };
        let name = entry.name.clone().unwrap_or_else(|| "pgherd unnamed".into());
        let tables = &mut self.found.tables;
        let at = tables.iter().position(|named| named.relation == column.relation);
        let at = at.unwrap_or_else(|| {
            tables.push(Named { relation: column.relation, name, columns: Vec::new() });
            tables.len() - 1
        });
        let columns = &mut tables[at].columns;
        if columns.iter().all(|(name, _)| *name != known.name) {
            columns.push((known.name.clone(), key));
        }
        Ok(())
    }

    fn items(&mut self) -> Result<(), Reason> {
        let select = self.outputs.select;
        let written = select.item_tokens.iter().zip(&select.item_wordings);
        for (item, (tokens, wording)) in select.items.iter().zip(written) {
            let SelectItem::Expr { expr, alias } = item else { return Err("it has groups and *") };
            let by_alias = |key: &Key| matches!(key, Key::At(at) if at == tokens);
            let key = self.key_of(wording).or_else(|| self.found.keys.iter().position(by_alias));
            let needs_key = key.is_none() && !self.look(expr)?;
            let label = match (alias, label(expr)) {
                (None, Some(Some(name))) => Some(name.into()),
                (Some(_), _) | (None, _) => None,
            };
            let has_ordinals = self.found.keys.iter().any(|key| matches!(key, Key::Ordinal(_)));
            if needs_key && !has_ordinals {
                return Err(UNGROUPED);
            }
            self.found.outputs.push(Shown { tokens: tokens.clone(), key, needs_key, label });
        }
        Ok(())
    }

    /// The key that is written so.
    fn key_of(&self, wording: &Wording) -> Option<usize> {
        wording.as_ref()?;
        self.outputs.select.group_by.wordings.iter().position(|key| key == wording)
    }

    /// What stands behind the outputs.
    fn rest(&mut self) -> Result<(), Reason> {
        let (select, query) = (self.outputs.select, self.query);
        for expr in select.having.iter().chain(&select.windows) {
            if !self.look(expr)? {
                return Err(UNGROUPED);
            }
        }
        for (expr, key) in query.order_by.iter().zip(&query.order) {
            let is_output = match expr {
                Expr::Literal(_) => true,
                Expr::Column(parts) if parts.len() == 1 => self.is_output(&parts[0])?,
                _ => false,
            };
            if is_output {
                continue;
            }
            if select.distinct != Distinct::No {
                return Err("it has DISTINCT and is ordered by an expression");
            }
            match self.key_of(&key.wording) {
                Some(at) => self.found.ordered.push((key.tokens.clone(), at)),
                None if self.look(expr)? => {}
                None => return Err(UNGROUPED),
            }
        }
        Ok(())
    }

    /// Whether a bare name in ORDER BY is an output's.
    fn is_output(&self, name: &Ident) -> Result<bool, Reason> {
        for item in &self.outputs.select.items {
            let SelectItem::Expr { expr, alias } = item else { continue };
            match (alias, label(expr)) {
                (Some(own), _) if own == name => return Ok(true),
                (None, Some(own)) if own == Some(&**name) => return Ok(true),
                (None, None) if may_be_labelled(expr, name) => {
                    return Err("it is ordered by a name that may be an output's");
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// Takes the aggregates of an expression; whether all other columns in it are keys.
    fn look(&mut self, expr: &Expr) -> Result<bool, Reason> {
        let Outputs { analysis, visible, .. } = *self.outputs;
        let is_aggregate = |call: &Function| call.over.is_none() && analysis.may_aggregate(call);
        let (mut calls, mut wrong, mut grouped) = (Vec::new(), None, true);
        visit_outside(expr, &is_aggregate, &mut |node| match node {
            Node::Expr(Expr::Function(call)) if is_aggregate(call) => calls.push(call),
            Node::Expr(Expr::Column(parts)) => {
                grouped &= parts.len() <= 2
                    && match visible.resolve(parts, &analysis.relations) {
                        Found::Column(column) => self.is_key(column),
                        Found::Nowhere | Found::Unknown => false,
                    };
            }
            Node::Expr(Expr::Wildcard(Some(_)) | Expr::Field(_)) => {
                wrong = Some("it names whole rows beside aggregates");
            }
            Node::Query(_) => wrong = Some("it has a subquery beside aggregates"),
            _ => {}
        });
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        for call in calls {
            self.take(call)?;
        }
        Ok(grouped)
    }

    fn is_key(&self, column: ColId) -> bool {
        let relations = &self.outputs.analysis.relations;
        let known = relations.get(column.relation as usize);
        let known = known.and_then(|relation| relation.columns.get(column.column as usize));
        let table = self.found.tables.iter().find(|named| named.relation == column.relation);
        let (Some(known), Some(table)) = (known, table) else { return false };
        table.columns.iter().any(|(name, _)| *name == known.name)
    }

    fn take(&mut self, call: &Function) -> Result<(), Reason> {
        const OTHER: Reason = "it has an aggregate that isn't put together from parts";
        let function = function(self.outputs.analysis, call).ok_or(OTHER)?;
        let output = self.found.keys.len() + self.found.calls.len();
        self.calls.add(output, function, call, self.outputs, &mut self.found.added)?;
        let tokens = &call.tokens;
        let own = Part {
            kind: merge::PartKind::Function(function),
            argument: tokens.arguments.clone(),
            filter: tokens.filter.clone(),
        };
        self.found.calls.push(Call { tokens: tokens.all.clone(), own });
        Ok(())
    }
}
