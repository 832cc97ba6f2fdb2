//! What the commands do with a stdout that can't be written to.

use std::fs::File;
use std::io::pipe;
use std::process::{Command, Output, Stdio};

fn check_into(stdout: impl Into<Stdio>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgherd"))
        .args(["check", "-c", "sharding-rules/absent.toml", "--json"])
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|child| child.wait_with_output())
        .expect("pgherd runs")
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let output = check_into(writer);
    // As with a reader: the file is wrong, and nothing else is.
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
}

#[test]
fn a_full_disk_is_an_error() {
    let output = check_into(File::options().write(true).open("/dev/full").expect("/dev/full"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("can't write to stdout"), "{said}");
}
