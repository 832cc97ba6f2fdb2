//! From the outside in: which facts apply to each occurrence of a table.
//!
//! A fact applies to an occurrence when a row of it matters to the result only if it stands
//! in some combination of rows for which all facts of the pool are true. `docs/decisions/
//! 001-places.md` has the argument for each step.

use std::ops::Range;

use crate::sql::JoinKind;

use super::bind::Analysis;
use super::facts::{self, Pool, add, without};
use super::nodes::{
    Body, FromNode, JoinNode, NewRows, QueryNode, RowKeys, SelectNode, Sub, TableNode, Target,
    links,
};
use super::places::Tree;
use super::plan::{Occurrence, Place, Site};
use super::value::ColumnType;

impl Analysis<'_> {
    /// `out` is the relation of the query's output where `pool` may speak of it and the
    /// query stands in a place in which rows that the pool excludes don't matter.
    pub(super) fn settle(&mut self, query: &QueryNode, pool: &Pool, out: Option<u32>) {
        let out = out.filter(|_| query.open);
        let types: Vec<_> = query.outputs.iter().map(|output| output.column_type).collect();
        self.settle_query(query, pool, out, &types);
    }

    fn settle_query(
        &mut self,
        query: &QueryNode,
        pool: &Pool,
        out: Option<u32>,
        types: &[Option<ColumnType>],
    ) {
        let out = out.filter(|_| query.open);
        self.settle_subs(&query.tail, pool);
        match &query.body {
            Body::Select(select) => {
                let mut pool = pool.clone();
                if let Some(out) = out {
                    let links = links(&query.outputs, out, types);
                    links.into_iter().for_each(|fact| add(&mut pool, fact));
                }
                self.settle_select(select, pool);
            }
            Body::Values { subs, .. } => self.settle_subs(subs, pool),
            Body::Nested(query) => self.settle_query(query, pool, out, types),
            Body::SetOperation { left, right, .. } => {
                self.settle_query(left, pool, out, types);
                self.settle_query(right, pool, out, types);
            }
            Body::Sealed(query) => self.settle_query(query, pool, None, &[]),
            Body::Insert { source, target, rows, subs } => {
                if let Some(source) = source {
                    self.settle(source, pool, None);
                }
                if let Some(target) = target {
                    self.settle_table(target, pool);
                }
                rows.iter().for_each(|rows| self.settle_rows(rows, pool));
                self.settle_subs(subs, pool);
            }
            Body::Opaque => {}
        }
    }

    /// Whether the bound on work is reached; the statement is refused then.
    fn is_tired(&mut self, pool: &Pool) -> bool {
        self.work = self.work.saturating_add(pool.len() + 1);
        self.work > self.router.bounds.work
    }

    fn settle_select(&mut self, select: &SelectNode, mut pool: Pool) {
        select.from.export(&mut pool);
        select.filter.iter().for_each(|fact| add(&mut pool, fact.clone()));
        self.settle_from(&select.from, &pool);
        select.rows.iter().for_each(|rows| self.settle_rows(rows, &pool));
        self.settle_subs(&select.subs, &pool);
    }

    pub(super) fn settle_rows(&mut self, rows: &NewRows, around: &Pool) {
        let tree = match &rows.keys {
            RowKeys::Tree(tree) => tree.clone(),
            RowKeys::Derived { keys, constants, pool } => {
                let known = facts::tree(pool.as_ref().unwrap_or(around), keys, true);
                Tree::and(std::iter::once(known).chain(constants.iter().cloned()).collect())
            }
        };
        let place = Place::Keys { keyspace: rows.keyspace, tree };
        self.occurrences.push(Occurrence { table: Some(rows.table.clone()), alias: None, place });
    }

    pub(super) fn settle_subs(&mut self, subs: &[Sub], pool: &Pool) {
        for sub in subs {
            if self.is_tired(pool) {
                return;
            }
            let mut pool = without(pool, &sub.query.relations);
            let mut out = None;
            if let Some((relation, wanted)) = &sub.wanted {
                wanted.iter().for_each(|fact| add(&mut pool, fact.clone()));
                out = Some(*relation);
            }
            self.settle(&sub.query, &pool, out);
        }
    }

    /// `pool` holds for every row that `from` yields.
    pub(super) fn settle_from(&mut self, from: &FromNode, pool: &Pool) {
        if self.is_tired(pool) {
            return;
        }
        match from {
            FromNode::Table(table) => self.settle_table(table, pool),
            FromNode::Derived { relation, query } => {
                let pool = without(pool, &query.relations);
                let before = self.occurrences.len();
                self.settle(query, &pool, Some(*relation));
                self.place_view(*relation, before);
            }
            FromNode::Returned { .. } => {}
            FromNode::Function { subs } => self.settle_subs(subs, pool),
            FromNode::Cross(items) => {
                items.iter().for_each(|item| self.settle_from(item, pool));
            }
            FromNode::Join(join) => self.settle_join(join, pool),
        }
    }

    fn settle_join(&mut self, join: &JoinNode, pool: &Pool) {
        let kind = reduced(join, pool);
        let pool = pool_of(join, kind, pool);
        match kind {
            // A null-extended row is filtered out above, or there is none.
            JoinKind::Inner => {
                self.settle_from(&join.left, &pool);
                self.settle_from(&join.right, &pool);
                self.settle_subs(&join.subs, &pool);
            }
            // A row of the nullable side also decides whether the other one is null-extended,
            // so that of the facts above only those count that don't speak of it.
            JoinKind::Left => {
                self.settle_from(&join.left, &pool);
                let mut right = on(join, &without(&pool, &join.right_relations));
                join.right.export(&mut right);
                self.settle_from(&join.right, &right);
                self.settle_subs(&join.subs, &right);
            }
            JoinKind::Right => {
                self.settle_from(&join.right, &pool);
                let mut left = on(join, &without(&pool, &join.left_relations));
                join.left.export(&mut left);
                self.settle_from(&join.left, &left);
                self.settle_subs(&join.subs, &left);
            }
            JoinKind::Full => {
                let around = without(&pool, &(join.left_relations.start..join.right_relations.end));
                for side in [&join.left, &join.right] {
                    let mut pool = around.clone();
                    side.export(&mut pool);
                    self.settle_from(side, &pool);
                }
                self.settle_subs(&join.subs, &around);
            }
        }
    }

    fn settle_table(&mut self, node: &TableNode, pool: &Pool) {
        let place = match &node.target {
            Target::Sharded { keyspace, keys } => {
                Place::Keys { keyspace: *keyspace, tree: facts::tree(pool, keys, false) }
            }
            Target::Reference => Place::Anywhere,
            Target::Everywhere => Place::Everywhere,
            Target::Home => Place::Home,
            Target::Refused(refusal) => Place::Refused(Box::new(refusal.clone())),
        };
        if let Some(at) = node.at {
            self.sites.push(Site { at, table: node.table.clone(), place: place.clone() });
        }
        self.occurrences.push(Occurrence {
            table: Some(node.table.clone()),
            alias: node.alias.clone(),
            place,
        });
    }
}

/// The pool, with what ON says.
pub(super) fn on(join: &JoinNode, pool: &Pool) -> Pool {
    let mut pool = pool.clone();
    join.on.iter().for_each(|fact| add(&mut pool, fact.clone()));
    pool
}

/// The facts below a join that is of this kind. What an inner join, and the preserved side of an
/// outer one, yields is in the pool already, unless the join became such a one only now.
pub(super) fn pool_of(join: &JoinNode, kind: JoinKind, pool: &Pool) -> Pool {
    let mut pool = pool.clone();
    if kind == join.kind {
        return pool;
    }
    match kind {
        JoinKind::Inner => {
            pool = on(join, &pool);
            join.left.export(&mut pool);
            join.right.export(&mut pool);
        }
        JoinKind::Left => join.left.export(&mut pool),
        JoinKind::Right => join.right.export(&mut pool),
        JoinKind::Full => {}
    }
    pool
}

/// An outer join whose null-extended rows the facts above exclude is an inner one.
pub(super) fn reduced(join: &JoinNode, pool: &Pool) -> JoinKind {
    let rejects = |side: &Range<u32>| facts::rejects_null(pool, side);
    let (left, right) = (rejects(&join.left_relations), rejects(&join.right_relations));
    match join.kind {
        JoinKind::Left if right => JoinKind::Inner,
        JoinKind::Right if left => JoinKind::Inner,
        JoinKind::Full => match (left, right) {
            (true, true) => JoinKind::Inner,
            // The left side is there: what is left is a LEFT JOIN.
            (true, false) => JoinKind::Left,
            (false, true) => JoinKind::Right,
            (false, false) => JoinKind::Full,
        },
        kind => kind,
    }
}
