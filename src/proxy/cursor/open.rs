//! A cursor over several shards is made: its portals are bound, and nothing is fetched.

use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;

use super::kept::Kept;
use super::position::Position;
use super::stream::{Asks, Stream};
use super::{Cursor, with_hidden};
use crate::proxy::failure::Failure;
use crate::proxy::planner::{Part, parameters};
use crate::proxy::replies::Request;
use crate::proxy::scatter::{Answer, Form, Leg, Merging, Why, shape};
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::{ClientState, Note, Purpose};
use crate::proxy::statements::Statement;
use crate::routing::{Scattered, Several, ShardId, Steps};
use crate::sql::Edited;
use crate::wire::backend::RowDescription;
use crate::wire::frontend::{self, Bind, Format, Target as Named, tag};
use crate::wire::write;

/// What a cursor is made for.
pub struct Opens<'a> {
    /// The client's name of it.
    pub name: &'a [u8],
    /// The query.
    pub statement: &'a Arc<Statement>,
    /// By the statement without a name.
    pub unnamed: bool,
    pub part: Option<&'a Part>,
    /// The body of the client's Bind; by the simple protocol there is none.
    pub bind: Option<&'a Bytes>,
    /// The formats of its columns, as in a Bind.
    pub formats: Vec<Format>,
    /// By DECLARE, of which this is told.
    pub declared: Option<Options>,
}

/// The options of a DECLARE.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub binary: bool,
    pub scroll: bool,
}

/// A portal that is to be bound on the server that finishes a statement, instead of its being run.
pub struct Opening {
    pub portal: Box<str>,
    /// As in a Bind.
    pub formats: Vec<Format>,
    pub opened: OnceLock<Opened>,
}

/// Such a portal, when it is there.
pub struct Opened {
    pub shard: ShardId,
    /// The body of its RowDescription.
    pub description: BytesMut,
}

/// What shards say of portals that were bound on them.
struct Bound<'a> {
    steps: &'a Steps,
    memory: usize,
    found: Option<(Merging, BytesMut)>,
}

impl Answer for Bound<'_> {
    /// They must look alike on all of them, and be of types that can be merged.
    fn described(
        &mut self,
        _at: usize,
        legs: &[Leg],
        state: &ClientState,
        _out: &mut BytesMut,
    ) -> Result<(), Why> {
        let mut read = Vec::with_capacity(legs.len());
        for leg in legs {
            let Some(body) = leg.description.as_deref() else { return Ok(()) };
            read.push((&*leg.name, RowDescription::read(body).map_err(Failure::from)?));
        }
        let Some((first, others)) = read.split_first() else { return Ok(()) };
        others.iter().try_for_each(|other| shape::compare(*first, *other))?;
        let form = Form::of(state, self.memory);
        let merging =
            Merging::new(self.steps, first.1, legs.len(), (form, false)).map_err(|failure| {
                let unfit = failure.sqlstate == "0A000";
                if unfit { Why::Unfit(failure) } else { Why::Failed(failure) }
            })?;
        let description = legs.first().and_then(|leg| leg.description.clone());
        self.found = Some((merging, description.unwrap_or_default()));
        Ok(())
    }

    fn may_have_no_rows(&self) -> bool {
        true
    }
}

impl Session {
    /// Makes a cursor in the running transaction, or in one that is begun for it.
    pub(in crate::proxy) async fn open_cursor(
        &mut self,
        several: Several,
        opens: &Opens<'_>,
    ) -> Result<(), Stop> {
        self.bound_state(size_of::<Cursor>() + opens.name.len())?;
        self.open_block().await?;
        self.begin_implicit();
        // They go on in it.
        let portals = std::mem::take(&mut self.portals);
        let opened = self.open_several(several, opens).await;
        if self.held.is_some() {
            self.portals = portals;
        }
        let mut cursor = opened?;
        cursor.level = self.state.journal.savepoints();
        self.state.cursors.put(cursor);
        Ok(())
    }

    async fn open_several(&mut self, several: Several, opens: &Opens<'_>) -> Result<Cursor, Stop> {
        let Several::Merged(scattered) = &several else {
            return self.open_gathered(several, opens).await;
        };
        let unfit = match self.open_merged(scattered, opens).await? {
            Ok(cursor) => return Ok(cursor),
            Err(unfit) => unfit,
        };
        let bind = opens.bind.map(|bind| Bind::read(bind)).transpose()?;
        let values = bind.map(|bind| parameters(opens.statement, &bind)).unwrap_or_default();
        let text = &opens.statement.text;
        match opens.part.and_then(|part| self.unmerged(part, text, &values)) {
            Some(several) => self.open_gathered(several, opens).await,
            None => Err(Stop::Failed(unfit)),
        }
    }

    /// The inner error is why rows like these can't be merged: the client knows nothing of it.
    async fn open_merged(
        &mut self,
        scattered: &Scattered,
        opens: &Opens<'_>,
    ) -> Result<Result<Cursor, Box<Failure>>, Stop> {
        let portal = self.state.cursors.portal();
        let sent = match &scattered.text {
            None => Arc::clone(opens.statement),
            Some(edited) => opens.statement.with_text(&edited.text, &self.db.registry),
        };
        let mut legs = self.call_legs(&scattered.shards).await?;
        let formats = with_hidden(&opens.formats, scattered.steps.hidden);
        let asked = legs.iter_mut().try_for_each(|leg| {
            leg.again(1);
            bind_portal(leg, (&sent, opens.unnamed), opens.bind, (&portal, &formats))
        });
        let memory = self.db.limits.merge_memory;
        let mut bound = Bound { steps: &scattered.steps, memory, found: None };
        let ran = match asked {
            Ok(()) => Ok(self.run_legs(&mut legs, &mut bound, Instant::now()).await),
            Err(stop) => Err(stop),
        };
        let streams = legs.iter().map(|leg| Stream::new(leg.held.shard, &leg.name)).collect();
        let failed = !matches!(ran, Ok(Ok(()) | Err(Why::Unfit(_))));
        self.dismiss(legs, failed).await;
        match ran? {
            Ok(()) => {}
            Err(Why::Unfit(failure)) => {
                self.close_portals(&scattered.shards, &portal).await?;
                return Ok(Err(failure));
            }
            Err(why) => {
                let edited = scattered.text.as_ref().filter(|_| self.reading().utf8);
                return Err(self.told_why(why, edited, &opens.statement.text));
            }
        }
        let Some((merging, description)) = bound.found else { return Err(not_described()) };
        let steps = scattered.steps.clone();
        Ok(Ok(self.cursor(opens, portal, streams, (merging, steps, description))))
    }

    /// The statement is finished over what the shards have now; what came of it is taken in portions.
    async fn open_gathered(&mut self, several: Several, opens: &Opens<'_>) -> Result<Cursor, Stop> {
        let portal = self.state.cursors.portal();
        let formats = opens.formats.clone();
        let opening = Opening { portal, formats, opened: OnceLock::new() };
        self.gather_for_cursor(several, opens, &opening).await?;
        let Opening { portal, opened, .. } = opening;
        let Some(Opened { shard, description }) = opened.into_inner() else {
            return Err(not_described());
        };
        let streams = vec![Stream::new(shard, self.db.shard_name(shard))];
        let steps = Steps::default();
        let form = Form::of(&self.state, self.db.limits.merge_memory);
        let columns = RowDescription::read(&description)?;
        let merging = Merging::new(&steps, columns, 1, (form, false)).map_err(Stop::Failed)?;
        Ok(self.cursor(opens, portal, streams, (merging, steps, description)))
    }

    fn cursor(
        &self,
        opens: &Opens<'_>,
        portal: Box<str>,
        streams: Vec<Stream>,
        (merging, steps, description): (Merging, Steps, BytesMut),
    ) -> Cursor {
        let scrolls = opens.declared.is_some_and(|options| options.scroll);
        let most = self.db.limits.merge_memory;
        let formats = || with_hidden(&opens.formats, steps.hidden);
        Cursor {
            name: Bytes::copy_from_slice(opens.name),
            portal,
            streams,
            merging,
            description,
            asks: if opens.declared.is_some() { Asks::Fetch(formats()) } else { Asks::Execute },
            steps,
            begun: false,
            done: false,
            position: Position::default(),
            kept: scrolls.then(|| Kept::new(most)),
            level: 0,
            broken: false,
            binary: opens.declared.is_some_and(|options| options.binary),
            aside: None,
        }
    }

    /// Closes a cursor, on its shards too. Nothing where there is none.
    pub(in crate::proxy) async fn close_cursor(&mut self, name: &[u8]) -> Result<(), Stop> {
        let Some(cursor) = self.state.cursors.take(name) else { return Ok(()) };
        let shards: Vec<ShardId> = cursor.streams.iter().map(|stream| stream.shard).collect();
        self.close_portals(&shards, &cursor.portal).await
    }

    async fn close_portals(&mut self, shards: &[ShardId], portal: &str) -> Result<(), Stop> {
        let mut legs = self.call_legs(shards).await?;
        for leg in &mut legs {
            leg.again(1);
            frontend::close(&mut leg.held.backend.output, Named::Portal(portal.as_bytes()));
            leg.held.replies.push(Request::Close, false, Note::default());
            leg.held.sync(false, Purpose::Undo);
        }
        let steps = Steps::default();
        let mut nothing = Bound { steps: &steps, memory: 0, found: None };
        let ran = self.run_legs(&mut legs, &mut nothing, Instant::now()).await;
        self.dismiss(legs, ran.is_err()).await;
        match ran {
            Ok(()) => Ok(()),
            Err(why) => Err(self.told_why(why, None, b"")),
        }
    }

    /// What the client hears of it: a position in `edited` is one in `text` then.
    pub(super) fn told_why(&mut self, why: Why, edited: Option<&Edited>, text: &[u8]) -> Stop {
        match why {
            Why::Gone(gone) => gone.into(),
            Why::Failed(failure) | Why::Unfit(failure) => Stop::Failed(failure),
            Why::Told(frame) => match self.tell_error(&frame, edited, text) {
                Ok(()) => Stop::Told,
                Err(gone) => gone.into(),
            },
            Why::Enough => Failure::new("XX000", "a cursor's shards have ended early").into(),
        }
    }
}

/// Puts a Bind for a portal, and the question for its columns, into what is to be sent.
fn bind_portal(
    leg: &mut Leg,
    (statement, unnamed): (&Arc<Statement>, bool),
    bind: Option<&Bytes>,
    (portal, formats): (&str, &[Format]),
) -> Result<(), Stop> {
    let held = &mut leg.held;
    let name = held.have(statement, unnamed)?;
    let bind = bind.map(|bind| Bind::read(bind)).transpose()?;
    let out = &mut held.backend.output;
    bind_as(out, bind.as_ref(), (portal.as_bytes(), &name), formats);
    frontend::describe(out, Named::Portal(portal.as_bytes()));
    held.replies.push(Request::Bind, true, Note::default());
    held.replies.push(Request::DescribePortal, true, Note::default());
    held.sync(false, Purpose::Undo);
    Ok(())
}

/// Appends a Bind with the parameters of the client's, if there is one, and other formats.
pub(super) fn bind_as(
    out: &mut BytesMut,
    bind: Option<&Bind<'_>>,
    (portal, statement): (&[u8], &[u8]),
    formats: &[Format],
) {
    write::frame(out, tag::BIND, |b| {
        write::cstr(b, portal);
        write::cstr(b, statement);
        match bind {
            Some(bind) => {
                let own = 2 * (bind.result_formats.len() + 1);
                b.put_slice(&bind.tail[..bind.tail.len().saturating_sub(own)]);
            }
            // No formats, and no values.
            None => b.put_u32(0),
        }
        b.put_u16(formats.len() as u16);
        formats.iter().for_each(|format| b.put_u16(*format as u16));
    });
}

fn not_described() -> Stop {
    Failure::new("XX000", "the shards haven't said what a cursor's rows look like").into()
}
