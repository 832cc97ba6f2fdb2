//! What a statement leaves in the server's session that follows no client to another connection.
//!
//! Who leaves such a thing keeps its connection, until nothing of it is left. What triggers,
//! and functions and procedures of users, do to their session isn't looked into.

use std::fmt;

/// A set of such things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leaves(u16);

/// Names of the bits, as an operator reads them.
const NAMES: &[(Leaves, &str)] = &[
    (Leaves::TEMPORARY, "a temporary table"),
    (Leaves::HELD_CURSOR, "a cursor WITH HOLD"),
    (Leaves::LOCK, "an advisory lock of the session"),
    (Leaves::LISTENING, "LISTEN"),
    (Leaves::PREPARED, "PREPARE"),
    (Leaves::SETTING, "a setting that can't be followed"),
    (Leaves::LIBRARY, "LOAD"),
    (Leaves::RANDOM, "setseed"),
    (Leaves::UNKNOWN, "what a function keeps for its session"),
];

impl Leaves {
    pub const NOTHING: Leaves = Leaves(0);
    pub const TEMPORARY: Leaves = Leaves(1);
    pub const HELD_CURSOR: Leaves = Leaves(1 << 1);
    /// An advisory lock of the session.
    pub const LOCK: Leaves = Leaves(1 << 2);
    pub const LISTENING: Leaves = Leaves(1 << 3);
    /// SQL's PREPARE.
    pub const PREPARED: Leaves = Leaves(1 << 4);
    /// A setting that pgherd doesn't see, or can't follow.
    pub const SETTING: Leaves = Leaves(1 << 5);
    pub const LIBRARY: Leaves = Leaves(1 << 6);
    /// The state of `random()`.
    pub const RANDOM: Leaves = Leaves(1 << 7);
    pub const UNKNOWN: Leaves = Leaves(1 << 8);
    /// Nothing, but a transaction that has done it can't be prepared: it said LISTEN, UNLISTEN or
    /// NOTIFY.
    pub const UNPREPARED: Leaves = Leaves(1 << 13);
    /// Nothing, but something that was left may be gone after it.
    pub const MAY_END: Leaves = Leaves(1 << 14);
    /// What [`Leaves::of_words`] says of its text.
    pub const AS_WRITTEN: Leaves = Leaves(1 << 15);

    /// Whether a server can be asked if it is still there.
    pub const ASKABLE: Leaves =
        Leaves(Leaves::TEMPORARY.0 | Leaves::HELD_CURSOR.0 | Leaves::LOCK.0 | Leaves::LISTENING.0);

    pub const fn and(self, other: Leaves) -> Leaves {
        Leaves(self.0 | other.0)
    }

    pub const fn without(self, other: Leaves) -> Leaves {
        Leaves(self.0 & !other.0)
    }

    pub const fn has(self, other: Leaves) -> bool {
        self.0 & other.0 != 0
    }

    /// The things themselves, without what is only said of them.
    pub const fn things(self) -> Leaves {
        self.without(Leaves::MAY_END).without(Leaves::AS_WRITTEN).without(Leaves::UNPREPARED)
    }

    pub const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// What a call of a function of Postgres's own, or of an extension that comes with it, leaves.
    pub fn of_function(name: &str) -> Leaves {
        match name {
            "pg_advisory_unlock" | "pg_advisory_unlock_shared" | "pg_advisory_unlock_all" => {
                Leaves::MAY_END
            }
            // One that tries may not have got it.
            "pg_try_advisory_lock" | "pg_try_advisory_lock_shared" => {
                Leaves::LOCK.and(Leaves::MAY_END)
            }
            "pg_advisory_lock" | "pg_advisory_lock_shared" => Leaves::LOCK,
            "set_config" => Leaves::SETTING,
            "setseed" => Leaves::RANDOM,
            "dblink_connect" | "dblink_connect_u" | "pg_replication_origin_session_setup" => {
                Leaves::UNKNOWN
            }
            _ => Leaves::NOTHING,
        }
    }

    /// What a text may leave that isn't understood, or the body of a DO, by its words: rather
    /// too much than too little.
    pub fn of_words(text: &[u8]) -> Leaves {
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        let mut leaves = Leaves::NOTHING;
        // Whether a statement may begin here.
        let mut begins = true;
        for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let end = word.chars().next_back().unwrap_or(' ');
            let word = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            leaves = leaves.and(match word {
                "temp" | "temporary" | "pg_temp" => Leaves::TEMPORARY,
                "hold" => Leaves::HELD_CURSOR,
                "listen" => Leaves::LISTENING.and(Leaves::UNPREPARED),
                "unlisten" | "notify" | "pg_notify" => Leaves::UNPREPARED,
                "set" | "reset" if begins => Leaves::SETTING,
                "load" if begins => Leaves::LIBRARY,
                "prepare" if begins => Leaves::PREPARED,
                word => Leaves::of_function(word),
            });
            let opens = matches!(word, "begin" | "then" | "else" | "loop" | "as");
            begins = opens || matches!(end, ';' | '\'' | '$') || (word.is_empty() && begins);
        }
        leaves.and(Leaves::MAY_END)
    }
}

impl fmt::Display for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = NAMES.iter().filter(|(bit, _)| self.has(*bit)).map(|(_, name)| *name);
        f.write_str(names.next().unwrap_or("nothing"))?;
        names.try_for_each(|name| write!(f, ", {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Leaves;

    #[test]
    fn words_say_what_a_body_may_leave() {
        for (body, left) in [
            ("UPDATE t SET n = 1", "nothing"),
            ("DO $$ BEGIN UPDATE t SET n = 1; END $$", "nothing"),
            ("DO $$ BEGIN SET work_mem = 1; END $$", "a setting that can't be followed"),
            ("do 'set work_mem = 1'", "a setting that can't be followed"),
            ("DO $$ BEGIN IF a THEN SET x = 1; END IF; END $$", "a setting that can't be followed"),
            (
                "DO $$ BEGIN PERFORM set_config('a.b', '1', false); END $$",
                "a setting that can't be followed",
            ),
            ("DO $$ BEGIN PERFORM pg_advisory_xact_lock(1); END $$", "nothing"),
            (
                "DO $$ BEGIN PERFORM pg_catalog.pg_advisory_lock(1); END $$",
                "an advisory lock of the session",
            ),
            (
                "DO $$BEGIN CREATE TEMP TABLE t (); LISTEN x; LOAD 'y'; END$$",
                "a temporary table, LISTEN, LOAD",
            ),
            ("DECLARE c CURSOR WITH HOLD FOR FETCH IT", "a cursor WITH HOLD"),
        ] {
            assert_eq!(Leaves::of_words(body.as_bytes()).things().to_string(), left, "{body}");
        }
    }
}
