//! `pgherd install`: the catalog, and what pgherd keeps on the nodes.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::output::show_line;
use crate::catalog::{FileStore, Installed, open_or_create};
use crate::cluster::install::{ShardError, install_all};
use crate::config::settings::{Database, Settings};
use crate::config::{self, Overrides};

/// Make the catalog if there is none, and bring the nodes up to date with it.
///
/// On each shard's primary, in schema pgherd: numbered migrations, and the placement for SQL
/// functions that answer as the proxy does (pgherd.shard_of). Nothing is done to a node that
/// is up to date. The proxy does the same when it starts.
#[derive(Debug, Args)]
pub struct Install {
    /// The settings
    #[arg(short, long, value_name = "FILE", default_value = "pgherd.toml")]
    config: PathBuf,
    /// Override a setting, such as pool.size=40; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = super::check::key_value)]
    set: Vec<(String, String)>,
    /// Only this database
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Install {
    pub fn run(self) -> Result<(), Failure> {
        let overrides = Overrides::of_process(self.set.clone());
        let settings = config::load(&self.config, &overrides)
            .map_err(|mistakes| Failure::usage(format!("mistakes found\n{mistakes}")))?;
        let databases: Vec<&Database> = match &self.database {
            None => settings.databases.iter().collect(),
            Some(name) => vec![named(&settings, name)?],
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
        let mut outcomes = Vec::new();
        for database in databases {
            let shards: Vec<&str> = database.shard_names().collect();
            let store = FileStore::new(&database.catalog);
            let catalog = open_or_create(&store, &database.rules, &shards)
                .map_err(|error| Failure::failed(format!("database {}: {error}", database.name)))?;
            for (shard, outcome) in runtime.block_on(install_all(&settings, database, &catalog)) {
                outcomes.push(Outcome { database: &database.name, shard, outcome });
            }
        }
        if self.json {
            let shards: Vec<Value> = outcomes.iter().map(Outcome::in_json).collect();
            show_line!("{}", json!({ "shards": shards }));
        } else {
            outcomes.iter().for_each(|outcome| show_line!("{}", outcome.in_text()));
        }
        match outcomes.iter().any(|outcome| outcome.outcome.is_err()) {
            true => Err(Failure::failed("not all shards are up to date")),
            false => Ok(()),
        }
    }
}

/// What came of one shard.
struct Outcome<'a> {
    database: &'a str,
    shard: Box<str>,
    outcome: Result<Installed, ShardError>,
}

impl Outcome<'_> {
    fn in_json(&self) -> Value {
        let (database, shard) = (self.database, &self.shard);
        match &self.outcome {
            Ok(Installed { migrations, placement }) => json!({
                "database": database, "shard": shard,
                "migrations": migrations, "placement": placement,
            }),
            Err(error) => {
                json!({ "database": database, "shard": shard, "error": error.to_string() })
            }
        }
    }

    fn in_text(&self) -> String {
        let (database, shard) = (self.database, &self.shard);
        match &self.outcome {
            Ok(Installed { migrations, placement }) => {
                let written = if *placement { "placement written" } else { "up to date" };
                let ran = migrations.join(", ");
                let ran = if ran.is_empty() { ran } else { format!("ran {ran}; ") };
                format!("database {database}, shard {shard}: {ran}{written}")
            }
            Err(error) => format!("database {database}, {error}"),
        }
    }
}

/// The database of that name.
pub(super) fn named<'a>(settings: &'a Settings, name: &str) -> Result<&'a Database, Failure> {
    settings.database(name).ok_or_else(|| {
        let known: Vec<&str> = settings.databases.iter().map(|known| &*known.name).collect();
        Failure::usage(format!("there is no database {name}; there is {}", known.join(", ")))
    })
}
