//! Clients that vanish, at any moment and in both ways that a socket can: what they ran is
//! cancelled, what they began is rolled back, and the next client finds nothing of them.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use pgherd::wire::frontend::{self, Format};

use super::common::{herd, psql};
use super::hostile::logged_in_to;
use super::traces::{left, left_at, query, until_nothing_is_left, until_nothing_is_left_at};
use crate::support::{Proxy, TestHerd, Want};

const SOON: Duration = Duration::from_secs(30);
const HERE: &str = "/* pgherd: shard=s1 */";

/// Where clients vanish: a proxy with one connection to a shard, so that the next client gets
/// what the last one had.
struct Scene {
    name: &'static str,
    herd: &'static TestHerd,
    proxy: Proxy,
}

impl Scene {
    /// By transaction.
    fn of_shards() -> Scene {
        Scene::new("by_transaction", herd(), "transaction")
    }

    /// By transaction, and by session: over several shards, and with a session of one's own.
    fn all() -> Vec<Scene> {
        let alone = TestHerd::shared(&Want::unsharded(0));
        vec![
            Scene::of_shards(),
            Scene::new("by_session", herd(), "session"),
            Scene::new("alone", alone, "session"),
        ]
    }

    fn new(name: &'static str, herd: &'static TestHerd, mode: &str) -> Scene {
        static MADE: Mutex<Vec<&str>> = Mutex::new(Vec::new());
        let kind = if herd.shape().shards == 1 { "alone" } else { "shards" };
        {
            let mut made = MADE.lock().unwrap_or_else(|broken| broken.into_inner());
            if !made.contains(&kind) {
                let make = "CREATE TABLE vanish_rows (id bigint PRIMARY KEY, word text)";
                let maker = herd.proxy_with(|settings| settings);
                assert_eq!(psql(&maker.dsn("app"), make).1, "");
                made.push(kind);
            }
        }
        let user = "name = \"pgherd\"\n";
        let proxy = herd.proxy_with(|settings| {
            assert!(settings.contains(user), "{settings}");
            let of_mode = format!("{user}pool_mode = \"{mode}\"\n");
            settings.replacen(user, &of_mode, 1) + "\n[pool]\nsize = 1\n"
        });
        Scene { name, herd, proxy }
    }

    fn until_seen(&self, word: &str) {
        let end = Instant::now() + SOON;
        while left_at(self.herd, word) == 0 {
            assert!(Instant::now() < end, "never seen: {word}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Nothing of it runs, is open or has been done, and who comes next has a clean connection.
    fn has_nothing_of(&self, word: &str) {
        until_nothing_is_left_at(self.herd, word);
        let next = format!(
            "{HERE} SELECT count(*), current_setting('work_mem'), \
             pg_current_xact_id_if_assigned() FROM vanish_rows WHERE word = '{word}'"
        );
        let (out, errors) = psql(&self.proxy.dsn("app"), &next);
        assert_eq!((&*out, &*errors), ("0|4MB|\n", ""), "{word}");
    }

    fn client(&self) -> TcpStream {
        logged_in_to(self.proxy.port())
    }

    /// Lets a client do something and vanish when it is seen at the server, in both ways.
    fn lets_vanish(&self, what: &str, act: impl Fn(&mut TcpStream, &str)) {
        for end in ENDS {
            let word = format!("{what}_{}_{end:?}", self.name).to_lowercase();
            let mut client = self.client();
            act(&mut client, &word);
            self.until_seen(&word);
            vanish(client, end);
            self.has_nothing_of(&word);
        }
    }
}

/// In all scenes.
fn vanishes(what: &str, act: impl Fn(&mut TcpStream, &str)) {
    Scene::all().iter().for_each(|scene| scene.lets_vanish(what, &act));
}

/// Ways to end a connection: as the kernel does for a process that is killed, with what was sent
/// to it read, or not.
#[derive(Debug, Clone, Copy)]
enum End {
    Finished,
    Reset,
}

const ENDS: [End; 2] = [End::Finished, End::Reset];

fn vanish(client: TcpStream, end: End) {
    if let End::Reset = end {
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("set");
    }
    drop(client);
}

#[test]
fn in_the_middle_of_a_statement() {
    vanishes("mid_query", |client, word| {
        let text = format!(
            "{HERE} INSERT INTO vanish_rows SELECT 1, '{word}' FROM pg_sleep(600) RETURNING word"
        );
        query(client, &text);
    });
    // It has said much more, which nobody reads while the first statement runs.
    vanishes("mid_query_ahead", |client, word| {
        query(client, &format!("{HERE} SELECT pg_sleep(600), '{word}'"));
        say_ahead(client, word, AHEAD);
    });
    // So much that the end of the connection isn't even sent, unless it is reset.
    for scene in Scene::all() {
        let word = format!("mid_query_flood_{}", scene.name);
        let mut client = scene.client();
        query(&mut client, &format!("{HERE} SELECT pg_sleep(600), '{word}'"));
        say_ahead(&mut client, &word, 3_000_000);
        scene.until_seen(&word);
        vanish(client, End::Reset);
        scene.has_nothing_of(&word);
    }
}

/// More than is read ahead, and less than the kernel takes beside that.
const AHEAD: usize = 90_000;

/// A statement that would leave something behind. Who has a server's session for itself has sent
/// it to the server already, which may run it, as it would without pgherd in between.
fn said_ahead(number: usize, word: &str) -> String {
    if word.contains("_alone") {
        return format!("SELECT {number}, '{word}'");
    }
    format!("{HERE} INSERT INTO vanish_rows VALUES ({number}, '{word}')")
}

/// Such statements of so many bytes.
fn say_ahead(client: &mut TcpStream, word: &str, bytes: usize) {
    let mut out = BytesMut::new();
    for i in 0.. {
        frontend::write_query(&mut out, said_ahead(i, word).as_bytes());
        if out.len() > bytes {
            break;
        }
    }
    client.write_all(&out).expect("sent");
}

#[test]
fn in_the_middle_of_a_transaction() {
    vanishes("mid_transaction", |client, word| {
        query(client, "BEGIN");
        query(client, &format!("{HERE} SET LOCAL work_mem = '70MB'"));
        query(client, "SET work_mem = '71MB'");
        query(client, &format!("{HERE} INSERT INTO vanish_rows VALUES (2, '{word}')"));
    });
    // It has failed already.
    vanishes("mid_failure", |client, word| {
        query(client, "BEGIN");
        query(client, &format!("{HERE} INSERT INTO vanish_rows VALUES (3, '{word}')"));
        query(client, &format!("SELECT 1/0, '{word}'"));
    });
    // In the middle of a message.
    vanishes("mid_message", |client, word| {
        query(client, "BEGIN");
        query(client, &format!("{HERE} INSERT INTO vanish_rows VALUES (4, '{word}')"));
        client.write_all(b"Q\0\0\x10\0COMMIT").expect("sent");
    });
}

#[test]
fn in_the_middle_of_copy() {
    vanishes("mid_copy_in", |client, word| {
        query(client, &format!("{HERE} COPY vanish_rows FROM STDIN -- {word}"));
        let mut out = BytesMut::new();
        for i in 0..10_000 {
            frontend::copy_data(&mut out, format!("{i}\t{word}\n").as_bytes());
        }
        client.write_all(&out).expect("sent");
        // Half a message.
        client.write_all(b"d\0\0\x10\x005").expect("sent");
    });
    vanishes("mid_copy_out", |client, word| {
        let rows = format!("SELECT repeat('{word}', 1000) FROM generate_series(1, 100000)");
        query(client, &format!("{HERE} COPY ({rows}) TO STDOUT"));
    });
    vanishes("mid_rows", |client, word| {
        query(
            client,
            &format!("{HERE} SELECT repeat('{word}', 1000) FROM generate_series(1, 100000)"),
        );
    });
}

#[test]
fn in_the_middle_of_a_pipeline() {
    let step = |out: &mut BytesMut, text: &str| {
        frontend::parse(out, b"", text.as_bytes(), &[]).expect("short");
        frontend::bind(out, b"", b"", Format::Text, &[], Format::Text).expect("short");
        frontend::execute(out, b"", 0);
    };
    // Run and answered, with no Sync to come.
    vanishes("mid_pipeline", |client, word| {
        let mut out = BytesMut::new();
        step(&mut out, &format!("{HERE} INSERT INTO vanish_rows VALUES (5, '{word}')"));
        frontend::flush(&mut out);
        client.write_all(&out).expect("sent");
    });
    // One runs, and many wait behind it, more than are read ahead.
    vanishes("mid_pipeline_ahead", |client, word| {
        let mut out = BytesMut::new();
        step(&mut out, &format!("{HERE} SELECT pg_sleep(600), '{word}'"));
        frontend::sync(&mut out);
        for i in 0.. {
            step(&mut out, &said_ahead(i, word));
            frontend::sync(&mut out);
            if out.len() > AHEAD {
                break;
            }
        }
        client.write_all(&out).expect("sent");
    });
}

#[test]
fn while_it_waits_for_a_connection() {
    let scene = Scene::of_shards();
    for (i, ahead) in [0, AHEAD].into_iter().enumerate() {
        for end in ENDS {
            let word = format!("queued_{i}_{end:?}").to_lowercase();
            let mut other = scene.client();
            query(&mut other, "BEGIN");
            query(&mut other, &format!("{HERE} SELECT 'holds_{word}'"));
            scene.until_seen(&format!("holds_{word}"));
            let mut client = scene.client();
            say_ahead(&mut client, &word, ahead);
            // It stands in line.
            std::thread::sleep(Duration::from_millis(500));
            vanish(client, end);
            // Long enough for it to be noticed.
            std::thread::sleep(Duration::from_secs(3));
            query(&mut other, "COMMIT");
            scene.has_nothing_of(&word);
        }
    }
}

/// As a person's does, with psql.
#[test]
fn by_kill() {
    let scene = Scene::of_shards();
    for (word, script) in [
        ("killed_query", "INSERT INTO vanish_rows SELECT 6, 'killed_query' FROM pg_sleep(600)"),
        (
            "killed_idle",
            "BEGIN;\n/* pgherd: shard=s1 */ INSERT INTO vanish_rows VALUES (7, 'killed_idle');\n\\! sleep 600",
        ),
    ] {
        let mut child = Command::new("psql")
            .arg(scene.proxy.dsn("app"))
            .args(["-q", "-X"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql runs");
        let mut input = child.stdin.take().expect("piped");
        writeln!(input, "{HERE} {script};").expect("psql reads");
        scene.until_seen(word);
        child.kill().expect("it is our child");
        child.wait().expect("killed");
        scene.has_nothing_of(word);
    }
}

/// Its machine, or the network between: nobody says goodbye.
#[cfg(target_os = "linux")]
#[test]
fn without_a_sign() {
    let proxy = herd().proxy_with(|settings| {
        let proxy = "[proxy]\n";
        assert!(settings.contains(proxy), "{settings}");
        settings.replacen(proxy, &format!("{proxy}silence_timeout = \"4s\"\n"), 1)
    });
    let mut idle = logged_in_to(proxy.port());
    query(&mut idle, "BEGIN");
    query(&mut idle, &format!("{HERE} SELECT 'signless_idle'"));
    let mut busy = logged_in_to(proxy.port());
    query(&mut busy, &format!("{HERE} SELECT pg_sleep(600), 'signless_busy'"));
    let end = Instant::now() + SOON;
    while left("signless_") < 2 {
        assert!(Instant::now() < end, "never seen");
        std::thread::sleep(Duration::from_millis(20));
    }
    for client in [&idle, &busy] {
        // From now on its kernel hears nothing.
        let drop_all = [socket2::SockFilter::new(libc::BPF_RET as u16, 0, 0, 0)];
        socket2::SockRef::from(client).attach_filter(&drop_all).expect("attached");
    }
    until_nothing_is_left("signless_");
}
