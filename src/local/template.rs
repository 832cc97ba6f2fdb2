//! Template data directories: initdb runs once for a version and its settings, and every node
//! is a cold copy of what it made.
//!
//! A template lies in a cache directory under a key of all that goes into it. A lock file next
//! to it is held shared while it is copied and exclusively while it is made or removed, so that
//! any number of herds can start at once.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::error::{At, Error};
use super::postgres::Postgres;
use super::{PASSWORD, USER};

/// Templates kept, of all versions and settings; each takes 40 MB.
const KEPT: usize = 8;

/// What every node has, whatever its herd: what later work on it needs (two-phase commit,
/// logical decoding, failover and rewind), and nothing that a benchmark would stumble over.
const SETTINGS: &str = "
# --- pgherd local
wal_level = logical
max_prepared_transactions = 200
track_commit_timestamp = on
max_replication_slots = 64
max_wal_senders = 64
max_worker_processes = 32
max_logical_replication_workers = 16
max_sync_workers_per_subscription = 4
max_connections = 300
hot_standby = on
restart_after_crash = on
password_encryption = scram-sha-256
# A slot that nobody reads holds this much WAL and no more.
max_slot_wal_keep_size = 4GB
# A replica finds a new or restarted primary quickly.
wal_retrieve_retry_interval = 200ms
# The superuser is called as the schema that pgherd keeps on each node: without this, what it
# creates would lie there.
search_path = 'public'
timezone = UTC
log_timezone = UTC
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = on
";

const INITDB: [&str; 5] = [
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--data-checksums",
    "--no-sync",
];

/// A template that is there, and stays while this value lives.
pub(super) struct Template {
    data: PathBuf,
    _lock: File,
}

impl Template {
    /// The template for this server; made if the cache has none. `making` is called before
    /// that is begun.
    pub fn get(postgres: &Postgres, cache: &Path, making: impl Fn()) -> Result<Template, Error> {
        fs::create_dir_all(cache).at("make", cache)?;
        if !postgres.reaches(cache) {
            return Err(Error::Failed(format!(
                "the servers' user {} can't enter {}: name another --template-dir",
                postgres.user.as_ref().map_or("", |user| &user.name),
                cache.display()
            )));
        }
        let key = key(postgres);
        let data = cache.join(&key);
        let lock_path = cache.join(format!("{key}.lock"));
        let lock = File::options().create(true).append(true).open(&lock_path);
        let lock = lock.at("open", &lock_path)?;
        loop {
            lock.lock_shared().at("lock", &lock_path)?;
            if data.is_dir() {
                return Ok(Template { data, _lock: lock });
            }
            // A lock can't be raised from shared without letting it go; so look again after.
            lock.unlock().at("unlock", &lock_path)?;
            lock.lock().at("lock", &lock_path)?;
            if !data.is_dir() {
                making();
                make(postgres, cache, &key, &data)?;
            }
            lock.unlock().at("unlock", &lock_path)?;
            tidy(cache, &key)?;
        }
    }

    /// Copies the template to `target`, which appears at one stroke and belongs to the server's
    /// user. `finish` works on the copy before it appears.
    pub fn copy(
        &self,
        postgres: &Postgres,
        target: &Path,
        finish: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = target.with_file_name(name);
        remove(&new)?;
        copy_directory(postgres, &self.data, &new)?;
        finish(&new)?;
        fs::rename(&new, target).at("make", target)
    }
}

/// Everything that a template's content depends on.
fn key(postgres: &Postgres) -> String {
    let user = postgres.user.as_ref().map_or("", |user| &user.name);
    let parts = [&postgres.version, SETTINGS, &INITDB.join(" "), USER, PASSWORD, user];
    let hash = Sha256::digest(parts.join("\0"));
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn make(postgres: &Postgres, cache: &Path, key: &str, data: &Path) -> Result<(), Error> {
    let new = cache.join(format!("{key}.new"));
    remove(&new)?;
    // Made as ourselves and given away, since the cache need not be writable for the server.
    fs::create_dir(&new).at("make", &new)?;
    postgres.own(&new)?;
    let password = cache.join(format!("{key}.password"));
    fs::write(&password, PASSWORD).at("write", &password)?;
    fs::set_permissions(&password, PermissionsExt::from_mode(0o644)).at("write", &password)?;
    let mut initdb = postgres.command("initdb");
    initdb.args(INITDB).arg("--username").arg(USER).arg("--pwfile").arg(&password);
    initdb.arg("--pgdata").arg(&new).current_dir(&new);
    let program = postgres.bin.join("initdb");
    let made = initdb.output().at("run", &program)?;
    fs::remove_file(&password).at("remove", &password)?;
    if !made.status.success() {
        return Err(Error::Failed(format!(
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr).trim()
        )));
    }
    let settings = new.join("postgresql.conf");
    let mut text = fs::read_to_string(&settings).at("read", &settings)?;
    text.push_str(SETTINGS);
    fs::write(&settings, text).at("write", &settings)?;
    fs::rename(&new, data).at("make", data)
}

/// Removes the oldest templates beyond what is kept, except those in use.
fn tidy(cache: &Path, newest: &str) -> Result<(), Error> {
    let mut templates = Vec::new();
    for entry in fs::read_dir(cache).at("list", cache)? {
        let entry = entry.at("list", cache)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name.len() == newest.len() && name.bytes().all(|b| b.is_ascii_hexdigit());
        if ours && name != newest {
            let made = entry.metadata().and_then(|meta| meta.modified());
            templates.push((made.unwrap_or(SystemTime::UNIX_EPOCH), name));
        }
    }
    templates.sort_by(|a, b| b.cmp(a));
    for (_, name) in templates.iter().skip(KEPT - 1) {
        let lock_path = cache.join(format!("{name}.lock"));
        let lock = File::options().create(true).append(true).open(&lock_path);
        let lock = lock.at("open", &lock_path)?;
        match lock.try_lock() {
            // The lock file stays: another might just now wait for it.
            Ok(()) => remove(&cache.join(name))?,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(e).at("lock", &lock_path),
        }
    }
    Ok(())
}

/// Copies a directory with its permissions; the copy belongs to the server's user.
fn copy_directory(postgres: &Postgres, from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir(to).at("make", to)?;
    for entry in fs::read_dir(from).at("list", from)? {
        let entry = entry.at("list", from)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().at("look at", &from)?.is_dir() {
            copy_directory(postgres, &from, &to)?;
        } else {
            fs::copy(&from, &to).at("copy", &from)?;
            postgres.own(&to)?;
        }
    }
    let mode = fs::metadata(from).at("look at", from)?.permissions();
    fs::set_permissions(to, mode).at("give away", to)?;
    postgres.own(to)
}

/// Removes a directory and all in it, if it is there.
pub(super) fn remove(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).at("remove", dir),
        _ => Ok(()),
    }
}

/// Where templates are kept unless a place is named: `/var/cache/pgherd` for root, whose home
/// the server's user can't enter; else the user's cache directory.
pub(super) fn default_cache(postgres: &Postgres) -> Result<PathBuf, Error> {
    if postgres.user.is_some() {
        return Ok("/var/cache/pgherd".into());
    }
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("pgherd"))
        .ok_or_else(|| {
            Error::Asked("neither HOME nor XDG_CACHE_HOME is set: name a --template-dir".into())
        })
}
