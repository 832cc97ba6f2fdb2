//! One database as its sessions share it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::deadlock::WideTransactions;
use super::failure::Failure;
use super::forms::Forms;
use super::reading::Reading;
use super::settings::{SettingSet, difference, encoding_difference};
use super::state::Told;
use super::statements::Registry;
use crate::catalog::Catalog;
use crate::cluster::ask::ask;
use crate::cluster::schema::SchemaWatch;
use crate::cluster::{Cluster, ClusterError, TwoPhase, UserPools};
use crate::config::settings::{Limits, Times};
use crate::routing::schema::Schema;
use crate::routing::{Bounds, Parts, PlanCache, Router, ShardId};

/// How many different startup packets are remembered with what servers said to them.
const WELCOMES: usize = 1000;

/// A database: its servers, its rules, and what its sessions share.
pub struct Database {
    pub cluster: Arc<Cluster>,
    pub plans: PlanCache,
    /// Beside the plans, a sixteenth of what they take.
    pub(super) forms: Forms,
    pub registry: Registry,
    pub limits: Limits,
    /// Seeded anew for each database: nobody can choose two things of one hash.
    pub hasher: foldhash::quality::RandomState,
    schema: Arc<SchemaWatch>,
    /// Changes of the schema that were seen go by and not read.
    redefined: AtomicU64,
    catalog: Catalog,
    router: ArcSwap<Router>,
    /// What servers said to a user with certain settings.
    welcomes: Mutex<HashMap<WelcomeKey, Arc<Welcome>>>,
    query_timeout: Duration,
    /// Transactions over several shards: their end, and their waiting for each other.
    pub two_phase: Arc<TwoPhase>,
    pub(super) wide: Arc<WideTransactions>,
}

/// A user, and the settings of a startup packet.
type WelcomeKey = (Box<str>, Arc<SettingSet>);

/// What a server says to a session that begins with certain settings.
#[derive(Debug, Default)]
pub struct Welcome {
    /// The settings that the session began with: the same ones for all that begin with equal ones,
    /// so that a connection mostly has them by one look.
    pub startup: Arc<SettingSet>,
    pub told: Arc<Told>,
    /// The schemas of `search_path`.
    pub search_path: Box<[Box<str>]>,
    /// How the texts of a session are read that has changed nothing since.
    pub(super) reading: OnceLock<Arc<Reading>>,
    /// No settings: the same for all such sessions.
    pub(super) nothing_set: Arc<SettingSet>,
}

impl Database {
    /// Fails when rules, catalog and settings don't fit each other.
    pub fn new(
        cluster: Arc<Cluster>,
        schema: Arc<SchemaWatch>,
        catalog: Catalog,
        limits: Limits,
        query_timeout: Duration,
    ) -> Result<Database, String> {
        let names: Vec<&str> = cluster.shards().iter().map(|shard| shard.name()).collect();
        let recorded: Vec<&str> = catalog.shards.iter().map(|shard| &*shard.name).collect();
        if names != recorded {
            return Err(format!(
                "the settings list the shards {}, the catalog {}: list them in its order",
                names.join(", "),
                recorded.join(", ")
            ));
        }
        let router = make_router(&cluster, &catalog, schema.current())?;
        Ok(Database {
            plans: PlanCache::new(limits.plan_cache as u64),
            forms: Forms::new(limits.plan_cache / 16),
            registry: Registry::default(),
            hasher: foldhash::quality::RandomState::default(),
            limits,
            router: ArcSwap::from_pointee(router),
            two_phase: cluster.two_phase(catalog.database_id, rand::random()),
            wide: WideTransactions::start(
                Arc::clone(cluster.links()),
                cluster.deadlock_timeout(),
                cluster.runtime(),
            ),
            cluster,
            schema,
            redefined: AtomicU64::new(0),
            catalog,
            welcomes: Mutex::default(),
            query_timeout,
        })
    }

    /// What statements are routed by, of the newest schema.
    pub fn router(&self) -> Guard<Arc<Router>> {
        let router = self.router.load();
        if router.schema().version == self.schema.version() {
            return router;
        }
        match make_router(&self.cluster, &self.catalog, self.schema.current()) {
            Ok(newer) => {
                self.router.store(Arc::new(newer));
                self.router.load()
            }
            Err(error) => {
                tracing::error!(%error, "the new schema is not used");
                router
            }
        }
    }

    /// What statements of one transaction are routed by, which has this schema for itself.
    ///
    /// # Errors
    /// It doesn't fit the rest.
    pub fn router_of(&self, schema: Schema) -> Result<Arc<Router>, String> {
        make_router(&self.cluster, &self.catalog, Arc::new(schema)).map(Arc::new)
    }

    pub fn schema_version(&self) -> u64 {
        self.schema.version() + self.redefined.load(Ordering::Acquire)
    }

    /// After DDL: the next statement is planned by what it has made. On one shard nothing is
    /// planned by the schema, so that it need not be read at once.
    pub async fn refresh_schema(&self) {
        if self.is_one_shard() {
            self.redefined.fetch_add(1, Ordering::AcqRel);
        } else if let Err(error) = self.schema.refresh().await {
            tracing::warn!(%error, "the schema was not read again after DDL");
        }
    }

    /// Waits for the first look at the servers' tables.
    pub async fn loaded(&self, limit: Duration) -> Result<(), ClusterError> {
        self.schema.loaded(Instant::now() + limit).await.map(|_| ())
    }

    /// How long a session of this user's may take for what.
    pub fn times(&self, user: &str) -> Times {
        let own = self.cluster.database().user(user).map(|user| user.times);
        self.limits.times.with(&own.unwrap_or_default())
    }

    pub fn epoch(&self) -> u64 {
        self.catalog.epoch
    }

    pub fn home(&self) -> ShardId {
        self.router.load().home()
    }

    pub fn is_one_shard(&self) -> bool {
        self.cluster.shards().len() == 1
    }

    pub fn shard_ids(&self) -> Vec<ShardId> {
        (0..self.cluster.shards().len()).map(|i| ShardId(i as u16)).collect()
    }

    pub fn shard_name(&self, shard: ShardId) -> &str {
        self.cluster.shards().get(usize::from(shard.0)).map_or("?", |shard| shard.name())
    }

    pub fn shard_id(&self, name: &str) -> Option<ShardId> {
        self.shard_ids().into_iter().find(|id| self.shard_name(*id) == name)
    }

    pub fn no_such_shard(&self, name: &str) -> Failure {
        let names: Vec<&str> = self.cluster.shards().iter().map(|shard| shard.name()).collect();
        Failure::new("42704", format!("shard \"{name}\" does not exist"))
            .with_hint(format!("the shards are {}", names.join(", ")))
    }

    /// Whether the shard has a primary now.
    pub fn reachable(&self, shard: ShardId) -> Result<(), Failure> {
        let state = self.cluster.shard(shard)?;
        if state.primary().is_some() {
            return Ok(());
        }
        Err(state.unavailable("it has no primary now", Duration::ZERO).into())
    }

    /// A statement for another shard than its transaction's, which can't go there.
    pub fn another_shard(&self, here: ShardId, there: ShardId) -> Failure {
        let (here, there) = (self.shard_name(here), self.shard_name(there));
        Failure::unsupported(
            format!("the statement is for shard {there}, its transaction is on shard {here}"),
            "The transaction began in a way that can't be repeated on another shard: send BEGIN \
             by itself, or with statements of one shard only.",
        )
    }

    /// What a session of this user with these settings is told at its beginning: by a server,
    /// or as a server said it before.
    pub async fn welcome(
        &self,
        user: &str,
        pools: &UserPools,
        startup: &Arc<SettingSet>,
    ) -> Result<Arc<Welcome>, Failure> {
        let key = (Box::from(user), Arc::clone(startup));
        if let Some(welcome) = self.welcomes.lock().get(&key) {
            return Ok(Arc::clone(welcome));
        }
        let welcome = Arc::new(self.ask_welcome(pools, startup).await?);
        let mut welcomes = self.welcomes.lock();
        if welcomes.len() >= WELCOMES {
            welcomes.clear();
        }
        welcomes.insert(key, Arc::clone(&welcome));
        Ok(welcome)
    }

    async fn ask_welcome(
        &self,
        pools: &UserPools,
        startup: &Arc<SettingSet>,
    ) -> Result<Welcome, Failure> {
        let there = |id: &ShardId| self.cluster.shard(*id).is_ok_and(|s| s.primary().is_some());
        let home = self.home();
        let shard = std::iter::once(home).chain(self.shard_ids()).find(there).unwrap_or(home);
        let mut backend = pools.checkout(shard).await?;
        // In one message: what a startup packet gives is written in ASCII.
        let mut sql = encoding_difference(&backend.settings, startup).unwrap_or_default();
        sql.extend(difference(&backend.settings, startup).unwrap_or_default());
        sql.extend_from_slice(b"SHOW search_path");
        let question = String::from_utf8_lossy(&sql).into_owned();
        match ask(&mut backend, &question, self.query_timeout).await {
            Ok(rows) => {
                backend.settings = Arc::clone(startup);
                let path = rows.last().and_then(|row| row.first().cloned().flatten());
                Ok(Welcome {
                    startup: Arc::clone(startup),
                    told: Arc::new(backend.parameters().clone()),
                    search_path: split_path(&path.unwrap_or_default()).into(),
                    reading: OnceLock::new(),
                    nothing_set: Arc::default(),
                })
            }
            Err(crate::cluster::ConnectError::Refused { sqlstate, message }) => {
                Err(Failure { sqlstate: sqlstate.into(), ..Failure::new("22023", message) })
            }
            Err(other) => {
                backend.mark_broken();
                Err(Failure::new("08006", other.to_string()))
            }
        }
    }

    /// What a session that began with these settings was told.
    pub fn told_at_startup(&self, user: &str, startup: &Arc<SettingSet>) -> Arc<Told> {
        let key = (Box::from(user), Arc::clone(startup));
        self.welcomes.lock().get(&key).map(|w| Arc::clone(&w.told)).unwrap_or_default()
    }
}

fn make_router(
    cluster: &Cluster,
    catalog: &Catalog,
    schema: Arc<Schema>,
) -> Result<Router, String> {
    let rules = Arc::clone(&cluster.database().rules);
    let mut placements = Vec::with_capacity(rules.keyspaces.len());
    for keyspace in &rules.keyspaces {
        let placement = catalog.placement(&keyspace.name);
        let missing = || format!("the catalog has no placement of keyspace {}", keyspace.name);
        placements.push(placement.ok_or_else(missing)?.clone());
    }
    let parts = Parts {
        rules,
        placements,
        epoch: catalog.epoch,
        shards: catalog.shards.iter().map(|shard| shard.name.clone()).collect(),
        schema,
        bounds: Bounds::default(),
    };
    Router::new(parts).map_err(|error| error.to_string())
}

/// The names in a `search_path` as SHOW gives it: apart by commas, quoted where they must be.
fn split_path(path: &str) -> Vec<Box<str>> {
    let mut names = Vec::new();
    let mut name = String::new();
    let (mut quoted, mut any) = (false, false);
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                name.push('"');
            }
            '"' => {
                quoted = !quoted;
                any = true;
            }
            ',' if !quoted => names.push(std::mem::take(&mut name).into_boxed_str()),
            c if !quoted && c.is_whitespace() => {}
            c if quoted => name.push(c),
            c => {
                any = true;
                name.extend(c.to_lowercase());
            }
        }
    }
    if any || !name.is_empty() {
        names.push(name.into_boxed_str());
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::split_path;

    #[test]
    fn search_paths_are_split_as_the_server_splits_them() {
        let split = |path| split_path(path).iter().map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(split("\"$user\", public"), ["$user", "public"]);
        assert_eq!(split("A,\"B, \"\"c\"\"\""), ["a", "B, \"c\""]);
        assert_eq!(split("\"\""), [""; 0]);
        assert_eq!(split(""), [""; 0]);
    }
}
