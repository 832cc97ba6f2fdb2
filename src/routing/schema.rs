//! What the servers say of their tables and functions: a snapshot, as plain data.
//!
//! `cluster` loads it from the home shard; routing needs it to resolve unqualified columns,
//! `SELECT *`, an INSERT without a column list, and to know which functions can read tables.

use std::collections::HashMap;

use crate::config::rules::TableName;

pub use super::definition::Definition;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// Grows with each reload that changed something; part of a plan's validity.
    pub version: u64,
    /// Major version of the server, e.g. 15; 0 when nothing was loaded: then tables are
    /// known by the rules only.
    pub server_major: u32,
    pub tables: HashMap<TableName, Table>,
    /// By function name; overloads are merged to the worst of them within one schema.
    pub functions: HashMap<Box<str>, Vec<FunctionFact>>,
    /// Names of operators of users on the system's own types: where such a name is written without
    /// a schema, it hangs on the search path which operator it is.
    pub operators: Vec<Box<str>>,
    /// A view's definition couldn't be read, since a table that it reads was locked: the schema is
    /// read again soon.
    pub unfinished: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    pub kind: TableKind,
    /// In attnum order, dropped columns left out.
    pub columns: Vec<Column>,
    /// Unique constraints and indexes, and exclusion constraints.
    pub unique: Vec<UniqueIndex>,
    /// Foreign keys out of this table.
    pub foreign_keys: Vec<ForeignKey>,
    /// Names of user triggers.
    pub triggers: Vec<Box<str>>,
    /// One of its triggers runs once a statement and not once a row, or a rule rewrites
    /// statements on it.
    pub per_statement: bool,
    /// One of its triggers or rules may say NOTIFY, after which a server can't prepare the
    /// transaction. It is what their texts look like, and may be wrong.
    pub may_notify: bool,
    /// Of a view: the relations that its definition reads, system catalogs included; views
    /// among them not resolved further. Empty for all else.
    pub reads: Vec<TableName>,
    /// The tables that this one is a part of, and those that are parts of it, however far, by
    /// PARTITION OF or INHERITS.
    pub family: Vec<TableName>,
    /// Of a view, but not of a materialized one.
    pub view: Option<View>,
    /// It has row security: what is read of it hangs on who reads.
    pub secured: bool,
}

/// What there is to know of a view.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// It reads with the rights of who asks, and not of its owner.
    pub invoker: bool,
    /// `None` where it can't be read.
    pub definition: Option<Definition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableKind {
    #[default]
    Table,
    Partitioned,
    View,
    MaterializedView,
    Foreign,
    Sequence,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: Box<str>,
    pub type_oid: u32,
    /// `pg_type.typname`, of the base type for a domain.
    pub type_name: Box<str>,
    /// `pg_attribute.atttypmod`, the `(10)` of `varchar(10)`; -1 is none.
    pub type_modifier: i32,
    pub not_null: bool,
    pub has_default: bool,
    /// The default, or identity, takes its value from a sequence.
    pub from_sequence: bool,
    /// The default needn't be the same value on each server: a sequence's, or what a function
    /// gives that isn't immutable.
    pub default_varies: bool,
    /// What a server computes where no value is given: the column's own default, or an identity's
    /// next value. Names in it are whole, but for those of `pg_catalog`. `None` also where only its
    /// domain has a default.
    pub default: Option<Box<str>>,
    /// GENERATED ALWAYS AS IDENTITY: a value is taken only with OVERRIDING SYSTEM VALUE.
    pub always_identity: bool,
    /// Computed from the row's other columns.
    pub generated: bool,
    /// Text under a collation in which different bytes can be equal.
    pub nondeterministic: bool,
    /// Text under the collation C, which is ordered by its bytes.
    pub bytewise: bool,
    /// Its type as SQL has it, with schema and length: `character varying(8)`, `public.mood`.
    pub written: Box<str>,
    /// Its collation as SQL has it, where that isn't its type's own.
    pub collation: Option<Box<str>>,
    /// Its type, or what its domain is made of, is an enum.
    pub is_enum: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueIndex {
    /// Constraint or index name.
    pub name: Box<str>,
    /// Plain key columns; an expression is an empty name.
    pub columns: Vec<Box<str>>,
    pub primary: bool,
    /// Has a WHERE.
    pub partial: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    pub name: Box<str>,
    pub columns: Vec<Box<str>>,
    pub references: TableName,
    pub referenced_columns: Vec<Box<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionFact {
    pub schema: Box<str>,
    pub volatility: Volatility,
    /// One of the overloads gives a set of rows.
    pub sets: bool,
}

/// The worst of a name's overloads in one schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}
