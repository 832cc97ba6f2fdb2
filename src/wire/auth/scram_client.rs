//! The client's side of SCRAM-SHA-256, towards servers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rand::RngCore;

use super::scram::{BOUND, Key, Keys, equal, mac, stored_key};
use crate::wire::ProtocolError;

const NONCE_LEN: usize = 18;
/// The server says how much work a login is; more than this is refused. Postgres's default is
/// 4096; a million is about a second.
const MAX_ITERATIONS: u32 = 1_000_000;

/// An exchange that has sent its first message.
pub(super) struct Started {
    nonce: String,
    /// What our final message says of channel binding: the header of the first, and the data.
    binding: Vec<u8>,
}

/// What our side says of channel binding.
pub(super) enum Binding<'b> {
    /// We have nothing to bind to.
    Unavailable,
    /// We have, and the server didn't offer it; should it know of an offer, it will refuse.
    NotOffered,
    /// The proof is bound to this.
    To(&'b [u8]),
}

/// An exchange that has sent its proof; the server owes its own.
pub(super) struct Proved {
    server_signature: Key,
}

/// The client's first message.
pub(super) fn start(binding: Binding<'_>) -> (Started, String) {
    let mut nonce = [0; NONCE_LEN];
    rand::rng().fill_bytes(&mut nonce);
    let nonce = BASE64.encode(nonce);
    let (header, data) = match binding {
        Binding::Unavailable => ("n,,", &[][..]),
        Binding::NotOffered => ("y,,", &[][..]),
        Binding::To(data) => (BOUND, data),
    };
    // The server goes by the startup packet's user.
    let message = format!("{header}n=,r={nonce}");
    (Started { nonce, binding: [header.as_bytes(), data].concat() }, message)
}

fn malformed(why: &str) -> ProtocolError {
    ProtocolError::message(format!("malformed SCRAM message from the server: {why}"))
}

impl Started {
    /// Reads the server's first message; gives the client's final one. `keys` has the keys of
    /// the password under this salt and with so many iterations.
    pub(super) fn prove(
        self,
        keys: impl FnOnce(&[u8], u32) -> Result<Keys, ProtocolError>,
        server_first: &[u8],
    ) -> Result<(Proved, String), ProtocolError> {
        let text = std::str::from_utf8(server_first).map_err(|_| malformed("it is not UTF-8"))?;
        let (nonce, salt, iterations) = self.read_first(text)?;
        let keys = keys(&salt, iterations)?;
        let without_proof = format!("c={},r={nonce}", BASE64.encode(&self.binding));
        let message = format!("n=,r={},{text},{without_proof}", self.nonce);
        let mut proof = keys.client_key;
        let signature = mac(&stored_key(&proof), &[message.as_bytes()]);
        proof.iter_mut().zip(signature).for_each(|(p, s)| *p ^= s);
        let server_signature = mac(&keys.server_key, &[message.as_bytes()]);
        let answer = format!("{without_proof},p={}", BASE64.encode(proof));
        Ok((Proved { server_signature }, answer))
    }

    fn read_first<'t>(&self, text: &'t str) -> Result<(&'t str, Box<[u8]>, u32), ProtocolError> {
        let mut parts = text.split(',');
        let mut next = |name: &str| parts.next().and_then(|p| p.strip_prefix(name));
        let nonce = next("r=").unwrap_or("");
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(malformed("its nonce doesn't go on from ours"));
        }
        let salt = next("s=").and_then(|s| BASE64.decode(s).ok()).filter(|s| !s.is_empty());
        let salt = salt.ok_or_else(|| malformed("it has no salt"))?;
        match next("i=").and_then(|i| i.parse().ok()) {
            Some(iterations @ 1..=MAX_ITERATIONS) => Ok((nonce, salt.into(), iterations)),
            Some(iterations) => Err(malformed(&format!(
                "it asks for {iterations} iterations, more than {MAX_ITERATIONS}"
            ))),
            None => Err(malformed("it has no number of iterations")),
        }
    }
}

impl Proved {
    /// Reads the server's final message: whether it knows the password's keys, too.
    pub(super) fn verify(self, server_final: &[u8]) -> Result<(), ProtocolError> {
        let text = std::str::from_utf8(server_final).map_err(|_| malformed("it is not UTF-8"))?;
        let proof = text.split(',').next().and_then(|p| p.strip_prefix("v="));
        let proof = proof.and_then(|p| BASE64.decode(p).ok());
        if proof.is_some_and(|proof| equal(&proof, &self.server_signature)) {
            return Ok(());
        }
        Err(ProtocolError::coded("28000", "the server could not prove that it knows the password"))
    }
}
