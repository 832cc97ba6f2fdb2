//! Unique constraints and foreign keys that one server alone can't keep over the shards.
//!
//! A server knows its own rows only. It keeps a key unique where equal values always meet on one
//! shard, and a foreign key where a row and what it refers to do.

use std::fmt::Write as _;

use super::ask::Row;
use super::ids::{literal, quoted};
use super::schema_sql::{table_name, text, texts};
use crate::config::rules::{Keyspace, Rules, TableName, Unlisted};
use crate::routing::schema::{ForeignKey, UniqueIndex};

/// Where a table's rows lie.
#[derive(Debug, Clone, Copy)]
pub enum Kept<'a> {
    /// Row by row, by these columns.
    Split(&'a Keyspace, &'a [Box<str>]),
    Everywhere,
    Home,
    Nowhere,
}

impl<'a> Kept<'a> {
    pub fn of(rules: &'a Rules, name: &TableName) -> Kept<'a> {
        for keyspace in &rules.keyspaces {
            if let Some(key) = keyspace.tables.get(name) {
                return Kept::Split(keyspace, key);
            }
        }
        if rules.reference.contains(name) {
            Kept::Everywhere
        } else if rules.home.contains(name) || rules.unlisted == Unlisted::Home {
            Kept::Home
        } else {
            Kept::Nowhere
        }
    }
}

/// A constraint of a table, or a unique index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// `given`: a column among its own gets values that can't meet by accident, from a sequence
    /// (`docs/decisions/011-ids.md`) or as a uuid.
    Unique {
        index: UniqueIndex,
        given: bool,
    },
    Foreign(ForeignKey),
}

/// The shard key that a unique index would have to hold, and doesn't.
pub fn missing_key(kept: Kept<'_>, index: &UniqueIndex) -> Option<String> {
    let Kept::Split(_, key) = kept else { return None };
    let held = key.iter().all(|column| index.columns.contains(column));
    (!held).then(|| key.join(", "))
}

/// Why a row of a table and what it refers to may lie on different shards.
pub fn parted(rules: &Rules, name: &TableName, foreign: &ForeignKey) -> Option<String> {
    let to = &foreign.references;
    Some(match (Kept::of(rules, name), Kept::of(rules, to)) {
        (Kept::Nowhere, _) | (_, Kept::Everywhere) | (Kept::Home, Kept::Home) => return None,
        (Kept::Split(one, key), Kept::Split(other, other_key)) if one.name == other.name => {
            if together(key, other_key, foreign) {
                return None;
            }
            "it does not lead from shard key to shard key".to_owned()
        }
        (Kept::Split(..), Kept::Split(other, _)) => {
            format!("{to} is split by another key (keyspace {})", other.name)
        }
        (_, Kept::Split(..)) => format!("{to} is split over the shards"),
        (_, Kept::Home) => format!("{to} lies on the home shard only"),
        (_, Kept::Nowhere) => format!("no rule names {to}"),
    })
}

/// Each key column refers to the key column in the same place.
fn together(key: &[Box<str>], other_key: &[Box<str>], foreign: &ForeignKey) -> bool {
    key.iter().zip(other_key).all(|(column, other)| {
        let mut pairs = foreign.columns.iter().zip(&foreign.referenced_columns);
        pairs.any(|pair| pair == (column, other))
    })
}

/// What tells the constraints of tables in the rules that the transaction which asks has made.
/// Names in it are qualified, so that it may be asked in a client's session. `None` where no table
/// is split.
pub fn question(rules: &Rules) -> Option<String> {
    let split = rules.keyspaces.iter().flat_map(|keyspace| keyspace.tables.keys());
    let mut tables = String::new();
    for table in split.chain(&rules.reference).chain(&rules.home) {
        let comma = if tables.is_empty() { "" } else { ", " };
        let name = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
        let _ = write!(tables, "{comma}{}", literal(&name));
    }
    let any = rules.keyspaces.iter().any(|keyspace| !keyspace.tables.is_empty());
    any.then(|| QUESTION.replace("$TABLES", &tables))
}

const QUESTION: &str = "
    WITH ruled AS (
      SELECT c.oid, n.nspname, c.relname
        FROM pg_catalog.unnest(ARRAY[$TABLES]) AS name
        JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(name)
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ), mine AS (
      SELECT pg_catalog.age((pg_catalog.txid_current_if_assigned() % 4294967296)
                            ::pg_catalog.text::pg_catalog.xid) AS age
    )
    SELECT r.nspname, r.relname, x.relname AS name,
           pg_catalog.to_json(ARRAY(
             SELECT coalesce(a.attname::pg_catalog.text, '')
               FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(num, place)
               LEFT JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = i.indrelid AND a.attnum = k.num AND k.num <> 0
              WHERE k.place <= i.indnkeyatts ORDER BY k.place)),
           i.indisprimary::pg_catalog.text, (i.indpred IS NOT NULL)::pg_catalog.text,
           EXISTS (
             SELECT FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(num, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
              WHERE k.place <= i.indnkeyatts
                AND (a.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype OR a.attidentity <> ''
                     OR EXISTS (
                          SELECT FROM pg_catalog.pg_attrdef f
                            JOIN pg_catalog.pg_depend d
                              ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                             AND d.objid = f.oid
                             AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                            JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.refobjid
                           WHERE f.adrelid = i.indrelid AND f.adnum = k.num)))::pg_catalog.text,
           NULL, NULL, NULL
      FROM ruled r CROSS JOIN mine
      JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
      JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
     WHERE (i.indisunique OR i.indisexclusion) AND pg_catalog.age(i.xmin) <= mine.age
    UNION ALL
    SELECT r.nspname, r.relname, k.conname,
           pg_catalog.to_json(ARRAY(
             SELECT a.attname::pg_catalog.text
               FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u(num, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num
              ORDER BY u.place)),
           NULL, NULL, NULL, fn.nspname, fc.relname,
           pg_catalog.to_json(ARRAY(
             SELECT a.attname::pg_catalog.text
               FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u(num, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num
              ORDER BY u.place))
      FROM ruled r CROSS JOIN mine
      JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid AND k.contype = 'f'
      JOIN pg_catalog.pg_class fc ON fc.oid = k.confrelid
      JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
     WHERE pg_catalog.age(k.xmin) <= mine.age
     ORDER BY 1, 2, 3";

/// The constraints that the rows of an answer to [`question`] tell, each with its table.
///
/// # Errors
/// They aren't such rows.
pub fn read(rows: &[Row]) -> Result<Vec<(TableName, Constraint)>, String> {
    rows.iter().map(constraint).collect()
}

fn constraint(row: &Row) -> Result<(TableName, Constraint), String> {
    let (name, columns) = (text(row, 2)?, texts(row, 3)?);
    let says = |at: usize| row.get(at).is_some_and(|value| value.as_deref() == Some("true"));
    let is_foreign = row.get(8).is_some_and(Option::is_some);
    let constraint = if is_foreign {
        let (references, referenced_columns) = (table_name(row, 7)?, texts(row, 9)?);
        Constraint::Foreign(ForeignKey { name, columns, references, referenced_columns })
    } else {
        let index = UniqueIndex { name, columns, primary: says(4), partial: says(5) };
        Constraint::Unique { index, given: says(6) }
    };
    Ok((table_name(row, 0)?, constraint))
}
