//! LLDP tells what switches, controllers and phones call themselves, to whoever is plugged in beside them.
//!
//! IEEE 802.1AB-2016, clause 8: the mandatory and basic TLVs; ANSI/TIA-1057 (LLDP-MED), 10.2.6: the inventory. The one who
//! tells is the MAC that sends: an address for management that it names is told with that MAC where the chassis bears the
//! same. Skipped on purpose: VLANs, power, links and places.

use crate::dissector::{Carrier, Direction, Dissector, Field, Next, Protocol, Side, Verdict};
use crate::observation::{Address, Binding, Host, Mac, Operation, Transport};
use crate::out::{Count, Mark, Out};
use crate::reader::{Reader, Stop};
use std::net::IpAddr;

pub(crate) static LLDP: Protocol = Protocol {
    name: "lldp",
    spec: "IEEE 802.1AB-2016",
    carriers: &[Carrier::EtherType(0x88cc)],
    fields: &[
        &SYSTEM_NAME,
        &SYSTEM_DESCRIPTION,
        &PORT_DESCRIPTION,
        &MANAGEMENT_ADDRESS,
        &MANUFACTURER,
        &MODEL,
        &SERIAL,
        &HARDWARE,
        &FIRMWARE,
        &SOFTWARE,
    ],
    probe,
    max_message: 9_000,
    relates: false,
    open: || Box::new(Lldp),
};

static SYSTEM_NAME: Field = Field::new("lldp.system_name", "name that an administrator gave it (8.5.6)");
static SYSTEM_DESCRIPTION: Field =
    Field::new("lldp.system_description", "hardware, system and software in the maker's words (8.5.7)");
static PORT_DESCRIPTION: Field = Field::new("lldp.port_description", "the port that sends, in its own words (8.5.5)");
static MANAGEMENT_ADDRESS: Field = Field::new("lldp.management_address", "IP address of its management (8.5.9)");
static MANUFACTURER: Field = Field::new("lldp.manufacturer", "inventory: the maker (TIA-1057, 10.2.6.5)");
static MODEL: Field = Field::new("lldp.model", "inventory: the model (TIA-1057, 10.2.6.6)");
static SERIAL: Field = Field::new("lldp.serial", "inventory: the serial number (TIA-1057, 10.2.6.4)");
static HARDWARE: Field =
    Field::new("lldp.hardware_revision", "inventory: revision of the hardware (TIA-1057, 10.2.6.1)");
static FIRMWARE: Field =
    Field::new("lldp.firmware_revision", "inventory: revision of the firmware (TIA-1057, 10.2.6.2)");
static SOFTWARE: Field =
    Field::new("lldp.software_revision", "inventory: revision of the software (TIA-1057, 10.2.6.3)");

/// The inventory of TIA-1057, by its subtypes.
const INVENTORY: [(u8, &Field); 6] =
    [(5, &HARDWARE), (6, &FIRMWARE), (7, &SOFTWARE), (8, &SERIAL), (9, &MANUFACTURER), (10, &MODEL)];
const TIA: [u8; 3] = [0x00, 0x12, 0xbb];

const END: u8 = 0;
const CHASSIS: u8 = 1;
const PORT: u8 = 2;
const TIME_TO_LIVE: u8 = 3;
const OWN: u8 = 127;

struct Lldp;

/// One TLV: its type, and its content (8.4).
fn tlv<'a>(reader: &mut Reader<'a>) -> Result<(u8, Reader<'a>), Stop> {
    let head = reader.u16()?;
    let [high, low] = head.to_be_bytes();
    let length = usize::from(high & 1).saturating_mul(256).saturating_add(low.into());
    Ok((high >> 1, reader.sub(length)?))
}

impl Dissector for Lldp {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let mut told: Vec<(&'static Field, &[u8])> = Vec::new();
        let mut management: Option<IpAddr> = None;
        let (mut chassis, mut seen) = (None, 0_u32);
        // The frame may be padded behind the end, and must have the first three (8.2).
        loop {
            if reader.is_empty() && seen >= 3 {
                break;
            }
            let (kind, mut content) = tlv(reader)?;
            if seen < 3 && kind != [CHASSIS, PORT, TIME_TO_LIVE].get(seen as usize).copied().unwrap_or(END) {
                return Err(reader.malformed("it does not begin with chassis, port and time to live"));
            }
            seen = seen.saturating_add(1);
            match kind {
                END => break,
                CHASSIS => chassis = mac_of(&mut content)?,
                4 => told.push((&PORT_DESCRIPTION, content.rest())),
                5 => told.push((&SYSTEM_NAME, content.rest())),
                6 => told.push((&SYSTEM_DESCRIPTION, content.rest())),
                8 => management = management.or(address_of(&mut content)?),
                OWN => told.extend(inventory(&mut content)?),
                _ => {}
            }
        }
        reader.skip(reader.remaining())?;
        out.count(Count::of(side, Direction::Request, Operation::Verb("advertise"), Mark::Plain));
        for (field, text) in told {
            out.text(side, None, field, text);
        }
        if let Some(ip) = management {
            out.text(side, None, &MANAGEMENT_ADDRESS, ip.to_string().as_bytes());
            let host = Host { context: out.host(side).context, address: Address::Ip(ip) };
            match (out.host(side).address, chassis) {
                (Address::Mac(sender), Some(chassis)) if sender == chassis && host.address.is_host() => {
                    out.binding(host, sender, Binding::Told);
                }
                _ => {}
            }
        }
        Ok(Next::More)
    }
}

/// A chassis that is named by its MAC (8.5.2, subtype 4).
fn mac_of(content: &mut Reader<'_>) -> Result<Option<Mac>, Stop> {
    Ok(if content.u8()? == 4 { content.array().ok().map(Mac) } else { None })
}

/// An IP address of the management; others are passed over (8.5.9).
fn address_of(content: &mut Reader<'_>) -> Result<Option<IpAddr>, Stop> {
    let length = content.u8()?;
    let mut address = content.sub(length.into())?;
    Ok(match (address.u8()?, length) {
        (1, 5) => Some(IpAddr::from(address.array::<4>()?)),
        (2, 17) => Some(IpAddr::from(address.array::<16>()?)),
        _ => None,
    })
}

fn inventory<'a>(content: &mut Reader<'a>) -> Result<Option<(&'static Field, &'a [u8])>, Stop> {
    let (organisation, subtype) = (content.array::<3>()?, content.u8()?);
    let field = INVENTORY.iter().find(|(known, _)| organisation == TIA && *known == subtype);
    Ok(field.map(|(_, field)| (*field, content.rest())))
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    match (transport, front) {
        (Transport::Ethernet, [2, 2..=u8::MAX, 1..=7, ..]) => Verdict::Bits(32),
        _ => Verdict::NotMine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{Rig, hex};

    /// Chassis by MAC, port by name, time to live, then what is given, and the end.
    fn frame(more: &str) -> Vec<u8> {
        //   type length subtype
        hex(&format!("0207 04 0080f4123456  0403 05 6531  0602 0078 {more} 0000 000000"))
    }

    #[test]
    fn what_a_device_calls_itself_is_told() {
        let more = "0a03 504c43  0c05 4d33343020  fe08 0012bb 0a 4d333430  fe06 0012bb 06 7632
                    100c 05 01 0a000002 02 00000001 00";
        let mut rig = Rig::ethernet(&LLDP);
        rig.datagram(Side::A, &frame(more));
        assert_eq!(
            rig.story(),
            [
                "A request advertise",
                "10.0.0.1 lldp.system_name = PLC",
                "10.0.0.1 lldp.system_description = M340",
                "10.0.0.1 lldp.model = M340",
                "10.0.0.1 lldp.firmware_revision = v2",
                "10.0.0.1 lldp.management_address = 10.0.0.2",
            ]
        );
    }

    #[test]
    fn what_begins_otherwise_or_lies_about_its_length_is_malformed() {
        for wrong in
            ["0403 05 6531 0207 04 0080f4123456", "0207 04 0080f4123456 0403 05 6531 0602 0078 0aff 41", "0207 04"]
        {
            let mut rig = Rig::ethernet(&LLDP);
            rig.datagram(Side::A, &hex(wrong));
            assert!(rig.story().iter().any(|line| line.contains("stops")), "{wrong}");
        }
    }
}
