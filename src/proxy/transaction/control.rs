//! What a client says to its transaction where several shards take part in it.

use futures_util::future::join_all;

use super::told::{Said, tell};
use crate::proxy::failure::Failure;
use crate::proxy::planner::Part;
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::Effect;
use crate::routing::{Action, CursorUse};
use crate::sql::Transaction;
use crate::wire::backend::{self, TransactionStatus};

/// Questions that take no snapshot, so that the transaction can still be made another.
const CHARACTERISTICS: &str =
    "SHOW transaction_isolation;SHOW transaction_read_only;SHOW transaction_deferrable";

impl Session {
    /// Whether a statement is said to the transaction itself, and several shards take part in it.
    pub(in crate::proxy) fn concerns_all(&self, part: &Part) -> bool {
        self.is_wide()
            && match part.action() {
                Action::Transaction(transaction) => !matches!(
                    transaction,
                    Transaction::PrepareTransaction
                        | Transaction::CommitPrepared
                        | Transaction::RollbackPrepared
                ),
                Action::Set(set) => !crate::proxy::control::is_ours(&set.name),
                _ => part.cursor() == Some(&CursorUse::ClosesAll),
            }
    }

    /// Runs such a statement on all of them, without ReadyForQuery.
    pub(in crate::proxy) async fn tell_transaction(
        &mut self,
        part: &Part,
        text: &[u8],
    ) -> Result<(), Stop> {
        let own = part.text(text);
        let tag = match part.action() {
            Action::Transaction(Transaction::Commit { chain }) => {
                self.end_wide(chain.then_some(own), true).await?
            }
            Action::Transaction(Transaction::Rollback { chain }) => {
                self.end_wide(chain.then_some(own), false).await?
            }
            _ => return self.tell_each(part, text).await,
        };
        backend::command_complete(&mut self.client.output, tag);
        Ok(())
    }

    /// `chain` is the text of COMMIT or ROLLBACK that had AND CHAIN.
    async fn end_wide(&mut self, chain: Option<&[u8]>, commit: bool) -> Result<&'static str, Stop> {
        let mut journal = std::mem::take(&mut self.state.journal);
        let failed = self.state.status == TransactionStatus::Failed;
        let commit = commit && !failed;
        if let Some(text) = chain {
            journal.told_chain(text, failed);
            if journal.is_vague() {
                journal.is_known_as(&self.handed_on().await?);
            }
        }
        if commit {
            self.commit_all().await?;
        } else {
            self.roll_back_all().await;
        }
        if chain.is_some() {
            journal.begin_anew();
            self.state.journal = journal;
            self.state.status = TransactionStatus::InTransaction;
        }
        Ok(if commit { "COMMIT" } else { "ROLLBACK" })
    }

    /// What the failed transaction hands on to the next, which one of its servers is asked: it is in
    /// that one afterwards.
    async fn handed_on(&mut self) -> Result<String, Stop> {
        let asked = format!("ROLLBACK AND CHAIN;{CHARACTERISTICS}");
        self.ask_held(&asked).await
    }

    /// Asks the server that the transaction is on for its characteristics.
    pub(super) async fn ask_characteristics(&mut self) -> Result<(), Stop> {
        let begin = self.ask_held(CHARACTERISTICS).await?;
        self.state.journal.is_known_as(&begin);
        Ok(())
    }

    async fn ask_held(&mut self, asked: &str) -> Result<String, Stop> {
        let Some(held) = &mut self.held else { return Ok("BEGIN".to_owned()) };
        let shard = held.shard;
        let said = match tell(held, asked).await {
            Ok(said) => said,
            Err(why) => return Err(self.lost_other(shard, &why).await),
        };
        if let Some(failure) = said.failure {
            return Err(Stop::Failed(failure));
        }
        let values = said.rows.iter().flatten().filter_map(|row| row.first()?.as_deref());
        Ok(match values.collect::<Vec<_>>().as_slice() {
            [.., isolation, read_only, deferrable] => {
                let access = if *read_only == "on" { "READ ONLY" } else { "READ WRITE" };
                let not = if *deferrable == "on" { "" } else { "NOT " };
                format!("BEGIN ISOLATION LEVEL {isolation}, {access}, {not}DEFERRABLE")
            }
            _ => "BEGIN".to_owned(),
        })
    }

    /// The others first, so that the client hears nothing before all have done it.
    pub(in crate::proxy) async fn tell_each(
        &mut self,
        part: &Part,
        whole: &[u8],
    ) -> Result<(), Stop> {
        let after = self.after_reset_of(part, whole);
        let said = std::iter::once(part.text(whole)).chain(after.iter().map(|sql| &**sql));
        let said: Vec<&[u8]> = said.collect();
        let sql = String::from_utf8(said.join(&b"\n;"[..])).map_err(|_| {
            Failure::unsupported(
                "a text that isn't UTF-8 can't be said to several shards at once",
                "Speak UTF-8, or write it in ASCII.",
            )
        })?;
        self.tell_others(&sql).await?;
        self.run_part_with(part, whole, &after).await?;
        if matches!(part.action(), Action::Transaction(Transaction::Begin { .. })) {
            // A block from now on, whoever began it.
            self.implicit = false;
        }
        Ok(())
    }

    async fn tell_others(&mut self, sql: &str) -> Result<(), Stop> {
        let told = self.others.iter_mut().map(async |held| (held.shard, tell(held, sql).await));
        for (shard, heard) in join_all(told).await {
            match heard {
                Ok(Said { failure: Some(failure), .. }) => return Err(Stop::Failed(failure)),
                Ok(_) => {}
                Err(why) => return Err(self.lost_other(shard, &why).await),
            }
        }
        Ok(())
    }

    /// Of a call that sets something, which one server answers: the others set it, too.
    pub(in crate::proxy) async fn tell_setting(&mut self, effect: &Effect) -> Result<(), Stop> {
        let Effect::Change(change) = effect else { return Ok(()) };
        if !self.is_wide() {
            return Ok(());
        }
        let reset = change.reset.iter().map(|name| format!("RESET \"{name}\"").into_bytes());
        let set = change.set.iter().map(|(_, sql)| sql).chain(&change.local);
        let all: Vec<Vec<u8>> = set.map(|sql| sql.to_vec()).chain(reset).collect();
        let sql = String::from_utf8_lossy(&all.join(&b';')).into_owned();
        self.tell_others(&sql).await
    }

    /// Another shard's connection is lost, and with it the transaction.
    async fn lost_other(&mut self, shard: crate::routing::ShardId, why: &str) -> Stop {
        if let Some(held) = self.others.iter().find(|held| held.shard == shard) {
            self.pools.suspect(shard, &held.backend);
        }
        let name = self.db.shard_name(shard).to_owned();
        let explicit = !self.implicit;
        self.roll_back_all().await;
        if explicit {
            self.state.status = TransactionStatus::Failed;
        }
        Failure::new("08006", format!("the connection to shard {name} was lost: {why}"))
            .with_hint("The transaction was rolled back. Run it again.")
            .into()
    }
}
