//! A cursor is fetched from.

use bytes::BytesMut;
use tokio::time::Instant;

use super::position::{Step, Walk};
use super::stream::Filling;
use super::{Cursor, Kept};
use crate::proxy::client::{Gone, HIGH_WATER};
use crate::proxy::failure::Failure;
use crate::proxy::scatter::Took;
use crate::proxy::session::{Session, Stop};
use crate::routing::ShardId;
use crate::wire::backend::{self, tag};
use crate::wire::frontend::Execute;

/// Where rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    ToClient,
    /// To what is kept for going back.
    Kept,
    Nowhere,
}

impl Session {
    /// Answers an Execute of a portal that is taken in portions: at most so many rows, all where
    /// that is 0 or less.
    pub(in crate::proxy) async fn execute_portion(
        &mut self,
        name: &[u8],
        most: i32,
    ) -> Result<(), Stop> {
        let Some(mut cursor) = self.state.cursors.take(name) else {
            return Err(super::no_cursor(name).into());
        };
        let count = u64::try_from(most).ok().filter(|most| *most > 0);
        let step = Step::Forward { count, shown: true };
        let walked = self.walk(&mut cursor, Walk { steps: vec![step], says: None }).await;
        self.put_back(cursor, walked.is_err());
        let given = walked?;
        let out = &mut self.client.output;
        match count == Some(given) {
            true => backend::empty(out, tag::PORTAL_SUSPENDED),
            false => backend::command_complete(out, &format!("SELECT {given}")),
        }
        Ok(())
    }

    /// All rows of a cursor of ours, which is closed then: their frames, up to `limits.merge_memory`.
    pub(in crate::proxy) async fn rows_of_cursor(&mut self, name: &[u8]) -> Result<BytesMut, Stop> {
        let Some(mut cursor) = self.state.cursors.take(name) else {
            return Err(super::no_cursor(name).into());
        };
        cursor.aside = Some(Kept::new(self.db.limits.merge_memory));
        let step = Step::Forward { count: None, shown: true };
        let walked = self.walk(&mut cursor, Walk { steps: vec![step], says: None }).await;
        let rows = cursor.aside.take().map(Kept::into_rows).unwrap_or_default();
        self.put_back(cursor, walked.is_err());
        walked?;
        self.close_cursor(name).await?;
        Ok(rows)
    }

    /// Gives of what a FETCH has fetched as much as its Execute wants now.
    pub(in crate::proxy) fn give_fetched(&mut self, execute: &Execute<'_>) {
        let fetched = &mut self.state.cursors.all().fetched;
        let Some(fetched) = fetched.iter_mut().find(|one| *one.portal == *execute.portal) else {
            return;
        };
        let most = u64::try_from(execute.max_rows).ok().filter(|most| *most > 0);
        let left = fetched.rows.len() - fetched.given;
        let rows = most.unwrap_or(u64::MAX).min(left);
        let out = &mut self.client.output;
        for number in fetched.given..fetched.given + rows {
            out.extend_from_slice(fetched.rows.row(number));
        }
        fetched.given += rows;
        match most == Some(rows) {
            true => backend::empty(out, tag::PORTAL_SUSPENDED),
            false => backend::command_complete(out, &format!("FETCH {rows}")),
        }
    }

    /// The cursor goes on in its transaction, if that does.
    pub(super) fn put_back(&mut self, mut cursor: Cursor, failed: bool) {
        cursor.broken |= failed;
        if self.held.is_some() {
            self.state.cursors.put(cursor);
        }
    }

    /// Takes these steps; how many rows the client is told that it has passed.
    pub(super) async fn walk(&mut self, cursor: &mut Cursor, walk: Walk) -> Result<u64, Stop> {
        if cursor.broken {
            let name = String::from_utf8_lossy(&cursor.name).into_owned();
            return Err(Failure::new("55000", format!("portal \"{name}\" cannot be run")).into());
        }
        let mut passed = 0;
        for step in walk.steps {
            if cursor.kept.is_none() && cursor.position.needs_scroll(step) {
                return Err(only_forward().into());
            }
            passed = match step {
                Step::Rewind => {
                    cursor.position.rewind();
                    0
                }
                Step::Forward { count, shown } => {
                    let rows = self.forward(cursor, count, shown).await?;
                    cursor.position.went_forward(count, rows);
                    rows
                }
                Step::Backward { count, shown } => {
                    let rows = self.backward(cursor, count, shown).await?;
                    cursor.position.went_backward(count, rows);
                    rows
                }
            };
        }
        Ok(walk.says.unwrap_or(passed))
    }

    async fn forward(
        &mut self,
        cursor: &mut Cursor,
        count: Option<u64>,
        shown: bool,
    ) -> Result<u64, Stop> {
        let Some((from, count)) = cursor.position.ahead(count) else { return Ok(0) };
        let Some(kept) = &cursor.kept else {
            let goes = if shown { Goes::ToClient } else { Goes::Nowhere };
            return self.pull(cursor, count, goes).await;
        };
        let there = kept.len();
        let more = count.map(|count| from.saturating_add(count).saturating_sub(there));
        if more != Some(0) {
            self.pull(cursor, more, Goes::Kept).await?;
        }
        let all = cursor.kept.as_ref().map_or(0, |kept| kept.len());
        let to = count.map_or(all, |count| from.saturating_add(count).min(all));
        if shown {
            for number in from..to {
                self.give_kept(cursor, number).await?;
            }
        }
        Ok(to.saturating_sub(from))
    }

    async fn backward(
        &mut self,
        cursor: &mut Cursor,
        count: Option<u64>,
        shown: bool,
    ) -> Result<u64, Stop> {
        let behind = cursor.position.behind(count);
        let rows = count.unwrap_or(u64::MAX).min(behind);
        if shown {
            for number in (behind - rows..behind).rev() {
                self.give_kept(cursor, number).await?;
            }
        }
        Ok(rows)
    }

    async fn give_kept(&mut self, cursor: &mut Cursor, number: u64) -> Result<(), Stop> {
        let row = cursor.kept.as_ref().map_or(&[][..], |kept| kept.row(number));
        if let Some(aside) = &mut cursor.aside {
            return Ok(aside.add(row)?);
        }
        self.client.output.extend_from_slice(row);
        self.make_room().await
    }

    /// A client that is slow stops the fetch.
    async fn make_room(&mut self) -> Result<(), Stop> {
        if self.client.output.len() >= HIGH_WATER {
            self.client.send().await.map_err(Gone::from)?;
        }
        Ok(())
    }

    /// Takes the next rows of the merge, so many or all: how many there were.
    async fn pull(
        &mut self,
        cursor: &mut Cursor,
        count: Option<u64>,
        goes: Goes,
    ) -> Result<u64, Stop> {
        let since = Instant::now();
        let cancels = self.cancel.requests();
        let before = cursor.merging.given();
        cursor.merging.rest_after(count);
        cursor.begun = true;
        let mut rounds = 0;
        while !cursor.done && !cursor.merging.rests() {
            self.make_room().await?;
            match self.merge_some(cursor, goes)? {
                Took::Rows => continue,
                Took::Enough => cursor.done = true,
                Took::Nothing => {
                    let turns = cursor.turns(rounds);
                    cursor.done = turns.is_empty();
                    if !turns.is_empty() {
                        self.ask_portions(cursor, &turns, since).await?;
                        rounds += 1;
                    }
                }
            }
            // One that came while no server was asked has reached none.
            if self.cancel.requests() != cancels {
                let said = "canceling statement due to user request";
                return Err(Failure::new("57014", said).into());
            }
        }
        Ok(cursor.merging.given() - before)
    }

    /// Merges what is there.
    fn merge_some(&mut self, cursor: &mut Cursor, goes: Goes) -> Result<Took, Stop> {
        if goes == Goes::ToClient && cursor.aside.is_none() {
            let out = &mut self.client.output;
            let took = cursor.merging.take(&mut cursor.streams, out, HIGH_WATER);
            return took.map_err(Stop::Failed);
        }
        let mut rows = BytesMut::new();
        let took = cursor.merging.take(&mut cursor.streams, &mut rows, HIGH_WATER);
        let to = match goes {
            Goes::ToClient => &mut cursor.aside,
            Goes::Kept => &mut cursor.kept,
            Goes::Nowhere => &mut None,
        };
        if let Some(kept) = to {
            kept.add(&rows)?;
        }
        took.map_err(Stop::Failed)
    }

    /// Asks shards for rows: which stream for how many.
    async fn ask_portions(
        &mut self,
        cursor: &mut Cursor,
        turns: &[(usize, u64)],
        since: Instant,
    ) -> Result<(), Stop> {
        let shard = |(at, _): &(usize, u64)| cursor.streams.get(*at).map(|stream| stream.shard);
        let shards: Vec<ShardId> = turns.iter().filter_map(shard).collect();
        let portals = std::mem::take(&mut self.portals);
        let called = self.call_legs(&shards).await;
        let ran = match called {
            Ok(mut legs) => {
                let (asks, portal) = (&cursor.asks, &cursor.portal);
                let mut pairs = legs.iter_mut().zip(turns);
                let asked = pairs.try_for_each(|(leg, (_, rows))| asks.ask(leg, portal, *rows));
                let most = self.db.limits.merge_memory;
                let mut filling = Filling { streams: &mut cursor.streams, turns, most };
                let ran = match asked {
                    Ok(()) => Ok(self.run_legs(&mut legs, &mut filling, since).await),
                    Err(stop) => Err(stop),
                };
                self.dismiss(legs, !matches!(ran, Ok(Ok(())))).await;
                ran
            }
            Err(stop) => Err(stop),
        };
        if self.held.is_some() {
            self.portals = portals;
        }
        match ran? {
            Ok(()) => Ok(()),
            Err(why) => Err(self.told_why(why, None, b"")),
        }
    }
}

impl Cursor {
    /// Which shards are to be asked for how many rows, so that the merge can go on; none when they
    /// have all ended. Never for more than the client may come to want: a row that isn't fetched isn't
    /// computed either.
    fn turns(&mut self, rounds: u32) -> Vec<(usize, u64)> {
        let wanted = self.merging.wants();
        let streams = self.streams.iter_mut().enumerate();
        if self.merging.is_grouped() {
            let open = streams.filter_map(|(at, stream)| stream.is_dry().then_some((at, stream)));
            return open.map(|(at, stream)| (at, stream.portion())).collect();
        }
        // Of equal rows more may have to be asked for.
        let wanted = match self.steps.distinct {
            Some(_) => wanted.saturating_mul(1 << rounds.min(20)),
            None => wanted,
        };
        let dry = streams.filter_map(|(at, stream)| {
            stream.is_dry().then(|| (at, stream.portion().min(wanted).max(1)))
        });
        match self.merging.is_in_any_order() {
            true => dry.take(1).collect(),
            false => dry.collect(),
        }
    }
}

/// As Postgres has it of a cursor that was declared with NO SCROLL, or whose plan only goes forward.
pub(super) fn only_forward() -> Failure {
    Failure::new("55000", "cursor can only scan forward")
        .with_hint("Declare it with SCROLL option to enable backward scan.")
}
