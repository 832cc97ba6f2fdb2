//! A SELECT that one server finishes over rows pulled from the others: whether it can be, and
//! what is pulled. `docs/decisions/013-gather.md` has the argument.

use std::collections::{HashMap, HashSet};

use crate::config::rules::TableName;
use crate::sql::{
    Expr, FromItem, Function, Ident, JoinOn, NamePlace, Node, Select, SelectItem, Statement,
    Tokens, visit,
};

use super::bind::Analysis;
use super::gather_filter::{Bare, Filter, filters};
use super::gather_types::Carried;
use super::gather_views::{self, Expansion};
use super::places::Tree;
use super::plan::Place;
use super::scatter::{NO_SELECT, Reason};
use super::schema::{Column, Table};

/// Columns of every table that each server fills in by itself.
pub(super) const OF_SERVER: &[&str] = &["ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"];

/// Functions that tell how a value is stored, which is another thing once it was sent.
const ASKS_STORAGE: &[&str] = &["pg_column_size", "pg_column_compression"];

/// What is known of a gather before its statement has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gather {
    /// In the order of the text.
    pub sites: Vec<Site>,
    /// Only the home shard can finish it.
    pub home: bool,
    /// It reads tables beside those that are pulled.
    pub reads: bool,
    /// Definitions that are put in the place of views before anything else is done, one after the
    /// other, each over the text that the one before has made: tokens are of the last.
    pub expansions: Vec<Expansion>,
}

/// A sharded table in FROM, whose rows are pulled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Site {
    /// Its name, which something else is put in the place of.
    pub tokens: Tokens,
    /// It is that of `TABLE t`.
    pub is_command: bool,
    pub is_only: bool,
    pub table: TableName,
    /// By which the statement knows it.
    pub name: Ident,
    /// The text says that name.
    pub is_named: bool,
    /// In the table's order, at least one.
    pub columns: Vec<Pulled>,
    pub filters: Vec<Filter>,
    pub keyspace: usize,
    pub tree: Tree,
    /// Columns that depend on those of a GROUP BY, and where they are added to it.
    pub grouped: Option<(u32, Vec<Ident>)>,
}

/// A column that is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pulled {
    pub name: Ident,
    pub type_oid: u32,
    pub carried: Carried,
    /// Its type and collation in SQL.
    pub written: Box<str>,
    pub collation: Option<Box<str>>,
}

/// Whether and how an analysed statement can be finished by one server.
pub(super) fn of(
    analysis: &Analysis<'_>,
    statement: &Statement,
    names: &[NamePlace],
) -> Result<Box<Gather>, Reason> {
    let Statement::Query(_) = statement else { return Err(NO_SELECT) };
    let effects = &analysis.effects;
    if effects.writes || !effects.leaves.is_nothing() {
        return Err("it writes, locks rows, or leaves something in its session");
    }
    if effects.session_state.is_some() || !analysis.refusals.is_empty() {
        return Err("it asks of its session");
    }
    if analysis.router.schema.server_major == 0 {
        return Err("the tables aren't known yet");
    }
    let mut walk = Walk::default();
    visit(statement, &mut |node| walk.see(analysis, node));
    if let Some(reason) = walk.wrong {
        return Err(reason);
    }
    if names.iter().any(|named| OF_SERVER.contains(&&*named.name)) {
        return Err("it asks for a system column, which each server fills in by itself");
    }
    let names = Names::of(&walk, names);
    if let Some(expansion) = walk.expansion(analysis, &names)? {
        return gather_views::expanded(analysis, expansion);
    }
    let sites = walk.sites(analysis, &names)?;
    if sites.is_empty() {
        return Err(NO_SELECT);
    }
    let at_home = |place: &Place| matches!(place, Place::Home);
    let home = effects.ask_home || analysis.occurrences.iter().any(|o| at_home(&o.place));
    let pulled = |place: &Place| matches!(place, Place::Keys { .. });
    let reads = analysis.occurrences.iter().any(|o| o.table.is_some() && !pulled(&o.place));
    Ok(Box::new(Gather { sites, home, reads, expansions: Vec::new() }))
}

/// What the tree of a statement says of its tables.
#[derive(Default)]
pub(super) struct Walk<'t> {
    tables: Vec<Found<'t>>,
    by_token: HashMap<u32, usize>,
    natural: bool,
    asks_types: bool,
    wrong: Option<Reason>,
}

/// A name in FROM: a table's, or that of something else.
pub(super) struct Found<'t> {
    pub item: &'t FromItem,
    /// The SELECT in whose FROM it stands, and whether it may filter it there.
    pub select: Option<(&'t Select, bool)>,
    /// That SELECT has `*`.
    starred: bool,
}

impl<'t> Walk<'t> {
    fn see(&mut self, analysis: &Analysis<'_>, node: Node<'t>) {
        match node {
            Node::Select(select) => {
                let first = self.tables.len();
                for item in &select.from {
                    self.under(select, item, true);
                }
                let star = |item: &SelectItem| matches!(item, SelectItem::Wildcard);
                if select.items.iter().any(star) {
                    self.tables[first..].iter_mut().for_each(|found| found.starred = true);
                }
            }
            Node::From(FromItem::Table { sampled: true, .. }) => {
                self.wrong = self.wrong.or(Some("it has a TABLESAMPLE"));
            }
            Node::Query(query) if query.locks_rows => {
                self.wrong = self.wrong.or(Some("it locks rows"));
            }
            Node::Expr(Expr::Function(call)) => self.call(analysis, call),
            _ => {}
        }
    }

    /// The tables of one FROM. `plain`: what WHERE says of a row decides whether it matters.
    fn under(&mut self, select: &'t Select, item: &'t FromItem, plain: bool) {
        match item {
            FromItem::Table { tokens, .. } => {
                self.by_token.insert(tokens.start, self.tables.len());
                let select = Some((select, plain));
                self.tables.push(Found { item, select, starred: false });
            }
            FromItem::Join { left, right, kind, on, alias } => {
                use crate::sql::JoinKind as K;
                self.natural |= *on == JoinOn::Natural;
                let plain = plain && alias.name.is_none();
                self.under(select, left, plain && matches!(kind, K::Inner | K::Left));
                self.under(select, right, plain && matches!(kind, K::Inner | K::Right));
            }
            FromItem::Derived { .. } | FromItem::Function { .. } => {}
        }
    }

    fn call(&mut self, analysis: &Analysis<'_>, call: &Function) {
        let Some(name) = &call.name else { return };
        if ASKS_STORAGE.contains(&&*name.name) {
            self.wrong = self.wrong.or(Some("it asks how a value is stored"));
        }
        if super::functions::vouched_for(name, &analysis.router.rules) {
            // It may read rows of the shard on which it runs.
            self.wrong =
                self.wrong.or(Some("it calls a function that is right on a row's own shard"));
        }
        self.asks_types |= &*name.name == "pg_typeof"
            || super::functions::is_defined(name, &analysis.router.schema);
    }

    fn sites(&self, analysis: &Analysis<'_>, names: &Names<'_>) -> Result<Vec<Site>, Reason> {
        let mut sites: Vec<Site> = Vec::new();
        let mut bare = Bare::default();
        let mut order: HashMap<u32, usize> = HashMap::new();
        for placed in &analysis.sites {
            let Place::Keys { keyspace, tree } = &placed.place else { continue };
            if let Some(at) = order.get(&placed.at) {
                let site: &mut Site = &mut sites[*at];
                let known = std::mem::replace(&mut site.tree, Tree::Any);
                site.tree = Tree::or(vec![known, tree.clone()]);
                continue;
            }
            let Some(found) = self.at(placed.at) else {
                return Err("a table stands where it isn't looked for");
            };
            order.insert(placed.at, sites.len());
            let placed = (&placed.table, *keyspace, tree);
            sites.push(self.site(analysis, found, placed, (names, &mut bare))?);
        }
        sites.sort_by_key(|site| site.tokens.start);
        Ok(sites)
    }

    /// Whether the statement may need all columns of what it calls by that name.
    pub fn needs_all(
        &self,
        found: &Found<'t>,
        name: &str,
        names: &Names<'_>,
    ) -> Result<bool, Reason> {
        let FromItem::Table { alias, .. } = found.item else { return Ok(true) };
        // Its name may stand for its whole row, or for all its columns.
        let whole_row = names.alone.contains(name);
        if whole_row && self.asks_types {
            return Err("it asks for the type of whole rows");
        }
        Ok(whole_row || found.starred || self.natural || !alias.columns.is_empty())
    }

    /// What stands at a token in FROM.
    pub fn at(&self, token: u32) -> Option<&Found<'t>> {
        self.by_token.get(&token).and_then(|at| self.tables.get(*at))
    }

    fn site(
        &self,
        analysis: &Analysis<'_>,
        found: &Found<'t>,
        (table, keyspace, tree): (&TableName, usize, &Tree),
        (names, bare): (&Names<'_>, &mut Bare),
    ) -> Result<Site, Reason> {
        let FromItem::Table { alias, tokens, .. } = found.item else {
            return Err("a table stands where it isn't looked for");
        };
        let facts = analysis.router.schema.tables.get(table);
        let Some(facts) = facts else { return Err("a table's columns aren't known") };
        let name = alias.name.clone().unwrap_or_else(|| table.name.clone());
        let all = self.needs_all(found, &name, names)?;
        let columns = columns(facts, all, names)?;
        let is_command = found.select.is_some_and(|(select, _)| select.items_end.is_none());
        let mut site = Site {
            tokens: tokens.clone(),
            is_command,
            is_only: tokens.len() > 1 && names.at(tokens.start) == Some("only"),
            table: table.clone(),
            is_named: alias.name.is_some(),
            name,
            columns,
            filters: Vec::new(),
            keyspace,
            tree: tree.clone(),
            grouped: None,
        };
        if let Some((select, true)) = found.select
            && alias.columns.is_empty()
        {
            site.filters = filters(select, &site.name, facts, bare.of(analysis, select));
        }
        if let Some((select, _)) = found.select {
            site.grouped = super::gather_group::dependent(analysis, select, &site, facts);
        }
        Ok(site)
    }
}

/// The names of a statement.
pub(super) struct Names<'n> {
    places: &'n [NamePlace],
    pub all: HashSet<&'n str>,
    /// Those that stand somewhere without a column behind them, and not as a table's in FROM.
    alone: HashSet<&'n str>,
}

impl<'n> Names<'n> {
    fn of(walk: &Walk<'_>, places: &'n [NamePlace]) -> Names<'n> {
        let mut names = Names { places, all: HashSet::new(), alone: HashSet::new() };
        let of_from: HashSet<u32> = walk.tables.iter().flat_map(|f| names.of_table(f)).collect();
        for place in places {
            names.all.insert(&place.name);
            if !place.qualifies && !of_from.contains(&place.at) {
                names.alone.insert(&place.name);
            }
        }
        names
    }

    fn at(&self, token: u32) -> Option<&'n str> {
        let found = self.places.binary_search_by_key(&token, |place| place.at).ok()?;
        self.places.get(found).map(|place| &*place.name)
    }

    /// The tokens of a table's name in FROM, and of what it is called there.
    fn of_table(&self, found: &Found<'_>) -> Vec<u32> {
        let FromItem::Table { tokens, alias, .. } = found.item else { return Vec::new() };
        let mut own: Vec<u32> = tokens.clone().collect();
        if alias.name.is_some() {
            own.push(tokens.end + u32::from(self.at(tokens.end) == Some("as")));
        }
        own
    }
}

/// The columns of a table that a statement may need: all, or those whose names stand in it.
fn columns(facts: &Table, all: bool, names: &Names<'_>) -> Result<Vec<Pulled>, Reason> {
    let wanted = |name: &str| all || names.all.contains(name);
    let mut columns = Vec::new();
    for column in facts.columns.iter().filter(|column| wanted(&column.name)) {
        match Pulled::of(column) {
            Some(pulled) => columns.push(pulled),
            None => return Err("it needs a column of OIDs, which each server has its own of"),
        }
    }
    if columns.is_empty() {
        // Rows are counted by any.
        columns.extend(facts.columns.iter().find_map(Pulled::of));
    }
    if columns.is_empty() { Err("a table has no columns") } else { Ok(columns) }
}

impl Pulled {
    /// `None` where its values are other ones on another server.
    fn of(column: &Column) -> Option<Pulled> {
        Some(Pulled {
            name: column.name.clone(),
            type_oid: column.type_oid,
            carried: Carried::of(column)?,
            written: column.written.clone(),
            collation: column.collation.clone(),
        })
    }
}

impl Gather {
    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        let site = |site: &Site| {
            let columns = site.columns.len() * (size_of::<Pulled>() + 40);
            let filters = site.filters.iter().map(Filter::bytes).sum::<usize>();
            size_of::<Site>() + 60 + columns + filters + site.tree.bytes()
        };
        let expansions = self.expansions.iter().map(Expansion::bytes).sum::<usize>();
        size_of::<Gather>() + self.sites.iter().map(site).sum::<usize>() + expansions
    }
}
