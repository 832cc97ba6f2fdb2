//! Expressions: what a condition says, and which functions and subqueries stand in it.

use crate::sql::{Expr, Function, Ident, LiteralKind, Name, Node, Query, TypeName, visit_level};

use super::bind::{Analysis, Level};
use super::facts::Fact;
use super::functions;
use super::nodes::Sub;
use super::operand::{Operand, array_parameter, between, cast, compare, equal, negated, one_of};
use super::relation::{ColId, Column, Found, Relation, Scope};
use super::value::Origin;
use super::{Leaves, Refusal};

impl<'a> Analysis<'a> {
    /// What must hold where the expression is TRUE. `top`: the expression stands in AND with
    /// all of its clause, so that rows for which it isn't true don't matter.
    ///
    /// # Errors
    /// The statement has too many parts, or holds what can't be routed at all.
    pub fn condition(
        &mut self,
        expr: &'a Expr,
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
        top: bool,
    ) -> Result<Fact, Refusal> {
        self.check_stack()?;
        Ok(match expr {
            Expr::And(parts) => {
                let mut facts = Vec::with_capacity(parts.len());
                for part in parts {
                    facts.push(self.condition(part, scope, subs, top)?);
                }
                Fact::and(facts)
            }
            Expr::Or(parts) => {
                let mut facts = Vec::with_capacity(parts.len());
                for part in parts {
                    facts.push(self.condition(part, scope, subs, false)?);
                }
                Fact::or(facts)
            }
            Expr::Bool(true) => Fact::True,
            Expr::Bool(false) | Expr::Null => Fact::Never,
            Expr::Equal(left, right) => {
                let left = self.operand(left, scope, subs)?;
                let right = self.operand(right, scope, subs)?;
                equal(left, right)
            }
            Expr::InList { expr, list, negated: false } => self.in_list(expr, list, scope, subs)?,
            Expr::EqualAny { expr, array } => self.equal_any(expr, array, scope, subs)?,
            Expr::InQuery { expr, query, negated: false } => {
                self.in_query(expr, query, scope, subs, top)?
            }
            Expr::Exists(query) => {
                let (_, exports) = self.subquery(query, scope, subs)?;
                Fact::and(exports)
            }
            Expr::Between { expr, low, high, negated: false } => {
                let operand = self.operand(expr, scope, subs)?;
                let low = self.operand(low, scope, subs)?;
                let high = self.operand(high, scope, subs)?;
                between(operand, Some((low, true)), Some((high, true)))
            }
            Expr::Compare { operator, left, right } => {
                let left = self.operand(left, scope, subs)?;
                let right = self.operand(right, scope, subs)?;
                compare(*operator, left, right)
            }
            Expr::IsNull { expr, negated: true } => match self.operand(expr, scope, subs)? {
                Operand::Column(column, _) => Fact::NotNull(column),
                _ => Fact::True,
            },
            other => {
                self.walk(other, scope, subs)?;
                Fact::True
            }
        })
    }

    /// A side of a comparison; what isn't understood is walked for what stands in it.
    ///
    /// # Errors
    /// As [`Analysis::condition`].
    pub fn operand(
        &mut self,
        expr: &'a Expr,
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<Operand, Refusal> {
        self.check_stack()?;
        Ok(match expr {
            Expr::Column(parts) => match scope.resolve(parts, &self.relations) {
                Found::Column(column) => Operand::Column(column, self.column_type(column)),
                Found::Unknown | Found::Nowhere => {
                    self.maybe_call(parts);
                    Operand::Unknown
                }
            },
            Expr::Parameter(number) => {
                self.use_parameter(*number);
                Operand::Constant(Origin::Parameter {
                    index: *number,
                    negative: false,
                    assume: true,
                })
            }
            Expr::Literal(slot) => match self.viewed() {
                None => Operand::Constant(Origin::Literal { slot: *slot, negative: false }),
                Some(view) => view
                    .literals()
                    .slot(*slot)
                    .first()
                    .map_or(Operand::Unknown, |l| super::bind_view::fixed(view, l)),
            },
            Expr::Null => Operand::Constant(Origin::Null),
            Expr::Negate(inner) => match self.operand(inner, scope, subs)? {
                Operand::Constant(origin) => {
                    negated(origin).map_or(Operand::Unknown, Operand::Constant)
                }
                _ => Operand::Unknown,
            },
            Expr::Cast { expr, to } => {
                self.note_cast(to);
                let operand = self.operand(expr, scope, subs)?;
                cast(operand, to)
            }
            Expr::Row(parts) => {
                let mut operands = Vec::with_capacity(parts.len());
                for part in parts {
                    operands.push(self.operand(part, scope, subs)?);
                }
                Operand::Row(operands)
            }
            Expr::Subquery(query) => {
                let (out, exports) = self.subquery(query, scope, subs)?;
                Operand::Query(self.output_columns(out), exports)
            }
            other => {
                self.walk(other, scope, subs)?;
                Operand::Unknown
            }
        })
    }

    /// Looks at all that stands in an expression of which nothing follows.
    ///
    /// # Errors
    /// As [`Analysis::condition`].
    pub fn walk(
        &mut self,
        expr: &'a Expr,
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<(), Refusal> {
        self.check_stack()?;
        match expr {
            Expr::Wildcard(_)
            | Expr::Literal(_)
            | Expr::LiteralList(_)
            | Expr::Null
            | Expr::Bool(_)
            | Expr::Default => {}
            Expr::Column(parts) => {
                if !matches!(scope.resolve(parts, &self.relations), Found::Column(_)) {
                    self.maybe_call(parts);
                }
            }
            Expr::Field(name) => self.call_of_attribute(name),
            Expr::Parameter(number) => self.use_parameter(*number),
            Expr::Cast { expr, to } => {
                self.note_cast(to);
                self.walk(expr, scope, subs)?;
            }
            Expr::Not(inner) | Expr::Negate(inner) => self.walk(inner, scope, subs)?,
            Expr::IsNull { expr, .. } => self.walk(expr, scope, subs)?,
            Expr::And(parts)
            | Expr::Or(parts)
            | Expr::Array(parts)
            | Expr::Row(parts)
            | Expr::Other(parts) => self.walk_all(parts, scope, subs)?,
            Expr::Equal(left, right) | Expr::Compare { left, right, .. } => {
                self.walk(left, scope, subs)?;
                self.walk(right, scope, subs)?;
            }
            Expr::Between { expr, low, high, .. } => {
                for part in [expr, low, high] {
                    self.walk(part, scope, subs)?;
                }
            }
            Expr::InList { expr, list, .. } => {
                self.walk(expr, scope, subs)?;
                self.walk_all(list, scope, subs)?;
            }
            Expr::InQuery { expr, query, .. } => {
                self.walk(expr, scope, subs)?;
                self.subquery(query, scope, subs)?;
            }
            Expr::EqualAny { expr, array } => {
                self.walk(expr, scope, subs)?;
                self.walk(array, scope, subs)?;
            }
            Expr::Function(function) => self.function(function, scope, subs)?,
            Expr::Subquery(query) | Expr::Exists(query) => {
                self.subquery(query, scope, subs)?;
            }
            Expr::Case { operand, branches, otherwise } => {
                for part in operand.iter().chain(otherwise) {
                    self.walk(part, scope, subs)?;
                }
                for (when, then) in branches {
                    self.walk(when, scope, subs)?;
                    self.walk(then, scope, subs)?;
                }
            }
        }
        Ok(())
    }

    /// [`Analysis::walk`] of each.
    ///
    /// # Errors
    /// As [`Analysis::condition`].
    pub fn walk_all(
        &mut self,
        exprs: &'a [Expr],
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<(), Refusal> {
        exprs.iter().try_for_each(|expr| self.walk(expr, scope, subs))
    }

    /// `t.f` where `t` has no column `f` is a call: `f(t)`.
    fn maybe_call(&mut self, parts: &[Ident]) {
        if let [_, .., name] = parts {
            self.call_of_attribute(name);
        }
    }

    /// What may be a column, a field or a function. Postgres's own functions of a row have no
    /// effect; its aggregates make one row of many.
    fn call_of_attribute(&mut self, name: &Ident) {
        let name = Name { schema: None, name: name.clone() };
        if functions::may_aggregate(&name, &self.router.schema) {
            self.counts.aggregates += 1;
            self.level = Level { aggregates: true, loose: true, ..self.level };
            self.outer_aggregate = true;
        }
        if functions::is_defined(&name, &self.router.schema) {
            self.call(&name);
        }
    }

    fn function(
        &mut self,
        function: &'a Function,
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<(), Refusal> {
        if let Some(name) = &function.name {
            let before = self.effects.leaves;
            self.call(name);
            self.effects.clock |= super::clock::reads_clock(function);
            // set_config with `true` is SET LOCAL. Where there are several shards, what it sets
            // may decide where the transaction's other statements go.
            let local = matches!(function.arguments.as_slice(), [_, _, Expr::Bool(true)]);
            if local && self.router.shards.len() == 1 && !before.has(Leaves::SETTING) {
                self.effects.leaves = self.effects.leaves.without(Leaves::SETTING);
            }
        }
        self.counts.windows += usize::from(function.over.is_some());
        self.level.windows |= function.over.is_some();
        if function.over.is_none() && self.may_aggregate(function) {
            self.counts.aggregates += 1;
            let loose = self.level.loose || !functions::is_steady_aggregate(function);
            self.level = Level { aggregates: true, loose, ..self.level };
            self.outer_aggregate |= !self.is_of_this_level(function, scope);
        }
        self.walk_all(&function.arguments, scope, subs)?;
        self.walk_all(function.over.as_deref().unwrap_or(&[]), scope, subs)
    }

    /// An aggregate belongs to the query whose columns are the innermost in its arguments: whether
    /// that is surely the one in which it stands.
    fn is_of_this_level(&self, aggregate: &Function, scope: &Scope<'a>) -> bool {
        if scope.is_outermost() {
            return true;
        }
        let (mut columns, mut own) = (false, false);
        for argument in &aggregate.arguments {
            visit_level(argument, &mut |node| {
                let here = match node {
                    Node::Expr(Expr::Column(parts)) => scope.resolve_here(parts, &self.relations),
                    // Columns may stand in there, of any level.
                    Node::Query(_) | Node::Expr(Expr::Wildcard(Some(_))) => Found::Unknown,
                    _ => return,
                };
                columns = true;
                own |= matches!(here, Found::Column(_));
            });
        }
        own || !columns
    }

    /// A cast to `regclass` and its like reads the catalogs.
    fn note_cast(&mut self, to: &TypeName) {
        if to.name.name.starts_with("reg") {
            self.effects.ask_home = true;
        }
    }

    fn in_list(
        &mut self,
        expr: &'a Expr,
        list: &'a [Expr],
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<Fact, Refusal> {
        let left = self.operand(expr, scope, subs)?;
        let mut right = Vec::with_capacity(list.len());
        for item in list {
            match (item, self.viewed()) {
                (Expr::LiteralList(slot), None) => {
                    right.push(Operand::Constant(Origin::List(*slot)));
                }
                (Expr::LiteralList(slot), Some(view)) => {
                    let literals = view.literals().slot(*slot).iter();
                    right.extend(literals.map(|literal| super::bind_view::fixed(view, literal)));
                }
                (item, _) => right.push(self.operand(item, scope, subs)?),
            }
        }
        self.type_parameters_alone(&mut right);
        Ok(one_of(left, right))
    }

    /// In a list all values get one type: a parameter among numbers or typed values needn't
    /// have the column's.
    fn type_parameters_alone(&self, list: &mut [Operand]) {
        let neutral = |operand: &Operand| match operand {
            Operand::Constant(Origin::Parameter { .. } | Origin::Null) => true,
            Operand::Constant(Origin::Literal { slot, .. } | Origin::List(slot)) => {
                self.literals.slot(*slot).iter().all(|literal| {
                    matches!(literal.kind, LiteralKind::String | LiteralKind::EscapeString)
                })
            }
            _ => false,
        };
        if list.iter().all(neutral) {
            return;
        }
        for operand in list {
            if let Operand::Constant(Origin::Parameter { assume, .. }) = operand {
                *assume = false;
            }
        }
    }

    fn equal_any(
        &mut self,
        expr: &'a Expr,
        array: &'a Expr,
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<Fact, Refusal> {
        match array {
            Expr::Array(list) => self.in_list(expr, list, scope, subs),
            Expr::LiteralList(_) => self.in_list(expr, std::slice::from_ref(array), scope, subs),
            array => {
                let left = self.operand(expr, scope, subs)?;
                self.walk(array, scope, subs)?;
                let right = array_parameter(array).map_or(Operand::Unknown, Operand::Constant);
                Ok(equal(left, right))
            }
        }
    }

    fn in_query(
        &mut self,
        expr: &'a Expr,
        query: &'a Query,
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
        top: bool,
    ) -> Result<Fact, Refusal> {
        let left = self.operand(expr, scope, subs)?;
        let (out, exports) = self.subquery(query, scope, subs)?;
        let columns = self.output_columns(out);
        let wanted = match columns.len() {
            1 => columns.into_iter().map(|column| equal(left.clone(), column)).collect(),
            _ => vec![equal(left, Operand::Row(columns))],
        };
        let fact = Fact::and(exports.into_iter().chain(wanted.clone()).collect());
        if top && let Some(sub) = subs.last_mut() {
            sub.wanted = Some((out, wanted));
        }
        Ok(fact)
    }

    /// Binds a subquery and appends it to `subs`: the relation of its output, what holds of
    /// each row.
    fn subquery(
        &mut self,
        query: &'a Query,
        scope: &Scope<'a>,
        subs: &mut Vec<Sub>,
    ) -> Result<(u32, Vec<Fact>), Refusal> {
        let query = self.query(query, scope)?;
        let columns = query.outputs.iter().map(|o| self.shown_column(o)).collect();
        let out = self.add_relation(Relation { columns, more: !query.complete })?;
        let exports = query.exports(out).iter().map(|fact| (**fact).clone()).collect();
        subs.push(Sub { query, wanted: None });
        Ok((out, exports))
    }

    /// The columns of a relation by position; none where positions aren't known.
    fn output_columns(&self, relation: u32) -> Vec<Operand> {
        let Some(found) = self.relations.get(relation as usize) else { return Vec::new() };
        if found.more {
            return Vec::new();
        }
        let column = |(at, column): (usize, &Column)| {
            let id = ColId { relation, column: at as u32 };
            Operand::Column(id, column.column_type)
        };
        found.columns.iter().enumerate().map(column).collect()
    }
}
