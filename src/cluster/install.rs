//! Brings the primaries of all shards up to date with the catalog.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::catalog::{Catalog, InstallError, Installed, install};
use crate::cluster::control;
use crate::config::settings::{Database, NodeAddress, Settings, Shard};
use crate::config::tls::ServerTls;

/// Why nothing was installed on a shard.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    #[error("shard {shard}: {why}")]
    NoPrimary { shard: Box<str>, why: String },
    #[error("shard {shard}, node {node}: {error}")]
    Node { shard: Box<str>, node: NodeAddress, error: InstallError },
}

impl ShardError {
    /// Whether statements would be answered with the wrong rows: see
    /// [`InstallError::is_misplaced`]. Anything else the proxy can do without.
    pub fn is_misplaced(&self) -> bool {
        matches!(self, ShardError::Node { error, .. } if error.is_misplaced())
    }
}

/// Installs on every shard's primary what it lacks, all at once, each within
/// `pool.connect_timeout` a node and `cluster.query_timeout`; the outcome of each, in the
/// order of the settings. A shard without an answer doesn't keep the others from being
/// brought up to date.
pub async fn install_all(
    settings: &Settings,
    database: &Database,
    catalog: &Catalog,
) -> Vec<(Box<str>, Result<Installed, ShardError>)> {
    let all = database.shards.iter().map(async |shard| {
        (shard.name.clone(), install_on(settings, database, catalog, shard).await)
    });
    join_all(all).await
}

async fn install_on(
    settings: &Settings,
    database: &Database,
    catalog: &Catalog,
    shard: &Shard,
) -> Result<Installed, ShardError> {
    let no_primary = |why| ShardError::NoPrimary { shard: shard.name.clone(), why };
    let id = catalog.shard_id(&shard.name);
    let id = id.ok_or_else(|| no_primary("the catalog does not know it".to_owned()))?;
    let limit = settings.cluster.query_timeout;
    let mut silent = Vec::new();
    for node in &shard.nodes {
        let mut client = match connect(settings, database, node, &shard.tls).await {
            Ok(client) => client,
            Err(why) => {
                silent.push(format!("{node}: {why}"));
                continue;
            }
        };
        match install(&mut client, catalog, id, limit).await {
            Err(InstallError::Replica) => {}
            Err(error) => {
                let (shard, node) = (shard.name.clone(), node.clone());
                return Err(ShardError::Node { shard, node, error });
            }
            Ok(done) => return Ok(done),
        }
    }
    let nodes: Vec<String> = shard.nodes.iter().map(NodeAddress::to_string).collect();
    let silent = if silent.is_empty() { "all are replicas".to_owned() } else { silent.join("; ") };
    Err(no_primary(format!("no primary among {}: {silent}", nodes.join(", "))))
}

async fn connect(
    settings: &Settings,
    database: &Database,
    node: &NodeAddress,
    tls: &ServerTls,
) -> Result<Client, String> {
    let limit: Duration = settings.pool.connect_timeout;
    let mut config = tokio_postgres::Config::new();
    config
        .host(&*node.host)
        .port(node.port)
        .dbname(&*database.server_name)
        .application_name("pgherd install");
    if let Some(user) = database.control_user() {
        config.user(&*user.name);
        if let Some(password) = &user.server_password {
            config.password(password.reveal());
        }
    }
    match timeout(limit, control::connect(&mut config, tls)).await {
        Err(_) => Err(format!("no answer within {limit:?}")),
        Ok(Err(error)) => Err(InstallError::from(error).to_string()),
        Ok(Ok((client, connection))) => {
            // Ends when the client is dropped; what goes wrong shows in its own answers.
            tokio::spawn(connection);
            Ok(client)
        }
    }
}
