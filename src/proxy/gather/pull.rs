//! The rows that are pulled: each column is piled up as the array that it will be bound as.

use bytes::{Buf, BufMut, BytesMut};

use super::SNAPSHOT;
use super::shape::Shape;
use crate::proxy::arrays::ArrayOf;
use crate::proxy::failure::Failure;
use crate::proxy::held::purpose;
use crate::proxy::replies::Request;
use crate::proxy::scatter::{Answer, Leg, Stage, Took, Why};
use crate::proxy::session::Stop;
use crate::proxy::state::{ClientState, Note, Purpose};
use crate::routing::{Carried, Pull};
use crate::wire::backend::{self, RowDescription};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::{self, Bind, Format, Target as Named};
use crate::wire::write;

/// `FirstNormalObjectId`: what users make has OIDs from here on, each server its own.
const FIRST_OF_USERS: u32 = 16384;

/// All rows that are pulled.
pub struct Piles<'g> {
    pulls: &'g [Pull],
    /// Which pulls each leg answers, in order.
    plan: Vec<Vec<usize>>,
    /// One a pull.
    piles: Vec<Pile>,
    bytes: usize,
    /// `limits.gather_memory`
    most: usize,
}

/// What a server gets for rows: arrays, behind the client's own parameters.
pub trait Arrays: Sync {
    /// Their types.
    fn types(&self) -> Vec<u32>;

    /// Appends them, each as a value of a Bind.
    fn write(&self, out: &mut BytesMut);

    /// Their types have no modifiers where those of the client's columns may.
    fn are_unmodified(&self) -> bool {
        false
    }
}

/// The rows of one pull.
pub struct Pile {
    rows: u32,
    bytes: usize,
    columns: Vec<Column>,
}

/// The values of one column.
struct Column {
    carried: Carried,
    values: ArrayOf,
}

impl<'g> Piles<'g> {
    /// For legs in this order.
    pub fn new(pulls: &'g [Pull], legs: &[Leg], most: usize) -> Piles<'g> {
        let of_leg = |leg: &Leg| {
            let pulls = pulls.iter().enumerate();
            pulls.filter(|(_, p)| p.shards.contains(&leg.held.shard)).map(|(at, _)| at).collect()
        };
        let pile = |pull: &Pull| Pile::new(pull.columns.iter().map(|column| column.carried));
        Piles {
            pulls,
            plan: legs.iter().map(of_leg).collect(),
            piles: pulls.iter().map(pile).collect(),
            bytes: 0,
            most,
        }
    }

    /// How many pulls a leg answers.
    pub fn of_leg(&self, at: usize) -> usize {
        self.plan.get(at).map_or(0, Vec::len)
    }

    /// Puts the questions into what is to be sent. A leg with several, where there is no transaction,
    /// answers them in one. `in_transaction`: there is, though its server may be told of it only now.
    ///
    /// # Errors
    /// A message can't be written.
    pub fn ask(
        &self,
        legs: &mut [Leg],
        (bind, shape): (Option<&[u8]>, &Shape),
        in_transaction: bool,
    ) -> Result<(), Stop> {
        let bind = bind.map(Bind::read).transpose()?;
        for (leg, pulls) in legs.iter_mut().zip(&self.plan) {
            let idle = leg.held.backend.status() == backend::TransactionStatus::Idle;
            let alone = idle && !in_transaction;
            let begins = alone && pulls.len() > 1;
            if begins {
                leg.held.query(SNAPSHOT, false, purpose(Purpose::Undo));
            }
            leg.again(pulls.len());
            for pull in pulls {
                ask_pull(leg, &self.pulls[*pull], bind.as_ref(), shape)?;
            }
            leg.held.sync(false, Purpose::Undo);
            if begins {
                leg.held.query(b"COMMIT", false, purpose(Purpose::Undo));
            }
        }
        Ok(())
    }

    /// Whether there were too many rows.
    pub fn is_full(&self) -> bool {
        self.bytes > self.most
    }
}

/// What is said where there are more rows than `most` bytes, of which so many are of a pull's.
fn full(pull: &Pull, bytes: usize, most: usize) -> Box<Failure> {
    let table = &pull.table;
    let message = format!("the rows to gather take more than {most} bytes");
    Box::new(
        Failure::new("53200", message)
            .with_detail(format!("Of {table} alone there were {bytes} bytes so far."))
            .with_hint(format!(
                "Have conditions on columns of {table} in WHERE, name fewer of its columns, send it \
                 outside of a transaction block, or raise limits.gather_memory."
            )),
    )
}

/// Puts the question for one table's rows into what is to be sent.
fn ask_pull(
    leg: &mut Leg,
    pull: &Pull,
    bind: Option<&Bind<'_>>,
    shape: &Shape,
) -> Result<(), Stop> {
    let held = &mut leg.held;
    let out = &mut held.backend.output;
    bind_pull(out, pull, b"", (bind, shape))?;
    frontend::describe(out, Named::Portal(b""));
    frontend::execute(out, b"", 0);
    // It is nobody's.
    held.backend.unnamed = None;
    held.replies.push(Request::Parse, false, Note::default());
    held.replies.push(Request::Bind, false, Note::default());
    held.replies.push(Request::DescribePortal, true, Note::default());
    held.replies.push(Request::Execute, true, Note::default());
    Ok(())
}

/// Parses the text of a pull, and binds a portal of this name to it.
fn bind_pull(
    out: &mut BytesMut,
    pull: &Pull,
    portal: &[u8],
    (bind, shape): (Option<&Bind<'_>>, &Shape),
) -> Result<(), Stop> {
    frontend::parse(out, b"", &pull.text.text, &shape.parameters)?;
    let formats: Vec<Format> = pull.columns.iter().map(|c| format_of(c.carried)).collect();
    write::frame(out, frontend::tag::BIND, |b| {
        write::cstr(b, portal);
        write::cstr(b, b"");
        put_parameters(b, bind, shape.parameters.len(), 0);
        b.put_u16(formats.len() as u16);
        formats.iter().for_each(|format| b.put_u16(*format as u16));
    });
    Ok(())
}

/// Appends the formats of parameters, their number and the client's values, in front of `more` in
/// binary.
pub fn put_parameters(out: &mut BytesMut, bind: Option<&Bind<'_>>, own: usize, more: usize) {
    let all = (own + more) as u16;
    out.put_u16(all);
    let format = |at| bind.map_or(Format::Text, |bind| bind.parameter_formats.of(at));
    (0..own).for_each(|at| out.put_u16(format(at) as u16));
    (0..more).for_each(|_| out.put_u16(Format::Binary as u16));
    out.put_u16(all);
    for value in bind.iter().flat_map(|bind| bind.values.iter()) {
        write::value(out, value);
    }
}

fn format_of(carried: Carried) -> Format {
    if carried.is_binary() { Format::Binary } else { Format::Text }
}

impl Answer for Piles<'_> {
    /// A shard's columns must be what routing has taken them for.
    fn described(
        &mut self,
        at: usize,
        legs: &[Leg],
        _state: &ClientState,
        _out: &mut BytesMut,
    ) -> Result<(), Why> {
        let leg = &legs[at];
        let Some(pull) = self.plan[at].get(leg.part).map(|pull| &self.pulls[*pull]) else {
            return Err(Failure::new("XX000", "a shard answers what it wasn't asked").into());
        };
        check_types(leg, pull)
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        _out: &mut BytesMut,
        _room: usize,
    ) -> Result<Took, Box<Failure>> {
        let mut took = Took::Nothing;
        for (at, leg) in legs.iter_mut().enumerate().filter(|(_, l)| l.stage == Stage::Rows) {
            let Some(pull) = self.plan[at].get(leg.part).copied() else { continue };
            let pile = &mut self.piles[pull];
            let before = pile.bytes;
            while let Some(len) = leg.row().map_err(Failure::from)? {
                let input = &mut leg.held.backend.input;
                pile.push(&input[HEADER_LEN..len])?;
                input.advance(len);
                took = Took::Rows;
            }
            self.bytes += pile.bytes - before;
            if self.bytes > self.most {
                return Err(full(&self.pulls[pull], self.piles[pull].bytes, self.most));
            }
        }
        Ok(took)
    }
}

/// A shard's columns must be what routing has taken them for.
fn check_types(leg: &Leg, pull: &Pull) -> Result<(), Why> {
    let body = leg.description.as_deref().unwrap_or_default();
    let description = RowDescription::read(body).map_err(Failure::from)?;
    for (field, column) in description.iter().zip(&pull.columns) {
        // A domain is told as what it is made of.
        let of_users = field.type_oid >= FIRST_OF_USERS && column.type_oid >= FIRST_OF_USERS;
        if field.type_oid != column.type_oid && !of_users {
            return Err(Failure::unsupported(
                format!(
                    "column {} of {} has another type on shard {} than on the home shard",
                    column.name, pull.table, leg.name
                ),
                "Have the same schema on all shards: `pgherd check` says what differs.",
            )
            .into());
        }
    }
    Ok(())
}

impl Arrays for Piles<'_> {
    fn types(&self) -> Vec<u32> {
        self.piles.iter().flat_map(Pile::types).collect()
    }

    fn write(&self, out: &mut BytesMut) {
        self.piles.iter().for_each(|pile| pile.write(out));
    }
}

impl Arrays for Pile {
    fn types(&self) -> Vec<u32> {
        self.columns.iter().map(|column| column.carried.bound().1).collect()
    }

    fn write(&self, out: &mut BytesMut) {
        self.columns.iter().for_each(|column| column.values.write(self.rows, out));
    }

    fn are_unmodified(&self) -> bool {
        true
    }
}

/// A portion of the rows of one pull, from each of some shards.
pub struct Portions<'g> {
    pull: &'g Pull,
    /// The name of the portals by which they come.
    portal: String,
    pile: Pile,
    /// Which legs have no more.
    ended: Vec<bool>,
    /// `limits.gather_memory`
    most: usize,
}

impl<'g> Portions<'g> {
    /// Of the pull of this number, from so many legs.
    pub fn new((pull, number): (&'g Pull, usize), legs: usize, most: usize) -> Portions<'g> {
        let portal = format!("pgherd_rows_{number}");
        let pile = Pile::new(pull.columns.iter().map(|column| column.carried));
        Portions { pull, portal, pile, ended: vec![false; legs], most }
    }

    /// Asks a leg for so many rows; `begins`: the first of them, with the client's values.
    ///
    /// # Errors
    /// A message can't be written.
    pub fn ask(
        &self,
        leg: &mut Leg,
        begins: Option<(Option<&[u8]>, &Shape)>,
        rows: usize,
    ) -> Result<(), Stop> {
        leg.again(1);
        let held = &mut leg.held;
        if let Some((bind, shape)) = begins {
            let bind = bind.map(Bind::read).transpose()?;
            let out = &mut held.backend.output;
            bind_pull(out, self.pull, self.portal.as_bytes(), (bind.as_ref(), shape))?;
            // It is nobody's.
            held.backend.unnamed = None;
            held.replies.push(Request::Parse, false, Note::default());
            held.replies.push(Request::Bind, false, Note::default());
        }
        let out = &mut held.backend.output;
        frontend::describe(out, Named::Portal(self.portal.as_bytes()));
        frontend::execute(out, self.portal.as_bytes(), i32::try_from(rows).unwrap_or(i32::MAX));
        held.replies.push(Request::DescribePortal, true, Note::default());
        held.replies.push(Request::Execute, true, Note::default());
        held.sync(false, Purpose::Undo);
        Ok(())
    }

    /// The rows, and which legs have no more.
    pub fn end(self) -> (Pile, Vec<bool>) {
        (self.pile, self.ended)
    }
}

impl Answer for Portions<'_> {
    fn described(
        &mut self,
        at: usize,
        legs: &[Leg],
        _state: &ClientState,
        _out: &mut BytesMut,
    ) -> Result<(), Why> {
        check_types(&legs[at], self.pull)
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        _out: &mut BytesMut,
        _room: usize,
    ) -> Result<Took, Box<Failure>> {
        let mut took = Took::Nothing;
        for leg in legs.iter_mut().filter(|leg| leg.stage == Stage::Rows) {
            while let Some(len) = leg.row().map_err(Failure::from)? {
                let input = &mut leg.held.backend.input;
                self.pile.push(&input[HEADER_LEN..len])?;
                input.advance(len);
                took = Took::Rows;
            }
        }
        match self.pile.bytes > self.most {
            true => Err(full(self.pull, self.pile.bytes, self.most)),
            false => Ok(took),
        }
    }

    fn completed(&mut self, at: usize, _tag: &[u8]) {
        if let Some(ended) = self.ended.get_mut(at) {
            *ended = true;
        }
    }
}

impl Pile {
    /// Bytes of its rows as they were sent.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// About how many rows like these have so many bytes.
    pub fn rows_for(&self, bytes: usize) -> usize {
        bytes / (self.bytes / self.rows.max(1) as usize).max(16)
    }

    /// Of columns that travel so.
    pub fn new(columns: impl IntoIterator<Item = Carried>) -> Pile {
        Pile { rows: 0, bytes: 0, columns: columns.into_iter().map(Column::of).collect() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: &[u8]) -> Result<(), Box<Failure>> {
        let values = backend::read_data_row(row).map_err(Failure::from)?;
        if values.len() != self.columns.len() || self.rows == u32::MAX >> 1 {
            return Err(Box::new(Failure::new("XX000", "a row to gather isn't what it must be")));
        }
        for (column, value) in self.columns.iter_mut().zip(values.iter()) {
            column.values.push(value);
        }
        self.rows += 1;
        self.bytes += row.len();
        Ok(())
    }
}

impl Column {
    fn of(carried: Carried) -> Column {
        let (element, _) = carried.bound();
        Column { carried, values: ArrayOf::new(element) }
    }
}
