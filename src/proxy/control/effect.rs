//! What a statement does to its session when it succeeds, settings above all; and the settings
//! whose effects can't be followed, which are refused.

use crate::proxy::failure::Failure;
use crate::proxy::planner::Part;
use crate::proxy::session::Session;
use crate::proxy::setting_call::effect_of_call;
use crate::proxy::settings::Setting;
use crate::proxy::state::{Change, Effect, SEEN, Seen};
use crate::routing::{Action, Leaves};
use crate::sql::{self, SetScope, SetValue, Transaction};
use crate::wire::encoding::Hiding;

/// Under `transform_null_equals`, `= NULL` means IS NULL, and no row of it is ruled out.
pub const IS_NULL_HINT: &str = "Write IS NULL where you mean it.";

/// Between the schemas of a search path that is kept as one text.
pub const PATH_SEPARATOR: &str = "\u{1f}";

/// Settings that last as long as a transaction, whatever the scope they are set with.
const OF_TRANSACTION: &[&str] =
    &["transaction_isolation", "transaction_read_only", "transaction_deferrable"];

/// What the statement does to its session when it succeeds.
pub fn effect_of(part: &Part, text: &[u8]) -> Effect {
    match part.action() {
        Action::Transaction(t) => match t {
            Transaction::Commit { chain: true } | Transaction::Rollback { chain: true } => {
                Effect::Chain(part.text(text).into())
            }
            Transaction::Commit { .. } | Transaction::PrepareTransaction => Effect::Commit,
            Transaction::Rollback { .. } => Effect::Rollback,
            Transaction::Savepoint(name) => Effect::Savepoint(name.clone()),
            Transaction::Release(name) => Effect::Release(name.clone()),
            Transaction::RollbackTo(name) => Effect::RollbackTo(name.clone()),
            Transaction::Begin { .. } => Effect::Begin(part.text(text).into()),
            Transaction::Characteristics | Transaction::Constraints => {
                Effect::Said(part.text(text).into())
            }
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
    if is_ours(name) {
        return Effect::Nothing;
    }
    if OF_TRANSACTION.contains(&name) {
        return Effect::Said(part.text(text).into());
    }
    let local = set.scope == SetScope::Transaction;
    let seen = SEEN.contains(&name).then(|| {
        let value = part.set_values(set, text).map(|values| values.join(PATH_SEPARATOR).into());
        Seen { name: name.into(), value, local }
    });
    let mut change = Change { seen, ..Change::default() };
    match &set.value {
        _ if local => change.local = Some(part.text(text).into()),
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
fn check_followed(
    set: &sql::Set,
    part: &Part,
    text: &[u8],
    one_shard: bool,
) -> Result<(), Failure> {
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

impl Session {
    /// Whether SET can be followed, and its text kept.
    pub(super) fn check_set(
        &self,
        set: &sql::Set,
        part: &Part,
        text: &[u8],
    ) -> Result<(), Failure> {
        check_followed(set, part, text, self.db.is_one_shard())?;
        if set.value != SetValue::Default {
            self.bound_state(part.text(text).len())?;
        }
        self.check_encoding(set, part, text)
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
}

/// Texts in the encoding can't be read without conversion, and on several shards they must be.
pub fn hiding_encoding() -> Failure {
    Failure::unsupported(
        "this client_encoding is not supported on several shards",
        "Speak UTF-8 to pgherd, or an encoding in which ASCII is always ASCII.",
    )
}

fn are_off(values: &[String]) -> bool {
    matches!(values, [value] if is_off(value))
}

/// A boolean setting's value that surely means off.
pub fn is_off(value: &str) -> bool {
    ["off", "false", "no", "0"].iter().any(|off| value.eq_ignore_ascii_case(off))
}

/// A setting of pgherd, which no server knows.
pub fn is_ours(name: &str) -> bool {
    name.starts_with("pgherd.")
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
