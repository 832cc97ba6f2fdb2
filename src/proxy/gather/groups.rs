//! Groups of several shards, put together here and finished by one server.

use bytes::{BufMut, BytesMut};

use super::pull::{Pile, put_parameters};
use super::shape::Shape;
use super::{Asked, Text};
use crate::proxy::failure::Failure;
use crate::proxy::replies::Request;
use crate::proxy::scatter::{Answer, Form, Leg, Merged, Took, Why};
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::{ClientState, Note, Purpose};
use crate::routing::{Carried, Finished};
use crate::sql::Edited;
use crate::wire::backend::RowDescription;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend::{self, Bind, Format, Target as Named};
use crate::wire::write;
use tokio::time::Instant;

/// What the shards say of their groups, on its way to be one.
struct Grouped<'a> {
    merged: Merged<'a>,
    /// Columns of a group.
    columns: usize,
    carried: Vec<Carried>,
    /// The groups: frames.
    rows: BytesMut,
}

impl Answer for Grouped<'_> {
    fn described(
        &mut self,
        at: usize,
        legs: &[Leg],
        state: &ClientState,
        _out: &mut BytesMut,
    ) -> Result<(), Why> {
        if self.carried.is_empty() {
            let body = legs[at].description.as_deref().unwrap_or_default();
            let described = RowDescription::read(body).map_err(Failure::from)?;
            let fields = described.iter().take(self.columns);
            let carried = fields.map(|field| Carried::in_binary(field.type_oid));
            self.carried = carried.collect::<Option<_>>().ok_or_else(|| {
                Why::Unfit(Box::new(Failure::unsupported(
                    "groups of several shards by a type that doesn't travel in binary",
                    "Cast it to text.",
                )))
            })?;
        }
        self.merged.described(at, legs, state, &mut self.rows)
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        _out: &mut BytesMut,
        _room: usize,
    ) -> Result<Took, Box<Failure>> {
        self.merged.take(legs, &mut self.rows, usize::MAX)
    }
}

impl Grouped<'_> {
    fn pile(self) -> Result<Pile, Stop> {
        let mut pile = Pile::new(self.carried);
        let mut rows = &self.rows[..];
        while let Some(header) = Header::peek(rows)? {
            let Some((row, rest)) = rows.split_at_checked(header.len) else { break };
            pile.push(&row[HEADER_LEN..]).map_err(Stop::Failed)?;
            rows = rest;
        }
        Ok(pile)
    }
}

impl Session {
    /// Answers a statement by groups that are put together and finished. The inner error is why these
    /// can't be: the client knows nothing of it.
    pub(super) async fn finish_groups(
        &mut self,
        finished: &Finished,
        asked: &Asked<'_>,
    ) -> Result<Result<(), Box<Failure>>, Stop> {
        if !Form::of(&self.state, 0).same_encoding {
            return Ok(Err(Box::new(Failure::unsupported(
                "groups of several shards under another encoding than the server's",
                "SET client_encoding to the server's.",
            ))));
        }
        // They go with a transaction, and this statement is none of it, or goes on in it.
        let portals = std::mem::take(&mut self.portals);
        let mut legs = self.call_legs(&finished.shards).await?;
        let in_transaction = self.state.journal.is_open();
        // The finishing one comes last.
        legs.sort_by_key(|leg| leg.held.shard == finished.finisher);
        let done = self.group_steps(finished, asked, &mut legs).await;
        self.dismiss(legs, done.is_err()).await;
        if self.held.is_some() == in_transaction {
            self.portals = portals;
        }
        done
    }

    async fn group_steps(
        &mut self,
        finished: &Finished,
        asked: &Asked<'_>,
        legs: &mut Vec<Leg>,
    ) -> Result<Result<(), Box<Failure>>, Stop> {
        let since = Instant::now();
        let Some(finisher) = legs.len().checked_sub(1) else { return Ok(Ok(())) };
        let shape = self.describe_asked(asked, &mut legs[finisher..], since).await?;
        for leg in legs.iter_mut() {
            ask(leg, &finished.asked.text, asked.bind, &shape)?;
        }
        let mut grouped = Grouped {
            merged: Merged::new(&finished.steps, false, self.db.limits.merge_memory),
            columns: finished.columns,
            carried: Vec::new(),
            rows: BytesMut::new(),
        };
        let ours = Text::Ours(&Edited::default());
        if let Some(unfit) = self.try_step(legs, &mut grouped, since, ours).await? {
            return Ok(Err(unfit));
        }
        let pile = grouped.pile()?;
        if !self.state.journal.is_open() {
            let last = legs.split_off(finisher);
            let others = std::mem::replace(legs, last);
            self.dismiss(others, false).await;
            let tokens = legs.iter().map(|leg| leg.held.backend.cancel_token());
            self.cancel.attach_all(tokens.collect());
        }
        self.finish_over(legs, &pile, (&finished.text, &shape), (asked, since, false)).await?;
        Ok(Ok(()))
    }
}

/// Puts the question for a shard's groups into what is to be sent.
fn ask(leg: &mut Leg, text: &[u8], bind: Option<&[u8]>, shape: &Shape) -> Result<(), Stop> {
    let bind = bind.map(Bind::read).transpose()?;
    leg.again(1);
    let held = &mut leg.held;
    let out = &mut held.backend.output;
    frontend::parse(out, b"", text, &shape.parameters)?;
    write::frame(out, frontend::tag::BIND, |b| {
        write::cstr(b, b"");
        write::cstr(b, b"");
        put_parameters(b, bind.as_ref(), shape.parameters.len(), 0);
        b.put_u16(1);
        b.put_u16(Format::Binary as u16);
    });
    frontend::describe(out, Named::Portal(b""));
    frontend::execute(out, b"", 0);
    // It is nobody's.
    held.backend.unnamed = None;
    for (request, shown) in [
        (Request::Parse, false),
        (Request::Bind, false),
        (Request::DescribePortal, true),
        (Request::Execute, true),
    ] {
        held.replies.push(request, shown, Note::default());
    }
    held.sync(false, Purpose::Undo);
    Ok(())
}
