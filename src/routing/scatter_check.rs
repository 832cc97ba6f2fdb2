//! What a SELECT over several shards must not hold, wherever it stands in it.

use crate::sql::{
    Distinct, Expr, FromItem, Function, JoinOn, LiteralSlot, Node, Query, Select, SelectItem,
    SetExpr, Statement, Wording, visit_level,
};

use super::bind::Analysis;
use super::clock::reads_clock;
use super::definition::Definition;
use super::scatter::Reason;
use super::scatter_groups::aggregate;

/// Columns of every table that each server fills in by itself.
pub(super) const OF_SERVER: &[&str] = &["ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"];

/// Functions that each server answers for itself.
pub(super) const ASKS_SERVER: &[&str] = &[
    "pg_backend_pid",
    "pg_conf_load_time",
    "pg_is_in_recovery",
    "pg_my_temp_schema",
    "pg_postmaster_start_time",
    "version",
];

/// Looks at all parts of a query.
pub(super) struct Check<'a, 'q> {
    pub analysis: &'a Analysis<'q>,
    /// String literals that are read as a time, where it is shown.
    pub times: Vec<LiteralSlot>,
    /// A COLLATE stands somewhere.
    pub collates: bool,
    /// There are subqueries, WITH among them.
    pub nested: bool,
}

/// What an expression may be.
#[derive(Debug, Clone, Copy)]
struct May {
    /// Its value is seen, or decides an order.
    shown: bool,
    /// It may hold aggregates: they are as good as any value.
    aggregate: bool,
    /// It is of the SELECT whose rows the client gets, which has no window functions.
    outermost: bool,
}

const INNER: May = May { shown: false, aggregate: true, outermost: false };
const NOTHING: May = May { shown: false, aggregate: false, outermost: true };
const WINDOWS: Reason = "it has window functions";

impl<'a, 'q> Check<'a, 'q> {
    pub fn new(analysis: &'a Analysis<'q>) -> Self {
        Check { analysis, times: Vec::new(), collates: false, nested: false }
    }

    /// The SELECT whose rows the client gets. `whole`: each of its groups lies on one shard.
    pub fn outermost(&mut self, query: &Query, select: &Select, whole: bool) -> Result<(), Reason> {
        self.with(query)?;
        let may = May { shown: true, aggregate: whole, outermost: true };
        if !select.windows.is_empty() {
            return Err(WINDOWS);
        }
        self.select(select, may)?;
        // An output that is an aggregate may be named again to order by it.
        let calls = |wording: &Wording| {
            let mut outputs = select.items.iter().zip(&select.item_wordings);
            outputs.any(|(item, own)| {
                own.is_some() && own == wording && aggregate(self.analysis, item).is_some()
            })
        };
        let keys = query.order_by.iter().zip(&query.order);
        let keys: Vec<&Expr> =
            keys.filter(|(_, key)| !calls(&key.wording)).map(|(expr, _)| expr).collect();
        self.all(keys, may)?;
        self.all(query.limit.iter().chain(&query.offset), NOTHING)
    }

    /// A SELECT with aggregates that a server finishes.
    pub fn grouped(&mut self, query: &Query, select: &Select) -> Result<(), Reason> {
        self.with(query)?;
        self.collates |= select.collates;
        let shown = May { shown: true, ..INNER };
        for item in &select.items {
            if let SelectItem::Expr { expr, .. } = item {
                self.expression(expr, shown)?;
            }
        }
        self.all(&select.group_by.expressions, May { shown: true, ..NOTHING })?;
        self.all(query.order_by.iter().chain(&select.windows), shown)?;
        self.all(select.having.iter().chain(&query.limit).chain(&query.offset), INNER)?;
        self.all(&select.filter, NOTHING)?;
        select.from.iter().try_for_each(|item| self.relation(item))
    }

    /// A set operation whose rows the client gets.
    pub fn operation(&mut self, query: &Query) -> Result<(), Reason> {
        self.query(query, true)
    }

    fn with(&mut self, query: &Query) -> Result<(), Reason> {
        for cte in &query.with {
            let Statement::Query(query) = &cte.statement else { return Err("it writes") };
            self.query(query, true)?;
        }
        Ok(())
    }

    /// A subquery, in which aggregates are its own matter. `shown`: so is what it yields.
    fn query(&mut self, query: &Query, shown: bool) -> Result<(), Reason> {
        self.nested = true;
        self.with(query)?;
        self.body(&query.body, shown)?;
        self.all(&query.order_by, May { shown, ..INNER })?;
        self.all(query.limit.iter().chain(&query.offset), INNER)
    }

    fn body(&mut self, body: &SetExpr, shown: bool) -> Result<(), Reason> {
        let may = May { shown, ..INNER };
        match body {
            SetExpr::Select(select) => self.select(select, may),
            SetExpr::Values(rows) => rows.iter().try_for_each(|row| self.all(row, may)),
            SetExpr::Nested(query) => self.query(query, shown),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, shown)?;
                self.body(right, shown)
            }
        }
    }

    fn select(&mut self, select: &Select, may: May) -> Result<(), Reason> {
        self.collates |= select.collates;
        let unseen = May { shown: false, ..may };
        for item in &select.items {
            match (item, aggregate(self.analysis, item)) {
                // One that can be put together is looked into.
                (_, Some((_, call))) if !may.aggregate => self.all(&call.arguments, may)?,
                (SelectItem::Expr { expr, .. }, _) => self.expression(expr, may)?,
                _ => {}
            }
        }
        if let Distinct::On(keys) = &select.distinct {
            self.all(keys, may)?;
        }
        self.all(&select.group_by.expressions, May { aggregate: false, ..may })?;
        self.all(&select.filter, unseen)?;
        self.all(&select.having, unseen)?;
        self.all(&select.windows, may)?;
        select.from.iter().try_for_each(|item| self.relation(item))
    }

    fn relation(&mut self, item: &FromItem) -> Result<(), Reason> {
        match item {
            FromItem::Table { sampled: true, .. } => Err("it has a TABLESAMPLE"),
            FromItem::Table { .. } => match self.analysis.view_at(item) {
                Some(view) => self.definition(view),
                None => Ok(()),
            },
            FromItem::Derived { query, .. } => self.query(query, true),
            // One server calls it once, for all rows.
            FromItem::Function { .. } if self.analysis.effects.volatile > 0 => {
                Err("it has a function in FROM, and something that isn't the same each time")
            }
            FromItem::Function { calls, .. } => self.all(calls, May { shown: true, ..NOTHING }),
            FromItem::Join { left, right, on, .. } => {
                self.relation(left)?;
                self.relation(right)?;
                match on {
                    JoinOn::Condition(condition) => self.expression(condition, NOTHING),
                    JoinOn::None | JoinOn::Using(_) | JoinOn::Natural => Ok(()),
                }
            }
        }
    }

    /// A view is as good as its definition. Times in it were read when it was made.
    pub fn definition(&mut self, view: &Definition) -> Result<(), Reason> {
        let times = std::mem::take(&mut self.times);
        let checked = view.query().map_or(Ok(()), |query| self.query(query, true));
        self.times = times;
        checked
    }

    fn all<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        may: May,
    ) -> Result<(), Reason> {
        exprs.into_iter().try_for_each(|expr| self.expression(expr, may))
    }

    fn expression(&mut self, expr: &Expr, may: May) -> Result<(), Reason> {
        let mut wrong = Ok(());
        visit_level(expr, &mut |node| {
            if wrong.is_ok() {
                wrong = self.node(node, may);
            }
        });
        wrong
    }

    fn node(&mut self, node: Node<'_>, may: May) -> Result<(), Reason> {
        match node {
            Node::Query(query) => self.query(query, may.shown),
            Node::Expr(Expr::Function(call)) => self.function(call, may),
            Node::Expr(Expr::Column(parts)) => {
                let own = parts.last().is_some_and(|name| OF_SERVER.contains(&&**name));
                match own {
                    true => {
                        Err("it asks for a system column, which each server fills in by itself")
                    }
                    false => Ok(()),
                }
            }
            Node::Expr(Expr::Cast { expr, to }) => {
                if may.shown
                    && let Expr::Literal(slot) = **expr
                    && is_time(&to.name.name)
                {
                    self.times.push(slot);
                }
                match to.name.name.starts_with("reg") {
                    true => {
                        Err("it has a cast to a type of OIDs, which each server has its own of")
                    }
                    false => Ok(()),
                }
            }
            Node::Expr(_) | Node::From(_) | Node::Select(_) | Node::Statement(_) => Ok(()),
        }
    }

    fn function(&self, call: &Function, may: May) -> Result<(), Reason> {
        if may.outermost && call.over.is_some() {
            return Err(WINDOWS);
        }
        if !may.aggregate && self.analysis.may_aggregate(call) {
            return Err("it has an aggregate, or a function that may be one");
        }
        let Some(name) = &call.name else { return Ok(()) };
        if may.shown && reads_clock(call) {
            return Err("it shows the time, which each server reads from its own clock");
        }
        match ASKS_SERVER.contains(&&*name.name) {
            true => Err("it asks of the server that it runs on"),
            false => Ok(()),
        }
    }
}

pub(super) fn is_time(name: &str) -> bool {
    matches!(name, "date" | "time" | "timetz" | "timestamp" | "timestamptz")
}
