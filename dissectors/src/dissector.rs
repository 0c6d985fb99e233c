//! The contract between a protocol and the loop that feeds it.
//!
//! A dissector reads ONE message off a reader, tells [`Out`] what it saw, and says what comes next. It never buffers
//! and never loops over a segment: the loop, the leftovers, the limits, the roll-back of a half-told message and the
//! retries live once, in the sensor's stream. Read all you need, then change state, then tell.

pub use crate::field::Field;
use crate::observation::Transport;
use crate::out::Out;
use crate::reader::{Reader, Stop};
pub use crate::side::{Direction, Side, Sides};
use crate::time::Timestamp;
use std::fmt;

/// Where a protocol is usually met: a hint for the order of probing, never a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Any TCP port; these first.
    Tcp(&'static [u16]),
    /// Any UDP port; these first.
    Udp(&'static [u16]),
    /// Ethernet frames of this type, and only these.
    EtherType(u16),
    /// Frames for this service access point of 802.2 LLC, and what carries the same on field buses.
    Llc(u8),
}

impl Carrier {
    /// The number of its frames, as headers have it; none of what goes over TCP or UDP.
    pub fn frame(&self) -> Option<u16> {
        match self {
            Self::Tcp(_) | Self::Udp(_) => None,
            Self::EtherType(number) => Some(*number),
            Self::Llc(point) => Some(u16::from(*point)),
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ports, transport) = match self {
            Self::Tcp(ports) => (ports, "tcp"),
            Self::Udp(ports) => (ports, "udp"),
            Self::EtherType(number) => return write!(f, "ethertype {number:#06x}"),
            Self::Llc(point) => return write!(f, "llc {point:#04x}"),
        };
        f.write_str(transport)?;
        ports.iter().enumerate().try_for_each(|(index, port)| {
            let separator = if index == 0 { ' ' } else { ',' };
            write!(f, "{separator}{port}")
        })
    }
}

/// What a probe makes of the first bytes of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No message of this protocol starts so.
    NotMine,
    /// Too few bytes to tell.
    More,
    /// It fits, and this many bits of it could have been otherwise: magic, reserved bits, lengths that agree, checksums.
    /// 32 and more name the flow at once; fewer need a second message in the same flow.
    Bits(u32),
    /// No message starts here, but one may behind so many bytes, in the midst of something that the capture shows only the
    /// end of. `length` is how long it is, 0 if that does not show: several in a row, each where the one before it ends, name
    /// the flow.
    Within {
        /// So many bytes behind the front.
        at: usize,
        /// So many bytes long.
        length: usize,
    },
    /// It fits, and names the flow when the same side sends those that follow it.
    Series(Series),
    /// It fits, but one message alone proves too little: the flow is named when the other side sends the part that this
    /// one lacks, or, on a usual port of the protocol, by a second message.
    Part(Part),
}

impl Verdict {
    /// Whether a message of the protocol starts here, however little that proves.
    pub fn is_mine(self) -> bool {
        matches!(self, Self::Bits(_) | Self::Part(_) | Self::Series(_))
    }

    /// Behind how many bytes a message of the protocol may start, if anywhere here.
    pub fn start(self) -> Option<usize> {
        match self {
            Self::Within { at, .. } => Some(at),
            verdict => verdict.is_mine().then_some(0),
        }
    }
}

/// One message of many that a side sends one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// What all of them have in common.
    pub common: u64,
    /// Its number among them, which wraps.
    pub number: u16,
}

impl Series {
    /// Whether this is the next one.
    pub fn follows(self, before: Self) -> bool {
        self.common == before.common && self.number == before.number.wrapping_add(1)
    }
}

/// One message of an exchange: a request or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What an answer repeats of its request.
    pub exchange: u64,
    /// Whether it asks or answers, if its structure says so.
    pub direction: Option<Direction>,
}

impl Part {
    /// Whether this and what the other side sent are a request and its answer.
    pub fn completes(self, other: Self) -> bool {
        let agree = self.direction.is_some() && self.direction == other.direction;
        self.exchange == other.exchange && !agree
    }
}

/// What a dissector wants after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next message.
    More,
    /// This many bytes tell nothing: they are dropped without being kept.
    Skip(u64),
    /// This many bytes are a body: they come in pieces, as they arrive, through [`Dissector::body`].
    Body(u64),
    /// This flow has told what it can.
    Enough,
}

/// Why no more messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The conversation was closed: what pends will never be answered.
    Closed,
    /// The capture shows no more of it: what pends may have been answered.
    Unseen,
}

/// Where a dissector goes on after bytes were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Footing {
    /// At the start of the next segment at which a message can be read.
    Segment,
    /// Nowhere: nothing can be made of what follows.
    Lost,
}

/// One conversation in one protocol.
pub trait Dissector: Send {
    /// Reads one message sent by `side`, tells of it, and says what comes next.
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop>;

    /// How many bytes to pass over, if a message starts here that `side` sends and that tells nothing: most of video, which
    /// costs no more than this.
    fn chaff(&self, _side: Side, _front: &[u8]) -> Option<u64> {
        None
    }

    /// Takes a piece of a body that [`Next::Body`] asked for.
    fn body(&mut self, _side: Side, _piece: &[u8], _out: &mut Out<'_>) {}

    /// Learns that `bytes` of `side` were lost between messages or within one.
    fn gap(&mut self, _side: Side, _bytes: u64) -> Footing {
        Footing::Segment
    }

    /// Drops the pieces of bodies that it holds back: see [`Out::hold`].
    fn let_go(&mut self) {}

    /// Is called every few seconds of packet time: what pends for too long can be given up and told.
    fn tick(&mut self, _now: Timestamp, _out: &mut Out<'_>) {}

    /// No more messages come: what pends is told as far as it is known.
    fn finish(&mut self, _ending: Ending, _out: &mut Out<'_>) {}
}

/// A row of the table of protocols.
pub struct Protocol {
    /// Its name in every output.
    pub name: &'static str,
    /// The standard that it is read by.
    pub spec: &'static str,
    /// Where it is usually met.
    pub carriers: &'static [Carrier],
    /// What it can fill.
    pub fields: &'static [&'static Field],
    /// Reads structure: is this the front of one of its messages? `transport` is TCP, UDP or Ethernet.
    pub probe: fn(front: &[u8], transport: Transport) -> Verdict,
    /// The longest message that may pend, in bytes; what is longer is malformed.
    pub max_message: usize,
    /// Whether its conversations are relationships (a row of `services`), or housekeeping of the link.
    pub relates: bool,
    /// A dissector for a new conversation.
    pub open: fn() -> Box<dyn Dissector>,
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Protocol").field(&self.name).finish()
    }
}
