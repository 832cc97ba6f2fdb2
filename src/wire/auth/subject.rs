//! Who a certificate says that its owner is.

use super::end_point::{OBJECT, SEQUENCE, element};

const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
/// `[0]`, explicit: the version.
const VERSION: u8 = 0xa0;
/// UTF8String, PrintableString, IA5String: bytes of UTF-8 all three.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The common name of a certificate's subject (DER); `None` when there is none, or more than one,
/// or one that is no plain text: nobody is let in by a name that two could read as two.
pub fn common_name(certificate: &[u8]) -> Option<String> {
    let mut names = subject(certificate)?;
    let mut found = None;
    while !names.is_empty() {
        let (mut attributes, rest) = element(SET, names)?;
        names = rest;
        while !attributes.is_empty() {
            let (attribute, rest) = element(SEQUENCE, attributes)?;
            attributes = rest;
            let (object, value) = element(OBJECT, attribute)?;
            if object == COMMON_NAME && found.replace(text(value)?).is_some() {
                return None;
            }
        }
    }
    found
}

/// `TBSCertificate ::= SEQUENCE { [0] version, serial, signature, issuer, validity, subject … }`
/// (RFC 5280)
fn subject(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(SEQUENCE, certificate)?;
    let (signed, _) = element(SEQUENCE, certificate)?;
    let rest = element(VERSION, signed).map_or(signed, |(_, rest)| rest);
    let (_, rest) = element(INTEGER, rest)?;
    let (_signature, rest) = element(SEQUENCE, rest)?;
    let (_issuer, rest) = element(SEQUENCE, rest)?;
    let (_validity, rest) = element(SEQUENCE, rest)?;
    element(SEQUENCE, rest).map(|(subject, _)| subject)
}

fn text(value: &[u8]) -> Option<String> {
    let (text, rest) = TEXTS.iter().find_map(|kind| element(*kind, value))?;
    let plain = rest.is_empty() && !text.is_empty() && !text.contains(&0);
    plain.then(|| String::from_utf8(text.to_vec()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{DistinguishedName, DnType, DnValue};

    use super::*;

    fn certificate(names: &[(DnType, DnValue)]) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.distinguished_name = DistinguishedName::new();
        for (kind, value) in names {
            parameters.distinguished_name.push(kind.clone(), value.clone());
        }
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    fn utf8(text: &str) -> DnValue {
        DnValue::Utf8String(text.into())
    }

    #[test]
    fn a_certificate_has_one_common_name_or_none() {
        let organization = || (DnType::OrganizationName, utf8("somebody"));
        let name = |value| (DnType::CommonName, value);
        // The same attribute by its number, which rcgen takes for another.
        let again = || (DnType::CustomDnType(vec![2, 5, 4, 3]), utf8("mallory"));
        let printable = DnValue::PrintableString("bob".try_into().unwrap());
        let bmp = DnValue::BmpString("eve".try_into().unwrap());
        for (names, expected) in [
            (vec![organization(), name(utf8("alice"))], Some("alice")),
            (vec![name(utf8("zoé")), organization()], Some("zoé")),
            (vec![name(printable)], Some("bob")),
            (vec![name(bmp)], None),
            (vec![name(utf8("alice\0.evil"))], None),
            (vec![name(utf8(""))], None),
            (vec![name(utf8("alice")), again()], None),
            (vec![organization()], None),
            (vec![], None),
        ] {
            assert_eq!(common_name(&certificate(&names)).as_deref(), expected, "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn damaged_certificates_never_panic(at in 0..400usize, byte in any::<u8>(), cut in 0..500usize) {
            let mut der = certificate(&[(DnType::CommonName, utf8("alice"))]);
            let at = at % der.len();
            der[at] = byte;
            let _ = common_name(&der);
            let _ = common_name(&der[..cut.min(der.len())]);
        }
    }
}
