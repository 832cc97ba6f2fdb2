//! Results of several shards that are taken in portions: cursors of SQL, and portals that are
//! executed with a limit on rows (`docs/decisions/015-portions.md`).
//!
//! On each shard there is a portal of our own, bound when the cursor is made (`open`), so that its
//! server keeps the snapshot. A fetch (`fetch`) asks the shards for portions as the merge comes to
//! need them (`stream`), and the merge rests between fetches. `position` knows what a FETCH means
//! where the cursor stands, `kept` has the rows that a cursor with SCROLL may go back to, and
//! `answer` is what SQL's statements about cursors are answered by.

mod answer;
mod fetch;
mod kept;
mod open;
mod position;
mod stream;

use bytes::{Bytes, BytesMut};

use self::kept::Kept;
pub use self::open::{Opened, Opening, Opens};
use self::position::Position;
use self::stream::{Asks, Stream};
use super::failure::Failure;
use super::scatter::Merging;
use crate::routing::Steps;
use crate::wire::ProtocolError;
use crate::wire::backend::{self, Field, RowDescription};
use crate::wire::frontend::Format;

/// A result of several shards that its client takes in portions.
pub struct Cursor {
    /// The client's name of it.
    name: Bytes,
    /// The name of its portals on the shards.
    portal: Box<str>,
    streams: Vec<Stream>,
    merging: Merging,
    steps: Steps,
    /// The body of a RowDescription of the shards' rows, in the formats that they come in.
    description: BytesMut,
    /// How portions are asked for.
    asks: Asks,
    /// Rows were asked for, so that their formats are settled.
    begun: bool,
    /// The merge has given all there is.
    done: bool,
    position: Position,
    /// With SCROLL: the rows that were fetched.
    kept: Option<Kept>,
    /// How many savepoints there were when it was made.
    level: usize,
    /// An error came while it was fetched from.
    broken: bool,
    /// DECLARE … BINARY.
    binary: bool,
    /// Rows for the client go there.
    aside: Option<Kept>,
}

/// The cursors of a client's transaction, and portals that are executed in portions: they share
/// their names, as in Postgres. Most clients have none, and take no room for them.
#[derive(Default)]
pub struct Cursors(Option<Box<All>>);

#[derive(Default)]
struct All {
    open: Vec<Cursor>,
    /// How many there were.
    made: u64,
    /// Portals that several shards answer, and that were bound and not executed yet.
    waiting: Vec<Bytes>,
    /// Portals of a FETCH that were executed.
    fetched: Vec<Fetched>,
}

/// What a FETCH has given, to who executes its portal in portions: it is fetched whole, and waits
/// here.
struct Fetched {
    /// The name of the FETCH's portal.
    portal: Bytes,
    rows: Kept,
    /// How many of them the client has.
    given: u64,
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.open().iter().map(|cursor| String::from_utf8_lossy(&cursor.name));
        f.debug_set().entries(names).finish()
    }
}

impl Cursors {
    fn all(&mut self) -> &mut All {
        self.0.get_or_insert_default()
    }

    fn open(&self) -> &[Cursor] {
        self.0.as_ref().map_or(&[], |all| &all.open)
    }

    pub fn is_empty(&self) -> bool {
        self.open().is_empty()
    }

    pub fn has(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &[u8]) -> Option<&Cursor> {
        self.open().iter().find(|cursor| *cursor.name == *name)
    }

    fn take(&mut self, name: &[u8]) -> Option<Cursor> {
        let open = &mut self.0.as_mut()?.open;
        let at = open.iter().position(|cursor| *cursor.name == *name)?;
        Some(open.swap_remove(at))
    }

    /// A name that no portal of ours has in this transaction.
    fn portal(&mut self) -> Box<str> {
        let all = self.all();
        all.made += 1;
        format!("pgherd_portion_{}", all.made).into()
    }

    fn put(&mut self, cursor: Cursor) {
        self.all().open.push(cursor);
    }

    /// The transaction has ended.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// The transaction has gone back to a savepoint; so many are there now. What was made behind it
    /// is gone, on the servers as here; how far others have come stays.
    pub fn rolled_back_to(&mut self, savepoints: usize) {
        self.all().open.retain(|cursor| cursor.level < savepoints);
    }

    /// A savepoint was released; so many are left.
    pub fn released_to(&mut self, savepoints: usize) {
        for cursor in &mut self.all().open {
            cursor.level = cursor.level.min(savepoints);
        }
    }

    /// Whether a portal of this name has fetched.
    pub fn has_fetched(&self, portal: &[u8]) -> bool {
        let fetched = self.0.as_ref().map_or(&[][..], |all| &all.fetched);
        fetched.iter().any(|fetched| *fetched.portal == *portal)
    }

    /// That portal is another one now, or none.
    pub fn forget_fetched(&mut self, portal: &[u8]) {
        if let Some(all) = &mut self.0 {
            all.fetched.retain(|fetched| *fetched.portal != *portal);
        }
    }

    /// Bytes that they take beside rows, roughly; the session bounds them.
    pub fn bytes(&self) -> usize {
        self.open().iter().map(Cursor::bytes).sum()
    }

    /// A portal of this name was bound.
    pub fn waits(&mut self, name: &[u8]) {
        let waiting = &mut self.all().waiting;
        if !waiting.iter().any(|waiting| **waiting == *name) {
            waiting.push(Bytes::copy_from_slice(name));
        }
    }

    /// It is executed now, or isn't any more.
    pub fn waits_no_more(&mut self, name: &[u8]) {
        if let Some(all) = &mut self.0 {
            all.waiting.retain(|waiting| **waiting != *name);
        }
    }

    fn waiting(&self) -> &[Bytes] {
        self.0.as_ref().map_or(&[], |all| &all.waiting)
    }

    /// Whether one waits.
    pub fn any_waits(&self) -> bool {
        !self.waiting().is_empty()
    }

    /// Whether others than this one wait.
    pub fn wait_beside(&self, name: &[u8]) -> bool {
        self.waiting().iter().any(|waiting| **waiting != *name)
    }

    /// Those that wait, which don't any more.
    pub fn take_waiting(&mut self) -> Vec<Bytes> {
        self.0.as_mut().map_or_else(Vec::new, |all| std::mem::take(&mut all.waiting))
    }
}

impl Cursor {
    fn bytes(&self) -> usize {
        size_of::<Cursor>()
            + self.name.len()
            + self.description.len()
            + self.streams.len() * size_of::<Stream>()
    }

    /// How many columns the client sees.
    fn visible(&self) -> usize {
        let columns = RowDescription::read(&self.description).map_or(0, |columns| columns.len());
        columns.saturating_sub(self.steps.hidden)
    }

    /// What its rows look like to who wants them in these formats.
    fn describe(&self, out: &mut BytesMut, formats: &[Format]) -> Result<(), ProtocolError> {
        let description = RowDescription::read(&self.description)?;
        let visible = description.len().saturating_sub(self.steps.hidden);
        let fields = description.iter().take(visible).enumerate();
        let fields: Vec<Field<'_>> =
            fields.map(|(at, field)| Field { format: format_of(formats, at), ..field }).collect();
        backend::row_description(out, &fields);
        Ok(())
    }

    /// In which format each of the client's columns comes.
    fn formats(&self) -> Vec<Format> {
        let Ok(description) = RowDescription::read(&self.description) else { return Vec::new() };
        description.iter().take(self.visible()).map(|field| field.format).collect()
    }
}

/// The format of a column, by codes as a Bind has them: none is text, one is for all.
fn format_of(formats: &[Format], at: usize) -> Format {
    match formats {
        [all] => *all,
        each => each.get(at).copied().unwrap_or(Format::Text),
    }
}

/// The same codes where more columns follow, which come as text if each column has its own.
fn with_hidden(formats: &[Format], hidden: usize) -> Vec<Format> {
    let more = if formats.len() > 1 { hidden } else { 0 };
    formats.iter().copied().chain(std::iter::repeat_n(Format::Text, more)).collect()
}

/// There is no cursor of this name.
fn no_cursor(name: &[u8]) -> Failure {
    let name = String::from_utf8_lossy(name);
    Failure::new("34000", format!("cursor \"{name}\" does not exist"))
}
