//! One statement of a client's text: what it is, and what it does and leaves where it runs.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::proxy::control::{effect_of, is_ours};
use crate::proxy::setting_call::effect_of_call;
use crate::proxy::state::{CursorNote, Effect};
use crate::routing::{Action, CursorUse, Fill, Leaves, Plan, RoutingHint, SettingCall, ShardId};
use crate::sql::{self, Scanned, SetItem, SetValue};

/// One statement of a text.
#[derive(Debug)]
pub struct Part {
    pub(super) range: Range<usize>,
    /// `None` where there is one shard and the text isn't understood: it goes there as it is.
    pub(super) known: Option<Known>,
    /// What it may leave in the server's session, where nothing is known of it.
    pub(super) unknown: Leaves,
}

/// What was found out of a statement.
#[derive(Debug)]
pub struct Known {
    pub scanned: Scanned,
    pub plan: Arc<Plan>,
    pub hint: Option<RoutingHint>,
    /// Where it goes whatever its values, if the session has no hint: known where there is one
    /// shard.
    pub fixed: Option<ShardId>,
    /// Of a DECLARE, where there are several shards: its query.
    pub query: Option<Arc<DeclaredQuery>>,
}

/// The query of a DECLARE, as a statement by itself.
#[derive(Debug)]
pub struct DeclaredQuery {
    pub part: Part,
    /// Where it begins in the text.
    pub at: usize,
}

impl Part {
    /// A text that goes to the one shard as it is.
    pub fn whole(text: &[u8]) -> Part {
        Part { range: 0..text.len(), known: None, unknown: Leaves::of_words(text) }
    }

    /// Where it goes whatever its values and its transaction, if the session has no hint.
    pub fn fixed(&self) -> Option<ShardId> {
        self.known.as_ref().and_then(|known| known.fixed)
    }

    /// It is the other one, cut out of its text without the comments around it.
    pub fn take_hint_of(&mut self, other: &Part) {
        if let (Some(known), Some(other)) = (&mut self.known, &other.known) {
            known.hint = other.hint.clone();
        }
    }

    /// What it is.
    pub fn action(&self) -> &Action {
        self.known.as_ref().map_or(&Action::Run, |known| &known.plan.action)
    }

    /// Where it begins in its text.
    pub fn start(&self) -> usize {
        self.range.start
    }

    /// Its own text, without what stands around it.
    pub fn text<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.range.clone()).unwrap_or_default()
    }

    /// The setting that it makes for the session by a call.
    pub fn sets(&self) -> Option<&SettingCall> {
        self.known.as_ref()?.plan.sets.as_ref()
    }

    /// What it does to its session when it succeeds. `text` is the text that it is part of.
    pub fn effect(&self, text: &[u8]) -> Effect {
        effect_of(self, text)
    }

    /// What it leaves in the server's session, so that the connection stays this client's.
    pub fn leaves(&self, text: &[u8]) -> Leaves {
        let Some(known) = &self.known else { return self.unknown };
        let leaves = known.plan.leaves;
        if leaves.has(Leaves::AS_WRITTEN) {
            return Leaves::of_words(self.text(text));
        }
        if matches!(known.plan.action, Action::Ddl { .. }) && names_pg_temp(self.text(text)) {
            return Leaves::TEMPORARY.and(Leaves::MAY_END);
        }
        if let Action::Set(set) = &known.plan.action {
            return left_by_set(set);
        }
        // What lasts as long as a transaction leaves nothing.
        let sets = known.plan.sets.as_ref().is_some_and(|call| !call.local);
        if sets && effect_of_call(self, text, &[]).is_err() {
            return leaves.and(Leaves::SETTING);
        }
        leaves
    }

    /// The prepared statement that it speaks of by name.
    pub fn statement_name(&self, text: &[u8]) -> Option<Cow<'_, str>> {
        match self.action() {
            Action::Prepare { name } | Action::Execute { name, .. } => Some((&**name).into()),
            Action::Deallocate(name) => name.as_deref().map(Cow::from),
            _ if self.known.is_none() => {
                let options = sql::LexOptions { standard_conforming_strings: true };
                sql::executed_name(self.text(text), options).map(Cow::from)
            }
            _ => None,
        }
    }

    /// What a server is asked for before it is known where it goes.
    pub fn fill(&self) -> Option<&Fill> {
        self.known.as_ref()?.plan.fill.as_deref()
    }

    /// Itself, as it was scanned.
    pub fn scanned(&self) -> Option<&Scanned> {
        self.known.as_ref().map(|known| &known.scanned)
    }

    /// The literals of its text.
    pub fn literals(&self) -> Option<&sql::Literals> {
        self.known.as_ref().map(|known| &known.scanned.literals)
    }

    /// The cursor that it declares.
    pub fn declares(&self) -> Option<&str> {
        match self.cursor() {
            Some(CursorUse::Declares(declared)) => Some(&declared.name),
            _ => None,
        }
    }

    /// It is a FETCH or a MOVE.
    pub fn fetches(&self) -> bool {
        matches!(self.cursor(), Some(CursorUse::Fetches(_)))
    }

    /// What is remembered of it with the server that it goes to.
    pub fn cursor_note(&self) -> Option<Box<CursorNote>> {
        let note = match self.cursor()? {
            CursorUse::Declares(declared) => CursorNote::Declared(declared.name.clone()),
            CursorUse::Closes(name) => CursorNote::Closed(name.clone()),
            _ => return None,
        };
        Some(Box::new(note))
    }

    /// The query of a DECLARE, where there are several shards.
    pub fn query(&self) -> Option<&DeclaredQuery> {
        self.known.as_ref()?.query.as_deref()
    }

    /// The same, with blanks in the place of what stands before it in the text, so that errors have
    /// their position there. Of its part that is the text.
    pub fn query_text(&self, text: &[u8]) -> Vec<u8> {
        let Some(query) = self.query() else { return Vec::new() };
        let before = text.get(..query.at).unwrap_or_default();
        let blanks = String::from_utf8_lossy(before).chars().count();
        let own = text.get(query.at..self.range.end).unwrap_or_default();
        [vec![b' '; blanks].as_slice(), own].concat()
    }

    /// What it does with a cursor.
    pub fn cursor(&self) -> Option<&CursorUse> {
        self.known.as_ref()?.plan.cursor.as_ref()
    }

    /// It says NOTIFY, or calls pg_notify.
    pub fn notifies(&self) -> bool {
        let notifies = |known: &Known| {
            known.plan.action == Action::Run && known.plan.leaves.has(Leaves::UNPREPARED)
        };
        self.known.as_ref().is_some_and(notifies)
    }

    /// It may change something.
    pub fn may_write(&self) -> bool {
        self.known.as_ref().is_none_or(|known| known.plan.writes)
    }

    /// It reads the clock, and several shards that answer it must be told the time.
    pub fn reads_clock(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.plan.clock)
    }

    /// A trigger of what it writes may say NOTIFY.
    pub fn may_notify(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.plan.may_notify)
    }

    /// It changes nothing in its session, and its replies need nobody's look.
    pub fn is_plain(&self, text: &[u8]) -> bool {
        let Some(Known { plan, .. }) = &self.known else { return false };
        matches!(plan.action, Action::Run)
            && plan.sets.is_none()
            && plan.cursor.is_none()
            && plan.leaves.is_nothing()
            && !plan.may_notify
            && !self.copies_in(text)
    }

    /// It is the same statement in every text of its text's form.
    pub fn is_of_its_form(&self) -> bool {
        let own = |known: &Known| {
            !known.plan.exact_text && known.hint.is_none() && known.scanned.hints.is_empty()
        };
        self.known.as_ref().is_some_and(own)
    }

    /// The same statement in another text of the form.
    pub fn moved(&self, from: &[sql::Blank], to: &[sql::Blank]) -> Part {
        let move_one = |known: &Known| Known {
            scanned: known.scanned.moved(from, to),
            plan: Arc::clone(&known.plan),
            hint: known.hint.clone(),
            fixed: known.fixed,
            query: None,
        };
        let known = self.known.as_ref().map(move_one);
        let range = known.as_ref().map_or(self.range.clone(), |known| known.scanned.range.clone());
        Part { range, known, unknown: self.unknown }
    }

    /// The client sends data after it.
    pub fn copies_in(&self, text: &[u8]) -> bool {
        let text = self.text(text);
        let word = b"COPY";
        *self.action() == Action::Run
            && text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    }

    /// The client's next texts may be in another encoding.
    pub fn sets_encoding(&self) -> bool {
        let of_encoding = |set: &sql::Set| matches!(&*set.name, "client_encoding" | "all");
        matches!(self.action(), Action::Set(set) if of_encoding(set))
    }

    /// BEGIN, SAVEPOINT, SET and the like: what all servers of a transaction must hear.
    pub fn is_said_to_transaction(&self) -> bool {
        matches!(self.action(), Action::Transaction(_) | Action::Set(_)) || self.sets().is_some()
    }

    /// COMMIT or ROLLBACK.
    pub fn ends_transaction(&self) -> bool {
        use sql::Transaction as T;
        matches!(
            self.action(),
            Action::Transaction(T::Commit { .. } | T::Rollback { .. } | T::PrepareTransaction)
        )
    }

    /// ROLLBACK or the like: what is answered in a failed transaction.
    pub fn may_end_failure(&self) -> bool {
        use sql::Transaction as T;
        matches!(
            self.action(),
            Action::Transaction(
                T::Commit { .. } | T::Rollback { .. } | T::RollbackTo(_) | T::PrepareTransaction
            )
        )
    }

    /// The session may answer it without a server, so that it isn't parsed on one before it is
    /// known that one is needed.
    pub fn never_parsed(&self) -> bool {
        match self.action() {
            Action::Empty
            | Action::Discard(_)
            | Action::Deallocate(_)
            | Action::Ddl { .. }
            | Action::Listen { .. }
            | Action::Transaction(_) => true,
            Action::Set(set) => is_ours(&set.name),
            Action::Show(name) => is_ours(name),
            _ => false,
        }
    }

    /// Whether it was written as RESET.
    pub fn is_reset(&self, text: &[u8]) -> bool {
        self.text(text).get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"RESET"))
    }

    /// A comment may stand in it.
    pub fn has_comment(&self, text: &[u8]) -> bool {
        let text = self.text(text);
        text.windows(2).any(|pair| pair == b"--" || pair == b"/*")
    }

    /// The values that SET gives; `None` for DEFAULT, and where a value isn't read.
    pub fn set_values(&self, set: &sql::Set, text: &[u8]) -> Option<Vec<String>> {
        match &set.value {
            SetValue::Values(items) => {
                items.iter().map(|item| self.item_text(item, text)).collect()
            }
            SetValue::Default | SetValue::Opaque => None,
        }
    }

    /// A literal's value, if it is text of UTF-8.
    pub fn literal(&self, slot: sql::LiteralSlot, text: &[u8]) -> Option<String> {
        let literals = &self.known.as_ref()?.scanned.literals;
        let value = literals.slot(slot).first()?.value(text).ok()?;
        String::from_utf8(value.into_owned()).ok()
    }

    /// One value of SET.
    pub fn item_text(&self, item: &SetItem, text: &[u8]) -> Option<String> {
        let literal = |slot: &sql::LiteralSlot| self.literal(*slot, text);
        match item {
            SetItem::Word(word) => Some(word.to_string()),
            SetItem::Literal(slot) => literal(slot),
            SetItem::NegativeLiteral(slot) => literal(slot).map(|text| format!("-{text}")),
        }
    }
}

/// What SET leaves that no other SET would bring about.
fn left_by_set(set: &sql::Set) -> Leaves {
    match (&*set.name, &set.value) {
        (_, SetValue::Default) => Leaves::NOTHING,
        ("seed", _) => Leaves::RANDOM,
        ("timezone" | "session characteristics", SetValue::Opaque) => Leaves::NOTHING,
        (_, SetValue::Opaque) => Leaves::SETTING,
        _ => Leaves::NOTHING,
    }
}

/// Something that isn't a table can be made in the schema of temporary ones, too.
fn names_pg_temp(text: &[u8]) -> bool {
    let name = b"pg_temp";
    text.windows(name.len()).any(|word| word.eq_ignore_ascii_case(name))
}
