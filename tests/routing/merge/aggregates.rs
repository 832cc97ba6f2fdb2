//! Aggregates put together from shards' partial results are the server's own over all rows.

use pgherd::routing::merge::{
    Aggregate, Column, Format, Function, Groups, NotCombinable, Order, SortColumn, TextForm, Value,
    Want, oid,
};
use pgherd::wire::backend::read_data_row;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client;

use super::{Cell, data_row, in_binary, in_text, values, with_server};

const FUNCTIONS: [Function; 15] = [
    Function::CountAll,
    Function::Count,
    Function::Sum,
    Function::Avg,
    Function::Min,
    Function::Max,
    Function::BoolAnd,
    Function::BoolOr,
    Function::BitAnd,
    Function::BitOr,
    Function::BitXor,
    Function::VarPop,
    Function::VarSamp,
    Function::StddevPop,
    Function::StddevSamp,
];

const TYPES: [(&str, u32); 14] = [
    ("bool", oid::BOOL),
    ("int2", oid::INT2),
    ("int4", oid::INT4),
    ("int8", oid::INT8),
    ("oid", oid::OID),
    ("float4", oid::FLOAT4),
    ("float8", oid::FLOAT8),
    ("numeric", oid::NUMERIC),
    ("bpchar(6)", oid::BPCHAR),
    ("date", oid::DATE),
    ("time", oid::TIME),
    ("timetz", oid::TIMETZ),
    ("timestamptz", oid::TIMESTAMPTZ),
    ("interval", oid::INTERVAL),
];

/// Groups of none to thirty values, on four shards.
const GROUPS: usize = 400;

async fn fill(client: &Client, type_name: &str) {
    let mut random = StdRng::seed_from_u64(31);
    let mut rows = Vec::new();
    for group in 0..GROUPS {
        // Like values add up and cancel out; one kind of value shows each result's scale.
        let like = random.random_range(0..4) == 0;
        let mut value = || values::of_type(type_name, &mut random).replace('\'', "''");
        let (first, list): (String, Vec<String>) = (value(), (0..30).map(|_| value()).collect());
        let count = random.random_range(1..30);
        for other in list.into_iter().take(count) {
            let value = match random.random_range(0..6) {
                0 => "NULL".to_owned(),
                _ if like => format!("'{first}'"),
                _ => format!("'{other}'"),
            };
            rows.push(format!("({group}, {}, {value})", random.random_range(0..4)));
        }
    }
    let collate = if type_name.starts_with("bpchar") { " COLLATE \"C\"" } else { "" };
    let sql = format!(
        "DROP TABLE IF EXISTS data; CREATE TEMP TABLE data (g int, s int, v {type_name}{collate}); \
         INSERT INTO data VALUES {}",
        rows.join(", ")
    );
    client.batch_execute(&sql).await.expect(type_name);
}

/// What can be put together of a type, and what the server has.
fn aggregates(type_oid: u32, format: Format) -> Vec<(Function, Aggregate)> {
    let argument = Column::new(type_oid, format);
    let of = |function| Aggregate::new(function, argument, TextForm::DEFAULT).ok();
    let all = FUNCTIONS.into_iter().filter_map(|function| Some((function, of(function)?)));
    let no_extremes = type_oid == oid::BOOL;
    all.filter(|(f, _)| !(no_extremes && matches!(f, Function::Min | Function::Max))).collect()
}

fn put(value: &Value, format: Format) -> Cell {
    let mut bytes = Vec::new();
    value.put(format, &mut bytes).then_some(bytes)
}

/// The normal form, for extremes: of equal values either may come out.
fn normal(type_oid: u32, format: Format, cell: &Cell) -> Vec<u8> {
    let column = SortColumn::ascending(0, Column::new(type_oid, format));
    let order = Order::new([column], TextForm::DEFAULT).expect("comparable");
    let (body, mut key) = (data_row(std::slice::from_ref(cell)), Vec::new());
    order.key(read_data_row(&body).expect("a row"), &mut key).expect("a value");
    key
}

#[test]
fn partial_results_of_shards_add_up_to_the_servers() {
    with_server(async |client| {
        for (type_name, type_oid) in TYPES {
            fill(&client, type_name).await;
            for format in [Format::Text, Format::Binary] {
                let aggregates = aggregates(type_oid, format);
                let whole: Vec<String> = aggregates
                    .iter()
                    .map(|(function, _)| match function {
                        Function::CountAll => "count(*)".to_owned(),
                        function => format!("{function}(v)"),
                    })
                    .collect();
                let (mut parts, mut wants) = (Vec::new(), Vec::new());
                for (_, aggregate) in &aggregates {
                    let first = parts.len() + 1;
                    parts.extend(aggregate.parts().iter().map(|part| part.sql("v")));
                    wants.push(Want {
                        aggregate: aggregate.clone(),
                        columns: (first..=parts.len()).collect(),
                    });
                }
                let ask = async |sql: String| match format {
                    Format::Text => in_text(&client, &sql).await,
                    Format::Binary => in_binary(&client, &sql).await,
                };
                let whole =
                    format!("SELECT g, {} FROM data GROUP BY g ORDER BY g", whole.join(", "));
                let whole = ask(whole).await;
                let parts =
                    format!("SELECT g, {} FROM data GROUP BY g, s ORDER BY g, s", parts.join(", "));
                let keys = SortColumn::ascending(0, Column::new(oid::INT4, format));
                let keys = Order::new([keys], TextForm::DEFAULT).expect("comparable");
                let mut groups = Groups::new(keys, wants, usize::MAX);
                for row in ask(parts).await {
                    groups.push(&data_row(&row)).expect("added");
                }
                assert_eq!((whole.len(), groups.len()), (GROUPS, GROUPS));
                for (expected, group) in whole.iter().zip(groups.finish()) {
                    let group = group.expect("a result");
                    for (n, (function, aggregate)) in aggregates.iter().enumerate() {
                        let (ours, theirs) = (put(&group.values[n], format), &expected[n + 1]);
                        let show = |cell: &Cell| {
                            cell.as_deref().map(|c| String::from_utf8_lossy(c).into_owned())
                        };
                        let what = || {
                            format!(
                                "{function}({type_name}): {:?}, not {:?}",
                                show(&ours),
                                show(theirs)
                            )
                        };
                        if matches!(function, Function::Min | Function::Max) {
                            let of = |cell| normal(aggregate.result_type(), format, cell);
                            assert_eq!(of(&ours), of(theirs), "{}", what());
                        } else {
                            assert_eq!(&ours, theirs, "{}", what());
                        }
                    }
                }
            }
        }
    });
}

/// The types that we say results and parts have, and that functions exist where we name them.
#[test]
fn results_have_the_servers_types() {
    with_server(async |client| {
        for (type_name, type_oid) in TYPES {
            let aggregates = aggregates(type_oid, Format::Text);
            assert!(aggregates.len() > 2, "{type_name}");
            for (function, aggregate) in aggregates {
                let mut calls = vec![(
                    aggregate.result_type(),
                    match function {
                        Function::CountAll => "count(*)".to_owned(),
                        function => format!("{function}(v)"),
                    },
                )];
                calls.extend(aggregate.parts().iter().map(|part| (part.type_oid, part.sql("v"))));
                for (ours, call) in calls {
                    let sql = format!("SELECT {call} FROM (SELECT NULL::{type_name} AS v) x");
                    let statement =
                        client.prepare(&sql).await.unwrap_or_else(|why| panic!("{sql}: {why:?}"));
                    assert_eq!(statement.columns()[0].type_().oid(), ours, "{call} of {type_name}");
                }
            }
        }
    });
}

/// No rows anywhere, or only NULLs.
#[test]
fn nothing_adds_up_to_what_the_server_says_of_nothing() {
    with_server(async |client| {
        for (type_name, type_oid) in TYPES {
            for rows in ["WHERE false", ""] {
                for (function, aggregate) in aggregates(type_oid, Format::Text) {
                    let call = match function {
                        Function::CountAll => "count(*)".to_owned(),
                        function => format!("{function}(v)"),
                    };
                    let from = format!(
                        "FROM (SELECT NULL::{type_name} AS v FROM generate_series(1, 4)) x {rows}"
                    );
                    let whole = in_text(&client, &format!("SELECT {call} {from}")).await;
                    let parts: Vec<String> =
                        aggregate.parts().iter().map(|part| part.sql("v")).collect();
                    let part =
                        in_text(&client, &format!("SELECT {} {from}", parts.join(", "))).await;
                    let mut state = aggregate.start();
                    let cells: Vec<Option<&[u8]>> = part[0].iter().map(Option::as_deref).collect();
                    aggregate.add(&mut state, &cells).expect("added");
                    let ours = put(&aggregate.finish(state).expect("a result"), Format::Text);
                    assert_eq!(ours, whole[0][0], "{call} of {type_name} {rows}");
                }
            }
        }
    });
}

#[test]
fn what_would_not_be_exact_is_refused() {
    let of = |function, type_oid| {
        Aggregate::new(function, Column::new(type_oid, Format::Binary), TextForm::DEFAULT)
    };
    for type_oid in [oid::FLOAT4, oid::FLOAT8] {
        for function in [Function::Sum, Function::Avg, Function::VarPop, Function::StddevSamp] {
            let refusal = NotCombinable::OrderOfAddition { function, type_oid };
            assert_eq!(of(function, type_oid), Err(refusal));
        }
        assert!(of(Function::Max, type_oid).is_ok());
    }
    let numeric = Column::new(oid::NUMERIC, Format::Binary);
    for function in [Function::Sum, Function::VarPop, Function::BitXor] {
        assert!(Aggregate::distinct(function, numeric, TextForm::DEFAULT).is_err(), "{function}");
    }
}

/// DISTINCT, beside aggregates without it: the shards' groups are smaller, and add up.
#[test]
fn distinct_values_are_the_servers() {
    with_server(async |client| {
        for (type_name, type_oid) in TYPES {
            fill(&client, type_name).await;
            for format in [Format::Text, Format::Binary] {
                let argument = Column::new(type_oid, format);
                let integer = matches!(type_oid, oid::INT2 | oid::INT4 | oid::INT8);
                let mut functions = vec![Function::Count];
                if integer {
                    functions.extend([Function::Sum, Function::Avg, Function::BitOr]);
                }
                let mut wants = vec![Want {
                    aggregate: Aggregate::new(Function::Count, argument, TextForm::DEFAULT)
                        .expect("known"),
                    columns: vec![2],
                }];
                let (mut whole, mut parts) =
                    (vec!["count(v)".to_owned()], vec!["count(v)".to_owned()]);
                for function in functions {
                    let aggregate =
                        Aggregate::distinct(function, argument, TextForm::DEFAULT).expect("known");
                    whole.push(format!("{function}(DISTINCT v)"));
                    parts.push(aggregate.parts()[0].sql("v"));
                    wants.push(Want { aggregate, columns: vec![parts.len() + 1] });
                }
                let ask = async |sql: String| match format {
                    Format::Text => in_text(&client, &sql).await,
                    Format::Binary => in_binary(&client, &sql).await,
                };
                let whole =
                    ask(format!("SELECT g, {} FROM data GROUP BY g ORDER BY g", whole.join(", ")))
                        .await;
                let parts = ask(format!(
                    "SELECT g, s, {} FROM data GROUP BY g, s, v ORDER BY g",
                    parts.join(", ")
                ))
                .await;
                let keys = SortColumn::ascending(0, Column::new(oid::INT4, format));
                let keys = Order::new([keys], TextForm::DEFAULT).expect("comparable");
                let mut groups = Groups::new(keys, wants, usize::MAX);
                for row in &parts {
                    groups.push(&data_row(row)).expect("added");
                }
                for (expected, group) in whole.iter().zip(groups.finish()) {
                    let ours: Vec<Cell> =
                        group.expect("a result").values.iter().map(|v| put(v, format)).collect();
                    assert_eq!(ours, expected[1..], "{type_name}, group {:?}", expected[0]);
                }
            }
        }
    });
}
