//! Groups and aggregates of a SELECT over several shards: each shard says what it knows of its own
//! rows, and that is put together.

use crate::sql::{
    CallTokens, Distinct, Expr, Function, Ident, Node, Select, SelectItem, Tokens, Wording,
    visit_expr, visit_level,
};

use super::bind::Analysis;
use super::functions;
use super::merge;
use super::scatter::Reason;
use super::scatter_keys::{Added, KeyColumn, Outputs, Part, add};

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
    pub values: Values,
}

/// What the shards group by beside, so that they say which values there are: aggregates with
/// DISTINCT.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Values {
    /// The words DISTINCT, which are left out.
    pub words: Vec<Tokens>,
    /// Of the columns that are added.
    pub columns: Vec<usize>,
    /// The token before which it can be added to GROUP BY.
    pub at: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Keys {
    Columns(Vec<KeyColumn>),
    /// DISTINCT.
    Outputs,
}

/// Aggregates that are put together.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub aggregates: Vec<Aggregated>,
    /// The words DISTINCT.
    pub distinct: Vec<Tokens>,
    /// The added columns of their values.
    pub values: Vec<usize>,
}

impl Calls {
    /// One more, of which a shard's own is this output; what else it is put together from is added
    /// behind the outputs.
    pub fn add(
        &mut self,
        output: usize,
        function: merge::Function,
        call: &Function,
        outputs: &Outputs<'_, '_>,
        added: &mut Vec<Added>,
    ) -> Result<(), Reason> {
        let asked = parts_of(function, call);
        if !asked.is_empty() && outputs.volatile {
            return Err("it has an aggregate in parts of what isn't the same each time");
        }
        let parts = (!asked.is_empty()).then_some(added.len());
        let distinct = asked == [merge::PartKind::Argument];
        if distinct {
            may_group(call)?;
            self.distinct.push(call.tokens.distinct.clone());
            self.values.push(added.len());
        }
        for kind in asked {
            let CallTokens { arguments, filter, .. } = call.tokens.clone();
            added.push(Added::Part(Part { kind: *kind, argument: arguments, filter }));
        }
        let bytewise = call.arguments.first().is_some_and(|expr| outputs.is_bytewise(expr));
        self.aggregates.push(Aggregated { output, function, parts, distinct, bytewise });
        Ok(())
    }
}

/// What each shard makes of its own rows alone, since none of it hangs on other shards' rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    /// Its groups.
    pub groups: bool,
    /// What DISTINCT takes for the same.
    pub distinct: bool,
}

impl Groups {
    /// Rows that are equal in all outputs are one.
    pub fn of_outputs(by_bytes: bool) -> Groups {
        let (aggregates, only_keys, values) = (Vec::new(), Vec::new(), Values::default());
        Groups { keys: Keys::Outputs, aggregates, by_bytes, only_keys, values }
    }
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
    /// It has DISTINCT, and its part is the argument.
    pub distinct: bool,
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
        // The first of each are taken as rows are merged.
        Distinct::On(_) => false,
    };
    match (!whole.groups && (grouped || calls), distinct) {
        (false, false) => return Ok(None),
        (true, true) => return Err("it has DISTINCT and groups"),
        (false, true) => {
            return Ok(Some(Groups::of_outputs(by_bytes)));
        }
        (true, false) => {}
    }
    if outputs.count().is_none() {
        return Err("it has groups and *");
    }
    let mut calls = Calls::default();
    for (output, item) in select.items.iter().enumerate() {
        let Some((function, call)) = aggregate(analysis, item) else { continue };
        calls.add(output, function, call, outputs, added)?;
    }
    let Calls { aggregates, distinct, values } = calls;
    // A shard without rows has no value to say a constant beside.
    if !distinct.is_empty() && !grouped && aggregates.len() < select.items.len() {
        return Err("it has an aggregate with DISTINCT beside what isn't one");
    }
    let values = Values { words: distinct, columns: values, at: select.clauses.having };
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
    Ok(Some(Groups { keys, aggregates, by_bytes, only_keys, values }))
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
    let SelectItem::Expr { expr: Expr::Function(call), .. } = item else { return None };
    function(analysis, call).map(|function| (function, &**call))
}

/// The aggregate that a call is, if it can be put together.
pub(super) fn function(analysis: &Analysis<'_>, call: &Function) -> Option<merge::Function> {
    use merge::Function as F;
    let name = call.name.as_ref()?;
    let ours = matches!(name.schema.as_deref(), None | Some("pg_catalog"))
        && !functions::is_defined(name, &analysis.router.schema);
    if !ours || call.ordered || call.over.is_some() {
        return None;
    }
    let arguments = call.arguments.len() - usize::from(call.filtered);
    match F::named(&name.name)? {
        F::Count if call.star => Some(F::CountAll),
        F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp | F::BitXor if call.distinct => None,
        function => (!call.star && arguments == 1).then_some(function),
    }
}

/// What is asked of each shard beside the aggregate itself.
fn parts_of(function: merge::Function, call: &Function) -> &'static [merge::PartKind] {
    use merge::Function as F;
    use merge::PartKind as K;
    const COUNT: merge::PartKind = K::Function(F::Count);
    const SUM: merge::PartKind = K::Function(F::Sum);
    match function {
        F::Count | F::Sum | F::Avg if call.distinct => &[K::Argument],
        F::Avg => &[COUNT, SUM],
        F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp => &[COUNT, SUM, K::SumOfSquares],
        _ => &[],
    }
}

/// Whether the shards can group by the argument of an aggregate with DISTINCT: a constant would be
/// taken for an output's number.
fn may_group(call: &Function) -> Result<(), Reason> {
    let (mut column, mut query) = (false, false);
    for argument in &call.arguments {
        visit_level(argument, &mut |node| {
            column |= matches!(node, Node::Expr(Expr::Column(_)));
            query |= matches!(node, Node::Query(_));
        });
    }
    match column && !query {
        true => Ok(()),
        false => Err("it has an aggregate with DISTINCT of what isn't computed from columns"),
    }
}
