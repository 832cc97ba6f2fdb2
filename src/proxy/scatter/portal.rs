//! Portals that several shards answer.
//!
//! Such a statement is bound nowhere before it is executed: each shard gets its Parse, Bind,
//! Describe and Execute in one go. So a Describe right before the Execute costs nothing, and any
//! other asks one shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{BufMut, Bytes, BytesMut};

use super::Question;
use crate::proxy::cursor::Opens;
use crate::proxy::extended::{End, Message};
use crate::proxy::failure::Failure;
use crate::proxy::leg::{Leg, Op};
use crate::proxy::planner::Part;
use crate::proxy::planner::parameters;
use crate::proxy::portals::Portal;
use crate::proxy::replies::Request;
use crate::proxy::session::{Session, Stop};
use crate::proxy::share;
use crate::proxy::state::{Note, Purpose};
use crate::proxy::statements::Statement;
use crate::routing::{Feeding, Moving, Several, ShardId, Shares};
use crate::wire::backend::{self, tag as answer};
use crate::wire::frontend::{self, Bind, Execute, Target as Named, tag};
use crate::wire::write;

/// The name of a cursor of ours, which no client's can have.
const OURS: &[u8] = b"\0rows";

/// A portal that several shards answer.
#[derive(Debug)]
pub struct Spread {
    pub way: Way,
    /// The Bind's body.
    pub bind: Bytes,
    /// Of the statement without a name.
    pub unnamed: bool,
    /// The client has all its rows.
    done: AtomicBool,
}

/// How several shards answer.
#[derive(Debug)]
pub enum Way {
    /// With rows.
    Several(Several),
    /// Each writes its share.
    Shared(Shares),
    /// Rows move between them.
    Moved(Moving),
    /// They get the rows of a query.
    Fed(Feeding),
}

impl From<Several> for Way {
    fn from(several: Several) -> Way {
        Way::Several(several)
    }
}

impl Way {
    fn first(&self) -> Option<ShardId> {
        match self {
            Way::Several(Several::Merged(scattered)) => scattered.shards.first().copied(),
            Way::Several(Several::Gathered(gathered)) => Some(gathered.finisher),
            Way::Several(Several::Finished(finished)) => Some(finished.finisher),
            Way::Shared(shares) => shares.each.first().map(|share| share.shard),
            Way::Moved(moving) => moving.shards.first().copied(),
            Way::Fed(_) => None,
        }
    }
}

impl Spread {
    /// It has rows that may be taken in portions.
    pub fn is_query(&self) -> bool {
        matches!(self.way, Way::Several(_))
    }

    /// `leg` is what was gathered before its Bind, and goes nowhere.
    pub fn bound(
        way: Way,
        bind: Bytes,
        unnamed: bool,
        statement: &Statement,
        leg: &mut Leg,
    ) -> Arc<Spread> {
        if unnamed {
            leg.answer_parse_of(statement.number);
        }
        Arc::new(Spread { way, bind, unnamed, done: AtomicBool::new(false) })
    }
}

impl Leg {
    /// The unnamed statement is parsed where it is executed.
    pub(in crate::proxy) fn answer_parse_of(&mut self, number: u64) {
        for op in &mut self.ops {
            if let Op::Parse { statement, unnamed: true, .. } = op
                && statement.number == number
            {
                let mut out = BytesMut::new();
                backend::empty(&mut out, answer::PARSE_COMPLETE);
                let answer = Op::Answer { bytes: out.freeze(), before: None };
                if let Op::Parse { before, .. } = std::mem::replace(op, answer)
                    && let Op::Answer { before: taken, .. } = op
                {
                    *taken = Some(before);
                }
            }
        }
    }
}

impl Session {
    /// The portal that a Describe is about, if several shards answer it.
    pub(in crate::proxy) fn spread_portal(&self, describe: &[u8]) -> Option<Portal> {
        match frontend::read_describe(describe) {
            Ok(Named::Portal(name)) => {
                self.portals.get(name).filter(|portal| portal.spread.is_some()).cloned()
            }
            _ => None,
        }
    }

    /// Describes such a portal: with its rows if they are asked for next.
    pub(in crate::proxy) async fn describe_spread(
        &mut self,
        (portal, describe): (&Portal, &[u8]),
        next: Option<&Message>,
        leg: &mut Leg,
    ) -> Result<(), Stop> {
        let Some(spread) = &portal.spread else { return Ok(()) };
        let name = match frontend::read_describe(describe)? {
            Named::Portal(name) => name,
            Named::Prepared(_) => return Ok(()),
        };
        let executed = next.filter(|next| next.tag == tag::EXECUTE);
        let executed = executed.and_then(|next| Execute::read(&next.body).ok());
        let same = |execute: &Execute<'_>| {
            let next = self.portals.get(execute.portal).and_then(|portal| portal.spread.as_ref());
            let in_portions = execute.max_rows > 0 && !matches!(spread.way, Way::Several(_));
            next.is_some_and(|next| Arc::ptr_eq(next, spread)) && !in_portions
        };
        if executed.as_ref().is_some_and(same) && !spread.done.load(Ordering::Relaxed) {
            leg.describes = true;
            return Ok(());
        }
        self.run_leg(leg, End::Flush).await?;
        if self.skipping {
            return Ok(());
        }
        if self.describe_portion(name)? {
            return Ok(());
        }
        // They go with a transaction, and this is none of theirs.
        let portals = std::mem::take(&mut self.portals);
        let described = self.ask_shape(&portal.statement, spread).await;
        self.portals = portals;
        described
    }

    async fn ask_shape(&mut self, statement: &Arc<Statement>, spread: &Spread) -> Result<(), Stop> {
        self.take(spread.way.first()).await?;
        let Some(held) = &mut self.held else { return Ok(()) };
        let name = held.have(statement, false)?;
        Bind::read(&spread.bind)?.write_as(&mut held.backend.output, b"", &name);
        held.replies.push(Request::Bind, false, Note::default());
        frontend::describe(&mut held.backend.output, Named::Portal(b""));
        held.replies.push(Request::DescribePortal, true, Note::default());
        held.sync(false, Purpose::Undo);
        let ended = self.converse().await?;
        self.release_if_idle().await;
        if ended.failed { Err(Stop::Told) } else { Ok(()) }
    }

    /// Answers an Execute; `described`: and the Describe before it.
    pub(in crate::proxy) async fn execute_spread(
        &mut self,
        portal: &Portal,
        spread: &Spread,
        execute: Execute<'_>,
        described: bool,
    ) -> Result<(), Stop> {
        let several = match &spread.way {
            Way::Several(several) => several,
            Way::Shared(shares) => {
                may_write(spread, &execute, shares.returns)?;
                return self.execute_shares(portal, spread, shares, described).await;
            }
            Way::Moved(moving) => {
                may_write(spread, &execute, moving.returns)?;
                let asked = asked_of(portal, spread, described);
                let tag = Box::pin(self.move_rows(moving, &asked)).await?;
                backend::command_complete(&mut self.client.output, &tag);
                return Ok(());
            }
            Way::Fed(feeding) => {
                may_write(spread, &execute, feeding.returns)?;
                let asked = asked_of(portal, spread, described);
                let tag = Box::pin(self.feed(feeding, &asked)).await?;
                backend::command_complete(&mut self.client.output, &tag);
                return Ok(());
            }
        };
        self.state.cursors.waits_no_more(execute.portal);
        if let Some(part) = portal.part.as_deref().filter(|part| part.query().is_some()) {
            if described {
                backend::empty(&mut self.client.output, answer::NO_DATA);
            }
            let text = &portal.statement.text;
            return self.declare(part, text, Some((&portal.statement, &spread.bind))).await;
        }
        let opened = self.state.cursors.has(execute.portal);
        if !opened && execute.max_rows > 0 && !spread.done.load(Ordering::Relaxed) {
            self.open_portal(execute.portal, portal, spread).await?;
        }
        if self.state.cursors.has(execute.portal) {
            if described {
                self.describe_portion(execute.portal)?;
            }
            return self.execute_portion(execute.portal, execute.max_rows).await;
        }
        if spread.done.swap(true, Ordering::Relaxed) {
            // As of any portal that has come to its end.
            backend::command_complete(&mut self.client.output, "SELECT 0");
            return Ok(());
        }
        self.execute_several(portal, spread, several, described).await
    }

    /// What is bound is to be taken in portions: its shards are asked for it as it is now.
    async fn open_portal(
        &mut self,
        name: &[u8],
        portal: &Portal,
        spread: &Spread,
    ) -> Result<(), Stop> {
        let Way::Several(several) = &spread.way else { return Ok(()) };
        let formats = Bind::read(&spread.bind)?.result_formats;
        let opens = Opens {
            name,
            statement: &portal.statement,
            unnamed: spread.unnamed,
            part: portal.part.as_deref(),
            bind: Some(&spread.bind),
            formats: (0..formats.len()).map(|at| formats.of(at)).collect(),
            declared: None,
        };
        self.open_cursor(several.clone(), &opens).await
    }

    /// Portals that were bound, and that the client may come to execute later: they show what was
    /// there when they were bound.
    pub(in crate::proxy) async fn open_waiting(&mut self, but: Option<&[u8]>) -> Result<(), Stop> {
        for name in self.state.cursors.take_waiting() {
            if but == Some(&*name) {
                self.state.cursors.waits(&name);
                continue;
            }
            let Some(portal) = self.portals.get(&name).cloned() else { continue };
            let Some(spread) = &portal.spread else { continue };
            let is_query = portal.part.as_deref().is_none_or(|part| part.query().is_none());
            if is_query && !spread.done.load(Ordering::Relaxed) && !self.state.cursors.has(&name) {
                self.open_portal(&name, &portal, spread).await?;
            }
        }
        Ok(())
    }

    /// The rows' frames of a query of ours that several shards answer: up to `limits.merge_memory`.
    /// `bind` is the body of its Bind.
    pub(in crate::proxy) async fn rows_of(
        &mut self,
        (statement, part): (&Arc<Statement>, Arc<Part>),
        bind: Bytes,
        several: Several,
    ) -> Result<BytesMut, Stop> {
        let formats = Bind::read(&bind)?.result_formats;
        let opens = Opens {
            name: OURS,
            statement,
            unnamed: false,
            part: Some(&part),
            bind: Some(&bind),
            formats: (0..formats.len()).map(|at| formats.of(at)).collect(),
            declared: None,
        };
        self.open_cursor(several, &opens).await?;
        self.rows_of_cursor(OURS).await
    }

    /// Answers an Execute whose rows are merged, or finished by one of the shards.
    async fn execute_several(
        &mut self,
        portal: &Portal,
        spread: &Spread,
        several: &Several,
        shown: bool,
    ) -> Result<(), Stop> {
        let statement = &portal.statement;
        let asked = (&spread.bind, spread.unnamed);
        let part = portal.part.as_deref();
        let scattered = match several {
            Several::Merged(scattered) => scattered,
            several => {
                let several = several.clone();
                return self.gather_bound(several, statement, asked, (part, shown)).await;
            }
        };
        let sent = match &scattered.text {
            None => Arc::clone(statement),
            Some(edited) => statement.with_text(&edited.text, &self.db.registry),
        };
        let hidden = scattered.steps.hidden;
        let question = Question::Bound { statement: &sent, spread, hidden };
        let Err(unmerged) = self.scatter(scattered, question, &statement.text, shown).await? else {
            return Ok(());
        };
        let bind = Bind::read(&spread.bind)?;
        let values = parameters(statement, &bind);
        match part.and_then(|part| self.unmerged(part, &statement.text, &values)) {
            Some(several) => self.gather_bound(several, statement, asked, (part, shown)).await,
            None => Err(Stop::Failed(unmerged)),
        }
    }

    async fn execute_shares(
        &mut self,
        portal: &Portal,
        spread: &Spread,
        shares: &Shares,
        described: bool,
    ) -> Result<(), Stop> {
        let statement = &portal.statement;
        let question =
            share::Question::Bound { statement, bind: &spread.bind, unnamed: spread.unnamed };
        let tag = Box::pin(self.share(shares, &question, &statement.text, described)).await?;
        backend::command_complete(&mut self.client.output, &tag);
        Ok(())
    }
}

/// What a client asked by a portal.
fn asked_of<'a>(portal: &'a Portal, spread: &'a Spread, shown: bool) -> share::Asked<'a> {
    let bind = Some(&spread.bind[..]);
    share::Asked { statement: &portal.statement, unnamed: spread.unnamed, bind, shown }
}

/// Whether a portal that writes can be executed: once, and whole.
fn may_write(spread: &Spread, execute: &Execute<'_>, returns: bool) -> Result<(), Failure> {
    if spread.done.swap(true, Ordering::Relaxed) {
        let name = String::from_utf8_lossy(execute.portal).into_owned();
        return Err(Failure::new("55000", format!("portal \"{name}\" cannot be run")));
    }
    // Drivers that want no rows say so by a limit.
    if execute.max_rows > 0 && returns {
        return Err(Failure::unsupported(
            "a part of what several shards return of a write",
            "Execute it without a limit on rows (a fetch size).",
        ));
    }
    Ok(())
}

/// Appends the client's Bind for the unnamed portal: with a format for each column that is added to
/// the outputs, where each output has its own.
pub fn write_bind(out: &mut BytesMut, bind: &Bind<'_>, statement: &[u8], hidden: usize) {
    let formats = bind.result_formats;
    let all = u16::try_from(formats.len() + hidden);
    let (Ok(all), true) = (all, formats.len() > 1 && hidden > 0) else {
        bind.write_as(out, b"", statement);
        return;
    };
    let codes = 2 * (formats.len() + 1);
    let before = &bind.tail[..bind.tail.len().saturating_sub(codes)];
    write::frame(out, tag::BIND, |b| {
        write::cstr(b, b"");
        write::cstr(b, statement);
        b.put_slice(before);
        b.put_u16(all);
        (0..formats.len()).for_each(|at| b.put_u16(formats.of(at) as u16));
        (0..hidden).for_each(|_| b.put_u16(0));
    });
}
