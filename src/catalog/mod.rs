//! What must be remembered: which shards there are, and where the keys of each keyspace lie.
//!
//! The catalog is the truth about placement. Rules and settings propose it once, when it is
//! made; from then on they have to fit it ([`open_or_create`]), and only a workflow that
//! also moves the rows changes it.
//!
//! It lies in one file ([`FileStore`]), written whole and at once. Another backend would
//! have to offer what `FileStore` does: load, create unless there is one, and replace the
//! revision that was seen.

mod error;
mod fit;
mod format;
mod install;
mod store;

use std::collections::BTreeMap;
use std::fmt;

use crate::config::rules::{KeyType, TableName};
use crate::config::settings::{Database, Shard};
use crate::config::tls::ServerTls;
use crate::placement::{Placement, ShardId};

pub use error::Error;
pub use fit::{Opened, open, open_or_create, propose};
pub use install::{InstallError, Installed, install};
pub use store::FileStore;

/// What tells this database from all others for ever: part of global transaction ids, so
/// that no other cluster's recovery touches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseId(pub u64);

impl fmt::Display for DatabaseId {
    /// Sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The record of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    pub database_id: DatabaseId,
    /// Grows by one each time the catalog is written.
    pub revision: u64,
    /// Version of the placements: grows by one with each switch, starts at 1.
    pub epoch: u64,
    /// A [`ShardId`] is an index into it, and not into the settings' list, whose order may
    /// change: [`Catalog::shard_id`] finds a shard by name. A removed shard stays, so that
    /// its index is never another shard's.
    pub shards: Vec<ShardRecord>,
    /// The shard of home tables.
    pub home: ShardId,
    pub keyspaces: BTreeMap<Box<str>, KeyspaceRecord>,
    /// How the rows of each table were spread when it was first named.
    pub tables: BTreeMap<TableName, TableRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRecord {
    pub name: Box<str>,
    pub removed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyspaceRecord {
    pub key: Vec<KeyType>,
    pub placement: Placement,
}

/// How the rows of a table are spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableRecord {
    Sharded { keyspace: Box<str>, columns: Vec<Box<str>> },
    Reference,
    Home,
}

impl fmt::Display for TableRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableRecord::Sharded { keyspace, columns } => {
                write!(f, "split by ({}) in keyspace {keyspace}", columns.join(", "))
            }
            TableRecord::Reference => f.write_str("a reference table"),
            TableRecord::Home => f.write_str("a home table"),
        }
    }
}

impl Catalog {
    /// The shards that are in use, in the order of their ids.
    pub fn live_shards(&self) -> impl Iterator<Item = (ShardId, &str)> {
        let numbered = (0..=u16::MAX).map(ShardId).zip(&self.shards);
        numbered.filter(|(_, shard)| !shard.removed).map(|(id, shard)| (id, &*shard.name))
    }

    /// The id of a shard in use.
    pub fn shard_id(&self, name: &str) -> Option<ShardId> {
        self.live_shards().find(|&(_, shard)| shard == name).map(|(id, _)| id)
    }

    /// The name of a shard, also of a removed one.
    pub fn shard_name(&self, id: ShardId) -> Option<&str> {
        self.shards.get(usize::from(id.0)).map(|shard| &*shard.name)
    }

    /// The database of the settings with each shard at the index that is its [`ShardId`], as
    /// `cluster` and routing count them; a removed shard keeps its place, without nodes.
    pub fn arrange(&self, database: &Database) -> Database {
        let shards = self.shards.iter().map(|record| {
            let named = database.shards.iter().find(|shard| shard.name == record.name);
            let removed = || Shard {
                name: record.name.clone(),
                nodes: Vec::new(),
                tls: ServerTls::disabled(),
            };
            named.filter(|_| !record.removed).cloned().unwrap_or_else(removed)
        });
        Database { shards: shards.collect(), ..database.clone() }
    }

    /// Where the keys of a keyspace lie.
    pub fn placement(&self, keyspace: &str) -> Option<&Placement> {
        self.keyspaces.get(keyspace).map(|keyspace| &keyspace.placement)
    }
}
