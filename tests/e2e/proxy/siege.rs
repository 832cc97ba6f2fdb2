//! Clients that say too much, in the wrong order, or nothing any more. Each is told, or its
//! socket is closed; the proxy's memory stays within a bound, the next client is served, and no
//! server's session is left in a transaction.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use pgherd::wire::auth::client::Login;
use pgherd::wire::backend::tag;
use pgherd::wire::frame;
use pgherd::wire::frontend::{self, Format};
use pgherd::wire::startup::{write_cancel, write_tls_request};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::common::{connect, herd};
use super::peer::{Frame, Peer, herd_login, memory, said};
use crate::support::Proxy;

/// How soon the next client is to be served, on a machine that has much else to do.
const NEXT: Duration = Duration::from_secs(15);
const MB: usize = 1 << 20;

/// A proxy of one test, and what it was like before.
struct Siege {
    proxy: Proxy,
    login: Login,
    /// What the servers' sessions are called.
    name: &'static str,
    before: usize,
}

impl Siege {
    async fn begin(name: &'static str) -> Siege {
        Siege::begin_with(name, "").await
    }

    async fn begin_with(name: &'static str, settings: &str) -> Siege {
        let proxy = herd().proxy_with(|own| own + settings);
        let mut siege = Siege { proxy, login: herd_login(), name, before: 0 };
        for _ in 0..3 {
            siege.client().await.query("SELECT 1").await.expect("served");
        }
        siege.before = memory(&siege.proxy);
        siege
    }

    async fn client(&self) -> Peer {
        let login = Peer::login_as(self.proxy.port(), &self.login, self.name);
        timeout(NEXT, login).await.expect("soon").expect("let in")
    }

    async fn stranger(&self) -> Peer {
        Peer::connect(self.proxy.port()).await.expect("it listens")
    }

    fn grown(&self) -> usize {
        memory(&self.proxy).saturating_sub(self.before)
    }

    /// All is as it was: with so much more memory at most.
    async fn ends_well(self, room: usize) {
        let grown = self.grown();
        let mut next = self.client().await;
        let answer = timeout(NEXT, next.query("SELECT 1")).await.expect("soon").expect("served");
        assert!(answer.iter().any(|(kind, _)| *kind == tag::DATA_ROW));
        assert!(grown < room, "{} more kilobytes", grown / 1024);
        self.no_transaction_is_left().await;
        let log = self.proxy.log();
        assert!(!log.contains("panicked"), "{log}");
    }

    async fn no_transaction_is_left(&self) {
        for shard in herd().shape().shard_names() {
            let server = connect(&herd().primary(&shard).expect("a primary").dsn()).await;
            let until = Instant::now() + NEXT;
            let open = "SELECT coalesce(string_agg(pid || ' ' || state || ' ' || query, '; '), '') \
                FROM pg_stat_activity WHERE application_name = $1 AND state <> 'idle'";
            loop {
                let row = server.query_one(open, &[&self.name]).await.expect("asked");
                let left: String = row.get(0);
                if left.is_empty() {
                    break;
                }
                assert!(Instant::now() < until, "{shard}: {left}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn built(write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut out);
    out
}

fn parse(out: &mut BytesMut, name: &[u8], text: &str) {
    frontend::parse(out, name, text.as_bytes(), &[]).expect("short");
}

fn bind(out: &mut BytesMut, portal: &[u8], name: &[u8], values: &[Option<&[u8]>]) {
    frontend::bind(out, portal, name, Format::Text, values, Format::Text).expect("short");
}

/// SQLSTATE and message of each error among these.
fn errors(frames: &[Frame]) -> Vec<String> {
    let errors = frames.iter().filter(|(kind, _)| *kind == tag::ERROR_RESPONSE);
    errors.map(|(_, body)| said(body)).collect()
}

/// Answers to much.
#[derive(Debug, Default)]
struct Answers {
    /// Frames that aren't ReadyForQuery.
    others: usize,
    /// SQLSTATEs.
    errors: BTreeSet<String>,
}

/// Sends much beside reading the answers, up to so many ReadyForQuery.
async fn exchange(peer: Peer, bytes: BytesMut, ready: usize) -> io::Result<Answers> {
    let (mut read, mut write) = peer.split();
    let writer = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let sent = write.write_all(&bytes).await;
        // The other half goes with it.
        sent.map(|()| write)
    });
    let (mut seen, mut answers) = (0, Answers::default());
    while seen < ready {
        let (kind, body) = read.frame().await?;
        seen += usize::from(kind == tag::READY_FOR_QUERY);
        answers.others += usize::from(kind != tag::READY_FOR_QUERY);
        if kind == tag::ERROR_RESPONSE {
            answers.errors.insert(said(&body)[..5].to_owned());
        }
    }
    writer.await.expect("no panic")?;
    Ok(answers)
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_small_messages_are_answered() {
    const MANY: usize = 100_000;
    let siege = Siege::begin("flood").await;
    let flood = |write: fn(&mut BytesMut)| {
        built(|out| {
            (0..MANY).for_each(|_| write(out));
            frontend::sync(out);
        })
    };
    for (what, write, ready) in [
        ("Sync", frontend::sync as fn(&mut BytesMut), MANY + 1),
        ("Flush", frontend::flush, 1),
        ("empty Query", |out| frontend::write_query(out, b""), MANY + 1),
        ("CopyDone", frontend::copy_done, 1),
        ("Close", |out| frontend::close(out, frontend::Target::Portal(b"none")), 1),
    ] {
        let start = Instant::now();
        let answers = exchange(siege.client().await, flood(write), ready).await.expect(what);
        println!("{MANY} times {what}: {:.1?}, {} answers more", start.elapsed(), answers.others);
    }
    siege.ends_well(32 * MB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_pipeline_of_short_transactions_is_answered() {
    const MANY: usize = 10_000;
    let siege = Siege::begin("syncs").await;
    let one = built(|out| {
        parse(out, b"", "SELECT $1::int");
        bind(out, b"", b"", &[Some(b"1")]);
        frontend::execute(out, b"", 0);
        frontend::sync(out);
    });
    let start = Instant::now();
    let answers = exchange(siege.client().await, one.repeat(MANY).as_slice().into(), MANY).await;
    assert_eq!(answers.expect("answered").others, MANY * 4);
    println!("{MANY} transactions in one pipeline: {:.1?}", start.elapsed());
    siege.ends_well(32 * MB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_come_a_byte_at_a_time() {
    let siege = Siege::begin("slowly").await;
    let mut peer = siege.client().await;
    let said = built(|out| {
        frontend::write_query(out, b"SELECT 'first'");
        parse(out, b"s", "SELECT $1::text");
        bind(out, b"p", b"s", &[Some(b"second")]);
        frontend::execute(out, b"p", 1);
        frontend::sync(out);
        frontend::write_query(out, b"SELECT 'third'");
    });
    for byte in said.iter() {
        peer.send(&[*byte]).await.expect("it reads on");
    }
    let mut answers = peer.until_ready().await.expect("the first");
    answers.extend(peer.until_ready().await.expect("the second"));
    answers.extend(peer.until_ready().await.expect("the third"));
    let rows: Vec<_> = answers.iter().filter(|(kind, _)| *kind == tag::DATA_ROW).collect();
    assert!(rows[0].1.ends_with(b"first") && rows[1].1.ends_with(b"second"), "{rows:?}");
    siege.ends_well(16 * MB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_out_of_order_is_an_error_and_no_more() {
    let siege = Siege::begin("order").await;
    let mut peer = siege.client().await;
    let cases: [(&str, &[&str], BytesMut); 11] = [
        ("Execute without Bind", &["34000"], built(|out| frontend::execute(out, b"", 0))),
        ("Bind without Parse", &["26000"], built(|out| bind(out, b"", b"none", &[]))),
        (
            "Describe of nothing",
            &["26000"],
            built(|out| frontend::describe(out, frontend::Target::Prepared(b"none"))),
        ),
        (
            "too few values",
            &["08P01"],
            built(|out| {
                parse(out, b"", "SELECT $1::int + $2::int");
                bind(out, b"", b"", &[Some(b"1")]);
                frontend::execute(out, b"", 0);
            }),
        ),
        (
            "too many values",
            &["08P01"],
            built(|out| {
                parse(out, b"", "SELECT $1::int");
                bind(out, b"", b"", &[Some(b"1"), None, Some(b"3")]);
            }),
        ),
        (
            "the same name twice",
            &["42P05"],
            built(|out| {
                parse(out, b"twice", "SELECT 1");
                parse(out, b"twice", "SELECT 1");
            }),
        ),
        (
            "a value that is no UTF-8",
            &["22021"],
            built(|out| {
                parse(out, b"", "SELECT $1::text");
                bind(out, b"", b"", &[Some(b"\xff\xfe")]);
                frontend::execute(out, b"", 0);
            }),
        ),
        (
            "a text that is no UTF-8",
            &["22021"],
            built(|out| {
                frontend::parse(out, b"", b"SELECT 'caf\xe9'", &[]).expect("short");
            }),
        ),
        ("a name that is no UTF-8", &["26000"], built(|out| bind(out, b"", b"caf\xe9", &[]))),
        (
            "COPY data for nobody",
            &[],
            built(|out| {
                frontend::copy_data(out, b"1\t2\n");
                frontend::copy_fail(out, b"no");
                frontend::copy_done(out);
            }),
        ),
        (
            "more values than types",
            &["42P02", "08P01", "42P18"],
            built(|out| {
                frontend::parse(out, b"", b"SELECT $3", &[23; 100]).expect("short");
                bind(out, b"", b"", &[Some(b"1")]);
            }),
        ),
    ];
    for (what, codes, mut bytes) in cases {
        frontend::sync(&mut bytes);
        peer.send(&bytes).await.expect(what);
        let answer = peer.until_ready().await.expect(what);
        let errors = errors(&answer);
        let fits = match errors.as_slice() {
            [] => codes.is_empty(),
            [one] => codes.iter().any(|code| one.starts_with(code)),
            _ => false,
        };
        assert!(fits, "{what}: {errors:?}");
        peer.query("SELECT 1").await.expect("it goes on");
    }
    siege.ends_well(16 * MB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_in_a_session_ends_it() {
    let siege = Siege::begin("places").await;
    let startup = built(|out| {
        pgherd::wire::startup::write_startup(out, [("user", "pgherd"), ("database", "app")]);
    });
    let twice = built(|out| {
        write_tls_request(out);
        write_tls_request(out);
    });
    for (what, bytes) in [
        ("a second startup packet", startup.clone()),
        ("a request for TLS", built(write_tls_request)),
        ("a password", built(|out| frontend::write_password(out, b"pgherd"))),
        ("a length of 3", BytesMut::from(&b"Q\0\0\0\x03"[..])),
        ("a negative length", BytesMut::from(&b"Q\xff\xff\xff\xff"[..])),
        ("a gigabyte", BytesMut::from(&b"Q\x3f\xff\xff\xff...."[..])),
        ("a gigabyte of nothing", BytesMut::from(&b"S\x3f\xff\xff\xff"[..])),
    ] {
        let mut peer = siege.client().await;
        peer.send(&bytes).await.expect(what);
        let answer = peer.until_closed().await.expect(what);
        assert!(String::from_utf8_lossy(&answer).contains("08P01"), "{what}: {answer:?}");
    }
    for (what, bytes) in [
        ("requests for TLS at once", twice),
        ("a password before anything", built(|out| frontend::write_password(out, b"pgherd"))),
        ("half a startup packet", startup[..20].into()),
        (
            "a startup packet and more",
            built(|out| {
                out.put_slice(&startup);
                frontend::write_query(out, b"SELECT 1");
            }),
        ),
        ("no protocol at all", BytesMut::from(&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..])),
    ] {
        let mut peer = siege.stranger().await;
        peer.send(&bytes).await.expect(what);
        peer.end().await.expect(what);
        let answer = peer.until_closed().await.expect(what);
        assert!(!String::from_utf8_lossy(&answer).contains("SELECT"), "{what}: {answer:?}");
    }
    siege.ends_well(16 * MB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_at_any_moment_leaves_nothing_behind() {
    let siege = Siege::begin("deaths").await;
    siege
        .client()
        .await
        .query("CREATE TABLE IF NOT EXISTS hostile_rows (id bigint PRIMARY KEY, n int)")
        .await
        .expect("made");
    let insert = |id: i64| {
        built(|out| {
            parse(out, b"", "INSERT INTO hostile_rows VALUES ($1, 1)");
            bind(out, b"", b"", &[Some(id.to_string().as_bytes())]);
            frontend::execute(out, b"", 0);
        })
    };
    let query = |text: &str| built(|out| frontend::write_query(out, text.as_bytes()));
    let moments: Vec<(&str, Vec<BytesMut>)> = vec![
        ("in a transaction", vec![query("BEGIN"), query("INSERT INTO hostile_rows VALUES (1, 1)")]),
        (
            "in a failed one",
            vec![
                query("BEGIN"),
                query("SELECT 1 / (n - n) FROM hostile_rows WHERE id = 1"),
                query("SELECT 1 / 0"),
            ],
        ),
        ("in a pipeline without Sync", vec![insert(2), built(frontend::flush)]),
        (
            "in a pipeline",
            vec![[&insert(3)[..], &insert(3)[..], &insert(3)[..]].concat()[..].into()],
        ),
        ("in a message", vec![query("BEGIN"), insert(4)[..30].into()]),
        (
            "in COPY",
            vec![
                query("COPY hostile_rows FROM STDIN /* pgherd: shard=s1 */"),
                built(|out| frontend::copy_data(out, b"5\t1\n")),
            ],
        ),
        (
            "in a message of COPY",
            vec![
                query("COPY hostile_rows FROM STDIN /* pgherd: shard=s1 */"),
                built(|out| frontend::copy_data(out, &[b'5'; 1000]))[..500].into(),
            ],
        ),
        ("in its sleep", vec![query("BEGIN"), query("SELECT pg_sleep(600)")]),
        ("in a result", vec![query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)")]),
        (
            "in COPY out",
            vec![query(
                "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT",
            )],
        ),
        (
            "while it waits for a lock",
            vec![
                query("BEGIN"),
                query("LOCK hostile_rows /* pgherd: shard=s1 */"),
                query("SELECT pg_sleep(600)"),
            ],
        ),
    ];
    for (what, said) in &moments {
        for abruptly in [true, false] {
            let mut peer = siege.client().await;
            for bytes in said {
                peer.send(bytes).await.expect(what);
                // Some die sooner than others.
                sleep(Duration::from_millis(if abruptly { 30 } else { 100 })).await;
            }
            if abruptly { peer.vanish() } else { drop(peer) }
        }
    }
    siege.no_transaction_is_left().await;
    let mut next = siege.client().await;
    for id in 1..=5 {
        let text = format!("SELECT * FROM hostile_rows WHERE id = {id}");
        let answer = next.query(&text).await.expect("answered");
        assert!(answer.iter().all(|(kind, _)| *kind != tag::DATA_ROW), "row {id} is there");
    }
    siege.ends_well(24 * MB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_requests_stop_what_they_name_and_nothing_else() {
    const MANY: i32 = 2000;
    let siege = Siege::begin("cancels").await;
    let mut victim = siege.client().await;
    let port = siege.proxy.port();
    let mut flood = JoinSet::new();
    for pid in 0..MANY {
        flood.spawn(async move {
            let mut peer = Peer::connect(port).await?;
            let packet = built(|out| write_cancel(out, pid, &pid.to_be_bytes()));
            peer.send(&packet).await?;
            peer.end().await?;
            peer.until_closed().await.map(|answer| assert!(answer.is_empty()))
        });
        if flood.len() >= 200 {
            let _ = flood.join_next().await;
        }
        if pid % 100 == 0 {
            victim.query("SELECT 1, pg_sleep(0.01)").await.expect("nobody cancelled it");
        }
    }
    while flood.join_next().await.is_some() {}
    siege.ends_well(16 * MB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_are_sent_away_and_keep_nobody_out() {
    const MANY: usize = 1000;
    let siege = Siege::begin_with("silent", "\n[limits]\nstartup_timeout = \"3s\"\n").await;
    let startup = built(|out| {
        pgherd::wire::startup::write_startup(out, [("user", "pgherd"), ("database", "app")]);
    });
    let mut silent = Vec::new();
    for number in 0..MANY {
        let mut peer = siege.stranger().await;
        match number % 4 {
            0 => {}
            1 => peer.send(&startup[..7]).await.expect("taken"),
            // Asked for a password, it keeps still.
            2 => peer.send(&startup).await.expect("taken"),
            _ => peer.send(&built(write_tls_request)).await.expect("taken"),
        }
        silent.push(peer);
    }
    let mut next = siege.client().await;
    timeout(NEXT, next.query("SELECT 1")).await.expect("soon").expect("served");
    println!("{MANY} half-open clients: {} kB", siege.grown() / 1024);
    for mut peer in silent {
        peer.until_closed().await.expect("it is sent away");
    }
    siege.ends_well(48 * MB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_never_read_cost_little() {
    let siege = Siege::begin_with("deaf", "\n[pool]\nsize = 30\n").await;
    let rows = "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)";
    let many = built(|out| (0..1000).for_each(|_| frontend::write_query(out, rows.as_bytes())));
    let small = built(|out| (0..100_000).for_each(|_| frontend::write_query(out, b"")));
    let mut deaf = Vec::new();
    for bytes in [&many, &small] {
        for _ in 0..10 {
            let peer = siege.client().await;
            let (read, mut write) = peer.split();
            let bytes = bytes.clone();
            let writer = tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                let _ = write.write_all(&bytes).await;
                write
            });
            deaf.push((read, writer));
        }
    }
    sleep(Duration::from_secs(3)).await;
    println!("20 deaf clients: {} kB", siege.grown() / 1024);
    let mut next = siege.client().await;
    timeout(NEXT, next.query("SELECT 1")).await.expect("soon").expect("served");
    assert!(siege.grown() < 32 * MB, "{} kB", siege.grown() / 1024);
    for (read, writer) in deaf {
        writer.abort();
        drop(read);
    }
    siege.ends_well(32 * MB).await;
}

/// What a client has its session keep for it is bounded, whatever it is.
#[tokio::test(flavor = "multi_thread")]
async fn hoards_are_bounded() {
    const LIMITS: &str = "\n[limits]\nsession_state = \"256KB\"\nprepared_statements = \"256KB\"\n";
    let siege = Siege::begin_with("hoards", LIMITS).await;
    type Say = fn(usize, &mut BytesMut);
    // What, what is said before, how often, how, and whether there is too much of it.
    let hoards: [(&str, &[u8], usize, Say, bool); 10] = [
        ("portals of nothing", b"", 20_000, |i, out| portal(i, b"empty", out), true),
        ("portals of BEGIN", b"", 20_000, |i, out| portal(i, b"begin", out), true),
        ("portals of a server", b"BEGIN", 2_000, |i, out| portal(i, b"select", out), true),
        (
            "portals and Syncs",
            b"",
            20_000,
            |i, out| {
                portal(i, b"begin", out);
                frontend::sync(out);
            },
            false,
        ),
        ("statements", b"", 20_000, |i, out| parse(out, format!("s{i}").as_bytes(), ""), true),
        (
            "savepoints",
            b"BEGIN",
            5_000,
            |i, out| query(out, &format!("SAVEPOINT savepoint_number_{i}")),
            true,
        ),
        (
            "savepoints on a server",
            b"BEGIN; SELECT 1",
            5_000,
            |i, out| query(out, &format!("SAVEPOINT savepoint_number_{i}")),
            true,
        ),
        (
            "settings",
            b"",
            500,
            |i, out| query(out, &format!("SET hoard.x{i} = '{}'", "x".repeat(1000))),
            true,
        ),
        (
            "hints",
            b"BEGIN",
            500,
            |i, out| {
                query(out, &format!("SAVEPOINT hint_{i}"));
                query(out, &format!("SET pgherd.key = '{}'", "x".repeat(1000)));
            },
            true,
        ),
        (
            "settings of a transaction without a statement",
            b"BEGIN",
            400,
            |i, out| query(out, &format!("SET LOCAL hoard.y{i} = '{}'", "x".repeat(1000))),
            true,
        ),
    ];
    for (what, before, many, say, bounded) in hoards {
        let start = Instant::now();
        let mut peer = siege.client().await;
        for text in before.split(|byte| *byte == b';').filter(|text| !text.is_empty()) {
            peer.query(&String::from_utf8_lossy(text)).await.expect(what);
        }
        let bytes = built(|out| {
            parse(out, b"empty", "");
            parse(out, b"begin", "BEGIN");
            parse(out, b"select", "SELECT 1");
            frontend::sync(out);
            (0..many).for_each(|number| say(number, out));
            frontend::sync(out);
        });
        let ready = readies(&bytes);
        let answers = exchange(peer, bytes, ready).await.expect(what);
        println!(
            "{many} {what}: {:.1?}, {:?}, {} kB",
            start.elapsed(),
            answers.errors,
            siege.grown() / 1024
        );
        assert_eq!(answers.errors.contains("54000"), bounded, "{what}: {:?}", answers.errors);
    }
    siege.ends_well(24 * MB).await;
}

fn query(out: &mut BytesMut, text: &str) {
    frontend::write_query(out, text.as_bytes());
}

fn portal(number: usize, name: &[u8], out: &mut BytesMut) {
    bind(out, format!("portal number {number}").as_bytes(), name, &[]);
}

/// How many ReadyForQuery these messages get.
fn readies(bytes: &[u8]) -> usize {
    let (mut rest, mut count) = (bytes, 0);
    while let Ok(Some((frame, len))) = frame::first(rest, MB, "a test") {
        count += usize::from(matches!(frame.tag, b'Q' | b'S'));
        rest = &rest[len..];
    }
    count
}
