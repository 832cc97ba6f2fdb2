//! What can go the short way: found out without doing anything.

use std::ops::Range;
use std::sync::Arc;

use crate::config::settings::PoolMode;
use crate::proxy::forms::Found;
use crate::proxy::planner::{Part, parameters};
use crate::proxy::session::Session;
use crate::proxy::statements::{Reliance, Statement};
use crate::routing::{Action, Route, ShardId};
use crate::sql::{Form, Transaction};
use crate::wire::backend::TransactionStatus;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend::{self, Bind, Execute, Parse, Target as Named, tag};

/// What goes the short way.
pub(super) struct Plain {
    /// Bytes of the input.
    pub len: usize,
    pub goes: Goes,
    pub what: What,
}

/// What becomes of it.
pub(super) enum Goes {
    /// To this shard; whether it may write.
    To(ShardId, bool),
    /// To the server that the transaction is on, which ends there.
    Commit,
    /// Nowhere yet: a transaction begins when its first statement comes.
    Begin,
}

pub(super) enum What {
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
    /// What stands at the front of the input, if it can go the short way.
    pub(super) fn plain_at_front(&self) -> Option<Plain> {
        match self.client.peek()? {
            tag::QUERY => self.plain_query(),
            tag::PARSE | tag::BIND => self.plain_batch(),
            _ => None,
        }
    }

    fn plain_query(&self) -> Option<Plain> {
        let (header, body) = self.whole(0)?;
        let (0, text) = body.split_last()? else { return None };
        let goes = match self.bare_control(text) {
            Some(goes) => goes,
            None => self.plain_text(text)?,
        };
        Some(Plain { len: header.len, goes, what: What::Query })
    }

    /// BEGIN and COMMIT without more words, where they are no mistake.
    fn bare_control(&self, text: &[u8]) -> Option<Goes> {
        let word = bare_word(text);
        if is_one_of(word, BEGIN) {
            self.may_begin().then_some(Goes::Begin)
        } else if is_one_of(word, COMMIT) {
            self.may_commit().then_some(Goes::Commit)
        } else {
            None
        }
    }

    fn may_begin(&self) -> bool {
        self.held.is_none()
            && !self.state.journal.is_unsent()
            && self.state.status == TransactionStatus::Idle
            && self.mode != PoolMode::Statement
    }

    fn may_commit(&self) -> bool {
        self.held.is_some()
            && !self.is_wide()
            && self.state.status == TransactionStatus::InTransaction
            && !self.state.settings.encoding_is_open()
    }

    /// Where a text goes, if it is plain, and whether it may write.
    fn plain_text(&self, text: &[u8]) -> Option<Goes> {
        let reading = self.reading();
        let form = Form::of(text).filter(|_| reading.reads_all());
        let world = (self.db.router().validity(), reading.version);
        let found = form.as_ref().map_or(Found::No, |form| self.db.forms.find(form, world));
        if let (Found::Known(known), Some(form)) = (&found, &form) {
            if self.db.is_one_shard() {
                return self.plain_part(known.part(), text);
            }
            return self.plain_part(&known.part_of(form), text);
        }
        let part = self.single_part(text).filter(|_| !text.contains(&0))?;
        if !part.is_plain(text) {
            return None;
        }
        let plain = self.plain_part(&part, text);
        if let (Found::Again(hash), Some(form)) = (found, &form)
            && part.is_of_its_form()
        {
            self.db.forms.keep(hash, form, world, part);
        }
        plain
    }

    fn plain_part(&self, part: &Part, text: &[u8]) -> Option<Goes> {
        if let Some(shard) = self.fixed(part) {
            return Some(Goes::To(shard, part.may_write()));
        }
        let (route, _) = self.route(part, text, &[]).ok()?;
        if part.reads_clock() && self.is_elsewhere(route) {
            return None;
        }
        Some(Goes::To(self.one_shard(route)?, part.may_write()))
    }

    fn fixed(&self, part: &Part) -> Option<ShardId> {
        if self.state.hints.is_empty() { part.fixed() } else { None }
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
        let goes = self.plain_bind(statement, &bind)?;
        let what = match parsed {
            Some(statement) => What::Unnamed(statement),
            None => What::Prepared { statement: Arc::clone(statement), unnamed, bind: bind_at },
        };
        Some(Plain { len: at + header.len, goes, what })
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

    /// Where a Bind goes.
    fn plain_bind(&self, statement: &Arc<Statement>, bind: &Bind<'_>) -> Option<Goes> {
        if statement.reliance(self.db.schema_version()) != Reliance::Holds {
            return None;
        }
        let part = self.planned(statement).ok()??;
        match part.action() {
            Action::Transaction(Transaction::Begin { .. }) if bind.values.is_empty() => {
                return self.may_begin().then_some(Goes::Begin);
            }
            Action::Transaction(Transaction::Commit { chain: false }) if bind.values.is_empty() => {
                return self.may_commit().then_some(Goes::Commit);
            }
            _ if part.is_plain(&statement.text) => {}
            _ => return None,
        }
        if let Some(shard) = self.fixed(&part) {
            return Some(Goes::To(shard, part.may_write()));
        }
        let values = parameters(statement, bind);
        let (route, _) = self.route(&part, &statement.text, &values).ok()?;
        if part.reads_clock() && self.is_elsewhere(route) {
            return None;
        }
        Some(Goes::To(self.one_shard(route)?, part.may_write()))
    }

    fn one_shard(&self, route: Route) -> Option<ShardId> {
        match route {
            Route::One(shard) => Some(shard),
            // What decides where the transaction goes is still to come.
            Route::Any if self.state.journal.is_unsent() && !self.db.is_one_shard() => None,
            Route::Any => Some(self.held.as_ref().map_or_else(|| self.any_shard(), |h| h.shard)),
            Route::All => None,
        }
    }
}

const BEGIN: &[&[u8]] = &[b"BEGIN"];
const COMMIT: &[&[u8]] = &[b"COMMIT", b"END"];

fn is_one_of(word: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|one| word.eq_ignore_ascii_case(one))
}

/// A text without the white space and semicolons around it.
pub(super) fn bare_word(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|b| !b.is_ascii_whitespace() && *b != b';');
    text[..end.map_or(0, |end| end + 1)].trim_ascii_start()
}
