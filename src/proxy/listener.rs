//! Where clients come in: accept, limits, and the end of it all.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rand::RngCore;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::admission::{Admission, Seat};
use super::cancel::CancelKeys;
use super::client::{Client, Gone};
use super::door::Door;
use super::failure::Failure;
use super::peer::Peer;
use super::session::{Stopping, shutting_down};
use super::startup::{Began, Shared, Tls, Welcomed, begin, tell, welcome};
use super::users::Served;
use super::workers::{self, Workers};
use crate::config::settings::{Limits, ListenAddress, Proxy as ProxySettings};
use crate::wire::stream::Stream;

/// Pause after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that are told that they are too many, at once; more are closed without a word.
const REFUSED_AT_ONCE: usize = 100;
/// How long a client has to take its last message.
const FAREWELL: Duration = Duration::from_secs(1);

/// A proxy that listens and doesn't serve yet.
pub struct Listener {
    doors: Vec<Door>,
    shared: Arc<Shared>,
    stopping: watch::Sender<Stopping>,
    settings: ProxySettings,
    workers: Arc<Workers>,
}

/// Tells a running proxy to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<Stopping>);

impl Stop {
    /// Nobody new comes in; transactions may end, within `proxy.drain_timeout`.
    pub fn drain(&self) {
        self.0.send_if_modified(|now| {
            let drains = *now == Stopping::No;
            if drains {
                *now = Stopping::Drain;
            }
            drains
        });
    }

    /// Everybody is sent away.
    pub fn now(&self) {
        self.0.send_replace(Stopping::Now);
    }
}

impl Listener {
    /// Binds the addresses of the settings, and starts the threads. To be called on the runtime
    /// that serves.
    pub fn bind(
        settings: &ProxySettings,
        limits: &Limits,
        databases: BTreeMap<Box<str>, Served>,
    ) -> io::Result<Listener> {
        let open = |address: &ListenAddress| {
            Door::open(address, settings)
                .map_err(|e| io::Error::new(e.kind(), format!("{address}: {e}")))
        };
        let doors = settings.listen.iter().map(open).collect::<io::Result<_>>()?;
        let (stopping, stop) = watch::channel(Stopping::No);
        let mut mock = [0; 32];
        rand::rng().fill_bytes(&mut mock);
        let shared = Shared {
            databases,
            limits: limits.clone(),
            tls: settings.tls.clone().map(Tls::new),
            cancel: Arc::new(CancelKeys::default()),
            admission: Arc::new(Admission::new(limits)),
            mock,
            stopping: stop,
            proxied: settings.proxy_protocol.clone(),
        };
        let workers = Arc::new(Workers::start(settings.workers)?);
        tracing::debug!(workers = workers.count(), "threads serve clients");
        let (shared, settings) = (Arc::new(shared), settings.clone());
        Ok(Listener { doors, shared, stopping, settings, workers })
    }

    /// Where it listens; port 0 has been replaced by the one that was found.
    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.doors.iter().filter_map(|door| door.address().ok()).collect()
    }

    /// What stops it.
    pub fn stop(&self) -> Stop {
        Stop(self.stopping.clone())
    }

    /// Serves until it is stopped, and everybody is gone.
    pub async fn serve(self) {
        let Listener { doors, shared, stopping, settings, workers } = self;
        let mut accepting = JoinSet::new();
        let clients = Arc::new(Semaphore::new(shared.limits.clients.min(Semaphore::MAX_PERMITS)));
        let refused = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
        for door in doors {
            let gate = Gate {
                shared: Arc::clone(&shared),
                clients: Arc::clone(&clients),
                refused: Arc::clone(&refused),
                workers: Arc::clone(&workers),
            };
            accepting.spawn(gate.accept(door));
        }
        let mut stop = stopping.subscribe();
        let _ = stop.wait_for(|s| *s != Stopping::No).await;
        accepting.shutdown().await;
        let all =
            u32::try_from(shared.limits.clients.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let gone = clients.acquire_many(all);
        tokio::pin!(gone);
        let deadline = Instant::now() + settings.drain_timeout;
        tokio::select! {
            _ = &mut gone => return,
            _ = stop.wait_for(|s| *s == Stopping::Now) => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
        stopping.send_replace(Stopping::Now);
        let ends = async {
            // What runs would go on on its server after we are gone.
            loop {
                shared.cancel.cancel_all(FAREWELL).await;
                if timeout(FAREWELL / 4, &mut gone).await.is_ok() {
                    return;
                }
            }
        };
        let _ = timeout_at(Instant::now() + 2 * FAREWELL, ends).await;
    }
}

/// What a door opens to.
struct Gate {
    shared: Arc<Shared>,
    clients: Arc<Semaphore>,
    refused: Arc<Semaphore>,
    workers: Arc<Workers>,
}

impl Gate {
    async fn accept(self, door: Door) {
        loop {
            match door.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, stream: Stream, peer: Peer) {
        let client = Client::new(stream, peer, self.shared.limits.message_size);
        let shared = Arc::clone(&self.shared);
        match Arc::clone(&self.clients).try_acquire_owned() {
            Ok(permit) => {
                let here = self.workers.next();
                let runtime = here.runtime().clone();
                runtime.spawn(serve_here(client, shared, permit, here));
            }
            Err(_) => {
                if let Ok(permit) = Arc::clone(&self.refused).try_acquire_owned() {
                    tokio::spawn(turn_away(client, shared, permit));
                }
            }
        }
    }
}

/// One connection, on the thread that it was given to.
async fn serve_here(
    mut client: Client,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
    _here: workers::Served,
) {
    match client.settle_here() {
        Ok(()) => serve_one(client, shared).await,
        Err(error) => tracing::warn!(%error, peer = %client.peer(), "a client was lost at once"),
    }
}

/// One connection, from its first byte to its end.
async fn serve_one(client: Client, shared: Arc<Shared>) {
    // Over when it is over: its room isn't kept for as long as the session lasts.
    let let_in = Box::pin(let_in(client, &shared)).await;
    drop(shared);
    match let_in {
        Some((Welcomed::Session(session), _seat)) => session.run().await,
        Some((Welcomed::Tunnel(tunnel), _seat)) => Box::pin(tunnel.run()).await,
        None => {}
    }
}

/// From a connection's first byte to its session; `None` when it isn't to have one.
async fn let_in(mut client: Client, shared: &Shared) -> Option<(Welcomed, Option<Seat>)> {
    let limit = shared.limits.startup_timeout;
    let mut stopping = shared.stopping.clone();
    let stopped = async { stopping.wait_for(|s| *s != Stopping::No).await.is_ok() };
    let began = tokio::select! {
        began = timeout(limit, begin(&mut client, shared)) => Some(began),
        _ = stopped => None,
    };
    match began {
        None => shutting_down().write(&mut client.output),
        Some(Err(_)) => {
            Failure::new("08006", "timed out before it was known who connects")
                .with_hint("The bound is limits.startup_timeout.")
                .and_fatal()
                .write(&mut client.output);
        }
        Some(Ok(Err(gone))) => {
            not_let_in(client.peer(), &gone);
            tell(&gone, &mut client.output);
        }
        Some(Ok(Ok(Began::Cancel(request)))) => shared.cancel.cancel(&request, limit).await,
        Some(Ok(Ok(Began::Session(let_in, seat)))) => match welcome(client, shared, let_in).await {
            Ok(welcomed) => return Some((welcomed, seat)),
            Err((back, gone)) => {
                client = back;
                not_let_in(client.peer(), &gone);
                tell(&gone, &mut client.output);
            }
        },
    }
    farewell(client).await;
    None
}

fn not_let_in(peer: Peer, gone: &Gone) {
    match gone {
        // Such as a look whether the port is open.
        Gone::Closed => tracing::debug!(%peer, "a client left before it was let in"),
        Gone::Protocol(why) => tracing::info!(%peer, %why, "a client was not let in"),
        Gone::Sent(why) => tracing::info!(%peer, why = %why.message, "a client was not let in"),
    }
}

/// Answers a client for whom there is no room as soon as it has said that it is one; a cancel
/// request is acted on.
async fn turn_away(mut client: Client, shared: Arc<Shared>, _permit: OwnedSemaphorePermit) {
    match timeout(FAREWELL, super::startup::first_packet(&mut client, &shared)).await {
        Ok(Ok(Some(request))) => {
            shared.cancel.cancel(&request, shared.limits.startup_timeout).await;
        }
        Ok(Ok(None)) => {
            let max = shared.limits.clients;
            Failure::new("53300", "sorry, too many clients already")
                .with_hint(format!("limits.clients is {max}."))
                .and_fatal()
                .write(&mut client.output);
        }
        _ => {}
    }
    farewell(client).await;
}

async fn farewell(client: Client) {
    let _ = timeout(FAREWELL, client.close()).await;
}
