//! The function call protocol: a function by its number, without SQL. libpq's large objects live
//! by it, and little else does.

use super::client::Gone;
use super::failure::Failure;
use super::session::{Session, Stop};
use crate::routing::{Leaves, ShardId, is_of_large_objects};
use crate::wire::backend::TransactionStatus;
use crate::wire::frontend::FunctionCall;

impl Session {
    /// A function call, with its ReadyForQuery.
    pub(super) async fn function_call(&mut self, body: &[u8]) -> Result<(), Gone> {
        self.flush_before_query().await?;
        if self.skipping {
            return Ok(());
        }
        let answered = self.call(body).await;
        self.answered(answered).await
    }

    async fn call(&mut self, body: &[u8]) -> Result<(), Stop> {
        let failed = self.state.status == TransactionStatus::Failed;
        if failed && self.held.is_none() {
            return Err(Failure::in_failed_transaction().into());
        }
        let function = FunctionCall::read(body)?.function;
        // The server's failed transaction refuses it, whatever it is.
        let shard = if failed { None } else { Some(self.place_of_call(function)?) };
        // What another function leaves in its session isn't known.
        let own = is_of_large_objects(function);
        let leaves = if own { Leaves::NOTHING } else { Leaves::UNKNOWN };
        self.hold(shard).await?;
        if let Some(held) = &mut self.held {
            held.call(body, leaves);
        }
        self.converse().await?;
        self.release_if_idle().await;
        Ok(())
    }

    /// Large objects lie on the home shard, as they do for SQL's functions on them, or where the
    /// session's hint says. Any other function is known by its name, and a number has none.
    fn place_of_call(&self, function: u32) -> Result<ShardId, Failure> {
        let router = self.router();
        if self.db.is_one_shard() {
            return Ok(router.home());
        }
        if !is_of_large_objects(function) {
            return Err(Failure::unsupported(
                format!(
                    "function {function} is called by its number, which says nothing of its shard"
                ),
                "Call it by its name, with SELECT.",
            ));
        }
        match self.session_hint() {
            Some(hint) => Ok(hint.shard_of_call(&router)?),
            None => Ok(router.home()),
        }
    }
}
