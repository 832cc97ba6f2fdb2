//! What a server must be told before it can take part in the client's transaction.
//!
//! BEGIN doesn't say where the transaction belongs; the first statement with a key does. Until
//! then BEGIN, savepoints and settings are remembered as texts, and go to the shard together
//! with that first statement. They are remembered on, since a later statement may be for another
//! shard, whose server is told the same when it joins.

use std::sync::Arc;

use super::settings::{SettingSet, after_reset};
use super::state::Change;
use crate::routing::{Router, ShardId};

/// What the client has said since its BEGIN about the transaction itself.
#[derive(Debug, Default)]
pub struct Journal {
    /// The first is BEGIN.
    steps: Vec<Step>,
    /// Bytes of all texts.
    bytes: usize,
    /// A server has been told.
    told: bool,
    /// The first one that was: its shard and process.
    first: Option<(ShardId, i32)>,
    /// Its first step stands for what a failed transaction has handed on, which its server knows.
    vague: bool,
    /// When it began, as the first of its servers has it, once that was asked.
    /// Boxed twice, since hardly any transaction has it.
    began: Option<Box<Box<[u8]>>>,
    /// What statements are routed by in this transaction, which has changed what there is: as it
    /// was found after the last such change.
    own_router: Option<Arc<Router>>,
}

#[derive(Debug)]
struct Step {
    text: Box<[u8]>,
    kind: StepKind,
}

#[derive(Debug, PartialEq, Eq)]
enum StepKind {
    /// BEGIN, SET TRANSACTION: holds for the whole transaction, and for one chained to it.
    Characteristics,
    Savepoint(Box<str>),
    /// SET, SET LOCAL, SET CONSTRAINTS.
    Setting,
}

impl Journal {
    /// Whether a transaction has begun that no server knows of.
    pub fn is_unsent(&self) -> bool {
        !self.told && !self.steps.is_empty()
    }

    /// Whether a transaction has begun, and another server could join it.
    pub fn is_open(&self) -> bool {
        !self.steps.is_empty()
    }

    /// No server knows of the transaction that was chained to one that they knew.
    pub fn begin_anew(&mut self) {
        self.told = false;
    }

    /// A server has been told all of it. If another one was before, that first one.
    pub fn told_by(&mut self, part: (ShardId, i32)) -> Option<(ShardId, i32)> {
        self.told = true;
        let first = *self.first.get_or_insert(part);
        (first != part).then_some(first)
    }

    /// The shard whose server was told first: its clock is the transaction's.
    pub fn first(&self) -> Option<ShardId> {
        self.first.map(|(shard, _)| shard)
    }

    /// When the transaction began, if a server was asked.
    pub fn began(&self) -> Option<&[u8]> {
        self.began.as_ref().map(|moment| &***moment)
    }

    /// The first server says when the transaction began.
    pub fn has_begun(&mut self, moment: &[u8]) {
        self.began = Some(Box::new(moment.into()));
    }

    /// What statements are routed by in this transaction, where that is its own.
    pub fn own_router(&self) -> Option<&Arc<Router>> {
        self.own_router.as_ref()
    }

    /// The transaction has changed what there is, and this is what was found; `None` where it
    /// has to be looked at.
    pub fn found(&mut self, router: Option<Arc<Router>>) {
        self.own_router = router;
    }

    /// A server's transaction has been told this, or has been found to be what a BEGIN of this
    /// text would have made of it.
    pub fn told_begin(&mut self, text: &[u8]) {
        if self.steps.is_empty() {
            self.told = true;
        }
        self.characteristics(text);
    }

    /// A server's transaction has been told something about itself.
    pub fn said(&mut self, text: &[u8]) {
        if self.told {
            self.setting(text);
        }
    }

    /// A server's transaction has a savepoint.
    pub fn told_savepoint(&mut self, name: &str) {
        if self.told {
            self.savepoint(name, format!("SAVEPOINT {}", quoted(name)).as_bytes());
        }
    }

    /// A server's transaction has released a savepoint.
    pub fn told_release(&mut self, name: &str) {
        if self.told {
            self.release(name, format!("RELEASE {}", quoted(name)).as_bytes());
        }
    }

    /// A server's transaction has gone back to a savepoint.
    pub fn told_rollback_to(&mut self, name: &str) {
        if self.told {
            self.rollback_to(name);
        }
    }

    /// The transaction has ended on its server with AND CHAIN. What one that had failed hands on
    /// is the server's to say, before another can join: see [`is_vague`](Self::is_vague).
    pub fn told_chain(&mut self, text: &[u8], failed: bool) {
        if !self.told {
            return;
        }
        let of_transaction = |step: &&Step| step.kind == StepKind::Characteristics;
        let mut handed_on = self.steps.iter().filter(of_transaction);
        let vague = failed && !handed_on.all(|step| is_bare_begin(&step.text));
        let first = self.first;
        if vague {
            self.clear();
            self.characteristics(b"BEGIN");
            self.vague = true;
        }
        self.chain(text);
        self.told = true;
        self.first = first;
    }

    /// Whether a server has to say what the transaction's characteristics are.
    pub fn is_vague(&self) -> bool {
        self.vague
    }

    /// The transaction is one that this BEGIN would have made.
    pub fn is_known_as(&mut self, begin: &str) {
        self.vague = false;
        if let Some(step) = self.steps.first_mut() {
            step.text = begin.as_bytes().into();
        }
        self.count();
    }

    /// The transaction has ended on its server.
    pub fn forget_told(&mut self) {
        if self.told {
            self.clear();
        }
    }

    /// A server has changed settings in the transaction.
    pub fn follow(&mut self, change: &Change) {
        if !self.told {
            return;
        }
        if change.all {
            self.setting(b"RESET ALL");
        }
        if let Some(name) = &change.reset {
            self.setting(format!("RESET {name}").as_bytes());
        }
        change.set.iter().for_each(|(_, sql)| self.setting(sql));
        change.local.iter().for_each(|sql| self.setting(sql));
    }

    /// After a RESET, which goes back to what the connection began with: what the client began
    /// with.
    pub fn follow_reset(&mut self, change: &Change, startup: &SettingSet) {
        if self.told && (change.all || change.reset.is_some()) {
            let after = after_reset(startup, change.reset.as_deref());
            after.iter().for_each(|sql| self.setting(sql));
        }
    }

    /// How many savepoints there are.
    pub fn savepoints(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step.kind, StepKind::Savepoint(_))).count()
    }

    /// Bytes of memory that it takes; the session bounds them.
    pub fn memory(&self) -> usize {
        self.bytes + self.steps.len() * size_of::<Step>()
    }

    /// BEGIN or SET TRANSACTION.
    pub fn characteristics(&mut self, text: &[u8]) {
        self.push(text, StepKind::Characteristics);
    }

    /// A setting that a server has found to be right.
    pub fn setting(&mut self, text: &[u8]) {
        self.push(text, StepKind::Setting);
    }

    pub fn savepoint(&mut self, name: &str, text: &[u8]) {
        self.push(text, StepKind::Savepoint(name.into()));
    }

    /// RELEASE: the savepoint and those after it are gone, settings stay. False when there is
    /// none of this name.
    pub fn release(&mut self, name: &str, text: &[u8]) -> bool {
        let Some(at) = self.last_savepoint(name) else { return false };
        let mut after = self.steps.iter().skip(at);
        if after.all(|step| matches!(step.kind, StepKind::Savepoint(_))) {
            self.steps.truncate(at);
            self.count();
            return true;
        }
        // What the server makes of what was set in between is its own matter: READ ONLY goes,
        // others stay.
        self.steps.iter_mut().skip(at).for_each(|step| step.kind = StepKind::Setting);
        self.setting(text);
        true
    }

    /// ROLLBACK TO: everything behind the savepoint is gone. False when there is none of this
    /// name.
    pub fn rollback_to(&mut self, name: &str) -> bool {
        let Some(at) = self.last_savepoint(name) else { return false };
        self.steps.truncate(at + 1);
        self.count();
        self.own_router = None;
        true
    }

    /// The transaction has ended.
    pub fn clear(&mut self) {
        *self = Journal::default();
    }

    /// The transaction has ended with AND CHAIN: the next has begun, with its characteristics.
    /// It isn't quite the same as one that began with them (they outlive an error), so where
    /// there are any the chaining is repeated, too.
    pub fn chain(&mut self, text: &[u8]) {
        self.steps.retain(|step| step.kind == StepKind::Characteristics);
        self.told = false;
        self.first = None;
        self.began = None;
        self.own_router = None;
        self.count();
        let chained = |step: &Step| step.text.to_ascii_uppercase().ends_with(b"CHAIN");
        let bare = self.steps.iter().all(|step| is_bare_begin(&step.text));
        if !bare && !self.steps.last().is_some_and(chained) {
            self.characteristics(text);
        }
    }

    /// What a server must be told before the transaction's first statement, as one text.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.bytes + 2 * self.steps.len());
        for (i, step) in self.steps.iter().enumerate() {
            if i > 0 {
                // On a line of its own: the text before may end in a comment.
                text.extend_from_slice(b"\n;");
            }
            text.extend_from_slice(&step.text);
        }
        text
    }

    /// Whether nothing but BEGIN and savepoints is remembered: what no server refuses.
    pub fn is_plain(&self) -> bool {
        self.steps.iter().all(|step| match step.kind {
            StepKind::Characteristics => is_plain_begin(&step.text),
            StepKind::Savepoint(_) => true,
            StepKind::Setting => false,
        })
    }

    fn push(&mut self, text: &[u8], kind: StepKind) {
        self.bytes += text.len();
        self.steps.push(Step { text: text.into(), kind });
    }

    fn count(&mut self) {
        self.bytes = self.steps.iter().map(|step| step.text.len()).sum();
    }

    fn last_savepoint(&self, name: &str) -> Option<usize> {
        self.steps
            .iter()
            .rposition(|step| matches!(&step.kind, StepKind::Savepoint(n) if &**n == name))
    }
}

/// Words of a BEGIN that every primary takes.
const PLAIN: &[&str] = &[
    "BEGIN",
    "START",
    "TRANSACTION",
    "WORK",
    "ISOLATION",
    "LEVEL",
    "READ",
    "COMMITTED",
    "UNCOMMITTED",
    "REPEATABLE",
    "SERIALIZABLE",
    "WRITE",
    "ONLY",
    "NOT",
    "DEFERRABLE",
];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// BEGIN without options.
pub fn is_bare_begin(text: &[u8]) -> bool {
    const BARE: [&[u8]; 4] = [b"BEGIN", b"START", b"TRANSACTION", b"WORK"];
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.all(|word| BARE.iter().any(|bare| word.eq_ignore_ascii_case(bare)))
}

fn is_plain_begin(text: &[u8]) -> bool {
    let mut words = text
        .split(|byte| byte.is_ascii_whitespace() || *byte == b',')
        .filter(|word| !word.is_empty());
    let begins = words.clone().next().is_some_and(|word| {
        word.eq_ignore_ascii_case(b"BEGIN") || word.eq_ignore_ascii_case(b"START")
    });
    begins && words.all(|word| PLAIN.iter().any(|p| word.eq_ignore_ascii_case(p.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Journal {
        let mut t = Journal::default();
        t.characteristics(b"BEGIN");
        t
    }

    fn text(t: &Journal) -> String {
        String::from_utf8(t.text()).unwrap()
    }

    #[test]
    fn savepoints_are_kept_as_the_server_would_keep_them() {
        let mut t = begun();
        t.savepoint("a", b"SAVEPOINT a");
        t.setting(b"SET LOCAL x = 1 -- one");
        t.savepoint("b", b"SAVEPOINT b");
        t.setting(b"SET LOCAL y = 1");
        assert!(!t.is_plain());
        assert!(t.release("b", b"RELEASE b"));
        assert_eq!(
            text(&t),
            "BEGIN\n;SAVEPOINT a\n;SET LOCAL x = 1 -- one\n;SAVEPOINT b\n;SET LOCAL y = 1\n;RELEASE b"
        );
        assert_eq!(t.memory(), text(&t).len() - 5 * 2 + 6 * size_of::<Step>());
        assert!(!t.rollback_to("b"));
        assert!(t.rollback_to("a"));
        assert_eq!(text(&t), "BEGIN\n;SAVEPOINT a");
        assert!(t.is_plain());
    }

    #[test]
    fn what_every_primary_takes_is_plain() {
        let plain = |text: &str| {
            let mut t = Journal::default();
            t.characteristics(text.as_bytes());
            t.is_plain()
        };
        for text in [
            "begin",
            "START TRANSACTION READ ONLY",
            "BEGIN ISOLATION LEVEL\n serializable, read write",
        ] {
            assert!(plain(text), "{text}");
        }
        for text in ["BEGIN -- now", "BEGIN /* x */", "SET TRANSACTION READ ONLY"] {
            assert!(!plain(text), "{text}");
        }
    }

    #[test]
    fn the_last_savepoint_of_a_name_counts() {
        let mut t = begun();
        t.savepoint("a", b"SAVEPOINT a");
        t.setting(b"SET x = 1");
        t.savepoint("a", b"SAVEPOINT a");
        t.setting(b"SET x = 2");
        assert!(t.rollback_to("a"));
        assert_eq!(text(&t), "BEGIN\n;SAVEPOINT a\n;SET x = 1\n;SAVEPOINT a");
        assert!(t.release("a", b"RELEASE a"));
        assert_eq!(text(&t), "BEGIN\n;SAVEPOINT a\n;SET x = 1");
        assert!(t.release("a", b"RELEASE a"));
        assert_eq!(text(&t), "BEGIN\n;SAVEPOINT a\n;SET x = 1\n;RELEASE a");
        assert!(!t.release("a", b"RELEASE a"));
    }

    #[test]
    fn what_a_failed_transaction_hands_on_is_its_servers_to_say() {
        for (begin, vague) in [("BEGIN", false), ("BEGIN READ ONLY", true)] {
            let mut t = Journal::default();
            t.characteristics(begin.as_bytes());
            t.told_by((ShardId(1), 7));
            t.setting(b"SET x = 1");
            t.told_chain(b"ROLLBACK AND CHAIN", true);
            assert_eq!((t.is_vague(), t.first()), (vague, Some(ShardId(1))), "{begin}");
            t.told_savepoint("a");
            t.is_known_as("BEGIN READ WRITE");
            assert_eq!(text(&t), "BEGIN READ WRITE\n;SAVEPOINT \"a\"");
            assert!(!t.is_vague());
        }
    }

    #[test]
    fn a_chained_transaction_keeps_its_characteristics() {
        let mut t = begun();
        t.characteristics(b"SET TRANSACTION READ ONLY");
        t.setting(b"SET x = 1");
        t.chain(b"COMMIT AND CHAIN");
        let chained = "BEGIN\n;SET TRANSACTION READ ONLY\n;COMMIT AND CHAIN";
        assert_eq!(text(&t), chained);
        t.chain(b"ROLLBACK AND CHAIN");
        assert_eq!(text(&t), chained);
        assert!(!t.is_plain());
        t.clear();
        t.characteristics(b"BEGIN work");
        t.chain(b"COMMIT AND CHAIN");
        assert_eq!(text(&t), "BEGIN work");
        t.clear();
        assert!(!t.is_open());
        assert_eq!(t.memory(), 0);
    }
}
