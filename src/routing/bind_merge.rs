//! MERGE.

use crate::sql::{Expr, JoinKind, Merge, MergeAction, MergeClause};

use super::Refusal;
use super::bind::Analysis;
use super::bind_query::visible_of;
use super::bind_write::{Sharded, new_rows, stored_as_is, unknown};
use super::facts::Pool;
use super::nodes::{Body, FromNode, JoinNode, NewRows, QueryNode, RowKeys, SelectNode, Shape, Sub};
use super::operand::Operand;
use super::places::Tree;
use super::relation::{ColId, Scope, Visible};
use super::value::ColumnType;

/// What the clauses are read with.
struct Read<'a> {
    sharded: Option<Sharded>,
    source: Scope<'a>,
    /// The source and the target.
    both: Scope<'a>,
    /// What holds of the source's rows.
    source_pool: Pool,
}

/// The row that MERGE inserts.
struct Made<'a> {
    columns: &'a [Box<str>],
    values: &'a [Expr],
    operands: Vec<Operand>,
}

/// Columns whose values are a new row's key, and trees of the key's constants.
type Keys = (Vec<Option<(ColId, ColumnType)>>, Vec<Tree>);

impl<'a> Analysis<'a> {
    pub(super) fn merge(
        &mut self,
        merge: &'a Merge,
        scope: &Scope<'a>,
    ) -> Result<QueryNode, Refusal> {
        self.effects.writes = true;
        let start = self.next_relation();
        let (scope, block) = self.with(&merge.with, merge.recursive, scope)?;
        let left_start = self.next_relation();
        let (source, source_visible) =
            self.bind_item(&merge.source, &scope, &Visible::default())?;
        let middle = self.next_relation();
        let (relation, table) = self.bind_target(&merge.table, merge.alias.as_ref())?;
        let end = self.next_relation();
        let shown = merge.alias.clone().unwrap_or_else(|| merge.table.name.clone());
        let visible = visible_of(relation, Some(shown), None, self.star_of(relation));
        let mut source_pool = Pool::new();
        source.export(&mut source_pool);
        let read = Read {
            sharded: self.sharded(&table),
            source: scope.within(source_visible.clone()),
            both: scope.within(source_visible.join(visible)),
            source_pool,
        };
        let mut subs = Vec::new();
        let on = vec![self.condition(&merge.on, &read.both, &mut subs, true)?];
        let mut rows = Vec::new();
        for clause in &merge.clauses {
            rows.extend(self.clause(clause, &read, &mut subs)?);
        }
        let (outputs, complete) = self.items(&merge.returning, &read.both, &mut subs)?;
        self.unnamed(block)?;
        let join = JoinNode {
            kind: kind(merge),
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
                shape: Shape::default(),
                visible: Visible::default(),
            })),
            open: false,
            outputs: outputs.into_iter().map(unknown).collect(),
            complete,
            tail: Vec::new(),
            limited: false,
        })
    }

    /// One WHEN clause; the rows that it may make.
    fn clause(
        &mut self,
        clause: &'a MergeClause,
        read: &Read<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<Vec<NewRows>, Refusal> {
        if let Some(condition) = &clause.condition {
            self.walk(condition, &read.both, subs)?;
        }
        let mut rows = Vec::new();
        match &clause.action {
            MergeAction::Nothing | MergeAction::Delete => {}
            MergeAction::Update(assignments) => {
                let changes = self.assignments(assignments, &read.sharded, &read.both, subs)?;
                if let Some(sharded) = &read.sharded {
                    rows.extend(self.changed(&changes, sharded));
                }
            }
            MergeAction::Insert { columns, values } => {
                let mut operands = Vec::with_capacity(values.len());
                for value in values {
                    operands.push(self.operand(value, &read.source, subs)?);
                }
                if let Some(sharded) = &read.sharded {
                    if clause.overriding_user {
                        self.refusals.extend(self.no_identity(sharded).err());
                    }
                    let made = Made { columns, values, operands };
                    rows.extend(self.merged_rows(sharded, &made, &read.source_pool));
                }
            }
        }
        Ok(rows)
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

    fn merged_keys(&self, sharded: &Sharded, made: &Made<'_>) -> Result<Keys, Refusal> {
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

/// A row of the source without a match does nothing unless it is inserted; one of the target,
/// unless a clause says BY SOURCE.
fn kind(merge: &Merge) -> JoinKind {
    let inserts = |clause: &MergeClause| matches!(clause.action, MergeAction::Insert { .. });
    if merge.clauses.iter().any(|clause| clause.by_source) {
        JoinKind::Full
    } else if merge.clauses.iter().any(inserts) {
        JoinKind::Left
    } else {
        JoinKind::Inner
    }
}
