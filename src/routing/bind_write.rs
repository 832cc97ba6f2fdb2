//! INSERT, UPDATE, DELETE, MERGE: the rows that are changed, and where new rows belong.

use crate::config::rules::TableName;
use crate::sql::{
    Assignment, ConflictTarget, Delete, Expr, FromItem, Insert, InsertSource, JoinKind, Merge,
    MergeAction, Name, OnConflict, SelectItem, SetExpr, Statement, Update,
};

use super::Refusal;
use super::bind::Analysis;
use super::bind_expr::Operand;
use super::bind_query::visible_of;
use super::facts::Pool;
use super::nodes::{
    Body, FromNode, JoinNode, NewRows, Output, QueryNode, Role, RowKeys, SelectNode, Sub,
    TableNode, Target, Value,
};
use super::places::Tree;
use super::relation::{ColId, Relation, Scope, Visible};
use super::value::{ColumnType, Meeting, Origin};

/// A sharded table that is written to.
struct Sharded {
    table: TableName,
    keyspace: usize,
    keys: Vec<Option<(ColId, ColumnType)>>,
    /// Names of the key's columns.
    columns: Vec<Box<str>>,
}

impl<'a> Analysis<'a> {
    /// Binds a data-modifying statement; its output is what RETURNING says.
    ///
    /// # Errors
    /// As [`Analysis::query`].
    pub fn write(
        &mut self,
        statement: &'a Statement,
        scope: &Scope<'a>,
    ) -> Result<QueryNode, Refusal> {
        match statement {
            Statement::Query(query) => self.query(query, scope),
            Statement::Insert(insert) => self.insert(insert, scope),
            Statement::Update(update) => self.update(update, scope),
            Statement::Delete(delete) => self.delete(delete, scope),
            Statement::Merge(merge) => self.merge(merge, scope),
            _ => Err(Refusal::not_understood("this statement inside another one")),
        }
    }

    fn insert(&mut self, insert: &'a Insert, scope: &Scope<'a>) -> Result<QueryNode, Refusal> {
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
        let (relation, node) = self.bind_table(name, insert.alias.as_ref(), &[], Role::Write)?;
        let sharded = self.sharded(&node);
        let rows = match &sharded {
            Some(sharded) => self.inserted(insert, sharded, source.as_ref())?,
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
        let target = if sharded.is_some() { None } else { Some(node) };
        Ok(QueryNode {
            relations: start..self.next_relation(),
            body: Body::Insert { source: source.map(Box::new), target, rows, subs },
            open: false,
            outputs: outputs.into_iter().map(unknown).collect(),
            complete,
            tail: Vec::new(),
        })
    }

    fn sharded(&self, node: &TableNode) -> Option<Sharded> {
        let Target::Sharded { keyspace, keys } = &node.target else { return None };
        let columns = self.router.key_columns(*keyspace, &node.table).to_vec();
        Some(Sharded {
            table: node.table.clone(),
            keyspace: *keyspace,
            keys: keys.clone(),
            columns,
        })
    }

    /// The keys of the rows that an INSERT makes; what can't be known is refused.
    fn inserted(
        &mut self,
        insert: &'a Insert,
        sharded: &Sharded,
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
            match self.insert_position(insert, &sharded.table, column) {
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
        table: &TableName,
        column: &str,
    ) -> Result<Option<usize>, Refusal> {
        if !insert.columns.is_empty() {
            return Ok(insert.columns.iter().position(|written| &**written == column));
        }
        if matches!(insert.source, InsertSource::DefaultValues) {
            return Ok(None);
        }
        match self.router.schema.tables.get(table) {
            Some(facts) => Ok(facts.columns.iter().position(|known| &*known.name == column)),
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

    /// The keys of INSERT … SELECT are those that the query's output can have.
    fn query_keys(
        &mut self,
        sharded: &Sharded,
        places: &[Option<usize>],
        node: &QueryNode,
    ) -> Result<Result<RowKeys, Refusal>, Refusal> {
        let columns = node
            .outputs
            .iter()
            .map(|o| super::relation::Column { name: o.name.clone(), column_type: o.column_type })
            .collect();
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

    fn key_unknown(&self, sharded: &Sharded, key: usize) -> Refusal {
        Refusal::key_not_given(&sharded.table, name_of(sharded, key))
    }

    /// The value of a key's column that isn't given: NULL, unless it has a default.
    fn default_key(&self, sharded: &Sharded, key: usize) -> Result<Origin, Refusal> {
        let name = name_of(sharded, key);
        let facts = self.router.schema.tables.get(&sharded.table);
        let column = facts.and_then(|f| f.columns.iter().find(|column| &*column.name == name));
        match column {
            Some(column) if !column.has_default && !column.from_sequence => Ok(Origin::Null),
            Some(_) => Err(Refusal::key_default(&sharded.table, name)),
            None => Err(self.key_unknown(sharded, key)),
        }
    }

    /// Under OVERRIDING USER VALUE an identity's value is the sequence's, whatever is given.
    fn no_identity(&self, sharded: &Sharded) -> Result<(), Refusal> {
        let facts = self.router.schema.tables.get(&sharded.table);
        for name in &sharded.columns {
            let column = facts.and_then(|f| f.columns.iter().find(|column| column.name == *name));
            if column.is_none_or(|column| column.from_sequence) {
                return Err(Refusal::key_default(&sharded.table, name));
            }
        }
        Ok(())
    }

    fn assigned(&self, sharded: &Sharded, key: usize, origin: Origin) -> Result<Tree, Refusal> {
        match sharded.keys.get(key) {
            Some(Some((_, column))) => {
                let meeting = Meeting { origin, column: *column, assign: true, null_is_key: true };
                Ok(Tree::Is { column: key, values: vec![meeting] })
            }
            _ => Err(self.key_unknown(sharded, key)),
        }
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

    /// Walks assignments; yields those to the key of a sharded table.
    fn assignments(
        &mut self,
        assignments: &'a [Assignment],
        sharded: &Option<Sharded>,
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<Vec<Change>, Refusal> {
        let mut changes = Vec::new();
        for assignment in assignments {
            let value = self.operand(&assignment.value, scope, subs)?;
            let values = match value {
                value if assignment.columns.len() == 1 => vec![value],
                Operand::Row(values) if values.len() == assignment.columns.len() => values,
                _ => vec![Operand::Unknown; assignment.columns.len()],
            };
            for (column, to) in assignment.columns.iter().zip(values) {
                let keys = sharded.iter().flat_map(|sharded| sharded.columns.iter().enumerate());
                for (key, _) in keys.filter(|(_, name)| *name == column) {
                    let to = if assignment.partial { Operand::Unknown } else { to.clone() };
                    changes.push(Change { key, to });
                }
            }
        }
        Ok(changes)
    }

    /// The keys that rows have after an UPDATE that sets them.
    fn changed(&mut self, changes: &[Change], sharded: &Sharded) -> Vec<NewRows> {
        if changes.is_empty() {
            return Vec::new();
        }
        let mut keys = sharded.keys.clone();
        let mut constants = Vec::new();
        for change in changes {
            let own = sharded.keys.get(change.key).copied().flatten();
            let known = match (&change.to, own) {
                (Operand::Constant(origin), Some(_)) => {
                    keys[change.key] = None;
                    self.assigned(sharded, change.key, origin.clone())
                        .map(|tree| constants.push(tree))
                        .is_ok()
                }
                (Operand::Column(column, Some(from)), Some((_, to))) if stored_as_is(*from, to) => {
                    keys[change.key] = Some((*column, *from));
                    true
                }
                _ => false,
            };
            if !known {
                let refusal = Refusal::key_change(&sharded.table, name_of(sharded, change.key));
                self.refusals.push(refusal);
                return Vec::new();
            }
        }
        vec![new_rows(sharded, RowKeys::Derived { keys, constants, pool: None })]
    }

    fn update(&mut self, update: &'a Update, scope: &Scope<'a>) -> Result<QueryNode, Refusal> {
        let (scope, block) = self.with(&update.with, update.recursive, scope)?;
        let parts = Changing {
            table: update.table.as_ref(),
            alias: update.alias.as_ref(),
            others: &update.from,
            filter: update.filter.as_ref(),
            current_of: update.current_of.is_some(),
            assignments: &update.assignments,
            returning: &update.returning,
        };
        let node = self.change(parts, &scope)?;
        self.unnamed(block)?;
        Ok(node)
    }

    fn delete(&mut self, delete: &'a Delete, scope: &Scope<'a>) -> Result<QueryNode, Refusal> {
        let (scope, block) = self.with(&delete.with, delete.recursive, scope)?;
        let parts = Changing {
            table: delete.table.as_ref(),
            alias: delete.alias.as_ref(),
            others: &delete.using,
            filter: delete.filter.as_ref(),
            current_of: delete.current_of.is_some(),
            assignments: &[],
            returning: &delete.returning,
        };
        let node = self.change(parts, &scope)?;
        self.unnamed(block)?;
        Ok(node)
    }

    fn change(&mut self, parts: Changing<'a>, scope: &Scope<'a>) -> Result<QueryNode, Refusal> {
        self.effects.writes = true;
        let start = self.next_relation();
        let Some(name) = parts.table else {
            return Err(Refusal::not_understood("UPDATE or DELETE without a table"));
        };
        if parts.current_of {
            self.effects.current_of = true;
        }
        let (relation, table) = self.bind_table(name, parts.alias, &[], Role::Write)?;
        let sharded = self.sharded(&table);
        let shown = parts.alias.cloned().unwrap_or_else(|| name.name.clone());
        let named = parts.alias.is_none().then(|| table.table.clone());
        let mut visible = visible_of(relation, Some(shown), named, self.star_of(relation));
        let mut from = vec![FromNode::Table(table)];
        for item in parts.others {
            let (node, more) = self.from_item(item, scope, &visible)?;
            from.push(node);
            visible = visible.join(more);
        }
        let inner = scope.within(visible);
        let mut subs = Vec::new();
        let mut filter = Vec::new();
        if let Some(condition) = parts.filter {
            filter.push(self.condition(condition, &inner, &mut subs, true)?);
        }
        let changes = self.assignments(parts.assignments, &sharded, &inner, &mut subs)?;
        let rows = match &sharded {
            Some(sharded) => self.changed(&changes, sharded),
            None => Vec::new(),
        };
        let (outputs, complete) = self.items(parts.returning, &inner, &mut subs)?;
        // RETURNING shows the new row: an assigned column is not what the filter spoke of.
        let set: Vec<&Box<str>> =
            parts.assignments.iter().flat_map(|assignment| &assignment.columns).collect();
        let outputs = outputs
            .into_iter()
            .map(
                |output| {
                    if self.is_set(&output, relation, &set) { unknown(output) } else { output }
                },
            )
            .collect();
        Ok(QueryNode {
            relations: start..self.next_relation(),
            body: Body::Select(Box::new(SelectNode {
                from: FromNode::Cross(from),
                filter,
                subs,
                sealed: false,
                rows,
            })),
            open: false,
            outputs,
            complete,
            tail: Vec::new(),
        })
    }

    fn is_set(&self, output: &Output, relation: u32, set: &[&Box<str>]) -> bool {
        let Value::Column(column) = output.value else { return false };
        let found = self.relations.get(column.relation as usize);
        let name = found.and_then(|found| found.columns.get(column.column as usize));
        column.relation == relation
            && name.is_none_or(|column| set.iter().any(|set| **set == column.name))
    }

    fn merge(&mut self, merge: &'a Merge, scope: &Scope<'a>) -> Result<QueryNode, Refusal> {
        self.effects.writes = true;
        let start = self.next_relation();
        let (scope, block) = self.with(&merge.with, merge.recursive, scope)?;
        let left_start = self.next_relation();
        let (source, source_visible) =
            self.from_item(&merge.source, &scope, &Visible::default())?;
        let middle = self.next_relation();
        let (relation, table) =
            self.bind_table(&merge.table, merge.alias.as_ref(), &[], Role::Write)?;
        let end = self.next_relation();
        let sharded = self.sharded(&table);
        let shown = merge.alias.clone().unwrap_or_else(|| merge.table.name.clone());
        let visible = visible_of(relation, Some(shown), None, self.star_of(relation));
        let source_scope = scope.within(source_visible.clone());
        let both = scope.within(source_visible.join(visible));
        let mut subs = Vec::new();
        let on = vec![self.condition(&merge.on, &both, &mut subs, true)?];
        let mut rows = Vec::new();
        let mut inserts = false;
        let mut source_pool = Pool::new();
        source.export(&mut source_pool);
        for clause in &merge.clauses {
            if let Some(condition) = &clause.condition {
                self.walk(condition, &both, &mut subs)?;
            }
            match &clause.action {
                MergeAction::Nothing | MergeAction::Delete => {}
                MergeAction::Update(assignments) => {
                    let changes = self.assignments(assignments, &sharded, &both, &mut subs)?;
                    if let Some(sharded) = &sharded {
                        rows.extend(self.changed(&changes, sharded));
                    }
                }
                MergeAction::Insert { columns, values } => {
                    inserts = true;
                    let mut operands = Vec::with_capacity(values.len());
                    for value in values {
                        operands.push(self.operand(value, &source_scope, &mut subs)?);
                    }
                    if let Some(sharded) = &sharded
                        && clause.overriding_user
                    {
                        self.refusals.extend(self.no_identity(sharded).err());
                    }
                    if let Some(sharded) = &sharded {
                        let made = Made { columns, values, operands };
                        rows.extend(self.merged_rows(sharded, &made, &source_pool));
                    }
                }
            }
        }
        let (outputs, complete) = self.items(&merge.returning, &both, &mut subs)?;
        self.unnamed(block)?;
        // A row of the source without a match does nothing unless it is inserted; one of the
        // target, unless a clause says BY SOURCE.
        let by_source = merge.clauses.iter().any(|clause| clause.by_source);
        let kind = match (inserts, by_source) {
            (_, true) => JoinKind::Full,
            (true, false) => JoinKind::Left,
            (false, false) => JoinKind::Inner,
        };
        let join = JoinNode {
            kind,
            left: source,
            right: FromNode::Table(table),
            left_relations: left_start..middle,
            right_relations: middle..end,
            on,
            subs: Vec::new(),
        };
        Ok(QueryNode {
            relations: start..self.next_relation(),
            body: Body::Select(Box::new(SelectNode {
                from: FromNode::Join(Box::new(join)),
                filter: Vec::new(),
                subs,
                sealed: true,
                rows,
            })),
            open: false,
            outputs: outputs.into_iter().map(unknown).collect(),
            complete,
            tail: Vec::new(),
        })
    }

    fn merged_rows(
        &mut self,
        sharded: &Sharded,
        made: &Made<'_>,
        source: &Pool,
    ) -> Option<NewRows> {
        match self.merged_keys(sharded, made) {
            Ok((keys, constants)) => {
                let pool = Some(source.clone());
                Some(new_rows(sharded, RowKeys::Derived { keys, constants, pool }))
            }
            Err(refusal) => {
                self.refusals.push(refusal);
                None
            }
        }
    }

    #[allow(clippy::type_complexity)]
    fn merged_keys(
        &self,
        sharded: &Sharded,
        made: &Made<'_>,
    ) -> Result<(Vec<Option<(ColId, ColumnType)>>, Vec<Tree>), Refusal> {
        let mut keys = vec![None; sharded.columns.len()];
        let mut constants = Vec::new();
        for (key, name) in sharded.columns.iter().enumerate() {
            let at = if !made.columns.is_empty() {
                made.columns.iter().position(|column| column == name)
            } else {
                let facts = self.router.schema.tables.get(&sharded.table);
                let facts = facts.ok_or_else(|| Refusal::columns_unknown(&sharded.table))?;
                facts.columns.iter().position(|column| column.name == *name)
            };
            let given = at.filter(|&at| {
                made.values.get(at).is_some_and(|value| !matches!(value, Expr::Default))
            });
            let operand = given.and_then(|at| made.operands.get(at));
            match (operand, sharded.keys.get(key)) {
                (Some(Operand::Constant(origin)), _) => {
                    constants.push(self.assigned(sharded, key, origin.clone())?);
                }
                (Some(Operand::Column(column, Some(from))), Some(Some((_, to))))
                    if stored_as_is(*from, *to) =>
                {
                    keys[key] = Some((*column, *from));
                }
                (None, _) => {
                    let origin = self.default_key(sharded, key)?;
                    constants.push(self.assigned(sharded, key, origin)?);
                }
                _ => return Err(self.key_unknown(sharded, key)),
            }
        }
        Ok((keys, constants))
    }
}

/// UPDATE and DELETE, as far as they are alike.
struct Changing<'a> {
    table: Option<&'a Name>,
    alias: Option<&'a Box<str>>,
    others: &'a [FromItem],
    filter: Option<&'a Expr>,
    current_of: bool,
    assignments: &'a [Assignment],
    returning: &'a [SelectItem],
}

/// The row that MERGE inserts.
struct Made<'a> {
    columns: &'a [Box<str>],
    values: &'a [Expr],
    operands: Vec<Operand>,
}

/// A key's column gets a value.
struct Change {
    key: usize,
    to: Operand,
}

fn name_of(sharded: &Sharded, key: usize) -> &str {
    sharded.columns.get(key).map_or("", |name| name)
}

fn new_rows(sharded: &Sharded, keys: RowKeys) -> NewRows {
    NewRows { table: sharded.table.clone(), keyspace: sharded.keyspace, keys }
}

fn unknown(output: Output) -> Output {
    Output { value: Value::Unknown, ..output }
}

/// The value of one column is what the other gets: nothing is cut or rounded.
fn stored_as_is(from: ColumnType, to: ColumnType) -> bool {
    super::facts::comparable(from, to) && (to.typmod == -1 || to.typmod == from.typmod)
}

/// The rows of a query that is a VALUES list.
fn values_of(node: &QueryNode) -> Option<&[Vec<Output>]> {
    match &node.body {
        Body::Values { rows, .. } => Some(rows),
        Body::Nested(inner) => values_of(inner),
        _ => None,
    }
}
