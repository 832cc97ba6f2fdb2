//! The connection is lost under the COMMIT that decides: the client hears what became of it.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pgherd::local::Stop;
use pgherd::wire::frontend;

use super::speaker::Speaker;
use super::stage::{SOON, Stage, write_all};

/// Commits on all shards; the code of the error that is heard.
fn commits(stage: &Stage, tag: &str) -> JoinHandle<Option<String>> {
    let (keys, port, tag) = (stage.fresh(), stage.port, tag.to_owned());
    thread::spawn(move || {
        let mut speaker = Speaker::connect(port).expect("it lets us in");
        write_all(&mut speaker, keys, &tag).expect("answered").code()
    })
}

/// Cuts the connection of the session at s1 that waits for this.
fn cut(stage: &Stage, waits: &str) {
    let text = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = 'app' AND wait_event = '{waits}' AND query LIKE '%pgherd.decide%' \
         AND pid <> pg_backend_pid()"
    );
    let until = Instant::now() + SOON;
    while stage.value("s1", &text) == "0" {
        assert!(Instant::now() < until, "nobody waits: {}", stage.log());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn of_a_commit_whose_answer_is_lost() {
    let stage = Stage::new("outcome_wait = \"4s\"\n[pool]\nsize = 2\nretry_backoff_max = \"1s\"\n");
    // Committed already, but for a standby that there isn't.
    stage.ask("s1", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    stage.ask("s1", "SELECT pg_reload_conf()");
    let client = commits(&stage, "committed");
    cut(&stage, "SyncRep");
    assert_eq!(client.join().expect("no panic"), None, "it was committed");
    stage.ask("s1", "ALTER SYSTEM RESET synchronous_standby_names");
    stage.ask("s1", "SELECT pg_reload_conf()");
    stage.until_quiet();
    assert_eq!(stage.tagged("committed"), 3);

    // Not committed yet, and never will be.
    for text in [
        "CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON rows DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION sleeps()",
    ] {
        stage.ask("s1", text);
    }
    let client = commits(&stage, "uncommitted");
    cut(&stage, "PgSleep");
    assert_eq!(client.join().expect("no panic").as_deref(), Some("08006"));
    stage.until_quiet();
    assert_eq!(stage.tagged("uncommitted"), 0);
    stage.ask("s1", "DROP TRIGGER late ON rows");

    // Nobody can be asked.
    stage.hold("prepared");
    let client = commits(&stage, "unknown");
    stage.until_reached("prepared");
    stage.stop("s1", Stop::Kill);
    stage.release();
    assert_eq!(client.join().expect("no panic").as_deref(), Some("08007"));
    stage.start("s1");
    stage.until_quiet();
    assert_eq!(stage.tagged("unknown"), 0);
    stage.works();
    stage.is_whole(2);
}

/// The server's last answer and its goodbye come in one piece.
#[test]
fn of_a_statement_right_before_the_end_of_its_server() {
    let stage = Stage::new("");
    let [key, _, _] = stage.fresh();
    let mut speaker = stage.speaker();
    for open in [true, false] {
        if open {
            speaker.must("BEGIN");
        }
        let text = format!("INSERT INTO rows SELECT {key}, 'last' FROM pg_sleep(1)");
        frontend::write_query(
            &mut speaker.output,
            format!("/* pgherd: shard=s1 */ {text}").as_bytes(),
        );
        speaker.send().expect("sent");
        let of_it = format!(
            "FROM pg_stat_activity WHERE query LIKE '%{text}%' AND pid <> pg_backend_pid()"
        );
        let until_counted = |state: &str, count: &str| {
            let text = format!("SELECT count(*) {of_it} AND state = '{state}'")
                .replace("'last'", "''last''");
            let until = Instant::now() + SOON;
            while stage.value("s1", &text) != count {
                assert!(Instant::now() < until, "{state}");
                thread::sleep(Duration::from_millis(20));
            }
        };
        until_counted("active", "1");
        stage.signal(libc::SIGSTOP);
        let state = if open { "idle in transaction" } else { "idle" };
        until_counted(state, "1");
        stage.ask(
            "s1",
            &format!("SELECT pg_terminate_backend(pid) {of_it}").replace("'last'", "''last''"),
        );
        until_counted(state, "0");
        stage.signal(libc::SIGCONT);
        let heard = speaker.hear().expect("answered").words();
        if open {
            assert_eq!(heard, "C INSERT 0 1, Z T");
            speaker.fails(&format!("SELECT count(*) FROM rows WHERE id = {key}"), "08006");
            assert_eq!(speaker.must("ROLLBACK").words(), "C ROLLBACK, Z I");
        } else {
            assert_eq!(heard, "C INSERT 0 1, Z I");
            assert_eq!(speaker.must("SELECT 1").words(), "T, D 1, C SELECT 1, Z I");
        }
    }
    assert_eq!(stage.tagged("last"), 1);
}
