//! Transactions that more than one shard takes part in (`docs/decisions/010-two-phase.md`).
//!
//! A transaction has a connection to each shard that it has touched: the one that served its
//! last statement is the session's `held`, the rest are its `others`. A statement for another
//! shard changes places between them, and where the shard is none of them, it joins: its server
//! is told what the transaction's [journal](super::journal) says. What is said to the transaction
//! itself goes to all (`control`), and so does its end (`commit`).

mod commit;
mod control;
mod told;

use futures_util::future::join_all;

use self::told::tell_within;
pub use self::told::{Said, tell};
use super::cancel::CANCEL_LIMIT;
use super::failure::Failure;
use super::held::{Held, purpose};
use super::planner::Part;
use super::session::{Session, Stop};
use super::settings;
use super::state::Purpose;
use crate::routing::{Leaves, ShardId};
use crate::wire::backend::TransactionStatus;

impl Session {
    /// More than one shard takes part in the running transaction.
    pub(super) fn is_wide(&self) -> bool {
        !self.others.is_empty()
    }

    /// The shard that has what the transaction has left for a statement: its cursor, or the last
    /// value of a sequence, of which nobody knows whose it is once several shards take part.
    pub(super) fn current_shard(&self, part: &Part) -> Option<ShardId> {
        let held = self.held.as_ref()?;
        if !self.is_wide() {
            return Some(held.shard);
        }
        if part.notifies() {
            return self.notifying_shard();
        }
        let used = part.cursor()?.used();
        Some(used.and_then(|name| self.shard_of_cursor(name.as_bytes())).unwrap_or(held.shard))
    }

    /// Where the transaction has a cursor, or a portal, of this name.
    pub(super) fn shard_of_cursor(&self, name: &[u8]) -> Option<ShardId> {
        let mut all = self.others.iter().chain(&self.held);
        let has = |held: &&Held| held.cursors.iter().any(|cursor| cursor.as_bytes() == name);
        all.find(has).map(|held| held.shard)
    }

    /// Has the transaction go on at another shard than the one that served its last statement.
    pub(super) async fn join(&mut self, shard: ShardId) -> Result<(), Stop> {
        let Some(held) = &self.held else { return self.take_anew(shard).await };
        let here = held.shard;
        self.open_block().await?;
        if self.state.journal.is_vague() {
            self.ask_characteristics().await?;
        }
        if !self.state.journal.is_open() {
            return Err(self.db.another_shard(here, shard).into());
        }
        self.cancel.detach().await;
        self.others.extend(self.held.take());
        if let Some(at) = self.others.iter().position(|other| other.shard == shard) {
            let held = self.others.swap_remove(at);
            self.serve_by(held);
            return Ok(());
        }
        let taken = self.take_anew(shard).await;
        if self.held.is_none()
            && let Some(held) = self.others.pop()
        {
            // The transaction fails where it was.
            self.serve_by(held);
        }
        taken
    }

    /// The server of `held` is told of the transaction. From the second one on the transaction is
    /// among those that may wait for each other on different shards.
    pub(super) fn enter(&mut self) {
        let Some(held) = &self.held else { return };
        let part = (held.shard, held.backend.pid());
        let Some(first) = self.state.journal.told_by(part) else { return };
        let (cancel, wide) = (&self.cancel, &self.db.wide);
        let entered = self.state.wide.get_or_insert_with(|| wide.enter(cancel.handle()));
        [first, part].into_iter().for_each(|(shard, pid)| entered.works(shard, pid));
    }

    pub(super) fn serve_by(&mut self, held: Held) {
        self.cancel.attach(held.backend.cancel_token());
        self.last_shard = held.shard;
        self.held = Some(held);
    }

    /// Makes a block of what is one transaction only because no Sync has come since: what was
    /// done in it before becomes part of the block.
    pub(super) async fn open_block(&mut self) -> Result<(), Stop> {
        let bare = self
            .held
            .as_ref()
            .is_some_and(|held| held.unsynced && held.backend.status() == TransactionStatus::Idle);
        if !bare || self.state.journal.is_open() {
            return Ok(());
        }
        if self.state.said_bare {
            return Err(Failure::unsupported(
                "SET LOCAL or SET CONSTRAINTS in a pipeline without BEGIN, over several shards",
                "Begin the pipeline with BEGIN.",
            )
            .into());
        }
        let Some(held) = &mut self.held else { return Ok(()) };
        held.query(b"BEGIN", false, purpose(Purpose::Unsent));
        self.begin_implicit();
        self.enter();
        let (committed, current) = (self.state.settings.committed(), self.state.settings.current());
        if let Some(sql) = settings::difference(committed, current) {
            self.state.journal.said(&sql);
        }
        self.converse().await.map(|_| ())
    }

    /// From now on what is done is one transaction that the client hasn't begun, on however many
    /// shards; nothing where one is open. [`conclude`](Self::conclude) ends it: for a simple query
    /// whoever began it, for the extended protocol Sync.
    pub(super) fn begin_implicit(&mut self) {
        if !self.state.journal.is_open() {
            self.state.journal.characteristics(b"BEGIN");
            self.implicit = true;
        }
    }

    /// Ends the transaction that the client hasn't begun, if there is one: commits it, or rolls it
    /// back.
    ///
    /// # Errors
    /// It wasn't committed; or nobody knows. No connection is held any more.
    pub(super) async fn conclude(&mut self, commit: bool) -> Result<(), Stop> {
        if !std::mem::take(&mut self.implicit) {
            return Ok(());
        }
        if commit {
            return self.commit_all().await;
        }
        self.roll_back_all().await;
        Ok(())
    }

    /// Rolls the transaction back on all its shards, and parts with their connections.
    pub(super) async fn roll_back_all(&mut self) {
        self.cancel.detach().await;
        let mut all: Vec<Held> = self.others.drain(..).chain(self.held.take()).collect();
        let told = all.iter_mut().map(|held| tell_within(held, "ROLLBACK", CANCEL_LIMIT));
        for said in join_all(told).await.into_iter().flatten() {
            said.pass_on(&mut self.state, &mut self.client.output);
        }
        self.end_with(all, true).await;
    }

    /// The transaction is over: the session stands outside of it, and its connections serve
    /// others.
    async fn end_with(&mut self, all: Vec<Held>, rolled_back: bool) {
        self.implicit = false;
        self.state.wide = None;
        self.state.journal.clear();
        self.state.status = TransactionStatus::Idle;
        self.state.settle(rolled_back);
        for mut held in all {
            if let Some(notified) = held.notified.take() {
                self.pass_notified(&held.backend, *notified);
            }
            let listens = !held.left.has(Leaves::UNPREPARED);
            let lasting = if listens { Leaves::LISTENING } else { Leaves::NOTHING };
            if !held.left.things().without(lasting).is_nothing() {
                // Its end may have been that of what was left.
                held.left = held.left.and(Leaves::MAY_END);
            }
            self.held = Some(held);
            if self.held.as_ref().is_some_and(|held| held.backend.is_broken()) {
                self.drop_broken().await;
            } else {
                self.part_with_held().await;
            }
        }
        self.portals.clear();
        self.state.cursors.clear();
        if std::mem::take(&mut self.state.redefined) {
            Box::pin(self.db.refresh_schema()).await;
        }
    }

    /// The transaction has failed beyond repair on one shard: the others undo their parts.
    pub(super) async fn forsake_others(&mut self) {
        let mut others = std::mem::take(&mut self.others);
        self.state.wide = None;
        let told = others.iter_mut().map(|held| tell_within(held, "ROLLBACK", CANCEL_LIMIT));
        join_all(told).await;
        for mut held in others {
            if held.backend.is_broken() {
                self.doom(held.left);
                continue;
            }
            held.backend.settings = self.state.settings.committed().clone();
            if self.keeps() || !held.left.things().is_nothing() {
                self.keep(held);
            }
        }
    }
}
