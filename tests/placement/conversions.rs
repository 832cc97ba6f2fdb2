//! Values of other types than the key's: what the server compares and assigns, we read so.

use pgherd::config::rules::KeyType;
use pgherd::placement::{KeyColumn, NotAKey, Purpose, Source};
use tokio_postgres::{Client, Row};

use crate::server::{block_on, connect, shared};

/// Types that meet keys: name and oid. `literal` is a number in the statement's text, and
/// `unknown` a quoted literal.
const OTHERS: &[(&str, u32)] = &[
    ("int2", 21),
    ("int4", 23),
    ("int8", 20),
    ("numeric", 1700),
    ("float4", 700),
    ("float8", 701),
    ("text", 25),
    ("varchar", 1043),
    ("bpchar", 1042),
    ("name", 19),
    ("bool", 16),
    ("bytea", 17),
    ("json", 114),
    ("jsonb", 3802),
    ("uuid", 2950),
    ("date", 1082),
    ("time", 1083),
    ("timetz", 1266),
    ("timestamp", 1114),
    ("timestamptz", 1184),
    ("interval", 1186),
    ("oid", 26),
    ("money", 790),
    ("literal", 0),
    ("unknown", 705),
];

/// Texts that some of the types read.
const VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "42",
    "42.0",
    "42.5",
    "43.5",
    "-42.5",
    "41.999",
    "0.5",
    "-0.5",
    "1.25",
    "99.995",
    "999.994",
    "999.995",
    "1e3",
    "1e-7",
    "32767",
    "32768",
    "2147483647",
    "2147483648",
    "9007199254740991",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "1e30",
    "NaN",
    "Infinity",
    "-Infinity",
    "abc",
    "ab ",
    "ab    ",
    "abcd",
    "",
    "é€😀",
    "true",
    "{}",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "2024-02-29",
    "2024-02-29 00:00:00",
    "2024-02-29 12:34:56.789999",
    "2024-02-29 12:34:56.55+05:30",
    "2024-02-29 00:00:00+09",
    "2024-02-29 +00",
    "2024-02-29 -05:30",
    "2024-02-29 +0900",
    "1999-12-31 23:59:59.9995",
    "1899-01-01 00:00:00.0005",
    "infinity",
    "-infinity",
    "12:34:56.789",
    "12:34:56.25",
    "00:00",
    "0044-03-15 BC",
];

/// Numbers as the text of a statement may have them.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "42",
    "42.0",
    "42.5",
    "43.5",
    "1e3",
    ".5",
    "5.",
    "1.5e2",
    "99.995",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "123456789012345678901234567890",
];

/// Keys to compare with: type and values.
const KEYS: &[(KeyType, &str, &[&str])] = &[
    (KeyType::Int2, "int2", &["0", "1", "42", "43", "-42", "-43", "32767", "1000"]),
    (KeyType::Int4, "int4", &["0", "1", "42", "43", "-42", "-43", "32768", "2147483647", "1000"]),
    (
        KeyType::Int8,
        "int8",
        &[
            "0",
            "-1",
            "42",
            "43",
            "2147483648",
            "9007199254740991",
            "9007199254740993",
            "9223372036854775807",
        ],
    ),
    (KeyType::Text, "text", &["", "abc", "ab ", "ab    ", "42", "é€😀", "true", "42.0"]),
    (KeyType::Text, "varchar", &["", "abc", "ab", "42"]),
    (KeyType::Uuid, "uuid", &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    (
        KeyType::Numeric,
        "numeric",
        &["0", "42", "42.5", "1000", "NaN", "Infinity", "0.0000001", "9223372036854775808"],
    ),
    (KeyType::Date, "date", &["2024-02-29", "infinity", "2024-02-28", "0044-03-15 BC"]),
    (KeyType::Time, "time", &["12:34:56.789", "00:00"]),
    (
        KeyType::Timestamp,
        "timestamp",
        &["2024-02-29 00:00:00", "2024-02-29 12:34:56.789999", "infinity"],
    ),
    (
        KeyType::TimestampTz,
        "timestamptz",
        &["2024-02-29 00:00:00+09", "2024-02-29 12:34:56.55+05:30", "-infinity"],
    ),
];

/// Runs a statement that gives text; its outcome, or the error.
const RUN: &str = "
    CREATE FUNCTION pg_temp.run(statement text, OUT outcome text, OUT state text, OUT message text)
    LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE statement INTO outcome;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END $$";

/// All statements in one round trip.
async fn run(client: &Client, statements: &[String]) -> Vec<Row> {
    let sql = "SELECT r.* FROM unnest($1::text[]) WITH ORDINALITY AS i (t, n), \
               LATERAL pg_temp.run(t) r ORDER BY n";
    client.query(sql, &[&statements]).await.expect("outcomes")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value as an SQL expression of the type.
fn expression(type_name: &str, text: &str) -> String {
    match type_name {
        "literal" => text.to_owned(),
        "unknown" => quoted(text),
        _ => format!("{}::{type_name}", quoted(text)),
    }
}

fn source<'a>(type_oid: u32, type_name: &str, text: &'a str) -> Source<'a> {
    match (type_name, text.strip_prefix('-')) {
        ("literal", Some(number)) => Source::Number { text: number, negative: true },
        ("literal", None) => Source::Number { text, negative: false },
        ("unknown", _) => Source::Untyped(text.as_bytes()),
        _ => Source::Text { type_oid, value: text.as_bytes() },
    }
}

fn texts(type_name: &str) -> Vec<String> {
    if type_name != "literal" {
        return VALUES.iter().map(|text| (*text).to_owned()).collect();
    }
    NUMBERS.iter().flat_map(|number| [(*number).to_owned(), format!("-{number}")]).collect()
}

/// Whether the text isn't even a value of a type that has no way to a key: which of the two
/// errors comes first depends on whether it is a literal or a parameter.
fn is_no_value(type_name: &str, row: &Row) -> bool {
    let state: Option<&str> = row.get(1);
    matches!(type_name, "bool" | "bytea" | "json" | "jsonb")
        && state.is_some_and(|state| state.starts_with("22"))
}

async fn client() -> Client {
    let client = connect(shared(), "s1").await;
    client.batch_execute("SET timezone = 'Asia/Tokyo'").await.expect("set");
    client.batch_execute(RUN).await.expect("a function");
    client
}

/// `key = value`: where the server finds a key equal, we read that key; where we read a
/// key, the server finds it equal; where we say that there is no such operator, the server does.
#[test]
fn comparisons_are_the_servers() {
    block_on(async {
        let client = client().await;
        for &(key_type, key_name, keys) in KEYS {
            let column = KeyColumn { key_type, typmod: -1, server_major: 15 };
            let hashes: Vec<i64> = keys.iter().map(|key| hash_of(&column, key)).collect();
            for &(other, oid) in OTHERS {
                for text in texts(other) {
                    let value = expression(other, &text);
                    let outcome = column.read(source(oid, other, &text), Purpose::Compare);
                    let mut statements: Vec<String> = keys
                        .iter()
                        .map(|key| format!("SELECT {}::{key_name} = {value}", quoted(key)))
                        .collect();
                    if let Ok(key) = &outcome {
                        let key = quoted(&key.to_text(key_type));
                        statements.push(format!("SELECT {key}::{key_name} = {value}"));
                    }
                    let rows = run(&client, &statements).await;
                    if is_no_value(other, &rows[0]) {
                        continue;
                    }
                    let what = format!("{key_name} = {other} {text:?}: {outcome:?}");
                    check_comparison(&what, &outcome.map(|key| key.hash()), &hashes, &rows);
                }
            }
        }
    });
}

fn hash_of(column: &KeyColumn, text: &str) -> i64 {
    let key = column.read(Source::Untyped(text.as_bytes()), Purpose::Compare);
    key.unwrap_or_else(|why| panic!("{text:?}: {why}")).hash()
}

fn check_comparison(what: &str, outcome: &Result<i64, NotAKey>, hashes: &[i64], rows: &[Row]) {
    let said = |row: &Row| -> (Option<String>, Option<String>, Option<String>) {
        (row.get(0), row.get(1), row.get(2))
    };
    match outcome {
        Err(NotAKey::Unsure(_)) => {}
        Err(NotAKey::NoKey) => {
            for row in rows {
                assert_eq!(said(row).0.as_deref(), Some("false"), "{what}");
            }
        }
        Err(NotAKey::Invalid { sqlstate, message } | NotAKey::Mismatch { sqlstate, message }) => {
            for row in rows {
                let (_, state, text) = said(row);
                // A key of type varchar is told from one of type text by nothing that we have.
                let text =
                    text.map(|text| text.replace("exist: character varying =", "exist: text ="));
                assert_eq!(
                    (state.as_deref(), text.as_deref()),
                    (Some(*sqlstate), Some(&**message)),
                    "{what}"
                );
            }
        }
        Ok(hash) => {
            assert_eq!(rows.len(), hashes.len() + 1);
            assert_eq!(said(&rows[hashes.len()]).0.as_deref(), Some("true"), "{what}");
            for (row, key) in rows.iter().zip(hashes) {
                let equal = said(row).0;
                assert!(equal.as_deref() == Some("false") || hash == key, "{what} {equal:?}");
            }
        }
    }
}

/// INSERT of a value: we read the key that the row gets, or the error. Columns with a
/// length, a precision or a scale among them.
#[test]
fn assignments_are_the_servers() {
    const COLUMNS: &[(KeyType, &str)] = &[
        (KeyType::Int2, "int2"),
        (KeyType::Int4, "int4"),
        (KeyType::Int8, "int8"),
        (KeyType::Text, "text"),
        (KeyType::Text, "varchar"),
        (KeyType::Text, "varchar(3)"),
        (KeyType::Uuid, "uuid"),
        (KeyType::Numeric, "numeric"),
        (KeyType::Numeric, "numeric(5,2)"),
        (KeyType::Numeric, "numeric(3)"),
        (KeyType::Numeric, "numeric(3,-2)"),
        (KeyType::Numeric, "numeric(2,4)"),
        (KeyType::Date, "date"),
        (KeyType::Time, "time"),
        (KeyType::Time, "time(1)"),
        (KeyType::Timestamp, "timestamp"),
        (KeyType::Timestamp, "timestamp(0)"),
        (KeyType::Timestamp, "timestamp(3)"),
        (KeyType::TimestampTz, "timestamptz"),
        (KeyType::TimestampTz, "timestamptz(1)"),
    ];
    block_on(async {
        let client = client().await;
        for &(key_type, type_name) in COLUMNS {
            let create = format!(
                "DROP TABLE IF EXISTS pg_temp.target; CREATE TEMP TABLE target (key {type_name})"
            );
            client.batch_execute(&create).await.expect("a table");
            let sql = "SELECT atttypmod FROM pg_attribute WHERE attrelid = 'pg_temp.target'::regclass AND attname = 'key'";
            let typmod = client.query_one(sql, &[]).await.expect("a column").get(0);
            let column = KeyColumn { key_type, typmod, server_major: 15 };
            for &(other, oid) in OTHERS {
                let texts = texts(other);
                let inserts: Vec<String> = texts
                    .iter()
                    .map(|text| {
                        let value = expression(other, text);
                        format!("INSERT INTO target VALUES ({value}) RETURNING hash_record_extended(ROW(key), 0)")
                    })
                    .collect();
                for (text, row) in texts.iter().zip(run(&client, &inserts).await) {
                    let (hash, state, message): (Option<&str>, Option<&str>, Option<&str>) =
                        (row.get(0), row.get(1), row.get(2));
                    if is_no_value(other, &row) {
                        continue;
                    }
                    let outcome = column.read(source(oid, other, text), Purpose::Assign);
                    let what = format!(
                        "{type_name} := {other} {text:?}: {outcome:?} {state:?} {message:?}"
                    );
                    match outcome {
                        Ok(key) => assert_eq!(hash, Some(&*key.hash().to_string()), "{what}"),
                        Err(NotAKey::Unsure(_)) => {}
                        Err(NotAKey::NoKey) => panic!("{what}"),
                        Err(NotAKey::Invalid { sqlstate, message: ours }) => {
                            assert_eq!((state, message), (Some(sqlstate), Some(&*ours)), "{what}");
                        }
                        // The server names the column.
                        Err(NotAKey::Mismatch { sqlstate, message: ours }) => {
                            let theirs =
                                message.map(|theirs| theirs.replace("column \"key\"", "column"));
                            assert_eq!((state, theirs), (Some(sqlstate), Some(ours)), "{what}");
                        }
                    }
                }
            }
        }
    });
}

/// The binary form of a value says what its text form says.
#[test]
fn binary_and_text_agree() {
    use crate::live::Raw;
    block_on(async {
        let client = client().await;
        let binary_types =
            OTHERS.iter().filter(|(name, _)| !matches!(*name, "literal" | "unknown"));
        for &(other, oid) in binary_types {
            for text in VALUES {
                let sql =
                    format!("SELECT v, v::text FROM (SELECT {} AS v) x", expression(other, text));
                // What the type doesn't read has no binary form.
                let Ok(row) = client.query_one(&sql, &[]).await else { continue };
                let (binary, shown): (Raw, &str) = (row.get(0), row.get(1));
                let binary = binary.0.expect("a value");
                for &(key_type, key_name, _) in KEYS {
                    let column = KeyColumn { key_type, typmod: -1, server_major: 15 };
                    for purpose in [Purpose::Compare, Purpose::Assign] {
                        let by_binary =
                            column.read(Source::Binary { type_oid: oid, value: &binary }, purpose);
                        let by_text = column
                            .read(Source::Text { type_oid: oid, value: shown.as_bytes() }, purpose);
                        let known = !matches!(by_text, Err(NotAKey::Unsure(_)));
                        assert!(
                            !known || by_binary == by_text,
                            "{key_name} {other} {text:?}: {by_binary:?} {by_text:?}"
                        );
                    }
                }
            }
        }
    });
}
