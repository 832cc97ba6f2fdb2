//! Statements held back: they wait, nobody is lost, and all go on afterwards.

use std::sync::Arc;
use std::time::Duration;

use pgherd::cluster::{Cluster, Scope, ServerBudgets};
use pgherd::local::Stop;
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{sleep, timeout};

use super::pool::{
    S1, S2, SOON, caught_up, one, pools, refused, served, settings, shared, stats, until,
    until_served,
};
use super::pool_bounds::{lent, waiter};
use crate::support::{TestHerd, Want};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_waits_for_what_is_lent_and_holds_back_what_is_new() {
    let (cluster, pools) = pools(1, |_| {});
    until_served(&pools, S1).await;
    let held = pools.checkout(S1).await.expect("lent");
    let pausing = tokio::spawn({
        let cluster = Arc::clone(&cluster);
        async move { cluster.pause(Scope::Database, SOON).await }
    });
    until("it is paused", || stats(&cluster, "s1").paused).await;
    let (done, mut order) = unbounded_channel();
    for turn in 0..6usize {
        let (pools, done) = (Arc::clone(&pools), done.clone());
        tokio::spawn(async move {
            let mut lent = pools.checkout(S1).await.expect("lent");
            done.send(turn).expect("the test waits");
            one(&mut lent, "SELECT 1").await;
        });
        until("it waits", || stats(&cluster, "s1").waiting == turn + 1).await;
    }
    assert!(!pausing.is_finished(), "one is still out");
    drop(held);
    let pause = timeout(SOON, pausing).await.expect("in time").expect("ran").expect("paused");
    let now = stats(&cluster, "s1");
    assert_eq!((now.lent, now.connecting, now.waiting), (0, 0, 6), "nothing runs");
    assert!(order.try_recv().is_err());
    // Overlapping: the first that ends doesn't end the other.
    let other = cluster.pause(Scope::Shard(S1), SOON).await.expect("paused");
    drop(pause);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(stats(&cluster, "s1").waiting, 6);
    assert_eq!(served(&pools, S2).await.expect("not paused any more"), "false");
    drop(other);
    for turn in 0..6 {
        assert_eq!(timeout(SOON, order.recv()).await.expect("in time"), Some(turn));
    }
    until("all are back", || stats(&cluster, "s1").lent == 0).await;
    assert!(!stats(&cluster, "s1").paused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_takes_too_long_is_none() {
    let (cluster, pools) = pools(2, |_| {});
    until_served(&pools, S1).await;
    let held = pools.checkout(S1).await.expect("lent");
    let failed = cluster.pause(Scope::Database, Duration::from_millis(200)).await;
    let error = failed.err().expect("one is out");
    assert_eq!(error.sqlstate, "55006");
    assert_eq!(error.detail.as_deref(), Some("Connections in use: 1 of user pgherd on shard s1."));
    assert_eq!(served(&pools, S1).await.expect("all goes on"), "false");
    // Nor is one that nobody waits for any longer.
    let waiting = timeout(Duration::from_millis(200), cluster.pause(Scope::Shard(S1), SOON));
    assert!(waiting.await.is_err());
    assert_eq!(served(&pools, S1).await.expect("all goes on"), "false");
    drop(held);
    assert!(cluster.pause(Scope::Shard(pgherd::placement::ShardId(9)), SOON).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_meant_is_held_back_and_only_so_long() {
    let mut settings = settings(shared());
    let (first, second) = ("pgherd", "pool_pause_other");
    let role = format!("CREATE ROLE {second} LOGIN PASSWORD 'x'");
    for shard in ["s1", "s2"] {
        shared().primary(shard).expect("a primary").query(&role, SOON).expect("made");
    }
    let mut user = settings.databases[0].users[0].clone();
    user.name = second.into();
    user.server_password = Some(pgherd::config::Secret::new("x"));
    settings.databases[0].users.push(user);
    settings.limits.queue_timeout = Duration::from_secs(2);
    let servers = ServerBudgets::default();
    let cluster = Cluster::start(&settings, &settings.databases[0], &servers, Handle::current());
    let one_user = cluster.user(first).expect("configured");
    until_served(&one_user, S1).await;
    until_served(&one_user, S2).await;
    // A shard; a user who comes only now is held back, too.
    let pause = cluster.pause(Scope::Shard(S1), SOON).await.expect("paused");
    let other_user = cluster.user(second).expect("configured");
    let error = refused(other_user.checkout(S1).await);
    assert_eq!(error.sqlstate, "57P03");
    assert!(error.message.starts_with("shard s1 unavailable: it is paused, waited "), "{error}");
    until_served(&one_user, S2).await;
    until_served(&other_user, S2).await;
    drop(pause);
    until_served(&other_user, S1).await;
    // A user.
    let pause = cluster.pause(Scope::User(second.into()), SOON).await.expect("paused");
    assert_eq!(refused(other_user.checkout(S2).await).sqlstate, "57P03");
    until_served(&one_user, S2).await;
    drop(pause);
    until_served(&other_user, S2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_made_anew_after_a_pause_that_closed_them() {
    let (cluster, pools) = pools(1, |s| s.pool.min_size = 1);
    until_served(&pools, S1).await;
    let before = pools.checkout(S1).await.expect("lent").pid();
    let pause = cluster.pause(Scope::Database, SOON).await.expect("paused");
    pause.close_connections();
    let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {before}");
    let primary = shared().primary("s1").expect("a primary");
    until("it is closed", || {
        primary.query(&gone, SOON).expect("asked")[0][0].as_deref() == Some("0")
    })
    .await;
    sleep(Duration::from_millis(200)).await;
    let now = stats(&cluster, "s1");
    assert_eq!((now.idle, now.connecting), (0, 0), "nothing is made in a pause");
    let waiting = waiter(&pools);
    drop(pause);
    assert_ne!(lent(waiting).await.pid(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waited_goes_to_the_new_primary() {
    let herd = TestHerd::start(&Want::sharded(1, 1, ""));
    let settings = settings(&herd);
    let servers = ServerBudgets::default();
    let cluster = Cluster::start(&settings, &settings.databases[0], &servers, Handle::current());
    let pools = cluster.user("pgherd").expect("configured");
    until_served(&pools, S1).await;
    let (old, new) = (herd.nodes()[0].clone(), herd.nodes()[1].clone());
    let kept = pools.checkout(S1).await.expect("lent");
    let address = kept.address().clone();
    drop(kept);
    let pause = cluster.pause(Scope::Shard(S1), SOON).await.expect("paused");
    let waiting = waiter(&pools);
    until("it waits", || stats(&cluster, "s1").waiting == 1).await;
    caught_up(&old, &new).await;
    old.stop(Stop::Immediate).expect("stopped");
    new.promote().expect("promoted");
    cluster.shards()[0].suspect(0);
    // Who comes while nobody knows the primary waits as well.
    let later = waiter(&pools);
    until("the new primary is known", || cluster.shards()[0].primary() == Some(1)).await;
    assert!(!waiting.is_finished() && !later.is_finished());
    drop(pause);
    for waiting in [waiting, later] {
        let lent = lent(waiting).await;
        assert_ne!(*lent.address(), address);
    }
}
