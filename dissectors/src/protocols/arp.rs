//! ARP tells which MAC an IPv4 address has: the one proof that a host gives itself (RFC 826).
//!
//! Read: requests, answers and announcements for IPv4 over Ethernet. Skipped on purpose: RARP and other hardware.

use crate::dissector::{Carrier, Direction, Dissector, Next, Protocol, Side, Verdict};
use crate::observation::{Address, Binding, Host, Mac, Operation, Transport};
use crate::out::{Count, Mark, Out};
use crate::reader::{Reader, Stop};
use std::net::{IpAddr, Ipv4Addr};

pub(crate) static ARP: Protocol = Protocol {
    name: "arp",
    spec: "RFC 826",
    carriers: &[Carrier::EtherType(0x0806)],
    fields: &[],
    probe,
    max_message: 28,
    relates: false,
    open: || Box::new(Arp),
};

struct Arp;

impl Dissector for Arp {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let prefix: [u8; 6] = reader.array()?;
        if prefix != ETHERNET_IPV4 {
            return Err(reader.malformed("not IPv4 over Ethernet"));
        }
        let operation = reader.u16()?;
        let sender = Mac(reader.array()?);
        let sender_ip = Address::Ip(IpAddr::V4(Ipv4Addr::from(reader.array::<4>()?)));
        reader.skip(10)?;
        let trailer = reader.remaining();
        reader.skip(trailer)?;

        let direction = if operation == REPLY { Direction::Response } else { Direction::Request };
        out.count(Count {
            sender: side,
            direction,
            operation: Operation::Code(u32::from(operation)),
            child: None,
            mark: Mark::Plain,
            is_control: false,
        });
        if sender.is_device() && sender_ip.is_host() {
            let context = out.host(side).context;
            out.binding(Host { context, address: sender_ip }, sender, Binding::Told);
        }
        Ok(Next::More)
    }
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    match (transport, front.first_chunk()) {
        (Transport::Ethernet, Some(prefix)) if *prefix == ETHERNET_IPV4 => Verdict::Bits(48),
        _ => Verdict::NotMine,
    }
}

/// Hardware type 1, protocol type 0x0800, lengths 6 and 4.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REPLY: u16 = 2;
