//! Rows of a result as COPY TO STDOUT writes them (PostgreSQL's `copyto.c`).

use bytes::{BufMut, BytesMut};

use super::{Dialect, Form, Quotes};
use crate::wire::backend::{self, tag};
use crate::wire::frontend::Format;
use crate::wire::{ProtocolError, write};

/// Columns that CSV quotes even where that isn't needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Forced {
    #[default]
    None,
    All,
    Named(Vec<Box<str>>),
}

/// Writes rows of one result.
#[derive(Debug)]
pub struct Writer {
    form: Form,
    /// By column, where there are any.
    forced: Vec<bool>,
    columns: usize,
    /// The signature of the binary format is still to come. Servers send it with the first row, or
    /// with the end, and some drivers want it so.
    unsigned: bool,
}

impl Writer {
    /// `names` are the columns.
    ///
    /// # Errors
    /// This column is to be quoted, and isn't among them.
    pub fn new(form: &Form, forced: &Forced, names: &[&[u8]]) -> Result<Writer, Box<str>> {
        let mut columns = vec![*forced == Forced::All; names.len()];
        if let Forced::Named(named) = forced {
            for name in named {
                let at = names.iter().position(|column| *column == name.as_bytes());
                match at {
                    Some(at) => columns[at] = true,
                    None => return Err(name.clone()),
                }
            }
        }
        let unsigned = matches!(form, Form::Binary { .. });
        Ok(Writer { form: form.clone(), forced: columns, columns: names.len(), unsigned })
    }

    /// The format that the values must have.
    pub fn format(form: &Form) -> Format {
        if matches!(form, Form::Binary { .. }) { Format::Binary } else { Format::Text }
    }

    /// What comes before the rows: CopyOutResponse, and the header line.
    pub fn begin(&self, out: &mut BytesMut, names: &[&[u8]]) {
        let format = Writer::format(&self.form);
        write::frame(out, tag::COPY_OUT_RESPONSE, |b| {
            b.put_u8(format as u8);
            let count = u16::try_from(self.columns).unwrap_or(u16::MAX);
            b.put_u16(count);
            (0..count).for_each(|_| b.put_u16(format as u16));
        });
        match &self.form {
            Form::Lines(dialect) if dialect.header => data(out, |b| {
                for (at, name) in names.iter().enumerate() {
                    separate(b, dialect, at);
                    value(b, dialect, name, (false, self.columns == 1));
                }
                b.put_u8(b'\n');
            }),
            Form::Lines(_) | Form::Binary { .. } => {}
        }
    }

    /// One row: a DataRow's body.
    ///
    /// # Errors
    /// It isn't one.
    pub fn row(&mut self, out: &mut BytesMut, body: &[u8]) -> Result<(), ProtocolError> {
        let Form::Lines(dialect) = &self.form else {
            // They are written alike.
            let unsigned = std::mem::take(&mut self.unsigned);
            data(out, |b| {
                sign(b, unsigned);
                b.put_slice(body);
            });
            return Ok(());
        };
        let row = backend::read_data_row(body)?;
        data(out, |b| {
            for (at, cell) in row.iter().enumerate() {
                separate(b, dialect, at);
                match cell {
                    None => b.put_slice(&dialect.null),
                    Some(cell) => {
                        let forced = self.forced.get(at).copied().unwrap_or(false);
                        value(b, dialect, cell, (forced, self.columns == 1));
                    }
                }
            }
            b.put_u8(b'\n');
        });
        Ok(())
    }

    /// What comes behind the last row.
    pub fn end(&self, out: &mut BytesMut) {
        if matches!(self.form, Form::Binary { .. }) {
            data(out, |b| {
                sign(b, self.unsigned);
                b.put_i16(-1);
            });
        }
        backend::empty(out, tag::COPY_DONE);
    }
}

fn sign(out: &mut BytesMut, unsigned: bool) {
    if unsigned {
        out.put_slice(super::binary::SIGNATURE);
        out.put_u64(0);
    }
}

fn data(out: &mut BytesMut, fill: impl FnOnce(&mut BytesMut)) {
    write::frame(out, tag::COPY_DATA, fill);
}

fn separate(out: &mut BytesMut, dialect: &Dialect, at: usize) {
    if at > 0 {
        out.put_u8(dialect.delimiter);
    }
}

/// `alone`: it is the row's only one.
fn value(out: &mut BytesMut, dialect: &Dialect, value: &[u8], (forced, alone): (bool, bool)) {
    match dialect.csv {
        None => text(out, dialect.delimiter, value),
        Some(quotes) => csv(out, (dialect, quotes), value, (forced, alone)),
    }
}

fn text(out: &mut BytesMut, delimiter: u8, value: &[u8]) {
    for byte in value {
        let escaped = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            other if *other == delimiter => *other,
            other => {
                out.put_u8(*other);
                continue;
            }
        };
        out.put_slice(&[b'\\', escaped]);
    }
}

fn csv(
    out: &mut BytesMut,
    (dialect, quotes): (&Dialect, Quotes),
    value: &[u8],
    (forced, alone): (bool, bool),
) {
    let Quotes { quote, escape } = quotes;
    let special = |byte: &u8| [dialect.delimiter, quote, b'\n', b'\r'].contains(byte);
    let quoted = forced
        || *value == *dialect.null
        || (alone && value == b"\\.")
        || value.iter().any(special);
    if !quoted {
        return out.put_slice(value);
    }
    out.put_u8(quote);
    for byte in value {
        if [quote, escape].contains(byte) {
            out.put_u8(escape);
        }
        out.put_u8(*byte);
    }
    out.put_u8(quote);
}
