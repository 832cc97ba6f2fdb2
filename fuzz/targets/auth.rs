//! Both sides of authentication, with another side that says anything.

use bytes::BytesMut;
use pgherd::wire::auth::client;
use pgherd::wire::auth::server::{self, Method, Secret, Step};
use pgherd::wire::backend::Authentication;
use pgherd::wire::frame;
use pgherd::wire::frontend::SaslInitial;

use super::pieces::Pieces;

/// Postgres's own form, of a password that nobody knows here, with one iteration.
const VERIFIER: &str = "SCRAM-SHA-256$1:c2FsdHNhbHRzYWx0c2FsdA==$\
    AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

/// A byte that says who is asked and how, then the other side's messages.
pub fn run(data: &[u8]) {
    let mut pieces = Pieces::new(data);
    let choice = pieces.byte();
    if choice & 0x80 == 0 { ask(choice, &mut pieces) } else { answer(choice, &mut pieces) }
}

/// A client that we ask, and that doesn't know the password.
fn ask(choice: u8, pieces: &mut Pieces<'_>) {
    let method = [Method::ScramSha256, Method::Md5, Method::Cleartext][usize::from(choice % 3)];
    let secret = (choice & 4 == 0).then(|| match method {
        Method::Md5 => Secret::read("u", "md5d41d8cd98f00b204e9800998ecf8427e"),
        _ => Secret::read("u", VERIFIER),
    });
    let binding = (choice & 8 != 0).then_some(&b"a hash of a certificate"[..]);
    let mut out = BytesMut::new();
    let (mut exchange, step) =
        server::Exchange::start(method, "u", secret, b"mock", binding, &mut out);
    assert_eq!(step, Step::Wait);
    while !pieces.is_empty() {
        let said = pieces.piece();
        // A client that goes on where the exchange stands, as far as it can without a proof.
        let nonce = nonce_of(&out);
        let said = if said.first() == Some(&b'%') {
            [b"c=biws,r=", nonce.as_slice(), &said[1..]].concat()
        } else {
            said.to_vec()
        };
        match exchange.step(&said, &mut out) {
            Ok(step) => assert_eq!(step, Step::Wait, "nobody knows the password"),
            Err(error) => return assert!(error.fatal),
        }
    }
}

/// Both nonces, when the server's first message is the last that was written.
fn nonce_of(out: &[u8]) -> Vec<u8> {
    let at = out.windows(2).rposition(|pair| pair == b"r=").map_or(out.len(), |at| at + 2);
    out[at..].iter().copied().take_while(|byte| *byte != b',').collect()
}

/// A server that asks us.
fn answer(choice: u8, pieces: &mut Pieces<'_>) {
    let login = client::Login::new("u", (choice & 1 == 0).then_some("p"));
    let binding = (choice & 2 != 0).then(|| Box::from(&b"a hash of a certificate"[..]));
    let mut exchange = client::Exchange::new(&login).bound_to(binding);
    let mut nonce = Vec::new();
    while !pieces.is_empty() {
        let said = pieces.piece();
        let Ok(question) = Authentication::read(said) else { return };
        // A server that goes on from our nonce.
        let first;
        let question = match question {
            Authentication::SaslContinue(rest) => {
                first = [b"r=", nonce.as_slice(), rest].concat();
                if asks_for_much(&first) {
                    return;
                }
                Authentication::SaslContinue(&first)
            }
            other => other,
        };
        let mut out = BytesMut::new();
        let proved = matches!(question, Authentication::Ok);
        match exchange.step(question, &mut out) {
            Ok(done) => assert_eq!(done, proved, "{said:?}"),
            Err(_) => return,
        }
        while let Ok(Some((_, body))) = frame::take(&mut out, 1 << 20, "a test") {
            if let Ok(SaslInitial { response: Some(response), .. }) = SaslInitial::read(&body) {
                nonce = nonce_of(response);
            }
        }
    }
}

/// More iterations than there is time for.
fn asks_for_much(first: &[u8]) -> bool {
    let at = first.windows(3).rposition(|three| three == b",i=").map_or(first.len(), |at| at + 3);
    first[at..].iter().filter(|byte| byte.is_ascii_digit()).count() > 3
}
