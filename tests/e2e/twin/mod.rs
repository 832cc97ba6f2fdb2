//! pgherd over several shards answers as one plain Postgres with all the rows does, or refuses.
//!
//! Each statement runs on pgherd over three shards (by a ring) and over four (by ranges), and
//! on a twin of each, a database on one server; by the simple and by the extended protocol, with
//! results as text and in binary, whole and by portions. What a client sees has to be the same:
//! the columns' names and types, rows, their order as far as the statement says one, command
//! tags, SQLSTATEs, the state of the transaction; and after writes the rows of all tables, each
//! on its shard. A refusal is not a difference; it is counted by its reason.
//!
//! - `one_shard.rs`: what one shard answers, by a driver.
//! - `cases.rs`: cases that were written by hand, with marks where they are refused. When a
//!   refusal is lifted, the test says which mark to take away; `PGHERD_BLESS=1` writes the marks
//!   as they are now. `PGHERD_TWIN_CASES=order` runs the files with that in their names.
//! - `random.rs`: random schemas, rows and statements from a seed, made in `generate/`.
//!   `PGHERD_TWIN_SEED=7` (1 unless written) and `PGHERD_TWIN_STATEMENTS=100000` (2000) choose
//!   others; `PGHERD_TWIN_ONLY=123` runs one statement of the seed and prints what was answered;
//!   `PGHERD_TWIN_OPEN=1` prints those that leave their answer open, which is the generator's
//!   fault.
//!
//! With `-- --nocapture` they print how many were answered, and why the others were refused.

mod answer;
mod cases;
mod client;
mod generate;
mod one_shard;
mod place;
mod random;
mod tally;

use std::path::Path;

use cases::{File, Report};
use place::{Keyspace, Place, World};

/// The tables of `cases/schema.sql`.
fn world() -> World {
    let keyspace = |name: &str, key: &[&str], bounds: &[&str], tables: &[(&str, &[&str])]| {
        let owned =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let tables = tables.iter().map(|(table, key)| ((*table).to_owned(), owned(key)));
        Keyspace {
            name: name.into(),
            key: owned(key),
            bounds: owned(bounds),
            tables: tables.collect(),
        }
    };
    let users: &[(&str, &[&str])] = &[
        ("users", &["id"]),
        ("posts", &["user_id"]),
        ("likes", &["user_id"]),
        ("measures", &["k"]),
        ("nobody", &["id"]),
        ("lone", &["id"]),
        ("logged", &["id"]),
        ("tickets", &["id"]),
    ];
    World {
        keyspaces: vec![
            keyspace("users", &["bigint"], &["10", "20", "30"], users),
            keyspace(
                "people",
                &["text"],
                &["f", "m", "t"],
                &[("people", &["login"]), ("codes", &["code"])],
            ),
            keyspace("items", &["uuid"], &UUIDS, &[("items", &["u"]), ("slips", &["u"])]),
            keyspace("visits", &["date"], &DATES, &[("visits", &["day"])]),
            keyspace("orders", &["integer", "text"], &[], &[("orders", &["tenant", "region"])]),
        ],
        reference: vec!["countries".into(), "rates".into(), "units".into()],
        home: vec!["settings".into()],
        schema: include_str!("cases/tables/schema.sql").into(),
        views: Vec::new(),
        rows: include_str!("cases/tables/rows.sql").into(),
    }
}

const UUIDS: [&str; 3] = [
    "40000000-0000-0000-0000-000000000000",
    "80000000-0000-0000-0000-000000000000",
    "c0000000-0000-0000-0000-000000000000",
];
const DATES: [&str; 3] = ["2025-01-01", "2025-07-01", "2026-01-01"];

#[test]
fn cases_are_answered_as_marked() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/twin/cases");
    let only = std::env::var("PGHERD_TWIN_CASES").unwrap_or_default();
    let bless = std::env::var_os("PGHERD_BLESS").is_some();
    let entries = std::fs::read_dir(directory).expect("the cases are there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.is_file() && path.to_string_lossy().contains(&only));
    paths.sort();
    let mut place = Place::new("cases", &world());
    let mut all = Report::default();
    for path in paths {
        let mut report = File::read(path).run(&mut place, bless);
        all.statements += report.statements;
        all.wrong.append(&mut report.wrong);
        all.tally.add(report.tally);
    }
    println!("{} statements, in all ways: {}", all.statements, all.tally);
    assert!(all.wrong.is_empty(), "{}\n{} are wrong", all.wrong.join("\n"), all.wrong.len());
    assert!(all.statements > 0, "no file is named like {only}");
}
