//! How many connections there are: kept ready, in reserve, and never more than allowed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgherd::cluster::{Cluster, Lent, PoolStats, ServerBudgets, UserPools};
use pgherd::config::Settings;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::pool::{S1, SOON, one, pools, refused, settings, shared, stats, until};

/// Somebody who waits for a connection, and says so.
pub fn waiter(pools: &Arc<UserPools>) -> tokio::task::JoinHandle<Lent> {
    let pools = Arc::clone(pools);
    tokio::spawn(async move { pools.checkout(S1).await.expect("lent") })
}

pub async fn lent(waiter: tokio::task::JoinHandle<Lent>) -> Lent {
    timeout(SOON, waiter).await.expect("in time").expect("ran")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_are_ready_while_a_user_is_there() {
    let (cluster, pools) = pools(4, |s| {
        s.pool.min_size = 3;
        s.pool.idle_timeout = Duration::from_millis(200);
    });
    drop(pools.checkout(S1).await.expect("lent"));
    until("three are made", || stats(&cluster, "s1").idle == 3).await;
    // Only at the node that takes statements.
    let all = || cluster.stats().iter().filter(|r| &*r.shard == "s1").map(|r| r.stats.idle).sum();
    sleep(Duration::from_millis(600)).await;
    assert_eq!((3usize, 3usize), (all(), stats(&cluster, "s1").idle), "long after idle_timeout");
    // One that is lost is made again.
    let mut lost = pools.checkout(S1).await.expect("lent");
    lost.mark_broken();
    drop(lost);
    until("three again", || stats(&cluster, "s1").idle == 3).await;
    // A fourth in use isn't one that is kept.
    let four: Vec<_> = (0..4).map(|_| waiter(&pools)).collect();
    until("four are lent", || stats(&cluster, "s1").lent == 4).await;
    for waiting in four {
        drop(lent(waiting).await);
    }
    until("three are left", || stats(&cluster, "s1").idle == 3).await;
    // Nobody holds the user's pools: all are closed, and the pools forgotten.
    drop(pools);
    until("nothing is left", || cluster.stats().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reserve_is_for_those_who_have_waited() {
    let (cluster, pools) = pools(1, |s| {
        s.pool.reserve_size = 1;
        s.pool.reserve_after = Duration::from_millis(300);
    });
    let first = pools.checkout(S1).await.expect("lent");
    let started = Instant::now();
    let second = lent(waiter(&pools)).await;
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    assert_ne!(first.pid(), second.pid());
    // No more than the reserve.
    let third = waiter(&pools);
    until("it waits", || stats(&cluster, "s1").waiting == 1).await;
    sleep(Duration::from_millis(600)).await;
    let now = stats(&cluster, "s1");
    assert_eq!((now.lent, now.connecting, now.waiting), (2, 0, 1));
    // A connection of the reserve serves who waits, and ends when nobody does.
    let pid = second.pid();
    drop(second);
    let third = lent(third).await;
    assert_eq!(third.pid(), pid);
    drop(third);
    let now = stats(&cluster, "s1");
    assert_eq!((now.lent, now.idle), (1, 0), "it was one too many");
    drop(first);
    assert_eq!(stats(&cluster, "s1").idle, 1);
}

/// Settings with so many connections to a server, and users named after a test, each with a
/// pool of twice as many.
fn bounded(test: &str, users: usize, size: usize) -> Settings {
    let mut settings = settings(shared());
    settings.pool.node_size = Some(size);
    settings.pool.size = 2 * size;
    let primary = shared().primary("s1").expect("a primary");
    for i in 0..users {
        let name = format!("{test}_{i}");
        primary.query(&format!("CREATE ROLE {name} LOGIN PASSWORD 'x'"), SOON).expect("made");
        let mut user = settings.databases[0].users[0].clone();
        user.name = name.as_str().into();
        user.server_password = Some(pgherd::config::Secret::new("x"));
        settings.databases[0].users.push(user);
    }
    settings
}

fn start(settings: &Settings, servers: &ServerBudgets) -> Arc<Cluster> {
    Cluster::start(settings, &settings.databases[0], servers, Handle::current())
}

/// The pool of a user on s1 that has anything in it.
fn of_user(cluster: &Cluster, user: &str) -> PoolStats {
    let rows = cluster.stats();
    let mut rows = rows.iter().filter(|r| &*r.shard == "s1" && &*r.user == user);
    let first = rows.next().expect("a pool").stats;
    let busy = |s: &PoolStats| s.idle + s.lent + s.connecting + s.waiting > 0;
    if busy(&first) { first } else { rows.map(|r| r.stats).find(busy).unwrap_or(first) }
}

/// Connections that the server knows of, of users named after a test.
fn on_server(test: &str) -> usize {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE usename LIKE '{test}%'");
    let rows = shared().primary("s1").expect("a primary").query(&count, SOON).expect("asked");
    rows[0][0].as_deref().expect("a number").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_user_has_and_does_not_use_is_closed_for_who_waits() {
    let settings = bounded("bounds_idle", 2, 2);
    let cluster = start(&settings, &ServerBudgets::default());
    let user = |name| cluster.user(name).expect("configured");
    let (a, b) = (user("bounds_idle_0"), user("bounds_idle_1"));
    let two = [waiter(&a), waiter(&a)];
    for waiting in two {
        drop(lent(waiting).await);
    }
    // One may have served both.
    let idle = of_user(&cluster, "bounds_idle_0").idle;
    assert!((1..=2).contains(&idle), "{idle}");
    let first = lent(waiter(&b)).await;
    let second = lent(waiter(&b)).await;
    assert_eq!(of_user(&cluster, "bounds_idle_0").idle, 0, "closed, both");
    assert_eq!(of_user(&cluster, "bounds_idle_1").lent, 2);
    until("two on the server", || on_server("bounds_idle") == 2).await;
    // All are in use: the next that comes back is for the one who waits, whoever it is.
    let waiting = waiter(&a);
    until("it waits", || of_user(&cluster, "bounds_idle_0").waiting == 1).await;
    drop(first);
    let third = lent(waiting).await;
    until("one left", || of_user(&cluster, "bounds_idle_1").lent == 1).await;
    assert_eq!(of_user(&cluster, "bounds_idle_1").idle, 0);
    let rows = cluster.budgets();
    let full = rows.iter().find(|row| row.taken > 0).expect("a budget");
    assert_eq!((&*full.setting, full.size, full.taken), ("pool.node_size", 2, 2));
    drop((second, third));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_much_earlier_is_served_first_whichever_user_it_is() {
    let settings = bounded("bounds_order", 2, 1);
    let cluster = start(&settings, &ServerBudgets::default());
    let user = |name| cluster.user(name).expect("configured");
    let (a, b) = (user("bounds_order_0"), user("bounds_order_1"));
    let held = a.checkout(S1).await.expect("lent");
    let earlier = waiter(&b);
    until("b waits", || of_user(&cluster, "bounds_order_1").waiting == 1).await;
    sleep(Duration::from_millis(300)).await;
    let later = waiter(&a);
    until("a waits", || of_user(&cluster, "bounds_order_0").waiting == 1).await;
    drop(held);
    let served = lent(earlier).await;
    assert!(!later.is_finished());
    drop(served);
    drop(lent(later).await);
    // Nobody waits: what comes back stays.
    until("it stays", || of_user(&cluster, "bounds_order_0").idle == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_room_has_its_end_and_costs_others_nothing() {
    let mut settings = bounded("bounds_wait", 2, 1);
    settings.limits.queue_timeout = Duration::from_millis(400);
    let cluster = start(&settings, &ServerBudgets::default());
    let user = |name| cluster.user(name).expect("configured");
    let (a, b) = (user("bounds_wait_0"), user("bounds_wait_1"));
    let held = loop {
        // The first login may take its time on a busy machine.
        if let Ok(lent) = a.checkout(S1).await {
            break lent;
        }
    };
    let error = refused(b.checkout(S1).await);
    assert_eq!(error.sqlstate, "57P03");
    let what = "0 connections for user bounds_wait_1 are busy, and all 1 of pool.node_size";
    assert!(error.message.contains(what), "{error}");
    assert!(error.hint.as_deref().is_some_and(|h| h.contains("raise pool.node_size")));
    // Who has given up doesn't take what comes back.
    let pid = held.pid();
    drop(held);
    assert_eq!(a.checkout(S1).await.expect("lent").pid(), pid);
}

/// Users who come and go at random, some of whom give up, over two databases on one server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_than_allowed_and_nobody_is_forgotten() {
    const SIZE: usize = 3;
    let mut settings = bounded("bounds_load", 3, SIZE);
    let servers = ServerBudgets::default();
    let one_database = start(&settings, &servers);
    settings.databases[0].name = "other".into();
    settings.databases[0].node_size = Some(2);
    let other = start(&settings, &servers);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..24u64 {
        let cluster = if client % 2 == 0 { &one_database } else { &other };
        let pools = cluster.user(&format!("bounds_load_{}", client % 3)).expect("configured");
        clients.spawn(async move {
            for round in 0..8u64 {
                let patience = match (client + round) % 4 {
                    0 => Duration::from_millis((client * 7919 + round * 104_729) % 40),
                    _ => Duration::from_secs(60),
                };
                let work = async {
                    let mut lent = pools.checkout(S1).await.expect("lent");
                    one(&mut lent, "SELECT 1").await;
                    sleep(Duration::from_millis((client * 31 + round * 17) % 10)).await;
                };
                let _ = timeout(patience, work).await;
            }
        });
    }
    let mut most = 0;
    while !clients.is_empty() {
        let taken = |cluster: &Cluster| cluster.budgets().iter().map(|r| (r.size, r.taken)).max();
        assert!(taken(&other).is_some_and(|(size, taken)| taken <= size));
        most = most.max(on_server("bounds_load"));
        while let Some(done) = clients.try_join_next() {
            done.expect("nobody was forgotten");
        }
        sleep(Duration::from_millis(20)).await;
    }
    // One that we have closed may need a moment to end there.
    assert!(most <= SIZE + 2, "{most} at once");
    let sum = |cluster: &Cluster, of: fn(&PoolStats) -> usize| -> usize {
        cluster.stats().iter().map(|row| of(&row.stats)).sum()
    };
    let both = |of| sum(&one_database, of) + sum(&other, of);
    until("all are back", || both(|s| s.lent + s.connecting + s.waiting) == 0).await;
    for row in one_database.budgets().iter().chain(&other.budgets()) {
        assert!(row.taken <= row.size, "{row:?}");
    }
    let server = one_database.budgets().iter().map(|row| row.taken).max().expect("a budget");
    assert_eq!(server, both(|s| s.idle), "each connection is counted once");
    // Room that is left can be had.
    drop(one_database.user("bounds_load_0").expect("configured").checkout(S1).await.expect("lent"));
}
