//! Properties of placements, over random ones.

use std::collections::BTreeMap;
use std::ops::Bound;

use pgherd::config::rules::{KeyType, RangeRule};
use pgherd::placement::moves::{Move, Piece, moves};
use pgherd::placement::range::ChangeError;
use pgherd::placement::ring::{Member, propose};
use pgherd::placement::slots::{SLOTS, first_position, last_position, slot_of};
use pgherd::placement::{
    KeyColumn, KeyValue, NotAKey, Placement, Purpose, RangeTable, ShardId, SlotTable, Source,
};
use proptest::prelude::*;

/// What an operator does to a ring.
#[derive(Debug, Clone)]
enum Change {
    Add(u32),
    Remove(usize),
    Reweigh(usize, u32),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (1..=100u32).prop_map(Change::Add),
        any::<usize>().prop_map(Change::Remove),
        (any::<usize>(), 1..=100u32).prop_map(|(which, weight)| Change::Reweigh(which, weight)),
    ]
}

fn members<'a>(weights: &'a BTreeMap<u16, (String, u32)>) -> Vec<Member<'a>> {
    weights
        .iter()
        .map(|(&id, (name, weight))| Member { shard: ShardId(id), name, weight: *weight })
        .collect()
}

fn slots_moved(old: &SlotTable, new: &SlotTable) -> Vec<(ShardId, ShardId, u16)> {
    let changed = (0..=u16::MAX).filter(|&slot| old.owner(slot) != new.owner(slot));
    changed.map(|slot| (old.owner(slot), new.owner(slot), slot)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// After any sequence of changes each shard has its weight's share to one slot, and each
    /// change moved no slot more than the shares ask for.
    #[test]
    fn a_ring_stays_even_and_moves_the_least(
        first in proptest::collection::vec(1..=100u32, 1..6),
        changes in proptest::collection::vec(change(), 1..8),
    ) {
        let mut weights: BTreeMap<u16, (String, u32)> = BTreeMap::new();
        let mut next = 0u16;
        for weight in first {
            weights.insert(next, (format!("s{next}"), weight));
            next += 1;
        }
        let mut table = propose(None, &members(&weights), 256).unwrap();
        for change in changes {
            let ids: Vec<u16> = weights.keys().copied().collect();
            let mut added = None;
            match change {
                Change::Add(weight) => {
                    weights.insert(next, (format!("s{next}"), weight));
                    added = Some(ShardId(next));
                    next += 1;
                }
                Change::Remove(which) if ids.len() > 1 => {
                    weights.remove(&ids[which % ids.len()]);
                }
                Change::Remove(_) => {}
                Change::Reweigh(which, weight) => {
                    weights.get_mut(&ids[which % ids.len()]).unwrap().1 = weight;
                }
            }
            let grown = propose(Some(&table), &members(&weights), 256).unwrap();
            let (old, new) = (table.counts(), grown.counts());
            let total: u32 = weights.values().map(|(_, weight)| weight).sum();
            for (&id, (_, weight)) in &weights {
                let share = f64::from(*weight) / f64::from(total) * SLOTS as f64;
                let has = f64::from(new.get(usize::from(id)).copied().unwrap_or(0));
                // One slot of rounding; and one that stays where it is rather than move.
                prop_assert!((has - share).abs() <= 2.0, "{has} of {share}");
            }
            let gained: u32 = (0..new.len())
                .map(|id| new[id].saturating_sub(old.get(id).copied().unwrap_or(0)))
                .sum();
            let moved = slots_moved(&table, &grown);
            prop_assert_eq!(moved.len(), gained as usize);
            if let Some(added) = added {
                let astray = moved.iter().filter(|&&(_, to, _)| to != added).count();
                prop_assert!(astray <= weights.len(), "{} slots to old shards", astray);
            }
            table = grown;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_moves_of_a_ring_make_the_new_of_the_old(
        runs in proptest::collection::vec((1..400u32, 0..5u16), 1..60),
        other in proptest::collection::vec((1..400u32, 0..5u16), 1..60),
    ) {
        let table = |mut runs: Vec<(u32, u16)>| {
            let covered: u32 = runs.iter().map(|(length, _)| length).sum();
            runs.push((SLOTS as u32 - covered, 0));
            SlotTable::from_runs(&runs).unwrap()
        };
        let (old, new) = (table(runs), table(other));
        let list = moves(&Placement::Ring(old.clone()), &Placement::Ring(new.clone())).unwrap();
        let mut owners: Vec<ShardId> = (0..=u16::MAX).map(|slot| old.owner(slot)).collect();
        for one in &list {
            let Piece::Slots { first, last } = one.piece else { panic!("a ring moves slots") };
            owners[usize::from(first)..=usize::from(last)].fill(one.to);
        }
        let made = SlotTable::from_fn(|slot| owners[usize::from(slot)]);
        prop_assert_eq!(&made, &new);
        for Move { piece, from, to } in &list {
            prop_assert_ne!(from, to);
            let Piece::Slots { first, last } = *piece else { panic!("a ring moves slots") };
            prop_assert!((first..=last).all(|slot| old.owner(slot) == *from));
        }
        // Nothing that could be one move is two.
        for pair in list.windows(2) {
            let (Piece::Slots { last, .. }, Piece::Slots { first, .. }) = (&pair[0].piece, &pair[1].piece)
            else { panic!("a ring moves slots") };
            let joined = last + 1 == *first && pair[0].from == pair[1].from && pair[0].to == pair[1].to;
            prop_assert!(!joined);
        }
    }

    /// Whatever bytes a client sends under whatever type: an answer, and no panic; and what
    /// is read has a text that is read as the same.
    #[test]
    fn reading_is_total(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[-+0-9.eExX_ :TZ]{0,40}".prop_map(String::into_bytes),
            (0..5u16, any::<i16>(), prop_oneof![Just(0u16), Just(0x4000), any::<u16>()], 0..17_000u16)
                .prop_flat_map(|(count, weight, sign, scale)| {
                    proptest::collection::vec(0..11_000u16, usize::from(count)).prop_map(move |digits| {
                        let head = [count, weight as u16, sign, scale];
                        head.iter().chain(&digits).flat_map(|word| word.to_be_bytes()).collect()
                    })
                }),
        ],
        type_oid in proptest::sample::select(vec![0, 16, 20, 21, 23, 25, 700, 701, 1043, 1082, 1083, 1114, 1184, 1700, 2950]),
        typmod in prop_oneof![Just(-1), any::<i32>(), 0..40i32],
        negative in any::<bool>(), server_major in 14..19u32,
    ) {
        for key_type in [
            KeyType::Int2, KeyType::Int4, KeyType::Int8, KeyType::Text, KeyType::Uuid, KeyType::Numeric,
            KeyType::Date, KeyType::Time, KeyType::Timestamp, KeyType::TimestampTz,
        ] {
            let column = KeyColumn { key_type, typmod, server_major };
            let mut sources = vec![
                Source::Untyped(&bytes),
                Source::UntypedBinary(&bytes),
                Source::Text { type_oid, value: &bytes },
                Source::Binary { type_oid, value: &bytes },
            ];
            if let Ok(text) = std::str::from_utf8(&bytes) {
                sources.push(Source::Number { text, negative });
            }
            for source in sources {
                for purpose in [Purpose::Compare, Purpose::Assign] {
                    let Ok(key) = column.read(source, purpose) else { continue };
                    let text = key.to_text(key_type);
                    let again = column.read(Source::Untyped(text.as_bytes()), Purpose::Compare);
                    // 24:00 is a time that only its binary form gives.
                    if !matches!(again, Err(NotAKey::Unsure(_))) {
                        prop_assert_eq!(again, Ok(key));
                    }
                }
            }
        }
    }

    #[test]
    fn a_position_lies_in_its_slot(position in any::<i64>()) {
        let slot = slot_of(position);
        prop_assert!((first_position(slot)..=last_position(slot)).contains(&position));
        prop_assert_eq!(i64::from(slot), (position >> 48) + 32_768);
    }

    /// A range table and its changes against a plain list of owners of the keys 0 to 99.
    #[test]
    fn ranges_do_as_a_list_of_keys_does(
        changes in proptest::collection::vec((0..100i64, 0..100i64, 0..4u16, 0..3u8), 0..40),
        low in 0..100i64, high in 0..100i64, open in any::<(bool, bool)>(),
    ) {
        let mut owners = [ShardId(0); 100];
        let mut table = whole();
        let before = table.clone();
        for (a, b, shard, what) in changes {
            let (low, high) = (a.min(b), a.max(b) + 1);
            match what {
                0 => {
                    let high_bound = (high < 100).then_some(KeyValue::Int(high));
                    table = table.reassign(Some(KeyValue::Int(low)), high_bound, ShardId(shard)).unwrap();
                    owners[low as usize..high as usize].fill(ShardId(shard));
                }
                1 => match table.split(KeyValue::Int(low)) {
                    Ok(split) => {
                        prop_assert_eq!(split.bounds().len(), table.bounds().len() + 1);
                        table = split;
                    }
                    Err(error) => {
                        prop_assert!(matches!(error, ChangeError::BoundExists(_)));
                        prop_assert!(table.bounds().contains(&KeyValue::Int(low)));
                    }
                },
                _ => match table.merge(&KeyValue::Int(low)) {
                    Ok(merged) => table = merged,
                    Err(ChangeError::NoBound(_)) => {
                        prop_assert!(!table.bounds().contains(&KeyValue::Int(low)));
                    }
                    Err(error) => {
                        prop_assert!(matches!(error, ChangeError::TwoShards(_)));
                        prop_assert!(low == 0 || owners[low as usize - 1] != owners[low as usize]);
                    }
                },
            }
        }
        for (key, owner) in owners.iter().enumerate() {
            prop_assert_eq!(table.shard_of(&KeyValue::Int(key as i64)), *owner, "{}", key);
        }
        // Its bounds and shards as the catalog keeps them.
        let bounds: Vec<Box<str>> =
            table.bounds().iter().map(|bound| bound.to_text(KeyType::Int8).into()).collect();
        let shards = table.ranges().map(|range| range.shard).collect();
        prop_assert_eq!(RangeTable::from_parts(KeyType::Int8, &bounds, shards), Ok(table.clone()));
        // Which shards a condition can meet.
        let bound = |key, open| if open { Bound::Excluded(key) } else { Bound::Included(key) };
        let (low_key, high_key) = (KeyValue::Int(low), KeyValue::Int(high));
        let found = table.shards_for_range(bound(&low_key, open.0), bound(&high_key, open.1));
        let met = (0..100).filter(|&key| {
            (key > low || (key == low && !open.0)) && (key < high || (key == high && !open.1))
        });
        let mut expected: Vec<ShardId> = met.map(|key| owners[key as usize]).collect();
        expected.sort();
        expected.dedup();
        // Integers are points to us and gaps to a range: between 4 and 5, both excluded, a
        // range has room that no integer takes.
        prop_assert!(expected.iter().all(|shard| found.contains(shard)), "{:?} {:?}", found, expected);
        if !open.0 {
            prop_assert_eq!(found, expected);
        }
        // The moves lead from the one to the other.
        let list = moves(&Placement::Ranges(before), &Placement::Ranges(table.clone())).unwrap();
        for key in 0..100 {
            let key = KeyValue::Int(key);
            let mover = list.iter().filter(|one| holds(&one.piece, &key)).collect::<Vec<_>>();
            prop_assert!(mover.len() <= 1);
            let owner = mover.first().map_or(ShardId(0), |one| one.to);
            prop_assert_eq!(owner, table.shard_of(&key));
        }
        for one in &list {
            prop_assert!(one.from == ShardId(0) && one.to != ShardId(0));
        }
    }
}

/// One range that holds all.
fn whole() -> RangeTable {
    let rule = RangeRule { from: None, to: None, shard: "s0".into(), line: 1 };
    RangeTable::from_rules(KeyType::Int8, &[rule], |_| Some(ShardId(0))).expect("a table")
}

fn holds(piece: &Piece, key: &KeyValue<'_>) -> bool {
    let (Piece::Keys { low, high }, KeyValue::Int(key)) = (piece, key) else { return false };
    let int = |bound: &KeyValue<'_>| match bound {
        KeyValue::Int(bound) => *bound,
        other => panic!("{other:?} bounds integers"),
    };
    low.as_ref().is_none_or(|low| int(low) <= *key)
        && high.as_ref().is_none_or(|high| *key < int(high))
}
