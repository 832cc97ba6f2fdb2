//! The SQL that makes an object of one shard what it is on the others.

use std::collections::BTreeMap;

use super::shape::{Kind, Object};

/// What to do about an object that isn't the same everywhere: those that are fewest become what the
/// others are; where there are as many of both, what the `first` shard has counts.
pub fn mend(object: &Object, groups: &BTreeMap<Option<&String>, Vec<&str>>, first: &str) -> String {
    let most = groups.iter().max_by_key(|(_, shards)| (shards.len(), shards.contains(&first)));
    let Some((wanted, right)) = most else { return String::new() };
    let wanted = wanted.map(String::as_str);
    let mut said = Vec::new();
    for (is, shards) in groups {
        let is = is.map(String::as_str);
        if is == wanted {
            continue;
        }
        for shard in shards {
            match sql(object, wanted, is) {
                Some(statements) => said.extend(
                    statements.iter().map(|sql| format!("/* pgherd: shard={shard} */ {sql};")),
                ),
                None => {
                    let from = right.first().copied().unwrap_or(first);
                    said.push(by_hand(object, shard, from));
                }
            }
        }
    }
    said.join(" ")
}

fn by_hand(object: &Object, shard: &str, from: &str) -> String {
    let how = match (object.kind, &object.table) {
        (Kind::Relation, Some(table)) => format!("pg_dump --schema-only --table={table} shows it"),
        (Kind::Function, _) => format!(
            "SELECT pg_get_functiondef('{}'::regprocedure) shows it",
            object.name.replace('\'', "''")
        ),
        (Kind::Collation, _) => "servers with other versions of a library of collations order \
                                 texts in other ways: run the same one on all"
            .to_owned(),
        _ => "\\d in psql shows it".to_owned(),
    };
    format!("on {shard} make it what it is on {from}, with /* pgherd: shard={shard} */ ({how}).")
}

/// The statements that make an object that `is` so what is `wanted`; `None` in either is one that
/// isn't there. `None` where that can't be told.
fn sql(object: &Object, wanted: Option<&str>, is: Option<&str>) -> Option<Vec<String>> {
    let name = &object.name;
    let table = object.table.as_ref().map(ToString::to_string).unwrap_or_default();
    let again = |drop: String, make: Option<String>| match (is, make) {
        (None, make) => make.map(|make| vec![make]),
        (Some(_), None) => Some(vec![drop]),
        (Some(_), Some(make)) => Some(vec![drop, make]),
    };
    let one = |sql: String| Some(vec![sql]);
    let whole = |definition: &str| definition.to_owned();
    match object.kind {
        Kind::Relation => relation(&table, wanted, is).and_then(one),
        Kind::Column => column(&table, name, wanted, is).and_then(one),
        Kind::Constraint => again(
            format!("ALTER TABLE {table} DROP CONSTRAINT {name}"),
            wanted.map(|definition| {
                format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
            }),
        ),
        Kind::Index => again(
            format!("DROP INDEX {name}"),
            wanted.map(|definition| definition.trim_end_matches(" (invalid)").to_owned()),
        ),
        Kind::Trigger => again(
            format!("DROP TRIGGER {name} ON {table}"),
            wanted.and_then(|definition| Some(definition.rsplit_once(" (")?.0.to_owned())),
        ),
        Kind::Rule => again(format!("DROP RULE {name} ON {table}"), wanted.map(whole)),
        Kind::Statistics => again(format!("DROP STATISTICS {name}"), wanted.map(whole)),
        Kind::Schema => match wanted {
            Some(_) => one(format!("CREATE SCHEMA {name}")),
            None => one(format!("DROP SCHEMA {name}")),
        },
        Kind::Function if wanted.is_none() => one(format!("DROP FUNCTION {name}")),
        Kind::Type => kind_of_type(name, wanted, is),
        Kind::Extension => match (wanted, is) {
            (Some(version), None) => one(format!("CREATE EXTENSION {name} VERSION '{version}'")),
            (Some(version), Some(_)) => {
                one(format!("ALTER EXTENSION {name} UPDATE TO '{version}'"))
            }
            (None, _) => one(format!("DROP EXTENSION {name}")),
        },
        Kind::Role => match (wanted, is) {
            (Some(attributes), None) => one(format!("CREATE ROLE {name} {attributes}")),
            (None, _) => one(format!("DROP ROLE {name}")),
            _ => None,
        },
        Kind::Policy | Kind::Privileges | Kind::Function | Kind::Collation => None,
    }
}

fn relation(table: &str, wanted: Option<&str>, is: Option<&str>) -> Option<String> {
    let view = |definition: &str| {
        let query = definition.strip_prefix("view ")?.trim_end_matches(';');
        Some(format!("CREATE OR REPLACE VIEW {table} AS {}", one_line(query)))
    };
    match (wanted, is) {
        (Some("sequence"), None) => Some(format!("CREATE SEQUENCE {table}")),
        (Some(definition), _) => view(definition),
        (None, Some(is)) => {
            let kinds = ["table", "sequence", "view", "materialized view", "foreign table"];
            let kind = kinds.iter().find(|kind| is.starts_with(**kind))?;
            Some(format!("DROP {} {table}", kind.to_uppercase()))
        }
        (None, None) => None,
    }
}

/// A column's definition: its type, whether NULL may be in it, its default.
struct ColumnParts<'a> {
    type_name: &'a str,
    not_null: bool,
    default: Option<&'a str>,
}

fn column_parts(definition: &str) -> Option<ColumnParts<'_>> {
    if definition.contains(" COLLATE ") || definition.contains("GENERATED ") {
        return None;
    }
    let (rest, default) = match definition.split_once(" DEFAULT ") {
        Some((rest, default)) => (rest, Some(default)),
        None => (definition, None),
    };
    let type_name = rest.trim_end_matches(" NOT NULL");
    Some(ColumnParts { type_name, not_null: type_name != rest, default })
}

fn column(table: &str, name: &str, wanted: Option<&str>, is: Option<&str>) -> Option<String> {
    // `no. 3, ` says which of the table's columns it is.
    let defined = |definition: Option<&'_ str>| {
        definition
            .map(|definition| definition.split_once(", ").map_or("", |parts| parts.1).to_owned())
    };
    let (wanted, is) = (defined(wanted), defined(is));
    let (wanted, is) = match (wanted.as_deref(), is.as_deref()) {
        (Some(wanted), None) => {
            return Some(format!("ALTER TABLE {table} ADD COLUMN {name} {wanted}"));
        }
        (None, _) => return Some(format!("ALTER TABLE {table} DROP COLUMN {name}")),
        (Some(wanted), Some(is)) => (column_parts(wanted)?, column_parts(is)?),
    };
    let mut changes = Vec::new();
    if wanted.type_name != is.type_name {
        changes.push(format!("ALTER COLUMN {name} TYPE {}", wanted.type_name));
    }
    if wanted.not_null != is.not_null {
        let verb = if wanted.not_null { "SET" } else { "DROP" };
        changes.push(format!("ALTER COLUMN {name} {verb} NOT NULL"));
    }
    if wanted.default != is.default {
        changes.push(match wanted.default {
            Some(default) => format!("ALTER COLUMN {name} SET DEFAULT {default}"),
            None => format!("ALTER COLUMN {name} DROP DEFAULT"),
        });
    }
    // Else only its place among the others is another.
    (!changes.is_empty()).then(|| format!("ALTER TABLE {table} {}", changes.join(", ")))
}

fn kind_of_type(name: &str, wanted: Option<&str>, is: Option<&str>) -> Option<Vec<String>> {
    let Some(wanted) = wanted else {
        let domain = is.is_some_and(|is| is.starts_with("domain "));
        return Some(vec![format!("DROP {} {name}", if domain { "DOMAIN" } else { "TYPE" })]);
    };
    let labels = |definition: &str| {
        let list = definition.strip_prefix("enum ")?;
        let labels: Vec<String> = list.split(", ").map(str::to_owned).collect();
        labels.iter().all(|label| label.matches('\'').count() == 2).then_some(labels)
    };
    match is {
        None => {
            let of = |word: &str| wanted.strip_prefix(word);
            let make = of("enum ")
                .map(|labels| format!("CREATE TYPE {name} AS ENUM ({labels})"))
                .or_else(|| of("row of ").map(|row| format!("CREATE TYPE {name} AS ({row})")))
                .or_else(|| of("domain ").map(|base| format!("CREATE DOMAIN {name} AS {base}")));
            make.map(|make| vec![make])
        }
        Some(is) => {
            let (wanted, is) = (labels(wanted)?, labels(is)?);
            let kept: Vec<&String> = wanted.iter().filter(|label| is.contains(label)).collect();
            if kept.len() != is.len() || !kept.into_iter().eq(&is) {
                return None;
            }
            let missing = wanted.iter().enumerate().filter(|(_, label)| !is.contains(label));
            let add = missing.map(|(at, label)| {
                let place = match at.checked_sub(1).and_then(|before| wanted.get(before)) {
                    Some(before) => format!("AFTER {before}"),
                    None => format!("BEFORE {}", is.first().map_or("", String::as_str)),
                };
                format!("ALTER TYPE {name} ADD VALUE {label} {place}")
            });
            Some(add.collect())
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
