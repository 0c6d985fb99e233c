//! X.509 certificates, as handshakes and bodies carry them: what they say, never whether it is true.
//!
//! RFC 5280. Devices write certificates that strict readers refuse; what can be read is told. Which names numbers have
//! is for others to know: algorithms are told by their object identifiers.

use crate::hex::hex;
use crate::time::Timestamp;
use compact_str::{CompactString, ToCompactString};
use sha2::{Digest, Sha256};
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 over the whole of it, as browsers and `openssl x509 -fingerprint` show it.
    pub sha256: [u8; 32],
    /// Whom it names (4.1.2.6), as `C=SE, CN=camera`.
    pub subject: CompactString,
    /// Who signed it (4.1.2.4).
    pub issuer: CompactString,
    /// Its number at the issuer (4.1.2.2), in hex without a leading zero byte.
    pub serial: CompactString,
    /// DNS names, addresses, mail addresses and URIs that it is for (4.2.1.6).
    pub names: Vec<CompactString>,
    /// From when it holds (4.1.2.5).
    pub not_before: Option<Timestamp>,
    /// Until when it holds; `None` for a date that no clock here reaches: it has no end.
    pub not_after: Option<Timestamp>,
    /// The key's algorithm, by its object identifier (4.1.2.7).
    pub key_algorithm: CompactString,
    /// How long the key is, in bits; of a curve, its field's size.
    pub key_bits: Option<u32>,
    /// How it is signed, by its object identifier (4.1.1.2).
    pub signature_algorithm: CompactString,
    /// Whether it names itself as its issuer.
    pub is_self_signed: bool,
    /// Its place in the chain that was sent: 0 for the one that names the sender.
    pub place: u8,
    /// How many certificates were sent with it, itself among them.
    pub chain_length: u8,
}

impl Certificate {
    /// As many names of one certificate are told.
    pub const MOST_NAMES: usize = 64;
    /// As many bytes of a name are told.
    pub const LONGEST: usize = 512;

    /// Reads one certificate in DER; `None` for what is none.
    pub fn read(der: &[u8], place: u8, chain_length: u8) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|extension| &extension.value.general_names).filter_map(name);
        let key = certificate.public_key();
        let bits = key.parsed().ok().and_then(|parsed| bits(&parsed, &key.algorithm));
        let validity = certificate.validity();
        Some(Self {
            sha256: Sha256::digest(der).into(),
            subject: clipped(certificate.subject()),
            issuer: clipped(certificate.issuer()),
            serial: serial(certificate.raw_serial()),
            names: names.take(Self::MOST_NAMES).collect(),
            not_before: time(validity.not_before.timestamp()),
            not_after: time(validity.not_after.timestamp()),
            key_algorithm: key.algorithm.algorithm.to_id_string().into(),
            key_bits: bits,
            signature_algorithm: certificate.signature_algorithm.algorithm.to_id_string().into(),
            is_self_signed: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            place,
            chain_length,
        })
    }
}

/// A text of at most as many bytes as are told, cut between letters.
fn clipped(text: &impl std::fmt::Display) -> CompactString {
    let mut text = text.to_compact_string();
    text.truncate(text.floor_char_boundary(Certificate::LONGEST));
    text
}

fn name(name: &GeneralName<'_>) -> Option<CompactString> {
    let text = match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => clipped(text),
        GeneralName::IPAddress(bytes) => address(bytes)?,
        _ => return None,
    };
    Some(text)
}

fn address(bytes: &[u8]) -> Option<CompactString> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(|octets| std::net::Ipv4Addr::from(octets).to_compact_string());
    v4.or_else(|| Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_compact_string()))
}

/// A number is written with a zero byte before it when its first bit is set.
fn serial(bytes: &[u8]) -> CompactString {
    let digits = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    hex(digits.get(..Certificate::LONGEST / 2).unwrap_or(digits)).to_uppercase()
}

fn time(seconds: i64) -> Option<Timestamp> {
    let nanos = seconds.checked_mul(1_000_000_000)?;
    Some(Timestamp::from_nanos(nanos))
}

/// The length of a key. That of a curve is its field's (RFC 5480, 2.1.1.1; RFC 8410), not that of the point.
fn bits(key: &PublicKey<'_>, algorithm: &x509_parser::x509::AlgorithmIdentifier<'_>) -> Option<u32> {
    let bits = match key {
        PublicKey::RSA(rsa) => rsa.key_size(),
        PublicKey::EC(point) => {
            let parameters = algorithm.parameters.as_ref().filter(|parameters| parameters.tag() == Tag::Oid);
            let named = parameters.and_then(|parameters| parameters.as_oid().ok());
            // A curve that is written out and not named is as large as a coordinate of its points (SEC 1, 2.3.3).
            return named.map_or_else(|| coordinate(point.data()), |name| curve(&name.to_id_string()));
        }
        PublicKey::DSA(number) | PublicKey::GostR3410(number) | PublicKey::GostR3410_2012(number) => {
            number.len().checked_mul(8)?
        }
        PublicKey::Unknown(_) => return curve(&algorithm.algorithm.to_id_string()),
    };
    u32::try_from(bits).ok()
}

fn coordinate(point: &[u8]) -> Option<u32> {
    let bytes = match point {
        [4, both @ ..] => both.len() / 2,
        [2 | 3, one @ ..] => one.len(),
        _ => return None,
    };
    u32::try_from(bytes).ok()?.checked_mul(8)
}

/// Curves by their object identifiers (RFC 5480, 2.1.1.1; SEC 2; RFC 5639; RFC 8410).
fn curve(identifier: &str) -> Option<u32> {
    CURVES.iter().find(|(known, _)| *known == identifier).map(|(_, bits)| *bits)
}

const CURVES: &[(&str, u32)] = &[
    ("1.2.840.10045.3.1.1", 192),
    ("1.2.840.10045.3.1.7", 256),
    ("1.3.132.0.8", 160),
    ("1.3.132.0.33", 224),
    ("1.3.132.0.10", 256),
    ("1.3.132.0.34", 384),
    ("1.3.132.0.35", 521),
    ("1.3.36.3.3.2.8.1.1.7", 256),
    ("1.3.36.3.3.2.8.1.1.11", 384),
    ("1.3.36.3.3.2.8.1.1.13", 512),
    ("1.3.101.112", 256),
    ("1.3.101.113", 456),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_none() {
        for bytes in [&b""[..], b"\x30\x00", b"\x30\x82\xff\xff", &[0x30; 64]] {
            assert_eq!(Certificate::read(bytes, 0, 1), None);
        }
    }

    #[test]
    fn a_serial_is_a_number() {
        assert_eq!(serial(&[0, 0x9a, 1]), "9A01");
        assert_eq!(serial(&[0]), "00");
        assert_eq!(serial(&[0x10]), "10");
    }
}
