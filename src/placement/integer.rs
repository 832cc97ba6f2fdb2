//! Integers as `int2in`, `int4in` and `int8in` read them.

use crate::config::rules::KeyType;

use super::key::NotAKey;
use super::source::{Text, trim_start};

/// A width of integer: its name in messages and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width {
    pub name: &'static str,
    pub min: i64,
    pub max: i64,
}

pub(super) const SMALLINT: Width =
    Width { name: "smallint", min: i16::MIN as i64, max: i16::MAX as i64 };
pub(super) const INTEGER: Width =
    Width { name: "integer", min: i32::MIN as i64, max: i32::MAX as i64 };
pub(super) const BIGINT: Width = Width { name: "bigint", min: i64::MIN, max: i64::MAX };

/// The width of an integer key.
#[inline]
pub(super) fn width_of(key_type: KeyType) -> Option<Width> {
    match key_type {
        KeyType::Int2 => Some(SMALLINT),
        KeyType::Int4 => Some(INTEGER),
        KeyType::Int8 => Some(BIGINT),
        _ => None,
    }
}

/// The binary form of an integer of this width, if it has its length.
#[inline]
pub(super) fn plain_binary(value: &[u8], width: Width) -> Option<i64> {
    match *value {
        [a, b, c, d, e, f, g, h] if width.max == BIGINT.max => {
            Some(i64::from_be_bytes([a, b, c, d, e, f, g, h]))
        }
        [a, b, c, d] if width.max == INTEGER.max => Some(i32::from_be_bytes([a, b, c, d]).into()),
        [a, b] if width.max == SMALLINT.max => Some(i16::from_be_bytes([a, b]).into()),
        _ => None,
    }
}

/// An integer as programs write it: digits, perhaps after a minus, and few enough for any
/// bigint. Anything else has to go through [`parse`].
#[inline]
pub(super) fn plain_text(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

impl Width {
    pub fn holds(self, value: i64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// What the server says of a number that was computed and doesn't fit.
    pub fn out_of_range(self) -> NotAKey {
        NotAKey::Invalid { sqlstate: "22003", message: format!("{} out of range", self.name) }
    }
}

/// Reads an integer of the given width from text.
pub(super) fn parse(text: &[u8], width: Width, server_major: u32) -> Result<i64, NotAKey> {
    let syntax = || Text(text).syntax_error(width.name);
    let rest = trim_start(text);
    let (negative, rest) = match rest {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let radix = match rest {
        [b'0', b'x' | b'X', ..] if server_major >= 16 => 16,
        [b'0', b'o' | b'O', ..] if server_major >= 16 => 8,
        [b'0', b'b' | b'B', ..] if server_major >= 16 => 2,
        _ => 10,
    };
    let digits = if radix == 10 { rest } else { &rest[2..] };
    // The largest magnitude: one more below zero than above.
    let limit = width.max as u64 + u64::from(negative);
    let (magnitude, rest) = match accumulate(digits, radix, width.max as u64 + 1, server_major) {
        Digits::Number { value, rest } => (value, rest),
        Digits::TooLarge => return Err(Text(text).range_error(width.name)),
        Digits::None => return Err(syntax()),
    };
    if !trim_start(rest).is_empty() {
        return Err(syntax());
    }
    if magnitude > limit {
        return Err(Text(text).range_error(width.name));
    }
    Ok(if negative { 0i64.wrapping_sub_unsigned(magnitude) } else { magnitude as i64 })
}

enum Digits<'a> {
    /// May still be too large, which the server sees after it has looked at what follows.
    Number {
        value: u64,
        rest: &'a [u8],
    },
    TooLarge,
    None,
}

/// Takes digits, and from 16 on underscores before digits, as far as they go.
fn accumulate(digits: &[u8], radix: u32, limit: u64, server_major: u32) -> Digits<'_> {
    let mut value: u64 = 0;
    let mut rest = digits;
    let mut any = false;
    loop {
        // An underscore stands before a digit, and not first unless after a prefix.
        let at = match rest {
            [b'_', after, ..]
                if server_major >= 16
                    && (any || radix != 10)
                    && char::from(*after).is_digit(radix) =>
            {
                &rest[1..]
            }
            _ => rest,
        };
        let Some(digit) = at.first().and_then(|&digit| char::from(digit).to_digit(radix)) else {
            break;
        };
        // Both count without regard to the sign, up to the magnitude of the lowest number;
        // 16 and later compare before they add the last digit. It decides between two errors.
        let next = value.checked_mul(u64::from(radix)).and_then(|v| v.checked_add(digit.into()));
        match next {
            Some(next) if next <= limit => value = next,
            Some(next) if server_major >= 16 && value <= limit / u64::from(radix) => value = next,
            _ => return Digits::TooLarge,
        }
        any = true;
        rest = &at[1..];
    }
    if any { Digits::Number { value, rest } } else { Digits::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_each_version_reads() {
        for (text, major, expected) in [
            ("42", 15, Some(42)),
            (" \t-42 \n", 15, Some(-42)),
            ("+7", 15, Some(7)),
            ("-9223372036854775808", 15, Some(i64::MIN)),
            ("9223372036854775808", 15, None),
            ("-9223372036854775808", 16, Some(i64::MIN)),
            ("9223372036854775808", 16, None),
            ("0x2a", 15, None),
            ("0x2A", 16, Some(42)),
            ("-0o17", 16, Some(-15)),
            ("0b101", 17, Some(5)),
            ("0x", 16, None),
            ("0x_2a", 16, Some(42)),
            ("1_000", 15, None),
            ("1_000", 16, Some(1000)),
            ("_1", 16, None),
            ("1_", 16, None),
            ("1__0", 16, None),
            ("", 15, None),
            ("  ", 15, None),
            ("-", 15, None),
            ("- 1", 15, None),
            ("1 2", 15, None),
            ("1.0", 15, None),
            ("0x8000000000000000", 16, None),
            ("-0x8000000000000000", 16, Some(i64::MIN)),
        ] {
            assert_eq!(parse(text.as_bytes(), BIGINT, major).ok(), expected, "{text:?} {major}");
        }
    }

    #[test]
    fn errors_are_the_servers() {
        let error = |text: &str, width, major| match parse(text.as_bytes(), width, major) {
            Err(NotAKey::Invalid { sqlstate, message }) => format!("{sqlstate} {message}"),
            other => format!("{other:?}"),
        };
        assert_eq!(
            error("4x", INTEGER, 15),
            r#"22P02 invalid input syntax for type integer: "4x""#
        );
        assert_eq!(
            error("32768", SMALLINT, 15),
            r#"22003 value "32768" is out of range for type smallint"#
        );
        // Which of two errors comes first differs.
        assert!(error("2147483649x", INTEGER, 15).starts_with("22003"));
        assert!(error("2147483649x", INTEGER, 16).starts_with("22P02"));
        assert!(error("99999999999x", INTEGER, 16).starts_with("22003"));
    }
}
