//! One shard's part of a statement that several shards answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};

use crate::cluster::ConnectError;
use crate::proxy::held::Held;
use crate::proxy::replies::Request;
use crate::proxy::state::{ClientState, Note, Purpose};
use crate::wire::ProtocolError;
use crate::wire::backend::{self, tag};
use crate::wire::frame::{HEADER_LEN, Header};

/// Longest frame of a server that is looked at whole: a row must be, to be merged.
const MAX_FRAME: usize = 1 << 30;
const MAX_FRAME_NAME: &str = "what pgherd looks at in one message of a server";

/// How far a shard has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It hasn't said what its rows look like.
    Asked,
    /// Its rows come.
    Rows,
    /// It has no more rows.
    Ended,
    /// Its server is ready for the next statement, or is of no use any more.
    Over,
}

/// Rows of one shard on their way into a merge.
pub trait Feed {
    /// The shard's.
    fn name(&self) -> &str;

    /// No more rows come than those that are here.
    fn has_ended(&self) -> bool;

    /// What was read of its rows: frames, and maybe a part of one.
    fn unread(&mut self) -> &mut BytesMut;

    /// The row at the front, if one is there: its frame's length.
    ///
    /// # Errors
    /// A frame isn't what it must be.
    fn next_row(&mut self) -> Result<Option<usize>, ProtocolError> {
        let front = front(self.unread())?.filter(|header| header.tag == tag::DATA_ROW);
        Ok(front.map(|header| header.len))
    }

    /// The whole rows at the front, at most so many, up to so many bytes and one more: how many,
    /// and their bytes.
    ///
    /// # Errors
    /// A frame isn't what it must be.
    fn next_rows(&mut self, most: u64, bytes: usize) -> Result<(u64, usize), ProtocolError> {
        rows(self.unread(), most, bytes)
    }
}

/// A cancel request on its way.
pub type Cancelling = Pin<Box<dyn Future<Output = Result<(), ConnectError>> + Send>>;

/// A shard's connection, and what is known of its answer.
pub struct Leg {
    pub held: Held,
    /// The shard's.
    pub name: Box<str>,
    pub stage: Stage,
    /// Which of its statements it answers now, from 0, and how many there are.
    pub part: usize,
    pub parts: usize,
    /// The body of its RowDescription, or CopyOutResponse.
    pub description: Option<BytesMut>,
    /// The body of its ParameterDescription.
    pub parameters: Option<BytesMut>,
    pub cancelling: Option<Cancelling>,
    /// The kind of message that an error answered.
    pub failed: Option<Request>,
    /// Why the connection is lost.
    pub lost: Option<String>,
}

impl Leg {
    pub fn new(held: Held, name: &str) -> Leg {
        Leg {
            held,
            name: name.into(),
            stage: Stage::Asked,
            part: 0,
            parts: 1,
            description: None,
            parameters: None,
            cancelling: None,
            failed: None,
            lost: None,
        }
    }

    /// Another statement is put to it.
    pub fn begin_anew(&mut self) {
        self.again(1);
    }

    /// It is asked again, for so many answers.
    pub fn again(&mut self, parts: usize) {
        self.stage = Stage::Asked;
        (self.part, self.parts) = (0, parts);
        self.description = None;
    }

    /// The frame at the front of what was read, if all of it is there.
    pub fn front(&self) -> Result<Option<Header>, ProtocolError> {
        front(&self.held.backend.input)
    }

    /// The row at the front, if one is there: its frame's length.
    pub fn row(&self) -> Result<Option<usize>, ProtocolError> {
        let row = self.front()?.filter(|header| header.tag == tag::DATA_ROW);
        Ok(row.map(|header| header.len))
    }

    /// The whole rows at the front, at most so many, up to so many bytes and one more: how many,
    /// and their bytes.
    pub fn rows(&self, most: u64, bytes: usize) -> Result<(u64, usize), ProtocolError> {
        rows(&self.held.backend.input, most, bytes)
    }

    /// Takes the frame at the front off: its body.
    pub fn take(&mut self, header: &Header) -> BytesMut {
        let mut frame = self.held.backend.input.split_to(header.len);
        frame.advance(HEADER_LEN);
        frame
    }

    /// Whether the message that is answered now is the statement, not one of ours before it.
    pub fn is_statement(&self) -> bool {
        self.held.replies.front().is_some_and(|front| front.shown)
    }

    /// A setting was reported. Whether the client must hear of it.
    pub fn parameter(
        &mut self,
        state: &mut ClientState,
        body: &[u8],
    ) -> Result<bool, ProtocolError> {
        self.held.backend.note(tag::PARAMETER_STATUS, body)?;
        let (name, value) = backend::read_parameter_status(body)?;
        let told = self
            .held
            .replies
            .front()
            .is_none_or(|front| front.shown || front.note.purpose == Purpose::Settings);
        Ok(told && state.tell(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value)))
    }

    /// A message was skipped: what it would have done hasn't been.
    pub fn take_back(&mut self, note: Note) {
        let backend = &mut self.held.backend;
        if let Some(number) = note.prepared {
            backend.prepared.remove(number);
        }
        if note.unnamed {
            backend.unnamed = None;
        }
    }

    /// Whether a cancel request of ours has come to its end.
    pub fn poll_cancelling(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(cancelling) = &mut self.cancelling else { return false };
        let Poll::Ready(asked) = cancelling.as_mut().poll(cx) else { return false };
        self.cancelling = None;
        if let Err(error) = asked {
            // It may still arrive, and must not hit another's statement.
            self.held.backend.mark_broken();
            tracing::warn!(%error, shard = &*self.name, "a statement was not cancelled");
        }
        true
    }

    /// One that was asked, cancelled, and hasn't answered is of no use. Whose BEGIN isn't sent yet was
    /// asked nothing.
    pub fn lose_unanswered(&mut self) {
        if !self.held.replies.is_empty() && self.held.backend.output.is_empty() {
            self.lose("it didn't answer in time to a cancel request".to_owned());
        }
    }

    /// The connection can't be used any more.
    pub fn lose(&mut self, why: String) {
        self.held.backend.mark_broken();
        self.stage = Stage::Over;
        self.lost.get_or_insert(why);
    }
}

impl Feed for Leg {
    fn name(&self) -> &str {
        &self.name
    }

    fn has_ended(&self) -> bool {
        self.stage >= Stage::Ended
    }

    fn unread(&mut self) -> &mut BytesMut {
        &mut self.held.backend.input
    }
}

/// The frame at the front, if all of it is there.
fn front(input: &[u8]) -> Result<Option<Header>, ProtocolError> {
    let Some(header) = Header::peek(input)? else { return Ok(None) };
    header.check_size(MAX_FRAME, MAX_FRAME_NAME)?;
    Ok((input.len() >= header.len).then_some(header))
}

fn rows(input: &[u8], most: u64, bytes: usize) -> Result<(u64, usize), ProtocolError> {
    let (mut count, mut at) = (0, 0);
    while count < most && at < bytes {
        let Some(header) = Header::peek(&input[at..])? else { break };
        if header.tag != tag::DATA_ROW || input.len() - at < header.len {
            break;
        }
        count += 1;
        at += header.len;
    }
    Ok((count, at))
}
