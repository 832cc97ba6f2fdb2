//! What SQL's statements about cursors over several shards are answered by.

use bytes::Bytes;

use super::open::{Opens, Options};
use super::position::Step;
use super::stream::Asks;
use super::{Cursor, Fetched, Kept, fetch, format_of, with_hidden};
use crate::proxy::failure::Failure;
use crate::proxy::planner::{Part, parameters};
use crate::proxy::scatter::{Form, Merging};
use crate::proxy::session::{Session, Stop};
use crate::proxy::statements::Statement;
use crate::proxy::transaction::tell;
use crate::routing::{CursorUse, Fetches, Values};
use crate::wire::ProtocolError;
use crate::wire::backend::{self, Field, RowDescription, TransactionStatus};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::{Bind, Execute, Format};

impl Session {
    /// Whether a statement is about a cursor that several shards answer.
    pub(in crate::proxy) fn is_of_cursors(&self, part: &Part) -> bool {
        let cursors = &self.state.cursors;
        if cursors.is_empty() {
            return false;
        }
        match part.cursor() {
            Some(CursorUse::ClosesAll) => true,
            Some(used) => used.used().is_some_and(|name| cursors.has(name.as_bytes())),
            None => false,
        }
    }

    /// Answers a DECLARE whose query several shards answer. `bound` is what was bound of it, if it
    /// came so.
    pub(in crate::proxy) async fn declare(
        &mut self,
        part: &Part,
        text: &[u8],
        bound: Option<(&Statement, &Bytes)>,
    ) -> Result<(), Stop> {
        let (Some(CursorUse::Declares(declared)), Some(query)) = (part.cursor(), part.query())
        else {
            return Err(Failure::new("XX000", "not a DECLARE of several shards").into());
        };
        if self.state.status == TransactionStatus::Idle && !self.state.journal.is_open() {
            let said = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(Failure::new("25P01", said).into());
        }
        if declared.contradicts {
            return Err(Failure::new("42P11", "the cursor's options contradict each other").into());
        }
        self.check_no_such_cursor(&declared.name).await?;
        let text = part.query_text(text);
        let registry = &self.db.registry;
        let statement = match bound {
            Some((bound, _)) => {
                let statement = bound.with_text(&text, registry);
                if bound.is_described() {
                    statement.learn(bound.learned_types().into());
                }
                statement
            }
            None => registry.statement(&text, std::iter::empty(), self.world()),
        };
        let bind = bound.map(|(_, bind)| bind);
        let read = bind.map(|bind| Bind::read(bind)).transpose()?;
        let values = read.map(|bind| parameters(&statement, &bind)).unwrap_or_default();
        let several = self.by_several(&query.part, &text, &values)?;
        let format = if declared.binary { Format::Binary } else { Format::Text };
        let opens = Opens {
            name: declared.name.as_bytes(),
            statement: &statement,
            unnamed: true,
            part: Some(&query.part),
            bind,
            formats: vec![format],
            declared: Some(Options {
                binary: declared.binary,
                scroll: declared.scroll == Some(true),
            }),
        };
        self.open_cursor(several, &opens).await?;
        backend::command_complete(&mut self.client.output, "DECLARE CURSOR");
        Ok(())
    }

    /// Before a DECLARE on one shard: others may have a cursor of this name.
    pub(in crate::proxy) async fn check_declares(&mut self, part: &Part) -> Result<(), Stop> {
        match part.declares() {
            Some(name) if self.is_wide() || !self.state.cursors.is_empty() => {
                Box::pin(self.check_no_such_cursor(name)).await
            }
            _ => Ok(()),
        }
    }

    /// Whether a server of the transaction has one of this name. What is known of theirs may be gone
    /// by ROLLBACK TO.
    async fn check_no_such_cursor(&mut self, name: &str) -> Result<(), Stop> {
        if self.state.cursors.has(name.as_bytes()) {
            return Err(already_there(name).into());
        }
        let quoted = name.replace('\'', "''");
        let text = format!("SELECT FROM pg_catalog.pg_cursors WHERE name = '{quoted}'");
        for held in self.others.iter_mut().chain(&mut self.held) {
            if !held.cursors.iter().any(|cursor| **cursor == *name) {
                continue;
            }
            match tell(held, &text).await {
                Ok(said) if said.rows.iter().all(Vec::is_empty) => {
                    held.cursors.retain(|cursor| **cursor != *name);
                }
                Ok(_) => return Err(already_there(name).into()),
                Err(why) => return Err(Failure::new("08006", why).into()),
            }
        }
        Ok(())
    }

    /// Answers FETCH, MOVE and CLOSE. `bound`: the formats of its Bind, and its Execute; `None` by the
    /// simple protocol.
    pub(in crate::proxy) async fn answer_cursor(
        &mut self,
        part: &Part,
        text: &[u8],
        bound: Option<(&[Format], &Execute<'_>)>,
    ) -> Result<(), Stop> {
        match part.cursor() {
            Some(CursorUse::Fetches(fetches)) => self.fetch(fetches, part, text, bound).await,
            Some(CursorUse::Closes(name)) => {
                self.close_cursor(name.as_bytes()).await?;
                self.portals.remove(name.as_bytes());
                backend::command_complete(&mut self.client.output, "CLOSE CURSOR");
                Ok(())
            }
            Some(CursorUse::ClosesAll) => {
                self.state.cursors.clear();
                self.tell_each(part, text).await
            }
            _ => Err(Failure::unsupported(
                "WHERE CURRENT OF a cursor over several shards",
                "Select the row's key, and say WHERE by it.",
            )
            .into()),
        }
    }

    async fn fetch(
        &mut self,
        fetches: &Fetches,
        part: &Part,
        text: &[u8],
        bound: Option<(&[Format], &Execute<'_>)>,
    ) -> Result<(), Stop> {
        let count = self.fetch_count(fetches, part, text)?;
        let formats = bound.map(|(formats, _)| formats);
        let execute = bound.map(|(_, execute)| execute);
        let name = fetches.cursor.as_bytes();
        let Some(mut cursor) = self.state.cursors.take(name) else {
            return Err(super::no_cursor(name).into());
        };
        let walk = cursor.position.walk(fetches.way, count, fetches.moves);
        let scrolls = |step: &Step| cursor.position.needs_scroll(*step);
        let shown = !fetches.moves;
        let own = [if cursor.binary { Format::Binary } else { Format::Text }];
        let formats_of = formats.unwrap_or(&own);
        let fits = match cursor.kept.is_none() && walk.steps.iter().any(scrolls) {
            true => Err(fetch::only_forward()),
            false if shown => self.settle_formats(&mut cursor, formats_of),
            false => Ok(()),
        };
        if let (Ok(()), true, None) = (&fits, shown, formats) {
            cursor.describe(&mut self.client.output, &own)?;
        }
        let walk = hidden_if(fetches.moves, walk);
        let most = self.db.limits.merge_memory;
        cursor.aside = execute.filter(|execute| execute.max_rows > 0).map(|_| Kept::new(most));
        let walked = match fits {
            Ok(()) => self.walk(&mut cursor, walk).await,
            Err(failure) => Err(failure.into()),
        };
        let aside = cursor.aside.take();
        self.put_back(cursor, walked.is_err());
        let passed = walked?;
        if let Some(execute) = execute {
            // What has fetched isn't to fetch again.
            let portal = Bytes::copy_from_slice(execute.portal);
            let waits = aside.is_some() && shown;
            let rows = aside.unwrap_or_else(|| Kept::new(0));
            self.state.cursors.all().fetched.push(Fetched { portal, rows, given: 0 });
            if waits {
                self.give_fetched(execute);
                return Ok(());
            }
        }
        let verb = if fetches.moves { "MOVE" } else { "FETCH" };
        backend::command_complete(&mut self.client.output, &format!("{verb} {passed}"));
        Ok(())
    }

    /// How many rows a FETCH says; `None` is all.
    fn fetch_count(
        &self,
        fetches: &Fetches,
        part: &Part,
        text: &[u8],
    ) -> Result<Option<i64>, Failure> {
        let Some(literals) = part.literals() else { return Ok(Some(1)) };
        let values = Values { text, literals, parameters: &[], utf8: self.reading().utf8 };
        Ok(fetches.count(&values)?)
    }

    /// The shards' rows come in the formats that the first FETCH asks for; the merge reads them so.
    fn settle_formats(&self, cursor: &mut Cursor, formats: &[Format]) -> Result<(), Failure> {
        let visible = cursor.visible();
        let wanted: Vec<Format> = (0..visible).map(|at| format_of(formats, at)).collect();
        if cursor.formats() == wanted {
            return Ok(());
        }
        if cursor.begun {
            return Err(Failure::unsupported(
                "rows of one cursor over several shards in text and in binary",
                "Fetch all of them in one format.",
            ));
        }
        let codes = with_hidden(formats, cursor.steps.hidden);
        let columns = RowDescription::read(&cursor.description)?;
        let fields = columns.iter().enumerate();
        let fields: Vec<Field<'_>> =
            fields.map(|(at, field)| Field { format: format_of(&codes, at), ..field }).collect();
        let mut described = bytes::BytesMut::new();
        backend::row_description(&mut described, &fields);
        let description = described.split_off(HEADER_LEN);
        let form = Form::of(&self.state, self.db.limits.merge_memory);
        let columns = RowDescription::read(&description)?;
        let inputs = cursor.streams.len();
        cursor.merging = Merging::new(&cursor.steps, columns, inputs, (form, false))
            .map_err(|failure| *failure)?;
        cursor.description = description;
        cursor.asks = Asks::Fetch(codes);
        Ok(())
    }

    /// What a FETCH's rows look like in these formats, if it is one of a cursor that several shards
    /// answer.
    pub(in crate::proxy) fn describe_fetch(
        &self,
        part: &Part,
        formats: &[Format],
        out: &mut bytes::BytesMut,
    ) -> Result<bool, ProtocolError> {
        let Some(CursorUse::Fetches(fetches)) = part.cursor() else { return Ok(false) };
        let Some(cursor) = self.state.cursors.get(fetches.cursor.as_bytes()) else {
            return Ok(false);
        };
        if fetches.moves {
            return Ok(false);
        }
        cursor.describe(out, formats)?;
        Ok(true)
    }

    /// What the rows of a portal look like that is taken in portions.
    pub(in crate::proxy) fn describe_portion(
        &mut self,
        name: &[u8],
    ) -> Result<bool, ProtocolError> {
        let mut out = std::mem::take(&mut self.client.output);
        let described = self.describe_cursor(name, &mut out);
        self.client.output = out;
        described
    }

    /// What a cursor's rows look like, if there is one of this name.
    pub(in crate::proxy) fn describe_cursor(
        &self,
        name: &[u8],
        out: &mut bytes::BytesMut,
    ) -> Result<bool, ProtocolError> {
        let Some(cursor) = self.state.cursors.get(name) else { return Ok(false) };
        cursor.describe(out, &cursor.formats())?;
        Ok(true)
    }
}

/// The rows of a MOVE aren't wanted.
fn hidden_if(moves: bool, mut walk: super::position::Walk) -> super::position::Walk {
    for step in &mut walk.steps {
        match step {
            Step::Forward { shown, .. } | Step::Backward { shown, .. } => *shown &= !moves,
            Step::Rewind => {}
        }
    }
    walk
}

fn already_there(name: &str) -> Failure {
    Failure::new("42P03", format!("cursor \"{name}\" already exists"))
}
