//! Three voices, one answer: the library, `pgherd route`, and the SQL functions on the nodes.

use std::process::{Command, Output};

use pgherd::catalog::{Catalog, FileStore};
use pgherd::config::rules::KeyType;
use pgherd::placement::{KeyColumn, Purpose, Source, position, slot_of};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::server::{block_on, connect};
use crate::support::{PGHERD, TestHerd, Want};
use crate::values::valid;

const RULES: &str = "
keyspaces:
  - {name: small, key: smallint, tables: {a: id}}
  - {name: users, key: bigint, tables: {users: id}}
  - {name: names, key: text, tables: {names: name}}
  - {name: ids, key: uuid, tables: {ids: id}}
  - {name: sums, key: numeric, tables: {sums: total}}
  - {name: days, key: date, tables: {days: day}}
  - {name: times, key: time, tables: {times: at}}
  - {name: moments, key: timestamp, tables: {moments: at}}
  - {name: instants, key: timestamptz, tables: {instants: at}}
  - {name: events, key: [uuid, text, int], tables: {events: [tenant, kind, part]}}
  - name: numbers
    key: int
    placement:
      ranges:
        - {to: '-1000000', shard: s2}
        - {from: '-1000000', to: '0', shard: s1}
        - {from: '0', to: '77777', shard: s3}
        - {from: '77777', shard: s2}
    tables: {numbers: id}
  - name: words
    key: text
    placement: {ranges: [{to: B, shard: s3}, {from: B, to: a, shard: s2}, {from: a, to: é, shard: s1}, {from: é, shard: s2}]}
    tables: {words: word}
  - name: amounts
    key: numeric
    placement: {ranges: [{to: '-0.5', shard: s2}, {from: '-0.5', to: '1000000.25', shard: s3}, {from: '1000000.25', shard: s1}]}
    tables: {amounts: amount}
  - name: keys
    key: uuid
    placement: {ranges: [{to: '55555555-0000-0000-0000-000000000000', shard: s1}, {from: '55555555-0000-0000-0000-000000000000', shard: s2}]}
    tables: {keys: key}
  - name: history
    key: timestamptz
    placement: {ranges: [{to: '0044-03-15 12:00+00 BC', shard: s3}, {from: '0044-03-15 12:00+00 BC', to: '2024-02-29 23:59:59.5+02', shard: s1}, {from: '2024-02-29 23:59:59.5+02', shard: s2}]}
    tables: {history: at}
reference: [countries]
";

fn pgherd(herd: &TestHerd, arguments: &[&str]) -> Output {
    let mut command = Command::new(PGHERD);
    let (name, rest) = arguments.split_first().expect("a subcommand");
    command.arg(name).arg("-c").arg(herd.config()).args(rest);
    command.output().expect("pgherd runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn catalog(herd: &TestHerd) -> Catalog {
    let store = FileStore::new(herd.dir().join("catalog.json"));
    store.load().expect("a whole file").expect("a file")
}

/// Random keys of a keyspace, as text.
fn random_key(types: &[KeyType], random: &mut StdRng) -> Vec<String> {
    types.iter().map(|&key_type| valid(key_type, random)).collect()
}

#[test]
fn library_route_and_servers_agree() {
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    // Before there is a catalog, route says what it will be.
    let early = json(&pgherd(&herd, &["route", "--key", "42", "--table", "users", "--json"]));
    assert_eq!(early["recorded"], false);
    let first = said(&pgherd(&herd, &["install"]));
    assert_eq!(
        first.matches("ran 0001_placement, 0002_decisions, 0003_clock; placement written").count(),
        3,
        "{first}"
    );
    let again = said(&pgherd(&herd, &["install"]));
    assert_eq!(again.matches(": up to date").count(), 3, "{again}");

    let catalog = catalog(&herd);
    let mut random = StdRng::seed_from_u64(23);
    block_on(async {
        for (name, keyspace) in &catalog.keyspaces {
            let keys: Vec<Vec<String>> =
                (0..300).map(|_| random_key(&keyspace.key, &mut random)).collect();
            let mut ours = Vec::new();
            for key in &keys {
                let read = key.iter().zip(&keyspace.key).map(|(text, &key_type)| {
                    let column = KeyColumn { key_type, typmod: -1, server_major: 15 };
                    column.read(Source::Untyped(text.as_bytes()), Purpose::Assign).expect("a key")
                });
                let read: Vec<_> = read.collect();
                let shard = keyspace.placement.shard_of(&read);
                ours.push(catalog.shard_name(shard).expect("a name"));
            }
            assert!(ours.iter().any(|shard| *shard != ours[0]), "{name}: all on one shard");
            for shard in ["s1", "s2", "s3"] {
                let client = connect(&herd, shard).await;
                let select = client
                    .prepare("SELECT pgherd.shard_of($1, VARIADIC $2::text[])")
                    .await
                    .unwrap();
                for (key, ours) in keys.iter().zip(&ours) {
                    let row = client.query_one(&select, &[&&**name, key]).await.expect(name);
                    assert_eq!(row.get::<_, &str>(0), *ours, "{name} {key:?} on {shard}");
                }
            }
            for (key, ours) in keys.iter().zip(&ours).take(3) {
                let mut arguments = vec!["route", "--keyspace", name, "--json"];
                for column in key {
                    arguments.extend(["--key", column]);
                }
                let answer = json(&pgherd(&herd, &arguments));
                assert_eq!(answer["shard"], **ours, "{name} {key:?}");
                assert_eq!((&answer["epoch"], &answer["recorded"]), (&1.into(), &true.into()));
            }
        }
        typed_keys(&herd, &catalog).await;
    });

    let answer = json(&pgherd(&herd, &["route", "--key", "42", "--table", "users", "--json"]));
    assert_eq!(answer["shard"], early["shard"]);
    assert_eq!(answer["hash"], 8010225493015854792_i64);
    assert_eq!(answer["slot"], slot_of(8010225493015854792));
    let text = said(&pgherd(&herd, &["route", "--key", "0", "--keyspace", "numbers"]));
    assert!(text.contains("range     from 0 to below 77777\n"), "{text}");
}

/// The functions that take a key in its own type.
async fn typed_keys(herd: &TestHerd, catalog: &Catalog) {
    let client = connect(herd, "s1").await;
    let mut random = StdRng::seed_from_u64(29);
    let users = catalog.placement("users").expect("a keyspace");
    for _ in 0..300 {
        let id = random.random::<i64>() >> random.random_range(0..64);
        let key = [pgherd::placement::KeyValue::Int(id)];
        let row = client
            .query_one(
                "SELECT pgherd.shard_of('users', $1::int8), pgherd.position_of($1::int8), pgherd.slot_of($1::int8)",
                &[&id],
            )
            .await
            .expect("an answer");
        assert_eq!(Some(row.get(0)), catalog.shard_name(users.shard_of(&key)));
        assert_eq!(row.get::<_, i64>(1), position(&key));
        assert_eq!(row.get::<_, i32>(2), i32::from(slot_of(position(&key))));
    }
    let row = client
        .query_one(
            "SELECT pgherd.shard_of('users', 42) = pgherd.shard_of('users', '42'),
                    pgherd.shard_of('users', 42) = pgherd.shard_of('users', 42.0),
                    pgherd.shard_of('sums', 42) = pgherd.shard_of('sums', '42.000'),
                    pgherd.shard_of('users', NULL::int8), pgherd.shard_of('numbers', NULL)",
            &[],
        )
        .await
        .expect("an answer");
    assert_eq!((row.get(0), row.get(1), row.get(2)), (true, true, true));
    let null = users.shard_of(&[pgherd::placement::KeyValue::Null]);
    assert_eq!(Some(row.get(3)), catalog.shard_name(null));
    assert_eq!(row.get::<_, &str>(4), "s2");
    let missing = client.query_one("SELECT pgherd.shard_of('nobody', 1)", &[]).await;
    let missing = missing.expect_err("no such keyspace");
    assert_eq!(missing.code().map(|code| code.code()), Some("42704"));
}

#[test]
fn what_is_not_the_catalogs_is_refused() {
    let rules = "keyspaces: [{name: users, key: bigint, tables: {users: id}}]\n";
    let herd = TestHerd::start(&Want::sharded(2, 0, rules));
    // Before anything is recorded, a wrong command line is code 2.
    for (arguments, expected) in [
        (&["route", "--key", "x"][..], "invalid input syntax for type bigint: \"x\""),
        (&["route", "--key", "1", "--key", "2"], "has 1 column(s), and --key is given 2 time(s)"),
        (&["route", "--key", "1", "--table", "posts"], "no rule names the table public.posts"),
        (&["route", "--key", "1", "--keyspace", "k"], "there is no keyspace k; there is users"),
        (&["route", "--key", "1", "--database", "d"], "there is no database d; there is app"),
    ] {
        let output = pgherd(&herd, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said(&output).contains(expected), "{arguments:?}: {}", said(&output));
    }
    assert!(pgherd(&herd, &["install"]).status.success());

    // Nodes that changed places.
    let settings = std::fs::read_to_string(herd.config()).expect("the settings");
    let port = |shard: &str| herd.primary(shard).expect("a primary").member().port.to_string();
    let (one, two) = (port("s1"), port("s2"));
    let swapped = settings.replace(&one, "PORT").replace(&two, &one).replace("PORT", &two);
    std::fs::write(herd.config(), swapped).expect("written");
    let output = pgherd(&herd, &["install"]);
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    let swapped = "the node is of the shard s2, and the settings have it as s1";
    assert!(text.contains(swapped), "{text}");
    let output = pgherd(&herd, &["proxy"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(swapped), "{}", said(&output));
    std::fs::write(herd.config(), settings).expect("written");

    // An old copy of the catalog, and none.
    let path = herd.dir().join("catalog.json");
    let old = std::fs::read(&path).expect("the catalog");
    let store = FileStore::new(&path);
    let next = store.load().expect("whole").expect("there");
    store.replace(1, Catalog { epoch: 2, ..next }).expect("written");
    let again = said(&pgherd(&herd, &["install"]));
    assert_eq!(again.matches("placement written").count(), 2, "{again}");
    std::fs::write(&path, old).expect("written");
    let text = said(&pgherd(&herd, &["install"]));
    assert!(text.contains("has revision 2 of the catalog, and the file has revision 1"), "{text}");
    let restored = store.load().expect("whole").expect("there");
    store.replace(1, Catalog { epoch: 7, ..restored }).expect("written");
    let text = said(&pgherd(&herd, &["install"]));
    assert!(text.contains("has another catalog of the same revision 2"), "{text}");
    std::fs::remove_file(&path).expect("removed");
    let text = said(&pgherd(&herd, &["install"]));
    assert!(text.contains("the node belongs to the database "), "{text}");

    // A node from the future, and one that is down.
    std::fs::remove_file(&path).expect("removed");
    block_on(async {
        for shard in ["s1", "s2"] {
            let client = connect(&herd, shard).await;
            client.batch_execute("DROP SCHEMA pgherd CASCADE").await.expect("dropped");
        }
    });
    assert!(pgherd(&herd, &["install"]).status.success());
    block_on(async {
        let client = connect(&herd, "s1").await;
        let later = "INSERT INTO pgherd.migrations VALUES (99, 'later', '')";
        client.batch_execute(later).await.expect("inserted");
    });
    herd.primary("s2").expect("a primary").stop(pgherd::local::Stop::Immediate).expect("stopped");
    let output = pgherd(&herd, &["install"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("prepared by a later pgherd (migration 99, later)"), "{text}");
    assert!(text.contains("shard s2: no primary among 127.0.0.1:"), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
}

/// Settings that list the shards in another order: a shard is found by its name, so every
/// row written through the proxy lies where the functions on its node look for it.
#[test]
fn the_order_of_the_settings_does_not_matter() {
    const RULES: &str = "
keyspaces: [{name: users, key: bigint, tables: {users: id}}]
home_shard: s1
";
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    assert!(pgherd(&herd, &["install"]).status.success());
    let proxy = herd.proxy_with(|settings| {
        let mut blocks = settings.split("\n[[database.app.shard]]");
        let head = blocks.next().expect("what stands before the shards").to_owned();
        let shards: Vec<&str> = blocks.collect();
        assert_eq!(shards.len(), 3);
        shards.iter().rev().fold(head, |text, shard| text + "\n[[database.app.shard]]" + shard)
    });
    block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&proxy.dsn("app"), tokio_postgres::NoTls).await.expect("in");
        tokio::spawn(connection);
        let create = "CREATE TABLE users (id bigint PRIMARY KEY)";
        client.batch_execute(create).await.expect("a table");
        for id in 0..200i64 {
            let insert = format!("INSERT INTO users VALUES ({id})");
            client.batch_execute(&insert).await.expect("a row");
        }
        let mut found = 0;
        for shard in ["s1", "s2", "s3"] {
            let node = connect(&herd, shard).await;
            let astray =
                "SELECT count(*), count(*) FILTER (WHERE pgherd.shard_of('users', id) <> shard)
                          FROM users, pgherd.catalog";
            let row = node.query_one(astray, &[]).await.expect("counts");
            assert_eq!(row.get::<_, i64>(1), 0, "rows on {shard} that belong elsewhere");
            found += row.get::<_, i64>(0);
        }
        assert_eq!(found, 200);
        // EXPLAIN and the functions, through the proxy, say what `pgherd route` says.
        for id in ["0", "42", "-7", "123456789012"] {
            let route = json(&pgherd(&herd, &["route", "--key", id, "--json"]));
            let shard = route["shard"].as_str().expect("a name");
            let explain = format!("EXPLAIN SELECT * FROM users WHERE id = {id}");
            let plan = client.query(&explain, &[]).await.expect("a plan");
            let plan: &str = plan[0].get(0);
            assert!(plan.starts_with(&format!("pgherd: shard {shard} ")), "{plan}");
            let select = format!("SELECT pgherd.shard_of('users', {id}), pgherd.slot_of({id})");
            let row = client.query_one(&select, &[]).await.expect("a shard");
            assert_eq!(
                (row.get::<_, &str>(0), &row.get::<_, i32>(1).into()),
                (shard, &route["slot"])
            );
        }
    });
}
