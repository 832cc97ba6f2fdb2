//! COPY from a client: its data go to the server while the server wants them.

use super::{Broken, Conversation, client};
use crate::proxy::client::{Gone, HIGH_WATER};
use crate::proxy::replies::Request;
use crate::proxy::state::Note;
use crate::wire::frame::move_front;
use crate::wire::frontend::{self, tag};
use crate::wire::write;

/// Whether the client's COPY data go to the server.
#[derive(Debug, Default)]
pub struct CopyIn {
    pub on: bool,
    /// Bytes still to come of a message that is being passed on.
    pub rest: usize,
    /// The server has been told that there are no more data, and not yet to answer.
    ended: bool,
}

impl CopyIn {
    /// The server wants no more of it.
    pub fn stop(&mut self) {
        self.on = false;
        self.ended = false;
    }
}

impl Conversation<'_> {
    /// Passes the client's COPY data on while the server wants them.
    pub(super) fn copy_in(&mut self) -> Result<(), Broken> {
        loop {
            if self.copy.rest > 0 {
                let here = self.copy.rest.min(self.client.input.len());
                self.forward(here);
                self.copy.rest -= here;
                if self.copy.rest > 0 {
                    return Ok(());
                }
            }
            if self.copy.ended {
                return self.behind_copy();
            }
            let full = self.backend.output.len() >= HIGH_WATER;
            if !self.copy.on || full || !self.copy_message()? {
                return Ok(());
            }
        }
    }

    /// One message of a client in COPY; false when there is none yet. Only its data are passed
    /// on in pieces, and one message at a time, so that the stream stands at a boundary
    /// wherever the server ends the COPY.
    fn copy_message(&mut self) -> Result<bool, Broken> {
        if self.client.peek() == Some(tag::COPY_DATA) {
            let Some(header) = self.client.header().map_err(client)? else { return Ok(false) };
            self.copy.rest = header.len;
            return Ok(true);
        }
        let Some((message, body)) = self.client.take_message().map_err(Gone::from)? else {
            return Ok(false);
        };
        match message {
            // Postgres ignores them here, so that a pipeline may go on behind its COPY.
            tag::FLUSH | tag::SYNC => {}
            tag::TERMINATE => return Err(Gone::Closed.into()),
            other => {
                // CopyDone and CopyFail end it; whatever else, the server refuses.
                write::frame(&mut self.backend.output, other, |b| b.extend_from_slice(&body));
                self.end_copy();
            }
        }
        Ok(true)
    }

    /// The server has been told that there are no more data.
    pub(super) fn end_copy(&mut self) {
        self.copy.on = false;
        self.copy.ended = self.replies.front().is_some_and(|f| f.request == Request::Execute);
    }

    /// What the client says behind its data has the server answer: it took a Sync behind Execute
    /// for part of the COPY. Told to flush before the client's Sync, it would say that the COPY
    /// is done before it is committed.
    fn behind_copy(&mut self) -> Result<(), Broken> {
        match self.client.peek() {
            None => return Ok(()),
            Some(tag::SYNC) => {
                if self.client.take_message().map_err(Gone::from)?.is_none() {
                    return Ok(());
                }
                frontend::sync(&mut self.backend.output);
                self.backend.expect_ready(1);
                self.replies.push(Request::Sync, true, Note::default());
                self.synced = true;
            }
            Some(_) => frontend::flush(&mut self.backend.output),
        }
        self.copy.ended = false;
        Ok(())
    }

    fn forward(&mut self, len: usize) {
        move_front(&mut self.client.input, len, &mut self.backend.output);
    }
}
