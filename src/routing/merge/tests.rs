//! Streams, cuts and groups, against the same done to all rows at once.

use proptest::prelude::*;

use super::*;
use crate::wire::backend::{self, read_data_row};

/// The body of a DataRow.
fn row(cells: &[Option<&str>]) -> Vec<u8> {
    let mut frame = bytes::BytesMut::new();
    backend::data_row(&mut frame, cells.iter().map(|cell| cell.map(str::as_bytes)));
    frame[5..].to_vec()
}

fn int4(index: usize) -> SortColumn {
    SortColumn::ascending(index, Column::new(oid::INT4, Format::Text))
}

fn order(columns: &[SortColumn]) -> Order {
    Order::new(columns.iter().copied(), TextForm::DEFAULT).expect("comparable")
}

type Pair = (Option<i32>, i32);

fn pair_row(&(a, b): &Pair) -> Vec<u8> {
    row(&[a.map(|a| a.to_string()).as_deref(), Some(&b.to_string())])
}

/// What comes out of streams that are sorted by `columns`.
fn merged(order: Order, cut: Cut, streams: &[Vec<Pair>]) -> Result<Vec<Pair>, Unmerged> {
    let mut merge = Merge::new(order, cut, streams.len());
    let mut rests: Vec<_> = streams.iter().map(|stream| stream.iter()).collect();
    let mut out = Vec::new();
    loop {
        match merge.pull() {
            Pulled::Row(pair) => out.push(pair),
            Pulled::Done => return Ok(out),
            Pulled::Needs(input) => match rests[input].next() {
                None => merge.finish(input),
                Some(pair) => {
                    let body = pair_row(pair);
                    merge.push(input, read_data_row(&body).expect("a row"), *pair)?;
                }
            },
        }
    }
}

fn streams() -> impl Strategy<Value = Vec<Vec<Pair>>> {
    let pair = (proptest::option::weighted(0.8, 0..5i32), 0..4i32);
    proptest::collection::vec(proptest::collection::vec(pair, 0..8), 0..7)
}

/// ASC NULLS LAST and DESC.
fn by_both(a: &Pair, b: &Pair) -> std::cmp::Ordering {
    (a.0.is_none(), a.0).cmp(&(b.0.is_none(), b.0)).then(b.1.cmp(&a.1))
}

proptest! {
    #[test]
    fn a_merge_is_the_sorted_whole(
        mut streams in streams(),
        offset in 0..6u64,
        limit in proptest::option::of(0..8u64),
        distinct in proptest::option::of(1..=2usize),
        ties in proptest::option::of(1..=2usize),
    ) {
        streams.iter_mut().for_each(|stream| stream.sort_by(by_both));
        let descending = SortColumn::descending(1, Column::new(oid::INT4, Format::Text));
        let order = order(&[int4(0), descending]);
        let cut = Cut { distinct, offset, limit, ties };

        let mut all: Vec<Pair> = streams.concat();
        all.sort_by(by_both);
        let same = |n: usize, a: &Pair, b: &Pair| a.0 == b.0 && (n < 2 || a.1 == b.1);
        if let Some(n) = distinct {
            all.dedup_by(|a, b| same(n, a, b));
        }
        let mut expected: Vec<Pair> = all.split_off(all.len().min(offset as usize));
        if let Some(limit) = limit {
            let mut end = expected.len().min(limit as usize);
            while let (Some(n), true) = (ties, end > 0 && end < expected.len()) {
                if !same(n, &expected[end - 1], &expected[end]) {
                    break;
                }
                end += 1;
            }
            expected.truncate(end);
        }
        // Unsorted, in memory.
        let mut pile = Pile::new(order.clone(), cut.clone(), 1 << 20);
        for pair in streams.iter().rev().flat_map(|stream| stream.iter().rev()) {
            let body = pair_row(pair);
            pile.push(read_data_row(&body).expect("a row"), *pair, body.len()).expect("room");
        }
        prop_assert_eq!(pile.finish().collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(merged(order, cut, &streams).expect("sorted"), expected);
    }

    #[test]
    fn an_unsorted_stream_is_found_out(mut streams in streams()) {
        streams.iter_mut().for_each(|stream| stream.sort_by(by_both));
        let order = order(&[int4(0)]);
        streams.push(vec![(Some(3), 0), (Some(2), 0)]);
        prop_assert_eq!(merged(order, Cut::ALL, &streams), Err(Unmerged::Unsorted));
    }

    /// What a shard sends is read or refused, whatever it is.
    #[test]
    fn hostile_values_are_read_or_refused(
        type_oid in proptest::sample::select(vec![
            oid::BOOL, oid::BYTEA, oid::CHAR, oid::NAME, oid::INT8, oid::INT2, oid::INT4,
            oid::OID, oid::FLOAT4, oid::FLOAT8, oid::BPCHAR, oid::DATE, oid::TIME,
            oid::TIMESTAMP, oid::TIMESTAMPTZ, oid::INTERVAL, oid::TIMETZ, oid::NUMERIC, oid::UUID,
        ]),
        binary in any::<bool>(),
        value in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            "[-+]?[0-9]{1,50}([.:][0-9]{1,30}){0,3}( days?| mons?|[-+][0-9:]{1,6}| BC)?".prop_map(String::into_bytes),
        ],
    ) {
        let format = if binary { Format::Binary } else { Format::Text };
        let column = Column::new(type_oid, format);
        let mut frame = bytes::BytesMut::new();
        backend::data_row(&mut frame, [Some(value.as_slice())]);
        let row = read_data_row(&frame[5..]).expect("a row");
        let mut key = Vec::new();
        let order = order(&[SortColumn::descending(0, column)]);
        prop_assert!(order.key(row, &mut key).is_err() || key.len() > 1);
        for function in [Function::Sum, Function::Avg, Function::Max, Function::StddevPop] {
            let Ok(aggregate) = Aggregate::new(function, column, TextForm::DEFAULT) else { continue };
            let mut state = aggregate.start();
            let count: &[u8] = if binary { &[0, 0, 0, 0, 0, 0, 0, 1] } else { b"1" };
            let cells = match aggregate.parts().len() {
                1 => vec![Some(value.as_slice())],
                n => [Some(count), Some(&value), Some(&value)][..n].to_vec(),
            };
            for _ in 0..2 {
                if aggregate.add(&mut state, &cells).is_err() {
                    break;
                }
            }
            let _ = aggregate.finish(state);
        }
    }

    #[test]
    fn groups_hold_what_their_rows_add_up_to(rows in proptest::collection::vec((0..5i32, proptest::option::of(any::<i32>())), 0..40)) {
        let argument = Column::new(oid::INT4, Format::Text);
        let want = |function, columns: &[usize]| Want {
            aggregate: Aggregate::new(function, argument, TextForm::DEFAULT).expect("known"),
            columns: columns.to_vec(),
        };
        let wants = vec![want(Function::Sum, &[1]), want(Function::Max, &[1]), want(Function::Count, &[2])];
        let mut groups = Groups::new(order(&[int4(0)]), wants.clone(), 1 << 20);
        // Sorted and one by one: the same groups.
        let mut sorted = SortedGroups::new(order(&[int4(0)]), wants, 1 << 20);
        let mut of_sorted = Vec::new();
        let mut rows = rows;
        rows.sort_by_key(|row| row.0);
        for (key, value) in &rows {
            let value = value.map(|value| value.to_string());
            let count = if value.is_some() { "1" } else { "0" };
            of_sorted.extend(sorted.push(&row(&[Some(&key.to_string()), value.as_deref(), Some(count)])).expect("added"));
            groups.push(&row(&[Some(&key.to_string()), value.as_deref(), Some(count)])).expect("added");
        }
        of_sorted.extend(sorted.finish().expect("a result"));
        let groups: Vec<Group> = groups.finish().map(|group| group.expect("a result")).collect();
        prop_assert_eq!(&of_sorted, &groups);
        for group in groups {
            let key: i32 = std::str::from_utf8(read_data_row(&group.row).expect("a row").get(0).flatten().expect("a key")).expect("text").parse().expect("a number");
            let of: Vec<i64> = rows.iter().filter(|row| row.0 == key).filter_map(|row| row.1).map(i64::from).collect();
            let (sum, max) = match of.iter().max() {
                None => (Value::Null, Value::Null),
                Some(max) => (Value::Int8(of.iter().sum()), Value::AsItCame(max.to_string().into_bytes().into())),
            };
            prop_assert_eq!(group.values, vec![sum, max, Value::Int8(of.len() as i64)]);
        }
    }
}

#[test]
fn the_end_of_a_limit_needs_no_further_row() {
    let mut merge = Merge::new(order(&[int4(0)]), Cut::window(0, Some(1)), 1);
    assert_eq!(merge.pull(), Pulled::Needs(0));
    let body = pair_row(&(Some(1), 1));
    merge.push(0, read_data_row(&body).expect("a row"), 'a').expect("sorted");
    assert_eq!(merge.pull(), Pulled::Row('a'));
    assert_eq!(merge.pull(), Pulled::Done);
}

#[test]
fn a_pile_stays_within_its_bound() {
    let mut pile = Pile::new(order(&[int4(0)]), Cut::ALL, 1_000);
    let body = pair_row(&(Some(1), 1));
    let full = (0..100)
        .find_map(|_| pile.push(read_data_row(&body).expect("a row"), (), body.len()).err());
    assert_eq!(full, Some(CombineError::Full { limit: 1_000 }));
}

#[test]
fn groups_stay_within_their_bound() {
    let mut groups = Groups::new(order(&[int4(0)]), Vec::new(), 10_000);
    let full = (0..10_000).find_map(|n| groups.push(&row(&[Some(&n.to_string())])).err());
    assert_eq!(full, Some(CombineError::Full { limit: 10_000 }));
    assert!(groups.bytes() < 11_000 && groups.len() > 10, "{groups:?}");
}

#[test]
fn one_group_stays_within_its_bound() {
    let distinct = Column::new(oid::INT4, Format::Text);
    let aggregate = Aggregate::distinct(Function::Count, distinct, TextForm::DEFAULT);
    let want = Want { aggregate: aggregate.expect("known"), columns: vec![1] };
    let mut groups = SortedGroups::new(order(&[int4(0)]), vec![want], 10_000);
    let full =
        (0..10_000).find_map(|n| groups.push(&row(&[Some("1"), Some(&n.to_string())])).err());
    assert_eq!(full, Some(CombineError::Full { limit: 10_000 }));
}

#[test]
fn what_only_a_server_can_order_is_refused() {
    let refused = |type_oid, format, collation, text| {
        let column = Column { type_oid, format, collation };
        let order = Order::new([SortColumn::ascending(3, column)], text);
        order.err().map(|refusal| (refusal.obstacle, refusal.in_binary()))
    };
    let none = TextForm::default();
    let (text, binary) = (Format::Text, Format::Binary);
    assert_eq!(
        refused(oid::TEXT, text, Collation::Other, none),
        Some((Obstacle::Collation, false))
    );
    assert_eq!(refused(oid::TEXT, text, Collation::C, none), None);
    assert_eq!(refused(oid::DATE, text, Collation::C, none), Some((Obstacle::DateStyle, true)));
    assert_eq!(refused(oid::DATE, binary, Collation::C, none), None);
    assert_eq!(refused(oid::FLOAT8, text, Collation::C, none), Some((Obstacle::Floats, true)));
    assert_eq!(
        refused(3802, binary, Collation::C, TextForm::DEFAULT),
        Some((Obstacle::Type, false))
    );
    let float = Column::new(oid::FLOAT8, Format::Binary);
    assert_eq!(
        Aggregate::new(Function::Sum, float, none),
        Err(NotCombinable::OrderOfAddition { function: Function::Sum, type_oid: oid::FLOAT8 })
    );
}
