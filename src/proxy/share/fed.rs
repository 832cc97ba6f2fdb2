//! INSERT … SELECT whose rows belong elsewhere: the query is answered as any query is, and its rows are
//! given to the shards of their keys (`docs/decisions/014-moved-rows.md`).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::moved::{Asked, pile_of};
use super::rows::{self, NoMore, Rows, Task, Told, Use, over};
use crate::proxy::edited::EditedText;
use crate::proxy::failure::Failure;
use crate::proxy::gather::pull::{Pile, put_parameters};
use crate::proxy::planner::{Part, parameters};
use crate::proxy::session::{Session, Stop};
use crate::proxy::statements::Statement;
use crate::routing::{Carry, Fed, Feeding, Route, RouteError, ShardId};
use crate::sql::Edited;
use crate::wire::backend;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend::{Bind, Format};
use crate::wire::write;

impl Session {
    /// Runs a text of one statement that is fed, without ReadyForQuery. `ends`: the text is all there
    /// is to its transaction, if that is its own.
    pub(in crate::proxy) async fn feed_text(
        &mut self,
        feeding: &Feeding,
        text: &[u8],
        ends: bool,
    ) -> Result<(), Stop> {
        let statement = self.db.registry.statement(text, std::iter::empty(), self.world());
        let asked = Asked { statement: &statement, unnamed: true, bind: None, shown: true };
        let tag = self.feed(feeding, &asked).await?;
        if ends {
            // Before the client hears that it is done.
            self.conclude(true).await?;
        }
        backend::command_complete(&mut self.client.output, &tag);
        Ok(())
    }

    /// Runs an INSERT that is fed, in the running transaction, or in one that is begun for it. The
    /// command tag.
    pub(in crate::proxy) async fn feed(
        &mut self,
        feeding: &Feeding,
        asked: &Asked<'_>,
    ) -> Result<String, Stop> {
        // They go on in its transaction.
        let portals = std::mem::take(&mut self.portals);
        self.open_block().await?;
        self.begin_implicit();
        let fed = self.feed_in_block(feeding, asked).await;
        if self.held.is_some() {
            self.portals = portals;
        }
        let count = fed?;
        if asked.shown && asked.bind.is_some() && !feeding.returns {
            backend::empty(&mut self.client.output, backend::tag::NO_DATA);
        }
        Ok(format!("INSERT 0 {count}"))
    }

    async fn feed_in_block(&mut self, feeding: &Feeding, asked: &Asked<'_>) -> Result<u64, Stop> {
        let (types, _) = self.describe_own(asked).await?;
        let home = self.router().home();
        let columns = self.describe_ours(home, &feeding.select, &types).await?;
        let fed = feeding.fed(&columns).map_err(Failure::from)?;
        let carries = fed.given.carried(&fed.types).map_err(Failure::from)?;
        self.may_carry(&carries)?;
        let of_query = carries.get(..columns.len()).unwrap_or_default();
        let rows = self.query_rows(feeding, (&types, asked), of_query).await?;
        let defaults = self.ask_defaults(&fed, rows.len()).await?;
        let mut piles = self.piles(&fed, &rows, &defaults, &carries)?;
        drop((rows, defaults));
        if piles.is_empty() {
            // Who hears of rows hears of none, too.
            piles.insert(home, pile_of(&carries));
        }
        let text = fed.given.text(&carries, 1, types.len());
        let formats = asked.formats()?;
        let shards: Vec<ShardId> = piles.keys().copied().collect();
        let task =
            |pile| Task { text: &text, own: (&types, asked.bind), more: pile, formats: &formats };
        let tasks: Vec<Task<'_>> = piles.values().map(|pile| task(pile)).collect();
        let uses: Vec<Vec<Use>> = shards.iter().map(|_| vec![Use::Given]).collect();
        let mut told = Told::new(asked.shown && feeding.returns);
        let mut answer = Rows::new(&uses, &mut told, (0, self.db.limits.merge_memory));
        self.run_tasks(&shards, &mut answer, true, |at| vec![&tasks[at]]).await?;
        Ok(answer.counts.iter().flatten().sum())
    }

    /// The rows of the query, each the body of its frame.
    async fn query_rows(
        &mut self,
        feeding: &Feeding,
        (types, asked): (&[u32], &Asked<'_>),
        carries: &[Carry],
    ) -> Result<Vec<BytesMut>, Stop> {
        let formats: Vec<Format> = carries
            .iter()
            .map(|carry| if carry.carried.is_binary() { Format::Binary } else { Format::Text })
            .collect();
        let select = &feeding.select;
        let world = self.world();
        let statement = self.db.registry.statement(select, types.iter().copied(), world);
        statement.learn(types.into());
        let part = self.planned(&statement)?;
        let part = part.ok_or_else(|| Failure::new("XX000", "a query is empty"))?;
        let bind = bind_of(asked.bind, types.len(), &formats)?;
        // A place in the query isn't one in the client's text.
        let before = self.state.edited.take();
        let nowhere = EditedText { edited: Edited::default(), before: Box::default() };
        self.state.edited = Some(Arc::new(nowhere));
        let rows = self.answer_query(&statement, part, bind, (types, asked, &formats)).await;
        self.state.edited = before;
        rows
    }

    async fn answer_query(
        &mut self,
        statement: &Arc<Statement>,
        part: Arc<Part>,
        bind: Bytes,
        (types, asked, formats): (&[u32], &Asked<'_>, &[Format]),
    ) -> Result<Vec<BytesMut>, Stop> {
        let text = &statement.text;
        let routed = {
            let read = Bind::read(&bind)?;
            let values = parameters(statement, &read);
            match self.route(&part, text, &values) {
                Err(RouteError::Several(_)) => Err(self.by_several(&part, text, &values)?),
                Ok((Route::One(shard), _)) => Ok(shard),
                Ok(_) => Ok(self.held.as_ref().map_or(self.any_shard(), |held| held.shard)),
                Err(
                    RouteError::Refused(refusal)
                    | RouteError::Spread(refusal)
                    | RouteError::Moved(refusal)
                    | RouteError::Fed(refusal)
                    | RouteError::Unfilled(refusal),
                ) => return Err(Failure::from(refusal).into()),
                Err(RouteError::NeedsParameterTypes) => {
                    let said = "the type of the parameter that decides the shard isn't known";
                    return Err(Failure::unsupported(said, "Cast it: $1::bigint.").into());
                }
            }
        };
        let shard = match routed {
            Ok(shard) => shard,
            Err(several) => {
                let rows = self.rows_of((statement, part), bind, several).await;
                return bodies(rows.map_err(|stop| self.kept_too_much(stop))?);
            }
        };
        let task = Task { text, own: (types, asked.bind), more: &NoMore, formats };
        let uses = [vec![Use::Kept]];
        let mut told = Told::new(false);
        let mut answer = Rows::new(&uses, &mut told, (0, self.db.limits.merge_memory));
        let writes = part.may_write();
        self.run_tasks(&[shard], &mut answer, writes, |_| vec![&task]).await?;
        Ok(answer.kept.pop().unwrap_or_default())
    }

    /// What a portal would be told isn't for an INSERT.
    fn kept_too_much(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Failed(failure) if failure.sqlstate == "53200" => {
                Failure { hint: over(self.db.limits.merge_memory).hint, ..*failure }.into()
            }
            stop => stop,
        }
    }

    /// The defaults of the key's columns that the query doesn't give, by column and row.
    async fn ask_defaults(
        &mut self,
        fed: &Fed,
        rows: usize,
    ) -> Result<Vec<Vec<Option<String>>>, Stop> {
        if fed.defaults.is_empty() || rows == 0 {
            return Ok(Vec::new());
        }
        let question =
            |default| format!("SELECT {default} FROM pg_catalog.generate_series(1, {rows})");
        let question: Vec<String> = fed.defaults.iter().map(question).collect();
        let mut answers = self.ask_for_values(question.join(";").as_bytes()).await?;
        // A BEGIN of ours may have been answered before.
        let answers = answers.split_off(answers.len().saturating_sub(fed.defaults.len()));
        let column = |rows: Vec<Vec<Option<String>>>| {
            rows.into_iter().map(|row| row.into_iter().next().flatten()).collect()
        };
        let answers: Vec<Vec<Option<String>>> = answers.into_iter().map(column).collect();
        let lost = |value: &String| value.contains(char::REPLACEMENT_CHARACTER);
        if answers.iter().flatten().flatten().any(lost) {
            // Not in UTF-8, so that nobody knows what it was.
            return Err(Failure::unsupported(
                "a default outside ASCII for a shard key under this client_encoding",
                "SET client_encoding = 'UTF8'.",
            )
            .into());
        }
        Ok(answers)
    }

    /// The rows, by where they belong.
    fn piles(
        &self,
        fed: &Fed,
        rows: &[BytesMut],
        defaults: &[Vec<Option<String>>],
        carries: &[Carry],
    ) -> Result<BTreeMap<ShardId, Pile>, Stop> {
        let (router, utf8) = (self.router(), self.reading().utf8);
        let mut piles: BTreeMap<ShardId, Pile> = BTreeMap::new();
        for (number, row) in rows.iter().enumerate() {
            let mut values = rows::values(row)?;
            for column in defaults {
                let value = column.get(number).ok_or_else(|| {
                    Failure::new("XX000", "a server didn't answer what it was asked")
                })?;
                values.push(value.as_deref().map(str::as_bytes));
            }
            let place = fed.place(&router, &values, utf8).map_err(Failure::from)?;
            let shard = place.map_or(router.home(), |place| place.shard);
            let pile = piles.entry(shard).or_insert_with(|| pile_of(carries));
            pile.push(&rows::row_of(&values)).map_err(Stop::Failed)?;
        }
        Ok(piles)
    }
}

/// The body of a Bind with the client's values, and these formats of results.
fn bind_of(bind: Option<&[u8]>, own: usize, formats: &[Format]) -> Result<Bytes, Stop> {
    let bind = bind.map(Bind::read).transpose()?;
    let mut out = BytesMut::new();
    write::cstr(&mut out, b"");
    write::cstr(&mut out, b"");
    put_parameters(&mut out, bind.as_ref(), own, 0);
    out.put_u16(formats.len() as u16);
    formats.iter().for_each(|format| out.put_u16(*format as u16));
    Ok(out.freeze())
}

/// The bodies of the frames of rows.
fn bodies(mut frames: BytesMut) -> Result<Vec<BytesMut>, Stop> {
    let mut bodies = Vec::new();
    while let Some(header) = Header::peek(&frames)? {
        if frames.len() < header.len {
            break;
        }
        let mut frame = frames.split_to(header.len);
        frame.advance(HEADER_LEN);
        bodies.push(frame);
    }
    Ok(bodies)
}
