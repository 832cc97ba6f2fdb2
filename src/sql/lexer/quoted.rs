//! What stands in quotes: strings, names and dollar-quoted strings; and parameters, which begin
//! as the last of these do.

use memchr::{memchr, memchr_iter, memchr2};

use super::class::{is_digit, is_ident_part, is_ident_start, is_space};
use super::{LexKind, LexLiteral, Lexer};
use crate::sql::error::SqlError;

impl Lexer<'_> {
    /// A string whose opening quote is `prefix` bytes after the start. Strings that are
    /// apart by white space with a newline in it are one.
    pub(super) fn string(
        &mut self,
        start: usize,
        prefix: usize,
        form: LexLiteral,
    ) -> Result<LexKind, SqlError> {
        if form == LexLiteral::Unicode && !self.options.standard_conforming_strings {
            return Err(self.unsafe_unicode(start));
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

    #[cold]
    fn unsafe_unicode(&self, start: usize) -> SqlError {
        let what = "unsafe use of string constant with Unicode escapes";
        SqlError::near(what, self.text, start, start + 3)
            .with_hint("String constants with Unicode escapes cannot be used when standard_conforming_strings is off.")
    }

    /// From behind an opening quote to behind its closing quote.
    fn string_segment(
        &mut self,
        start: usize,
        backslash: bool,
        form: LexLiteral,
    ) -> Result<(), SqlError> {
        loop {
            let rest = self.rest();
            let special = if backslash { memchr2(b'\'', b'\\', rest) } else { memchr(b'\'', rest) };
            let Some(at) = special else { break };
            self.at += at;
            match (rest[at], self.peek(1)) {
                (b'\\', _) => self.at += 2,
                (_, b'\'') if form != LexLiteral::Bits => self.at += 2,
                _ => {
                    self.at += 1;
                    return Ok(());
                }
            }
        }
        Err(self.unterminated(start, form))
    }

    #[cold]
    fn unterminated(&self, start: usize, form: LexLiteral) -> SqlError {
        let what = match (form, self.text[start]) {
            (LexLiteral::Bits, b'x' | b'X') => "unterminated hexadecimal string literal",
            (LexLiteral::Bits, _) => "unterminated bit string literal",
            _ => "unterminated quoted string",
        };
        SqlError::near(what, self.text, start, self.text.len())
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

    pub(super) fn quoted_ident(
        &mut self,
        start: usize,
        prefix: usize,
        kind: LexKind,
    ) -> Result<LexKind, SqlError> {
        self.at = start + prefix + 1;
        loop {
            let rest = self.rest();
            let Some(quote) = memchr(b'"', rest) else { break };
            self.at += quote + 1;
            if self.peek(0) == b'"' {
                self.at += 1;
            } else if self.at - start == prefix + 2 {
                let what = "zero-length delimited identifier";
                return Err(SqlError::near(what, self.text, start, self.at));
            } else {
                return Ok(kind);
            }
        }
        Err(SqlError::near("unterminated quoted identifier", self.text, start, self.text.len()))
    }

    /// `$1`, or the start of a dollar-quoted string.
    pub(super) fn dollar(&mut self, start: usize) -> Result<LexKind, SqlError> {
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            self.at += self.run(is_digit);
            self.no_junk(start, "trailing junk after parameter")?;
            return Ok(LexKind::Parameter);
        }
        if is_ident_start(self.peek(0)) {
            self.at += self.run(|b| is_ident_part(b) && b != b'$');
        }
        if self.peek(0) != b'$' {
            return Err(SqlError::syntax(self.text, start, start + 1));
        }
        self.at += 1;
        let (tag, body) = (&self.text[start..self.at], &self.text[self.at..]);
        match memchr_iter(b'$', body).find(|&at| body[at..].starts_with(tag)) {
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
}
