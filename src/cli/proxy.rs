//! `pgherd proxy`: serves clients.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::output::show_line;
use super::{Failure, logging};
use crate::catalog::{FileStore, open_or_create};
use crate::cluster::install::install_all;
use crate::cluster::{Cluster, ServerBudgets};
use crate::config::settings::ListenAddress;
use crate::config::{self, Overrides, Settings, settings};
use crate::proxy::{Database, Listener, Served, Stop};

/// How long the start waits for the servers' tables to be read; clients are let in after it in
/// any case, and wait for what they need.
const SCHEMA_WAIT: Duration = Duration::from_secs(10);
/// How long tasks may take to end after the last client is gone.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Serve clients: one Postgres endpoint in front of all shards.
///
/// SIGTERM drains: nobody new is let in, idle clients are sent away, transactions may end within
/// proxy.drain_timeout. SIGINT stops at once.
#[derive(Debug, Args)]
pub struct Proxy {
    /// The settings
    #[arg(short, long, value_name = "FILE", default_value = "pgherd.toml")]
    config: PathBuf,
    /// Listen here instead of at proxy.listen; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<ListenAddress>,
    /// Override a setting, such as pool.size=40; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = super::check::key_value)]
    set: Vec<(String, String)>,
}

impl Proxy {
    pub fn run(self) -> Result<(), Failure> {
        let overrides = Overrides::of_process(self.set);
        let mut settings = config::load(&self.config, &overrides).map_err(Failure::usage)?;
        if !self.listen.is_empty() {
            settings.proxy.listen = self.listen;
        }
        logging::start(&settings.log)?;
        let runtime = runtime()?;
        let served = runtime.block_on(serve(settings, runtime.handle().clone()));
        runtime.shutdown_timeout(SHUTDOWN);
        served
    }
}

/// The thread that does all, but for the clients of the other workers.
fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(Failure::failed)
}

async fn serve(settings: Settings, runtime: Handle) -> Result<(), Failure> {
    let mut databases = BTreeMap::new();
    let servers = ServerBudgets::default();
    for database in &settings.databases {
        let db = open(&settings, database, &servers, &runtime).await?;
        databases.insert(database.name.clone(), Served::new(Arc::new(db)));
    }
    let listener = Listener::bind(&settings.proxy, &settings.limits, databases)
        .map_err(|error| Failure::failed(format!("can't listen: {error}")))?;
    watch_signals(listener.stop())?;
    let addresses: Vec<String> = listener.addresses().iter().map(|a| a.to_string()).collect();
    show_line!("pgherd: ready on {}", addresses.join(", "));
    listener.serve().await;
    tracing::info!("stopped");
    Ok(())
}

/// One database: its catalog, its servers, its tables.
async fn open(
    settings: &Settings,
    database: &settings::Database,
    servers: &ServerBudgets,
    runtime: &Handle,
) -> Result<Database, Failure> {
    let name = &database.name;
    let shards: Vec<&str> = database.shard_names().collect();
    let store = FileStore::new(&database.catalog);
    let catalog = open_or_create(&store, &database.rules, &shards)
        .map_err(|error| Failure::failed(format!("database {name}: {error}")))?;
    for (shard, outcome) in install_all(settings, database, &catalog).await {
        match outcome {
            Ok(done) if done.migrations.is_empty() && !done.placement => {}
            Ok(_) => tracing::info!(database = %name, shard, "schema pgherd is up to date"),
            // Its rows, or another database's, would be taken for somebody else's.
            Err(error) if error.is_misplaced() => {
                return Err(Failure::failed(format!("database {name}: {error}")));
            }
            // A shard that is down doesn't keep the others from being served.
            Err(error) => {
                tracing::warn!(database = %name, %error, "schema pgherd is not installed")
            }
        }
    }
    let database = &catalog.arrange(database);
    let cluster = Cluster::start(settings, database, servers, runtime.clone());
    // The cluster reads it already: one poller a database.
    let schema = Arc::clone(cluster.schema());
    let bounds = settings.limits.clone();
    let db = Database::new(cluster, schema, catalog, bounds, settings.cluster.query_timeout)
        .map_err(|error| Failure::failed(format!("database {name}: {error}")))?;
    if let Err(error) = db.loaded(SCHEMA_WAIT).await {
        tracing::warn!(database = %name, %error, "the home shard's tables are not known yet");
    }
    Ok(db)
}

/// SIGTERM drains, SIGINT stops, and so does a second SIGTERM.
fn watch_signals(stop: Stop) -> Result<(), Failure> {
    let mut term = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {
                tracing::info!("SIGTERM: draining");
                stop.drain();
                tokio::select! {
                    _ = term.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.now();
    });
    Ok(())
}
