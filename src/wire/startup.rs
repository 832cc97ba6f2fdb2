//! The first packets of a connection: encryption requests, cancel requests, the startup packet.
//! They have a length but no type byte.

use std::fmt;

use bytes::{Buf, BufMut, BytesMut};

use super::backend::tag::NEGOTIATE_PROTOCOL_VERSION;
use super::read::Reader;
use super::{ProtocolError, write};

/// Postgres's own bound on a startup packet, in bytes; known before anybody is authenticated.
pub const MAX_STARTUP_LEN: usize = 10_000;

const PROTOCOL_3_0: u32 = 3 << 16;
const PROTOCOL_3_2: u32 = (3 << 16) | 2;
const CANCEL_REQUEST: u32 = (1234 << 16) | 5678;
const SSL_REQUEST: u32 = (1234 << 16) | 5679;
const GSSENC_REQUEST: u32 = (1234 << 16) | 5680;

/// What a new connection says next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Answer with the one byte `S` and do the handshake, or `N` and read on in plain text.
    TlsRequest,
    /// Answer with the one byte `N`: GSSAPI encryption isn't spoken.
    GssRequest,
    /// Act on it and close; it has no answer.
    Cancel(CancelRequest),
    Startup(Startup),
}

/// Reads a connection's first packets, each kind as often as Postgres takes it.
#[derive(Debug, Clone, Default)]
pub struct Opener {
    tls_asked: bool,
    gss_asked: bool,
}

impl Opener {
    /// The connection is encrypted now: neither kind of encryption can be asked for any more.
    pub fn encrypted(&mut self) {
        self.tls_asked = true;
        self.gss_asked = true;
    }

    /// Takes the next packet off `buf`; `None` while it isn't all there. All errors are fatal.
    ///
    /// Bytes that came together with an encryption request are refused: they were sent before
    /// the answer could be known, so they would be taken for encrypted ones when they aren't
    /// (CVE-2021-23214).
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Opening>, ProtocolError> {
        let Some(len) = packet_len(buf)? else { return Ok(None) };
        if buf.len() < len {
            return Ok(None);
        }
        let packet = buf.split_to(len).split_off(4);
        let mut r = Reader::new(&packet, "startup");
        let code = r.u32().map_err(ProtocolError::and_fatal)?;
        let opening = match code {
            SSL_REQUEST if !self.tls_asked => {
                self.tls_asked = true;
                Opening::TlsRequest
            }
            GSSENC_REQUEST if !self.gss_asked => {
                self.gss_asked = true;
                Opening::GssRequest
            }
            CANCEL_REQUEST => Opening::Cancel(CancelRequest::read(r)?),
            _ => Opening::Startup(Startup::read(code, r).map_err(ProtocolError::and_fatal)?),
        };
        let encryption = matches!(opening, Opening::TlsRequest | Opening::GssRequest);
        if encryption && buf.has_remaining() {
            return Err(ProtocolError::fatal(
                "received unencrypted data after an encryption request",
            )
            .with_hint("This is a client's mistake or somebody in the middle of the connection."));
        }
        Ok(Some(opening))
    }
}

fn packet_len(buf: &[u8]) -> Result<Option<usize>, ProtocolError> {
    let Some(claimed) = buf.first_chunk::<4>() else { return Ok(None) };
    match usize::try_from(i32::from_be_bytes(*claimed)) {
        Ok(len) if (8..=MAX_STARTUP_LEN).contains(&len) => Ok(Some(len)),
        _ => Err(ProtocolError::fatal("invalid length of startup packet")),
    }
}

/// Whose query a client wants stopped. The secret isn't shown by Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct CancelRequest {
    pub pid: i32,
    /// 4 bytes in protocol 3.0, up to 256 in 3.2.
    pub secret: Box<[u8]>,
}

impl fmt::Debug for CancelRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelRequest").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl CancelRequest {
    fn read(mut r: Reader<'_>) -> Result<CancelRequest, ProtocolError> {
        let pid = r.i32().map_err(ProtocolError::and_fatal)?;
        let secret = r.rest();
        if !(4..=256).contains(&secret.len()) {
            return Err(ProtocolError::fatal("invalid length of cancel request"));
        }
        Ok(CancelRequest { pid, secret: secret.into() })
    }
}

/// A version of the protocol. They differ in how long a cancel key may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V3_0,
    V3_2,
}

impl Version {
    /// Bytes of the secret that a client gets to cancel by, as many as Postgres gives.
    pub fn secret_len(self) -> usize {
        match self {
            Version::V3_0 => 4,
            Version::V3_2 => 32,
        }
    }
}

/// A startup packet of protocol 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// Minor version that the client asked for.
    pub minor: u16,
    /// In the order that they came, `_pq_.` ones left out; a later one outdoes an earlier.
    pub parameters: Vec<(Box<str>, Box<str>)>,
    /// Names of protocol options (`_pq_.…`) that the client asked for. None is known here.
    pub protocol_options: Vec<Box<str>>,
}

impl Startup {
    fn read(code: u32, mut r: Reader<'_>) -> Result<Startup, ProtocolError> {
        let (major, minor) = ((code >> 16) as u16, code as u16);
        if major != 3 {
            return Err(ProtocolError::coded(
                "0A000",
                format!(
                    "unsupported frontend protocol {major}.{minor}: only 3.0 and 3.2 are spoken"
                ),
            ));
        }
        let mut startup = Startup { minor, parameters: Vec::new(), protocol_options: Vec::new() };
        loop {
            let name = r.cstr()?;
            if name.is_empty() {
                break;
            }
            let value = r.cstr()?;
            let name = std::str::from_utf8(name)
                .map_err(|_| r.error("the name of a parameter is not UTF-8"))?;
            if name.starts_with("_pq_.") {
                startup.protocol_options.push(name.into());
            } else {
                startup.parameters.push((name.into(), parameter_text(name, value)?));
            }
        }
        r.end()?;
        Ok(startup)
    }

    /// The version that is spoken from here on: the newest that both know. 3.1 is none: no
    /// release of Postgres has spoken it, and some clients use it for what came before 3.2.
    pub fn version(&self) -> Version {
        if self.minor < 2 { Version::V3_0 } else { Version::V3_2 }
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(n, _)| &**n == name).map(|(_, v)| &**v)
    }

    /// The user's name; its absence is 28000, as in Postgres.
    pub fn user(&self) -> Result<&str, ProtocolError> {
        match self.get("user") {
            Some(user) if !user.is_empty() => Ok(user),
            _ => Err(ProtocolError::coded(
                "28000",
                "no PostgreSQL user name specified in startup packet",
            )
            .and_fatal()),
        }
    }

    /// The database's name; the user's where none is given.
    pub fn database(&self) -> Result<&str, ProtocolError> {
        match self.get("database") {
            Some(database) if !database.is_empty() => Ok(database),
            _ => self.user(),
        }
    }

    /// Appends NegotiateProtocolVersion when the client asked for another version than is spoken,
    /// or for options; it comes before any authentication message.
    pub fn negotiate(&self, out: &mut BytesMut) {
        if matches!(self.minor, 0 | 2) && self.protocol_options.is_empty() {
            return;
        }
        write::frame(out, NEGOTIATE_PROTOCOL_VERSION, |b| {
            b.put_u32(match self.version() {
                Version::V3_0 => PROTOCOL_3_0,
                Version::V3_2 => PROTOCOL_3_2,
            });
            b.put_u32(self.protocol_options.len() as u32);
            self.protocol_options.iter().for_each(|o| write::cstr(b, o.as_bytes()));
        });
    }
}

/// Parameters are UTF-8 here. An application's name is kept whatever it is, as in Postgres:
/// bytes outside ASCII become `?`.
fn parameter_text(name: &str, value: &[u8]) -> Result<Box<str>, ProtocolError> {
    if name == "application_name" {
        let clean = |b: &u8| if (b' '..=b'~').contains(b) { *b as char } else { '?' };
        return Ok(value.iter().map(clean).collect::<String>().into());
    }
    match std::str::from_utf8(value) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(ProtocolError::message(format!(
            "invalid startup message: the value of parameter {name} is not UTF-8"
        ))),
    }
}

/// Appends a startup packet of protocol 3.0.
pub fn write_startup<'p>(
    out: &mut BytesMut,
    parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
) {
    write::unlabelled(out, |b| {
        b.put_u32(PROTOCOL_3_0);
        for (name, value) in parameters {
            write::cstr(b, name.as_bytes());
            write::cstr(b, value.as_bytes());
        }
        b.put_u8(0);
    });
}

/// Appends a cancel request.
pub fn write_cancel(out: &mut BytesMut, pid: i32, secret: &[u8]) {
    write::unlabelled(out, |b| {
        b.put_u32(CANCEL_REQUEST);
        b.put_i32(pid);
        b.put_slice(secret);
    });
}

/// Appends a request for TLS.
pub fn write_tls_request(out: &mut BytesMut) {
    write::unlabelled(out, |b| b.put_u32(SSL_REQUEST));
}
