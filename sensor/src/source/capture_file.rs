//! A walk over the records of a capture, whichever of the two formats it has, and however its bytes come.

use super::map::Bytes;
use super::stream::Stream;
use super::{Input, Origin, Other, SourceError, pcap, pcapng};
use crate::clock::WITNESSES;
use arrayvec::ArrayVec;
use dissectors::Timestamp;
use dissectors::packet::LinkType;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A frame within the bytes of its capture that are at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When it was captured, as its record says.
    pub time: Timestamp,
    /// How it begins.
    pub link_type: LinkType,
    /// Where its captured bytes stand in [`CaptureFile::bytes`].
    pub bytes: Range<usize>,
    /// How long it was on the wire.
    pub wire_length: u32,
}

/// What of a capture could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong.
    pub what: &'static str,
    /// At which byte of the capture, unpacked if it is packed.
    pub at: u64,
    /// At which byte of the packed file, if it is the packing that is damaged.
    pub packed_at: Option<u64>,
    /// How many bytes from there on are not read.
    pub bytes: u64,
}

impl Damage {
    pub(super) fn at(what: &'static str, at: usize) -> Self {
        Self { what, at: at as u64, packed_at: None, bytes: 0 }
    }

    /// Where in the file it is; of a packed file whose packing is whole, where in what it holds.
    pub fn place(&self) -> u64 {
        self.packed_at.unwrap_or(self.at)
    }
}

/// `the last record is cut short at byte 24`.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packed_at {
            None => write!(f, "{} at byte {}", self.what, self.at),
            Some(packed_at) => write!(f, "{} at byte {packed_at}, behind {} unpacked bytes", self.what, self.at),
        }
    }
}

/// What the interfaces of a capture say that they dropped; `None` where they say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// By the interface.
    pub interface: Option<u64>,
    /// By the kernel.
    pub kernel: Option<u64>,
}

impl Drops {
    /// What others have dropped besides.
    pub fn add(&mut self, other: Self) {
        for (sum, more) in [(&mut self.interface, other.interface), (&mut self.kernel, other.kernel)] {
            *sum = match (*sum, more) {
                (None, None) => None,
                (sum, more) => Some(sum.unwrap_or(0).saturating_add(more.unwrap_or(0))),
            };
        }
    }
}

/// One step of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next frame.
    Frame(Frame),
    /// The bytes at hand end within a record, which has so many bytes.
    Cut {
        /// What to say if there are no more.
        what: &'static str,
        /// How long the record is, as far as is known.
        needed: usize,
    },
    /// Something cannot be read. The next step stands behind it, if there is a way.
    Damaged(Damage),
    /// The bytes have ended with a record.
    End,
}

impl Step {
    /// The frame, if it is one.
    fn frame(&self) -> Option<&Frame> {
        if let Self::Frame(frame) = self { Some(frame) } else { None }
    }
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
pub(super) fn is_capture(front: &[u8]) -> bool {
    pcap::Walk::begin(front).is_some() || pcapng::is_section(front)
}

/// Whether some bytes start like a capture, and end before its own header does.
pub(super) fn is_stump(front: &[u8]) -> bool {
    (pcap::is_pcap(front) || pcapng::is_stump(front)) && !is_capture(front)
}

impl Walk {
    /// A walk over `bytes`; `None` if they are no capture.
    pub fn begin(bytes: &[u8]) -> Option<Self> {
        if pcapng::is_section(bytes) {
            return Some(Self::Pcapng(pcapng::Walk::default()));
        }
        pcap::Walk::begin(bytes).map(Self::Pcap)
    }

    /// The next frame, where that can be told at once: what nearly every step comes to.
    #[inline]
    fn frame(&mut self, bytes: &[u8]) -> Option<Frame> {
        match self {
            Self::Pcap(walk) => walk.frame(bytes),
            Self::Pcapng(_) => None,
        }
    }

    /// The next step over the same bytes.
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        match self {
            Self::Pcap(walk) => walk.step(bytes),
            Self::Pcapng(walk) => walk.step(bytes),
        }
    }

    /// Finds out what only the first records tell. Where more bytes are needed, tells how many.
    fn settle(&mut self, bytes: &[u8], is_all: bool) -> Result<(), usize> {
        match self {
            Self::Pcap(walk) => walk.settle(bytes, is_all),
            Self::Pcapng(_) => Ok(()),
        }
    }

    fn at(&self) -> usize {
        match self {
            Self::Pcap(walk) => walk.at(),
            Self::Pcapng(walk) => walk.at(),
        }
    }

    fn move_to(&mut self, at: usize) {
        match self {
            Self::Pcap(walk) => walk.move_to(at),
            Self::Pcapng(walk) => walk.move_to(at),
        }
    }

    fn kept_from(&self) -> usize {
        match self {
            Self::Pcap(walk) => walk.kept_from(),
            Self::Pcapng(walk) => walk.kept_from(),
        }
    }

    fn forget(&mut self, count: usize) {
        match self {
            Self::Pcap(walk) => walk.forget(count),
            Self::Pcapng(walk) => walk.forget(count),
        }
    }

    fn footing(&self, bytes: &[u8], is_all: bool) -> Option<usize> {
        match self {
            Self::Pcap(walk) => walk.footing(bytes, is_all),
            Self::Pcapng(walk) => walk.footing(bytes, is_all),
        }
    }

    pub(super) fn snaplen(&self) -> u32 {
        match self {
            Self::Pcap(walk) => walk.snaplen(),
            Self::Pcapng(walk) => walk.snaplen(),
        }
    }

    fn drops(&self) -> Drops {
        match self {
            Self::Pcap(_) => Drops::default(),
            Self::Pcapng(walk) => walk.drops(),
        }
    }
}

/// How sure it is that a record lies about its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certainty {
    /// No record has that length.
    Lie,
    /// It may be that the end of the capture is missing: then nothing goes on, and nothing may seem to.
    Cut,
}

/// Behind damage so many bytes are searched for records that go on. What is read does not depend on how the bytes come.
const SEARCHED: usize = 1 << 21;

/// To learn when the packets behind one came, so many bytes behind it are looked at.
const LOOKED_AHEAD: usize = 1 << 20;

/// A capture opened for reading: all its bytes at hand, or a window that moves over them.
#[derive(Debug)]
pub struct CaptureFile {
    /// The bytes at hand; packets on their way through the workers share them.
    pub bytes: Arc<Bytes>,
    /// Where the reading stands in them.
    pub walk: Walk,
    /// Where they stand in the capture.
    base: u64,
    /// Where more come from.
    stream: Option<Stream>,
    /// The interfaces that they come in at, if they do.
    #[cfg(target_os = "linux")]
    tap: Option<super::live::Tap>,
    /// How large the file is, or was when it was opened; of a pipe, what has come.
    file_bytes: u64,
    /// No more can be read.
    is_over: bool,
    /// Steps that were looked at and are not taken yet, each with where its record ends. The first is a frame.
    ahead: VecDeque<(Step, usize)>,
}

impl CaptureFile {
    /// Opens a capture.
    pub fn open(input: &Input) -> Result<Self, SourceError> {
        let failed = |error| SourceError::io(&input.path, error);
        let (bytes, mut stream) = match &input.origin {
            Origin::Held(held) => (Arc::clone(held), None),
            Origin::File => match Bytes::settled(&input.path).map_err(failed)? {
                Some(bytes) if !super::stream::is_packed(&bytes) => (Arc::new(bytes), None),
                _ => (Arc::default(), Some(Stream::of_file(&input.path).map_err(failed)?)),
            },
            Origin::Pipe => (Arc::default(), Some(Stream::of_pipe(&input.path).map_err(failed)?)),
            #[cfg(target_os = "linux")]
            Origin::Live(tap) => (Arc::default(), Some(Stream::of_tap(tap).map_err(failed)?)),
        };
        let file_bytes = stream.as_ref().map_or(bytes.len() as u64, Stream::file_bytes);
        let bytes = match &mut stream {
            None => bytes,
            Some(stream) => Arc::new(Bytes::Held(stream.front(super::FRONT))),
        };
        let Some(walk) = Walk::begin(&bytes) else {
            let what = stream.as_ref().and_then(Stream::broken).unwrap_or_else(|| Other::of(&bytes));
            return Err(SourceError::NotACapture { path: input.path.clone(), what });
        };
        let mut file = Self {
            bytes,
            walk,
            base: 0,
            stream,
            #[cfg(target_os = "linux")]
            tap: if let Origin::Live(tap) = &input.origin { Some(tap.clone()) } else { None },
            file_bytes,
            is_over: false,
            ahead: VecDeque::new(),
        };
        while let Err(needed) = file.walk.settle(&file.bytes, file.is_all()) {
            file.grow(needed);
        }
        Ok(file)
    }

    /// The next frame, where that can be told at once: what nearly every step comes to.
    #[expect(clippy::inline_always, reason = "else a frame is moved through memory")]
    #[inline(always)]
    pub(super) fn plain_frame(&mut self) -> Option<Frame> {
        if self.ahead.is_empty() { self.walk.frame(&self.bytes) } else { None }
    }

    /// The next frame, or why there is none. Behind damage it may go on.
    pub fn step(&mut self) -> Step {
        if let Some((step, _)) = self.ahead.pop_front() {
            return step;
        }
        match self.walk.step(&self.bytes) {
            Step::Frame(frame) => Step::Frame(frame),
            other => self.beyond(other),
        }
    }

    /// The bytes at hand have no whole frame any more.
    #[cold]
    fn beyond(&mut self, mut step: Step) -> Step {
        loop {
            match step {
                Step::Frame(_) => return step,
                _ if self.is_over => return Step::End,
                Step::End if self.grow(1) => {}
                Step::Cut { needed, .. } if self.grow(needed) => {}
                Step::End => {
                    let Some(fault) = self.fault() else { return Step::End };
                    return self.give_up(fault);
                }
                Step::Cut { what, .. } => {
                    return match self.fault() {
                        Some(fault) => self.give_up(fault),
                        None => self.step_over(Damage::at(what, self.walk.at()), Certainty::Cut),
                    };
                }
                Step::Damaged(damage) if damage.bytes > 0 => {
                    return Step::Damaged(Damage { at: self.base + damage.at, ..damage });
                }
                Step::Damaged(damage) => return self.step_over(damage, Certainty::Lie),
            }
            step = self.walk.step(&self.bytes);
        }
    }

    /// Drops what is read from the window, and reads until it has so many bytes behind that; whether any have come.
    fn grow(&mut self, needed: usize) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let waiting = self.ahead.front().and_then(|(step, _)| step.frame()).map(|frame| frame.bytes.start);
        let read = self.walk.kept_from().min(waiting.unwrap_or(usize::MAX));
        let mut window = self.bytes.get(read..).unwrap_or_default().to_vec();
        let before = window.len();
        stream.read_until(&mut window, self.walk.at() - read + needed);
        let is_more = window.len() > before;
        self.bytes = Arc::new(Bytes::Held(window));
        self.base += read as u64;
        self.walk.forget(read);
        for (step, end) in &mut self.ahead {
            *end -= read;
            if let Step::Frame(frame) = step {
                frame.bytes = frame.bytes.start - read..frame.bytes.end - read;
            }
        }
        is_more
    }

    /// Whether the bytes at hand reach to the capture's end.
    fn is_all(&self) -> bool {
        self.stream.as_ref().is_none_or(Stream::is_at_end)
    }

    /// What the packing suffers from, at the end of the bytes that it gave.
    fn fault(&mut self) -> Option<Damage> {
        let (what, packed_at) = self.stream.as_mut()?.fault()?;
        let rest = self.bytes.len().saturating_sub(self.walk.at()) as u64;
        let at = self.base + self.bytes.len() as u64;
        Some(Damage { what, at, packed_at: Some(packed_at), bytes: rest })
    }

    fn give_up(&mut self, damage: Damage) -> Step {
        self.is_over = true;
        Step::Damaged(damage)
    }

    /// Searches what follows damage for records that go on.
    fn step_over(&mut self, damage: Damage, certainty: Certainty) -> Step {
        let at = self.base + damage.at;
        if self.bytes.len() - self.walk.at() < SEARCHED {
            // Twice as much as is searched: many damages one after the other cost no more than one.
            self.grow(2 * SEARCHED);
        }
        let start = self.walk.at();
        let rest = self.bytes.len() - start;
        let searched = &self.bytes[..start + rest.min(SEARCHED)];
        let is_all = certainty == Certainty::Lie && rest < SEARCHED && self.is_all();
        if let Some(footing) = self.walk.footing(searched, is_all) {
            self.walk.move_to(footing);
            return Step::Damaged(Damage { at, bytes: footing.saturating_sub(start) as u64, ..damage });
        }
        let unseen = self.stream.as_mut().map_or(0, |stream| stream.pass(u64::MAX));
        self.give_up(Damage { at, bytes: rest as u64 + unseen, ..damage })
    }

    /// Whether more bytes are yet to come in at an interface.
    #[cfg(target_os = "linux")]
    fn has_to_wait(&self) -> bool {
        self.tap.as_ref().is_some_and(|tap| !self.stream.as_ref().is_none_or(Stream::holds_some) && !tap.has_come())
    }

    /// Whether more bytes are yet to come in at an interface.
    #[cfg(not(target_os = "linux"))]
    fn has_to_wait(&self) -> bool {
        false
    }

    /// Whether the next step can be taken without waiting for what is yet to come in at an interface.
    #[cfg(target_os = "linux")]
    pub(super) fn is_at_hand(&mut self) -> bool {
        if self.tap.is_none() || self.is_over || !self.ahead.is_empty() {
            return true;
        }
        match self.walk.step(&self.bytes) {
            step @ Step::Frame(_) => {
                self.ahead.push_back((step, self.walk.at()));
                true
            }
            // The walk is behind it already.
            Step::Damaged(damage) if damage.bytes > 0 => {
                let damage = Damage { at: self.base + damage.at, ..damage };
                self.ahead.push_back((Step::Damaged(damage), self.walk.at()));
                true
            }
            // Looked at again, it is the same.
            Step::Damaged(_) => true,
            Step::Cut { .. } | Step::End => !self.has_to_wait(),
        }
    }

    /// Whether the next step can be taken without waiting.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn is_at_hand(&mut self) -> bool {
        true
    }

    /// What the frame is that was taken back.
    pub(super) fn link_type_ahead(&self) -> Option<LinkType> {
        self.ahead.front().and_then(|(step, _)| step.frame()).map(|frame| frame.link_type)
    }

    /// Takes a frame back: the next step gives it again.
    pub(super) fn take_back(&mut self, frame: Frame) {
        let end = frame.bytes.end;
        self.ahead.push_front((Step::Frame(frame), end));
    }

    /// When the packets behind the frame that was taken back came, as far as they are near. A pipe is waited for no longer
    /// than they take to come.
    pub(super) fn times_behind(&mut self) -> ArrayVec<Timestamp, WITNESSES> {
        let Some(limit) = self.ahead.front().map(|(_, end)| end + LOOKED_AHEAD) else { return ArrayVec::new() };
        // The window moves while it grows: what is near is told by its distance.
        let limit = self.position(limit);
        while self.ahead.len() <= WITNESSES && self.look_further(limit) {}
        let near = self.ahead.iter().skip(1).take(WITNESSES).map_while(|(step, end)| match step {
            Step::Frame(frame) if self.position(*end) <= limit => Some(frame.time),
            _ => None,
        });
        near.collect()
    }

    /// Looks at one more step, if it is a frame and its record ends before the limit; whether there may be others.
    fn look_further(&mut self, limit: u64) -> bool {
        if self.is_over || !matches!(self.ahead.back(), Some((Step::Frame(_), _))) {
            return false;
        }
        loop {
            let step = self.walk.step(&self.bytes);
            let end = self.walk.at();
            let needed = match step {
                Step::Frame(_) => {
                    self.ahead.push_back((step, end));
                    return self.position(end) < limit;
                }
                // The walk is behind it already.
                Step::Damaged(damage) if damage.bytes > 0 => {
                    let damage = Damage { at: self.base + damage.at, ..damage };
                    self.ahead.push_back((Step::Damaged(damage), end));
                    return false;
                }
                Step::Damaged(_) => return false,
                Step::Cut { needed, .. } => needed,
                Step::End => 1,
            };
            if self.position(end + needed) > limit || self.has_to_wait() || !self.grow(needed) {
                return false;
            }
        }
    }

    /// How large the file is; of a pipe, what has come.
    pub(super) fn file_bytes(&self) -> u64 {
        self.stream.as_ref().map_or(self.file_bytes, |stream| self.file_bytes.max(stream.read_bytes()))
    }

    /// How many bytes of the file are read.
    pub(super) fn done_bytes(&self) -> u64 {
        self.stream.as_ref().map_or(self.walk.at() as u64, Stream::read_bytes)
    }

    /// The snap length that the capture names; 0 when it names none.
    pub(super) fn snaplen(&self) -> u32 {
        self.walk.snaplen()
    }

    /// What the interfaces say that they dropped.
    pub(super) fn drops(&self) -> Drops {
        self.walk.drops()
    }

    /// Where a byte at hand stands in the capture, unpacked if it is packed.
    #[inline]
    pub(super) fn position(&self, at: usize) -> u64 {
        self.base + at as u64
    }

    /// Whether it costs little to keep it open: a map does.
    pub(super) fn is_light(&self) -> bool {
        self.stream.is_none()
    }

    /// Whether it cannot be opened a second time.
    pub(super) fn is_pipe(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_pipe)
    }

    /// The front and the end of what came through a pipe, now that all has come.
    pub(super) fn samples(&self) -> Option<(&[u8], &[u8])> {
        self.stream.as_ref().and_then(Stream::samples)
    }
}
