//! What a request writes, in the words of the operations table.

use super::pdu::{
    MASK_WRITE_REGISTER, Pdu, READ_WRITE_REGISTERS, WRITE_MULTIPLE_COILS, WRITE_MULTIPLE_REGISTERS, WRITE_SINGLE_COIL,
    WRITE_SINGLE_REGISTER,
};
use crate::out::Words;
use compact_str::{CompactString, format_compact};

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

    /// `coil 12`, `registers 40-49`. The function alone decides which of the two.
    pub(super) fn target(&self) -> Words {
        let numbers = [u32::from(self.address), u32::from(self.quantity)];
        match self.table {
            Table::Coils => Words::Numbers(numbers, |coils| range("coil", coils)),
            Table::Registers => Words::Numbers(numbers, |registers| range("register", registers)),
        }
    }

    /// The first value: `on`, `1500`, `and 0x00f2 or 0x0025`.
    pub(super) fn value(&self) -> Option<Words> {
        self.first.map(|written| match written {
            Written::Bit(true) => "on".into(),
            Written::Bit(false) => "off".into(),
            Written::Number(number) => Words::number(number),
            Written::Mask { and, or } => {
                Words::Numbers([and.into(), or.into()], |[and, or]| format_compact!("and {and:#06x} or {or:#06x}"))
            }
        })
    }
}

fn range(one: &str, [address, quantity]: [u32; 2]) -> CompactString {
    match quantity {
        0 | 1 => format_compact!("{one} {address}"),
        _ => format_compact!("{one}s {address}-{}", address.saturating_add(quantity).saturating_sub(1)),
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

#[cfg(test)]
mod tests {
    use super::super::tests::story_of;

    fn acts(exchanges: &[(&str, &str)]) -> Vec<String> {
        story_of(exchanges).into_iter().filter(|line| line.contains(" write")).collect()
    }

    #[test]
    fn writes_name_their_target_by_zero_based_addresses_and_their_first_value() {
        assert_eq!(
            acts(&[
                // trans proto len  unit fc addr value
                ("0001 0000 0006 01 05 000c ff00", "0001 0000 0006 01 05 000c ff00"),
                ("0002 0000 0006 01 05 000c 0000", "0002 0000 0006 01 05 000c 0000"),
                ("0003 0000 0006 01 06 0028 05dc", "0003 0000 0006 01 06 0028 05dc"),
                // trans proto len  unit fc addr qty count values
                ("0004 0000 0009 01 0f 0000 000a 02 0d 02", "0004 0000 0006 01 0f 0000 000a"),
                ("0005 0000 000b 01 10 ffff 0002 04 000a 0014", "0005 0000 0006 01 10 ffff 0002"),
                ("0006 0000 0009 01 10 0014 0001 02 000a", "0006 0000 0006 01 10 0014 0001"),
                // trans proto len  unit fc addr and or
                ("0007 0000 0008 01 16 0004 00f2 0025", "0007 0000 0008 01 16 0004 00f2 0025"),
                // trans proto len  unit fc read: addr qty write: addr qty count values
                ("0008 0000 000d 01 17 0000 0001 000a 0001 02 0009", "0008 0000 0005 01 17 02 0100"),
            ]),
            [
                "A write[1] by 5: coil 12 = on, accepted (frame 1)",
                "A write[1] by 5: coil 12 = off, accepted (frame 3)",
                "A write[1] by 6: register 40 = 1500, accepted (frame 5)",
                "A write[1] by 15: coils 0-9 = on, accepted (frame 7)",
                "A write[1] by 16: registers 65535-65536 = 10, accepted (frame 9)",
                "A write[1] by 16: register 20 = 10, accepted (frame 11)",
                "A write[1] by 22: register 4 = and 0x00f2 or 0x0025, accepted (frame 13)",
                "A write[1] by 23: register 10 = 9, accepted (frame 15)",
            ]
        );
    }

    #[test]
    fn what_an_exception_makes_of_a_write_depends_on_its_code() {
        let write = "0001 0000 0006 01 06 0028 05dc";
        let outcome = |exception| acts(&[(write, exception)]).concat();
        assert_eq!(
            outcome("0001 0000 0003 01 86 02"),
            "A write[1] by 6: register 40 = 1500, rejected (illegal data address) (frame 1)"
        );
        assert_eq!(outcome("0001 0000 0003 01 86 05"), "A write[1] by 6: register 40 = 1500, accepted (frame 1)");
        assert_eq!(
            outcome("0001 0000 0003 01 86 0a"),
            "A write[1] by 6: register 40 = 1500, rejected (gateway path unavailable) (frame 1)"
        );
        assert_eq!(outcome("0001 0000 0003 01 86 0b"), "A write[1] by 6: register 40 = 1500, unanswered (frame 1)");
    }
}
