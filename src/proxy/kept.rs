//! Connections that stay a client's between its transactions: in session mode all that it has
//! used, one a shard; else those in whose session it has left something that no other may find.
//!
//! Such a connection is read while its client is idle, for what a server says unasked. When
//! something may have gone of what was left, the server is asked; when nothing is left, the
//! connection is given back.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;

use super::client::Gone;
use super::database::Database;
use super::failure::Failure;
use super::held::Held;
use super::session::{Session, Stop};
use super::state::{ClientState, Effect, Note, Purpose};
use super::tunnel::forget;
use crate::config::settings::PoolMode;
use crate::routing::Leaves;
use crate::wire::backend::{ErrorFields, read_parameter_status, tag};
use crate::wire::{ProtocolError, frame, write};

/// Longest message that a server may send unasked: a notification's payload has 8000 bytes.
const UNASKED: usize = 1 << 20;

impl Session {
    /// After a transaction: the connection is kept, or given back.
    pub(super) async fn part_with_held(&mut self) {
        if self.held.as_ref().is_some_and(|held| asks(held.left)) {
            Box::pin(self.ask_what_is_left()).await;
        }
        let Some(mut held) = self.held.take() else { return };
        let committed = self.state.settings.committed();
        if !Arc::ptr_eq(&held.backend.settings, committed) {
            held.backend.settings = Arc::clone(committed);
        }
        self.portals.clear();
        self.state.cursors.clear();
        self.cancel.detach().await;
        if !self.keeps() && held.left.things().is_nothing() {
            return;
        }
        if !held.left.things().is_nothing() && !held.pin_told {
            held.pin_told = true;
            let shard = self.db.shard_name(held.shard);
            tracing::debug!(user = %self.user, shard, why = %held.left, "a client keeps its connection");
        }
        self.keep(held);
    }

    /// The connection stays the client's after its transaction.
    pub(super) fn keep(&mut self, mut held: Held) {
        held.wrote = false;
        held.may_have_notified = false;
        held.left = held.left.without(Leaves::UNPREPARED);
        held.cursors.clear();
        self.kept.push(held);
    }

    /// Session mode: every connection stays.
    pub(super) fn keeps(&self) -> bool {
        self.mode == PoolMode::Session
    }

    /// Whether a connection is this client's now.
    pub(super) fn has_server(&self) -> bool {
        self.held.is_some() || !self.kept.is_empty()
    }

    /// Why the client keeps connections to itself; empty where it keeps none.
    pub fn pins(&self) -> Leaves {
        let all = self.kept.iter().chain(&self.held);
        all.fold(Leaves::NOTHING, |left, held| left.and(held.left)).things()
    }

    /// Asks the server what is left in its session.
    async fn ask_what_is_left(&mut self) {
        let Some(held) = &mut self.held else { return };
        let things = held.left.things();
        held.left = things;
        let (text, effects) = questions(things);
        self.state.gone = Leaves::NOTHING;
        held.query(&text, false, Note { effects, purpose: Purpose::Undo, ..Note::default() });
        match self.converse().await {
            Ok(_) => {
                if let Some(held) = &mut self.held {
                    held.left = things.without(self.state.gone);
                }
            }
            // What was left is lost with its connection, or its client is.
            Err(Stop::Gone(_) | Stop::Failed(_) | Stop::Told) => {}
        }
    }

    /// DISCARD ALL: what was left is gone with its connections.
    pub(super) fn discard_kept(&mut self) {
        self.kept.drain(..).for_each(|mut held| held.backend.close());
    }

    /// The client is gone.
    pub(super) async fn forget_kept(&mut self) {
        if !self.keeps() {
            return self.discard_kept();
        }
        let end = self.db.cluster.session_end();
        for mut held in std::mem::take(&mut self.kept) {
            forget(&mut held.backend, end).await;
        }
    }

    /// A connection that was the client's own is lost, and with it what the client relies on:
    /// its session ends, as it would with its server.
    pub(super) fn doom(&mut self, left: Leaves) {
        if self.keeps() || !left.things().is_nothing() {
            let failure = Failure::new("08006", "the connection of this session's own was lost")
                .with_detail(format!("It was kept for: {left}."))
                .with_hint("Connect again.");
            self.doomed = Some(Box::new(failure.and_fatal()));
        }
    }
}

/// Whether it is worth asking: something may have gone, and a server can tell of all the rest.
fn asks(left: Leaves) -> bool {
    let things = left.things();
    left.has(Leaves::MAY_END)
        && !things.is_nothing()
        && things.without(Leaves::ASKABLE).is_nothing()
}

/// A question for each thing, answered by a row where there is such a thing.
fn questions(things: Leaves) -> (Vec<u8>, Vec<Effect>) {
    const QUESTIONS: &[(Leaves, &str)] = &[
        (
            Leaves::TEMPORARY,
            "SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema() \
             UNION ALL SELECT FROM pg_catalog.pg_proc \
             WHERE pronamespace = pg_catalog.pg_my_temp_schema() \
             UNION ALL SELECT FROM pg_catalog.pg_type \
             WHERE typnamespace = pg_catalog.pg_my_temp_schema() LIMIT 1",
        ),
        (Leaves::HELD_CURSOR, "SELECT FROM pg_catalog.pg_cursors WHERE is_holdable LIMIT 1"),
        (
            Leaves::LOCK,
            "SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' \
             AND pid = pg_catalog.pg_backend_pid() LIMIT 1",
        ),
        (Leaves::LISTENING, "SELECT FROM pg_catalog.pg_listening_channels() LIMIT 1"),
    ];
    let asked = QUESTIONS.iter().filter(|(thing, _)| things.has(*thing));
    let (effects, texts): (Vec<_>, Vec<_>) =
        asked.map(|(thing, text)| (Effect::Gone(*thing), *text)).unzip();
    (texts.join(";").into_bytes(), effects)
}

/// Ready when a server has said something unasked, which is in `out` then as far as it is the
/// client's.
pub fn poll_heard(
    kept: &mut [Held],
    db: &Database,
    state: &mut ClientState,
    out: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Gone>> {
    let mut heard = Poll::Pending;
    for held in kept {
        let read = held.backend.poll_fill(cx);
        // Also what came right behind the last answer.
        if read.is_pending() && held.backend.input.is_empty() {
            continue;
        }
        let said = held.backend.input.len();
        if let Err(gone) = listen(held, state, out) {
            return Poll::Ready(Err(gone));
        }
        if let Poll::Ready(Err(error)) = read {
            return Poll::Ready(Err(lost(db, held, &error)));
        }
        if read.is_ready() || held.backend.input.len() < said {
            heard = Poll::Ready(Ok(()));
        }
    }
    heard
}

/// Nobody knows what it would have said: its client must not go on as if it had said nothing.
fn lost(db: &Database, held: &Held, error: &io::Error) -> Gone {
    let shard = db.shard_name(held.shard);
    let what = format!("the connection to shard {shard} was lost: {error}");
    let mut failure = Failure::new("08006", what).with_hint("Connect again.");
    if !held.left.things().is_nothing() {
        failure = failure.with_detail(format!("It was kept for: {}.", held.left));
    }
    Gone::Sent(Box::new(failure.and_fatal()))
}

fn listen(held: &mut Held, state: &mut ClientState, out: &mut BytesMut) -> Result<(), Gone> {
    let broken = |error: ProtocolError| {
        Gone::Sent(Box::new(Failure::new("08006", error.message).and_fatal()))
    };
    let bound = "what a server may say unasked";
    while let Some((frame_tag, body)) =
        frame::take(&mut held.backend.input, UNASKED, bound).map_err(broken)?
    {
        let shown = match frame_tag {
            tag::NOTIFICATION_RESPONSE => {
                state.notified(&held.backend, &body, out);
                false
            }
            tag::NOTICE_RESPONSE => true,
            tag::PARAMETER_STATUS => {
                held.backend.note(frame_tag, &body).map_err(broken)?;
                let (name, value) = read_parameter_status(&body).map_err(broken)?;
                state.tell(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value))
            }
            tag::ERROR_RESPONSE => {
                let fields = ErrorFields::read(&body).map_err(broken)?;
                let failure = Failure::from_server(&fields).and_fatal();
                return Err(Gone::Sent(Box::new(failure)));
            }
            _ => {
                let what = format!("a server sent a message of type {frame_tag} unasked");
                return Err(Gone::Sent(Box::new(Failure::new("08006", what).and_fatal())));
            }
        };
        if shown {
            write::frame(out, frame_tag, |b| b.extend_from_slice(&body));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_of_what_may_be_gone_if_it_can_tell_of_all() {
        let locked = Leaves::LOCK.and(Leaves::MAY_END);
        assert!(asks(locked));
        assert!(!asks(Leaves::LOCK));
        assert!(!asks(Leaves::MAY_END));
        assert!(!asks(locked.and(Leaves::LIBRARY)));
        let (text, effects) = questions(locked.and(Leaves::LISTENING).things());
        assert_eq!(effects, [Effect::Gone(Leaves::LOCK), Effect::Gone(Leaves::LISTENING)]);
        assert_eq!(text.iter().filter(|byte| **byte == b';').count(), 1);
    }
}
