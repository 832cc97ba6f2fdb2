//! What stands between operators: names, literals, calls, parentheses, CASE, arrays, rows.

use super::cursor::{Parser, Result};
use super::expr::{Kind, level};
use super::keywords::Keyword as K;
use crate::sql::literal::LiteralKind;
use crate::sql::statement::{Expr, Ident, Name, Query, TypeName};
use crate::sql::tokens::TokenKind;

/// What parentheses held.
pub(super) enum Parens {
    Query(Box<Query>),
    One(Expr),
    /// Two or more.
    List(Vec<Expr>),
}

impl Parser<'_> {
    /// A `c_expr`.
    pub fn primary(&mut self) -> Result<Expr> {
        match self.kind() {
            TokenKind::Literal(slot) => {
                self.advance();
                let literal = Expr::Literal(slot);
                let national =
                    self.literals.slot(slot).iter().any(|l| l.kind == LiteralKind::National);
                Ok(if national { cast(literal, TypeName::plain("bpchar")) } else { literal })
            }
            TokenKind::Parameter => {
                let parameter = Expr::Parameter(self.parameter()?);
                self.indirection(parameter)
            }
            TokenKind::Punctuation(b'(') => {
                let inside = self.parens()?;
                let inside = match inside {
                    Parens::Query(query) => Expr::Subquery(query),
                    Parens::One(expr) => expr,
                    Parens::List(list) => return self.overlaps(Expr::Row(list)),
                };
                self.indirection(inside)
            }
            TokenKind::Word | TokenKind::QuotedIdent | TokenKind::UnicodeIdent => self.named(),
            _ => Err(self.unexpected()),
        }
    }

    /// What begins with a word.
    fn named(&mut self) -> Result<Expr> {
        let keyword = self.keyword();
        let simple = match keyword {
            Some(K::Null) => Some(Expr::Null),
            Some(K::True) => Some(Expr::Bool(true)),
            Some(K::False) => Some(Expr::Bool(false)),
            Some(K::Default) => Some(Expr::Default),
            _ => None,
        };
        if let Some(simple) = simple {
            self.advance();
            return Ok(simple);
        }
        let open = self.kind_ahead(1) == TokenKind::Punctuation(b'(');
        match keyword {
            Some(K::Case) => return self.nested(Self::case),
            Some(K::Array) => return self.array(),
            Some(K::Row) if open => {
                self.advance();
                let fields = self.nested(Self::call_list)?;
                return self.overlaps(Expr::Row(fields));
            }
            Some(K::Exists) if open => {
                self.advance();
                return match self.parens()? {
                    Parens::Query(query) => Ok(Expr::Exists(query)),
                    _ => Err(self.unexpected()),
                };
            }
            _ => {}
        }
        if let Some(keyword) = keyword
            && let Some(special) = self.special_function(keyword, open)?
        {
            return Ok(special);
        }
        if let Some(constant) = self.typed_literal()? {
            return Ok(constant);
        }
        self.column_or_call()
    }

    /// What parentheses hold: a query, an expression, or a list of them. Stands on `(`.
    pub fn parens(&mut self) -> Result<Parens> {
        self.nested(|p| {
            p.expect_punctuation(b'(')?;
            if p.starts_select() {
                let query = p.query()?;
                p.expect_punctuation(b')')?;
                return Ok(Parens::Query(Box::new(query)));
            }
            let first = if p.is_punctuation(b'(') {
                match p.parens()? {
                    Parens::Query(query) => {
                        let query = p.query_continued(query)?;
                        if p.eat_punctuation(b')') {
                            return Ok(Parens::Query(query));
                        }
                        Expr::Subquery(query)
                    }
                    Parens::One(expr) => expr,
                    Parens::List(list) => p.overlaps(Expr::Row(list))?,
                }
            } else if let TokenKind::LiteralList(slot) = p.kind() {
                p.advance();
                Expr::LiteralList(slot)
            } else {
                p.expr()?
            };
            let first = p.indirection(first)?;
            let first = p.operators(first, level::LOWEST, Kind::Full)?;
            if p.eat_punctuation(b')') {
                return Ok(Parens::One(first));
            }
            let mut list = vec![first];
            while p.eat_punctuation(b',') {
                list.push(p.expr()?);
            }
            p.expect_punctuation(b')')?;
            if list.len() == 1 { Err(p.unexpected()) } else { Ok(Parens::List(list)) }
        })
    }

    /// `row OVERLAPS row`, or the row.
    fn overlaps(&mut self, row: Expr) -> Result<Expr> {
        if !self.eat(K::Overlaps) {
            return Ok(row);
        }
        let right = self.primary()?;
        Ok(Expr::Other(vec![row, right]))
    }

    /// A possibly empty list of expressions in parentheses.
    fn call_list(&mut self) -> Result<Vec<Expr>> {
        self.expect_punctuation(b'(')?;
        if self.eat_punctuation(b')') {
            return Ok(Vec::new());
        }
        let list = self.expr_list()?;
        self.expect_punctuation(b')')?;
        Ok(list)
    }

    /// `[…]`, `.field` and `.*` behind an expression.
    pub fn indirection(&mut self, base: Expr) -> Result<Expr> {
        let mut parts = Vec::new();
        let mut found = false;
        loop {
            if self.is_punctuation(b'[') {
                self.nested(|p| p.subscript(&mut parts))?;
            } else if self.eat_punctuation(b'.') {
                if self.eat_operator(b"*") {
                    parts.push(Expr::Wildcard(None));
                } else {
                    parts.push(Expr::Field(self.label()?));
                }
            } else {
                break;
            }
            found = true;
        }
        if !found {
            return Ok(base);
        }
        parts.insert(0, base);
        Ok(Expr::Other(parts))
    }

    /// `[i]`, `[a:b]`, `[:]`: its expressions.
    pub fn subscript(&mut self, parts: &mut Vec<Expr>) -> Result<()> {
        self.expect_punctuation(b'[')?;
        if let TokenKind::LiteralList(slot) = self.kind() {
            self.advance();
            parts.push(Expr::LiteralList(slot));
        } else if !self.is_punctuation(b':') {
            parts.push(self.expr()?);
        } else if self.kind_ahead(1) == TokenKind::Punctuation(b']') {
            self.advance();
        }
        if self.eat_punctuation(b':') && !self.is_punctuation(b']') {
            parts.push(self.expr()?);
        }
        self.expect_punctuation(b']')
    }

    fn case(&mut self) -> Result<Expr> {
        self.expect(K::Case)?;
        let operand = if self.is(K::When) { None } else { Some(Box::new(self.expr()?)) };
        let mut branches = Vec::new();
        while self.eat(K::When) {
            let condition = self.expr()?;
            self.expect(K::Then)?;
            branches.push((condition, self.expr()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.eat(K::Else) { Some(Box::new(self.expr()?)) } else { None };
        self.expect(K::End)?;
        Ok(Expr::Case { operand, branches, otherwise })
    }

    /// `ARRAY[…]` or `ARRAY(query)`.
    fn array(&mut self) -> Result<Expr> {
        self.expect(K::Array)?;
        if self.is_punctuation(b'[') {
            return self.array_elements();
        }
        if !self.is_punctuation(b'(') {
            return Err(self.unexpected());
        }
        match self.parens()? {
            Parens::Query(query) => self.indirection(Expr::Subquery(query)),
            _ => Err(self.unexpected()),
        }
    }

    fn array_elements(&mut self) -> Result<Expr> {
        self.nested(|p| {
            p.expect_punctuation(b'[')?;
            if let TokenKind::LiteralList(slot) = p.kind() {
                p.advance();
                p.expect_punctuation(b']')?;
                return p.indirection(Expr::Array(vec![Expr::LiteralList(slot)]));
            }
            let mut elements = Vec::new();
            if !p.is_punctuation(b']') {
                let nested = p.is_punctuation(b'[');
                elements = p.comma_list(|p| if nested { p.array_elements() } else { p.expr() })?;
            }
            p.expect_punctuation(b']')?;
            p.indirection(Expr::Array(elements))
        })
    }

    /// `type 'literal'`, if that is here.
    fn typed_literal(&mut self) -> Result<Option<Expr>> {
        let start = self.position();
        if self.keyword().is_some_and(|k| self.starts_builtin_type(k)) {
            let interval = self.is(K::Interval);
            // A name that is no type here (`SELECT int FROM t`) is read again as a column.
            if let Ok(to) = self.builtin_type()
                && let Some(literal) = self.string_literal()
            {
                if interval {
                    self.interval_fields()?;
                }
                return Ok(Some(cast(literal, to)));
            }
            self.return_to(start);
        }
        Ok(None)
    }

    /// Takes a string literal.
    pub fn string_literal(&mut self) -> Option<Expr> {
        let TokenKind::Literal(slot) = self.kind() else { return None };
        let literal = self.literals.slot(slot).first()?;
        let string = matches!(literal.kind, LiteralKind::String | LiteralKind::EscapeString);
        if string {
            self.advance();
        }
        string.then_some(Expr::Literal(slot))
    }

    /// A column, a call of a function, or a literal of a type by name.
    fn column_or_call(&mut self) -> Result<Expr> {
        let column = self.is_column_id(0);
        let function = self.is_type_or_function(0);
        if !column && !function {
            return Err(self.unexpected());
        }
        let mut parts: Vec<Ident> = vec![self.take_ident()?];
        let mut wildcard = false;
        while self.is_punctuation(b'.') {
            self.advance();
            if self.eat_operator(b"*") {
                wildcard = true;
                break;
            }
            parts.push(self.label()?);
        }
        if wildcard {
            return Ok(Expr::Wildcard(Some(self.name_of(parts)?)));
        }
        let may_call = function || parts.len() > 1;
        if may_call && self.is_punctuation(b'(') {
            return self.call_or_typed_literal(parts);
        }
        if may_call && let Some(literal) = self.string_literal() {
            let to = TypeName { name: self.name_of(parts)?, modified: false, dimensions: 0 };
            return Ok(cast(literal, to));
        }
        if !column {
            return Err(self.unexpected());
        }
        self.indirection(Expr::Column(parts))
    }

    /// `name(…)`: a call, or the modifier of a type as in `mytype(3) 'x'`.
    fn call_or_typed_literal(&mut self, parts: Vec<Ident>) -> Result<Expr> {
        let name = self.name_of(parts)?;
        let call = self.call(name.clone())?;
        let Some(literal) = self.string_literal() else { return Ok(Expr::Function(call)) };
        if !call.is_plain() {
            return Err(self.unexpected());
        }
        let to = TypeName { name, modified: true, dimensions: 0 };
        let mut operands = call.arguments;
        operands.insert(0, cast(literal, to));
        Ok(if operands.len() == 1 { operands.remove(0) } else { modified(operands) })
    }
}

/// A typed literal with a modifier: the modifier's numbers say nothing more.
fn modified(mut operands: Vec<Expr>) -> Expr {
    let rest = operands.split_off(1);
    match operands.pop() {
        Some(cast) if rest.iter().all(|e| matches!(e, Expr::Literal(_))) => cast,
        Some(cast) => Expr::Other(std::iter::once(cast).chain(rest).collect()),
        None => Expr::Other(rest),
    }
}

pub(super) fn cast(expr: Expr, to: TypeName) -> Expr {
    Expr::Cast { expr: Box::new(expr), to }
}

impl TypeName {
    /// A type by the name that it has in `pg_type`.
    pub(super) fn plain(name: &str) -> TypeName {
        TypeName { name: Name { schema: None, name: name.into() }, modified: false, dimensions: 0 }
    }
}
