//! The data of COPY: those of FROM STDIN cut into rows as a server cuts them (PostgreSQL's
//! `copyfromparse.c`), in whatever pieces they come.
//!
//! Nothing is changed: a row is a run of the input's bytes, line end and all, so that what goes to
//! several servers is, put together, what came. Of each row the fields that somebody wants are
//! read, as the server reads them before it looks at their types.
//!
//! What no server takes isn't judged here: [`Part::Refused`] says where it begins, and a server
//! that gets it finds the words.

mod binary;
mod fields;
mod lines;
mod write;

use std::ops::Range;

use smallvec::SmallVec;

pub use self::write::{Forced, Writer};

/// How the data are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Text or CSV.
    Lines(Dialect),
    /// With so many fields in each row.
    Binary { columns: usize },
}

/// Text, or CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    pub delimiter: u8,
    /// NULL, as it is written.
    pub null: Box<[u8]>,
    /// The column's default, as it is written, where that can be.
    pub default: Option<Box<[u8]>>,
    /// The first line is no row.
    pub header: bool,
    /// `None` is text.
    pub csv: Option<Quotes>,
    /// In CSV, too, `\.` alone in a line ends the data: up to PostgreSQL 17.
    pub marker: bool,
    /// In text `\.` may follow data in its line: up to PostgreSQL 17.
    pub marker_inside: bool,
}

/// What CSV quotes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotes {
    pub quote: u8,
    pub escape: u8,
}

/// A field that is to be read of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// From 0.
    pub field: usize,
    /// Of CSV: the field isn't NULL, whatever stands there.
    pub force_not_null: bool,
    /// Of CSV: what is written as NULL is that in quotes, too.
    pub force_null: bool,
}

/// What stands at the front of the input, and how many bytes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What each server gets before its first row.
    Head(usize, Breaks),
    Row(usize, Breaks),
    /// What each server gets behind its last row.
    Tail(usize),
    /// What servers take no notice of.
    Ignored(usize),
    /// A server refuses this row, or whatever it is, as soon as it has got it all.
    Refused(usize),
}

/// Line breaks within a row or header: in quotes. They count in a server's line numbers, one or the
/// other, by what ends its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaks {
    pub newlines: u32,
    pub returns: u32,
}

/// What a wanted field of a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// The row hasn't got it, or it can't be read: a server refuses the row.
    Missing,
    Null,
    Default,
    /// Its value: of text and CSV without escapes and quotes.
    Value(&'a [u8]),
}

/// A row that is longer than the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row of COPY data is longer than {0} bytes")]
pub struct TooLong(pub usize);

/// What ends the lines of one stream: what ended the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineEnd {
    #[default]
    Unknown,
    Newline,
    Return,
    Both,
}

/// Cuts one stream.
#[derive(Debug)]
pub struct Splitter {
    form: Form,
    /// In the order of their fields, each with its place among those that were asked for.
    wanted: SmallVec<[(Wanted, usize); 2]>,
    /// The longest row.
    limit: usize,
    /// Where looking for the row's end goes on: bytes from its beginning.
    scanned: usize,
    line_end: LineEnd,
    /// The header, or the signature, is still to come.
    head: bool,
    /// Nothing that follows is a row.
    over: bool,
    lines: lines::State,
    binary: binary::State,
    found: SmallVec<[Found; 2]>,
    scratch: Vec<u8>,
}

/// Where a wanted field is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Missing,
    Null,
    Default,
    /// In the input, from the row's beginning.
    Raw(Range<usize>),
    /// In `scratch`.
    Decoded(Range<usize>),
}

impl Splitter {
    /// Reads the `wanted` fields of rows that have no more than `limit` bytes.
    pub fn new(form: Form, wanted: &[Wanted], limit: usize) -> Splitter {
        let head = match &form {
            Form::Lines(dialect) => dialect.header,
            Form::Binary { .. } => true,
        };
        let mut ordered: SmallVec<[(Wanted, usize); 2]> =
            wanted.iter().enumerate().map(|(place, wanted)| (*wanted, place)).collect();
        ordered.sort_by_key(|(wanted, _)| wanted.field);
        Splitter {
            form,
            wanted: ordered,
            limit,
            scanned: 0,
            line_end: LineEnd::Unknown,
            head,
            over: false,
            lines: lines::State::default(),
            binary: binary::State::default(),
            found: wanted.iter().map(|_| Found::Missing).collect(),
            scratch: Vec::new(),
        }
    }

    /// What stands at the front of `input`, which begins where the part before ended; `None` when
    /// more must come first. `ended`: no more will come, and then `None` is the end.
    ///
    /// # Errors
    /// A row is too long.
    pub fn next(&mut self, input: &[u8], ended: bool) -> Result<Option<Part>, TooLong> {
        if input.is_empty() {
            return Ok(None);
        }
        let part = match self.form {
            Form::Binary { columns } => self.tuple(input, ended, columns),
            Form::Lines(_) => self.line(input, ended),
        };
        let length = match part {
            // What it says there is as long as it says, or it ends before.
            Some(Part::Head(len, _) | Part::Row(len, _)) => len,
            Some(_) => 0,
            None => input.len(),
        };
        if length > self.limit {
            return Err(TooLong(self.limit));
        }
        if part.is_some() {
            self.scanned = 0;
        }
        Ok(part)
    }

    /// A wanted field of the row that was found last: the one with this place among those that
    /// were asked for. `input` is what the row was found in.
    pub fn field<'a>(&'a self, input: &'a [u8], place: usize) -> Field<'a> {
        let value = |bytes: Option<&'a [u8]>| bytes.map_or(Field::Missing, Field::Value);
        match self.found.get(place) {
            None | Some(Found::Missing) => Field::Missing,
            Some(Found::Null) => Field::Null,
            Some(Found::Default) => Field::Default,
            Some(Found::Raw(at)) => value(input.get(at.clone())),
            Some(Found::Decoded(at)) => value(self.scratch.get(at.clone())),
        }
    }

    /// What ends the lines, as far as it is known.
    pub fn line_end(&self) -> LineEnd {
        self.line_end
    }
}

#[cfg(test)]
mod tests;
