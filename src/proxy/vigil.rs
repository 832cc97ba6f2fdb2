//! Whether a client is still there, while nothing is read from it.
//!
//! One that has sent far ahead isn't read until its statements get their turn, and so its end
//! isn't seen either. Then it is looked for now and then; at all other times this costs nothing.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::client::{Client, Gone};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// For one wait; makes its timer when it comes to that.
#[derive(Debug, Default)]
pub struct Vigil(Option<Pin<Box<Sleep>>>);

impl Vigil {
    /// Ready when the client is gone.
    pub fn poll(&mut self, client: &Client, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep(EVERY)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if client.has_ended() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(Instant::now() + EVERY);
        }
    }

    /// Reads once while less than `ahead` bytes are there, else only watches. May be dropped
    /// while waiting.
    pub async fn attend(&mut self, client: &mut Client, ahead: usize) -> Result<(), Gone> {
        if client.input.len() < ahead {
            client.fill().await?;
            return Ok(());
        }
        poll_fn(|cx| self.poll(client, cx)).await;
        Err(Gone::Closed)
    }
}
