//! Frames as a pcapng file (draft-ietf-opsawg-pcapng): one section, an interface for each capture and link type, times in
//! nanoseconds, and a comment on each frame.

use crate::source::Frame;
use dissectors::packet::LinkType;
use std::io::{self, Write};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// Options, by their numbers.
const COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const APPLICATION: u16 = 4;
const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;

/// Seconds by which times before 1970 are moved: times of the format have no sign.
const BEFORE_1970: i64 = -(i64::MAX / NANOS) - 1;
const NANOS: i64 = 1_000_000_000;

/// Writes a pcapng file.
pub(super) struct Writer<W: Write> {
    out: W,
    interfaces: Vec<(String, LinkType, i64)>,
}

impl<W: Write> Writer<W> {
    /// A file that says what it is.
    pub(super) fn new(out: W, comment: &str) -> io::Result<Self> {
        let mut writer = Self { out, interfaces: Vec::new() };
        let mut body = [0x1a2b_3c4d_u32.to_le_bytes(), [1, 0, 0, 0]].concat();
        body.extend(u64::MAX.to_le_bytes());
        option(&mut body, COMMENT, comment.as_bytes());
        option(&mut body, APPLICATION, concat!("otoscope ", env!("CARGO_PKG_VERSION")).as_bytes());
        end_of_options(&mut body);
        writer.block(SECTION, &body)?;
        Ok(writer)
    }

    /// A frame of a capture as it was: its time, its bytes, its length on the wire.
    pub(super) fn frame(&mut self, capture: &str, frame: &Frame, bytes: &[u8], comment: &str) -> io::Result<()> {
        let nanos = frame.time.nanos();
        let offset = if nanos < 0 { BEFORE_1970 } else { 0 };
        let interface = self.interface(capture, frame.link_type, offset)?;
        let ticks = i128::from(nanos) - i128::from(offset) * i128::from(NANOS);
        let ticks = u64::try_from(ticks).unwrap_or_default();
        let [high, low] = [(ticks >> 32) as u32, ticks as u32];
        let mut body = Vec::with_capacity(bytes.len() + comment.len() + 64);
        for word in [interface, high, low, length(bytes), frame.wire_length] {
            body.extend(word.to_le_bytes());
        }
        padded(&mut body, bytes);
        option(&mut body, COMMENT, comment.as_bytes());
        end_of_options(&mut body);
        self.block(ENHANCED_PACKET, &body)
    }

    /// Everything is written.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The number of an interface, which is described when its first frame comes.
    fn interface(&mut self, capture: &str, link_type: LinkType, offset: i64) -> io::Result<u32> {
        let is_it = |known: &(String, LinkType, i64)| known.0 == capture && (known.1, known.2) == (link_type, offset);
        if let Some(place) = self.interfaces.iter().position(is_it) {
            return Ok(place as u32);
        }
        let mut body = (link_type.number() as u16).to_le_bytes().to_vec();
        // No snap length of its own: the frames say what was cut off.
        body.extend([0; 6]);
        option(&mut body, INTERFACE_NAME, capture.as_bytes());
        option(&mut body, RESOLUTION, &[9]);
        if offset != 0 {
            option(&mut body, OFFSET, &offset.to_le_bytes());
        }
        end_of_options(&mut body);
        self.block(INTERFACE, &body)?;
        self.interfaces.push((capture.to_owned(), link_type, offset));
        Ok((self.interfaces.len() - 1) as u32)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let length = (length(body) + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].iter().try_for_each(|part| self.out.write_all(part))
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Bytes up to the next multiple of four.
fn padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    // A text too long for its length is cut between letters.
    let value = match std::str::from_utf8(value) {
        Ok(text) => &value[..text.floor_char_boundary(usize::from(u16::MAX))],
        Err(_) => value,
    };
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    padded(body, value);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Step, Walk};
    use dissectors::Timestamp;

    /// What is written is read again by our own reader: times to the nanosecond, before 1970 too.
    #[test]
    fn what_is_written_is_read_again() {
        let frames = [
            (7, LinkType::Ethernet, "one.pcap", &b"abc"[..], 60),
            (-1, LinkType::Ethernet, "one.pcap", b"", 9),
            (i64::MIN, LinkType::Ethernet, "one.pcap", b"early", 5),
            (i64::MAX, LinkType::Raw, "two.pcap", b"late", 4),
            (1_700_000_000_123_456_789, LinkType::Other(147), "two.pcap", b"abcde", 5),
        ];
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, "why").expect("a vector takes all");
        for (nanos, link_type, capture, bytes, wire_length) in frames {
            let frame = Frame { time: Timestamp::from_nanos(nanos), link_type, bytes: 0..bytes.len(), wire_length };
            writer.frame(capture, &frame, bytes, "a comment").expect("a vector takes all");
        }
        writer.finish().expect("a vector takes all");
        let mut walk = Walk::begin(&file).expect("it is a capture");
        for (nanos, link_type, _, bytes, wire_length) in frames {
            let Step::Frame(frame) = walk.step(&file) else { panic!("a frame of {nanos}") };
            assert_eq!((frame.time.nanos(), frame.link_type, frame.wire_length), (nanos, link_type, wire_length));
            assert_eq!(&file[frame.bytes], bytes);
        }
        assert_eq!(walk.step(&file), Step::End);
        // Interfaces: one.pcap since 1970 and before, two.pcap raw and of users.
        let names = |name: &str| file.windows(name.len()).filter(|part| *part == name.as_bytes()).count();
        assert_eq!((names("one.pcap"), names("two.pcap"), names("a comment")), (2, 2, 5));
    }

    #[test]
    fn a_long_comment_is_cut_between_letters() {
        let mut body = Vec::new();
        option(&mut body, COMMENT, "ü".repeat(40_000).as_bytes());
        assert_eq!(u16::from_le_bytes([body[2], body[3]]), 65_534);
    }
}
