//! `pgherd local`, as a person runs it.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use std::{fs, thread};

use pgherd::config::settings::ListenAddress;
use pgherd::config::{self, Overrides, Settings};
use pgherd::local::{Herd, Node, Role, Stop};
use serde_json::Value;

use crate::support::{Keeper, PGHERD, TestHerd, Want, free_ports, processes_of};

const LIMIT: Duration = Duration::from_secs(20);

/// `pgherd local VERB --dir DIR …`
fn pgherd(verb: &str, dir: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(PGHERD);
    command.arg("local").arg(verb).arg("--dir").arg(dir).args(more);
    command.output().expect("pgherd runs")
}

#[track_caller]
fn succeeds(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn refused(output: Output, code: i32, named: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in named {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

fn up(dir: &Path, port: u16, more: &[&str]) -> Output {
    let port = port.to_string();
    pgherd("up", dir, &[&["--no-fsync", "--base-port", &port], more].concat())
}

fn json(output: Output) -> Value {
    serde_json::from_str(&succeeds(output)).expect("JSON")
}

/// The settings that `up` wrote, as the proxy reads them.
fn load(dir: &Path) -> Settings {
    config::load(&dir.join("pgherd.toml"), &Overrides::default()).expect("settings that fit")
}

/// The nodes of a status, shard by shard.
fn nodes(status: &Value) -> Vec<Value> {
    let shards = status["shards"].as_array().expect("shards");
    shards.iter().flat_map(|shard| shard["nodes"].as_array().expect("nodes").clone()).collect()
}

fn each(status: &Value, field: &str) -> Vec<Value> {
    nodes(status).iter().map(|node| node[field].clone()).collect()
}

fn one(node: &Node, statement: &str) -> String {
    let rows = node.query(statement, LIMIT).expect("an answer");
    rows[0][0].clone().expect("a value")
}

/// Asks until the answer is the expected one.
#[track_caller]
fn becomes(node: &Node, statement: &str, expected: &str) {
    let until = Instant::now() + LIMIT;
    loop {
        let rows = node.query(statement, LIMIT);
        match &rows {
            Ok(rows) if rows.first().is_some_and(|r| r[0].as_deref() == Some(expected)) => return,
            _ => assert!(Instant::now() < until, "{statement}: {rows:?}, not {expected:?}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_herd_goes_up_and_down_and_keeps_its_rows() {
    let keeper = Keeper::new();
    let dir = keeper.dir.join("herd");
    let port = free_ports(5);
    let status = json(up(&dir, port, &["--shards", "2", "--json"]));

    assert_eq!(each(&status, "name"), ["s1-1", "s1-2", "s2-1", "s2-2"]);
    assert_eq!(each(&status, "role"), ["primary", "replica", "primary", "replica"]);
    assert_eq!(each(&status, "state"), ["running"; 4]);
    assert_eq!(each(&status, "port"), [port + 1, port + 2, port + 3, port + 4]);
    assert_eq!(each(&status, "streaming"), [Value::Null, true.into(), Value::Null, true.into()]);
    assert_eq!(status["proxy_port"], port);
    assert_eq!(status["database"], "app");
    let settings = load(&dir);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(settings.proxy.listen, [ListenAddress::Network(address)]);
    let database = settings.database("app").expect("a database");
    let shards: Vec<_> = database.shards.iter().map(|shard| &*shard.name).collect();
    assert_eq!(shards, ["s1", "s2"]);
    assert_eq!(&*database.rules.keyspaces[0].name, "users");

    let herd = Herd::open(&dir).expect("a herd");
    let s1 = herd.primary("s1").expect("a primary");
    s1.query("CREATE TABLE kept AS SELECT 7 AS x", LIMIT).expect("made");
    let pids = each(&status, "pid");

    // Again: nothing is started anew; another shape is refused and named.
    let again = json(up(&dir, port, &["--json"]));
    assert_eq!(each(&again, "pid"), pids);
    refused(pgherd("up", &dir, &["--shards", "3"]), 2, &["--shards 2, not 3"]);
    refused(pgherd("up", &dir, &["--unsharded"]), 2, &["--unsharded"]);

    // One node is missing: only that one is started.
    s1.stop(Stop::Kill).expect("killed");
    assert_eq!(each(&json(pgherd("status", &dir, &["--json"])), "state")[0], "stopped");
    let mended = json(pgherd("up", &dir, &["--json"]));
    assert_eq!(each(&mended, "state"), ["running"; 4]);
    assert_eq!(each(&mended, "streaming")[1], true);
    assert_ne!(each(&mended, "pid")[0], pids[0]);
    assert_eq!(each(&mended, "pid")[1..], pids[1..]);

    assert_eq!(succeeds(pgherd("down", &dir, &[])), "stopped 4 nodes\n");
    assert_eq!(processes_of(&dir), [""; 0]);
    assert_eq!(each(&json(pgherd("status", &dir, &["--json"])), "state"), ["stopped"; 4]);

    succeeds(pgherd("up", &dir, &[]));
    assert_eq!(one(&s1, "SELECT x FROM kept"), "7");
    // After the kill there was recovery to do, after `down` there was none.
    let log = fs::read_to_string(s1.log()).expect("a log");
    assert_eq!(log.matches("was not properly shut down").count(), 1, "{log}");
    let removed = json(pgherd("down", &dir, &["--remove", "--json"]));
    assert_eq!(removed, serde_json::json!({"stopped": 4, "removed": true}));
    assert_eq!(processes_of(&dir), [""; 0]);
    assert!(!dir.exists());
}

#[test]
fn nodes_have_what_the_proxy_and_the_workflows_need() {
    let herd = TestHerd::start(&Want::sharded(2, 1, ""));
    for node in herd.nodes() {
        for (setting, value) in [
            ("wal_level", "logical"),
            ("max_prepared_transactions", "200"),
            ("track_commit_timestamp", "on"),
            ("password_encryption", "scram-sha-256"),
            ("max_connections", "300"),
            ("hot_standby", "on"),
            ("fsync", "off"),
            ("data_checksums", "on"),
            ("full_page_writes", "on"),
            ("server_encoding", "UTF8"),
            ("cluster_name", &node.member().name),
        ] {
            assert_eq!(one(&node, &format!("SHOW {setting}")), value, "{setting}");
        }
        let verifier = "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'pgherd'";
        assert_eq!(one(&node, verifier), "SCRAM-SHA-256");
    }

    // A shard's nodes are one system, shards are not, and the server reads what we wrote.
    let live = "SELECT system_identifier FROM pg_control_system()";
    let ids: Vec<_> = herd.nodes().iter().map(|node| one(node, live)).collect();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[2], ids[3]);
    assert_ne!(ids[0], ids[2]);
    for (node, id) in herd.nodes().iter().zip(&ids) {
        assert_eq!(node.system_identifier().expect("read").to_string(), *id);
    }
    // Each replica has a slot of its own.
    let s1 = herd.primary("s1").expect("a primary");
    let slots = "SELECT string_agg(slot_name || active::text, ',') FROM pg_replication_slots";
    assert_eq!(one(&s1, slots), "s1_2true");
    // Replication without the password is refused.
    let refused = Command::new("psql")
        .arg(format!("host=127.0.0.1 port={} user=pgherd replication=1", s1.member().port))
        .args(["-w", "-c", "IDENTIFY_SYSTEM"])
        .env("PGPASSWORD", "wrong")
        .output()
        .expect("psql runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("password authentication failed"), "{said}");
}

#[test]
fn replicas_stream_through_a_crash_a_freeze_and_a_promotion() {
    let herd = TestHerd::start(&Want::sharded(1, 1, ""));
    let primary = herd.primary("s1").expect("a primary");
    let replica = herd.replicas("s1").expect("replicas").remove(0);
    primary.query("CREATE TABLE t AS SELECT 1 AS x", LIMIT).expect("made");
    becomes(&replica, "SELECT max(x) FROM t", "1");

    assert!(primary.stop(Stop::Kill).expect("killed"));
    assert!(!primary.is_running().expect("looked"));
    assert!(!primary.stop(Stop::Kill).expect("nothing to kill"));
    primary.start().expect("started");
    primary.start().expect_err("it runs already");
    primary.query("INSERT INTO t VALUES (2)", LIMIT).expect("written");
    becomes(&replica, "SELECT max(x) FROM t", "2");

    primary.pause().expect("paused");
    primary.query("SELECT 1", Duration::from_millis(300)).expect_err("it is frozen");
    let status = herd.status().expect("a status");
    assert_eq!(status.shards[0].nodes[0].state, pgherd::local::NodeState::Paused);
    assert!(!status.is_up());
    primary.resume().expect("resumed");
    primary.query("INSERT INTO t VALUES (3)", LIMIT).expect("written");
    becomes(&replica, "SELECT max(x) FROM t", "3");

    primary.stop(Stop::Immediate).expect("stopped");
    assert_eq!(replica.role(), Role::Replica);
    replica.promote().expect("promoted");
    assert_eq!(replica.role(), Role::Primary);
    replica.query("INSERT INTO t VALUES (4)", LIMIT).expect("written");
    // Of two data directories that were a primary's, the running one is meant.
    assert_eq!(herd.primary("s1").expect("a primary").member().name, "s1-2");

    // A frozen node is stopped all the same.
    replica.pause().expect("paused");
    assert_eq!(herd.down(Stop::Fast).expect("down"), 1);
    assert_eq!(processes_of(herd.dir()), [""; 0]);
}

#[test]
fn up_that_is_killed_in_the_middle_leaves_what_down_finds() {
    let keeper = Keeper::new();
    let templates = keeper.dir.join("templates");
    let templates = templates.to_str().expect("a plain path");
    // The first while initdb runs, as the template is not there yet.
    for after in [0, 2, 5, 200, 400, 30, 60, 90, 120, 180, 250, 350, 500, 700] {
        let dir = keeper.dir.join(format!("herd-{after}"));
        let port = free_ports(7).to_string();
        let mut starting = Command::new(PGHERD)
            .args(["local", "up", "--no-fsync", "--base-port", &port, "--template-dir", templates])
            .arg("--dir")
            .arg(&dir)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("pgherd runs");
        thread::sleep(Duration::from_millis(after));
        starting.kill().expect("killed");
        starting.wait().expect("killed");
        let down = succeeds(pgherd("down", &dir, &["--immediate"]));
        let left = processes_of(&dir);
        assert_eq!(left, [""; 0], "after {after} ms; down: {down}");
        // Nothing appears later either, and what was half made is finished by another up.
        if [5, 60, 180].contains(&after) {
            thread::sleep(Duration::from_millis(300));
            assert_eq!(processes_of(&dir), [""; 0], "after {after} ms; down: {down}");
            let again = ["--base-port", &port, "--template-dir", templates, "--json"];
            let status = json(pgherd("up", &dir, &again));
            assert_eq!(each(&status, "state"), ["running"; 6], "after {after} ms");
            succeeds(pgherd("down", &dir, &["--remove"]));
        }
    }
}

#[test]
fn a_taken_port_is_named_and_nothing_is_left_running() {
    let keeper = Keeper::new();
    let port = free_ports(4);
    for (taken, listener) in [(port, "the proxy"), (port + 2, "s2-1"), (port + 3, "s3-1")] {
        let dir = keeper.dir.join("herd");
        let held = TcpListener::bind(("127.0.0.1", taken)).expect("free");
        let output = up(&dir, port, &["--replicas", "0"]);
        refused(output, 1, &[&taken.to_string(), listener, "--base-port"]);
        assert_eq!(processes_of(&dir), [""; 0]);
        drop(held);
    }
    // A node that loses its port while others start takes them down with it.
    let dir = keeper.dir.join("herd");
    succeeds(up(&dir, port, &["--replicas", "0"]));
    let herd = Herd::open(&dir).expect("a herd");
    herd.down(Stop::Fast).expect("down");
    fs::write(herd.node("s2-1").expect("a node").data_dir().join("pg_hba.conf"), "nonsense")
        .expect("broken");
    refused(pgherd("up", &dir, &[]), 1, &["s2-1 did not start", "pg_hba.conf"]);
    assert_eq!(processes_of(&dir), [""; 0]);
}

#[test]
fn another_herd_costs_no_initdb() {
    let keeper = Keeper::new();
    let templates = keeper.dir.join("templates");
    let templates = templates.to_str().expect("a plain path").to_owned();
    // Two at once that both find no template: one makes it, the other waits for it.
    let raise = |name: &'static str| {
        let (dir, templates) = (keeper.dir.join(name), templates.clone());
        let port = free_ports(7);
        thread::spawn(move || {
            let begin = Instant::now();
            let more = ["--shards", "3", "--template-dir", &templates];
            succeeds(up(&dir, port, &more));
            begin.elapsed()
        })
    };
    let (first, second) = (raise("one"), raise("two"));
    let cold = first.join().expect("up").max(second.join().expect("up"));
    let made = || -> Vec<PathBuf> {
        let entries = fs::read_dir(&templates).expect("a cache").flatten().map(|e| e.path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let template = made();
    assert_eq!(template.len(), 1, "{template:?}");
    let age = || fs::metadata(&template[0]).and_then(|m| m.modified()).expect("a time");
    let before = age();
    let warm = raise("three").join().expect("up");
    assert_eq!((made(), age()), (template.clone(), before));
    println!("two herds of 6 nodes at once with initdb {cold:?}, a third without {warm:?}");
    // A second or two on an idle machine; this one may be busy.
    assert!(warm < Duration::from_secs(20), "{warm:?}");
    // Identifiers differ between herds too.
    let id = |name: &str| {
        let herd = Herd::open(&keeper.dir.join(name)).expect("a herd");
        herd.node("s1-1").and_then(|node| node.system_identifier()).expect("read")
    };
    assert!(id("one") != id("two") && id("two") != id("three"));
}

#[test]
fn removing_a_herd_while_it_starts_waits_and_removes_it_all() {
    let keeper = Keeper::new();
    let dir = keeper.dir.join("herd");
    let port = free_ports(3).to_string();
    let mut starting = Command::new(PGHERD)
        .args(["local", "up", "--no-fsync", "--unsharded", "--base-port", &port, "--dir"])
        .arg(&dir)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("pgherd runs");
    while !dir.join("local.json").exists() {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(
        succeeds(pgherd("down", &dir, &["--remove"])),
        "stopped 2 nodes, removed the herd's files\n"
    );
    assert!(starting.wait().expect("our child").success());
    assert_eq!(processes_of(&dir), [""; 0]);
    assert!(!dir.exists());
}

#[test]
fn another_users_herd_is_not_said_to_be_stopped() {
    // SAFETY: takes nothing and can't fail.
    if unsafe { libc::geteuid() } != 0 {
        println!("skipped: only root can become another user");
        return;
    }
    let keeper = Keeper::new();
    let dir = keeper.dir.join("herd");
    succeeds(up(&dir, free_ports(2), &["--unsharded", "--replicas", "0"]));
    // The program itself may lie where another user can't go.
    let program = keeper.dir.join("pgherd");
    fs::copy(PGHERD, &program).expect("copied");
    for verb in ["status", "down", "up"] {
        let mut command = Command::new(&program);
        command.args(["local", verb, "--dir"]).arg(&dir).uid(65534).gid(65534);
        refused(command.output().expect("it runs"), 2, &["as root"]);
    }
}

#[test]
fn down_touches_no_process_that_is_not_the_herds() {
    let keeper = Keeper::new();
    let (dir, other) = (keeper.dir.join("herd"), keeper.dir.join("herd2"));
    succeeds(up(&dir, free_ports(2), &["--unsharded", "--replicas", "0"]));
    succeeds(up(&other, free_ports(2), &["--unsharded", "--replicas", "0"]));
    let data = Herd::open(&dir).expect("a herd").node("s1-1").expect("a node").data_dir();
    let mut visitor =
        Command::new("sleep").arg("60").current_dir(&data).spawn().expect("sleep runs");

    assert_eq!(succeeds(pgherd("down", &dir, &[])), "stopped 1 node\n");
    assert_eq!(visitor.try_wait().expect("our child"), None, "a visitor was killed");
    visitor.kill().expect("killed");
    visitor.wait().expect("killed");
    assert_eq!(each(&json(pgherd("status", &other, &["--json"])), "state"), ["running"]);
    // A number in a stale file that means another process by now keeps nobody from starting.
    let stale = format!("{}\n{}\n", std::process::id(), data.display());
    fs::write(data.join("postmaster.pid"), stale).expect("written");
    succeeds(pgherd("up", &dir, &[]));
}

#[test]
fn servers_of_a_removed_directory_are_found() {
    let keeper = Keeper::new();
    let dir = keeper.dir.join("herd");
    succeeds(up(&dir, free_ports(2), &["--unsharded", "--replicas", "0"]));
    fs::remove_dir_all(&dir).expect("removed");
    succeeds(pgherd("down", &dir, &["--immediate"]));
    assert_eq!(processes_of(&dir), [""; 0]);
}

#[test]
fn a_place_that_servers_cannot_use_is_worked_around() {
    let keeper = Keeper::new();
    // Too long for a socket; and, when we are root, closed to the servers' user.
    let closed = keeper.dir.join("a-rather-long-name-".repeat(5));
    fs::create_dir(&closed).expect("made");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("ours");
    let dir = closed.join("herd");
    succeeds(up(&dir, free_ports(3), &["--unsharded"]));
    assert_eq!(load(&dir).database("app").expect("a database").shards.len(), 1);
    let herd = Herd::open(&dir).expect("a herd");
    let node = herd.node("s1-1").expect("a node");
    let (data, sockets) = (node.data_dir(), node.socket_dir());
    assert!(sockets.as_os_str().len() < 80, "{sockets:?}");
    let port = node.member().port.to_string();
    let by_socket = Command::new("psql")
        .args(["-h", sockets.to_str().expect("plain"), "-p", &port, "-U", "pgherd", "-Atc"])
        .args(["SELECT 41 + 1", "app"])
        .env("PGPASSWORD", "pgherd")
        .output();
    assert_eq!(succeeds(by_socket.expect("psql runs")), "42\n");
    succeeds(pgherd("down", &dir, &["--remove"]));
    assert!(!data.exists() && !sockets.exists() && !dir.exists());
}

#[test]
fn rules_and_names_are_taken_as_given() {
    let keeper = Keeper::new();
    let dir = keeper.dir.join("herd");
    let rules = keeper.dir.join("mine.yaml");
    fs::write(&rules, "keyspaces: []\nunlisted: home\n").expect("written");
    let rules = rules.to_str().expect("plain");
    let more = ["--shards", "1", "--replicas", "0", "--rules", rules, "--database", "My-App_2"];
    succeeds(up(&dir, free_ports(2), &more));
    let copied = fs::read_to_string(dir.join("rules.yaml")).expect("copied");
    assert_eq!(copied, "keyspaces: []\nunlisted: home\n");
    let herd = Herd::open(&dir).expect("a herd");
    assert_eq!(one(&herd.nodes()[0], "SELECT current_database()"), "My-App_2");
    assert!(load(&dir).database("My-App_2").is_some());

    let elsewhere = keeper.dir.join("other");
    refused(up(&elsewhere, 6000, &["--rules", "/nowhere.yaml"]), 1, &["/nowhere.yaml"]);
    refused(up(&elsewhere, 6000, &["--postgres-bin", "/nowhere"]), 1, &["/nowhere/postgres"]);
    refused(up(&elsewhere, 6000, &["--shards", "x"]), 2, &["--shards"]);
    refused(up(&elsewhere, 6000, &["--shards", "65"]), 2, &["--shards"]);
    refused(up(&elsewhere, 6000, &["--database", "it's"]), 2, &["--database"]);
    refused(pgherd("status", &elsewhere, &[]), 2, &["no herd lies in"]);
    // Somebody else's directory is not taken over.
    let foreign = keeper.dir.join("foreign");
    fs::create_dir_all(foreign.join("log")).expect("made");
    refused(up(&foreign, 6000, &[]), 2, &["log", "--dir"]);
}
