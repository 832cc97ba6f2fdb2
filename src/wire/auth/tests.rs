//! Both sides of the exchanges, against each other and against the RFC.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use proptest::prelude::*;

use super::client::{self, Login, Shown, ShownSlot};
use super::scram::{self, Binding, Verifier};
use super::server::{Exchange, Method, Secret, Step};
use crate::wire::backend::{Authentication, tag};
use crate::wire::{ProtocolError, frame, frontend};

const MOCK: &[u8] = b"a secret of this process";

fn take(buf: &mut BytesMut) -> (u8, BytesMut) {
    frame::take(buf, 1 << 20, "").expect("well formed").expect("whole")
}

/// Our server side against our client side.
fn login(
    method: Method,
    secret: Option<Secret>,
    user: &str,
    password: &str,
) -> Result<(), ProtocolError> {
    log_in(method, secret, user, &Login::new(user, Some(password)))
}

fn log_in(
    method: Method,
    secret: Option<Secret>,
    user: &str,
    login: &Login,
) -> Result<(), ProtocolError> {
    log_in_over(method, secret, user, login, [None, None])
}

/// As `log_in`, where the server's and the client's side see these ends of a channel.
fn log_in_over(
    method: Method,
    secret: Option<Secret>,
    user: &str,
    login: &Login,
    [ours, theirs]: [Option<&[u8]>; 2],
) -> Result<(), ProtocolError> {
    show_over(method, secret, user, login, [ours, theirs]).map(drop)
}

/// As `log_in_over`, and what the server's side has seen.
fn show_over(
    method: Method,
    secret: Option<Secret>,
    user: &str,
    login: &Login,
    [ours, theirs]: [Option<&[u8]>; 2],
) -> Result<Option<Shown>, ProtocolError> {
    let mut client = client::Exchange::new(login).bound_to(theirs.map(Box::from));
    let (mut to_client, mut to_server) = (BytesMut::new(), BytesMut::new());
    let (mut server, mut step) = Exchange::start(method, user, secret, MOCK, ours, &mut to_client);
    for _ in 0..5 {
        while !to_client.is_empty() {
            let (tag, body) = take(&mut to_client);
            assert_eq!(tag, tag::AUTHENTICATION);
            let message = Authentication::read(&body)?;
            if client.step(message, &mut to_server)? {
                assert_eq!(step, Step::Done);
                return Ok(server.shown());
            }
        }
        let (tag, body) = take(&mut to_server);
        assert_eq!(tag, frontend::tag::PASSWORD);
        step = server.step(&body, &mut to_client)?;
    }
    panic!("an exchange without end");
}

#[test]
fn every_kind_of_secret_lets_its_password_in_and_no_other() {
    let verifier = Verifier::derive(b"right").to_string();
    // md5('right' || 'u')
    let hashed = format!("md5{}", super::server::md5_hex(&[b"right", b"u"]));
    for text in ["right", &verifier, &hashed] {
        let secret = Secret::read("u", text);
        for method in [Method::ScramSha256, Method::Md5, Method::Cleartext] {
            let expected = secret.serves(method);
            let told = login(method, Some(secret.clone()), "u", "right");
            assert_eq!(told.is_ok(), expected, "{method:?}: {told:?}");
            let error = login(method, Some(secret.clone()), "u", "wrong").expect_err("refused");
            assert_eq!((error.sqlstate, error.fatal), ("28P01", true), "{method:?}");
            assert_eq!(error.message, "password authentication failed for user \"u\"");
        }
    }
    assert!(login(Method::Trust, Some(Secret::read("u", "x")), "u", "whatever").is_ok());
}

#[test]
fn what_a_client_shows_is_proved_to_servers() {
    let verifier = Verifier::derive(b"right").to_string();
    let hashed = format!("md5{}", super::server::md5_hex(&[b"right", b"u"]));
    let client = Login::new("u", Some("right"));
    let show = |method, text: &str, binding| {
        let secret = Some(Secret::read("u", text));
        let shown = show_over(method, secret, "u", &client, binding).expect("right");
        let slot = ShownSlot::default();
        let login = Login::by_what_is_shown("u", slot.clone());
        slot.put(shown.expect("something"));
        login
    };
    let server = |method, text: &str, login: &Login, binding| {
        log_in_over(method, Some(Secret::read("u", text)), "u", login, binding)
    };
    let (plain, bound) = ([None; 2], [Some(&b"channel"[..]); 2]);
    use Method::{Cleartext, Md5, ScramSha256};
    for (shown, text, over, served) in [
        // Its own proof is bound to its own connection, ours to ours.
        (ScramSha256, &verifier, plain, [true, true, false]),
        (ScramSha256, &verifier, bound, [true, true, false]),
        (Md5, &hashed, plain, [false, true, false]),
        (Cleartext, &verifier, plain, [true, true, true]),
        (Cleartext, &hashed, plain, [true, true, true]),
    ] {
        let login = show(shown, text, over);
        for over in [plain, bound] {
            let by_scram = server(ScramSha256, &verifier, &login, over);
            assert_eq!(by_scram.is_ok(), served[0], "{shown:?}: {by_scram:?}");
        }
        let same = if shown == Md5 { &hashed } else { &verifier };
        let by_md5 = server(Md5, same, &login, plain);
        assert_eq!(by_md5.is_ok(), served[1], "{shown:?}: {by_md5:?}");
        let by_password = server(Cleartext, &verifier, &login, plain);
        assert_eq!(by_password.is_ok(), served[2], "{shown:?}: {by_password:?}");
    }
    // Another verifier of the same password.
    let other = Verifier::derive(b"right").to_string();
    let error = server(ScramSha256, &other, &show(ScramSha256, &verifier, plain), plain);
    let error = error.expect_err("of no use");
    assert_eq!(error.sqlstate, "28000");
    assert!(error.message.contains("not the one"), "{error}");
    // Before any client has come.
    let nothing = Login::by_what_is_shown("u", ShownSlot::default());
    assert_eq!(
        server(ScramSha256, &verifier, &nothing, plain).expect_err("none").sqlstate,
        "28000"
    );
    assert!(!format!("{:?}", Shown::Password("right".into())).contains("right"));
}

#[test]
fn a_newer_password_outdoes_what_was_derived_of_an_older_one() {
    let salt = b"the same salt";
    let verifier = |password: &[u8]| Verifier::derive_with(password, salt, 10).to_string();
    let slot = ShownSlot::default();
    let login = Login::by_what_is_shown("u", slot.clone());
    for password in ["old", "new", "old"] {
        slot.put(Shown::Password(password.into()));
        let secret = Secret::read("u", &verifier(password.as_bytes()));
        log_in(Method::ScramSha256, Some(secret), "u", &login).expect(password);
        let other = Secret::read("u", &verifier(b"another"));
        assert!(log_in(Method::ScramSha256, Some(other), "u", &login).is_err());
    }
}

#[test]
fn an_unknown_user_is_asked_like_any_other() {
    for method in [Method::ScramSha256, Method::Md5, Method::Cleartext, Method::Trust] {
        let error = login(method, None, "nobody", "x").expect_err("refused");
        assert_eq!((error.sqlstate, error.fatal), ("28P01", true), "{method:?}");
    }
    // The salt is the same each time, so that asking twice tells nothing, and each user's own.
    let salt = |user| Verifier::mock(user, MOCK).salt;
    assert_eq!(salt("a"), salt("a"));
    assert_ne!(salt("a"), salt("b"));
    assert_eq!(salt("a").len(), Verifier::derive(b"x").salt.len());
}

/// The example of RFC 7677, section 3.
#[test]
fn the_example_of_the_rfc() {
    let salt = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
    let verifier = Verifier::derive_with(b"pencil", salt, 4096);
    let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    let nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let (exchange, answer) =
        scram::Exchange::start_with(verifier, true, first, Binding::Unavailable, nonce)
            .expect("well formed");
    assert_eq!(
        answer,
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let proof = exchange.finish(last).expect("well formed").map(|(proof, _)| proof);
    assert_eq!(proof.as_deref(), Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
}

#[test]
fn a_verifier_of_postgres_reads_back() {
    let text = Verifier::derive(b"secret").to_string();
    let verifier = Verifier::parse(&text).expect("our own form");
    assert_eq!(verifier.to_string(), text);
    assert!(verifier.fits(b"secret") && !verifier.fits(b"Secret"));
    for bad in [
        "",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-1$4096:c2FsdA==$a:b",
        "SCRAM-SHA-256$0:c2FsdA==$a:b",
        "SCRAM-SHA-256$4096:c2FsdA==$c2hvcnQ=:c2hvcnQ=",
        "SCRAM-SHA-256$99999999999:c2FsdA==$a:b",
    ] {
        assert_eq!(Verifier::parse(bad), None, "{bad}");
    }
}

#[test]
fn passwords_are_prepared_as_postgres_prepares_them() {
    // RFC 4013: a soft hyphen is dropped, a Roman numeral is normalised; what is prohibited
    // (a BEL) and what is no UTF-8 is taken as it is.
    for (one, same) in
        [("I\u{ad}X".as_bytes(), &b"IX"[..]), ("\u{2168}".as_bytes(), b"IX"), (b"\x07", b"\x07")]
    {
        let verifier = Verifier::derive(one);
        assert!(verifier.fits(same), "{one:?}");
    }
    assert!(Verifier::derive(b"\xff\xfe").fits(b"\xff\xfe"));
    assert!(!Verifier::derive(b"\xff\xfe").fits(b"\xff"));
}

#[test]
fn odd_scram_messages_are_refused() {
    let start = |first: &[u8]| {
        scram::Exchange::start(Verifier::derive(b"x"), true, first, Binding::Unavailable)
    };
    for (first, sqlstate) in [
        (&b""[..], "08P01"),
        (b"n,", "08P01"),
        (b"n,,", "08P01"),
        (b"n,,n=u", "08P01"),
        (b"n,,n=u,r=", "08P01"),
        (b"n,,m=x,n=u,r=abc", "08P01"),
        (b"p=tls-server-end-point,,n=u,r=abc", "08P01"),
        (b"n,a=admin,n=u,r=abc", "0A000"),
        (b"n,,n=u,r=\xff", "08P01"),
    ] {
        let error = start(first).expect_err("refused");
        assert_eq!((error.sqlstate, error.fatal), (sqlstate, true), "{first:?}");
    }
    for (last, sqlstate) in [
        (&b""[..], "08P01"),
        (b"c=biws,r=abc,p=", "08P01"),
        (b"c=eSws,r=abc,p=", "28000"),
        (b"r=abc,c=biws,p=AA==", "28000"),
    ] {
        let (exchange, _) = start(b"n,,n=u,r=abc").expect("well formed");
        assert_eq!(exchange.finish(last).expect_err("refused").sqlstate, sqlstate, "{last:?}");
    }
}

#[test]
fn a_proof_is_bound_to_its_channel() {
    let secret = || Some(Secret::read("u", "right"));
    let login = |password| Login::new("u", Some(password));
    let over =
        |ends, password| log_in_over(Method::ScramSha256, secret(), "u", &login(password), ends);
    let (one, other) = (Some(&b"one certificate"[..]), Some(&b"another"[..]));
    assert_eq!(over([one, one], "right"), Ok(()));
    assert_eq!(over([one, one], "wrong").expect_err("refused").sqlstate, "28P01");
    // Somebody in between has a certificate of their own.
    let error = over([one, other], "right").expect_err("refused");
    assert_eq!((error.sqlstate, error.fatal), ("28000", true));
    // The client has nothing to bind to; the server doesn't offer it.
    assert_eq!(over([one, None], "right"), Ok(()));
    assert_eq!(over([None, one], "right"), Ok(()));
}

#[test]
fn an_offer_of_channel_binding_that_was_taken_out_is_noticed() {
    let data = &b"a certificate"[..];
    let start = |first: &[u8], binding| {
        scram::Exchange::start(Verifier::derive(b"x"), true, first, binding).map(drop)
    };
    let code = |first: &[u8], binding| start(first, binding).map_err(|e| (e.sqlstate, e.fatal));
    for (first, unavailable, declined, chosen) in [
        (&b"n,,n=u,r=abc"[..], Ok(()), Ok(()), Err(("08P01", true))),
        (b"y,,n=u,r=abc", Ok(()), Err(("28000", true)), Err(("08P01", true))),
        (b"p=tls-server-end-point,,n=u,r=abc", Err(("08P01", true)), Err(("08P01", true)), Ok(())),
        (
            b"p=tls-unique,,n=u,r=abc",
            Err(("08P01", true)),
            Err(("08P01", true)),
            Err(("08P01", true)),
        ),
        (
            b"p=tls-server-end-point,a=admin,n=u,r=abc",
            Err(("08P01", true)),
            Err(("08P01", true)),
            Err(("0A000", true)),
        ),
    ] {
        assert_eq!(code(first, Binding::Unavailable), unavailable, "{first:?}");
        assert_eq!(code(first, Binding::Declined), declined, "{first:?}");
        assert_eq!(code(first, Binding::Chosen(data)), chosen, "{first:?}");
    }
    // Chosen, and then not bound: the header alone.
    let header = b"p=tls-server-end-point,,";
    let first = [&header[..], b"n=u,r=abc"].concat();
    let (exchange, answer) =
        scram::Exchange::start(Verifier::derive(b"x"), true, &first, Binding::Chosen(data))
            .expect("well formed");
    let nonce = answer.split(',').next().expect("a nonce");
    let last = format!("c={},{nonce},p={}", STANDARD.encode(header), STANDARD.encode([0; 32]));
    assert_eq!(exchange.finish(last.as_bytes()).expect_err("refused").sqlstate, "28000");
}

/// The mechanism and the response of the last frame in `out`.
fn last_sasl_initial(out: &BytesMut) -> (String, String) {
    let (mut out, mut last) = (out.clone(), BytesMut::new());
    while !out.is_empty() {
        last = take(&mut out).1;
    }
    let initial = frontend::SaslInitial::read(&last).expect("well formed");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(initial.mechanism), text(initial.response.expect("a response")))
}

#[test]
fn a_second_login_needs_no_derivation_and_a_new_salt_does() {
    let login = Login::new("u", Some("right"));
    let salted = |salt: &[u8]| {
        let verifier = Verifier::derive_with(b"right", salt, 30_000).to_string();
        Secret::read("u", &verifier)
    };
    let first = salted(b"one");
    let took = |secret: &Secret| {
        let started = std::time::Instant::now();
        log_in(Method::ScramSha256, Some(secret.clone()), "u", &login).expect("let in");
        started.elapsed()
    };
    let (derived, kept) = (took(&first), took(&first));
    assert!(kept * 5 < derived, "{kept:?} after {derived:?}");
    let derived = took(&salted(b"two"));
    assert!(kept * 5 < derived, "{kept:?} before {derived:?}");
}

#[test]
fn a_server_that_cannot_prove_itself_is_not_trusted() {
    let login = Login::new("u", Some("x"));
    let mut out = BytesMut::new();
    let sasl = b"\0\0\0\x0aSCRAM-SHA-256\0\0";
    let sasl = || Authentication::read(sasl).expect("well formed");
    // AuthenticationOk in the middle of SCRAM, before the server's own proof.
    let mut exchange = client::Exchange::new(&login);
    assert_eq!(exchange.step(sasl(), &mut out), Ok(false));
    assert!(exchange.step(Authentication::Ok, &mut out).is_err());
    // A continuation that nobody asked for.
    let mut exchange = client::Exchange::new(&login);
    assert!(exchange.step(Authentication::SaslContinue(b"r=x"), &mut out).is_err());
    assert!(exchange.step(Authentication::SaslFinal(b"v=x"), &mut out).is_err());
    // More work than a login may cost.
    let mut exchange = client::Exchange::new(&login);
    assert_eq!(exchange.step(sasl(), &mut out), Ok(false));
    let (_, first) = last_sasl_initial(&out);
    let costly = format!("{}more,s=c2FsdA==,i=4000000000", &first["n,,n=,".len()..]);
    let error = exchange.step(Authentication::SaslContinue(costly.as_bytes()), &mut out);
    assert!(error.expect_err("refused").message.contains("iterations"));
    // A nonce that isn't ours.
    let mut exchange = client::Exchange::new(&login);
    assert_eq!(exchange.step(sasl(), &mut out), Ok(false));
    let forged = Authentication::SaslContinue(b"r=forged,s=c2FsdA==,i=4096");
    assert!(exchange.step(forged, &mut out).is_err());
}

#[test]
fn secrets_are_not_shown() {
    let secret = Secret::read("u", "hunter2");
    let login = Login::new("u", Some("hunter2"));
    let shown = format!("{secret:?} {login:?} {:?}", Verifier::derive(b"hunter2"));
    assert!(!shown.contains("hunter2") && !shown.contains("key"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scram_agrees_with_rust_postgres(
        password in "[ -~\u{a0}-\u{ff}]{1,20}",
        bound: bool,
    ) {
        // (Which has SASLprep by the RFC; beyond these letters Postgres's own differs.)
        // One iteration: what differs between passwords is their preparation.
        let verifier = Verifier::derive_with(password.as_bytes(), b"salt", 1);
        let (theirs, ours) = if bound {
            let data = b"a certificate";
            (ChannelBinding::tls_server_end_point(data.to_vec()), Binding::Chosen(data))
        } else {
            (ChannelBinding::unsupported(), Binding::Declined)
        };
        let mut client = ScramSha256::new(password.as_bytes(), theirs);
        let (exchange, first) =
            scram::Exchange::start(verifier, true, client.message(), ours).expect("well formed");
        client.update(first.as_bytes()).expect("well formed");
        let last = exchange.finish(client.message()).expect("well formed");
        prop_assert!(last.is_some_and(|(last, _)| client.finish(last.as_bytes()).is_ok()));
    }

    #[test]
    fn arbitrary_answers_never_panic(answers in prop::collection::vec("[ -~]{0,40}", 1..4)) {
        let secret = Secret::read("u", "SCRAM-SHA-256$1:c2FsdA==$\
            AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        prop_assert!(secret.serves(Method::ScramSha256));
        let mut out = BytesMut::new();
        let (mut exchange, _) =
            Exchange::start(Method::ScramSha256, "u", Some(secret), MOCK, None, &mut out);
        for answer in answers {
            let _ = exchange.step(answer.as_bytes(), &mut out);
        }
    }
}
