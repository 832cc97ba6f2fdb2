//! Statements that define: on all shards, or on none.
//!
//! They are part of a transaction over all shards, the client's or one of their own, that is
//! committed in two phases. The first shard is asked before the others, so that of two that define
//! the same the later one waits there, and not each for the other on two shards. What Postgres
//! doesn't have in a transaction is done shard by shard (`each`).

mod constraints;
mod each;
mod ids;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{sleep, timeout};

use super::cancel::CANCEL_LIMIT;
use super::client::READ_AHEAD;
use super::failure::Failure;
use super::planner::Part;
use super::scatter::leg::Leg;
use super::session::{Session, Stop};
use super::transaction::{Said, tell};
use super::vigil::Vigil;
use crate::cluster::CancelToken;
use crate::routing::{Action, Leaves, RouteError};
use crate::wire::backend::{self, TransactionStatus, tag};
use crate::wire::frontend::tag as from_client;
use crate::wire::write;

/// What the client is to hear of a statement that defines, once it holds.
#[must_use]
#[derive(Debug)]
pub struct Defined(Option<Said>);

/// What a statement that defines is asked by.
struct Asked<'a> {
    text: &'a [u8],
    leaves: Leaves,
    /// It has something to be committed.
    writes: bool,
}

impl Session {
    /// Runs a statement that defines. What it does is committed by who ends its transaction:
    /// where it is one by itself, [`conclude`](Self::conclude).
    ///
    /// # Errors
    /// It wasn't done on any shard; or where it is no transaction, the error says on which.
    pub(super) async fn define(&mut self, part: &Part, text: &[u8]) -> Result<Defined, Stop> {
        let leaves = part.leaves(text);
        if leaves.has(Leaves::TEMPORARY) {
            return Err(Failure::unsupported(
                "something temporary lies in one server's session, and this one uses several",
                "Say which shard you mean: /* pgherd: shard=NAME */ before the statement.",
            )
            .into());
        }
        self.route(part, text, &[]).map_err(refused)?;
        let (alone, shapes) = match part.action() {
            Action::Ddl { outside_transaction, shapes } => (*outside_transaction, *shapes),
            _ => (false, false),
        };
        let shards = match part.action() {
            Action::Listen { on: false } => self.listening_shards(),
            _ => self.db.shard_ids(),
        };
        let idle = self.held.is_none() && self.state.status == TransactionStatus::Idle;
        if alone && idle && !self.state.journal.is_open() {
            // Nobody begins while a shard can't be reached.
            let legs = self.call_legs(&shards).await?;
            self.dismiss(legs, false).await;
            self.on_each(&shards, part, text).await?;
            return Ok(Defined(None));
        }
        if idle {
            // All connections are there before the first shard is asked.
            self.begin_implicit();
        }
        let mut legs = self.call_legs(&shards).await?;
        // To listen is nothing that the shards have to agree on.
        let writes = !matches!(part.action(), Action::Listen { .. });
        let asked = Asked { text, leaves, writes };
        let mut defined = self.on_all(&mut legs, asked).await;
        if shapes
            && defined.is_ok()
            && let Err(stop) = self.fit_to_shards(&mut legs).await
        {
            defined = Err(stop);
        }
        legs.iter_mut().for_each(Leg::lose_unanswered);
        self.dismiss(legs, defined.is_err()).await;
        let said = defined?;
        self.state.apply(&part.effect(text), &said.tag);
        Ok(Defined(Some(said)))
    }

    /// Sees to it that what a table has now fits tables that are split.
    async fn fit_to_shards(&mut self, legs: &mut [Leg]) -> Result<(), Stop> {
        self.hold_constraints(legs).await?;
        self.give_ranges(legs).await
    }

    /// The client hears what the first shard said.
    pub(super) fn tell_defined(&mut self, Defined(said): Defined) {
        let Some(mut said) = said else { return };
        let tag = String::from_utf8_lossy(&std::mem::take(&mut said.tag)).into_owned();
        said.pass_on(&mut self.state, &mut self.client.output);
        backend::command_complete(&mut self.client.output, &tag);
    }

    async fn on_all(&mut self, legs: &mut [Leg], asked: Asked<'_>) -> Result<Said, Stop> {
        let tokens: Vec<Arc<CancelToken>> =
            legs.iter().map(|leg| leg.held.backend.cancel_token()).collect();
        for leg in legs.iter_mut() {
            leg.held.wrote |= asked.writes;
            leg.held.left = leg.held.left.and(asked.leaves);
        }
        let Some((gate, others)) = legs.split_first_mut() else { return Ok(Said::default()) };
        let heard = self.attended(&tokens, tell(&mut gate.held, asked.text)).await?;
        let said = match heard {
            Ok(said) => said,
            Err(why) => return Err(self.lost_leg(gate, why)),
        };
        if let Some(failure) = &said.failure {
            if let Some(deadlock) = self.state.verdict(failure.sqlstate.as_bytes()) {
                return Err(deadlock.into());
            }
            let out = &mut self.client.output;
            write::frame(out, tag::ERROR_RESPONSE, |b| b.extend_from_slice(&said.error));
            return Err(Stop::Told);
        }
        let telling = others.iter_mut().map(async |leg| {
            let heard = tell(&mut leg.held, asked.text).await;
            (leg, heard)
        });
        let mut failed = None;
        for (leg, heard) in self.attended(&tokens, join_all(telling)).await? {
            let stop = match heard {
                Ok(Said { failure: None, .. }) => continue,
                Ok(Said { failure: Some(failure), .. }) => {
                    let deadlock = self.state.verdict(failure.sqlstate.as_bytes());
                    deadlock.unwrap_or_else(|| on_shard(*failure, &leg.name)).into()
                }
                Err(why) => self.lost_leg(leg, why),
            };
            failed.get_or_insert(stop);
        }
        failed.map_or(Ok(said), Err)
    }

    /// Waits for what servers are told. They are cancelled when it takes too long, or when the
    /// client goes.
    pub(super) async fn attended<T>(
        &mut self,
        tokens: &[Arc<CancelToken>],
        work: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        tokio::pin!(work);
        let limit = self.times.statement;
        let timer = sleep(limit);
        tokio::pin!(timer);
        let mut vigil = Vigil::default();
        let stop = loop {
            // One that says goodbye right behind its statement has it run, as in Postgres.
            let leaves = self.client.peek() == Some(from_client::TERMINATE);
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = &mut timer, if !limit.is_zero() => break took_too_long(limit).into(),
                here = vigil.attend(&mut self.client, READ_AHEAD), if !leaves => {
                    if let Err(gone) = here {
                        break Stop::Gone(gone);
                    }
                }
            }
        };
        let asked = join_all(tokens.iter().map(|token| token.cancel(CANCEL_LIMIT)));
        // Whoever doesn't answer now has something unanswered left.
        drop(timeout(2 * CANCEL_LIMIT, join(work, asked)).await);
        Err(stop)
    }

    /// A leg's connection is lost, before anything of the statement holds.
    pub(super) fn lost_leg(&self, leg: &mut Leg, why: String) -> Stop {
        let address = leg.held.backend.address().to_string();
        let lost = format!("the connection to shard {}, node {address}, was lost: {why}", leg.name);
        leg.lose(why);
        Failure::new("08006", lost).with_hint("Nothing was changed. Run it again.").into()
    }
}

/// The first shard has done it, and another can't: they aren't alike.
fn on_shard(mut failure: Failure, shard: &str) -> Failure {
    let far = format!("On shard {shard}, and not on the first one; no shard has it.");
    failure.detail = Some(match failure.detail {
        Some(detail) => format!("{detail}\n{far}"),
        None => far,
    });
    failure.hint.get_or_insert_with(|| "The shards differ: pgherd check says in what.".to_owned());
    failure
}

fn took_too_long(limit: Duration) -> Failure {
    Failure::new("57014", "canceling statement due to statement timeout")
        .with_hint(format!("limits.statement_timeout is {limit:?} here."))
}

fn refused(error: RouteError) -> Failure {
    let none = || Failure::new("42P02", "a statement that defines has no parameters");
    error.refusal().map_or_else(none, Failure::from)
}
