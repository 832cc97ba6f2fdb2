//! INSERT: where new rows belong, and which conflicts can be seen.

use crate::config::rules::TableName;
use crate::sql::{ConflictTarget, Expr, Insert, InsertSource, OnConflict, SetExpr};

use super::Refusal;
use super::bind::Analysis;
use super::bind_query::visible_of;
use super::bind_write::{Change, Sharded, name_of, new_rows, stored_as_is, unknown};
use super::nodes::{Body, NewRows, Output, QueryNode, RowKeys, Sub, Value};
use super::operand::Operand;
use super::places::Tree;
use super::relation::{ColId, Relation, Scope, position};
use super::value::Origin;

impl<'a> Analysis<'a> {
    pub(super) fn insert(
        &mut self,
        insert: &'a Insert,
        scope: &Scope<'a>,
    ) -> Result<QueryNode, Refusal> {
        self.effects.writes = true;
        let start = self.next_relation();
        let (scope, block) = self.with(&insert.with, insert.recursive, scope)?;
        let source = match &insert.source {
            InsertSource::DefaultValues => None,
            InsertSource::Query(query) => Some(self.query(query, &scope)?),
        };
        let Some(name) = &insert.table else {
            return Err(Refusal::not_understood("INSERT without a table"));
        };
        let (relation, node) = self.bind_target(name, insert.alias.as_ref())?;
        let sharded = self.sharded(&node);
        let rows = match &sharded {
            Some(sharded) => self.inserted(insert, (sharded, relation), source.as_ref())?,
            None => Vec::new(),
        };
        let mut subs = Vec::new();
        let mut rows = rows;
        if let Some(conflict) = &insert.on_conflict {
            let changed = self.conflict(conflict, insert, relation, &sharded, &scope, &mut subs)?;
            rows.extend(changed);
        }
        let shown = insert.alias.clone().unwrap_or_else(|| name.name.clone());
        let visible = visible_of(relation, Some(shown), None, self.star_of(relation));
        let (outputs, complete) =
            self.items(&insert.returning, &scope.within(visible), &mut subs)?;
        self.unnamed(block)?;
        let written = sharded.as_ref().map_or(Vec::new(), |sharded| {
            self.written_keys(insert, (sharded, relation), source.as_ref())
        });
        let shown = |output: Output| {
            let own =
                |(key, _): &&(ColId, Origin)| matches!(output.value, Value::Column(c) if c == *key);
            match written.iter().find(own) {
                Some((_, origin)) => Output { value: Value::Constant(origin.clone()), ..output },
                None => unknown(output),
            }
        };
        let target = if sharded.is_some() { None } else { Some(node) };
        Ok(QueryNode {
            relations: start..self.next_relation(),
            outputs: outputs.into_iter().map(shown).collect(),
            body: Body::Insert { source: source.map(Box::new), target, rows, subs },
            open: false,
            complete,
            tail: Vec::new(),
            limited: false,
        })
    }

    /// The keys of the rows that an INSERT makes; what can't be known is refused.
    fn inserted(
        &mut self,
        insert: &'a Insert,
        (sharded, relation): (&Sharded, u32),
        source: Option<&QueryNode>,
    ) -> Result<Vec<NewRows>, Refusal> {
        if insert.overriding_user
            && let Err(refusal) = self.no_identity(sharded)
        {
            self.refusals.push(refusal);
            return Ok(Vec::new());
        }
        let mut places = Vec::with_capacity(sharded.columns.len());
        for column in &sharded.columns {
            match self.insert_position(insert, (&sharded.table, relation), column) {
                Ok(place) => places.push(place),
                Err(refusal) => {
                    self.refusals.push(refusal);
                    return Ok(Vec::new());
                }
            }
        }
        let keys = match (&insert.source, source) {
            (InsertSource::Query(query), Some(node)) => match (&query.body, values_of(node)) {
                (SetExpr::Values(written), Some(rows)) => {
                    self.row_trees(sharded, &places, written, rows)
                }
                _ => self.query_keys(sharded, &places, node)?,
            },
            _ => self.row_trees(sharded, &places, &[], &[Vec::new()]),
        };
        let rows = match keys {
            Ok(keys) => vec![new_rows(sharded, keys)],
            Err(refusal) => {
                self.refusals.push(refusal);
                Vec::new()
            }
        };
        Ok(rows)
    }

    /// Where a column stands in the rows of the source; `None` if it isn't among them.
    fn insert_position(
        &self,
        insert: &Insert,
        (table, relation): (&TableName, u32),
        column: &str,
    ) -> Result<Option<usize>, Refusal> {
        if !insert.columns.is_empty() {
            return Ok(insert.columns.iter().position(|written| &**written == column));
        }
        if matches!(insert.source, InsertSource::DefaultValues) {
            return Ok(None);
        }
        match self.relations.get(relation as usize).filter(|relation| !relation.more) {
            Some(relation) => Ok(position(relation, column).map(|at| at as usize)),
            None => Err(Refusal::columns_unknown(table)),
        }
    }

    fn row_trees(
        &self,
        sharded: &Sharded,
        places: &[Option<usize>],
        written: &[Vec<Expr>],
        rows: &[Vec<Output>],
    ) -> Result<RowKeys, Refusal> {
        let mut trees = Vec::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            let mut cells = Vec::with_capacity(places.len());
            for (key, place) in places.iter().enumerate() {
                let default = |at: usize| {
                    let cell = written.get(number).and_then(|row| row.get(at));
                    matches!(cell, None | Some(Expr::Default))
                };
                let origin = match place {
                    Some(at) if !default(*at) => match row.get(*at).map(|cell| &cell.value) {
                        Some(Value::Constant(origin)) => origin.clone(),
                        _ => return Err(self.key_unknown(sharded, key)),
                    },
                    _ => self.default_key(sharded, key)?,
                };
                cells.push(self.assigned(sharded, key, origin)?);
            }
            trees.push(Tree::and(cells));
        }
        Ok(RowKeys::Tree(Tree::or(trees)))
    }

    /// Of an INSERT of one row: its shard key, as RETURNING shows it, where it is stored as it is
    /// written.
    fn written_keys(
        &self,
        insert: &Insert,
        (sharded, relation): (&Sharded, u32),
        source: Option<&QueryNode>,
    ) -> Vec<(ColId, Origin)> {
        let facts = self.router.schema.tables.get(&sharded.table);
        let as_written = facts.is_some_and(|facts| facts.triggers.is_empty())
            && !insert.overriding_user
            && insert.on_conflict.as_ref().is_none_or(|conflict| conflict.update.is_none());
        let Some([row]) = source.and_then(values_of).filter(|_| as_written) else {
            return Vec::new();
        };
        let mut written = Vec::new();
        for (column, key) in sharded.columns.iter().zip(&sharded.keys) {
            let target = (&sharded.table, relation);
            let place = self.insert_position(insert, target, column).ok().flatten();
            let output = place.and_then(|at| row.get(at));
            let (Some(Output { value: Value::Constant(origin), .. }), Some((key, kind))) =
                (output, key)
            else {
                continue;
            };
            // Cast, since it is assigned: 12.6 isn't what is stored.
            if kind.typmod == -1 && *origin != Origin::Null {
                let value = Box::new(origin.clone());
                written.push((*key, Origin::Cast { value, to: kind.key_type }));
            }
        }
        written
    }

    /// The keys of INSERT … SELECT are those that the query's output can have.
    fn query_keys(
        &mut self,
        sharded: &Sharded,
        places: &[Option<usize>],
        node: &QueryNode,
    ) -> Result<Result<RowKeys, Refusal>, Refusal> {
        let columns = node.outputs.iter().map(|o| self.shown_column(o)).collect();
        let out = self.add_relation(Relation { columns, more: !node.complete })?;
        let mut keys = vec![None; places.len()];
        let mut constants = Vec::new();
        for (key, place) in places.iter().enumerate() {
            let output = place.and_then(|at| node.outputs.get(at).map(|output| (at, output)));
            let found = match output {
                _ if !node.complete && place.is_some() => Err(self.key_unknown(sharded, key)),
                Some((_, Output { value: Value::Constant(origin), .. })) => {
                    self.assigned(sharded, key, origin.clone()).map(|tree| constants.push(tree))
                }
                Some((at, output)) => match (output.column_type, sharded.keys.get(key)) {
                    (Some(own), Some(Some((_, wanted)))) if stored_as_is(own, *wanted) => {
                        let column = ColId { relation: out, column: at as u32 };
                        keys[key] = Some((column, own));
                        Ok(())
                    }
                    _ => Err(self.key_unknown(sharded, key)),
                },
                None => self
                    .default_key(sharded, key)
                    .and_then(|origin| self.assigned(sharded, key, origin))
                    .map(|tree| constants.push(tree)),
            };
            if let Err(refusal) = found {
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(RowKeys::Derived { keys, constants, pool: Some(node.exports(out)) }))
    }

    /// A conflict is seen only on the row's own shard: the index that decides must hold the
    /// key. Yields the places to which DO UPDATE moves rows.
    fn conflict(
        &mut self,
        conflict: &'a OnConflict,
        insert: &'a Insert,
        relation: u32,
        sharded: &Option<Sharded>,
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<Vec<NewRows>, Refusal> {
        let columns = self.relations.get(relation as usize).cloned().unwrap_or_default();
        let excluded = self.add_relation(columns)?;
        let name = insert.alias.as_ref().or(insert.table.as_ref().map(|table| &table.name));
        let visible = visible_of(relation, name.cloned(), None, None).join(visible_of(
            excluded,
            Some("excluded".into()),
            None,
            None,
        ));
        let inner = scope.within(visible);
        if let ConflictTarget::Columns { other, filter, .. } = &conflict.target {
            self.walk_all(other, &inner, subs)?;
            filter.iter().try_for_each(|filter| self.walk(filter, &inner, subs))?;
        }
        if let Some(sharded) = sharded
            && !self.arbiter_holds_key(&conflict.target, sharded)
        {
            let key = sharded.columns.join(", ");
            self.refusals.push(Refusal::conflict_target(&sharded.table, &key));
        }
        let Some(update) = &conflict.update else { return Ok(Vec::new()) };
        if let Some(filter) = &update.filter {
            self.walk(filter, &inner, subs)?;
        }
        let changes = self.assignments(&update.assignments, sharded, &inner, subs)?;
        let Some(sharded) = sharded else { return Ok(Vec::new()) };
        // The conflicting row has the key of the row that isn't inserted.
        let same = |change: &Change| match change.to {
            Operand::Column(column, _) => sharded.keys.get(change.key).is_some_and(|key| {
                key.is_some_and(|(own, _)| {
                    column.column == own.column
                        && (column.relation == excluded || column.relation == own.relation)
                })
            }),
            _ => false,
        };
        let moved: Vec<Change> = changes.into_iter().filter(|change| !same(change)).collect();
        if let Some(change) = moved.first() {
            let refusal = Refusal::key_change(&sharded.table, name_of(sharded, change.key));
            self.refusals.push(refusal);
        }
        Ok(Vec::new())
    }

    fn arbiter_holds_key(&self, target: &ConflictTarget, sharded: &Sharded) -> bool {
        let holds = |columns: &[Box<str>]| sharded.columns.iter().all(|key| columns.contains(key));
        let facts = self.router.schema.tables.get(&sharded.table);
        match target {
            ConflictTarget::Columns { columns, .. } => holds(columns),
            ConflictTarget::Constraint(name) => facts.is_some_and(|facts| {
                facts.unique.iter().any(|index| index.name == *name && holds(&index.columns))
            }),
            ConflictTarget::Any => {
                facts.is_some_and(|facts| facts.unique.iter().all(|index| holds(&index.columns)))
            }
        }
    }
}

/// The rows of a query that is a VALUES list.
fn values_of(node: &QueryNode) -> Option<&[Vec<Output>]> {
    match &node.body {
        Body::Values { rows, .. } => Some(rows),
        Body::Nested(inner) => values_of(inner),
        _ => None,
    }
}
