//! The same answer as the server: hashes, input, and conversions of values that it hashes,
//! reads and converts itself.

use std::error::Error;

use pgherd::config::rules::KeyType;
use pgherd::placement::{KeyColumn, KeyValue, NotAKey, Purpose, Source, position};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client;
use tokio_postgres::types::{FromSql, Type};

use crate::server::{block_on, connect, shared};
use crate::values::{self, SERVER_NAMES};

/// A field as it came over the wire.
pub struct Raw(pub Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn Error + Sync + Send>> {
        Ok(Raw(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Raw, Box<dyn Error + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

async fn major(client: &Client) -> u32 {
    let row = client.query_one("SELECT current_setting('server_version_num')::int4", &[]).await;
    row.expect("a version").get::<_, i32>(0) as u32 / 10_000
}

fn column(key_type: KeyType, server_major: u32) -> KeyColumn {
    KeyColumn { key_type, typmod: -1, server_major }
}

/// Ten thousand random values of each type: read from binary and from text, each hashes as
/// the server hashes it, under the column's own hash function and in a row.
#[test]
fn random_values_lie_where_the_server_puts_them() {
    block_on(async {
        let client = connect(shared(), "s1").await;
        client
            .batch_execute("SET timezone = 'Asia/Tokyo'; SET extra_float_digits = 1")
            .await
            .unwrap();
        let major = major(&client).await;
        for (key_type, name) in SERVER_NAMES {
            let mut random = StdRng::seed_from_u64(7);
            let texts: Vec<String> =
                (0..10_000).map(|_| values::valid(key_type, &mut random)).collect();
            let sql = format!(
                "SELECT v, v::text, hash_record_extended(ROW(v), 0), t \
                 FROM unnest($1::text[]) WITH ORDINALITY AS i (t, n), LATERAL (SELECT t::{name} AS v) x ORDER BY n"
            );
            let rows = client.query(&sql, &[&texts]).await.expect(name);
            assert_eq!(rows.len(), 10_000);
            let column = column(key_type, major);
            for row in rows {
                let binary: Raw = row.get(0);
                let binary = binary.0.expect("a value");
                let text: &str = row.get(1);
                let hash: i64 = row.get(2);
                let original: &str = row.get(3);
                for source in [
                    Source::UntypedBinary(&binary),
                    Source::Untyped(text.as_bytes()),
                    Source::Untyped(original.as_bytes()),
                ] {
                    for purpose in [Purpose::Compare, Purpose::Assign] {
                        match column.read(source, purpose) {
                            Ok(key) => {
                                assert_eq!(key.hash(), hash, "{name} {original:?}");
                                assert_eq!(position(&[key]), hash);
                            }
                            other => panic!("{name} {original:?}: {other:?}"),
                        }
                    }
                }
                // What we write, the server reads as the same value.
                let key = column.read(Source::UntypedBinary(&binary), Purpose::Compare).unwrap();
                let again = key.to_text(key_type);
                let read = column.read(Source::Untyped(again.as_bytes()), Purpose::Compare);
                assert_eq!(read, Ok(key), "{name} {original:?}");
            }
        }
    });
}

/// What we write for a key, the server reads as that key.
#[test]
fn the_server_reads_what_we_write() {
    block_on(async {
        let client = connect(shared(), "s1").await;
        let major = major(&client).await;
        for (key_type, name) in SERVER_NAMES {
            let mut random = StdRng::seed_from_u64(11);
            let column = column(key_type, major);
            let mut hashes = Vec::new();
            let mut texts = Vec::new();
            for _ in 0..2_000 {
                let text = values::valid(key_type, &mut random);
                let key = column.read(Source::Untyped(text.as_bytes()), Purpose::Compare).unwrap();
                hashes.push(key.hash());
                texts.push(key.to_text(key_type));
            }
            let sql = format!(
                "SELECT hash_record_extended(ROW(t::{name}), 0) \
                 FROM unnest($1::text[]) WITH ORDINALITY AS i (t, n) ORDER BY n"
            );
            let rows = client.query(&sql, &[&texts]).await.expect(name);
            let server: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(server, hashes, "{name}");
        }
    });
}

/// Keys of two and three columns of random types, one in eight of them NULL.
#[test]
fn composite_keys_lie_where_the_server_puts_them() {
    block_on(async {
        let client = connect(shared(), "s1").await;
        client.batch_execute("SET timezone = 'America/New_York'").await.unwrap();
        let major = major(&client).await;
        let mut random = StdRng::seed_from_u64(13);
        for _ in 0..50 {
            let columns: Vec<(KeyType, &str)> = (0..random.random_range(2..=3))
                .map(|_| SERVER_NAMES[random.random_range(0..SERVER_NAMES.len())])
                .collect();
            let mut lists: Vec<Vec<Option<String>>> = vec![Vec::new(); columns.len()];
            for _ in 0..200 {
                for (list, (key_type, _)) in lists.iter_mut().zip(&columns) {
                    let some = random.random_range(0..8) > 0;
                    list.push(some.then(|| values::valid(*key_type, &mut random)));
                }
            }
            let arrays: Vec<String> =
                (1..=columns.len()).map(|n| format!("${n}::text[]")).collect();
            let names: Vec<String> = (1..=columns.len()).map(|n| format!("c{n}")).collect();
            let casts: Vec<String> =
                names.iter().zip(&columns).map(|(n, (_, t))| format!("{n}::{t}")).collect();
            let sql = format!(
                "SELECT hash_record_extended(ROW({}), 0) FROM unnest({}) WITH ORDINALITY AS i ({}, n) ORDER BY n",
                casts.join(", "),
                arrays.join(", "),
                names.join(", ")
            );
            let parameters: Vec<_> =
                lists.iter().map(|l| l as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
            let rows = client.query(&sql, &parameters).await.expect("hashes");
            for (n, row) in rows.iter().enumerate() {
                let key: Vec<KeyValue<'_>> = lists
                    .iter()
                    .zip(&columns)
                    .map(|(list, (key_type, _))| match &list[n] {
                        None => KeyValue::Null,
                        Some(text) => column(*key_type, major)
                            .read(Source::Untyped(text.as_bytes()), Purpose::Assign)
                            .expect("a key"),
                    })
                    .collect();
                assert_eq!(position(&key), row.get::<_, i64>(0), "{key:?}");
            }
        }
    });
}

/// One expression for keys of every shape, also where only built-ins are taken: in the row
/// filter of a publication.
#[test]
fn the_expression_is_accepted_in_row_filters() {
    block_on(async {
        let client = connect(shared(), "s1").await;
        let columns: Vec<String> =
            SERVER_NAMES.iter().enumerate().map(|(n, (_, name))| format!("c{n} {name}")).collect();
        let names: Vec<String> = (0..columns.len()).map(|n| format!("c{n}")).collect();
        let table = format!("CREATE TABLE filtered ({})", columns.join(", "));
        client.batch_execute(&table).await.expect("a table");
        let keys = names.iter().map(String::as_str).chain(["c0, c3, c6"]);
        for (n, key) in keys.enumerate() {
            let publication = format!(
                "CREATE PUBLICATION p{n} FOR TABLE filtered WHERE \
                 (width_bucket(hash_record_extended(ROW({key}), 0), '{{-5, 9}}'::int8[]) IN (0, 2))"
            );
            client.batch_execute(&publication).await.unwrap_or_else(|why| panic!("{key}: {why}"));
        }
    });
}

/// Texts that are nearly values: what we read, the server reads so; what we call invalid,
/// it refuses with the same code and message.
#[test]
fn doubtful_texts_are_read_as_the_server_reads_them() {
    block_on(async {
        let client = connect(shared(), "s1").await;
        client.batch_execute("SET timezone = 'Asia/Tokyo'").await.unwrap();
        client.batch_execute(TRY).await.expect("a function");
        let major = major(&client).await;
        for (key_type, name) in SERVER_NAMES {
            let mut random = StdRng::seed_from_u64(17);
            let mut texts: Vec<String> =
                values::EDGES.iter().map(|text| (*text).to_owned()).collect();
            texts.extend((0..8_000).map(|_| values::doubtful(key_type, &mut random)));
            let rows = client
                .query(
                    "SELECT r.* FROM unnest($1::text[]) WITH ORDINALITY AS i (t, n), \
                     LATERAL pg_temp.try_read(t, $2) r ORDER BY n",
                    &[&texts, &name],
                )
                .await
                .expect(name);
            let mut unsure = 0;
            for (text, row) in texts.iter().zip(rows) {
                let (hash, state, message): (Option<i64>, Option<&str>, Option<&str>) =
                    (row.get(0), row.get(1), row.get(2));
                let source = Source::Untyped(text.as_bytes());
                match column(key_type, major).read(source, Purpose::Compare) {
                    Ok(key) => assert_eq!(Some(key.hash()), hash, "{name} {text:?} {message:?}"),
                    Err(NotAKey::Invalid { sqlstate, message: ours }) => {
                        assert_eq!(
                            (Some(sqlstate), Some(ours.as_str())),
                            (state, message),
                            "{name} {text:?}"
                        );
                    }
                    Err(NotAKey::Unsure(_)) => unsure += 1,
                    Err(other) => panic!("{name} {text:?}: {other:?}"),
                }
            }
            // Dates have many forms that we leave alone; the rest has nearly none.
            println!("{name}: unsure of {unsure} of {}", texts.len());
            let dates = matches!(
                key_type,
                KeyType::Date | KeyType::Time | KeyType::Timestamp | KeyType::TimestampTz
            );
            assert!(dates || unsure < texts.len() / 50, "{name}: unsure of {unsure}");
        }
    });
}

const TRY: &str = "
    CREATE FUNCTION pg_temp.try_read(t text, name text, OUT hash int8, OUT state text, OUT message text)
    LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('SELECT hash_record_extended(ROW(%L::%s), 0)', t, name) INTO hash;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END $$";
