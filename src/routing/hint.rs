//! What a user says of a statement's place: `/* pgherd: shard=s1 */`, `/* pgherd: key=42 */`,
//! `SET pgherd.shard`, `SET pgherd.key`.
//!
//! A hint promises that the statement concerns rows of that shard only. It runs there and
//! nowhere else, sees that shard's rows only, and writes there only, whatever its text says;
//! pgherd doesn't check the promise.

use std::borrow::Cow;

use crate::placement::{KeyColumn, KeyValue, NotAKey, Purpose, ShardId, Source};
use crate::sql;

use super::plan::{Place, Plan};
use super::{Action, Refusal, Router};

/// Where a user says that a statement belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingHint {
    /// A shard's name.
    Shard(Box<str>),
    /// `42`, `keyspace:42`, and for a key of several columns `7,eu`.
    Key(Box<str>),
}

impl RoutingHint {
    /// The hint among a statement's hints; one of another name is none of routing's.
    ///
    /// # Errors
    /// There is more than one.
    pub fn of(hints: &[sql::Hint]) -> Result<Option<RoutingHint>, Refusal> {
        let mut found = None;
        for hint in hints {
            let hint = match &*hint.name {
                "shard" => RoutingHint::Shard(hint.value.clone()),
                "key" => RoutingHint::Key(hint.value.clone()),
                other => {
                    return Err(Refusal::bad_hint(
                        format!("\"{other}\""),
                        "use shard=NAME or key=VALUE",
                    ));
                }
            };
            if found.replace(hint).is_some() {
                return Err(Refusal::bad_hint("more than one", "give one of shard and key"));
            }
        }
        Ok(found)
    }

    /// The shard that the hint names for what has no text.
    ///
    /// # Errors
    /// As for a statement; and where there are several keyspaces, the key has to name its own.
    pub fn shard_of_call(&self, router: &Router) -> Result<ShardId, Refusal> {
        self.shard(router, &Plan::of(Action::Run))
    }

    /// The shard that the hint names.
    ///
    /// # Errors
    /// There is no such shard or keyspace, or the key can't be read.
    pub(super) fn shard(&self, router: &Router, plan: &Plan) -> Result<ShardId, Refusal> {
        match self {
            RoutingHint::Shard(name) => {
                let at = router.shards.iter().position(|shard| shard == name);
                at.and_then(|at| u16::try_from(at).ok())
                    .map(ShardId)
                    .ok_or_else(|| Refusal::unknown_shard(name, &router.shards))
            }
            RoutingHint::Key(key) => {
                let (keyspace, key) = keyspace_of(key, router, plan)?;
                shard_of_key(router, keyspace, key)
            }
        }
    }
}

/// The keyspace that a hint names or means, and the key behind it.
fn keyspace_of<'k>(
    key: &'k str,
    router: &Router,
    plan: &Plan,
) -> Result<(usize, &'k str), Refusal> {
    let keyspaces = &router.rules.keyspaces;
    if let Some((name, rest)) = key.split_once(':')
        && let Some(at) = keyspaces.iter().position(|keyspace| &*keyspace.name == name)
    {
        return Ok((at, rest));
    }
    let mut meant: Vec<usize> = plan
        .occurrences
        .iter()
        .filter_map(|occurrence| match occurrence.place {
            Place::Keys { keyspace, .. } => Some(keyspace),
            _ => None,
        })
        .collect();
    meant.sort_unstable();
    meant.dedup();
    match (meant.as_slice(), keyspaces.len()) {
        ([one], _) => Ok((*one, key)),
        ([], 1) => Ok((0, key)),
        _ => {
            let names: Vec<&str> = keyspaces.iter().map(|keyspace| &*keyspace.name).collect();
            Err(Refusal::bad_hint(
                "the key doesn't say its keyspace",
                format!("use key=KEYSPACE:VALUE; the keyspaces are {}", names.join(", ")),
            ))
        }
    }
}

/// The shard of a key given as text, `7,eu` for a key of several columns.
///
/// # Errors
/// The key can't be read as the keyspace's types.
pub fn shard_of_key(router: &Router, keyspace: usize, key: &str) -> Result<ShardId, Refusal> {
    let bad = |what: String| Refusal::bad_hint(what, "give the key as a row has it");
    let rule = router.rules.keyspaces.get(keyspace);
    let (Some(rule), Some(placement)) = (rule, router.placements.get(keyspace)) else {
        return Err(bad("no such keyspace".into()));
    };
    let parts: Vec<Cow<'_, str>> = match rule.key.len() {
        1 => vec![key.into()],
        _ => key.split(',').map(|part| part.trim().into()).collect(),
    };
    if parts.len() != rule.key.len() {
        let columns = rule.key.len();
        return Err(bad(format!("a key of \"{}\" has {columns} columns", rule.name)));
    }
    let mut values: Vec<KeyValue<'_>> = Vec::with_capacity(parts.len());
    for (part, &key_type) in parts.iter().zip(&rule.key) {
        let server_major = router.schema.server_major;
        let column = KeyColumn { key_type, typmod: -1, server_major };
        let value = column.read(Source::Untyped(part.as_bytes()), Purpose::Assign);
        values.push(value.map_err(|error| match error {
            NotAKey::Invalid { sqlstate, message } => Refusal::new(sqlstate, message),
            other => bad(other.to_string()),
        })?);
    }
    Ok(placement.shard_of(&values))
}
