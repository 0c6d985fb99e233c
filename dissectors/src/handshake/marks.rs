//! What the shape of a hello says of the program that sent it: JA3 and JA3S (Althouse, Atkinson, Atkins; Salesforce,
//! 2017), JA4 of clients (`FoxIO`, 2023; the client's form alone is under a BSD licence).

use super::Over;
use super::hello::{ClientHello, ServerHello, is_grease};
use crate::hex::hex;
use compact_str::{CompactString, format_compact};
use md5::Md5;
use sha2::{Digest, Sha256};

/// JA3: version, ciphers, extensions, groups and point formats in decimal, hashed by MD5.
pub(super) fn ja3(hello: &ClientHello) -> CompactString {
    let ClientHello { version, ciphers, extensions, groups, point_formats, .. } = hello;
    let formats: Vec<u16> = point_formats.iter().copied().map(u16::from).collect();
    let lists = [ciphers, extensions, groups, &formats].map(|list| decimals(list));
    md5(&format!("{version},{}", lists.join(",")))
}

/// JA3S: version, cipher and extensions.
pub(super) fn ja3s(hello: &ServerHello) -> CompactString {
    let ServerHello { legacy_version, cipher, extensions, .. } = hello;
    let extensions: Vec<String> = extensions.iter().map(ToString::to_string).collect();
    md5(&format!("{legacy_version},{cipher},{}", extensions.join("-")))
}

/// JA4 of a client.
pub(super) fn ja4(hello: &ClientHello, over: Over) -> CompactString {
    let plain = |list: &[u16]| list.iter().copied().filter(|value| !is_grease(*value)).collect::<Vec<u16>>();
    let (ciphers, extensions) = (plain(&hello.ciphers), plain(&hello.extensions));
    let versions = plain(&hello.versions).into_iter();
    let (carrier, version) = match over {
        Over::Stream => ('t', versions.max()),
        Over::Datagrams => ('d', versions.min()),
    };
    let version = version.unwrap_or(hello.version);
    let addressed = if extensions.contains(&0) { 'd' } else { 'i' };
    let (some, more) = (ciphers.len().min(99), extensions.len().min(99));
    let alpn = hello.alpn.first().map_or_else(|| "00".into(), |name| ends(name));
    let hashed_ciphers = cut(&hexes(sorted(ciphers)));
    // The two that depend on whom and for what it asks are left out.
    let kinds = sorted(extensions.into_iter().filter(|kind| *kind != 0 && *kind != 16).collect());
    let signatures = hexes(plain(&hello.signatures));
    let kinds = hexes(kinds);
    let text = if signatures.is_empty() { kinds } else { format!("{kinds}_{signatures}") };
    let hashed = if hello.extensions.is_empty() { NOTHING.into() } else { cut(&text) };
    format_compact!("{carrier}{}{addressed}{some:02}{more:02}{alpn}_{hashed_ciphers}_{hashed}", digits(version))
}

const NOTHING: &str = "000000000000";

fn digits(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    }
}

/// The first and the last letter of a name; of what has other letters, those of its hex.
fn ends(name: &[u8]) -> CompactString {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return "00".into() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return format_compact!("{}{}", char::from(*first), char::from(*last));
    }
    format_compact!("{:x}{:x}", first >> 4, last & 15)
}

fn sorted(mut list: Vec<u16>) -> Vec<u16> {
    list.sort_unstable();
    list
}

fn hexes(list: Vec<u16>) -> String {
    list.into_iter().map(|value| format!("{value:04x}")).collect::<Vec<_>>().join(",")
}

fn decimals(list: &[u16]) -> String {
    let plain = list.iter().filter(|value| !is_grease(**value));
    plain.map(ToString::to_string).collect::<Vec<_>>().join("-")
}

/// The first twelve digits of a hash; of nothing, zeros.
fn cut(text: &str) -> CompactString {
    if text.is_empty() {
        return NOTHING.into();
    }
    let mut digits = hex(&Sha256::digest(text.as_bytes()));
    digits.truncate(NOTHING.len());
    digits
}

fn md5(text: &str) -> CompactString {
    hex(&Md5::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification: Chrome over TCP.
    #[test]
    fn ja4s_own_example_holds() {
        let hello = ClientHello {
            version: 0x0303,
            ciphers: vec![
                0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
                0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x1a1a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
                0xff01, 0x000b, 0x000a, 0x0015,
            ],
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            versions: vec![0x9a9a, 0x0304, 0x0303],
            signatures: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            ..ClientHello::default()
        };
        assert_eq!(ja4(&hello, Over::Stream), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    /// The example of JA3's own description.
    #[test]
    fn ja3s_own_example_holds() {
        let hello = ClientHello {
            version: 769,
            ciphers: vec![47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
            extensions: vec![0, 10, 11],
            groups: vec![23, 24, 25],
            point_formats: vec![0],
            ..ClientHello::default()
        };
        assert_eq!(ja3(&hello), "ada70206e40642a3e4461f35503241d5");
    }

    #[test]
    fn names_with_odd_letters_are_shown_hex() {
        assert_eq!(ends(b"h2"), "h2");
        assert_eq!(ends(b"http/1.1"), "h1");
        assert_eq!(ends(&[0xab, 0xcd]), "ad");
        assert_eq!(ends(b""), "00");
        assert_eq!(ends(b"x"), "xx");
    }
}
