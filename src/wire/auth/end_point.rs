//! `tls-server-end-point` (RFC 5929): the hash of a server's certificate, to which a proof by
//! SCRAM is bound so that nobody between the two ends can pass it on.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// The hash of a certificate (DER), by the hash function of its own signature, where MD5 and
/// SHA-1 give way to SHA-256. `None` where the signature names none, as Ed25519's doesn't: such
/// a certificate binds nothing.
pub fn end_point(certificate: &[u8]) -> Option<Box<[u8]>> {
    Some(match signature_hash(certificate)? {
        Hash::Sha224 => Sha224::digest(certificate).as_slice().into(),
        Hash::Sha256 => Sha256::digest(certificate).as_slice().into(),
        Hash::Sha384 => Sha384::digest(certificate).as_slice().into(),
        Hash::Sha512 => Sha512::digest(certificate).as_slice().into(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const OBJECT: u8 = 0x06;
/// `[0]`, explicit: the hash among the parameters of RSASSA-PSS.
const PSS_HASH: u8 = 0xa0;

/// 1.2.840.113549.1.1
const PKCS_1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01";
/// 1.2.840.10045.4
const ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04";
/// 2.16.840.1.101.3.4.2
const NIST_HASHES: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02";

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }` (RFC 5280).
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    let (certificate, _) = element(SEQUENCE, certificate)?;
    let (_, rest) = element(SEQUENCE, certificate)?;
    let (algorithm, _) = element(SEQUENCE, rest)?;
    let (object, parameters) = element(OBJECT, algorithm)?;
    if let Some(number) = object.strip_prefix(PKCS_1) {
        return match number {
            // MD5 and SHA-1 are no longer hashes to rely on.
            [4 | 5 | 11] => Some(Hash::Sha256),
            [12] => Some(Hash::Sha384),
            [13] => Some(Hash::Sha512),
            [14] => Some(Hash::Sha224),
            [10] => pss_hash(parameters),
            _ => None,
        };
    }
    match object.strip_prefix(ECDSA)? {
        [1] | [3, 2] => Some(Hash::Sha256),
        [3, 1] => Some(Hash::Sha224),
        [3, 3] => Some(Hash::Sha384),
        [3, 4] => Some(Hash::Sha512),
        _ => None,
    }
}

/// The hash among the parameters of RSASSA-PSS (RFC 4055); SHA-1 when it isn't written.
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let (parameters, _) = element(SEQUENCE, parameters)?;
    let Some((hash, _)) = element(PSS_HASH, parameters) else { return Some(Hash::Sha256) };
    let (algorithm, _) = element(SEQUENCE, hash)?;
    let (object, _) = element(OBJECT, algorithm)?;
    match object.strip_prefix(NIST_HASHES) {
        Some([1]) => Some(Hash::Sha256),
        Some([2]) => Some(Hash::Sha384),
        Some([3]) => Some(Hash::Sha512),
        Some([4]) => Some(Hash::Sha224),
        Some(_) => None,
        None => Some(Hash::Sha256),
    }
}

/// The content of the element of this kind at the front, and what follows it.
pub(super) fn element(kind: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // A certificate's length fits four bytes.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (found == kind).then(|| rest.split_at_checked(len)).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_is_hashed_as_it_is_signed() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_RSA_SHA256, Some(32)),
            (&rcgen::PKCS_RSA_SHA512, Some(64)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let der = certificate(algorithm);
            assert_eq!(end_point(&der).map(|hash| hash.len()), length, "{algorithm:?}");
        }
        let der = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&der).as_deref(), Some(&Sha256::digest(&der)[..]));
    }

    /// `SEQUENCE { SEQUENCE {}, algorithm }`
    fn signed_by(algorithm: &[u8]) -> Vec<u8> {
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let mut der = vec![SEQUENCE, length(algorithm) + 4, SEQUENCE, 0, SEQUENCE];
        der.push(length(algorithm));
        der.extend_from_slice(algorithm);
        der
    }

    #[test]
    fn old_hashes_give_way_and_pss_names_its_own() {
        let rsa = |number| [&b"\x06\x09"[..], PKCS_1, &[number]].concat();
        let pss = |hash: &[u8]| {
            let hash = [&b"\xa0\x0d\x30\x0b\x06\x09"[..], NIST_HASHES, hash].concat();
            let length = u8::try_from(hash.len()).unwrap();
            [&rsa(10)[..], &[SEQUENCE, length], &hash].concat()
        };
        for (algorithm, hash) in [
            (rsa(4), Some(Hash::Sha256)),
            (rsa(5), Some(Hash::Sha256)),
            (rsa(14), Some(Hash::Sha224)),
            (rsa(99), None),
            ([&b"\x06\x07"[..], ECDSA, &[1]].concat(), Some(Hash::Sha256)),
            (pss(&[2]), Some(Hash::Sha384)),
            (pss(&[4]), Some(Hash::Sha224)),
            ([&rsa(10)[..], b"\x30\x00"].concat(), Some(Hash::Sha256)),
            (rsa(10), None),
        ] {
            assert_eq!(signature_hash(&signed_by(&algorithm)), hash, "{algorithm:x?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(der in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = end_point(&der);
        }

        #[test]
        fn cut_certificates_never_panic(cut in 0..400usize) {
            let der = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
            prop_assert!(cut >= der.len() || end_point(&der[..cut]).is_none());
        }
    }
}
