//! Sharding rules as a person writes them (`sharding-rules/*.yaml`).

use std::collections::BTreeMap;
use std::fmt;

/// The types that a shard key's column may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    Int2,
    Int4,
    Int8,
    /// text and varchar: one hash, bytes of the server encoding (UTF-8), a deterministic collation.
    Text,
    Uuid,
    Numeric,
    Date,
    Time,
    Timestamp,
    TimestampTz,
}

/// A table as the rules name it; without a schema it is in `public`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    pub schema: Box<str>,
    pub name: Box<str>,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// The rules of one database, checked for what can be checked without a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    pub keyspaces: Vec<Keyspace>,
    /// A whole copy on every shard.
    pub reference: Vec<TableName>,
    /// Lie on the home shard.
    pub home: Vec<TableName>,
    /// The shard of home tables and of system catalogs; the first shard unless named.
    pub home_shard: Option<Box<str>>,
    pub unlisted: Unlisted,
    pub split_constraints: SplitConstraints,
    /// Functions that the operator vouches for: they read and write no sharded table but
    /// rows of the statement's own shard. `schema.name` or `name` (any schema).
    pub functions: Vec<Box<str>>,
}

/// What happens to a table that no rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlisted {
    #[default]
    Refuse,
    Home,
}

/// What happens to a statement that defines a unique constraint or a foreign key which one server
/// alone can't keep over the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SplitConstraints {
    #[default]
    Refuse,
    /// Each shard keeps it among its own rows.
    Accept,
}

/// Tables split by the same key, in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyspace {
    pub name: Box<str>,
    /// One type a key column, at least one.
    pub key: Vec<KeyType>,
    pub placement: PlacementRule,
    /// Table → its key columns, in the order of `key`.
    pub tables: BTreeMap<TableName, Vec<Box<str>>>,
    /// Line of the keyspace in the rules file, for messages.
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlacementRule {
    /// A consistent-hash ring over all shards.
    Ring {
        /// Virtual nodes a shard of weight 1; at least 16, 256 unless written.
        virtual_nodes: u32,
        /// Shard → weight; 1 unless written.
        weights: BTreeMap<Box<str>, u32>,
    },
    /// Ranges of a key of one column, without gap or overlap (checked by `placement`,
    /// which knows the order of the types).
    Ranges(Vec<RangeRule>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRule {
    /// Inclusive lower bound, as text; `None` is from the start.
    pub from: Option<Box<str>>,
    /// Exclusive upper bound, as text; `None` is to the end.
    pub to: Option<Box<str>>,
    pub shard: Box<str>,
    pub line: usize,
}
