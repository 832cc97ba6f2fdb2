//! FROM clauses: tables, derived tables, common table expressions, joins.

use std::rc::Rc;

use crate::sql::{Alias, FromItem, Ident, JoinKind, JoinOn, Name, Query, Statement, Tokens};

use super::Refusal;
use super::bind::{Analysis, rename};
use super::bind_query::visible_of;
use super::facts::Fact;
use super::nodes::{FromNode, JoinNode, QueryNode, Role};
use super::operand::{Operand, equal};
use super::relation::{ColId, Column, Env, Relation, Scope, StarColumn, Visible, position};

impl<'a> Analysis<'a> {
    /// Binds the comma-separated items of a FROM clause.
    ///
    /// # Errors
    /// As [`Analysis::query`].
    pub fn bind_items(
        &mut self,
        items: &'a [FromItem],
        scope: &Scope<'a>,
    ) -> Result<(FromNode, Visible), Refusal> {
        let mut nodes = Vec::with_capacity(items.len());
        let mut visible = Visible::default();
        for item in items {
            let (node, shown) = self.bind_item(item, scope, &visible)?;
            nodes.push(node);
            visible = visible.join(shown);
        }
        match nodes.len() {
            1 => Ok((nodes.swap_remove(0), visible)),
            _ => Ok((FromNode::Cross(nodes), visible)),
        }
    }

    /// `before` is what stands to the left of the item, for LATERAL.
    ///
    /// # Errors
    /// As [`Analysis::query`].
    pub fn bind_item(
        &mut self,
        item: &'a FromItem,
        scope: &Scope<'a>,
        before: &Visible,
    ) -> Result<(FromNode, Visible), Refusal> {
        self.check_stack()?;
        match item {
            FromItem::Table { name, alias, sampled, tokens } => {
                self.effects.volatile += usize::from(*sampled);
                if name.schema.is_none()
                    && let Some((env, at)) = scope.cte(&name.name)
                {
                    return self.cte(&env, at, alias);
                }
                let (table, rule) = self.router.table(name, self.search_path);
                if !self.is_viewing(&table)
                    && let Some(definition) = self.router.definition(&table, rule.as_ref())
                {
                    return self.view(item, table, definition);
                }
                self.table(name, alias, tokens)
            }
            FromItem::Derived { query, alias, lateral } => {
                let inner = if *lateral { scope.within(before.clone()) } else { scope.clone() };
                self.derived(query, alias, &inner)
            }
            FromItem::Function { calls, alias, .. } => {
                // A function in FROM sees what stands before it, LATERAL or not.
                let inner = scope.within(before.clone());
                let mut subs = Vec::new();
                self.walk_all(calls, &inner, &mut subs)?;
                let name = alias.name.clone().or_else(|| match calls.as_slice() {
                    [crate::sql::Expr::Function(call)] => call.name.clone().map(|n| n.name),
                    _ => None,
                });
                let relation = self.add_relation(Relation { columns: Vec::new(), more: true })?;
                Ok((FromNode::Function { subs }, visible_of(relation, name, None, None)))
            }
            FromItem::Join { left, right, kind, on, alias } => {
                self.join(Joined { left, right, kind: *kind, on, alias }, scope, before)
            }
        }
    }

    fn table(
        &mut self,
        name: &'a Name,
        alias: &'a Alias,
        tokens: &Tokens,
    ) -> Result<(FromNode, Visible), Refusal> {
        let (relation, mut node) =
            self.bind_table(name, alias.name.as_ref(), &alias.columns, Role::Read)?;
        node.at = self.viewed().is_none().then_some(tokens.start);
        let shown = alias.name.clone().unwrap_or_else(|| name.name.clone());
        let table = alias.name.is_none().then(|| node.table.clone());
        let star = self.star_of(relation);
        Ok((FromNode::Table(node), visible_of(relation, Some(shown), table, star)))
    }

    /// A reference to a common table expression is a derived table: what one reference needs
    /// of it, another may not.
    fn cte(
        &mut self,
        env: &Env<'a>,
        at: usize,
        alias: &'a Alias,
    ) -> Result<(FromNode, Visible), Refusal> {
        let block = &env.block;
        let Some(cte) = block.ctes.get(at) else {
            return Err(Refusal::not_understood("this WITH list"));
        };
        self.named.push((Rc::as_ptr(block), at));
        let start = self.next_relation();
        let mut query = if self.is_building(block, at) {
            QueryNode::opaque(start)
        } else {
            let scope = self.cte_scope(block, at);
            self.building.push((Rc::as_ptr(block), at));
            let bound = match &cte.statement {
                Statement::Query(query) => self.cte_query(query, block.recursive, at, env, &scope),
                // Its tables were looked at where it stands; here only its output counts.
                other => self.write(other, &scope),
            };
            self.building.pop();
            bound?
        };
        if !matches!(cte.statement, Statement::Query(_)) {
            query.open = false;
        }
        let name = alias.name.clone().unwrap_or_else(|| cte.name.clone());
        let written = !matches!(cte.statement, Statement::Query(_));
        let (node, visible) = self.show(query, name, &[&cte.columns, &alias.columns])?;
        Ok((if written { shadow(node) } else { node }, visible))
    }

    /// A recursive one is not open: what its first rows needn't hold, later rows may.
    fn cte_query(
        &mut self,
        query: &'a Query,
        recursive: bool,
        at: usize,
        env: &Env<'a>,
        scope: &Scope<'a>,
    ) -> Result<QueryNode, Refusal> {
        let key = (Rc::as_ptr(&env.block), at);
        let before = self.named.iter().filter(|named| **named == key).count();
        let mut node = self.query(query, scope)?;
        let after = self.named.iter().filter(|named| **named == key).count();
        if recursive && after != before {
            node = recursive_node(node);
        }
        Ok(node)
    }

    fn derived(
        &mut self,
        query: &'a Query,
        alias: &'a Alias,
        scope: &Scope<'a>,
    ) -> Result<(FromNode, Visible), Refusal> {
        let query = self.query(query, scope)?;
        match &alias.name {
            Some(name) => self.show(query, name.clone(), &[&alias.columns]),
            None => {
                let (node, mut visible) = self.show(query, "".into(), &[&alias.columns])?;
                visible.entries.iter_mut().for_each(|entry| entry.name = None);
                Ok((node, visible))
            }
        }
    }

    fn show(
        &mut self,
        query: QueryNode,
        name: Ident,
        aliases: &[&[Ident]],
    ) -> Result<(FromNode, Visible), Refusal> {
        let columns = query.outputs.iter().map(|o| self.shown_column(o)).collect();
        let mut relation = Relation { columns, more: !query.complete };
        aliases.iter().for_each(|aliases| rename(&mut relation, aliases));
        // A name that the server made up may be another than we think.
        let guessed = relation.columns.iter().any(|column| &*column.name == "?column?");
        let star = query.complete;
        relation.more |= guessed;
        let number = self.add_relation(relation)?;
        let star = star.then(|| self.listed(number));
        let node = FromNode::Derived { relation: number, query: Box::new(query) };
        Ok((node, visible_of(number, Some(name), None, star)))
    }

    /// What `*` of one relation stands for.
    pub fn star_of(&self, relation: u32) -> Option<Vec<StarColumn>> {
        let more = self.relations.get(relation as usize)?.more;
        (!more).then(|| self.listed(relation))
    }

    fn listed(&self, relation: u32) -> Vec<StarColumn> {
        let Some(found) = self.relations.get(relation as usize) else { return Vec::new() };
        let star = |(at, column): (usize, &Column)| StarColumn {
            name: column.name.clone(),
            column: Some(ColId { relation, column: at as u32 }),
        };
        found.columns.iter().enumerate().map(star).collect()
    }

    fn join(
        &mut self,
        join: Joined<'a>,
        scope: &Scope<'a>,
        before: &Visible,
    ) -> Result<(FromNode, Visible), Refusal> {
        let Joined { left, right, kind, on, alias } = join;
        let start = self.next_relation();
        let (left, left_visible) = self.bind_item(left, scope, before)?;
        let middle = self.next_relation();
        let beside = before.clone().join(left_visible.clone());
        let (right, right_visible) = self.bind_item(right, scope, &beside)?;
        let end = self.next_relation();
        let mut subs = Vec::new();
        let mut facts = Vec::new();
        let mut visible = match on {
            JoinOn::None => left_visible.join(right_visible),
            JoinOn::Condition(condition) => {
                let visible = left_visible.join(right_visible);
                let inner = scope.within(visible.clone());
                facts.push(self.condition(condition, &inner, &mut subs, true)?);
                visible
            }
            JoinOn::Using(columns) => {
                let merging = Merging { kind, left: left_visible, right: right_visible };
                self.using(columns, merging, &mut facts)
            }
            JoinOn::Natural => {
                self.natural(Merging { kind, left: left_visible, right: right_visible }, &mut facts)
            }
        };
        if let Some(name) = &alias.name {
            self.hide(&mut visible, name);
        }
        let node = JoinNode {
            kind,
            left,
            right,
            left_relations: start..middle,
            right_relations: middle..end,
            on: facts,
            subs,
        };
        Ok((FromNode::Join(Box::new(node)), visible))
    }

    /// Under an alias of its own, or of its USING columns, a join's columns aren't followed.
    fn hide(&mut self, visible: &mut Visible, name: &Ident) {
        let names = visible.entries.drain(..).filter_map(|entry| entry.name);
        visible.hidden.extend(names);
        visible.hidden.push(name.clone());
        visible.merged.clear();
        visible.opaque = true;
        visible.star = None;
    }

    fn using(&mut self, columns: &[Ident], merging: Merging, facts: &mut Vec<Fact>) -> Visible {
        let Merging { kind, left, right } = merging;
        let mut merged = Vec::with_capacity(columns.len());
        for column in columns {
            let (l, r) = (self.unique(&left, column), self.unique(&right, column));
            if let (Some(l), Some(r)) = (l, r) {
                let operand = |column| Operand::Column(column, self.column_type(column));
                facts.push(equal(operand(l), operand(r)));
            }
            let own = match kind {
                JoinKind::Inner | JoinKind::Left => l,
                JoinKind::Right => r,
                // coalesce of both
                JoinKind::Full => None,
            };
            merged.push((column.clone(), own));
        }
        merge(left, right, merged)
    }

    fn natural(&mut self, merging: Merging, facts: &mut Vec<Fact>) -> Visible {
        let (Some(left), Some(right)) = (&merging.left.star, &merging.right.star) else {
            // Which columns are common isn't known.
            let mut visible = merging.left.join(merging.right);
            visible.opaque = true;
            visible.merged.clear();
            visible.star = None;
            return visible;
        };
        let common: Vec<Ident> = left
            .iter()
            .filter(|column| right.iter().any(|other| other.name == column.name))
            .map(|column| column.name.clone())
            .collect();
        self.using(&common, merging, facts)
    }

    /// The one column of this name on a side of a join.
    fn unique(&self, side: &Visible, name: &str) -> Option<ColId> {
        if let Some((_, merged)) = side.merged.iter().find(|(merged, _)| &**merged == name) {
            return *merged;
        }
        if side.opaque {
            return None;
        }
        let mut found = None;
        for entry in &side.entries {
            let relation = self.relations.get(entry.relation as usize)?;
            if let Some(column) = position(relation, name) {
                if found.is_some() {
                    return None;
                }
                found = Some(ColId { relation: entry.relation, column });
            }
        }
        found
    }
}

/// A join as it is written.
struct Joined<'a> {
    left: &'a FromItem,
    right: &'a FromItem,
    kind: JoinKind,
    on: &'a JoinOn,
    alias: &'a Alias,
}

struct Merging {
    kind: JoinKind,
    left: Visible,
    right: Visible,
}

/// Both sides' columns, those that USING names once and first.
fn merge(left: Visible, right: Visible, merged: Vec<(Ident, Option<ColId>)>) -> Visible {
    let is_merged = |column: &StarColumn| merged.iter().any(|(name, _)| *name == column.name);
    let star = match (&left.star, &right.star) {
        (Some(l), Some(r)) => {
            let first = merged
                .iter()
                .map(|(name, column)| StarColumn { name: name.clone(), column: *column });
            let rest = l.iter().chain(r).filter(|column| !is_merged(column)).cloned();
            Some(first.chain(rest).collect())
        }
        _ => None,
    };
    let mut visible = left.join(right);
    // The inner merge of a name is hidden by the outer one.
    visible.merged.retain(|(name, _)| !merged.iter().any(|(outer, _)| outer == name));
    visible.merged.extend(merged);
    visible.star = star;
    visible
}

/// Rows of a recursive query come from rows of it that nobody sees.
fn recursive_node(mut node: QueryNode) -> QueryNode {
    node.open = false;
    let relations = node.relations.clone();
    let outputs: Vec<_> = node
        .outputs
        .iter()
        .cloned()
        .map(|mut output| {
            output.column_type = None;
            output
        })
        .collect();
    let complete = node.complete;
    QueryNode {
        relations,
        body: super::nodes::Body::Sealed(Box::new(node)),
        open: false,
        outputs,
        complete,
        tail: Vec::new(),
        limited: false,
    }
}

/// The rows that a data-modifying common table expression returns: the tables were placed
/// where it stands.
fn shadow(node: FromNode) -> FromNode {
    match node {
        FromNode::Derived { relation, query } => FromNode::Returned { relation, query },
        other => other,
    }
}
