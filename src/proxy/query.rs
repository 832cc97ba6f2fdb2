//! The simple protocol: a text of one statement or several.

use std::sync::Arc;

use super::block::out_of_block;
use super::control::{Where, describe};
use super::failure::Failure;
use super::fill::still_unknown;
use super::held::purpose;
use super::planner::{Part, no_route};
use super::replies::Request;
use super::session::{Session, Stop};
use super::setting_call::effect_of_call;
use super::settings::{Setting, after_reset};
use super::state::{Change, Effect, Note, Purpose};
use super::statements::{Reliance, Statement, server_name};
use crate::routing::{Action, Leaves, Route, RouteError, ShardId};
use crate::wire::backend::{self, TransactionStatus};
use crate::wire::frontend::{self, Target as Named};

impl Session {
    /// Answers a text, with its ReadyForQuery.
    pub(super) async fn query(&mut self, text: &[u8]) -> Result<(), Stop> {
        self.see_defined().await?;
        let failed = self.state.status == TransactionStatus::Failed;
        let parts = match self.parts(text) {
            Ok(parts) => parts,
            // Postgres reads a text before it says that the transaction has failed.
            Err(failure) if failed && failure.sqlstate != "42601" => {
                return Err(Failure::in_failed_transaction().into());
            }
            Err(failure) => return Err(failure.into()),
        };
        if failed && parts.first().is_some_and(|part| !part.may_end_failure()) {
            if self.held.is_none() {
                return Err(Failure::in_failed_transaction().into());
            }
            // The server refuses it, and all that follows.
            return self.run_text(None, text, Note::default()).await;
        }
        match parts.as_slice() {
            [] => {
                backend::empty(&mut self.client.output, backend::tag::EMPTY_QUERY_RESPONSE);
                self.ready();
                Ok(())
            }
            [part] => self.single(part, text).await,
            parts => self.several(parts, text).await,
        }
    }

    async fn single(&mut self, part: &Part, text: &[u8]) -> Result<(), Stop> {
        let place = self.place(part, text, false)?;
        if place == Where::Routed
            && part.reads_clock()
            && let Some(timed) = Box::pin(self.timed(part, text, &[])).await?
        {
            let before = self.state.edited.replace(timed.edited);
            let answered = Box::pin(self.single_at(place, &timed.part, &timed.text)).await;
            self.state.edited = before;
            return answered;
        }
        self.single_at(place, part, text).await
    }

    async fn single_at(&mut self, place: Where, part: &Part, text: &[u8]) -> Result<(), Stop> {
        match place {
            Where::Local => {
                describe(&mut self.client.output, part, &[]);
                self.answer_local(part, text, &[]).await?;
                self.ready();
                Ok(())
            }
            Where::Trial => self.try_text(std::slice::from_ref(part), text).await,
            Where::Anywhere if part.statement_name(text).is_some() => {
                let parts = std::slice::from_ref(part);
                self.run_named(None, parts, text, note_of(parts, text)).await
            }
            Where::Anywhere => {
                let note = note_of(std::slice::from_ref(part), text);
                let after = self.after_reset(&note);
                self.run_reset(None, text, note, &after).await
            }
            Where::Everywhere => {
                let said = self.define(part, text).await?;
                // Of a commit that fails the client must not hear the statement's success.
                self.conclude(true).await?;
                self.tell_defined(said);
                self.ready();
                Ok(())
            }
            Where::Cursor => {
                Box::pin(self.answer_cursor(part, text, None)).await?;
                self.conclude(true).await?;
                self.ready();
                Ok(())
            }
            Where::Wide => {
                self.tell_transaction(part, text).await?;
                // Of what messages without Sync have begun this is the end.
                self.conclude(true).await?;
                self.ready();
                Ok(())
            }
            Where::Routed => {
                self.tell_call(part, text).await?;
                self.check_declares(part).await?;
                let (route, explain) = match self.route(part, text, &[]) {
                    Err(RouteError::Several(_)) if self.may_scatter() => {
                        if let Some(copied) = self.copied(part, text)? {
                            Box::pin(self.copy_text(&copied, text, true)).await?;
                            self.ready();
                            return Ok(());
                        }
                        Box::pin(self.several_text(part, text)).await?;
                        self.conclude(true).await?;
                        self.ready();
                        return Ok(());
                    }
                    Err(RouteError::Spread(_)) if self.may_scatter() => {
                        let shares = self.shares(part, text, &[]).map_err(no_route)?;
                        self.share_text(&shares, text, true).await?;
                        self.ready();
                        return Ok(());
                    }
                    Err(RouteError::Moved(_)) if self.may_scatter() => {
                        let moving = self.moving(part, text, &[]).map_err(no_route)?;
                        Box::pin(self.move_text(&moving, text, true)).await?;
                        self.ready();
                        return Ok(());
                    }
                    Err(RouteError::Fed(_)) if self.may_scatter() => {
                        let feeding = self.feeding(part, text, &[]).map_err(no_route)?;
                        Box::pin(self.feed_text(&feeding, text, true)).await?;
                        self.ready();
                        return Ok(());
                    }
                    Err(RouteError::Unfilled(_)) if self.may_fill() => {
                        return Box::pin(self.filled(part, text, true)).await;
                    }
                    routed => routed.map_err(no_route)?,
                };
                let parts = std::slice::from_ref(part);
                let mut note = Note { explain, ..note_of(parts, text) };
                if part.statement_name(text).is_none() {
                    return self.run_text(one(route), text, note).await;
                }
                self.check_name(part, text)?;
                note.leaves = note.leaves.and(self.left_by_executed(part));
                self.run_named(one(route), parts, text, note).await
            }
        }
    }

    /// A text of several statements: all in one place, as one text, so that the server makes
    /// of it what it always makes of such a text.
    async fn several(&mut self, parts: &[Part], text: &[u8]) -> Result<(), Stop> {
        // On one shard there is no question where such a text goes.
        let nowhere_yet = self.held.is_none() && !self.db.is_one_shard();
        if nowhere_yet && parts.iter().all(is_control) {
            return self.several_controls(parts, text).await;
        }
        let defines = |part: &Part| matches!(part.action(), Action::Ddl { .. });
        if !self.db.is_one_shard() && parts.iter().any(defines) {
            return self.one_by_one(parts, text).await;
        }
        let mut target = None;
        for part in parts {
            let shard = match self.place(part, text, true)? {
                Where::Anywhere => None,
                // By the server, in its turn.
                Where::Local if matches!(part.action(), Action::Deallocate(_)) => None,
                Where::Routed => match self.route(part, text, &[]) {
                    Err(
                        RouteError::Several(_)
                        | RouteError::Spread(_)
                        | RouteError::Moved(_)
                        | RouteError::Fed(_)
                        | RouteError::Unfilled(_),
                    ) => {
                        return self.one_by_one(parts, text).await;
                    }
                    // Refused perhaps for the time that it reads.
                    Err(RouteError::Refused(_)) if part.reads_clock() => {
                        return self.one_by_one(parts, text).await;
                    }
                    routed => one(routed.map_err(no_route)?.0),
                },
                Where::Everywhere | Where::Wide | Where::Cursor => {
                    return self.one_by_one(parts, text).await;
                }
                Where::Local | Where::Trial => return Err(by_itself(part, text)),
            };
            if let (Some(here), Some(there)) = (target, shard)
                && here != there
            {
                return self.one_by_one(parts, text).await;
            }
            target = target.or(shard);
        }
        // What is said to the transaction is said where it was begun, too.
        let elsewhere = target.is_some()
            && self.held.as_ref().is_some_and(|held| Some(held.shard) != target)
            && parts.iter().any(Part::is_said_to_transaction);
        if elsewhere {
            return self.one_by_one(parts, text).await;
        }
        self.together(parts, text, target).await
    }

    /// Runs the statements of a text that belong to several places, one after the other, as the
    /// one transaction that such a text is.
    async fn one_by_one(&mut self, parts: &[Part], text: &[u8]) -> Result<(), Stop> {
        let in_block = self.state.status != TransactionStatus::Idle && !self.implicit;
        let named = || parts.iter().find(|part| part.statement_name(text).is_some());
        if let Some(part) = out_of_block(parts, in_block, text).or_else(named) {
            return Err(by_itself(part, text));
        }
        for part in parts {
            if self.in_implicit_block(part, text).await? {
                continue;
            }
            let control = matches!(part.action(), Action::Transaction(_));
            if self.state.status == TransactionStatus::Idle && !control {
                self.open_block().await?;
                self.begin_implicit();
            }
            // By itself, where it stands in the text: an error tells its position.
            let before = text.get(..part.start()).unwrap_or_default();
            let before = String::from_utf8_lossy(before).chars().count();
            let own = [vec![b' '; before].as_slice(), part.text(text)].concat();
            self.see_defined().await?;
            if let [again] = self.parts(&own)?.as_mut_slice() {
                again.take_hint_of(part);
                self.unfinished(again, &own).await?;
            }
        }
        self.conclude(true).await?;
        self.ready();
        Ok(())
    }

    /// Answers one statement of a transaction, without ReadyForQuery.
    async fn unfinished(&mut self, part: &Part, text: &[u8]) -> Result<(), Stop> {
        let place = self.place(part, text, false)?;
        if place == Where::Routed
            && part.reads_clock()
            && let Some(timed) = Box::pin(self.timed(part, text, &[])).await?
        {
            let before = self.state.edited.replace(timed.edited);
            let answered = Box::pin(self.unfinished_at(place, &timed.part, &timed.text)).await;
            self.state.edited = before;
            return answered;
        }
        self.unfinished_at(place, part, text).await
    }

    async fn unfinished_at(&mut self, place: Where, part: &Part, text: &[u8]) -> Result<(), Stop> {
        match place {
            Where::Local => {
                describe(&mut self.client.output, part, &[]);
                self.answer_local(part, text, &[]).await
            }
            Where::Trial => self.try_part(part, text).await,
            Where::Wide => self.tell_transaction(part, text).await,
            Where::Cursor => Box::pin(self.answer_cursor(part, text, None)).await,
            Where::Everywhere => {
                let said = Box::pin(self.define(part, text)).await?;
                self.tell_defined(said);
                Ok(())
            }
            Where::Anywhere => self.run_unfinished(None, text, note_of_one(part, text)).await,
            Where::Routed => match self.route(part, text, &[]) {
                Err(RouteError::Several(_)) if self.may_scatter() => {
                    if let Some(copied) = self.copied(part, text)? {
                        return Box::pin(self.copy_text(&copied, text, false)).await;
                    }
                    Box::pin(self.several_text(part, text)).await
                }
                Err(RouteError::Spread(_)) if self.may_scatter() => {
                    let shares = self.shares(part, text, &[]).map_err(no_route)?;
                    self.share_text(&shares, text, false).await
                }
                Err(RouteError::Moved(_)) if self.may_scatter() => {
                    let moving = self.moving(part, text, &[]).map_err(no_route)?;
                    Box::pin(self.move_text(&moving, text, false)).await
                }
                Err(RouteError::Fed(_)) if self.may_scatter() => {
                    let feeding = self.feeding(part, text, &[]).map_err(no_route)?;
                    Box::pin(self.feed_text(&feeding, text, false)).await
                }
                Err(RouteError::Unfilled(_)) if self.may_fill() => {
                    Box::pin(self.filled(part, text, false)).await
                }
                routed => {
                    let (route, explain) = routed.map_err(no_route)?;
                    self.tell_call(part, text).await?;
                    self.check_declares(part).await?;
                    let note = Note { explain, ..note_of_one(part, text) };
                    self.run_unfinished(one(route), text, note).await
                }
            },
        }
    }

    /// Asks for the keys of a statement's rows, and goes on with them in it. `ends`: with its
    /// ReadyForQuery.
    async fn filled(&mut self, part: &Part, text: &[u8], ends: bool) -> Result<(), Stop> {
        let filled = self.fill_text(part, text).await?;
        let done = match self.parts(&filled).as_deref() {
            Ok([part]) if part.fill().is_none() && ends => self.single(part, &filled).await,
            Ok([part]) if part.fill().is_none() => self.unfinished(part, &filled).await,
            Ok(_) => Err(still_unknown()),
            Err(failure) => Err(failure.clone().into()),
        };
        self.forget_filled();
        done
    }

    async fn tell_call(&mut self, part: &Part, text: &[u8]) -> Result<(), Stop> {
        if part.sets().is_none() || !self.is_wide() {
            return Ok(());
        }
        let effect = effect_of_call(part, text, &[])?;
        Box::pin(self.tell_setting(&effect)).await
    }

    /// Sends a text of several statements as one.
    async fn together(
        &mut self,
        parts: &[Part],
        text: &[u8],
        target: Option<ShardId>,
    ) -> Result<(), Stop> {
        let mut note = note_of(parts, text);
        let after = self.after_reset(&note);
        if parts.iter().any(|part| part.statement_name(text).is_some()) {
            if !after.is_empty() {
                return Err(by_itself(&parts[0], text));
            }
            let executed = parts.iter().map(|part| self.left_by_executed(part));
            note.leaves = executed.fold(note.leaves, Leaves::and);
            return self.run_named(target, parts, text, note).await;
        }
        if !after.is_empty() && !resets_last(parts, &note) {
            return Err(Failure::unsupported(
                "RESET of a setting that the connection began with, before other statements of a text",
                "Send the RESET by itself, or last.",
            )
            .into());
        }
        self.run_reset(target, text, note, &after).await
    }

    /// BEGIN, SET and the like only, without a shard to go to.
    async fn several_controls(&mut self, parts: &[Part], text: &[u8]) -> Result<(), Stop> {
        let transactions = parts.iter().any(|p| matches!(p.action(), Action::Transaction(_)));
        if !transactions {
            let ours = parts.iter().any(Part::never_parsed);
            return match (ours, self.state.journal.is_unsent()) {
                (true, _) => Err(by_itself(&parts[0], text)),
                (false, true) => self.try_text(parts, text).await,
                (false, false) => self.together(parts, text, None).await,
            };
        }
        for part in parts {
            let outside = self.state.status == TransactionStatus::Idle;
            match self.place(part, text, false)? {
                Where::Local => self.answer_local(part, text, &[]).await?,
                Where::Trial => self.try_part(part, text).await?,
                // Outside a transaction block the statements of a text are one transaction,
                // which nothing here stands for.
                _ if outside && !part.ends_transaction() => return Err(by_itself(part, text)),
                _ => self.run_part_unfinished(part, text).await?,
            }
        }
        self.ready();
        Ok(())
    }

    /// Runs a text in one place, and relays its ReadyForQuery.
    pub(super) async fn run_text(
        &mut self,
        shard: Option<ShardId>,
        text: &[u8],
        note: Note,
    ) -> Result<(), Stop> {
        self.hold(shard).await?;
        if self.implicit {
            return Box::pin(self.run_and_conclude(text, note)).await;
        }
        if let Some(held) = &mut self.held {
            held.query(text, true, note);
        }
        self.converse().await?;
        self.release_if_idle().await;
        Ok(())
    }

    /// A text that ends what messages without Sync have begun on several shards.
    async fn run_and_conclude(&mut self, text: &[u8], note: Note) -> Result<(), Stop> {
        self.run_unfinished(None, text, note).await?;
        self.conclude(true).await?;
        self.ready();
        Ok(())
    }

    /// Runs one statement where the transaction is, without ReadyForQuery.
    pub(super) async fn run_part_unfinished(
        &mut self,
        part: &Part,
        text: &[u8],
    ) -> Result<(), Stop> {
        self.run_unfinished(None, part.text(text), note_of_one(part, text)).await
    }

    /// As [`run_text`](Self::run_text), without ReadyForQuery.
    async fn run_unfinished(
        &mut self,
        shard: Option<ShardId>,
        text: &[u8],
        note: Note,
    ) -> Result<(), Stop> {
        self.hold(shard).await?;
        if let Some(held) = &mut self.held {
            held.unfinished_query(text, note);
        }
        let ended = self.converse().await?;
        if let Some(held) = &self.held {
            self.state.status = held.backend.status();
        }
        self.release_if_idle().await;
        if ended.failed { Err(Stop::Told) } else { Ok(()) }
    }

    /// Has the server that serves the transaction run a statement, and then what must follow it if
    /// it is a RESET, without ReadyForQuery.
    pub(super) async fn run_part_with(
        &mut self,
        part: &Part,
        text: &[u8],
        after: &[Setting],
    ) -> Result<(), Stop> {
        self.run_part_unfinished(part, text).await?;
        let Some(held) = &mut self.held else { return Ok(()) };
        if after.is_empty() {
            return Ok(());
        }
        held.query(&after.join(&b"\n;"[..]), false, purpose(Purpose::AfterReset));
        self.converse().await.map(|_| ())
    }

    /// What must follow a statement if it is a RESET.
    pub(super) fn after_reset_of(&self, part: &Part, text: &[u8]) -> Vec<Setting> {
        self.after_reset(&note_of_one(part, text))
    }

    /// The statement that must follow a RESET, since its connection doesn't know what this
    /// client began with.
    pub(super) fn after_reset(&self, note: &Note) -> Vec<Setting> {
        let startup = self.state.settings.startup();
        let of_effect = |effect: &Effect| match effect {
            Effect::Change(change) => match &**change {
                Change { all: true, .. } => after_reset(startup, None),
                Change { reset: Some(name), .. } => after_reset(startup, Some(name)),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        note.effects.iter().flat_map(of_effect).collect()
    }

    async fn run_reset(
        &mut self,
        shard: Option<ShardId>,
        text: &[u8],
        note: Note,
        after: &[Setting],
    ) -> Result<(), Stop> {
        if after.is_empty() {
            return self.run_text(shard, text, note).await;
        }
        let after = after.join(&b"\n;"[..]);
        self.hold(shard).await?;
        if let Some(held) = &mut self.held {
            held.unfinished_query(text, note);
            held.query(&after, false, purpose(Purpose::AfterReset));
            held.replies.last_is_end();
        }
        self.converse().await?;
        self.release_if_idle().await;
        Ok(())
    }

    /// Tries a text of settings on any server in the transaction that has no shard yet.
    async fn try_text(&mut self, parts: &[Part], text: &[u8]) -> Result<(), Stop> {
        self.trial(parts, text, text).await?;
        self.ready();
        Ok(())
    }

    async fn try_part(&mut self, part: &Part, text: &[u8]) -> Result<(), Stop> {
        self.trial(std::slice::from_ref(part), text, part.text(text)).await
    }

    /// `text` is what the parts are parts of, `sent` what is tried of it.
    async fn trial(&mut self, parts: &[Part], text: &[u8], sent: &[u8]) -> Result<(), Stop> {
        self.take(None).await?;
        let (wanted, learn) = (self.wanted(parts, text), self.learn(parts, text)?);
        self.have_names(&wanted).await?;
        let Some(held) = &mut self.held else { return Ok(()) };
        held.query(&self.state.journal.text(), false, purpose(Purpose::Unsent));
        held.unfinished_query(sent, note_of(parts, text));
        if !learn.is_empty() {
            learn.iter().for_each(|learning| held.describe_named(learning));
            held.sync(false, Purpose::Undo);
            self.learning = learn;
        }
        held.query(b"ROLLBACK", false, purpose(Purpose::Undo));
        let ended = self.converse().await?;
        self.release_if_idle().await;
        if ended.failed {
            self.state.status = TransactionStatus::Failed;
            return Err(Stop::Told);
        }
        parts.iter().try_for_each(|part| self.remember_tried(part, text))
    }

    /// Asks a server for the types of a statement's parameters, unless they are known.
    pub(super) async fn learn_types(&mut self, statement: &Arc<Statement>) -> Result<(), Stop> {
        if statement.is_described() { Ok(()) } else { self.describe(statement).await }
    }

    /// A client that was told what a statement's results look like must not get others. A server
    /// says so of a statement that it has kept; pgherd prepares it anew after a change of the
    /// schema.
    pub(super) async fn check_shape(&mut self, statement: &Arc<Statement>) -> Result<(), Stop> {
        if statement.reliance(self.db.schema_version()) == Reliance::Ask {
            self.describe(statement).await?;
        }
        if statement.reliance(self.db.schema_version()) == Reliance::Broken {
            let failure = Failure::new("0A000", "cached plan must not change result type")
                .with_hint("Prepare the statement again.");
            // asyncpg and JDBC do so by themselves.
            return Err(Failure { stale_plan: true, ..failure }.into());
        }
        Ok(())
    }

    /// Has a server describe a statement, to us.
    async fn describe(&mut self, statement: &Arc<Statement>) -> Result<(), Stop> {
        let passing = self.held.is_none();
        self.take(None).await?;
        let Some(held) = &mut self.held else { return Ok(()) };
        let name = held.have(statement, false)?;
        frontend::describe(&mut held.backend.output, Named::Prepared(&name));
        let note = Note { learn: Some(Arc::clone(statement)), ..Note::default() };
        held.replies.push(Request::DescribeStatement, false, note);
        if passing || !held.unsynced {
            held.sync(false, Purpose::Undo);
        } else {
            frontend::flush(&mut held.backend.output);
        }
        let ended = self.converse().await?;
        if passing {
            self.release_if_idle().await;
        }
        debug_assert!(server_name(statement.number) == name);
        if ended.failed { Err(Stop::Told) } else { Ok(()) }
    }
}

/// What is remembered with a text that is sent.
fn note_of(parts: &[Part], text: &[u8]) -> Note {
    Note {
        effects: parts.iter().map(|part| part.effect(text)).collect(),
        leaves: parts.iter().fold(Leaves::NOTHING, |all, part| all.and(part.leaves(text))),
        commits: parts.iter().any(Part::may_write),
        may_notify: parts.iter().any(Part::may_notify),
        cursor: parts.iter().find_map(Part::cursor_note),
        ..Note::default()
    }
}

fn note_of_one(part: &Part, text: &[u8]) -> Note {
    note_of(std::slice::from_ref(part), text)
}

/// Whether nothing that could see a setting follows a RESET.
fn resets_last(parts: &[Part], note: &Note) -> bool {
    let resets = |effect: &Effect| match effect {
        Effect::Change(change) => change.all || change.reset.is_some(),
        _ => false,
    };
    let Some(first) = note.effects.iter().position(resets) else { return true };
    let mut rest = parts.iter().zip(&note.effects).skip(first);
    rest.all(|(part, effect)| resets(effect) || matches!(part.action(), Action::Transaction(_)))
}

fn one(route: Route) -> Option<ShardId> {
    match route {
        Route::One(shard) => Some(shard),
        Route::Any | Route::All => None,
    }
}

fn is_control(part: &Part) -> bool {
    matches!(
        part.action(),
        Action::Transaction(_) | Action::Set(_) | Action::Show(_) | Action::Discard(_)
    )
}

fn by_itself(part: &Part, text: &[u8]) -> Stop {
    let what: String = String::from_utf8_lossy(part.text(text)).chars().take(40).collect();
    let words: Vec<&str> = what.split_whitespace().take(2).collect();
    Failure::unsupported(
        format!("{} in a text with other statements is not supported", words.join(" ")),
        "Send it by itself.",
    )
    .into()
}
