//! What a SELECT over several shards must not hold.

use crate::sql::{
    Expr, FromItem, Function, JoinKind, JoinOn, LiteralSlot, Node, Query, Select, SelectItem,
    visit_expr,
};

use super::bind::Analysis;
use super::router::TableRule;
use super::scatter::Reason;
use super::scatter_groups::aggregate;
use super::scatter_keys::Named;

/// Columns of every table that each server fills in by itself.
const OF_SERVER: &[&str] = &["ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"];

/// Functions that each server answers for itself.
const ASKS_SERVER: &[&str] = &[
    "pg_backend_pid",
    "pg_conf_load_time",
    "pg_is_in_recovery",
    "pg_my_temp_schema",
    "pg_postmaster_start_time",
    "version",
];

/// Functions that give one time to all of a statement.
const CLOCK: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "now",
    "statement_timestamp",
    "transaction_timestamp",
];

/// What was found on the way.
pub(super) struct Checked {
    pub times: Vec<LiteralSlot>,
}

/// The relations of FROM, of which one is sharded and has no NULLs put in its place.
pub(super) fn check_from<'a>(
    analysis: &Analysis<'a>,
    from: &[FromItem],
) -> Result<Vec<Named<'a>>, Reason> {
    let mut tables = Vec::new();
    from.iter().try_for_each(|item| relation(analysis, item, false, &mut tables))?;
    Ok(tables)
}

fn relation<'a>(
    analysis: &Analysis<'a>,
    item: &FromItem,
    nullable: bool,
    tables: &mut Vec<Named<'a>>,
) -> Result<(), Reason> {
    match item {
        FromItem::Table { sampled: true, .. } => Err("it has a TABLESAMPLE"),
        FromItem::Table { name, alias, .. } => {
            let (table, rule) = analysis.router.table(name, analysis.search_path);
            if nullable && matches!(rule, Some(TableRule::Sharded { .. })) {
                return Err("its sharded table is on the nullable side of an outer join");
            }
            let renamed = !alias.columns.is_empty();
            let facts = analysis.router.schema.tables.get(&table).filter(|_| !renamed);
            let name = alias.name.clone().unwrap_or_else(|| table.name.clone());
            let key = match rule {
                Some(TableRule::Sharded { columns, .. }) => columns,
                _ => Vec::new(),
            };
            tables.push(Named { name: Some(name), table: facts, key });
            Ok(())
        }
        FromItem::Derived { .. } => Err("it has a subquery in FROM"),
        FromItem::Function { calls, alias, .. } => {
            calls
                .iter()
                .try_for_each(|call| expression(analysis, call, (false, false), &mut Vec::new()))?;
            tables.push(Named { name: alias.name.clone(), table: None, key: Vec::new() });
            Ok(())
        }
        FromItem::Join { left, right, kind, on, alias } => {
            if alias.name.is_some() {
                return Err("it has a join with a name of its own");
            }
            let (on_left, on_right) = match kind {
                JoinKind::Inner => (nullable, nullable),
                JoinKind::Left => (nullable, true),
                JoinKind::Right => (true, nullable),
                JoinKind::Full => (true, true),
            };
            relation(analysis, left, on_left, tables)?;
            relation(analysis, right, on_right, tables)?;
            match on {
                JoinOn::Condition(condition) => {
                    expression(analysis, condition, (false, false), &mut Vec::new())
                }
                JoinOn::None | JoinOn::Using(_) | JoinOn::Natural => Ok(()),
            }
        }
    }
}

/// The expressions of a SELECT. `whole`: each of its groups lies on one shard.
pub(super) fn check_select(
    analysis: &Analysis<'_>,
    query: &Query,
    select: &Select,
    whole: bool,
) -> Result<Checked, Reason> {
    let mut times = Vec::new();
    // An output that is an aggregate is looked into, and may be named again to order by it.
    let mut calls = Vec::new();
    for item in &select.items {
        match (aggregate(analysis, item), item) {
            (Some((_, call)), SelectItem::Expr { expr, .. }) => {
                calls.push(expr);
                for argument in &call.arguments {
                    expression(analysis, argument, (true, whole), &mut times)?;
                }
            }
            (None, SelectItem::Expr { expr, .. }) => {
                expression(analysis, expr, (true, whole), &mut times)?
            }
            _ => {}
        }
    }
    for expr in query.order_by.iter().chain(&select.group_by.expressions) {
        if !calls.contains(&expr) {
            expression(analysis, expr, (true, whole), &mut times)?;
        }
    }
    let others = select.filter.iter().chain(&select.having).chain(&query.limit);
    for expr in others.chain(&query.offset) {
        expression(analysis, expr, (false, whole), &mut Vec::new())?;
    }
    Ok(Checked { times })
}

/// `shown`: its value is seen, or decides an order. `whole`: aggregates are as good as any value.
fn expression(
    analysis: &Analysis<'_>,
    expr: &Expr,
    (shown, whole): (bool, bool),
    times: &mut Vec<LiteralSlot>,
) -> Result<(), Reason> {
    let mut wrong = None;
    visit_expr(expr, &mut |node| {
        let reason = match node {
            Node::Query(_) | Node::Select(_) => Some("it has a subquery"),
            Node::Expr(Expr::Function(call)) => function(analysis, call, shown, whole),
            Node::Expr(Expr::Column(parts)) => {
                let own = parts.last().is_some_and(|name| OF_SERVER.contains(&&**name));
                own.then_some("it asks for a system column, which each server fills in by itself")
            }
            Node::Expr(Expr::Cast { expr, to }) => {
                if shown
                    && let Expr::Literal(slot) = **expr
                    && is_time(&to.name.name)
                {
                    times.push(slot);
                }
                let of_oids = to.name.name.starts_with("reg");
                of_oids
                    .then_some("it has a cast to a type of OIDs, which each server has its own of")
            }
            Node::Expr(_) | Node::From(_) | Node::Statement(_) => None,
        };
        wrong = wrong.or(reason);
    });
    wrong.map_or(Ok(()), Err)
}

fn is_time(name: &str) -> bool {
    matches!(name, "date" | "time" | "timetz" | "timestamp" | "timestamptz")
}

fn function(analysis: &Analysis<'_>, call: &Function, shown: bool, whole: bool) -> Option<Reason> {
    if call.over.is_some() {
        return Some("it has window functions");
    }
    if !whole && analysis.may_aggregate(call) {
        return Some("it has an aggregate, or a function that may be one");
    }
    let name = &*call.name.as_ref()?.name;
    // `age(t)` is the time since today began.
    let clock = CLOCK.contains(&name) || (name == "age" && call.arguments.len() == 1);
    if clock && shown {
        return Some("it shows the time, which each server reads from its own clock");
    }
    ASKS_SERVER.contains(&name).then_some("it asks of the server that it runs on")
}
