//! Bytes → lexical tokens, by Postgres's own rules.
//!
//! Follows `scan.l` of PostgreSQL 16 to 18 (chapter 4.1 of its manual): what is one token
//! there is one token here, and begins and ends at the same byte. Nothing is copied: a
//! token is a kind and a range.

use std::ops::Range;

use super::error::SqlError;

/// The settings of a session that change how a text is cut into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LexOptions {
    /// `standard_conforming_strings`: off makes `\` an escape in plain strings.
    pub standard_conforming_strings: bool,
}

impl Default for LexOptions {
    fn default() -> Self {
        LexOptions { standard_conforming_strings: true }
    }
}

/// What one lexical token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexKind {
    /// A keyword or an unquoted identifier.
    Word,
    /// `"…"`
    QuotedIdent,
    /// `U&"…"`, without its UESCAPE.
    UnicodeIdent,
    /// A string, number or bit string.
    Literal(LexLiteral),
    /// `$n`
    Parameter,
    /// A run of operator characters, also `=`, `<`, `=>` and the like.
    Operator,
    /// `::`
    Cast,
    /// `:=`
    ColonEquals,
    /// `..`
    DotDot,
    /// One of `, ( ) [ ] . ; :`
    Punctuation(u8),
}

/// The form in which a literal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexLiteral {
    /// `'…'`, also over several lines.
    String,
    /// `E'…'`, or `'…'` where `standard_conforming_strings` is off.
    Escape,
    /// `N'…'`
    National,
    /// `U&'…'`, without its UESCAPE.
    Unicode,
    /// `$tag$…$tag$`
    Dollar,
    /// `B'…'` or `X'…'`
    Bits,
    /// Digits only, also `0x…`, `0o…`, `0b…` and `1_000`.
    Integer,
    /// With a point or an exponent.
    Decimal,
}

/// One token: its kind and the bytes it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LexToken {
    pub kind: LexKind,
    pub start: usize,
    pub end: usize,
}

/// Cuts a text into tokens from front to back.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    options: LexOptions,
    /// The comments for pgherd that were skipped since they were last taken.
    comments: Vec<Range<usize>>,
}

/// What a byte can be a part of; one look for each byte of a text.
const PARTS: [u8; 256] = parts();
const SPACE: u8 = 1;
const IDENT_START: u8 = 2;
const IDENT_PART: u8 = 4;
const OPERATOR: u8 = 8;

const fn parts() -> [u8; 256] {
    let mut parts = [0; 256];
    let mut b = 0;
    while b < 256 {
        let byte = b as u8;
        parts[b] = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C => SPACE,
            b'_' | 0x80.. => IDENT_START | IDENT_PART,
            b'$' => IDENT_PART,
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'-' | b'*'
            | b'/' | b'%' | b'<' | b'>' | b'=' => OPERATOR,
            _ if byte.is_ascii_alphabetic() => IDENT_START | IDENT_PART,
            _ if byte.is_ascii_digit() => IDENT_PART,
            _ => 0,
        };
        b += 1;
    }
    parts
}

fn is_space(b: u8) -> bool {
    PARTS[b as usize] & SPACE != 0
}

fn is_ident_start(b: u8) -> bool {
    PARTS[b as usize] & IDENT_START != 0
}

fn is_ident_part(b: u8) -> bool {
    PARTS[b as usize] & IDENT_PART != 0
}

fn is_operator(b: u8) -> bool {
    PARTS[b as usize] & OPERATOR != 0
}

/// Operators are identifiers to Postgres: they end at 63 bytes.
const OPERATOR_BYTES: usize = 63;

impl<'a> Lexer<'a> {
    pub fn new(text: &'a [u8], options: LexOptions) -> Self {
        Lexer { text, at: 0, options, comments: Vec::new() }
    }

    /// The same text from byte `offset` on, which must be the border of a token.
    pub fn starting_at(text: &'a [u8], offset: usize, options: LexOptions) -> Self {
        Lexer { text, at: offset, options, comments: Vec::new() }
    }

    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The `/* pgherd: … */` that stand before the token that was returned last.
    pub fn take_comments(&mut self) -> Vec<Range<usize>> {
        std::mem::take(&mut self.comments)
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn token(&self, kind: LexKind, start: usize) -> Option<LexToken> {
        Some(LexToken { kind, start, end: self.at })
    }

    /// The next token; `None` at the end of the text.
    pub fn next_token(&mut self) -> Result<Option<LexToken>, SqlError> {
        self.skip_space()?;
        let start = self.at;
        let Some(&b) = self.text.get(start) else { return Ok(None) };
        let kind = match b {
            b'\'' => {
                let form = if self.options.standard_conforming_strings {
                    LexLiteral::String
                } else {
                    LexLiteral::Escape
                };
                self.string(start, 0, form)?
            }
            b'"' => self.quoted_ident(start, 0, LexKind::QuotedIdent)?,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xFF => self.word_or_prefixed(start, b)?,
            b'0'..=b'9' => self.number(start)?,
            b'.' if self.peek(1).is_ascii_digit() => self.number(start)?,
            b'$' => self.dollar(start)?,
            b'.' if self.peek(1) == b'.' => self.take(2, LexKind::DotDot),
            b':' if self.peek(1) == b':' => self.take(2, LexKind::Cast),
            b':' if self.peek(1) == b'=' => self.take(2, LexKind::ColonEquals),
            b',' | b'(' | b')' | b'[' | b']' | b'.' | b';' | b':' => {
                self.take(1, LexKind::Punctuation(b))
            }
            _ if is_operator(b) => self.operator(start)?,
            _ => {
                let end = (start + 1..self.text.len()).find(|&i| self.text[i] & 0xC0 != 0x80);
                let end = end.unwrap_or(self.text.len());
                return Err(SqlError::syntax(self.text, start, end));
            }
        };
        Ok(self.token(kind, start))
    }

    fn take(&mut self, bytes: usize, kind: LexKind) -> LexKind {
        self.at += bytes;
        kind
    }

    /// Skips white space and comments.
    fn skip_space(&mut self) -> Result<(), SqlError> {
        loop {
            let b = self.peek(0);
            if self.at >= self.text.len() {
                return Ok(());
            } else if is_space(b) {
                self.at += 1;
            } else if b == b'-' && self.peek(1) == b'-' {
                self.skip_line();
            } else if b == b'/' && self.peek(1) == b'*' {
                let start = self.at;
                self.skip_block_comment()?;
                let inside = self.text[start + 2..self.at].trim_ascii_start();
                if inside.starts_with(b"pgherd:") {
                    self.comments.push(start..self.at);
                }
            } else {
                return Ok(());
            }
        }
    }

    fn skip_line(&mut self) {
        while self.at < self.text.len() && !matches!(self.text[self.at], b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) -> Result<(), SqlError> {
        let start = self.at;
        let mut depth = 0usize;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
        Err(SqlError::near("unterminated /* comment", self.text, start, self.text.len()))
    }

    fn word_or_prefixed(&mut self, start: usize, b: u8) -> Result<LexKind, SqlError> {
        let next = self.peek(1);
        match (b, next) {
            (b'e' | b'E', b'\'') => return self.string(start, 1, LexLiteral::Escape),
            (b'n' | b'N', b'\'') => return self.string(start, 1, LexLiteral::National),
            (b'b' | b'B' | b'x' | b'X', b'\'') => return self.string(start, 1, LexLiteral::Bits),
            (b'u' | b'U', b'&') if self.peek(2) == b'\'' => {
                return self.string(start, 2, LexLiteral::Unicode);
            }
            (b'u' | b'U', b'&') if self.peek(2) == b'"' => {
                return self.quoted_ident(start, 2, LexKind::UnicodeIdent);
            }
            _ => {}
        }
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|b| !is_ident_part(*b)).unwrap_or(rest.len());
        Ok(LexKind::Word)
    }

    /// A string whose opening quote is `prefix` bytes after the start. Strings that are
    /// apart by white space with a newline in it are one.
    fn string(
        &mut self,
        start: usize,
        prefix: usize,
        form: LexLiteral,
    ) -> Result<LexKind, SqlError> {
        if form == LexLiteral::Unicode && !self.options.standard_conforming_strings {
            return Err(SqlError::near(
                "unsafe use of string constant with Unicode escapes",
                self.text,
                start,
                start + 3,
            )
            .with_hint("String constants with Unicode escapes cannot be used when standard_conforming_strings is off."));
        }
        // N'…' is a plain string under another name.
        let backslash = form == LexLiteral::Escape
            || form == LexLiteral::National && !self.options.standard_conforming_strings;
        self.at = start + prefix;
        loop {
            self.at += 1;
            self.string_segment(start, backslash, form)?;
            let end = self.at;
            if !self.continues() {
                self.at = end;
                return Ok(LexKind::Literal(form));
            }
        }
    }

    /// From behind an opening quote to behind its closing quote.
    fn string_segment(
        &mut self,
        start: usize,
        backslash: bool,
        form: LexLiteral,
    ) -> Result<(), SqlError> {
        while self.at < self.text.len() {
            match self.text[self.at] {
                b'\'' if self.peek(1) == b'\'' && form != LexLiteral::Bits => self.at += 2,
                b'\'' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' if backslash => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = self.text.len();
        let what = match (form, self.text[start]) {
            (LexLiteral::Bits, b'x' | b'X') => "unterminated hexadecimal string literal",
            (LexLiteral::Bits, _) => "unterminated bit string literal",
            _ => "unterminated quoted string",
        };
        Err(SqlError::near(what, self.text, start, self.text.len()))
    }

    /// Whether another segment of the same string follows; then stands on its quote.
    /// Between the segments: white space and line comments, with at least one newline.
    fn continues(&mut self) -> bool {
        let mut newline = false;
        loop {
            match self.peek(0) {
                b'\n' | b'\r' => {
                    newline = true;
                    self.at += 1;
                }
                b if is_space(b) => self.at += 1,
                b'-' if self.peek(1) == b'-' => self.skip_line(),
                b'\'' => return newline,
                _ => return false,
            }
        }
    }

    fn quoted_ident(
        &mut self,
        start: usize,
        prefix: usize,
        kind: LexKind,
    ) -> Result<LexKind, SqlError> {
        self.at = start + prefix + 1;
        while self.at < self.text.len() {
            if self.text[self.at] != b'"' {
                self.at += 1;
            } else if self.peek(1) == b'"' {
                self.at += 2;
            } else {
                self.at += 1;
                if self.at - start == prefix + 2 {
                    return Err(SqlError::near(
                        "zero-length delimited identifier",
                        self.text,
                        start,
                        self.at,
                    ));
                }
                return Ok(kind);
            }
        }
        Err(SqlError::near("unterminated quoted identifier", self.text, start, self.text.len()))
    }

    /// `$1`, or the start of a dollar-quoted string.
    fn dollar(&mut self, start: usize) -> Result<LexKind, SqlError> {
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            self.no_junk(start, "trailing junk after parameter")?;
            return Ok(LexKind::Parameter);
        }
        if is_ident_start(self.peek(0)) {
            while is_ident_start(self.peek(0)) || self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
        }
        if self.peek(0) != b'$' {
            return Err(SqlError::syntax(self.text, start, start + 1));
        }
        self.at += 1;
        let tag = &self.text[start..self.at];
        match find(&self.text[self.at..], tag) {
            Some(offset) => {
                self.at += offset + tag.len();
                Ok(LexKind::Literal(LexLiteral::Dollar))
            }
            None => Err(SqlError::near(
                "unterminated dollar-quoted string",
                self.text,
                start,
                self.text.len(),
            )),
        }
    }

    fn no_junk(&mut self, start: usize, what: &str) -> Result<(), SqlError> {
        if !is_ident_start(self.peek(0)) {
            return Ok(());
        }
        while is_ident_part(self.peek(0)) {
            self.at += 1;
        }
        Err(SqlError::near(what, self.text, start, self.at))
    }

    /// Digits with single underscores between them.
    fn digits(&mut self, is_digit: fn(&u8) -> bool) -> usize {
        let start = self.at;
        loop {
            if is_digit(&self.peek(0)) {
                self.at += 1;
            } else if self.peek(0) == b'_' && self.at > start && is_digit(&self.peek(1)) {
                self.at += 2;
            } else {
                return self.at - start;
            }
        }
    }

    fn number(&mut self, start: usize) -> Result<LexKind, SqlError> {
        const JUNK: &str = "trailing junk after numeric literal";
        let radix: Option<fn(&u8) -> bool> = match (self.peek(0), self.peek(1)) {
            (b'0', b'x' | b'X') => Some(u8::is_ascii_hexdigit),
            (b'0', b'o' | b'O') => Some(|b| matches!(b, b'0'..=b'7')),
            (b'0', b'b' | b'B') => Some(|b| matches!(b, b'0' | b'1')),
            _ => None,
        };
        if let Some(is_digit) = radix {
            self.at += 2;
            if self.peek(0) == b'_' {
                self.at += 1;
            }
            if self.digits(is_digit) == 0 {
                return Err(SqlError::near("invalid integer", self.text, start, self.at));
            }
            self.no_junk(start, JUNK)?;
            return Ok(LexKind::Literal(LexLiteral::Integer));
        }
        let mut form = LexLiteral::Integer;
        self.digits(u8::is_ascii_digit);
        // `1..10` is an integer and two points.
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            form = LexLiteral::Decimal;
            self.at += 1;
            self.digits(u8::is_ascii_digit);
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                form = LexLiteral::Decimal;
                self.at += 1 + sign;
                self.digits(u8::is_ascii_digit);
            }
        }
        self.no_junk(start, JUNK)?;
        Ok(LexKind::Literal(form))
    }

    /// The longest run of operator characters, cut before a comment, and before a `+` or
    /// `-` at its end unless it holds a character that no standard operator has.
    fn operator(&mut self, start: usize) -> Result<LexKind, SqlError> {
        let mut end = start;
        while end < self.text.len() && is_operator(self.text[end]) {
            let pair = (self.text[end], self.text.get(end + 1).copied().unwrap_or(0));
            if end > start && matches!(pair, (b'/', b'*') | (b'-', b'-')) {
                break;
            }
            end += 1;
        }
        let run = &self.text[start..end];
        let special = |b: &u8| {
            matches!(b, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%')
        };
        if matches!(run.last(), Some(b'+' | b'-')) && !run.iter().any(special) {
            while end - start > 1 && matches!(self.text[end - 1], b'+' | b'-') {
                end -= 1;
            }
        }
        if end - start > OPERATOR_BYTES {
            return Err(SqlError::near("operator too long", self.text, start, end));
        }
        self.at = end;
        Ok(LexKind::Operator)
    }
}

/// The first place of `needle` in `text`.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(offset) = text[from..].iter().position(|&b| b == first) {
        let at = from + offset;
        if text[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
