//! `pgherd route`: where a key lies.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::output::{show, show_line};
use crate::catalog::{Catalog, FileStore, KeyspaceRecord, Opened, TableRecord, open};
use crate::config::rules::{Rules, TableName};
use crate::config::settings::{Database, Settings};
use crate::config::{self, Overrides};
use crate::placement::{
    KeyColumn, KeyValue, NotAKey, Placement, Purpose, ShardId, Source, position, slot_of,
};

/// Say on which shard a key lies, as the proxy has it.
///
/// Reads the catalog file and connects to nothing. Without a catalog it says where the key
/// will lie when the proxy or `pgherd install` has made one.
#[derive(Debug, Args)]
pub struct Route {
    /// The settings
    #[arg(short, long, value_name = "FILE", default_value = "pgherd.toml")]
    config: PathBuf,
    /// Override a setting, such as pool.size=40; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = super::check::key_value)]
    set: Vec<(String, String)>,
    /// The key, as text; of a key of several columns, once for each, in their order
    #[arg(short, long, required = true, value_name = "VALUE", allow_hyphen_values = true)]
    key: Vec<String>,
    /// A table of the keyspace, such as users or app.users
    #[arg(short, long, value_name = "NAME", conflicts_with = "keyspace")]
    table: Option<String>,
    /// The keyspace; needed when there are several
    #[arg(short = 's', long, value_name = "NAME")]
    keyspace: Option<String>,
    /// The database; needed when there are several
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Route {
    pub fn run(self) -> Result<(), Failure> {
        let overrides = Overrides::of_process(self.set.clone());
        let settings = config::load(&self.config, &overrides)
            .map_err(|mistakes| Failure::usage(format!("mistakes found\n{mistakes}")))?;
        let database = self.database(&settings)?;
        let shards: Vec<&str> = database.shard_names().collect();
        let store = FileStore::new(&database.catalog);
        let Opened { recorded, next: catalog } =
            open(&store, &database.rules, &shards).map_err(Failure::failed)?;
        let name = self.keyspace(&database.rules)?;
        let keyspace = catalog
            .keyspaces
            .get(name)
            .ok_or_else(|| Failure::failed(format!("the catalog has no keyspace {name}")))?;
        let answer = Answer {
            database: &database.name,
            catalog: &catalog,
            recorded: recorded.is_some(),
            keyspace: name,
            placed: place(keyspace, name, &self.key)?,
        };
        if self.json {
            show_line!("{}", answer.in_json());
        } else {
            show!("{}", answer.in_text());
        }
        Ok(())
    }

    fn database<'a>(&self, settings: &'a Settings) -> Result<&'a Database, Failure> {
        match (&self.database, &*settings.databases) {
            (Some(name), _) => super::install::named(settings, name),
            (None, [only]) => Ok(only),
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|known| &*known.name).collect();
                let names = names.join(", ");
                Err(Failure::usage(format!("name one with --database: {names}")))
            }
        }
    }

    /// The keyspace that is named, or of the table that is named, or the only one.
    fn keyspace<'a>(&self, rules: &'a Rules) -> Result<&'a str, Failure> {
        let names = || {
            let names: Vec<&str> = rules.keyspaces.iter().map(|known| &*known.name).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let found = match (&self.table, &self.keyspace, &*rules.keyspaces) {
            (Some(table), ..) => {
                let (schema, name) = table.split_once('.').unwrap_or(("public", table));
                let table = TableName { schema: schema.into(), name: name.into() };
                if rules.reference.contains(&table) {
                    let why = format!("{table} is a reference table: it is whole on every shard");
                    return Err(Failure::usage(why));
                }
                if rules.home.contains(&table) {
                    let why = format!("{table} is a home table: it is whole on the home shard");
                    return Err(Failure::usage(why));
                }
                let mut keyspaces = rules.keyspaces.iter();
                keyspaces
                    .find(|keyspace| keyspace.tables.contains_key(&table))
                    .ok_or_else(|| format!("no rule names the table {table}"))
            }
            (None, Some(name), keyspaces) => keyspaces
                .iter()
                .find(|keyspace| *keyspace.name == **name)
                .ok_or_else(|| format!("there is no keyspace {name}; there is {}", names())),
            (None, None, [only]) => Ok(only),
            (None, None, _) => Err(format!("name one with --keyspace or --table: {}", names())),
        };
        found.map(|keyspace| &*keyspace.name).map_err(Failure::Usage)
    }
}

/// Where a key lies.
struct Placed {
    /// The key's columns as they were understood.
    key: Vec<String>,
    shard: ShardId,
    place: Place,
}

enum Place {
    Ring { hash: i64, slot: u16 },
    Range { low: Option<String>, high: Option<String> },
}

fn place(keyspace: &KeyspaceRecord, name: &str, given: &[String]) -> Result<Placed, Failure> {
    if given.len() != keyspace.key.len() {
        return Err(Failure::usage(format!(
            "the key of keyspace {name} has {} column(s), and --key is given {} time(s)",
            keyspace.key.len(),
            given.len()
        )));
    }
    let mut key: Vec<KeyValue<'_>> = Vec::with_capacity(given.len());
    for (&key_type, text) in keyspace.key.iter().zip(given) {
        // What only some server versions read isn't read here.
        let column = KeyColumn { key_type, typmod: -1, server_major: 14 };
        let value = column.read(Source::Untyped(text.as_bytes()), Purpose::Compare);
        key.push(value.map_err(|why| {
            let sure = !matches!(why, NotAKey::Unsure(_));
            let what = if sure { "is no key" } else { "can't be placed" };
            Failure::usage(format!("{text:?} {what}: {why}"))
        })?);
    }
    let shard = keyspace.placement.shard_of(&key);
    let place = match &keyspace.placement {
        Placement::Ring(_) => {
            let hash = position(&key);
            Place::Ring { hash, slot: slot_of(hash) }
        }
        Placement::Ranges(ranges) => {
            let range = key.first().map(|key| ranges.range_of(key));
            let text =
                |bound: Option<&KeyValue<'_>>| bound.map(|bound| bound.to_text(ranges.key_type()));
            Place::Range {
                low: text(range.and_then(|range| range.low)),
                high: text(range.and_then(|range| range.high)),
            }
        }
    };
    let types = keyspace.key.iter();
    let key = key.iter().zip(types).map(|(value, &key_type)| value.to_text(key_type)).collect();
    Ok(Placed { key, shard, place })
}

struct Answer<'a> {
    database: &'a str,
    catalog: &'a Catalog,
    recorded: bool,
    keyspace: &'a str,
    placed: Placed,
}

impl Answer<'_> {
    fn shard(&self) -> &str {
        self.catalog.shard_name(self.placed.shard).unwrap_or("?")
    }

    fn in_json(&self) -> Value {
        let mut answer = json!({
            "database": self.database,
            "keyspace": self.keyspace,
            "key": self.placed.key,
            "shard": self.shard(),
            "epoch": self.catalog.epoch,
            "recorded": self.recorded,
        });
        match &self.placed.place {
            Place::Ring { hash, slot } => {
                answer["hash"] = json!(hash);
                answer["slot"] = json!(slot);
            }
            Place::Range { low, high } => answer["range"] = json!({ "from": low, "to": high }),
        }
        answer
    }

    fn in_text(&self) -> String {
        let tables: Vec<String> = self
            .catalog
            .tables
            .iter()
            .filter(|(_, rows)| {
                matches!(rows, TableRecord::Sharded { keyspace, .. } if **keyspace == *self.keyspace)
            })
            .map(|(table, _)| table.to_string())
            .collect();
        let mut text = format!(
            "shard     {}\nkey       {}\nkeyspace  {} ({})\n",
            self.shard(),
            self.placed.key.join(", "),
            self.keyspace,
            tables.join(", ")
        );
        match &self.placed.place {
            Place::Ring { hash, slot } => text += &format!("hash      {hash}\nslot      {slot}\n"),
            Place::Range { low, high } => {
                let low = low.as_deref().unwrap_or("the start");
                let high = high.as_deref().map_or("the end".into(), |high| format!("below {high}"));
                text += &format!("range     from {low} to {high}\n");
            }
        }
        text += &format!("epoch     {}\n", self.catalog.epoch);
        if !self.recorded {
            text += "There is no catalog yet: the first start of the proxy records it so.\n";
        }
        text
    }
}
