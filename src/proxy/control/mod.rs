//! Where a statement is answered: by the session, one server, or all.
//!
//! Statements about the session or the transaction are answered by the session itself where no
//! server need be asked (`answer`), so that a transaction takes no connection before it is known
//! which shard it needs. What others of them do to the session is followed (`effect`).

mod answer;
mod effect;
mod show;

use std::sync::Arc;

pub use self::effect::{IS_NULL_HINT, PATH_SEPARATOR, effect_of, hiding_encoding, is_off, is_ours};
pub use self::show::{columns, describe};
use super::failure::Failure;
use super::planner::Part;
use super::session::Session;
use super::setting_call::effect_of_call;
use super::state::Effect;
use super::statements::Statement;
use crate::config::settings::PoolMode;
use crate::routing::{Action, Leaves, ShardId};
use crate::sql::{Discard, Transaction};
use crate::wire::backend::TransactionStatus;

/// How a statement is answered, where the session stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// By the session.
    Local,
    /// By any server, or the one that the transaction is on.
    Anywhere,
    /// Where its route says.
    Routed,
    /// By the session, of a cursor that several shards answer.
    Cursor,
    /// By all servers, one after the other.
    Everywhere,
    /// By all servers of the running transaction.
    Wide,
    /// By any server in a transaction that is rolled back again: the client's has no shard yet.
    Trial,
}

impl Session {
    /// How a statement is answered. `joined`: it follows others, in one batch or text, that go
    /// to a server.
    pub(super) fn place(&self, part: &Part, text: &[u8], joined: bool) -> Result<Where, Failure> {
        let on_server = self.held.is_some() || joined;
        let unsent = !on_server && self.state.journal.is_unsent();
        let failed = !on_server && self.state.status == TransactionStatus::Failed;
        let place = match part.action() {
            // What only the connection that is pinned for it knows.
            Action::Deallocate(Some(name))
                if self.pins().has(Leaves::PREPARED)
                    && self.state.statements.get(name.as_bytes()).is_none() =>
            {
                Where::Anywhere
            }
            Action::Prepare { .. } if unsent && !self.db.is_one_shard() => {
                self.check_name(part, text)?;
                Where::Trial
            }
            Action::Prepare { .. } => {
                self.check_name(part, text)?;
                Where::Anywhere
            }
            Action::Execute { .. } => {
                self.check_name(part, text)?;
                Where::Routed
            }
            // Of what a server has of this client's.
            Action::Discard(what) if *what != Discard::All && self.has_server() => Where::Anywhere,
            Action::Empty | Action::Discard(_) | Action::Deallocate(_) => Where::Local,
            Action::Set(set) if is_ours(&set.name) => Where::Local,
            Action::Show(name) if is_ours(name) => Where::Local,
            Action::Transaction(t) => {
                let place = self.place_transaction(t, on_server, unsent, failed)?;
                return Ok(if self.concerns_all(part) { Where::Wide } else { place });
            }
            Action::Set(set) => {
                self.check_set(set, part, text)?;
                match unsent {
                    true => Where::Trial,
                    false if self.concerns_all(part) => Where::Wide,
                    false => Where::Anywhere,
                }
            }
            Action::Show(_) if unsent => Where::Trial,
            Action::Show(_) => Where::Anywhere,
            Action::Ddl { .. } | Action::Listen { .. }
                if self.db.is_one_shard() || self.hint(part).is_some() =>
            {
                Where::Routed
            }
            Action::Listen { on: false } if self.listening_shards().is_empty() => Where::Anywhere,
            Action::Ddl { .. } | Action::Listen { .. } => Where::Everywhere,
            Action::Run | Action::Explain { .. } => {
                let follows = !self.db.is_one_shard();
                if follows && effect_of_call(part, text, &[])? != Effect::Nothing {
                    self.bound_state(part.text(text).len())?;
                }
                match self.is_of_cursors(part) {
                    true => Where::Cursor,
                    false if self.concerns_all(part) => Where::Wide,
                    false => Where::Routed,
                }
            }
        };
        if failed && *part.action() != Action::Empty {
            return Err(Failure::in_failed_transaction());
        }
        Ok(place)
    }

    /// As `place`, of BEGIN, COMMIT and the like.
    fn place_transaction(
        &self,
        transaction: &Transaction,
        on_server: bool,
        unsent: bool,
        failed: bool,
    ) -> Result<Where, Failure> {
        use Transaction as T;
        match transaction {
            T::Begin { .. } if self.mode == PoolMode::Statement => {
                return Err(Failure::unsupported(
                    "transaction blocks are not allowed in statement mode",
                    "Send each statement by itself, or have pool_mode = \"transaction\".",
                ));
            }
            T::PrepareTransaction | T::CommitPrepared | T::RollbackPrepared
                if self.db.is_one_shard() =>
            {
                return Ok(Where::Anywhere);
            }
            T::Commit { chain: true } | T::Rollback { chain: true } if self.implicit => {
                let message = "AND CHAIN can only be used in transaction blocks";
                return Err(Failure::new("25P01", message));
            }
            T::Savepoint(_) | T::Release(_) | T::RollbackTo(_) if self.implicit => {
                let message = "savepoints can only be used in transaction blocks";
                return Err(Failure::new("25P01", message));
            }
            T::Savepoint(name) => self.bound_state(name.len())?,
            _ => {}
        }
        let place = place_transaction(transaction, on_server, unsent, failed)?;
        Ok(self.refined(transaction, place))
    }

    /// What only settings make more than a matter of the session: a server says what they are
    /// after COMMIT or ROLLBACK.
    fn refined(&self, transaction: &Transaction, place: Where) -> Where {
        let failed = self.state.status == TransactionStatus::Failed;
        let plain = self.state.journal.is_plain();
        match transaction {
            Transaction::RollbackTo(_) if place == Where::Local && !plain => Where::Trial,
            // What a failed transaction hands on to the next is the server's to say.
            Transaction::Commit { chain } | Transaction::Rollback { chain }
                if place == Where::Local && (!plain || (*chain && failed)) =>
            {
                Where::Anywhere
            }
            _ => place,
        }
    }

    /// What a session keeps of its client has a bound; `more` bytes are to come. What is
    /// prepared has its own.
    pub(super) fn bound_state(&self, more: usize) -> Result<(), Failure> {
        let max = self.db.limits.session_state;
        let settings = self.state.settings.bytes() + self.state.hints.bytes();
        let portals = self.portals.bytes() + self.state.cursors.bytes();
        let kept = settings + portals + self.state.journal.memory();
        if kept.saturating_add(more) <= max {
            return Ok(());
        }
        Err(Failure::new("54000", "too much is kept for this session").with_hint(format!(
            "Its settings, savepoints, portals, and what it has said in a transaction before the \
             first statement take {kept} bytes, limits.session_state is {max}. All but settings \
             goes with its transaction; settings go with DISCARD ALL."
        )))
    }

    /// Where a statement goes that is parsed or described but not bound.
    pub(super) fn place_of_soft(&self, statement: &Arc<Statement>) -> Option<ShardId> {
        let part = self.planned(statement).ok().flatten()?;
        self.db.fixed_route(&part, &statement.text)
    }
}

fn place_transaction(
    transaction: &Transaction,
    on_server: bool,
    unsent: bool,
    failed: bool,
) -> Result<Where, Failure> {
    use Transaction as T;
    Ok(match transaction {
        T::PrepareTransaction | T::CommitPrepared | T::RollbackPrepared => {
            return Err(Failure::unsupported(
                "two-phase transactions of a client's own are not supported",
                "Use COMMIT: pgherd does what has to be done on several shards.",
            ));
        }
        _ if on_server => Where::Anywhere,
        T::Commit { .. } | T::Rollback { .. } if unsent || failed => Where::Local,
        T::RollbackTo(_) if unsent || failed => Where::Local,
        _ if failed => return Err(Failure::in_failed_transaction()),
        T::Begin { .. } => {
            if unsent {
                Where::Trial
            } else {
                Where::Local
            }
        }
        T::Savepoint(_) | T::Release(_) if unsent => Where::Local,
        T::Characteristics | T::Constraints if unsent => Where::Trial,
        _ => Where::Anywhere,
    })
}
