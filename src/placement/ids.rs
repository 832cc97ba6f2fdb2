//! Which ids the sequences of sharded tables give on which shard, so that ids never meet
//! (`docs/decisions/011-ids.md`).

use super::ShardId;

/// All ids have so many bits: they are exact as doubles too, which is what JavaScript and JSON
/// readers make of them.
const BITS: u32 = 53;
/// Of those so many tell ids of one shard apart; the rest is the shard's number.
const BITS_OF_SHARD: u32 = 43;

/// The ids that one shard gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    pub first: i64,
    pub last: i64,
}

impl IdRange {
    /// Those of a shard; `None` where its number is too large for it to have any.
    pub fn of(shard: ShardId) -> Option<IdRange> {
        let number = i64::from(shard.0);
        let size = 1_i64 << BITS_OF_SHARD;
        let before = number * size;
        (number < 1 << (BITS - BITS_OF_SHARD))
            .then_some(IdRange { first: before + 1, last: before + (size - 1) })
    }

    /// How far its ids are from those of the first shard.
    pub fn offset(&self) -> i64 {
        self.first - 1
    }

    /// How many ids there are.
    pub fn count(&self) -> i64 {
        self.last - self.offset()
    }

    pub fn contains(&self, id: i64) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_apart_and_exact_as_doubles() {
        let all: Vec<IdRange> = (0..=u16::MAX).map_while(|n| IdRange::of(ShardId(n))).collect();
        assert_eq!(all.len(), 1024);
        assert_eq!(all[0], IdRange { first: 1, last: 8_796_093_022_207 });
        assert!(all.windows(2).all(|pair| pair[0].last < pair[1].first));
        let last = all[1023].last;
        assert!(last <= 9_007_199_254_740_991, "{last}");
        assert!(all.iter().all(|ids| ids.contains(ids.offset() + 1) && ids.count() == all[0].last));
    }
}
