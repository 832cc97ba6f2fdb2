//! The short way: what most clients send most of the time, handled in one go.
//!
//! That is a Query of one statement, or one statement's Bind, Execute and Sync with or without
//! the Parse before them, when it goes to one shard, changes nothing in its session, and stands
//! whole in what was read. It needs no legs and no notes, and all its replies are the client's.
//! Whatever is not so takes the long way, which knows everything; here nothing is done before
//! that is decided.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::client::Gone;
use super::held::Held;
use super::planner::parameters;
use super::replies::Request;
use super::session::{Session, Stop};
use super::state::Note;
use super::statements::{Reliance, Statement};
use crate::routing::{Route, ShardId};
use crate::wire::backend::TransactionStatus;
use crate::wire::frame::{HEADER_LEN, Header, move_front};
use crate::wire::frontend::{self, Bind, Execute, Parse, Target as Named, tag};

/// What goes the short way.
struct Plain {
    /// Bytes of the input.
    len: usize,
    shard: ShardId,
    commits: bool,
    what: What,
}

enum What {
    Query,
    /// A statement that the batch itself prepares, without a name.
    Unnamed(Arc<Statement>),
    Prepared {
        statement: Arc<Statement>,
        unnamed: bool,
        /// The Bind in the input.
        bind: Range<usize>,
    },
}

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

    /// Whether nothing is half said or half done.
    fn is_between_messages(&self) -> bool {
        self.batch.is_empty()
            && !self.skipping
            && !self.unsent.is_open()
            && self.state.status != TransactionStatus::Failed
            && self.held.as_ref().is_none_or(|held| !held.unsynced && held.replies.is_empty())
    }

    fn plain(&self) -> Option<Plain> {
        let first = self.client.peek()?;
        if !matches!(first, tag::QUERY | tag::PARSE | tag::BIND) || !self.is_between_messages() {
            return None;
        }
        let plain = match first {
            tag::QUERY => self.plain_query()?,
            _ => self.plain_batch()?,
        };
        let here = self.held.as_ref().map(|held| held.shard);
        here.is_none_or(|here| here == plain.shard).then_some(plain)
    }

    fn plain_query(&self) -> Option<Plain> {
        let (header, body) = self.whole(0)?;
        let text = frontend::query(body).ok()?;
        let part = self.single_part(text)?;
        if !part.is_plain(text) {
            return None;
        }
        let shard = self.one_shard(self.route(&part, text, &[]).ok()?.0)?;
        Some(Plain { len: header.len, shard, commits: part.may_write(), what: What::Query })
    }

    /// Parse (maybe), Bind, Describe (maybe), Execute, Sync.
    fn plain_batch(&self) -> Option<Plain> {
        let mut at = 0;
        let mut parsed = None;
        let (mut header, mut body) = self.whole(at)?;
        if header.tag == tag::PARSE {
            parsed = Some(self.plain_parse(body)?);
            at += header.len;
            (header, body) = self.whole(at)?;
        }
        if header.tag != tag::BIND {
            return None;
        }
        let bind_at = at..at + header.len;
        let bind = Bind::read(body).ok()?;
        at += header.len;
        (header, body) = self.whole(at)?;
        if header.tag == tag::DESCRIBE {
            if frontend::read_describe(body).ok()? != Named::Portal(b"") {
                return None;
            }
            at += header.len;
            (header, body) = self.whole(at)?;
        }
        if header.tag != tag::EXECUTE || !Execute::read(body).ok()?.portal.is_empty() {
            return None;
        }
        at += header.len;
        (header, _) = self.whole(at)?;
        if header.tag != tag::SYNC || header.len != HEADER_LEN || !bind.portal.is_empty() {
            return None;
        }
        let unnamed = bind.statement.is_empty();
        let statement = match &parsed {
            Some(statement) if unnamed => statement,
            Some(_) => return None,
            None => self.state.statements.get(bind.statement)?,
        };
        let (shard, commits) = self.plain_bind(statement, &bind)?;
        let what = match parsed {
            Some(statement) => What::Unnamed(statement),
            None => What::Prepared { statement: Arc::clone(statement), unnamed, bind: bind_at },
        };
        Some(Plain { len: at + header.len, shard, commits, what })
    }

    /// The whole message at this place of the input.
    fn whole(&self, at: usize) -> Option<(Header, &[u8])> {
        let rest = self.client.input.get(at..)?;
        let header = Header::peek(rest).ok()??;
        frontend::check_header(&header, self.db.limits.message_size).ok()?;
        Some((header, rest.get(HEADER_LEN..header.len)?))
    }

    fn plain_parse(&self, body: &[u8]) -> Option<Arc<Statement>> {
        let parse = Parse::read(body).ok()?;
        if !parse.name.is_empty() {
            return None;
        }
        let world = self.world();
        if let Some(last) = self.state.statements.get(b"")
            && last.is(parse.query, parse.types.iter(), world)
        {
            return Some(Arc::clone(last));
        }
        self.bound_statements(parse.query.len()).ok()?;
        Some(self.db.registry.statement(parse.query, parse.types.iter(), world))
    }

    /// Where a Bind goes, and whether it may write.
    fn plain_bind(&self, statement: &Arc<Statement>, bind: &Bind<'_>) -> Option<(ShardId, bool)> {
        if statement.reliance(self.db.schema_version()) != Reliance::Holds {
            return None;
        }
        let part = self.planned(statement).ok()??;
        if !part.is_plain(&statement.text) {
            return None;
        }
        // Where there is one shard no value decides.
        let one_shard = self.db.is_one_shard();
        let values = if one_shard { Vec::new() } else { parameters(statement, bind) };
        let (route, _) = self.route(&part, &statement.text, &values).ok()?;
        Some((self.one_shard(route)?, part.may_write()))
    }

    fn one_shard(&self, route: Route) -> Option<ShardId> {
        match route {
            Route::One(shard) => Some(shard),
            Route::Any => Some(self.held.as_ref().map_or_else(|| self.any_shard(), |h| h.shard)),
            Route::All => None,
        }
    }

    async fn run_plain(&mut self, plain: Plain) -> Result<(), Stop> {
        if let Err(stop) = self.take(Some(plain.shard)).await {
            // It has not been answered, and is over.
            self.client.input.advance(plain.len);
            return Err(stop);
        }
        let Plain { len, commits, what, .. } = plain;
        let mut note = Note { commits, ..Note::default() };
        let Some(held) = &mut self.held else { return Ok(()) };
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
        held.replies.push(Request::Plain, true, note);
        if !self.portals.is_empty() {
            self.portals.remove(&b""[..]);
        }
        self.converse().await?;
        self.release_if_idle().await;
        Ok(())
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
