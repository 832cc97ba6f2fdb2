//! Server connections on real servers: lent in order, bounded, never handed on in an unknown
//! state, and bounded in time when a server is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pgherd::cluster::ask::ask;
use pgherd::cluster::{
    Backend, Cluster, ClusterError, Lent, PoolStats, ServerBudgets, UserPools, View,
};
use pgherd::config::{Overrides, Settings, load};
use pgherd::local::{Node, Stop};
use pgherd::placement::ShardId;
use pgherd::wire::backend::tag;
use pgherd::wire::{frame, frontend};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::support::{TestHerd, Want};

pub const S1: ShardId = ShardId(0);
pub const S2: ShardId = ShardId(1);
pub const SOON: Duration = Duration::from_secs(10);

pub fn shared() -> &'static TestHerd {
    TestHerd::shared(&Want::sharded(2, 1, ""))
}

pub fn settings(herd: &TestHerd) -> Settings {
    load(&herd.config(), &Overrides::default()).expect("the herd's own settings")
}

pub fn start(settings: &Settings) -> Arc<Cluster> {
    Cluster::start(settings, &settings.databases[0], &ServerBudgets::default(), Handle::current())
}

/// A cluster with so many connections a pool, and the pools of the herd's user.
pub fn pools(size: usize, change: impl FnOnce(&mut Settings)) -> (Arc<Cluster>, Arc<UserPools>) {
    let mut settings = settings(shared());
    settings.pool.size = size;
    change(&mut settings);
    let cluster = start(&settings);
    let pools = cluster.user("pgherd").expect("the herd's user");
    (cluster, pools)
}

/// The pool in use on a shard.
pub fn stats(cluster: &Cluster, shard: &str) -> PoolStats {
    let rows = cluster.stats();
    let busy = |s: &PoolStats| s.idle + s.lent + s.connecting + s.waiting > 0;
    let of_shard = || rows.iter().filter(|r| &*r.shard == shard).map(|r| r.stats);
    of_shard().find(busy).or_else(|| of_shard().next()).expect("a pool")
}

pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub async fn one(backend: &mut Backend, question: &str) -> String {
    let rows = ask(backend, question, SOON).await.expect("an answer");
    rows[0][0].clone().expect("a value")
}

pub fn refused(got: Result<Lent, ClusterError>) -> ClusterError {
    got.map(|lent| panic!("lent {lent:?}")).unwrap_or_else(|e| e)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_one_back_is_the_next_one_out() {
    let (cluster, pools) = pools(2, |_| {});
    let mut first = pools.checkout(S1).await.expect("lent");
    let second = pools.checkout(S1).await.expect("lent");
    let (one_pid, two_pid) = (first.pid(), second.pid());
    assert_ne!(one_pid, two_pid);
    assert_eq!(one(&mut first, "SELECT pg_backend_pid()").await, one_pid.to_string());
    assert!(first.is_clean());
    drop(first);
    drop(second);
    let again = pools.checkout(S1).await.expect("lent");
    assert_eq!(again.pid(), two_pid);
    let now = stats(&cluster, "s1");
    assert_eq!((now.lent, now.idle, now.waiting), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_first_is_served_first_and_the_bound_holds() {
    let (cluster, pools) = pools(1, |_| {});
    let held = pools.checkout(S1).await.expect("lent");
    let (done, mut order) = tokio::sync::mpsc::unbounded_channel();
    for turn in 0..20usize {
        let (pools, done) = (pools.clone(), done.clone());
        tokio::spawn(async move {
            let mut lent = pools.checkout(S1).await.expect("lent");
            done.send((turn, lent.pid())).expect("the test waits");
            one(&mut lent, "SELECT 1").await;
        });
        until("it waits", || stats(&cluster, "s1").waiting == turn + 1).await;
    }
    let pid = held.pid();
    drop(held);
    for turn in 0..20 {
        let served = timeout(SOON, order.recv()).await.expect("in time");
        assert_eq!(served, Some((turn, pid)), "one connection serves all, in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_has_an_end_that_says_what_waited_for_what() {
    let (cluster, pools) = pools(1, |s| s.limits.queue_timeout = Duration::from_millis(200));
    until_served(&pools, S1).await;
    let held = pools.checkout(S1).await.expect("lent");
    let started = Instant::now();
    let error = refused(pools.checkout(S1).await);
    let waited = started.elapsed();
    assert!((200..2000).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(error.sqlstate, "57P03");
    let what = "shard s1 unavailable: 1 of 1 connections for user pgherd are busy, waited 0.";
    assert!(error.message.starts_with(what), "{error}");
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("limits.queue_timeout")));
    assert_eq!(stats(&cluster, "s1").waiting, 0, "who gave up stands in no line");
    drop(held);
    pools.checkout(S1).await.expect("lent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_clean_is_not_handed_on() {
    let (cluster, pools) = pools(1, |_| {});
    let mut last = 0;
    for spoil in ["BEGIN", "unread", "unasked", "broken", "none"] {
        let mut lent = pools.checkout(S1).await.expect("lent");
        assert_ne!(lent.pid(), last, "after {spoil}");
        last = lent.pid();
        match spoil {
            "BEGIN" => drop(ask(&mut lent, "BEGIN", SOON).await.expect("begun")),
            "unread" => {
                frontend::write_query(&mut lent.output, b"SELECT 1");
                lent.send().await.expect("sent");
                lent.fill().await.expect("read");
            }
            "unasked" => {
                frontend::write_query(&mut lent.output, b"SELECT pg_sleep(0.1)");
                lent.expect_ready(1);
                lent.send().await.expect("sent");
            }
            "broken" => lent.mark_broken(),
            _ => {}
        }
    }
    assert_eq!(pools.checkout(S1).await.expect("lent").pid(), last, "a clean one is");
    until("one connection", || stats(&cluster, "s1").idle == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_its_server_closed_is_noticed_when_it_is_wanted() {
    let (_cluster, pools) = pools(3, |_| {});
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(pools.checkout(S1).await.expect("lent"));
    }
    let pids: Vec<String> = all.iter().map(|l| l.pid().to_string()).collect();
    drop(all);
    let killed = format!("SELECT pg_terminate_backend(p) FROM unnest(ARRAY[{}]) p", pids.join(","));
    let primary = shared().primary("s1").expect("a primary");
    primary.query(&killed, SOON).expect("killed");
    sleep(Duration::from_millis(100)).await;
    for _ in 0..3 {
        let mut lent = pools.checkout(S1).await.expect("lent");
        assert_eq!(one(&mut lent, "SELECT 1").await, "1");
        assert!(!pids.contains(&lent.pid().to_string()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unused_and_old_connections_are_closed() {
    let (cluster, by_idle) = pools(3, |s| s.pool.idle_timeout = Duration::from_millis(200));
    drop((by_idle.checkout(S1).await.expect("lent"), by_idle.checkout(S1).await.expect("lent")));
    assert_eq!(stats(&cluster, "s1").idle, 2);
    until("all idle ones closed", || stats(&cluster, "s1").idle == 0).await;

    let (_cluster, by_age) = pools(3, |s| s.pool.lifetime = Duration::from_millis(200));
    let first = by_age.checkout(S1).await.expect("lent");
    let pid = first.pid();
    drop(first);
    sleep(Duration::from_millis(250)).await;
    assert_ne!(by_age.checkout(S1).await.expect("lent").pid(), pid);
}

/// Many clients, some of which give up at any point: nothing leaks, nothing is lent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_give_up_cost_no_connection() {
    let (cluster, pools) = pools(3, |_| {});
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..30u64 {
        let pools = pools.clone();
        clients.spawn(async move {
            for round in 0..40u64 {
                let patience = Duration::from_micros((client * 7919 + round * 104_729) % 4000);
                let work = async {
                    let mut lent = pools.checkout(S1).await.expect("lent");
                    let pid = lent.pid().to_string();
                    assert_eq!(one(&mut lent, "SELECT pg_backend_pid()").await, pid);
                };
                let _ = timeout(patience, work).await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("no client failed");
    }
    until("all back", || {
        let now = stats(&cluster, "s1");
        now.lent == 0 && now.waiting == 0 && now.connecting == 0 && now.idle <= 3
    })
    .await;
    let all = [pools.checkout(S1).await, pools.checkout(S1).await, pools.checkout(S1).await];
    assert!(all.iter().all(Result::is_ok), "all three can be had again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_with_the_place() {
    let mut settings = settings(shared());
    let mut nobody = settings.databases[0].users[0].clone();
    nobody.name = "nobody".into();
    nobody.server_password = Some(pgherd::config::Secret::new("wrong"));
    settings.databases[0].users.push(nobody);
    let cluster = start(&settings);
    let error = refused(cluster.user("nobody").expect("configured").checkout(S1).await);
    assert_eq!(error.sqlstate, "28P01", "{error}");
    let port = shared().primary("s1").expect("a primary").member().port;
    let expected = format!(
        "shard s1, node 127.0.0.1:{port}, user nobody: \
         password authentication failed for user \"nobody\""
    );
    assert_eq!(error.message, expected);
    assert!(cluster.user("stranger").is_err());
    // It says nothing of the node: others are served.
    cluster.user("pgherd").expect("configured").checkout(S1).await.expect("lent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_stops_what_runs_there() {
    let (_cluster, pools) = pools(1, |_| {});
    let mut lent = pools.checkout(S1).await.expect("lent");
    let token = lent.cancel_token();
    frontend::write_query(&mut lent.output, b"SELECT pg_sleep(60)");
    lent.expect_ready(1);
    lent.send().await.expect("sent");
    sleep(Duration::from_millis(50)).await;
    token.cancel(SOON).await.expect("taken");
    let mut errors = Vec::new();
    while lent.awaited() > 0 {
        let Some((tag, body)) = frame::take(&mut lent.input, 1 << 20, "").expect("frames") else {
            timeout(SOON, lent.fill()).await.expect("in time").expect("read");
            continue;
        };
        lent.note(tag, &body).expect("well formed");
        if tag == tag::ERROR_RESPONSE {
            errors.push(Bytes::copy_from_slice(&body));
        }
    }
    let fields = pgherd::wire::backend::ErrorFields::read(&errors[0]).expect("well formed");
    assert_eq!(fields.sqlstate(), b"57014");
    assert!(lent.is_clean());
}

/// A query's answer, with the connection given back.
pub async fn served(pools: &UserPools, shard: ShardId) -> Result<String, ClusterError> {
    let mut lent = pools.checkout(shard).await?;
    Ok(one(&mut lent, "SELECT pg_is_in_recovery()::text").await)
}

pub async fn until_served(pools: &UserPools, shard: ShardId) {
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(error) = served(pools, shard).await {
        assert!(Instant::now() < end, "not served again: {error}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_shard_fails_fast_alone_and_comes_back() {
    let herd = TestHerd::start(&Want::sharded(2, 0, ""));
    let mut settings = settings(&herd);
    settings.pool.connect_timeout = Duration::from_millis(700);
    settings.pool.retry_backoff_max = Duration::from_secs(1);
    let cluster = start(&settings);
    let pools = cluster.user("pgherd").expect("configured");
    assert_eq!(served(&pools, S1).await.expect("served"), "false");

    let node = herd.primary("s1").expect("a primary");
    node.stop(Stop::Immediate).expect("stopped");
    for attempt in 0..200 {
        let started = Instant::now();
        let error = served(&pools, S1).await.expect_err("it is dead");
        assert_eq!(error.sqlstate, "57P03");
        let place = format!("shard s1 unavailable: node 127.0.0.1:{}: ", node.member().port);
        assert!(error.message.starts_with(&place), "{error}");
        assert!(error.message.ends_with(" s"), "{error}");
        let bound = if attempt == 0 { 2000 } else { 100 };
        assert!(started.elapsed().as_millis() < bound, "{:?}", started.elapsed());
        served(&pools, S2).await.expect("the other shard is served");
    }
    assert!(matches!(cluster.shards()[0].view(), View::Down { .. }));
    node.start().expect("started");
    until_served(&pools, S1).await;

    // A server that answers nothing, as behind a cut network: the kernel still accepts.
    let lent = pools.checkout(S1).await.expect("lent");
    assert_eq!(stats(&cluster, "s1").idle, 0, "one client, one connection");
    node.pause().expect("paused");
    let started = Instant::now();
    let error = served(&pools, S1).await.expect_err("frozen");
    assert_eq!(error.sqlstate, "57P03");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let started = Instant::now();
    for _ in 0..100 {
        served(&pools, S1).await.expect_err("frozen");
    }
    assert!(started.elapsed() < Duration::from_secs(1), "fails fast: {:?}", started.elapsed());
    node.resume().expect("resumed");
    drop(lent);
    until_served(&pools, S1).await;
}

/// Waits until a replica has replayed what its primary has written by now.
pub async fn caught_up(primary: &Node, replica: &Node) {
    let written = primary.query("SELECT pg_current_wal_flush_lsn()", SOON).expect("asked");
    let written = written[0][0].clone().expect("a position");
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
    let end = Instant::now() + SOON;
    // Until it has replayed CREATE DATABASE it can't even be asked.
    while !matches!(replica.query(&replayed, SOON), Ok(rows) if rows[0][0].as_deref() == Some("t"))
    {
        assert!(Instant::now() < end, "the replica is behind {written}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_is_found_and_a_second_primary_is_not_written_to() {
    let herd = TestHerd::start(&Want::sharded(1, 1, ""));
    let settings = settings(&herd);
    let cluster = start(&settings);
    let pools = cluster.user("pgherd").expect("configured");
    assert_eq!(served(&pools, S1).await.expect("served"), "false");
    let (old, new) = (herd.nodes()[0].clone(), herd.nodes()[1].clone());
    caught_up(&old, &new).await;
    old.stop(Stop::Immediate).expect("stopped");
    served(&pools, S1).await.expect_err("no primary yet");
    new.promote().expect("promoted");
    until_served(&pools, S1).await;
    assert_eq!(cluster.shards()[0].view(), View::Primary { node: 1, timeline: 2 });

    // The old one comes back, and believes that it is the primary: its timeline is older.
    old.start().expect("started");
    let lent = pools.checkout(S1).await.expect("lent");
    pools.suspect(S1, &lent);
    drop(lent);
    until_served(&pools, S1).await;
    assert_eq!(cluster.shards()[0].view(), View::Primary { node: 1, timeline: 2 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_cluster_lends_nothing_and_leaves_nothing() {
    let (cluster, pools) = pools(2, |_| {});
    let held = pools.checkout(S1).await.expect("lent");
    drop(pools.checkout(S1).await.expect("lent"));
    cluster.close();
    assert_eq!(refused(pools.checkout(S1).await).sqlstate, "57P01");
    assert!(cluster.user("pgherd").is_err());
    let pid = held.pid();
    drop(held);
    let primary = shared().primary("s1").expect("a primary");
    let left = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    until("closed on the server", || {
        primary.query(&left, SOON).expect("asked")[0][0].as_deref() == Some("0")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_primaries_of_one_timeline_are_no_shard() {
    let mut settings = settings(shared());
    let other = settings.databases[0].shards[1].nodes[0].clone();
    let nodes = &mut settings.databases[0].shards[0].nodes;
    let first = nodes[0].clone();
    *nodes = vec![first.clone(), other.clone()];
    let cluster = start(&settings);
    let error = refused(cluster.user("pgherd").expect("configured").checkout(S1).await);
    assert_eq!(error.sqlstate, "57P03");
    let expected = format!(
        "shard s1 unavailable: nodes {first} and {other} both are primary on timeline 1; \
         stop the wrong one, waited "
    );
    assert!(error.message.starts_with(&expected), "{error}");
}

/// The server has fewer places than the pool: who finds none waits for one of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_makes_clients_wait_not_fail() {
    let primary = shared().primary("s2").expect("a primary");
    let role = "CREATE ROLE pool_narrow LOGIN PASSWORD 'x' CONNECTION LIMIT 1";
    primary.query(role, SOON).expect("made");
    let mut settings = settings(shared());
    settings.limits.queue_timeout = Duration::from_secs(2);
    let mut narrow = settings.databases[0].users[0].clone();
    narrow.name = "pool_narrow".into();
    narrow.server_password = Some(pgherd::config::Secret::new("x"));
    settings.databases[0].users.push(narrow);
    let cluster = start(&settings);
    let pools = cluster.user("pool_narrow").expect("configured");
    let held = pools.checkout(S2).await.expect("lent");
    let pid = held.pid();
    let second = tokio::spawn({
        let pools = pools.clone();
        async move { pools.checkout(S2).await.map(|lent| lent.pid()) }
    });
    until("it was refused and waits", || stats(&cluster, "s2").waiting == 1).await;
    sleep(Duration::from_millis(300)).await;
    drop(held);
    assert_eq!(second.await.expect("ran"), Ok(pid));

    let held = pools.checkout(S2).await.expect("lent");
    let error = refused(pools.checkout(S2).await);
    assert_eq!(error.sqlstate, "57P03");
    let expected = "Connecting one more failed: too many connections for role \"pool_narrow\".";
    assert_eq!(error.detail.as_deref(), Some(expected));
    drop(held);
}

/// What answers need not be a server, nor mean well: an error, in bounded time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_no_postgres_is_an_error() {
    let endless = b"N\0\0\0\x05\0".repeat(100_000);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("a length below four", b"R\0\0\0\x03\0".to_vec()),
        ("a length of 2 GB", b"R\x7f\xff\xff\xff\0\0\0\0".to_vec()),
        ("a short authentication", b"R\0\0\0\x05\0".to_vec()),
        ("ready before anything", b"Z\0\0\0\x05I".to_vec()),
        ("let in, then nonsense", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05?".to_vec()),
        ("rows at startup", b"R\0\0\0\x08\0\0\0\0D\0\0\0\x06\0\0".to_vec()),
        ("proof out of order", b"R\0\0\0\x0c\0\0\0\x0cv=AA".to_vec()),
        ("a mechanism without end", b"R\0\0\0\x0c\0\0\0\x0aSCRA".to_vec()),
        ("notices without end", endless),
        ("an error without end", b"E\0\0\0\x08SERR".to_vec()),
    ];
    for (what, bytes) in cases {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            // The peer may hang up in the middle.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await;
            sleep(Duration::from_millis(300)).await;
        });
        let address = pgherd::config::settings::NodeAddress { host: "127.0.0.1".into(), port };
        let target = pgherd::cluster::Target {
            tls: pgherd::config::tls::ServerTls::disabled(),
            address,
            database: "d".into(),
            login: pgherd::wire::auth::client::Login::new("u", None),
            parameters: [].into(),
            prepared_statements: 1,
            silence_timeout: SOON,
        };
        let connecting = Backend::connect(&target, Duration::from_secs(1));
        let error = timeout(Duration::from_secs(5), connecting).await.expect("in time");
        assert!(error.is_err(), "{what}");
    }
}
