//! Key → shard, and the moves between two placements. No I/O, no SQL.
//!
//! A key is read by [`key`] as the server would read it; [`hash`] gives it the server's own
//! hash; [`slots`] or [`range`] says which shard it lies on. [`ring`] proposes slot tables,
//! and [`moves`] is the difference of two placements.

mod convert;
mod datetime;
pub mod hash;
pub mod ids;
mod integer;
pub mod key;
pub mod moves;
mod numeric;
pub mod range;
pub mod ring;
pub mod slots;
mod source;
mod text;

use std::ops::Bound;

pub use key::{KeyColumn, KeyValue, NotAKey, Purpose, Source, position};
pub use numeric::Numeric;
pub use range::RangeTable;
pub use slots::{SlotTable, slot_of};

/// Index of a shard within its database, in the catalog's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);

/// Where the keys of a keyspace lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// By the hash of the key.
    Ring(SlotTable),
    /// By the order of a key of one column.
    Ranges(RangeTable),
}

impl Placement {
    /// The shard of a key: the values of all key columns, in the keyspace's order and in
    /// its types, as [`KeyColumn::read`] gives them.
    #[inline]
    pub fn shard_of(&self, key: &[KeyValue<'_>]) -> ShardId {
        match self {
            Placement::Ring(slots) => slots.shard_of(position(key)),
            Placement::Ranges(ranges) => ranges.shard_of(key.first().unwrap_or(&KeyValue::Null)),
        }
    }

    /// The shards, in order, on which keys between two bounds can lie; on a ring, whose
    /// order is another, all that own anything. NULL lies in no such range.
    pub fn shards_for_range(
        &self,
        low: Bound<&KeyValue<'_>>,
        high: Bound<&KeyValue<'_>>,
    ) -> Vec<ShardId> {
        match self {
            Placement::Ring(slots) => slots.shards(),
            Placement::Ranges(ranges) => ranges.shards_for_range(low, high),
        }
    }

    /// The shards that own anything, in order.
    pub fn shards(&self) -> Vec<ShardId> {
        match self {
            Placement::Ring(slots) => slots.shards(),
            Placement::Ranges(ranges) => ranges.shards(),
        }
    }
}
