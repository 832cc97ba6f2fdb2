//! One time for all shards (`docs/decisions/017-one-clock.md`): the text of a statement in which
//! calls that read the clock have given way to others, to which the time is given.

use crate::sql::{self, Edit, Edited, Expr, FromItem, Function, Name, Node, Piece, Scanned};

use super::functions;
use super::router::Router;

/// Functions that give one time to all of a statement.
const CLOCK: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "now",
    STATEMENT,
    "transaction_timestamp",
];

const STATEMENT: &str = "statement_timestamp";

/// What becomes of a moment that is rounded (`current_time(2)`).
const ROUNDED: &[(&str, &str)] = &[
    ("current_time", "timetz"),
    ("current_timestamp", "timestamptz"),
    ("localtime", "time"),
    ("localtimestamp", "timestamp"),
];

/// What stands for a moment that isn't known yet: one of as many bytes.
const UNKNOWN: &str = "2000-01-01 00:00:00.000000+00";
const UNKNOWN_STATEMENT: &str = "2000-01-02 00:00:00.000000+00";

/// Where the functions that are given the time lie, on every shard.
const SCHEMA: &str = "pgherd";

/// Whether a call reads the clock.
pub(super) fn reads_clock(call: &Function) -> bool {
    let Some(name) = &call.name else { return false };
    let of_catalog = matches!(name.schema.as_deref(), None | Some("pg_catalog"));
    of_catalog && (CLOCK.contains(&&*name.name) || is_age_of(call))
}

/// `age(t)` is the time since today began.
fn is_age_of(call: &Function) -> bool {
    call.name.as_ref().is_some_and(|name| &*name.name == "age") && call.arguments.len() == 1
}

/// Whether this is one of the functions that are given the time.
pub(super) fn is_given_time(name: &Name) -> bool {
    let known = CLOCK.contains(&&*name.name) || &*name.name == "age";
    known && name.schema.as_deref() == Some(SCHEMA)
}

/// A statement to whose calls a time is given that isn't known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    pub edited: Edited,
    /// Where moments stand in it: those of the transaction, and those of the statement.
    places: [Vec<usize>; 2],
}

impl Timed {
    /// Whether the moment at which the statement began counts, not only that of its transaction.
    pub fn asks_of_statement(&self) -> bool {
        !self.places[1].is_empty()
    }

    /// Gives the times, as `YYYY-MM-DD HH:MM:SS.ssssss+00`: of the transaction, and of the
    /// statement. False when they aren't written so.
    #[must_use]
    pub fn give(&mut self, transaction: &[u8], statement: &[u8]) -> bool {
        for (places, moment) in self.places.iter().zip([transaction, statement]) {
            if moment.len() != UNKNOWN.len() {
                return false;
            }
            for at in places {
                match self.edited.text.get_mut(*at..*at + moment.len()) {
                    Some(place) => place.copy_from_slice(moment),
                    None => return false,
                }
            }
        }
        true
    }
}

impl Router {
    /// The statement with a time for its calls that read the clock; `None` where it has none, or
    /// one that can't be replaced.
    pub fn timed(&self, text: &[u8], scanned: &Scanned) -> Option<Timed> {
        let statement = sql::parse(text, scanned).ok()?;
        let mut calls: Vec<&Function> = Vec::new();
        let mut in_from: Vec<*const Function> = Vec::new();
        let mut replaceable = true;
        sql::visit(&statement, &mut |node| match node {
            Node::From(FromItem::Function { calls, .. }) => {
                in_from.extend(calls.iter().filter_map(|call| match call {
                    Expr::Function(call) => Some(&raw const **call),
                    _ => None,
                }));
            }
            Node::Expr(Expr::Function(call)) if reads_clock(call) => {
                let name = call.name.as_ref().map_or("", |name| &*name.name);
                let rounded = !is_age_of(call) && !call.tokens.arguments.is_empty();
                // A table can't be cast.
                let cast = rounded && in_from.contains(&(&raw const **call));
                let own = call.name.as_ref().is_some_and(|name| {
                    name.schema.is_none() && functions::is_defined(name, &self.schema)
                });
                let seen = !call.tokens.all.is_empty() && !name.is_empty();
                replaceable &= seen && !cast && !own;
                calls.push(call);
            }
            _ => {}
        });
        if calls.is_empty() || !replaceable {
            return None;
        }
        let mut edits: Vec<Edit> = calls.into_iter().filter_map(edit_of).collect();
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let apart = edits.windows(2).all(|pair| pair[0].at.end <= pair[1].at.start);
        let edited = sql::edit(text, scanned, &edits).ok().filter(|_| apart)?;
        let places = [UNKNOWN, UNKNOWN_STATEMENT].map(|moment| edited.put_in(moment.as_bytes()));
        Some(Timed { edited, places })
    }
}

/// The call of a name of ours: all of it is replaced, or of `age` what stands before its argument.
fn edit_of(call: &Function) -> Option<Edit> {
    let name = &*call.name.as_ref()?.name;
    let moment = if name == STATEMENT { UNKNOWN_STATEMENT } else { UNKNOWN };
    let own = format!("{SCHEMA}.\"{name}\"('{moment}'");
    let tokens = &call.tokens;
    if is_age_of(call) {
        let pieces = vec![Piece::Text(format!("{own}, ").into())];
        return Some(Edit { at: tokens.all.start..tokens.arguments.start, pieces });
    }
    let mut pieces = vec![Piece::Text(format!("{own})").into())];
    if !tokens.arguments.is_empty() {
        let (_, to) = ROUNDED.iter().find(|(known, _)| *known == name)?;
        pieces.push(Piece::Text(format!("::pg_catalog.{to}(").into()));
        pieces.push(Piece::Copy(tokens.arguments.clone()));
        pieces.push(Piece::Text(")".into()));
    }
    Some(Edit { at: tokens.all.clone(), pieces })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{LexOptions, scan};

    #[test]
    fn moments_are_found_where_they_were_put_in() {
        let text = format!("SELECT '{UNKNOWN}', now(), 'x' WHERE statement_timestamp() > $1");
        let scanned = scan(text.as_bytes(), LexOptions::default()).expect("read").remove(0);
        let statement = sql::parse(text.as_bytes(), &scanned).expect("read");
        let mut edits = Vec::new();
        sql::visit(&statement, &mut |node| {
            if let Node::Expr(Expr::Function(call)) = node {
                edits.extend(edit_of(call));
            }
        });
        let edited = sql::edit(text.as_bytes(), &scanned, &edits).expect("edited");
        let places = [UNKNOWN, UNKNOWN_STATEMENT].map(|moment| edited.put_in(moment.as_bytes()));
        let mut timed = Timed { edited, places };
        assert!(timed.asks_of_statement());
        assert!(!timed.give(b"2025-01-01", UNKNOWN.as_bytes()));
        let (now, later) = ("2025-02-03 04:05:06.000007+00", "2025-02-03 04:05:06.000008+00");
        assert!(timed.give(now.as_bytes(), later.as_bytes()));
        assert_eq!(
            String::from_utf8_lossy(&timed.edited.text),
            format!(
                "SELECT '{UNKNOWN}', pgherd.\"now\"('{now}'), 'x' \
                 WHERE pgherd.\"statement_timestamp\"('{later}') > $1"
            )
        );
    }
}
