//! From the rows of several shards to the client's.

use bytes::{Buf, BufMut, BytesMut};

use super::groups::Grouped;
use super::leg::{Feed, Leg};
use super::run::{Answer, Why};
use super::shape;
use super::sorted::Pile;
use crate::proxy::failure::Failure;
use crate::proxy::state::ClientState;
use crate::routing::merge::{Collation, Column, Cut, Merge, NotComparable, Obstacle, Order};
use crate::routing::merge::{Pulled, SortColumn, TextForm, Unmerged};
use crate::routing::{SortKey, SortPlace, Steps};
use crate::wire::backend::{self, Field, RowDescription, tag};
use crate::wire::frame::HEADER_LEN;
use crate::wire::write;

/// What came of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// Rows were taken: there may be more.
    Rows,
    /// There is no room for more, or a shard's next row isn't there yet, or all have ended.
    Nothing,
    /// The client has all that it asked for.
    Enough,
}

/// What the client's settings make of values in text.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub text: TextForm,
    /// Texts come as the server has them.
    pub same_encoding: bool,
    /// Bytes that may be kept: `limits.merge_memory`.
    pub memory: usize,
}

impl Form {
    /// As these settings are now.
    pub fn of(state: &ClientState, memory: usize) -> Form {
        let told = |name: &str| state.told.get(name).map(|value| &**value);
        Form {
            text: TextForm::of(told("DateStyle"), told("IntervalStyle"), state.float_digits()),
            same_encoding: told("client_encoding").is_some()
                && told("client_encoding") == told("server_encoding"),
            memory,
        }
    }
}

/// The client's rows, merged of the legs'.
pub struct Merged<'a> {
    steps: &'a Steps,
    /// The client gets a RowDescription.
    shown: bool,
    /// `limits.merge_memory`
    memory: usize,
    /// Rows whose order only a server knows are kept.
    keeps: bool,
    merging: Option<Merging>,
}

impl<'a> Merged<'a> {
    /// `shown`: the client gets a RowDescription. `memory` is how many bytes may be kept.
    pub fn new(steps: &'a Steps, shown: bool, memory: usize) -> Merged<'a> {
        Merged { steps, shown, memory, keeps: false, merging: None }
    }

    /// The same, but rows whose order only a server knows are kept: see [`Merged::pile`].
    pub fn or_kept(self) -> Merged<'a> {
        Merged { keeps: true, ..self }
    }

    /// The rows that were kept, which a server has to put in order: the client has got none.
    pub fn pile(&mut self) -> Option<Pile> {
        match self.merging.take() {
            Some(Merging { how: How::Piled(pile), .. }) => Some(*pile),
            merging => {
                self.merging = merging;
                None
            }
        }
    }

    /// All is known that rows are merged by.
    pub fn has_begun(&self) -> bool {
        self.merging.is_some()
    }

    /// Rows that the client has got.
    pub fn given(&self) -> u64 {
        self.merging.as_ref().map_or(0, Merging::given)
    }
}

impl Answer for Merged<'_> {
    /// When all legs have said what their rows look like, and they look alike, the client hears it,
    /// and they can be merged. Servers say it with their first rows: where any rows will do, and not
    /// all, nobody waits for the others.
    fn described(
        &mut self,
        _at: usize,
        legs: &[Leg],
        state: &ClientState,
        out: &mut BytesMut,
    ) -> Result<(), Why> {
        let described = |leg: &&Leg| leg.description.is_some();
        let steps = self.steps;
        let any = steps.order.is_empty() && steps.groups.is_none();
        let waits = steps.limit.is_none() || !any;
        if waits && !legs.iter().all(|leg| described(&leg)) {
            return Ok(());
        }
        let mut read = Vec::with_capacity(legs.len());
        for leg in legs.iter().filter(described) {
            let body = leg.description.as_deref().unwrap_or_default();
            read.push((&*leg.name, RowDescription::read(body).map_err(Failure::from)?));
        }
        let Some((first, others)) = read.split_first() else { return Ok(()) };
        others.iter().try_for_each(|other| shape::compare(*first, *other))?;
        if self.merging.is_some() {
            return Ok(());
        }
        let form = Form::of(state, self.memory);
        let merging = Merging::new(steps, first.1, legs.len(), (form, self.keeps));
        let merging = merging.map_err(|failure| {
            let unfit = failure.sqlstate == "0A000";
            if unfit { Why::Unfit(failure) } else { Why::Failed(failure) }
        })?;
        if self.shown {
            shape::describe(out, first.1, steps.hidden);
        }
        self.merging = Some(merging);
        Ok(())
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        out: &mut BytesMut,
        room: usize,
    ) -> Result<Took, Box<Failure>> {
        match &mut self.merging {
            Some(merging) => merging.take(legs, out, room),
            None => Ok(Took::Nothing),
        }
    }
}

/// A merge under way.
pub struct Merging {
    /// Columns of the client's rows, where a shard's have more.
    visible: Option<u16>,
    given: u64,
    /// It rests when so many are given.
    rests_at: u64,
    /// OFFSET
    skipped: u64,
    how: How,
}

enum How {
    Grouped(Box<Grouped>),
    /// As they come: so many still to be left out, and so many to be given at most.
    Concatenate {
        skip: u64,
        left: u64,
    },
    /// Kept until a server says their order.
    Piled(Box<Pile>),
    /// By their keys. A row is known by its leg and its frame's length.
    Sorted {
        merge: Merge<(usize, usize)>,
        pushed: Vec<Option<usize>>,
    },
}

impl Merging {
    /// `description` is of a shard's rows.
    ///
    /// # Errors
    /// Rows like these can't be merged so.
    pub fn new(
        steps: &Steps,
        description: RowDescription<'_>,
        legs: usize,
        (form, keeps): (Form, bool),
    ) -> Result<Merging, Box<Failure>> {
        let visible = description.len().saturating_sub(steps.hidden);
        let how = if let Some(grouping) = &steps.groups {
            How::Grouped(Box::new(Grouped::new(grouping, steps, description, visible, form)?))
        } else if steps.order.is_empty() {
            How::Concatenate { skip: steps.offset, left: steps.limit.unwrap_or(u64::MAX) }
        } else {
            let pile = || {
                let pile = keeps.then(|| Pile::of(steps, description, visible, form));
                pile.flatten().map(|pile| How::Piled(Box::new(pile)))
            };
            match order(&steps.order, description, visible, form) {
                Ok(order) => {
                    let merge = Merge::new(order, cut(steps), legs);
                    How::Sorted { merge, pushed: vec![None; legs] }
                }
                Err(failure) => pile().ok_or(failure)?,
            }
        };
        let cuts = (steps.hidden > 0).then_some(visible as u16);
        Ok(Merging { visible: cuts, given: 0, rests_at: u64::MAX, skipped: steps.offset, how })
    }

    /// Rows that the client has got.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Rests when so many more rows are given; `None`: when all are.
    pub fn rest_after(&mut self, more: Option<u64>) {
        self.rests_at = more.map_or(u64::MAX, |more| self.given.saturating_add(more));
    }

    /// It has given what it was to give before it rests.
    pub fn rests(&self) -> bool {
        self.given >= self.rests_at
    }

    /// How many rows of the feeds may go into what it gives before it rests, where none are equal.
    pub fn wants(&self) -> u64 {
        let more = self.rests_at - self.given.min(self.rests_at);
        match &self.how {
            How::Concatenate { skip, left } => more.min(*left).saturating_add(*skip),
            How::Sorted { .. } | How::Grouped(_) | How::Piled(_) => {
                more.saturating_add(self.skipped)
            }
        }
    }

    /// Nothing can be given before all rows are there.
    pub fn is_grouped(&self) -> bool {
        matches!(self.how, How::Grouped(_))
    }

    /// Rows come in any order, so that those of one shard may come before those of another.
    pub fn is_in_any_order(&self) -> bool {
        matches!(self.how, How::Concatenate { .. })
    }

    /// Takes rows from the feeds that have some, until `room` bytes are in `out`, or it rests.
    ///
    /// # Errors
    /// A row isn't what it must be.
    pub fn take<F: Feed>(
        &mut self,
        legs: &mut [F],
        out: &mut BytesMut,
        room: usize,
    ) -> Result<Took, Box<Failure>> {
        let rests_at = self.rests_at;
        match &mut self.how {
            How::Grouped(grouped) => grouped.take(legs, out, room, (&mut self.given, rests_at)),
            How::Piled(pile) => pile.take(legs),
            How::Concatenate { skip, left } => {
                let most = rests_at - self.given.min(rests_at);
                concatenate(legs, out, room, (skip, left, &mut self.given, most))
            }
            How::Sorted { merge, pushed } => {
                let mut took = Took::Nothing;
                while out.len() < room && self.given < rests_at {
                    match merge.pull() {
                        Pulled::Done => return Ok(Took::Enough),
                        Pulled::Row((at, len)) => {
                            let input = legs[at].unread();
                            put_row(out, &input[..len], self.visible);
                            input.advance(len);
                            pushed[at] = None;
                            self.given += 1;
                            took = Took::Rows;
                        }
                        Pulled::Needs(at) => {
                            // The row before was one of those that OFFSET leaves out.
                            if let Some(len) = pushed[at].take() {
                                legs[at].unread().advance(len);
                                took = Took::Rows;
                            }
                            match push(merge, &mut legs[at], at)? {
                                Pushed::Row(len) => pushed[at] = Some(len),
                                Pushed::End => {}
                                Pushed::Nothing => return Ok(took),
                            }
                        }
                    }
                }
                Ok(took)
            }
        }
    }
}

enum Pushed {
    Row(usize),
    /// The leg has no more.
    End,
    /// It isn't known yet.
    Nothing,
}

/// Hands a feed's next row over.
fn push<F: Feed>(
    merge: &mut Merge<(usize, usize)>,
    feed: &mut F,
    at: usize,
) -> Result<Pushed, Box<Failure>> {
    let Some(len) = feed.next_row().map_err(Failure::from)? else {
        if feed.has_ended() {
            merge.finish(at);
            return Ok(Pushed::End);
        }
        return Ok(Pushed::Nothing);
    };
    let body = feed.unread().get(HEADER_LEN..len).unwrap_or_default();
    let row = backend::read_data_row(body).map_err(Failure::from)?;
    let pushed = merge.push(at, row, (at, len));
    pushed.map_err(|unmerged| Box::new(not_merged(unmerged, feed.name())))?;
    Ok(Pushed::Row(len))
}

/// Takes rows in any order, whole runs of them, until `room` bytes are in `out`: how many are left
/// out still, how many are given at most, how many were, and how many are given now at most.
///
/// # Errors
/// A frame isn't what it must be.
pub fn concatenate<F: Feed>(
    legs: &mut [F],
    out: &mut BytesMut,
    room: usize,
    (skip, left, given, mut most): (&mut u64, &mut u64, &mut u64, u64),
) -> Result<Took, Box<Failure>> {
    if *left == 0 {
        return Ok(Took::Enough);
    }
    let mut took = Took::Nothing;
    for leg in legs {
        if *skip > 0 {
            let (count, bytes) = leg.next_rows(*skip, usize::MAX).map_err(Failure::from)?;
            leg.unread().advance(bytes);
            *skip -= count;
            if count > 0 {
                took = Took::Rows;
            }
        }
        let now = most.min(*left);
        if *skip > 0 || out.len() >= room || now == 0 {
            continue;
        }
        let (count, bytes) = leg.next_rows(now, room - out.len()).map_err(Failure::from)?;
        if count > 0 {
            let input = leg.unread();
            out.extend_from_slice(&input[..bytes]);
            input.advance(bytes);
            *left -= count;
            *given += count;
            most -= count;
            took = Took::Rows;
        }
    }
    Ok(took)
}

/// Appends a row's frame with no more than its first columns.
pub fn put_row(out: &mut BytesMut, frame: &[u8], visible: Option<u16>) {
    let Some(visible) = visible else { return out.extend_from_slice(frame) };
    // Behind the header and the count; the row was read before, so that its lengths hold.
    let columns = frame.get(HEADER_LEN + 2..).unwrap_or_default();
    let mut end = 0;
    for _ in 0..visible {
        let Some((length, _)) = columns.get(end..).and_then(|rest| rest.split_first_chunk()) else {
            break;
        };
        end += 4 + usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
    }
    write::frame(out, tag::DATA_ROW, |b| {
        b.put_u16(visible);
        b.extend_from_slice(columns.get(..end).unwrap_or(columns));
    });
}

/// Which rows come out.
pub fn cut(steps: &Steps) -> Cut {
    let ties = steps.ties.then_some(steps.order.len());
    Cut { distinct: steps.distinct, ties, ..Cut::window(steps.offset, steps.limit) }
}

/// The order of a shard's rows.
pub fn order(
    keys: &[SortKey],
    description: RowDescription<'_>,
    visible: usize,
    form: Form,
) -> Result<Order, Box<Failure>> {
    let mut columns = Vec::with_capacity(keys.len());
    for key in keys {
        let (index, field) = column_of(&key.column, description, visible, "ORDER BY")?;
        let bytes = key.bytewise && form.same_encoding;
        let collation = if bytes { Collation::C } else { Collation::Other };
        columns.push(SortColumn {
            index,
            column: Column { type_oid: field.type_oid, format: field.format, collation },
            descending: key.descending,
            nulls_first: key.nulls_first,
        });
    }
    Order::new(columns, form.text).map_err(|obstacle| Box::new(not_comparable(obstacle)))
}

/// Which column a key is, of the clause that is named.
pub fn column_of<'a>(
    place: &SortPlace,
    description: RowDescription<'a>,
    visible: usize,
    clause: &str,
) -> Result<(usize, Field<'a>), Box<Failure>> {
    let index = match place {
        SortPlace::Output(at) if *at >= visible => {
            let message = format!("{clause} position {} is not in select list", at + 1);
            return Err(Box::new(Failure::new("42P10", message)));
        }
        SortPlace::Output(at) => *at,
        SortPlace::Named(name) => named(name, description, visible)?,
        SortPlace::Hidden(at) => visible + at,
    };
    let field = description.iter().nth(index);
    let field =
        field.ok_or_else(|| Failure::new("XX000", format!("a column of {clause} is missing")))?;
    Ok((index, field))
}

/// The one column of the client's that has a name: there is one, unless the table is another
/// than it was when the statement was looked at.
fn named(
    name: &str,
    description: RowDescription<'_>,
    visible: usize,
) -> Result<usize, Box<Failure>> {
    let fields = description.iter().take(visible).enumerate();
    let mut called = fields.filter(|(_, field)| field.name == name.as_bytes());
    match (called.next(), called.next()) {
        (Some((at, _)), None) => Ok(at),
        _ => {
            let message = format!("the columns changed while \"{name}\" was ordered by");
            Err(Box::new(Failure::new("40001", message).with_hint("Ask again.")))
        }
    }
}

pub fn not_comparable(not: NotComparable) -> Failure {
    let hint = match not.obstacle {
        Obstacle::Type => "Order by something else, or ask for one key.",
        Obstacle::Collation => {
            "Order by a column whose collation is \"C\", or by … COLLATE \"C\", with \
             client_encoding as the server's."
        }
        Obstacle::DateStyle => "SET datestyle = 'ISO'.",
        Obstacle::IntervalStyle => "SET intervalstyle = 'postgres'.",
        Obstacle::Floats => "SET extra_float_digits = 1.",
    };
    Failure::unsupported(not.to_string(), hint)
}

fn not_merged(unmerged: Unmerged, shard: &str) -> Failure {
    Failure::new("XX000", format!("{unmerged} (shard {shard})"))
        .with_hint("Its servers may have other collations or versions than the others.")
}
