//! Constraints that a statement has made, and that no server can keep over all shards.

use crate::cluster::constraints::{Constraint, Kept, missing_key, parted, question, read};
use crate::config::rules::{Rules, SplitConstraints, TableName};
use crate::proxy::failure::Failure;
use crate::proxy::scatter::leg::Leg;
use crate::proxy::session::{Session, Stop};

const OR_ACCEPT: &str = "Or say split_constraints: accept in the rules: each shard keeps it among \
                         its own rows then.";

impl Session {
    /// Holds that each server can keep what this transaction has made.
    ///
    /// # Errors
    /// One of its constraints would hold on each shard by itself only.
    pub(super) async fn hold_constraints(&mut self, legs: &mut [Leg]) -> Result<(), Stop> {
        if self.router().rules().split_constraints == SplitConstraints::Accept {
            return Ok(());
        }
        let Some(question) = question(self.router().rules()) else { return Ok(()) };
        let Some(first) = legs.get_mut(..1) else { return Ok(()) };
        let said = self.ask_each(first, &[question]).await?;
        let rows = said.first().and_then(|said| said.rows.first());
        let made = read(rows.map_or(&[], Vec::as_slice));
        let made = made.map_err(|why| Failure::new("XX000", why))?;
        let router = self.router();
        let rules = router.rules();
        let apart = made.iter().find_map(|(table, made)| not_kept(rules, table, made));
        apart.map_or(Ok(()), |failure| Err(failure.into()))
    }
}

fn not_kept(rules: &Rules, table: &TableName, made: &Constraint) -> Option<Failure> {
    match made {
        // What a sequence or a uuid gives meets nothing, as long as nobody gives it by hand.
        Constraint::Unique { given: true, .. } => None,
        Constraint::Unique { index, .. } => {
            let key = missing_key(Kept::of(rules, table), index)?;
            let what = format!(
                "{} of {table} would be unique on each shard only: its columns don't hold the \
                 shard key ({key})",
                index.name
            );
            let hint = format!(
                "Put {key} among its columns, or use values that can't meet by accident (a \
                 sequence's, uuid), or keep what must be unique in a table split by it. {OR_ACCEPT}"
            );
            Some(Failure::unsupported(what, &hint))
        }
        Constraint::Foreign(foreign) => {
            let why = parted(rules, table, foreign)?;
            let what = format!(
                "foreign key {} of {table} can't be kept: {why}, so a row and what it refers to \
                 can lie on different shards",
                foreign.name
            );
            let hint = format!(
                "Leave it out, or split both tables by one key and put it into the foreign key, or \
                 make {} a reference table. {OR_ACCEPT}",
                foreign.references
            );
            Some(Failure::unsupported(what, &hint))
        }
    }
}
