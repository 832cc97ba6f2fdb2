//! One look at one server: what it says of itself.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use crate::cluster::control;
use crate::config::settings::{Database, NodeAddress, User};
use crate::config::tls::ServerTls;

/// Instead of a receiver's status, without the rights of `pg_monitor`.
pub const HIDDEN: &str = "hidden";

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeFacts {
    /// `server_version_num`: 150018 is 15.18.
    pub version: i32,
    pub in_recovery: bool,
    /// Made by initdb; a replica has its primary's.
    pub system_identifier: String,
    pub wal_level: String,
    pub max_prepared_transactions: i32,
    pub track_commit_timestamp: bool,
    pub max_replication_slots: i32,
    pub max_wal_senders: i32,
    pub max_connections: i32,
    pub reserved_connections: i32,
    pub fsync: bool,
    pub full_page_writes: bool,
    /// Of the database.
    pub encoding: String,
    /// Settings that change what a statement answers, with their values for this user.
    pub answers: Vec<(String, String)>,
    /// Prepared transactions in the database, without pgherd's.
    pub prepared: i64,
    /// Age of the oldest of them in seconds.
    pub prepared_age: f64,
    /// Those of pgherd's transactions over several shards.
    pub in_doubt: i64,
    /// Age of the oldest of them in seconds.
    pub in_doubt_age: f64,
    /// pgherd was installed, but for what decides a transaction over several shards.
    pub undecided: bool,
    /// The control user is a superuser.
    pub superuser: bool,
    /// `pg_stat_wal_receiver.status`; `None` when there is no receiver, [`HIDDEN`] when the
    /// control user may not see it.
    pub receiver: Option<String>,
    /// Replicas that stream from here.
    pub senders: i64,
    /// Its clock minus ours in seconds, less what the way there and back can explain.
    pub skew: f64,
}

const FACTS: &str = "
SELECT current_setting('server_version_num')::int4,
       pg_is_in_recovery(),
       (SELECT system_identifier::text FROM pg_control_system()),
       current_setting('wal_level'),
       current_setting('max_prepared_transactions')::int4,
       current_setting('track_commit_timestamp')::bool,
       current_setting('max_replication_slots')::int4,
       current_setting('max_wal_senders')::int4,
       current_setting('max_connections')::int4,
       current_setting('superuser_reserved_connections')::int4,
       current_setting('fsync')::bool,
       current_setting('full_page_writes')::bool,
       current_setting('server_encoding'),
       p.prepared, p.prepared_age,
       (SELECT coalesce(status, 'hidden')
          FROM pg_stat_wal_receiver WHERE pid IS NOT NULL),
       (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'),
       extract(epoch FROM clock_timestamp())::float8,
       p.in_doubt, p.in_doubt_age,
       to_regnamespace('pgherd') IS NOT NULL AND to_regprocedure('pgherd.decide(text)') IS NULL,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  FROM (SELECT count(*) FILTER (WHERE NOT ours) AS prepared,
               coalesce(max(age) FILTER (WHERE NOT ours), 0) AS prepared_age,
               count(*) FILTER (WHERE ours) AS in_doubt,
               coalesce(max(age) FILTER (WHERE ours), 0) AS in_doubt_age
          FROM (SELECT starts_with(gid, 'pgherd_') AS ours,
                       extract(epoch FROM now() - prepared)::float8 AS age
                  FROM pg_prepared_xacts WHERE database = current_database()) AS x) AS p";

/// What must be the same everywhere, for a statement to be answered alike everywhere. The
/// columns of `pg_database` that not all versions have are read by way of JSON.
const ANSWERS: &str = "
SELECT name, setting FROM pg_settings
 WHERE name IN ('DateStyle', 'IntervalStyle', 'TimeZone', 'bytea_output', 'extra_float_digits',
                'standard_conforming_strings', 'default_transaction_isolation', 'search_path',
                'lc_monetary', 'lc_numeric', 'lc_time', 'xmlbinary', 'xmloption',
                'default_text_search_config', 'transform_null_equals')
UNION ALL
SELECT 'the database''s collation',
       concat_ws(' ', datcollate, to_jsonb(d) ->> 'datlocprovider', to_jsonb(d) ->> 'daticulocale',
                 to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'datcollversion')
  FROM pg_database d WHERE datname = current_database()
UNION ALL
SELECT 'the database''s character type', datctype FROM pg_database
 WHERE datname = current_database()
ORDER BY 1";

/// Why a server could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing answers there, or not in time.
    Unreachable(String),
    /// It answers and doesn't let us in.
    Refused { sqlstate: String, message: String },
}

/// A server that let us in.
pub struct Node {
    pub client: Client,
    pub facts: NodeFacts,
}

/// Connects as the database's control user and asks. `connect` bounds the way in, `query`
/// each question.
pub async fn look(
    address: &NodeAddress,
    tls: &ServerTls,
    database: &Database,
    connect: Duration,
    query: Duration,
) -> Result<Node, Trouble> {
    let Some(user) = database.control_user() else {
        return Err(Trouble::Unreachable("the database has no user".to_owned()));
    };
    let client = within(connect, log_in(address, tls, database, user, connect, query)).await?;
    let facts = within(query, facts(&client)).await?;
    Ok(Node { client, facts })
}

/// Whether a user of the database can log in.
pub async fn knock(
    address: &NodeAddress,
    tls: &ServerTls,
    database: &Database,
    user: &User,
    connect: Duration,
) -> Result<(), Trouble> {
    within(connect, log_in(address, tls, database, user, connect, connect)).await.map(drop)
}

async fn within<T>(
    bound: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    match timeout(bound, work).await {
        Err(_) => Err(Trouble::Unreachable(format!("no answer within {bound:?}"))),
        Ok(Err(error)) => Err(trouble(&error)),
        Ok(Ok(done)) => Ok(done),
    }
}

fn trouble(error: &tokio_postgres::Error) -> Trouble {
    match error.as_db_error() {
        Some(db) if *db.code() == SqlState::CANNOT_CONNECT_NOW => {
            Trouble::Unreachable(db.message().to_owned())
        }
        Some(db) => Trouble::Refused {
            sqlstate: db.code().code().to_owned(),
            message: db.message().to_owned(),
        },
        None => Trouble::Unreachable(described(error)),
    }
}

/// The server's own words, or the error with its causes, which its own text leaves out.
pub(super) fn described(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn log_in(
    address: &NodeAddress,
    tls: &ServerTls,
    database: &Database,
    user: &User,
    connect: Duration,
    query: Duration,
) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host(&*address.host)
        .port(address.port)
        .dbname(&*database.server_name)
        .user(&*user.name)
        .application_name("pgherd check")
        .connect_timeout(connect)
        .options(format!("-c statement_timeout={}", query.as_millis()));
    if let Some(password) = &user.server_password {
        config.password(password.reveal());
    }
    let (client, connection) = control::connect(&mut config, tls).await?;
    // Ends when the client is dropped; what goes wrong shows in the client's own answers.
    tokio::spawn(connection);
    Ok(client)
}

async fn facts(client: &Client) -> Result<NodeFacts, tokio_postgres::Error> {
    let asked = (Instant::now(), seconds_now());
    let row = client.query_one(FACTS, &[]).await?;
    let took = asked.0.elapsed().as_secs_f64();
    let answers = client.query(ANSWERS, &[]).await?;
    let answers = answers
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, tokio_postgres::Error>>()?;
    read(&row, answers, asked.1, took)
}

fn read(
    row: &Row,
    answers: Vec<(String, String)>,
    before: f64,
    took: f64,
) -> Result<NodeFacts, tokio_postgres::Error> {
    Ok(NodeFacts {
        version: row.try_get(0)?,
        in_recovery: row.try_get(1)?,
        system_identifier: row.try_get(2)?,
        wal_level: row.try_get(3)?,
        max_prepared_transactions: row.try_get(4)?,
        track_commit_timestamp: row.try_get(5)?,
        max_replication_slots: row.try_get(6)?,
        max_wal_senders: row.try_get(7)?,
        max_connections: row.try_get(8)?,
        reserved_connections: row.try_get(9)?,
        fsync: row.try_get(10)?,
        full_page_writes: row.try_get(11)?,
        encoding: row.try_get(12)?,
        answers,
        prepared: row.try_get(13)?,
        prepared_age: row.try_get(14)?,
        receiver: row.try_get(15)?,
        senders: row.try_get(16)?,
        skew: skew(before, took, row.try_get(17)?),
        in_doubt: row.try_get(18)?,
        in_doubt_age: row.try_get(19)?,
        undecided: row.try_get(20)?,
        superuser: row.try_get(21)?,
    })
}

fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The server looked at its clock somewhere between question and answer: only what lies
/// outside of that is skew.
fn skew(before: f64, took: f64, theirs: f64) -> f64 {
    if theirs < before {
        theirs - before
    } else if theirs > before + took {
        theirs - (before + took)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::skew;

    #[test]
    fn skew_is_what_the_way_does_not_explain() {
        assert_eq!(skew(100.0, 2.0, 101.0), 0.0);
        assert_eq!(skew(100.0, 2.0, 105.0), 3.0);
        assert_eq!(skew(100.0, 2.0, 97.0), -3.0);
    }
}
