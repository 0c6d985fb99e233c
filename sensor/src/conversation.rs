//! One flow's conversation: its segments put in order, and the talk that they carry.

use crate::source::prefetch;
use crate::stream::{Delivery, Stream};
use crate::talk::{Lent, Life, Talk};
use dissectors::packet::TcpHeader;
use dissectors::{Place, Scene, Side, Sides};

/// What stands in the box of a flow, in this order: what every packet touches comes first and fits
/// [`Conversation::HOT_LINES`], which alone are asked for ahead. (All of them cost as much memory traffic as the rest of a
/// packet together.)
#[repr(C, align(64))]
pub(crate) struct Conversation {
    streams: Sides<Stream>,
    pub(crate) talk: Talk,
    /// The last SYN that said the ports are used anew: who sent it, and its sequence number.
    pub(crate) claim: Option<(Side, u32)>,
}

/// The front of the scene is the last that every packet touches.
const _: () = {
    let scene = std::mem::offset_of!(Conversation, talk) + std::mem::offset_of!(Talk, scene);
    assert!(scene + std::mem::offset_of!(Scene, protocol) <= Conversation::HOT_LINES * 64);
};

impl Conversation {
    /// Cache lines that every packet touches.
    const HOT_LINES: usize = 3;

    /// Asks for the memory that every packet touches.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch::<{ Self::HOT_LINES }, _>(self);
    }

    /// Nothing was said yet.
    pub(crate) fn new(scene: Scene) -> Self {
        Self { talk: Talk::new(scene), streams: Sides::default(), claim: None }
    }

    /// The connection was opened by `side`.
    pub(crate) fn opened(&mut self, side: Side, sequence: u32) {
        self.streams.of_mut(side).open(sequence);
    }

    /// A SYN of `side` says that the connection opens anew, which anybody can say.
    #[cold]
    pub(crate) fn claimed(&mut self, side: Side, sequence: u32, place: Place, lent: &mut Lent<'_>) {
        let Self { talk, streams, .. } = self;
        streams.of_mut(side).claim(sequence, place, |delivery| deliver(talk, side, &delivery, lent));
    }

    /// The sequence number behind all that `side` has sent in order.
    pub(crate) fn sent(&self, side: Side) -> Option<u32> {
        self.streams.of(side).next()
    }

    /// A TCP segment from `side`: its acknowledgement settles holes of the other side, its payload continues this one. Tells
    /// how many bytes more (or fewer) are held back since.
    #[inline]
    pub(crate) fn segment(
        &mut self,
        side: Side,
        tcp: &TcpHeader,
        payload: &[u8],
        place: &Place,
        lent: &mut Lent<'_>,
    ) -> isize {
        let Self { talk, streams, .. } = self;
        if !streams.of(side.other()).is_empty() {
            return self.any_segment(side, tcp, payload, place, lent);
        }
        if payload.is_empty() {
            return 0;
        }
        let stream = streams.of_mut(side);
        if !stream.is_next(tcp.sequence) || !talk.speaks() {
            return self.any_segment(side, tcp, payload, place, lent);
        }
        // Nearly every segment: nothing that puts others in order stands on its way.
        stream.pass(payload);
        let change = talk.hear(side, payload, place, lent);
        if talk.is_quiet() {
            *streams = Sides::default();
        }
        change
    }

    /// The same wherever something waits, is out of order or has no name yet.
    #[cold]
    fn any_segment(
        &mut self,
        side: Side,
        tcp: &TcpHeader,
        payload: &[u8],
        place: &Place,
        lent: &mut Lent<'_>,
    ) -> isize {
        let before = self.waiting();
        let Self { talk, streams, .. } = self;
        if tcp.flags.ack() {
            let other = side.other();
            let stream = streams.of_mut(other);
            stream.acknowledge(tcp.acknowledgement, |delivery| deliver(talk, other, &delivery, lent));
        }
        if !payload.is_empty() {
            let stream = streams.of_mut(side);
            stream.push(tcp.sequence, payload, *place, |delivery| deliver(talk, side, &delivery, lent));
        }
        if talk.is_quiet() {
            *streams = Sides::default();
        }
        self.waiting().cast_signed() - before.cast_signed()
    }

    /// Passes over a TCP segment from `side`, if it is the next one and tells nothing: then nobody has to look at what it
    /// holds.
    #[inline]
    pub(crate) fn coast(&mut self, side: Side, tcp: &TcpHeader, payload: &[u8]) -> bool {
        let Self { talk, streams, .. } = self;
        if !talk.skips(side) {
            return false;
        }
        let coasts = streams.of(side.other()).is_empty() && streams.of(side).is_next(tcp.sequence);
        let coasts = coasts && talk.coast(side, payload);
        if coasts {
            streams.of_mut(side).pass(payload);
        }
        coasts
    }

    /// No more packets come: what waits in the streams is taken behind its gaps.
    pub(crate) fn finish(&mut self, life: Life, place: Place, lent: &mut Lent<'_>) {
        let Self { talk, streams, .. } = self;
        for side in Side::BOTH {
            streams.of_mut(side).finish(|delivery| deliver(talk, side, &delivery, lent));
        }
        talk.finish(life, place, lent);
    }

    /// How many bytes it holds back.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        let is_empty = self.streams.a.is_empty() & self.streams.b.is_empty() & self.talk.is_empty();
        if is_empty { 0 } else { self.count_waiting() }
    }

    #[cold]
    fn count_waiting(&self) -> usize {
        self.streams.a.waiting() + self.streams.b.waiting() + self.talk.waiting()
    }

    /// Waits no longer: holes are given up, and what is left of messages is dropped as if it had been lost.
    pub(crate) fn wait_no_longer(&mut self, lent: &mut Lent<'_>) {
        let Self { talk, streams, .. } = self;
        for side in Side::BOTH {
            streams.of_mut(side).finish(|delivery| deliver(talk, side, &delivery, lent));
        }
        talk.drop_waiting();
    }
}

fn deliver(talk: &mut Talk, side: Side, delivery: &Delivery<'_>, lent: &mut Lent<'_>) {
    match delivery {
        Delivery::Bytes(bytes, place) => talk.piece(side, bytes, place, lent),
        Delivery::Gap(lost, behind) => {
            talk.lost_at.get_or_insert(*behind);
            talk.gap(side, *lost);
        }
        Delivery::Jump(behind) => {
            talk.lost_at.get_or_insert(*behind);
            talk.jump(side);
        }
        Delivery::Astray(bytes) => talk.unknown += bytes,
    }
}
