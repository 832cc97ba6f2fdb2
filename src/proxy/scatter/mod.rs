//! A SELECT that several shards answer (`docs/decisions/007-scatter.md`).
//!
//! `routing` has said which shards, what each of them gets, and how their rows are merged. Here
//! the connections are taken (and by `portal` for the extended protocol), and the statement runs on
//! all of them at once (`run`), each of which is a `leg`; `shape` looks whether their rows look
//! alike, and `merge` makes the client's of them, by way of `groups` where rows are put together.

mod groups;
pub(in crate::proxy) mod leg;
mod legs;
pub(in crate::proxy) mod merge;
mod portal;
mod portion;
pub(in crate::proxy) mod run;
pub(in crate::proxy) mod shape;
pub(in crate::proxy) mod sorted;

use std::sync::Arc;

use tokio::time::Instant;

pub use self::leg::{Feed, Leg, Stage};
pub use self::merge::{Form, Merged, Merging, Took, concatenate};
pub use self::portal::{Spread, Way};
pub use self::portion::Giving;
pub use self::run::{Answer, Run, Why};
pub use self::sorted::Ordered;
use super::client::Gone;
use super::copy::Counted;
use super::edited::{move_error, place_before};
use super::failure::Failure;
use super::planner::Part;
use super::replies::Request;
use super::session::{Session, Stop};
use super::state::Note;
use super::statements::Statement;
use crate::routing::{Scattered, Several};
use crate::sql::Edited;
use crate::wire::backend::{self, TransactionStatus};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::{self, Bind, Target as Named};

/// What the shards are asked.
enum Question<'a> {
    Text(&'a [u8]),
    /// What is prepared, with its values.
    Bound {
        statement: &'a Arc<Statement>,
        spread: &'a Spread,
        /// Columns at the end that the client doesn't get.
        hidden: usize,
    },
}

impl Session {
    /// Whether a statement may run on several shards now: in no transaction, or in one that all of
    /// them can take part in.
    pub(super) fn may_scatter(&self) -> bool {
        let unsynced = || self.held.as_ref().is_some_and(|held| held.unsynced);
        match self.state.status {
            TransactionStatus::Idle => self.held.is_none() || self.implicit || unsynced(),
            TransactionStatus::InTransaction => self.state.journal.is_open(),
            TransactionStatus::Failed => false,
        }
    }

    /// Answers a text of one statement, without ReadyForQuery. What turns out not to be mergeable
    /// when the types of its columns are known is gathered.
    pub(super) async fn several_text(&mut self, part: &Part, text: &[u8]) -> Result<(), Stop> {
        if part.query().is_some() {
            return self.declare(part, text, None).await;
        }
        let scattered = match self.by_several(part, text, &[])? {
            Several::Merged(scattered) => scattered,
            several => return Box::pin(self.gather_text(several, part, text)).await,
        };
        let sent = scattered.text.as_ref().map_or(text, |edited| &edited.text);
        let Err(unmerged) = self.scatter(&scattered, Question::Text(sent), text, true).await?
        else {
            return Ok(());
        };
        match self.unmerged(part, text, &[]) {
            Some(several) => Box::pin(self.gather_text(several, part, text)).await,
            None => Err(Stop::Failed(unmerged)),
        }
    }

    /// `text` is the client's. The inner error is why rows like these can't be merged: the client
    /// knows nothing of it.
    async fn scatter(
        &mut self,
        scattered: &Scattered,
        question: Question<'_>,
        text: &[u8],
        shown: bool,
    ) -> Result<Result<(), Box<Failure>>, Stop> {
        // They go with a transaction, and this statement is none of it, or goes on in it.
        let portals = std::mem::take(&mut self.portals);
        let mut legs = self.call_legs(&scattered.shards).await?;
        let in_transaction = self.state.journal.is_open();
        let asked = legs.iter_mut().try_for_each(|leg| leg.ask(&question));
        let memory = self.db.limits.merge_memory;
        let mut merged = Merged::new(&scattered.steps, shown, memory).or_kept();
        let since = Instant::now();
        let mut ended = match asked {
            Err(stop) => Err(stop),
            Ok(()) => Ok(self.run_legs(&mut legs, &mut merged, since).await),
        };
        let mut given = merged.given();
        let mut sorted = false;
        if let Ok(Ok(())) = ended
            && let Some(pile) = merged.pile()
        {
            let mut ordered = Ordered::new(pile);
            ended = self.order(&mut legs, &mut ordered, since).await;
            (given, sorted) = (ordered.given(), true);
        }
        let failed = !matches!(ended, Ok(Ok(()) | Err(Why::Enough | Why::Unfit(_))));
        self.dismiss(legs, failed).await;
        if self.held.is_some() == in_transaction {
            self.portals = portals;
        }
        match ended? {
            Ok(()) => {
                backend::command_complete(&mut self.client.output, &format!("SELECT {given}"));
                Ok(Ok(()))
            }
            Err(Why::Gone(gone)) => Err(gone.into()),
            Err(Why::Unfit(failure)) => Ok(Err(failure)),
            Err(Why::Failed(failure)) => Err(Stop::Failed(failure)),
            Err(Why::Told(frame)) if sorted => {
                // Its place is in a text of ours.
                self.tell_error(&frame, Some(&Edited::default()), b"")?;
                Err(Stop::Told)
            }
            Err(Why::Told(frame)) => {
                let edited = scattered.text.as_ref().filter(|_| self.reading().utf8);
                self.tell_error(&frame, edited, text)?;
                Err(Stop::Told)
            }
            Err(Why::Enough) => Ok(Ok(())),
        }
    }

    /// Runs legs that were asked to their end.
    pub(in crate::proxy) async fn run_legs<A: Answer>(
        &mut self,
        legs: &mut [Leg],
        answer: &mut A,
        since: Instant,
    ) -> Result<(), Why> {
        let in_transaction = self.state.journal.is_open();
        let us = (&mut self.client, &mut self.state, &mut self.alarm);
        let run = Run::new(us, legs, answer, (self.times.statement, since));
        let run = if in_transaction { run.until_the_end() } else { run };
        run.run().await
    }

    /// Has the first of the legs say in which order the rows come that were kept.
    async fn order(
        &mut self,
        legs: &mut [Leg],
        ordered: &mut Ordered,
        since: Instant,
    ) -> Result<Result<(), Why>, Stop> {
        let Some(first) = legs.first_mut() else { return Ok(Ok(())) };
        ordered.ask(first)?;
        Ok(self.run_legs(std::slice::from_mut(first), ordered, since).await)
    }

    /// A server's error, with its position in the client's own text.
    pub(in crate::proxy) fn tell_error(
        &mut self,
        frame: &[u8],
        edited: Option<&Edited>,
        text: &[u8],
    ) -> Result<(), Gone> {
        let out = &mut self.client.output;
        let before = self.state.edited.as_deref();
        if edited.is_none() && before.is_none() {
            out.extend_from_slice(frame);
            return Ok(());
        }
        let moved = |position: &[u8]| {
            let place = match edited {
                Some(edited) => place_before(edited, text, position)?,
                None => position.to_vec(),
            };
            before.map_or(Some(place.clone()), |before| before.place_before(&place))
        };
        move_error(out, &frame[HEADER_LEN..], moved)?;
        Ok(())
    }
}

impl Leg {
    /// Puts the question into what is to be sent.
    fn ask(&mut self, question: &Question<'_>) -> Result<(), Stop> {
        let held = &mut self.held;
        match question {
            Question::Text(text) => held.query(text, true, Note::default()),
            Question::Bound { statement, spread, hidden } => {
                let name = held.have(statement, spread.unnamed)?;
                // A Parse that fails is the client's error as much.
                let bind = Bind::read(&spread.bind)?;
                let out = &mut held.backend.output;
                portal::write_bind(out, &bind, &name, *hidden);
                frontend::describe(out, Named::Portal(b""));
                frontend::execute(out, b"", 0);
                for request in [Request::Bind, Request::DescribePortal, Request::Execute] {
                    held.replies.push(request, true, Note::default());
                }
                held.sync(true, super::state::Purpose::Client);
            }
        }
        Ok(())
    }
}
