//! A timer for what rarely takes as long as it may.
//!
//! To set a timer and take it back for each statement would cost more than looking at the
//! statement does. So one that is set already, for an earlier time, is left as it is; when it
//! goes off too early, it is set to the time that is meant by then. A busy session sets it once
//! in as long as its shortest bound is.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Belongs to one session, whatever it waits for.
#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready when it is this time or later.
    pub fn poll_at(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= at || Instant::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }

    /// Waits until this time; for ever where there is none. May be dropped while waiting.
    pub async fn at(&mut self, at: Option<Instant>) {
        match at {
            Some(at) => poll_fn(|cx| self.poll_at(at, cx)).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    const STEP: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn it_goes_off_when_it_is_meant_to_and_never_earlier() {
        let mut alarm = Alarm::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let start = Instant::now();
        // Set and not waited for, as by statements that end in time.
        for i in 1..5 {
            let far = start + 3600 * STEP * i;
            assert!(alarm.poll_at(far, &mut cx).is_pending());
        }
        let first = alarm.0.as_ref().map(|sleep| sleep.deadline());
        assert_eq!(first, Some(start + 3600 * STEP), "an earlier time is left");
        for (steps, why) in [(2, "earlier than it was set"), (4, "after it has gone off")] {
            alarm.at(Some(start + steps * STEP)).await;
            assert!(start.elapsed() >= steps * STEP, "{why}");
        }
        let soon = Instant::now() + STEP;
        assert!(alarm.poll_at(soon, &mut cx).is_pending());
        sleep(2 * STEP).await;
        let late = Instant::now() + 3 * STEP;
        alarm.at(Some(late)).await;
        assert!(Instant::now() >= late, "it went off for a time that isn't meant any more");
        alarm.at(Some(start)).await;
        assert!(timeout(STEP, alarm.at(None)).await.is_err());
    }
}
