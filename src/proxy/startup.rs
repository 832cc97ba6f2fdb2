//! A new connection: what it wants, who it is, and the session that it gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::watch;

use super::admission::{Admission, Seat};
use super::cancel::CancelKeys;
use super::client::{Client, Gone};
use super::control::{IS_NULL_HINT, hiding_encoding, is_off};
use super::database::Database;
use super::failure::Failure;
use super::session::{Beginning, Session, Stopping};
use super::settings::{ClientSettings, SettingSet, read_options, set_at_startup, set_config};
use super::state::{ClientState, RouteHints};
use super::statements::ClientStatements;
use super::tunnel::{self, Tunnel};
use super::users::{Claimant, Served};
use crate::cluster::{StartupParameters, UserPools};
use crate::config::settings::{Limits, Network, PoolMode, Times};
use crate::config::tls::ClientTls;
use crate::routing::Leaves;
use crate::wire::ProtocolError;
use crate::wire::auth::client::Shown;
use crate::wire::auth::end_point::end_point;
use crate::wire::backend::{self, TransactionStatus};
use crate::wire::encoding::Hiding;
use crate::wire::startup::{CancelRequest, Opener, Opening, Startup, Version};

/// What all connections of one proxy share.
pub struct Shared {
    pub databases: BTreeMap<Box<str>, Served>,
    pub limits: Limits,
    pub tls: Option<Tls>,
    pub cancel: Arc<CancelKeys>,
    pub admission: Arc<Admission>,
    /// A random secret, for what an unknown user is asked.
    pub mock: [u8; 32],
    pub stopping: watch::Receiver<Stopping>,
    /// Who has to say for whom it speaks, by the PROXY protocol. Nobody else is believed.
    pub proxied: Vec<Network>,
}

/// TLS towards clients.
pub struct Tls {
    settings: ClientTls,
    /// What a client's proof over it may be bound to.
    binding: Option<Box<[u8]>>,
}

impl Tls {
    pub fn new(settings: ClientTls) -> Tls {
        let binding = end_point(&settings.certificate);
        Tls { settings, binding }
    }
}

/// Whether a connection is a cancel request, which is served also when no client is any more.
pub async fn first_packet(
    client: &mut Client,
    shared: &Shared,
) -> Result<Option<CancelRequest>, Gone> {
    Ok(match open(client, shared).await? {
        Opening::Cancel(request) => Some(request),
        _ => None,
    })
}

/// From the first byte to the proof of who connects. The caller bounds its time.
pub async fn begin(client: &mut Client, shared: &Shared) -> Result<Began, Gone> {
    let tls = shared.tls.as_ref();
    let startup = match open(client, shared).await? {
        Opening::Cancel(request) => return Ok(Began::Cancel(request)),
        Opening::Startup(startup) => startup,
        _ => return Err(ProtocolError::fatal("an unexpected packet at startup").into()),
    };
    let required = tls.is_some_and(|tls| tls.settings.required);
    if required && !client.is_encrypted() && !client.is_local() {
        let failure = Failure::new("28000", "only connections over TLS are taken here")
            .with_hint("Connect with sslmode=require, or better with verify-full.");
        return Err(fatal(failure));
    }
    startup.negotiate(&mut client.output);
    if startup.get("replication").is_some_and(|value| !is_off(value)) {
        return Err(fatal(Failure::unsupported(
            "replication connections are not served",
            "Connect to a node itself.",
        )));
    }
    let (user, database) = (startup.user()?.to_owned(), startup.database()?.to_owned());
    let served = shared.databases.get(&*database);
    let claimant = match served {
        Some(served) => served.claimant(&user).await.map_err(fatal)?,
        None => Claimant::of_nothing(&user),
    };
    let binding = tls.filter(|_| client.is_encrypted()).and_then(|tls| tls.binding.as_deref());
    let shown = match (claimant.prove(client, &shared.mock, binding).await, served) {
        (Ok(shown), _) => shown,
        (Err(gone), served) => {
            served.inspect(|served| served.doubt(&user));
            return Err(gone);
        }
    };
    // Only who has proved to know a password hears which databases there are; nobody can prove
    // that for one that isn't there.
    let Some(served) = served else {
        let message = format!("database \"{database}\" does not exist");
        return Err(fatal(Failure::new("3D000", message)));
    };
    let db = Arc::clone(&served.db);
    let seat = shared.admission.seat(&database, &user, db.cluster.database().user(&user));
    let seat = seat.map_err(fatal)?;
    Ok(Began::Session(LetIn { db, user: user.into(), startup, shown }, seat))
}

/// A connection that has said what it wants.
pub enum Began {
    Cancel(CancelRequest),
    /// The seat is the client's until its end.
    Session(LetIn, Option<Seat>),
}

/// A client that is let in.
pub struct LetIn {
    db: Arc<Database>,
    user: Box<str>,
    startup: Startup,
    /// What it has shown of its password.
    shown: Option<Shown>,
}

/// What serves a client from its first statement to its end.
pub enum Welcomed {
    Session(Box<Session>),
    /// A connection of its own.
    Tunnel(Box<Tunnel>),
}

/// Makes the session, and tells the client all that it is told before its first statement.
pub async fn welcome(
    client: Client,
    shared: &Shared,
    let_in: LetIn,
) -> Result<Welcomed, (Client, Gone)> {
    let LetIn { db, user, startup, shown } = let_in;
    let pools = match db.cluster.user(&user) {
        Ok(pools) => pools,
        Err(error) => return Err((client, fatal(error.into()))),
    };
    if let Some(shown) = shown {
        pools.show(shown);
    }
    let of_session = db.cluster.database().pool_mode(&user) == PoolMode::Session;
    if of_session && db.is_one_shard() {
        let tunnel = welcome_to_tunnel(client, shared, &db, &user, &pools, startup).await;
        return tunnel.map(|tunnel| Welcomed::Tunnel(Box::new(tunnel)));
    }
    let settings = match settings_of(&startup, db.is_one_shard()) {
        Ok(settings) => Arc::new(settings),
        Err(failure) => return Err((client, fatal(failure))),
    };
    let session = Beginner { shared, db, pools, user, settings, version: startup.version() };
    let session = session.begin(client).await?;
    Ok(Welcomed::Session(Box::new(session)))
}

async fn welcome_to_tunnel(
    mut client: Client,
    shared: &Shared,
    db: &Database,
    user: &str,
    pools: &UserPools,
    startup: Startup,
) -> Result<Tunnel, (Client, Gone)> {
    let version = startup.version();
    let ours = ["user", "database", "replication"];
    let given = startup.parameters.into_iter().filter(|(name, _)| !ours.contains(&&**name));
    let mut parameters: Vec<(Box<str>, Box<str>)> = given.collect();
    add_times(&mut parameters, db.times(user));
    let parameters = StartupParameters::from(parameters);
    let mut stopping = shared.stopping.clone();
    let backend = match tunnel::connect(&mut client, db, pools, &parameters, &mut stopping).await {
        Ok(backend) => backend,
        Err(gone) => return Err((client, gone)),
    };
    let cancel = shared.cancel.register_session(version, backend.cancel_token());
    Ok(Tunnel::new(client, backend, cancel, db.cluster.session_end(), stopping))
}

/// Who has a session at the server for itself is bound by the server: its own settings say the
/// same as pgherd's, and a client that gives others has those.
fn add_times(parameters: &mut Vec<(Box<str>, Box<str>)>, times: Times) {
    for (name, limit) in [
        ("statement_timeout", times.statement),
        ("idle_in_transaction_session_timeout", times.in_transaction),
        ("idle_session_timeout", times.idle),
    ] {
        let given = parameters.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if !limit.is_zero() && !given {
            parameters.push((name.into(), format!("{}ms", limit.as_millis()).into()));
        }
    }
}

/// What a session begins with.
struct Beginner<'a> {
    shared: &'a Shared,
    db: Arc<Database>,
    pools: Arc<UserPools>,
    user: Box<str>,
    settings: Arc<SettingSet>,
    version: Version,
}

impl Beginner<'_> {
    async fn begin(self, mut client: Client) -> Result<Session, (Client, Gone)> {
        let Beginner { shared, db, pools, user, settings, version } = self;
        let welcome = match db.welcome(&user, &pools, &settings).await {
            Ok(welcome) => welcome,
            Err(failure) => return Err((client, fatal(failure))),
        };
        let cancel = shared.cancel.register(version);
        for (name, value) in welcome.told.iter() {
            backend::parameter_status(&mut client.output, name.as_bytes(), value.as_bytes());
        }
        backend::backend_key(&mut client.output, cancel.pid(), cancel.secret());
        backend::ready(&mut client.output, TransactionStatus::Idle);
        let state = ClientState {
            pid: cancel.pid(),
            heard: None,
            journal: super::journal::Journal::default(),
            said_bare: false,
            wide: None,
            settings: ClientSettings::new(Arc::clone(&welcome.startup)),
            hints: RouteHints::new(Arc::clone(&welcome.nothing_set)),
            statements: ClientStatements::default(),
            cursors: super::cursor::Cursors::default(),
            told: Arc::clone(&welcome.told),
            status: TransactionStatus::Idle,
            restyled: false,
            redefined: false,
            gone: Leaves::NOTHING,
            named: Vec::new(),
            edited: None,
        };
        Ok(Session::new(Beginning {
            db,
            user,
            welcome,
            pools,
            client,
            state,
            cancel,
            stopping: shared.stopping.clone(),
        }))
    }
}

/// The first packets: encryption by TLS where it is configured, until one says what is wanted.
async fn open(client: &mut Client, shared: &Shared) -> Result<Opening, Gone> {
    let from = client.peer().address();
    if from.is_some_and(|from| shared.proxied.iter().any(|network| network.contains(from))) {
        client.take_proxy_header().await?;
    }
    if let Err(failure) = shared.admission.arrive(client.peer()) {
        return only_cancel(client, failure).await;
    }
    let tls = shared.tls.as_ref().filter(|_| client.may_encrypt());
    let mut opener = Opener::default();
    if let Some(tls) = tls
        && client.begins_with_tls().await?
    {
        encrypt(client, tls, true).await?;
        opener.encrypted();
    }
    loop {
        match (opener.next(&mut client.input)?, tls) {
            (None, _) => {
                client.fill().await?;
            }
            (Some(Opening::TlsRequest), Some(tls)) => {
                client.output.extend_from_slice(b"S");
                client.send().await?;
                encrypt(client, tls, false).await?;
                opener.encrypted();
            }
            (Some(Opening::TlsRequest | Opening::GssRequest), _) => {
                client.output.extend_from_slice(b"N");
                client.send().await?;
            }
            (Some(other), _) => return Ok(other),
        }
    }
}

/// Of one that comes too often, nothing but a cancel request is taken.
async fn only_cancel(client: &mut Client, failure: Failure) -> Result<Opening, Gone> {
    let mut opener = Opener::default();
    loop {
        match opener.next(&mut client.input)? {
            None => {
                client.fill().await?;
            }
            Some(cancel @ Opening::Cancel(_)) => return Ok(cancel),
            Some(_) => return Err(fatal(failure)),
        }
    }
}

async fn encrypt(client: &mut Client, tls: &Tls, direct: bool) -> Result<(), Gone> {
    client.encrypt(&tls.settings.config, direct).await.map_err(|error| {
        tracing::info!(peer = %client.peer(), %error, "a client's TLS handshake failed");
        Gone::Closed
    })
}

/// The settings in a startup packet.
fn settings_of(startup: &Startup, one_shard: bool) -> Result<SettingSet, Failure> {
    let mut settings = SettingSet::new();
    // Every connection to a server has a name of pgherd's: without one the client's is empty.
    settings.insert("application_name".into(), set_config("application_name", ""));
    if let Some(options) = startup.get("options") {
        let options = read_options(options).map_err(|word| {
            Failure::new("22023", format!("startup option \"{word}\" is not supported"))
                .with_hint("Give settings as -c name=value.")
        })?;
        for (name, value) in options {
            insert(&mut settings, &name, &value, one_shard)?;
        }
    }
    for (name, value) in &startup.parameters {
        if !matches!(&**name, "user" | "database" | "options" | "replication") {
            insert(&mut settings, &name.to_ascii_lowercase(), value, one_shard)?;
        }
    }
    Ok(settings)
}

fn insert(
    settings: &mut SettingSet,
    name: &str,
    value: &str,
    one_shard: bool,
) -> Result<(), Failure> {
    if name == "client_encoding" && !one_shard && Hiding::of(value).is_some() {
        return Err(hiding_encoding());
    }
    if name == "transform_null_equals" && !one_shard && !is_off(value) {
        return Err(Failure::unsupported(format!("{name} {value} is not supported"), IS_NULL_HINT));
    }
    if name.starts_with("pgherd.") {
        return Err(Failure::unsupported(
            format!("{name} can't be given when connecting"),
            "SET it in the session.",
        ));
    }
    settings.insert(name.into(), set_at_startup(name, value));
    Ok(())
}

pub(super) fn fatal(failure: Failure) -> Gone {
    Gone::Sent(Box::new(failure.and_fatal()))
}

/// Tells a client why it isn't served.
pub fn tell(gone: &Gone, out: &mut BytesMut) {
    match gone {
        Gone::Closed => {}
        Gone::Protocol(error) => Failure::from(error.clone()).and_fatal().write(out),
        Gone::Sent(failure) => failure.write(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup(parameters: &[(&str, &str)]) -> Startup {
        let mut packet = BytesMut::new();
        crate::wire::startup::write_startup(&mut packet, parameters.iter().copied());
        match Opener::default().next(&mut packet) {
            Ok(Some(Opening::Startup(startup))) => startup,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_of_a_startup_packet_outdo_its_options() {
        let packet = startup(&[
            ("user", "u"),
            ("options", "-c geqo=off -c TimeZone=UTC"),
            ("TimeZone", "Asia/Tokyo"),
        ]);
        let settings = settings_of(&packet, false).unwrap();
        let names: Vec<&str> = settings.keys().map(|name| &**name).collect();
        assert_eq!(names, ["application_name", "geqo", "timezone"]);
        assert_eq!(settings["timezone"], set_config("timezone", "Asia/Tokyo"));
    }

    #[test]
    fn what_pgherd_could_not_read_is_refused() {
        for (name, value) in [
            ("client_encoding", "SJIS"),
            ("options", "-d 3"),
            ("options", "-c transform_null_equals=on"),
            ("pgherd.shard", "s1"),
        ] {
            assert!(
                settings_of(&startup(&[("user", "u"), (name, value)]), false).is_err(),
                "{name}"
            );
        }
    }
}
