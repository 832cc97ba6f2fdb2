//! How a pool gets its connections: when one is made, and what becomes of it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::MutexGuard;
use tokio::time::sleep;

use super::{Budget, PoolError, Shared, State, Waiter};
use crate::cluster::ConnectError;
use crate::cluster::backend::{Backend, StartupParameters, Target};

impl Shared {
    pub(super) fn size(&self) -> usize {
        self.limits.size.max(1)
    }

    pub(super) fn min_size(&self) -> usize {
        self.limits.min_size.min(self.size())
    }

    /// Connections have ended that were counted as live until now. The caller holds no state.
    pub(super) fn end(&self, gone: impl ExactSizeIterator<Item = Box<Backend>>) {
        let connections = gone.len();
        gone.for_each(|backend| backend.farewell());
        if connections > 0 {
            Budget::give_back(&self.budgets, connections);
        }
    }

    /// Starts connecting when somebody waits for whom nobody connects yet, or when there are
    /// fewer than are always to be there, as far as all bounds allow. Where a bound that is
    /// shared with others doesn't, a connection that they don't use is closed for it.
    pub(super) fn connect_if_useful<'a>(self: &'a Arc<Self>, mut state: MutexGuard<'a, State>) {
        while let Some(i) = self.start_connecting(&mut state) {
            let Some(budget) = self.budgets.get(i) else { return };
            drop(state);
            if !budget.close_an_idle_one() {
                return;
            }
            state = self.state.lock();
        }
    }

    /// As [`connect_if_useful`](Self::connect_if_useful), but leaves other pools alone: gives
    /// the budget that has no room for somebody who waits. After a failure one attempt at a
    /// time.
    pub(super) fn start_connecting(self: &Arc<Self>, state: &mut State) -> Option<usize> {
        loop {
            let allowed = state.failing.is_none() || state.connecting == 0;
            if state.closed || state.pauses > 0 || !allowed || !self.wants_more(state) {
                self.be_short(state, None);
                return None;
            }
            if let Err(i) = Budget::take(&self.budgets) {
                let waits = state.connecting < state.line.len();
                if !waits {
                    self.be_short(state, None);
                    return None;
                }
                if state.short == Some(i) {
                    return Some(i);
                }
                // Once more after it is known: there may be room since we looked.
                self.be_short(state, Some(i));
                continue;
            }
            state.connecting += 1;
            self.runtime.spawn(self.clone().connect(Duration::ZERO));
        }
    }

    fn wants_more(&self, state: &State) -> bool {
        let all = state.live + state.connecting;
        if all < self.size() {
            return state.connecting < state.line.len() || all < self.min_size();
        }
        // The reserve is for those who have waited long; the line is in the order of coming.
        let late = |w: &Waiter| w.since.elapsed() >= self.limits.reserve_after;
        all < self.size() + self.limits.reserve_size
            && state.connecting < state.line.partition_point(late)
    }

    async fn connect(self: Arc<Self>, mut pause: Duration) {
        loop {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let begin = self.state.lock().begin.clone();
            let failure = match self.open(begin.as_ref()).await {
                Ok(backend) => return self.welcome(Box::new(backend)),
                Err(failure) => failure,
            };
            if begin.is_some() && matches!(failure, ConnectError::Refused { .. }) {
                // Good once; who wants them still will hear what is wrong with them now.
                self.state.lock().begin = None;
                continue;
            }
            (self.on_failure)(&failure);
            match self.after_failure(failure) {
                Some(next) => pause = next,
                None => return,
            }
        }
    }

    /// `begin`: the session's startup parameters, if not the target's.
    pub(super) async fn open(
        &self,
        begin: Option<&StartupParameters>,
    ) -> Result<Backend, ConnectError> {
        let limit = self.limits.connect_timeout;
        let mut backend = match begin {
            None => Backend::connect(&self.target, limit).await?,
            Some(parameters) => {
                let target = Target { parameters: parameters.clone(), ..self.target.clone() };
                Backend::connect(&target, limit).await?
            }
        };
        if backend.parameters().get("in_hot_standby").is_some_and(|on| &**on == "on") {
            backend.farewell();
            return Err(ConnectError::Standby);
        }
        backend.live_for(self.limits.lifetime);
        if let Some(line) = backend.line() {
            let mut lines = self.lines.lock();
            lines.retain(|line| line.strong_count() > 0);
            lines.push(Arc::downgrade(line));
        }
        Ok(backend)
    }

    /// Ends connections to a machine that is gone, in use or not.
    pub(super) fn look_after_lines(&self) {
        let lines: Vec<_> = self.lines.lock().iter().filter_map(Weak::upgrade).collect();
        for line in lines {
            if line.end_if_silent(self.target.silence_timeout) {
                tracing::warn!(node = %self.target.address, "its machine confirms nothing");
            }
        }
    }

    pub(super) fn welcome(self: Arc<Self>, backend: Box<Backend>) {
        let mut state = self.state.lock();
        state.connecting -= 1;
        state.live += 1;
        state.failing = None;
        state.pause = self.limits.retry_min;
        drop(state);
        // First handed over, so that nobody connects for the one who gets this.
        self.take_back(backend);
        self.connect_if_useful(self.state.lock());
    }

    /// The line's fate after a failed attempt. When the node can't be reached, or no connection
    /// is out that could come back, it is told at once. (A connection that is out to a node that
    /// can't be reached most likely hangs there.) Else the line goes on waiting, and there is
    /// another attempt after the pause that is returned.
    fn after_failure(self: &Arc<Self>, failure: ConnectError) -> Option<Duration> {
        let mut state = self.state.lock();
        state.failing = Some(failure.clone());
        // Who waits for the end of a pause waits for what there is then.
        let paused = state.pauses > 0;
        let hopeless = failure.is_unreachable() || (state.live == 0 && !failure.is_full());
        let hopeless = hopeless && !paused;
        if hopeless || paused || state.line.is_empty() || state.closed {
            state.connecting -= 1;
            // Those who share the last attempt under way share its end, too.
            let told = if hopeless { std::mem::take(&mut state.line) } else { VecDeque::new() };
            self.be_short(&mut state, None);
            drop(state);
            Budget::give_back(&self.budgets, 1);
            let error = PoolError::Connect(failure);
            told.into_iter().for_each(|w| drop(w.hand.send(Err(error.clone()))));
            return None;
        }
        let pause = state.pause;
        state.pause = (pause * 2).min(self.limits.retry_max);
        Some(pause)
    }
}
