//! One shard: its nodes, and which of them is the primary now.
//!
//! The primary is found by asking. While it is known, nobody asks; when a connection to it
//! fails or it says that it is read-only, one search runs until there is a primary again, with
//! a growing pause between its rounds. Meanwhile whoever wants the shard waits for the first
//! round's end and after it is told at once that the shard is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::ask::ask;
use super::backend::{Backend, Target};
use super::error::{ClusterError, ConnectError};
use crate::config::settings::NodeAddress;

/// When one primary has answered, how long the others may take to say that they are one too.
const OTHERS: Duration = Duration::from_millis(250);

const UNKNOWN: usize = usize::MAX;

/// Bounds of a search.
#[derive(Debug, Clone)]
pub struct SearchLimits {
    pub connect_timeout: Duration,
    pub query_timeout: Duration,
    /// Between two rounds: the first pause, and the longest that it doubles to.
    pub retry_min: Duration,
    pub retry_max: Duration,
}

/// What is known of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// The first round of a search is under way.
    Looking,
    /// Index of the node, and its timeline.
    Primary { node: usize, timeline: u32 },
    /// The search goes on; what its last round said.
    Down { since: Instant, why: Arc<str> },
}

pub struct Shard {
    name: Box<str>,
    /// One a node, as the control user.
    targets: Vec<Target>,
    limits: SearchLimits,
    runtime: Handle,
    /// The primary's index or [`UNKNOWN`]: the same as `view`, for the path of each statement.
    primary: AtomicUsize,
    /// A search runs exactly while this is not `Primary`.
    view: watch::Sender<View>,
}

impl Shard {
    /// Begins with a search.
    pub fn start(
        name: &str,
        targets: Vec<Target>,
        limits: SearchLimits,
        runtime: Handle,
    ) -> Arc<Shard> {
        let shard = Arc::new(Shard {
            name: name.into(),
            targets,
            limits,
            runtime,
            primary: AtomicUsize::new(UNKNOWN),
            view: watch::Sender::new(View::Looking),
        });
        shard.spawn_search();
        shard
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &NodeAddress> {
        self.targets.iter().map(|t| &t.address)
    }

    /// Where a node is, for pgherd's own questions.
    pub(super) fn target(&self, node: usize) -> Option<&Target> {
        self.targets.get(node)
    }

    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Index of the primary, if it is known.
    pub fn primary(&self) -> Option<usize> {
        let node = self.primary.load(Ordering::Acquire);
        (node != UNKNOWN).then_some(node)
    }

    /// Index of the primary; waits for a search's round, until `deadline` at most. A shard that
    /// is known to be down is an error at once.
    pub async fn wait_primary(&self, deadline: Instant) -> Result<usize, ClusterError> {
        let started = Instant::now();
        let mut changes = self.view.subscribe();
        loop {
            let why = match &*changes.borrow_and_update() {
                View::Primary { node, .. } => return Ok(*node),
                View::Down { why, .. } => Some(why.clone()),
                View::Looking => None,
            };
            if let Some(why) = why {
                return Err(self.unavailable(&why, started.elapsed()));
            }
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return Err(self.unavailable("its primary is not known yet", started.elapsed()));
            }
        }
    }

    /// 57P03 with this shard's name and what is wrong with it.
    pub fn unavailable(&self, why: &str, waited: Duration) -> ClusterError {
        ClusterError::new(
            "57P03",
            format!("shard {} unavailable: {why}, waited {:.1} s", self.name, waited.as_secs_f64()),
        )
        .with_hint(
            "Statements for other shards are served. The shard is tried again by itself; \
             repeat the transaction later.",
        )
    }

    /// `node` couldn't be reached or won't write: if it is the one taken for the primary, search.
    pub fn suspect(self: &Arc<Self>, node: usize) {
        let doubted = self.view.send_if_modified(|view| {
            let known = matches!(view, View::Primary { node: known, .. } if *known == node);
            if known {
                self.primary.store(UNKNOWN, Ordering::Release);
                *view = View::Looking;
            }
            known
        });
        if doubted {
            tracing::warn!(shard = %self.name, node = %self.targets[node].address,
                "primary in doubt, searching");
            self.spawn_search();
        }
    }

    fn spawn_search(self: &Arc<Self>) {
        // Weak, so that a search ends with the last one who could want its result.
        let shard = Arc::downgrade(self);
        self.runtime.spawn(async move {
            let mut pause = Duration::ZERO;
            loop {
                sleep(pause).await;
                let Some(shard) = shard.upgrade() else { return };
                let found = shard.round().await;
                if shard.conclude(found) {
                    return;
                }
                let limits = &shard.limits;
                pause = (pause * 2).clamp(limits.retry_min, limits.retry_max);
            }
        });
    }

    /// Asks all nodes at once. The primary and its timeline, or what each node said.
    async fn round(&self) -> Result<(usize, u32), String> {
        let mut asked = JoinSet::new();
        for (node, target) in self.targets.iter().enumerate() {
            let (target, limits) = (target.clone(), self.limits.clone());
            asked.spawn(async move { (node, probe(&target, &limits).await) });
        }
        let mut primaries: Vec<(usize, u32)> = Vec::new();
        let mut others = Vec::new();
        let mut answered = asked.join_next().await;
        while let Some(answer) = answered {
            match answer {
                Ok((node, Ok(timeline))) => primaries.push((node, timeline)),
                Ok((node, Err(e))) => {
                    others.push((node, format!("node {}: {e}", self.targets[node].address)));
                }
                // Only when the runtime is shutting down.
                Err(_) => {}
            }
            let next = asked.join_next();
            answered = if primaries.is_empty() {
                next.await
            } else {
                timeout(OTHERS, next).await.unwrap_or(None)
            };
        }
        self.elect(primaries).unwrap_or_else(|| {
            others.sort();
            Err(others.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; "))
        })
    }

    /// Of several primaries the one promoted last; two on one timeline can't be told apart, and
    /// a write to the wrong one would be lost.
    fn elect(&self, mut primaries: Vec<(usize, u32)>) -> Option<Result<(usize, u32), String>> {
        primaries.sort_by_key(|(node, timeline)| (std::cmp::Reverse(*timeline), *node));
        match *primaries.as_slice() {
            [] => None,
            [(a, first), (b, second), ..] if first == second => Some(Err(format!(
                "nodes {} and {} both are primary on timeline {first}; stop the wrong one",
                self.targets[a].address, self.targets[b].address
            ))),
            [first, ..] => Some(Ok(first)),
        }
    }

    /// Tells the result of a round; true when the search is over.
    fn conclude(&self, found: Result<(usize, u32), String>) -> bool {
        match found {
            Ok((node, timeline)) => {
                let address = &self.targets[node].address;
                tracing::info!(shard = %self.name, node = %address, timeline, "primary found");
                self.view.send_modify(|view| {
                    *view = View::Primary { node, timeline };
                    self.primary.store(node, Ordering::Release);
                });
                true
            }
            Err(why) => {
                self.view.send_modify(|view| {
                    let since = match view {
                        View::Down { since, .. } => *since,
                        _ => {
                            tracing::error!(shard = %self.name, why, "shard is down");
                            Instant::now()
                        }
                    };
                    *view = View::Down { since, why: why.into() };
                });
                false
            }
        }
    }
}

/// The timeline of a node that is a primary.
async fn probe(target: &Target, limits: &SearchLimits) -> Result<u32, ConnectError> {
    // The function's own hex digits: pg_control_checkpoint() is behind after a promotion.
    const QUESTION: &str = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE \
        pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8) END";
    let mut backend = Backend::connect(target, limits.connect_timeout).await?;
    let rows = ask(&mut backend, QUESTION, limits.query_timeout).await?;
    backend.farewell();
    match rows.first().map(Vec::as_slice) {
        Some([Some(hex)]) => u32::from_str_radix(hex, 16)
            .map_err(|_| ConnectError::Unreachable(format!("odd name of a WAL file: {hex}"))),
        Some([None]) => Err(ConnectError::Standby),
        _ => Err(ConnectError::Unreachable("no answer to who is primary".into())),
    }
}
