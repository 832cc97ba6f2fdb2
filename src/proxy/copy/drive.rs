//! A COPY FROM STDIN under way: what the servers say, and bytes in whichever direction they go.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::from::{CopyIn, Ending, Phase};
use super::lines::line_of;
use super::slot::{End, Slot};
use crate::proxy::cancel::CANCEL_LIMIT;
use crate::proxy::client::{Gone, HIGH_WATER, READ_AHEAD};
use crate::proxy::failure::Failure;
use crate::proxy::replies::Seen;
use crate::proxy::scatter::leg::Stage;
use crate::proxy::state::Purpose;
use crate::proxy::vigil::Vigil;
use crate::wire::backend::{self, ErrorFields, tag};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::tag as from_client;
use crate::wire::{ProtocolError, write};

/// How long shards may take to end by themselves when another has failed: what they got before
/// may have a mistake that comes first.
const GRACE: Duration = Duration::from_secs(1);
/// In which line an error is that names none: behind all.
const NOWHERE: u64 = u64::MAX;

/// What watches over it.
struct Watch {
    due: Option<Instant>,
    vigil: Vigil,
}

impl CopyIn<'_> {
    /// Runs until all shards have come to their end.
    pub(super) async fn drive(&mut self) {
        let limit = self.session.times.statement;
        let due = (!limit.is_zero()).then(|| Instant::now() + limit);
        let mut watch = Watch { due, vigil: Vigil::default() };
        loop {
            for at in 0..self.slots.len() {
                if let Err(error) = self.listen(at) {
                    self.lose(at, error.message);
                }
            }
            if let Err(gone) = self.take_client() {
                self.leave(gone);
            }
            if self.must_open() {
                self.open_waiting().await;
                continue;
            }
            if let Phase::Ending(ending) = self.phase {
                self.finish(ending);
                if ending == Ending::Stopped {
                    self.be_patient(GRACE);
                }
            }
            let over = self.phase == Phase::Told && self.slots.iter().all(Slot::is_over);
            if over && self.stands_at_a_message() {
                return;
            }
            poll_fn(|cx| self.poll_progress(&mut watch, cx)).await;
        }
    }

    fn leave(&mut self, gone: Gone) {
        if self.gone.is_none() {
            self.gone = Some(gone);
            self.give_up();
            self.be_patient(Duration::ZERO);
        }
    }

    fn be_patient(&mut self, grace: Duration) {
        let until = Instant::now() + grace;
        if self.patience.is_none_or(|(before, cancelled)| !cancelled && until < before) {
            self.patience = Some((until, false));
        }
    }

    /// Takes the frames that a shard has sent.
    fn listen(&mut self, at: usize) -> Result<(), ProtocolError> {
        loop {
            let Some(leg) = &mut self.slots[at].leg else { return Ok(()) };
            if leg.stage == Stage::Over {
                return Ok(());
            }
            let Some(header) = leg.front()? else { return Ok(()) };
            let body = leg.take(&header);
            match header.tag {
                tag::PARAMETER_STATUS => {
                    if leg.parameter(&mut self.session.state, &body)? {
                        self.pass(header.tag, &body);
                    }
                }
                tag::NOTIFICATION_RESPONSE => {
                    let session = &mut *self.session;
                    let out = &mut session.client.output;
                    session.state.notified(&leg.held.backend, &body, out);
                }
                tag::NOTICE_RESPONSE => self.notice(at, &body)?,
                tag::ERROR_RESPONSE => self.error(at, &body)?,
                other => self.reply(at, other, body)?,
            }
        }
    }

    fn pass(&mut self, frame_tag: u8, body: &[u8]) {
        write::frame(&mut self.session.client.output, frame_tag, |b| b.extend_from_slice(body));
    }

    /// Of a reference table all shards say the same.
    fn notice(&mut self, at: usize, body: &[u8]) -> Result<(), ProtocolError> {
        let statement = self.slots[at].leg.as_ref().is_some_and(|leg| leg.is_statement());
        if statement && (self.copied.keys.is_some() || at == 0) {
            let (_, body) = self.with_own_line(at, ErrorFields::read(body)?);
            self.pass(tag::NOTICE_RESPONSE, &body);
        }
        Ok(())
    }

    fn reply(&mut self, at: usize, frame_tag: u8, body: BytesMut) -> Result<(), ProtocolError> {
        let slot = &mut self.slots[at];
        let Some(leg) = &mut slot.leg else { return Ok(()) };
        let statement = leg.is_statement();
        if matches!(leg.held.replies.see(frame_tag), Seen::Unexpected) {
            let why = format!("it sent a message of type {frame_tag} out of order");
            return Err(ProtocolError::message(why));
        }
        match frame_tag {
            tag::COPY_IN_RESPONSE if statement => {
                leg.stage = Stage::Rows;
                slot.response = Some(body);
                self.begin(at);
            }
            tag::COMMAND_COMPLETE if statement => {
                let tag = backend::read_command_complete(&body)?;
                let count = tag.strip_prefix(b"COPY ").and_then(|n| std::str::from_utf8(n).ok());
                slot.copied = count.and_then(|count| count.parse().ok());
                leg.stage = Stage::Ended;
            }
            tag::READY_FOR_QUERY => {
                leg.held.backend.note(frame_tag, &body)?;
                if leg.held.replies.is_empty() {
                    leg.held.unsynced = false;
                    leg.stage = Stage::Over;
                    if self.phase == Phase::Data {
                        // It has ended before its time; it has told why, or never will.
                        self.give_up();
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A shard wants data: the same as the others.
    fn begin(&mut self, at: usize) {
        let body = self.slots[at].response.clone().unwrap_or_default();
        let mut others = self.slots.iter().filter_map(|slot| slot.response.as_ref());
        if !others.all(|other| *other == body) {
            let table = &self.copied.table;
            return self.stop(Failure::unsupported(
                format!("{table} takes other data on one shard than on another"),
                "Have the same schema on all shards: `pgherd check` says what differs.",
            ));
        }
        if self.copied.form.is_none() {
            return self.stop(Failure::unsupported(
                "COPY of several shards with options that pgherd doesn't know",
                "Leave them out, or name the shard with /* pgherd: shard=NAME */.",
            ));
        }
        if !std::mem::replace(&mut self.answered, true) {
            self.pass(tag::COPY_IN_RESPONSE, &body);
        }
    }

    fn error(&mut self, at: usize, body: &[u8]) -> Result<(), ProtocolError> {
        let fields = ErrorFields::read(body)?;
        if matches!(fields.severity(), b"FATAL" | b"PANIC") {
            let why = String::from_utf8_lossy(fields.message()).into_owned();
            self.lose(at, why);
            return Ok(());
        }
        let slot = &mut self.slots[at];
        let end = slot.end;
        let Some(leg) = &mut slot.leg else { return Ok(()) };
        let purpose = leg.held.replies.front().map_or(Purpose::Client, |front| front.note.purpose);
        leg.held.replies.see(tag::ERROR_RESPONSE);
        if purpose == Purpose::Settings {
            // Nobody knows what this connection's settings are now.
            leg.held.backend.mark_broken();
        }
        leg.stage = leg.stage.max(Stage::Ended);
        let cancelled = fields.sqlstate() == b"57014";
        let ours = cancelled && (end == Some(End::Failed) || self.patience.is_some());
        if !ours {
            let (line, body) = self.with_own_line(at, fields);
            let by_client = end == Some(End::FailedByClient);
            let line = if by_client { NOWHERE } else { line.unwrap_or(NOWHERE - 1) };
            let mut frame = BytesMut::with_capacity(HEADER_LEN + body.len());
            write::frame(&mut frame, tag::ERROR_RESPONSE, |b| b.extend_from_slice(&body));
            self.errors.push((line, frame));
            if self.phase == Phase::Told {
                self.be_patient(GRACE);
            }
        }
        self.give_up();
        Ok(())
    }

    /// What a server says, with the client's own line number in its context; and that.
    fn with_own_line(&self, at: usize, fields: ErrorFields<'_>) -> (Option<u64>, BytesMut) {
        let slot = &self.slots[at];
        let context = fields.get(b'W').unwrap_or_default();
        let found = line_of(context, &self.copied.table.name);
        let mut line = found.as_ref().map(|(_, line)| *line);
        let mut told = None;
        if let (Some((place, own)), true) = (found, self.copied.keys.is_some()) {
            line = match slot.end {
                // It was to be the next one.
                Some(End::FailedByClient) => Some(self.line + 1),
                _ => slot.lines.of_client(own, self.line),
            };
            let number = match line {
                Some(line) => line.to_string(),
                None => {
                    let shard = slot.leg.as_ref().map_or("", |leg| &leg.name);
                    format!("{own} of what shard {shard} got")
                }
            };
            told =
                Some([&context[..place.start], number.as_bytes(), &context[place.end..]].concat());
        }
        let mut body = BytesMut::new();
        for (code, said) in fields.iter() {
            let said = if code == b'W' { told.as_deref().unwrap_or(said) } else { said };
            body.extend_from_slice(&[code]);
            write::cstr(&mut body, said);
        }
        body.extend_from_slice(&[0]);
        (line, body)
    }

    /// A connection is lost.
    fn lose(&mut self, at: usize, why: String) {
        let Some(leg) = &mut self.slots[at].leg else { return };
        let address = leg.held.backend.address().to_string();
        let lost = format!("the connection to shard {}, node {address}, was lost: {why}", leg.name);
        leg.lose(why);
        let hint = "Nothing was loaded. Run it again.";
        self.stop(Failure::new("08006", lost).with_hint(hint));
        if self.phase == Phase::Told {
            self.be_patient(GRACE);
        }
    }

    /// Moves bytes in whichever direction they can go; ready when something has moved.
    fn poll_progress(&mut self, watch: &mut Watch, cx: &mut Context<'_>) -> Poll<()> {
        let mut moved = false;
        for at in 0..self.slots.len() {
            moved |= self.poll_slot(at, cx);
        }
        if self.gone.is_none() {
            match self.poll_client(&mut watch.vigil, cx) {
                Ok(read) => moved |= read,
                Err(gone) => {
                    self.leave(gone);
                    moved = true;
                }
            }
        }
        moved |= self.poll_time(watch, cx);
        if moved { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_slot(&mut self, at: usize, cx: &mut Context<'_>) -> bool {
        let Some(leg) = &mut self.slots[at].leg else { return false };
        let mut moved = leg.poll_cancelling(cx);
        if leg.stage == Stage::Over {
            return moved;
        }
        let backend = &mut leg.held.backend;
        let mut broken = None;
        let full = backend.output.len() >= HIGH_WATER;
        if !backend.output.is_empty()
            && let Poll::Ready(Err(error)) = backend.poll_send(cx)
        {
            broken = Some(error);
        }
        moved |= full && backend.output.len() < HIGH_WATER;
        // Also where it couldn't be sent: what the server said before has its reason.
        match backend.poll_fill(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(_)) => moved = true,
            Poll::Ready(Err(error)) => broken = broken.or(Some(error)),
        }
        if let Some(error) = broken {
            if let Err(error) = self.listen(at) {
                self.lose(at, error.message);
            }
            if self.slots[at].leg.as_ref().is_some_and(|leg| leg.stage != Stage::Over) {
                self.lose(at, error.to_string());
            }
            moved = true;
        }
        moved
    }

    /// Sends the client what it is to get, and reads it as far as there is room for it.
    fn poll_client(&mut self, vigil: &mut Vigil, cx: &mut Context<'_>) -> Result<bool, Gone> {
        let client = &mut self.session.client;
        if !client.output.is_empty()
            && let Poll::Ready(sent) = client.poll_send(cx)
        {
            sent?;
        }
        if client.input.len() >= READ_AHEAD {
            return match vigil.poll(client, cx) {
                Poll::Ready(()) => Err(Gone::Closed),
                Poll::Pending => Ok(false),
            };
        }
        let leaves = self.phase != Phase::Data && client.peek() == Some(from_client::TERMINATE);
        match leaves {
            true => Ok(false),
            false => match client.poll_fill(cx) {
                Poll::Ready(read) => Ok(read.map(|_| true)?),
                Poll::Pending => Ok(false),
            },
        }
    }

    /// Whether it has come to something with a statement that takes long, or shards that don't end.
    fn poll_time(&mut self, watch: &mut Watch, cx: &mut Context<'_>) -> bool {
        if let Some(due) = watch.due
            && self.session.alarm.poll_at(due, cx).is_ready()
        {
            watch.due = None;
            let limit = self.session.times.statement;
            let why = Failure::new("57014", "canceling statement due to statement timeout")
                .with_hint(format!("limits.statement_timeout is {limit:?} here."));
            self.failure = Some(Box::new(why));
            self.give_up();
            self.be_patient(Duration::ZERO);
            return true;
        }
        let Some((until, cancelled)) = self.patience else { return false };
        if self.session.alarm.poll_at(until, cx).is_pending() {
            return false;
        }
        for at in 0..self.slots.len() {
            let Some(leg) = &mut self.slots[at].leg else { continue };
            if cancelled && leg.stage != Stage::Over {
                let seconds = CANCEL_LIMIT.as_secs();
                self.lose(at, format!("it took {seconds} s to be cancelled"));
            } else if !cancelled && leg.stage < Stage::Ended {
                let token = leg.held.backend.cancel_token();
                leg.cancelling = Some(Box::pin(async move { token.cancel(CANCEL_LIMIT).await }));
            }
        }
        self.patience = (!cancelled).then(|| (Instant::now() + CANCEL_LIMIT, true));
        true
    }
}
