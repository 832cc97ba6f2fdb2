//! BEGIN, COMMIT and the like among the statements of a text that runs on several shards.
//!
//! In Postgres the statements of a text are one transaction, an implicit block, up to where a BEGIN
//! makes a block of it, or a COMMIT ends it; behind that the next begins.

use super::failure::Failure;
use super::journal::is_bare_begin;
use super::planner::Part;
use super::session::{Session, Stop};
use crate::routing::Action;
use crate::sql::Transaction;
use crate::wire::backend::{self, Report, Severity, TransactionStatus};

impl Session {
    /// Answers what is said of the transaction where the client has begun none; false where it is to
    /// be run as any statement is.
    pub(super) async fn in_implicit_block(
        &mut self,
        part: &Part,
        text: &[u8],
    ) -> Result<bool, Stop> {
        use Transaction as T;
        let Action::Transaction(transaction) = part.action() else { return Ok(false) };
        if self.state.status != TransactionStatus::Idle && !self.implicit {
            return Ok(false);
        }
        let only_in_blocks = |what: &str| {
            let said = format!("{what} can only be used in transaction blocks");
            Err(Failure::new("25P01", said).into())
        };
        match transaction {
            T::Begin { .. } if self.implicit => {
                // What stands before it in the text is part of the block.
                self.implicit = false;
                self.state.status = TransactionStatus::InTransaction;
                let starts = part.text(text).first().is_some_and(|b| b.eq_ignore_ascii_case(&b's'));
                let tag = if starts { "START TRANSACTION" } else { "BEGIN" };
                backend::command_complete(&mut self.client.output, tag);
                Ok(true)
            }
            T::Commit { chain: true } => only_in_blocks("COMMIT AND CHAIN"),
            T::Rollback { chain: true } => only_in_blocks("ROLLBACK AND CHAIN"),
            T::Commit { .. } => self.end_implicit_block(true).await.map(|()| true),
            T::Rollback { .. } => self.end_implicit_block(false).await.map(|()| true),
            T::Savepoint(_) => only_in_blocks("SAVEPOINT"),
            T::Release(_) => only_in_blocks("RELEASE SAVEPOINT"),
            T::RollbackTo(_) => only_in_blocks("ROLLBACK TO SAVEPOINT"),
            T::Characteristics | T::Constraints => {
                self.open_block().await?;
                self.begin_implicit();
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    async fn end_implicit_block(&mut self, commit: bool) -> Result<(), Stop> {
        let said = "there is no transaction in progress";
        let warning = Report::new(Severity::Warning, "25P01", said);
        backend::report(&mut self.client.output, &warning);
        self.conclude(commit).await?;
        let tag = if commit { "COMMIT" } else { "ROLLBACK" };
        backend::command_complete(&mut self.client.output, tag);
        Ok(())
    }
}

/// The first statement of a text that can't be answered among others: two-phase transactions of the
/// client's own, and a BEGIN with options behind statements that it makes a block of.
pub fn out_of_block<'p>(parts: &'p [Part], mut in_block: bool, text: &[u8]) -> Option<&'p Part> {
    use Transaction as T;
    let mut any = false;
    for part in parts {
        let Action::Transaction(transaction) = part.action() else {
            any |= *part.action() != Action::Empty;
            continue;
        };
        let fits = match transaction {
            T::Begin { .. } => in_block || !any || is_bare_begin(part.text(text)),
            T::PrepareTransaction | T::CommitPrepared | T::RollbackPrepared => false,
            _ => true,
        };
        if !fits {
            return Some(part);
        }
        match transaction {
            T::Begin { .. } => in_block = true,
            T::Commit { chain } | T::Rollback { chain } => {
                in_block &= *chain;
                any &= *chain;
            }
            _ => any = true,
        }
    }
    None
}
