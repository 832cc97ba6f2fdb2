//! Servers over TLS: a real one with `ssl = on`, in each `sslmode`.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pgherd::cluster::{Backend, ConnectError, Target};
use pgherd::config::{Overrides, load};
use pgherd::local::{Node, Stop};
use pgherd::wire::auth::client::Login;

use super::authority::{Authority, Identity};
use crate::support::{PGHERD, TestHerd, Want};

const SOON: Duration = Duration::from_secs(20);

/// A herd of one server, which tests may break.
fn herd() -> TestHerd {
    TestHerd::start(&Want::unsharded(0))
}

/// Starts the server anew with this certificate, and with this authority for its clients'.
fn encrypt(node: &Node, identity: &Identity, clients: &Authority) {
    let data = node.data_dir();
    let owner = fs::metadata(&data).expect("a data directory");
    let copies = [
        (&*identity.certificate, "tls.crt"),
        (&*identity.key, "tls.key"),
        (&*clients.file(), "tls_ca.pem"),
    ];
    for (from, name) in copies {
        let to = data.join(name);
        fs::write(&to, fs::read(from).expect("read")).expect("written");
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&to, own).expect("set");
        chown(&to, Some(owner.uid()), Some(owner.gid())).expect("given");
    }
    let settings = "\nssl = on\nssl_cert_file = 'tls.crt'\nssl_key_file = 'tls.key'\n\
                    ssl_ca_file = 'tls_ca.pem'\n";
    let file = data.join("postgresql.conf");
    let text = fs::read_to_string(&file).expect("read");
    fs::write(&file, text + settings).expect("written");
    node.stop(Stop::Fast).expect("stopped");
    node.start().expect("started");
}

/// The herd's settings with these lines for the database, and this host for the server.
fn settings(herd: &TestHerd, name: &str, lines: &str, host: &str) -> PathBuf {
    let text = fs::read_to_string(herd.config()).expect("the settings");
    let text = text.replacen("rules =", &format!("{lines}rules ="), 1);
    let text = text.replace("nodes = [\"127.0.0.1:", &format!("nodes = [\"{host}:"));
    let file = herd.dir().join(format!("{name}.toml"));
    fs::write(&file, text).expect("written");
    file
}

/// A connection as a pool makes it.
async fn connect(config: &Path) -> Result<Backend, ConnectError> {
    let settings = load(config, &Overrides::default()).expect("good settings");
    let shard = &settings.databases[0].shards[0];
    let target = Target {
        address: shard.nodes[0].clone(),
        tls: shard.tls.clone(),
        database: "app".into(),
        login: Login::new("pgherd", Some("pgherd")),
        parameters: [("application_name".into(), "tls_test".into())].into(),
        prepared_statements: 1,
        silence_timeout: SOON,
    };
    Backend::connect(&target, SOON).await
}

/// Whether the server sees the connection of this process encrypted.
fn encrypted(node: &Node, pid: i32) -> bool {
    let asked = format!("SELECT ssl FROM pg_stat_ssl WHERE pid = {pid}");
    node.query(&asked, SOON).expect("asked")[0][0].as_deref() == Some("t")
}

/// What `pgherd check` says of the servers: its findings, and its exit code.
fn check(config: &Path) -> (String, Option<i32>) {
    let output = Command::new(PGHERD).arg("check").arg("-c").arg(config).output();
    let output = output.expect("pgherd runs");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

fn trusting(mode: &str, authority: &Authority) -> String {
    format!("sslmode = \"{mode}\"\nsslrootcert = {:?}\n", authority.file())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sslmode_holds() {
    let herd = herd();
    let node = herd.nodes().remove(0);
    let dir = herd.dir().to_owned();
    let (ours, other) = (Authority::new(&dir, "ours"), Authority::new(&dir, "other"));
    encrypt(&node, &ours.sign("server", &["127.0.0.1"]), &ours);

    let mode = |mode: &str| format!("sslmode = \"{mode}\"\n");
    let cases = [
        ("plain", mode("disable"), "127.0.0.1", Ok(false)),
        ("unwritten", String::new(), "127.0.0.1", Ok(true)),
        ("prefer", mode("prefer"), "127.0.0.1", Ok(true)),
        ("require", mode("require"), "127.0.0.1", Ok(true)),
        ("ca", trusting("verify-ca", &ours), "127.0.0.1", Ok(true)),
        ("full", trusting("verify-full", &ours), "127.0.0.1", Ok(true)),
        ("ca-other-name", trusting("verify-ca", &ours), "localhost", Ok(true)),
        ("full-other-name", trusting("verify-full", &ours), "localhost", Err("not valid for name")),
        ("ca-other", trusting("verify-ca", &other), "127.0.0.1", Err("UnknownIssuer")),
        ("full-other", trusting("verify-full", &other), "127.0.0.1", Err("UnknownIssuer")),
    ];
    for (name, lines, host, expected) in cases {
        let config = settings(&herd, name, &lines, host);
        let seen = match connect(&config).await {
            Ok(backend) => Ok(encrypted(&node, backend.pid())),
            Err(error) => Err(error.to_string()),
        };
        match (expected, &seen) {
            (Ok(expected), Ok(seen)) => assert_eq!(expected, *seen, "{name}"),
            (Err(why), Err(said)) => assert!(said.contains(why), "{name}: {said}"),
            _ => panic!("{name}: {expected:?}, {seen:?}"),
        }
        let (said, code) = check(&config);
        assert_eq!(code == Some(0), expected.is_ok(), "{name}: {said}");
        assert!(expected.is_ok() || said.contains("certificate"), "{name}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_proxy_speaks_tls_to_its_server() {
    let herd = herd();
    let node = herd.nodes().remove(0);
    let ours = Authority::new(herd.dir(), "ours");
    encrypt(&node, &ours.sign("server", &["127.0.0.1"]), &ours);
    let lines = trusting("verify-full", &ours);
    // The shard has its own; what is said of the database is for others.
    let proxy = herd.proxy_with(|text| {
        let database = text.replacen("rules =", "sslmode = \"disable\"\nrules =", 1);
        database.replacen("name = \"s1\"\n", &format!("name = \"s1\"\n{lines}"), 1)
    });
    let client = crate::proxy::common::connect(&proxy.dsn("app")).await;
    for i in 0..20 {
        let row = client.query_one("SELECT $1::int4 + 1", &[&i]).await.expect("answered");
        assert_eq!(row.get::<_, i32>(0), i + 1);
    }
    client.batch_execute("CREATE TABLE tls_served (id int); BEGIN").await.expect("done");
    let plain = node
        .query(
            "SELECT application_name, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
              WHERE application_name LIKE 'pgherd%' AND application_name <> 'pgherd local'
                 OR state = 'idle in transaction' ORDER BY ssl",
            SOON,
        )
        .expect("asked");
    assert!(plain.len() >= 2, "{plain:?}");
    assert!(plain.iter().all(|row| row[1].as_deref() == Some("t")), "{plain:?}");
    client.batch_execute("ROLLBACK").await.expect("done");
    // A cancel request goes the same way.
    let token = client.cancel_token();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        token.cancel_query(tokio_postgres::NoTls).await.expect("asked");
    };
    let sleeping = client.batch_execute("SELECT pg_sleep(30)");
    let (slept, ()) = futures_util::future::join(sleeping, cancel).await;
    assert_eq!(crate::proxy::common::code(&slept.expect_err("cancelled")), "57014");
    // Idle connections are found again, and one that its server closed is not used.
    let pid = async || -> i32 {
        client.query_one("SELECT pg_backend_pid()", &[]).await.expect("answered").get(0)
    };
    let first = pid().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(pid().await, first);
    node.query(&format!("SELECT pg_terminate_backend({first})"), SOON).expect("ended");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_ne!(pid().await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_hears_that_its_server_is_not_trusted() {
    let herd = herd();
    let node = herd.nodes().remove(0);
    let (ours, other) = (Authority::new(herd.dir(), "ours"), Authority::new(herd.dir(), "other"));
    encrypt(&node, &ours.sign("server", &["127.0.0.1"]), &ours);
    let proxy = herd.proxy_with(|text| {
        let lines = trusting("verify-ca", &other);
        text.replacen("rules =", &format!("{lines}rules ="), 1)
            + "\n[limits]\nqueue_timeout = \"1s\"\n"
    });
    let refused = tokio_postgres::connect(&proxy.dsn("app"), tokio_postgres::NoTls).await;
    let error = refused.err().expect("no server");
    let said = format!("{:?}", error.as_db_error().expect("the proxy's own words"));
    assert!(said.contains("UnknownIssuer"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_ask_for_a_certificate() {
    let herd = herd();
    let node = herd.nodes().remove(0);
    let (ours, other) = (Authority::new(herd.dir(), "ours"), Authority::new(herd.dir(), "other"));
    let hba = node.data_dir().join("pg_hba.conf");
    let lines = fs::read_to_string(&hba).expect("read");
    let first = "hostssl all all all scram-sha-256 clientcert=verify-ca\n";
    fs::write(&hba, format!("{first}{lines}")).expect("written");
    encrypt(&node, &ours.sign("server", &["127.0.0.1"]), &ours);
    let with = |identity: &Identity| {
        format!(
            "sslmode = \"require\"\nsslcert = {:?}\nsslkey = {:?}\n",
            identity.certificate, identity.key
        )
    };
    let cases = [
        ("mine", with(&ours.sign("mine", &[])), true),
        ("none", "sslmode = \"require\"\n".to_owned(), false),
        ("theirs", with(&other.sign("theirs", &[])), false),
    ];
    for (name, lines, expected) in cases {
        let config = settings(&herd, name, &lines, "127.0.0.1");
        let connected = connect(&config).await;
        assert_eq!(connected.is_ok(), expected, "{name}: {connected:?}");
        assert_eq!(check(&config).1 == Some(0), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_not_believed() {
    let herd = herd();
    let node = herd.nodes().remove(0);
    let ours = Authority::new(herd.dir(), "ours");
    encrypt(&node, &ours.sign_expired("server", &["127.0.0.1"]), &ours);
    for (mode, trusted) in [("require", true), ("verify-ca", false), ("verify-full", false)] {
        let lines = match trusted {
            true => format!("sslmode = \"{mode}\"\n"),
            false => trusting(mode, &ours),
        };
        let connected = connect(&settings(&herd, mode, &lines, "127.0.0.1")).await;
        match connected {
            Ok(_) => assert!(trusted, "{mode}"),
            Err(error) => {
                assert!(!trusted && error.to_string().contains("expired"), "{mode}: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_refused_where_it_is_wanted() {
    let herd = TestHerd::shared(&Want::unsharded(0));
    let ours = Authority::new(herd.dir(), "absent");
    for lines in ["sslmode = \"require\"\n".to_owned(), trusting("verify-full", &ours)] {
        let config = settings(herd, "wanted", &lines, "127.0.0.1");
        let error = connect(&config).await.expect_err("refused").to_string();
        assert!(error.contains("does not speak TLS"), "{error}");
        assert_ne!(check(&config).1, Some(0));
    }
    let config = settings(herd, "preferred", "sslmode = \"prefer\"\n", "127.0.0.1");
    assert!(connect(&config).await.is_ok());
}
