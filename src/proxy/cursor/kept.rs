//! Rows that are kept: those that a cursor with SCROLL has come by, to which it may go back.

use bytes::BytesMut;

use crate::proxy::failure::Failure;
use crate::wire::frame::Header;

/// Rows as the client gets them: frames, one behind the other.
pub struct Kept {
    rows: BytesMut,
    /// Where each ends.
    ends: Vec<usize>,
    /// Bytes that may be kept: `limits.merge_memory`.
    most: usize,
}

impl Kept {
    pub fn new(most: usize) -> Kept {
        Kept { rows: BytesMut::new(), ends: Vec::new(), most }
    }

    /// All of them.
    pub fn into_rows(self) -> BytesMut {
        self.rows
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Adds rows' frames.
    ///
    /// # Errors
    /// They don't fit.
    pub fn add(&mut self, frames: &[u8]) -> Result<(), Failure> {
        let mut at = 0;
        while let Some(header) = Header::peek(&frames[at..]).map_err(Failure::from)? {
            at += header.len;
            self.ends.push(self.rows.len() + at);
        }
        self.rows.extend_from_slice(frames);
        if self.rows.len() + self.ends.len() * size_of::<usize>() <= self.most {
            return Ok(());
        }
        let most = self.most;
        let said = format!("rows of a cursor that have to be kept take more than {most} bytes");
        Err(Failure::new("53200", said).with_hint(
            "Declare it without SCROLL, and execute FETCH without a limit on rows, so that they \
             needn't be kept; or raise limits.merge_memory.",
        ))
    }

    /// The frame of the row with this number, from 0.
    pub fn row(&self, number: u64) -> &[u8] {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(end) = self.ends.get(at) else { return &[] };
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        &self.rows[start.unwrap_or(0)..*end]
    }
}
