//! Random sequences on three shards and on one plain Postgres: the same rows, tags, codes and
//! states of the transaction, and the same rows in the tables after them. Statements of one shard
//! and of several, control of transactions, settings, cursors and errors, one by one, in texts of
//! several and in pipelines, by both protocols.
//!
//! `PGHERD_WIDE_SEED` (default 100) is the first seed, `PGHERD_WIDE_ROUNDS` (default 30) says how many.

use pgherd::wire::backend::{ErrorFields, tag};
use pgherd::wire::frontend;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::speaker::{Heard, Speaker};
use super::stage::Stage;

/// Said to the transaction, or to the session.
const CONTROL: &[&str] = &[
    "BEGIN",
    "BEGIN",
    "BEGIN",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "BEGIN READ ONLY",
    "COMMIT",
    "COMMIT",
    "END",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "SAVEPOINT a",
    "SAVEPOINT a",
    "SAVEPOINT b",
    "SAVEPOINT \"C d\"",
    "RELEASE a",
    "RELEASE b",
    "ROLLBACK TO a",
    "ROLLBACK TO a",
    "ROLLBACK TO b",
    "ROLLBACK TO \"C d\"",
    "ROLLBACK TO nobody",
    "SET work_mem = '1MB'",
    "SET work_mem = '2MB'",
    "SET LOCAL work_mem = '3MB'",
    "SET work_mem = 'nonsense'",
    "RESET work_mem",
    "RESET ALL",
    "SHOW work_mem",
    "SHOW work_mem",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET LOCAL TimeZone = 'Europe/Berlin'",
    "SHOW TimeZone",
    "SET app.name = 'x'",
    "SET LOCAL app.name = 'y'",
    "SHOW transaction_isolation",
    "SHOW transaction_read_only",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET TRANSACTION READ ONLY",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET CONSTRAINTS ALL IMMEDIATE",
    "DISCARD ALL",
];

/// `KEY` is a key of some shard, `OTHER` another.
const STATEMENTS: &[&str] = &[
    "UPDATE same SET n = n + 1 WHERE id = KEY",
    "UPDATE same SET n = n + 1 WHERE id = KEY",
    "UPDATE same SET n = n + 1 WHERE id = KEY RETURNING n, current_setting('work_mem')",
    "UPDATE same SET n = n + 1 WHERE id = KEY RETURNING nullif(current_setting('app.name', true), '')",
    "INSERT INTO same VALUES (KEY, 5)",
    "INSERT INTO same VALUES (KEY, 5) ON CONFLICT DO NOTHING",
    "DELETE FROM same WHERE id = KEY",
    "SELECT n FROM same WHERE id = KEY",
    "SELECT n, current_setting('work_mem'), current_setting('timezone') FROM same WHERE id = KEY",
    "SELECT n FROM same WHERE id = KEY FOR UPDATE",
    "INSERT INTO same_child VALUES (KEY, 1)",
    "DELETE FROM same_child WHERE id = KEY",
    "SELECT count(*), sum(n) FROM same",
    "SELECT id, n FROM same ORDER BY id",
    "SELECT id, n FROM same WHERE id IN (KEY, OTHER) ORDER BY id",
    "SELECT count(*) FROM same_child",
    "UPDATE same SET n = n + 10 WHERE id IN (KEY, OTHER)",
    "UPDATE same SET n = n + 100",
    "DELETE FROM same_child",
    "SELECT 1 / 0 FROM same WHERE id = KEY",
    "SELECT 1 / 0",
    "SELECT sum(1 / (n - n)) FROM same",
    "SELECT * FROM nosuch_table WHERE id = KEY",
    "SELECT nosuch FROM same WHERE id = KEY",
    "SELEC",
    "SELECT 1",
    "DECLARE c CURSOR FOR SELECT n FROM same WHERE id = KEY",
    "DECLARE d CURSOR FOR SELECT generate_series(1, 5) FROM same WHERE id = KEY",
    "FETCH c",
    "FETCH 2 FROM d",
    "MOVE d",
    "CLOSE c",
    "CLOSE ALL",
];

/// What is sent at once, up to one ReadyForQuery.
#[derive(Debug)]
enum Step {
    Simple(String),
    /// With Sync behind the last; a Flush behind the first of several where that is so.
    Extended(Vec<String>, bool),
    /// Without Sync, and a simple query behind it.
    Mixed(String, String),
}

impl Step {
    fn random(random: &mut StdRng, keys: &[i64]) -> Step {
        let mut one = |control: f64| {
            if random.random_bool(control) {
                return (*CONTROL.choose(random).expect("some")).to_owned();
            }
            let text = *STATEMENTS.choose(random).expect("some");
            let mut key = || keys.choose(random).expect("some").to_string();
            text.replace("KEY", &key()).replace("OTHER", &key())
        };
        let (first, second, third) = (one(0.5), one(0.2), one(0.2));
        // Without a block Postgres refuses a cursor in a pipeline; pgherd has a block of its own
        // there once a second shard is needed.
        let no_cursor = |text: &String| text.replace("DECLARE", "EXPLAINED");
        match random.random_range(0..20) {
            0..=7 => Step::Simple(first),
            8..=12 => Step::Extended(vec![first], false),
            13..=15 => Step::Simple(format!("{second}; {third}")),
            16 => Step::Extended(
                [second, third].iter().map(no_cursor).collect(),
                random.random_bool(0.5),
            ),
            17 => Step::Extended(
                [first, second, third].iter().map(no_cursor).collect(),
                random.random_bool(0.5),
            ),
            18 => Step::Simple(format!("{first}; {second}; {third}")),
            _ => Step::Mixed(no_cursor(&second), no_cursor(&first)),
        }
    }

    fn run(&self, speaker: &mut Speaker) -> Vec<String> {
        match self {
            Step::Simple(text) => frontend::write_query(&mut speaker.output, text.as_bytes()),
            Step::Extended(texts, flush) => {
                for (at, text) in texts.iter().enumerate() {
                    speaker.step(text, &[]);
                    if *flush && at == 0 {
                        frontend::flush(&mut speaker.output);
                        speaker.send().expect("sent");
                    }
                }
                frontend::sync(&mut speaker.output);
            }
            Step::Mixed(first, text) => {
                speaker.step(first, &[]);
                frontend::write_query(&mut speaker.output, text.as_bytes());
                // After an error messages are skipped up to Sync, the query among them.
                frontend::sync(&mut speaker.output);
                frontend::write_query(&mut speaker.output, b"");
                return said_up_to_nothing(speaker);
            }
        }
        said(&speaker.hear().expect("answered"))
    }
}

/// All that is said up to the answer of an empty query.
fn said_up_to_nothing(speaker: &mut Speaker) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let heard = speaker.hear().expect("answered");
        let last = heard.0.iter().any(|(kind, _)| *kind == tag::EMPTY_QUERY_RESPONSE);
        all.extend(said(&heard));
        if last {
            return all;
        }
    }
}

/// What must be the same.
fn said(heard: &Heard) -> Vec<String> {
    let words = heard.0.iter().filter_map(|(kind, body)| match *kind {
        tag::ERROR_RESPONSE => {
            let fields = ErrorFields::read(body).expect("fields");
            Some(format!("E {}", String::from_utf8_lossy(fields.sqlstate())))
        }
        tag::NOTICE_RESPONSE | tag::PARAMETER_STATUS | tag::NO_DATA => None,
        // Which message an error answers that comes in any case is not told apart.
        tag::PARSE_COMPLETE | tag::BIND_COMPLETE => None,
        tag::ROW_DESCRIPTION => Some("T".to_owned()),
        _ => Some(crate::proxy::raw::shown(&[(*kind, body.clone())]).join("")),
    });
    let mut words: Vec<String> = words.collect();
    // A merged result is described when its first row is known, a server's before.
    let described =
        |at: usize| words[at] == "T" && words.get(at + 1).is_some_and(|w| w.starts_with('E'));
    let kept = (0..words.len()).map(|at| !described(at)).collect::<Vec<_>>();
    let mut kept = kept.into_iter();
    words.retain(|_| kept.next().unwrap_or(true));
    words
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Both sides, and the rows that each round begins with.
struct Twins {
    stage: Stage,
    twin: u16,
    keys: Vec<i64>,
}

impl Twins {
    fn new() -> Twins {
        let stage = Stage::new("");
        let twin = stage.herd.primary("s3").expect("a node").member().port;
        stage.ask("s3", "CREATE DATABASE twin");
        let keys: Vec<i64> = (0..3).flat_map(|_| stage.fresh()).collect();
        let twins = Twins { stage, twin, keys };
        let (mut ours, mut theirs) = twins.speakers();
        for text in [
            "CREATE TABLE same (id bigint PRIMARY KEY, n int)",
            "CREATE TABLE same_child (id bigint, m int, \
             FOREIGN KEY (id) REFERENCES same DEFERRABLE INITIALLY IMMEDIATE)",
        ] {
            ours.must(text);
            theirs.must(text);
        }
        twins
    }

    fn speakers(&self) -> (Speaker, Speaker) {
        let theirs = Speaker::connect_to(self.twin, "pgherd", "twin").expect("it lets us in");
        (self.stage.speaker(), theirs)
    }

    fn reset(&self) {
        let (mut ours, mut theirs) = self.speakers();
        let rows: Vec<String> = self.keys.iter().take(6).map(|key| format!("({key}, 0)")).collect();
        for key in &self.keys {
            ours.must(&format!("DELETE FROM same_child WHERE id = {key}"));
            ours.must(&format!("DELETE FROM same WHERE id = {key}"));
        }
        theirs.must("DELETE FROM same_child; DELETE FROM same");
        for row in rows {
            ours.must(&format!("INSERT INTO same VALUES {row}"));
            theirs.must(&format!("INSERT INTO same VALUES {row}"));
        }
    }

    /// Runs one sequence: how many steps were compared, and whether a refusal ended it.
    ///
    /// # Errors
    /// What is other than it should be, after what.
    fn round(&self, seed: u64) -> Result<(usize, bool), String> {
        self.reset();
        let mut random = StdRng::seed_from_u64(seed);
        let (mut ours, mut theirs) = self.speakers();
        let mut story = Vec::new();
        let (mut compared, mut refused) = (0, false);
        for _ in 0..30 {
            let step = Step::random(&mut random, &self.keys);
            let got = step.run(&mut ours);
            story.push(format!("{step:?}\n    {}", got.join(", ")));
            if got.iter().any(|word| word == "E 0A000") {
                refused = true;
                break;
            }
            let expected = step.run(&mut theirs);
            if got != expected {
                let story = story.join("\n");
                return Err(format!("seed {seed}:\n{story}\n  not {}", expected.join(", ")));
            }
            compared += 1;
        }
        for speaker in [&mut ours, &mut theirs] {
            speaker.query("ROLLBACK").expect("answered");
        }
        if !refused {
            for table in ["same", "same_child"] {
                let text = format!("SELECT * FROM {table} ORDER BY 1, 2");
                let (got, expected) = (ours.must(&text).rows(), theirs.must(&text).rows());
                if got != expected {
                    let story = story.join("\n");
                    return Err(format!(
                        "seed {seed}: {table} is {got:?}, not {expected:?}\n{story}"
                    ));
                }
            }
        }
        Ok((compared, refused))
    }
}

#[test]
fn transactions_over_shards_are_those_of_one_postgres() {
    let twins = Twins::new();
    let rounds = setting("PGHERD_WIDE_ROUNDS").unwrap_or(30);
    let first = setting("PGHERD_WIDE_SEED").unwrap_or(100);
    let (mut compared, mut refused, mut wrong) = (0, 0, Vec::new());
    for seed in first..first + rounds {
        match twins.round(seed) {
            Ok((steps, ended)) => {
                compared += steps;
                refused += usize::from(ended);
            }
            Err(why) => wrong.push(why),
        }
    }
    assert!(wrong.is_empty(), "{} of {rounds} are wrong:\n{}", wrong.len(), wrong.join("\n\n"));
    println!("{compared} steps compared, {refused} of {rounds} sequences ended by a refusal");
    assert!(compared as u64 > rounds * 5, "{compared}");
    twins.stage.is_whole(2);
}
