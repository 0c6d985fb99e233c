//! Messages between routers: which networks are where (ASHRAE 135-2020, clause 6.4).

use crate::reader::{Reader, Stop};
use compact_str::{CompactString, format_compact};

/// A message of the network layer.
#[derive(Clone, Debug)]
pub(super) struct NetworkMessage<'a> {
    /// Its type, `n0` in the public tables.
    pub(super) kind: u8,
    pub(super) content: Content<'a>,
}

/// What it says.
#[derive(Clone, Debug)]
pub(super) enum Content<'a> {
    /// 6.4.2: its sender leads to these networks.
    Routes(Networks<'a>),
    /// 6.4.3: its sender can connect to this network, with this performance (the lower, the better).
    CouldRoute { network: u16, performance: u8 },
    /// 6.4.4: its sender did not pass on what was for this network, and why.
    Rejects { network: u16, reason: u8 },
    /// 6.4.5: its sender takes nothing for these networks for a while; for all that it leads to if none is named.
    Busy(Networks<'a>),
    /// 6.4.6: it does again.
    Available(Networks<'a>),
    /// 6.4.7: its receiver is to route so; without an entry it is to tell how it does.
    Initialize(Ports<'a>),
    /// 6.4.8: its sender routes so; without an entry it has done as it was told.
    Initialized(Ports<'a>),
    /// 6.4.20: the network on which it is sent has this number.
    Number(u16),
    /// Nothing that is told: who asks, the connections of half-routers, and what is secured or not known.
    Other,
}

/// Numbers of networks.
#[derive(Clone, Debug)]
pub(super) struct Networks<'a>(Reader<'a>);

/// Which network each port of a router leads to.
#[derive(Clone, Debug)]
pub(super) struct Ports<'a>(Reader<'a>);

impl<'a> NetworkMessage<'a> {
    /// Takes what is left. Proprietary messages bear their maker's id (6.2.4).
    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, Stop> {
        let kind = reader.u8()?;
        let content = Content::read(kind, &mut reader)?;
        Ok(Self { kind, content })
    }

    /// Whether the standard or a vendor gives it a meaning.
    pub(super) fn is_known(&self) -> bool {
        match self.kind {
            NETWORK_NUMBER_IS => matches!(self.content, Content::Number(_)),
            ..NETWORK_NUMBER_IS | FIRST_PROPRIETARY.. => true,
            _ => false,
        }
    }
}

impl<'a> Content<'a> {
    fn read(kind: u8, reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let content = match kind {
            WHO_IS_ROUTER => {
                reader.skip(if reader.is_empty() { 0 } else { NETWORK })?;
                Self::Other
            }
            I_AM_ROUTER => Self::Routes(Networks::read(reader)?),
            I_COULD_BE_ROUTER => Self::CouldRoute { network: reader.u16()?, performance: reader.u8()? },
            REJECT => {
                let reason = reader.u8()?;
                Self::Rejects { network: reader.u16()?, reason }
            }
            BUSY => Self::Busy(Networks::read(reader)?),
            AVAILABLE => Self::Available(Networks::read(reader)?),
            INITIALIZE => Self::Initialize(Ports::read(reader)?),
            // What was told to be done is acknowledged without a table.
            INITIALIZED if reader.is_empty() => Self::Initialized(Ports(reader.clone())),
            INITIALIZED => Self::Initialized(Ports::read(reader)?),
            ESTABLISH => {
                reader.skip(NETWORK.saturating_add(1))?;
                Self::Other
            }
            DISCONNECT => {
                reader.skip(NETWORK)?;
                Self::Other
            }
            WHAT_IS_NETWORK_NUMBER => Self::Other,
            NETWORK_NUMBER_IS => {
                let number = reader.u16()?;
                // Learned or configured; bacpypes3 0.0.110 sends the quality of its Network Port object, which has four.
                // Of no known origin it says nothing, and names no flow.
                if reader.u8()? <= LAST_ORIGIN { Self::Number(number) } else { Self::Other }
            }
            FIRST_PROPRIETARY.. => {
                reader.skip(VENDOR_ID)?;
                return Ok(Self::Other);
            }
            _ => return Ok(Self::Other),
        };
        if reader.is_empty() { Ok(content) } else { Err(reader.malformed("a network message of the wrong length")) }
    }
}

impl<'a> Networks<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        if !reader.remaining().is_multiple_of(NETWORK) {
            return Err(reader.malformed("half a network number"));
        }
        reader.sub(reader.remaining()).map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u16> + 'a {
        let mut reader = self.0.clone();
        std::iter::from_fn(move || reader.u16().ok())
    }

    /// `2001, 2002`.
    pub(super) fn line(&self) -> CompactString {
        in_line(self.iter(), MOST_NAMED, |network| format_compact!("{network}"))
    }
}

impl<'a> Ports<'a> {
    /// 6.4.7: a count, then a network, a port and what is known of the port, so many times.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let count = reader.u8()?;
        let ports = Self(reader.clone());
        for _ in 0..count {
            port(reader)?;
        }
        Ok(ports)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `2001 at port 2`; port 0 takes a network out of the table.
    pub(super) fn line(&self) -> CompactString {
        let mut reader = self.0.clone();
        let ports = std::iter::from_fn(move || port(&mut reader).ok());
        in_line(ports, MOST_NAMED, |(network, port)| format_compact!("{network} at port {port}"))
    }
}

fn port(reader: &mut Reader<'_>) -> Result<(u16, u8), Stop> {
    let (network, port, length) = (reader.u16()?, reader.u8()?, reader.u8()?);
    reader.skip(length.into())?;
    Ok((network, port))
}

/// A list in a line; of a long one the first `most`, and how many more there are.
pub(super) fn in_line<T>(
    all: impl Iterator<Item = T>,
    most: usize,
    word: impl Fn(T) -> CompactString,
) -> CompactString {
    let (mut line, mut count) = (CompactString::default(), 0_usize);
    for item in all {
        count = count.saturating_add(1);
        if count <= most {
            line.push_str(if line.is_empty() { "" } else { ", " });
            line.push_str(&word(item));
        }
    }
    match count.saturating_sub(most) {
        0 if count == 0 => CompactString::const_new("none"),
        0 => line,
        more => format_compact!("{line} and {more} more"),
    }
}

const WHO_IS_ROUTER: u8 = 0;
const I_AM_ROUTER: u8 = 1;
const I_COULD_BE_ROUTER: u8 = 2;
const REJECT: u8 = 3;
const BUSY: u8 = 4;
const AVAILABLE: u8 = 5;
pub(super) const INITIALIZE: u8 = 6;
const INITIALIZED: u8 = 7;
const ESTABLISH: u8 = 8;
const DISCONNECT: u8 = 9;
const WHAT_IS_NETWORK_NUMBER: u8 = 0x12;
/// The last message type that the standard defines.
const NETWORK_NUMBER_IS: u8 = 0x13;
/// The first message type that belongs to vendors.
const FIRST_PROPRIETARY: u8 = 0x80;

/// The last origin that a network number may have.
const LAST_ORIGIN: u8 = 3;

const NETWORK: usize = 2;
const VENDOR_ID: usize = 2;
/// As many networks or ports are named in a line; the others are counted.
const MOST_NAMED: usize = 48;
