//! Messages of SNMP in all three versions, down to the names and values that they bind.

use super::ber;
use crate::reader::{Reader, Stop};

/// A message.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) version: i64,
    /// What its answer repeats: of the message in version 3, else of the request.
    pub(super) number: i64,
    /// Whether it may be answered by a report: of version 3 a request says so, an answer does not (RFC 3412, 6.4).
    pub(super) is_reportable: bool,
    pub(super) guard: Guard<'a>,
    pub(super) body: Body<'a>,
}

/// What lets a message in.
#[derive(Debug)]
pub(super) enum Guard<'a> {
    Community(&'a [u8]),
    /// RFC 3414, 2.4.
    User {
        engine: &'a [u8],
        name: &'a [u8],
        signature: Option<&'a [u8]>,
    },
}

#[derive(Debug)]
pub(super) enum Body<'a> {
    Pdu(Pdu<'a>),
    Encrypted,
}

/// What is asked, answered or told.
#[derive(Debug)]
pub(super) struct Pdu<'a> {
    pub(super) kind: u8,
    pub(super) number: i64,
    pub(super) status: i64,
    /// Of a trap of version 1 alone: what sends it.
    pub(super) enterprise: Option<&'a [u8]>,
    bindings: Reader<'a>,
}

/// An object and its value, by the tag of its kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    pub(super) name: &'a [u8],
    pub(super) tag: u8,
    pub(super) value: &'a [u8],
}

impl<'a> Message<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let mut message = ber::expect(reader, ber::SEQUENCE)?;
        let version = ber::integer(&mut message)?;
        let read = match version {
            FIRST | SECOND => {
                let community = ber::bytes(&mut message)?;
                let pdu = Pdu::read(&mut message)?;
                let number = pdu.number;
                Self { version, number, is_reportable: false, guard: Guard::Community(community), body: Body::Pdu(pdu) }
            }
            THIRD => Self::third(&mut message)?,
            _ => return Err(message.malformed("there is no such version")),
        };
        if message.is_empty() { Ok(read) } else { Err(message.malformed("the message goes on behind its end")) }
    }

    /// RFC 3412, 6.
    fn third(message: &mut Reader<'a>) -> Result<Self, Stop> {
        let mut header = ber::expect(message, ber::SEQUENCE)?;
        let (number, _largest) = (ber::integer(&mut header)?, ber::integer(&mut header)?);
        let flags = match ber::bytes(&mut header)? {
            [flags] => *flags,
            _ => return Err(header.malformed("flags are one byte")),
        };
        let model = ber::integer(&mut header)?;
        let parameters = ber::bytes(message)?;
        let guard = if model == USER_MODEL {
            let mut parameters = ber::expect(&mut Reader::closed(parameters), ber::SEQUENCE)?;
            let engine = ber::bytes(&mut parameters)?;
            let (_boots, _time) = (ber::integer(&mut parameters)?, ber::integer(&mut parameters)?);
            let (name, signature) = (ber::bytes(&mut parameters)?, ber::bytes(&mut parameters)?);
            let _salt = ber::bytes(&mut parameters)?;
            Guard::User { engine, name, signature: (flags & AUTHENTICATED != 0).then_some(signature) }
        } else {
            Guard::User { engine: &[], name: &[], signature: None }
        };
        let body = match ber::element(message)? {
            (ber::OCTETS, _) if flags & ENCRYPTED != 0 => Body::Encrypted,
            (ber::SEQUENCE, mut scoped) => {
                let (_engine, _context) = (ber::bytes(&mut scoped)?, ber::bytes(&mut scoped)?);
                Body::Pdu(Pdu::read(&mut scoped)?)
            }
            _ => return Err(message.malformed("neither a scope nor what is encrypted")),
        };
        Ok(Self { version: THIRD, number, is_reportable: flags & REPORTABLE != 0, guard, body })
    }
}

impl<'a> Pdu<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let (tag, mut content) = ber::element(reader)?;
        let kind = tag.wrapping_sub(CONTEXT);
        if kind == TRAP_1 {
            let enterprise = ber::expect(&mut content, ber::IDENTIFIER)?.rest();
            let _address = ber::expect(&mut content, IP_ADDRESS)?;
            let (_generic, _specific) = (ber::integer(&mut content)?, ber::integer(&mut content)?);
            let _time = ber::expect(&mut content, TIME_TICKS)?;
            let bindings = ber::expect(&mut content, ber::SEQUENCE)?;
            return Ok(Self { kind, number: 0, status: 0, enterprise: Some(enterprise), bindings });
        }
        if kind > REPORT {
            return Err(content.malformed("there is no such kind of message"));
        }
        let (number, status, _index) =
            (ber::integer(&mut content)?, ber::integer(&mut content)?, ber::integer(&mut content)?);
        let bindings = ber::expect(&mut content, ber::SEQUENCE)?;
        // What is asked in bulk has numbers of its own here (RFC 3416, 4.2.3).
        let status = if kind == BULK { 0 } else { status };
        Ok(Self { kind, number, status, enterprise: None, bindings })
    }

    pub(super) fn is_answer(&self) -> bool {
        matches!(self.kind, RESPONSE | REPORT)
    }

    /// Whether it is told to whom it may concern.
    pub(super) fn is_notice(&self) -> bool {
        matches!(self.kind, TRAP_1 | TRAP_2)
    }

    /// What it binds, as far as it can be read.
    pub(super) fn bindings(&self) -> impl Iterator<Item = Binding<'a>> {
        let mut rest = self.bindings.clone();
        std::iter::from_fn(move || {
            let mut binding = ber::expect(&mut rest, ber::SEQUENCE).ok()?;
            let name = ber::expect(&mut binding, ber::IDENTIFIER).ok()?.rest();
            let (tag, value) = ber::element(&mut binding).ok()?;
            Some(Binding { name, tag, value: value.rest() })
        })
    }
}

pub(super) const FIRST: i64 = 0;
const SECOND: i64 = 1;
const THIRD: i64 = 3;
const CONTEXT: u8 = 0xa0;
const RESPONSE: u8 = 2;
pub(super) const SET: u8 = 3;
const TRAP_1: u8 = 4;
const BULK: u8 = 5;
const TRAP_2: u8 = 7;
pub(super) const REPORT: u8 = 8;
const IP_ADDRESS: u8 = 0x40;
pub(super) const TIME_TICKS: u8 = 0x43;
const USER_MODEL: i64 = 3;
const AUTHENTICATED: u8 = 1;
const ENCRYPTED: u8 = 2;
const REPORTABLE: u8 = 4;
