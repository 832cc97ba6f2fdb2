//! Pool modes, and what a client keeps from one transaction to the next.

mod pins;
mod prepare;
mod same;
mod session;

use std::future::poll_fn;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Notification};

use crate::support::{Proxy, TestHerd, Want};

/// Longer than anything here takes on a slow machine.
const SOON: Duration = Duration::from_secs(60);

/// The unsharded herd that these tests share.
fn herd() -> &'static TestHerd {
    TestHerd::shared(&Want::unsharded(0))
}

/// A proxy of the shared herd in session mode.
fn session_proxy() -> &'static Proxy {
    static PROXY: OnceLock<Proxy> = OnceLock::new();
    PROXY.get_or_init(|| herd().proxy_with(|settings| in_mode("session", &settings)))
}

/// The settings with a pool mode for the database.
fn in_mode(mode: &str, settings: &str) -> String {
    settings.replacen("[database.app]\n", &format!("[database.app]\npool_mode = \"{mode}\"\n"), 1)
}

/// A connection, and the notifications that come over it.
async fn connect_listening(config: &Config) -> (Client, UnboundedReceiver<Notification>) {
    let (client, mut connection) = config.connect(NoTls).await.expect("it connects");
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message {
                // Nobody may be interested.
                let _ = sender.send(notification);
            }
        }
    });
    (client, receiver)
}

/// The one value that a statement of the simple protocol answers.
async fn value(client: &Client, statement: &str) -> Option<String> {
    let messages = client.simple_query(statement).await.unwrap_or_else(|error| {
        panic!("{statement}: {error:?}");
    });
    messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

/// Waits until something is so.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
