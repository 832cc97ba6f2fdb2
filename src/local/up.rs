//! `up`: makes what is missing, starts what does not run, waits until all of it answers.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{At, Error};
use super::files;
use super::herd::{Herd, absolute, lock, must_be_ours};
use super::postgres::Postgres;
use super::process::Stop;
use super::raise::Raise;
use super::state::{Asked, State};

/// What `up` is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The herd's directory; made if it is missing.
    pub dir: PathBuf,
    pub asked: Asked,
    /// Sharding rules to copy in.
    pub rules: Option<PathBuf>,
    /// Directory of `postgres` and `initdb`; found when not named.
    pub postgres_bin: Option<PathBuf>,
    /// Where template data directories are kept.
    pub template_dir: Option<PathBuf>,
    /// Whether a commit reaches the disk. Without it a crash of the machine (not of a server)
    /// loses the herd; the first `up` decides.
    pub fsync: bool,
    /// How long all of it may take.
    pub limit: Duration,
}

impl Options {
    /// Defaults: 3 shards of a primary and a replica, from port 6432 on, 120 s to start.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options {
            dir: dir.into(),
            asked: Asked::default(),
            rules: None,
            postgres_bin: None,
            template_dir: None,
            fsync: true,
            limit: Duration::from_secs(120),
        }
    }
}

/// How far `up` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// No template fits: initdb runs, a second or so.
    MakingTemplate,
    /// So many nodes will be waited for.
    Nodes(usize),
    /// This node answers; a replica streams.
    Ready(String),
}

/// Starts the herd that lies in a directory, or makes one there.
///
/// What runs already is left alone. When something fails, what this call started is stopped
/// again. Killed in the middle, it leaves what [`super::down`] finds.
pub fn up(options: &Options, tell: &(dyn Fn(Event) + Sync)) -> Result<Herd, Error> {
    let rules = match &options.rules {
        Some(path) => Some(fs::read_to_string(path).at("read", path)?),
        None => None,
    };
    fs::create_dir_all(&options.dir).at("make", &options.dir)?;
    let dir = absolute(&options.dir)?;
    must_be_ours(&dir)?;
    let _lock = lock(&dir)?;
    let herd = open_or_begin(options, dir)?;
    let raise = Raise::new(&herd, options, tell);
    let stopped = raise.stopped()?;
    if stopped.len() == herd.nodes().len() {
        free(herd.shape().base_port, "the proxy")?;
    }
    for node in &stopped {
        free(node.member().port, &node.member().name)?;
    }
    herd.inner().make_places()?;
    files::write(herd.dir(), herd.shape(), rules.as_deref())?;
    if let Err(error) = raise.all() {
        for node in stopped {
            // The first error says why; one on the way back would hide it.
            let _ = node.stop(Stop::Immediate);
        }
        return Err(error);
    }
    herd.inner().state.clone().made().save(herd.dir())?;
    Ok(herd)
}

/// The herd in `dir` if it fits what was asked, or a new one, remembered before anything else
/// is made.
fn open_or_begin(options: &Options, dir: PathBuf) -> Result<Herd, Error> {
    if let Some(state) = State::load(&dir)? {
        state.fits(&dir, &options.asked)?;
        let bin = options.postgres_bin.as_ref().unwrap_or(&state.postgres_bin);
        let postgres = Postgres::find(Some(bin))?;
        return Ok(Herd::new(dir, state, postgres));
    }
    let shape = options.asked.shape();
    shape.check()?;
    for name in ["nodes", "run", "log", "pgherd.toml", "rules.yaml"] {
        if dir.join(name).symlink_metadata().is_ok() {
            return Err(Error::Asked(format!(
                "{} has a {name} and no local.json, so it is not a herd's: name another --dir",
                dir.display()
            )));
        }
    }
    let postgres = Postgres::find(options.postgres_bin.as_deref())?;
    let state = State::new(shape, options.fsync, postgres.bin.clone());
    state.save(&dir)?;
    Ok(Herd::new(dir, state, postgres))
}

/// Refuses a port on which somebody listens.
fn free(port: u16, listener: &str) -> Result<(), Error> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
            Err(Error::PortTaken { port, listener: listener.to_owned() })
        }
        Err(e) => Err(Error::Failed(format!("can't listen on 127.0.0.1:{port}: {e}"))),
    }
}
