//! COPY: which columns its data have, where the key is among them, and what can't be copied to
//! several shards.

use crate::sql::{Copy, CopyDirection, CopyWhat, Expr, Ident, Node, Tokens, visit_expr};

use super::bind::Analysis;
use super::bind_write::Sharded;
use super::copy::{CopyKey, CopyPlan, CopyQuery};
use super::nodes::{Role, TableNode, Target};
use super::plan::Plan;
use super::relation::Scope;
use super::scatter_check::is_time;
use super::schema::{Column, Table};
use super::statements::place_of;
use super::{Action, Refusal, spread_copies};

impl<'a> Analysis<'a> {
    pub(super) fn copy(mut self, copy: &'a Copy) -> Result<Plan, Refusal> {
        if copy.direction == CopyDirection::Server {
            self.refusals.push(Refusal::server_file());
        }
        let (name, columns, behind_name) = match &copy.what {
            CopyWhat::Statement(statement) => {
                let spread = Err(super::spread::NO_WRITE);
                let query = |inner: &Tokens| CopyQuery {
                    inner: inner.clone(),
                    options: copy.options.clone(),
                };
                let copy_query = copy.inner.as_ref().map(query).map(Box::new);
                let plan = self.rows(Action::Run, statement)?;
                return Ok(Plan { spread, copy_query, ..plan });
            }
            CopyWhat::Table { name, columns, behind_name } => (name, columns, *behind_name),
        };
        let from = copy.direction != CopyDirection::ToStdout;
        self.effects.writes |= from;
        if let Some(filter) = &copy.filter {
            self.walk(filter, &Scope::default(), &mut Vec::new())?;
        }
        // Of a reference table that is written to the copies stay alike: see below.
        let (_, node) = self.bind_table(name, None, &[], Role::Read)?;
        let reference = from && matches!(node.target, Target::Reference);
        let sharded = self.sharded(&node);
        if self.router.shards.len() == 1 || (sharded.is_none() && !reference) {
            self.place(Some(node.table), place_of(node.target));
            return Plan::found(Action::Run, self);
        }
        let facts = self.router.schema.tables.get(&node.table);
        let data = copied_columns(facts, columns);
        if data.is_empty() {
            self.refusals.push(Refusal::columns_unknown(&node.table));
        }
        let mut plan = CopyPlan {
            from,
            table: node.table.clone(),
            list_at: (columns.is_empty() && !data.is_empty()).then_some(behind_name),
            columns: data,
            keys: None,
            clocks: Vec::new(),
            options: copy.options.clone(),
        };
        let allowed = match sharded {
            None => self.copied_to_all(&node, copy.filter.as_ref(), &mut plan),
            Some(sharded) => self.copied_by_key(&sharded, &mut plan),
        };
        self.refusals.extend(allowed.err());
        Ok(Plan { copy: Some(Box::new(plan)), ..Plan::found(Action::Run, self)? })
    }

    /// Rows of a sharded table: where the values of the key's columns come from.
    fn copied_by_key(&self, sharded: &Sharded, plan: &mut CopyPlan) -> Result<(), Refusal> {
        let facts = self.router.schema.tables.get(&sharded.table);
        if plan.from && facts.is_some_and(|facts| facts.per_statement) {
            let why = "a trigger of its table runs once a statement";
            return Err(Refusal::copy_differs(&sharded.table, why));
        }
        let mut keys = Vec::with_capacity(sharded.columns.len());
        for (number, name) in sharded.columns.iter().enumerate().filter(|_| plan.from) {
            keys.push(match plan.columns.iter().position(|column| column == name) {
                None => self.default_key(sharded, number).map(|_| CopyKey::Null)?,
                Some(field) => match sharded.keys.get(number) {
                    Some(Some((_, column))) => {
                        CopyKey::Field { field, name: name.clone(), column: *column }
                    }
                    _ => return Err(self.key_unknown(sharded, number)),
                },
            });
        }
        plan.keys = Some((sharded.keyspace, keys));
        Ok(())
    }

    /// Rows of a reference table: all that becomes of them must hang on nothing but them.
    fn copied_to_all(
        &self,
        node: &TableNode,
        filter: Option<&Expr>,
        plan: &mut CopyPlan,
    ) -> Result<(), Refusal> {
        let table = &node.table;
        let facts = self.router.schema.tables.get(table);
        let facts = facts.ok_or_else(|| Refusal::columns_unknown(table))?;
        let differs = |why: &str| Refusal::copy_differs(table, why);
        if !facts.triggers.is_empty() {
            return Err(differs("a trigger of its table may do something else on each shard"));
        }
        let given = |column: &&Column| plan.columns.contains(&column.name);
        let varies = |column: &&Column| column.default_varies && !given(column);
        if let Some(column) = facts.columns.iter().find(varies) {
            return Err(Refusal::copy_default(table, &column.name));
        }
        let holds_times = facts.columns.iter().any(spread_copies::holds_time);
        if let Some(filter) = filter {
            let mut wrong = holds_times.then_some("its WHERE may compare with the time");
            visit_expr(filter, &mut |node| {
                let reason = match node {
                    Node::Expr(Expr::Function(call)) => spread_copies::function(self, call).err(),
                    Node::Expr(Expr::Cast { to, .. }) if is_time(&to.name.name) => {
                        Some("its WHERE may read the time")
                    }
                    _ => None,
                };
                wrong = wrong.or(reason);
            });
            if let Some(why) = wrong {
                return Err(differs(why));
            }
        }
        let times = facts.columns.iter().filter(|column| spread_copies::holds_time(column));
        let place = |column: &Column| plan.columns.iter().position(|name| *name == column.name);
        plan.clocks =
            times.filter_map(|column| Some((place(column)?, column.name.clone()))).collect();
        Ok(())
    }
}

/// The columns that the data of a COPY have: as listed, or else all that aren't generated.
fn copied_columns(facts: Option<&Table>, listed: &[Ident]) -> Vec<Ident> {
    if !listed.is_empty() {
        return listed.to_vec();
    }
    let columns = facts.map_or(&[][..], |facts| &facts.columns);
    columns.iter().filter(|column| !column.generated).map(|c| c.name.clone()).collect()
}
