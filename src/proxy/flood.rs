//! Large results in few pieces.
//!
//! A server sends its rows in pieces of 8 KB, and each costs a wake-up, a read and a write: most
//! of what a large result costs a proxy. While many rows are coming the kernel is asked to wake us
//! only when there are some pieces of them. How much is still to come nobody knows, so that after
//! a while without any the rest is asked for, whatever it is.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::Backend;
use crate::proxy::alarm::Alarm;

/// What has brought so many bytes brings more of them, mostly. Beside the time that they have
/// taken, [`PAUSE`] is little.
const MANY: usize = 4 << 20;
/// Bytes that are worth a wake-up.
const WORTH: usize = 48 * 1024;
/// What hasn't come after this time isn't waited for.
const PAUSE: Duration = Duration::from_millis(1);

/// What a server sends in answer to one message, or to several that were sent together.
#[derive(Debug, Default)]
pub struct Flood {
    /// Bytes since it has begun, or has paused.
    bytes: usize,
    /// When it will have paused; `None` while it is no flood.
    ebbs: Option<Instant>,
    alarm: Alarm,
}

impl Flood {
    /// So many bytes have come.
    pub fn brings(&mut self, bytes: usize, backend: &Backend) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes < MANY {
            return;
        }
        if self.ebbs.is_none() {
            backend.wake_at(WORTH);
        }
        self.ebbs = Some(Instant::now() + PAUSE);
    }

    /// Sees to it that what is there is read, though it be little, when nothing more has come for a
    /// while.
    pub fn poll(&mut self, backend: &Backend, cx: &mut Context<'_>) {
        if let Some(ebbs) = self.ebbs
            && let Poll::Ready(()) = self.alarm.poll_at(ebbs, cx)
        {
            self.end(backend);
        }
    }

    /// From now on a single byte is worth a wake-up; the kernel says so of those that are there.
    pub fn end(&mut self, backend: &Backend) {
        if self.ebbs.take().is_some() {
            backend.wake_at(1);
        }
        self.bytes = 0;
    }
}
