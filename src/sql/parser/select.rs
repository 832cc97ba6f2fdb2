//! Queries: WITH, set operations, SELECT, VALUES, ORDER BY, LIMIT, locking.

use super::cursor::{Parser, Result};
use super::keywords::Keyword as K;
use crate::sql::statement::{
    Cte, Distinct, Expr, FromItem, GroupBy, Ident, Ordering, Query, Select, SelectItem, SetExpr,
    SetOperator,
};
use crate::sql::tokens::TokenKind;

impl Parser<'_> {
    /// Whether a SELECT starts here, without a parenthesis.
    pub fn starts_select(&self) -> bool {
        match self.keyword() {
            Some(K::Select | K::With | K::Table) => true,
            Some(K::Values) => self.kind_ahead(1) == TokenKind::Punctuation(b'('),
            _ => false,
        }
    }

    /// Whether a query starts here, behind any number of parentheses.
    pub fn starts_query(&self) -> bool {
        let mut ahead = 0;
        while self.kind_ahead(ahead) == TokenKind::Punctuation(b'(') {
            ahead += 1;
        }
        matches!(self.keyword_ahead(ahead), Some(K::Select | K::With | K::Table | K::Values))
    }

    /// A query without parentheses around all of it, or with them.
    pub fn query(&mut self) -> Result<Query> {
        self.nested(|p| {
            let mut query = Query::default();
            p.with_clause(&mut query.with, &mut query.recursive)?;
            query.body = p.set_expr()?;
            p.query_tail(&mut query)?;
            Ok(query)
        })
    }

    /// What follows a query in parentheses if that is the start of a larger query.
    pub fn query_continued(&mut self, query: Box<Query>) -> Result<Box<Query>> {
        let tail =
            matches!(self.keyword(), Some(K::Order | K::Limit | K::Offset | K::Fetch | K::For));
        if !tail && self.set_operator().is_none() {
            return Ok(query);
        }
        let mut outer = Query { body: nested_query(query), ..Query::default() };
        outer.body = self.set_operations(std::mem::take(&mut outer.body), 0)?;
        self.query_tail(&mut outer)?;
        Ok(Box::new(outer))
    }

    /// `WITH [RECURSIVE] …`, if it is here.
    pub fn with_clause(&mut self, with: &mut Vec<Cte>, recursive: &mut bool) -> Result<()> {
        if !self.eat(K::With) {
            return Ok(());
        }
        *recursive = self.eat(K::Recursive);
        *with = self.comma_list(Self::cte)?;
        Ok(())
    }

    fn cte(&mut self) -> Result<Cte> {
        let name = self.column_id()?;
        let columns = self.optional_columns()?;
        self.expect(K::As)?;
        if self.eat(K::Not) {
            self.expect(K::Materialized)?;
        } else {
            self.eat(K::Materialized);
        }
        self.expect_punctuation(b'(')?;
        let statement = self.nested(Self::plannable)?;
        self.expect_punctuation(b')')?;
        if self.eat(K::Search) {
            if !self.eat_any(&[K::Depth, K::Breadth]) {
                return Err(self.unexpected());
            }
            self.expect_all(&[K::First, K::By])?;
            self.comma_list(Self::column_id)?;
            self.expect(K::Set)?;
            self.column_id()?;
        }
        if self.eat(K::Cycle) {
            self.cycle()?;
        }
        Ok(Cte { name, columns, statement })
    }

    fn cycle(&mut self) -> Result<()> {
        self.comma_list(Self::column_id)?;
        self.expect(K::Set)?;
        self.column_id()?;
        if self.eat(K::To) {
            // Two constants.
            self.primary()?;
            self.expect(K::Default)?;
            self.primary()?;
        }
        self.expect(K::Using)?;
        self.column_id()?;
        Ok(())
    }

    /// `(a, b)`, or nothing.
    pub fn optional_columns(&mut self) -> Result<Vec<Ident>> {
        if self.is_punctuation(b'(') { self.parenthesised(Self::column_id) } else { Ok(Vec::new()) }
    }

    fn set_operator(&self) -> Option<(SetOperator, u8)> {
        match self.keyword()? {
            K::Union => Some((SetOperator::Union, 0)),
            K::Except => Some((SetOperator::Except, 0)),
            K::Intersect => Some((SetOperator::Intersect, 1)),
            _ => None,
        }
    }

    fn set_expr(&mut self) -> Result<SetExpr> {
        let left = self.set_operand()?;
        self.set_operations(left, 0)
    }

    /// INTERSECT binds tighter than UNION and EXCEPT; all group to the left.
    fn set_operations(&mut self, mut left: SetExpr, min: u8) -> Result<SetExpr> {
        while let Some((operator, level)) = self.set_operator().filter(|o| o.1 >= min) {
            self.count_chain()?;
            self.advance();
            let all = self.eat(K::All);
            if !all {
                self.eat(K::Distinct);
            }
            let right = self.set_operand()?;
            let right = Box::new(self.set_operations(right, level + 1)?);
            left = SetExpr::SetOperation { operator, all, left: Box::new(left), right };
        }
        Ok(left)
    }

    fn set_operand(&mut self) -> Result<SetExpr> {
        self.nested(|p| match p.keyword() {
            Some(K::Select) => p.select(),
            Some(K::Values) => {
                p.advance();
                Ok(SetExpr::Values(p.comma_list(|p| p.parenthesised(Self::expr))?))
            }
            Some(K::Table) => {
                let start = p.position() as u32;
                p.advance();
                let mut item = p.relation()?;
                if let FromItem::Table { tokens, .. } = &mut item {
                    tokens.start = start;
                }
                let from = vec![item];
                let items = vec![SelectItem::Wildcard];
                Ok(SetExpr::Select(Box::new(Select { items, from, ..Select::default() })))
            }
            _ if p.eat_punctuation(b'(') => {
                let query = Box::new(p.query()?);
                p.expect_punctuation(b')')?;
                Ok(nested_query(query))
            }
            _ => Err(p.unexpected()),
        })
    }

    fn select(&mut self) -> Result<SetExpr> {
        let start = self.position();
        self.expect(K::Select)?;
        let mut select = Box::<Select>::default();
        select.clauses.select = start as u32;
        if self.eat(K::Distinct) {
            select.distinct = if self.eat(K::On) {
                let keys = self.parenthesised(|p| {
                    let start = p.position() as u32;
                    let key = p.expr()?;
                    Ok((key, p.wording(&(start..p.position() as u32))))
                })?;
                let (keys, wordings) = keys.into_iter().unzip();
                select.distinct_wordings = wordings;
                Distinct::On(keys)
            } else {
                Distinct::Rows
            };
        } else {
            self.eat(K::All);
        }
        if self.starts_select_item() {
            let items = self.comma_list(|p| {
                let start = p.position();
                let (item, end) = p.item_with_end()?;
                Ok((item, start as u32..end as u32))
            })?;
            (select.items, select.item_tokens) = items.into_iter().unzip();
            let wordings = select.item_tokens.iter().map(|tokens| self.wording(tokens));
            select.item_wordings = wordings.collect();
        }
        select.items_end = Some(self.position() as u32);
        if self.eat(K::Into) {
            self.eat_any(&[K::Local, K::Global]);
            let temporary = self.eat_any(&[K::Temporary, K::Temp]);
            self.eat(K::Unlogged);
            self.eat(K::Table);
            let mut into = self.qualified_name()?;
            if temporary {
                // Another name of the same place.
                into.schema = Some("pg_temp".into());
            }
            select.into = Some(into);
        }
        select.clauses.from = self.position() as u32;
        if self.eat(K::From) {
            select.from = self.table_refs()?;
        }
        if self.eat(K::Where) {
            let (filter, conjuncts) = self.conjunction()?;
            select.filter = Some(filter);
            select.conjuncts = conjuncts;
        }
        select.clauses.groups = self.position() as u32;
        if self.eat_all(&[K::Group, K::By]) {
            if !self.eat(K::Distinct) {
                self.eat(K::All);
            }
            self.group_by(&mut select.group_by)?;
        }
        select.clauses.having = self.position() as u32;
        if self.eat(K::Having) {
            select.having = Some(self.expr()?);
        }
        if self.eat(K::Window) {
            for window in self.comma_list(|p| {
                p.column_id()?;
                p.expect(K::As)?;
                p.window_specification()
            })? {
                select.windows.extend(window);
            }
        }
        select.collates =
            (start..self.position()).any(|at| self.keyword_at(at) == Some(K::Collate));
        Ok(SetExpr::Select(select))
    }

    /// SELECT may have no items at all.
    fn starts_select_item(&self) -> bool {
        const AFTER: &[K] = &[
            K::Into,
            K::From,
            K::Where,
            K::Group,
            K::Having,
            K::Window,
            K::Union,
            K::Intersect,
            K::Except,
            K::Order,
            K::Limit,
            K::Offset,
            K::Fetch,
            K::For,
        ];
        !self.at_end()
            && !self.is_punctuation(b')')
            && !self.is_punctuation(b';')
            && !self.keyword().is_some_and(|k| AFTER.contains(&k))
    }

    pub fn select_item(&mut self) -> Result<SelectItem> {
        Ok(self.item_with_end()?.0)
    }

    /// An item, and where its expression ends.
    fn item_with_end(&mut self) -> Result<(SelectItem, usize)> {
        if self.eat_operator(b"*") {
            return Ok((SelectItem::Wildcard, self.position()));
        }
        let expr = self.expr()?;
        let end = self.position();
        if let Expr::Wildcard(Some(name)) = expr {
            return Ok((SelectItem::QualifiedWildcard(name), end));
        }
        let named = self.eat(K::As) || self.is_bare_label();
        let alias = if named { Some(self.label()?) } else { None };
        Ok((SelectItem::Expr { expr, alias }, end))
    }

    fn group_by(&mut self, group_by: &mut GroupBy) -> Result<()> {
        loop {
            self.group_by_item(group_by)?;
            if !self.eat_punctuation(b',') {
                return Ok(());
            }
        }
    }

    fn group_by_item(&mut self, group_by: &mut GroupBy) -> Result<()> {
        let open = self.kind_ahead(1) == TokenKind::Punctuation(b'(');
        let sets = match self.keyword() {
            Some(K::Rollup | K::Cube) if open => {
                self.advance();
                group_by.grouping_sets = true;
                group_by.expressions.extend(self.parenthesised(Self::expr)?);
                return Ok(());
            }
            Some(K::Grouping) => self.eat_all(&[K::Grouping, K::Sets]),
            _ => false,
        };
        if sets {
            group_by.grouping_sets = true;
            return self.nested(|p| {
                p.expect_punctuation(b'(')?;
                p.group_by(group_by)?;
                p.expect_punctuation(b')')
            });
        }
        if self.is_punctuation(b'(') && self.kind_ahead(1) == TokenKind::Punctuation(b')') {
            group_by.grouping_sets = true;
            self.advance();
            self.advance();
            return Ok(());
        }
        let start = self.position() as u32;
        group_by.expressions.push(self.expr()?);
        let tokens = start..self.position() as u32;
        group_by.wordings.push(self.wording(&tokens));
        group_by.tokens.push(tokens);
        Ok(())
    }

    /// ORDER BY, LIMIT, OFFSET, FETCH and FOR, in any order that the grammar takes.
    fn query_tail(&mut self, query: &mut Query) -> Result<()> {
        if self.is(K::Order) {
            (query.order_by, query.order) = self.ordering()?.into_iter().unzip();
        }
        loop {
            let start = self.position() as u32;
            let for_clause = self.is(K::For);
            match self.keyword() {
                Some(K::Limit) if query.limit.is_none() => {
                    self.advance();
                    query.limit = Some(if self.eat(K::All) { Expr::Null } else { self.expr()? });
                }
                Some(K::Offset) if query.offset.is_none() => {
                    self.advance();
                    query.offset = Some(self.expr()?);
                    self.eat_any(&[K::Row, K::Rows]);
                }
                Some(K::Fetch) if query.limit.is_none() => self.fetch_first(query)?,
                Some(K::For) => self.locking(query)?,
                _ => return Ok(()),
            }
            if !for_clause {
                let first = query.limits.is_empty();
                let start = if first { start } else { query.limits.start };
                query.limits = start..self.position() as u32;
            }
        }
    }

    /// `FETCH FIRST | NEXT [n] ROW | ROWS ONLY | WITH TIES`
    fn fetch_first(&mut self, query: &mut Query) -> Result<()> {
        self.expect(K::Fetch)?;
        if !self.eat_any(&[K::First, K::Next]) {
            return Err(self.unexpected());
        }
        query.limit = Some(if self.is(K::Row) || self.is(K::Rows) {
            // One row: a number that stands nowhere in the text.
            Expr::Other(Vec::new())
        } else if self.eat_operator(b"-") {
            Expr::Negate(Box::new(self.primary()?))
        } else {
            self.eat_operator(b"+");
            self.primary()?
        });
        if !self.eat_any(&[K::Row, K::Rows]) {
            return Err(self.unexpected());
        }
        if !self.eat(K::Only) {
            self.expect_all(&[K::With, K::Ties])?;
            query.with_ties = true;
        }
        Ok(())
    }

    /// `FOR UPDATE | NO KEY UPDATE | SHARE | KEY SHARE [OF …] [NOWAIT | SKIP LOCKED]`
    fn locking(&mut self, query: &mut Query) -> Result<()> {
        self.expect(K::For)?;
        if self.eat_all(&[K::Read, K::Only]) {
            return Ok(());
        }
        let known = self.eat(K::Update)
            || self.eat_all(&[K::No, K::Key, K::Update])
            || self.eat(K::Share)
            || self.eat_all(&[K::Key, K::Share]);
        if !known {
            return Err(self.unexpected());
        }
        let of = match self.eat(K::Of) {
            true => Some(self.comma_list(Self::qualified_name)?),
            false => None,
        };
        let of = of.map(|names| names.into_iter().map(|name| name.name));
        // Several clauses lock what each of them says.
        query.locks_of = match (query.locks_rows, query.locks_of.take(), of) {
            (false, _, of) => of.map(Iterator::collect),
            (true, Some(before), Some(of)) => Some(before.into_iter().chain(of).collect()),
            (true, ..) => None,
        };
        query.locks_rows = true;
        if !self.eat(K::Nowait) {
            self.eat_all(&[K::Skip, K::Locked]);
        }
        Ok(())
    }

    /// `ORDER BY …`: its expressions.
    pub fn order_by(&mut self) -> Result<Vec<Expr>> {
        Ok(self.ordering()?.into_iter().map(|(expr, _)| expr).collect())
    }

    /// `ORDER BY …`
    fn ordering(&mut self) -> Result<Vec<(Expr, Ordering)>> {
        self.expect_all(&[K::Order, K::By])?;
        self.comma_list(|p| {
            let start = p.position();
            let expr = p.expr()?;
            let tokens = start as u32..p.position() as u32;
            let mut ordering = Ordering {
                wording: p.wording(&tokens),
                tokens,
                bytewise: p.follows_collate_c(start),
                ..Ordering::default()
            };
            if p.eat(K::Using) {
                p.operator_name()?;
                ordering.using = true;
            } else if !p.eat(K::Asc) {
                ordering.descending = p.eat(K::Desc);
            }
            ordering.nulls_first = p.nulls_order()?;
            Ok((expr, ordering))
        })
    }

    /// Whether what began at `start` ends here with `COLLATE "C"`.
    fn follows_collate_c(&self, start: usize) -> bool {
        let words = self.position().checked_sub(2).filter(|at| *at > start);
        words.is_some_and(|at| {
            self.keyword_at(at) == Some(K::Collate) && self.written_at(at + 1) == b"\"C\""
        })
    }

    /// `NULLS FIRST | LAST`, if it is here: whether they come first.
    pub fn nulls_order(&mut self) -> Result<Option<bool>> {
        if !self.eat(K::Nulls) {
            return Ok(None);
        }
        let first = self.eat(K::First);
        if first || self.eat(K::Last) { Ok(Some(first)) } else { Err(self.unexpected()) }
    }
}

/// A query in parentheses; the parentheses say nothing where it is only a body.
fn nested_query(query: Box<Query>) -> SetExpr {
    let bare = query.with.is_empty()
        && query.order_by.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && !query.locks_rows;
    if bare { query.body } else { SetExpr::Nested(query) }
}
