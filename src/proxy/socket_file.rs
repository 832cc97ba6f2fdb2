//! A socket file is one process's at a time, and is gone after it.
//!
//! A process that was killed leaves its file behind, on which nobody can listen and to which
//! nobody can connect. So beside it lies a lock file, as Postgres has one (`.lock`, with the
//! process id in its first line): who holds its lock may take the socket file away, unless
//! somebody answers there all the same.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::config::settings::SocketFile;

/// How often a lock file may be taken away between its opening and its locking.
const ATTEMPTS: usize = 10;

/// The right to a socket file. Dropping it takes the file away.
#[derive(Debug)]
pub struct Claim {
    file: SocketFile,
    path: PathBuf,
    lock_path: PathBuf,
    /// Locked until it is closed.
    _lock: File,
    /// Device and number of the file that we have made.
    made: Option<(u64, u64)>,
}

impl Claim {
    /// Makes sure that the file is nobody's, and that it is free.
    pub fn stake(file: &SocketFile) -> io::Result<Claim> {
        let path = file.path();
        let mut lock_path = path.clone().into_os_string();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let mut lock = lock(&lock_path)?;
        if let Err(error) = clear(&path) {
            // One that isn't empty is a server's that knows nothing of locks.
            if lock.metadata().is_ok_and(|lock| lock.len() == 0) {
                let _ = fs::remove_file(&lock_path);
            }
            return Err(error);
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Claim { file: file.clone(), path, lock_path, _lock: lock, made: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self) -> &SocketFile {
        &self.file
    }

    /// The socket was bound: the file is there, and is ours.
    pub fn bound(&mut self, mode: u32) -> io::Result<()> {
        let found = fs::symlink_metadata(&self.path)?;
        self.made = Some((found.dev(), found.ino()));
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let ours = |path: &Path, made| {
            fs::symlink_metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == made)
        };
        if self.made.is_some_and(|made| ours(&self.path, made)) {
            // What can't be taken away is stale for the next one.
            let _ = fs::remove_file(&self.path);
        }
        // Before the lock is given up: who opens it now makes a new one.
        let _ = fs::remove_file(&self.lock_path);
    }
}

fn taken(path: &Path) -> io::Error {
    let message = format!("another process listens on {}", path.display());
    io::Error::new(io::ErrorKind::AddrInUse, message)
}

/// The lock file, locked.
fn lock(path: &Path) -> io::Result<File> {
    for _ in 0..ATTEMPTS {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(path)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // It may have been taken away by its last owner between the two steps.
        let there = fs::metadata(path);
        let ours = file.metadata()?;
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            return Ok(file);
        }
    }
    Err(taken(path))
}

/// Takes a stale socket file away, and nothing else.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            let message = format!("{} is there and is no socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(taken(path)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn file(directory: &Path) -> SocketFile {
        SocketFile { directory: directory.to_owned(), port: 6432 }
    }

    #[test]
    fn a_socket_file_is_one_process_at_a_time_and_gone_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(directory.path());
        let mut claim = Claim::stake(&file).unwrap();
        let listener = UnixListener::bind(claim.path()).unwrap();
        claim.bound(0o770).unwrap();
        let mode = fs::metadata(claim.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o770);
        assert_eq!(Claim::stake(&file).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(UnixStream::connect(claim.path()).is_ok(), "it is still there");
        drop((claim, listener));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_what_is_stale_is_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(directory.path());
        // Of a process that was killed.
        drop(UnixListener::bind(file.path()).unwrap());
        fs::write(directory.path().join(".s.PGSQL.6432.lock"), "4711\n").unwrap();
        assert!(file.path().exists());
        drop(Claim::stake(&file).unwrap());
        assert!(!file.path().exists());
        // Of a server that knows nothing of our lock, and has a file of its own.
        let lock = directory.path().join(".s.PGSQL.6432.lock");
        assert!(!lock.exists());
        let listener = UnixListener::bind(file.path()).unwrap();
        for theirs in ["", "4711\n"] {
            fs::write(&lock, theirs).unwrap();
            assert_eq!(Claim::stake(&file).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            assert!(UnixStream::connect(file.path()).is_ok());
            assert_eq!(fs::read_to_string(&lock).unwrap_or_default(), theirs);
        }
        drop(listener);
        fs::remove_file(file.path()).unwrap();
        // No socket at all.
        fs::write(file.path(), "a file").unwrap();
        assert_eq!(Claim::stake(&file).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "a file");
        // Made by another after we had ours.
        fs::remove_file(file.path()).unwrap();
        let mut claim = Claim::stake(&file).unwrap();
        let listener = UnixListener::bind(claim.path()).unwrap();
        claim.bound(0o777).unwrap();
        fs::remove_file(file.path()).unwrap();
        let other = UnixListener::bind(file.path()).unwrap();
        drop((claim, listener));
        assert!(UnixStream::connect(file.path()).is_ok());
        drop(other);
    }
}
