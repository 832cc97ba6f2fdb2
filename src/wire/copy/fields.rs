//! Fields of a line: those that are wanted, as a server reads them before it looks at types.

use memchr::{memchr, memchr2};

use super::{Dialect, Form, Found, Quotes, Splitter, Wanted};

impl Splitter {
    /// Finds the wanted fields of a line, which is without its end. `escapes`: there is a
    /// backslash in it.
    pub(super) fn fields(&mut self, line: &[u8], escapes: bool) {
        let Splitter { form, wanted, found, scratch, .. } = self;
        let Form::Lines(dialect) = form else { return };
        scratch.clear();
        let mut field = 0;
        // Where the field begins; `None` behind the last one.
        let mut begin = Some(0);
        for (wanted, place) in wanted.iter() {
            while field < wanted.field {
                begin = begin.and_then(|at| skip(line, at, dialect, escapes));
                field += 1;
            }
            let read = match (begin, dialect.csv) {
                (None, _) => Found::Missing,
                (Some(at), None) => text(line, at, dialect, escapes, scratch),
                (Some(at), Some(quotes)) => csv(line, at, (dialect, quotes), wanted, scratch),
            };
            if let Some(found) = found.get_mut(*place) {
                *found = read;
            }
        }
    }
}

/// Where the next field begins.
fn skip(line: &[u8], at: usize, dialect: &Dialect, escapes: bool) -> Option<usize> {
    let end = match dialect.csv {
        None => text_end(line, at, dialect, escapes),
        Some(quotes) => csv_end(line, at, dialect, quotes)?,
    };
    (end < line.len()).then_some(end + 1)
}

/// Where a field of text ends: at a delimiter that has no backslash before it.
fn text_end(line: &[u8], begin: usize, dialect: &Dialect, escapes: bool) -> usize {
    let mut at = begin;
    loop {
        let rest = line.get(at..).unwrap_or_default();
        let next = match escapes {
            true => memchr2(dialect.delimiter, b'\\', rest),
            false => memchr(dialect.delimiter, rest),
        };
        match next {
            None => return line.len(),
            Some(next) if rest[next] == dialect.delimiter => return at + next,
            Some(next) => at += next + 2,
        }
    }
}

fn text(
    line: &[u8],
    begin: usize,
    dialect: &Dialect,
    escapes: bool,
    scratch: &mut Vec<u8>,
) -> Found {
    let end = text_end(line, begin, dialect, escapes);
    let raw = line.get(begin..end).unwrap_or_default();
    // The marks are compared before escapes are read.
    if *raw == *dialect.null {
        return Found::Null;
    }
    if is_default(raw, dialect) {
        return Found::Default;
    }
    if !escapes || memchr(b'\\', raw).is_none() {
        return Found::Raw(begin..end);
    }
    let start = scratch.len();
    unescape(raw, scratch);
    Found::Decoded(start..scratch.len())
}

fn is_default(raw: &[u8], dialect: &Dialect) -> bool {
    dialect.default.as_deref().is_some_and(|default| default == raw)
}

/// What backslashes mean in text.
fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let Some(escaped) = rest.get(at + 1) else { return };
        let behind = &rest[at + 2..];
        let (byte, taken) = match escaped {
            b'0'..=b'7' => octal(*escaped, behind),
            b'x' => hexadecimal(behind),
            b'b' => (0x08, 0),
            b'f' => (0x0c, 0),
            b'n' => (b'\n', 0),
            b'r' => (b'\r', 0),
            b't' => (b'\t', 0),
            b'v' => (0x0b, 0),
            other => (*other, 0),
        };
        out.push(byte);
        rest = behind.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Up to three digits; what is more than a byte is cut off.
fn octal(first: u8, behind: &[u8]) -> (u8, usize) {
    let digits = behind.iter().take(2).take_while(|digit| matches!(digit, b'0'..=b'7'));
    let mut value = u32::from(first - b'0');
    let mut taken = 0;
    for digit in digits {
        value = value << 3 | u32::from(digit - b'0');
        taken += 1;
    }
    (value as u8, taken)
}

/// Up to two digits; without any it is an x.
fn hexadecimal(behind: &[u8]) -> (u8, usize) {
    let digit = |at: usize| behind.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    match (digit(0), digit(1)) {
        (None, _) => (b'x', 0),
        (Some(one), None) => (one as u8, 1),
        (Some(high), Some(low)) => ((high << 4 | low) as u8, 2),
    }
}

/// Where a field of CSV ends; `None` when a quote in it has no other.
fn csv_end(line: &[u8], begin: usize, dialect: &Dialect, quotes: Quotes) -> Option<usize> {
    let mut at = begin;
    loop {
        let rest = line.get(at..).unwrap_or_default();
        let Some(next) = memchr2(dialect.delimiter, quotes.quote, rest) else {
            return Some(line.len());
        };
        at += next + 1;
        if rest[next] == dialect.delimiter {
            return Some(at - 1);
        }
        at = end_of_quoted(line, at, quotes, |_| ())?;
    }
}

/// Behind the quote that ends what begins here. Hands out what it holds.
fn end_of_quoted(
    line: &[u8],
    begin: usize,
    quotes: Quotes,
    mut take: impl FnMut(&[u8]),
) -> Option<usize> {
    let mut at = begin;
    loop {
        let rest = line.get(at..)?;
        let next = memchr2(quotes.quote, quotes.escape, rest)?;
        take(&rest[..next]);
        let escaped = rest.get(next + 1).filter(|after| {
            rest[next] == quotes.escape && (**after == quotes.escape || **after == quotes.quote)
        });
        at += next + 1;
        match escaped {
            Some(byte) => {
                take(&[*byte]);
                at += 1;
            }
            None if rest[next] == quotes.quote => return Some(at),
            // An escape that escapes nothing is itself.
            None => take(&rest[next..=next]),
        }
    }
}

fn csv(
    line: &[u8],
    begin: usize,
    (dialect, quotes): (&Dialect, Quotes),
    wanted: &Wanted,
    scratch: &mut Vec<u8>,
) -> Found {
    let Some(end) = csv_end(line, begin, dialect, quotes) else { return Found::Missing };
    let raw = line.get(begin..end).unwrap_or_default();
    let start = scratch.len();
    if memchr(quotes.quote, raw).is_none() {
        return match *raw == *dialect.null {
            true if !wanted.force_not_null => Found::Null,
            // It is a value, written as it is.
            true => Found::Raw(begin..end),
            false if is_default(raw, dialect) => Found::Default,
            false => Found::Raw(begin..end),
        };
    }
    if is_default(raw, dialect) {
        return Found::Default;
    }
    let mut at = 0;
    while let Some(next) = memchr(quotes.quote, raw.get(at..).unwrap_or_default()) {
        scratch.extend_from_slice(&raw[at..at + next]);
        let taken = end_of_quoted(raw, at + next + 1, quotes, |held| scratch.extend(held));
        let Some(behind) = taken else { return Found::Missing };
        at = behind;
    }
    scratch.extend_from_slice(raw.get(at..).unwrap_or_default());
    if wanted.force_null && scratch[start..] == *dialect.null {
        return Found::Null;
    }
    Found::Decoded(start..scratch.len())
}
