//! The options of COPY, as far as they say how its data are written.

use std::borrow::Cow;

use crate::sql::{CopyOption, CopyValue, Ident, LiteralKind};
use crate::wire::copy::{Dialect, Forced, Form, Quotes, Wanted};
use crate::wire::encoding::Hiding;

use super::refusal::Refusal;
use super::value::Values;

/// Why options aren't read.
#[derive(Debug)]
pub(super) enum NotRead {
    /// A server refuses them, and knows the words.
    Wrong,
    Refused(Refusal),
}

impl From<Refusal> for NotRead {
    fn from(refusal: Refusal) -> NotRead {
        NotRead::Refused(refusal)
    }
}

/// Columns that an option names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Columns {
    #[default]
    None,
    All,
    Named(Vec<Ident>),
}

impl Columns {
    fn has(&self, column: &str) -> bool {
        match self {
            Columns::None => false,
            Columns::All => true,
            Columns::Named(names) => names.iter().any(|name| **name == *column),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Format {
    #[default]
    Text,
    Csv,
    Binary,
}

/// The options of one execution.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    format: Option<Format>,
    delimiter: Option<Cow<'a, [u8]>>,
    null: Option<Cow<'a, [u8]>>,
    default: Option<Cow<'a, [u8]>>,
    quote: Option<Cow<'a, [u8]>>,
    escape: Option<Cow<'a, [u8]>>,
    header: Option<bool>,
    force_quote: Columns,
    force_not_null: Columns,
    force_null: Columns,
    encoding: Option<Cow<'a, [u8]>>,
    freeze: bool,
}

impl<'a> Options<'a> {
    /// # Errors
    /// A server refuses them, or pgherd does.
    pub fn read(options: &'a [CopyOption], values: &Values<'a>) -> Result<Options<'a>, NotRead> {
        let mut read = Options::default();
        for (at, option) in options.iter().enumerate() {
            if options[..at].iter().any(|before| before.name == option.name) {
                return Err(NotRead::Wrong);
            }
            read.take(option, values)?;
        }
        Ok(read)
    }

    fn take(&mut self, option: &'a CopyOption, values: &Values<'a>) -> Result<(), NotRead> {
        let text = || text(&option.value, values).ok_or(NotRead::Wrong);
        match &*option.name {
            "format" => {
                self.format = Some(match &*text()? {
                    b"text" => Format::Text,
                    b"csv" => Format::Csv,
                    b"binary" => Format::Binary,
                    _ => return Err(NotRead::Wrong),
                });
            }
            "delimiter" => self.delimiter = Some(text()?),
            "null" => self.null = Some(text()?),
            "default" => self.default = Some(text()?),
            "quote" => self.quote = Some(text()?),
            "escape" => self.escape = Some(text()?),
            "encoding" => self.encoding = Some(text()?),
            "header" => self.header = Some(header(&option.value, values)?),
            "force_quote" => self.force_quote = columns(&option.value)?,
            "force_not_null" => self.force_not_null = columns(&option.value)?,
            "force_null" => self.force_null = columns(&option.value)?,
            // Rows that are left out can't be told from rows that have no place.
            "on_error" if *text()? == *b"stop" => {}
            "on_error" | "reject_limit" => {
                return Err(Refusal::copy_option(&option.name).into());
            }
            "freeze" => self.freeze = header(&option.value, values)?,
            "log_verbosity" => {}
            _ => return Err(NotRead::Wrong),
        }
        Ok(())
    }

    pub fn is_binary(&self) -> bool {
        self.format == Some(Format::Binary)
    }

    pub fn header(&self) -> bool {
        self.header.unwrap_or(false)
    }

    /// How rows are written that aren't a server's own COPY.
    ///
    /// # Errors
    /// A server refuses the options; or the rows would have to be converted.
    pub fn writing(&self, client_utf8: bool) -> Result<(Form, Forced), NotRead> {
        let of_from = [&self.force_not_null, &self.force_null];
        let read = of_from.iter().any(|columns| **columns != Columns::None);
        if read || self.freeze || self.default.is_some() {
            return Err(NotRead::Wrong);
        }
        if let Some(name) = &self.encoding
            && !(client_utf8 && self.is_utf8(client_utf8)?)
        {
            return Err(Refusal::copy_encoding(&String::from_utf8_lossy(name)).into());
        }
        let forced = match &self.force_quote {
            Columns::None => Forced::None,
            Columns::All => Forced::All,
            Columns::Named(names) => Forced::Named(names.clone()),
        };
        Ok((self.form(0, 0)?, forced))
    }

    /// Whether the data are UTF-8, where the client's texts are, or aren't.
    ///
    /// # Errors
    /// They can't be cut into rows as they come.
    pub fn is_utf8(&self, client: bool) -> Result<bool, Refusal> {
        let Some(name) = &self.encoding else { return Ok(client) };
        let name = String::from_utf8_lossy(name);
        if Hiding::of(&name).is_some() {
            return Err(Refusal::copy_encoding(&name));
        }
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        Ok(matches!(&*plain.to_ascii_lowercase(), "utf8" | "unicode"))
    }

    /// How the data are written, for a server of this version.
    pub fn form(&self, columns: usize, major: u32) -> Result<Form, NotRead> {
        let csv = self.format == Some(Format::Csv);
        let quoting = self.quote.is_some() || self.escape.is_some();
        if self.is_binary() {
            let written = quoting || self.delimiter.is_some() || self.null.is_some();
            if written || self.default.is_some() || self.header() {
                return Err(NotRead::Wrong);
            }
            return Ok(Form::Binary { columns });
        }
        let forced = [&self.force_quote, &self.force_not_null, &self.force_null];
        if !csv && (quoting || forced.iter().any(|columns| **columns != Columns::None)) {
            return Err(NotRead::Wrong);
        }
        let one = |given: &Option<Cow<'_, [u8]>>, usual: u8| match given.as_deref() {
            None => Ok(usual),
            Some([byte]) if !matches!(byte, b'\n' | b'\r') => Ok(*byte),
            Some(_) => Err(NotRead::Wrong),
        };
        let delimiter = one(&self.delimiter, if csv { b',' } else { b'\t' })?;
        let quotes = if csv {
            let quote = one(&self.quote, b'"')?;
            Some(Quotes { quote, escape: one(&self.escape, quote)? })
        } else {
            None
        };
        let null = self.null.as_deref().unwrap_or(if csv { b"" } else { b"\\N" });
        let dialect = Dialect {
            delimiter,
            null: null.into(),
            default: self.default.as_deref().map(Box::from),
            header: self.header(),
            csv: quotes,
            marker: major < 18,
            marker_inside: major < 18,
        };
        check(&dialect)?;
        Ok(Form::Lines(dialect))
    }

    /// A field that is to be read of each row: a column's.
    pub fn wanted(&self, field: usize, column: &str) -> Wanted {
        Wanted {
            field,
            force_not_null: self.force_not_null.has(column),
            force_null: self.force_null.has(column),
        }
    }
}

/// What a server refuses of a dialect.
fn check(dialect: &Dialect) -> Result<(), NotRead> {
    let Dialect { delimiter, null, default, csv, .. } = dialect;
    let marks = || [Some(null), default.as_ref()].into_iter().flatten();
    let breaks = |mark: &[u8]| mark.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    if marks().any(|mark| breaks(mark) || mark.contains(delimiter)) {
        return Err(NotRead::Wrong);
    }
    match csv {
        None => {
            let taken = b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(delimiter);
            if taken { Err(NotRead::Wrong) } else { Ok(()) }
        }
        Some(Quotes { quote: b'\\', .. }) => Err(Refusal::copy_option("quote").into()),
        Some(Quotes { quote, .. }) => {
            let mixed = delimiter == quote || marks().any(|mark| mark.contains(quote));
            if mixed { Err(NotRead::Wrong) } else { Ok(()) }
        }
    }
}

fn text<'a>(value: &'a CopyValue, values: &Values<'a>) -> Option<Cow<'a, [u8]>> {
    match value {
        CopyValue::Word(word) => Some(Cow::Borrowed(word.as_bytes())),
        CopyValue::Literal(slot) => match values.literals.slot(*slot) {
            [literal] => literal.value(values.text).ok(),
            _ => None,
        },
        CopyValue::None | CopyValue::Star | CopyValue::Names(_) | CopyValue::Other => None,
    }
}

fn header(value: &CopyValue, values: &Values<'_>) -> Result<bool, NotRead> {
    if *value == CopyValue::None {
        return Ok(true);
    }
    let number = matches!(value, CopyValue::Literal(slot)
        if matches!(values.literals.slot(*slot), [one] if one.kind == LiteralKind::Integer));
    let text = text(value, values).ok_or(NotRead::Wrong)?;
    match (number, &*text.to_ascii_lowercase()) {
        (true, b"1") | (false, b"true" | b"on" | b"match") => Ok(true),
        (true, b"0") | (false, b"false" | b"off") => Ok(false),
        _ => Err(NotRead::Wrong),
    }
}

fn columns(value: &CopyValue) -> Result<Columns, NotRead> {
    match value {
        CopyValue::Star => Ok(Columns::All),
        CopyValue::Names(names) => Ok(Columns::Named(names.clone())),
        _ => Err(NotRead::Wrong),
    }
}
