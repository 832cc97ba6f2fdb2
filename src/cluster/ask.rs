//! A question of our own over a raw connection, answered in text.

use std::time::Duration;

use tokio::time::timeout;

use super::backend::Backend;
use super::error::ConnectError;
use crate::wire::backend::{self, ErrorFields, tag};
use crate::wire::{ProtocolError, frame, frontend};

/// Longest single message that an answer may hold, and the most rows. The questions asked here
/// have answers of a line.
const MESSAGE: usize = 64 * 1024;
const ROWS: usize = 1000;

/// One row of text values.
pub type Row = Vec<Option<String>>;

/// Asks by simple query and gives the rows, all within `limit`.
pub async fn ask(
    backend: &mut Backend,
    question: &str,
    limit: Duration,
) -> Result<Vec<Row>, ConnectError> {
    match timeout(limit, exchange(backend, question)).await {
        Ok(answer) => answer,
        Err(_) => {
            backend.mark_broken();
            Err(ConnectError::Unreachable(format!("no answer within {:.1} s", limit.as_secs_f64())))
        }
    }
}

async fn exchange(backend: &mut Backend, question: &str) -> Result<Vec<Row>, ConnectError> {
    frontend::write_query(&mut backend.output, question.as_bytes());
    backend.expect_ready(1);
    backend.send().await?;
    let mut rows = Vec::new();
    let mut failed = None;
    loop {
        let Some((tag, body)) = frame::take(&mut backend.input, MESSAGE, "an answer's bound")?
        else {
            backend.fill().await?;
            continue;
        };
        match tag {
            tag::DATA_ROW if rows.len() < ROWS => rows.push(read_row(&body)?),
            tag::DATA_ROW => return Err(ProtocolError::message("too many rows").into()),
            tag::ERROR_RESPONSE => {
                failed = Some(ConnectError::answered(ErrorFields::read(&body)?));
            }
            _ => backend.note(tag, &body)?,
        }
        if tag == tag::READY_FOR_QUERY {
            return failed.map_or(Ok(rows), Err);
        }
    }
}

/// Reads the body of a DataRow, all of whose values are text.
///
/// # Errors
/// It is malformed.
pub fn read_row(body: &[u8]) -> Result<Row, ProtocolError> {
    let values = backend::read_data_row(body)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(values.iter().map(|v| v.map(text)).collect())
}
