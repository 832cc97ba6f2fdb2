//! What can't be done when a transaction over several shards is prepared or committed, or on its
//! way there: it is rolled back on all of them, the client hears why, and its connections serve the
//! next with nothing of it left.

use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use pgherd::local::Stop;
use pgherd::wire::backend::ErrorFields;

use super::speaker::Speaker;
use super::stage::{SHARDS, SOON, Stage, write_all};

const POOL: usize = 2;

/// One stage for all, one after the other: each looks whether the pools are whole after it.
fn stage() -> MutexGuard<'static, Stage> {
    static STAGE: OnceLock<Mutex<Stage>> = OnceLock::new();
    let stage = STAGE.get_or_init(|| Mutex::new(make()));
    stage.lock().unwrap_or_else(|broken| broken.into_inner())
}

fn make() -> Stage {
    let stage = Stage::new(&format!(
        "[pool]\nsize = {POOL}\nretry_backoff_max = \"1s\"\n[limits]\nqueue_timeout = \"2s\"\n"
    ));
    for text in [
        "CREATE TABLE once (id bigint, n int, UNIQUE (id, n) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE child (id bigint REFERENCES rows DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE slow (id bigint)",
    ] {
        stage.speaker().must(text);
    }
    for shard in SHARDS {
        for text in [
            "CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_sleep(30); RETURN NULL; END'",
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION sleeps()",
        ] {
            stage.ask(shard, text);
        }
    }
    stage
}

/// Each statement in turn; those before the last must succeed.
fn all(speaker: &mut Speaker, texts: &[String]) {
    texts.iter().for_each(|text| {
        speaker.must(text);
    });
}

fn insert(key: i64, tag: &str) -> String {
    format!("INSERT INTO rows VALUES ({key}, '{tag}')")
}

/// Nothing of it is there, and the client and all others go on.
fn nothing_of(stage: &Stage, speaker: &mut Speaker, tag: &str) {
    stage.until_quiet();
    assert_eq!(stage.tagged(tag), 0, "{tag}");
    let heard = write_all(speaker, stage.fresh(), "after it").expect("answered");
    assert_eq!(heard.code(), None, "{tag}: {}", heard.words());
    assert_eq!(speaker.must("SHOW work_mem").rows(), ["4MB"], "{tag}");
    stage.is_whole(POOL);
    assert_eq!(stage.tagged(tag), 0, "{tag}: committed with something else");
}

#[test]
fn deferred_constraints() {
    let stage = stage();
    for (at, shard) in SHARDS.iter().enumerate() {
        let keys = stage.fresh();
        let [unique, foreign] = ["unique", "foreign"].map(|what| format!("{what} {shard}"));
        let mut speaker = stage.speaker();
        let mut texts = vec!["BEGIN".to_owned(), "SET work_mem = '71MB'".to_owned()];
        texts.extend(keys.map(|key| insert(key, &unique)));
        texts.extend(vec![format!("INSERT INTO once VALUES ({}, 1)", keys[at]); 2]);
        all(&mut speaker, &texts);
        let heard = speaker.fails("COMMIT", "23505");
        assert!(heard.words().ends_with("Z I"), "{}", heard.words());
        nothing_of(&stage, &mut speaker, &unique);

        // A block that the client hasn't begun.
        let mut text = keys.map(|key| insert(key, &foreign)).join("; ");
        let nobody = stage.fresh()[at];
        text.push_str(&format!("; INSERT INTO child VALUES ({nobody})"));
        let heard = speaker.fails(&text, "23503");
        assert!(heard.words().ends_with("Z I"), "{}", heard.words());
        nothing_of(&stage, &mut speaker, &foreign);
        for text in keys.map(|key| insert(key, &foreign)) {
            speaker.step(&text, &[]);
        }
        speaker.step(&format!("INSERT INTO child VALUES ({nobody})"), &[]);
        pgherd::wire::frontend::sync(&mut speaker.output);
        let heard = speaker.hear().expect("answered");
        assert_eq!(heard.code().as_deref(), Some("23503"), "{}", heard.words());
        assert!(heard.words().ends_with("Z I"), "{}", heard.words());
        nothing_of(&stage, &mut speaker, &foreign);

        // One that holds in the end.
        texts.truncate(2);
        texts.extend(keys.map(|key| insert(key, "held")));
        texts.extend(vec![format!("INSERT INTO once VALUES ({}, 1)", keys[at]); 2]);
        texts.push(format!("DELETE FROM once WHERE id = {}", keys[at]));
        texts.push("COMMIT".to_owned());
        all(&mut speaker, &texts);
        assert_eq!(speaker.must("SHOW work_mem").rows(), ["71MB"]);
        speaker.must("RESET work_mem");
    }
    assert_eq!(stage.tagged("held"), 3);
}

#[test]
fn servers_that_prepare_nothing() {
    let stage = stage();
    stage.stop("s2", Stop::Fast);
    let node = stage.herd.primary("s2").expect("a node");
    node.start_with(&["-c".into(), "max_prepared_transactions=0".into()]).expect("started");
    stage.works_on(1);
    let mut speaker = stage.speaker();
    let heard = write_all(&mut speaker, stage.fresh(), "unprepared").expect("answered");
    assert_eq!(heard.code().as_deref(), Some("55000"), "{}", heard.words());
    assert!(heard.hint().contains("max_prepared_transactions"), "{}", heard.hint());
    // On one shard it needs nothing of the kind.
    let key = stage.fresh()[1];
    all(&mut speaker, &["BEGIN".into(), insert(key, "alone"), "COMMIT".into()]);
    stage.stop("s2", Stop::Fast);
    stage.start("s2");
    stage.works();
    nothing_of(&stage, &mut stage.speaker(), "unprepared");
}

#[test]
fn sessions_that_prepare_nothing() {
    let stage = stage();
    let leave = |shard: &str, what: &str, tag: &str| {
        let text = match what {
            "temporary" => format!("CREATE TEMP TABLE mine{} (n int)", tag.len()),
            "listen" => format!("LISTEN channel{}", tag.len()),
            _ => format!("DECLARE mine{} CURSOR WITH HOLD FOR SELECT 1", tag.len()),
        };
        format!("/* pgherd: shard={shard} */ {text}")
    };
    for what in ["temporary", "listen", "hold"] {
        // One such shard decides, whichever it is.
        for shard in SHARDS {
            let tag = format!("{what} {shard}");
            let mut speaker = stage.speaker();
            all(&mut speaker, &["BEGIN".into(), leave(shard, what, &tag)]);
            all(&mut speaker, &stage.fresh().map(|key| insert(key, &tag)));
            speaker.must("COMMIT");
            assert_eq!(stage.tagged(&tag), 3, "{tag}");
            drop(speaker);
            stage.is_whole(POOL);
        }
        // Of two neither can prepare.
        let tag = format!("{what} two");
        let mut speaker = stage.speaker();
        all(&mut speaker, &["BEGIN".into(), "SET work_mem = '71MB'".into()]);
        all(&mut speaker, &["s1", "s3"].map(|shard| leave(shard, what, &tag)));
        all(&mut speaker, &stage.fresh().map(|key| insert(key, &tag)));
        let heard = speaker.fails("COMMIT", "0A000");
        assert!(heard.words().ends_with("Z I"), "{}", heard.words());
        nothing_of(&stage, &mut speaker, &tag);
    }
    // What is rolled back leaves nothing that a connection would be kept for.
    for end in ["ROLLBACK", "COMMIT"] {
        let mut all_of_them: Vec<Speaker> = (0..POOL).map(|_| stage.speaker()).collect();
        for speaker in &mut all_of_them {
            speaker.must("BEGIN");
            let drop = if end == "COMMIT" { "ON COMMIT DROP" } else { "" };
            speaker.must(&format!("/* pgherd: shard=s2 */ CREATE TEMP TABLE gone (n int) {drop}"));
            all(speaker, &stage.fresh().map(|key| insert(key, "with what is gone")));
            speaker.must(end);
        }
        stage.is_whole(POOL);
    }
}

#[test]
fn notices_and_notifications() {
    let stage = stage();
    let (mut hears, mut speaker) = (stage.speaker(), stage.speaker());
    hears.must("/* pgherd: shard=s1 */ LISTEN news");
    speaker.must("BEGIN");
    speaker.must("/* pgherd: shard=s1 */ NOTIFY news, 'one'");
    all(&mut speaker, &stage.fresh().map(|key| insert(key, "news")));
    speaker.must("COMMIT");
    // It comes behind the end of a transaction of the listener's own, over several shards.
    let mut heard = hears.must("BEGIN").words();
    for key in stage.fresh() {
        heard += &hears.must(&insert(key, "listener")).words();
    }
    hears.must("/* pgherd: shard=s1 */ NOTIFY news, 'two'");
    heard += &hears.must("COMMIT").words();
    let until = Instant::now() + SOON;
    while heard.matches('A').count() < 2 {
        assert!(Instant::now() < until, "{heard}");
        thread::sleep(Duration::from_millis(100));
        heard += &hears.must("/* pgherd: shard=s1 */ SELECT").words();
    }
    drop((hears, speaker));
    stage.is_whole(POOL);
}

#[test]
fn other_roles() {
    let stage = stage();
    for shard in SHARDS {
        for text in [
            "CREATE ROLE clerk LOGIN PASSWORD 'clerk'",
            "CREATE ROLE desk",
            "GRANT desk TO clerk",
            "GRANT ALL ON rows TO clerk, desk",
        ] {
            stage.ask(shard, text);
        }
    }
    // The clerk may not finish what the desk has prepared: pgherd does.
    let user = "[[database.app.user]]\nname = \"clerk\"\npassword = \"clerk\"\n";
    let proxy = stage.herd.proxy_with(|own| own + super::stage::HASTE + user);
    let mut speaker = Speaker::connect_as(proxy.port(), "clerk").expect("it lets us in");
    for (role, end) in [("SET ROLE desk", "desk"), ("SET LOCAL ROLE desk", "none")] {
        all(&mut speaker, &["BEGIN".into(), role.into()]);
        all(&mut speaker, &stage.fresh().map(|key| insert(key, role)));
        speaker.must("COMMIT");
        assert_eq!(stage.tagged(role), 3, "{role}");
        stage.until_quiet();
        assert_eq!(speaker.must("SHOW role").rows(), [end]);
        speaker.must("RESET ROLE");
    }
    // And when it is rolled back.
    let tag = "SET LOCAL ROLE, undone";
    all(&mut speaker, &["BEGIN".into(), "SET LOCAL ROLE desk".into()]);
    let keys = stage.fresh();
    all(&mut speaker, &keys.map(|key| insert(key, tag)));
    speaker.must("RESET ROLE");
    speaker.must("ROLLBACK");
    assert_eq!(stage.tagged(tag), 0);
    drop((speaker, proxy));
    stage.until_quiet();
}

#[test]
fn what_is_not_flushed() {
    let stage = stage();
    let mut speaker = stage.speaker();
    // The decision is, also where its session doesn't ask for it.
    let decided = stage.ask(
        "s1",
        "BEGIN; SET LOCAL synchronous_commit = off; \
         SELECT pgherd.decide('of a test'); SHOW synchronous_commit; ROLLBACK",
    );
    assert_eq!(decided.last(), Some(&vec![Some("on".to_owned())]));
    all(&mut speaker, &["BEGIN".into(), "SET synchronous_commit = off".into()]);
    all(&mut speaker, &stage.fresh().map(|key| insert(key, "off")));
    speaker.must("COMMIT");
    assert_eq!(speaker.must("SHOW synchronous_commit").rows(), ["off"]);
    speaker.must("RESET synchronous_commit");
    // Made READ ONLY after it wrote: what decides is a write.
    speaker.must("BEGIN");
    all(&mut speaker, &stage.fresh().map(|key| insert(key, "read only")));
    speaker.must("SET TRANSACTION READ ONLY");
    speaker.fails("COMMIT", "0A000");
    nothing_of(&stage, &mut speaker, "read only");
}

#[test]
fn a_commit_that_takes_too_long() {
    let stage = stage();
    let hurried = stage
        .herd
        .proxy_with(|own| own + super::stage::HASTE + "[limits]\nstatement_timeout = \"2s\"\n");
    for (at, shard) in SHARDS.iter().enumerate() {
        let tag = format!("too long on {shard}");
        let begin = |speaker: &mut Speaker| {
            let keys = stage.fresh();
            speaker.must("BEGIN");
            all(speaker, &keys.map(|key| insert(key, &tag)));
            speaker.must(&format!("INSERT INTO slow VALUES ({})", keys[at]));
        };
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        // By pgherd's own limit: the server's doesn't hold for what COMMIT does.
        let mut speaker = Speaker::connect(hurried.port()).expect("it lets us in");
        begin(&mut speaker);
        speaker.fails("COMMIT", "57014");
        drop(speaker);
        let mut speaker = stage.speaker();
        nothing_of(&stage, &mut speaker, &tag);
        // By a request.
        begin(&mut speaker);
        let (port, key) = speaker.key();
        thread::scope(|scope| {
            scope.spawn(|| {
                let until = Instant::now() + SOON;
                while stage.value(shard, sleeps) == "0" {
                    assert!(Instant::now() < until, "it doesn't sleep");
                    thread::sleep(Duration::from_millis(20));
                }
                Speaker::cancel(port, &key);
            });
            speaker.fails("COMMIT", "57014");
        });
        nothing_of(&stage, &mut speaker, &tag);
    }
}

#[test]
fn a_shard_that_can_not_be_joined() {
    let stage = stage();
    // All connections to it are taken.
    let mut others: Vec<Speaker> = (0..POOL).map(|_| stage.speaker()).collect();
    for other in &mut others {
        all(other, &["BEGIN".into(), insert(stage.fresh()[2], "others")]);
    }
    let mut speaker = stage.speaker();
    let [one, two, three] = stage.fresh();
    all(&mut speaker, &["BEGIN".into(), "SET work_mem = '71MB'".into()]);
    all(&mut speaker, &[insert(one, "exhausted"), insert(two, "exhausted")]);
    speaker.fails(&insert(three, "exhausted"), "57P03");
    speaker.fails("SELECT 1", "25P02");
    assert!(speaker.must("COMMIT").words().contains("C ROLLBACK"));
    for other in &mut others {
        other.must("COMMIT");
    }
    drop(others);
    nothing_of(&stage, &mut speaker, "exhausted");
    // It is down.
    for text in ["SELECT count(*) FROM rows".to_owned(), insert(stage.fresh()[2], "down")] {
        let [one, two, _] = stage.fresh();
        all(&mut speaker, &["BEGIN".into(), insert(one, "down"), insert(two, "down")]);
        stage.stop("s3", Stop::Kill);
        let heard = speaker.query(&text).expect("answered");
        let code = heard.code().unwrap_or_default();
        assert!(matches!(&*code, "57P03" | "08006"), "{}", heard.words());
        speaker.fails("SELECT 1", "25P02");
        assert!(speaker.must("COMMIT").words().contains("C ROLLBACK"));
        stage.start("s3");
        stage.works();
    }
    nothing_of(&stage, &mut speaker, "down");
}

#[test]
fn a_client_that_vanishes() {
    let stage = stage();
    let begin = |speaker: &mut Speaker, tag: &str| {
        all(speaker, &["BEGIN".into(), "SET LOCAL lock_timeout = '7s'".into()]);
        speaker.must("SET work_mem = '71MB'");
        all(speaker, &stage.fresh().map(|key| insert(key, tag)));
        speaker.must("SAVEPOINT a");
        speaker.must("SELECT count(*) FROM rows");
    };
    for round in 0..2 * POOL {
        let tag = format!("vanishes {round}");
        let mut speaker = stage.speaker();
        begin(&mut speaker, &tag);
        if round % 2 == 1 {
            speaker.fails("SELECT 1 / 0", "22012");
        }
        drop(speaker);
        nothing_of(&stage, &mut stage.speaker(), &tag);
    }
    // While a statement runs on all of them, and while one waits for a shard.
    let mut speaker = stage.speaker();
    begin(&mut speaker, "mid-statement");
    let text = b"SELECT count(pg_sleep(20)) FROM rows";
    pgherd::wire::frontend::write_query(&mut speaker.output, text);
    speaker.send().expect("sent");
    thread::sleep(Duration::from_millis(300));
    drop(speaker);
    nothing_of(&stage, &mut stage.speaker(), "mid-statement");
    // In a pipeline that has come to no Sync.
    let mut speaker = stage.speaker();
    for text in stage.fresh().map(|key| insert(key, "pipeline")) {
        speaker.step(&text, &[]);
    }
    pgherd::wire::frontend::flush(&mut speaker.output);
    speaker.send().expect("sent");
    thread::sleep(Duration::from_millis(300));
    drop(speaker);
    nothing_of(&stage, &mut stage.speaker(), "pipeline");
}

#[test]
fn a_pipeline_and_a_text_are_one_transaction() {
    let stage = stage();
    let [one, two, three] = stage.fresh();
    let mut speaker = stage.speaker();
    // Messages without Sync, and then a text of several statements, the last of which fails.
    speaker.step(&insert(one, "joined"), &[]);
    pgherd::wire::frontend::flush(&mut speaker.output);
    let text = format!("{}; {}; SELECT 1 / 0", insert(two, "joined"), insert(three, "joined"));
    speaker.fails(&text, "22012");
    nothing_of(&stage, &mut speaker, "joined");
    speaker.step(&insert(one, "joined"), &[]);
    pgherd::wire::frontend::flush(&mut speaker.output);
    speaker.must(&format!("{}; {}", insert(two, "joined"), insert(three, "joined")));
    assert_eq!(stage.tagged("joined"), 3);
    // A block that the client hasn't begun has no savepoints.
    let [one, two, _] = stage.fresh();
    speaker.step(&insert(one, "unblocked"), &[]);
    speaker.step(&insert(two, "unblocked"), &[]);
    speaker.step("SAVEPOINT a", &[]);
    pgherd::wire::frontend::sync(&mut speaker.output);
    let heard = speaker.hear().expect("answered");
    assert_eq!(heard.code().as_deref(), Some("25P01"), "{}", heard.words());
    nothing_of(&stage, &mut speaker, "unblocked");
}

#[test]
fn what_is_not_finished_is_shown() {
    const SHOW: &str = "SHOW pgherd.transactions";
    let stage = stage();
    let mut speaker = stage.speaker();
    let columns = "T, C SHOW, Z I";
    assert_eq!(speaker.must(SHOW).words(), columns);
    stage.hold("prepared");
    let (keys, port) = (stage.fresh(), stage.port);
    let client = thread::spawn(move || {
        let mut speaker = Speaker::connect(port).expect("it lets us in");
        write_all(&mut speaker, keys, "shown").expect("answered").code()
    });
    stage.until_reached("prepared");
    let until = Instant::now() + SOON;
    let rows = loop {
        let rows = speaker.must(SHOW).rows();
        if rows.len() == 3 {
            break rows;
        }
        assert!(Instant::now() < until, "{rows:?}");
        thread::sleep(Duration::from_millis(50));
    };
    let is = |row: &str, shard: &str, state: &str, reason: &str| {
        let values: Vec<&str> = row.split('|').collect();
        let age: f64 = values[3].parse().expect("a number");
        let (id, rest) = (values[0], [values[1], values[2], values[4]]);
        id.starts_with("pgherd_") && rest == [shard, state, reason] && (0.0..600.0).contains(&age)
    };
    let about = "its session is committing it";
    for (shard, state, reason) in
        [("s1", "committing", ""), ("s2", "prepared", about), ("s3", "prepared", about)]
    {
        let found = rows.iter().filter(|row| is(row, shard, state, reason)).count();
        assert_eq!(found, 1, "{shard} {state}: {rows:?}");
    }
    // Described, prepared and in binary.
    let dsn = format!("postgres://pgherd:pgherd@127.0.0.1:{port}/app");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = crate::proxy::common::connect(&dsn).await;
        let rows = client.query(SHOW, &[]).await.expect("shown");
        let states: Vec<&str> = rows.iter().map(|row| row.get("state")).collect();
        assert_eq!(states.len(), 3);
        assert!(rows.iter().all(|row| row.get::<_, f64>("age") >= 0.0));
        let version = client.query_one("SHOW pgherd.version", &[]).await.expect("shown");
        assert_eq!(version.get::<_, &str>("pgherd.version"), env!("CARGO_PKG_VERSION"));
        let nosuch = client.query("SHOW pgherd.nosuch", &[]).await.expect_err("there is none");
        assert_eq!(crate::proxy::common::code(&nosuch), "42704");
    });
    stage.release();
    assert_eq!(client.join().expect("no panic"), None);
    stage.until_quiet();
    let until = Instant::now() + SOON;
    while speaker.must(SHOW).words() != columns {
        assert!(Instant::now() < until, "{}", speaker.must(SHOW).words());
        thread::sleep(Duration::from_millis(50));
    }
}

/// The end of a transaction and what follows it, in one text or one pipeline, on different shards.
#[test]
fn what_follows_the_end_of_a_transaction() {
    let stage = stage();
    let [one, two, three] = stage.fresh();
    let mut speaker = stage.speaker();
    speaker.must(&insert(three, "there"));
    // Refused, or all of it done: never a part.
    for (text, there) in [
        (format!("COMMIT; SELECT tag FROM rows WHERE id = {three}"), 1),
        (format!("{}; COMMIT", insert(two, "together")), 2),
        (format!("{}; ROLLBACK", insert(two, "together")), 0),
    ] {
        all(&mut speaker, &["BEGIN".into(), insert(one, "together")]);
        let heard = speaker.query(&text).expect("answered");
        let expected = match heard.code().as_deref() {
            None => there,
            Some("0A000") => 0,
            Some(_) => panic!("{text}: {}", heard.words()),
        };
        speaker.must("ROLLBACK");
        assert_eq!(stage.tagged("together"), expected, "{text}: {}", heard.words());
        all(&mut speaker, &[one, two].map(|key| format!("DELETE FROM rows WHERE id = {key}")));
    }
    // A setting among statements for another shard holds on both.
    all(&mut speaker, &["BEGIN".into(), insert(one, "set")]);
    speaker.must(&format!("SET LOCAL work_mem = '71MB'; {}", insert(two, "set")));
    for key in [one, two] {
        let text = format!("SELECT current_setting('work_mem') FROM rows WHERE id = {key}");
        assert_eq!(speaker.must(&text).rows(), ["71MB"]);
    }
    speaker.must("ROLLBACK");
    // A failed transaction ends in a pipeline, which goes on elsewhere.
    for (begin, end, ready) in [
        ("BEGIN", "ROLLBACK", "Z I"),
        ("BEGIN", "ROLLBACK AND CHAIN", "Z T"),
        ("BEGIN; SAVEPOINT a", "ROLLBACK TO a", "Z T"),
    ] {
        for text in begin.split("; ") {
            speaker.must(text);
        }
        speaker.must(&insert(one, "failed"));
        speaker.fails("SELECT 1 / 0", "22012");
        speaker.step(end, &[]);
        speaker.step(&format!("SELECT tag FROM rows WHERE id = {three}"), &[]);
        speaker.step(&insert(two, "after"), &[]);
        pgherd::wire::frontend::sync(&mut speaker.output);
        let heard = speaker.hear().expect("answered");
        assert_eq!(heard.rows(), ["there"], "{begin} {end}: {}", heard.words());
        assert!(heard.words().ends_with(ready), "{begin} {end}: {}", heard.words());
        speaker.must("COMMIT");
        assert_eq!(stage.value("s2", &format!("SELECT count(*) FROM rows WHERE id = {two}")), "1");
        speaker.must(&format!("DELETE FROM rows WHERE id = {two}"));
        assert_eq!(stage.tagged("failed"), 0);
    }
    // Messages without Sync, and SET behind them: the end of what they began.
    for key in [one, two] {
        speaker.step(&insert(key, "unsynced"), &[]);
    }
    pgherd::wire::frontend::flush(&mut speaker.output);
    assert!(speaker.must("SET work_mem = '4MB'").words().ends_with("Z I"));
    assert_eq!(stage.tagged("unsynced"), 2);
    speaker.must("RESET work_mem");
    drop(speaker);
    stage.is_whole(POOL);
}

#[test]
fn settings_go_back_to_what_the_client_began_with() {
    let stage = stage();
    let own = [("user", "pgherd"), ("database", "app"), ("work_mem", "7MB")];
    let show = |speaker: &mut Speaker, shard: &str| {
        let asked = format!("/* pgherd: shard={shard} */ SELECT current_setting('work_mem')");
        speaker.must(&asked).rows()
    };
    let mut speaker = Speaker::connect_with(stage.port, &own).expect("it lets us in");
    for reset in ["RESET work_mem", "RESET ALL", "SET work_mem TO DEFAULT"] {
        // Before any server, one, or two of them know of the transaction.
        for known in 0..3 {
            speaker.must("SET work_mem = '71MB'");
            speaker.must("BEGIN");
            for shard in &SHARDS[..known] {
                assert_eq!(show(&mut speaker, shard), ["71MB"]);
            }
            let heard = speaker.must(reset);
            assert!(!heard.words().contains("C SET, C"), "{}", heard.words());
            for shard in SHARDS {
                assert_eq!(show(&mut speaker, shard), ["7MB"], "{reset}, {known} of them");
            }
            assert_eq!(speaker.must("SHOW work_mem").rows(), ["7MB"]);
            speaker.must("ROLLBACK");
            assert_eq!(speaker.must("SHOW work_mem").rows(), ["71MB"]);
            speaker.must("BEGIN");
            SHARDS.iter().for_each(|shard| drop(show(&mut speaker, shard)));
            let heard = speaker.extended(reset, &[]).expect("answered");
            assert_eq!(heard.code(), None, "{}", heard.words());
            SHARDS.iter().for_each(|shard| assert_eq!(show(&mut speaker, shard), ["7MB"]));
            speaker.must("COMMIT");
            assert_eq!(speaker.must("SHOW work_mem").rows(), ["7MB"]);
        }
    }
    drop(speaker);
    stage.is_whole(POOL);
}

#[test]
fn the_time_is_asked_of_a_shard_that_may_be_gone() {
    let stage = stage();
    let mut speaker = stage.speaker();
    let keys = stage.fresh();
    all(&mut speaker, &keys.map(|key| insert(key, "timed")));
    // EXPLAIN tells what the shards get.
    let explained = speaker.must("EXPLAIN SELECT now() FROM rows WHERE tag = 'timed'").rows();
    assert!(explained[0].contains("asked: EXPLAIN SELECT pgherd."), "{explained:?}");
    // A mistake is where it is in the client's own text.
    for text in
        ["SELECT now(), nothing FROM rows", "UPDATE rows SET tag = now()::text, nothing = 1"]
    {
        for heard in [speaker.query(text), speaker.extended(text, &[])] {
            let heard = heard.expect("answered");
            let error = heard.0.iter().find(|(kind, _)| *kind == b'E').expect("an error");
            let fields = ErrorFields::read(&error.1).expect("fields");
            let at = (text.find("nothing").expect("there") + 1).to_string();
            assert_eq!(fields.sqlstate(), b"42703", "{}", heard.words());
            assert_eq!(fields.get(b'P'), Some(at.as_bytes()), "{text}: {}", heard.words());
        }
    }
    // In a transaction of a shard that dies, and outside of any.
    all(&mut speaker, &["BEGIN".into(), format!("SELECT * FROM rows WHERE id = {}", keys[1])]);
    stage.stop("s2", Stop::Kill);
    let heard = speaker.query("UPDATE rows SET tag = now()::text").expect("answered");
    assert!(heard.code().is_some_and(|code| code.starts_with("08")), "{}", heard.words());
    speaker.must("ROLLBACK");
    let heard = speaker.query("SELECT count(*) FROM rows WHERE now() > 'epoch'").expect("answered");
    assert_eq!(heard.code().as_deref(), Some("57P03"), "{}", heard.words());
    stage.start("s2");
    stage.works();
    assert_eq!(stage.tagged("timed"), 3);
    let rows = speaker.must("SELECT count(DISTINCT now()) FROM rows").rows();
    assert_eq!(rows, ["1"]);
    drop(speaker);
    stage.is_whole(POOL);
}
