//! The protocol data unit: a function code and its data, and what its structure says by itself (Application Protocol
//! V1.1b3, section 6).

use super::identity;

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

    #[inline]
    pub(super) fn fits(&self) -> Fits {
        let data = self.data;
        if self.is_exception {
            return Fits::of(false, data.len() == 1);
        }
        match self.function {
            0 => Fits::Neither,
            READ_COILS | READ_DISCRETE_INPUTS => Fits::of(data.len() == 4, is_counted(data)),
            READ_HOLDING_REGISTERS | READ_INPUT_REGISTERS => Fits::of(data.len() == 4, is_counted_words(data)),
            WRITE_SINGLE_COIL | WRITE_SINGLE_REGISTER => Fits::of(data.len() == 4, data.len() == 4),
            WRITE_MULTIPLE_COILS | WRITE_MULTIPLE_REGISTERS => Fits::of(is_write(data), data.len() == 4),
            REPORT_SERVER_ID => Fits::of(data.is_empty(), is_counted(data)),
            MASK_WRITE_REGISTER => Fits::of(data.len() == 6, data.len() == 6),
            READ_WRITE_REGISTERS => Fits::of(data.get(4..).is_some_and(is_write), is_counted_words(data)),
            ENCAPSULATED if identity::is_identification(data) => {
                Fits::of(data.len() == 3, identity::is_whole_answer(data))
            }
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

    /// The code of an exception.
    pub(super) fn exception(&self) -> Option<u8> {
        self.data.first().copied().filter(|_| self.is_exception)
    }

    /// Whether, as a request, it changes the process or the device.
    pub(super) fn is_control(&self) -> bool {
        match self.function {
            WRITE_SINGLE_COIL
            | WRITE_SINGLE_REGISTER
            | WRITE_MULTIPLE_COILS
            | WRITE_MULTIPLE_REGISTERS
            | WRITE_FILE_RECORD
            | MASK_WRITE_REGISTER
            | READ_WRITE_REGISTERS => true,
            DIAGNOSTICS => matches!(self.data, [0, RESTART_COMMUNICATIONS | FORCE_LISTEN_ONLY, ..]),
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

const EXCEPTION: u8 = 0x80;

const READ_COILS: u8 = 1;
const READ_DISCRETE_INPUTS: u8 = 2;
const READ_HOLDING_REGISTERS: u8 = 3;
const READ_INPUT_REGISTERS: u8 = 4;
pub(super) const WRITE_SINGLE_COIL: u8 = 5;
pub(super) const WRITE_SINGLE_REGISTER: u8 = 6;
pub(super) const DIAGNOSTICS: u8 = 8;
const GET_COMM_EVENT_COUNTER: u8 = 11;
const GET_COMM_EVENT_LOG: u8 = 12;
pub(super) const WRITE_MULTIPLE_COILS: u8 = 15;
pub(super) const WRITE_MULTIPLE_REGISTERS: u8 = 16;
pub(super) const REPORT_SERVER_ID: u8 = 17;
const READ_FILE_RECORD: u8 = 20;
pub(super) const WRITE_FILE_RECORD: u8 = 21;
pub(super) const MASK_WRITE_REGISTER: u8 = 22;
pub(super) const READ_WRITE_REGISTERS: u8 = 23;
const READ_FIFO_QUEUE: u8 = 24;
pub(super) const ENCAPSULATED: u8 = 43;
/// Schneider Electric's.
pub(super) const UMAS: u8 = 90;

/// Sub-functions of Diagnostics.
pub(super) const RESTART_COMMUNICATIONS: u8 = 1;
pub(super) const FORCE_LISTEN_ONLY: u8 = 4;
