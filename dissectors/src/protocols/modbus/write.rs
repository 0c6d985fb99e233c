//! What a request writes, in the words of the operations table.

use super::pdu::{
    MASK_WRITE_REGISTER, Pdu, READ_WRITE_REGISTERS, WRITE_MULTIPLE_COILS, WRITE_MULTIPLE_REGISTERS, WRITE_SINGLE_COIL,
    WRITE_SINGLE_REGISTER,
};
use compact_str::{CompactString, ToCompactString, format_compact};

/// The coils or registers that a request writes, by their addresses in the PDU, which count from zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    table: Table,
    address: u16,
    quantity: u16,
    first: Option<Written>,
}

#[derive(Clone, Copy, Debug)]
enum Table {
    Coils,
    Registers,
}

#[derive(Clone, Copy, Debug)]
enum Written {
    Bit(bool),
    Number(u16),
    Mask { and: u16, or: u16 },
}

impl Write {
    /// What a request of whole structure writes, if it writes at all.
    pub(super) fn of(request: &Pdu<'_>) -> Option<Self> {
        let data = request.data;
        match request.function {
            WRITE_SINGLE_COIL => Self::one(Table::Coils, data, coil),
            WRITE_SINGLE_REGISTER => Self::one(Table::Registers, data, number),
            MASK_WRITE_REGISTER => Self::one(Table::Registers, data, mask),
            WRITE_MULTIPLE_COILS => Self::many(Table::Coils, data, bit),
            WRITE_MULTIPLE_REGISTERS => Self::many(Table::Registers, data, number),
            READ_WRITE_REGISTERS => Self::many(Table::Registers, data.get(4..)?, number),
            _ => None,
        }
    }

    fn one(table: Table, data: &[u8], written: fn(&[u8]) -> Option<Written>) -> Option<Self> {
        Some(Self { table, address: word(data)?, quantity: 1, first: written(data.get(2..)?) })
    }

    fn many(table: Table, data: &[u8], written: fn(&[u8]) -> Option<Written>) -> Option<Self> {
        let (address, quantity) = (word(data)?, word(data.get(2..)?)?);
        Some(Self { table, address, quantity, first: written(data.get(5..)?) })
    }

    /// `coil 12`, `registers 40-49`.
    pub(super) fn target(&self) -> CompactString {
        let Self { address, quantity, .. } = *self;
        let last = u32::from(address).saturating_add(u32::from(quantity)).saturating_sub(1);
        match (self.table, quantity) {
            (Table::Coils, 0 | 1) => format_compact!("coil {address}"),
            (Table::Coils, _) => format_compact!("coils {address}-{last}"),
            (Table::Registers, 0 | 1) => format_compact!("register {address}"),
            (Table::Registers, _) => format_compact!("registers {address}-{last}"),
        }
    }

    /// The first value: `on`, `1500`, `and 0x00f2 or 0x0025`.
    pub(super) fn value(&self) -> Option<CompactString> {
        self.first.map(|written| match written {
            Written::Bit(true) => CompactString::const_new("on"),
            Written::Bit(false) => CompactString::const_new("off"),
            Written::Number(number) => number.to_compact_string(),
            Written::Mask { and, or } => format_compact!("and {and:#06x} or {or:#06x}"),
        })
    }
}

/// The value of Write Single Coil: 0xFF00 is on, 0 is off, any other is against the standard and kept as it is (6.5).
fn coil(data: &[u8]) -> Option<Written> {
    word(data).map(|value| match value {
        0xFF00 => Written::Bit(true),
        0 => Written::Bit(false),
        other => Written::Number(other),
    })
}

fn bit(data: &[u8]) -> Option<Written> {
    data.first().map(|byte| Written::Bit(byte & 1 == 1))
}

fn number(data: &[u8]) -> Option<Written> {
    word(data).map(Written::Number)
}

fn mask(data: &[u8]) -> Option<Written> {
    Some(Written::Mask { and: word(data)?, or: word(data.get(2..)?)? })
}

fn word(data: &[u8]) -> Option<u16> {
    data.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}
