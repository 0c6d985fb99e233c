//! Objects that say what an agent is, those that are set, and what reports count.

use super::ber;
use super::message::{Binding, Pdu, TIME_TICKS};
use crate::dissector::{Field, Side};
use crate::observation::{Category, Value};
use crate::out::Out;
use crate::pending::Command;
use compact_str::{CompactString, ToCompactString};

pub(super) static DESCRIPTION: Field = Field::new("snmp.description", "sysDescr: what it is, in words (RFC 3418, 2)");
pub(super) static OBJECT_ID: Field =
    Field::new("snmp.object_id", "sysObjectID: the number that its maker gave to what it is (RFC 3418, 2)");
pub(super) static CONTACT: Field = Field::new("snmp.contact", "sysContact: who cares for it (RFC 3418, 2)");
pub(super) static NAME: Field = Field::new("snmp.name", "sysName: how it is called (RFC 3418, 2)");
pub(super) static LOCATION: Field = Field::new("snmp.location", "sysLocation: where it stands (RFC 3418, 2)");
pub(super) static HARDWARE: Field =
    Field::new("snmp.hardware", "entPhysicalHardwareRev of its first entity (RFC 6933, 3)");
pub(super) static FIRMWARE: Field =
    Field::new("snmp.firmware", "entPhysicalFirmwareRev of its first entity (RFC 6933, 3)");
pub(super) static SOFTWARE: Field =
    Field::new("snmp.software", "entPhysicalSoftwareRev of its first entity (RFC 6933, 3)");
pub(super) static SERIAL: Field = Field::new("snmp.serial", "entPhysicalSerialNum of its first entity (RFC 6933, 3)");
pub(super) static MAKER: Field = Field::new("snmp.maker", "entPhysicalMfgName of its first entity (RFC 6933, 3)");
pub(super) static MODEL: Field = Field::new("snmp.model", "entPhysicalModelName of its first entity (RFC 6933, 3)");

/// Tells what an answer or a notice says of its sender.
pub(super) fn tell(side: Side, pdu: &Pdu<'_>, out: &mut Out<'_>) {
    for Binding { name, tag, value } in pdu.bindings() {
        match field(name) {
            Some(field) if tag == ber::OCTETS && field != &OBJECT_ID => out.text(side, None, field, value),
            Some(field) if tag == ber::IDENTIFIER && field == &OBJECT_ID => {
                if let Some(text) = ber::identifier(value) {
                    out.text(side, None, field, text.as_bytes());
                }
            }
            _ => {}
        }
    }
    if let Some(text) = pdu.enterprise.and_then(ber::identifier) {
        out.text(side, None, &OBJECT_ID, text.as_bytes());
    }
}

fn field(name: &[u8]) -> Option<&'static Field> {
    let within = |group: &[u8], last: u8| name.strip_prefix(group)?.strip_suffix(&[last]);
    if let Some([number]) = within(SYSTEM, 0) {
        return match number {
            1 => Some(&DESCRIPTION),
            2 => Some(&OBJECT_ID),
            4 => Some(&CONTACT),
            5 => Some(&NAME),
            6 => Some(&LOCATION),
            _ => None,
        };
    }
    match within(ENTITY, 1)? {
        [8] => Some(&HARDWARE),
        [9] => Some(&FIRMWARE),
        [10] => Some(&SOFTWARE),
        [11] => Some(&SERIAL),
        [12] => Some(&MAKER),
        [13] => Some(&MODEL),
        _ => None,
    }
}

/// What a request sets: each object by its number. Texts may be passwords: only those of the system group are told.
pub(super) fn commands(pdu: &Pdu<'_>) -> Vec<Command> {
    let command = |Binding { name, tag, value }: Binding<'_>| {
        let is_name = field(name).is_some();
        let category = if is_name { Category::Config } else { Category::Write };
        let value = match tag {
            ber::INTEGER | UNSIGNED..=TIME_TICKS => ber::number(value).map(|number| number.to_compact_string()),
            ber::IDENTIFIER => ber::identifier(value),
            ber::OCTETS if is_name => match Value::text(value) {
                Value::Text(text) => Some(text),
                Value::Integer(_) => None,
            },
            _ => None,
        };
        Command::in_words(category, ber::identifier(name).unwrap_or(CompactString::const_new("?")), value)
    };
    pdu.bindings().take(MOST_SET).map(command).collect()
}

/// What a report counts, by its number among the statistics of users (RFC 3414, 5).
pub(super) fn report(pdu: &Pdu<'_>) -> Option<u8> {
    let first = pdu.bindings().next()?;
    match first.name.strip_prefix(STATISTICS)? {
        [number, 0] => Some(*number),
        _ => None,
    }
}

/// 1.3.6.1.2.1.1: system.
const SYSTEM: &[u8] = &[0x2b, 6, 1, 2, 1, 1];
/// 1.3.6.1.2.1.47.1.1.1.1: entPhysicalEntry.
const ENTITY: &[u8] = &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1];
/// 1.3.6.1.6.3.15.1.1: usmStats.
const STATISTICS: &[u8] = &[0x2b, 6, 1, 6, 3, 15, 1, 1];
pub(super) const UNKNOWN_USER: u8 = 3;
pub(super) const WRONG_DIGEST: u8 = 5;
/// RFC 3416, 3.
pub(super) const AUTHORIZATION_ERROR: i64 = 16;
const UNSIGNED: u8 = 0x41;
/// As many objects of one request are told.
const MOST_SET: usize = 16;
