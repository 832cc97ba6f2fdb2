//! UPDATE of a shard key: rows whose new key lies elsewhere go there
//! (`docs/decisions/014-moved-rows.md`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;

use super::Ended;
use super::rows::{self, NoMore, Places, Rows, Task, Told, Use};
use crate::cluster::ask::{Row, read_row};
use crate::proxy::failure::Failure;
use crate::proxy::gather::pull::{Arrays, Pile};
use crate::proxy::gather::shape::{self, Shape};
use crate::proxy::scatter::Form;
use crate::proxy::scatter::leg::Leg;
use crate::proxy::scatter::run::{Answer, Run, Why};
use crate::proxy::session::{Session, Stop};
use crate::proxy::statements::Statement;
use crate::routing::merge::TextForm;
use crate::routing::{Carried, Carry, Moving, ShardId};
use crate::sql::Edited;
use crate::wire::backend::{self, RowDescription};
use crate::wire::frontend::{Bind, Format};

/// What a client asked.
pub struct Asked<'a> {
    pub statement: &'a Arc<Statement>,
    /// By the statement without a name.
    pub unnamed: bool,
    /// The body of its Bind; by the simple protocol there is none.
    pub bind: Option<&'a [u8]>,
    /// It wants to hear what rows look like.
    pub shown: bool,
}

impl Asked<'_> {
    /// The formats of the results.
    pub(super) fn formats(&self) -> Result<Vec<Format>, Stop> {
        let Some(bind) = self.bind else { return Ok(Vec::new()) };
        let formats = Bind::read(bind)?.result_formats;
        Ok((0..formats.len()).map(|at| formats.of(at)).collect())
    }
}

/// The rows of one shard.
#[derive(Default)]
struct Found {
    stay: Places,
    go: Places,
    /// Where they go, by their places.
    to: HashMap<Box<[u8]>, ShardId>,
}

impl Session {
    /// Runs a text of one statement that may move rows, without ReadyForQuery. `ends`: the text is all
    /// there is to its transaction, if that is its own.
    pub(in crate::proxy) async fn move_text(
        &mut self,
        moving: &Moving,
        text: &[u8],
        ends: bool,
    ) -> Result<(), Stop> {
        let statement = self.db.registry.statement(text, std::iter::empty(), self.world());
        let asked = Asked { statement: &statement, unnamed: true, bind: None, shown: true };
        let tag = self.move_rows(moving, &asked).await?;
        if ends {
            // Before the client hears that it is done.
            self.conclude(true).await?;
        }
        backend::command_complete(&mut self.client.output, &tag);
        Ok(())
    }

    /// Runs an UPDATE that may move rows, in the running transaction, or in one that is begun for it.
    /// The command tag.
    pub(in crate::proxy) async fn move_rows(
        &mut self,
        moving: &Moving,
        asked: &Asked<'_>,
    ) -> Result<String, Stop> {
        // They go on in its transaction.
        let portals = std::mem::take(&mut self.portals);
        self.open_block().await?;
        self.begin_implicit();
        let moved = self.move_in_block(moving, asked).await;
        if self.held.is_some() {
            self.portals = portals;
        }
        let count = moved?;
        if asked.shown && asked.bind.is_some() && !moving.returns {
            backend::empty(&mut self.client.output, backend::tag::NO_DATA);
        }
        Ok(format!("UPDATE {count}"))
    }

    async fn move_in_block(&mut self, moving: &Moving, asked: &Asked<'_>) -> Result<u64, Stop> {
        let (types, _) = self.describe_own(asked).await?;
        let home = self.router().home();
        let places = Places::default().types();
        let with_places: Vec<u32> = types.iter().copied().chain(places).collect();
        let values = self.describe_ours(home, &moving.delete, &with_places).await?;
        // The first one is the row's place.
        let carries = moving.given.carried(values.get(1..).unwrap_or_default());
        let carries = carries.map_err(Failure::from)?;
        self.may_carry(&carries)?;
        let (found, bytes) = self.find_rows(moving, (&types, asked)).await?;
        let mut told = Told::new(asked.shown && moving.returns);
        let (stayed, going) =
            self.change(moving, &found, (&types, asked), (&carries, &mut told, bytes)).await?;
        let all = going.values().map(|(count, _)| *count as u64).sum::<u64>();
        let arrived = self.arrive(moving, going, (&types, asked), (&carries, &mut told)).await?;
        if arrived != all {
            return Err(lost().into());
        }
        Ok(stayed + arrived)
    }

    /// What the home shard says of the client's own text: the types of its parameters.
    pub(super) async fn describe_own(
        &mut self,
        asked: &Asked<'_>,
    ) -> Result<(Box<[u32]>, Option<BytesMut>), Stop> {
        let home = self.router().home();
        let (statement, unnamed) = (asked.statement, asked.unnamed);
        let ask = |leg: &mut Leg| shape::ask(leg, statement, unnamed);
        let (parameters, rows) = self.ask_one(home, ask, false).await?;
        let shape = Shape { parameters, rows: BytesMut::new() };
        if !statement.is_described() {
            statement.learn(shape.parameters.clone());
        }
        shape.check(asked.bind)?;
        Ok((shape.parameters, rows))
    }

    /// The types of the rows of a text of ours.
    pub(super) async fn describe_ours(
        &mut self,
        shard: ShardId,
        text: &[u8],
        types: &[u32],
    ) -> Result<Vec<u32>, Stop> {
        let ask = |leg: &mut Leg| rows::ask_shape(leg, text, types);
        let (_, described) = self.ask_one(shard, ask, true).await?;
        let body = described.unwrap_or_default();
        Ok(RowDescription::read(&body)?.iter().map(|field| field.type_oid).collect())
    }

    /// Has one shard describe something. `ours`: a place in its error is none of the client's.
    async fn ask_one(
        &mut self,
        shard: ShardId,
        ask: impl FnOnce(&mut Leg) -> Result<(), Stop>,
        ours: bool,
    ) -> Result<(Box<[u32]>, Option<BytesMut>), Stop> {
        let mut legs = self.call_legs(&[shard]).await?;
        let ended = match legs.first_mut().map(ask) {
            Some(Err(stop)) => Err(Ended::Stop(stop)),
            _ => self.run_ours(&mut legs, &mut shape::Nothing).await,
        };
        let said = legs.first_mut().map(|leg| (leg.parameters.take(), leg.description.take()));
        self.dismiss(legs, ended.is_err()).await;
        self.heard_of(ended, ours)?;
        let (parameters, description) = said.unwrap_or_default();
        let parameters = match &parameters {
            Some(body) => backend::read_parameter_description(body)?.iter().collect(),
            None => Box::default(),
        };
        Ok((parameters, description))
    }

    /// Finds the rows and locks them: which stay, and which go. And the bytes that are kept of them.
    async fn find_rows(
        &mut self,
        moving: &Moving,
        (types, asked): (&[u32], &Asked<'_>),
    ) -> Result<(Vec<Found>, usize), Stop> {
        let uses: Vec<Vec<Use>> = moving.shards.iter().map(|_| vec![Use::Kept]).collect();
        let mut told = Told::new(false);
        let mut answer = Rows::new(&uses, &mut told, (0, self.db.limits.merge_memory));
        let task = Task {
            text: &moving.find,
            own: (types, asked.bind),
            more: &NoMore,
            formats: &[Format::Binary],
        };
        self.run_tasks(&moving.shards, &mut answer, false, |_| vec![&task]).await?;
        let Rows { kept, description, .. } = answer;
        let description = description.unwrap_or_default();
        let columns: Vec<u32> = match description.is_empty() {
            true => Vec::new(),
            false => RowDescription::read(&description)?.iter().map(|f| f.type_oid).collect(),
        };
        let router = self.router();
        let utf8 = self.reading().utf8;
        let (keys, mut ways) = (moving.key_len(), HashMap::new());
        let mut all = Vec::with_capacity(kept.len());
        let mut moves = false;
        for (shard, kept) in moving.shards.iter().zip(&kept) {
            let mut found = Found::default();
            for row in kept {
                let values = rows::values(row)?;
                let key = |from: usize| -> Vec<(u32, Option<&[u8]>)> {
                    let typed = columns.iter().copied().zip(values.iter().copied());
                    typed.skip(from).take(keys).collect()
                };
                let old = moving.place(&router, &key(1), utf8).map_err(Failure::from)?;
                let new = moving.place(&router, &key(1 + keys), utf8).map_err(Failure::from)?;
                let place = values.first().copied().flatten().unwrap_or_default();
                if new.shard == *shard {
                    found.stay.push(place);
                } else {
                    found.go.push(place);
                    found.to.insert(place.into(), new.shard);
                    moves = true;
                }
                if old.said != new.said {
                    let ways: &mut Vec<String> = ways.entry(old.said).or_default();
                    if !ways.contains(&new.said) {
                        ways.push(new.said);
                    }
                }
            }
            all.push(found);
        }
        if moves && moving.unique && goes_round(&ways) {
            return Err(Failure::unsupported(
                "an UPDATE in which rows on several shards take each other's shard keys",
                "Nothing was changed. Give them keys that no other has first.",
            )
            .into());
        }
        let bytes = all.iter().map(|found| found.stay.bytes() + found.go.bytes()).sum();
        Ok((all, bytes))
    }

    /// Deletes the rows that go, and changes those that stay: how many stay, and the others by where
    /// they go.
    async fn change(
        &mut self,
        moving: &Moving,
        found: &[Found],
        (types, asked): (&[u32], &Asked<'_>),
        (carries, told, bytes): (&[Carry], &mut Told, usize),
    ) -> Result<(u64, BTreeMap<ShardId, (usize, Pile)>), Stop> {
        let formats = asked.formats()?;
        let mut carried = vec![Format::Binary];
        carried.extend(carries.iter().map(|carry| match carry.carried.is_binary() {
            true => Format::Binary,
            false => Format::Text,
        }));
        let any = found.iter().any(|found| found.stay.count + found.go.count > 0);
        let mut concerned = Vec::new();
        let mut uses = Vec::new();
        for (at, found) in found.iter().enumerate() {
            let deletes = (found.go.count > 0).then_some(Use::Kept);
            // Who hears of rows hears of none, too.
            let updates = found.stay.count > 0 || !any && at == 0;
            let of_leg: Vec<Use> =
                deletes.into_iter().chain(updates.then_some(Use::Given)).collect();
            if !of_leg.is_empty() {
                concerned.push(at);
                uses.push(of_leg);
            }
        }
        let own = (types, asked.bind);
        let delete =
            |at: usize| Task { text: &moving.delete, own, more: &found[at].go, formats: &carried };
        let update = |at: usize| Task {
            text: &moving.update,
            own,
            more: &found[at].stay,
            formats: &formats,
        };
        let tasks: Vec<Vec<Task<'_>>> = concerned
            .iter()
            .zip(&uses)
            .map(|(at, uses)| {
                let task = |of: &Use| if *of == Use::Kept { delete(*at) } else { update(*at) };
                uses.iter().map(task).collect()
            })
            .collect();
        let shards: Vec<ShardId> = concerned.iter().map(|at| moving.shards[*at]).collect();
        let mut answer = Rows::new(&uses, told, (bytes, self.db.limits.merge_memory));
        self.run_tasks(&shards, &mut answer, true, |at| tasks[at].iter().collect()).await?;
        let Rows { kept, counts, .. } = answer;
        let mut stayed = 0;
        for ((at, uses), counts) in concerned.iter().zip(&uses).zip(&counts) {
            for (of, count) in uses.iter().zip(counts) {
                let wanted = if *of == Use::Kept { &found[*at].go } else { &found[*at].stay };
                if *count != wanted.count as u64 {
                    return Err(lost().into());
                }
                stayed += if *of == Use::Given { *count } else { 0 };
            }
        }
        let mut going: BTreeMap<ShardId, (usize, Pile)> = BTreeMap::new();
        for (at, kept) in concerned.iter().zip(kept) {
            for row in kept {
                let values = rows::values(&row)?;
                let (place, values) = values.split_first().ok_or_else(lost)?;
                let to = found[*at].to.get(place.unwrap_or_default()).ok_or_else(lost)?;
                let (count, pile) = going.entry(*to).or_insert_with(|| (0, pile_of(carries)));
                pile.push(&rows::row_of(values)).map_err(Stop::Failed)?;
                *count += 1;
            }
        }
        Ok((stayed, going))
    }

    /// Inserts the rows where they belong: how many.
    async fn arrive(
        &mut self,
        moving: &Moving,
        going: BTreeMap<ShardId, (usize, Pile)>,
        (types, asked): (&[u32], &Asked<'_>),
        (carries, told): (&[Carry], &mut Told),
    ) -> Result<u64, Stop> {
        if going.is_empty() {
            return Ok(0);
        }
        let text = moving.given.text(carries, 1, types.len());
        let formats = asked.formats()?;
        let shards: Vec<ShardId> = going.keys().copied().collect();
        let task = |(_, pile)| Task {
            text: &text,
            own: (types, asked.bind),
            more: pile,
            formats: &formats,
        };
        let tasks: Vec<Task<'_>> =
            going.values().map(|(count, pile)| task((count, pile))).collect();
        let uses: Vec<Vec<Use>> = shards.iter().map(|_| vec![Use::Given]).collect();
        let mut answer = Rows::new(&uses, told, (0, self.db.limits.merge_memory));
        self.run_tasks(&shards, &mut answer, true, |at| vec![&tasks[at]]).await?;
        Ok(answer.counts.iter().flatten().sum())
    }

    /// Values that travel as text must be whole in it.
    pub(super) fn may_carry(&self, carries: &[Carry]) -> Result<(), Failure> {
        let form = Form::of(&self.state, 0);
        if !form.same_encoding {
            return Err(Failure::unsupported(
                "rows that go from shard to shard under another encoding than the server's",
                "SET client_encoding to the server's.",
            ));
        }
        let styled = |carry: &Carry| carry.carried == Carried::Text { styled: true };
        if form.text != TextForm::DEFAULT && carries.iter().any(styled) {
            return Err(Failure::unsupported(
                "arrays and composite values that go from shard to shard in styles that may lose a \
                 part of them",
                "SET datestyle = 'ISO', intervalstyle = 'postgres' and extra_float_digits = 1.",
            ));
        }
        Ok(())
    }

    /// The rows, as texts, that a shard answers a text of ours with, which has the client's parameters:
    /// their types, and its Bind's body.
    pub(in crate::proxy) async fn rows_with(
        &mut self,
        shard: ShardId,
        text: &[u8],
        own: (&[u32], Option<&[u8]>),
    ) -> Result<Vec<Row>, Stop> {
        let task = Task { text, own, more: &NoMore, formats: &[] };
        let uses = [vec![Use::Kept]];
        let mut told = Told::new(false);
        let mut answer = Rows::new(&uses, &mut told, (0, self.db.limits.merge_memory));
        // They go with a transaction, and this goes on in it.
        let portals = std::mem::take(&mut self.portals);
        let in_transaction = self.state.journal.is_open();
        let run = self.run_tasks(&[shard], &mut answer, false, |_| vec![&task]).await;
        if self.held.is_some() == in_transaction {
            self.portals = portals;
        }
        run?;
        let rows = answer.kept.pop().unwrap_or_default();
        Ok(rows.iter().map(|row| read_row(row)).collect::<Result<_, _>>()?)
    }

    /// Has shards run these tasks, each its own, as parts of the transaction.
    pub(super) async fn run_tasks<'t, 'a: 't>(
        &mut self,
        shards: &[ShardId],
        answer: &mut Rows<'_>,
        writes: bool,
        tasks: impl Fn(usize) -> Vec<&'t Task<'a>>,
    ) -> Result<(), Stop> {
        let mut legs = self.call_legs(shards).await?;
        let mut asked = Ok(());
        for (at, leg) in legs.iter_mut().enumerate() {
            let tasks = tasks(at);
            leg.again(tasks.len());
            leg.held.wrote |= writes;
            asked = asked.and(tasks.into_iter().try_for_each(|task| task.ask(leg)));
            leg.held.sync(false, crate::proxy::state::Purpose::Undo);
        }
        let ended = match asked {
            Ok(()) => self.run_ours(&mut legs, answer).await,
            Err(stop) => Err(Ended::Stop(stop)),
        };
        self.dismiss(legs, ended.is_err()).await;
        self.heard_of(ended, true)
    }

    async fn run_ours(&mut self, legs: &mut [Leg], answer: &mut impl Answer) -> Result<(), Ended> {
        let us = (&mut self.client, &mut self.state, &mut self.alarm);
        let limit = (self.times.statement, Instant::now());
        let run = Run::new(us, legs, answer, limit).until_the_end();
        match run.run().await {
            Ok(()) | Err(Why::Enough) => Ok(()),
            Err(Why::Told(frame)) => Err(Ended::Told(0, frame)),
            Err(Why::Failed(failure) | Why::Unfit(failure)) => {
                Err(Ended::Stop(Stop::Failed(failure)))
            }
            Err(Why::Gone(gone)) => Err(Ended::Stop(gone.into())),
        }
    }

    fn heard_of(&mut self, ended: Result<(), Ended>, ours: bool) -> Result<(), Stop> {
        match ended {
            Ok(()) => Ok(()),
            Err(Ended::Stop(stop)) => Err(stop),
            Err(Ended::Told(_, frame)) => {
                let nowhere = Edited::default();
                self.tell_error(&frame, ours.then_some(&nowhere), b"")?;
                Err(Stop::Told)
            }
        }
    }
}

/// Rows of a value of no meaning, and others.
pub(super) fn pile_of(carries: &[Carry]) -> Pile {
    let unused = Carried::Binary { element: 16, array: 1000 };
    Pile::new(std::iter::once(unused).chain(carries.iter().map(|carry| carry.carried)))
}

fn lost() -> Failure {
    Failure::new("XX000", "a row that was to be changed isn't where it was found")
        .with_hint("Nothing was changed.")
}

/// Whether one comes back to where one began, by ways from keys to keys.
fn goes_round(ways: &HashMap<String, Vec<String>>) -> bool {
    let mut into: HashMap<&str, usize> = HashMap::new();
    for to in ways.values().flatten() {
        *into.entry(to).or_default() += 1;
    }
    let mut free: Vec<&str> =
        ways.keys().map(String::as_str).filter(|from| !into.contains_key(from)).collect();
    let mut gone = 0;
    while let Some(from) = free.pop() {
        let Some(tos) = ways.get(from) else { continue };
        gone += 1;
        for to in tos {
            if let Some(count) = into.get_mut(to.as_str()) {
                *count -= 1;
                if *count == 0 {
                    free.push(to);
                }
            }
        }
    }
    gone < ways.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_of_keys_are_seen() {
        let ways = |ways: &[(&str, &[&str])]| -> HashMap<String, Vec<String>> {
            let owned = |to: &[&str]| to.iter().map(|to| (*to).to_owned()).collect();
            ways.iter().map(|(from, to)| ((*from).to_owned(), owned(to))).collect()
        };
        for (given, round) in [
            (&[][..], false),
            (&[("1", &["2"][..]), ("2", &["3"])], false),
            (&[("1", &["3"]), ("2", &["3"]), ("3", &["4", "5"])], false),
            (&[("1", &["2"]), ("2", &["1"])], true),
            (&[("1", &["2"]), ("2", &["3", "4"]), ("4", &["2"])], true),
        ] {
            assert_eq!(goes_round(&ways(given)), round, "{given:?}");
        }
    }
}
