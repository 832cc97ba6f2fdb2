//! Sequences that a statement has made for sharded tables: each shard gives its own ids.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::cluster::CancelToken;
use crate::cluster::ids::{self, NoRange, Sequence};
use crate::placement::ids::IdRange;
use crate::proxy::failure::Failure;
use crate::proxy::scatter::leg::Leg;
use crate::proxy::session::{Session, Stop};
use crate::proxy::transaction::{Said, tell};

impl Session {
    /// Gives each shard's sequences of sharded tables, as far as they are the work of this
    /// transaction, their range.
    ///
    /// # Errors
    /// One of them can't have any.
    pub(super) async fn give_ranges(&mut self, legs: &mut [Leg]) -> Result<(), Stop> {
        let Some(question) = ids::question(self.router().rules()) else { return Ok(()) };
        let questions = vec![question; legs.len()];
        let answers = self.ask_each(legs, &questions).await?;
        let mut texts = Vec::with_capacity(legs.len());
        for (leg, said) in legs.iter().zip(answers) {
            let rows = said.rows.first().map_or(&[][..], Vec::as_slice);
            let sequences = ids::read(rows).map_err(|why| Failure::new("XX000", why))?;
            let ids = IdRange::of(leg.held.shard);
            let mut text = Vec::new();
            for sequence in sequences.iter().filter(|sequence| sequence.recent) {
                text.extend(sequence.altered(ids).map_err(|why| without_range(sequence, why))?);
            }
            texts.push(text.join("; "));
        }
        if texts.iter().any(|text| !text.is_empty()) {
            self.ask_each(legs, &texts).await?;
        }
        Ok(())
    }

    /// Tells each leg its own text at once; nothing where that is empty.
    pub(super) async fn ask_each(
        &mut self,
        legs: &mut [Leg],
        texts: &[String],
    ) -> Result<Vec<Said>, Stop> {
        let tokens: Vec<Arc<CancelToken>> =
            legs.iter().map(|leg| leg.held.backend.cancel_token()).collect();
        let telling = legs.iter_mut().zip(texts).map(async |(leg, text)| {
            let heard = match text.is_empty() {
                true => Ok(Said::default()),
                false => tell(&mut leg.held, text).await,
            };
            (leg, heard)
        });
        let mut all = Vec::new();
        for (leg, heard) in self.attended(&tokens, join_all(telling)).await? {
            match heard {
                Ok(Said { failure: Some(failure), .. }) => return Err(Stop::Failed(failure)),
                Ok(said) => all.push(said),
                Err(why) => return Err(self.lost_leg(leg, why)),
            }
        }
        Ok(all)
    }
}

fn without_range(sequence: &Sequence, why: NoRange) -> Failure {
    let Sequence { name, table, column, .. } = sequence;
    let (why, hint) = match why {
        NoRange::Narrow(narrow) => (
            format!("{narrow} has too few numbers to give each shard its own"),
            "Make the column a bigint (bigserial, bigint GENERATED … AS IDENTITY), or let the \
             application give the ids, such as a uuid.",
        ),
        NoRange::Odd => (
            "it counts down, or from less than 1, or begins too high".to_owned(),
            "Let it count up, with MINVALUE 1 or more and a START below 2^43.",
        ),
        NoRange::TooMany => (
            "there are too many shards".to_owned(),
            "Let the application give the ids, such as a uuid.",
        ),
    };
    let what = format!(
        "column {column} of sharded table {table} takes its ids from sequence {name}, and on two \
         shards they would meet: {why}"
    );
    Failure::unsupported(what, hint)
}
