//! COPY TO STDOUT of a table: what the shards send, as one stream with one header and one end.

use bytes::{Buf, BytesMut};
use tokio::time::Instant;

use crate::proxy::failure::Failure;
use crate::proxy::scatter::leg::{Leg, Stage};
use crate::proxy::scatter::merge::Took;
use crate::proxy::scatter::run::{Answer, Run, Why};
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::{ClientState, Note};
use crate::routing::Copied;
use crate::wire::backend::{self, tag};
use crate::wire::copy::Form;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::write;

/// Before the first row of the binary format: a signature, flags, and a length, which is 0.
const BINARY_HEADER: usize = 19;
/// Behind its last one.
const BINARY_END: &[u8] = b"\xff\xff";

impl Session {
    /// Answers a COPY TO STDOUT of several shards, without ReadyForQuery.
    pub(super) async fn copy_out(&mut self, copied: &Copied, text: &[u8]) -> Result<(), Stop> {
        let sent = copied.text.as_ref().map_or(text, |edited| &edited.text);
        let portals = std::mem::take(&mut self.portals);
        let mut legs = self.call_legs(&self.db.shard_ids()).await?;
        for leg in &mut legs {
            leg.held.query(sent, true, Note::default());
        }
        let in_transaction = self.state.journal.is_open();
        let mut rows = Rows::new(copied, legs.len());
        let us = (&mut self.client, &mut self.state, &mut self.alarm);
        let limit = (self.times.statement, Instant::now());
        let ended = Run::new(us, &mut legs, &mut rows, limit).run().await;
        self.dismiss(legs, ended.is_err()).await;
        if self.held.is_some() == in_transaction {
            self.portals = portals;
        }
        match ended {
            Ok(()) => {
                rows.end(&mut self.client.output);
                Ok(())
            }
            Err(Why::Gone(gone)) => Err(gone.into()),
            Err(Why::Failed(failure) | Why::Unfit(failure)) => Err(Stop::Failed(failure)),
            Err(Why::Told(frame)) => {
                let edited = copied.text.as_ref().filter(|_| self.reading().utf8);
                self.tell_error(&frame, edited, text)?;
                Err(Stop::Told)
            }
            Err(Why::Enough) => Ok(()),
        }
    }
}

/// The rows of all shards, as they come.
struct Rows<'a> {
    copied: &'a Copied,
    binary: bool,
    /// The header is still to be taken off what a leg sends.
    headed: Vec<bool>,
    /// The client has been told what comes.
    begun: bool,
    /// What stands before the rows, once it is known.
    header: Option<BytesMut>,
    /// The binary one goes out with the first row, or with the end, as servers send it.
    unsent: BytesMut,
    given: u64,
}

impl<'a> Rows<'a> {
    fn new(copied: &'a Copied, legs: usize) -> Rows<'a> {
        let (binary, header) = match &copied.form {
            Some(Form::Lines(dialect)) => (false, dialect.header),
            Some(Form::Binary { .. }) => (true, true),
            None => (false, false),
        };
        Rows {
            copied,
            binary,
            headed: vec![header; legs],
            begun: false,
            header: None,
            unsent: BytesMut::new(),
            given: 0,
        }
    }

    /// Behind the last row.
    fn end(&self, out: &mut BytesMut) {
        if self.binary {
            data(out, &[&self.unsent, BINARY_END].concat());
        }
        backend::empty(out, tag::COPY_DONE);
        backend::command_complete(out, &format!("COPY {}", self.given));
    }

    /// What stands before the rows goes to the client once, and is the same on all shards.
    fn take_header(
        &mut self,
        leg: &mut Leg,
        at: usize,
        out: &mut BytesMut,
    ) -> Result<(), Box<Failure>> {
        let Some(header) = leg.front().map_err(Failure::from)? else { return Ok(()) };
        let mut first = leg.take(&header);
        let length = if self.binary { BINARY_HEADER.min(first.len()) } else { first.len() };
        let own = first.split_to(length);
        self.headed[at] = false;
        match &self.header {
            None => {
                match self.binary {
                    true => self.unsent.extend_from_slice(&own),
                    false => data(out, &own),
                }
                self.header = Some(own);
            }
            Some(known) if *known == own => {}
            Some(_) => return Err(Box::new(self.differ(&leg.name))),
        }
        if !first.is_empty() {
            self.put(&first, out);
        }
        Ok(())
    }

    fn put(&mut self, row: &[u8], out: &mut BytesMut) {
        if self.binary && row == BINARY_END {
            return;
        }
        let header = std::mem::take(&mut self.unsent);
        match header.is_empty() {
            true => data(out, row),
            false => data(out, &[&header, row].concat()),
        }
        self.given += 1;
    }

    /// Takes rows of one leg, whole runs of them, until `room` bytes are in `out`.
    fn take_rows(&mut self, leg: &mut Leg, out: &mut BytesMut, room: usize) -> bool {
        let mut input = std::mem::take(&mut leg.held.backend.input);
        let (mut at, mut took) = (0, false);
        while out.len() + at < room {
            // What is no frame is found again by who reads the next one.
            let Ok(Some(header)) = Header::peek(&input[at..]) else { break };
            if header.tag != tag::COPY_DATA || input.len() - at < header.len {
                break;
            }
            took = true;
            if self.binary && input[at + HEADER_LEN..at + header.len] == *BINARY_END {
                out.extend_from_slice(&input[..at]);
                input.advance(at + header.len);
                at = 0;
                continue;
            }
            at += header.len;
            self.given += 1;
        }
        out.extend_from_slice(&input[..at]);
        input.advance(at);
        leg.held.backend.input = input;
        took
    }

    fn differ(&self, shard: &str) -> Failure {
        Failure::unsupported(
            format!("{} has other columns on shard {shard} than on another", self.copied.table),
            "Have the same schema on all shards: `pgherd check` says what differs.",
        )
    }
}

impl Answer for Rows<'_> {
    /// When all have said what comes, the client hears it: until then one may have an error.
    fn described(
        &mut self,
        _at: usize,
        legs: &[Leg],
        _state: &ClientState,
        out: &mut BytesMut,
    ) -> Result<(), Why> {
        let Some((first, others)) = legs.split_first() else { return Ok(()) };
        let Some(description) = &first.description else { return Ok(()) };
        if others.iter().any(|leg| leg.description.is_none()) {
            return Ok(());
        }
        let differs = |leg: &&Leg| leg.description.as_ref() != Some(description);
        if let Some(other) = others.iter().find(differs) {
            return Err(self.differ(&other.name).into());
        }
        if self.copied.form.is_none() {
            return Err(Failure::unsupported(
                "COPY of several shards with options that pgherd doesn't know",
                "Leave them out, or name the shard with /* pgherd: shard=NAME */.",
            )
            .into());
        }
        self.begun = true;
        write::frame(out, tag::COPY_OUT_RESPONSE, |b| b.extend_from_slice(description));
        Ok(())
    }

    fn take(
        &mut self,
        legs: &mut [Leg],
        out: &mut BytesMut,
        room: usize,
    ) -> Result<Took, Box<Failure>> {
        let mut took = Took::Nothing;
        if !self.begun {
            return Ok(took);
        }
        for (at, leg) in legs.iter_mut().enumerate() {
            if leg.stage != Stage::Rows || out.len() >= room {
                continue;
            }
            if self.headed[at] {
                if !is_data(leg)? {
                    continue;
                }
                self.take_header(leg, at, out)?;
                took = Took::Rows;
            }
            if self.take_rows(leg, out, room) {
                took = Took::Rows;
            }
        }
        Ok(took)
    }
}

fn is_data(leg: &Leg) -> Result<bool, Box<Failure>> {
    let front = leg.front().map_err(Failure::from)?;
    Ok(front.is_some_and(|header| header.tag == tag::COPY_DATA))
}

fn data(out: &mut BytesMut, bytes: &[u8]) {
    write::frame(out, tag::COPY_DATA, |b| b.extend_from_slice(bytes));
}
