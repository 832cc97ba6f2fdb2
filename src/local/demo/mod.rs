//! The demo: a small social network, loaded through the proxy, and ten statements on it with
//! the answers that they must have.

mod load;
pub mod network;
mod tour;

use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

pub use load::{SCHEMA, load};
pub use tour::{Outcome, Stop, run, stops};

/// The way to the proxy.
#[derive(Debug, Clone)]
pub struct Target {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: String,
    /// Names of the shards, in order.
    pub shards: Vec<String>,
}

impl Target {
    /// As a person would type it. The password is that of a herd for development.
    pub fn url(&self) -> String {
        format!(
            "postgres://{}:{}@{}:{}/{}",
            self.user, self.password, self.host, self.port, self.database
        )
    }

    /// A connection of our own; its task ends when the client is dropped.
    pub(super) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .dbname(&self.database)
            .user(&self.user)
            .password(&self.password)
            .application_name("pgherd demo")
            .connect_timeout(Duration::from_secs(10));
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// Why the demo didn't go on: what it was doing, and what the server said.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {}", said(source))]
pub struct DemoError {
    doing: String,
    source: tokio_postgres::Error,
}

impl DemoError {
    fn while_doing(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> DemoError {
        let doing = doing.into();
        move |source| DemoError { doing, source }
    }
}

/// The server's own words, hint and all.
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => {
            let mut text = format!("{} ({})", db.message(), db.code().code());
            for (what, more) in [("detail", db.detail()), ("hint", db.hint())] {
                if let Some(more) = more {
                    text += &format!("\n  {what}: {more}");
                }
            }
            text
        }
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}
