//! Session mode on one shard: a connection of the client's own.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt, pin_mut};
use pgherd::cluster::ask::ask;
use pgherd::cluster::{Backend, Target};
use pgherd::config::settings::NodeAddress;
use pgherd::config::tls::ServerTls;
use pgherd::wire::auth::client::Login;
use pgherd::wire::frontend;
use tokio::time::timeout;
use tokio_postgres::{Client, Config};

use super::{SOON, connect_listening, herd, in_mode, session_proxy, until, value};
use crate::proxy::common::{code, connect};

fn config(port: u16) -> Config {
    format!("postgres://pgherd:pgherd@127.0.0.1:{port}/app").parse().expect("a connection string")
}

async fn pid(client: &Client) -> i32 {
    let pid = value(client, "SELECT pg_backend_pid()").await.expect("a number");
    pid.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_keeps_is_kept() {
    let client = connect(&session_proxy().dsn("app")).await;
    let own = pid(&client).await;
    client
        .batch_execute(
            "CREATE TEMPORARY TABLE kept (n int); INSERT INTO kept VALUES (1), (2), (3);
             DECLARE held CURSOR WITH HOLD FOR SELECT n FROM kept ORDER BY n;
             SELECT pg_advisory_lock(4711);
             PREPARE get(int) AS SELECT n FROM kept WHERE n = $1",
        )
        .await
        .expect("made");
    assert_eq!(value(&client, "FETCH 1 FROM held").await.as_deref(), Some("1"));
    assert_eq!(value(&client, "EXECUTE get(1 + 2)").await.as_deref(), Some("3"));
    let other = connect(&session_proxy().dsn("app")).await;
    assert_eq!(value(&other, "SELECT pg_try_advisory_lock(4711)").await.as_deref(), Some("f"));
    assert_ne!(pid(&other).await, own);
    assert_eq!(value(&client, "FETCH 1 FROM held").await.as_deref(), Some("2"));
    assert_eq!(value(&client, "SELECT pg_advisory_unlock(4711)").await.as_deref(), Some("t"));
    // What pgherd would refuse, and what nobody understands, is the server's to answer.
    assert_eq!(value(&client, "SHOW client_encoding").await.as_deref(), Some("UTF8"));
    client.batch_execute("SET client_encoding = 'SJIS'; RESET client_encoding").await.expect("set");
    client.batch_execute("LOAD 'plpgsql'; SET transform_null_equals = on").await.expect("set");
    assert_eq!(code(&client.batch_execute("SELEC").await.expect_err("no statement")), "42601");
    let ours = client.batch_execute("SHOW pgherd.version").await.expect_err("the server's");
    assert_eq!(code(&ours), "42704");
    assert_eq!(pid(&client).await, own);
    client.batch_execute("DISCARD ALL").await.expect("discarded");
    let gone = client.batch_execute("SELECT * FROM kept").await.expect_err("gone");
    assert_eq!(code(&gone), "42P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_come_while_a_client_is_idle() {
    let config = config(session_proxy().port());
    let (listening, mut notifications) = connect_listening(&config).await;
    let (notifying, _) = connect_listening(&config).await;
    listening.batch_execute("LISTEN session_news").await.expect("listens");
    for round in 0..3 {
        let payload = format!("news {round}");
        let notify = format!("NOTIFY session_news, '{payload}'");
        notifying.batch_execute(&notify).await.expect("notified");
        let told = timeout(SOON, notifications.recv()).await.expect("in time").expect("one");
        assert_eq!((told.channel(), told.payload()), ("session_news", &*payload));
        assert_eq!(told.process_id(), pid(&notifying).await);
    }
}

/// A client of a few frames, which is gone without a word when it is dropped.
pub async fn raw_client(port: u16) -> Backend {
    let target = Target {
        tls: ServerTls::disabled(),
        address: NodeAddress { host: "127.0.0.1".into(), port },
        database: "app".into(),
        login: Login::new("pgherd", Some("pgherd")),
        parameters: [("geqo".into(), "off".into())].into(),
        prepared_statements: 1,
        silence_timeout: SOON,
    };
    Backend::connect(&target, SOON).await.expect("it connects")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_its_servers_process_id() {
    let mut raw = raw_client(session_proxy().port()).await;
    let rows = ask(&mut raw, "SELECT pg_backend_pid()", SOON).await;
    assert_eq!(rows.expect("answered")[0][0], Some(raw.pid().to_string()));
    // With it a statement is cancelled.
    let token = raw.cancel_token();
    let cancelled = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel(SOON).await.expect("taken");
    };
    let slept = ask(&mut raw, "SELECT pg_sleep(300)", SOON);
    let (slept, ()) = tokio::join!(slept, cancelled);
    let error = slept.expect_err("cancelled").to_string();
    assert_eq!(error, "canceling statement due to user request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_begins_with_its_clients_parameters() {
    let mut config = config(session_proxy().port());
    config.application_name("the_app").options("-c work_mem=7MB -c search_path=a,b");
    let (client, _) = connect_listening(&config).await;
    for (statement, expected) in [
        ("SHOW work_mem", "7MB"),
        ("SHOW search_path", "a,b"),
        ("SHOW application_name", "the_app"),
        ("SET work_mem = '8MB'; SHOW work_mem", "8MB"),
        ("RESET ALL; SHOW work_mem", "7MB"),
        ("SET work_mem = '8MB'; RESET work_mem; SHOW work_mem", "7MB"),
        ("SELECT reset_val FROM pg_settings WHERE name = 'work_mem'", "7168"),
    ] {
        assert_eq!(value(&client, statement).await.as_deref(), Some(expected), "{statement}");
    }
    // What a server refuses it refuses as ever, and it is nobody else's trouble.
    for (options, sqlstate) in [("-c work_mem=nonsense", "22023"), ("-c nosuch_setting=1", "42704")]
    {
        let error = config.options(options).connect(tokio_postgres::NoTls).await.err();
        assert_eq!(code(&error.expect("refused")), sqlstate, "{options}");
    }
    let (client, _) = connect_listening(config.options("-d 3")).await;
    assert_eq!(value(&client, "SHOW client_min_messages").await.as_deref(), Some("notice"));
    assert_eq!(value(&client, "SHOW log_min_messages").await.as_deref(), Some("debug3"));
}

/// Leaves all that a session can leave, in the middle of a transaction.
async fn leave_traces(client: &Client) {
    client
        .batch_execute(
            "CREATE TEMPORARY TABLE traces (n int); LISTEN traces; PREPARE traces AS SELECT 1;
             SET work_mem = '9MB'; SELECT pg_advisory_lock(4712);
             DECLARE traces CURSOR WITH HOLD FOR SELECT 1; BEGIN; CREATE TABLE traces_rolled_back (); SET ROLE pg_monitor",
        )
        .await
        .expect("left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_forgets_its_client() {
    let proxy = herd().proxy_with(|s| in_mode("session", &s) + "[pool]\nsize = 1\n");
    let first = connect(&proxy.dsn("app")).await;
    let first_pid = pid(&first).await;
    leave_traces(&first).await;
    drop(first);
    // There is one connection: the next client waits for it.
    let second = connect(&proxy.dsn("app")).await;
    assert_eq!(pid(&second).await, first_pid);
    for (statement, expected) in [
        ("SELECT count(*) FROM pg_class WHERE relname ~ '^traces'", "0"),
        ("SELECT count(*) FROM pg_listening_channels()", "0"),
        ("SELECT count(*) FROM pg_prepared_statements", "0"),
        ("SELECT count(*) FROM pg_cursors", "0"),
        ("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712", "0"),
        ("SHOW work_mem", "4MB"),
        ("SELECT current_user", "pgherd"),
        ("SHOW application_name", ""),
    ] {
        assert_eq!(value(&second, statement).await.as_deref(), Some(expected), "{statement}");
    }
    // One that begins otherwise gets another, in its place.
    drop(second);
    let mut otherwise = config(proxy.port());
    let (third, _) = connect_listening(otherwise.application_name("otherwise")).await;
    assert_ne!(pid(&third).await, first_pid);
    assert_eq!(value(&third, "SHOW application_name").await.as_deref(), Some("otherwise"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_be_closed_with_its_client() {
    let proxy = herd()
        .proxy_with(|s| in_mode("session", &s) + "[pool]\nsize = 1\nsession_end = \"close\"\n");
    let first = connect(&proxy.dsn("app")).await;
    let first_pid = pid(&first).await;
    drop(first);
    let second = connect(&proxy.dsn("app")).await;
    assert_ne!(pid(&second).await, first_pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_connection_waits_so_long() {
    let proxy = herd().proxy_with(|s| {
        in_mode("session", &s) + "[pool]\nsize = 1\n[limits]\nqueue_timeout = \"500ms\"\n"
    });
    let first = connect(&proxy.dsn("app")).await;
    let error = tokio_postgres::connect(&proxy.dsn("app"), tokio_postgres::NoTls).await.err();
    assert_eq!(code(&error.expect("no room")), "57P03");
    assert_eq!(value(&first, "SELECT 1").await.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_clients_statement_is_cancelled() {
    let plain = connect(&herd().primary("s1").expect("a node").dsn()).await;
    let mut raw = raw_client(session_proxy().port()).await;
    let own = raw.pid();
    ask(&mut raw, "BEGIN; CREATE TABLE session_lost ()", SOON).await.expect("begun");
    let running =
        format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {own} AND query ~ 'pg_sleep'");
    frontend::write_query(&mut raw.output, b"SELECT pg_sleep(300)");
    raw.send().await.expect("sent");
    until("it sleeps", async || value(&plain, &running).await.as_deref() == Some("1")).await;
    drop(raw);
    until("it is cancelled", async || value(&plain, &running).await.as_deref() == Some("0")).await;
    let there = "SELECT count(*) FROM pg_class WHERE relname = 'session_lost'";
    assert_eq!(value(&plain, there).await.as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_with_a_goodbye_behind_it_is_run() {
    let plain = connect(&herd().primary("s1").expect("a node").dsn()).await;
    let mut raw = raw_client(session_proxy().port()).await;
    frontend::write_query(&mut raw.output, b"SELECT pg_sleep(1); CREATE TABLE session_farewell ()");
    frontend::terminate(&mut raw.output);
    raw.send().await.expect("sent");
    drop(raw);
    let there = "SELECT count(*) FROM pg_class WHERE relname = 'session_farewell'";
    until("it is made", async || value(&plain, there).await.as_deref() == Some("1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_a_session_says_why() {
    let client = connect(&session_proxy().dsn("app")).await;
    let error = client.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())").await;
    assert_eq!(code(&error.expect_err("ended")), "57P01");
    until("it is closed", async || client.is_closed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lot_of_rows_go_both_ways() {
    const ROWS: u64 = 200_000;
    let client = connect(&session_proxy().dsn("app")).await;
    client.batch_execute("CREATE TEMPORARY TABLE many (n bigint, t text)").await.expect("made");
    let sink = client.copy_in("COPY many FROM STDIN").await.expect("wants data");
    pin_mut!(sink);
    for first in (0..ROWS).step_by(1000) {
        let rows: String =
            (first..first + 1000).map(|n| format!("{n}\tthis is row number {n}\n")).collect();
        sink.send(Bytes::from(rows)).await.expect("taken");
    }
    assert_eq!(sink.finish().await.expect("copied"), ROWS);
    let stream = client.copy_out("COPY many TO STDOUT").await.expect("gives data");
    pin_mut!(stream);
    let mut bytes = 0;
    while let Some(part) = stream.try_next().await.expect("data") {
        bytes += part.len();
    }
    let sum = value(&client, "SELECT sum(length(n::text) + length(t) + 2) FROM many").await;
    assert_eq!(Some(bytes.to_string()), sum);
    let rows = client.query("SELECT n FROM many ORDER BY n", &[]).await.expect("rows");
    assert_eq!(rows.len() as u64, ROWS);
    assert_eq!(rows[199_999].get::<_, i64>(0), 199_999);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_sessions_end_with_the_proxy() {
    let mut proxy = herd().proxy_with(|s| in_mode("session", &s));
    let (idle, busy) = (connect(&proxy.dsn("app")).await, connect(&proxy.dsn("app")).await);
    busy.batch_execute("BEGIN; SELECT 1").await.expect("begun");
    value(&idle, "SELECT 1").await.expect("one");
    proxy.signal(libc::SIGTERM);
    until("the idle one is sent away", async || idle.is_closed()).await;
    busy.batch_execute("SELECT 1; COMMIT").await.expect("goes on to its end");
    until("then the busy one is", async || busy.is_closed()).await;
    assert!(proxy.wait(SOON).expect("it stops").success());
}
