//! Requests and acknowledgements that come in segments, put together (ASHRAE 135-2020, clauses 5.2 and 5.4).
//!
//! Segments are numbered from 0, and after 255 from 0 again; what was sent again or overtook another finds its place by
//! its number. Nothing waits for long: who sends segments waits for an acknowledgement after each window of them, at most
//! 127. What is not put together is told as far as its first segment goes, and counted.

use super::apdu::Segment;
use super::pending::Key;
use crate::out::Out;
use crate::time::Timestamp;
use std::time::Duration;

/// The messages of a conversation that are not whole yet.
#[derive(Default)]
pub(super) struct Transfers(Vec<Transfer>);

/// A segment with its message.
pub(super) struct Piece<'a> {
    pub(super) key: Key,
    pub(super) is_request: bool,
    pub(super) service: u8,
    pub(super) segment: Segment,
    pub(super) bytes: &'a [u8],
}

struct Transfer {
    key: Key,
    is_request: bool,
    service: u8,
    /// The segments in order, up to the first that is missing.
    content: Vec<u8>,
    /// How long the first of them was: another first one is another message.
    first: usize,
    /// The number of the next one, counted on beyond 255.
    next: u32,
    /// Those that came before their turn.
    ahead: Vec<(u32, Box<[u8]>)>,
    /// The number of the last one, if it has come.
    last: Option<u32>,
    heard: Timestamp,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It was whole: what comes again is known.
    Done,
    /// It is too much.
    Refused,
}

impl Transfers {
    /// The content of the message, if this segment makes it whole. Changes nothing.
    pub(super) fn whole(&self, piece: &Piece<'_>) -> Option<Vec<u8>> {
        let transfer = self.0.iter().find(|transfer| transfer.is_of(piece))?;
        transfer.whole(piece)
    }

    /// Whether a segment follows others of its message, though it may bear the number of the first.
    pub(super) fn is_within(&self, piece: &Piece<'_>) -> bool {
        let transfer = self.0.iter().find(|transfer| transfer.is_of(piece) && transfer.state == State::Open);
        transfer.and_then(|transfer| transfer.number(piece)).is_some_and(|number| number > 0)
    }

    /// Takes a segment in.
    pub(super) fn take(&mut self, piece: &Piece<'_>, out: &mut Out<'_>) {
        let now = out.place().time;
        self.give_up(now, out);
        let at = self.0.iter().position(|transfer| transfer.is_of(piece));
        if let Some(transfer) = at.and_then(|at| self.0.get(at))
            && transfer.is_another(piece)
        {
            at.map(|at| self.0.swap_remove(at)).into_iter().for_each(|old| old.end(out));
        }
        let at = self.0.iter().position(|transfer| transfer.is_of(piece));
        if let Some(transfer) = at.and_then(|at| self.0.get_mut(at)) {
            return transfer.take(piece, out);
        }
        if self.0.len() >= MOST_TRANSFERS {
            return out.refuse_segmented();
        }
        let mut transfer = Transfer::new(piece, now);
        transfer.take(piece, out);
        self.0.push(transfer);
    }

    /// The exchange has ended otherwise: nothing is missing.
    pub(super) fn forget(&mut self, key: &Key, out: &mut Out<'_>) {
        self.0.retain(|transfer| {
            let is_of = transfer.key == *key;
            if is_of {
                out.release(transfer.held());
            }
            !is_of
        });
    }

    /// Gives up what nobody goes on with.
    pub(super) fn give_up(&mut self, now: Timestamp, out: &mut Out<'_>) {
        while let Some(at) = self.0.iter().position(|transfer| now.since(transfer.heard) > PATIENCE) {
            self.0.swap_remove(at).end(out);
        }
    }

    /// No more segments come.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        self.0.drain(..).for_each(|transfer| transfer.end(out));
    }
}

impl Transfer {
    fn new(piece: &Piece<'_>, now: Timestamp) -> Self {
        Self {
            key: piece.key.clone(),
            is_request: piece.is_request,
            service: piece.service,
            content: Vec::new(),
            first: 0,
            next: 0,
            ahead: Vec::new(),
            last: None,
            heard: now,
            state: State::Open,
        }
    }

    fn is_of(&self, piece: &Piece<'_>) -> bool {
        (self.is_request, self.service) == (piece.is_request, piece.service) && self.key == piece.key
    }

    /// Whether a segment begins another message of the same number.
    fn is_another(&self, piece: &Piece<'_>) -> bool {
        let begins = piece.segment.sequence == 0 && self.number(piece) == Some(0).filter(|_| self.next > 0);
        match self.state {
            State::Open => begins && self.content.get(..self.first) != Some(piece.bytes),
            State::Done | State::Refused => begins || (piece.segment.sequence == 0 && self.next == 0),
        }
    }

    /// The number of a segment, counted on beyond 255: the one nearest to the next. Nothing if it lies before the first.
    fn number(&self, piece: &Piece<'_>) -> Option<u32> {
        let [.., next] = self.next.to_be_bytes();
        let ahead = piece.segment.sequence.wrapping_sub(next);
        match ahead {
            0..=MOST_AHEAD => self.next.checked_add(ahead.into()),
            _ => self.next.checked_sub(u32::from(next.wrapping_sub(piece.segment.sequence))),
        }
    }

    fn whole(&self, piece: &Piece<'_>) -> Option<Vec<u8>> {
        let number = self.number(piece)?;
        let last = if piece.segment.is_last { Some(number) } else { self.last };
        if self.state != State::Open || number != self.next || !self.has_room(piece.bytes) || self.is_another(piece) {
            return None;
        }
        let mut content = [&self.content, piece.bytes].concat();
        let mut next = number;
        while last != Some(next) {
            next = next.checked_add(1)?;
            let (_, bytes) = self.ahead.iter().find(|(number, _)| *number == next)?;
            content.extend_from_slice(bytes);
        }
        Some(content)
    }

    fn take(&mut self, piece: &Piece<'_>, out: &mut Out<'_>) {
        self.heard = out.place().time;
        let Some(number) = self.number(piece).filter(|number| self.state == State::Open && *number >= self.next) else {
            return;
        };
        if self.ahead.iter().any(|(known, _)| *known == number) {
            return;
        }
        if !self.has_room(piece.bytes) || !out.hold(piece.bytes.len()) {
            out.refuse_segmented();
            return self.settle(State::Refused, out);
        }
        if piece.segment.is_last {
            self.last = Some(number);
        }
        self.ahead.push((number, piece.bytes.into()));
        while let Some(at) = self.ahead.iter().position(|(number, _)| *number == self.next) {
            let (_, bytes) = self.ahead.swap_remove(at);
            if self.next == 0 {
                self.first = bytes.len();
            }
            self.content.extend_from_slice(&bytes);
            self.next = self.next.saturating_add(1);
        }
        if self.last.is_some_and(|last| last < self.next) {
            self.settle(State::Done, out);
        }
    }

    fn settle(&mut self, state: State, out: &mut Out<'_>) {
        out.release(self.held());
        self.state = state;
        self.content = Vec::new();
        self.ahead = Vec::new();
    }

    fn held(&self) -> usize {
        self.ahead.iter().map(|(_, bytes)| bytes.len()).fold(self.content.len(), usize::saturating_add)
    }

    fn has_room(&self, bytes: &[u8]) -> bool {
        self.held().saturating_add(bytes.len()) <= MOST_BYTES
    }

    /// It is waited for no more. What is known to be missing is counted, at least one segment.
    fn end(self, out: &mut Out<'_>) {
        out.release(self.held());
        if self.state == State::Open {
            let latest = self.ahead.iter().map(|(number, _)| *number).max().unwrap_or(self.next);
            let span = u64::from(latest.saturating_sub(self.next)).saturating_add(1);
            let here = u64::try_from(self.ahead.len()).unwrap_or(u64::MAX);
            out.lack_segments(span.saturating_sub(here).max(1));
        }
    }
}

/// Clause 20.1.2.8: a window holds at most 127 segments.
const MOST_AHEAD: u8 = 126;
/// As many messages of one conversation are put together at a time.
const MOST_TRANSFERS: usize = 16;
/// As many bytes of one message: four times what the largest devices answer to `ReadPropertyMultiple` of all.
const MOST_BYTES: usize = 256 * 1024;
/// A sender asks for its acknowledgement four times, mostly after 2 s each (12.11, `APDU_Segment_Timeout`).
const PATIENCE: Duration = Duration::from_secs(10);
