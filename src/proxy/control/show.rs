//! `SHOW pgherd.…`: what the session answers by itself with rows.

use std::cmp::Reverse;
use std::time::Duration;

use bytes::BytesMut;

use crate::proxy::database::Database;
use crate::proxy::failure::Failure;
use crate::proxy::planner::Part;
use crate::proxy::session::Session;
use crate::routing::Action;
use crate::wire::backend::{self, Field};
use crate::wire::frontend::Format;

/// Transactions over several shards that aren't finished.
const TRANSACTIONS: &str = "pgherd.transactions";

/// A value of a row.
enum Cell {
    Text(String),
    /// Seconds, as `double precision`.
    Seconds(Duration),
}

impl Cell {
    fn write(&self, format: Format) -> Vec<u8> {
        match (self, format) {
            (Cell::Text(text), _) => text.clone().into_bytes(),
            (Cell::Seconds(time), Format::Text) => format!("{:.3}", time.as_secs_f64()).into(),
            (Cell::Seconds(time), Format::Binary) => time.as_secs_f64().to_be_bytes().into(),
        }
    }
}

/// The columns of a statement's answer, if it is a SHOW of pgherd's own.
pub fn columns(part: &Part) -> Option<Vec<Field<'_>>> {
    let name = match part.action() {
        Action::Show(name) if super::is_ours(name) => &**name,
        _ => return None,
    };
    if name != TRANSACTIONS {
        return Some(vec![Field::text(name)]);
    }
    let text = Field::text;
    let age = Field { type_oid: 701, type_len: 8, ..text("age") };
    Some(vec![text("id"), text("shard"), text("state"), age, text("reason")])
}

/// Describes the columns, in these formats; where none are given, as text. False when there are
/// none.
pub fn describe(out: &mut BytesMut, part: &Part, formats: &[Format]) -> bool {
    let Some(mut columns) = columns(part) else { return false };
    for (at, column) in columns.iter_mut().enumerate() {
        column.format = format_of(formats, at);
    }
    backend::row_description(out, &columns);
    true
}

fn format_of(formats: &[Format], at: usize) -> Format {
    formats.get(at).copied().unwrap_or(Format::Text)
}

impl Session {
    /// The rows of `SHOW pgherd.…`.
    pub(super) fn show(&mut self, name: &str, formats: &[Format]) -> Result<(), Failure> {
        let text = |value: String| vec![vec![Cell::Text(value)]];
        let rows = match name {
            "pgherd.shard" | "pgherd.key" => {
                text(self.state.hints.get(name).unwrap_or_default().to_owned())
            }
            "pgherd.version" => text(env!("CARGO_PKG_VERSION").to_owned()),
            "pgherd.epoch" => text(self.db.epoch().to_string()),
            TRANSACTIONS => transactions(&self.db),
            _ => {
                let message = format!("unrecognized configuration parameter \"{name}\"");
                return Err(Failure::new("42704", message).with_hint(
                    "pgherd has pgherd.shard, pgherd.key, pgherd.version, pgherd.epoch and \
                     pgherd.transactions.",
                ));
            }
        };
        for row in rows {
            let values = row.iter().enumerate();
            let values: Vec<Vec<u8>> =
                values.map(|(at, cell)| cell.write(format_of(formats, at))).collect();
            let values = values.iter().map(|value| Some(&**value));
            backend::data_row(&mut self.client.output, values);
        }
        Ok(())
    }
}

/// What was found prepared and not finished, and what is being committed here; the oldest first.
fn transactions(db: &Database) -> Vec<Vec<Cell>> {
    let mut all = Vec::new();
    for found in db.two_phase.in_doubt() {
        all.push((found.age, found.gid.into(), found.shard, "prepared", found.why.into()));
    }
    for (gid, age) in db.two_phase.under_way() {
        all.push((age, gid.to_string(), gid.decider, "committing", String::new()));
    }
    all.sort_by_key(|(age, ..)| Reverse(*age));
    let row = |(age, id, shard, state, reason): (Duration, String, _, &str, String)| {
        vec![
            Cell::Text(id),
            Cell::Text(db.shard_name(shard).to_owned()),
            Cell::Text(state.to_owned()),
            Cell::Seconds(age),
            Cell::Text(reason),
        ]
    };
    all.into_iter().map(row).collect()
}
