//! How messages start in the text protocols that HTTP began: `GET / HTTP/1.1`, `RTSP/1.0 200 OK`. Each protocol says which
//! versions, methods and targets are its own.

use crate::dissector::Verdict;
use crate::head::{self, Start};
use crate::observation::Operation;

/// What tells one of these protocols from the others.
pub(crate) struct Dialect {
    /// Its name and version, `#` standing for any digit: `HTTP/1.#`. No method begins with the name.
    pub(crate) version: &'static [u8],
    /// A start line beyond these.
    pub(crate) preface: Option<Start<'static>>,
    /// The methods of its standards, separated by blanks.
    pub(crate) methods: &'static str,
    /// How the targets begin of which a request too long to be seen whole is known.
    pub(crate) targets: &'static [&'static str],
}

/// Whether the start of a message is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// No message starts so, whatever follows.
    Not,
    /// One may.
    Maybe,
    /// One does.
    Whole,
}

impl Dialect {
    /// Looks at a bounded front, so that it may be asked at each byte. What once does not fit never will.
    pub(crate) fn fit(&self, front: &[u8]) -> Fit {
        let front = front.get(..LONGEST_LINE).unwrap_or(front);
        let name = self.version.split(|byte| *byte == b'/').next().unwrap_or_default();
        if front.starts_with(name) || name.starts_with(front) {
            return self.fit_status(front);
        }
        match memchr::memchr(b'\n', front).and_then(|end| front.get(..end)) {
            Some(line) if self.is_request(head::without_cr(line)) => Fit::Whole,
            None if may_be_request(front.strip_suffix(b"\r").unwrap_or(front)) => Fit::Maybe,
            Some(_) | None => Fit::Not,
        }
    }

    /// The version, a blank, three digits, and a blank or the line's end (RFC 9112, 4).
    fn fit_status(&self, front: &[u8]) -> Fit {
        let wanted = self.version.iter().chain(b" ###");
        let fits = front.iter().zip(wanted).all(|(byte, wanted)| is_like(*byte, *wanted));
        match front.get(self.version.len().saturating_add(4)) {
            _ if !fits => Fit::Not,
            None => Fit::Maybe,
            Some(b' ' | b'\r' | b'\n') => Fit::Whole,
            Some(_) => Fit::Not,
        }
    }

    /// A whole request line, of printable bytes.
    fn is_request(&self, line: &[u8]) -> bool {
        is_printable(line) && Start::parse(line).is_some_and(|start| self.is_preface(&start) || self.is_mine(&start))
    }

    /// Whether a start line is one of these versions.
    pub(crate) fn is_mine(&self, start: &Start<'_>) -> bool {
        let is_mine = |version: &[u8]| {
            let is_like = version.iter().zip(self.version).all(|(byte, wanted)| is_like(*byte, *wanted));
            version.len() == self.version.len() && is_like
        };
        match start {
            Start::Request { method, version, .. } => is_mine(version) && method.len() <= LONGEST_METHOD,
            Start::Status { version, .. } => is_mine(version),
        }
    }

    /// Whether it is the one that stands beyond them.
    pub(crate) fn is_preface(&self, start: &Start<'_>) -> bool {
        self.preface.as_ref() == Some(start)
    }

    /// A version and a line's end, or a version and a status: no less than 64 bits that could be otherwise.
    pub(crate) fn probe(&self, front: &[u8]) -> Verdict {
        let blank = front.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).take(4).count();
        let front = front.get(blank..).unwrap_or_default();
        match self.fit(front) {
            _ if front.is_empty() => Verdict::More,
            Fit::Whole => Verdict::Bits(64),
            Fit::Maybe if front.len() < LONGEST_PROBE => Verdict::More,
            Fit::Maybe if self.methods().any(|method| self.is_asked_for(front, method)) => Verdict::Bits(24),
            Fit::Not | Fit::Maybe => Verdict::NotMine,
        }
    }

    /// Whether a long request line starts with this method and a target of this protocol.
    fn is_asked_for(&self, front: &[u8], method: &str) -> bool {
        let target = front.strip_prefix(method.as_bytes()).and_then(|rest| rest.strip_prefix(b" "));
        target.is_some_and(|target| self.targets.iter().any(|own| target.starts_with(own.as_bytes())))
    }

    /// What a method is called in the tables.
    pub(crate) fn operation(&self, method: &[u8]) -> Operation {
        let known = self.methods().find(|known| known.as_bytes() == method);
        known.map_or_else(|| Operation::word(method), Operation::Verb)
    }

    fn methods(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.methods.split(' ')
    }
}

/// Whether a message of HTTP is at hand that opens a tunnel for RTSP: its connection speaks RTSP from then on.
pub(crate) fn opens_rtsp(front: &[u8]) -> bool {
    let front = front.get(..LONGEST_PROBE).unwrap_or(front);
    let names = ["application/x-rtsp-tunnelled", SOCKET];
    names.iter().any(|name| memchr::memmem::find(front, name.as_bytes()).is_some())
}

/// What RTSP is called as a protocol of a WebSocket (ONVIF Streaming specification, 5.1.1.5).
pub(crate) const SOCKET: &str = "rtsp.onvif.org";

fn is_like(byte: u8, wanted: u8) -> bool {
    if wanted == b'#' { byte.is_ascii_digit() } else { byte == wanted }
}

/// The front of a request line: a method, a blank, printable bytes.
fn may_be_request(front: &[u8]) -> bool {
    let (method, _) = head::split_token(front);
    let is_method = (1..=LONGEST_METHOD).contains(&method.len());
    is_method && matches!(front.get(method.len()), None | Some(b' ')) && is_printable(front)
}

fn is_printable(text: &[u8]) -> bool {
    !text.iter().any(u8::is_ascii_control)
}

const LONGEST_METHOD: usize = 32;
/// Of lines that are looked at anew with each segment.
pub(crate) const LONGEST_LINE: usize = 8 * 1024;
const LONGEST_PROBE: usize = 1024;
