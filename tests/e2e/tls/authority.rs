//! Authorities, certificates and keys, as files.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority, whose certificates lie in one directory.
pub struct Authority {
    dir: PathBuf,
    name: &'static str,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one, with its own certificate in `NAME.pem`.
    pub fn new(dir: &Path, name: &'static str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("signed");
        let authority = Authority { dir: dir.to_owned(), name, issuer };
        fs::write(authority.file(), authority.issuer.as_ref().pem()).expect("written");
        authority
    }

    /// Its own certificate.
    pub fn file(&self) -> PathBuf {
        self.dir.join(self.name).with_extension("pem")
    }

    /// Signs a certificate for these names and addresses.
    pub fn sign(&self, file: &str, names: &[&str]) -> Identity {
        self.sign_until(file, names, 2100)
    }

    /// As `sign`, of last century.
    pub fn sign_expired(&self, file: &str, names: &[&str]) -> Identity {
        self.sign_until(file, names, 1999)
    }

    fn sign_until(&self, file: &str, names: &[&str], year: i32) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(rcgen::DnType::CommonName, "pgherd");
        params.not_before = rcgen::date_time_ymd(1990, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        let identity = Identity {
            certificate: self.dir.join(format!("{file}.crt")),
            key: self.dir.join(format!("{file}.key")),
        };
        fs::write(&identity.certificate, signed.pem()).expect("written");
        fs::write(&identity.key, key.serialize_pem()).expect("written");
        // As libpq wants it.
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&identity.key, own).expect("the file is ours");
        identity
    }
}

/// A certificate and its key.
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Identity {
    /// The settings of a proxy with this certificate.
    pub fn proxy_settings(&self, mode: &str) -> String {
        format!(
            "tls_mode = \"{mode}\"\ntls_certificate = {:?}\ntls_key = {:?}\n",
            self.certificate, self.key
        )
    }
}
