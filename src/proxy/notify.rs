//! LISTEN and NOTIFY: who listens on several shards, and what a client hears.
//!
//! A trigger notifies on the shard of its row, and NOTIFY where its transaction is, so that who
//! listens does so on all shards. Each of these connections stays the client's own (`kept`), and
//! its transactions run on them, so that a notification of its own is known by the process id of
//! the connection that it comes by.

use std::future::poll_fn;
use std::task::Poll;

use bytes::{BufMut, BytesMut};

use super::client::Gone;
use super::kept::poll_heard;
use super::session::Session;
use super::state::ClientState;
use crate::cluster::Backend;
use crate::routing::{Leaves, ShardId};
use crate::wire::backend::{TransactionStatus, tag};
use crate::wire::{frame, write};

/// Bytes that a process id takes, at the beginning of a notification.
const PID: usize = size_of::<i32>();
/// Bytes of notifications that are kept for the end of a transaction. A server sends none in the
/// middle of one: these are what it had said before it heard of the transaction, and the kernel
/// keeps most of that.
const HELD_BACK: usize = 1 << 20;

impl Session {
    /// Shards on which this session listens, or may.
    pub(super) fn listening_shards(&self) -> Vec<ShardId> {
        let all = self.kept.iter().chain(&self.others).chain(&self.held);
        let listens = all.filter(|held| held.left.has(Leaves::LISTENING));
        let mut shards: Vec<ShardId> = listens.map(|held| held.shard).collect();
        shards.sort();
        shards
    }

    /// Where a transaction over several shards says NOTIFY: where that makes no further shard one
    /// that can't be prepared, or one that has written.
    pub(super) fn notifying_shard(&self) -> Option<ShardId> {
        let all = || self.others.iter().chain(&self.held);
        let wrote = || all().filter(|held| held.wrote);
        let home = self.db.home();
        let notified = wrote().find(|held| held.left.has(Leaves::UNPREPARED));
        let at_home = || wrote().find(|held| held.shard == home);
        let chosen = notified.or_else(at_home).or_else(|| wrote().next());
        chosen.or(self.held.as_ref()).map(|held| held.shard)
    }

    /// Puts what servers have said unasked into what the client gets, as far as it is here, where
    /// the client is in no transaction.
    pub(super) async fn hear(&mut self) -> Result<(), Gone> {
        if (self.kept.is_empty() && self.state.heard.is_none()) || !self.is_idle() {
            return Ok(());
        }
        if let Some(heard) = self.state.heard.take() {
            self.client.output.extend_from_slice(&heard);
        }
        let (kept, db, out) = (&mut self.kept, &self.db, &mut self.client.output);
        let state = &mut self.state;
        let heard = poll_fn(|cx| Poll::Ready(poll_heard(kept, db, state, out, cx))).await;
        match heard {
            Poll::Ready(heard) => heard,
            Poll::Pending => Ok(()),
        }
    }

    /// Passes on the notifications that came while a server was told something by us: whole
    /// frames.
    pub(super) fn pass_notified(&mut self, server: &Backend, mut frames: BytesMut) {
        const MOST: usize = usize::MAX;
        while let Ok(Some((_, body))) = frame::take(&mut frames, MOST, "a notification") {
            self.state.notified(server, &body, &mut self.client.output);
        }
    }
}

impl ClientState {
    /// A server has notified. What it had said before it heard of the client's transaction waits
    /// for the end of that, as it would in Postgres.
    pub fn notified(&mut self, server: &Backend, body: &[u8], out: &mut BytesMut) {
        let early = self.status != TransactionStatus::Idle
            && server.status() == TransactionStatus::Idle
            && self.heard.as_ref().is_none_or(|heard| heard.len() + body.len() < HELD_BACK);
        let pid = self.notifier(server.pid(), body);
        let out = if early { self.heard.get_or_insert_default() } else { out };
        write::frame(out, tag::NOTIFICATION_RESPONSE, |b| {
            b.put_i32(pid);
            b.extend_from_slice(body.get(PID..).unwrap_or_default());
        });
    }

    /// Who notified, as the client knows it: itself by the process id that it was told, and nobody
    /// else by that.
    fn notifier(&self, server: i32, body: &[u8]) -> i32 {
        let pid = body.first_chunk::<PID>().map_or(0, |pid| i32::from_be_bytes(*pid));
        match pid {
            pid if pid == server => self.pid,
            pid if pid == self.pid => 0,
            pid => pid,
        }
    }
}
