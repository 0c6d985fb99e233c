//! The pcapng format, as draft-ietf-opsawg-pcapng describes it: several sections, each with its own interfaces.
//!
//! Read: section headers, interface descriptions (link type, snap length, `if_tsresol`, `if_tsoffset`), enhanced, simple
//! and obsolete packet blocks. Every other block is passed over by its length.

use super::capture_file::{Damage, Frame, Step};
use super::pcap::Order;
use dissectors::Timestamp;
use dissectors::packet::LinkType;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Type and length before a block's body, the length again behind it.
const BLOCK_FRONT: usize = 8;
const BLOCK_FRAME: usize = 12;
/// More interfaces than any capture has; the list is bounded by this.
const MOST_INTERFACES: usize = 65_536;

/// Whether some bytes start with a section header block.
pub(super) fn is_section(front: &[u8]) -> bool {
    front.starts_with(&SECTION.to_be_bytes()) && order_of(front).is_some()
}

/// The byte order that a section's magic tells.
fn order_of(block: &[u8]) -> Option<Order> {
    match *block.get(BLOCK_FRONT..)?.first_chunk::<4>()? {
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(Order::Little),
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(Order::Big),
        _ => None,
    }
}

/// What an interface description says.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: LinkType,
    snaplen: u32,
    /// Ticks per second.
    resolution: Resolution,
    offset_seconds: i64,
}

/// How fine an interface's time stamps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Resolution {
    ticks_per_second: u64,
}

impl Resolution {
    const MICROSECONDS: Self = Self { ticks_per_second: 1_000_000 };

    /// From `if_tsresol`: a power of ten, or of two with the highest bit set. Finer than 64 bits can count is taken as
    /// the finest that they can.
    fn from_option(value: u8) -> Self {
        let exponent = u32::from(value & 0x7f);
        let base: u64 = if value & 0x80 == 0 { 10 } else { 2 };
        Self { ticks_per_second: base.checked_pow(exponent).unwrap_or(u64::MAX) }
    }

    fn time(self, ticks: u64, offset_seconds: i64) -> Timestamp {
        const NANOS: i128 = 1_000_000_000;
        let nanos = i128::from(ticks) * NANOS / i128::from(self.ticks_per_second.max(1));
        let nanos = nanos + i128::from(offset_seconds) * NANOS;
        let nearest = if nanos < 0 { i64::MIN } else { i64::MAX };
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(nearest))
    }
}

/// A walk over a pcapng file.
#[derive(Clone, Debug)]
pub struct Walk {
    order: Order,
    interfaces: Vec<Interface>,
    snaplen: u32,
    /// The time of the last packet: simple packet blocks have none of their own.
    last: Timestamp,
    at: usize,
}

impl Default for Walk {
    fn default() -> Self {
        Self { order: Order::Little, interfaces: Vec::new(), snaplen: 0, last: Timestamp::default(), at: 0 }
    }
}

/// A block's type, and where its body stands.
struct Block {
    kind: u32,
    start: usize,
    end: usize,
}

impl Walk {
    pub(super) fn snaplen(&self) -> u32 {
        self.snaplen
    }

    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        while self.at < bytes.len() {
            match self.block(bytes) {
                Ok(Some(frame)) => return Step::Frame(frame),
                Ok(None) => {}
                Err(what) => return Step::Damaged(Damage { what, at: self.at }),
            }
        }
        Step::End
    }

    /// Reads the next block and moves behind it; a frame if it holds one.
    fn block(&mut self, bytes: &[u8]) -> Result<Option<Frame>, &'static str> {
        let block = self.frame_of(bytes)?;
        let next = block.end + 4;
        let body = bytes.get(block.start..block.end).unwrap_or_default();
        let frame = match block.kind {
            SECTION => {
                self.interfaces.clear();
                None
            }
            INTERFACE => {
                self.interface(body)?;
                None
            }
            ENHANCED_PACKET => Some(self.enhanced(body, block.start)?),
            OBSOLETE_PACKET => Some(self.obsolete(body, block.start)?),
            SIMPLE_PACKET => Some(self.simple(body, block.start)?),
            _ => None,
        };
        if let Some(frame) = &frame {
            self.last = frame.time;
        }
        self.at = next;
        Ok(frame)
    }

    /// A block's type and body. A section header sets the byte order before its own length is read.
    fn frame_of(&mut self, bytes: &[u8]) -> Result<Block, &'static str> {
        const CUT: &str = "the last block is cut short";
        let rest = bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(&SECTION.to_be_bytes()) {
            self.order = order_of(rest).ok_or("a section header without its byte-order magic")?;
        }
        let kind = self.order.u32(rest, 0).ok_or(CUT)?;
        let length = self.order.u32(rest, 4).ok_or(CUT)? as usize;
        if length < BLOCK_FRAME || !length.is_multiple_of(4) {
            return Err("a block claims a length that no block has");
        }
        if length > rest.len() {
            return Err(CUT);
        }
        Ok(Block { kind, start: self.at + BLOCK_FRONT, end: self.at + length - 4 })
    }

    fn interface(&mut self, body: &[u8]) -> Result<(), &'static str> {
        const CUT: &str = "an interface description is cut short";
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err("more interfaces than any capture has");
        }
        let link_type = LinkType::from_number(u32::from(self.order.u16(body, 0).ok_or(CUT)?));
        let snaplen = self.order.u32(body, 4).ok_or(CUT)?;
        let mut interface = Interface { link_type, snaplen, resolution: Resolution::MICROSECONDS, offset_seconds: 0 };
        self.options(body.get(8..).unwrap_or_default(), &mut interface);
        self.snaplen = self.snaplen.max(snaplen);
        self.interfaces.push(interface);
        Ok(())
    }

    /// Reads the options that matter to time; broken options end the list.
    fn options(&self, mut options: &[u8], interface: &mut Interface) {
        const RESOLUTION: u16 = 9;
        const OFFSET: u16 = 14;
        while let (Some(code), Some(length)) = (self.order.u16(options, 0), self.order.u16(options, 2)) {
            let length = usize::from(length);
            let Some(value) = options.get(4..4 + length) else { return };
            match (code, value) {
                (0, _) => return,
                (RESOLUTION, [value, ..]) => interface.resolution = Resolution::from_option(*value),
                (OFFSET, [_, _, _, _, _, _, _, _]) => {
                    let (first, second) = (self.order.u32(value, 0), self.order.u32(value, 4));
                    let (low, high) = if self.order == Order::Little { (first, second) } else { (second, first) };
                    let bits = u64::from(high.unwrap_or(0)) << 32 | u64::from(low.unwrap_or(0));
                    interface.offset_seconds = bits.cast_signed();
                }
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        }
    }

    fn of(&self, interface: u32) -> Result<Interface, &'static str> {
        let interface = self.interfaces.get(interface as usize).copied();
        interface.ok_or("a packet names an interface that was not described")
    }

    fn enhanced(&self, body: &[u8], start: usize) -> Result<Frame, &'static str> {
        let interface = self.of(self.order.u32(body, 0).ok_or(CUT_PACKET)?)?;
        self.stamped(body, start, interface)
    }

    /// The obsolete packet block differs in its first word only: interface and drops, 16 bits each.
    fn obsolete(&self, body: &[u8], start: usize) -> Result<Frame, &'static str> {
        let interface = self.of(u32::from(self.order.u16(body, 0).ok_or(CUT_PACKET)?))?;
        self.stamped(body, start, interface)
    }

    fn stamped(&self, body: &[u8], start: usize, interface: Interface) -> Result<Frame, &'static str> {
        let word = |index: usize| self.order.u32(body, index * 4).ok_or(CUT_PACKET);
        let ticks = u64::from(word(1)?) << 32 | u64::from(word(2)?);
        let (captured, wire_length) = (word(3)? as usize, word(4)?);
        let bytes = Self::place(body, start, 20, captured)?;
        let time = interface.resolution.time(ticks, interface.offset_seconds);
        let wire_length = wire_length.max(u32::try_from(captured).unwrap_or(u32::MAX));
        Ok(Frame { time, link_type: interface.link_type, bytes, wire_length })
    }

    fn simple(&self, body: &[u8], start: usize) -> Result<Frame, &'static str> {
        let interface = self.of(0)?;
        let wire_length = self.order.u32(body, 0).ok_or(CUT_PACKET)?;
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let captured = (wire_length.min(snaplen) as usize).min(body.len().saturating_sub(4));
        let bytes = Self::place(body, start, 4, captured)?;
        Ok(Frame { time: self.last, link_type: interface.link_type, bytes, wire_length })
    }

    fn place(body: &[u8], start: usize, front: usize, captured: usize) -> Result<std::ops::Range<usize>, &'static str> {
        if captured > body.len().saturating_sub(front) {
            return Err("a packet claims more bytes than its block has");
        }
        Ok(start + front..start + front + captured)
    }
}

const CUT_PACKET: &str = "a packet block is cut short";

#[cfg(test)]
mod tests {
    use super::*;

    fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
        let number = |value: u32| match order {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        };
        let mut padded = body.to_vec();
        padded.resize(body.len().next_multiple_of(4), 0);
        let length = u32::try_from(padded.len() + BLOCK_FRAME).expect("it is short");
        [&number(kind)[..], &number(length), &padded, &number(length)].concat()
    }

    fn words(order: Order, values: &[u32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| if order == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() })
            .collect()
    }

    fn section(order: Order) -> Vec<u8> {
        block(order, SECTION, &words(order, &[0x1a2b_3c4d, 0, u32::MAX, u32::MAX]))
    }

    /// Link type 1, snap length 65,535, a resolution option.
    fn interface(order: Order, resolution: u8) -> Vec<u8> {
        let half = |value: u16| if order == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        let body =
            [&half(1)[..], &[0, 0], &words(order, &[65_535]), &half(9), &half(1), &[resolution, 0, 0, 0], &[0; 4]];
        block(order, INTERFACE, &body.concat())
    }

    fn packet(order: Order, interface: u32, ticks: u32) -> Vec<u8> {
        let body = [words(order, &[interface, 0, ticks, 3, 60]), b"abc".to_vec()].concat();
        block(order, ENHANCED_PACKET, &body)
    }

    fn frames(bytes: &[u8]) -> (Vec<(i64, Vec<u8>)>, Step) {
        let (mut walk, mut frames) = (Walk::default(), Vec::new());
        loop {
            match walk.step(bytes) {
                Step::Frame(frame) => frames.push((frame.time.nanos(), bytes[frame.bytes].to_vec())),
                end => return (frames, end),
            }
        }
    }

    #[test]
    fn sections_of_both_orders_with_interfaces_of_different_clocks() {
        let mut bytes = Vec::new();
        for order in [Order::Little, Order::Big] {
            bytes.extend(section(order));
            bytes.extend(interface(order, 9));
            bytes.extend(block(order, 0x0bad, b"unknown blocks are passed over"));
            bytes.extend(interface(order, 0x80 | 1)); // half seconds
            bytes.extend(packet(order, 0, 5));
            bytes.extend(packet(order, 1, 5));
            bytes.extend(block(order, SIMPLE_PACKET, &[&words(order, &[3])[..], b"xyz"].concat()));
        }
        let (frames, end) = frames(&bytes);
        let times: Vec<i64> = frames.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, [5, 2_500_000_000, 2_500_000_000, 5, 2_500_000_000, 2_500_000_000]);
        assert_eq!((frames[2].1.as_slice(), end), (&b"xyz"[..], Step::End));
    }

    #[test]
    fn times_beyond_all_years_are_the_nearest_that_can_be_told() {
        let nanos = |ticks, offset| Resolution::MICROSECONDS.time(ticks, offset).nanos();
        assert_eq!(nanos(5, -1), -999_995_000);
        assert_eq!(nanos(0, i64::MIN), i64::MIN);
        assert_eq!(nanos(u64::MAX, i64::MAX), i64::MAX);
    }

    #[test]
    fn every_cut_tells_a_prefix_and_never_panics() {
        let order = Order::Little;
        let bytes = [section(order), interface(order, 6), packet(order, 0, 1), packet(order, 0, 2)].concat();
        let (whole, _) = frames(&bytes);
        for length in 12..bytes.len() {
            let (part, _) = frames(&bytes[..length]);
            assert!(whole.starts_with(&part), "{length}");
        }
    }

    #[test]
    fn an_interface_that_was_not_described_is_damage_with_its_place() {
        let order = Order::Little;
        let bytes = [section(order), packet(order, 4, 1)].concat();
        assert!(matches!(frames(&bytes).1, Step::Damaged(Damage { at: 28, .. })), "{:?}", frames(&bytes));
    }
}
