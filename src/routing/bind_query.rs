//! Queries: SELECT, VALUES, set operations, WITH.

use std::rc::Rc;

use crate::config::rules::KeyType;
use crate::sql::{
    Cte, Distinct, Expr, FromItem, Function, Ident, LiteralKind, Name, Query, Select, SelectItem,
    SetExpr, Statement,
};

use super::bind::Analysis;
use super::facts::comparable;
use super::functions;
use super::nodes::{Body, Output, QueryNode, SelectNode, Shape, Sub, Uniqueness, Value};
use super::operand::Operand;
use super::plan::Place;
use super::relation::{ColId, Column, Env, Found, Scope, StarColumn, Visible, WithBlock};
use super::router::TableRule;
use super::value::{ColumnType, Origin, is_integer};
use super::{Leaves, Refusal};

/// The outputs of a SELECT, and whether they are all, each at its position.
pub(super) type Outputs = (Vec<Output>, bool);

impl<'a> Analysis<'a> {
    /// Binds a query that stands in `scope`.
    ///
    /// # Errors
    /// It has too many parts, or holds what can't be routed at all.
    pub fn query(&mut self, query: &'a Query, scope: &Scope<'a>) -> Result<QueryNode, Refusal> {
        self.check_stack()?;
        let start = self.next_relation();
        let (scope, block) = self.with(&query.with, query.recursive, scope)?;
        let volatile = self.effects.volatile;
        let mut node = self.set_expr(&query.body, &query.order_by, &scope)?;
        let mut tail = Vec::new();
        for expr in query.limit.iter().chain(&query.offset) {
            self.walk(expr, &scope, &mut tail)?;
        }
        if query.locks_rows {
            self.effects.writes = true;
            let of = query.locks_of.as_deref();
            if self.router.shards.len() > 1 && self.locks_copies(&query.body, of, &scope) {
                // Where all writers of copies come first.
                self.place(None, Place::Home);
            }
        }
        let limited = query.limit.is_some() || query.offset.is_some() || query.with_ties;
        let open = node.open && !limited && !query.locks_rows && volatile == self.effects.volatile;
        self.unnamed(block)?;
        if let Body::Select(_) = node.body
            && tail.is_empty()
        {
            node.open = open;
            node.limited |= limited;
            node.relations.start = start;
            return Ok(node);
        }
        let (outputs, complete) = (node.outputs.clone(), node.complete);
        let relations = start..self.next_relation();
        Ok(QueryNode {
            relations,
            body: Body::Nested(Box::new(node)),
            open,
            outputs,
            complete,
            tail,
            limited,
        })
    }

    /// Whether rows of reference tables are locked: those of these names in FROM, or all.
    fn locks_copies(&self, body: &SetExpr, of: Option<&[Ident]>, scope: &Scope<'a>) -> bool {
        match body {
            SetExpr::Select(select) => {
                select.from.iter().any(|item| self.is_copy_locked(item, of, scope))
            }
            SetExpr::Nested(query) => self.locks_copies(&query.body, of, scope),
            // Postgres has no locks of these.
            SetExpr::Values(_) | SetExpr::SetOperation { .. } => false,
        }
    }

    fn is_copy_locked(&self, item: &FromItem, of: Option<&[Ident]>, scope: &Scope<'a>) -> bool {
        let named =
            |name: Option<&Ident>| of.is_none_or(|of| name.is_some_and(|name| of.contains(name)));
        match item {
            FromItem::Table { name, alias, .. } => {
                let shown = alias.name.as_ref().unwrap_or(&name.name);
                let cte = name.schema.is_none() && scope.cte(&name.name).is_some();
                let rule = || self.router.table(name, self.search_path).1;
                named(Some(shown)) && !cte && matches!(rule(), Some(TableRule::Reference))
            }
            FromItem::Derived { query, alias, .. } => {
                named(alias.name.as_ref()) && self.locks_copies(&query.body, None, scope)
            }
            FromItem::Join { left, right, .. } => {
                self.is_copy_locked(left, of, scope) || self.is_copy_locked(right, of, scope)
            }
            FromItem::Function { .. } => false,
        }
    }

    /// The scope in which a WITH list can be named. What it modifies is bound here, once.
    ///
    /// # Errors
    /// As [`Analysis::query`].
    pub fn with(
        &mut self,
        ctes: &'a [Cte],
        recursive: bool,
        scope: &Scope<'a>,
    ) -> Result<(Scope<'a>, Option<Rc<WithBlock<'a>>>), Refusal> {
        if ctes.is_empty() {
            return Ok((scope.clone(), None));
        }
        let block = Rc::new(WithBlock { ctes, recursive, scope: scope.clone() });
        for (at, cte) in ctes.iter().enumerate() {
            if !matches!(cte.statement, Statement::Query(_)) {
                let scope = self.cte_scope(&block, at);
                self.building.push((Rc::as_ptr(&block), at));
                let node = self.write(&cte.statement, &scope);
                self.building.pop();
                self.settle(&node?, &Vec::new(), None);
            }
        }
        let env = Env { block: Rc::clone(&block), visible: ctes.len() };
        Ok((scope.with_env(env), Some(block)))
    }

    /// What the text of a list's common table expression sees: those before it, or all.
    pub fn cte_scope(&self, block: &Rc<WithBlock<'a>>, at: usize) -> Scope<'a> {
        let visible = if block.recursive { block.ctes.len() } else { at };
        block.scope.with_env(Env { block: Rc::clone(block), visible })
    }

    /// Binds what nothing named: the server reads it too, if only to find its mistakes.
    ///
    /// # Errors
    /// As [`Analysis::query`].
    pub fn unnamed(&mut self, block: Option<Rc<WithBlock<'a>>>) -> Result<(), Refusal> {
        let Some(block) = block else { return Ok(()) };
        for (at, cte) in block.ctes.iter().enumerate() {
            if let Statement::Query(query) = &cte.statement
                && !self.named.contains(&(Rc::as_ptr(&block), at))
            {
                let scope = self.cte_scope(&block, at);
                self.building.push((Rc::as_ptr(&block), at));
                let node = self.query(query, &scope);
                self.building.pop();
                self.settle(&node?, &Vec::new(), None);
            }
        }
        // The list's address may be another's later.
        self.named.retain(|(named, _)| *named != Rc::as_ptr(&block));
        Ok(())
    }

    fn set_expr(
        &mut self,
        body: &'a SetExpr,
        order_by: &'a [Expr],
        scope: &Scope<'a>,
    ) -> Result<QueryNode, Refusal> {
        self.check_stack()?;
        match body {
            SetExpr::Select(select) => self.select(select, order_by, scope),
            SetExpr::Values(rows) => self.values(rows, scope),
            SetExpr::Nested(query) => self.query(query, scope),
            SetExpr::SetOperation { operator, all, left, right } => {
                let start = self.next_relation();
                let left = self.set_expr(left, &[], scope)?;
                let right = self.set_expr(right, &[], scope)?;
                let complete = left.complete && right.complete;
                let outputs = merged(&left.outputs, &right.outputs, complete);
                Ok(QueryNode {
                    relations: start..self.next_relation(),
                    open: left.open && right.open && complete,
                    outputs,
                    complete,
                    body: Body::SetOperation {
                        operator: *operator,
                        all: *all,
                        left: Box::new(left),
                        right: Box::new(right),
                    },
                    tail: Vec::new(),
                    limited: false,
                })
            }
        }
    }

    fn select(
        &mut self,
        select: &'a Select,
        order_by: &'a [Expr],
        scope: &Scope<'a>,
    ) -> Result<QueryNode, Refusal> {
        let start = self.next_relation();
        let (volatile, before) = (self.effects.volatile, self.counts);
        let around = std::mem::take(&mut self.level);
        if let Some(into) = &select.into {
            self.refusals.push(Refusal::create_as(&format!("SELECT INTO {}", into.name)));
            self.effects.writes = true;
            if into.schema.as_deref() == Some("pg_temp") {
                self.effects.leaves = self.effects.leaves.and(Leaves::TEMPORARY);
            }
        }
        let (from, visible) = self.bind_items(&select.from, scope)?;
        let inner = scope.within(visible.clone());
        let mut subs = Vec::new();
        let mut filter = Vec::new();
        if let Some(condition) = &select.filter {
            filter.push(self.condition(condition, &inner, &mut subs, true)?);
        }
        let windows = self.counts.windows;
        let (outputs, complete) = self.items(&select.items, &inner, &mut subs)?;
        for expr in order_by.iter().chain(&select.windows) {
            self.walk(expr, &inner, &mut subs)?;
        }
        let distinct = match &select.distinct {
            Distinct::No => Uniqueness::No,
            Distinct::Rows => Uniqueness::Rows,
            Distinct::On(exprs) => Uniqueness::On(self.columns_among(exprs, &inner, &mut subs)?),
        };
        let groups = self.columns_among(&select.group_by.expressions, &inner, &mut subs)?;
        let grouped = !select.group_by.expressions.is_empty() && !select.group_by.grouping_sets;
        if let Some(having) = &select.having {
            let fact = self.condition(having, &inner, &mut subs, grouped)?;
            filter.extend(grouped.then_some(fact));
        }
        let sealed = select.group_by.grouping_sets
            || !grouped && (self.counts.aggregates != before.aggregates || select.having.is_some());
        let windowed = self.counts.windows != windows || !select.windows.is_empty();
        let open = !sealed
            && !windowed
            && !matches!(select.distinct, Distinct::On(_))
            && volatile == self.effects.volatile;
        let level = std::mem::replace(&mut self.level, around);
        let shape = Shape {
            aggregates: level.aggregates || select.having.is_some(),
            groups,
            grouped: !select.group_by.expressions.is_empty(),
            grouping_sets: select.group_by.grouping_sets,
            windows: level.windows || !select.windows.is_empty(),
            loose: level.loose || level.windows || matches!(distinct, Uniqueness::On(_)),
            distinct,
        };
        let outputs =
            if sealed { constants(outputs, &select.group_by.grouping_sets) } else { outputs };
        Ok(QueryNode {
            relations: start..self.next_relation(),
            body: Body::Select(Box::new(SelectNode {
                from,
                filter,
                subs,
                sealed,
                rows: Vec::new(),
                shape,
                visible,
            })),
            open,
            outputs,
            complete,
            tail: Vec::new(),
            limited: false,
        })
    }

    /// The columns of this level among expressions of GROUP BY or DISTINCT ON. A bare name is a
    /// column of FROM there, if there is one, before it is an output's, which isn't followed.
    fn columns_among(
        &mut self,
        exprs: &'a [Expr],
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<Vec<ColId>, Refusal> {
        let mut columns = Vec::new();
        for expr in exprs {
            self.walk(expr, scope, subs)?;
            if let Expr::Column(parts) = expr
                && let Found::Column(column) = scope.resolve_here(parts, &self.relations)
            {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    /// An output as a column of the relation that its query is.
    pub fn shown_column(&self, output: &Output) -> Column {
        let bytewise = matches!(output.value, Value::Column(of) if self.is_bytewise(of));
        Column { name: output.name.clone(), bytewise, column_type: output.column_type }
    }

    /// The items of a SELECT or RETURNING.
    ///
    /// # Errors
    /// As [`Analysis::query`].
    pub fn items(
        &mut self,
        items: &'a [SelectItem],
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<Outputs, Refusal> {
        let mut outputs = Vec::new();
        let mut complete = true;
        for item in items {
            match item {
                SelectItem::Wildcard => match scope.innermost().and_then(|v| v.star.clone()) {
                    Some(star) => outputs.extend(star.iter().map(|c| self.star_output(c))),
                    None => complete = false,
                },
                SelectItem::QualifiedWildcard(name) => match self.columns_of(name, scope) {
                    Some(star) => outputs.extend(star.iter().map(|c| self.star_output(c))),
                    None => complete = false,
                },
                SelectItem::Expr { expr, alias } => {
                    let operand = self.operand(expr, scope, subs)?;
                    let name = alias.clone().unwrap_or_else(|| output_name(expr));
                    outputs.push(self.output(name, operand));
                }
            }
        }
        Ok((outputs, complete))
    }

    fn columns_of(&self, name: &Name, scope: &Scope<'a>) -> Option<Vec<StarColumn>> {
        // Of the innermost FROM clause only: `outer.*` of a correlated subquery isn't followed.
        self.star_of(scope.innermost()?.relation(name)?)
    }

    fn star_output(&self, column: &StarColumn) -> Output {
        let operand = match column.column {
            Some(id) => Operand::Column(id, self.column_type(id)),
            None => Operand::Unknown,
        };
        self.output(column.name.clone(), operand)
    }

    fn output(&self, name: Ident, operand: Operand) -> Output {
        let (value, column_type) = match operand {
            Operand::Column(column, column_type) => (Value::Column(column), column_type),
            Operand::Constant(origin) => {
                let column_type = self.constant_type(&origin);
                (Value::Constant(origin), column_type)
            }
            Operand::Query(columns, _) => match columns.as_slice() {
                // A scalar subquery yields NULL where it has no row.
                [Operand::Column(_, column_type)] => (Value::Unknown, *column_type),
                _ => (Value::Unknown, None),
            },
            Operand::Row(_) | Operand::Unknown => (Value::Unknown, None),
        };
        Output { name, value, column_type }
    }

    /// The type that the server gives to a constant of a query's output.
    fn constant_type(&self, origin: &Origin) -> Option<ColumnType> {
        let key_type = match origin {
            Origin::Cast { to, .. } => *to,
            Origin::Literal { slot, .. } => of_literal(self.literals.slot(*slot).first()?.kind)?,
            Origin::Fixed { kind, .. } => of_literal(*kind)?,
            Origin::Parameter { .. } | Origin::Null | Origin::List(_) | Origin::Array { .. } => {
                return None;
            }
        };
        Some(ColumnType { key_type, typmod: -1 })
    }

    fn values(&mut self, rows: &'a [Vec<Expr>], scope: &Scope<'a>) -> Result<QueryNode, Refusal> {
        let start = self.next_relation();
        let mut subs = Vec::new();
        let mut bound = Vec::with_capacity(rows.len());
        for row in rows {
            let mut outputs = Vec::with_capacity(row.len());
            for (at, expr) in row.iter().enumerate() {
                let operand = self.operand(expr, scope, &mut subs)?;
                outputs.push(self.output(format!("column{}", at + 1).into(), operand));
            }
            bound.push(outputs);
        }
        let mut outputs = bound.first().cloned().unwrap_or_default();
        for row in bound.iter().skip(1) {
            outputs = merged(&outputs, row, true);
        }
        if bound.len() > 1 {
            outputs.iter_mut().for_each(|output| output.value = Value::Unknown);
        }
        // A row's NULL or untyped value takes the column's type.
        for row in &mut bound {
            for (own, output) in row.iter_mut().zip(&outputs) {
                if is_null(&own.value) {
                    own.column_type = output.column_type;
                }
            }
        }
        Ok(QueryNode {
            relations: start..self.next_relation(),
            body: Body::Values { rows: bound, subs },
            open: true,
            outputs,
            complete: true,
            tail: Vec::new(),
            limited: false,
        })
    }

    /// Whether a call makes one row of many.
    pub fn may_aggregate(&self, function: &Function) -> bool {
        let shaped = function.star || function.distinct || function.filtered || function.ordered;
        let named = function.name.as_ref();
        shaped || named.is_some_and(|name| functions::may_aggregate(name, &self.router.schema))
    }
}

/// The type of a literal of which nothing else says it.
fn of_literal(kind: LiteralKind) -> Option<KeyType> {
    match kind {
        LiteralKind::String | LiteralKind::EscapeString => Some(KeyType::Text),
        LiteralKind::Integer => Some(KeyType::Int8),
        LiteralKind::Decimal => Some(KeyType::Numeric),
        LiteralKind::National | LiteralKind::Bits => None,
    }
}

fn is_null(value: &Value) -> bool {
    matches!(value, Value::Constant(Origin::Null))
}

/// The outputs of two branches: a value that both have under one type, or nothing known.
fn merged(left: &[Output], right: &[Output], complete: bool) -> Vec<Output> {
    let mut outputs = Vec::with_capacity(left.len());
    for (at, output) in left.iter().enumerate() {
        let other = right.get(at).filter(|_| complete);
        let column_type = match (output.column_type, other.and_then(|other| other.column_type)) {
            (Some(a), Some(b)) if comparable(a, b) => Some(wider(a, b)),
            (own, _) if other.is_some_and(|other| is_null(&other.value)) => own,
            (_, others) if is_null(&output.value) => others,
            _ => None,
        };
        outputs.push(Output { name: output.name.clone(), value: Value::Unknown, column_type });
    }
    outputs
}

fn wider(a: ColumnType, b: ColumnType) -> ColumnType {
    let key_type = if is_integer(a.key_type) { KeyType::Int8 } else { a.key_type };
    let typmod = if a.typmod == b.typmod { a.typmod } else { -1 };
    ColumnType { key_type, typmod }
}

/// Of a sealed query only constants have a known value, and none where grouping sets put
/// NULL in their place.
fn constants(outputs: Vec<Output>, grouping_sets: &bool) -> Vec<Output> {
    let keep = |output: &Output| matches!(output.value, Value::Constant(_)) && !grouping_sets;
    outputs
        .into_iter()
        .map(|output| match keep(&output) {
            true => output,
            false => Output { value: Value::Unknown, ..output },
        })
        .collect()
}

/// The name that the server gives to an output column without an alias.
fn output_name(expr: &Expr) -> Ident {
    match expr {
        Expr::Column(parts) => parts.last().cloned().unwrap_or_else(|| "?column?".into()),
        Expr::Cast { expr, to } => match output_name(expr) {
            name if &*name == "?column?" => to.name.name.clone(),
            name => name,
        },
        Expr::Function(function) => match &function.name {
            Some(name) => name.name.clone(),
            None => "?column?".into(),
        },
        Expr::Case { otherwise, .. } => {
            match otherwise.as_ref().map(|otherwise| output_name(otherwise)) {
                Some(name) if &*name != "?column?" => name,
                _ => "case".into(),
            }
        }
        Expr::Exists(_) => "exists".into(),
        Expr::Row(_) => "row".into(),
        Expr::Array(_) => "array".into(),
        _ => "?column?".into(),
    }
}

/// A FROM clause of one relation.
pub(super) fn visible_of(
    relation: u32,
    name: Option<Ident>,
    table: Option<crate::config::rules::TableName>,
    star: Option<Vec<StarColumn>>,
) -> Visible {
    Visible {
        entries: vec![super::relation::Entry { name, table, relation }],
        star,
        ..Visible::default()
    }
}
