//! The virtual link layer that carries an NPDU in a UDP datagram (ASHRAE 135-2020, annex J.2).

use super::npdu::Npdu;
use crate::reader::{Reader, Stop};
use std::net::Ipv4Addr;

/// One datagram.
#[derive(Debug)]
pub(super) struct Datagram<'a> {
    /// The function, `b10` in the public tables.
    pub(super) function: u8,
    /// Whether the length told is the datagram's.
    pub(super) is_whole: bool,
    pub(super) body: Body<'a>,
}

/// What a datagram carries.
#[derive(Debug)]
pub(super) enum Body<'a> {
    /// An NPDU of whoever sent the datagram.
    Own(Npdu<'a>),
    /// An NPDU that a broadcast management device passes on for `origin`.
    Forwarded { origin: Ipv4Addr, npdu: Npdu<'a> },
    /// The code of a BVLC-Result; 0 is success.
    Result(u16),
    /// The tables of broadcast management, or a function that is not known: nothing that is told.
    Management,
}

impl<'a> Datagram<'a> {
    /// Takes the whole datagram. A wrong length is no reason not to listen: a public capture has a guesser of passwords
    /// that always tells 17, and devices that answer it. It only says less for the probe.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let whole = reader.remaining();
        if reader.u8()? != TYPE {
            return Err(reader.malformed("not BACnet/IP"));
        }
        let function = reader.u8()?;
        let is_whole = usize::from(reader.u16()?) == whole;
        let body = Body::read(function, reader.sub(reader.remaining())?)?;
        Ok(Self { function, is_whole, body })
    }

    /// Takes the NPDU of a frame that has no virtual link layer: its addresses say whether it goes to one or to all.
    pub(super) fn framed(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let body = Body::Own(Npdu::read(reader.sub(reader.remaining())?)?);
        Ok(Self { function: ORIGINAL_UNICAST, is_whole: true, body })
    }

    /// The NPDU, if there is one.
    pub(super) fn npdu(&self) -> Option<&Npdu<'a>> {
        match &self.body {
            Body::Own(npdu) | Body::Forwarded { npdu, .. } => Some(npdu),
            Body::Result(_) | Body::Management => None,
        }
    }
}

impl<'a> Body<'a> {
    fn read(function: u8, mut reader: Reader<'a>) -> Result<Self, Stop> {
        match function {
            RESULT => Ok(Self::Result(reader.u16()?)),
            FORWARDED_NPDU => {
                let origin = Ipv4Addr::from(reader.array::<4>()?);
                reader.skip(PORT)?;
                Ok(Self::Forwarded { origin, npdu: Npdu::read(reader)? })
            }
            DISTRIBUTE_BROADCAST | ORIGINAL_UNICAST | ORIGINAL_BROADCAST => Npdu::read(reader).map(Self::Own),
            function if management_fits(function, reader.remaining()) => Ok(Self::Management),
            _ => Err(reader.malformed("a table of the wrong length")),
        }
    }
}

/// J.2.2 to J.2.9: the lengths that the functions without an NPDU can have. What is wrapped in Secure-BVLL cannot be read.
fn management_fits(function: u8, length: usize) -> bool {
    match function {
        WRITE_TABLE | READ_TABLE_ACK | READ_FOREIGN_TABLE_ACK => length.is_multiple_of(TABLE_ENTRY),
        READ_TABLE | READ_FOREIGN_TABLE => length == 0,
        REGISTER_FOREIGN_DEVICE => length == TIME_TO_LIVE,
        DELETE_FOREIGN_ENTRY => length == ADDRESS,
        _ => true,
    }
}

const TYPE: u8 = 0x81;

pub(super) const RESULT: u8 = 0;
const WRITE_TABLE: u8 = 1;
const READ_TABLE: u8 = 2;
pub(super) const READ_TABLE_ACK: u8 = 3;
const FORWARDED_NPDU: u8 = 4;
const REGISTER_FOREIGN_DEVICE: u8 = 5;
const READ_FOREIGN_TABLE: u8 = 6;
pub(super) const READ_FOREIGN_TABLE_ACK: u8 = 7;
const DELETE_FOREIGN_ENTRY: u8 = 8;
const DISTRIBUTE_BROADCAST: u8 = 9;
pub(super) const ORIGINAL_UNICAST: u8 = 10;
const ORIGINAL_BROADCAST: u8 = 11;
/// The last function of the standard: Secure-BVLL.
pub(super) const LAST: u8 = 12;

const PORT: usize = 2;
const ADDRESS: usize = 6;
const TIME_TO_LIVE: usize = 2;
/// An address with its mask, or with its time to live and what is left of it.
const TABLE_ENTRY: usize = 10;

/// The codes of a BVLC-Result (J.2.1): success, and one refusal for each function that can be refused.
pub(super) static RESULTS: [u16; 7] = [0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60];
