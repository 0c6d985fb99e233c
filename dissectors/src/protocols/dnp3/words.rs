//! Codes of DNP3 objects and their names (IEEE 1815-2012, annex A), read only when something is told.

use super::objects::{Block, Range};
use crate::names::Tables;
use compact_str::{CompactString, ToCompactString, format_compact};
use std::sync::LazyLock;

/// The name that stands beside a code in a table, or the code.
pub(super) fn name(table: &str, code: impl Into<u32>) -> CompactString {
    let code = code.into();
    CODES.name(table, code.into()).map_or_else(|| code.to_compact_string(), CompactString::const_new)
}

/// What the objects of a block are: `binary output 3`, `counter 0-7`, `counter`.
pub(super) fn points(block: &Block<'_>) -> CompactString {
    let name = match block.kind.group_name() {
        Some(name) => CompactString::const_new(name),
        None => format_compact!("group {}", block.kind.group),
    };
    match block.range {
        Range::Span(first, last) if first == last => format_compact!("{name} {first}"),
        Range::Span(first, last) => format_compact!("{name} {first}-{last}"),
        Range::All | Range::Count(_) => {
            let mut items = block.items().filter_map(|item| item.index);
            match (items.next(), items.next()) {
                (Some(index), None) => format_compact!("{name} {index}"),
                (Some(index), Some(_)) => format_compact!("{name} {index} and others"),
                (None, _) => name,
            }
        }
    }
}

/// Octets in hex.
pub(super) fn hex(bytes: &[u8]) -> CompactString {
    use std::fmt::Write;
    let mut text = CompactString::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // A string has room.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Text as it came, without the zeros that fill it up; nothing if there is none.
pub(super) fn text(bytes: &[u8]) -> Option<CompactString> {
    let end = bytes.iter().rposition(|byte| *byte != 0)?.saturating_add(1);
    let text = bytes.get(..end)?.trim_ascii();
    (!text.is_empty()).then(|| CompactString::from_utf8_lossy(text))
}

static CODES: LazyLock<Tables> = LazyLock::new(|| Tables::of(FILE));
static FILE: &str = include_str!("../../../data/dnp3-codes.tsv");

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_bear_their_names_or_stay_numbers() {
        assert_eq!(name("control", 7_u8), "local control");
        assert_eq!(name("control", 99_u8), "99");
        assert_eq!(name("no such table", 1_u8), "1");
        assert_eq!(hex(&[0, 0xab]), "00ab");
        assert_eq!(text(b" x\0\0").as_deref(), Some("x"));
        assert_eq!(text(b"\0\0"), None);
    }

    #[test]
    fn every_line_is_a_code_of_its_own_and_a_name() {
        let mut codes = BTreeSet::new();
        for line in FILE.lines().skip(1) {
            let cells: Vec<&str> = line.split('\t').collect();
            let [table, code, name] = cells[..] else { panic!("{line}") };
            assert!(codes.insert((table, code.parse::<u32>().expect("a number"))), "{line} stands twice");
            assert!(!name.is_empty(), "{line}");
        }
    }
}
