//! Protocol 3.0 and 3.2, and what lies between and beyond.

use std::path::Path;
use std::process::Command;

use bytes::{BufMut, BytesMut};
use pgherd::wire::startup::{write_cancel, write_startup};
use pgherd::wire::{backend, frontend, write};

use super::common::proxy;
use super::raw::{Raw, shown, tcp};

/// Logs in with a startup packet of this minor version; what it is told, but parameters.
fn log_in(minor: u32, options: &[u8]) -> (Raw, Vec<(u8, BytesMut)>) {
    let mut raw = Raw::over(tcp(proxy().port()));
    write::unlabelled(&mut raw.output, |b| {
        b.put_u32((3 << 16) | minor);
        b.put_slice(b"user\0pgherd\0database\0app\0");
        b.put_slice(options);
        b.put_u8(0);
    });
    let mut said = raw.prove("pgherd", Some("pgherd")).expect("it lets us in");
    said.retain(|(kind, _)| *kind != backend::tag::PARAMETER_STATUS);
    (raw, said)
}

#[test]
fn each_client_gets_the_key_of_its_version() {
    for (minor, options, negotiated, secret) in [
        (0, &b""[..], false, 4),
        (0, b"_pq_.unknown\0x\0", true, 4),
        (1, b"", true, 4),
        (2, b"", false, 32),
        (2, b"_pq_.unknown\0x\0", true, 32),
        (9999, b"", true, 32),
    ] {
        let (mut raw, said) = log_in(minor, options);
        let kinds: Vec<u8> = said.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, if negotiated { &b"vK"[..] } else { b"K" }, "3.{minor}");
        let key = &said.last().expect("a key").1;
        assert_eq!(backend::read_backend_key(key).expect("a key").1.len(), secret, "3.{minor}");
        assert_eq!(raw.query(b"SELECT 1")[1], "D 1");
    }
}

#[test]
fn a_long_key_cancels_and_a_part_of_it_does_not() {
    let (mut raw, said) = log_in(2, b"");
    let (pid, secret) = backend::read_backend_key(&said[0].1).expect("a key");
    frontend::write_query(&mut raw.output, b"SELECT pg_sleep(3), 'slept'");
    raw.send();
    let ask = |secret: &[u8]| {
        let mut cancel = Raw::over(tcp(proxy().port()));
        write_cancel(&mut cancel.output, pid, secret);
        cancel.send();
        cancel.until_closed();
    };
    for secret in [&secret[..4], &secret[..31], &[&secret[..31], b"\0"].concat()[..]] {
        ask(secret);
    }
    let answer = shown(&raw.until_ready(1));
    assert_eq!(answer[1], "D |slept", "{answer:?}");

    frontend::write_query(&mut raw.output, b"SELECT pg_sleep(600)");
    raw.send();
    std::thread::sleep(std::time::Duration::from_millis(500));
    ask(secret);
    let answer = shown(&raw.until_ready(1));
    assert!(answer.iter().any(|said| said.starts_with("E 57014")), "{answer:?}");
}

#[test]
fn other_major_versions_are_refused() {
    for (major, minor) in [(2, 0), (4, 0), (0, 0)] {
        let mut raw = Raw::over(tcp(proxy().port()));
        let mut packet = BytesMut::new();
        write_startup(&mut packet, [("user", "pgherd")]);
        packet[4..8].copy_from_slice(&[0, major, 0, minor]);
        raw.output.extend_from_slice(&packet);
        let refused = raw.prove("pgherd", None).expect_err("refused");
        assert!(refused.starts_with("E 0A000"), "{major}.{minor}: {refused}");
    }
}

/// libpq 18, which psycopg brings along.
const LIBPQ_18: &str = r#"
import sys, threading, time, psycopg
from psycopg import pq
assert pq.version() >= 180000, pq.version()
conninfo = sys.argv[1]
for versions in ["", "max_protocol_version=3.0", "max_protocol_version=3.2",
                 "max_protocol_version=latest", "min_protocol_version=3.2 max_protocol_version=3.2"]:
    with psycopg.connect(conninfo + " " + versions, autocommit=True) as conn:
        assert conn.execute("select 41 + %s", (1,)).fetchone() == (42,)
        threading.Timer(1.0, lambda: conn.cancel_safe(timeout=30)).start()
        try:
            conn.execute("select pg_sleep(600)")
            raise SystemExit(versions + ": slept")
        except psycopg.errors.QueryCanceled:
            pass
        assert conn.execute("select 1").fetchone() == (1,)
"#;

#[test]
fn libpq_18_speaks_each_version_and_cancels() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python");
    assert!(python.exists(), "no {}: `tools/test e2e` makes it", python.display());
    let conninfo =
        format!("host=127.0.0.1 port={} user=pgherd password=pgherd dbname=app", proxy().port());
    let ran = Command::new(&python).args(["-c", LIBPQ_18, &conninfo]).output().expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{}: {said}", ran.status);
}
