//! Answering a server that asks who we are.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;

use super::scram;
use super::scram_client::{self, Binding, Proved, Salted, Started};
use super::server::md5_hex;
use crate::wire::backend::Authentication;
use crate::wire::{ProtocolError, frontend};

/// Who we are to a server. A clone shares what was derived from the password.
#[derive(Clone)]
pub struct Login {
    pub user: Box<str>,
    /// `None`: only a server that asks for nothing lets us in.
    pub password: Option<Box<str>>,
    /// Of the last login by SCRAM. A shard's nodes share one salt, so its next connection finds
    /// the right one here and saves some milliseconds of derivation.
    salted: Arc<Mutex<Option<Salted>>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Login {
    pub fn new(user: impl Into<Box<str>>, password: Option<&str>) -> Login {
        Login { user: user.into(), password: password.map(Box::from), salted: Arc::default() }
    }
}

/// One exchange, up to AuthenticationOk.
pub struct Exchange<'l> {
    login: &'l Login,
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
        Exchange { login, binding: None, scram: Scram::None }
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
                frontend::write_password(out, self.password()?.as_bytes());
            }
            (Authentication::Md5 { salt }, Scram::None) => {
                let parts = [self.password()?.as_bytes(), self.login.user.as_bytes()];
                let answer = md5_hex(&[md5_hex(&parts).as_bytes(), &salt]);
                frontend::write_password(out, format!("md5{answer}").as_bytes());
            }
            (Authentication::Sasl(mechanisms), Scram::None) => {
                self.password()?;
                let offered =
                    |mechanism: &str| mechanisms.iter().any(|m| m == mechanism.as_bytes());
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
                self.scram = Scram::Started(started);
            }
            (Authentication::SaslContinue(data), Scram::Started(started)) => {
                let mut kept = self.login.salted.lock().clone();
                let (proved, message) = started.prove(self.password()?, &mut kept, data)?;
                *self.login.salted.lock() = kept;
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

    fn password(&self) -> Result<&'l str, ProtocolError> {
        self.login.password.as_deref().ok_or_else(|| {
            ProtocolError::coded(
                "28000",
                format!("the server asks for user \"{}\"'s password; none is set", self.login.user),
            )
        })
    }
}
