//! GROUP BY: what the shards say of their groups, put together by key.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::wire::backend;
use crate::wire::frontend::Values;

use super::aggregate::Aggregate;
use super::combine::State;
use super::error::{CombineError, Malformed};
use super::order::Order;
use super::value::Value;

/// An aggregate, and where its parts stand in the shards' rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    pub aggregate: Aggregate,
    /// As many as [`Aggregate::parts`], from 0.
    pub columns: Vec<usize>,
}

/// Groups by key, in the order in which they were first seen.
///
/// Keys that Postgres calls equal are one group, also where they look different (1.0 and 1.00,
/// 0 and -0). Such a group shows the key of its first row here, that is of the earliest shard
/// which was pushed; one server shows whichever it read first and promises none.
///
/// Held in memory up to a bound. Where the shards sort by the keys, [`SortedGroups`] does
/// without.
#[derive(Debug)]
pub struct Groups {
    keys: Order,
    wants: Vec<Want>,
    at: HashMap<Box<[u8]>, usize, RandomState>,
    groups: Vec<Held>,
    /// Bytes that the groups take, about.
    bytes: usize,
    limit: usize,
    /// Scratch.
    key: Vec<u8>,
}

#[derive(Debug)]
struct Held {
    row: Box<[u8]>,
    states: Vec<State>,
}

/// What a group takes beside its key, its row and its states: a place in the table, itself, and
/// what the allocator adds to three pieces.
const GROUP: usize = 2 * size_of::<(Box<[u8]>, usize)>() + size_of::<Held>() + 3 * 16;

/// One group's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The body of the DataRow that first had its key: its columns that aren't parts of
    /// aggregates hold for the group.
    pub row: Box<[u8]>,
    /// As many as were wanted.
    pub values: Vec<Value>,
}

impl Groups {
    /// Rows that are equal in all columns of `keys` are one group; an order of no columns makes
    /// one group of all. `limit` in bytes.
    pub fn new(keys: Order, wants: Vec<Want>, limit: usize) -> Groups {
        let (at, groups) = (HashMap::default(), Vec::new());
        Groups { keys, wants, at, groups, bytes: 0, limit, key: Vec::new() }
    }

    /// How many groups there are so far.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Bytes that the groups take, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in a shard's row: the body of a DataRow.
    pub fn push(&mut self, body: &[u8]) -> Result<(), CombineError> {
        let row = backend::read_data_row(body).map_err(|_| Malformed { type_oid: 0 })?;
        self.keys.key(row, &mut self.key)?;
        let group = match self.at.get(self.key.as_slice()) {
            Some(&group) => group,
            None => self.found(body)?,
        };
        let held = &mut self.groups[group];
        let before = held.heap();
        held.add(&self.wants, row)?;
        self.bytes = (self.bytes + held.heap()).saturating_sub(before);
        self.within_bounds()
    }

    /// A new group of a row that isn't taken in; its index.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn found(&mut self, body: &[u8]) -> Result<usize, CombineError> {
        let held = Held::new(&self.wants, body);
        self.bytes += GROUP + self.key.len() + body.len() + size_of_val(held.states.as_slice());
        self.within_bounds()?;
        let group = self.groups.len();
        self.at.insert(self.key.as_slice().into(), group);
        self.groups.push(held);
        Ok(group)
    }

    fn within_bounds(&self) -> Result<(), CombineError> {
        let limit = self.limit;
        if self.bytes > limit { Err(CombineError::Full { limit }) } else { Ok(()) }
    }

    /// The results, group by group.
    pub fn finish(self) -> impl Iterator<Item = Result<Group, CombineError>> {
        let Groups { wants, groups, .. } = self;
        groups.into_iter().map(move |held| held.finish(&wants))
    }
}

impl Held {
    /// A group that begins with this row, which isn't taken in yet.
    fn new(wants: &[Want], body: &[u8]) -> Held {
        let states = wants.iter().map(|want| want.aggregate.start()).collect();
        Held { row: body.into(), states }
    }

    fn add(&mut self, wants: &[Want], row: Values<'_>) -> Result<(), CombineError> {
        let mut cells = Vec::with_capacity(3);
        for (want, state) in wants.iter().zip(&mut self.states) {
            cells.clear();
            for &column in &want.columns {
                cells.push(row.get(column).ok_or(Malformed { type_oid: 0 })?);
            }
            want.aggregate.add(state, &cells)?;
        }
        Ok(())
    }

    /// Bytes that its states hold beside their own size.
    fn heap(&self) -> usize {
        self.states.iter().map(State::heap).sum()
    }

    fn finish(self, wants: &[Want]) -> Result<Group, CombineError> {
        let Held { row, states } = self;
        let finish = |(want, state): (&Want, State)| want.aggregate.finish(state);
        let values = wants.iter().zip(states).map(finish).collect::<Result<_, _>>()?;
        Ok(Group { row, values })
    }
}

/// Groups of rows that come sorted by their keys, as a [`Merge`](super::Merge) gives them: one
/// in memory at a time, however many there are.
#[derive(Debug)]
pub struct SortedGroups {
    keys: Order,
    wants: Vec<Want>,
    /// The group under way, and its key.
    held: Option<Held>,
    last: Vec<u8>,
    /// Scratch.
    key: Vec<u8>,
    limit: usize,
}

impl SortedGroups {
    /// `limit` in bytes, of one group's states: DISTINCT keeps all values of a group.
    pub fn new(keys: Order, wants: Vec<Want>, limit: usize) -> SortedGroups {
        let (last, key) = (Vec::new(), Vec::new());
        SortedGroups { keys, wants, held: None, last, key, limit }
    }

    /// Takes in the next row, the body of a DataRow. Gives the group before, if the row begins
    /// another.
    pub fn push(&mut self, body: &[u8]) -> Result<Option<Group>, CombineError> {
        let row = backend::read_data_row(body).map_err(|_| Malformed { type_oid: 0 })?;
        self.keys.key(row, &mut self.key)?;
        let before = self.held.take_if(|_| self.key != self.last);
        std::mem::swap(&mut self.key, &mut self.last);
        let held = self.held.get_or_insert_with(|| Held::new(&self.wants, body));
        held.add(&self.wants, row)?;
        let limit = self.limit;
        if held.heap() > limit {
            return Err(CombineError::Full { limit });
        }
        before.map(|held| held.finish(&self.wants)).transpose()
    }

    /// The last group, if there was any row.
    pub fn finish(self) -> Result<Option<Group>, CombineError> {
        self.held.map(|held| held.finish(&self.wants)).transpose()
    }
}
