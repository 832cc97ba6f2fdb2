//! Rows that pgherd gives to a table: an INSERT of columns that are bound as arrays, each of which
//! keeps the type that it has where it comes from, so that the table's server makes of it what it makes
//! of any value that is assigned.

use super::Refusal;
use super::gather_types::Carried;
use super::schema::Column;

/// `FirstNormalObjectId`: what users make has OIDs from here on, each server its own.
const FIRST_OF_USERS: u32 = 16384;
/// The type `text`.
pub(super) const TEXT: u32 = 25;
/// Types to which a text is assigned as it is. To others only a literal is, which is told as a text
/// where it stands in a SELECT.
const TEXTS: &[&str] = &["text", "varchar", "bpchar", "name", "char"];

/// An INSERT of given rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Up to the list of columns, and OVERRIDING.
    pub(super) head: Vec<u8>,
    /// One a column.
    pub(super) items: Vec<Item>,
    /// ON CONFLICT and RETURNING.
    pub(super) tail: Vec<u8>,
}

/// What a column gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// The next of the values.
    Value(Box<Column>),
    /// What is written.
    Words(Vec<u8>),
}

/// How the values of one column travel, and what is made of them there.
#[derive(Debug, Clone, PartialEq)]
pub struct Carry {
    pub carried: Carried,
    cast: Option<Box<str>>,
}

impl Given {
    /// How values of these types travel, as the home shard tells them, in the order of the columns
    /// that are given.
    ///
    /// # Errors
    /// One would be another value on another server.
    pub fn carried(&self, types: &[u32]) -> Result<Vec<Carry>, Refusal> {
        let values = self.items.iter().filter_map(|item| match item {
            Item::Value(column) => Some(&**column),
            Item::Words(_) => None,
        });
        let carry = |(column, type_oid): (&Column, &u32)| {
            carry(*type_oid, column).ok_or_else(|| {
                let name = &column.name;
                Refusal::unsupported(format!(
                    "a value for column {name} of a type that can't go from shard to shard"
                ))
                .hint(format!("cast it to {}", column.written))
            })
        };
        values.zip(types).map(carry).collect()
    }

    /// The text, with arrays for parameters behind so many of the client's; `unused` columns come
    /// before those that are given.
    pub fn text(&self, carries: &[Carry], unused: usize, own: usize) -> Vec<u8> {
        let mut text = self.head.clone();
        text.extend_from_slice(b" SELECT ");
        let mut carried = carries.iter().enumerate();
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                text.extend_from_slice(b", ");
            }
            match item {
                Item::Words(words) => {
                    text.extend_from_slice(words);
                    text.push(b'\n');
                }
                Item::Value(_) => {
                    let Some((number, carry)) = carried.next() else { break };
                    text.extend_from_slice(format!("u.c{}", number + unused).as_bytes());
                    if let Some(cast) = &carry.cast {
                        text.extend_from_slice(format!("::{cast}").as_bytes());
                    }
                }
            }
        }
        let all = 0..unused + carries.len();
        let arrays: Vec<String> =
            all.clone().map(|n| format!("pg_catalog.unnest(${})", own + n + 1)).collect();
        let names: Vec<String> = all.map(|n| format!("c{n}")).collect();
        let from = format!(" FROM ROWS FROM ({}) AS u({})", arrays.join(", "), names.join(", "));
        text.extend_from_slice(from.as_bytes());
        text.extend_from_slice(&self.tail);
        text
    }
}

fn carry(type_oid: u32, column: &Column) -> Option<Carry> {
    let type_name = &column.type_name;
    if matches!(type_oid, 0 | TEXT) && !is_text(column) {
        // Its server has taken it for the column, so that it was a literal: read by the column's type.
        let cast = match column.type_oid < FIRST_OF_USERS {
            true => format!("pg_catalog.{}", quoted(type_name)),
            false => column.written.to_string(),
        };
        return Some(Carry { carried: Carried::Text { styled: false }, cast: Some(cast.into()) });
    }
    if let Some(carried) = Carried::in_binary(type_oid) {
        return Some(Carry { carried, cast: None });
    }
    if type_oid != column.type_oid {
        return None;
    }
    let cast = match type_oid < FIRST_OF_USERS {
        // Without a length, which a cast would cut to.
        true => format!("pg_catalog.{}", quoted(type_name)),
        false => column.written.to_string(),
    };
    Some(Carry { carried: Carried::of(column)?, cast: Some(cast.into()) })
}

/// Whether a text is assigned to it as it is.
pub(super) fn is_text(column: &Column) -> bool {
    TEXTS.contains(&&*column.type_name)
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
