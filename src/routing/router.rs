//! What routing knows of a database: rules, placements, shards, schema; immutable.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::config::rules::{KeyType, PlacementRule, Rules, TableName, Unlisted};
use crate::placement::{Placement, ShardId};
use crate::sql::Name;

use super::schema::Schema;

/// Bounds of planning and routing one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Relations that the analysis of one statement may make; a common table expression
    /// counts once a reference. Beyond it the statement is refused with 54001.
    pub parts: usize,
    /// Bytes of stack that the analysis of one statement may use; the rest of a worker's
    /// stack (2 MB) is for what it was called from, and for dropping what was made. Beyond
    /// it the statement is refused with 54001.
    pub stack: usize,
    /// Facts that may be handed from part to part in one analysis: bounds its time, to some
    /// hundredths of a second. Beyond it the statement is refused with 54001.
    pub work: usize,
    /// Keys that one statement may name before its shards aren't told apart any more.
    pub keys: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { parts: 10_000, stack: 1 << 20, work: 250_000, keys: 100_000 }
    }
}

/// What a [`Router`] is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    pub rules: Arc<Rules>,
    /// One a keyspace, in the order of the rules.
    pub placements: Vec<Placement>,
    /// Version of the placements.
    pub epoch: u64,
    /// Names, by [`ShardId`].
    pub shards: Vec<Box<str>>,
    pub schema: Arc<Schema>,
    pub bounds: Bounds,
}

/// Why parts don't make a router.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    #[error("a database needs at least one shard")]
    NoShard,
    #[error("the home shard \"{0}\" isn't one of the shards")]
    UnknownHome(Box<str>),
    #[error("the rules have {rules} keyspaces, the catalog has placements of {placements}")]
    Placements { rules: usize, placements: usize },
    #[error("table {0} is in two rules")]
    TwoRules(TableName),
}

/// Statement + values → route. Swapped as a whole when one of its parts changes.
#[derive(Debug)]
pub struct Router {
    pub(super) rules: Arc<Rules>,
    pub(super) placements: Vec<Placement>,
    pub(super) shards: Vec<Box<str>>,
    pub(super) home: ShardId,
    pub(super) schema: Arc<Schema>,
    pub(super) bounds: Bounds,
    tables: HashMap<TableName, Rule>,
    validity: u64,
    /// Of rules and shards alone.
    pub(super) rules_hash: u64,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    Keyspace(usize),
    Reference,
    Home,
}

/// What the rules say of one table.
#[derive(Debug, Clone)]
pub(super) enum TableRule {
    Sharded { keyspace: usize, columns: Vec<Box<str>>, types: Vec<KeyType> },
    Reference,
    Home,
    Catalog,
}

impl Router {
    /// # Errors
    /// The parts don't fit each other.
    pub fn new(parts: Parts) -> Result<Router, PartsError> {
        let Parts { rules, placements, epoch, shards, schema, bounds } = parts;
        if shards.is_empty() {
            return Err(PartsError::NoShard);
        }
        if placements.len() != rules.keyspaces.len() {
            return Err(PartsError::Placements {
                rules: rules.keyspaces.len(),
                placements: placements.len(),
            });
        }
        let home = match &rules.home_shard {
            None => 0,
            Some(name) => shards
                .iter()
                .position(|shard| shard == name)
                .ok_or_else(|| PartsError::UnknownHome(name.clone()))?,
        };
        let tables = tables_of(&rules)?;
        let rules_hash = hash_of_rules(&rules, &shards);
        let validity = hash_of(&(rules_hash, epoch, schema.version, schema.server_major, bounds));
        let home = ShardId(u16::try_from(home).unwrap_or(u16::MAX));
        Ok(Router { rules, placements, shards, home, schema, bounds, tables, validity, rules_hash })
    }

    /// The shards' names, by [`ShardId`].
    pub fn shards(&self) -> &[Box<str>] {
        &self.shards
    }

    /// Where home tables and system catalogs are read.
    pub fn home(&self) -> ShardId {
        self.home
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The placement of a keyspace.
    pub fn placement(&self, keyspace: &str) -> Option<&Placement> {
        let at = self.rules.keyspaces.iter().position(|known| &*known.name == keyspace)?;
        self.placements.get(at)
    }

    /// A shard's name; a number that isn't one of ours as such.
    pub fn shard_name(&self, shard: ShardId) -> String {
        match self.shards.get(usize::from(shard.0)) {
            Some(name) => name.to_string(),
            None => format!("#{}", shard.0),
        }
    }

    /// Changes when a plan made under another router may be wrong under this one.
    pub fn validity(&self) -> u64 {
        self.validity
    }

    pub(super) fn rule(&self, table: &TableName) -> Option<TableRule> {
        if matches!(&*table.schema, "pg_catalog" | "information_schema" | "pg_toast") {
            return Some(TableRule::Catalog);
        }
        Some(match self.tables.get(table)? {
            Rule::Reference => TableRule::Reference,
            Rule::Home => TableRule::Home,
            Rule::Keyspace(keyspace) => {
                let rule = self.rules.keyspaces.get(*keyspace)?;
                TableRule::Sharded {
                    keyspace: *keyspace,
                    columns: rule.tables.get(table)?.clone(),
                    types: rule.key.clone(),
                }
            }
        })
    }

    /// The key's columns of a table of a keyspace.
    pub(super) fn key_columns(&self, keyspace: usize, table: &TableName) -> &[Box<str>] {
        let rule = self.rules.keyspaces.get(keyspace);
        rule.and_then(|rule| rule.tables.get(table)).map_or(&[], Vec::as_slice)
    }

    /// The table that a name means, as the server's own search finds it.
    pub(super) fn table(
        &self,
        name: &Name,
        search_path: &[Box<str>],
    ) -> (TableName, Option<TableRule>) {
        let of = |schema: &str| TableName { schema: schema.into(), name: name.name.clone() };
        if let Some(schema) = &name.schema {
            let table = of(schema);
            let rule = self.rule(&table);
            return (table, rule);
        }
        let known = |table: &TableName| {
            self.schema.tables.contains_key(table)
                || self.schema.server_major == 0 && self.tables.contains_key(table)
        };
        // pg_catalog comes first unless the path names it.
        let implicit = !search_path.iter().any(|schema| &**schema == "pg_catalog");
        let path = search_path.iter().map(|schema| &**schema);
        for schema in implicit.then_some("pg_catalog").into_iter().chain(path) {
            let table = of(schema);
            let catalog = schema == "pg_catalog" && is_catalog(&name.name);
            if catalog || known(&table) {
                let rule = self.rule(&table);
                return (table, rule);
            }
        }
        // Nobody has it: as the rules name it, so that a refusal names it so, too.
        let schema = search_path.first().map_or("public", |schema| schema);
        let table = of(schema);
        let rule = self.rule(&table);
        (table, rule)
    }
}

/// Relations of pg_catalog begin with `pg_`, and others can't be known from outside.
fn is_catalog(name: &str) -> bool {
    name.starts_with("pg_")
}

fn tables_of(rules: &Rules) -> Result<HashMap<TableName, Rule>, PartsError> {
    let mut tables = HashMap::new();
    let mut add = |table: &TableName, rule: Rule| match tables.insert(table.clone(), rule) {
        None => Ok(()),
        Some(_) => Err(PartsError::TwoRules(table.clone())),
    };
    for (number, keyspace) in rules.keyspaces.iter().enumerate() {
        keyspace.tables.keys().try_for_each(|table| add(table, Rule::Keyspace(number)))?;
    }
    rules.reference.iter().try_for_each(|table| add(table, Rule::Reference))?;
    rules.home.iter().try_for_each(|table| add(table, Rule::Home))?;
    Ok(tables)
}

fn hash_of_rules(rules: &Rules, shards: &[Box<str>]) -> u64 {
    let keyspaces: Vec<_> = rules
        .keyspaces
        .iter()
        .map(|keyspace| {
            let ring = matches!(keyspace.placement, PlacementRule::Ring { .. });
            (&keyspace.name, &keyspace.key, &keyspace.tables, ring)
        })
        .collect();
    let others = (&rules.reference, &rules.home, &rules.home_shard, &rules.functions);
    hash_of(&(keyspaces, others, rules.unlisted == Unlisted::Home, shards))
}

fn hash_of(value: &impl Hash) -> u64 {
    foldhash::quality::FixedState::default().hash_one(value)
}
