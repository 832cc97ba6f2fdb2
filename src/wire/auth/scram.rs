//! SCRAM-SHA-256 (RFC 5802, RFC 7677) as Postgres speaks it: the verifier that is kept instead of
//! a password, and the server's side of the exchange.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use rand::RngCore;
use sha2::{Digest, Sha256};

use super::saslprep::prepare;
use crate::wire::ProtocolError;

pub const MECHANISM: &str = "SCRAM-SHA-256";
/// The same, bound to the TLS connection that it is spoken on.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// How a client's first message begins that binds to the server's certificate: the only kind of
/// binding that Postgres knows.
pub(super) const BOUND: &str = "p=tls-server-end-point,,";
/// Postgres's default, and what is derived from a plain password here.
pub const ITERATIONS: u32 = 4096;
/// A verifier that asks its clients for more is refused when it is read.
const MAX_ITERATIONS: u32 = 10_000_000;
const SALT_LEN: usize = 16;
const NONCE_LEN: usize = 18;
pub(super) type Key = [u8; 32];

/// What a server keeps to check a password by. It can't be turned back into the password, but
/// whoever has it can pretend to be the server: Debug shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    pub iterations: u32,
    pub salt: Box<[u8]>,
    stored_key: Key,
    server_key: Key,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, the form of
    /// `pg_authid.rolpassword`.
    pub fn parse(text: &str) -> Option<Verifier> {
        let rest = text.strip_prefix("SCRAM-SHA-256$")?;
        let (head, keys) = rest.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let iterations = iterations.parse().ok().filter(|n| (1..=MAX_ITERATIONS).contains(n))?;
        let salt: Box<[u8]> = BASE64.decode(salt).ok().filter(|s| !s.is_empty())?.into();
        let key = |text: &str| Key::try_from(BASE64.decode(text).ok()?).ok();
        Some(Verifier { iterations, salt, stored_key: key(stored)?, server_key: key(server)? })
    }

    /// Derives a verifier from a password: slow on purpose (about 4096 HMACs), so once, and kept.
    pub fn derive(password: &[u8]) -> Verifier {
        let mut salt = [0; SALT_LEN];
        rand::rng().fill_bytes(&mut salt);
        Verifier::derive_with(password, &salt, ITERATIONS)
    }

    /// As [`Verifier::derive`], with a salt and a number of iterations of one's own.
    pub fn derive_with(password: &[u8], salt: &[u8], iterations: u32) -> Verifier {
        let Keys { salt, client_key, server_key, .. } = Keys::derive(password, salt, iterations);
        Verifier { iterations, salt, stored_key: stored_key(&client_key), server_key }
    }

    /// A verifier that no password fits, the same for a name each time, so that an unknown user
    /// is asked just as a known one. `secret` is drawn once in a process.
    pub fn mock(user: &str, secret: &[u8]) -> Verifier {
        let salt = mac(secret, &[b"salt", user.as_bytes()]);
        let mut nobody = Verifier {
            iterations: ITERATIONS,
            salt: salt[..SALT_LEN].into(),
            stored_key: [0; 32],
            server_key: [0; 32],
        };
        rand::rng().fill_bytes(&mut nobody.stored_key);
        rand::rng().fill_bytes(&mut nobody.server_key);
        nobody
    }

    /// Whether this is the password, at the cost of a derivation.
    pub fn fits(&self, password: &[u8]) -> bool {
        let other = Verifier::derive_with(password, &self.salt, self.iterations);
        equal(&other.stored_key, &self.stored_key)
    }
}

/// What proves a password, by SCRAM, to whoever has a verifier with the same salt: it is made of
/// the password, or heard from a client that has proved to know it. As good as the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub(super) salt: Box<[u8]>,
    pub(super) iterations: u32,
    pub(super) client_key: Key,
    pub(super) server_key: Key,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl Keys {
    /// Derives them, which is slow on purpose.
    pub(super) fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Keys {
        let salted = salt_password(&prepare(password), salt, iterations);
        Keys {
            salt: salt.into(),
            iterations,
            client_key: client_key(&salted),
            server_key: server_key(&salted),
        }
    }

    pub(super) fn fit(&self, salt: &[u8], iterations: u32) -> bool {
        *self.salt == *salt && self.iterations == iterations
    }
}

impl fmt::Display for Verifier {
    /// The form that [`Verifier::parse`] reads. It is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stored, server) = (BASE64.encode(self.stored_key), BASE64.encode(self.server_key));
        let salt = BASE64.encode(&self.salt);
        write!(f, "SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }
}

/// PBKDF2 with one block.
pub(super) fn salt_password(password: &[u8], salt: &[u8], iterations: u32) -> Key {
    let keyed = keyed(password);
    let mut last = run(keyed.clone(), &[salt, &1u32.to_be_bytes()]);
    let mut salted = last;
    for _ in 1..iterations {
        last = run(keyed.clone(), &[&last]);
        salted.iter_mut().zip(last).for_each(|(s, l)| *s ^= l);
    }
    salted
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // A key longer than the block is hashed first, as HMAC says, so no length can fail.
    match Hmac::new_from_slice(key) {
        Ok(hmac) => hmac,
        Err(_) => Hmac::new(&Default::default()),
    }
}

fn run(mut hmac: Hmac<Sha256>, parts: &[&[u8]]) -> Key {
    parts.iter().for_each(|p| hmac.update(p));
    hmac.finalize().into_bytes().into()
}

pub(super) fn client_key(salted: &Key) -> Key {
    mac(salted, &[b"Client Key"])
}

pub(super) fn stored_key(client_key: &Key) -> Key {
    Sha256::digest(client_key).into()
}

pub(super) fn server_key(salted: &Key) -> Key {
    mac(salted, &[b"Server Key"])
}

pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> Key {
    run(keyed(key), parts)
}

/// Compares in the same time whatever differs.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    let same = a.len() == b.len();
    let differs = a.iter().zip(b).fold(0u8, |d, (a, b)| d | (a ^ b));
    same & (std::hint::black_box(differs) == 0)
}

/// What the server's side of an exchange knows of channel binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding<'b> {
    /// There is nothing to bind to, and it wasn't offered.
    Unavailable,
    /// It was offered, and the client chose the mechanism without it.
    Declined,
    /// The client chose the mechanism with it; this is what it has to be bound to.
    Chosen(&'b [u8]),
}

/// The server's side of one exchange, from the client's first message on.
pub struct Exchange {
    verifier: Verifier,
    /// What the client said about channel binding, and what it is bound to: it must say the
    /// same again.
    binding: Vec<u8>,
    /// Both nonces.
    nonce: String,
    /// `client-first-message-bare , server-first-message`.
    transcript: String,
    /// The user is unknown: whatever comes, it fails.
    doomed: bool,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

fn malformed(why: &str) -> ProtocolError {
    ProtocolError::fatal(format!("malformed SCRAM message: {why}"))
}

impl Exchange {
    /// Reads the client's first message; gives the exchange and the server's first message.
    /// `known` is false for a mock verifier.
    pub fn start(
        verifier: Verifier,
        known: bool,
        client_first: &[u8],
        binding: Binding<'_>,
    ) -> Result<(Exchange, String), ProtocolError> {
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        Exchange::start_with(verifier, known, client_first, binding, &BASE64.encode(nonce))
    }

    pub(super) fn start_with(
        verifier: Verifier,
        known: bool,
        client_first: &[u8],
        binding: Binding<'_>,
        server_nonce: &str,
    ) -> Result<(Exchange, String), ProtocolError> {
        let text = std::str::from_utf8(client_first).map_err(|_| malformed("it is not UTF-8"))?;
        let (gs2_header, bare) = split_gs2(text, binding)?;
        let mut parts = bare.splitn(3, ',');
        // The user's name here is ignored, as in Postgres: the startup packet's counts.
        if !parts.next().is_some_and(|p| p.starts_with("n=")) {
            return Err(malformed("it starts with no user name"));
        }
        let nonce = parts.next().and_then(|p| p.strip_prefix("r=")).unwrap_or("");
        if nonce.is_empty() || !nonce.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed("its nonce is missing or can't be printed"));
        }
        let nonce = format!("{nonce}{server_nonce}");
        let salt = BASE64.encode(&verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let exchange = Exchange {
            verifier,
            binding: match binding {
                Binding::Chosen(data) => [gs2_header.as_bytes(), data].concat(),
                _ => gs2_header.into(),
            },
            nonce,
            transcript: format!("{bare},{server_first}"),
            doomed: !known,
        };
        Ok((exchange, server_first))
    }

    /// Reads the client's final message. `Ok(Some)` is the server's final message and what the
    /// client's proof has shown: it is who it says; `Ok(None)`: it isn't.
    pub fn finish(self, client_final: &[u8]) -> Result<Option<(String, Keys)>, ProtocolError> {
        let text = std::str::from_utf8(client_final).map_err(|_| malformed("it is not UTF-8"))?;
        let (without_proof, proof) =
            text.rsplit_once(",p=").ok_or_else(|| malformed("it holds no proof"))?;
        let mut parts = without_proof.split(',');
        let binding = parts.next().and_then(|p| p.strip_prefix("c="));
        if binding != Some(BASE64.encode(&self.binding).as_str()) {
            return Err(ProtocolError::coded(
                "28000",
                "SCRAM channel binding does not match what the exchange began with",
            )
            .and_fatal());
        }
        if parts.next().and_then(|p| p.strip_prefix("r=")) != Some(&self.nonce) {
            return Err(malformed("its nonce is not the one of this exchange"));
        }
        let proof = BASE64.decode(proof).ok().and_then(|p| Key::try_from(p).ok());
        let proof = proof.ok_or_else(|| malformed("its proof is no key"))?;
        Ok(self.check(without_proof, proof))
    }

    fn check(self, without_proof: &str, proof: Key) -> Option<(String, Keys)> {
        let message = [self.transcript.as_bytes(), b",", without_proof.as_bytes()];
        let mut client_key = mac(&self.verifier.stored_key, &message);
        client_key.iter_mut().zip(proof).for_each(|(k, p)| *k ^= p);
        let right = equal(&stored_key(&client_key), &self.verifier.stored_key);
        let signature = mac(&self.verifier.server_key, &message);
        let Verifier { iterations, salt, server_key, .. } = self.verifier;
        let keys = Keys { salt, iterations, client_key, server_key };
        (right & !self.doomed).then(|| (format!("v={}", BASE64.encode(signature)), keys))
    }
}

/// Splits the part about channel binding (`n,,`, `y,,` or `p=…,,`) off the client's first
/// message, when it fits what was offered and chosen.
fn split_gs2<'t>(text: &'t str, binding: Binding<'_>) -> Result<(&'t str, &'t str), ProtocolError> {
    let bound = matches!(binding, Binding::Chosen(_));
    match text.as_bytes() {
        [b'n' | b'y', b',', ..] if bound => {
            Err(malformed("it chose channel binding and binds to no channel"))
        }
        // Somebody in between may have taken the offer out of the list that the client saw.
        [b'y', b',', ..] if binding == Binding::Declined => Err(ProtocolError::coded(
            "28000",
            "SCRAM channel binding negotiation error: the client supports channel binding but \
             thinks that the server doesn't, which it does",
        )
        .with_hint("Somebody in the middle of the connection may have tampered with it.")
        .and_fatal()),
        [b'n' | b'y', b',', b',', ..] => Ok(text.split_at(3)),
        [b'p', ..] if !bound => {
            Err(malformed("it binds to a channel with a mechanism that doesn't"))
        }
        [b'p', ..] if text.starts_with(BOUND) => Ok(text.split_at(BOUND.len())),
        [b'p', ..] if !text.starts_with(&BOUND[..BOUND.len() - 1]) => {
            Err(malformed("its kind of channel binding is not tls-server-end-point"))
        }
        [b'n' | b'y', b',', b'a', ..] | [b'p', ..] => {
            let message = "SCRAM authorization identities are not supported";
            Err(ProtocolError::coded("0A000", message).and_fatal())
        }
        _ => Err(malformed("it starts with no channel binding flag")),
    }
}
