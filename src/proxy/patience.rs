//! What becomes of a statement that takes longer than it may: it is cancelled at its server, and
//! where that doesn't help, its connection ends.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::cancel::CANCEL_LIMIT;
use super::failure::Failure;
use crate::cluster::{Backend, ConnectError};

/// The patience that is had with one conversation.
pub struct Patience<'a> {
    alarm: &'a mut Alarm,
    /// The session's bound, for whom it is told.
    limit: Duration,
    due: Instant,
    stage: Stage,
}

enum Stage {
    Waiting,
    Cancelling(Pin<Box<dyn Future<Output = Result<(), ConnectError>> + Send>>),
    Cancelled,
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The time is up: the server is being asked to cancel.
    Cancel,
    /// The server has been asked.
    Asked,
    /// Nor has that helped.
    Lost,
}

impl fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<'a> Patience<'a> {
    /// Begins now.
    pub fn new(alarm: &'a mut Alarm, limit: Duration) -> Patience<'a> {
        Patience { alarm, limit, due: Instant::now() + limit, stage: Stage::Waiting }
    }

    /// Ready when it comes to something.
    pub fn poll(&mut self, backend: &mut Backend, cx: &mut Context<'_>) -> Poll<Turn> {
        match &mut self.stage {
            Stage::Waiting => {
                if self.alarm.poll_at(self.due, cx).is_pending() {
                    return Poll::Pending;
                }
                let token = backend.cancel_token();
                let asking = async move { token.cancel(CANCEL_LIMIT).await };
                self.stage = Stage::Cancelling(Box::pin(asking));
                Poll::Ready(Turn::Cancel)
            }
            Stage::Cancelling(asking) => {
                let Poll::Ready(asked) = asking.as_mut().poll(cx) else { return Poll::Pending };
                if let Err(error) = asked {
                    // It may still arrive, and must not hit another's statement.
                    backend.mark_broken();
                    tracing::warn!(%error, "a statement that took too long was not cancelled");
                }
                self.stage = Stage::Cancelled;
                self.due = Instant::now() + CANCEL_LIMIT;
                Poll::Ready(Turn::Asked)
            }
            Stage::Cancelled => self.alarm.poll_at(self.due, cx).map(|()| Turn::Lost),
        }
    }

    /// A request to cancel is under way: until it has arrived, it could hit the next statement.
    pub fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Cancelling(_))
    }

    /// The time was up.
    pub fn has_ended(&self) -> bool {
        !matches!(self.stage, Stage::Waiting)
    }

    /// What the client is told in place of its server's word of a cancel request.
    pub fn tell(&self, out: &mut BytesMut) {
        Failure::new("57014", "canceling statement due to statement timeout")
            .with_hint(format!("limits.statement_timeout is {:?} here.", self.limit))
            .write(out);
    }

    /// Why the connection is given up.
    pub fn why_lost() -> String {
        let seconds = CANCEL_LIMIT.as_secs();
        format!("it took longer than limits.statement_timeout, and {seconds} s to be cancelled")
    }
}
