//! Shards and nodes as they are now: pools, health, schema. Knows no client.
//!
//! A [`Cluster`] is one database. A session asks it once for its user's [`UserPools`] and then
//! checks connections out of them, shard by shard.

pub mod ask;
pub mod backend;
pub mod check;
pub mod constraints;
mod control;
mod control_points;
pub mod error;
pub mod ids;
pub mod install;
mod line;
pub mod links;
mod moment;
mod pause;
pub mod pool;
pub mod prepared;
mod reach;
pub mod roles;
pub mod schema;
mod schema_sql;
pub mod shard;
pub mod two_phase;
mod user_pools;
pub mod waits;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::sleep;

pub use backend::{Backend, CancelToken, StartupParameters, Target};
pub use control_points::ControlPoints;
pub use error::{ClusterError, ConnectError};
pub use pause::{Pause, Scope};
pub use pool::{Budget, Lent, Pool, PoolError, PoolLimits, PoolStats, ServerBudgets};
pub use roles::{Role, RoleLimits, Roles};
pub use schema::{SchemaLimits, SchemaWatch};
pub use shard::{SearchLimits, Shard, View};
pub use two_phase::{GlobalId, InDoubt, TwoPhase};
pub use user_pools::{PoolRow, UserPools};

use crate::catalog::DatabaseId;
use crate::config::settings::{self, Database, NodeAddress, SessionEnd, Settings, User};
use crate::placement::ShardId;
use crate::wire::auth::client::{Login, ShownSlot};

use links::Links;
use two_phase::ResolveLimits;
use user_pools::ShardPools;

/// One database: its shards, and the pools of its users.
pub struct Cluster {
    database: Database,
    pool: settings::Pool,
    queue_timeout: Duration,
    shards: Vec<Arc<Shard>>,
    /// By shard and node: the bounds that all users share.
    budgets: Vec<Vec<Vec<Arc<Budget>>>>,
    schema: Arc<SchemaWatch>,
    runtime: Handle,
    /// Looks up who isn't in the settings.
    roles: Option<Roles>,
    resolve: ResolveLimits,
    /// pgherd's own connections.
    links: Arc<Links>,
    deadlock_timeout: Duration,
    control_points: ControlPoints,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// One a configured user at most.
    users: HashMap<Box<str>, Arc<UserPools>>,
    /// What is held back now.
    pauses: Vec<pause::Active>,
    last_pause: u64,
    closed: bool,
}

impl Cluster {
    /// Starts looking for the primaries of `database`. Connections are made when asked for.
    ///
    /// `database` has at least one shard, as settings hold it. `servers` are shared by all
    /// databases of one proxy. All tasks run on `runtime`; they end when the cluster is dropped.
    pub fn start(
        settings: &Settings,
        database: &Database,
        servers: &ServerBudgets,
        runtime: Handle,
    ) -> Arc<Cluster> {
        let limits = SearchLimits {
            connect_timeout: settings.pool.connect_timeout,
            query_timeout: settings.cluster.query_timeout,
            retry_min: settings.pool.retry_backoff_min,
            retry_max: settings.pool.retry_backoff_max,
        };
        let shards = database.shards.iter().enumerate().map(|(i, shard)| {
            let targets = match database.control_user() {
                Some(user) => targets(&settings.pool, database, i, user, &ShownSlot::default()),
                None => Vec::new(),
            };
            Shard::start(&shard.name, targets, limits.clone(), runtime.clone())
        });
        let shards: Vec<_> = shards.collect();
        let schema_limits = SchemaLimits {
            poll: settings.cluster.schema_poll,
            connect_timeout: settings.pool.connect_timeout,
            query_timeout: settings.cluster.query_timeout,
        };
        let home = shards[database.home_shard()].clone();
        let roles = roles(settings, database, &home, &runtime);
        let links = Links::new(
            shards.clone(),
            settings.pool.connect_timeout,
            settings.cluster.query_timeout,
        );
        let cluster = Arc::new(Cluster {
            database: database.clone(),
            pool: settings.pool.clone(),
            queue_timeout: settings.limits.queue_timeout,
            schema: SchemaWatch::start(home, schema_limits, runtime.clone()),
            shards,
            budgets: budgets(settings, database, servers),
            runtime: runtime.clone(),
            roles,
            resolve: ResolveLimits {
                after: settings.cluster.resolve_after,
                poll: settings.cluster.resolve_poll,
                outcome_wait: settings.cluster.outcome_wait,
            },
            links: Arc::new(links),
            deadlock_timeout: settings.cluster.deadlock_timeout,
            control_points: ControlPoints::new(settings.cluster.control_points.clone()),
            state: Mutex::default(),
        });
        runtime.spawn(reap(Arc::downgrade(&cluster), cluster.reap_interval()));
        cluster
    }

    fn reap_interval(&self) -> Duration {
        let shortest = self.pool.idle_timeout.min(self.pool.lifetime);
        let shortest = shortest.min(self.pool.silence_timeout);
        (shortest / 4).clamp(Duration::from_millis(100), Duration::from_secs(10))
    }

    /// The transactions over several shards of the database with this id, and what finishes them
    /// after a crash. To be called once; `life` is a number that no proxy has had before.
    pub fn two_phase(&self, id: DatabaseId, life: u64) -> Arc<TwoPhase> {
        let (links, points) = (Arc::clone(&self.links), self.control_points.clone());
        TwoPhase::start(links, id, life, self.resolve, points, &self.runtime)
    }

    /// pgherd's own connections, one a shard.
    pub fn links(&self) -> &Arc<Links> {
        &self.links
    }

    /// How long transactions over several shards are waited for before their locks are looked at.
    pub fn deadlock_timeout(&self) -> Duration {
        self.deadlock_timeout
    }

    /// Where tasks of the database run.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Where a test may hold whoever passes.
    pub fn control_points(&self) -> &ControlPoints {
        &self.control_points
    }

    /// The settings that it was started with.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// What becomes of a connection that was one client's session.
    pub fn session_end(&self) -> SessionEnd {
        self.pool.session_end
    }

    /// In the order of the settings.
    pub fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    pub fn shard(&self, shard: ShardId) -> Result<&Arc<Shard>, ClusterError> {
        self.shards.get(usize::from(shard.0)).ok_or_else(|| {
            ClusterError::new(
                "XX000",
                format!("database {} has no shard number {}", self.database.name, shard.0),
            )
        })
    }

    /// The tables and functions of the home shard.
    pub fn schema(&self) -> &Arc<SchemaWatch> {
        &self.schema
    }

    /// Looks up users that the settings don't name, where they say how.
    pub fn roles(&self) -> Option<&Roles> {
        self.roles.as_ref()
    }

    /// The pools of a user that the settings name, or that was looked up.
    pub fn user(&self, name: &str) -> Result<Arc<UserPools>, ClusterError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(closed());
        }
        if let Some(pools) = state.users.get(name) {
            return Ok(pools.clone());
        }
        let found = self.roles.is_some().then(|| User::found(name));
        let user = self.database.user(name).or(found.as_ref()).ok_or_else(|| {
            let message = format!("database {} has no user {name}", self.database.name);
            ClusterError::new("28000", message)
        })?;
        let pools = Arc::new(self.make_pools(user));
        state.pauses.iter_mut().for_each(|active| active.cover(&pools));
        state.users.insert(name.into(), pools.clone());
        Ok(pools)
    }

    fn make_pools(&self, user: &User) -> UserPools {
        let limits = PoolLimits {
            size: user.pool_size.unwrap_or(self.pool.size),
            min_size: user.pool_min_size.unwrap_or(self.pool.min_size),
            reserve_size: user.pool_reserve_size.unwrap_or(self.pool.reserve_size),
            reserve_after: self.pool.reserve_after,
            connect_timeout: self.pool.connect_timeout,
            idle_timeout: self.pool.idle_timeout,
            lifetime: self.pool.lifetime,
            retry_min: self.pool.retry_backoff_min,
            retry_max: self.pool.retry_backoff_max,
        };
        let pool = |i: usize, shard: &Arc<Shard>, node: usize, target: Target| {
            let shard = Arc::downgrade(shard);
            let on_failure = move |failure: &ConnectError| {
                if failure.is_unreachable()
                    && let Some(shard) = shard.upgrade()
                {
                    shard.suspect(node);
                }
            };
            let budgets = self.budgets.get(i).and_then(|nodes| nodes.get(node)).cloned();
            let budgets = budgets.unwrap_or_default();
            Pool::new(target, limits.clone(), budgets, self.runtime.clone(), Box::new(on_failure))
        };
        let shown = ShownSlot::default();
        let shards = self.shards.iter().enumerate().map(|(i, shard)| {
            let targets = targets(&self.pool, &self.database, i, user, &shown);
            let targets = targets.into_iter().enumerate();
            let nodes = targets.map(|(node, target)| pool(i, shard, node, target)).collect();
            ShardPools { shard: shard.clone(), nodes }
        });
        UserPools {
            user: user.name.clone(),
            shards: shards.collect(),
            queue_timeout: self.queue_timeout,
            shown: user.server_password.is_none().then_some(shown),
        }
    }

    /// What all pools look like now.
    pub fn stats(&self) -> Vec<PoolRow> {
        let users: Vec<_> = self.state.lock().users.values().cloned().collect();
        let mut rows: Vec<PoolRow> = users.iter().flat_map(|u| u.stats()).collect();
        rows.sort_by(|a, b| (&a.shard, &a.node, &a.user).cmp(&(&b.shard, &b.node, &b.user)));
        rows
    }

    /// The bounds on connections to single nodes that pools share, as they are now.
    pub fn budgets(&self) -> Vec<BudgetRow> {
        let nodes = self.shards.iter().zip(&self.budgets).flat_map(|(shard, nodes)| {
            shard.nodes().zip(nodes).map(move |(address, budgets)| (shard, address, budgets))
        });
        let rows = nodes.flat_map(|(shard, address, budgets)| {
            budgets.iter().map(|budget| BudgetRow {
                shard: shard.name().into(),
                node: address.to_string(),
                setting: budget.setting().into(),
                size: budget.size(),
                taken: budget.taken(),
            })
        });
        rows.collect()
    }

    /// Closes what is idle and turns away who waits; what is lent is closed when it comes back.
    pub fn close(&self) {
        let users = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.users)
        };
        users.values().flat_map(|u| u.pools()).for_each(Pool::close);
    }

    /// Closes what isn't needed any more, and forgets the pools of users who have neither clients
    /// nor connections.
    fn reap(&self) {
        let mut users = Vec::new();
        self.state.lock().users.retain(|_, pools| {
            // The first one is our own; each client's session has another.
            let wanted = Arc::strong_count(pools) > 1;
            let stays = wanted || !pools.pools().all(Pool::is_empty);
            if stays {
                users.push((Arc::clone(pools), wanted));
            }
            stays
        });
        users.iter().for_each(|(pools, wanted)| pools.reap(*wanted));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.close();
    }
}

async fn reap(cluster: Weak<Cluster>, interval: Duration) {
    loop {
        sleep(interval).await;
        let Some(cluster) = cluster.upgrade() else { return };
        cluster.reap();
    }
}

/// The bounds on connections to each node of each shard that all users share: those of the
/// server first, as in all databases.
fn budgets(
    settings: &Settings,
    database: &Database,
    servers: &ServerBudgets,
) -> Vec<Vec<Vec<Arc<Budget>>>> {
    let of_node = |address: &NodeAddress| {
        let server = settings.pool.node_size;
        let server = server.map(|size| servers.of(address, "pool.node_size", size));
        let setting = || format!("database.{}.node_size", database.name);
        let own = database.node_size.map(|size| Budget::new(setting(), size));
        server.into_iter().chain(own).collect()
    };
    database.shards.iter().map(|shard| shard.nodes.iter().map(of_node).collect()).collect()
}

/// Looking up who isn't in the settings, where they say how.
fn roles(
    settings: &Settings,
    database: &Database,
    home: &Arc<Shard>,
    runtime: &Handle,
) -> Option<Roles> {
    let query = database.auth_query.as_ref()?;
    let user = database.users.get(query.user)?;
    let limits = RoleLimits {
        cache_time: query.cache_time,
        cached: settings.limits.auth_cache,
        connect_timeout: settings.pool.connect_timeout,
        query_timeout: settings.cluster.query_timeout,
    };
    let nothing = ShownSlot::default();
    let targets = targets(&settings.pool, database, database.home_shard(), user, &nothing);
    Some(Roles::new(query.text.clone(), limits, home.clone(), targets, runtime.clone()))
}

/// Where the nodes of a shard are, for a user. Without a password in the settings, `shown` is
/// where it finds what its clients have shown.
fn targets(
    pool: &settings::Pool,
    database: &Database,
    shard: usize,
    user: &User,
    shown: &ShownSlot,
) -> Vec<Target> {
    let Some(shard) = database.shards.get(shard) else { return Vec::new() };
    let name = ("application_name".into(), "pgherd".into());
    // Where there is one shard, clients speak what they would speak to it.
    let encoding = (database.shards.len() > 1).then(|| ("client_encoding".into(), "UTF8".into()));
    let parameters: StartupParameters = std::iter::once(name).chain(encoding).collect();
    let login = match &user.server_password {
        Some(password) => Login::new(user.name.clone(), Some(password.reveal())),
        None => Login::by_what_is_shown(user.name.clone(), shown.clone()),
    };
    let target = |address: &NodeAddress| Target {
        address: address.clone(),
        tls: shard.tls.clone(),
        database: database.server_name.clone(),
        login: login.clone(),
        parameters: parameters.clone(),
        prepared_statements: pool.prepared_statements,
        silence_timeout: pool.silence_timeout,
    };
    shard.nodes.iter().map(target).collect()
}

/// A bound that pools share, named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRow {
    pub shard: Box<str>,
    pub node: String,
    /// The setting that says so.
    pub setting: Box<str>,
    pub size: usize,
    /// Connections that there are, those being made included.
    pub taken: usize,
}

fn closed() -> ClusterError {
    ClusterError::new("57P01", "pgherd is shutting down")
}
