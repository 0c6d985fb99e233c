//! DHCP tells which host has which MAC and name, what kind of device it says it is, and who gives addresses out.
//!
//! RFC 2131 and 2132, for IPv4 over Ethernet. Read: all messages, by their type; the client's name (options 12 and 81), its
//! class (60) and what it asks for (55); the address that an acknowledged client has. The client is told of by its MAC, for
//! it has no address yet. Skipped on purpose: leases, routes, boot files; DHCP for IPv6.

use crate::dissector::{Carrier, Direction, Dissector, Field, Next, Protocol, Side, Verdict};
use crate::observation::{Address, Binding, Host, Mac, Operation, Transport};
use crate::out::{Count, Mark, Out, Whom};
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, ToCompactString};
use std::net::{IpAddr, Ipv4Addr};

pub(crate) static DHCP: Protocol = Protocol {
    name: "dhcp",
    spec: "RFC 2131",
    carriers: &[Carrier::Udp(&[67, 68])],
    fields: &[&HOST_NAME, &DOMAIN_NAME, &VENDOR_CLASS, &PARAMETERS],
    probe,
    max_message: 0xffff,
    relates: true,
    open: || Box::new(Dhcp),
};

static HOST_NAME: Field = Field::new("dhcp.host_name", "name that the client gives itself (RFC 2132, 3.14)");
static DOMAIN_NAME: Field = Field::new("dhcp.domain_name", "full name that the client wants to be known by (RFC 4702)");
static VENDOR_CLASS: Field = Field::new("dhcp.vendor_class", "kind of client, in its maker's words (RFC 2132, 9.13)");
static PARAMETERS: Field = Field::new(
    "dhcp.parameters",
    "numbers of the options that the client asks for, in its order: systems differ by them (RFC 2132, 9.8)",
);

const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
const ACKNOWLEDGE: u8 = 5;
const INFORM: u8 = 8;

struct Dhcp;

/// What the options say.
#[derive(Default)]
struct Options<'a> {
    kind: Option<u8>,
    host_name: &'a [u8],
    domain_name: &'a [u8],
    vendor_class: &'a [u8],
    parameters: &'a [u8],
}

impl<'a> Options<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let mut options = Self::default();
        while !reader.is_empty() {
            match reader.u8()? {
                0 => {}
                255 => break,
                code => {
                    let length = reader.u8()?;
                    options.take(code, reader.take(length.into())?);
                }
            }
        }
        // What follows the end is padding.
        reader.skip(reader.remaining())?;
        Ok(options)
    }

    fn take(&mut self, code: u8, content: &'a [u8]) {
        match code {
            53 => self.kind = content.first().copied(),
            12 => self.host_name = content,
            60 => self.vendor_class = content,
            55 => self.parameters = content,
            // Flags and two codes that mean nothing any more stand before the name; some write it as DNS does.
            81 => match content {
                [flags, _, _, name @ ..] if flags & 0x04 == 0 => self.domain_name = name,
                _ => {}
            },
            _ => {}
        }
    }
}

impl Dissector for Dhcp {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let (is_answer, hardware, length) = match reader.array()? {
            [1, hardware, length, _] => (false, hardware, length),
            [2, hardware, length, _] => (true, hardware, length),
            _ => return Err(reader.malformed("neither a request nor a reply")),
        };
        reader.skip(8)?;
        let client_ip = Ipv4Addr::from(reader.array::<4>()?);
        let given_ip = Ipv4Addr::from(reader.array::<4>()?);
        reader.skip(8)?;
        let mac: [u8; 6] = reader.array()?;
        reader.skip(10 + 64 + 128)?;
        if reader.array::<4>()? != COOKIE {
            return Err(reader.malformed("the options' cookie is missing"));
        }
        let options = Options::read(reader)?;
        let (server, client) = if is_answer { (side, side.other()) } else { (side.other(), side) };
        out.server(server);
        let kind = options.kind.unwrap_or(0);
        let direction = if is_answer { Direction::Response } else { Direction::Request };
        let operation = Operation::Code(kind.into());
        out.count(Count::of(side, direction, operation, Mark::Plain));
        let mac = Mac(mac);
        if (hardware, length) != (1, 6) || !mac.is_device() {
            return Ok(Next::More);
        }
        let context = out.host(client).context;
        if !is_answer {
            tell(&options, Whom::Elsewhere(Host { context, address: Address::Mac(mac) }, 0), out);
        }
        let settled = match (is_answer, kind) {
            (true, ACKNOWLEDGE) if !given_ip.is_unspecified() => Some(given_ip),
            // Who has its address already only asks for more.
            (false, INFORM) => Some(client_ip),
            _ => None,
        };
        let host = settled.map(|ip| Host { context, address: Address::Ip(IpAddr::V4(ip)) });
        if let Some(host) = host.filter(|host| host.address.is_host()) {
            out.binding(host, mac, Binding::Told);
        }
        Ok(Next::More)
    }
}

/// What a client says of itself.
fn tell(options: &Options<'_>, client: Whom, out: &mut Out<'_>) {
    out.text(client, None, &HOST_NAME, options.host_name);
    out.text(client, None, &DOMAIN_NAME, options.domain_name);
    out.text(client, None, &VENDOR_CLASS, options.vendor_class);
    let numbers: Vec<CompactString> = options.parameters.iter().map(ToCompactString::to_compact_string).collect();
    out.text(client, None, &PARAMETERS, numbers.join(",").as_bytes());
}

/// Operation, lengths and the cookie.
fn probe(front: &[u8], transport: Transport) -> Verdict {
    let is_head = matches!(front, [1 | 2, _, 0..=16, ..]);
    if transport == Transport::Udp && is_head && front.get(236..240) == Some(&COOKIE) {
        Verdict::Bits(48)
    } else {
        Verdict::NotMine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{Rig, hex};

    /// From or for the client 00:80:f4:12:34:56.
    fn datagram(operation: u8, given: &str, options: &str) -> Vec<u8> {
        //   hardware length hops  id        time flags  client     given   others          MAC
        let head =
            format!("{operation:02x} 01 06 00 11223344 0000 0000 00000000 {given} 0000000000000000 0080f4123456");
        [hex(&head), vec![0; 10 + 64 + 128], COOKIE.to_vec(), hex(options)].concat()
    }

    #[test]
    fn a_client_is_told_of_by_its_mac_and_has_an_address_when_it_is_acknowledged() {
        let mut rig = Rig::udp(&DHCP).with_ports(68, 67);
        //                                        request  name      class       asks for
        rig.datagram(Side::A, &datagram(1, "00000000", "350103 0c03504c43 3c0441424243 37020306 ff 0000"));
        rig.datagram(Side::B, &datagram(2, "0a000009", "350102 ff"));
        rig.datagram(Side::B, &datagram(2, "0a000009", "350105 ff"));
        assert_eq!(
            rig.story(),
            [
                "B serves",
                "A request 3",
                "00:80:f4:12:34:56 dhcp.host_name = PLC",
                "00:80:f4:12:34:56 dhcp.vendor_class = ABBC",
                "00:80:f4:12:34:56 dhcp.parameters = 3,6",
                "B serves",
                "B response 2",
                "B serves",
                "B response 5",
                "10.0.0.9 is at 00:80:f4:12:34:56 (Told)",
            ]
        );
    }

    #[test]
    fn what_is_cut_or_has_no_cookie_is_malformed() {
        let whole = datagram(1, "00000000", "350103 0c03504c43 ff");
        for length in [0, 100, 239, whole.len() - 3] {
            let mut rig = Rig::udp(&DHCP);
            rig.datagram(Side::A, &whole[..length]);
            assert!(length == 0 || rig.story().iter().any(|line| line.contains("stops")), "{length}");
        }
        assert!(matches!(Rig::udp(&DHCP).probe(&whole), Verdict::Bits(32..)));
        assert_eq!(Rig::udp(&DHCP).probe(&whole[..236]), Verdict::NotMine);
    }
}
