//! The installed PostgreSQL: where it is, and which user may run it.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::{At, Error};

/// The oldest server that pgherd works with.
const OLDEST: u32 = 14;

/// Programs of one PostgreSQL installation, and the user that runs them.
#[derive(Debug, Clone)]
pub(super) struct Postgres {
    pub bin: PathBuf,
    /// What `postgres --version` says.
    pub version: String,
    /// The user to become: a server refuses to run as root. `None` when we are not root.
    pub user: Option<User>,
}

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl Postgres {
    /// Looks in `named`, else in Debian's places (the highest version), else asks `pg_config`.
    pub fn find(named: Option<&Path>) -> Result<Postgres, Error> {
        let bin = match named {
            Some(dir) => dir.to_owned(),
            None => installed().ok_or_else(|| {
                Error::Failed(
                    "no PostgreSQL server is installed here: `apt-get install postgresql`, \
                     or name its directory with --postgres-bin"
                        .into(),
                )
            })?,
        };
        let version = version(&bin)?;
        Ok(Postgres { bin, version, user: server_user()? })
    }

    /// A command of this installation, as the server's user, with a clean environment: no
    /// PGPORT or PGOPTIONS of the caller's reaches a server.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("PATH", self.bin.as_os_str()).env("LC_ALL", "C").env("TZ", "UTC");
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Gives a file or directory to the server's user.
    pub fn own(&self, path: &Path) -> Result<(), Error> {
        match &self.user {
            Some(user) => chown(path, Some(user.uid), Some(user.gid)).at("give away", path),
            None => Ok(()),
        }
    }

    /// Whether the server's user can enter `dir`, by the permission bits of the directories
    /// that lead to it.
    pub fn reaches(&self, dir: &Path) -> bool {
        let Some(user) = &self.user else { return true };
        dir.ancestors().all(|dir| match fs::metadata(dir) {
            Ok(meta) if meta.uid() == user.uid => meta.mode() & 0o100 != 0,
            Ok(meta) if meta.gid() == user.gid => meta.mode() & 0o010 != 0,
            Ok(meta) => meta.mode() & 0o001 != 0,
            Err(_) => false,
        })
    }
}

/// The highest version under Debian's directory, else what `pg_config` names.
fn installed() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten();
    let highest = debian
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .map(|(version, dir)| (version, dir.join("bin")))
        .filter(|(_, bin)| bin.join("postgres").is_file())
        .max();
    if let Some((_, bin)) = highest {
        return Some(bin);
    }
    let asked = Command::new("pg_config").arg("--bindir").output().ok()?;
    let bin = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    // The client's packages bring a pg_config too.
    bin.join("postgres").is_file().then_some(bin)
}

fn version(bin: &Path) -> Result<String, Error> {
    let program = bin.join("postgres");
    let said = Command::new(&program).arg("--version").output().at("run", &program)?;
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "… 18beta1"
    let major = said.split_ascii_whitespace().nth(2).map(|number| {
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        number[..digits].parse::<u32>().unwrap_or(0)
    });
    match major {
        Some(major) if major >= OLDEST => Ok(said),
        _ => Err(Error::Failed(format!(
            "{} says {said:?}: pgherd needs PostgreSQL {OLDEST} or newer",
            program.display()
        ))),
    }
}

/// The user to run servers as: ourselves, or when we are root `postgres`, or `nobody`.
fn server_user() -> Result<Option<User>, Error> {
    // SAFETY: takes nothing and can't fail.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(None);
    }
    let user = ["postgres", "nobody"].iter().find_map(|name| lookup(OsStr::new(name)));
    match user {
        Some(user) => Ok(Some(user)),
        None => Err(Error::Failed(
            "PostgreSQL doesn't run as root, and there is no user postgres or nobody: \
             run this as another user"
                .into(),
        )),
    }
}

fn lookup(name: &OsStr) -> Option<User> {
    let text = CString::new(name.as_encoded_bytes()).ok()?;
    let mut buffer = vec![0 as libc::c_char; 16 * 1024];
    // SAFETY: passwd is plain data that getpwnam_r fills; all pointers outlive the call.
    let (entry, found) = unsafe {
        let mut entry: libc::passwd = std::mem::zeroed();
        let mut result = std::ptr::null_mut();
        let code = libc::getpwnam_r(
            text.as_ptr(),
            &mut entry,
            buffer.as_mut_ptr(),
            buffer.len(),
            &mut result,
        );
        (entry, code == 0 && !result.is_null())
    };
    if !found {
        return None;
    }
    // SAFETY: getpwnam_r found the user, so the name points into `buffer`, which is alive.
    let name = unsafe { CStr::from_ptr(entry.pw_name) }.to_string_lossy().into_owned();
    Some(User { name, uid: entry.pw_uid, gid: entry.pw_gid })
}
