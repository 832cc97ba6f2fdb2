//! The data of COPY: rows are the same in whatever pieces they come, and what is written for
//! COPY TO is read back by COPY FROM.

use bytes::BytesMut;
use pgherd::wire::backend;
use pgherd::wire::copy::{
    Breaks, Dialect, Field, Forced, Form, LineEnd, Part, Quotes, Splitter, Wanted, Writer,
};
use pgherd::wire::frame::{self, HEADER_LEN};

use super::pieces::Pieces;

const LONGEST_ROW: usize = 1000;
const MAX: usize = 1 << 20;

/// The dialect, whether it is read or written, the cuts, then the data or the values.
pub fn run(data: &[u8]) {
    let mut pieces = Pieces::new(data);
    let form = form(pieces.byte());
    let written = pieces.byte() & 1 == 0;
    let cuts = pieces.piece();
    if written {
        return read_back(&form, pieces);
    }
    let data = pieces.rest();
    let whole = cut(&form, data, &[]);
    for cuts in [cuts, &[1]] {
        let told = cut(&form, data, cuts);
        // What is wrong with a row may stand behind the bound on its length.
        if !whole.too_long && !told.too_long {
            assert_eq!(told, whole, "cut at {cuts:?}");
        }
    }
}

fn form(choice: u8) -> Form {
    if choice & 7 == 7 {
        return Form::Binary { columns: 2 };
    }
    let double = Quotes { quote: b'"', escape: b'"' };
    let other = Quotes { quote: b'\'', escape: b'\\' };
    let csv = match choice & 3 {
        0 | 1 => None,
        2 => Some(double),
        _ => Some(other),
    };
    Form::Lines(Dialect {
        delimiter: if choice & 3 == 0 { b'\t' } else { b',' },
        null: if csv.is_none() { b"\\N".as_slice().into() } else { Box::default() },
        default: (choice & 8 != 0).then(|| b"\\D".as_slice().into()),
        header: choice & 16 != 0,
        csv,
        marker: choice & 32 != 0,
        marker_inside: choice & 64 != 0,
    })
}

/// What was told of data, part by part.
#[derive(Debug, Default, PartialEq)]
struct Told {
    rows: Vec<(Vec<u8>, Breaks, [Value; 2])>,
    heads: Vec<Vec<u8>>,
    tails: Vec<Vec<u8>>,
    refused: bool,
    too_long: bool,
    line_end: LineEnd,
}

#[derive(Debug, PartialEq)]
enum Value {
    Missing,
    Null,
    Default,
    Of(Vec<u8>),
}

/// Cuts data of which so many bytes come at a time; all at once at the end.
fn cut(form: &Form, data: &[u8], cuts: &[u8]) -> Told {
    let wanted = [1, 0].map(|field| Wanted { field, force_not_null: false, force_null: false });
    let mut splitter = Splitter::new(form.clone(), &wanted, LONGEST_ROW);
    let (mut told, mut carried, mut rest) = (Told::default(), Vec::new(), data);
    let mut cuts = cuts.iter().cycle();
    loop {
        let ended = rest.is_empty();
        loop {
            let part = match splitter.next(&carried, ended) {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(_) => {
                    told.too_long = true;
                    return told;
                }
            };
            let value = |place| match splitter.field(&carried, place) {
                Field::Missing => Value::Missing,
                Field::Null => Value::Null,
                Field::Default => Value::Default,
                Field::Value(value) => Value::Of(value.to_vec()),
            };
            let len = match part {
                Part::Head(len, _) => {
                    told.heads.push(carried[..len].to_vec());
                    len
                }
                Part::Row(len, breaks) => {
                    told.rows.push((carried[..len].to_vec(), breaks, [value(0), value(1)]));
                    len
                }
                Part::Tail(len) => {
                    told.tails.push(carried[..len].to_vec());
                    len
                }
                Part::Ignored(len) => len,
                Part::Refused(_) => {
                    told.refused = true;
                    return told;
                }
            };
            assert!(len > 0 && len <= carried.len(), "{part:?} of {}", carried.len());
            carried.drain(..len);
        }
        if ended {
            assert!(carried.is_empty(), "left over: {}", carried.escape_ascii());
            told.line_end = splitter.line_end();
            return told;
        }
        let here = cuts.next().map_or(rest.len(), |cut| usize::from(*cut).clamp(1, rest.len()));
        carried.extend_from_slice(&rest[..here]);
        rest = &rest[here..];
    }
}

/// Rows of two values each, written and read.
fn read_back(form: &Form, mut pieces: Pieces<'_>) {
    let mut writer = Writer::new(form, &Forced::None, &[b"a", b"b"]).expect("no column is forced");
    let (mut frames, mut rows) = (BytesMut::new(), Vec::new());
    writer.begin(&mut frames, &[b"a", b"b"]);
    while !pieces.is_empty() {
        let mut value = || (pieces.byte() != 0).then(|| pieces.piece().to_vec());
        let row = [value(), value()];
        let mut framed = BytesMut::new();
        backend::data_row(&mut framed, row.iter().map(Option::as_deref));
        writer.row(&mut frames, &framed[HEADER_LEN..]).expect("a row");
        rows.push(row);
    }
    writer.end(&mut frames);
    let mut data = Vec::new();
    while let Some((tag, body)) = frame::take(&mut frames, MAX, "a test").expect("whole frames") {
        if tag == backend::tag::COPY_DATA {
            data.extend_from_slice(&body);
        }
    }
    let told = cut(form, &data, &[]);
    assert!(!told.refused);
    if told.too_long {
        return;
    }
    let read: Vec<[Option<Vec<u8>>; 2]> =
        told.rows.into_iter().map(|(.., row)| known(row)).collect();
    // An option of COPY FROM that COPY TO doesn't know.
    let defaults = matches!(form, Form::Lines(dialect) if dialect.default.is_some());
    assert!(defaults || read == rows, "{read:?}, and not {rows:?}");
}

/// The values in the order of their fields.
fn known(row: [Value; 2]) -> [Option<Vec<u8>>; 2] {
    let [second, first] = row.map(|value| match value {
        Value::Of(value) => Some(value),
        Value::Null | Value::Default => None,
        Value::Missing => panic!("a field is missing"),
    });
    [first, second]
}
