//! From the tree of a statement to its nodes: the state of one analysis, and tables.

use std::rc::Rc;

use crate::config::rules::{KeyType, TableName, Unlisted};
use crate::sql::{Ident, Literals, Name, Scanned};

use super::bind_view::ViewSeen;
use super::definition::Definition;
use super::functions::{self, Effect};
use super::nodes::{Role, TableNode, Target};
use super::plan::{Occurrence, Place, Site};
use super::relation::{ColId, Column, Relation, WithBlock, position};
use super::router::{Router, TableRule};
use super::schema::{self, TableKind};
use super::value::{ColumnType, is_integer, key_type};
use super::{Leaves, Refusal};

/// What a statement does beyond reading tables.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub writes: bool,
    /// If nothing else decides, the home shard.
    pub ask_home: bool,
    /// The function that needs the home shard.
    pub need_home: Option<Box<str>>,
    /// NOTIFY: said where the transaction is.
    pub notifies: bool,
    /// It reads the clock, in a way that gives one time to all of a statement.
    pub clock: bool,
    /// A trigger of what it writes may.
    pub may_notify: bool,
    pub sequence: Option<Box<str>>,
    pub session_state: Option<Box<str>>,
    /// What stays with the server's session.
    pub leaves: Leaves,
    /// WHERE CURRENT OF: the row lies where the transaction's cursor is.
    pub current_of: bool,
    /// Calls of volatile functions, locks of rows.
    pub volatile: usize,
    /// The analysis read a literal's value.
    pub exact_text: bool,
}

impl Effects {
    /// Whether there is none.
    pub fn is_nothing(&self) -> bool {
        let session = self.session_state.is_some() || self.current_of || !self.leaves.is_nothing();
        let home = self.ask_home || self.need_home.is_some() || self.sequence.is_some();
        !(session || home || self.writes || self.notifies || self.may_notify || self.volatile > 0)
    }

    /// These, and those of another part.
    pub fn and(self, other: Effects) -> Effects {
        Effects {
            writes: self.writes || other.writes,
            ask_home: self.ask_home || other.ask_home,
            need_home: self.need_home.or(other.need_home),
            sequence: self.sequence.or(other.sequence),
            session_state: self.session_state.or(other.session_state),
            leaves: self.leaves.and(other.leaves),
            current_of: self.current_of || other.current_of,
            volatile: self.volatile + other.volatile,
            exact_text: self.exact_text || other.exact_text,
            notifies: self.notifies || other.notifies,
            clock: self.clock || other.clock,
            may_notify: self.may_notify || other.may_notify,
        }
    }
}

/// What was met so far; a part of a statement compares before and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub windows: usize,
    pub aggregates: usize,
}

/// What was met so far of one SELECT, without the queries inside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Level {
    pub windows: bool,
    pub aggregates: bool,
    /// An aggregate whose result may hang on the order of the rows.
    pub loose: bool,
}

/// One analysis of one statement.
pub(super) struct Analysis<'a> {
    pub router: &'a Router,
    pub search_path: &'a [Box<str>],
    pub literals: &'a Literals,
    pub text: &'a [u8],
    pub scanned: &'a Scanned,
    pub relations: Vec<Relation>,
    pub occurrences: Vec<Occurrence>,
    /// The places of what stands in FROM, each as often as it was bound.
    pub sites: Vec<Site>,
    pub effects: Effects,
    /// Refusals that a hint lifts: the user says where the statement belongs.
    pub refusals: Vec<Refusal>,
    pub parameter_uses: Vec<u32>,
    pub counts: Counts,
    pub level: Level,
    /// An aggregate in a subquery may be one of a query around it.
    pub outer_aggregate: bool,
    /// Recursive common table expressions that are being bound.
    pub building: Vec<(*const WithBlock<'a>, usize)>,
    /// Where the stack was when the analysis began.
    stack: usize,
    /// Facts handed on so far.
    pub work: usize,
    /// Common table expressions that something names.
    pub named: Vec<(*const WithBlock<'a>, usize)>,
    /// Views that were read through.
    pub views: Vec<ViewSeen<'a>>,
    /// The views whose definitions are being bound, each in the one before it.
    pub viewing: Vec<(TableName, &'a Definition)>,
    /// Views that are written through, each with its table.
    pub through: Vec<(TableName, TableName)>,
    /// The definitions of all these.
    pub written_through: Vec<&'a Definition>,
}

impl<'a> Analysis<'a> {
    /// `scanned` is a statement of the text.
    pub fn new(
        router: &'a Router,
        search_path: &'a [Box<str>],
        text: &'a [u8],
        scanned: &'a Scanned,
    ) -> Self {
        Analysis {
            router,
            search_path,
            literals: &scanned.literals,
            text,
            scanned,
            relations: Vec::new(),
            occurrences: Vec::new(),
            sites: Vec::new(),
            effects: Effects::default(),
            refusals: Vec::new(),
            parameter_uses: Vec::new(),
            counts: Counts::default(),
            level: Level::default(),
            outer_aggregate: false,
            stack: stack_here(),
            work: 0,
            building: Vec::new(),
            named: Vec::new(),
            views: Vec::new(),
            viewing: Vec::new(),
            through: Vec::new(),
            written_through: Vec::new(),
        }
    }

    /// To be asked by everything that calls itself for a part of the statement.
    ///
    /// # Errors
    /// The statement is too deep for the stack, counting the common table expressions that
    /// refer to each other.
    pub fn check_stack(&self) -> Result<(), Refusal> {
        let used = self.stack.abs_diff(stack_here());
        if used > self.router.bounds.stack { Err(Refusal::too_deep()) } else { Ok(()) }
    }

    pub fn next_relation(&self) -> u32 {
        self.relations.len() as u32
    }

    /// # Errors
    /// The statement has more parts than the router's bound.
    pub fn add_relation(&mut self, relation: Relation) -> Result<u32, Refusal> {
        let bound = self.router.bounds.parts;
        if self.relations.len() >= bound {
            return Err(Refusal::too_complex(bound));
        }
        self.relations.push(relation);
        Ok(self.next_relation() - 1)
    }

    pub fn column_type(&self, column: ColId) -> Option<ColumnType> {
        let relation = self.relations.get(column.relation as usize)?;
        relation.columns.get(column.column as usize)?.column_type
    }

    /// Whether a column's values are ordered by their bytes, if they are texts.
    pub fn is_bytewise(&self, column: ColId) -> bool {
        let relation = self.relations.get(column.relation as usize);
        let column = relation.and_then(|relation| relation.columns.get(column.column as usize));
        column.is_some_and(|column| column.bytewise)
    }

    pub fn use_parameter(&mut self, number: u16) {
        let Some(at) = usize::from(number).checked_sub(1) else { return };
        if self.parameter_uses.len() <= at {
            self.parameter_uses.resize(at + 1, 0);
        }
        self.parameter_uses[at] += 1;
    }

    /// An occurrence that isn't in a FROM clause: the places of inserted rows, of effects.
    pub fn place(&mut self, table: Option<TableName>, place: Place) {
        self.occurrences.push(Occurrence { table, alias: None, place });
    }

    /// A table in FROM or as the target: its relation and its node.
    ///
    /// # Errors
    /// The statement has too many parts.
    pub fn bind_table(
        &mut self,
        name: &Name,
        alias: Option<&Ident>,
        aliases: &[Ident],
        role: Role,
    ) -> Result<(u32, TableNode), Refusal> {
        let router = self.router;
        let (table, rule) = router.table(name, self.search_path);
        let facts = router.schema.tables.get(&table);
        self.effects.may_notify |=
            role == Role::Write && facts.is_some_and(|facts| facts.may_notify);
        let mut relation = relation_of(facts, rule.as_ref());
        let number = self.next_relation();
        let target = self.target(&table, rule, facts, &relation, number, role);
        rename(&mut relation, aliases);
        self.add_relation(relation)?;
        Ok((number, TableNode { table, alias: alias.cloned(), target, at: None }))
    }

    fn target(
        &self,
        table: &TableName,
        rule: Option<TableRule>,
        facts: Option<&schema::Table>,
        relation: &Relation,
        number: u32,
        role: Role,
    ) -> Target {
        let single = self.router.shards.len() == 1;
        let kind = facts.map(|facts| facts.kind).unwrap_or_default();
        let is_view = matches!(kind, TableKind::View | TableKind::MaterializedView);
        let is_sharded = matches!(rule, Some(TableRule::Sharded { .. }));
        if !single && !is_sharded && self.shares_rows(facts) {
            return Target::Refused(Refusal::shares_rows(table));
        }
        match rule {
            Some(TableRule::Sharded { .. }) if is_view => Target::Refused(Refusal::view(table)),
            Some(TableRule::Sharded { keyspace, columns, types }) => {
                let key = |column: &str, key_type: KeyType| {
                    let column = position(relation, column)?;
                    let column_type = relation.columns.get(column as usize)?.column_type?;
                    // A column of another type than the rules say has other hashes.
                    same_hash(column_type.key_type, key_type)
                        .then_some((ColId { relation: number, column }, column_type))
                };
                let columns = columns.iter().zip(types);
                let keys = columns.map(|(column, key_type)| key(column, key_type)).collect();
                Target::Sharded { keyspace, keys }
            }
            Some(TableRule::Reference) if role == Role::Write && !single => Target::Everywhere,
            Some(TableRule::Reference) => Target::Reference,
            Some(TableRule::Catalog) if !single && &*table.name == "pg_cursors" => {
                Target::Refused(Refusal::cursors())
            }
            Some(TableRule::Home | TableRule::Catalog) => Target::Home,
            None if single => Target::Home,
            None => match facts {
                Some(_) if kind == TableKind::Sequence => Target::Home,
                Some(facts) if is_view && self.router.reads_at_home(facts, role) => Target::Home,
                Some(_) if is_view && role == Role::Write => {
                    Target::Refused(Refusal::view_write(table))
                }
                Some(_) if is_view => Target::Refused(Refusal::view(table)),
                Some(_) if self.router.rules.unlisted == Unlisted::Home => Target::Home,
                Some(_) => Target::Refused(Refusal::unlisted(table)),
                // Neither the rules nor the servers know it: the server says so.
                None if self.router.schema.server_major != 0 => Target::Home,
                None if self.router.rules.unlisted == Unlisted::Home => Target::Home,
                None => Target::Refused(Refusal::unlisted(table)),
            },
        }
    }

    /// Whether its rows are rows of a sharded table as well.
    fn shares_rows(&self, facts: Option<&schema::Table>) -> bool {
        let sharded =
            |table: &TableName| matches!(self.router.rule(table), Some(TableRule::Sharded { .. }));
        facts.is_some_and(|facts| facts.family.iter().any(sharded))
    }

    /// Notes that the statement notifies who listens.
    pub fn notifies(&mut self) {
        self.effects.writes = true;
        if self.router.shards.len() > 1 {
            self.effects.notifies = true;
            self.effects.leaves = self.effects.leaves.and(Leaves::UNPREPARED);
        }
    }

    /// Notes what a call of a function does.
    pub fn call(&mut self, name: &Name) {
        let effect =
            functions::effect(name, &self.router.schema, &self.router.rules, self.search_path);
        let effects = &mut self.effects;
        if matches!(name.schema.as_deref(), None | Some("pg_catalog" | "public")) {
            effects.leaves = effects.leaves.and(Leaves::of_function(&name.name));
        }
        match effect {
            Effect::None => {}
            Effect::Volatile => effects.volatile += 1,
            Effect::Vouched => {
                effects.volatile += 1;
                effects.writes = true;
            }
            Effect::AskHome => effects.ask_home = true,
            Effect::NeedHome => {
                effects.volatile += 1;
                effects.writes = true;
                effects.need_home = Some(name.name.clone());
            }
            Effect::Notifies => {
                effects.volatile += 1;
                self.notifies();
            }
            Effect::Sequence => {
                effects.volatile += 1;
                effects.writes = true;
                effects.sequence = Some(name.name.clone());
            }
            Effect::SessionState => {
                effects.volatile += 1;
                effects.session_state = Some(name.name.clone());
            }
            Effect::SetConfig => {
                effects.volatile += 1;
                self.refusals.push(Refusal::session_setting());
            }
            Effect::Refused(refusal) => {
                effects.volatile += 1;
                effects.writes = true;
                self.refusals.push(refusal);
            }
        }
    }
}

/// Whether equal values of both types lie at the same place.
fn same_hash(a: KeyType, b: KeyType) -> bool {
    a == b || is_integer(a) && is_integer(b)
}

/// About where the stack is.
#[inline(never)]
fn stack_here() -> usize {
    let here = 0u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// A table's columns as the snapshot has them, or else what the rules say of its key.
pub(super) fn relation_of(facts: Option<&schema::Table>, rule: Option<&TableRule>) -> Relation {
    if let Some(facts) = facts {
        let column = |column: &schema::Column| Column {
            name: column.name.clone(),
            bytewise: column.bytewise,
            column_type: key_type(&column.type_name)
                .filter(|_| !column.nondeterministic)
                .map(|key_type| ColumnType { key_type, typmod: column.type_modifier }),
        };
        return Relation { columns: facts.columns.iter().map(column).collect(), more: false };
    }
    let columns = match rule {
        Some(TableRule::Sharded { columns, types, .. }) => columns
            .iter()
            .zip(types)
            .map(|(name, &key_type)| Column {
                name: name.clone(),
                bytewise: false,
                column_type: Some(ColumnType { key_type, typmod: -1 }),
            })
            .collect(),
        _ => Vec::new(),
    };
    Relation { columns, more: true }
}

/// `AS t(a, b)` renames the first columns.
pub(super) fn rename(relation: &mut Relation, aliases: &[Ident]) {
    if aliases.is_empty() {
        return;
    }
    if relation.more {
        // Which columns are renamed isn't known.
        relation.columns.clear();
        return;
    }
    for (column, alias) in relation.columns.iter_mut().zip(aliases) {
        column.name = alias.clone();
    }
}

impl<'a> Analysis<'a> {
    /// Whether a common table expression is being bound now, so that its name inside it
    /// means itself.
    pub fn is_building(&self, block: &Rc<WithBlock<'a>>, at: usize) -> bool {
        self.building.contains(&(Rc::as_ptr(block), at))
    }
}
