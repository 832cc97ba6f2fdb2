//! Real herds and real proxies for tests: `mod support` of each test binary that needs them.
//!
//! Nothing is left behind, however a test ends:
//! - A herd of one test is removed when it is dropped, also by a panic.
//! - Each herd has a **keeper**, a small process in a session of its own that waits for the end
//!   of a pipe and then runs `pgherd local down --remove`. The kernel closes the pipe when the
//!   test binary ends, be it by `exit`, by a panic or by kill -9. Herds that the whole binary
//!   shares are removed that way too. A death signal on the servers (PR_SET_PDEATHSIG) would not
//!   do: it comes when the *thread* that started a server ends, a paused server does not hear
//!   it, and nobody removes the files.
//! - A **proxy** is a single process that needs no farewell, so there a death signal does: all
//!   are started by one thread that lives as long as the binary.
#![allow(dead_code, reason = "each test binary uses a part of it")]

mod proxy;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use pgherd::local::{self, Asked, Error, Herd, Options};

pub use proxy::Proxy;

/// The program under test.
pub const PGHERD: &str = env!("CARGO_BIN_EXE_pgherd");

/// Below the ports that the kernel gives to outgoing connections (32768 and up).
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// What herd a test needs; equal wants share one herd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    pub shards: u16,
    pub replicas: u16,
    pub unsharded: bool,
    /// Text of the sharding rules; `pgherd local`'s example when empty.
    pub rules: String,
}

impl Want {
    /// So many shards and replicas of each, under these rules.
    pub fn sharded(shards: u16, replicas: u16, rules: &str) -> Want {
        Want { shards, replicas, unsharded: false, rules: rules.into() }
    }

    /// One group.
    pub fn unsharded(replicas: u16) -> Want {
        Want { shards: 1, replicas, unsharded: true, rules: String::new() }
    }
}

/// A running herd; derefs to `pgherd::local::Herd`, which stops, pauses and promotes nodes.
#[derive(Debug)]
pub struct TestHerd {
    herd: Herd,
    keeper: Keeper,
}

impl Deref for TestHerd {
    type Target = Herd;

    fn deref(&self) -> &Herd {
        &self.herd
    }
}

impl TestHerd {
    /// A herd for one test, which may break it. Removed when it is dropped.
    pub fn start(want: &Want) -> TestHerd {
        for _ in 0..20 {
            let base_port = free_ports(want.shards * (want.replicas + 1) + 1);
            match TestHerd::start_at(want, base_port) {
                Ok(herd) => return herd,
                // Another program took one between our look and the start.
                Err(Error::PortTaken { .. }) => {}
                Err(error) => panic!("no herd {want:?}: {error}"),
            }
        }
        panic!("no free ports for {want:?}");
    }

    fn start_at(want: &Want, base_port: u16) -> Result<TestHerd, Error> {
        let keeper = Keeper::new();
        let mut options = Options::new(keeper.dir.join("herd"));
        options.fsync = false;
        options.asked = Asked {
            shards: Some(want.shards),
            replicas: Some(want.replicas),
            base_port: Some(base_port),
            database: None,
            unsharded: want.unsharded,
        };
        if !want.rules.is_empty() {
            let path = keeper.dir.join("given.yaml");
            fs::write(&path, &want.rules).expect("the rules are written");
            options.rules = Some(path);
        }
        Ok(TestHerd { herd: local::up(&options, &|_| {})?, keeper })
    }

    /// A herd that all tests of this binary share; they must not break it, and name their
    /// tables and keys apart.
    pub fn shared(want: &Want) -> &'static TestHerd {
        type Herds = Mutex<BTreeMap<Want, Arc<OnceLock<&'static TestHerd>>>>;
        static SHARED: Herds = Mutex::new(BTreeMap::new());
        let cell = {
            let mut herds = SHARED.lock().unwrap_or_else(|broken| broken.into_inner());
            Arc::clone(herds.entry(want.clone()).or_default())
        };
        // Others that want the same wait here, and none else.
        cell.get_or_init(|| Box::leak(Box::new(TestHerd::start(want))))
    }

    /// Starts a proxy with the herd's own settings, on its base port.
    pub fn proxy(&self) -> Proxy {
        Proxy::start(&self.herd.config(), self.herd.shape().base_port)
    }

    /// Starts a proxy on a port of its own, with settings that `change` made from the herd's.
    pub fn proxy_with(&self, change: impl FnOnce(String) -> String) -> Proxy {
        let port = free_ports(1);
        let own = format!("127.0.0.1:{}", self.herd.shape().base_port);
        let text = fs::read_to_string(self.herd.config()).expect("the settings are there");
        assert!(text.contains(&own), "no {own} in {text}");
        let text = change(text.replace(&own, &format!("127.0.0.1:{port}")));
        // Beside the herd's own, since the settings name their files relative to themselves.
        let config = self.herd.dir().join(format!("proxy-{port}.toml"));
        fs::write(&config, text).expect("the settings are written");
        Proxy::start(&config, port)
    }
}

impl Drop for TestHerd {
    fn drop(&mut self) {
        if let Err(error) = local::remove(self.herd.dir()) {
            eprintln!("can't remove {}: {error}", self.herd.dir().display());
        }
    }
}

/// A directory, and the process that clears it when this process has ended.
#[derive(Debug)]
pub struct Keeper {
    pub dir: PathBuf,
    process: Child,
}

impl Keeper {
    /// A new directory. A herd in it lies in `herd`, or in any other directory inside.
    pub fn new() -> Keeper {
        const SCRIPT: &str = "cat > /dev/null\n\
            for herd in \"$2\"/*/; do \"$1\" local down --remove --dir \"$herd\"; done\n\
            rm -rf \"$2\"";
        let dir = tempfile::Builder::new().prefix("pgherd-test-").tempdir_in(parent());
        let dir = dir.expect("a directory").keep();
        // The servers' user has to pass through it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&dir, open).expect("the directory is ours");
        let mut keeper = Command::new("sh");
        keeper.arg("-c").arg(SCRIPT).arg("keeper").arg(PGHERD).arg(&dir);
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: setsid is async-signal-safe and touches no memory.
        unsafe {
            keeper.pre_exec(|| match libc::setsid() {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            });
        }
        let process = keeper.spawn().expect("sh runs");
        Keeper { dir, process }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Where test directories are made: in memory where there is enough, since a file system takes
/// its time over thousands of files that are made right after thousands were removed.
fn parent() -> PathBuf {
    const ENOUGH: u64 = 4 << 30;
    let memory = c"/dev/shm";
    // SAFETY: statvfs is plain data that the call fills; the path ends in a zero.
    let free = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        match libc::statvfs(memory.as_ptr(), &mut stat) {
            0 => stat.f_bavail * stat.f_frsize,
            _ => 0,
        }
    };
    if free > ENOUGH { "/dev/shm".into() } else { std::env::temp_dir() }
}

/// The first of so many ports in a row on which nobody listens now.
pub fn free_ports(count: u16) -> u16 {
    for _ in 0..1000 {
        let first = rand::random_range(PORTS.start..PORTS.end - count);
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
    panic!("no {count} free ports in a row in {PORTS:?}");
}

/// Processes that have `dir` in their command line or work in it, found without the help of
/// what is tested.
pub fn processes_of(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().expect("a plain path");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let apart = line.contains(" keeper ") || pid == std::process::id().to_string();
        if !apart && (line.contains(dir) || cwd.to_string_lossy().contains(dir)) {
            found.push(format!("{pid} {line}"));
        }
    }
    found
}
