//! What shards say of their groups, put together.

use std::collections::HashSet;

use foldhash::quality::RandomState;

use crate::wire::frontend::Format;

use super::aggregate::{Aggregate, Function};
use super::datetime::Interval;
use super::error::{CombineError, Malformed};
use super::numeric::Numeric;
use super::value::Value;
use super::{normal, oid};

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
