//! What a client's session is, apart from its connection: settings, statements, and what it was
//! told. Replies change it; nothing here waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::cursor::Cursors;
use super::deadlock::Entered;
use super::edited::EditedText;
use super::failure::Failure;
use super::journal::Journal;
use super::settings::{ClientSettings, Setting, SettingSet};
use super::statements::{Before, ClientStatements, Statement};
use crate::routing::Leaves;
use crate::wire::backend::TransactionStatus;

/// The one setting whose SET may say a part of its value.
const DATE_STYLE: &str = "datestyle";

/// Values of ParameterStatus, by name.
pub type Told = BTreeMap<Box<str>, Box<str>>;

/// One client's session.
#[derive(Debug)]
pub struct ClientState {
    /// The process id that the client was told.
    pub pid: i32,
    /// Notifications that wait for the end of its transaction, as whole frames.
    pub heard: Option<Box<BytesMut>>,
    pub settings: ClientSettings,
    /// What routing needs to know of the settings.
    pub hints: RouteHints,
    /// What its transaction has been told, for servers that don't know of it yet.
    pub journal: Journal,
    /// SET LOCAL or SET CONSTRAINTS was said in a transaction that is one only because no Sync has
    /// come since: no other server could be told.
    pub said_bare: bool,
    /// Several shards take part in its transaction.
    pub wide: Option<Entered>,
    pub statements: ClientStatements,
    /// Results of several shards that are taken in portions, until the transaction ends.
    pub cursors: Cursors,
    /// What the client knows of its session; shared while it is what all are told.
    pub told: Arc<Told>,
    /// What the last ReadyForQuery said, or what the session has answered since.
    pub status: TransactionStatus,
    /// `DateStyle` was set: a style and an order of day and month, of which a SET may give one
    /// and leave the other.
    pub restyled: bool,
    /// The schema is other than pgherd knows it: a statement of this client's has defined, or a
    /// server refused a plan of before.
    pub redefined: bool,
    /// What is found to be left no more on the connection that was asked last.
    pub gone: Leaves,
    /// What was prepared and deallocated since the session has last looked.
    pub named: Vec<Named>,
    /// Servers get the client's text with something put in.
    pub edited: Option<Arc<EditedText>>,
}

/// What a server has done to SQL's prepared statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Prepared(Box<str>),
    /// `None` is all.
    Deallocated(Option<Box<str>>),
}

impl ClientState {
    /// A command has completed with this tag.
    pub fn apply(&mut self, effect: &Effect, tag: &[u8]) {
        match effect {
            Effect::Nothing => {}
            // COMMIT of a failed transaction is answered by ROLLBACK.
            Effect::Begin(text) => self.journal.told_begin(text),
            Effect::Said(text) => {
                self.said_bare |= !self.journal.is_open();
                self.journal.said(text);
            }
            Effect::Commit | Effect::Rollback | Effect::Chain(_) => {
                match effect {
                    Effect::Chain(text) => {
                        self.journal.told_chain(text, self.status == TransactionStatus::Failed)
                    }
                    _ => self.journal.forget_told(),
                }
                match tag {
                    b"COMMIT" | b"PREPARE TRANSACTION" => self.commit(),
                    _ => self.rollback(),
                }
            }
            Effect::Savepoint(name) => self.savepoint(name),
            Effect::Release(name) => self.release(name),
            Effect::RollbackTo(name) => self.rollback_to(name),
            Effect::Change(change) => self.change(change),
            Effect::Define => {
                self.redefined = true;
                self.journal.found(None);
            }
            Effect::Prepare(name) => self.named.push(Named::Prepared(name.clone())),
            Effect::Deallocate(name) => self.named.push(Named::Deallocated(name.clone())),
            Effect::Gone(things) if tag == b"SELECT 0" => self.gone = self.gone.and(*things),
            Effect::Gone(_) => {}
        }
    }

    fn change(&mut self, change: &Change) {
        self.said_bare |= change.local.is_some() && !self.journal.is_open();
        self.journal.follow(change);
        self.journal.follow_reset(change, self.settings.startup());
        if change.all {
            self.settings.reset_all();
            self.hints.reset_all();
        }
        if let Some(name) = &change.reset {
            self.settings.reset(name);
        }
        for (name, sql) in &change.set {
            self.settings.set(name, sql.clone());
            self.restyled |= &**name == DATE_STYLE;
        }
        if let Some(seen) = &change.seen {
            self.hints.set(&seen.name, seen.value.as_deref(), seen.local);
        }
    }

    /// A server is ready outside a transaction: what wasn't committed before has been now, or
    /// has been rolled back.
    pub fn settle(&mut self, failed: bool) {
        self.said_bare = false;
        self.journal.forget_told();
        if failed {
            self.rollback()
        } else {
            self.commit()
        }
        if std::mem::take(&mut self.restyled)
            && let Some(value) = self.told.get("DateStyle")
        {
            self.settings.restate(DATE_STYLE, value);
        }
    }

    pub fn commit(&mut self) {
        self.settings.commit();
        self.hints.commit();
    }

    pub fn rollback(&mut self) {
        self.settings.rollback();
        self.hints.0.rollback();
    }

    pub fn savepoint(&mut self, name: &str) {
        self.journal.told_savepoint(name);
        self.settings.savepoint(name);
        self.hints.0.savepoint(name);
    }

    pub fn release(&mut self, name: &str) {
        self.journal.told_release(name);
        if !self.cursors.is_empty() {
            self.cursors.released_to(self.journal.savepoints());
        }
        self.settings.release(name);
        self.hints.0.release(name);
    }

    pub fn rollback_to(&mut self, name: &str) {
        self.journal.told_rollback_to(name);
        if !self.cursors.is_empty() {
            self.cursors.rolled_back_to(self.journal.savepoints());
        }
        self.settings.rollback_to(name);
        self.hints.0.rollback_to(name);
    }

    /// `extra_float_digits`, which servers don't report: as the client has set it, or Postgres's own;
    /// `None` where it was set in a way that isn't read.
    pub fn float_digits(&self) -> Option<&str> {
        let Some(sql) = self.settings.committed().get("extra_float_digits") else {
            return Some("1");
        };
        let sql = std::str::from_utf8(sql).ok()?;
        sql.split(|c: char| !c.is_ascii_digit() && c != '-').find(|digits| !digits.is_empty())
    }

    /// What the client is told in place of a server's word of a cancel request, if that was made
    /// to end a deadlock.
    pub fn verdict(&self, sqlstate: &[u8]) -> Option<Failure> {
        let cancelled = sqlstate == b"57014";
        self.wide.as_ref().filter(|_| cancelled)?.verdict()
    }

    /// A server has reported a parameter. Whether the client must hear of it: it has been told
    /// another value.
    pub fn tell(&mut self, name: &str, value: &str) -> bool {
        if self.told.get(name).is_some_and(|told| &**told == value) {
            return false;
        }
        Arc::make_mut(&mut self.told).insert(name.into(), value.into());
        true
    }
}

/// What a statement does to its session when it succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Effect {
    #[default]
    Nothing,
    /// A BEGIN of this text that went to a server with others.
    Begin(Setting),
    /// Something about the transaction, which other servers of it must be told, too: SET
    /// TRANSACTION, SET CONSTRAINTS.
    Said(Setting),
    Commit,
    Rollback,
    /// COMMIT or ROLLBACK of this text, with AND CHAIN.
    Chain(Setting),
    Savepoint(Box<str>),
    Release(Box<str>),
    RollbackTo(Box<str>),
    /// SET or RESET.
    Change(Box<Change>),
    /// Tables and the like are others than before.
    Define,
    /// SQL's PREPARE of this name.
    Prepare(Box<str>),
    /// DEALLOCATE, run by a server; `None` is all.
    Deallocate(Option<Box<str>>),
    /// A question of ours: when no row answers it, nothing of these things is left.
    Gone(Leaves),
}

impl Effect {
    /// Bytes that keeping it takes.
    pub fn bytes(&self) -> usize {
        let Effect::Change(change) = self else { return 0 };
        change.local.as_ref().map_or(0, |sql| sql.len())
            + change.set.iter().map(|(name, sql)| name.len() + sql.len()).sum::<usize>()
            + size_of::<Change>()
    }
}

/// What SET or RESET changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// RESET ALL.
    pub all: bool,
    pub reset: Option<Box<str>>,
    /// Names, and the SQL that sets each.
    pub set: Vec<(Box<str>, Setting)>,
    /// SET LOCAL.
    pub local: Option<Setting>,
    /// A setting whose value routing needs.
    pub seen: Option<Seen>,
}

/// The value of a setting that routing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub name: Box<str>,
    pub value: Option<Box<str>>,
    /// SET LOCAL.
    pub local: bool,
}

/// Settings whose values routing needs, beside pgherd's own.
pub const SEEN: &[&str] = &["search_path", "role", "session_authorization"];

/// The values of settings that routing needs, with the transaction semantics of any setting:
/// `pgherd.shard`, `pgherd.key`, and [`SEEN`].
#[derive(Debug)]
pub struct RouteHints(ClientSettings);

/// Settings of SET LOCAL are kept under a name that no session setting has.
const LOCAL: &str = "local ";

impl RouteHints {
    /// None yet; `nothing` is an empty set.
    pub fn new(nothing: Arc<SettingSet>) -> RouteHints {
        RouteHints(ClientSettings::new(nothing))
    }

    /// SET, or SET LOCAL; without a value RESET.
    pub fn set(&mut self, name: &str, value: Option<&str>, local: bool) {
        let key = format!("{}{name}", if local { LOCAL } else { "" });
        match value {
            Some(value) => self.0.set(&key, value.as_bytes().into()),
            // Back to none, above a session's value too.
            None if local => self.0.set(&key, Setting::default()),
            None => self.0.reset(&key),
        }
        if !local {
            self.0.reset(&format!("{LOCAL}{name}"));
        }
    }

    /// The value that holds now.
    pub fn get(&self, name: &str) -> Option<&str> {
        let set = self.0.current();
        if set.is_empty() {
            return None;
        }
        let value = set.get(&*format!("{LOCAL}{name}")).or_else(|| set.get(name))?;
        std::str::from_utf8(value).ok().filter(|value| !value.is_empty())
    }

    /// All of them: another one when one has changed.
    pub fn settings(&self) -> &Arc<SettingSet> {
        self.0.current()
    }

    /// Bytes that they take, roughly.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Whether none is set: the usual case, without a look at names.
    pub fn is_empty(&self) -> bool {
        self.0.current().is_empty()
    }

    /// DISCARD ALL.
    pub fn clear(&mut self) {
        self.0.discard_all();
    }

    /// RESET ALL.
    pub fn reset_all(&mut self) {
        self.0.reset_all();
    }

    /// SET outside a transaction block.
    pub fn commit(&mut self) {
        if self.is_empty() {
            return self.0.commit();
        }
        let local: Vec<_> =
            self.0.current().keys().filter(|name| name.starts_with(LOCAL)).cloned().collect();
        local.iter().for_each(|name| self.0.reset(name));
        self.0.commit();
    }
}

/// What the session remembers with a message that it has sent.
#[derive(Debug, Default)]
pub struct Note {
    /// Whose message it is.
    pub purpose: Purpose,
    /// A change of the client's statements, to be taken back when the message is skipped.
    pub before: Option<Before>,
    /// The statement counted as prepared on the connection, which it isn't when the message is
    /// skipped.
    pub prepared: Option<u64>,
    /// The name counted as prepared on the connection, as before.
    pub named: Option<Bytes>,
    /// The message sets the connection's unnamed statement.
    pub unnamed: bool,
    /// A description's types are those of this statement.
    pub learn: Option<Arc<Statement>>,
    /// One for each command of the text.
    pub effects: Vec<Effect>,
    /// What it leaves in the server's session.
    pub leaves: Leaves,
    /// It declares or closes a cursor.
    pub cursor: Option<Box<CursorNote>>,
    /// EXPLAIN: what stands before the server's plan.
    pub explain: Option<Arc<super::explain::Shown>>,
    /// A trigger may say NOTIFY in it.
    pub may_notify: bool,
    /// Something may be committed by it, so that its outcome is unknown when the connection is
    /// lost.
    pub commits: bool,
}

/// What becomes of the cursors that are known to be on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorNote {
    Declared(Box<str>),
    Closed(Box<str>),
}

impl Note {
    /// Of a message that the client has sent, and not of one of ours.
    pub fn is_clients(&self) -> bool {
        self.purpose == Purpose::Client && self.prepared.is_none() && self.named.is_none()
    }
}

/// Whose message it is, and so what a failure of it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// The client's own.
    #[default]
    Client,
    /// Brings the connection's settings in line with the client's; their reports are for the
    /// client.
    Settings,
    /// What the client said before its transaction had a shard.
    Unsent,
    /// Sets again what RESET took away and the client started with; its reports are for the
    /// client.
    AfterReset,
    /// Has a name on the connection be what it is to the client, whose statement needs it.
    Prepare,
    /// Ends a trial run, or a transaction that pgherd has refused to go on with.
    Undo,
    /// One shard's part of a statement that defines: its error is told with how far it came.
    Define,
    /// The client's transaction has ended before its Sync: settle.
    EarlySync,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_have_the_scope_of_settings() {
        let mut hints = RouteHints::new(Arc::default());
        hints.set("pgherd.shard", Some("s1"), false);
        hints.commit();
        hints.set("pgherd.shard", Some("s2"), true);
        assert_eq!(hints.get("pgherd.shard"), Some("s2"));
        hints.commit();
        assert_eq!(hints.get("pgherd.shard"), Some("s1"));
        hints.set("pgherd.shard", None, true);
        assert_eq!(hints.get("pgherd.shard"), None);
        hints.commit();
        hints.set("pgherd.shard", None, false);
        assert_eq!(hints.get("pgherd.shard"), None);
        hints.0.rollback();
        assert_eq!(hints.get("pgherd.shard"), Some("s1"));
        hints.clear();
        assert!(hints.is_empty());
    }

    #[test]
    fn a_commit_that_the_server_answers_by_rollback_is_one() {
        let mut state = ClientState {
            pid: 1,
            heard: None,
            settings: ClientSettings::new(Arc::default()),
            hints: RouteHints::new(Arc::default()),
            journal: Journal::default(),
            said_bare: false,
            wide: None,
            statements: ClientStatements::default(),
            cursors: Cursors::default(),
            told: Arc::default(),
            status: TransactionStatus::Idle,
            restyled: false,
            redefined: false,
            gone: Leaves::NOTHING,
            named: Vec::new(),
            edited: None,
        };
        let sql: Setting = b"SET work_mem = 1".as_slice().into();
        let set = vec![("work_mem".into(), sql)];
        let set = Effect::Change(Box::new(Change { set, ..Change::default() }));
        state.apply(&set, b"SET");
        state.apply(&Effect::Commit, b"ROLLBACK");
        assert!(state.settings.current().is_empty());
        state.apply(&set, b"SET");
        state.apply(&Effect::Commit, b"COMMIT");
        state.settle(true);
        assert_eq!(state.settings.current().len(), 1);
        assert!(state.tell("TimeZone", "UTC"));
        assert!(!state.tell("TimeZone", "UTC"));
    }
}
