//! GROUP BY: what the shards say of their groups, put together by key.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::wire::backend;

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
/// Held in memory up to a bound. Where groups come sorted by their keys, a
/// [`Merge`](super::Merge) and one group at a time do without.
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
        let mut cells = Vec::with_capacity(3);
        for (want, state) in self.wants.iter().zip(&mut self.groups[group].states) {
            cells.clear();
            for &column in &want.columns {
                cells.push(row.get(column).ok_or(Malformed { type_oid: 0 })?);
            }
            let before = state.heap();
            want.aggregate.add(state, &cells)?;
            self.bytes = (self.bytes + state.heap()).saturating_sub(before);
        }
        self.within_bounds()
    }

    /// A new group; its index.
    fn found(&mut self, body: &[u8]) -> Result<usize, CombineError> {
        let states: Vec<State> = self.wants.iter().map(|want| want.aggregate.start()).collect();
        self.bytes += GROUP + self.key.len() + body.len() + size_of_val(states.as_slice());
        self.within_bounds()?;
        let group = self.groups.len();
        self.at.insert(self.key.as_slice().into(), group);
        self.groups.push(Held { row: body.into(), states });
        Ok(group)
    }

    fn within_bounds(&self) -> Result<(), CombineError> {
        let limit = self.limit;
        if self.bytes > limit { Err(CombineError::Full { limit }) } else { Ok(()) }
    }

    /// The results, group by group.
    pub fn finish(self) -> impl Iterator<Item = Result<Group, CombineError>> {
        let Groups { wants, groups, .. } = self;
        groups.into_iter().map(move |Held { row, states }| {
            let finish = |(want, state): (&Want, State)| want.aggregate.finish(state);
            let values = wants.iter().zip(states).map(finish).collect::<Result<_, _>>()?;
            Ok(Group { row, values })
        })
    }
}
