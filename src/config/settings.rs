//! The settings as the rest of the house sees them: typed, in bounds, with their defaults.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use super::address::{ListenAddress, Network, NodeAddress, SocketFile};
pub use super::auth::{AuthMethod, AuthQuery};
use super::rules::Rules;
use super::secret::Secret;
use super::tls::{ClientTls, ServerTls};

/// All settings of one `pgherd.toml`, with the rules of its databases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file that they were read from.
    pub file: PathBuf,
    pub proxy: Proxy,
    pub limits: Limits,
    pub pool: Pool,
    pub cluster: Cluster,
    pub log: Log,
    /// At least one, by name.
    pub databases: Vec<Database>,
}

impl Settings {
    /// The database that a client asks for by name.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|database| &*database.name == name)
    }
}

/// `[proxy]`: where clients come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// At least one.
    pub listen: Vec<ListenAddress>,
    /// Permissions of the socket files among them.
    pub socket_mode: u32,
    /// Who has to say for whom it speaks, by the PROXY protocol.
    pub proxy_protocol: Vec<Network>,
    /// Threads that serve clients; 0 is one for each two cores.
    pub workers: usize,
    /// Connections that the kernel keeps until they are accepted.
    pub backlog: u32,
    /// After SIGTERM, how long clients may finish what they are in the middle of.
    pub drain_timeout: Duration,
    /// A client's machine that confirms nothing for this long is taken for gone.
    pub silence_timeout: Duration,
    /// `None`: clients speak in plain text.
    pub tls: Option<ClientTls>,
}

/// `[limits]`: what one client, and all of them, may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Clients connected at once; the next gets 53300.
    pub clients: usize,
    /// Clients of one user of one database at once; the next gets 53300.
    pub clients_per_user: Option<usize>,
    /// Connections that one source may make within a second; the next gets 53300.
    pub connections_per_second: Option<u32>,
    /// Bytes of one message from a client; a longer one gets 08P01 or 54000 and is not read.
    pub message_size: usize,
    /// Bytes of statement text that are analysed; a longer one needs a hint.
    pub statement_size: usize,
    /// From the connection until it is authenticated.
    pub startup_timeout: Duration,
    /// A statement waits so long for a backend, then gets 57P03.
    pub queue_timeout: Duration,
    /// Users that a database remembers of its `auth_query`.
    pub auth_cache: usize,
    /// Bytes of all cached plans of a database.
    pub plan_cache: usize,
    /// Bytes of the statements that one client keeps prepared.
    pub prepared_statements: usize,
    /// Bytes of a client's settings, savepoints and portals.
    pub session_state: usize,
    /// Bytes that one statement may keep of several shards' answers: groups, and rows to be sorted.
    pub merge_memory: usize,
    /// Bytes of one row of COPY FROM STDIN over several shards.
    pub copy_row: usize,
    /// Bytes of rows that one statement may pull from several shards for one of them to finish it.
    pub gather_memory: usize,
    /// Bytes of rows that may be stored on the server that finishes a statement, where they are more
    /// than `gather_memory`; 0: none.
    pub gather_disk: u64,
    /// What one client's session may take in time, where its user has nothing of its own.
    pub times: Times,
}

/// How long something may take in one client's session; zero: as long as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// A statement runs so long at its server, then gets 57014.
    pub statement: Duration,
    /// A client says nothing for so long in a transaction, then gets 25P03 and is sent away.
    pub in_transaction: Duration,
    /// A client says nothing for so long outside one, then gets 57P05 and is sent away.
    pub idle: Duration,
}

impl Times {
    /// As a user has it: where it says nothing of its own, these.
    pub fn with(self, own: &OwnTimes) -> Times {
        Times {
            statement: own.statement.unwrap_or(self.statement),
            in_transaction: own.in_transaction.unwrap_or(self.in_transaction),
            idle: own.idle.unwrap_or(self.idle),
        }
    }
}

/// As [`Times`], of a user, where it says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnTimes {
    pub statement: Option<Duration>,
    pub in_transaction: Option<Duration>,
    pub idle: Option<Duration>,
}

/// `[pool]`: connections to the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Connections to one shard for one user.
    pub size: usize,
    /// Connections to a shard that are kept for a user who has clients.
    pub min_size: usize,
    /// More than `size`, for statements that have waited for `reserve_after`.
    pub reserve_size: usize,
    pub reserve_after: Duration,
    /// Connections to one server for all users of all databases; `None`: no bound of its own.
    pub node_size: Option<usize>,
    /// To reach a server and authenticate.
    pub connect_timeout: Duration,
    /// An unused connection is closed after this.
    pub idle_timeout: Duration,
    /// A connection is closed after this, when it is not in use.
    pub lifetime: Duration,
    /// A server's machine that confirms nothing for this long is taken for gone.
    pub silence_timeout: Duration,
    /// Statements that one connection keeps prepared; the least recently used makes room.
    pub prepared_statements: usize,
    /// What becomes of a connection that was one client's session.
    pub session_end: SessionEnd,
    /// After a failed connect, the first wait before the next try; it doubles up to the next.
    pub retry_backoff_min: Duration,
    pub retry_backoff_max: Duration,
}

/// How long a client has a connection to a server for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PoolMode {
    /// For each transaction.
    #[default]
    Transaction,
    /// From its beginning to its end.
    Session,
    /// For each statement: there are no transaction blocks.
    Statement,
}

/// What becomes of a connection when the client whose session it was is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionEnd {
    /// `DISCARD ALL`, and the next client gets it.
    #[default]
    Discard,
    /// It is closed.
    Close,
}

/// `[cluster]`: how pgherd itself looks at the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Between two looks at the tables and functions of the home shard.
    pub schema_poll: Duration,
    /// For one of pgherd's own queries.
    pub query_timeout: Duration,
    /// What a transaction over several shards has left prepared for longer is finished.
    pub resolve_after: Duration,
    /// Between two looks for such.
    pub resolve_poll: Duration,
    /// Transactions over several shards that last longer are looked at for deadlocks.
    pub deadlock_timeout: Duration,
    /// How long a session asks what became of a COMMIT whose answer was lost.
    pub outcome_wait: Duration,
    /// Where tests hold a proxy: `cluster::ControlPoints`.
    pub control_points: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// Directives of `tracing_subscriber::EnvFilter`, checked.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// `[database.NAME]`: what a client connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub name: Box<str>,
    /// Its name on the servers.
    pub server_name: Box<str>,
    pub rules: Arc<Rules>,
    /// Where the rules were read from; `None` when the database has none (one shard).
    pub rules_file: Option<PathBuf>,
    /// Where placements are kept.
    pub catalog: PathBuf,
    /// At least one.
    pub users: Vec<User>,
    /// Connections to one node for all users of this database, beside [`Pool::node_size`].
    pub node_size: Option<usize>,
    /// Index in `users`: who pgherd's own queries run as.
    pub control_user: usize,
    /// For users that have none of their own.
    pub pool_mode: PoolMode,
    /// For users that have none of their own.
    pub auth: AuthMethod,
    /// `None`: nobody but `users` is let in.
    pub auth_query: Option<AuthQuery>,
    /// At least one, in the order of the file.
    pub shards: Vec<Shard>,
}

impl Database {
    /// The user that a client asks for by name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| &*user.name == name)
    }

    /// How long a client of this user has a connection for itself.
    pub fn pool_mode(&self, user: &str) -> PoolMode {
        self.user(user).and_then(|user| user.pool_mode).unwrap_or(self.pool_mode)
    }

    /// How a client of this user proves who it is.
    pub fn auth(&self, user: &str) -> AuthMethod {
        self.user(user).and_then(|user| user.auth).unwrap_or(self.auth)
    }

    /// Who pgherd's own queries run as.
    pub fn control_user(&self) -> Option<&User> {
        self.users.get(self.control_user)
    }

    /// Names of the shards, in the order of the file.
    pub fn shard_names(&self) -> impl Iterator<Item = &str> {
        self.shards.iter().map(|shard| &*shard.name)
    }

    /// Index of the shard of home tables and system catalogs.
    pub fn home_shard(&self) -> usize {
        let named = self.rules.home_shard.as_deref();
        named.and_then(|name| self.shard_names().position(|shard| shard == name)).unwrap_or(0)
    }
}

/// A user of a database, to clients and to its servers alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: Box<str>,
    /// What a client proves to know.
    pub client: ClientSecret,
    /// What pgherd proves to the servers; `None`: what the clients have shown, if anything.
    pub server_password: Option<Secret>,
    /// Instead of [`Pool::size`].
    pub pool_size: Option<usize>,
    /// Instead of [`Pool::min_size`].
    pub pool_min_size: Option<usize>,
    /// Instead of [`Pool::reserve_size`].
    pub pool_reserve_size: Option<usize>,
    /// Instead of [`Database::pool_mode`].
    pub pool_mode: Option<PoolMode>,
    /// Instead of [`Limits::times`].
    pub times: OwnTimes,
    /// Instead of [`Database::auth`].
    pub auth: Option<AuthMethod>,
    /// Instead of [`Limits::clients_per_user`].
    pub clients: Option<usize>,
}

impl User {
    /// One that the settings don't name, as [`Database::auth_query`] finds it.
    pub fn found(name: &str) -> User {
        User {
            name: name.into(),
            client: ClientSecret::None,
            server_password: None,
            pool_size: None,
            pool_min_size: None,
            pool_reserve_size: None,
            pool_mode: None,
            times: OwnTimes::default(),
            auth: None,
            clients: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSecret {
    /// It is known in another way, or nobody asks.
    None,
    Password(Secret),
    /// `SCRAM-SHA-256$iterations:salt$stored:server`, as in `pg_authid.rolpassword`.
    Verifier(Secret),
}

/// A primary and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    pub name: Box<str>,
    /// At least one; the first is the primary at start.
    pub nodes: Vec<NodeAddress>,
    /// How they are spoken to.
    pub tls: ServerTls,
}
