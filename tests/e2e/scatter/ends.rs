//! Statements of several shards that don't come to their end: afterwards no server is busy with
//! them, and the next statement finds all connections in order.

use std::time::{Duration, Instant};

use pgherd::wire::frontend;
use pgherd::wire::startup::write_cancel;

use super::{How, RULES, answer, ask, fill, seen, until_quiet};
use crate::proxy::raw::{Raw, shown, tcp};
use crate::support::{Proxy, TestHerd, Want};

/// With as few connections as there can be: one that isn't given back shows. One herd for all of
/// it, one after the other.
#[test]
fn afterwards_all_is_as_before() {
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    let proxy = herd.proxy_with(|text| {
        format!("{text}\n[pool]\nsize = 1\n[limits]\nqueue_timeout = \"20s\"\n")
    });
    fill(&mut Raw::connect(proxy.port(), &[]), true);
    let steps: &[fn(&TestHerd, &Proxy)] = &[
        the_first_error_ends_it_on_all_shards,
        a_cancel_request_reaches_all_shards,
        a_client_that_vanishes_leaves_nothing_behind,
        a_statement_that_takes_too_long_ends_on_all_shards,
        a_limit_that_has_enough_ends_it,
        many_clients_share_few_connections,
        settings_are_those_of_the_client_on_all_shards,
        what_is_sent_behind_a_commit_is_outside_of_it,
        a_slow_client_stops_the_servers,
        gathered_rows_have_a_bound,
        gathered_rows_beyond_it_are_stored,
        groups_have_a_bound,
        rows_to_put_in_order_have_a_bound,
        a_shard_that_dies_is_an_error_and_the_others_go_on,
    ];
    for step in steps {
        step(&herd, &proxy);
        works(&proxy);
    }
}

/// All shards answer, for any client.
fn works(proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    for how in [How::Simple, How::Extended(&[]), How::Named(&[1])] {
        let seen = answer(&mut client, how, "SELECT id, n FROM things ORDER BY n, id", &[]);
        assert_eq!((seen.rows.len(), seen.error), (200, None));
    }
}

/// Waits until the shards' servers run a statement with this word in it.
fn until_busy(herd: &TestHerd, word: &str, servers: usize) {
    let until = Instant::now() + Duration::from_secs(60);
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{word}%' \
         AND pid <> pg_backend_pid()"
    );
    loop {
        let busy = |question: &str| {
            let asked = |node: &pgherd::local::Node| {
                let rows = node.query(question, Duration::from_secs(20)).expect("answered");
                rows.first().and_then(|row| row.first().cloned().flatten()).as_deref() == Some("1")
            };
            herd.nodes().iter().filter(|node| asked(node)).count()
        };
        if busy(&question) >= servers {
            return;
        }
        assert!(Instant::now() < until, "{word} doesn't run");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn the_first_error_ends_it_on_all_shards(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    // One shard divides by nothing; the others would go on for long.
    let text = "SELECT CASE WHEN age = 5 THEN 1 / (age - 5) ELSE length(pg_sleep(300)::text) END \
                FROM aged WHERE age IN (5, 100, 200)";
    for how in [How::Simple, How::Extended(&[]), How::Named(&[])] {
        let seen = answer(&mut client, how, text, &[]);
        assert_eq!(seen.error.map(|e| e.0).as_deref(), Some("22012"), "{how:?}");
        assert_eq!(seen.ready, "I");
        until_quiet(herd, "pg_sleep");
    }
}

fn a_cancel_request_reaches_all_shards(herd: &TestHerd, proxy: &Proxy) {
    for how in [How::Simple, How::Extended(&[])] {
        let mut client = Raw::over(tcp(proxy.port()));
        let said = client.log_in(&[]);
        let (_, key) = said.iter().find(|(kind, _)| *kind == b'K').expect("a key");
        let (pid, secret) = pgherd::wire::backend::read_backend_key(key).expect("read");
        let secret = secret.to_vec();
        ask(&mut client, how, "SELECT pg_sleep(300), 'cancelled' FROM few", &[]);
        client.send();
        // `few` has rows on some of the shards only; those run.
        until_busy(herd, "cancelled", 1);
        let mut request = Raw::over(tcp(proxy.port()));
        write_cancel(&mut request.output, pid, &secret);
        request.send();
        request.until_closed();
        let seen = seen(&client.until_ready(1));
        assert_eq!(seen.error.map(|e| e.0).as_deref(), Some("57014"));
        until_quiet(herd, "cancelled");
    }
}

fn a_client_that_vanishes_leaves_nothing_behind(herd: &TestHerd, proxy: &Proxy) {
    for how in [How::Simple, How::Extended(&[])] {
        let mut client = Raw::connect(proxy.port(), &[]);
        ask(&mut client, how, "SELECT id, pg_sleep(1), 'vanished' FROM things", &[]);
        client.send();
        until_busy(herd, "vanished", 3);
        drop(client);
        until_quiet(herd, "vanished");
    }
}

fn a_statement_that_takes_too_long_ends_on_all_shards(herd: &TestHerd, _: &Proxy) {
    let limits = "\n[pool]\nsize = 1\n[limits]\nstatement_timeout = \"3s\"\n";
    let proxy = &herd.proxy_with(|text| text + limits);
    let mut client = Raw::connect(proxy.port(), &[]);
    let seen = answer(&mut client, How::Simple, "SELECT id, pg_sleep(5) FROM things", &[]);
    let (code, message, _) = seen.error.expect("an error");
    assert_eq!((&*code, &*message), ("57014", "canceling statement due to statement timeout"));
    until_quiet(herd, "pg_sleep");
    works(proxy);
}

fn a_limit_that_has_enough_ends_it(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    // The first shard has enough; the rows of the others would take long.
    let text = "SELECT age, CASE WHEN age > 100 THEN pg_sleep(100)::text END FROM aged LIMIT 1";
    let seen = answer(&mut client, How::Simple, text, &[]);
    assert_eq!((seen.rows.len(), seen.error, &*seen.tag), (1, None, "SELECT 1\0"));
    until_quiet(herd, "pg_sleep");
}

fn a_shard_that_dies_is_an_error_and_the_others_go_on(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    ask(&mut client, How::Simple, "SELECT id, pg_sleep(1), 'died' FROM things", &[]);
    client.send();
    until_busy(herd, "died", 3);
    let node = herd.primary("s2").expect("a primary");
    assert!(node.stop(pgherd::local::Stop::Kill).expect("killed"));
    let seen = seen(&client.until_ready(1));
    assert_eq!(seen.error.map(|e| e.0).as_deref(), Some("08006"));
    assert_eq!(seen.ready, "I");
    for shard in ["s1", "s3"] {
        let text = format!("/* pgherd: shard={shard} */ SELECT count(*) FROM things");
        let seen = answer(&mut client, How::Simple, &text, &[]);
        assert_eq!(seen.error, None);
    }
    // While it is away, all of it is refused in bounded time, and the others aren't held up by it.
    let seen = answer(&mut client, How::Simple, "SELECT id FROM things", &[]);
    assert_eq!(seen.error.map(|e| e.0).as_deref(), Some("57P03"));
    let seen = answer(&mut client, How::Simple, "SELECT n FROM few WHERE id = 7", &[]);
    assert!(seen.error.is_none_or(|e| e.0 == "57P03"));
    node.start().expect("started");
    let until = Instant::now() + Duration::from_secs(90);
    while answer(&mut client, How::Simple, "SELECT id FROM things", &[]).rows.len() != 200 {
        assert!(Instant::now() < until, "it isn't served again");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn many_clients_share_few_connections(herd: &TestHerd, proxy: &Proxy) {
    std::thread::scope(|scope| {
        for number in 0..8i64 {
            let port = proxy.port();
            scope.spawn(move || {
                let mut client = Raw::connect(port, &[]);
                for round in 0..20 {
                    let how = if round % 2 == 0 { How::Simple } else { How::Extended(&[1]) };
                    let seen = answer(
                        &mut client,
                        how,
                        "SELECT id FROM things ORDER BY id DESC LIMIT 150",
                        &[],
                    );
                    assert_eq!((seen.rows.len(), seen.error), (150, None), "{number} {round}");
                    let seen = answer(
                        &mut client,
                        how,
                        &format!("SELECT n FROM things WHERE id = {round}"),
                        &[],
                    );
                    assert_eq!(seen.rows.len(), 1);
                }
            });
        }
    });
    until_quiet(herd, "things");
}

fn settings_are_those_of_the_client_on_all_shards(_: &TestHerd, proxy: &Proxy) {
    let mut one = Raw::connect(proxy.port(), &[]);
    let mut other = Raw::connect(proxy.port(), &[]);
    one.query(b"SET TimeZone = 'Asia/Tokyo'");
    let text = "SELECT current_setting('TimeZone') FROM things";
    for (client, zone) in [(&mut one, "Asia/Tokyo"), (&mut other, "UTC")] {
        if zone == "UTC" {
            client.query(b"SET TimeZone = 'UTC'");
        }
        let seen = answer(client, How::Simple, text, &[]);
        assert_eq!(seen.rows.len(), 200);
        assert!(seen.rows.iter().all(|row| row[0].as_deref() == Some(zone.as_bytes())));
    }
}

fn what_is_sent_behind_a_commit_is_outside_of_it(_: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let count = "SELECT count(*) FROM things";
    for text in ["BEGIN", "SET LOCAL pgherd.shard = 's1'", count, "COMMIT", count] {
        frontend::write_query(&mut client.output, text.as_bytes());
    }
    let said = shown(&client.until_ready(5));
    let counts: Vec<&String> = said.iter().filter(|line| line.starts_with("D ")).collect();
    assert!(matches!(counts[..], [one, all] if one != all && all == "D 200"), "{said:?}");
}

/// Rows of `large` on each shard: 20 MB in each, with keys that interleave.
const LARGE: i64 = 20_000;

fn a_slow_client_stops_the_servers(herd: &TestHerd, proxy: &Proxy) {
    let mut filler = Raw::connect(proxy.port(), &[]);
    for (number, shard) in ["s1", "s2", "s3"].iter().enumerate() {
        let text = format!(
            "/* pgherd: shard={shard} */ INSERT INTO large \
             SELECT 3 * g + {number}, repeat('x', 1000) FROM generate_series(1, {LARGE}) g"
        );
        assert_eq!(answer(&mut filler, How::Simple, &text, &[]).error, None);
    }
    // One of its own, whose memory nothing else takes.
    let proxy = &herd.proxy_with(|text| text);
    works(proxy);
    let before = memory(proxy);
    for (how, text) in [
        (How::Simple, "SELECT id, pad FROM large ORDER BY id"),
        (How::Extended(&[1]), "SELECT id, pad FROM large"),
    ] {
        let mut client = Raw::connect(proxy.port(), &[]);
        ask(&mut client, how, text, &[]);
        client.send();
        until_busy(herd, "large", 3);
        std::thread::sleep(Duration::from_secs(1));
        let (mut rows, mut last) = (0, i64::MIN);
        loop {
            let (kind, body) = client.message();
            match kind {
                b'D' => {
                    rows += 1;
                    let row = pgherd::wire::backend::read_data_row(&body).expect("a row");
                    if how == How::Simple {
                        let id = row.get(0).flatten().map(String::from_utf8_lossy);
                        let id = id.and_then(|id| id.parse().ok()).expect("a number");
                        assert!(id > last, "{id} after {last}");
                        last = id;
                    }
                }
                b'Z' => break,
                b'E' => panic!("{body:?}"),
                _ => {}
            }
        }
        assert_eq!(rows, 3 * LARGE);
    }
    let more = memory(proxy).saturating_sub(before);
    assert!(more < 16 * 1024, "{more} kB more at its peak for two results of 60 MB");
}

/// The most that it has taken so far, in kB.
pub fn memory(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
}

fn gathered_rows_have_a_bound(herd: &TestHerd, _: &Proxy) {
    let limits = "\n[pool]\nsize = 1\n[limits]\ngather_memory = \"1MB\"\nmerge_memory = \"1MB\"\n\
                  gather_disk = \"0B\"\n";
    let proxy = &herd.proxy_with(|text| text + limits);
    let mut client = Raw::connect(proxy.port(), &[]);
    let text = "SELECT count(*) FROM large WHERE pad <> (SELECT max(pad || 'x') FROM large)";
    for how in [How::Simple, How::Extended(&[1])] {
        let (code, message, _) = answer(&mut client, how, text, &[]).error.expect("an error");
        assert_eq!(code, "53200", "{message}");
        until_quiet(herd, "large");
    }
    // What the shards leave out needn't fit.
    let text = "SELECT id FROM large WHERE id < 500 AND pad < 'y' AND id = \
                (SELECT max(id + 0) FROM large WHERE id < 100)";
    let few = answer(&mut client, How::Simple, text, &[]);
    assert_eq!((few.rows.len(), few.error), (1, None));
    works(proxy);
}

fn gathered_rows_beyond_it_are_stored(herd: &TestHerd, kept: &Proxy) {
    let limits = |disk: &str| {
        format!(
            "\n[pool]\nsize = 1\n[limits]\ngather_memory = \"256KB\"\ngather_disk = \"{disk}\"\n"
        )
    };
    let proxy = &herd.proxy_with(|text| text + &limits("1GB"));
    let mut client = Raw::connect(proxy.port(), &[]);
    let mut other = Raw::connect(kept.port(), &[]);
    let large = "(SELECT count(*) FROM large WHERE pad <> (SELECT max(pad || 'x') FROM large))";
    for (text, values) in [
        (
            format!("SELECT md5(string_agg(t::text, '|' ORDER BY t.id)), {large} FROM things t"),
            None,
        ),
        (
            format!("SELECT t.*, rank() OVER (ORDER BY t.id), {large} FROM things t ORDER BY t.id"),
            None,
        ),
        (
            format!(
                "SELECT c.name, sum(t.n), {large} FROM things t JOIN colours c ON c.name = t.colour \
                  GROUP BY GROUPING SETS ((c.name), ()) ORDER BY 1"
            ),
            None,
        ),
        (
            format!("SELECT count(*) OVER (), id, {large} FROM things WHERE n > $1 ORDER BY id"),
            Some("1"),
        ),
        (
            format!(
                "SELECT p.part, t.id, {large} FROM parts p JOIN things t ON t.id = p.part + 1 ORDER BY \
                  1, 2, p.thing_id"
            ),
            None,
        ),
    ] {
        let values: Vec<&str> = values.into_iter().collect();
        for how in [How::Simple, How::Extended(&[1])] {
            if how == How::Simple && !values.is_empty() {
                continue;
            }
            let ours = answer(&mut client, how, &text, &values);
            let theirs = answer(&mut other, how, &text, &values);
            assert_eq!(ours.error, None, "{text}");
            assert!(!ours.rows.is_empty(), "{text}");
            assert_eq!(ours.rows, theirs.rows, "{text}");
        }
    }
    // Errors and cancels, on the way and in the end, leave nothing either.
    let wrong = format!("SELECT 1 / (id - 7), count(*) OVER (), {large} FROM things");
    let error = answer(&mut client, How::Simple, &wrong, &[]).error.expect("an error");
    assert_eq!(error.0, "22012", "{}", error.1);
    let stored = "SELECT count(*) FROM pg_class WHERE relname LIKE 'pgherd rows%'";
    for node in herd.nodes() {
        let rows = node.query(stored, Duration::from_secs(20)).expect("answered");
        assert_eq!(rows, [vec![Some("0".to_owned())]]);
    }
    until_quiet(herd, "large");
    // Not where the transaction is the client's, which may be committed on several shards.
    let count = format!("SELECT {large}");
    answer(&mut client, How::Simple, "BEGIN", &[]);
    let (code, message, _) = answer(&mut client, How::Simple, &count, &[]).error.expect("an error");
    assert_eq!(code, "53200", "{message}");
    answer(&mut client, How::Simple, "ROLLBACK", &[]);
    works(proxy);
    // Nor more than is allowed.
    let proxy = &herd.proxy_with(|text| text + &limits("512KB"));
    let mut client = Raw::connect(proxy.port(), &[]);
    let (code, message, _) = answer(&mut client, How::Simple, &count, &[]).error.expect("an error");
    assert_eq!((&*code, &*message), ("53200", "the rows to gather take more than 524288 bytes"));
    until_quiet(herd, "large");
    works(proxy);
}

/// Texts, whose order only a server knows.
fn rows_to_put_in_order_have_a_bound(herd: &TestHerd, _: &Proxy) {
    let limits = "\n[pool]\nsize = 1\n[limits]\nmerge_memory = \"1MB\"\ngather_memory = \"1MB\"\n";
    let proxy = &herd.proxy_with(|text| text + limits);
    let mut client = Raw::connect(proxy.port(), &[]);
    for how in [How::Simple, How::Extended(&[1])] {
        let text = "SELECT id, pad FROM large ORDER BY pad";
        let (code, message, _) = answer(&mut client, how, text, &[]).error.expect("an error");
        assert_eq!(code, "53200", "{message}");
        until_quiet(herd, "large");
        // Of many rows a few, which each shard chooses for itself.
        let text = "SELECT id FROM large ORDER BY pad || id, id LIMIT 3 OFFSET 2";
        let few = answer(&mut client, how, text, &[]);
        assert_eq!((few.rows.len(), few.error), (3, None));
    }
    // An error comes before any row does.
    let text = "SELECT 1 / (id - 7) FROM large WHERE id < 100 ORDER BY pad";
    let wrong = answer(&mut client, How::Simple, text, &[]);
    assert_eq!((wrong.rows.len(), wrong.error.expect("an error").0.as_str()), (0, "22012"));
    works(proxy);
}

fn groups_have_a_bound(herd: &TestHerd, _: &Proxy) {
    let limits = "\n[pool]\nsize = 1\n[limits]\nmerge_memory = \"1MB\"\n";
    let proxy = &herd.proxy_with(|text| text + limits);
    let mut client = Raw::connect(proxy.port(), &[]);
    // Not by the key itself, whose groups lie on one shard each.
    for text in
        ["SELECT id + 0, count(*) FROM large GROUP BY 1", "SELECT DISTINCT id + 0 FROM large"]
    {
        let (code, message, _) =
            answer(&mut client, How::Simple, text, &[]).error.expect("an error");
        assert_eq!(code, "53200", "{message}");
        until_quiet(herd, "large");
    }
    let few =
        answer(&mut client, How::Simple, "SELECT id % 100, count(*) FROM large GROUP BY 1", &[]);
    assert_eq!((few.rows.len(), few.error), (100, None));
    works(proxy);
}
