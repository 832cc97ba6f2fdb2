//! Expressions over aggregates, where their values are whole: `coalesce(sum(x), 0)`,
//! `sum(a) / count(b)`, `count(*) > 10`.
//!
//! An expression is built from typed parts, and each builder does what Postgres's parser does
//! with the types: it finds the operator, and puts a cast before an operand where the operator
//! has another type. What it wouldn't do surely the same is `None`: there is no such expression
//! here, and whoever plans refuses or gathers.
//!
//! Types: boolean, smallint, integer, bigint, numeric. Floating point is left out, like its
//! sums; so is what depends on settings (text of dates) or collations.

use std::cmp::Ordering;

use super::error::CombineError;
use super::numeric::Numeric;
use super::value::Value;
use super::{expression_arithmetic as arithmetic, oid};

/// An operator on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    /// Of integers rounded towards zero, of numeric with `numeric_div`'s scale.
    Divide,
    /// Of integers only.
    Remainder,
}

/// An operator that compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

/// A typed expression over a list of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    node: Node,
    type_oid: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Input(usize),
    Constant(Value),
    Cast(Box<Expression>),
    Negate(Box<Expression>),
    Absolute(Box<Expression>),
    Round(Box<Expression>, u32),
    Arithmetic(Arithmetic, Box<[Expression; 2]>),
    Compare(Comparison, Box<[Expression; 2]>),
    NullIf(Box<[Expression; 2]>),
    Coalesce(Vec<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    IsNull(Box<Expression>),
    Case(Vec<(Expression, Expression)>, Option<Box<Expression>>),
}

/// The numbers' types, each of which casts implicitly into those behind it.
const NUMBERS: [u32; 4] = [oid::INT2, oid::INT4, oid::INT8, oid::NUMERIC];

fn rank(type_oid: u32) -> Option<usize> {
    NUMBERS.iter().position(|&number| number == type_oid)
}

impl Expression {
    fn of(node: Node, type_oid: u32) -> Expression {
        Expression { node, type_oid }
    }

    /// An operator or function. Of constants only, it is computed now, as the server does when
    /// it plans (eval_const_expressions): an error then comes whether the part is reached or
    /// not, and a NULL takes all that is strict with it, so neither is here.
    fn folded(node: Node, type_oid: u32) -> Option<Expression> {
        let constant = node.operands().into_iter().all(Expression::is_constant);
        let expression = Expression::of(node, type_oid);
        if !constant {
            return Some(expression);
        }
        let value = expression.evaluate(&[]).ok().filter(|value| *value != Value::Null)?;
        Some(Expression::of(Node::Constant(value), type_oid))
    }

    fn is_constant(&self) -> bool {
        matches!(self.node, Node::Constant(_))
    }

    /// A value of the list, by its index; of a type that is computed with here.
    pub fn input(index: usize, type_oid: u32) -> Option<Expression> {
        let known = type_oid == oid::BOOL || rank(type_oid).is_some();
        known.then(|| Expression::of(Node::Input(index), type_oid))
    }

    /// A number as it stands in a text, digits or digits with a point, with the minus before
    /// it (which belongs to it: doNegate). An integer if it is one and fits, then a bigint, then
    /// numeric (make_const).
    pub fn number(text: &str) -> Option<Expression> {
        let (sign, text) = match text.strip_prefix('-') {
            Some(unsigned) => ("-", unsigned),
            None => ("", text),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !plain(whole) || !plain(fraction) {
            return None;
        }
        let text = format!("{sign}{text}");
        let value = if let Ok(value) = text.parse::<i32>() {
            Value::Int4(value)
        } else if let Ok(value) = text.parse::<i64>() {
            Value::Int8(value)
        } else {
            let point = if fraction.is_empty() { "" } else { "." };
            let text = format!("{sign}0{whole}{point}{fraction}");
            Value::Numeric(Numeric::from_text(text.as_bytes())?)
        };
        let type_oid = match value {
            Value::Int4(_) => oid::INT4,
            Value::Int8(_) => oid::INT8,
            _ => oid::NUMERIC,
        };
        Some(Expression::of(Node::Constant(value), type_oid))
    }

    /// `true` or `false`.
    pub fn boolean(value: bool) -> Expression {
        Expression::of(Node::Constant(Value::Bool(value)), oid::BOOL)
    }

    /// The type of the value.
    pub fn type_oid(&self) -> u32 {
        self.type_oid
    }

    /// A cast between the numbers' types, without typmod.
    pub fn cast(self, to: u32) -> Option<Expression> {
        if self.type_oid == to {
            return Some(self);
        }
        rank(self.type_oid)?;
        rank(to)?;
        Expression::folded(Node::Cast(Box::new(self)), to)
    }

    /// `-x`, where `x` isn't a constant.
    pub fn negate(self) -> Option<Expression> {
        rank(self.type_oid).filter(|_| !self.is_constant())?;
        let type_oid = self.type_oid;
        Expression::folded(Node::Negate(Box::new(self)), type_oid)
    }

    /// `abs(x)`.
    pub fn absolute(self) -> Option<Expression> {
        rank(self.type_oid)?;
        let type_oid = self.type_oid;
        Expression::folded(Node::Absolute(Box::new(self)), type_oid)
    }

    /// `round(x, places)`, and for numeric `round(x)`, which is to no places. Of an integer
    /// without places it is that of double precision, and not here.
    pub fn round(self, places: Option<u32>) -> Option<Expression> {
        let places = match places {
            None if self.type_oid != oid::NUMERIC => return None,
            None => 0,
            Some(places) => places,
        };
        let number = self.cast(oid::NUMERIC)?;
        Expression::folded(Node::Round(Box::new(number), places), oid::NUMERIC)
    }

    /// `left operator right`: integers in the wider one's type; with numeric, as numeric.
    pub fn arithmetic(
        operator: Arithmetic,
        left: Expression,
        right: Expression,
    ) -> Option<Expression> {
        let type_oid = NUMBERS[rank(left.type_oid)?.max(rank(right.type_oid)?)];
        if operator == Arithmetic::Remainder && type_oid == oid::NUMERIC {
            return None;
        }
        let operands = Box::new([left.cast(type_oid)?, right.cast(type_oid)?]);
        Expression::folded(Node::Arithmetic(operator, operands), type_oid)
    }

    /// `left operator right`, of numbers or of booleans.
    pub fn compare(
        operator: Comparison,
        left: Expression,
        right: Expression,
    ) -> Option<Expression> {
        let operands = Box::new(common([left, right])?);
        Expression::folded(Node::Compare(operator, operands), oid::BOOL)
    }

    /// `nullif(left, right)`. Integers of two types are compared as they are, and the first
    /// keeps its own; a number is compared with numeric as numeric, and becomes it.
    pub fn null_if(left: Expression, right: Expression) -> Option<Expression> {
        let mixed = left.type_oid != right.type_oid;
        let numeric = left.type_oid == oid::NUMERIC || right.type_oid == oid::NUMERIC;
        let [left, right] = if mixed && !numeric { [left, right] } else { common([left, right])? };
        if mixed && (rank(left.type_oid).is_none() || rank(right.type_oid).is_none()) {
            return None;
        }
        let type_oid = left.type_oid;
        Expression::folded(Node::NullIf(Box::new([left, right])), type_oid)
    }

    /// `coalesce(…)`, in the type that all of them have in common.
    pub fn coalesce(values: Vec<Expression>) -> Option<Expression> {
        let type_oid = common_type(values.iter())?;
        let values = values.into_iter().map(|value| value.cast(type_oid)).collect::<Option<_>>()?;
        Expression::folded(Node::Coalesce(values), type_oid)
    }

    /// `CASE WHEN … THEN … ELSE … END`, without an operand.
    pub fn case(
        branches: Vec<(Expression, Expression)>,
        otherwise: Option<Expression>,
    ) -> Option<Expression> {
        let results = branches.iter().map(|(_, result)| result).chain(&otherwise);
        let type_oid = common_type(results)?;
        let branch = |(condition, result): (Expression, Expression)| {
            (condition.type_oid == oid::BOOL).then_some((condition, result.cast(type_oid)?))
        };
        let branches = branches.into_iter().map(branch).collect::<Option<_>>()?;
        let otherwise = match otherwise {
            None => None,
            Some(otherwise) => Some(Box::new(otherwise.cast(type_oid)?)),
        };
        Some(Expression::of(Node::Case(branches, otherwise), type_oid))
    }

    /// `a AND b AND …`, without constants: for one that decides, the server leaves out what
    /// stands before it, too.
    pub fn and(terms: Vec<Expression>) -> Option<Expression> {
        let all = terms.iter().all(|term| term.type_oid == oid::BOOL && !term.is_constant());
        all.then(|| Expression::of(Node::And(terms), oid::BOOL))
    }

    /// `a OR b OR …`, without constants.
    pub fn or(terms: Vec<Expression>) -> Option<Expression> {
        let all = terms.iter().all(|term| term.type_oid == oid::BOOL && !term.is_constant());
        all.then(|| Expression::of(Node::Or(terms), oid::BOOL))
    }

    /// `NOT x`.
    pub fn negated(self) -> Option<Expression> {
        let known = self.type_oid == oid::BOOL;
        known.then(|| Expression::of(Node::Not(Box::new(self)), oid::BOOL))
    }

    /// `x IS NULL`.
    pub fn is_null(self) -> Expression {
        Expression::of(Node::IsNull(Box::new(self)), oid::BOOL)
    }

    /// The value, over values of the types that the inputs were said to have.
    ///
    /// # Errors
    /// Those of the server: division by zero, a number out of range.
    pub fn evaluate(&self, inputs: &[Value]) -> Result<Value, CombineError> {
        Ok(match &self.node {
            Node::Input(index) => inputs.get(*index).cloned().unwrap_or(Value::Null),
            Node::Constant(value) => value.clone(),
            Node::Cast(of) => arithmetic::cast(of.evaluate(inputs)?, self.type_oid)?,
            Node::Negate(of) => arithmetic::negate(of.evaluate(inputs)?)?,
            Node::Absolute(of) => match of.evaluate(inputs)? {
                value if arithmetic::is_negative(&value) => arithmetic::negate(value)?,
                value => value,
            },
            Node::Round(of, places) => match of.evaluate(inputs)? {
                Value::Numeric(number) => Value::Numeric(number.round(*places)?),
                other => other,
            },
            Node::Arithmetic(operator, operands) => {
                let [left, right] = &**operands;
                let (left, right) = (left.evaluate(inputs)?, right.evaluate(inputs)?);
                arithmetic::compute(*operator, left, right)?
            }
            Node::Compare(operator, operands) => match order(operands, inputs)? {
                None => Value::Null,
                Some(order) => Value::Bool(operator.holds(order)),
            },
            Node::NullIf(operands) => match order(operands, inputs)? {
                Some(Ordering::Equal) => Value::Null,
                _ => operands[0].evaluate(inputs)?,
            },
            Node::Coalesce(values) => first(values, inputs, |value| *value != Value::Null)?,
            Node::And(terms) => all(terms, inputs, true)?,
            Node::Or(terms) => all(terms, inputs, false)?,
            Node::Not(of) => match of.evaluate(inputs)? {
                Value::Bool(value) => Value::Bool(!value),
                other => other,
            },
            Node::IsNull(of) => Value::Bool(of.evaluate(inputs)? == Value::Null),
            Node::Case(branches, otherwise) => {
                for (condition, result) in branches {
                    if condition.evaluate(inputs)? == Value::Bool(true) {
                        return result.evaluate(inputs);
                    }
                }
                otherwise.as_ref().map_or(Ok(Value::Null), |other| other.evaluate(inputs))?
            }
        })
    }
}

impl Node {
    /// What an operator or function works on.
    fn operands(&self) -> Vec<&Expression> {
        match self {
            Node::Cast(of) | Node::Negate(of) | Node::Absolute(of) | Node::Round(of, _) => {
                vec![of]
            }
            Node::Arithmetic(_, operands) | Node::Compare(_, operands) | Node::NullIf(operands) => {
                operands.iter().collect()
            }
            Node::Coalesce(values) => values.iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::GreaterOrEqual => order.is_ge(),
            Comparison::Greater => order.is_gt(),
        }
    }
}

/// The type of several alternatives (select_common_type): of numbers the widest.
fn common_type<'a>(mut values: impl Iterator<Item = &'a Expression>) -> Option<u32> {
    let first = values.next()?.type_oid;
    values.try_fold(first, |so_far, value| {
        if value.type_oid == so_far {
            return Some(so_far);
        }
        Some(NUMBERS[rank(so_far)?.max(rank(value.type_oid)?)])
    })
}

/// Both in their common type.
fn common(operands: [Expression; 2]) -> Option<[Expression; 2]> {
    let type_oid = common_type(operands.iter())?;
    let [left, right] = operands;
    Some([left.cast(type_oid)?, right.cast(type_oid)?])
}

/// How two operands compare; `None` if one is NULL.
fn order(operands: &[Expression; 2], inputs: &[Value]) -> Result<Option<Ordering>, CombineError> {
    let [left, right] = operands;
    Ok(arithmetic::compare(&left.evaluate(inputs)?, &right.evaluate(inputs)?))
}

/// The first value that will do; those behind it aren't computed.
fn first(
    values: &[Expression],
    inputs: &[Value],
    will_do: impl Fn(&Value) -> bool,
) -> Result<Value, CombineError> {
    for value in values {
        let value = value.evaluate(inputs)?;
        if will_do(&value) {
            return Ok(value);
        }
    }
    Ok(Value::Null)
}

/// AND (`unless` is true) or OR (false): the first term that is otherwise decides; else NULL if
/// one was NULL.
fn all(terms: &[Expression], inputs: &[Value], unless: bool) -> Result<Value, CombineError> {
    let mut result = Value::Bool(unless);
    for term in terms {
        match term.evaluate(inputs)? {
            Value::Bool(value) if value != unless => return Ok(Value::Bool(value)),
            Value::Null => result = Value::Null,
            _ => {}
        }
    }
    Ok(result)
}
