//! What a herd looks like now.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::error::Error;
use super::herd::{self, Herd};
use super::node::{Node, Role};
use super::process;
use super::server;
use super::sql;
use super::{PASSWORD, USER};

/// How long a node may take to answer before it is told as not answering.
const ANSWER_TAKES: Duration = Duration::from_secs(2);

/// A herd as it is now; `pgherd local status --json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub dir: PathBuf,
    /// The settings for `pgherd proxy -c`.
    pub config: PathBuf,
    pub database: String,
    pub user: String,
    pub password: String,
    /// Where the proxy is to listen.
    pub proxy_host: String,
    pub proxy_port: u16,
    pub proxy_dsn: String,
    pub unsharded: bool,
    pub fsync: bool,
    pub shards: Vec<ShardStatus>,
}

/// One shard, its first node first.
#[derive(Debug, Clone, Serialize)]
pub struct ShardStatus {
    pub name: String,
    pub nodes: Vec<NodeStatus>,
}

/// One node.
#[derive(Debug, Clone, Serialize)]
pub struct NodeStatus {
    pub name: String,
    pub role: Role,
    pub state: NodeState,
    pub host: String,
    pub port: u16,
    /// The postmaster's process.
    pub pid: Option<i32>,
    /// Of a replica that answers: whether it receives its primary's WAL.
    pub streaming: Option<bool>,
    /// As text: it does not fit a JSON number of 53 bits. Null when it can't be read.
    pub system_identifier: Option<String>,
    pub data: PathBuf,
    pub log: PathBuf,
    pub socket_dir: PathBuf,
    pub dsn: String,
}

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It answers.
    Running,
    /// It runs and does not answer (yet).
    Starting,
    /// Its processes are frozen.
    Paused,
    Stopped,
}

impl Status {
    /// Whether every node answers and every replica streams.
    pub fn is_up(&self) -> bool {
        self.shards
            .iter()
            .flat_map(|shard| &shard.nodes)
            .all(|node| node.state == NodeState::Running && node.streaming != Some(false))
    }
}

impl Herd {
    /// Looks at every node, all at once; two seconds at most.
    pub fn status(&self) -> Result<Status, Error> {
        let shape = self.shape();
        let mut shards = Vec::new();
        for name in shape.shard_names() {
            let nodes = self.shard(&name);
            let nodes = std::thread::scope(|scope| {
                let looks: Vec<_> = nodes.iter().map(|node| scope.spawn(|| look(node))).collect();
                let ended = || Error::Failed("looking at a node ended its thread".into());
                looks
                    .into_iter()
                    .map(|look| look.join().unwrap_or_else(|_| Err(ended())))
                    .collect::<Result<Vec<_>, Error>>()
            })?;
            shards.push(ShardStatus { name, nodes });
        }
        Ok(Status {
            dir: self.dir().to_owned(),
            config: self.config(),
            database: shape.database.clone(),
            user: USER.into(),
            password: PASSWORD.into(),
            proxy_host: "127.0.0.1".into(),
            proxy_port: shape.base_port,
            proxy_dsn: herd::dsn(shape.base_port, &shape.database),
            unsharded: shape.unsharded,
            fsync: self.inner().state.fsync,
            shards,
        })
    }
}

fn look(node: &Node) -> Result<NodeStatus, Error> {
    let place = node.place();
    let processes = process::within(&place.data)?;
    let postmaster = process::postmaster(&processes);
    let mut role = node.role();
    let mut streaming = None;
    let state = match postmaster {
        None => NodeState::Stopped,
        Some(postmaster) if postmaster.paused => NodeState::Paused,
        Some(postmaster) if !server::says_ready(&place, postmaster.pid) => NodeState::Starting,
        Some(_) => match ask(place.port) {
            Some((now, receiving)) => {
                role = now;
                streaming = (role == Role::Replica).then_some(receiving);
                NodeState::Running
            }
            None => NodeState::Starting,
        },
    };
    Ok(NodeStatus {
        name: node.member().name.clone(),
        role,
        state,
        host: "127.0.0.1".into(),
        port: place.port,
        pid: postmaster.map(|postmaster| postmaster.pid),
        streaming,
        system_identifier: node.system_identifier().ok().map(|id| id.to_string()),
        dsn: node.dsn(),
        data: place.data,
        log: place.log,
        socket_dir: place.sockets,
    })
}

/// A node's role in its own words, and whether it receives WAL; `None` without an answer.
fn ask(port: u16) -> Option<(Role, bool)> {
    const QUESTION: &str = "SELECT pg_is_in_recovery(), \
         EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')";
    let rows = sql::query(port, "postgres", &[QUESTION], ANSWER_TAKES).ok()?;
    let is = |column: usize| rows.first()?.get(column)?.as_ref().map(|text| text == "t");
    Some((if is(0)? { Role::Replica } else { Role::Primary }, is(1)?))
}
