//! One flow's talk: found out by structure, then spoken, then quiet.

use crate::counters::Counters;
use crate::messages::{Desk, Fate, Messages};
use crate::source::prefetch;
use crate::talk::track::{Step, Track};
use crate::wiped::Wiped;
use dissectors::observation::Transport;
use dissectors::{
    Carrier, Dissector, Ending, Part, Place, Protocol, Scene, Series, Side, Sides, Told, Verdict, protocols,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// As many bits name a protocol at once.
const NAMING_BITS: u32 = 32;
/// What is kept of a side until it is named.
const MOST_KEPT: usize = 1024;
/// Starts at which no protocol shows before the flow goes quiet.
const MOST_TRIES: u32 = 16;
/// Malformed messages in a row of a named flow, without a whole one between them, before it goes quiet.
const MOST_STUMBLES: u32 = 64;
/// A name that rests on fewer bits is taken back when what follows makes no sense: so much of it, and so many times what
/// does.
const CERTAIN_BITS: u32 = 64;
const MUCH_NONSENSE: u64 = 8;
const NONSENSE_TO_SENSE: u64 = 4;

/// So many messages in a row, of which none proves enough, name a flow.
const MANY_IN_A_ROW: u8 = 3;

mod track;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Packets may come.
    Open,
    /// Both ends have said goodbye, or one has broken it off.
    Closed,
}

/// Where a talk stands.
enum Stage {
    Probing(Box<Probing>),
    Speaking(&'static Protocol, Box<dyn Dissector>),
    Quiet,
}

/// A piece of a flow that is not named yet.
struct Kept {
    side: Side,
    bytes: Wiped,
    place: Place,
}

/// What is known of a flow that is not named yet.
#[derive(Default)]
struct Probing {
    kept: Vec<Kept>,
    /// The bytes of each side since the place where a message may start.
    fronts: Sides<Wiped>,
    /// The latest message that could be another protocol's too.
    likely: Option<Likely>,
    /// What each side may be in the midst of.
    tracks: Sides<Option<Box<Track>>>,
    tries: u32,
}

/// A protocol of which one message was seen that proves too little.
struct Likely {
    protocol: &'static str,
    lacks: Lacks,
}

/// What a message that proves too little lacks.
enum Lacks {
    /// Any second one.
    Another,
    /// The other half of what this side sent.
    Half(Side, Part),
    /// More of those that this side sends one after the other; so many came, of so many bytes.
    Followers(Side, Series, u8, u64),
}

impl Likely {
    /// Whether a later message of `side`, which proves too little as well, makes up for what this one lacks. On a usual
    /// port of the protocol any will do.
    fn is_confirmed_by(&self, protocol: &Protocol, side: Side, part: Option<Part>, scene: &Scene) -> bool {
        let completes = match (&self.lacks, part) {
            (Lacks::Half(sender, one), Some(other)) => *sender != side && other.completes(*one),
            (Lacks::Another, None) => true,
            _ => false,
        };
        self.protocol == protocol.name && (completes || hint_of(protocol, scene) == Some(true))
    }

    /// How many of a series have come in a row, and their bytes.
    fn followed_by(&self, protocol: &Protocol, side: Side, series: Series) -> Option<(u8, u64)> {
        match self.lacks {
            Lacks::Followers(sender, before, count, bytes)
                if self.protocol == protocol.name && sender == side && series.follows(before) =>
            {
                Some((count, bytes))
            }
            _ => None,
        }
    }
}

/// What the candidates make of a front.
enum Assessment {
    Named(&'static Protocol, u32),
    Likely(&'static Protocol, Option<Part>),
    Series(&'static Protocol, Series),
    More,
    /// Nothing starts here, but something may behind so many bytes.
    Within(&'static Protocol, usize),
    Nobody,
}

/// What a lane lends to its conversations.
pub(crate) struct Lent<'a> {
    pub(crate) told: &'a mut Told,
    /// Panics of dissectors.
    pub(crate) panics: &'a mut u64,
}

/// A flow's talk. What every packet touches stands first, the front of the scene last of it.
#[repr(C)]
pub(crate) struct Talk {
    stage: Stage,
    pub(crate) counters: Counters,
    messages: Sides<Messages>,
    pub(crate) scene: Scene,
    /// Malformed messages in a row, and how many whole ones there were at the last of them: no message that is whole has to
    /// come by here.
    stumbles: (u32, u64),
    /// Bytes that the capture lost, in this window.
    pub(crate) lost: u64,
    /// The first packet behind the first hole of this window.
    pub(crate) lost_at: Option<Place>,
    /// Payload bytes that nobody could name, in this window.
    pub(crate) unknown: u64,
    /// Where its first packet stands that says something or agrees to.
    pub(crate) begun_at: Option<Place>,
    /// Protocols that this flow is not, one bit each by their place in the table.
    excluded: u64,
    /// Whether its name rests on so few bits that chance may have set them.
    is_guess: bool,
    /// What another conversation has announced it to speak.
    expected: Option<&'static Protocol>,
}

impl Talk {
    /// Nothing was said yet.
    pub(crate) fn new(scene: Scene) -> Self {
        Self {
            scene,
            counters: Counters::default(),
            lost: 0,
            lost_at: None,
            unknown: 0,
            begun_at: None,
            stage: Stage::Probing(Box::default()),
            messages: Sides::default(),
            excluded: 0,
            stumbles: (0, 0),
            is_guess: false,
            expected: None,
        }
    }

    /// Another conversation has announced this one: what it speaks, and which side serves.
    pub(crate) fn expect(&mut self, protocol: &'static Protocol, server: Side) {
        self.expected = Some(protocol);
        self.counters.server = Some(server);
        self.counters.is_settled = true;
    }

    /// Whether a side has sent what tells nothing before.
    #[inline]
    pub(crate) fn skips(&self, side: Side) -> bool {
        self.messages.of(side).skips()
    }

    /// Passes over the next bytes of a side, if they tell nothing.
    #[inline]
    pub(crate) fn coast(&mut self, side: Side, bytes: &[u8]) -> bool {
        match &self.stage {
            Stage::Speaking(_, dissector) => self.messages.of_mut(side).coast(side, bytes, dissector.as_ref()),
            Stage::Probing(_) | Stage::Quiet => false,
        }
    }

    /// The protocol, once its structure has named it.
    pub(crate) fn protocol(&self) -> Option<&'static str> {
        (!self.scene.protocol.is_empty()).then_some(self.scene.protocol)
    }

    /// Whether its structure has named a protocol.
    #[inline]
    pub(crate) fn is_named(&self) -> bool {
        matches!(self.stage, Stage::Speaking(..)) || self.protocol().is_some()
    }

    /// Whether it has told what it can.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.stage, Stage::Quiet)
    }

    /// Asks for the memory that the next message will need.
    #[inline]
    pub(crate) fn prefetch(&self) {
        if let Stage::Speaking(_, dissector) = &self.stage {
            prefetch::<2, _>(dissector.as_ref());
            self.counters.prefetch();
        }
    }

    /// Asks for the memory that [`Talk::tick`] will need.
    pub(crate) fn prefetch_dissector(&self) {
        if let Stage::Speaking(_, dissector) = &self.stage {
            prefetch::<2, _>(dissector.as_ref());
        }
    }

    /// Bytes came after it had told what it could.
    #[inline]
    pub(crate) fn hear_nothing(&mut self, payload: &[u8]) {
        if self.protocol().is_none() {
            self.unknown += payload.len() as u64;
        }
    }

    /// Packet time has passed.
    pub(crate) fn tick(&mut self, place: Place, lent: &mut Lent<'_>) {
        let Stage::Speaking(_, dissector) = &mut self.stage else { return };
        let mut out = dissectors::Out::new(lent.told, &self.scene, Side::A, place);
        let ticked = catch_unwind(AssertUnwindSafe(|| dissector.tick(place.time, &mut out)));
        lent.told.take_held();
        if ticked.is_ok() {
            lent.told.commit(&mut self.counters);
        } else {
            self.panicked(lent);
        }
    }

    /// No more packets come. When the connection was closed, what pends will never be answered.
    pub(crate) fn finish(&mut self, life: Life, place: Place, lent: &mut Lent<'_>) {
        if let Stage::Probing(probing) = &self.stage {
            self.unknown += probing.kept.iter().map(|kept| kept.bytes.len() as u64).sum::<u64>();
        }
        self.tick(place, lent);
        let ending = if life == Life::Closed { Ending::Closed } else { Ending::Unseen };
        self.end(ending, place, lent);
    }

    /// Whatever the dissector still has to say: it hears no more.
    fn end(&mut self, ending: Ending, place: Place, lent: &mut Lent<'_>) {
        let Stage::Speaking(_, dissector) = &mut self.stage else { return };
        let mut out = dissectors::Out::new(lent.told, &self.scene, Side::A, place);
        let ended = catch_unwind(AssertUnwindSafe(|| dissector.finish(ending, &mut out)));
        lent.told.take_held();
        if ended.is_ok() {
            lent.told.commit(&mut self.counters);
        } else {
            self.panicked(lent);
        }
    }

    /// What was counted so far has been told.
    pub(crate) fn begin_window(&mut self) {
        self.counters.clear();
        self.uncount();
    }

    /// The same, and the window goes on.
    pub(crate) fn go_on_counting(&mut self) {
        self.counters.go_on();
        self.uncount();
    }

    fn uncount(&mut self) {
        self.lost = 0;
        self.lost_at = None;
        self.unknown = 0;
    }

    /// Whether it holds nothing back.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let is_probing = matches!(self.stage, Stage::Probing(_));
        !is_probing & self.messages.a.is_empty() & self.messages.b.is_empty()
    }

    /// How many bytes it holds back.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        if self.is_empty() { 0 } else { self.count_waiting() }
    }

    #[cold]
    fn count_waiting(&self) -> usize {
        let probing = match &self.stage {
            Stage::Probing(probing) => probing.waiting(),
            Stage::Speaking(..) | Stage::Quiet => 0,
        };
        probing + self.messages.a.waiting() + self.messages.b.waiting()
    }

    /// How many messages were malformed since the last call, for the counters of its protocol.
    pub(crate) fn take_malformed(&mut self) -> u64 {
        let take = |side: &Side| u64::from(std::mem::take(&mut self.messages.of_mut(*side).malformed));
        Side::BOTH.iter().map(take).sum()
    }

    /// Drops what it holds back, as if it had been lost.
    pub(crate) fn drop_waiting(&mut self) {
        if let Stage::Speaking(_, dissector) = &mut self.stage {
            dissector.let_go();
            (self.messages.a.held, self.messages.b.held) = (0, 0);
        }
        for side in Side::BOTH {
            let waiting = self.messages.of(side).waiting() as u64;
            if waiting > 0 || matches!(self.stage, Stage::Probing(_)) {
                self.gap(side, waiting);
            }
        }
    }

    /// Bytes of a side were lost in capture.
    pub(crate) fn gap(&mut self, side: Side, lost: u64) {
        self.lost += lost;
        match &mut self.stage {
            Stage::Probing(probing) => {
                probing.forget(side, &mut self.unknown);
                *probing.tracks.of_mut(side) = None;
            }
            Stage::Speaking(_, dissector) => {
                let fate = self.messages.of_mut(side).gap(side, lost, dissector.as_mut());
                self.settle(fate);
            }
            Stage::Quiet => {}
        }
    }

    /// A side goes on elsewhere. At least one byte was lost, and no message or body reaches across, however long it was to
    /// be.
    #[cold]
    pub(crate) fn jump(&mut self, side: Side) {
        self.messages.of_mut(side).lose_footing();
        self.gap(side, 1);
    }

    /// Whether a dissector hears it.
    #[inline]
    pub(crate) fn speaks(&self) -> bool {
        matches!(self.stage, Stage::Speaking(..))
    }

    /// The next bytes of a side, or a datagram, or a frame; tells how many bytes more (or fewer) wait for others since.
    #[inline]
    pub(crate) fn hear(&mut self, side: Side, bytes: &[u8], place: &Place, lent: &mut Lent<'_>) -> isize {
        let before = self.waiting();
        self.piece(side, bytes, place, lent);
        self.waiting().cast_signed() - before.cast_signed()
    }

    /// The next bytes of a side, or a datagram, or a frame.
    #[inline]
    pub(crate) fn piece(&mut self, side: Side, bytes: &[u8], place: &Place, lent: &mut Lent<'_>) {
        match &mut self.stage {
            Stage::Speaking(..) => self.speak(side, bytes, place, lent),
            Stage::Probing(_) => self.probe(side, bytes, *place, lent),
            Stage::Quiet => {}
        }
    }

    #[inline(never)]
    fn speak(&mut self, side: Side, bytes: &[u8], place: &Place, lent: &mut Lent<'_>) {
        let Stage::Speaking(protocol, dissector) = &mut self.stage else { return };
        let messages = self.messages.of_mut(side);
        let mut desk = Desk { told: lent.told, tallies: &mut self.counters, scene: &self.scene, place };
        let speaker: (&Protocol, &mut dyn Dissector) = (protocol, dissector.as_mut());
        let spoken = catch_unwind(AssertUnwindSafe(|| match desk.scene.transport {
            Transport::Tcp => messages.feed(side, bytes, speaker, &mut desk),
            _ => messages.datagram(side, bytes, speaker, &mut desk),
        }));
        let growth = lent.told.take_held();
        if growth != 0 {
            messages.held = messages.held.saturating_add_signed(growth);
        }
        match spoken {
            Ok(Fate::On) => {}
            Ok(fate) => self.settle(fate),
            Err(_) => self.panicked(lent),
        }
    }

    #[cold]
    fn settle(&mut self, fate: Fate) {
        match fate {
            Fate::Doubtful if self.is_misnamed() => self.take_back(),
            Fate::On | Fate::Doubtful => {}
            Fate::Enough => self.quiet(),
            Fate::Malformed => {
                let whole = self.sum(|messages| messages.whole.into());
                let before = if self.stumbles.1 == whole { self.stumbles.0 } else { 0 };
                self.stumbles = (before.saturating_add(1), whole);
                if whole == 0 || self.is_misnamed() {
                    self.take_back();
                } else if self.stumbles.0 > MOST_STUMBLES {
                    self.quiet();
                }
            }
        }
    }

    /// Whether next to nothing of what was heard made sense, and nothing was lost that would explain it: the first
    /// message was one by chance.
    #[cold]
    fn is_misnamed(&self) -> bool {
        let sense = self.sum(|messages| messages.whole.into());
        let nonsense = self.nonsense();
        self.is_guess && self.lost == 0 && nonsense >= MUCH_NONSENSE && nonsense > sense * NONSENSE_TO_SENSE
    }

    /// Whether its name rests on few bits, and what followed does not make it sure yet.
    pub(crate) fn may_be_misnamed(&self) -> bool {
        const ENOUGH: u64 = 2;
        self.is_guess && (self.nonsense() > 0 || self.sum(|messages| messages.whole.into()) < ENOUGH)
    }

    /// Messages and segments that made no sense.
    fn nonsense(&self) -> u64 {
        self.sum(|messages| u64::from(messages.malformed) + u64::from(messages.strays))
    }

    /// What both directions have counted.
    fn sum(&self, count: fn(&Messages) -> u64) -> u64 {
        Side::BOTH.iter().map(|side| count(self.messages.of(*side))).sum()
    }

    /// The flow was named wrongly: nothing of it counts.
    fn take_back(&mut self) {
        if let Stage::Speaking(protocol, _) = &self.stage {
            self.excluded |= bit_of(protocol);
            self.scene.protocol = "";
            self.unknown += (self.messages.a.waiting() + self.messages.b.waiting()) as u64;
            self.messages = Sides::default();
            self.counters = Counters::default();
            self.stage = Stage::Probing(Box::default());
        }
    }

    fn quiet(&mut self) {
        self.stage = Stage::Quiet;
        for side in Side::BOTH {
            let messages = self.messages.of_mut(side);
            let malformed = messages.malformed;
            *messages = Messages::default();
            messages.malformed = malformed;
        }
    }

    /// A panic costs this flow and a counter, never the sensor.
    fn panicked(&mut self, lent: &mut Lent<'_>) {
        lent.told.roll_back();
        *lent.panics += 1;
        self.quiet();
    }

    /// Asks all candidates whose messages these are.
    fn probe(&mut self, side: Side, bytes: &[u8], place: Place, lent: &mut Lent<'_>) {
        let Stage::Probing(probing) = &mut self.stage else { return };
        if let Some(protocol) = self.expected
            && (protocol.probe)(bytes, self.scene.transport).is_mine()
        {
            // What came before opened a way through a firewall.
            probing.kept.clear();
            self.unknown = 0;
            self.name(protocol, side, bytes, place, lent);
            return;
        }
        if let Some(track) = probing.tracks.of_mut(side).take()
            && self.track(track, side, bytes, place, lent) != Step::Lost
        {
            return;
        }
        let Stage::Probing(probing) = &mut self.stage else { return };
        let front = probing.fronts.of_mut(side);
        let is_first = front.is_empty();
        let assessment = if is_first {
            assess(bytes, &self.scene, self.excluded)
        } else {
            front.extend(bytes);
            match assess(front, &self.scene, self.excluded) {
                Assessment::Named(protocol, bits) => Assessment::Named(protocol, bits),
                joined => match assess(bytes, &self.scene, self.excluded) {
                    // What came before was said in another protocol, which has agreed to go on in this one.
                    Assessment::Named(protocol, bits) => {
                        probing.forget(side, &mut self.unknown);
                        Assessment::Named(protocol, bits)
                    }
                    _ => joined,
                },
            }
        };
        match assessment {
            Assessment::Named(protocol, bits) => {
                self.is_guess = bits < CERTAIN_BITS;
                self.name(protocol, side, bytes, place, lent);
            }
            Assessment::Likely(protocol, part)
                if probing
                    .likely
                    .as_ref()
                    .is_some_and(|likely| likely.is_confirmed_by(protocol, side, part, &self.scene)) =>
            {
                self.is_guess = true;
                self.name(protocol, side, bytes, place, lent);
            }
            Assessment::Likely(protocol, part) => {
                let lacks = part.map_or(Lacks::Another, |part| Lacks::Half(side, part));
                probing.likely = Some(Likely { protocol: protocol.name, lacks });
                probing.fronts.of_mut(side).clear();
                probing.keep(side, bytes, place, &mut self.unknown);
            }
            Assessment::More => {
                if probing.fronts.of(side).is_empty() {
                    probing.fronts.of_mut(side).extend(bytes);
                }
                probing.keep(side, bytes, place, &mut self.unknown);
            }
            Assessment::Series(protocol, series) => self.continue_series(protocol, series, side, bytes, place, lent),
            Assessment::Within(..) | Assessment::Nobody => {
                probing.forget(side, &mut self.unknown);
                probing.tries += 1;
                let step = match assessment {
                    Assessment::Within(protocol, at) if is_first => {
                        self.track(Box::new(Track::new(protocol, at)), side, bytes, place, lent)
                    }
                    _ => Step::Lost,
                };
                if step == Step::Lost {
                    self.unknown += bytes.len() as u64;
                }
                if matches!(&self.stage, Stage::Probing(probing) if probing.tries >= MOST_TRIES) {
                    self.quiet();
                }
            }
        }
    }

    /// One of many that a side sends one after the other. They tell nothing, so none is kept.
    fn continue_series(
        &mut self,
        protocol: &'static Protocol,
        series: Series,
        side: Side,
        bytes: &[u8],
        place: Place,
        lent: &mut Lent<'_>,
    ) {
        let Stage::Probing(probing) = &mut self.stage else { return };
        probing.fronts.of_mut(side).clear();
        let likely = probing.likely.as_ref();
        let (before, kept) = likely.and_then(|likely| likely.followed_by(protocol, side, series)).unwrap_or((0, 0));
        if before + 1 >= MANY_IN_A_ROW {
            self.unknown = self.unknown.saturating_sub(kept);
            self.name(protocol, side, bytes, place, lent);
            return;
        }
        let length = bytes.len() as u64;
        let lacks = Lacks::Followers(side, series, before + 1, kept + length);
        probing.likely = Some(Likely { protocol: protocol.name, lacks });
        self.unknown += length;
        probing.tries += u32::from(before == 0);
        if probing.tries >= MOST_TRIES {
            self.quiet();
        }
    }

    /// The next bytes of what a side may be in the midst of. Once that is certain the flow is named, and what came of it
    /// before is passed over.
    fn track(&mut self, mut track: Box<Track>, side: Side, bytes: &[u8], place: Place, lent: &mut Lent<'_>) -> Step {
        let Stage::Probing(probing) = &mut self.stage else { return Step::Lost };
        let step = track.step(bytes, self.scene.transport);
        match step {
            Step::Lost => {}
            Step::On => {
                self.unknown += bytes.len() as u64;
                *probing.tracks.of_mut(side) = Some(track);
            }
            Step::Named => {
                self.unknown = self.unknown.saturating_sub(track.passed);
                let Track { protocol, front, next, .. } = *track;
                if front.is_empty() {
                    self.name(protocol, side, bytes.get(next..).unwrap_or_default(), place, lent);
                } else {
                    self.name(protocol, side, &front, place, lent);
                    self.piece(side, bytes, &place, lent);
                }
            }
        }
        step
    }

    /// The flow is named: what was kept is told with its own frames, then what is here.
    fn name(&mut self, protocol: &'static Protocol, side: Side, bytes: &[u8], place: Place, lent: &mut Lent<'_>) {
        let stage = Stage::Speaking(protocol, (protocol.open)());
        let Stage::Probing(mut probing) = std::mem::replace(&mut self.stage, stage) else { return };
        self.scene.protocol = protocol.name;
        let is_other = probing.likely.as_ref().is_some_and(|likely| likely.protocol != protocol.name);
        for side in Side::BOTH {
            // What both said before they agreed on this protocol, or what was kept for another one's sake.
            let front = probing.fronts.of(side);
            let is_no_front = || (protocol.probe)(front, self.scene.transport) == Verdict::NotMine;
            let is_foreign = if front.is_empty() { is_other } else { is_no_front() };
            if is_foreign {
                probing.forget(side, &mut self.unknown);
            }
        }
        for kept in probing.kept {
            self.piece(kept.side, &kept.bytes, &kept.place, lent);
        }
        self.piece(side, bytes, &place, lent);
    }
}

impl Probing {
    fn waiting(&self) -> usize {
        let kept: usize = self.kept.iter().map(|kept| kept.bytes.len()).sum();
        kept + self.fronts.a.len() + self.fronts.b.len()
    }

    fn keep(&mut self, side: Side, bytes: &[u8], place: Place, unknown: &mut u64) {
        let kept: usize = self.kept.iter().filter(|kept| kept.side == side).map(|kept| kept.bytes.len()).sum();
        if kept + bytes.len() > MOST_KEPT {
            *unknown += bytes.len() as u64;
            self.forget(side, unknown);
            self.tries += 1;
        } else {
            self.kept.push(Kept { side, bytes: Wiped::of(bytes), place });
        }
    }

    /// What a side has sent so far starts no message.
    fn forget(&mut self, side: Side, unknown: &mut u64) {
        let dropped: usize = self.kept.iter().filter(|kept| kept.side == side).map(|kept| kept.bytes.len()).sum();
        *unknown += dropped as u64;
        self.kept.retain(|kept| kept.side != side);
        self.fronts.of_mut(side).clear();
    }
}

fn bit_of(protocol: &'static Protocol) -> u64 {
    let place = protocols::ALL.iter().position(|other| other.name == protocol.name).unwrap_or(63);
    1 << place.min(63)
}

/// Asks those first whose usual port this is, then all others that can travel so.
fn assess(front: &[u8], scene: &Scene, excluded: u64) -> Assessment {
    let mut likely = None;
    let mut within = None;
    let mut more = false;
    for hinted in [true, false] {
        for (place, protocol) in protocols::ALL.iter().enumerate() {
            if excluded & 1 << place.min(63) != 0 || hint_of(protocol, scene) != Some(hinted) {
                continue;
            }
            match (protocol.probe)(front, scene.transport) {
                Verdict::Bits(bits) if bits >= NAMING_BITS => return Assessment::Named(protocol, bits),
                Verdict::Bits(_) => likely = likely.or(Some(Assessment::Likely(protocol, None))),
                Verdict::Part(part) => likely = likely.or(Some(Assessment::Likely(protocol, Some(part)))),
                Verdict::Series(series) => likely = likely.or(Some(Assessment::Series(protocol, series))),
                Verdict::Within { at, length } if length > 0 => within = within.or(Some((*protocol, at))),
                Verdict::More => more = true,
                Verdict::Within { .. } | Verdict::NotMine => {}
            }
        }
    }
    match (likely, within) {
        (Some(likely), _) => likely,
        (None, _) if more => Assessment::More,
        (None, Some((protocol, at))) => Assessment::Within(protocol, at),
        (None, None) => Assessment::Nobody,
    }
}

/// Whether this is a usual port of the protocol; `None` if it cannot travel so at all.
fn hint_of(protocol: &Protocol, scene: &Scene) -> Option<bool> {
    let is_usual = |ports: &[u16]| ports.contains(&scene.ports.a) || ports.contains(&scene.ports.b);
    protocol.carriers.iter().find_map(|carrier| match (carrier, scene.transport) {
        (Carrier::Tcp(ports), Transport::Tcp) | (Carrier::Udp(ports), Transport::Udp) => Some(is_usual(ports)),
        (carrier, Transport::Ethernet) => (carrier.frame() == Some(scene.ports.a)).then_some(true),
        _ => None,
    })
}

/// Whether a port is the usual one of any protocol on this transport.
pub(crate) fn is_usual_port(port: u16, transport: Transport) -> bool {
    protocols::ALL.iter().flat_map(|protocol| protocol.carriers).any(|carrier| match (carrier, transport) {
        (Carrier::Tcp(ports), Transport::Tcp) | (Carrier::Udp(ports), Transport::Udp) => ports.contains(&port),
        _ => false,
    })
}

#[cfg(test)]
mod tests;
