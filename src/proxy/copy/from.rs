//! COPY FROM STDIN onto several shards: each row goes to its own as it came, or to all of them.
//!
//! Nothing piles up: the client is read while little waits for any shard, so that the slowest of
//! them sets the pace. A shard is asked for its part with the first rows for it, and a short COPY
//! asks no others. What a server refuses of the data it refuses in its own words: a row that has
//! no shard goes to one that then must not take it.
//!
//! Whatever ends it early ends it on all shards, in the one transaction that it is.

use bytes::{Buf, BytesMut};
use tokio::time::Instant;

use super::lines::counted;
use super::slot::{End, Head, Slot};
use crate::proxy::client::{Gone, HIGH_WATER};
use crate::proxy::failure::Failure;
use crate::proxy::held::Held;
use crate::proxy::scatter::leg::Leg;
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::Note;
use crate::routing::{Copied, NoShard, ShardId};
use crate::wire::copy::{Breaks, Form, LineEnd, Part, Splitter, TooLong};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::{self, tag};
use crate::wire::write;

/// Bytes of rows that wait for shards that weren't asked yet: beyond, all that have some are.
const WAITING: usize = 64 * 1024;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The client's data are taken.
    Data,
    /// All that was to be sent of it is known: shards have it still to get.
    Ending(Ending),
    /// Shards have been told that there is no more.
    Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    FailedByClient,
    /// This shard has got what it must refuse.
    Refused(usize),
    /// It is of no use any more.
    Stopped,
}

/// An error of a server: at which line of the client's, and the ErrorResponse.
pub(super) type Told = (u64, BytesMut);

/// A COPY under way.
pub(super) struct CopyIn<'s> {
    pub session: &'s mut Session,
    pub copied: &'s Copied,
    /// What servers are sent.
    text: &'s [u8],
    /// `None`: all shards get all data, whatever they are.
    splitter: Option<Splitter>,
    pub slots: Vec<Slot>,
    /// Connections of the transaction that have no part in it.
    idle: Vec<Held>,
    /// A row of which the end is still to come.
    carry: BytesMut,
    head: Head,
    tail: BytesMut,
    /// Lines of the client's so far, but for what was refused.
    pub line: u64,
    /// Bytes still to come of the client's CopyData.
    rest: usize,
    pub phase: Phase,
    /// Why the client gave up.
    reason: BytesMut,
    pub refused: Option<usize>,
    /// The client has been told to send data.
    pub answered: bool,
    pub errors: Vec<Told>,
    pub failure: Option<Box<Failure>>,
    pub gone: Option<Gone>,
    /// The client was told an error in another way.
    told: bool,
    /// Until when shards that were stopped may go on; then they are cancelled, then given up.
    pub patience: Option<(Instant, bool)>,
}

impl Session {
    /// Runs a COPY FROM STDIN of several shards, in the transaction that is open or one of its
    /// own, which is open afterwards. The number of rows.
    pub(in crate::proxy) async fn copy_in(
        &mut self,
        copied: &Copied,
        text: &[u8],
    ) -> Result<u64, Stop> {
        self.open_block().await?;
        self.begin_implicit();
        // They go with a transaction, and this goes on in it.
        let portals = std::mem::take(&mut self.portals);
        if copied.keys.is_none() && copied.form.is_some() {
            self.lock_copies_of(&copied.table).await?;
        }
        let sent = copied.text.as_ref().map_or(text, |edited| &edited.text);
        let mut copy = CopyIn::new(self, copied, sent);
        copy.run().await;
        let answered = copy.answered;
        let outcome = copy.outcome();
        let legs = copy.give_back();
        if !legs.is_empty() || self.is_wide() {
            self.stay_with(legs, outcome.is_err()).await;
        }
        self.portals = portals;
        self.copied |= answered;
        outcome.map_err(|stop| match stop {
            Outcome::Stop(stop) => stop,
            Outcome::Error(frame) => {
                let edited = copied.text.as_ref().filter(|_| self.reading().utf8);
                match self.tell_error(&frame, edited, text) {
                    Ok(()) => Stop::Told,
                    Err(gone) => gone.into(),
                }
            }
        })
    }
}

/// Why there is no number of rows.
pub(super) enum Outcome {
    Stop(Stop),
    /// An ErrorResponse that the client is to get.
    Error(BytesMut),
}

impl<'s> CopyIn<'s> {
    fn new(session: &'s mut Session, copied: &'s Copied, text: &'s [u8]) -> CopyIn<'s> {
        let splitter = match (&copied.keys, &copied.form) {
            (Some(keys), Some(form)) => {
                let limit = session.db.limits.copy_row;
                Some(Splitter::new(form.clone(), &keys.wanted, limit))
            }
            (None, Some(form)) if !copied.clocks.is_empty() => {
                let limit = session.db.limits.copy_row;
                Some(Splitter::new(form.clone(), &copied.clocks, limit))
            }
            _ => None,
        };
        let shards = session.db.shard_ids().len();
        let idle = session.others.drain(..).chain(session.held.take()).collect();
        CopyIn {
            session,
            copied,
            text,
            splitter,
            slots: (0..shards).map(|_| Slot::default()).collect(),
            idle,
            carry: BytesMut::new(),
            head: Head::default(),
            tail: BytesMut::new(),
            line: 0,
            rest: 0,
            phase: Phase::Data,
            reason: BytesMut::new(),
            refused: None,
            answered: false,
            errors: Vec::new(),
            failure: None,
            gone: None,
            told: false,
            patience: None,
        }
    }

    async fn run(&mut self) {
        // The first of them says whether the statement is right, and what data it takes.
        let all = self.copied.keys.is_none() && self.copied.form.is_some();
        let first = if all { self.slots.len() } else { 1 };
        for at in 0..first {
            self.open(at).await;
        }
        self.drive().await;
    }

    /// The shards that have rows waiting are asked, all in the same order, so that two clients
    /// don't wait for each other.
    pub(super) async fn open_waiting(&mut self) {
        for at in 0..self.slots.len() {
            if self.slots[at].leg.is_none() && self.slots[at].waiting() > 0 {
                self.open(at).await;
            }
        }
    }

    /// Whether shards are to be asked now.
    pub(super) fn must_open(&self) -> bool {
        let waiting = || {
            let closed = self.slots.iter().filter(|slot| slot.leg.is_none());
            closed.map(Slot::waiting).sum::<usize>()
        };
        match self.phase {
            Phase::Data => self.answered && waiting() >= WAITING,
            // What they got before may have a mistake that comes first.
            Phase::Ending(Ending::Done | Ending::Refused(_) | Ending::FailedByClient) => {
                waiting() > 0
            }
            Phase::Ending(Ending::Stopped) | Phase::Told => false,
        }
    }

    async fn open(&mut self, at: usize) {
        if matches!(self.phase, Phase::Ending(Ending::Stopped) | Phase::Told) {
            return;
        }
        let shard = ShardId(at as u16);
        let held = match self.idle.iter().position(|held| held.shard == shard) {
            Some(at) => Some(self.idle.swap_remove(at)),
            None => {
                let taken = self.session.hold(Some(shard)).await;
                let held = self.session.held.take();
                match taken {
                    Ok(()) => held,
                    Err(stop) => {
                        self.idle.extend(held);
                        return self.stop_by(stop);
                    }
                }
            }
        };
        let Some(mut held) = held else { return };
        let slot = &mut self.slots[at];
        slot.wrote = held.wrote;
        held.query(self.text, true, Note { commits: true, ..Note::default() });
        slot.open(Leg::new(held, self.session.db.shard_name(shard)));
        let legs = self.slots.iter().filter_map(|slot| slot.leg.as_ref());
        let tokens = legs.map(|leg| leg.held.backend.cancel_token()).collect();
        self.session.cancel.attach_all(tokens);
    }

    /// Takes what the client has sent, while the shards have room for it.
    pub(super) fn take_client(&mut self) -> Result<(), Gone> {
        loop {
            if self.rest > 0 {
                let here = self.rest.min(self.session.client.input.len());
                let full = || self.slots.iter().any(|slot| slot.unsent() >= HIGH_WATER);
                let waits = self.phase == Phase::Data && (full() || self.must_open());
                if here == 0 || waits {
                    return Ok(());
                }
                let chunk = self.session.client.input.split_to(here);
                self.rest -= here;
                self.feed(&chunk);
                continue;
            }
            if self.phase != Phase::Data || !self.answered || self.must_open() {
                return Ok(());
            }
            let client = &mut self.session.client;
            match client.peek() {
                None => return Ok(()),
                Some(tag::COPY_DATA) => {
                    let Some(header) = client.header()? else { return Ok(()) };
                    client.input.advance(HEADER_LEN);
                    self.rest = header.body_len();
                }
                Some(_) => {
                    let Some((message, body)) = client.take_message()? else { return Ok(()) };
                    self.take_message(message, &body)?;
                }
            }
        }
    }

    fn take_message(&mut self, message: u8, body: &[u8]) -> Result<(), Gone> {
        match message {
            // Postgres ignores them here, so that a pipeline may go on behind its COPY.
            tag::FLUSH | tag::SYNC => {}
            tag::COPY_DONE => {
                let carry = std::mem::take(&mut self.carry);
                self.split(&carry, true);
                if self.phase == Phase::Data {
                    self.phase = Phase::Ending(Ending::Done);
                }
            }
            tag::COPY_FAIL => {
                self.reason = frontend::copy_fail_reason(body)?.into();
                self.phase = Phase::Ending(Ending::FailedByClient);
            }
            tag::TERMINATE => return Err(Gone::Closed),
            other => {
                // The server refuses it.
                let at = self.slots.iter().position(|slot| slot.leg.is_some()).unwrap_or(0);
                let slot = &mut self.slots[at];
                slot.seal();
                if let Some(leg) = &mut slot.leg {
                    let out = &mut leg.held.backend.output;
                    write::frame(out, other, |b| b.extend_from_slice(body));
                    slot.end = Some(End::Done);
                }
                self.phase = Phase::Ending(Ending::Refused(at));
            }
        }
        Ok(())
    }

    /// Takes a piece of the data.
    fn feed(&mut self, chunk: &[u8]) {
        if self.phase != Phase::Data {
            return;
        }
        if self.copied.keys.is_none() {
            self.slots.iter_mut().for_each(|slot| slot.put(chunk));
        }
        if self.splitter.is_none() {
            // Nobody asks what is in them.
        } else if self.carry.is_empty() {
            let used = self.split(chunk, false);
            self.carry.extend_from_slice(&chunk[used..]);
        } else {
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(chunk);
            let used = self.split(&carry, false);
            carry.advance(used);
            self.carry = carry;
        }
        self.slots.iter_mut().for_each(Slot::seal);
    }

    /// Cuts rows off the front of `input`, and hands them to their shards. How many bytes that is.
    fn split(&mut self, input: &[u8], ended: bool) -> usize {
        let Some(mut splitter) = self.splitter.take() else { return input.len() };
        let Some(keys) = &self.copied.keys else {
            return self.look_at(splitter, input, ended);
        };
        let mut at = 0;
        while self.phase == Phase::Data {
            let rest = &input[at..];
            let ends = splitter.line_end();
            let part = match splitter.next(rest, ended) {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(TooLong(limit)) => {
                    self.stop(self.too_long(limit));
                    break;
                }
            };
            at += match part {
                Part::Row(len, breaks) => {
                    match keys.shard_of(&splitter, rest) {
                        Ok(shard) => self.put_row(shard, &rest[..len], breaks, ends),
                        Err(NoShard::Refused) => self.refuse(&rest[..len]),
                        Err(NoShard::Unknown(refusal)) => {
                            let failure = Failure::from(refusal);
                            let line = format!("It is in line {} of the data.", self.line + 1);
                            self.stop(failure.with_detail(line));
                        }
                    }
                    len
                }
                Part::Head(len, breaks) => {
                    self.put_head(&rest[..len], breaks, ends);
                    len
                }
                Part::Tail(len) => {
                    self.tail.extend_from_slice(&rest[..len]);
                    len
                }
                Part::Ignored(len) => len,
                Part::Refused(len) => {
                    self.refuse(&rest[..len]);
                    len
                }
            };
        }
        self.splitter = Some(splitter);
        at
    }

    /// Looks at rows that go to all shards. What a server must refuse it has got already.
    fn look_at(&mut self, mut splitter: Splitter, input: &[u8], ended: bool) -> usize {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let part = match splitter.next(rest, ended) {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(TooLong(limit)) => {
                    self.stop(self.too_long(limit));
                    break;
                }
            };
            at += match part {
                Part::Row(len, _) => {
                    self.line += 1;
                    if let Some(refusal) = self.copied.wrong_time(&splitter, rest) {
                        let row = format!("It is in row {} of the data.", self.line);
                        self.stop(Failure::from(refusal).with_detail(row));
                        break;
                    }
                    len
                }
                Part::Head(len, _) | Part::Tail(len) | Part::Ignored(len) => len,
                Part::Refused(_) => {
                    self.refused = Some(0);
                    return input.len();
                }
            };
        }
        self.splitter = Some(splitter);
        at
    }

    fn put_row(&mut self, shard: ShardId, row: &[u8], breaks: Breaks, ends: LineEnd) {
        self.line += counted(breaks, ends);
        if let Some(slot) = self.slots.get_mut(usize::from(shard.0)) {
            slot.put_row(row, &self.head, breaks, (self.line, ends));
        }
    }

    /// Each shard gets it before its first row; whoever has been asked gets it at once.
    fn put_head(&mut self, head: &[u8], breaks: Breaks, ends: LineEnd) {
        self.head.bytes.extend_from_slice(head);
        if matches!(self.copied.form, Some(Form::Lines(_))) {
            self.head.lines = counted(breaks, ends);
            self.line = self.head.lines;
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.leg.is_some()) {
            slot.put_head(&self.head);
        }
    }

    /// What no server takes goes to one that knows how lines end, if any does.
    fn refuse(&mut self, bytes: &[u8]) {
        let knows = |slot: &Slot| !slot.lines.is_empty();
        let open = |slot: &Slot| slot.leg.is_some();
        let at = self.slots.iter().position(|slot| knows(slot) && open(slot));
        let at = at.or_else(|| self.slots.iter().position(knows));
        let at = at.or_else(|| self.slots.iter().position(open)).unwrap_or(0);
        let slot = &mut self.slots[at];
        slot.put_head(&self.head);
        // What is wrong may be that something follows the end.
        slot.put(&self.tail);
        slot.put(bytes);
        self.refused = Some(at);
        self.phase = Phase::Ending(Ending::Refused(at));
    }

    fn too_long(&self, limit: usize) -> Failure {
        let line = self.line + 1;
        Failure::new("54000", format!("a row of COPY is longer than {limit} bytes"))
            .with_detail(format!("It begins in line {line} of the data."))
            .with_hint("Raise limits.copy_row, or load the row with INSERT.")
    }

    /// Tells all shards that there is no more.
    pub(super) fn finish(&mut self, ending: Ending) {
        self.phase = Phase::Told;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let end = match ending {
                Ending::Done => End::Done,
                Ending::FailedByClient => End::FailedByClient,
                Ending::Refused(refused) if refused == at => End::Done,
                Ending::Refused(_) | Ending::Stopped => End::Failed,
            };
            if ending == Ending::Done && slot.leg.is_some() {
                slot.put_head(&self.head);
                if !self.tail.is_empty() {
                    slot.put(&self.tail);
                }
            }
            let reason = match end {
                End::FailedByClient => &self.reason[..],
                End::Done | End::Failed => b"the COPY has failed elsewhere",
            };
            slot.finish(end, reason);
        }
    }

    /// Nothing of it will come to be.
    pub(super) fn stop(&mut self, failure: Failure) {
        self.failure.get_or_insert_with(|| Box::new(failure));
        self.give_up();
    }

    fn stop_by(&mut self, stop: Stop) {
        match stop {
            Stop::Gone(gone) => self.gone = Some(gone),
            Stop::Failed(failure) => self.failure = self.failure.take().or(Some(failure)),
            Stop::Told => self.told = true,
        }
        self.give_up();
    }

    /// The shards are told so, unless they have been told something else.
    pub(super) fn give_up(&mut self) {
        if !matches!(self.phase, Phase::Told) {
            self.phase = Phase::Ending(Ending::Stopped);
        }
    }

    /// The client's frame is taken to its end, whatever becomes of it.
    pub(super) fn stands_at_a_message(&self) -> bool {
        self.rest == 0 || self.gone.is_some()
    }

    fn outcome(&mut self) -> Result<u64, Outcome> {
        let stop = |stop: Stop| Err(Outcome::Stop(stop));
        if let Some(gone) = self.gone.take() {
            return stop(gone.into());
        }
        let cancelled = self.failure.as_ref().is_some_and(|failure| failure.sqlstate == "57014");
        self.errors.sort_by_key(|(line, _)| *line);
        if !cancelled && !self.errors.is_empty() {
            return Err(Outcome::Error(self.errors.swap_remove(0).1));
        }
        if let Some(failure) = self.failure.take() {
            return stop(Stop::Failed(failure));
        }
        if self.told {
            return stop(Stop::Told);
        }
        if let Some(at) = self.refused {
            let line = self.line + 1;
            let shard = self.session.db.shard_name(ShardId(at as u16));
            let failure = Failure::unsupported(
                format!("the row of COPY in line {line} can't be placed"),
                "Write its key in the usual form of its type.",
            );
            let detail = format!("Shard {shard} would have taken it, wherever it belongs.");
            return stop(failure.with_detail(detail).into());
        }
        self.count().or_else(|failure| stop(Stop::Failed(failure)))
    }

    /// The rows of all shards; of a reference table those of each.
    fn count(&self) -> Result<u64, Box<Failure>> {
        let mut counts = self.slots.iter().filter(|slot| slot.leg.is_some()).map(|s| s.copied);
        if self.copied.keys.is_some() {
            let sum = counts.try_fold(0u64, |sum, count| count.map(|count| sum + count));
            return sum.ok_or_else(|| Box::new(Failure::new("XX000", "COPY without a count")));
        }
        let first = counts.next().flatten();
        match first {
            Some(count) if counts.all(|other| other == first) => Ok(count),
            _ => Err(Box::new(Failure::unsupported(
                format!("the shards took different rows of the COPY of {}", self.copied.table),
                "A trigger or a WHERE decides otherwise on each shard: do it on one, and copy it.",
            ))),
        }
    }

    /// The connections that had a part in it; the transaction's others are the session's again.
    fn give_back(self) -> Vec<Leg> {
        let CopyIn { session, slots, idle, .. } = self;
        session.others.extend(idle);
        let legs = slots.into_iter().filter_map(|slot| {
            let mut leg = slot.leg?;
            if slot.rows == 0 && slot.copied == Some(0) {
                leg.held.wrote = slot.wrote;
            }
            Some(leg)
        });
        legs.collect()
    }
}
