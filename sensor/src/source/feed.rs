//! Many captures as one timeline.
//!
//! The order is defined: by the clock of each capture, then by capture, then by frame. A capture is
//! opened when its first packet is due and closed at its end, so thousands of rotated files cost a few maps.

use super::capture_file::{CaptureFile, Damage, Drops, Frame, Step};
use super::filter::{Filter, FilterError, Meaningless};
use super::map::Bytes;
use super::{Input, Silence, Silences, SourceError, prefetch_ahead};
use crate::clock::Clock;
use dissectors::Timestamp;
use dissectors::packet::LinkType;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A frame on the common timeline.
#[derive(Clone, Debug)]
pub struct Fed {
    /// Which capture, by its place among the inputs.
    pub capture: u32,
    /// The frame's number there, from 1.
    pub number: u64,
    /// Whether it can be found again by that number.
    pub is_numbered: bool,
    /// Where it stands and when it came; where its record's time is not believed, when those around it came.
    pub frame: Frame,
    /// The timeline's time: leaps, ahead or back, only where four packets tell it.
    pub clock: Timestamp,
}

/// What was read of a capture.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// How large the file is.
    pub bytes: u64,
    /// Which link types its frames had, and how many frames each.
    pub link_types: Vec<(LinkType, u64)>,
    /// The snap length that it names; 0 for none.
    pub snaplen: u32,
    /// The earliest packet's time.
    pub first: Option<Timestamp>,
    /// The latest packet's time.
    pub last: Option<Timestamp>,
    /// How many frames were read.
    pub packets: u64,
    /// How many of them were longer on the wire than in the capture.
    pub cut: u64,
    /// What of it could not be read, at first.
    pub damage: Option<Damage>,
    /// How long it was silent.
    pub silences: Silences,
    /// How many places more could not be read.
    pub more_damages: u64,
    /// How many bytes were not read for damage.
    pub unread_bytes: u64,
    /// What its interfaces say that they dropped, and when the reading ended that learnt it.
    pub drops: Drops,
    /// Packet time of the timeline at its end.
    pub ended: Timestamp,
    /// What came through a pipe: the front and the end of it.
    pub samples: Option<(Vec<u8>, Vec<u8>)>,
}

struct Open {
    file: CaptureFile,
    clock: Clock,
    /// Where the frame ends that was fed last.
    done: u64,
    is_numbered: bool,
    account: Account,
}

/// Captures on their way into the lanes.
pub struct Feed {
    inputs: Vec<Input>,
    /// The capture whose turn it is, and until when: `(time, capture)` of the one that is due after it.
    current: Option<(u32, Open)>,
    until: Option<(Timestamp, u32)>,
    /// Captures that were looked at, or left because another was due.
    open: BTreeMap<u32, Open>,
    /// The other captures by the time at which they are due, the earliest first.
    due: BinaryHeap<Reverse<(Timestamp, u32)>>,
    accounts: Vec<Account>,
    /// The timeline's time.
    clock: Timestamp,
    /// The timeline's time when nothing more came behind so many bytes, and the machine's.
    silent: Option<(Timestamp, u64, Instant)>,
    /// How many bytes of captures were walked, unpacked.
    walked: u64,
    /// What the first frames of the captures are.
    link_types: Vec<LinkType>,
    filter: Option<Filter>,
}

impl Feed {
    /// Looks at the first packet of each capture. Fails when one cannot be opened.
    pub fn new(inputs: Vec<Input>) -> Result<Self, SourceError> {
        let mut feed = Self {
            accounts: vec![Account::default(); inputs.len()],
            inputs,
            current: None,
            until: None,
            open: BTreeMap::new(),
            due: BinaryHeap::new(),
            clock: Timestamp::default(),
            silent: None,
            walked: 0,
            link_types: Vec::new(),
            filter: None,
        };
        for capture in 0..u32::try_from(feed.inputs.len()).unwrap_or(u32::MAX) {
            if let Some(first) = feed.start(capture)? {
                feed.due.push(Reverse((first.clock.now(), capture)));
                feed.link_types.extend(first.file.link_type_ahead());
                // With many captures only the ones that are due stay open, and what unpacking holds is held once.
                let is_light = first.file.is_light() && feed.inputs.len() <= KEPT_OPEN;
                if is_light || first.file.is_pipe() {
                    feed.open.insert(capture, first);
                }
            }
        }
        Ok(feed)
    }

    /// Opens a capture at its first frame; `None` if it has none.
    fn start(&mut self, capture: u32) -> Result<Option<Open>, SourceError> {
        let Some(input) = self.inputs.get(capture as usize) else { return Ok(None) };
        let file = CaptureFile::open(input)?;
        let start = Clock::starting(Timestamp::default(), &[]);
        let mut open =
            Open { file, clock: start, done: 0, is_numbered: input.is_numbered(), account: Account::default() };
        let Some(first) = open.step() else {
            *self.account(capture) = open.close(Timestamp::default());
            return Ok(None);
        };
        self.account(capture).bytes = open.file.file_bytes();
        let time = first.time;
        open.file.take_back(first);
        open.clock = Clock::starting(time, &open.file.times_behind());
        Ok(Some(open))
    }

    /// The next frame of all captures; its bytes stand in [`Feed::bytes`] until the next call. A capture that cannot be
    /// opened any more when it is due is damaged at its first byte.
    #[expect(clippy::inline_always, reason = "else a frame is moved through memory twice")]
    #[inline(always)]
    pub fn next_frame(&mut self) -> Option<Fed> {
        match self.plain_frame() {
            Some(fed) => Some(fed),
            None => self.next_frame_slowly(),
        }
    }

    /// The next frame, if it is simply the next one of the capture whose turn it is: nearly all are. Here its parts never
    /// leave the registers.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn plain_frame(&mut self) -> Option<Fed> {
        let (capture, open) = self.current.as_mut()?;
        let frame = open.plain_frame()?;
        match open.clock.advance(frame.time) {
            Some(now) if self.until.is_none() => {
                let time = frame.time;
                Some(feed(*capture, open, frame, (time, now), (&mut self.walked, &mut self.clock)))
            }
            _ => {
                open.file.take_back(frame);
                None
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn next_frame_slowly(&mut self) -> Option<Fed> {
        loop {
            let Some((capture, open)) = &mut self.current else {
                self.turn()?;
                continue;
            };
            let Some(frame) = open.step() else {
                let (capture, open) = self.current.take()?;
                *self.account(capture) = open.close(self.clock);
                continue;
            };
            let (frame, now, time) = match open.clock.advance(frame.time) {
                Some(now) => {
                    let time = frame.time;
                    (frame, now, time)
                }
                None => open.weigh(frame),
            };
            if self.until.is_some_and(|until| (now, *capture) > until) {
                open.file.take_back(frame);
                self.due.push(Reverse((now, *capture)));
                self.open.extend(self.current.take());
                continue;
            }
            return Some(feed(*capture, open, frame, (time, now), (&mut self.walked, &mut self.clock)));
        }
    }

    /// Turns to the capture that is due; `None` when none is left.
    #[cold]
    fn turn(&mut self) -> Option<()> {
        loop {
            let Reverse((_, capture)) = self.due.pop()?;
            let open = match self.open.remove(&capture) {
                Some(open) => Some(open),
                None => self.start(capture).unwrap_or_else(|_| {
                    let what = "it cannot be opened any more";
                    self.account(capture).damage = Some(Damage { what, at: 0, packed_at: None, bytes: 0 });
                    None
                }),
            };
            if let Some(open) = open {
                self.current = Some((capture, open));
                self.until = self.due.peek().map(|Reverse(next)| *next);
                return Some(());
            }
        }
    }

    /// Leaves out what a filter does not let through. Fails when the expression is none for any of the captures.
    pub fn filtered(mut self, expression: &str) -> Result<Self, FilterError> {
        self.filter = Some(Filter::new(expression, &self.link_types)?);
        Ok(self)
    }

    /// Whether the filter leaves a frame out that was fed just now.
    #[inline]
    pub(crate) fn is_filtered(&mut self, fed: &Fed) -> bool {
        if self.filter.is_none() { false } else { self.ask_filter(fed) }
    }

    #[cold]
    fn ask_filter(&mut self, fed: &Fed) -> bool {
        let Some(bytes) = self.bytes().map(Arc::clone) else { return false };
        let frame = bytes.get(fed.frame.bytes.clone()).unwrap_or_default();
        self.filter.as_mut().is_some_and(|filter| !filter.lets_through(fed.frame.link_type, frame))
    }

    /// The bytes of the capture whose frame was fed last.
    #[inline]
    pub fn bytes(&self) -> Option<&Arc<Bytes>> {
        self.current.as_ref().map(|(_, open)| &open.file.bytes)
    }

    /// Whether the next frame is here, or the end: else it is yet to come in at an interface.
    pub(crate) fn is_at_hand(&mut self) -> bool {
        self.current.as_mut().is_none_or(|(_, open)| open.file.is_at_hand())
    }

    /// Waits for the next frame, so long at most. Tells packet time when none came: it goes on while nothing is heard.
    pub(crate) fn wait(&mut self, most: Duration) -> Option<Timestamp> {
        let until = Instant::now() + most;
        while !self.is_at_hand() {
            let now = Instant::now();
            if now >= until {
                let (clock, _, since) = match self.silent {
                    Some(silent) if silent.1 == self.walked => silent,
                    _ => *self.silent.insert((self.clock, self.walked, now)),
                };
                return Some(clock.after((now - since).saturating_sub(IN_THE_RING)));
            }
            std::thread::sleep(NAP);
        }
        None
    }

    /// How many bytes of captures were walked, of packed ones unpacked.
    #[inline]
    pub(crate) fn walked(&self) -> u64 {
        self.walked
    }

    /// How many bytes of the captures are behind the reading.
    pub fn done_bytes(&self) -> u64 {
        let ahead = |open: &Open| open.file.file_bytes() - open.file.done_bytes();
        let current = self.current.iter().map(|(_, open)| ahead(open));
        let open: u64 = self.open.values().map(ahead).chain(current).sum();
        let unopened = self.due.iter().filter(|Reverse((_, capture))| !self.open.contains_key(capture));
        let unopened: u64 = unopened
            .map(|Reverse((_, capture))| self.accounts.get(*capture as usize).map_or(0, |account| account.bytes))
            .sum();
        self.total_bytes().saturating_sub(open + unopened)
    }

    /// How many bytes all captures have together.
    pub fn total_bytes(&self) -> u64 {
        self.accounts.iter().map(|account| account.bytes).sum()
    }

    /// The captures, in the order in which evidence counts them, and what was read of each; link types for which the
    /// filter means nothing, and why.
    pub fn into_accounts(self) -> (Vec<Input>, Vec<Account>, Vec<Meaningless>) {
        let meaningless = self.filter.map(Filter::into_meaningless).unwrap_or_default();
        (self.inputs, self.accounts, meaningless)
    }

    fn account(&mut self, capture: u32) -> &mut Account {
        self.accounts.get_mut(capture as usize).expect("each input has an account")
    }
}

/// A few small packets: the hardware foresees less when other work comes between them.
const PREFETCH_AHEAD: usize = 1024;

/// As many link types are counted apart, of a capture and of an hour; all others are counted as one.
pub(crate) const MOST_LINK_TYPES: usize = 256;
/// The number that stands for them: the registry's have 16 bits.
pub const OTHER_LINKS: u32 = u32::MAX;

/// What people call a link type; those beyond the cap are the others.
pub fn link_words(number: u32) -> String {
    if number == OTHER_LINKS { "others".to_owned() } else { LinkType::from_number(number).to_string() }
}

/// The kernel may hold back for so long what has come: packet time is never ahead of a packet.
const IN_THE_RING: Duration = Duration::from_millis(100);
/// How long it sleeps when nothing comes.
pub(super) const NAP: Duration = Duration::from_millis(2);

/// As many captures stay open although they are not due yet.
const KEPT_OPEN: usize = 64;

/// A frame goes on its way: it is counted, and the timeline has come so far.
#[inline]
fn feed(
    capture: u32,
    open: &mut Open,
    frame: Frame,
    (time, now): (Timestamp, Timestamp),
    (walked, clock): (&mut u64, &mut Timestamp),
) -> Fed {
    open.account.take(&frame);
    let end = open.file.position(frame.bytes.end);
    // Behind a record that lied about its length the walk goes back.
    *walked += end.saturating_sub(open.done);
    open.done = end;
    *clock = now;
    let (number, is_numbered) = (open.account.packets, open.is_numbered);
    Fed { capture, number, is_numbered, frame: Frame { time, ..frame }, clock: now }
}

impl Open {
    /// The next frame, if its record is a plain one.
    #[expect(clippy::inline_always, reason = "else a frame is moved through memory")]
    #[inline(always)]
    fn plain_frame(&mut self) -> Option<Frame> {
        let frame = self.file.plain_frame()?;
        // The next record's header and its frame's, and what follows some small packets further: they come while this
        // packet is read.
        let end = frame.bytes.end;
        prefetch_ahead::<2, _>(&self.file.bytes, end);
        prefetch_ahead::<2, _>(&self.file.bytes, end + PREFETCH_AHEAD);
        Some(frame)
    }

    /// The next frame; `None` at the end, which is noted.
    fn step(&mut self) -> Option<Frame> {
        loop {
            match self.file.step() {
                Step::Frame(frame) => return Some(frame),
                Step::Damaged(damage) => self.account.damaged(damage),
                Step::Cut { .. } | Step::End => return None,
            }
        }
    }

    /// A frame's time has leapt: asks those behind it what time it is. The frame, whose bytes may stand elsewhere since, the
    /// time, and when the frame came by it.
    #[cold]
    fn weigh(&mut self, frame: Frame) -> (Frame, Timestamp, Timestamp) {
        self.file.take_back(frame.clone());
        let behind = self.file.times_behind();
        let frame = self.step().unwrap_or(frame);
        let now = self.clock.weigh(frame.time, &behind);
        let time = self.clock.believed(frame.time);
        (frame, now, time)
    }

    /// What was read of it, now that it has ended at this packet time.
    fn close(mut self, now: Timestamp) -> Account {
        let samples = self.file.samples().map(|(head, tail)| (head.to_vec(), tail.to_vec()));
        let (bytes, snaplen, drops) = (self.file.file_bytes(), self.file.snaplen(), self.file.drops());
        let account = std::mem::take(&mut self.account);
        Account { bytes, snaplen, drops, ended: now, samples, ..account }
    }
}

impl Account {
    #[inline]
    fn take(&mut self, frame: &Frame) {
        self.packets += 1;
        self.cut += u64::from((frame.wire_length as usize) > frame.bytes.len());
        if self.first.is_none_or(|first| frame.time < first) {
            self.first = Some(frame.time);
        }
        if self.last.is_none_or(|last| frame.time > last) {
            if let Some(last) = self.last {
                self.silences.see(Silence { from: last, to: frame.time, frame: self.packets });
            }
            self.last = Some(frame.time);
        }
        match self.link_types.first_mut() {
            Some((link_type, count)) if *link_type == frame.link_type => *count += 1,
            _ => self.count_link(frame.link_type),
        }
    }

    fn damaged(&mut self, damage: Damage) {
        self.unread_bytes += damage.bytes;
        match self.damage {
            None => self.damage = Some(damage),
            Some(_) => self.more_damages += 1,
        }
    }

    /// Counts a link type, and lets it stand first: the next frame has it too, most likely.
    #[cold]
    fn count_link(&mut self, link_type: LinkType) {
        match self.link_types.iter().position(|(known, _)| *known == link_type) {
            Some(at) => self.link_types.swap(0, at),
            None if self.link_types.len() >= MOST_LINK_TYPES && link_type.number() != OTHER_LINKS => {
                return self.count_link(LinkType::from_number(OTHER_LINKS));
            }
            None => self.link_types.insert(0, (link_type, 0)),
        }
        if let Some((_, count)) = self.link_types.first_mut() {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_types_beyond_the_cap_are_called_others() {
        assert_eq!(link_words(OTHER_LINKS), "others");
        assert_eq!(link_words(1), LinkType::from_number(1).to_string());
    }
}
