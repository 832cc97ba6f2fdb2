//! INSERT, UPDATE, DELETE, MERGE.

use super::cursor::{Parser, Result};
use super::keywords::Keyword as K;
use crate::sql::statement::{
    Assignment, ConflictTarget, ConflictUpdate, Cte, Delete, Expr, FromItem, Ident, Insert,
    InsertSource, Merge, MergeAction, MergeClause, Name, OnConflict, Query, SelectItem, SetExpr,
    Statement, Tokens, Update,
};
use crate::sql::tokens::TokenKind;

/// WITH and what it says.
type With = (Vec<Cte>, bool);

impl Parser<'_> {
    /// A query or a data-modifying statement (`PreparableStmt`), with its WITH.
    pub fn plannable(&mut self) -> Result<Statement> {
        if !self.is(K::With) {
            return self.plannable_with((Vec::new(), false));
        }
        let (mut with, mut recursive) = (Vec::new(), false);
        self.with_clause(&mut with, &mut recursive)?;
        self.plannable_with((with, recursive))
    }

    fn plannable_with(&mut self, with: With) -> Result<Statement> {
        match self.keyword() {
            Some(K::Insert) => self.insert(with),
            Some(K::Update) => self.update(with),
            Some(K::Delete) => self.delete(with),
            Some(K::Merge) => self.merge(with),
            _ => {
                let mut query = self.query()?;
                if !with.0.is_empty() {
                    if !query.with.is_empty() {
                        return Err(self.unexpected());
                    }
                    (query.with, query.recursive) = with;
                }
                Ok(Statement::Query(Box::new(query)))
            }
        }
    }

    fn insert(&mut self, (with, recursive): With) -> Result<Statement> {
        let mut insert = Insert { with, recursive, ..Insert::default() };
        insert.begins = self.position() as u32;
        self.expect_all(&[K::Insert, K::Into])?;
        insert.table = Some(self.qualified_name()?);
        if self.eat(K::As) {
            insert.alias = Some(self.column_id()?);
        }
        if self.is_punctuation(b'(') && !self.starts_query() {
            insert.columns = self.parenthesised(|p| {
                let column = p.column_id()?;
                p.constant_subscripts()?;
                Ok(column)
            })?;
        }
        let overriding = self.overriding()?;
        insert.overriding_user = overriding == Some(true);
        insert.overriding_system = overriding == Some(false);
        let source = self.position();
        if self.eat_all(&[K::Default, K::Values]) {
            insert.rows.push(self.place_from(source));
        } else {
            let values = self.is(K::Values).then(|| self.position());
            let query = self.query()?;
            if let (Some(at), SetExpr::Values(rows)) = (values, &query.body) {
                insert.rows = self.row_places(at, rows.len());
            }
            insert.source = InsertSource::Query(Box::new(query));
        }
        insert.source_at = self.place_from(source);
        if self.eat_all(&[K::On, K::Conflict]) {
            insert.on_conflict = Some(self.on_conflict()?);
        }
        insert.returning = self.returning()?;
        Ok(Statement::Insert(Box::new(insert)))
    }

    /// Where the rows of the VALUES stand that began at a token and was read.
    fn row_places(&self, values: usize, count: usize) -> Vec<Tokens> {
        let mut rows = Vec::with_capacity(count);
        let mut at = values + 1;
        while rows.len() < count {
            let (start, mut depth) = (at, 0);
            loop {
                match self.kind_at(at) {
                    TokenKind::Punctuation(b'(') => depth += 1,
                    TokenKind::Punctuation(b')') => depth -= 1,
                    TokenKind::End => return Vec::new(),
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            rows.push(start as u32..at as u32);
            // The comma.
            at += 1;
        }
        rows
    }

    /// `[1].f` behind a column of INSERT's list: no place in the tree holds it, so only
    /// what has nothing in it that could matter is taken.
    fn constant_subscripts(&mut self) -> Result<()> {
        match self.indirection(Expr::Null)? {
            Expr::Other(parts) if !parts.iter().all(is_constant) => {
                Err(self.unsupported("an expression in the column list of INSERT"))
            }
            _ => Ok(()),
        }
    }

    fn on_conflict(&mut self) -> Result<OnConflict> {
        let target = if self.eat_all(&[K::On, K::Constraint]) {
            ConflictTarget::Constraint(self.column_id()?)
        } else if self.is_punctuation(b'(') {
            self.conflict_columns()?
        } else {
            ConflictTarget::Any
        };
        self.expect(K::Do)?;
        if self.eat(K::Nothing) {
            return Ok(OnConflict { target, update: None });
        }
        self.expect_all(&[K::Update, K::Set])?;
        let assignments = self.comma_list(Self::assignment)?;
        let filter = self.where_clause()?;
        Ok(OnConflict { target, update: Some(ConflictUpdate { assignments, filter }) })
    }

    fn conflict_columns(&mut self) -> Result<ConflictTarget> {
        let (mut columns, mut other) = (Vec::new(), Vec::new());
        self.parenthesised(|p| {
            let plain = p.is_column_id(0)
                && !matches!(p.kind_ahead(1), TokenKind::Punctuation(b'(' | b'.'));
            if plain {
                columns.push(p.column_id()?);
            } else {
                other.push(p.primary()?);
            }
            if p.eat(K::Collate) {
                p.qualified_name()?;
            }
            // An operator class.
            if p.is_column_id(0) && !p.is(K::Nulls) {
                p.qualified_name()?;
            }
            p.eat_any(&[K::Asc, K::Desc]);
            p.nulls_order()
        })?;
        let filter = self.where_clause()?;
        Ok(ConflictTarget::Columns { columns, other, filter })
    }

    pub fn where_clause(&mut self) -> Result<Option<Expr>> {
        if self.eat(K::Where) { Ok(Some(self.expr()?)) } else { Ok(None) }
    }

    /// `RETURNING [WITH (OLD AS o, NEW AS n)] …`, if it is here.
    fn returning(&mut self) -> Result<Vec<SelectItem>> {
        if !self.eat(K::Returning) {
            return Ok(Vec::new());
        }
        if self.is(K::With) && self.kind_ahead(1) == TokenKind::Punctuation(b'(') {
            return Err(self.unsupported("RETURNING WITH"));
        }
        self.comma_list(Self::select_item)
    }

    /// `column = value` or `(column, …) = value`.
    fn assignment(&mut self) -> Result<Assignment> {
        let mut subscripts = Vec::new();
        let mut partial = false;
        let mut target = |p: &mut Self| {
            let column = p.column_id()?;
            if let Expr::Other(parts) = p.indirection(Expr::Null)? {
                partial = true;
                let written = |part: &Expr| !matches!(part, Expr::Field(_));
                subscripts.extend(parts.into_iter().skip(1).filter(written));
            }
            Ok(column)
        };
        let columns: Vec<Ident> = if self.is_punctuation(b'(') {
            self.parenthesised(target)?
        } else {
            vec![target(self)?]
        };
        self.expect_operator(b"=")?;
        let start = self.position();
        let mut value = self.expr()?;
        let value_at = self.place_from(start);
        if !subscripts.is_empty() {
            subscripts.insert(0, value);
            value = Expr::Other(subscripts);
        }
        Ok(Assignment { columns, partial, value, value_at })
    }

    /// The table of UPDATE, DELETE or MERGE, and its alias.
    fn target(&mut self) -> Result<(Name, Option<Ident>)> {
        let FromItem::Table { name, .. } = self.relation()? else { return Err(self.unexpected()) };
        let alias = if self.eat(K::As) || self.is_column_id(0) && !self.is(K::Set) {
            Some(self.column_id()?)
        } else {
            None
        };
        Ok((name, alias))
    }

    fn update(&mut self, (with, recursive): With) -> Result<Statement> {
        self.expect(K::Update)?;
        let start = self.position();
        let (table, alias) = self.target()?;
        let mut update = Update { with, recursive, table: Some(table), alias, ..Update::default() };
        update.table_at = self.place_from(start);
        self.expect(K::Set)?;
        update.assignments = self.comma_list(Self::assignment)?;
        if self.eat(K::From) {
            update.from = self.table_refs()?;
        }
        let condition = self.position();
        (update.filter, update.current_of) = self.where_or_current()?;
        // Without the word WHERE.
        update.filter_at = self.place_from(condition + usize::from(update.filter.is_some()));
        let returning = self.position();
        update.returning = self.returning()?;
        update.returning_at =
            self.place_from(returning + usize::from(!update.returning.is_empty()));
        Ok(Statement::Update(Box::new(update)))
    }

    /// From a token to what was read last.
    fn place_from(&self, start: usize) -> Tokens {
        start as u32..self.position() as u32
    }

    fn delete(&mut self, (with, recursive): With) -> Result<Statement> {
        self.expect_all(&[K::Delete, K::From])?;
        let (table, alias) = self.target()?;
        let mut delete = Delete { with, recursive, table: Some(table), alias, ..Delete::default() };
        if self.eat(K::Using) {
            delete.using = self.table_refs()?;
        }
        (delete.filter, delete.current_of) = self.where_or_current()?;
        delete.returning = self.returning()?;
        Ok(Statement::Delete(Box::new(delete)))
    }

    /// `WHERE expr` or `WHERE CURRENT OF cursor`.
    fn where_or_current(&mut self) -> Result<(Option<Expr>, Option<Ident>)> {
        if self.eat_all(&[K::Where, K::Current, K::Of]) {
            if self.kind() == TokenKind::Parameter {
                return Err(self.unsupported("WHERE CURRENT OF a parameter"));
            }
            return Ok((None, Some(self.column_id()?)));
        }
        Ok((self.where_clause()?, None))
    }

    fn merge(&mut self, (with, recursive): With) -> Result<Statement> {
        self.expect_all(&[K::Merge, K::Into])?;
        let (table, alias) = self.target()?;
        self.expect(K::Using)?;
        let source = self.table_ref()?;
        self.expect(K::On)?;
        let on = self.expr()?;
        let mut clauses = Vec::new();
        while self.is(K::When) {
            clauses.push(self.merge_clause()?);
        }
        if clauses.is_empty() {
            return Err(self.unexpected());
        }
        let returning = self.returning()?;
        let merge = Merge { with, recursive, table, alias, source, on, clauses, returning };
        Ok(Statement::Merge(Box::new(merge)))
    }

    fn merge_clause(&mut self) -> Result<MergeClause> {
        self.expect(K::When)?;
        self.eat(K::Not);
        self.expect(K::Matched)?;
        let mut by_source = false;
        if self.eat(K::By) {
            by_source = self.eat(K::Source);
            if !by_source {
                self.expect(K::Target)?;
            }
        }
        let condition = if self.eat(K::And) { Some(self.expr()?) } else { None };
        self.expect(K::Then)?;
        let mut overriding_user = false;
        let action = if self.eat_all(&[K::Do, K::Nothing]) {
            MergeAction::Nothing
        } else if self.eat(K::Delete) {
            MergeAction::Delete
        } else if self.eat_all(&[K::Update, K::Set]) {
            MergeAction::Update(self.comma_list(Self::assignment)?)
        } else {
            let (action, overriding) = self.merge_insert()?;
            overriding_user = overriding;
            action
        };
        Ok(MergeClause { by_source, overriding_user, condition, action })
    }

    fn merge_insert(&mut self) -> Result<(MergeAction, bool)> {
        self.expect(K::Insert)?;
        let columns = if self.is_punctuation(b'(') {
            self.parenthesised(|p| {
                let column = p.column_id()?;
                p.constant_subscripts()?;
                Ok(column)
            })?
        } else {
            Vec::new()
        };
        let overriding_user = self.overriding()? == Some(true);
        if self.eat_all(&[K::Default, K::Values]) {
            return Ok((MergeAction::Insert { columns, values: Vec::new() }, overriding_user));
        }
        self.expect(K::Values)?;
        let values = self.parenthesised(Self::expr)?;
        Ok((MergeAction::Insert { columns, values }, overriding_user))
    }

    /// OVERRIDING {USER | SYSTEM} VALUE: whether it is USER.
    fn overriding(&mut self) -> Result<Option<bool>> {
        if !self.eat(K::Overriding) {
            return Ok(None);
        }
        let user = self.eat(K::User);
        if !user {
            self.expect(K::System)?;
        }
        self.expect(K::Value)?;
        Ok(Some(user))
    }
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Null | Expr::Literal(_) | Expr::Field(_) => true,
        Expr::Negate(expr) => is_constant(expr),
        _ => false,
    }
}

/// A query as a statement of its own.
pub(super) fn as_query(statement: Statement) -> Option<Box<Query>> {
    match statement {
        Statement::Query(query) => Some(query),
        _ => None,
    }
}
