//! The client's text over the pulled rows: its answer is the client's.

use bytes::{BufMut, BytesMut};

use super::pull::{Arrays, put_parameters};
use super::shape::Shape;
use crate::config::rules::TableName;
use crate::proxy::copy::Counted;
use crate::proxy::cursor::Opened;
use crate::proxy::failure::Failure;
use crate::proxy::replies::Request;
use crate::proxy::scatter::{Answer, Giving, Leg, Took, Why, concatenate};
use crate::proxy::session::Stop;
use crate::proxy::state::{ClientState, Note, Purpose};
use crate::wire::backend::{self, ErrorFields, Field, RowDescription, TransactionStatus};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::{self, Bind, Format, Target as Named};
use crate::wire::write;

/// The answer on its way to the client.
pub struct Finish<'a> {
    shape: &'a Shape,
    giving: Giving<'a>,
    /// Names and modifiers of types are those of the client's own text only.
    unmodified: bool,
    begun: bool,
    left: u64,
    given: u64,
}

impl<'a> Finish<'a> {
    /// `shape` is that of the client's own text.
    /// `unmodified`: rows have lost the modifiers of their types, under which they were made.
    pub fn new(shape: &'a Shape, giving: Giving<'a>, unmodified: bool) -> Finish<'a> {
        Finish { shape, giving, unmodified, begun: false, left: u64::MAX, given: 0 }
    }

    /// Puts the text and the rows into what is to be sent. `form`: that of all columns, where it isn't
    /// the client's to say. `ends`: and the end of the transaction in
    /// which rows were pulled there.
    ///
    /// # Errors
    /// A message can't be written.
    pub fn ask(
        &self,
        leg: &mut Leg,
        text: &[u8],
        (piles, bind, form): (&dyn Arrays, Option<&[u8]>, Option<Format>),
        ends: bool,
    ) -> Result<(), Stop> {
        let bind = bind.map(Bind::read).transpose()?;
        leg.again(1);
        let held = &mut leg.held;
        let own = &self.shape.parameters;
        let arrays = piles.types();
        let types: Vec<u32> = own.iter().chain(&arrays).copied().collect();
        let out = &mut held.backend.output;
        frontend::parse(out, b"", text, &types)?;
        let portal = self.giving.opens.map_or(&b""[..], |opening| opening.portal.as_bytes());
        write::frame(out, frontend::tag::BIND, |b| {
            write::cstr(b, portal);
            write::cstr(b, b"");
            put_parameters(b, bind.as_ref(), own.len(), arrays.len());
            piles.write(b);
            if let Some(form) = form {
                b.put_u16(1);
                b.put_u16(form as u16);
                return;
            }
            let own = bind.map(|bind| bind.result_formats).unwrap_or_default();
            let own: Vec<Format> = (0..own.len()).map(|at| own.of(at)).collect();
            let formats = self.giving.opens.map_or(&own, |opening| &opening.formats);
            b.put_u16(formats.len() as u16);
            formats.iter().for_each(|format| b.put_u16(*format as u16));
        });
        frontend::describe(out, Named::Portal(portal));
        let executes = self.giving.opens.is_none();
        if executes {
            frontend::execute(out, portal, 0);
        }
        // It is nobody's.
        held.backend.unnamed = None;
        for request in [Request::Parse, Request::Bind] {
            held.replies.push(request, false, Note::default());
        }
        held.replies.push(Request::DescribePortal, true, Note::default());
        if executes {
            held.replies.push(Request::Execute, true, Note::default());
        }
        held.sync(false, Purpose::Undo);
        if ends && held.backend.status() != TransactionStatus::Idle {
            held.query(b"COMMIT", false, crate::proxy::held::purpose(Purpose::Undo));
        }
        Ok(())
    }
}

impl Counted for Finish<'_> {
    fn has_begun(&self) -> bool {
        self.begun
    }

    fn given(&self) -> u64 {
        self.given
    }
}

impl Answer for Finish<'_> {
    /// Its rows must look as those of the client's own text do, which is what the client is told.
    fn described(
        &mut self,
        at: usize,
        legs: &[Leg],
        _state: &ClientState,
        out: &mut BytesMut,
    ) -> Result<(), Why> {
        let body = legs[at].description.as_deref().unwrap_or_default();
        let here = RowDescription::read(body).map_err(Failure::from)?;
        let told = RowDescription::read(&self.shape.rows).map_err(Failure::from)?;
        let alike = |a: &Field<'_>, b: &Field<'_>| {
            let named = a.name == b.name && a.type_mod == b.type_mod;
            a.type_oid == b.type_oid && (named || self.unmodified)
        };
        let same =
            told.len() == here.len() && told.iter().zip(here.iter()).all(|(a, b)| alike(&a, &b));
        if !same {
            return Err(Why::Unfit(Box::new(Failure::unsupported(
                "a result with whole rows of a sharded table, gathered from several shards",
                "Name their columns.",
            ))));
        }
        let fields: Vec<Field<'_>> = told
            .iter()
            .zip(here.iter())
            .map(|(told, here)| Field { format: here.format, ..told })
            .collect();
        if self.giving.shown {
            backend::row_description(out, &fields);
        }
        if let Some(opening) = self.giving.opens {
            let mut description = BytesMut::new();
            backend::row_description(&mut description, &fields);
            let description = description.split_off(HEADER_LEN);
            let opened = Opened { shard: legs[at].held.shard, description };
            // There is one finishing server, which describes them once.
            let _ = opening.opened.set(opened);
        }
        self.begun = true;
        Ok(())
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        out: &mut BytesMut,
        room: usize,
    ) -> Result<Took, Box<Failure>> {
        if !self.begun {
            return Ok(Took::Nothing);
        }
        concatenate(legs, out, room, (&mut 0, &mut self.left, &mut self.given, u64::MAX))
    }
}

/// What the client is told where its text can be read over tables, and not over rows.
pub fn not_the_same(fields: &ErrorFields<'_>) -> Failure {
    let why = String::from_utf8_lossy(fields.message()).into_owned();
    Failure::unsupported(
        "a statement that needs more of its tables than their rows, over several shards",
        "Give tables aliases and name columns by them, group by all columns that are named.",
    )
    .with_detail(format!("Over the rows of several shards the server says: {why}."))
}

/// What the client is told where it may not read a table that one of these views may.
pub fn not_the_owner(fields: &ErrorFields<'_>, views: &[TableName]) -> Option<Failure> {
    let view = views.first().filter(|_| fields.sqlstate() == b"42501")?;
    let why = String::from_utf8_lossy(fields.message()).into_owned();
    let message =
        format!("the rows that view {view} is made of can't be gathered with your rights");
    Some(
        Failure::unsupported(
            message,
            "GRANT SELECT on the tables that it reads, or give conditions by which one shard has \
             all that is needed.",
        )
        .with_detail(format!("One of several shards says: {why}.")),
    )
}
