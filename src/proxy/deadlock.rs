//! Transactions that wait for each other on different shards, which no server can see.
//!
//! Those that several shards take part in are entered in a list. While some of them last longer than
//! `cluster.deadlock_timeout`, the shards are asked who waits for whom; a circle that goes through
//! more than one shard, and is still there at a second look with the very same waits, is a
//! deadlock. The youngest transaction in it is cancelled, and its client told 40P01.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::cancel::{CANCEL_LIMIT, CancelHandle};
use super::failure::Failure;
use crate::cluster::links::Links;
use crate::cluster::waits::{Wait, waits};
use crate::routing::ShardId;

/// The transactions of one database that several shards take part in.
#[derive(Debug)]
pub struct WideTransactions {
    entries: Mutex<Entries>,
    /// Told when there is something to look at, or never will be again.
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    by_number: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    /// Its server processes.
    parts: Vec<(ShardId, i32)>,
    cancel: CancelHandle,
    victim: Arc<AtomicBool>,
}

/// A transaction in the list, until this is dropped.
#[derive(Debug)]
pub struct Entered {
    number: u64,
    all: Arc<WideTransactions>,
    victim: Arc<AtomicBool>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.all.entries.lock().by_number.remove(&self.number);
    }
}

impl Entered {
    /// A server process works for the transaction.
    pub fn works(&self, shard: ShardId, pid: i32) {
        if let Some(entry) = self.all.entries.lock().by_number.get_mut(&self.number)
            && !entry.parts.contains(&(shard, pid))
        {
            entry.parts.push((shard, pid));
        }
    }

    /// What its client is told of a cancelled statement, if it was cancelled to end a deadlock.
    pub fn verdict(&self) -> Option<Failure> {
        let chosen = self.victim.swap(false, Ordering::AcqRel);
        chosen.then(|| {
            Failure::new("40P01", "deadlock detected")
                .with_detail(
                    "Transactions waited for each other on different shards; this one was the \
                     youngest.",
                )
                .with_hint("Run the transaction again.")
        })
    }
}

impl Drop for WideTransactions {
    fn drop(&mut self) {
        self.news.notify_one();
    }
}

impl WideTransactions {
    /// An empty list, and who watches it, as often as `timeout` says.
    pub fn start(links: Arc<Links>, timeout: Duration, runtime: &Handle) -> Arc<WideTransactions> {
        let news = Arc::new(Notify::new());
        let all = Arc::new(WideTransactions { entries: Mutex::default(), news: Arc::clone(&news) });
        runtime.spawn(watch(Arc::downgrade(&all), news, links, timeout));
        all
    }

    /// A transaction that is cancelled this way.
    pub fn enter(self: &Arc<Self>, cancel: CancelHandle) -> Entered {
        let victim = Arc::new(AtomicBool::new(false));
        let mut entries = self.entries.lock();
        entries.last += 1;
        let number = entries.last;
        let since = Instant::now();
        let entry = Entry { since, parts: Vec::new(), cancel, victim: Arc::clone(&victim) };
        entries.by_number.insert(number, entry);
        if entries.by_number.len() == 2 {
            self.news.notify_one();
        }
        drop(entries);
        Entered { number, all: Arc::clone(self), victim }
    }

    fn count(&self) -> usize {
        self.entries.lock().by_number.len()
    }

    /// Whose server processes there are, if two transactions have lasted for so long.
    fn lasting(&self, timeout: Duration) -> Option<HashMap<(ShardId, i32), u64>> {
        let entries = self.entries.lock();
        let old = entries.by_number.values().filter(|entry| entry.since.elapsed() >= timeout);
        if old.count() < 2 {
            return None;
        }
        let parts = |(number, entry): (&u64, &Entry)| {
            let number = *number;
            entry.parts.clone().into_iter().map(move |part| (part, number))
        };
        Some(entries.by_number.iter().flat_map(parts).collect())
    }

    async fn cancel(&self, number: u64) {
        let cancel = {
            let entries = self.entries.lock();
            let Some(entry) = entries.by_number.get(&number) else { return };
            entry.victim.store(true, Ordering::Release);
            entry.cancel.clone()
        };
        tracing::info!("transactions waited for each other on different shards: one is cancelled");
        cancel.cancel(CANCEL_LIMIT).await;
    }
}

/// All that wait, by shard.
type Look = HashSet<(ShardId, Wait)>;

async fn watch(
    all: Weak<WideTransactions>,
    news: Arc<Notify>,
    links: Arc<Links>,
    timeout: Duration,
) {
    loop {
        let Some(count) = all.upgrade().map(|wide| wide.count()) else { return };
        if count < 2 {
            news.notified().await;
        }
        sleep(timeout).await;
        let Some(wide) = all.upgrade() else { return };
        let Some(owners) = wide.lasting(timeout) else { continue };
        let first = look(&links, &owners).await;
        if youngest_in_circle(&first, &owners).is_none() {
            continue;
        }
        sleep(timeout / 4).await;
        let second = look(&links, &owners).await;
        let lasting = first.intersection(&second).cloned().collect();
        if let Some(youngest) = youngest_in_circle(&lasting, &owners) {
            wide.cancel(youngest).await;
        }
    }
}

async fn look(links: &Links, owners: &HashMap<(ShardId, i32), u64>) -> Look {
    let mut shards: Vec<ShardId> = owners.keys().map(|(shard, _)| *shard).collect();
    shards.sort();
    shards.dedup();
    let asked = shards.into_iter().map(async |shard| (shard, waits(links, shard).await));
    let mut seen = Look::new();
    for (shard, waits) in join_all(asked).await {
        match waits {
            Ok(waits) => seen.extend(waits.into_iter().map(|wait| (shard, wait))),
            Err(error) => tracing::debug!(%error, "a shard was not asked for its locks"),
        }
    }
    seen
}

/// Who can wait for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Node {
    Wide(u64),
    Process(ShardId, i32),
}

/// The youngest transaction in a circle of waits that goes through more than one shard.
fn youngest_in_circle(seen: &Look, owners: &HashMap<(ShardId, i32), u64>) -> Option<u64> {
    let node = |shard: ShardId, pid: i32| match owners.get(&(shard, pid)) {
        Some(number) => Node::Wide(*number),
        None => Node::Process(shard, pid),
    };
    let mut edges: BTreeMap<Node, Vec<(Node, ShardId)>> = BTreeMap::new();
    for (shard, wait) in seen {
        let (from, to) = (node(*shard, wait.waits), node(*shard, wait.holds));
        edges.entry(from).or_default().push((to, *shard));
    }
    let wide = |from: &Node| matches!(from, Node::Wide(_));
    let from = edges.keys().filter(|from| wide(from)).copied();
    from.filter_map(|from| circle_from(from, &edges)).max()
}

/// The youngest transaction on a way from a node back to it that uses several shards.
fn circle_from(start: Node, edges: &BTreeMap<Node, Vec<(Node, ShardId)>>) -> Option<u64> {
    let mut way = vec![(start, None, 0)];
    let mut tried = HashSet::new();
    while let Some((node, _, next)) = way.last_mut() {
        let Some((to, shard)) = edges.get(node).and_then(|all| all.get(*next)).copied() else {
            way.pop();
            continue;
        };
        *next += 1;
        if to == start {
            let mut shards = way.iter().filter_map(|(_, shard, _)| *shard).chain([shard]);
            let first = shards.next();
            if shards.any(|shard| Some(shard) != first) {
                let number = |(node, ..): &(Node, Option<ShardId>, usize)| match node {
                    Node::Wide(number) => Some(*number),
                    Node::Process(..) => None,
                };
                return way.iter().filter_map(number).max();
            }
        } else if tried.insert(to) {
            way.push((to, Some(shard), 0));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `owners`: number, shard, process. `waits`: shard, who waits, who holds.
    fn youngest(owners: &[(u64, u16, i32)], waits: &[(u16, i32, i32)]) -> Option<u64> {
        let owners = owners.iter().map(|(n, shard, pid)| ((ShardId(*shard), *pid), *n)).collect();
        let wait = |(shard, waits, holds): &(u16, i32, i32)| {
            (ShardId(*shard), Wait { waits: *waits, holds: *holds, since: "".into() })
        };
        youngest_in_circle(&waits.iter().map(wait).collect(), &owners)
    }

    #[test]
    fn a_circle_over_shards_is_a_deadlock_and_one_on_a_shard_is_the_servers_own() {
        let two = [(1, 0, 10), (1, 1, 11), (2, 0, 20), (2, 1, 21)];
        assert_eq!(youngest(&two, &[(0, 10, 20), (1, 21, 11)]), Some(2));
        assert_eq!(youngest(&two, &[(0, 10, 20), (0, 20, 10)]), None);
        assert_eq!(youngest(&two, &[(0, 10, 20)]), None);
        assert_eq!(youngest(&two, &[]), None);
        // By way of a process that is on one shard only.
        assert_eq!(youngest(&two, &[(0, 10, 99), (0, 99, 20), (1, 21, 11)]), Some(2));
        // The same process id on another shard is another process.
        assert_eq!(youngest(&two, &[(0, 10, 99), (1, 99, 20), (1, 21, 11)]), None);
        let three = [(5, 0, 1), (5, 2, 2), (3, 0, 3), (3, 1, 4), (4, 1, 5), (4, 2, 6), (9, 0, 7)];
        let around = [(0, 1, 3), (1, 4, 5), (2, 6, 2), (0, 7, 1)];
        assert_eq!(youngest(&three, &around), Some(5), "who waits for the circle isn't in it");
    }
}
