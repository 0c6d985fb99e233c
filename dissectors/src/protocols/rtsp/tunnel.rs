//! RTSP within HTTP: the answer to a GET goes on as what the server sends, the body of a POST, in Base64, is what the client
//! sends. The two are connections of their own, and a cookie joins them. No standard; `QuickTime` began it, and ONVIF asks
//! for it (Streaming specification, 5.1.1.4).

use super::Asked;
use crate::dialect::Dialect;
use crate::dissector::Side;
use crate::head::Head;
use crate::out::Out;

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

/// What comes out of Base64 (RFC 4648, 4), as it comes.
#[derive(Default)]
pub(super) struct Decoder {
    bits: u32,
    /// How many of them are here: 0, 6, 12 or 18.
    count: u8,
    /// The front of a message whose rest has not come yet.
    pub(super) left: Vec<u8>,
    /// So many bytes of what comes belong to a body.
    pub(super) body: u64,
}

impl Decoder {
    /// The next piece. Each request may be padded for itself; what is no letter of Base64 is passed over.
    pub(super) fn take(&mut self, piece: &[u8]) {
        for letter in piece {
            match value_of(*letter) {
                Some(value) => self.push(value),
                None if *letter == b'=' => (self.bits, self.count) = (0, 0),
                None => {}
            }
        }
        let body = self.left.len().min(usize::try_from(self.body).unwrap_or(usize::MAX));
        self.left.drain(..body);
        self.body = self.body.saturating_sub(u64::try_from(body).unwrap_or(u64::MAX));
    }

    fn push(&mut self, value: u8) {
        self.bits = self.bits << 6 | u32::from(value);
        self.count = self.count.saturating_add(6);
        if let Some(rest) = self.count.checked_sub(8) {
            self.count = rest;
            let byte = u8::try_from(self.bits >> rest & 0xff).unwrap_or_default();
            if self.left.len() < MOST_LEFT {
                self.left.push(byte);
            }
        }
    }
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
        let mut decoder = Decoder::default();
        decoder.take(&vec![b'A'; 40_000]);
        assert_eq!(decoder.left.len(), MOST_LEFT);
        decoder.body = 20_000;
        decoder.take(b"");
        assert_eq!((decoder.left.len(), decoder.body), (0, 20_000 - 16_384));
    }
}
