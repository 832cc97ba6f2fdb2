//! Something that several servers of a transaction are told at once, by us.

use std::time::Duration;

use bytes::BytesMut;
use tokio::time::timeout;

use crate::cluster::ask::{Row, read_row};
use crate::proxy::failure::Failure;
use crate::proxy::held::{Held, purpose};
use crate::proxy::replies::Seen;
use crate::proxy::state::{ClientState, Purpose};
use crate::wire::backend::{self, ErrorFields, tag};
use crate::wire::{ProtocolError, frame, write};

/// Longest message that is listened to: errors of deferred constraints, notices of triggers.
const MESSAGE: usize = 1 << 20;
const MESSAGE_NAME: &str = "what a server may say to a transaction's control";
/// Bytes of rows that are listened to: what a question of ours about the catalogs is answered by.
const ROWS: usize = 256 << 20;
/// Notices that are passed on.
const NOTICES: usize = 100;

/// What a server has answered.
#[derive(Debug, Default)]
pub struct Said {
    /// Its error, if it has one.
    pub failure: Option<Box<Failure>>,
    /// The same as it came: an ErrorResponse's body.
    pub error: BytesMut,
    /// Rows that it answered with, by command.
    pub rows: Vec<Vec<Row>>,
    /// Those of the command that isn't complete yet.
    row_set: Vec<Row>,
    /// Bytes of them.
    row_bytes: usize,
    /// The last command's tag.
    pub tag: Box<[u8]>,
    /// Bodies of NoticeResponses.
    notices: Vec<BytesMut>,
    /// Parameters that it has reported.
    parameters: Vec<(Box<str>, Box<str>)>,
}

impl Said {
    /// Passes on what the client must hear of it beside the outcome.
    pub fn pass_on(self, state: &mut ClientState, out: &mut BytesMut) {
        for notice in self.notices {
            write::frame(out, tag::NOTICE_RESPONSE, |b| b.extend_from_slice(&notice));
        }
        for (name, value) in self.parameters {
            if state.tell(&name, &value) {
                backend::parameter_status(out, name.as_bytes(), value.as_bytes());
            }
        }
    }
}

/// Tells a server something by simple query, whatever its client has left unfinished.
///
/// # Errors
/// The connection is lost; why. Then it is marked as broken.
pub async fn tell(held: &mut Held, text: impl AsRef<[u8]>) -> Result<Said, String> {
    if held.backend.is_broken() {
        return Err("the connection was lost before".to_owned());
    }
    let heard = exchange(held, text.as_ref()).await;
    if heard.is_err() {
        held.backend.mark_broken();
    }
    heard
}

/// As [`tell`]; the connection counts as lost when it takes longer than `limit`.
pub async fn tell_within(held: &mut Held, text: &str, limit: Duration) -> Result<Said, String> {
    match timeout(limit, tell(held, text)).await {
        Ok(heard) => heard,
        Err(_) => {
            held.backend.mark_broken();
            Err(format!("no answer within {:.1} s", limit.as_secs_f64()))
        }
    }
}

async fn exchange(held: &mut Held, text: &[u8]) -> Result<Said, String> {
    if held.unsynced || held.replies.failed() {
        held.sync(false, Purpose::Undo);
    }
    held.query(text, false, purpose(Purpose::Undo));
    let in_words = |error: std::io::Error| error.to_string();
    held.backend.send().await.map_err(in_words)?;
    let mut said = Said::default();
    while !held.replies.is_empty() {
        let taken = frame::take(&mut held.backend.input, MESSAGE, MESSAGE_NAME);
        match taken.map_err(|error| error.message)? {
            Some((tag, body)) => said.hear(held, tag, body).map_err(|error| error.message)?,
            None => {
                held.backend.fill().await.map_err(in_words)?;
            }
        }
    }
    Ok(said)
}

impl Said {
    fn hear(
        &mut self,
        held: &mut Held,
        frame_tag: u8,
        body: BytesMut,
    ) -> Result<(), ProtocolError> {
        held.backend.note(frame_tag, &body)?;
        match frame_tag {
            tag::NOTICE_RESPONSE => {
                if self.notices.len() < NOTICES {
                    self.notices.push(body);
                }
                return Ok(());
            }
            tag::NOTIFICATION_RESPONSE => {
                let notified = held.notified.get_or_insert_default();
                if notified.len() + body.len() > MESSAGE {
                    return Err(ProtocolError::message("it sent too many notifications at once"));
                }
                write::frame(notified, frame_tag, |b| b.extend_from_slice(&body));
                return Ok(());
            }
            tag::PARAMETER_STATUS => {
                let (name, value) = backend::read_parameter_status(&body)?;
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned().into_boxed_str();
                self.parameters.push((text(name), text(value)));
                return Ok(());
            }
            tag::ERROR_RESPONSE => {
                let fields = ErrorFields::read(&body)?;
                let failure = Failure::from_server(&fields);
                if matches!(fields.severity(), b"FATAL" | b"PANIC") {
                    return Err(ProtocolError::message(failure.message));
                }
                if self.failure.is_none() {
                    self.failure = Some(Box::new(failure));
                    self.error = body;
                }
            }
            tag::DATA_ROW => {
                self.row_bytes += body.len();
                if self.row_bytes > ROWS {
                    return Err(ProtocolError::message(format!("its rows have over {ROWS} bytes")));
                }
                self.row_set.push(read_row(&body)?);
            }
            tag::COMMAND_COMPLETE => {
                self.rows.push(std::mem::take(&mut self.row_set));
                self.tag = backend::read_command_complete(&body).unwrap_or_default().into();
            }
            _ => {}
        }
        match held.replies.see(frame_tag) {
            Seen::Unexpected => Err(ProtocolError::message(format!(
                "it sent a message of type {frame_tag} out of order"
            ))),
            _ => Ok(()),
        }
    }
}
