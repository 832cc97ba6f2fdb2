//! The time to within a few milliseconds, for what is asked at each statement.
//!
//! The kernel keeps it at hand; reading it takes a tenth of what reading the hardware's counter
//! does, which in a virtual machine is a twentieth of all that a statement costs here.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A moment since the machine was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Duration);

impl Moment {
    pub fn now() -> Moment {
        // It can't fail: Linux has had this clock since 2.6.32.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
        Moment(now.map_or(Duration::ZERO, Duration::from))
    }

    /// So much later; `None` is never.
    pub fn after(self, time: Duration) -> Option<Moment> {
        self.0.checked_add(time).map(Moment)
    }

    /// The time that has passed since an earlier moment.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_follow_each_other() {
        let (first, time) = (Moment::now(), Duration::from_millis(30));
        std::thread::sleep(time);
        let second = Moment::now();
        // It is told in steps of at most ten milliseconds.
        assert!(second.since(first) >= time / 2 && first < second);
        assert_eq!(first.since(second), Duration::ZERO);
        assert!(first.after(time / 2).is_some_and(|then| then <= second));
        assert_eq!(first.after(Duration::MAX), None);
    }
}
