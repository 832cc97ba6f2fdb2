//! The connections of one user to one node: a bounded number, lent out first come, first served.
//!
//! Why not deadpool: docs/decisions/002-own-pool.md. Idle connections are reused last in, first
//! out, so that few stay warm and the rest age out. Who finds none waits in line; a connection
//! that comes back is handed to the first in line, never put where somebody else could take it.
//! Connecting runs beside the line, so whoever waits takes what comes first: a returned
//! connection or a new one.

mod budget;
mod connecting;
mod lent;
mod pause;

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{self, Handle};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::backend::{Backend, StartupParameters, Target};
use super::error::ConnectError;
use super::line::Line;
use super::moment::Moment;
pub use budget::{Budget, ServerBudgets};
pub use lent::Lent;
pub use pause::PoolPause;

/// A connection that comes back goes to another pool that waits for room in a [`Budget`] when
/// somebody there came so much earlier than the first of its own line. Not for less, since
/// another pool has to log in anew.
const EARLIER: Duration = Duration::from_millis(100);

/// A connection that was idle for less than this is lent out without asking the kernel whether
/// it is still open: what tokio already knows of the socket has to do. Under load it is always
/// less, and the check costs no system call.
const FRESH: Duration = Duration::from_millis(5);

/// Bounds of one pool.
#[derive(Debug, Clone)]
pub struct PoolLimits {
    /// Connections at once, those being made included; at least one.
    pub size: usize,
    /// So many are kept while the pool is wanted, however long nobody uses them.
    pub min_size: usize,
    /// So many more may be made for those who have waited for `reserve_after`.
    pub reserve_size: usize,
    pub reserve_after: Duration,
    /// To reach the server and authenticate.
    pub connect_timeout: Duration,
    /// An unused connection is closed after this.
    pub idle_timeout: Duration,
    /// An older connection is closed when it isn't in use.
    pub lifetime: Duration,
    /// Between two attempts to connect while somebody waits and connecting fails: the first
    /// pause, and the longest that it doubles to.
    pub retry_min: Duration,
    pub retry_max: Duration,
}

/// Why nothing was lent.
#[derive(Debug, Clone)]
pub enum PoolError {
    /// Connecting failed, and nothing is to be hoped for from the connections that are out.
    Connect(ConnectError),
    /// The time was up.
    Timeout(Waited),
    /// The node doesn't take statements any more: ask again which one does.
    Moved,
    /// The pool is being shut down.
    Closed,
}

/// What somebody has waited for in vain.
#[derive(Debug, Clone)]
pub struct Waited {
    /// What the last attempt to connect failed with, if it did.
    pub last: Option<ConnectError>,
    /// Connections that there are.
    pub live: usize,
    /// The bound shared with other pools that kept it from more.
    pub budget: Option<Arc<Budget>>,
    /// Nothing is lent for now.
    pub paused: bool,
}

/// Told of each failed attempt to connect.
pub type OnFailure = Box<dyn Fn(&ConnectError) + Send + Sync>;

/// A pool; a clone is the same pool.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    limits: PoolLimits,
    /// Bounds that it shares with other pools, in the order that all have them in.
    budgets: Vec<Arc<Budget>>,
    runtime: Handle,
    on_failure: OnFailure,
    state: Mutex<State>,
    /// A connection has come back while the pool was paused.
    returned: Notify,
    /// One a connection, idle or lent.
    lines: Mutex<Vec<Weak<Line>>>,
}

#[derive(Default)]
struct State {
    /// The last one was used last.
    idle: Vec<Idle>,
    /// In the order of their coming.
    line: VecDeque<Waiter>,
    next_ticket: u64,
    /// Idle and lent.
    live: usize,
    /// Attempts to connect that are under way, a pause before one included.
    connecting: usize,
    /// What the last attempt failed with; `None` after a success.
    failing: Option<ConnectError>,
    /// The pause before the next attempt.
    pause: Duration,
    /// What new connections begin with, instead of the target's: what a session began with
    /// last, since the next one's client is most likely a sister of its.
    begin: Option<StartupParameters>,
    /// Which of its budgets has no room for somebody who waits.
    short: Option<usize>,
    /// Who keeps the pool from lending; see [`PoolPause`].
    pauses: usize,
    closed: bool,
}

impl State {
    /// The idle connection that was used last, of those that this runtime watches if there is
    /// one.
    fn take_last(&mut self, runtime: runtime::Id) -> Option<Idle> {
        let here = self.idle.iter().rposition(|idle| idle.backend.runtime() == runtime);
        match here {
            Some(at) => Some(self.idle.remove(at)),
            None => self.idle.pop(),
        }
    }
}

struct Idle {
    /// Boxed, since it moves from hand to hand.
    backend: Box<Backend>,
    since: Moment,
}

struct Waiter {
    ticket: u64,
    since: Instant,
    hand: oneshot::Sender<Result<Lent, PoolError>>,
}

/// What a pool looks like now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStats {
    pub idle: usize,
    pub lent: usize,
    pub connecting: usize,
    pub waiting: usize,
    /// How long the first in line has been waiting.
    pub longest_wait: Duration,
    pub size: usize,
    pub min_size: usize,
    pub reserve_size: usize,
    /// Nothing is lent for now.
    pub paused: bool,
}

impl Pool {
    /// A pool without connections; they are made when asked for, on `runtime`.
    pub fn new(
        target: Target,
        limits: PoolLimits,
        budgets: Vec<Arc<Budget>>,
        runtime: Handle,
        on_failure: OnFailure,
    ) -> Pool {
        let state = Mutex::new(State { pause: limits.retry_min, ..State::default() });
        let returned = Notify::new();
        let shared = Arc::new(Shared {
            target,
            limits,
            budgets,
            runtime,
            on_failure,
            state,
            returned,
            lines: Mutex::default(),
        });
        shared.budgets.iter().for_each(|budget| budget.join(&shared));
        Pool { shared }
    }

    /// Lends a connection, waiting until `deadline` at most. May be dropped while waiting.
    pub async fn checkout(&self, deadline: Instant) -> Result<Lent, PoolError> {
        let mut lent = self.wait(deadline).await?;
        lent.settle(Handle::current().id());
        Ok(lent)
    }

    async fn wait(&self, deadline: Instant) -> Result<Lent, PoolError> {
        let mut place = match self.shared.take_or_line_up()? {
            Taken::Lent(lent) => return Ok(lent),
            Taken::Place(place) => place,
        };
        if self.shared.limits.reserve_size > 0 {
            let late = place.since + self.shared.limits.reserve_after;
            if late < deadline {
                match timeout_at(late, &mut place.hand).await {
                    Ok(handed) => return handed.unwrap_or(Err(PoolError::Closed)),
                    Err(_) => self.shared.connect_if_useful(self.shared.state.lock()),
                }
            }
        }
        match timeout_at(deadline, &mut place.hand).await {
            Ok(handed) => handed.unwrap_or(Err(PoolError::Closed)),
            Err(_) => {
                let state = self.shared.state.lock();
                let budget = state.short.and_then(|i| self.shared.budgets.get(i));
                Err(PoolError::Timeout(Waited {
                    last: state.failing.clone(),
                    live: state.live,
                    budget: budget.cloned(),
                    paused: state.pauses > 0,
                }))
            }
        }
    }

    /// As [`Pool::checkout`], a connection whose session began with these startup parameters and
    /// not with the target's: an idle one if there is, else one that is made so.
    pub async fn checkout_begun(
        &self,
        parameters: &StartupParameters,
        deadline: Instant,
    ) -> Result<Lent, PoolError> {
        self.shared.prefer(parameters);
        let mut lent = self.checkout(deadline).await?;
        if lent.began() != parameters {
            // What it was is closed first: the server may have no room for both.
            lent.close();
            let connected = self.shared.open(Some(parameters)).await;
            *lent = connected.map_err(|failure| {
                (self.shared.on_failure)(&failure);
                PoolError::Connect(failure)
            })?;
        }
        self.shared.state.lock().begin = Some(Arc::clone(parameters));
        Ok(lent)
    }

    /// Lends a connection that is idle, without waiting. To be called on the runtime that will
    /// use it, which is `here`.
    pub fn try_checkout(&self, here: runtime::Id) -> Option<Lent> {
        let mut state = self.shared.state.lock();
        let (taken, dead) = self.shared.take_idle(&mut state, here);
        drop(state);
        if !dead.is_empty() {
            self.shared.end(dead.into_iter().map(|idle| idle.backend));
        }
        let mut lent = self.shared.lend(taken?);
        lent.settle(here);
        Some(lent)
    }

    /// Closes what has been idle too long, is too old, or was closed by its server; ends what
    /// goes to a machine that is gone. `wanted`:
    /// so many as are always to be there stay, or are made.
    pub fn reap(&self, wanted: bool) {
        self.shared.look_after_lines();
        let min = if wanted { self.shared.min_size() } else { 0 };
        let mut gone = Vec::new();
        let mut state = self.shared.state.lock();
        let mut kept = Vec::with_capacity(state.idle.len());
        let mut live = state.live;
        let now = Moment::now();
        for mut idle in state.idle.drain(..) {
            let fresh = now.since(idle.since) < self.shared.limits.idle_timeout;
            let young = !idle.backend.has_expired(now);
            if (fresh || live <= min) && young && idle.backend.is_quiet() {
                kept.push(idle);
            } else {
                live -= 1;
                gone.push(idle);
            }
        }
        state.idle = kept;
        state.live = live;
        drop(state);
        self.shared.end(gone.into_iter().map(|idle| idle.backend));
        if wanted {
            self.shared.connect_if_useful(self.shared.state.lock());
        }
    }

    /// Closes the idle connections and turns the line away; what is lent is closed when it
    /// comes back.
    pub fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        let line = std::mem::take(&mut state.line);
        let idle = std::mem::take(&mut state.idle);
        state.live -= idle.len();
        self.shared.be_short(&mut state, None);
        drop(state);
        self.shared.end(idle.into_iter().map(|idle| idle.backend));
        line.into_iter().for_each(|w| drop(w.hand.send(Err(PoolError::Closed))));
    }

    /// No connection, and nobody who waits for one.
    pub fn is_empty(&self) -> bool {
        let state = self.shared.state.lock();
        state.live + state.connecting + state.line.len() == 0
    }

    pub fn stats(&self) -> PoolStats {
        let state = self.shared.state.lock();
        PoolStats {
            idle: state.idle.len(),
            lent: state.live - state.idle.len(),
            connecting: state.connecting,
            waiting: state.line.len(),
            longest_wait: state.line.front().map_or(Duration::ZERO, |w| w.since.elapsed()),
            size: self.shared.limits.size,
            min_size: self.shared.limits.min_size,
            reserve_size: self.shared.limits.reserve_size,
            paused: state.pauses > 0,
        }
    }

    pub fn target(&self) -> &Target {
        &self.shared.target
    }
}

enum Taken {
    Lent(Lent),
    Place(Place),
}

/// A place in the line, given up when dropped.
struct Place {
    pool: Arc<Shared>,
    ticket: u64,
    since: Instant,
    hand: oneshot::Receiver<Result<Lent, PoolError>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        if let Ok(at) = state.line.binary_search_by_key(&self.ticket, |w| w.ticket) {
            state.line.remove(at);
        }
        if state.short.is_some() {
            // Perhaps it was the one for whom there is no room.
            self.pool.connect_if_useful(state);
        }
        // A connection that was handed over and not taken goes back when `hand` is dropped.
    }
}

impl Shared {
    fn take_or_line_up(self: &Arc<Self>) -> Result<Taken, PoolError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(PoolError::Closed);
        }
        let (taken, dead) = self.take_idle(&mut state, Handle::current().id());
        if let Some(backend) = taken {
            drop(state);
            self.end(dead.into_iter().map(|idle| idle.backend));
            return Ok(Taken::Lent(self.lend(backend)));
        }
        let (sender, hand) = oneshot::channel();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let since = Instant::now();
        state.line.push_back(Waiter { ticket, since, hand: sender });
        drop(state);
        self.end(dead.into_iter().map(|idle| idle.backend));
        self.connect_if_useful(self.state.lock());
        Ok(Taken::Place(Place { pool: self.clone(), ticket, since, hand }))
    }

    /// Sees to it that an idle connection that began with these parameters is lent next.
    fn prefer(&self, parameters: &StartupParameters) {
        let idle = &mut self.state.lock().idle;
        if let Some(at) = idle.iter().rposition(|idle| idle.backend.began() == parameters) {
            let preferred = idle.remove(at);
            idle.push(preferred);
        }
    }

    /// An idle connection that may be lent, if there is one, and those that were found dead.
    fn take_idle(&self, state: &mut State, here: runtime::Id) -> (Option<Box<Backend>>, Vec<Idle>) {
        let mut dead = Vec::new();
        // Nobody passes those who wait; while somebody does, nothing is idle anyway.
        while state.line.is_empty()
            && state.pauses == 0
            && let Some(mut idle) = state.take_last(here)
        {
            if self.may_lend(&mut idle) {
                return (Some(idle.backend), dead);
            }
            state.live -= 1;
            dead.push(idle);
        }
        (None, dead)
    }

    fn may_lend(&self, idle: &mut Idle) -> bool {
        let now = Moment::now();
        let fresh = now.since(idle.since) < FRESH;
        let open = if fresh { idle.backend.seems_quiet() } else { idle.backend.is_quiet() };
        open && !idle.backend.has_expired(now)
    }

    fn lend(self: &Arc<Self>, backend: Box<Backend>) -> Lent {
        Lent { backend: Some(backend), pool: self.clone() }
    }

    /// A connection comes back, or is new: to the first in line, else to the idle ones.
    fn take_back(self: &Arc<Self>, mut backend: Box<Backend>) {
        let now = Moment::now();
        if !backend.is_clean() || backend.has_expired(now) {
            return self.discard(backend);
        }
        loop {
            let rival = self.rival();
            let mut state = self.state.lock();
            let paused = state.pauses > 0;
            let own = state.line.front().filter(|_| !paused).map(|w| w.since);
            // One of the reserve, for which nobody waits any more, is one too many.
            let spare = own.is_none() && state.live > self.size();
            if state.closed || spare || rival.is_some_and(|rival| comes_first(rival, own)) {
                drop(state);
                return self.discard(backend);
            }
            let Some(first) = own.and_then(|_| state.line.pop_front()) else {
                backend.rest();
                state.idle.push(Idle { backend, since: now });
                drop(state);
                return self.tell_returned(paused);
            };
            drop(state);
            // Sent without the lock: what nobody takes comes back here.
            let Err(Ok(mut untaken)) = first.hand.send(Ok(self.lend(backend))) else { return };
            let Some(returned) = untaken.backend.take() else { return };
            backend = returned;
        }
    }

    fn discard(self: &Arc<Self>, backend: Box<Backend>) {
        let mut state = self.state.lock();
        state.live -= 1;
        let paused = state.pauses > 0;
        drop(state);
        self.end(std::iter::once(backend));
        self.tell_returned(paused);
        self.connect_if_useful(self.state.lock());
    }
}

/// Whether somebody of another pool gets a connection's place before the first of its own line.
fn comes_first(rival: Instant, own: Option<Instant>) -> bool {
    own.is_none_or(|own| rival + EARLIER < own)
}
