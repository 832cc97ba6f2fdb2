//! One client, from its first ReadyForQuery to its end.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::sync::watch;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::cancel::CancelKey;
use super::client::{Client, Gone};
use super::database::{Database, Welcome};
use super::extended::Message;
use super::failure::Failure;
use super::held::Held;
use super::kept::poll_heard;
use super::named::Learning;
use super::portals::Portals;
use super::reading::LastReading;
use super::startup::tell;
use super::state::ClientState;
use crate::cluster::UserPools;
use crate::config::settings::{PoolMode, Times};
use crate::routing::ShardId;
use crate::wire::backend::{self, TransactionStatus};
use crate::wire::frontend::{self, tag};

/// Replies to a pipeline are sent together up to so many bytes.
const COALESCED: usize = 16 * 1024;
/// How long a client that leaves in the middle of a transaction has its connection rolled back,
/// before the connection is closed instead.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(2);

/// How far the proxy is from stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stopping {
    #[default]
    No,
    /// Who is in no transaction is sent away.
    Drain,
    /// Everybody is sent away.
    Now,
}

/// One client's session.
pub struct Session {
    pub(super) db: Arc<Database>,
    pub(super) user: Box<str>,
    /// The connections that serve this client's user.
    pub(super) pools: Arc<UserPools>,
    /// What it began with.
    pub(super) welcome: Arc<Welcome>,
    pub(super) last_reading: LastReading,
    pub(super) client: Client,
    pub(super) state: ClientState,
    /// The connection that serves the running transaction.
    pub(super) held: Option<Held>,
    /// Connections that stay this client's while its transactions run elsewhere, or none does;
    /// at most one a shard.
    pub(super) kept: Vec<Held>,
    /// Further connections of the running transaction; none unless there is one in `held`.
    pub(super) others: Vec<Held>,
    /// The transaction wasn't begun by the client: it ends with its statement, or at Sync.
    pub(super) implicit: bool,
    /// How long it has a connection for itself.
    pub(super) mode: PoolMode,
    /// Why the session ends before the client's next message.
    pub(super) doomed: Option<Box<Failure>>,
    /// What the client has bound in its transaction.
    pub(super) portals: Portals,
    /// What is being prepared by SQL, in the conversation under way.
    pub(super) learning: Vec<Learning>,
    /// Messages of the extended protocol since the last Sync or Flush.
    pub(super) batch: Vec<Message>,
    pub(super) batch_bytes: usize,
    /// After an error of the extended protocol everything up to Sync is skipped.
    pub(super) skipping: bool,
    /// The batch's Sync has been answered by a server.
    pub(super) synced: bool,
    /// The batch asked for COPY data.
    pub(super) copied: bool,
    pub(super) cancel: CancelKey,
    /// The runtime that serves it.
    pub(super) here: runtime::Id,
    stopping: StopSignal,
    /// Where statements without a place of their own go.
    pub(super) last_shard: ShardId,
    pub(super) times: Times,
    /// Set only where one of `times` is a bound.
    pub(super) alarm: Alarm,
    /// When the client was waited for first since its last message; a part of one is no message.
    silent_since: Option<Instant>,
}

/// Hears of the proxy's stopping. The task is entered once among those that are woken, and not
/// at each wait: while nothing changes, a wait costs one look at a number.
struct StopSignal {
    receiver: watch::Receiver<Stopping>,
    now: Stopping,
    /// Wakes the task at the next change; `None` before the first wait.
    entered: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl StopSignal {
    fn new(receiver: watch::Receiver<Stopping>) -> StopSignal {
        StopSignal { receiver, now: Stopping::No, entered: None }
    }

    /// How far the proxy is; the task is woken when it gets further.
    fn poll(&mut self, cx: &mut Context<'_>) -> Stopping {
        match self.receiver.has_changed() {
            Ok(false) if self.entered.is_some() => {}
            Ok(_) => self.enter(cx),
            // The proxy itself is gone.
            Err(_) => self.now = Stopping::Now,
        }
        self.now
    }

    fn enter(&mut self, cx: &mut Context<'_>) {
        self.now = *self.receiver.borrow_and_update();
        let mut receiver = self.receiver.clone();
        let mut change = Box::pin(async move {
            let _ = receiver.changed().await;
        });
        if change.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        self.entered = Some(change);
    }
}

/// What keeps a session from doing what was asked.
#[derive(Debug)]
pub enum Stop {
    /// The client is gone, or must go.
    Gone(Gone),
    /// The client is told, and the session goes on.
    Failed(Box<Failure>),
    /// The client has been told, by a server.
    Told,
}

impl From<Gone> for Stop {
    fn from(gone: Gone) -> Stop {
        Stop::Gone(gone)
    }
}

impl<F: Into<Failure>> From<F> for Stop {
    fn from(failure: F) -> Stop {
        Stop::Failed(Box::new(failure.into()))
    }
}

/// What a new session begins with.
pub struct Beginning {
    pub db: Arc<Database>,
    pub user: Box<str>,
    pub welcome: Arc<Welcome>,
    pub pools: Arc<UserPools>,
    pub client: Client,
    pub state: ClientState,
    pub cancel: CancelKey,
    pub stopping: watch::Receiver<Stopping>,
}

impl Session {
    /// A session that is served where this is called.
    pub fn new(beginning: Beginning) -> Session {
        let mode = beginning.db.cluster.database().pool_mode(&beginning.user);
        let Beginning { db, user, welcome, pools, client, state, cancel, stopping } = beginning;
        Session {
            times: db.times(&user),
            alarm: Alarm::default(),
            silent_since: None,
            last_shard: db.home(),
            db,
            user,
            welcome,
            last_reading: LastReading::default(),
            pools,
            client,
            state,
            held: None,
            kept: Vec::new(),
            others: Vec::new(),
            implicit: false,
            mode,
            doomed: None,
            portals: Portals::default(),
            learning: Vec::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            skipping: false,
            synced: false,
            copied: false,
            cancel,
            here: Handle::current().id(),
            stopping: StopSignal::new(stopping),
        }
    }

    /// Serves the client until it or the proxy ends the session.
    pub async fn run(mut self: Box<Self>) {
        let end = self.serve().await;
        Box::pin(self.let_go()).await;
        if let Err(gone) = end {
            let peer = self.client.peer();
            tracing::debug!(user = %self.user, %peer, ?gone, "a session ended");
            tell(&gone, &mut self.client.output);
        }
        Box::pin(self.client.close()).await;
    }

    /// What a client does seldom, and what takes it the long way, has a future of its own on the
    /// heap while it lasts: all clients that wait would have room for it otherwise.
    async fn serve(&mut self) -> Result<(), Gone> {
        loop {
            if self.client.output.len() >= COALESCED {
                self.send().await?;
            }
            if self.express().await? {
                self.silent_since = None;
                continue;
            }
            if !self.batch.is_empty() && self.client.peek().is_some_and(is_copy) {
                // What was gathered may be the COPY that wants it.
                Box::pin(self.flush()).await?;
                continue;
            }
            let Some((tag, body)) = self.client.take_message()? else {
                self.hear().await?;
                self.send().await?;
                self.wait().await?;
                continue;
            };
            self.silent_since = None;
            if self.skipping && !matches!(tag, tag::SYNC | tag::TERMINATE) {
                continue;
            }
            match tag {
                tag::QUERY => Box::pin(self.simple(frontend::query(&body)?)).await?,
                tag::PARSE | tag::BIND | tag::DESCRIBE | tag::EXECUTE | tag::CLOSE => {
                    self.gather(tag, body).await?;
                }
                tag::FLUSH => Box::pin(self.flush()).await?,
                tag::SYNC => Box::pin(self.sync()).await?,
                tag::FUNCTION_CALL => Box::pin(self.function_call(&body)).await?,
                // As in Postgres: the rest of a COPY that has failed already.
                tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL => {}
                tag::TERMINATE => return Ok(()),
                other => {
                    let what = format!("unexpected message of type {other} from the client");
                    return Err(crate::wire::ProtocolError::fatal(what).into());
                }
            }
        }
    }

    /// Sends what the client is to get. One that doesn't take it says nothing either.
    async fn send(&mut self) -> Result<(), Gone> {
        if self.client.output.is_empty() {
            return Ok(());
        }
        let Some((due, over)) = self.silence() else { return Ok(self.client.send().await?) };
        tokio::select! {
            biased;
            sent = self.client.send() => Ok(sent?),
            () = self.alarm.at(Some(due)) => Err(over.gone()),
        }
    }

    /// Until when the client may go on saying nothing, where that has a bound.
    fn silence(&mut self) -> Option<(Instant, Silence)> {
        let over = if self.held.is_some() || self.state.status != TransactionStatus::Idle {
            Silence::InTransaction(self.times.in_transaction)
        } else {
            Silence::Idle(self.times.idle)
        };
        let (Silence::InTransaction(limit) | Silence::Idle(limit)) = over;
        if limit.is_zero() {
            return None;
        }
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        Some((since + limit, over))
    }

    /// Waits for the client to say something, or for the proxy to stop.
    async fn wait(&mut self) -> Result<(), Gone> {
        if let Some(failure) = self.doomed.take() {
            return Err(Gone::Sent(failure));
        }
        let idle = self.is_idle();
        if idle {
            self.client.rest();
        }
        let silence = self.silence();
        poll_fn(|cx| {
            let stopping = self.stopping.poll(cx);
            if stopping == Stopping::Now || (idle && stopping == Stopping::Drain) {
                return Poll::Ready(Err(Gone::Sent(Box::new(shutting_down()))));
            }
            if let Poll::Ready(read) = self.client.poll_fill(cx) {
                return Poll::Ready(read.map(|_| ()).map_err(Gone::from));
            }
            // In a transaction nobody is notified.
            if idle && !self.kept.is_empty() {
                let (kept, said) = (&mut self.kept, &mut self.client.output);
                if let Poll::Ready(heard) = poll_heard(kept, &self.db, &mut self.state, said, cx) {
                    return Poll::Ready(heard);
                }
            }
            match &silence {
                Some((due, over)) => self.alarm.poll_at(*due, cx).map(|()| Err(over.gone())),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// In no transaction, and nothing half said.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_none()
            && self.state.status == TransactionStatus::Idle
            && self.batch.is_empty()
            && !self.skipping
    }

    /// A statement by the simple protocol, with its ReadyForQuery.
    async fn simple(&mut self, text: &[u8]) -> Result<(), Gone> {
        self.flush_before_query().await?;
        if self.skipping {
            return Ok(());
        }
        self.state.statements.drop_unnamed();
        let answered = match self.state.cursors.has(b"") {
            // It takes the place of the portal without a name.
            true => match Box::pin(self.close_cursor(b"")).await {
                Ok(()) => self.query(text).await,
                failed => failed,
            },
            false => self.query(text).await,
        };
        self.answered(answered).await
    }

    /// Ends what a message is answered by that brings its own ReadyForQuery.
    pub(super) async fn answered(&mut self, answered: Result<(), Stop>) -> Result<(), Gone> {
        match answered {
            Ok(()) => Ok(()),
            Err(Stop::Gone(gone)) => Err(gone),
            Err(Stop::Told) => {
                if self.implicit {
                    Box::pin(self.roll_back_all()).await;
                }
                self.ready();
                Ok(())
            }
            Err(Stop::Failed(failure)) => {
                self.fail(&failure, true).await?;
                self.ready();
                Ok(())
            }
        }
    }

    /// Tells the client of an error of ours, and makes its transaction fail as it would with a
    /// server's. `simple`: no Sync is to come that ends the error.
    pub(super) async fn fail(&mut self, failure: &Failure, simple: bool) -> Result<(), Gone> {
        if self.reading().utf8 {
            failure.write(&mut self.client.output);
        } else {
            failure.in_ascii().write(&mut self.client.output);
        }
        if self.implicit && simple {
            self.roll_back_all().await;
            return Ok(());
        }
        if self.held.is_some() {
            return self.poison(simple).await;
        }
        if self.state.status != TransactionStatus::Idle || self.state.journal.is_unsent() {
            self.state.status = TransactionStatus::Failed;
        } else {
            self.state.rollback();
        }
        Ok(())
    }

    /// Says where the session stands, when no server's ReadyForQuery does.
    pub(super) fn ready(&mut self) {
        backend::ready(&mut self.client.output, self.state.status);
    }

    /// The client is gone: its transaction is rolled back, its statement cancelled.
    async fn let_go(&mut self) {
        Box::pin(self.forsake_others()).await;
        self.forget_kept().await;
        let Some(held) = self.held.take() else { return };
        self.cancel.detach().await;
        let Held { mut backend, replies, unsynced, left, .. } = held;
        let lost = unsynced || !replies.is_empty() || backend.is_broken();
        if lost || self.keeps() || !left.things().is_nothing() {
            backend.mark_broken();
            return;
        }
        backend.settings = Arc::clone(self.state.settings.committed());
        if crate::cluster::ask::ask(&mut backend, "ROLLBACK", ROLLBACK_LIMIT).await.is_err() {
            backend.mark_broken();
        }
    }
}

/// Who has said nothing for longer than it may.
#[derive(Debug, Clone, Copy)]
enum Silence {
    InTransaction(Duration),
    Idle(Duration),
}

impl Silence {
    fn gone(self) -> Gone {
        let (code, what, setting, limit) = match self {
            Silence::InTransaction(limit) => {
                ("25P03", "idle-in-transaction timeout", "idle_in_transaction", limit)
            }
            Silence::Idle(limit) => ("57P05", "idle-session timeout", "idle_session", limit),
        };
        let failure = Failure::new(code, format!("terminating connection due to {what}"))
            .with_hint(format!("limits.{setting} is {limit:?} here."));
        Gone::Sent(Box::new(failure.and_fatal()))
    }
}

/// What a client hears when the proxy stops.
pub fn shutting_down() -> Failure {
    Failure::new("57P01", "terminating connection due to administrator command")
        .with_hint("pgherd is shutting down; connect again.")
        .and_fatal()
}

/// Whether a message belongs to COPY FROM STDIN.
fn is_copy(message: u8) -> bool {
    matches!(message, tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<T, F: Future>(_: impl FnOnce(T) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_client_that_waits_takes_little_room() {
        let room = size_of::<Session>() + size_of_future(Session::run);
        assert!(room < 2048, "{room} bytes");
    }
}
