//! A pool that lends nothing for a while.
//!
//! Who wants a connection waits in line, as long as it would wait for one that is in use. What
//! is lent may be used until it comes back; when all is back, nothing that was sent is still
//! running. Several may have paused a pool: it lends again when the last of them is done.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Pool, PoolError, Shared};

/// Keeps a pool from lending until it is dropped.
pub struct PoolPause {
    pool: Arc<Shared>,
}

impl Pool {
    /// Nothing is lent from now on.
    pub fn pause(&self) -> PoolPause {
        self.shared.state.lock().pauses += 1;
        PoolPause { pool: Arc::clone(&self.shared) }
    }

    pub fn is_paused(&self) -> bool {
        self.shared.state.lock().pauses > 0
    }

    /// Sends the line away, to where statements are taken now.
    pub fn turn_away(&self) {
        let line = {
            let mut state = self.shared.state.lock();
            self.shared.be_short(&mut state, None);
            std::mem::take(&mut state.line)
        };
        line.into_iter().for_each(|w| drop(w.hand.send(Err(PoolError::Moved))));
    }
}

impl PoolPause {
    /// The same pool's, once more.
    pub fn again(&self) -> PoolPause {
        Pool { shared: Arc::clone(&self.pool) }.pause()
    }

    /// Waits until all that was lent has come back. May be dropped while waiting.
    pub async fn drained(&self) {
        loop {
            let returned = self.pool.returned.notified();
            tokio::pin!(returned);
            returned.as_mut().enable();
            if self.lent() == 0 {
                return;
            }
            returned.await;
        }
    }

    /// Connections that are still in use.
    pub fn lent(&self) -> usize {
        let state = self.pool.state.lock();
        state.live - state.idle.len()
    }

    /// Closes the connections that are not in use; the next ones are made anew.
    pub fn close_idle(&self) {
        let idle = {
            let mut state = self.pool.state.lock();
            let idle = std::mem::take(&mut state.idle);
            state.live -= idle.len();
            idle
        };
        self.pool.end(idle.into_iter().map(|idle| idle.backend));
    }
}

impl Drop for PoolPause {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        state.pauses -= 1;
        let mut served = VecDeque::new();
        let mut dead = Vec::new();
        while state.pauses == 0
            && !state.line.is_empty()
            && let Some(mut idle) = state.idle.pop()
        {
            if self.pool.may_lend(&mut idle) {
                served.extend(state.line.pop_front().map(|first| (first, idle.backend)));
            } else {
                state.live -= 1;
                dead.push(idle.backend);
            }
        }
        drop(state);
        self.pool.end(dead.into_iter());
        for (waiter, backend) in served {
            // What nobody takes comes back by being dropped.
            drop(waiter.hand.send(Ok(self.pool.lend(backend))));
        }
        self.pool.connect_if_useful(self.pool.state.lock());
    }
}

impl Shared {
    /// A connection has come back, or has ended.
    pub(super) fn tell_returned(&self, paused: bool) {
        if paused {
            self.returned.notify_waiters();
        }
    }
}
