//! A SELECT over several shards: whether it can be merged from what each of them answers, and
//! how. `docs/decisions/007-scatter.md` has the argument.

use crate::placement::ShardId;
use crate::sql::{
    self, Distinct, Edited, Ident, LiteralSlot, Query, Scanned, Select, SetExpr, Statement, Tokens,
    Wording,
};

use super::bind::Analysis;
use super::facts::Pool;
use super::local::{Known, Lies, Locality};
use super::nodes::{Body, QueryNode, SelectNode, Uniqueness, Value};
use super::places::ShardSet;
use super::plan::{Follow, Place, Plan};
use super::relation::{ColId, Visible};
use super::router::Router;
use super::scatter_check::Check;
use super::scatter_groups::{Aggregated, Groups, Keys, Whole, groups};
use super::scatter_keys::{Added, Key, KeyColumn, Outputs};
use super::scatter_text::{Count, number, ordinal};
use super::value::Values;
use super::{Refusal, RouteError};

/// Why a statement isn't merged: goes on after "it isn't merged from several: ".
pub(super) type Reason = &'static str;

/// Nobody expects anything else of a statement that is none.
pub(super) const NO_SELECT: Reason = "";

/// What is known of a merge before its statement has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scatter {
    pub order: Vec<Key>,
    pub groups: Option<Groups>,
    /// DISTINCT ON: of rows that are equal in so many leading keys, the first.
    pub distinct: Option<usize>,
    /// What is added behind the outputs, and where.
    pub added: Vec<Added>,
    pub items_end: Option<u32>,
    /// How many outputs there are, where there is no `*`.
    pub outputs: Option<usize>,
    pub limit: Option<Count>,
    pub offset: Option<Count>,
    /// FETCH … WITH TIES
    pub ties: bool,
    pub limits: Tokens,
    /// Which outputs are ordered by bytes, if they are texts.
    bytewise: Vec<bool>,
    /// All texts in it have the database's own collation.
    one_collation: bool,
    /// String literals of outputs that are read as a time.
    times: Vec<LiteralSlot>,
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
    /// Of rows that are equal in so many leading keys, the first is taken.
    pub distinct: Option<usize>,
    /// LIMIT's last row comes with those that are equal to it in all keys.
    pub ties: bool,
    /// Columns at the end that the client doesn't get.
    pub hidden: usize,
    /// `None` is all.
    pub limit: Option<u64>,
    pub offset: u64,
    /// Keys that are texts all have the database's own collation, so that any server can tell their
    /// order.
    pub one_collation: bool,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    pub column: SortPlace,
    pub descending: bool,
    pub nulls_first: bool,
    /// If it is a text: its order is that of its bytes. Otherwise it is a collation's.
    pub bytewise: bool,
}

/// Where a key's column stands in a shard's rows, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortPlace {
    /// Among the client's.
    Output(usize),
    /// The one of the client's that is called so.
    Named(Ident),
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
    harmless(analysis, query)?;
    let effects = &analysis.effects;
    let mut check = Check::new(analysis);
    let asked = match (&query.body, &node.body) {
        (SetExpr::Select(select), Body::Select(bound)) => {
            let whole = whole(analysis, node, bound)?;
            check.outermost(query, select, whole.groups)?;
            Asked { select, visible: &bound.visible, whole, sets: false }
        }
        (SetExpr::SetOperation { left, .. }, Body::Nested(inner)) if node.tail.is_empty() => {
            let distinct = Locality::new(analysis).operation(inner)?;
            check.operation(query)?;
            let Some(select) = first_select(left) else {
                return Err("it is a set operation of VALUES");
            };
            let whole = Whole { groups: true, distinct: !distinct };
            Asked { select, visible: &Visible::default(), whole, sets: true }
        }
        _ => return Err("it is VALUES, or a SELECT in parentheses"),
    };
    let Check { times, collates, nested, .. } = check;
    if nested && effects.volatile > 0 {
        return Err("it has a subquery, and something that isn't the same each time");
    }
    if nested && analysis.outer_aggregate {
        return Err("it has an aggregate in a subquery that may be one of the query around it");
    }
    let by_bytes = !collates && compares_bytes(analysis);
    let one_collation = super::collations::is_one(analysis, statement);
    asked
        .plan(analysis, query, by_bytes)
        .map(|scatter| Box::new(Scatter { times, one_collation, ..scatter }))
}

/// Whether a query does nothing but read what lies on the shards.
pub(super) fn harmless(analysis: &Analysis<'_>, query: &Query) -> Result<(), Reason> {
    let effects = &analysis.effects;
    if effects.writes || query.locks_rows || !effects.leaves.is_nothing() {
        return Err("it writes, locks rows, or leaves something in its session");
    }
    if effects.ask_home || effects.session_state.is_some() || !analysis.refusals.is_empty() {
        return Err("it asks of a server's catalogs or session");
    }
    let elsewhere = |place: &Place| !matches!(place, Place::Keys { .. } | Place::Anywhere);
    if analysis.occurrences.iter().any(|o| elsewhere(&o.place)) {
        return Err("it reads tables of the home shard, too");
    }
    Ok(())
}

/// The SELECT that each shard is asked.
struct Asked<'a> {
    select: &'a Select,
    /// What its FROM shows.
    visible: &'a Visible,
    whole: Whole,
    /// It is the first one of a set operation.
    sets: bool,
}

impl Asked<'_> {
    fn plan(
        &self,
        analysis: &Analysis<'_>,
        query: &Query,
        by_bytes: bool,
    ) -> Result<Scatter, Reason> {
        let Asked { select, visible, whole, sets } = *self;
        let volatile = analysis.effects.volatile > 0;
        let outputs = Outputs { analysis, select, visible, sets, volatile };
        let mut added = Vec::new();
        let groups = match sets {
            true => (!whole.distinct).then(|| Groups::of_outputs(by_bytes)),
            false => groups(analysis, select, &outputs, whole, by_bytes, &mut added)?,
        };
        let parts = added.len();
        let keys = query.order_by.iter().zip(&query.order);
        let order = keys.map(|(expr, ordering)| outputs.key(expr, ordering, &mut added));
        let order = order.collect::<Result<Vec<Key>, Reason>>()?;
        if !added.is_empty() && (sets || select.distinct == Distinct::Rows) {
            return Err("its rows are ordered by something that isn't among their columns");
        }
        let among_outputs = |key: &Key| !matches!(key.column, KeyColumn::Hidden(_));
        if groups.is_some() && (added.len() > parts || !order.iter().all(among_outputs)) {
            return Err("its groups are ordered by something that isn't among the outputs");
        }
        if !added.is_empty() && select.items_end.is_none() {
            return Err("TABLE has no place for the columns that it is ordered by");
        }
        let distinct = match &select.distinct {
            Distinct::On(_) if sets || whole.distinct => None,
            Distinct::On(_) if groups.is_some() => return Err("it has DISTINCT ON of its groups"),
            Distinct::On(_) => Some(leading(select, query)?),
            Distinct::No | Distinct::Rows => None,
        };
        Ok(Scatter {
            order,
            groups,
            distinct,
            added,
            items_end: select.items_end,
            outputs: outputs.count(),
            limit: query.limit.as_ref().map(Count::of).transpose()?,
            offset: query.offset.as_ref().map(Count::of).transpose()?,
            ties: query.with_ties,
            limits: query.limits.clone(),
            bytewise: outputs.bytewise(),
            one_collation: false,
            times: Vec::new(),
        })
    }
}

/// The SELECT that gives the columns of a set operation their names.
fn first_select(mut body: &SetExpr) -> Option<&Select> {
    loop {
        match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Nested(query) => body = &query.body,
            SetExpr::Values(_) => return None,
        }
    }
}

/// How many expressions at the beginning of ORDER BY are those of DISTINCT ON.
fn leading(select: &Select, query: &Query) -> Result<usize, Reason> {
    const OTHERS: Reason = "it has DISTINCT ON without ORDER BY, or both are written otherwise";
    let mut wanted: Vec<_> = select.distinct_wordings.iter().collect();
    wanted.sort();
    wanted.dedup();
    let first = query.order.get(..wanted.len()).ok_or(OTHERS)?;
    let is_first = |wording: &&Wording| first.iter().any(|key| key.wording == **wording);
    match wanted.iter().all(|wording| wording.is_some() && is_first(wording)) {
        true => Ok(wanted.len()),
        false => Err(OTHERS),
    }
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
pub(super) fn compares_bytes(analysis: &Analysis<'_>) -> bool {
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
        let shards = self.shards_of_all(router, values)?;
        times_are_given(&scatter.times, values)?;
        let steps = scatter.steps(values)?;
        let edits = scatter.edits(values, &steps)?;
        let text = if edits.is_empty() {
            None
        } else {
            Some(sql::edit(values.text, scanned, &edits).map_err(Refusal::from)?)
        };
        Ok(Scattered { shards, text, steps })
    }

    /// The shards on which rows may lie that matter: at least two.
    pub(super) fn shards_of_all(
        &self,
        router: &Router,
        values: &Values<'_>,
    ) -> Result<Vec<ShardId>, RouteError> {
        let mut set = ShardSet::None;
        for occurrence in &self.occurrences {
            set = set.union(self.evaluate(occurrence, router, values)?.shards);
        }
        match set {
            ShardSet::Several(shards) => Ok(shards),
            ShardSet::All => Ok((0..router.shards.len()).map(|i| ShardId(i as u16)).collect()),
            ShardSet::None | ShardSet::One(_) => {
                let not = "the statement is no matter of several shards";
                Err(Refusal::unsupported(not).into())
            }
        }
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
        let (distinct, ties, hidden) = (self.distinct, self.ties, self.added.len());
        let one_collation = self.one_collation;
        Ok(Steps { order, groups, distinct, ties, hidden, limit, offset, one_collation })
    }

    fn grouping(&self, groups: &Groups, values: &Values<'_>) -> Result<Grouping, Refusal> {
        let place = |key: &KeyColumn| match key {
            KeyColumn::Output(at) => Ok(SortPlace::Output(*at)),
            KeyColumn::Named(name) => Ok(SortPlace::Named(name.clone())),
            KeyColumn::Hidden(at) => Ok(SortPlace::Hidden(*at)),
            KeyColumn::Ordinal(slot) => {
                ordinal(*slot, values).map(SortPlace::Output).ok_or_else(|| {
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
        let column = match &key.column {
            KeyColumn::Output(at) => SortPlace::Output(*at),
            KeyColumn::Named(name) => SortPlace::Named(name.clone()),
            KeyColumn::Hidden(at) => SortPlace::Hidden(*at),
            KeyColumn::Ordinal(slot) => {
                let at = ordinal(*slot, values).ok_or_else(|| {
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
}

/// Each shard would read its own clock for `'now'`.
pub(super) fn times_are_given(times: &[LiteralSlot], values: &Values<'_>) -> Result<(), Refusal> {
    const WORDS: [&[u8]; 4] = [b"now", b"today", b"tomorrow", b"yesterday"];
    let names_a_word = |slot: &LiteralSlot| {
        let literal = values.literals.slot(*slot).first();
        literal.and_then(|literal| literal.value(values.text).ok()).is_none_or(|value| {
            let value = value.to_ascii_lowercase();
            WORDS.iter().any(|word| value.windows(word.len()).any(|part| part == *word))
        })
    };
    if times.iter().any(names_a_word) {
        return Err(Refusal::unsupported("the time of several shards in one result")
            .hint("give the time as a parameter"));
    }
    Ok(())
}

impl Scattered {
    /// In words, a line a step: for EXPLAIN.
    pub fn words(&self, router: &Router) -> Vec<String> {
        let names: Vec<String> = self.shards.iter().map(|id| router.shard_name(*id)).collect();
        let mut lines = vec![format!("shards {}", names.join(", "))];
        if let Some(edited) = &self.text {
            lines.push(format!("each gets: {}", String::from_utf8_lossy(&edited.text)));
        }
        let Steps { order, groups, distinct, ties, hidden, limit, offset, .. } = &self.steps;
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
        if let Some(keys) = distinct {
            lines.push(format!("then: the first of rows with the same {keys} first keys"));
        }
        if *offset > 0 {
            lines.push(format!("then: the first {offset} rows left out"));
        }
        if let Some(limit) = limit {
            let with = if *ties { ", with those that are equal to the last" } else { "" };
            lines.push(format!("then: at most {limit} rows{with}"));
        }
        if *hidden > 0 {
            lines.push(format!("then: the last columns cut off ({hidden})"));
        }
        lines
    }
}

impl SortKey {
    fn words(&self) -> String {
        let column = match &self.column {
            SortPlace::Named(name) => format!("output {name}"),
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
