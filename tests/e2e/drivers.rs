//! Drivers of other languages: each script in `tests/drivers` runs against a proxy of three
//! shards, and has to end with exit code 0.
//!
//! A script finds the proxy in the environment as libpq does (PGHOST, PGPORT, PGUSER,
//! PGPASSWORD, PGDATABASE), and in PGHERD_DSN.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{TestHerd, Want};

/// The rules that the scripts work under.
const RULES: &str = include_str!("../../sharding-rules/social.yaml");

fn scripts(ending: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers");
    let entries =
        fs::read_dir(&dir).expect("tests/drivers").map(|entry| entry.expect("one").path());
    let mut scripts: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    scripts.sort();
    scripts
}

#[test]
fn python_scripts_pass() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python");
    assert!(python.exists(), "no {}: `tools/test e2e` makes it", python.display());
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    let proxy = herd.proxy();
    let scripts = scripts("py");
    assert!(!scripts.is_empty());
    for script in scripts {
        let ran = Command::new(&python)
            .arg(&script)
            .env("PGHERD_DSN", proxy.dsn("app"))
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", proxy.port().to_string())
            .env("PGUSER", "pgherd")
            .env("PGPASSWORD", "pgherd")
            .env("PGDATABASE", "app")
            .output()
            .expect("python runs");
        let said = String::from_utf8_lossy(&ran.stdout);
        let wrong = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{}: {}\n{said}{wrong}", script.display(), ran.status);
        println!("{}:\n{said}", script.display());
    }
}
