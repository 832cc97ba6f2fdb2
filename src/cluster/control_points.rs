//! Places where a test may hold a proxy, to kill something while it stands there.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks whether it may go on.
const LOOK: Duration = Duration::from_millis(5);
/// Nobody is held for longer.
const HELD: Duration = Duration::from_secs(120);

/// Control points of a directory; without one nobody is ever held.
///
/// Who comes by the point `NAME` while the directory has a file `NAME` renames it to
/// `NAME.reached`, and goes on when that is gone.
#[derive(Debug, Clone, Default)]
pub struct ControlPoints(Option<PathBuf>);

impl ControlPoints {
    pub fn new(directory: Option<PathBuf>) -> ControlPoints {
        ControlPoints(directory)
    }

    /// Waits here while a test wants it.
    pub async fn pass(&self, name: &str) {
        let Some(directory) = &self.0 else { return };
        let reached = directory.join(format!("{name}.reached"));
        if std::fs::rename(directory.join(name), &reached).is_err() {
            return;
        }
        let until = Instant::now() + HELD;
        while reached.exists() && Instant::now() < until {
            sleep(LOOK).await;
        }
    }
}
