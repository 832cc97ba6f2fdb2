//! A herd of three shards, the proxies before it, and what must hold when nothing runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pgherd::local::Stop;

use super::speaker::{Heard, Speaker};
use crate::support::{Proxy, TestHerd, Want};

/// Which tables there are. What several shards wrote is decided on s1 if that is one of them.
const RULES: &str = "
keyspaces:
  - name: users
    key: [bigint]
    placement: { ring: { virtual_nodes: 64 } }
    tables:
      rows: [id]
      accounts: [id]
      ledger: [id]
      once: [id]
      child: [id]
      slow: [id]
      same: [id]
      same_child: [id]
reference: []
home: [notes]
home_shard: s1
unlisted: refuse
";

pub const SHARDS: [&str; 3] = ["s1", "s2", "s3"];

/// Within so long everything is over that was left.
pub const SOON: Duration = Duration::from_secs(10);
/// A server may take so long for a question on a busy machine.
const ASKING: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// Shortly after something was left it is finished.
pub const HASTE: &str = "\n[cluster]\nresolve_after = \"1s\"\nresolve_poll = \"100ms\"\n";

/// A herd, and a proxy that may be killed and started again.
pub struct Stage {
    pub herd: TestHerd,
    pub port: u16,
    config: PathBuf,
    proxy: Option<Proxy>,
    /// Keys of each shard.
    keys: [Vec<i64>; 3],
    used: AtomicUsize,
}

impl Stage {
    /// With these settings beside the herd's own and [`HASTE`].
    pub fn new(settings: &str) -> Stage {
        let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
        let points = herd.dir().join("points");
        fs::create_dir(&points).expect("made");
        let points = format!("control_points = \"{}\"\n", points.display());
        let proxy = herd.proxy_with(|own| own + HASTE + &points + settings);
        let port = proxy.port();
        let config = herd.dir().join(format!("proxy-{port}.toml"));
        let mut maker = Speaker::connect(port).expect("it lets us in");
        maker.must(
            "CREATE TABLE rows (id bigint PRIMARY KEY, tag text);
             CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL);
             CREATE TABLE ledger (id bigint PRIMARY KEY, source bigint, target bigint, amount bigint)",
        );
        maker.must("CREATE TABLE notes (word text)");
        let mut keys = [const { Vec::new() }; 3];
        let named = "SELECT k, pgherd.shard_of('users', k) FROM generate_series(1, 3000) k";
        for row in herd.primary("s1").expect("a node").query(named, ASKING).expect("asked") {
            let [Some(key), Some(shard)] = row.as_slice() else { panic!("{row:?}") };
            let at = SHARDS.iter().position(|name| name == shard).expect("a shard");
            keys[at].push(key.parse().expect("a number"));
        }
        Stage { herd, port, config, proxy: Some(proxy), keys, used: AtomicUsize::new(0) }
    }

    /// A key of each shard that nobody else has been given.
    pub fn fresh(&self) -> [i64; 3] {
        let at = self.used.fetch_add(1, Ordering::Relaxed);
        [self.keys[0][at], self.keys[1][at], self.keys[2][at]]
    }

    pub fn speaker(&self) -> Speaker {
        Speaker::connect(self.port).expect("it lets us in")
    }

    /// As `speaker`, where the way in may be blocked for a while.
    pub fn patient_speaker(&self) -> Speaker {
        let until = Instant::now() + SOON;
        loop {
            match Speaker::connect(self.port) {
                Ok(speaker) => return speaker,
                Err(error) => assert!(Instant::now() < until, "nobody is let in: {error}"),
            }
            std::thread::sleep(POLL);
        }
    }

    pub fn kill_proxy(&mut self) {
        let mut proxy = self.proxy.take().expect("it runs");
        proxy.signal(libc::SIGKILL);
        proxy.wait(SOON).expect("killed");
    }

    pub fn signal(&self, signal: i32) {
        self.proxy.as_ref().expect("it runs").signal(signal);
    }

    pub fn start_proxy(&mut self) {
        self.proxy = Some(Proxy::start(&self.config, self.port));
    }

    /// What the proxy has logged.
    pub fn log(&self) -> String {
        self.proxy.as_ref().map(Proxy::log).unwrap_or_default()
    }

    pub fn stop(&self, shard: &str, how: Stop) {
        assert!(self.herd.primary(shard).expect("a node").stop(how).expect("stopped"), "{shard}");
    }

    pub fn start(&self, shard: &str) {
        self.herd.primary(shard).expect("a node").start().expect("started");
    }

    /// Who comes by this control point next is held there.
    pub fn hold(&self, point: &str) {
        fs::write(self.point(point), "").expect("written");
    }

    pub fn until_reached(&self, point: &str) {
        let reached = self.point(&format!("{point}.reached"));
        let until = Instant::now() + ASKING;
        while !reached.exists() {
            assert!(Instant::now() < until, "nobody came by {point}: {}", self.log());
            std::thread::sleep(POLL);
        }
    }

    /// Nobody is held any more.
    pub fn release(&self) {
        for entry in fs::read_dir(self.herd.dir().join("points")).expect("there").flatten() {
            // Who has just come by has renamed it.
            let _ = fs::remove_file(entry.path());
        }
    }

    fn point(&self, name: &str) -> PathBuf {
        self.herd.dir().join("points").join(name)
    }

    /// Asks a shard's own server.
    pub fn ask(&self, shard: &str, text: &str) -> Vec<Vec<Option<String>>> {
        self.herd.primary(shard).expect("a node").query(text, ASKING).expect("asked")
    }

    /// The first value that a shard's own server answers.
    pub fn value(&self, shard: &str, text: &str) -> String {
        let rows = self.ask(shard, text);
        rows.first().and_then(|row| row[0].clone()).unwrap_or_default()
    }

    /// Asks all servers for one value.
    pub fn values(&self, text: &str) -> [String; 3] {
        SHARDS.map(|shard| self.value(shard, text))
    }

    /// On how many shards there is a row with this tag.
    pub fn tagged(&self, tag: &str) -> usize {
        let counts = self.values(&format!("SELECT count(*) FROM rows WHERE tag = '{tag}'"));
        counts.iter().filter(|count| **count != "0").count()
    }

    /// Ids of decisions to commit, or to give up.
    pub fn decisions(&self, committed: bool) -> BTreeSet<String> {
        let text = format!("SELECT gid FROM pgherd.decisions WHERE committed = {committed}");
        SHARDS
            .iter()
            .flat_map(|shard| self.ask(shard, &text))
            .filter_map(|row| row[0].clone())
            .collect()
    }

    /// Waits until nothing is prepared, locked or open on any shard: 10 s at most.
    pub fn until_quiet(&self) {
        const LEFT: &str = "
            SELECT 'prepared ' || gid FROM pg_prepared_xacts WHERE database = 'app'
            UNION ALL
            SELECT 'locked ' || relation::regclass || ' ' || mode FROM pg_locks
             WHERE locktype = 'relation' AND pid IS DISTINCT FROM pg_backend_pid()
               AND relation >= 16384
            UNION ALL
            SELECT 'open ' || state || ' ' || query FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND datname = 'app' AND state <> 'idle'
               AND pid <> pg_backend_pid()
            UNION ALL
            SELECT 'advisory' FROM pg_locks WHERE locktype = 'advisory'";
        let until = Instant::now() + SOON;
        loop {
            let left: Vec<String> = SHARDS
                .iter()
                .flat_map(|shard| self.ask(shard, LEFT).into_iter().map(move |row| (shard, row)))
                .map(|(shard, row)| format!("{shard}: {}", row[0].clone().unwrap_or_default()))
                .collect();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "left after 10 s: {left:#?}\n{}", self.log());
            std::thread::sleep(POLL);
        }
    }

    /// Transactions over all shards, as many at once as the pools have connections, with settings
    /// as they are for everybody: no connection is lost, and none is another's.
    pub fn is_whole(&self, size: usize) {
        self.until_quiet();
        let mut all: Vec<Speaker> = (0..size).map(|_| self.patient_speaker()).collect();
        for speaker in &mut all {
            speaker.must("BEGIN");
            for shard in SHARDS {
                let settings = format!(
                    "/* pgherd: shard={shard} */ SELECT current_setting('work_mem'), \
                     current_user, current_setting('transaction_read_only')"
                );
                assert_eq!(speaker.must(&settings).rows(), ["4MB|pgherd|off"]);
                speaker.must(&format!("/* pgherd: shard={shard} */ SELECT count(*) FROM rows"));
            }
        }
        for speaker in &mut all {
            speaker.must("COMMIT");
        }
        drop(all);
        self.until_quiet();
    }

    /// A write on this shard succeeds, within 10 s.
    pub fn works_on(&self, at: usize) {
        let until = Instant::now() + SOON;
        let mut speaker = self.patient_speaker();
        let text = format!("INSERT INTO rows VALUES ({}, 'works')", self.fresh()[at]);
        while speaker.query(&text).is_ok_and(|heard| heard.code().is_some()) {
            assert!(Instant::now() < until, "{} doesn't work again", SHARDS[at]);
            std::thread::sleep(POLL);
        }
    }

    /// A transaction that writes on all shards succeeds, within 10 s.
    pub fn works(&self) {
        let until = Instant::now() + SOON;
        loop {
            let mut speaker = self.patient_speaker();
            let written = write_all(&mut speaker, self.fresh(), "works");
            match written.map(|heard| heard.code()) {
                Ok(None) => return,
                other => assert!(Instant::now() < until, "it doesn't work again: {other:?}"),
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Inserts a row on each shard in one transaction; what its COMMIT was answered, or what failed
/// before.
pub fn write_all(speaker: &mut Speaker, keys: [i64; 3], tag: &str) -> std::io::Result<Heard> {
    speaker.query("BEGIN")?;
    for key in keys {
        let heard = speaker.query(&format!("INSERT INTO rows VALUES ({key}, '{tag}')"))?;
        if heard.code().is_some() {
            return Ok(heard);
        }
    }
    speaker.query("COMMIT")
}
