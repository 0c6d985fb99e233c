//! Many captures as one timeline.
//!
//! The order is defined: by the running maximum of time within a capture, then by capture, then by frame. A capture is
//! opened when its first packet is due and closed at its end, so thousands of rotated files cost a few maps.

use super::capture_file::{CaptureFile, Damage, Frame, Step};
use super::map::Bytes;
use super::{Input, Silence, Silences, SourceError, prefetch};
use crate::clock::Clock;
use dissectors::Timestamp;
use dissectors::packet::LinkType;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// A frame on the common timeline.
#[derive(Clone, Debug)]
pub struct Fed {
    /// Which capture, by its place among the inputs.
    pub capture: u32,
    /// The frame's number there, from 1.
    pub number: u64,
    /// Where it stands and when it came.
    pub frame: Frame,
    /// The timeline's time: never goes back, and jumps only when a second packet confirms it.
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
    /// Why it could not be read to its end.
    pub damage: Option<Damage>,
    /// How long it was silent.
    pub silences: Silences,
}

struct Open {
    file: CaptureFile,
    clock: Clock,
    /// A frame that was read already and is not due yet.
    due: Option<Frame>,
    /// How many bytes are read.
    done: usize,
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
    clock: Clock,
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
            clock: Clock::default(),
        };
        for capture in 0..u32::try_from(feed.inputs.len()).unwrap_or(u32::MAX) {
            if let Some(first) = feed.start(capture)? {
                feed.due.push(Reverse((first.clock.now(), capture)));
                // With many captures only the ones that are due stay open.
                if feed.inputs.len() <= KEPT_OPEN {
                    feed.open.insert(capture, first);
                }
            }
        }
        Ok(feed)
    }

    /// Opens a capture at its first frame; `None` if it has none.
    fn start(&mut self, capture: u32) -> Result<Option<Open>, SourceError> {
        let Some(input) = self.inputs.get(capture as usize) else { return Ok(None) };
        let mut file = CaptureFile::open(input)?;
        let step = file.walk.step(&file.bytes);
        let mut account =
            Account { bytes: file.bytes.len() as u64, snaplen: file.walk.snaplen(), ..Account::default() };
        match step {
            Step::Frame(due) => {
                self.account(capture).bytes = account.bytes;
                let mut clock = Clock::default();
                clock.advance(due.time);
                return Ok(Some(Open { file, clock, due: Some(due), done: 0, account }));
            }
            Step::End => {}
            Step::Damaged(damage) => account.damage = Some(damage),
        }
        *self.account(capture) = account;
        Ok(None)
    }

    /// The next frame of all captures; its bytes stand in [`Feed::bytes`] until the next call. A capture that cannot be
    /// opened any more when it is due is damaged at its first byte.
    #[inline]
    pub fn next_frame(&mut self) -> Option<Fed> {
        loop {
            let Some((capture, open)) = &mut self.current else {
                self.turn()?;
                continue;
            };
            let Some(frame) = open.step() else {
                let (capture, open) = self.current.take()?;
                *self.account(capture) = open.account;
                continue;
            };
            let now = open.clock.advance(frame.time);
            if self.until.is_some_and(|until| (now, *capture) > until) {
                open.due = Some(frame);
                self.due.push(Reverse((now, *capture)));
                self.open.extend(self.current.take());
                continue;
            }
            open.account.take(&frame);
            let (capture, number) = (*capture, open.account.packets);
            return Some(Fed { capture, number, frame, clock: self.clock.at_least(now) });
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
                    self.account(capture).damage = Some(Damage { what: "it cannot be opened any more", at: 0 });
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

    /// The bytes of the capture whose frame was fed last.
    #[inline]
    pub fn bytes(&self) -> Option<&Arc<Bytes>> {
        self.current.as_ref().map(|(_, open)| &open.file.bytes)
    }

    /// How many bytes of the captures are behind the reading.
    pub fn done_bytes(&self) -> u64 {
        let ahead = |open: &Open| (open.file.bytes.len() - open.done) as u64;
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

    /// The captures, in the order in which evidence counts them, and what was read of each.
    pub fn into_accounts(self) -> (Vec<Input>, Vec<Account>) {
        (self.inputs, self.accounts)
    }

    fn account(&mut self, capture: u32) -> &mut Account {
        self.accounts.get_mut(capture as usize).expect("each input has an account")
    }
}

/// A few small packets: the hardware foresees less when other work comes between them.
const PREFETCH_AHEAD: usize = 1024;

/// As many captures stay open although they are not due yet.
const KEPT_OPEN: usize = 64;

impl Open {
    /// The next frame; `None` at the end, which is noted.
    #[inline]
    fn step(&mut self) -> Option<Frame> {
        if self.due.is_some() {
            return self.due.take();
        }
        match self.file.walk.step(&self.file.bytes) {
            Step::Frame(frame) => {
                self.done = frame.bytes.end;
                // The next record's header and its frame's, and what follows some small packets further: they come
                // while this packet is read.
                for ahead in [0, PREFETCH_AHEAD] {
                    if let Some(next) = self.file.bytes.get(self.done + ahead..) {
                        prefetch(next, 2);
                    }
                }
                Some(frame)
            }
            end => {
                self.account.snaplen = self.file.walk.snaplen();
                if let Step::Damaged(damage) = end {
                    self.account.damage = Some(damage);
                }
                None
            }
        }
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

    /// Counts a link type, and lets it stand first: the next frame has it too, most likely.
    #[cold]
    fn count_link(&mut self, link_type: LinkType) {
        match self.link_types.iter().position(|(known, _)| *known == link_type) {
            Some(at) => self.link_types.swap(0, at),
            None => self.link_types.insert(0, (link_type, 0)),
        }
        if let Some((_, count)) = self.link_types.first_mut() {
            *count += 1;
        }
    }
}
