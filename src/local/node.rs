//! One node of a herd, and what a test or a drill does to it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::error::Error;
use super::herd::{self, Herd};
use super::process::{self, Stop};
use super::server::{self, Place};
use super::sql::{self, Rows};
use super::state::Member;
use super::{PASSWORD, USER};

/// How long a node may take to start.
const START_TAKES: Duration = Duration::from_secs(60);

/// What a node is for its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Primary,
    Replica,
}

/// One Postgres server of a herd. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Node {
    herd: Herd,
    member: Member,
}

impl Node {
    pub(super) fn new(herd: Herd, member: Member) -> Node {
        Node { herd, member }
    }

    /// Its name, shard and port.
    pub fn member(&self) -> &Member {
        &self.member
    }

    pub(super) fn place(&self) -> Place {
        self.herd.inner().place(&self.member)
    }

    /// Its data directory, with all links resolved.
    pub fn data_dir(&self) -> PathBuf {
        self.place().data
    }

    /// Its log file.
    pub fn log(&self) -> PathBuf {
        self.place().log
    }

    /// The directory of its Unix socket.
    pub fn socket_dir(&self) -> PathBuf {
        self.place().sockets
    }

    /// How to reach the herd's database on it.
    pub fn dsn(&self) -> String {
        herd::dsn(self.member.port, &self.herd.shape().database)
    }

    /// The same as `keyword=value` pairs, without a database: for replication, or another one.
    pub fn conninfo(&self) -> String {
        format!("host=127.0.0.1 port={} user={USER} password={PASSWORD}", self.member.port)
    }

    /// Primary or replica, by its data directory: promotion removes `standby.signal`.
    pub fn role(&self) -> Role {
        if self.data_dir().join("standby.signal").exists() { Role::Replica } else { Role::Primary }
    }

    /// The identifier that initdb would have drawn for its shard.
    pub fn system_identifier(&self) -> Result<u64, Error> {
        super::identity::read(&self.data_dir())
    }

    /// Whether its postmaster runs; a paused one does.
    pub fn is_running(&self) -> Result<bool, Error> {
        Ok(self.pid()?.is_some())
    }

    /// The postmaster's process id.
    pub fn pid(&self) -> Result<Option<i32>, Error> {
        let processes = process::within(&self.data_dir())?;
        Ok(process::postmaster(&processes).map(|postmaster| postmaster.pid))
    }

    /// Starts it and waits until it takes connections, 60 s at most.
    pub fn start(&self) -> Result<(), Error> {
        self.start_with(&[])
    }

    /// As `start`, with further arguments for `postgres`, such as `-c name=value`.
    pub fn start_with(&self, extra: &[String]) -> Result<(), Error> {
        let inner = self.herd.inner();
        let place = self.place();
        let started = {
            let _lock = herd::lock(&inner.dir)?;
            self.must_not_run()?;
            server::start(&inner.postgres, &place, inner.state.fsync, extra)?
        };
        server::wait_ready(&place, &started, Instant::now() + START_TAKES)
    }

    fn must_not_run(&self) -> Result<(), Error> {
        match process::within(&self.data_dir())?.first() {
            None => Ok(()),
            Some(process) => Err(Error::Asked(format!(
                "{} runs already (process {})",
                self.member.name, process.pid
            ))),
        }
    }

    /// Stops it and returns when none of its processes is left. Whether it ran.
    pub fn stop(&self, how: Stop) -> Result<bool, Error> {
        Ok(process::stop(&self.data_dir(), how)? > 0)
    }

    /// Freezes all its processes: connections stay, nothing answers.
    pub fn pause(&self) -> Result<(), Error> {
        process::pause(&self.data_dir())
    }

    /// Lets it run on after `pause`.
    pub fn resume(&self) -> Result<(), Error> {
        process::resume(&self.data_dir())
    }

    /// Makes a replica the primary, and waits until it takes writes.
    pub fn promote(&self) -> Result<(), Error> {
        let done = self.query("SELECT pg_promote(true, 60)", START_TAKES)?;
        if done == [[Some("t".to_owned())]] {
            return Ok(());
        }
        Err(Error::Failed(format!("{} was not promoted within 60 s", self.member.name)))
    }

    /// Runs one statement in the herd's database and returns its rows as text.
    pub fn query(&self, statement: &str, limit: Duration) -> Result<Rows, Error> {
        sql::query(self.member.port, &self.herd.shape().database, &[statement], limit)
    }
}
