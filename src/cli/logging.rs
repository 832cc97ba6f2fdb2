//! Where log lines go and how they look: set up once, by the subcommands that serve.
//!
//! Lines go to stderr: stdout holds only what was asked for. No line holds a secret (the type
//! [`Secret`](crate::config::Secret) prints as `***`) or a row's data.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use crate::config::settings::{Log, LogFormat};

use super::Failure;

/// Libraries that write statements, and with them rows, into their lower levels; no level that
/// an operator asks for shows those.
const QUIET: &[&str] = &["tokio_postgres", "postgres_protocol"];

/// Starts logging to stderr. Call it once a process.
pub fn start(log: &Log) -> Result<(), Failure> {
    let terminal = std::io::stderr().is_terminal();
    subscriber(log, terminal, std::io::stderr)?
        .try_init()
        .map_err(|error| Failure::failed(format!("logging can't be started: {error}")))
}

fn subscriber<W>(
    log: &Log,
    colours: bool,
    writer: W,
) -> Result<impl tracing::Subscriber + Send + Sync + use<W>, Failure>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = match log.format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Text => layer.with_ansi(colours).boxed(),
    };
    let registry = tracing_subscriber::registry();
    Ok(registry.with(filter(&log.level)?).with(filter_fn(may_be_shown)).with(layer))
}

fn filter(level: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| Failure::usage(format!("log.level {level:?} is not a level: {error}")))
}

fn may_be_shown(event: &Metadata<'_>) -> bool {
    let crate_name = event.target().split("::").next().unwrap_or_default();
    *event.level() <= Level::WARN || !QUIET.contains(&crate_name)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::config::Secret;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = Log { format, level: level.to_owned() };
        let subscriber = subscriber(&log, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let password = Secret::new("hunter2");
            tracing::info!(node = "127.0.0.1:5432", ?password, "connected");
            tracing::debug!("closer");
            tracing::debug!(target: "tokio_postgres::query", "executing SELECT 'a row'");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_is_a_line_an_event() {
        let text = logged(LogFormat::Text, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("connected node=\"127.0.0.1:5432\" password=***"), "{text}");
    }

    #[test]
    fn json_is_an_object_an_event() {
        let text = logged(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "connected");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["password"], "***");
    }

    #[test]
    fn no_level_shows_what_libraries_say_of_statements() {
        let text = logged(LogFormat::Text, "trace,tokio_postgres::query=trace");
        assert!(text.contains("closer") && !text.contains("a row"), "{text}");
    }

    #[test]
    fn a_wrong_level_is_refused() {
        assert!(filter("a=b=c").is_err());
    }
}
