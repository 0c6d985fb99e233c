//! What a device says of its own network ports: the properties of its Network Port objects (ASHRAE 135-2020, clause
//! 12.56). A device has several; each value bears the number of its port.

use super::device::Speaker;
use super::names;
use super::property::Held;
use super::tag;
use super::value::{Value, hex};
use crate::dissector::Field;
use crate::out::Out;
use compact_str::{CompactString, ToCompactString, format_compact};
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) fn tell(speaker: Speaker<'_>, held: &Held<'_>, out: &mut Out<'_>) {
    let number = held.property.number;
    let Some((_, field, meaning)) = PROPERTIES.iter().find(|(code, ..)| *code == number) else { return };
    let Ok(Some(value)) = tag::first(held.content.clone()) else { return };
    if held.property.index.is_none()
        && let Some(words) = meaning.words(value).filter(|words| !words.is_empty())
    {
        let port = held.object.instance();
        let words = format_compact!("port {port}: {words}");
        out.numbered(speaker.whom, speaker.station, (field, port), &words);
    }
}

/// What a property's value means.
enum Meaning {
    Plain,
    /// A number that this enumeration names.
    Name(&'static str),
    /// An address of IPv4 or IPv6, by its length.
    Ip,
    /// Bytes as they are.
    Octets,
}

impl Meaning {
    fn words(&self, value: Value<'_>) -> Option<CompactString> {
        match (self, value) {
            (Self::Plain, Value::Text(_) | Value::Unsigned(_) | Value::Boolean(_)) => value.line(),
            (Self::Name(enumeration), Value::Enumerated(number)) => Some(names::enumerated(enumeration, number)),
            (Self::Ip, Value::Octets(bytes)) => ip(bytes),
            (Self::Octets, Value::Octets(bytes)) => (bytes.len() <= LONGEST_MAC).then(|| hex(bytes)),
            _ => None,
        }
    }
}

/// Nothing where it is not set: zeros.
fn ip(bytes: &[u8]) -> Option<CompactString> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        let ip = Ipv4Addr::from(bytes);
        return (!ip.is_unspecified()).then(|| ip.to_compact_string());
    }
    let ip = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    (!ip.is_unspecified()).then(|| ip.to_compact_string())
}

pub(super) static NETWORK_TYPE: Field =
    Field::new("bacnet.port_network_type", "what each port is connected to (12.56, Network_Type)");
pub(super) static NETWORK_NUMBER: Field =
    Field::new("bacnet.port_network_number", "the number of each port's network (12.56, Network_Number)");
pub(super) static MAC_ADDRESS: Field = Field::new(
    "bacnet.port_mac_address",
    "the station's address on each port's network: of IPv4 the address and the port (12.56, MAC_Address)",
);
pub(super) static IP_ADDRESS: Field =
    Field::new("bacnet.port_ip_address", "the IP address of each port (12.56, IP_Address and IPv6_Address)");
pub(super) static IP_SUBNET_MASK: Field =
    Field::new("bacnet.port_ip_subnet_mask", "the subnet mask of each port (12.56, IP_Subnet_Mask)");
pub(super) static IP_GATEWAY: Field =
    Field::new("bacnet.port_ip_gateway", "the default gateway of each port (12.56, IP_Default_Gateway)");
pub(super) static IP_DNS_SERVER: Field =
    Field::new("bacnet.port_ip_dns_server", "the first name server of each port (12.56, IP_DNS_Server)");
pub(super) static IP_DHCP: Field =
    Field::new("bacnet.port_ip_dhcp", "whether each port gets its address by DHCP (12.56, IP_DHCP_Enable)");
pub(super) static UDP_PORT: Field =
    Field::new("bacnet.port_udp_port", "the UDP port of each port (12.56, BACnet_IP_UDP_Port)");
pub(super) static IP_MODE: Field = Field::new(
    "bacnet.port_ip_mode",
    "whether each port is normal, a foreign device or a BBMD (12.56, BACnet_IP_Mode)",
);
pub(super) static ACCEPTS_FOREIGN: Field = Field::new(
    "bacnet.port_accepts_foreign_devices",
    "whether foreign devices may register at each port (12.56, BBMD_Accept_FD_Registrations)",
);
pub(super) static HUB: Field =
    Field::new("bacnet.port_secure_hub", "the hub of BACnet/SC that each port connects to (12.56, SC_Primary_Hub_URI)");

/// By their numbers (clause 21, `BACnetPropertyIdentifier`).
static PROPERTIES: [(u32, &Field, Meaning); 14] = [
    (400, &IP_ADDRESS, Meaning::Ip),
    (401, &IP_GATEWAY, Meaning::Ip),
    (402, &IP_DHCP, Meaning::Plain),
    (406, &IP_DNS_SERVER, Meaning::Ip),
    (408, &IP_MODE, Meaning::Name("ip-mode")),
    (411, &IP_SUBNET_MASK, Meaning::Ip),
    (412, &UDP_PORT, Meaning::Plain),
    (413, &ACCEPTS_FOREIGN, Meaning::Plain),
    (423, &MAC_ADDRESS, Meaning::Octets),
    (425, &NETWORK_NUMBER, Meaning::Plain),
    (427, &NETWORK_TYPE, Meaning::Name("network-type")),
    (435, &IP_MODE, Meaning::Name("ip-mode")),
    (436, &IP_ADDRESS, Meaning::Ip),
    (4_194_325, &HUB, Meaning::Plain),
];

/// The longest address that a station has, in bytes (6.2.2).
const LONGEST_MAC: usize = 18;
