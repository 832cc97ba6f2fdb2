//! From a client's text to its statements (`part`), and to where each of them goes.

mod part;

use std::sync::Arc;

use arc_swap::Guard;

pub use self::part::Part;
use self::part::{DeclaredQuery, Known};
use super::explain::Shown;
use super::extended::End;
use super::failure::Failure;
use super::leg::Leg;
use super::reading::Reading;
use super::session::{Session, Stop};
use super::statements::{Statement, World};
use crate::routing::{
    self, Action, CopyTask, Feeding, Gathered, Leaves, Moving, Parameter, ParameterValue, Plan,
    Refusal, Route, RouteError, Router, RoutingHint, Several, ShardId, Shares, Values,
};
use crate::sql::{self, ExplainFormat, Scanned};
use crate::wire::frontend::{Bind, Format};

/// Where one execution goes, and what EXPLAIN says of it.
pub type Routed = (Route, Option<Arc<Shown>>);

/// Where a Bind goes.
pub enum Bound {
    Routed(Routed),
    /// To several shards, which answer it together.
    Several(Several),
    /// A COPY of several shards.
    Copied(CopyTask),
    /// To several shards, each of which writes its share.
    Shared(Shares),
    /// To several shards, between which rows move.
    Moved(Moving),
    /// To several shards, which get the rows of a query.
    Fed(Feeding),
    /// To be asked again: what came before it has run.
    Anew,
}

impl Session {
    /// The statements of a text; none where it is empty.
    pub(super) fn parts(&self, text: &[u8]) -> Result<Vec<Part>, Failure> {
        let max = self.db.limits.statement_size;
        if text.len() > max && !self.db.is_one_shard() {
            return Err(Failure::new("54000", "statement text is too long to be analysed")
                .with_hint(format!(
                    "It has {} bytes, limits.statement_size is {max}.",
                    text.len()
                )));
        }
        let (router, reading) = (self.router(), self.reading());
        let text = &*reading.readable(text);
        let scanned = match sql::scan(text, reading.options) {
            Ok(scanned) => scanned,
            Err(_) if self.db.is_one_shard() => return Ok(vec![Part::whole(text)]),
            Err(error) => return Err(of_sql(error)),
        };
        scanned.into_iter().map(|scanned| self.part(text, scanned, &router, &reading)).collect()
    }

    /// The statement of a text that is understood and has exactly one.
    pub(super) fn single_part(&self, text: &[u8]) -> Option<Part> {
        if text.len() > self.db.limits.statement_size {
            return None;
        }
        let reading = self.reading();
        let text = &*reading.readable(text);
        let scanned = sql::scan_single(text, reading.options).ok()??;
        self.part(text, scanned, &self.router(), &reading).ok()
    }

    fn part(
        &self,
        text: &[u8],
        scanned: Scanned,
        router: &Router,
        reading: &Reading,
    ) -> Result<Part, Failure> {
        let range = scanned.range.clone();
        match self.db.plans.get_or_plan(text, &scanned, router, &reading.context()) {
            Ok(plan) => {
                let hint = RoutingHint::of(&scanned.hints)?;
                let fixed = match self.db.is_one_shard() {
                    true => fixed_route(router, &plan, &scanned, hint.as_ref(), text),
                    false => None,
                };
                let query = match self.db.is_one_shard() {
                    true => None,
                    false => self.declared_query(text, &scanned, &plan, (router, reading))?,
                };
                let known = Some(Known { scanned, plan, hint, fixed, query });
                Ok(Part { range, known, unknown: Leaves::NOTHING })
            }
            Err(_) if self.db.is_one_shard() => {
                let own = text.get(range.clone()).unwrap_or_default();
                if !reading.utf8 && names_a_savepoint(own) && !own.is_ascii() {
                    return Err(self.not_in_this_encoding());
                }
                let unknown = Leaves::of_words(own);
                Ok(Part { range, known: None, unknown })
            }
            Err(refusal) if refusal.sqlstate == "22021" && !reading.utf8 => {
                Err(self.not_in_this_encoding())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The query of a DECLARE: it is answered as it is by itself.
    fn declared_query(
        &self,
        text: &[u8],
        scanned: &Scanned,
        plan: &Plan,
        (router, reading): (&Router, &Reading),
    ) -> Result<Option<Arc<DeclaredQuery>>, Failure> {
        let Some(own) = plan.declared_query(text, scanned)? else { return Ok(None) };
        let at = scanned.range.end.saturating_sub(own.len());
        let before = String::from_utf8_lossy(text.get(..at).unwrap_or_default());
        let own = [vec![b' '; before.chars().count()].as_slice(), &own].concat();
        let query = sql::scan(&own, reading.options).map_err(of_sql)?.into_iter().next();
        let Some(query) = query else { return Ok(None) };
        let part = self.part(&own, query, router, reading)?;
        Ok(Some(Arc::new(DeclaredQuery { part, at })))
    }

    /// A name outside ASCII, where it isn't UTF-8, is one that pgherd can't compare.
    fn not_in_this_encoding(&self) -> Failure {
        let encoding = self.state.told.get("client_encoding").map_or("", |name| name);
        Failure::unsupported(
            format!("a name outside ASCII can't be read in client_encoding {encoding}"),
            "Speak UTF-8 (SET client_encoding = 'UTF8'), or use a name in ASCII.",
        )
    }

    /// The one statement of a prepared text; `None` where it is empty.
    pub(super) fn planned(&self, statement: &Statement) -> Result<Option<Arc<Part>>, Failure> {
        let (router, reading) = (self.router(), self.reading());
        let world = (router.validity(), reading.version);
        if let Some(part) = statement.part(world) {
            return Ok(part);
        }
        let text = &*reading.readable(&statement.text);
        let scanned = match sql::scan(text, reading.options) {
            Ok(scanned) => scanned,
            Err(_) if self.db.is_one_shard() => return Ok(Some(Arc::new(Part::whole(text)))),
            Err(error) => return Err(of_sql(error)),
        };
        let mut scanned = scanned.into_iter();
        let part = match (scanned.next(), scanned.next()) {
            (None, _) => None,
            (Some(one), None) => Some(Arc::new(self.part(text, one, &router, &reading)?)),
            // The server says so.
            (Some(_), Some(_)) if self.db.is_one_shard() => Some(Arc::new(Part::whole(text))),
            (Some(_), Some(_)) => {
                let message = "cannot insert multiple commands into a prepared statement";
                return Err(Failure::new("42601", message));
            }
        };
        statement.remember(world, part.clone());
        Ok(part)
    }

    /// The statement's hint, or else the session's.
    pub(super) fn hint(&self, part: &Part) -> Option<RoutingHint> {
        let own = part.known.as_ref().and_then(|known| known.hint.clone());
        own.or_else(|| self.session_hint())
    }

    pub(super) fn session_hint(&self) -> Option<RoutingHint> {
        if self.state.hints.is_empty() {
            return None;
        }
        let shard = self.state.hints.get("pgherd.shard").map(|v| RoutingHint::Shard(v.into()));
        shard.or_else(|| self.state.hints.get("pgherd.key").map(|v| RoutingHint::Key(v.into())))
    }

    /// Where a statement goes with these parameters.
    pub(super) fn route(
        &self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Result<Routed, RouteError> {
        if let Action::Execute { name, arguments } = part.action() {
            return self.route_executed(part, text, name, arguments);
        }
        let router = self.router();
        let Some(known) = &part.known else { return Ok((Route::One(router.home()), None)) };
        let values = Values {
            text,
            literals: &known.scanned.literals,
            parameters,
            utf8: self.reading().utf8,
        };
        let hint = self.hint(part);
        if let (Some(query), None) = (&known.query, &hint) {
            self.route(&query.part, &part.query_text(text), parameters)?;
        }
        let current = self.current_shard(part);
        let routed = known.plan.route(&router, &values, hint.as_ref(), current);
        if let (Err(RouteError::Several(_)), Action::Explain { format, .. }) =
            (&routed, &known.plan.action)
        {
            // One of them shows its own plan.
            let several =
                known.plan.several(&router, &values, &known.scanned, self.preference())?;
            let (words, shard) = match &several {
                Several::Merged(merged) => (merged.words(&router), merged.shards.first().copied()),
                Several::Gathered(gathered) => (gathered.words(&router), Some(gathered.finisher)),
                Several::Finished(groups) => (groups.words(&router), Some(groups.finisher)),
            };
            let shown = Shown { format: *format, route: self.words_with(words, text) };
            let route = Route::One(shard.unwrap_or(router.home()));
            return Ok((route, Some(Arc::new(shown))));
        }
        if let (Err(RouteError::Spread(_)), Action::Explain { format, .. }) =
            (&routed, &known.plan.action)
        {
            let shares = known.plan.spread(&router, &values, &known.scanned)?;
            let shown =
                Shown { format: *format, route: self.words_with(shares.words(&router), text) };
            let first = shares.each.first().map_or(router.home(), |share| share.shard);
            return Ok((Route::One(first), Some(Arc::new(shown))));
        }
        if let (Err(RouteError::Moved(_)), Action::Explain { format, .. }) =
            (&routed, &known.plan.action)
        {
            let moving = known.plan.moving(&router, &values, &known.scanned)?;
            let shown =
                Shown { format: *format, route: self.words_with(moving.words(&router), text) };
            let first = moving.shards.first().map_or(router.home(), |shard| *shard);
            return Ok((Route::One(first), Some(Arc::new(shown))));
        }
        if let (Err(RouteError::Fed(_)), Action::Explain { format, .. }) =
            (&routed, &known.plan.action)
        {
            let feeding = known.plan.feeding(&values, &known.scanned)?;
            let shown = Shown { format: *format, route: feeding.words().join("\n") };
            return Ok((Route::One(router.home()), Some(Arc::new(shown))));
        }
        if let (Err(RouteError::Unfilled(_)), Action::Explain { format, .. }, Some(fill)) =
            (&routed, &known.plan.action, &known.plan.fill)
        {
            let shown = Shown { format: *format, route: fill.words() };
            return Ok((Route::Any, Some(Arc::new(shown))));
        }
        let route = match routed? {
            Route::All if self.db.is_one_shard() => Route::One(router.home()),
            other => other,
        };
        let shown = match known.plan.action {
            // Where there is one place only, EXPLAIN is Postgres's own.
            Action::Explain { format, .. } if !self.db.is_one_shard() => {
                Some(Arc::new(explained(&known.plan, &router, &values, route, format)))
            }
            _ => None,
        };
        Ok((route, shown))
    }

    /// What EXPLAIN says of several shards, and of the text that stands in the place of the client's.
    fn words_with(&self, mut words: Vec<String>, text: &[u8]) -> String {
        let given = String::from_utf8_lossy(text);
        if self.state.edited.is_some() {
            words.insert(words.len().min(1), format!("asked: {given}"));
        }
        words.join("\n")
    }

    /// Where a statement's rows are, whether it is to be explained or run.
    pub(super) fn route_of_part(
        &self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Result<Route, RouteError> {
        let (known, values) = self.with_values(part, text, parameters)?;
        let (hint, current) = (self.hint(part), self.current_shard(part));
        if let (Some(query), None) = (&known.query, &hint) {
            self.route_of_part(&query.part, &part.query_text(text), parameters)?;
        }
        known.plan.route(&self.router(), &values, hint.as_ref(), current)
    }

    /// What is known of a statement, and the values that it has now.
    fn with_values<'a>(
        &self,
        part: &'a Part,
        text: &'a [u8],
        parameters: &'a [Parameter<'a>],
    ) -> Result<(&'a Known, Values<'a>), Refusal> {
        let known = part.known.as_ref().ok_or_else(Refusal::not_analysed)?;
        let (literals, utf8) = (&known.scanned.literals, self.reading().utf8);
        Ok((known, Values { text, literals, parameters, utf8 }))
    }

    /// The statement's text with a time for what reads the clock in it.
    pub(super) fn timed_text(&self, part: &Part, text: &[u8]) -> Option<routing::Timed> {
        let known = part.known.as_ref()?;
        self.router().timed(text, &known.scanned)
    }

    /// How a statement is answered by several shards, where its route says that it can be.
    pub(super) fn by_several(
        &self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Result<Several, Failure> {
        let (known, values) = self.with_values(part, text, parameters)?;
        if let Some(query) = &known.query {
            return self.by_several(&query.part, &part.query_text(text), parameters);
        }
        let router = self.router();
        let several = known.plan.several(&router, &values, &known.scanned, self.preference());
        several.map_err(not_merged)
    }

    /// How a statement is answered that turned out not to be one that can be merged.
    pub(super) fn unmerged(
        &self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Option<Several> {
        let (known, values) = self.with_values(part, text, parameters).ok()?;
        known.plan.unmerged(&self.router(), &values, &known.scanned, self.preference()).ok()
    }

    /// The same where its groups can't be put together either.
    pub(super) fn gathered(
        &self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Option<Gathered> {
        let (known, values) = self.with_values(part, text, parameters).ok()?;
        known.plan.gather(&self.router(), &values, &known.scanned, self.preference()).ok()
    }

    /// Where any shard can finish a statement, clients are spread over them.
    fn preference(&self) -> usize {
        self.cancel.pid().unsigned_abs() as usize
    }

    /// A COPY that several shards are to run, where its route says so.
    pub(super) fn copied(&self, part: &Part, text: &[u8]) -> Result<Option<CopyTask>, Failure> {
        let Ok((known, values)) = self.with_values(part, text, &[]) else { return Ok(None) };
        let copied = known.plan.copied(&self.router(), &values, &known.scanned);
        copied.map_err(not_merged)
    }

    /// What each of several shards gets of a write, where its route says that it can be split.
    pub(super) fn shares(
        &self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Result<Shares, RouteError> {
        let (known, values) = self.with_values(part, text, parameters)?;
        known.plan.spread(&self.router(), &values, &known.scanned)
    }

    /// How an INSERT is fed with the rows of its query, where its route says that it can be.
    pub(super) fn feeding(
        &self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Result<Feeding, RouteError> {
        let (known, values) = self.with_values(part, text, parameters)?;
        known.plan.feeding(&values, &known.scanned)
    }

    /// How an UPDATE moves rows, where its route says that it may.
    pub(super) fn moving(
        &self,
        part: &Part,
        text: &[u8],
        parameters: &[Parameter<'_>],
    ) -> Result<Moving, RouteError> {
        let (known, values) = self.with_values(part, text, parameters)?;
        known.plan.moving(&self.router(), &values, &known.scanned)
    }

    /// Where a Bind goes. The types of its parameters are learned from a server if they decide.
    /// `leg` is what was gathered before it.
    pub(super) async fn route_bind(
        &mut self,
        part: &Part,
        statement: &Arc<Statement>,
        bind: &Bind<'_>,
        leg: &mut Leg,
    ) -> Result<Bound, Stop> {
        let mut routed = self.route_one_or_more(part, statement, bind);
        if matches!(routed, Err(RouteError::NeedsParameterTypes)) {
            if !statement.is_described() && !leg.ops.is_empty() {
                // What was gathered comes first, and with it the statement's own Parse: its error
                // is told once, and in its turn.
                self.run_leg(leg, End::Flush).await?;
                return if self.skipping { Err(Stop::Told) } else { Ok(Bound::Anew) };
            }
            self.learn_types(statement).await?;
            routed = self.route_one_or_more(part, statement, bind);
        }
        match routed {
            Ok(bound) => Ok(bound),
            Err(RouteError::Several(_)) if self.may_scatter() => {
                if let Some(copied) = self.copied(part, &statement.text)? {
                    return Ok(Bound::Copied(copied));
                }
                let parameters = parameters(statement, bind);
                Ok(Bound::Several(self.by_several(part, &statement.text, &parameters)?))
            }
            Err(error) => Err(not_merged(error).into()),
        }
    }

    /// Whether a server is to be asked for the key of what is bound.
    pub(super) fn is_unfilled(&self, part: &Part, statement: &Statement, bind: &Bind<'_>) -> bool {
        let values = parameters(statement, bind);
        let routed = self.route(part, &statement.text, &values);
        matches!(routed, Err(RouteError::Unfilled(_))) && self.may_fill()
    }

    /// Where a Bind goes with the types that are known; what is merged is told as an error yet.
    fn route_one_or_more(
        &self,
        part: &Part,
        statement: &Statement,
        bind: &Bind<'_>,
    ) -> Result<Bound, RouteError> {
        let parameters = parameters(statement, bind);
        match self.route(part, &statement.text, &parameters) {
            Err(RouteError::Spread(_)) if self.may_scatter() => {
                self.shares(part, &statement.text, &parameters).map(Bound::Shared)
            }
            Err(RouteError::Moved(_)) if self.may_scatter() => {
                self.moving(part, &statement.text, &parameters).map(Bound::Moved)
            }
            Err(RouteError::Fed(_)) if self.may_scatter() => {
                self.feeding(part, &statement.text, &parameters).map(Bound::Fed)
            }
            routed => routed.map(Bound::Routed),
        }
    }

    /// What a statement that is prepared now depends on beside its text.
    pub(super) fn world(&self) -> World {
        let schema = match self.state.journal.own_router() {
            Some(own) => own.schema().version,
            None => self.db.schema_version(),
        };
        (schema, self.reading().version)
    }

    /// What statements are routed by now.
    pub(super) fn router(&self) -> Guard<Arc<Router>> {
        match self.state.journal.own_router() {
            Some(own) => Guard::from_inner(Arc::clone(own)),
            None => self.db.router(),
        }
    }
}

impl super::database::Database {
    /// Where a statement goes whatever its parameters, if that is known.
    pub(super) fn fixed_route(&self, part: &Part, text: &[u8]) -> Option<ShardId> {
        let Known { scanned, plan, hint, .. } = part.known.as_ref()?;
        fixed_route(&self.router(), plan, scanned, hint.as_ref(), text)
    }
}

fn fixed_route(
    router: &Router,
    plan: &Plan,
    scanned: &Scanned,
    hint: Option<&RoutingHint>,
    text: &[u8],
) -> Option<ShardId> {
    let values = Values { text, literals: &scanned.literals, parameters: &[], utf8: true };
    match plan.route(router, &values, hint, None) {
        Ok(Route::One(shard)) => Some(shard),
        _ => None,
    }
}

/// SAVEPOINT, RELEASE, ROLLBACK TO: what settings go by in a transaction.
fn names_a_savepoint(text: &[u8]) -> bool {
    let begins =
        |word: &[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    [&b"SAVEPOINT"[..], b"RELEASE", b"ROLLBACK"].into_iter().any(begins)
}

fn explained(
    plan: &Plan,
    router: &Router,
    values: &Values<'_>,
    route: Route,
    format: ExplainFormat,
) -> Shown {
    let mut lines = routing::describe(plan, router, values, &Ok(route));
    lines.pop();
    let place = match route {
        Route::One(shard) => format!("shard {}", router.shard_name(shard)),
        Route::Any => "any shard".to_owned(),
        Route::All => "all shards".to_owned(),
    };
    let why = if lines.is_empty() { String::new() } else { format!(" ({})", lines.join("; ")) };
    Shown { format, route: place + &why }
}

fn not_merged(error: RouteError) -> Failure {
    error.refusal().map_or_else(parameter_unknown, Failure::from)
}

/// Of a simple query, which has no parameters.
pub fn no_route(error: RouteError) -> Failure {
    let none = || Failure::new("42P02", "there is no parameter in a simple query");
    error.refusal().map_or_else(none, Failure::from)
}

fn parameter_unknown() -> Failure {
    Failure::unsupported(
        "the type of the parameter that decides the shard isn't known",
        "Give the parameter's type, or cast it: $1::bigint.",
    )
}

/// The values of a Bind, with the types that are known of its statement.
pub fn parameters<'a>(statement: &Statement, bind: &Bind<'a>) -> Vec<Parameter<'a>> {
    let value = |(i, value): (usize, Option<&'a [u8]>)| Parameter {
        type_oid: statement.parameter_type(i),
        value: match (value, bind.parameter_formats.of(i)) {
            (None, _) => ParameterValue::Null,
            (Some(bytes), Format::Text) => ParameterValue::Text(bytes),
            (Some(bytes), Format::Binary) => ParameterValue::Binary(bytes),
        },
    };
    bind.values.iter().enumerate().map(value).collect()
}

/// A text that is not one statement's: several, or none that is understood.
pub fn of_sql(error: sql::SqlError) -> Failure {
    Refusal::from(error).into()
}
