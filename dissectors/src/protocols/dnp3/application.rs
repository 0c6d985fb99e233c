//! The head of an application fragment (IEEE 1815-2012, 4.2.2): control, function, and of responses the internal
//! indications. What follows are object headers.

use crate::dissector::Direction;

/// A whole application fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) control: Control,
    pub(super) function: u8,
    /// Of responses alone.
    pub(super) indications: Option<Indications>,
    /// Object headers and their data.
    pub(super) objects: &'a [u8],
}

impl<'a> Fragment<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let [control, function, rest @ ..] = bytes else { return None };
        let (indications, objects) = match rest {
            _ if *function < RESPONSE => (None, rest),
            [one, two, objects @ ..] => (Some(Indications::of(*one, *two)), objects),
            _ => return None,
        };
        Some(Self { control: Control(*control), function: *function, indications, objects })
    }

    /// Who sends it, where the function says so: a confirmation is sent by either.
    pub(super) fn direction(&self) -> Option<Direction> {
        match self.function {
            CONFIRM => None,
            function if function < RESPONSE => Some(Direction::Request),
            _ => Some(Direction::Response),
        }
    }
}

/// The first byte of a fragment (4.2.2.4). Bit 6, that it is the last of its message, tells nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Control(u8);

impl Control {
    const FIR: u8 = 0x80;
    const CON: u8 = 0x20;
    const UNS: u8 = 0x10;
    const SEQUENCE: u8 = 0x0f;

    /// Whether it is the first fragment of its message.
    pub(super) fn is_first(self) -> bool {
        self.0 & Self::FIR != 0
    }

    /// Whether its sender wants to hear that it came.
    pub(super) fn wants_confirmation(self) -> bool {
        self.0 & Self::CON != 0
    }

    /// Whether it belongs to what an outstation sends unasked: a response, or its confirmation.
    pub(super) fn is_unsolicited(self) -> bool {
        self.0 & Self::UNS != 0
    }

    pub(super) fn sequence(self) -> u8 {
        self.0 & Self::SEQUENCE
    }

    /// Whether its sequence number follows another.
    pub(super) fn follows(self, sequence: u8) -> bool {
        self.sequence() == sequence.wrapping_add(1) & Self::SEQUENCE
    }
}

/// The internal indications of an outstation (4.2.2.6): IIN1 in the low byte, IIN2 in the high one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Indications(pub(super) u16);

impl Indications {
    pub(super) const NEED_TIME: u16 = 1 << 4;
    pub(super) const LOCAL_CONTROL: u16 = 1 << 5;
    pub(super) const DEVICE_TROUBLE: u16 = 1 << 6;
    pub(super) const DEVICE_RESTART: u16 = 1 << 7;
    const FUNCTION_NOT_SUPPORTED: u16 = 1 << 8;
    const OBJECT_UNKNOWN: u16 = 1 << 9;
    const PARAMETER_ERROR: u16 = 1 << 10;
    pub(super) const EVENT_BUFFER_OVERFLOW: u16 = 1 << 11;
    const ALREADY_EXECUTING: u16 = 1 << 12;
    pub(super) const CONFIGURATION_CORRUPT: u16 = 1 << 13;

    const REFUSALS: u16 =
        Self::FUNCTION_NOT_SUPPORTED | Self::OBJECT_UNKNOWN | Self::PARAMETER_ERROR | Self::ALREADY_EXECUTING;

    fn of(one: u8, two: u8) -> Self {
        Self(u16::from_le_bytes([one, two]))
    }

    /// Whether they refuse what was asked.
    pub(super) fn refuse(self) -> bool {
        self.0 & Self::REFUSALS != 0
    }
}

// Functions (table 4-2), by which messages are told apart here. What each does: `command`.
pub(super) const CONFIRM: u8 = 0;
pub(super) const RESPONSE: u8 = 129;
pub(super) const UNSOLICITED_RESPONSE: u8 = 130;
pub(super) const AUTHENTICATION_RESPONSE: u8 = 131;
