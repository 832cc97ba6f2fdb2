//! Clients over TLS: psql, with what libpq can ask for.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::authority::{Authority, Identity};
use crate::support::{Proxy, TestHerd, Want};

pub fn herd() -> &'static TestHerd {
    TestHerd::shared(&Want::unsharded(0))
}

/// A proxy with these settings under `[proxy]`.
pub fn proxy_with(tls: &str) -> Proxy {
    herd().proxy_with(|text| text.replacen("[proxy]\n", &format!("[proxy]\n{tls}"), 1))
}

/// Runs psql over a script: what it printed, or what it said was wrong.
fn psql(proxy: &Proxy, options: &str, script: &str) -> Result<String, String> {
    let conninfo = format!(
        "host=127.0.0.1 port={} user=pgherd password=pgherd dbname=app {options}",
        proxy.port()
    );
    let output = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &conninfo, "-c", script])
        // Nothing of the machine's own.
        .env("HOME", "/nonexistent")
        .output()
        .expect("psql runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8").trim().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn refused(proxy: &Proxy, options: &str, why: &str) {
    let said = psql(proxy, options, "SELECT 1").expect_err(options);
    assert!(said.contains(why), "{options}: {said}");
}

fn trusting(file: &Path) -> String {
    format!("sslrootcert={}", file.display())
}

#[test]
fn psql_verifies_and_binds() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    let other = Authority::new(dir.path(), "other");
    let proxy =
        proxy_with(&ours.sign("server", &["127.0.0.1", "localhost"]).proxy_settings("allow"));
    let (ours, other) = (trusting(&ours.file()), trusting(&other.file()));

    for options in [
        "sslmode=disable".to_owned(),
        "sslmode=require".to_owned(),
        "sslmode=require channel_binding=require".to_owned(),
        "sslmode=require channel_binding=disable".to_owned(),
        "sslmode=require ssl_max_protocol_version=TLSv1.2 channel_binding=require".to_owned(),
        "sslmode=require ssl_min_protocol_version=TLSv1.3".to_owned(),
        format!("sslmode=verify-ca {ours}"),
        format!("sslmode=verify-full {ours} channel_binding=require"),
        format!("sslmode=verify-full {ours} host=localhost hostaddr=127.0.0.1"),
    ] {
        assert_eq!(psql(&proxy, &options, "SELECT 1"), Ok("1".to_owned()), "{options}");
        let about = psql(&proxy, &options, "\\conninfo").expect("connected");
        let encrypted = about.contains("SSL connection");
        assert_eq!(encrypted, !options.contains("disable ") && options != "sslmode=disable");
        if options.contains("TLSv1.2") {
            assert!(about.contains("protocol: TLSv1.2"), "{about}");
        }
    }
    refused(&proxy, &format!("sslmode=verify-ca {other}"), "certificate verify failed");
    let elsewhere = format!("sslmode=verify-full {ours} host=elsewhere hostaddr=127.0.0.1");
    refused(&proxy, &elsewhere, "does not match host name");
    refused(&proxy, "sslmode=disable channel_binding=require", "channel binding");
    let wrong = psql(&proxy, "sslmode=require password=wrong", "SELECT 1").expect_err("wrong");
    assert!(wrong.contains("password authentication failed"), "{wrong}");
}

#[test]
fn an_expired_certificate_is_not_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    let proxy = proxy_with(&ours.sign_expired("server", &["127.0.0.1"]).proxy_settings("allow"));
    let options = format!("sslmode=verify-full {}", trusting(&ours.file()));
    refused(&proxy, &options, "certificate verify failed");
}

#[test]
fn whoever_must_use_tls_does_or_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    let proxy = proxy_with(&ours.sign("server", &["127.0.0.1"]).proxy_settings("require"));
    refused(&proxy, "sslmode=disable", "only connections over TLS are taken here");
    assert_eq!(psql(&proxy, "sslmode=prefer", "SELECT 1"), Ok("1".to_owned()));
    assert_eq!(psql(&proxy, "sslmode=require", "SELECT 1"), Ok("1".to_owned()));
    // libpq before 17 cancels in plain text, also when its connection is encrypted.
    let conninfo = format!(
        "host=127.0.0.1 port={} user=pgherd password=pgherd dbname=app sslmode=require",
        proxy.port()
    );
    let child = Command::new("psql")
        .args(["-X", "-d", &conninfo, "-c", "SELECT pg_sleep(60)"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql runs");
    std::thread::sleep(Duration::from_secs(1));
    let pid = i32::try_from(child.id()).expect("a process id");
    // SAFETY: takes two numbers; the child is not waited for yet.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let said = child.wait_with_output().expect("psql ends").stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("canceling statement due to user request"), "{said}");
}

#[test]
fn clients_show_a_certificate_where_one_is_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    let other = Authority::new(dir.path(), "other");
    let settings = ours.sign("server", &["127.0.0.1"]).proxy_settings("require");
    let proxy = proxy_with(&format!("{settings}tls_client_ca = {:?}\n", ours.file()));
    let with = |identity: &Identity| {
        let Identity { certificate, key } = identity;
        format!("sslmode=require sslcert={} sslkey={}", certificate.display(), key.display())
    };
    assert_eq!(psql(&proxy, &with(&ours.sign("mine", &[])), "SELECT 1"), Ok("1".to_owned()));
    refused(&proxy, "sslmode=require", "certificate required");
    refused(&proxy, &with(&other.sign("theirs", &[])), "");
    refused(&proxy, &with(&ours.sign_expired("old", &[])), "");
    refused(&proxy, "sslmode=disable", "only connections over TLS are taken here");
    // One without is refused by the handshake itself: nothing is asked of it.
    assert!(proxy.log().contains("TLS handshake failed"), "{}", proxy.log());
}

#[test]
fn much_goes_both_ways() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    let proxy = proxy_with(&ours.sign("server", &["127.0.0.1"]).proxy_settings("require"));
    let options = "sslmode=require";
    psql(&proxy, options, "CREATE TABLE tls_rows (id bigint, body text)").expect("made");
    let fill =
        "INSERT INTO tls_rows SELECT i, repeat(i::text, 200) FROM generate_series(1, 20000) i";
    psql(&proxy, options, fill).expect("filled");
    let file = dir.path().join("rows");
    let copy = |to: &str| format!("\\copy tls_rows {to} '{}'", file.display());
    psql(&proxy, options, &copy("TO")).expect("copied out");
    assert!(std::fs::metadata(&file).expect("written").len() > 15_000_000);
    let sum = "SELECT count(*), sum(hashtextextended(body, id)) FROM tls_rows";
    let before = psql(&proxy, options, sum).expect("counted");
    psql(&proxy, options, "TRUNCATE tls_rows").expect("emptied");
    psql(&proxy, options, &copy("FROM")).expect("copied in");
    assert_eq!(psql(&proxy, options, sum).expect("counted"), before);
    let long = psql(&proxy, options, "SELECT repeat('x', 10000000)").expect("answered");
    assert_eq!(long.len(), 10_000_000);
    // A statement of 8 MB is written in one piece.
    let script = dir.path().join("long.sql");
    let literal = "y".repeat(8_000_000);
    std::fs::write(&script, format!("/* {literal} */ SELECT 7;\nSELECT 8;")).expect("written");
    let limits = "[limits]\nstatement_size = \"64MB\"\n\n[proxy]\n";
    let settings = ours.sign("again", &["127.0.0.1"]).proxy_settings("require");
    let wide =
        herd().proxy_with(|text| text.replacen("[proxy]\n", &format!("{limits}{settings}"), 1));
    let said = psql(&wide, options, &format!("\\i {}", script.display()));
    assert_eq!(said, Ok("7\n8".to_owned()));
}

/// A libpq that speaks direct TLS and cancels over TLS, through psycopg.
const LIBPQ_18: &str = "
import sys, threading, time
import psycopg

conninfo, root = sys.argv[1:]
assert psycopg.pq.version() >= 170000, psycopg.pq.version()
direct = f'{conninfo} sslmode=verify-full sslrootcert={root} channel_binding=require'
with psycopg.connect(f'{direct} sslnegotiation=direct', autocommit=True) as conn:
    assert conn.execute('SELECT 1').fetchone() == (1,)
    assert conn.pgconn.ssl_in_use
    cancel = threading.Timer(1, conn.cancel_safe)
    cancel.start()
    try:
        conn.execute('SELECT pg_sleep(60)')
        sys.exit('it was not cancelled')
    except psycopg.errors.QueryCanceled:
        pass
    cancel.join()
    assert conn.execute('SELECT 2').fetchone() == (2,)
try:
    psycopg.connect(f'{direct} sslnegotiation=direct sslrootcert=/nonexistent')
    sys.exit('an authority that is not there')
except psycopg.OperationalError:
    pass
";

#[test]
fn libpq_18_speaks_direct_tls_and_cancels_over_tls() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python");
    assert!(python.exists(), "no {}: `tools/test e2e` makes it", python.display());
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    let proxy = proxy_with(&ours.sign("server", &["127.0.0.1"]).proxy_settings("require"));
    let conninfo =
        format!("host=127.0.0.1 port={} user=pgherd password=pgherd dbname=app", proxy.port());
    let ran = Command::new(&python)
        .args(["-c", LIBPQ_18, &conninfo])
        .arg(ours.file())
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{}: {said}", ran.status);
}
