//! `pgherd.toml`, the environment and the flags → [`Settings`].

use std::fs;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::auth;
use super::document::{Described, Document};
use super::mistake::{Mistake, Mistakes, Place, suggestion};
use super::rules::{Rules, Unlisted};
use super::rules_file::read_rules;
use super::secret::Secret;
use super::section::Section;
use super::settings::*;
use super::tls::{self, ServerTls};

/// A configuration or rules file longer than this is not one.
pub const FILE_SIZE_MAX: u64 = 16 << 20;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What stands outside the file and overrides it.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Variables as the process has them: `PGHERD_POOL__SIZE` is `pool.size`. Those without
    /// the prefix serve `password_env`.
    pub environment: Vec<(String, String)>,
    /// Dotted keys and their values, from flags; they override the environment.
    pub flags: Vec<(String, String)>,
}

impl Overrides {
    /// The environment of this process, and these flags.
    pub fn of_process(flags: Vec<(String, String)>) -> Overrides {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                // A setting that isn't UTF-8 must not be passed over: it is read, and refused.
                let ours = name.starts_with("PGHERD_");
                let lossy = || ours.then(|| value.to_string_lossy().into_owned());
                Some((name, value.to_str().map(str::to_owned).or_else(lossy)?))
            })
            .collect();
        Overrides { environment, flags }
    }
}

/// Reads the settings and the rules of each database, and checks one against the other.
/// `Err` holds all mistakes in all files that could be found.
pub fn load(file: &Path, overrides: &Overrides) -> Result<Settings, Mistakes> {
    load_described(file, overrides).0
}

/// As [`load`], and what settings there are: for the documentation's test.
pub fn load_described(
    file: &Path,
    overrides: &Overrides,
) -> (Result<Settings, Mistakes>, Vec<Described>) {
    let document = read_file(file)
        .and_then(|text| Document::read(file, text, &overrides.environment, &overrides.flags));
    let document = match document {
        Ok(document) => document,
        Err(mistake) => return (Err(Mistakes(vec![mistake])), Vec::new()),
    };
    let loader = Loader {
        directory: file.parent().unwrap_or(Path::new("")),
        environment: &overrides.environment,
        document: &document,
    };
    let settings = loader.settings(file);
    let result = Mistakes::none_or(document.mistakes.take()).map(|()| settings);
    (result, document.described.take())
}

/// The text of a file, or the mistake that it can't be read.
pub(super) fn read_file(file: &Path) -> Result<String, Mistake> {
    let mistake = |message: String| Mistake { place: Place::File(file.to_owned()), message };
    let open = fs::File::open(file).map_err(|e| mistake(format!("can't be read: {e}")))?;
    let mut bytes = Vec::new();
    open.take(FILE_SIZE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| mistake(format!("can't be read: {e}")))?;
    if bytes.len() as u64 > FILE_SIZE_MAX {
        return Err(mistake(format!("is longer than {FILE_SIZE_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|e| mistake(format!("is not UTF-8: {e}")))
}

struct Loader<'a> {
    directory: &'a Path,
    environment: &'a [(String, String)],
    document: &'a Document,
}

impl Loader<'_> {
    fn settings(&self, file: &Path) -> Settings {
        let top = self.document.top();
        let proxy = self.proxy(&top.section("proxy"));
        let databases = self.databases(&top, &proxy);
        let settings = Settings {
            file: file.to_owned(),
            proxy,
            limits: limits(&top.section("limits")),
            pool: pool(&top.section("pool")),
            cluster: cluster(&top.section("cluster")),
            log: log(&top.section("log")),
            databases,
        };
        top.finish();
        settings
    }

    fn databases(&self, top: &Section, proxy: &Proxy) -> Vec<Database> {
        let named = top.named_sections("database");
        if named.is_empty() {
            top.wrong_here("there is no database; expected at least one [database.NAME]");
        }
        let certificates = proxy.tls.as_ref().is_some_and(|tls| tls.asks_for_certificates);
        let database = |(name, section): &(String, Section)| {
            let database = self.database(name, section);
            let by_certificate = |user: &User| database.auth(&user.name) == AuthMethod::Certificate;
            if !certificates && database.users.iter().any(by_certificate) {
                section.wrong_here("auth = \"cert\" needs proxy.tls_client_ca");
            }
            database
        };
        named.iter().map(database).collect()
    }

    fn database(&self, name: &str, section: &Section) -> Database {
        identifier(section, "database", name);
        let auth = auth::method(section).unwrap_or_default();
        let users: Vec<User> =
            section.sections("user").iter().map(|user| self.user(user, auth)).collect();
        let tls =
            tls::server_tls(section, self.directory).unwrap_or_else(|| self.preferred_tls(section));
        let shard = |section: &Section| self.shard(section, &tls);
        let shards: Vec<Shard> = section.sections("shard").iter().map(shard).collect();
        self.check_users(section, &users);
        self.check_shards(section, &shards);
        let server_name = section.text("server_name", "the database's name on the servers");
        let catalog = section.parsed("catalog", "catalog.json", "a file", path);
        let (rules, rules_file) = self.rules(section, &shards);
        let control_user = control_user(section, &users);
        let auth_query = auth::query(section, &users, auth);
        auth::check_ours(section, &users, control_user, auth_query.as_ref());
        let pool_mode = pool_mode(section);
        let node_size = optional_size(section, "node_size", 1..=100_000);
        section.finish();
        Database {
            name: name.into(),
            server_name: server_name.as_deref().unwrap_or(name).into(),
            rules: Arc::new(rules),
            rules_file,
            catalog: self.directory.join(catalog.unwrap_or_default()),
            users,
            node_size,
            control_user,
            pool_mode: pool_mode.unwrap_or_default(),
            auth,
            auth_query,
            shards,
        }
    }

    fn proxy(&self, section: &Section) -> Proxy {
        let proxy = Proxy {
            listen: listen(section),
            socket_mode: section
                .parsed("socket_mode", "0777", "permissions, such as 0770", socket_mode)
                .unwrap_or_default(),
            proxy_protocol: proxy_protocol(section),
            workers: section.number("workers", 0, 0..=1024) as usize,
            backlog: section.number("backlog", 1024, 1..=65_535) as u32,
            drain_timeout: section.duration("drain_timeout", 30 * SECOND, Duration::ZERO..=HOUR),
            silence_timeout: section.duration("silence_timeout", MINUTE, 4 * SECOND..=DAY),
            tls: tls::client_tls(section, self.directory),
        };
        section.finish();
        proxy
    }

    /// A shard that says `sslmode` has all of it for itself; others have the database's.
    fn shard(&self, section: &Section, database: &ServerTls) -> Shard {
        let name = section.required_text("name", "a name for the shard").unwrap_or_default();
        if section.has("name") {
            identifier(section, "shard", &name);
        }
        let nodes = nodes(section, &name);
        let tls = tls::server_tls(section, self.directory).unwrap_or_else(|| database.clone());
        section.finish();
        Shard { name: name.into(), nodes, tls }
    }

    fn preferred_tls(&self, section: &Section) -> ServerTls {
        tls::preferred().unwrap_or_else(|why| {
            section.wrong_here(format!("TLS can't be prepared: {why}"));
            ServerTls::disabled()
        })
    }

    fn rules(&self, section: &Section, shards: &[Shard]) -> (Rules, Option<PathBuf>) {
        let Some(file) = section.text("rules", "a file of sharding rules") else {
            if shards.len() > 1 && !section.has("rules") {
                section.wrong_here("a database of several shards needs rules = \"FILE\"");
            }
            return (Rules { unlisted: Unlisted::Home, ..Rules::default() }, None);
        };
        let file = self.directory.join(file);
        let names: Vec<&str> = shards.iter().map(|shard| &*shard.name).collect();
        match read_rules(&file, Some(&names)) {
            Ok(rules) => (rules, Some(file)),
            Err(Mistakes(mistakes)) => {
                for mistake in mistakes {
                    // A rules file that can't be read is a mistake of the one who named it.
                    match mistake.place {
                        Place::File(_) => section.wrong("rules", mistake),
                        _ => self.document.mistakes.borrow_mut().push(mistake),
                    }
                }
                (Rules::default(), Some(file))
            }
        }
    }

    /// `auth` is the database's.
    fn user(&self, section: &Section, auth: AuthMethod) -> User {
        let name = section.required_text("name", "a role on the servers").unwrap_or_default();
        let password = self.secret(section, ["password", "password_env", "password_file"]);
        let server = self
            .secret(section, ["server_password", "server_password_env", "server_password_file"]);
        let verifier = section.text("verifier", "SCRAM-SHA-256$iterations:salt$stored:server");
        let pool_size = optional_size(section, "pool_size", 1..=10_000);
        let pool_min_size = optional_size(section, "pool_min_size", 0..=10_000);
        let pool_reserve_size = optional_size(section, "pool_reserve_size", 0..=10_000);
        let pool_mode = pool_mode(section);
        let times = OwnTimes {
            statement: section.optional_duration("statement_timeout", TIMES),
            in_transaction: section.optional_duration("idle_in_transaction", TIMES),
            idle: section.optional_duration("idle_session", TIMES),
        };
        let method = auth::method(section);
        let clients = optional_size(section, "clients", 1..=1_000_000);
        let asks = method.unwrap_or(auth).asks_for_password();
        let client = client_secret(section, &name, password, verifier, asks);
        let server_password = server.or_else(|| match &client {
            ClientSecret::Password(password) => Some(password.clone()),
            _ => None,
        });
        section.finish();
        User {
            name: name.into(),
            client,
            server_password,
            pool_size,
            pool_min_size,
            pool_reserve_size,
            pool_mode,
            times,
            auth: method,
            clients,
        }
    }

    /// A secret that is written, or in a variable, or in a file; at most one of the three.
    fn secret(&self, section: &Section, [plain, env, file]: [&'static str; 3]) -> Option<Secret> {
        let written = section.text(plain, "text");
        let variable = section.text(env, "the name of an environment variable");
        let path = section.text(file, "a file; its first line is the secret");
        if [written.is_some(), variable.is_some(), path.is_some()].iter().filter(|is| **is).count()
            > 1
        {
            section.wrong_here(format!("write only one of {plain}, {env} and {file}"));
        }
        let found = if let Some(variable) = variable {
            let value = self.environment.iter().find(|(name, _)| *name == variable);
            if value.is_none() {
                section.wrong(env, format!("there is no environment variable {variable}"));
            }
            value.map(|(_, value)| value.clone())
        } else if let Some(path) = path {
            let read = read_file(&self.directory.join(path));
            let text = read.map_err(|mistake| section.wrong(file, mistake)).ok();
            text.map(|text| text.lines().next().unwrap_or_default().to_owned())
        } else {
            written
        };
        if found.as_deref() == Some("") {
            section.wrong_here(format!("{plain} is empty"));
        }
        found.map(Secret::new)
    }

    fn check_users(&self, section: &Section, users: &[User]) {
        if users.is_empty() {
            section.wrong_here("there is no user; expected at least one [[database.NAME.user]]");
        }
        for (i, user) in users.iter().enumerate() {
            if users[..i].iter().any(|other| other.name == user.name) {
                section.wrong_item("user", i, format!("{:?} is there twice", user.name));
            }
        }
    }

    fn check_shards(&self, section: &Section, shards: &[Shard]) {
        if shards.is_empty() {
            section.wrong_here("there is no shard; expected at least one [[database.NAME.shard]]");
        }
        if shards.len() > SHARDS_MAX {
            section.wrong_here(format!("more than {SHARDS_MAX} shards"));
        }
        for (i, shard) in shards.iter().enumerate() {
            if shards[..i].iter().any(|other| other.name == shard.name) {
                section.wrong_item("shard", i, format!("{:?} is there twice", shard.name));
            }
            for node in &shard.nodes {
                let taken = shards[..i].iter().find(|other| other.nodes.contains(node));
                if let Some(other) = taken {
                    let message =
                        format!("node {node} of {:?} is also in {:?}", shard.name, other.name);
                    section.wrong_item("shard", i, message);
                }
            }
        }
    }
}

/// What the client proves itself by; `asks`: it must.
fn client_secret(
    section: &Section,
    name: &str,
    password: Option<Secret>,
    verifier: Option<String>,
    asks: bool,
) -> ClientSecret {
    match (password, verifier) {
        (Some(_), Some(_)) => {
            section.wrong("verifier", "stands beside a password; write one of the two");
            ClientSecret::None
        }
        (Some(password), None) => ClientSecret::Password(password),
        (None, Some(verifier)) if is_verifier(&verifier) => {
            ClientSecret::Verifier(Secret::new(verifier))
        }
        (None, Some(_)) => {
            section.wrong("verifier", "expected SCRAM-SHA-256$iterations:salt$stored:server");
            ClientSecret::None
        }
        (None, None) => {
            let asked = ["password", "password_env", "password_file"];
            if asks && !asked.iter().any(|key| section.has(key)) {
                section.wrong_here(format!(
                    "user {name:?} has no password; expected password, password_env, \
                     password_file or verifier"
                ));
            }
            ClientSecret::None
        }
    }
}

/// Bounds the connections of one database, and keeps far below the 16 bits that name a shard.
const SHARDS_MAX: usize = 1024;

fn listen(section: &Section) -> Vec<ListenAddress> {
    let expected = "addresses, such as \"127.0.0.1:6432\" or \"/run/pgherd:6432\"";
    let written = section.texts("listen", expected);
    let mut listen: Vec<ListenAddress> = Vec::new();
    for (i, text) in &written {
        match text.parse() {
            Ok(address) if listen.contains(&address) => {
                section.wrong_item("listen", *i, format!("{text} is there twice"));
            }
            Ok(address) => listen.push(address),
            Err(why) => section.wrong_item("listen", *i, why),
        }
    }
    if written.is_empty() {
        listen.push(ListenAddress::Network(([127, 0, 0, 1], 6432).into()));
    }
    listen
}

fn proxy_protocol(section: &Section) -> Vec<Network> {
    let written = section.texts("proxy_protocol", "networks, such as \"10.0.0.0/8\"");
    let read = |(i, text): &(usize, String)| match Network::parse(text) {
        Ok(network) => Some(network),
        Err(why) => {
            section.wrong_item("proxy_protocol", *i, why);
            None
        }
    };
    written.iter().filter_map(read).collect()
}

/// Permissions in octal digits.
fn socket_mode(text: &str) -> Option<u32> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(text, 8).ok()?;
    (octal && mode <= 0o777).then_some(mode)
}

fn optional_size(
    section: &Section,
    key: &'static str,
    range: RangeInclusive<u64>,
) -> Option<usize> {
    section.optional_number(key, range).and_then(|size| usize::try_from(size).ok())
}

fn limits(section: &Section) -> Limits {
    const KB: u64 = 1 << 10;
    const MB: u64 = 1 << 20;
    let limits = Limits {
        clients: section.number("clients", 10_000, 1..=1_000_000) as usize,
        clients_per_user: optional_size(section, "clients_per_user", 1..=1_000_000),
        connections_per_second: section
            .optional_number("connections_per_second", 1..=1_000_000)
            .and_then(|rate| u32::try_from(rate).ok()),
        message_size: section.size("message_size", 64 * MB, 16 * KB..=1023 * MB) as usize,
        statement_size: section.size("statement_size", MB, KB..=64 * MB) as usize,
        startup_timeout: section.duration("startup_timeout", 30 * SECOND, SECOND..=10 * MINUTE),
        queue_timeout: section.duration("queue_timeout", 30 * SECOND, 10 * MILLISECOND..=HOUR),
        auth_cache: section.number("auth_cache", 10_000, 10..=1_000_000) as usize,
        plan_cache: section.size("plan_cache", 64 * MB, MB..=16_384 * MB) as usize,
        prepared_statements: section.size("prepared_statements", 16 * MB, 64 * KB..=1024 * MB)
            as usize,
        session_state: section.size("session_state", 4 * MB, 64 * KB..=1024 * MB) as usize,
        copy_row: section.size("copy_row", 64 * MB, 16 * KB..=1023 * MB) as usize,
        merge_memory: section.size("merge_memory", 64 * MB, 64 * KB..=16_384 * MB) as usize,
        gather_memory: section.size("gather_memory", 64 * MB, 64 * KB..=512 * MB) as usize,
        gather_disk: section.size("gather_disk", 1024 * MB, 0..=1024 * 1024 * MB),
        times: Times {
            statement: section.duration("statement_timeout", Duration::ZERO, TIMES),
            in_transaction: section.duration("idle_in_transaction", Duration::ZERO, TIMES),
            idle: section.duration("idle_session", Duration::ZERO, TIMES),
        },
    };
    section.finish();
    limits
}

/// Of a session, in time; zero is no bound.
const TIMES: RangeInclusive<Duration> = Duration::ZERO..=DAY;

fn pool(section: &Section) -> Pool {
    let pool = Pool {
        size: section.number("size", 20, 1..=10_000) as usize,
        min_size: section.number("min_size", 0, 0..=10_000) as usize,
        reserve_size: section.number("reserve_size", 0, 0..=10_000) as usize,
        reserve_after: section.duration("reserve_after", 5 * SECOND, 10 * MILLISECOND..=HOUR),
        node_size: optional_size(section, "node_size", 1..=100_000),
        connect_timeout: section.duration(
            "connect_timeout",
            5 * SECOND,
            100 * MILLISECOND..=5 * MINUTE,
        ),
        idle_timeout: section.duration("idle_timeout", 10 * MINUTE, SECOND..=DAY),
        lifetime: section.duration("lifetime", HOUR, 10 * SECOND..=30 * DAY),
        silence_timeout: section.duration("silence_timeout", 20 * SECOND, 4 * SECOND..=10 * MINUTE),
        prepared_statements: section.number("prepared_statements", 200, 1..=10_000) as usize,
        session_end: section
            .choice(
                "session_end",
                &[("discard", SessionEnd::Discard), ("close", SessionEnd::Close)],
            )
            .unwrap_or_default(),
        retry_backoff_min: section.duration(
            "retry_backoff_min",
            100 * MILLISECOND,
            10 * MILLISECOND..=MINUTE,
        ),
        retry_backoff_max: section.duration("retry_backoff_max", 5 * SECOND, SECOND..=10 * MINUTE),
    };
    if pool.retry_backoff_min > pool.retry_backoff_max {
        section.wrong("retry_backoff_min", "is longer than pool.retry_backoff_max");
    }
    if pool.min_size > pool.size {
        section.wrong("min_size", "is more than pool.size");
    }
    section.finish();
    pool
}

/// `None` where it isn't written.
fn pool_mode(section: &Section) -> Option<PoolMode> {
    let choices = [
        ("transaction", PoolMode::Transaction),
        ("session", PoolMode::Session),
        ("statement", PoolMode::Statement),
    ];
    let mode = section.choice("pool_mode", &choices);
    mode.filter(|_| section.has("pool_mode"))
}

fn cluster(section: &Section) -> Cluster {
    let cluster = Cluster {
        schema_poll: section.duration("schema_poll", 5 * SECOND, 100 * MILLISECOND..=HOUR),
        query_timeout: section.duration("query_timeout", 10 * SECOND, SECOND..=10 * MINUTE),
        resolve_after: section.duration("resolve_after", 3 * SECOND, SECOND..=HOUR),
        resolve_poll: section.duration("resolve_poll", 2 * SECOND, 100 * MILLISECOND..=HOUR),
        deadlock_timeout: section.duration("deadlock_timeout", SECOND, 50 * MILLISECOND..=HOUR),
        outcome_wait: section.duration("outcome_wait", 10 * SECOND, SECOND..=10 * MINUTE),
        control_points: section.text("control_points", "a directory").map(PathBuf::from),
    };
    section.finish();
    cluster
}

fn log(section: &Section) -> Log {
    let format = section
        .choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
        .unwrap_or_default();
    let expected =
        "error, warn, info, debug, trace, or directives such as \"info,pgherd::proxy=debug\"";
    let level = section.parsed("level", "info", expected, |text| {
        let filter = tracing_subscriber::EnvFilter::builder().parse(text);
        filter.is_ok().then(|| text.to_owned())
    });
    section.finish();
    Log { format, level: level.unwrap_or_default() }
}

fn nodes(section: &Section, name: &str) -> Vec<NodeAddress> {
    let expected = "a list of addresses, the primary's first, such as [\"127.0.0.1:5432\"]";
    let mut nodes: Vec<NodeAddress> = Vec::new();
    let written = section.texts("nodes", expected);
    for (i, text) in &written {
        match NodeAddress::parse(text) {
            Some(node) if nodes.contains(&node) => {
                section.wrong_item("nodes", *i, format!("{node} is there twice"));
            }
            Some(node) => nodes.push(node),
            None => section.wrong_item("nodes", *i, format!("expected host:port, found {text:?}")),
        }
    }
    if written.is_empty() && !section.has("nodes") {
        section.wrong_here(format!("shard {name:?} has no nodes; expected {expected}"));
    } else if written.is_empty() && nodes.is_empty() {
        section.wrong("nodes", format!("expected {expected}"));
    }
    nodes
}

fn control_user(section: &Section, users: &[User]) -> usize {
    let Some(name) = section.text("control_user", "the name of one of the users") else { return 0 };
    let found = users.iter().position(|user| *user.name == *name);
    if found.is_none() {
        let names: Vec<&str> = users.iter().map(|user| &*user.name).collect();
        let known = suggestion(&name, &names);
        section.wrong("control_user", format!("there is no user {name:?}{known}"));
    }
    found.unwrap_or(0)
}

fn identifier(section: &Section, what: &str, name: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
        section.wrong_here(format!(
            "the {what} name {name:?} is not one; expected 1 to 63 letters, digits, _ or -"
        ));
    }
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// The form only: whether it is the right one, only a client can show.
fn is_verifier(text: &str) -> bool {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let parts = || {
        let rest = text.strip_prefix("SCRAM-SHA-256$")?;
        let (salted, keys) = rest.split_once('$')?;
        let (iterations, salt) = salted.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let iterations: u32 = iterations.parse().ok()?;
        let length = |key: &str| STANDARD.decode(key).ok().map(|bytes| bytes.len());
        let right =
            iterations > 0 && length(salt)? > 0 && length(stored)? == 32 && length(server)? == 32;
        right.then_some(())
    };
    parts().is_some()
}
