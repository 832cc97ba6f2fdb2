//! COPY of a query TO STDOUT: the rows of several shards merged, then written as COPY does.

use bytes::{Buf, BytesMut};
use tokio::time::Instant;

use crate::proxy::failure::Failure;
use crate::proxy::replies::Request;
use crate::proxy::scatter::leg::Leg;
use crate::proxy::scatter::merge::{Merged, Took};
use crate::proxy::scatter::run::{Answer, Run, Why};
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::{ClientState, Note, Purpose};
use crate::proxy::statements::Statement;
use crate::routing::CopiedQuery;
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
        let scattered = &copied.scattered;
        let sent = scattered.text.as_ref().map_or(text, |edited| &edited.text);
        let statement = self.db.registry.statement(sent, std::iter::empty(), self.world());
        let portals = std::mem::take(&mut self.portals);
        let mut legs = self.call_legs(&scattered.shards).await?;
        let in_transaction = self.state.journal.is_open();
        let memory = self.db.limits.merge_memory;
        let mut rows = Rows::new(copied, memory);
        let asked = legs.iter_mut().try_for_each(|leg| leg.ask_for_copy(&statement, copied));
        let ended = match asked {
            Err(stop) => Err(stop),
            Ok(()) => {
                let us = (&mut self.client, &mut self.state, &mut self.alarm);
                let limit = (self.times.statement, Instant::now());
                let run = Run::new(us, &mut legs, &mut rows, limit);
                let run = if in_transaction { run.until_the_end() } else { run };
                Ok(run.run().await)
            }
        };
        let failed = !matches!(ended, Ok(Ok(()) | Err(Why::Enough)));
        self.dismiss(legs, failed).await;
        if self.held.is_some() == in_transaction {
            self.portals = portals;
        }
        match ended? {
            Ok(()) | Err(Why::Enough) => {
                rows.end(&mut self.client.output);
                Ok(())
            }
            Err(Why::Gone(gone)) => Err(gone.into()),
            Err(Why::Failed(failure) | Why::Unfit(failure)) => Err(Stop::Failed(failure)),
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

/// Merged rows on their way into the form of COPY.
struct Rows<'a> {
    copied: &'a CopiedQuery,
    merged: Merged<'a>,
    /// `None` until the client has been told what comes.
    writer: Option<Writer>,
    /// Rows as they were merged.
    taken: BytesMut,
}

impl<'a> Rows<'a> {
    fn new(copied: &'a CopiedQuery, memory: usize) -> Rows<'a> {
        let merged = Merged::new(&copied.scattered.steps, false, memory);
        Rows { copied, merged, writer: None, taken: BytesMut::new() }
    }

    fn end(&self, out: &mut BytesMut) {
        if let Some(writer) = &self.writer {
            writer.end(out);
        }
        backend::command_complete(out, &format!("COPY {}", self.merged.given()));
    }
}

impl Answer for Rows<'_> {
    fn described(
        &mut self,
        at: usize,
        legs: &[Leg],
        state: &ClientState,
        out: &mut BytesMut,
    ) -> Result<(), Why> {
        self.merged.described(at, legs, state, out)?;
        if self.writer.is_some() || !self.merged.has_begun() {
            return Ok(());
        }
        let first = legs.iter().find_map(|leg| leg.description.as_deref()).unwrap_or_default();
        let description = RowDescription::read(first).map_err(Failure::from)?;
        let visible = description.len().saturating_sub(self.copied.scattered.steps.hidden);
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
        let Some(writer) = &self.writer else { return Ok(Took::Nothing) };
        let took = self.merged.take(legs, &mut self.taken, room.saturating_sub(out.len()))?;
        while let Some(header) = Header::peek(&self.taken).map_err(Failure::from)? {
            let body = self.taken.get(HEADER_LEN..header.len).unwrap_or_default();
            writer.row(out, body).map_err(Failure::from)?;
            self.taken.advance(header.len);
        }
        Ok(took)
    }
}
