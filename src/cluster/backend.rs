//! One connection to one server, as the relay needs it: bytes in, bytes out, and what must be
//! known of the session on the other side.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{self, Handle};
use tokio::time::timeout;

use super::error::ConnectError;
use super::line::Line;
use super::moment::Moment;
use super::prepared::PreparedSet;
use super::reach::{Reached, reach};
use crate::config::settings::NodeAddress;
use crate::config::tls::ServerTls;
use crate::wire::auth::client::{Exchange, Login};
use crate::wire::backend::{self, Authentication, ErrorFields, TransactionStatus, tag};
use crate::wire::frame;
use crate::wire::stream::Stream;
use crate::wire::{ProtocolError, frontend, startup};

/// A buffer that grew beyond this is given back when the connection goes idle.
const KEPT_ROOM: usize = 64 * 1024;
/// Longest message that a server may send before it is ready.
const STARTUP_MESSAGE: usize = 64 * 1024;

/// Startup parameters: names with values, in their order.
pub type StartupParameters = Arc<[(Box<str>, Box<str>)]>;

/// Where and as whom to connect.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: NodeAddress,
    pub tls: ServerTls,
    /// The database's name on the server.
    pub database: Box<str>,
    pub login: Login,
    /// Startup parameters beside user and database, such as `application_name`.
    pub parameters: StartupParameters,
    /// How many prepared statements a connection may hold.
    pub prepared_statements: usize,
    /// A server's machine that confirms nothing for this long is taken for gone.
    pub silence_timeout: Duration,
}

/// One connection to one server.
pub struct Backend {
    stream: Stream,
    /// The runtime that watches it.
    runtime: runtime::Id,
    /// To look after the connection from outside; `None` for one that never leaves this machine.
    line: Option<Arc<Line>>,
    /// What was read and not yet taken. Frames are cut off its front.
    pub input: BytesMut,
    /// What is to be sent with the next [`Backend::send`]; one write for all of it.
    pub output: BytesMut,
    cancel: Arc<CancelToken>,
    parameters: BTreeMap<Box<str>, Box<str>>,
    status: TransactionStatus,
    /// Messages sent that are each answered by a ReadyForQuery still to come.
    awaited: u32,
    broken: bool,
    /// When it is too old to be lent.
    expires: Option<Moment>,
    began: StartupParameters,
    /// The prepared statements that this session holds; the proxy keeps it true.
    pub prepared: PreparedSet,
    /// What is prepared under names of clients, by SQL or for it; the proxy keeps it true. The
    /// number is the proxy's, as in [`Backend::prepared`].
    pub named: HashMap<Bytes, u64>,
    /// Version of the schema that they were prepared under; 0 when they must not be used again.
    pub prepared_schema: u64,
    /// The proxy's number of the statement that is prepared without a name, if one is.
    pub unnamed: Option<u64>,
    /// Session settings that the proxy applied here: by lower-case name, the SQL that set them.
    pub settings: Arc<BTreeMap<Box<str>, Box<[u8]>>>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("address", &self.cancel.address)
            .field("pid", &self.cancel.pid)
            .field("status", &self.status)
            .field("awaited", &self.awaited)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl Backend {
    /// Connects and authenticates, all within `limit`.
    pub async fn connect(target: &Target, limit: Duration) -> Result<Backend, ConnectError> {
        match timeout(limit, Backend::open(target)).await {
            Ok(opened) => opened,
            Err(_) => Err(ConnectError::Unreachable(format!(
                "no connection within the {:.1} s of pool.connect_timeout",
                limit.as_secs_f64()
            ))),
        }
    }

    async fn open(target: &Target) -> Result<Backend, ConnectError> {
        let Reached { stream, binding } =
            reach(&target.address, target.silence_timeout, &target.tls).await?;
        let mut backend = Backend {
            line: stream.tcp().and_then(Line::of).map(Arc::new),
            stream,
            runtime: Handle::current().id(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            cancel: Arc::new(CancelToken::unknown(target)),
            parameters: BTreeMap::new(),
            status: TransactionStatus::Idle,
            awaited: 0,
            broken: false,
            expires: None,
            began: Arc::clone(&target.parameters),
            prepared: PreparedSet::new(target.prepared_statements),
            named: HashMap::new(),
            prepared_schema: 0,
            unnamed: None,
            settings: Arc::default(),
        };
        let named = [("user", &*target.login.user), ("database", &*target.database)];
        let given = target.parameters.iter().map(|(n, v)| (&**n, &**v));
        startup::write_startup(&mut backend.output, named.into_iter().chain(given));
        backend.send().await?;
        backend.authenticate(Exchange::new(&target.login).bound_to(binding)).await?;
        Ok(backend)
    }

    /// From the startup packet to the first ReadyForQuery.
    async fn authenticate(&mut self, mut exchange: Exchange<'_>) -> Result<(), ConnectError> {
        let mut let_in = false;
        loop {
            let (tag, body) = self.next_startup_message().await?;
            match tag {
                tag::AUTHENTICATION if !let_in => {
                    let_in = exchange.step(Authentication::read(&body)?, &mut self.output)?;
                    self.send().await?;
                }
                tag::ERROR_RESPONSE => {
                    return Err(ConnectError::answered(ErrorFields::read(&body)?));
                }
                tag::NOTICE_RESPONSE => {}
                tag::BACKEND_KEY_DATA if let_in => {
                    let (pid, secret) = backend::read_backend_key(&body)?;
                    self.cancel = Arc::new(self.cancel.of(pid, secret));
                }
                tag::PARAMETER_STATUS | tag::READY_FOR_QUERY if let_in => {
                    self.note(tag, &body)?;
                    if tag == tag::READY_FOR_QUERY {
                        return Ok(());
                    }
                }
                other => {
                    let why = format!("the server sent {} at startup", frame::show_tag(other));
                    return Err(ProtocolError::message(why).into());
                }
            }
        }
    }

    async fn next_startup_message(&mut self) -> Result<(u8, BytesMut), ConnectError> {
        loop {
            let bound = "what a server may send at startup";
            if let Some(message) = frame::take(&mut self.input, STARTUP_MESSAGE, bound)? {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    /// Reads once into `input`: waits until there is something. An end is an error. Safe to
    /// drop and call again.
    pub async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Sends all of `output`. Safe to drop and call again.
    ///
    /// A server that is itself stuck in sending to us won't read: where it may have much to say
    /// meanwhile (COPY, a pipeline), use [`Backend::send_or_fill`].
    pub async fn send(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx)).await
    }

    /// Goes on sending `output` and reading into `input`, until either all is sent or something
    /// was read: `true` in the first case.
    pub async fn send_or_fill(&mut self) -> io::Result<bool> {
        poll_fn(|cx| {
            if let Poll::Ready(sent) = self.poll_send(cx) {
                return Poll::Ready(sent.map(|()| true));
            }
            self.poll_fill(cx).map_ok(|_| false)
        })
        .await
    }

    /// As [`Backend::fill`].
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = ready!(self.stream.poll_fill(cx, &mut self.input));
        self.broken |= read.is_err();
        Poll::Ready(read.map_err(|error| match error.kind() {
            kind @ io::ErrorKind::UnexpectedEof => {
                io::Error::new(kind, "server closed the connection unexpectedly")
            }
            _ => error,
        }))
    }

    /// As [`Backend::send`].
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = ready!(self.stream.poll_send(cx, &mut self.output));
        self.broken |= sent.is_err();
        Poll::Ready(sent)
    }

    /// Records that `n` messages were put into `output` that a ReadyForQuery will answer each:
    /// Query, Sync, FunctionCall.
    pub fn expect_ready(&mut self, n: u32) {
        self.awaited = self.awaited.saturating_add(n);
    }

    /// How many ReadyForQuery are still to come.
    pub fn awaited(&self) -> u32 {
        self.awaited
    }

    /// Takes notice of a frame that changes what is known of the session: ReadyForQuery,
    /// ParameterStatus. Others are nothing to it.
    pub fn note(&mut self, tag: u8, body: &[u8]) -> Result<(), ProtocolError> {
        match tag {
            tag::READY_FOR_QUERY => {
                self.status = backend::read_ready(body)?;
                self.awaited = self.awaited.saturating_sub(1);
            }
            tag::PARAMETER_STATUS => {
                let (name, value) = backend::read_parameter_status(body)?;
                let text = |b| String::from_utf8_lossy(b).into_owned().into_boxed_str();
                self.parameters.insert(text(name), text(value));
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the session stood at its last ReadyForQuery.
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// The values of ParameterStatus, as last told.
    pub fn parameters(&self) -> &BTreeMap<Box<str>, Box<str>> {
        &self.parameters
    }

    pub fn address(&self) -> &NodeAddress {
        &self.cancel.address
    }

    /// The startup parameters that its session began with, beside user and database.
    pub fn began(&self) -> &StartupParameters {
        &self.began
    }

    /// What the connection is looked after by.
    pub(super) fn line(&self) -> Option<&Arc<Line>> {
        self.line.as_ref()
    }

    /// Process id on the server.
    pub fn pid(&self) -> i32 {
        self.cancel.pid
    }

    /// What cancels the query that runs here.
    pub fn cancel_token(&self) -> Arc<CancelToken> {
        self.cancel.clone()
    }

    /// Nothing is prepared any more, but perhaps without a name: DEALLOCATE ALL.
    pub fn forget_prepared(&mut self) {
        self.prepared.clear();
        self.named.clear();
    }

    /// The session's state isn't known any more, so it must not be used again.
    pub fn mark_broken(&mut self) {
        self.broken = true;
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// From now on it may be lent for so long.
    pub(super) fn live_for(&mut self, lifetime: Duration) {
        self.expires = Moment::now().after(lifetime);
    }

    /// Whether it is too old to be lent.
    pub(super) fn has_expired(&self, now: Moment) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// Whether another client may have it: outside a transaction, nothing unsent, nothing
    /// unread, nothing still to come.
    pub fn is_clean(&self) -> bool {
        !self.broken
            && self.status == TransactionStatus::Idle
            && self.awaited == 0
            && self.input.is_empty()
            && self.output.is_empty()
    }

    /// The runtime that watches it.
    pub(super) fn runtime(&self) -> runtime::Id {
        self.runtime
    }

    /// From now on this runtime, on which it is called, watches it.
    pub(super) fn settle(&mut self, here: runtime::Id) {
        if self.runtime != here {
            self.broken |= self.stream.settle_here().is_err();
            self.runtime = here;
        }
    }

    /// Whether an idle connection is open and silent, by one system call that doesn't wait.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.stream.is_quiet()
    }

    /// As [`Backend::is_quiet`], by what is known of the socket already: no system call unless
    /// there is a sign of life.
    pub(super) fn seems_quiet(&mut self) -> bool {
        self.stream.seems_quiet()
    }

    /// Has whoever waits for the server woken when so many bytes are there, and not before. While
    /// it is more than one, a server that has said less, or all, isn't heard.
    pub fn wake_at(&self, bytes: usize) {
        self.stream.wake_at(bytes);
    }

    /// Gives large buffers back.
    pub fn rest(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.capacity() > KEPT_ROOM {
                *buffer = BytesMut::new();
            }
        }
    }

    /// Says goodbye, so that the server's log shows no lost connection. Never waits: the kernel
    /// has room for five bytes, or the connection isn't worth it.
    pub(super) fn farewell(mut self) {
        self.close();
    }

    /// Ends the connection in the middle of whatever the server does. A statement that runs goes
    /// on until it is cancelled, or has something to say; those behind it don't run any more.
    pub fn sever(&mut self) {
        self.broken = true;
        self.line = None;
        self.stream.sever();
    }

    /// As [`Backend::farewell`]; what is left can only be dropped or replaced.
    pub fn close(&mut self) {
        if !self.broken && self.output.is_empty() {
            frontend::terminate(&mut self.output);
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let _ = self.poll_send(&mut cx);
        }
        self.broken = true;
        self.line = None;
        self.stream = Stream::Gone;
    }
}

/// What it takes to cancel the query that one connection runs. The secret isn't shown.
pub struct CancelToken {
    address: NodeAddress,
    tls: ServerTls,
    silence: Duration,
    pid: i32,
    secret: Box<[u8]>,
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("address", &self.address)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

impl CancelToken {
    /// Process id on the server.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    fn unknown(target: &Target) -> CancelToken {
        CancelToken {
            address: target.address.clone(),
            tls: target.tls.clone(),
            silence: target.silence_timeout,
            pid: 0,
            secret: Box::new([]),
        }
    }

    /// The same server's, of this process.
    fn of(&self, pid: i32, secret: &[u8]) -> CancelToken {
        let (address, tls) = (self.address.clone(), self.tls.clone());
        CancelToken { address, tls, silence: self.silence, pid, secret: secret.into() }
    }

    /// Asks the server, over a connection of its own (with TLS where the other has it), and waits until it has taken the request:
    /// after that it can't hit a query that is sent later than now.
    pub async fn cancel(&self, limit: Duration) -> Result<(), ConnectError> {
        let asked = async {
            let Reached { mut stream, .. } = reach(&self.address, self.silence, &self.tls).await?;
            let mut request = BytesMut::new();
            startup::write_cancel(&mut request, self.pid, &self.secret);
            stream.write_all(&request).await?;
            // The server closes without a word when the signal is sent.
            let _ = stream.read_u8().await;
            Ok(())
        };
        match timeout(limit, asked).await {
            Ok(done) => done,
            Err(_) => Err(ConnectError::Unreachable("the server took no cancel request".into())),
        }
    }
}
