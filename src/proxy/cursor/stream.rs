//! One shard's rows of a cursor: asked for in portions, and kept until they are merged.

use bytes::{Buf, BytesMut};

use crate::proxy::failure::Failure;
use crate::proxy::replies::Request;
use crate::proxy::scatter::{Answer, Feed, Leg, Stage, Took};
use crate::proxy::session::Stop;
use crate::proxy::state::{Note, Purpose};
use crate::routing::ShardId;
use crate::wire::backend;
use crate::wire::frontend::{self, Format};

/// Bytes of rows that a shard is asked for at once, by what its rows took before.
const PORTION: u64 = 64 * 1024;
/// Rows that it is asked for at first, if so many are wanted.
const FIRST: u64 = 100;
/// Rows that it is asked for at once at most.
const MOST: u64 = 10_000;

/// The rows of one shard.
pub struct Stream {
    pub shard: ShardId,
    /// The shard's.
    name: Box<str>,
    /// Rows that it has given, and that aren't merged yet: frames.
    rows: BytesMut,
    /// It has given its last row.
    ended: bool,
    /// Rows and bytes that it has given.
    given: (u64, u64),
}

/// How a portion is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// By Execute with a limit on rows: the formats are those of the Bind.
    Execute,
    /// By FETCH, in the formats that the client's first FETCH asks for.
    Fetch(Vec<Format>),
}

impl Stream {
    pub fn new(shard: ShardId, name: &str) -> Stream {
        Stream { shard, name: name.into(), rows: BytesMut::new(), ended: false, given: (0, 0) }
    }

    /// It has to be asked before the merge can go on.
    pub fn is_dry(&mut self) -> bool {
        !self.ended && matches!(self.next_row(), Ok(None))
    }

    /// How many rows make a portion.
    pub fn portion(&self) -> u64 {
        let (rows, bytes) = self.given;
        match rows {
            0 => FIRST,
            _ => (PORTION / (bytes / rows).max(1)).clamp(1, MOST),
        }
    }
}

impl Feed for Stream {
    fn name(&self) -> &str {
        &self.name
    }

    fn has_ended(&self) -> bool {
        self.ended
    }

    fn unread(&mut self) -> &mut BytesMut {
        &mut self.rows
    }
}

impl Asks {
    /// Puts the question for so many rows of a portal into what is to be sent.
    ///
    /// # Errors
    /// A message can't be written.
    pub fn ask(&self, leg: &mut Leg, portal: &str, rows: u64) -> Result<(), Stop> {
        leg.again(1);
        leg.stage = Stage::Rows;
        let held = &mut leg.held;
        let out = &mut held.backend.output;
        match self {
            Asks::Execute => {
                let rows = i32::try_from(rows).unwrap_or(i32::MAX);
                frontend::execute(out, portal.as_bytes(), rows);
            }
            Asks::Fetch(formats) => {
                let text = format!("FETCH FORWARD {rows} FROM \"{portal}\"");
                frontend::parse(out, b"", text.as_bytes(), &[])?;
                super::open::bind_as(out, None, (b"", b""), formats);
                frontend::execute(out, b"", 0);
                // It is nobody's.
                held.backend.unnamed = None;
                held.replies.push(Request::Parse, false, Note::default());
                held.replies.push(Request::Bind, false, Note::default());
            }
        }
        held.replies.push(Request::Execute, true, Note::default());
        held.sync(false, Purpose::Undo);
        Ok(())
    }
}

/// What the legs that were asked say: their rows go to the streams.
pub struct Filling<'a> {
    pub streams: &'a mut [Stream],
    /// Of which stream each leg is, and how many rows it was asked for.
    pub turns: &'a [(usize, u64)],
    /// Bytes that may wait: `limits.merge_memory`.
    pub most: usize,
}

impl Answer for Filling<'_> {
    fn take(
        &mut self,
        legs: &mut [Leg],
        _out: &mut BytesMut,
        _room: usize,
    ) -> Result<Took, Box<Failure>> {
        let mut took = Took::Nothing;
        for (leg, (stream, _)) in legs.iter_mut().zip(self.turns) {
            if leg.stage != Stage::Rows {
                continue;
            }
            let (rows, bytes) = leg.rows(u64::MAX, usize::MAX).map_err(Failure::from)?;
            let (Some(stream), true) = (self.streams.get_mut(*stream), rows > 0) else { continue };
            let input = &mut leg.held.backend.input;
            stream.rows.extend_from_slice(&input[..bytes]);
            input.advance(bytes);
            stream.given.0 += rows;
            stream.given.1 += bytes as u64;
            took = Took::Rows;
        }
        let waiting: usize = self.streams.iter().map(|stream| stream.rows.len()).sum();
        if waiting <= self.most {
            return Ok(took);
        }
        let said =
            format!("rows of a cursor over several shards take more than {} bytes", self.most);
        Err(Box::new(
            Failure::new("53200", said)
                .with_hint("Fetch fewer rows at once, or raise limits.merge_memory."),
        ))
    }

    /// A portal that was executed to its end says so; FETCH says how many rows it has given.
    fn completed(&mut self, at: usize, said: &[u8]) {
        let Some((stream, asked)) = self.turns.get(at) else { return };
        let fewer = match said.starts_with(b"FETCH") {
            true => backend::command_rows(said).is_none_or(|rows| rows < *asked),
            false => true,
        };
        if let Some(stream) = self.streams.get_mut(*stream) {
            stream.ended |= fewer;
        }
    }
}
