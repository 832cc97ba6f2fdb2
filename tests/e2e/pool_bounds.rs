//! How many connections there are: kept ready, in reserve, and never more than allowed.

use std::sync::Arc;
use std::time::Duration;

use pgherd::cluster::{Lent, UserPools};
use tokio::time::timeout;

use super::pool::{S1, SOON, pools, stats, until};

/// Somebody who waits for a connection, and says so.
fn waiter(pools: &Arc<UserPools>) -> tokio::task::JoinHandle<Lent> {
    let pools = Arc::clone(pools);
    tokio::spawn(async move { pools.checkout(S1).await.expect("lent") })
}

async fn lent(waiter: tokio::task::JoinHandle<Lent>) -> Lent {
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
    tokio::time::sleep(Duration::from_millis(600)).await;
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
    let started = std::time::Instant::now();
    let second = lent(waiter(&pools)).await;
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    assert_ne!(first.pid(), second.pid());
    // No more than the reserve.
    let third = waiter(&pools);
    until("it waits", || stats(&cluster, "s1").waiting == 1).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
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
