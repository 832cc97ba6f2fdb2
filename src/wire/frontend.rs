//! What a client sends: accessors over a frame's body, and builders for what we send as one.
//!
//! Names, texts and values stay the bytes that came: a server in another encoding gets them
//! unchanged.

use bytes::{BufMut, BytesMut};

use super::frame::{Header, show_tag};
use super::read::Reader;
use super::{ProtocolError, write};

/// Type bytes.
pub mod tag {
    pub const QUERY: u8 = b'Q';
    pub const PARSE: u8 = b'P';
    pub const BIND: u8 = b'B';
    pub const DESCRIBE: u8 = b'D';
    pub const EXECUTE: u8 = b'E';
    pub const CLOSE: u8 = b'C';
    pub const FLUSH: u8 = b'H';
    pub const SYNC: u8 = b'S';
    pub const FUNCTION_CALL: u8 = b'F';
    pub const COPY_DATA: u8 = b'd';
    pub const COPY_DONE: u8 = b'c';
    pub const COPY_FAIL: u8 = b'f';
    pub const TERMINATE: u8 = b'X';
    /// PasswordMessage, SASLInitialResponse, SASLResponse.
    pub const PASSWORD: u8 = b'p';
}

/// Longest message of the kinds that hold no more than a name, as Postgres has it.
const SMALL_MESSAGE: usize = 10_000;

/// Whether a client may send this frame at all: its type is known and its length is within
/// bounds. Fatal otherwise, as in Postgres, and decided by the header alone.
///
/// `max` is the setting `max_message_size`, in bytes of the whole frame.
pub fn check_header(header: &Header, max: usize) -> Result<(), ProtocolError> {
    match header.tag {
        tag::QUERY | tag::PARSE | tag::BIND | tag::FUNCTION_CALL | tag::COPY_DATA => {
            header.check_size(max, "max_message_size")
        }
        tag::DESCRIBE
        | tag::EXECUTE
        | tag::CLOSE
        | tag::FLUSH
        | tag::SYNC
        | tag::COPY_DONE
        | tag::COPY_FAIL
        | tag::TERMINATE
        | tag::PASSWORD => header.check_size(SMALL_MESSAGE.min(max), "the protocol's bound on it"),
        other => Err(unknown_type(other)),
    }
}

#[cold]
fn unknown_type(tag: u8) -> ProtocolError {
    ProtocolError::fatal(format!("invalid frontend message type {}", show_tag(tag)))
}

/// Query: the text, without its zero byte.
pub fn query(body: &[u8]) -> Result<&[u8], ProtocolError> {
    let mut r = Reader::new(body, "Query");
    let text = r.cstr()?;
    r.end()?;
    Ok(text)
}

/// Parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// Statement's name; empty is the unnamed statement.
    pub name: &'a [u8],
    pub query: &'a [u8],
    pub types: Oids<'a>,
}

/// A list of type OIDs; 0 is unspecified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Oids<'a>(&'a [u8]);

impl<'a> Oids<'a> {
    /// OIDs as they stand in a message, four bytes each.
    pub(super) fn new(bytes: &'a [u8]) -> Oids<'a> {
        Oids(bytes)
    }

    pub fn len(&self) -> usize {
        self.0.len() / 4
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.0.as_chunks::<4>().0.iter().map(|c| u32::from_be_bytes(*c))
    }

    pub fn get(&self, i: usize) -> Option<u32> {
        self.0.as_chunks::<4>().0.get(i).map(|c| u32::from_be_bytes(*c))
    }
}

impl<'a> Parse<'a> {
    pub fn read(body: &'a [u8]) -> Result<Parse<'a>, ProtocolError> {
        let mut r = Reader::new(body, "Parse");
        let name = r.cstr()?;
        let query = r.cstr()?;
        let count = usize::from(r.u16()?);
        let types = Oids(r.bytes(count * 4)?);
        r.end()?;
        Ok(Parse { name, query, types })
    }

    /// Appends this Parse under another name.
    pub fn write_as(&self, out: &mut BytesMut, name: &[u8]) {
        write::frame(out, tag::PARSE, |b| {
            write::cstr(b, name);
            write::cstr(b, self.query);
            b.put_u16((self.types.len()) as u16);
            b.put_slice(self.types.0);
        });
    }
}

/// Appends a Parse. More than 65,535 types can't be written: the message is refused.
pub fn parse(
    out: &mut BytesMut,
    name: &[u8],
    query: &[u8],
    types: &[u32],
) -> Result<(), ProtocolError> {
    let count = count_u16(types.len(), "Parse")?;
    write::frame(out, tag::PARSE, |b| {
        write::cstr(b, name);
        write::cstr(b, query);
        b.put_u16(count);
        types.iter().for_each(|t| b.put_u32(*t));
    });
    Ok(())
}

fn count_u16(n: usize, what: &str) -> Result<u16, ProtocolError> {
    u16::try_from(n).map_err(|_| {
        ProtocolError::coded("54000", format!("{n} are more than the 65535 that {what} can hold"))
    })
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Text,
    Binary,
}

/// A list of formats: none is text for all, one is for all, else one for each. Its codes were
/// checked to be 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Formats<'a>(&'a [u8]);

impl<'a> Formats<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Formats<'a>, ProtocolError> {
        let count = usize::from(r.u16()?);
        let codes = r.bytes(count * 2)?;
        for code in codes.as_chunks::<2>().0 {
            if !matches!(code, [0, 0 | 1]) {
                let code = i16::from_be_bytes(*code);
                let why = format!("unsupported format code: {code}");
                return Err(ProtocolError::coded("22023", why));
            }
        }
        Ok(Formats(codes))
    }

    /// How many were written; not how many values they stand for.
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The format of value `i`; text where the list doesn't reach.
    pub fn of(&self, i: usize) -> Format {
        let codes = self.0.as_chunks::<2>().0;
        let at = if codes.len() == 1 { 0 } else { i };
        match codes.get(at) {
            Some([0, 1]) => Format::Binary,
            _ => Format::Text,
        }
    }
}

/// Bind, with every count and length checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    pub portal: &'a [u8],
    pub statement: &'a [u8],
    pub parameter_formats: Formats<'a>,
    pub values: Values<'a>,
    pub result_formats: Formats<'a>,
    /// Everything behind the two names, as it came.
    pub tail: &'a [u8],
}

/// The values of a Bind or a FunctionCall, or a row's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Values<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Values<'a>, ProtocolError> {
        let count = r.u16()?;
        let start = r.rest();
        for _ in 0..count {
            r.value()?;
        }
        let used = start.len() - r.rest().len();
        Ok(Values { count, bytes: &start[..used] })
    }

    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values in order; `None` is NULL.
    pub fn iter(&self) -> ValuesIter<'a> {
        ValuesIter { left: self.count, reader: Reader::new(self.bytes, "Bind") }
    }

    /// Value `i`, by walking over those before it. The outer `None` is no such value.
    pub fn get(&self, i: usize) -> Option<Option<&'a [u8]>> {
        self.iter().nth(i)
    }
}

#[derive(Debug, Clone)]
pub struct ValuesIter<'a> {
    left: u16,
    reader: Reader<'a>,
}

impl<'a> Iterator for ValuesIter<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        // Checked when it was read, so an error here only ends the walk.
        self.reader.value().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}

impl<'a> Bind<'a> {
    pub fn read(body: &'a [u8]) -> Result<Bind<'a>, ProtocolError> {
        let mut r = Reader::new(body, "Bind");
        let portal = r.cstr()?;
        let statement = r.cstr()?;
        let tail = r.rest();
        let parameter_formats = Formats::read(&mut r)?;
        let values = Values::read(&mut r)?;
        let formats = parameter_formats.len();
        if formats > 1 && formats != values.len() {
            return Err(ProtocolError::message(format!(
                "bind message has {formats} parameter formats but {} parameters",
                values.len()
            )));
        }
        let result_formats = Formats::read(&mut r)?;
        r.end()?;
        Ok(Bind { portal, statement, parameter_formats, values, result_formats, tail })
    }

    /// Appends this Bind with other names.
    pub fn write_as(&self, out: &mut BytesMut, portal: &[u8], statement: &[u8]) {
        write::frame(out, tag::BIND, |b| {
            write::cstr(b, portal);
            write::cstr(b, statement);
            b.put_slice(self.tail);
        });
    }
}

/// Appends a Bind with one format for all parameters and one for all results.
pub fn bind(
    out: &mut BytesMut,
    portal: &[u8],
    statement: &[u8],
    format: Format,
    values: &[Option<&[u8]>],
    result: Format,
) -> Result<(), ProtocolError> {
    let count = count_u16(values.len(), "Bind")?;
    write::frame(out, tag::BIND, |b| {
        write::cstr(b, portal);
        write::cstr(b, statement);
        b.put_u16(1);
        b.put_u16(format as u16);
        b.put_u16(count);
        values.iter().for_each(|v| write::value(b, *v));
        b.put_u16(1);
        b.put_u16(result as u16);
    });
    Ok(())
}

/// What Describe and Close name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A prepared statement.
    Prepared(&'a [u8]),
    Portal(&'a [u8]),
}

impl<'a> Target<'a> {
    fn read(body: &'a [u8], what: &'static str) -> Result<Target<'a>, ProtocolError> {
        let mut r = Reader::new(body, what);
        let kind = r.u8()?;
        let name = r.cstr()?;
        let target = match kind {
            b'S' => Target::Prepared(name),
            b'P' => Target::Portal(name),
            other => return Err(r.error(&format!("it names neither 'S' nor 'P' but {other}"))),
        };
        r.end()?;
        Ok(target)
    }

    fn write(&self, out: &mut BytesMut, tag: u8) {
        let (kind, name) = match self {
            Target::Prepared(name) => (b'S', name),
            Target::Portal(name) => (b'P', name),
        };
        write::frame(out, tag, |b| {
            b.put_u8(kind);
            write::cstr(b, name);
        });
    }
}

pub fn read_describe(body: &[u8]) -> Result<Target<'_>, ProtocolError> {
    Target::read(body, "Describe")
}

pub fn read_close(body: &[u8]) -> Result<Target<'_>, ProtocolError> {
    Target::read(body, "Close")
}

pub fn describe(out: &mut BytesMut, target: Target<'_>) {
    target.write(out, tag::DESCRIBE);
}

pub fn close(out: &mut BytesMut, target: Target<'_>) {
    target.write(out, tag::CLOSE);
}

/// Execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    pub portal: &'a [u8],
    /// At most so many rows; 0 or less is all.
    pub max_rows: i32,
}

impl<'a> Execute<'a> {
    pub fn read(body: &'a [u8]) -> Result<Execute<'a>, ProtocolError> {
        let mut r = Reader::new(body, "Execute");
        let portal = r.cstr()?;
        let max_rows = r.i32()?;
        r.end()?;
        Ok(Execute { portal, max_rows })
    }
}

pub fn execute(out: &mut BytesMut, portal: &[u8], max_rows: i32) {
    write::frame(out, tag::EXECUTE, |b| {
        write::cstr(b, portal);
        b.put_i32(max_rows);
    });
}

/// FunctionCall, the legacy fast path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionCall<'a> {
    pub function: u32,
    pub argument_formats: Formats<'a>,
    pub arguments: Values<'a>,
    pub result_format: Format,
}

impl<'a> FunctionCall<'a> {
    pub fn read(body: &'a [u8]) -> Result<FunctionCall<'a>, ProtocolError> {
        let mut r = Reader::new(body, "FunctionCall");
        let function = r.u32()?;
        let argument_formats = Formats::read(&mut r)?;
        let arguments = Values::read(&mut r)?;
        let formats = argument_formats.len();
        if formats > 1 && formats != arguments.len() {
            return Err(r.error("the formats don't fit the arguments"));
        }
        let result_format = match r.i16()? {
            0 => Format::Text,
            1 => Format::Binary,
            other => {
                let why = format!("unsupported format code: {other}");
                return Err(ProtocolError::coded("22023", why));
            }
        };
        r.end()?;
        Ok(FunctionCall { function, argument_formats, arguments, result_format })
    }
}

/// CopyFail: the reason.
pub fn copy_fail_reason(body: &[u8]) -> Result<&[u8], ProtocolError> {
    let mut r = Reader::new(body, "CopyFail");
    let reason = r.cstr()?;
    r.end()?;
    Ok(reason)
}

/// Sync, Flush, Terminate, CopyDone: a body is a mistake.
pub fn check_empty(body: &[u8], what: &'static str) -> Result<(), ProtocolError> {
    Reader::new(body, what).end()
}

/// PasswordMessage: the password. Never logged.
pub fn password(body: &[u8]) -> Result<&[u8], ProtocolError> {
    let mut r = Reader::new(body, "Password");
    let text = r.cstr()?;
    r.end()?;
    Ok(text)
}

/// SASLInitialResponse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaslInitial<'a> {
    pub mechanism: &'a [u8],
    pub response: Option<&'a [u8]>,
}

impl<'a> SaslInitial<'a> {
    pub fn read(body: &'a [u8]) -> Result<SaslInitial<'a>, ProtocolError> {
        let mut r = Reader::new(body, "SASLInitialResponse");
        let mechanism = r.cstr()?;
        let response = r.value()?;
        r.end()?;
        Ok(SaslInitial { mechanism, response })
    }
}

/// Appends a Query.
pub fn write_query(out: &mut BytesMut, text: &[u8]) {
    write::frame(out, tag::QUERY, |b| write::cstr(b, text));
}

/// Appends a PasswordMessage.
pub fn write_password(out: &mut BytesMut, password: &[u8]) {
    write::frame(out, tag::PASSWORD, |b| write::cstr(b, password));
}

/// Appends a SASLInitialResponse.
pub fn write_sasl_initial(out: &mut BytesMut, mechanism: &str, response: &[u8]) {
    write::frame(out, tag::PASSWORD, |b| {
        write::cstr(b, mechanism.as_bytes());
        write::value(b, Some(response));
    });
}

/// Appends a SASLResponse.
pub fn write_sasl_response(out: &mut BytesMut, response: &[u8]) {
    write::frame(out, tag::PASSWORD, |b| b.put_slice(response));
}

pub fn sync(out: &mut BytesMut) {
    write::frame(out, tag::SYNC, |_| ());
}

pub fn flush(out: &mut BytesMut) {
    write::frame(out, tag::FLUSH, |_| ());
}

pub fn terminate(out: &mut BytesMut) {
    write::frame(out, tag::TERMINATE, |_| ());
}

pub fn copy_data(out: &mut BytesMut, data: &[u8]) {
    write::frame(out, tag::COPY_DATA, |b| b.put_slice(data));
}

pub fn copy_done(out: &mut BytesMut) {
    write::frame(out, tag::COPY_DONE, |_| ());
}

pub fn copy_fail(out: &mut BytesMut, reason: &[u8]) {
    write::frame(out, tag::COPY_FAIL, |b| write::cstr(b, reason));
}
