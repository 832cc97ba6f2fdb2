//! SQL's PREPARE, EXECUTE and DEALLOCATE, whose names Postgres shares with the protocol's.
//!
//! A client's names are its own, but connections are shared. So before a text that speaks of a
//! name goes to a connection, the name is made there what it is to this client: prepared, or not
//! there. The text then goes as it came, and the server says what it always says. What PREPARE
//! has prepared is kept as a statement of the protocol is: by its text, and by the types that
//! the server found.

use std::sync::Arc;

use bytes::Bytes;

use super::failure::Failure;
use super::held::{Held, purpose};
use super::planner::{Part, Routed};
use super::replies::Request;
use super::session::{Session, Stop};
use super::state::{Named, Note, Purpose};
use super::statements::Statement;
use crate::routing::{
    Action, Argument, Leaves, Parameter, ParameterValue, Refusal, Route, RouteError, ShardId,
    Values,
};
use crate::sql::{self, LiteralKind, Literals};
use crate::wire::frontend::{self, Target};

/// Names of statements that are ours on the servers.
const OURS: &str = "pgherd_";
/// Types of the numbers that a plain integer may be, and of those that a decimal may be.
const INTEGERS: [u32; 3] = [20, 21, 23];
const NUMERIC: u32 = 1700;

/// A name that a text speaks of, and what it is to the client.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub name: Bytes,
    pub statement: Option<Arc<Statement>>,
}

/// A statement that is being prepared, until the server has said what its types are.
#[derive(Debug)]
pub struct Learning {
    name: Bytes,
    described: Arc<Statement>,
}

impl Session {
    /// Refuses what would meddle with statements of ours.
    pub(super) fn check_name(&self, part: &Part, text: &[u8]) -> Result<(), Failure> {
        let Some(name) = part.statement_name(text) else { return Ok(()) };
        if !name.starts_with(OURS) || self.state.statements.get(name.as_bytes()).is_some() {
            return Ok(());
        }
        if let Action::Prepare { .. } = part.action() {
            return Err(Failure::unsupported(
                format!("a prepared statement can't be named \"{name}\""),
                "Names that begin with pgherd_ are pgherd's own.",
            ));
        }
        let message = format!("prepared statement \"{name}\" does not exist");
        Err(Failure::new("26000", message))
    }

    /// The names that these statements speak of.
    pub(super) fn wanted(&self, parts: &[Part], text: &[u8]) -> Vec<Wanted> {
        parts.iter().filter_map(|part| self.wanted_by(part, text)).collect()
    }

    pub(super) fn wanted_by(&self, part: &Part, text: &[u8]) -> Option<Wanted> {
        let name = part.statement_name(text)?;
        let statement = self.state.statements.get(name.as_bytes()).cloned();
        Some(Wanted { name: Bytes::copy_from_slice(name.as_bytes()), statement })
    }

    /// Runs a text that speaks of prepared statements, and relays its ReadyForQuery.
    pub(super) async fn run_named(
        &mut self,
        shard: Option<ShardId>,
        parts: &[Part],
        text: &[u8],
        note: Note,
    ) -> Result<(), Stop> {
        let wanted = self.wanted(parts, text);
        self.hold(shard).await?;
        self.have_names(&wanted).await?;
        let learn = self.learn(parts, text)?;
        if learn.is_empty() {
            return self.run_text(None, text, note).await;
        }
        let Some(held) = &mut self.held else { return Ok(()) };
        held.unfinished_query(text, note);
        for learning in &learn {
            held.describe_named(learning);
        }
        held.sync(false, Purpose::Undo);
        held.replies.last_is_end();
        self.learning = learn;
        self.converse().await?;
        self.release_if_idle().await;
        Ok(())
    }

    /// Has these names on the connection at hand as the client knows them.
    pub(super) async fn have_names(&mut self, wanted: &[Wanted]) -> Result<(), Stop> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let mut sent = false;
        for wanted in wanted {
            sent |= held.have_named(wanted)?;
        }
        if !sent {
            return Ok(());
        }
        if held.unsynced {
            frontend::flush(&mut held.backend.output);
        } else {
            held.sync(false, Purpose::Undo);
        }
        self.converse().await.map(|_| ())
    }

    /// What these statements prepare.
    pub(super) fn learn(&self, parts: &[Part], text: &[u8]) -> Result<Vec<Learning>, Failure> {
        let mut learn = Vec::new();
        for part in parts {
            let Action::Prepare { name } = part.action() else { continue };
            let written = part.text(text);
            self.bound_statements(written.len())?;
            let reading = self.reading();
            let readable = reading.readable(written);
            let Some(body) = sql::prepared_body(&readable, reading.options) else { continue };
            let body = written.get(body..).unwrap_or_default();
            learn.push(Learning {
                name: Bytes::copy_from_slice(name.as_bytes()),
                described: Arc::new(Statement::unregistered(body)),
            });
        }
        Ok(learn)
    }

    /// After a conversation: what was prepared and deallocated in it.
    pub(super) fn settle_names(&mut self) {
        let learning = std::mem::take(&mut self.learning);
        for change in std::mem::take(&mut self.state.named) {
            match change {
                Named::Prepared(name) => {
                    let of_name = |l: &&Learning| l.name == name.as_bytes();
                    let described = learning.iter().rfind(of_name).map(|l| &l.described);
                    self.prepared(&name, described.filter(|statement| statement.is_described()));
                }
                Named::Deallocated(Some(name)) => {
                    let name = Bytes::copy_from_slice(name.as_bytes());
                    if let Some(held) = &mut self.held {
                        held.backend.named.remove(&name);
                    }
                    self.state.statements.put(name, None);
                }
                Named::Deallocated(None) => {
                    if let Some(held) = &mut self.held {
                        held.backend.forget_prepared();
                    }
                    self.state.statements.clear_named();
                }
            }
        }
    }

    /// The server has prepared a statement under this name.
    fn prepared(&mut self, name: &str, described: Option<&Arc<Statement>>) {
        let world = self.world();
        let Some(held) = &mut self.held else { return };
        let Some(described) = described else {
            // Nobody but this connection knows what it is.
            held.left = held.left.and(Leaves::PREPARED);
            return;
        };
        let name = Bytes::copy_from_slice(name.as_bytes());
        let types = described.learned_types();
        let text = &described.text;
        let statement = self.db.registry.statement(text, types.iter().copied(), world);
        statement.learn(types.into());
        held.backend.named.insert(name.clone(), statement.number);
        self.state.statements.put(name, Some(statement));
    }

    /// What an EXECUTE leaves behind is what its statement does.
    pub(super) fn left_by_executed(&self, part: &Part) -> Leaves {
        let Action::Execute { name, .. } = part.action() else { return Leaves::NOTHING };
        let Some(statement) = self.state.statements.get(name.as_bytes()) else {
            return Leaves::NOTHING;
        };
        match self.planned(statement) {
            Ok(Some(inner)) => {
                let hidden = inner.sets().is_some();
                let leaves = inner.leaves(&statement.text);
                if hidden { leaves.and(Leaves::SETTING) } else { leaves }
            }
            _ => Leaves::NOTHING,
        }
    }

    /// Where an EXECUTE goes: where its statement goes with these arguments.
    pub(super) fn route_executed(
        &self,
        part: &Part,
        text: &[u8],
        name: &str,
        arguments: &[Argument],
    ) -> Result<Routed, RouteError> {
        let router = self.router();
        if self.db.is_one_shard() {
            return Ok((Route::One(router.home()), None));
        }
        // The server says that there is none.
        let Some(statement) = self.state.statements.get(name.as_bytes()) else {
            return Ok((Route::Any, None));
        };
        let reading = self.reading();
        let readable = &*reading.readable(&statement.text);
        let scanned = sql::scan(readable, reading.options).map_err(Refusal::from)?;
        let Some(scanned) = scanned.first() else { return Ok((Route::Any, None)) };
        let context = reading.context();
        let plan = self.db.plans.get_or_plan(readable, scanned, &router, &context)?;
        let given = part.literals();
        let values: Vec<_> = (arguments.iter().enumerate())
            .map(|(i, a)| Value::of(a, given, text, statement.parameter_type(i)))
            .collect();
        let parameters: Vec<_> = (values.iter().enumerate())
            .map(|(i, v)| Parameter { type_oid: statement.parameter_type(i), value: v.as_value() })
            .collect();
        let values = Values {
            text: &statement.text,
            literals: &scanned.literals,
            parameters: &parameters,
            utf8: reading.utf8,
        };
        let current = self.held.as_ref().map(|held| held.shard);
        let route = plan.route(&router, &values, self.hint(part).as_ref(), current);
        let route = route.map_err(|error| match error {
            RouteError::Unfilled(refusal)
            | RouteError::Moved(refusal)
            | RouteError::Fed(refusal) => RouteError::Refused(refusal),
            other => other,
        })?;
        Ok((route, None))
    }
}

/// The value of an argument of EXECUTE.
enum Value {
    Null,
    Text(Vec<u8>),
    Unknown,
}

impl Value {
    fn of(argument: &Argument, given: Option<&Literals>, text: &[u8], type_oid: u32) -> Value {
        let (slot, negative) = match argument {
            Argument::Null => return Value::Null,
            Argument::Literal(slot) => (*slot, false),
            Argument::Negative(slot) => (*slot, true),
            Argument::Other => return Value::Unknown,
        };
        let literal = given.and_then(|literals| literals.slot(slot).first());
        let Some((literal, value)) = literal.and_then(|l| Some((l, l.value(text).ok()?))) else {
            return Value::Unknown;
        };
        // What the server would convert otherwise than it reads a text isn't computed here.
        let plain = match literal.kind {
            LiteralKind::String | LiteralKind::EscapeString => !negative,
            LiteralKind::Integer => INTEGERS.contains(&type_oid) || type_oid == NUMERIC,
            LiteralKind::Decimal => type_oid == NUMERIC,
            LiteralKind::National | LiteralKind::Bits => false,
        };
        if !plain {
            return Value::Unknown;
        }
        let sign: &[u8] = if negative { b"-" } else { b"" };
        Value::Text([sign, &value].concat())
    }

    fn as_value(&self) -> ParameterValue<'_> {
        match self {
            Value::Null => ParameterValue::Null,
            Value::Text(text) => ParameterValue::Text(text),
            Value::Unknown => ParameterValue::Unknown,
        }
    }
}

impl Held {
    /// Makes a name on this connection what it is to the client. Whether anything was sent.
    pub(super) fn have_named(&mut self, wanted: &Wanted) -> Result<bool, Stop> {
        let Wanted { name, statement } = wanted;
        let there = self.backend.named.get(name).copied();
        if there == statement.as_ref().map(|statement| statement.number) {
            return Ok(false);
        }
        if there.is_some() {
            self.close_named(name);
        } else if self.backend.named.len() >= self.backend.prepared.capacity()
            && let Some(other) = self.backend.named.keys().next().cloned()
        {
            self.close_named(&other);
        }
        if let Some(statement) = statement {
            let types = statement.learned_types();
            frontend::parse(&mut self.backend.output, name, &statement.text, types)?;
            let note = Note { named: Some(name.clone()), ..purpose(Purpose::Prepare) };
            self.replies.push(Request::Parse, false, note);
            self.backend.named.insert(name.clone(), statement.number);
        }
        Ok(true)
    }

    fn close_named(&mut self, name: &Bytes) {
        frontend::close(&mut self.backend.output, Target::Prepared(name));
        self.replies.push(Request::Close, false, purpose(Purpose::Prepare));
        self.backend.named.remove(name);
    }

    /// Has the server say what the types of a statement are that it has prepared just now.
    pub(super) fn describe_named(&mut self, learning: &Learning) {
        frontend::describe(&mut self.backend.output, Target::Prepared(&learning.name));
        let learn = Some(Arc::clone(&learning.described));
        let note = Note { learn, ..purpose(Purpose::Undo) };
        self.replies.push(Request::DescribeStatement, false, note);
    }
}
