//! One shard's part in a COPY FROM STDIN.

use bytes::{BufMut, BytesMut};

use super::lines::{Lines, counted};
use crate::proxy::scatter::leg::{Leg, Stage};
use crate::wire::copy::{Breaks, LineEnd};
use crate::wire::frontend::{self, tag};

/// The connection to a shard, once it has one, and what it has got of the client's data.
#[derive(Default)]
pub struct Slot {
    pub leg: Option<Leg>,
    /// What it is to get when it has a connection.
    waiting: BytesMut,
    /// Where the CopyData begins that is being filled.
    frame: Option<usize>,
    headed: bool,
    pub lines: Lines,
    pub rows: u64,
    /// It had written in its transaction before.
    pub wrote: bool,
    /// The body of its CopyInResponse.
    pub response: Option<BytesMut>,
    /// Rows that it says it has taken in.
    pub copied: Option<u64>,
    pub end: Option<End>,
}

/// What a shard was told that ends its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Done,
    /// The client gave up.
    FailedByClient,
    /// pgherd did: what the server says of it is nothing to anybody.
    Failed,
}

/// What stands before the rows, and how many lines servers count for it.
#[derive(Debug, Default)]
pub struct Head {
    pub bytes: BytesMut,
    pub lines: u64,
}

impl Slot {
    fn out(&mut self) -> &mut BytesMut {
        match &mut self.leg {
            Some(leg) => &mut leg.held.backend.output,
            None => &mut self.waiting,
        }
    }

    /// Appends data to the CopyData that is being filled.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        if self.frame.is_none() {
            let out = self.out();
            let start = out.len();
            out.put_u8(tag::COPY_DATA);
            out.put_u32(0);
            self.frame = Some(start);
        }
        self.out().extend_from_slice(bytes);
    }

    /// Appends what stands before the rows, unless it is there.
    pub fn put_head(&mut self, head: &Head) {
        if !self.headed && !head.bytes.is_empty() {
            self.headed = true;
            self.put(&head.bytes);
            if head.lines > 0 {
                self.lines.push(head.lines, head.lines);
            }
        }
    }

    /// Appends a row, behind which the client is at `line`; `line_end` is what ended the lines
    /// before it.
    #[inline]
    pub fn put_row(
        &mut self,
        row: &[u8],
        head: &Head,
        breaks: Breaks,
        (line, ends): (u64, LineEnd),
    ) {
        self.put_head(head);
        self.put(row);
        self.rows += 1;
        // Its server has seen no line end before its first line.
        let ends = if self.lines.is_empty() { LineEnd::Unknown } else { ends };
        self.lines.push(counted(breaks, ends), line);
    }

    /// Ends the CopyData that is being filled: nothing is sent before.
    pub fn seal(&mut self) {
        let Some(start) = self.frame.take() else { return };
        let out = self.out();
        let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
        out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    }

    /// Bytes that wait for a connection.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Has a connection from now on, on which the COPY was begun.
    pub fn open(&mut self, mut leg: Leg) {
        self.seal();
        leg.held.backend.output.unsplit(std::mem::take(&mut self.waiting));
        self.leg = Some(leg);
    }

    /// Bytes that its server hasn't been sent yet.
    pub fn unsent(&self) -> usize {
        self.leg.as_ref().map_or(0, |leg| leg.held.backend.output.len())
    }

    /// Tells its server that there are no more data.
    pub fn finish(&mut self, end: End, reason: &[u8]) {
        self.seal();
        let Some(leg) = &mut self.leg else { return };
        if self.end.is_some() || leg.stage >= Stage::Ended {
            return;
        }
        self.end = Some(end);
        match end {
            End::Done => frontend::copy_done(&mut leg.held.backend.output),
            End::FailedByClient | End::Failed => {
                frontend::copy_fail(&mut leg.held.backend.output, reason);
            }
        }
    }

    pub fn is_over(&self) -> bool {
        let over = |leg: &Leg| leg.stage == Stage::Over && leg.cancelling.is_none();
        self.leg.as_ref().is_none_or(over)
    }
}
