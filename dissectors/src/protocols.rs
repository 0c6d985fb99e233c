//! The table of protocols: a plain list, because a list can be read.

use crate::dissector::{Field, Protocol};

mod arp;
mod bacnet;
mod dhcp;
mod dnp3;
mod dtls;
mod ftp;
mod http;
mod imap;
mod ldap;
mod lldp;
mod modbus;
mod mqtt;
mod onvif;
mod pop3;
mod rlogin;
mod rtcp;
mod rtp;
mod rtsp;
mod smtp;
mod snmp;
mod ssh;
mod telnet;
mod tftp;
mod tls;
mod vnc;
mod ws_discovery;

/// Every protocol, in the order in which they are asked when no port hints at one: the strictest structure first.
pub static ALL: &[&Protocol] = &[
    &arp::ARP,
    &lldp::LLDP,
    &dhcp::DHCP,
    &bacnet::BACNET,
    &dnp3::DNP3,
    &modbus::MODBUS,
    &tls::TLS,
    &dtls::DTLS,
    &ssh::SSH,
    &vnc::VNC,
    &mqtt::MQTT,
    &snmp::SNMP,
    &ldap::LDAP,
    &rlogin::RLOGIN,
    &rtsp::RTSP,
    &http::HTTP,
    &ws_discovery::WS_DISCOVERY,
    &telnet::TELNET,
    &smtp::SMTP,
    &imap::IMAP,
    &ftp::FTP,
    &pop3::POP3,
    &tftp::TFTP,
    &rtcp::RTCP,
    &rtp::RTP,
];

/// What messages of a protocol carry and what is told as a protocol of its own: the carrier's name, then theirs.
pub static CARRIED: &[(&str, &str)] =
    &[("modbus", modbus::UMAS), ("modbus", modbus::UMAS_SIGNED), ("http", onvif::ONVIF)];

/// The protocol of this name.
pub fn named(name: &str) -> Option<&'static Protocol> {
    ALL.iter().copied().find(|protocol| protocol.name == name)
}

/// Whether a row may bear this name: a protocol's, or that of one that is carried.
pub fn is_told(name: &str) -> bool {
    named(name).is_some() || CARRIED.iter().any(|(_, carried)| *carried == name)
}

/// Every field that any protocol fills, in the table's order.
pub fn fields() -> impl Iterator<Item = &'static Field> {
    ALL.iter().flat_map(|protocol| protocol.fields.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What a conversation is not is remembered in one bit for each; one is left over.
    #[test]
    fn there_are_fewer_protocols_than_bits() {
        assert!(ALL.len() <= 63);
    }

    #[test]
    fn names_are_unique_and_fields_bear_their_protocols_name() {
        let mut names = BTreeSet::new();
        for protocol in ALL {
            assert!(names.insert(protocol.name), "{} stands twice", protocol.name);
            for field in protocol.fields {
                assert!(names.insert(field.name), "{} stands twice", field.name);
                let carried = CARRIED.iter().filter(|(carrier, _)| *carrier == protocol.name).map(|(_, name)| *name);
                let mut bearers = carried.chain([protocol.name]);
                assert!(bearers.any(|bearer| field.name.starts_with(&format!("{bearer}."))), "{}", field.name);
                assert!(!field.doc.is_empty(), "{} has no doc", field.name);
            }
        }
    }
}
