//! FROM: tables, joins, subqueries, functions.

use super::cursor::{Parser, Result};
use super::function::own;
use super::keywords::Keyword as K;
use crate::sql::statement::{Alias, Expr, FromItem, Ident, JoinKind, JoinOn, Query};
use crate::sql::tokens::TokenKind;

/// What parentheses in FROM held.
enum FromParens {
    Query(Box<Query>),
    Item(FromItem),
}

impl Parser<'_> {
    pub fn table_refs(&mut self) -> Result<Vec<FromItem>> {
        self.comma_list(Self::table_ref)
    }

    /// A `table_ref`, with the joins that follow.
    pub fn table_ref(&mut self) -> Result<FromItem> {
        self.nested(|p| {
            let left = p.table_primary()?;
            p.joins(left)
        })
    }

    fn joins(&mut self, mut left: FromItem) -> Result<FromItem> {
        while self.at_join() {
            left = self.join(left)?;
        }
        Ok(left)
    }

    fn at_join(&self) -> bool {
        matches!(
            self.keyword(),
            Some(K::Join | K::Cross | K::Inner | K::Left | K::Right | K::Full | K::Natural)
        )
    }

    /// One join behind `left`.
    fn join(&mut self, left: FromItem) -> Result<FromItem> {
        self.count_chain()?;
        let natural = self.eat(K::Natural);
        let cross = !natural && self.eat(K::Cross);
        let kind = match self.keyword() {
            Some(K::Left) => JoinKind::Left,
            Some(K::Right) => JoinKind::Right,
            Some(K::Full) => JoinKind::Full,
            _ => JoinKind::Inner,
        };
        if kind != JoinKind::Inner {
            self.advance();
            self.eat(K::Outer);
        } else {
            self.eat(K::Inner);
        }
        self.expect(K::Join)?;
        let mut right = self.nested(Self::table_primary)?;
        let mut alias = Alias::default();
        let on = if cross {
            JoinOn::None
        } else if natural {
            JoinOn::Natural
        } else {
            // `a JOIN b JOIN c ON … ON …`: the first ON belongs to the inner join.
            while self.at_join() {
                right = self.nested(|p| p.join(right))?;
            }
            self.join_condition(&mut alias)?
        };
        Ok(FromItem::Join { left: Box::new(left), right: Box::new(right), kind, on, alias })
    }

    fn join_condition(&mut self, alias: &mut Alias) -> Result<JoinOn> {
        if self.eat(K::On) {
            return Ok(JoinOn::Condition(self.expr()?));
        }
        self.expect(K::Using)?;
        let columns = self.parenthesised(Self::column_id)?;
        if self.eat(K::As) {
            alias.name = Some(self.column_id()?);
        }
        Ok(JoinOn::Using(columns))
    }

    fn table_primary(&mut self) -> Result<FromItem> {
        let lateral = self.eat(K::Lateral);
        if self.is_punctuation(b'(') {
            return match self.table_parens()? {
                FromParens::Query(query) => self.derived(query, lateral),
                FromParens::Item(FromItem::Join { left, right, kind, on, alias: merged }) => {
                    let alias = self.alias()?;
                    // The alias of the whole hides that of USING.
                    let alias = if alias == Alias::default() { merged } else { alias };
                    Ok(FromItem::Join { left, right, kind, on, alias })
                }
                FromParens::Item(_) => Err(self.unexpected()),
            };
        }
        let open = self.kind_ahead(1) == TokenKind::Punctuation(b'(');
        match self.keyword() {
            Some(K::Only) => self.relation_with_alias(),
            Some(K::Rows) if self.keyword_ahead(1) == Some(K::From) => self.rows_from(lateral),
            Some(K::Xmltable) if open => self.xml_table(lateral),
            Some(K::JsonTable) if open => self.json_table(lateral),
            _ if self.at_function() => {
                let call = self.primary()?;
                let ordinality = self.eat_all(&[K::With, K::Ordinality]);
                self.function_alias(vec![call], lateral, ordinality)
            }
            _ if lateral => Err(self.unexpected()),
            _ => self.relation_with_alias(),
        }
    }

    fn derived(&mut self, query: Box<Query>, lateral: bool) -> Result<FromItem> {
        Ok(FromItem::Derived { query, alias: self.alias()?, lateral })
    }

    /// What parentheses in FROM hold: a query, or a join.
    fn table_parens(&mut self) -> Result<FromParens> {
        self.nested(|p| {
            p.expect_punctuation(b'(')?;
            if p.starts_select() {
                let query = Box::new(p.query()?);
                p.expect_punctuation(b')')?;
                return Ok(FromParens::Query(query));
            }
            let item = if p.is_punctuation(b'(') {
                match p.table_parens()? {
                    FromParens::Query(query) => {
                        let query = p.query_continued(query)?;
                        if p.eat_punctuation(b')') {
                            return Ok(FromParens::Query(query));
                        }
                        let derived = p.derived(query, false)?;
                        p.joins(derived)?
                    }
                    FromParens::Item(item) => p.joins(item)?,
                }
            } else {
                p.table_ref()?
            };
            p.expect_punctuation(b')')?;
            Ok(FromParens::Item(item))
        })
    }

    /// Whether a call of a function stands here, and not a table.
    fn at_function(&self) -> bool {
        let special = matches!(
            self.keyword(),
            Some(
                K::CurrentDate
                    | K::CurrentTime
                    | K::CurrentTimestamp
                    | K::Localtime
                    | K::Localtimestamp
                    | K::CurrentUser
                    | K::CurrentRole
                    | K::SessionUser
                    | K::SystemUser
                    | K::User
                    | K::CurrentCatalog
                    | K::CurrentSchema
                    | K::Collation
            )
        );
        if special {
            return true;
        }
        let mut ahead = 0;
        while self.is_label(ahead) && self.kind_ahead(ahead + 1) == TokenKind::Punctuation(b'.') {
            ahead += 2;
        }
        self.is_label(ahead) && self.kind_ahead(ahead + 1) == TokenKind::Punctuation(b'(')
    }

    /// A table without an alias: `t`, `t *`, `ONLY t`, `ONLY (t)`.
    pub fn relation(&mut self) -> Result<FromItem> {
        let start = self.position() as u32;
        let name = if self.eat(K::Only) {
            if self.eat_punctuation(b'(') {
                let name = self.qualified_name()?;
                self.expect_punctuation(b')')?;
                name
            } else {
                self.qualified_name()?
            }
        } else {
            let name = self.qualified_name()?;
            self.eat_operator(b"*");
            name
        };
        let tokens = start..self.position() as u32;
        Ok(FromItem::Table { name, alias: Alias::default(), sampled: false, tokens })
    }

    fn relation_with_alias(&mut self) -> Result<FromItem> {
        let FromItem::Table { name, tokens, .. } = self.relation()? else {
            return Err(self.unexpected());
        };
        let alias = self.alias()?;
        if !self.eat(K::Tablesample) {
            return Ok(FromItem::Table { name, alias, sampled: false, tokens });
        }
        // The method is a function, its arguments may hold parameters: they say nothing of
        // where rows lie, but nothing may be left out.
        let method = self.primary()?;
        let repeatable = if self.eat(K::Repeatable) {
            self.expect_punctuation(b'(')?;
            let seed = self.expr()?;
            self.expect_punctuation(b')')?;
            Some(seed)
        } else {
            None
        };
        for argument in [Some(method), repeatable].into_iter().flatten() {
            if !is_constant_call(&argument) {
                return Err(self.unsupported("TABLESAMPLE with an argument that is no literal"));
            }
        }
        Ok(FromItem::Table { name, alias, sampled: true, tokens })
    }

    /// `[AS] name [(columns)]`, if it is here.
    fn alias(&mut self) -> Result<Alias> {
        let named = self.eat(K::As) || self.is_column_id(0);
        let name = if named { Some(self.column_id()?) } else { None };
        let columns = if name.is_some() { self.optional_columns()? } else { Vec::new() };
        Ok(Alias { name, columns })
    }

    /// The alias of a function, with its column definitions if it has any.
    fn function_alias(
        &mut self,
        calls: Vec<Expr>,
        lateral: bool,
        _ordinality: bool,
    ) -> Result<FromItem> {
        let mut alias = Alias::default();
        let has_as = self.eat(K::As);
        if self.is_column_id(0) {
            alias.name = Some(self.column_id()?);
        } else if has_as && !self.is_punctuation(b'(') {
            return Err(self.unexpected());
        }
        if (has_as || alias.name.is_some()) && self.is_punctuation(b'(') {
            alias.columns = self.column_definitions()?;
        }
        Ok(FromItem::Function { calls, alias, lateral })
    }

    /// `(a, b)` or `(a int, b text COLLATE "C")`.
    fn column_definitions(&mut self) -> Result<Vec<Ident>> {
        self.parenthesised(|p| {
            let column = p.column_id()?;
            if !p.is_punctuation(b',') && !p.is_punctuation(b')') {
                p.type_name()?;
                if p.eat(K::Collate) {
                    p.qualified_name()?;
                }
            }
            Ok(column)
        })
    }

    fn rows_from(&mut self, lateral: bool) -> Result<FromItem> {
        self.expect_all(&[K::Rows, K::From])?;
        let calls = self.parenthesised(|p| {
            let call = p.primary()?;
            if p.eat(K::As) {
                p.column_definitions()?;
            }
            Ok(call)
        })?;
        let ordinality = self.eat_all(&[K::With, K::Ordinality]);
        self.function_alias(calls, lateral, ordinality)
    }

    fn xml_table(&mut self, lateral: bool) -> Result<FromItem> {
        self.expect(K::Xmltable)?;
        self.expect_punctuation(b'(')?;
        let mut parts = Vec::new();
        if self.eat(K::Xmlnamespaces) {
            parts.extend(self.parenthesised(|p| {
                p.eat(K::Default);
                let expr = p.restricted_expr()?;
                if p.eat(K::As) {
                    p.label()?;
                }
                Ok(expr)
            })?);
            self.expect_punctuation(b',')?;
        }
        parts.push(self.primary()?);
        self.xml_passing(&mut parts)?;
        self.expect(K::Columns)?;
        loop {
            self.xml_column(&mut parts)?;
            if !self.eat_punctuation(b',') {
                break;
            }
        }
        self.expect_punctuation(b')')?;
        let calls = vec![own("xmltable", parts)];
        Ok(FromItem::Function { calls, alias: self.alias()?, lateral })
    }

    fn xml_column(&mut self, parts: &mut Vec<Expr>) -> Result<()> {
        self.column_id()?;
        if self.eat_all(&[K::For, K::Ordinality]) {
            return Ok(());
        }
        self.type_name()?;
        loop {
            if self.eat(K::Default) || self.eat(K::Path) {
                parts.push(self.restricted_expr()?);
            } else if !self.eat(K::Null) && !self.eat_all(&[K::Not, K::Null]) {
                return Ok(());
            }
        }
    }

    fn json_table(&mut self, lateral: bool) -> Result<FromItem> {
        self.expect(K::JsonTable)?;
        self.expect_punctuation(b'(')?;
        let mut parts = vec![self.expr()?];
        self.json_format()?;
        self.expect_punctuation(b',')?;
        parts.push(self.expr()?);
        if self.eat(K::As) {
            self.label()?;
        }
        while !self.is(K::Columns) {
            if !self.json_clause(&mut parts)? {
                return Err(self.unexpected());
            }
        }
        self.json_columns(&mut parts)?;
        while self.json_clause(&mut parts)? {}
        self.expect_punctuation(b')')?;
        let calls = vec![own("json_table", parts)];
        Ok(FromItem::Function { calls, alias: self.alias()?, lateral })
    }

    fn json_columns(&mut self, parts: &mut Vec<Expr>) -> Result<()> {
        self.nested(|p| {
            p.expect(K::Columns)?;
            p.expect_punctuation(b'(')?;
            loop {
                p.json_column(parts)?;
                if !p.eat_punctuation(b',') {
                    break;
                }
            }
            p.expect_punctuation(b')')
        })
    }

    fn json_column(&mut self, parts: &mut Vec<Expr>) -> Result<()> {
        if self.is(K::Nested)
            && (self.keyword_ahead(1) == Some(K::Path)
                || matches!(self.kind_ahead(1), TokenKind::Literal(_)))
        {
            self.advance();
            self.eat(K::Path);
            parts.push(self.primary()?);
            if self.eat(K::As) {
                self.label()?;
            }
            return self.json_columns(parts);
        }
        self.column_id()?;
        if self.eat_all(&[K::For, K::Ordinality]) {
            return Ok(());
        }
        self.type_name()?;
        self.eat(K::Exists);
        loop {
            if self.eat(K::Path) {
                parts.push(self.primary()?);
            } else if !self.json_clause(parts)? {
                return Ok(());
            }
        }
    }
}

/// A call or literal that holds literals only.
fn is_constant_call(expr: &Expr) -> bool {
    match expr {
        Expr::Function(call) => call.arguments.iter().all(is_constant_call),
        Expr::Negate(inner) => is_constant_call(inner),
        Expr::Cast { expr, .. } => is_constant_call(expr),
        Expr::Literal(_) => true,
        _ => false,
    }
}
