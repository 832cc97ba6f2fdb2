//! Results of several shards that are taken in portions: how they end, and what they take.

use pgherd::wire::backend::tag;
use pgherd::wire::frontend::{self, Format, Target};

use super::ends::memory;
use super::{How, RULES, answer, fill, until_quiet};
use crate::proxy::raw::Raw;
use crate::support::{Proxy, TestHerd, Want};

#[test]
fn what_is_taken_in_portions() {
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    let limits = "\n[pool]\nsize = 2\n[limits]\nmerge_memory = \"1MB\"\nqueue_timeout = \"20s\"\n";
    let proxy = herd.proxy_with(|text| text + limits);
    fill(&mut Raw::connect(proxy.port(), &[]), true);
    // 12 MB on each shard, with keys that interleave.
    for (at, shard) in ["s1", "s2", "s3"].iter().enumerate() {
        let mut client = Raw::connect(proxy.port(), &[]);
        let text = format!(
            "/* pgherd: shard={shard} */ INSERT INTO large \
             SELECT n * 3 + {at}, repeat('x', 600) FROM generate_series(1, 20000) n"
        );
        assert_eq!(answer(&mut client, How::Simple, &text, &[]).error, None);
    }
    let steps: &[fn(&TestHerd, &Proxy)] = &[
        a_large_result_takes_little_memory,
        what_is_kept_has_a_bound,
        a_server_that_goes_away_ends_the_transaction,
        a_client_that_goes_away_leaves_nothing_behind,
        copies_are_locked_where_all_come_by,
    ];
    for step in steps {
        step(&herd, &proxy);
        let seen = answer(
            &mut Raw::connect(proxy.port(), &[]),
            How::Simple,
            "SELECT id, n FROM things ORDER BY n, id",
            &[],
        );
        assert_eq!((seen.rows.len(), seen.error), (200, None));
    }
}

fn must(client: &mut Raw, text: &str) -> usize {
    let seen = answer(client, How::Simple, text, &[]);
    assert_eq!(seen.error, None, "{text}");
    seen.rows.len()
}

fn code(client: &mut Raw, text: &str) -> Option<String> {
    answer(client, How::Simple, text, &[]).error.map(|error| error.0)
}

/// Executes a portal of all rows of `large` to its end, so many rows at a time, with another
/// statement in between now and then: how many there were.
fn by_portal(client: &mut Raw, text: &str) -> usize {
    must(client, "BEGIN");
    let out = &mut client.output;
    frontend::parse(out, b"", text.as_bytes(), &[]).expect("written");
    frontend::bind(out, b"rows", b"", Format::Text, &[], Format::Text).expect("written");
    frontend::sync(out);
    client.send();
    client.until_ready(1);
    // It shows what there was when it was bound.
    must(client, "DELETE FROM large WHERE id < 1000");
    let (mut rows, mut turns) = (0, 0);
    loop {
        frontend::execute(&mut client.output, b"rows", 3000);
        frontend::sync(&mut client.output);
        client.send();
        let said = client.until_ready(1);
        let of = |kind: u8| said.iter().filter(|(is, _)| *is == kind).count();
        assert_eq!(of(tag::ERROR_RESPONSE), 0);
        rows += of(tag::DATA_ROW);
        turns += 1;
        if turns % 5 == 0 {
            assert_eq!(must(client, "SELECT id FROM few"), 2);
        }
        if of(tag::PORTAL_SUSPENDED) == 0 {
            break;
        }
    }
    frontend::close(&mut client.output, Target::Portal(b"rows"));
    frontend::sync(&mut client.output);
    client.send();
    client.until_ready(1);
    must(client, "ROLLBACK");
    rows
}

fn a_large_result_takes_little_memory(_: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let before = memory(proxy);
    for text in ["SELECT id, pad FROM large ORDER BY id", "SELECT id, pad FROM large"] {
        assert_eq!(by_portal(&mut client, text), 60_000, "{text}");
        must(&mut client, "BEGIN");
        must(&mut client, &format!("DECLARE c NO SCROLL CURSOR FOR {text}"));
        let mut rows = 0;
        loop {
            let fetched = must(&mut client, "FETCH FORWARD 2500 FROM c");
            rows += fetched;
            if fetched < 2500 {
                break;
            }
        }
        assert_eq!(rows, 60_000, "{text}");
        must(&mut client, "COMMIT");
    }
    // Of 36 MB each time.
    let more = memory(proxy) - before;
    assert!(more < 16_000, "{more} kB");
}

fn what_is_kept_has_a_bound(_: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    must(&mut client, "BEGIN");
    must(&mut client, "DECLARE c SCROLL CURSOR FOR SELECT id, pad FROM large ORDER BY id");
    assert_eq!(must(&mut client, "FETCH 100 FROM c"), 100);
    assert_eq!(must(&mut client, "FETCH BACKWARD ALL FROM c"), 99);
    assert_eq!(code(&mut client, "FETCH LAST FROM c").as_deref(), Some("53200"));
    assert_eq!(code(&mut client, "FETCH NEXT FROM c").as_deref(), Some("25P02"));
    must(&mut client, "ROLLBACK");
    // What has failed can't be gone on with; what stands beside it can.
    must(&mut client, "BEGIN");
    must(&mut client, "DECLARE c SCROLL CURSOR FOR SELECT id, pad FROM large ORDER BY id");
    must(&mut client, "DECLARE d CURSOR FOR SELECT id FROM large ORDER BY id");
    must(&mut client, "SAVEPOINT s");
    assert_eq!(must(&mut client, "FETCH 5 FROM d"), 5);
    assert_eq!(code(&mut client, "FETCH LAST FROM c").as_deref(), Some("53200"));
    must(&mut client, "ROLLBACK TO s");
    assert_eq!(must(&mut client, "FETCH 5 FROM d"), 5);
    assert_eq!(code(&mut client, "FETCH NEXT FROM c").as_deref(), Some("55000"));
    must(&mut client, "ROLLBACK");
}

fn a_server_that_goes_away_ends_the_transaction(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    must(&mut client, "BEGIN");
    must(&mut client, "DECLARE c CURSOR FOR SELECT id, pad, 'gone' FROM large ORDER BY id");
    assert_eq!(must(&mut client, "FETCH 10 FROM c"), 10);
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE state = 'idle in transaction'";
    let nodes = herd.nodes();
    let node = nodes.last().expect("a node");
    node.query(kill, std::time::Duration::from_secs(20)).expect("answered");
    assert_eq!(code(&mut client, "FETCH 5000 FROM c").as_deref(), Some("08006"));
    assert_eq!(code(&mut client, "FETCH 1 FROM c").as_deref(), Some("25P02"));
    must(&mut client, "ROLLBACK");
    until_quiet(herd, "gone");
}

fn a_client_that_goes_away_leaves_nothing_behind(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    must(&mut client, "BEGIN");
    must(&mut client, "DECLARE c CURSOR FOR SELECT id, pad, 'left' FROM large ORDER BY id");
    must(&mut client, "FETCH 10 FROM c");
    drop(client);
    until_quiet(herd, "left");
}

/// A lock of a reference table's row excludes all others, wherever their clients come from.
fn copies_are_locked_where_all_come_by(_: &TestHerd, proxy: &Proxy) {
    let mut holder = Raw::connect(proxy.port(), &[]);
    must(&mut holder, "BEGIN");
    assert_eq!(must(&mut holder, "SELECT * FROM colours WHERE name = 'red' FOR UPDATE"), 1);
    for id in [5, 100, 200] {
        let mut client = Raw::connect(proxy.port(), &[]);
        must(&mut client, &format!("SELECT * FROM aged WHERE age = {id}"));
        let nowait = "SELECT * FROM colours WHERE name = 'red' FOR SHARE NOWAIT";
        assert_eq!(code(&mut client, nowait).as_deref(), Some("55P03"), "{id}");
        must(&mut client, "BEGIN");
        must(&mut client, "SET LOCAL lock_timeout = '300ms'");
        let update = "UPDATE colours SET warm = false WHERE name = 'red'";
        assert_eq!(code(&mut client, update).as_deref(), Some("55P03"), "{id}");
        must(&mut client, "ROLLBACK");
        assert_eq!(must(&mut client, "SELECT * FROM colours FOR UPDATE SKIP LOCKED"), 2);
    }
    must(&mut holder, "ROLLBACK");
}
