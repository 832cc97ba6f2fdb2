//! A bound on connections that several pools share: those to one server.
//!
//! A pool takes from all its budgets before it connects, and gives back when a connection has
//! ended. Who finds a budget used up has it close a connection that another pool has and
//! doesn't use; where there is none, the next one that comes back is closed, for whoever has
//! waited longest in all its pools. Nothing here is touched by a statement that finds a
//! connection of its own pool.
//!
//! Locks: a pool's state first, then what its budgets have taken. Nobody holds one pool's state
//! and looks at another's.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Moment, Shared, State};
use crate::config::settings::NodeAddress;

/// The budgets of servers, for all databases that have nodes there.
#[derive(Debug, Default)]
pub struct ServerBudgets(Mutex<HashMap<NodeAddress, Arc<Budget>>>);

impl ServerBudgets {
    /// The budget of the server at this address. Its size is that of the first who asked.
    pub fn of(&self, address: &NodeAddress, setting: &str, size: usize) -> Arc<Budget> {
        let mut budgets = self.0.lock();
        let new = || Budget::new(setting, size);
        Arc::clone(budgets.entry(address.clone()).or_insert_with(new))
    }
}

/// At most so many connections in all pools that share it.
pub struct Budget {
    /// The setting that says so.
    setting: String,
    size: usize,
    taken: Mutex<usize>,
    /// Pools in which somebody waits for whom this budget has no room.
    short: AtomicUsize,
    pools: Mutex<Vec<Weak<Shared>>>,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} {}", self.taken(), self.size, self.setting)
    }
}

impl Budget {
    /// `setting` is its name for those who read that it is used up; `size` at least one.
    pub fn new(setting: impl Into<String>, size: usize) -> Arc<Budget> {
        Arc::new(Budget {
            setting: setting.into(),
            size: size.max(1),
            taken: Mutex::default(),
            short: AtomicUsize::new(0),
            pools: Mutex::default(),
        })
    }

    pub fn setting(&self) -> &str {
        &self.setting
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// Connections that there are, those being made included.
    pub fn taken(&self) -> usize {
        *self.taken.lock()
    }

    /// Room for one connection in all of them, or in none: the first that has no room.
    pub(super) fn take(budgets: &[Arc<Budget>]) -> Result<(), usize> {
        // All pools have theirs in the same order.
        let mut all: Vec<_> = Vec::with_capacity(budgets.len());
        for (i, budget) in budgets.iter().enumerate() {
            let taken = budget.taken.lock();
            if *taken >= budget.size {
                return Err(i);
            }
            all.push(taken);
        }
        all.iter_mut().for_each(|taken| **taken += 1);
        Ok(())
    }

    /// So many connections have ended, and whoever waits for room gets it. The caller holds no
    /// pool's state.
    pub(super) fn give_back(budgets: &[Arc<Budget>], connections: usize) {
        for budget in budgets {
            *budget.taken.lock() -= connections;
        }
        budgets.iter().filter(|budget| budget.is_short()).for_each(|budget| budget.pass_on());
    }

    /// Whether somebody waits for room here.
    pub(super) fn is_short(&self) -> bool {
        self.short.load(Ordering::SeqCst) > 0
    }

    /// A pool waits for room, or doesn't any longer.
    pub(super) fn wait(&self, waits: bool) {
        if waits {
            self.short.fetch_add(1, Ordering::SeqCst);
        } else {
            self.short.fetch_sub(1, Ordering::SeqCst);
        }
    }

    pub(super) fn join(&self, pool: &Arc<Shared>) {
        let mut pools = self.pools.lock();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    fn pools(&self) -> Vec<Arc<Shared>> {
        self.pools.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Closes the connection that nobody has used for longest; false when all are in use.
    pub(super) fn close_an_idle_one(&self) -> bool {
        let pools = self.pools();
        loop {
            let idle = pools.iter().filter_map(|pool| Some((pool.idle_since()?, pool)));
            let Some((_, longest)) = idle.min_by_key(|(since, _)| *since) else { return false };
            // It may have been taken since.
            if longest.close_oldest() {
                return true;
            }
        }
    }

    /// Since when the first one waits for room here, other than in `pool`.
    pub(super) fn first_beside(&self, pool: &Arc<Shared>) -> Option<Instant> {
        let others = self.pools();
        let others = others.iter().filter(|other| !Arc::ptr_eq(other, pool));
        others.filter_map(|other| other.short_since()).min()
    }

    /// Lets those connect who wait for room, the one who has waited longest first.
    fn pass_on(&self) {
        let pools = self.pools();
        let mut waiting: Vec<_> =
            pools.iter().filter_map(|pool| Some((pool.short_since()?, pool))).collect();
        waiting.sort_by_key(|(since, _)| *since);
        for (_, pool) in waiting {
            if self.taken() >= self.size {
                return;
            }
            pool.start_connecting(&mut pool.state.lock());
        }
    }
}

/// A pool's side of it.
impl Shared {
    /// Somebody waits for room in this budget now, or nobody in any.
    pub(super) fn be_short(&self, state: &mut State, of: Option<usize>) {
        let before = std::mem::replace(&mut state.short, of);
        for (budget, waits) in [(of, true), (before, false)] {
            if let Some(budget) = budget.and_then(|i| self.budgets.get(i)) {
                budget.wait(waits);
            }
        }
    }

    /// Since when the first one waits, when it is a budget that has no room for it.
    fn short_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.short.and_then(|_| state.line.front().map(|w| w.since))
    }

    /// Since when the connection is idle that is it for longest.
    fn idle_since(&self) -> Option<Moment> {
        self.state.lock().idle.iter().map(|idle| idle.since).min()
    }

    /// Closes that one; false when there is none.
    fn close_oldest(&self) -> bool {
        let mut state = self.state.lock();
        let oldest = state.idle.iter().enumerate().min_by_key(|(_, idle)| idle.since);
        let Some((at, _)) = oldest else { return false };
        let oldest = state.idle.remove(at);
        state.live -= 1;
        drop(state);
        self.end(std::iter::once(oldest.backend));
        true
    }

    /// Since when the first one of another pool waits for room that this pool takes up.
    pub(super) fn rival(self: &Arc<Self>) -> Option<Instant> {
        let short = self.budgets.iter().filter(|budget| budget.is_short());
        short.filter_map(|budget| budget.first_beside(self)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_in_all_or_in_none() {
        let (node, database) = (Budget::new("a", 3), Budget::new("b", 1));
        let both = [Arc::clone(&node), Arc::clone(&database)];
        assert_eq!(Budget::take(&both), Ok(()));
        assert_eq!(Budget::take(&both), Err(1));
        assert_eq!((node.taken(), database.taken()), (1, 1));
        assert_eq!(Budget::take(&both[..1]), Ok(()));
        Budget::give_back(&both, 1);
        assert_eq!((node.taken(), database.taken()), (1, 0));
    }
}
