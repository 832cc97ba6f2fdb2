//! Cancel requests: a client's key leads to the connection that runs its statement now, and
//! only to that.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rand::{Rng, RngCore};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::cluster::CancelToken;
use crate::wire::startup::{CancelRequest, Version};

/// How long a request to cancel may take that pgherd itself makes, and then the server to obey.
pub const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// The clients of one proxy by the process id that they were told.
#[derive(Debug, Default)]
pub struct CancelKeys {
    clients: Mutex<HashMap<i32, Arc<Target>>>,
    /// Those that were told the process id of a server's, of which several servers may have the
    /// same.
    sessions: Mutex<HashMap<i32, Vec<Arc<Target>>>>,
}

/// What a client's key leads to.
#[derive(Debug)]
struct Target {
    secret: Box<[u8]>,
    running: Mutex<Running>,
    /// Told when a request has arrived.
    arrived: Notify,
    /// A statement that still waits for a connection hears of it here.
    waiting: Notify,
    /// How many requests have come.
    requests: AtomicU64,
}

/// What a client's statement runs on.
#[derive(Debug, Default)]
struct Running {
    token: Option<Arc<CancelToken>>,
    /// Further connections that it runs on.
    others: Vec<Arc<CancelToken>>,
    /// A request is on its way to the server. Until it has arrived the connection isn't lent to
    /// another client, whose statement it would hit.
    asked: bool,
}

/// One client's key, for as long as it is connected.
#[derive(Debug)]
pub struct CancelKey {
    keys: Weak<CancelKeys>,
    target: Arc<Target>,
    pid: i32,
    /// The process id is a server's.
    of_session: bool,
}

impl CancelKeys {
    /// A key for a new client that speaks this version of the protocol.
    pub fn register(self: &Arc<Self>, version: Version) -> CancelKey {
        let mut random = rand::rng();
        let target = Arc::new(Target::new(version, None));
        let mut clients = self.clients.lock();
        loop {
            let pid = random.random_range(1..=i32::MAX);
            if let Slot::Vacant(slot) = clients.entry(pid) {
                slot.insert(Arc::clone(&target));
                let keys = Arc::downgrade(self);
                return CancelKey { keys, target, pid, of_session: false };
            }
        }
    }

    /// A key for a client that is served by this connection alone, with the process id of the
    /// server's, which notifications and `pg_backend_pid()` tell, too.
    pub fn register_session(
        self: &Arc<Self>,
        version: Version,
        token: Arc<CancelToken>,
    ) -> CancelKey {
        let pid = token.pid();
        let target = Arc::new(Target::new(version, Some(token)));
        self.sessions.lock().entry(pid).or_default().push(Arc::clone(&target));
        CancelKey { keys: Arc::downgrade(self), target, pid, of_session: true }
    }

    /// Whose key this is.
    fn find(&self, request: &CancelRequest) -> Option<Arc<Target>> {
        let is = |target: &&Arc<Target>| same(&target.secret, &request.secret);
        let client = self.clients.lock().get(&request.pid).filter(is).cloned();
        client.or_else(|| self.sessions.lock().get(&request.pid)?.iter().find(is).cloned())
    }

    /// Acts on a request: does nothing when its key is wrong or nothing runs, as Postgres does.
    pub async fn cancel(&self, request: &CancelRequest, limit: Duration) {
        let Some(target) = self.find(request) else {
            tracing::warn!("a cancel request with a wrong key");
            return;
        };
        cancel(target, limit).await;
    }

    /// Cancels what runs for any client that shares connections with others, and sends away who
    /// waits for one. Who has one for itself looks after it.
    pub async fn cancel_all(&self, limit: Duration) {
        let targets: Vec<_> = self.clients.lock().values().cloned().collect();
        let mut asked = JoinSet::new();
        for target in targets {
            asked.spawn(cancel(target, limit));
        }
        while asked.join_next().await.is_some() {}
    }
}

/// Cancels what one client runs, or waits to run.
async fn cancel(target: Arc<Target>, limit: Duration) {
    target.requests.fetch_add(1, Ordering::Relaxed);
    target.waiting.notify_waiters();
    let Some((token, others, _on_its_way)) = OnItsWay::set_out(target) else { return };
    let mut asked = JoinSet::new();
    for token in others {
        asked.spawn(async move { ask(&token, limit).await });
    }
    ask(&token, limit).await;
    while asked.join_next().await.is_some() {}
}

async fn ask(token: &CancelToken, limit: Duration) {
    if let Err(error) = token.cancel(limit).await {
        tracing::warn!(%error, "a cancel request did not reach its server");
    }
}

impl Target {
    fn new(version: Version, running: Option<Arc<CancelToken>>) -> Target {
        let mut secret = vec![0; version.secret_len()];
        rand::rng().fill_bytes(&mut secret);
        Target {
            secret: secret.into(),
            running: Mutex::new(Running { token: running, others: Vec::new(), asked: false }),
            arrived: Notify::new(),
            waiting: Notify::new(),
            requests: AtomicU64::new(0),
        }
    }
}

/// A request on its way to a server, until it is dropped.
struct OnItsWay(Arc<Target>);

impl OnItsWay {
    /// Sets out for what runs now, if something does. One that follows another on its way would
    /// come to nothing else.
    fn set_out(target: Arc<Target>) -> Option<(Arc<CancelToken>, Vec<Arc<CancelToken>>, OnItsWay)> {
        let mut running = target.running.lock();
        let token = running.token.clone().filter(|_| !running.asked)?;
        let others = running.others.clone();
        running.asked = true;
        drop(running);
        Some((token, others, OnItsWay(target)))
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.running.lock().asked = false;
        self.0.arrived.notify_waiters();
    }
}

/// Without telling by its time how much of it was right.
fn same(secret: &[u8], given: &[u8]) -> bool {
    secret.len() == given.len()
        && secret.iter().zip(given).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Cancels what a client runs, as its own request would; nothing once it has gone.
#[derive(Debug, Clone)]
pub struct CancelHandle(Weak<Target>);

impl CancelHandle {
    /// Cancels what runs now, within `limit`.
    pub async fn cancel(&self, limit: Duration) {
        if let Some(target) = self.0.upgrade() {
            cancel(target, limit).await;
        }
    }
}

impl CancelKey {
    /// For those of pgherd who have to cancel what the client runs.
    pub fn handle(&self) -> CancelHandle {
        CancelHandle(Arc::downgrade(&self.target))
    }

    /// As the client is told.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// As the client is told.
    pub fn secret(&self) -> &[u8] {
        &self.target.secret
    }

    /// How many requests have come.
    pub fn requests(&self) -> u64 {
        self.target.requests.load(Ordering::Relaxed)
    }

    /// From now on requests go to this connection.
    pub fn attach(&self, token: Arc<CancelToken>) {
        self.target.running.lock().token = Some(token);
    }

    /// From now on requests go to all these connections.
    pub fn attach_all(&self, tokens: Vec<Arc<CancelToken>>) {
        let mut tokens = tokens.into_iter();
        let mut running = self.target.running.lock();
        running.token = tokens.next();
        running.others = tokens.collect();
    }

    /// From now on requests go nowhere. Waits for one that is on its way.
    pub async fn detach(&self) {
        if self.let_go() {
            return;
        }
        loop {
            let arrived = self.target.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if self.let_go() {
                return;
            }
            arrived.await;
        }
    }

    /// Whether no request is on its way.
    fn let_go(&self) -> bool {
        let mut running = self.target.running.lock();
        running.token = None;
        running.others = Vec::new();
        !running.asked
    }

    /// Waits for a request while nothing runs yet.
    pub async fn requested(&self) {
        self.target.waiting.notified().await;
    }
}

impl Drop for CancelKey {
    fn drop(&mut self) {
        let Some(keys) = self.keys.upgrade() else { return };
        if !self.of_session {
            keys.clients.lock().remove(&self.pid);
            return;
        }
        if let Slot::Occupied(mut slot) = keys.sessions.lock().entry(self.pid) {
            slot.get_mut().retain(|target| !Arc::ptr_eq(target, &self.target));
            if slot.get().is_empty() {
                slot.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_good_while_its_client_is_there() {
        let keys = Arc::new(CancelKeys::default());
        let (one, two) = (keys.register(Version::V3_2), keys.register(Version::V3_0));
        assert_ne!(one.pid(), two.pid());
        assert_eq!((one.secret().len(), two.secret().len()), (32, 4));
        let request = |key: &CancelKey, secret: &[u8]| CancelRequest {
            pid: key.pid(),
            secret: secret.into(),
        };
        // One bit of it is wrong, or it is cut.
        let mut other = one.secret().to_vec();
        other[31] ^= 1;
        let wrong = [request(&one, &other), request(&one, &one.secret()[..4])];
        let heard = one.requested();
        tokio::pin!(heard);
        let other = request(&two, two.secret());
        let limit = Duration::from_secs(1);
        tokio::select! {
            biased;
            () = &mut heard => panic!("nothing was asked"),
            () = async {
                for wrong in &wrong {
                    keys.cancel(wrong, limit).await;
                }
            } => {}
        }
        tokio::select! {
            biased;
            () = &mut heard => panic!("the other was asked"),
            () = keys.cancel(&other, limit) => {}
        }
        let right = request(&one, one.secret());
        tokio::select! {
            biased;
            () = &mut heard => panic!("it was not asked yet"),
            () = async {} => {}
        }
        keys.cancel(&right, limit).await;
        heard.await;
        let pid = one.pid();
        assert!(keys.clients.lock().contains_key(&pid));
    }

    #[tokio::test]
    async fn a_key_goes_with_its_client() {
        let keys = Arc::new(CancelKeys::default());
        drop(keys.register(Version::V3_0));
        assert!(keys.clients.lock().is_empty());
    }
}
