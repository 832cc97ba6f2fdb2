//! What is written to by INSERT, UPDATE, DELETE and MERGE: a table, or one through a view.
//!
//! A view of one table, without anything that makes other rows of its rows, is written through by
//! Postgres: a row of the view is a row of the table, on whose shard it is changed. Which views those
//! are each server decides; here only matters which table it would be, and that nothing in the
//! view hangs on other rows.

use crate::config::rules::TableName;
use crate::sql::{Distinct, Expr, FromItem, Ident, Name, Node, Select, SelectItem, SetExpr, visit};

use super::Refusal;
use super::bind::{Analysis, relation_of};
use super::definition::Definition;
use super::nodes::{Role, TableNode, Target};
use super::relation::{ColId, position};
use super::router::{Router, TableRule};
use super::schema::Table;

/// A view that may be written through.
struct Through<'a> {
    /// The sharded table in the end.
    table: TableName,
    definitions: Vec<&'a Definition>,
    /// For each column of the view that of the table, where it is one.
    columns: Vec<Option<Ident>>,
}

impl<'a> Analysis<'a> {
    /// The target of a write: its relation and its node.
    ///
    /// # Errors
    /// As [`Analysis::bind_table`].
    pub fn bind_target(
        &mut self,
        name: &Name,
        alias: Option<&Ident>,
    ) -> Result<(u32, TableNode), Refusal> {
        let router = self.router;
        let (view, rule) = router.table(name, self.search_path);
        let Some(through) = router.through(&view, rule.as_ref(), 0) else {
            return self.bind_table(name, alias, &[], Role::Write);
        };
        let relation = relation_of(router.schema.tables.get(&view), None);
        let number = self.next_relation();
        let Some(TableRule::Sharded { keyspace, columns, .. }) = router.rule(&through.table) else {
            return self.bind_table(name, alias, &[], Role::Write);
        };
        let key = |column: &str| {
            let at = position(&relation, column)?;
            let column_type = relation.columns.get(at as usize)?.column_type?;
            Some((ColId { relation: number, column: at }, column_type))
        };
        let keys = columns.iter().map(|column| key(column)).collect();
        self.add_relation(relation)?;
        let facts = router.schema.tables.get(&through.table);
        self.effects.may_notify |= facts.is_some_and(|facts| facts.may_notify);
        let table = through.table.clone();
        self.written_through.extend(through.definitions.iter().copied());
        self.through.push((view, table.clone()));
        let target = Target::Sharded { keyspace, keys };
        Ok((number, TableNode { table, alias: alias.cloned(), target, at: None }))
    }

    /// The table that a name in a write means in the end.
    pub fn written_to(&self, name: &Name) -> (TableName, Option<TableRule>) {
        let (table, rule) = self.router.table(name, self.search_path);
        match self.through.iter().find(|(view, _)| *view == table) {
            Some((_, table)) => (table.clone(), self.router.rule(table)),
            None => (table, rule),
        }
    }
}

impl Router {
    /// The sharded table whose rows those of a view are, if the view shows its shard key by its own
    /// name. `depth` views were gone through.
    fn through(
        &self,
        view: &TableName,
        rule: Option<&TableRule>,
        depth: usize,
    ) -> Option<Through<'_>> {
        const DEEPEST: usize = 16;
        let definition = self.definition(view, rule).filter(|_| depth < DEEPEST)?;
        let facts = self.schema.tables.get(view)?;
        // They do something else, once a row or once a statement.
        if !facts.triggers.is_empty() || facts.per_statement {
            return None;
        }
        let select = plain(definition)?;
        let [FromItem::Table { name, sampled: false, .. }] = select.from.as_slice() else {
            return None;
        };
        let (below, rule) = self.table(name, &[]);
        let shown = shown(select, facts)?;
        let mut through = match rule {
            Some(TableRule::Sharded { .. }) => {
                let columns = shown.into_iter().map(|column| column.cloned()).collect();
                Through { table: below, definitions: Vec::new(), columns }
            }
            rule => {
                let inner = self.through(&below, rule.as_ref(), depth + 1)?;
                let of_inner = self.schema.tables.get(&below)?;
                let own = |column: Option<&Ident>| {
                    let at =
                        of_inner.columns.iter().position(|known| Some(&known.name) == column)?;
                    inner.columns.get(at)?.clone()
                };
                let columns = shown.into_iter().map(own).collect();
                Through { columns, ..inner }
            }
        };
        through.definitions.push(definition);
        let Some(TableRule::Sharded { columns, .. }) = self.rule(&through.table) else {
            return None;
        };
        // A key that has a default of the view's own, or another name, isn't followed.
        let is_shown = |key: &str| {
            let mut known = facts.columns.iter().zip(&through.columns);
            known.any(|(column, own)| {
                &*column.name == key && own.as_deref() == Some(key) && !column.has_default
            })
        };
        columns.iter().all(|key| is_shown(key)).then_some(through)
    }
}

/// The SELECT of a definition that makes one row of each that it keeps, and looks at no other.
fn plain(definition: &Definition) -> Option<&Select> {
    let query = definition.query()?;
    let SetExpr::Select(select) = &query.body else { return None };
    let mut queries = 0;
    let mut windows = false;
    visit(definition.statement(), &mut |node| match node {
        Node::Query(_) => queries += 1,
        Node::Expr(Expr::Function(call)) => windows |= call.over.is_some(),
        _ => {}
    });
    let whole = query.with.is_empty() && query.limits.is_empty() && !query.locks_rows;
    let rows = select.distinct == Distinct::No
        && select.group_by.expressions.is_empty()
        && !select.group_by.grouping_sets
        && select.having.is_none()
        && select.windows.is_empty();
    (whole && rows && queries == 1 && !windows).then_some(select)
}

/// For each column of a view that of the relation in its FROM, where it is one.
fn shown<'a>(select: &'a Select, facts: &Table) -> Option<Vec<Option<&'a Ident>>> {
    let column = |item: &'a SelectItem| match item {
        SelectItem::Expr { expr: Expr::Column(parts), .. } => Some(parts.last()),
        SelectItem::Expr { .. } => Some(None),
        SelectItem::Wildcard | SelectItem::QualifiedWildcard(_) => None,
    };
    let columns: Vec<_> = select.items.iter().map(column).collect::<Option<_>>()?;
    (columns.len() == facts.columns.len()).then_some(columns)
}
