//! Clients that take too long: their statement is cancelled, or they are sent away, and what
//! they held serves others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::SinkExt;
use pgherd::wire::frontend;

use super::common::{code, connect, herd, psql};
use super::hostile::logged_in_to;
use super::traces::{left, query, until_nothing_is_left};
use crate::support::{Proxy, TestHerd, Want};

const SOON: Duration = Duration::from_secs(30);

/// A proxy with these limits and one connection to a shard.
fn limited(limits: &str) -> Proxy {
    herd().proxy_with(|settings| format!("{settings}\n[pool]\nsize = 1\n[limits]\n{limits}\n"))
}

/// All that comes until the proxy closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(SOON)).expect("set");
    stream.read_to_end(&mut answer).expect("closed within the time");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_cancelled_and_its_client_stays() {
    let proxy = limited("statement_timeout = \"2s\"");
    let client = connect(&proxy.dsn("app")).await;
    let error =
        client.batch_execute("SELECT pg_sleep(600) /* late_simple */").await.expect_err("late");
    assert_eq!(code(&error), "57014");
    let told = error.as_db_error().expect("told");
    assert_eq!(told.message(), "canceling statement due to statement timeout");
    assert_eq!(told.hint(), Some("limits.statement_timeout is 2s here."));
    assert_eq!(left("late_simple"), 0);
    // By the extended protocol, and in a transaction, which fails as with any error.
    client.batch_execute("BEGIN").await.expect("begun");
    let sleep = "SELECT pg_sleep($1) /* late_extended */";
    let error = client.query(sleep, &[&600f64]).await.expect_err("late");
    assert_eq!(code(&error), "57014");
    assert_eq!(code(&client.query("SELECT 1", &[]).await.expect_err("failed")), "25P02");
    client.batch_execute("ROLLBACK").await.expect("ended");
    // Several that are fast each may take longer together.
    for _ in 0..5 {
        client.query("SELECT pg_sleep(0.5)", &[]).await.expect("in time");
    }
    until_nothing_is_left("late_");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_late_with_its_copy_data_is_told_and_stays() {
    let proxy = limited("statement_timeout = \"2s\"");
    let client = connect(&proxy.dsn("app")).await;
    // In its transaction, so that the table needn't be known to routing.
    let text = "/* pgherd: shard=s1 */ COPY countries FROM STDIN";
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS countries (code text PRIMARY KEY, name text)")
        .await
        .expect("made");
    let sink = client.copy_in(text).await.expect("asked for");
    futures_util::pin_mut!(sink);
    sink.send(bytes::Bytes::from_static(b"xx\tnever\n")).await.expect("sent");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let error = sink.finish().await.expect_err("late");
    assert_eq!(code(&error), "57014", "{error:?}");
    let text = "/* pgherd: shard=s1 */ SELECT count(*) FROM countries WHERE code = 'xx'";
    assert_eq!(client.query_one(text, &[]).await.expect("served").get::<_, i64>(0), 0);
}

#[test]
fn a_transaction_left_open_is_closed_and_its_connection_given_to_others() {
    let proxy = limited("idle_in_transaction = \"1500ms\"");
    let pid = |dsn: &str| psql(dsn, "/* pgherd: shard=s1 */ SELECT pg_backend_pid()").0;
    let before = pid(&proxy.dsn("app"));
    let mut client = logged_in_to(proxy.port());
    query(&mut client, "BEGIN");
    query(&mut client, "/* pgherd: shard=s1 */ SET LOCAL work_mem = '77MB'");
    query(&mut client, "/* pgherd: shard=s1 */ SELECT 'idle_open'");
    // Somebody waits for the only connection meanwhile, and gets it, clean.
    let other = psql(
        &proxy.dsn("app"),
        "/* pgherd: shard=s1 */ SELECT pg_backend_pid(), current_setting('work_mem')",
    );
    assert_eq!(other.0, format!("{}|4MB\n", before.trim()), "{}", other.1);
    let told = rest(&mut client);
    assert!(told.contains("25P03"), "{told}");
    assert!(told.contains("terminating connection due to idle-in-transaction timeout"), "{told}");
    until_nothing_is_left("idle_open");
    // A transaction that no server knows of, and one of the extended protocol without Sync.
    let mut begun = logged_in_to(proxy.port());
    query(&mut begun, "BEGIN");
    assert!(rest(&mut begun).contains("25P03"));
    let mut out = BytesMut::new();
    frontend::parse(&mut out, b"", b"/* pgherd: shard=s1 */ SELECT 'idle_unsynced'", &[])
        .expect("short");
    let format = frontend::Format::Text;
    frontend::bind(&mut out, b"", b"", format, &[], format).expect("short");
    frontend::execute(&mut out, b"", 0);
    frontend::flush(&mut out);
    let mut unsynced = logged_in_to(proxy.port());
    unsynced.write_all(&out).expect("sent");
    assert!(rest(&mut unsynced).contains("25P03"));
    until_nothing_is_left("idle_");
    // Who never comes to the end of a message has said nothing.
    let mut slow = logged_in_to(proxy.port());
    query(&mut slow, "BEGIN; /* pgherd: shard=s1 */ SELECT 'idle_trickle'");
    let mut trickle = slow.try_clone().expect("a socket");
    std::thread::spawn(move || {
        let _ = trickle.write_all(b"Q\0\0\x10\0");
        while trickle.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    assert!(rest(&mut slow).contains("25P03"));
    until_nothing_is_left("idle_trickle");
    // Outside a transaction one may be silent.
    let mut idle = logged_in_to(proxy.port());
    std::thread::sleep(Duration::from_secs(3));
    query(&mut idle, "SELECT 'there'");
    let mut answer = [0; 1000];
    let n = idle.read(&mut answer).expect("answered");
    assert!(String::from_utf8_lossy(&answer[..n]).contains("there"));
}

/// Its server, which can't go on writing, doesn't hear of a cancel request either.
#[test]
fn a_client_that_does_not_read_does_not_keep_its_connection() {
    let proxy = limited("statement_timeout = \"1500ms\"");
    let mut client = logged_in_to(proxy.port());
    // More than the kernel and the proxy keep for it.
    let rows = "SELECT repeat('deaf_reader', 1000) FROM generate_series(1, 5000)";
    query(&mut client, &format!("/* pgherd: shard=s1 */ {rows}"));
    std::thread::sleep(Duration::from_millis(500));
    let served = psql(&proxy.dsn("app"), "/* pgherd: shard=s1 */ SELECT 'next'");
    assert_eq!(served.0, "next\n", "{}", served.1);
    until_nothing_is_left("deaf_reader");
    let told = rest(&mut client);
    assert!(told.contains("deaf_reader") && told.len() < 5000 * 11_000, "{} bytes", told.len());
}

#[test]
fn who_is_idle_too_long_is_sent_away_and_users_may_have_limits_of_their_own() {
    let proxy = limited("idle_session = \"1s\"");
    let mut idle = logged_in_to(proxy.port());
    let told = rest(&mut idle);
    assert!(told.contains("57P05") && told.contains("idle-session timeout"), "{told}");
    let own = herd().proxy_with(|settings| {
        let user = "name = \"pgherd\"\n";
        assert!(settings.contains(user), "{settings}");
        let settings = settings.replacen(user, &format!("{user}idle_session = \"0s\"\n"), 1);
        settings + "\n[limits]\nidle_session = \"1s\"\n"
    });
    let mut idle = logged_in_to(own.port());
    std::thread::sleep(Duration::from_secs(3));
    query(&mut idle, "SELECT 'still here'");
    let mut answer = [0; 1000];
    let n = idle.read(&mut answer).expect("answered");
    assert!(String::from_utf8_lossy(&answer[..n]).contains("still here"));
}

/// In session mode the server keeps the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_its_own_has_the_same_limits() {
    let herd = TestHerd::shared(&Want::unsharded(0));
    let proxy = herd.proxy_with(|settings| {
        let user = "name = \"pgherd\"\n";
        assert!(settings.contains(user), "{settings}");
        let settings = settings.replacen(user, &format!("{user}pool_mode = \"session\"\n"), 1);
        settings + "\n[limits]\nstatement_timeout = \"1500ms\"\nidle_in_transaction = \"2s\"\n"
    });
    let client = connect(&proxy.dsn("app")).await;
    let error = client.batch_execute("SELECT pg_sleep(600)").await.expect_err("late");
    assert_eq!(code(&error), "57014");
    let told = client.query_one("SHOW statement_timeout", &[]).await.expect("served");
    assert_eq!(told.get::<_, String>(0), "1500ms");
    client.batch_execute("BEGIN").await.expect("begun");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let gone = client.batch_execute("SELECT 1").await.expect_err("sent away");
    assert!(gone.is_closed() || code(&gone) == "25P03", "{gone:?}");
    let own = format!("{}?options=-c%20statement_timeout%3D7s", proxy.dsn("app"));
    let given = connect(&own).await;
    // `options` is read behind the parameters that pgherd gives.
    let told = given.query_one("SHOW statement_timeout", &[]).await.expect("served");
    assert_eq!(told.get::<_, String>(0), "1500ms");
}

/// A server that is frozen takes no cancel request: its client is told all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_obey_loses_its_connection() {
    let herd = TestHerd::start(&Want::unsharded(0));
    let proxy = herd.proxy_with(|settings| {
        settings + "\n[limits]\nstatement_timeout = \"1s\"\nqueue_timeout = \"2s\"\n"
    });
    let client = connect(&proxy.dsn("app")).await;
    client.batch_execute("SELECT 1").await.expect("served");
    let node = herd.nodes()[0].clone();
    node.pause().expect("frozen");
    let answer = tokio::time::timeout(SOON, client.batch_execute("SELECT 2")).await;
    node.resume().expect("resumed");
    let error = answer.expect("within the time").expect_err("frozen");
    assert!(["08006", "08007"].contains(&code(&error)), "{error:?}");
    let told = error.as_db_error().expect("told").message();
    assert!(told.contains("limits.statement_timeout"), "{told}");
    let end = Instant::now() + SOON;
    while client.batch_execute("SELECT 3").await.is_err() {
        assert!(Instant::now() < end, "not served again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Half a message is all that its client has got when the server is lost: what comes behind it
/// would be taken for its other half.
#[test]
fn a_server_that_is_lost_in_the_middle_of_a_message_ends_the_connection() {
    const LENGTH: usize = 50_000_000;
    let proxy = herd().proxy_with(|settings| settings);
    let mut client = logged_in_to(proxy.port());
    query(&mut client, &format!("/* pgherd: shard=s1 */ SELECT repeat('x', {LENGTH}) AS torn_row"));
    // Until the row has begun, of which far more is to come than is on its way.
    let mut begun = Vec::new();
    while !begun.windows(3).any(|w| w == b"xxx") {
        let mut chunk = [0; 1000];
        let n = client.read(&mut chunk).expect("it begins");
        assert!(n > 0, "closed");
        begun.extend_from_slice(&chunk[..n]);
    }
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE query LIKE '%torn_row%' AND pid <> pg_backend_pid()";
    herd().primary("s1").expect("a primary").query(kill, SOON).expect("killed");
    let answer = String::from_utf8_lossy(&begun).into_owned() + &rest(&mut client);
    assert!(answer.contains("torn_row") && answer.len() < LENGTH, "{} bytes", answer.len());
    let row = answer.find("xxx").expect("its beginning");
    assert!(answer[row..].bytes().all(|b| b == b'x'), "something was said in the middle of it");
}
