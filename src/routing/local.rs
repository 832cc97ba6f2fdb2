//! Which parts of a query each shard can answer for its own rows: what one of them yields is made
//! of its rows and of no other shard's.
//!
//! A query over several shards is *apart* when its result is the union of what it yields on each of
//! them, without a row twice. One table is. A join is, if its condition says that the whole shard
//! keys are equal: rows with equal keys lie together, so that the rows which match one lie where it
//! lies, and if none does there, none does. Groups, DISTINCT and set operations are, when equal rows
//! have equal keys. A subquery in an expression, or behind LATERAL, is *beside* the row that it is
//! asked for when its own rows are tied to it by their keys: then it may do with them whatever it
//! likes. All else that a shard could be asked for would be a part of the truth.
//!
//! The way through the tree, and the facts that hold on it, are those of `settle`.

use super::bind::Analysis;
use super::facts::{Classes, Pool, add, without};
use super::nodes::{
    Body, FromNode, JoinNode, Output, QueryNode, SelectNode, Sub, TableNode, Target, Uniqueness,
    Value, links,
};
use super::relation::ColId;
use super::scatter::Reason;
use super::settle::{on, pool_of, reduced};
use super::value::ColumnType;
use crate::sql::{JoinKind, SetOperator};

/// The columns of one shard key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Anchor {
    /// In the keyspace's order. Where none of them is NULL, the row is made on the shard of these values.
    pub columns: Vec<ColId>,
    /// Also where one of them is: the NULL is the row's own, and not that of an outer join.
    firm: bool,
}

/// Where rows are made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lies {
    /// Each shard yields all of them.
    Everywhere,
    /// Each shard yields its own.
    Apart(Apart),
    /// As the row beside which they stand: they were asked for it.
    Beside(Vec<Anchor>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Apart {
    pub keyspace: usize,
    pub anchors: Vec<Anchor>,
}

/// The rows for which something is asked: the keys of the one shard on which they are.
#[derive(Debug, Clone, Default)]
struct Around {
    keyspace: usize,
    anchors: Vec<Anchor>,
}

/// The walk through one statement.
pub(super) struct Locality<'a, 'q> {
    analysis: &'a Analysis<'q>,
    work: usize,
}

const TIRED: Reason = "it has too many joins and subqueries";
const OTHER_KEY: Reason = "it joins sharded tables otherwise than by their whole shard keys";

impl<'a, 'q> Locality<'a, 'q> {
    pub fn new(analysis: &'a Analysis<'q>) -> Self {
        Locality { analysis, work: 0 }
    }

    /// Where the rows of a SELECT are made, before it groups, orders or cuts them. `pool` is what
    /// holds of its rows, and becomes what is known of them.
    pub fn rows(&mut self, select: &SelectNode, pool: &mut Pool) -> Result<Lies, Reason> {
        self.select(select, pool, &Around::default())
    }

    /// Whether the rows of a set operation are each made on one shard alone: else, whether that is so
    /// but for equal rows, of which UNION leaves one.
    pub fn operation(&mut self, node: &QueryNode) -> Result<bool, Reason> {
        match self.query(node, &Pool::new(), NOWHERE, &Around::default()) {
            Ok(Lies::Apart(_)) => Ok(false),
            as_it_is => match (self.union(node), as_it_is) {
                (Ok(Lies::Apart(_)), _) => Ok(true),
                (_, Err(reason)) => Err(reason),
                _ => Err("it reads sharded tables in subqueries only"),
            },
        }
    }

    /// Whether each row of a view, or of another query that stands for itself, is made on one shard
    /// alone, so that a shard's rows of it are its share.
    pub fn is_shared(&mut self, node: &QueryNode) -> Result<(), Reason> {
        match self.query(node, &Pool::new(), NOWHERE, &Around::default())? {
            Lies::Apart(_) => Ok(()),
            Lies::Everywhere | Lies::Beside(_) => Err("it reads no rows of sharded tables"),
        }
    }

    /// The parts of a UNION, of whose equal rows one is left in the end.
    fn union(&mut self, node: &QueryNode) -> Result<Lies, Reason> {
        let parts = match &node.body {
            Body::SetOperation { operator: SetOperator::Union, all: false, left, right } => {
                [left, right]
            }
            _ => return Err(OTHER_KEY),
        };
        let mut lies = Lies::Everywhere;
        for part in parts {
            let part = match self.union(part) {
                Ok(part) => part,
                Err(_) => self.query(part, &Pool::new(), NOWHERE, &Around::default())?,
            };
            lies = match (lies, part) {
                (Lies::Everywhere, part) => part,
                (Lies::Apart(a), Lies::Apart(b)) if a.keyspace != b.keyspace => {
                    Lies::Apart(Apart { anchors: Vec::new(), ..a })
                }
                (lies, _) => lies,
            };
        }
        Ok(lies)
    }

    fn select(
        &mut self,
        select: &SelectNode,
        pool: &mut Pool,
        around: &Around,
    ) -> Result<Lies, Reason> {
        select.from.export(pool);
        select.filter.iter().for_each(|fact| add(pool, fact.clone()));
        let lies = self.from(&select.from, pool, around)?;
        self.subs(&select.subs, pool, &lies.around(around))?;
        Ok(lies)
    }

    /// `out` is the relation of its output, of which `pool` speaks where `pushed`.
    fn query(
        &mut self,
        query: &QueryNode,
        pool: &Pool,
        (out, pushed): (u32, bool),
        around: &Around,
    ) -> Result<Lies, Reason> {
        let types: Vec<_> = query.outputs.iter().map(|output| output.column_type).collect();
        self.query_of(query, pool, &Out { relation: out, pushed, types: &types }, around)
    }

    fn query_of(
        &mut self,
        query: &QueryNode,
        pool: &Pool,
        out: &Out<'_>,
        around: &Around,
    ) -> Result<Lies, Reason> {
        if self.analysis.check_stack().is_err() || self.is_tired(pool) {
            return Err(TIRED);
        }
        let out = &Out { pushed: out.pushed && query.open, ..*out };
        self.subs(&query.tail, pool, around)?;
        let lies = match &query.body {
            Body::Select(select) => {
                let mut pool = pool.clone();
                if out.pushed {
                    let links = links(&query.outputs, out.relation, out.types);
                    links.into_iter().for_each(|fact| add(&mut pool, fact));
                }
                let lies = self.select(select, &mut pool, around)?;
                let known = Known::of(&pool);
                let shown = known.shown(&lies, &query.outputs, query.complete, out.relation);
                shaped(select, lies, shown, &known)?
            }
            Body::Values { subs, .. } => {
                self.subs(subs, pool, around)?;
                Lies::Everywhere
            }
            Body::Nested(query) => self.query_of(query, pool, out, around)?,
            Body::SetOperation { operator, all, left, right } => {
                let bag = *operator == SetOperator::Union && *all;
                let left = self.query_of(left, pool, out, around)?;
                let right = self.query_of(right, pool, out, around)?;
                together(left, right, bag)?
            }
            Body::Sealed(query) => match self.query_of(query, pool, out, &Around::default())? {
                Lies::Everywhere => Lies::Everywhere,
                _ => return Err("it has a recursive query over a sharded table"),
            },
            Body::Opaque => Lies::Everywhere,
            Body::Insert { .. } => return Err("it writes"),
        };
        match lies {
            Lies::Apart(_) if query.limited => Err("it has a subquery with LIMIT"),
            Lies::Everywhere if query.limited => Err(LOOSE),
            lies => Ok(lies),
        }
    }

    /// Subqueries in expressions: of each every shard must know the whole answer.
    fn subs(&mut self, subs: &[Sub], pool: &Pool, around: &Around) -> Result<(), Reason> {
        for sub in subs {
            let mut pool = without(pool, &sub.query.relations);
            let mut out = NOWHERE;
            if let Some((relation, wanted)) = &sub.wanted {
                wanted.iter().for_each(|fact| add(&mut pool, fact.clone()));
                out = (*relation, true);
            }
            if let Lies::Apart(_) = self.query(&sub.query, &pool, out, around)? {
                return Err("it has a subquery whose rows may lie on other shards");
            }
        }
        Ok(())
    }

    fn from(&mut self, from: &FromNode, pool: &Pool, around: &Around) -> Result<Lies, Reason> {
        if self.is_tired(pool) {
            return Err(TIRED);
        }
        match from {
            FromNode::Table(table) => table_lies(table, &Known::of(pool), around),
            FromNode::Derived { relation, query } => {
                let pool = without(pool, &query.relations);
                self.query(query, &pool, (*relation, true), around)
            }
            FromNode::Function { subs } => {
                self.subs(subs, pool, around)?;
                Ok(Lies::Everywhere)
            }
            FromNode::Cross(items) => {
                let mut lies = Lies::Everywhere;
                for item in items {
                    lies = self.joined(lies, item, pool, pool, around)?;
                }
                Ok(lies)
            }
            FromNode::Join(join) => self.join(join, pool, around),
            FromNode::Returned { .. } => Err("it writes"),
        }
    }

    /// `left` and what stands to the right of it, where all facts of `pool` hold of both together.
    /// `right_pool` holds of the right side.
    fn joined(
        &mut self,
        left: Lies,
        right: &FromNode,
        pool: &Pool,
        right_pool: &Pool,
        around: &Around,
    ) -> Result<Lies, Reason> {
        let alone = self.from(right, right_pool, around);
        match alone.and_then(|right| met(&left, right, &Known::of(pool), around)) {
            // It may be asked for each row of the left side: LATERAL.
            Err(reason) => match (&left, self.from(right, right_pool, &left.around(around))) {
                (Lies::Apart(_) | Lies::Beside(_), Ok(Lies::Beside(_))) => Ok(left),
                _ => Err(reason),
            },
            met => met,
        }
    }

    fn join(&mut self, join: &JoinNode, pool: &Pool, around: &Around) -> Result<Lies, Reason> {
        let kind = reduced(join, pool);
        let pool = pool_of(join, kind, pool);
        match kind {
            JoinKind::Inner => {
                let left = self.from(&join.left, &pool, around)?;
                let lies = self.joined(left, &join.right, &pool, &pool, around)?;
                self.subs(&join.subs, &pool, &lies.around(around))?;
                Ok(lies)
            }
            JoinKind::Left => {
                let left = self.from(&join.left, &pool, around)?;
                let mut right = on(join, &without(&pool, &join.right_relations));
                join.right.export(&mut right);
                let lies = self.joined(left.clone(), &join.right, &right, &right, around)?;
                self.subs(&join.subs, &right, &lies.around(around))?;
                preserved(left, lies)
            }
            JoinKind::Right => {
                let right = self.from(&join.right, &pool, around)?;
                let mut left = on(join, &without(&pool, &join.left_relations));
                join.left.export(&mut left);
                let lies =
                    met(&right, self.from(&join.left, &left, around)?, &Known::of(&left), around)?;
                self.subs(&join.subs, &left, &lies.around(around))?;
                preserved(right, lies)
            }
            JoinKind::Full => self.full(join, &pool, around),
        }
    }

    fn full(&mut self, join: &JoinNode, pool: &Pool, around: &Around) -> Result<Lies, Reason> {
        let outside = without(pool, &(join.left_relations.start..join.right_relations.end));
        // What holds of two rows that match.
        let mut both = on(join, &outside);
        join.left.export(&mut both);
        join.right.export(&mut both);
        let mut side = |side: &FromNode| {
            let mut pool = outside.clone();
            side.export(&mut pool);
            self.from(side, &pool, around)
        };
        let (left, right) = (side(&join.left)?, side(&join.right)?);
        let lies = met(&left, right.clone(), &Known::of(&both), around)?;
        self.subs(&join.subs, &both, &lies.around(around))?;
        preserved(left, preserved(right, lies)?).map(Lies::unfirm)
    }

    fn is_tired(&mut self, pool: &Pool) -> bool {
        self.work = self.work.saturating_add(pool.len() + 1);
        self.work > self.analysis.router.bounds.work
    }
}

/// The output of a query of which nothing is said.
const NOWHERE: (u32, bool) = (u32::MAX, false);

/// The relation of a query's output.
#[derive(Clone, Copy)]
struct Out<'t> {
    relation: u32,
    /// What is said of it may be pushed into the query.
    pushed: bool,
    types: &'t [Option<ColumnType>],
}

impl Lies {
    fn anchors(&self) -> &[Anchor] {
        match self {
            Lies::Everywhere => &[],
            Lies::Apart(Apart { anchors, .. }) | Lies::Beside(anchors) => anchors,
        }
    }

    fn with(self, anchors: Vec<Anchor>) -> Lies {
        match self {
            Lies::Everywhere => Lies::Everywhere,
            Lies::Apart(apart) => Lies::Apart(Apart { anchors, ..apart }),
            Lies::Beside(_) => Lies::Beside(anchors),
        }
    }

    fn unfirm(self) -> Lies {
        let anchors = self.anchors().iter().cloned();
        let anchors = anchors.map(|anchor| Anchor { firm: false, ..anchor }).collect();
        self.with(anchors)
    }

    /// What stands around that which is asked for each of these rows.
    fn around(&self, around: &Around) -> Around {
        match self {
            Lies::Everywhere => around.clone(),
            Lies::Apart(Apart { keyspace, anchors }) => {
                Around { keyspace: *keyspace, anchors: anchors.clone() }
            }
            Lies::Beside(anchors) => {
                let anchors = around.anchors.iter().chain(anchors).cloned().collect();
                Around { keyspace: around.keyspace, anchors }
            }
        }
    }

    /// Whether rows that are equal in these columns are made on one shard.
    pub fn is_told_by(&self, columns: &[ColId], known: &Known) -> bool {
        self.anchors().iter().any(|anchor| {
            let is_one = |key: &ColId| columns.iter().any(|column| known.0.same(*key, *column));
            anchor.firm && anchor.columns.iter().all(is_one)
        })
    }
}

/// Which columns are equal.
pub(super) struct Known(Classes);

impl Known {
    pub fn of(pool: &Pool) -> Known {
        Known(Classes::of(pool))
    }

    fn equal(&self, a: &Anchor, b: &Anchor) -> bool {
        let pairs = a.columns.iter().zip(&b.columns);
        a.columns.len() == b.columns.len() && pairs.into_iter().all(|(a, b)| self.0.same(*a, *b))
    }

    fn meet(&self, some: &[Anchor], others: &[Anchor]) -> bool {
        some.iter().any(|a| others.iter().any(|b| self.equal(a, b)))
    }

    /// The keys that a query shows, as columns of its output.
    fn shown(&self, lies: &Lies, outputs: &[Output], complete: bool, out: u32) -> Vec<Anchor> {
        if !complete {
            return Vec::new();
        }
        let place = |key: &ColId| {
            let is = |output: &Output| {
                matches!(output.value, Value::Column(column) if self.0.same(*key, column))
                    && output.column_type.is_some()
            };
            let column = outputs.iter().position(is)? as u32;
            Some(ColId { relation: out, column })
        };
        let shown = |anchor: &Anchor| {
            let columns = anchor.columns.iter().map(place).collect::<Option<_>>()?;
            Some(Anchor { columns, firm: anchor.firm })
        };
        lies.anchors().iter().filter_map(shown).collect()
    }
}

const LOOSE: Reason =
    "it has a subquery over reference tables whose result may hang on the order of their rows";

fn table_lies(table: &TableNode, known: &Known, around: &Around) -> Result<Lies, Reason> {
    match &table.target {
        Target::Sharded { keyspace, keys } => {
            let columns = keys.iter().map(|key| key.map(|(column, _)| column));
            let anchor = columns.collect::<Option<Vec<_>>>();
            let anchors: Vec<_> =
                anchor.map(|columns| Anchor { columns, firm: true }).into_iter().collect();
            let beside = around.keyspace == *keyspace && known.meet(&anchors, &around.anchors);
            Ok(match beside {
                true => Lies::Beside(anchors),
                false => Lies::Apart(Apart { keyspace: *keyspace, anchors }),
            })
        }
        Target::Reference => Ok(Lies::Everywhere),
        Target::Everywhere | Target::Home | Target::Refused(_) => {
            Err("it reads tables of the home shard, too")
        }
    }
}

/// Where the pairs of two sides lie that match.
fn met(left: &Lies, right: Lies, known: &Known, around: &Around) -> Result<Lies, Reason> {
    let all = || left.anchors().iter().chain(right.anchors()).cloned().collect::<Vec<_>>();
    let (left_anchors, right_anchors) = (left.anchors(), right.anchors());
    match (left, &right) {
        (Lies::Everywhere, _) => Ok(right),
        (_, Lies::Everywhere) => Ok(left.clone()),
        (Lies::Beside(_), Lies::Beside(_)) => Ok(Lies::Beside(all())),
        (Lies::Apart(a), Lies::Apart(b)) => {
            if a.keyspace != b.keyspace {
                return Err("it joins tables of two keyspaces");
            }
            // Each of the pair of keys is there where they are equal.
            let firm = |anchor: &Anchor, others: &[Anchor]| Anchor {
                firm: anchor.firm || others.iter().any(|other| known.equal(anchor, other)),
                ..anchor.clone()
            };
            if !known.meet(left_anchors, right_anchors) {
                return Err(OTHER_KEY);
            }
            let anchors = left_anchors.iter().map(|a| firm(a, right_anchors));
            let anchors = anchors.chain(right_anchors.iter().map(|b| firm(b, left_anchors)));
            Ok(Lies::Apart(Apart { keyspace: a.keyspace, anchors: anchors.collect() }))
        }
        (Lies::Apart(apart), Lies::Beside(anchors))
        | (Lies::Beside(anchors), Lies::Apart(apart)) => {
            let tied = |anchors: &[Anchor]| known.meet(&apart.anchors, anchors);
            match apart.keyspace == around.keyspace && (tied(anchors) || tied(&around.anchors)) {
                true => Ok(Lies::Beside(all())),
                false => Err(OTHER_KEY),
            }
        }
    }
}

/// An outer join, of which `side` keeps its rows also where they match nothing, and `lies` is where
/// pairs lie that match.
fn preserved(side: Lies, lies: Lies) -> Result<Lies, Reason> {
    const NULLABLE: Reason =
        "a row of a reference table is there without a match on one shard, and with one on another";
    match (&side, &lies) {
        (Lies::Everywhere, Lies::Everywhere | Lies::Beside(_)) => Ok(lies),
        (Lies::Everywhere, Lies::Apart(_)) => Err(NULLABLE),
        // Only what matches is known to lie there.
        (Lies::Apart(_), Lies::Beside(_)) => Err(OTHER_KEY),
        // A row without a match stands where it lies; the other side's keys are NULL.
        (_, lies) => {
            let own = side.anchors();
            let of = |anchor: &Anchor| {
                let same = own.iter().find(|own| own.columns == anchor.columns);
                same.cloned().unwrap_or(Anchor { firm: false, ..anchor.clone() })
            };
            let anchors = lies.anchors().iter().map(of).collect();
            Ok(lies.clone().with(anchors))
        }
    }
}

/// Where the rows lie that a subquery makes of those that it reads.
fn shaped(
    select: &SelectNode,
    lies: Lies,
    shown: Vec<Anchor>,
    known: &Known,
) -> Result<Lies, Reason> {
    let shape = &select.shape;
    match &lies {
        Lies::Everywhere if shape.loose => return Err(LOOSE),
        Lies::Everywhere | Lies::Beside(_) => return Ok(lies.with(shown)),
        Lies::Apart(_) => {}
    }
    if shape.grouping_sets || shape.aggregates && !shape.grouped {
        return Err("it has a subquery with aggregates of rows of several shards");
    }
    if shape.windows {
        return Err("it has a subquery with window functions");
    }
    if shape.grouped && !lies.is_told_by(&shape.groups, known) {
        return Err("it has a subquery that groups rows of several shards");
    }
    let distinct = match &shape.distinct {
        Uniqueness::No => true,
        Uniqueness::Rows => shown.iter().any(|anchor| anchor.firm),
        Uniqueness::On(columns) => lies.is_told_by(columns, known),
    };
    match distinct {
        true => Ok(lies.with(shown)),
        false => Err("it has a subquery with DISTINCT of rows of several shards"),
    }
}

/// Where the rows of a set operation lie; `bag`: of UNION ALL.
fn together(left: Lies, right: Lies, bag: bool) -> Result<Lies, Reason> {
    match (&left, &right) {
        (Lies::Everywhere, Lies::Everywhere) => Ok(Lies::Everywhere),
        (Lies::Apart(a), Lies::Apart(b)) => {
            if a.keyspace != b.keyspace {
                return Err("it has a set operation of tables of two keyspaces");
            }
            let both = |anchor: &&Anchor| b.anchors.contains(anchor);
            let anchors: Vec<Anchor> = a.anchors.iter().filter(both).cloned().collect();
            if !bag && !anchors.iter().any(|anchor| anchor.firm) {
                return Err("it has a set operation whose rows don't have the shard key");
            }
            Ok(left.with(anchors))
        }
        (Lies::Apart(_), _) | (_, Lies::Apart(_)) => {
            Err("it has a set operation of rows that lie differently")
        }
        _ => Ok(Lies::Beside(Vec::new())),
    }
}
