//! `pgherd local`: real Postgres clusters on this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use super::output::show_line;
use crate::local::{self, Asked, Event, Herd, NodeState, Options, Role, Status, Stop};

/// Start, stop and look at real Postgres clusters on this machine, for development.
///
/// A herd lies in one directory: N shards, each a primary and its streaming replicas, all on
/// 127.0.0.1, with the superuser pgherd and the password pgherd. The proxy is to listen on the
/// base port; the nodes have the ports after it.
#[derive(Debug, Args)]
pub struct Local {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the herd in a directory, or make one there; what runs is left alone
    Up(Box<Up>),
    /// Stop every server of a herd, also after `up` was killed
    Down(Down),
    /// Show shards, nodes, roles and ports
    Status(Look),
}

#[derive(Debug, Args)]
struct Up {
    /// The herd's directory
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Shards, named s1, s2, … [default: 3]
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// Streaming replicas of each shard [default: 1]
    #[arg(long, value_name = "N")]
    replicas: Option<u16>,
    /// The proxy's port; the nodes listen on the ports after it [default: 6432]
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// The database's name [default: app]
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// One group that holds all rows, without sharding rules
    #[arg(long)]
    unsharded: bool,
    /// Sharding rules to copy in
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Where `postgres` and `initdb` are [default: the highest installed version]
    #[arg(long, value_name = "DIR")]
    postgres_bin: Option<PathBuf>,
    /// Where template data directories are kept [default: /var/cache/pgherd for root, else
    /// ~/.cache/pgherd]
    #[arg(long, value_name = "DIR")]
    template_dir: Option<PathBuf>,
    /// Don't wait for the disk: faster, and lost if the machine stops. The first `up` decides
    #[arg(long)]
    no_fsync: bool,
    /// How long the start may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// Print the status as JSON when it is up
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Down {
    /// The herd's directory
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Don't write a checkpoint: as after a crash
    #[arg(long)]
    immediate: bool,
    /// Remove the herd's files too, all its rows with them
    #[arg(long)]
    remove: bool,
    /// Print how many nodes were stopped as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Look {
    /// The herd's directory
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Print JSON (described in docs/local.md)
    #[arg(long)]
    json: bool,
}

impl Local {
    pub fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::Up(up) => up.run(),
            Verb::Down(down) => down.run(),
            Verb::Status(look) => look.run(),
        }
    }
}

impl Up {
    fn run(self) -> Result<(), Failure> {
        let json = self.json;
        let options = Options {
            dir: self.dir,
            asked: Asked {
                shards: self.shards,
                replicas: self.replicas,
                base_port: self.base_port,
                database: self.database,
                unsharded: self.unsharded,
            },
            rules: self.rules,
            postgres_bin: self.postgres_bin,
            template_dir: self.template_dir,
            fsync: !self.no_fsync,
            limit: Duration::from_secs(self.timeout),
        };
        let bar = progress()?;
        let raised = local::up(&options, &|event| match event {
            Event::MakingTemplate => bar.set_message("initdb, once for this version"),
            Event::Nodes(nodes) => {
                bar.set_length(nodes as u64);
                bar.set_message("starting");
            }
            Event::Ready(node) => {
                bar.inc(1);
                bar.set_message(node);
            }
        });
        bar.finish_and_clear();
        let herd = raised?;
        if json { print_json(&herd.status()?) } else { invite(&herd) }
    }
}

/// A bar on stderr; indicatif draws none where stderr is no terminal.
fn progress() -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{spinner} nodes {bar:30} {pos}/{len} {msg}");
    let bar = ProgressBar::new(0).with_style(style.map_err(Failure::failed)?);
    bar.enable_steady_tick(Duration::from_millis(100));
    Ok(bar)
}

fn invite(herd: &Herd) -> Result<(), Failure> {
    let shape = herd.shape();
    let group = if shape.unsharded { "group" } else { "shard" };
    show_line!(
        "{} {group}{} of a primary and {} replica{} in {}, database {}",
        shape.shards,
        if shape.shards == 1 { "" } else { "s" },
        shape.replicas,
        if shape.replicas == 1 { "" } else { "s" },
        herd.dir().display(),
        shape.database
    );
    for node in herd.nodes() {
        show_line!("  {:8} {}", node.member().name, node.dsn());
    }
    show_line!("\nNow:  pgherd proxy -c {}", herd.config().display());
    show_line!("then: psql {}", herd.proxy_dsn());
    Ok(())
}

impl Down {
    fn run(self) -> Result<(), Failure> {
        let how = if self.immediate { Stop::Immediate } else { Stop::Fast };
        let stopped =
            if self.remove { local::remove(&self.dir)? } else { local::down(&self.dir, how)? };
        if self.json {
            return print_json(&serde_json::json!({ "stopped": stopped, "removed": self.remove }));
        }
        let removed = if self.remove { ", removed the herd's files" } else { "" };
        match stopped {
            0 => show_line!("nothing ran in {}{removed}", self.dir.display()),
            1 => show_line!("stopped 1 node{removed}"),
            n => show_line!("stopped {n} nodes{removed}"),
        }
        Ok(())
    }
}

impl Look {
    fn run(self) -> Result<(), Failure> {
        let status = Herd::open(&self.dir)?.status()?;
        if self.json { print_json(&status) } else { print_table(&status, &self.dir) }
    }
}

fn print_table(status: &Status, dir: &Path) -> Result<(), Failure> {
    show_line!(
        "{}: database {}, proxy on 127.0.0.1:{}",
        dir.display(),
        status.database,
        status.proxy_port
    );
    for shard in &status.shards {
        for node in &shard.nodes {
            let role = match node.role {
                Role::Primary => "primary",
                Role::Replica => "replica",
            };
            let state = match (node.state, node.streaming) {
                (NodeState::Running, Some(true)) => "running, streaming",
                (NodeState::Running, Some(false)) => "running, receives nothing",
                (NodeState::Running, None) => "running",
                (NodeState::Starting, _) => "starting",
                (NodeState::Paused, _) => "paused",
                (NodeState::Stopped, _) => "stopped",
            };
            let pid = node.pid.map_or_else(String::new, |pid| format!("  pid {pid}"));
            show_line!("  {:8} {role}  127.0.0.1:{}  {state}{pid}", node.name, node.port);
        }
    }
    Ok(())
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    show_line!("{}", serde_json::to_string_pretty(value).map_err(Failure::failed)?);
    Ok(())
}

impl From<local::Error> for Failure {
    fn from(error: local::Error) -> Failure {
        match error {
            local::Error::Asked(_) => Failure::usage(error),
            _ => Failure::failed(error),
        }
    }
}
