//! COPY of a table of which several shards have rows (`docs/decisions/012-copy.md`).
//!
//! FROM STDIN: `from` cuts the client's data and hands them to the `slot` of each shard, `drive`
//! moves the bytes and hears what servers say, in whose errors `lines` puts the client's own line
//! numbers. TO STDOUT is in `out`, of a query in
//! `query`.

mod drive;
mod from;
mod lines;
mod out;
mod query;
mod slot;

pub use self::query::{Counted, Written};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::Failure;
use super::leg::Leg;
use super::portals::Portal;
use super::session::{Session, Stop};
use super::statements::Statement;
use crate::routing::CopyTask;
use crate::wire::backend;
use crate::wire::frontend::Bind;

/// A portal of such a COPY: it is bound nowhere before it is executed.
#[derive(Debug)]
pub struct Copying {
    task: CopyTask,
    /// It was executed.
    done: AtomicBool,
}

impl Copying {
    /// `leg` is what was gathered before its Bind.
    ///
    /// # Errors
    /// It has values, which COPY doesn't take.
    pub fn bound(
        task: CopyTask,
        bind: &Bind<'_>,
        statement: &Statement,
        leg: &mut Leg,
    ) -> Result<Arc<Copying>, Failure> {
        let values = bind.values.iter().count();
        if values > 0 {
            return Err(Failure::new(
                "08P01",
                format!(
                    "bind message supplies {values} parameters, but prepared statement \"{}\" \
                     requires 0",
                    String::from_utf8_lossy(bind.statement)
                ),
            ));
        }
        if bind.statement.is_empty() {
            leg.answer_parse_of(statement.number);
        }
        Ok(Arc::new(Copying { task, done: AtomicBool::new(false) }))
    }
}

impl Session {
    /// Answers a text of one COPY, without ReadyForQuery. `ends`: the text is all there is to its
    /// transaction, if that is its own.
    pub(super) async fn copy_text(
        &mut self,
        task: &CopyTask,
        text: &[u8],
        ends: bool,
    ) -> Result<(), Stop> {
        let copied = match task {
            CopyTask::Table(copied) if copied.from => copied,
            CopyTask::Table(copied) => return self.copy_out(copied, text).await,
            CopyTask::Query(query) => return self.copy_query(query, text).await,
        };
        let rows = self.copy_in(copied, text).await?;
        if ends {
            // Before the client hears that it is done.
            self.conclude(true).await?;
        }
        self.copy_is_done(rows);
        Ok(())
    }

    /// Answers an Execute.
    pub(super) async fn execute_copy(
        &mut self,
        portal: &Portal,
        copying: &Copying,
    ) -> Result<(), Stop> {
        if copying.done.swap(true, Ordering::Relaxed) {
            let message = "portal \"\" cannot be run";
            return Err(Failure::new("55000", message).into());
        }
        self.copy_text(&copying.task, &portal.statement.text, false).await
    }

    fn copy_is_done(&mut self, rows: u64) {
        backend::command_complete(&mut self.client.output, &format!("COPY {rows}"));
    }
}
