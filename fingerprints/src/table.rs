//! Tables that `build.rs` packed: looked up by binary search in the program's own bytes, without any start-up cost.

use dissectors::Mac;
use dissectors::packet::FrameName;

/// A table of `data/tables/`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packed {
    /// From one text to another.
    Words(Words),
    /// From a MAC's front to a name; the longest prefix wins.
    Prefixes(Prefixes),
}

impl Packed {
    /// The table of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        TABLES.iter().find(|(table, _)| *table == name).map(|(_, table)| *table)
    }

    /// What stands beside `key`.
    pub(crate) fn look_up(self, key: &str) -> Option<&'static str> {
        match self {
            Self::Words(words) => words.look_up(key),
            Self::Prefixes(prefixes) => prefixes.look_up(mac(key)?),
        }
    }
}

/// What people call frames without IP: `LLDP` for `ethertype:0x88cc`.
pub fn frame_name(frame: FrameName) -> Option<&'static str> {
    words("frames", &frame.to_string())
}

/// The table of this name, which the data is known to hold.
pub(crate) fn words(name: &str, key: &str) -> Option<&'static str> {
    Packed::named(name)?.look_up(key)
}

fn mac(text: &str) -> Option<Mac> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    Some(Mac(bytes))
}

/// Texts by text: see `pack_words` in `build.rs`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words(&'static [u8]);

impl Words {
    pub(crate) fn look_up(self, key: &str) -> Option<&'static str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let (found, value) = self.row(middle)?;
            match found.cmp(key.as_bytes()) {
                std::cmp::Ordering::Equal => return std::str::from_utf8(value).ok(),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn len(self) -> usize {
        u32_at(self.0, 0).unwrap_or(0)
    }

    fn row(self, index: usize) -> Option<(&'static [u8], &'static [u8])> {
        let start = u32_at(self.0, 4 + 4 * index)?;
        let end = u32_at(self.0, 8 + 4 * index)?;
        let row = self.0.get(8 + 4 * self.len()..)?.get(start..end)?;
        let (key, value) = row.split_at_checked(row.iter().position(|byte| *byte == b'\t')?)?;
        Some((key, value.get(1..)?))
    }
}

/// Names by a MAC's front: see `pack_prefixes` in `build.rs`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefixes(&'static [u8]);

const RECORD: usize = 9;

impl Prefixes {
    /// The name of the longest prefix of `mac`.
    pub(crate) fn look_up(self, mac: Mac) -> Option<&'static str> {
        let front = mac.0.iter().take(5).fold(0, |front, byte| front << 8 | u64::from(*byte));
        (6..=10u8).rev().find_map(|digits| {
            let unused = 40 - 4 * u32::from(digits);
            self.exactly((front >> unused) << unused, digits)
        })
    }

    fn exactly(self, bits: u64, digits: u8) -> Option<&'static str> {
        let wanted = (bits << 8 | u64::from(digits)).to_be_bytes();
        let count = u32_at(self.0, 0)?;
        let (records, names) = self.0.get(4..)?.split_at_checked(RECORD * count)?;
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = usize::midpoint(low, high);
            let (key, place) = records.get(RECORD * middle..)?.get(..RECORD)?.split_at(6);
            match key.cmp(wanted.get(2..)?) {
                std::cmp::Ordering::Equal => return name(names, place),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

fn name(names: &'static [u8], place: &[u8]) -> Option<&'static str> {
    let [high, middle, low] = *place.first_chunk()?;
    let (length, rest) = names.get(u32::from_be_bytes([0, high, middle, low]) as usize..)?.split_first()?;
    std::str::from_utf8(rest.get(..usize::from(*length))?).ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let chunk = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*chunk) as usize)
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    fn organisation(text: &str) -> Option<&'static str> {
        words("oui", text)
    }

    #[test]
    fn a_mac_s_maker_is_that_of_its_longest_prefix() {
        assert_eq!(organisation("00:80:f4:01:02:03"), Some("Telemecanique Electrique"));
        assert_eq!(organisation("00:1b:1b:00:00:01"), Some("Siemens AG,"));
        assert_eq!(organisation("00:1b:c5:00:00:01"), Some("Converging Systems Inc."), "36 bits");
        assert_eq!(organisation("00:1b:c5:00:10:01"), Some("OpenRB.com, Direct SIA"), "its neighbour");
        assert_eq!(organisation("70:b3:d5:ff:ff:ff"), None, "a block of the registry names nobody");
        assert_eq!(organisation("02:00:00:00:00:01"), None, "locally administered");
        assert_eq!(organisation("nonsense"), None);
    }

    #[test]
    fn every_row_of_every_table_is_found() {
        // Default logins are no table of pairs, and prove themselves elsewhere.
        for (table, packed) in TABLES.iter().filter(|(table, _)| *table != "default_credentials") {
            let path = format!("{}/data/tables/{table}.tsv", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).expect("the table is there");
            for line in text.lines().skip(1) {
                let (key, value) = line.rsplit_once('\t').expect("two columns");
                let found = match packed {
                    Packed::Words(words) => {
                        let key = key.replace('\t', " ");
                        words.look_up(&key).or_else(|| words.look_up(&key.to_lowercase()))
                    }
                    Packed::Prefixes(prefixes) => prefixes.exactly(
                        u64::from_str_radix(key, 16).expect("hex") << (40 - 4 * key.len()),
                        u8::try_from(key.len()).expect("short"),
                    ),
                };
                assert_eq!(found, Some(value), "{table}: {key}");
            }
        }
    }

    #[test]
    fn operations_bear_their_standards_names() {
        assert_eq!(words("operations", "bacnet u8"), Some("Who-Is"));
        assert_eq!(words("operations", "modbus 16"), Some("Write Multiple Registers"));
        assert_eq!(words("operations", "modbus 99"), None);
        assert_eq!(words("no_such_table", "1"), None);
    }
}
