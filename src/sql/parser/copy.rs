//! COPY.

use super::cursor::{Parser, Result};
use super::keywords::Keyword as K;
use crate::sql::statement::{Copy, CopyDirection, CopyWhat, Statement};
use crate::sql::tokens::TokenKind;

impl Parser<'_> {
    pub fn copy(&mut self) -> Result<Statement> {
        self.expect(K::Copy)?;
        self.eat(K::Binary);
        let what = if self.eat_punctuation(b'(') {
            let statement = self.nested(Self::plannable)?;
            self.expect_punctuation(b')')?;
            CopyWhat::Statement(Box::new(statement))
        } else {
            let name = self.qualified_name()?;
            CopyWhat::Table { name, columns: self.optional_columns()? }
        };
        let from = self.eat(K::From);
        if !from {
            self.expect(K::To)?;
        }
        let direction = self.copy_place(from)?;
        self.copy_options()?;
        let filter = if from { self.where_clause()? } else { None };
        Ok(Statement::Copy(Box::new(Copy { what, direction, filter })))
    }

    fn copy_place(&mut self, from: bool) -> Result<CopyDirection> {
        if self.eat_any(&[K::Stdin, K::Stdout]) {
            // Postgres takes either word in either direction.
            return Ok(if from { CopyDirection::FromStdin } else { CopyDirection::ToStdout });
        }
        self.eat(K::Program);
        match self.string_literal() {
            Some(_) => Ok(CopyDirection::Server),
            None => Err(self.unexpected()),
        }
    }

    /// Options of both styles, up to WHERE or the end; none of them holds an expression.
    fn copy_options(&mut self) -> Result<()> {
        let mut depth = 0usize;
        loop {
            match self.kind() {
                TokenKind::End => break,
                TokenKind::Punctuation(b'(') => depth += 1,
                TokenKind::Punctuation(b')') if depth > 0 => depth -= 1,
                TokenKind::Word if depth == 0 && self.is(K::Where) => break,
                TokenKind::Word
                | TokenKind::QuotedIdent
                | TokenKind::Literal(_)
                | TokenKind::Punctuation(b',') => {}
                TokenKind::Operator if matches!(self.written(), b"*" | b"-" | b"+") => {}
                _ => return Err(self.unexpected()),
            }
            self.advance();
        }
        if depth == 0 { Ok(()) } else { Err(self.unexpected()) }
    }
}
