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

use std::fmt;

use crate::wire::frontend::Format;

use super::error::{NotCombinable, Obstacle};
use super::order::Column;
use super::{TextForm, oid};

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
    pub(super) function: Function,
    pub(super) distinct: bool,
    /// Its type.
    pub(super) argument: u32,
    pub(super) format: Format,
    pub(super) parts: Vec<Part>,
    /// Its type.
    pub(super) result: u32,
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
}

fn integer_type(type_oid: u32) -> bool {
    matches!(type_oid, oid::INT2 | oid::INT4 | oid::INT8)
}
