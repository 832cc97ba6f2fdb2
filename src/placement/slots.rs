//! The slot table of a ring: which shard owns which piece of the hash space.
//!
//! A ring position is the signed 64-bit hash of a key. The ring runs from `i64::MIN` to
//! `i64::MAX` in signed order, as `width_bucket` on the server has it, and is cut into
//! 65,536 slots of 2^48 positions. Slot 0 begins at `i64::MIN`; position 0, which is where
//! NULL lies, begins slot 32,768. In SQL: `(position >> 48) + 32768`.

use std::fmt;

use super::ShardId;

/// The number of slots of a ring.
pub const SLOTS: usize = 65_536;

/// The slot of a ring position.
#[inline(always)]
pub fn slot_of(position: i64) -> u16 {
    // Turning the sign bit maps signed order to unsigned order.
    ((position as u64 ^ (1 << 63)) >> 48) as u16
}

/// The first position of a slot; the last is 2^48 - 1 above it.
pub fn first_position(slot: u16) -> i64 {
    ((u64::from(slot) << 48) ^ (1 << 63)) as i64
}

/// The last position of a slot.
pub fn last_position(slot: u16) -> i64 {
    first_position(slot) | ((1 << 48) - 1)
}

/// A run of slots with one owner, as long as it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arc {
    /// The first slot.
    pub first: u16,
    /// The last slot, at least `first`: an arc doesn't run over the end of the ring.
    pub last: u16,
    pub shard: ShardId,
}

impl Arc {
    /// The number of slots.
    pub fn slots(&self) -> usize {
        usize::from(self.last) - usize::from(self.first) + 1
    }
}

/// Slot → shard, for every slot.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotTable {
    owners: Box<[ShardId; SLOTS]>,
}

/// Why a list of runs is not a slot table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunsError {
    #[error("a run of slots has length 0")]
    Empty,
    #[error("the runs cover {0} slots instead of {SLOTS}")]
    Length(u64),
}

impl SlotTable {
    /// A table in which each slot's owner is what `owner` says of it.
    pub fn from_fn(mut owner: impl FnMut(u16) -> ShardId) -> SlotTable {
        let mut owners = Box::new([ShardId(0); SLOTS]);
        for (slot, to) in (0..=u16::MAX).zip(owners.iter_mut()) {
            *to = owner(slot);
        }
        SlotTable { owners }
    }

    /// The owner of a slot.
    #[inline(always)]
    pub fn owner(&self, slot: u16) -> ShardId {
        self.owners[usize::from(slot)]
    }

    /// The owner of a ring position.
    #[inline(always)]
    pub fn shard_of(&self, position: i64) -> ShardId {
        self.owner(slot_of(position))
    }

    pub(super) fn set_owner(&mut self, slot: u16, shard: ShardId) {
        self.owners[usize::from(slot)] = shard;
    }

    /// The arcs, in ring order. Neighbours have different owners.
    pub fn arcs(&self) -> Vec<Arc> {
        let mut arcs: Vec<Arc> = Vec::new();
        for (slot, &shard) in (0..=u16::MAX).zip(self.owners.iter()) {
            match arcs.last_mut() {
                Some(arc) if arc.shard == shard => arc.last = slot,
                _ => arcs.push(Arc { first: slot, last: slot, shard }),
            }
        }
        arcs
    }

    /// The number of slots of each shard up to the highest that owns one, by index.
    pub fn counts(&self) -> Vec<u32> {
        let highest = self.owners.iter().map(|shard| usize::from(shard.0)).max().unwrap_or(0);
        let mut counts = vec![0; highest + 1];
        for shard in self.owners.iter() {
            counts[usize::from(shard.0)] += 1;
        }
        counts
    }

    /// The shards that own at least one slot, in order.
    pub fn shards(&self) -> Vec<ShardId> {
        let counts = self.counts();
        let owning = (0..=u16::MAX).zip(counts).filter(|&(_, count)| count > 0);
        owning.map(|(shard, _)| ShardId(shard)).collect()
    }

    /// The compact form that the catalog keeps: (number of slots, shard) for each arc.
    pub fn runs(&self) -> Vec<(u32, u16)> {
        self.arcs().iter().map(|arc| (arc.slots() as u32, arc.shard.0)).collect()
    }

    /// The table of a compact form.
    ///
    /// # Errors
    /// When a run is empty or the runs don't cover the ring exactly.
    pub fn from_runs(runs: &[(u32, u16)]) -> Result<SlotTable, RunsError> {
        if runs.iter().any(|&(length, _)| length == 0) {
            return Err(RunsError::Empty);
        }
        let covered: u64 = runs.iter().map(|&(length, _)| u64::from(length)).sum();
        if covered != SLOTS as u64 {
            return Err(RunsError::Length(covered));
        }
        let mut owners = Box::new([ShardId(0); SLOTS]);
        let mut rest = owners.as_mut_slice();
        for &(length, shard) in runs {
            let (run, after) = rest.split_at_mut(length as usize);
            run.fill(ShardId(shard));
            rest = after;
        }
        Ok(SlotTable { owners })
    }

    /// The form for the server's `width_bucket`: lower bounds of all arcs but the first, and
    /// the shard of each arc; `shards[width_bucket(position, bounds)]`, from 0, is the owner.
    pub fn bounds(&self) -> (Vec<i64>, Vec<ShardId>) {
        let arcs = self.arcs();
        let bounds = arcs.iter().skip(1).map(|arc| first_position(arc.first)).collect();
        (bounds, arcs.iter().map(|arc| arc.shard).collect())
    }
}

impl fmt::Debug for SlotTable {
    /// The arcs would fill screens; the counts say what one wants to see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotTable").field("slots_by_shard", &self.counts()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_in_signed_order() {
        assert_eq!(slot_of(i64::MIN), 0);
        assert_eq!(slot_of(-1), 32_767);
        assert_eq!(slot_of(0), 32_768);
        assert_eq!(slot_of(i64::MAX), 65_535);
        for slot in [0, 1, 32_767, 32_768, 65_535] {
            assert_eq!(slot_of(first_position(slot)), slot);
            assert_eq!(slot_of(last_position(slot)), slot);
            assert_eq!(i64::from(slot), (first_position(slot) >> 48) + 32_768);
        }
    }

    #[test]
    fn runs_come_back_as_they_went() {
        let table = SlotTable::from_fn(|slot| ShardId(slot / 5_000 % 3));
        let runs = table.runs();
        assert_eq!(SlotTable::from_runs(&runs), Ok(table.clone()));
        let (bounds, shards) = table.bounds();
        for position in [i64::MIN, -1, 0, 1, 42 << 50, i64::MAX] {
            let bucket = bounds.partition_point(|&bound| bound <= position);
            assert_eq!(shards[bucket], table.shard_of(position));
        }
    }

    #[test]
    fn runs_that_do_not_cover_the_ring_are_refused() {
        assert_eq!(SlotTable::from_runs(&[]), Err(RunsError::Length(0)));
        assert_eq!(SlotTable::from_runs(&[(65_535, 0)]), Err(RunsError::Length(65_535)));
        assert_eq!(SlotTable::from_runs(&[(0, 1), (65_536, 0)]), Err(RunsError::Empty));
        assert_eq!(
            SlotTable::from_runs(&[(u32::MAX, 0), (65_537, 0)]),
            Err(RunsError::Length(u64::from(u32::MAX) + 65_537))
        );
    }
}
