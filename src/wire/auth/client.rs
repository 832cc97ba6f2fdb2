//! Answering a server that asks who we are.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;

use super::scram::{self, Keys};
use super::scram_client::{self, Binding, Proved, Started};
use super::server::md5_hex;
use crate::wire::backend::{Authentication, CStrs};
use crate::wire::{ProtocolError, frontend};

/// Who we are to a server. A clone shares what was derived from the password.
#[derive(Clone)]
pub struct Login {
    pub user: Box<str>,
    /// `None`: what clients have shown, or else only a server that asks for nothing lets us in.
    pub password: Option<Box<str>>,
    shown: ShownSlot,
    /// Of the last login by SCRAM. A shard's nodes share one salt, so its next connection finds
    /// the right ones here and saves some milliseconds of derivation.
    kept: Arc<Mutex<Option<Kept>>>,
}

/// Keys, and the password that they were made of.
struct Kept {
    password: Box<str>,
    keys: Keys,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Login {
    pub fn new(user: impl Into<Box<str>>, password: Option<&str>) -> Login {
        Login {
            user: user.into(),
            password: password.map(Box::from),
            shown: ShownSlot::default(),
            kept: Arc::default(),
        }
    }

    /// Without a password of its own: by what clients have shown last.
    pub fn by_what_is_shown(user: impl Into<Box<str>>, shown: ShownSlot) -> Login {
        Login { shown, ..Login::new(user, None) }
    }

    fn known(&self) -> Option<Shown> {
        match &self.password {
            Some(password) => Some(Shown::Password(password.clone())),
            None => self.shown.0.lock().clone(),
        }
    }
}

/// What a client has shown in proving who it is, so that the same can be proved to a server.
/// Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    Password(Box<str>),
    /// A server proves to have the same verifier, or these are of no use there.
    Keys(Keys),
    /// `md5(password || user)` in hex, which is as good as the password to a server that asks
    /// for MD5.
    Md5(Box<str>),
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

/// Where the logins of one user find what its clients have shown.
#[derive(Clone, Default)]
pub struct ShownSlot(Arc<Mutex<Option<Shown>>>);

impl ShownSlot {
    /// From now on logins go by this.
    pub fn put(&self, shown: Shown) {
        *self.0.lock() = Some(shown);
    }
}

/// One exchange, up to AuthenticationOk.
pub struct Exchange<'l> {
    login: &'l Login,
    known: Option<Shown>,
    /// What a proof is bound to, over TLS.
    binding: Option<Box<[u8]>>,
    scram: Scram,
}

enum Scram {
    None,
    Started(Started),
    /// Our proof was sent; the server still owes its own.
    Proved(Proved),
    Verified,
}

impl<'l> Exchange<'l> {
    pub fn new(login: &'l Login) -> Exchange<'l> {
        Exchange { login, known: login.known(), binding: None, scram: Scram::None }
    }

    /// Binds the proof to the TLS connection that it is spoken on, as
    /// [`end_point`](super::end_point::end_point) gives it.
    pub fn bound_to(self, binding: Option<Box<[u8]>>) -> Exchange<'l> {
        Exchange { binding, ..self }
    }

    /// Takes the server's next Authentication message and appends the answer. True when the
    /// server is satisfied, and, after SCRAM, has proved that it knows the password too.
    pub fn step(
        &mut self,
        message: Authentication<'_>,
        out: &mut BytesMut,
    ) -> Result<bool, ProtocolError> {
        match (message, std::mem::replace(&mut self.scram, Scram::None)) {
            (Authentication::Ok, Scram::None | Scram::Verified) => return Ok(true),
            (Authentication::Cleartext, Scram::None) => {
                let Some(Shown::Password(password)) = &self.known else {
                    return Err(self.unknown());
                };
                frontend::write_password(out, password.as_bytes());
            }
            (Authentication::Md5 { salt }, Scram::None) => {
                let hash = match &self.known {
                    Some(Shown::Password(password)) => {
                        md5_hex(&[password.as_bytes(), self.login.user.as_bytes()])
                    }
                    Some(Shown::Md5(hash)) => hash.to_string(),
                    Some(Shown::Keys(_)) | None => return Err(self.unknown()),
                };
                let answer = md5_hex(&[hash.as_bytes(), &salt]);
                frontend::write_password(out, format!("md5{answer}").as_bytes());
            }
            (Authentication::Sasl(mechanisms), Scram::None) => {
                self.scram = Scram::Started(self.start_scram(mechanisms, out)?);
            }
            (Authentication::SaslContinue(data), Scram::Started(started)) => {
                let keys = |salt: &[u8], iterations| self.keys(salt, iterations);
                let (proved, message) = started.prove(keys, data)?;
                frontend::write_sasl_response(out, message.as_bytes());
                self.scram = Scram::Proved(proved);
            }
            (Authentication::SaslFinal(data), Scram::Proved(proved)) => {
                proved.verify(data)?;
                self.scram = Scram::Verified;
            }
            (Authentication::Other(code), _) => {
                return Err(ProtocolError::coded(
                    "0A000",
                    format!("the server asks for authentication of kind {code}, not spoken here"),
                )
                .with_hint("Let it ask for scram-sha-256 in its pg_hba.conf."));
            }
            _ => {
                return Err(ProtocolError::message(
                    "the server's authentication messages are out of order",
                ));
            }
        }
        Ok(false)
    }

    /// Chooses the mechanism, with channel binding where there is a channel to bind to.
    fn start_scram(
        &self,
        mechanisms: CStrs<'_>,
        out: &mut BytesMut,
    ) -> Result<Started, ProtocolError> {
        if !matches!(self.known, Some(Shown::Password(_) | Shown::Keys(_))) {
            return Err(self.unknown());
        }
        let offered = |mechanism: &str| mechanisms.iter().any(|m| m == mechanism.as_bytes());
        let (mechanism, binding) = match &self.binding {
            Some(data) if offered(scram::MECHANISM_PLUS) => {
                (scram::MECHANISM_PLUS, Binding::To(data))
            }
            Some(_) => (scram::MECHANISM, Binding::NotOffered),
            None => (scram::MECHANISM, Binding::Unavailable),
        };
        if !offered(mechanism) {
            return Err(ProtocolError::coded(
                "0A000",
                "the server offers no SASL mechanism that is spoken here",
            ));
        }
        let (started, message) = scram_client::start(binding);
        frontend::write_sasl_initial(out, mechanism, message.as_bytes());
        Ok(started)
    }

    /// The keys under the server's salt.
    fn keys(&self, salt: &[u8], iterations: u32) -> Result<Keys, ProtocolError> {
        let password = match &self.known {
            Some(Shown::Keys(keys)) if keys.fit(salt, iterations) => return Ok(keys.clone()),
            Some(Shown::Password(password)) => password,
            Some(Shown::Keys(_)) => {
                return Err(ProtocolError::coded(
                    "28000",
                    format!(
                        "the server's SCRAM verifier of user \"{}\" is not the one that its \
                         clients have proved themselves by",
                        self.login.user
                    ),
                )
                .with_hint("Give the role the same verifier on every server."));
            }
            Some(Shown::Md5(_)) | None => return Err(self.unknown()),
        };
        if let Some(kept) = &*self.login.kept.lock()
            && kept.password == *password
            && kept.keys.fit(salt, iterations)
        {
            return Ok(kept.keys.clone());
        }
        let keys = Keys::derive(password.as_bytes(), salt, iterations);
        let kept = Kept { password: password.clone(), keys: keys.clone() };
        *self.login.kept.lock() = Some(kept);
        Ok(keys)
    }

    fn unknown(&self) -> ProtocolError {
        let user = &self.login.user;
        let message = match self.known {
            None => format!("the server asks for user \"{user}\"'s password; none is set"),
            Some(_) => format!(
                "the server asks for user \"{user}\"'s password in a way that what is known of it \
                 does not serve"
            ),
        };
        ProtocolError::coded("28000", message)
    }
}
