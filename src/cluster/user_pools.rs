//! The pools of one user: one for each node of each shard.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::time::Instant;

use super::backend::{Backend, StartupParameters};
use super::closed;
use super::error::{ClusterError, ConnectError};
use super::pool::{Lent, Pool, PoolError, PoolStats, Waited};
use super::shard::Shard;
use crate::placement::ShardId;
use crate::wire::auth::client::{Shown, ShownSlot};

/// How often one checkout follows a primary that moves under it.
const ATTEMPTS: usize = 3;

/// One pool, named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRow {
    pub shard: Box<str>,
    pub node: String,
    pub user: Box<str>,
    pub stats: PoolStats,
}

/// The pools of one user on all shards.
pub struct UserPools {
    pub(super) user: Box<str>,
    pub(super) shards: Vec<ShardPools>,
    pub(super) queue_timeout: Duration,
    /// What the logins go by that have no password of their own.
    pub(super) shown: Option<ShownSlot>,
}

pub(super) struct ShardPools {
    pub shard: Arc<Shard>,
    /// One a node.
    pub nodes: Vec<Pool>,
}

impl UserPools {
    /// A client of this user has shown this; connections are made by it where the settings have
    /// no password for the servers.
    pub fn show(&self, shown: Shown) {
        if let Some(slot) = &self.shown {
            slot.put(shown);
        }
    }

    /// Lends a connection to the shard's primary, within `limits.queue_timeout`. First come,
    /// first served; may be dropped while it waits.
    pub async fn checkout(&self, shard: ShardId) -> Result<Lent, ClusterError> {
        self.checkout_as(shard, None).await
    }

    /// As [`UserPools::checkout`]: a connection whose session began with these startup
    /// parameters, or with pgherd's own.
    pub async fn checkout_as(
        &self,
        shard: ShardId,
        begun: Option<&StartupParameters>,
    ) -> Result<Lent, ClusterError> {
        let pools = self.shards.get(usize::from(shard.0)).ok_or_else(|| {
            ClusterError::new("XX000", format!("there is no shard number {}", shard.0))
        })?;
        let started = Instant::now();
        let deadline = started + self.queue_timeout;
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let node = match pools.shard.primary() {
                Some(node) => node,
                // Who is held back waits for the end of that, in any pool of the shard.
                None if pools.nodes.first().is_some_and(Pool::is_paused) => 0,
                None => pools.shard.wait_primary(deadline).await?,
            };
            let Some(pool) = pools.nodes.get(node) else { break };
            let lent = match begun {
                None => pool.checkout(deadline).await,
                Some(parameters) => pool.checkout_begun(parameters, deadline).await,
            };
            match lent {
                Ok(lent) => return Ok(lent),
                Err(PoolError::Moved) => {}
                // The pool has told the shard, which looks for its primary again.
                Err(PoolError::Connect(e)) if e.is_unreachable() => failure = Some((pool, e)),
                // What the client itself has said at its beginning is wrong.
                Err(PoolError::Connect(ConnectError::Refused { sqlstate, message }))
                    if begun.is_some() && is_about_parameters(&sqlstate) =>
                {
                    return Err(ClusterError::new(sqlstate, message));
                }
                Err(e) => return Err(self.explain(&pools.shard, pool, e, started.elapsed())),
            }
        }
        let why = match failure {
            Some((pool, e)) => format!("node {}: {e}", pool.target().address),
            None => "no node of it takes statements now".to_owned(),
        };
        Err(pools.shard.unavailable(&why, started.elapsed()))
    }

    /// Lends a connection to the shard's primary that is idle, without waiting; to be called on
    /// the runtime that will use it, which is `here`.
    pub fn try_checkout(&self, shard: ShardId, here: runtime::Id) -> Option<Lent> {
        let pools = self.shards.get(usize::from(shard.0))?;
        pools.nodes.get(pools.shard.primary()?)?.try_checkout(here)
    }

    /// The node taken for the shard's primary refused to write: find out who is.
    pub fn suspect(&self, shard: ShardId, lent: &Backend) {
        let Some(pools) = self.shards.get(usize::from(shard.0)) else { return };
        if let Some(node) = pools.shard.nodes().position(|address| address == lent.address()) {
            pools.shard.suspect(node);
        }
    }

    fn explain(
        &self,
        shard: &Shard,
        pool: &Pool,
        error: PoolError,
        waited: Duration,
    ) -> ClusterError {
        let (name, address, user) = (shard.name(), &pool.target().address, &self.user);
        match error {
            PoolError::Closed => closed(),
            PoolError::Connect(e) => ClusterError::new(
                e.sqlstate(),
                format!("shard {name}, node {address}, user {user}: {e}"),
            )
            .with_hint(if e.is_about_tls() {
                "See sslmode and what belongs to it, and the server's certificate."
            } else {
                "See the user's server password and the node's pg_hba.conf."
            }),
            PoolError::Moved => shard.unavailable("its primary has changed", waited),
            PoolError::Timeout(Waited { paused: true, .. }) => shard
                .unavailable("it is paused", waited)
                .with_hint("Waited for limits.queue_timeout. RESUME lets statements run again."),
            PoolError::Timeout(Waited { last, live, budget, .. }) => {
                let busy = match &budget {
                    Some(budget) => format!(
                        "{live} connections for user {user} are busy, and all {} of {}",
                        budget.size(),
                        budget.setting()
                    ),
                    None => {
                        let size = pool.stats().size;
                        format!("{live} of {size} connections for user {user} are busy")
                    }
                };
                let setting = budget.as_ref().map_or("pool.size", |budget| budget.setting());
                let error = shard.unavailable(&busy, waited).with_hint(format!(
                    "Waited for limits.queue_timeout. Shorten transactions, or raise {setting} \
                     within the server's max_connections."
                ));
                match last {
                    Some(e) => error.with_detail(format!("Connecting one more failed: {e}.")),
                    None => error,
                }
            }
        }
    }

    pub(super) fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.shards.iter().flat_map(|s| &s.nodes)
    }

    /// As [`Pool::reap`]; connections are kept ready only to the nodes that take statements.
    pub(super) fn reap(&self, wanted: bool) {
        for shard in &self.shards {
            let primary = shard.shard.primary().filter(|_| wanted);
            for (node, pool) in shard.nodes.iter().enumerate() {
                pool.reap(primary == Some(node));
            }
        }
    }

    /// At the end of a pause in which the primary may have moved: who waits at a node that isn't
    /// it asks again.
    pub(super) fn redirect(&self) {
        for shard in &self.shards {
            let primary = shard.shard.primary();
            for (node, pool) in shard.nodes.iter().enumerate() {
                let away = primary.map_or(!pool.is_paused(), |primary| primary != node);
                if away {
                    pool.turn_away();
                }
            }
        }
    }

    pub(super) fn stats(&self) -> impl Iterator<Item = PoolRow> {
        self.shards.iter().flat_map(|s| {
            s.nodes.iter().map(|pool| PoolRow {
                shard: s.shard.name().into(),
                node: pool.target().address.to_string(),
                user: self.user.clone(),
                stats: pool.stats(),
            })
        })
    }
}

/// Whether a server that doesn't let us in finds fault with a startup parameter: its value, its
/// name, or the right to set it.
fn is_about_parameters(sqlstate: &str) -> bool {
    ["22", "42", "0A"].iter().any(|class| sqlstate.starts_with(class))
}
