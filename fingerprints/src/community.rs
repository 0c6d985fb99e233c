//! Community ID 1: the flow hash that Zeek, Suricata and Arkime share (seed 0).
//!
//! Base64 of SHA-1 over seed, addresses, protocol, a zero byte and ports, the smaller end first; the direction of a
//! packet leaves no trace. Flows without IP have none. ICMP's types are not told here, so it has none either.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dissectors::observation::{Address, FlowId, Transport};
use sha1::{Digest, Sha1};
use std::net::IpAddr;

/// The Community ID of a flow, `1:...`.
pub(crate) fn id(flow: &FlowId) -> Option<String> {
    let protocol = protocol_number(flow.transport)?;
    let source = (octets(flow.source)?, flow.source_port);
    let destination = (octets(flow.destination)?, flow.destination_port);
    let (first, second) = if source <= destination { (source, destination) } else { (destination, source) };
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    hash.update(&first.0);
    hash.update(&second.0);
    hash.update([protocol, 0]);
    if has_ports(protocol) {
        hash.update(first.1.to_be_bytes());
        hash.update(second.1.to_be_bytes());
    }
    Some(format!("1:{}", STANDARD.encode(hash.finalize())))
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

fn protocol_number(transport: Transport) -> Option<u8> {
    match transport {
        Transport::Tcp => Some(TCP),
        Transport::Udp => Some(UDP),
        Transport::Other(ICMP | ICMPV6) | Transport::Ethernet => None,
        Transport::Other(number) => Some(number),
    }
}

fn has_ports(protocol: u8) -> bool {
    protocol == TCP || protocol == UDP
}

fn octets(address: Address) -> Option<Vec<u8>> {
    match address {
        Address::Ip(IpAddr::V4(ip)) => Some(ip.octets().to_vec()),
        Address::Ip(IpAddr::V6(ip)) => Some(ip.octets().to_vec()),
        Address::Mac(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(transport: Transport, source: (&str, u16), destination: (&str, u16)) -> FlowId {
        let ip = |text: &str| Address::Ip(text.parse().expect("an address"));
        FlowId {
            transport,
            source: ip(source.0),
            source_port: source.1,
            destination: ip(destination.0),
            destination_port: destination.1,
        }
    }

    /// Vectors of the specification (corelight/community-id-spec, baseline) and of Zeek's own test.
    #[test]
    fn the_specification_s_vectors_hold_in_both_directions() {
        let vectors = [
            (Transport::Tcp, ("128.232.110.120", 34855), ("66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (Transport::Udp, ("192.168.1.52", 54585), ("8.8.8.8", 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (Transport::Tcp, ("1.2.3.4", 1122), ("5.6.7.8", 3344), "1:wCb3OG7yAFWelaUydu0D+125CLM="),
            (Transport::Udp, ("1.2.3.4", 1122), ("5.6.7.8", 3344), "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="),
            (
                Transport::Tcp,
                ("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943),
                ("2607:f8b0:400c:c03::1a", 25),
                "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
            ),
            (Transport::Other(46), ("10.1.24.4", 0), ("10.1.12.1", 0), "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4="),
        ];
        for (transport, a, b, expected) in vectors {
            assert_eq!(id(&flow(transport, a, b)).as_deref(), Some(expected));
            assert_eq!(id(&flow(transport, b, a)).as_deref(), Some(expected), "the direction leaves no trace");
        }
    }

    #[test]
    fn what_has_no_ip_or_no_known_ports_has_none() {
        let mut icmp = flow(Transport::Other(ICMP), ("10.0.0.1", 0), ("10.0.0.2", 0));
        assert_eq!(id(&icmp), None);
        icmp.transport = Transport::Ethernet;
        assert_eq!(id(&icmp), None);
    }
}
