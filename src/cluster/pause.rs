//! Holding statements back from a part of a database, until what runs there is done.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::error::ClusterError;
use super::pool::PoolPause;
use super::user_pools::UserPools;
use super::{Cluster, closed};
use crate::placement::ShardId;

/// What is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Database,
    Shard(ShardId),
    /// One user, on all shards.
    User(Box<str>),
}

/// Statements of its scope wait from now on, until it is dropped: as long as
/// `limits.queue_timeout` lets them. Several may overlap.
pub struct Pause {
    cluster: Arc<Cluster>,
    id: u64,
}

/// A pause that is in force.
pub(super) struct Active {
    id: u64,
    scope: Scope,
    pools: Vec<PoolPause>,
}

impl Active {
    /// Pauses those of a user's pools that it is about.
    pub fn cover(&mut self, pools: &UserPools) {
        if matches!(&self.scope, Scope::User(user) if *user != pools.user) {
            return;
        }
        for (i, shard) in pools.shards.iter().enumerate() {
            if !matches!(self.scope, Scope::Shard(one) if usize::from(one.0) != i) {
                self.pools.extend(shard.nodes.iter().map(|pool| pool.pause()));
            }
        }
    }
}

impl Cluster {
    /// Holds back new statements and waits until those that run are done, at most for `limit`.
    /// When that is not enough, or the caller stops waiting, all goes on as before.
    ///
    /// A transaction that has begun goes on to its end. A client that keeps its connection for
    /// itself is only done when it leaves.
    pub async fn pause(
        self: &Arc<Cluster>,
        scope: Scope,
        limit: Duration,
    ) -> Result<Pause, ClusterError> {
        let pause = self.hold_back(scope)?;
        match timeout(limit, pause.drained()).await {
            Ok(()) => Ok(pause),
            Err(_) => Err(pause.not_drained(limit)),
        }
    }

    /// The pause alone, without waiting.
    fn hold_back(self: &Arc<Cluster>, scope: Scope) -> Result<Pause, ClusterError> {
        if let Scope::Shard(shard) = scope {
            self.shard(shard)?;
        }
        let mut state = self.state.lock();
        if state.closed {
            return Err(closed());
        }
        state.last_pause += 1;
        let id = state.last_pause;
        let mut active = Active { id, scope, pools: Vec::new() };
        state.users.values().for_each(|pools| active.cover(pools));
        state.pauses.push(active);
        Ok(Pause { cluster: Arc::clone(self), id })
    }
}

impl Pause {
    async fn drained(&self) {
        // Nobody who is new to a paused pool gets anything, so one after the other will do.
        while let Some(waits) = self.undrained() {
            waits.drained().await;
        }
    }

    /// One of its pools that still has something out.
    fn undrained(&self) -> Option<PoolPause> {
        let state = self.cluster.state.lock();
        let active = state.pauses.iter().find(|active| active.id == self.id)?;
        active.pools.iter().find(|pool| pool.lent() > 0).map(PoolPause::again)
    }

    fn not_drained(&self, limit: Duration) -> ClusterError {
        let rows = self.cluster.stats();
        let mut busy: Vec<String> = Vec::new();
        for row in rows.iter().filter(|row| row.stats.paused && row.stats.lent > 0) {
            busy.push(format!("{} of user {} on shard {}", row.stats.lent, row.user, row.shard));
        }
        let waited = limit.as_secs_f64();
        let message = format!("statements still run after {waited:.1} s, so nothing is paused");
        ClusterError::new("55006", message)
            .with_detail(format!("Connections in use: {}.", busy.join(", ")))
            .with_hint("Wait for their transactions to end, or end them, and try again.")
    }

    /// Closes the connections of its scope, none of which is in use: those that come after it
    /// are made anew, such as after a restart of a server.
    pub fn close_connections(&self) {
        let state = self.cluster.state.lock();
        let active = state.pauses.iter().filter(|active| active.id == self.id);
        active.flat_map(|active| &active.pools).for_each(PoolPause::close_idle);
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        let (ended, users) = {
            let mut state = self.cluster.state.lock();
            let at = state.pauses.iter().position(|active| active.id == self.id);
            let ended = at.map(|at| state.pauses.swap_remove(at));
            (ended, state.users.values().cloned().collect::<Vec<_>>())
        };
        // Before, so that no former primary serves its line; after, when none is known yet.
        users.iter().for_each(|pools| pools.redirect());
        drop(ended);
        users.iter().for_each(|pools| pools.redirect());
    }
}
