//! Keys compare as the server's own ORDER BY and = do.

use pgherd::routing::merge::{Collation, Column, Format, Order, SortColumn, TextForm, oid};
use pgherd::wire::backend::read_data_row;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Cell, data_row, in_binary, in_text, literals, values, with_server};

const TYPES: [(&str, u32); 21] = [
    ("bool", oid::BOOL),
    ("int2", oid::INT2),
    ("int4", oid::INT4),
    ("int8", oid::INT8),
    ("oid", oid::OID),
    ("float4", oid::FLOAT4),
    ("float8", oid::FLOAT8),
    ("numeric", oid::NUMERIC),
    ("text", oid::TEXT),
    ("varchar", oid::VARCHAR),
    ("name", oid::NAME),
    ("bpchar(6)", oid::BPCHAR),
    ("\"char\"", oid::CHAR),
    ("bytea", oid::BYTEA),
    ("uuid", oid::UUID),
    ("date", oid::DATE),
    ("time", oid::TIME),
    ("timetz", oid::TIMETZ),
    ("timestamp", oid::TIMESTAMP),
    ("timestamptz", oid::TIMESTAMPTZ),
    ("interval", oid::INTERVAL),
];

fn key(order: &Order, cells: &[Cell]) -> Vec<u8> {
    let body = data_row(cells);
    let mut key = Vec::new();
    let row = read_data_row(&body).expect("a row");
    order.key(row, &mut key).unwrap_or_else(|why| panic!("{cells:?}: {why}"));
    key
}

/// Keys of rows whose first column is the server's rank: they grow with it, and are equal where
/// it is equal.
fn assert_ranks(order: &Order, rows: &[Vec<Cell>], what: &str) {
    let keys: Vec<Vec<u8>> = rows.iter().map(|row| key(order, row)).collect();
    for (pair, keys) in rows.windows(2).zip(keys.windows(2)) {
        assert_eq!(
            pair[0][0].cmp(&pair[1][0]),
            keys[0].cmp(&keys[1]),
            "{what}: {:?} and {:?} with keys {keys:?}",
            pair[0][1].as_deref().map(String::from_utf8_lossy),
            pair[1][1].as_deref().map(String::from_utf8_lossy),
        );
    }
}

fn collate(type_oid: u32) -> &'static str {
    match type_oid {
        oid::TEXT | oid::VARCHAR | oid::BPCHAR => " COLLATE \"C\"",
        _ => "",
    }
}

/// Thousands of random values of each type, with NULLs, up and down, in both formats. The rank
/// is a number of fixed width, so that it compares as bytes.
#[test]
fn keys_of_each_type_are_in_the_servers_order() {
    with_server(async |client| {
        // Offsets with seconds, long ago; an offset of half an hour today.
        client.batch_execute("SET timezone = 'America/St_Johns'").await.expect("set");
        for (type_name, type_oid) in TYPES {
            let mut random = StdRng::seed_from_u64(23);
            let texts: Vec<Option<String>> = (0..3_000)
                .map(|n| (n % 50 > 0).then(|| values::of_type(type_name, &mut random)))
                .collect();
            let collate = collate(type_oid);
            for (direction, descending) in [("", false), (" DESC", true)] {
                let sql = format!(
                    "SELECT to_char(dense_rank() OVER (ORDER BY v{collate}{direction}), 'FM000000'), v \
                     FROM (SELECT t::{type_name} AS v FROM unnest(ARRAY[{}]::text[]) t) x \
                     ORDER BY v{collate}{direction}",
                    literals(&texts)
                );
                let order = |format| {
                    let column = Column::new(type_oid, format);
                    let sort = match descending {
                        true => SortColumn::descending(1, column),
                        false => SortColumn::ascending(1, column),
                    };
                    Order::new([sort], TextForm::DEFAULT).expect("comparable")
                };
                let binary = in_binary(&client, &sql).await;
                let text = in_text(&client, &sql).await;
                assert_eq!((binary.len(), text.len()), (texts.len(), texts.len()));
                let what = format!("{type_name}{direction}");
                assert_ranks(&order(Format::Binary), &binary, &format!("{what} in binary"));
                assert_ranks(&order(Format::Text), &text, &format!("{what} in text"));
            }
        }
    });
}

/// Orders of two and three columns of random types, directions and places of NULL.
#[test]
fn keys_of_several_columns_are_in_the_servers_order() {
    use rand::Rng;
    with_server(async |client| {
        client
            .batch_execute("SET timezone = 'Asia/Kathmandu'; SET bytea_output = 'escape'")
            .await
            .expect("set");
        let mut random = StdRng::seed_from_u64(29);
        for _ in 0..60 {
            let mut columns = Vec::new();
            let (mut terms, mut lists, mut casts) = (Vec::new(), Vec::new(), Vec::new());
            for n in 1..=random.random_range(2..=3usize) {
                let (type_name, type_oid) = TYPES[random.random_range(0..TYPES.len())];
                // Few values, so that the later columns decide often.
                let few: Vec<String> =
                    (0..4).map(|_| values::of_type(type_name, &mut random)).collect();
                let list: Vec<Option<String>> =
                    (0..150).map(|_| few.get(random.random_range(0..5)).cloned()).collect();
                lists.push(format!("ARRAY[{}]::text[]", literals(&list)));
                casts.push(format!("t{n}::{type_name} AS c{n}"));
                let (descending, nulls_first) = (random.random(), random.random());
                terms.push(format!(
                    "c{n}{} {} NULLS {}",
                    collate(type_oid),
                    if descending { "DESC" } else { "ASC" },
                    if nulls_first { "FIRST" } else { "LAST" }
                ));
                columns.push((type_oid, descending, nulls_first));
            }
            let names: Vec<String> = (1..=columns.len()).map(|n| format!("t{n}")).collect();
            let terms = terms.join(", ");
            let sql = format!(
                "SELECT to_char(dense_rank() OVER (ORDER BY {terms}), 'FM000000'), x.* \
                 FROM (SELECT {} FROM unnest({}) u ({})) x ORDER BY {terms}",
                casts.join(", "),
                lists.join(", "),
                names.join(", ")
            );
            let order = |format| {
                let sort =
                    columns.iter().enumerate().map(|(n, &(type_oid, descending, nulls_first))| {
                        let column = Column { type_oid, format, collation: Collation::C };
                        SortColumn { index: n + 1, column, descending, nulls_first }
                    });
                Order::new(sort, TextForm::DEFAULT).expect("comparable")
            };
            assert_ranks(&order(Format::Binary), &in_binary(&client, &sql).await, &terms);
            assert_ranks(&order(Format::Text), &in_text(&client, &sql).await, &terms);
        }
    });
}

/// Settings that change how dates look: what we say is read in text under any of them is.
#[test]
fn settings_hide_no_order_that_is_claimed() {
    with_server(async |client| {
        let styles = ["SQL, DMY", "German", "Postgres, MDY", "ISO, YMD"];
        for (style, interval) in
            styles.iter().zip(["iso_8601", "postgres_verbose", "sql_standard", "postgres"])
        {
            let set = format!(
                "SET datestyle = '{style}'; SET intervalstyle = '{interval}'; SET extra_float_digits = -3"
            );
            client.batch_execute(&set).await.expect("set");
            let form = TextForm::of(Some(style), Some(interval), Some("-3"));
            let mut read = Vec::new();
            for (type_name, type_oid) in TYPES {
                let column = SortColumn::ascending(1, Column::new(type_oid, Format::Text));
                let Ok(order) = Order::new([column], form) else { continue };
                read.push(type_name);
                let mut random = StdRng::seed_from_u64(43);
                let texts: Vec<Option<String>> =
                    (0..300).map(|_| Some(values::of_type(type_name, &mut random))).collect();
                let collate = collate(type_oid);
                let sql = format!(
                    "SELECT to_char(dense_rank() OVER (ORDER BY v{collate}), 'FM000000'), v \
                     FROM (SELECT t::{type_name} AS v FROM unnest(ARRAY[{}]::text[]) t) x \
                     ORDER BY v{collate}",
                    literals(&texts)
                );
                assert_ranks(
                    &order,
                    &in_text(&client, &sql).await,
                    &format!("{type_name}, {style}"),
                );
            }
            assert!(!read.contains(&"float8") && read.contains(&"timetz"), "{read:?}");
            assert_eq!(read.contains(&"date"), style.starts_with("ISO"));
            assert_eq!(read.contains(&"interval"), interval == "postgres");
        }
    });
}

/// What this server sends for each type is what its name says: no oid is mistaken.
#[test]
fn the_oids_are_the_servers() {
    with_server(async |client| {
        for (type_name, type_oid) in TYPES {
            let sql = format!(
                "SELECT '{}'::regtype::oid::int8, format_type({type_oid}, NULL)",
                type_name.trim_end_matches("(6)")
            );
            let row = client.query_one(&sql, &[]).await.expect(type_name);
            assert_eq!(row.get::<_, i64>(0), i64::from(type_oid), "{type_name}");
            assert_eq!(Some(row.get::<_, &str>(1)), oid::name(type_oid));
        }
    });
}
