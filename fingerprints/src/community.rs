//! Community ID 1: the flow hash that Zeek, Suricata, Arkime and Wireshark share (seed 0).
//!
//! Base64 of SHA-1 over seed, addresses, protocol, a zero byte and ports, the smaller end first; the direction of a
//! packet leaves no trace. Type and code of ICMP stand for ports, the type of the answer for the code; what has no answer
//! keeps its direction. Flows without IP have none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dissectors::observation::{Address, FlowId, Transport};
use sha1::{Digest, Sha1};
use std::net::IpAddr;

/// The Community ID of a flow, `1:...`.
pub fn id(flow: &FlowId) -> Option<String> {
    let protocol = protocol_number(flow.transport)?;
    let ports = ports(protocol, (flow.source_port, flow.destination_port))?;
    let (source, destination) = (octets(flow.source)?, octets(flow.destination)?);
    let ends = match ports {
        Ports::None if source <= destination => [(source, None), (destination, None)],
        Ports::None => [(destination, None), (source, None)],
        Ports::OneWay(a, b) => [(source, Some(a)), (destination, Some(b))],
        Ports::Both(a, b) if (&source, a) <= (&destination, b) => [(source, Some(a)), (destination, Some(b))],
        Ports::Both(a, b) => [(destination, Some(b)), (source, Some(a))],
    };
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    for (address, _) in &ends {
        hash.update(address);
    }
    hash.update([protocol, 0]);
    for port in ends.iter().filter_map(|(_, port)| *port) {
        hash.update(port.to_be_bytes());
    }
    Some(format!("1:{}", STANDARD.encode(hash.finalize())))
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

fn protocol_number(transport: Transport) -> Option<u8> {
    match transport {
        Transport::Tcp => Some(TCP),
        Transport::Udp => Some(UDP),
        Transport::Other(number) => Some(number),
        Transport::Ethernet => None,
    }
}

/// What tells the flows of two addresses apart.
enum Ports {
    /// Nothing.
    None,
    /// These two, either of which may stand first.
    Both(u16, u16),
    /// These two, in the direction of the packet.
    OneWay(u16, u16),
}

/// What stands for ports; `None` when they should be known and are not.
fn ports(protocol: u8, (source, destination): (u16, u16)) -> Option<Ports> {
    let answers = match protocol {
        // Port 0 is reserved: ports that were not looked at.
        SCTP if source == 0 || destination == 0 => return None,
        TCP | UDP | SCTP => return Some(Ports::Both(source, destination)),
        ICMP => ICMP_ANSWERS.as_slice(),
        ICMPV6 => ICMPV6_ANSWERS.as_slice(),
        _ => return Some(Ports::None),
    };
    if source == FlowId::UNTOLD {
        return None;
    }
    let pair = answers.iter().find(|(asks, answers)| source == *asks || source == *answers);
    Some(match pair {
        Some((asks, answers)) => Ports::Both(source, if source == *asks { *answers } else { *asks }),
        None => Ports::OneWay(source, destination),
    })
}

/// Echo, router, time stamp, information, address mask (RFC 792, 950, 1256).
const ICMP_ANSWERS: [(u16, u16); 5] = [(8, 0), (10, 9), (13, 14), (15, 16), (17, 18)];
/// Echo, listener, router, neighbour, "who are you", home agent (RFC 4443, 2710, 4861, 4620, 6275).
const ICMPV6_ANSWERS: [(u16, u16); 6] = [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];

fn octets(address: Address) -> Option<Vec<u8>> {
    match address {
        Address::Ip(IpAddr::V4(ip)) => Some(ip.octets().to_vec()),
        Address::Ip(IpAddr::V6(ip)) => Some(ip.octets().to_vec()),
        Address::Mac(_) | Address::Node(..) => None,
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

    /// The specification's baseline (corelight/community-id-spec, `baseline_deflt.json`), and two vectors of Zeek's test.
    /// Type and code of ICMP stand where the specification puts them.
    #[test]
    fn the_specification_s_vectors_hold() {
        const V6: [&str; 2] = ["2001:470:e5bf:dead:4957:2174:e82c:4887", "2607:f8b0:400c:c03::1a"];
        const LINK: [&str; 2] = ["fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea"];
        const HOST: &str = "3ffe:507:0:1:200:86ff:fe05:80da";
        const PEER: &str = "3ffe:501:0:1001::2";
        const NONE: [u16; 2] = [0, 0];
        let vectors = [
            (ICMPV6, LINK, [135, 136], "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
            (ICMPV6, [LINK[1], LINK[0]], [136, 135], "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
            (ICMPV6, [LINK[1], LINK[0]], [135, 136], "1:zavyT/cezQr1fmImYCwYnMXbgck="),
            (ICMPV6, LINK, [136, 135], "1:zavyT/cezQr1fmImYCwYnMXbgck="),
            (ICMPV6, ["3ffe:501:1800:2345::2", HOST], [3, 0], "1:2ObVBgIn28oZvibYZhZMBgh7WdQ="),
            (ICMPV6, ["3ffe:501:410:0:2c0:dfff:fe47:33e", HOST], [1, 4], "1:hLZd0XGWojozrvxqE0dWB1iM6R0="),
            (ICMPV6, [HOST, PEER], [128, 129], "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="),
            (ICMPV6, [PEER, HOST], [129, 128], "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="),
            (ICMPV6, [LINK[0], "ff02::2"], [133, 134], "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="),
            (ICMPV6, [LINK[1], "ff02::1"], [134, 133], "1:pkvHqCL88/tg1k4cPigmZXUtL00="),
            (ICMP, ["192.168.0.89", "192.168.0.1"], [8, 0], "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            (ICMP, ["192.168.0.1", "192.168.0.89"], [0, 8], "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            (ICMP, ["10.0.0.1", "10.0.0.2"], [11, 0], "1:YHxtAirCG//0OzkcVAukqKQN9xM="),
            (TCP, V6, [63943, 25], "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="),
            (TCP, [V6[1], V6[0]], [25, 63943], "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="),
            (SCTP, ["192.168.170.8", "192.168.170.56"], [7, 7], "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
            (SCTP, ["192.168.170.56", "192.168.170.8"], [7, 7], "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
            (TCP, ["128.232.110.120", "66.35.250.204"], [34855, 80], "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (TCP, ["66.35.250.204", "128.232.110.120"], [80, 34855], "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (UDP, ["192.168.1.52", "8.8.8.8"], [54585, 53], "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (UDP, ["8.8.8.8", "192.168.1.52"], [53, 54585], "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (46, ["10.1.12.1", "10.1.12.2"], NONE, "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="),
            (46, ["10.1.12.2", "10.1.12.1"], NONE, "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="),
            (TCP, ["1.2.3.4", "5.6.7.8"], [1122, 3344], "1:wCb3OG7yAFWelaUydu0D+125CLM="),
            (UDP, ["1.2.3.4", "5.6.7.8"], [1122, 3344], "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="),
        ];
        for (protocol, [source, destination], [source_port, destination_port], expected) in vectors {
            let transport = match protocol {
                TCP => Transport::Tcp,
                UDP => Transport::Udp,
                other => Transport::Other(other),
            };
            let flow = flow(transport, (source, source_port), (destination, destination_port));
            assert_eq!(id(&flow).as_deref(), Some(expected), "{flow:?}");
        }
    }

    /// What a message without an answer is told by must not be found in the other direction.
    #[test]
    fn what_has_no_answer_keeps_its_direction() {
        let there = flow(Transport::Other(ICMP), ("10.0.0.1", 3), ("10.0.0.2", 1));
        let back = flow(Transport::Other(ICMP), ("10.0.0.2", 3), ("10.0.0.1", 1));
        assert_ne!(id(&there), id(&back));
        // The code of an echo is none of its flow.
        let there = flow(Transport::Other(ICMP), ("10.0.0.1", 8), ("10.0.0.2", 0));
        let back = flow(Transport::Other(ICMP), ("10.0.0.2", 0), ("10.0.0.1", 0));
        assert_eq!(id(&there), id(&back));
    }

    #[test]
    fn what_is_not_known_has_none() {
        let mut unknown = flow(Transport::Other(ICMP), ("10.0.0.1", FlowId::UNTOLD), ("10.0.0.2", FlowId::UNTOLD));
        assert_eq!(id(&unknown), None);
        unknown.transport = Transport::Ethernet;
        assert_eq!(id(&unknown), None);
        assert_eq!(id(&flow(Transport::Other(SCTP), ("10.0.0.1", 0), ("10.0.0.2", 0))), None);
    }
}
