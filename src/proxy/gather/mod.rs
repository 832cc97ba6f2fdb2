//! A SELECT that one server finishes over rows pulled from several shards
//! (`docs/decisions/013-gather.md`).
//!
//! `routing` has said what is pulled from where, and the text that is finished. Here that runs, in
//! three steps, each of which is a [`Run`] over the connections that it needs: the finishing
//! server describes the client's own text (`shape`), the rows are pulled (`pull`), and the text is
//! finished over them (`finish`). Groups (`groups`) take the place of rows where each shard can make
//! its part of them, and tables of the finishing server (`store`) that of parameters where there are too
//! many rows.

mod finish;
mod groups;
pub(in crate::proxy) mod pull;
pub(in crate::proxy) mod shape;
mod store;

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use self::finish::Finish;
use self::pull::{Arrays, Piles};
use self::shape::Shape;
use super::copy::{Counted, Written};
use super::cursor::{Opening, Opens};
use super::failure::Failure;
use super::held::purpose;
use super::planner::{Part, parameters};
use super::replies::Request;
use super::scatter::{Answer, Form, Giving, Leg, Run, Why};
use super::session::{Session, Stop};
use super::state::Purpose;
use super::statements::Statement;
use crate::config::rules::TableName;
use crate::routing::merge::TextForm;
use crate::routing::{Carried, CopiedQuery, Gathered, Parameter, Several};
use crate::sql::Edited;
use crate::wire::backend::{self, ErrorFields, TransactionStatus};
use crate::wire::copy::Writer;
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::Bind;

/// All reads of one shard see the same.
const SNAPSHOT: &[u8] = b"BEGIN ISOLATION LEVEL REPEATABLE READ";

/// What a client asked.
struct Asked<'a> {
    statement: &'a Arc<Statement>,
    /// By the statement without a name.
    unnamed: bool,
    /// The body of its Bind; by the simple protocol there is none.
    bind: Option<&'a [u8]>,
    giving: Giving<'a>,
    /// The rows are written as COPY does.
    copied: Option<&'a CopiedQuery>,
}

impl<'a> Asked<'a> {
    /// A statement without a name and without values.
    fn of(statement: &'a Arc<Statement>, giving: Giving<'a>) -> Asked<'a> {
        Asked { statement, unnamed: true, bind: None, giving, copied: None }
    }
}

impl Session {
    /// Answers a text of one statement, without ReadyForQuery, over rows or groups of several shards.
    pub(super) async fn gather_text(
        &mut self,
        several: Several,
        part: &Part,
        text: &[u8],
    ) -> Result<(), Stop> {
        let statement = self.db.registry.statement(text, std::iter::empty(), self.world());
        let asked = Asked::of(&statement, Giving::ALL);
        self.gather_asked(several, &asked, (Some(part), &[])).await
    }

    /// Answers a COPY of a query, without ReadyForQuery.
    pub(super) async fn gather_copied(
        &mut self,
        several: Several,
        part: &Part,
        copied: &CopiedQuery,
    ) -> Result<(), Stop> {
        let text = &copied.query.text;
        let statement = self.db.registry.statement(text, std::iter::empty(), self.world());
        let giving = Giving { shown: false, ..Giving::ALL };
        let asked = Asked { copied: Some(copied), ..Asked::of(&statement, giving) };
        self.gather_asked(several, &asked, (Some(part), &[])).await
    }

    /// Answers an Execute, and the Describe before it if it is shown.
    pub(super) async fn gather_bound(
        &mut self,
        several: Several,
        statement: &Arc<Statement>,
        (bind, unnamed): (&Bytes, bool),
        (part, shown): (Option<&Part>, bool),
    ) -> Result<(), Stop> {
        let giving = Giving { shown, opens: None };
        let asked = Asked { unnamed, bind: Some(bind), ..Asked::of(statement, giving) };
        let read = Bind::read(bind)?;
        self.gather_asked(several, &asked, (part, &parameters(statement, &read))).await
    }

    /// As `gather_bound`, of what is to be taken in portions: the finishing server has a portal then.
    pub(super) async fn gather_for_cursor(
        &mut self,
        several: Several,
        opens: &Opens<'_>,
        opening: &Opening,
    ) -> Result<(), Stop> {
        let bind = opens.bind.map(|bind| &bind[..]);
        let giving = Giving { shown: false, opens: Some(opening) };
        let Opens { statement, unnamed, part, .. } = *opens;
        let asked = Asked { unnamed, bind, ..Asked::of(statement, giving) };
        let read = bind.map(Bind::read).transpose()?;
        let values = read.map(|bind| parameters(statement, &bind)).unwrap_or_default();
        self.gather_asked(several, &asked, (part, &values)).await
    }

    async fn gather_asked(
        &mut self,
        several: Several,
        asked: &Asked<'_>,
        (part, values): (Option<&Part>, &[Parameter<'_>]),
    ) -> Result<(), Stop> {
        let gathered = match several {
            Several::Gathered(gathered) => gathered,
            Several::Finished(finished) => {
                let Err(unfit) = self.finish_groups(&finished, asked).await? else {
                    return Ok(());
                };
                let text = &asked.statement.text;
                let gathered = part.and_then(|part| self.gathered(part, text, values));
                gathered.ok_or(Stop::Failed(unfit))?
            }
            Several::Merged(_) => {
                return Err(Failure::new("XX000", "rows to merge were to be gathered").into());
            }
        };
        self.gather_rows(&gathered, asked).await
    }

    async fn gather_rows(&mut self, gathered: &Gathered, asked: &Asked<'_>) -> Result<(), Stop> {
        self.may_gather(gathered)?;
        // They go with a transaction, and this statement is none of it, or goes on in it.
        let portals = std::mem::take(&mut self.portals);
        let mut legs = self.call_legs(&gathered.shards()).await?;
        let in_transaction = self.state.journal.is_open();
        // The finishing one comes last.
        legs.sort_by_key(|leg| leg.held.shard == gathered.finisher);
        let done = self.steps(gathered, asked, &mut legs).await;
        if !in_transaction {
            let open = |leg: &&mut Leg| leg.held.backend.status() != TransactionStatus::Idle;
            for leg in legs.iter_mut().filter(|leg| leg.lost.is_none()).filter(open) {
                leg.held.query(b"ROLLBACK", false, purpose(Purpose::Undo));
            }
        }
        self.dismiss(legs, done.is_err()).await;
        if self.held.is_some() == in_transaction {
            self.portals = portals;
        }
        done
    }

    /// Values that travel as text must be whole in it.
    fn may_gather(&self, gathered: &Gathered) -> Result<(), Failure> {
        let form = Form::of(&self.state, 0);
        if !form.same_encoding {
            return Err(Failure::unsupported(
                "rows of several shards gathered under another encoding than the server's",
                "SET client_encoding to the server's.",
            ));
        }
        let styled = |carried: Carried| carried == Carried::Text { styled: true };
        let mut columns = gathered.pulls.iter().flat_map(|pull| &pull.columns);
        if form.text != TextForm::DEFAULT && columns.any(|column| styled(column.carried)) {
            return Err(Failure::unsupported(
                "arrays and composite values gathered from several shards in styles that may lose \
                 a part of them",
                "SET datestyle = 'ISO', intervalstyle = 'postgres' and extra_float_digits = 1.",
            ));
        }
        Ok(())
    }

    async fn steps(
        &mut self,
        gathered: &Gathered,
        asked: &Asked<'_>,
        legs: &mut Vec<Leg>,
    ) -> Result<(), Stop> {
        let since = Instant::now();
        let Some(finisher) = legs.len().checked_sub(1) else { return Ok(()) };
        let mut piles = Piles::new(&gathered.pulls, legs, self.db.limits.gather_memory);
        let own = piles.of_leg(finisher);
        let in_transaction = self.state.journal.is_open();
        if !in_transaction && own + usize::from(gathered.reads) > 1 {
            legs[finisher].held.query(SNAPSHOT, false, purpose(Purpose::Undo));
        }
        let shape = self.describe_asked(asked, &mut legs[finisher..], since).await?;
        self.ask_views(gathered, &mut legs[finisher..], (asked, &shape, since)).await?;
        let pulling = if own > 0 { &mut legs[..] } else { &mut legs[..finisher] };
        piles.ask(pulling, (asked.bind, &shape), in_transaction)?;
        let text = Text::Pulled(&gathered.of_owners);
        let pulled = self.run_step(pulling, &mut piles, since, text).await;
        let stores = piles.is_full() && !in_transaction && self.db.limits.gather_disk > 0;
        match pulled {
            Err(Stop::Failed(full)) if stores => {
                drop(piles);
                return Box::pin(self.store(gathered, asked, legs, (since, full))).await;
            }
            pulled => pulled?,
        }
        if !in_transaction {
            let last = legs.split_off(finisher);
            let others = std::mem::replace(legs, last);
            self.dismiss(others, false).await;
            let tokens = legs.iter().map(|leg| leg.held.backend.cancel_token());
            self.cancel.attach_all(tokens.collect());
        }
        let ends = !in_transaction;
        self.finish_over(legs, &piles, (&gathered.text, &shape), (asked, since, ends)).await
    }

    /// Whether the client may read the views whose definitions stand in their place: that isn't asked
    /// by anything else.
    async fn ask_views(
        &mut self,
        gathered: &Gathered,
        legs: &mut [Leg],
        (asked, shape, since): (&Asked<'_>, &Shape, Instant),
    ) -> Result<(), Stop> {
        if gathered.probes.is_empty() {
            return Ok(());
        }
        let mut nothing = Piles::new(&gathered.probes, legs, 0);
        let in_transaction = self.state.journal.is_open();
        nothing.ask(legs, (asked.bind, shape), in_transaction)?;
        self.run_step(legs, &mut nothing, since, Text::Ours(&Edited::default())).await
    }

    /// The last leg finishes a text over rows. `ends`: and the transaction in which some were pulled
    /// there.
    async fn finish_over(
        &mut self,
        legs: &mut [Leg],
        rows: &dyn Arrays,
        (text, shape): (&Edited, &Shape),
        (asked, since, ends): (&Asked<'_>, Instant, bool),
    ) -> Result<(), Stop> {
        let Some(last) = legs.last_mut() else { return Ok(()) };
        let mut finish = Finish::new(shape, asked.giving, rows.are_unmodified());
        let form = asked.copied.map(|copied| Writer::format(&copied.form));
        finish.ask(last, &text.text, (rows, asked.bind, form), ends)?;
        let finished = Text::Finished(text, asked.statement);
        if let Some(copied) = asked.copied {
            let mut written = Written::new(copied, 0, finish);
            self.run_step(std::slice::from_mut(last), &mut written, since, finished).await?;
            written.end(&mut self.client.output);
            return Ok(());
        }
        self.run_step(std::slice::from_mut(last), &mut finish, since, finished).await?;
        if asked.giving.opens.is_none() {
            let given = finish.given();
            backend::command_complete(&mut self.client.output, &format!("SELECT {given}"));
        }
        Ok(())
    }

    /// What the finishing server says of the client's own text: its errors, its parameters' types,
    /// and what its rows look like.
    async fn describe_asked(
        &mut self,
        asked: &Asked<'_>,
        legs: &mut [Leg],
        since: Instant,
    ) -> Result<Shape, Stop> {
        shape::ask(&mut legs[0], asked.statement, asked.unnamed)?;
        self.run_step(legs, &mut shape::Nothing, since, Text::Own).await?;
        let shape = Shape::of(&legs[0])?;
        if !asked.statement.is_described() {
            asked.statement.learn(shape.parameters.clone());
        }
        shape.check(asked.bind)?;
        Ok(shape)
    }

    async fn run_step<A: Answer>(
        &mut self,
        legs: &mut [Leg],
        answer: &mut A,
        since: Instant,
        text: Text<'_>,
    ) -> Result<(), Stop> {
        match self.try_step(legs, answer, since, text).await? {
            None => Ok(()),
            Some(unfit) => Err(Stop::Failed(unfit)),
        }
    }

    /// One step; why its rows aren't fit for it.
    async fn try_step<A: Answer>(
        &mut self,
        legs: &mut [Leg],
        answer: &mut A,
        since: Instant,
        text: Text<'_>,
    ) -> Result<Option<Box<Failure>>, Stop> {
        let us = (&mut self.client, &mut self.state, &mut self.alarm);
        let in_transaction = us.1.journal.is_open();
        let run = Run::new(us, legs, answer, (self.times.statement, since));
        let run = if in_transaction { run.until_the_end() } else { run };
        let frame = match run.run().await {
            Ok(()) | Err(Why::Enough) => return Ok(None),
            Err(Why::Gone(gone)) => return Err(gone.into()),
            Err(Why::Unfit(failure)) => return Ok(Some(failure)),
            Err(Why::Failed(failure)) => return Err(Stop::Failed(failure)),
            Err(Why::Told(frame)) => frame,
        };
        match text {
            Text::Own => self.tell_error(&frame, None, b"")?,
            Text::Ours(edited) => self.tell_error(&frame, Some(edited), b"")?,
            Text::Pulled(views) => {
                let fields = ErrorFields::read(&frame[HEADER_LEN..])?;
                if let Some(failure) = finish::not_the_owner(&fields, views) {
                    return Err(failure.into());
                }
                self.tell_error(&frame, Some(&Edited::default()), b"")?;
            }
            Text::Finished(..) if legs.iter().any(|leg| leg.failed == Some(Request::Parse)) => {
                let fields = ErrorFields::read(&frame[HEADER_LEN..])?;
                return Err(finish::not_the_same(&fields).into());
            }
            Text::Finished(edited, statement) => {
                let edited = Some(edited).filter(|_| self.reading().utf8);
                self.tell_error(&frame, edited, &statement.text)?;
            }
        }
        Err(Stop::Told)
    }
}

/// Whose text it is in which a server has found an error.
enum Text<'a> {
    /// The client's.
    Own,
    /// One of ours, without a place in the client's.
    Ours(&'a Edited),
    /// Ours, for the rows of tables: some of them stand for these views, that have their owner's
    /// rights.
    Pulled(&'a [TableName]),
    /// The client's, with the rows in it, of this statement.
    Finished(&'a Edited, &'a Statement),
}
