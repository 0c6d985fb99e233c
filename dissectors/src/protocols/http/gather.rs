//! A body that is read whole, or its front, unpacked where it came packed (RFC 9110, 8.4.1).

use crate::head::Head;
use crate::out::Out;
use flate2::write::{GzDecoder, ZlibDecoder};
use std::io::{Error, Result, Write};

/// The front of a body that comes in pieces. What it holds is charged to the lane's budget.
pub(super) struct Gather {
    unpack: Unpack,
    /// How much is charged.
    held: usize,
    /// What follows does not belong to what is here: a piece between was lost, or is too much.
    is_cut: bool,
}

/// How the body is packed.
enum Unpack {
    Plain(Front),
    Gzip(Box<GzDecoder<Front>>),
    Deflate(Box<ZlibDecoder<Front>>),
}

/// So many bytes of a body and no more, however large it grows when it is unpacked.
#[derive(Default)]
struct Front(Vec<u8>);

impl Gather {
    /// A body that comes as a head says; none if it is packed in a way that is not known.
    pub(super) fn of(head: &Head<'_>) -> Option<Self> {
        let coding = head.value("content-encoding");
        let is = |name: &str| coding.as_ref().is_none_or(|coding| coding.eq_ignore_ascii_case(name.as_bytes()));
        let unpack = if is("identity") {
            Unpack::Plain(Front::default())
        } else if is("gzip") || is("x-gzip") {
            Unpack::Gzip(Box::new(GzDecoder::new(Front::default())))
        } else if is("deflate") {
            Unpack::Deflate(Box::new(ZlibDecoder::new(Front::default())))
        } else {
            return None;
        };
        Some(Self { unpack, held: 0, is_cut: false })
    }

    /// The next piece.
    pub(super) fn add(&mut self, piece: &[u8], out: &mut Out<'_>) {
        if !self.is_cut {
            self.is_cut = self.unpack.add(piece).is_err();
            self.charge(self.unpack.weight(), out);
        }
    }

    /// A piece was lost.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// What came.
    pub(super) fn take(mut self, out: &mut Out<'_>) -> Vec<u8> {
        self.charge(0, out);
        self.unpack.take()
    }

    fn charge(&mut self, weight: usize, out: &mut Out<'_>) {
        let [before, now] = [self.held, weight].map(|weight| i32::try_from(weight).unwrap_or(i32::MAX));
        out.hold_back(now.saturating_sub(before));
        self.held = weight;
    }
}

impl Unpack {
    fn add(&mut self, piece: &[u8]) -> Result<()> {
        match self {
            Self::Plain(front) => front.write_all(piece),
            Self::Gzip(decoder) => decoder.write_all(piece),
            Self::Deflate(decoder) => decoder.write_all(piece),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Plain(front) => front.0.len(),
            Self::Gzip(decoder) => decoder.get_ref().0.len().saturating_add(WINDOW),
            Self::Deflate(decoder) => decoder.get_ref().0.len().saturating_add(WINDOW),
        }
    }

    /// All of it; where it breaks off, what came before.
    fn take(self) -> Vec<u8> {
        match self {
            Self::Plain(mut front) => std::mem::take(&mut front.0),
            Self::Gzip(mut decoder) => {
                let _ = decoder.try_finish();
                std::mem::take(&mut decoder.get_mut().0)
            }
            Self::Deflate(mut decoder) => {
                let _ = decoder.try_finish();
                std::mem::take(&mut decoder.get_mut().0)
            }
        }
    }
}

impl Write for Front {
    fn write(&mut self, piece: &[u8]) -> Result<usize> {
        let room = LONGEST.saturating_sub(self.0.len());
        let kept = piece.get(..room).unwrap_or(piece);
        self.0.extend_from_slice(kept);
        if kept.is_empty() && !piece.is_empty() { Err(Error::other("the front is full")) } else { Ok(kept.len()) }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The longest answers of ONVIF, of profiles and of events, are some 60 kB.
const LONGEST: usize = 64 * 1024;
/// What a decoder keeps beside: its window and what it has not handed on yet.
const WINDOW: usize = 96 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    fn unpacked(coding: &str, bytes: &[u8], size: usize) -> Option<Vec<u8>> {
        let text = format!("A b C/1\r\nContent-Encoding: {coding}\r\n\r\n");
        let head = Head::read(&mut Reader::closed(text.as_bytes())).expect("a head");
        let mut unpack = Gather::of(&head)?.unpack;
        let mut pieces = bytes.chunks(size);
        let most = pieces.try_fold(0, |most, piece| unpack.add(piece).map(|()| most.max(unpack.weight())));
        assert!(most.unwrap_or(0) <= LONGEST + WINDOW);
        Some(unpack.take())
    }

    #[test]
    fn bodies_are_unpacked_as_they_come() {
        let text = "a message ".repeat(1000).into_bytes();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&text).expect("memory does not fail");
        let gzip = gzip.finish().expect("memory does not fail");
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).expect("memory does not fail");
        let zlib = zlib.finish().expect("memory does not fail");
        for size in [1, 7, 100_000] {
            assert_eq!(unpacked("GZIP", &gzip, size).as_ref(), Some(&text));
            assert_eq!(unpacked("deflate", &zlib, size).as_ref(), Some(&text));
            assert_eq!(unpacked("identity", &text, size).as_ref(), Some(&text));
        }
        let half = unpacked("gzip", &gzip[..gzip.len() - 30], 7).expect("a front");
        assert!(text.starts_with(&half), "what came before the cut");
        assert_eq!(unpacked("gzip", b"no gzip at all", 3), Some(Vec::new()));
        assert_eq!(unpacked("br", b"", 1), None);
    }

    #[test]
    fn a_bomb_does_not_burst() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        bomb.write_all(&vec![b' '; 4 << 20]).expect("memory does not fail");
        let bomb = bomb.finish().expect("memory does not fail");
        for size in [1460, 100_000] {
            assert_eq!(unpacked("gzip", &bomb, size).map(|front| front.len()), Some(LONGEST));
        }
    }
}
