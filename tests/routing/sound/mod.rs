//! Exact or refused, on a real server: whatever routing sends to one shard is answered by
//! that shard's rows alone as by all rows.
//!
//! One server holds all rows in schema `whole` and those of each shard in `s0`, `s1`, `s2`.
//! A random statement that routing sends to a shard runs in both; rows, errors and what is
//! in the tables afterwards must be the same. A write that routing splits among shards runs in
//! each of theirs, and what they do together must be that. `SOUND_SEED` and `SOUND_COUNT` choose
//! others.

mod generate;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use pgherd::config::rules::{KeyType, Keyspace, PlacementRule, Rules};
use pgherd::placement::{KeyValue, Placement, ShardId, SlotTable};
use pgherd::routing::schema::{Column, Schema, Table, UniqueIndex};
use pgherd::routing::{
    Answer as How, Bounds, Parts, Plan, PlanContext, Route, RouteError, Router, Shares, Values,
    describe,
};
use pgherd::sql::{LexOptions, parse, scan};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::fixture::table;
use crate::support::{TestHerd, Want};
use generate::{Generator, TABLES};

const SHARDS: usize = 3;
const HOME: usize = 1;

type Row = Vec<Option<String>>;
/// A table's rows, sorted.
type Contents = BTreeMap<&'static str, Vec<Row>>;

fn keyspace(name: &str, tables: &[(&str, &[&str])]) -> Keyspace {
    let width = tables[0].1.len();
    Keyspace {
        name: name.into(),
        key: vec![KeyType::Int8; width],
        placement: PlacementRule::Ring { virtual_nodes: 256, weights: BTreeMap::new() },
        tables: tables
            .iter()
            .map(|(name, key)| (table(name), key.iter().map(|c| (*c).into()).collect()))
            .collect(),
        line: 1,
    }
}

fn router() -> Router {
    let rules = Rules {
        keyspaces: vec![
            keyspace("k", &[("a", &["k"]), ("b", &["k"])]),
            keyspace("m", &[("c", &["m"])]),
            keyspace("pq", &[("d", &["p", "q"])]),
        ],
        reference: vec![table("r")],
        home: vec![table("h")],
        home_shard: Some("s1".into()),
        ..Rules::default()
    };
    let column = |name: &&str| Column {
        name: (*name).into(),
        type_oid: 20,
        type_name: "int8".into(),
        type_modifier: -1,
        not_null: false,
        has_default: false,
        default_varies: false,
        from_sequence: false,
        nondeterministic: false,
        bytewise: false,
        default: None,
        always_identity: false,
        generated: false,
        written: "bigint".into(),
        collation: None,
        is_enum: false,
    };
    let mut tables: HashMap<_, _> = TABLES
        .iter()
        .map(|(name, columns)| {
            let columns = columns.iter().map(column).collect();
            (table(name), Table { columns, ..Table::default() })
        })
        .collect();
    let unique = UniqueIndex {
        name: "b_k_x_idx".into(),
        columns: vec!["k".into(), "x".into()],
        primary: false,
        partial: false,
    };
    tables.get_mut(&table("b")).expect("b").unique.push(unique);
    let ring = |shift: u32| {
        Placement::Ring(SlotTable::from_fn(|slot| ShardId((slot >> shift) % SHARDS as u16)))
    };
    Router::new(Parts {
        rules: Arc::new(rules),
        placements: vec![ring(0), ring(3), ring(5)],
        epoch: 1,
        shards: (0..SHARDS).map(|n| format!("s{n}").into()).collect(),
        schema: Arc::new(Schema { version: 1, server_major: 15, tables, ..Schema::default() }),
        bounds: Bounds::default(),
    })
    .expect("parts fit")
}

/// The shards that hold a row.
fn shards_of(router: &Router, table: &str, row: &[Option<i64>]) -> Vec<usize> {
    let key = |keyspace: &str, width: usize| {
        let key: Vec<KeyValue<'_>> =
            row[..width].iter().map(|v| v.map_or(KeyValue::Null, KeyValue::Int)).collect();
        vec![usize::from(router.placement(keyspace).expect("a keyspace").shard_of(&key).0)]
    };
    match table {
        "a" | "b" => key("k", 1),
        "c" => key("m", 1),
        "d" => key("pq", 2),
        "r" => (0..SHARDS).collect(),
        _ => vec![HOME],
    }
}

struct Server {
    client: Client,
}

/// Rows, or the error's code.
type Answer = Result<Vec<Row>, String>;

impl Server {
    async fn ask(&self, sql: &str) -> Answer {
        match self.client.simple_query(sql).await {
            Ok(messages) => {
                let mut rows: Vec<Row> = messages
                    .iter()
                    .filter_map(|message| match message {
                        SimpleQueryMessage::Row(row) => {
                            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
                        }
                        _ => None,
                    })
                    .collect();
                rows.sort();
                Ok(rows)
            }
            Err(error) => match error.code() {
                Some(code) => Err(code.code().to_owned()),
                None => panic!("the connection failed: {error}"),
            },
        }
    }

    async fn must(&self, sql: &str) -> Vec<Row> {
        self.ask(sql).await.unwrap_or_else(|code| panic!("{code}: {sql}"))
    }

    async fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        for (table, _) in TABLES {
            contents.insert(table, self.must(&format!("SELECT * FROM {table}")).await);
        }
        contents
    }

    /// New rows, the same in `whole` and on the shards.
    async fn fill(&self, router: &Router, random: &mut StdRng) {
        let mut sql = String::new();
        for (table, columns) in TABLES {
            for schema in schemas() {
                let _ = write!(sql, "TRUNCATE {schema}.{table};");
            }
            for _ in 0..random.random_range(4..15) {
                let row: Vec<Option<i64>> = columns
                    .iter()
                    .map(|_| random.random_bool(0.88).then(|| random.random_range(0..5)))
                    .collect();
                let values: Vec<String> =
                    row.iter().map(|v| v.map_or("NULL".into(), |v| v.to_string())).collect();
                let shards = shards_of(router, table, &row);
                let places = shards.iter().map(|shard| format!("s{shard}"));
                for schema in std::iter::once("whole".to_owned()).chain(places) {
                    let _ = write!(
                        sql,
                        "INSERT INTO {schema}.{table} VALUES ({}) ON CONFLICT DO NOTHING;",
                        values.join(",")
                    );
                }
            }
        }
        self.must(&sql).await;
    }
}

fn schemas() -> Vec<String> {
    std::iter::once("whole".to_owned()).chain((0..SHARDS).map(|n| format!("s{n}"))).collect()
}

async fn server(herd: &TestHerd) -> Server {
    let dsn = herd.nodes()[0].dsn();
    let (client, connection) = tokio_postgres::connect(&dsn, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let server = Server { client };
    server.must("CREATE DATABASE sound").await;
    let dsn = dsn.rsplit_once('/').map_or(dsn.clone(), |(before, _)| format!("{before}/sound"));
    let (client, connection) = tokio_postgres::connect(&dsn, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let server = Server { client };
    let mut sql = String::from("SET statement_timeout = '3s'; SET jit = off;");
    for schema in schemas() {
        let _ = write!(sql, "CREATE SCHEMA {schema};");
        for (table, columns) in TABLES {
            let _ =
                write!(sql, "CREATE TABLE {schema}.{table} ({} int8);", columns.join(" int8, "));
        }
        let _ = write!(sql, "CREATE UNIQUE INDEX b_k_x_idx ON {schema}.b (k, x);");
    }
    server.must(&sql).await;
    server
}

#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    errors: usize,
    anywhere: usize,
    refused: usize,
    looser: usize,
    slow: usize,
    split: usize,
}

struct Planned {
    plan: Plan,
    route: Result<Route, RouteError>,
    words: Vec<String>,
    /// What each shard gets of a write that several do.
    shares: Option<Shares>,
}

fn plan(router: &Router, text: &str) -> Option<Planned> {
    let path: Vec<Box<str>> = vec!["public".into()];
    let scanned = scan(text.as_bytes(), LexOptions::default()).expect(text);
    let scanned = &scanned[0];
    let statement = match parse(text.as_bytes(), scanned) {
        Ok(statement) => statement,
        Err(error) => panic!("{error}: {text}"),
    };
    let plan = router
        .plan(text.as_bytes(), scanned, &statement, &PlanContext { search_path: &path })
        .ok()?;
    let values =
        Values { text: text.as_bytes(), literals: &scanned.literals, parameters: &[], utf8: true };
    let route = plan.route(router, &values, None, None);
    let mut words = describe(&plan, router, &values, &route);
    let split = matches!(route, Err(RouteError::Spread(_)));
    let shares = if split { plan.spread(router, &values, scanned).ok() } else { None };
    words.extend(shares.iter().flat_map(|shares| shares.words(router)));
    Some(Planned { plan, route, words, shares })
}

/// What a statement answers, and what is in the tables then.
async fn run(server: &Server, schema: &str, text: &str, writes: bool) -> (Answer, Contents) {
    if !writes {
        let answer = server.ask(&format!("SET search_path TO {schema}; {text}")).await;
        return (answer, Contents::new());
    }
    server.must(&format!("BEGIN; SET LOCAL search_path TO {schema}")).await;
    let answer = server.ask(text).await;
    let contents = match answer {
        Ok(_) => server.contents().await,
        Err(_) => Contents::new(),
    };
    server.must("ROLLBACK").await;
    (answer, contents)
}

/// Compares `whole` with the routed shard; what differs, in words.
async fn compare(
    server: &Server,
    router: &Router,
    text: &str,
    planned: &Planned,
    shard: usize,
    tally: &mut Tally,
) -> Result<(), String> {
    let writes = planned.plan.writes;
    let (whole, whole_after) = run(server, "whole", text, writes).await;
    let (part, part_after) = run(server, &format!("s{shard}"), text, writes).await;
    match (&whole, &part) {
        (Err(code), _) | (_, Err(code)) if code == "57014" => {
            tally.slow += 1;
            return Ok(());
        }
        (Err(a), Err(b)) if a == b => {
            tally.errors += 1;
            return Ok(());
        }
        // A subquery with two rows is an error only if it is evaluated, and whether it is
        // depends on the server's plan.
        (Err(code), Ok(_)) if code == "21000" => {
            tally.looser += 1;
            return Ok(());
        }
        (Ok(a), Ok(b)) if a == b => tally.answered += 1,
        _ => return Err(format!("all rows: {whole:?}\ns{shard}: {part:?}")),
    }
    if !writes {
        return Ok(());
    }
    let mut expected = part_after.clone();
    for other in (0..SHARDS).filter(|other| *other != shard) {
        server.must(&format!("SET search_path TO s{other}")).await;
        for (table, rows) in server.contents().await {
            if table != "r" {
                expected.get_mut(table).expect("the same tables").extend(rows);
            }
        }
    }
    expected.values_mut().for_each(|rows| rows.sort());
    if expected != whole_after {
        return Err(format!("then all rows: {whole_after:?}\nthen the shards: {expected:?}"));
    }
    for (table, rows) in &part_after {
        for row in rows {
            let row: Vec<Option<i64>> =
                row.iter().map(|v| v.as_ref().map(|v| v.parse().expect("a number"))).collect();
            if !shards_of(router, table, &row).contains(&shard) {
                return Err(format!("{table} {row:?} isn't at home on s{shard}"));
            }
        }
    }
    Ok(())
}

/// Compares `whole` with all shards that have a share.
async fn compare_shares(
    server: &Server,
    router: &Router,
    text: &str,
    shares: &Shares,
    tally: &mut Tally,
) -> Result<(), String> {
    let (whole, whole_after) = run(server, "whole", text, true).await;
    let mut parts = Vec::new();
    let mut after: BTreeMap<usize, Contents> = BTreeMap::new();
    for share in &shares.each {
        let shard = usize::from(share.shard.0);
        let own = match &share.text {
            Some(edited) => String::from_utf8(edited.text.clone()).expect("a text"),
            None => text.to_owned(),
        };
        let (part, contents) = run(server, &format!("s{shard}"), &own, true).await;
        parts.push(part);
        after.insert(shard, contents);
    }
    let slow = |answer: &Answer| answer.as_ref().is_err_and(|code| code == "57014");
    if slow(&whole) || parts.iter().any(slow) {
        tally.slow += 1;
        return Ok(());
    }
    // As where one shard answers, and so may be seen by others only.
    let loose = |answer: &Answer| answer.as_ref().is_err_and(|code| code == "21000");
    let mut rows = Vec::new();
    let mut failed = false;
    for part in &parts {
        match part {
            Ok(part) => rows.extend(part.iter().cloned()),
            Err(_) => failed = true,
        }
    }
    rows.sort();
    match &whole {
        Err(_) if failed => {
            tally.errors += 1;
            return Ok(());
        }
        _ if loose(&whole) || parts.iter().any(loose) => {
            tally.looser += 1;
            return Ok(());
        }
        Ok(whole) if !failed && shares.answer == How::Same => {
            if parts.iter().any(|part| part.as_ref() != Ok(whole)) {
                return Err(format!("all rows: {whole:?}\nthe shards: {parts:?}"));
            }
        }
        Ok(whole) if !failed && *whole == rows => {}
        _ => return Err(format!("all rows: {whole:?}\nthe shards: {parts:?}")),
    }
    tally.split += 1;
    for other in 0..SHARDS {
        if let Entry::Vacant(unchanged) = after.entry(other) {
            server.must(&format!("SET search_path TO s{other}")).await;
            unchanged.insert(server.contents().await);
        }
    }
    let mut together = Contents::new();
    for (shard, contents) in &after {
        for (table, rows) in contents {
            for row in rows {
                let row: Vec<Option<i64>> =
                    row.iter().map(|v| v.as_ref().map(|v| v.parse().expect("a number"))).collect();
                if !shards_of(router, table, &row).contains(shard) {
                    return Err(format!("{table} {row:?} isn't at home on s{shard}"));
                }
            }
            if *table == "r" && Some(rows) != whole_after.get(table) {
                return Err(format!("r on s{shard}: {rows:?}\nand of all: {whole_after:?}"));
            }
            if *table != "r" || *shard == 0 {
                together.entry(table).or_default().extend(rows.iter().cloned());
            }
        }
    }
    together.values_mut().for_each(|rows| rows.sort());
    if together != whole_after {
        return Err(format!("then all rows: {whole_after:?}\nthen the shards: {together:?}"));
    }
    Ok(())
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn one_shard_answers_as_all_rows_would() {
    let herd = TestHerd::shared(&Want::unsharded(0));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = server(herd).await;
        let router = router();
        let mut tally = Tally::default();
        let mut wrong = String::new();
        let mut found = 0;
        let (seed, count) = (number("SOUND_SEED", 1), number("SOUND_COUNT", 6000));
        let mut data = StdRng::seed_from_u64(seed);
        for n in 0..count {
            if n % 50 == 0 {
                server.fill(&router, &mut data).await;
            }
            let text = Generator::new(StdRng::seed_from_u64(seed << 32 | n)).statement();
            let Some(planned) = plan(&router, &text) else {
                tally.refused += 1;
                continue;
            };
            let shard = match planned.route {
                Ok(Route::One(shard)) => usize::from(shard.0),
                Err(RouteError::Spread(_)) if let Some(shares) = &planned.shares => {
                    let compared =
                        compare_shares(&server, &router, &text, shares, &mut tally).await;
                    if let Err(difference) = compared {
                        found += 1;
                        let _ =
                            writeln!(wrong, "{n}: {text}\n{:#?}\n{difference}\n", planned.words);
                    }
                    if found >= 5 {
                        break;
                    }
                    continue;
                }
                Ok(Route::Any) => {
                    tally.anywhere += 1;
                    n as usize % SHARDS
                }
                _ => {
                    tally.refused += 1;
                    continue;
                }
            };
            let compared = compare(&server, &router, &text, &planned, shard, &mut tally).await;
            if let Err(difference) = compared {
                found += 1;
                let _ = writeln!(wrong, "{n}: {text}\n{:#?}\n{difference}\n", planned.words);
                if found >= 5 {
                    break;
                }
            }
        }
        eprintln!("{tally:?}");
        assert!(wrong.is_empty(), "{wrong}");
        // The generator keeps making statements that can be told right from wrong.
        assert!(tally.answered * 5 > count as usize, "too few were answered: {tally:?}");
        assert!(tally.refused > 0 && tally.split > 0, "{tally:?}");
    });
}
