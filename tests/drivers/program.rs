//! A program in another language, run directly and through pgherd.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{TestHerd, Want};

/// Seconds after which a program hangs; a JVM on a loaded machine takes its time to start.
const LIMIT: &str = "180";

const RULES: &str = include_str!("same/rules.yaml");

/// Few enough connections that the programs' six clients share them, few enough prepared
/// statements that they are evicted.
const SETTINGS: &str = "\n[pool]\nsize = 3\nprepared_statements = 20\n";

/// What a program is run on.
#[derive(Clone, Copy)]
pub enum On {
    Unsharded,
    Sharded,
}

pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers/same")
}

/// A file under `target/`, where `tools/test` installs.
pub fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(path)
}

/// Whether `tools/test` has found that a driver can't be had on this machine, which it says at
/// its end.
pub fn can_not_be_had(driver: &str) -> bool {
    let without = std::env::var("PGHERD_WITHOUT").unwrap_or_default();
    without.split_whitespace().any(|one| one == driver)
}

/// Runs a program on a plain Postgres and through pgherd; panics at the first difference.
pub fn same(on: On, program: &Path, arguments: &[&str]) {
    let place = place(on);
    // Its own, since programs that keep several connections would wait for each other.
    let proxy = place.herd.proxy_with(|text| text + SETTINGS);
    let run = |port, database| {
        run(port, database, on, program, arguments).unwrap_or_else(|wrong| {
            panic!("on {port}, the proxy's is {}: {wrong}\n{}", proxy.port(), proxy.log())
        })
    };
    let direct = run(place.direct, "plain");
    let through = run(proxy.port(), "app");
    let lines = direct.lines().count();
    assert!(lines > 5, "too little was said:\n{direct}");
    for (i, (one, other)) in direct.lines().zip(through.lines()).enumerate() {
        assert_eq!(
            one,
            other,
            "line {} of {}: directly, and through pgherd",
            i + 1,
            program.display()
        );
    }
    assert_eq!(lines, through.lines().count(), "{}: {through}", program.display());
    println!("{lines} lines");
}

/// A herd, and a plain database on one of its servers.
struct Place {
    herd: &'static TestHerd,
    direct: u16,
}

fn place(on: On) -> &'static Place {
    static UNSHARDED: OnceLock<Place> = OnceLock::new();
    static SHARDED: OnceLock<Place> = OnceLock::new();
    let (cell, want) = match on {
        On::Unsharded => (&UNSHARDED, Want::unsharded(0)),
        On::Sharded => (&SHARDED, Want::sharded(3, 0, RULES)),
    };
    cell.get_or_init(|| {
        let herd = TestHerd::shared(&want);
        let direct = herd.primary("s1").expect("a primary").member().port;
        let made = Command::new("psql")
            .args(["-X", "-c", "CREATE DATABASE plain TEMPLATE template0"])
            .arg(format!("postgres://pgherd:pgherd@127.0.0.1:{direct}/app"))
            .output()
            .expect("psql runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Place { herd, direct }
    })
}

fn run(
    port: u16,
    database: &str,
    on: On,
    program: &Path,
    arguments: &[&str],
) -> Result<String, String> {
    let mut command = Command::new("timeout");
    command.arg(LIMIT).arg(program).args(arguments).current_dir(sources());
    command.env("PGHOST", "127.0.0.1").env("PGPORT", port.to_string());
    command.env("PGUSER", "pgherd").env("PGPASSWORD", "pgherd").env("PGDATABASE", database);
    command.env_remove("PGHERD_SHARDED");
    if let On::Sharded = on {
        command.env("PGHERD_SHARDED", "1");
    }
    let ran = command.output().expect("timeout runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&ran.stderr);
    if ran.status.success() {
        return Ok(said);
    }
    Err(format!("{} ended with {}\n{said}\n{wrong}", program.display(), ran.status))
}
