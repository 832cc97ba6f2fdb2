//! Walks over all of a statement.

use super::statement::*;

/// A part of a statement, as [`visit`] comes upon it.
#[derive(Debug, Clone, Copy)]
pub enum Node<'a> {
    /// The statement itself, that of a CTE, of EXPLAIN, PREPARE or COPY.
    Statement(&'a Statement),
    Query(&'a Query),
    Select(&'a Select),
    From(&'a FromItem),
    Expr(&'a Expr),
}

/// Shows `see` every part of the statement, each before what is inside it, subqueries and
/// the statements of CTEs included.
pub fn visit<'a>(statement: &'a Statement, see: &mut dyn FnMut(Node<'a>)) {
    Visitor { see, queries: true, stop: &|_| false }.statement(statement);
}

/// As [`visit`], from an expression.
pub fn visit_expr<'a>(expr: &'a Expr, see: &mut dyn FnMut(Node<'a>)) {
    Visitor { see, queries: true, stop: &|_| false }.expr(expr);
}

/// As [`visit`], from a query.
pub fn visit_query<'a>(query: &'a Query, see: &mut dyn FnMut(Node<'a>)) {
    Visitor { see, queries: true, stop: &|_| false }.query(query);
}

/// As [`visit_expr`], but not into the queries in it, which are shown as a whole.
pub fn visit_level<'a>(expr: &'a Expr, see: &mut dyn FnMut(Node<'a>)) {
    Visitor { see, queries: false, stop: &|_| false }.expr(expr);
}

/// As [`visit_level`], but not into calls that `stop` names, either.
pub fn visit_outside<'a>(
    expr: &'a Expr,
    stop: &dyn Fn(&Function) -> bool,
    see: &mut dyn FnMut(Node<'a>),
) {
    Visitor { see, queries: false, stop }.expr(expr);
}

struct Visitor<'a, 'f> {
    see: &'f mut dyn FnMut(Node<'a>),
    /// It goes into queries.
    queries: bool,
    /// Calls that it doesn't go into.
    stop: &'f dyn Fn(&Function) -> bool,
}

impl<'a> Visitor<'a, '_> {
    fn statement(&mut self, statement: &'a Statement) {
        (self.see)(Node::Statement(statement));
        match statement {
            Statement::Query(query) | Statement::Declare(Declare { query, .. }) => {
                self.query(query)
            }
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => {
                self.with(&update.with);
                self.assignments(&update.assignments);
                self.table_refs(&update.from);
                self.exprs(&update.filter);
                self.items(&update.returning);
            }
            Statement::Delete(delete) => {
                self.with(&delete.with);
                self.table_refs(&delete.using);
                self.exprs(&delete.filter);
                self.items(&delete.returning);
            }
            Statement::Merge(merge) => self.merge(merge),
            Statement::Copy(copy) => {
                if let CopyWhat::Statement(statement) = &copy.what {
                    self.statement(statement);
                }
                self.exprs(&copy.filter);
            }
            Statement::Explain(explain) => self.statement(&explain.statement),
            Statement::Prepare { statement, .. } => self.statement(statement),
            Statement::Execute { arguments, .. } | Statement::Call { arguments, .. } => {
                self.exprs(arguments);
            }
            Statement::Ddl(ddl) => {
                if let Some(query) = &ddl.rows_from {
                    self.query(query);
                }
            }
            Statement::Transaction(_)
            | Statement::Set(_)
            | Statement::Show(_)
            | Statement::Discard(_)
            | Statement::Deallocate(_)
            | Statement::Fetch(_)
            | Statement::Close(_)
            | Statement::Listen(_)
            | Statement::Unlisten(_)
            | Statement::Notify(_)
            | Statement::Lock(_)
            | Statement::Truncate(_)
            | Statement::Maintenance(_)
            | Statement::Do
            | Statement::Other(_)
            | Statement::Empty => {}
        }
    }

    fn insert(&mut self, insert: &'a Insert) {
        self.with(&insert.with);
        if let InsertSource::Query(query) = &insert.source {
            self.query(query);
        }
        if let Some(conflict) = &insert.on_conflict {
            if let ConflictTarget::Columns { other, filter, .. } = &conflict.target {
                self.exprs(other);
                self.exprs(filter);
            }
            if let Some(update) = &conflict.update {
                self.assignments(&update.assignments);
                self.exprs(&update.filter);
            }
        }
        self.items(&insert.returning);
    }

    fn merge(&mut self, merge: &'a Merge) {
        self.with(&merge.with);
        self.table_ref(&merge.source);
        self.expr(&merge.on);
        for clause in &merge.clauses {
            self.exprs(&clause.condition);
            match &clause.action {
                MergeAction::Update(assignments) => self.assignments(assignments),
                MergeAction::Insert { values, .. } => self.exprs(values),
                MergeAction::Nothing | MergeAction::Delete => {}
            }
        }
        self.items(&merge.returning);
    }

    fn with(&mut self, with: &'a [Cte]) {
        for cte in with {
            self.statement(&cte.statement);
        }
    }

    fn assignments(&mut self, assignments: &'a [Assignment]) {
        for assignment in assignments {
            self.expr(&assignment.value);
        }
    }

    fn query(&mut self, query: &'a Query) {
        (self.see)(Node::Query(query));
        if !self.queries {
            return;
        }
        self.with(&query.with);
        self.set_expr(&query.body);
        self.exprs(&query.order_by);
        self.exprs(&query.limit);
        self.exprs(&query.offset);
    }

    fn set_expr(&mut self, body: &'a SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Values(rows) => rows.iter().for_each(|row| self.exprs(row)),
            SetExpr::Nested(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                self.set_expr(left);
                self.set_expr(right);
            }
        }
    }

    fn select(&mut self, select: &'a Select) {
        (self.see)(Node::Select(select));
        if let Distinct::On(exprs) = &select.distinct {
            self.exprs(exprs);
        }
        self.items(&select.items);
        self.table_refs(&select.from);
        self.exprs(&select.filter);
        self.exprs(&select.group_by.expressions);
        self.exprs(&select.having);
        self.exprs(&select.windows);
    }

    fn items(&mut self, items: &'a [SelectItem]) {
        for item in items {
            if let SelectItem::Expr { expr, .. } = item {
                self.expr(expr);
            }
        }
    }

    fn table_refs(&mut self, items: &'a [FromItem]) {
        items.iter().for_each(|item| self.table_ref(item));
    }

    fn table_ref(&mut self, item: &'a FromItem) {
        (self.see)(Node::From(item));
        match item {
            FromItem::Table { .. } => {}
            FromItem::Derived { query, .. } => self.query(query),
            FromItem::Function { calls, .. } => self.exprs(calls),
            FromItem::Join { left, right, on, .. } => {
                self.table_ref(left);
                self.table_ref(right);
                if let JoinOn::Condition(condition) = on {
                    self.expr(condition);
                }
            }
        }
    }

    fn exprs(&mut self, exprs: impl IntoIterator<Item = &'a Expr>) {
        exprs.into_iter().for_each(|expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &'a Expr) {
        (self.see)(Node::Expr(expr));
        match expr {
            Expr::Column(_)
            | Expr::Wildcard(_)
            | Expr::Field(_)
            | Expr::Parameter(_)
            | Expr::Literal(_)
            | Expr::LiteralList(_)
            | Expr::Null
            | Expr::Bool(_)
            | Expr::Default => {}
            Expr::Cast { expr, .. }
            | Expr::Not(expr)
            | Expr::Negate(expr)
            | Expr::IsNull { expr, .. } => self.expr(expr),
            Expr::And(list)
            | Expr::Or(list)
            | Expr::Array(list)
            | Expr::Row(list)
            | Expr::Other(list) => self.exprs(list),
            Expr::Equal(left, right)
            | Expr::Compare { left, right, .. }
            | Expr::EqualAny { expr: left, array: right } => {
                self.expr(left);
                self.expr(right);
            }
            Expr::Between { expr, low, high, .. } => {
                self.expr(expr);
                self.expr(low);
                self.expr(high);
            }
            Expr::InList { expr, list, .. } => {
                self.expr(expr);
                self.exprs(list);
            }
            Expr::InQuery { expr, query, .. } => {
                self.expr(expr);
                self.query(query);
            }
            Expr::Function(call) if (self.stop)(call) => {}
            Expr::Function(call) => {
                self.exprs(&call.arguments);
                self.exprs(call.over.iter().flatten());
            }
            Expr::Subquery(query) | Expr::Exists(query) => self.query(query),
            Expr::Case { operand, branches, otherwise } => {
                self.exprs(operand.as_deref());
                for (condition, value) in branches {
                    self.expr(condition);
                    self.expr(value);
                }
                self.exprs(otherwise.as_deref());
            }
        }
    }
}
