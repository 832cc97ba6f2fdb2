//! Money moves between accounts on three shards, in every way that a client can say it, while
//! proxies and servers are killed: none is made or lost, and each transfer that was acknowledged is
//! there once, with the row that it wrote on another shard.
//!
//! `PGHERD_BANK_SECONDS` (default 15) is how long, `PGHERD_BANK_SEED` (default 1) what is random.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pgherd::local::Stop;
use pgherd::wire::frontend;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::speaker::{Heard, Speaker};
use super::stage::{HASTE, SHARDS, Stage};
use crate::support::Proxy;

const ACCOUNTS: i64 = 30;
const BALANCE: i64 = 1000;
const CLIENTS: i64 = 8;

/// One transfer, by the id of its row in the ledger.
#[derive(Debug, Clone, Copy)]
struct Transfer {
    id: i64,
    source: i64,
    target: i64,
    amount: i64,
}

impl Transfer {
    fn take(self) -> String {
        format!(
            "UPDATE accounts SET balance = balance - {} WHERE id = {}",
            self.amount, self.source
        )
    }

    fn give(self) -> String {
        format!(
            "UPDATE accounts SET balance = balance + {} WHERE id = {}",
            self.amount, self.target
        )
    }

    fn note(self) -> String {
        let Transfer { id, source, target, amount } = self;
        format!("INSERT INTO ledger VALUES ({id}, {source}, {target}, {amount})")
    }
}

/// What became of a transfer, as its client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// It was rolled back.
    Undone,
    Unknown,
}

/// Ways to say a transfer.
const WAYS: [fn(&mut Speaker, Transfer) -> io::Result<Outcome>; 7] =
    [simply, as_one_text, in_messages, as_pipeline, with_savepoints, with_error, and_back];

fn simply(speaker: &mut Speaker, transfer: Transfer) -> io::Result<Outcome> {
    let texts = [transfer.note(), transfer.take(), transfer.give()];
    in_block(speaker, &texts, "COMMIT")
}

fn with_savepoints(speaker: &mut Speaker, transfer: Transfer) -> io::Result<Outcome> {
    let texts = [
        transfer.take(),
        "SAVEPOINT a".to_owned(),
        transfer.give(),
        transfer.give(),
        "SAVEPOINT a".to_owned(),
        transfer.note(),
        "ROLLBACK TO a".to_owned(),
        "RELEASE a".to_owned(),
        "ROLLBACK TO a".to_owned(),
        transfer.give(),
        transfer.note(),
        "RELEASE a".to_owned(),
    ];
    in_block(speaker, &texts, "COMMIT")
}

fn with_error(speaker: &mut Speaker, transfer: Transfer) -> io::Result<Outcome> {
    let texts = [transfer.note(), transfer.take(), "SELECT 1 / 0".to_owned()];
    in_block(speaker, &texts, "COMMIT")
}

fn and_back(speaker: &mut Speaker, transfer: Transfer) -> io::Result<Outcome> {
    in_block(speaker, &[transfer.note(), transfer.take(), transfer.give()], "ROLLBACK")
}

fn in_block(speaker: &mut Speaker, texts: &[String], end: &str) -> io::Result<Outcome> {
    for text in std::iter::once(&"BEGIN".to_owned()).chain(texts) {
        if speaker.query(text)?.code().is_some() {
            speaker.query("ROLLBACK")?;
            return Ok(Outcome::Undone);
        }
    }
    let heard = speaker.query(end)?;
    Ok(outcome(speaker, &heard, end))
}

fn as_one_text(speaker: &mut Speaker, transfer: Transfer) -> io::Result<Outcome> {
    let texts = [transfer.take(), transfer.note(), transfer.give()];
    let heard = speaker.query(&texts.join("; "))?;
    Ok(outcome(speaker, &heard, "UPDATE 1"))
}

/// The extended protocol, Sync after each.
fn in_messages(speaker: &mut Speaker, transfer: Transfer) -> io::Result<Outcome> {
    let Transfer { id, source, target, amount } = transfer;
    let [id, source, target, amount] = [id, source, target, amount].map(|n| n.to_string());
    let less = "UPDATE accounts SET balance = balance - $1::bigint WHERE id = $2";
    let more = "UPDATE accounts SET balance = balance + $1::bigint WHERE id = $2";
    let note = "INSERT INTO ledger VALUES ($1, $2, $3, $4)";
    let steps: [(&str, &[&str]); 4] = [
        ("BEGIN", &[]),
        (less, &[&amount, &source]),
        (more, &[&amount, &target]),
        (note, &[&id, &source, &target, &amount]),
    ];
    for (text, values) in steps {
        if speaker.extended(text, values)?.code().is_some() {
            speaker.query("ROLLBACK")?;
            return Ok(Outcome::Undone);
        }
    }
    let heard = speaker.extended("COMMIT", &[])?;
    Ok(outcome(speaker, &heard, "COMMIT"))
}

/// The extended protocol, with one Sync for all.
fn as_pipeline(speaker: &mut Speaker, transfer: Transfer) -> io::Result<Outcome> {
    speaker.step(&transfer.note(), &[]);
    speaker.step(&transfer.give(), &[]);
    speaker.step(&transfer.take(), &[]);
    frontend::sync(&mut speaker.output);
    let heard = speaker.hear()?;
    Ok(outcome(speaker, &heard, "UPDATE 1"))
}

/// `end` is the last tag of one that is done.
fn outcome(speaker: &Speaker, heard: &Heard, end: &str) -> Outcome {
    match heard.code().as_deref() {
        Some("08007") => Outcome::Unknown,
        Some(_) => Outcome::Undone,
        None if end == "ROLLBACK" => Outcome::Undone,
        None => {
            let done = heard.words().contains(&format!("C {end}"));
            assert!(done, "no {end}:\n{}", speaker.story());
            Outcome::Done
        }
    }
}

/// What is random, and what it came to.
struct Bank<'a> {
    ports: [u16; 2],
    accounts: &'a [i64],
    seed: u64,
    over: AtomicBool,
    outcomes: Mutex<BTreeMap<i64, (Transfer, Outcome)>>,
}

impl Bank<'_> {
    /// One client moves money until the day is over.
    fn client(&self, number: i64) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (number as u64) << 32);
        let mut speaker: Option<Speaker> = None;
        for count in 0.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let way = WAYS.choose(&mut random).expect("some");
            let mut account = || *self.accounts.choose(&mut random).expect("some");
            let (source, target) = (account(), account());
            let amount = random.random_range(1..100);
            let transfer = Transfer { id: number * 1_000_000 + count, source, target, amount };
            let port = self.ports[random.random_range(0..2)];
            let Some(mut known) = speaker.take().or_else(|| enter(port)) else {
                thread::sleep(Duration::from_millis(50));
                continue;
            };
            let outcome = way(&mut known, transfer);
            if outcome.is_ok() && random.random_bool(0.9) {
                speaker = Some(known);
            }
            let outcome = outcome.unwrap_or(Outcome::Unknown);
            self.outcomes.lock().expect("nobody panicked").insert(transfer.id, (transfer, outcome));
        }
    }
}

/// A client whose transactions don't wait for each other forever: two that wait crosswise on two
/// shards are no deadlock that a server sees.
fn enter(port: u16) -> Option<Speaker> {
    let mut speaker = Speaker::connect(port).ok()?;
    let set = speaker.query("SET lock_timeout = '300ms'").ok()?;
    set.code().is_none().then_some(speaker)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn keeps_its_money() {
    let seed = setting("PGHERD_BANK_SEED").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(setting("PGHERD_BANK_SECONDS").unwrap_or(15));
    let mut stage = Stage::new("[pool]\nsize = 6\nretry_backoff_max = \"1s\"\n");
    let other = stage.herd.proxy_with(|own| own + HASTE + "[pool]\nretry_backoff_max = \"1s\"\n");
    let other_config = stage.herd.dir().join(format!("proxy-{}.toml", other.port()));
    let accounts: Vec<i64> = (1..=ACCOUNTS).collect();
    let mut maker = stage.speaker();
    for account in &accounts {
        maker.must(&format!("INSERT INTO accounts VALUES ({account}, {BALANCE})"));
    }
    let bank = Bank {
        ports: [stage.port, other.port()],
        accounts: &accounts,
        seed,
        over: AtomicBool::new(false),
        outcomes: Mutex::default(),
    };
    let mut other = Some(other);
    let mut random = StdRng::seed_from_u64(seed);
    let mut deaths = BTreeMap::new();
    thread::scope(|scope| {
        for number in 1..=CLIENTS {
            let bank = &bank;
            scope.spawn(move || bank.client(number));
        }
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(random.random_range(300..1500)));
            let kind = random.random_range(0..5);
            *deaths.entry(kind.min(2)).or_insert(0) += 1;
            match kind {
                0 => {
                    stage.kill_proxy();
                    stage.start_proxy();
                }
                1 => {
                    let dead = other.take().expect("it runs");
                    let port = dead.port();
                    dead.signal(libc::SIGKILL);
                    drop(dead);
                    other = Some(Proxy::start(&other_config, port));
                }
                _ => {
                    let shard = *SHARDS.choose(&mut random).expect("some");
                    let how = [Stop::Kill, Stop::Immediate][random.random_range(0..2)];
                    stage.stop(shard, how);
                    thread::sleep(Duration::from_millis(random.random_range(0..300)));
                    stage.start(shard);
                }
            }
        }
        bank.over.store(true, Ordering::Relaxed);
    });
    stage.until_quiet();
    balance(&stage, &bank);
    stage.works();
    println!("killed (proxy, other proxy, server): {deaths:?}, seed {seed}");
}

/// The books agree with the accounts, and with what the clients know.
fn balance(stage: &Stage, bank: &Bank<'_>) {
    let numbers = |text: &str| -> Vec<Vec<i64>> {
        let rows = SHARDS.iter().flat_map(|shard| stage.ask(shard, text));
        let number = |value: Option<String>| value.expect("not null").parse().expect("a number");
        rows.map(|row| row.into_iter().map(number).collect()).collect()
    };
    let outcomes = bank.outcomes.lock().expect("nobody panicked");
    let mut expected: BTreeMap<i64, i64> = bank.accounts.iter().map(|id| (*id, BALANCE)).collect();
    let mut noted = BTreeSet::new();
    for row in numbers("SELECT id, source, target, amount FROM ledger") {
        let [id, source, target, amount] = row[..] else { panic!("{row:?}") };
        assert!(noted.insert(id), "transfer {id} is there twice");
        *expected.get_mut(&source).expect("an account") -= amount;
        *expected.get_mut(&target).expect("an account") += amount;
    }
    let mut count = [0; 3];
    for (id, (transfer, outcome)) in outcomes.iter() {
        match outcome {
            Outcome::Done => assert!(noted.contains(id), "lost: {transfer:?}"),
            Outcome::Undone => assert!(!noted.contains(id), "not undone: {transfer:?}"),
            Outcome::Unknown => {}
        }
        count[*outcome as usize] += 1;
    }
    let found: BTreeMap<i64, i64> = numbers("SELECT id, balance FROM accounts")
        .into_iter()
        .map(|row| (row[0], row[1]))
        .collect();
    assert_eq!(found, expected, "the accounts are other than the ledger says");
    assert_eq!(found.values().sum::<i64>(), ACCOUNTS * BALANCE);
    let [done, undone, unknown] = count;
    println!("{done} transfers done, {undone} undone, {unknown} unknown");
    assert!(done > 20, "{done} of {} were done", outcomes.len());
}
