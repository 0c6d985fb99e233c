//! Bytes that come one after the other: from pipes, from files that still grow, and unpacked from .gz, .zst and .xz.

use super::Other;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// How much is asked for at once.
const PORTION: usize = 1 << 18;
const UNPACKED_AT_ONCE: usize = 1 << 15;
/// How much of a pipe's beginning and end stand for its content.
const SAMPLE: usize = 64 * 1024;
/// What unpacking .xz may hold; its strongest setting asks for 65 MiB.
const MOST_UNPACKING: u64 = 1 << 28;

/// What packs a file, by its magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl Packing {
    fn of(front: &[u8]) -> Self {
        match front {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a frame to be skipped before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        }
    }
}

/// What unpacking a file gives first.
pub(super) fn front_of(path: &Path, needed: usize) -> io::Result<Result<Vec<u8>, Other>> {
    let mut stream = Stream::of_file(path)?;
    let front = stream.front(needed);
    Ok(match stream.broken() {
        Some(broken) if front.is_empty() => Err(broken),
        _ => Ok(front),
    })
}

/// Whether a file is packed so that it can be unpacked here.
pub(super) fn is_packed(front: &[u8]) -> bool {
    Packing::of(front) != Packing::None
}

/// A file or pipe as it is, with what is remembered of it.
struct Raw {
    source: Box<dyn Read + Send>,
    /// No more than that is read: what a growing file had when it was opened.
    limit: u64,
    read: u64,
    is_pipe: bool,
    /// The front and the end of what came through a pipe.
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.limit - self.read).unwrap_or(usize::MAX).min(buffer.len());
        let got = self.source.read(&mut buffer[..room])?;
        self.read += got as u64;
        if self.is_pipe {
            self.remember(&buffer[..got]);
        }
        Ok(got)
    }
}

impl Raw {
    fn remember(&mut self, bytes: &[u8]) {
        let room = SAMPLE - self.head.len();
        self.head.extend(&bytes[..room.min(bytes.len())]);
        self.tail.extend(&bytes[bytes.len().saturating_sub(SAMPLE)..]);
        if self.tail.len() > 4 * SAMPLE {
            self.tail.drain(..self.tail.len() - SAMPLE);
        }
    }
}

/// What undoes the packing.
enum Unpacker {
    Plain(BufReader<Raw>),
    Gzip(Box<MultiGzDecoder<BufReader<Raw>>>),
    Zstd(zstd::Decoder<'static, BufReader<Raw>>),
    Xz(Box<XzDecoder<BufReader<Raw>>>),
}

impl Unpacker {
    fn new(packing: Packing, raw: BufReader<Raw>) -> io::Result<Self> {
        Ok(match packing {
            Packing::None => Self::Plain(raw),
            Packing::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(raw))),
            Packing::Zstd => Self::Zstd(zstd::Decoder::with_buffer(raw)?),
            Packing::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream = liblzma::stream::Stream::new_stream_decoder(MOST_UNPACKING, flags)?;
                Self::Xz(Box::new(XzDecoder::new_stream(raw, stream)))
            }
        })
    }

    /// Reads a pipe whose packing broke to its end: the content as a whole is what it is known by.
    fn drain(&mut self) {
        let raw = match self {
            Self::Plain(raw) => raw,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
            Self::Xz(decoder) => decoder.get_mut(),
        };
        if raw.get_ref().is_pipe {
            // Where that fails too, what came until then stands for it.
            let _ = io::copy(raw, &mut io::sink());
        }
    }

    fn raw(&self) -> &BufReader<Raw> {
        match self {
            Self::Plain(raw) => raw,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
            Self::Xz(decoder) => decoder.get_ref(),
        }
    }
}

impl Read for Unpacker {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
        }
    }
}

/// A capture whose bytes come one after the other.
pub(super) struct Stream {
    unpacker: Unpacker,
    packing: Packing,
    /// What is read before it is known how much it is.
    portion: Box<[u8]>,
    /// Why no more can be read, and at which byte of the file.
    fault: Option<(&'static str, u64)>,
    is_at_end: bool,
    file_bytes: u64,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("packing", &self.packing).field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Stream {
    /// A file, as far as it reaches now.
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Self::new(Box::new(file), length, false)
    }

    /// A pipe; `-` is standard input.
    pub(super) fn of_pipe(path: &Path) -> io::Result<Self> {
        let source: Box<dyn Read + Send> =
            if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        Self::new(source, u64::MAX, true)
    }

    /// What comes in at interfaces.
    #[cfg(target_os = "linux")]
    pub(super) fn of_tap(tap: &super::live::Tap) -> io::Result<Self> {
        Self::new(tap.take()?, u64::MAX, true)
    }

    fn new(source: Box<dyn Read + Send>, limit: u64, is_pipe: bool) -> io::Result<Self> {
        let raw = Raw { source, limit, read: 0, is_pipe, head: Vec::new(), tail: Vec::new() };
        let mut raw = BufReader::with_capacity(PORTION, raw);
        let packing = Packing::of(raw.fill_buf()?);
        let file_bytes = if is_pipe { 0 } else { limit };
        let portion = vec![0; PORTION].into_boxed_slice();
        Ok(Self { unpacker: Unpacker::new(packing, raw)?, packing, portion, fault: None, is_at_end: false, file_bytes })
    }

    /// The first bytes, at least so many if there are.
    pub(super) fn front(&mut self, needed: usize) -> Vec<u8> {
        let mut front = Vec::new();
        self.read_until(&mut front, needed);
        front
    }

    /// Reads behind what `window` holds until it has at least `needed` bytes, or all there are. A file gives a whole
    /// portion at once; a pipe is not waited for any longer than needed.
    pub(super) fn read_until(&mut self, window: &mut Vec<u8>, needed: usize) {
        let wanted = if self.is_pipe() { needed } else { needed.max(PORTION) };
        while window.len() < wanted && !self.is_at_end {
            let got = self.read_at_most(PORTION);
            window.extend(&self.portion[..got]);
        }
    }

    /// Reads past some bytes; tells past how many.
    pub(super) fn pass(&mut self, count: u64) -> u64 {
        let mut passed = 0;
        while passed < count && !self.is_at_end {
            let most = usize::try_from(count - passed).unwrap_or(usize::MAX).min(PORTION);
            passed += self.read_at_most(most) as u64;
        }
        passed
    }

    /// Reads a portion, or a part of it; 0 at the end.
    fn read_at_most(&mut self, most: usize) -> usize {
        // What is unpacked in one go is lost when the packing breaks within it.
        let most = if self.packing == Packing::None { most } else { most.min(UNPACKED_AT_ONCE) };
        loop {
            match self.unpacker.read(&mut self.portion[..most]) {
                Ok(got) => {
                    self.is_at_end = got == 0;
                    return got;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_at_end = true;
                    self.fault = Some((self.in_words(&error), self.consumed()));
                    self.unpacker.drain();
                    return 0;
                }
            }
        }
    }

    fn in_words(&self, error: &io::Error) -> &'static str {
        let is_cut = error.kind() == ErrorKind::UnexpectedEof;
        match (self.packing, is_cut) {
            (Packing::None, _) => "the file cannot be read any further",
            (Packing::Gzip, true) => "the gzip packing is cut short",
            (Packing::Gzip, false) => "the gzip packing is damaged",
            (Packing::Zstd, true) => "the zstd packing is cut short",
            (Packing::Zstd, false) => "the zstd packing is damaged",
            (Packing::Xz, true) => "the xz packing is cut short",
            (Packing::Xz, false) => "the xz packing is damaged",
        }
    }

    /// How far the unpacking has come in the file.
    fn consumed(&self) -> u64 {
        let raw = self.unpacker.raw();
        raw.get_ref().read - raw.buffer().len() as u64
    }

    /// Whether bytes are here that were not read yet.
    pub(super) fn holds_some(&self) -> bool {
        !self.unpacker.raw().buffer().is_empty()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Why the stream has ended before its end, once.
    pub(super) fn fault(&mut self) -> Option<(&'static str, u64)> {
        self.fault.take()
    }

    /// What a file is whose packing gave nothing.
    pub(super) fn broken(&self) -> Option<Other> {
        let is_broken = self.packing != Packing::None && self.fault.is_some();
        is_broken.then(|| Other::Broken(self.packing.name()))
    }

    pub(super) fn is_pipe(&self) -> bool {
        self.unpacker.raw().get_ref().is_pipe
    }

    /// How large the file is; 0 for a pipe.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// How many bytes of the file or pipe were read.
    pub(super) fn read_bytes(&self) -> u64 {
        self.unpacker.raw().get_ref().read
    }

    /// The front and the end of what came through a pipe.
    pub(super) fn samples(&self) -> Option<(&[u8], &[u8])> {
        let raw = self.unpacker.raw().get_ref();
        let end = raw.tail.len().saturating_sub(SAMPLE);
        raw.is_pipe.then(|| (raw.head.as_slice(), &raw.tail[end..]))
    }
}
