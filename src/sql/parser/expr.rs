//! Expressions: operators and their precedence.

use super::cursor::{Parser, Result};
use super::keywords::Keyword as K;
use super::primary::Parens;
use crate::sql::statement::{Compare, Conjunct, Expr};
use crate::sql::tokens::TokenKind;

/// How tightly operators bind, from `gram.y`, loosest first.
pub(super) mod level {
    pub const LOWEST: u8 = 0;
    pub const OR: u8 = 1;
    pub const AND: u8 = 2;
    pub const NOT: u8 = 3;
    pub const IS: u8 = 4;
    pub const COMPARISON: u8 = 5;
    /// BETWEEN, IN, LIKE, ILIKE, SIMILAR.
    pub const RANGE: u8 = 6;
    /// Every operator that has no level of its own.
    pub const OPERATOR: u8 = 7;
    pub const ADD: u8 = 8;
    pub const MULTIPLY: u8 = 9;
    pub const POWER: u8 = 10;
    pub const AT_TIME_ZONE: u8 = 11;
    pub const COLLATE: u8 = 12;
    pub const SIGN: u8 = 13;
    pub const CAST: u8 = 14;
}

/// Which of the grammar's two kinds of expression is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `a_expr`: all of it.
    Full,
    /// `b_expr`: without AND, OR, NOT, IN, LIKE, BETWEEN, AT TIME ZONE, COLLATE and most of IS.
    Restricted,
}

impl Parser<'_> {
    pub fn expr(&mut self) -> Result<Expr> {
        self.expr_from(level::LOWEST, Kind::Full)
    }

    /// As [`expr`](Self::expr), with what stands between its ANDs.
    pub fn conjunction(&mut self) -> Result<(Expr, Vec<Conjunct>)> {
        let mut terms = Vec::new();
        let mut conjuncts = Vec::new();
        let begin = self.position() as u32;
        loop {
            let start = self.position() as u32;
            let before = terms.len();
            match self.expr_from(level::NOT, Kind::Full)? {
                Expr::And(more) => terms.extend(more),
                other => terms.push(other),
            }
            let tokens = start..self.position() as u32;
            conjuncts.push(Conjunct { tokens, terms: terms.len() - before });
            if !self.eat(K::And) {
                break;
            }
        }
        let all = if terms.len() == 1 { terms.swap_remove(0) } else { Expr::And(terms) };
        if !self.is(K::Or) {
            return Ok((all, conjuncts));
        }
        let all = self.nested(|p| p.operators(all, level::LOWEST, Kind::Full))?;
        let tokens = begin..self.position() as u32;
        Ok((all, vec![Conjunct { tokens, terms: 1 }]))
    }

    /// A `b_expr`.
    pub fn restricted_expr(&mut self) -> Result<Expr> {
        self.expr_from(level::LOWEST, Kind::Restricted)
    }

    pub fn expr_list(&mut self) -> Result<Vec<Expr>> {
        self.comma_list(Self::expr)
    }

    /// An expression whose operators all bind at least as tightly as `min`.
    fn expr_from(&mut self, min: u8, kind: Kind) -> Result<Expr> {
        self.nested(|p| {
            let left = p.prefixed(kind)?;
            p.operators(left, min, kind)
        })
    }

    fn operand(&mut self, above: u8, kind: Kind) -> Result<Box<Expr>> {
        Ok(Box::new(self.expr_from(above + 1, kind)?))
    }

    /// Prefix operators, or what has none.
    fn prefixed(&mut self, kind: Kind) -> Result<Expr> {
        if kind == Kind::Full && self.eat(K::Not) {
            // Right-associative: its operand may begin with NOT, and holds all that binds tighter.
            return Ok(Expr::Not(self.operand(level::NOT, kind)?));
        }
        if self.eat_operator(b"-") {
            return Ok(Expr::Negate(self.operand(level::SIGN, kind)?));
        }
        if self.eat_operator(b"+") {
            return Ok(Expr::Other(vec![*self.operand(level::SIGN, kind)?]));
        }
        let general =
            self.kind() == TokenKind::Operator && infix_level(self.written()) == level::OPERATOR;
        if general || self.at_qualified_operator() {
            self.operator_name()?;
            return Ok(Expr::Other(vec![*self.operand(level::OPERATOR, kind)?]));
        }
        self.primary()
    }

    fn at_qualified_operator(&self) -> bool {
        self.is(K::Operator) && self.kind_ahead(1) == TokenKind::Punctuation(b'(')
    }

    /// An operator or `OPERATOR(schema.operator)`. The operator's text, if it surely is the
    /// one of pg_catalog.
    pub fn operator_name(&mut self) -> Result<Option<&[u8]>> {
        if self.kind() == TokenKind::Operator {
            let written = self.written();
            self.advance();
            return Ok(Some(written));
        }
        self.expect(K::Operator)?;
        self.expect_punctuation(b'(')?;
        let mut schema = None;
        while self.kind() != TokenKind::Operator {
            schema = Some(self.column_id()?);
            self.expect_punctuation(b'.')?;
        }
        let written = self.written();
        self.advance();
        self.expect_punctuation(b')')?;
        Ok((schema.as_deref() == Some("pg_catalog")).then_some(written))
    }

    /// Applies the operators that follow `left` and bind at least as tightly as `min`.
    pub fn operators(&mut self, mut left: Expr, min: u8, kind: Kind) -> Result<Expr> {
        // The level of the operator that made `left`, if it can't be chained (`a < b < c`).
        let mut closed = None;
        // Whether `left` is a chain of plain operators that another may join.
        let mut chain = false;
        // How many times `left` was wrapped without a recursion.
        let mut wraps = 0;
        loop {
            let Some(here) = self.infix_here(kind).filter(|&l| l >= min) else { return Ok(left) };
            if closed == Some(here) {
                return Err(self.unexpected());
            }
            closed = None;
            let chained = here >= level::OPERATOR && here != level::CAST;
            if !chained && here > level::AND {
                wraps += 1;
                if wraps > 2 {
                    self.count_chain()?;
                }
            }
            left = match here {
                level::OR => self.or(left, kind)?,
                level::AND => self.and(left, kind)?,
                level::IS => self.is_something(left, kind, &mut closed)?,
                level::RANGE => self.range(left, &mut closed)?,
                level::COMPARISON => self.comparison(left, kind, &mut closed)?,
                level::AT_TIME_ZONE => {
                    self.expect(K::At)?;
                    if self.eat(K::Local) {
                        extend(left, chain, None)
                    } else {
                        self.expect_all(&[K::Time, K::Zone])?;
                        extend(left, chain, Some(*self.operand(here, kind)?))
                    }
                }
                level::COLLATE => {
                    self.expect(K::Collate)?;
                    self.qualified_name()?;
                    extend(left, chain, None)
                }
                level::CAST => {
                    self.advance();
                    let to = self.type_name()?;
                    Expr::Cast { expr: Box::new(left), to }
                }
                _ => self.plain_operator(left, chain, here, kind)?,
            };
            chain = chained && matches!(left, Expr::Other(_));
        }
    }

    /// The level of the infix or postfix operator that stands here.
    fn infix_here(&self, kind: Kind) -> Option<u8> {
        match self.kind() {
            TokenKind::Operator if self.written() == b"=>" => return None,
            TokenKind::Operator => return Some(infix_level(self.written())),
            TokenKind::Cast => return Some(level::CAST),
            TokenKind::Word => {}
            _ => return None,
        }
        let restricted = kind == Kind::Restricted;
        match self.keyword()? {
            K::Is if restricted => {
                let negated = usize::from(self.keyword_ahead(1) == Some(K::Not));
                matches!(self.keyword_ahead(1 + negated), Some(K::Distinct | K::Document))
                    .then_some(level::IS)
            }
            K::Operator if self.at_qualified_operator() => Some(level::OPERATOR),
            _ if restricted => None,
            K::Or => Some(level::OR),
            K::And => Some(level::AND),
            K::Is | K::Isnull | K::Notnull => Some(level::IS),
            K::Between | K::In | K::Like | K::Ilike => Some(level::RANGE),
            // `SUBSTRING (s SIMILAR p ESCAPE e)` has its own.
            K::Similar => (self.keyword_ahead(1) == Some(K::To)).then_some(level::RANGE),
            K::Not => matches!(
                self.keyword_ahead(1),
                Some(K::Between | K::In | K::Like | K::Ilike | K::Similar)
            )
            .then_some(level::RANGE),
            K::At => matches!(self.keyword_ahead(1), Some(K::Time | K::Local))
                .then_some(level::AT_TIME_ZONE),
            K::Collate => Some(level::COLLATE),
            _ => None,
        }
    }

    fn or(&mut self, left: Expr, kind: Kind) -> Result<Expr> {
        self.expect(K::Or)?;
        let right = *self.operand(level::OR, kind)?;
        let mut terms = match left {
            Expr::Or(terms) => terms,
            other => vec![other],
        };
        match right {
            Expr::Or(more) => terms.extend(more),
            other => terms.push(other),
        }
        Ok(Expr::Or(terms))
    }

    fn and(&mut self, left: Expr, kind: Kind) -> Result<Expr> {
        self.expect(K::And)?;
        let right = *self.operand(level::AND, kind)?;
        let mut terms = match left {
            Expr::And(terms) => terms,
            other => vec![other],
        };
        match right {
            Expr::And(more) => terms.extend(more),
            other => terms.push(other),
        }
        Ok(Expr::And(terms))
    }

    fn comparison(&mut self, left: Expr, kind: Kind, closed: &mut Option<u8>) -> Result<Expr> {
        let operator = self.written();
        self.advance();
        if self.at_quantifier() {
            // Ends with a parenthesis: another comparison may follow.
            return self.quantified(left, operator == b"=");
        }
        *closed = Some(level::COMPARISON);
        let right = self.operand(level::COMPARISON, kind)?;
        Ok(compared(operator, left, right))
    }

    fn plain_operator(&mut self, left: Expr, chain: bool, here: u8, kind: Kind) -> Result<Expr> {
        let equal = matches!(self.operator_name()?, Some(b"="));
        if self.at_quantifier() {
            self.count_chain()?;
            return self.quantified(left, equal);
        }
        let right = self.operand(here, kind)?;
        if equal {
            self.count_chain()?;
            return Ok(Expr::Equal(Box::new(left), right));
        }
        Ok(extend(left, chain, Some(*right)))
    }

    fn at_quantifier(&self) -> bool {
        matches!(self.keyword(), Some(K::Any | K::Some | K::All))
    }

    /// `ANY (…)`, `SOME (…)` or `ALL (…)` behind an operator.
    fn quantified(&mut self, left: Expr, equal: bool) -> Result<Expr> {
        let any = equal && !self.is(K::All);
        self.advance();
        if self.kind() != TokenKind::Punctuation(b'(') {
            return Err(self.unexpected());
        }
        let expr = Box::new(left);
        Ok(match self.parens()? {
            Parens::Query(query) if any => Expr::InQuery { expr, query, negated: false },
            Parens::Query(query) => Expr::Other(vec![*expr, Expr::Subquery(query)]),
            Parens::One(array) if any => Expr::EqualAny { expr, array: Box::new(array) },
            Parens::One(array) => Expr::Other(vec![*expr, array]),
            Parens::List(_) => return Err(self.unexpected()),
        })
    }

    /// IS …, ISNULL, NOTNULL.
    fn is_something(&mut self, left: Expr, kind: Kind, closed: &mut Option<u8>) -> Result<Expr> {
        let expr = Box::new(left);
        if self.eat(K::Isnull) {
            return Ok(Expr::IsNull { expr, negated: false });
        }
        if self.eat(K::Notnull) {
            return Ok(Expr::IsNull { expr, negated: true });
        }
        self.expect(K::Is)?;
        let negated = self.eat(K::Not);
        if self.eat(K::Null) {
            return Ok(Expr::IsNull { expr, negated });
        }
        if self.eat_all(&[K::Distinct, K::From]) {
            *closed = Some(level::IS);
            let right = self.operand(level::IS, kind)?;
            return Ok(Expr::Other(vec![*expr, *right]));
        }
        if self.eat_any(&[K::True, K::False, K::Unknown, K::Document]) {
            return Ok(Expr::Other(vec![*expr]));
        }
        if self.eat_any(&[K::Nfc, K::Nfd, K::Nfkc, K::Nfkd]) {
            self.expect(K::Normalized)?;
        } else if self.eat(K::Json) {
            self.eat_any(&[K::Value, K::Array, K::Object, K::Scalar]);
            self.json_unique_keys()?;
        } else {
            self.expect(K::Normalized)?;
        }
        let test = Expr::Other(vec![*expr]);
        Ok(if negated { Expr::Not(Box::new(test)) } else { test })
    }

    /// `[NOT] BETWEEN | IN | LIKE | ILIKE | SIMILAR TO`.
    fn range(&mut self, left: Expr, closed: &mut Option<u8>) -> Result<Expr> {
        let negated = self.eat(K::Not);
        let expr = Box::new(left);
        if self.eat(K::In) {
            return self.in_list(expr, negated);
        }
        *closed = Some(level::RANGE);
        if self.eat(K::Between) {
            let symmetric = self.eat(K::Symmetric);
            if !symmetric {
                self.eat(K::Asymmetric);
            }
            let low = Box::new(self.restricted_expr()?);
            self.expect(K::And)?;
            let high = self.operand(level::RANGE, Kind::Full)?;
            return Ok(if symmetric {
                Expr::Other(vec![*expr, *low, *high])
            } else {
                Expr::Between { expr, low, high, negated }
            });
        }
        if self.eat(K::Similar) {
            self.expect(K::To)?;
        } else if !self.eat_any(&[K::Like, K::Ilike]) {
            return Err(self.unexpected());
        } else if self.at_quantifier() {
            *closed = None;
            return self.quantified(*expr, false);
        }
        let mut parts = vec![*expr, *self.operand(level::RANGE, Kind::Full)?];
        if self.eat(K::Escape) {
            parts.push(*self.operand(level::RANGE, Kind::Full)?);
        }
        Ok(Expr::Other(parts))
    }

    fn in_list(&mut self, expr: Box<Expr>, negated: bool) -> Result<Expr> {
        if self.kind() != TokenKind::Punctuation(b'(') {
            return Err(self.unexpected());
        }
        Ok(match self.parens()? {
            Parens::Query(query) => Expr::InQuery { expr, query, negated },
            Parens::One(one) => Expr::InList { expr, list: vec![one], negated },
            Parens::List(list) => Expr::InList { expr, list, negated },
        })
    }
}

/// The level of an operator by its text.
fn infix_level(operator: &[u8]) -> u8 {
    match operator {
        b"=" | b"<" | b">" | b"<=" | b">=" | b"<>" | b"!=" => level::COMPARISON,
        b"+" | b"-" => level::ADD,
        b"*" | b"/" | b"%" => level::MULTIPLY,
        b"^" => level::POWER,
        _ => level::OPERATOR,
    }
}

fn compared(operator: &[u8], left: Expr, right: Box<Expr>) -> Expr {
    let operator = match operator {
        b"=" => return Expr::Equal(Box::new(left), right),
        b"<" => Compare::Less,
        b"<=" => Compare::LessOrEqual,
        b">" => Compare::Greater,
        b">=" => Compare::GreaterOrEqual,
        _ => return Expr::Other(vec![left, *right]),
    };
    Expr::Compare { operator, left: Box::new(left), right }
}

/// One more operand for a chain of operators, which stays flat: only the operands matter,
/// and the tree's height doesn't grow with `a || b || c || …`.
fn extend(left: Expr, chain: bool, operand: Option<Expr>) -> Expr {
    let mut operands = match left {
        Expr::Other(operands) if chain => operands,
        left => vec![left],
    };
    operands.extend(operand);
    Expr::Other(operands)
}
