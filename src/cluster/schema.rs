//! What the home shard's primary says of its tables and functions, kept up to date.
//!
//! A cheap fingerprint of the catalogs is polled, so that DDL done by whomever is noticed; the
//! whole is read again only when the fingerprint has changed. The version grows only when what
//! was read differs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_postgres::{Client, Config};

use super::backend::Target;
use super::control;
use super::error::ClusterError;
use super::schema_sql;
pub use super::schema_sql::{SETTINGS, load, questions, schema_of};
use super::shard::Shard;
use crate::routing::schema::Schema;

/// Between two tries to read views whose tables are locked: doubled from one to the other, about a
/// second in all.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Bounds of reading the schema.
#[derive(Debug, Clone)]
pub struct SchemaLimits {
    /// Between two looks at the fingerprint.
    pub poll: Duration,
    pub connect_timeout: Duration,
    /// For a fingerprint, and for reading all of the schema.
    pub query_timeout: Duration,
}

/// The newest schema, and the task that keeps it so.
pub struct SchemaWatch {
    shard: Arc<Shard>,
    limits: SchemaLimits,
    runtime: Handle,
    current: ArcSwap<Schema>,
    /// Version of `current`; 0 until the first was read.
    version: watch::Sender<u64>,
    /// One reader at a time; its connection is kept.
    link: Mutex<Option<Link>>,
}

struct Link {
    client: Client,
    /// Index of the node; another primary is read anew.
    node: usize,
    /// Of the schema that was read last over any link.
    fingerprint: String,
}

impl SchemaWatch {
    /// Reads and polls the schema of `shard`, the home shard.
    pub fn start(shard: Arc<Shard>, limits: SchemaLimits, runtime: Handle) -> Arc<SchemaWatch> {
        let poll = limits.poll;
        let watch = Arc::new(SchemaWatch {
            shard,
            limits,
            runtime: runtime.clone(),
            current: ArcSwap::default(),
            version: watch::Sender::new(0),
            link: Mutex::new(None),
        });
        runtime.spawn(follow(Arc::downgrade(&watch), poll));
        watch
    }

    /// The newest that was read; version 0 and empty before the first.
    pub fn current(&self) -> Arc<Schema> {
        self.current.load_full()
    }

    /// Version of the newest.
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Waits until there is a first schema, until `deadline` at most.
    pub async fn loaded(&self, deadline: Instant) -> Result<Arc<Schema>, ClusterError> {
        let started = Instant::now();
        let mut version = self.version.subscribe();
        let read = timeout_at(deadline, version.wait_for(|v| *v > 0)).await;
        match read {
            Ok(Ok(_)) => Ok(self.current()),
            _ => Err(self.shard.unavailable("its tables are not known yet", started.elapsed())),
        }
    }

    /// Looks now, and reads what changed: after DDL that went through us. True when the version
    /// grew.
    pub async fn refresh(&self) -> Result<bool, ClusterError> {
        // Within this, whatever hangs: connecting, asking and reading each have their bound.
        let limit = self.limits.connect_timeout + self.limits.query_timeout;
        let mut link = match timeout(limit, self.link.lock()).await {
            Ok(link) => link,
            Err(_) => return Err(self.failed("another reader of the schema is stuck")),
        };
        match timeout(limit, self.look(&mut link)).await {
            Ok(Ok(grew)) => Ok(grew),
            Ok(Err(why)) => {
                *link = None;
                Err(self.failed(&why))
            }
            Err(_) => {
                *link = None;
                Err(self.failed("no answer within cluster.query_timeout"))
            }
        }
    }

    fn failed(&self, why: &str) -> ClusterError {
        ClusterError::new(
            "57P03",
            format!("can't read the schema of shard {}: {why}", self.shard.name()),
        )
    }

    async fn look(&self, kept: &mut Option<Link>) -> Result<bool, String> {
        let node = self.shard.primary().ok_or("its primary is not known")?;
        let usable = kept.take().filter(|l| l.node == node && !l.client.is_closed());
        let mut link = match usable {
            Some(link) => link,
            None => self.connect(node).await?,
        };
        let seen = schema_sql::fingerprint(&link.client).await.map_err(describe)?;
        let mut grew = false;
        if seen != link.fingerprint {
            let (fingerprint, schema) = read_whole(&mut link.client).await?;
            // What couldn't be read now is asked for next time.
            link.fingerprint = if schema.unfinished { String::new() } else { fingerprint };
            grew = self.publish(schema);
        }
        *kept = Some(link);
        Ok(grew)
    }

    fn publish(&self, mut schema: Schema) -> bool {
        let old = self.current.load();
        schema.version = old.version;
        if schema.version > 0 && schema == **old {
            return false;
        }
        schema.version += 1;
        let version = schema.version;
        self.current.store(Arc::new(schema));
        self.version.send_replace(version);
        tracing::info!(shard = %self.shard.name(), version, "schema read");
        true
    }

    /// A link to the node that is taken for the primary. When it isn't one, or isn't there, the
    /// shard looks for its primary anew: maybe nobody else wants it now.
    async fn connect(&self, node: usize) -> Result<Link, String> {
        let connected = self.connect_to_primary(node).await;
        if connected.is_err() {
            self.shard.suspect(node);
        }
        connected
    }

    async fn connect_to_primary(&self, node: usize) -> Result<Link, String> {
        let target = self.shard.target(node).ok_or("it has no such node")?;
        let mut config = config(target);
        let connecting = control::connect(&mut config, &target.tls);
        let connected = timeout(self.limits.connect_timeout, connecting).await;
        let (client, connection) = connected
            .map_err(|_| "no connection within pool.connect_timeout".to_owned())?
            .map_err(describe)?;
        // It ends with the client.
        self.runtime.spawn(connection);
        let asked = client.query_one("SELECT pg_catalog.pg_is_in_recovery()", &[]).await;
        match asked.and_then(|row| row.try_get(0)).map_err(describe)? {
            true => Err("the node is a standby now".to_owned()),
            false => Ok(Link { client, node, fingerprint: String::new() }),
        }
    }
}

/// The schema, with the fingerprint of the same snapshot. Whoever has a table for himself (TRUNCATE,
/// ALTER TABLE) keeps the views that read it from being read; mostly he has it for a moment.
async fn read_whole(client: &mut Client) -> Result<(String, Schema), String> {
    let mut wait = SHORTEST_WAIT;
    loop {
        let read = schema_sql::read(client).await?;
        if !read.1.unfinished || wait > LONGEST_WAIT {
            return Ok(read);
        }
        sleep(wait).await;
        wait *= 2;
    }
}

/// Messages only: no statement, no values.
pub(super) fn describe(e: tokio_postgres::Error) -> String {
    match e.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => e.to_string(),
    }
}

fn config(target: &Target) -> Config {
    let mut config = control::config_of(target, "pgherd schema");
    // Names in our questions mean the system's, whatever the user's own search path.
    config.options("-c search_path=pg_catalog -c default_transaction_read_only=on");
    config
}

async fn follow(watch: Weak<SchemaWatch>, poll: Duration) {
    let mut failing = false;
    loop {
        let Some(watch) = watch.upgrade() else { return };
        // The first time as soon as there is a primary.
        if watch.version() == 0 {
            let _ = watch.shard.wait_primary(Instant::now() + poll).await;
        }
        match watch.refresh().await {
            Ok(_) => failing = false,
            Err(e) if !failing => {
                failing = true;
                tracing::warn!(error = %e, "can't read the schema, trying on");
            }
            Err(_) => {}
        }
        let unfinished = watch.current().unfinished;
        drop(watch);
        sleep(if unfinished { poll.min(LONGEST_WAIT) } else { poll }).await;
    }
}
