//! Ids from sequences: on two shards they must not meet (`docs/decisions/011-ids.md`).

use std::collections::BTreeMap;

use super::finding::{Finding, Where, warning};
use crate::cluster::ids::Sequence;
use crate::config::rules::Rules;
use crate::placement::ShardId;
use crate::placement::ids::IdRange;
use crate::routing::schema::Schema;

const CODE: &str = "sequence";

/// All findings about the sequences of sharded tables, as each shard has them. `number` tells a
/// shard's.
pub fn check(
    place: &Where,
    schema: &Schema,
    rules: &Rules,
    by_shard: &[(&str, Vec<Sequence>)],
    number: impl Fn(&str) -> Option<ShardId>,
) -> Vec<Finding> {
    let mut named: BTreeMap<&str, Vec<(&str, &Sequence)>> = BTreeMap::new();
    for (shard, sequences) in by_shard {
        for sequence in sequences {
            named.entry(&sequence.name).or_default().push((shard, sequence));
        }
    }
    let mut found: Vec<Finding> =
        named.iter().filter_map(|(name, all)| meeting(place, name, all, &number)).collect();
    for table in rules.keyspaces.iter().flat_map(|keyspace| keyspace.tables.keys()) {
        let Some(facts) = schema.tables.get(table) else { continue };
        for column in facts.columns.iter().filter(|column| column.from_sequence) {
            let of_it =
                |sequence: &&Sequence| sequence.table == *table && sequence.column == *column.name;
            if by_shard.iter().all(|(_, all)| all.iter().any(|sequence| of_it(&sequence))) {
                continue;
            }
            found.push(warning(
                CODE,
                place.table(table),
                format!(
                    "column {} of {table} takes its value from a sequence that isn't known to be \
                     its own on all shards: equal ids on two shards are possible",
                    column.name
                ),
                format!("ALTER SEQUENCE … OWNED BY {table}.{}, on all shards", column.name),
            ));
        }
    }
    found
}

/// A finding if a sequence's ids on two shards can be the same.
fn meeting(
    place: &Where,
    name: &str,
    all: &[(&str, &Sequence)],
    number: impl Fn(&str) -> Option<ShardId>,
) -> Option<Finding> {
    let meet = |one: &Sequence, other: &Sequence| one.min <= other.max && other.min <= one.max;
    let mut pairs = all
        .iter()
        .enumerate()
        .flat_map(|(at, one)| all[at + 1..].iter().map(move |o| (one.1, o.1)));
    if !pairs.any(|(one, other)| meet(one, other)) {
        return None;
    }
    let (_, first) = all.first()?;
    let bounds: Vec<String> = all
        .iter()
        .map(|(shard, sequence)| format!("{} to {} on {shard}", sequence.min, sequence.max))
        .collect();
    let (table, column) = (&first.table, &first.column);
    let message = format!(
        "the ids that column {column} of {table} takes from {name} can meet: {}",
        bounds.join(", ")
    );
    let mended: Result<Vec<String>, _> = all
        .iter()
        .map(|(shard, sequence)| {
            let ids = number(shard).and_then(IdRange::of);
            let sql = sequence.altered(ids)?;
            Ok(sql.map(|sql| format!("/* pgherd: shard={shard} */ {sql}")).unwrap_or_default())
        })
        .collect();
    let mend = match mended {
        Ok(each) => {
            let each: Vec<String> = each.into_iter().filter(|sql| !sql.is_empty()).collect();
            format!("{};", each.join("; "))
        }
        Err(crate::cluster::ids::NoRange::Narrow(narrow)) => format!(
            "{narrow} has too few numbers to give each shard its own: ALTER TABLE {table} ALTER \
             COLUMN {column} TYPE bigint; ALTER SEQUENCE {name} AS bigint; or let the application \
             give the ids (uuid)"
        ),
        Err(_) => "let the application give the ids (uuid, or a number of its own)".to_owned(),
    };
    Some(warning(CODE, place.table(table), message, mend))
}
