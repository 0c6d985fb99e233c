//! Device attributes (IEEE 1815-2012, A.1): what an outstation says of itself, and what masters write there.

use super::objects::{Block, Kind};
use super::time::Moment;
use super::turn::{Pair, Turn};
use super::words::{hex, text};
use crate::dissector::Field;
use crate::observation::Category;
use crate::out::Out;
use crate::pending::Command;
use compact_str::{CompactString, ToCompactString, format_compact};
use std::collections::VecDeque;

pub(super) static CONFIGURATION_ID: Field =
    Field::new("dnp3.configuration_id", "g0v196: what the user calls the device's configuration (A.1)");
pub(super) static CONFIGURATION_VERSION: Field =
    Field::new("dnp3.configuration_version", "g0v197: version of the device's configuration");
pub(super) static CONFIGURATION_BUILT: Field =
    Field::new("dnp3.configuration_built", "g0v198: when the configuration was built, in UTC");
pub(super) static CONFIGURATION_CHANGED: Field =
    Field::new("dnp3.configuration_changed", "g0v199: when the configuration was changed last, in UTC");
pub(super) static CONFIGURATION_DIGEST: Field =
    Field::new("dnp3.configuration_digest", "g0v200: digest of the configuration, in hex");
pub(super) static CONFIGURATION_DIGEST_ALGORITHM: Field =
    Field::new("dnp3.configuration_digest_algorithm", "g0v201: by which algorithm the digest was made");
pub(super) static MASTER_RESOURCE_ID: Field =
    Field::new("dnp3.master_resource_id", "g0v202: mRID of the device (IEC 61970)");
pub(super) static ALTITUDE: Field = Field::new("dnp3.altitude", "g0v203: metres above sea level");
pub(super) static LONGITUDE: Field = Field::new("dnp3.longitude", "g0v204: degrees east of Greenwich");
pub(super) static LATITUDE: Field = Field::new("dnp3.latitude", "g0v205: degrees north of the equator");
pub(super) static SECONDARY_OPERATOR: Field =
    Field::new("dnp3.secondary_operator", "g0v206: name of the secondary operator, as users wrote it");
pub(super) static PRIMARY_OPERATOR: Field =
    Field::new("dnp3.primary_operator", "g0v207: name of the primary operator, as users wrote it");
pub(super) static SYSTEM_NAME: Field = Field::new("dnp3.system_name", "g0v208: name of the system, as users wrote it");
pub(super) static AUTHENTICATION_VERSION: Field =
    Field::new("dnp3.authentication_version", "g0v209: version of DNP3 secure authentication that it speaks");
pub(super) static SOFTWARE_VERSION: Field =
    Field::new("dnp3.software_version", "g0v242: version of the device's software or firmware");
pub(super) static HARDWARE_VERSION: Field =
    Field::new("dnp3.hardware_version", "g0v243: version of the device's hardware");
pub(super) static OWNER: Field = Field::new("dnp3.owner", "g0v244: name of the owner, as users wrote it");
pub(super) static LOCATION: Field = Field::new("dnp3.location", "g0v245: where the device stands, as users wrote it");
pub(super) static IDENTIFICATION_CODE: Field =
    Field::new("dnp3.identification_code", "g0v246: code by which users identify the device");
pub(super) static DEVICE_NAME: Field = Field::new("dnp3.device_name", "g0v247: name of the device, as users wrote it");
pub(super) static SERIAL_NUMBER: Field =
    Field::new("dnp3.serial_number", "g0v248: serial number that the maker gave it");
pub(super) static SUBSET: Field = Field::new("dnp3.subset", "g0v249: DNP3 subset level and year of its conformance");
pub(super) static PRODUCT: Field = Field::new("dnp3.product", "g0v250: the maker's name of product and model");
pub(super) static MANUFACTURER: Field = Field::new("dnp3.manufacturer", "g0v252: name of the maker");
pub(super) static WRITABLE_ATTRIBUTES: Field =
    Field::new("dnp3.writable_attributes", "g0v255: which of its attributes masters may write");
pub(super) static ATTRIBUTE: Field =
    Field::new("dnp3.attribute", "any other attribute of group 0, by its name in the standard");
pub(super) static PRIVATE_ATTRIBUTE: Field =
    Field::new("dnp3.private_attribute", "an attribute of a set that is its maker's own: `set 5, 12 = text`");

/// The attributes of set 0 that have a field of their own.
static NAMED: [(u8, &Field); 25] = [
    (196, &CONFIGURATION_ID),
    (197, &CONFIGURATION_VERSION),
    (198, &CONFIGURATION_BUILT),
    (199, &CONFIGURATION_CHANGED),
    (200, &CONFIGURATION_DIGEST),
    (201, &CONFIGURATION_DIGEST_ALGORITHM),
    (202, &MASTER_RESOURCE_ID),
    (203, &ALTITUDE),
    (204, &LONGITUDE),
    (205, &LATITUDE),
    (206, &SECONDARY_OPERATOR),
    (207, &PRIMARY_OPERATOR),
    (208, &SYSTEM_NAME),
    (209, &AUTHENTICATION_VERSION),
    (242, &SOFTWARE_VERSION),
    (243, &HARDWARE_VERSION),
    (244, &OWNER),
    (245, &LOCATION),
    (246, &IDENTIFICATION_CODE),
    (247, &DEVICE_NAME),
    (248, &SERIAL_NUMBER),
    (249, &SUBSET),
    (250, &PRODUCT),
    (252, &MANUFACTURER),
    (255, &WRITABLE_ATTRIBUTES),
];

/// What an attribute holds: a data type code, a length and so many octets (11.2, table 5-16).
#[derive(Clone, Copy, Debug)]
struct Attribute<'a> {
    kind: u8,
    value: &'a [u8],
}

impl<'a> Attribute<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let [kind, _length, value @ ..] = bytes else { return None };
        Some(Self { kind: *kind, value })
    }

    /// In words; nothing of one that is empty, or not what its type says.
    fn words(self) -> Option<CompactString> {
        let value = self.value;
        Some(match self.kind {
            VISIBLE | UNICODE => return text(value),
            UNSIGNED => unsigned(value)?.to_compact_string(),
            SIGNED => signed(value)?.to_compact_string(),
            FLOAT => match value.len() {
                4 => f32::from_le_bytes(*value.first_chunk()?).to_compact_string(),
                _ => f64::from_le_bytes(*value.first_chunk()?).to_compact_string(),
            },
            TIME => Moment::of(value)?.to_compact_string(),
            OCTETS | BITS if !value.is_empty() => hex(value),
            _ => return None,
        })
    }

    /// Pairs of an attribute's number and its properties.
    fn pairs(self) -> impl Iterator<Item = (u8, u8)> {
        let is_list = matches!(self.kind, LIST | EXTENDED_LIST);
        let (pairs, _) = self.value.as_chunks::<2>();
        pairs.iter().filter(move |_| is_list).map(|[number, properties]| (*number, *properties))
    }
}

fn unsigned(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 8 {
        return None;
    }
    Some(value.iter().rev().fold(0, |all, octet| all << 8 | u64::from(*octet)))
}

fn signed(value: &[u8]) -> Option<i64> {
    let bits = u32::try_from(value.len()).ok()?.checked_mul(8)?;
    let unused = 64_u32.checked_sub(bits)?;
    Some(unsigned(value)?.cast_signed().checked_shl(unused)?.checked_shr(unused).unwrap_or_default())
}

/// An outstation tells attributes.
pub(super) fn tell(turn: Turn, block: &Block<'_>, known: &mut Known, out: &mut Out<'_>) {
    let child = turn.child();
    let number = block.kind.variation;
    for item in block.items() {
        let set = item.index.unwrap_or(0);
        let Some(attribute) = Attribute::read(item.bytes) else { continue };
        if number == ALL_NUMBERS {
            tell_writable(turn, set, attribute, out);
            continue;
        }
        let Some(words) = attribute.words() else { continue };
        if set != 0 {
            let key = set.wrapping_shl(8) | u32::from(number);
            out.numbered(
                turn.sender,
                Some(&child),
                (&PRIVATE_ATTRIBUTE, key),
                &format!("set {set}, {number} = {words}"),
            );
        } else if let Some((_, field)) = NAMED.iter().find(|(named, _)| *named == number) {
            out.text(turn.sender, Some(&child), field, words.as_bytes());
            known.learn(turn.pair, number, words);
        } else {
            let name = name(number);
            out.numbered(turn.sender, Some(&child), (&ATTRIBUTE, number.into()), &format!("{name} = {words}"));
        }
    }
}

fn tell_writable(turn: Turn, set: u32, attribute: Attribute<'_>, out: &mut Out<'_>) {
    let writable = attribute.pairs().filter(|(_, properties)| properties & WRITABLE != 0);
    let names: Vec<CompactString> = writable.map(|(number, _)| name(number)).collect();
    if set == 0 {
        out.text(turn.sender, Some(&turn.child()), &WRITABLE_ATTRIBUTES, names.join(", ").as_bytes());
    }
}

/// A master writes an attribute: which, to what, and what it was as far as that was read before.
pub(super) fn write(turn: Turn, block: &Block<'_>, known: &Known) -> Option<Command> {
    let item = block.items().next()?;
    let number = block.kind.variation;
    let words = Attribute::read(item.bytes).and_then(Attribute::words);
    let (target, before) = match item.index.unwrap_or(0) {
        0 => (name(number), known.of(turn.pair, number)),
        set => (format_compact!("attribute {number} of set {set}"), None),
    };
    let value = match (words, before) {
        (Some(words), Some(before)) if *before != words => Some(format_compact!("{words} (was {before})")),
        (words, _) => words,
    };
    Some(Command::in_words(Category::Config, target, value))
}

fn name(number: u8) -> CompactString {
    let name = Kind { group: 0, variation: number }.name().filter(|name| *name != "reserved");
    name.map_or_else(|| format_compact!("attribute {number}"), CompactString::const_new)
}

/// What outstations of a conversation said of themselves last: what a write replaces.
#[derive(Default)]
pub(super) struct Known(VecDeque<(Pair, u8, CompactString)>);

impl Known {
    fn learn(&mut self, pair: Pair, number: u8, words: CompactString) {
        if let Some((.., before)) = self.0.iter_mut().find(|(its, it, _)| (*its, *it) == (pair, number)) {
            *before = words;
            return;
        }
        if self.0.len() >= MOST_KNOWN {
            self.0.pop_front();
        }
        self.0.push_back((pair, number, words));
    }

    fn of(&self, pair: Pair, number: u8) -> Option<&CompactString> {
        self.0.iter().find(|(its, it, _)| (*its, *it) == (pair, number)).map(|(.., words)| words)
    }
}

/// As many attributes of all outstations of a conversation are remembered.
const MOST_KNOWN: usize = 64;

/// The list of all attributes that there are.
const ALL_NUMBERS: u8 = 255;
/// Of an attribute's properties: it may be written.
const WRITABLE: u8 = 1;

// Data types of attributes (table 5-16).
const VISIBLE: u8 = 1;
const UNSIGNED: u8 = 2;
const SIGNED: u8 = 3;
const FLOAT: u8 = 4;
const OCTETS: u8 = 5;
const BITS: u8 = 6;
const TIME: u8 = 7;
const UNICODE: u8 = 8;
const LIST: u8 = 254;
const EXTENDED_LIST: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::hex;

    #[test]
    fn every_type_of_attribute_is_put_into_words() {
        for (bytes, words) in [
            ("01 05 2041424300", Some("ABC")),
            ("01 00", None),
            ("02 01 ff", Some("255")),
            ("02 02 0001", Some("256")),
            ("02 04 ffffffff", Some("4294967295")),
            ("03 01 ff", Some("-1")),
            ("03 02 feff", Some("-2")),
            ("03 04 00000080", Some("-2147483648")),
            ("03 08 ffffffffffffffff", Some("-1")),
            ("04 04 0000803f", Some("1.0")),
            ("04 08 0000000000000440", Some("2.5")),
            ("04 03 000000", None),
            ("05 03 0a0b0c", Some("0a0b0c")),
            ("06 01 81", Some("81")),
            ("07 06 7b1d05524c01", Some("2015-03-25 17:40:09.211")),
            ("08 02 c3bc", Some("ü")),
            ("02 09 000000000000000000", None),
            ("00 00", None),
            ("63 01 00", None),
        ] {
            let bytes = hex(bytes);
            let attribute = Attribute::read(&bytes).expect("type and length");
            assert_eq!(attribute.words().as_deref(), words, "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_known_is_bounded_and_replaced() {
        let pair = |outstation| Pair { master: 1, outstation };
        let mut known = Known::default();
        for outstation in 0..70 {
            known.learn(pair(outstation), 247, "old".into());
            known.learn(pair(outstation), 247, "new".into());
        }
        assert_eq!(known.of(pair(5), 247), None);
        assert_eq!(known.of(pair(6), 247).map(CompactString::as_str), Some("new"));
        assert_eq!(known.0.len(), MOST_KNOWN);
    }
}
