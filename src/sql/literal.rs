//! The literals of one statement: where they stand and what they say.

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use super::error::SqlError;
use super::lexer::{LexLiteral, LexOptions, LexToken};
use super::statement::LiteralSlot;

/// What a literal is before Postgres has given it a type. Part of the fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum LiteralKind {
    /// `'…'`, `U&'…'`, `$$…$$`: of type `unknown`.
    String = 1,
    /// `E'…'`: a string too.
    EscapeString = 2,
    /// `N'…'`: of type `bpchar`.
    National = 4,
    /// `B'…'`, `X'…'`
    Bits = 8,
    /// A number without point or exponent that fits `bigint`.
    Integer = 16,
    /// Any other number: of type `numeric`.
    Decimal = 32,
}

/// One literal of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    pub kind: LiteralKind,
    /// A minus sign stands before it. Only in a folded list; elsewhere the sign is in the tree.
    pub negative: bool,
    /// Its bytes in the text: from the quote or prefix to the last quote, with `UESCAPE '!'`.
    pub range: Range<u32>,
    form: LexLiteral,
    escapes: bool,
}

/// The literals of one statement by slot: a slot is one literal, or a folded list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Literals {
    /// Most statements have so few that they need no allocation.
    literals: SmallVec<[Literal; 4]>,
    slots: u32,
    /// End of each slot's run in `literals`; empty while each slot is one literal.
    ends: Vec<u32>,
}

impl Literals {
    /// The number of slots.
    pub fn slots(&self) -> usize {
        self.slots as usize
    }

    /// The literals of a slot: one, or as many as a folded list has. None for a slot that
    /// isn't there.
    pub fn slot(&self, slot: LiteralSlot) -> &[Literal] {
        let slot = slot as usize;
        if self.ends.is_empty() {
            return self.literals.get(slot..slot + 1).unwrap_or(&[]);
        }
        let start = match slot.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        match self.ends.get(slot) {
            Some(&end) => self.literals.get(start as usize..end as usize).unwrap_or(&[]),
            None => &[],
        }
    }

    /// All literals, in the order of the text.
    pub fn all(&self) -> &[Literal] {
        &self.literals
    }

    #[inline(always)]
    pub(super) fn push(&mut self, literal: Literal) {
        self.literals.push(literal);
    }

    /// Ends a slot: what was pushed since the last one is its run.
    #[inline(always)]
    pub(super) fn close_slot(&mut self) -> LiteralSlot {
        let end = self.literals.len() as u32;
        if !self.ends.is_empty() || end != self.slots + 1 {
            if self.ends.is_empty() {
                self.ends.extend(1..=self.slots);
            }
            self.ends.push(end);
        }
        self.slots += 1;
        (self.slots - 1) as LiteralSlot
    }

    /// The same literals elsewhere: `place` says where each border is.
    pub(super) fn move_by(&mut self, place: impl Fn(u32) -> u32) {
        for literal in &mut self.literals {
            literal.range = place(literal.range.start)..place(literal.range.end);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.literals.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.literals.truncate(len);
    }
}

impl Literal {
    /// The literal of one token; `end` is behind its UESCAPE, if it has one.
    #[inline(always)]
    pub(super) fn new(
        text: &[u8],
        token: LexToken,
        form: LexLiteral,
        end: usize,
        options: LexOptions,
    ) -> Result<Literal, SqlError> {
        let kind = match form {
            LexLiteral::Integer if fits_bigint(token.of(text)) => LiteralKind::Integer,
            LexLiteral::Integer | LexLiteral::Decimal => LiteralKind::Decimal,
            LexLiteral::String | LexLiteral::Unicode | LexLiteral::Dollar => LiteralKind::String,
            // A plain string of a session without standard_conforming_strings stays plain.
            LexLiteral::Escape if token.of(text).starts_with(b"'") => LiteralKind::String,
            LexLiteral::Escape => LiteralKind::EscapeString,
            LexLiteral::National => LiteralKind::National,
            LexLiteral::Bits => LiteralKind::Bits,
        };
        let escapes = match form {
            LexLiteral::Escape | LexLiteral::Unicode => true,
            LexLiteral::National => !options.standard_conforming_strings,
            _ => false,
        };
        let range = token.start as u32..end as u32;
        let literal = Literal { kind, negative: false, range, form, escapes };
        if escapes {
            literal.check_escapes(text)?;
        }
        Ok(literal)
    }

    /// Postgres's own lexer refuses a bad escape, wherever the literal stands. What only its
    /// versions read differently matters to none but who asks for the value.
    fn check_escapes(&self, text: &[u8]) -> Result<(), SqlError> {
        match self.value(text) {
            Err(error) if error.sqlstate != "0A000" => Err(error),
            _ => Ok(()),
        }
    }

    /// What the literal says: a string's bytes with quotes and escapes resolved, a number's
    /// decimal digits (with its sign if `negative`), a bit string's digits behind `b` or `x`.
    ///
    /// `text` is the text that was scanned. Fails on an escape that Postgres refuses, or
    /// that its versions read differently.
    pub fn value<'t>(&self, text: &'t [u8]) -> Result<Cow<'t, [u8]>, SqlError> {
        let start = self.range.start as usize;
        let written = text.get(start..self.range.end as usize).unwrap_or(b"");
        let cannot = |bad: BadEscape| SqlError::at(bad.0, bad.1.to_string(), text, start);
        let body = match self.form {
            LexLiteral::Integer | LexLiteral::Decimal => {
                let digits = number(written)
                    .ok_or_else(|| SqlError::unsupported("number too large".into(), text, start))?;
                if !self.negative {
                    return Ok(digits);
                }
                let mut signed = Vec::with_capacity(digits.len() + 1);
                signed.push(b'-');
                signed.extend_from_slice(&digits);
                return Ok(Cow::Owned(signed));
            }
            LexLiteral::Dollar => {
                let tag = written.iter().skip(1).position(|&b| b == b'$').map_or(1, |i| i + 2);
                let end = written.len().saturating_sub(tag);
                return Ok(Cow::Borrowed(written.get(tag..end).unwrap_or(b"")));
            }
            LexLiteral::String => joined(written, 0, self.escapes),
            LexLiteral::Escape if written.first() == Some(&b'\'') => joined(written, 0, true),
            LexLiteral::Escape | LexLiteral::National => joined(written, 1, self.escapes),
            LexLiteral::Bits => {
                let mut digits = vec![written.first().copied().unwrap_or(b'b') | 0x20];
                digits.extend_from_slice(&joined(written, 1, false));
                return Ok(Cow::Owned(digits));
            }
            LexLiteral::Unicode => {
                let (body, escape) = split_uescape(written);
                let body = joined(body, 2, false);
                return unescape_unicode(&body, escape).map(Cow::Owned).map_err(cannot);
            }
        };
        if !self.escapes || !body.contains(&b'\\') {
            return Ok(body);
        }
        unescape(&body).map(Cow::Owned).map_err(cannot)
    }
}

#[inline(always)]
fn fits_bigint(digits: &[u8]) -> bool {
    // Eighteen digits always fit, and so do as many of a smaller radix.
    if digits.len() <= 18 && !matches!(digits.get(1), Some(b'x' | b'X')) {
        return true;
    }
    integer(digits).is_some_and(|n| i64::try_from(n).is_ok())
}

/// The value of an integer as written; `None` beyond 128 bits.
fn integer(written: &[u8]) -> Option<u128> {
    let radix = match written.get(1) {
        Some(b'x' | b'X') => 16,
        Some(b'o' | b'O') => 8,
        Some(b'b' | b'B') => 2,
        _ => 10,
    };
    let digits = if radix == 10 { written } else { written.get(2..)? };
    let mut value: u128 = 0;
    for &b in digits.iter().filter(|&&b| b != b'_') {
        let digit = (b as char).to_digit(radix)?;
        value = value.checked_mul(radix.into())?.checked_add(digit.into())?;
    }
    Some(value)
}

/// A number in plain decimal digits.
fn number(written: &[u8]) -> Option<Cow<'_, [u8]>> {
    if matches!(written.get(1), Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B')) {
        return Some(Cow::Owned(integer(written)?.to_string().into_bytes()));
    }
    if written.contains(&b'_') {
        return Some(Cow::Owned(written.iter().copied().filter(|&b| b != b'_').collect()));
    }
    Some(Cow::Borrowed(written))
}

/// What stands between the quotes, segments joined, doubled quotes made one.
fn joined(written: &[u8], prefix: usize, backslash: bool) -> Cow<'_, [u8]> {
    let body = written.get(prefix + 1..).unwrap_or(b"");
    let plain = body.iter().position(|&b| b == b'\'' || backslash && b == b'\\');
    match plain {
        Some(at) if at + 1 == body.len() && body[at] == b'\'' => return Cow::Borrowed(&body[..at]),
        None => return Cow::Borrowed(body),
        Some(_) => {}
    }
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(&b) = body.get(at) {
        if b == b'\\' && backslash {
            // Kept as a pair: an escaped quote doesn't end the string.
            out.extend_from_slice(&body[at..body.len().min(at + 2)]);
            at += 2;
        } else if b != b'\'' {
            out.push(b);
            at += 1;
        } else if body.get(at + 1) == Some(&b'\'') {
            out.push(b);
            at += 2;
        } else {
            // Another segment, or the end.
            at = next_segment(body, at + 1);
        }
    }
    Cow::Owned(out)
}

/// From behind a closing quote to behind the next opening one: between them are white space
/// and line comments only.
fn next_segment(body: &[u8], mut at: usize) -> usize {
    while let Some(&b) = body.get(at) {
        if b == b'\'' {
            return at + 1;
        }
        if b == b'-' {
            while at < body.len() && !matches!(body[at], b'\n' | b'\r') {
                at += 1;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// SQLSTATE and message of an escape that can't be read.
pub(super) type BadEscape = (&'static str, &'static str);

const BAD_PAIR: BadEscape = ("42601", "invalid Unicode surrogate pair");
const BAD_ESCAPE: &str = "invalid Unicode escape";

/// Backslash escapes of `E'…'`.
fn unescape(body: &[u8]) -> Result<Vec<u8>, BadEscape> {
    let mut out = Vec::with_capacity(body.len());
    let mut surrogate = None;
    let mut at = 0;
    while let Some(&b) = body.get(at) {
        let escape = if b == b'\\' { body.get(at + 1).copied() } else { None };
        if surrogate.is_some() && !matches!(escape, Some(b'u' | b'U')) {
            return Err(BAD_PAIR);
        }
        let Some(escape) = escape else {
            out.push(b);
            at += 1;
            continue;
        };
        at += 2;
        match escape {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0C),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            // A vertical tab from PostgreSQL 16 on, the letter before.
            b'v' => return Err(("0A000", "\\v is read differently by versions of PostgreSQL")),
            b'0'..=b'7' => {
                let (value, used) = digits(&body[at - 1..], 8, 3);
                out.push(value as u8);
                at += used - 1;
            }
            b'x' => match digits(body.get(at..).unwrap_or(b""), 16, 2) {
                (_, 0) => out.push(b'x'),
                (value, used) => {
                    out.push(value as u8);
                    at += used;
                }
            },
            b'u' | b'U' => {
                let wanted = if escape == b'u' { 4 } else { 8 };
                let (value, used) = digits(body.get(at..).unwrap_or(b""), 16, wanted);
                if used != wanted {
                    return Err(("22025", BAD_ESCAPE));
                }
                at += used;
                push_code_point(&mut out, value, &mut surrogate)?;
            }
            other => out.push(other),
        }
    }
    match surrogate {
        Some(_) => Err(BAD_PAIR),
        None if out.contains(&0) => {
            Err(("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"))
        }
        None => Ok(out),
    }
}

/// Up to `most` digits: their value and their number.
fn digits(text: &[u8], radix: u32, most: usize) -> (u32, usize) {
    let mut value = 0u32;
    let mut used = 0;
    while used < most {
        let Some(digit) = text.get(used).and_then(|&b| (b as char).to_digit(radix)) else { break };
        value = (value << if radix == 16 { 4 } else { 3 }) | digit;
        used += 1;
    }
    (value, used)
}

/// A code point in UTF-8; surrogates come as a pair.
fn push_code_point(
    out: &mut Vec<u8>,
    value: u32,
    surrogate: &mut Option<u32>,
) -> Result<(), BadEscape> {
    let value = match (surrogate.take(), value) {
        (None, 0xD800..=0xDBFF) => {
            *surrogate = Some(value);
            return Ok(());
        }
        (Some(high), 0xDC00..=0xDFFF) => 0x10000 + ((high - 0xD800) << 10) + (value - 0xDC00),
        (Some(_), _) => return Err(BAD_PAIR),
        (None, value) => value,
    };
    let c = char::from_u32(value)
        .filter(|&c| c != '\0')
        .ok_or(("42601", "invalid Unicode escape value"))?;
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}

/// `U&'…' UESCAPE '!'` → the part before UESCAPE and the escape character.
///
/// The body ends at its last quote before the word; without UESCAPE that is the last byte.
pub(super) fn split_uescape(written: &[u8]) -> (&[u8], u8) {
    let ends_in_escape = |w: &[u8]| {
        let [before @ .., b'\'', escape, b'\''] = w else { return None };
        let word = before.trim_ascii_end();
        // Comments may stand between; the word is looked for before them.
        let at = word.windows(7).rposition(|w| w.eq_ignore_ascii_case(b"uescape"))?;
        let body = &written[..at];
        let end = body.iter().rposition(|&b| b == b'\'' || b == b'"')? + 1;
        let apart = body[end..].iter().all(|b| b.is_ascii_whitespace() || *b == 0x0B);
        (apart && word.len() == at + 7).then_some((&written[..end], *escape))
    };
    ends_in_escape(written).unwrap_or((written, b'\\'))
}

/// `\XXXX` and `\+XXXXXX` of `U&'…'` and `U&"…"`, with any escape character.
pub(super) fn unescape_unicode(body: &[u8], escape: u8) -> Result<Vec<u8>, BadEscape> {
    let mut out = Vec::with_capacity(body.len());
    let mut surrogate = None;
    let mut at = 0;
    while let Some(&b) = body.get(at) {
        let escaped = b == escape && body.get(at + 1) != Some(&escape);
        if surrogate.is_some() && !escaped {
            return Err(BAD_PAIR);
        }
        if !escaped {
            out.push(b);
            at += if b == escape { 2 } else { 1 };
            continue;
        }
        let plus = body.get(at + 1) == Some(&b'+');
        let (skip, wanted) = if plus { (2, 6) } else { (1, 4) };
        let (value, used) = digits(body.get(at + skip..).unwrap_or(b""), 16, wanted);
        if used != wanted {
            return Err(("42601", BAD_ESCAPE));
        }
        at += skip + used;
        push_code_point(&mut out, value, &mut surrogate)?;
    }
    match surrogate {
        Some(_) => Err(BAD_PAIR),
        None => Ok(out),
    }
}
