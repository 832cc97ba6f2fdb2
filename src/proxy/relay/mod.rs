//! Carries what was put into a connection's output to its server, and the replies to the client.
//!
//! All four directions move at once, each bounded: a slow client stops the read from the server,
//! and a server that is stuck in answering doesn't keep its question from being sent. Whole runs
//! of bytes go on as they came; only frames that change state are looked at (`look`). A client's
//! COPY data go the other way meanwhile (`copy_in`). Large results come in larger pieces than the
//! server's ([`super::flood`]).

mod copy_in;
mod look;

use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};

use self::copy_in::CopyIn;
pub use self::look::{LOOK_PLAIN, is_stale_plan};
use super::client::{Client, Gone, HIGH_WATER, READ_AHEAD};
use super::flood::Flood;
use super::patience::{Patience, Turn};
use super::replies::{Awaited, Replies, Request};
use super::state::{ClientState, Note, Purpose};
use super::vigil::Vigil;
use crate::cluster::Backend;
use crate::wire::ProtocolError;
use crate::wire::backend::tag;
use crate::wire::frame::{Then, Walk, move_front};
use crate::wire::frontend::{self, tag as from_client};

/// Longest frame from a server that is looked at whole; rows and COPY data pass at any length.
const MAX_LOOK: usize = 1 << 30;
const MAX_LOOK_NAME: &str = "what pgherd looks at in one message of a server";

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
    flood: Flood,
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
            flood: Flood::default(),
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
        self.flood.end(self.backend);
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
            moved |= self.poll_server(cx)?;
        }
        if !moved {
            moved = self.poll_client(cx)?;
        }
        if self.patience.is_some() {
            moved |= self.poll_patience(cx)?;
        }
        if moved { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_server(&mut self, cx: &mut Context<'_>) -> Result<bool, Broken> {
        match self.backend.poll_fill(cx) {
            Poll::Ready(Ok(read)) => self.flood.brings(read, self.backend),
            Poll::Ready(Err(error)) => return Err(Broken::Server(error.to_string())),
            Poll::Pending => {
                self.flood.poll(self.backend, cx);
                return Ok(false);
            }
        }
        Ok(true)
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
            if header.tag == tag::ERROR_RESPONSE && self.replies.is_empty() {
                // The server goes, right behind its last answer: the next message hears of it.
                return Ok(());
            }
            let replaced = matches!(header.tag, tag::ERROR_RESPONSE | tag::NOTIFICATION_RESPONSE);
            if replaced || self.wants_rows() {
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
