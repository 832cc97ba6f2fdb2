//! `pgherd demo`: what `tools/demo` runs once the herd and the proxy stand.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use super::output::show_line;
use crate::config::settings::{ClientSecret, ListenAddress, Settings};
use crate::config::{self, Overrides};
use crate::local::demo::{Target, load, network, run, stops};

/// Another seed is another network.
const SEED: u64 = 2026;

/// Load the demo's social network through a proxy, and show it round (see tools/demo).
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct Demo {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the tables and load the rows
    Load(Common),
    /// Print ten statements worth trying
    List(Common),
    /// Run the ten on a network just loaded, and compare their answers with what must come
    Check(Common),
}

#[derive(Debug, Args)]
struct Common {
    /// The settings of the proxy
    #[arg(short, long, value_name = "FILE", default_value = "pgherd.toml")]
    config: PathBuf,
    /// Users of the network
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    users: u32,
    /// Connections that load at the same time
    #[arg(long, value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..=100))]
    connections: u16,
}

impl Demo {
    pub fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
        match self.verb {
            Verb::Load(common) => runtime.block_on(load_network(&common)),
            Verb::List(common) => list(&common),
            Verb::Check(common) => runtime.block_on(check(&common)),
        }
    }
}

impl Common {
    fn target(&self) -> Result<Target, Failure> {
        let settings = config::load(&self.config, &Overrides::of_process(Vec::new()))
            .map_err(|mistakes| Failure::usage(format!("mistakes found\n{mistakes}")))?;
        target(&settings).ok_or_else(|| {
            Failure::usage("the demo needs an address, a database, and a user with a password")
        })
    }
}

fn target(settings: &Settings) -> Option<Target> {
    let network = |listen: &ListenAddress| match listen {
        ListenAddress::Network(address) => Some(*address),
        ListenAddress::Socket(_) => None,
    };
    let address = settings.proxy.listen.iter().find_map(network)?;
    let database = settings.databases.first()?;
    let user = database.control_user()?;
    let ClientSecret::Password(password) = &user.client else { return None };
    Some(Target {
        host: address.ip().to_string(),
        port: address.port(),
        database: database.name.to_string(),
        user: user.name.to_string(),
        password: password.reveal().to_owned(),
        shards: database.shard_names().map(str::to_owned).collect(),
    })
}

async fn load_network(common: &Common) -> Result<(), Failure> {
    let target = common.target()?;
    let people = network::make(SEED, common.users);
    let total = people.iter().map(network::Person::rows).sum();
    let bar = ProgressBar::new(total);
    let style = "loading {bar:40} {human_pos}/{human_len} rows, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style).map_err(Failure::failed)?);
    if !std::io::stderr().is_terminal() {
        show_line!("loading {total} rows");
    }
    let started = Instant::now();
    let done = |rows| bar.inc(rows);
    let rows = load(&target, &people, common.connections.into(), done).await;
    bar.finish_and_clear();
    let rows = rows.map_err(Failure::failed)?;
    show_line!(
        "loaded {} users, {rows} rows, in {:.1} s",
        people.len(),
        started.elapsed().as_secs_f64()
    );
    show_line!("(countries is a reference table: its rows went to each shard by the hint");
    show_line!(" /* pgherd: shard=NAME */, until writes to all shards at once are there)");
    Ok(())
}

fn list(common: &Common) -> Result<(), Failure> {
    let target = common.target()?;
    show_line!("Connect:\n\n  psql {}\n\nWorth trying:\n", target.url());
    for stop in stops(&network::make(SEED, common.users)) {
        show_line!("-- {}", stop.title);
        show_line!("{}\n", stop.text);
    }
    Ok(())
}

async fn check(common: &Common) -> Result<(), Failure> {
    let target = common.target()?;
    let mut wrong = 0;
    for stop in stops(&network::make(SEED, common.users)) {
        show_line!("-- {}\n{}", stop.title, stop.text);
        match run(&target, &stop).await {
            Ok(outcome) => {
                outcome.shown.iter().for_each(|line| show_line!("   {line}"));
                match outcome.wrong {
                    Some(why) => {
                        wrong += 1;
                        show_line!("   WRONG: {why}\n");
                    }
                    None => show_line!("   right\n"),
                }
            }
            Err(error) => {
                wrong += 1;
                show_line!("   WRONG: {error}\n");
            }
        }
    }
    match wrong {
        0 => Ok(()),
        n => Err(Failure::failed(format!("{n} statement(s) were not answered as they must be"))),
    }
}
