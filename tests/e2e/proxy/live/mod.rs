//! A live proxy under mutated sessions: what real clients said, with bytes changed, frames
//! dropped, doubled and swapped, cut and closed anywhere. Meanwhile honest clients check each
//! answer, and between the rounds nothing may be left behind.
//!
//! `PGHERD_LIVE_SECONDS` (6) says for how long, `PGHERD_LIVE_SEED` (1) chooses what is
//! said.

mod capture;
mod mutate;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use pgherd::wire::auth::client::Login;
use pgherd::wire::backend::{self, tag};
use pgherd::wire::frontend::{self, Format};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use self::mutate::{Ending, Mutant};
use super::common::{RULES, connect};
use super::peer::{Peer, herd_login, memory, said};
use crate::support::{Proxy, TestHerd, Want};

/// Mutants at once.
const AT_ONCE: usize = 16;
/// Mutants between two looks at what is left.
const ROUND: usize = 300;
/// How long a mutant is listened to.
const LISTEN: Duration = Duration::from_millis(300);
/// How soon all is quiet after a round, and an honest client is served.
const SOON: Duration = Duration::from_secs(30);
/// By how much the proxy may grow after its first rounds.
const ROOM: usize = 48 << 20;
/// Few connections, so that all pass from hand to hand.
const SETTINGS: &str = "\n[pool]\nsize = 6\n\n[limits]\nstartup_timeout = \"20s\"\n";

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A herd, its proxy, and what clients of it say.
struct Field {
    herd: TestHerd,
    proxy: Proxy,
    sessions: Vec<capture::Session>,
    login: Login,
    /// What a clean session's settings are.
    settings: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn mutated_sessions_harm_nobody() {
    let seconds = setting("PGHERD_LIVE_SECONDS").unwrap_or(6);
    let seed = setting("PGHERD_LIVE_SEED").unwrap_or(1);
    println!("PGHERD_LIVE_SEED={seed}, {seconds} s");
    let half = Duration::from_secs(seconds) / 2;
    for want in [Want::sharded(2, 0, RULES), Want::unsharded(0)] {
        let field = Field::new(&want).await;
        field.run(seed, half).await;
    }
}

impl Field {
    async fn new(want: &Want) -> Field {
        let herd = TestHerd::start(want);
        let proxy = herd.proxy_with(|own| own + SETTINGS);
        let client = connect(&proxy.dsn("app")).await;
        for table in ["driver_rows", "driver_copy"] {
            let text = format!("CREATE TABLE {table} (id bigint PRIMARY KEY, t text)");
            client.batch_execute(&text).await.expect("made");
        }
        let mut field = Field {
            herd,
            proxy,
            sessions: Vec::new(),
            login: herd_login(),
            settings: String::new(),
        };
        field.settings = field.settings_now().await.expect("served");
        field.sessions = capture::all(field.proxy.port()).await;
        field
    }

    async fn run(&self, seed: u64, time: Duration) {
        let mut random = StdRng::seed_from_u64(seed);
        let (until, mut rounds, mut most) = (Instant::now() + time, 0u64, 0);
        let honest = Honest::start(self.proxy.port(), &self.login);
        let (mut mutants, mut bytes) = (0usize, 0usize);
        while Instant::now() < until || rounds == 0 {
            let mut running = JoinSet::new();
            for _ in 0..ROUND {
                let mutant = mutate::mutant(&self.sessions, &mut random);
                bytes += mutant.bytes.len();
                let (port, login) = (self.proxy.port(), self.login.clone());
                running.spawn(async move { live(port, &login, mutant).await });
                mutants += 1;
                while running.len() >= AT_ONCE {
                    running.join_next().await.expect("some run").expect("no panic");
                }
            }
            while let Some(ended) = running.join_next().await {
                ended.expect("no panic");
            }
            let now = self.look(rounds).await;
            match rounds {
                0..3 => most = now.max(most),
                _ => assert!(now < most + ROOM, "{} kB more", (now - most) / 1024),
            }
            rounds += 1;
        }
        let asked = honest.end().await;
        println!(
            "{} shards: {mutants} mutants of {} sessions, {bytes} bytes, {asked} honest answers, \
             {} kB in use",
            self.herd.shape().shards,
            self.sessions.len(),
            memory(&self.proxy) / 1024
        );
    }

    /// What is left of a round; the memory in use.
    async fn look(&self, round: u64) -> usize {
        let log = self.proxy.log();
        assert!(!log.contains("panicked"), "round {round}:\n{log}");
        for shard in self.herd.shape().shard_names() {
            let server = connect(&self.herd.primary(&shard).expect("a primary").dsn()).await;
            let left = "SELECT coalesce(string_agg(concat_ws(' ', pid, state, query), '; '), '') \
                FROM pg_stat_activity WHERE backend_type = 'client backend' \
                AND pid <> pg_backend_pid() AND state <> 'idle' \
                AND application_name <> 'honest'";
            until_empty(&server, left).await;
            let locks = "SELECT coalesce(string_agg(concat_ws(' ', pid, mode), '; '), '') \
                FROM pg_locks WHERE locktype = 'advisory'";
            until_empty(&server, locks).await;
        }
        // Each connection of the pool is clean.
        for _ in 0..12 {
            let now = timeout(SOON, self.settings_now()).await.expect("soon").expect("served");
            assert_eq!(now, self.settings, "round {round}");
        }
        memory(&self.proxy)
    }

    /// What differs in a new session from the server's own settings.
    async fn settings_now(&self) -> io::Result<String> {
        let text = "SELECT string_agg(concat_ws('=', name, setting), ' ' ORDER BY name) \
            FROM pg_settings WHERE source = 'session' OR name IN \
            ('search_path', 'work_mem', 'role', 'TimeZone', 'transaction_read_only')";
        let mut peer = Peer::login_as(self.proxy.port(), &self.login, "clean").await?;
        let frames = peer.query(text).await?;
        let row = frames.iter().find(|(kind, _)| *kind == tag::DATA_ROW);
        Ok(row.map(|(_, body)| String::from_utf8_lossy(body).into_owned()).unwrap_or_default())
    }
}

async fn until_empty(server: &tokio_postgres::Client, text: &str) {
    let until = Instant::now() + SOON;
    loop {
        let left: String = server.query_one(text, &[]).await.expect("asked").get(0);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "left behind: {left}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// One mutant's life. Nothing that it hears is wrong, and no end either.
async fn live(port: u16, login: &Login, mutant: Mutant) {
    let opened = match mutant.logged_in {
        true => Peer::login(port, login).await,
        false => Peer::connect(port).await,
    };
    // A pool of few connections, a proxy that is busy: it may be refused.
    let Ok(peer) = opened else { return };
    let ending = mutant.ending;
    if ending == Ending::Abrupt {
        let _ = socket2::SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO));
    }
    let (mut read, mut write) = peer.stream.into_split();
    let writer = tokio::spawn(async move {
        for (piece, pause) in mutant.pieces() {
            if write.write_all(piece).await.is_err() {
                break;
            }
            sleep(pause).await;
        }
        if ending == Ending::HalfClosed {
            let _ = write.shutdown().await;
        }
        write
    });
    let mut chunk = vec![0; 16 * 1024];
    let listen = async {
        if ending == Ending::Deaf {
            return sleep(LISTEN).await;
        }
        while let Ok(1..) = read.read(&mut chunk).await {}
    };
    let _ = timeout(LISTEN, listen).await;
    writer.abort();
    let _ = writer.await;
}

/// Clients that do nothing wrong, and whose every answer is checked.
struct Honest {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Honest {
    fn start(port: u16, login: &Login) -> Honest {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = (0..3u64).map(|number| {
            let (stop, asked, login) = (Arc::clone(&stop), Arc::clone(&asked), login.clone());
            tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(number);
                let mut peer = Peer::login_as(port, &login, "honest").await.expect("let in");
                while !stop.load(Ordering::Relaxed) {
                    ask(&mut peer, random.random()).await.expect("an answer");
                    asked.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(2)).await;
                }
            })
        });
        let tasks = tasks.collect();
        Honest { stop, asked, tasks }
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("each answer was right");
        }
        self.asked.load(Ordering::Relaxed)
    }
}

/// A question whose answer is known.
async fn ask(peer: &mut Peer, token: u32) -> io::Result<()> {
    let (mut out, text) = (BytesMut::new(), format!("token {token}"));
    let simple = token.is_multiple_of(2);
    if simple {
        frontend::write_query(&mut out, format!("SELECT '{text}'").as_bytes());
    } else {
        let name = format!("s{}", token % 16);
        frontend::close(&mut out, frontend::Target::Prepared(name.as_bytes()));
        frontend::parse(&mut out, name.as_bytes(), b"SELECT $1::text", &[]).expect("short");
        let values = [Some(text.as_bytes())];
        frontend::bind(&mut out, b"", name.as_bytes(), Format::Text, &values, Format::Text)
            .expect("short");
        frontend::execute(&mut out, b"", 0);
        frontend::sync(&mut out);
    }
    peer.send(&out).await?;
    let frames = peer.until_ready().await?;
    let kinds: Vec<u8> = frames.iter().map(|(kind, _)| *kind).collect();
    let what = || frames.iter().map(|(_, body)| said(body)).collect::<Vec<_>>();
    assert_eq!(kinds, if simple { &b"TDCZ"[..] } else { &b"312DCZ"[..] }, "{:?}", what());
    let row = frames.iter().find(|(kind, _)| *kind == tag::DATA_ROW).expect("a row");
    let row = backend::read_data_row(&row.1).expect("a row");
    assert_eq!(row.get(0), Some(Some(text.as_bytes())));
    Ok(())
}
