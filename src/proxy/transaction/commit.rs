//! The end of a transaction over several shards.
//!
//! Who only read commits; of those who wrote all but one prepare their part; the one that is
//! left, the decider, commits its own together with a row that says so. That commit is the
//! decision. Then the prepared parts are committed. A transaction that wrote on one shard needs
//! none of this: its one COMMIT decides.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::told::{Said, tell, tell_within};
use crate::cluster::two_phase::UnderWay;
use crate::cluster::{CancelToken, GlobalId};
use crate::proxy::cancel::CANCEL_LIMIT;
use crate::proxy::database::Database;
use crate::proxy::failure::Failure;
use crate::proxy::held::Held;
use crate::proxy::session::{Session, Stop};
use crate::routing::{Leaves, ShardId};
use crate::wire::backend::TransactionStatus;

/// How long a decided transaction may take to be finished by its session. What it hasn't finished
/// then is finished by the resolver.
const FINISH_LIMIT: Duration = Duration::from_secs(5);

impl Session {
    /// Commits the transaction on all its shards, and parts with their connections.
    ///
    /// # Errors
    /// It was rolled back on all of them; or, with 08007, nobody knows yet, and it will be one of
    /// both on all of them.
    pub(in crate::proxy) async fn commit_all(&mut self) -> Result<(), Stop> {
        let mut all: Vec<Held> = self.others.drain(..).chain(self.held.take()).collect();
        let tokens: Vec<Arc<CancelToken>> =
            all.iter().map(|held| held.backend.cancel_token()).collect();
        self.cancel.attach_all(tokens.clone());
        let mut commit = Commit { db: &self.db, all: &mut all, said: Vec::new(), lost: Vec::new() };
        let limit = self.times.statement;
        let committed = match limit.is_zero() {
            true => commit.run().await,
            false => bounded(commit.run(), tokens, limit).await,
        };
        let (heard, lost) = (commit.said, commit.lost);
        self.cancel.detach().await;
        heard.into_iter().for_each(|s| s.pass_on(&mut self.state, &mut self.client.output));
        for held in all.iter().filter(|held| lost.contains(&held.shard)) {
            self.pools.suspect(held.shard, &held.backend);
        }
        self.end_with(all, committed.is_err()).await;
        committed.map_err(Stop::Failed)
    }
}

/// Cancels what takes longer than a statement may.
async fn bounded<T>(
    commit: impl Future<Output = T>,
    tokens: Vec<Arc<CancelToken>>,
    limit: Duration,
) -> T {
    tokio::pin!(commit);
    tokio::select! {
        biased;
        done = &mut commit => return done,
        () = tokio::time::sleep(limit) => {}
    }
    let asked = tokens.iter().map(|token| token.cancel(CANCEL_LIMIT));
    let (done, _) = futures_util::future::join(commit, join_all(asked)).await;
    done
}

/// A commit under way.
struct Commit<'a> {
    db: &'a Database,
    all: &'a mut [Held],
    said: Vec<Said>,
    /// Shards to which the connection was lost.
    lost: Vec<ShardId>,
}

/// What one shard's part in it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It wrote nothing.
    Reads,
    Prepares,
    Decides,
}

type Outcome = Result<(), Box<Failure>>;

impl Commit<'_> {
    async fn run(&mut self) -> Outcome {
        let roles = match self.roles() {
            Ok(roles) => roles,
            Err(refused) => {
                self.roll_back().await;
                return Err(refused);
            }
        };
        let prepares = roles.contains(&Role::Prepares);
        let decider = roles.iter().position(|role| *role == Role::Decides);
        let under_way = match decider {
            Some(at) if prepares => Some(self.db.two_phase.begin(self.all[at].shard)),
            _ => None,
        };
        let gid = under_way.as_ref().map(|under_way| under_way.gid);
        self.pass(gid, "begun").await;
        if let Err(failure) = self.ask_for_votes(&roles, gid).await {
            self.give_up(&roles, gid).await;
            return Err(failure);
        }
        self.pass(gid, "prepared").await;
        let Some(decider) = decider else { return Ok(()) };
        match self.decide(decider, gid).await {
            Ok(()) => {}
            Err(undecided) => {
                match &*undecided.sqlstate {
                    // Settings are the client's as they were before, and its connections may
                    // have those that the transaction made.
                    UNKNOWN => self.all.iter_mut().for_each(|held| held.backend.mark_broken()),
                    _ => self.give_up(&roles, gid).await,
                }
                return Err(undecided);
            }
        }
        self.pass(gid, "decided").await;
        if let Some(under_way) = under_way {
            self.finish(&roles, under_way).await;
        }
        Ok(())
    }

    /// Control points are of transactions that are decided in two phases.
    async fn pass(&self, gid: Option<GlobalId>, name: &str) {
        if gid.is_some() {
            self.db.cluster.control_points().pass(name).await;
        }
    }

    /// Of several who wrote one decides: who can't prepare, if there is one; else who may not be
    /// able to; else the home shard.
    fn roles(&self) -> Result<Vec<Role>, Box<Failure>> {
        let writers = || (0..self.all.len()).filter(|at| self.all[*at].wrote);
        let home = self.db.home();
        let at_home = |at: &usize| self.all[*at].shard == home;
        let mut unable = writers().filter(|at| self.all[*at].left.has(CANT_PREPARE));
        let decider = unable.next();
        let may_fail = |at: &usize| self.all[*at].may_have_notified;
        let decider = decider.or_else(|| writers().find(may_fail));
        let decider = decider.or_else(|| writers().find(at_home)).or_else(|| writers().next_back());
        if unable.next().is_some() {
            return Err(Box::new(Failure::unsupported(
                "the transaction wrote on several shards, and used LISTEN, NOTIFY, temporary \
                 tables or cursors WITH HOLD on more than one of them",
                "Postgres can't prepare such a transaction: use one for each shard.",
            )));
        }
        let role = |at: usize| match self.all[at].wrote {
            _ if Some(at) == decider => Role::Decides,
            true => Role::Prepares,
            false => Role::Reads,
        };
        Ok((0..self.all.len()).map(role).collect())
    }

    /// Who reads commits, who prepares prepares.
    async fn ask_for_votes(&mut self, roles: &[Role], gid: Option<GlobalId>) -> Outcome {
        let texts = self.texts(roles, |role, held| match (role, gid) {
            (Role::Reads, _) => Some("COMMIT".to_owned()),
            (Role::Prepares, Some(gid)) => {
                Some(format!("PREPARE TRANSACTION '{}'", gid.part(held.shard)))
            }
            _ => None,
        });
        let asked = self.all.iter_mut().zip(texts);
        let asked = asked.filter_map(|(held, text)| text.map(|text| (held, text)));
        let votes = join_all(asked.map(async |(held, text)| {
            let heard = tell(held, &text).await;
            (held.shard, heard)
        }));
        let mut outcome = Ok(());
        for (shard, heard) in votes.await {
            let vote = match heard {
                Ok(said) => self.vote(said).map_err(of_unprepared),
                Err(why) => Err(self.lost("08006", shard, &why, AGAIN)),
            };
            outcome = outcome.and(vote);
        }
        outcome
    }

    fn texts(
        &self,
        roles: &[Role],
        text: impl Fn(Role, &Held) -> Option<String>,
    ) -> Vec<Option<String>> {
        self.all.iter().zip(roles).map(|(held, role)| text(*role, held)).collect()
    }

    /// A COMMIT or PREPARE of a failed transaction is answered by ROLLBACK.
    fn vote(&mut self, mut said: Said) -> Outcome {
        if let Some(failure) = said.failure.take() {
            return Err(failure);
        }
        if &*said.tag == b"ROLLBACK" {
            return Err(Box::new(Failure::new(
                "40000",
                "the transaction was rolled back by a shard",
            )));
        }
        self.said.push(said);
        Ok(())
    }

    /// # Errors
    /// It is decided that nothing is committed; or, [`UNKNOWN`], nobody knows what was decided.
    async fn decide(&mut self, decider: usize, gid: Option<GlobalId>) -> Outcome {
        let text = match gid {
            Some(gid) => format!("SELECT pgherd.decide('{gid}'); COMMIT"),
            None => "COMMIT".to_owned(),
        };
        let asked = Instant::now();
        let held = &mut self.all[decider];
        let shard = held.shard;
        let why = match tell(held, &text).await {
            Ok(said) => return self.vote(said).map_err(of_read_only),
            Err(why) => why,
        };
        let Some(gid) = gid else {
            return Err(self.lost(UNKNOWN, shard, &why, LOOK));
        };
        // Its decision, if it made one, is in a table.
        match self.db.two_phase.learn(gid, asked).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.lost("08006", shard, &why, AGAIN)),
            Err(and) => Err(self.lost(UNKNOWN, shard, &format!("{why}; {and}"), LOOK)),
        }
    }

    /// Nobody was asked yet.
    async fn roll_back(&mut self) {
        let told = self.all.iter_mut().map(|held| tell_within(held, "ROLLBACK", FINISH_LIMIT));
        join_all(told).await;
    }

    /// Nothing was decided, and nothing will be.
    async fn give_up(&mut self, roles: &[Role], gid: Option<GlobalId>) {
        let texts = self.texts(roles, |role, held| match (role, gid) {
            (Role::Prepares, Some(gid)) if is_prepared(held) => {
                Some(format!("ROLLBACK PREPARED '{}'", gid.part(held.shard)))
            }
            _ if is_prepared(held) => None,
            _ => Some("ROLLBACK".to_owned()),
        });
        let told = self.all.iter_mut().zip(roles).zip(texts);
        let told = told.filter_map(|(part, text)| text.map(|text| (part, text)));
        let db = self.db;
        let told = told.map(async |((held, role), text)| {
            let heard = tell_within(held, &text, FINISH_LIMIT).await;
            let done = heard.is_ok_and(|said| said.failure.is_none());
            match gid.filter(|_| *role == Role::Prepares) {
                // It holds its locks until it is rolled back.
                Some(gid) if !done => finish_by_us(db, gid, held.shard, false).await,
                _ => done,
            }
        });
        if !join_all(told).await.iter().all(|done| *done) {
            self.db.two_phase.hurry();
        }
        for (held, role) in self.all.iter_mut().zip(roles) {
            if *role != Role::Decides {
                // To prepare, or to commit, has made settings the session's that no longer are.
                held.backend.mark_broken();
            }
        }
    }

    /// What was decided is done. Where it can't be done now the resolver does it.
    async fn finish(&mut self, roles: &[Role], under_way: UnderWay) {
        let gid = under_way.gid;
        let parts = self.all.iter_mut().zip(roles).filter(|(_, role)| **role == Role::Prepares);
        let db = self.db;
        let finished = parts.map(async |(held, _)| {
            let text = format!("COMMIT PREPARED '{}'", gid.part(held.shard));
            let heard = tell_within(held, &text, FINISH_LIMIT).await;
            match heard {
                Ok(Said { failure: None, .. }) => true,
                _ => finish_by_us(db, gid, held.shard, true).await,
            }
        });
        let finished = join_all(finished).await;
        self.db.cluster.control_points().pass("finished").await;
        drop(under_way);
        if !finished.iter().all(|done| *done) {
            tracing::warn!(%gid, "a committed transaction is left to be finished on a shard");
            self.db.two_phase.hurry();
        }
    }

    fn lost(
        &mut self,
        code: &'static str,
        shard: ShardId,
        why: &str,
        hint: &'static str,
    ) -> Box<Failure> {
        self.lost.push(shard);
        let name = self.db.shard_name(shard);
        let lost = format!("the connection to shard {name} was lost in a COMMIT: {why}");
        Box::new(Failure::new(code, lost).with_hint(hint))
    }
}

/// Finishes a part on a connection of pgherd's own: the client's is lost, or the role that the part
/// was prepared under isn't the session's any more.
async fn finish_by_us(db: &Database, gid: GlobalId, shard: ShardId, committed: bool) -> bool {
    let finished = db.two_phase.finish(gid, shard, committed);
    matches!(tokio::time::timeout(FINISH_LIMIT, finished).await, Ok(Ok(())))
}

/// A server says what it doesn't prepare a transaction with, and not what to do.
fn of_unprepared(mut failure: Box<Failure>) -> Box<Failure> {
    if failure.sqlstate == "0A000" && failure.hint.is_none() {
        let hint = "Of the shards that a transaction writes on one may do such a thing. A trigger \
                    that says NOTIFY does: use a transaction for each shard.";
        failure.hint = Some(hint.into());
    }
    failure
}

/// The decision is a row, which a transaction can't write that was made READ ONLY after its own
/// writes.
fn of_read_only(mut failure: Box<Failure>) -> Box<Failure> {
    if failure.sqlstate == "25006" {
        *failure = Failure::unsupported(
            "the transaction wrote on several shards, and was made READ ONLY after that",
            "Leave SET TRANSACTION READ ONLY out.",
        );
    }
    failure
}

const UNKNOWN: &str = "08007";
const AGAIN: &str = "The transaction was rolled back. Run it again.";
const LOOK: &str = "Whether the transaction took effect is not known. Look before you repeat it.";
/// What a server doesn't prepare a transaction with.
const CANT_PREPARE: Leaves = Leaves::TEMPORARY.and(Leaves::UNPREPARED).and(Leaves::HELD_CURSOR);

/// Its part of the transaction has been put aside, or is over.
fn is_prepared(held: &Held) -> bool {
    held.backend.status() == TransactionStatus::Idle
}
