//! What a ring's slot table promises: even shares, and moves of what must move.

use pgherd::placement::moves::{Move, Piece, moves};
use pgherd::placement::ring::{Member, propose};
use pgherd::placement::slots::SLOTS;
use pgherd::placement::{KeyValue, Placement, ShardId, SlotTable};

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|index| format!("s{index}")).collect()
}

fn members<'a>(names: &'a [String], weight: impl Fn(usize) -> u32) -> Vec<Member<'a>> {
    names
        .iter()
        .enumerate()
        .map(|(index, name)| Member { shard: ShardId(index as u16), name, weight: weight(index) })
        .collect()
}

fn even(shards: usize, current: Option<&SlotTable>) -> SlotTable {
    propose(current, &members(&names(shards), |_| 1), 256).expect("a table")
}

/// Slots that a list of moves covers.
fn moved(moves: &[Move]) -> usize {
    let slots = moves.iter().map(|one| match one.piece {
        Piece::Slots { first, last } => usize::from(last - first) + 1,
        Piece::Keys { .. } => panic!("a ring moves slots"),
    });
    slots.sum()
}

#[test]
fn shares_are_even() {
    for shards in [1, 2, 3, 4, 8, 64] {
        let counts = even(shards, None).counts();
        assert_eq!(counts.len(), shards);
        let mean = SLOTS as f64 / shards as f64;
        for count in counts {
            assert!((f64::from(count) - mean).abs() < 1.0, "{count} of a mean of {mean}");
        }
    }
}

#[test]
fn keys_are_even() {
    for shards in [3, 4, 8, 64] {
        let placement = Placement::Ring(even(shards, None));
        let keys = 400_000 * shards as i64;
        let mut counts = vec![0u32; shards];
        for key in 0..keys {
            counts[usize::from(placement.shard_of(&[KeyValue::Int(key)]).0)] += 1;
        }
        for count in counts {
            let share = f64::from(count) / keys as f64 * shards as f64;
            // Four hundred thousand draws a shard scatter by 0.16 %.
            assert!((share - 1.0).abs() < 0.01, "a share of {share} at {shards} shards");
        }
    }
}

#[test]
fn adding_a_shard_moves_its_share_to_it_and_nothing_else() {
    let mut table = even(1, None);
    for shards in 1..=20 {
        let grown = even(shards + 1, Some(&table));
        let newcomer = ShardId(shards as u16);
        let list = moves(&Placement::Ring(table), &Placement::Ring(grown.clone())).expect("moves");
        assert!(list.iter().all(|one| one.to == newcomer), "to an old shard: {shards} + 1");
        let share = moved(&list) as f64 / SLOTS as f64 * (shards + 1) as f64;
        assert!((share - 1.0).abs() < 0.01, "{share} at {shards} + 1");
        table = grown;
    }
}

#[test]
fn removing_a_shard_moves_only_what_it_had() {
    let table = even(8, None);
    let names = names(8);
    let mut rest = members(&names, |_| 1);
    let gone = rest.remove(3);
    let shrunk = propose(Some(&table), &rest, 256).expect("a table");
    let list =
        moves(&Placement::Ring(table.clone()), &Placement::Ring(shrunk.clone())).expect("moves");
    assert!(list.iter().all(|one| one.from == gone.shard));
    assert_eq!(moved(&list), table.counts()[3] as usize);
    assert!(!shrunk.shards().contains(&gone.shard));
}

#[test]
fn weights_are_shares() {
    let names = names(4);
    let weighted = members(&names, |index| [1, 2, 5, 0][index]);
    let table = propose(None, &weighted, 256).expect("a table");
    assert_eq!(table.counts(), [8_192, 16_384, 40_960]);
    // Reweighing one moves only to it.
    let heavier = members(&names, |index| [8, 2, 5, 0][index]);
    let reweighed = propose(Some(&table), &heavier, 256).expect("a table");
    let list = moves(&Placement::Ring(table), &Placement::Ring(reweighed)).expect("moves");
    assert!(list.iter().all(|one| one.to == ShardId(0)));
}

#[test]
fn the_same_shards_get_the_same_table() {
    let table = even(5, None);
    assert_eq!(table, even(5, None));
    assert_eq!(table, even(5, Some(&table)));
}
