//! What real clients say after they have logged in.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::{Buf, BytesMut};
use pgherd::wire::frame::Header;
use pgherd::wire::frontend::{self, Format, Target, tag};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::common::{connect, psql};

/// A client's frames, whole, in order.
pub type Session = Vec<Vec<u8>>;

/// What psql, tokio-postgres and psycopg said to the proxy on this port, and what no driver does.
pub async fn all(port: u16) -> Vec<Session> {
    let recorder = Recorder::start(port).await;
    let dsn = format!("postgres://pgherd:pgherd@127.0.0.1:{}/app?sslmode=disable", recorder.port);
    let by_psql = dsn.clone();
    tokio::task::spawn_blocking(move || psql(&by_psql, SCRIPT)).await.expect("psql ends");
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python");
    if python.exists() {
        let mut command = Command::new(python);
        command.arg("-c").arg(PSYCOPG).arg(&dsn).stdout(Stdio::null()).stderr(Stdio::null());
        tokio::task::spawn_blocking(move || command.status().expect("python runs"))
            .await
            .expect("python ends");
    }
    drive(&dsn).await;
    let mut sessions = recorder.sessions.lock().expect("no panic").clone();
    sessions.retain(|session| !session.is_empty());
    assert!(sessions.len() >= 2, "{} sessions", sessions.len());
    sessions.extend(by_hand());
    sessions
}

const SCRIPT: &str = "
SELECT 1 AS one, 'two' AS two;
SELECT * FROM driver_rows WHERE id = 7;
INSERT INTO driver_rows VALUES (7, 'seven') ON CONFLICT (id) DO UPDATE SET t = 'again';
BEGIN;
UPDATE driver_rows SET t = 'x' WHERE id = 7;
SAVEPOINT a;
SELECT 1 / (id - id) FROM driver_rows WHERE id = 7;
ROLLBACK TO a;
SET LOCAL work_mem = '5MB';
COMMIT;
SET search_path = public, pg_catalog;
SET TimeZone = 'Asia/Tokyo';
SHOW TimeZone;
RESET ALL;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY; SELECT t FROM driver_rows WHERE id = 8; ROLLBACK;
COPY (SELECT id, t FROM driver_rows WHERE id = 7) TO STDOUT;
/* pgherd: shard=s1 */ COPY driver_copy FROM STDIN;
1\tone
2\ttwo
\\.
/* pgherd: key=users:7 */ SELECT count(*) FROM driver_rows;
EXPLAIN SELECT * FROM driver_rows WHERE id = 7;
SELECT repeat('x', 20000), generate_series(1, 5);
PREPARE p AS SELECT $1::int; EXECUTE p(1);
SELECT set_config('work_mem', '6MB', false);
SELECT nothing FROM nowhere;
SELECT pg_sleep(0.02);
DISCARD ALL;
\\d driver_rows
";

const PSYCOPG: &str = r#"
import sys, psycopg
for prepare in (None, 0):
    with psycopg.connect(sys.argv[1], autocommit=True) as c:
        c.prepare_threshold = prepare
        for i in range(3):
            c.execute("SELECT t FROM driver_rows WHERE id = %s", (i,)).fetchall()
        with c.pipeline():
            for i in range(5):
                c.execute("INSERT INTO driver_rows VALUES (%s, %s) ON CONFLICT DO NOTHING", (3, str(i)))
        try:
            with c.transaction():
                c.execute("UPDATE driver_rows SET t = %s WHERE id = %s", ("p", 3))
                with c.cursor(name="cur") as cur:
                    cur.execute("SELECT generate_series(1, 100)")
                    cur.fetchmany(10)
                c.execute("SELECT 1/0")
        except psycopg.Error:
            pass
        try:
            with c.cursor().copy("COPY driver_copy (id, t) FROM STDIN /* pgherd: shard=s1 */") as copy:
                for i in range(20):
                    copy.write_row((i + 1000, "x" * i))
        except psycopg.Error:
            pass
        with c.cursor().copy("COPY (SELECT generate_series(1, 50)) TO STDOUT") as copy:
            for row in copy.rows():
                pass
"#;

/// What tokio-postgres does with it; an error is as good.
async fn drive(dsn: &str) {
    let mut client = connect(&dsn.replace("?sslmode=disable", "")).await;
    for id in [1i64, 2, 1] {
        let _ = client.query("SELECT t FROM driver_rows WHERE id = $1", &[&id]).await;
        let text = "INSERT INTO driver_rows VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let _ = client.execute(text, &[&id, &"t"]).await;
    }
    if let Ok(transaction) = client.transaction().await {
        let _ = transaction.execute("DELETE FROM driver_rows WHERE id = $1", &[&2i64]).await;
        if let Ok(portal) = transaction.bind("SELECT generate_series(1, 100)", &[]).await {
            let _ = transaction.query_portal(&portal, 10).await;
        }
        let _ = transaction.rollback().await;
    }
    let _ = client.batch_execute("SET work_mem = '7MB'; SELECT 1; RESET work_mem").await;
}

/// What is allowed, and what no driver does.
fn by_hand() -> Vec<Session> {
    let frame = |write: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::new();
        write(&mut out);
        out.to_vec()
    };
    let parse = |name: &[u8], text: &[u8], types: &[u32]| {
        frame(&|out| frontend::parse(out, name, text, types).expect("short"))
    };
    let bind = |portal: &[u8], name: &[u8], values: &[Option<&[u8]>]| {
        frame(&|out| {
            frontend::bind(out, portal, name, Format::Text, values, Format::Text).expect("short");
        })
    };
    let execute = |portal: &[u8], rows: i32| frame(&|out| frontend::execute(out, portal, rows));
    let sync = || frame(&|out| frontend::sync(out));
    let flush = || frame(&|out| frontend::flush(out));
    let query = |text: &[u8]| frame(&|out| frontend::write_query(out, text));
    let describe = |target| frame(&|out| frontend::describe(out, target));
    vec![
        // A transaction without a shard, its settings and savepoints, and its first statement.
        vec![
            parse(b"", b"BEGIN", &[]),
            bind(b"", b"", &[]),
            execute(b"", 0),
            parse(b"", b"SET LOCAL work_mem = '3MB'", &[]),
            bind(b"", b"", &[]),
            execute(b"", 0),
            query(b"SAVEPOINT a"),
            parse(b"i", b"INSERT INTO driver_rows VALUES ($1, 'x')", &[20]),
            describe(Target::Prepared(b"i")),
            bind(b"p", b"i", &[Some(b"77")]),
            describe(Target::Portal(b"p")),
            execute(b"p", 0),
            flush(),
            parse(b"", b"ROLLBACK", &[]),
            bind(b"", b"", &[]),
            execute(b"", 0),
            sync(),
        ],
        // Rows by rows, in and out of Syncs.
        vec![
            query(b"BEGIN"),
            parse(b"s", b"SELECT generate_series(1, $1::int)", &[]),
            bind(b"c", b"s", &[Some(b"30")]),
            execute(b"c", 10),
            flush(),
            execute(b"c", 10),
            sync(),
            execute(b"c", 0),
            frame(&|out| frontend::close(out, Target::Portal(b"c"))),
            sync(),
            frame(&|out| frontend::close(out, Target::Prepared(b"s"))),
            query(b"COMMIT"),
        ],
        // COPY by the extended protocol, with the Sync that libpq sends before its data.
        vec![
            parse(b"", b"COPY driver_copy FROM STDIN /* pgherd: shard=s1 */", &[]),
            bind(b"", b"", &[]),
            execute(b"", 0),
            sync(),
            frame(&|out| frontend::copy_data(out, b"500000\tx\n")),
            frame(&|out| frontend::copy_fail(out, b"no")),
            sync(),
        ],
        // A function call, a lock, a listener, a temporary table.
        vec![
            frame(&|out| {
                let body = [&[0, 0, 6, 0x8e][..], &[0, 0, 0, 0, 0, 0]].concat();
                pgherd::wire::write::frame(out, tag::FUNCTION_CALL, |b| b.extend_from_slice(&body));
            }),
            query(b"SELECT pg_advisory_lock(5)"),
            query(b"LISTEN news"),
            query(b"NOTIFY news, 'x'"),
            query(b"CREATE TEMP TABLE mine (a int)"),
            query(b"DECLARE held CURSOR WITH HOLD FOR SELECT 1"),
            query(b"SELECT pg_advisory_unlock_all()"),
            query(b"UNLISTEN *; DROP TABLE mine"),
        ],
        // An error in a pipeline, and what follows it.
        vec![
            parse(b"", b"SELECT 1", &[]),
            bind(b"", b"", &[]),
            execute(b"", 0),
            parse(b"", b"SELECT 1 / 0", &[]),
            bind(b"", b"", &[]),
            execute(b"", 0),
            parse(b"skipped", b"SELECT 2", &[]),
            sync(),
            bind(b"", b"skipped", &[]),
            sync(),
            query(b"SELECT 'after'"),
            frame(&|out| frontend::terminate(out)),
        ],
    ]
}

/// Passes everything on and keeps what clients say.
struct Recorder {
    port: u16,
    sessions: Arc<Mutex<Vec<Session>>>,
}

impl Recorder {
    async fn start(proxy: u16) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&sessions);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", proxy)).await.expect("it listens");
                let kept = Arc::clone(&kept);
                let number = {
                    let mut kept = kept.lock().expect("no panic");
                    kept.push(Session::new());
                    kept.len() - 1
                };
                tokio::spawn(record(client, server, kept, number));
            }
        });
        Recorder { port, sessions }
    }
}

async fn record(
    mut client: TcpStream,
    mut server: TcpStream,
    kept: Arc<Mutex<Vec<Session>>>,
    number: usize,
) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        let (mut input, mut begun) = (BytesMut::new(), false);
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = from_client.read(&mut chunk).await {
            to_server.write_all(&chunk[..n]).await?;
            input.extend_from_slice(&chunk[..n]);
            // The startup packet has no type; the proofs that follow it are of one login.
            if !begun && input.len() >= 4 {
                let len = u32::from_be_bytes([input[0], input[1], input[2], input[3]]) as usize;
                if input.len() < len {
                    continue;
                }
                input.advance(len);
                begun = len > 8;
            }
            while let Ok(Some(header)) = Header::peek(&input)
                && input.len() >= header.len
            {
                let frame = input.split_to(header.len).to_vec();
                if header.tag != tag::PASSWORD {
                    kept.lock().expect("no panic")[number].push(frame);
                }
            }
        }
        to_server.shutdown().await
    };
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    let _ = futures_util::future::join(up, down).await;
}
