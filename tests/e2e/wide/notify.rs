//! Who listens does so on all shards, and hears of a transaction once it is committed, and not
//! otherwise.

use std::time::{Duration, Instant};

use pgherd::local::Stop;
use pgherd::wire::backend::tag;

use super::speaker::{Heard, Speaker};
use super::stage::{SHARDS, SOON, Stage};
use crate::proxy::raw::Message;

/// Connections to each server.
const POOL: usize = 4;
/// What has not come after so long doesn't come.
const QUIET: Duration = Duration::from_millis(300);
/// It comes within so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Inserting a row notifies.
fn stage() -> Stage {
    let stage = Stage::new(&format!("\n[pool]\nsize = {POOL}\n"));
    let mut maker = stage.speaker();
    maker.must(
        "CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN PERFORM pg_notify('rows', new.tag); RETURN NULL; END$$",
    );
    maker.must("CREATE TRIGGER told AFTER INSERT ON rows FOR EACH ROW EXECUTE FUNCTION told()");
    drop(maker);
    stage
}

/// Who notified, and what of.
fn read(message: &Message) -> Option<(i32, String)> {
    if message.0 != tag::NOTIFICATION_RESPONSE {
        return None;
    }
    let (pid, rest) = message.1.split_first_chunk::<4>().expect("a process id");
    let mut words = rest.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    words.next().expect("a channel");
    Some((i32::from_be_bytes(*pid), words.next().expect("a payload").into_owned()))
}

fn told(heard: &Heard) -> Vec<String> {
    heard.0.iter().filter_map(read).map(|(_, payload)| payload).collect()
}

/// What comes next unasked.
fn next(speaker: &mut Speaker) -> (i32, String) {
    let message = speaker.unasked(PATIENCE).expect("it is connected").expect("something comes");
    read(&message).unwrap_or_else(|| panic!("{message:?}"))
}

fn nothing_comes(speaker: &mut Speaker) {
    let message = speaker.unasked(QUIET).expect("it is connected");
    assert!(message.is_none(), "{message:?}");
}

fn insert(key: i64, tag: &str) -> String {
    format!("INSERT INTO rows VALUES ({key}, '{tag}')")
}

#[test]
fn all_shards_are_heard() {
    let stage = stage();
    let (mut hears, mut speaker) = (stage.speaker(), stage.speaker());
    hears.must("LISTEN rows");
    for round in 0..3 {
        for (shard, key) in SHARDS.iter().zip(stage.fresh()) {
            let tag = format!("{shard} {round}");
            speaker.must(&insert(key, &tag));
            let (pid, payload) = next(&mut hears);
            assert_eq!(payload, tag);
            assert_ne!(pid, hears.pid());
        }
        speaker.must("NOTIFY rows, 'said'");
        assert_eq!(next(&mut hears).1, "said");
        speaker.must("SELECT pg_notify('rows', 'called')");
        assert_eq!(next(&mut hears).1, "called");
    }
    // Its own are known by its own process id, on whichever shard they were made.
    for key in stage.fresh() {
        let heard = hears.must(&insert(key, "own"));
        let own: Vec<_> = heard.0.iter().filter_map(read).collect();
        assert_eq!(own, [(hears.pid(), "own".to_owned())]);
    }
    let heard = hears.extended("SELECT pg_notify('rows', $1)", &["bound"]).expect("answered");
    assert_eq!(told(&heard), ["bound"], "{}", heard.words());
    nothing_comes(&mut hears);
    // Another channel, by the extended protocol, and one that is left again.
    let heard = hears.extended("LISTEN other", &[]).expect("answered");
    assert_eq!(heard.words(), "1, 2, C LISTEN, Z I");
    hears.must("UNLISTEN rows");
    for key in stage.fresh() {
        speaker.must(&insert(key, "late"));
    }
    for shard in SHARDS {
        speaker.must(&format!("/* pgherd: shard={shard} */ NOTIFY other, '{shard}'"));
        assert_eq!(next(&mut hears).1, *shard);
    }
    // As asyncpg does before another client gets the connection.
    hears.must("SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;");
    speaker.must("NOTIFY other, 'late'");
    nothing_comes(&mut hears);
    // Nobody keeps a connection any more.
    stage.is_whole(POOL);
    hears.must("UNLISTEN *");
    hears.must("LISTEN rows");
    hears.must("DISCARD ALL");
    speaker.must(&insert(stage.fresh()[1], "late"));
    nothing_comes(&mut hears);
    stage.is_whole(POOL);
}

#[test]
fn a_transaction_hears_at_its_end() {
    let stage = stage();
    let (mut hears, mut speaker) = (stage.speaker(), stage.speaker());
    hears.must("LISTEN rows");
    for end in ["COMMIT", "ROLLBACK"] {
        // Some were said before the servers heard of the transaction, some after that.
        hears.must("BEGIN");
        let keys = stage.fresh();
        for key in keys {
            speaker.must(&insert(key, end));
        }
        std::thread::sleep(QUIET);
        for key in keys {
            let heard = hears.must(&format!("SELECT * FROM rows WHERE id = {key}"));
            assert_eq!(told(&heard), [""; 0], "{}", heard.words());
        }
        speaker.must(&insert(stage.fresh()[1], end));
        nothing_comes(&mut hears);
        let mut all = told(&hears.must(end));
        while all.len() < 4 {
            all.push(next(&mut hears).1);
        }
        assert_eq!(all, [end; 4]);
        nothing_comes(&mut hears);
    }
}

#[test]
fn to_listen_is_part_of_the_transaction() {
    let stage = stage();
    let (mut hears, mut speaker) = (stage.speaker(), stage.speaker());
    let mut notify = |payload: &str| {
        for shard in SHARDS {
            speaker.must(&format!("/* pgherd: shard={shard} */ NOTIFY rows, '{payload}'"));
        }
    };
    // What is undone.
    hears.must("BEGIN");
    hears.must("LISTEN rows");
    hears.must("ROLLBACK");
    hears.must("BEGIN");
    hears.must("SAVEPOINT a");
    hears.must("LISTEN rows");
    hears.must("ROLLBACK TO a");
    hears.must("COMMIT");
    hears.must("BEGIN");
    hears.must("LISTEN rows");
    hears.fails("SELECT 1 / 0", "22012");
    hears.must("COMMIT");
    notify("undone");
    nothing_comes(&mut hears);
    stage.is_whole(POOL);
    // It hears what it says itself, at the end.
    hears.must("BEGIN");
    hears.must("LISTEN rows");
    notify("before");
    let key = stage.fresh()[1];
    assert_eq!(told(&hears.must(&insert(key, "written"))), [""; 0]);
    hears.must("NOTIFY rows, 'own'");
    let mut heard = told(&hears.must("COMMIT"));
    heard.sort();
    assert_eq!(heard, ["own", "written"]);
    notify("after");
    for _ in SHARDS {
        assert_eq!(next(&mut hears).1, "after");
    }
    hears.must("BEGIN");
    hears.must("UNLISTEN *");
    hears.must("ROLLBACK");
    notify("still");
    for _ in SHARDS {
        assert_eq!(next(&mut hears).1, "still");
    }
    // In a text with others, and in a pipeline.
    hears.must("UNLISTEN rows; SELECT count(*) FROM rows; LISTEN other");
    notify("no more");
    nothing_comes(&mut hears);
    hears.step("LISTEN rows", &[]);
    let heard = hears.extended(&insert(stage.fresh()[0], "piped"), &[]).expect("answered");
    assert_eq!(heard.code(), None, "{}", heard.words());
    let heard = told(&heard);
    assert_eq!(heard, ["piped"]);
    // What several shards write can't be prepared on those that begin to listen with it.
    hears.must("BEGIN");
    hears.must("LISTEN more");
    for key in stage.fresh() {
        hears.must(&format!("INSERT INTO accounts VALUES ({key}, 1)"));
    }
    hears.fails("COMMIT", "0A000");
    // A listener of before writes on all shards like anybody else.
    hears.must("BEGIN");
    for key in stage.fresh() {
        hears.must(&format!("INSERT INTO accounts VALUES ({key}, 1)"));
    }
    hears.must("COMMIT");
}

#[test]
fn what_is_committed_is_notified_of() {
    let stage = stage();
    let (mut hears, mut speaker) = (stage.speaker(), stage.speaker());
    hears.must("LISTEN rows");
    let account = |key: i64| format!("INSERT INTO accounts VALUES ({key}, 1)");
    // Whichever shard says it, it decides.
    for at in 0..SHARDS.len() {
        for (end, expected) in [("ROLLBACK", 0), ("COMMIT", 1)] {
            let keys = stage.fresh();
            speaker.must("BEGIN");
            for key in keys {
                speaker.must(&account(key));
            }
            speaker.must(&format!(
                "SELECT pg_notify('rows', 'x') FROM accounts WHERE id = {}",
                keys[at]
            ));
            nothing_comes(&mut hears);
            speaker.must(end);
            (0..expected).for_each(|_| assert_eq!(next(&mut hears).1, "x"));
            nothing_comes(&mut hears);
        }
    }
    // NOTIFY is said where the transaction is already.
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        for before in 0..3 {
            let keys = stage.fresh();
            speaker.must("BEGIN");
            for (i, at) in order.iter().enumerate() {
                if i == before {
                    speaker.must("NOTIFY rows, 'a'");
                }
                speaker.must(&account(keys[*at]));
            }
            speaker.must("NOTIFY rows, 'b'");
            speaker.must("COMMIT");
            let mut both = [next(&mut hears).1, next(&mut hears).1];
            both.sort();
            assert_eq!(both, ["a", "b"]);
        }
    }
    // Nor who has a trigger that says it.
    for at in 0..SHARDS.len() {
        let keys = stage.fresh();
        speaker.must("BEGIN");
        for (i, key) in keys.into_iter().enumerate() {
            speaker.must(&account(key));
            if i == at {
                let text = "INSERT INTO rows VALUES ($1, 'x')";
                let heard = speaker.extended(text, &[&key.to_string()]).expect("answered");
                assert_eq!(heard.code(), None, "{}", heard.words());
            }
        }
        speaker.must("COMMIT");
        assert_eq!(next(&mut hears).1, "x");
    }
    // Neither of two can be prepared: nobody has it.
    let keys = stage.fresh();
    speaker.must("BEGIN");
    for key in keys {
        speaker.must(&format!("INSERT INTO rows VALUES ({key}, 'all')"));
    }
    speaker.fails("COMMIT", "0A000");
    nothing_comes(&mut hears);
    assert_eq!(stage.tagged("all"), 0);
    stage.until_quiet();
}

#[test]
fn a_listener_ends_with_a_shard() {
    let stage = stage();
    for busy in [false, true] {
        let mut hears = stage.speaker();
        hears.must("LISTEN rows");
        if busy {
            // It hears of it when its transaction is over.
            hears.must("BEGIN");
            hears.must(&format!("SELECT * FROM rows WHERE id = {}", stage.fresh()[0]));
        }
        stage.stop("s2", Stop::Kill);
        if busy {
            hears.must("COMMIT");
        }
        let until = Instant::now() + SOON;
        let message = hears.unasked(SOON).expect("it is told").expect("in time");
        assert_eq!(message.0, tag::ERROR_RESPONSE);
        let heard = Heard(vec![message]);
        // The server may have had the time to say why.
        let ended = matches!(heard.code().as_deref(), Some("08006" | "57P01"));
        assert!(ended, "{}", heard.words());
        assert!(hears.unasked(SOON).is_err() && Instant::now() < until);
        // Nobody listens to some of the shards only.
        let mut late = stage.speaker();
        let refused = late.query("LISTEN rows").expect("answered");
        assert!(refused.code().is_some(), "{}", refused.words());
        late.must(&insert(stage.fresh()[0], "unheard"));
        nothing_comes(&mut late);
        stage.start("s2");
        stage.works_on(1);
        let until = Instant::now() + SOON;
        while late.query("LISTEN rows").expect("answered").code().is_some() {
            assert!(Instant::now() < until);
            std::thread::sleep(QUIET);
        }
        let heard = late.must(&insert(stage.fresh()[1], "again"));
        assert_eq!(told(&heard), ["again"]);
        drop(late);
    }
    stage.is_whole(POOL);
}
