//! SQL/JSON functions (PostgreSQL 16 to 18).

use super::cursor::{Parser, Result};
use super::function::{newer, own};
use super::keywords::Keyword as K;
use crate::sql::statement::Expr;
use crate::sql::tokens::TokenKind;

impl Parser<'_> {
    /// A JSON function with a grammar of its own. What has the plain form of a call is left
    /// to be read as one, since older servers have no such keywords.
    pub fn json_function(&mut self, keyword: K) -> Result<Option<Expr>> {
        let known = matches!(
            keyword,
            K::Json
                | K::JsonScalar
                | K::JsonSerialize
                | K::JsonObject
                | K::JsonObjectagg
                | K::JsonArray
                | K::JsonArrayagg
                | K::JsonQuery
                | K::JsonValue
                | K::JsonExists
        );
        if !known {
            return Ok(None);
        }
        self.advance();
        let mut parts = Vec::new();
        let plain = self.nested(|p| {
            p.expect_punctuation(b'(')?;
            let plain = p.json_arguments(&mut parts)?;
            p.expect_punctuation(b')')?;
            Ok(plain)
        })?;
        // In the plain form of a call it may be a function by that name: json_object always,
        // the others on servers whose grammar doesn't know them yet.
        let name = keyword.text();
        let call = if plain { newer(name, parts) } else { own(name, parts) };
        let Expr::Function(mut call) = call else { return Ok(None) };
        self.call_suffix(&mut call)?;
        Ok(Some(Expr::Function(call)))
    }

    /// Expressions with the words of SQL/JSON between them, up to the closing parenthesis.
    ///
    /// The clauses differ by function, and none of them matters here: each expression is
    /// kept, and a word that belongs to no clause is an error. Says whether there were
    /// expressions and commas only.
    fn json_arguments(&mut self, parts: &mut Vec<Expr>) -> Result<bool> {
        let mut plain = true;
        while !self.is_punctuation(b')') {
            if self.eat_punctuation(b',') {
                continue;
            }
            if self.eat_punctuation(b':') || self.json_clause(parts)? {
                plain = false;
                continue;
            }
            // `KEY k VALUE v`: words without a meaning of their own.
            let key = self.is(K::Key)
                && !matches!(self.kind_ahead(1), TokenKind::Punctuation(_) | TokenKind::Operator);
            if key || self.is(K::Value) && !parts.is_empty() {
                self.advance();
                plain = false;
                continue;
            }
            if self.is(K::Order) {
                parts.extend(self.order_by()?);
                continue;
            }
            if self.starts_select() {
                parts.push(Expr::Subquery(Box::new(self.query()?)));
                continue;
            }
            parts.push(self.argument()?);
        }
        Ok(plain)
    }

    /// One clause behind an argument of a JSON function, if one is here.
    pub fn json_clause(&mut self, parts: &mut Vec<Expr>) -> Result<bool> {
        if self.eat(K::Passing) {
            loop {
                parts.push(self.expr()?);
                self.json_format()?;
                self.expect(K::As)?;
                self.label()?;
                if !self.eat_punctuation(b',') {
                    return Ok(true);
                }
            }
        }
        if self.eat(K::Returning) {
            self.type_name()?;
            self.json_format()?;
            return Ok(true);
        }
        if self.is(K::Format) && self.keyword_ahead(1) == Some(K::Json) {
            self.json_format()?;
            return Ok(true);
        }
        if matches!(self.keyword(), Some(K::Null | K::Absent))
            && self.keyword_ahead(1) == Some(K::On)
        {
            self.advance();
            self.advance();
            let known = self.eat_any(&[K::Null, K::Error, K::Empty]);
            return if known { Ok(true) } else { Err(self.unexpected()) };
        }
        if self.is(K::With) || self.is(K::Without) {
            let wrapper = self.json_wrapper();
            if !wrapper && !self.json_unique_keys()? {
                return Err(self.unexpected());
            }
            return Ok(true);
        }
        if self.eat_any(&[K::Keep, K::Omit]) {
            self.expect(K::Quotes)?;
            if self.eat(K::On) {
                self.expect_all(&[K::Scalar, K::String])?;
            }
            return Ok(true);
        }
        self.json_behaviour(parts)
    }

    /// `ERROR | NULL | EMPTY [ARRAY | OBJECT] | TRUE | FALSE | UNKNOWN | DEFAULT e  ON ERROR | EMPTY`
    fn json_behaviour(&mut self, parts: &mut Vec<Expr>) -> Result<bool> {
        if self.eat(K::Default) {
            parts.push(self.expr()?);
        } else {
            let kind =
                self.is(K::Empty) && matches!(self.keyword_ahead(1), Some(K::Array | K::Object));
            let word = matches!(
                self.keyword(),
                Some(K::Error | K::True | K::False | K::Unknown | K::Empty)
            );
            // Without ON it is a value such as TRUE.
            if !word || self.keyword_ahead(1 + usize::from(kind)) != Some(K::On) {
                return Ok(false);
            }
            self.advance();
            if kind {
                self.advance();
            }
        }
        self.expect(K::On)?;
        if self.eat_any(&[K::Error, K::Empty]) { Ok(true) } else { Err(self.unexpected()) }
    }

    fn json_wrapper(&mut self) -> bool {
        let start = self.position();
        let with = self.eat(K::With);
        if !with {
            self.eat(K::Without);
        } else {
            self.eat_any(&[K::Conditional, K::Unconditional]);
        }
        self.eat(K::Array);
        if self.eat(K::Wrapper) {
            return true;
        }
        self.return_to(start);
        false
    }

    /// `FORMAT JSON [ENCODING name]`, if it is here.
    pub fn json_format(&mut self) -> Result<()> {
        if self.eat_all(&[K::Format, K::Json]) && self.eat(K::Encoding) {
            self.label()?;
        }
        Ok(())
    }

    /// `WITH | WITHOUT UNIQUE [KEYS]`, if it is here.
    pub fn json_unique_keys(&mut self) -> Result<bool> {
        let unique = self.eat_all(&[K::With, K::Unique]) || self.eat_all(&[K::Without, K::Unique]);
        if unique {
            self.eat(K::Keys);
        }
        Ok(unique)
    }
}
