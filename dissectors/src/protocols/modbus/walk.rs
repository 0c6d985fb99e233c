//! A client that reads one stretch of addresses after another, where one at work reads the same few again and again.

use super::pdu::{READ_COILS, READ_INPUT_REGISTERS};
use crate::dissector::Field;

pub(super) static ADDRESS_WALK: Field = Field::new(
    "modbus.address_walk",
    "a client read one stretch of addresses of a unit after another: how many requests in a row, when they were many",
);

/// The last stretch, and how many went before it, each where the one before ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    /// Unit and function.
    of: (u8, u8),
    start: u16,
    end: u16,
    steps: u16,
}

impl Walk {
    /// As many requests in a row make a walk. A client at work that asks for its registers one by one comes to its first
    /// again before.
    const LONG: u16 = 200;
    /// So many addresses in a row make one too: no device that is polled has them all.
    const WIDE: u16 = 1 << 14;

    /// A request of whole structure; how long the walk is, when it has become one.
    #[inline]
    pub(super) fn step(&mut self, unit: u8, function: u8, front: [u8; 4]) -> Option<u16> {
        if !(READ_COILS..=READ_INPUT_REGISTERS).contains(&function) {
            return None;
        }
        let [high, low, count_high, count_low] = front;
        let (address, count) = (u16::from_be_bytes([high, low]), u16::from_be_bytes([count_high, count_low]));
        let goes_on = self.end == address && self.of == (unit, function) && address != 0 && count != 0;
        if !goes_on {
            *self = Self { of: (unit, function), start: address, end: address.wrapping_add(count), steps: 0 };
            return None;
        }
        let was_wide = self.end.wrapping_sub(self.start) >= Self::WIDE;
        self.end = address.wrapping_add(count);
        self.steps = self.steps.saturating_add(1);
        let is_wide = self.end.wrapping_sub(self.start) >= Self::WIDE;
        (self.steps == Self::LONG || (is_wide && !was_wide)).then_some(self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MODBUS;
    use crate::dissector::Side;
    use crate::rig::{Rig, hex};

    /// What is told of a client that reads these addresses, so many each.
    fn told(addresses: impl Iterator<Item = u16>, count: u16) -> Vec<String> {
        let mut rig = Rig::tcp(&MODBUS);
        for address in addresses {
            rig.segment(Side::A, &hex(&format!("0001 0000 0006 01 03 {address:04x} {count:04x}")));
            rig.segment(Side::B, &hex("0001 0000 0003 01 83 02"));
        }
        rig.story().into_iter().filter(|line| line.contains("address_walk")).collect()
    }

    #[test]
    fn a_walk_is_told_once_however_it_goes_on() {
        assert_eq!(told(0..200, 1), [""; 0]);
        assert_eq!(told(0..400, 1), ["10.0.0.1 modbus.address_walk = 200"]);
        assert_eq!(
            told((0..500).map(|step| step * 125), 125),
            ["10.0.0.1 modbus.address_walk = 131", "10.0.0.1 modbus.address_walk = 200",]
        );
    }

    #[test]
    fn who_polls_its_registers_walks_nowhere() {
        let map = || (0..120u16).map(|step| step * 100);
        assert_eq!(told((0..20).flat_map(|_| map()), 100), [""; 0], "twelve thousand registers, round and round");
        assert_eq!(told((0..500).map(|step| step * 3), 2), [""; 0], "with holes");
        assert_eq!(told((0..300).map(|_| 7), 0), [""; 0], "nothing at all");
        assert_eq!(told((0..300).map(|step| step % 2), 1), [""; 0]);
    }
}
