//! The catalog file: what is written comes back, what is damaged is refused, and a writer
//! that is killed leaves the old version or the new one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use pgherd::catalog::{Catalog, Error, FileStore, ShardRecord, open_or_create, propose};
use pgherd::config::parse_rules;
use pgherd::config::rules::Rules;
use pgherd::placement::{KeyValue, Placement, ShardId};

const RULES: &str = "
keyspaces:
  - name: users
    key: bigint
    tables: {users: id, posts: user_id}
  - name: events
    key: [uuid, text]
    placement: {ring: {virtual_nodes: 64, weights: {s1: 3}}}
    tables: {events: [tenant, name]}
  - name: days
    key: date
    placement:
      ranges:
        - {to: '2020-01-01', shard: s2}
        - {from: '2020-01-01', to: '2024-07-01', shard: s1}
        - {from: '2024-07-01', shard: s3}
    tables: {days: day}
reference: [countries]
home: [settings]
home_shard: s2
";

fn rules(text: &str) -> Rules {
    parse_rules(Path::new("rules.yaml"), text, None).unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

const SHARDS: &[&str] = &["s1", "s2", "s3"];

fn store() -> (tempfile::TempDir, FileStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = FileStore::new(directory.path().join("catalog.json"));
    (directory, store)
}

#[test]
fn a_catalog_comes_back_as_it_was_made() {
    let (_directory, store) = store();
    let made = open_or_create(&store, &rules(RULES), SHARDS).expect("a catalog");
    assert_eq!(store.load().expect("a file"), Some(made.clone()));
    assert_eq!(open_or_create(&store, &rules(RULES), SHARDS).expect("the same"), made);
    assert_eq!((made.epoch, made.revision, made.home), (1, 1, ShardId(1)));
    let Some(Placement::Ring(events)) = made.placement("events") else { panic!("no ring") };
    assert_eq!(events.counts(), [39_322, 13_107, 13_107]);
    let days = made.placement("days").expect("ranges");
    // 2020-01-01 and the day before.
    assert_eq!(days.shard_of(&[KeyValue::Date(7_305)]), ShardId(0));
    assert_eq!(days.shard_of(&[KeyValue::Date(7_304)]), ShardId(1));
    assert_eq!(days.shard_of(&[KeyValue::Null]), ShardId(2));
}

#[test]
fn each_database_has_its_own_id() {
    let id = || propose(&rules(RULES), SHARDS).expect("a catalog").database_id;
    assert_ne!(id(), id());
}

#[test]
fn new_tables_and_keyspaces_are_noted() {
    let (_directory, store) = store();
    let first = open_or_create(&store, &rules(RULES), SHARDS).expect("a catalog");
    let more = RULES
        .replace("posts: user_id", "posts: user_id, likes: user_id")
        .replace("reference:", "  - {name: orgs, key: int, tables: {orgs: id}}\nreference:");
    let second = open_or_create(&store, &rules(&more), SHARDS).expect("a larger one");
    assert_eq!(second.revision, 2);
    assert_eq!(second.database_id, first.database_id);
    assert_eq!(second.tables.len(), first.tables.len() + 2);
    assert!(second.placement("orgs").is_some());
    // A keyspace that went and comes back lies as it did.
    let third = open_or_create(&store, &rules(RULES), SHARDS).expect("a smaller one");
    assert_eq!(third.tables, first.tables);
    assert_eq!(third.placement("orgs"), second.placement("orgs"));
}

#[test]
fn what_does_not_fit_is_refused_and_said() {
    let cases: &[(&str, &str, &[&str], &str)] = &[
        ("", "", &["s1", "s2"], "the settings have no shard s3"),
        ("", "", &["s1", "s2", "s3", "s4"], "does not know the shard s4"),
        (
            "key: bigint",
            "key: int4",
            SHARDS,
            "the key of keyspace users is (int4) there and (int8)",
        ),
        (
            "{ring: {virtual_nodes: 64, weights: {s1: 3}}}",
            "{ring: {virtual_nodes: 32}}",
            SHARDS,
            "",
        ),
        ("posts: user_id", "posts: id", SHARDS, "public.posts is split by (id) in keyspace users"),
        ("name: users", "name: people", SHARDS, "public.users is split by (id) in keyspace people"),
        ("[countries]", "[countries, posts]", SHARDS, ""),
        ("", "", &["s3", "s2", "s1"], ""),
        ("home_shard: s2", "home_shard: s1", SHARDS, "the home tables lie on s2"),
        ("home_shard: s2", "", SHARDS, "the home tables lie on s2"),
        (
            "reference: [countries]",
            "unlisted: home",
            SHARDS,
            "public.countries is not in the rules",
        ),
    ];
    for (from, to, shards, expected) in cases {
        let (_directory, store) = store();
        open_or_create(&store, &rules(RULES), SHARDS).expect("a catalog");
        let changed = RULES.replace(from, to);
        // A table that is named twice doesn't get this far.
        let Ok(changed) = parse_rules(Path::new("rules.yaml"), &changed, None) else { continue };
        let outcome = open_or_create(&store, &changed, shards);
        match outcome {
            Err(error @ Error::Misfit { .. }) => {
                let text = error.to_string();
                assert!(!expected.is_empty() && text.contains(expected), "{from} → {to}: {text}");
            }
            Ok(_) => assert!(expected.is_empty(), "{from} → {to} was accepted"),
            Err(other) => panic!("{from} → {to}: {other}"),
        }
    }
}

#[test]
fn another_kind_of_placement_is_refused() {
    let (_directory, store) = store();
    let ring = "keyspaces: [{name: k, key: int, tables: {t: id}}]";
    let ranges =
        "keyspaces: [{name: k, key: int, placement: {ranges: [{shard: s1}]}, tables: {t: id}}]";
    open_or_create(&store, &rules(ring), SHARDS).expect("a catalog");
    let error = open_or_create(&store, &rules(ranges), SHARDS).expect_err("another kind");
    assert!(error.to_string().contains("is ranges there and a ring in the catalog"), "{error}");
}

#[test]
fn ranges_with_gaps_and_overlaps_name_their_line() {
    let cases: &[(&str, &str)] = &[
        (
            "- {to: '10', shard: s1}\n- {from: '11', shard: s2}",
            "line 8 of the rules, the keyspace k: no range holds the keys from 10 to 11",
        ),
        (
            "- {to: '10', shard: s1}\n- {from: '9', shard: s2}",
            "line 8 of the rules, the keyspace k: the range overlaps the range of line 7",
        ),
        (
            "- {from: '9', shard: s2}\n- {to: '10', shard: s1}",
            "line 7 of the rules, the keyspace k: the range overlaps the range of line 8",
        ),
        (
            "- {to: '10', shard: s1}\n- {from: '10', to: '20', shard: s2}",
            "line 8 of the rules, the keyspace k: no range holds the keys from 20 up",
        ),
        (
            "- {from: '1', shard: s1}",
            "line 7 of the rules, the keyspace k: no range holds the keys below 1",
        ),
        (
            "- {to: '10', shard: s1}\n- {from: '10', to: '10', shard: s2}\n- {from: '10', shard: s1}",
            "line 8 of the rules, the keyspace k: the range from 10 to 10 is empty",
        ),
        ("- {shard: s1}\n- {shard: s2}", "line 8 of the rules, the keyspace k: the range overlaps"),
        (
            "- {to: ten, shard: s1}\n- {from: ten, shard: s2}",
            "line 7 of the rules, the keyspace k: a bound of the range: invalid input syntax for type bigint: \"ten\"",
        ),
        ("- {to: '10', shard: s9}\n- {from: '10', shard: s2}", "the range lies on shard \"s9\""),
    ];
    for (ranges, expected) in cases {
        let ranges = ranges.replace('\n', "\n        ");
        let text = format!(
            "keyspaces:\n  - name: k\n    key: bigint\n    tables: {{t: id}}\n    placement:\n      ranges:\n        {ranges}\n"
        );
        let error = propose(&rules(&text), SHARDS).expect_err("a fault").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn two_writers_do_not_undo_each_other() {
    let (_directory, store) = store();
    let made = open_or_create(&store, &rules(RULES), SHARDS).expect("a catalog");
    let next = Catalog { epoch: 2, ..made.clone() };
    let written = store.replace(1, next).expect("the next");
    assert_eq!((written.revision, written.epoch), (2, 2));
    let late = store.replace(1, Catalog { epoch: 3, ..made });
    assert!(matches!(late, Err(Error::Conflict { expected: 1, found: 2, .. })));
    assert_eq!(store.load().expect("a file"), Some(written.clone()));
    assert!(matches!(store.create(&written), Err(Error::Exists { .. })));
}

/// Every truncation and every changed byte is refused, never read as something else.
#[test]
fn a_damaged_file_is_refused() {
    let (_directory, store) = store();
    let small = "keyspaces: [{name: k, key: int, placement: {ranges: [{to: '5', shard: s1}, {from: '5', shard: s2}]}, tables: {t: id}}]";
    let made = open_or_create(&store, &rules(small), SHARDS).expect("a catalog");
    let whole = fs::read(store.path()).expect("the file");
    for length in 0..whole.len() - 1 {
        fs::write(store.path(), &whole[..length]).expect("a shorter file");
        let outcome = store.load();
        assert!(matches!(outcome, Err(Error::Damaged { .. })), "{length}: {outcome:?}");
    }
    for at in 0..whole.len() - 1 {
        let mut bytes = whole.clone();
        bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
        fs::write(store.path(), &bytes).expect("a changed file");
        match store.load() {
            Err(Error::Damaged { .. } | Error::Format { .. }) => {}
            outcome => panic!("byte {at}: {outcome:?}"),
        }
    }
    fs::write(store.path(), &whole).expect("the file");
    assert_eq!(store.load().expect("the file"), Some(made));
}

#[test]
fn another_format_is_named() {
    let (_directory, store) = store();
    fs::write(store.path(), r#"{"format": 2, "something": "else"}"#).expect("a file");
    let error = store.load().expect_err("another format").to_string();
    assert!(error.contains("has format 2, and this pgherd knows 1"), "{error}");
}

/// The environment variable that makes [`writer`] write.
const WRITER: &str = "PGHERD_TEST_CATALOG_WRITER";

/// Not a test: the process that the next one kills. It adds shards and writes for ever.
#[test]
fn writer() {
    let Ok(path) = env::var(WRITER) else { return };
    let store = FileStore::new(path);
    for _ in 0..100_000 {
        let mut catalog = store.load().expect("a whole file").expect("a file");
        let seen = catalog.revision;
        catalog.shards.truncate(3);
        let removed = (0..seen % 500)
            .map(|n| ShardRecord { name: format!("removed{n}").into(), removed: true });
        catalog.shards.extend(removed);
        store.replace(seen, catalog).expect("written");
    }
}

/// The file's revision; its content has to be the one of that revision.
fn revision(store: &FileStore) -> u64 {
    let catalog = store.load().expect("a whole file").expect("a file");
    let removed = if catalog.revision == 1 { 0 } else { (catalog.revision - 1) % 500 };
    assert_eq!(catalog.shards.len() as u64, 3 + removed);
    catalog.revision
}

#[test]
fn a_killed_writer_leaves_a_whole_file() {
    let (directory, store) = store();
    open_or_create(&store, &rules(RULES), SHARDS).expect("a catalog");
    for round in 0..30u64 {
        let before = revision(&store);
        let mut writer = Command::new(env::current_exe().expect("this program"))
            .args(["catalog::writer", "--exact"])
            .env(WRITER, store.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("a writer");
        // Every look meanwhile finds a whole file, too.
        let deadline = Instant::now() + Duration::from_secs(30);
        while revision(&store) == before {
            assert!(Instant::now() < deadline, "the writer doesn't write");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(round * 1_700 % 9_000));
        writer.kill().expect("killed");
        writer.wait().expect("gone");
        revision(&store);
    }
    // Nothing is left that grows: the file, its lock, and at most one unfinished version.
    assert!(fs::read_dir(directory.path()).expect("a directory").count() <= 3);
}
