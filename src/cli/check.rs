//! `pgherd check`: the configuration, and the servers that it names.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Failure;
use super::output::{show, show_line};
use crate::cluster::check::{Finding, Report, Severity, check, check_files};
use crate::config::{self, Mistakes, Overrides, Place, Settings};

/// Check the configuration, then the live servers, and say how to mend each finding.
///
/// Exit code 0: no error (there may be warnings). 1: a server, or its tables, are not as the
/// configuration needs them. 2: the configuration itself is wrong.
#[derive(Debug, Args)]
pub struct Check {
    /// The settings
    #[arg(short, long, value_name = "FILE", default_value = "pgherd.toml")]
    config: PathBuf,
    /// Override a setting, such as pool.size=40; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Check the files only, and connect to nothing
    #[arg(long)]
    offline: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A setting as a flag gives it: `pool.size=40`.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as pool.size=40".to_owned()),
    }
}

impl Check {
    pub fn run(self) -> Result<(), Failure> {
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(mistakes) if self.json => {
                show_line!("{}", in_json(&mistakes));
                return Err(Failure::usage(format!("{} mistake(s)", mistakes.0.len())));
            }
            Err(mistakes) => return Err(Failure::usage(format!("mistakes found\n{mistakes}"))),
        };
        if self.offline {
            if self.json {
                show_line!("{}", json!({ "mistakes": [] }));
            } else {
                show_line!("{}: no mistake", self.config.display());
            }
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
        let report = runtime.block_on(check(&settings));
        if self.json {
            let text = serde_json::to_string_pretty(&report).map_err(Failure::failed)?;
            show_line!("{text}");
        } else {
            show!("{}", in_text(&report));
        }
        if report.passed() { Ok(()) } else { Err(Failure::Said) }
    }

    fn settings(&self) -> Result<Settings, Mistakes> {
        let settings = config::load(&self.config, &Overrides::of_process(self.set.clone()))?;
        Mistakes::none_or(check_files(&settings))?;
        Ok(settings)
    }
}

fn in_json(mistakes: &Mistakes) -> serde_json::Value {
    let mistakes = mistakes.0.iter().map(|mistake| {
        let (file, line) = match &mistake.place {
            Place::Line(file, line) => (Some(file), Some(line)),
            Place::File(file) => (Some(file), None),
            Place::Variable(_) | Place::Flag(_) => (None, None),
        };
        json!({
            "where": mistake.place.to_string(),
            "file": file,
            "line": line,
            "message": mistake.message,
        })
    });
    json!({ "mistakes": mistakes.collect::<Vec<_>>() })
}

fn in_text(report: &Report) -> String {
    let mut text = String::new();
    for Finding { severity, code, place, message, mend } in &report.findings {
        text += &format!("{severity:<7} {place}: {message} [{code}]\n        mend: {mend}\n");
    }
    let count = |number: usize, what: &str| {
        let plural = if number == 1 { "" } else { "s" };
        format!("{number} {what}{plural}")
    };
    text += &format!(
        "{}, {}, {}, {}: {}, {}, {}\n",
        count(report.databases, "database"),
        count(report.shards, "shard"),
        count(report.nodes, "node"),
        count(report.tables, "table"),
        count(report.count(Severity::Error), "error"),
        count(report.count(Severity::Warning), "warning"),
        count(report.count(Severity::Note), "note"),
    );
    text
}
