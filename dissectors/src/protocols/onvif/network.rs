//! How a device is reached, by its own word (ONVIF Core, 8.2).

use super::identity::{all, first, is};
use super::{ADDRESS, MAC, PROTOCOLS};
use crate::dissector::Side;
use crate::observation::{Address, Binding, Host};
use crate::out::Out;
use crate::soap::scope::{mac, number_of};
use crate::xml::Element;
use std::net::IpAddr;

/// `GetNetworkInterfaces`: each interface's MAC and addresses. Where the address that it answers from is among them, the two
/// belong together; behind a translation of addresses it is not.
pub(super) fn interfaces(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    let asked = out.host(side);
    for interface in answer.children().filter(|child| is(*child, "NetworkInterfaces")).take(MOST_INTERFACES) {
        let mac = first(interface, "HwAddress").and_then(|text| mac(&text));
        if let Some(mac) = mac {
            let text = mac.to_string();
            out.numbered(side, None, (&MAC, number_of(text.as_bytes())), &text);
        }
        let mut addresses: Vec<IpAddr> = all(interface, "Address").filter_map(|text| ip(&text)).collect();
        addresses.truncate(MOST_ADDRESSES);
        for address in &addresses {
            let text = address.to_string();
            out.numbered(side, None, (&ADDRESS, number_of(text.as_bytes())), &text);
        }
        let answers_there = addresses.iter().any(|address| Address::Ip(*address) == asked.address);
        if let Some(mac) = mac.filter(|_| answers_there) {
            for address in addresses {
                out.binding(Host { address: Address::Ip(address), ..asked }, mac, Binding::Told);
            }
        }
    }
}

/// `GetNetworkProtocols`: what it serves, where, and what is switched off.
pub(super) fn protocols(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    let mut told = Vec::new();
    for protocol in answer.children().filter(|child| is(*child, "NetworkProtocols")).take(MOST_INTERFACES) {
        let Some(name) = first(protocol, "Name") else { continue };
        if !told.is_empty() {
            told.extend(b", ");
        }
        told.extend(&*name);
        for port in all(protocol, "Port").take(MOST_ADDRESSES) {
            told.extend([b" ", &*port].concat());
        }
        if first(protocol, "Enabled").is_some_and(|enabled| matches!(&*enabled, b"false" | b"0")) {
            told.extend(b" off");
        }
    }
    out.text(side, None, &PROTOCOLS, &told);
}

fn ip(text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Address::Ip(address).is_host().then_some(address).filter(|address| !address.is_loopback())
}

const MOST_INTERFACES: usize = 16;
const MOST_ADDRESSES: usize = 8;
