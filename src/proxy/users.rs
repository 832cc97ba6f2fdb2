//! Who may connect to a database, and how they prove it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::{Client, Gone};
use super::database::Database;
use super::failure::Failure;
use super::startup::fatal;
use crate::config::settings::{AuthMethod, ClientSecret, User};
use crate::wire::ProtocolError;
use crate::wire::auth::client::Shown;
use crate::wire::auth::server::{Exchange, Method, Secret, Step};
use crate::wire::backend;
use crate::wire::frontend::tag;

/// A database and who may connect to it.
pub struct Served {
    pub db: Arc<Database>,
    /// Of the users in the settings. Derived once: it takes milliseconds.
    secrets: BTreeMap<Box<str>, Secret>,
}

/// Who says to be a user, before it is proved.
pub struct Claimant<'a> {
    user: &'a str,
    method: AuthMethod,
    /// `None`: there is no such user, which nobody is told.
    secret: Option<Secret>,
    /// The password itself, where it is known and in no settings.
    password: Option<Box<str>>,
}

impl Served {
    /// Reads the secrets of the database's users.
    pub fn new(db: Arc<Database>) -> Served {
        let secret = |user: &User| {
            let secret = match &user.client {
                ClientSecret::Password(secret) | ClientSecret::Verifier(secret) => {
                    Secret::read(&user.name, secret.reveal())
                }
                ClientSecret::None => Secret::none(),
            };
            (user.name.clone(), secret)
        };
        let secrets = db.cluster.database().users.iter().map(secret).collect();
        Served { db, secrets }
    }

    /// What is known of a user, in the settings or by asking a server.
    ///
    /// # Errors
    /// No server could be asked.
    pub async fn claimant<'a>(&self, user: &'a str) -> Result<Claimant<'a>, Failure> {
        let method = self.db.cluster.database().auth(user);
        let known = self.secrets.get(user).cloned();
        let nobody = Claimant { user, method, secret: known, password: None };
        match self.db.cluster.roles() {
            Some(roles) if nobody.secret.is_none() => {
                let Some(role) = roles.find(user).await? else { return Ok(nobody) };
                let password = role.password().map(Box::from);
                Ok(Claimant { secret: Some(role.secret.clone()), password, ..nobody })
            }
            _ => Ok(nobody),
        }
    }

    /// A claimant's proof failed.
    pub fn doubt(&self, user: &str) {
        if let Some(roles) = self.db.cluster.roles()
            && !self.secrets.contains_key(user)
        {
            roles.doubt(user);
        }
    }
}

impl<'a> Claimant<'a> {
    /// Of a database that isn't there: nobody can prove to be somebody there.
    pub fn of_nothing(user: &'a str) -> Claimant<'a> {
        Claimant { user, method: AuthMethod::default(), secret: None, password: None }
    }

    /// Asks the client for a proof. What it has shown may serve to prove the same to servers.
    ///
    /// # Errors
    /// It isn't who it says, or can't show it here.
    pub async fn prove(
        self,
        client: &mut Client,
        mock: &[u8],
        binding: Option<&[u8]>,
    ) -> Result<Option<Shown>, Gone> {
        let method = match self.method {
            AuthMethod::Scram => Method::ScramSha256,
            AuthMethod::Md5 => Method::Md5,
            AuthMethod::Trust => Method::Trust,
            AuthMethod::Password if client.is_encrypted() || client.is_local() => Method::Cleartext,
            AuthMethod::Password => {
                let failure = Failure::new("28000", "a password is taken over TLS only")
                    .with_hint("Connect with sslmode=require, or better with verify-full.");
                return Err(fatal(failure));
            }
            AuthMethod::Certificate => {
                self.check_certificate(client)?;
                backend::authentication_ok(&mut client.output);
                return Ok(None);
            }
        };
        let Claimant { user, secret, password, .. } = self;
        let (mut exchange, mut step) =
            Exchange::start(method, user, secret, mock, binding, &mut client.output);
        while step == Step::Wait {
            client.send().await?;
            let (message, body) = client.message().await?;
            if message != tag::PASSWORD {
                let what = "expected a password or SASL response".to_owned();
                return Err(ProtocolError::fatal(what).into());
            }
            step = exchange.step(&body, &mut client.output)?;
        }
        // Its keys are of a verifier that we have made, where there is a password.
        Ok(password.map(Shown::Password).or_else(|| exchange.shown()))
    }

    fn check_certificate(&self, client: &Client) -> Result<(), Gone> {
        let refused = |hint: &str| {
            let message = format!("certificate authentication failed for user \"{}\"", self.user);
            fatal(Failure::new("28000", message).with_hint(hint))
        };
        match client.certificate_name() {
            None => Err(refused("Show a certificate whose subject has one common name.")),
            Some(name) if *name != *self.user || self.secret.is_none() => {
                Err(refused("The certificate's common name has to be the user's name."))
            }
            Some(_) => Ok(()),
        }
    }
}
