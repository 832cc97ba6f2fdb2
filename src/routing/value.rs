//! A value as the statement has it → the key that it means.

use std::sync::Arc;

use crate::config::rules::KeyType;
use crate::placement::{KeyColumn, KeyValue, NotAKey, Purpose, Source};
use crate::sql::{Literal, LiteralKind, LiteralSlot, Literals};

use super::array;
use super::refusal::Refusal;
use super::{Parameter, ParameterValue, RouteError};

/// What one execution of a plan brings: the text's literals, and Bind's parameters.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// The text that was scanned: literals are ranges of it.
    pub text: &'a [u8],
    pub literals: &'a Literals,
    pub parameters: &'a [Parameter<'a>],
    /// The client's encoding is UTF-8 (or ASCII). A text key is hashed by its UTF-8 bytes,
    /// and pgherd doesn't convert.
    pub utf8: bool,
}

/// Where a value comes from, known when the statement is planned.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Origin {
    Literal {
        slot: LiteralSlot,
        negative: bool,
    },
    /// Each literal of a folded list.
    List(LiteralSlot),
    /// A literal of a view's definition, which is the same in each text.
    Fixed {
        kind: LiteralKind,
        value: Arc<[u8]>,
        negative: bool,
    },
    /// `assume`: where no type was given, it is the column's that it is compared with.
    Parameter {
        index: u16,
        negative: bool,
        assume: bool,
    },
    /// Each element of an array parameter: `= ANY ($1)`. `element` is the type that a cast
    /// gives to the elements.
    Array {
        index: u16,
        element: Option<KeyType>,
    },
    Null,
    Cast {
        value: Box<Origin>,
        to: KeyType,
    },
}

/// A value meets a column: the column decides how it is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Meeting {
    pub origin: Origin,
    pub column: ColumnType,
    /// The value is stored, and not compared.
    pub assign: bool,
    /// NULL is the key that a row may have, and not a comparison that no row passes: where
    /// the value is stored, or reaches the column without a comparison.
    pub null_is_key: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnType {
    pub key_type: KeyType,
    pub typmod: i32,
}

/// What a meeting comes to, for one value.
#[derive(Debug)]
pub(super) enum Met {
    Key(KeyValue<'static>),
    /// No row has it.
    Nothing,
    /// It may be any key; why we can't say.
    Unknown(&'static str),
}

/// How many times each parameter stands in the statement, from `$1`.
pub(super) type ParameterUses = Vec<u32>;

pub(super) struct Reader<'a> {
    pub values: &'a Values<'a>,
    pub uses: &'a ParameterUses,
    pub server_major: u32,
}

impl Reader<'_> {
    /// Reads a meeting's value, or each of a folded list's.
    pub fn read(&self, meeting: &Meeting, mut each: impl FnMut(Met)) -> Result<(), RouteError> {
        match &meeting.origin {
            Origin::List(slot) => {
                for literal in self.values.literals.slot(*slot) {
                    each(self.literal(literal, literal.negative, None, meeting)?);
                }
            }
            Origin::Array { index, element } => self.array(*index, *element, meeting, each)?,
            origin => each(self.one(origin, None, meeting)?),
        }
        Ok(())
    }

    /// Whether a single value is NULL (and not merely unequal to every key).
    pub fn is_null(&self, meeting: &Meeting) -> bool {
        fn of(origin: &Origin, values: &Values<'_>) -> bool {
            match origin {
                Origin::Null => true,
                Origin::Cast { value, .. } => of(value, values),
                Origin::Parameter { index, .. } => {
                    let at = usize::from(*index).wrapping_sub(1);
                    let parameter = values.parameters.get(at);
                    parameter.is_some_and(|p| matches!(p.value, ParameterValue::Null))
                }
                Origin::Literal { .. }
                | Origin::List(_)
                | Origin::Fixed { .. }
                | Origin::Array { .. } => false,
            }
        }
        of(&meeting.origin, self.values)
    }

    fn one(
        &self,
        origin: &Origin,
        cast: Option<KeyType>,
        meeting: &Meeting,
    ) -> Result<Met, RouteError> {
        match origin {
            Origin::Null => Ok(null(meeting)),
            Origin::Cast { value, to } => {
                // Only one cast is followed: 42::numeric::int rounds on the way.
                if cast.is_some() {
                    return Ok(Met::Unknown("a chain of casts isn't followed"));
                }
                self.one(value, Some(*to), meeting)
            }
            Origin::Literal { slot, negative } => match self.values.literals.slot(*slot) {
                [literal] => self.literal(literal, *negative, cast, meeting),
                _ => Ok(Met::Unknown("the literal isn't known")),
            },
            Origin::Fixed { kind, value, negative } => {
                self.written(*kind, value, *negative, cast, meeting)
            }
            Origin::Parameter { index, negative, assume } => {
                self.parameter(*index, *negative, *assume, cast, meeting)
            }
            Origin::List(_) | Origin::Array { .. } => {
                Ok(Met::Unknown("a list in place of a value"))
            }
        }
    }

    fn literal(
        &self,
        literal: &Literal,
        negative: bool,
        cast: Option<KeyType>,
        meeting: &Meeting,
    ) -> Result<Met, RouteError> {
        let value = literal.value(self.values.text).map_err(Refusal::from)?;
        self.written(literal.kind, &value, negative, cast, meeting)
    }

    fn written(
        &self,
        kind: LiteralKind,
        value: &[u8],
        negative: bool,
        cast: Option<KeyType>,
        meeting: &Meeting,
    ) -> Result<Met, RouteError> {
        match kind {
            LiteralKind::String | LiteralKind::EscapeString if !negative => {
                let source = match cast {
                    None => Source::Untyped(value),
                    Some(to) => Source::Text { type_oid: type_oid(to), value },
                };
                self.key(source, meeting)
            }
            LiteralKind::Integer | LiteralKind::Decimal => {
                // `negative` of a folded list is in the value already.
                let Ok(text) = std::str::from_utf8(value) else {
                    return Ok(Met::Unknown("the number can't be read"));
                };
                let (text, signed) = match text.strip_prefix('-') {
                    Some(rest) => (rest, true),
                    None => (text, negative),
                };
                match cast {
                    None => {}
                    Some(to) if exact_from_number(kind, to) => {}
                    Some(_) => return Ok(Met::Unknown("the cast may change the value")),
                }
                self.key(Source::Number { text, negative: signed }, meeting)
            }
            _ => Ok(Met::Unknown("a literal of this kind isn't compared here")),
        }
    }

    fn parameter(
        &self,
        index: u16,
        negative: bool,
        assume: bool,
        cast: Option<KeyType>,
        meeting: &Meeting,
    ) -> Result<Met, RouteError> {
        let at = usize::from(index).wrapping_sub(1);
        let Some(parameter) = self.values.parameters.get(at) else {
            // Bind with too few parameters: the server says so, on any shard.
            return Ok(Met::Nothing);
        };
        match parameter.value {
            ParameterValue::Null => return Ok(null(meeting)),
            ParameterValue::Unknown => return Ok(Met::Unknown("it isn't a plain literal")),
            ParameterValue::Text(_) | ParameterValue::Binary(_) => {}
        }
        if negative {
            return Ok(Met::Unknown("the negative of a parameter isn't computed"));
        }
        let typed = parameter.type_oid != 0 && parameter.type_oid != UNKNOWN_OID;
        let sole = self.uses.get(at).copied().unwrap_or(0) == 1;
        let source = match (typed, cast) {
            (false, _) if !sole || !assume && cast.is_none() => {
                return Err(RouteError::NeedsParameterTypes);
            }
            (false, None) => match parameter.value {
                ParameterValue::Text(value) => Source::Untyped(value),
                ParameterValue::Binary(value) => Source::UntypedBinary(value),
                ParameterValue::Null | ParameterValue::Unknown => return Ok(null(meeting)),
            },
            (false, Some(to)) => form(parameter.value, type_oid(to)),
            (true, None) => form(parameter.value, parameter.type_oid),
            (true, Some(to)) => {
                let from = parameter.type_oid;
                let text = from == TEXT_OID || from == VARCHAR_OID;
                match parameter.value {
                    // The cast reads the text.
                    ParameterValue::Text(value) | ParameterValue::Binary(value) if text => {
                        Source::Text { type_oid: type_oid(to), value }
                    }
                    value if exact_cast(from, to) => form(value, from),
                    _ => return Ok(Met::Unknown("the cast may change the value")),
                }
            }
        };
        self.key(source, meeting)
    }

    /// Reads each element of an array parameter. NULL, as an array or as an element, is
    /// equal to nothing.
    fn array(
        &self,
        index: u16,
        element: Option<KeyType>,
        meeting: &Meeting,
        mut each: impl FnMut(Met),
    ) -> Result<(), RouteError> {
        let at = usize::from(index).wrapping_sub(1);
        let Some(parameter) = self.values.parameters.get(at) else { return Ok(()) };
        let sole = self.uses.get(at).copied().unwrap_or(0) == 1;
        let given = match parameter.type_oid {
            0 | UNKNOWN_OID if !sole => return Err(RouteError::NeedsParameterTypes),
            0 | UNKNOWN_OID => None,
            oid => match array::element_type(oid) {
                Some(element) => Some(element),
                None => {
                    each(Met::Unknown("the array's type isn't read here"));
                    return Ok(());
                }
            },
        };
        let own = type_oid(meeting.column.key_type);
        let wanted = element.map_or(own, type_oid);
        let from = given.unwrap_or(wanted);
        if element.is_some_and(|to| !exact_cast(from, to)) {
            each(Met::Unknown("the cast may change the values"));
            return Ok(());
        }
        let elements = match parameter.value {
            ParameterValue::Null => return Ok(()),
            ParameterValue::Unknown => {
                each(Met::Unknown("it isn't a plain literal"));
                return Ok(());
            }
            ParameterValue::Text(value) => array::from_text(value),
            ParameterValue::Binary(value) => array::from_binary(value, from),
        };
        let Some(elements) = elements else {
            each(Met::Unknown("only plain arrays of one dimension are read here"));
            return Ok(());
        };
        let text = matches!(parameter.value, ParameterValue::Text(_));
        for value in elements.iter().flatten() {
            let source = match text {
                true => Source::Text { type_oid: from, value },
                false => Source::Binary { type_oid: from, value },
            };
            each(self.key(source, meeting)?);
        }
        Ok(())
    }

    fn key(&self, source: Source<'_>, meeting: &Meeting) -> Result<Met, RouteError> {
        let ColumnType { key_type, typmod } = meeting.column;
        if key_type == KeyType::Text && !self.values.utf8 && !source_is_ascii(source) {
            return Err(Refusal::encoding().into());
        }
        let column = KeyColumn { key_type, typmod, server_major: self.server_major };
        let purpose = if meeting.assign { Purpose::Assign } else { Purpose::Compare };
        match column.read(source, purpose) {
            Ok(value) => Ok(Met::Key(value.into_owned())),
            Err(NotAKey::NoKey) => Ok(Met::Nothing),
            Err(NotAKey::Unsure(why)) => Ok(Met::Unknown(why)),
            Err(
                NotAKey::Invalid { sqlstate, message } | NotAKey::Mismatch { sqlstate, message },
            ) => Err(Refusal::new(sqlstate, message).into()),
        }
    }
}

fn null(meeting: &Meeting) -> Met {
    if meeting.null_is_key { Met::Key(KeyValue::Null) } else { Met::Nothing }
}

fn form<'a>(value: ParameterValue<'a>, type_oid: u32) -> Source<'a> {
    match value {
        ParameterValue::Binary(value) => Source::Binary { type_oid, value },
        ParameterValue::Text(value) => Source::Text { type_oid, value },
        ParameterValue::Null | ParameterValue::Unknown => Source::Untyped(b""),
    }
}

fn source_is_ascii(source: Source<'_>) -> bool {
    match source {
        Source::Untyped(value)
        | Source::UntypedBinary(value)
        | Source::Text { value, .. }
        | Source::Binary { value, .. } => value.is_ascii(),
        Source::Number { .. } => true,
    }
}

pub(super) const UNKNOWN_OID: u32 = 705;
const TEXT_OID: u32 = 25;
const VARCHAR_OID: u32 = 1043;

/// The oid of a key's type: built in, the same on every server.
pub(super) fn type_oid(key_type: KeyType) -> u32 {
    match key_type {
        KeyType::Int2 => 21,
        KeyType::Int4 => 23,
        KeyType::Int8 => 20,
        KeyType::Text => TEXT_OID,
        KeyType::Uuid => 2950,
        KeyType::Numeric => 1700,
        KeyType::Date => 1082,
        KeyType::Time => 1083,
        KeyType::Timestamp => 1114,
        KeyType::TimestampTz => 1184,
    }
}

/// The key type of a column or cast, by `pg_type.typname`.
pub(super) fn key_type(type_name: &str) -> Option<KeyType> {
    Some(match type_name {
        "int2" => KeyType::Int2,
        "int4" => KeyType::Int4,
        "int8" => KeyType::Int8,
        "text" | "varchar" => KeyType::Text,
        "uuid" => KeyType::Uuid,
        "numeric" => KeyType::Numeric,
        "date" => KeyType::Date,
        "time" => KeyType::Time,
        "timestamp" => KeyType::Timestamp,
        "timestamptz" => KeyType::TimestampTz,
        _ => return None,
    })
}

pub(super) fn is_integer(key_type: KeyType) -> bool {
    matches!(key_type, KeyType::Int2 | KeyType::Int4 | KeyType::Int8)
}

/// A cast of a number in the text that keeps its value, or fails on the server.
fn exact_from_number(kind: LiteralKind, to: KeyType) -> bool {
    to == KeyType::Numeric || kind == LiteralKind::Integer && is_integer(to)
}

/// A cast between types that keeps the value, or fails on the server.
fn exact_cast(from: u32, to: KeyType) -> bool {
    let integers = [20, 21, 23];
    from == type_oid(to) || integers.contains(&from) && (is_integer(to) || to == KeyType::Numeric)
}
