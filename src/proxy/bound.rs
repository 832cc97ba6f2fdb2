//! A Bind of the extended protocol: where it goes, who answers it, and what that does to the session.

use std::sync::Arc;

use bytes::Bytes;

use super::control::Where;
use super::copy::Copying;
use super::edited::EditedText;
use super::explain::Shown;
use super::extended::End;
use super::failure::Failure;
use super::leg::{Leg, Target};
use super::planner::{Bound, Part, parameters};
use super::portals::Portal;
use super::scatter::{Spread, Way};
use super::session::{Session, Stop};
use super::setting_call::effect_of_call;
use super::state::Effect;
use super::statements::Statement;
use crate::routing::{Leaves, Route, RouteError};
use crate::wire::frontend::Bind;

/// Where a Bind goes.
pub(super) struct Found {
    pub target: Target,
    pub answered: Answered,
    /// EXPLAIN: what stands before the server's plan.
    pub explain: Option<Arc<Shown>>,
    /// What is bound in the place of the client's statement, which reads the clock.
    pub timed: Option<TimedBind>,
}

/// A statement with the time in it.
pub(super) struct TimedBind {
    pub part: Arc<Part>,
    pub statement: Arc<Statement>,
    pub edited: Arc<EditedText>,
}

/// Who answers what is bound.
pub(super) enum Answered {
    ByServer,
    /// The session.
    Locally,
    /// The session, by asking several shards.
    Together(Arc<Spread>),
    /// The session, by a COPY of several shards.
    Copying(Arc<Copying>),
}

impl Found {
    /// A server answers it.
    pub fn at(target: Target) -> Found {
        Found { target, answered: Answered::ByServer, explain: None, timed: None }
    }

    /// The session answers it.
    pub fn here(answered: Answered) -> Found {
        Found { target: Target::Nowhere, answered, explain: None, timed: None }
    }
}

impl Session {
    /// Where a Bind goes, and who answers what it binds; `None` when something before it had to run
    /// first, so that it is to be asked again.
    pub(super) async fn find(
        &mut self,
        part: &Part,
        statement: &Arc<Statement>,
        bind: &Bind<'_>,
        (body, leg): (&Bytes, &mut Leg),
    ) -> Result<Option<Found>, Stop> {
        match self.place(part, &statement.text, leg.goes_somewhere())? {
            Where::Local | Where::Everywhere | Where::Wide | Where::Cursor => {
                return Ok(Some(Found::here(Answered::Locally)));
            }
            Where::Trial => return Ok(Some(Found::at(Target::Trial))),
            Where::Anywhere => return Ok(Some(Found::at(Target::Any))),
            Where::Routed => {}
        }
        if part.reads_clock() {
            return Box::pin(self.find_timed(part, statement, bind, (body, leg))).await;
        }
        self.find_routed(part, statement, bind, (body, leg)).await
    }

    /// Where a Bind goes by its route.
    async fn find_routed(
        &mut self,
        part: &Part,
        statement: &Arc<Statement>,
        bind: &Bind<'_>,
        (body, leg): (&Bytes, &mut Leg),
    ) -> Result<Option<Found>, Stop> {
        let unnamed = bind.statement.is_empty();
        let way = match self.route_bind(part, statement, bind, leg).await? {
            Bound::Anew => return Ok(None),
            Bound::Routed((route, explain)) => {
                self.check_declares(part).await?;
                let target = match route {
                    Route::One(shard) => Target::Shard(shard),
                    Route::Any | Route::All => Target::Any,
                };
                return Ok(Some(Found { explain, ..Found::at(target) }));
            }
            Bound::Copied(copied) => {
                let copying = Copying::bound(copied, bind, statement, leg)?;
                return Ok(Some(Found::here(Answered::Copying(copying))));
            }
            Bound::Several(_) | Bound::Shared(_) | Bound::Moved(_) | Bound::Fed(_)
                if leg.goes_somewhere() =>
            {
                // It goes on in the transaction that those before it are.
                self.run_leg_before(leg).await?;
                return Ok(None);
            }
            Bound::Shared(shares) => Way::Shared(shares),
            Bound::Moved(moving) => Way::Moved(moving),
            Bound::Fed(feeding) => Way::Fed(feeding),
            Bound::Several(several) => Way::from(several),
        };
        let spread = Spread::bound(way, body.clone(), unnamed, statement, leg);
        Ok(Some(Found::here(Answered::Together(spread))))
    }

    /// Where a Bind goes whose statement reads the clock: with the time in it where several shards
    /// answer.
    async fn find_timed(
        &mut self,
        part: &Part,
        statement: &Arc<Statement>,
        bind: &Bind<'_>,
        (body, leg): (&Bytes, &mut Leg),
    ) -> Result<Option<Found>, Stop> {
        let values = parameters(statement, bind);
        let (several, untyped) = match self.route_of_part(part, &statement.text, &values) {
            Ok(route) => (self.is_elsewhere(route), false),
            Err(RouteError::NeedsParameterTypes) => (false, true),
            Err(_) => (true, false),
        };
        drop(values);
        if (several || untyped) && leg.goes_somewhere() {
            // It goes on in the transaction that those before it are.
            self.run_leg_before(leg).await?;
            return Ok(None);
        }
        if untyped {
            if !statement.is_described() && !leg.ops.is_empty() {
                self.run_leg(leg, End::Flush).await?;
                return Ok(None);
            }
            self.learn_types(statement).await?;
        }
        let values = parameters(statement, bind);
        let Some(timed) = self.timed(part, &statement.text, &values).await? else {
            return self.find_routed(part, statement, bind, (body, leg)).await;
        };
        let types = statement.learned_types().iter().copied();
        let own = self.db.registry.statement(&timed.text, types, self.world());
        let own_part = Arc::new(timed.part);
        // Its text is another one each time: nothing is kept of it on servers.
        let unnamed = Bind { statement: b"", ..*bind };
        let before = self.state.edited.replace(Arc::clone(&timed.edited));
        let found = self.find_routed(&own_part, &own, &unnamed, (body, leg)).await;
        self.state.edited = before;
        Ok(found?.map(|found| {
            if bind.statement.is_empty() {
                leg.answer_parse_of(statement.number);
            }
            let timed = TimedBind { part: own_part, statement: own, edited: timed.edited };
            Found { timed: Some(timed), ..found }
        }))
    }

    /// What a bound statement leaves in its server's session, and does to the client's.
    pub(super) async fn follow_bound(
        &mut self,
        part: &Part,
        statement: &Statement,
        bind: &Bind<'_>,
        len: usize,
    ) -> Result<(Leaves, Effect), Stop> {
        let leaves = part.leaves(&statement.text).and(self.left_by_executed(part));
        let Some(call) = part.sets() else { return Ok((leaves, Effect::Nothing)) };
        self.bound_state(len)?;
        match effect_of_call(part, &statement.text, &parameters(statement, bind)) {
            Ok(effect) => {
                Box::pin(self.tell_setting(&effect)).await?;
                Ok((leaves, effect))
            }
            Err(failure) if !self.db.is_one_shard() => Err(failure.into()),
            Err(_) if call.local => Ok((leaves, Effect::Nothing)),
            Err(_) => Ok((leaves.and(Leaves::SETTING), Effect::Nothing)),
        }
    }

    /// Whether a portal of this name may be bound, with so many bytes.
    pub(super) fn check_portal(&self, name: &[u8], bytes: usize) -> Result<(), Failure> {
        if name.is_empty() {
            return Ok(());
        }
        self.bound_state(bytes)?;
        let ours = |portal: &Portal| {
            let of_cursor = portal.part.as_ref().is_some_and(|part| part.cursor().is_some());
            portal.spread.is_some() || (portal.local && of_cursor)
        };
        if self.portals.get(name).is_some_and(ours) || self.state.cursors.has(name) {
            // No server knows of it.
            let name = String::from_utf8_lossy(name);
            return Err(Failure::new("42P03", format!("cursor \"{name}\" already exists")));
        }
        Ok(())
    }
}
