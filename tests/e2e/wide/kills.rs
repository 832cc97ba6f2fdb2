//! Something dies while a transaction over three shards is at each point of its commit: afterwards
//! it is there on all of them or on none, as the decision says and as the client has heard.

use std::thread;

use pgherd::local::Stop;

use super::speaker::Speaker;
use super::stage::{HASTE, SHARDS, Stage, write_all};

/// In the order in which a commit comes by.
const POINTS: [&str; 4] = ["begun", "prepared", "decided", "finished"];

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Proxy,
    /// The server that decides.
    Decider(Stop),
    /// One that prepares its part.
    Preparer(Stop),
    Client,
}

/// What the client of the commit was told: the code of an error, or nothing more.
type Told = Option<Option<String>>;

/// Has a client commit on all shards, and strikes when it is held at `point`.
fn strike(stage: &mut Stage, point: &str, victim: Victim) {
    let tag = format!("{point} {victim:?}");
    let before = stage.decisions(true);
    stage.hold(point);
    let (keys, port, named) = (stage.fresh(), stage.port, tag.clone());
    let vanishes = victim == Victim::Client;
    let client = thread::spawn(move || -> Told {
        let mut speaker = Speaker::connect(port).expect("it lets us in");
        if !vanishes {
            return write_all(&mut speaker, keys, &named).ok().map(|heard| heard.code());
        }
        speaker.must("BEGIN");
        for key in keys {
            speaker.must(&format!("INSERT INTO rows VALUES ({key}, '{named}')"));
        }
        pgherd::wire::frontend::write_query(&mut speaker.output, b"COMMIT");
        speaker.send().expect("sent");
        None
    });
    stage.until_reached(point);
    match victim {
        Victim::Proxy => {
            stage.kill_proxy();
            stage.release();
            stage.start_proxy();
        }
        Victim::Decider(how) => {
            stage.stop("s1", how);
            stage.release();
            stage.start("s1");
        }
        Victim::Preparer(how) => {
            stage.stop("s2", how);
            stage.release();
            stage.start("s2");
        }
        Victim::Client => stage.release(),
    }
    let told = client.join().expect("no panic");
    stage.until_quiet();
    let decided = stage.decisions(true).difference(&before).count();
    let there = stage.tagged(&tag);
    assert!(there == 0 || there == 3, "{tag}: torn, on {there} shards\n{}", stage.log());
    assert_eq!(decided * 3, there, "{tag}: other than decided\n{}", stage.log());
    match &told {
        Some(None) => assert_eq!(there, 3, "{tag}: COMMIT was heard"),
        Some(Some(code)) => assert_eq!((there, &**code), (0, "08006"), "{tag}: an error was heard"),
        None => {}
    }
    let is_decided = POINTS[2..].contains(&point);
    let expected = match victim {
        Victim::Proxy => is_decided,
        // The others have not prepared yet, or have, and are committed none the less.
        Victim::Decider(_) => is_decided,
        Victim::Preparer(_) => point != "begun",
        Victim::Client => true,
    };
    assert_eq!(there == 3, expected, "{tag}\n{}", stage.log());
    stage.works();
}

#[test]
fn the_proxy_or_its_client() {
    let mut stage = Stage::new("\n[pool]\nsize = 2\n");
    for point in POINTS {
        strike(&mut stage, point, Victim::Client);
        strike(&mut stage, point, Victim::Proxy);
    }
    stage.is_whole(2);
    resolver(&mut stage);
    two_proxies(&mut stage);
    stage.is_whole(2);
}

#[test]
fn a_server() {
    let mut stage = Stage::new("\n[pool]\nsize = 2\nretry_backoff_max = \"1s\"\n");
    for (at, point) in POINTS.into_iter().enumerate() {
        let hows = [Stop::Kill, Stop::Immediate];
        strike(&mut stage, point, Victim::Decider(hows[at % 2]));
        strike(&mut stage, point, Victim::Preparer(hows[(at + 1) % 2]));
    }
    stage.is_whole(2);
}

/// Leaves a transaction behind that is prepared, and decided if it came so far.
fn leave(stage: &mut Stage, point: &str, tag: &str) {
    stage.hold(point);
    let (keys, port, named) = (stage.fresh(), stage.port, tag.to_owned());
    let client = thread::spawn(move || {
        let mut speaker = Speaker::connect(port).expect("it lets us in");
        assert!(write_all(&mut speaker, keys, &named).is_err(), "its proxy was killed");
    });
    stage.until_reached(point);
    stage.kill_proxy();
    stage.release();
    client.join().expect("no panic");
}

/// A proxy is killed while it finishes what another left.
fn resolver(stage: &mut Stage) {
    for (point, there) in [("prepared", 0), ("decided", 3)] {
        let tag = format!("resolver {point}");
        leave(stage, point, &tag);
        stage.hold("asked");
        stage.start_proxy();
        stage.until_reached("asked");
        stage.kill_proxy();
        stage.release();
        stage.start_proxy();
        stage.until_quiet();
        assert_eq!(stage.tagged(&tag), there, "{tag}");
    }
}

/// One proxy finishes what another has left, and leaves alone what another is about.
fn two_proxies(stage: &mut Stage) {
    let other = stage.herd.proxy_with(|own| own + HASTE);
    for (point, there) in [("prepared", 0), ("decided", 3)] {
        let tag = format!("of the other {point}");
        leave(stage, point, &tag);
        stage.until_quiet();
        assert_eq!(stage.tagged(&tag), there, "{tag}");
        stage.start_proxy();
    }
    // One that is only slow hears what became of its transaction meanwhile.
    for (point, there, code) in [("prepared", 0, Some("40001")), ("decided", 3, None)] {
        let tag = format!("slow {point}");
        stage.hold(point);
        let (keys, port, named) = (stage.fresh(), stage.port, tag.clone());
        let client = thread::spawn(move || {
            let mut speaker = Speaker::connect(port).expect("it lets us in");
            write_all(&mut speaker, keys, &named).expect("answered").code()
        });
        stage.until_reached(point);
        let until = std::time::Instant::now() + super::stage::SOON;
        let prepared = "SELECT count(*) FROM pg_prepared_xacts WHERE database = 'app'";
        while SHARDS.iter().any(|shard| stage.value(shard, prepared) != "0") {
            assert!(std::time::Instant::now() < until, "{tag}: the other doesn't finish it");
            thread::sleep(std::time::Duration::from_millis(50));
        }
        stage.release();
        assert_eq!(client.join().expect("no panic").as_deref(), code, "{tag}");
        stage.until_quiet();
        assert_eq!(stage.tagged(&tag), there, "{tag}");
    }
    drop(other);
    // One that takes its time within `resolve_after` isn't disturbed.
    let patient = HASTE.replace("resolve_after = \"1s\"", "resolve_after = \"1h\"");
    let other = stage.herd.proxy_with(|own| own + &patient);
    stage.hold("prepared");
    let (keys, port) = (stage.fresh(), stage.port);
    let client = thread::spawn(move || {
        let mut speaker = Speaker::connect(port).expect("it lets us in");
        write_all(&mut speaker, keys, "undisturbed").expect("answered").code()
    });
    stage.until_reached("prepared");
    // Longer than the proxy that commits would leave alone what isn't its own.
    thread::sleep(std::time::Duration::from_secs(2));
    stage.release();
    assert_eq!(client.join().expect("no panic"), None);
    assert_eq!(stage.tagged("undisturbed"), 3);
    drop(other);
}
