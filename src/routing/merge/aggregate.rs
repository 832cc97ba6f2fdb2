//! Aggregates, put together from what each shard says of its own rows.
//!
//! | aggregate | asked of each shard | put together |
//! |---|---|---|
//! | count | count | added |
//! | sum of smallint and integer | sum (bigint) | added; like `int4_sum` it wraps, beyond 2^32 rows |
//! | sum of bigint and numeric | sum (numeric) | added; the scale is the largest, as in `numeric_sum` |
//! | sum of interval | sum | added in its three units, with `interval_pl`'s errors |
//! | avg of interval | sum, count | `interval_div` |
//! | avg of integers and numeric | sum, count | `numeric_div`, with the scale of select_div_scale |
//! | var_pop, var_samp, stddev_pop, stddev_samp of integers and numeric | count, sum, sum of squares (numeric) | `numeric_stddev_internal` |
//! | min, max | the same | by the order of [`order`](super::order); of equal values the later shard's, as `numeric_larger` keeps the later |
//! | bool_and, bool_or, every | the same | and, or |
//! | bit_and, bit_or, bit_xor of integers | the same | and, or, xor |
//!
//! What is not here:
//!
//! - **Sums of real and double precision** ([`NotCombinable::OrderOfAddition`]). Each addition
//!   rounds, so the last digits depend on the order of the rows, which one server takes as it
//!   finds them on disk. Partial sums add in yet another order: no answer is *the* answer. It
//!   holds for avg, variance and the regression functions of such columns.
//! - Aggregates that depend on the order of rows or keep them all (`string_agg`, `array_agg`,
//!   `percentile_cont`, `mode`): gather.
//!
//! With DISTINCT ([`Aggregate::distinct`]) the shards group by the argument as well and send it;
//! which values there are is found out here. `count`, and `sum` and `avg` of integers; min, max,
//! and, or are what they are without it. Of numeric sums equal numbers of other scales (1.0 and
//! 1.00) would show which of them was taken; one server promises neither.

use std::collections::HashSet;
use std::fmt;

use foldhash::quality::RandomState;

use crate::wire::frontend::Format;

use super::datetime::Interval;
use super::error::{CombineError, Malformed, NotCombinable, Obstacle};
use super::numeric::Numeric;
use super::order::Column;
use super::value::Value;
use super::{TextForm, normal, oid};

/// An aggregate function of `pg_catalog`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `count(*)`.
    CountAll,
    /// `count(x)`.
    Count,
    Sum,
    Avg,
    Min,
    Max,
    BoolAnd,
    BoolOr,
    BitAnd,
    BitOr,
    BitXor,
    VarPop,
    VarSamp,
    StddevPop,
    StddevSamp,
}

impl Function {
    /// By its name in `pg_catalog`; `count` has two meanings and is [`Function::Count`] here.
    pub fn named(name: &str) -> Option<Function> {
        Some(match name {
            "count" => Function::Count,
            "sum" => Function::Sum,
            "avg" => Function::Avg,
            "min" => Function::Min,
            "max" => Function::Max,
            "bool_and" | "every" => Function::BoolAnd,
            "bool_or" => Function::BoolOr,
            "bit_and" => Function::BitAnd,
            "bit_or" => Function::BitOr,
            "bit_xor" => Function::BitXor,
            "var_pop" => Function::VarPop,
            "var_samp" | "variance" => Function::VarSamp,
            "stddev_pop" => Function::StddevPop,
            "stddev_samp" | "stddev" => Function::StddevSamp,
            _ => return None,
        })
    }

    /// Its name in `pg_catalog`.
    pub fn name(self) -> &'static str {
        match self {
            Function::CountAll | Function::Count => "count",
            Function::Sum => "sum",
            Function::Avg => "avg",
            Function::Min => "min",
            Function::Max => "max",
            Function::BoolAnd => "bool_and",
            Function::BoolOr => "bool_or",
            Function::BitAnd => "bit_and",
            Function::BitOr => "bit_or",
            Function::BitXor => "bit_xor",
            Function::VarPop => "var_pop",
            Function::VarSamp => "var_samp",
            Function::StddevPop => "stddev_pop",
            Function::StddevSamp => "stddev_samp",
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is asked of each shard for one aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub kind: PartKind,
    /// Of the column that comes back.
    pub type_oid: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    Function(Function),
    /// Of the argument times itself, as numeric.
    SumOfSquares,
    /// The argument itself, by which the shards group as well: DISTINCT.
    Argument,
}

impl Part {
    const COUNT: Part = Part { kind: PartKind::Function(Function::Count), type_oid: oid::INT8 };

    fn of(function: Function, type_oid: u32) -> Part {
        Part { kind: PartKind::Function(function), type_oid }
    }

    /// The call, for an argument's SQL text. An argument may stand in several calls and twice
    /// in one, so it has to be one that gives the same each time. FILTER goes behind it.
    pub fn sql(&self, argument: &str) -> String {
        match self.kind {
            PartKind::Function(Function::CountAll) => "pg_catalog.count(*)".to_owned(),
            PartKind::Function(function) => format!("pg_catalog.{function}({argument})"),
            PartKind::Argument => format!("({argument})"),
            PartKind::SumOfSquares => format!(
                "pg_catalog.sum(CAST(({argument}) AS pg_catalog.numeric) \
                 OPERATOR(pg_catalog.*) CAST(({argument}) AS pg_catalog.numeric))"
            ),
        }
    }
}

/// An aggregate that can be put together exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    function: Function,
    distinct: bool,
    argument: u32,
    format: Format,
    parts: Vec<Part>,
    result: u32,
}

/// What is known so far of one aggregate of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct State(Inner);

#[derive(Debug, Clone, PartialEq)]
enum Inner {
    Count(i64),
    Integer(Option<i64>),
    Numeric(Option<Numeric>),
    Interval(Option<Interval>),
    /// Of avg: the sum and the count.
    MeanInterval(Option<Interval>, i64),
    Bool(Option<bool>),
    Distinct(Box<Distinct>),
    /// The normal form, and the value as it came.
    Extreme(Option<Box<(Vec<u8>, Vec<u8>)>>),
    /// Of avg and variance; the squares are of variance only.
    Moments(Box<Moments>),
}

/// The normal forms of the values so far.
#[derive(Debug, Clone, PartialEq, Default)]
struct Distinct {
    seen: HashSet<Box<[u8]>, RandomState>,
    /// Of integers.
    sum: i128,
    /// Bytes that `seen` takes, about.
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Moments {
    count: i64,
    sum: Option<Numeric>,
    squares: Option<Numeric>,
}

impl Aggregate {
    /// Plans an aggregate over an argument (any, for `count(*)`). `argument.format` is that in
    /// which the shards' rows have all [`parts`](Aggregate::parts), and the client its result;
    /// `text` says what settings make of values in text.
    pub fn new(
        function: Function,
        argument: Column,
        text: TextForm,
    ) -> Result<Aggregate, NotCombinable> {
        use Function as F;
        let type_oid = argument.type_oid;
        let unknown = Err(NotCombinable::Unknown { function, type_oid });
        let integer = integer_type(type_oid);
        let sum = match type_oid {
            oid::INT2 | oid::INT4 => oid::INT8,
            oid::INT8 => oid::NUMERIC,
            other => other,
        };
        let floating = matches!(type_oid, oid::FLOAT4 | oid::FLOAT8);
        let (parts, result) = match function {
            F::CountAll => (vec![Part::of(F::CountAll, oid::INT8)], oid::INT8),
            F::Count => (vec![Part::COUNT], oid::INT8),
            F::Sum | F::Avg | F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp if floating => {
                return Err(NotCombinable::OrderOfAddition { function, type_oid });
            }
            F::Sum if integer || type_oid == oid::NUMERIC => (vec![Part::of(F::Sum, sum)], sum),
            F::Sum | F::Avg if type_oid == oid::INTERVAL => {
                if argument.format == Format::Text && !text.postgres_intervals {
                    let obstacle = Obstacle::IntervalStyle;
                    return Err(NotCombinable::Obstacle { function, type_oid, obstacle });
                }
                match function {
                    F::Sum => (vec![Part::of(F::Sum, sum)], sum),
                    _ => (vec![Part::COUNT, Part::of(F::Sum, sum)], sum),
                }
            }
            F::Avg if integer || type_oid == oid::NUMERIC => {
                (vec![Part::COUNT, Part::of(F::Sum, sum)], oid::NUMERIC)
            }
            F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp
                if integer || type_oid == oid::NUMERIC =>
            {
                let squares = Part { kind: PartKind::SumOfSquares, type_oid: oid::NUMERIC };
                (vec![Part::COUNT, Part::of(F::Sum, sum), squares], oid::NUMERIC)
            }
            // "char" becomes text, in a collation that isn't known here.
            F::Min | F::Max if type_oid != oid::CHAR => {
                if let Some(obstacle) = argument.obstacle(text) {
                    return Err(NotCombinable::Obstacle { function, type_oid, obstacle });
                }
                // Those of varchar and name are those of text.
                let of_text = matches!(type_oid, oid::VARCHAR | oid::NAME);
                let result = if of_text { oid::TEXT } else { type_oid };
                (vec![Part::of(function, result)], result)
            }
            F::BoolAnd | F::BoolOr if type_oid == oid::BOOL => {
                (vec![Part::of(function, type_oid)], type_oid)
            }
            F::BitAnd | F::BitOr | F::BitXor if integer => {
                (vec![Part::of(function, type_oid)], type_oid)
            }
            _ => return unknown,
        };
        let (argument, format) = (type_oid, argument.format);
        Ok(Aggregate { function, distinct: false, argument, format, parts, result })
    }

    /// Plans an aggregate with DISTINCT. Where its part is [`PartKind::Argument`], the shards
    /// group by that, too, and parts of other aggregates are of those smaller groups, which add
    /// up all the same.
    pub fn distinct(
        function: Function,
        argument: Column,
        text: TextForm,
    ) -> Result<Aggregate, NotCombinable> {
        use Function as F;
        let type_oid = argument.type_oid;
        let plain = Aggregate::new(function, argument, text)?;
        match function {
            F::Min | F::Max | F::BoolAnd | F::BoolOr | F::BitAnd | F::BitOr => return Ok(plain),
            F::Count => {}
            F::Sum | F::Avg if integer_type(type_oid) => {}
            _ => return Err(NotCombinable::Unknown { function, type_oid }),
        }
        if let Some(obstacle) = argument.obstacle(text) {
            return Err(NotCombinable::Obstacle { function, type_oid, obstacle });
        }
        let parts = vec![Part { kind: PartKind::Argument, type_oid }];
        Ok(Aggregate { distinct: true, parts, ..plain })
    }

    /// What to ask of each shard: so many columns.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The type of the result.
    pub fn result_type(&self) -> u32 {
        self.result
    }

    /// Of no rows at all.
    pub fn start(&self) -> State {
        use Function as F;
        State(match self.function {
            _ if self.distinct => Inner::Distinct(Box::default()),
            F::CountAll | F::Count => Inner::Count(0),
            F::Sum if self.result == oid::INT8 => Inner::Integer(None),
            F::Sum if self.result == oid::INTERVAL => Inner::Interval(None),
            F::Sum => Inner::Numeric(None),
            F::Avg if self.result == oid::INTERVAL => Inner::MeanInterval(None, 0),
            F::Avg | F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp => {
                Inner::Moments(Box::default())
            }
            F::Min | F::Max => Inner::Extreme(None),
            F::BoolAnd | F::BoolOr => Inner::Bool(None),
            F::BitAnd | F::BitOr | F::BitXor => Inner::Integer(None),
        })
    }

    /// Takes in what one shard says: the cells of [`parts`](Aggregate::parts), in their order.
    pub fn add(&self, state: &mut State, cells: &[Option<&[u8]>]) -> Result<(), CombineError> {
        let cell = |part: usize| cells.get(part).copied().flatten();
        match &mut state.0 {
            Inner::Count(count) => self.add_count(count, cell(0))?,
            Inner::Integer(total) => {
                let Some(more) = self.integer(0, cell(0))? else { return Ok(()) };
                *total = Some(match (self.function, *total) {
                    (_, None) => more,
                    (Function::BitAnd, Some(bits)) => bits & more,
                    (Function::BitOr, Some(bits)) => bits | more,
                    (Function::BitXor, Some(bits)) => bits ^ more,
                    (_, Some(sum)) => sum.wrapping_add(more),
                });
            }
            Inner::Numeric(total) => add_up(total, self.number(0, cell(0))?)?,
            Inner::Interval(total) => self.add_interval(total, cell(0))?,
            Inner::MeanInterval(total, count) => {
                self.add_count(count, cell(0))?;
                self.add_interval(total, cell(1))?;
            }
            Inner::Bool(all) => {
                let Some(value) = cell(0) else { return Ok(()) };
                let type_oid = oid::BOOL;
                let more = normal::read_bool(self.format, value).ok_or(Malformed { type_oid })?;
                *all = Some(match (self.function, *all) {
                    (_, None) => more,
                    (Function::BoolAnd, Some(so_far)) => so_far && more,
                    (_, Some(so_far)) => so_far || more,
                });
            }
            Inner::Distinct(distinct) => self.see(distinct, cell(0))?,
            Inner::Extreme(extreme) => self.challenge(extreme, cell(0))?,
            Inner::Moments(moments) => {
                self.add_count(&mut moments.count, cell(0))?;
                add_up(&mut moments.sum, self.number(1, cell(1))?)?;
                if self.parts.len() > 2 {
                    add_up(&mut moments.squares, self.number(2, cell(2))?)?;
                }
            }
        }
        Ok(())
    }

    /// The result, in its type.
    pub fn finish(&self, state: State) -> Result<Value, CombineError> {
        Ok(match state.0 {
            Inner::Count(count) => Value::Int8(count),
            Inner::Integer(total) => {
                total.map_or(Value::Null, |total| Value::integer(self.result, total))
            }
            Inner::Numeric(total) => total.map_or(Value::Null, Value::Numeric),
            Inner::Interval(total) => total.map_or(Value::Null, Value::Interval),
            Inner::MeanInterval(total, count) => {
                total.map_or(Value::Null, |total| Value::Interval(total.divided(count)))
            }
            Inner::Bool(all) => all.map_or(Value::Null, Value::Bool),
            Inner::Extreme(extreme) => {
                extreme.map_or(Value::Null, |e| Value::AsItCame(e.1.into_boxed_slice()))
            }
            Inner::Moments(moments) => self.of_moments(*moments)?,
            Inner::Distinct(distinct) => self.of_distinct(&distinct)?,
        })
    }

    fn of_distinct(&self, distinct: &Distinct) -> Result<Value, CombineError> {
        let (count, sum) = (distinct.seen.len() as i64, distinct.sum);
        Ok(match self.function {
            Function::Count => Value::Int8(count),
            _ if count == 0 => Value::Null,
            Function::Avg => Value::Numeric(Numeric::from(sum).divide(&Numeric::from(count))?),
            // As int4_sum, which doesn't look for overflow.
            _ if self.result == oid::INT8 => Value::Int8(sum as i64),
            _ => Value::Numeric(Numeric::from(sum)),
        })
    }

    /// Takes in a value that may have been seen.
    fn see(&self, distinct: &mut Distinct, cell: Option<&[u8]>) -> Result<(), Malformed> {
        let Some(value) = cell else { return Ok(()) };
        let type_oid = self.argument;
        let mut key = Vec::with_capacity(16);
        normal::append(type_oid, self.format, value, &mut key).ok_or(Malformed { type_oid })?;
        if distinct.seen.contains(key.as_slice()) {
            return Ok(());
        }
        if self.function != Function::Count {
            distinct.sum += i128::from(self.integer(0, cell)?.unwrap_or(0));
        }
        // Twice its place in the table, which is never quite full, and what the allocator adds.
        distinct.bytes += 2 * size_of::<Box<[u8]>>() + 16 + key.len();
        distinct.seen.insert(key.into_boxed_slice());
        Ok(())
    }

    fn of_moments(&self, moments: Moments) -> Result<Value, CombineError> {
        let Moments { count, sum, squares } = moments;
        let Some(sum) = sum else { return Ok(Value::Null) };
        let (of_sample, root) = match self.function {
            Function::Avg => return sum.divide(&Numeric::from(count)).map(Value::Numeric),
            Function::VarPop => (false, false),
            Function::VarSamp => (true, false),
            Function::StddevPop => (false, true),
            _ => (true, true),
        };
        if of_sample && count <= 1 {
            return Ok(Value::Null);
        }
        let Some(squares) = squares else { return Ok(Value::Null) };
        Numeric::spread(count, &sum, &squares, of_sample, root).map(Value::Numeric)
    }

    /// Keeps the larger or the smaller; of equals the later.
    fn challenge(
        &self,
        extreme: &mut Option<Box<(Vec<u8>, Vec<u8>)>>,
        cell: Option<&[u8]>,
    ) -> Result<(), Malformed> {
        let Some(value) = cell else { return Ok(()) };
        let type_oid = self.argument;
        let mut key = Vec::with_capacity(16);
        normal::append(type_oid, self.format, value, &mut key).ok_or(Malformed { type_oid })?;
        let wins = extreme.as_ref().is_none_or(|best| match self.function {
            Function::Min => key <= best.0,
            _ => key >= best.0,
        });
        if wins {
            *extreme = Some(Box::new((key, value.to_vec())));
        }
        Ok(())
    }

    /// A count is never NULL.
    fn add_count(&self, count: &mut i64, cell: Option<&[u8]>) -> Result<(), CombineError> {
        let more = self.integer(0, cell)?.ok_or(Malformed { type_oid: oid::INT8 })?;
        *count = count.checked_add(more).ok_or(CombineError::BIGINT)?;
        Ok(())
    }

    fn add_interval(
        &self,
        total: &mut Option<Interval>,
        cell: Option<&[u8]>,
    ) -> Result<(), CombineError> {
        let Some(value) = cell else { return Ok(()) };
        let type_oid = oid::INTERVAL;
        let more = Interval::read(self.format, value).ok_or(Malformed { type_oid })?;
        let out_of_range =
            CombineError::Server { sqlstate: "22008", message: "interval out of range" };
        *total = Some(match *total {
            None => more,
            Some(so_far) => so_far.plus(more).ok_or(out_of_range)?,
        });
        Ok(())
    }

    /// A part's cell as an integer of its type.
    fn integer(&self, part: usize, cell: Option<&[u8]>) -> Result<Option<i64>, Malformed> {
        let type_oid = self.parts.get(part).map_or(0, |part| part.type_oid);
        let read = |value| normal::read_integer(type_oid, self.format, value);
        cell.map(|value| read(value).ok_or(Malformed { type_oid })).transpose()
    }

    /// A part's cell as a number, if its type is bigint or numeric.
    fn number(&self, part: usize, cell: Option<&[u8]>) -> Result<Option<Numeric>, Malformed> {
        let type_oid = self.parts.get(part).map_or(0, |part| part.type_oid);
        if type_oid == oid::INT8 {
            return Ok(self.integer(part, cell)?.map(Numeric::from));
        }
        let read = |value| match self.format {
            Format::Text => Numeric::from_text(value),
            Format::Binary => Numeric::from_binary(value),
        };
        cell.map(|value| read(value).ok_or(Malformed { type_oid })).transpose()
    }
}

fn integer_type(type_oid: u32) -> bool {
    matches!(type_oid, oid::INT2 | oid::INT4 | oid::INT8)
}

fn add_up(total: &mut Option<Numeric>, more: Option<Numeric>) -> Result<(), CombineError> {
    *total = match (total.take(), more) {
        (Some(sum), Some(more)) => Some(sum.add(&more)?),
        (one, other) => one.or(other),
    };
    Ok(())
}

impl State {
    /// Bytes that it holds beside its own size.
    pub(super) fn heap(&self) -> usize {
        let numeric = |n: &Option<Numeric>| n.as_ref().map_or(0, Numeric::heap);
        match &self.0 {
            Inner::Extreme(Some(pair)) => {
                size_of_val(&**pair) + pair.0.capacity() + pair.1.capacity()
            }
            Inner::Numeric(number) => numeric(number),
            Inner::Distinct(distinct) => size_of_val(&**distinct) + distinct.bytes,
            Inner::Moments(moments) => {
                size_of_val(&**moments) + numeric(&moments.sum) + numeric(&moments.squares)
            }
            _ => 0,
        }
    }
}
