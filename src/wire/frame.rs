//! Frames: a type byte, a length of four bytes that counts itself, a body.
//!
//! The relay doesn't decode: [`Walk`] looks at headers over whatever has been read and says how
//! many bytes can go on as they are, up to the next frame that somebody must look at. A frame
//! that only passes through need not be whole in the buffer; one that is looked at must be, and
//! is therefore bounded.

use bytes::{Buf, BytesMut};

use super::ProtocolError;

/// The type byte and the length.
pub const HEADER_LEN: usize = 5;

/// What the first five bytes of a frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub tag: u8,
    /// Bytes of the whole frame, its type byte and length included; at least 5.
    pub len: usize,
}

impl Header {
    /// The header at the start of `buf`; `None` while it isn't all there.
    ///
    /// A length below 4 or negative is fatal: nobody knows where the next frame starts.
    #[inline]
    pub fn peek(buf: &[u8]) -> Result<Option<Header>, ProtocolError> {
        let Some((first, _)) = buf.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
        match Header::read(first) {
            Some(header) => Ok(Some(header)),
            None => Err(invalid_length(first)),
        }
    }

    /// What a frame's first bytes say; `None` when no frame is so short, or so long.
    #[inline]
    pub fn read([tag, a, b, c, d]: &[u8; HEADER_LEN]) -> Option<Header> {
        let claimed = i32::from_be_bytes([*a, *b, *c, *d]);
        let len = usize::try_from(claimed).ok().filter(|len| *len >= 4)?;
        Some(Header { tag: *tag, len: len + 1 })
    }

    /// Bytes after the header.
    pub fn body_len(&self) -> usize {
        self.len - HEADER_LEN
    }

    /// Fatal when the whole frame is larger than `max` bytes; `setting` is the bound's name.
    #[inline]
    pub fn check_size(&self, max: usize, setting: &str) -> Result<(), ProtocolError> {
        if self.len <= max { Ok(()) } else { Err(self.too_long(max, setting)) }
    }

    #[cold]
    fn too_long(&self, max: usize, setting: &str) -> ProtocolError {
        ProtocolError::fatal(format!(
            "message of type {} has {} bytes, more than the {max} of {setting}",
            show_tag(self.tag),
            self.len
        ))
    }
}

#[cold]
fn invalid_length([tag, a, b, c, d]: &[u8; HEADER_LEN]) -> ProtocolError {
    let claimed = i32::from_be_bytes([*a, *b, *c, *d]);
    let tag = show_tag(*tag);
    ProtocolError::fatal(format!("invalid message length {claimed} of message type {tag}"))
}

/// A type byte for a message: itself when it can be printed.
pub(crate) fn show_tag(tag: u8) -> String {
    if tag.is_ascii_graphic() { format!("'{}'", tag as char) } else { format!("0x{tag:02x}") }
}

/// One whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub tag: u8,
    pub body: &'a [u8],
}

/// The whole frame at the start of `buf`, and how long it is; `None` while it isn't all there.
///
/// `max` bounds the whole frame: a larger one is refused by its header, before anybody reads or
/// keeps its bytes.
pub fn first<'a>(
    buf: &'a [u8],
    max: usize,
    setting: &str,
) -> Result<Option<(Frame<'a>, usize)>, ProtocolError> {
    let Some(header) = Header::peek(buf)? else { return Ok(None) };
    header.check_size(max, setting)?;
    Ok(buf.get(HEADER_LEN..header.len).map(|body| (Frame { tag: header.tag, body }, header.len)))
}

/// Cuts the first whole frame off `buf`: its type byte and its body.
pub fn take(
    buf: &mut BytesMut,
    max: usize,
    setting: &str,
) -> Result<Option<(u8, BytesMut)>, ProtocolError> {
    let Some((frame, len)) = first(buf, max, setting)? else { return Ok(None) };
    let tag = frame.tag;
    let mut whole = buf.split_to(len);
    whole.advance(HEADER_LEN);
    Ok(Some((tag, whole)))
}

/// Moves the first `len` bytes to the end of `to`; copied is only what isn't all there is.
pub fn move_front(from: &mut BytesMut, len: usize, to: &mut BytesMut) {
    if len == from.len() && to.is_empty() {
        std::mem::swap(from, to);
    } else {
        to.extend_from_slice(&from[..len]);
        from.advance(len);
    }
}

/// A set of type bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagSet([u64; 4]);

impl TagSet {
    pub const fn of(tags: &[u8]) -> TagSet {
        let mut bits = [0u64; 4];
        let mut i = 0;
        while i < tags.len() {
            bits[(tags[i] >> 6) as usize] |= 1 << (tags[i] & 63);
            i += 1;
        }
        TagSet(bits)
    }

    pub const fn contains(&self, tag: u8) -> bool {
        self.0[(tag >> 6) as usize] & (1 << (tag & 63)) != 0
    }
}

/// Position in a stream of frames that is read in pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Bytes still to come of a frame that is being passed on.
    pending: usize,
}

/// What [`Walk::run`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// So many bytes from the front of the buffer can be passed on as they are.
    pub pass: usize,
    /// What follows them.
    pub then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// A frame that must be looked at, all of it at `buf[pass..pass + header.len]`. The walk goes
    /// on behind it, so the caller takes it off the buffer, whatever becomes of it.
    Look(Header),
    /// Nothing whole. What is left of the buffer needs at least so many bytes in all before
    /// it is worth another look.
    Read { at_least: usize },
}

impl Walk {
    /// Whether the stream stands between two frames, as far as it has been walked.
    pub fn at_boundary(&self) -> bool {
        self.pending == 0
    }

    /// Walks the headers in `buf`, which starts where the last run's `pass` (and looked-at frame)
    /// ended. Frames with a type in `look` stop the walk and may have at most `max_look` bytes;
    /// others pass at any length, also in pieces.
    pub fn run(
        &mut self,
        buf: &[u8],
        look: &TagSet,
        max_look: usize,
        setting: &str,
    ) -> Result<Run, ProtocolError> {
        let mut at = self.pending.min(buf.len());
        self.pending -= at;
        if self.pending > 0 {
            return Ok(Run { pass: at, then: Then::Read { at_least: 1 } });
        }
        loop {
            let rest = &buf[at..];
            let Some(header) = Header::peek(rest)? else {
                return Ok(Run { pass: at, then: Then::Read { at_least: HEADER_LEN } });
            };
            if look.contains(header.tag) {
                header.check_size(max_look, setting)?;
                let then = if rest.len() >= header.len {
                    Then::Look(header)
                } else {
                    Then::Read { at_least: header.len }
                };
                return Ok(Run { pass: at, then });
            }
            if rest.len() < header.len {
                self.pending = header.len - rest.len();
                return Ok(Run { pass: buf.len(), then: Then::Read { at_least: 1 } });
            }
            at += header.len;
        }
    }
}
