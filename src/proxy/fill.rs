//! INSERT of rows whose shard key a server computes: it is asked for the values, and the statement
//! goes on with them in it, by way of all that statements go through
//! (`docs/decisions/014-moved-rows.md`).

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::join_all;

use super::extended::End;
use super::failure::Failure;
use super::gather::shape::Shape;
use super::leg::{Leg, Op};
use super::planner::Part;
use super::scatter;
use super::session::{Session, Stop};
use super::statements::Statement;
use super::transaction::tell;
use crate::cluster::ask::Row;
use crate::routing::{Filled, Refusal};
use crate::sql::Edited;
use crate::wire::backend::tag;
use crate::wire::frontend::{Bind, Format};
use crate::wire::write;

impl Session {
    /// Whether a statement whose key is to be asked for can be now: not one that was filled before,
    /// whose key isn't known either.
    pub(super) fn may_fill(&self) -> bool {
        self.may_scatter() && self.state.edited.is_none()
    }

    /// Asks for the keys of a text's one statement. The text is another then, in which the session
    /// finds the places of errors until [`forget_filled`](Self::forget_filled).
    pub(super) async fn fill_text(&mut self, part: &Part, text: &[u8]) -> Result<Vec<u8>, Stop> {
        let Filled { text: edited, .. } = self.ask_and_fill(part, text, None).await?;
        let filled = edited.text.clone();
        self.state.edited = Some(self.edited_over(edited, text));
        Ok(filled)
    }

    /// What is said of errors next is of the client's own text.
    pub(super) fn forget_filled(&mut self) {
        self.state.edited = None;
    }

    /// Asks for the keys of what is bound: another statement, with more parameters, and its Bind's
    /// body. Where something before it has to run first that does; nothing where that has failed.
    pub(super) async fn fill_bound(
        &mut self,
        part: &Part,
        (statement, unnamed): (&Arc<Statement>, bool),
        body: &Bytes,
        leg: &mut Leg,
    ) -> Result<Option<(Arc<Statement>, Bytes)>, Stop> {
        if unnamed && statement.was_pushed() {
            // A server has read it before, and would read it for nothing.
            leg.answer_parse_of(statement.number);
        }
        let answers = leg.ops.iter().all(|op| matches!(op, Op::Answer { .. }));
        if !answers || leg.goes_somewhere() {
            self.run_leg(leg, End::Flush).await?;
            if self.skipping {
                return Ok(None);
            }
        }
        let bind = Bind::read(body)?;
        let own = bind.values.len();
        let bound = Some((statement, body));
        let Filled { text, values } = self.ask_and_fill(part, &statement.text, bound).await?;
        let all = own + values.len();
        let too_many = |_| {
            Failure::new("54000", format!("{all} parameters, with those for shard keys"))
                .with_hint("Insert fewer rows at once: a message has 65535 parameters at most.")
        };
        let count = u16::try_from(all).map_err(too_many)?;
        let filled = statement.filled(&text.text, &self.db.registry);
        let asks_again = self.planned(&filled)?.is_some_and(|part| part.fill().is_some());
        if asks_again {
            return Err(still_unknown());
        }
        Ok(Some((filled, with_values(&bind, count, &values))))
    }

    /// `bound`: what is bound, with its Bind's body.
    async fn ask_and_fill(
        &mut self,
        part: &Part,
        text: &[u8],
        bound: Option<(&Arc<Statement>, &Bytes)>,
    ) -> Result<Filled, Stop> {
        let not = || Failure::new("XX000", "no key to ask for");
        let (fill, scanned) = part.fill().zip(part.scanned()).ok_or_else(not)?;
        let mut commands = fill.defaults();
        let expressions = fill.question(text, scanned).map_err(Failure::from)?;
        let mut question = commands.join(";").into_bytes();
        let asked = match (&expressions, bound) {
            (Some(expressions), Some(bound)) if fill.binds() => Some((expressions, bound)),
            (Some(expressions), _) => {
                if !commands.is_empty() {
                    question.push(b';');
                }
                question.extend_from_slice(expressions);
                commands.push(String::new());
                None
            }
            (None, _) => None,
        };
        let mut answers = match commands.is_empty() {
            true => Vec::new(),
            false => self.ask_for_values(&question).await?,
        };
        // A BEGIN of ours may have been answered before.
        let mut answers = answers.split_off(answers.len().saturating_sub(commands.len()));
        if let Some((expressions, (statement, body))) = asked {
            self.learn_types(statement).await?;
            let types = statement.learned_types();
            Shape { parameters: types.into(), rows: BytesMut::new() }.check(Some(body))?;
            let own = (types, Some(&body[..]));
            let shard = self.held.as_ref().map_or(self.any_shard(), |held| held.shard);
            answers.push(self.rows_with(shard, expressions, own).await?);
        }
        let parameters = match bound {
            Some((_, body)) => Some(Bind::read(body)?.values.len()),
            None => None,
        };
        Ok(fill.put(text, scanned, &answers, parameters).map_err(Failure::from)?)
    }

    /// Has a server answer: one of the transaction, if there is one, as a part of it. The rows of each
    /// command, those of BEGIN before them, too.
    pub(super) async fn ask_for_values(&mut self, question: &[u8]) -> Result<Vec<Vec<Row>>, Stop> {
        let shard = match &self.held {
            Some(held) => held.shard,
            None => self.any_shard(),
        };
        // They go with a transaction, and this goes on in it.
        let portals = std::mem::take(&mut self.portals);
        let mut legs = self.call_legs(&[shard]).await?;
        let in_transaction = self.state.journal.is_open();
        let tokens: Vec<_> = legs.iter().map(|leg| leg.held.backend.cancel_token()).collect();
        let telling = legs.iter_mut().map(|leg| tell(&mut leg.held, question));
        let heard = self.attended(&tokens, join_all(telling)).await;
        legs.iter_mut().for_each(scatter::Leg::lose_unanswered);
        let heard = match heard {
            Ok(mut heard) => match heard.pop() {
                Some(Ok(said)) => Ok(said),
                Some(Err(why)) => Err(self.lost_leg(&mut legs[0], why)),
                None => Err(Failure::new("XX000", "no server was asked").into()),
            },
            Err(stop) => Err(stop),
        };
        let failed = heard.as_ref().map_or(true, |said| said.failure.is_some());
        self.dismiss(legs, failed).await;
        if self.held.is_some() == in_transaction {
            self.portals = portals;
        }
        let mut said = heard?;
        if said.failure.is_none() {
            let rows = std::mem::take(&mut said.rows);
            said.pass_on(&mut self.state, &mut self.client.output);
            return Ok(rows);
        }
        let mut frame = BytesMut::new();
        write::frame(&mut frame, tag::ERROR_RESPONSE, |b| b.put_slice(&said.error));
        // A place in the question is none of the client's.
        self.tell_error(&frame, Some(&Edited::default()), b"")?;
        Err(Stop::Told)
    }
}

/// What was asked for can't be used as a key.
pub(super) fn still_unknown() -> Stop {
    Failure::from(Refusal::not_analysed()).into()
}

/// The body of a Bind with more values, as texts: so many parameters in all.
fn with_values(bind: &Bind<'_>, count: u16, more: &[Option<String>]) -> Bytes {
    let mut out = BytesMut::with_capacity(bind.tail.len() + 32 * more.len());
    write::cstr(&mut out, bind.portal);
    write::cstr(&mut out, bind.statement);
    out.put_u16(count);
    (0..bind.values.len()).for_each(|at| out.put_u16(bind.parameter_formats.of(at) as u16));
    more.iter().for_each(|_| out.put_u16(Format::Text as u16));
    out.put_u16(count);
    bind.values.iter().for_each(|value| write::value(&mut out, value));
    for value in more {
        write::value(&mut out, value.as_deref().map(str::as_bytes));
    }
    let formats = bind.result_formats;
    out.put_u16(formats.len() as u16);
    (0..formats.len()).for_each(|at| out.put_u16(formats.of(at) as u16));
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frontend;

    #[test]
    fn values_are_added_behind_the_clients_own() {
        let mut message = BytesMut::new();
        let own = [Some(&b"\0\x01"[..]), None];
        frontend::bind(&mut message, b"p", b"s", Format::Binary, &own, Format::Text).unwrap();
        let bind = Bind::read(&message[5..]).unwrap();
        let body = with_values(&bind, 4, &[Some("42".into()), None]);
        let bind = Bind::read(&body).unwrap();
        assert_eq!((bind.portal, bind.statement), (&b"p"[..], &b"s"[..]));
        let values: Vec<Option<&[u8]>> = bind.values.iter().collect();
        assert_eq!(values, [Some(&b"\0\x01"[..]), None, Some(b"42"), None]);
        let formats: Vec<Format> = (0..4).map(|at| bind.parameter_formats.of(at)).collect();
        assert_eq!(formats, [Format::Binary, Format::Binary, Format::Text, Format::Text]);
        assert_eq!((bind.result_formats.len(), bind.result_formats.of(0)), (1, Format::Text));
    }
}
