//! Large results and long pipelines pass through without piling up.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::SinkExt;
use pgherd::wire::frontend::{self, Format, Target};

use super::common::{connect, herd, psql};
use super::hostile::logged_in_to;
use super::raw::Raw;
use crate::support::{Proxy, TestHerd, Want};

/// Bytes of memory that the proxy has in use.
fn memory(proxy: &Proxy) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilobytes = line.split_whitespace().next().expect("a number");
    kilobytes.parse::<usize>().expect("a number") * 1024
}

#[test]
fn a_slow_client_stops_its_server_and_costs_no_memory() {
    const ROWS: usize = 200_000;
    let proxy = herd().proxy_with(|settings| settings);
    assert_eq!(psql(&proxy.dsn("app"), "SELECT 1").0, "1\n");
    let mut stream = logged_in_to(proxy.port());
    let before = memory(&proxy);
    let mut query = BytesMut::new();
    let text = format!("SELECT repeat('x', 1000) FROM generate_series(1, {ROWS})");
    frontend::write_query(&mut query, text.as_bytes());
    stream.write_all(&query).expect("sent");
    // 200 MB are on their way; nobody reads them.
    std::thread::sleep(Duration::from_secs(2));
    let grown = memory(&proxy).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    // Others are served meanwhile, and then this one gets all of it.
    assert_eq!(psql(&proxy.dsn("app"), "SELECT 2").0, "2\n");
    let mut read = 0;
    let mut chunk = vec![0; 1 << 20];
    let end = b"Z\0\0\0\x05I";
    loop {
        let n = stream.read(&mut chunk).expect("it goes on");
        assert!(n > 0, "closed after {read} bytes");
        read += n;
        if chunk[..n].ends_with(end) {
            break;
        }
    }
    assert!(read > ROWS * 1000, "{read}");
    let grown = memory(&proxy).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
}

/// What is read in large pieces while much comes is read in small ones as soon as little does.
#[test]
fn a_flood_of_rows_ends_in_time() {
    // By transaction; and by session where there is one shard, where all passes as it comes.
    let pool = "\n[pool]\nsize = 1\n";
    ends_in_time(&herd().proxy_with(|settings| settings + pool));
    let user = "name = \"pgherd\"\n";
    let of_session = format!("{user}pool_mode = \"session\"\n");
    let alone = TestHerd::shared(&Want::unsharded(0));
    ends_in_time(&alone.proxy_with(|settings| settings.replacen(user, &of_session, 1) + pool));
}

fn ends_in_time(proxy: &Proxy) {
    let here = "/* pgherd: shard=s1 */";
    let rows = "SELECT repeat('x', 1000) FROM generate_series(1, 20000) AS n";
    let failing = format!("{here} {rows} WHERE 1 / (20000 - n) >= 0");
    let cases = [
        (format!("{here} {rows}"), 20_000, false),
        (format!("{here} COPY ({rows}) TO STDOUT"), 20_000, false),
        (failing, 19_999, true),
        // Three rows come one by one behind the many, each as soon as the server sends it.
        (
            format!(
                "{here} {rows} UNION ALL SELECT pg_sleep(0.3) || repeat('y', 20000) FROM generate_series(1, 3)"
            ),
            20_003,
            false,
        ),
    ];
    for (text, expected, fails) in cases {
        let mut raw = Raw::connect(proxy.port(), &[]);
        frontend::write_query(&mut raw.output, text.as_bytes());
        raw.send();
        let (mut rows, mut failed, mut last) = (0, false, Vec::new());
        loop {
            match raw.message().0 {
                b'D' | b'd' => {
                    rows += 1;
                    last.push(Instant::now());
                }
                b'E' => failed = true,
                b'Z' => break,
                _ => {}
            }
        }
        assert_eq!((rows, failed), (expected, fails), "{text}");
        if let [.., one, _, three] = last.as_slice()
            && expected == 20_003
        {
            // A row's end comes with the beginning of the next one: that is the server's doing.
            assert!(*three - *one > Duration::from_millis(150), "{:?}", *three - *one);
        }
        // The one connection wakes whoever waits for a single row, too.
        let begun = Instant::now();
        for i in 0..20 {
            assert_eq!(raw.query(format!("{here} SELECT {i}").as_bytes())[1], format!("D {i}"));
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_long_pipeline_without_sync_runs_as_one_transaction() {
    const BINDS: usize = 30_000;
    let proxy = herd().proxy_with(|settings| settings);
    let before = memory(&proxy);
    let stream = logged_in_to(proxy.port());
    let mut writer = stream.try_clone().expect("a socket");
    // Read beside the writing, as such a client must.
    let answers = std::thread::spawn(move || {
        let mut stream = stream;
        let (mut all, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
        while !all.ends_with(b"Z\0\0\0\x05I") {
            let n = stream.read(&mut chunk).expect("it goes on");
            assert!(n > 0, "closed");
            all.extend_from_slice(&chunk[..n]);
        }
        all
    });
    let mut out = BytesMut::new();
    frontend::parse(&mut out, b"", b"SELECT $1::int", &[]).expect("short");
    frontend::describe(&mut out, Target::Prepared(b""));
    for i in 0..BINDS {
        let value = i.to_string();
        let values = [Some(value.as_bytes())];
        frontend::bind(&mut out, b"", b"", Format::Text, &values, Format::Text).expect("short");
        frontend::execute(&mut out, b"", 0);
    }
    frontend::sync(&mut out);
    let started = Instant::now();
    writer.write_all(&out).expect("sent");
    let answers = answers.join().expect("no panic");
    let text = String::from_utf8_lossy(&answers);
    assert_eq!(text.matches("SELECT 1\0").count(), BINDS);
    assert!(started.elapsed() < Duration::from_secs(60));
    let grown = memory(&proxy).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

/// A server that is busy for long reads nothing meanwhile. That is no sign of its being gone,
/// whatever `pool.silence_timeout` is.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_take_its_time_over_what_it_is_sent() {
    let herd = TestHerd::shared(&Want::unsharded(0));
    let proxy = herd.proxy_with(|settings| settings + "\n[pool]\nsilence_timeout = \"4s\"\n");
    let client = connect(&proxy.dsn("app")).await;
    client
        .batch_execute(
            "CREATE TABLE slow_copy (id bigint, filler text);
             CREATE FUNCTION slow_copy_sleeps() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_sleep(12); RETURN NEW; END $$;
             CREATE TRIGGER slow_copy_sleeps BEFORE INSERT ON slow_copy FOR EACH ROW \
             WHEN (NEW.id = 100) EXECUTE FUNCTION slow_copy_sleeps()",
        )
        .await
        .expect("made");
    let sink = client.copy_in("COPY slow_copy FROM STDIN").await.expect("asked for");
    futures_util::pin_mut!(sink);
    for id in 0..20_000 {
        let row = format!("{id}\t{}\n", "x".repeat(1000));
        sink.send(bytes::Bytes::from(row)).await.expect("taken");
    }
    assert_eq!(sink.finish().await.expect("copied"), 20_000);
}
