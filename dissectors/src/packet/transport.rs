//! TCP (RFC 9293, section 3.1) and UDP (RFC 768).

use super::{Headers, Layer, ends_in, length_of, tunnel};
use crate::reader::Stop;

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
#[inline]
pub(super) fn any<'a>(headers: &mut Headers, protocol: u8, bytes: &'a [u8]) -> Result<&'a [u8], Stop> {
    match protocol {
        TCP => tcp(headers, bytes),
        UDP => udp(headers, bytes),
        other => tunnel::on_ip(headers, other, bytes),
    }
}

#[inline]
fn tcp<'a>(headers: &mut Headers, bytes: &'a [u8]) -> Result<&'a [u8], Stop> {
    let Some((header, rest)) = bytes.split_first_chunk::<20>() else {
        return Err(ends_in("the packet ends in its TCP header"));
    };
    let header_bytes = usize::from(header[12] >> 4).saturating_mul(4);
    let payload = match header_bytes.checked_sub(TCP_HEADER) {
        Some(options) => rest.get(options..).ok_or_else(|| ends_in("the packet ends in its TCP options"))?,
        None => return Err(ends_in("the TCP header is shorter than 20 bytes")),
    };
    headers.layer = Layer::Tcp(TcpHeader {
        source: u16::from_be_bytes([header[0], header[1]]),
        destination: u16::from_be_bytes([header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgement: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: TcpFlags(header[13]),
    });
    headers.checksum = u16::from_be_bytes([header[16], header[17]]);
    headers.transport_bytes = (header[12] >> 4) << 2;
    Ok(payload)
}

#[inline]
fn udp<'a>(headers: &mut Headers, bytes: &'a [u8]) -> Result<&'a [u8], Stop> {
    let Some((header, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(ends_in("the packet ends in its UDP header"));
    };
    let length = u32::from(u16::from_be_bytes([header[4], header[5]]));
    headers.layer = Layer::Udp {
        source: u16::from_be_bytes([header[0], header[1]]),
        destination: u16::from_be_bytes([header[2], header[3]]),
    };
    headers.checksum = u16::from_be_bytes([header[6], header[7]]);
    headers.transport_bytes = 8;
    // Length 0 is a jumbogram's (RFC 2675) or an offloaded packet's: then the IP length holds.
    let told = if length == 0 { u32::MAX } else { length };
    let Some(payload) = told.checked_sub(UDP_HEADER) else { return Err(ends_in("the UDP length is below 8")) };
    let captured = rest.get(..payload as usize).unwrap_or(rest);
    if headers.cut_bytes != 0 {
        // The packet may be longer than the datagram: then the snap length may have cut nothing of it.
        let whole = length_of(rest).saturating_add(headers.cut_bytes).min(payload);
        headers.cut_bytes = whole.saturating_sub(length_of(captured));
    } else if length != 0 && payload as usize > rest.len() {
        return Err(ends_in("the UDP length is longer than its packet"));
    }
    let port = u16::from_be_bytes([header[2], header[3]]);
    if tunnel::is_port(port) { tunnel::on_udp(headers, port, captured) } else { Ok(captured) }
}
