//! What a client leaves in a server's session, in transaction mode: it finds it again, and nobody
//! else does.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Config};

use super::{SOON, connect_listening, herd, until, value};
use crate::proxy::common::{code, connect};
use crate::support::{Proxy, TestHerd, Want};

/// Two connections, and a client that keeps moving the other one: a transaction of it in between
/// makes whoever comes next take another connection than before.
struct Shuffled {
    proxy: Proxy,
    mover: Client,
}

impl Shuffled {
    async fn of(herd: &TestHerd) -> Shuffled {
        let proxy = herd.proxy_with(|settings| settings + "[pool]\nsize = 4\n");
        let mover = connect(&proxy.dsn("app")).await;
        Shuffled { proxy, mover }
    }

    /// Runs a statement of a client's while the connection that came back last is taken.
    async fn run(&self, client: &Client, statement: &str) -> Result<Option<String>, String> {
        self.mover.batch_execute("BEGIN; SELECT 1").await.expect("begun");
        let answer = client.simple_query(statement).await;
        self.mover.batch_execute("COMMIT").await.expect("committed");
        let messages = answer.map_err(|error| code(&error).to_owned())?;
        Ok(messages.iter().rev().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }

    /// Each statement with what it answers, or its SQLSTATE.
    async fn check(&self, client: &Client, steps: &[(&str, &str)]) {
        for (statement, expected) in steps {
            let got = match self.run(client, statement).await {
                Ok(value) => value.unwrap_or_default(),
                Err(code) => code,
            };
            assert_eq!(got, *expected, "{statement}");
        }
    }

    async fn pid(&self, client: &Client) -> String {
        let pid = self.run(client, "SELECT pg_backend_pid()").await;
        pid.expect("answered").expect("a number")
    }

    /// Whether the client is served by whichever connection is there.
    async fn is_free(&self, client: &Client) -> bool {
        let one = self.pid(client).await;
        // The mover's connection came back last, and the client's before it.
        value(client, "SELECT pg_backend_pid()").await != Some(one)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_found_again_and_by_nobody_else() {
    let shuffled = Shuffled::of(herd()).await;
    let client = connect(&shuffled.proxy.dsn("app")).await;
    let other = connect(&shuffled.proxy.dsn("app")).await;
    assert!(shuffled.is_free(&client).await, "the test moves clients from one to another");
    for (kept, ended, theirs) in [
        (
            [
                ("CREATE TEMP TABLE pin_t (n int)", ""),
                ("INSERT INTO pin_t VALUES (7)", ""),
                ("SELECT n FROM pin_t", "7"),
                ("SELECT n FROM pin_t", "7"),
            ],
            "DROP TABLE pin_t",
            ("SELECT n FROM pin_t", "42P01"),
        ),
        (
            [
                ("SELECT 1 AS n INTO TEMP pin_t", ""),
                ("SELECT n FROM pin_t", "1"),
                ("CREATE TEMP VIEW pin_v AS SELECT 5", ""),
                ("SELECT * FROM pin_v", "5"),
            ],
            "DISCARD TEMP",
            ("SELECT n FROM pin_t", "42P01"),
        ),
        (
            [
                ("CREATE FUNCTION pg_temp.pin_f() RETURNS int AS 'SELECT 6' LANGUAGE sql", ""),
                ("SELECT pg_temp.pin_f()", "6"),
                ("SELECT pg_temp.pin_f()", "6"),
                ("SELECT pg_temp.pin_f()", "6"),
            ],
            "DROP FUNCTION pg_temp.pin_f",
            ("SELECT pg_temp.pin_f()", "3F000"),
        ),
        (
            [
                ("DECLARE pin_c CURSOR WITH HOLD FOR SELECT generate_series(1, 9)", ""),
                ("FETCH pin_c", "1"),
                ("FETCH 2 FROM pin_c", "3"),
                ("FETCH pin_c", "4"),
            ],
            "CLOSE pin_c",
            ("FETCH pin_c", "34000"),
        ),
        (
            [
                ("SELECT pg_advisory_lock(815)", ""),
                ("SELECT pg_try_advisory_lock(816)", "t"),
                ("SELECT pg_advisory_unlock(816)", "t"),
                ("SELECT pg_advisory_unlock(816)", "f"),
            ],
            "SELECT pg_advisory_unlock_all()",
            ("SELECT pg_try_advisory_xact_lock(815)", "f"),
        ),
        (
            [
                ("LISTEN pin_l", ""),
                ("SELECT * FROM pg_listening_channels()", "pin_l"),
                ("LISTEN pin_m", ""),
                ("UNLISTEN pin_m", ""),
            ],
            "UNLISTEN *",
            ("SELECT * FROM pg_listening_channels()", ""),
        ),
        (
            [
                ("DO $$BEGIN CREATE TEMP TABLE pin_t (n int); END$$", ""),
                ("INSERT INTO pin_t VALUES (8)", ""),
                ("BEGIN; SELECT n FROM pin_t; COMMIT", "8"),
                ("SELECT n FROM pin_t", "8"),
            ],
            "DISCARD ALL",
            ("SELECT n FROM pin_t", "42P01"),
        ),
    ] {
        shuffled.check(&client, &kept).await;
        shuffled.check(&other, &[theirs]).await;
        assert!(!shuffled.is_free(&client).await, "{kept:?}");
        shuffled.run(&client, ended).await.expect(ended);
        assert!(shuffled.is_free(&client).await, "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_or_was_not_got_pins_nobody() {
    let shuffled = Shuffled::of(herd()).await;
    let client = connect(&shuffled.proxy.dsn("app")).await;
    for statements in [
        "BEGIN; CREATE TEMP TABLE pin_r (n int); ROLLBACK",
        "BEGIN; LISTEN pin_r; ROLLBACK",
        "BEGIN; CREATE TEMP TABLE pin_r (n int) ON COMMIT DROP; COMMIT",
        "BEGIN; DECLARE pin_r CURSOR WITH HOLD FOR SELECT 1; ROLLBACK",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT set_config('work_mem', '1MB', true)",
        "SELECT set_config('app.pin', '1', false)",
        "DO $$BEGIN PERFORM 1;END$$",
        "UNLISTEN *",
    ] {
        for statement in statements.split("; ") {
            shuffled.run(&client, statement).await.expect(statement);
        }
        assert!(shuffled.is_free(&client).await, "{statements}");
    }
    let failed = shuffled.run(&client, "CREATE TEMP TABLE pin_r (n nosuch)").await;
    assert_eq!(failed, Err("42704".into()));
    assert!(shuffled.is_free(&client).await);
    // A setting that pgherd has to know, or doesn't see.
    shuffled.run(&client, "SELECT set_config('work_mem', '5MB', false)").await.expect("set");
    assert!(!shuffled.is_free(&client).await);
    shuffled.check(&client, &[("SHOW work_mem", "5MB")]).await;
}

fn config(proxy: &Proxy) -> Config {
    proxy.dsn("app").parse().expect("a connection string")
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_come_in_transaction_mode_too() {
    let shuffled = Shuffled::of(herd()).await;
    let (listening, mut notifications) = connect_listening(&config(&shuffled.proxy)).await;
    let notifying = connect(&shuffled.proxy.dsn("app")).await;
    listening.batch_execute("LISTEN pin_news").await.expect("listens");
    for round in 0..3 {
        let notify = format!("NOTIFY pin_news, '{round}'");
        shuffled.run(&notifying, &notify).await.expect("notified");
        let told = timeout(SOON, notifications.recv()).await.expect("in time").expect("one");
        assert_eq!((told.channel(), told.payload()), ("pin_news", &*round.to_string()));
        // One's own come, too, whatever else is under way.
        let own = format!("SET work_mem = '{}MB'; NOTIFY pin_news, 'own'", round + 1);
        shuffled.run(&listening, &own).await.expect("notified");
        let told = timeout(SOON, notifications.recv()).await.expect("in time").expect("one");
        assert_eq!(told.payload(), "own");
    }
    listening.batch_execute("UNLISTEN pin_news").await.expect("listens no more");
    shuffled.run(&notifying, "NOTIFY pin_news, 'late'").await.expect("notified");
    assert!(timeout(Duration::from_millis(300), notifications.recv()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_the_connection_that_it_relies_on() {
    let plain = connect(&herd().primary("s1").expect("a node").dsn()).await;
    let shuffled = Shuffled::of(herd()).await;
    let client = connect(&shuffled.proxy.dsn("app")).await;
    client.batch_execute("LISTEN pin_end").await.expect("listens");
    let pid = value(&client, "SELECT pg_backend_pid()").await.expect("a number");
    let end = format!("SELECT pg_terminate_backend({pid})");
    assert_eq!(value(&plain, &end).await.as_deref(), Some("t"));
    until("it ends while it is idle", async || client.is_closed()).await;
    // In the middle of a statement.
    let client = connect(&shuffled.proxy.dsn("app")).await;
    client.batch_execute("LISTEN pin_end").await.expect("listens");
    let own = client.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())").await;
    // It may have committed something before it ended.
    assert_eq!(code(&own.expect_err("ended")), "08007");
    until("it ends after a statement", async || client.is_closed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_several_shards_a_hint_says_where_something_is_left() {
    let herd = TestHerd::shared(&Want::sharded(3, 0, crate::proxy::common::RULES));
    let proxy = herd.proxy_with(|settings| settings);
    let (client, mut notifications) = connect_listening(&config(&proxy)).await;
    for (statement, sqlstate) in [
        ("CREATE TEMP TABLE pin_several (n int)", "0A000"),
        ("DECLARE pin_several CURSOR WITH HOLD FOR SELECT 1", "0A000"),
    ] {
        let error = client.batch_execute(statement).await.expect_err("refused");
        assert_eq!(code(&error), sqlstate, "{statement}");
    }
    client.batch_execute("/* pgherd: shard=s1 */ LISTEN pin_several").await.expect("listens");
    let s2 = "/* pgherd: shard=s2 */";
    let make = format!("{s2} CREATE TEMP TABLE pin_several AS SELECT 2 AS n");
    client.batch_execute(&make).await.expect("made");
    let read = format!("{s2} SELECT n FROM pin_several");
    assert_eq!(value(&client, &read).await.as_deref(), Some("2"));
    let other = connect(&proxy.dsn("app")).await;
    other.batch_execute("/* pgherd: shard=s1 */ NOTIFY pin_several").await.expect("notified");
    timeout(SOON, notifications.recv()).await.expect("in time").expect("one");
    assert_eq!(value(&client, &read).await.as_deref(), Some("2"));
    // Advisory locks lie on the home shard, for all clients.
    assert_eq!(value(&client, "SELECT pg_try_advisory_lock(99)").await.as_deref(), Some("t"));
    assert_eq!(value(&other, "SELECT pg_try_advisory_lock(99)").await.as_deref(), Some("f"));
    assert_eq!(value(&client, "SELECT pg_advisory_unlock(99)").await.as_deref(), Some("t"));
    assert_eq!(value(&other, "SELECT pg_try_advisory_lock(99)").await.as_deref(), Some("t"));
    client.batch_execute("DISCARD ALL").await.expect("discarded");
    let gone = client.batch_execute(&read).await.expect_err("gone");
    assert_eq!(code(&gone), "42P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_statement_mode_there_are_no_transaction_blocks() {
    let proxy = herd().proxy_with(|settings| super::in_mode("statement", &settings));
    let client = connect(&proxy.dsn("app")).await;
    for statement in ["BEGIN", "START TRANSACTION READ ONLY", "BEGIN; SELECT 1; COMMIT"] {
        let refused = client.batch_execute(statement).await.expect_err("refused");
        assert_eq!(code(&refused), "0A000", "{statement}");
    }
    assert_eq!(code(&client.query("BEGIN", &[]).await.expect_err("refused")), "0A000");
    let rows = client.query("SELECT $1::int", &[&7i32]).await.expect("answered");
    assert_eq!(rows[0].get::<_, i32>(0), 7);
    client.batch_execute("SET work_mem = '3MB'; SELECT 1").await.expect("answered");
    assert_eq!(value(&client, "SHOW work_mem").await.as_deref(), Some("3MB"));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_session_mode_a_client_keeps_a_connection_to_each_shard() {
    let herd = TestHerd::shared(&Want::sharded(3, 0, crate::proxy::common::RULES));
    let proxy = herd.proxy_with(|s| super::in_mode("session", &s) + "[pool]\nsize = 1\n");
    let client = connect(&proxy.dsn("app")).await;
    let pid = |shard: &str| format!("/* pgherd: shard={shard} */ SELECT pg_backend_pid()");
    let mut pids = Vec::new();
    for shard in ["s1", "s2", "s3"] {
        pids.push(value(&client, &pid(shard)).await);
    }
    client.batch_execute("SET work_mem = '3MB'; SET app.mode = 'x'").await.expect("set");
    for (shard, expected) in ["s1", "s2", "s3"].iter().zip(&pids) {
        assert_eq!(value(&client, &pid(shard)).await, *expected);
        let show = format!("/* pgherd: shard={shard} */ SELECT current_setting('work_mem')");
        assert_eq!(value(&client, &show).await.as_deref(), Some("3MB"));
        let make = format!("/* pgherd: shard={shard} */ CREATE TEMP TABLE mode_t (n int)");
        client.batch_execute(&make).await.expect("made");
    }
    // The last one was asked behind its answer what is left.
    value(&client, "SELECT 1").await;
    drop(client);
    // The one connection to each shard forgets its client.
    let next = connect(&proxy.dsn("app")).await;
    for (shard, expected) in ["s1", "s2", "s3"].iter().zip(&pids) {
        until("the connection is there", async || value(&next, &pid(shard)).await == *expected)
            .await;
        let left = format!("/* pgherd: shard={shard} */ SELECT to_regclass('mode_t')::text");
        assert_eq!(value(&next, &left).await, None);
        let show = format!("/* pgherd: shard={shard} */ SELECT current_setting('work_mem')");
        assert_eq!(value(&next, &show).await.as_deref(), Some("4MB"));
    }
}
