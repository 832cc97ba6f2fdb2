//! The rules against the tables that there are: what they name exists, keys are of the rule's
//! type, and what one server alone can't keep across shards is named.

use crate::cluster::constraints::{Kept, missing_key, parted};
use crate::config::rules::{KeyType, Keyspace, Rules, TableName};
use crate::routing::schema::{Column, ForeignKey, Schema, Table, TableKind};

use super::finding::{Finding, Where, error, note, warning};

/// All findings about the tables of `schema` under `rules`.
pub fn check(place: &Where, rules: &Rules, schema: &Schema) -> Vec<Finding> {
    let mut found = Vec::new();
    for keyspace in &rules.keyspaces {
        for (name, key) in &keyspace.tables {
            let place = place.table(name);
            match schema.tables.get(name) {
                None => found.push(missing(place, name)),
                Some(table) => split_table(&place, rules, keyspace, name, key, table, &mut found),
            }
        }
    }
    for name in &rules.reference {
        match schema.tables.get(name) {
            None => found.push(missing(place.table(name), name)),
            Some(table) => foreign_keys(&place.table(name), rules, name, table, &mut found),
        }
    }
    for name in &rules.home {
        match schema.tables.get(name) {
            None => found.push(missing(place.table(name), name)),
            Some(table) => foreign_keys(&place.table(name), rules, name, table, &mut found),
        }
    }
    unlisted(place, rules, schema, &mut found);
    views(place, rules, schema, &mut found);
    found.sort();
    found
}

fn missing(place: Where, name: &TableName) -> Finding {
    warning(
        "no-table",
        place,
        format!("the rules name {name}, which does not exist"),
        "create it through pgherd, or mend its name in the rules",
    )
}

fn split_table(
    place: &Where,
    rules: &Rules,
    keyspace: &Keyspace,
    name: &TableName,
    key: &[Box<str>],
    table: &Table,
    found: &mut Vec<Finding>,
) {
    if !matches!(table.kind, TableKind::Table | TableKind::Partitioned) {
        found.push(error(
            "not-a-table",
            place.clone(),
            format!("{name} is a {}, not a table: its rows can't be split", kind_word(table.kind)),
            "name the tables under it in the rules instead",
        ));
        return;
    }
    for (column, key_type) in key.iter().zip(&keyspace.key) {
        match table.columns.iter().find(|c| c.name == *column) {
            None => found.push(error(
                "no-key-column",
                place.clone(),
                format!("key column {column} of {name} does not exist"),
                format!("name one of {}", names(&table.columns)),
            )),
            Some(found_column) => key_column(place, name, found_column, *key_type, found),
        }
    }
    uniqueness(place, Kept::Split(keyspace, key), name, table, found);
    foreign_keys(place, rules, name, table, found);
    for trigger in &table.triggers {
        found.push(note(
            "trigger",
            place.clone(),
            format!(
                "trigger {trigger} on {name} runs on the shard of its row and sees that shard only"
            ),
            "make sure that it reads and writes no row of another key, and leaves the key as it is",
        ));
    }
}

fn key_column(
    place: &Where,
    name: &TableName,
    column: &Column,
    key_type: KeyType,
    found: &mut Vec<Finding>,
) {
    let (is, said) = (&*column.type_name, type_names(key_type));
    if !said.contains(&is) {
        found.push(error(
            "key-type",
            place.clone(),
            format!("key column {} of {name} is {is}; the rules say {}", column.name, said[0]),
            "make the two the same: the hash of a key depends on its type",
        ));
    }
    if !column.not_null {
        found.push(error(
            "key-null",
            place.clone(),
            format!(
                "key column {} of {name} may be NULL, and a row without a key has no shard",
                column.name
            ),
            format!("ALTER TABLE {name} ALTER COLUMN {} SET NOT NULL", column.name),
        ));
    }
    if column.nondeterministic {
        found.push(error(
            "key-collation",
            place.clone(),
            format!(
                "key column {} of {name} has a nondeterministic collation: texts that are equal \
                 there would lie on different shards",
                column.name
            ),
            "give it a deterministic collation, such as \"C\"",
        ));
    }
}

/// A server keeps a key unique among its own rows. That is enough when equal values always
/// meet on one shard: when the shard key is among the columns.
fn uniqueness(
    place: &Where,
    kept: Kept<'_>,
    name: &TableName,
    table: &Table,
    found: &mut Vec<Finding>,
) {
    for index in &table.unique {
        if let Some(key) = missing_key(kept, index) {
            found.push(warning(
                "unique",
                place.clone(),
                format!(
                    "{} of {name} is unique on each shard only: its columns don't hold the shard \
                     key ({key})",
                    index.name
                ),
                format!(
                    "add {key} to its columns, or use values that can't meet by accident (uuid), \
                     or keep what must be unique in a table split by it"
                ),
            ));
        }
    }
}

fn foreign_keys(
    place: &Where,
    rules: &Rules,
    name: &TableName,
    table: &Table,
    found: &mut Vec<Finding>,
) {
    for foreign in &table.foreign_keys {
        if let Some(why) = parted(rules, name, foreign) {
            found.push(foreign_key(place, name, foreign, &why));
        }
    }
}

fn foreign_key(place: &Where, name: &TableName, foreign: &ForeignKey, why: &str) -> Finding {
    error(
        "foreign-key",
        place.clone(),
        format!(
            "foreign key {} of {name} can't be kept: {why}, so a row and what it refers to can lie \
             on different shards",
            foreign.name
        ),
        format!(
            "ALTER TABLE {name} DROP CONSTRAINT {}, or split both tables by one key and put it \
             into the foreign key, or make {} a reference table",
            foreign.name, foreign.references
        ),
    )
}

fn unlisted(place: &Where, rules: &Rules, schema: &Schema, found: &mut Vec<Finding>) {
    for (name, table) in &schema.tables {
        let is_table = matches!(table.kind, TableKind::Table | TableKind::Partitioned);
        let own = matches!(&*name.schema, "pg_catalog" | "information_schema" | "pgherd");
        if is_table && !own && matches!(Kept::of(rules, name), Kept::Nowhere) {
            found.push(note(
                "unlisted",
                place.table(name),
                format!("no rule names {name}: statements on it are refused"),
                "name it in the rules: in a keyspace, under reference or under home",
            ));
        }
    }
}

/// A view's rows are made on one server, of the rows that are there.
fn views(place: &Where, rules: &Rules, schema: &Schema, found: &mut Vec<Finding>) {
    let of_views = schema
        .tables
        .iter()
        .filter(|(_, table)| matches!(table.kind, TableKind::View | TableKind::MaterializedView));
    for (name, table) in of_views {
        let mut split: Vec<String> = Vec::new();
        let mut seen = vec![name];
        let mut next = 0;
        while let Some(reads) = seen.get(next).map(|view| schema.tables.get(*view)) {
            next += 1;
            for read in reads.iter().flat_map(|table| &table.reads) {
                if matches!(Kept::of(rules, read), Kept::Split(..))
                    && !split.contains(&read.to_string())
                {
                    split.push(read.to_string());
                }
                if !seen.contains(&read) {
                    seen.push(read);
                }
            }
        }
        if split.is_empty() {
            continue;
        }
        split.sort();
        let what = format!("{} {name} reads {}", kind_word(table.kind), split.join(", "));
        let mend = "read the tables themselves, each with its key, or keep what it shows in a \
                    table of its own";
        found.push(match (rules.home.contains(name), table.kind) {
            (true, _) => error(
                "view",
                place.table(name),
                format!("{what}, and is listed under home: it shows the home shard's rows only"),
                mend,
            ),
            (false, TableKind::MaterializedView) => warning(
                "view",
                place.table(name),
                format!("{what}: on each shard it keeps that shard's rows only"),
                mend,
            ),
            _ if table.view.as_ref().is_some_and(|view| view.definition.is_some()) => continue,
            _ => note(
                "view",
                place.table(name),
                format!("{what}, and its definition can't be read: statements on it are refused"),
                mend,
            ),
        });
    }
}

/// The server's names of a key's type, the usual one first.
fn type_names(key_type: KeyType) -> &'static [&'static str] {
    match key_type {
        KeyType::Int2 => &["int2"],
        KeyType::Int4 => &["int4"],
        KeyType::Int8 => &["int8"],
        KeyType::Text => &["text", "varchar"],
        KeyType::Uuid => &["uuid"],
        KeyType::Numeric => &["numeric"],
        KeyType::Date => &["date"],
        KeyType::Time => &["time"],
        KeyType::Timestamp => &["timestamp"],
        KeyType::TimestampTz => &["timestamptz"],
    }
}

fn kind_word(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Table | TableKind::Partitioned => "table",
        TableKind::View => "view",
        TableKind::MaterializedView => "materialized view",
        TableKind::Foreign => "foreign table",
        TableKind::Sequence => "sequence",
    }
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| &*column.name).collect::<Vec<_>>().join(", ")
}
