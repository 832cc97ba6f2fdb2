//! What there is in a transaction that has defined something: read in it, so that the statements
//! that follow are routed by what they find.

use crate::cluster::schema::{SETTINGS, questions, schema_of};
use crate::proxy::failure::Failure;
use crate::proxy::session::{Session, Stop};
use crate::proxy::transaction::{Said, tell};
use crate::wire::backend::TransactionStatus;

const BEFORE: &str = "SAVEPOINT pgherd_defined; SET LOCAL client_encoding = 'UTF8'";
const AFTER: &str = "ROLLBACK TO pgherd_defined; RELEASE pgherd_defined";
/// Versions of schemas that one transaction has for itself have this bit.
const OWN: u64 = 1 << 63;

impl Session {
    /// Reads what there is, where the running transaction has changed it since.
    ///
    /// # Errors
    /// It can't be read: nothing is routed by what is there no more.
    pub(in crate::proxy) async fn see_defined(&mut self) -> Result<(), Stop> {
        if self.state.redefined {
            return Box::pin(self.see_what_is_defined()).await;
        }
        Ok(())
    }

    async fn see_what_is_defined(&mut self) -> Result<(), Stop> {
        let journal = &self.state.journal;
        let known = !journal.is_open() || journal.own_router().is_some();
        if known || self.db.is_one_shard() || self.state.status == TransactionStatus::Failed {
            return Ok(());
        }
        let mut legs = self.call_legs(&[self.db.home()]).await?;
        let mut answers = Err(Failure::new("XX000", "there is no home shard").into());
        for leg in &mut legs {
            let tokens = [leg.held.backend.cancel_token()];
            let asking = async {
                let mut said = Said::default();
                for text in [BEFORE, SETTINGS, &questions(), AFTER] {
                    let heard = tell(&mut leg.held, text).await?;
                    if heard.failure.is_some() || text != AFTER {
                        said = heard;
                    }
                    if said.failure.is_some() {
                        break;
                    }
                }
                Ok(said)
            };
            answers = match self.attended(&tokens, asking).await {
                Err(stop) => Err(stop),
                Ok(Err(why)) => Err(self.lost_leg(leg, why)),
                Ok(Ok(Said { failure: Some(failure), .. })) => Err(Stop::Failed(failure)),
                Ok(Ok(said)) => Ok(said.rows),
            };
            leg.lose_unanswered();
        }
        self.dismiss(legs, answers.is_err()).await;
        let mut schema = schema_of(&answers?).map_err(unread)?;
        schema.version = OWN | rand::random::<u64>();
        self.state.journal.found(Some(self.db.router_of(schema).map_err(unread)?));
        Ok(())
    }
}

fn unread(why: String) -> Failure {
    Failure::new("57P03", format!("what the transaction has defined can't be read: {why}"))
        .with_hint("COMMIT before the statements that use it.")
}
