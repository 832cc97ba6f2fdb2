//! What a server sends: accessors over a frame's body, and builders for what we answer.

use bytes::{BufMut, BytesMut};

use super::frontend::{Format, Oids, Values};
use super::read::Reader;
use super::{ProtocolError, write};

/// Type bytes.
pub mod tag {
    pub const AUTHENTICATION: u8 = b'R';
    pub const PARAMETER_STATUS: u8 = b'S';
    pub const BACKEND_KEY_DATA: u8 = b'K';
    pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
    pub const READY_FOR_QUERY: u8 = b'Z';
    pub const ERROR_RESPONSE: u8 = b'E';
    pub const NOTICE_RESPONSE: u8 = b'N';
    pub const NOTIFICATION_RESPONSE: u8 = b'A';
    pub const ROW_DESCRIPTION: u8 = b'T';
    pub const DATA_ROW: u8 = b'D';
    pub const COMMAND_COMPLETE: u8 = b'C';
    pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
    pub const PORTAL_SUSPENDED: u8 = b's';
    pub const PARSE_COMPLETE: u8 = b'1';
    pub const BIND_COMPLETE: u8 = b'2';
    pub const CLOSE_COMPLETE: u8 = b'3';
    pub const PARAMETER_DESCRIPTION: u8 = b't';
    pub const NO_DATA: u8 = b'n';
    pub const COPY_IN_RESPONSE: u8 = b'G';
    pub const COPY_OUT_RESPONSE: u8 = b'H';
    pub const COPY_BOTH_RESPONSE: u8 = b'W';
    pub const COPY_DATA: u8 = b'd';
    pub const COPY_DONE: u8 = b'c';
    pub const FUNCTION_CALL_RESPONSE: u8 = b'V';
}

/// Where a session stands, as ReadyForQuery says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionStatus {
    #[default]
    Idle,
    InTransaction,
    Failed,
}

impl TransactionStatus {
    pub fn byte(self) -> u8 {
        match self {
            TransactionStatus::Idle => b'I',
            TransactionStatus::InTransaction => b'T',
            TransactionStatus::Failed => b'E',
        }
    }
}

pub fn read_ready(body: &[u8]) -> Result<TransactionStatus, ProtocolError> {
    match body {
        b"I" => Ok(TransactionStatus::Idle),
        b"T" => Ok(TransactionStatus::InTransaction),
        b"E" => Ok(TransactionStatus::Failed),
        _ => Err(Reader::new(body, "ReadyForQuery").error("its status is unknown")),
    }
}

/// The fields of an ErrorResponse or NoticeResponse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorFields<'a>(&'a [u8]);

impl<'a> ErrorFields<'a> {
    pub fn read(body: &'a [u8]) -> Result<ErrorFields<'a>, ProtocolError> {
        let mut r = Reader::new(body, "ErrorResponse");
        while r.u8()? != 0 {
            r.cstr()?;
        }
        r.end()?;
        Ok(ErrorFields(body))
    }

    /// Code and text of each field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut r = Reader::new(self.0, "ErrorResponse");
        std::iter::from_fn(move || match r.u8() {
            Ok(0) | Err(_) => None,
            Ok(code) => r.cstr().ok().map(|text| (code, text)),
        })
    }

    pub fn get(&self, code: u8) -> Option<&'a [u8]> {
        self.iter().find(|(c, _)| *c == code).map(|(_, text)| text)
    }

    /// ERROR, FATAL, PANIC, WARNING …: never translated.
    pub fn severity(&self) -> &'a [u8] {
        self.get(b'V').or_else(|| self.get(b'S')).unwrap_or(b"")
    }

    /// Five characters.
    pub fn sqlstate(&self) -> &'a [u8] {
        self.get(b'C').unwrap_or(b"")
    }

    pub fn message(&self) -> &'a [u8] {
        self.get(b'M').unwrap_or(b"")
    }
}

/// ParameterStatus: name and value.
pub fn read_parameter_status(body: &[u8]) -> Result<(&[u8], &[u8]), ProtocolError> {
    let mut r = Reader::new(body, "ParameterStatus");
    let name = r.cstr()?;
    let value = r.cstr()?;
    r.end()?;
    Ok((name, value))
}

/// BackendKeyData: the process id and the secret (4 bytes in protocol 3.0, up to 256 in 3.2).
pub fn read_backend_key(body: &[u8]) -> Result<(i32, &[u8]), ProtocolError> {
    let mut r = Reader::new(body, "BackendKeyData");
    let pid = r.i32()?;
    let secret = r.rest();
    if !(4..=256).contains(&secret.len()) {
        return Err(r.error("its secret has neither 4 nor up to 256 bytes"));
    }
    Ok((pid, secret))
}

/// A server's question for a proof of who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    Ok,
    Cleartext,
    Md5 {
        salt: [u8; 4],
    },
    /// Names of mechanisms.
    Sasl(CStrs<'a>),
    SaslContinue(&'a [u8]),
    SaslFinal(&'a [u8]),
    /// Kerberos, GSSAPI, SSPI: its code.
    Other(i32),
}

/// A list of strings, checked to end as it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CStrs<'a>(&'a [u8]);

impl<'a> CStrs<'a> {
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut r = Reader::new(self.0, "AuthenticationSASL");
        std::iter::from_fn(move || r.cstr().ok().filter(|s| !s.is_empty()))
    }
}

impl<'a> Authentication<'a> {
    pub fn read(body: &'a [u8]) -> Result<Authentication<'a>, ProtocolError> {
        let mut r = Reader::new(body, "Authentication");
        let message = match r.i32()? {
            0 => Authentication::Ok,
            3 => Authentication::Cleartext,
            5 => {
                let salt = [r.u8()?, r.u8()?, r.u8()?, r.u8()?];
                Authentication::Md5 { salt }
            }
            10 => {
                let list = CStrs(r.rest());
                while !r.cstr()?.is_empty() {}
                r.end()?;
                return Ok(Authentication::Sasl(list));
            }
            11 => return Ok(Authentication::SaslContinue(r.rest())),
            12 => return Ok(Authentication::SaslFinal(r.rest())),
            other => return Ok(Authentication::Other(other)),
        };
        r.end()?;
        Ok(message)
    }
}

/// One column of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: &'a [u8],
    /// 0 when it isn't a table's column.
    pub table_oid: u32,
    pub attnum: i16,
    pub type_oid: u32,
    /// Bytes; negative is variable.
    pub type_len: i16,
    pub type_mod: i32,
    pub format: Format,
}

impl<'a> Field<'a> {
    /// A text column of our own answers.
    pub fn text(name: &'a str) -> Field<'a> {
        Field {
            name: name.as_bytes(),
            table_oid: 0,
            attnum: 0,
            type_oid: 25,
            type_len: -1,
            type_mod: -1,
            format: Format::Text,
        }
    }

    fn read(r: &mut Reader<'a>) -> Result<Field<'a>, ProtocolError> {
        Ok(Field {
            name: r.cstr()?,
            table_oid: r.u32()?,
            attnum: r.i16()?,
            type_oid: r.u32()?,
            type_len: r.i16()?,
            type_mod: r.i32()?,
            format: match r.i16()? {
                0 => Format::Text,
                1 => Format::Binary,
                _ => return Err(r.error("it has an unknown format")),
            },
        })
    }
}

/// RowDescription, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowDescription<'a> {
    count: u16,
    fields: &'a [u8],
}

impl<'a> RowDescription<'a> {
    pub fn read(body: &'a [u8]) -> Result<RowDescription<'a>, ProtocolError> {
        let mut r = Reader::new(body, "RowDescription");
        let count = r.u16()?;
        let fields = r.rest();
        for _ in 0..count {
            Field::read(&mut r)?;
        }
        r.end()?;
        Ok(RowDescription { count, fields })
    }

    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let mut r = Reader::new(self.fields, "RowDescription");
        (0..self.count).map_while(move |_| Field::read(&mut r).ok())
    }
}

/// ParameterDescription: the types of a statement's parameters.
pub fn read_parameter_description(body: &[u8]) -> Result<Oids<'_>, ProtocolError> {
    let mut r = Reader::new(body, "ParameterDescription");
    let count = usize::from(r.u16()?);
    let oids = Oids::new(r.bytes(count * 4)?);
    r.end()?;
    Ok(oids)
}

/// DataRow: its values.
pub fn read_data_row(body: &[u8]) -> Result<Values<'_>, ProtocolError> {
    let mut r = Reader::new(body, "DataRow");
    let values = Values::read(&mut r)?;
    r.end()?;
    Ok(values)
}

/// CommandComplete: the tag, such as `INSERT 0 1`.
pub fn read_command_complete(body: &[u8]) -> Result<&[u8], ProtocolError> {
    let mut r = Reader::new(body, "CommandComplete");
    let text = r.cstr()?;
    r.end()?;
    Ok(text)
}

/// The number of rows in a command tag; `None` for commands that don't count.
pub fn command_rows(tag: &[u8]) -> Option<u64> {
    let word = tag.rsplit(|b| *b == b' ').next()?;
    if word.is_empty() || word.len() == tag.len() {
        return None;
    }
    word.iter().try_fold(0u64, |n, b| {
        b.is_ascii_digit().then_some(())?;
        n.checked_mul(10)?.checked_add(u64::from(b - b'0'))
    })
}

/// How bad an ErrorResponse or NoticeResponse is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    /// The connection ends.
    Fatal,
    Warning,
    Notice,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Warning => "WARNING",
            Severity::Notice => "NOTICE",
        }
    }
}

/// An error or notice of our own.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    pub severity: Severity,
    /// Five characters.
    pub sqlstate: &'a str,
    pub message: &'a str,
    pub detail: Option<&'a str>,
    pub hint: Option<&'a str>,
    /// The server's own function, by which some drivers tell errors of one SQLSTATE apart.
    pub routine: Option<&'a str>,
    /// Characters from the start of the query, from 1.
    pub position: Option<usize>,
}

impl<'a> Report<'a> {
    pub fn new(severity: Severity, sqlstate: &'a str, message: &'a str) -> Report<'a> {
        Report {
            severity,
            sqlstate,
            message,
            detail: None,
            hint: None,
            routine: None,
            position: None,
        }
    }
}

impl<'a> From<&'a ProtocolError> for Report<'a> {
    fn from(e: &'a ProtocolError) -> Report<'a> {
        let severity = if e.fatal { Severity::Fatal } else { Severity::Error };
        Report { hint: e.hint.as_deref(), ..Report::new(severity, e.sqlstate, &e.message) }
    }
}

/// Appends an ErrorResponse, or a NoticeResponse for what is no error.
pub fn report(out: &mut BytesMut, report: &Report<'_>) {
    let tag = match report.severity {
        Severity::Error | Severity::Fatal => tag::ERROR_RESPONSE,
        Severity::Warning | Severity::Notice => tag::NOTICE_RESPONSE,
    };
    write::frame(out, tag, |b| {
        let mut field = |code: u8, text: &str| {
            b.put_u8(code);
            write::cstr(b, text.as_bytes());
        };
        field(b'S', report.severity.as_str());
        field(b'V', report.severity.as_str());
        field(b'C', report.sqlstate);
        field(b'M', report.message);
        if let Some(detail) = report.detail {
            field(b'D', detail);
        }
        if let Some(hint) = report.hint {
            field(b'H', hint);
        }
        if let Some(routine) = report.routine {
            field(b'R', routine);
        }
        if let Some(position) = report.position {
            field(b'P', &position.to_string());
        }
        b.put_u8(0);
    });
}

pub fn ready(out: &mut BytesMut, status: TransactionStatus) {
    write::frame(out, tag::READY_FOR_QUERY, |b| b.put_u8(status.byte()));
}

pub fn parameter_status(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    write::frame(out, tag::PARAMETER_STATUS, |b| {
        write::cstr(b, name);
        write::cstr(b, value);
    });
}

/// Appends BackendKeyData: the secret has 4 bytes in protocol 3.0, up to 256 in 3.2.
pub fn backend_key(out: &mut BytesMut, pid: i32, secret: &[u8]) {
    write::frame(out, tag::BACKEND_KEY_DATA, |b| {
        b.put_i32(pid);
        b.put_slice(secret);
    });
}

/// Appends a RowDescription. Our own answers have a fixed handful of columns; a longer list is
/// cut at what the count can hold.
pub fn row_description(out: &mut BytesMut, fields: &[Field<'_>]) {
    let count = fields.len().min(usize::from(u16::MAX));
    write::frame(out, tag::ROW_DESCRIPTION, |b| {
        b.put_u16(count as u16);
        for f in &fields[..count] {
            write::cstr(b, f.name);
            b.put_u32(f.table_oid);
            b.put_i16(f.attnum);
            b.put_u32(f.type_oid);
            b.put_i16(f.type_len);
            b.put_i32(f.type_mod);
            b.put_u16(f.format as u16);
        }
    });
}

/// Appends a DataRow, with as many values as its RowDescription has columns.
pub fn data_row<'v>(out: &mut BytesMut, values: impl IntoIterator<Item = Option<&'v [u8]>>) {
    write::frame(out, tag::DATA_ROW, |b| {
        let at = b.len();
        b.put_u16(0);
        let mut count = 0u16;
        for v in values.into_iter().take(usize::from(u16::MAX)) {
            write::value(b, v);
            count += 1;
        }
        b[at..at + 2].copy_from_slice(&count.to_be_bytes());
    });
}

pub fn command_complete(out: &mut BytesMut, text: &str) {
    write::frame(out, tag::COMMAND_COMPLETE, |b| write::cstr(b, text.as_bytes()));
}

pub fn parameter_description(out: &mut BytesMut, oids: &[u32]) {
    let count = oids.len().min(usize::from(u16::MAX));
    write::frame(out, tag::PARAMETER_DESCRIPTION, |b| {
        b.put_u16(count as u16);
        oids[..count].iter().for_each(|o| b.put_u32(*o));
    });
}

/// Appends a message that has no body: ParseComplete, BindComplete, CloseComplete, NoData,
/// EmptyQueryResponse, PortalSuspended, CopyDone, by its type byte.
pub fn empty(out: &mut BytesMut, tag: u8) {
    write::frame(out, tag, |_| ());
}

pub fn authentication_ok(out: &mut BytesMut) {
    write::frame(out, tag::AUTHENTICATION, |b| b.put_i32(0));
}

pub fn authentication_cleartext(out: &mut BytesMut) {
    write::frame(out, tag::AUTHENTICATION, |b| b.put_i32(3));
}

pub fn authentication_md5(out: &mut BytesMut, salt: [u8; 4]) {
    write::frame(out, tag::AUTHENTICATION, |b| {
        b.put_i32(5);
        b.put_slice(&salt);
    });
}

pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    write::frame(out, tag::AUTHENTICATION, |b| {
        b.put_i32(10);
        mechanisms.iter().for_each(|m| write::cstr(b, m.as_bytes()));
        b.put_u8(0);
    });
}

pub fn authentication_sasl_continue(out: &mut BytesMut, data: &[u8]) {
    write::frame(out, tag::AUTHENTICATION, |b| {
        b.put_i32(11);
        b.put_slice(data);
    });
}

pub fn authentication_sasl_final(out: &mut BytesMut, data: &[u8]) {
    write::frame(out, tag::AUTHENTICATION, |b| {
        b.put_i32(12);
        b.put_slice(data);
    });
}
