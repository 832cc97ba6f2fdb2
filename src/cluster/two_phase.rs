//! Transactions over several shards between their PREPARE and their end
//! (`docs/decisions/010-two-phase.md`).
//!
//! Each has a global id, which names the shard that decides. What a crash has left prepared is
//! found on the shards by its id and finished as the deciding shard says: committed where there is
//! a decision, else given up, which a late decision would fail on.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::ask::Row;
use super::control_points::ControlPoints;
use super::error::ConnectError;
use super::links::Links;
use crate::catalog::DatabaseId;
use crate::placement::ShardId;

/// How long a decision is kept that nobody needs any more, from when it was made.
const KEPT: Duration = Duration::from_secs(60);
/// A transaction that was given up stays so for as long as anybody could still try to decide it.
const GIVEN_UP: &str = "7 days";
/// Between two rounds of clearing away decisions.
const CLEAR: Duration = Duration::from_secs(60);
/// Prepared parts of one shard that are looked at together.
const MOST: usize = 500;
/// Between two questions for an outcome that somebody waits for.
const AGAIN: Duration = Duration::from_millis(100);

/// The id of one transaction over several shards; as text a key of `pgherd.decisions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GlobalId {
    database: DatabaseId,
    /// Where the decision is written.
    pub decider: ShardId,
    /// A proxy from its start to its end.
    life: u64,
    number: u64,
}

impl fmt::Display for GlobalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GlobalId { database, decider, life, number } = self;
        write!(f, "pgherd_{database}_{}_{life:016x}_{number}", decider.0)
    }
}

impl GlobalId {
    /// The id of one shard's prepared part: servers of two shards may be one.
    pub fn part(&self, shard: ShardId) -> String {
        format!("{self}_{}", shard.0)
    }

    /// Reads the id of a part, if it is of this database.
    fn of_part(part: &str, database: DatabaseId) -> Option<GlobalId> {
        let rest = part.strip_prefix(&prefix(database))?;
        let mut fields = rest.split('_');
        let decider = ShardId(fields.next()?.parse().ok()?);
        let life = u64::from_str_radix(fields.next()?, 16).ok()?;
        let number = fields.next()?.parse().ok()?;
        let _shard: u16 = fields.next()?.parse().ok()?;
        fields.next().is_none().then_some(GlobalId { database, decider, life, number })
    }
}

fn prefix(database: DatabaseId) -> String {
    format!("pgherd_{database}_")
}

/// Bounds of the resolver.
#[derive(Debug, Clone, Copy)]
pub struct ResolveLimits {
    /// What was prepared for longer, and whose session doesn't look after it, is finished.
    pub after: Duration,
    /// Between two looks.
    pub poll: Duration,
    /// How long it is asked for the outcome of a COMMIT whose answer was lost.
    pub outcome_wait: Duration,
}

/// A part that is prepared and not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDoubt {
    pub gid: Box<str>,
    pub shard: ShardId,
    /// Since it was prepared.
    pub age: Duration,
    /// Why it isn't finished yet.
    pub why: Box<str>,
}

/// The transactions over several shards of one database.
pub struct TwoPhase {
    database: DatabaseId,
    life: u64,
    next: AtomicU64,
    limits: ResolveLimits,
    links: Arc<Links>,
    /// Those that a session of this proxy's is about to end itself.
    under_way: Mutex<HashMap<u64, (GlobalId, Instant)>>,
    in_doubt: Mutex<Vec<InDoubt>>,
    hurry: Notify,
    points: ControlPoints,
}

/// A transaction that its session ends; given to the resolver when this is dropped.
pub struct UnderWay {
    pub gid: GlobalId,
    all: Arc<TwoPhase>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.all.under_way.lock().remove(&self.gid.number);
    }
}

impl TwoPhase {
    /// Begins to look for what was left. `life` is this proxy's own: no other's, also not before
    /// or after it.
    pub fn start(
        links: Arc<Links>,
        database: DatabaseId,
        life: u64,
        limits: ResolveLimits,
        points: ControlPoints,
        runtime: &tokio::runtime::Handle,
    ) -> Arc<TwoPhase> {
        let several = links.shards() > 1;
        let all = Arc::new(TwoPhase {
            database,
            life,
            next: AtomicU64::new(1),
            limits,
            links,
            under_way: Mutex::default(),
            in_doubt: Mutex::default(),
            hurry: Notify::new(),
            points,
        });
        if several {
            runtime.spawn(resolve(Arc::downgrade(&all)));
        }
        all
    }

    /// A transaction that is to be decided on this shard.
    pub fn begin(self: &Arc<Self>, decider: ShardId) -> UnderWay {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let gid = GlobalId { database: self.database, decider, life: self.life, number };
        self.under_way.lock().insert(number, (gid, Instant::now()));
        UnderWay { gid, all: Arc::clone(self) }
    }

    /// Whether a transaction was committed; from now on it never will be if it wasn't.
    ///
    /// # Errors
    /// The deciding shard can't be asked.
    pub async fn outcome(&self, gid: GlobalId) -> Result<bool, String> {
        let question = format!("SELECT pgherd.outcome('{gid}')");
        let rows = self.ask(gid.decider, &question).await.map_err(|error| error.to_string())?;
        match rows.first().and_then(|row| row.first()).and_then(Option::as_deref) {
            Some("t") => Ok(true),
            Some("f") => Ok(false),
            _ => Err("pgherd.outcome() has no answer".to_owned()),
        }
    }

    /// As [`outcome`](Self::outcome), of a COMMIT that was sent at a certain time and whose answer
    /// was lost. The server may have to start again first, or have its hands full with that COMMIT,
    /// so that it is asked again and again for `cluster.outcome_wait`.
    ///
    /// # Errors
    /// It isn't known.
    pub async fn learn(&self, gid: GlobalId, sent: Instant) -> Result<bool, String> {
        let until = Instant::now() + self.limits.outcome_wait;
        loop {
            let why = match timeout_at(until, self.outcome(gid)).await {
                Ok(Ok(false)) if sent.elapsed() >= KEPT / 2 => {
                    return Err("so much time has passed that a decision to commit may have been \
                                finished and cleared away"
                        .to_owned());
                }
                Ok(Ok(committed)) => return Ok(committed),
                Ok(Err(why)) => why,
                Err(_) => "no answer in time".to_owned(),
            };
            if Instant::now() + AGAIN >= until {
                return Err(why);
            }
            sleep(AGAIN).await;
        }
    }

    /// Finishes a prepared part; one that isn't there any more is finished.
    pub async fn finish(
        &self,
        gid: GlobalId,
        shard: ShardId,
        committed: bool,
    ) -> Result<(), String> {
        let how = if committed { "COMMIT" } else { "ROLLBACK" };
        let text = format!("{how} PREPARED '{}'", gid.part(shard));
        match self.ask(shard, &text).await {
            Ok(_) => Ok(()),
            Err(ConnectError::Refused { sqlstate, .. }) if sqlstate == "42704" => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Has the resolver look at once.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// What was found prepared and not finished at the last look.
    pub fn in_doubt(&self) -> Vec<InDoubt> {
        self.in_doubt.lock().clone()
    }

    /// What sessions of this proxy's are committing now, and for how long.
    pub fn under_way(&self) -> Vec<(GlobalId, Duration)> {
        let under_way = self.under_way.lock();
        under_way.values().map(|(gid, since)| (*gid, since.elapsed())).collect()
    }

    async fn ask(&self, shard: ShardId, question: &str) -> Result<Vec<Row>, ConnectError> {
        self.links.ask(shard, question).await
    }

    /// Prepared parts of this database's on one shard, with their ages.
    async fn prepared(&self, shard: ShardId) -> Result<Vec<(GlobalId, Duration)>, String> {
        // Fewer than an answer may have rows.
        let question = format!(
            "SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::float8 \
             FROM pg_prepared_xacts WHERE database = current_database() \
             AND starts_with(gid, '{}') ORDER BY prepared LIMIT {MOST}",
            prefix(self.database)
        );
        let rows = self.ask(shard, &question).await.map_err(|error| error.to_string())?;
        let read = |row: &Row| {
            let part = row.first()?.as_deref()?;
            // Two shards of one server see each other's.
            let own = part.rsplit('_').next()?.parse() == Ok(shard.0);
            let age: f64 = row.get(1)?.as_deref()?.parse().ok()?;
            let gid = GlobalId::of_part(part, self.database).filter(|_| own)?;
            Some((gid, Duration::try_from_secs_f64(age).unwrap_or_default()))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// Looks on all shards once, and finishes what it finds. True where all parts were seen.
    async fn look(&self) -> (bool, HashSet<GlobalId>) {
        let ids = || (0..self.links.shards()).map(|i| ShardId(i as u16));
        let found = join_all(ids().map(|shard| self.prepared(shard))).await;
        let all = found.iter().all(|found| found.as_ref().is_ok_and(|parts| parts.len() < MOST));
        let (mut seen, mut doubt) = (HashSet::new(), Vec::new());
        for (shard, found) in ids().zip(found) {
            for (gid, age) in found.unwrap_or_default() {
                seen.insert(gid);
                if let Err(why) = self.settle(gid, shard, age).await {
                    let gid = gid.part(shard).into();
                    doubt.push(InDoubt { gid, shard, age, why: why.into() });
                }
            }
        }
        *self.in_doubt.lock() = doubt;
        (all, seen)
    }

    async fn settle(&self, gid: GlobalId, shard: ShardId, age: Duration) -> Result<(), String> {
        let ours = gid.life == self.life && self.under_way.lock().contains_key(&gid.number);
        if ours || age < self.limits.after {
            return Err("its session is committing it".to_owned());
        }
        let committed = self.outcome(gid).await.map_err(|why| {
            format!("shard {}, which decides, can't be asked: {why}", gid.decider.0)
        })?;
        self.points.pass("asked").await;
        self.finish(gid, shard, committed).await?;
        tracing::info!(%gid, shard = shard.0, committed, "a transaction that was left is finished");
        Ok(())
    }

    /// Deletes decisions that nobody needs any more: no part of them is `prepared`, as a look has
    /// found that began at `looked`.
    async fn clear(&self, prepared: &HashSet<GlobalId>, looked: Instant) {
        let names: Vec<String> = prepared.iter().map(|gid| format!("'{gid}'")).collect();
        let (prefix, names) = (prefix(self.database), names.join(", "));
        for i in 0..self.links.shards() {
            // A decision is younger than its prepared parts: one that is older than the look, and
            // of which it has found no part, has none.
            let kept = (KEPT + looked.elapsed()).as_secs() + 1;
            let text = format!(
                "DELETE FROM pgherd.decisions WHERE starts_with(gid, '{prefix}') AND decided_at < \
                 now() - CASE WHEN committed THEN '{kept} s' ELSE '{GIVEN_UP}' END::interval \
                 AND gid <> ALL (ARRAY[{names}]::text[])"
            );
            if let Err(error) = self.ask(ShardId(i as u16), &text).await {
                tracing::debug!(%error, shard = i, "old decisions were not cleared away");
            }
        }
    }
}

async fn resolve(all: Weak<TwoPhase>) {
    let mut cleared = Instant::now();
    loop {
        let Some(two_phase) = all.upgrade() else { return };
        let begun = Instant::now();
        let (complete, prepared) = two_phase.look().await;
        if complete && cleared.elapsed() >= CLEAR {
            two_phase.clear(&prepared, begun).await;
            cleared = Instant::now();
        }
        let poll = two_phase.limits.poll;
        drop(two_phase);
        let Some(waiting) = all.upgrade() else { return };
        let _ = timeout(poll, waiting.hurry.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_no_others() {
        let database = DatabaseId(0x0123_4567_89ab_cdef);
        let gid = GlobalId { database, decider: ShardId(7), life: 0xfeed, number: 42 };
        let part = gid.part(ShardId(3));
        assert_eq!(part, "pgherd_0123456789abcdef_7_000000000000feed_42_3");
        assert_eq!(GlobalId::of_part(&part, database), Some(gid));
        assert_eq!(GlobalId::of_part(&part, DatabaseId(1)), None);
        for wrong in ["pgherd_0123456789abcdef_7_feed_42", "a", "pgherd_0123456789abcdef_x_1_1_1"] {
            assert_eq!(GlobalId::of_part(wrong, database), None);
        }
    }
}
