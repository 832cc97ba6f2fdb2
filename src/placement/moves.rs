//! What moves between two placements of one keyspace.

use std::cmp::Ordering;

use super::key::KeyValue;
use super::range::{RangeTable, compare};
use super::slots::SlotTable;
use super::{Placement, ShardId};

/// A piece of a placement that changes its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub piece: Piece,
    pub from: ShardId,
    pub to: ShardId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Slots `first` to `last`, both included.
    Slots { first: u16, last: u16 },
    /// Keys from `low` (included) to `high` (excluded); `None` is from the start, and to
    /// the end with NULL.
    Keys { low: Option<KeyValue<'static>>, high: Option<KeyValue<'static>> },
}

/// The two placements are of different kinds or key types: no list of moves leads from one
/// to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the placements are of different kinds: a ring can't become a range table, nor a key change its type"
)]
pub struct DifferentKinds;

/// The moves that make `new` of `old`, in the order of the ring or of the keys; neighbours
/// with the same source and target are one move.
///
/// # Errors
/// When one is a ring and the other a range table, or their keys differ in type.
pub fn moves(old: &Placement, new: &Placement) -> Result<Vec<Move>, DifferentKinds> {
    match (old, new) {
        (Placement::Ring(old), Placement::Ring(new)) => Ok(slot_moves(old, new)),
        (Placement::Ranges(old), Placement::Ranges(new)) if old.key_type() == new.key_type() => {
            Ok(range_moves(old, new))
        }
        _ => Err(DifferentKinds),
    }
}

fn slot_moves(old: &SlotTable, new: &SlotTable) -> Vec<Move> {
    let mut moves: Vec<Move> = Vec::new();
    for slot in 0..=u16::MAX {
        let (from, to) = (old.owner(slot), new.owner(slot));
        if from == to {
            continue;
        }
        if let Some(Move { piece: Piece::Slots { last, .. }, from: f, to: t }) = moves.last_mut()
            && *last + 1 == slot
            && (*f, *t) == (from, to)
        {
            *last = slot;
            continue;
        }
        moves.push(Move { piece: Piece::Slots { first: slot, last: slot }, from, to });
    }
    moves
}

fn range_moves(old: &RangeTable, new: &RangeTable) -> Vec<Move> {
    let mut bounds: Vec<&KeyValue<'static>> = old.bounds().iter().chain(new.bounds()).collect();
    bounds.sort_by(|a, b| compare(a, b));
    bounds.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
    let first = old.ranges().zip(new.ranges()).next().map(|(old, new)| (old.shard, new.shard));
    // Between two neighbouring bounds neither table changes: its low end stands for all.
    let pieces = first
        .map(|shards| (None, shards))
        .into_iter()
        .chain(bounds.iter().map(|&low| (Some(low), (old.shard_of(low), new.shard_of(low)))));
    let mut moves: Vec<Move> = Vec::new();
    for (index, (low, (from, to))) in pieces.enumerate() {
        if from == to {
            continue;
        }
        let high = bounds.get(index).map(|&high| high.clone());
        if let Some(Move { piece: Piece::Keys { high: end, .. }, from: f, to: t }) =
            moves.last_mut()
            && end.as_ref() == low
            && (*f, *t) == (from, to)
        {
            *end = high;
            continue;
        }
        moves.push(Move { piece: Piece::Keys { low: low.cloned(), high }, from, to });
    }
    moves
}
