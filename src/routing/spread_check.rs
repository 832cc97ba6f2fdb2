//! What a write on several shards must not hold: what isn't the same on each of them, where one
//! Postgres has one value for all rows.

use crate::sql::{
    Cte, Distinct, Expr, FromItem, Function, LiteralSlot, Node, Query, SelectItem, SetExpr,
    Statement, visit, visit_expr, visit_query,
};

use super::bind::Analysis;
use super::clock::reads_clock;
use super::functions::{self, Effect};
use super::router::TableRule;
use super::scatter_check::{ASKS_SERVER, OF_SERVER, is_time};
use super::spread::Reason;

/// Aggregates that are the same in whatever order their rows come, down to the last digit.
const STEADY: &[&str] =
    &["bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "count", "every", "max", "min"];

/// Looks through all of a write. `values` is its VALUES, if it has one, whose expressions are each
/// computed once.
pub(super) fn check(
    analysis: &Analysis<'_>,
    statement: &Statement,
    with: &[Cte],
    values: Option<&Query>,
) -> Result<(), Reason> {
    let mut wrong = None;
    visit(statement, &mut |node| {
        let reason = match node {
            Node::Query(query) if values.is_none_or(|values| !std::ptr::eq(values, query)) => {
                subquery(analysis, with, query).err()
            }
            Node::From(FromItem::Table { sampled: true, .. }) => Some("it has a TABLESAMPLE"),
            Node::From(FromItem::Function { calls, .. }) => {
                let volatile = |call: &Expr| match call {
                    Expr::Function(call) => is_volatile(analysis, call),
                    _ => true,
                };
                calls.iter().any(volatile).then_some("a function in its FROM may be volatile")
            }
            Node::Expr(Expr::Column(parts)) => {
                let own = parts.last().is_some_and(|name| OF_SERVER.contains(&&**name));
                own.then_some("it asks for a system column, which each server fills in by itself")
            }
            Node::Expr(Expr::Function(call)) => {
                let name = call.name.as_ref().map_or("", |name| &*name.name);
                ASKS_SERVER.contains(&name).then_some("it asks of the server that it runs on")
            }
            Node::Expr(_) | Node::Query(_) | Node::Select(_) | Node::From(_) => None,
            Node::Statement(_) => None,
        };
        wrong = wrong.or(reason);
    });
    wrong.map_or(Ok(()), Err)
}

/// The same of the definitions of views that it reads, or writes through.
pub(super) fn check_views(analysis: &Analysis<'_>) -> Result<(), Reason> {
    let read = analysis.views.iter().map(|view| view.definition);
    for view in read.chain(analysis.written_through.iter().copied()) {
        let statement = view.statement();
        check(analysis, statement, &[], None)?;
        let mut wrong = Ok(());
        visit(statement, &mut |node| {
            if let (Node::Expr(Expr::Function(call)), Ok(())) = (node, wrong) {
                wrong = super::spread_copies::function(analysis, call);
            }
        });
        wrong?;
    }
    Ok(())
}

/// What a subquery finds must be the same on each shard, if it is to be so for all rows, or hang
/// on the row for which it runs.
fn subquery(analysis: &Analysis<'_>, with: &[Cte], query: &Query) -> Result<(), Reason> {
    let (mut sharded, mut volatile, mut unsteady, mut windows) = (false, false, false, false);
    visit_query(query, &mut |node| match node {
        Node::From(FromItem::Table { name, .. }) => {
            let of_with = name.schema.is_none() && with.iter().any(|cte| cte.name == name.name);
            let (_, rule) = analysis.router.table(name, analysis.search_path);
            sharded |= !of_with && matches!(rule, Some(TableRule::Sharded { .. }));
        }
        Node::Expr(Expr::Function(call)) => {
            volatile |= is_volatile(analysis, call);
            windows |= call.over.is_some();
            let name = call.name.as_ref().map_or("", |name| &*name.name);
            unsteady |= analysis.may_aggregate(call) && STEADY.binary_search(&name).is_err();
        }
        _ => {}
    });
    if volatile {
        return Err("a query in it has a function that gives another value each time");
    }
    if query.locks_rows {
        return Err("a query in it locks rows");
    }
    if sharded {
        return Ok(());
    }
    let distinct_on = match &query.body {
        SetExpr::Select(select) => matches!(select.distinct, Distinct::On(_)),
        _ => false,
    };
    let chooses = query.limit.is_some() || query.offset.is_some() || query.with_ties;
    if chooses || distinct_on || windows {
        return Err("which rows a query in it chooses may differ from shard to shard");
    }
    if unsteady {
        return Err("an aggregate in it may hang on the order of its rows");
    }
    Ok(())
}

fn is_volatile(analysis: &Analysis<'_>, call: &Function) -> bool {
    let Some(name) = &call.name else { return false };
    let router = analysis.router;
    let effect = functions::effect(name, &router.schema, &router.rules, analysis.search_path);
    !matches!(effect, Effect::None | Effect::AskHome)
}

/// Whether a function in it may write rows by itself, which others would have to do as well.
pub(super) fn may_write_elsewhere(analysis: &Analysis<'_>, statement: &Statement) -> bool {
    let router = analysis.router;
    let mut writes = false;
    visit(statement, &mut |node| {
        if let Node::Expr(Expr::Function(call)) = node
            && let Some(name) = &call.name
        {
            let path = analysis.search_path;
            let effect = functions::effect(name, &router.schema, &router.rules, path);
            writes |= !matches!(effect, Effect::None | Effect::Volatile | Effect::AskHome);
        }
    });
    writes
}

/// RETURNING must not show what one Postgres shows alike in all rows. Yields the literals that are
/// read as a time.
pub(super) fn shown(returning: &[SelectItem]) -> Result<Vec<LiteralSlot>, Reason> {
    let (mut clock, mut times) = (false, Vec::new());
    for item in returning {
        let SelectItem::Expr { expr, .. } = item else { continue };
        visit_expr(expr, &mut |node| match node {
            Node::Expr(Expr::Function(call)) => clock |= reads_clock(call),
            Node::Expr(Expr::Cast { expr, to }) => {
                if let (Expr::Literal(slot), true) = (&**expr, is_time(&to.name.name)) {
                    times.push(*slot);
                }
            }
            _ => {}
        });
    }
    if clock {
        return Err("it shows the time, which each server reads from its own clock");
    }
    Ok(times)
}

/// A function among the values of several rows that may give a set: a server says of such an
/// INSERT that it can't be, but not of one row.
pub(super) fn values_are_single(analysis: &Analysis<'_>, values: &Query) -> Result<(), Reason> {
    let schema = &analysis.router.schema;
    let mut sets = false;
    visit_query(values, &mut |node| {
        if let Node::Expr(Expr::Function(call)) = node {
            let name = call.name.as_ref().map_or("", |name| &*name.name);
            let facts = schema.functions.get(name).map_or(&[][..], Vec::as_slice);
            sets |= schema.server_major == 0 || facts.iter().any(|fact| fact.sets);
        }
    });
    if sets { Err("a function among its values may give several rows") } else { Ok(()) }
}
