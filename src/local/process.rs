//! The server processes of a herd: found by where they work, and signalled only there.
//!
//! A process belongs to a node when it runs `postgres` and its working directory is the node's
//! data directory, which is where a postmaster and all its children stand. That holds from the
//! moment it is executed: before `postmaster.pid` is written, after the directory was removed,
//! and for children that outlived a killed postmaster.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{At, Error};

/// How a node is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Clients are cut off, a checkpoint is written. Immediate when it takes over 30 s.
    Fast,
    /// As after a crash, but nothing is left behind outside the data directory.
    Immediate,
    /// `kill -9` for every process of the node: a power cut.
    Kill,
}

const FAST_TAKES: Duration = Duration::from_secs(30);
const IMMEDIATE_TAKES: Duration = Duration::from_secs(5);
const KILL_TAKES: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// A running process of a node.
#[derive(Debug)]
pub(super) struct Process {
    pub pid: i32,
    pub parent: i32,
    /// Stopped by a signal (SIGSTOP), or by a debugger.
    pub paused: bool,
    /// Says of itself `postgres: …`, as a postmaster's children do and it does not.
    titled: bool,
    /// The data directory that it works in.
    pub data: PathBuf,
}

/// Every server process whose data directory is `root` or lies in it.
pub(super) fn within(root: &Path) -> Result<Vec<Process>, Error> {
    let proc = Path::new("/proc");
    // A root that does not exist yet has no processes; one that was removed may have.
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut found = Vec::new();
    for entry in fs::read_dir(proc).at("list", proc)? {
        let entry = entry.at("list", proc)?;
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(process) = pid.and_then(|pid| look(pid, &root)) {
            found.push(process);
        }
    }
    Ok(found)
}

/// The process `pid`, if it is a server that works in `root`.
fn look(pid: i32, root: &Path) -> Option<Process> {
    let data = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let data = match data.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(removed) => PathBuf::from(removed),
        None => data,
    };
    if !data.starts_with(root) {
        return None;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    if !runs_server(pid, &stat) {
        return None;
    }
    // proc(5): pid (name) state ppid …, and a name may hold parentheses and blanks.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let titled = fs::read(format!("/proc/{pid}/cmdline")).ok()?.starts_with(b"postgres: ");
    (state != "Z" && state != "X").then(|| Process {
        pid,
        parent,
        paused: state == "T" || state == "t",
        titled,
        data,
    })
}

fn runs_server(pid: i32, stat: &str) -> bool {
    match fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(program) => {
            let name = program.file_name().unwrap_or_default();
            // The latter is a server whose package was upgraded under it.
            name == "postgres" || name == "postgres (deleted)"
        }
        // On its way out, without memory, and still with its sockets: it has not left yet.
        Err(e) if e.kind() == io::ErrorKind::NotFound => stat.contains(" (postgres) "),
        Err(_) => false,
    }
}

/// Those that no other of them started: postmasters, and orphans of killed ones.
fn heads(processes: &[Process]) -> impl Iterator<Item = &Process> {
    processes.iter().filter(|p| !processes.iter().any(|q| q.pid == p.parent))
}

/// The postmaster among the processes of one node.
pub(super) fn postmaster(processes: &[Process]) -> Option<&Process> {
    heads(processes).find(|head| !head.titled)
}

/// Stops every server in `root` and returns when none of their processes is left.
/// Returns how many nodes ran.
pub(super) fn stop(root: &Path, how: Stop) -> Result<usize, Error> {
    let running = within(root)?;
    let mut nodes: Vec<_> = running.iter().map(|p| &p.data).collect();
    nodes.sort();
    nodes.dedup();
    if how == Stop::Fast && ask(root, libc::SIGINT, FAST_TAKES)? {
        return Ok(nodes.len());
    }
    if how != Stop::Kill && ask(root, libc::SIGQUIT, IMMEDIATE_TAKES)? {
        return Ok(nodes.len());
    }
    kill(root)?;
    Ok(nodes.len())
}

/// Signals the postmasters; whether all processes were gone in time.
fn ask(root: &Path, signal: i32, takes: Duration) -> Result<bool, Error> {
    let processes = within(root)?;
    for head in heads(&processes) {
        send(head.pid, root, signal)?;
    }
    // One that is paused would not hear the signal.
    for process in processes.iter().filter(|p| p.paused) {
        send(process.pid, root, libc::SIGCONT)?;
    }
    let until = Instant::now() + takes;
    while !within(root)?.is_empty() {
        if Instant::now() > until {
            return Ok(false);
        }
        std::thread::sleep(POLL);
    }
    Ok(true)
}

fn kill(root: &Path) -> Result<(), Error> {
    let until = Instant::now() + KILL_TAKES;
    loop {
        let processes = within(root)?;
        if processes.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            let pids: Vec<_> = processes.iter().map(|p| p.pid.to_string()).collect();
            return Err(Error::Failed(format!(
                "processes {} in {} outlive kill -9",
                pids.join(", "),
                root.display()
            )));
        }
        // The postmaster first, so that it starts no other.
        for process in heads(&processes).chain(&processes) {
            send(process.pid, root, libc::SIGKILL)?;
        }
        std::thread::sleep(POLL);
    }
}

/// Freezes every process in `root`; returns when none of them runs.
pub(super) fn pause(root: &Path) -> Result<(), Error> {
    let until = Instant::now() + KILL_TAKES;
    loop {
        let processes = within(root)?;
        if processes.iter().all(|p| p.paused) {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Error::Failed(format!("can't pause the server in {}", root.display())));
        }
        for process in heads(&processes).chain(&processes) {
            send(process.pid, root, libc::SIGSTOP)?;
        }
        std::thread::sleep(POLL);
    }
}

/// Lets the processes in `root` run on.
pub(super) fn resume(root: &Path) -> Result<(), Error> {
    for process in within(root)? {
        send(process.pid, root, libc::SIGCONT)?;
    }
    Ok(())
}

/// Signals a process, if it is still the one that works in `root`: the pidfd is taken first, so
/// that the number can't come to mean another process between the look and the signal.
fn send(pid: i32, root: &Path, signal: i32) -> Result<(), Error> {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let Some(process) = open(pid).map_err(|e| cannot(pid, e))? else { return Ok(()) };
    if look(pid, &root).is_none() {
        return Ok(());
    }
    // SAFETY: the descriptor is ours and open; a null siginfo means "as kill(2) does".
    let sent = unsafe {
        let none = std::ptr::null::<libc::siginfo_t>();
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, none, 0)
    };
    if sent == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        gone if gone.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        error => Err(cannot(pid, error)),
    }
}

fn cannot(pid: i32, error: io::Error) -> Error {
    Error::Failed(format!("can't signal process {pid}: {error}"))
}

/// A descriptor of a process; `None` when it is gone.
fn open(pid: i32) -> io::Result<Option<OwnedFd>> {
    // SAFETY: takes two numbers; a returned descriptor is new and nobody else's.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::ESRCH) { Ok(None) } else { Err(error) };
    }
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: as above.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
}
