//! A run of extended-protocol messages that go to one place.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::extended::End;
use super::held::{Held, purpose};
use super::named::{Learning, Wanted};
use super::replies::Request;
use super::session::{Session, Stop};
use super::settings::Setting;
use super::state::{Note, Purpose};
use super::statements::{Before, Statement, server_name};
use crate::cluster::Backend;
use crate::routing::ShardId;
use crate::wire::backend::{self, TransactionStatus, tag as answer};
use crate::wire::frontend::{self, Bind, Execute, Format, Target as Named};

/// Where a leg goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Target {
    /// It isn't known yet, or nothing of it needs a server.
    #[default]
    Nowhere,
    Any,
    Shard(ShardId),
    /// Tried on any server and rolled back: the transaction has no shard yet.
    Trial,
}

/// What is done with one message.
#[derive(Debug)]
pub enum Op {
    Answer {
        bytes: Bytes,
        before: Option<Before>,
    },
    Parse {
        statement: Arc<Statement>,
        unnamed: bool,
        before: Before,
    },
    Bind {
        statement: Arc<Statement>,
        unnamed: bool,
        body: Bytes,
    },
    DescribeStatement {
        statement: Arc<Statement>,
        unnamed: bool,
    },
    DescribePortal {
        name: Bytes,
    },
    Execute(Box<ExecuteOp>),
    ClosePortal {
        name: Bytes,
    },
    /// Asks of what SQL's PREPARE has just prepared.
    Learn(Learning),
}

/// Execute, and what belongs to it.
#[derive(Debug)]
pub struct ExecuteOp {
    pub body: Bytes,
    pub note: Note,
    /// What is executed; `None` is a cursor of the server's.
    pub statement: Option<Arc<Statement>>,
    /// Statements of ours that must follow it.
    pub after: Vec<Setting>,
}

/// Messages that go to one place.
#[derive(Debug, Default)]
pub struct Leg {
    pub target: Target,
    pub ops: Vec<Op>,
    /// A statement that is parsed or described but not bound: it decides where a leg goes that
    /// binds none.
    pub soft: Option<Arc<Statement>>,
    /// Prepared statements of SQL that it speaks of, as they are to the client before it.
    pub names: Vec<Wanted>,
    /// The last thing executed ended the transaction.
    pub ended: bool,
    /// What several shards answer next is to be described, too.
    pub describes: bool,
}

impl Leg {
    /// The session answers a message by one without a body.
    pub fn answer(&mut self, tag: u8, before: Option<Before>) {
        let mut out = BytesMut::new();
        backend::empty(&mut out, tag);
        self.ops.push(Op::Answer { bytes: out.freeze(), before });
    }

    /// Whether a server gets any of it.
    pub fn goes_somewhere(&self) -> bool {
        matches!(self.target, Target::Any | Target::Shard(_))
    }

    /// Whether a message with this target may join, given the shard of the running transaction.
    pub fn admits(&self, target: Target, held: Option<ShardId>) -> bool {
        let here = match (self.target, held) {
            (Target::Shard(shard), _) | (Target::Any, Some(shard)) => Some(shard),
            _ => None,
        };
        match (self.target, target) {
            (_, Target::Nowhere) | (Target::Nowhere, _) => true,
            (Target::Trial, _) | (_, Target::Trial) => false,
            (_, Target::Any) => true,
            (Target::Any, Target::Shard(shard)) => here.is_none_or(|here| here == shard),
            (Target::Shard(one), Target::Shard(other)) => one == other,
        }
    }

    /// A portal of this name is bound in it.
    pub fn binds(&self, portal: &[u8]) -> bool {
        self.ops.iter().any(|op| match op {
            Op::Bind { body, .. } => Bind::read(body).is_ok_and(|bind| bind.portal == portal),
            _ => false,
        })
    }

    pub fn join(&mut self, target: Target) {
        self.ended = false;
        if matches!(self.target, Target::Nowhere | Target::Any) && target != Target::Nowhere {
            self.target = target;
        }
    }
}

impl Session {
    /// Runs what stands before a message that goes elsewhere. A leg that ended its transaction
    /// ends altogether, so that the next may go to another shard.
    pub(super) async fn run_leg_before(&mut self, leg: &mut Leg) -> Result<(), Stop> {
        if leg.ended && leg.goes_somewhere() {
            return self.run_leg_with(leg, LegEnd::EarlySync).await;
        }
        self.run_leg(leg, End::Flush).await
    }

    /// Sends a leg and relays its replies. Afterwards it is empty.
    pub(super) async fn run_leg(&mut self, leg: &mut Leg, end: End) -> Result<(), Stop> {
        let end = match end {
            End::Sync => LegEnd::Sync,
            End::Flush => LegEnd::Flush,
        };
        self.run_leg_with(leg, end).await
    }

    async fn run_leg_with(&mut self, leg: &mut Leg, end: LegEnd) -> Result<(), Stop> {
        let Leg { target, ops, soft, names, .. } = std::mem::take(leg);
        let only_sync = end == LegEnd::Sync && self.held.is_some() && !self.copied;
        if ops.is_empty() && !only_sync {
            return Ok(());
        }
        let needs_server = ops.iter().any(|op| !matches!(op, Op::Answer { .. }));
        if !needs_server && self.held.is_none() {
            self.answer_all(ops);
            return Ok(());
        }
        if target == Target::Trial {
            return self.run_trial(ops, &names).await;
        }
        // To parse or describe is no reason to begin a transaction somewhere, or to stay there.
        let passing = target == Target::Nowhere && self.held.is_none();
        let end = if passing && (end == LegEnd::Flush || self.state.journal.is_unsent()) {
            LegEnd::HiddenSync
        } else {
            end
        };
        match target {
            Target::Shard(shard) => self.hold(Some(shard)).await?,
            Target::Nowhere if passing => {
                let shard = soft.and_then(|statement| self.place_of_soft(&statement));
                self.take(shard).await?;
            }
            _ => self.hold(None).await?,
        }
        // Its end is more than one server's Sync.
        let end = if self.implicit && end == LegEnd::Sync { LegEnd::Flush } else { end };
        self.have_names(&names).await?;
        self.send_ops(ops)?;
        let Some(held) = &mut self.held else { return Ok(()) };
        match end {
            LegEnd::Sync => held.sync(true, Purpose::Client),
            LegEnd::EarlySync => held.sync(false, Purpose::EarlySync),
            LegEnd::HiddenSync => held.sync(false, Purpose::Undo),
            LegEnd::Flush => {
                frontend::flush(&mut held.backend.output);
                held.unsynced = true;
            }
        }
        self.converse_leg(end).await
    }

    async fn converse_leg(&mut self, end: LegEnd) -> Result<(), Stop> {
        let ended = self.converse().await?;
        self.skipping = ended.failed && !ended.synced;
        self.copied |= ended.copied;
        self.synced = end == LegEnd::Sync;
        if ended.failed && self.state.journal.is_unsent() {
            self.state.status = TransactionStatus::Failed;
        }
        self.release_if_idle().await;
        Ok(())
    }

    /// No server is needed.
    fn answer_all(&mut self, ops: Vec<Op>) {
        for op in ops {
            if let Op::Answer { bytes, .. } = op {
                self.client.output.extend_from_slice(&bytes);
            }
        }
    }

    /// Puts the messages into what is to be sent.
    fn send_ops(&mut self, ops: Vec<Op>) -> Result<(), Stop> {
        let Some(held) = &mut self.held else { return Ok(()) };
        for op in ops {
            if let Op::Learn(learning) = op {
                held.describe_named(&learning);
                self.learning.push(learning);
            } else {
                held.send(op)?;
            }
        }
        Ok(())
    }

    /// Settings and the like in a transaction that has no shard yet: a server says whether they
    /// are right, and then forgets them.
    async fn run_trial(&mut self, ops: Vec<Op>, names: &[Wanted]) -> Result<(), Stop> {
        let tried: Vec<Arc<Statement>> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Execute(execute) => execute.statement.clone(),
                _ => None,
            })
            .collect();
        self.take(None).await?;
        self.have_names(names).await?;
        let Some(held) = &mut self.held else { return Ok(()) };
        held.query(&self.state.journal.text(), false, purpose(Purpose::Unsent));
        self.send_ops(ops)?;
        let Some(held) = &mut self.held else { return Ok(()) };
        held.sync(false, Purpose::Undo);
        held.query(b"ROLLBACK", false, purpose(Purpose::Undo));
        let ended = self.converse().await?;
        self.release_if_idle().await;
        self.skipping = ended.failed;
        if ended.failed {
            self.state.status = TransactionStatus::Failed;
            return Ok(());
        }
        for statement in tried {
            if let Some(part) = self.planned(&statement)? {
                self.remember_tried(&part, &statement.text)?;
            }
        }
        Ok(())
    }
}

/// How a leg ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LegEnd {
    Sync,
    Flush,
    /// The transaction is over, and the client's Sync is yet to come.
    EarlySync,
    /// Nothing was executed: the connection is not needed any longer.
    HiddenSync,
}

impl Held {
    fn send(&mut self, op: Op) -> Result<(), Stop> {
        match op {
            Op::Answer { bytes, before } => self.answer(bytes, before),
            Op::Parse { statement, unnamed, before } => {
                if !unnamed && self.backend.prepared.touch(statement.number) {
                    let mut out = BytesMut::new();
                    backend::empty(&mut out, answer::PARSE_COMPLETE);
                    self.answer(out.freeze(), Some(before));
                } else {
                    self.prepare(&statement, unnamed, Some(before))?;
                }
            }
            Op::Bind { statement, unnamed, body } => {
                let name = self.have(&statement, unnamed)?;
                let bind = Bind::read(&body)?;
                bind.write_as(&mut self.backend.output, bind.portal, &name);
                if !bind.portal.is_empty() {
                    self.cursors.push(String::from_utf8_lossy(bind.portal).into());
                }
                self.replies.push(Request::Bind, true, Note::default());
            }
            Op::DescribeStatement { statement, unnamed } => {
                let name = self.have(&statement, unnamed)?;
                frontend::describe(&mut self.backend.output, Named::Prepared(&name));
                let note = Note { learn: Some(statement), ..Note::default() };
                self.replies.push(Request::DescribeStatement, true, note);
            }
            Op::DescribePortal { name } => {
                frontend::describe(&mut self.backend.output, Named::Portal(&name));
                self.replies.push(Request::DescribePortal, true, Note::default());
            }
            Op::Execute(op) => {
                let ExecuteOp { body, mut note, after, .. } = *op;
                self.note_cursor(note.cursor.take());
                let execute = Execute::read(&body)?;
                frontend::execute(&mut self.backend.output, execute.portal, execute.max_rows);
                self.left = self.left.and(note.leaves);
                self.wrote |= note.commits;
                self.may_have_notified |= note.may_notify;
                self.replies.push(Request::Execute, true, note);
                for sql in after {
                    self.run_after(&sql)?;
                }
            }
            Op::Learn(learning) => self.describe_named(&learning),
            Op::ClosePortal { name } => {
                self.cursors.retain(|cursor| cursor.as_bytes() != &*name);
                frontend::close(&mut self.backend.output, Named::Portal(&name));
                self.replies.push(Request::Close, true, Note::default());
            }
        }
        Ok(())
    }

    /// A statement of ours in the middle of the client's, under names of ours.
    fn run_after(&mut self, sql: &[u8]) -> Result<(), Stop> {
        const NAME: &[u8] = b"pgherd_after";
        let out = &mut self.backend.output;
        frontend::parse(out, NAME, sql, &[])?;
        frontend::bind(out, NAME, NAME, Format::Text, &[], Format::Text)?;
        frontend::execute(out, NAME, 0);
        frontend::close(out, Named::Portal(NAME));
        frontend::close(out, Named::Prepared(NAME));
        for request in
            [Request::Parse, Request::Bind, Request::Execute, Request::Close, Request::Close]
        {
            self.replies.push(request, false, purpose(Purpose::AfterReset));
        }
        Ok(())
    }

    fn answer(&mut self, bytes: Bytes, before: Option<Before>) {
        self.replies.push(Request::Answer(bytes), true, Note { before, ..Note::default() });
    }

    /// The statement's name on this connection, where it is prepared first if it isn't.
    pub(super) fn have(&mut self, statement: &Statement, unnamed: bool) -> Result<Bytes, Stop> {
        let there = if unnamed {
            self.backend.unnamed == Some(statement.number)
        } else {
            self.backend.prepared.touch(statement.number)
        };
        if !there {
            self.prepare(statement, unnamed, None)?;
        }
        Ok(name_on(statement, unnamed))
    }

    /// Parse, for the client when there is something of the client's to take back if it fails.
    fn prepare(
        &mut self,
        statement: &Statement,
        unnamed: bool,
        before: Option<Before>,
    ) -> Result<(), Stop> {
        let backend: &mut Backend = &mut self.backend;
        let mut note = Note::default();
        if unnamed {
            backend.unnamed = Some(statement.number);
            note.unnamed = true;
        } else {
            if let Some(evicted) = backend.prepared.insert(statement.number) {
                let name = server_name(evicted);
                frontend::close(&mut backend.output, Named::Prepared(&name));
                self.replies.push(Request::Close, false, purpose(Purpose::Undo));
            }
            note.prepared = Some(statement.number);
        }
        let name = name_on(statement, unnamed);
        frontend::parse(&mut backend.output, &name, &statement.text, &statement.types)?;
        let shown = before.is_some();
        self.replies.push(Request::Parse, shown, Note { before, ..note });
        Ok(())
    }
}

fn name_on(statement: &Statement, unnamed: bool) -> Bytes {
    if unnamed { Bytes::new() } else { statement.server_name() }
}
