//! The frames of a server that are looked at: what they change in the session and in what is
//! known of the connection, and whether the client gets them.

use std::mem;

use super::{Broken, Conversation, HiddenError, from_server};
use crate::proxy::edited::move_error;
use crate::proxy::failure::REVALIDATE;
use crate::proxy::replies::{Awaited, Request, Seen};
use crate::proxy::state::{Note, Purpose};
use crate::wire::backend::{self, ErrorFields, RowDescription, TransactionStatus, tag};
use crate::wire::frame::{HEADER_LEN, TagSet};

/// All that a server sends, but rows, results of function calls and COPY data.
const LOOK: TagSet = TagSet::of(b"SNAZE12C3tTnIsGHWcKRv");
/// Also rows, of which the first must be changed.
const LOOK_AT_ROWS: TagSet = TagSet::of(b"SNAZE12C3tTnIsGHWcKRvD");
/// What changes state when all replies are the client's, or must be changed.
pub const LOOK_PLAIN: TagSet = TagSet::of(b"SZE1GWA");

impl Conversation<'_> {
    /// The frames that must be looked at now.
    pub(super) fn looks_at(&self) -> &'static TagSet {
        match self.replies.front() {
            Some(Awaited { request: Request::Plain, .. }) => &LOOK_PLAIN,
            _ if self.wants_rows() => &LOOK_AT_ROWS,
            _ => &LOOK,
        }
    }

    /// The first row of an EXPLAIN must be seen.
    pub(super) fn wants_rows(&self) -> bool {
        !self.explained && self.replies.front().is_some_and(|front| front.note.explain.is_some())
    }

    /// One frame that may change state; whether the client gets it.
    pub(super) fn look(&mut self, frame_tag: u8, frame: &[u8]) -> Result<bool, Broken> {
        let body = &frame[HEADER_LEN..];
        match frame_tag {
            tag::PARAMETER_STATUS => self.parameter(body),
            tag::DATA_ROW => {
                self.first_row(body);
                Ok(false)
            }
            tag::ERROR_RESPONSE => self.error(frame),
            // Whatever is under way, it is the client who listens.
            tag::NOTIFICATION_RESPONSE => {
                self.state.notified(self.backend, body, &mut self.client.output);
                Ok(false)
            }
            _ => self.reply(frame_tag, body),
        }
    }

    /// Any reply but an error; whether the client gets it.
    fn reply(&mut self, frame_tag: u8, body: &[u8]) -> Result<bool, Broken> {
        match frame_tag {
            tag::PARAMETER_DESCRIPTION => self.learn(body)?,
            tag::ROW_DESCRIPTION | tag::NO_DATA => self.learn_shape(frame_tag, body)?,
            tag::PARSE_COMPLETE => self.parsed(),
            _ => {}
        }
        if frame_tag == tag::COPY_IN_RESPONSE {
            self.copy.on = true;
            self.copied = true;
        }
        match self.replies.see(frame_tag) {
            Seen::Part { shown } => Ok(shown),
            Seen::Command { shown, number } => {
                self.explained = false;
                self.copy.stop();
                let front = self.replies.front();
                if let Some(effect) = front.and_then(|front| front.note.effects.get(number)) {
                    self.state.apply(effect, command_tag(frame_tag, body));
                }
                Ok(shown)
            }
            Seen::Done { shown, awaited } => {
                self.explained = false;
                self.copy.stop();
                if awaited.request == Request::Execute
                    && frame_tag == tag::COMMAND_COMPLETE
                    && let Some(effect) = awaited.note.effects.first()
                {
                    self.state.apply(effect, command_tag(frame_tag, body));
                }
                Ok(shown)
            }
            Seen::Ready { awaited, failed } => {
                self.backend.note(frame_tag, body).map_err(from_server)?;
                let client_sees = awaited.ready || awaited.note.purpose == Purpose::EarlySync;
                if client_sees && self.backend.status() == TransactionStatus::Idle {
                    self.state.settle(failed);
                }
                if client_sees {
                    self.state.status = self.backend.status();
                }
                self.copy.stop();
                Ok(awaited.ready)
            }
            Seen::Failed { .. } | Seen::Unexpected => {
                Err(Broken::Server(format!("it sent a message of type {frame_tag} out of order")))
            }
        }
    }

    /// A setting was reported: the client gets it when it has been told another value, unless
    /// the report comes of a trial run.
    fn parameter(&mut self, body: &[u8]) -> Result<bool, Broken> {
        self.backend.note(tag::PARAMETER_STATUS, body).map_err(from_server)?;
        let (name, value) = backend::read_parameter_status(body).map_err(from_server)?;
        let told = self.replies.front().is_none_or(|front| {
            let ours = [Purpose::Settings, Purpose::EarlySync, Purpose::AfterReset];
            front.shown || ours.contains(&front.note.purpose)
        });
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        Ok(told && self.state.tell(&name, &value))
    }

    fn learn(&mut self, body: &[u8]) -> Result<(), Broken> {
        let types = backend::read_parameter_description(body).map_err(from_server)?;
        if let Some(statement) = self.replies.front().and_then(|f| f.note.learn.as_ref()) {
            statement.learn(types.iter().collect());
        }
        Ok(())
    }

    fn learn_shape(&mut self, frame_tag: u8, body: &[u8]) -> Result<(), Broken> {
        let Some(statement) = self.replies.front().and_then(|f| f.note.learn.as_ref()) else {
            return Ok(());
        };
        let hash = match frame_tag {
            tag::NO_DATA => 0,
            _ => shape_of(RowDescription::read(body).map_err(from_server)?),
        };
        statement.see_shape(hash, self.backend.prepared_schema);
        Ok(())
    }

    /// Of messages that are answered together: what the Parse among them did has been done.
    fn parsed(&mut self) {
        if let Some(front) = self.replies.front_mut()
            && front.request == Request::Plain
        {
            front.note.before = None;
            front.note.unnamed = false;
        }
    }

    fn first_row(&mut self, row: &[u8]) {
        self.explained = true;
        if let Some(shown) = self.replies.front().and_then(|f| f.note.explain.as_ref()) {
            shown.write_first_row(&mut self.client.output, row);
        }
    }

    fn error(&mut self, frame: &[u8]) -> Result<bool, Broken> {
        let fields = ErrorFields::read(&frame[HEADER_LEN..]).map_err(from_server)?;
        if matches!(fields.severity(), b"FATAL" | b"PANIC") {
            return Err(Broken::Server(String::from_utf8_lossy(fields.message()).into_owned()));
        }
        if is_stale_plan(&fields) {
            // Prepared before a change of the schema that pgherd doesn't know of yet.
            self.backend.prepared_schema = 0;
            self.state.redefined = true;
        }
        let cancelled = fields.sqlstate() == b"57014";
        let verdict = self.state.verdict(fields.sqlstate());
        self.copy.stop();
        let purpose = self.replies.front().map_or(Purpose::Client, |f| f.note.purpose);
        let shown = matches!(self.replies.see(tag::ERROR_RESPONSE), Seen::Failed { shown: true });
        if let Some(Awaited { request: Request::Plain, note, .. }) = self.replies.front_mut() {
            let parse = mem::take(note);
            self.take_back(parse);
        }
        for note in self.replies.take_skipped().into_iter().rev() {
            self.take_back(note);
        }
        // A message that the client's own one needs fails in its place.
        if (shown && purpose != Purpose::Define) || purpose == Purpose::Client {
            self.failed = true;
            if let Some(deadlock) = verdict {
                deadlock.write(&mut self.client.output);
                return Ok(false);
            }
            return Ok(match (&self.patience, &self.state.edited) {
                (Some(patience), _) if cancelled && patience.has_ended() => {
                    patience.tell(&mut self.client.output);
                    false
                }
                (_, Some(edited)) => {
                    let moved = |position: &[u8]| edited.place_before(position);
                    let out = &mut self.client.output;
                    move_error(out, &frame[HEADER_LEN..], moved).map_err(from_server)?;
                    false
                }
                _ => true,
            });
        }
        if self.hidden.is_none() {
            self.hidden = Some(HiddenError { purpose, frame: frame.into() });
        }
        Ok(false)
    }

    /// A message was skipped: what it would have done hasn't been.
    fn take_back(&mut self, note: Note) {
        if let Some(number) = note.prepared {
            self.backend.prepared.remove(number);
        }
        if let Some(name) = note.named {
            self.backend.named.remove(&name);
        }
        if note.unnamed {
            self.backend.unnamed = None;
        }
        if let Some(before) = note.before {
            self.state.statements.take_back(before);
        }
    }
}

/// `cached plan must not change result type`.
pub fn is_stale_plan(fields: &ErrorFields<'_>) -> bool {
    fields.sqlstate() == b"0A000" && fields.get(b'R') == Some(REVALIDATE.as_bytes())
}

fn command_tag(frame_tag: u8, body: &[u8]) -> &[u8] {
    if frame_tag == tag::COMMAND_COMPLETE {
        backend::read_command_complete(body).unwrap_or_default()
    } else {
        b""
    }
}

/// A hash of what results look like, alike on all shards: the OIDs of tables, and of types that
/// users made, are each server's own.
fn shape_of(description: RowDescription<'_>) -> u64 {
    use std::hash::{BuildHasher, Hash, Hasher};
    /// `FirstNormalObjectId`: what users make has OIDs from here on.
    const FIRST_OF_USERS: u32 = 16384;
    let mut hasher = foldhash::quality::FixedState::default().build_hasher();
    description.len().hash(&mut hasher);
    for field in description.iter() {
        // A name's other bytes depend on the client's encoding.
        field.name.iter().filter(|b| b.is_ascii()).for_each(|b| hasher.write_u8(*b));
        let type_oid = if field.type_oid < FIRST_OF_USERS { field.type_oid } else { 0 };
        (type_oid, field.type_mod).hash(&mut hasher);
    }
    hasher.finish()
}
