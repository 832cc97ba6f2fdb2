//! Our server side of a login, with the drivers' own client sides; and the verifiers of a real
//! Postgres.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use bytes::BytesMut;
use pgherd::cluster::{Backend, Target};
use pgherd::config::settings::NodeAddress;
use pgherd::wire::auth::client::Login;
use pgherd::wire::auth::scram::Verifier;
use pgherd::wire::auth::server::{Exchange, Method, Secret, Step};
use pgherd::wire::backend::{self, Report, TransactionStatus};
use pgherd::wire::startup::{Opener, Opening};
use pgherd::wire::{ProtocolError, frame, frontend};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{TestHerd, Want};

const SOON: Duration = Duration::from_secs(10);

/// What the stored secrets are written as.
#[derive(Clone, Copy)]
struct Asks {
    method: Method,
    /// Of the user `known`.
    secret: &'static str,
}

/// A server that lets clients log in, answers one query's worth of nothing, and ends.
async fn server(asks: Asks) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let secret = Secret::read("known", asks.secret);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, asks.method, secret.clone()));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, method: Method, secret: Secret) {
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    match log_in(&mut stream, method, secret, &mut input, &mut output).await {
        Ok(()) => {
            backend::parameter_status(&mut output, b"server_version", b"15.0");
            backend::parameter_status(&mut output, b"client_encoding", b"UTF8");
            backend::backend_key(&mut output, 7, &[1, 2, 3, 4]);
            backend::ready(&mut output, TransactionStatus::Idle);
        }
        Err(e) => backend::report(&mut output, &Report::from(&e)),
    }
    stream.write_all(&output).await.expect("sent");
    while let Ok(1..) = stream.read_buf(&mut input).await {
        while let Ok(Some((tag, _))) = frame::take(&mut input, 1 << 20, "") {
            if tag != frontend::tag::QUERY {
                return;
            }
            output.clear();
            backend::empty(&mut output, backend::tag::EMPTY_QUERY_RESPONSE);
            backend::ready(&mut output, TransactionStatus::Idle);
            stream.write_all(&output).await.expect("sent");
        }
    }
}

async fn log_in(
    stream: &mut TcpStream,
    method: Method,
    secret: Secret,
    input: &mut BytesMut,
    output: &mut BytesMut,
) -> Result<(), ProtocolError> {
    let mut opener = Opener::default();
    let startup = loop {
        match opener.next(input)? {
            Some(Opening::Startup(startup)) => break startup,
            Some(_) => stream.write_all(b"N").await.expect("sent"),
            None => drop(stream.read_buf(input).await.expect("read")),
        }
    };
    startup.negotiate(output);
    let user = startup.user()?;
    let secret = (user == "known").then_some(secret);
    let (mut exchange, mut step) = Exchange::start(method, user, secret, b"mock", None, output);
    while step == Step::Wait {
        stream.write_all(output).await.expect("sent");
        output.clear();
        let body = loop {
            match frame::take(input, 10_000, "a password's bound")? {
                Some((frontend::tag::PASSWORD, body)) => break body,
                Some(_) => return Err(ProtocolError::fatal("not a password")),
                None => drop(stream.read_buf(input).await.expect("read")),
            }
        };
        step = exchange.step(&body, output)?;
    }
    Ok(())
}

/// The SQLSTATE that a login with tokio-postgres ends in, or nothing.
async fn tokio_postgres_says(address: SocketAddr, user: &str, password: &str) -> Option<String> {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(address.port()).user(user).password(password).dbname("d");
    match tokio::time::timeout(SOON, config.connect(tokio_postgres::NoTls)).await.expect("in time")
    {
        Ok(_) => None,
        Err(e) => Some(e.code().map_or_else(|| e.to_string(), |code| code.code().to_owned())),
    }
}

/// Whether psql gets in.
async fn psql_says(address: SocketAddr, user: &str, password: &str) -> bool {
    let dsn = format!("postgres://{user}@127.0.0.1:{}/d?sslmode=prefer", address.port());
    let mut psql = Command::new("psql");
    psql.args(["-X", "-c", ""]).arg(dsn).env("PGPASSWORD", password);
    let run = tokio::task::spawn_blocking(move || psql.output()).await.expect("ran");
    run.expect("psql is there").status.success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drivers_log_in_with_the_right_password_only() {
    let verifier = Verifier::derive("pässwörd".as_bytes()).to_string().leak();
    for (method, secret) in [
        (Method::ScramSha256, "pässwörd"),
        (Method::ScramSha256, &*verifier),
        (Method::Md5, "pässwörd"),
        (Method::Cleartext, "pässwörd"),
        (Method::Cleartext, &*verifier),
    ] {
        let address = server(Asks { method, secret }).await;
        assert_eq!(tokio_postgres_says(address, "known", "pässwörd").await, None, "{method:?}");
        assert!(psql_says(address, "known", "pässwörd").await, "{method:?}");
        for (user, password) in [("known", "wrong"), ("known", ""), ("unknown", "pässwörd")] {
            let code = tokio_postgres_says(address, user, password).await;
            // An empty password is nothing that tokio-postgres would prove.
            assert_eq!(code.as_deref(), Some("28P01"), "{method:?} {user}");
            assert!(!psql_says(address, user, password).await, "{method:?} {user}");
        }
    }
}

/// What Postgres keeps in `pg_authid` is read, and made, alike.
#[test]
fn a_verifier_from_postgres_fits_and_one_of_ours_lets_in() {
    let herd = TestHerd::shared(&Want::sharded(2, 1, ""));
    let node = herd.primary("s2").expect("a primary");
    let one = |question: &str| node.query(question, SOON).expect("asked")[0][0].clone();
    // Passwords that SASLprep changes, and one that it can't be applied to.
    for (i, password) in
        ["plain", "I\u{ad}X", "\u{2168}", "a\u{a0}b", "\u{7}bell"].into_iter().enumerate()
    {
        let made = format!(
            "CREATE ROLE login_{i} LOGIN PASSWORD '{password}'; SELECT rolpassword \
            FROM pg_authid WHERE rolname = 'login_{i}'"
        );
        let stored = one(&made).expect("a verifier");
        let verifier = Verifier::parse(&stored).expect("Postgres's form");
        assert_eq!(verifier.to_string(), stored);
        assert!(verifier.fits(password.as_bytes()), "{password:?}");
        assert!(!verifier.fits(b"other"));
        let ours = Verifier::derive_with(password.as_bytes(), &verifier.salt, verifier.iterations);
        assert_eq!(ours.to_string(), stored, "{password:?}");
    }
}

/// Passwords over all of Unicode: letters that normalise, compose and join, spaces, marks,
/// right-to-left runs, what is prohibited or not assigned.
fn odd_password(seed: u64) -> String {
    const FROM: &[std::ops::Range<u32>] = &[
        0x20..0x7f,
        0xa0..0x250,
        0x2b0..0x370,
        0x590..0x780,
        0x1100..0x1200,
        0x1e00..0x2100,
        0x2150..0x2190,
        0x3000..0x3400,
        0xfb00..0xff00,
        0xff00..0x10000,
        0x1d400..0x1d800,
        0xe0000..0xe0080,
        0x1..0x110000,
    ];
    // A linear congruential generator: the same passwords each time.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u32| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((state >> 33) % u64::from(below)).expect("below it")
    };
    let length = 1 + next(5);
    let ranges = FROM.len() as u32;
    // Half of the characters from one range, so that they meet their like.
    let favourite = next(ranges);
    let mut password = String::new();
    while password.chars().count() < length as usize {
        let chosen = if next(2) == 0 { favourite } else { next(ranges) };
        let range = &FROM[chosen as usize];
        let point = range.start + next(range.end - range.start);
        password.extend(char::from_u32(point).filter(|c| *c != '\''));
    }
    password
}

/// Whether the server lets our client side in.
async fn lets_in(port: u16, password: &str) -> bool {
    let target = Target {
        tls: pgherd::config::tls::ServerTls::disabled(),
        address: NodeAddress { host: "127.0.0.1".into(), port },
        database: "postgres".into(),
        login: Login::new("odd_login", Some(password)),
        parameters: [].into(),
        prepared_statements: 1,
        silence_timeout: SOON,
    };
    Backend::connect(&target, SOON).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_passwords_are_prepared_as_postgres_prepares_them() {
    let herd = TestHerd::shared(&Want::sharded(2, 1, ""));
    let node = herd.primary("s2").expect("a primary");
    node.query("CREATE ROLE odd_login LOGIN", SOON).expect("made");
    let mut differ = Vec::new();
    // Composed letters that normalise into one that is right-to-left and one that isn't.
    let known = ["\u{fb4b}", "\u{fb4b}x", "x\u{fb4b}", "\u{ad}", "\u{5d0}\u{fb4b}\u{5d0}"];
    for (seed, password) in
        known.map(String::from).into_iter().chain((0..75).map(odd_password)).enumerate()
    {
        let made = format!(
            "ALTER ROLE odd_login PASSWORD '{password}'; \
            SELECT rolpassword FROM pg_authid WHERE rolname = 'odd_login'"
        );
        let stored = node.query(&made, SOON).expect("asked")[0][0].clone().expect("a verifier");
        let read = Verifier::parse(&stored).expect("Postgres's form");
        let fits = read.fits(password.as_bytes());
        // Each tenth as a client, too: the server derives nothing of it, so that is cheap.
        let lets_in = (seed > 5 && seed % 10 != 0) || lets_in(node.member().port, &password).await;
        if !fits || !lets_in {
            differ.push(password.escape_unicode().to_string());
        }
    }
    assert!(differ.is_empty(), "{} of 80: {differ:#?}", differ.len());
}
