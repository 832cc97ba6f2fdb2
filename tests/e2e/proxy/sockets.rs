//! Unix sockets on either side, and load balancers that speak for others.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::common::{connect, psql};
use super::raw::Raw;
use crate::support::{PGHERD, Proxy, TestHerd, Want};
use crate::tls::authority::Authority;

fn herd() -> &'static TestHerd {
    TestHerd::shared(&Want::unsharded(0))
}

/// A proxy that listens on a socket file of port 6432 in this directory, too.
fn listening_in(dir: &Path, more: &str) -> Proxy {
    herd().proxy_with(|text| {
        let line = text.lines().find(|line| line.starts_with("listen = ")).expect("a listen line");
        let address = line.strip_prefix("listen = ").expect("it begins so");
        let both = format!("listen = [{address}, \"{}:6432\"]\n{more}", dir.display());
        text.replacen(line, &both, 1)
    })
}

fn dsn(dir: &Path, more: &str) -> String {
    let dir = dir.display();
    format!("host={dir} port=6432 user=pgherd password=pgherd dbname=app {more}")
}

#[test]
fn clients_come_in_by_a_socket_file_that_goes_with_the_proxy() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join(".s.PGSQL.6432");
    let mut proxy = listening_in(dir.path(), "socket_mode = \"0770\"\n");
    let ask = || psql(&dsn(dir.path(), ""), "SELECT 1, inet_client_addr() IS NULL");
    assert_eq!(ask(), ("1|f\n".to_owned(), String::new()), "{}", proxy.log());
    let mode = fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o770);
    assert!(proxy.log().contains(&format!(
        "ready on 127.0.0.1:{}, {}",
        proxy.port(),
        file.display()
    )));

    // Another can't have it, and doesn't take it away.
    let config = herd().dir().join("other.toml");
    let settings = fs::read_to_string(herd().config()).expect("settings");
    let line = settings.lines().find(|line| line.starts_with("listen = ")).expect("a line");
    let here = format!("listen = \"{}:6432\"", dir.path().display());
    fs::write(&config, settings.replacen(line, &here, 1)).expect("written");
    let other = Command::new(PGHERD).args(["proxy", "-c"]).arg(&config).output().expect("it runs");
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && said.contains("another process listens"), "{said}");
    assert_eq!(ask().0, "1|f\n");

    proxy.signal(libc::SIGTERM);
    assert!(proxy.wait(Duration::from_secs(60)).is_some_and(|status| status.success()));
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
}

#[test]
fn a_file_that_a_killed_proxy_left_is_taken_over() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(listening_in(dir.path(), ""));
    assert!(dir.path().join(".s.PGSQL.6432").exists(), "it was killed");
    assert!(UnixStream::connect(dir.path().join(".s.PGSQL.6432")).is_err());
    let _proxy = listening_in(dir.path(), "");
    assert_eq!(psql(&dsn(dir.path(), ""), "SELECT 1").0, "1\n");
}

#[test]
fn a_socket_file_needs_no_tls_and_speaks_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    let tls = ours.sign("server", &["127.0.0.1"]).proxy_settings("require");
    let _proxy = listening_in(dir.path(), &tls);
    for mode in ["", "sslmode=require"] {
        // libpq asks for no TLS here, whatever it is told.
        assert_eq!(psql(&dsn(dir.path(), mode), "SELECT 1").0, "1\n");
    }
    let mut socket = UnixStream::connect(dir.path().join(".s.PGSQL.6432")).expect("there");
    socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).expect("asked");
    let mut answer = [0];
    socket.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"N");
    let mut raw = Raw::over(socket);
    raw.log_in(&[]);
    assert_eq!(raw.query(b"SELECT 'plain'")[1], "D plain");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_reached_by_their_socket_files() {
    let herd = herd();
    let node = herd.nodes().remove(0);
    let port = node.member().port;
    let socket = format!("{}:{port}", node.socket_dir().display());
    let mut config = None;
    let proxy = herd.proxy_with(|text| {
        let text = text.replace(&format!("\"127.0.0.1:{port}\""), &format!("\"{socket}\""));
        assert!(text.contains(&socket), "{text}");
        // As with libpq, what is wanted of the network is not wanted here.
        let text = text.replacen("[database.app]", "[database.app]\nsslmode = \"require\"", 1);
        config = Some(text.clone());
        text
    });
    let client = connect(&proxy.dsn("app")).await;
    let row = client.query_one("SELECT inet_client_addr() IS NULL", &[]).await.expect("a row");
    assert!(row.get::<_, bool>(0), "{}", proxy.log());
    // A cancel request goes the same way.
    let token = client.cancel_token();
    let sleeping = client.batch_execute("SELECT pg_sleep(600)");
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        token.cancel_query(tokio_postgres::NoTls).await.expect("asked");
    };
    let (slept, ()) = futures_util::future::join(sleeping, cancel).await;
    assert_eq!(super::common::code(&slept.expect_err("cancelled")), "57014");
    // An idle connection that its server has closed is not used.
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await.expect("a row");
    let end = format!("SELECT pg_terminate_backend({})", pid.get::<_, i32>(0));
    node.query(&end, Duration::from_secs(30)).expect("ended");
    tokio::time::sleep(Duration::from_millis(500)).await;
    client.query_one("SELECT 1", &[]).await.expect("by another one");

    let file = herd.dir().join("by-socket.toml");
    fs::write(&file, config.expect("it was made")).expect("written");
    let check = Command::new(PGHERD).args(["check", "-c"]).arg(&file).output().expect("it runs");
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success() && !said.contains("unreachable"), "{said}");
}

/// What a proxy logs of whoever doesn't get in, from where.
fn logged(proxy: &Proxy, what: &str) {
    let until = Instant::now() + Duration::from_secs(30);
    while !proxy.log().contains(what) {
        assert!(Instant::now() < until, "no {what} in {}", proxy.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_load_balancer_says_for_whom_it_speaks() {
    let balanced = |networks: &str| {
        let line = format!("[proxy]\nproxy_protocol = [{networks}]\n");
        herd().proxy_with(|text| text.replacen("[proxy]\n", &line, 1))
    };
    let proxy = balanced("\"127.0.0.0/8\", \"::1\"");
    let v2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\x30\x39\x19\x20";
    let own: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let v1: &[u8] = b"PROXY TCP4 192.0.2.8 127.0.0.1 12345 6432\r\n";
    for (header, from) in [(v2, "192.0.2.7:12345"), (v1, "192.0.2.8:12345"), (own, "127.0.0.1:")] {
        // In one piece with what follows, and byte by byte.
        for slowly in [false, true] {
            let mut socket = super::raw::tcp(proxy.port());
            if slowly {
                for byte in header {
                    socket.write_all(&[*byte]).expect("sent");
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            let mut raw = Raw::over(socket);
            if !slowly {
                raw.output.extend_from_slice(header);
            }
            raw.log_in(&[]);
            assert_eq!(raw.query(b"SELECT 'served'")[1], "D served");
        }
        let mut raw = Raw::over(super::raw::tcp(proxy.port()));
        raw.output.extend_from_slice(header);
        pgherd::wire::startup::write_startup(&mut raw.output, [("user", "nobody")]);
        raw.prove("nobody", Some("x")).expect_err("unknown");
        logged(&proxy, &format!("peer={from}"));
    }
    // Whoever must say so and doesn't is not served.
    let (_, errors) = psql(&(proxy.dsn("app") + "?sslmode=disable"), "SELECT 1");
    assert!(errors.contains("PROXY protocol header"), "{errors}");
    for bad in [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], b"PROXY TCP4 x\r\n", &[b'P'; 500]] {
        let mut socket = super::raw::tcp(proxy.port());
        let _ = socket.write_all(bad);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(answer.first().is_none_or(|kind| *kind == b'E'), "{answer:?}");
    }

    // From elsewhere nobody is believed.
    let proxy = balanced("\"192.0.2.0/24\"");
    for header in [v1, v2] {
        let mut socket = TcpStream::connect(("127.0.0.1", proxy.port())).expect("it listens");
        socket.write_all(header).expect("sent");
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        let said = String::from_utf8_lossy(&answer);
        assert!(said.contains("invalid length of startup packet"), "{said}");
        logged(&proxy, "peer=127.0.0.1:");
    }
    assert_eq!(psql(&proxy.dsn("app"), "SELECT 1").0, "1\n");
}

#[test]
fn tls_follows_the_header() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    let tls = ours.sign("server", &["127.0.0.1"]).proxy_settings("require");
    let proxy = herd().proxy_with(|text| {
        let lines = format!("[proxy]\nproxy_protocol = \"127.0.0.1\"\n{tls}");
        text.replacen("[proxy]\n", &lines, 1)
    });
    let balancer = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = balancer.local_addr().expect("bound").port();
    let behind = proxy.port();
    std::thread::spawn(move || {
        for client in balancer.incoming().flatten() {
            let mut server = super::raw::tcp(behind);
            server.write_all(b"PROXY TCP4 192.0.2.9 127.0.0.1 99 6432\r\n").expect("sent");
            let both = (client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
            let pass = |mut from: TcpStream, mut to: TcpStream| {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            };
            std::thread::spawn(move || pass(client, server));
            std::thread::spawn(move || pass(both.1, both.0));
        }
    });
    let dsn = format!(
        "host=127.0.0.1 port={port} user=pgherd password=pgherd dbname=app sslmode=verify-full \
         sslrootcert={}",
        ours.file().display()
    );
    assert_eq!(psql(&dsn, "SELECT 1"), ("1\n".to_owned(), String::new()));
}
