//! The protocol data unit: a function code and its data, and what its structure says by itself (Application Protocol
//! V1.1b3, section 6).

use super::{identity, records, umas};

/// A function code and its data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pdu<'a> {
    /// The function, without the high bit.
    pub(super) function: u8,
    /// Whether the high bit says that the function is refused.
    pub(super) is_exception: bool,
    /// What follows the code.
    pub(super) data: &'a [u8],
}

/// What a PDU can be by its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    /// Neither a request nor a response.
    Neither,
    /// A request only.
    Request,
    /// A response only.
    Response,
    /// Both: an echo.
    Either,
    /// Both, because the function's structure is not known here.
    Anything,
}

impl<'a> Pdu<'a> {
    pub(super) fn new(code: u8, data: &'a [u8]) -> Self {
        Self { function: code & !EXCEPTION, is_exception: code & EXCEPTION != 0, data }
    }

    /// What nearly all messages are, reads, is found out without a branch that their kind decides.
    #[expect(clippy::inline_always, reason = "it is a few comparisons")]
    #[inline(always)]
    pub(super) fn fits(&self) -> Fits {
        let (data, is_of_bits) = (self.data, self.function <= READ_DISCRETE_INPUTS);
        match self.function {
            READ_COILS..=READ_INPUT_REGISTERS if !self.is_exception => {
                let is_answer = is_counted(data) & (is_of_bits | !data.len().is_multiple_of(2));
                Fits::of(data.len() == 4, is_answer)
            }
            _ => self.fits_otherwise(),
        }
    }

    /// The same of all but reads.
    #[inline(never)]
    fn fits_otherwise(&self) -> Fits {
        let data = self.data;
        if self.is_exception {
            return Fits::of(false, data.len() == 1);
        }
        match self.function {
            0 => Fits::Neither,
            WRITE_SINGLE_COIL | WRITE_SINGLE_REGISTER => Fits::of(data.len() == 4, data.len() == 4),
            WRITE_MULTIPLE_COILS | WRITE_MULTIPLE_REGISTERS => Fits::of(is_write(data), data.len() == 4),
            READ_EXCEPTION_STATUS => Fits::of(data.is_empty(), data.len() == 1),
            // Return Query Data echoes as many words as it was sent; all others have one.
            DIAGNOSTICS => {
                let is_whole = data.len() >= 4 && data.len().is_multiple_of(2);
                Fits::of(is_whole, is_whole)
            }
            GET_COMM_EVENT_COUNTER => Fits::of(data.is_empty(), data.len() == 4),
            GET_COMM_EVENT_LOG => Fits::of(data.is_empty(), data.len() >= 7 && is_counted(data)),
            REPORT_SERVER_ID => Fits::of(data.is_empty(), is_counted(data)),
            READ_FILE_RECORD => Fits::of(records::is_query(data), records::is_answer(data)),
            WRITE_FILE_RECORD => {
                let is_whole = records::is_write(data);
                Fits::of(is_whole, is_whole)
            }
            READ_FIFO_QUEUE => Fits::of(data.len() == 2, is_queue(data)),
            MASK_WRITE_REGISTER => Fits::of(data.len() == 6, data.len() == 6),
            READ_WRITE_REGISTERS => Fits::of(data.get(4..).is_some_and(is_write), is_counted_words(data)),
            ENCAPSULATED if identity::is_identification(data) => {
                Fits::of(data.len() == 3, identity::is_whole_answer(data))
            }
            UMAS if umas::is_response(data) => Fits::Response,
            _ => Fits::Anything,
        }
    }

    /// Whether the standard defines the function, or a vendor's use of it is known here.
    pub(super) fn is_defined(&self) -> bool {
        matches!(
            self.function,
            READ_COILS..=DIAGNOSTICS
                | GET_COMM_EVENT_COUNTER
                | GET_COMM_EVENT_LOG
                | WRITE_MULTIPLE_COILS..=REPORT_SERVER_ID
                | READ_FILE_RECORD..=READ_FIFO_QUEUE
                | ENCAPSULATED
                | UMAS
        )
    }

    /// The first four bytes of its data: of a request to read or write, address and quantity. Zeros are added.
    #[inline]
    pub(super) fn front(&self) -> [u8; 4] {
        self.data.first_chunk().copied().unwrap_or_else(|| {
            let mut front = [0; 4];
            front.iter_mut().zip(self.data).for_each(|(to, from)| *to = *from);
            front
        })
    }

    /// The code of an exception.
    pub(super) fn exception(&self) -> Option<u8> {
        self.data.first().copied().filter(|_| self.is_exception)
    }

    /// Whether, as a request, it changes the process or the device.
    #[inline]
    pub(super) fn is_control(&self) -> bool {
        match self.function {
            WRITE_SINGLE_COIL
            | WRITE_SINGLE_REGISTER
            | WRITE_MULTIPLE_COILS
            | WRITE_MULTIPLE_REGISTERS
            | WRITE_FILE_RECORD
            | MASK_WRITE_REGISTER
            | READ_WRITE_REGISTERS
            | PROGRAM_484
            | PROGRAM_584
            | PROGRAM_884
            | RESET_LINK_884
            | PROGRAM_CONCEPT
            | FIRMWARE_REPLACEMENT
            | PROGRAM_584_AGAIN => true,
            DIAGNOSTICS => matches!(
                self.data,
                [
                    0,
                    RESTART_COMMUNICATIONS
                        | CHANGE_ASCII_DELIMITER
                        | FORCE_LISTEN_ONLY
                        | CLEAR_COUNTERS
                        | CLEAR_OVERRUN_COUNTER,
                    ..
                ]
            ),
            _ => false,
        }
    }

    /// Whether, as a request, it silences the server: no response is sent (6.8.1, sub-function 4).
    pub(super) fn silences(&self) -> bool {
        self.function == DIAGNOSTICS && matches!(self.data, [0, FORCE_LISTEN_ONLY, ..])
    }
}

impl Fits {
    fn of(request: bool, response: bool) -> Self {
        match (request, response) {
            (false, false) => Self::Neither,
            (true, false) => Self::Request,
            (false, true) => Self::Response,
            (true, true) => Self::Either,
        }
    }
}

/// A byte count, not 0, and as many bytes.
fn is_counted(data: &[u8]) -> bool {
    matches!(data, [count, values @ ..] if *count != 0 && usize::from(*count) == values.len())
}

/// A byte count and as many bytes, two to a register.
fn is_counted_words(data: &[u8]) -> bool {
    is_counted(data) && !data.len().is_multiple_of(2)
}

/// Address, quantity, byte count and as many bytes. Whether quantity and byte count agree is for the server to refuse.
fn is_write(data: &[u8]) -> bool {
    matches!(data, [_, _, _, _, count, values @ ..] if usize::from(*count) == values.len())
}

/// A byte count of two bytes, a count of registers, and as many registers (6.18).
fn is_queue(data: &[u8]) -> bool {
    let [high, low, counted @ ..] = data else { return false };
    let [count_high, count_low, registers @ ..] = counted else { return false };
    let count = usize::from(u16::from_be_bytes([*count_high, *count_low]));
    usize::from(u16::from_be_bytes([*high, *low])) == counted.len() && count.checked_mul(2) == Some(registers.len())
}

const EXCEPTION: u8 = 0x80;

pub(super) const READ_COILS: u8 = 1;
const READ_DISCRETE_INPUTS: u8 = 2;
pub(super) const READ_HOLDING_REGISTERS: u8 = 3;
pub(super) const READ_INPUT_REGISTERS: u8 = 4;
pub(super) const WRITE_SINGLE_COIL: u8 = 5;
pub(super) const WRITE_SINGLE_REGISTER: u8 = 6;
pub(super) const READ_EXCEPTION_STATUS: u8 = 7;
pub(super) const DIAGNOSTICS: u8 = 8;
pub(super) const GET_COMM_EVENT_COUNTER: u8 = 11;
pub(super) const GET_COMM_EVENT_LOG: u8 = 12;
pub(super) const WRITE_MULTIPLE_COILS: u8 = 15;
pub(super) const WRITE_MULTIPLE_REGISTERS: u8 = 16;
pub(super) const REPORT_SERVER_ID: u8 = 17;
pub(super) const READ_FILE_RECORD: u8 = 20;
pub(super) const WRITE_FILE_RECORD: u8 = 21;
pub(super) const MASK_WRITE_REGISTER: u8 = 22;
pub(super) const READ_WRITE_REGISTERS: u8 = 23;
const READ_FIFO_QUEUE: u8 = 24;
pub(super) const ENCAPSULATED: u8 = 43;
/// Schneider Electric's.
pub(super) const UMAS: u8 = 90;
/// Modicon's, which the standard reserves without a word on what they hold (annex A): by them its controllers were
/// programmed, their links reset and their firmware replaced (names by Zeek's constants).
pub(super) const PROGRAM_484: u8 = 9;
pub(super) const PROGRAM_584: u8 = 13;
pub(super) const PROGRAM_884: u8 = 18;
pub(super) const RESET_LINK_884: u8 = 19;
pub(super) const PROGRAM_CONCEPT: u8 = 40;
pub(super) const FIRMWARE_REPLACEMENT: u8 = 125;
pub(super) const PROGRAM_584_AGAIN: u8 = 126;

/// Sub-functions of Diagnostics.
pub(super) const RESTART_COMMUNICATIONS: u8 = 1;
pub(super) const CHANGE_ASCII_DELIMITER: u8 = 3;
pub(super) const FORCE_LISTEN_ONLY: u8 = 4;
pub(super) const CLEAR_COUNTERS: u8 = 10;
pub(super) const CLEAR_OVERRUN_COUNTER: u8 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::hex;

    #[test]
    fn structure_tells_requests_from_responses() {
        for (function, request, response) in [
            // Each the standard's own example (6.7 to 6.18).
            (7, "", "6d"),
            (8, "0000 a537", "0000 a537"),
            (11, "", "ffff 0108"),
            (12, "", "08 0000 0108 0121 2000"),
            (17, "", "03 09 ff 00"),
            (20, "0e 06000400010002 06000300090002", "0c 05060dfe0020 050633cd0040"),
            (21, "0d 06000400070003 06af04be100d", "0d 06000400070003 06af04be100d"),
            (24, "04de", "0006 0002 01b8 1284"),
        ] {
            let fits = |data: &str| Pdu::new(function, &hex(data)).fits();
            let expected = if request == response { [Fits::Either; 2] } else { [Fits::Request, Fits::Response] };
            assert_eq!([fits(request), fits(response)], expected, "{function}");
            let broken = Pdu::new(function, &[&hex(response)[..], &[0]].concat()).fits();
            assert_eq!(broken, Fits::Neither, "{function}");
        }
    }
}
