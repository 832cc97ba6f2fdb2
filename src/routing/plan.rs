//! A plan: what a statement is, and for each occurrence of a table, where its rows can be.

use crate::config::rules::TableName;
use crate::placement::ShardId;
use crate::sql::{self, Ident, Scanned, Statement};

use super::bind::Analysis;
use super::copy::{CopyPlan, CopyQuery};
use super::cursor::CursorUse;
use super::feeding::{self, Feeds};
use super::fill::{self, Fill};
use super::gather::Gather;
use super::moving::{self, Moves};
use super::partial::Partial;
use super::places::{Evaluation, ShardSet, Tree};
use super::relation::Scope;
use super::router::Router;
use super::scatter::{Reason, Scatter};
use super::setting::{SettingCall, setting_call};
use super::spread::Spread;
use super::value::{ParameterUses, Reader, Values};
use super::{Action, Leaves, Refusal, Route, RouteError, RoutingHint, Several, statements};

/// What of a session a plan depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanContext<'a> {
    /// The schemas of `search_path`, in order, `$user` replaced by the user's name.
    pub search_path: &'a [Box<str>],
}

/// What is known of a statement before it has values: valid for every text of the same
/// fingerprint, as long as the router's [`validity`](Router::validity) and the search path
/// stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub action: Action,
    /// It may change something: rows, sequences, locks.
    pub writes: bool,
    /// It reads the clock, so that shards that answer it together must be told the time. Never so
    /// where there is one shard.
    pub clock: bool,
    /// A trigger of what it writes may say NOTIFY, so that its shard had better not be asked to
    /// prepare the transaction. Never so where there is one shard.
    pub may_notify: bool,
    /// The analysis read a literal: the plan is of this text only.
    pub exact_text: bool,
    /// What stays with the server's session, which therefore can't be shared.
    pub leaves: Leaves,
    /// It sets this for the session, if who runs it can follow the setting.
    pub sets: Option<SettingCall>,
    pub(super) occurrences: Vec<Occurrence>,
    /// Lifted by a hint, which says where the statement belongs.
    pub(super) refusals: Vec<Refusal>,
    pub(super) ask_home: bool,
    pub(super) follow: Follow,
    pub(super) parameter_uses: ParameterUses,
    /// The rules under which it was made: keyspaces are numbers in them. 0 where it has none.
    pub(super) rules_hash: u64,
    /// How it is merged from several shards, or why it isn't.
    pub(super) scatter: Result<Box<Scatter>, Reason>,
    /// COPY of a table of which several shards have rows.
    pub(super) copy: Option<Box<CopyPlan>>,
    /// COPY of a query.
    pub(super) copy_query: Option<Box<CopyQuery>>,
    /// How several shards write, each its own, or why they don't.
    pub(super) spread: Result<Box<Spread>, Reason>,
    /// How it is fed with the rows of its query.
    pub(super) feeds: Option<Box<Feeds>>,
    /// How it moves rows, whose shard key it changes.
    pub(super) moves: Option<Box<Moves>>,
    /// Its shard key is to be asked for first.
    pub fill: Option<Box<Fill>>,
    /// What it does with a cursor.
    pub cursor: Option<CursorUse>,
    /// How one server finishes it over the rows of several shards, or why none does.
    pub(super) gather: Result<Box<Gather>, Reason>,
    /// How its groups are put together, and then finished by one server, or why they aren't.
    pub(super) partial: Result<Box<Partial>, Reason>,
    /// Of PREPARE: the plan of what is prepared.
    pub prepared: Option<Box<Plan>>,
}

/// One occurrence of a table, or of something else that has a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occurrence {
    /// `None` is a function.
    pub table: Option<TableName>,
    pub alias: Option<Ident>,
    pub place: Place,
}

/// A table in FROM, by where it stands in the text.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// The token at which its name begins.
    pub at: u32,
    pub table: TableName,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// A copy is on every shard.
    Anywhere,
    /// The copies on all shards change.
    Everywhere,
    Home,
    Keys {
        keyspace: usize,
        tree: Tree,
    },
    Refused(Box<Refusal>),
}

/// Whether the statement needs what the session's transaction left on its shard.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Follow {
    No,
    /// Without a transaction the server's own error is right, on any shard.
    IfAny,
    Needed(Refusal),
}

impl Plan {
    /// A plan without a table.
    pub(super) fn of(action: Action) -> Plan {
        Plan {
            action,
            writes: false,
            clock: false,
            may_notify: false,
            exact_text: false,
            leaves: Leaves::NOTHING,
            sets: None,
            occurrences: Vec::new(),
            refusals: Vec::new(),
            ask_home: false,
            follow: Follow::No,
            parameter_uses: Vec::new(),
            rules_hash: 0,
            scatter: Err(super::scatter::NO_SELECT),
            copy: None,
            copy_query: None,
            spread: Err(super::spread::NO_WRITE),
            feeds: None,
            moves: None,
            fill: None,
            cursor: None,
            gather: Err(super::scatter::NO_SELECT),
            partial: Err(super::scatter::NO_SELECT),
            prepared: None,
        }
    }

    /// A plan of what an analysis found.
    ///
    /// # Errors
    /// The analysis came to its bound.
    pub(super) fn found(action: Action, analysis: Analysis<'_>) -> Result<Plan, Refusal> {
        if analysis.work > analysis.router.bounds.work {
            return Err(Refusal::too_much_work());
        }
        let Analysis { router, effects, mut occurrences, mut refusals, .. } = analysis;
        let sharded = |place: &Place| matches!(place, Place::Keys { .. });
        if let Some(sequence) = &effects.sequence {
            if occurrences.iter().any(|o| sharded(&o.place)) {
                refusals.push(Refusal::nextval_sharded(sequence));
            } else {
                occurrences.push(home());
            }
        }
        if effects.need_home.is_some() {
            occurrences.push(home());
        }
        let follow = match &effects.session_state {
            Some(name) => Follow::Needed(Refusal::sequence_value(name)),
            None if effects.current_of && router.shards.len() > 1 => {
                Follow::Needed(Refusal::current_of())
            }
            // It brings no shard into the transaction that hasn't been there.
            None if effects.notifies && occurrences.iter().all(|o| o.place == Place::Anywhere) => {
                Follow::IfAny
            }
            None => Follow::No,
        };
        if effects.current_of {
            // The row is where the cursor is: the cursor's own query was routed.
            occurrences.retain(|occurrence| !sharded(&occurrence.place));
        }
        if router.shards.len() == 1 {
            occurrences.clear();
        }
        dedup(&mut occurrences);
        Ok(Plan {
            writes: effects.writes,
            clock: effects.clock && router.shards.len() > 1,
            may_notify: effects.may_notify && router.shards.len() > 1,
            exact_text: effects.exact_text,
            leaves: effects.leaves,
            occurrences,
            refusals,
            ask_home: effects.ask_home || effects.notifies,
            follow,
            parameter_uses: analysis.parameter_uses,
            rules_hash: router.rules_hash,
            ..Plan::of(action)
        })
    }

    /// Where the statement goes with these values. `hint` is the statement's own or else the
    /// session's; `current` is the shard on which the session's transaction has a backend.
    ///
    /// # Errors
    /// [`RouteError::Refused`] is the client's error, nothing was sent;
    /// [`RouteError::NeedsParameterTypes`] asks the session to learn the parameters' types
    /// from a server and to come again; [`RouteError::Several`] says that several shards can answer it
    /// together, [`RouteError::Spread`] that each can write its own,
    /// [`RouteError::Moved`] that rows go from one to another, [`RouteError::Unfilled`] that a server is to be asked for its key first.
    pub fn route(
        &self,
        router: &Router,
        values: &Values<'_>,
        hint: Option<&RoutingHint>,
        current: Option<ShardId>,
    ) -> Result<Route, RouteError> {
        let runs = matches!(self.action, Action::Run | Action::Explain { .. });
        if self.rules_hash != 0 && self.rules_hash != router.rules_hash {
            return Err(Refusal::rules_changed().into());
        }
        // It would hold on one shard, and no hint makes it anything else.
        if self.leaves.has(Leaves::SETTING) {
            self.refused(router)?;
        }
        let of_all = matches!(self.action, Action::Ddl { .. } | Action::Listen { .. });
        if let Some(hint) = hint
            && (runs || of_all)
        {
            return hint.shard(router, self).map(Route::One).map_err(RouteError::from);
        }
        if of_all {
            self.refused(router)?;
            return Ok(Route::All);
        }
        if !runs {
            self.refused(router)?;
            return Ok(Route::Any);
        }
        if let (Follow::Needed(refusal), None) = (&self.follow, current) {
            return Err(refusal.clone().into());
        }
        if router.shards.len() == 1 {
            return Ok(Route::One(ShardId(0)));
        }
        if self.fill.is_some()
            && let [refusal, ..] = self.refusals.as_slice()
        {
            return Err(RouteError::Unfilled(refusal.clone()));
        }
        if self.feeds.is_some()
            && let [refusal, ..] = self.refusals.as_slice()
        {
            return Err(RouteError::Fed(refusal.clone()));
        }
        if self.moves.is_some()
            && let [refusal, ..] = self.refusals.as_slice()
        {
            return Err(RouteError::Moved(refusal.clone()));
        }
        self.refused(router)?;
        if let Some(copy) = &self.copy {
            let refusal = Refusal::copy(&copy.table);
            // A function in its WHERE has a place of its own.
            let alone = self.occurrences.is_empty() && self.follow == Follow::No;
            return Err(match alone && self.leaves.is_nothing() {
                true => RouteError::Several(refusal),
                false => refusal.into(),
            });
        }
        let mut set = match (&self.follow, current) {
            (Follow::No, _) | (Follow::IfAny, None) => ShardSet::None,
            (_, Some(shard)) => ShardSet::One(shard),
            (Follow::Needed(refusal), None) => return Err(refusal.clone().into()),
        };
        let mut unknown = None;
        for occurrence in &self.occurrences {
            let mut evaluated = self.evaluate(occurrence, router, values)?;
            unknown = unknown.or(evaluated.unknown.take());
            set = set.union(evaluated.shards);
        }
        match set {
            ShardSet::None if self.ask_home => Ok(Route::One(router.home)),
            ShardSet::None => Ok(Route::Any),
            ShardSet::One(shard) => Ok(Route::One(shard)),
            ShardSet::Several(_) | ShardSet::All => {
                let refusal = super::describe::several(self, router, values, unknown);
                let alone = self.follow == Follow::No && self.leaves.is_nothing();
                if self.feeds.is_some() && alone && self.spread.is_err() {
                    return Err(RouteError::Fed(refusal));
                }
                if self.moves.is_some() && alone && self.spread.is_err() {
                    return Err(RouteError::Moved(refusal));
                }
                Err(match (&self.scatter, &self.gather, &self.spread) {
                    (Ok(_), ..) | (_, Ok(_), _) if alone => RouteError::Several(refusal),
                    _ if alone && self.partial.is_ok() => RouteError::Several(refusal),
                    (.., Ok(_)) if alone => RouteError::Spread(refusal),
                    (Ok(_), ..) | (_, Ok(_), _) | (.., Ok(_)) => refusal.into(),
                    (Err(merged), Err(gathered), Err(written)) => {
                        // Of a SELECT that isn't gathered either, the last word is the last hope's.
                        let why = if gathered.is_empty() {
                            refusal.not_merged(merged)
                        } else {
                            refusal.not_gathered(gathered)
                        };
                        why.not_written(written).into()
                    }
                })
            }
        }
    }

    /// How several shards answer the statement, after [`Plan::route`] has said that they can.
    /// `scanned` is of the text in `values`; `prefer` is as for [`Plan::gather`].
    ///
    /// # Errors
    /// As of [`Plan::scatter`] and [`Plan::gather`].
    pub fn several(
        &self,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
        prefer: usize,
    ) -> Result<Several, RouteError> {
        if self.scatter.is_ok() {
            match self.scatter(router, values, scanned) {
                // What isn't merged with these values may still be gathered.
                Err(RouteError::Refused(refusal))
                    if self.gather.is_ok() && refusal.sqlstate == "0A000" => {}
                scattered => return scattered.map(Several::Merged),
            }
        }
        self.unmerged(router, values, scanned, prefer)
    }

    /// The same for what turned out not to be one that can be merged: groups are less than rows.
    ///
    /// # Errors
    /// As of [`Plan::several`].
    pub fn unmerged(
        &self,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
        prefer: usize,
    ) -> Result<Several, RouteError> {
        if self.partial.is_ok() {
            match self.finish(router, values, scanned, prefer) {
                Err(RouteError::Refused(refusal))
                    if self.gather.is_ok() && refusal.sqlstate == "0A000" => {}
                finished => return finished.map(Several::Finished),
            }
        }
        self.gather(router, values, scanned, prefer).map(Several::Gathered)
    }

    /// Whether one shard finishes what several have the rows of, rather than that their answers are
    /// merged.
    pub fn is_gathered(&self) -> bool {
        self.scatter.is_err() && self.gather.is_ok()
    }

    /// Roughly what the plan takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let occurrences: usize = self
            .occurrences
            .iter()
            .map(|occurrence| match &occurrence.place {
                Place::Keys { tree, .. } => size_of::<Occurrence>() + 80 + tree.bytes(),
                _ => size_of::<Occurrence>() + 280,
            })
            .sum();
        let prepared = self.prepared.as_ref().map_or(0, |plan| plan.bytes());
        let scatter = self.scatter.as_ref().map_or(0, |scatter| scatter.bytes());
        let copy = self.copy.as_ref().map_or(0, |copy| copy.bytes());
        let gather = self.gather.as_ref().map_or(0, |gather| gather.bytes());
        let spread = self.spread.as_ref().map_or(0, |spread| spread.bytes());
        let partial = self.partial.as_ref().map_or(0, |partial| partial.bytes());
        let fill = self.fill.as_ref().map_or(0, |fill| fill.bytes());
        let feeds = self.feeds.as_ref().map_or(0, |feeds| feeds.bytes());
        let moves = feeds + self.moves.as_ref().map_or(0, |moves| moves.bytes());
        let several = scatter + gather + partial + spread + copy + moves + fill;
        size_of::<Plan>() + occurrences + 400 * self.refusals.len() + several + prepared
    }

    /// The one setting that the statement makes isn't hidden in the server's session.
    fn follow_setting(&mut self, call: Option<SettingCall>) {
        let hidden = |refusal: &Refusal| *refusal == Refusal::session_setting();
        if call.is_some() && self.refusals.iter().filter(|r| hidden(r)).count() == 1 {
            self.refusals.retain(|refusal| !hidden(refusal));
            self.leaves = self.leaves.without(Leaves::SETTING);
            self.sets = call;
        }
    }

    fn refused(&self, router: &Router) -> Result<(), RouteError> {
        if router.shards.len() == 1 {
            return Ok(());
        }
        let of_table = self.occurrences.iter().find_map(|o| match &o.place {
            Place::Refused(refusal) => Some(&**refusal),
            _ => None,
        });
        match of_table.or(self.refusals.first()) {
            Some(refusal) => Err(refusal.clone().into()),
            None => Ok(()),
        }
    }

    /// The shards of one occurrence.
    pub(super) fn evaluate(
        &self,
        occurrence: &Occurrence,
        router: &Router,
        values: &Values<'_>,
    ) -> Result<Evaluated, RouteError> {
        let (keyspace, tree) = match &occurrence.place {
            Place::Anywhere | Place::Refused(_) => return Ok(ShardSet::None.into()),
            Place::Everywhere => return Ok(ShardSet::All.into()),
            Place::Home => return Ok(ShardSet::One(router.home).into()),
            Place::Keys { keyspace, tree } => (*keyspace, tree),
        };
        self.evaluate_tree(keyspace, tree, router, values)
    }

    /// The shards of keys of a keyspace.
    pub(super) fn evaluate_tree(
        &self,
        keyspace: usize,
        tree: &Tree,
        router: &Router,
        values: &Values<'_>,
    ) -> Result<Evaluated, RouteError> {
        let Some((placement, rule)) =
            router.placements.get(keyspace).zip(router.rules.keyspaces.get(keyspace))
        else {
            return Ok(ShardSet::All.into());
        };
        let reader =
            Reader { values, uses: &self.parameter_uses, server_major: router.schema.server_major };
        let mut evaluation = Evaluation {
            reader,
            placement,
            arity: rule.key.len(),
            most_keys: router.bounds.keys,
            unknown: None,
        };
        let shards = evaluation.shards(tree)?;
        Ok(Evaluated { shards, unknown: evaluation.unknown })
    }
}

/// Where one occurrence's rows can be, and why a value that is there couldn't be used.
pub(super) struct Evaluated {
    pub shards: ShardSet,
    pub unknown: Option<&'static str>,
}

impl From<ShardSet> for Evaluated {
    fn from(shards: ShardSet) -> Evaluated {
        Evaluated { shards, unknown: None }
    }
}

fn home() -> Occurrence {
    Occurrence { table: None, alias: None, place: Place::Home }
}

/// Occurrences with the same place are looked up once.
fn dedup(occurrences: &mut Vec<Occurrence>) {
    let mut kept: Vec<Occurrence> = Vec::with_capacity(occurrences.len());
    for occurrence in occurrences.drain(..) {
        if !kept.contains(&occurrence) {
            kept.push(occurrence);
        }
    }
    *occurrences = kept;
}

impl Router {
    /// Plans a statement of a text: `scanned` is it, and `statement` its tree.
    ///
    /// # Errors
    /// The statement is refused, whatever its values and hints.
    pub fn plan(
        &self,
        text: &[u8],
        scanned: &Scanned,
        statement: &Statement,
        context: &PlanContext<'_>,
    ) -> Result<Plan, Refusal> {
        let analysis = Analysis::new(self, context.search_path, text, scanned);
        let mut plan = statements::plan(analysis, statement)?;
        if let Statement::Query(query) = statement {
            plan.follow_setting(setting_call(query));
        }
        Ok(plan)
    }
}

impl<'a> Analysis<'a> {
    /// A statement that reads or changes rows.
    pub(super) fn rows(
        mut self,
        action: Action,
        statement: &'a Statement,
    ) -> Result<Plan, Refusal> {
        let mut node = self.write(statement, &Scope::default())?;
        let early = self.occurrences.len();
        self.settle(&node, &Vec::new(), None);
        if self.router.shards.len() == 1 || self.work > self.router.bounds.work {
            return Plan::found(action, self);
        }
        let fill = fill::of(&self, statement);
        let (feeds, unfed) = match feeding::of(&self, statement) {
            Ok(feeds) => (feeds, ""),
            Err(reason) => (None, reason),
        };
        let moves = match moving::of(&mut self, statement, &mut node) {
            Ok(moves) => moves,
            Err(reason) => {
                self.refusals = self.refusals.into_iter().map(|r| r.not_moved(reason)).collect();
                None
            }
        };
        let scatter = super::scatter::of(&self, statement, &node);
        let gather = match sql::names(self.text, self.scanned) {
            Ok(names) => super::gather::of(&self, statement, &names),
            Err(_) => Err("it has a name that can't be read"),
        };
        let partial = super::partial::of(&self, statement, &node);
        let spread = match super::spread::of(&mut self, statement, &node, early) {
            Err(_) if !unfed.is_empty() => Err(unfed),
            spread => spread,
        };
        let found = Plan::found(action, self)?;
        Ok(Plan { scatter, gather, partial, spread, feeds, moves, fill, ..found })
    }
}

/// The routes of the statements of one text, in one.
///
/// # Errors
/// They don't go to one shard.
pub fn join_routes(
    routes: impl IntoIterator<Item = Route>,
    router: &Router,
) -> Result<Route, Refusal> {
    let mut joined = Route::Any;
    for route in routes {
        joined = match (joined, route) {
            (Route::Any, route) | (route, Route::Any) => route,
            (a, b) if a == b => a,
            (a, b) => {
                return Err(Refusal::several_statements(&named(a, router), &named(b, router)));
            }
        };
    }
    Ok(joined)
}

fn named(route: Route, router: &Router) -> String {
    match route {
        Route::Any => "any shard".into(),
        Route::One(shard) => router.shard_name(shard),
        Route::All => "all shards".into(),
    }
}
