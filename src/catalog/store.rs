//! The catalog file: read whole, written whole and at once.
//!
//! A new version is written beside the old one, brought to disk, and renamed over it; a
//! crash at any point leaves the one or the other. A lock file keeps two writers apart, and
//! the revision keeps one of them from undoing what the other did.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::format::{self, FORMAT, Unreadable};
use super::{Catalog, Error};

/// A writer waits so long for another; one write takes milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// A catalog in a file. Cheap to make; holds nothing open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStore {
    path: PathBuf,
}

impl FileStore {
    pub fn new(path: impl Into<PathBuf>) -> FileStore {
        FileStore { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    /// The catalog, or `None` when there is no file.
    ///
    /// # Errors
    /// When it can't be read, is damaged, or has another format.
    pub fn load(&self) -> Result<Option<Catalog>, Error> {
        let path = || self.path.clone();
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::Io { what: "read", path: path(), error }),
        };
        format::decode(&bytes).map(Some).map_err(|why| match why {
            Unreadable::Damaged(why) => Error::Damaged { path: path(), why },
            Unreadable::Format(found) => Error::Format { path: path(), found, known: FORMAT },
        })
    }

    /// Writes the first catalog.
    ///
    /// # Errors
    /// When there is one already, another writer holds the lock, or the disk refuses.
    pub fn create(&self, catalog: &Catalog) -> Result<(), Error> {
        let _lock = self.lock()?;
        match self.load()? {
            Some(_) => Err(Error::Exists { path: self.path.clone() }),
            None => self.write(catalog),
        }
    }

    /// Writes `catalog` in place of the revision that was seen, as the next one.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it isn't that revision any more; as for [`FileStore::create`].
    pub fn replace(&self, seen: u64, catalog: Catalog) -> Result<Catalog, Error> {
        let _lock = self.lock()?;
        let found = self.load()?.map_or(0, |catalog| catalog.revision);
        if found != seen {
            return Err(Error::Conflict { path: self.path.clone(), expected: seen, found });
        }
        let next = Catalog { revision: seen + 1, ..catalog };
        self.write(&next)?;
        Ok(next)
    }

    /// The lock is let go when the file is dropped, and by the system when a writer dies.
    fn lock(&self) -> Result<File, Error> {
        let lock = self.beside(".lock");
        let io = |what| {
            let path = lock.clone();
            move |error| Error::Io { what, path, error }
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(io("open"))?;
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(LOCK_POLL);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Locked { path: self.path.clone(), lock });
                }
                Err(TryLockError::Error(error)) => return Err(io("lock")(error)),
            }
        }
    }

    fn write(&self, catalog: &Catalog) -> Result<(), Error> {
        let new = self.beside(".new");
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |error| Error::Io { what, path, error }
        };
        let bytes = format::encode(catalog)
            .map_err(|error| io("encode", &self.path)(io::Error::other(error)))?;
        // What a crashed writer left under this name is overwritten: we hold the lock.
        let mut file = File::create(&new).map_err(io("create", &new))?;
        file.write_all(&bytes).map_err(io("write", &new))?;
        file.sync_all().map_err(io("bring to disk", &new))?;
        fs::rename(&new, &self.path).map_err(io("rename a new version to", &self.path))?;
        // Without this the rename itself could be lost with the power.
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let opened = File::open(directory).map_err(io("open", directory))?;
        opened.sync_all().map_err(io("bring to disk", directory))
    }
}
