//! What each shard is asked.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::proxy::replies::Request;
use crate::proxy::scatter::leg::Leg;
use crate::proxy::session::Stop;
use crate::proxy::state::{Note, Purpose};
use crate::proxy::statements::{Registry, Statement};
use crate::routing::{Share, Shares};
use crate::wire::ProtocolError;
use crate::wire::frontend::{self, Bind, Format, Target as Named, tag};
use crate::wire::write;

/// The client's statement.
pub enum Question<'a> {
    Text(&'a [u8]),
    /// What is prepared, with its values.
    Bound {
        statement: &'a Arc<Statement>,
        /// The Bind's body.
        bind: &'a Bytes,
        /// Of the statement without a name.
        unnamed: bool,
    },
}

impl Question<'_> {
    /// Puts the share of it into what is to be sent.
    pub(super) fn ask(
        &self,
        leg: &mut Leg,
        share: &Share,
        shares: &Shares,
        registry: &Registry,
    ) -> Result<(), Stop> {
        let held = &mut leg.held;
        let (statement, bind, unnamed) = match self {
            Question::Text(text) => {
                let text = share.text.as_ref().map_or(*text, |edited| &edited.text);
                held.query(text, true, Note::default());
                return Ok(());
            }
            Question::Bound { statement, bind, unnamed } => (*statement, *bind, *unnamed),
        };
        let bind = Bind::read(bind)?;
        match &share.text {
            None => {
                let name = held.have(statement, unnamed)?;
                bind.write_as(&mut held.backend.output, b"", &name);
            }
            Some(edited) => {
                // Another one each time: without a name there is nothing to be kept of it.
                let own = statement.share(&edited.text, &share.parameters, registry);
                let name = held.have(&own, true)?;
                let hidden = shares.led.as_ref().map_or(0, |led| led.columns);
                let parameters = (&*share.parameters, hidden);
                bind_some(&mut held.backend.output, &bind, &name, parameters)?;
            }
        }
        let out = &mut held.backend.output;
        frontend::describe(out, Named::Portal(b""));
        frontend::execute(out, b"", 0);
        for request in [Request::Bind, Request::DescribePortal, Request::Execute] {
            held.replies.push(request, true, Note::default());
        }
        held.sync(true, Purpose::Client);
        Ok(())
    }
}

/// Has a shard that follows insert the rows that the first one made, with one Bind each.
pub(super) fn insert_rows(
    leg: &mut Leg,
    insert: &Arc<Statement>,
    rows: &[BytesMut],
    formats: &[Format],
) -> Result<(), Stop> {
    let held = &mut leg.held;
    let name = held.have(insert, true)?;
    let count = formats.len() as u16;
    for row in rows {
        let out = &mut held.backend.output;
        write::frame(out, tag::BIND, |b| {
            write::cstr(b, b"");
            write::cstr(b, &name);
            b.put_u16(count);
            formats.iter().for_each(|format| b.put_u16(*format as u16));
            b.put_u16(count);
            b.put_slice(row);
            b.put_u16(0);
        });
        frontend::execute(out, b"", 0);
        for request in [Request::Bind, Request::Execute] {
            held.replies.push(request, true, Note::default());
        }
    }
    leg.parts = rows.len();
    leg.held.sync(true, Purpose::Client);
    Ok(())
}

/// Appends the client's Bind for the unnamed portal, with some of its values in another order:
/// `parameters` are their numbers, from 1. `hidden` columns at the end come as texts where each
/// output has its own format.
fn bind_some(
    out: &mut BytesMut,
    bind: &Bind<'_>,
    statement: &[u8],
    (parameters, hidden): (&[u16], usize),
) -> Result<(), ProtocolError> {
    let count = u16::try_from(parameters.len())
        .map_err(|_| ProtocolError::message("too many parameters in a Bind"))?;
    let formats = bind.result_formats;
    let hidden = if formats.len() > 1 { hidden } else { 0 };
    let result_formats = u16::try_from(formats.len() + hidden)
        .map_err(|_| ProtocolError::message("too many result formats in a Bind"))?;
    // By number from 0, with their formats, since they are in no order.
    let all: Vec<Option<&[u8]>> = bind.values.iter().collect();
    let place = |number: &u16| usize::from(*number).saturating_sub(1);
    // A value that isn't there: too few were given, and the server says so of fewer.
    let given: Vec<usize> = parameters.iter().map(place).take_while(|at| *at < all.len()).collect();
    let given_count = if given.len() == parameters.len() { count } else { given.len() as u16 };
    write::frame(out, tag::BIND, |b| {
        write::cstr(b, b"");
        write::cstr(b, statement);
        b.put_u16(given_count);
        given.iter().for_each(|at| b.put_u16(bind.parameter_formats.of(*at) as u16));
        b.put_u16(given_count);
        given.iter().for_each(|at| write::value(b, all.get(*at).copied().flatten()));
        b.put_u16(result_formats);
        (0..formats.len()).for_each(|at| b.put_u16(formats.of(at) as u16));
        (0..hidden).for_each(|_| b.put_u16(Format::Text as u16));
    });
    Ok(())
}
