//! Users that the settings don't name: a query asks the home shard for their secrets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::backend::Target;
use super::control;
use super::error::ClusterError;
use super::schema::describe;
use super::shard::Shard;
use crate::config::Secret as Text;
use crate::wire::auth::server::Secret;

/// A longer name is no role's: the servers would cut it, and it would be another's.
const NAME_MAX: usize = 63;
/// Longer than any verifier.
const SECRET_MAX: usize = 4096;
/// An answer that is younger than this is not asked for again because a proof didn't fit it.
const CERTAIN: Duration = Duration::from_secs(1);

/// What is known of a user.
#[derive(Debug)]
pub struct Role {
    /// What a client proves to know.
    pub secret: Secret,
    /// As the server said it.
    text: Text,
}

impl Role {
    fn new(name: &str, text: &str) -> Role {
        Role { secret: Secret::read(name, text), text: Text::new(text) }
    }

    /// The password, where the query gave it in plain text.
    pub fn password(&self) -> Option<&str> {
        Some(self.text.reveal()).filter(|text| Secret::is_password(text))
    }
}

/// Bounds of looking users up.
#[derive(Debug, Clone)]
pub struct RoleLimits {
    /// How long an answer holds.
    pub cache_time: Duration,
    /// Users that are remembered.
    pub cached: usize,
    pub connect_timeout: Duration,
    pub query_timeout: Duration,
}

/// Looks users up, and remembers them for a while.
pub struct Roles {
    text: Box<str>,
    limits: RoleLimits,
    shard: Arc<Shard>,
    /// The shard's nodes, for the user who asks.
    targets: Vec<Target>,
    runtime: Handle,
    link: AsyncMutex<Option<Arc<Link>>>,
    cache: Mutex<HashMap<Box<str>, Arc<Entry>>>,
}

struct Link {
    client: Client,
    question: Statement,
}

/// One user. Who asks holds it, so that many logins of one user ask once.
type Entry = AsyncMutex<Option<Answer>>;

#[derive(Clone)]
struct Answer {
    role: Option<Arc<Role>>,
    at: Instant,
}

impl Roles {
    pub(super) fn new(
        text: Box<str>,
        limits: RoleLimits,
        shard: Arc<Shard>,
        targets: Vec<Target>,
        runtime: Handle,
    ) -> Roles {
        let (link, cache) = (AsyncMutex::default(), Mutex::default());
        Roles { text, limits, shard, targets, runtime, link, cache }
    }

    /// A user, if there is one of this name who may log in by a password.
    ///
    /// # Errors
    /// Nobody can be asked now, or the answer isn't one.
    pub async fn find(&self, name: &str) -> Result<Option<Arc<Role>>, ClusterError> {
        if name.len() > NAME_MAX {
            return Ok(None);
        }
        let entry = self.entry(name);
        let mut known = entry.lock().await;
        if let Some(answer) = &*known
            && answer.at.elapsed() < self.limits.cache_time
        {
            return Ok(answer.role.clone());
        }
        let text = self.ask(name).await.map_err(|why| {
            tracing::warn!(shard = %self.shard.name(), user = name, %why, "auth_query failed");
            ClusterError::new("57P03", format!("user \"{name}\" can't be looked up now"))
                .with_hint("pgherd's log says why.")
        })?;
        let before = known.take().and_then(|answer| answer.role);
        let role = text.map(|text| match before {
            // Deriving from a password takes milliseconds.
            Some(same) if same.text.reveal() == text => same,
            _ => Arc::new(Role::new(name, &text)),
        });
        *known = Some(Answer { role: role.clone(), at: Instant::now() });
        Ok(role)
    }

    /// Somebody's proof didn't fit what is known of this user: maybe it isn't so any more.
    pub fn doubt(&self, name: &str) {
        let mut cache = self.cache.lock();
        let old = |entry: &Arc<Entry>| {
            let known = entry.try_lock();
            known.is_ok_and(|known| known.as_ref().is_some_and(|a| a.at.elapsed() >= CERTAIN))
        };
        if cache.get(name).is_some_and(old) {
            cache.remove(name);
        }
    }

    fn entry(&self, name: &str) -> Arc<Entry> {
        let mut cache = self.cache.lock();
        if let Some(entry) = cache.get(name) {
            return Arc::clone(entry);
        }
        if cache.len() >= self.limits.cached {
            let holds = self.limits.cache_time;
            let fresh = |entry: &Arc<Entry>| {
                let known = entry.try_lock();
                known.map_or(true, |known| known.as_ref().is_some_and(|a| a.at.elapsed() < holds))
            };
            cache.retain(|_, entry| fresh(entry));
        }
        if cache.len() >= self.limits.cached {
            // Somebody makes names up. Those who are waited for are held by who waits.
            cache.clear();
        }
        let entry = Arc::new(Entry::default());
        cache.insert(name.into(), Arc::clone(&entry));
        entry
    }

    /// Asks; once more when it was over a connection that may have been lost meanwhile.
    async fn ask(&self, name: &str) -> Result<Option<String>, String> {
        let (link, kept) = self.link().await?;
        match self.ask_over(&link, name).await {
            Err(_) if kept => {
                self.drop_link(&link).await;
                let (link, _) = self.link().await?;
                self.ask_over(&link, name).await
            }
            Err(why) => {
                self.drop_link(&link).await;
                Err(why)
            }
            answer => answer,
        }
    }

    async fn ask_over(&self, link: &Link, name: &str) -> Result<Option<String>, String> {
        let parameters: [&(dyn ToSql + Sync); 1] = [&name];
        let asked = link.client.query(&link.question, &parameters);
        let rows = timeout(self.limits.query_timeout, asked).await;
        let rows = rows.map_err(|_| "no answer within cluster.query_timeout")?.map_err(describe)?;
        let row = match rows.as_slice() {
            [] => return Ok(None),
            [row] if row.len() >= 2 => row,
            [_] => return Err("it gives one column: expected name and secret".to_owned()),
            rows => return Err(format!("it gives {} rows for one user", rows.len())),
        };
        let text = |at| row.try_get::<_, Option<&str>>(at).map_err(describe);
        let (found, secret) = (text(0)?, text(1)?);
        if found != Some(name) {
            return Err("it gives another user than it was asked for".to_owned());
        }
        if secret.is_some_and(|secret| secret.len() > SECRET_MAX) {
            return Err(format!("it gives a secret of more than {SECRET_MAX} bytes"));
        }
        Ok(secret.filter(|secret| !secret.is_empty()).map(str::to_owned))
    }

    /// The connection, and whether it was there before.
    async fn link(&self) -> Result<(Arc<Link>, bool), String> {
        let mut kept = self.link.lock().await;
        if let Some(link) = kept.as_ref().filter(|link| !link.client.is_closed()) {
            return Ok((Arc::clone(link), true));
        }
        let connecting = timeout(self.limits.connect_timeout, self.connect());
        let link = connecting.await.map_err(|_| "no connection within pool.connect_timeout")??;
        let link = Arc::new(link);
        *kept = Some(Arc::clone(&link));
        Ok((link, false))
    }

    async fn drop_link(&self, link: &Arc<Link>) {
        let mut kept = self.link.lock().await;
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, link)) {
            *kept = None;
        }
    }

    async fn connect(&self) -> Result<Link, String> {
        // A replica knows the roles, too.
        let node = self.shard.primary().unwrap_or(0);
        let target = self.targets.get(node).ok_or("the shard has no such node")?;
        let mut config = control::config_of(target, "pgherd auth");
        let connected = control::connect(&mut config, &target.tls).await;
        let (client, connection) = connected.map_err(describe)?;
        // It ends with the client.
        self.runtime.spawn(connection);
        let question = client.prepare(&self.text).await.map_err(describe)?;
        Ok(Link { client, question })
    }
}
