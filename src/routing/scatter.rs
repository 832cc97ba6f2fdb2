//! A SELECT over several shards: whether it can be merged from what each of them answers, and
//! how. `docs/decisions/007-scatter.md` has the argument.

use crate::placement::ShardId;
use crate::sql::{
    self, Distinct, Edit, Edited, Expr, LiteralSlot, Piece, Query, Scanned, SetExpr, Statement,
    Tokens,
};

use super::bind::Analysis;
use super::facts::Pool;
use super::local::{Known, Lies, Locality};
use super::nodes::{Body, QueryNode, SelectNode, Uniqueness, Value};
use super::places::ShardSet;
use super::plan::{Follow, Place, Plan};
use super::relation::ColId;
use super::router::Router;
use super::scatter_check::Check;
use super::scatter_groups::{Aggregated, Groups, Keys, Whole, groups};
use super::scatter_keys::{Added, Key, KeyColumn, Outputs};
use super::value::Values;
use super::{ParameterValue, Refusal, RouteError};

/// Why a statement isn't merged: goes on after "it isn't merged from several: ".
pub(super) type Reason = &'static str;

/// Nobody expects anything else of a statement that is none.
pub(super) const NO_SELECT: Reason = "";

/// What is known of a merge before its statement has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scatter {
    order: Vec<Key>,
    groups: Option<Groups>,
    /// What is added behind the outputs, and where.
    added: Vec<Added>,
    items_end: Option<u32>,
    /// How many outputs there are, where there is no `*`.
    outputs: Option<usize>,
    limit: Option<Count>,
    offset: Option<Count>,
    limits: Tokens,
    /// Which outputs are ordered by bytes, if they are texts.
    bytewise: Vec<bool>,
    /// String literals of outputs that are read as a time.
    times: Vec<LiteralSlot>,
}

/// What LIMIT or OFFSET says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Literal(LiteralSlot),
    Parameter(u16),
    /// `FETCH FIRST ROW`
    One,
    /// `LIMIT ALL`, and NULL.
    All,
}

/// One execution of a SELECT on several shards.
#[derive(Debug, Clone, PartialEq)]
pub struct Scattered {
    /// At least two, in order.
    pub shards: Vec<ShardId>,
    /// What each of them gets; `None` is the statement as it came.
    pub text: Option<Edited>,
    pub steps: Steps,
}

/// What becomes of the rows of several shards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Steps {
    /// Each shard's rows come in this order, and so do the merged ones. Empty: in any.
    pub order: Vec<SortKey>,
    /// Rows are put together to groups before they are ordered; theirs is the order of what comes
    /// out then.
    pub groups: Option<Grouping>,
    /// Columns at the end that the client doesn't get.
    pub hidden: usize,
    /// `None` is all.
    pub limit: Option<u64>,
    pub offset: u64,
}

/// How rows become groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// Rows that are equal in these are one group; `None`: in all of the client's columns.
    pub keys: Option<Vec<SortPlace>>,
    pub aggregates: Vec<Aggregated>,
    /// Texts are equal only where their bytes are.
    pub by_bytes: bool,
}

/// One column that rows are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    pub column: SortPlace,
    pub descending: bool,
    pub nulls_first: bool,
    /// If it is a text: its order is that of its bytes. Otherwise it is a collation's.
    pub bytewise: bool,
}

/// Where a key's column stands in a shard's rows, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortPlace {
    /// Among the client's.
    Output(usize),
    /// Among those behind them.
    Hidden(usize),
}

/// Whether and how an analysed statement can be merged.
pub(super) fn of(
    analysis: &Analysis<'_>,
    statement: &Statement,
    node: &QueryNode,
) -> Result<Box<Scatter>, Reason> {
    let Statement::Query(query) = statement else { return Err(NO_SELECT) };
    let query = inside(query);
    let effects = &analysis.effects;
    if effects.writes || query.locks_rows || !effects.leaves.is_nothing() {
        return Err("it writes, locks rows, or leaves something in its session");
    }
    if effects.ask_home || effects.session_state.is_some() || !analysis.refusals.is_empty() {
        return Err("it asks of a server's catalogs or session");
    }
    let (SetExpr::Select(select), Body::Select(node_of_select)) = (&query.body, &node.body) else {
        return Err("it is a set operation, VALUES, or a SELECT in parentheses");
    };
    let elsewhere = |place: &Place| !matches!(place, Place::Keys { .. } | Place::Anywhere);
    if analysis.occurrences.iter().any(|o| elsewhere(&o.place)) {
        return Err("it reads tables of the home shard, too");
    }
    if query.with_ties {
        return Err("it has FETCH … WITH TIES");
    }
    let whole = whole(analysis, node, node_of_select)?;
    let mut check = Check::new(analysis);
    check.outermost(query, select, whole.groups)?;
    let Check { times, collates, nested, .. } = check;
    if nested && effects.volatile > 0 {
        return Err("it has a subquery, and something that isn't the same each time");
    }
    if nested && analysis.outer_aggregate {
        return Err("it has an aggregate in a subquery that may be one of the query around it");
    }
    let visible = &node_of_select.visible;
    let outputs = Outputs { analysis, select, visible, volatile: effects.volatile > 0 };
    let by_bytes = !collates && compares_bytes(analysis);
    let mut added = Vec::new();
    let groups = groups(analysis, select, &outputs, whole, by_bytes, &mut added)?;
    let parts = added.len();
    let keys = query.order_by.iter().zip(&query.order);
    let order = keys.map(|(expr, ordering)| outputs.key(expr, ordering, &mut added));
    let order = order.collect::<Result<Vec<Key>, Reason>>()?;
    if select.distinct == Distinct::Rows && !added.is_empty() {
        return Err("its rows are ordered by something that DISTINCT doesn't show");
    }
    let among_outputs = |key: &Key| !matches!(key.column, KeyColumn::Hidden(_));
    if groups.is_some() && (added.len() > parts || !order.iter().all(among_outputs)) {
        return Err("its groups are ordered by something that isn't among the outputs");
    }
    if !added.is_empty() && select.items_end.is_none() {
        return Err("TABLE has no place for the columns that it is ordered by");
    }
    Ok(Box::new(Scatter {
        order,
        groups,
        added,
        items_end: select.items_end,
        outputs: outputs.count(),
        limit: query.limit.as_ref().map(count).transpose()?,
        offset: query.offset.as_ref().map(count).transpose()?,
        limits: query.limits.clone(),
        bytewise: outputs.bytewise(),
        times,
    }))
}

/// Whether the rows of a SELECT are made on one shard each, and which of their sets are.
fn whole(analysis: &Analysis<'_>, query: &QueryNode, select: &SelectNode) -> Result<Whole, Reason> {
    let mut pool = Pool::new();
    let lies = Locality::new(analysis).rows(select, &mut pool)?;
    if !matches!(lies, Lies::Apart(_)) {
        return Err("it reads sharded tables in subqueries only");
    }
    let known = Known::of(&pool);
    let shape = &select.shape;
    let told = |columns: &[ColId]| lies.is_told_by(columns, &known);
    let columns = query.outputs.iter().filter_map(|output| match output.value {
        Value::Column(column) => Some(column),
        Value::Constant(_) | Value::Unknown => None,
    });
    Ok(Whole {
        groups: !shape.grouping_sets && told(&shape.groups),
        distinct: match &shape.distinct {
            Uniqueness::No => false,
            Uniqueness::Rows => told(&columns.collect::<Vec<_>>()),
            Uniqueness::On(columns) => told(columns),
        },
    })
}

/// Texts are equal only where their bytes are: no column has a collation for which that isn't so.
fn compares_bytes(analysis: &Analysis<'_>) -> bool {
    let tables = analysis.occurrences.iter().filter_map(|occurrence| occurrence.table.as_ref());
    tables.into_iter().all(|table| {
        let facts = analysis.router.schema.tables.get(table);
        facts.is_some_and(|facts| facts.columns.iter().all(|column| !column.nondeterministic))
    })
}

/// A query without the parentheses around all of it.
fn inside(mut query: &Query) -> &Query {
    while let SetExpr::Nested(inner) = &query.body
        && query.with.is_empty()
        && query.order_by.is_empty()
        && query.limits.is_empty()
        && !query.locks_rows
    {
        query = inner;
    }
    query
}

fn count(expr: &Expr) -> Result<Count, Reason> {
    match expr {
        Expr::Literal(slot) => Ok(Count::Literal(*slot)),
        Expr::Parameter(number) => Ok(Count::Parameter(*number)),
        Expr::Null => Ok(Count::All),
        Expr::Other(operands) if operands.is_empty() => Ok(Count::One),
        Expr::Cast { expr, to }
            if matches!(&*to.name.name, "int2" | "int4" | "int8") && to.dimensions == 0 =>
        {
            count(expr)
        }
        _ => Err("its LIMIT or OFFSET is neither a number nor a parameter"),
    }
}

impl Plan {
    /// How the statement is answered by several shards, after [`Plan::route`] has said that it
    /// can be. `scanned` is of the text in `values`.
    ///
    /// # Errors
    /// As of [`Plan::route`]; and its LIMIT or OFFSET isn't a number that can be.
    pub fn scatter(
        &self,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
    ) -> Result<Scattered, RouteError> {
        let not = || Refusal::unsupported("the statement can't be merged from several shards");
        let Ok(scatter) = &self.scatter else { return Err(not().into()) };
        if self.follow != Follow::No {
            return Err(not().into());
        }
        let mut set = ShardSet::None;
        for occurrence in &self.occurrences {
            set = set.union(self.evaluate(occurrence, router, values)?.shards);
        }
        let shards = match set {
            ShardSet::Several(shards) => shards,
            ShardSet::All => (0..router.shards.len()).map(|i| ShardId(i as u16)).collect(),
            ShardSet::None | ShardSet::One(_) => return Err(not().into()),
        };
        scatter.times_are_given(values)?;
        let steps = scatter.steps(values)?;
        let edits = scatter.edits(values, &steps)?;
        let text = if edits.is_empty() {
            None
        } else {
            Some(sql::edit(values.text, scanned, &edits).map_err(Refusal::from)?)
        };
        Ok(Scattered { shards, text, steps })
    }
}

impl Scatter {
    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Scatter>()
            + self.order.len() * size_of::<Key>()
            + self.added.len() * size_of::<Added>()
            + self.bytewise.len()
            + self.times.len() * size_of::<LiteralSlot>()
    }

    fn steps(&self, values: &Values<'_>) -> Result<Steps, Refusal> {
        let limit = match self.limit {
            Some(count) => number(count, values, "LIMIT", "2201W")?,
            None => None,
        };
        let offset = match self.offset {
            Some(count) => number(count, values, "OFFSET", "2201X")?.unwrap_or(0),
            None => 0,
        };
        let order =
            self.order.iter().map(|key| self.sort_key(key, values)).collect::<Result<_, _>>()?;
        let groups =
            self.groups.as_ref().map(|groups| self.grouping(groups, values)).transpose()?;
        Ok(Steps { order, groups, hidden: self.added.len(), limit, offset })
    }

    fn grouping(&self, groups: &Groups, values: &Values<'_>) -> Result<Grouping, Refusal> {
        let place = |key: &KeyColumn| match *key {
            KeyColumn::Output(at) => Ok(SortPlace::Output(at)),
            KeyColumn::Hidden(at) => Ok(SortPlace::Hidden(at)),
            KeyColumn::Ordinal(slot) => {
                ordinal(slot, values).map(SortPlace::Output).ok_or_else(|| {
                    Refusal::unsupported("a GROUP BY by a constant over several shards")
                })
            }
        };
        let keys = match &groups.keys {
            Keys::Outputs => None,
            Keys::Columns(keys) => Some(keys.iter().map(place).collect::<Result<Vec<_>, _>>()?),
        };
        let is_key =
            |at: &usize| keys.as_ref().is_none_or(|keys| keys.contains(&SortPlace::Output(*at)));
        if !groups.only_keys.iter().all(is_key) {
            let what = "groups of several shards with an output of a function beside aggregates";
            return Err(Refusal::unsupported(what).hint("group by that output, too"));
        }
        let aggregates = groups.aggregates.clone();
        Ok(Grouping { keys, aggregates, by_bytes: groups.by_bytes })
    }

    fn sort_key(&self, key: &Key, values: &Values<'_>) -> Result<SortKey, Refusal> {
        let mut bytewise = key.bytewise;
        let column = match key.column {
            KeyColumn::Output(at) => SortPlace::Output(at),
            KeyColumn::Hidden(at) => SortPlace::Hidden(at),
            KeyColumn::Ordinal(slot) => {
                let at = ordinal(slot, values).ok_or_else(|| {
                    Refusal::unsupported("an ORDER BY by a constant over several shards")
                        .hint("order by the number of an output, or by its name")
                })?;
                bytewise = self.bytewise.get(at).copied().unwrap_or(false);
                SortPlace::Output(at)
            }
        };
        let Key { descending, nulls_first, .. } = *key;
        Ok(SortKey { column, descending, nulls_first, bytewise })
    }

    fn edits(&self, values: &Values<'_>, steps: &Steps) -> Result<Vec<Edit>, Refusal> {
        let mut edits = Vec::new();
        let beyond = |key: &SortKey| match (key.column, self.outputs) {
            (SortPlace::Output(at), Some(outputs)) => at >= outputs,
            _ => false,
        };
        if steps.order.iter().any(beyond) {
            // An error, which any server says best of the text as it came.
            return Ok(edits);
        }
        if let (Some(at), false) = (self.items_end, self.added.is_empty()) {
            let mut pieces = Vec::new();
            for (i, column) in self.added.iter().enumerate() {
                let comma = i > 0 || self.outputs != Some(0);
                let (call, tokens) = match column {
                    Added::Copy(tokens) => (String::new(), tokens),
                    Added::Call(function, tokens) => (format!("pg_catalog.{function}"), tokens),
                };
                let before = if comma { ", " } else { " " };
                pieces.push(Piece::Text(format!("{before}{call}(").into()));
                pieces.push(Piece::Copy(tokens.clone()));
                // A name that nothing in the statement can mean.
                pieces.push(Piece::Text(format!(") AS \"pgherd {}\"", i + 1).into()));
            }
            edits.push(Edit { at: at..at, pieces });
        }
        let counts = [self.limit, self.offset].into_iter().flatten();
        if self.groups.as_ref().is_some_and(|groups| groups.keys != Keys::Outputs) {
            if self.limits.is_empty() {
                return Ok(edits);
            }
            // Of groups that aren't whole none can be left out. What is bound stays in the text.
            let bound = counts.filter(|count| is_parameter(Some(*count)));
            let mut none = String::from("LIMIT NULL::pg_catalog.int8");
            bound.for_each(|count| none += &format!(" + {}", written(count, values)));
            edits.push(Edit { at: self.limits.clone(), pieces: vec![Piece::Text(none.into())] });
            return Ok(edits);
        }
        let Some(offset) = self.offset else { return Ok(edits) };
        // Where there is an OFFSET, the rows that it skips may come from any shard.
        let both = match steps.limit {
            None if !is_parameter(self.limit) && !is_parameter(self.offset) => None,
            limit => {
                let sum = limit.unwrap_or(0).saturating_add(steps.offset);
                if i64::try_from(sum).is_err() {
                    return Err(Refusal::unsupported("LIMIT and OFFSET together are too large"));
                }
                let limit = self.limit.unwrap_or(Count::All);
                Some(match is_parameter(Some(limit)) || is_parameter(Some(offset)) {
                    false => format!("LIMIT {sum}"),
                    // One text for all values, so that it can be prepared.
                    true => format!(
                        "LIMIT {} + coalesce({}, 0)",
                        written(limit, values),
                        written(offset, values)
                    ),
                })
            }
        };
        let pieces = both.map(|text| Piece::Text(text.into())).into_iter().collect();
        edits.push(Edit { at: self.limits.clone(), pieces });
        Ok(edits)
    }

    /// Each shard would read its own clock for `'now'`.
    fn times_are_given(&self, values: &Values<'_>) -> Result<(), Refusal> {
        const WORDS: [&[u8]; 4] = [b"now", b"today", b"tomorrow", b"yesterday"];
        let names_a_word = |slot: &LiteralSlot| {
            let literal = values.literals.slot(*slot).first();
            literal.and_then(|literal| literal.value(values.text).ok()).is_none_or(|value| {
                let value = value.to_ascii_lowercase();
                WORDS.iter().any(|word| value.windows(word.len()).any(|part| part == *word))
            })
        };
        if self.times.iter().any(names_a_word) {
            return Err(Refusal::unsupported("the time of several shards in one result")
                .hint("give the time as a parameter"));
        }
        Ok(())
    }
}

fn is_parameter(count: Option<Count>) -> bool {
    matches!(count, Some(Count::Parameter(_)))
}

/// The value of a literal that is an integer.
fn integer(slot: LiteralSlot, values: &Values<'_>) -> Option<i64> {
    let [literal] = values.literals.slot(slot) else { return None };
    let value = literal.value(values.text).ok()?;
    let integer = literal.kind == sql::LiteralKind::Integer;
    std::str::from_utf8(&value).ok().filter(|_| integer)?.parse().ok()
}

/// The place, from 0, of the output that an integer means.
fn ordinal(slot: LiteralSlot, values: &Values<'_>) -> Option<usize> {
    usize::try_from(integer(slot, values)?).ok()?.checked_sub(1)
}

/// A count's value; `None` is NULL.
fn number(
    count: Count,
    values: &Values<'_>,
    clause: &str,
    negative: &'static str,
) -> Result<Option<u64>, Refusal> {
    let value = match count {
        Count::One => return Ok(Some(1)),
        Count::All => return Ok(None),
        Count::Literal(slot) => integer(slot, values),
        Count::Parameter(at) => {
            let parameter = usize::from(at).checked_sub(1).and_then(|at| values.parameters.get(at));
            match parameter.map(|parameter| (parameter.type_oid, parameter.value)) {
                Some((_, ParameterValue::Null)) => return Ok(None),
                Some((_, ParameterValue::Text(text))) => {
                    std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok())
                }
                Some((type_oid, ParameterValue::Binary(bytes))) => binary(type_oid, bytes),
                Some((_, ParameterValue::Unknown)) | None => None,
            }
        }
    };
    let value = value.ok_or_else(|| {
        Refusal::unsupported(format!("{clause} over several shards that isn't an integer"))
            .hint("give it as a number, or as a parameter of type bigint")
    })?;
    match u64::try_from(value) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(Refusal::new(negative, format!("{clause} must not be negative"))),
    }
}

/// An integer parameter; one without a type is a bigint where it stands.
fn binary(type_oid: u32, bytes: &[u8]) -> Option<i64> {
    const INT8: u32 = 20;
    const INT2: u32 = 21;
    const INT4: u32 = 23;
    match type_oid {
        0 | INT8 => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
        INT4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        INT2 => Some(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        _ => None,
    }
}

/// A count in the text that a shard gets.
fn written(count: Count, values: &Values<'_>) -> String {
    match count {
        Count::Parameter(number) => format!("(${number})::pg_catalog.int8"),
        Count::Literal(slot) => integer(slot, values).unwrap_or(0).to_string(),
        Count::One => "1".into(),
        Count::All => "NULL".into(),
    }
}

impl Scattered {
    /// In words, a line a step: for EXPLAIN.
    pub fn words(&self, router: &Router) -> Vec<String> {
        let names: Vec<String> = self.shards.iter().map(|id| router.shard_name(*id)).collect();
        let mut lines = vec![format!("shards {}", names.join(", "))];
        if let Some(edited) = &self.text {
            lines.push(format!("each gets: {}", String::from_utf8_lossy(&edited.text)));
        }
        let Steps { order, groups, hidden, limit, offset } = &self.steps;
        if let Some(groups) = groups {
            let calls = groups.aggregates.iter();
            let calls: Vec<String> = calls
                .map(|call| format!("{} (output {})", call.function, call.output + 1))
                .collect();
            lines.push(match calls.as_slice() {
                [] => "merged: equal rows once".into(),
                calls => format!("merged: groups, with {}", calls.join(", ")),
            });
        } else if order.is_empty() {
            lines.push("merged: rows as they come".into());
        }
        if !order.is_empty() {
            let keys: Vec<String> = order.iter().map(SortKey::words).collect();
            let step = if groups.is_some() { "then" } else { "merged" };
            lines.push(format!("{step}: by {}", keys.join(", ")));
        }
        if *offset > 0 {
            lines.push(format!("then: the first {offset} rows left out"));
        }
        if let Some(limit) = limit {
            lines.push(format!("then: at most {limit} rows"));
        }
        if *hidden > 0 {
            lines.push(format!("then: the last columns cut off ({hidden})"));
        }
        lines
    }
}

impl SortKey {
    fn words(&self) -> String {
        let column = match self.column {
            SortPlace::Output(at) => format!("output {}", at + 1),
            SortPlace::Hidden(at) => format!("added column {}", at + 1),
        };
        let direction = if self.descending { " descending" } else { "" };
        let nulls = match (self.descending, self.nulls_first) {
            (false, true) => ", nulls first",
            (true, false) => ", nulls last",
            _ => "",
        };
        format!("{column}{direction}{nulls}")
    }
}
