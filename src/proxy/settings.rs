//! The session settings of one client, kept apart from the connections that serve it.
//!
//! A client that says `SET x = 1` must find `x` so in its next transaction, whichever
//! connection serves it, and no other client must. So each client has a set of settings with
//! the transaction semantics that Postgres gives them, each connection remembers which set was
//! applied to it last, and before use it gets the difference.
//!
//! A setting is kept as the text that sets it, not as a value: replaying the client's own words
//! needs no knowledge of how this setting quotes, splits or rounds.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The SQL that brings a setting about: a SET statement as the client wrote it, or
/// [`set_config`] of a startup parameter.
pub type Setting = Box<[u8]>;

/// Settings that differ from the server's own, by name in lower case.
pub type SettingSet = BTreeMap<Box<str>, Setting>;

/// Lists whose SET would quote a whole value as one name.
const QUOTED_LISTS: &[&str] = &["search_path", "temp_tablespaces", "local_preload_libraries"];

/// As [`set_config`], for a value as a startup packet gives it: its bytes are the server's own,
/// whatever the client's encoding.
pub fn set_at_startup(name: &str, value: &str) -> Setting {
    if value.is_ascii() {
        return set_config(name, value);
    }
    let mut escaped = b"E'".to_vec();
    for byte in value.bytes() {
        match byte {
            b'\'' | b'\\' => escaped.extend_from_slice(&[b'\\', byte]),
            byte if byte.is_ascii() => escaped.push(byte),
            byte => escaped.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    escaped.push(b'\'');
    let mut sql = b"SELECT pg_catalog.set_config(".to_vec();
    quote(&mut sql, name, b'\'');
    sql.extend_from_slice(b", ");
    sql.extend_from_slice(&escaped);
    sql.extend_from_slice(b", false)");
    sql.into_boxed_slice()
}

/// Sets a parameter to a value as a startup packet gives it. A SET where that can be: it may come
/// before a transaction's first query without being one.
pub fn set_config(name: &str, value: &str) -> Setting {
    let mut sql = Vec::new();
    if QUOTED_LISTS.contains(&name) {
        sql.extend_from_slice(b"SELECT pg_catalog.set_config(");
        quote(&mut sql, name, b'\'');
        sql.extend_from_slice(b", ");
        quote(&mut sql, value, b'\'');
        sql.extend_from_slice(b", false)");
    } else {
        sql.extend_from_slice(b"SET ");
        quote_name(&mut sql, name);
        sql.extend_from_slice(b" = ");
        quote(&mut sql, value, b'\'');
    }
    sql.into_boxed_slice()
}

/// Sets a parameter for the transaction; without a value, as it was by default.
pub fn set_local(name: &str, value: Option<&str>) -> Setting {
    let mut sql = b"SET LOCAL ".to_vec();
    quote_name(&mut sql, name);
    sql.extend_from_slice(b" = ");
    match value {
        Some(value) => quote(&mut sql, value, b'\''),
        None => sql.extend_from_slice(b"DEFAULT"),
    }
    sql.into_boxed_slice()
}

/// Settings whose order matters: the encoding decides how the other texts are read, and who
/// one is decides what one may set.
const ENCODING: &str = "client_encoding";
const IDENTITY: [&str; 2] = ["session_authorization", "role"];

/// What RESET ALL leaves alone.
fn survives_reset_all(name: &str) -> bool {
    IDENTITY.contains(&name)
}

/// One client's settings.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// What RESET goes back to.
    startup: Arc<SettingSet>,
    /// What ROLLBACK goes back to.
    committed: Arc<SettingSet>,
    current: Arc<SettingSet>,
    /// Savepoints of the running transaction.
    savepoints: Vec<Savepoint>,
}

/// What ROLLBACK TO goes back to.
#[derive(Debug, Clone)]
struct Savepoint {
    name: Box<str>,
    settings: Arc<SettingSet>,
    /// Bytes that it takes, and all before it.
    bytes: usize,
}

impl ClientSettings {
    /// A new session, with the settings of its startup packet.
    pub fn new(startup: Arc<SettingSet>) -> ClientSettings {
        ClientSettings {
            committed: Arc::clone(&startup),
            current: Arc::clone(&startup),
            startup,
            savepoints: Vec::new(),
        }
    }

    /// What a connection must have applied before a transaction of this client begins.
    pub fn committed(&self) -> &Arc<SettingSet> {
        &self.committed
    }

    /// What holds now, in the middle of a transaction.
    pub fn current(&self) -> &Arc<SettingSet> {
        &self.current
    }

    /// Whether the end of the transaction may bring another encoding.
    pub fn encoding_is_open(&self) -> bool {
        !Arc::ptr_eq(&self.current, &self.committed)
            && self.current.get(ENCODING) != self.committed.get(ENCODING)
    }

    /// What the startup packet asked for.
    pub fn startup(&self) -> &Arc<SettingSet> {
        &self.startup
    }

    /// SET for the session.
    pub fn set(&mut self, name: &str, setting: Setting) {
        let current = Arc::make_mut(&mut self.current);
        if name == "session_authorization" {
            current.remove("role");
        }
        current.insert(name.into(), setting);
    }

    /// RESET, SET … TO DEFAULT.
    pub fn reset(&mut self, name: &str) {
        let current = Arc::make_mut(&mut self.current);
        match self.startup.get(name) {
            Some(setting) => current.insert(name.into(), setting.clone()),
            None => current.remove(name),
        };
        if name == "session_authorization" {
            current.remove("role");
        }
    }

    /// Outside a transaction: keeps a setting that is set as this value, which its own text says
    /// in part only.
    pub fn restate(&mut self, name: &str, value: &str) {
        let Some(setting) = self.committed.get(name) else { return };
        let whole = set_config(name, value);
        if *setting == whole {
            return;
        }
        Arc::make_mut(&mut self.committed).insert(name.into(), whole);
        self.current = Arc::clone(&self.committed);
    }

    /// RESET ALL.
    pub fn reset_all(&mut self) {
        let mut next = (*self.startup).clone();
        for name in IDENTITY.iter().filter(|name| survives_reset_all(name)) {
            match self.current.get(*name) {
                Some(setting) => next.insert((*name).into(), setting.clone()),
                None => next.remove(*name),
            };
        }
        self.current = Arc::new(next);
    }

    /// DISCARD ALL, which can't run in a transaction.
    pub fn discard_all(&mut self) {
        *self = ClientSettings::new(Arc::clone(&self.startup));
    }

    /// SAVEPOINT.
    pub fn savepoint(&mut self, name: &str) {
        let last = self.savepoints.last();
        let shared = last.is_some_and(|last| Arc::ptr_eq(&last.settings, &self.current));
        let own = if shared { 0 } else { size_of_set(&self.current) };
        let bytes = last.map_or(0, |last| last.bytes) + name.len() + size_of::<Savepoint>() + own;
        let settings = Arc::clone(&self.current);
        self.savepoints.push(Savepoint { name: name.into(), settings, bytes });
    }

    /// Bytes that it all takes, roughly; the session bounds them.
    pub fn bytes(&self) -> usize {
        self.savepoints.last().map_or(0, |last| last.bytes) + size_of_set(&self.current)
    }

    /// RELEASE SAVEPOINT: what was set since then is kept.
    pub fn release(&mut self, name: &str) {
        if let Some(at) = self.last_savepoint(name) {
            self.savepoints.truncate(at);
        }
    }

    /// ROLLBACK TO SAVEPOINT: the savepoint itself stays.
    pub fn rollback_to(&mut self, name: &str) {
        if let Some(at) = self.last_savepoint(name) {
            self.current = Arc::clone(&self.savepoints[at].settings);
            self.savepoints.truncate(at + 1);
        }
    }

    /// The transaction, also an implicit one, has committed.
    pub fn commit(&mut self) {
        self.savepoints.clear();
        if !Arc::ptr_eq(&self.committed, &self.current) {
            self.committed = Arc::clone(&self.current);
        }
    }

    /// The transaction, also an implicit one, was rolled back.
    pub fn rollback(&mut self) {
        self.savepoints.clear();
        self.current = Arc::clone(&self.committed);
    }

    fn last_savepoint(&self, name: &str) -> Option<usize> {
        self.savepoints.iter().rposition(|savepoint| &*savepoint.name == name)
    }
}

fn size_of_set(set: &SettingSet) -> usize {
    /// A node of the tree, its share of one.
    const ENTRY: usize = 64;
    set.iter().map(|(name, sql)| name.len() + sql.len() + ENTRY).sum()
}

/// The SQL that gives a connection with `applied` the encoding of `wanted`: a message before that
/// of [`difference`], since a server reads the whole of a message in one encoding.
pub fn encoding_difference(applied: &Arc<SettingSet>, wanted: &Arc<SettingSet>) -> Option<Vec<u8>> {
    let setting = wanted.get(ENCODING);
    if Arc::ptr_eq(applied, wanted) || applied.get(ENCODING) == setting {
        return None;
    }
    let mut sql = Vec::new();
    match setting {
        Some(setting) => write_set(&mut sql, setting),
        None => write_reset(&mut sql, ENCODING),
    }
    Some(sql)
}

/// The SQL that turns a connection with `applied` and the encoding of `wanted` into one with
/// `wanted`; `None` when there is nothing to do.
pub fn difference(applied: &Arc<SettingSet>, wanted: &Arc<SettingSet>) -> Option<Vec<u8>> {
    if Arc::ptr_eq(applied, wanted) || applied == wanted {
        return None;
    }
    let mut sql = Vec::new();
    // Back to who the connection logged in as, before anything that this user may not do.
    for name in IDENTITY {
        if applied.contains_key(name) && applied.get(name) != wanted.get(name) {
            write_reset(&mut sql, name);
        }
    }
    // One that is set again below needs no RESET, except where a new identity reset it.
    let plain = |name: &str| !IDENTITY.contains(&name) && name != ENCODING;
    for name in applied.keys().filter(|name| plain(name) && !wanted.contains_key(*name)) {
        write_reset(&mut sql, name);
    }
    let differs = |name: &str| applied.get(name) != wanted.get(name);
    let rest = wanted.iter().filter(|(name, _)| plain(name));
    for (_, setting) in rest.filter(|(name, _)| differs(name)) {
        write_set(&mut sql, setting);
    }
    let identity_changes = IDENTITY.iter().any(|name| differs(name));
    for name in IDENTITY.iter().filter(|_| identity_changes) {
        if let Some(setting) = wanted.get(*name) {
            write_set(&mut sql, setting);
        }
    }
    (!sql.is_empty()).then_some(sql)
}

/// Settings that, once a server has taken them, no other can refuse: their values are checked
/// against nothing that differs between servers. They may be set in the same breath as the
/// statement that needs them; for others the answer is waited for, lest it runs without them.
const NEVER_REFUSED: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "lock_timeout",
    "search_path",
    "statement_timeout",
];

/// Whether nothing that differs between two sets can be refused.
pub fn is_safe(applied: &SettingSet, wanted: &SettingSet) -> bool {
    let differs = |name: &str| applied.get(name) != wanted.get(name);
    let mut names = applied.keys().chain(wanted.keys()).map(|name| &**name);
    names.all(|name| !differs(name) || NEVER_REFUSED.contains(&name))
}

/// The statements that bring about the startup settings that RESET of `name`, or RESET ALL, goes
/// back to. A connection is shared, so what *it* resets to is not what its client started with.
pub fn after_reset(startup: &SettingSet, name: Option<&str>) -> Vec<Setting> {
    let wanted = |key: &str| match name {
        Some(name) => name == key,
        None => !survives_reset_all(key),
    };
    startup.iter().filter(|(key, _)| wanted(key)).map(|(_, setting)| setting.clone()).collect()
}

fn write_reset(sql: &mut Vec<u8>, name: &str) {
    sql.extend_from_slice(b"RESET ");
    quote_name(sql, name);
    end(sql);
}

fn quote_name(sql: &mut Vec<u8>, name: &str) {
    for (i, part) in name.split('.').enumerate() {
        if i > 0 {
            sql.push(b'.');
        }
        quote(sql, part, b'"');
    }
}

fn write_set(sql: &mut Vec<u8>, setting: &Setting) {
    sql.extend_from_slice(setting);
    end(sql);
}

/// A statement's text may end in a `--` comment, so the semicolon stands on its own line.
fn end(sql: &mut Vec<u8>) {
    sql.extend_from_slice(b"\n;");
}

/// Quotes by doubling. A string with a backslash is one whose escapes don't depend on
/// `standard_conforming_strings`.
fn quote(sql: &mut Vec<u8>, text: &str, mark: u8) {
    let escapes = mark == b'\'' && text.contains('\\');
    if escapes {
        sql.push(b'E');
    }
    sql.push(mark);
    for byte in text.bytes() {
        if byte == mark || (escapes && byte == b'\\') {
            sql.push(byte);
        }
        sql.push(byte);
    }
    sql.push(mark);
}

/// A setting's name and its value.
pub type NamedValue = (Box<str>, Box<str>);

/// Reads the startup parameter `options` as a server reads it: words apart by white space, a
/// backslash keeps the next character, each word `-c name=value`, `-cname=value` or
/// `--name=value`. `Err` names the word that is none of these.
pub fn read_options(options: &str) -> Result<Vec<NamedValue>, String> {
    let mut settings = Vec::new();
    let mut words = split_options(options).into_iter();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("-c") {
            Some("") => words.next().ok_or_else(|| word.clone())?,
            Some(pair) => pair.to_owned(),
            None => word.strip_prefix("--").ok_or_else(|| word.clone())?.to_owned(),
        };
        let (name, value) = pair.split_once('=').ok_or_else(|| pair.clone())?;
        // As in Postgres, a dash in a name on a command line stands for an underscore.
        let name = name.replace('-', "_").to_ascii_lowercase();
        settings.push((name.into_boxed_str(), value.into()));
    }
    Ok(settings)
}

fn split_options(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = options.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Setting {
        text.as_bytes().into()
    }

    fn set(pairs: &[(&str, Setting)]) -> Arc<SettingSet> {
        Arc::new(pairs.iter().map(|(n, s)| ((*n).into(), s.clone())).collect())
    }

    fn sql(applied: &Arc<SettingSet>, wanted: &Arc<SettingSet>) -> String {
        difference(applied, wanted).map(|b| String::from_utf8(b).unwrap()).unwrap_or_default()
    }

    #[test]
    fn settings_follow_transactions_as_in_postgres() {
        let mut s = ClientSettings::new(set(&[("timezone", set_config("timezone", "UTC"))]));
        s.set("work_mem", statement("SET work_mem = 1"));
        s.commit();
        let base = Arc::clone(s.current());
        s.set("work_mem", statement("SET work_mem = 2"));
        s.savepoint("a");
        s.set("work_mem", statement("SET work_mem = 3"));
        s.savepoint("b");
        s.rollback_to("a");
        assert_eq!(s.current()["work_mem"], statement("SET work_mem = 2"));
        s.set("work_mem", statement("SET work_mem = 4"));
        s.release("a");
        assert_eq!(s.current()["work_mem"], statement("SET work_mem = 4"));
        s.rollback();
        assert_eq!(s.current(), &base);
        s.reset_all();
        assert_eq!(s.current(), s.startup());
    }

    #[test]
    fn reset_goes_back_to_the_startup_packet() {
        let mut s = ClientSettings::new(set(&[("timezone", set_config("timezone", "UTC"))]));
        s.set("timezone", statement("SET timezone = 'Asia/Tokyo'"));
        s.set("work_mem", statement("SET work_mem = 1"));
        s.reset("timezone");
        s.reset("work_mem");
        assert_eq!(s.current(), s.startup());
        let after = after_reset(s.startup(), Some("timezone"));
        assert_eq!(after, [set_config("timezone", "UTC")]);
        assert!(after_reset(s.startup(), Some("work_mem")).is_empty());
    }

    #[test]
    fn a_setting_that_was_set_in_part_is_kept_whole() {
        let mut s = ClientSettings::new(set(&[]));
        s.restate("datestyle", "ISO, YMD");
        assert!(s.committed().is_empty(), "not set, so not this client's");
        s.set("datestyle", statement("SET datestyle TO ymd"));
        s.commit();
        s.restate("datestyle", "ISO, YMD");
        assert_eq!(s.committed()["datestyle"], set_config("datestyle", "ISO, YMD"));
        s.rollback();
        assert_eq!(s.current(), s.committed());
    }

    #[test]
    fn identity_survives_reset_all_and_a_new_one_resets_the_role() {
        let mut s = ClientSettings::new(set(&[]));
        s.set("role", statement("SET ROLE r"));
        s.set("work_mem", statement("SET work_mem = 1"));
        s.reset_all();
        assert_eq!(s.current().keys().map(|k| &**k).collect::<Vec<_>>(), ["role"]);
        s.set("session_authorization", statement("SET SESSION AUTHORIZATION u"));
        let names: Vec<_> = s.current().keys().map(|k| &**k).collect();
        assert_eq!(names, ["session_authorization"]);
    }

    #[test]
    fn the_difference_resets_sets_and_keeps_the_order_that_matters() {
        let none = set(&[]);
        let a = set(&[
            ("app.user", statement("SET app.user = 'x' -- mine")),
            ("client_encoding", set_config("client_encoding", "LATIN1")),
            ("role", statement("SET ROLE r")),
        ]);
        let encoding = |applied, wanted| encoding_difference(applied, wanted).unwrap_or_default();
        assert_eq!(encoding(&none, &a), b"SET \"client_encoding\" = 'LATIN1'\n;");
        assert_eq!(sql(&none, &a), "SET app.user = 'x' -- mine\n;SET ROLE r\n;");
        assert_eq!(encoding(&a, &none), b"RESET \"client_encoding\"\n;");
        assert_eq!(sql(&a, &none), "RESET \"role\"\n;RESET \"app\".\"user\"\n;");
        assert_eq!(encoding(&a, &Arc::new((*a).clone())), b"");
        assert_eq!(sql(&a, &set(&[]).clone()), sql(&a, &none));
        assert_eq!(sql(&a, &Arc::new((*a).clone())), "");
    }

    #[test]
    fn values_are_quoted() {
        let odd = set(&[("application_name", set_config("application_name", "it's \\ here"))]);
        assert_eq!(sql(&set(&[]), &odd), "SET \"application_name\" = E'it''s \\\\ here'\n;");
    }

    #[test]
    fn what_a_startup_packet_gives_is_written_in_ascii() {
        let written = |name, value| String::from_utf8(set_at_startup(name, value).into()).unwrap();
        assert_eq!(written("app.x", "it's"), "SET \"app\".\"x\" = 'it''s'");
        assert_eq!(
            written("app.x", "é'\\"),
            "SELECT pg_catalog.set_config('app.x', E'\\xc3\\xa9\\'\\\\', false)"
        );
    }

    #[test]
    fn options_are_read_as_a_server_reads_them() {
        let read = |text| read_options(text).map(|v| format!("{v:?}"));
        assert_eq!(
            read("-c geqo=off  -cwork_mem=1 --search-path=a\\ b\\\\c").unwrap(),
            r#"[("geqo", "off"), ("work_mem", "1"), ("search_path", "a b\\c")]"#
        );
        assert_eq!(read("").unwrap(), "[]");
        assert_eq!(read("-d 5"), Err("-d".to_owned()));
        assert_eq!(read("-c"), Err("-c".to_owned()));
        assert_eq!(read("-c geqo"), Err("geqo".to_owned()));
    }
}
