//! A value of one type meets a key of another: as the server compares, and as it assigns.

use std::borrow::Cow;

use crate::config::rules::KeyType;

use super::integer::{Width, width_of};
use super::key::{KeyValue, NotAKey};
use super::source::{Scalar, name_of, oid_of};
use super::{datetime, numeric::Numeric};

const DEPENDS_ON_ZONE: NotAKey = NotAKey::Unsure(
    "comparing a timestamp with time zone with a date or time without one depends on the \
     session's TimeZone; cast the value to the key's type",
);
const DEPENDS_ON_ROUNDING: NotAKey = NotAKey::Unsure(
    "a floating-point number can equal several keys, or be rounded to one; cast the value to \
     the key's type",
);
const NOT_KNOWN: NotAKey = NotAKey::Unsure(
    "how the server converts a value of this type to the key's isn't known here; cast the \
     value to the key's type",
);

/// The key that `key = value` means.
pub(super) fn compare<'a>(scalar: Scalar<'a>, key_type: KeyType) -> Result<KeyValue<'a>, NotAKey> {
    use KeyType as K;
    use Scalar as S;
    if let Some(width) = width_of(key_type) {
        return compare_integer(scalar, width);
    }
    match (key_type, scalar) {
        (K::Text, S::Text { value, .. }) => Ok(KeyValue::Text(value)),
        (K::Uuid, S::Uuid(value)) => Ok(KeyValue::Uuid(value)),
        (K::Numeric, S::Numeric(value)) => Ok(KeyValue::Numeric(value)),
        (K::Numeric, S::Int { value, .. }) => Ok(KeyValue::Numeric(Numeric::from(value))),
        (K::Numeric, S::Float { .. }) => Err(DEPENDS_ON_ROUNDING),
        (K::Date, S::Date(day)) => Ok(KeyValue::Date(day)),
        (K::Date, S::Timestamp(moment)) => match datetime::timestamp_to_date(moment) {
            (day, true) => Ok(KeyValue::Date(day)),
            (_, false) => Err(NotAKey::NoKey),
        },
        (K::Time, S::Time(time)) => Ok(KeyValue::Time(time)),
        (K::Timestamp, S::Timestamp(moment)) => Ok(KeyValue::Timestamp(moment)),
        (K::Timestamp, S::Date(day)) => {
            datetime::date_to_timestamp(day).map(KeyValue::Timestamp).ok_or(NOT_KNOWN)
        }
        (K::TimestampTz, S::TimestampTz(moment)) => Ok(KeyValue::Timestamp(moment)),
        (K::Date | K::Timestamp, S::TimestampTz(_))
        | (K::TimestampTz, S::Timestamp(_) | S::Date(_)) => Err(DEPENDS_ON_ZONE),
        (_, scalar) => Err(no_operator(name_of(oid_of(key_type)), scalar.type_oid())),
    }
}

/// All integers compare with each other by value; with numeric as numeric; with floating
/// point as double precision, which below 2^53 holds every integer exactly.
fn compare_integer<'a>(scalar: Scalar<'a>, width: Width) -> Result<KeyValue<'a>, NotAKey> {
    let value = match scalar {
        Scalar::Int { value, .. } => Some(value),
        Scalar::Numeric(number) => number.to_integer(),
        Scalar::Float { value, .. } => {
            if value.is_finite() && value.abs() >= 9_007_199_254_740_992.0 {
                return Err(DEPENDS_ON_ROUNDING);
            }
            (value.fract() == 0.0).then_some(value as i64)
        }
        other => return Err(no_operator(width.name, other.type_oid())),
    };
    match value {
        Some(value) if width.holds(value) => Ok(KeyValue::Int(value)),
        _ => Err(NotAKey::NoKey),
    }
}

fn no_operator(key: &str, type_oid: u32) -> NotAKey {
    let value = name_of(type_oid);
    let message = format!("operator does not exist: {key} = {value}");
    NotAKey::Mismatch { sqlstate: "42883", message }
}

/// The key that the row gets when the value is assigned to its column.
pub(super) fn assign<'a>(
    scalar: Scalar<'a>,
    key_type: KeyType,
    typmod: i32,
) -> Result<KeyValue<'a>, NotAKey> {
    use KeyType as K;
    use Scalar as S;
    if let Some(width) = width_of(key_type) {
        return assign_integer(scalar, width);
    }
    match (key_type, scalar) {
        (K::Text, S::Text { value, .. }) => fit_text(value, typmod).map(KeyValue::Text),
        (K::Text, S::Int { value, .. }) => {
            fit_text(Cow::Owned(value.to_string()), typmod).map(KeyValue::Text)
        }
        (K::Text, _) => Err(NOT_KNOWN),
        (K::Uuid, S::Uuid(value)) => Ok(KeyValue::Uuid(value)),
        (K::Numeric, S::Numeric(value)) => value.fit(typmod).map(KeyValue::Numeric),
        (K::Numeric, S::Int { value, .. }) => {
            Numeric::from(value).fit(typmod).map(KeyValue::Numeric)
        }
        (K::Numeric, S::Float { .. }) => Err(DEPENDS_ON_ROUNDING),
        (K::Date, S::Date(day)) => Ok(KeyValue::Date(day)),
        (K::Date, S::Timestamp(moment)) => {
            Ok(KeyValue::Date(datetime::timestamp_to_date(moment).0))
        }
        (K::Time, S::Time(time)) => Ok(KeyValue::Time(datetime::round_to_precision(time, typmod))),
        (K::Time, S::Timestamp(_) | S::TimestampTz(_)) => Err(NOT_KNOWN),
        (K::Timestamp, S::Timestamp(moment)) | (K::TimestampTz, S::TimestampTz(moment)) => {
            Ok(KeyValue::Timestamp(datetime::round_to_precision(moment, typmod)))
        }
        (K::Timestamp, S::Date(day)) => {
            datetime::date_to_timestamp(day).map(KeyValue::Timestamp).ok_or(NOT_KNOWN)
        }
        (K::Date | K::Timestamp, S::TimestampTz(_))
        | (K::TimestampTz, S::Timestamp(_) | S::Date(_)) => Err(DEPENDS_ON_ZONE),
        (_, scalar) => {
            let (key, value) = (name_of(oid_of(key_type)), name_of(scalar.type_oid()));
            let message = format!("column is of type {key} but expression is of type {value}");
            Err(NotAKey::Mismatch { sqlstate: "42804", message })
        }
    }
}

/// The assignment casts to an integer: numeric rounds half away from zero, floating point
/// half to even; what doesn't fit is an error.
fn assign_integer<'a>(scalar: Scalar<'a>, width: Width) -> Result<KeyValue<'a>, NotAKey> {
    let value = match scalar {
        Scalar::Int { value, .. } => Some(value),
        Scalar::Numeric(number) if !number.is_finite() => {
            let what = if number == Numeric::NaN { "NaN" } else { "infinity" };
            let message = format!("cannot convert {what} to {}", width.name);
            return Err(NotAKey::Invalid { sqlstate: "0A000", message });
        }
        Scalar::Numeric(number) => number.round_to_integer(),
        Scalar::Float { value, .. } => {
            let rounded = value.round_ties_even();
            // Both limits of i64 as double precision are powers of two.
            let fits =
                (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded);
            fits.then_some(rounded as i64)
        }
        other => {
            let (key, value) = (width.name, name_of(other.type_oid()));
            let message = format!("column is of type {key} but expression is of type {value}");
            return Err(NotAKey::Mismatch { sqlstate: "42804", message });
        }
    };
    match value {
        Some(value) if width.holds(value) => Ok(KeyValue::Int(value)),
        _ => Err(width.out_of_range()),
    }
}

/// What `varchar(n)` makes of text: too long is an error, unless only spaces are too much.
fn fit_text(text: Cow<'_, str>, typmod: i32) -> Result<Cow<'_, str>, NotAKey> {
    let Ok(limit) = usize::try_from(typmod.saturating_sub(4)) else { return Ok(text) };
    let Some((cut, _)) = text.char_indices().nth(limit) else { return Ok(text) };
    if text[cut..].bytes().any(|byte| byte != b' ') {
        return Err(NotAKey::Invalid {
            sqlstate: "22001",
            message: format!("value too long for type character varying({limit})"),
        });
    }
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..cut]),
        Cow::Owned(mut text) => {
            text.truncate(cut);
            Cow::Owned(text)
        }
    })
}
