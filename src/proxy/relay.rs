//! Carries what was put into a connection's output to its server, and the replies to the client.
//!
//! All four directions move at once, each bounded: a slow client stops the read from the server,
//! and a server that is stuck in answering doesn't keep its question from being sent. Whole runs
//! of bytes go on as they came; only frames that change state are looked at.

use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};

use super::client::{Client, Gone, HIGH_WATER, READ_AHEAD};
use super::failure::REVALIDATE;
use super::patience::{Patience, Turn};
use super::replies::{Awaited, Replies, Request, Seen};
use super::state::{ClientState, Note, Purpose};
use super::vigil::Vigil;
use crate::cluster::Backend;
use crate::wire::backend::{self, ErrorFields, RowDescription, TransactionStatus, tag};
use crate::wire::frame::{HEADER_LEN, TagSet, Then, Walk, move_front};
use crate::wire::frontend::{self, tag as from_client};
use crate::wire::{ProtocolError, write};

/// Longest frame from a server that is looked at whole; rows and COPY data pass at any length.
const MAX_LOOK: usize = 1 << 30;
const MAX_LOOK_NAME: &str = "what pgherd looks at in one message of a server";

/// All that a server sends, but rows, results of function calls and COPY data.
const LOOK: TagSet = TagSet::of(b"SNAZE12C3tTnIsGHWcKRv");
/// Also rows, of which the first must be changed.
const LOOK_AT_ROWS: TagSet = TagSet::of(b"SNAZE12C3tTnIsGHWcKRvD");
/// What changes state when all replies are the client's.
pub const LOOK_PLAIN: TagSet = TagSet::of(b"SZE1GW");

/// What ended a conversation before its end.
#[derive(Debug)]
pub enum Broken {
    Client(Gone),
    /// The connection to the server is of no use any more; why.
    Server(String),
    /// As `Server`, in the middle of a message that the client has got a part of: nothing that
    /// it could be told would be understood.
    Torn(String),
}

impl From<Gone> for Broken {
    fn from(gone: Gone) -> Broken {
        Broken::Client(gone)
    }
}

/// An error of a message of ours, which the client hasn't seen.
#[derive(Debug)]
pub struct HiddenError {
    pub purpose: Purpose,
    /// The ErrorResponse, whole.
    pub frame: BytesMut,
}

/// One conversation: what was sent to a server, until all of it is answered.
pub struct Conversation<'a> {
    pub client: &'a mut Client,
    pub state: &'a mut ClientState,
    pub backend: &'a mut Backend,
    pub replies: &'a mut Replies<Note>,
    walk: Walk,
    copy: CopyIn,
    explained: bool,
    hidden: Option<HiddenError>,
    failed: bool,
    copied: bool,
    synced: bool,
    /// Where statements may not take as long as they like.
    patience: Option<Patience<'a>>,
    /// While nothing is read from the client.
    vigil: Vigil,
}

/// Whether the client's COPY data go to the server.
#[derive(Debug, Default)]
struct CopyIn {
    on: bool,
    /// Bytes still to come of a message that is being passed on.
    rest: usize,
    /// The server has been told that there are no more data, and not yet to answer.
    ended: bool,
}

impl CopyIn {
    /// The server wants no more of it.
    fn stop(&mut self) {
        self.on = false;
        self.ended = false;
    }
}

/// How a conversation ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// The first error of a message that isn't the client's.
    pub hidden: Option<HiddenError>,
    /// The client has seen an error.
    pub failed: bool,
    /// The client's COPY data were asked for.
    pub copied: bool,
    /// The client's Sync behind its COPY data has been answered.
    pub synced: bool,
}

impl<'a> Conversation<'a> {
    pub fn new(
        client: &'a mut Client,
        state: &'a mut ClientState,
        backend: &'a mut Backend,
        replies: &'a mut Replies<Note>,
    ) -> Conversation<'a> {
        Conversation {
            client,
            state,
            backend,
            replies,
            walk: Walk::default(),
            copy: CopyIn::default(),
            explained: false,
            hidden: None,
            failed: false,
            copied: false,
            synced: false,
            patience: None,
            vigil: Vigil::default(),
        }
    }

    /// With a bound on its time.
    pub fn bounded(mut self, patience: Option<Patience<'a>>) -> Conversation<'a> {
        self.patience = patience;
        self
    }

    /// Runs until everything sent is answered. The client's last bytes may still be in its
    /// output, so that the connection can serve another while they are sent.
    pub async fn run(mut self) -> Result<Ended, Broken> {
        match self.go_on().await {
            Ok(()) => {}
            Err(Broken::Server(why)) if self.is_torn() => return Err(Broken::Torn(why)),
            Err(broken) => return Err(broken),
        }
        let Conversation { hidden, failed, copied, synced, .. } = self;
        Ok(Ended { hidden, failed, copied, synced })
    }

    async fn go_on(&mut self) -> Result<(), Broken> {
        loop {
            self.digest()?;
            self.copy_in()?;
            if self.is_over() {
                return Ok(());
            }
            poll_fn(|cx| self.poll_progress(cx)).await?;
        }
    }

    fn is_torn(&self) -> bool {
        !self.walk.at_boundary() && self.replies.front().is_some_and(|front| front.shown)
    }

    fn is_over(&self) -> bool {
        self.replies.is_empty()
            && self.backend.output.is_empty()
            && self.copy.rest == 0
            && !self.patience.as_ref().is_some_and(Patience::is_asking)
    }

    /// Moves bytes in whichever direction they can go; ready when something has moved.
    fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut moved = false;
        if !self.backend.output.is_empty() {
            let sent = ready_server(self.backend.poll_send(cx))?;
            // There is nothing to do behind it but to wait for the reply, mostly.
            moved |= sent && (self.replies.is_empty() || self.copy.on || self.copy.rest > 0);
        }
        if !self.client.output.is_empty() {
            moved |= ready_client(self.client.poll_send(cx))?;
        }
        if self.client.output.len() < HIGH_WATER && !self.replies.is_empty() {
            moved |= ready_server(self.backend.poll_fill(cx))?;
        }
        if !moved {
            moved = self.poll_client(cx)?;
        }
        if self.patience.is_some() {
            moved |= self.poll_patience(cx)?;
        }
        if moved { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Reads what the client sends ahead, as far as there is room for it, and notices its end.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Broken> {
        if self.client.input.len() < READ_AHEAD && self.backend.output.len() < HIGH_WATER {
            // One that says goodbye right behind its statement has it run, as in Postgres.
            let leaves = self.client.peek() == Some(from_client::TERMINATE);
            return if leaves { Ok(false) } else { ready_client(self.client.poll_fill(cx)) };
        }
        match self.vigil.poll(self.client, cx) {
            Poll::Ready(()) => Err(Broken::Client(Gone::Closed)),
            Poll::Pending => Ok(false),
        }
    }

    /// Whether it has come to something with a statement that takes long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Result<bool, Broken> {
        let Some(patience) = &mut self.patience else { return Ok(false) };
        match patience.poll(self.backend, cx) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Turn::Lost) => return Err(Broken::Server(Patience::why_lost())),
            // A server that waits for COPY data doesn't hear of a cancel request.
            Poll::Ready(Turn::Cancel) if self.copy.on && self.copy.rest == 0 => {
                frontend::copy_fail(&mut self.backend.output, b"it took too long");
                self.end_copy();
            }
            Poll::Ready(Turn::Cancel | Turn::Asked) => {}
        }
        Ok(true)
    }

    /// Passes on what the server has sent, as far as the client has room for it.
    fn digest(&mut self) -> Result<(), Broken> {
        let mut input = mem::take(&mut self.backend.input);
        let mut run = 0;
        let digested = self.digest_from(&mut input, &mut run);
        // Also when a mistake of the server's follows: a row may have begun before.
        self.pass(&mut input, &mut run);
        self.backend.input = input;
        digested
    }

    /// What the client gets stays where it is while it is one run, and goes on in one piece.
    fn digest_from(&mut self, input: &mut BytesMut, run: &mut usize) -> Result<(), Broken> {
        loop {
            if self.answer_is_next() {
                self.pass(input, run);
                self.replies.take_answers(&mut self.client.output, |_| ());
            }
            if *run == input.len() || self.client.output.len() + *run >= HIGH_WATER {
                return Ok(());
            }
            let walked = self
                .walk
                .run(&input[*run..], self.looks_at(), MAX_LOOK, MAX_LOOK_NAME)
                .map_err(from_server)?;
            // Rows and COPY data: all of them are replies to the message at the front.
            let shown = self.replies.front().is_some_and(|front| front.shown);
            self.take(input, run, walked.pass, shown);
            let Then::Look(header) = walked.then else { return Ok(()) };
            if header.tag == tag::ERROR_RESPONSE || self.wants_rows() {
                // The client may get something in its place.
                self.pass(input, run);
            }
            let shown = self.look(header.tag, &input[*run..*run + header.len])?;
            self.take(input, run, header.len, shown);
        }
    }

    /// Adds bytes that follow the run to it, or drops them.
    fn take(&mut self, input: &mut BytesMut, run: &mut usize, len: usize, shown: bool) {
        if shown {
            *run += len;
        } else if len > 0 {
            self.pass(input, run);
            input.advance(len);
        }
    }

    /// Moves the run at the front to the client's bytes.
    fn pass(&mut self, input: &mut BytesMut, run: &mut usize) {
        move_front(input, mem::take(run), &mut self.client.output);
    }

    fn answer_is_next(&self) -> bool {
        matches!(self.replies.front(), Some(Awaited { request: Request::Answer(_), .. }))
    }

    /// The frames that must be looked at now.
    fn looks_at(&self) -> &'static TagSet {
        match self.replies.front() {
            Some(Awaited { request: Request::Plain, .. }) => &LOOK_PLAIN,
            _ if self.wants_rows() => &LOOK_AT_ROWS,
            _ => &LOOK,
        }
    }

    /// The first row of an EXPLAIN must be seen.
    fn wants_rows(&self) -> bool {
        !self.explained && self.replies.front().is_some_and(|front| front.note.explain.is_some())
    }

    /// One frame that may change state; whether the client gets it.
    fn look(&mut self, frame_tag: u8, frame: &[u8]) -> Result<bool, Broken> {
        let body = &frame[HEADER_LEN..];
        match frame_tag {
            tag::PARAMETER_STATUS => self.parameter(body),
            tag::DATA_ROW => {
                self.first_row(body);
                Ok(false)
            }
            tag::ERROR_RESPONSE => self.error(frame),
            // Whatever is under way, it is the client who listens.
            tag::NOTIFICATION_RESPONSE => Ok(true),
            _ => self.reply(frame_tag, body),
        }
    }

    /// Any reply but an error; whether the client gets it.
    fn reply(&mut self, frame_tag: u8, body: &[u8]) -> Result<bool, Broken> {
        match frame_tag {
            tag::PARAMETER_DESCRIPTION => self.learn(body)?,
            tag::ROW_DESCRIPTION | tag::NO_DATA => self.learn_shape(frame_tag, body)?,
            tag::PARSE_COMPLETE => self.parsed(),
            _ => {}
        }
        if frame_tag == tag::COPY_IN_RESPONSE {
            self.copy.on = true;
            self.copied = true;
        }
        match self.replies.see(frame_tag) {
            Seen::Part { shown } => Ok(shown),
            Seen::Command { shown, number } => {
                self.explained = false;
                self.copy.stop();
                let front = self.replies.front();
                if let Some(effect) = front.and_then(|front| front.note.effects.get(number)) {
                    self.state.apply(effect, command_tag(frame_tag, body));
                }
                Ok(shown)
            }
            Seen::Done { shown, awaited } => {
                self.explained = false;
                self.copy.stop();
                if awaited.request == Request::Execute
                    && frame_tag == tag::COMMAND_COMPLETE
                    && let Some(effect) = awaited.note.effects.first()
                {
                    self.state.apply(effect, command_tag(frame_tag, body));
                }
                Ok(shown)
            }
            Seen::Ready { awaited, failed } => {
                self.backend.note(frame_tag, body).map_err(from_server)?;
                let client_sees = awaited.ready || awaited.note.purpose == Purpose::EarlySync;
                if client_sees && self.backend.status() == TransactionStatus::Idle {
                    self.state.settle(failed);
                }
                if client_sees {
                    self.state.status = self.backend.status();
                }
                self.copy.stop();
                Ok(awaited.ready)
            }
            Seen::Failed { .. } | Seen::Unexpected => {
                Err(Broken::Server(format!("it sent a message of type {frame_tag} out of order")))
            }
        }
    }

    /// A setting was reported: the client gets it when it has been told another value, unless
    /// the report comes of a trial run.
    fn parameter(&mut self, body: &[u8]) -> Result<bool, Broken> {
        self.backend.note(tag::PARAMETER_STATUS, body).map_err(from_server)?;
        let (name, value) = backend::read_parameter_status(body).map_err(from_server)?;
        let told = self.replies.front().is_none_or(|front| {
            let ours = [Purpose::Settings, Purpose::EarlySync, Purpose::AfterReset];
            front.shown || ours.contains(&front.note.purpose)
        });
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        Ok(told && self.state.tell(&name, &value))
    }

    fn learn(&mut self, body: &[u8]) -> Result<(), Broken> {
        let types = backend::read_parameter_description(body).map_err(from_server)?;
        if let Some(statement) = self.replies.front().and_then(|f| f.note.learn.as_ref()) {
            statement.learn(types.iter().collect());
        }
        Ok(())
    }

    fn learn_shape(&mut self, frame_tag: u8, body: &[u8]) -> Result<(), Broken> {
        let Some(statement) = self.replies.front().and_then(|f| f.note.learn.as_ref()) else {
            return Ok(());
        };
        let hash = match frame_tag {
            tag::NO_DATA => 0,
            _ => shape_of(RowDescription::read(body).map_err(from_server)?),
        };
        statement.see_shape(hash, self.backend.prepared_schema);
        Ok(())
    }

    /// Of messages that are answered together: what the Parse among them did has been done.
    fn parsed(&mut self) {
        if let Some(front) = self.replies.front_mut()
            && front.request == Request::Plain
        {
            front.note.before = None;
            front.note.unnamed = false;
        }
    }

    fn first_row(&mut self, row: &[u8]) {
        self.explained = true;
        if let Some(shown) = self.replies.front().and_then(|f| f.note.explain.as_ref()) {
            shown.write_first_row(&mut self.client.output, row);
        }
    }

    fn error(&mut self, frame: &[u8]) -> Result<bool, Broken> {
        let fields = ErrorFields::read(&frame[HEADER_LEN..]).map_err(from_server)?;
        if matches!(fields.severity(), b"FATAL" | b"PANIC") {
            return Err(Broken::Server(String::from_utf8_lossy(fields.message()).into_owned()));
        }
        if is_stale_plan(&fields) {
            // Prepared before a change of the schema that pgherd doesn't know of yet.
            self.backend.prepared_schema = 0;
            self.state.redefined = true;
        }
        let cancelled = fields.sqlstate() == b"57014";
        self.copy.stop();
        let purpose = self.replies.front().map_or(Purpose::Client, |f| f.note.purpose);
        let shown = matches!(self.replies.see(tag::ERROR_RESPONSE), Seen::Failed { shown: true });
        if let Some(Awaited { request: Request::Plain, note, .. }) = self.replies.front_mut() {
            let parse = mem::take(note);
            self.take_back(parse);
        }
        for note in self.replies.take_skipped().into_iter().rev() {
            self.take_back(note);
        }
        // A message that the client's own one needs fails in its place.
        if (shown && purpose != Purpose::Define) || purpose == Purpose::Client {
            self.failed = true;
            return Ok(match &self.patience {
                Some(patience) if cancelled && patience.has_ended() => {
                    patience.tell(&mut self.client.output);
                    false
                }
                _ => true,
            });
        }
        if self.hidden.is_none() {
            self.hidden = Some(HiddenError { purpose, frame: frame.into() });
        }
        Ok(false)
    }

    /// A message was skipped: what it would have done hasn't been.
    fn take_back(&mut self, note: Note) {
        if let Some(number) = note.prepared {
            self.backend.prepared.remove(number);
        }
        if let Some(name) = note.named {
            self.backend.named.remove(&name);
        }
        if note.unnamed {
            self.backend.unnamed = None;
        }
        if let Some(before) = note.before {
            self.state.statements.take_back(before);
        }
    }

    /// Passes the client's COPY data on while the server wants them.
    fn copy_in(&mut self) -> Result<(), Broken> {
        loop {
            if self.copy.rest > 0 {
                let here = self.copy.rest.min(self.client.input.len());
                self.forward(here);
                self.copy.rest -= here;
                if self.copy.rest > 0 {
                    return Ok(());
                }
            }
            if self.copy.ended {
                return self.behind_copy();
            }
            let full = self.backend.output.len() >= HIGH_WATER;
            if !self.copy.on || full || !self.copy_message()? {
                return Ok(());
            }
        }
    }

    /// One message of a client in COPY; false when there is none yet. Only its data are passed
    /// on in pieces, and one message at a time, so that the stream stands at a boundary
    /// wherever the server ends the COPY.
    fn copy_message(&mut self) -> Result<bool, Broken> {
        if self.client.peek() == Some(from_client::COPY_DATA) {
            let Some(header) = self.client.header().map_err(client)? else { return Ok(false) };
            self.copy.rest = header.len;
            return Ok(true);
        }
        let Some((message, body)) = self.client.take_message().map_err(Gone::from)? else {
            return Ok(false);
        };
        match message {
            // Postgres ignores them here, so that a pipeline may go on behind its COPY.
            from_client::FLUSH | from_client::SYNC => {}
            from_client::TERMINATE => return Err(Gone::Closed.into()),
            other => {
                // CopyDone and CopyFail end it; whatever else, the server refuses.
                write::frame(&mut self.backend.output, other, |b| b.extend_from_slice(&body));
                self.end_copy();
            }
        }
        Ok(true)
    }

    /// The server has been told that there are no more data.
    fn end_copy(&mut self) {
        self.copy.on = false;
        self.copy.ended = self.replies.front().is_some_and(|f| f.request == Request::Execute);
    }

    /// What the client says behind its data has the server answer: it took a Sync behind Execute
    /// for part of the COPY. Told to flush before the client's Sync, it would say that the COPY
    /// is done before it is committed.
    fn behind_copy(&mut self) -> Result<(), Broken> {
        match self.client.peek() {
            None => return Ok(()),
            Some(from_client::SYNC) => {
                if self.client.take_message().map_err(Gone::from)?.is_none() {
                    return Ok(());
                }
                frontend::sync(&mut self.backend.output);
                self.backend.expect_ready(1);
                self.replies.push(Request::Sync, true, Note::default());
                self.synced = true;
            }
            Some(_) => frontend::flush(&mut self.backend.output),
        }
        self.copy.ended = false;
        Ok(())
    }

    fn forward(&mut self, len: usize) {
        move_front(&mut self.client.input, len, &mut self.backend.output);
    }
}

/// `cached plan must not change result type`.
pub fn is_stale_plan(fields: &ErrorFields<'_>) -> bool {
    fields.sqlstate() == b"0A000" && fields.get(b'R') == Some(REVALIDATE.as_bytes())
}

fn command_tag(frame_tag: u8, body: &[u8]) -> &[u8] {
    if frame_tag == tag::COMMAND_COMPLETE {
        backend::read_command_complete(body).unwrap_or_default()
    } else {
        b""
    }
}

fn from_server(error: ProtocolError) -> Broken {
    Broken::Server(error.message)
}

fn client(error: ProtocolError) -> Broken {
    Broken::Client(Gone::Protocol(error))
}

fn ready_server<T>(poll: Poll<std::io::Result<T>>) -> Result<bool, Broken> {
    match poll {
        Poll::Pending => Ok(false),
        Poll::Ready(Ok(_)) => Ok(true),
        Poll::Ready(Err(e)) => Err(Broken::Server(e.to_string())),
    }
}

fn ready_client<T>(poll: Poll<std::io::Result<T>>) -> Result<bool, Broken> {
    match poll {
        Poll::Pending => Ok(false),
        Poll::Ready(Ok(_)) => Ok(true),
        Poll::Ready(Err(_)) => Err(Broken::Client(Gone::Closed)),
    }
}

/// A hash of what results look like, alike on all shards: the OIDs of tables, and of types that
/// users made, are each server's own.
fn shape_of(description: RowDescription<'_>) -> u64 {
    use std::hash::{BuildHasher, Hash, Hasher};
    /// `FirstNormalObjectId`: what users make has OIDs from here on.
    const FIRST_OF_USERS: u32 = 16384;
    let mut hasher = foldhash::quality::FixedState::default().build_hasher();
    description.len().hash(&mut hasher);
    for field in description.iter() {
        // A name's other bytes depend on the client's encoding.
        field.name.iter().filter(|b| b.is_ascii()).for_each(|b| hasher.write_u8(*b));
        let type_oid = if field.type_oid < FIRST_OF_USERS { field.type_oid } else { 0 };
        (type_oid, field.type_mod).hash(&mut hasher);
    }
    hasher.finish()
}
