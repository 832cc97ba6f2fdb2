//! A shard key's value: read from what a client sent, exactly as the server would read it.
//!
//! Four things can be wrong with a value, and they are told apart, since only one of them
//! may reach a server ([`NotAKey`]). A value that isn't surely understood is never guessed:
//! a key that is read otherwise than the server reads it would be a wrong answer.

use std::borrow::Cow;

use crate::config::rules::KeyType;

use super::hash;
use super::integer;
use super::numeric::Numeric;
use super::source::Scalar;

/// The value of one key column, in the column's own type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValue<'a> {
    /// As a row may have it; a comparison with NULL finds no row and has no key.
    Null,
    /// smallint, integer and bigint: equal values have equal hashes.
    Int(i64),
    /// text and varchar, in UTF-8.
    Text(Cow<'a, str>),
    Uuid([u8; 16]),
    Numeric(Numeric),
    /// Days since 2000-01-01; the extremes are the infinities.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// timestamp, and timestamptz in UTC: microseconds since 2000-01-01; the extremes are
    /// the infinities.
    Timestamp(i64),
}

/// Why a value gives no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// No row can have this key (`bigint = 42.5`): the condition is false on every shard.
    #[error("no row can have this key")]
    NoKey,
    /// The server rejects the value, with this error. It is to be answered, not sent: the
    /// statement has no shard.
    #[error("{message}")]
    Invalid { sqlstate: &'static str, message: String },
    /// The server has no such comparison or assignment unless somebody defined one. To be
    /// answered, not sent.
    #[error("{message}")]
    Mismatch { sqlstate: &'static str, message: String },
    /// The server may well understand it; we aren't sure that we read it as the server does.
    #[error("{0}")]
    Unsure(&'static str),
}

/// What the value is for: the server converts differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `key = value`: compared in whatever type both can have; nothing is rounded.
    Compare,
    /// INSERT, UPDATE, COPY: converted to the column's type, so 42.5 becomes 43 in a bigint.
    Assign,
}

/// A value as it stands in a statement or comes with Bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// A quoted literal, a text parameter, or a field of COPY in text, whose type the server
    /// takes from the key's column.
    Untyped(&'a [u8]),
    /// The same for a binary parameter or a field of binary COPY.
    UntypedBinary(&'a [u8]),
    /// A number in the statement's text without its sign (`42`, `1.5`, `1e3`, `0x1f`).
    Number { text: &'a str, negative: bool },
    /// Text form of a value of a known type, also `'42'::int4`.
    Text { type_oid: u32, value: &'a [u8] },
    /// Binary form of a value of a known type.
    Binary { type_oid: u32, value: &'a [u8] },
}

/// A key's column, as the server has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyColumn {
    pub key_type: KeyType,
    /// `pg_attribute.atttypmod`: the `(10)` of `varchar(10)`; -1 is none. Counts for
    /// [`Purpose::Assign`], where the server cuts or rounds to it.
    pub typmod: i32,
    /// Major version of the server, e.g. 15. 16 reads `0x2a` and `1_000`; earlier ones don't.
    pub server_major: u32,
}

impl KeyColumn {
    /// The key that a value means for this column. Borrows from the source where it can;
    /// an integer allocates nothing.
    ///
    /// # Errors
    /// [`NotAKey`] says what to do with each.
    #[inline]
    pub fn read<'a>(&self, source: Source<'a>, purpose: Purpose) -> Result<KeyValue<'a>, NotAKey> {
        match self.read_integer(source) {
            Some(value) => Ok(KeyValue::Int(value)),
            None => self.read_any(source, purpose),
        }
    }

    /// The common case, by the shortest way: an integer key and a plain integer that fits.
    #[inline]
    fn read_integer(&self, source: Source<'_>) -> Option<i64> {
        let width = integer::width_of(self.key_type)?;
        let of_type = super::source::integer_width;
        let value = match source {
            Source::UntypedBinary(value) => integer::plain_binary(value, width)?,
            Source::Binary { type_oid, value } => integer::plain_binary(value, of_type(type_oid)?)?,
            Source::Untyped(text) => integer::plain_text(text)?,
            Source::Text { type_oid, value } => {
                let value = integer::plain_text(value)?;
                of_type(type_oid)?.holds(value).then_some(value)?
            }
            Source::Number { text, negative: false } => integer::plain_text(text.as_bytes())?,
            Source::Number { .. } => return None,
        };
        width.holds(value).then_some(value)
    }

    fn read_any<'a>(&self, source: Source<'a>, purpose: Purpose) -> Result<KeyValue<'a>, NotAKey> {
        let own = super::source::oid_of(self.key_type);
        let major = self.server_major;
        let scalar = match source {
            Source::Untyped(value) => Scalar::from_text(own, value, major)?,
            Source::UntypedBinary(value) => Scalar::from_binary(own, value)?,
            Source::Number { text, negative } => Scalar::from_number(text, negative, major)?,
            Source::Text { type_oid, value } => Scalar::from_text(type_oid, value, major)?,
            Source::Binary { type_oid, value } => Scalar::from_binary(type_oid, value)?,
        };
        match purpose {
            Purpose::Compare => super::convert::compare(scalar, self.key_type),
            Purpose::Assign => super::convert::assign(scalar, self.key_type, self.typmod),
        }
    }
}

impl KeyValue<'_> {
    /// The hash that the server has for this value; 0 for NULL.
    #[inline]
    pub fn hash(&self) -> i64 {
        match self {
            KeyValue::Int(value) => hash::hash_int(*value, 0),
            KeyValue::Text(text) => hash::hash_bytes(text.as_bytes(), 0),
            KeyValue::Uuid(bytes) => hash::hash_bytes(bytes, 0),
            KeyValue::Time(value) | KeyValue::Timestamp(value) => hash::hash_int(*value, 0),
            KeyValue::Date(days) => hash::hash_u32(*days as u32, 0),
            KeyValue::Numeric(number) => number.hash(0),
            KeyValue::Null => 0,
        }
    }

    /// The same value without a borrow.
    pub fn into_owned(self) -> KeyValue<'static> {
        match self {
            KeyValue::Null => KeyValue::Null,
            KeyValue::Int(value) => KeyValue::Int(value),
            KeyValue::Text(text) => KeyValue::Text(Cow::Owned(text.into_owned())),
            KeyValue::Uuid(bytes) => KeyValue::Uuid(bytes),
            KeyValue::Numeric(number) => KeyValue::Numeric(number),
            KeyValue::Date(days) => KeyValue::Date(days),
            KeyValue::Time(value) => KeyValue::Time(value),
            KeyValue::Timestamp(value) => KeyValue::Timestamp(value),
        }
    }
}

/// The ring position of a key: `hash_record_extended(ROW(k1, k2, …), 0)`.
///
/// That server function is immutable, takes every type that a key may have, is accepted in
/// a publication's row filter, is the column's own hash for a single column, and counts
/// NULL as 0; so one expression serves keys of every shape. (`hashint8extended(k, 0)` and
/// its like are the same for a single column that isn't null, and faster on the server.)
#[inline]
pub fn position(key: &[KeyValue<'_>]) -> i64 {
    match key {
        [one] => one.hash(),
        several => several.iter().fold(0, |row, column| hash::combine(row, column.hash())),
    }
}
