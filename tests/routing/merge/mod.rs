//! What is merged from several shards, against what one real server says of all rows.

mod aggregates;
mod numbers;
mod order;
mod values;

use std::error::Error;

use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::support::{TestHerd, Want};

/// Runs a test with a connection to a server that all share.
fn with_server(test: impl AsyncFnOnce(Client)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let herd = TestHerd::shared(&Want::unsharded(0));
        let dsn = herd.primary("s1").expect("a primary").dsn();
        let (client, connection) =
            tokio_postgres::connect(&dsn, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        test(client).await;
    });
}

/// A value's bytes as they came, in binary.
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn Error + Sync + Send>> {
        Ok(Raw(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Raw, Box<dyn Error + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

type Cell = Option<Vec<u8>>;

/// A query's rows in binary.
async fn in_binary(client: &Client, sql: &str) -> Vec<Vec<Cell>> {
    let rows = client.query(sql, &[]).await.unwrap_or_else(|why| panic!("{sql}: {why:?}"));
    rows.iter().map(|row| (0..row.len()).map(|i| row.get::<_, Raw>(i).0).collect()).collect()
}

/// A query's rows in text.
async fn in_text(client: &Client, sql: &str) -> Vec<Vec<Cell>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|why| panic!("{sql}: {why:?}"));
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| (0..row.len()).map(|i| row.get(i).map(|v| v.as_bytes().to_vec())).collect())
        .collect()
}

/// The body of a DataRow.
fn data_row(cells: &[Cell]) -> Vec<u8> {
    let mut frame = bytes::BytesMut::new();
    pgherd::wire::backend::data_row(&mut frame, cells.iter().map(Option::as_deref));
    frame[5..].to_vec()
}

/// Texts as the elements of an array literal's constructor.
fn literals(texts: &[Option<String>]) -> String {
    let quoted = texts.iter().map(|text| match text {
        None => "NULL".to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', "''")),
    });
    quoted.collect::<Vec<_>>().join(", ")
}
