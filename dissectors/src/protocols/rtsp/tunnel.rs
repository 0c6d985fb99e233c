//! RTSP within HTTP: the answer to a GET goes on as what the server sends, the body of a POST, in Base64, is what the client
//! sends. The two are connections of their own, each read for itself; a cookie joins them. No standard; `QuickTime` began
//! it, and ONVIF asks for it (Streaming specification, 5.1.1.4).

use crate::dialect::Dialect;

/// What starts a tunnel.
pub(super) static DIALECT: Dialect =
    Dialect { version: b"HTTP/1.#", preface: None, methods: "GET POST", targets: &["/"] };

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
