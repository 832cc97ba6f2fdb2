//! The extended protocol: messages are gathered until Sync or Flush, because the Bind that says
//! where they go comes after the Parse that must go there, too.
//!
//! A batch is cut into legs: runs of messages that go to one place. Mostly there is one. What
//! the session answers by itself (BEGIN, `SET pgherd.shard`) goes nowhere.

use bytes::{Bytes, BytesMut};

use super::bound::{Answered, Found};
use super::client::Gone;
use super::control::{columns, describe};
use super::failure::Failure;
use super::leg::{ExecuteOp, Leg, Op, Target};
use super::planner::Part;
use super::portals::Portal;
use super::session::{Session, Stop};
use super::state::{Effect, Purpose};
use super::statements::Statement;
use crate::routing::Leaves;
use crate::wire::backend::{self, TransactionStatus, tag as answer};
use crate::wire::frontend::{self, Bind, Execute, Format, Parse, Target as Named, tag};

use std::sync::Arc;

/// One message of the extended protocol, as it came.
#[derive(Debug)]
pub struct Message {
    pub tag: u8,
    pub body: Bytes,
}

/// How a batch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Sync,
    Flush,
}

/// Messages that pile up to so many bytes without Sync or Flush are sent on.
const GATHERED: usize = 1024 * 1024;

impl Session {
    /// Keeps a message until it is known where it goes.
    pub(super) async fn gather(&mut self, tag: u8, body: BytesMut) -> Result<(), Gone> {
        self.batch_bytes += body.len() + size_of::<Message>();
        self.batch.push(Message { tag, body: body.freeze() });
        if self.batch_bytes >= GATHERED { Box::pin(self.flush()).await } else { Ok(()) }
    }

    /// Flush: what was gathered runs, and its replies go out.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        self.run_gathered(End::Flush).await
    }

    /// A Query that follows messages without Sync.
    pub(super) async fn flush_before_query(&mut self) -> Result<(), Gone> {
        if self.batch.is_empty() { Ok(()) } else { self.flush().await }
    }

    /// Sync: what was gathered runs, and the implicit transaction ends.
    pub(super) async fn sync(&mut self) -> Result<(), Gone> {
        self.run_gathered(End::Sync).await?;
        if self.implicit && !self.copied {
            let failed = std::mem::take(&mut self.skipping);
            let concluded = self.conclude(!failed).await;
            if concluded.is_ok() {
                self.ready();
            }
            return self.answered(concluded).await;
        }
        if std::mem::take(&mut self.copied) {
            // It came before the data of a COPY, where Postgres takes no notice of it; the
            // client sends another one behind them.
            return Ok(());
        }
        self.skipping = false;
        if std::mem::take(&mut self.synced) {
            return Ok(());
        }
        match &mut self.held {
            Some(held) if held.unsynced => held.sync(true, Purpose::Client),
            Some(_) => {
                self.ready();
                return Ok(());
            }
            None => {
                if self.state.status == TransactionStatus::Idle {
                    self.state.settle(false);
                    self.portals.clear();
                }
                self.ready();
                return Ok(());
            }
        }
        match self.converse().await {
            Ok(_) => {}
            Err(Stop::Gone(gone)) => return Err(gone),
            Err(Stop::Told) => self.ready(),
            Err(Stop::Failed(failure)) => {
                failure.write(&mut self.client.output);
                self.ready();
            }
        }
        self.release_if_idle().await;
        Ok(())
    }

    async fn run_gathered(&mut self, end: End) -> Result<(), Gone> {
        self.synced = false;
        self.copied = false;
        self.batch_bytes = 0;
        let messages = std::mem::take(&mut self.batch);
        if messages.is_empty() || self.skipping {
            return Ok(());
        }
        match self.run_batch(messages, end).await {
            Ok(()) => Ok(()),
            Err(Stop::Gone(gone)) => Err(gone),
            Err(Stop::Told) => {
                self.skipping = true;
                Ok(())
            }
            Err(Stop::Failed(failure)) => {
                self.skipping = true;
                self.fail(&failure, false).await
            }
        }
    }

    async fn run_batch(&mut self, messages: Vec<Message>, end: End) -> Result<(), Stop> {
        let mut leg = Leg::default();
        for (at, message) in messages.iter().enumerate() {
            let seen = self.see_defined().await;
            let taken = match seen {
                Ok(()) => self.take_message(message, messages.get(at + 1), &mut leg).await,
                Err(stop) => Err(stop),
            };
            if self.skipping {
                return Ok(());
            }
            if let Err(stop) = taken {
                // What stands before the message that is refused is answered first.
                self.run_leg(&mut leg, End::Flush).await?;
                return if self.skipping { Ok(()) } else { Err(stop) };
            }
        }
        self.run_leg(&mut leg, end).await?;
        if self.state.cursors.any_waits() && !self.skipping {
            let lasts = self.state.status != TransactionStatus::Idle && !self.implicit;
            match lasts || end == End::Flush {
                true => Box::pin(self.open_waiting(None)).await?,
                false => drop(self.state.cursors.take_waiting()),
            }
        }
        Ok(())
    }

    /// `next` is the message behind it, if that has come.
    async fn take_message(
        &mut self,
        message: &Message,
        next: Option<&Message>,
        leg: &mut Leg,
    ) -> Result<(), Stop> {
        let body = &message.body;
        if self.held.is_some() && !self.db.is_one_shard() {
            self.go_to_portal(message, leg).await?;
            if self.skipping {
                return Ok(());
            }
        }
        match message.tag {
            tag::PARSE => self.take_parse(body, leg),
            tag::BIND => self.take_bind(body, leg).await,
            tag::DESCRIBE => match self.spread_portal(body) {
                Some(portal) => Box::pin(self.describe_spread((&portal, body), next, leg)).await,
                None => self.take_describe(body, leg),
            },
            tag::EXECUTE => self.take_execute(body, leg).await,
            tag::CLOSE => self.take_close(body, leg).await,
            _ => Ok(()),
        }
    }

    /// A portal that was bound on one shard of the transaction is there, wherever the transaction
    /// has gone since.
    async fn go_to_portal(&mut self, message: &Message, leg: &mut Leg) -> Result<(), Stop> {
        let body = &message.body;
        let name = match message.tag {
            tag::EXECUTE => Execute::read(body)?.portal,
            tag::DESCRIBE | tag::CLOSE => {
                let target = match message.tag {
                    tag::CLOSE => frontend::read_close(body)?,
                    _ => frontend::read_describe(body)?,
                };
                match target {
                    Named::Portal(name) => name,
                    Named::Prepared(_) => return Ok(()),
                }
            }
            _ => return Ok(()),
        };
        if name.is_empty() || self.server_refuses() || leg.binds(name) {
            return Ok(());
        }
        let Some(shard) = self.shard_of_cursor(name) else { return Ok(()) };
        let target = Target::Shard(shard);
        if !leg.admits(target, self.held.as_ref().map(|held| held.shard)) {
            self.run_leg_before(leg).await?;
        }
        leg.join(target);
        Ok(())
    }

    fn take_parse(&mut self, body: &Bytes, leg: &mut Leg) -> Result<(), Stop> {
        let parse = Parse::read(body)?;
        if !parse.name.is_empty() && self.state.statements.get(parse.name).is_some() {
            let name = String::from_utf8_lossy(parse.name);
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Failure::new("42P05", message).into());
        }
        let world = self.world();
        let statement = self.db.registry.statement(parse.query, parse.types.iter(), world);
        self.bound_statements(parse.name.len() + statement.text.len())?;
        let failed = self.state.status == TransactionStatus::Failed;
        let nowhere = failed && self.held.is_none();
        let planned = self.planned(&statement);
        let part = planned.as_ref().ok().cloned().flatten();
        let local = match planned {
            Ok(Some(part)) if nowhere && !part.may_end_failure() => {
                return Err(Failure::in_failed_transaction().into());
            }
            Err(failure) if nowhere && failure.sqlstate != "42601" => {
                return Err(Failure::in_failed_transaction().into());
            }
            Ok(part) => part.is_none_or(|part| part.never_parsed()),
            // In a failed transaction the server says so; what can't be planned is refused
            // before any of it is sent.
            Err(_) if failed && self.held.is_some() => false,
            Err(failure) => return Err(failure.into()),
        };
        let named = part.as_ref().and_then(|part| part.statement_name(&statement.text));
        let statement = match named {
            Some(named) => self.apart_by_name(&named, &parse),
            None => statement,
        };
        self.want_name(part.as_deref(), &statement.text, leg)?;
        let name = Bytes::copy_from_slice(parse.name);
        let unnamed = name.is_empty();
        let before = self.state.statements.put(name, Some(Arc::clone(&statement)));
        if local {
            leg.answer(answer::PARSE_COMPLETE, Some(before));
        } else {
            leg.soft = Some(Arc::clone(&statement));
            leg.ops.push(Op::Parse { statement, unnamed, before });
        }
        Ok(())
    }

    /// The text of an EXECUTE is another statement for each that it executes.
    fn apart_by_name(&self, name: &str, parse: &Parse<'_>) -> Arc<Statement> {
        let named = self.state.statements.get(name.as_bytes()).map_or(0, |named| named.number);
        let (schema, path) = self.world();
        let world = (schema, path ^ named.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.db.registry.statement(parse.query, parse.types.iter(), world)
    }

    /// A leg that speaks of a prepared statement's name needs it on its connection.
    fn want_name(&self, part: Option<&Part>, text: &[u8], leg: &mut Leg) -> Result<(), Failure> {
        let Some(part) = part.filter(|_| !self.server_refuses()) else { return Ok(()) };
        self.check_name(part, text)?;
        if let Some(wanted) = self.wanted_by(part, text)
            && !leg.names.iter().any(|known| known.name == wanted.name)
        {
            leg.names.push(wanted);
        }
        Ok(())
    }

    /// Bounds what one client keeps prepared.
    pub(super) fn bound_statements(&self, more: usize) -> Result<(), Failure> {
        let max = self.db.limits.prepared_statements;
        if self.state.statements.bytes().saturating_add(more) <= max {
            return Ok(());
        }
        Err(Failure::new("54000", "too many prepared statements").with_hint(format!(
            "A client may keep {max} bytes of them: close some, or raise \
             limits.prepared_statements."
        )))
    }

    fn statement(&self, name: &[u8]) -> Result<Arc<Statement>, Failure> {
        self.state.statements.get(name).cloned().ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            let message = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            Failure::new("26000", message)
        })
    }

    async fn take_bind(&mut self, body: &Bytes, leg: &mut Leg) -> Result<(), Stop> {
        let bind = Bind::read(body)?;
        let statement = self.statement(bind.statement)?;
        self.bind(statement, body, leg).await
    }

    /// Takes the Bind of a statement, whatever its name.
    async fn bind(
        &mut self,
        statement: Arc<Statement>,
        body: &Bytes,
        leg: &mut Leg,
    ) -> Result<(), Stop> {
        let bind = Bind::read(body)?;
        let unnamed = bind.statement.is_empty();
        if !self.server_refuses() {
            self.check_shape(&statement).await?;
        }
        let part = match self.planned(&statement) {
            Ok(part) => part,
            Err(_) if self.server_refuses() => None,
            Err(failure) => return Err(failure.into()),
        };
        if part.as_ref().is_some_and(|part| part.is_said_to_transaction())
            && self.goes_elsewhere(leg)
        {
            // What comes before it has another shard take part in the transaction.
            self.run_leg_before(leg).await?;
            return if self.skipping {
                Ok(())
            } else {
                Box::pin(self.bind(statement, body, leg)).await
            };
        }
        // Where several shards take part it isn't for one server to answer.
        let ends_failure =
            part.as_ref().is_some_and(|part| part.may_end_failure() && self.concerns_all(part));
        let refused = self.server_refuses() && !ends_failure;
        if let Some(part) = part.as_deref().filter(|part| part.fill().is_some() && !refused)
            && self.is_unfilled(part, &statement, &bind)
        {
            let filled = self.fill_bound(part, (&statement, unnamed), body, leg).await?;
            return match filled {
                Some((statement, body)) => Box::pin(self.bind(statement, &body, leg)).await,
                None => Ok(()),
            };
        }
        let found = match &part {
            // Sent on where the transaction is: it fails there.
            _ if refused => Found::at(Target::Any),
            // Postgres refuses it here, and not by the simple protocol.
            None if self.state.status == TransactionStatus::Failed => {
                return Err(Failure::in_failed_transaction().into());
            }
            None => Found::here(Answered::Locally),
            Some(part) => match self.find(part, &statement, &bind, (body, leg)).await? {
                Some(found) => found,
                None if self.skipping => return Ok(()),
                // The session may stand elsewhere now.
                None => return Box::pin(self.bind(statement, body, leg)).await,
            },
        };
        let Found { target, answered, explain, timed } = found;
        if !leg.admits(target, self.held.as_ref().map(|held| held.shard)) {
            self.run_leg_before(leg).await?;
            if self.skipping {
                return Ok(());
            }
            // The session may stand elsewhere now.
            return Box::pin(self.bind(statement, body, leg)).await;
        }
        self.want_name(part.as_deref(), &statement.text, leg)?;
        let (leaves, effect) = match &part {
            Some(part) => self.follow_bound(part, &statement, &bind, body.len()).await?,
            None => (Leaves::NOTHING, Effect::Nothing),
        };
        self.check_portal(bind.portal, statement.size() + body.len())?;
        self.state.cursors.forget_fetched(bind.portal);
        if !self.state.cursors.is_empty() && self.state.cursors.has(bind.portal) {
            // The portal without a name makes way.
            self.run_leg(leg, End::Flush).await?;
            if self.skipping {
                return Ok(());
            }
            Box::pin(self.close_cursor(bind.portal)).await?;
        }
        let (statement, part, edited) = match timed {
            Some(timed) => (timed.statement, Some(timed.part), Some(timed.edited)),
            None => (statement, part, None),
        };
        // Another text each time: nothing is kept of it on servers.
        let unnamed = unnamed || edited.is_some();
        let local = !matches!(answered, Answered::ByServer);
        let (spread, copying) = match answered {
            Answered::ByServer | Answered::Locally => (None, None),
            Answered::Together(spread) => {
                if spread.is_query() {
                    self.state.cursors.waits(bind.portal);
                }
                (Some(spread), None)
            }
            Answered::Copying(copying) => (None, Some(copying)),
        };
        let statement_of = Arc::clone(&statement);
        // Who answers by itself has to know how.
        let columns = part.as_deref().filter(|_| local).and_then(columns).unwrap_or_default();
        let fetches = part.as_deref().is_some_and(|part| local && part.fetches());
        let formats = if fetches { bind.result_formats.len() } else { columns.len() };
        let formats = (0..formats).map(|at| bind.result_formats.of(at)).collect();
        let portal = Portal {
            formats,
            statement: statement_of,
            part,
            edited,
            local,
            spread,
            copying,
            explain,
            effect,
            leaves,
        };
        self.portals.put(bind.portal, portal);
        if local {
            leg.answer(answer::BIND_COMPLETE, None);
        } else {
            leg.join(target);
            leg.ops.push(Op::Bind { statement, unnamed, body: body.clone() });
        }
        Ok(())
    }

    /// Whether what was gathered goes to another shard than what went before it.
    fn goes_elsewhere(&self, leg: &Leg) -> bool {
        match (leg.target, &self.held) {
            (Target::Shard(shard), Some(held)) => shard != held.shard,
            _ => false,
        }
    }

    /// The server's transaction has failed: whatever it gets, it refuses.
    fn server_refuses(&self) -> bool {
        self.held.is_some() && self.state.status == TransactionStatus::Failed
    }

    fn take_describe(&mut self, body: &Bytes, leg: &mut Leg) -> Result<(), Stop> {
        match frontend::read_describe(body)? {
            Named::Prepared(name) => {
                let statement = self.statement(name)?;
                let part = self.planned(&statement).ok().flatten();
                let ours = part.as_ref().is_none_or(|part| {
                    part.never_parsed() || (part.fetches() && self.is_of_cursors(part))
                });
                if ours && !self.server_refuses() {
                    let mut out = BytesMut::new();
                    backend::parameter_description(&mut out, &[]);
                    self.describe_local(&mut out, part.as_deref(), &[])?;
                    leg.ops.push(Op::Answer { bytes: out.freeze(), before: None });
                } else {
                    self.want_name(part.as_deref(), &statement.text, leg)?;
                    leg.soft = Some(Arc::clone(&statement));
                    leg.ops.push(Op::DescribeStatement { statement, unnamed: name.is_empty() });
                }
            }
            Named::Portal(name) => match self.portals.get(name) {
                Some(portal) if portal.local => {
                    let mut out = BytesMut::new();
                    self.describe_local(&mut out, portal.part.as_deref(), &portal.formats)?;
                    leg.ops.push(Op::Answer { bytes: out.freeze(), before: None });
                }
                None if self.state.cursors.has(name) => {
                    let mut out = BytesMut::new();
                    self.describe_cursor(name, &mut out)?;
                    leg.ops.push(Op::Answer { bytes: out.freeze(), before: None });
                }
                _ => {
                    self.require_portal(name)?;
                    leg.ops.push(Op::DescribePortal { name: Bytes::copy_from_slice(name) });
                }
            },
        }
        Ok(())
    }

    /// A portal that isn't known here may still be a cursor of the server's transaction.
    fn require_portal(&self, name: &[u8]) -> Result<(), Failure> {
        if self.portals.get(name).is_some() || self.has_server() {
            return Ok(());
        }
        let name = String::from_utf8_lossy(name);
        Err(Failure::new("34000", format!("portal \"{name}\" does not exist")))
    }

    /// What Describe says of a statement that the session answers by itself.
    fn describe_local(
        &self,
        out: &mut BytesMut,
        part: Option<&Part>,
        formats: &[Format],
    ) -> Result<(), Failure> {
        let Some(part) = part else {
            backend::empty(out, answer::NO_DATA);
            return Ok(());
        };
        if !describe(out, part, formats) && !self.describe_fetch(part, formats, out)? {
            backend::empty(out, answer::NO_DATA);
        }
        Ok(())
    }

    async fn take_execute(&mut self, body: &Bytes, leg: &mut Leg) -> Result<(), Stop> {
        let execute = Execute::read(body)?;
        if self.state.cursors.wait_beside(execute.portal) {
            // What is executed now may change what they are to show.
            self.run_leg(leg, End::Flush).await?;
            if self.skipping {
                return Ok(());
            }
            Box::pin(self.open_waiting(Some(execute.portal))).await?;
        }
        let Some(portal) = self.portals.get(execute.portal).cloned() else {
            if self.state.cursors.has(execute.portal) {
                // DECLAREd by SQL: it is a portal all the same.
                self.run_leg(leg, End::Flush).await?;
                return match self.skipping {
                    true => Ok(()),
                    false => Box::pin(self.execute_portion(execute.portal, execute.max_rows)).await,
                };
            }
            self.require_portal(execute.portal)?;
            let note = Default::default();
            let op = ExecuteOp { body: body.clone(), note, statement: None, after: Vec::new() };
            leg.ops.push(Op::Execute(Box::new(op)));
            return Ok(());
        };
        if portal.local {
            let described = std::mem::take(&mut leg.describes);
            self.run_leg(leg, End::Flush).await?;
            if self.skipping {
                return Ok(());
            }
            self.state.edited = portal.edited.clone();
            let executed = match (&portal.copying, &portal.spread) {
                (Some(copying), _) => Box::pin(self.execute_copy(&portal, copying)).await,
                (None, Some(spread)) => {
                    Box::pin(self.execute_spread(&portal, spread, execute, described)).await
                }
                (None, None) => self.execute_local(&portal, &execute).await,
            };
            self.state.edited = None;
            return executed;
        }
        let copies_in =
            portal.part.as_ref().is_some_and(|part| part.copies_in(&portal.statement.text));
        let ends = portal.part.as_ref().is_some_and(|part| part.ends_transaction());
        let encodes = portal.part.as_ref().is_some_and(|part| part.sets_encoding())
            || (ends && self.state.settings.encoding_is_open());
        let note = self.execute_note(&portal);
        let statement = Some(Arc::clone(&portal.statement));
        let after = self.after_reset(&note);
        let op = ExecuteOp { body: body.clone(), note, statement, after };
        leg.ops.push(Op::Execute(Box::new(op)));
        if let Some(part) = &portal.part {
            let text = &portal.statement.text;
            leg.ops
                .extend(self.learn(std::slice::from_ref(part), text)?.into_iter().map(Op::Learn));
        }
        if self.server_refuses() && portal.part.as_ref().is_some_and(|part| part.may_end_failure())
        {
            // What follows goes where it belongs, once this is done.
            leg.ended = true;
            return self.run_leg_before(leg).await;
        }
        leg.ended = ends;
        if copies_in || encodes {
            // Its data come next; a Sync sent with it would be taken for part of them. Or what
            // follows is read in another encoding.
            return self.run_leg(leg, End::Flush).await;
        }
        Ok(())
    }

    fn execute_note(&self, portal: &Portal) -> super::state::Note {
        let text = &portal.statement.text;
        let effect = match (&portal.effect, &portal.part) {
            (Effect::Nothing, Some(part)) => part.effect(text),
            (effect, _) => effect.clone(),
        };
        super::state::Note {
            effects: vec![effect],
            leaves: portal.leaves,
            explain: portal.explain.clone(),
            commits: portal.part.as_ref().is_none_or(|part| part.may_write()),
            may_notify: portal.part.as_ref().is_some_and(|part| part.may_notify()),
            cursor: portal.part.as_ref().and_then(|part| part.cursor_note()),
            ..Default::default()
        }
    }

    async fn take_close(&mut self, body: &Bytes, leg: &mut Leg) -> Result<(), Stop> {
        match frontend::read_close(body)? {
            Named::Prepared(name) => {
                // Connections keep it, for others and for the next time.
                let before = self.state.statements.put(Bytes::copy_from_slice(name), None);
                leg.answer(answer::CLOSE_COMPLETE, Some(before));
            }
            Named::Portal(name) if self.state.cursors.has(name) => {
                self.run_leg(leg, End::Flush).await?;
                if !self.skipping {
                    self.portals.remove(name);
                    Box::pin(self.close_cursor(name)).await?;
                    leg.answer(answer::CLOSE_COMPLETE, None);
                }
            }
            Named::Portal(name) => {
                self.state.cursors.waits_no_more(name);
                self.state.cursors.forget_fetched(name);
                let known = self.portals.remove(name);
                let on_server = known.is_some_and(|portal| !portal.local) || self.held.is_some();
                if on_server && (leg.goes_somewhere() || self.held.is_some()) {
                    leg.ops.push(Op::ClosePortal { name: Bytes::copy_from_slice(name) });
                } else {
                    leg.answer(answer::CLOSE_COMPLETE, None);
                }
            }
        }
        Ok(())
    }
}
