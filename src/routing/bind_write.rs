//! What changes rows; UPDATE and DELETE, and the keys that rows get.

use crate::config::rules::TableName;
use crate::sql::{Assignment, Delete, Expr, FromItem, Ident, Name, SelectItem, Statement, Update};

use super::Refusal;
use super::bind::Analysis;
use super::bind_query::visible_of;
use super::nodes::{
    Body, FromNode, NewRows, Output, QueryNode, RowKeys, SelectNode, Shape, Sub, TableNode, Target,
    Value,
};
use super::operand::Operand;
use super::places::Tree;
use super::relation::{ColId, Scope, Visible};
use super::value::{ColumnType, Meeting, Origin};

/// A sharded table that is written to.
pub(super) struct Sharded {
    pub table: TableName,
    pub keyspace: usize,
    pub keys: Vec<Option<(ColId, ColumnType)>>,
    /// Names of the key's columns.
    pub columns: Vec<Box<str>>,
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

    pub(super) fn sharded(&self, node: &TableNode) -> Option<Sharded> {
        let Target::Sharded { keyspace, keys } = &node.target else { return None };
        let columns = self.router.key_columns(*keyspace, &node.table).to_vec();
        Some(Sharded {
            table: node.table.clone(),
            keyspace: *keyspace,
            keys: keys.clone(),
            columns,
        })
    }

    pub(super) fn key_unknown(&self, sharded: &Sharded, key: usize) -> Refusal {
        Refusal::key_not_given(&sharded.table, name_of(sharded, key))
    }

    /// The value of a key's column that isn't given: NULL, unless it has a default.
    pub(super) fn default_key(&self, sharded: &Sharded, key: usize) -> Result<Origin, Refusal> {
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
    pub(super) fn no_identity(&self, sharded: &Sharded) -> Result<(), Refusal> {
        let facts = self.router.schema.tables.get(&sharded.table);
        for name in &sharded.columns {
            let column = facts.and_then(|f| f.columns.iter().find(|column| column.name == *name));
            if column.is_none_or(|column| column.from_sequence) {
                return Err(Refusal::key_default(&sharded.table, name));
            }
        }
        Ok(())
    }

    pub(super) fn assigned(
        &self,
        sharded: &Sharded,
        key: usize,
        origin: Origin,
    ) -> Result<Tree, Refusal> {
        match sharded.keys.get(key) {
            Some(Some((_, column))) => {
                let meeting = Meeting { origin, column: *column, assign: true, null_is_key: true };
                Ok(Tree::Is { column: key, values: vec![meeting] })
            }
            _ => Err(self.key_unknown(sharded, key)),
        }
    }

    /// Walks assignments; yields those to the key of a sharded table.
    pub(super) fn assignments(
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
        if let Some(sharded) = sharded
            && !assignments.is_empty()
        {
            let computed = (0..sharded.columns.len()).filter(|key| self.is_computed(sharded, *key));
            changes.extend(computed.map(|key| Change { key, to: Operand::Unknown }));
        }
        Ok(changes)
    }

    /// Whether the server computes a column of the key from others, which an UPDATE may set.
    fn is_computed(&self, sharded: &Sharded, key: usize) -> bool {
        let name = name_of(sharded, key);
        let facts = self.router.schema.tables.get(&sharded.table);
        facts.is_some_and(|facts| facts.columns.iter().any(|c| &*c.name == name && c.generated))
    }

    /// The keys that rows have after an UPDATE that sets them.
    pub(super) fn changed(&mut self, changes: &[Change], sharded: &Sharded) -> Vec<NewRows> {
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
        let (relation, table) = self.bind_target(name, parts.alias)?;
        let sharded = self.sharded(&table);
        let shown = parts.alias.cloned().unwrap_or_else(|| name.name.clone());
        let named = parts.alias.is_none().then(|| table.table.clone());
        let mut visible = visible_of(relation, Some(shown), named, self.star_of(relation));
        let mut from = vec![FromNode::Table(table)];
        for item in parts.others {
            let (node, more) = self.bind_item(item, scope, &visible)?;
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
        let outputs = self.changed_outputs(outputs, relation, parts.assignments);
        Ok(QueryNode {
            relations: start..self.next_relation(),
            body: Body::Select(Box::new(SelectNode {
                from: FromNode::Cross(from),
                filter,
                subs,
                sealed: false,
                rows,
                shape: Shape::default(),
                visible: Visible::default(),
            })),
            open: false,
            outputs,
            complete,
            tail: Vec::new(),
            limited: false,
        })
    }

    /// RETURNING shows the new row: an assigned column is not what the filter spoke of.
    fn changed_outputs(
        &self,
        outputs: Vec<Output>,
        relation: u32,
        assignments: &[Assignment],
    ) -> Vec<Output> {
        let set: Vec<&str> =
            assignments.iter().flat_map(|set| set.columns.iter().map(|name| &**name)).collect();
        let new = |output: Output| match self.is_set(&output, relation, &set) {
            true => unknown(output),
            false => output,
        };
        outputs.into_iter().map(new).collect()
    }

    fn is_set(&self, output: &Output, relation: u32, set: &[&str]) -> bool {
        let Value::Column(column) = output.value else { return false };
        let found = self.relations.get(column.relation as usize);
        let name = found.and_then(|found| found.columns.get(column.column as usize));
        column.relation == relation
            && name.is_none_or(|column| set.iter().any(|set| **set == *column.name))
    }
}

/// UPDATE and DELETE, as far as they are alike.
struct Changing<'a> {
    table: Option<&'a Name>,
    alias: Option<&'a Ident>,
    others: &'a [FromItem],
    filter: Option<&'a Expr>,
    current_of: bool,
    assignments: &'a [Assignment],
    returning: &'a [SelectItem],
}

/// A key's column gets a value.
pub(super) struct Change {
    pub key: usize,
    pub to: Operand,
}

pub(super) fn name_of(sharded: &Sharded, key: usize) -> &str {
    sharded.columns.get(key).map_or("", |name| name)
}

pub(super) fn new_rows(sharded: &Sharded, keys: RowKeys) -> NewRows {
    NewRows { table: sharded.table.clone(), keyspace: sharded.keyspace, keys }
}

pub(super) fn unknown(output: Output) -> Output {
    Output { value: Value::Unknown, ..output }
}

/// The value of one column is what the other gets: nothing is cut or rounded.
pub(super) fn stored_as_is(from: ColumnType, to: ColumnType) -> bool {
    super::facts::comparable(from, to) && (to.typmod == -1 || to.typmod == from.typmod)
}
