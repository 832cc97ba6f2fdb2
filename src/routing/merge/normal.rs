//! A value's *normal form*: bytes that compare, one by one and unsigned, as Postgres compares
//! the values, and that are equal exactly where it calls the values equal.
//!
//! No form is the beginning of another, so forms stand one after the other in a key, and the
//! complement of all bytes turns the order round. Integers: most significant byte first, the
//! sign bit flipped. Strings: an end mark that is below all that can follow.

use crate::wire::frontend::Format;

use super::datetime::{self, Interval};
use super::numeric::{self, Numeric};
use super::oid;

/// Appends a value's normal form; `None` if the value isn't of its type's form. What isn't
/// comparable was refused before (`Column::obstacle`).
pub(super) fn append(type_oid: u32, format: Format, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = format == Format::Text;
    match type_oid {
        oid::BOOL => out.push(u8::from(read_bool(format, value)?)),
        oid::INT2 | oid::INT4 | oid::INT8 => put_i64(read_integer(type_oid, format, value)?, out),
        oid::OID if text => out.extend(parse::<u32>(value)?.to_be_bytes()),
        oid::OID => out.extend(array::<4>(value)?),
        oid::CHAR => out.push(read_char(value)?),
        oid::UUID if text => out.extend(parse_uuid(value)?),
        oid::UUID => out.extend(array::<16>(value)?),
        oid::TEXT | oid::VARCHAR | oid::NAME => put_text(value, out)?,
        // Trailing spaces don't count: bcTruelen in varchar.c.
        oid::BPCHAR => put_text(value.trim_suffix_spaces(), out)?,
        oid::BYTEA if text => put_bytea_text(value, out)?,
        oid::BYTEA => put_bytes(value.iter().copied(), out),
        oid::FLOAT4 | oid::FLOAT8 => put_f64(read_float(type_oid, format, value)?, out),
        oid::NUMERIC if text => numeric::put_normal(&Numeric::from_text(value)?, out),
        oid::NUMERIC => numeric::put_normal_of_binary(value, out)?,
        oid::DATE => put_i32(datetime::read_date(format, value)?, out),
        oid::TIME => put_i64(datetime::read_time(format, value)?, out),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            put_i64(datetime::read_timestamp(type_oid, format, value)?, out);
        }
        oid::TIMETZ => {
            let (time, zone) = datetime::read_timetz(format, value)?;
            // By UTC, then by zone: timetz_cmp_internal in date.c.
            put_i64(time.checked_add(i64::from(zone) * 1_000_000)?, out);
            put_i32(zone, out);
        }
        oid::INTERVAL => {
            let span = Interval::read(format, value)?.span();
            out.extend((span.cast_unsigned() ^ (1 << 127)).to_be_bytes());
        }
        _ => return None,
    }
    Some(())
}

trait TrimSpaces {
    fn trim_suffix_spaces(&self) -> &[u8];
}

impl TrimSpaces for [u8] {
    fn trim_suffix_spaces(&self) -> &[u8] {
        let spaces = self.iter().rev().take_while(|&&byte| byte == b' ').count();
        &self[..self.len() - spaces]
    }
}

fn array<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

fn parse<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

pub(super) fn put_i32(value: i32, out: &mut Vec<u8>) {
    out.extend((value.cast_unsigned() ^ (1 << 31)).to_be_bytes());
}

fn put_i64(value: i64, out: &mut Vec<u8>) {
    out.extend((value.cast_unsigned() ^ (1 << 63)).to_be_bytes());
}

/// All NaNs are one, above Infinity; both zeros are one (float8_cmp_internal in float.h). A real
/// is widened first, which keeps order and equality.
fn put_f64(value: f64, out: &mut Vec<u8>) {
    let bits = match value {
        v if v.is_nan() => u64::MAX,
        // Matches -0 too.
        0.0 => 1 << 63,
        v if v.is_sign_negative() => !v.to_bits(),
        v => v.to_bits() | 1 << 63,
    };
    out.extend(bits.to_be_bytes());
}

/// No text on a server holds a zero byte, so one can mark the end.
fn put_text(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if value.contains(&0) {
        return None;
    }
    out.extend_from_slice(value);
    out.push(0);
    Some(())
}

/// A zero byte is followed by 0xff, the end is a zero byte and 0x01.
fn put_bytes(bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend([0, 1]);
}

/// Either value of `bytea_output` (byteaout in varlena.c): in the escape form a backslash that
/// is data is doubled, so `\x` at the beginning is always the hex form.
fn put_bytea_text(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut bytes = Vec::with_capacity(value.len());
    if let Some(hex) = value.strip_prefix(br"\x") {
        for pair in hex.chunks(2) {
            let &[high, low] = pair else { return None };
            bytes.push(hex_digit(high)? << 4 | hex_digit(low)?);
        }
    } else {
        let mut rest = value;
        while let [first, more @ ..] = rest {
            let (byte, after) = match (first, more) {
                (b'\\', [b'\\', after @ ..]) => (b'\\', after),
                (b'\\', more) => octal(more)?,
                _ => (*first, more),
            };
            bytes.push(byte);
            rest = after;
        }
    }
    put_bytes(bytes.into_iter(), out);
    Some(())
}

/// Three octal digits, and what follows them.
fn octal(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&[a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'], rest) = text.split_first_chunk()?
    else {
        return None;
    };
    Some(((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), rest))
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// `"char"`: one byte in both formats, none for zero; from 16 on, text has bytes above 127 as a
/// backslash and three octal digits (charout in char.c).
fn read_char(value: &[u8]) -> Option<u8> {
    match value {
        [] => Some(0),
        [byte] => Some(*byte),
        [b'\\', digits @ ..] => octal(digits).filter(|(_, rest)| rest.is_empty()).map(|(b, _)| b),
        _ => None,
    }
}

fn parse_uuid(value: &[u8]) -> Option<[u8; 16]> {
    let mut uuid = [0; 16];
    let mut digits = value.iter().filter(|&&byte| byte != b'-');
    for byte in &mut uuid {
        *byte = hex_digit(*digits.next()?)? << 4 | hex_digit(*digits.next()?)?;
    }
    digits.next().is_none().then_some(uuid)
}

pub(super) fn read_bool(format: Format, value: &[u8]) -> Option<bool> {
    match (format, value) {
        (Format::Text, b"t") | (Format::Binary, [1]) => Some(true),
        (Format::Text, b"f") | (Format::Binary, [0]) => Some(false),
        _ => None,
    }
}

/// A smallint, integer or bigint.
pub(super) fn read_integer(type_oid: u32, format: Format, value: &[u8]) -> Option<i64> {
    match (format, type_oid) {
        (Format::Text, oid::INT2) => parse::<i16>(value).map(i64::from),
        (Format::Text, oid::INT4) => parse::<i32>(value).map(i64::from),
        (Format::Text, oid::INT8) => parse(value),
        (Format::Binary, oid::INT2) => array(value).map(|b| i16::from_be_bytes(b).into()),
        (Format::Binary, oid::INT4) => array(value).map(|b| i32::from_be_bytes(b).into()),
        (Format::Binary, oid::INT8) => array(value).map(i64::from_be_bytes),
        _ => None,
    }
}

/// A real (widened) or double precision. Text is rounded to the type's own nearest number, as
/// the server read and wrote it.
fn read_float(type_oid: u32, format: Format, value: &[u8]) -> Option<f64> {
    match (format, type_oid) {
        (Format::Text, oid::FLOAT4) => parse::<f32>(value).map(f64::from),
        (Format::Text, oid::FLOAT8) => parse(value),
        (Format::Binary, oid::FLOAT4) => array(value).map(|b| f32::from_be_bytes(b).into()),
        (Format::Binary, oid::FLOAT8) => array(value).map(f64::from_be_bytes),
        _ => None,
    }
}
