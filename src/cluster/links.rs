//! Connections of pgherd's own to the primaries of a database, one a shard, for what it does beside
//! its clients' statements.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::ask::{Row, ask};
use super::backend::Backend;
use super::error::ConnectError;
use super::shard::Shard;
use crate::placement::ShardId;

/// Statements wait so long for a lock: the decision that the resolver asks for may be under way.
const LOCK_WAIT: &str = "1s";

/// One connection a shard, made when it is needed. Who asks waits for who asked before.
pub struct Links {
    shards: Vec<Arc<Shard>>,
    links: Vec<Mutex<Option<Link>>>,
    connect_timeout: Duration,
    query_timeout: Duration,
}

struct Link {
    backend: Backend,
    node: usize,
}

impl Links {
    /// None is made yet.
    pub fn new(shards: Vec<Arc<Shard>>, connect: Duration, query: Duration) -> Links {
        let links = shards.iter().map(|_| Mutex::default()).collect();
        Links { shards, links, connect_timeout: connect, query_timeout: query }
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Asks a shard's primary.
    ///
    /// # Errors
    /// It isn't there, or says no.
    pub async fn ask(&self, shard: ShardId, question: &str) -> Result<Vec<Row>, ConnectError> {
        let at = usize::from(shard.0);
        let none = || ConnectError::Unreachable(format!("there is no shard number {at}"));
        let (state, link) = self.shards.get(at).zip(self.links.get(at)).ok_or_else(none)?;
        let mut link = link.lock().await;
        let node = state
            .primary()
            .ok_or_else(|| ConnectError::Unreachable("its primary is not known".to_owned()))?;
        let usable = link.take().filter(|link| link.node == node && link.backend.is_clean());
        let mut open = match usable {
            Some(open) => open,
            None => self.connect(state, node).await?,
        };
        let answered = ask(&mut open.backend, question, self.query_timeout).await;
        if open.backend.is_clean() {
            *link = Some(open);
        }
        answered
    }

    async fn connect(&self, shard: &Arc<Shard>, node: usize) -> Result<Link, ConnectError> {
        let limit = self.connect_timeout;
        let none = || ConnectError::Unreachable("it has no such node".to_owned());
        let target = shard.target(node).ok_or_else(none)?;
        let connected = Backend::connect(target, limit).await;
        if connected.is_err() {
            shard.suspect(node);
        }
        let mut backend = connected?;
        let settings = format!(
            "SET search_path = pg_catalog; SET lock_timeout = '{LOCK_WAIT}'; \
             SET default_transaction_read_only = off; SET synchronous_commit = on; \
             SET default_transaction_isolation = 'read committed'"
        );
        ask(&mut backend, &settings, self.query_timeout).await?;
        Ok(Link { backend, node })
    }
}
