//! What operators and casts do with values, with the server's errors (int.c, int8.c, numeric.c).

use std::cmp::Ordering;

use super::error::CombineError;
use super::expression::Arithmetic;
use super::numeric::Numeric;
use super::oid;
use super::value::Value;

const DIVISION_BY_ZERO: CombineError =
    CombineError::Server { sqlstate: "22012", message: "division by zero" };

fn out_of_range(type_oid: u32) -> CombineError {
    let message = match type_oid {
        oid::INT2 => "smallint out of range",
        oid::INT4 => "integer out of range",
        _ => "bigint out of range",
    };
    CombineError::Server { sqlstate: "22003", message }
}

/// An integer's value and type.
fn integer(value: &Value) -> Option<(i64, u32)> {
    match value {
        Value::Int2(value) => Some(((*value).into(), oid::INT2)),
        Value::Int4(value) => Some(((*value).into(), oid::INT4)),
        Value::Int8(value) => Some((*value, oid::INT8)),
        _ => None,
    }
}

/// An integer of a type that it has to fit.
fn fit(value: Option<i64>, type_oid: u32) -> Result<Value, CombineError> {
    let fits = |value: &i64| match type_oid {
        oid::INT2 => i16::try_from(*value).is_ok(),
        oid::INT4 => i32::try_from(*value).is_ok(),
        _ => true,
    };
    let value = value.filter(fits).ok_or(out_of_range(type_oid))?;
    Ok(Value::integer(type_oid, value))
}

/// Of two values of one type; NULL if one is.
pub(super) fn compute(
    operator: Arithmetic,
    left: Value,
    right: Value,
) -> Result<Value, CombineError> {
    if let (Value::Numeric(a), Value::Numeric(b)) = (&left, &right) {
        let result = match operator {
            Arithmetic::Add => a.add(b),
            Arithmetic::Subtract => a.subtract(b),
            Arithmetic::Multiply => a.multiply(b),
            // No expression takes the remainder of numerics.
            Arithmetic::Divide | Arithmetic::Remainder => a.divide(b),
        };
        return result.map(Value::Numeric);
    }
    let (Some((a, type_oid)), Some((b, _))) = (integer(&left), integer(&right)) else {
        return Ok(Value::Null);
    };
    let result = match operator {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Remainder if b == 0 => return Err(DIVISION_BY_ZERO),
        Arithmetic::Divide => a.checked_div(b),
        // Of the least number by -1 it is 0, where a division overflows.
        Arithmetic::Remainder => Some(a.wrapping_rem(b)),
    };
    fit(result, type_oid)
}

pub(super) fn negate(value: Value) -> Result<Value, CombineError> {
    if let Value::Numeric(number) = value {
        return Ok(Value::Numeric(number.negate()));
    }
    match integer(&value) {
        Some((number, type_oid)) => fit(number.checked_neg(), type_oid),
        None => Ok(value),
    }
}

pub(super) fn is_negative(value: &Value) -> bool {
    match value {
        Value::Numeric(number) => number.compare(&Numeric::zero()).is_lt(),
        value => integer(value).is_some_and(|(number, _)| number < 0),
    }
}

/// Of two values of one type, or of two integers; `None` if one is NULL.
pub(super) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Numeric(a), Value::Numeric(b)) => Some(a.compare(b)),
        _ => Some(integer(left)?.0.cmp(&integer(right)?.0)),
    }
}

/// To another of the numbers' types; from numeric rounded half away from zero.
pub(super) fn cast(value: Value, to: u32) -> Result<Value, CombineError> {
    if let Value::Numeric(number) = &value {
        let not = |message| CombineError::Server { sqlstate: "0A000", message };
        return match (number, to) {
            (_, oid::NUMERIC) => Ok(value),
            (Numeric::NaN, oid::INT2) => Err(not("cannot convert NaN to smallint")),
            (Numeric::NaN, oid::INT4) => Err(not("cannot convert NaN to integer")),
            (Numeric::NaN, _) => Err(not("cannot convert NaN to bigint")),
            (Numeric::Finite(_), _) => fit(number.round_to_integer(), to),
            (_, oid::INT2) => Err(not("cannot convert infinity to smallint")),
            (_, oid::INT4) => Err(not("cannot convert infinity to integer")),
            _ => Err(not("cannot convert infinity to bigint")),
        };
    }
    match integer(&value) {
        None => Ok(value),
        Some((number, _)) if to == oid::NUMERIC => Ok(Value::Numeric(Numeric::from(number))),
        Some((number, _)) => fit(Some(number), to),
    }
}
