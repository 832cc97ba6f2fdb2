//! How clients prove who they are, and where users are found that the settings don't name.

use std::time::Duration;

use super::mistake::suggestion;
use super::section::Section;
use super::settings::{ClientSecret, User};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// How clients prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthMethod {
    #[default]
    Scram,
    /// For clients that speak no SCRAM; who has only a verifier is asked by SCRAM all the same.
    Md5,
    /// The password itself, over TLS or a Unix socket.
    Password,
    /// A client certificate whose common name is the user's.
    Certificate,
    /// Nobody is asked.
    Trust,
}

impl AuthMethod {
    /// Whether a user needs a password or a verifier.
    pub fn asks_for_password(self) -> bool {
        matches!(self, AuthMethod::Scram | AuthMethod::Md5 | AuthMethod::Password)
    }
}

/// Where users are found that the settings don't name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthQuery {
    /// Gives name and secret of the user `$1`, or no row.
    pub text: Box<str>,
    /// Index in the database's users: who it runs as.
    pub user: usize,
    /// How long an answer holds.
    pub cache_time: Duration,
}

/// `auth` of a database or a user; `None` where it isn't written.
pub(super) fn method(section: &Section) -> Option<AuthMethod> {
    let choices = [
        ("scram-sha-256", AuthMethod::Scram),
        ("md5", AuthMethod::Md5),
        ("password", AuthMethod::Password),
        ("cert", AuthMethod::Certificate),
        ("trust", AuthMethod::Trust),
    ];
    let method = section.choice("auth", &choices);
    method.filter(|_| section.has("auth"))
}

/// `auth_query` and what belongs to it.
pub(super) fn query(section: &Section, users: &[User], method: AuthMethod) -> Option<AuthQuery> {
    let text = section.text("auth_query", "a query that gives name and secret of the user $1");
    let name = section.text("auth_user", "the name of one of the users");
    let cache_time = section.duration("auth_cache_time", 60 * SECOND, Duration::ZERO..=HOUR);
    let Some(text) = text else {
        for key in ["auth_user", "auth_cache_time"] {
            if section.has(key) {
                section.wrong(key, "has no effect without auth_query");
            }
        }
        return None;
    };
    if !text.contains("$1") {
        section.wrong("auth_query", "asks for nobody: expected the user's name as $1");
    }
    if !method.asks_for_password() {
        section.wrong(
            "auth_query",
            "finds secrets, and auth asks for none; expected scram-sha-256, md5 or password",
        );
    }
    let user = match &name {
        None => Some(0),
        Some(name) => users.iter().position(|user| *user.name == **name),
    };
    if user.is_none() {
        let names: Vec<&str> = users.iter().map(|user| &*user.name).collect();
        let name = name.unwrap_or_default();
        let known = suggestion(&name, &names);
        section.wrong("auth_user", format!("there is no user {name:?}{known}"));
    }
    Some(AuthQuery { text: text.into(), user: user.unwrap_or(0), cache_time })
}

/// Who has to log in to the servers before any client has come.
pub(super) fn check_ours(
    section: &Section,
    users: &[User],
    control: usize,
    query: Option<&AuthQuery>,
) {
    let ours = [("control_user", Some(control)), ("auth_user", query.map(|query| query.user))];
    for (key, user) in ours {
        let Some(user) = user.and_then(|user| users.get(user)) else { continue };
        let verifier = matches!(user.client, ClientSecret::Verifier(_));
        if verifier && user.server_password.is_none() {
            section.wrong(
                key,
                format!(
                    "user {:?} has a verifier, from which pgherd itself can't log in to a server; \
                     expected server_password, server_password_env or server_password_file too",
                    user.name
                ),
            );
        }
    }
}
