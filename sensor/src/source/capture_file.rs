//! A walk over the records of a capture, whichever of the two formats it has.

use super::map::Bytes;
use super::{Input, Other, SourceError, pcap, pcapng};
use dissectors::Timestamp;
use dissectors::packet::LinkType;
use std::ops::Range;
use std::sync::Arc;

/// A frame within the bytes of its capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When it was captured.
    pub time: Timestamp,
    /// How it begins.
    pub link_type: LinkType,
    /// Where its captured bytes stand in the capture.
    pub bytes: Range<usize>,
    /// How long it was on the wire.
    pub wire_length: u32,
}

/// Why a walk could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong.
    pub what: &'static str,
    /// At which byte of the file.
    pub at: usize,
}

/// One step of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next frame.
    Frame(Frame),
    /// The capture has ended as it should.
    End,
    /// The capture cannot be read beyond this place.
    Damaged(Damage),
}

/// Where a walk stands. It does not borrow the bytes, so that both can live side by side.
#[derive(Clone, Debug)]
pub enum Walk {
    /// In a pcap file.
    Pcap(pcap::Walk),
    /// In a pcapng file.
    Pcapng(pcapng::Walk),
}

/// Whether some bytes start like a capture.
pub fn is_capture(front: &[u8]) -> bool {
    pcap::Walk::begin(front).is_some() || pcapng::is_section(front)
}

impl Walk {
    /// A walk over `bytes`; `None` if they are no capture.
    pub fn begin(bytes: &[u8]) -> Option<Self> {
        if pcapng::is_section(bytes) {
            return Some(Self::Pcapng(pcapng::Walk::default()));
        }
        pcap::Walk::begin(bytes).map(Self::Pcap)
    }

    /// The next step over the same bytes.
    #[inline]
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        match self {
            Self::Pcap(walk) => walk.step(bytes),
            Self::Pcapng(walk) => walk.step(bytes),
        }
    }

    /// The snap length that the capture names; 0 when it names none.
    pub fn snaplen(&self) -> u32 {
        match self {
            Self::Pcap(walk) => walk.snaplen(),
            Self::Pcapng(walk) => walk.snaplen(),
        }
    }
}

/// A capture opened for reading.
#[derive(Debug)]
pub struct CaptureFile {
    /// Its bytes; packets on their way through the workers share them.
    pub bytes: Arc<Bytes>,
    /// Where the reading stands.
    pub walk: Walk,
}

impl CaptureFile {
    /// Opens a capture.
    pub fn open(input: &Input) -> Result<Self, SourceError> {
        let bytes = match &input.held {
            Some(held) => Arc::clone(held),
            None => Arc::new(Bytes::of(&input.path).map_err(|error| SourceError::io(&input.path, error))?),
        };
        let walk = Walk::begin(&bytes)
            .ok_or_else(|| SourceError::NotACapture { path: input.path.clone(), what: Other::Unknown })?;
        Ok(Self { bytes, walk })
    }
}
