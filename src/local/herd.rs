//! A herd that lies in a directory.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::{At, Error};
use super::node::{Node, Role};
use super::postgres::Postgres;
use super::process::{self, Stop};
use super::server::Place;
use super::state::{Member, Shape, State};
use super::{PASSWORD, USER, template};

/// Longest path of a Unix socket (sun_path of unix(7), less its closing zero).
const SOCKET_PATH: usize = 107;
/// How long another `pgherd local` may work in the directory before we give up.
const LOCK_TAKES: Duration = Duration::from_secs(15);

/// A herd: its shape, its nodes, and where they lie. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Herd(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    /// Absolute.
    pub dir: PathBuf,
    pub state: State,
    pub postgres: Postgres,
}

impl Herd {
    /// The herd that lies in `dir`, whether it runs or not.
    pub fn open(dir: &Path) -> Result<Herd, Error> {
        let dir = absolute(dir)?;
        must_be_ours(&dir)?;
        let state = State::load(&dir)?.ok_or_else(|| no_herd(&dir))?;
        let postgres = Postgres::find(Some(&state.postgres_bin))?;
        Ok(Herd::new(dir, state, postgres))
    }

    pub(super) fn new(dir: PathBuf, state: State, postgres: Postgres) -> Herd {
        Herd(Arc::new(Inner { dir, state, postgres }))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// How many nodes it has, and where they listen.
    pub fn shape(&self) -> &Shape {
        &self.0.state.shape
    }

    /// The settings file that fits it.
    pub fn config(&self) -> PathBuf {
        self.0.dir.join("pgherd.toml")
    }

    /// Where the proxy is to be reached, as a connection string.
    pub fn proxy_dsn(&self) -> String {
        dsn(self.shape().base_port, &self.shape().database)
    }

    /// Every node, in the order of the ports.
    pub fn nodes(&self) -> Vec<Node> {
        self.shape().members().into_iter().map(|member| Node::new(self.clone(), member)).collect()
    }

    /// The nodes of one shard.
    pub fn shard(&self, shard: &str) -> Vec<Node> {
        self.nodes().into_iter().filter(|node| node.member().shard == shard).collect()
    }

    /// A node by its name, such as `s1-2`.
    pub fn node(&self, name: &str) -> Result<Node, Error> {
        let node = self.nodes().into_iter().find(|node| node.member().name == name);
        node.ok_or_else(|| Error::Asked(format!("no node {name} in {}", self.0.dir.display())))
    }

    /// The shard's primary as it is now: the running one, when a failed over shard has two data
    /// directories that once were a primary's.
    pub fn primary(&self, shard: &str) -> Result<Node, Error> {
        let mut primaries = self.by_role(shard, Role::Primary)?;
        let running = primaries.iter().position(|node| node.is_running().unwrap_or(false));
        match running {
            Some(at) => Ok(primaries.swap_remove(at)),
            None => primaries.into_iter().next().ok_or_else(|| {
                Error::Asked(format!("no primary of shard {shard} in {}", self.0.dir.display()))
            }),
        }
    }

    /// The shard's replicas as they are now.
    pub fn replicas(&self, shard: &str) -> Result<Vec<Node>, Error> {
        self.by_role(shard, Role::Replica)
    }

    fn by_role(&self, shard: &str, role: Role) -> Result<Vec<Node>, Error> {
        let nodes = self.shard(shard);
        if nodes.is_empty() {
            let dir = self.0.dir.display();
            return Err(Error::Asked(format!("no shard {shard} in {dir}")));
        }
        Ok(nodes.into_iter().filter(|node| node.role() == role).collect())
    }

    /// Stops every node; returns how many ran.
    pub fn down(&self, how: Stop) -> Result<usize, Error> {
        down(&self.0.dir, how)
    }
}

impl Inner {
    pub fn place(&self, member: &Member) -> Place {
        let nodes = self.dir.join("nodes");
        // A process's working directory is told with all links resolved.
        let nodes = nodes.canonicalize().unwrap_or(nodes);
        let sockets = self.dir.join("run");
        Place {
            name: member.name.clone(),
            data: nodes.join(&member.name),
            log: self.dir.join("log").join(format!("{}.log", member.name)),
            sockets: sockets.canonicalize().unwrap_or(sockets),
            port: member.port,
        }
    }

    /// Makes the directories that nodes need. Where the servers' user can't enter the herd's
    /// directory, or a socket's path would be too long, there is a link to one under /var/tmp.
    pub fn make_places(&self) -> Result<(), Error> {
        let reached = self.postgres.reaches(&self.dir);
        self.make_place("nodes", reached)?;
        let socket = self.dir.join("run/.s.PGSQL.65535");
        self.make_place("run", reached && socket.as_os_str().len() <= SOCKET_PATH)?;
        let log = self.dir.join("log");
        fs::create_dir_all(&log).at("make", &log)
    }

    fn make_place(&self, name: &str, fits: bool) -> Result<(), Error> {
        let path = self.dir.join(name);
        if path.is_dir() {
            return Ok(());
        }
        if fits {
            fs::create_dir(&path).at("make", &path)?;
            return self.postgres.own(&path);
        }
        let parent = Path::new("/var/tmp");
        let away = tempfile::Builder::new().prefix("pgherd-").tempdir_in(parent);
        let away = away.at("make a directory in", parent)?.keep();
        self.postgres.own(&away)?;
        // A link whose target was cleaned away is made anew.
        remove_file(&path)?;
        symlink(&away, &path).at("link", &path)
    }
}

/// Stops every server whose data directory lies in the herd's directory, whoever started it
/// and however that ended. Returns how many nodes ran. A directory without a herd has none.
pub fn down(dir: &Path, how: Stop) -> Result<usize, Error> {
    let dir = absolute(dir)?;
    must_be_ours(&dir)?;
    // Held by a starting process until it has become a server that can be found.
    let _lock = if dir.is_dir() { Some(lock(&dir)?) } else { None };
    process::stop(&dir.join("nodes"), how)
}

/// Stops every server at once and removes all that `up` and the servers wrote. What else lies
/// in the directory stays. Returns how many nodes ran.
pub fn remove(dir: &Path) -> Result<usize, Error> {
    // The shape and the lock last: until then, what is left can be told to be a herd's.
    const MADE: [&str; 5] =
        ["pgherd.toml", "rules.yaml", "catalog.json", "local.json", "local.lock"];
    let dir = absolute(dir)?;
    must_be_ours(&dir)?;
    if !dir.join("local.json").exists() {
        return Err(no_herd(&dir));
    }
    let _lock = lock(&dir)?;
    let stopped = process::stop(&dir.join("nodes"), Stop::Immediate)?;
    for name in ["nodes", "run", "log"] {
        let path = dir.join(name);
        if let Ok(away) = fs::read_link(&path) {
            template::remove(&away)?;
            fs::remove_file(&path).at("remove", &path)?;
        } else {
            template::remove(&path)?;
        }
    }
    for name in MADE {
        remove_file(&dir.join(name))?;
    }
    match fs::remove_dir(&dir) {
        Err(e) if e.kind() != ErrorKind::DirectoryNotEmpty => Err(e).at("remove", &dir),
        _ => Ok(stopped),
    }
}

/// Keeps every other `pgherd local` out of the directory while it lives.
///
/// A child process that is being started holds it too, until it has become the server: so
/// whoever holds it sees every server of the directory, also when their starter was killed.
pub(super) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("local.lock");
    let until = Instant::now() + LOCK_TAKES;
    loop {
        let file = File::options().create(true).append(true).open(&path).at("open", &path)?;
        match file.try_lock() {
            // It may have been removed, with the herd, while we waited for it.
            Ok(()) if is_at(&file, &path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Failed(format!(
                    "another `pgherd local` works in {}: wait for it, or stop it",
                    dir.display()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(e).at("lock", &path),
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Refuses another user's herd, whose processes we can't see: it would look as if none ran.
pub(super) fn must_be_ours(dir: &Path) -> Result<(), Error> {
    let path = dir.join("local.json");
    let owner = match fs::metadata(&path) {
        Ok(meta) => meta.uid(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).at("look at", &path),
    };
    // SAFETY: takes nothing and can't fail.
    let we = unsafe { libc::geteuid() };
    if we == 0 || we == owner {
        return Ok(());
    }
    Err(Error::Asked(format!(
        "the herd in {} is of the user with id {owner}: run this as that user, or as root",
        dir.display()
    )))
}

fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e).at("remove", path),
        _ => Ok(()),
    }
}

fn no_herd(dir: &Path) -> Error {
    Error::Asked(format!("no herd lies in {}: `pgherd local up` makes one", dir.display()))
}

/// The path with its links resolved where it exists.
pub(super) fn absolute(dir: &Path) -> Result<PathBuf, Error> {
    match dir.canonicalize() {
        Ok(path) => Ok(path),
        Err(_) => std::path::absolute(dir).at("find", dir),
    }
}

/// A connection string for a port on this machine.
pub(super) fn dsn(port: u16, database: &str) -> String {
    format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_herd_is_left_as_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("log")).expect("made");
        assert_eq!(down(dir.path(), Stop::Fast).expect("nothing ran"), 0);
        assert!(matches!(remove(dir.path()), Err(Error::Asked(_))));
        assert!(dir.path().join("log").is_dir());
    }
}
