//! Calls of functions, and what looks like one but has a grammar of its own.

use super::cursor::{Parser, Result};
use super::keywords::Keyword as K;
use super::primary::{Parens, cast};
use crate::sql::statement::{CallTokens, Expr, Function, Name};
use crate::sql::tokens::TokenKind;

impl Parser<'_> {
    /// `(…)` behind the name of a function, and what may follow it.
    pub fn call(&mut self, name: Name) -> Result<Box<Function>> {
        let words = if name.schema.is_some() { 3 } else { 1 };
        let mut call = Box::new(Function { name: Some(name), ..Function::default() });
        call.tokens.all.start = self.position().saturating_sub(words) as u32;
        self.nested(|p| {
            p.expect_punctuation(b'(')?;
            if p.eat_operator(b"*") {
                call.star = true;
            } else if !p.is_punctuation(b')') {
                let start = p.position() as u32;
                call.distinct = p.eat(K::Distinct);
                if !call.distinct {
                    p.eat(K::All);
                }
                call.tokens.distinct = start..start + u32::from(call.distinct);
                let start = p.position() as u32;
                call.arguments = p.comma_list(Self::argument)?;
                call.tokens.arguments = start..p.position() as u32;
                if p.is(K::Order) {
                    call.ordered = true;
                    call.arguments.extend(p.order_by()?);
                }
            }
            p.expect_punctuation(b')')?;
            p.call_suffix(&mut call)
        })?;
        call.tokens.all.end = self.position() as u32;
        Ok(call)
    }

    /// `expr`, `name => expr`, `name := expr`, `VARIADIC expr`.
    pub fn argument(&mut self) -> Result<Expr> {
        self.eat(K::Variadic);
        let named = self.is_type_or_function(0)
            && (self.kind_ahead(1) == TokenKind::ColonEquals
                || self.kind_ahead(1) == TokenKind::Operator && self.written_ahead(1) == b"=>");
        if named {
            self.advance();
            self.advance();
        }
        self.expr()
    }

    /// WITHIN GROUP, FILTER, RESPECT or IGNORE NULLS, OVER.
    pub fn call_suffix(&mut self, call: &mut Function) -> Result<()> {
        if self.eat_all(&[K::Within, K::Group]) {
            self.expect_punctuation(b'(')?;
            call.ordered = true;
            call.arguments.extend(self.order_by()?);
            self.expect_punctuation(b')')?;
        }
        if self.is(K::Filter) && self.kind_ahead(1) == TokenKind::Punctuation(b'(') {
            self.advance();
            self.expect_punctuation(b'(')?;
            self.expect(K::Where)?;
            call.filtered = true;
            let start = self.position() as u32;
            call.arguments.push(self.expr()?);
            call.tokens.filter = start..self.position() as u32;
            self.expect_punctuation(b')')?;
        }
        if self.is(K::Over) {
            let window = self.kind_ahead(1) == TokenKind::Punctuation(b'(');
            if window {
                self.advance();
                call.over = Some(self.nested(Self::window_specification)?);
            } else if self.is_column_id(1) {
                self.advance();
                self.advance();
                call.over = Some(Vec::new());
            }
        }
        Ok(())
    }

    /// `([name] [PARTITION BY …] [ORDER BY …] [frame])`: its expressions.
    pub fn window_specification(&mut self) -> Result<Vec<Expr>> {
        self.expect_punctuation(b'(')?;
        let mut parts = Vec::new();
        let frame = [K::Partition, K::Range, K::Rows, K::Groups];
        if self.is_column_id(0) && !self.keyword().is_some_and(|k| frame.contains(&k)) {
            self.advance();
        }
        if self.eat_all(&[K::Partition, K::By]) {
            parts.extend(self.expr_list()?);
        }
        if self.is(K::Order) {
            parts.extend(self.order_by()?);
        }
        if self.eat_any(&[K::Range, K::Rows, K::Groups]) {
            if self.eat(K::Between) {
                self.frame_bound(&mut parts)?;
                self.expect(K::And)?;
            }
            self.frame_bound(&mut parts)?;
            if self.eat(K::Exclude) {
                let known = self.eat_all(&[K::Current, K::Row])
                    || self.eat(K::Group)
                    || self.eat(K::Ties)
                    || self.eat_all(&[K::No, K::Others]);
                if !known {
                    return Err(self.unexpected());
                }
            }
        }
        self.expect_punctuation(b')')?;
        Ok(parts)
    }

    fn frame_bound(&mut self, parts: &mut Vec<Expr>) -> Result<()> {
        if self.eat_all(&[K::Current, K::Row]) {
            return Ok(());
        }
        let unbounded = self.is(K::Unbounded)
            && matches!(self.keyword_ahead(1), Some(K::Preceding | K::Following));
        if unbounded {
            self.advance();
        } else {
            parts.push(self.expr()?);
        }
        if self.eat_any(&[K::Preceding, K::Following]) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// What the grammar reads as a call but isn't a plain one; `None` if this isn't such.
    /// `open`: a parenthesis follows.
    pub fn special_function(&mut self, keyword: K, open: bool) -> Result<Option<Expr>> {
        match keyword {
            K::CurrentDate => {
                let start = self.position() as u32;
                self.advance();
                let all = start..self.position() as u32;
                let tokens = CallTokens { all, ..CallTokens::default() };
                Ok(Some(own_at(keyword.text(), tokens)))
            }
            K::CurrentRole
            | K::CurrentUser
            | K::SessionUser
            | K::SystemUser
            | K::User
            | K::CurrentCatalog => {
                self.advance();
                Ok(Some(own(keyword.text(), Vec::new())))
            }
            K::CurrentSchema if !open => {
                self.advance();
                Ok(Some(own(keyword.text(), Vec::new())))
            }
            K::CurrentTime | K::CurrentTimestamp | K::Localtime | K::Localtimestamp => {
                let start = self.position() as u32;
                self.advance();
                let inside = self.position() as u32 + 1;
                let rounded = self.type_modifier()?;
                let end = self.position() as u32;
                let arguments = if rounded { inside..end.saturating_sub(1) } else { 0..0 };
                let tokens = CallTokens { all: start..end, arguments, ..CallTokens::default() };
                Ok(Some(own_at(keyword.text(), tokens)))
            }
            K::Collation if self.keyword_ahead(1) == Some(K::For) => {
                self.advance();
                self.advance();
                self.in_parens(|p| Ok(Some(own("pg_collation_for", vec![p.expr()?]))))
            }
            _ if open => {
                let name = keyword.text();
                match keyword {
                    K::Cast => self.special(Self::cast_body),
                    K::Treat => self.special(|p| {
                        let expr = p.expr()?;
                        p.expect(K::As)?;
                        p.type_name()?;
                        Ok(own("treat", vec![expr]))
                    }),
                    K::Coalesce | K::Greatest | K::Least | K::Nullif | K::Grouping => {
                        self.special(|p| Ok(own(name, p.expr_list()?)))
                    }
                    K::Extract => self.special(Self::extract_body),
                    K::Position => self.special(Self::position_body),
                    K::Substring | K::Overlay | K::Trim => {
                        self.special(|p| p.keyworded_body(keyword))
                    }
                    K::Normalize => self.special(Self::normalize_body),
                    // Known to PostgreSQL 17 and later; before that it would be somebody's own.
                    K::MergeAction => self.special(|_| Ok(newer(name, Vec::new()))),
                    _ if name.starts_with("xml") => self.xml_function(keyword),
                    _ if name.starts_with("json") => self.json_function(keyword),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    fn in_parens<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.nested(|p| {
            p.expect_punctuation(b'(')?;
            let inside = parse(p)?;
            p.expect_punctuation(b')')?;
            Ok(inside)
        })
    }

    fn special(&mut self, body: impl FnOnce(&mut Self) -> Result<Expr>) -> Result<Option<Expr>> {
        self.advance();
        self.in_parens(body).map(Some)
    }

    fn cast_body(&mut self) -> Result<Expr> {
        let expr = self.expr()?;
        self.expect(K::As)?;
        Ok(cast(expr, self.type_name()?))
    }

    /// `field FROM source`; the field is a word or a string.
    fn extract_body(&mut self) -> Result<Expr> {
        let mut parts = Vec::new();
        match self.string_literal() {
            Some(field) => parts.push(field),
            None => drop(self.label()?),
        }
        self.expect(K::From)?;
        parts.push(self.expr()?);
        Ok(own("extract", parts))
    }

    fn position_body(&mut self) -> Result<Expr> {
        let needle = self.restricted_expr()?;
        self.expect(K::In)?;
        // `IN (…)` of literals is folded by the lexer; here it is one literal in parentheses.
        let haystack = if self.is_punctuation(b'(')
            && matches!(self.kind_ahead(1), TokenKind::LiteralList(_))
        {
            match self.parens()? {
                Parens::One(one) => one,
                _ => return Err(self.unexpected()),
            }
        } else {
            self.restricted_expr()?
        };
        Ok(own("position", vec![needle, haystack]))
    }

    /// SUBSTRING, OVERLAY, TRIM: expressions with keywords or commas between them. With
    /// commas only, the first two are calls of functions by these names.
    fn keyworded_body(&mut self, keyword: K) -> Result<Expr> {
        const BETWEEN: &[K] = &[K::From, K::For, K::Similar, K::Escape, K::Placing];
        let mut plain = keyword != K::Trim;
        let name = match keyword {
            K::Trim if self.eat(K::Leading) => "ltrim",
            K::Trim if self.eat(K::Trailing) => "rtrim",
            K::Trim => {
                self.eat(K::Both);
                "btrim"
            }
            _ => keyword.text(),
        };
        let mut parts = Vec::new();
        if !self.is_punctuation(b')') {
            if self.eat(K::From) {
                plain = false;
            }
            parts.push(self.argument()?);
            loop {
                if self.eat_any(BETWEEN) {
                    plain = false;
                } else if !self.eat_punctuation(b',') {
                    break;
                }
                parts.push(self.argument()?);
            }
        }
        Ok(if plain { newer(name, parts) } else { own(name, parts) })
    }

    fn normalize_body(&mut self) -> Result<Expr> {
        let parts = vec![self.expr()?];
        if self.eat_punctuation(b',') && !self.eat_any(&[K::Nfc, K::Nfd, K::Nfkc, K::Nfkd]) {
            return Err(self.unexpected());
        }
        Ok(own("normalize", parts))
    }

    fn xml_function(&mut self, keyword: K) -> Result<Option<Expr>> {
        if keyword == K::Xmltable {
            return Ok(None);
        }
        self.special(|p| {
            let mut parts = Vec::new();
            match keyword {
                K::Xmlconcat => parts = p.expr_list()?,
                K::Xmlforest => p.xml_attributes(&mut parts)?,
                K::Xmlelement => {
                    p.expect(K::Name)?;
                    p.label()?;
                    while p.eat_punctuation(b',') {
                        if p.is(K::Xmlattributes) {
                            p.advance();
                            p.in_parens(|p| p.xml_attributes(&mut parts))?;
                        } else {
                            parts.push(p.expr()?);
                        }
                    }
                }
                K::Xmlexists => {
                    parts.push(p.primary()?);
                    p.xml_passing(&mut parts)?;
                }
                K::Xmlparse => {
                    if !p.eat_any(&[K::Document, K::Content]) {
                        return Err(p.unexpected());
                    }
                    parts.push(p.expr()?);
                    if p.eat_any(&[K::Preserve, K::Strip]) {
                        p.expect(K::Whitespace)?;
                    }
                }
                K::Xmlpi => {
                    p.expect(K::Name)?;
                    p.label()?;
                    if p.eat_punctuation(b',') {
                        parts.push(p.expr()?);
                    }
                }
                K::Xmlroot => p.xml_root(&mut parts)?,
                K::Xmlserialize => {
                    if !p.eat_any(&[K::Document, K::Content]) {
                        return Err(p.unexpected());
                    }
                    parts.push(p.expr()?);
                    p.expect(K::As)?;
                    p.type_name()?;
                    if p.eat(K::No) {
                        p.expect(K::Indent)?;
                    } else {
                        p.eat(K::Indent);
                    }
                }
                _ => return Err(p.unexpected()),
            }
            Ok(own(keyword.text(), parts))
        })
    }

    /// `expr [AS name], …`
    fn xml_attributes(&mut self, parts: &mut Vec<Expr>) -> Result<()> {
        let list = self.comma_list(|p| {
            let expr = p.expr()?;
            if p.eat(K::As) {
                p.label()?;
            }
            Ok(expr)
        })?;
        parts.extend(list);
        Ok(())
    }

    /// `PASSING [BY REF] expr [BY REF]`
    pub fn xml_passing(&mut self, parts: &mut Vec<Expr>) -> Result<()> {
        self.expect(K::Passing)?;
        let by = |p: &mut Self| p.eat_all(&[K::By, K::Ref]) || p.eat_all(&[K::By, K::Value]);
        by(self);
        parts.push(self.primary()?);
        by(self);
        Ok(())
    }

    fn xml_root(&mut self, parts: &mut Vec<Expr>) -> Result<()> {
        parts.push(self.expr()?);
        self.expect_punctuation(b',')?;
        self.expect(K::Version)?;
        if !self.eat_all(&[K::No, K::Value]) {
            parts.push(self.expr()?);
        }
        if self.eat_punctuation(b',') {
            self.expect(K::Standalone)?;
            let known = self.eat(K::Yes) || self.eat_all(&[K::No, K::Value]) || self.eat(K::No);
            if !known {
                return Err(self.unexpected());
            }
        }
        Ok(())
    }
}

/// A call of what the grammar of every version provides: it stands for a function of
/// pg_catalog, whatever the search path says.
pub(super) fn own(name: &str, arguments: Vec<Expr>) -> Expr {
    call_of(Some("pg_catalog".into()), name, arguments)
}

/// The same for one without arguments, that stands there.
fn own_at(name: &str, tokens: CallTokens) -> Expr {
    match own(name, Vec::new()) {
        Expr::Function(call) => Expr::Function(Box::new(Function { tokens, ..*call })),
        other => other,
    }
}

/// A call that a function of that name in any schema may answer, as on a server whose
/// grammar doesn't know the keyword yet.
pub(super) fn newer(name: &str, arguments: Vec<Expr>) -> Expr {
    call_of(None, name, arguments)
}

fn call_of(schema: Option<Box<str>>, name: &str, arguments: Vec<Expr>) -> Expr {
    let name = Some(Name { schema, name: name.into() });
    Expr::Function(Box::new(Function { name, arguments, ..Function::default() }))
}

impl Function {
    /// Nothing but positional arguments.
    pub(super) fn is_plain(&self) -> bool {
        !self.star && !self.distinct && !self.filtered && !self.ordered && self.over.is_none()
    }
}
