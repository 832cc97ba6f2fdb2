//! COPY of a query TO STDOUT: what several shards answer, merged or gathered, written as COPY does.

use bytes::{Buf, BytesMut};
use tokio::time::Instant;

use crate::proxy::failure::Failure;
use crate::proxy::replies::Request;
use crate::proxy::scatter::Ordered;
use crate::proxy::scatter::leg::Leg;
use crate::proxy::scatter::merge::{Merged, Took};
use crate::proxy::scatter::run::{Answer, Why};
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::{ClientState, Note, Purpose};
use crate::proxy::statements::Statement;
use crate::routing::{CopiedQuery, Refusal, Scattered, Several};
use crate::sql::Edited;
use crate::wire::backend::{self, RowDescription};
use crate::wire::copy::Writer;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend::{self, Target as Named};

impl Session {
    /// Answers a COPY of a query that several shards answer, without ReadyForQuery.
    pub(super) async fn copy_query(
        &mut self,
        copied: &CopiedQuery,
        text: &[u8],
    ) -> Result<(), Stop> {
        // Places in the query are told as places in the COPY.
        let edited = self.edited_over(copied.query.clone(), text);
        let before = self.state.edited.replace(edited);
        let done = self.copy_rows(copied).await;
        self.state.edited = before;
        done
    }

    async fn copy_rows(&mut self, copied: &CopiedQuery) -> Result<(), Stop> {
        let text = &copied.query.text;
        let Some(part) = self.single_part(text) else {
            return Err(Failure::from(Refusal::not_analysed()).into());
        };
        let several = match self.by_several(&part, text, &[])? {
            Several::Merged(scattered) => match self.copy_merged(&scattered, copied).await? {
                Ok(()) => return Ok(()),
                Err(unfit) => self.unmerged(&part, text, &[]).ok_or(Stop::Failed(unfit))?,
            },
            several => several,
        };
        Box::pin(self.gather_copied(several, &part, copied)).await
    }

    /// The inner error is why its rows can't be merged: the client knows nothing of it.
    async fn copy_merged(
        &mut self,
        scattered: &Scattered,
        copied: &CopiedQuery,
    ) -> Result<Result<(), Box<Failure>>, Stop> {
        let text = &copied.query.text;
        let sent = scattered.text.as_ref().map_or(text, |edited| &edited.text);
        let statement = self.db.registry.statement(sent, std::iter::empty(), self.world());
        let portals = std::mem::take(&mut self.portals);
        let mut legs = self.call_legs(&scattered.shards).await?;
        let in_transaction = self.state.journal.is_open();
        let merged = Merged::new(&scattered.steps, false, self.db.limits.merge_memory).or_kept();
        let mut rows = Written::new(copied, scattered.steps.hidden, merged);
        let asked = legs.iter_mut().try_for_each(|leg| leg.ask_for_copy(&statement, copied));
        let since = Instant::now();
        let mut ended = match asked {
            Err(stop) => Err(stop),
            Ok(()) => Ok(self.run_legs(&mut legs, &mut rows, since).await),
        };
        let mut ordered = None;
        if let Ok(Ok(())) = ended
            && let Some(pile) = rows.answer.pile()
            && let Some(first) = legs.first_mut()
        {
            let pile = Ordered::new(pile);
            let asked = pile.ask(first);
            let mut pile = rows.with(pile);
            ended = match asked {
                Err(error) => Err(error.into()),
                Ok(()) => Ok(self.run_legs(std::slice::from_mut(first), &mut pile, since).await),
            };
            ordered = Some(pile);
        }
        let failed = !matches!(ended, Ok(Ok(()) | Err(Why::Enough)));
        self.dismiss(legs, failed).await;
        if self.held.is_some() == in_transaction {
            self.portals = portals;
        }
        match ended? {
            Ok(()) | Err(Why::Enough) => {
                match &ordered {
                    Some(ordered) => ordered.end(&mut self.client.output),
                    None => rows.end(&mut self.client.output),
                }
                Ok(Ok(()))
            }
            Err(Why::Told(frame)) if ordered.is_some() => {
                // Its place is in a text of ours.
                self.tell_error(&frame, Some(&Edited::default()), b"")?;
                Err(Stop::Told)
            }
            Err(Why::Unfit(failure)) => Ok(Err(failure)),
            Err(Why::Gone(gone)) => Err(gone.into()),
            Err(Why::Failed(failure)) => Err(Stop::Failed(failure)),
            Err(Why::Told(frame)) => {
                let edited = scattered.text.as_ref().filter(|_| self.reading().utf8);
                self.tell_error(&frame, edited, text)?;
                Err(Stop::Told)
            }
        }
    }
}

impl Leg {
    /// Puts the query into what is to be sent, its results in the format of the COPY.
    fn ask_for_copy(&mut self, statement: &Statement, copied: &CopiedQuery) -> Result<(), Stop> {
        let held = &mut self.held;
        let name = held.have(statement, true)?;
        let format = Writer::format(&copied.form);
        let out = &mut held.backend.output;
        frontend::bind(out, b"", &name, frontend::Format::Text, &[], format)?;
        frontend::describe(out, Named::Portal(b""));
        frontend::execute(out, b"", 0);
        for request in [Request::Bind, Request::DescribePortal, Request::Execute] {
            held.replies.push(request, true, Note::default());
        }
        held.sync(true, Purpose::Client);
        Ok(())
    }
}

/// An answer that knows how far it is.
pub trait Counted: Answer {
    /// It is known what its rows look like.
    fn has_begun(&self) -> bool;

    /// Rows that it has given.
    fn given(&self) -> u64;
}

impl Counted for Merged<'_> {
    fn has_begun(&self) -> bool {
        Merged::has_begun(self)
    }

    fn given(&self) -> u64 {
        Merged::given(self)
    }
}

/// Rows on their way into the form of COPY.
pub struct Written<'a, A> {
    copied: &'a CopiedQuery,
    /// Columns at the end that aren't written.
    hidden: usize,
    /// Gives rows, and no RowDescription.
    answer: A,
    /// `None` until the client has been told what comes.
    writer: Option<Writer>,
    /// Rows as they were given.
    taken: BytesMut,
}

impl<'a, A: Counted> Written<'a, A> {
    pub fn new(copied: &'a CopiedQuery, hidden: usize, answer: A) -> Written<'a, A> {
        Written { copied, hidden, answer, writer: None, taken: BytesMut::new() }
    }

    /// The same of another answer's rows, which look the same.
    fn with<B>(&mut self, answer: B) -> Written<'a, B> {
        let writer = self.writer.take();
        Written { copied: self.copied, hidden: 0, answer, writer, taken: BytesMut::new() }
    }

    /// Behind the last row.
    pub fn end(&self, out: &mut BytesMut) {
        if let Some(writer) = &self.writer {
            writer.end(out);
        }
        backend::command_complete(out, &format!("COPY {}", self.answer.given()));
    }
}

impl<A: Counted> Answer for Written<'_, A> {
    fn described(
        &mut self,
        at: usize,
        legs: &[Leg],
        state: &ClientState,
        out: &mut BytesMut,
    ) -> Result<(), Why> {
        self.answer.described(at, legs, state, out)?;
        if self.writer.is_some() || !self.answer.has_begun() {
            return Ok(());
        }
        let first = legs.iter().find_map(|leg| leg.description.as_deref()).unwrap_or_default();
        let description = RowDescription::read(first).map_err(Failure::from)?;
        let visible = description.len().saturating_sub(self.hidden);
        let names: Vec<&[u8]> = description.iter().take(visible).map(|field| field.name).collect();
        let writer = Writer::new(&self.copied.form, &self.copied.forced, &names)
            .map_err(|name| Failure::new("42703", format!("column \"{name}\" does not exist")))?;
        writer.begin(out, &names);
        self.writer = Some(writer);
        Ok(())
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        out: &mut BytesMut,
        room: usize,
    ) -> Result<Took, Box<Failure>> {
        let Some(writer) = &mut self.writer else { return Ok(Took::Nothing) };
        let took = self.answer.take(legs, &mut self.taken, room.saturating_sub(out.len()))?;
        while let Some(header) = Header::peek(&self.taken).map_err(Failure::from)? {
            let body = self.taken.get(HEADER_LEN..header.len).unwrap_or_default();
            writer.row(out, body).map_err(Failure::from)?;
            self.taken.advance(header.len);
        }
        Ok(took)
    }
}
