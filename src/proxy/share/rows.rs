//! Texts of ours that shards run with the client's parameters and more, and their rows: kept, or the
//! client's.

use bytes::{BufMut, BytesMut};

use crate::proxy::failure::Failure;
use crate::proxy::gather::pull::{Arrays, put_parameters};
use crate::proxy::replies::Request;
use crate::proxy::scatter::leg::{Leg, Stage};
use crate::proxy::scatter::merge::Took;
use crate::proxy::scatter::run::{Answer, Why};
use crate::proxy::scatter::shape;
use crate::proxy::session::Stop;
use crate::proxy::state::{ClientState, Note, Purpose};
use crate::wire::backend::{self, RowDescription};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::{self, Bind, Format, Target as Named};
use crate::wire::write;

/// The type of the places of rows, and of arrays of them.
const TID: u32 = 27;
const TIDS: u32 = 1010;

/// What becomes of the rows of one part of what a leg answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Kept,
    /// The client's.
    Given,
}

/// A text that a leg is to run.
pub struct Task<'a> {
    pub text: &'a [u8],
    /// Types of the client's parameters, and the body of its Bind.
    pub own: (&'a [u32], Option<&'a [u8]>),
    /// More parameters, behind those.
    pub more: &'a dyn Arrays,
    /// Of its results; one is for all of them.
    pub formats: &'a [Format],
}

impl Task<'_> {
    /// Puts it into what is to be sent. A Sync must follow.
    ///
    /// # Errors
    /// A message can't be written.
    pub fn ask(&self, leg: &mut Leg) -> Result<(), Stop> {
        let bind = self.own.1.map(Bind::read).transpose()?;
        let more = self.more.types();
        let types: Vec<u32> = self.own.0.iter().chain(&more).copied().collect();
        let held = &mut leg.held;
        let out = &mut held.backend.output;
        frontend::parse(out, b"", self.text, &types)?;
        write::frame(out, frontend::tag::BIND, |b| {
            write::cstr(b, b"");
            write::cstr(b, b"");
            put_parameters(b, bind.as_ref(), self.own.0.len(), more.len());
            self.more.write(b);
            b.put_u16(self.formats.len() as u16);
            self.formats.iter().for_each(|format| b.put_u16(*format as u16));
        });
        frontend::describe(out, Named::Portal(b""));
        frontend::execute(out, b"", 0);
        // It is nobody's.
        held.backend.unnamed = None;
        for request in [Request::Parse, Request::Bind] {
            held.replies.push(request, false, Note::default());
        }
        for request in [Request::DescribePortal, Request::Execute] {
            held.replies.push(request, true, Note::default());
        }
        Ok(())
    }
}

/// Has a leg say what a text's rows look like, with parameters of these types.
///
/// # Errors
/// A message can't be written.
pub fn ask_shape(leg: &mut Leg, text: &[u8], types: &[u32]) -> Result<(), Stop> {
    leg.begin_anew();
    let held = &mut leg.held;
    frontend::parse(&mut held.backend.output, b"", text, types)?;
    frontend::describe(&mut held.backend.output, Named::Prepared(b""));
    held.backend.unnamed = None;
    held.replies.push(Request::Parse, false, Note::default());
    held.replies.push(Request::DescribeStatement, true, Note::default());
    held.sync(false, Purpose::Undo);
    Ok(())
}

/// No parameters but the client's.
pub struct NoMore;

impl Arrays for NoMore {
    fn types(&self) -> Vec<u32> {
        Vec::new()
    }

    fn write(&self, _out: &mut BytesMut) {}
}

/// Places of rows, each as a server tells it in binary.
#[derive(Debug, Default)]
pub struct Places {
    values: BytesMut,
    pub count: usize,
}

impl Places {
    pub fn push(&mut self, place: &[u8]) {
        write::value(&mut self.values, Some(place));
        self.count += 1;
    }

    pub fn bytes(&self) -> usize {
        self.values.len()
    }
}

impl Arrays for Places {
    fn types(&self) -> Vec<u32> {
        vec![TIDS]
    }

    fn write(&self, out: &mut BytesMut) {
        let dimensions = usize::from(self.count > 0);
        out.put_u32((12 + 8 * dimensions + self.values.len()) as u32);
        out.put_u32(dimensions as u32);
        out.put_u32(0);
        out.put_u32(TID);
        if dimensions > 0 {
            out.put_u32(self.count as u32);
            out.put_u32(1);
        }
        out.put_slice(&self.values);
    }
}

/// Rows of several legs, each of which answers several parts.
pub struct Rows<'a> {
    /// By leg and part.
    uses: &'a [Vec<Use>],
    /// What the client knows of rows that are its own: their description, by the shard's name.
    told: &'a mut Told,
    /// The bodies of rows that are kept, by leg.
    pub kept: Vec<Vec<BytesMut>>,
    /// The body of a description of rows that are kept.
    pub description: Option<BytesMut>,
    /// The last number in each tag, by leg and part.
    pub counts: Vec<Vec<u64>>,
    bytes: usize,
    most: usize,
}

/// Whether the client has heard what rows look like.
#[derive(Debug)]
pub struct Told {
    /// It wants to.
    pub shown: bool,
    first: Option<(Box<str>, BytesMut)>,
}

impl Told {
    pub fn new(shown: bool) -> Told {
        Told { shown, first: None }
    }
}

impl<'a> Rows<'a> {
    /// `most`: so many bytes may be kept, beside `bytes` that are.
    pub fn new(
        uses: &'a [Vec<Use>],
        told: &'a mut Told,
        (bytes, most): (usize, usize),
    ) -> Rows<'a> {
        let kept = uses.iter().map(|_| Vec::new()).collect();
        let counts = uses.iter().map(|_| Vec::new()).collect();
        Rows { uses, told, kept, description: None, counts, bytes, most }
    }

    fn of(&self, at: usize, leg: &Leg) -> Use {
        self.uses.get(at).and_then(|uses| uses.get(leg.part)).copied().unwrap_or(Use::Kept)
    }

    fn keep(&mut self, at: usize, leg: &mut Leg) -> Result<Took, Box<Failure>> {
        let mut took = Took::Nothing;
        while let Some(len) = leg.row().map_err(Failure::from)? {
            let mut row = leg.held.backend.input.split_to(len);
            let row = row.split_off(HEADER_LEN);
            self.bytes += row.len() + size_of::<BytesMut>();
            if self.bytes > self.most {
                return Err(Box::new(over(self.most)));
            }
            if let Some(kept) = self.kept.get_mut(at) {
                // What was read is a part of a larger piece.
                kept.push(BytesMut::from(&row[..]));
            }
            took = Took::Rows;
        }
        Ok(took)
    }
}

/// Rows that are kept take too much.
pub(super) fn over(most: usize) -> Failure {
    Failure::new("53200", format!("rows that go from shard to shard take more than {most} bytes"))
        .with_hint("Change fewer rows at once, or raise limits.merge_memory. Nothing was changed.")
}

impl Answer for Rows<'_> {
    fn described(
        &mut self,
        at: usize,
        legs: &[Leg],
        _state: &ClientState,
        out: &mut BytesMut,
    ) -> Result<(), Why> {
        let Some(leg) = legs.get(at) else { return Ok(()) };
        let body = leg.description.as_deref().unwrap_or_default();
        if self.of(at, leg) == Use::Kept {
            self.description = Some(BytesMut::from(body));
            return Ok(());
        }
        let own = RowDescription::read(body).map_err(Failure::from)?;
        match &self.told.first {
            Some((name, first)) => {
                let first = RowDescription::read(first).map_err(Failure::from)?;
                shape::compare((&**name, first), (&*leg.name, own))?;
            }
            None => {
                if self.told.shown {
                    shape::describe(out, own, 0);
                }
                self.told.first = Some((leg.name.clone(), BytesMut::from(body)));
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        out: &mut BytesMut,
        room: usize,
    ) -> Result<Took, Box<Failure>> {
        let mut took = Took::Nothing;
        for (at, leg) in legs.iter_mut().enumerate().filter(|(_, leg)| leg.stage == Stage::Rows) {
            let taken = match self.of(at, leg) {
                Use::Kept => self.keep(at, leg)?,
                Use::Given => {
                    let free = room.saturating_sub(out.len());
                    let (count, bytes) = leg.rows(u64::MAX, free).map_err(Failure::from)?;
                    out.extend_from_slice(&leg.held.backend.input.split_to(bytes));
                    if count > 0 { Took::Rows } else { Took::Nothing }
                }
            };
            if matches!(taken, Took::Rows) {
                took = Took::Rows;
            }
        }
        Ok(took)
    }

    fn may_have_no_rows(&self) -> bool {
        true
    }

    fn completed(&mut self, at: usize, said: &[u8]) {
        let number = said.rsplit(|b| *b == b' ').next().unwrap_or_default();
        let number = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok());
        if let Some(counts) = self.counts.get_mut(at) {
            counts.push(number.unwrap_or(0));
        }
    }
}

/// The body of a row of a value of no meaning, a boolean, and others.
pub fn row_of(values: &[Option<&[u8]>]) -> BytesMut {
    let mut row = BytesMut::new();
    row.put_u16(values.len() as u16 + 1);
    write::value(&mut row, Some(&[1]));
    values.iter().for_each(|value| write::value(&mut row, *value));
    row
}

/// The values of a row that was kept.
///
/// # Errors
/// It isn't one.
pub fn values(row: &[u8]) -> Result<Vec<Option<&[u8]>>, Failure> {
    Ok(backend::read_data_row(row)?.iter().collect())
}
