//! Views: one that stands in FROM is the derived table that its definition is.

use crate::config::rules::TableName;
use crate::sql::{FromItem, Literal};

use super::Refusal;
use super::bind::{Analysis, relation_of, rename};
use super::bind_query::visible_of;
use super::definition::Definition;
use super::local::Locality;
use super::nodes::{FromNode, QueryNode};
use super::operand::Operand;
use super::places::Tree;
use super::plan::{Place, Site};
use super::relation::{Scope, Visible};
use super::scatter::Reason;
use super::scatter_check::Check;
use super::value::Origin;

/// A view that was read through.
pub(super) struct ViewSeen<'a> {
    /// Where it stands.
    item: *const FromItem,
    /// What it is in the analysis.
    relation: u32,
    pub table: TableName,
    pub definition: &'a Definition,
    /// The token at which its name begins, if that is in the statement and not in a definition.
    pub at: Option<u32>,
    /// A shard's rows of it are its share of all its rows; or why that isn't so.
    pub shared: Result<(), Reason>,
}

/// A literal of a view's definition.
pub(super) fn fixed(view: &Definition, literal: &Literal) -> Operand {
    match literal.value(view.text().as_bytes()) {
        Ok(value) => Operand::Constant(Origin::Fixed {
            kind: literal.kind,
            value: value.as_ref().into(),
            negative: false,
        }),
        Err(_) => Operand::Unknown,
    }
}

impl<'a> Analysis<'a> {
    /// The definition that is being bound.
    pub fn viewed(&self) -> Option<&'a Definition> {
        self.viewing.last().map(|(_, definition)| *definition)
    }

    /// Whether a view is being bound already: it reads itself, and the server says so.
    pub fn is_viewing(&self, table: &TableName) -> bool {
        self.viewing.iter().any(|(viewing, _)| viewing == table)
    }

    /// The definition of a view that stands there.
    pub fn view_at(&self, item: &FromItem) -> Option<&'a Definition> {
        let found = self.views.iter().find(|view| std::ptr::eq(view.item, item))?;
        Some(found.definition)
    }

    /// Binds a view where it stands.
    ///
    /// # Errors
    /// As [`Analysis::query`].
    pub fn view(
        &mut self,
        item: &'a FromItem,
        table: TableName,
        definition: &'a Definition,
    ) -> Result<(FromNode, Visible), Refusal> {
        let FromItem::Table { name, alias, tokens, .. } = item else {
            return Err(Refusal::not_understood("a view that isn't one"));
        };
        let at = self.viewed().is_none().then_some(tokens.start);
        let (query, shared) = self.defined(&table, definition)?;
        let facts = self.router.schema.tables.get(&table);
        let mut relation = relation_of(facts, None);
        rename(&mut relation, &alias.columns);
        let relation = self.add_relation(relation)?;
        let shown = alias.name.clone().unwrap_or_else(|| name.name.clone());
        let named = alias.name.is_none().then(|| table.clone());
        let visible = visible_of(relation, Some(shown), named, self.star_of(relation));
        self.views.push(ViewSeen { item, relation, table, definition, at, shared });
        Ok((FromNode::Derived { relation, query: Box::new(query) }, visible))
    }

    /// Binds a definition, which sees nothing of where its view stands.
    fn defined(
        &mut self,
        table: &TableName,
        definition: &'a Definition,
    ) -> Result<(QueryNode, Result<(), Reason>), Refusal> {
        self.check_stack()?;
        let Some(query) = definition.query() else { return Err(Refusal::view(table)) };
        let effects = std::mem::take(&mut self.effects);
        let (refusals, counts) = (self.refusals.len(), self.counts);
        let (literals, path) = (self.literals, self.search_path);
        (self.literals, self.search_path) = (definition.literals(), &[]);
        self.viewing.push((table.clone(), definition));
        let bound = self.query(query, &Scope::default());
        self.viewing.pop();
        (self.literals, self.search_path) = (literals, path);
        // Its aggregates are its own.
        self.counts = counts;
        let mut bound = bound?;
        let columns = self.router.schema.tables.get(table).map_or(0, |facts| facts.columns.len());
        if !bound.complete || bound.outputs.len() != columns {
            bound.outputs.clear();
            bound.complete = false;
        }
        let shared = match self.effects.is_nothing() && self.refusals.len() == refusals {
            true => Locality::new(self)
                .is_shared(&bound)
                .and_then(|()| Check::new(self).definition(definition)),
            false => Err("it has a view that does more than read tables"),
        };
        self.effects = effects.and(std::mem::take(&mut self.effects));
        Ok((bound, shared))
    }

    /// Notes where the rows of a view lie, if the relation is one: where those lie that its
    /// definition reads, which are the occurrences from `before` on.
    pub fn place_view(&mut self, relation: u32, before: usize) {
        if self.views.is_empty() {
            return;
        }
        let Some(view) = self.views.iter().find(|view| view.relation == relation) else { return };
        let Some(at) = view.at else { return };
        let keys = self.occurrences.iter().skip(before).filter_map(|o| match &o.place {
            Place::Keys { keyspace, tree } => Some((*keyspace, tree.clone())),
            _ => None,
        });
        let (keyspaces, trees): (Vec<usize>, Vec<Tree>) = keys.unzip();
        let place = match keyspaces.first() {
            Some(keyspace) => Place::Keys { keyspace: *keyspace, tree: Tree::or(trees) },
            None => Place::Anywhere,
        };
        let site = Site { at, table: view.table.clone(), place };
        self.sites.push(site);
    }
}
