//! Numbers.

use super::class::{is_digit, is_ident_part, is_ident_start};
use super::{LexKind, LexLiteral, Lexer};
use crate::sql::error::SqlError;

impl Lexer<'_> {
    pub(super) fn no_junk(&mut self, start: usize, what: &str) -> Result<(), SqlError> {
        if !is_ident_start(self.peek(0)) {
            return Ok(());
        }
        self.at += self.run(is_ident_part);
        Err(SqlError::near(what, self.text, start, self.at))
    }

    /// Digits with single underscores between them.
    fn digits(&mut self, is_digit: fn(u8) -> bool) -> usize {
        let start = self.at;
        loop {
            self.at += self.run(is_digit);
            if self.peek(0) != b'_' || self.at == start || !is_digit(self.peek(1)) {
                return self.at - start;
            }
            self.at += 1;
        }
    }

    #[inline(always)]
    pub(super) fn number(&mut self, start: usize) -> Result<LexKind, SqlError> {
        self.at += self.run(is_digit);
        let next = self.peek(0);
        if next != b'.' && !is_ident_part(next) {
            return Ok(LexKind::Literal(LexLiteral::Integer));
        }
        self.at = start;
        self.number_with_more(start)
    }

    /// A number that is more than digits.
    fn number_with_more(&mut self, start: usize) -> Result<LexKind, SqlError> {
        let form = match (self.peek(0), self.peek(1)) {
            (b'0', b'x' | b'X') => self.integer_of(start, |b| b.is_ascii_hexdigit())?,
            (b'0', b'o' | b'O') => self.integer_of(start, |b| matches!(b, b'0'..=b'7'))?,
            (b'0', b'b' | b'B') => self.integer_of(start, |b| matches!(b, b'0' | b'1'))?,
            _ => self.decimal(),
        };
        self.no_junk(start, "trailing junk after numeric literal")?;
        Ok(LexKind::Literal(form))
    }

    /// `0x…` and the like.
    fn integer_of(
        &mut self,
        start: usize,
        is_digit: fn(u8) -> bool,
    ) -> Result<LexLiteral, SqlError> {
        self.at += 2;
        if self.peek(0) == b'_' {
            self.at += 1;
        }
        if self.digits(is_digit) == 0 {
            return Err(SqlError::near("invalid integer", self.text, start, self.at));
        }
        Ok(LexLiteral::Integer)
    }

    fn decimal(&mut self) -> LexLiteral {
        let mut form = LexLiteral::Integer;
        self.digits(is_digit);
        // `1..10` is an integer and two points.
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            form = LexLiteral::Decimal;
            self.at += 1;
            self.digits(is_digit);
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                form = LexLiteral::Decimal;
                self.at += 1 + sign;
                self.digits(is_digit);
            }
        }
        form
    }
}
