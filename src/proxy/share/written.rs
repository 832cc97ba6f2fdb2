//! From what several shards answer of a write to what one server would have answered.

use bytes::BytesMut;

use super::HasFailed;
use crate::proxy::failure::Failure;
use crate::proxy::scatter::leg::{Leg, Stage};
use crate::proxy::scatter::merge::Took;
use crate::proxy::scatter::run::{Answer, Why};
use crate::proxy::scatter::shape;
use crate::proxy::state::ClientState;
use crate::routing::{Answer as How, Shares};
use crate::wire::backend::{self, RowDescription};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::Format;
use crate::wire::write;

/// The client's answer, made of the shards'.
pub struct Written<'a> {
    shares: &'a Shares,
    /// The client wants to hear what rows look like.
    shown: bool,
    /// The share that is the first of the legs that run now.
    begun: usize,
    /// How many of them run.
    running: usize,
    /// Of the first shard that has rows: its name, and the body of its RowDescription.
    described: Option<(Box<str>, BytesMut)>,
    /// Of rows in the order of VALUES: how many the client has.
    given: usize,
    /// The shards' command tags, in order.
    tags: Vec<Box<[u8]>>,
    failed: usize,
    /// Notices of the first share, where the others run after it.
    said: Vec<BytesMut>,
    /// Where the first one leads: what it has stored.
    led: Vec<BytesMut>,
    led_bytes: usize,
    formats: Vec<Format>,
    /// Bytes that may be kept of that.
    memory: usize,
}

/// Notices that are told apart.
const NOTICES: usize = 32;

impl<'a> Written<'a> {
    /// `shown`: the client gets a RowDescription. `memory` is how many bytes may be kept.
    pub fn new(shares: &'a Shares, shown: bool, memory: usize) -> Written<'a> {
        Written {
            shares,
            shown,
            begun: 0,
            running: 0,
            described: None,
            given: 0,
            tags: vec![Box::default(); shares.each.len()],
            failed: 0,
            said: Vec::new(),
            led: Vec::new(),
            led_bytes: 0,
            formats: Vec::new(),
            memory,
        }
    }

    /// How many shares have run.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// The rows that the first one has made, of which each column has a format.
    pub fn led_rows(&self) -> &[BytesMut] {
        &self.led
    }

    pub fn led_formats(&self) -> &[Format] {
        &self.formats
    }

    /// All that ran have come to their end.
    pub fn next_group(&mut self) {
        self.begun += self.running;
    }

    /// The command tag that the client gets, when all have answered. `described`: it has asked by
    /// Describe what rows look like.
    ///
    /// # Errors
    /// The answers don't make one.
    pub fn finish(self, out: &mut BytesMut, described: bool) -> Result<String, Failure> {
        if described && (self.described.is_none() || !self.shares.returns) {
            backend::empty(out, backend::tag::NO_DATA);
        }
        if let How::Interleaved(order) = &self.shares.answer
            && self.given < order.len()
        {
            return Err(rows_left_out());
        }
        let same = self.shares.answer == How::Same && self.shares.led.is_none();
        if same && self.tags.iter().any(|tag| *tag != self.tags[0]) {
            return Err(Failure::new(
                "XX000",
                "the copies of a reference table are not the same on all shards",
            )
            .with_hint("Nothing was changed. Compare the table's rows on each shard."));
        }
        Ok(added(&self.tags, self.shares.answer == How::Same))
    }

    fn row(&mut self, leg: &mut Leg, len: usize, out: &mut BytesMut) {
        out.extend_from_slice(&leg.held.backend.input.split_to(len));
    }

    /// Rows in any order; of copies, those of the first.
    fn any(&mut self, legs: &mut [Leg], out: &mut BytesMut, room: usize) -> Taking {
        let mut took = Took::Nothing;
        for (at, leg) in legs.iter_mut().enumerate() {
            let heard = self.shares.answer != How::Same || self.begun + at == 0;
            let room = if heard { room.saturating_sub(out.len()) } else { room };
            let (count, bytes) = leg.rows(u64::MAX, room).map_err(Failure::from)?;
            if count == 0 {
                continue;
            }
            took = Took::Rows;
            match heard {
                true => self.row(leg, bytes, out),
                false => drop(leg.held.backend.input.split_to(bytes)),
            }
        }
        Ok(took)
    }

    /// Rows of the one that leads: the client gets what it asked for, the others what is stored.
    fn leading(
        &mut self,
        hidden: usize,
        legs: &mut [Leg],
        out: &mut BytesMut,
        room: usize,
    ) -> Taking {
        let Some(leg) = legs.first_mut() else { return Ok(Took::Nothing) };
        let mut took = Took::Nothing;
        while out.len() < room {
            let Some(len) = leg.row().map_err(Failure::from)? else { break };
            let frame = leg.held.backend.input.split_to(len);
            let values = backend::read_data_row(&frame[HEADER_LEN..]).map_err(Failure::from)?;
            let values: Vec<Option<&[u8]>> = values.iter().collect();
            let (shown, stored) = values.split_at(values.len().saturating_sub(hidden));
            if self.shares.returns {
                backend::data_row(out, shown.iter().copied());
            }
            let mut kept = BytesMut::new();
            stored.iter().for_each(|value| write::value(&mut kept, *value));
            self.led_bytes += kept.len() + size_of::<BytesMut>();
            if self.led_bytes > self.memory {
                return Err(over(self.memory).into());
            }
            self.led.push(kept);
            took = Took::Rows;
        }
        Ok(took)
    }

    fn in_order(
        &mut self,
        order: &[u16],
        legs: &mut [Leg],
        out: &mut BytesMut,
        room: usize,
    ) -> Taking {
        let mut took = Took::Nothing;
        while out.len() < room {
            let Some(owner) = order.get(self.given) else {
                let more = |leg: &Leg| leg.row().is_ok_and(|row| row.is_some());
                return if legs.iter().any(more) { Err(rows_left_out().into()) } else { Ok(took) };
            };
            let Some(leg) = legs.get_mut(usize::from(*owner)) else { break };
            match leg.row().map_err(Failure::from)? {
                Some(len) => self.row(leg, len, out),
                None if leg.stage >= Stage::Ended => return Err(rows_left_out().into()),
                None => break,
            }
            self.given += 1;
            took = Took::Rows;
        }
        Ok(took)
    }
}

type Taking = Result<Took, Box<Failure>>;

fn over(memory: usize) -> Failure {
    Failure::new(
        "53200",
        "an INSERT into a reference table makes more than is kept of it for the other shards",
    )
    .with_hint(format!(
        "limits.merge_memory is {memory} bytes. Nothing was changed: insert fewer rows at once, or \
         give all columns their values."
    ))
}

/// Nobody knows then to which row of VALUES each of the others belongs.
fn rows_left_out() -> Failure {
    Failure::unsupported(
        "a trigger left out rows of an INSERT on several shards that returns them in order",
        "Nothing was changed. Insert the rows without RETURNING, or one by one.",
    )
}

impl Answer for Written<'_> {
    fn described(
        &mut self,
        at: usize,
        legs: &[Leg],
        _state: &ClientState,
        out: &mut BytesMut,
    ) -> Result<(), Why> {
        let Some(leg) = legs.get(at) else { return Ok(()) };
        let body = leg.description.as_ref().map_or(&[][..], |body| body);
        let own = RowDescription::read(body).map_err(Failure::from)?;
        match &self.described {
            Some((name, first)) => {
                let first = RowDescription::read(first).map_err(Failure::from)?;
                shape::compare((&**name, first), (&*leg.name, own))?;
            }
            None => {
                let hidden = self.shares.led.as_ref().map_or(0, |led| led.columns);
                let visible = own.len().saturating_sub(hidden);
                self.formats = own.iter().skip(visible).map(|field| field.format).collect();
                if self.shown && self.shares.returns {
                    shape::describe(out, own, hidden);
                }
                self.described = Some((leg.name.clone(), BytesMut::from(body)));
            }
        }
        Ok(())
    }

    fn take(&mut self, legs: &mut [Leg], out: &mut BytesMut, room: usize) -> Taking {
        self.running = legs.len();
        let shares = self.shares;
        if let (Some(led), 0) = (&shares.led, self.begun) {
            return self.leading(led.columns, legs, out, room);
        }
        match &shares.answer {
            How::Sum | How::Same => self.any(legs, out, room),
            How::Interleaved(order) => self.in_order(order, legs, out, room),
        }
    }

    fn may_have_no_rows(&self) -> bool {
        true
    }

    fn completed(&mut self, at: usize, said: &[u8]) {
        if let Some(tag) = self.tags.get_mut(self.begun + at) {
            *tag = said.into();
        }
    }

    fn is_news(&self, notice: &[u8]) -> bool {
        self.begun == 0 || !self.said.iter().any(|said| said == notice)
    }

    fn told(&mut self, notice: &BytesMut) {
        if self.shares.first_alone && self.said.len() < NOTICES {
            self.said.push(notice.clone());
        }
    }

    fn failed(&mut self, at: usize) {
        self.failed = self.begun + at;
    }
}

impl HasFailed for Written<'_> {
    fn failed_share(&self) -> usize {
        self.failed
    }
}

/// One tag of several: what stands last in it, if it is a number, is added up, or else heard once.
fn added(tags: &[Box<[u8]>], once: bool) -> String {
    let words = |tag: &[u8]| String::from_utf8_lossy(tag).into_owned();
    let first = tags.first().map_or_else(String::new, |tag| words(tag));
    let Some((verb, count)) = first.rsplit_once(' ') else { return first };
    if once || count.parse::<u64>().is_err() {
        return first;
    }
    let count = |tag: &[u8]| words(tag).rsplit_once(' ').and_then(|(_, n)| n.parse::<u64>().ok());
    let sum: u64 = tags.iter().filter_map(|tag| count(tag)).sum();
    format!("{verb} {sum}")
}

/// The answers to a lock: a row where it was taken.
#[derive(Debug, Default)]
pub struct Locked {
    pub taken: usize,
}

impl Answer for Locked {
    fn take(&mut self, legs: &mut [Leg], _out: &mut BytesMut, room: usize) -> Taking {
        let mut took = Took::Nothing;
        for leg in legs {
            let (count, bytes) = leg.rows(u64::MAX, room).map_err(Failure::from)?;
            if count > 0 {
                self.taken += 1;
                drop(leg.held.backend.input.split_to(bytes));
                took = Took::Rows;
            }
        }
        Ok(took)
    }
}

impl HasFailed for Locked {
    /// Its text isn't the client's.
    fn failed_share(&self) -> usize {
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::added;

    #[test]
    fn counts_are_added_and_words_are_said_once() {
        let tags = |tags: &[&str]| tags.iter().map(|tag| tag.as_bytes().into()).collect::<Vec<_>>();
        for (said, once, sum) in [
            (&["UPDATE 2", "UPDATE 0", "UPDATE 40"][..], false, "UPDATE 42"),
            (&["INSERT 0 2", "INSERT 0 3"], false, "INSERT 0 5"),
            (&["INSERT 0 2", "INSERT 0 2"], true, "INSERT 0 2"),
            (&["TRUNCATE TABLE", "TRUNCATE TABLE"], false, "TRUNCATE TABLE"),
        ] {
            assert_eq!(added(&tags(said), once), sum);
        }
    }
}
