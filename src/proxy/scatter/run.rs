//! Several shards answer one statement: what becomes of their rows is an [`Answer`]'s to say.
//!
//! Nothing piles up: a server is read while little of its rows waits to be merged, and rows are
//! merged while little waits for the client. Whatever ends the statement early (an error of one
//! shard, the client's end, its patience, a LIMIT that has enough) ends it on all shards:
//! cancelled and drained, so that their connections can serve the next.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::{Instant, Sleep, sleep_until};

use super::leg::{Leg, Stage};
use super::merge::Took;
use crate::proxy::alarm::Alarm;
use crate::proxy::cancel::CANCEL_LIMIT;
use crate::proxy::client::{Client, Gone, HIGH_WATER, READ_AHEAD};
use crate::proxy::failure::Failure;
use crate::proxy::relay::is_stale_plan;
use crate::proxy::replies::{Request, Seen};
use crate::proxy::state::{ClientState, Purpose};
use crate::proxy::vigil::Vigil;
use crate::wire::backend::{self, ErrorFields, RowDescription, tag};
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend::tag as from_client;
use crate::wire::{ProtocolError, write};

/// Bytes of a shard's rows that wait to be merged above which its server isn't read. One row may
/// be larger.
const LEG_AHEAD: usize = 64 * 1024;
/// What is merged is sent to the client in pieces of so many bytes at least, as a server does; the
/// last one goes with the end.
const PIECE: usize = 16 * 1024;
/// How long shards that aren't needed any more may take to end by themselves.
const GRACE: Duration = Duration::from_millis(20);
/// Notices that are told apart, so that what all shards say is said once.
const NOTICES: usize = 32;

/// Why the rest isn't wanted.
#[derive(Debug)]
pub enum Why {
    /// The client has all that it asked for.
    Enough,
    /// An ErrorResponse, whole: the client is to get it.
    Told(BytesMut),
    /// Rows like these can't be dealt with so; the client knows nothing of them.
    Unfit(Box<Failure>),
    Failed(Box<Failure>),
    Gone(Gone),
}

/// What becomes of what the legs say. What is put into `out` goes to the client.
pub trait Answer {
    /// The leg with this number has said what its rows look like.
    ///
    /// # Errors
    /// They can't be dealt with: all legs are stopped.
    fn described(
        &mut self,
        _at: usize,
        _legs: &[Leg],
        _state: &ClientState,
        _out: &mut BytesMut,
    ) -> Result<(), Why> {
        Ok(())
    }

    /// Takes rows of the legs that have some, until `room` bytes are in `out`.
    ///
    /// # Errors
    /// They can't be dealt with: all legs are stopped, and the client is told.
    fn take(
        &mut self,
        _legs: &mut [Leg],
        _out: &mut BytesMut,
        _room: usize,
    ) -> Result<Took, Box<Failure>> {
        Ok(Took::Nothing)
    }

    /// Whether a leg may come to its end without having said what its rows look like.
    fn may_have_no_rows(&self) -> bool {
        false
    }

    /// The leg with this number has done all of a statement, and says so.
    fn completed(&mut self, _at: usize, _tag: &[u8]) {}

    /// Whether a notice wasn't said in an earlier run.
    fn is_news(&self, _notice: &[u8]) -> bool {
        true
    }

    /// The client has heard a notice.
    fn told(&mut self, _notice: &BytesMut) {}

    /// The error that the client hears is of the leg with this number.
    fn failed(&mut self, _at: usize) {}
}

/// A statement on its way through several shards.
pub struct Run<'a, A> {
    client: &'a mut Client,
    state: &'a mut ClientState,
    legs: &'a mut [Leg],
    answer: &'a mut A,
    /// A piece is on its way to the client, of which it has taken a part.
    sending: bool,
    /// How long it may take, and what measures it.
    limit: Duration,
    due: Option<Instant>,
    alarm: &'a mut Alarm,
    vigil: Vigil,
    notices: Vec<BytesMut>,
    stopped: Option<Why>,
    /// Until when legs that were stopped may go on; then they are cancelled, then given up.
    patience: Option<(Pin<Box<Sleep>>, bool)>,
    /// Nobody is cancelled because the client has enough.
    whole: bool,
}

impl From<Failure> for Why {
    fn from(failure: Failure) -> Why {
        Why::Failed(Box::new(failure))
    }
}

impl<'a, A: Answer> Run<'a, A> {
    /// How long the statement may take, and since when it does; zero is for ever.
    pub fn new(
        (client, state, alarm): (&'a mut Client, &'a mut ClientState, &'a mut Alarm),
        legs: &'a mut [Leg],
        answer: &'a mut A,
        (limit, since): (Duration, Instant),
    ) -> Run<'a, A> {
        Run {
            client,
            state,
            legs,
            answer,
            sending: false,
            limit,
            due: (!limit.is_zero()).then(|| since + limit),
            alarm,
            vigil: Vigil::default(),
            notices: Vec::new(),
            stopped: None,
            patience: None,
            whole: false,
        }
    }

    /// Has legs come to their end by themselves once the client has all that it asked for: to
    /// cancel them would make their transaction fail.
    pub fn until_the_end(mut self) -> Run<'a, A> {
        self.whole = true;
        self
    }

    /// Runs until all shards have come to their end. The last of what the client gets may still be
    /// in its output.
    ///
    /// # Errors
    /// Why it gets no more.
    pub async fn run(mut self) -> Result<(), Why> {
        loop {
            self.digest();
            if self.is_over() {
                break;
            }
            poll_fn(|cx| self.poll_progress(cx)).await;
        }
        match self.stopped {
            None | Some(Why::Enough) => Ok(()),
            Some(why) => Err(why),
        }
    }

    fn is_over(&self) -> bool {
        let over = |leg: &Leg| leg.stage == Stage::Over && leg.cancelling.is_none();
        self.legs.iter().all(over)
    }

    /// The rest isn't wanted: what a shard says of it from now on is nothing to the client. The
    /// first reason counts.
    fn stop(&mut self, why: Why) {
        match &self.stopped {
            None => {}
            // A client that has gone needn't be told anything.
            Some(Why::Told(_) | Why::Failed(_) | Why::Unfit(_) | Why::Enough)
                if matches!(why, Why::Gone(_)) => {}
            // Its transaction has failed by it.
            Some(Why::Unfit(_)) if self.whole => {}
            Some(_) => return,
        }
        let enough = matches!(why, Why::Enough);
        let grace = if enough { GRACE } else { Duration::ZERO };
        self.stopped = Some(why);
        if self.whole && matches!(self.stopped, Some(Why::Enough | Why::Unfit(_))) {
            return;
        }
        self.patience = Some((Box::pin(sleep_until(Instant::now() + grace)), false));
    }

    /// Takes what was read as far as the client has room for it.
    fn digest(&mut self) {
        loop {
            let wanted = self.stopped.is_none();
            for at in 0..self.legs.len() {
                if let Err(error) = self.listen(at) {
                    self.lose(at, error.message);
                }
            }
            if self.stopped.is_some() {
                // Rows that others had said before aren't wanted any more, and nobody says more.
                if wanted {
                    continue;
                }
                return;
            }
            match self.answer.take(self.legs, &mut self.client.output, HIGH_WATER) {
                Ok(Took::Rows) => {}
                Ok(Took::Nothing) => return,
                Ok(Took::Enough) => self.stop(Why::Enough),
                Err(failure) => self.stop(Why::Failed(failure)),
            }
        }
    }

    /// Takes the frames of one leg up to the next row that is wanted.
    fn listen(&mut self, at: usize) -> Result<(), ProtocolError> {
        loop {
            let leg = &mut self.legs[at];
            if leg.stage == Stage::Over {
                return Ok(());
            }
            let Some(header) = leg.front()? else { return Ok(()) };
            if matches!(header.tag, tag::DATA_ROW | tag::COPY_DATA) {
                if leg.stage != Stage::Rows {
                    return Err(ProtocolError::message("it sent a row out of order"));
                }
                if self.stopped.is_none() {
                    return Ok(());
                }
                leg.held.backend.input.advance(header.len);
                continue;
            }
            let body = leg.take(&header);
            self.hear(at, header, body)?;
        }
    }

    /// Any frame but a row.
    fn hear(&mut self, at: usize, header: Header, body: BytesMut) -> Result<(), ProtocolError> {
        let leg = &mut self.legs[at];
        match header.tag {
            tag::PARAMETER_STATUS => {
                if leg.parameter(self.state, &body)? {
                    pass(&mut self.client.output, header.tag, &body);
                }
            }
            tag::NOTIFICATION_RESPONSE => {
                self.state.notified(&leg.held.backend, &body, &mut self.client.output);
            }
            tag::NOTICE_RESPONSE => {
                let wanted = leg.is_statement() && self.stopped.is_none();
                if wanted && !self.notices.contains(&body) && self.answer.is_news(&body) {
                    self.answer.told(&body);
                    pass(&mut self.client.output, header.tag, &body);
                    if self.notices.len() < NOTICES {
                        self.notices.push(body);
                    }
                }
            }
            tag::ERROR_RESPONSE => self.error(at, &body)?,
            other => self.reply(at, other, body)?,
        }
        Ok(())
    }

    fn reply(&mut self, at: usize, frame_tag: u8, body: BytesMut) -> Result<(), ProtocolError> {
        let leg = &mut self.legs[at];
        let statement = leg.is_statement();
        let executes = leg
            .held
            .replies
            .front()
            .is_some_and(|front| matches!(front.request, Request::Query | Request::Execute));
        if matches!(leg.held.replies.see(frame_tag), Seen::Unexpected) {
            let why = format!("it sent a message of type {frame_tag} out of order");
            return Err(ProtocolError::message(why));
        }
        match frame_tag {
            tag::ROW_DESCRIPTION | tag::COPY_OUT_RESPONSE if statement => {
                if frame_tag == tag::ROW_DESCRIPTION {
                    RowDescription::read(&body)?;
                }
                leg.description = Some(body);
                leg.stage = Stage::Rows;
                if self.stopped.is_none() {
                    let out = &mut self.client.output;
                    if let Err(why) = self.answer.described(at, self.legs, self.state, out) {
                        self.stop(why);
                    }
                }
            }
            tag::PARAMETER_DESCRIPTION if statement => leg.parameters = Some(body),
            tag::COMMAND_COMPLETE if statement && executes => {
                if leg.stage != Stage::Rows && !self.answer.may_have_no_rows() {
                    return Err(ProtocolError::message("it answered a SELECT without rows"));
                }
                leg.part += 1;
                leg.stage = if leg.part < leg.parts { Stage::Asked } else { Stage::Ended };
                self.answer.completed(at, backend::read_command_complete(&body)?);
            }
            tag::READY_FOR_QUERY => {
                leg.held.backend.note(frame_tag, &body)?;
                if leg.held.replies.is_empty() {
                    leg.held.unsynced = false;
                    leg.stage = Stage::Over;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn error(&mut self, at: usize, body: &[u8]) -> Result<(), ProtocolError> {
        let leg = &mut self.legs[at];
        let fields = ErrorFields::read(body)?;
        if matches!(fields.severity(), b"FATAL" | b"PANIC") {
            let why = String::from_utf8_lossy(fields.message()).into_owned();
            self.lose(at, why);
            return Ok(());
        }
        let purpose = leg.held.replies.front().map_or(Purpose::Client, |front| front.note.purpose);
        if is_stale_plan(&fields) {
            leg.held.backend.prepared_schema = 0;
            self.state.redefined = true;
        }
        let failed = leg.held.replies.front().map(|front| front.request.clone());
        leg.held.replies.see(tag::ERROR_RESPONSE);
        for note in leg.held.replies.take_skipped() {
            leg.take_back(note);
        }
        if purpose == Purpose::Settings {
            // Nobody knows what this connection's settings are now.
            leg.held.backend.mark_broken();
        }
        leg.stage = leg.stage.max(Stage::Ended);
        leg.failed = failed;
        if let Some(deadlock) = self.state.verdict(fields.sqlstate()) {
            self.stop(Why::Failed(Box::new(deadlock)));
            return Ok(());
        }
        let mut frame = BytesMut::with_capacity(HEADER_LEN + body.len());
        write::frame(&mut frame, tag::ERROR_RESPONSE, |b| b.extend_from_slice(body));
        if self.stopped.is_none() {
            self.answer.failed(at);
        }
        self.stop(Why::Told(frame));
        Ok(())
    }

    /// A connection is lost.
    fn lose(&mut self, at: usize, why: String) {
        let leg = &mut self.legs[at];
        let address = leg.held.backend.address().to_string();
        let lost = format!("the connection to shard {}, node {address}, was lost: {why}", leg.name);
        leg.lose(why);
        let failure = Failure::new("08006", lost).with_hint("Nothing was changed. Run it again.");
        self.stop(Why::Failed(Box::new(failure)));
    }

    /// Moves bytes in whichever direction they can go; ready when something has moved.
    fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut moved = false;
        for at in 0..self.legs.len() {
            moved |= self.poll_leg(at, cx);
        }
        let gone = matches!(self.stopped, Some(Why::Gone(_)));
        if !gone {
            let sent = self.poll_client(cx);
            moved |= sent.unwrap_or_else(|gone| {
                self.stop(Why::Gone(gone));
                true
            });
        }
        moved |= self.poll_time(cx);
        if moved { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_leg(&mut self, at: usize, cx: &mut Context<'_>) -> bool {
        let leg = &mut self.legs[at];
        let mut moved = leg.poll_cancelling(cx);
        if leg.stage == Stage::Over {
            return moved;
        }
        let backend = &mut leg.held.backend;
        let mut broken = None;
        if !backend.output.is_empty()
            && let Poll::Ready(Err(error)) = backend.poll_send(cx)
        {
            broken = Some(error);
        }
        let waits = backend.input.len() >= LEG_AHEAD && !matches!(leg.front(), Ok(None));
        if broken.is_none() && !waits {
            match leg.held.backend.poll_fill(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(_)) => moved = true,
                Poll::Ready(Err(error)) => broken = Some(error),
            }
        }
        if let Some(error) = broken {
            // What it said before counts: an error has its reason.
            if let Err(error) = self.listen(at) {
                self.lose(at, error.message);
            }
            if self.legs[at].stage != Stage::Over {
                self.lose(at, error.to_string());
            }
            moved = true;
        }
        moved
    }

    /// Sends what is worth a write, and notices the client's end. While it is served it is read as
    /// far as there is room for it.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        let client = &mut *self.client;
        let mut moved = false;
        let waits = client.output.len();
        if waits >= PIECE || self.sending {
            let sent = client.poll_send(cx);
            // What is begun is sent to its end, however little of it is left.
            self.sending = sent.is_pending();
            // Also when the client has taken a part: there is room for more rows now.
            moved = client.output.len() < waits;
            if let Poll::Ready(sent) = sent {
                sent?;
                moved = true;
            }
        }
        if client.input.len() < READ_AHEAD {
            // One that says goodbye right behind its statement has it run, as in Postgres.
            if client.peek() != Some(from_client::TERMINATE)
                && let Poll::Ready(read) = client.poll_fill(cx)
            {
                read?;
                moved = true;
            }
        } else if self.vigil.poll(client, cx).is_ready() {
            return Err(Gone::Closed);
        }
        Ok(moved)
    }

    /// Whether it has come to something with a statement that takes long, or legs that don't end.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> bool {
        if self.stopped.is_none()
            && let Some(due) = self.due
            && self.alarm.poll_at(due, cx).is_ready()
        {
            let why = Failure::new("57014", "canceling statement due to statement timeout")
                .with_hint(format!("limits.statement_timeout is {:?} here.", self.limit));
            self.stop(Why::Failed(Box::new(why)));
        }
        let Some((sleep, cancelled)) = &mut self.patience else { return false };
        if sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        if *cancelled {
            for at in 0..self.legs.len() {
                if self.legs[at].stage != Stage::Over {
                    let seconds = CANCEL_LIMIT.as_secs();
                    self.lose(at, format!("it took {seconds} s to be cancelled"));
                }
            }
            self.patience = None;
            return true;
        }
        for leg in self.legs.iter_mut().filter(|leg| leg.stage < Stage::Ended) {
            let token = leg.held.backend.cancel_token();
            leg.cancelling = Some(Box::pin(async move { token.cancel(CANCEL_LIMIT).await }));
        }
        *cancelled = true;
        sleep.as_mut().reset(Instant::now() + CANCEL_LIMIT);
        true
    }
}

fn pass(out: &mut BytesMut, frame_tag: u8, body: &[u8]) {
    write::frame(out, frame_tag, |b| b.extend_from_slice(body));
}
