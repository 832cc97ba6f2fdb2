//! What can be wrong with a catalog, in words for the person who runs pgherd.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} {}: {error}", path.display())]
    Io { what: &'static str, path: PathBuf, error: io::Error },
    /// The content isn't what was written.
    #[error(
        "the catalog {} is damaged: {why}. It says on which shard each row lies: restore it from a \
         backup, or from a node (the table pgherd.catalog holds the last one that was installed); \
         do not start without it",
        path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error(
        "the catalog {} has format {found}, and this pgherd knows {known}: use the version of \
         pgherd that wrote it, or a later one",
        path.display()
    )]
    Format { path: PathBuf, found: u64, known: u64 },
    #[error(
        "the catalog {} is being written by another pgherd (it holds {}); try again when that is \
         done",
        path.display(),
        lock.display()
    )]
    Locked { path: PathBuf, lock: PathBuf },
    #[error(
        "the catalog {} was changed by another pgherd meanwhile (revision {found}, expected \
         {expected}); nothing was written, try again",
        path.display()
    )]
    Conflict { path: PathBuf, expected: u64, found: u64 },
    #[error("the catalog {} exists already", path.display())]
    Exists { path: PathBuf },
    /// Rules or settings that don't fit it; each a sentence with what to do.
    #[error(
        "the rules and settings do not fit the catalog {}:\n  - {}",
        path.display(),
        differences.join("\n  - ")
    )]
    Misfit { path: PathBuf, differences: Vec<String> },
    /// The rules can't be placed at all.
    #[error("{}the keyspace {keyspace}: {message}", at(*line))]
    Rules { keyspace: Box<str>, line: usize, message: String },
    #[error("a database has at most {max} shards, those removed among them; this one has {found}")]
    TooManyShards { found: usize, max: usize },
}

/// Line 0 is a keyspace that no file has.
fn at(line: usize) -> String {
    if line == 0 { String::new() } else { format!("line {line} of the rules, ") }
}
