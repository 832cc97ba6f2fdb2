//! Clients that misuse the way into TLS, and direct TLS: by a client of our own.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use pgherd::wire::startup::{write_startup, write_tls_request};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::authority::Authority;
use super::clients::{herd, proxy_with};
use crate::support::Proxy;

fn open(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream
}

fn tls_request() -> BytesMut {
    let mut bytes = BytesMut::new();
    write_tls_request(&mut bytes);
    bytes
}

fn startup() -> BytesMut {
    let mut bytes = BytesMut::new();
    write_startup(&mut bytes, [("user", "pgherd"), ("database", "app")]);
    bytes
}

/// Reads until the proxy closes.
fn rest(mut stream: impl Read) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return answer,
            Ok(n) => answer.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => panic!("it was not closed"),
            // Closed without a word of TLS.
            Err(_) => return answer,
        }
    }
}

struct Setting {
    _dir: tempfile::TempDir,
    proxy: Proxy,
    roots: RootCertStore,
}

fn setting(mode: &str) -> Setting {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::new(dir.path(), "ours");
    let tls = authority.sign("server", &["127.0.0.1"]).proxy_settings(mode);
    let limits = "[limits]\nstartup_timeout = \"1s\"\n\n[proxy]\n";
    let proxy = herd().proxy_with(|text| text.replacen("[proxy]\n", &format!("{limits}{tls}"), 1));
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(authority.file()).expect("a certificate");
    roots.add(certificate).expect("an authority");
    Setting { _dir: dir, proxy, roots }
}

impl Setting {
    /// A handshake on a socket, with these names in ALPN.
    fn handshake(
        &self,
        mut socket: TcpStream,
        alpn: &[&str],
    ) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(session, socket))
    }

    fn asked(&self) -> TcpStream {
        let mut socket = open(&self.proxy);
        socket.write_all(&tls_request()).expect("sent");
        let mut answer = [0];
        socket.read_exact(&mut answer).expect("answered");
        assert_eq!(&answer, b"S");
        socket
    }

    /// Whether a startup packet over this stream is answered by the question for a proof, with
    /// and without channel binding.
    fn asks_for_a_proof(&self, mut stream: impl Read + Write) -> bool {
        stream.write_all(&startup()).expect("sent");
        let mut answer = [0; 64];
        let n = stream.read(&mut answer).unwrap_or(0);
        answer[..n].ends_with(b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
    }
}

#[test]
fn direct_tls_names_its_protocol() {
    let setting = setting("require");
    let direct = |alpn: &[&str]| setting.handshake(open(&setting.proxy), alpn);
    assert!(setting.asks_for_a_proof(direct(&["postgresql"]).expect("taken")));
    assert!(setting.asks_for_a_proof(direct(&["h2", "postgresql"]).expect("taken")));
    // A client of another protocol, or of none.
    assert!(direct(&["h2"]).is_err());
    assert!(!direct(&[]).is_ok_and(|stream| setting.asks_for_a_proof(stream)));
    // After having asked, a name isn't needed; a wrong one is still wrong.
    assert!(setting.asks_for_a_proof(setting.handshake(setting.asked(), &[]).expect("taken")));
    assert!(setting.handshake(setting.asked(), &["h2"]).is_err());
}

#[test]
fn nothing_in_plain_text_is_kept_across_the_handshake() {
    let setting = setting("allow");
    // Together with the request: refused before the handshake.
    for more in [&startup()[..], b"Q", &tls_request()] {
        let mut socket = open(&setting.proxy);
        socket.write_all(&[&tls_request()[..], more].concat()).expect("sent");
        let said = String::from_utf8_lossy(&rest(socket)).into_owned();
        assert!(said.starts_with('E') && said.contains("08P01"), "{said:?}");
        assert!(said.contains("unencrypted data after an encryption request"), "{said:?}");
    }
    // After the answer: it is taken for a handshake, and is none.
    let mut socket = setting.asked();
    socket.write_all(&startup()).expect("sent");
    let said = rest(socket);
    assert!(!said.contains(&b'R') || said.first() == Some(&0x15), "{said:?}");
    assert!(said.len() < 20, "an alert at most: {said:?}");
    // Between hello and the rest of the handshake.
    let mut socket = setting.asked();
    socket.write_all(&[0x16, 3, 1, 0, 200, 1, 0, 0, 196]).expect("sent");
    socket.write_all(&startup()).expect("sent");
    socket.shutdown(std::net::Shutdown::Write).expect("half closed");
    assert!(rest(socket).len() < 20);
}

#[test]
fn encryption_is_asked_for_once() {
    let setting = setting("allow");
    for direct in [true, false] {
        let socket = if direct { open(&setting.proxy) } else { setting.asked() };
        let mut stream = setting.handshake(socket, &["postgresql"]).expect("taken");
        stream.write_all(&tls_request()).expect("sent");
        let said = String::from_utf8_lossy(&rest(stream)).into_owned();
        assert!(said.starts_with('E') && said.contains("1234.5679"), "{said:?}");
    }
    // GSSAPI first, then TLS, as libpq does it.
    let mut socket = open(&setting.proxy);
    socket.write_all(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x30]).expect("sent");
    let mut answer = [0];
    socket.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"N");
    socket.write_all(&tls_request()).expect("sent");
    socket.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"S");
    assert!(setting.asks_for_a_proof(setting.handshake(socket, &[]).expect("taken")));
}

#[test]
fn whoever_stalls_in_the_handshake_is_cut_off() {
    let setting = setting("require");
    let hello = [0x16, 3, 1, 0, 200, 1, 0];
    let mut stalled = vec![("asked", setting.asked())];
    let mut half = setting.asked();
    half.write_all(&hello).expect("sent");
    stalled.push(("half a hello", half));
    let mut direct = open(&setting.proxy);
    direct.write_all(&hello).expect("sent");
    stalled.push(("half a direct hello", direct));
    stalled.push(("nothing", open(&setting.proxy)));
    let done = setting.handshake(setting.asked(), &[]).expect("taken");
    let started = Instant::now();
    for (what, socket) in stalled {
        rest(socket);
        assert!(started.elapsed() < Duration::from_secs(8), "{what}");
    }
    // The handshake done, and no startup packet: it is told.
    let said = String::from_utf8_lossy(&rest(done)).into_owned();
    assert!(said.contains("limits.startup_timeout"), "{said:?}");
    // And the next one is served.
    assert!(setting.asks_for_a_proof(setting.handshake(setting.asked(), &[]).expect("taken")));
}

#[test]
fn without_a_certificate_tls_is_declined() {
    let proxy = proxy_with("");
    let mut socket = open(&proxy);
    socket.write_all(&tls_request()).expect("sent");
    let mut answer = [0];
    socket.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"N");
    // Direct TLS is no startup packet.
    let mut socket = open(&proxy);
    socket.write_all(&[0x16, 3, 1, 0, 200, 1, 0, 0, 196]).expect("sent");
    let said = String::from_utf8_lossy(&rest(socket)).into_owned();
    assert!(said.contains("08P01"), "{said:?}");
}
