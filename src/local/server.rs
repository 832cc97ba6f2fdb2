//! Starts one server and waits until it takes connections.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::error::{At, Error};
use super::postgres::Postgres;

const POLL: Duration = Duration::from_millis(5);

/// Where one server lives.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub name: String,
    pub data: PathBuf,
    pub log: PathBuf,
    /// Directory of its Unix socket.
    pub sockets: PathBuf,
    pub port: u16,
}

/// A server whose start is waited for.
pub(super) struct Started {
    pid: i32,
    /// Tells of its end, when it is our child.
    ended: Option<Receiver<std::io::Result<ExitStatus>>>,
    /// Length of the log before the start.
    log_start: u64,
}

impl Started {
    /// A server that somebody else started.
    pub fn before(pid: i32) -> Started {
        Started { pid, ended: None, log_start: 0 }
    }
}

/// Starts a server. `extra` are further arguments, such as `-c name=value`.
///
/// What tells this node from others goes on the command line, not into postgresql.conf, which
/// pg_rewind and base backups carry from node to node.
pub(super) fn start(
    postgres: &Postgres,
    place: &Place,
    fsync: bool,
    extra: &[String],
) -> Result<Started, Error> {
    forget(place)?;
    let log = File::options().create(true).append(true).open(&place.log).at("open", &place.log)?;
    let log_start = log.metadata().at("look at", &place.log)?.len();
    let program = postgres.bin.join("postgres");
    let mut command = postgres.command("postgres");
    command.arg("-D").arg(&place.data).arg("-k").arg(&place.sockets);
    command.arg("-p").arg(place.port.to_string());
    let fsync = if fsync { "on" } else { "off" };
    for (setting, value) in
        [("listen_addresses", "127.0.0.1"), ("cluster_name", &place.name), ("fsync", fsync)]
    {
        command.arg("-c").arg(format!("{setting}={value}"));
    }
    command.args(extra).current_dir(&place.data);
    command.stdout(log.try_clone().at("open", &place.log)?).stderr(log);
    // A session of its own: Ctrl-C in the terminal that started it is not meant for it.
    // SAFETY: setsid is async-signal-safe and touches no memory.
    unsafe {
        command.pre_exec(|| match libc::setsid() {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let mut child = command.spawn().at("run", &program)?;
    let pid = i32::try_from(child.id())
        .map_err(|_| Error::Failed(format!("{} has no usable process id", place.name)))?;
    let (tell, ended) = channel();
    // Waits for its end, so that no dead process stays in the table while we live.
    std::thread::Builder::new()
        .name("reaper".into())
        .stack_size(64 * 1024)
        .spawn(move || tell.send(child.wait()))
        .at("watch", &program)?;
    Ok(Started { pid, ended: Some(ended), log_start })
}

/// Removes the lock files of a server that was killed. The caller knows that no process works
/// here; but their number may mean another process by now, or a dead one that nobody waited for,
/// and would keep the server from starting.
fn forget(place: &Place) -> Result<(), Error> {
    let socket = place.sockets.join(format!(".s.PGSQL.{}", place.port));
    let lock = place.sockets.join(format!(".s.PGSQL.{}.lock", place.port));
    for path in [place.data.join("postmaster.pid"), lock, socket] {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).at("remove", &path);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Waits until the server takes connections (on a replica: read-only ones).
pub(super) fn wait_ready(place: &Place, started: &Started, until: Instant) -> Result<(), Error> {
    while !says_ready(place, started.pid) {
        if Instant::now() > until {
            return Err(Error::Failed(format!(
                "{} does not answer in time; its log {} ends:\n{}",
                place.name,
                place.log.display(),
                tail(&place.log, started.log_start)
            )));
        }
        match &started.ended {
            Some(ended) => match ended.recv_timeout(POLL) {
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) | Ok(_) => return Err(died(place, started)),
            },
            None => std::thread::sleep(POLL),
        }
    }
    Ok(())
}

/// Whether the postmaster `pid` takes connections: line 8 of postmaster.pid is its state
/// (miscadmin.h, LOCK_FILE_LINE_PM_STATUS).
pub(super) fn says_ready(place: &Place, pid: i32) -> bool {
    let Ok(text) = fs::read_to_string(place.data.join("postmaster.pid")) else { return false };
    let mut lines = text.lines();
    lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid)
        && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

fn died(place: &Place, started: &Started) -> Error {
    let log = tail(&place.log, started.log_start);
    if log.contains("Address already in use") {
        return Error::PortTaken { port: place.port, listener: place.name.clone() };
    }
    Error::Failed(format!(
        "{} did not start; its log {} ends:\n{log}",
        place.name,
        place.log.display()
    ))
}

/// The last lines of a log from a position on.
fn tail(log: &Path, from: u64) -> String {
    const LINES: usize = 12;
    let text = fs::read(log).unwrap_or_default();
    let from = usize::try_from(from).unwrap_or(0).min(text.len());
    let text = String::from_utf8_lossy(&text[from..]);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
