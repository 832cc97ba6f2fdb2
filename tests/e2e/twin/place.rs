//! Where twins live: databases of their own on the servers of one herd.
//!
//! Of each pair one side is a database behind pgherd, over three shards by a ring or over four
//! by ranges, the other a database on one server with all the rows. Both are filled by the same
//! text, which runs on every server; a shard then forgets the rows that aren't its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use super::answer::{Answer, Row, sorted};
use super::client::{Client, Mode, Request};
use crate::support::{Proxy, TestHerd, Want};

/// Tables that are split alike.
#[derive(Debug, Clone)]
pub struct Keyspace {
    pub name: String,
    /// Types of the key's columns.
    pub key: Vec<String>,
    /// Where ranges end; none for a key that can only lie on a ring.
    pub bounds: Vec<String>,
    /// Tables and their key columns.
    pub tables: Vec<(String, Vec<String>)>,
}

/// What lies where, and what there is.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub keyspaces: Vec<Keyspace>,
    pub reference: Vec<String>,
    pub home: Vec<String>,
    /// Statements that define, for pgherd and twin alike.
    pub schema: String,
    /// Views, each a statement; some make no sense, and are refused by pgherd and twin alike.
    pub views: Vec<String>,
    /// Statements that fill the tables; they have to say the same wherever they run.
    pub rows: String,
}

/// The schema that keeps the rows as they were at the beginning.
const KEPT: &str = "kept";
/// The tables of the herd's own database are of no interest.
const NO_RULES: &str = "home: [nothing]\n";
const RING: &[&str] = &["s1", "s2", "s3"];
const RANGES: &[&str] = &["s1", "s2", "s3", "s4"];

/// A database behind pgherd and one Postgres with the same rows.
pub struct Pair {
    /// `ring` or `range`.
    pub name: &'static str,
    pub ours: Client,
    pub theirs: Client,
    shards: Vec<(&'static str, Client)>,
    tables: Vec<Table>,
}

/// All of them, and the proxy.
pub struct Place {
    pub pairs: Vec<Pair>,
    /// As the twins, with rows in another order and other plans: what it answers otherwise than
    /// a twin does, the statement leaves open.
    pub shuffled: Client,
    _proxy: Proxy,
}

#[derive(Debug, Clone)]
struct Table {
    name: String,
    lies: Lies,
}

#[derive(Debug, Clone)]
enum Lies {
    /// The shard's name, as an expression.
    Split(String),
    Everywhere,
    Home,
}

impl World {
    fn tables(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        for keyspace in &self.keyspaces {
            for (name, key) in &keyspace.tables {
                let key = match key.as_slice() {
                    [one] => one.clone(),
                    several => {
                        several.iter().map(|c| format!("{c}::text")).collect::<Vec<_>>().join(", ")
                    }
                };
                let shard = format!("pgherd.shard_of('{}', {key})", keyspace.name);
                tables.push(Table { name: name.clone(), lies: Lies::Split(shard) });
            }
        }
        let whole =
            |lies: Lies| move |name: &String| Table { name: name.clone(), lies: lies.clone() };
        tables.extend(self.reference.iter().map(whole(Lies::Everywhere)));
        tables.extend(self.home.iter().map(whole(Lies::Home)));
        tables
    }

    fn rules(&self, by_ranges: bool) -> String {
        let mut text = String::from("keyspaces:\n");
        for keyspace in &self.keyspaces {
            let _ = writeln!(
                text,
                "  - name: {}\n    key: [{}]",
                keyspace.name,
                keyspace.key.join(", ")
            );
            if by_ranges && !keyspace.bounds.is_empty() {
                text.push_str("    placement:\n      ranges:\n");
                let bounds = &keyspace.bounds;
                for (at, shard) in RANGES.iter().enumerate() {
                    let from = at.checked_sub(1).map(|at| format!("from: \"{}\", ", bounds[at]));
                    let to = bounds.get(at).map(|to| format!("to: \"{to}\", "));
                    let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
                    let _ = writeln!(text, "        - {{ {from}{to}shard: {shard} }}");
                }
            }
            text.push_str("    tables:\n");
            for (table, key) in &keyspace.tables {
                let _ = writeln!(text, "      {table}: [{}]", key.join(", "));
            }
        }
        let _ = writeln!(text, "reference: [{}]", self.reference.join(", "));
        let _ = writeln!(text, "home: [{}]\nhome_shard: s1", self.home.join(", "));
        text
    }
}

impl Place {
    /// Makes the databases, which all begin with `name`, and fills them.
    pub fn new(name: &str, world: &World) -> Place {
        let herd = TestHerd::shared(&Want::sharded(4, 0, NO_RULES));
        let database = |kind: &str| format!("{name}_{kind}");
        let twin_on = port(herd, "s4");
        let mut settings = String::new();
        for (kind, shards) in [("ring", RING), ("range", RANGES)] {
            let ports: Vec<_> = shards.iter().map(|shard| port(herd, shard)).collect();
            for port in &ports {
                create(*port, &database(kind));
            }
            let rules = format!("{}.yaml", database(kind));
            fs::write(herd.dir().join(&rules), world.rules(kind == "range")).expect("written");
            settings += &of_database(&database(kind), &rules, shards, &ports);
            create(twin_on, &format!("{}_twin", database(kind)));
        }
        create(twin_on, &database("shuffled"));
        let proxy = herd.proxy_with(|text| text + &settings);
        let pair = |kind: &'static str, shards: &[&'static str]| {
            let connect = |shard: &&'static str| {
                (*shard, Client::connect(port(herd, shard), &database(kind)))
            };
            let mut pair = Pair {
                name: kind,
                ours: Client::connect(proxy.port(), &database(kind)),
                theirs: Client::connect(twin_on, &format!("{}_twin", database(kind))),
                shards: shards.iter().map(connect).collect(),
                tables: world.tables(),
            };
            pair.fill(world);
            pair
        };
        let pairs = vec![pair("ring", RING), pair("range", RANGES)];
        let shuffled = shuffled(Client::connect(twin_on, &database("shuffled")), world);
        Place { pairs, shuffled, _proxy: proxy }
    }
}

impl Pair {
    fn fill(&mut self, world: &World) {
        self.ours.must(&world.schema);
        self.theirs.must(&world.schema);
        for text in &world.views {
            let view = Request { text: text.clone(), ..Request::default() };
            let code = |client: &mut Client| {
                client.run(&view, Mode::Simple).failure().map(|failure| failure.code.clone())
            };
            assert_eq!(code(&mut self.ours), code(&mut self.theirs), "{text}");
        }
        self.theirs.must(&world.rows);
        self.theirs.must(&keep(&self.tables));
        for (at, (shard, client)) in self.shards.iter_mut().enumerate() {
            client.must(&world.rows);
            for table in &self.tables {
                let name = &table.name;
                match &table.lies {
                    Lies::Split(expression) => {
                        client.must(&format!(
                            "DELETE FROM {name} WHERE {expression} IS DISTINCT FROM '{shard}'"
                        ));
                    }
                    Lies::Home if at > 0 => {
                        client.must(&format!("TRUNCATE {name}"));
                    }
                    _ => {}
                }
            }
            client.must(&keep(&self.tables));
        }
    }

    /// Both sides as they were at the beginning.
    pub fn reset(&mut self) {
        let mut text = String::new();
        for Table { name, .. } in &self.tables {
            // DELETE, since TRUNCATE makes new files.
            let _ = write!(text, "DELETE FROM {name}; INSERT INTO {name} TABLE {};", kept(name));
        }
        let shards = self.shards.iter_mut().map(|(_, client)| client);
        for answer in on_all(shards.chain([&mut self.theirs]), text) {
            assert!(answer.failure().is_none(), "no reset: {answer}");
        }
    }

    /// In what the rows on the shards, taken together, are other than those of the twin; or
    /// which lie on a shard where they don't belong.
    pub fn rows_differ(&mut self) -> Option<String> {
        let mut text = String::new();
        for table in &self.tables {
            let _ = write!(text, "SELECT * FROM {};", table.name);
        }
        let shards: Vec<&str> = self.shards.iter().map(|(name, _)| *name).collect();
        let clients = self.shards.iter_mut().map(|(_, client)| client);
        let mut answers = on_all(clients.chain([&mut self.theirs]), text);
        let theirs = answers.pop().expect("the twin's");
        let mut found: BTreeMap<usize, Vec<Row>> = BTreeMap::new();
        let mut wrong = String::new();
        for (shard, answer) in shards.iter().zip(answers) {
            for (at, part) in answer.parts.into_iter().enumerate() {
                let table = &self.tables[at];
                if matches!(table.lies, Lies::Everywhere) {
                    if sorted(&part.rows) != sorted(&theirs.parts[at].rows) {
                        let _ = writeln!(wrong, "    {} has other rows on {shard}", table.name);
                    }
                } else {
                    found.entry(at).or_default().extend(part.rows);
                }
            }
        }
        for (at, rows) in found {
            let (ours, theirs) = (sorted(&rows), sorted(&theirs.parts[at].rows));
            if ours != theirs {
                let name = &self.tables[at].name;
                let only = |these: &[Row], those: &[Row]| {
                    let rows = these.iter().filter(|row| !those.contains(row)).take(5);
                    rows.map(|row| format!("{:?}", texts(row))).collect::<Vec<_>>().join(" ")
                };
                let _ = writeln!(
                    wrong,
                    "    {name} has {} rows for {}; only pgherd's {}; only the twin's {}",
                    ours.len(),
                    theirs.len(),
                    only(&ours, &theirs),
                    only(&theirs, &ours)
                );
            }
        }
        wrong.push_str(&self.astray());
        (!wrong.is_empty()).then_some(wrong)
    }

    /// New rows on a shard that isn't their key's.
    fn astray(&mut self) -> String {
        let mut text = String::new();
        for Table { name, lies } in &self.tables {
            if let Lies::Split(expression) = lies {
                let kept = kept(name);
                let new = format!("SELECT * FROM {name} EXCEPT ALL TABLE {kept}");
                let _ = write!(text, "SELECT '{name}', {expression}, t::text FROM ({new}) t;");
            }
        }
        let mut wrong = String::new();
        let shards: Vec<&str> = self.shards.iter().map(|(name, _)| *name).collect();
        let answers = on_all(self.shards.iter_mut().map(|(_, client)| client), text);
        for (shard, answer) in shards.iter().zip(answers) {
            assert!(answer.failure().is_none(), "no answer: {answer}");
            for row in answer.parts.iter().flat_map(|part| &part.rows) {
                if row[1].as_deref() != Some(shard.as_bytes()) {
                    let _ = writeln!(wrong, "    on {shard} lies {:?}", texts(row));
                }
            }
        }
        wrong
    }
}

/// A text on several servers at once.
fn on_all<'a>(clients: impl Iterator<Item = &'a mut Client>, text: String) -> Vec<Answer> {
    let request = Request { text, ..Request::default() };
    let mut clients: Vec<&mut Client> = clients.collect();
    clients.iter_mut().for_each(|client| client.start(&request, Mode::Simple));
    clients.iter_mut().map(|client| client.finish(&request, Mode::Simple)).collect()
}

fn texts(row: &Row) -> Vec<String> {
    let text = |value: &Option<Vec<u8>>| {
        value.as_ref().map_or("NULL".into(), |value| String::from_utf8_lossy(value).into_owned())
    };
    row.iter().map(text).collect()
}

fn kept(table: &str) -> String {
    format!("{KEPT}.{}", table.replace('.', "_"))
}

fn keep(tables: &[Table]) -> String {
    let mut text = format!("CREATE SCHEMA {KEPT};");
    for Table { name, .. } in tables {
        let _ = write!(text, "CREATE TABLE {} AS TABLE {name};", kept(name));
    }
    text
}

/// The same rows in another order, and a planner that likes other plans.
fn shuffled(mut client: Client, world: &World) -> Client {
    client.must(&world.schema);
    for text in &world.views {
        client.run(&Request { text: text.clone(), ..Request::default() }, Mode::Simple);
    }
    client.must(&world.rows);
    let tables = world.tables();
    client.must(&keep(&tables));
    for Table { name, .. } in &tables {
        client.must(&format!(
            "TRUNCATE {name} CASCADE; INSERT INTO {name} SELECT * FROM {k} k ORDER BY md5(k::text)",
            k = kept(name)
        ));
    }
    client.must(
        "SET enable_hashagg = off; SET enable_hashjoin = off; SET enable_nestloop = off; \
         SET enable_indexscan = off; SET enable_indexonlyscan = off; SET from_collapse_limit = 1; \
         SET join_collapse_limit = 1",
    );
    client
}

fn port(herd: &TestHerd, shard: &str) -> u16 {
    herd.primary(shard).expect("a primary").member().port
}

fn create(port: u16, database: &str) {
    Client::connect(port, "postgres").must(&format!("CREATE DATABASE {database}"));
}

fn of_database(name: &str, rules: &str, shards: &[&str], ports: &[u16]) -> String {
    let mut text = format!(
        "\n[database.{name}]\nrules = \"{rules}\"\ncatalog = \"{name}.json\"\n\
         [[database.{name}.user]]\nname = \"pgherd\"\npassword = \"pgherd\"\n"
    );
    for (shard, port) in shards.iter().zip(ports) {
        let _ = write!(
            text,
            "[[database.{name}.shard]]\nname = \"{shard}\"\nnodes = [\"127.0.0.1:{port}\"]\n"
        );
    }
    text
}
