//! WS-Discovery tells which devices there are before anybody asks them anything: references that never change, types,
//! names, places, addresses.
//!
//! WS-Discovery of April 2005 and OASIS 1.1, SOAP over UDP, as ONVIF cameras and Windows use it. Read: the six messages of
//! both versions. Skipped on purpose: signatures, and what a proxy says of others, since it says nothing of itself.

use crate::dissector::{Carrier, Direction, Dissector, Field, Next, Protocol, Side, Verdict};
use crate::observation::{Address, Operation, Transport};
use crate::out::{Count, Mark, Out};
use crate::reader::{Reader, Stop};
use crate::soap::{self, ADDRESSING, DISCOVERY, Envelope, scope};
use crate::xml::{Document, Element};
use std::borrow::Cow;
use std::net::IpAddr;

pub(crate) static WS_DISCOVERY: Protocol = Protocol {
    name: "ws_discovery",
    spec: "WS-Discovery 2005/04, 1.1",
    carriers: &[Carrier::Udp(&[3702])],
    fields: &[&ENDPOINT, &TYPES, &SCOPE, &NAME, &HARDWARE, &LOCATION, &SERIAL, &MAC, &ADDRESSES],
    probe,
    max_message: 64 * 1024,
    relates: true,
    open: || Box::new(WsDiscovery),
};

static ENDPOINT: Field =
    Field::new("ws_discovery.endpoint", "EndpointReference: the device's address that never changes, in small letters");
static TYPES: Field =
    Field::new("ws_discovery.types", "Types: what it is, without prefixes: `NetworkVideoTransmitter Device`");
static SCOPE: Field = Field::new("ws_discovery.scope", "Scopes: each of ONVIF's as it stands (ONVIF Core, 7.3.3)");
static NAME: Field = Field::new("ws_discovery.name", "Scopes: the device's name, decoded");
static HARDWARE: Field = Field::new("ws_discovery.hardware", "Scopes: its hardware, decoded");
static LOCATION: Field = Field::new("ws_discovery.location", "Scopes: where it stands, decoded");
static SERIAL: Field = Field::new("ws_discovery.serial", "Scopes: its serial number, decoded");
static MAC: Field = Field::new("ws_discovery.mac", "Scopes: its MAC address");
static ADDRESSES: Field = Field::new("ws_discovery.addresses", "XAddrs: where its services are");

static SCOPES: scope::Fields =
    scope::Fields { scope: &SCOPE, name: &NAME, hardware: &HARDWARE, location: &LOCATION, serial: &SERIAL, mac: &MAC };

struct WsDiscovery;

impl Dissector for WsDiscovery {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let bytes = reader.take(reader.remaining())?;
        let document = Document::read(bytes, soap::space);
        let content = Envelope::of(&document).map(|envelope| envelope.content);
        let Some(content) = content.filter(|content| content.space() == DISCOVERY) else {
            return Err(reader.malformed("no message of WS-Discovery"));
        };
        let known = MESSAGES.iter().find(|(name, _)| name.as_bytes() == content.name());
        let Some((name, direction)) = known else {
            return Err(reader.malformed("an unknown message of WS-Discovery"));
        };
        match *name {
            "Probe" | "Resolve" => out.server(side.other()),
            "ProbeMatches" | "ResolveMatches" => out.server(side),
            _ => {}
        }
        let (operation, mark) = (Operation::Verb(name), Mark::Plain);
        out.count(Count::of(side, *direction, operation, mark));
        match *name {
            "Hello" | "Bye" => target(side, content, out),
            "ProbeMatches" | "ResolveMatches" => {
                for found in content.children().filter(|child| child.space() == DISCOVERY).take(MOST_MATCHES) {
                    target(side, found, out);
                }
            }
            _ => {}
        }
        Ok(Next::More)
    }
}

/// What a message says of one device, if that is who sends it.
fn target(side: Side, found: Element<'_, '_>, out: &mut Out<'_>) {
    let text = |name| found.child(DISCOVERY, name).and_then(Element::text);
    let addresses = text("XAddrs").unwrap_or_default();
    if !is_own(&addresses, out.host(side).address) {
        return;
    }
    let reference = found.child(ADDRESSING, "EndpointReference");
    let reference = reference.and_then(|reference| reference.child(ADDRESSING, "Address")).and_then(Element::text);
    if let Some(reference) = reference {
        out.text(side, None, &ENDPOINT, &scope::endpoint(&reference));
    }
    let types = text("Types").unwrap_or_default();
    let types: Vec<&[u8]> = words(&types).filter_map(|name| name.rsplit(|byte| *byte == b':').next()).collect();
    out.text(side, None, &TYPES, &types.join(&b' '));
    let scopes = text("Scopes").unwrap_or_default();
    scope::tell(side, &SCOPES, words(&scopes).map(Cow::Borrowed), out);
    let plain: Vec<&[u8]> = words(&addresses).filter(|address| !address.contains(&b'@')).collect();
    out.text(side, None, &ADDRESSES, &plain.join(&b' '));
}

/// Whether the services are at the sender, or nothing says where they are: a proxy, or a recorder with cameras of its own,
/// tells of others. A device that tells its addresses of the other kind alone (IPv4, IPv6) tells of itself.
fn is_own(addresses: &[u8], sender: Address) -> bool {
    let Address::Ip(sender) = sender else { return true };
    let mut alike = words(addresses).filter_map(host).filter(|ip| ip.is_ipv4() == sender.is_ipv4()).peekable();
    alike.peek().is_none() || alike.any(|ip| ip == sender)
}

/// The address in `http://10.0.0.5:80/onvif/device_service` or `http://[fe80::1]/`.
fn host(address: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(address).ok()?;
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split('/').next()?;
    match authority.strip_prefix('[') {
        Some(six) => six.split([']', '%']).next()?.parse().ok(),
        None => authority.split(':').next()?.parse().ok(),
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// XML that names both the envelope and WS-Discovery by their whole namespaces: some hundred bits that could be otherwise.
fn probe(front: &[u8], transport: Transport) -> Verdict {
    let front = front.strip_prefix(b"\xef\xbb\xbf").unwrap_or(front).trim_ascii_start();
    if transport != Transport::Udp || !front.starts_with(b"<") {
        return Verdict::NotMine;
    }
    let names = |spaces: &[&str]| spaces.iter().any(|space| memchr::memmem::find(front, space.as_bytes()).is_some());
    let is_mine =
        names(&["/ws/2005/04/discovery", "/ws-dd/ns/discovery/"]) && names(&["/soap-envelope", "/soap/envelope/"]);
    if is_mine { Verdict::Bits(64) } else { Verdict::NotMine }
}

static MESSAGES: &[(&str, Direction)] = &[
    ("Hello", Direction::Request),
    ("Bye", Direction::Request),
    ("Probe", Direction::Request),
    ("ProbeMatches", Direction::Response),
    ("Resolve", Direction::Request),
    ("ResolveMatches", Direction::Response),
];
const MOST_MATCHES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn message(content: &str, version: &str) -> String {
        format!(
            "<?xml version='1.0'?><s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
             xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing' xmlns:d='{version}'><s:Header><a:Action>whatever</a:Action>\
             </s:Header><s:Body>{content}</s:Body></s:Envelope>"
        )
    }

    const V2005: &str = "http://schemas.xmlsoap.org/ws/2005/04/discovery";
    const V2009: &str = "http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01";

    fn device(address: &str) -> String {
        format!(
            "<a:EndpointReference><a:Address>urn:uuid:AB-1</a:Address></a:EndpointReference><d:Types>\ndn:NetworkVideoTransmitter \
             tds:Device</d:Types><d:Scopes>onvif://www.onvif.org/name/Front%20door onvif://www.onvif.org/hardware/DS-1\
             onvif://www.onvif.org/serialNumber/77 ldap:///x</d:Scopes><d:XAddrs>{address}</d:XAddrs><d:MetadataVersion>1\
             </d:MetadataVersion>"
        )
    }

    fn told(side: Side, text: &str) -> Vec<String> {
        let mut rig = Rig::udp(&WS_DISCOVERY).with_ports(40_000, 3702);
        assert_eq!(rig.probe(text.as_bytes()), Verdict::Bits(64));
        rig.datagram(side, text.as_bytes());
        rig.story()
    }

    #[test]
    fn devices_say_what_they_are() {
        let found =
            format!("<d:ProbeMatches><d:ProbeMatch>{}</d:ProbeMatch></d:ProbeMatches>", device("http://10.0.0.2/x"));
        for version in [V2005, V2009] {
            let lines = told(Side::B, &message(&found, version));
            for line in [
                "B serves",
                "B response ProbeMatches",
                "10.0.0.2 ws_discovery.endpoint = ab-1",
                "10.0.0.2 ws_discovery.types = NetworkVideoTransmitter Device",
                "10.0.0.2 ws_discovery.name = Front door",
                "10.0.0.2 ws_discovery.addresses = http://10.0.0.2/x",
            ] {
                assert!(lines.contains(&line.to_owned()), "{line}: {lines:?}");
            }
        }
        let hello = format!("<d:Hello>{}</d:Hello>", device(""));
        assert!(told(Side::A, &message(&hello, V2005)).contains(&"10.0.0.1 ws_discovery.endpoint = ab-1".to_owned()));
    }

    #[test]
    fn what_is_said_of_others_is_counted_alone() {
        for (addresses, is_own) in [
            ("http://10.0.0.9/x", false),
            ("http://10.0.0.9/x http://10.0.0.2:8080/x", true),
            ("http://[fe80::1]/x", true),
            ("http://camera.local/x", true),
        ] {
            let hello = format!("<d:Hello>{}</d:Hello>", device(addresses));
            let lines = told(Side::B, &message(&hello, V2005));
            assert_eq!(lines.len() > 1, is_own, "{addresses}: {lines:?}");
        }
    }

    #[test]
    fn questions_are_counted() {
        let probe = message("<d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe>", V2005);
        assert_eq!(told(Side::A, &probe), ["B serves", "A request Probe"]);
        let mut rig = Rig::udp(&WS_DISCOVERY);
        assert_eq!(rig.probe(b"<?xml version='1.0'?><Envelope xmlns='urn:x'/>"), Verdict::NotMine);
        assert_eq!(rig.probe(b"M-SEARCH * HTTP/1.1\r\n"), Verdict::NotMine);
        rig.datagram(Side::A, message("<d:Dance/>", V2005).as_bytes());
        assert!(rig.story().concat().contains("an unknown message of WS-Discovery"));
    }
}
