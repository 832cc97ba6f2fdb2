//! Rows that a client takes in portions: an Execute with a limit on rows.
//!
//! Several servers are asked at once and serve others when they have answered, so that what is left
//! of their rows waits here, up to `limits.merge_memory`.

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;

use super::leg::Leg;
use super::merge::Took;
use super::run::{Answer, Why};
use crate::proxy::failure::Failure;
use crate::proxy::state::ClientState;
use crate::wire::backend::{self, tag};
use crate::wire::frame::Header;

/// What is left of a portal's rows; `None` before it was executed in portions.
#[derive(Debug, Default)]
pub struct Rest(Mutex<Option<BytesMut>>);

impl Rest {
    /// These rows' frames are to be given.
    pub fn keep(&self, rows: BytesMut) {
        *self.0.lock() = Some(rows);
    }

    /// Takes all of them: their frames.
    pub fn take(&self) -> BytesMut {
        self.0.lock().take().unwrap_or_default()
    }

    /// Gives at most so many rows, all where that is 0 or less, and says whether there may be more.
    /// False where none were kept.
    pub fn give(&self, most: i32, out: &mut BytesMut) -> bool {
        let mut rest = self.0.lock();
        let Some(rows) = rest.as_mut() else { return false };
        let most = u64::try_from(most).ok().filter(|most| *most > 0);
        let (mut given, mut bytes) = (0, 0);
        while most != Some(given)
            && let Ok(Some(header)) = Header::peek(&rows[bytes..])
            && rows.len() - bytes >= header.len
        {
            given += 1;
            bytes += header.len;
        }
        out.extend_from_slice(&rows[..bytes]);
        rows.advance(bytes);
        if rows.is_empty() {
            *rows = BytesMut::new();
        }
        if most == Some(given) {
            backend::empty(out, tag::PORTAL_SUSPENDED);
        } else {
            backend::command_complete(out, &format!("SELECT {given}"));
        }
        true
    }
}

/// What the client gets of an answer, and when.
#[derive(Debug, Clone, Copy)]
pub struct Giving<'a> {
    /// It gets a RowDescription.
    pub shown: bool,
    /// Where rows are kept that it takes in portions; else it gets them as they come.
    pub rest: Option<&'a Rest>,
}

impl Giving<'_> {
    /// All of it, at once.
    pub const ALL: Giving<'static> = Giving { shown: true, rest: None };

    /// All `rows` are there, so many of which the client has got.
    pub fn end(&self, rows: BytesMut, given: u64, out: &mut BytesMut) {
        match self.rest {
            Some(rest) => rest.keep(rows),
            None => backend::command_complete(out, &format!("SELECT {given}")),
        }
    }
}

/// An answer whose rows are kept, where there is a bound on what that may take, or go to the client.
pub struct Kept<A> {
    pub answer: A,
    pub rows: BytesMut,
    most: Option<usize>,
}

impl<A: Answer> Kept<A> {
    /// `most`: so many bytes may be kept, `limits.merge_memory`.
    pub fn new(answer: A, most: Option<usize>) -> Kept<A> {
        Kept { answer, rows: BytesMut::new(), most }
    }
}

impl<A: Answer> Answer for Kept<A> {
    fn described(
        &mut self,
        at: usize,
        legs: &[Leg],
        state: &ClientState,
        out: &mut BytesMut,
    ) -> Result<(), Why> {
        self.answer.described(at, legs, state, out)
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        out: &mut BytesMut,
        room: usize,
    ) -> Result<Took, Box<Failure>> {
        let Some(most) = self.most else { return self.answer.take(legs, out, room) };
        let took = self.answer.take(legs, &mut self.rows, most.saturating_add(1))?;
        if self.rows.len() <= most {
            return Ok(took);
        }
        let said = format!("the rows of a portal take more than {most} bytes");
        Err(Box::new(Failure::new("53200", said).with_hint(
            "Execute it without a limit on rows (a fetch size), so that they needn't be kept, or \
             raise limits.merge_memory.",
        )))
    }
}
