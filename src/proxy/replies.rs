//! What a server still owes: one entry for each message sent to it, in order.
//!
//! The relay passes replies on without decoding them, but it must know which reply belongs to
//! which message: some messages are pgherd's own (a setting, a Parse under another name) and
//! their replies are not for the client; some of the client's messages were answered by pgherd
//! and their replies must come out in their place; and an error skips what follows it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::wire::backend::tag;

/// The kind of a message, which decides the replies that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Parse,
    Bind,
    DescribeStatement,
    DescribePortal,
    Execute,
    Close,
    /// Ends with its own ReadyForQuery.
    Query,
    Sync,
    /// Ends with its own ReadyForQuery.
    FunctionCall,
    /// Messages of the client's up to their Sync, or one Query, all sent as they came: whatever
    /// is answered is the client's, up to the one ReadyForQuery.
    Plain,
    /// Nothing was sent: the client gets these bytes when what stands before is answered.
    Answer(Bytes),
}

impl Request {
    /// Its ReadyForQuery comes without a Sync, also after an error.
    fn ends_itself(&self) -> bool {
        matches!(self, Request::Query | Request::FunctionCall | Request::Plain)
    }
}

/// A message whose replies are not all there yet.
#[derive(Debug)]
pub struct Awaited<N> {
    pub request: Request,
    /// The client gets the replies.
    pub shown: bool,
    /// The client gets the ReadyForQuery that ends them.
    pub ready: bool,
    /// What the session remembers with the message.
    pub note: N,
}

/// Messages that were sent to one server and what has come back.
#[derive(Debug)]
pub struct Replies<N> {
    queue: VecDeque<Awaited<N>>,
    /// Messages that an error has skipped, in order.
    skipped: Vec<N>,
    /// Commands of the Query at the front that have completed.
    commands: usize,
    failed: bool,
}

/// What one frame from the server means.
#[derive(Debug)]
pub enum Seen<N> {
    /// Not a reply to anything, or not the last one: shown to the client or not.
    Part { shown: bool },
    /// The command with this number of the Query at the front is done.
    Command { shown: bool, number: usize },
    /// The message at the front has all its replies.
    Done { shown: bool, awaited: Awaited<N> },
    /// An error: of the message at the front, which is in [`Replies::take_skipped`] now unless
    /// it is a Query, with all that follow it up to the next Sync.
    Failed { shown: bool },
    /// ReadyForQuery, which is the last reply of this message. `failed`: an error came since the
    /// one before.
    Ready { awaited: Awaited<N>, failed: bool },
    /// The server sent what the protocol has no place for.
    Unexpected,
}

impl<N> Default for Replies<N> {
    fn default() -> Self {
        Replies { queue: VecDeque::new(), skipped: Vec::new(), commands: 0, failed: false }
    }
}

impl<N> Replies<N> {
    /// A message was sent, or answered by us in its place.
    pub fn push(&mut self, request: Request, shown: bool, note: N) {
        self.queue.push_back(Awaited { request, shown, ready: shown, note });
    }

    /// The client gets the last message's results, but not its ReadyForQuery: more is to come.
    pub fn last_is_unfinished(&mut self) {
        if let Some(last) = self.queue.back_mut() {
            last.ready = false;
        }
    }

    /// The client gets nothing of the last message but its ReadyForQuery.
    pub fn last_is_end(&mut self) {
        if let Some(last) = self.queue.back_mut() {
            last.ready = true;
        }
    }

    /// Messages that are not all answered.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Everything sent has its replies.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// An error has skipped messages, and no Sync has been answered since.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// The message at the front.
    pub fn front(&self) -> Option<&Awaited<N>> {
        self.queue.front()
    }

    /// The message at the front.
    pub fn front_mut(&mut self) -> Option<&mut Awaited<N>> {
        self.queue.front_mut()
    }

    /// The notes of messages that are not all answered.
    pub fn iter(&self) -> impl Iterator<Item = &N> {
        self.queue.iter().map(|awaited| &awaited.note)
    }

    /// Nothing more will come: the notes of what was not all answered, the first one first.
    pub fn take_all(&mut self) -> Vec<N> {
        let mut notes = self.take_skipped();
        notes.extend(self.queue.drain(..).map(|awaited| awaited.note));
        notes
    }

    /// The notes of messages that an error skipped, the first one first.
    pub fn take_skipped(&mut self) -> Vec<N> {
        std::mem::take(&mut self.skipped)
    }

    /// Moves our own answers that are at the front to the client's bytes. Calls `done` with the
    /// note of each.
    pub fn take_answers(&mut self, out: &mut BytesMut, mut done: impl FnMut(N)) {
        while let Some(Awaited { request: Request::Answer(_), .. }) = self.queue.front() {
            if let Some(Awaited { request: Request::Answer(bytes), shown, note, .. }) =
                self.queue.pop_front()
            {
                if shown {
                    out.extend_from_slice(&bytes);
                }
                done(note);
            }
        }
    }

    /// A frame with this type byte has come.
    pub fn see(&mut self, frame: u8) -> Seen<N> {
        let Some(front) = self.queue.front() else {
            return match frame {
                tag::NOTICE_RESPONSE | tag::PARAMETER_STATUS | tag::NOTIFICATION_RESPONSE => {
                    Seen::Part { shown: true }
                }
                tag::ERROR_RESPONSE => Seen::Failed { shown: true },
                _ => Seen::Unexpected,
            };
        };
        let shown = front.shown;
        match (frame, &front.request) {
            (tag::NOTICE_RESPONSE | tag::PARAMETER_STATUS | tag::NOTIFICATION_RESPONSE, _) => {
                Seen::Part { shown }
            }
            (tag::ERROR_RESPONSE, _) => self.fail(shown),
            (
                tag::READY_FOR_QUERY,
                Request::Query | Request::Sync | Request::FunctionCall | Request::Plain,
            ) => self.ready(),
            (_, Request::Plain) => Seen::Part { shown },
            (tag::COMMAND_COMPLETE | tag::EMPTY_QUERY_RESPONSE, Request::Query) => {
                self.commands += 1;
                Seen::Command { shown, number: self.commands - 1 }
            }
            (tag::ROW_DESCRIPTION, Request::Query) => Seen::Part { shown },
            (
                tag::DATA_ROW
                | tag::COPY_IN_RESPONSE
                | tag::COPY_OUT_RESPONSE
                | tag::COPY_DATA
                | tag::COPY_DONE,
                Request::Query | Request::Execute,
            )
            | (tag::PARAMETER_DESCRIPTION, Request::DescribeStatement) => Seen::Part { shown },
            (tag::PARSE_COMPLETE, Request::Parse)
            | (tag::BIND_COMPLETE, Request::Bind)
            | (tag::CLOSE_COMPLETE, Request::Close)
            | (
                tag::ROW_DESCRIPTION | tag::NO_DATA,
                Request::DescribeStatement | Request::DescribePortal,
            )
            | (
                tag::COMMAND_COMPLETE | tag::EMPTY_QUERY_RESPONSE | tag::PORTAL_SUSPENDED,
                Request::Execute,
            ) => self.done(shown),
            _ => Seen::Unexpected,
        }
    }

    fn done(&mut self, shown: bool) -> Seen<N> {
        match self.queue.pop_front() {
            Some(awaited) => Seen::Done { shown, awaited },
            None => Seen::Unexpected,
        }
    }

    fn ready(&mut self) -> Seen<N> {
        self.commands = 0;
        let failed = std::mem::take(&mut self.failed);
        match self.queue.pop_front() {
            Some(awaited) => Seen::Ready { awaited, failed },
            None => Seen::Unexpected,
        }
    }

    /// A Query or FunctionCall goes on to its ReadyForQuery; of the extended protocol everything up to the next
    /// Sync is skipped, our own answers too.
    fn fail(&mut self, shown: bool) -> Seen<N> {
        self.failed = true;
        let ends_itself = |front: &Awaited<N>| front.request.ends_itself();
        if !self.queue.front().is_some_and(ends_itself) {
            self.skip();
        }
        Seen::Failed { shown }
    }

    /// Drops everything up to the next Sync, as a server does after an error.
    pub fn skip(&mut self) {
        while let Some(front) = self.queue.front() {
            if front.request == Request::Sync || front.request.ends_itself() {
                break;
            }
            self.skipped.extend(self.queue.pop_front().map(|awaited| awaited.note));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(list: &[(Request, bool, u32)]) -> Replies<u32> {
        let mut replies = Replies::default();
        for (request, shown, note) in list {
            replies.push(request.clone(), *shown, *note);
        }
        replies
    }

    /// Feeds frames; writes what the client gets, with our answers in brackets.
    fn feed(replies: &mut Replies<u32>, frames: &str) -> String {
        let mut seen = String::new();
        let answers = |replies: &mut Replies<u32>, seen: &mut String| {
            let mut out = BytesMut::new();
            replies.take_answers(&mut out, |_| ());
            if !out.is_empty() {
                seen.push_str(&format!("[{}]", String::from_utf8_lossy(&out)));
            }
        };
        answers(replies, &mut seen);
        for frame in frames.bytes() {
            let shown = match replies.see(frame) {
                Seen::Part { shown }
                | Seen::Command { shown, .. }
                | Seen::Done { shown, .. }
                | Seen::Failed { shown } => shown,
                Seen::Ready { awaited, .. } => awaited.ready,
                Seen::Unexpected => {
                    seen.push('!');
                    false
                }
            };
            if shown {
                seen.push(frame as char);
            }
            answers(replies, &mut seen);
        }
        seen
    }

    #[test]
    fn our_own_messages_are_not_shown_and_our_answers_come_in_their_place() {
        let mut r = expect(&[
            (Request::Query, false, 0),
            (Request::Answer(Bytes::from_static(b"parsed")), true, 1),
            (Request::Parse, false, 2),
            (Request::Bind, true, 3),
            (Request::DescribePortal, true, 4),
            (Request::Execute, true, 5),
            (Request::Answer(Bytes::from_static(b"closed")), true, 6),
            (Request::Sync, true, 7),
        ]);
        assert_eq!(feed(&mut r, "CZ12TDDCZ"), "[parsed]2TDDC[closed]Z");
        assert!(r.is_empty() && !r.failed() && r.take_skipped().is_empty());
    }

    #[test]
    fn an_error_skips_to_the_next_sync() {
        let mut r = expect(&[
            (Request::Parse, true, 1),
            (Request::Bind, true, 2),
            (Request::Answer(Bytes::from_static(b"never")), true, 3),
            (Request::Execute, true, 4),
            (Request::Sync, true, 5),
            (Request::Parse, true, 6),
            (Request::Sync, true, 7),
        ]);
        assert_eq!(feed(&mut r, "1E"), "1E");
        assert!(r.failed());
        assert_eq!(r.take_skipped(), [2, 3, 4]);
        assert_eq!(feed(&mut r, "Z1Z"), "Z1Z");
        assert!(r.is_empty() && !r.failed());
    }

    #[test]
    fn a_query_counts_its_commands_and_ends_with_ready_also_after_an_error() {
        let mut r = expect(&[(Request::Query, true, 1), (Request::Query, true, 2)]);
        assert!(matches!(r.see(b'C'), Seen::Command { number: 0, .. }));
        assert!(matches!(r.see(b'I'), Seen::Command { number: 1, .. }));
        assert!(matches!(r.see(b'E'), Seen::Failed { shown: true }));
        assert!(r.take_skipped().is_empty());
        assert!(matches!(r.see(b'Z'), Seen::Ready { .. }));
        assert!(matches!(r.see(b'C'), Seen::Command { number: 0, .. }));
    }

    #[test]
    fn a_function_call_ends_with_ready_also_after_an_error() {
        let mut r = expect(&[
            (Request::FunctionCall, true, 1),
            (Request::FunctionCall, true, 2),
            (Request::Parse, true, 3),
        ]);
        assert_eq!(feed(&mut r, "NEZ"), "NEZ");
        assert!(r.take_skipped().is_empty() && !r.failed());
        assert_eq!(feed(&mut r, "Z1"), "Z1");
        assert_eq!(feed(&mut expect(&[(Request::FunctionCall, true, 1)]), "C"), "!");
    }

    #[test]
    fn what_has_no_place_in_the_protocol_is_noticed() {
        assert_eq!(feed(&mut expect(&[(Request::Parse, true, 1)]), "2"), "!");
        assert_eq!(feed(&mut expect(&[(Request::Sync, true, 1)]), "D"), "!");
        assert_eq!(feed(&mut expect(&[]), "Z"), "!");
        assert_eq!(feed(&mut expect(&[]), "NS"), "NS");
    }
}
