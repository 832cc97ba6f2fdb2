//! Groups and aggregates of a SELECT over several shards: each shard says what it knows of its own
//! rows, and that is put together.

use crate::sql::{
    Distinct, Expr, Function, Ident, Node, Select, SelectItem, Tokens, Wording, visit_expr,
};

use super::bind::Analysis;
use super::functions;
use super::merge;
use super::scatter::Reason;
use super::scatter_keys::{Added, KeyColumn, Outputs, add};

/// What makes rows one group, and what is put together of each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Groups {
    pub keys: Keys,
    pub aggregates: Vec<Aggregated>,
    /// Texts are equal only where their bytes are.
    pub by_bytes: bool,
    /// Outputs that a group may have several rows of, unless it is known by them: a function
    /// in them may give a set.
    pub only_keys: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Keys {
    Columns(Vec<KeyColumn>),
    /// DISTINCT.
    Outputs,
}

/// What each shard makes of its own rows alone, since none of it hangs on other shards' rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    /// Its groups.
    pub groups: bool,
    /// What DISTINCT takes for the same.
    pub distinct: bool,
}

/// One output that is an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aggregated {
    /// Among the client's columns, from 0.
    pub output: usize,
    pub function: merge::Function,
    /// The first of the columns behind the client's that it is put together from, in the order of
    /// [`merge::Aggregate::parts`]; `None`: from the shards' own results.
    pub parts: Option<usize>,
    /// If its argument is a text: that is ordered by its bytes.
    pub bytewise: bool,
}

/// The groups of a SELECT, if it has any.
pub(super) fn groups(
    analysis: &Analysis<'_>,
    select: &Select,
    outputs: &Outputs<'_, '_>,
    whole: Whole,
    by_bytes: bool,
    added: &mut Vec<Added>,
) -> Result<Option<Groups>, Reason> {
    let grouped = !select.group_by.expressions.is_empty();
    let calls = select.items.iter().any(|item| aggregate(analysis, item).is_some());
    if !whole.groups && (select.group_by.grouping_sets || select.having.is_some()) {
        return Err("it has grouping sets or HAVING");
    }
    let distinct = match select.distinct {
        _ if whole.distinct => false,
        Distinct::No => false,
        Distinct::Rows => true,
        Distinct::On(_) => return Err("it has DISTINCT ON"),
    };
    match (!whole.groups && (grouped || calls), distinct) {
        (false, false) => return Ok(None),
        (true, true) => return Err("it has DISTINCT and groups"),
        (false, true) => {
            let (keys, aggregates, only_keys) = (Keys::Outputs, Vec::new(), Vec::new());
            return Ok(Some(Groups { keys, aggregates, by_bytes, only_keys }));
        }
        (true, false) => {}
    }
    if outputs.count().is_none() {
        return Err("it has groups and *");
    }
    let mut aggregates = Vec::new();
    for (output, item) in select.items.iter().enumerate() {
        let Some((function, call)) = aggregate(analysis, item) else { continue };
        let mut parts = None;
        if function == merge::Function::Avg {
            if outputs.volatile {
                return Err("it has an average of what isn't the same each time");
            }
            let argument = argument(select, output, call)?;
            parts = Some(added.len());
            for part in [merge::Function::Count, merge::Function::Sum] {
                added.push(Added::Call(part, argument.clone()));
            }
        }
        let bytewise = call.arguments.first().is_some_and(|expr| outputs.is_bytewise(expr));
        aggregates.push(Aggregated { output, function, parts, bytewise });
    }
    let group_by = &select.group_by;
    let written = group_by.tokens.iter().zip(&group_by.wordings);
    let keys = group_by.expressions.iter().zip(written);
    let keys = keys.map(|(expr, written)| key(expr, written, outputs, added));
    let keys = Keys::Columns(keys.collect::<Result<_, Reason>>()?);
    let may_give_sets = |(at, item): (usize, &SelectItem)| {
        let plain = aggregate(analysis, item).is_some() || !calls_functions(item);
        (!plain).then_some(at)
    };
    let only_keys = select.items.iter().enumerate().filter_map(may_give_sets).collect();
    Ok(Some(Groups { keys, aggregates, by_bytes, only_keys }))
}

/// The column that tells groups apart by one expression.
fn key(
    expr: &Expr,
    (tokens, wording): (&Tokens, &Wording),
    outputs: &Outputs<'_, '_>,
    added: &mut Vec<Added>,
) -> Result<KeyColumn, Reason> {
    match expr {
        Expr::Literal(slot) => Ok(KeyColumn::Ordinal(*slot)),
        Expr::Row(_) => Err("it is grouped by a row"),
        _ if let Some(at) = outputs.same(wording) => Ok(KeyColumn::Output(at)),
        // A bare name is a column of FROM, if there is one, before it is an output's.
        Expr::Column(parts) if parts.len() == 1 => match outputs.is_column(&parts[0]) {
            Some(true) => Ok(add(added, tokens)),
            Some(false) => alias(outputs.select, &parts[0], tokens, added),
            None => Err("it is grouped by a name that may be an output's"),
        },
        _ if outputs.volatile => Err("it is grouped by what may not be the same each time"),
        _ => Ok(add(added, tokens)),
    }
}

fn calls_functions(item: &SelectItem) -> bool {
    let mut calls = false;
    if let SelectItem::Expr { expr, .. } = item {
        visit_expr(expr, &mut |node| {
            calls |= matches!(node, Node::Expr(Expr::Function(_) | Expr::Field(_)));
        });
    }
    calls
}

fn alias(
    select: &Select,
    name: &Ident,
    tokens: &Tokens,
    added: &mut Vec<Added>,
) -> Result<KeyColumn, Reason> {
    let is = |item: &SelectItem| matches!(item, SelectItem::Expr { alias: Some(alias), .. } if alias == name);
    let mut found = select.items.iter().enumerate().filter(|(_, item)| is(item));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(KeyColumn::Output(at)),
        // The servers say so.
        (None, _) => Ok(add(added, tokens)),
        _ => Err("it is grouped by a name that two outputs have"),
    }
}

/// An output that is an aggregate which can be put together, and nothing else.
pub(super) fn aggregate<'e>(
    analysis: &Analysis<'_>,
    item: &'e SelectItem,
) -> Option<(merge::Function, &'e Function)> {
    use merge::Function as F;
    let SelectItem::Expr { expr: Expr::Function(call), .. } = item else { return None };
    let name = call.name.as_ref()?;
    let ours = matches!(name.schema.as_deref(), None | Some("pg_catalog"))
        && !functions::is_defined(name, &analysis.router.schema);
    let plain = !call.distinct && !call.filtered && !call.ordered && call.over.is_none();
    if !ours || !plain {
        return None;
    }
    let function = match F::named(&name.name)? {
        F::Count if call.star => F::CountAll,
        F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp => return None,
        _ if call.star || call.arguments.len() != 1 => return None,
        function => function,
    };
    Some((function, call))
}

/// Where the argument of a call stands that is all of an output.
fn argument(select: &Select, output: usize, call: &Function) -> Result<Tokens, Reason> {
    let qualified = call.name.as_ref().is_some_and(|name| name.schema.is_some());
    let name = if qualified { 3 } else { 1 };
    let tokens = select.item_tokens.get(output).map(|item| item.start + name + 1..item.end - 1);
    tokens.filter(|tokens| !tokens.is_empty()).ok_or("it has an aggregate without an argument")
}
