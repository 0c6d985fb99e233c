//! Descriptions of streams (SDP, RFC 8866): read line by line as they come, told as far as they say what serves.

use super::{INFORMATION, KEYS, MEDIA, ORIGIN, SESSION_NAME, TOOL};
use crate::dissector::Side;
use crate::head;
use crate::out::Out;
use smallvec::SmallVec;
use std::ops::ControlFlow;

/// A description under way.
pub(super) struct Description {
    /// How many of its bytes are to come.
    left: u64,
    /// The front of the line at hand.
    line: SmallVec<[u8; 128]>,
    /// Its media, each with its codecs.
    media: SmallVec<[u8; 128]>,
    keys: SmallVec<[u8; 64]>,
    /// Whether a key stood in it, readable.
    holds_key: bool,
    /// Whether what comes is about one of its media, and no more about all of it.
    is_in_media: bool,
}

impl Description {
    pub(super) fn new(length: u64) -> Self {
        let (line, media, keys) = Default::default();
        Self { left: length, line, media, keys, holds_key: false, is_in_media: false }
    }

    /// Whether a key of the stream stood in it for everybody to read.
    pub(super) fn holds_key(&self) -> bool {
        self.holds_key
    }

    /// Takes the next piece, and says whether it was the last one.
    pub(super) fn read(&mut self, side: Side, piece: &[u8], out: &mut Out<'_>) -> ControlFlow<()> {
        self.left = self.left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or(part));
            if part.ends_with(b"\n") {
                self.end_line(side, out);
            }
        }
        if self.left > 0 {
            return ControlFlow::Continue(());
        }
        self.end_line(side, out);
        out.text(side, None, &MEDIA, &self.media);
        out.text(side, None, &KEYS, &self.keys);
        ControlFlow::Break(())
    }

    fn end_line(&mut self, side: Side, out: &mut Out<'_>) {
        let line = std::mem::take(&mut self.line);
        let [kind, b'=', value @ ..] = line.trim_ascii_end() else { return };
        match kind {
            b'm' => self.begin_media(value),
            // Of a medium, or of all (RFC 4566, 5.12).
            b'k' => self.key(value),
            b'a' => self.attribute(side, value, out),
            _ if self.is_in_media => {}
            b's' => out.text(side, None, &SESSION_NAME, value),
            b'i' => out.text(side, None, &INFORMATION, value),
            b'o' => {
                let user = value.split(|byte| *byte == b' ').next().unwrap_or_default();
                // A hyphen stands for none (5.2).
                out.text(side, None, &ORIGIN, if user == b"-" { &[] } else { user });
            }
            _ => {}
        }
    }

    /// `video 0 RTP/AVP 96` (5.14).
    fn begin_media(&mut self, value: &[u8]) {
        self.is_in_media = true;
        let (kind, _) = head::split_token(value);
        let separator: &[u8] = if self.media.is_empty() { b"" } else { b", " };
        tell(&mut self.media, &[separator, kind]);
    }

    fn attribute(&mut self, side: Side, value: &[u8], out: &mut Out<'_>) {
        let (name, after) = head::split_token(value);
        let Some(value) = after.strip_prefix(b":").map(<[u8]>::trim_ascii_start) else { return };
        match name {
            b"tool" => out.text(side, None, &TOOL, value),
            // `96 H265/90000` (6.6)
            b"rtpmap" => {
                let codec = value.split(|byte| matches!(byte, b' ' | b'/')).nth(1).unwrap_or_default();
                tell(&mut self.media, &[b" ", codec]);
            }
            // `1 AES_CM_128_HMAC_SHA1_80 inline:...` (RFC 4568, 9.1): all but the key.
            b"crypto" => {
                let mut words = value.split(|byte| *byte == b' ');
                self.tell_keys(head::split_token(words.nth(1).unwrap_or_default()).0);
                self.holds_key |= words.any(|word| word.starts_with(b"inline:"));
            }
            // `mikey ...` (RFC 4567, 3.1)
            b"key-mgmt" => self.tell_keys(head::split_token(value).0),
            _ => {}
        }
    }

    /// `clear:...` and `base64:...` hold it; `uri:` and `prompt` say where it is. RFC 8866 has dropped them all.
    fn key(&mut self, value: &[u8]) {
        self.holds_key |= value.starts_with(b"clear:") || value.starts_with(b"base64:");
    }

    fn tell_keys(&mut self, way: &[u8]) {
        let separator: &[u8] = if self.keys.is_empty() { b"" } else { b", " };
        tell(&mut self.keys, &[separator, way]);
    }
}

/// Adds to a list, as long as there is room.
fn tell<const N: usize>(list: &mut SmallVec<[u8; N]>, parts: &[&[u8]])
where
    [u8; N]: smallvec::Array<Item = u8>,
{
    for part in parts {
        let room = MOST_TOLD.saturating_sub(list.len());
        list.extend_from_slice(part.get(..room).unwrap_or(part));
    }
}

/// Longer lines are read as far: parameter sets of codecs are long.
const LONGEST_LINE: usize = 1024;
const MOST_TOLD: usize = 256;
