//! Elements of the Basic Encoding Rules (ITU-T X.690): a tag of one byte, a definite length, content. SNMP and LDAP are made
//! of them.

use crate::reader::{Reader, Stop};
use compact_str::{CompactString, ToCompactString};

/// The next element: its tag and its content, which is all there.
pub(crate) fn element<'a>(reader: &mut Reader<'a>) -> Result<(u8, Reader<'a>), Stop> {
    let (tag, length) = head(reader)?;
    Ok((tag, reader.sub(length)?))
}

/// The tag of the next element and how long its content is, which need not be there.
pub(crate) fn head(reader: &mut Reader<'_>) -> Result<(u8, usize), Stop> {
    let tag = reader.u8()?;
    let first = reader.u8()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        // How many bytes of length follow; 0x80 is a length that is not told (8.1.3.6), which neither protocol has.
        0x81..=0x84 => {
            let bytes = reader.take(usize::from(first & 0x7f))?;
            bytes.iter().fold(0_usize, |length, byte| length.wrapping_shl(8) | usize::from(*byte))
        }
        _ => return Err(reader.malformed("no element has this length")),
    };
    Ok((tag, length))
}

/// The content of the next element, which has this tag.
pub(crate) fn expect<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<Reader<'a>, Stop> {
    let wrong = reader.malformed("another element is wanted here");
    match element(reader)? {
        (found, content) if found == tag => Ok(content),
        _ => Err(wrong),
    }
}

/// The next element, an integer of at most eight bytes.
pub(crate) fn integer(reader: &mut Reader<'_>) -> Result<i64, Stop> {
    let content = expect(reader, INTEGER)?;
    number(content.rest()).ok_or_else(|| content.malformed("no integer is as long"))
}

/// An integer's content (8.3).
pub(crate) fn number(content: &[u8]) -> Option<i64> {
    let first = content.first().filter(|_| content.len() <= 8)?;
    let sign = if *first > 0x7f { -1 } else { 0 };
    Some(content.iter().fold(sign, |number: i64, byte| number.wrapping_shl(8) | i64::from(*byte)))
}

/// The content of the next element, a string of bytes.
pub(crate) fn bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Stop> {
    expect(reader, OCTETS).map(|content| content.rest())
}

/// An object identifier's content as people write it, `1.3.6.1` (8.19); `None` of one that is none.
pub(crate) fn identifier(content: &[u8]) -> Option<CompactString> {
    let mut text = CompactString::default();
    let mut number = 0_u64;
    for byte in content {
        number = number.checked_mul(128)? | u64::from(byte & 0x7f);
        if *byte > 0x7f {
            continue;
        }
        if text.is_empty() {
            let first = (number / 40).min(2);
            text = first.to_compact_string();
            number = number.saturating_sub(first.saturating_mul(40));
        }
        text.push('.');
        text.push_str(&number.to_compact_string());
        number = 0;
    }
    let is_whole = content.last().is_some_and(|last| *last <= 0x7f) && content.len() <= 128;
    is_whole.then_some(text)
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const IDENTIFIER: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_stand_in_one_byte_or_behind_their_number() {
        let content =
            |bytes: &[u8]| element(&mut Reader::closed(bytes)).map(|(tag, content)| (tag, content.remaining()));
        assert_eq!(content(&[4, 2, 1, 2]), Ok((4, 2)));
        assert_eq!(content(&[4, 0x82, 0, 1, 9]), Ok((4, 1)));
        assert!(
            content(&[4, 0x80, 0, 0]).is_err()
                && content(&[4, 2, 1]).is_err()
                && content(&[4, 0x85, 0, 0, 0, 0, 0]).is_err()
        );
        assert!(matches!(element(&mut Reader::open(&[4, 2, 1], 0)), Err(Stop::Short { missing: 1 })));
    }

    #[test]
    fn integers_have_a_sign() {
        assert_eq!(
            (number(&[0xff]), number(&[0, 0xff]), number(&[0x80, 0]), number(&[])),
            (Some(-1), Some(255), Some(-32768), None)
        );
        assert_eq!(number(&[1; 9]), None);
    }

    #[test]
    fn identifiers_are_written_with_dots() {
        let text = |bytes: &[u8]| identifier(bytes).map(|text| text.to_string());
        assert_eq!(text(&[0x2b, 6, 1, 4, 1, 0xc3, 0x73, 7]).as_deref(), Some("1.3.6.1.4.1.8691.7"));
        assert_eq!(text(&[0x88, 0x37, 3]).as_deref(), Some("2.999.3"));
        assert_eq!((text(&[]), text(&[0x2b, 0x86]), text(&[0xff; 11])), (None, None, None));
    }
}
