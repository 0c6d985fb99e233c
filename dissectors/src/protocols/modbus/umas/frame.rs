//! One message: a key, a function and its data; and the envelope in which they are signed.

use super::super::pdu;
use crate::observation::Outcome;

/// A message without its key, which is a secret of who holds the reservation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// The function of a request; in its place a response says how it went.
    pub(super) code: u8,
    pub(super) data: &'a [u8],
    /// Whether it came in a signed envelope.
    pub(super) is_signed: bool,
}

/// How what was asked went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Success,
    Error,
}

impl Verdict {
    fn of(code: u8) -> Option<Self> {
        match code {
            SUCCESS => Some(Self::Success),
            ERROR => Some(Self::Error),
            _ => None,
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Success => Outcome::Accepted,
            Self::Error => Outcome::Rejected,
        }
    }
}

impl<'a> Frame<'a> {
    /// A request, taken out of its envelope.
    pub(super) fn request(bytes: &'a [u8]) -> Option<Self> {
        let frame = Self::plain(bytes)?;
        Some(if frame.code == SIGNED { frame.opened().unwrap_or(frame) } else { frame })
    }

    /// A response; one to a signed request is signed, too.
    pub(super) fn response(bytes: &'a [u8], to_signed: bool) -> Option<Self> {
        let frame = Self::plain(bytes)?;
        Some(if to_signed { frame.opened().unwrap_or(frame) } else { frame })
    }

    /// What a response says, if it is one.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        Verdict::of(self.code)
    }

    fn plain(bytes: &'a [u8]) -> Option<Self> {
        match bytes {
            [_key, code, data @ ..] => Some(Self { code: *code, data, is_signed: false }),
            _ => None,
        }
    }

    /// What is in the envelope: a magic byte, a signature of 32 bytes, and a whole message with its own 0x5A.
    fn opened(&self) -> Option<Self> {
        let (_magic, rest) = self.data.split_first()?;
        let (_signature, inner) = rest.split_at_checked(SIGNATURE)?;
        match inner {
            [pdu::UMAS, message @ ..] => Some(Self { is_signed: true, ..Self::plain(message)? }),
            _ => None,
        }
    }
}

/// Whether the bytes behind function 90 are a response: no request has these codes.
pub(in super::super) fn is_response(bytes: &[u8]) -> bool {
    Frame::plain(bytes).is_some_and(|frame| frame.verdict().is_some())
}

const SIGNED: u8 = 0x38;
const SUCCESS: u8 = 0xFE;
const ERROR: u8 = 0xFD;
/// Bytes.
const SIGNATURE: usize = 32;
