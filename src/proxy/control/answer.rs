//! What the session answers by itself, as a server would: transactions that no server has seen
//! yet, SET and SHOW of pgherd's own, DISCARD and DEALLOCATE.

use bytes::Bytes;

use super::Where;
use crate::proxy::failure::Failure;
use crate::proxy::held::purpose;
use crate::proxy::planner::Part;
use crate::proxy::portals::Portal;
use crate::proxy::session::{Session, Stop};
use crate::proxy::state::Purpose;
use crate::routing::{Action, Leaves};
use crate::sql::{self, Discard, SetScope, SetValue, Transaction};
use crate::wire::backend::{self, TransactionStatus};
use crate::wire::frontend::{Execute, Format};

impl Session {
    /// Answers a statement of [`Where::Local`], without ReadyForQuery. Rows are text where they have
    /// no other format.
    pub(in crate::proxy) async fn answer_local(
        &mut self,
        part: &Part,
        text: &[u8],
        formats: &[Format],
    ) -> Result<(), Stop> {
        let tag = match part.action() {
            Action::Empty => {
                backend::empty(&mut self.client.output, backend::tag::EMPTY_QUERY_RESPONSE);
                return Ok(());
            }
            Action::Transaction(t) => self.answer_transaction(t, part.text(text))?,
            Action::Set(set) => self.set_hint(set, part, text)?,
            Action::Show(name) => {
                self.show(name, formats)?;
                "SHOW"
            }
            Action::Discard(what) => {
                if *what == Discard::All && self.is_idle() {
                    self.discard_kept();
                }
                self.discard(*what)?
            }
            Action::Deallocate(name) => {
                if name.is_none() {
                    self.deallocate_pinned().await?;
                }
                self.deallocate(name.as_deref())?
            }
            _ => return Err(Failure::new("XX000", "not a statement of the session").into()),
        };
        backend::command_complete(&mut self.client.output, tag);
        Ok(())
    }

    pub(in crate::proxy) fn answer_transaction(
        &mut self,
        t: &Transaction,
        text: &[u8],
    ) -> Result<&'static str, Stop> {
        let failed = self.state.status == TransactionStatus::Failed;
        let none =
            |name: &str| Failure::new("3B001", format!("savepoint \"{name}\" does not exist"));
        Ok(match t {
            Transaction::Begin { .. } => {
                self.state.journal.characteristics(text);
                self.state.status = TransactionStatus::InTransaction;
                if starts_with_word(text, b"START") { "START TRANSACTION" } else { "BEGIN" }
            }
            Transaction::Commit { chain } => {
                let tag = if failed { "ROLLBACK" } else { "COMMIT" };
                self.end_unsent(chain.then_some(text), failed);
                tag
            }
            Transaction::Rollback { chain } => {
                self.end_unsent(chain.then_some(text), true);
                "ROLLBACK"
            }
            Transaction::Savepoint(name) => {
                self.state.journal.savepoint(name, text);
                self.bound_state(0)?;
                self.state.savepoint(name);
                "SAVEPOINT"
            }
            Transaction::Release(name) => {
                if !self.state.journal.release(name, text) {
                    return Err(none(name).into());
                }
                self.state.release(name);
                "RELEASE"
            }
            Transaction::RollbackTo(name) => {
                if !self.state.journal.rollback_to(name) {
                    return Err(none(name).into());
                }
                self.state.rollback_to(name);
                self.state.status = TransactionStatus::InTransaction;
                "ROLLBACK"
            }
            _ => return Err(Failure::new("XX000", "not a statement of the session").into()),
        })
    }

    /// `chain` is the text of COMMIT or ROLLBACK that had AND CHAIN.
    fn end_unsent(&mut self, chain: Option<&[u8]>, rolled_back: bool) {
        if rolled_back {
            self.state.rollback()
        } else {
            self.state.commit()
        }
        match chain {
            Some(text) if self.state.journal.is_unsent() => {
                self.state.journal.chain(text);
                self.state.status = TransactionStatus::InTransaction;
            }
            _ => {
                self.state.journal.clear();
                self.state.status = TransactionStatus::Idle;
            }
        }
    }

    /// A server has found a statement right that was only tried.
    pub(in crate::proxy) fn remember_tried(
        &mut self,
        part: &Part,
        whole: &[u8],
    ) -> Result<(), Stop> {
        let text = part.text(whole);
        match part.action() {
            Action::Set(_) | Action::Transaction(Transaction::Constraints) => {
                let after = self.after_reset_of(part, whole);
                self.state.journal.setting(text);
                after.iter().for_each(|sql| self.state.journal.setting(sql));
            }
            // BEGIN in a transaction is a warning, and its options hold all the same.
            Action::Transaction(Transaction::Characteristics | Transaction::Begin { .. }) => {
                self.state.journal.characteristics(text);
            }
            Action::Transaction(Transaction::RollbackTo(name)) => {
                self.state.journal.rollback_to(name);
                self.state.status = TransactionStatus::InTransaction;
            }
            _ => {}
        }
        Ok(self.bound_state(0)?)
    }

    /// `SET pgherd.shard`, `SET pgherd.key`.
    fn set_hint(
        &mut self,
        set: &sql::Set,
        part: &Part,
        text: &[u8],
    ) -> Result<&'static str, Failure> {
        if !matches!(&*set.name, "pgherd.shard" | "pgherd.key") {
            return Err(Failure::new(
                "42704",
                format!("unrecognized configuration parameter \"{}\"", set.name),
            )
            .with_hint("pgherd has pgherd.shard and pgherd.key."));
        }
        let value = match &set.value {
            SetValue::Default => None,
            SetValue::Values(items) => match items.as_slice() {
                [item] => part.item_text(item, text),
                _ => return Err(one_value(&set.name)),
            },
            SetValue::Opaque => return Err(one_value(&set.name)),
        };
        if let (Some(value), "pgherd.shard") = (&value, &*set.name)
            && !value.is_empty()
            && self.db.shard_id(value).is_none()
        {
            return Err(self.db.no_such_shard(value));
        }
        self.bound_state(value.as_ref().map_or(0, |value| value.len()))?;
        let local = set.scope == SetScope::Transaction;
        self.state.hints.set(&set.name, value.as_deref(), local);
        if self.state.status == TransactionStatus::Idle && self.batch.is_empty() && !local {
            self.state.hints.commit();
        }
        Ok(if part.is_reset(text) { "RESET" } else { "SET" })
    }

    /// DISCARD: connections are shared, so there is nothing on a server that is this client's.
    fn discard(&mut self, what: Discard) -> Result<&'static str, Failure> {
        if what != Discard::All {
            return Ok(match what {
                Discard::Plans => "DISCARD PLANS",
                Discard::Sequences => "DISCARD SEQUENCES",
                _ => "DISCARD TEMP",
            });
        }
        if self.state.status != TransactionStatus::Idle || self.held.is_some() {
            let message = "DISCARD ALL cannot run inside a transaction block";
            return Err(Failure::new("25001", message));
        }
        self.state.settings.discard_all();
        self.state.hints.clear();
        self.state.hints.commit();
        self.state.statements.clear_named();
        let startup = self.db.told_at_startup(&self.user, self.state.settings.startup());
        for (name, value) in startup.iter() {
            if self.state.tell(name, value) {
                backend::parameter_status(
                    &mut self.client.output,
                    name.as_bytes(),
                    value.as_bytes(),
                );
            }
        }
        Ok("DISCARD ALL")
    }

    /// DEALLOCATE ALL where SQL's PREPARE is served: on the connection, too.
    async fn deallocate_pinned(&mut self) -> Result<(), Stop> {
        if !self.pins().has(Leaves::PREPARED) {
            return Ok(());
        }
        self.take(None).await?;
        if let Some(held) = &mut self.held {
            held.query(b"DEALLOCATE ALL", false, purpose(Purpose::Settings));
            held.backend.forget_prepared();
            held.left = held.left.without(Leaves::PREPARED);
        }
        self.converse().await?;
        self.release_if_idle().await;
        Ok(())
    }

    /// DEALLOCATE of what the protocol prepared.
    fn deallocate(&mut self, name: Option<&str>) -> Result<&'static str, Failure> {
        let Some(name) = name else {
            self.state.statements.clear_named();
            return Ok("DEALLOCATE ALL");
        };
        let key = Bytes::copy_from_slice(name.as_bytes());
        if key.is_empty() || self.state.statements.get(&key).is_none() {
            let message = format!("prepared statement \"{name}\" does not exist");
            return Err(Failure::new("26000", message));
        }
        self.state.statements.put(key, None);
        Ok("DEALLOCATE")
    }

    /// Execute of a portal that the session answers.
    pub(in crate::proxy) async fn execute_local(
        &mut self,
        portal: &Portal,
        execute: &Execute<'_>,
    ) -> Result<(), Stop> {
        let text = portal.statement.text.clone();
        let Some(part) = &portal.part else {
            backend::empty(&mut self.client.output, backend::tag::EMPTY_QUERY_RESPONSE);
            return Ok(());
        };
        match self.place(part, &text, false)? {
            Where::Local => self.answer_local(part, &text, &portal.formats).await,
            Where::Everywhere => {
                let said = self.define(part, &text).await?;
                self.tell_defined(said);
                Ok(())
            }
            Where::Wide => self.tell_transaction(part, &text).await,
            Where::Cursor => {
                if self.state.cursors.has_fetched(execute.portal) {
                    self.give_fetched(execute);
                    return Ok(());
                }
                self.answer_cursor(part, &text, Some((&portal.formats, execute))).await
            }
            _ => Err(Failure::unsupported(
                "the statement was bound when the session stood elsewhere",
                "Bind it again before executing it.",
            )
            .into()),
        }
    }
}

fn one_value(name: &str) -> Failure {
    Failure::new("22023", format!("SET {name} takes one value"))
}

fn starts_with_word(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}
