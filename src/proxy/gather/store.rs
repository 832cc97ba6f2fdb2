//! Rows that are too many to be bound: they are stored in temporary tables of the finishing server, in
//! a transaction that is rolled back in the end, so that nothing of them stays.
//!
//! They are pulled in portions, by portals, each of which is added to its table before the next one is
//! asked for.

use bytes::{BufMut, BytesMut};
use tokio::time::Instant;

use super::pull::{Arrays, Pile, Portions, put_parameters};
use super::shape::Shape;
use super::{Asked, Text};
use crate::proxy::failure::Failure;
use crate::proxy::held::purpose;
use crate::proxy::replies::Request;
use crate::proxy::scatter::{Answer, Leg, Run, Why};
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::{Note, Purpose};
use crate::routing::{Gathered, Pull};
use crate::sql::Edited;
use crate::wire::backend::{ErrorFields, TransactionStatus};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::{self, Bind};
use crate::wire::write;

/// All that is pulled from one shard is of one moment.
const READS: &[u8] = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const STORES: &[u8] = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE";
/// What a row takes, in bytes, as long as none is known: so many of the first portion fit.
const LARGE_ROW: usize = 16 * 1024;
/// A portion has at most so many times the rows of the one before it, which may have been small.
const GROWTH: usize = 8;
/// Who may not make a temporary table, or not there, or not now.
const NO_TABLE: &[&[u8]] = &[b"42501", b"25006", b"0A000"];

/// No arrays: the rows are in tables.
struct Stored;

impl Arrays for Stored {
    fn types(&self) -> Vec<u32> {
        Vec::new()
    }

    fn write(&self, _out: &mut BytesMut) {}
}

/// A statement without rows is done.
struct Done;

impl Answer for Done {
    fn may_have_no_rows(&self) -> bool {
        true
    }
}

impl Session {
    /// Answers a statement by way of tables, after `full` was found: more rows than may be bound. The
    /// last leg finishes it.
    pub(super) async fn store(
        &mut self,
        gathered: &Gathered,
        asked: &Asked<'_>,
        legs: &mut Vec<Leg>,
        (since, full): (Instant, Box<Failure>),
    ) -> Result<(), Stop> {
        let Some(finisher) = legs.len().checked_sub(1) else { return Ok(()) };
        if legs.iter().any(|leg| leg.lost.is_some() || leg.held.backend.is_broken()) {
            return Err(Stop::Failed(full));
        }
        for (at, leg) in legs.iter_mut().enumerate() {
            if leg.held.backend.status() != TransactionStatus::Idle {
                leg.held.query(b"ROLLBACK", false, purpose(Purpose::Undo));
            }
            let begins = if at == finisher { STORES } else { READS };
            leg.held.query(begins, false, purpose(Purpose::Undo));
            leg.again(1);
            leg.failed = None;
        }
        let shape = self.describe_asked(asked, &mut legs[finisher..], since).await?;
        self.ask_views(gathered, &mut legs[finisher..], (asked, &shape, since)).await?;
        let mut stored = 0;
        for (number, pull) in gathered.pulls.iter().enumerate() {
            let own = std::slice::from_mut(&mut legs[finisher]);
            ask(&mut own[0], &pull.make_table(number), (asked.bind, &shape))?;
            if let Some(failure) = self.make_table(own, since, &full).await? {
                return Err(Stop::Failed(failure));
            }
            self.store_rows(gathered, number, legs, (asked, &shape, since, &mut stored)).await?;
            let analyze = format!("ANALYZE {}", Pull::table(number));
            legs[finisher].held.query(analyze.as_bytes(), false, purpose(Purpose::Undo));
        }
        let last = legs.split_off(finisher);
        for leg in legs.iter_mut() {
            leg.held.query(b"ROLLBACK", false, purpose(Purpose::Undo));
        }
        let others = std::mem::replace(legs, last);
        self.dismiss(others, false).await;
        let tokens = legs.iter().map(|leg| leg.held.backend.cancel_token());
        self.cancel.attach_all(tokens.collect());
        // The transaction ends by a ROLLBACK, whatever comes of it.
        self.finish_over(legs, &Stored, (&gathered.stored, &shape), (asked, since, false)).await
    }

    /// Makes a table; where that can't be, what is to be said: that there were too many rows.
    async fn make_table(
        &mut self,
        own: &mut [Leg],
        since: Instant,
        full: &Failure,
    ) -> Result<Option<Box<Failure>>, Stop> {
        let us = (&mut self.client, &mut self.state, &mut self.alarm);
        let mut done = Done;
        let run = Run::new(us, own, &mut done, (self.times.statement, since));
        match run.run().await {
            Ok(()) | Err(Why::Enough) => Ok(None),
            Err(Why::Gone(gone)) => Err(gone.into()),
            Err(Why::Failed(failure) | Why::Unfit(failure)) => Err(Stop::Failed(failure)),
            Err(Why::Told(frame)) => {
                let fields = ErrorFields::read(&frame[HEADER_LEN..])?;
                if NO_TABLE.contains(&fields.sqlstate()) {
                    return Ok(Some(Box::new(full.clone())));
                }
                self.tell_error(&frame, Some(&Edited::default()), b"")?;
                Err(Stop::Told)
            }
        }
    }

    /// The rows of one pull, from its shards into its table.
    async fn store_rows(
        &mut self,
        gathered: &Gathered,
        number: usize,
        legs: &mut Vec<Leg>,
        (asked, shape, since, stored): (&Asked<'_>, &Shape, Instant, &mut u64),
    ) -> Result<(), Stop> {
        let pull = &gathered.pulls[number];
        let (memory, disk) = (self.db.limits.gather_memory, self.db.limits.gather_disk);
        let finisher = legs.last().map(|leg| leg.held.shard);
        let (mut asking, mut rest): (Vec<Leg>, Vec<Leg>) =
            std::mem::take(legs).into_iter().partition(|leg| pull.shards.contains(&leg.held.shard));
        let mut rows = (memory / LARGE_ROW / asking.len().max(1)).max(1);
        let mut first = true;
        let mut outcome = Ok(());
        while !asking.is_empty() {
            let mut portions = Portions::new((pull, number), asking.len(), memory);
            let bind = if first { Some((asked.bind, shape)) } else { None };
            outcome = asking.iter_mut().try_for_each(|leg| portions.ask(leg, bind, rows));
            if outcome.is_ok() {
                let text = Text::Pulled(&gathered.of_owners);
                outcome = self.run_step(&mut asking, &mut portions, since, text).await;
            }
            first = false;
            if outcome.is_err() {
                break;
            }
            let (pile, ended) = portions.end();
            *stored += pile.bytes() as u64;
            rows = pile.rows_for(memory / 2 / asking.len()).clamp(1, rows * GROWTH);
            for (leg, ended) in std::mem::take(&mut asking).into_iter().zip(ended) {
                if ended { &mut rest } else { &mut asking }.push(leg);
            }
            if *stored > disk {
                outcome = Err(too_many(pull, disk).into());
                break;
            }
            let own = asking.iter_mut().chain(&mut rest);
            let Some(own) = own.into_iter().find(|leg| Some(leg.held.shard) == finisher) else {
                break;
            };
            outcome = self.add_rows(pull, number, &pile, (own, since)).await;
            if outcome.is_err() {
                break;
            }
        }
        legs.extend(asking.into_iter().chain(rest));
        // The finishing one comes last.
        legs.sort_by_key(|leg| Some(leg.held.shard) == finisher);
        outcome
    }

    async fn add_rows(
        &mut self,
        pull: &Pull,
        number: usize,
        pile: &Pile,
        (own, since): (&mut Leg, Instant),
    ) -> Result<(), Stop> {
        own.again(1);
        let out = &mut own.held.backend.output;
        frontend::parse(out, b"", pull.add_rows(number).as_bytes(), &pile.types())?;
        write::frame(out, frontend::tag::BIND, |b| {
            write::cstr(b, b"");
            write::cstr(b, b"");
            put_parameters(b, None, 0, pull.columns.len());
            pile.write(b);
            b.put_u16(0);
        });
        execute(own);
        let text = Text::Ours(&Edited::default());
        self.run_step(std::slice::from_mut(own), &mut Done, since, text).await
    }
}

/// Puts a statement with the client's parameters into what is to be sent.
fn ask(leg: &mut Leg, text: &[u8], (bind, shape): (Option<&[u8]>, &Shape)) -> Result<(), Stop> {
    let bind = bind.map(Bind::read).transpose()?;
    leg.again(1);
    let out = &mut leg.held.backend.output;
    frontend::parse(out, b"", text, &shape.parameters)?;
    write::frame(out, frontend::tag::BIND, |b| {
        write::cstr(b, b"");
        write::cstr(b, b"");
        put_parameters(b, bind.as_ref(), shape.parameters.len(), 0);
        b.put_u16(0);
    });
    execute(leg);
    Ok(())
}

/// Behind the Bind of a statement without rows.
fn execute(leg: &mut Leg) {
    let held = &mut leg.held;
    frontend::execute(&mut held.backend.output, b"", 0);
    // It is nobody's.
    held.backend.unnamed = None;
    held.replies.push(Request::Parse, false, Note::default());
    held.replies.push(Request::Bind, false, Note::default());
    held.replies.push(Request::Execute, true, Note::default());
    held.sync(false, Purpose::Undo);
}

fn too_many(pull: &Pull, most: u64) -> Failure {
    Failure::new("53200", format!("the rows to gather take more than {most} bytes"))
        .with_detail(format!("They were being stored for {}.", pull.table))
        .with_hint("Have conditions in WHERE, name fewer columns, or raise limits.gather_disk.")
}
