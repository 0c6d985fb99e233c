//! Field buses whose frames captures hold: BACnet MS/TP and ARCNET.

use super::{Ends, Headers, ends_in, frame, length_of, llc, part};
use crate::observation::{Address, Bus};
use crate::reader::{Reader, Stop};

/// The high byte of the numbers of frames that carry no BACnet, the low one being the frame's type or system code.
pub(super) const MS_TP: u8 = 1;
pub(super) const ARCNET: u8 = 2;

/// A frame of master-slave/token-passing (ASHRAE 135-2020, 9.3).
pub(super) fn ms_tp<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    match bytes.strip_prefix(&PREAMBLE) {
        Some(rest) => behind_preamble(headers, rest, cut),
        None => Err(ends_in("no MS/TP preamble")),
    }
}

/// A frame that an adapter of Cimetrics passed on over Ethernet: its time and two made-up MACs come first.
pub(super) fn ms_tp_on_ethernet<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let mut reader = Reader::closed(bytes);
    reader.skip(3)?;
    headers.link = None;
    behind_preamble(headers, reader.rest(), cut)
}

fn behind_preamble<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    /// Expecting a reply, and not.
    const BACNET_DATA: [u8; 2] = [5, 6];
    const EXTENDED: std::ops::RangeInclusive<u8> = 32..=127;
    let Some((header, rest)) = bytes.split_first_chunk::<6>() else {
        return Err(ends_in("the frame ends in its MS/TP header"));
    };
    if header.iter().fold(0xff, |crc, byte| header_crc(crc, *byte)) != HEADER_IS_RIGHT {
        return Err(ends_in("the MS/TP header's CRC is wrong"));
    }
    let [kind, destination, source, high, low, _] = *header;
    between(headers, Bus::MsTp, source, destination);
    let length = u16::from_be_bytes([high, low]);
    let (data, data_cut) = part(rest, cut, length.into());
    if length_of(data).saturating_add(data_cut) < u32::from(length) {
        return Err(ends_in("the MS/TP frame is shorter than its length"));
    }
    // Behind the data stand two bytes of CRC, where they were captured. Extended frames (9.3, types 32 to 127) have
    // another one, within their length.
    let has_crc = length > 0 && !EXTENDED.contains(&kind);
    let with_crc = rest.get(..usize::from(length).saturating_add(2)).filter(|_| has_crc);
    if with_crc.is_some_and(|bytes| bytes.iter().fold(0xffff, |crc, byte| data_crc(crc, *byte)) != DATA_IS_RIGHT) {
        return Err(ends_in("the MS/TP data's CRC is wrong"));
    }
    let number = if BACNET_DATA.contains(&kind) { [0, llc::BACNET] } else { [MS_TP, kind] };
    Ok(frame::named(headers, u16::from_be_bytes(number), data, data_cut))
}

/// A frame of ARCNET (ANSI/ATA 878.1), as BSD or as the hardware writes it: with its offset in the packet buffer, which
/// says how long it is. Captures of the first link type are met in the second form.
pub(super) fn arcnet<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    const BACNET: u8 = 0xcd;
    const SHORT_BUFFER: u32 = 256;
    const LONG_BUFFER: u32 = 512;
    let mut reader = Reader::closed(bytes);
    let (source, destination) = (reader.u8()?, reader.u8()?);
    between(headers, Bus::Arcnet, source, destination);
    let mut ahead = reader.clone();
    let whole = length_of(bytes).saturating_add(cut).saturating_sub(4);
    let told = match (ahead.u8(), ahead.u8()) {
        (Ok(0), Ok(offset)) => LONG_BUFFER.saturating_sub(offset.into()),
        (Ok(offset), Ok(0)) => SHORT_BUFFER.saturating_sub(offset.into()),
        _ => u32::MAX,
    };
    if told == whole {
        reader = ahead;
    }
    match reader.u8()? {
        BACNET => llc::any(headers, reader.rest(), cut),
        code => Ok(frame::named(headers, u16::from_be_bytes([ARCNET, code]), reader.rest(), cut)),
    }
}

fn between(headers: &mut Headers, bus: Bus, source: u8, destination: u8) {
    headers.ends = Ends::between(Address::Node(bus, source), Address::Node(bus, destination));
}

/// ASHRAE 135-2020, annex G.1.
fn header_crc(crc: u8, byte: u8) -> u8 {
    let crc = u16::from(crc ^ byte);
    let crc = (1..8).fold(crc, |sum, shift| sum ^ crc << shift);
    let [high, low] = crc.to_be_bytes();
    (low & 0xfe) ^ (high & 1)
}

/// ASHRAE 135-2020, annex G.2.
fn data_crc(crc: u16, byte: u8) -> u16 {
    let low = (crc & 0xff) ^ u16::from(byte);
    (crc >> 8) ^ (low << 8) ^ (low << 3) ^ (low << 12) ^ (low >> 4) ^ (low & 0x0f) ^ ((low & 0x0f) << 7)
}

const PREAMBLE: [u8; 2] = [0x55, 0xff];

/// What is left when a CRC is run over itself too.
const HEADER_IS_RIGHT: u8 = 0x55;
const DATA_IS_RIGHT: u16 = 0xf0b8;
