//! Bytes → lexical tokens, by Postgres's own rules.
//!
//! Follows `scan.l` of PostgreSQL 16 to 18 (chapter 4.1 of its manual): what is one token
//! there is one token here, and begins and ends at the same byte. Nothing is copied: a
//! token is a kind and a range.

mod class;
mod number;
mod quoted;

use std::ops::Range;

use memchr::memchr2;

use super::error::SqlError;
use class::{Class, class, is_ident_part, is_operator, run};

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
    /// Behind the last token of the text.
    End,
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

impl LexToken {
    /// The token's bytes in its text.
    #[inline(always)]
    pub fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start..self.end]
    }
}

/// Cuts a text into tokens from front to back.
#[derive(Debug)]
pub struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    options: LexOptions,
    /// The comments for pgherd that were passed since they were last taken.
    comments: Vec<Range<usize>>,
}

/// A place in a text to go back to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    at: usize,
    comments: usize,
}

/// Operators are identifiers to Postgres: they end at 63 bytes.
const OPERATOR_BYTES: usize = 63;

impl<'a> Lexer<'a> {
    /// Reads `text` from byte `start` on, which must be the border of a token.
    #[inline(always)]
    pub fn new(text: &'a [u8], start: usize, options: LexOptions) -> Self {
        Lexer { text, at: start, options, comments: Vec::new() }
    }

    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    pub fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// The `/* pgherd: … */` that were passed since they were last taken.
    pub fn take_comments(&mut self) -> Vec<Range<usize>> {
        std::mem::take(&mut self.comments)
    }

    /// Where it stands, to look ahead and come back.
    pub fn mark(&self) -> Mark {
        Mark { at: self.at, comments: self.comments.len() }
    }

    pub fn back_to(&mut self, mark: Mark) {
        self.at = mark.at;
        self.comments.truncate(mark.comments);
    }

    #[inline(always)]
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The number of bytes from here on that are `part` of something.
    #[inline(always)]
    fn run(&self, part: impl Fn(u8) -> bool) -> usize {
        run(self.rest(), part)
    }

    /// The next token; [`LexKind::End`] at the end of the text, however often it is asked.
    #[inline(always)]
    pub fn next_token(&mut self) -> Result<LexToken, SqlError> {
        let mut start = self.at;
        if self.peek(0) == b' ' {
            // Most tokens stand behind one.
            start += 1;
        }
        loop {
            self.at = start;
            let Some(&b) = self.text.get(start) else { return Ok(self.token(LexKind::End, start)) };
            let kind = match class(b) {
                Class::Space => {
                    start += 1;
                    continue;
                }
                Class::Word => {
                    self.at += run(&self.text[start..], is_ident_part);
                    if self.at == start + 1 { self.letter(start, b)? } else { LexKind::Word }
                }
                Class::Digit => self.number(start)?,
                Class::Punctuation => self.take(1, LexKind::Punctuation(b)),
                Class::Dot => match self.peek(1) {
                    b'0'..=b'9' => self.number(start)?,
                    b'.' => self.take(2, LexKind::DotDot),
                    _ => self.take(1, LexKind::Punctuation(b)),
                },
                Class::Colon => match self.peek(1) {
                    b':' => self.take(2, LexKind::Cast),
                    b'=' => self.take(2, LexKind::ColonEquals),
                    _ => self.take(1, LexKind::Punctuation(b)),
                },
                Class::Operator => match (b, self.peek(1)) {
                    (b'-', b'-') => {
                        self.skip_line();
                        start = self.at;
                        continue;
                    }
                    (b'/', b'*') => {
                        self.skip_block_comment()?;
                        start = self.at;
                        continue;
                    }
                    (_, next) if is_operator(next) => self.operator(start)?,
                    _ => self.take(1, LexKind::Operator),
                },
                Class::Quote => self.string(start, 0, self.plain())?,
                Class::DoubleQuote => self.quoted_ident(start, 0, LexKind::QuotedIdent)?,
                Class::Dollar => self.dollar(start)?,
                Class::Stray => return Err(self.stray(start)),
            };
            return Ok(self.token(kind, start));
        }
    }

    #[inline(always)]
    fn token(&self, kind: LexKind, start: usize) -> LexToken {
        LexToken { kind, start, end: self.at }
    }

    /// Passes `b` if it is the next byte: a token of its own, without white space before it.
    #[inline(always)]
    pub fn take_byte(&mut self, b: u8) -> bool {
        let next = self.text.get(self.at) == Some(&b);
        self.at += usize::from(next);
        next
    }

    /// A character that no token begins with.
    #[cold]
    fn stray(&self, start: usize) -> SqlError {
        let end = (start + 1..self.text.len()).find(|&i| self.text[i] & 0xC0 != 0x80);
        SqlError::syntax(self.text, start, end.unwrap_or(self.text.len()))
    }

    /// What `'…'` is in this session.
    fn plain(&self) -> LexLiteral {
        if self.options.standard_conforming_strings {
            LexLiteral::String
        } else {
            LexLiteral::Escape
        }
    }

    #[inline(always)]
    fn take(&mut self, bytes: usize, kind: LexKind) -> LexKind {
        self.at += bytes;
        kind
    }

    fn skip_line(&mut self) {
        let rest = self.rest();
        self.at += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) -> Result<(), SqlError> {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(at) = memchr2(b'*', b'/', self.rest()) {
            self.at += at;
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        self.keep_comment(start);
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
        Err(SqlError::near("unterminated /* comment", self.text, start, self.text.len()))
    }

    /// Keeps the comment that ends here if it is for pgherd.
    fn keep_comment(&mut self, start: usize) {
        let inside = self.text[start + 2..self.at].trim_ascii_start();
        if inside.starts_with(b"pgherd:") {
            self.comments.push(start..self.at);
        }
    }

    /// A word of one letter, or what it is the prefix of.
    fn letter(&mut self, start: usize, b: u8) -> Result<LexKind, SqlError> {
        match (b, self.peek(0), self.peek(1)) {
            (b'e' | b'E', b'\'', _) => self.string(start, 1, LexLiteral::Escape),
            (b'n' | b'N', b'\'', _) => self.string(start, 1, LexLiteral::National),
            (b'b' | b'B' | b'x' | b'X', b'\'', _) => self.string(start, 1, LexLiteral::Bits),
            (b'u' | b'U', b'&', b'\'') => self.string(start, 2, LexLiteral::Unicode),
            (b'u' | b'U', b'&', b'"') => self.quoted_ident(start, 2, LexKind::UnicodeIdent),
            _ => Ok(LexKind::Word),
        }
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
