//! Whether all that a row's change hangs on lies on the row's own shard.
//!
//! Were the key of the changed row known, the statement would be one for that row's shard: that
//! is asked of the same derivation that routes statements (`docs/decisions/001-places.md`), with
//! a key that stands for any. If each occurrence of a sharded table is bound by it, a shard that
//! runs the statement on its own rows changes them as one Postgres with all rows would.

use crate::sql::{Merge, MergeAction};

use super::bind::Analysis;
use super::facts::{Fact, Pool};
use super::nodes::{Body, FromNode, QueryNode, RowKeys, SelectNode, TableNode, Target, Value};
use super::places::Tree;
use super::plan::{Occurrence, Place};
use super::relation::ColId;
use super::spread::Reason;
use super::value::{ColumnType, Origin};

/// The columns of a key, each with its type.
type Key = Vec<(ColId, ColumnType)>;

/// No text has so many literals: stands for the value of a key's column, whatever it is.
fn any_value(column: usize) -> Origin {
    Origin::Literal { slot: u32::MAX - column as u32, negative: false }
}

/// The columns have the values that stand for any.
fn tied(key: &Key) -> Pool {
    let fact = |(at, (column, column_type)): (usize, &(ColId, ColumnType))| {
        Fact::Is(*column, vec![(any_value(at), *column_type)]).into()
    };
    key.iter().enumerate().map(fact).collect()
}

/// Whether a tree says that the key's column has that value.
fn binds(tree: &Tree, column: usize) -> bool {
    match tree {
        Tree::Any | Tree::Between { .. } => false,
        Tree::Never => true,
        Tree::Is { column: own, values } => {
            let any = any_value(column);
            *own == column && !values.is_empty() && values.iter().all(|v| v.origin == any)
        }
        Tree::And(trees) => trees.iter().any(|tree| binds(tree, column)),
        Tree::Or(trees) => trees.iter().all(|tree| binds(tree, column)),
    }
}

fn whole(keys: &[Option<(ColId, ColumnType)>]) -> Result<Key, Reason> {
    let key: Option<Key> = keys.iter().copied().collect();
    key.filter(|key| !key.is_empty()).ok_or("the columns of its shard key aren't known")
}

impl Analysis<'_> {
    /// UPDATE or DELETE: what each row of the target hangs on.
    pub(super) fn tie_change(&mut self, node: &QueryNode) -> Result<(), Reason> {
        let Body::Select(select) = &node.body else { return Err(NOT_FOLLOWED) };
        let FromNode::Cross(items) = &select.from else { return Err(NOT_FOLLOWED) };
        let Some(FromNode::Table(target)) = items.first() else { return Err(NOT_FOLLOWED) };
        let (keyspace, key) = key_of(target)?;
        self.tie(keyspace, &tied(&key), |analysis, pool| analysis.settle(node, pool, None))
    }

    /// INSERT … SELECT: each new row lies where the row does of which it is made.
    pub(super) fn tie_insert(&mut self, node: &QueryNode) -> Result<(), Reason> {
        let Body::Insert { source: Some(source), rows, subs, .. } = &node.body else {
            return Err(NOT_FOLLOWED);
        };
        let [rows] = rows.as_slice() else { return Err(NOT_FOLLOWED) };
        let RowKeys::Derived { keys, .. } = &rows.keys else { return Err(NOT_FOLLOWED) };
        let key = whole(keys).map_err(|_| "the key of its rows isn't that of the rows it reads")?;
        if !source.open {
            return Err(
                "its query has LIMIT, OFFSET, DISTINCT ON, a window, a row lock or a volatile \
                 function",
            );
        }
        let columns: Vec<ColId> = key.iter().map(|(column, _)| *column).collect();
        if !drives(source, rows.keyspace, &columns) {
            return Err(
                "not each row of its query is made of a row of a table with the same shard key",
            );
        }
        let out = columns.first().map(|column| column.relation);
        self.tie(rows.keyspace, &tied(&key), |analysis, pool| {
            analysis.settle(source, pool, out);
            analysis.settle_subs(subs, &Pool::new());
        })
    }

    /// MERGE: without INSERT as an UPDATE; else each row of the source lies on one shard, and the
    /// row that is made of it lies there, too.
    pub(super) fn tie_merge(&mut self, merge: &Merge, node: &QueryNode) -> Result<(), Reason> {
        let Body::Select(select) = &node.body else { return Err(NOT_FOLLOWED) };
        let FromNode::Join(join) = &select.from else { return Err(NOT_FOLLOWED) };
        let inserts = merge.clauses.iter().any(|c| matches!(c.action, MergeAction::Insert { .. }));
        let FromNode::Table(target) = &join.right else { return Err(NOT_FOLLOWED) };
        let (keyspace, key) = key_of(target)?;
        if !inserts {
            return self.tie(keyspace, &tied(&key), |analysis, pool| {
                analysis.settle(node, pool, None);
            });
        }
        if merge.clauses.iter().any(|clause| clause.by_source) {
            return Err("it inserts, and looks at rows without a match in its source, too");
        }
        let key = made_key(select)?;
        match &join.left {
            FromNode::Table(source) => {
                if key_of(source)? != (keyspace, key.clone()) {
                    return Err(OTHER_KEY);
                }
            }
            FromNode::Derived { .. } => {
                let columns: Vec<ColId> = key.iter().map(|(column, _)| *column).collect();
                if !is_preserved(&join.left, keyspace, &columns) {
                    return Err(OTHER_KEY);
                }
            }
            _ => return Err(OTHER_KEY),
        }
        self.tie(keyspace, &tied(&key), |analysis, pool| {
            let mut pool = pool.clone();
            select.from.export(&mut pool);
            analysis.settle_from(&select.from, &pool);
            // The rows that it inserts have that very key.
            let changed = select
                .rows
                .iter()
                .filter(|rows| !matches!(rows.keys, RowKeys::Derived { pool: Some(_), .. }));
            changed.for_each(|rows| analysis.settle_rows(rows, &pool));
            analysis.settle_subs(&select.subs, &pool);
        })
    }

    /// Has the occurrences settled with a key that stands for any, and looks whether it binds
    /// them all. What it found is forgotten.
    fn tie(
        &mut self,
        keyspace: usize,
        pool: &Pool,
        settle: impl FnOnce(&mut Self, &Pool),
    ) -> Result<(), Reason> {
        let kept = std::mem::take(&mut self.occurrences);
        settle(self, pool);
        let found = std::mem::replace(&mut self.occurrences, kept);
        let arity = self.router.rules.keyspaces.get(keyspace).map_or(0, |rule| rule.key.len());
        let bound = |occurrence: &Occurrence| match &occurrence.place {
            Place::Anywhere => Ok(()),
            Place::Keys { keyspace: own, tree } => {
                let bound = *own == keyspace && (0..arity).all(|column| binds(tree, column));
                bound.then_some(()).ok_or(
                    "what becomes of a row hangs on rows of other shards, or its shard key \
                     changes",
                )
            }
            Place::Home | Place::Everywhere | Place::Refused(_) => {
                Err("it reads or changes tables that aren't sharded with it")
            }
        };
        found.iter().try_for_each(bound)
    }
}

const NOT_FOLLOWED: Reason = "it isn't one statement on one sharded table";
const OTHER_KEY: Reason = "its source isn't sharded by the key of the rows that it inserts";

fn key_of(table: &TableNode) -> Result<(usize, Key), Reason> {
    match &table.target {
        Target::Sharded { keyspace, keys } => Ok((*keyspace, whole(keys)?)),
        _ => Err(NOT_FOLLOWED),
    }
}

/// The columns of a MERGE's source that are the key of the rows that it inserts.
fn made_key(select: &SelectNode) -> Result<Key, Reason> {
    let mut keys = select.rows.iter().filter_map(|rows| match &rows.keys {
        RowKeys::Derived { keys, pool: Some(_), .. } => Some(keys),
        _ => None,
    });
    let Some(first) = keys.next() else { return Err(OTHER_KEY) };
    if keys.any(|other| other != first) {
        return Err("its INSERTs have keys of their own each");
    }
    whole(first).map_err(|_| OTHER_KEY)
}

/// Whether each row of a query is made of a row of a sharded table, whose key is in these columns
/// of its output: so that no two shards make the same row.
fn drives(query: &QueryNode, keyspace: usize, columns: &[ColId]) -> bool {
    let Body::Select(select) = &query.body else { return false };
    let source = |column: &ColId| match query.outputs.get(column.column as usize)?.value {
        Value::Column(source) => Some(source),
        _ => None,
    };
    let sources: Option<Vec<ColId>> = columns.iter().map(source).collect();
    let known = query.open && query.complete && !select.sealed;
    known && sources.is_some_and(|sources| is_preserved(&select.from, keyspace, &sources))
}

/// Whether the table with this key stands where no NULLs are put in its place.
fn is_preserved(from: &FromNode, keyspace: usize, columns: &[ColId]) -> bool {
    use crate::sql::JoinKind as K;
    match from {
        FromNode::Table(table) => match key_of(table) {
            Ok((own, key)) => {
                own == keyspace && key.iter().map(|(column, _)| column).eq(columns.iter())
            }
            Err(_) => false,
        },
        FromNode::Derived { relation, query } => {
            let own = columns.iter().all(|column| column.relation == *relation);
            own && drives(query, keyspace, columns)
        }
        FromNode::Cross(items) => items.iter().any(|item| is_preserved(item, keyspace, columns)),
        FromNode::Join(join) => {
            let left = matches!(join.kind, K::Inner | K::Left);
            let right = matches!(join.kind, K::Inner | K::Right);
            left && is_preserved(&join.left, keyspace, columns)
                || right && is_preserved(&join.right, keyspace, columns)
        }
        FromNode::Returned { .. } | FromNode::Function { .. } => false,
    }
}
