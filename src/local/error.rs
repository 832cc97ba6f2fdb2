use std::io;
use std::path::{Path, PathBuf};

/// Why a herd could not be started, stopped or looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for does not fit what is there; asking again won't help.
    #[error("{0}")]
    Asked(String),
    /// Another program listens on a port that the herd needs.
    #[error(
        "port {port} on 127.0.0.1 is taken, and {listener} would listen there: \
         stop what uses it, or choose another --base-port"
    )]
    PortTaken { port: u16, listener: String },
    /// The file system said no.
    #[error("can't {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// It was tried and did not work.
    #[error("{0}")]
    Failed(String),
}

/// Adds to an I/O error what was being done, and to which file.
pub(super) trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing, path: path.to_owned(), source })
    }
}
