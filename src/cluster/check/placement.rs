//! The catalog against the files and against what was installed on the nodes.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;

use crate::catalog::{self, Catalog, FileStore};
use crate::config::rules::PlacementRule;
use crate::config::settings::{Database, Settings};
use crate::config::{Mistake, Place};
use crate::placement::{RangeTable, ShardId};

use super::finding::{Finding, Where, error};

/// What rules alone can't say: ranges that leave a gap, overlap, or have a bound that is no
/// value of the key's type; rules and settings that don't fit the catalog that there is.
pub fn check_files(settings: &Settings) -> Vec<Mistake> {
    settings.databases.iter().flat_map(check_database).collect()
}

fn check_database(database: &Database) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let shard = |name: &str| {
        let position = database.shard_names().position(|shard| shard == name)?;
        u16::try_from(position).ok().map(ShardId)
    };
    for keyspace in &database.rules.keyspaces {
        let (PlacementRule::Ranges(ranges), [key_type]) =
            (&keyspace.placement, keyspace.key.as_slice())
        else {
            continue;
        };
        if let Err(wrong) = RangeTable::from_rules(*key_type, ranges, shard) {
            let file = database.rules_file.clone().unwrap_or_default();
            let place = Place::Line(file, wrong.line);
            mistakes.push(Mistake { place, message: wrong.message });
        }
    }
    if mistakes.is_empty()
        && let Err(wrong) = open(database)
    {
        let place = Place::File(database.catalog.clone());
        mistakes.push(Mistake { place, message: wrong.to_string() });
    }
    mistakes
}

fn open(database: &Database) -> Result<catalog::Opened, catalog::Error> {
    let shards: Vec<&str> = database.shard_names().collect();
    catalog::open(&FileStore::new(&database.catalog), &database.rules, &shards)
}

/// The catalog that is recorded; `None` before the proxy's first start, and when it can't be
/// read, which [`check_files`] says.
pub fn recorded(database: &Database) -> Option<Catalog> {
    open(database).ok()?.recorded
}

const CODE: &str = "misplaced";

const INSTALLED: &str = "SELECT database_id, shard, revision FROM pgherd.catalog";

/// A primary that was installed for another database or shard, or by a later catalog.
pub async fn check_node(
    place: &Where,
    client: &Client,
    recorded: Option<&Catalog>,
    shard: &str,
    limit: Duration,
) -> Option<Finding> {
    // A node on which nothing was installed has no such table; the proxy installs it.
    let row = timeout(limit, client.query_opt(INSTALLED, &[])).await.ok()?.ok()??;
    let (found_id, found_shard): (String, String) = (row.try_get(0).ok()?, row.try_get(1).ok()?);
    let found_revision: i64 = row.try_get(2).ok()?;
    let restore = "restore the catalog file, or put the node's address where it was";
    let wrong = |message: String| Some(error(CODE, place.clone(), message, restore));
    let Some(catalog) = recorded else {
        return wrong(format!("the node belongs to database {found_id}, and there is no catalog"));
    };
    if found_id != catalog.database_id.to_string() {
        let ours = catalog.database_id;
        return wrong(format!("the node belongs to database {found_id}; the catalog is of {ours}"));
    }
    if found_shard != shard {
        return wrong(format!("the node was shard {found_shard} of this database before"));
    }
    if u64::try_from(found_revision).is_ok_and(|found| found > catalog.revision) {
        return wrong(format!(
            "the node has revision {found_revision} of the catalog, the file {}: an old copy",
            catalog.revision
        ));
    }
    None
}
