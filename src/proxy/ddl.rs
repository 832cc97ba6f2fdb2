//! Statements that define go to all shards, one after the other, and say how far they came.

use super::failure::Failure;
use super::held::purpose;
use super::planner::Part;
use super::relay::Ended;
use super::session::{Session, Stop};
use super::state::{Note, Purpose};
use crate::routing::ShardId;
use crate::wire::backend::{ErrorFields, TransactionStatus};
use crate::wire::frame::HEADER_LEN;

impl Session {
    /// Runs a text of statements that define on every shard, without ReadyForQuery.
    pub(super) async fn everywhere(&mut self, parts: &[Part], text: &[u8]) -> Result<(), Stop> {
        if self.held.is_some()
            || self.state.journal.is_unsent()
            || self.state.status != TransactionStatus::Idle
        {
            return Err(Failure::unsupported(
                "a statement that defines goes to all shards, and not yet in a transaction block",
                "Send it outside of BEGIN and COMMIT; each shard runs it in a transaction of its own.",
            )
            .into());
        }
        for part in parts {
            self.route(part, text, &[]).map_err(refused)?;
        }
        // Nobody begins while a shard can't be reached.
        let shards = self.db.shard_ids();
        for shard in &shards {
            self.db.reachable(*shard)?;
        }
        // Once, after all of them.
        self.state.redefined = false;
        let done = self.on_each(&shards, text).await;
        self.db.refresh_schema().await;
        done
    }

    async fn on_each(&mut self, shards: &[ShardId], text: &[u8]) -> Result<(), Stop> {
        for (i, shard) in shards.iter().enumerate() {
            let last = i + 1 == shards.len();
            if let Err(stop) = self.on_one(*shard, text, last).await {
                return Err(match stop {
                    Stop::Failed(failure) => self.how_far(*failure, shards, i).into(),
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

    /// A server's error, with which shards have the change and which don't.
    fn how_far(&self, mut failure: Failure, shards: &[ShardId], failed: usize) -> Failure {
        let names = |shards: &[ShardId]| {
            let names: Vec<&str> = shards.iter().map(|id| self.db.shard_name(*id)).collect();
            names.join(", ")
        };
        if failed == 0 {
            return failure;
        }
        let far = format!(
            "Done on {}; failed on {}; not tried on {}.",
            names(&shards[..failed]),
            names(&shards[failed..=failed]),
            if failed + 1 < shards.len() { names(&shards[failed + 1..]) } else { "none".into() },
        );
        failure.detail = Some(match failure.detail {
            Some(detail) => format!("{detail}\n{far}"),
            None => far,
        });
        let hint = "Mend the cause, then run it on the shards that lack it: \
                    /* pgherd: shard=NAME */ before the statement.";
        failure.hint.get_or_insert_with(|| hint.to_owned());
        failure
    }
}

fn refused(error: crate::routing::RouteError) -> Failure {
    match error {
        crate::routing::RouteError::Refused(refusal)
        | crate::routing::RouteError::Several(refusal)
        | crate::routing::RouteError::Spread(refusal) => refusal.into(),
        crate::routing::RouteError::NeedsParameterTypes => {
            Failure::new("42P02", "a statement that defines has no parameters")
        }
    }
}
