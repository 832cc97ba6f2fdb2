//! `sharding-rules/*.yaml` → [`Rules`], with the line of each mistake.

use std::collections::BTreeMap;
use std::path::Path;

use super::load::read_file;
use super::mistake::{Found, Mistakes, suggestion};
use super::rules::{
    KeyType, Keyspace, PlacementRule, RangeRule, Rules, SplitConstraints, TableName, Unlisted,
};
use super::yaml::{self, Entry, Node, Value};

/// Virtual nodes of a shard of weight 1.
const VIRTUAL_NODES: std::ops::RangeInclusive<u32> = 16..=4096;
const VIRTUAL_NODES_DEFAULT: u32 = 256;
const WEIGHTS: std::ops::RangeInclusive<u32> = 1..=100;

/// As many as a key of several columns may have.
const KEY_COLUMNS_MAX: usize = 8;

/// Reads a rules file and checks it; `shards` are those that it may name, if they are known.
pub fn read_rules(file: &Path, shards: Option<&[&str]>) -> Result<Rules, Mistakes> {
    let text = read_file(file).map_err(|mistake| Mistakes(vec![mistake]))?;
    parse_rules(file, &text, shards)
}

/// As [`read_rules`]; `file` is for the messages.
pub fn parse_rules(file: &Path, text: &str, shards: Option<&[&str]>) -> Result<Rules, Mistakes> {
    let mut reader = Reader::of(file);
    match yaml::parse(text) {
        Ok(node) => reader.rules(&node),
        Err(wrong) => reader.found.at(wrong.line, wrong.message),
    }
    if let Some(shards) = shards {
        reader.check_shards(shards);
    }
    Mistakes::none_or(reader.found.mistakes)?;
    Ok(reader.rules)
}

struct Reader<'a> {
    found: Found<'a>,
    rules: Rules,
    /// Each shard that is named, and the line.
    shards: Vec<(Box<str>, usize)>,
    /// Table → the line that named it first.
    tables: BTreeMap<TableName, usize>,
}

impl<'a> Reader<'a> {
    fn of(file: &'a Path) -> Reader<'a> {
        Reader {
            found: Found::of(file),
            rules: Rules::default(),
            shards: Vec::new(),
            tables: BTreeMap::new(),
        }
    }

    fn rules(&mut self, node: &Node) {
        let known = [
            "keyspaces",
            "reference",
            "home",
            "home_shard",
            "unlisted",
            "split_constraints",
            "functions",
        ];
        for entry in self.map(node, "the rules", &known) {
            match entry.key.as_str() {
                "keyspaces" => {
                    for node in self.list(&entry.value, "keyspaces") {
                        self.keyspace(node);
                    }
                }
                "reference" => self.rules.reference = self.table_list(entry),
                "home" => self.rules.home = self.table_list(entry),
                "home_shard" => {
                    let shard = self.text(&entry.value, "home_shard");
                    self.rules.home_shard = shard.map(|name| self.shard(name, entry.value.line));
                }
                "unlisted" => {
                    let words = [("refuse", Unlisted::Refuse), ("home", Unlisted::Home)];
                    self.rules.unlisted = self.word(entry, &words);
                }
                "split_constraints" => {
                    use SplitConstraints::{Accept, Refuse};
                    let words = [("refuse", Refuse), ("accept", Accept)];
                    self.rules.split_constraints = self.word(entry, &words);
                }
                "functions" => self.functions(&entry.value),
                _ => {}
            }
        }
    }

    fn check_shards(&mut self, known: &[&str]) {
        for (name, line) in std::mem::take(&mut self.shards) {
            if !known.contains(&&*name) {
                let near = suggestion(&name, known);
                self.found.at(line, format!("there is no shard {name:?}{near}"));
            }
        }
    }

    /// One of two words; the default where it is none.
    fn word<T: Copy + Default>(&mut self, entry: &Entry, words: &[(&str, T); 2]) -> T {
        let Entry { key, value: node, .. } = entry;
        let said =
            words.iter().find(|(word, _)| matches!(&node.value, Value::Scalar(s) if s == word));
        said.map_or_else(
            || {
                let [(one, _), (other, _)] = words;
                let found = node.value.shown();
                let message = format!("{key}: expected {one} or {other}, found {found}");
                self.found.at(node.line, message);
                T::default()
            },
            |(_, value)| *value,
        )
    }

    fn functions(&mut self, node: &Node) {
        for item in self.list(node, "functions") {
            let Some(text) = self.text(item, "a function") else { continue };
            match parts(text).as_deref() {
                Some([name]) => self.rules.functions.push(name.as_str().into()),
                Some([schema, name]) => {
                    self.rules.functions.push(format!("{schema}.{name}").into());
                }
                _ => {
                    let message = format!(
                        "expected a function's name, such as my_schema.my_func, without \
                         arguments, found {text:?}"
                    );
                    self.found.at(item.line, message);
                }
            }
        }
    }

    fn keyspace(&mut self, node: &Node) {
        let known = ["name", "key", "placement", "tables"];
        let entries = self.map(node, "a keyspace", &known);
        if !matches!(node.value, Value::Map(_)) {
            return;
        }
        let get = |key: &str| entries.iter().find(|entry| entry.key == key);
        for key in ["name", "key", "tables"] {
            if get(key).is_none() {
                self.found.at(node.line, format!("this keyspace has no {key}"));
            }
        }
        let name = get("name").and_then(|entry| self.text(&entry.value, "name")).unwrap_or("");
        if let Some(other) = self.rules.keyspaces.iter().find(|other| &*other.name == name) {
            let message =
                format!("keyspace {name:?} is there twice; it stands on line {}", other.line);
            self.found.at(node.line, message);
        }
        let key = get("key").map(|entry| self.key(&entry.value)).unwrap_or_default();
        let placement = match get("placement") {
            Some(entry) => self.placement(&entry.value, key.len()),
            None => ring_by_default(),
        };
        let tables = get("tables").map(|entry| self.keyspace_tables(entry, key.len()));
        self.rules.keyspaces.push(Keyspace {
            name: name.into(),
            key,
            placement,
            tables: tables.unwrap_or_default(),
            line: node.line,
        });
    }

    fn key(&mut self, node: &Node) -> Vec<KeyType> {
        let mut key = Vec::new();
        let items = self.list_or_one(node);
        for item in &items {
            let Some(word) = self.text(item, "a type of the key") else { continue };
            match key_type(word) {
                Some(kind) => key.push(kind),
                None => {
                    let known = suggestion(word, KEY_TYPES_SHOWN);
                    let message = format!("{word:?} is not a type that a key can have{known}");
                    self.found.at(item.line, message);
                }
            }
        }
        if items.is_empty() || items.len() > KEY_COLUMNS_MAX {
            self.found.at(node.line, format!("expected 1 to {KEY_COLUMNS_MAX} types in key"));
        }
        key
    }

    fn keyspace_tables(
        &mut self,
        entry: &Entry,
        key_columns: usize,
    ) -> BTreeMap<TableName, Vec<Box<str>>> {
        let mut tables = BTreeMap::new();
        if matches!(&entry.value.value, Value::Map(entries) if entries.is_empty()) {
            self.found.at(entry.line, "this keyspace has no table");
        }
        for table in self.any_map(&entry.value, "tables") {
            let Some(name) = self.table(&table.key, table.line) else { continue };
            let mut columns: Vec<Box<str>> = Vec::new();
            let items = self.list_or_one(&table.value);
            for item in &items {
                let Some(text) = self.text(item, "a key column") else { continue };
                match parts(text).as_deref() {
                    Some([column]) if columns.iter().any(|c| **c == **column) => {
                        self.found.at(item.line, format!("column {text:?} is there twice"));
                    }
                    Some([column]) => columns.push(column.as_str().into()),
                    _ => self.found.at(item.line, format!("{text:?} is not a column's name")),
                }
            }
            // A wrong type in `key` has its own message.
            if items.len() != key_columns && key_columns > 0 {
                let message = format!(
                    "{} names {} key column(s); the key of its keyspace has {key_columns}",
                    table.key,
                    items.len(),
                );
                self.found.at(table.line, message);
            }
            tables.insert(name, columns);
        }
        tables
    }

    fn placement(&mut self, node: &Node, key_columns: usize) -> PlacementRule {
        let entries = self.map(node, "placement", &["ring", "ranges"]);
        match entries {
            [Entry { key, value, .. }] if key == "ring" => self.ring(value),
            [Entry { key, value, .. }] if key == "ranges" => {
                if key_columns > 1 {
                    self.found.at(value.line, "ranges need a key of one column; use a ring");
                }
                self.ranges(value)
            }
            entries => {
                let unknown = entries.iter().any(|e| e.key != "ring" && e.key != "ranges");
                if matches!(node.value, Value::Map(_)) && !unknown {
                    self.found.at(node.line, "placement: expected one of ring and ranges");
                }
                ring_by_default()
            }
        }
    }

    fn ring(&mut self, node: &Node) -> PlacementRule {
        let mut virtual_nodes = VIRTUAL_NODES_DEFAULT;
        let mut weights = BTreeMap::new();
        if node.value == Value::Null {
            return PlacementRule::Ring { virtual_nodes, weights };
        }
        for entry in self.map(node, "ring", &["virtual_nodes", "weights"]) {
            match entry.key.as_str() {
                "virtual_nodes" => {
                    let number = self.number(&entry.value, "virtual_nodes", VIRTUAL_NODES);
                    virtual_nodes = number.unwrap_or(virtual_nodes);
                }
                "weights" => {
                    for entry in self.any_map(&entry.value, "weights") {
                        let shard = self.shard(&entry.key, entry.line);
                        if let Some(weight) = self.number(&entry.value, "a weight", WEIGHTS) {
                            weights.insert(shard, weight);
                        }
                    }
                }
                _ => {}
            }
        }
        PlacementRule::Ring { virtual_nodes, weights }
    }

    fn ranges(&mut self, node: &Node) -> PlacementRule {
        let mut ranges = Vec::new();
        let items = self.list(node, "ranges");
        if items.is_empty() && matches!(node.value, Value::List(_)) {
            self.found.at(node.line, "ranges: expected at least one");
        }
        for item in items {
            let entries = self.map(item, "a range", &["from", "to", "shard"]);
            let get = |key: &str| entries.iter().find(|entry| entry.key == key);
            let mut bound = |key: &str| match get(key) {
                Some(entry) if entry.value.value != Value::Null => {
                    self.text(&entry.value, key).map(Box::from)
                }
                _ => None,
            };
            let (from, to) = (bound("from"), bound("to"));
            match get("shard") {
                Some(entry) => {
                    let Some(name) = self.text(&entry.value, "shard") else { continue };
                    let shard = self.shard(name, entry.line);
                    ranges.push(RangeRule { from, to, shard, line: item.line });
                }
                None if matches!(item.value, Value::Map(_)) => {
                    self.found.at(item.line, "this range has no shard");
                }
                None => {}
            }
        }
        PlacementRule::Ranges(ranges)
    }

    fn table_list(&mut self, entry: &Entry) -> Vec<TableName> {
        let mut tables = Vec::new();
        for item in self.list(&entry.value, &entry.key) {
            let Some(text) = self.text(item, "a table") else { continue };
            tables.extend(self.table(text, item.line));
        }
        tables
    }

    /// A table's name, which must not have been named before.
    fn table(&mut self, text: &str, line: usize) -> Option<TableName> {
        let table = match parts(text).as_deref() {
            Some([name]) => TableName { schema: "public".into(), name: name.as_str().into() },
            Some([schema, name]) => {
                TableName { schema: schema.as_str().into(), name: name.as_str().into() }
            }
            _ => {
                let message =
                    format!("expected a table's name, such as users or app.users, found {text:?}");
                self.found.at(line, message);
                return None;
            }
        };
        if matches!(&*table.schema, "pg_catalog" | "information_schema" | "pgherd") {
            let schema = &table.schema;
            self.found
                .at(line, format!("{table} can't be ruled: {schema} is not the application's"));
            return None;
        }
        if let Some(first) = self.tables.get(&table) {
            self.found.at(line, format!("table {table} is named twice; it stands on line {first}"));
            return None;
        }
        self.tables.insert(table.clone(), line);
        Some(table)
    }

    fn shard(&mut self, name: &str, line: usize) -> Box<str> {
        self.shards.push((name.into(), line));
        name.into()
    }

    fn number(
        &mut self,
        node: &Node,
        what: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let number = match &node.value {
            Value::Scalar(text) => text.parse().ok().filter(|n| range.contains(n)),
            _ => None,
        };
        if number.is_none() {
            let (low, high) = (range.start(), range.end());
            let found = node.value.shown();
            let message =
                format!("{what}: expected a whole number, {low} to {high}, found {found}");
            self.found.at(node.line, message);
        }
        number
    }

    fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(text) if !text.is_empty() => Some(text),
            other => {
                let message = format!("{what}: expected text, found {}", other.shown());
                self.found.at(node.line, message);
                None
            }
        }
    }

    fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            other => {
                let message = format!("{what}: expected a list, found {}", other.shown());
                self.found.at(node.line, message);
                &[]
            }
        }
    }

    fn list_or_one<'n>(&mut self, node: &'n Node) -> Vec<&'n Node> {
        match &node.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![node],
        }
    }

    /// The entries of a map whose keys the operator chooses.
    fn any_map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        match &node.value {
            Value::Map(entries) => entries,
            other => {
                let message = format!("{what}: expected a map, found {}", other.shown());
                self.found.at(node.line, message);
                &[]
            }
        }
    }

    /// The entries of a map whose keys are known; others are mistakes.
    fn map<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> &'n [Entry] {
        let entries = self.any_map(node, what);
        for entry in entries {
            if !known.contains(&entry.key.as_str()) {
                let near = suggestion(&entry.key, known);
                self.found.at(entry.line, format!("{:?} is unknown in {what}{near}", entry.key));
            }
        }
        entries
    }
}

fn ring_by_default() -> PlacementRule {
    PlacementRule::Ring { virtual_nodes: VIRTUAL_NODES_DEFAULT, weights: BTreeMap::new() }
}

const KEY_TYPES_SHOWN: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "text",
    "varchar",
    "uuid",
    "numeric",
    "date",
    "time",
    "timestamp",
    "timestamptz",
];

/// The names that SQL and Postgres have for the types of a key.
fn key_type(word: &str) -> Option<KeyType> {
    let word = word.trim().to_ascii_lowercase();
    Some(match word.as_str() {
        "int2" | "smallint" => KeyType::Int2,
        "int4" | "int" | "integer" => KeyType::Int4,
        "int8" | "bigint" => KeyType::Int8,
        "text" | "varchar" | "character varying" => KeyType::Text,
        "uuid" => KeyType::Uuid,
        "numeric" | "decimal" => KeyType::Numeric,
        "date" => KeyType::Date,
        "time" | "time without time zone" => KeyType::Time,
        "timestamp" | "timestamp without time zone" => KeyType::Timestamp,
        "timestamptz" | "timestamp with time zone" => KeyType::TimestampTz,
        _ => return None,
    })
}

/// The parts of a dotted name, as SQL reads it: folded to lower case unless in double quotes.
fn parts(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let part;
        (part, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_lowercase(), &rest[end..])
            }
        };
        if part.is_empty() || part.len() > 63 {
            return None;
        }
        let bare = !text.contains('"');
        if bare && part.contains(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')) {
            return None;
        }
        parts.push(part);
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

fn quoted_part(quoted: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        part.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                part.push('"');
                rest = after;
            }
            None => return Some((part, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_sql_reads_them() {
        let read = |text| parts(text).map(|parts| parts.join("|"));
        assert_eq!(read("Users").as_deref(), Some("users"));
        assert_eq!(read("app.users").as_deref(), Some("app|users"));
        assert_eq!(read(r#""App"."a.""b""#).as_deref(), Some(r#"App|a."b"#));
        for bad in ["", ".", "a.", ".a", "a b", "f(x)", r#""a"#, r#""a"b"#] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = "
keyspaces:
  - name: users
    key: [bigint]
    placement: { ring: { virtual_nodes: 128, weights: { s1: 2 } } }
    tables: { users: [id], app.posts: user_id }
  - name: days
    key: [date]
    placement:
      ranges: [ {to: 2020-01-01, shard: s1}, {from: 2020-01-01, shard: s2} ]
    tables: { days: [day] }
reference: [countries]
home: [settings]
home_shard: s2
unlisted: home
split_constraints: accept
functions: [my_schema.my_func]
";
        let rules = parse_rules(Path::new("r.yaml"), text, Some(&["s1", "s2"])).unwrap();
        let table = |name: &str| TableName { schema: "public".into(), name: name.into() };
        assert_eq!(rules.keyspaces[0].tables[&table("users")], ["id".into()]);
        assert_eq!(
            rules.keyspaces[0].placement,
            PlacementRule::Ring { virtual_nodes: 128, weights: BTreeMap::from([("s1".into(), 2)]) }
        );
        let range = |from: Option<&str>, to: Option<&str>, shard: &str| RangeRule {
            from: from.map(Into::into),
            to: to.map(Into::into),
            shard: shard.into(),
            line: 10,
        };
        let day = Some("2020-01-01");
        assert_eq!(
            rules.keyspaces[1].placement,
            PlacementRule::Ranges(vec![range(None, day, "s1"), range(day, None, "s2")])
        );
        assert_eq!(rules.reference, [table("countries")]);
        assert_eq!(rules.home, [table("settings")]);
        assert_eq!(rules.home_shard.as_deref(), Some("s2"));
        assert_eq!(rules.unlisted, Unlisted::Home);
        assert_eq!(rules.split_constraints, SplitConstraints::Accept);
        assert_eq!(rules.functions, ["my_schema.my_func".into()]);
        let wrong = parse_rules(Path::new("r.yaml"), text, Some(&["s1", "x2"])).unwrap_err();
        let lines: Vec<String> = wrong.0.iter().map(|m| m.place.to_string()).collect();
        assert_eq!(lines, ["r.yaml:10", "r.yaml:14"]);
    }
}
