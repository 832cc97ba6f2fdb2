//! Results of aggregates, and how they are written.

use crate::wire::frontend::Format;

use super::datetime::Interval;
use super::numeric::Numeric;
use super::oid;

/// A value with its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Numeric(Numeric),
    Interval(Interval),
    /// Of any type, as a shard wrote it, in the format that it was asked for.
    AsItCame(Box<[u8]>),
}

impl Value {
    /// Appends the value in a format, without its length; `false` for NULL, which has no bytes.
    /// Intervals in text are written under `IntervalStyle` postgres, which whoever planned this
    /// made sure of ([`Aggregate::new`](super::Aggregate::new)).
    pub fn put(&self, format: Format, out: &mut Vec<u8>) -> bool {
        let text = format == Format::Text;
        match self {
            Value::Null => return false,
            Value::Bool(value) if text => out.push(if *value { b't' } else { b'f' }),
            Value::Bool(value) => out.push(u8::from(*value)),
            Value::Int2(value) if text => out.extend(value.to_string().bytes()),
            Value::Int2(value) => out.extend(value.to_be_bytes()),
            Value::Int4(value) if text => out.extend(value.to_string().bytes()),
            Value::Int4(value) => out.extend(value.to_be_bytes()),
            Value::Int8(value) if text => out.extend(value.to_string().bytes()),
            Value::Int8(value) => out.extend(value.to_be_bytes()),
            Value::Numeric(value) if text => value.put_text(out),
            Value::Numeric(value) => value.put_binary(out),
            Value::Interval(value) if text => value.put_text(out),
            Value::Interval(value) => value.put_binary(out),
            Value::AsItCame(bytes) => out.extend_from_slice(bytes),
        }
        true
    }

    /// An integer of an integer type that it is known to fit.
    pub(super) fn integer(type_oid: u32, value: i64) -> Value {
        match type_oid {
            oid::INT2 => Value::Int2(value as i16),
            oid::INT4 => Value::Int4(value as i32),
            _ => Value::Int8(value),
        }
    }
}
