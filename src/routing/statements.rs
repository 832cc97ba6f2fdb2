//! Each kind of statement: what the session does with it, and where it may run.

use crate::sql::{Ddl, Explain, Expr, Ident, Name, Query, Statement, Transaction};

use super::bind::Analysis;
use super::cursor::CursorUse;
use super::nodes::{Role, TableNode, Target};
use super::plan::{Follow, Place, Plan};
use super::relation::Scope;
use super::{Action, Argument, Leaves, Refusal};

/// Plans one statement.
///
/// # Errors
/// The statement is refused, whatever its values and hints.
pub(super) fn plan<'a>(analysis: Analysis<'a>, statement: &'a Statement) -> Result<Plan, Refusal> {
    let cursor = CursorUse::of(statement);
    of_kind(analysis, statement).map(|plan| Plan { cursor, ..plan })
}

fn of_kind<'a>(analysis: Analysis<'a>, statement: &'a Statement) -> Result<Plan, Refusal> {
    match statement {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_) => analysis.rows(Action::Run, statement),
        Statement::Copy(copy) => analysis.copy(copy),
        Statement::Explain(explain) => explained(analysis, explain),
        Statement::Transaction(transaction) => {
            transaction_plan(transaction, analysis.router.shards.len() == 1)
        }
        Statement::Set(set) => Ok(Plan { exact_text: true, ..Plan::of(Action::Set(set.clone())) }),
        Statement::Show(name) => Ok(Plan::of(Action::Show(name.clone()))),
        Statement::Discard(what) => {
            Ok(Plan { leaves: Leaves::MAY_END, ..Plan::of(Action::Discard(*what)) })
        }
        Statement::Prepare { name, statement } => prepared(analysis, name, statement),
        Statement::Execute { name, arguments } => analysis.execute(name, arguments),
        Statement::Deallocate(name) => Ok(Plan::of(Action::Deallocate(name.clone()))),
        Statement::Declare(declare) => analysis.declare(declare.hold, &declare.query),
        Statement::Fetch(_) => Ok(Plan { follow: Follow::IfAny, ..Plan::of(Action::Run) }),
        Statement::Close(_) => {
            let leaves = Leaves::MAY_END;
            Ok(Plan { follow: Follow::IfAny, leaves, ..Plan::of(Action::Run) })
        }
        Statement::Listen(_) => {
            let leaves = Leaves::LISTENING.and(Leaves::UNPREPARED);
            Ok(Plan { writes: true, leaves, ..Plan::of(Action::Listen { on: true }) })
        }
        Statement::Unlisten(_) => {
            let leaves = Leaves::MAY_END.and(Leaves::UNPREPARED);
            Ok(Plan { leaves, ..Plan::of(Action::Listen { on: false }) })
        }
        Statement::Notify(_) => {
            let mut analysis = analysis;
            analysis.notifies();
            Plan::found(Action::Run, analysis)
        }
        Statement::Lock(tables) => analysis.whole("LOCK", tables),
        Statement::Truncate(tables) => analysis.whole("TRUNCATE", tables),
        Statement::Maintenance(_) => Ok(maintained()),
        Statement::Ddl(ddl) => defined(ddl),
        Statement::Call { procedure, arguments } => analysis.call_procedure(procedure, arguments),
        Statement::Do => {
            let plan = refused(Refusal::opaque_body("a DO block"));
            Ok(Plan { leaves: Leaves::AS_WRITTEN, ..plan })
        }
        Statement::Other(words) => {
            Ok(Plan { leaves: Leaves::LIBRARY, ..refused(Refusal::not_understood(words)) })
        }
        Statement::Empty => Ok(Plan::of(Action::Empty)),
    }
}

fn explained<'a>(analysis: Analysis<'a>, explain: &'a Explain) -> Result<Plan, Refusal> {
    let inner = plan(analysis, &explain.statement)?;
    if let Action::Execute { .. } = inner.action {
        return Ok(inner);
    }
    if inner.action != Action::Run {
        return Err(Refusal::not_understood("EXPLAIN of this statement"));
    }
    let action = Action::Explain { analyze: explain.analyze, format: explain.format };
    let spread = match inner.spread {
        Ok(_) if explain.analyze => Err("EXPLAIN ANALYZE would run it on one of them"),
        spread => spread,
    };
    let fill = inner.fill.filter(|_| !explain.analyze);
    let moves = inner.moves.filter(|_| !explain.analyze);
    let feeds = inner.feeds.filter(|_| !explain.analyze);
    Ok(Plan {
        action,
        writes: inner.writes && explain.analyze,
        spread,
        feeds,
        moves,
        fill,
        ..inner
    })
}

fn prepared<'a>(
    analysis: Analysis<'a>,
    name: &Ident,
    statement: &'a Statement,
) -> Result<Plan, Refusal> {
    let inner = plan(analysis, statement)?;
    if inner.action != Action::Run {
        return Err(Refusal::not_understood("PREPARE of this statement"));
    }
    let action = Action::Prepare { name: name.clone() };
    let writes = inner.writes;
    Ok(Plan { writes, prepared: Some(Box::new(inner)), ..Plan::of(action) })
}

fn argument(expr: &Expr) -> Argument {
    match expr {
        Expr::Literal(slot) => Argument::Literal(*slot),
        Expr::Negate(inner) => match **inner {
            Expr::Literal(slot) => Argument::Negative(slot),
            _ => Argument::Other,
        },
        Expr::Null => Argument::Null,
        _ => Argument::Other,
    }
}

/// Refused unless a hint says where it belongs.
fn refused(refusal: Refusal) -> Plan {
    Plan { writes: true, refusals: vec![refusal], ..Plan::of(Action::Run) }
}

fn transaction_plan(transaction: &Transaction, one_shard: bool) -> Result<Plan, Refusal> {
    match transaction {
        _ if one_shard && is_two_phase(transaction) => {
            Ok(Plan::of(Action::Transaction(transaction.clone())))
        }
        Transaction::PrepareTransaction => Err(Refusal::two_phase("PREPARE TRANSACTION")),
        Transaction::CommitPrepared => Err(Refusal::two_phase("COMMIT PREPARED")),
        Transaction::RollbackPrepared => Err(Refusal::two_phase("ROLLBACK PREPARED")),
        other => {
            let undoes = matches!(other, Transaction::Rollback { .. } | Transaction::RollbackTo(_));
            let leaves = if undoes { Leaves::MAY_END } else { Leaves::NOTHING };
            Ok(Plan { leaves, ..Plan::of(Action::Transaction(other.clone())) })
        }
    }
}

fn is_two_phase(transaction: &Transaction) -> bool {
    use Transaction as T;
    matches!(transaction, T::PrepareTransaction | T::CommitPrepared | T::RollbackPrepared)
}

/// Maintenance concerns the tables of every shard, and is the same on each: nothing is gained by
/// doing it on all of them or none, also where it could be done in a transaction.
fn maintained() -> Plan {
    Plan { writes: true, ..Plan::of(Action::Ddl { outside_transaction: true, shapes: false }) }
}

/// What may make a sequence or have a table use one, or give a table a constraint.
const SHAPE: &[&str] = &[
    "CREATE TABLE",
    "CREATE INDEX",
    "ALTER TABLE",
    "CREATE SEQUENCE",
    "ALTER SEQUENCE",
    "CREATE SCHEMA",
    "CREATE EXTENSION",
    "CREATE FOREIGN TABLE",
    "ALTER FOREIGN TABLE",
];

fn defined(ddl: &Ddl) -> Result<Plan, Refusal> {
    // `CREATE TABLE pg_temp.t` makes a temporary table, too.
    let in_pg_temp = |name: &Name| name.schema.as_deref() == Some("pg_temp");
    if ddl.temporary || ddl.tables.iter().any(in_pg_temp) {
        // ON COMMIT DROP leaves nothing, nor does DROP.
        let leaves = Leaves::TEMPORARY.and(Leaves::MAY_END);
        return Ok(Plan { leaves, ..refused(Refusal::temporary()) });
    }
    let outside_transaction = ddl.outside_transaction;
    let shapes = SHAPE.contains(&&*ddl.tag);
    let mut plan = Plan::of(Action::Ddl { outside_transaction, shapes });
    plan.writes = true;
    plan.leaves = Leaves::MAY_END;
    if ddl.rows_from.is_some() {
        plan.refusals.push(Refusal::create_as(&ddl.tag));
    }
    Ok(plan)
}

impl<'a> Analysis<'a> {
    fn execute(mut self, name: &Ident, arguments: &'a [Expr]) -> Result<Plan, Refusal> {
        self.walk_all(arguments, &Scope::default(), &mut Vec::new())?;
        self.effects.writes = true;
        let read = arguments.iter().map(argument).collect();
        let plan = Plan::found(Action::Execute { name: name.clone(), arguments: read }, self)?;
        if plan.occurrences.is_empty() {
            return Ok(plan);
        }
        let refusal = Refusal::unsupported("an argument of EXECUTE that needs a certain shard")
            .hint("ask for its value first, and give that");
        Ok(Plan { refusals: vec![refusal], ..plan })
    }

    fn declare(self, hold: bool, query: &'a Query) -> Result<Plan, Refusal> {
        let mut analysis = self;
        if hold {
            analysis.refusals.push(Refusal::hold_cursor());
            analysis.effects.leaves = Leaves::HELD_CURSOR;
        }
        let node = analysis.query(query, &Scope::default())?;
        analysis.settle(&node, &Vec::new(), None);
        Plan::found(Action::Run, analysis)
    }

    /// A statement on whole tables.
    fn whole(mut self, verb: &str, tables: &'a [Name]) -> Result<Plan, Refusal> {
        self.effects.writes = true;
        let spread = super::spread::of_tables(&self, verb, tables);
        for name in tables {
            let (_, node) = self.bind_table(name, None, &[], Role::Write)?;
            let TableNode { table, target, .. } = node;
            let place = match (&spread, target) {
                (Err(reason), Target::Sharded { .. }) => {
                    let refusal = Refusal::whole_table(verb, &table).not_written(reason);
                    Place::Refused(Box::new(refusal))
                }
                (_, target) => place_of(target),
            };
            self.place(Some(table), place);
        }
        Ok(Plan { spread, ..Plan::found(Action::Run, self)? })
    }

    fn call_procedure(mut self, procedure: &Name, arguments: &'a [Expr]) -> Result<Plan, Refusal> {
        self.walk_all(arguments, &Scope::default(), &mut Vec::new())?;
        self.effects.writes = true;
        let body = format!("procedure {}", procedure.name);
        self.refusals.push(Refusal::opaque_body(&body));
        Plan::found(Action::Run, self)
    }
}

pub(super) fn place_of(target: Target) -> Place {
    match target {
        Target::Sharded { keyspace, .. } => {
            Place::Keys { keyspace, tree: super::places::Tree::Any }
        }
        Target::Reference => Place::Anywhere,
        Target::Everywhere => Place::Everywhere,
        Target::Home => Place::Home,
        Target::Refused(refusal) => Place::Refused(Box::new(refusal)),
    }
}
