//! Settings of TLS: certificates and keys read, checked and put together. They are read once,
//! when the settings are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, ServerConfig,
    SignatureScheme,
};

use super::load::read_file;
use super::section::Section;

/// The protocol's name in ALPN, as PostgreSQL 17 registered it.
pub const ALPN: &[u8] = b"postgresql";

/// What clients can expect: `proxy.tls_mode` and its files.
#[derive(Clone)]
pub struct ClientTls {
    /// Nobody gets a session without TLS.
    pub required: bool,
    /// Nor without a certificate of one of our authorities.
    pub asks_for_certificates: bool,
    pub config: Arc<ServerConfig>,
    /// Our certificate, in DER: clients bind their proofs to it.
    pub certificate: Box<[u8]>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("required", &self.required).finish_non_exhaustive()
    }
}

impl PartialEq for ClientTls {
    /// The same, not alike: nobody reads the same files twice.
    fn eq(&self, other: &ClientTls) -> bool {
        self.required == other.required && Arc::ptr_eq(&self.config, &other.config)
    }
}

impl Eq for ClientTls {}

/// `sslmode`, as libpq has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Plain text.
    Disable,
    /// TLS where the server offers it.
    Prefer,
    /// TLS, with whomever.
    Require,
    /// And the certificate is signed by one of `sslrootcert`.
    VerifyCa,
    /// And it is made out to the name or address in `nodes`.
    VerifyFull,
}

/// How the nodes of a shard are spoken to.
#[derive(Clone)]
pub struct ServerTls {
    pub mode: SslMode,
    /// `None` where the mode is [`SslMode::Disable`].
    pub config: Option<Arc<ClientConfig>>,
}

impl ServerTls {
    /// Plain text.
    pub fn disabled() -> ServerTls {
        ServerTls { mode: SslMode::Disable, config: None }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl PartialEq for ServerTls {
    /// As with [`ClientTls`].
    fn eq(&self, other: &ServerTls) -> bool {
        let (ours, theirs) = (self.config.as_ref(), other.config.as_ref());
        self.mode == other.mode && ours.map(Arc::as_ptr) == theirs.map(Arc::as_ptr)
    }
}

impl Eq for ServerTls {}

/// Named wherever a configuration is made: there is no provider for the whole process.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientMode {
    Disable,
    Allow,
    Require,
}

/// The `tls_…` of `[proxy]`.
pub(super) fn client_tls(section: &Section, directory: &Path) -> Option<ClientTls> {
    let choices = [
        ("disable", ClientMode::Disable),
        ("allow", ClientMode::Allow),
        ("require", ClientMode::Require),
    ];
    let mode = section.choice("tls_mode", &choices).unwrap_or(ClientMode::Disable);
    let files = Files { section, directory };
    let certificate = files.path("tls_certificate", "a file of PEM: our certificate first");
    let key = files.path("tls_key", "a file of PEM: its private key");
    let authorities = files.path("tls_client_ca", "a file of PEM: certificates of authorities");
    if !section.has("tls_mode") {
        let written = ["tls_certificate", "tls_key", "tls_client_ca"];
        if let Some(key) = written.into_iter().find(|key| section.has(key)) {
            section.wrong(key, "has no effect without tls_mode; write allow or require");
        }
    }
    if mode == ClientMode::Disable {
        return None;
    }
    let (Some(certificate), Some(key)) = (certificate, key) else {
        section.wrong("tls_mode", "needs tls_certificate and tls_key, the files of both");
        return None;
    };
    if mode == ClientMode::Allow && authorities.is_some() {
        section.wrong(
            "tls_client_ca",
            "lets nobody in without a certificate, so tls_mode must be require",
        );
        return None;
    }
    let chain = files.certificates("tls_certificate", &certificate);
    let private = files.key("tls_key", &key);
    let roots = match &authorities {
        Some(file) => Some(files.roots("tls_client_ca", file)?),
        None => None,
    };
    let (chain, private) = (chain?, private?);
    let config = server_config(&chain, private, roots)
        .map_err(|why| section.wrong("tls_certificate", format!("can't be used: {why}")))
        .ok()?;
    let certificate = chain.first()?.as_ref().into();
    let required = mode == ClientMode::Require;
    let asks_for_certificates = authorities.is_some();
    Some(ClientTls { required, asks_for_certificates, config: Arc::new(config), certificate })
}

fn server_config(
    chain: &[CertificateDer<'static>],
    key: PrivateKeyDer<'static>,
    roots: Option<RootCertStore>,
) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(in_words)?;
    let builder = match roots {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .map_err(in_words)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain.to_vec(), key).map_err(in_words)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // As Postgres: sessions are long, and each begins with a whole handshake.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// `sslmode` and what belongs to it; `None` where the section doesn't say.
pub(super) fn server_tls(section: &Section, directory: &Path) -> Option<ServerTls> {
    let choices = [
        ("prefer", SslMode::Prefer),
        ("disable", SslMode::Disable),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];
    let mode = section.choice("sslmode", &choices).unwrap_or(SslMode::Prefer);
    let files = Files { section, directory };
    let roots = files.path("sslrootcert", "a file of PEM: certificates of authorities");
    let certificate = files.path("sslcert", "a file of PEM: pgherd's certificate first");
    let key = files.path("sslkey", "a file of PEM: its private key");
    if !section.has("sslmode") {
        let written = ["sslrootcert", "sslcert", "sslkey"];
        if let Some(key) = written.into_iter().find(|key| section.has(key)) {
            section.wrong(key, "stands without sslmode; write that beside it");
        }
        return None;
    }
    if mode == SslMode::Disable {
        return Some(ServerTls::disabled());
    }
    let verifies = matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull);
    let roots = match roots {
        None if verifies => {
            section.wrong("sslmode", "needs sslrootcert, whom to trust");
            return None;
        }
        Some(_) if !verifies => {
            section.wrong("sslrootcert", "is only used by sslmode verify-ca and verify-full");
            return None;
        }
        None => None,
        Some(file) => Some(files.roots("sslrootcert", &file)?),
    };
    let identity = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            let chain = files.certificates("sslcert", &certificate);
            Some((chain, files.key("sslkey", &key)?)).and_then(|(chain, key)| Some((chain?, key)))
        }
        (Some(_), None) => {
            section.wrong("sslcert", "needs sslkey, its private key");
            None
        }
        (None, Some(_)) => {
            section.wrong("sslkey", "needs sslcert, the certificate");
            None
        }
    };
    let at = if identity.is_some() { "sslcert" } else { "sslmode" };
    let config = client_config(mode, roots, identity)
        .map_err(|why| section.wrong(at, format!("can't be used: {why}")))
        .ok()?;
    Some(ServerTls { mode, config: Some(Arc::new(config)) })
}

/// What holds where nothing is written: TLS with servers that offer it.
pub(super) fn preferred() -> Result<ServerTls, String> {
    let config = client_config(SslMode::Prefer, None, None)?;
    Ok(ServerTls { mode: SslMode::Prefer, config: Some(Arc::new(config)) })
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_config(
    mode: SslMode,
    roots: Option<RootCertStore>,
    identity: Option<Identity>,
) -> Result<ClientConfig, String> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(in_words)?;
    let builder = match (roots, mode) {
        (Some(roots), SslMode::VerifyFull) => builder.with_root_certificates(roots),
        (roots, _) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyName { roots, algorithms })),
    };
    let mut config = with_identity(builder, identity)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
    identity: Option<Identity>,
) -> Result<ClientConfig, String> {
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(in_words),
    }
}

fn in_words(error: impl fmt::Display) -> String {
    error.to_string()
}

/// Takes certificates that are made out to anybody: of these authorities (`verify-ca`), or of
/// anybody (`require`). That the server has the certificate's key is verified in any case.
#[derive(Debug)]
struct AnyName {
    roots: Option<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(certificate)?;
            let all = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The files that a section names.
struct Files<'s, 'd> {
    section: &'s Section<'d>,
    directory: &'s Path,
}

impl Files<'_, '_> {
    fn path(&self, key: &'static str, expected: &str) -> Option<PathBuf> {
        let file = self.section.text(key, expected)?;
        Some(self.directory.join(file))
    }

    fn read(&self, key: &str, file: &Path) -> Option<String> {
        read_file(file).map_err(|mistake| self.section.wrong(key, mistake)).ok()
    }

    fn wrong<T>(&self, key: &str, file: &Path, why: impl fmt::Display) -> Option<T> {
        self.section.wrong(key, format!("{}: {why}", file.display()));
        None
    }

    fn certificates(&self, key: &str, file: &Path) -> Option<Vec<CertificateDer<'static>>> {
        let text = self.read(key, file)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        match read {
            Ok(read) if read.is_empty() => self.wrong(key, file, "holds no certificate in PEM"),
            Ok(read) => Some(read),
            Err(why) => self.wrong(key, file, format!("is not PEM: {why}")),
        }
    }

    fn key(&self, key: &str, file: &Path) -> Option<PrivateKeyDer<'static>> {
        let text = self.read(key, file)?;
        match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
            Ok(private) => Some(private),
            Err(_) if text.contains("BEGIN ENCRYPTED PRIVATE KEY") => {
                self.wrong(key, file, "is encrypted; expected a key without a passphrase")
            }
            Err(why) => self.wrong(key, file, format!("holds no private key in PEM: {why}")),
        }
    }

    fn roots(&self, key: &str, file: &Path) -> Option<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(key, file)? {
            if let Err(why) = roots.add(certificate) {
                return self.wrong(key, file, format!("holds what is no certificate: {why}"));
            }
        }
        Some(roots)
    }
}
