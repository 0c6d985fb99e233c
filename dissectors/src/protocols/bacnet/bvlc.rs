//! The virtual link layers that carry an NPDU in a UDP datagram (ASHRAE 135-2020, annexes J.2 for IPv4 and U.2 for IPv6).

use super::network::in_line;
use super::npdu::Npdu;
use crate::dissector::Direction;
use crate::observation::Operation;
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, format_compact};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One datagram.
#[derive(Debug)]
pub(super) struct Datagram<'a> {
    pub(super) layer: Layer,
    /// The function, `b10` in the public tables; `v1` of IPv6.
    pub(super) function: u8,
    /// Whether the length told is the datagram's.
    pub(super) is_whole: bool,
    /// The sender's own address on the virtual network of IPv6, where it gives one.
    pub(super) virtual_address: Option<u32>,
    pub(super) body: Body<'a>,
}

/// Which virtual link layer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// None: a frame whose own addresses say to whom it goes.
    Framed,
    Ipv4,
    Ipv6,
}

/// What a datagram carries.
#[derive(Debug)]
pub(super) enum Body<'a> {
    /// An NPDU of whoever sent the datagram.
    Own(Npdu<'a>),
    /// An NPDU that a broadcast management device passes on for `origin`.
    Forwarded { origin: SocketAddr, npdu: Npdu<'a> },
    /// The code of a BVLC-Result; 0 is success.
    Result(u16),
    /// The tables of broadcast management, or a function that is not known.
    Management(Management<'a>),
}

/// What a function without an NPDU is about (J.2.2 to J.2.9, U.2.3 to U.2.12).
#[derive(Clone, Debug)]
pub(super) enum Management<'a> {
    WriteTable(Table<'a>),
    ReadTable,
    TableRead(Table<'a>),
    Register {
        seconds: u16,
    },
    ReadForeignTable,
    ForeignTableRead(Table<'a>),
    Delete(SocketAddr),
    /// Who has which address, what is wrapped in Secure-BVLL, and what is not known.
    Other,
}

/// Entries of ten bytes: an address and a port, and its mask, or its time to live and what is left of it.
#[derive(Clone, Debug)]
pub(super) struct Table<'a>(Reader<'a>);

impl<'a> Datagram<'a> {
    /// Takes the whole datagram. A wrong length is no reason not to listen: a public capture has a guesser of passwords
    /// that always tells 17, and devices that answer it. It only says less for the probe.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let whole = reader.remaining();
        let layer = match reader.u8()? {
            IPV4 => Layer::Ipv4,
            IPV6 => Layer::Ipv6,
            _ => return Err(reader.malformed("neither BACnet/IP nor BACnet/IPv6")),
        };
        let function = reader.u8()?;
        let is_whole = usize::from(reader.u16()?) == whole;
        let mut rest = reader.sub(reader.remaining())?;
        let (virtual_address, body) = match layer {
            Layer::Ipv6 => Body::read_v6(function, &mut rest)?,
            _ => (None, Body::read(function, rest)?),
        };
        Ok(Self { layer, function, is_whole, virtual_address, body })
    }

    /// Takes the NPDU of a frame that has no virtual link layer: its addresses say whether it goes to one or to all.
    pub(super) fn framed(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let body = Body::Own(Npdu::read(reader.sub(reader.remaining())?)?);
        Ok(Self { layer: Layer::Framed, function: ORIGINAL_UNICAST, is_whole: true, virtual_address: None, body })
    }

    /// The NPDU, if there is one.
    pub(super) fn npdu(&self) -> Option<&Npdu<'a>> {
        match &self.body {
            Body::Own(npdu) | Body::Forwarded { npdu, .. } => Some(npdu),
            Body::Result(_) | Body::Management(_) => None,
        }
    }

    /// Whether it goes to one device alone.
    pub(super) fn is_to_one(&self) -> bool {
        match self.layer {
            Layer::Framed => true,
            Layer::Ipv4 => self.function == ORIGINAL_UNICAST,
            Layer::Ipv6 => self.function == ORIGINAL_UNICAST_V6,
        }
    }

    /// Its function as an operation; nothing of frames.
    pub(super) fn operation(&self) -> Option<Operation> {
        match self.layer {
            Layer::Framed => None,
            Layer::Ipv4 => Some(Operation::Kind('b', self.function.into())),
            Layer::Ipv6 => Some(Operation::Kind('v', self.function.into())),
        }
    }

    /// Whether it asks or answers.
    pub(super) fn direction(&self) -> Direction {
        let answers: &[u8] = match self.layer {
            Layer::Ipv6 => &[RESULT, ADDRESS_RESOLUTION_ACK, VIRTUAL_ADDRESS_RESOLUTION_ACK],
            _ => &[RESULT, READ_TABLE_ACK, READ_FOREIGN_TABLE_ACK],
        };
        if answers.contains(&self.function) { Direction::Response } else { Direction::Request }
    }

    /// Whether the standard knows the function and, of a result, the code.
    pub(super) fn is_standard(&self) -> bool {
        let results: &[u16] = if self.layer == Layer::Ipv6 { &RESULTS_V6 } else { &RESULTS };
        let is_known = match &self.body {
            Body::Result(code) => results.contains(code),
            _ => true,
        };
        self.function <= LAST && is_known
    }

    /// Whether a result answers this function: a refusal names it.
    pub(super) fn answers(layer: Layer, code: u16, function: u8) -> bool {
        let refused = |function: u8| match (layer, function) {
            (Layer::Ipv6, function) => u16::from(function).checked_mul(0x10),
            (_, WRITE_TABLE) => Some(0x10),
            (_, READ_TABLE) => Some(0x20),
            (_, REGISTER_FOREIGN_DEVICE) => Some(0x30),
            (_, READ_FOREIGN_TABLE) => Some(0x40),
            (_, DELETE_FOREIGN_ENTRY) => Some(0x50),
            _ => None,
        };
        match code {
            0 => !matches!((layer, function), (Layer::Ipv4, READ_TABLE | READ_FOREIGN_TABLE)),
            code => refused(function) == Some(code),
        }
    }
}

impl<'a> Body<'a> {
    fn read(function: u8, mut reader: Reader<'a>) -> Result<Self, Stop> {
        match function {
            RESULT => Ok(Self::Result(reader.u16()?)),
            FORWARDED_NPDU => {
                let origin = v4(&mut reader)?;
                Ok(Self::Forwarded { origin, npdu: Npdu::read(reader)? })
            }
            DISTRIBUTE_BROADCAST | ORIGINAL_UNICAST | ORIGINAL_BROADCAST => Npdu::read(reader).map(Self::Own),
            function => Management::read(function, reader).map(Self::Management),
        }
    }

    /// Every function of IPv6 begins with a virtual address: of the sender, but of who sent first what is forwarded.
    fn read_v6(function: u8, reader: &mut Reader<'a>) -> Result<(Option<u32>, Self), Stop> {
        if function > LAST || function == SECURE_V6 {
            return Ok((None, Self::Management(Management::Other)));
        }
        // Of what is forwarded it is that of who sent it first.
        let source =
            Some(reader.u24()?).filter(|_| ![FORWARDED_NPDU_V6, FORWARDED_ADDRESS_RESOLUTION].contains(&function));
        let body = match function {
            RESULT => Self::Result(reader.u16()?),
            ORIGINAL_UNICAST_V6 => {
                reader.skip(VIRTUAL_ADDRESS)?;
                Self::Own(Npdu::read(reader.clone())?)
            }
            ORIGINAL_BROADCAST_V6 | DISTRIBUTE_BROADCAST_V6 => Self::Own(Npdu::read(reader.clone())?),
            FORWARDED_NPDU_V6 => {
                let origin = v6(reader)?;
                Self::Forwarded { origin, npdu: Npdu::read(reader.clone())? }
            }
            function => Self::Management(Management::read_v6(function, reader)?),
        };
        Ok((source, body))
    }
}

impl<'a> Management<'a> {
    fn read(function: u8, mut reader: Reader<'a>) -> Result<Self, Stop> {
        let read = match function {
            WRITE_TABLE => Self::WriteTable(Table::read(&mut reader)?),
            READ_TABLE => Self::ReadTable,
            READ_TABLE_ACK => Self::TableRead(Table::read(&mut reader)?),
            REGISTER_FOREIGN_DEVICE => Self::Register { seconds: reader.u16()? },
            READ_FOREIGN_TABLE => Self::ReadForeignTable,
            READ_FOREIGN_TABLE_ACK => Self::ForeignTableRead(Table::read(&mut reader)?),
            DELETE_FOREIGN_ENTRY => Self::Delete(v4(&mut reader)?),
            _ => return Ok(Self::Other),
        };
        if reader.is_empty() { Ok(read) } else { Err(reader.malformed(WRONG_LENGTH)) }
    }

    /// What follows the sender's virtual address.
    fn read_v6(function: u8, reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let read = match function {
            REGISTER_FOREIGN_DEVICE_V6 => Self::Register { seconds: reader.u16()? },
            DELETE_FOREIGN_ENTRY_V6 => Self::Delete(v6(reader)?),
            FORWARDED_ADDRESS_RESOLUTION => {
                reader.skip(VIRTUAL_ADDRESS)?;
                v6(reader)?;
                Self::Other
            }
            // Stacks differ in whether it names its receiver.
            VIRTUAL_ADDRESS_RESOLUTION if reader.is_empty() => Self::Other,
            _ => {
                reader.skip(VIRTUAL_ADDRESS)?;
                Self::Other
            }
        };
        if reader.is_empty() { Ok(read) } else { Err(reader.malformed(WRONG_LENGTH)) }
    }
}

impl<'a> Table<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        if !reader.remaining().is_multiple_of(TABLE_ENTRY) {
            return Err(reader.malformed(WRONG_LENGTH));
        }
        reader.sub(reader.remaining()).map(Self)
    }

    /// The addresses with their masks, as one line: `10.0.0.9:47808, 10.0.1.9:47808/255.255.255.0`. A full mask says
    /// that the peer itself is sent to.
    pub(super) fn with_masks(&self) -> CompactString {
        self.line(|place, [a, b, c, d]| match [a, b, c, d] {
            [0xff, 0xff, 0xff, 0xff] => format_compact!("{place}"),
            mask => format_compact!("{place}/{}", Ipv4Addr::from(mask)),
        })
    }

    /// The addresses with their times to live: `10.0.0.9:47808 for 60 s`. What is left of them changes by the second.
    pub(super) fn with_times(&self) -> CompactString {
        self.line(|place, [high, low, ..]| format_compact!("{place} for {} s", u16::from_be_bytes([high, low])))
    }

    fn line(&self, word: impl Fn(SocketAddr, [u8; 4]) -> CompactString) -> CompactString {
        let mut reader = self.0.clone();
        let entries = std::iter::from_fn(move || Some((v4(&mut reader).ok()?, reader.array().ok()?)));
        in_line(entries, MOST_NAMED, |(place, rest)| word(place, rest))
    }
}

fn v4(reader: &mut Reader<'_>) -> Result<SocketAddr, Stop> {
    let ip = Ipv4Addr::from(reader.array::<4>()?);
    Ok(SocketAddr::new(IpAddr::V4(ip), reader.u16()?))
}

fn v6(reader: &mut Reader<'_>) -> Result<SocketAddr, Stop> {
    let ip = Ipv6Addr::from(reader.array::<16>()?);
    Ok(SocketAddr::new(IpAddr::V6(ip), reader.u16()?))
}

pub(super) const IPV4: u8 = 0x81;
const IPV6: u8 = 0x82;

/// Of both.
pub(super) const RESULT: u8 = 0;

const WRITE_TABLE: u8 = 1;
const READ_TABLE: u8 = 2;
const READ_TABLE_ACK: u8 = 3;
const FORWARDED_NPDU: u8 = 4;
const REGISTER_FOREIGN_DEVICE: u8 = 5;
const READ_FOREIGN_TABLE: u8 = 6;
const READ_FOREIGN_TABLE_ACK: u8 = 7;
const DELETE_FOREIGN_ENTRY: u8 = 8;
const DISTRIBUTE_BROADCAST: u8 = 9;
pub(super) const ORIGINAL_UNICAST: u8 = 10;
pub(super) const ORIGINAL_BROADCAST: u8 = 11;
/// The last function of either: Secure-BVLL, or Distribute-Broadcast-To-Network of IPv6.
const LAST: u8 = 12;

const ORIGINAL_UNICAST_V6: u8 = 1;
const ORIGINAL_BROADCAST_V6: u8 = 2;
const FORWARDED_ADDRESS_RESOLUTION: u8 = 4;
const ADDRESS_RESOLUTION_ACK: u8 = 5;
const VIRTUAL_ADDRESS_RESOLUTION: u8 = 6;
const VIRTUAL_ADDRESS_RESOLUTION_ACK: u8 = 7;
const FORWARDED_NPDU_V6: u8 = 8;
const REGISTER_FOREIGN_DEVICE_V6: u8 = 9;
const DELETE_FOREIGN_ENTRY_V6: u8 = 10;
const SECURE_V6: u8 = 11;
const DISTRIBUTE_BROADCAST_V6: u8 = 12;

const VIRTUAL_ADDRESS: usize = 3;
const TABLE_ENTRY: usize = 10;
/// As many entries of a table are named; the others are counted.
const MOST_NAMED: usize = 16;
const WRONG_LENGTH: &str = "a function of the wrong length";

/// The codes of a BVLC-Result (J.2.1): success, and one refusal for each function that can be refused.
static RESULTS: [u16; 7] = [0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60];
/// The same of IPv6 (U.2.1): the function that is refused, shifted by four bits.
static RESULTS_V6: [u16; 6] = [0, 0x30, 0x60, 0x90, 0xa0, 0xc0];
