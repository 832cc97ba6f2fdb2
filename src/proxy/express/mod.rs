//! The short way: what most clients send most of the time, handled in one go.
//!
//! That is a Query of one statement, or one statement's Bind, Execute and Sync with or without
//! the Parse before them, when it goes to one shard, changes nothing in its session, and stands
//! whole in what was read. It needs no legs and no notes, and all its replies are the client's.
//! So do the BEGIN and the COMMIT around such statements. Whatever is not so takes the long way,
//! which knows everything; here nothing is done before that is decided (`plain`).

mod plain;

use std::future::poll_fn;
use std::ops::Range;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};

use self::plain::{Goes, Plain, What, bare_word};
use super::client::{Client, Gone, HIGH_WATER};
use super::held::Held;
use super::relay::LOOK_PLAIN;
use super::replies::Request;
use super::session::{Session, Stop};
use super::state::{Effect, Note};
use super::statements::Statement;
use crate::cluster::Backend;
use crate::routing::{Action, ShardId};
use crate::wire::backend::{self, TransactionStatus, tag as answer};
use crate::wire::frame::{HEADER_LEN, Header, move_front};
use crate::wire::frontend::{self, Bind, tag};

/// So many batches of one client are sent before the first is answered.
const TOGETHER: usize = 256;

impl Session {
    /// Serves what stands at the front of the input, if it can go the short way.
    pub(super) async fn express(&mut self) -> Result<bool, Gone> {
        let Some(plain) = self.plain() else { return Ok(false) };
        match self.run_plain(plain).await {
            Ok(()) => {}
            Err(Stop::Gone(gone)) => return Err(gone),
            Err(Stop::Told) => self.ready(),
            Err(Stop::Failed(failure)) => {
                Box::pin(self.fail(&failure, true)).await?;
                self.ready();
            }
        }
        Ok(true)
    }

    /// Whether nothing is half said or half done, and all that there is is known.
    fn is_between_messages(&self) -> bool {
        self.batch.is_empty()
            && !self.skipping
            && !self.state.redefined
            && !self.implicit
            && self.state.status != TransactionStatus::Failed
            && self.held.as_ref().is_none_or(|held| !held.unsynced && held.replies.is_empty())
    }

    fn plain(&self) -> Option<Plain> {
        if !self.is_between_messages() {
            return None;
        }
        let plain = self.plain_at_front()?;
        let elsewhere = match (&plain.goes, &self.held) {
            (Goes::To(shard, _), Some(held)) => *shard != held.shard,
            _ => false,
        };
        (!elsewhere).then_some(plain)
    }

    async fn run_plain(&mut self, plain: Plain) -> Result<(), Stop> {
        let Plain { len, goes, what } = plain;
        match goes {
            Goes::To(shard, commits) => {
                let note = Note { commits, ..Note::default() };
                self.send_plain(len, Some(shard), note, what).await
            }
            Goes::Commit => {
                let note = Note { effects: vec![Effect::Commit], ..Note::default() };
                self.send_plain(len, None, note, what).await
            }
            Goes::Begin => self.begin_plain(len, what),
        }
    }

    async fn send_plain(
        &mut self,
        len: usize,
        shard: Option<ShardId>,
        mut note: Note,
        what: What,
    ) -> Result<(), Stop> {
        if let Err(stop) = self.hold(shard).await {
            // It has not been answered, and is over.
            self.client.input.advance(len);
            return Err(stop);
        }
        // What follows one that may take back its Parse waits for its answer; so does what follows
        // a COMMIT, with which settings and hints of the transaction end.
        let leads = !matches!(what, What::Unnamed(_)) && note.effects.is_empty();
        self.put_plain(len, what, &mut note)?;
        if !self.portals.is_empty() {
            self.portals.remove(&b""[..]);
        }
        let more = if leads { self.follower() } else { None };
        if more.is_some() || !self.answered_at_once().await? {
            if let Some(held) = &mut self.held {
                held.replies.push(Request::Plain, true, note);
            }
            self.send_followers(more)?;
            Box::pin(self.converse()).await?;
        }
        self.release_if_idle().await;
        Ok(())
    }

    /// Puts a batch into what is to be sent.
    fn put_plain(&mut self, len: usize, what: What, note: &mut Note) -> Result<(), Stop> {
        let Some(held) = &mut self.held else { return Ok(()) };
        held.wrote |= note.commits;
        match what {
            What::Query => {
                self.state.statements.drop_unnamed();
                held.backend.unnamed = None;
                move_front(&mut self.client.input, len, &mut held.backend.output);
            }
            What::Unnamed(statement) => {
                held.backend.unnamed = Some(statement.number);
                note.unnamed = true;
                note.before = Some(self.state.statements.put(Bytes::new(), Some(statement)));
                move_front(&mut self.client.input, len, &mut held.backend.output);
            }
            What::Prepared { statement, unnamed, bind } => {
                let batch = &self.client.input[..len];
                let sent = held.forward_bind(batch, &statement, unnamed, bind);
                self.client.input.advance(len);
                sent?;
            }
        }
        held.backend.expect_ready(1);
        Ok(())
    }

    /// A batch that stands behind one that is about to be sent, and can be sent with it: it is
    /// for the same server, which has all that it needs, whatever becomes of the first.
    fn follower(&mut self) -> Option<Plain> {
        let held = self.held.as_ref()?;
        // Where a statement's time is bounded each has its own.
        let waits = !self.times.statement.is_zero() || held.backend.output.len() >= HIGH_WATER;
        if waits || held.replies.len() >= TOGETHER || held.replies.iter().any(|n| !n.is_clients()) {
            return None;
        }
        let shard = held.shard;
        let plain = self.plain_at_front()?;
        let held = self.held.as_mut()?;
        let ready = match &plain.what {
            What::Query => true,
            What::Prepared { statement, unnamed: false, .. } => {
                held.backend.prepared.touch(statement.number)
            }
            What::Prepared { .. } | What::Unnamed(_) => false,
        };
        (ready && matches!(plain.goes, Goes::To(there, _) if there == shard)).then_some(plain)
    }

    fn send_followers(&mut self, mut more: Option<Plain>) -> Result<(), Stop> {
        while let Some(Plain { len, goes, what }) = more {
            let mut note = Note { commits: matches!(goes, Goes::To(_, true)), ..Note::default() };
            self.put_plain(len, what, &mut note)?;
            if let Some(held) = &mut self.held {
                held.replies.push(Request::Plain, true, note);
            }
            more = self.follower();
        }
        Ok(())
    }

    /// Sends what is in the connection's output, and gives the client its answer if that comes
    /// in one piece and says nothing that anybody else must know. If it doesn't, nothing is
    /// lost: whatever has come is still to be relayed.
    async fn answered_at_once(&mut self) -> Result<bool, Stop> {
        let Some(held) = &mut self.held else { return Ok(true) };
        if !held.replies.is_empty() || !self.times.statement.is_zero() {
            return Ok(false);
        }
        let (client, backend) = (&mut self.client, &mut *held.backend);
        let Some(status) = poll_fn(|cx| poll_answer(client, backend, cx)).await else {
            return Ok(false);
        };
        backend.note(answer::READY_FOR_QUERY, &[status])?;
        let len = backend.input.len();
        move_front(&mut backend.input, len, &mut client.output);
        self.state.status = backend.status();
        if self.state.status == TransactionStatus::Idle {
            self.state.settle(false);
        }
        Ok(true)
    }

    /// Answers a BEGIN, and remembers it for the server that gets the first statement.
    fn begin_plain(&mut self, len: usize, what: What) -> Result<(), Stop> {
        let mut batch = self.client.input.split_to(len).freeze();
        let begun = match what {
            What::Query => {
                self.state.statements.drop_unnamed();
                self.state
                    .journal
                    .characteristics(bare_word(frontend::query(&batch[HEADER_LEN..])?));
                self.state.status = TransactionStatus::InTransaction;
                "BEGIN"
            }
            What::Unnamed(statement) => {
                let begun = self.begin_statement(&statement)?;
                self.state.statements.put(Bytes::new(), Some(statement));
                begun
            }
            What::Prepared { statement, .. } => self.begin_statement(&statement)?,
        };
        let out = &mut self.client.output;
        while let Some(header) = Header::peek(&batch)? {
            match header.tag {
                tag::PARSE => backend::empty(out, answer::PARSE_COMPLETE),
                tag::BIND => backend::empty(out, answer::BIND_COMPLETE),
                tag::DESCRIBE => backend::empty(out, answer::NO_DATA),
                tag::QUERY | tag::EXECUTE => backend::command_complete(out, begun),
                _ => {}
            }
            batch.advance(header.len);
        }
        self.ready();
        Ok(())
    }

    fn begin_statement(&mut self, statement: &Statement) -> Result<&'static str, Stop> {
        let Some(part) = self.planned(statement)? else { return Ok("") };
        let Action::Transaction(begin) = part.action() else { return Ok("") };
        self.answer_transaction(begin, part.text(&statement.text))
    }
}

/// The last byte of a whole answer of which nothing must be looked at, once it is there; `None`
/// when something else has happened.
fn poll_answer(
    client: &mut Client,
    backend: &mut Backend,
    cx: &mut Context<'_>,
) -> Poll<Option<u8>> {
    if !backend.output.is_empty() && !matches!(backend.poll_send(cx), Poll::Ready(Ok(()))) {
        return Poll::Ready(None);
    }
    match backend.poll_fill(cx) {
        Poll::Ready(Ok(_)) => return Poll::Ready(whole_answer(&backend.input)),
        Poll::Ready(Err(_)) => return Poll::Ready(None),
        Poll::Pending => {}
    }
    // One that goes on talking, or goes.
    if client.input.is_empty() && client.poll_fill(cx).is_pending() {
        return Poll::Pending;
    }
    Poll::Ready(None)
}

/// The status that a plain answer ends with, if it is there from its beginning to its end and
/// no more than an answer.
fn whole_answer(mut input: &[u8]) -> Option<u8> {
    loop {
        let (first, body) = input.split_first_chunk::<HEADER_LEN>()?;
        let header = Header::read(first)?;
        match header.tag {
            answer::READY_FOR_QUERY => {
                return if let [status] = body { Some(*status) } else { None };
            }
            answer::PARSE_COMPLETE => {}
            other if LOOK_PLAIN.contains(other) => return None,
            _ => {}
        }
        input = input.get(header.len..)?;
    }
}

impl Held {
    /// Sends a batch whose statement this connection knows by another name.
    fn forward_bind(
        &mut self,
        batch: &[u8],
        statement: &Statement,
        unnamed: bool,
        at: Range<usize>,
    ) -> Result<(), Stop> {
        let name = self.have(statement, unnamed)?;
        let bind = Bind::read(&batch[at.start + HEADER_LEN..at.end])?;
        bind.write_as(&mut self.backend.output, bind.portal, &name);
        self.backend.output.extend_from_slice(&batch[at.end..]);
        Ok(())
    }
}
