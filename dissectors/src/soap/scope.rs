//! What a device says of itself wherever it is found: scopes, in the form of addresses (ONVIF Core, 7.3.3:
//! `onvif://www.onvif.org/name/Front%20door`), and references that never change.

use crate::dissector::{Field, Side};
use crate::observation::Mac;
use crate::out::Out;
use std::borrow::Cow;

/// Where scopes are told.
pub(crate) struct Fields {
    /// Each as it stands.
    pub(crate) scope: &'static Field,
    pub(crate) name: &'static Field,
    pub(crate) hardware: &'static Field,
    pub(crate) location: &'static Field,
    pub(crate) serial: &'static Field,
    pub(crate) mac: &'static Field,
}

impl Fields {
    /// Where the value of a part of the path is told, decoded.
    fn of(&self, part: &str) -> Option<&'static Field> {
        let parts = [
            ("name", self.name),
            ("hardware", self.hardware),
            ("location", self.location),
            ("serial", self.serial),
            ("serialnumber", self.serial),
        ];
        parts.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(part)).map(|(_, field)| field)
    }
}

/// Tells some scopes: each as it stands, and what names, places and numbers they hold.
pub(crate) fn tell<'a>(side: Side, fields: &Fields, scopes: impl Iterator<Item = Cow<'a, [u8]>>, out: &mut Out<'_>) {
    let mut told: Vec<&'static str> = Vec::new();
    for scope in scopes.take(MOST_SCOPES) {
        let front = scope.get(..LONGEST_SCOPE).unwrap_or(&scope);
        let Ok(text) = std::str::from_utf8(front) else { continue };
        let Some(path) = text.strip_prefix("onvif://www.onvif.org/") else { continue };
        out.numbered(side, None, (fields.scope, number_of(front)), text);
        let Some((part, value)) = path.split_once('/') else { continue };
        let value = decoded(value.trim_end_matches('/'));
        if ["mac", "macaddress"].iter().any(|known| known.eq_ignore_ascii_case(part))
            && let Some(mac) = mac(&value)
        {
            out.text(side, None, fields.mac, mac.to_string().as_bytes());
        }
        // Of several names or places the first counts: two would take turns.
        if let Some(field) = fields.of(part)
            && !told.contains(&field.name)
        {
            told.push(field.name);
            out.text(side, None, field, &value);
        }
    }
}

/// A reference without its scheme, in small letters: `urn:uuid:AB-…` and `uuid:ab-…` are one.
pub(crate) fn endpoint(reference: &[u8]) -> Vec<u8> {
    let mut reference = reference.get(..LONGEST_REFERENCE).unwrap_or(reference).to_ascii_lowercase();
    for scheme in [&b"urn:"[..], b"uuid:"] {
        if reference.starts_with(scheme) {
            reference.drain(..scheme.len());
        }
    }
    reference
}

/// Six pairs of digits, whatever stands between them.
pub(crate) fn mac(text: &[u8]) -> Option<Mac> {
    let text = text.iter().filter(|byte| !matches!(byte, b':' | b'-' | b'.'));
    let digits: Vec<u8> =
        text.map(|byte| char::from(*byte).to_digit(16)).map_while(|digit| u8::try_from(digit?).ok()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    let mac = Mac(bytes.try_into().ok()?);
    (rest.is_empty() && mac.is_device()).then_some(mac)
}

/// A number that stands for some bytes (FNV-1a).
pub(crate) fn number_of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Percent signs and two digits become what they stand for (RFC 3986, 2.1).
fn decoded(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let code = match (byte, behind) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        plain.push(code.unwrap_or(*byte));
        rest = if code.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    plain
}

const MOST_SCOPES: usize = 64;
const LONGEST_SCOPE: usize = 256;
const LONGEST_REFERENCE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_the_same_however_they_are_written() {
        for reference in ["urn:uuid:AB-1", "uuid:ab-1", "Ab-1", "URN:UUID:ab-1"] {
            assert_eq!(endpoint(reference.as_bytes()), b"ab-1");
        }
    }

    #[test]
    fn macs_are_read_however_they_are_written() {
        let expected = Some(Mac([0xac, 0xcc, 0x8e, 1, 2, 3]));
        for text in ["AC:CC:8E:01:02:03", "ac-cc-8e-01-02-03", "ACCC8E010203", "accc.8e01.0203"] {
            assert_eq!(mac(text.as_bytes()), expected, "{text}");
        }
        for text in ["", "ACCC8E0102", "ACCC8E01020304", "01:00:5e:01:02:03", "00:00:00:00:00:00", "ACCC8E01020x"] {
            assert_eq!(mac(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn percent_signs_are_decoded() {
        assert_eq!(decoded("Front%20door%"), b"Front door%");
        assert_eq!(decoded("%zz%C3%BC"), "%zz\u{fc}".as_bytes());
    }
}
