//! Statements that are about the session or the transaction: what of them the session answers
//! by itself, and how.

use std::sync::Arc;

use super::failure::Failure;
use super::held::purpose;
use super::planner::Part;
use super::portals::Portal;
use super::session::{Session, Stop};
use super::setting_call::effect_of_call;
use super::settings::Setting;
use super::state::{Change, Effect, Purpose, SEEN, Seen};
use super::statements::Statement;
use crate::config::settings::PoolMode;
use crate::routing::{Action, Leaves, ShardId};
use crate::sql::{self, Discard, SetScope, SetValue, Transaction};
use crate::wire::backend::{self, Field, TransactionStatus};
use crate::wire::encoding::Hiding;

/// How a statement is answered, where the session stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// By the session.
    Local,
    /// By any server, or the one that the transaction is on.
    Anywhere,
    /// Where its route says.
    Routed,
    /// By all servers, one after the other.
    Everywhere,
    /// By any server in a transaction that is rolled back again: the client's has no shard yet.
    Trial,
}

/// Settings that last as long as a transaction, whatever the scope they are set with.
const OF_TRANSACTION: &[&str] =
    &["transaction_isolation", "transaction_read_only", "transaction_deferrable"];

impl Session {
    /// How a statement is answered. `joined`: it follows others, in one batch or text, that go
    /// to a server.
    pub(super) fn place(&self, part: &Part, text: &[u8], joined: bool) -> Result<Where, Failure> {
        let on_server = self.held.is_some() || joined;
        let unsent = !on_server && self.unsent.is_open();
        let failed = !on_server && self.state.status == TransactionStatus::Failed;
        let place = match part.action() {
            // What only the connection that is pinned for it knows.
            Action::Deallocate(Some(name))
                if self.pins().has(Leaves::PREPARED)
                    && self.state.statements.get(name.as_bytes()).is_none() =>
            {
                Where::Anywhere
            }
            Action::Prepare { .. } if unsent && !self.db.is_one_shard() => {
                self.check_name(part, text)?;
                Where::Trial
            }
            Action::Prepare { .. } => {
                self.check_name(part, text)?;
                Where::Anywhere
            }
            Action::Execute { .. } => {
                self.check_name(part, text)?;
                Where::Routed
            }
            // Of what a server has of this client's.
            Action::Discard(what) if *what != Discard::All && self.has_server() => Where::Anywhere,
            Action::Empty | Action::Discard(_) | Action::Deallocate(_) => Where::Local,
            Action::Set(set) if is_ours(&set.name) => Where::Local,
            Action::Show(name) if is_ours(name) => Where::Local,
            Action::Transaction(Transaction::Begin { .. }) if self.mode == PoolMode::Statement => {
                return Err(Failure::unsupported(
                    "transaction blocks are not allowed in statement mode",
                    "Send each statement by itself, or have pool_mode = \"transaction\".",
                ));
            }
            Action::Transaction(
                Transaction::PrepareTransaction
                | Transaction::CommitPrepared
                | Transaction::RollbackPrepared,
            ) if self.db.is_one_shard() => return Ok(Where::Anywhere),
            Action::Transaction(t) => {
                if let Transaction::Savepoint(name) = t {
                    self.bound_state(name.len())?;
                }
                let place = place_transaction(t, on_server, unsent, failed)?;
                return Ok(self.refined(t, place));
            }
            Action::Set(set) => {
                check_set(set, part, text, self.db.is_one_shard())?;
                if set.value != SetValue::Default {
                    self.bound_state(part.text(text).len())?;
                }
                self.check_encoding(set, part, text)?;
                if unsent { Where::Trial } else { Where::Anywhere }
            }
            Action::Show(_) if unsent => Where::Trial,
            Action::Show(_) => Where::Anywhere,
            Action::Ddl { .. } if self.db.is_one_shard() || self.hint(part).is_some() => {
                Where::Routed
            }
            Action::Ddl { .. } => Where::Everywhere,
            Action::Run | Action::Explain { .. } => {
                let follows = !self.db.is_one_shard();
                if follows && effect_of_call(part, text, &[])? != Effect::Nothing {
                    self.bound_state(part.text(text).len())?;
                }
                Where::Routed
            }
        };
        if failed && *part.action() != Action::Empty {
            return Err(Failure::in_failed_transaction());
        }
        Ok(place)
    }

    /// Another encoding, where texts in it can be read, and no text is kept in the one before.
    fn check_encoding(&self, set: &sql::Set, part: &Part, text: &[u8]) -> Result<(), Failure> {
        if &*set.name != "client_encoding" {
            return Ok(());
        }
        let hides = |values: Vec<String>| values.iter().any(|name| Hiding::of(name).is_some());
        if set.value != SetValue::Default
            && !self.db.is_one_shard()
            && part.set_values(set, text).is_none_or(hides)
        {
            return Err(hiding_encoding());
        }
        if self.state.settings.current().values().any(|setting| !setting.is_ascii()) {
            return Err(Failure::unsupported(
                "client_encoding can't be changed after a setting whose text is not ASCII",
                "Set client_encoding first, or when connecting.",
            ));
        }
        Ok(())
    }

    /// What only settings make more than a matter of the session: a server says what they are
    /// after COMMIT or ROLLBACK.
    fn refined(&self, transaction: &Transaction, place: Where) -> Where {
        let failed = self.state.status == TransactionStatus::Failed;
        let plain = self.unsent.is_plain();
        match transaction {
            Transaction::RollbackTo(_) if place == Where::Local && !plain => Where::Trial,
            // What a failed transaction hands on to the next is the server's to say.
            Transaction::Commit { chain } | Transaction::Rollback { chain }
                if place == Where::Local && (!plain || (*chain && failed)) =>
            {
                Where::Anywhere
            }
            _ => place,
        }
    }

    /// Answers a statement of [`Where::Local`], without ReadyForQuery.
    pub(super) async fn answer_local(&mut self, part: &Part, text: &[u8]) -> Result<(), Stop> {
        let tag = match part.action() {
            Action::Empty => {
                backend::empty(&mut self.client.output, backend::tag::EMPTY_QUERY_RESPONSE);
                return Ok(());
            }
            Action::Transaction(t) => self.answer_transaction(t, part.text(text))?,
            Action::Set(set) => self.set_hint(set, part, text)?,
            Action::Show(name) => {
                let value = self.show(name)?;
                backend::data_row(&mut self.client.output, [Some(value.as_bytes())]);
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

    pub(super) fn answer_transaction(
        &mut self,
        t: &Transaction,
        text: &[u8],
    ) -> Result<&'static str, Stop> {
        let failed = self.state.status == TransactionStatus::Failed;
        let none =
            |name: &str| Failure::new("3B001", format!("savepoint \"{name}\" does not exist"));
        Ok(match t {
            Transaction::Begin { .. } => {
                self.unsent.characteristics(text);
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
                self.unsent.savepoint(name, text);
                self.bound_state(0)?;
                self.state.savepoint(name);
                "SAVEPOINT"
            }
            Transaction::Release(name) => {
                if !self.unsent.release(name, text) {
                    return Err(none(name).into());
                }
                self.state.release(name);
                "RELEASE"
            }
            Transaction::RollbackTo(name) => {
                if !self.unsent.rollback_to(name) {
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
            Some(text) if self.unsent.is_open() => {
                self.unsent.chain(text);
                self.state.status = TransactionStatus::InTransaction;
            }
            _ => {
                self.unsent.clear();
                self.state.status = TransactionStatus::Idle;
            }
        }
    }

    /// What a session keeps of its client has a bound; `more` bytes are to come. What is
    /// prepared has its own.
    pub(super) fn bound_state(&self, more: usize) -> Result<(), Failure> {
        let max = self.db.limits.session_state;
        let settings = self.state.settings.bytes() + self.state.hints.bytes();
        let kept = settings + self.portals.bytes() + self.unsent.memory();
        if kept.saturating_add(more) <= max {
            return Ok(());
        }
        Err(Failure::new("54000", "too much is kept for this session").with_hint(format!(
            "Its settings, savepoints, portals, and what it has said in a transaction before the \
             first statement take {kept} bytes, limits.session_state is {max}. All but settings \
             goes with its transaction; settings go with DISCARD ALL."
        )))
    }

    /// A server has found a statement right that was only tried.
    pub(super) fn remember_tried(&mut self, part: &Part, text: &[u8]) -> Result<(), Stop> {
        let text = part.text(text);
        match part.action() {
            Action::Set(_) | Action::Transaction(Transaction::Constraints) => {
                self.unsent.setting(text);
            }
            // BEGIN in a transaction is a warning, and its options hold all the same.
            Action::Transaction(Transaction::Characteristics | Transaction::Begin { .. }) => {
                self.unsent.characteristics(text);
            }
            Action::Transaction(Transaction::RollbackTo(name)) => {
                self.unsent.rollback_to(name);
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

    /// `SHOW pgherd.…`
    fn show(&self, name: &str) -> Result<String, Failure> {
        Ok(match name {
            "pgherd.shard" | "pgherd.key" => {
                self.state.hints.get(name).unwrap_or_default().to_owned()
            }
            "pgherd.version" => env!("CARGO_PKG_VERSION").to_owned(),
            "pgherd.epoch" => self.db.epoch().to_string(),
            _ => {
                let message = format!("unrecognized configuration parameter \"{name}\"");
                return Err(Failure::new("42704", message).with_hint(
                    "pgherd has pgherd.shard, pgherd.key, pgherd.version and pgherd.epoch.",
                ));
            }
        })
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
        let key = bytes::Bytes::copy_from_slice(name.as_bytes());
        if key.is_empty() || self.state.statements.get(&key).is_none() {
            let message = format!("prepared statement \"{name}\" does not exist");
            return Err(Failure::new("26000", message));
        }
        self.state.statements.put(key, None);
        Ok("DEALLOCATE")
    }

    /// Execute of a portal that the session answers.
    pub(super) async fn execute_local(&mut self, portal: &Portal) -> Result<(), Stop> {
        let text = portal.statement.text.clone();
        let Some(part) = &portal.part else {
            backend::empty(&mut self.client.output, backend::tag::EMPTY_QUERY_RESPONSE);
            return Ok(());
        };
        match self.place(part, &text, false)? {
            Where::Local => self.answer_local(part, &text).await,
            Where::Everywhere => self.everywhere(std::slice::from_ref(&**part), &text).await,
            _ => Err(Failure::unsupported(
                "the statement was bound when the session stood elsewhere",
                "Bind it again before executing it.",
            )
            .into()),
        }
    }

    /// Where a statement goes that is parsed or described but not bound.
    pub(super) fn place_of_soft(&self, statement: &Arc<Statement>) -> Option<ShardId> {
        let part = self.planned(statement).ok().flatten()?;
        self.db.fixed_route(&part, &statement.text)
    }
}

/// The simple protocol's answer to SHOW has its column's description first.
pub fn describe_show(out: &mut bytes::BytesMut, part: &Part) {
    if let Some(column) = part.local_column() {
        backend::row_description(out, &[Field::text(column)]);
    }
}

fn place_transaction(
    transaction: &Transaction,
    on_server: bool,
    unsent: bool,
    failed: bool,
) -> Result<Where, Failure> {
    use Transaction as T;
    Ok(match transaction {
        T::PrepareTransaction | T::CommitPrepared | T::RollbackPrepared => {
            return Err(Failure::unsupported(
                "two-phase transactions of a client's own are not supported",
                "Use COMMIT: pgherd does what has to be done on several shards.",
            ));
        }
        _ if on_server => Where::Anywhere,
        T::Commit { .. } | T::Rollback { .. } if unsent || failed => Where::Local,
        T::RollbackTo(_) if unsent || failed => Where::Local,
        _ if failed => return Err(Failure::in_failed_transaction()),
        T::Begin { .. } => {
            if unsent {
                Where::Trial
            } else {
                Where::Local
            }
        }
        T::Savepoint(_) | T::Release(_) if unsent => Where::Local,
        T::Characteristics | T::Constraints if unsent => Where::Trial,
        _ => Where::Anywhere,
    })
}

/// What the statement does to its session when it succeeds.
pub fn effect_of(part: &Part, text: &[u8]) -> Effect {
    match part.action() {
        Action::Transaction(t) => match t {
            Transaction::Commit { .. } | Transaction::PrepareTransaction => Effect::Commit,
            Transaction::Rollback { .. } => Effect::Rollback,
            Transaction::Savepoint(name) => Effect::Savepoint(name.clone()),
            Transaction::Release(name) => Effect::Release(name.clone()),
            Transaction::RollbackTo(name) => Effect::RollbackTo(name.clone()),
            _ => Effect::Nothing,
        },
        Action::Set(set) => effect_of_set(set, part, text),
        // A temporary table is one session's own.
        Action::Ddl { .. } if !part.leaves(text).has(Leaves::TEMPORARY) => Effect::Define,
        Action::Prepare { name } => Effect::Prepare(name.clone()),
        Action::Deallocate(name) => Effect::Deallocate(name.clone()),
        // What can't be followed was refused before it was sent.
        Action::Run => effect_of_call(part, text, &[]).unwrap_or(Effect::Nothing),
        _ => Effect::Nothing,
    }
}

fn effect_of_set(set: &sql::Set, part: &Part, text: &[u8]) -> Effect {
    let name = &*set.name;
    if OF_TRANSACTION.contains(&name) || is_ours(name) {
        return Effect::Nothing;
    }
    let local = set.scope == SetScope::Transaction;
    let seen = SEEN.contains(&name).then(|| {
        let value = part.set_values(set, text).map(|values| values.join(PATH_SEPARATOR).into());
        Seen { name: name.into(), value, local }
    });
    let mut change = Change { seen, ..Change::default() };
    match &set.value {
        _ if local => {}
        SetValue::Default if name == "all" => change.all = true,
        SetValue::Default => change.reset = Some(name.into()),
        SetValue::Opaque if name == "session characteristics" => {
            change.set = characteristics(part.text(text));
        }
        _ => change.set = vec![(name.into(), part.text(text).into())],
    }
    Effect::Change(Box::new(change))
}

/// `SET SESSION CHARACTERISTICS AS TRANSACTION …` by the names of the settings that it sets.
fn characteristics(text: &[u8]) -> Vec<(Box<str>, Setting)> {
    let text = String::from_utf8_lossy(text).to_ascii_uppercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut settings: Vec<(Box<str>, Setting)> = Vec::new();
    let mut set = |name: &str, value: &str| {
        let sql = format!("SET {name} = '{value}'");
        settings.push((name.into(), sql.into_bytes().into()));
    };
    for (i, word) in words.iter().enumerate() {
        let next = words.get(i + 1).copied().unwrap_or_default();
        match (*word, next) {
            ("READ", "ONLY") => set("default_transaction_read_only", "on"),
            ("READ", "WRITE") => set("default_transaction_read_only", "off"),
            ("LEVEL", "READ") => {
                let which = words.get(i + 2).copied().unwrap_or_default();
                let level = format!("read {}", which.to_ascii_lowercase());
                set("default_transaction_isolation", &level);
            }
            ("LEVEL", "REPEATABLE") => set("default_transaction_isolation", "repeatable read"),
            ("LEVEL", "SERIALIZABLE") => set("default_transaction_isolation", "serializable"),
            ("NOT", "DEFERRABLE") => set("default_transaction_deferrable", "off"),
            ("DEFERRABLE", _) if i == 0 || words[i - 1] != "NOT" => {
                set("default_transaction_deferrable", "on");
            }
            _ => {}
        }
    }
    settings
}

/// Settings that pgherd must understand, or that no connection can be given back without.
fn check_set(set: &sql::Set, part: &Part, text: &[u8], one_shard: bool) -> Result<(), Failure> {
    let name = &*set.name;
    let reset = set.value == SetValue::Default;
    if reset {
        return Ok(());
    }
    // There nothing is routed by it, and the connection is kept where it can't be followed.
    if one_shard && name != "session characteristics" {
        return Ok(());
    }
    let refused = |hint: &str| {
        Err(Failure::unsupported(format!("SET {name} to this value is not supported"), hint))
    };
    match name {
        "transform_null_equals" if !part.set_values(set, text).is_some_and(|v| are_off(&v)) => {
            refused(IS_NULL_HINT)
        }
        "seed" => refused("Call setseed() in the transaction that calls random()."),
        "session characteristics" if part.has_comment(text) => refused("Leave the comment out."),
        _ if matches!(set.value, SetValue::Opaque)
            && !matches!(name, "timezone" | "session characteristics") =>
        {
            refused("Write the value.")
        }
        _ => Ok(()),
    }
}

/// Texts in the encoding can't be read without conversion, and on several shards they must be.
pub fn hiding_encoding() -> Failure {
    Failure::unsupported(
        "this client_encoding is not supported on several shards",
        "Speak UTF-8 to pgherd, or an encoding in which ASCII is always ASCII.",
    )
}

/// Under `transform_null_equals`, `= NULL` means IS NULL, and no row of it is ruled out.
pub const IS_NULL_HINT: &str = "Write IS NULL where you mean it.";

fn are_off(values: &[String]) -> bool {
    matches!(values, [value] if is_off(value))
}

/// A boolean setting's value that surely means off.
pub fn is_off(value: &str) -> bool {
    ["off", "false", "no", "0"].iter().any(|off| value.eq_ignore_ascii_case(off))
}

/// Between the schemas of a search path that is kept as one text.
pub const PATH_SEPARATOR: &str = "\u{1f}";

pub fn is_ours(name: &str) -> bool {
    name.starts_with("pgherd.")
}

fn one_value(name: &str) -> Failure {
    Failure::new("22023", format!("SET {name} takes one value"))
}

fn starts_with_word(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_characteristics_are_three_settings() {
        let shown = |text: &str| {
            let list = characteristics(text.as_bytes());
            let shown = |(_, sql): &(Box<str>, Setting)| String::from_utf8(sql.to_vec()).unwrap();
            list.iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(
            shown(
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL read  committed, \
                   READ ONLY, NOT DEFERRABLE"
            ),
            [
                "SET default_transaction_isolation = 'read committed'",
                "SET default_transaction_read_only = 'on'",
                "SET default_transaction_deferrable = 'off'",
            ]
        );
        assert_eq!(
            shown(
                "set session characteristics as transaction deferrable isolation level \
                   serializable read write"
            ),
            [
                "SET default_transaction_deferrable = 'on'",
                "SET default_transaction_isolation = 'serializable'",
                "SET default_transaction_read_only = 'off'",
            ]
        );
    }
}
