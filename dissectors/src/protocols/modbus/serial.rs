//! What the two framings of serial lines have in common.

use super::Adu;
use super::pdu::Fits;
use crate::dissector::{Direction, Part, Verdict};

/// A frame of a serial line: its checksum has 16 or 8 bits, so it takes a request and its answer to name a flow. An answer
/// repeats unit and function; which framing it is stands before them.
pub(super) fn part(adu: &Adu<'_>, framing: u8) -> Verdict {
    let direction = match adu.pdu.fits() {
        Fits::Request => Some(Direction::Request),
        Fits::Response => Some(Direction::Response),
        Fits::Either | Fits::Anything => None,
        Fits::Neither => return Verdict::NotMine,
    };
    let exchange = u64::from_be_bytes([framing, 0, 0, 0, 0, 0, adu.unit, adu.pdu.function]);
    Verdict::Part(Part { exchange, direction })
}

pub(super) const RTU: u8 = 1;
pub(super) const ASCII: u8 = 2;

/// Units of a serial line; those above are reserved (Modbus over Serial Line V1.02, 2.2).
pub(super) const MAX_UNIT: u8 = 247;
