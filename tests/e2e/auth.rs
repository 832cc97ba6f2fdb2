//! How clients prove who they are, and what pgherd then proves to the servers.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pgherd::wire::backend::{Authentication, tag};
use pgherd::wire::startup::write_startup;

use crate::proxy::common::psql;
use crate::proxy::raw::{Raw, tcp};
use crate::support::{PGHERD, Proxy, TestHerd, Want};
use crate::tls::authority::Authority;

const SOON: Duration = Duration::from_secs(60);
const QUERY: &str = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1 AND rolcanlogin";

fn herd() -> &'static TestHerd {
    TestHerd::shared(&Want::unsharded(0))
}

fn server(statement: &str) -> Vec<Vec<Option<String>>> {
    herd().nodes().remove(0).query(statement, SOON).expect(statement)
}

/// A role of its own for a test: its name, and its password's verifier.
fn role(password: &str) -> (String, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("found_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    server(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"));
    let rows = server(&format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{name}'"));
    let verifier = rows[0][0].clone().expect("a password");
    (name, verifier)
}

/// A proxy with these lines in its `[proxy]` and its `[database.app]`, and these at the end.
fn proxy_with(proxy: &str, database: &str, more: &str) -> Proxy {
    herd().proxy_with(|text| {
        let text = text.replacen("[proxy]\n", &format!("[proxy]\n{proxy}"), 1);
        let at = "[database.app]\n";
        assert!(text.contains(at), "{text}");
        text.replacen(at, &format!("{at}{database}"), 1) + more
    })
}

fn dsn(proxy: &Proxy, user: &str, password: &str) -> String {
    format!("host=127.0.0.1 port={} dbname=app user={user} password={password}", proxy.port())
}

fn asks(dsn: &str) -> Result<String, String> {
    let (said, errors) = psql(dsn, "SELECT current_user");
    if errors.is_empty() { Ok(said.trim().to_owned()) } else { Err(errors) }
}

/// The first question that a client is asked.
fn question(proxy: &Proxy, user: &str) -> String {
    let mut raw = Raw::over(tcp(proxy.port()));
    write_startup(&mut raw.output, [("user", user), ("database", "app")]);
    raw.send();
    let (kind, body) = raw.message();
    assert_eq!(kind, tag::AUTHENTICATION, "{}", String::from_utf8_lossy(&body));
    match Authentication::read(&body).expect("a question") {
        Authentication::Sasl(_) => "scram".to_owned(),
        Authentication::Md5 { .. } => "md5".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn users_are_found_by_a_query_and_prove_themselves_to_servers() {
    let proxy = proxy_with("", &format!("auth_query = \"{QUERY}\"\n"), "");
    let (name, _) = role("first");
    assert_eq!(asks(&dsn(&proxy, &name, "first")), Ok(name.clone()));
    // Who is in the settings is who the settings say.
    assert_eq!(asks(&proxy.dsn("app")), Ok("pgherd".to_owned()));
    let wrong = asks(&dsn(&proxy, &name, "wrong")).expect_err("wrong");
    let unknown = asks(&dsn(&proxy, "nobody_at_all", "first")).expect_err("unknown");
    assert_eq!(unknown.replace("nobody_at_all", &name), wrong);
    assert_eq!(question(&proxy, "nobody_at_all"), "scram");
    server("CREATE ROLE found_without LOGIN");
    asks(&dsn(&proxy, "found_without", "x")).expect_err("no password");
    // The server would cut a longer name, and it would be another's.
    let long = format!("{name}{}", "x".repeat(100));
    asks(&dsn(&proxy, &long, "first")).expect_err("no such role");

    // A new password is known as soon as a proof doesn't fit what was remembered.
    server(&format!("ALTER ROLE {name} PASSWORD 'second'"));
    server("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'found%'");
    let until = Instant::now() + SOON;
    while let Err(why) = asks(&dsn(&proxy, &name, "second")) {
        assert!(Instant::now() < until, "{why}");
        std::thread::sleep(Duration::from_millis(200));
    }
    asks(&dsn(&proxy, &name, "first")).expect_err("the old one");
    assert_eq!(asks(&dsn(&proxy, &name, "second")), Ok(name.clone()));
    // Nor does a client that is there hang on to what it came with.
    let mut raw = Raw::over(tcp(proxy.port()));
    write_startup(&mut raw.output, [("user", &*name), ("database", "app")]);
    raw.prove(&name, Some("second")).expect("let in");
    server(&format!("DROP ROLE {name}"));
    assert!(!proxy.log().contains("SCRAM-SHA-256$") && !proxy.log().contains("second"));
}

#[test]
fn names_that_somebody_makes_up_take_no_room() {
    let limits = "\n[limits]\nauth_cache = 10\n";
    let proxy = proxy_with("", &format!("auth_query = \"{QUERY}\"\n"), limits);
    let (name, _) = role("known");
    for i in 0..40 {
        assert_eq!(question(&proxy, &format!("made_up_{i}")), "scram");
    }
    assert_eq!(asks(&dsn(&proxy, &name, "known")), Ok(name));
}

#[test]
fn a_query_that_gives_something_else_lets_nobody_in() {
    let (name, verifier) = role("x");
    for (query, why) in [
        ("SELECT 1 / (length($1::text) - length($1::text)), ''", "division by zero"),
        ("SELECT $1::text", "expected name and secret"),
        ("SELECT 'pgherd', rolpassword FROM pg_authid WHERE rolname = $1", "another user"),
        ("SELECT $1::text, 'x' FROM generate_series(1, 2)", "2 rows"),
        ("SELECT $1::text, 7", "deserializing column 1"),
    ] {
        let proxy = proxy_with("", &format!("auth_query = \"{query}\"\n"), "");
        let refused = asks(&dsn(&proxy, &name, "x")).expect_err(query);
        assert!(refused.contains("can't be looked up now"), "{query}: {refused}");
        assert!(proxy.log().contains(why), "{query}: {}", proxy.log());
        assert_eq!(asks(&proxy.dsn("app")), Ok("pgherd".to_owned()));
    }
    // What is no verifier is a password.
    let plain = proxy_with("", "auth_query = \"SELECT $1::text, 'x'\"\n", "");
    assert_eq!(asks(&dsn(&plain, &name, "x")), Ok(name.clone()));
    asks(&dsn(&plain, &name, &verifier)).expect_err("the verifier is no password");
}

#[test]
fn a_verifier_alone_is_enough() {
    let (name, verifier) = role("hidden");
    let user = format!("\n[[database.app.user]]\nname = \"{name}\"\nverifier = \"{verifier}\"\n");
    let proxy = proxy_with("", "", &user);
    assert_eq!(asks(&dsn(&proxy, &name, "hidden")), Ok(name.clone()));
    asks(&dsn(&proxy, &name, "wrong")).expect_err("wrong");
    // In session mode, too.
    let proxy = proxy_with("", "pool_mode = \"session\"\n", &user);
    assert_eq!(asks(&dsn(&proxy, &name, "hidden")), Ok(name.clone()));

    let config = herd().dir().join("verifier.toml");
    let text = fs::read_to_string(herd().config()).expect("settings");
    fs::write(&config, text + &user).expect("written");
    let check = Command::new(PGHERD).args(["check", "-c"]).arg(&config).output().expect("it runs");
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success() && !said.contains("user-refused"), "{said}");

    // The role has another one by now.
    server(&format!("ALTER ROLE {name} PASSWORD 'hidden'"));
    let proxy = proxy_with("", "", &user);
    let refused = asks(&dsn(&proxy, &name, "hidden")).expect_err("of no use");
    assert!(refused.contains("is not the one that its clients"), "{refused}");
}

#[test]
fn each_user_is_asked_as_the_settings_say() {
    let (name, verifier) = role("mine");
    let (other, _) = role("theirs");
    let user =
        |name: &str, lines: &str| format!("\n[[database.app.user]]\nname = \"{name}\"\n{lines}\n");
    let users = user(&name, "auth = \"md5\"\npassword = \"mine\"")
        + &user(&other, "auth = \"trust\"\nserver_password = \"theirs\"")
        + &user("hashed", &format!("auth = \"md5\"\nverifier = \"{verifier}\""));
    let proxy = proxy_with("", "", &users);
    assert_eq!(question(&proxy, &name), "md5");
    assert_eq!(asks(&dsn(&proxy, &name, "mine")), Ok(name.clone()));
    asks(&dsn(&proxy, &name, "wrong")).expect_err("wrong");
    // There is nothing to ask for MD5 by.
    assert_eq!(question(&proxy, "hashed"), "scram");
    assert_eq!(question(&proxy, &other), "Ok");
    assert_eq!(asks(&dsn(&proxy, &other, "anything")), Ok(other));
    assert_eq!(question(&proxy, "pgherd"), "scram");

    // Everybody of a database, and nobody but those.
    let proxy = proxy_with("", "auth = \"trust\"\n", "");
    assert_eq!(question(&proxy, "pgherd"), "Ok");
    assert_eq!(question(&proxy, "nobody_at_all"), "scram");
    asks(&dsn(&proxy, "nobody_at_all", "x")).expect_err("unknown");
}

#[test]
fn a_password_itself_goes_over_tls_or_a_socket_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    let (name, _) = role("in plain");
    let tls = ours.sign("server", &["127.0.0.1"]).proxy_settings("allow");
    let query = format!("auth = \"password\"\nauth_query = \"{QUERY}\"\n");
    let proxy = herd().proxy_with(|text| {
        let line = text.lines().find(|line| line.starts_with("listen = ")).expect("a line");
        let address = line.strip_prefix("listen = ").expect("it begins so").to_owned();
        let both = format!("listen = [{address}, \"{}:6432\"]\n{tls}", dir.path().display());
        let text = text.replacen(line, &both, 1);
        text.replacen("[database.app]\n", &format!("[database.app]\n{query}"), 1)
    });
    let with = |options: &str| asks(&format!("{} {options}", dsn(&proxy, &name, "'in plain'")));
    let refused = with("sslmode=disable").expect_err("in plain text");
    assert!(refused.contains("over TLS only"), "{refused}");
    assert_eq!(with("sslmode=require"), Ok(name.clone()));
    assert_eq!(with(&format!("host={} port=6432", dir.path().display())), Ok(name.clone()));
    with("sslmode=require password=wrong").expect_err("wrong");
    asks(&format!("{} sslmode=require", dsn(&proxy, "nobody_at_all", "x"))).expect_err("unknown");
}

#[test]
fn a_certificate_says_who_its_owner_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(dir.path(), "ours");
    // Made out to pgherd, as all that the authority signs.
    let client = ours.sign("client", &["client"]);
    let tls = format!(
        "{}tls_client_ca = {:?}\n",
        ours.sign("server", &["127.0.0.1"]).proxy_settings("require"),
        ours.file()
    );
    let (other, _) = role("x");
    let users = format!("\n[[database.app.user]]\nname = \"{other}\"\nserver_password = \"x\"\n");
    let proxy = proxy_with(&tls, "auth = \"cert\"\n", &users);
    let shown = format!("sslcert={} sslkey={}", client.certificate.display(), client.key.display());
    let with = |user: &str, shown: &str| {
        asks(&format!("host=127.0.0.1 port={} dbname=app user={user} {shown}", proxy.port()))
    };
    assert_eq!(with("pgherd", &shown), Ok("pgherd".to_owned()));
    for user in [&other, "nobody_at_all"] {
        let refused = with(user, &shown).expect_err(user);
        assert!(refused.contains("certificate authentication failed"), "{user}: {refused}");
    }
    with("pgherd", "").expect_err("none");
}

/// What a login costs: for `--ignored`, on a machine that does nothing else.
#[test]
#[ignore = "a measurement"]
fn what_a_login_costs() {
    let seconds = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split(' ').collect();
        let ticks: f64 =
            fields[12].parse::<f64>().expect("ticks") + fields[13].parse::<f64>().expect("ticks");
        ticks / 100.0
    };
    let (name, _) = role("cost");
    let proxy = proxy_with("", &format!("auth_query = \"{QUERY}\"\n"), "");
    for (user, password) in [("pgherd", "pgherd"), (&*name, "cost")] {
        let before = seconds(proxy.pid());
        let script = Path::new("/tmp").join(format!("login-{}.sql", proxy.port()));
        fs::write(&script, "SELECT 1;\n").expect("written");
        let mut pgbench = Command::new("/usr/lib/postgresql/15/bin/pgbench");
        pgbench.args(["-n", "-C", "-c", "4", "-t", "500", "-h", "127.0.0.1", "-U", user, "-p"]);
        pgbench.arg(proxy.port().to_string()).arg("-f").arg(&script).arg("app");
        let ran = pgbench.env("PGPASSWORD", password).process_group(0).output().expect("it runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let cost = (seconds(proxy.pid()) - before) * 1000.0 / 2000.0;
        println!("{user}: {cost:.3} ms of CPU a login with a query");
    }
}
