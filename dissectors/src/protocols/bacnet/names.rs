//! What the standard calls its numbers (ASHRAE 135-2020, clause 21), as data: the names that bacpypes3 0.0.110 (MIT) and
//! Wireshark 4.0 both give them, or the only one of the two that has one.

use crate::names::{Tables, named};
use compact_str::{CompactString, ToCompactString};
use std::sync::LazyLock;

/// The name of a type of objects.
pub(super) fn object_type(number: u32) -> Option<&'static str> {
    named(OBJECT_TYPES, number)
}

/// The name of a property.
pub(super) fn property(number: u32) -> Option<&'static str> {
    named(PROPERTIES, number)
}

/// The name of a value of an enumeration, or its number where the standard leaves it to the vendor.
pub(super) fn enumerated(enumeration: &str, number: impl Into<u64>) -> CompactString {
    let number = number.into();
    let name = ENUMERATIONS.name(enumeration, number);
    name.map_or_else(|| number.to_compact_string(), CompactString::const_new)
}

static OBJECT_TYPES: &str = include_str!("../../../data/bacnet-objects.tsv");
static PROPERTIES: &str = include_str!("../../../data/bacnet-properties.tsv");
static ENUMERATIONS: LazyLock<Tables> = LazyLock::new(|| Tables::of(FILE));
static FILE: &str = include_str!("../../../data/bacnet-enumerations.tsv");

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_bear_the_names_of_their_own_enumeration() {
        assert_eq!(enumerated("error-code", 26u32), "password-failure");
        assert_eq!(enumerated("reject-reason", 9u8), "unrecognized-service");
        assert_eq!(enumerated("abort-reason", 9u8), "out-of-resources");
        assert_eq!(enumerated("error", 9u8), "9", "no enumeration has this name");
        assert_eq!(enumerated("device-status", u64::MAX), "18446744073709551615");
    }

    #[test]
    fn every_line_of_the_tables_is_a_number_of_its_own_and_a_name() {
        let mut numbers = BTreeSet::new();
        let rows = |set: &'static str, table: &'static str| table.lines().map(move |line| (set, line));
        let enumerations = FILE.lines().map(|line| line.split_once('\t').expect("a tab"));
        let all = rows("objects", OBJECT_TYPES).chain(rows("properties", PROPERTIES)).chain(enumerations);
        for (set, row) in all {
            let (number, name) = row.split_once('\t').expect("a tab");
            assert!(numbers.insert((set, number.parse::<u32>().expect("a number"))), "{set} {number} stands twice");
            assert!(!name.is_empty() && !name.contains('\t'), "{set} {number} has no name");
        }
        assert!(numbers.len() > 800, "{} names", numbers.len());
    }
}
