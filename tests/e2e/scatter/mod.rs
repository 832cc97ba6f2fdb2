//! SELECTs that several shards answer: on three shards through pgherd, and on one plain Postgres
//! with the same rows.

mod ends;
mod portions;
mod same;

use std::time::{Duration, Instant};

use pgherd::wire::backend::{ErrorFields, RowDescription, read_data_row, tag};
use pgherd::wire::frontend::{self, Target};

use crate::proxy::raw::{Message, Raw};
use crate::support::{TestHerd, Want};

pub const RULES: &str = "
keyspaces:
  - name: things
    key: [bigint]
    placement: { ring: { virtual_nodes: 256 } }
    tables:
      things: [id]
      parts: [thing_id]
      nothing: [id]
      few: [id]
      large: [id]
  - name: ages
    key: [bigint]
    placement:
      ranges:
        - { to: 100, shard: s1 }
        - { from: 100, to: 200, shard: s2 }
        - { from: 200, shard: s3 }
    tables:
      aged: [age]
reference: [colours]
home: [notes]
unlisted: refuse
";

pub const TABLES: &str = r#"
    CREATE TABLE things (
        id bigint PRIMARY KEY, n int, small smallint, t text COLLATE "C", d text, f float8, r real,
        num numeric, at timestamptz, ts timestamp, day date, u uuid, b boolean, by bytea,
        i interval, colour text, c char(5) COLLATE "C", a int[]);
    CREATE TABLE parts (thing_id bigint, part int, price numeric(10,2), PRIMARY KEY (thing_id, part));
    CREATE TABLE nothing (id bigint PRIMARY KEY, n int, t text COLLATE "C");
    CREATE TABLE few (id bigint PRIMARY KEY, n int);
    CREATE TABLE large (id bigint PRIMARY KEY, pad text);
    CREATE TABLE aged (age bigint PRIMARY KEY, name text);
    CREATE TABLE colours (name text PRIMARY KEY, warm boolean);
    CREATE TABLE notes (id int PRIMARY KEY);
"#;

/// A row of `things`, by its key: NULLs, ties and values whose order is easily got wrong.
fn thing(id: i64) -> String {
    let null = |every: i64, value: String| {
        if id.rem_euclid(every) == 0 { "NULL".to_owned() } else { value }
    };
    let pick = |values: &[&str]| values[id.rem_euclid(values.len() as i64) as usize].to_owned();
    let t = pick(&[
        "'a'",
        "'B'",
        "'b'",
        "'ä'",
        "''",
        "'a b'",
        "'Z'",
        "'aa'",
        "'é'",
        "'~'",
        "'a\u{1F600}'",
    ]);
    let f =
        pick(&["0", "'-0'", "1.5", "'NaN'", "'Infinity'", "'-Infinity'", "1e-300", "-2.5", "0.1"]);
    let num = pick(&["1.0", "1.00", "1", "-0.5", "1e20", "'NaN'", "0", "100.10", "'Infinity'"]);
    let at = format!("'2024-02-29 12:00:00+00'::timestamptz + {} * '7 hours'::interval", id % 37);
    let colour = pick(&["'red'", "'blue'", "'green'", "'none'"]);
    let c = pick(&["'x'", "'xy'", "'x y'", "'X'"]);
    let i = pick(&["'1 mon'", "'30 days'", "'29 days 24 hours'", "'-1 day'", "'1 year'"]);
    let columns = [
        null(11, (id % 7).to_string()),
        null(5, (id % 3 - 1).to_string()),
        null(6, t.clone()),
        null(9, t),
        null(8, f.clone()),
        null(7, if id % 2 == 0 { "1.5".into() } else { "-3".into() }),
        null(10, num),
        null(13, at.clone()),
        null(14, format!("({at})::timestamp")),
        null(12, format!("'2024-01-01'::date + {}", id * 37 % 400)),
        null(15, format!("md5('{id}')::uuid")),
        null(4, (id % 2 == 0).to_string()),
        null(16, format!("'\\x{:02x}ff'", id.rem_euclid(256))),
        null(17, i),
        colour,
        null(3, c),
        null(3, format!("ARRAY[{id}, NULL, {}]", id % 2)),
    ];
    format!("INSERT INTO things VALUES ({id}, {})", columns.join(", "))
}

fn rows() -> Vec<String> {
    let mut rows: Vec<String> = (-20..180).map(thing).collect();
    for id in 0..60i64 {
        for part in 0..id % 4 {
            let price = format!("{}.{:02}", id * part, (id * 7) % 100);
            rows.push(format!("INSERT INTO parts VALUES ({id}, {part}, {price})"));
        }
    }
    rows.extend([7, 8].map(|id| format!("INSERT INTO few VALUES ({id}, {})", id * 2)));
    rows.extend(
        [5, 99, 100, 150, 200, 1000]
            .map(|age| format!("INSERT INTO aged VALUES ({age}, 'n{age}')")),
    );
    rows
}

pub fn herd() -> &'static TestHerd {
    TestHerd::shared(&Want::sharded(3, 0, RULES))
}

/// Fills tables by a connection: through pgherd when `sharded`.
pub fn fill(client: &mut Raw, sharded: bool) {
    let run = |client: &mut Raw, text: &str| {
        let said = client.query(text.as_bytes());
        assert!(!said.iter().any(|line| line.starts_with("E ")), "{text}: {said:?}");
    };
    for statement in TABLES.split(";\n").filter(|part| !part.trim().is_empty()) {
        run(client, statement);
    }
    for row in rows() {
        run(client, &row);
    }
    let colours = "INSERT INTO colours VALUES ('red', true), ('blue', false), ('green', NULL)";
    if !sharded {
        return run(client, colours);
    }
    for shard in ["s1", "s2", "s3"] {
        run(client, &format!("/* pgherd: shard={shard} */ {colours}"));
    }
}

/// How a statement is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Simple,
    /// By the extended protocol, with these formats of results.
    Extended(&'static [u16]),
    /// The same, under a name.
    Named(&'static [u16]),
}

/// Puts a statement with parameters in text into what is sent.
pub fn ask(client: &mut Raw, how: How, text: &str, parameters: &[&str]) {
    let (name, formats) = match how {
        How::Simple => return frontend::write_query(&mut client.output, text.as_bytes()),
        How::Extended(formats) => (&b""[..], formats),
        How::Named(formats) => (&b"named"[..], formats),
    };
    let out = &mut client.output;
    if !name.is_empty() {
        frontend::close(out, Target::Prepared(name));
    }
    frontend::parse(out, name, text.as_bytes(), &[]).expect("written");
    let mut body = Vec::new();
    body.push(0);
    body.extend_from_slice(name);
    body.extend_from_slice(&[0, 0, 0]);
    body.extend_from_slice(&(parameters.len() as u16).to_be_bytes());
    for value in parameters {
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    body.extend_from_slice(&(formats.len() as u16).to_be_bytes());
    formats.iter().for_each(|format| body.extend_from_slice(&format.to_be_bytes()));
    out.extend_from_slice(b"B");
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(&body);
    frontend::describe(out, Target::Portal(b""));
    frontend::execute(out, b"", 0);
    frontend::sync(out);
}

/// What a client sees of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Names, types, modifiers and formats.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    pub tag: String,
    /// SQLSTATE, message and position.
    pub error: Option<(String, String, String)>,
    pub ready: String,
}

pub fn seen(messages: &[Message]) -> Seen {
    let mut seen = Seen::default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (kind, body) in messages {
        match *kind {
            tag::ROW_DESCRIPTION => {
                let fields = RowDescription::read(body).expect("fields");
                seen.columns = fields
                    .iter()
                    .map(|f| {
                        format!("{} {} {} {:?}", text(f.name), f.type_oid, f.type_mod, f.format)
                    })
                    .collect();
            }
            tag::DATA_ROW => {
                let row = read_data_row(body).expect("a row");
                seen.rows.push(row.iter().map(|v| v.map(<[u8]>::to_vec)).collect());
            }
            tag::COMMAND_COMPLETE => seen.tag = text(body),
            tag::ERROR_RESPONSE => {
                let fields = ErrorFields::read(body).expect("fields");
                let position = text(fields.get(b'P').unwrap_or_default());
                seen.error = Some((text(fields.sqlstate()), text(fields.message()), position));
            }
            tag::READY_FOR_QUERY => seen.ready = text(body),
            _ => {}
        }
    }
    seen
}

pub fn answer(client: &mut Raw, how: How, text: &str, parameters: &[&str]) -> Seen {
    ask(client, how, text, parameters);
    seen(&client.until_ready(1))
}

/// Waits until no server of the herd runs a statement with this word in it but this question.
pub fn until_quiet(herd: &TestHerd, word: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE '%{word}%' \
         AND pid <> pg_backend_pid()"
    );
    for node in herd.nodes() {
        loop {
            let rows = node.query(&question, Duration::from_secs(20)).expect("answered");
            let busy = rows.first().and_then(|row| row.first().cloned().flatten());
            if busy.as_deref() == Some("0") {
                break;
            }
            assert!(Instant::now() < until, "{}: {rows:?}", node.member().name);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
