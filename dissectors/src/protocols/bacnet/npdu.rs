//! The network layer: from which station to which, and what (ASHRAE 135-2020, clause 6.2).

use super::apdu::Apdu;
use super::network::NetworkMessage;
use crate::observation::Child;
use crate::reader::{Reader, Stop};
use arrayvec::ArrayVec;

/// One network protocol data unit.
#[derive(Debug)]
pub(super) struct Npdu<'a> {
    pub(super) destination: Destination,
    /// The station behind the sender that speaks; the sender itself when there is none.
    pub(super) source: Option<Child>,
    pub(super) message: Message<'a>,
}

/// Whom an NPDU is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Whoever gets the datagram.
    Receiver,
    /// A station of a network behind the receiver.
    Station(Child),
    /// All stations of one network or of all.
    Broadcast,
}

/// What an NPDU carries.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// A message between routers.
    Network(NetworkMessage<'a>),
    Application(Apdu<'a>),
}

impl<'a> Npdu<'a> {
    /// Takes what is left.
    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, Stop> {
        if reader.remaining() > LONGEST {
            return Err(reader.malformed("longer than an NPDU can be"));
        }
        if reader.u8()? != VERSION {
            return Err(reader.malformed("not version 1 of the network layer"));
        }
        let control = reader.u8()?;
        if control & RESERVED != 0 {
            return Err(reader.malformed("reserved control bits are set"));
        }
        let has_destination = control & HAS_DESTINATION != 0;
        let destination = if has_destination { Destination::read(&mut reader)? } else { Destination::Receiver };
        let source = if control & HAS_SOURCE != 0 { Some(source(&mut reader)?) } else { None };
        if has_destination {
            reader.skip(HOP_COUNT)?;
        }
        let message = match control & IS_NETWORK_MESSAGE {
            0 => Message::Application(Apdu::read(reader)?),
            _ => Message::Network(NetworkMessage::read(reader)?),
        };
        Ok(Self { destination, source, message })
    }
}

impl Destination {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let (network, address) = address(reader)?;
        if network == 0 {
            return Err(reader.malformed("network 0 is named"));
        }
        let is_broadcast = network == ALL_NETWORKS || address.is_empty();
        Ok(if is_broadcast { Self::Broadcast } else { Self::Station(Child::Station { network, address }) })
    }
}

fn source(reader: &mut Reader<'_>) -> Result<Child, Stop> {
    let (network, address) = address(reader)?;
    if network == 0 || network == ALL_NETWORKS || address.is_empty() {
        return Err(reader.malformed("the source is no station"));
    }
    Ok(Child::Station { network, address })
}

fn address(reader: &mut Reader<'_>) -> Result<(u16, ArrayVec<u8, 7>), Stop> {
    let network = reader.u16()?;
    let length = reader.u8()?;
    let bytes = reader.take(usize::from(length))?;
    let address = bytes.try_into().map_err(|_| reader.malformed("a station's address is too long"))?;
    Ok((network, address))
}

/// Table 6-1: the longest NPDU on BACnet/IP.
pub(super) const LONGEST: usize = 1497;
pub(super) const VERSION: u8 = 1;

const IS_NETWORK_MESSAGE: u8 = 0x80;
const RESERVED: u8 = 0x50;
pub(super) const HAS_DESTINATION: u8 = 0x20;
const HAS_SOURCE: u8 = 0x08;

/// That an answer is expected, and how urgent the message is: nothing that changes how it is read.
pub(super) const OF_NO_MATTER: u8 = 0x07;

const ALL_NETWORKS: u16 = 0xffff;
const HOP_COUNT: usize = 1;
