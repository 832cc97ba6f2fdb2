//! Values as they come: text and binary forms of the types that can meet a key.

use std::borrow::Cow;

use crate::config::rules::KeyType;

use super::key::NotAKey;
use super::numeric::Numeric;
use super::{datetime, integer};

/// Type oids of `pg_type` that can't change: they are built in.
pub(super) mod oid {
    pub const BOOL: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT4: u32 = 23;
    pub const TEXT: u32 = 25;
    pub const JSON: u32 = 114;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const VARCHAR: u32 = 1043;
    pub const DATE: u32 = 1082;
    pub const TIME: u32 = 1083;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const NUMERIC: u32 = 1700;
    pub const UUID: u32 = 2950;
    pub const JSONB: u32 = 3802;
}

/// The type of a key's column.
pub(super) fn oid_of(key_type: KeyType) -> u32 {
    match key_type {
        KeyType::Int2 => oid::INT2,
        KeyType::Int4 => oid::INT4,
        KeyType::Int8 => oid::INT8,
        KeyType::Text => oid::TEXT,
        KeyType::Uuid => oid::UUID,
        KeyType::Numeric => oid::NUMERIC,
        KeyType::Date => oid::DATE,
        KeyType::Time => oid::TIME,
        KeyType::Timestamp => oid::TIMESTAMP,
        KeyType::TimestampTz => oid::TIMESTAMPTZ,
    }
}

/// The width of an integer type.
#[inline]
pub(super) fn integer_width(type_oid: u32) -> Option<integer::Width> {
    match type_oid {
        oid::INT8 => Some(integer::BIGINT),
        oid::INT4 => Some(integer::INTEGER),
        oid::INT2 => Some(integer::SMALLINT),
        _ => None,
    }
}

/// A type's name as the server writes it in messages.
pub(super) fn name_of(type_oid: u32) -> &'static str {
    match type_oid {
        oid::BOOL => "boolean",
        oid::BYTEA => "bytea",
        oid::INT8 => "bigint",
        oid::INT2 => "smallint",
        oid::INT4 => "integer",
        oid::TEXT => "text",
        oid::JSON => "json",
        oid::FLOAT4 => "real",
        oid::FLOAT8 => "double precision",
        oid::VARCHAR => "character varying",
        oid::DATE => "date",
        oid::TIME => "time without time zone",
        oid::TIMESTAMP => "timestamp without time zone",
        oid::TIMESTAMPTZ => "timestamp with time zone",
        oid::NUMERIC => "numeric",
        oid::UUID => "uuid",
        oid::JSONB => "jsonb",
        _ => "another type",
    }
}

/// A value in its own type, before it meets the key's.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    Int {
        value: i64,
        type_oid: u32,
    },
    /// real (widened, as the server does) and double precision.
    Float {
        value: f64,
        type_oid: u32,
    },
    Numeric(Numeric),
    Text {
        value: Cow<'a, str>,
        type_oid: u32,
    },
    Uuid([u8; 16]),
    Date(i32),
    Time(i64),
    Timestamp(i64),
    TimestampTz(i64),
    /// Of a type that has no conversion to any key's type.
    Stranger {
        type_oid: u32,
    },
}

const UNKNOWN_TYPE: NotAKey =
    NotAKey::Unsure("how the server compares the key with a value of this type isn't known");

impl<'a> Scalar<'a> {
    pub fn type_oid(&self) -> u32 {
        match self {
            Scalar::Int { type_oid, .. }
            | Scalar::Float { type_oid, .. }
            | Scalar::Text { type_oid, .. }
            | Scalar::Stranger { type_oid } => *type_oid,
            Scalar::Numeric(_) => oid::NUMERIC,
            Scalar::Uuid(_) => oid::UUID,
            Scalar::Date(_) => oid::DATE,
            Scalar::Time(_) => oid::TIME,
            Scalar::Timestamp(_) => oid::TIMESTAMP,
            Scalar::TimestampTz(_) => oid::TIMESTAMPTZ,
        }
    }

    /// Reads a text form as the type's input function does.
    pub fn from_text(type_oid: u32, value: &'a [u8], major: u32) -> Result<Scalar<'a>, NotAKey> {
        let int = |width| {
            integer::parse(value, width, major).map(|value| Scalar::Int { value, type_oid })
        };
        match type_oid {
            oid::INT8 => int(integer::BIGINT),
            oid::INT4 => int(integer::INTEGER),
            oid::INT2 => int(integer::SMALLINT),
            oid::TEXT | oid::VARCHAR => {
                Ok(Scalar::Text { value: Cow::Borrowed(utf8(value)?), type_oid })
            }
            oid::UUID => uuid_from_text(value).map(Scalar::Uuid),
            oid::NUMERIC => Numeric::parse(value, major).map(Scalar::Numeric),
            oid::FLOAT8 => float_from_text(value, str::parse::<f64>)
                .map(|value| Scalar::Float { value, type_oid }),
            oid::FLOAT4 => float_from_text(value, |text| text.parse::<f32>().map(f64::from))
                .map(|value| Scalar::Float { value, type_oid }),
            oid::DATE => datetime::parse_date(value).map(Scalar::Date),
            oid::TIME => datetime::parse_time(value).map(Scalar::Time),
            oid::TIMESTAMP => datetime::parse_timestamp(value).map(Scalar::Timestamp),
            oid::TIMESTAMPTZ => datetime::parse_timestamptz(value).map(Scalar::TimestampTz),
            oid::BOOL | oid::BYTEA | oid::JSON | oid::JSONB => Ok(Scalar::Stranger { type_oid }),
            _ => Err(UNKNOWN_TYPE),
        }
    }

    /// Reads a binary form as the type's receive function does.
    pub fn from_binary(type_oid: u32, value: &'a [u8]) -> Result<Scalar<'a>, NotAKey> {
        Ok(match type_oid {
            oid::INT8 => Scalar::Int { value: i64::from_be_bytes(exactly(value)?), type_oid },
            oid::INT4 => {
                Scalar::Int { value: i32::from_be_bytes(exactly(value)?).into(), type_oid }
            }
            oid::INT2 => {
                Scalar::Int { value: i16::from_be_bytes(exactly(value)?).into(), type_oid }
            }
            oid::TEXT | oid::VARCHAR => {
                Scalar::Text { value: Cow::Borrowed(utf8(value)?), type_oid }
            }
            oid::UUID => Scalar::Uuid(exactly(value)?),
            oid::NUMERIC => Scalar::Numeric(Numeric::from_binary(value)?),
            oid::FLOAT8 => Scalar::Float { value: f64::from_be_bytes(exactly(value)?), type_oid },
            oid::FLOAT4 => {
                Scalar::Float { value: f32::from_be_bytes(exactly(value)?).into(), type_oid }
            }
            oid::DATE => Scalar::Date(datetime::date_in_range(exactly(value)?)?),
            oid::TIME => Scalar::Time(datetime::time_in_range(exactly(value)?)?),
            oid::TIMESTAMP => Scalar::Timestamp(datetime::timestamp_in_range(exactly(value)?)?),
            oid::TIMESTAMPTZ => Scalar::TimestampTz(datetime::timestamp_in_range(exactly(value)?)?),
            oid::BOOL | oid::BYTEA | oid::JSON | oid::JSONB => Scalar::Stranger { type_oid },
            _ => return Err(UNKNOWN_TYPE),
        })
    }

    /// Reads a number of the statement's text: the narrowest of integer, bigint and numeric
    /// that holds it, as the server's scanner and parser do. A minus sign before a number
    /// is part of it there, and only the whole is measured.
    pub fn from_number(text: &str, negative: bool, major: u32) -> Result<Scalar<'a>, NotAKey> {
        if !text.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
            return Err(NotAKey::Unsure("this isn't a number as the server's scanner has it"));
        }
        let integer = integer::parse(text.as_bytes(), integer::BIGINT, major);
        let number = match integer {
            Ok(value) => {
                let value = if negative { -value } else { value };
                return Ok(Scalar::narrowest(value));
            }
            Err(_) => Numeric::parse(text.as_bytes(), major)?,
        };
        let number = if negative { number.negated() } else { number };
        // Too large without its sign: the lowest bigint.
        let digits_only = matches!(integer, Err(NotAKey::Invalid { sqlstate: "22003", .. }));
        match number.to_integer() {
            Some(value) if digits_only => Ok(Scalar::narrowest(value)),
            _ => Ok(Scalar::Numeric(number)),
        }
    }

    fn narrowest(value: i64) -> Scalar<'a> {
        let fits = integer::INTEGER.holds(value);
        Scalar::Int { value, type_oid: if fits { oid::INT4 } else { oid::INT8 } }
    }
}

/// The text of a value, for messages as the server writes them.
pub(super) struct Text<'a>(pub &'a [u8]);

impl Text<'_> {
    pub fn syntax_error(&self, type_name: &str) -> NotAKey {
        let text = String::from_utf8_lossy(self.0);
        let message = format!("invalid input syntax for type {type_name}: \"{text}\"");
        NotAKey::Invalid { sqlstate: "22P02", message }
    }

    pub fn range_error(&self, type_name: &str) -> NotAKey {
        let text = String::from_utf8_lossy(self.0);
        let message = format!("value \"{text}\" is out of range for type {type_name}");
        NotAKey::Invalid { sqlstate: "22003", message }
    }
}

/// C's isspace in the C locale.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|&&byte| is_space(byte)).count();
    &text[spaces..]
}

pub(super) fn trim(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let spaces = text.iter().rev().take_while(|&&byte| is_space(byte)).count();
    &text[..text.len() - spaces]
}

/// The bytes of a fixed-length binary form.
pub(super) fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], NotAKey> {
    value.try_into().map_err(|_| {
        if value.len() < N {
            NotAKey::Invalid {
                sqlstate: "08P01",
                message: "insufficient data left in message".to_owned(),
            }
        } else {
            NotAKey::Invalid {
                sqlstate: "22P03",
                message: "incorrect binary data format in bind parameter".to_owned(),
            }
        }
    })
}

/// Text as a UTF-8 database takes it: valid, and without a zero byte.
fn utf8(value: &[u8]) -> Result<&str, NotAKey> {
    let invalid = |at: usize| NotAKey::Invalid {
        sqlstate: "22021",
        message: format!("invalid byte sequence for encoding \"UTF8\": 0x{:02x}", value[at]),
    };
    let text = std::str::from_utf8(value).map_err(|error| invalid(error.valid_up_to()))?;
    match value.iter().position(|&byte| byte == 0) {
        None => Ok(text),
        Some(at) => Err(invalid(at)),
    }
}

/// `uuid_in`: hexadecimal, a hyphen allowed after every four digits, braces allowed around.
fn uuid_from_text(value: &[u8]) -> Result<[u8; 16], NotAKey> {
    let parse = || {
        let mut rest = match value {
            [b'{', inner @ .., b'}'] => inner,
            other => other,
        };
        let mut uuid = [0u8; 16];
        for (i, byte) in uuid.iter_mut().enumerate() {
            let [high, low, after @ ..] = rest else { return None };
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
            rest = match after {
                [b'-', after @ ..] if i % 2 == 1 && i < 15 => after,
                after => after,
            };
        }
        rest.is_empty().then_some(uuid)
    };
    parse().ok_or_else(|| Text(value).syntax_error("uuid"))
}

/// A decimal real or double precision. What only some C libraries read, what overflows and
/// what underflows is left to the server.
fn float_from_text<E>(
    value: &[u8],
    parse: impl FnOnce(&str) -> Result<f64, E>,
) -> Result<f64, NotAKey> {
    const UNSURE: NotAKey = NotAKey::Unsure("this form of a floating-point number isn't read here");
    let text = std::str::from_utf8(trim(value)).map_err(|_| UNSURE)?;
    let plain = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    if !text.bytes().all(plain) {
        return Err(UNSURE);
    }
    let number = parse(text).map_err(|_| UNSURE)?;
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let zero = !mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    if number.is_finite() && (number != 0.0 || zero) { Ok(number) } else { Err(UNSURE) }
}
