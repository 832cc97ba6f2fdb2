//! The connections of a statement that several shards answer: taken together, and given back.

use super::leg::Leg;
use crate::proxy::held::Held;
use crate::proxy::session::{Session, Stop};
use crate::routing::ShardId;
use crate::wire::backend::TransactionStatus;

impl Session {
    /// A connection to each of these shards, in their order, with the client's settings. Where a
    /// transaction is open they take part in it; else each is on its own. [`dismiss`](Self::dismiss)
    /// takes them back.
    pub(in crate::proxy) async fn call_legs(
        &mut self,
        shards: &[ShardId],
    ) -> Result<Vec<Leg>, Stop> {
        let legs = match self.held.is_some() || self.state.journal.is_open() {
            true => self.join_legs(shards).await?,
            false => self.take_legs(shards).await?,
        };
        let tokens = legs.iter().map(|leg| leg.held.backend.cancel_token());
        self.cancel.attach_all(tokens.collect());
        Ok(legs)
    }

    /// What was asked of the legs is over: they go on in their transaction, or serve others.
    /// `failed`: the client hears an error.
    pub(in crate::proxy) async fn dismiss(&mut self, legs: Vec<Leg>, failed: bool) {
        if self.state.journal.is_open() {
            return self.stay_with(legs, failed).await;
        }
        for leg in legs {
            self.part_with(leg).await;
        }
    }

    /// All wait in the same order, so that nobody waits for himself.
    async fn take_legs(&mut self, shards: &[ShardId]) -> Result<Vec<Leg>, Stop> {
        // A shard that isn't there is waited for while nothing is held of the others.
        for shard in shards {
            if self.db.reachable(*shard).is_err() {
                self.take(Some(*shard)).await?;
                if let Some(held) = self.held.take() {
                    self.give_back(held).await;
                }
            }
        }
        let mut legs = Vec::with_capacity(shards.len());
        for shard in shards {
            let taken = self.take(Some(*shard)).await;
            if let Some(held) = self.held.take() {
                legs.push(Leg::new(held, self.db.shard_name(*shard)));
            }
            if let Err(stop) = taken {
                for leg in legs {
                    self.part_with(leg).await;
                }
                return Err(stop);
            }
        }
        Ok(legs)
    }

    /// As `take_legs`, of shards that take part in the running transaction, or join it.
    async fn join_legs(&mut self, shards: &[ShardId]) -> Result<Vec<Leg>, Stop> {
        self.open_block().await?;
        for shard in shards {
            self.hold(Some(*shard)).await?;
        }
        let (of_them, others) = std::mem::take(&mut self.others)
            .into_iter()
            .chain(self.held.take())
            .partition::<Vec<_>, _>(|held| shards.contains(&held.shard));
        self.others = others;
        let leg = |held: Held| {
            let name = self.db.shard_name(held.shard);
            Leg::new(held, name)
        };
        let mut legs: Vec<Leg> = of_them.into_iter().map(leg).collect();
        legs.sort_by_key(|leg| leg.held.shard);
        Ok(legs)
    }

    /// The transaction goes on with these connections; at the one whose server has failed it, if
    /// there is one, so that the client hears of it there.
    pub(in crate::proxy) async fn stay_with(&mut self, legs: Vec<Leg>, failed: bool) {
        self.cancel.detach().await;
        let lost = legs.iter().any(|leg| leg.lost.is_some() || leg.held.backend.is_broken());
        for leg in legs {
            if leg.lost.is_some() {
                self.pools.suspect(leg.held.shard, &leg.held.backend);
            }
            self.others.push(leg.held);
        }
        let explicit = !self.implicit;
        if lost {
            Box::pin(self.roll_back_all()).await;
        } else {
            let has_failed = |held: &Held| held.backend.status() == TransactionStatus::Failed;
            let at = self.others.iter().position(has_failed).unwrap_or(self.others.len() - 1);
            let held = self.others.swap_remove(at);
            self.serve_by(held);
        }
        if failed && explicit {
            self.state.status = TransactionStatus::Failed;
        }
    }

    async fn part_with(&mut self, leg: Leg) {
        let Leg { held, lost, .. } = leg;
        if lost.is_some() {
            self.pools.suspect(held.shard, &held.backend);
        }
        self.give_back(held).await;
    }

    async fn give_back(&mut self, held: Held) {
        let broken = held.backend.is_broken();
        let asked = !held.replies.is_empty();
        self.held = Some(held);
        // A setting was sent, and no statement after all.
        let clean = !broken && (!asked || Box::pin(self.converse()).await.is_ok());
        if clean {
            self.release_if_idle().await;
        }
        if self.held.is_some() {
            self.drop_broken().await;
        }
    }
}
