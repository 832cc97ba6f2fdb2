//! Who waits for whose locks on a shard.

use super::ask::Row;
use super::error::ConnectError;
use super::links::Links;
use crate::placement::ShardId;

/// A server process that waits for a lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wait {
    /// Process ids.
    pub waits: i32,
    pub holds: i32,
    /// Since when, as the server says it: another wait has another.
    pub since: Box<str>,
}

/// Who waits, and for whom.
///
/// # Errors
/// The shard can't be asked.
pub async fn waits(links: &Links, shard: ShardId) -> Result<Vec<Wait>, ConnectError> {
    const QUESTION: &str = "SELECT w.pid, b.pid, w.since \
         FROM (SELECT pid, min(waitstart)::text AS since FROM pg_locks \
               WHERE NOT granted AND waitstart IS NOT NULL GROUP BY pid LIMIT 200) AS w, \
         unnest(pg_blocking_pids(w.pid)) AS b(pid) WHERE b.pid > 0 LIMIT 1000";
    let rows = links.ask(shard, QUESTION).await?;
    let read = |row: &Row| {
        let number = |at: usize| row.get(at)?.as_deref()?.parse().ok();
        Some(Wait { waits: number(0)?, holds: number(1)?, since: row.get(2)?.as_deref()?.into() })
    };
    Ok(rows.iter().filter_map(read).collect())
}
