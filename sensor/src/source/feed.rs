//! Many captures as one timeline.
//!
//! The order is defined: by the running maximum of time within a capture, then by capture, then by frame. A capture is
//! opened when its first packet is due and closed at its end, so thousands of rotated files cost a few maps.

use super::capture_file::{CaptureFile, Damage, Frame, Step};
use super::map::Bytes;
use super::{Input, SourceError};
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
    pub link_types: BTreeMap<u32, u64>,
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
}

struct Open {
    file: CaptureFile,
    clock: Clock,
    /// The frame that is due next.
    due: Frame,
}

/// Captures on their way into the lanes.
pub struct Feed {
    inputs: Vec<Input>,
    open: BTreeMap<u32, Open>,
    /// Captures by the time at which they are due: `(time, capture)`, the earliest first.
    due: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// A capture whose last frame was fed, closed when the next is asked for.
    ended: Option<u32>,
    accounts: Vec<Account>,
    clock: Clock,
}

impl Feed {
    /// Looks at the first packet of each capture. Fails when one cannot be opened.
    pub fn new(inputs: Vec<Input>) -> Result<Self, SourceError> {
        let accounts = vec![Account::default(); inputs.len()];
        let mut feed = Self {
            inputs,
            open: BTreeMap::new(),
            due: BinaryHeap::new(),
            ended: None,
            accounts,
            clock: Clock::default(),
        };
        for capture in 0..u32::try_from(feed.inputs.len()).unwrap_or(u32::MAX) {
            if let Some(first) = feed.start(capture)? {
                let time = first.frame_time();
                feed.due.push(Reverse((time, capture)));
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
        let account = self.account(capture);
        account.bytes = file.bytes.len() as u64;
        account.snaplen = file.walk.snaplen();
        match step {
            Step::Frame(due) => {
                let mut clock = Clock::default();
                clock.advance(due.time);
                Ok(Some(Open { file, clock, due }))
            }
            Step::End => Ok(None),
            Step::Damaged(damage) => {
                account.damage = Some(damage);
                Ok(None)
            }
        }
    }

    /// The next frame of all captures; its bytes stand in [`Feed::bytes`] until the next call. A capture that cannot be
    /// opened any more when it is due is damaged at its first byte.
    pub fn next_frame(&mut self) -> Option<Fed> {
        if let Some(ended) = self.ended.take() {
            self.open.remove(&ended);
        }
        while let Some(Reverse((_, capture))) = self.due.peek().copied() {
            if !self.open.contains_key(&capture) {
                match self.start(capture) {
                    Ok(open) => self.open.extend(open.map(|open| (capture, open))),
                    Err(_) => {
                        self.account(capture).damage = Some(Damage { what: "it cannot be opened any more", at: 0 });
                    }
                }
            }
            match self.take(capture) {
                None => drop(self.due.pop()),
                fed => return fed,
            }
        }
        None
    }

    /// Takes the due frame of a capture and looks for its next one.
    fn take(&mut self, capture: u32) -> Option<Fed> {
        let open = self.open.get_mut(&capture)?;
        let account = self.accounts.get_mut(capture as usize)?;
        let clock = self.clock.at_least(open.clock.now());
        let fed = Fed { capture, number: account.packets + 1, frame: open.due.clone(), clock };
        account.take(&fed.frame);
        match open.file.walk.step(&open.file.bytes) {
            Step::Frame(frame) => {
                let time = open.clock.advance(frame.time);
                open.due = frame;
                let mut top = self.due.peek_mut()?;
                if top.0.0 != time {
                    *top = Reverse((time, capture));
                }
            }
            end => {
                account.snaplen = open.file.walk.snaplen();
                if let Step::Damaged(damage) = end {
                    account.damage = Some(damage);
                }
                self.due.pop();
                self.ended = Some(capture);
            }
        }
        Some(fed)
    }

    /// The bytes of a capture whose frame was fed last.
    pub fn bytes(&self, capture: u32) -> Option<&Arc<Bytes>> {
        self.open.get(&capture).map(|open| &open.file.bytes)
    }

    /// What was read of each capture, in the order of the inputs.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The captures, in the order in which evidence counts them.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// How many bytes of the captures are behind the reading.
    pub fn done_bytes(&self) -> u64 {
        let open: u64 = self.open.values().map(|open| (open.file.bytes.len() - open.due.bytes.end) as u64).sum();
        let waiting: u64 = self
            .due
            .iter()
            .filter(|Reverse((_, capture))| !self.open.contains_key(capture))
            .map(|Reverse((_, capture))| self.accounts.get(*capture as usize).map_or(0, |account| account.bytes))
            .sum();
        self.total_bytes().saturating_sub(open + waiting)
    }

    /// The captures and what was read of each.
    pub fn into_accounts(self) -> (Vec<Input>, Vec<Account>) {
        (self.inputs, self.accounts)
    }

    /// How many bytes all captures have together.
    pub fn total_bytes(&self) -> u64 {
        self.accounts.iter().map(|account| account.bytes).sum()
    }

    fn account(&mut self, capture: u32) -> &mut Account {
        self.accounts.get_mut(capture as usize).expect("each input has an account")
    }
}

/// As many captures stay open although they are not due yet.
const KEPT_OPEN: usize = 64;

impl Open {
    fn frame_time(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Account {
    #[inline]
    fn take(&mut self, frame: &Frame) {
        self.packets += 1;
        self.first = Some(self.first.map_or(frame.time, |first| first.min(frame.time)));
        self.last = Some(self.last.map_or(frame.time, |last| last.max(frame.time)));
        if (frame.wire_length as usize) > frame.bytes.len() {
            self.cut += 1;
        }
        let number = match frame.link_type {
            LinkType::Ethernet => 1,
            LinkType::Raw => 101,
            LinkType::Other(number) => number,
        };
        *self.link_types.entry(number).or_default() += 1;
    }
}
