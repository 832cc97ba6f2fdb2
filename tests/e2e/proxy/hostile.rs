//! Clients that break the protocol: they are told and sent away, and the next is served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use pgherd::wire::startup::write_startup;
use pgherd::wire::{frame, frontend};
use rand::{Rng, RngCore};

use super::common::{connect, proxy, psql};

fn open() -> TcpStream {
    open_to(proxy().port())
}

fn open_to(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream
}

/// Sends bytes and reads until the proxy closes.
fn send(bytes: &[u8]) -> Vec<u8> {
    let mut stream = open();
    // It may close before all is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn startup(user: &str, database: &str) -> BytesMut {
    let mut packet = BytesMut::new();
    write_startup(&mut packet, [("user", user), ("database", database)]);
    packet
}

/// A connection that has logged in, by a client of our own.
fn logged_in() -> TcpStream {
    logged_in_to(proxy().port())
}

/// As `logged_in`, to the proxy on this port.
pub fn logged_in_to(port: u16) -> TcpStream {
    use pgherd::wire::auth::client::{Exchange, Login};
    use pgherd::wire::backend::{Authentication, tag};
    let mut stream = open_to(port);
    stream.write_all(&startup("pgherd", "app")).expect("sent");
    let login = Login::new("pgherd", Some("pgherd"));
    let mut exchange = Exchange::new(&login);
    let mut input = BytesMut::new();
    loop {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).expect("it answers");
        assert!(n > 0, "closed while logging in");
        input.extend_from_slice(&chunk[..n]);
        while let Some((kind, body)) = frame::take(&mut input, 1 << 20, "a test").expect("frames") {
            let mut out = BytesMut::new();
            match kind {
                tag::AUTHENTICATION => {
                    let question = Authentication::read(&body).expect("a question");
                    exchange.step(question, &mut out).expect("a proof");
                }
                tag::READY_FOR_QUERY => return stream,
                tag::ERROR_RESPONSE => panic!("{}", String::from_utf8_lossy(&body)),
                _ => {}
            }
            stream.write_all(&out).expect("sent");
        }
    }
}

/// Sends bytes after logging in, and reads until the proxy closes.
fn send_logged_in(bytes: &[u8]) -> String {
    let mut stream = logged_in();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn frame_of(tag: u8, claimed: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&claimed.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_frames_leave_the_next_client_served() {
    let served = async || {
        let client = connect(&proxy().dsn("app")).await;
        assert_eq!(client.query_one("SELECT 1", &[]).await.expect("served").get::<_, i32>(0), 1);
    };
    // Before logging in.
    for bytes in [
        &b""[..],
        b"\0",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 100],
        &[0, 0, 0, 8],
        &[0, 0, 0, 4, 0, 3, 0, 0],
        &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
        &startup("pgherd", "app")[..20],
        &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f, b'x'],
    ] {
        send(bytes);
    }
    served().await;
    let unknown = String::from_utf8_lossy(&send(&startup("nobody", "app"))).into_owned();
    assert!(!unknown.contains("nobody"), "an unknown user is asked like any other: {unknown}");

    // After it.
    let mut random = rand::rng();
    for (bytes, told) in [
        (frame_of(b'Q', 3, b""), "08P01"),
        (frame_of(b'Q', -1, b""), "08P01"),
        (frame_of(b'Q', i32::MAX, b"SELECT 1\0"), ""),
        (frame_of(b'Q', 4, b""), "08P01"),
        (frame_of(b'Q', 12, b"SELECT 1"), "08P01"),
        (frame_of(b'P', 4, b""), "08P01"),
        (frame_of(b'P', 10, b"\0\0\xff\xff\0\0"), "08P01"),
        (frame_of(b'B', 4, b""), "08P01"),
        (frame_of(b'B', 12, b"\0\0\0\x01\0\x02\0\0"), "22023"),
        (frame_of(b'D', 5, b"X"), "08P01"),
        (frame_of(b'E', 4, b""), "08P01"),
        (frame_of(b'C', 6, b"S\0\0"), "08P01"),
        (frame_of(b'?', 4, b""), "08P01"),
        (frame_of(b'F', 4, b""), "08P01"),
        (frame_of(b'F', 14, b"\0\0\x03\xbc\0\0\xff\xff\0\0"), "08P01"),
        (frame_of(b'E', 9, b"\0\0\0\0\0"), "34000"),
        (frame_of(b'p', 5, b"\0"), "08P01"),
    ] {
        let mut bytes = bytes;
        frontend_sync(&mut bytes);
        let answer = send_logged_in(&bytes);
        assert!(answer.contains(told), "{:?}: {answer}", String::from_utf8_lossy(&bytes));
    }
    served().await;
    for _ in 0..30 {
        let mut noise = vec![0; random.random_range(1..300)];
        random.fill_bytes(&mut noise);
        send_logged_in(&noise);
    }
    served().await;
}

fn frontend_sync(bytes: &mut Vec<u8>) {
    let mut sync = BytesMut::new();
    frontend::sync(&mut sync);
    bytes.extend_from_slice(&sync);
}

#[test]
fn a_protocol_error_in_a_message_skips_to_sync() {
    let mut bytes = BytesMut::new();
    bytes.extend_from_slice(&frame_of(b'D', 6, b"X\0"));
    frontend::parse(&mut bytes, b"", b"SELECT 'skipped'", &[]).expect("short");
    frontend::sync(&mut bytes);
    frontend::write_query(&mut bytes, b"SELECT 'served'");
    let mut stream = logged_in();
    stream.write_all(&bytes).expect("sent");
    let mut answer = String::new();
    while !answer.ends_with("SELECT 1\0Z\0\0\0\x05I") {
        let mut chunk = [0; 1000];
        let n = stream.read(&mut chunk).expect("it answers");
        assert!(n > 0, "closed: {answer}");
        answer += &String::from_utf8_lossy(&chunk[..n]);
    }
    assert!(answer.contains("08P01") && answer.contains("served"), "{answer}");
    assert!(!answer.contains("skipped"), "{answer}");
}

#[test]
fn a_message_that_is_too_long_is_not_read() {
    let (_, errors) = psql(&proxy().dsn("app"), "SELECT 1");
    assert_eq!(errors, "");
    let herd = super::common::herd();
    let small = herd.proxy_with(|settings| settings + "\n[limits]\nmessage_size = \"64KB\"\n");
    let long = format!("SELECT length('{}')", "x".repeat(5_000_000));
    let (_, errors) = psql(&small.dsn("app"), &long);
    assert!(errors.contains("message_size"), "{errors}");
    let (out, _) =
        psql(&small.dsn("app"), "SELECT length(repeat('x', 200000)), repeat('y', 100000)");
    assert_eq!(out.len(), "200000|\n".len() + 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept() {
    let herd = super::common::herd();
    let small = herd.proxy_with(|settings| {
        settings
            + "\n[limits]\nclients = 3\nstartup_timeout = \"1s\"\nprepared_statements = \"64KB\"\n"
    });
    let dsn = small.dsn("app");
    let clients = [connect(&dsn).await, connect(&dsn).await, connect(&dsn).await];
    let error = tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.err().expect("too many");
    assert_eq!(super::common::code(&error), "53300");
    // A cancel request comes in all the same.
    let token = clients[0].cancel_token();
    let sleeping = clients[0].query_one("SELECT pg_sleep(30)", &[]);
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(tokio_postgres::NoTls).await.expect("asked");
    };
    let (slept, ()) = futures_util::future::join(sleeping, cancel).await;
    assert_eq!(super::common::code(&slept.expect_err("cancelled")), "57014");
    // A client may not keep what it likes prepared.
    let mut kept = Vec::new();
    let refused = loop {
        assert!(kept.len() < 1000, "no bound");
        match clients[1].prepare(&format!("SELECT {}, '{}'", kept.len(), "x".repeat(500))).await {
            Ok(statement) => kept.push(statement),
            Err(error) => break error,
        }
    };
    assert_eq!(super::common::code(&refused), "54000");
    drop(clients);
    // Whoever says nothing is sent away.
    let until = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let mut silent = TcpStream::connect(("127.0.0.1", small.port())).expect("it listens");
        silent.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        let mut answer = Vec::new();
        silent.read_to_end(&mut answer).expect("closed within the time");
        if String::from_utf8_lossy(&answer).contains("startup_timeout") {
            break;
        }
        // The others' places may not be free yet.
        assert!(std::time::Instant::now() < until, "{}", String::from_utf8_lossy(&answer));
    }
}
