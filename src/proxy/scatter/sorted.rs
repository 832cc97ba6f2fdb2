//! Rows in an order that only a server knows: texts under a collation that isn't C.
//!
//! Each shard has put its own in that order, and has left out what is beyond the LIMIT. They are kept
//! until all have come; then one of the servers gets the keys alone, as arrays, and says which row
//! comes where.

use bytes::{Buf, BufMut, BytesMut};

use super::leg::{Feed, Leg, Stage};
use super::merge::{Form, Took, column_of, put_row};
use super::run::{Answer, Why};
use crate::proxy::arrays::ArrayOf;
use crate::proxy::copy::Counted;
use crate::proxy::failure::Failure;
use crate::proxy::replies::Request;
use crate::proxy::state::{ClientState, Note, Purpose};
use crate::routing::merge::{Collation, Column, Obstacle, oid};
use crate::routing::{Carried, SortKey, Steps};
use crate::wire::backend::{self, RowDescription};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::{self, Format, Target as Named};
use crate::wire::{ProtocolError, write};

/// The rows of all legs, in any order.
pub struct Pile {
    /// Their frames, one behind the other, and where each begins.
    frames: BytesMut,
    starts: Vec<usize>,
    keys: Vec<Key>,
    /// The question which of them come, and in what order.
    question: String,
    /// Columns of the client's rows, where a shard's have more.
    visible: Option<u16>,
    /// So many bytes may be kept: `limits.merge_memory`.
    most: usize,
}

/// What rows are ordered by.
struct Key {
    index: usize,
    values: ArrayOf,
    /// The type of the array.
    array: u32,
}

impl Pile {
    /// For rows like these, if that is all that keeps them from being merged.
    pub fn of(
        steps: &Steps,
        description: RowDescription<'_>,
        visible: usize,
        form: Form,
    ) -> Option<Pile> {
        if !steps.one_collation || steps.order.is_empty() || steps.groups.is_some() {
            return None;
        }
        let mut keys = Vec::with_capacity(steps.order.len());
        let mut words = Vec::with_capacity(steps.order.len());
        for (at, key) in steps.order.iter().enumerate() {
            let (index, field) = column_of(&key.column, description, visible, "ORDER BY").ok()?;
            let column = Column {
                type_oid: field.type_oid,
                format: field.format,
                collation: Collation::Other,
            };
            let word = match column.obstacle(form.text) {
                None => Some(name_of(field.type_oid)?),
                Some(Obstacle::Collation) if field.type_oid != oid::NAME && !key.bytewise => None,
                Some(_) => return None,
            };
            // Texts are the same in both formats.
            let carried = match (word, field.format) {
                (Some(_), Format::Text) => Carried::in_binary(oid::TEXT)?,
                _ => Carried::in_binary(field.type_oid)?,
            };
            let (element, array) = carried.bound();
            keys.push(Key { index, values: ArrayOf::new(element), array });
            words.push(ordering(at, key, word));
        }
        let (frames, starts) = (BytesMut::new(), Vec::new());
        let question = question(steps, &words);
        let visible = (steps.hidden > 0).then_some(visible as u16);
        Some(Pile { frames, starts, keys, question, visible, most: form.memory })
    }

    /// Takes all rows that are there.
    ///
    /// # Errors
    /// A row isn't what it must be, or there are too many.
    pub fn take<F: Feed>(&mut self, legs: &mut [F]) -> Result<Took, Box<Failure>> {
        let mut took = Took::Nothing;
        for leg in legs.iter_mut() {
            while let Some(len) = leg.next_row().map_err(Failure::from)? {
                let input = leg.unread();
                self.push(&input[..len])?;
                input.advance(len);
                took = Took::Rows;
            }
        }
        Ok(took)
    }

    fn push(&mut self, frame: &[u8]) -> Result<(), Box<Failure>> {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let row = backend::read_data_row(body).map_err(Failure::from)?;
        for key in &mut self.keys {
            let value = row.get(key.index);
            let lost = || Failure::new("XX000", "a row of a shard lacks a column");
            key.values.push(value.ok_or_else(lost)?);
        }
        self.starts.push(self.frames.len());
        self.frames.extend_from_slice(frame);
        if self.frames.len() <= self.most && self.starts.len() < (u32::MAX >> 1) as usize {
            return Ok(());
        }
        let said = format!("the rows to put in order take more than {} bytes", self.most);
        Err(Box::new(Failure::new("53200", said).with_hint(
            "Have conditions in WHERE or a LIMIT, order by … COLLATE \"C\", by which they needn't be \
             kept, or raise limits.merge_memory.",
        )))
    }

    fn ask(&self, leg: &mut Leg) -> Result<(), ProtocolError> {
        leg.again(1);
        let held = &mut leg.held;
        let out = &mut held.backend.output;
        let types: Vec<u32> = self.keys.iter().map(|key| key.array).collect();
        frontend::parse(out, b"", self.question.as_bytes(), &types)?;
        write::frame(out, frontend::tag::BIND, |b| {
            write::cstr(b, b"");
            write::cstr(b, b"");
            b.put_u16(1);
            b.put_u16(Format::Binary as u16);
            b.put_u16(self.keys.len() as u16);
            self.keys.iter().for_each(|key| key.values.write(self.starts.len() as u32, b));
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
}

/// Which rows of `g`, by their numbers, come in what order.
fn question(steps: &Steps, words: &[(String, String)]) -> String {
    let arrays: Vec<String> =
        (1..=words.len()).map(|at| format!("pg_catalog.unnest(${at})")).collect();
    let names: Vec<String> = (1..=words.len()).map(|at| format!("k{at}")).collect();
    let distinct = match steps.distinct {
        Some(keys) => {
            let keys: Vec<&str> = words.iter().take(keys).map(|(key, _)| &**key).collect();
            format!("DISTINCT ON ({}) ", keys.join(", "))
        }
        None => String::new(),
    };
    let order: Vec<String> = words.iter().map(|(key, how)| format!("{key} {how}")).collect();
    // Of equal rows those come first that came first.
    let last = if steps.ties { "" } else { ", g.i" };
    let mut text = format!(
        "SELECT {distinct}g.i FROM ROWS FROM ({}) WITH ORDINALITY AS g({}, i) ORDER BY {}{last}",
        arrays.join(", "),
        names.join(", "),
        order.join(", ")
    );
    if steps.offset > 0 {
        text += &format!(" OFFSET {}", steps.offset);
    }
    if let Some(limit) = steps.limit {
        let ties = if steps.ties { "WITH TIES" } else { "ONLY" };
        text += &format!(" FETCH FIRST {limit} ROWS {ties}");
    }
    text
}

/// What is ordered by, and how; `cast`: to what it is, where it isn't a text.
fn ordering(at: usize, key: &SortKey, cast: Option<&str>) -> (String, String) {
    let cast = cast.map(|name| format!("::pg_catalog.{name}")).unwrap_or_default();
    let direction = if key.descending { "DESC" } else { "ASC" };
    let nulls = if key.nulls_first { "FIRST" } else { "LAST" };
    (format!("g.k{}{cast}", at + 1), format!("{direction} NULLS {nulls}"))
}

/// A type's own name.
fn name_of(type_oid: u32) -> Option<&'static str> {
    Some(match type_oid {
        oid::BOOL => "bool",
        oid::INT2 => "int2",
        oid::INT4 => "int4",
        oid::INT8 => "int8",
        oid::OID => "oid",
        oid::UUID => "uuid",
        oid::BYTEA => "bytea",
        oid::NUMERIC => "numeric",
        oid::FLOAT4 => "float4",
        oid::FLOAT8 => "float8",
        oid::DATE => "date",
        oid::TIME => "time",
        oid::TIMETZ => "timetz",
        oid::TIMESTAMP => "timestamp",
        oid::TIMESTAMPTZ => "timestamptz",
        oid::INTERVAL => "interval",
        _ => return None,
    })
}

/// The rows of a pile, as a server says their numbers.
pub struct Ordered {
    pile: Pile,
    begun: bool,
    given: u64,
}

impl Ordered {
    pub fn new(pile: Pile) -> Ordered {
        Ordered { pile, begun: false, given: 0 }
    }

    /// Puts the question for their order into what is to be sent.
    ///
    /// # Errors
    /// A message can't be written.
    pub fn ask(&self, leg: &mut Leg) -> Result<(), ProtocolError> {
        self.pile.ask(leg)
    }

    fn put(&mut self, row: &[u8], out: &mut BytesMut) -> Result<(), Box<Failure>> {
        let values = backend::read_data_row(row).map_err(Failure::from)?;
        let number = values.get(0).flatten().and_then(|value| value.try_into().ok());
        let at = number.and_then(|bytes| usize::try_from(i64::from_be_bytes(bytes)).ok());
        let at = at.and_then(|at| at.checked_sub(1)).unwrap_or(usize::MAX);
        let Some(start) = self.pile.starts.get(at) else {
            return Err(Box::new(Failure::new("XX000", "a server orders a row that isn't there")));
        };
        let end = self.pile.starts.get(at + 1).copied().unwrap_or(self.pile.frames.len());
        put_row(out, &self.pile.frames[*start..end], self.pile.visible);
        self.given += 1;
        Ok(())
    }
}

impl Counted for Ordered {
    fn has_begun(&self) -> bool {
        self.begun
    }

    fn given(&self) -> u64 {
        self.given
    }
}

impl Answer for Ordered {
    fn described(
        &mut self,
        _at: usize,
        _legs: &[Leg],
        _state: &ClientState,
        _out: &mut BytesMut,
    ) -> Result<(), Why> {
        self.begun = true;
        Ok(())
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        out: &mut BytesMut,
        room: usize,
    ) -> Result<Took, Box<Failure>> {
        let mut took = Took::Nothing;
        for leg in legs.iter_mut().filter(|leg| leg.stage == Stage::Rows) {
            while out.len() < room
                && let Some(len) = leg.row().map_err(Failure::from)?
            {
                let frame = leg.held.backend.input.split_to(len);
                self.put(&frame[HEADER_LEN..], out)?;
                took = Took::Rows;
            }
        }
        Ok(took)
    }
}
