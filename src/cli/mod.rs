//! What a person types: one file a subcommand.
//!
//! A subcommand is a struct of arguments with `run(self) -> Result<(), Failure>`; this file
//! only names it. It makes its own runtime when it needs one: `local` needs none, the proxy
//! chooses its own number of threads.
//!
//! Exit codes: 0 done, 1 failed, 2 the command line or what it names is wrong. What went wrong
//! is said on stderr in plain words; stdout holds only what was asked for.

mod check;
mod demo;
mod install;
mod local;
pub mod logging;
mod output;
mod proxy;
mod route;

use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One Postgres endpoint in front of a herd of Postgres servers.
#[derive(Debug, Parser)]
#[command(name = "pgherd", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Demo(demo::Demo),
    Install(install::Install),
    Local(local::Local),
    Proxy(proxy::Proxy),
    Route(route::Route),
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Command::Check(check) => check.run(),
            Command::Demo(demo) => demo.run(),
            Command::Install(install) => install.run(),
            Command::Local(local) => local.run(),
            Command::Proxy(proxy) => proxy.run(),
            Command::Route(route) => route.run(),
        }
    }
}

/// Why a subcommand did not do what it was asked; its text is for the person who typed it.
#[derive(Debug)]
pub enum Failure {
    /// The arguments, or a file that they name, are wrong: exit code 2.
    Usage(String),
    /// It was tried and did not work: exit code 1.
    Failed(String),
    /// As `Failed`, and the subcommand has already said why.
    Said,
}

impl Failure {
    /// The arguments, or a file that they name, are wrong.
    pub fn usage(what: impl fmt::Display) -> Failure {
        Failure::Usage(what.to_string())
    }

    /// It was tried and did not work.
    pub fn failed(what: impl fmt::Display) -> Failure {
        Failure::Failed(what.to_string())
    }
}

/// Reads the command line, runs what it names, and turns the outcome into an exit code.
pub fn main() -> ExitCode {
    // clap itself answers --help and --version with 0 and a wrong command line with 2.
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(what)) => say(&what, 2),
        Err(Failure::Failed(what)) => say(&what, 1),
        Err(Failure::Said) => ExitCode::from(1),
    }
}

fn say(what: &str, code: u8) -> ExitCode {
    eprintln!("pgherd: {what}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
