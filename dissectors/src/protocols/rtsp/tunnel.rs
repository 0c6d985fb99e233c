//! RTSP within HTTP: the answer to a GET goes on as what the server sends, the body of a POST, in Base64, is what the client
//! sends. The two are connections of their own, and a cookie joins them. No standard; `QuickTime` began it, and ONVIF asks
//! for it (Streaming specification, 5.1.1.4). Over a WebSocket (5.1.1.5) both come in one connection, in frames.

use super::Asked;
use crate::dialect::Dialect;
use crate::dissector::Side;
use crate::head::Head;
use crate::out::Out;
use crate::reader::{Reader, Stop};

/// What starts a tunnel.
pub(super) static DIALECT: Dialect =
    Dialect { version: b"HTTP/1.#", preface: None, methods: "GET POST", targets: &["/"] };

/// One of the two connections, by what they have in common. What is asked in one is answered in the other: it goes there by
/// notes. The cookie itself is not told: it stands for a login.
pub(super) struct Tunnel(Box<[u8]>);

impl Tunnel {
    pub(super) fn of(head: &Head<'_>) -> Self {
        let cookie = head.value("x-sessioncookie").unwrap_or_default();
        Self(cookie.get(..LONGEST_COOKIE).unwrap_or(&cookie).into())
    }

    /// The server's answers come here.
    pub(super) fn answer_here(&self, server: Side, out: &mut Out<'_>) {
        if !self.0.is_empty() {
            out.leave(server, ANSWERS, &self.0, ());
        }
    }

    /// Whether the other connection, to which the answers come, was seen.
    pub(super) fn is_answered_elsewhere(&self, server: Side, out: &Out<'_>) -> bool {
        out.note::<()>(server, ANSWERS, &self.0).is_some()
    }

    /// What was asked goes to where it is answered. Without a number no answer would find it.
    pub(super) fn send(&self, server: Side, asked: Asked, out: &mut Out<'_>) {
        if let Some(number) = asked.number {
            out.leave(server, REQUEST, &self.numbered(number), asked);
        }
    }

    /// What was asked under this number.
    pub(super) fn receive(&self, server: Side, number: u32, out: &mut Out<'_>) -> Option<Asked> {
        out.take_note(server, REQUEST, &self.numbered(number))
    }

    fn numbered(&self, number: u32) -> Vec<u8> {
        [&self.0, &number.to_be_bytes()[..]].concat()
    }
}

/// What is wrapped into something else, as it comes out.
#[derive(Default)]
pub(super) struct Decoder {
    wrapping: Wrapping,
    /// The front of a message whose rest has not come yet.
    pub(super) left: Vec<u8>,
    /// So many bytes of what comes belong to a body.
    pub(super) body: u64,
    /// Whether that body is read.
    pub(super) is_read: bool,
}

/// How it is wrapped.
#[derive(Clone, Copy)]
enum Wrapping {
    /// Base64 (RFC 4648, 4): bits, and how many of them are here: 0, 6, 12 or 18.
    Base64(u32, u8),
    /// Frames of a WebSocket: the mask of the one under way (RFC 6455, 5.3), turned as far as it is used.
    Socket([u8; 4]),
}

impl Default for Wrapping {
    fn default() -> Self {
        Self::Base64(0, 0)
    }
}

impl Decoder {
    /// Of a WebSocket.
    pub(super) fn of_socket() -> Self {
        Self { wrapping: Wrapping::Socket([0; 4]), ..Self::default() }
    }

    /// A frame of the WebSocket begins; one without a mask has zeros.
    pub(super) fn begin(&mut self, mask: [u8; 4]) {
        self.wrapping = Wrapping::Socket(mask);
    }

    /// Forgets what was begun.
    pub(super) fn cut(&mut self) {
        let wrapping = match self.wrapping {
            Wrapping::Base64(..) => Wrapping::default(),
            socket @ Wrapping::Socket(_) => socket,
        };
        *self = Self { wrapping, ..Self::default() };
    }

    /// The next piece. Of Base64 each request may be padded for itself, and what is no letter is passed over.
    pub(super) fn take(&mut self, piece: &[u8]) {
        match &mut self.wrapping {
            Wrapping::Base64(..) => {
                for letter in piece {
                    match value_of(*letter) {
                        Some(value) => self.push(value),
                        None if *letter == b'=' => self.wrapping = Wrapping::default(),
                        None => {}
                    }
                }
            }
            Wrapping::Socket(mask) => {
                // Video is passed over as it stands.
                let chaff = if self.is_read { 0 } else { usize::try_from(self.body).unwrap_or(usize::MAX) };
                let (passed, rest) = piece.split_at_checked(chaff).unwrap_or((piece, &[]));
                self.body = self.body.saturating_sub(if self.is_read { 0 } else { length_of(passed) });
                mask.rotate_left(passed.len() % 4);
                let room = MOST_LEFT.saturating_sub(self.left.len());
                self.left.extend(rest.iter().zip(mask.iter().cycle()).take(room).map(|(byte, mask)| byte ^ mask));
                mask.rotate_left(rest.len() % 4);
            }
        }
    }

    fn push(&mut self, value: u8) {
        let Wrapping::Base64(bits, count) = &mut self.wrapping else { return };
        *bits = *bits << 6 | u32::from(value);
        *count = count.saturating_add(6);
        if let Some(rest) = count.checked_sub(8) {
            *count = rest;
            let byte = u8::try_from(*bits >> rest & 0xff).unwrap_or_default();
            if self.left.len() < MOST_LEFT {
                self.left.push(byte);
            }
        }
    }
}

/// The head of a frame of a WebSocket (RFC 6455, 5.2): how much follows, whether that is content, and its mask. `None` where
/// none begins: RTSP's own bytes never look like one.
pub(super) fn socket_frame(reader: &mut Reader<'_>) -> Result<Option<(u64, bool, [u8; 4])>, Stop> {
    let is_one = reader.rest().first().is_some_and(|first| matches!(first, 0x00..=0x02 | 0x80..=0x82 | 0x88..=0x8a));
    if !is_one {
        return Ok(None);
    }
    let is_content = reader.u8()? & 0x0f <= 2;
    let second = reader.u8()?;
    let length = match second & 0x7f {
        126 => u64::from(reader.u16()?),
        127 => reader.u64()?,
        short => u64::from(short),
    };
    let mask = if second & 0x80 == 0 { [0; 4] } else { reader.take(4)?.first_chunk().copied().unwrap_or_default() };
    Ok(Some((length, is_content, mask)))
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn value_of(letter: u8) -> Option<u8> {
    let at = LETTERS.iter().position(|known| *known == letter)?;
    u8::try_from(at).ok()
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ANSWERS: &str = "rtsp tunnel";
const REQUEST: &str = "rtsp request";
const LONGEST_COOKIE: usize = 128;
/// Requests are shorter; what is longer is dropped.
const MOST_LEFT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_comes_out_in_any_pieces() {
        for piece in 1..9 {
            let mut decoder = Decoder::default();
            b"T1BUSU9OUw==\r\nUExBWQ==".chunks(piece).for_each(|piece| decoder.take(piece));
            assert_eq!(decoder.left, b"OPTIONSPLAY");
        }
    }

    #[test]
    fn no_more_is_kept_than_a_request_may_be_long() {
        for mut decoder in [Decoder::default(), Decoder::of_socket()] {
            decoder.take(&vec![b'A'; 40_000]);
            assert_eq!(decoder.left.len(), MOST_LEFT);
        }
    }

    #[test]
    fn a_mask_holds_through_pieces_and_through_what_is_passed_over() {
        let masked: Vec<u8> =
            b"video and PLAY".iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        for piece in 1..15 {
            let mut decoder = Decoder::of_socket();
            decoder.begin([1, 2, 3, 4]);
            decoder.body = 10;
            masked.chunks(piece).for_each(|piece| decoder.take(piece));
            assert_eq!((decoder.left.as_slice(), decoder.body), (&b"PLAY"[..], 0), "in pieces of {piece}");
        }
    }

    #[test]
    fn heads_of_frames_are_read_in_all_their_forms() {
        let read = |bytes: &[u8]| socket_frame(&mut Reader::open(bytes, 0));
        assert_eq!(read(&[0x82, 5, b'$']), Ok(Some((5, true, [0; 4]))));
        assert_eq!(read(&[0x81, 0xfe, 1, 0, 1, 2, 3, 4]), Ok(Some((256, true, [1, 2, 3, 4]))));
        assert_eq!(read(&[0x89, 0x7f, 0, 0, 0, 1, 0, 0, 0, 0]), Ok(Some((1 << 32, false, [0; 4]))));
        assert!(matches!(read(&[0x82, 0xfe, 1]), Err(Stop::Short { .. })));
        for other in [&b"$\0"[..], b"RTSP/1.0", b"PLAY", b"\r\n", b""] {
            assert_eq!(read(other), Ok(None));
        }
    }
}
