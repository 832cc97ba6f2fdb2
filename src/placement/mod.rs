//! Key → shard, and the moves between two placements. No I/O, no SQL.

/// Index of a shard within its database, in the catalog's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);
