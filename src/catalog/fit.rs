//! Rules and settings propose a catalog once; from then on they have to fit it.

use std::collections::BTreeMap;

use crate::config::rules::{Keyspace, PlacementRule, Rules, TableName, Unlisted};
use crate::placement::ring::{self, Member};
use crate::placement::{Placement, RangeTable, ShardId};

use super::format::type_name;
use super::{Catalog, DatabaseId, Error, FileStore, KeyspaceRecord, ShardRecord, TableRecord};

/// More than any ring can share evenly, and few enough for an id of 16 bits.
const SHARDS_MAX: usize = 4_096;

/// Loads the catalog and checks that rules and settings fit it; makes it when there is none.
/// `shards` are the names of the settings, in their order. Keyspaces and tables that the
/// rules name for the first time, and tables that they no longer name, are noted, which may
/// write the file.
///
/// # Errors
/// A catalog that can't be read or written, or that rules and settings don't fit: then
/// nothing must be answered, since rows would be looked for where they are not.
pub fn open_or_create(store: &FileStore, rules: &Rules, shards: &[&str]) -> Result<Catalog, Error> {
    if store.load()?.is_none() {
        match store.create(&propose(rules, shards)?) {
            // Another one was faster: its catalog has to fit as well.
            Ok(()) | Err(Error::Exists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let Opened { recorded, next } = open(store, rules, shards)?;
    match recorded {
        Some(recorded) if recorded == next => Ok(next),
        Some(recorded) => store.replace(recorded.revision, next),
        None => {
            let error = std::io::ErrorKind::NotFound.into();
            Err(Error::Io { what: "read", path: store.path().to_owned(), error })
        }
    }
}

/// A catalog as it lies, and as it is to be.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What the file holds; `None` when there is none.
    pub recorded: Option<Catalog>,
    /// With the keyspaces and tables that rules and settings add.
    pub next: Catalog,
}

/// As [`open_or_create`], and writes nothing. Without a file, what a first start would make
/// (with an id of its own).
///
/// # Errors
/// As for [`open_or_create`].
pub fn open(store: &FileStore, rules: &Rules, shards: &[&str]) -> Result<Opened, Error> {
    let Some(catalog) = store.load()? else {
        return Ok(Opened { recorded: None, next: propose(rules, shards)? });
    };
    let differences = Differences::find(&catalog, rules, shards);
    if !differences.is_empty() {
        return Err(Error::Misfit { path: store.path().to_owned(), differences });
    }
    let next = with_newcomers(&catalog, rules)?;
    Ok(Opened { recorded: Some(catalog), next })
}

/// The catalog with the keyspaces and tables that the rules name for the first time. A
/// keyspace that they no longer name is kept: named again, it has to lie as it did.
fn with_newcomers(catalog: &Catalog, rules: &Rules) -> Result<Catalog, Error> {
    let mut next = Catalog { tables: tables_of(rules), ..catalog.clone() };
    let shards: Vec<_> = catalog.live_shards().collect();
    for keyspace in &rules.keyspaces {
        if !catalog.keyspaces.contains_key(&keyspace.name) {
            let placement = place(keyspace, &shards)?;
            let record = KeyspaceRecord { key: keyspace.key.clone(), placement };
            next.keyspaces.insert(keyspace.name.clone(), record);
        }
    }
    Ok(next)
}

/// The first catalog of a database, with a new id, for these rules and shards.
///
/// # Errors
/// When a keyspace's placement can't be made: ranges with a gap or an overlap, no shard with
/// a weight.
pub fn propose(rules: &Rules, shards: &[&str]) -> Result<Catalog, Error> {
    if shards.len() > SHARDS_MAX {
        return Err(Error::TooManyShards { found: shards.len(), max: SHARDS_MAX });
    }
    let named: Vec<(ShardId, &str)> = (0..).map(ShardId).zip(shards.iter().copied()).collect();
    let mut keyspaces = BTreeMap::new();
    for keyspace in &rules.keyspaces {
        let placement = place(keyspace, &named)?;
        let record = KeyspaceRecord { key: keyspace.key.clone(), placement };
        keyspaces.insert(keyspace.name.clone(), record);
    }
    let records = shards.iter().map(|&name| ShardRecord { name: name.into(), removed: false });
    Ok(Catalog {
        database_id: DatabaseId(rand::random()),
        revision: 1,
        epoch: 1,
        shards: records.collect(),
        home: home_of(rules, &named),
        keyspaces,
        tables: tables_of(rules),
    })
}

/// The first shard unless the rules name one. (That they name one that exists is checked
/// with the settings.)
fn home_of(rules: &Rules, shards: &[(ShardId, &str)]) -> ShardId {
    let named = rules.home_shard.as_deref();
    let home = named.and_then(|name| shards.iter().find(|&&(_, shard)| shard == name));
    home.or(shards.first()).map_or(ShardId(0), |&(id, _)| id)
}

/// A new keyspace's placement, as its rule has it.
fn place(keyspace: &Keyspace, shards: &[(ShardId, &str)]) -> Result<Placement, Error> {
    let error = |line, message| Error::Rules { keyspace: keyspace.name.clone(), line, message };
    match &keyspace.placement {
        PlacementRule::Ring { virtual_nodes, weights } => {
            let members: Vec<Member<'_>> = shards
                .iter()
                .map(|&(shard, name)| {
                    let weight = weights.get(name).copied().unwrap_or(1);
                    Member { shard, name, weight }
                })
                .collect();
            ring::propose(None, &members, *virtual_nodes)
                .map(Placement::Ring)
                .map_err(|why| error(keyspace.line, why.to_string()))
        }
        PlacementRule::Ranges(ranges) => {
            let &[key_type] = &*keyspace.key else {
                let message = "ranges need a key of one column; use a ring".to_owned();
                return Err(error(keyspace.line, message));
            };
            let find =
                |name: &str| shards.iter().find(|&&(_, shard)| shard == name).map(|&(id, _)| id);
            RangeTable::from_rules(key_type, ranges, find)
                .map(Placement::Ranges)
                .map_err(|why| error(why.line, why.message))
        }
    }
}

fn tables_of(rules: &Rules) -> BTreeMap<TableName, TableRecord> {
    let sharded = rules.keyspaces.iter().flat_map(|keyspace| {
        keyspace.tables.iter().map(|(table, columns)| {
            let (keyspace, columns) = (keyspace.name.clone(), columns.clone());
            (table.clone(), TableRecord::Sharded { keyspace, columns })
        })
    });
    let reference = rules.reference.iter().map(|table| (table.clone(), TableRecord::Reference));
    let home = rules.home.iter().map(|table| (table.clone(), TableRecord::Home));
    sharded.chain(reference).chain(home).collect()
}

/// A walk over all that has to fit; each difference is a sentence with what to do.
struct Differences<'a> {
    catalog: &'a Catalog,
    rules: &'a Rules,
    found: Vec<String>,
}

impl<'a> Differences<'a> {
    fn find(catalog: &'a Catalog, rules: &'a Rules, shards: &[&str]) -> Vec<String> {
        let mut differences = Differences { catalog, rules, found: Vec::new() };
        differences.shards(shards);
        differences.keyspaces();
        differences.tables();
        differences.found
    }

    fn shards(&mut self, shards: &[&str]) {
        for (_, name) in self.catalog.live_shards() {
            if !shards.contains(&name) {
                self.found.push(format!(
                    "the settings have no shard {name}, and the catalog has rows on it: name its \
                     nodes in the settings again (a shard leaves by resharding)"
                ));
            }
        }
        for name in shards {
            if self.catalog.shard_id(name).is_none() {
                self.found.push(format!(
                    "the catalog does not know the shard {name} of the settings: take it out of \
                     them, or name it as before (a shard joins by resharding, which brings it the \
                     reference tables and its share of the rows)"
                ));
            }
        }
        let named = self.rules.home_shard.as_deref().or(shards.first().copied());
        let is = self.catalog.shard_name(self.catalog.home);
        if let (Some(named), Some(is)) = (named, is)
            && named != is
            && self.catalog.shard_id(named).is_some()
        {
            self.found.push(format!(
                "the home tables lie on {is}, and the rules and settings make {named} the home \
                 shard: write home_shard: {is} into the rules"
            ));
        }
    }

    fn keyspaces(&mut self) {
        for keyspace in &self.rules.keyspaces {
            if let Some(record) = self.catalog.keyspaces.get(&keyspace.name) {
                self.keyspace(keyspace, record);
            }
        }
    }

    fn keyspace(&mut self, keyspace: &Keyspace, record: &KeyspaceRecord) {
        let (name, line) = (&keyspace.name, keyspace.line);
        if keyspace.key != record.key {
            let names =
                |key: &[_]| key.iter().map(|&kind| type_name(kind)).collect::<Vec<_>>().join(", ");
            let (is, was) = (names(&keyspace.key), names(&record.key));
            self.found.push(format!(
                "line {line} of the rules: the key of keyspace {name} is ({is}) there and ({was}) \
                 in the catalog, by which the rows were placed: put ({was}) back"
            ));
        }
        let (is, was) = match (&keyspace.placement, &record.placement) {
            (PlacementRule::Ring { .. }, Placement::Ranges(_)) => ("a ring", "ranges"),
            (PlacementRule::Ranges(_), Placement::Ring(_)) => ("ranges", "a ring"),
            _ => return,
        };
        self.found.push(format!(
            "line {line} of the rules: the placement of keyspace {name} is {is} there and {was} in \
             the catalog, by which the rows were placed: put {was} back"
        ));
    }

    fn tables(&mut self) {
        let named = tables_of(self.rules);
        for (table, was) in &self.catalog.tables {
            match named.get(table) {
                Some(is) if is != was => self.found.push(format!(
                    "{table} is {is} in the rules, and its rows lie as those of a table that is \
                     {was}: put that back. If it has no rows, take it out of the rules, start \
                     once with unlisted: refuse, and then name it as you want it"
                )),
                None if *was != TableRecord::Home && self.rules.unlisted == Unlisted::Home => {
                    self.found.push(format!(
                        "{table} is not in the rules any more and would be looked for on the home \
                         shard (unlisted: home), and its rows lie as those of a table that is \
                         {was}: put that back, or set unlisted: refuse"
                    ));
                }
                _ => {}
            }
        }
    }
}
