//! The loop that feeds a dissector: one message at a time, from bytes in order.
//!
//! It alone keeps what is left over after the last whole message, skips and hands over bodies, rolls back what a
//! half-told message said, and finds the footing again after a loss or after malformed bytes.

use crate::wiped::Wiped;
use dissectors::out::Tallies;
use dissectors::{Dissector, Footing, Next, Out, Place, Protocol, Reader, Scene, Side, Stop, Told};

/// What a dissector may tell to, for the length of one segment.
pub(crate) struct Desk<'a, T> {
    pub(crate) told: &'a mut Told,
    pub(crate) tallies: &'a mut T,
    pub(crate) scene: &'a Scene,
    pub(crate) place: &'a Place,
}

/// What becomes of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Fate {
    /// It goes on.
    On,
    /// It has told what it can.
    Enough,
    /// It goes on, and something in it made no sense.
    Doubtful,
    /// Its first bytes were not what the protocol says.
    Malformed,
}

/// What comes next in a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pending {
    #[default]
    Message,
    /// So many bytes to pass over: see [`Messages::length`].
    Skip,
    /// So many bytes to hand over.
    Body,
}

/// Whether the next byte starts a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Firm,
    /// Bytes were lost or malformed: the next segment at which the protocol's structure shows is taken.
    Seeking,
}

/// The front of a message whose rest has not come yet.
#[derive(Debug, Default)]
struct Left {
    bytes: Wiped,
    wish: Wish,
}

impl Left {
    /// With room for what is missing, where that is little: most messages come in two pieces, if not in one.
    #[cold]
    fn new(bytes: &[u8], wish: Wish) -> Self {
        const LITTLE: usize = 256;
        Self { bytes: Wiped::with_room(bytes, LITTLE.min(wish.wanted as usize)), wish }
    }
}

/// What a message lacks.
#[derive(Clone, Copy, Debug, Default)]
struct Wish {
    /// How far the last reader searched in what is here.
    searched: u32,
    /// How many bytes must be here before the dissector is asked again.
    wanted: u32,
}

/// Where the reading of some bytes came to.
struct Halt {
    /// How many bytes are done with.
    used: usize,
    fate: Fate,
    wish: Wish,
}

/// One direction's messages. Small: every packet touches it, and few messages are left half-read.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    left: Option<Box<Left>>,
    /// How many bytes of a skip or a body are to come.
    length: u64,
    /// Whole messages read; saturates.
    pub(crate) whole: u32,
    /// Messages that were malformed; saturates.
    pub(crate) malformed: u32,
    /// How many bytes the dissector itself holds back of it: see [`dissectors::Out::hold`].
    pub(crate) held: u32,
    /// Segments at which no message could be found since the footing was lost; saturates.
    pub(crate) strays: u8,
    pending: Pending,
    standing: Standing,
    /// Whether anything was passed over before.
    skips: bool,
}

impl Messages {
    /// Takes the next bytes in order.
    pub(crate) fn feed<T: Tallies>(
        &mut self,
        side: Side,
        bytes: &[u8],
        (protocol, dissector): (&Protocol, &mut dyn Dissector),
        desk: &mut Desk<'_, T>,
    ) -> Fate {
        let mut bytes = bytes;
        if self.standing == Standing::Seeking {
            let Some(start) = self.regain(bytes, protocol, desk.scene) else {
                self.strays = self.strays.saturating_add(1);
                return Fate::Doubtful;
            };
            bytes = bytes.get(start..).unwrap_or_default();
        }
        if self.left.is_some() {
            return self.feed_left(side, bytes, (protocol, dissector), desk);
        }
        let halt = self.run(side, bytes, 0, (protocol, dissector), desk);
        if let Some(rest @ [_, ..]) = bytes.get(halt.used..) {
            self.left = Some(Box::new(Left::new(rest, halt.wish)));
        }
        halt.fate
    }

    /// Whether anything was passed over before: else nothing is now.
    #[inline]
    pub(crate) fn skips(&self) -> bool {
        self.skips
    }

    /// Passes over the next bytes, if all of them tell nothing: what goes on, and messages of [`Dissector::chaff`].
    #[inline]
    pub(crate) fn coast(&mut self, side: Side, bytes: &[u8], dissector: &dyn Dissector) -> bool {
        let mut end = match self.pending {
            Pending::Skip => self.length,
            Pending::Message if self.skips && self.standing == Standing::Firm && self.left.is_none() => 0,
            Pending::Message | Pending::Body => return false,
        };
        while let Some(rest @ [_, ..]) = usize::try_from(end).ok().and_then(|end| bytes.get(end..)) {
            let Some(length) = dissector.chaff(side, rest) else { return false };
            end = end.saturating_add(length.max(1));
        }
        self.length = end.saturating_sub(bytes.len() as u64);
        self.pending = if self.length > 0 { Pending::Skip } else { Pending::Message };
        true
    }

    /// Takes the next bytes behind those that are left.
    #[cold]
    fn feed_left<T: Tallies>(
        &mut self,
        side: Side,
        bytes: &[u8],
        speaker: (&Protocol, &mut dyn Dissector),
        desk: &mut Desk<'_, T>,
    ) -> Fate {
        let Some(mut left) = self.left.take() else { return Fate::On };
        left.bytes.extend(bytes);
        if left.bytes.len() < left.wish.wanted as usize {
            self.left = Some(left);
            return Fate::On;
        }
        let halt = self.run(side, &left.bytes, left.wish.searched as usize, speaker, desk);
        if halt.used < left.bytes.len() {
            left.bytes.drop_front(halt.used);
            left.wish = halt.wish;
            self.left = Some(left);
        }
        halt.fate
    }

    /// Takes a datagram: all of it is here.
    pub(crate) fn datagram<T: Tallies>(
        &mut self,
        side: Side,
        bytes: &[u8],
        (protocol, dissector): (&Protocol, &mut dyn Dissector),
        desk: &mut Desk<'_, T>,
    ) -> Fate {
        let mut rest = bytes;
        let mut fate = Fate::On;
        while !rest.is_empty() {
            let mut reader = Reader::closed(rest);
            match self.message(side, &mut reader, dissector, desk) {
                Ok(Next::Enough) => return Fate::Enough,
                Ok(next) => {
                    self.expect(next);
                    let read = reader.rest();
                    let body = self.pass_body(side, read, dissector, desk);
                    rest = read.get(body..).unwrap_or_default();
                    self.pending = Pending::Message;
                }
                Err(Stop::Bad { length, .. }) if length > 0 && !self.is_hopeless() => {
                    self.malformed = self.malformed.saturating_add(1);
                    fate = Fate::Doubtful;
                    rest = rest.get(length..).unwrap_or_default();
                }
                Err(_) => {
                    self.malformed = self.malformed.saturating_add(1);
                    debug_assert!(rest.len() <= bytes.len(), "{}", protocol.name);
                    return if self.whole == 0 { Fate::Malformed } else { Fate::Doubtful };
                }
            }
        }
        fate
    }

    /// Bytes of this direction were lost in capture.
    pub(crate) fn gap(&mut self, side: Side, lost: u64, dissector: &mut dyn Dissector) -> Fate {
        if self.pending != Pending::Message && self.length >= lost {
            self.length -= lost;
            if self.pending == Pending::Body {
                let _ = dissector.gap(side, lost);
            }
            return Fate::On;
        }
        self.lose_footing();
        match dissector.gap(side, lost) {
            Footing::Segment => Fate::On,
            Footing::Lost => Fate::Enough,
        }
    }

    /// Whether no message waits for its rest.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_none() && (self.held == 0)
    }

    /// How many bytes wait for the rest of their message.
    pub(crate) fn waiting(&self) -> usize {
        self.left.as_ref().map_or(0, |left| left.bytes.len()) + self.held as usize
    }

    /// Drops what waits, as if it had been lost.
    pub(crate) fn lose_footing(&mut self) {
        self.left = None;
        self.pending = Pending::Message;
        self.standing = Standing::Seeking;
    }

    /// Where a message of the protocol starts, if one does here.
    #[cold]
    fn regain(&mut self, bytes: &[u8], protocol: &Protocol, scene: &Scene) -> Option<usize> {
        let start = (protocol.probe)(bytes, scene.transport).start()?;
        self.standing = Standing::Firm;
        Some(start)
    }

    /// Reads messages until the bytes or their sense run out. The first was searched so far already.
    #[expect(clippy::inline_always, reason = "else where it came to goes through memory, once a segment")]
    #[inline(always)]
    fn run<T: Tallies>(
        &mut self,
        side: Side,
        bytes: &[u8],
        mut searched: usize,
        (protocol, dissector): (&Protocol, &mut dyn Dissector),
        desk: &mut Desk<'_, T>,
    ) -> Halt {
        let at = |used, fate| Halt { used, fate, wish: Wish::default() };
        let mut used = 0;
        let mut fate = Fate::On;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if self.pending != Pending::Message {
                used += self.pass_body(side, rest, dissector, desk);
                if self.pending != Pending::Message {
                    return at(used, fate);
                }
                continue;
            }
            if rest.is_empty() {
                return at(used, fate);
            }
            let mut reader = Reader::open(rest, searched);
            match self.message(side, &mut reader, dissector, desk) {
                Ok(Next::Enough) => return at(bytes.len(), Fate::Enough),
                Ok(next) => {
                    used += rest.len() - reader.remaining();
                    searched = 0;
                    if next != Next::More {
                        self.expect(next);
                    }
                }
                Err(Stop::Short { missing }) if rest.len() + missing.max(1) <= protocol.max_message => {
                    // Both are bounded by the protocol's longest message.
                    let wish = Wish {
                        searched: u32::try_from(reader.searched()).unwrap_or(0),
                        wanted: u32::try_from(rest.len() + missing.max(1)).unwrap_or(u32::MAX),
                    };
                    return Halt { used, fate, wish };
                }
                Err(Stop::Bad { length, .. }) if length > 0 && !self.is_hopeless() => {
                    self.malformed = self.malformed.saturating_add(1);
                    searched = 0;
                    fate = Fate::Doubtful;
                    self.expect(Next::Skip(length as u64));
                }
                Err(_) => return at(bytes.len(), self.stumble()),
            }
        }
    }

    /// Bad messages alone, though their ends were known: the flow was named wrongly.
    fn is_hopeless(&self) -> bool {
        const MANY: u32 = 8;
        self.whole == 0 && self.malformed >= MANY
    }

    /// Malformed bytes: nothing of what is here makes sense until a later segment does.
    fn stumble(&mut self) -> Fate {
        self.malformed = self.malformed.saturating_add(1);
        self.lose_footing();
        if self.whole == 0 { Fate::Malformed } else { Fate::Doubtful }
    }

    #[inline]
    fn message<T: Tallies>(
        &mut self,
        side: Side,
        reader: &mut Reader<'_>,
        dissector: &mut dyn Dissector,
        desk: &mut Desk<'_, T>,
    ) -> Result<Next, Stop> {
        let before = reader.remaining();
        let mut out = Out::new(desk.told, desk.scene, side, *desk.place);
        let result = dissector.message(side, reader, &mut out).and_then(|next| {
            // A message without a byte would be read for ever.
            if reader.remaining() < before { Ok(next) } else { Err(reader.malformed("an empty message")) }
        });
        match result {
            Ok(_) => {
                self.whole = self.whole.saturating_add(1);
                desk.told.commit(desk.tallies);
            }
            Err(_) => desk.told.roll_back(),
        }
        result
    }

    fn expect(&mut self, next: Next) {
        (self.pending, self.length) = match next {
            Next::Skip(length) if length > 0 => {
                self.skips = true;
                (Pending::Skip, length)
            }
            Next::Body(length) if length > 0 => (Pending::Body, length),
            _ => (Pending::Message, 0),
        };
    }

    /// Passes over or hands over as much of a body as is here; tells how many bytes that were.
    fn pass_body<T: Tallies>(
        &mut self,
        side: Side,
        bytes: &[u8],
        dissector: &mut dyn Dissector,
        desk: &mut Desk<'_, T>,
    ) -> usize {
        if self.pending == Pending::Message {
            return 0;
        }
        let here = bytes.len().min(usize::try_from(self.length).unwrap_or(usize::MAX));
        self.length -= here as u64;
        if self.pending == Pending::Body && here > 0 {
            let mut out = Out::new(desk.told, desk.scene, side, *desk.place);
            dissector.body(side, bytes.get(..here).unwrap_or_default(), &mut out);
            desk.told.commit(desk.tallies);
        }
        if self.length == 0 {
            self.pending = Pending::Message;
        }
        here
    }
}
