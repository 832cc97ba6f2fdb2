//! The harness leaves nothing behind when the test binary is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{TestHerd, Want, processes_of};

/// Makes this binary, run again, hold a herd until it is killed.
const HOLD: &str = "PGHERD_TEST_HOLDS_A_HERD";

#[test]
fn a_killed_test_binary_leaves_no_server_and_no_file() {
    if std::env::var_os(HOLD).is_some() {
        return hold();
    }
    let mut binary = Command::new(std::env::current_exe().expect("this binary"));
    binary.args([
        "--exact",
        "support_itself::a_killed_test_binary_leaves_no_server_and_no_file",
        "--nocapture",
    ]);
    let mut child = binary.env(HOLD, "1").stdout(Stdio::piped()).spawn().expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let dir: PathBuf = lines
        .map(|line| line.expect("a line"))
        .find_map(|line| line.split_once("holds /").map(|(_, dir)| Path::new("/").join(dir)))
        .expect("it says where");
    let postmasters = processes_of(&dir).iter().filter(|line| line.contains(" -D ")).count();
    assert_eq!(postmasters, 2, "{:?}", processes_of(&dir));
    child.kill().expect("killed");
    child.wait().expect("killed");
    let until = Instant::now() + Duration::from_secs(20);
    let outer = dir.parent().expect("a parent");
    while !processes_of(&dir).is_empty() || outer.exists() {
        assert!(Instant::now() < until, "left: {:?} {outer:?}", processes_of(&dir));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the binary does that is to be killed.
fn hold() {
    let herd = TestHerd::shared(&Want::unsharded(1));
    herd.nodes()[1].pause().expect("paused");
    println!("holds {}", herd.dir().display());
    std::thread::sleep(Duration::from_secs(120));
}
