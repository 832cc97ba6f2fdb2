//! A few statements to one node: is it there, does it stream, make the database and the slots.

use std::time::Duration;

use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::error::Error;
use super::{PASSWORD, USER};

/// Rows as text; NULL is `None`.
pub(super) type Rows = Vec<Vec<Option<String>>>;

/// Runs statements on the node at `port` and returns the rows of all of them.
///
/// It runs on a thread and a runtime of its own, so that it may be called from anywhere, also
/// from within a runtime; the caller's thread waits.
pub(super) fn query(
    port: u16,
    database: &str,
    statements: &[&str],
    limit: Duration,
) -> Result<Rows, Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(USER).password(PASSWORD).dbname(database);
    config.application_name("pgherd local");
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Error::Failed(format!("can't make a runtime: {e}")))?;
        runtime.block_on(async {
            match tokio::time::timeout(limit, talk(&config, statements)).await {
                Ok(Ok(rows)) => Ok(rows),
                Ok(Err(e)) => {
                    let said = e.as_db_error().map(|e| format!(": {}", e.message()));
                    let said = said.unwrap_or_default();
                    Err(Error::Failed(format!("127.0.0.1:{port}: {e}{said}")))
                }
                Err(_) => {
                    Err(Error::Failed(format!("127.0.0.1:{port} did not answer in {limit:?}")))
                }
            }
        })
    };
    std::thread::scope(|scope| {
        scope.spawn(run).join().unwrap_or_else(|_| {
            Err(Error::Failed(format!("asking 127.0.0.1:{port} ended the thread that asked")))
        })
    })
}

async fn talk(config: &Config, statements: &[&str]) -> Result<Rows, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let mut rows = Vec::new();
    for statement in statements {
        for message in client.simple_query(statement).await? {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect());
            }
        }
    }
    drop(client);
    // Ends by itself once the farewell is sent.
    let _ = connection.await;
    Ok(rows)
}
