//! Names of types.

use super::cursor::{Parser, Result};
use super::keywords::Keyword as K;
use crate::sql::statement::TypeName;
use crate::sql::tokens::TokenKind;

impl Parser<'_> {
    /// Whether the keyword begins a type that the grammar itself knows.
    pub fn starts_builtin_type(&self, keyword: K) -> bool {
        matches!(
            keyword,
            K::Int
                | K::Integer
                | K::Smallint
                | K::Bigint
                | K::Real
                | K::Float
                | K::Double
                | K::Decimal
                | K::Dec
                | K::Numeric
                | K::Boolean
                | K::Bit
                | K::Character
                | K::Char
                | K::Varchar
                | K::National
                | K::Nchar
                | K::Timestamp
                | K::Time
                | K::Interval
                | K::Json
        )
    }

    /// `Typename`: any type, with its array bounds.
    pub fn type_name(&mut self) -> Result<TypeName> {
        self.eat(K::Setof);
        let mut name = match self.keyword() {
            Some(keyword) if self.starts_builtin_type(keyword) => {
                let interval = keyword == K::Interval;
                let name = self.builtin_type()?;
                if interval {
                    self.interval_fields()?;
                }
                name
            }
            _ => self.named_type()?,
        };
        if self.eat(K::Array) {
            name.dimensions = 1;
            if self.is_punctuation(b'[') {
                self.array_bound()?;
            }
            return Ok(name);
        }
        while self.is_punctuation(b'[') {
            self.array_bound()?;
            name.dimensions = name.dimensions.saturating_add(1);
        }
        Ok(name)
    }

    fn array_bound(&mut self) -> Result<()> {
        self.expect_punctuation(b'[')?;
        if matches!(self.kind(), TokenKind::Literal(_) | TokenKind::LiteralList(_)) {
            self.advance();
        }
        self.expect_punctuation(b']')
    }

    /// A type by name: `mytype`, `pg_catalog.int4`, `varbit(3)`.
    fn named_type(&mut self) -> Result<TypeName> {
        if !self.is_type_or_function(0) {
            return Err(self.unexpected());
        }
        let mut parts = vec![self.take_ident()?];
        while self.eat_punctuation(b'.') {
            parts.push(self.label()?);
        }
        let name = self.name_of(parts)?;
        let modified = self.type_modifier()?;
        Ok(TypeName { name, modified, dimensions: 0 })
    }

    /// `(n, m)` behind a type.
    pub fn type_modifier(&mut self) -> Result<bool> {
        if !self.eat_punctuation(b'(') {
            return Ok(false);
        }
        loop {
            self.eat_operator(b"-");
            match self.kind() {
                TokenKind::Literal(_) | TokenKind::Word | TokenKind::QuotedIdent => self.advance(),
                _ => return Err(self.unexpected()),
            }
            if !self.eat_punctuation(b',') {
                self.expect_punctuation(b')')?;
                return Ok(true);
            }
        }
    }

    /// A type of the grammar's own, without array bounds and without an interval's fields.
    pub fn builtin_type(&mut self) -> Result<TypeName> {
        let Some(keyword) = self.keyword() else { return Err(self.unexpected()) };
        self.advance();
        let name = match keyword {
            K::Int | K::Integer => "int4",
            K::Smallint => "int2",
            K::Bigint => "int8",
            K::Real => "float4",
            K::Boolean => "bool",
            K::Json => "json",
            K::Decimal | K::Dec | K::Numeric => "numeric",
            K::Interval => "interval",
            K::Double => {
                self.expect(K::Precision)?;
                "float8"
            }
            // float(1) to float(24) are float4: the number is a literal, and not read.
            K::Float if self.is_punctuation(b'(') => "float",
            K::Float => "float8",
            K::Varchar => "varchar",
            K::Bit => self.varying("bit", "varbit"),
            K::Char | K::Character | K::Nchar => self.varying("bpchar", "varchar"),
            K::National => {
                if !self.eat_any(&[K::Char, K::Character]) {
                    return Err(self.unexpected());
                }
                self.varying("bpchar", "varchar")
            }
            K::Time | K::Timestamp => return self.time_type(keyword == K::Timestamp),
            _ => return Err(self.unexpected()),
        };
        let mut name = TypeName::plain(name);
        name.modified = self.type_modifier()?;
        Ok(name)
    }

    fn varying(&mut self, fixed: &'static str, varying: &'static str) -> &'static str {
        if self.eat(K::Varying) { varying } else { fixed }
    }

    fn time_type(&mut self, stamp: bool) -> Result<TypeName> {
        let modified = self.type_modifier()?;
        let zone = self.eat_all(&[K::With, K::Time, K::Zone]);
        if !zone {
            self.eat_all(&[K::Without, K::Time, K::Zone]);
        }
        let mut name = TypeName::plain(match (stamp, zone) {
            (true, true) => "timestamptz",
            (true, false) => "timestamp",
            (false, true) => "timetz",
            (false, false) => "time",
        });
        name.modified = modified;
        Ok(name)
    }

    /// `YEAR TO MONTH`, `SECOND (3)` and so on, behind an interval.
    pub fn interval_fields(&mut self) -> Result<()> {
        const FIELDS: &[K] = &[K::Year, K::Month, K::Day, K::Hour, K::Minute, K::Second];
        if self.eat_any(FIELDS) {
            self.type_modifier()?;
            if self.eat(K::To) {
                if !self.eat_any(FIELDS) {
                    return Err(self.unexpected());
                }
                self.type_modifier()?;
            }
        }
        Ok(())
    }
}
