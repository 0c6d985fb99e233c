//! TCP (RFC 9293, section 3.1) and UDP (RFC 768).

use super::Layer;
use crate::reader::{Reader, Stop};

const TCP: u8 = 6;
const UDP: u8 = 17;
const TCP_HEADER: usize = 20;
const UDP_HEADER: u32 = 8;

/// What a stream needs of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpHeader {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// The sequence number of the first payload byte (of the SYN, if it is one).
    pub sequence: u32,
    /// The next byte that the sender expects, if ACK is set.
    pub acknowledgement: u32,
    /// The control bits.
    pub flags: TcpFlags,
}

/// The control bits of a TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The bits by which a connection opens or closes: SYN, FIN, RST.
    pub const OPEN_OR_CLOSE: u8 = 0x07;

    /// No more data from the sender.
    pub fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// The connection opens.
    pub fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// The connection is broken off.
    pub fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// The acknowledgement number counts.
    pub fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }
}

/// What an IP packet carries. A transport header that the snap length cut leaves nothing to read.
#[inline(always)]
pub(super) fn any(protocol: u8, bytes: &[u8], cut_bytes: u32) -> Result<(Layer, &[u8]), Stop> {
    match protocol {
        TCP => tcp(bytes),
        UDP => udp(bytes, cut_bytes),
        other => Ok((Layer::Other(other), bytes)),
    }
}

#[inline(always)]
fn tcp(bytes: &[u8]) -> Result<(Layer, &[u8]), Stop> {
    let mut reader = Reader::closed(bytes);
    let header = TcpHeader {
        source: reader.u16()?,
        destination: reader.u16()?,
        sequence: reader.u32()?,
        acknowledgement: reader.u32()?,
        flags: TcpFlags::default(),
    };
    let header_bytes = usize::from(reader.u8()? >> 4).saturating_mul(4);
    let flags = TcpFlags(reader.u8()?);
    reader.skip(6)?;
    let options = header_bytes
        .checked_sub(TCP_HEADER)
        .ok_or_else(|| reader.malformed("the TCP header is shorter than 20 bytes"))?;
    reader.skip(options)?;
    Ok((Layer::Tcp(TcpHeader { flags, ..header }), reader.rest()))
}

#[inline(always)]
fn udp(bytes: &[u8], cut_bytes: u32) -> Result<(Layer, &[u8]), Stop> {
    let mut reader = Reader::closed(bytes);
    let (source, destination) = (reader.u16()?, reader.u16()?);
    let length = u32::from(reader.u16()?);
    reader.skip(2)?;
    let layer = Layer::Udp { source, destination };
    // Length 0 is a jumbogram's (RFC 2675) or an offloaded packet's: then the IP length holds.
    let told = if length == 0 { u32::MAX } else { length };
    let payload = told.checked_sub(UDP_HEADER).ok_or_else(|| reader.malformed("the UDP length is below 8"))? as usize;
    if cut_bytes == 0 && length != 0 && payload > reader.remaining() {
        return Err(reader.malformed("the UDP length is longer than its packet"));
    }
    Ok((layer, reader.rest().get(..payload).unwrap_or(reader.rest())))
}
