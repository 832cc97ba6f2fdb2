//! What Postgres doesn't have in a transaction: shard by shard, and saying how far it came.

use crate::proxy::failure::Failure;
use crate::proxy::held::purpose;
use crate::proxy::planner::Part;
use crate::proxy::relay::Ended;
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::{Note, Purpose};
use crate::routing::ShardId;
use crate::wire::backend::ErrorFields;
use crate::wire::frame::HEADER_LEN;

/// Longest statement that an error repeats.
const REPEATED: usize = 1000;

impl Session {
    /// Runs a statement on each of these shards, one after the other, without ReadyForQuery.
    pub(super) async fn on_each(
        &mut self,
        shards: &[ShardId],
        part: &Part,
        text: &[u8],
    ) -> Result<(), Stop> {
        // Once, after all of them.
        self.state.redefined = false;
        let done = self.one_by_one_on(shards, part, text).await;
        self.db.refresh_schema().await;
        done
    }

    async fn one_by_one_on(
        &mut self,
        shards: &[ShardId],
        part: &Part,
        text: &[u8],
    ) -> Result<(), Stop> {
        for (i, shard) in shards.iter().enumerate() {
            let last = i + 1 == shards.len();
            if let Err(stop) = self.on_one(*shard, text, last).await {
                return Err(match stop {
                    Stop::Failed(failure) => {
                        self.how_far(*failure, shards, i, part.text(text)).into()
                    }
                    gone => gone,
                });
            }
        }
        Ok(())
    }

    /// The client hears what the last shard says; of the others only an error.
    async fn on_one(&mut self, shard: ShardId, text: &[u8], last: bool) -> Result<(), Stop> {
        self.hold(Some(shard)).await?;
        let Some(held) = &mut self.held else { return Ok(()) };
        let note = Note { commits: true, ..purpose(Purpose::Define) };
        if last {
            held.unfinished_query(text, note);
        } else {
            held.query(text, false, note);
        }
        let Ended { hidden, .. } = self.converse().await?;
        self.release_if_idle().await;
        match hidden {
            None => Ok(()),
            Some(error) => {
                let fields = ErrorFields::read(&error.frame[HEADER_LEN..])?;
                Err(Failure::from_server(&fields).into())
            }
        }
    }

    /// A server's error, with which shards have the change and which don't, and what to do now.
    fn how_far(
        &self,
        mut failure: Failure,
        shards: &[ShardId],
        failed: usize,
        text: &[u8],
    ) -> Failure {
        let leaves_invalid = leaves_invalid(text);
        if failed == 0 && !(leaves_invalid && &*failure.sqlstate != "42P07") {
            return failure;
        }
        let names = |shards: &[ShardId]| match shards {
            [] => "none".to_owned(),
            some => some.iter().map(|id| self.db.shard_name(*id)).collect::<Vec<_>>().join(", "),
        };
        let far = format!(
            "Done on {}; failed on {}; not tried on {}.",
            names(&shards[..failed]),
            names(&shards[failed..=failed]),
            names(&shards[failed + 1..]),
        );
        failure.detail = Some(match failure.detail {
            Some(detail) => format!("{detail}\n{far}"),
            None => far,
        });
        let invalid = "There it may have left an invalid index: look with \\d, and DROP INDEX it \
                       there first. ";
        let again = shards[failed..].iter().map(|id| {
            let text = String::from_utf8_lossy(text);
            let text: String = text.chars().take(REPEATED).collect();
            format!("/* pgherd: shard={} */ {text}", self.db.shard_name(*id))
        });
        let again = format!(
            "{}Mend the cause, then run:\n{}",
            if leaves_invalid { invalid } else { "" },
            again.collect::<Vec<_>>().join(";\n")
        );
        failure.hint = Some(match failure.hint {
            Some(hint) => format!("{hint}\n{again}"),
            None => again,
        });
        failure
    }
}

/// CREATE INDEX and REINDEX with CONCURRENTLY: when they fail, an index that isn't used stays.
fn leaves_invalid(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_uppercase();
    let mut words = text.split_ascii_whitespace();
    let verb = words.next();
    matches!(verb, Some("CREATE" | "REINDEX")) && words.any(|word| word == "CONCURRENTLY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_made_beside_writes_may_stay_invalid() {
        for text in ["create unique index concurrently a on t (b)", "REINDEX TABLE CONCURRENTLY t"]
        {
            assert!(leaves_invalid(text.as_bytes()), "{text}");
        }
        for text in ["DROP INDEX CONCURRENTLY a", "VACUUM t", "REINDEX TABLE t"] {
            assert!(!leaves_invalid(text.as_bytes()), "{text}");
        }
    }
}
