//! The heads of application messages (ASHRAE 135-2020, clause 20.1). Parameters stay unread here.

use super::{names, tag};
use crate::out::Words;
use crate::reader::{Reader, Stop};
use compact_str::{ToCompactString, format_compact};

/// One application protocol data unit.
#[derive(Debug)]
pub(super) enum Apdu<'a> {
    /// A confirmed request, or a segment of one.
    Request(Request<'a>),
    /// A request or announcement that wants no answer.
    Unconfirmed { service: u8, parameters: Reader<'a> },
    /// What a confirmed request leads to, or a segment of it.
    Answer(Answer<'a>),
    /// A segment came through; says nothing of a service.
    SegmentAck { invoke: u8, is_from_server: bool },
    /// The client does not want its answer any more.
    Withdrawal { invoke: u8 },
}

/// A service that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) invoke: u8,
    pub(super) segment: Segment,
    pub(super) service: u8,
    pub(super) parameters: Reader<'a>,
}

/// An acknowledgement or a refusal.
#[derive(Clone, Debug)]
pub(super) struct Answer<'a> {
    pub(super) kind: AnswerKind,
    pub(super) invoke: u8,
    pub(super) segment: Segment,
    /// Rejects and aborts name none.
    pub(super) service: Option<u8>,
    /// The service, or why it is rejected or aborted.
    code: u8,
    pub(super) parameters: Reader<'a>,
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerKind {
    Acknowledged,
    Error,
    Reject,
    Abort,
}

/// Which part of a message this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    /// Its number; after 255 comes 0.
    pub(super) sequence: u8,
}

impl<'a> Apdu<'a> {
    /// Takes what is left. Bits that the standard reserves must be zero.
    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, Stop> {
        let initial = reader.u8()?;
        let flags = initial & 0x0f;
        let (kind, reserved) = match initial >> 4 {
            kind @ CONFIRMED => (kind, 0x01),
            kind @ COMPLEX_ACK => (kind, 0x03),
            kind @ SEGMENT_ACK => (kind, 0x0c),
            kind @ ABORT => (kind, 0x0e),
            kind => (kind, 0x0f),
        };
        if flags & reserved != 0 {
            return Err(reader.malformed("reserved bits of the APDU are set"));
        }
        match kind {
            CONFIRMED => Request::read(flags, reader).map(Self::Request),
            UNCONFIRMED => Ok(Self::Unconfirmed { service: reader.u8()?, parameters: reader }),
            SEGMENT_ACK => Self::segment_ack(flags, &mut reader),
            ABORT if flags & FROM_SERVER == 0 => Self::withdrawal(&mut reader),
            kind => Answer::read(kind, flags, reader).map(Self::Answer),
        }
    }

    /// The same of what nearly all messages are: a whole request, an announcement or an acknowledgement, by its first bytes.
    #[expect(clippy::inline_always, reason = "once a message; what it is stays in registers")]
    #[inline(always)]
    pub(super) fn plain(reader: &Reader<'a>) -> Option<Self> {
        let behind = |head| {
            let mut reader = reader.clone();
            reader.skip(head).ok()?;
            Some(reader)
        };
        let segment = Segment::WHOLE;
        match *reader.rest() {
            [REQUEST | REQUEST_THAT_TAKES_SEGMENTS, _, invoke, service, ..] => {
                Some(Self::Request(Request { invoke, segment, service, parameters: behind(4)? }))
            }
            [ANNOUNCEMENT, service, ..] => Some(Self::Unconfirmed { service, parameters: behind(2)? }),
            [SIMPLE_ANSWER | COMPLEX_ANSWER, invoke, code, ..] => {
                let (kind, service) = (AnswerKind::Acknowledged, Some(code));
                Some(Self::Answer(Answer { kind, invoke, segment, service, code, parameters: behind(3)? }))
            }
            _ => None,
        }
    }

    /// Clause 20.1.6.
    fn segment_ack(flags: u8, reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let invoke = reader.u8()?;
        reader.skip(SEQUENCE_AND_WINDOW)?;
        Ok(Self::SegmentAck { invoke, is_from_server: flags & FROM_SERVER != 0 })
    }

    /// Clause 20.1.9, an abort that the client sends.
    fn withdrawal(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let invoke = reader.u8()?;
        reader.skip(REASON)?;
        Ok(Self::Withdrawal { invoke })
    }
}

impl Apdu<'_> {
    /// The same message with all of its parameters, which came in segments.
    pub(super) fn with<'b>(&self, parameters: &'b [u8]) -> Option<Apdu<'b>> {
        let (segment, parameters) = (Segment::WHOLE, Reader::closed(parameters));
        match *self {
            Self::Request(Request { invoke, service, .. }) => {
                Some(Apdu::Request(Request { invoke, segment, service, parameters }))
            }
            Self::Answer(Answer { kind, invoke, service, code, .. }) => {
                Some(Apdu::Answer(Answer { kind, invoke, segment, service, code, parameters }))
            }
            _ => None,
        }
    }
}

impl<'a> Request<'a> {
    /// Clause 20.1.2.
    fn read(flags: u8, mut reader: Reader<'a>) -> Result<Self, Stop> {
        reader.skip(SIZES_ACCEPTED)?;
        let invoke = reader.u8()?;
        let segment = Segment::read(flags, &mut reader)?;
        Ok(Self { invoke, segment, service: reader.u8()?, parameters: reader })
    }
}

impl<'a> Answer<'a> {
    /// Clauses 20.1.4 (simple), 20.1.5 (complex), 20.1.7 (error), 20.1.8 (reject), 20.1.9 (abort).
    fn read(kind: u8, flags: u8, mut reader: Reader<'a>) -> Result<Self, Stop> {
        let kind = match kind {
            SIMPLE_ACK | COMPLEX_ACK => AnswerKind::Acknowledged,
            ERROR => AnswerKind::Error,
            REJECT => AnswerKind::Reject,
            ABORT => AnswerKind::Abort,
            _ => return Err(reader.malformed("no such type of APDU")),
        };
        let invoke = reader.u8()?;
        let segment = Segment::read(flags, &mut reader)?;
        let code = reader.u8()?;
        let service = matches!(kind, AnswerKind::Acknowledged | AnswerKind::Error).then_some(code);
        Ok(Self { kind, invoke, segment, service, code, parameters: reader })
    }
}

impl Answer<'_> {
    /// Why it refuses, in the standard's words (clauses 18.1 to 18.10): `property: write-access-denied`. Nothing where
    /// the error is none of the standard's; that it refuses is told all the same.
    pub(super) fn reason(&self) -> Option<Words> {
        let reason = match self.kind {
            AnswerKind::Acknowledged => return None,
            AnswerKind::Error => tag::error(&mut self.parameters.clone()).ok()?.to_compact_string(),
            AnswerKind::Reject => format_compact!("reject: {}", names::enumerated("reject-reason", self.code)),
            AnswerKind::Abort => format_compact!("abort: {}", names::enumerated("abort-reason", self.code)),
        };
        Some(reason.into())
    }

    /// Whether it refuses because the password is wrong or missing (16.1.1.3.1, 16.4.1.3.1).
    pub(super) fn is_password_failure(&self) -> bool {
        tag::error(&mut self.parameters.clone()).is_ok_and(|refusal| refusal.code == PASSWORD_FAILURE)
    }
}

impl Segment {
    pub(super) const WHOLE: Self = Self { is_first: true, is_last: true, sequence: 0 };

    /// Sequence number and window stand only where a message is segmented. Only requests and complex
    /// acknowledgements can be, and the flag is reserved elsewhere.
    fn read(flags: u8, reader: &mut Reader<'_>) -> Result<Self, Stop> {
        if flags & IS_SEGMENTED == 0 {
            return Ok(Self::WHOLE);
        }
        let sequence = reader.u8()?;
        reader.skip(WINDOW)?;
        Ok(Self { is_first: sequence == 0, is_last: flags & MORE_FOLLOWS == 0, sequence })
    }
}

const CONFIRMED: u8 = 0;
const UNCONFIRMED: u8 = 1;
const SIMPLE_ACK: u8 = 2;
const COMPLEX_ACK: u8 = 3;
const SEGMENT_ACK: u8 = 4;
const ERROR: u8 = 5;
const REJECT: u8 = 6;
const ABORT: u8 = 7;

// First bytes without any flag, but for whether a segmented answer is taken.
const REQUEST: u8 = CONFIRMED << 4;
const REQUEST_THAT_TAKES_SEGMENTS: u8 = REQUEST | 0x02;
const ANNOUNCEMENT: u8 = UNCONFIRMED << 4;
const SIMPLE_ANSWER: u8 = SIMPLE_ACK << 4;
const COMPLEX_ANSWER: u8 = COMPLEX_ACK << 4;

/// Of errors (clause 21, `Error`), in the class of security.
const PASSWORD_FAILURE: u64 = 26;

const IS_SEGMENTED: u8 = 0x08;
const MORE_FOLLOWS: u8 = 0x04;
/// Of segment acknowledgements and aborts.
const FROM_SERVER: u8 = 0x01;

const SIZES_ACCEPTED: usize = 1;
const WINDOW: usize = 1;
const REASON: usize = 1;
const SEQUENCE_AND_WINDOW: usize = 2;
