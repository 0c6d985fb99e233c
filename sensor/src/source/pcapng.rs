//! The pcapng format, as draft-ietf-opsawg-pcapng describes it: several sections, each with its own interfaces.
//!
//! Read: section headers, interface descriptions (link type, snap length, `if_tsresol`, `if_tsoffset`), enhanced, simple
//! and obsolete packet blocks, interface statistics (`isb_ifdrop`, `isb_osdrop`). Every other block is passed over by its
//! length, which is all that is known of it. What an interface says of its filter is no loss and tells nothing.

use super::capture_file::{Damage, Drops, Frame, Step};
use super::pcap::Order;
use dissectors::Timestamp;
use dissectors::packet::LinkType;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// Type and length before a block's body, the length again behind it.
const BLOCK_FRONT: usize = 8;
const BLOCK_FRAME: usize = 12;
/// Longer blocks are lies: libpcap and Wireshark refuse them too.
const LONGEST: usize = 1 << 24;
/// What other writers put into captures: name resolution, systemd's journal, decryption secrets, custom blocks.
const OTHERS: [u32; 5] = [4, 9, 10, 0xbad, 0x4000_0bad];
/// More interfaces than any capture has; the list is bounded by this.
const MOST_INTERFACES: usize = 65_536;

/// Whether some bytes start with a section header block.
pub(super) fn is_section(front: &[u8]) -> bool {
    front.starts_with(&SECTION.to_be_bytes()) && order_of(front).is_some()
}

/// Whether some bytes are the beginning of a section header block, too short to tell its byte order.
pub(super) fn is_stump(front: &[u8]) -> bool {
    front.starts_with(&SECTION.to_be_bytes()) && front.len() < BLOCK_FRAME
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
    /// What it has said that it dropped.
    drops: Drops,
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
    /// What the interfaces of all sections dropped.
    drops: Drops,
    at: usize,
}

impl Default for Walk {
    fn default() -> Self {
        let (order, last, drops) = (Order::Little, Timestamp::default(), Drops::default());
        Self { order, interfaces: Vec::new(), snaplen: 0, last, drops, at: 0 }
    }
}

/// A block's type, and where its body stands.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    start: usize,
    end: usize,
}

impl Block {
    fn next(&self) -> usize {
        self.end + 4
    }
}

/// Why a block is not read.
enum Fault {
    /// So many bytes are needed.
    Cut(usize),
    /// Its frame does not hold.
    Frame(&'static str),
    /// Its frame holds, what is within does not.
    Body(&'static str),
}

impl Walk {
    pub(super) fn snaplen(&self) -> u32 {
        self.snaplen
    }

    pub(super) fn drops(&self) -> Drops {
        self.drops
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    /// From where on the bytes are needed still. A block that was read had two lengths that agreed.
    pub(super) fn kept_from(&self) -> usize {
        self.at
    }

    /// So many bytes before are gone.
    pub(super) fn forget(&mut self, count: usize) {
        self.at -= count;
    }

    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        while self.at < bytes.len() {
            let at = self.at;
            let fault = match self.frame_of(bytes) {
                Ok(block) => match self.block(bytes, block) {
                    Ok(frame) => {
                        self.at = block.next();
                        match frame {
                            Some(frame) => return Step::Frame(frame),
                            None => continue,
                        }
                    }
                    Err(what) => {
                        // The block's two lengths agree: the next one is certain.
                        self.at = block.next();
                        Fault::Body(what)
                    }
                },
                Err(fault) => fault,
            };
            return match fault {
                Fault::Cut(needed) => Step::Cut { what: CUT, needed },
                Fault::Frame(what) => Step::Damaged(Damage::at(what, at)),
                Fault::Body(what) => Step::Damaged(Damage { bytes: (self.at - at) as u64, ..Damage::at(what, at) }),
            };
        }
        Step::End
    }

    /// Reads a block; a frame if it holds one.
    fn block(&mut self, bytes: &[u8], block: Block) -> Result<Option<Frame>, &'static str> {
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
            STATISTICS => {
                self.statistics(body)?;
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
        Ok(frame)
    }

    /// A block's type and body. A section header sets the byte order before its own length is read.
    fn frame_of(&mut self, bytes: &[u8]) -> Result<Block, Fault> {
        let rest = bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(&SECTION.to_be_bytes()) {
            if rest.len() < BLOCK_FRAME {
                return Err(Fault::Cut(BLOCK_FRAME));
            }
            self.order = order_of(rest).ok_or(Fault::Frame("a section header without its byte-order magic"))?;
        }
        let (Some(kind), Some(length)) = (self.order.u32(rest, 0), self.order.u32(rest, 4)) else {
            return Err(Fault::Cut(BLOCK_FRONT));
        };
        let length = length as usize;
        if length < BLOCK_FRAME || !length.is_multiple_of(4) || length > LONGEST {
            return Err(Fault::Frame("a block claims a length that no block has"));
        }
        if length > rest.len() {
            return Err(Fault::Cut(length));
        }
        if self.order.u32(rest, length - 4) != self.order.u32(rest, 4) {
            return Err(Fault::Frame("a block ends with another length than it begins with"));
        }
        Ok(Block { kind, start: self.at + BLOCK_FRONT, end: self.at + length - 4 })
    }

    /// Where the blocks go on behind damage: the first place from which two whole blocks follow each other, or from which
    /// blocks fill the capture to its end.
    pub(super) fn footing(&self, bytes: &[u8], is_all: bool) -> Option<usize> {
        (self.at + 1..bytes.len()).find(|at| self.chain(bytes, *at, is_all).is_some())
    }

    fn chain(&self, bytes: &[u8], mut at: usize, is_all: bool) -> Option<()> {
        for _ in 0..2 {
            let rest = bytes.get(at..)?;
            let kind = self.order.u32(rest, 0)?;
            if kind == SECTION {
                // It brings its own order of bytes.
                return order_of(rest).map(|_| ());
            }
            if !(INTERFACE..=ENHANCED_PACKET).contains(&kind) && !OTHERS.contains(&kind) {
                return None;
            }
            let length = self.order.u32(rest, 4)? as usize;
            let is_block = length >= BLOCK_FRAME && length.is_multiple_of(4) && length <= LONGEST;
            if !is_block || self.order.u32(rest, length - 4) != self.order.u32(rest, 4) {
                return None;
            }
            at += length;
            if at == bytes.len() && is_all {
                return Some(());
            }
        }
        Some(())
    }

    fn interface(&mut self, body: &[u8]) -> Result<(), &'static str> {
        const CUT: &str = "an interface description is cut short";
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err("more interfaces than any capture has");
        }
        let link_type = LinkType::from_number(u32::from(self.order.u16(body, 0).ok_or(CUT)?));
        let snaplen = self.order.u32(body, 4).ok_or(CUT)?;
        let (resolution, drops) = (Resolution::MICROSECONDS, Drops::default());
        let mut interface = Interface { link_type, snaplen, resolution, offset_seconds: 0, drops };
        self.options(body.get(8..).unwrap_or_default(), &mut interface);
        self.snaplen = self.snaplen.max(snaplen);
        self.interfaces.push(interface);
        Ok(())
    }

    /// Reads the options that matter to time.
    fn options(&self, options: &[u8], interface: &mut Interface) {
        const RESOLUTION: u16 = 9;
        const OFFSET: u16 = 14;
        for (code, value) in self.options_of(options) {
            match (code, value) {
                (RESOLUTION, [value, ..]) => interface.resolution = Resolution::from_option(*value),
                (OFFSET, value) => interface.offset_seconds = self.u64(value).map_or(0, u64::cast_signed),
                _ => {}
            }
        }
    }

    /// What an interface dropped since the capture began; its last word holds. A value that falls has begun anew.
    fn statistics(&mut self, body: &[u8]) -> Result<(), &'static str> {
        const CUT: &str = "interface statistics are cut short";
        const BY_INTERFACE: u16 = 5;
        const BY_KERNEL: u16 = 7;
        let interface = self.order.u32(body, 0).ok_or(CUT)?;
        let mut said = Drops::default();
        for (code, value) in self.options_of(body.get(12..).ok_or(CUT)?) {
            match code {
                BY_INTERFACE => said.interface = self.u64(value),
                BY_KERNEL => said.kernel = self.u64(value),
                _ => {}
            }
        }
        let known = self.interfaces.get_mut(interface as usize);
        let known = known.ok_or("statistics of an interface that was not described")?;
        for (total, known, said) in [
            (&mut self.drops.interface, &mut known.drops.interface, said.interface),
            (&mut self.drops.kernel, &mut known.drops.kernel, said.kernel),
        ] {
            let Some(said) = said else { continue };
            let before = known.replace(said).unwrap_or(0);
            let since = if said < before { said } else { said - before };
            *total = Some(total.unwrap_or(0).saturating_add(since));
        }
        Ok(())
    }

    /// Codes and values of a list of options, up to its end or to where it breaks.
    fn options_of<'a>(&self, mut options: &'a [u8]) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let order = self.order;
        std::iter::from_fn(move || {
            let (code, length) = (order.u16(options, 0)?, usize::from(order.u16(options, 2)?));
            let value = options.get(4..4 + length)?;
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
            (code != 0).then_some((code, value))
        })
    }

    /// A number of eight bytes, and of no other length.
    fn u64(&self, value: &[u8]) -> Option<u64> {
        let eight = *<&[u8; 8]>::try_from(value).ok()?;
        Some(match self.order {
            Order::Little => u64::from_le_bytes(eight),
            Order::Big => u64::from_be_bytes(eight),
        })
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

const CUT: &str = "the last block is cut short";
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
    fn a_block_that_contradicts_itself_costs_only_itself() {
        let order = Order::Little;
        let wrong = packet(order, 4, 1);
        let bytes = [section(order), wrong.clone(), interface(order, 6), packet(order, 0, 2)].concat();
        let mut walk = Walk::default();
        let what = "a packet names an interface that was not described";
        let damage = Damage { bytes: wrong.len() as u64, ..Damage::at(what, 28) };
        assert_eq!(walk.step(&bytes), Step::Damaged(damage));
        assert!(matches!(walk.step(&bytes), Step::Frame(_)));
        assert_eq!(walk.step(&bytes), Step::End);
    }

    #[test]
    fn two_lengths_that_differ_are_damage_and_blocks_go_on_behind() {
        let order = Order::Big;
        let mut wrong = packet(order, 0, 1);
        let end = wrong.len() - 1;
        wrong[end] ^= 4;
        let front = [section(order), interface(order, 6)].concat();
        let bytes = [front.clone(), wrong.clone(), packet(order, 0, 2), packet(order, 0, 3)].concat();
        let mut walk = Walk::default();
        let Step::Damaged(damage) = walk.step(&bytes) else { panic!("damaged") };
        assert_eq!((damage.at, damage.bytes), (front.len() as u64, 0));
        assert_eq!(walk.footing(&bytes, true), Some(front.len() + wrong.len()));
        assert_eq!(walk.footing(&bytes[..bytes.len() - 1], true), None, "one block proves nothing");
    }

    /// Interface, two words of time, options: received, dropped by the interface, dropped by the kernel.
    fn statistics(order: Order, interface: u32, interface_drops: u64, kernel_drops: u64) -> Vec<u8> {
        let mut body = words(order, &[interface, 0, 0]);
        for (code, value) in [(4, 99), (5, interface_drops), (7, kernel_drops)] {
            let [high, low] = [(value >> 32) as u32, value as u32];
            let number = if order == Order::Little { [low, high] } else { [high, low] };
            let head: u32 = if order == Order::Little { code | 8 << 16 } else { code << 16 | 8 };
            body.extend(words(order, &[head, number[0], number[1]]));
        }
        block(order, STATISTICS, &body)
    }

    #[test]
    fn statistics_are_sums_since_the_beginning_of_each_section_and_interface() {
        let mut bytes = Vec::new();
        for order in [Order::Little, Order::Big] {
            bytes.extend([section(order), interface(order, 6), interface(order, 6)].concat());
            bytes.extend(statistics(order, 0, 1, 10));
            bytes.extend(statistics(order, 0, 3, 30));
            bytes.extend(statistics(order, 1, 5, 1 << 32));
        }
        let mut walk = Walk::default();
        assert_eq!(walk.drops(), Drops::default(), "nobody said anything");
        assert_eq!(walk.step(&bytes), Step::End);
        let (interface, kernel) = (Some(2 * (3 + 5)), Some(2 * (30 + (1 << 32))));
        assert_eq!(walk.drops(), Drops { interface, kernel });
        bytes.extend(statistics(Order::Big, 7, 1, 1));
        assert!(matches!(walk.step(&bytes), Step::Damaged(damage) if damage.what.contains("not described")));
    }
}
