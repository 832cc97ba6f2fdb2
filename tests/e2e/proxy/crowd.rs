//! What a crowd costs: idle clients, a slow reader beside them, texts that nobody has seen.
//!
//! The default numbers are small; `tools/load` runs them in full, on a release build. Each test
//! prints what it measured.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use pgherd::wire::auth::client::Login;
use pgherd::wire::backend::tag;
use pgherd::wire::frontend::{self, Format};
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::common::herd;
use super::peer::{Peer, herd_login, memory};
use crate::support::Proxy;

/// A number from the environment.
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Clients that log in at once.
const LOGINS: usize = 64;

/// Raises the bound on open files to what is allowed, for this process and the proxies that it
/// starts.
fn raise_open_files(wanted: usize) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the two calls read and write a structure of ours.
    let allowed = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        limit.rlim_max
    };
    assert!(allowed >= wanted as u64, "{wanted} open files are needed, {allowed} allowed");
}

/// Seconds of CPU that the proxy has taken.
fn cpu(proxy: &Proxy) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", proxy.pid())).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).expect("a number");
    // SAFETY: asks for a number.
    (ticks(11) + ticks(12)) / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

/// Waits until the proxy's memory is below a bound, for a while; what it is then.
async fn memory_below(proxy: &Proxy, bound: usize, limit: Duration) -> usize {
    let until = Instant::now() + limit;
    loop {
        let now = memory(proxy);
        if now < bound || Instant::now() > until {
            return now;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Asks again and again how long an answer takes, on a connection of its own and on a new one.
struct Probe {
    stop: Arc<AtomicBool>,
    task: JoinHandle<io::Result<Latencies>>,
}

/// Sorted.
struct Latencies {
    queries: Vec<Duration>,
    connections: Vec<Duration>,
}

impl Probe {
    fn start(port: u16, login: &Login, text: &'static str) -> Probe {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, login) = (Arc::clone(&stop), login.clone());
        let task = tokio::spawn(async move {
            let mut peer = Peer::login(port, &login).await?;
            let (mut queries, mut connections) = (Vec::new(), Vec::new());
            while !stopped.load(Ordering::Relaxed) || queries.is_empty() {
                let start = Instant::now();
                peer.query(text).await?;
                queries.push(start.elapsed());
                if queries.len() % 20 == 1 {
                    let start = Instant::now();
                    Peer::login(port, &login).await?.query(text).await?;
                    connections.push(start.elapsed());
                }
                sleep(Duration::from_millis(10)).await;
            }
            queries.sort();
            connections.sort();
            Ok(Latencies { queries, connections })
        });
        Probe { stop, task }
    }

    async fn end(self, when: &str) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        let latencies = self.task.await.expect("no panic").expect("each is answered");
        let Latencies { queries, connections } = &latencies;
        println!(
            "  {when}: {} queries p50 {:.2?} p99 {:.2?} max {:.2?}; \
             {} new connections p50 {:.2?} max {:.2?}",
            queries.len(),
            at(queries, 50),
            at(queries, 99),
            at(queries, 100),
            connections.len(),
            at(connections, 50),
            at(connections, 100),
        );
        latencies
    }
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last * percent).div_ceil(100)).copied().unwrap_or_default()
}

/// So many clients that have logged in.
async fn crowd(port: u16, login: &Login, count: usize) -> Vec<Peer> {
    let gate = Arc::new(Semaphore::new(LOGINS));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (gate, login) = (Arc::clone(&gate), login.clone());
        tasks.spawn(async move {
            let _permit = gate.acquire().await.expect("open");
            Peer::login(port, &login).await.expect("let in")
        });
    }
    tasks.join_all().await
}

/// Each of the crowd says something and hears the answer, some at a time.
async fn each_says(crowd: Vec<Peer>, say: impl Fn(usize) -> BytesMut) -> Vec<Peer> {
    let gate = Arc::new(Semaphore::new(LOGINS));
    let mut tasks = JoinSet::new();
    for (number, mut peer) in crowd.into_iter().enumerate() {
        let (gate, text) = (Arc::clone(&gate), say(number));
        tasks.spawn(async move {
            let _permit = gate.acquire().await.expect("open");
            peer.send(&text).await.expect("sent");
            let answer = peer.until_ready().await.expect("answered");
            assert!(answer.iter().all(|(kind, _)| *kind != tag::ERROR_RESPONSE));
            peer
        });
    }
    tasks.join_all().await
}

fn query(text: &str) -> BytesMut {
    let mut out = BytesMut::new();
    frontend::write_query(&mut out, text.as_bytes());
    out
}

/// Parse under a name, and one execution.
fn prepared(name: &str, text: &str) -> BytesMut {
    let mut out = BytesMut::new();
    let name = name.as_bytes();
    frontend::parse(&mut out, name, text.as_bytes(), &[]).expect("short");
    frontend::bind(&mut out, b"", name, Format::Text, &[Some(b"7")], Format::Text).expect("short");
    frontend::execute(&mut out, b"", 0);
    frontend::sync(&mut out);
    out
}

/// `PGHERD_CROWD` clients (500) that have nothing to say, and one beside them that reads
/// `PGHERD_SLOW_MB` (64) of rows at its leisure.
#[tokio::test(flavor = "multi_thread")]
async fn idle_clients_cost_little_and_harm_nobody() {
    let (clients, slow) = (setting("PGHERD_CROWD", 500), setting("PGHERD_SLOW_MB", 64) << 20);
    raise_open_files(clients + 500);
    let proxy = herd()
        .proxy_with(|settings| settings + &format!("\n[limits]\nclients = {}\n", clients + 100));
    let (port, login) = (proxy.port(), herd_login());
    // What is needed once is there before anything is counted.
    let talk = |number: usize| prepared("warm", &format!("SELECT $1::int, {}", number % 2));
    let few = each_says(crowd(port, &login, 100.min(clients)).await, talk).await;
    drop(each_says(few, |_| query("SELECT 1")).await);
    sleep(Duration::from_secs(1)).await;
    let empty = memory(&proxy);
    println!("{clients} idle clients, {} kB in use before them", empty / 1024);
    let alone = Probe::start(port, &login, "SELECT 1");
    sleep(Duration::from_secs(2)).await;
    alone.end("probe alone").await;

    let start = Instant::now();
    let all = crowd(port, &login, clients).await;
    println!("  logged in within {:.1?}", start.elapsed());
    let each = async |what: &str| {
        sleep(Duration::from_secs(1)).await;
        let bytes = memory(&proxy).saturating_sub(empty) / clients;
        println!("  {what}: {bytes} bytes a client");
        // Generous: a debug build, whose tasks are larger.
        assert!(bytes < 40_000, "{bytes} bytes a client, {what}");
    };
    each("logged in").await;
    let all = each_says(all, |_| query("SELECT 1")).await;
    each("after a query").await;
    let all = each_says(all, shared_statement).await;
    each("with a statement prepared that all share").await;
    let all = each_says(all, own_statement).await;
    each("with one of their own as well").await;

    let probe = Probe::start(port, &login, "SELECT 1");
    sleep(Duration::from_secs(2)).await;
    probe.end("probe beside them").await;
    let full = memory(&proxy);
    let probe = Probe::start(port, &login, "SELECT 1");
    let read = slow_reader(port, &login, slow).await.expect("it gets its rows");
    let beside = probe.end("probe beside a slow reader too").await;
    let grown = memory(&proxy).saturating_sub(full);
    println!("  {read} bytes read slowly; the proxy grew by {grown} bytes");

    assert!(grown < 16 << 20, "{grown} bytes for a slow reader");
    assert!(at(&beside.queries, 50) < Duration::from_secs(1), "others wait for a slow reader");

    drop(all);
    let probe = Probe::start(port, &login, "SELECT 1");
    let bound = empty + full.saturating_sub(empty) / 2 + (4 << 20);
    let left = memory_below(&proxy, bound, Duration::from_secs(30)).await;
    probe.end("probe when they have left").await;
    println!("  {} kB in use with them, {} kB when they have left", full / 1024, left / 1024);
    assert!(left < bound, "{left} bytes stay, {bound} are allowed");
    let all = each_says(crowd(port, &login, clients).await, shared_statement).await;
    let again = memory(&proxy);
    println!("  {} kB in use with another crowd", again / 1024);
    drop(all);
    assert!(again < full + (16 << 20), "{again} bytes for the second crowd, {full} for the first");
}

fn shared_statement(_: usize) -> BytesMut {
    prepared("shared", "SELECT $1::int + 1")
}

fn own_statement(number: usize) -> BytesMut {
    prepared("own", &format!("SELECT $1::int + 1 AS mine_{number}"))
}

/// Reads a large result in pieces, with a rest after each.
async fn slow_reader(port: u16, login: &Login, size: usize) -> io::Result<usize> {
    let mut peer = Peer::login(port, login).await?;
    let rows = size / 1000;
    let text = format!("SELECT repeat('x', 1000) FROM generate_series(1, {rows})");
    peer.send(&query(&text)).await?;
    let (mut read, mut chunk) = (0, vec![0; 256 * 1024]);
    loop {
        let n = peer.stream.read(&mut chunk).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read += n;
        if chunk[..n].ends_with(b"Z\0\0\0\x05I") {
            return Ok(read);
        }
        sleep(Duration::from_millis(4)).await;
    }
}

/// `PGHERD_TEXTS` texts (4000) within `PGHERD_TEXTS_SECONDS` (4), no two of them alike.
#[tokio::test(flavor = "multi_thread")]
async fn texts_that_nobody_has_seen_stall_nobody() {
    let (texts, seconds) = (setting("PGHERD_TEXTS", 4000), setting("PGHERD_TEXTS_SECONDS", 4));
    let proxy = herd().proxy_with(|settings| settings + "\n[limits]\nplan_cache = \"8MB\"\n");
    let (port, login) = (proxy.port(), herd_login());
    let mut speakers = crowd(port, &login, 8).await;
    speakers = each_says(speakers, |_| query("SELECT 1")).await;
    let (before, busy) = (memory(&proxy), cpu(&proxy));
    println!("{texts} different texts in {seconds} s, {} kB in use before", before / 1024);
    let alone = Probe::start(port, &login, "SELECT 1");
    sleep(Duration::from_secs(2)).await;
    let alone = alone.end("probe alone").await;

    let probe = Probe::start(port, &login, "SELECT 1");
    let (start, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let pause = Duration::from_secs(seconds as u64) / texts as u32;
    let mut tasks = JoinSet::new();
    for mut peer in speakers {
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= texts {
                    return peer;
                }
                sleep((pause * number as u32).saturating_sub(start.elapsed())).await;
                let text = different(number);
                let message =
                    if number % 2 == 0 { query(&text) } else { prepared("", &with_one(&text)) };
                peer.send(&message).await.expect("sent");
                let answer = peer.until_ready().await.expect("answered");
                let refused = answer.iter().find(|(kind, _)| *kind == tag::ERROR_RESPONSE);
                assert!(
                    refused.is_none(),
                    "{text}: {:?}",
                    refused.map(|(_, b)| super::peer::said(b))
                );
            }
        });
    }
    let speakers = tasks.join_all().await;
    let took = start.elapsed();
    let beside = probe.end("probe beside them").await;
    let grown = memory(&proxy).saturating_sub(before);
    println!("  took {took:.1?}; CPU {:.1} s; grew by {} kB", cpu(&proxy) - busy, grown / 1024);
    drop(speakers);
    assert!(grown < 96 << 20, "{grown} bytes for texts that are gone");
    let (alone, beside) = (at(&alone.queries, 50), at(&beside.queries, 50));
    assert!(beside < alone + Duration::from_secs(1), "{beside:?}, alone {alone:?}");
}

/// A text of some length, like those that a program puts together.
fn different(number: usize) -> String {
    format!(
        "SELECT c{number}.n AS a{number}, c{number}.n + 1 AS b, 'some text' AS c \
         FROM (SELECT 1 AS n, 2 AS m{number}) c{number} WHERE c{number}.n = 1 AND c{number}.n < 9 \
         ORDER BY a{number} LIMIT 10"
    )
}

/// The same with a parameter.
fn with_one(text: &str) -> String {
    text.replace("LIMIT 10", "LIMIT $1::int")
}
