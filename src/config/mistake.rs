//! A mistake in what a person wrote: where it stands and what was expected.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a person has to look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of a file, from 1.
    Line(PathBuf, usize),
    /// The file as a whole.
    File(PathBuf),
    /// An environment variable, by name.
    Variable(String),
    /// A flag of the command line, by name.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(file, line) => write!(f, "{}:{line}", file.display()),
            Place::File(file) => write!(f, "{}", file.display()),
            Place::Variable(name) => write!(f, "environment variable {name}"),
            Place::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// What is wrong, and what was expected; one sentence.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// All mistakes found in a configuration, in the order of their places; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// `Err` when there is a mistake.
    pub fn none_or(mut mistakes: Vec<Mistake>) -> Result<(), Mistakes> {
        if mistakes.is_empty() {
            return Ok(());
        }
        mistakes.sort();
        mistakes.dedup();
        Err(Mistakes(mistakes))
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.0.iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// Collects mistakes of one file.
#[derive(Debug)]
pub(super) struct Found<'a> {
    file: &'a Path,
    pub mistakes: Vec<Mistake>,
}

impl<'a> Found<'a> {
    pub fn of(file: &'a Path) -> Found<'a> {
        Found { file, mistakes: Vec::new() }
    }

    pub fn at(&mut self, line: usize, message: impl Into<String>) {
        let place = Place::Line(self.file.to_owned(), line);
        self.mistakes.push(Mistake { place, message: message.into() });
    }
}

/// Names that a message lists at most.
const SHOWN_MAX: usize = 16;

/// The known name that was probably meant, as `, did you mean "x"?`, or else the list of all
/// that are known.
pub(super) fn suggestion(written: &str, known: &[&str]) -> String {
    // Of short names each is near to each: a third may differ.
    let close = |name: &&&str| distance(written, name) * 3 <= written.len().max(name.len());
    match known.iter().filter(close).min_by_key(|name| distance(written, name)) {
        Some(name) => format!("; did you mean \"{name}\"?"),
        None if known.is_empty() => String::new(),
        None => {
            let more = if known.len() > SHOWN_MAX { ", …" } else { "" };
            let shown = known.iter().take(SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
            format!("; expected one of {shown}{more}")
        }
    }
}

/// Edits from one text to the other: insert, delete, replace, or swap two neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = ["listen", "size", "lifetime"];
        assert_eq!(suggestion("lisent", &known), "; did you mean \"listen\"?");
        assert_eq!(suggestion("sise", &known), "; did you mean \"size\"?");
        assert_eq!(suggestion("colour", &known), "; expected one of listen, size, lifetime");
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
