//! Brings one node up to date: runs the numbered migrations that it lacks, and writes the
//! placement for the SQL functions in schema `pgherd`.
//!
//! All of it is one transaction under an advisory lock, so two that install at once do it
//! one after the other, and one that is cut off has done nothing.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_postgres::{Client, Transaction};

use crate::config::rules::KeyType;
use crate::placement::{Placement, ShardId};

use super::format::{self, type_name};
use super::{Catalog, KeyspaceRecord};

/// One numbered file of `migrations/`.
struct Migration {
    number: i32,
    name: &'static str,
    sql: &'static str,
}

/// In ascending order. A file that was released is never changed: a new one changes what it did.
const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "placement",
        sql: include_str!("../../migrations/0001_placement.sql"),
    },
    Migration {
        number: 2,
        name: "decisions",
        sql: include_str!("../../migrations/0002_decisions.sql"),
    },
    Migration { number: 3, name: "clock", sql: include_str!("../../migrations/0003_clock.sql") },
];

/// The advisory lock of installing: "pgherd" as a number.
const LOCK: i64 = 0x7067_6865_7264;

/// What was done to a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installed {
    /// Names of the migrations that ran.
    pub migrations: Vec<String>,
    /// Whether the placement was written; false when the node had it.
    pub placement: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("the server is a replica; what is installed on its primary reaches it by itself")]
    Replica,
    #[error(
        "the node belongs to the database {found}, and this catalog is of {expected}: check the \
         node's address, or restore the catalog file. To give the node to this database for good, \
         run DROP SCHEMA pgherd CASCADE there"
    )]
    OtherDatabase { found: String, expected: String },
    #[error(
        "the node is of the shard {found}, and the settings have it as {expected}: its rows would \
         be looked for elsewhere; put its address where it was"
    )]
    OtherShard { found: String, expected: String },
    #[error(
        "the node has revision {found} of the catalog, and the file has revision {has}: the file \
         is an old copy; restore the last one (the node holds it: SELECT content FROM pgherd.catalog)"
    )]
    Stale { found: i64, has: u64 },
    #[error(
        "the node has another catalog of the same revision {revision}: the file was restored from \
         an old copy and changed since; restore the last one (the node holds it: SELECT content \
         FROM pgherd.catalog)"
    )]
    Diverged { revision: u64 },
    #[error(
        "the node was prepared by a later pgherd (migration {number}, {name}): use that version"
    )]
    Later { number: i32, name: String },
    #[error(
        "migration {number} ({name}) on the node is not the one of this pgherd: it was prepared by \
         a build that was never released; run DROP SCHEMA pgherd CASCADE there and install again"
    )]
    Altered { number: i32, name: String },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the catalog can't be written out: {0}")]
    Encode(#[from] serde_json::Error),
    #[error("{}", in_words(_0))]
    Server(#[from] tokio_postgres::Error),
}

/// A server's error as it says it itself.
fn in_words(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => {
            let hint = said.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{} [{}]{hint}", said.message(), said.code().code())
        }
        None => {
            // Its own text leaves out the cause.
            let cause = std::error::Error::source(error);
            cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        }
    }
}

impl InstallError {
    /// Whether the node isn't what the settings and the catalog take it for, so that
    /// statements would be answered with the wrong rows.
    pub fn is_misplaced(&self) -> bool {
        matches!(
            self,
            InstallError::OtherDatabase { .. }
                | InstallError::OtherShard { .. }
                | InstallError::Stale { .. }
                | InstallError::Diverged { .. }
        )
    }
}

/// Installs on a shard's primary what it lacks. Does nothing on one that is up to date.
///
/// # Errors
/// See [`InstallError`]; then the node is as it was. `limit` bounds all of it.
pub async fn install(
    client: &mut Client,
    catalog: &Catalog,
    shard: ShardId,
    limit: Duration,
) -> Result<Installed, InstallError> {
    let work = async {
        let transaction = client.build_transaction().read_only(false).start().await?;
        let milliseconds = limit.as_millis();
        transaction
            .batch_execute(&format!(
                "SET LOCAL statement_timeout = {milliseconds};
                 SET LOCAL lock_timeout = {milliseconds};
                 SET LOCAL client_min_messages = warning;
                 SET LOCAL search_path = pg_catalog"
            ))
            .await?;
        let replica: bool =
            transaction.query_one("SELECT pg_is_in_recovery()", &[]).await?.try_get(0)?;
        if replica {
            return Err(InstallError::Replica);
        }
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        let migrations = migrate(&transaction).await?;
        let placement = place(&transaction, catalog, shard).await?;
        transaction.commit().await?;
        Ok(Installed { migrations, placement })
    };
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(InstallError::Timeout(limit)),
    }
}

/// Runs the migrations that the node lacks, after checking those that it has.
async fn migrate(transaction: &Transaction<'_>) -> Result<Vec<String>, InstallError> {
    let exists = "SELECT to_regclass('pgherd.migrations') IS NOT NULL";
    let exists: bool = transaction.query_one(exists, &[]).await?.try_get(0)?;
    let mut done = Vec::new();
    if exists {
        let sql = "SELECT number, name, checksum FROM pgherd.migrations ORDER BY number";
        for row in transaction.query(sql, &[]).await? {
            done.push((row.try_get::<_, i32>(0)?, row.try_get(1)?, row.try_get::<_, String>(2)?));
        }
    }
    let mut ran = Vec::new();
    for (number, name, checksum) in &done {
        let (number, name) = (*number, String::clone(name));
        match MIGRATIONS.iter().find(|migration| migration.number == number) {
            None => return Err(InstallError::Later { number, name }),
            Some(known) if checksum_of(known) != *checksum => {
                return Err(InstallError::Altered { number, name });
            }
            Some(_) => {}
        }
    }
    for migration in MIGRATIONS {
        if done.iter().any(|(number, ..)| *number == migration.number) {
            continue;
        }
        transaction.batch_execute(migration.sql).await?;
        let sql = "INSERT INTO pgherd.migrations (number, name, checksum) VALUES ($1, $2, $3)";
        let checksum = checksum_of(migration);
        transaction.execute(sql, &[&migration.number, &migration.name, &checksum]).await?;
        ran.push(format!("{:04}_{}", migration.number, migration.name));
    }
    Ok(ran)
}

fn checksum_of(migration: &Migration) -> String {
    let digest = Sha256::digest(migration.sql.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the placement unless the node has this revision. Refuses a node of another
/// database or shard, and an old copy of the catalog.
async fn place(
    transaction: &Transaction<'_>,
    catalog: &Catalog,
    shard: ShardId,
) -> Result<bool, InstallError> {
    let content = String::from_utf8_lossy(&format::encode(catalog)?).into_owned();
    let id = catalog.database_id.to_string();
    let shard = catalog.shard_name(shard).unwrap_or_default();
    let sql = "SELECT database_id, shard, revision, content FROM pgherd.catalog";
    if let Some(row) = transaction.query_opt(sql, &[]).await? {
        let (found_id, found_shard): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let (found, has): (i64, u64) = (row.try_get(2)?, catalog.revision);
        if found_id != id {
            return Err(InstallError::OtherDatabase { found: found_id, expected: id });
        }
        if found_shard != shard {
            let expected = shard.to_owned();
            return Err(InstallError::OtherShard { found: found_shard, expected });
        }
        if found > has as i64 {
            return Err(InstallError::Stale { found, has });
        }
        // By content, since a later version may write the same catalog otherwise.
        let installed = format::decode(row.try_get::<_, &str>(3)?.as_bytes());
        if installed.as_ref() == Ok(catalog) {
            return Ok(false);
        }
        if found == has as i64 {
            return Err(InstallError::Diverged { revision: has });
        }
    }
    let (revision, epoch) = (catalog.revision as i64, catalog.epoch as i64);
    transaction
        .execute(
            "INSERT INTO pgherd.catalog (database_id, revision, epoch, shard, content)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (one) DO UPDATE SET revision = excluded.revision, epoch = excluded.epoch,
                 content = excluded.content, installed_at = now()",
            &[&id, &revision, &epoch, &shard, &content],
        )
        .await?;
    transaction.execute("DELETE FROM pgherd.placement", &[]).await?;
    for (name, keyspace) in &catalog.keyspaces {
        let Pieces { kind, ring_bounds, range_bounds, shards } = pieces(catalog, keyspace);
        let types: Vec<&str> = keyspace.key.iter().map(|&kind| type_name(kind)).collect();
        transaction
            .execute(
                "INSERT INTO pgherd.placement
                     (keyspace, epoch, key_types, kind, ring_bounds, range_bounds, shards)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                &[&&**name, &epoch, &types, &kind, &ring_bounds, &range_bounds, &shards],
            )
            .await?;
    }
    Ok(true)
}

/// A placement as `width_bucket` takes it.
struct Pieces<'a> {
    kind: &'static str,
    ring_bounds: Vec<i64>,
    range_bounds: Vec<String>,
    shards: Vec<&'a str>,
}

fn pieces<'a>(catalog: &'a Catalog, keyspace: &KeyspaceRecord) -> Pieces<'a> {
    let name = |shard| catalog.shard_name(shard).unwrap_or_default();
    match &keyspace.placement {
        Placement::Ring(slots) => {
            let (ring_bounds, shards) = slots.bounds();
            let shards = shards.into_iter().map(name).collect();
            Pieces { kind: "ring", ring_bounds, range_bounds: Vec::new(), shards }
        }
        Placement::Ranges(ranges) => {
            let key_type: KeyType = ranges.key_type();
            let bounds = ranges.bounds().iter().map(|bound| bound.to_text(key_type)).collect();
            let shards = ranges.ranges().map(|range| name(range.shard)).collect();
            Pieces { kind: "ranges", ring_bounds: Vec::new(), range_bounds: bounds, shards }
        }
    }
}
