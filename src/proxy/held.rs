//! The connection that serves a client's transaction: taken when the first statement for a
//! shard comes, given back when the server is ready outside a transaction.

use std::sync::Arc;

use bytes::BytesMut;

use super::cancel::CANCEL_LIMIT;
use super::client::{Gone, READ_AHEAD};
use super::failure::Failure;
use super::patience::Patience;
use super::relay::{Broken, Conversation, Ended};
use super::replies::{Replies, Request};
use super::session::{Session, Stop};
use super::settings;
use super::state::{CursorNote, Effect, Note, Purpose};
use super::vigil::Vigil;
use crate::cluster::Lent;
use crate::routing::{Leaves, ShardId};
use crate::wire::backend::{ErrorFields, TransactionStatus};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::{self, tag};
use crate::wire::write;

/// A portal that nobody has: executing it is an error, which fails a transaction.
const NO_PORTAL: &[u8] = b"pgherd_refused";

/// A connection on loan to this session.
#[derive(Debug)]
pub struct Held {
    pub backend: Lent,
    pub shard: ShardId,
    /// What the server still owes.
    pub replies: Replies<Note>,
    /// Messages of the extended protocol were sent that no Sync has followed.
    pub unsynced: bool,
    /// What the client has left in the server's session, as far as it is known.
    pub left: Leaves,
    /// That it has was logged.
    pub pin_told: bool,
    /// It may have written since its transaction began.
    pub wrote: bool,
    /// A trigger may have said NOTIFY since, so that it may not be able to prepare it.
    pub may_have_notified: bool,
    /// Cursors that were declared in it.
    pub cursors: Vec<Box<str>>,
    /// Notifications that came while it was told something by us: the client's, whole.
    pub notified: Option<Box<BytesMut>>,
}

impl Held {
    fn new(backend: Lent, shard: ShardId) -> Held {
        Held {
            backend,
            shard,
            replies: Replies::default(),
            unsynced: false,
            left: Leaves::NOTHING,
            pin_told: false,
            wrote: false,
            may_have_notified: false,
            cursors: Vec::new(),
            notified: None,
        }
    }

    /// Puts a Query into what is to be sent.
    pub fn query(&mut self, text: &[u8], shown: bool, mut note: Note) {
        self.note_cursor(note.cursor.take());
        frontend::write_query(&mut self.backend.output, text);
        self.backend.expect_ready(1);
        // A simple query takes the unnamed statement's place.
        self.backend.unnamed = None;
        self.unsynced = false;
        self.left = self.left.and(note.leaves);
        self.wrote |= note.commits;
        self.may_have_notified |= note.may_notify;
        self.replies.push(Request::Query, shown, note);
    }

    pub(super) fn note_cursor(&mut self, note: Option<Box<CursorNote>>) {
        let Some(note) = note else { return };
        match *note {
            CursorNote::Declared(name) => self.cursors.push(name),
            CursorNote::Closed(name) => self.cursors.retain(|cursor| *cursor != name),
        }
    }

    /// Puts a FunctionCall into what is to be sent.
    pub fn call(&mut self, body: &[u8], leaves: Leaves) {
        self.left = self.left.and(leaves);
        self.wrote = true;
        write::frame(&mut self.backend.output, tag::FUNCTION_CALL, |b| b.extend_from_slice(body));
        self.backend.expect_ready(1);
        self.unsynced = false;
        let note = Note { commits: true, ..Note::default() };
        self.replies.push(Request::FunctionCall, true, note);
    }

    /// Puts a Query into what is to be sent whose ReadyForQuery isn't the client's.
    pub fn unfinished_query(&mut self, text: &[u8], note: Note) {
        self.query(text, true, note);
        self.replies.last_is_unfinished();
    }

    /// Puts something into what is to be sent that makes the transaction fail.
    fn fail_transaction(&mut self) {
        frontend::execute(&mut self.backend.output, NO_PORTAL, 0);
        self.replies.push(Request::Execute, false, purpose(Purpose::Undo));
        self.unsynced = true;
    }

    /// Puts a Sync into what is to be sent.
    pub fn sync(&mut self, shown: bool, purpose: Purpose) {
        frontend::sync(&mut self.backend.output);
        self.backend.expect_ready(1);
        self.unsynced = false;
        self.replies.push(Request::Sync, shown, Note { purpose, ..Note::default() });
    }
}

impl Held {
    /// Whether its server is in the client's transaction, or may be in one without BEGIN.
    fn is_in_transaction(&self) -> bool {
        self.unsynced || self.backend.status() != TransactionStatus::Idle
    }
}

impl Session {
    /// Has a connection to this shard, or to any, with the client's settings. An open
    /// transaction that its server doesn't know of is begun on it, at the latest with what is
    /// sent next.
    pub(super) async fn hold(&mut self, shard: Option<ShardId>) -> Result<(), Stop> {
        self.take(shard).await?;
        let known = self.held.as_ref().is_none_or(Held::is_in_transaction);
        if !known
            && (self.state.journal.is_open() || self.state.status == TransactionStatus::Failed)
        {
            Box::pin(self.begin()).await?;
        }
        Ok(())
    }

    /// As [`hold`](Self::hold), without beginning the transaction.
    pub(super) async fn take(&mut self, shard: Option<ShardId>) -> Result<(), Stop> {
        if let Some(held) = &self.held {
            return match shard {
                Some(shard) if shard != held.shard => Box::pin(self.join(shard)).await,
                _ => Ok(()),
            };
        }
        let shard = shard.unwrap_or_else(|| self.any_shard());
        self.take_anew(shard).await
    }

    /// As `take`, where the session has no connection at hand.
    pub(super) async fn take_anew(&mut self, shard: ShardId) -> Result<(), Stop> {
        let held = match self.kept.iter().position(|held| held.shard == shard) {
            Some(at) => self.kept.swap_remove(at),
            None => {
                let backend = match self.pools.try_checkout(shard, self.here) {
                    Some(backend) => backend,
                    None => Box::pin(self.checkout(shard)).await?,
                };
                Held::new(backend, shard)
            }
        };
        self.cancel.attach(held.backend.cancel_token());
        self.last_shard = shard;
        self.held = Some(held);
        self.apply_settings().await
    }

    /// A shard that this client has a connection to, else the one that served it last, if it is
    /// there, else one that is.
    pub(super) fn any_shard(&self) -> ShardId {
        if let Some(held) = self.kept.last() {
            return held.shard;
        }
        let cluster = &self.db.cluster;
        let there = |id: &ShardId| cluster.shard(*id).is_ok_and(|s| s.primary().is_some());
        let all = (0..cluster.shards().len()).map(|i| ShardId(i as u16));
        std::iter::once(self.last_shard).chain(all).find(there).unwrap_or(self.last_shard)
    }

    /// Waits for a connection, for a cancel request, or for the client to go.
    async fn checkout(&mut self, shard: ShardId) -> Result<Lent, Stop> {
        let checkout = self.pools.checkout(shard);
        tokio::pin!(checkout);
        let cancelled = self.cancel.requested();
        tokio::pin!(cancelled);
        let mut vigil = Vigil::default();
        loop {
            tokio::select! {
                biased;
                lent = &mut checkout => return Ok(lent?),
                () = &mut cancelled => return Err(Failure::new(
                    "57014", "canceling statement due to user request").into()),
                here = vigil.attend(&mut self.client, READ_AHEAD) => here?,
            }
        }
    }

    /// Brings the connection's settings in line with the client's.
    async fn apply_settings(&mut self) -> Result<(), Stop> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let schema = self.db.schema_version();
        if held.backend.prepared_schema != schema {
            let any = !held.backend.prepared.is_empty() || !held.backend.named.is_empty();
            // Nobody could prepare again what only the server knows.
            if any && !held.left.has(Leaves::PREPARED) {
                held.query(b"DEALLOCATE ALL", false, purpose(Purpose::Settings));
                held.backend.forget_prepared();
            }
            held.backend.prepared_schema = schema;
        }
        let wanted = self.state.settings.committed();
        if Arc::ptr_eq(&held.backend.settings, wanted) {
            return Ok(());
        }
        let applied = Arc::clone(&held.backend.settings);
        let encoding = settings::encoding_difference(&applied, wanted);
        let rest = settings::difference(&applied, wanted);
        if encoding.is_none() && rest.is_none() {
            return Ok(());
        }
        for sql in encoding.iter().chain(&rest) {
            held.query(sql, false, purpose(Purpose::Settings));
        }
        held.backend.settings = Arc::clone(wanted);
        if settings::is_safe(&applied, wanted) {
            return Ok(());
        }
        Box::pin(self.converse()).await.map(|_| ())
    }

    /// Begins the transaction on a server that doesn't know of it.
    async fn begin(&mut self) -> Result<(), Stop> {
        let failed = self.state.status == TransactionStatus::Failed;
        let Some(held) = &mut self.held else { return Ok(()) };
        match self.state.journal.is_open() {
            false => held.query(b"BEGIN", false, purpose(Purpose::Unsent)),
            true => held.query(&self.state.journal.text(), false, purpose(Purpose::Unsent)),
        }
        if failed {
            // The client's transaction has failed before a server knew of it.
            held.fail_transaction();
            held.sync(false, Purpose::Undo);
        }
        let plain = self.state.journal.is_plain() && !failed;
        if self.db.is_one_shard() {
            // No other will have to be told.
            self.state.journal.clear();
        } else {
            self.enter();
        }
        if plain {
            return Ok(());
        }
        self.converse().await.map(|_| ())
    }

    /// Sends what is in the connection's output and relays until all is answered; then gives
    /// the connection back, unless a transaction goes on.
    pub(super) async fn converse(&mut self) -> Result<Ended, Stop> {
        let Some(held) = &mut self.held else { return Ok(Ended::default()) };
        let conversation = Conversation::new(
            &mut self.client,
            &mut self.state,
            &mut held.backend,
            &mut held.replies,
        );
        let limit = self.times.statement;
        let patience = (!limit.is_zero()).then(|| Patience::new(&mut self.alarm, limit));
        match conversation.bounded(patience).run().await {
            Ok(ended) => {
                if ended.failed {
                    held.left = held.left.and(Leaves::MAY_END);
                }
                if !self.state.named.is_empty() || !self.learning.is_empty() {
                    self.settle_names();
                }
                if ended.hidden.is_none() && !ended.synced {
                    return Ok(ended);
                }
                Box::pin(self.heard(ended)).await
            }
            Err(Broken::Client(gone)) => {
                Box::pin(self.abandon()).await;
                Err(gone.into())
            }
            Err(Broken::Server(why)) => Err(Box::pin(self.lost(why)).await.into()),
            Err(Broken::Torn(why)) => {
                Box::pin(self.lost(why)).await;
                Err(Gone::Closed.into())
            }
        }
    }

    /// An error of a message of ours is the client's when its statement needed it.
    async fn heard(&mut self, mut ended: Ended) -> Result<Ended, Stop> {
        if ended.synced
            && let Some(held) = &mut self.held
        {
            held.unsynced = false;
        }
        let Some(hidden) = ended.hidden.take() else { return Ok(ended) };
        match hidden.purpose {
            Purpose::Undo | Purpose::AfterReset => return Ok(ended),
            Purpose::Define => {
                ended.hidden = Some(hidden);
                return Ok(ended);
            }
            _ => {}
        }
        let failure = ErrorFields::read(&hidden.frame[HEADER_LEN..])
            .map(|fields| Failure::from_server(&fields))?;
        if hidden.purpose == Purpose::Prepare {
            // Of several names some may have been skipped: the connection forgets all.
            if let Some(held) = &mut self.held {
                held.backend.prepared_schema = 0;
            }
            return Err(failure.into());
        }
        // Nobody knows what this connection's settings are now.
        self.drop_broken().await;
        self.state.rollback();
        if self.state.status != TransactionStatus::Idle {
            self.state.status = TransactionStatus::Failed;
        }
        Err(failure.into())
    }

    /// Parts with the connection when the server is ready outside a transaction.
    pub(super) async fn release_if_idle(&mut self) {
        let over = self.held.as_ref().is_some_and(|held| {
            !held.unsynced
                && held.replies.is_empty()
                && held.backend.status() == TransactionStatus::Idle
        });
        if self.state.redefined && (over || self.held.is_none()) {
            // Before the client hears that it is done.
            self.state.redefined = false;
            Box::pin(self.db.refresh_schema()).await;
        }
        if over {
            if self.is_wide() {
                tracing::error!("a transaction over several shards has ended on one of them");
                Box::pin(self.forsake_others()).await;
            }
            self.part_with_held().await;
        }
    }

    /// The client vanished while its statement ran: the statement is cancelled. What was sent
    /// behind it never runs.
    async fn abandon(&mut self) {
        if let Some(held) = &mut self.held
            && !held.replies.is_empty()
        {
            held.backend.sever();
            if let Err(error) = held.backend.cancel_token().cancel(CANCEL_LIMIT).await {
                tracing::warn!(%error, "the statement of a lost client was not cancelled");
            }
        }
        self.drop_broken().await;
    }

    pub(super) async fn drop_broken(&mut self) {
        if let Some(mut held) = self.held.take() {
            held.backend.mark_broken();
            for note in held.replies.take_all().into_iter().rev() {
                if let Some(before) = note.before {
                    self.state.statements.take_back(before);
                }
            }
            self.portals.clear();
            self.state.cursors.clear();
            self.doom(held.left);
            self.cancel.detach().await;
            self.state.journal.forget_told();
            Box::pin(self.forsake_others()).await;
        }
    }

    /// The connection to the server broke: what the client is told.
    async fn lost(&mut self, why: String) -> Failure {
        let Some(held) = &self.held else {
            return Failure::new("08006", why);
        };
        let name = self.db.shard_name(held.shard).to_owned();
        let address = held.backend.address().to_string();
        let unknown = held.replies.iter().any(|note| {
            let ends = |effect: &Effect| matches!(effect, Effect::Commit | Effect::Chain(_));
            let commits = note.effects.iter().any(ends);
            // What is a block of ours is committed by us.
            let alone = self.state.status == TransactionStatus::Idle && !self.implicit;
            commits || (note.commits && alone)
        });
        self.pools_suspect(held.shard);
        tracing::warn!(shard = %name, node = %address, %why, "a connection was lost");
        self.drop_broken().await;
        self.state.journal.clear();
        self.implicit = false;
        self.state.rollback();
        if self.state.status != TransactionStatus::Idle {
            self.state.status = TransactionStatus::Failed;
        }
        let lost = format!("the connection to shard {name}, node {address}, was lost: {why}");
        if unknown {
            Failure::new("08007", lost).with_hint(
                "Whether the statement took effect is not known. Look before you repeat it.",
            )
        } else {
            Failure::new("08006", lost).with_hint("The transaction was rolled back. Run it again.")
        }
    }

    fn pools_suspect(&self, shard: ShardId) {
        if let Some(held) = &self.held {
            self.pools.suspect(shard, &held.backend);
        }
    }

    /// Makes the server's transaction fail, after an error of ours. `sync`: no Sync of the
    /// client's is to come.
    pub(super) async fn poison(&mut self, sync: bool) -> Result<(), Gone> {
        let Some(held) = &mut self.held else { return Ok(()) };
        if held.replies.failed() {
            return Ok(());
        }
        let open = held.unsynced || held.backend.status() == TransactionStatus::InTransaction;
        if open {
            held.fail_transaction();
        }
        if sync {
            held.sync(false, Purpose::EarlySync);
        } else if open {
            frontend::flush(&mut held.backend.output);
        }
        match self.converse().await {
            Ok(_) => {}
            Err(Stop::Gone(gone)) => return Err(gone),
            // The connection was lost, and with it the transaction.
            Err(Stop::Failed(_) | Stop::Told) => return Ok(()),
        }
        if sync {
            if let Some(held) = &self.held {
                self.state.status = held.backend.status();
            }
            self.release_if_idle().await;
        }
        Ok(())
    }
}

/// The note of a message of ours.
pub fn purpose(purpose: Purpose) -> Note {
    Note { purpose, ..Note::default() }
}
