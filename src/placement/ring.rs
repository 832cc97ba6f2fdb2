//! Proposes the slot tables of rings.
//!
//! A consistent-hash ring of virtual nodes proposes an owner for each slot; a pass of
//! bounded loads then makes the shares exact: each shard gets its weight's share of the
//! 65,536 slots, to one slot. Starting from a table, only what has to move moves. The
//! table, not the proposal, is the truth: it goes to the catalog.

use std::hash::{BuildHasher, Hash, Hasher};

use hashring::HashRing;

use super::ShardId;
use super::hash::hash_bytes;
use super::slots::{SLOTS, SlotTable, first_position};

/// The most virtual nodes of a whole ring: with more shards or larger weights, all get
/// proportionally fewer. 16 for each slot.
const MAX_VIRTUAL_NODES: u64 = 16 * SLOTS as u64;

/// A shard that takes part in a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    pub shard: ShardId,
    /// Decides where its virtual nodes lie.
    pub name: &'a str,
    /// Its share is its weight over the sum of weights. 0 takes part without a share.
    pub weight: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    #[error("a ring needs at least one shard with a weight above 0")]
    NoShard,
    #[error("a ring has at most {SLOTS} shards")]
    TooMany,
    #[error("a shard takes part twice")]
    Twice,
}

/// A table for these shards: of the ring alone, or made of `current` with the fewest moves.
/// Shards of `current` that aren't members lose all their slots. When `current` is even
/// for its own shards, adding a shard moves slots to it and nowhere else.
///
/// # Errors
/// When no shard has a weight, one takes part twice, or there are more than slots.
pub fn propose(
    current: Option<&SlotTable>,
    members: &[Member<'_>],
    virtual_nodes: u32,
) -> Result<SlotTable, ProposeError> {
    let total: u64 = members.iter().map(|member| u64::from(member.weight)).sum();
    if total == 0 {
        return Err(ProposeError::NoShard);
    }
    if members.len() > SLOTS {
        return Err(ProposeError::TooMany);
    }
    let mut ids: Vec<ShardId> = members.iter().map(|member| member.shard).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ProposeError::Twice);
    }
    let wish = wish(members, virtual_nodes, total);
    let mut table = current.cloned().unwrap_or_else(|| wish.clone());
    Balance::new(&table, members, total).run(&mut table, &wish);
    Ok(table)
}

/// The owner that the ring of virtual nodes gives each slot.
fn wish(members: &[Member<'_>], virtual_nodes: u32, total: u64) -> SlotTable {
    let wanted = total.saturating_mul(virtual_nodes.max(1).into());
    let mut points = Vec::new();
    for member in members.iter().filter(|member| member.weight > 0) {
        let own = u64::from(member.weight).saturating_mul(virtual_nodes.max(1).into());
        let own = match wanted.checked_div(MAX_VIRTUAL_NODES) {
            Some(1..) => {
                (u128::from(own) * u128::from(MAX_VIRTUAL_NODES) / u128::from(wanted)) as u64
            }
            _ => own,
        };
        points.extend((0..own.max(1)).map(|index| Point {
            position: hash_bytes(member.name.as_bytes(), index + 1),
            shard: member.shard,
        }));
    }
    // Two points at one position: the lower shard goes first on every machine.
    points.sort_unstable_by_key(|point| (point.position, point.shard));
    points.dedup_by_key(|point| point.position);
    let mut ring = HashRing::with_hasher(Positions);
    let fallback = points.first().map_or(ShardId(0), |point| point.shard);
    ring.batch_add(points);
    SlotTable::from_fn(|slot| {
        let key = Point { position: first_position(slot), shard: ShardId(0) };
        ring.get(&key).map_or(fallback, |point| point.shard)
    })
}

/// A virtual node, or a key looked up among them.
#[derive(Debug, Clone, Copy)]
struct Point {
    position: i64,
    shard: ShardId,
}

impl Hash for Point {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i64(self.position);
    }
}

/// Hands the positions through: they are hashes already.
struct Positions;

struct Identity(u64);

impl BuildHasher for Positions {
    type Hasher = Identity;

    fn build_hasher(&self) -> Identity {
        Identity(0)
    }
}

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 | u64::from(byte);
        }
    }

    fn write_i64(&mut self, position: i64) {
        // Unsigned order from here on: the ring begins at i64::MIN.
        self.0 = position as u64 ^ (1 << 63);
    }
}

/// How many slots each shard has to give and to get.
struct Balance {
    /// By shard index: slots above (positive) or below (negative) the share.
    excess: Vec<i64>,
}

impl Balance {
    fn new(table: &SlotTable, members: &[Member<'_>], total: u64) -> Balance {
        let mut excess: Vec<i64> = table.counts().into_iter().map(i64::from).collect();
        let highest = members.iter().map(|member| usize::from(member.shard.0) + 1).max();
        excess.resize(excess.len().max(highest.unwrap_or(0)), 0);
        // Whole slots first. What is left over goes to those that hold it already, so that
        // rounding moves nothing; then to newcomers; then to the largest remainders.
        let mut claims = Vec::with_capacity(members.len());
        let mut left = SLOTS as u64;
        for member in members {
            let share = u64::from(member.weight) * SLOTS as u64;
            let (whole, remainder) = (share / total, share % total);
            let has = &mut excess[usize::from(member.shard.0)];
            let newcomer = *has == 0;
            *has -= whole as i64;
            left -= whole;
            if member.weight > 0 {
                claims.push((*has <= 0, !newcomer, u64::MAX - remainder, member.shard));
            }
        }
        claims.sort_unstable();
        // Fewer are left over than there are shards with a weight.
        for &(_, _, _, shard) in claims.iter().cycle().take(left as usize) {
            excess[usize::from(shard.0)] -= 1;
        }
        Balance { excess }
    }

    fn of(&mut self, shard: ShardId) -> &mut i64 {
        &mut self.excess[usize::from(shard.0)]
    }

    fn transfer(&mut self, table: &mut SlotTable, slot: u16, to: ShardId) {
        let from = table.owner(slot);
        *self.of(from) -= 1;
        *self.of(to) += 1;
        table.set_owner(slot, to);
    }

    /// First the slots that the ring wishes to a shard that lacks some; then, for what is
    /// still too much, each goes clockwise to the next shard that lacks some.
    fn run(mut self, table: &mut SlotTable, wish: &SlotTable) {
        for slot in 0..=u16::MAX {
            let (from, to) = (table.owner(slot), wish.owner(slot));
            if from != to && *self.of(from) > 0 && *self.of(to) < 0 {
                self.transfer(table, slot, to);
            }
        }
        for slot in 0..=u16::MAX {
            if *self.of(table.owner(slot)) <= 0 {
                continue;
            }
            let mut clockwise = (1..SLOTS).map(|step| slot.wrapping_add(step as u16));
            let next = clockwise.find(|&other| *self.of(wish.owner(other)) < 0);
            // A shard whose virtual nodes own no slot is found here.
            let to = next.map(|other| wish.owner(other)).or_else(|| self.lacking());
            match to {
                Some(to) => self.transfer(table, slot, to),
                None => return,
            }
        }
    }

    fn lacking(&self) -> Option<ShardId> {
        (0..=u16::MAX).zip(&self.excess).find(|&(_, &excess)| excess < 0).map(|(id, _)| ShardId(id))
    }
}
