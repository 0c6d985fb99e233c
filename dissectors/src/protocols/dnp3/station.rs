//! What is known of the stations that talk over a connection: what waits of them, and what was told of them.

use super::application::{Fragment, Indications};
use super::transport::{self, Assembly, Segment};
use super::turn::{Pair, Turn};
use super::{Waiting, link_operation};
use crate::dissector::{Direction, Field, Side};
use crate::observation::{ChildProof, Outcome};
use crate::out::{Mark, Out};
use crate::side::Sides;
use crate::time::Timestamp;
use compact_str::ToCompactString;
use std::time::Duration;

pub(super) static OUTSTATION_ADDRESS: Field =
    Field::new("dnp3.outstation_address", "link address by which an outstation speaks (9.2.4.1.4)");
pub(super) static MASTER_ADDRESS: Field =
    Field::new("dnp3.master_address", "link address by which a master speaks (9.2.4.1.4)");
pub(super) static NEED_TIME: Field =
    Field::new("dnp3.need_time", "1 while the outstation wants its clock to be set (IIN1.4, 4.2.2.6)");
pub(super) static LOCAL_CONTROL: Field =
    Field::new("dnp3.local_control", "1 while outputs obey somebody at the device alone (IIN1.5, 4.2.2.6)");
pub(super) static DEVICE_TROUBLE: Field =
    Field::new("dnp3.device_trouble", "1 while the outstation says that something is wrong with it (IIN1.6, 4.2.2.6)");
pub(super) static DEVICE_RESTART: Field =
    Field::new("dnp3.device_restart", "1 from a restart of the outstation until a master clears it (IIN1.7, 4.2.2.6)");
pub(super) static EVENT_BUFFER_OVERFLOW: Field = Field::new(
    "dnp3.event_buffer_overflow",
    "1 while the outstation lacks room for events and has lost some (IIN2.3, 4.2.2.6)",
);
pub(super) static CONFIGURATION_CORRUPT: Field =
    Field::new("dnp3.configuration_corrupt", "1 while the outstation's configuration is corrupt (IIN2.5, 4.2.2.6)");

/// The indications that are told, each while it holds and once it does no more.
static TOLD: [(u16, &Field); 6] = [
    (Indications::NEED_TIME, &NEED_TIME),
    (Indications::LOCAL_CONTROL, &LOCAL_CONTROL),
    (Indications::DEVICE_TROUBLE, &DEVICE_TROUBLE),
    (Indications::DEVICE_RESTART, &DEVICE_RESTART),
    (Indications::EVENT_BUFFER_OVERFLOW, &EVENT_BUFFER_OVERFLOW),
    (Indications::CONFIGURATION_CORRUPT, &CONFIGURATION_CORRUPT),
];

const ALL_TOLD: u16 = Indications::NEED_TIME
    | Indications::LOCAL_CONTROL
    | Indications::DEVICE_TROUBLE
    | Indications::DEVICE_RESTART
    | Indications::EVENT_BUFFER_OVERFLOW
    | Indications::CONFIGURATION_CORRUPT;

/// The pairs of stations that talk over a connection.
#[derive(Default)]
pub(super) struct Stations {
    pairs: Vec<Station>,
    /// Who spoke last: nearly always who speaks now.
    latest: usize,
}

/// A master and an outstation.
struct Station {
    pair: Pair,
    /// The side on which the outstation is.
    server: Side,
    assemblies: Sides<Assembly>,
    /// Of either, whether it was told that it is there.
    is_told: Sides<bool>,
    /// What the outstation indicated last, of what is told.
    indicated: u16,
    /// A selection that was accepted and waits for its operation.
    selected: Option<Box<Selected>>,
}

struct Selected {
    waiting: Waiting,
    since: Timestamp,
}

impl Stations {
    /// Takes a segment; the fragment that it ends.
    #[inline]
    pub(super) fn take<'a>(
        &mut self,
        turn: Turn,
        segment: Segment<'a>,
        out: &mut Out<'_>,
    ) -> Option<transport::Fragment<'a>> {
        let room = if segment.is_alone() { 0 } else { self.room() };
        let station = self.of(turn, out)?;
        let assembly = station.assemblies.of_mut(turn.sender);
        let whole = assembly.take(segment, room, out.place().time);
        let dropped = assembly.dropped();
        if dropped > 0 {
            count_dropped(turn, dropped, out);
        }
        whole
    }

    /// Who sent a message is there.
    #[inline]
    pub(super) fn hear(&mut self, turn: Turn, out: &mut Out<'_>) {
        // Who asks for stations that are not there makes none of them known.
        let is_known = self.position(turn.pair).is_some();
        if !is_known && turn.direction == Direction::Request {
            return tell(turn, out);
        }
        let Some(station) = self.of(turn, out) else { return };
        let is_told = station.is_told.of_mut(turn.sender);
        if !std::mem::replace(is_told, true) {
            tell(turn, out);
        }
    }

    /// What an outstation says of its state.
    #[inline]
    pub(super) fn indicate(&mut self, turn: Turn, fragment: &Fragment<'_>, out: &mut Out<'_>) {
        let Some(Indications(now)) = fragment.indications else { return };
        let Some(station) = self.of(turn, out) else { return };
        let now = now & ALL_TOLD;
        let changed = std::mem::replace(&mut station.indicated, now) ^ now;
        if changed == 0 || !turn.pair.names_a_station() {
            return;
        }
        let child = turn.child();
        for (bit, field) in TOLD.iter().filter(|(bit, _)| changed & bit != 0) {
            out.number(turn.sender, Some(&child), field, i64::from(now & bit != 0));
        }
    }

    /// A selection was accepted: it is told with its operation, or when that does not come.
    #[cold]
    pub(super) fn select(&mut self, waiting: Waiting, out: &mut Out<'_>) {
        let since = out.place().time;
        let Some(station) = self.of(waiting.request.turn, out) else { return };
        if let Some(before) = station.selected.replace(Box::new(Selected { waiting, since })) {
            before.waiting.answered(Outcome::Accepted, out);
        }
    }

    /// An operation was sent: what it repeats of a selection is told with it.
    #[cold]
    pub(super) fn operate(&mut self, turn: Turn, fragment: &Fragment<'_>) {
        let Some(station) = self.position(turn.pair).and_then(|at| self.pairs.get_mut(at)) else { return };
        station.selected.take_if(|selected| {
            let asked = &selected.waiting.request;
            fragment.control.follows(asked.sequence)
                && asked.turn == turn
                && asked.objects.as_deref() == Some(fragment.objects)
        });
    }

    /// Bytes that a side sent were lost.
    pub(super) fn lose(&mut self, side: Side) {
        self.pairs.iter_mut().for_each(|station| station.assemblies.of_mut(side).give_up());
    }

    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        for station in &mut self.pairs {
            for side in Side::BOTH {
                station.assemblies.of_mut(side).tick(now);
            }
            station.tell_dropped(out);
            if let Some(overdue) = station.selected.take_if(|selected| now >= selected.since.after(SELECTED)) {
                overdue.waiting.answered(Outcome::Accepted, out);
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        self.pairs.drain(..).for_each(|station| station.end(out));
    }

    fn position(&self, pair: Pair) -> Option<usize> {
        let is_it = |at: &usize| self.pairs.get(*at).is_some_and(|station| station.pair == pair);
        Some(self.latest).filter(is_it).or_else(|| self.pairs.iter().position(|station| station.pair == pair))
    }

    /// The station of a pair. Beyond the cap the one that came first goes, and what waits of it is told.
    #[inline]
    fn of(&mut self, turn: Turn, out: &mut Out<'_>) -> Option<&mut Station> {
        self.latest = match self.position(turn.pair) {
            Some(at) => at,
            None => self.add(turn, out),
        };
        self.pairs.get_mut(self.latest)
    }

    #[cold]
    fn add(&mut self, turn: Turn, out: &mut Out<'_>) -> usize {
        if self.pairs.len() >= MOST_PAIRS {
            self.pairs.remove(0).end(out);
        }
        self.pairs.push(Station::new(turn));
        self.pairs.len().saturating_sub(1)
    }

    /// How many bytes of unfinished fragments may be added.
    fn room(&self) -> usize {
        let waiting = |station: &Station| Side::BOTH.iter().map(|side| station.assemblies.of(*side).waiting()).sum();
        let waiting: usize = self.pairs.iter().map(waiting).fold(0, usize::saturating_add);
        MOST_BYTES.saturating_sub(waiting)
    }
}

impl Station {
    fn new(turn: Turn) -> Self {
        Self {
            pair: turn.pair,
            server: turn.server(),
            assemblies: Sides::default(),
            is_told: Sides::default(),
            indicated: 0,
            selected: None,
        }
    }

    /// Nothing more is heard of it.
    fn end(mut self, out: &mut Out<'_>) {
        for side in Side::BOTH {
            self.assemblies.of_mut(side).give_up();
        }
        self.tell_dropped(out);
        if let Some(selected) = self.selected {
            selected.waiting.answered(Outcome::Accepted, out);
        }
    }

    fn tell_dropped(&mut self, out: &mut Out<'_>) {
        for sender in Side::BOTH {
            let dropped = self.assemblies.of_mut(sender).dropped();
            if dropped > 0 {
                let direction = if sender == self.server { Direction::Response } else { Direction::Request };
                count_dropped(Turn { sender, direction, pair: self.pair }, dropped, out);
            }
        }
    }
}

fn count_dropped(turn: Turn, dropped: u32, out: &mut Out<'_>) {
    for _ in 0..dropped {
        out.count(turn.count(link_operation(super::link::UNCONFIRMED_DATA), Mark::Plain, false));
    }
}

/// Tells that the sender is there, and by which address.
#[cold]
fn tell(turn: Turn, out: &mut Out<'_>) {
    let Pair { master, outstation } = turn.pair;
    match turn.direction {
        Direction::Request => {
            out.server(turn.server());
            out.numbered(turn.sender, None, (&MASTER_ADDRESS, master.into()), &master.to_compact_string());
        }
        Direction::Response if turn.pair.names_a_station() => {
            let child = turn.child();
            out.child(turn.sender, &child, ChildProof::Answered);
            out.number(turn.sender, Some(&child), &OUTSTATION_ADDRESS, outstation.into());
        }
        Direction::Response => {}
    }
}

/// As many pairs are known of one connection: more than a line has, or a master polls.
const MOST_PAIRS: usize = 128;
/// As many bytes of unfinished fragments wait in one connection: eight of the usual longest.
const MOST_BYTES: usize = 16 << 10;
/// After so long a selection does not hold any more.
const SELECTED: Duration = Duration::from_secs(30);
