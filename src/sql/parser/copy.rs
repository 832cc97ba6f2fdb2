//! COPY.

use super::cursor::{Parser, Result};
use super::keywords::Keyword as K;
use crate::sql::statement::{
    Copy, CopyDirection, CopyOption, CopyValue, CopyWhat, Ident, Statement,
};
use crate::sql::tokens::TokenKind;

impl Parser<'_> {
    pub fn copy(&mut self) -> Result<Statement> {
        self.expect(K::Copy)?;
        let mut options = Vec::new();
        if self.eat(K::Binary) {
            options.push(format_of("binary"));
        }
        let mut inner = None;
        let what = if self.eat_punctuation(b'(') {
            let start = self.position() as u32;
            let statement = self.nested(Self::plannable)?;
            inner = Some(start..self.position() as u32);
            self.expect_punctuation(b')')?;
            CopyWhat::Statement(Box::new(statement))
        } else {
            let name = self.qualified_name()?;
            let behind_name = self.position() as u32;
            CopyWhat::Table { name, columns: self.optional_columns()?, behind_name }
        };
        let from = self.eat(K::From);
        if !from {
            self.expect(K::To)?;
        }
        let direction = self.copy_place(from)?;
        self.copy_options(&mut options)?;
        let filter = if from { self.where_clause()? } else { None };
        Ok(Statement::Copy(Box::new(Copy { what, direction, inner, options, filter })))
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

    /// Options of either style, up to WHERE or the end.
    fn copy_options(&mut self, options: &mut Vec<CopyOption>) -> Result<()> {
        if self.eat_word("using") {
            if !self.eat_word("delimiters") {
                return Err(self.unexpected());
            }
            options.push(self.old_value("delimiter")?);
        } else if self.eat_word("delimiters") {
            options.push(self.old_value("delimiter")?);
        }
        self.eat(K::With);
        if self.is_punctuation(b'(') {
            options.extend(self.parenthesised(Self::copy_option)?);
            return Ok(());
        }
        while !self.at_end() && !self.is(K::Where) {
            let option = self.old_option()?;
            options.push(option);
        }
        Ok(())
    }

    /// One of `(FORMAT csv, HEADER, …)`.
    fn copy_option(&mut self) -> Result<CopyOption> {
        let name = self.label()?;
        let value = match self.kind() {
            TokenKind::Punctuation(b',' | b')') => CopyValue::None,
            TokenKind::Punctuation(b'(') => self.copy_names()?,
            TokenKind::Literal(slot) => {
                self.advance();
                CopyValue::Literal(slot)
            }
            TokenKind::Operator if self.written() == b"*" => {
                self.advance();
                CopyValue::Star
            }
            TokenKind::Operator if matches!(self.written(), b"-" | b"+") => {
                self.advance();
                if !matches!(self.kind(), TokenKind::Literal(_)) {
                    return Err(self.unexpected());
                }
                self.advance();
                CopyValue::Other
            }
            _ => CopyValue::Word(self.label()?),
        };
        Ok(CopyOption { name, value })
    }

    /// Names in parentheses, which may be written as strings, too.
    fn copy_names(&mut self) -> Result<CopyValue> {
        let names = self.parenthesised(|parser| match parser.kind() {
            TokenKind::Literal(_) => {
                parser.advance();
                Ok(None)
            }
            _ => parser.label().map(Some),
        })?;
        let names: Option<Vec<Ident>> = names.into_iter().collect();
        Ok(names.map_or(CopyValue::Other, CopyValue::Names))
    }

    /// One of `CSV HEADER DELIMITER AS ','`.
    fn old_option(&mut self) -> Result<CopyOption> {
        for format in ["binary", "csv"] {
            if self.eat_word(format) {
                return Ok(format_of(format));
            }
        }
        for flag in ["freeze", "header"] {
            if self.eat_word(flag) {
                return Ok(CopyOption { name: flag.into(), value: CopyValue::None });
            }
        }
        for name in ["delimiter", "null", "quote", "escape", "encoding"] {
            if self.eat_word(name) {
                return self.old_value(name);
            }
        }
        if !self.eat_word("force") {
            return Err(self.unexpected());
        }
        let name = if self.eat_word("quote") {
            "force_quote"
        } else {
            let not = self.eat(K::Not);
            if !self.eat_word("null") {
                return Err(self.unexpected());
            }
            if not { "force_not_null" } else { "force_null" }
        };
        let value = if self.eat_operator(b"*") {
            CopyValue::Star
        } else {
            CopyValue::Names(self.comma_list(Self::column_id)?)
        };
        Ok(CopyOption { name: name.into(), value })
    }

    fn old_value(&mut self, name: &str) -> Result<CopyOption> {
        self.eat(K::As);
        match self.kind() {
            TokenKind::Literal(slot) => {
                self.advance();
                Ok(CopyOption { name: name.into(), value: CopyValue::Literal(slot) })
            }
            _ => Err(self.unexpected()),
        }
    }
}

fn format_of(format: &str) -> CopyOption {
    let word: Ident = format.into();
    CopyOption { name: "format".into(), value: CopyValue::Word(word) }
}
