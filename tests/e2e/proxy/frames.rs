//! Single messages in sequences that no driver sends, beside a connection to the server itself.

use bytes::{BufMut, BytesMut};
use pgherd::wire::frontend::{self, Format, Target, tag};
use pgherd::wire::write;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::raw::{Raw, shown};
use crate::support::{TestHerd, Want};

fn both() -> [Raw; 2] {
    use std::sync::OnceLock;
    static PROXY: OnceLock<crate::support::Proxy> = OnceLock::new();
    let herd = TestHerd::shared(&Want::unsharded(0));
    let proxy = PROXY.get_or_init(|| herd.proxy_with(|settings| settings));
    let direct = herd.nodes().remove(0).member().port;
    [proxy.port(), direct].map(|port| Raw::connect(port, &[]))
}

/// A message in words.
#[derive(Debug, Clone, PartialEq)]
enum Say {
    Parse(&'static str, &'static str),
    /// Portal, statement, and values.
    Bind(&'static str, &'static str, &'static [&'static str]),
    DescribeStatement(&'static str),
    DescribePortal(&'static str),
    Execute(&'static str, i32),
    CloseStatement(&'static str),
    ClosePortal(&'static str),
    Flush,
    Sync,
    Query(&'static str),
    /// A message with this body.
    Raw(u8, &'static [u8]),
    CopyData(&'static str),
    CopyDone,
    CopyFail,
}
use Say::*;

fn write(say: &Say, out: &mut BytesMut) {
    match say {
        Parse(name, text) => {
            frontend::parse(out, name.as_bytes(), text.as_bytes(), &[]).expect("short");
        }
        Bind(portal, name, values) => {
            let values: Vec<_> = values.iter().map(|v| Some(v.as_bytes())).collect();
            let (portal, name) = (portal.as_bytes(), name.as_bytes());
            frontend::bind(out, portal, name, Format::Text, &values, Format::Text).expect("short");
        }
        DescribeStatement(name) => frontend::describe(out, Target::Prepared(name.as_bytes())),
        DescribePortal(name) => frontend::describe(out, Target::Portal(name.as_bytes())),
        Execute(portal, rows) => frontend::execute(out, portal.as_bytes(), *rows),
        CloseStatement(name) => frontend::close(out, Target::Prepared(name.as_bytes())),
        ClosePortal(name) => frontend::close(out, Target::Portal(name.as_bytes())),
        Flush => frontend::flush(out),
        Sync => frontend::sync(out),
        Query(text) => frontend::write_query(out, text.as_bytes()),
        Raw(kind, body) => write::frame(out, *kind, |b| b.put_slice(body)),
        CopyData(data) => frontend::copy_data(out, data.as_bytes()),
        CopyDone => frontend::copy_done(out),
        CopyFail => frontend::copy_fail(out, b"enough"),
    }
}

/// What is answered up to a last text of our own, after what ends whatever there was.
fn answers(raw: &mut Raw, said: &[Say]) -> Vec<String> {
    for say in said {
        write(say, &mut raw.output);
    }
    for say in [Sync, ROLLBACK, Query("SELECT 'the end'")] {
        write(&say, &mut raw.output);
    }
    raw.send();
    let mut answers = Vec::new();
    loop {
        let message = raw.message();
        answers.extend(shown(&[message]));
        if let [.., row, _, ready] = answers.as_slice()
            && row == "D the end"
            && ready.starts_with("Z ")
        {
            // What is wrong is said in other words by whoever finds it first.
            let code = |said: String| match said.get(..7) {
                Some(code) if code.starts_with("E ") => code.to_owned(),
                _ => said,
            };
            return answers.into_iter().map(code).collect();
        }
    }
}

fn same(raws: &mut [Raw; 2], said: &[Say]) {
    let [ours, theirs] = raws.each_mut().map(|raw| answers(raw, said));
    assert_eq!(ours, theirs, "{said:?}");
}

const BEGIN: Say = Query("BEGIN");
const ROLLBACK: Say = Query("ROLLBACK");

#[test]
fn messages_in_any_order_are_answered_as_a_server_does() {
    let mut raws = both();
    let cases: Vec<Vec<Say>> = vec![
        vec![],
        vec![Flush],
        vec![Sync, Sync, Sync],
        vec![Flush, Sync, Flush],
        // Unknown names.
        vec![DescribeStatement("none")],
        vec![DescribePortal("none")],
        vec![DescribeStatement("")],
        vec![Execute("none", 0), Parse("", "SELECT 1")],
        vec![CloseStatement("none"), ClosePortal("none"), CloseStatement(""), ClosePortal("")],
        vec![Bind("", "none", &[])],
        vec![BEGIN, DescribePortal("none"), Sync, ROLLBACK],
        vec![BEGIN, Execute("none", 0), Sync, Query("SELECT 1"), ROLLBACK],
        // Wrong counts.
        vec![Parse("", "SELECT $1::int"), Bind("", "", &[]), Sync],
        vec![Parse("", "SELECT $1::int"), Bind("", "", &["1", "2"]), Sync],
        vec![Parse("", "SELECT $1::int"), Bind("", "", &["x"]), Execute("", 0)],
        vec![Parse("", "SELECT $1"), DescribeStatement("")],
        // Portals with a row limit.
        vec![
            Parse("s", "SELECT generate_series(1, 5)"),
            Bind("p", "s", &[]),
            DescribePortal("p"),
            Execute("p", 2),
            Execute("p", 2),
            Execute("p", 2),
            Execute("p", 2),
            CloseStatement("s"),
        ],
        vec![
            BEGIN,
            Parse("", "SELECT generate_series(1, 5)"),
            Bind("p", "", &[]),
            Execute("p", 2),
            Sync,
            Execute("p", 1),
            Flush,
            Execute("p", 0),
            Sync,
            ClosePortal("p"),
            Sync,
            Execute("p", 0),
            Sync,
            ROLLBACK,
        ],
        // A portal ends with its transaction.
        vec![
            Parse("", "SELECT generate_series(1, 3)"),
            Bind("p", "", &[]),
            Execute("p", 1),
            Sync,
            Execute("p", 1),
        ],
        // Two at once, and one of the same name again.
        vec![
            BEGIN,
            Parse("s1", "SELECT generate_series(1, 4)"),
            Parse("s2", "SELECT generate_series(11, 14)"),
            Bind("a", "s1", &[]),
            Bind("b", "s2", &[]),
            Execute("a", 1),
            Execute("b", 1),
            Execute("a", 1),
            Execute("b", 0),
            Bind("a", "s2", &[]),
            Sync,
            ROLLBACK,
            CloseStatement("s1"),
            CloseStatement("s2"),
        ],
        vec![Parse("s", "SELECT 1"), Parse("s", "SELECT 2"), Sync, CloseStatement("s")],
        vec![Parse("s", "SELECT 1"), Sync, CloseStatement("s"), Bind("", "s", &[])],
        vec![Parse("", "SELECT 1"), Parse("", "SELECT 2"), Bind("", "", &[]), Execute("", 0)],
        // The unnamed statement goes with a Query.
        vec![Parse("", "SELECT 1"), Query("SELECT 2"), Bind("", "", &[]), Execute("", 0)],
        vec![Parse("", "SELECT 1"), Sync, Query(""), Bind("", "", &[]), Execute("", 0)],
        // Errors skip to Sync, also a Query and a function call.
        vec![Parse("", "SELEC"), Query("SELECT 1"), Raw(tag::FUNCTION_CALL, b"x"), Flush],
        vec![Parse("", "SELECT 1/0"), Bind("", "", &[]), Execute("", 0), DescribePortal("")],
        // A Query without Sync before it commits what stands there.
        vec![
            Parse("", "SELECT set_config('app.f', 'x', true)"),
            Bind("", "", &[]),
            Execute("", 0),
            Query("SELECT current_setting('app.f', true) = 'x'"),
        ],
        // Texts that are none.
        vec![Query(""), Query(" ;; "), Query("-- nothing")],
        vec![Parse("", ""), DescribeStatement(""), Bind("", "", &[]), Execute("", 0)],
        vec![Parse("", "SELECT 1; SELECT 2")],
        vec![Query("SELECT 1; SELECT 2/0; SELECT 3"), Query("SELECT 4")],
        // COPY, and what comes where it doesn't belong.
        vec![Query("COPY (SELECT 1) TO STDOUT"), CopyData("x"), CopyDone, CopyFail],
        vec![Parse("", "COPY (SELECT 7) TO STDOUT"), Bind("", "", &[]), Execute("", 0)],
        vec![
            Query("CREATE TEMP TABLE frames_t (n int)"),
            Query("COPY frames_t FROM STDIN"),
            CopyData("1\n"),
            Flush,
            Sync,
            CopyData("2\n"),
            CopyDone,
            Query("SELECT sum(n) FROM frames_t"),
            Query("COPY frames_t FROM STDIN"),
            CopyFail,
            Query("COPY frames_t FROM STDIN"),
            CopyData("x\n"),
            CopyDone,
            Query("COPY frames_t FROM STDIN; SELECT 'behind'"),
            CopyData("3\n"),
            CopyDone,
            Query("SELECT sum(n) FROM frames_t"),
            Query("DROP TABLE frames_t"),
        ],
        vec![Query("COPY frames_none FROM STDIN"), CopyData("1\n"), CopyDone],
        // Data behind an Execute, which nobody asked for yet.
        vec![
            Query("CREATE TEMP TABLE frames_u (n int)"),
            Parse("u", "COPY frames_u FROM STDIN"),
            Bind("", "u", &[]),
            Execute("", 0),
            CopyData("1\n"),
            CopyData("2\n"),
            CopyDone,
            Sync,
            Bind("", "u", &[]),
            Execute("", 0),
            CopyData("x\n"),
            CopyDone,
            Sync,
            Bind("", "u", &[]),
            Execute("", 0),
            CopyFail,
            Sync,
            Bind("", "u", &[]),
            DescribePortal(""),
            Execute("", 0),
            CopyDone,
            Parse("", "SELECT sum(n) FROM frames_u"),
            Bind("", "", &[]),
            Execute("", 0),
            CopyData("not wanted"),
            Sync,
            CloseStatement("u"),
            Sync,
            Query("DROP TABLE frames_u"),
        ],
        // Notices at any time.
        vec![
            Query("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END $$"),
            Parse("", "DO $$ BEGIN RAISE INFO 'three'; END $$"),
            Bind("", "", &[]),
            Execute("", 0),
        ],
        vec![Query("COMMIT"), Query("ROLLBACK"), BEGIN, BEGIN, ROLLBACK],
        // Settings that are reported.
        vec![
            Parse("", "SET application_name = 'frames'"),
            Bind("", "", &[]),
            Execute("", 0),
            Sync,
            Query("SET TimeZone = 'Asia/Tokyo'"),
            Query("RESET TimeZone"),
        ],
        // A statement that was described before it was bound.
        vec![
            Parse("d", "SELECT $1::int + 1 AS n, $2::text AS t"),
            DescribeStatement("d"),
            Flush,
            Bind("", "d", &["41", "x"]),
            DescribePortal(""),
            Execute("", 1),
            Execute("", 1),
            CloseStatement("d"),
        ],
        vec![Parse("", "INSERT INTO frames_none VALUES (1)"), DescribeStatement("")],
        vec![
            BEGIN,
            Query("SELECT 1/0"),
            Parse("", "SELECT 1"),
            Sync,
            Parse("", "ROLLBACK"),
            Bind("", "", &[]),
            Execute("", 0),
        ],
        vec![BEGIN, Query("SELECT 1/0"), Query(""), Query("COMMIT")],
        // Malformed, but whole: the session goes on.
        vec![Raw(b'P', b"x"), Query("SELECT 1")],
        vec![Raw(b'D', b"X\0"), Sync],
        vec![Raw(b'E', b"\0\0"), Sync],
        vec![Raw(b'C', b"S"), Sync],
    ];
    for case in &cases {
        same(&mut raws, case);
    }
}

/// Statements that are sent before the ones in front of them are answered, each with its own end.
#[test]
fn statements_in_flight_are_each_answered_for_themselves() {
    let mut raws = both();
    let run = |name, value| [Bind("", name, value), DescribePortal(""), Execute("", 0), Sync];
    let mut in_flight = vec![Parse("f", "SELECT 10 / $1::int"), Sync];
    for values in [&["1"][..], &["0"], &["x"], &["2"], &[], &["5"]] {
        in_flight.extend(run("f", values));
        in_flight.extend([Query("SELECT 1, 'a 2'"), Query("SELECT 2/0"), Query("SELECT 3, 'b 4'")]);
    }
    let unnamed = [
        Parse("", "SELECT 7"),
        Bind("", "", &[]),
        Execute("", 0),
        Sync,
        Parse("", "SELEC"),
        Bind("", "", &[]),
        Execute("", 0),
        Sync,
        Query("SELECT 8"),
        Bind("", "", &[]),
        Execute("", 0),
        Sync,
    ];
    in_flight.extend(unnamed);
    in_flight.extend([CloseStatement("f"), Sync]);
    same(&mut raws, &in_flight);
    // In one transaction the first error is the end of all that follows.
    let begin = [Query("BEGIN"), Query("CREATE TEMP TABLE frames_f (n int)")];
    let mut block: Vec<Say> = begin.into_iter().collect();
    block.extend([
        Query("INSERT INTO frames_f VALUES (1)"),
        Query("INSERT INTO frames_f VALUES (2)"),
    ]);
    block.extend([Query("SELECT sum(n) FROM frames_f"), Query("SELECT 1/0"), Query("SELECT 2")]);
    block.extend([Query("END"), Query("BEGIN;"), Query("SELECT 3"), Query("COMMIT ;")]);
    block.extend([Query("COMMIT"), Query("SELECT 4"), Query("BEGIN"), Query("END")]);
    same(&mut raws, &block);
    // More than are sent together, and more than fits into the buffers.
    let many: Vec<Say> = (0..600)
        .map(|i| match i % 3 {
            0 => Query("SELECT 5"),
            1 => Query("SELECT 1/0"),
            _ => Query("SELECT repeat('x', 3000)"),
        })
        .collect();
    same(&mut raws, &many);
}

#[test]
fn copy_both_is_refused() {
    for raw in &mut both()[..1] {
        let refused = raw.query(b"START_REPLICATION SLOT x LOGICAL 0/0");
        assert!(refused[0].starts_with("E 42601"), "{refused:?}");
    }
}

/// Messages at random, in and out of transactions. `PGHERD_FRAMES_SEED` (default 1) chooses them;
/// a few rare sequences are still answered with another error than the server's.
#[test]
fn random_sequences_are_answered_as_a_server_does() {
    let texts = [
        "SELECT 1",
        "SELECT generate_series(1, 3)",
        "SELECT $1::text",
        "SELECT 1/0",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SET LOCAL work_mem = '1MB'",
        "SHOW work_mem",
        "SAVEPOINT a",
        "ROLLBACK TO a",
        "",
        "nonsense",
        "VALUES (1), (2)",
    ];
    let names = ["", "s", "t"];
    let seed = std::env::var("PGHERD_FRAMES_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut random = StdRng::seed_from_u64(seed);
    let mut raws = both();
    for round in 0..200 {
        let said: Vec<Say> = (0..random.random_range(1..12))
            .flat_map(|_| {
                let name = names[random.random_range(0..names.len())];
                let text = texts[random.random_range(0..texts.len())];
                let say = match random.random_range(0..24) {
                    // Of a name that is taken and a text that is wrong a server tells the latter.
                    0..=4 => return vec![CloseStatement(name), Parse(name, text)],
                    // A portal that pgherd answers by itself may be bound twice.
                    5..=9 => {
                        let statement = names[random.random_range(0..3)];
                        return vec![ClosePortal(name), Bind(name, statement, &[])];
                    }
                    10..=14 => Execute(name, random.random_range(0..3)),
                    15 => DescribeStatement(name),
                    16 => DescribePortal(name),
                    17 => CloseStatement(name),
                    18 => ClosePortal(name),
                    19 => Flush,
                    20..=21 => Sync,
                    _ => Query(text),
                };
                vec![say]
            })
            .collect();
        let [ours, theirs] = raws.each_mut().map(|raw| answers(raw, &said));
        assert_eq!(ours, theirs, "seed {seed}, round {round}: {said:?}");
        // Whatever is open ends here, and what was prepared is known to both.
        same(&mut raws, &[CloseStatement("s"), CloseStatement("t")]);
    }
}
