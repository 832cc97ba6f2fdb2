//! What a client sees of a statement, and in what two of them differ.

use std::fmt::{self, Write as _};

use pgherd::wire::backend::{ErrorFields, Field};

/// From here on, oids are those of objects that users made: each server has its own.
const FIRST_USER_OID: u32 = 16384;

/// The codes of refusals. With another one, an error of pgherd's own has to be what Postgres
/// would have said.
const REFUSALS: &[&str] = &["0A000", "53200", "54000", "54001"];

/// A row's values, as they came.
pub type Row = Vec<Option<Vec<u8>>>;

/// All that one request was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Of a statement that was described: the types of its parameters.
    pub parameters: Vec<u32>,
    /// One for each statement of the text, up to the first error.
    pub parts: Vec<Part>,
    /// Codes of notices and warnings.
    pub notices: Vec<String>,
    /// As ReadyForQuery says it.
    pub status: u8,
}

/// What one statement was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    pub columns: Option<Vec<Column>>,
    pub rows: Vec<Row>,
    /// CopyInResponse or CopyOutResponse.
    pub copy: Option<Vec<u8>>,
    /// The bytes of COPY TO STDOUT.
    pub copied: Vec<u8>,
    pub end: Option<End>,
}

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The command tag.
    Done(String),
    Failed(Failure),
    /// There was no statement.
    Empty,
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: String,
    pub message: String,
    /// Said by pgherd itself: Postgres says in which of its source files an error was raised.
    pub own: bool,
}

/// A column of a result, without what names a table of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub type_oid: u32,
    pub type_len: i16,
    pub type_mod: i32,
    pub format: u16,
}

impl Column {
    pub fn of(field: &Field<'_>) -> Column {
        Column {
            name: String::from_utf8_lossy(field.name).into(),
            type_oid: field.type_oid.min(FIRST_USER_OID),
            type_len: field.type_len,
            type_mod: field.type_mod,
            format: field.format as u16,
        }
    }
}

impl Failure {
    pub fn of(fields: &ErrorFields<'_>) -> Failure {
        Failure {
            code: String::from_utf8_lossy(fields.sqlstate()).into(),
            message: String::from_utf8_lossy(fields.message()).into(),
            own: fields.get(b'F').is_none(),
        }
    }
}

impl Answer {
    pub fn failure(&self) -> Option<&Failure> {
        self.parts.iter().find_map(|part| match &part.end {
            Some(End::Failed(failure)) => Some(failure),
            _ => None,
        })
    }

    /// The error by which pgherd refused.
    pub fn refusal(&self) -> Option<&Failure> {
        self.failure().filter(|failure| failure.own && REFUSALS.contains(&failure.code.as_str()))
    }

    /// Whether a statement of it may have changed rows.
    pub fn wrote(&self) -> bool {
        self.parts.iter().any(|part| match &part.end {
            Some(End::Done(done)) => {
                let verb = done.split(' ').next().unwrap_or_default();
                !["SELECT", "FETCH", "BEGIN", "COMMIT", "ROLLBACK", "DECLARE", "CLOSE", "SHOW"]
                    .contains(&verb)
            }
            _ => false,
        })
    }
}

/// In what order rows have to come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Order {
    /// In any.
    #[default]
    Free,
    /// In the one that the statement says.
    Total,
    /// The statement leaves ties: these columns, counted from 0, come in one order.
    By(Vec<usize>),
    /// Which rows come is left open, too: so many as there are, all out of another answer.
    SomeOf(Vec<Row>),
}

/// In what an answer of pgherd's differs from that of the twin.
pub fn difference(ours: &Answer, theirs: &Answer, order: &Order) -> Option<String> {
    if ours.failure().map(|f| &f.code) != theirs.failure().map(|f| &f.code) {
        return Some("another end".into());
    }
    let differ = |what: &str| Some(format!("other {what}"));
    if ours.parameters != theirs.parameters {
        return differ("parameters");
    }
    if ours.status != theirs.status {
        return differ("state of the transaction");
    }
    if ours.parts.len() != theirs.parts.len() {
        return differ("number of results");
    }
    // What comes before an error is not determined.
    if ours.failure().is_some() {
        return None;
    }
    if ours.notices != theirs.notices {
        return differ("notices");
    }
    for (our, their) in ours.parts.iter().zip(&theirs.parts) {
        if our.columns != their.columns {
            return differ("columns");
        }
        if our.end != their.end {
            return differ("command tag");
        }
        if our.copy != their.copy || !same_copies(&our.copied, &their.copied, order) {
            return differ("copied data");
        }
        if !same_rows(&our.rows, &their.rows, order) {
            return differ("rows");
        }
    }
    None
}

fn same_rows(ours: &[Row], theirs: &[Row], order: &Order) -> bool {
    match order {
        Order::Free => sorted(ours) == sorted(theirs),
        Order::Total => ours == theirs,
        Order::By(columns) => {
            let keys = |rows: &[Row]| -> Vec<Row> {
                let key = |row: &Row| columns.iter().map(|at| row[*at].clone()).collect();
                rows.iter().map(key).collect()
            };
            keys(ours) == keys(theirs) && sorted(ours) == sorted(theirs)
        }
        Order::SomeOf(all) => {
            let mut left = sorted(all);
            ours.len() == theirs.len()
                && ours.iter().all(|row| match left.binary_search(row) {
                    Ok(at) => {
                        left.remove(at);
                        true
                    }
                    Err(_) => false,
                })
        }
    }
}

/// By lines, or by the tuples of the binary format.
fn same_copies(ours: &[u8], theirs: &[u8], order: &Order) -> bool {
    if *order == Order::Total {
        return ours == theirs;
    }
    let pieces = |bytes: &[u8]| {
        let mut pieces = match bytes.starts_with(b"PGCOPY\n") {
            true => tuples(bytes),
            false => bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect(),
        };
        pieces.sort();
        pieces
    };
    pieces(ours) == pieces(theirs)
}

/// Header, tuples and trailer of COPY's binary format.
fn tuples(bytes: &[u8]) -> Vec<Vec<u8>> {
    const HEADER: usize = 19;
    let mut pieces = vec![bytes[..HEADER.min(bytes.len())].to_vec()];
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    while let Some(count) = rest.first_chunk::<2>() {
        let mut at = 2;
        for _ in 0..i16::from_be_bytes(*count) {
            let len = rest.get(at..).and_then(|r| r.first_chunk::<4>());
            at += 4 + len.map_or(0, |len| i32::from_be_bytes(*len).max(0) as usize);
        }
        let (piece, after) = rest.split_at(at.min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}

pub fn sorted(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.sort();
    rows
}

/// For a person who looks for the difference.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More than this says nothing.
        const ROWS: usize = 30;
        for part in &self.parts {
            if let Some(columns) = &part.columns {
                let told = columns.iter().map(|c| format!("{}:{}", c.name, c.type_oid));
                writeln!(f, "    ({})", told.collect::<Vec<_>>().join(", "))?;
            }
            for row in part.rows.iter().take(ROWS) {
                writeln!(f, "    {}", shown(row))?;
            }
            if part.rows.len() > ROWS {
                writeln!(f, "    … {} rows", part.rows.len())?;
            }
            if !part.copied.is_empty() {
                writeln!(f, "    copied {}", part.copied.escape_ascii())?;
            }
            match &part.end {
                Some(End::Done(done)) => writeln!(f, "    {done}")?,
                Some(End::Failed(e)) => writeln!(f, "    {} {}", e.code, e.message)?,
                Some(End::Empty) => writeln!(f, "    nothing to do")?,
                None => writeln!(f, "    no end")?,
            }
        }
        if !self.notices.is_empty() {
            writeln!(f, "    notices {:?}", self.notices)?;
        }
        write!(f, "    status {}", self.status as char)
    }
}

fn shown(row: &Row) -> String {
    let mut text = String::new();
    for value in row {
        let _ = match value {
            Some(value) => match std::str::from_utf8(value) {
                Ok(value) if !value.contains('\0') => write!(text, "{value} | "),
                _ => write!(text, "x{} | ", value.escape_ascii()),
            },
            None => write!(text, "NULL | "),
        };
    }
    text
}
