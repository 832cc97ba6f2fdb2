//! A proxy as a child process.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How long a proxy may take to listen.
const START_TAKES: Duration = Duration::from_secs(30);

/// A running `pgherd proxy`. Killed when it is dropped, or when the test binary ends.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Proxy {
    /// Starts a proxy and waits until it listens on `port`.
    pub fn start(config: &Path, port: u16) -> Proxy {
        let log = config.with_extension(format!("{port}.log"));
        let file = File::options().create(true).append(true).open(&log).expect("a log");
        // `tools/load` measures a release build.
        let program = std::env::var_os("PGHERD_PROGRAM").unwrap_or(super::PGHERD.into());
        let mut command = Command::new(program);
        command.arg("proxy").arg("-c").arg(config).stdin(Stdio::null());
        command.stdout(file.try_clone().expect("a log")).stderr(file);
        let mut proxy = Proxy { child: spawn(command), port, log };
        let until = Instant::now() + START_TAKES;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = proxy.child.try_wait().expect("it is our child") {
                panic!("the proxy ended with {status}:\n{}", proxy.log());
            }
            assert!(Instant::now() < until, "no proxy on {port}:\n{}", proxy.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        proxy
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connection string of a database behind it, for the herd's user.
    pub fn dsn(&self, database: &str) -> String {
        format!("postgres://pgherd:pgherd@127.0.0.1:{}/{database}", self.port)
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it a signal, such as `libc::SIGTERM`.
    pub fn signal(&self, signal: i32) {
        // SAFETY: takes two numbers; the child is not waited for yet, so the id is still its own.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0, "the proxy is our child");
    }

    /// Waits for its end; `None` when it takes longer.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            let ended = self.child.try_wait().expect("it is our child");
            if ended.is_some() || Instant::now() > until {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the proxy on {}:\n{}", self.port, self.log());
        }
    }
}

/// Starts a process that dies with this one. A death signal comes when the thread that started
/// the process ends, so one thread that never ends starts them all.
fn spawn(mut command: Command) -> Child {
    type Order = (Command, Sender<std::io::Result<Child>>);
    static STARTER: OnceLock<Sender<Order>> = OnceLock::new();
    let parent = std::process::id();
    // SAFETY: prctl and getppid are async-signal-safe and touch no memory.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // It may have ended before the signal was asked for.
            match u32::try_from(libc::getppid()) {
                Ok(now) if now == parent => Ok(()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            }
        });
    }
    let starter = STARTER.get_or_init(|| {
        let (orders, taken): (Sender<Order>, Receiver<Order>) = channel();
        std::thread::spawn(move || {
            for (mut command, answer) in taken {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, started) = channel();
    starter.send((command, answer)).expect("the starter lives");
    started.recv().expect("the starter lives").expect("pgherd runs")
}
