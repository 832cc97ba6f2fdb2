//! Session mode where there is one shard: the client has a connection to the server for itself,
//! from its beginning to its end, and everything goes through as it came.
//!
//! The server's session begins with the client's own startup parameters, so that RESET goes back
//! to them, and its process id is what the client is told. Nothing of what passes is read but
//! what must be known at the end: whether the server is ready, and outside a transaction.

use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;

use super::cancel::{CANCEL_LIMIT, CancelKey};
use super::client::{Client, Gone, HIGH_WATER, READ_AHEAD};
use super::database::Database;
use super::failure::Failure;
use super::flood::Flood;
use super::session::{Stopping, shutting_down};
use super::startup::tell;
use super::vigil::Vigil;
use crate::cluster::ask::ask;
use crate::cluster::{ConnectError, Lent, StartupParameters, UserPools};
use crate::config::settings::SessionEnd;
use crate::wire::ProtocolError;
use crate::wire::backend::{self, TransactionStatus, tag};
use crate::wire::frame::{HEADER_LEN, Header, TagSet, Then, Walk, move_front};
use crate::wire::frontend::{self, tag as from_client};

/// How long a connection may take to forget its client, before it is closed instead.
const RESET_LIMIT: Duration = Duration::from_secs(10);

/// What must be known of what a server says.
const LOOK: TagSet = TagSet::of(&[tag::READY_FOR_QUERY, tag::PARAMETER_STATUS]);
/// Longest such message.
const MAX_LOOK: usize = 1 << 24;

/// A client and its connection.
pub struct Tunnel {
    client: Client,
    backend: Lent,
    cancel: CancelKey,
    end: SessionEnd,
    stopping: watch::Receiver<Stopping>,
    /// Of the message of the client's that is being passed on, so many bytes are still to come.
    rest: usize,
    /// Where the server's stream stands.
    walk: Walk,
    /// While nothing is read from the client.
    vigil: Vigil,
    flood: Flood,
}

/// Why a tunnel ended.
#[derive(Debug)]
enum Over {
    /// The client said goodbye.
    Goodbye,
    /// The client is gone without a word, broke the protocol, or is sent away.
    Client(Gone),
    /// The server ended the connection, or broke the protocol; the client has all that it said.
    Server(String),
}

impl From<ProtocolError> for Over {
    fn from(error: ProtocolError) -> Over {
        Over::Client(error.into())
    }
}

/// Waits for a connection whose session begins with a client's startup parameters, or for the
/// client to go.
pub async fn connect(
    client: &mut Client,
    db: &Database,
    pools: &UserPools,
    parameters: &StartupParameters,
    stopping: &mut watch::Receiver<Stopping>,
) -> Result<Lent, Gone> {
    let checkout = pools.checkout_as(db.home(), Some(parameters));
    tokio::pin!(checkout);
    let stopped = async { stopping.wait_for(|s| *s != Stopping::No).await.is_ok() };
    tokio::pin!(stopped);
    let mut vigil = Vigil::default();
    loop {
        tokio::select! {
            biased;
            lent = &mut checkout => {
                return lent.map_err(|e| Gone::Sent(Box::new(Failure::from(e).and_fatal())));
            }
            _ = &mut stopped => return Err(Gone::Sent(Box::new(shutting_down()))),
            here = vigil.attend(client, READ_AHEAD) => here?,
        }
    }
}

impl Tunnel {
    /// Tells the client what its server said at the beginning.
    pub fn new(
        mut client: Client,
        backend: Lent,
        cancel: CancelKey,
        end: SessionEnd,
        stopping: watch::Receiver<Stopping>,
    ) -> Tunnel {
        let out = &mut client.output;
        for (name, value) in backend.parameters() {
            backend::parameter_status(out, name.as_bytes(), value.as_bytes());
        }
        backend::backend_key(out, cancel.pid(), cancel.secret());
        backend::ready(out, TransactionStatus::Idle);
        Tunnel {
            client,
            backend,
            cancel,
            end,
            stopping,
            rest: 0,
            walk: Walk::default(),
            vigil: Vigil::default(),
            flood: Flood::default(),
        }
    }

    /// Serves the client until it, its server or the proxy ends the session.
    pub async fn run(mut self) {
        let over = self.relay().await;
        match &over {
            Over::Client(gone) => {
                tracing::debug!(?gone, "a session ended");
                // In the middle of a server's message nobody could read it.
                if self.walk.at_boundary() {
                    tell(gone, &mut self.client.output);
                }
            }
            Over::Server(why) => tracing::debug!(%why, "a server ended a session"),
            Over::Goodbye => {}
        }
        let between = self.walk.at_boundary() && self.rest == 0;
        let Tunnel { client, mut backend, cancel, end, stopping, .. } = self;
        let part = async {
            cancel.detach().await;
            let polite = matches!(over, Over::Goodbye);
            let ready = between && backend.awaited() == 0 && backend.output.is_empty();
            if ready && !matches!(over, Over::Server(_)) {
                forget(&mut backend, end).await;
            } else if polite {
                finish(&mut backend, stopping).await;
            } else {
                abandon(&mut backend).await;
            }
        };
        tokio::join!(client.close(), part);
    }

    async fn relay(&mut self) -> Over {
        let mut stopping = self.stopping.clone();
        loop {
            if let Err(over) = self.pass_on() {
                return over;
            }
            let idle = self.is_idle();
            if idle {
                self.client.rest();
                self.backend.rest();
            }
            let wanted = |s: &Stopping| *s == Stopping::Now || (idle && *s == Stopping::Drain);
            let moved = tokio::select! {
                biased;
                moved = poll_fn(|cx| self.poll_progress(cx)) => moved,
                // An error says that the proxy itself is gone.
                _ = stopping.wait_for(wanted) => {
                    return Over::Client(Gone::Sent(Box::new(shutting_down())));
                }
            };
            if let Err(over) = moved {
                return over;
            }
        }
    }

    /// Nothing under way, and in no transaction.
    fn is_idle(&self) -> bool {
        self.rest == 0
            && self.client.input.is_empty()
            && self.client.output.is_empty()
            && self.backend.is_clean()
    }

    /// Moves what was read to where it goes.
    fn pass_on(&mut self) -> Result<(), Over> {
        let goodbye = self.pass_to_server()?;
        self.pass_to_client().map_err(|error| Over::Server(error.message))?;
        if goodbye { Err(Over::Goodbye) } else { Ok(()) }
    }

    /// Whole runs of the client's messages. True when its next is its last.
    fn pass_to_server(&mut self) -> Result<bool, ProtocolError> {
        let input = &self.client.input;
        let mut at = 0;
        let mut goodbye = false;
        loop {
            let here = self.rest.min(input.len() - at);
            at += here;
            self.rest -= here;
            if self.rest > 0 {
                break;
            }
            let Some(header) = Header::peek(&input[at..])? else { break };
            // The server's bounds are the bounds here: nothing is kept.
            frontend::check_header(&header, usize::MAX)?;
            match header.tag {
                from_client::TERMINATE => {
                    goodbye = true;
                    break;
                }
                // A Sync in the middle of a COPY has no answer. Then the connection is taken for
                // busy, and not given to another client.
                from_client::QUERY | from_client::SYNC | from_client::FUNCTION_CALL => {
                    self.backend.expect_ready(1);
                }
                _ => {}
            }
            self.rest = header.len;
        }
        move_front(&mut self.client.input, at, &mut self.backend.output);
        Ok(goodbye)
    }

    /// Whole runs of the server's messages, and pieces of long ones.
    fn pass_to_client(&mut self) -> Result<(), ProtocolError> {
        let mut input = mem::take(&mut self.backend.input);
        let mut at = 0;
        let noted = loop {
            let run = match self.walk.run(&input[at..], &LOOK, MAX_LOOK, "pgherd's bound on it") {
                Ok(run) => run,
                Err(error) => break Err(error),
            };
            at += run.pass;
            let Then::Look(header) = run.then else { break Ok(()) };
            let frame = &input[at..at + header.len];
            if let Err(error) = self.backend.note(header.tag, &frame[HEADER_LEN..]) {
                break Err(error);
            }
            if header.tag == tag::READY_FOR_QUERY {
                self.flood.end(&self.backend);
            }
            at += header.len;
        };
        move_front(&mut input, at, &mut self.client.output);
        self.backend.input = input;
        noted
    }

    /// Nothing more is read from the client for now.
    fn is_full(&self) -> bool {
        self.backend.output.len() >= HIGH_WATER || self.client.input.len() >= HIGH_WATER
    }

    /// Moves bytes in whichever direction they can go; ready when something has moved.
    fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let mut moved = false;
        let server = |error: std::io::Error| Over::Server(error.to_string());
        let client = |_: std::io::Error| Over::Client(Gone::Closed);
        if !self.backend.output.is_empty()
            && let Poll::Ready(sent) = self.backend.poll_send(cx)
        {
            sent.map_err(server)?;
            moved = true;
        }
        if !self.client.output.is_empty()
            && let Poll::Ready(sent) = self.client.poll_send(cx)
        {
            sent.map_err(client)?;
            moved = true;
        }
        if self.client.output.len() < HIGH_WATER {
            if let Poll::Ready(read) = self.backend.poll_fill(cx) {
                self.flood.brings(read.map_err(server)?, &self.backend);
                moved = true;
            } else {
                self.flood.poll(&self.backend, cx);
            }
        }
        if !self.is_full()
            && let Poll::Ready(read) = self.client.poll_fill(cx)
        {
            read.map_err(client)?;
            moved = true;
        } else if self.is_full() && self.vigil.poll(&self.client, cx).is_ready() {
            return Poll::Ready(Err(Over::Client(Gone::Closed)));
        }
        if moved { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// The server is ready: its session forgets the client, for another one, or ends.
pub async fn forget(backend: &mut Lent, end: SessionEnd) {
    if end == SessionEnd::Close {
        return backend.close();
    }
    if let Err(error) = discard(backend).await {
        tracing::debug!(%error, "a connection that did not forget its client is closed");
        backend.close();
    }
}

async fn discard(backend: &mut Lent) -> Result<(), ConnectError> {
    if backend.status() != TransactionStatus::Idle {
        ask(backend, "ROLLBACK", RESET_LIMIT).await?;
    }
    ask(backend, "DISCARD ALL", RESET_LIMIT).await?;
    Ok(())
}

/// The client said goodbye right behind its last statement: that is run, as its server would.
async fn finish(backend: &mut Lent, mut stopping: watch::Receiver<Stopping>) {
    frontend::terminate(&mut backend.output);
    let ended = async {
        while backend.send_or_fill().await.is_ok_and(|sent| !sent) {
            backend.input.clear();
        }
        while backend.fill().await.is_ok() {
            backend.input.clear();
        }
    };
    tokio::select! {
        () = ended => {}
        _ = stopping.wait_for(|s| *s == Stopping::Now) => {}
    }
    backend.mark_broken();
}

/// The client is gone in the middle of something: its statement is cancelled, its transaction
/// rolled back.
async fn abandon(backend: &mut Lent) {
    if backend.awaited() > 0
        && !backend.is_broken()
        && let Err(error) = backend.cancel_token().cancel(CANCEL_LIMIT).await
    {
        tracing::warn!(%error, "the statement of a lost client was not cancelled");
    }
    backend.mark_broken();
}
