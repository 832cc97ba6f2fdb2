//! Writes that several shards run, each its share (`docs/decisions/009-spread.md`).
//!
//! `routing` has said which shards, what each of them gets, and how their answers become one. They
//! run it at once, as one transaction: the client's, or one that ends with the statement. Here they
//! are asked; what they answer is put together by `written`.

mod ask;
mod fed;
mod moved;
mod rows;
mod written;

use tokio::time::Instant;

pub use self::moved::Asked;
use self::written::{Locked, Written};
use super::failure::Failure;
use super::scatter::leg::Leg;
use super::scatter::run::{Answer, Run, Why};
use super::session::{Session, Stop};
use super::state::Note;
use crate::config::rules::TableName;
use crate::routing::{Lock, Shares};
use crate::wire::backend;

pub use self::ask::Question;

/// How a statement on several shards ended that wasn't answered.
enum Ended {
    Stop(Stop),
    /// The share with this number said so, in a frame of its own.
    Told(usize, bytes::BytesMut),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended::Stop(failure.into())
    }
}

impl Session {
    /// Runs a text of one statement, without ReadyForQuery. `ends`: the text is all there is to
    /// its transaction, if that is its own.
    pub(super) async fn share_text(
        &mut self,
        shares: &Shares,
        text: &[u8],
        ends: bool,
    ) -> Result<(), Stop> {
        let tag = Box::pin(self.share(shares, &Question::Text(text), text, true)).await?;
        if ends {
            // Before the client hears that it is done.
            self.conclude(true).await?;
        }
        backend::command_complete(&mut self.client.output, &tag);
        Ok(())
    }

    /// Runs a statement on several shards in the running transaction, or in one that is begun
    /// for it. `text` is the client's; `shown`: it wants to hear what rows look like. The command
    /// tag.
    pub(super) async fn share(
        &mut self,
        shares: &Shares,
        question: &Question<'_>,
        text: &[u8],
        shown: bool,
    ) -> Result<String, Stop> {
        // They go on in its transaction.
        let portals = std::mem::take(&mut self.portals);
        self.open_block().await?;
        if shares.in_block && !self.state.journal.is_open() {
            let said = "LOCK TABLE can only be used in transaction blocks";
            return Err(Failure::new("25P01", said).into());
        }
        self.begin_implicit();
        let shards: Vec<_> = shares.each.iter().map(|share| share.shard).collect();
        let mut legs = self.call_legs(&shards).await?;
        let turn = |leg: &Leg| shards.iter().position(|shard| *shard == leg.held.shard);
        legs.sort_by_key(turn);
        let ended = self.run_shares(shares, &mut legs, question, shown).await;
        self.dismiss(legs, ended.is_err()).await;
        if self.held.is_some() {
            self.portals = portals;
        }
        match ended {
            Ok(tag) => Ok(tag),
            Err(Ended::Stop(stop)) => Err(stop),
            Err(Ended::Told(at, frame)) => {
                let edited = shares.each.get(at).and_then(|share| share.text.as_ref());
                let edited = edited.filter(|_| self.reading().utf8);
                self.tell_error(&frame, edited, text)?;
                Err(Stop::Told)
            }
        }
    }

    /// The command tag that the client gets.
    async fn run_shares(
        &mut self,
        shares: &Shares,
        legs: &mut [Leg],
        question: &Question<'_>,
        shown: bool,
    ) -> Result<String, Ended> {
        let mut written = Written::new(shares, shown, self.db.limits.merge_memory);
        let first = if shares.first_alone { 1 } else { legs.len() };
        let (first, others) = legs.split_at_mut(first.min(legs.len()));
        for group in [first, others] {
            if group.is_empty() {
                continue;
            }
            if !shares.locks.is_empty() {
                self.lock_copies(&shares.locks, group).await?;
            }
            let follow = shares.led.as_ref().filter(|_| written.begun() > 0);
            if follow.is_some() && written.led_rows().is_empty() {
                continue;
            }
            for (leg, share) in group.iter_mut().zip(shares.each.iter().skip(written.begun())) {
                leg.begin_anew();
                let asked = match follow {
                    Some(led) => {
                        let world = self.world();
                        let types = std::iter::empty();
                        let text = led.insert.as_bytes();
                        let insert = self.db.registry.statement(text, types, world);
                        ask::insert_rows(leg, &insert, written.led_rows(), written.led_formats())
                    }
                    None => question.ask(leg, share, shares, &self.db.registry),
                };
                asked.map_err(Ended::Stop)?;
                leg.held.wrote |= shares.writes;
            }
            self.run_group(group, &mut written).await?;
            written.next_group();
        }
        let described = shown && matches!(question, Question::Bound { .. });
        written.finish(&mut self.client.output, described).map_err(Ended::from)
    }

    /// Takes part in the turns of a reference table's writers, in the running transaction: what is
    /// written there next is written to equal copies.
    pub(super) async fn lock_copies_of(&mut self, table: &TableName) -> Result<(), Stop> {
        let locks = [Lock::of(table, false)];
        let mut legs = self.call_legs(&self.db.shard_ids()).await?;
        let home = self.db.home();
        legs.sort_by_key(|leg| leg.held.shard != home);
        let one = legs.len().min(1);
        let (first, others) = legs.split_at_mut(one);
        let mut locked = self.lock_copies(&locks, first).await;
        if locked.is_ok() && !others.is_empty() {
            locked = self.lock_copies(&locks, others).await;
        }
        self.dismiss(legs, locked.is_err()).await;
        match locked {
            Ok(()) => Ok(()),
            Err(Ended::Stop(stop)) => Err(stop),
            Err(Ended::Told(_, frame)) => {
                self.client.output.extend_from_slice(&frame);
                Err(Stop::Told)
            }
        }
    }

    /// Writers of reference tables come one after the other, on every shard.
    async fn lock_copies(&mut self, locks: &[Lock], legs: &mut [Leg]) -> Result<(), Ended> {
        let text = lock_text(locks);
        for leg in legs.iter_mut() {
            leg.begin_anew();
            leg.held.query(text.as_bytes(), true, Note::default());
        }
        let mut locked = Locked::default();
        self.run_group(legs, &mut locked).await?;
        if locked.taken == legs.len() {
            return Ok(());
        }
        Err(Failure::unsupported(
            "a write to a reference table in a transaction that isn't READ COMMITTED",
            "Its copies could come to differ: use READ COMMITTED, or write it before, in a \
             transaction of its own.",
        )
        .into())
    }

    async fn run_group(
        &mut self,
        legs: &mut [Leg],
        answer: &mut impl HasFailed,
    ) -> Result<(), Ended> {
        let us = (&mut self.client, &mut self.state, &mut self.alarm);
        let limit = (self.times.statement, Instant::now());
        let run = Run::new(us, legs, answer, limit).until_the_end();
        match run.run().await {
            Ok(()) | Err(Why::Enough) => Ok(()),
            Err(Why::Told(frame)) => Err(Ended::Told(answer.failed_share(), frame)),
            Err(Why::Failed(failure) | Why::Unfit(failure)) => {
                Err(Ended::Stop(Stop::Failed(failure)))
            }
            Err(Why::Gone(gone)) => Err(Ended::Stop(gone.into())),
        }
    }
}

/// An answer that knows which share's error the client is told.
trait HasFailed: Answer {
    fn failed_share(&self) -> usize;
}

/// Takes the locks where the transaction is READ COMMITTED, so that what comes next sees what
/// who had them before has done; else none, and yields no row.
fn lock_text(locks: &[Lock]) -> String {
    let call = |lock: &Lock| {
        let shared = if lock.shared { "_shared" } else { "" };
        format!("pg_catalog.pg_advisory_xact_lock{shared}({}, {})", Lock::CLASS, lock.key)
    };
    let calls: Vec<String> = locks.iter().map(call).collect();
    format!(
        "SELECT {} WHERE pg_catalog.current_setting('transaction_isolation') = 'read committed'",
        calls.join(", ")
    )
}
