//! The time of statements that several shards answer: one for all (`docs/decisions/017-one-clock.md`).
//!
//! `routing` gives the text in which words for the time have given way to calls with a moment that
//! isn't known yet; here the shard that has the transaction's clock is asked, and the statement
//! goes on with that text in its place.

use std::sync::Arc;

use bytes::Bytes;

use super::edited::EditedText;
use super::failure::Failure;
use super::planner::{Part, no_route};
use super::scatter::Leg;
use super::session::{Session, Stop};
use super::transaction::tell;
use crate::cluster::CancelToken;
use crate::routing::{Action, Parameter, Route, RouteError, Several, ShardId};
use crate::wire::backend::TransactionStatus;

/// When the transaction began, and what the time is: as `routing::Timed::give` takes them, whatever
/// the session's settings are.
const QUESTION: &str = "SELECT \
     pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.now()), \
                        'YYYY-MM-DD HH24:MI:SS.US\"+00\"'), \
     pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.clock_timestamp()), \
                        'YYYY-MM-DD HH24:MI:SS.US\"+00\"')";

/// A statement that was given the time.
#[derive(Debug)]
pub struct Timed {
    pub part: Part,
    /// Nothing stands before or behind it.
    pub text: Bytes,
    /// Where places in it are in the client's.
    pub edited: Arc<EditedText>,
}

impl Session {
    /// The statement with the time in it, where it reads the clock, and more shards than the one
    /// whose clock that is are to answer it. `None` where it goes on as it is.
    ///
    /// # Errors
    /// It is refused; or the shard that was to be asked isn't there.
    pub(super) async fn timed(
        &mut self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Timed>, Stop> {
        if !part.reads_clock() || !self.may_scatter() || self.hint(part).is_some() {
            return Ok(None);
        }
        let needed = match self.route_of_part(part, text, parameters) {
            Ok(route) => self.is_elsewhere(route) && *part.action() == Action::Run,
            Err(RouteError::NeedsParameterTypes | RouteError::Unfilled(_)) => false,
            Err(RouteError::Refused(refusal)) => refusal.sqlstate == "0A000",
            Err(
                RouteError::Several(_)
                | RouteError::Spread(_)
                | RouteError::Moved(_)
                | RouteError::Fed(_),
            ) => true,
        };
        let Some(mut timed) = needed.then(|| self.timed_text(part, text)).flatten() else {
            return Ok(None);
        };
        // Of the same form, so that it is planned once for all times.
        let Some(mut own) = self.single_part(&timed.edited.text) else { return Ok(None) };
        own.take_hint_of(part);
        let first = self.first_of(&own, &timed.edited.text, parameters)?;
        let (transaction, now) = self.moments(first, &own, timed.asks_of_statement()).await?;
        if !timed.give(&transaction, &now) {
            return Err(Failure::new("XX000", "a server tells the time in another way").into());
        }
        let sent = Bytes::copy_from_slice(&timed.edited.text);
        let edited = self.edited_over(timed.edited, text);
        Ok(Some(Timed { part: own, text: sent, edited }))
    }

    /// Whether a statement of the running transaction goes to another shard than the one that has
    /// its clock.
    pub(super) fn is_elsewhere(&self, route: Route) -> bool {
        let there = match route {
            Route::One(shard) => Some(shard),
            Route::Any | Route::All => self.held.as_ref().map(|held| held.shard),
        };
        match (self.state.journal.first(), there) {
            (Some(first), Some(there)) => first != there,
            _ => false,
        }
    }

    /// One of the shards that are to answer a statement.
    fn first_of(
        &self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Result<ShardId, Stop> {
        let several = match self.route_of_part(part, text, parameters) {
            Ok(_) | Err(RouteError::Moved(_) | RouteError::Fed(_)) => return Ok(self.db.home()),
            Err(RouteError::Spread(_)) => {
                let shares = self.shares(part, text, parameters).map_err(no_route)?;
                return Ok(shares.each.first().map_or(self.db.home(), |share| share.shard));
            }
            Err(RouteError::Several(_)) => match self.copied(part, text)? {
                Some(_) => return Ok(self.db.home()),
                None => self.by_several(part, text, parameters)?,
            },
            Err(other) => return Err(no_route(other).into()),
        };
        Ok(match several {
            Several::Merged(merged) => merged.shards.first().copied().unwrap_or(self.db.home()),
            Several::Gathered(gathered) => gathered.finisher,
            Several::Finished(finished) => finished.finisher,
        })
    }

    /// When the transaction began, or the statement where it is one by itself; and what the time is
    /// now, if `fresh`.
    async fn moments(
        &mut self,
        shard: ShardId,
        part: &Part,
        fresh: bool,
    ) -> Result<(Box<[u8]>, Box<[u8]>), Stop> {
        if let (Some(began), false) = (self.state.journal.began(), fresh) {
            return Ok((began.into(), began.into()));
        }
        if self.held.is_some() {
            self.open_block().await?;
        }
        let alone = self.state.status == TransactionStatus::Idle && !self.state.journal.is_open();
        if alone && part.may_write() && matches!(part.action(), Action::Run) {
            // Defaults are to have the same time, where they can.
            self.begin_implicit();
        }
        let shard = self.state.journal.first().unwrap_or(shard);
        let mut legs = self.call_legs(&[shard]).await?;
        let Some(leg) = legs.first_mut() else {
            return Err(Failure::new("XX000", "no server to ask for the time").into());
        };
        let tokens: Vec<Arc<CancelToken>> = vec![leg.held.backend.cancel_token()];
        let heard = self.attended(&tokens, tell(&mut leg.held, QUESTION)).await;
        let said = match heard {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(why)) => Err(self.lost_leg(leg, why)),
            Err(stop) => Err(stop),
        };
        legs.iter_mut().for_each(Leg::lose_unanswered);
        self.dismiss(legs, said.is_err()).await;
        let mut said = said?;
        if let Some(failure) = said.failure.take() {
            return Err(Stop::Failed(failure));
        }
        let row = said.rows.pop().and_then(|mut rows| rows.pop()).unwrap_or_default();
        let [Some(began), Some(now)] = row.as_slice() else {
            return Err(Failure::new("XX000", "a server doesn't tell the time").into());
        };
        let (began, now): (Box<[u8]>, Box<[u8]>) = (began.as_bytes().into(), now.as_bytes().into());
        if !self.state.journal.is_open() {
            // The statement is its transaction.
            return Ok((began.clone(), began));
        }
        self.state.journal.has_begun(&began);
        Ok((began, now))
    }
}
