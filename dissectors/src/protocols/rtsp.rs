//! RTSP tells which camera serves a stream, which program watches, what the stream is made of and how one logs in.
//!
//! RTSP 1.0 (RFC 2326), 2.0 (RFC 7826), SDP (RFC 8866). Read: heads, descriptions of streams, RTCP within frames until it
//! has said who sends; logins in Authorization or in addresses, told when they are answered; streams that ask for none, and
//! media keys that cross the wire readable. Skipped on purpose: pictures and sound, which stand in frames of known length,
//! and other bodies. Of a path only words of the trade are told.

use crate::authorization;
use crate::challenge::{self, Logins};
use crate::dialect::{Fit, opens_rtsp};
use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Protocol, Side, Sides};
use crate::head::{self, Head, Start};
use crate::login::{Laxity, Login};
use crate::observation::{Category, Operation, Outcome, Value};
use crate::out::{Count, Mark, Out};
use crate::pending::{Command, Pending, Request, Waiting};
use crate::reader::{Reader, Stop};
use crate::rtcp;
use crate::time::Timestamp;
use arrayvec::ArrayVec;
use compact_str::CompactString;
use description::Description;
use start::{DIALECT, probe};
use std::time::Duration;
use transport::Ports;
use tunnel::{Decoder, Tunnel};

mod description;
mod path;
mod start;
mod transport;
mod tunnel;

pub(crate) static RTSP: Protocol = Protocol {
    name: "rtsp",
    spec: "RFC 2326, RFC 7826",
    carriers: &[Carrier::Tcp(&[554, 8554, 10554, 5554, 7070]), Carrier::Udp(&[554, 8554])],
    fields: &[
        &SERVER,
        &USER_AGENT,
        &AUTHORIZATION,
        &AUTHENTICATE,
        &REALM,
        &PATH,
        &SESSION_NAME,
        &INFORMATION,
        &TOOL,
        &ORIGIN,
        &MEDIA,
        &KEYS,
    ],
    probe,
    max_message: 64 * 1024,
    relates: true,
    open: || Box::<Rtsp>::default(),
};

static SERVER: Field = Field::new("rtsp.server", "Server: the software that answers (RFC 2326, 12.36)");
static USER_AGENT: Field = Field::new("rtsp.user_agent", "User-Agent: the software that asks (RFC 2326, 12.41)");
static AUTHORIZATION: Field = Field::new(
    "rtsp.authorization",
    "Authorization: the scheme of credentials sent to it (RFC 7826, 18.8), by the registry's name or `other`",
);
static AUTHENTICATE: Field = Field::new(
    "rtsp.authenticate",
    "WWW-Authenticate: the schemes that one response offers, in its order (RFC 7826, 18.58)",
);
static REALM: Field = Field::new("rtsp.realm", "WWW-Authenticate: what is protected, by its own name (RFC 7826, 19.1)");
static PATH: Field = Field::new(
    "rtsp.path",
    "the path of a stream that it serves; what is no word of the trade stands as `*`, for it may be a password",
);
static SESSION_NAME: Field = Field::new("rtsp.session_name", "s=: the name of a stream (RFC 8866, 5.3)");
static INFORMATION: Field = Field::new("rtsp.session_information", "i=: what a stream is (RFC 8866, 5.4)");
static TOOL: Field = Field::new("rtsp.tool", "a=tool: what made the description of a stream (RFC 8866, 6.3)");
static ORIGIN: Field = Field::new("rtsp.origin", "o=: who made a stream, without numbers and address (RFC 8866, 5.2)");
static MEDIA: Field = Field::new("rtsp.media", "m= and a=rtpmap: what a stream is made of (RFC 8866, 5.14 and 6.6)");
static KEYS: Field =
    Field::new("rtsp.media_keys", "a=crypto and a=key-mgmt: how keys of the stream are told, without them (RFC 4568)");

static LOGINS: Logins = Logins { authorization: &AUTHORIZATION, authenticate: &AUTHENTICATE, realm: &REALM };

#[derive(Default)]
struct Rtsp {
    pending: Pending<Asked>,
    halves: Sides<Half>,
    /// Which side serves, once a message has said so that only one of the two can send.
    server: Option<Side>,
    /// If answers go another way: this is one of the two connections of a tunnel in HTTP.
    tunnel: Option<Box<Tunnel>>,
    /// Whether it goes in frames of a WebSocket.
    is_socket: bool,
    access: Access,
}

/// Whether who watches has shown who they are: some servers ask once, at the first request or when a stream is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Access {
    /// Nobody has logged in, but what came before the capture is not known.
    #[default]
    Unknown,
    /// Nobody has logged in, and a stream was set up all the same.
    Open,
    /// Somebody has, or has at least tried.
    Asked,
}

/// What one side sends.
#[derive(Default)]
struct Half {
    /// The description under way.
    description: Option<Box<Description>>,
    /// Frames of RTCP that were looked into.
    reports: u8,
    /// The front of a frame's header, whose rest comes in another segment: were it left, all of that segment would be kept
    /// behind it.
    header: ArrayVec<u8, 4>,
    /// The client's half of a tunnel.
    decoder: Option<Box<Decoder>>,
}

/// A request, as far as its answer needs it.
struct Asked {
    asker: Side,
    operation: Operation,
    /// What its answer repeats (RFC 2326, 12.17).
    number: Option<u32>,
    /// Where it was about, as far as that may be told.
    path: Option<CompactString>,
    category: Option<Category>,
    /// Where it wants the stream.
    ports: Option<Ports>,
    /// In a box, because most have none.
    login: Option<Box<Login>>,
    /// Who logs in by it.
    user: Option<Box<str>>,
    /// Whether a login came with it, even one that cannot be read.
    may_log_in: bool,
}

impl Dissector for Rtsp {
    /// A message is a head, a frame of something else (RFC 2326, 10.12), or an empty line between them.
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if self.is_socket
            && let Some((length, is_content, mask)) = tunnel::socket_frame(reader)?
        {
            let decoder = self.halves.of_mut(side).decoder.get_or_insert_with(|| Box::new(Decoder::of_socket()));
            decoder.begin(mask);
            return Ok(match length {
                0 => Next::More,
                _ if is_content => Next::Body(length),
                _ => Next::Skip(length),
            });
        }
        self.unwrapped(side, reader, out)
    }

    fn chaff(&self, side: Side, front: &[u8]) -> Option<u64> {
        let half = self.halves.of(side);
        match front {
            [b'$', channel, high, low, ..]
                if !self.is_socket && half.header.is_empty() && !half.looks_into(*channel) =>
            {
                Some(u64::from(u16::from_be_bytes([*high, *low])).saturating_add(4))
            }
            _ => None,
        }
    }

    fn body(&mut self, side: Side, piece: &[u8], out: &mut Out<'_>) {
        if self.halves.of(side).decoder.is_some() {
            self.decoded(side, piece, out);
        } else {
            self.describe(side, piece, out);
        }
    }

    /// Answers may have been lost, but numbers pair what is left.
    fn gap(&mut self, side: Side, _bytes: u64) -> Footing {
        let half = self.halves.of_mut(side);
        half.description = None;
        half.header.clear();
        half.decoder.iter_mut().for_each(|decoder| decoder.cut());
        self.pending.excuse(side);
        Footing::Segment
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.pending.finish(ending, out);
    }
}

impl Rtsp {
    /// A message as it is, whatever it was wrapped in.
    fn unwrapped(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if reader.rest().first() == Some(&b'$') || !self.halves.of(side).header.is_empty() {
            return self.frame(side, reader, out);
        }
        if head::pass_empty_line(reader)? {
            return Ok(Next::More);
        }
        let refused = reader.malformed("neither a request line nor a status line of RTSP nor a frame");
        let opens =
            (self.tunnel.is_some() || opens_rtsp(reader.rest())) && tunnel::DIALECT.fit(reader.rest()) == Fit::Whole;
        if !opens && DIALECT.fit(reader.rest()) == Fit::Not {
            return Err(refused);
        }
        let head = Head::read(reader)?;
        match head.start {
            start if opens => Ok(self.tunnel(side, &start, &head, out)),
            start if !DIALECT.is_mine(&start) => Err(refused),
            Start::Request { method, target, .. } => self.request(side, method, target, &head, out),
            Start::Status { code, .. } => self.response(side, code, &head, out),
        }
    }

    /// A frame of a stream, dropped without keeping it, unless it is looked into.
    fn frame(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let half = self.halves.of_mut(side);
        let mut header = half.header.clone();
        while !(header.is_full() || reader.is_open() && reader.is_empty()) {
            header.push(reader.u8()?);
        }
        let Ok([_, channel, high, low]) = header.clone().into_inner() else {
            half.header = header;
            return Ok(Next::More);
        };
        let length = u16::from_be_bytes([high, low]);
        if !half.looks_into(channel) || length > LONGEST_REPORT {
            half.header.clear();
            return Ok(Next::Skip(u64::from(length)));
        }
        let mut content = Reader::closed(reader.take(usize::from(length))?);
        half.header.clear();
        half.reports = half.reports.saturating_add(1);
        while !content.is_empty() && rtcp::packet(side, &mut content, out).is_ok() {}
        Ok(Next::More)
    }

    fn request(
        &mut self,
        side: Side,
        method: &[u8],
        target: &[u8],
        head: &Head<'_>,
        out: &mut Out<'_>,
    ) -> Result<Next, Stop> {
        let length = head.content_length()?.unwrap_or(0);
        let operation = DIALECT.operation(method);
        let category = category(&operation, length);
        self.roles(side, &operation);
        let server = self.server.unwrap_or(side.other());
        let path = path::told(target);
        let login = authorization::of_request(server, (method, target), head, length > 0, out);
        let asked = Asked {
            asker: side,
            operation: operation.clone(),
            number: number(head),
            category,
            ports: Ports::read(head),
            may_log_in: login.is_some() || may_log_in(head, path.as_deref()),
            path,
            user: category.and(login.as_ref()).and_then(|login| login.user()),
            login,
        };
        if asked.may_log_in {
            self.access = Access::Asked;
        }

        let next = self.halves.of_mut(side).begin(length, is_description(head, &operation, "ANNOUNCE"));
        out.server(server);
        if let Some(tunnel) = self.tunnel.as_ref().filter(|tunnel| tunnel.is_answered_elsewhere(server, out)) {
            tunnel.send(server, asked, out);
        } else {
            // Who says goodbye seldom waits for the answer.
            let is_owed_an_answer = self.tunnel.is_none() && operation != Operation::Verb("TEARDOWN");
            self.pending.push(asked, is_owed_an_answer, out);
        }
        out.count(Count {
            is_control: category.is_some(),
            ..Count::of(side, Direction::Request, operation, Mark::Plain)
        });
        if let Some(agent) = head.value("user-agent") {
            out.text(side, None, &USER_AGENT, &agent);
        }
        LOGINS.asked(side, head, out);
        Ok(next)
    }

    fn response(&mut self, side: Side, code: u16, head: &Head<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let length = head.content_length()?.unwrap_or(0);
        let asked = if code < 200 { None } else { self.take_asked(side, number(head), out) };
        let (operation, method) =
            asked.as_ref().map_or((&Operation::Code(0), ""), |asked| (&asked.request.operation, "DESCRIBE"));
        let is_described = is_description(head, operation, method);

        out.server(self.server.unwrap_or(side));
        self.pending.give_up(out.place().time, out);
        let next = self.halves.of_mut(side).begin(length, is_described);
        let mark = if code < 400 { Mark::Plain } else { Mark::Exception };
        out.count(Count::of(side, Direction::Response, Operation::Code(u32::from(code)), mark));
        if let Some(server) = head.value("server") {
            out.text(side, None, &SERVER, &server);
        }
        LOGINS.offered(side, head, out);
        if let Some(asked) = asked {
            self.settle(asked, side, code, head, out);
        }
        Ok(next)
    }

    /// The request that an answer of this number is for, here or in the other half of a tunnel.
    fn take_asked(&mut self, side: Side, number: Option<u32>, out: &mut Out<'_>) -> Option<Waiting<Asked>> {
        let is_it = |waiting: &Waiting<Asked>| {
            let Asked { asker, number: asked, .. } = &waiting.request;
            *asker != side && (number.is_none() || *asked == number)
        };
        if let Some(at) = self.pending.position(out.place().time, is_it) {
            return self.pending.take(at);
        }
        let request = self.tunnel.as_ref()?.receive(side, number?, out)?;
        if request.may_log_in {
            self.access = Access::Asked;
        }
        Some(Waiting::from_elsewhere(Asked { asker: side.other(), ..request }, out))
    }

    /// A request was answered.
    fn settle(&mut self, mut asked: Waiting<Asked>, side: Side, code: u16, head: &Head<'_>, out: &mut Out<'_>) {
        if let Some(login) = asked.request.login.take() {
            let outcome = asked.request.login_outcome(&login, code, head);
            out.login(*login, outcome, asked.place());
        }
        asked.answered(if code < 300 { Outcome::Accepted } else { Outcome::Rejected }, out);
        if code < 300 {
            asked.request.served(side, head, out);
            self.opened(side, &asked.request.operation, out);
        }
    }

    /// A request or response of HTTP that opens a tunnel, or is asked to and does not.
    fn tunnel(&mut self, side: Side, start: &Start<'_>, head: &Head<'_>, out: &mut Out<'_>) -> Next {
        match start {
            Start::Request { method, target, .. } => self.open_tunnel(side, (method, target), head, out),
            Start::Status { code, .. } => {
                out.server(side);
                let mark = if *code < 400 { Mark::Plain } else { Mark::Exception };
                out.count(Count::of(side, Direction::Response, Operation::Code(u32::from(*code)), mark));
                if let Some(server) = head.value("server") {
                    out.text(side, None, &SERVER, &server);
                }
                LOGINS.offered(side, head, out);
                if let Some(asked) = self.take_asked(side, None, out) {
                    self.settle(asked, side, *code, head, out);
                }
                self.is_socket |= *code == SWITCHING;
                let length = head.content_length().ok().flatten().filter(|_| *code >= 300);
                length.map_or(Next::More, Next::Skip)
            }
        }
    }

    fn open_tunnel(
        &mut self,
        side: Side,
        (method, target): (&[u8], &[u8]),
        head: &Head<'_>,
        out: &mut Out<'_>,
    ) -> Next {
        let server = side.other();
        let is_socket = head.value("upgrade").is_some();
        let tunnel = Tunnel::of(head);
        let operation = tunnel::DIALECT.operation(method);
        let is_upward = operation == Operation::Verb("POST");
        self.server = Some(server);
        out.server(server);
        out.count(Count::of(side, Direction::Request, operation.clone(), Mark::Plain));
        if let Some(agent) = head.value("user-agent") {
            out.text(side, None, &USER_AGENT, &agent);
        }
        LOGINS.asked(side, head, out);
        if let Some(login) = authorization::of_request(server, (method, target), head, is_upward, out) {
            self.access = Access::Asked;
            self.pending.push(Asked::tunnel(side, operation, login), false, out);
        }
        if is_upward {
            // Its length is no end: clients begin another POST behind it, or do not (ONVIF).
            self.halves.of_mut(side).decoder = Some(Box::default());
        } else {
            tunnel.answer_here(server, out);
        }
        self.tunnel = (!is_socket).then(|| Box::new(tunnel));
        if is_upward { Next::Body(u64::MAX) } else { Next::More }
    }

    /// A piece of a description.
    fn describe(&mut self, side: Side, piece: &[u8], out: &mut Out<'_>) {
        let half = self.halves.of_mut(side);
        if let Some(description) = &mut half.description
            && description.read(side, piece, out).is_break()
        {
            if description.holds_key() {
                out.lax(self.server.unwrap_or(side), None, Laxity::Key, "media key");
            }
            half.description = None;
        }
    }

    /// What was wrapped: the messages that come out of it, and their bodies.
    fn decoded(&mut self, side: Side, piece: &[u8], out: &mut Out<'_>) {
        let Some(mut decoder) = self.halves.of_mut(side).decoder.take() else { return };
        decoder.take(piece);
        let left = std::mem::take(&mut decoder.left);
        let mut rest = left.as_slice();
        while !rest.is_empty() {
            if decoder.body > 0 {
                let here = rest.len().min(usize::try_from(decoder.body).unwrap_or(usize::MAX));
                let (body, after) = rest.split_at_checked(here).unwrap_or((rest, &[]));
                if decoder.is_read {
                    self.describe(side, body, out);
                }
                decoder.body = decoder.body.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                rest = after;
                continue;
            }
            let mut reader = Reader::open(rest, 0);
            match self.unwrapped(side, &mut reader, out) {
                Ok(next) => {
                    (decoder.body, decoder.is_read) = match next {
                        Next::Skip(length) => (length, false),
                        Next::Body(length) => (length, true),
                        Next::More | Next::Enough => (0, false),
                    };
                    rest = reader.rest();
                }
                Err(Stop::Short { .. }) => break,
                Err(_) => rest = &[],
            }
        }
        decoder.left = rest.to_vec();
        self.halves.of_mut(side).decoder = Some(decoder);
    }

    /// The server did what was asked of it: if nobody logged in, it stands open.
    fn opened(&mut self, server: Side, operation: &Operation, out: &mut Out<'_>) {
        let what = match (self.access, operation) {
            (Access::Asked, _) => return,
            (_, Operation::Verb("DESCRIBE")) => "stream description",
            (Access::Open, Operation::Verb("PLAY")) => "live video",
            (Access::Open, Operation::Verb("RECORD")) => "recording",
            (_, Operation::Verb("SETUP")) => {
                self.access = Access::Open;
                return;
            }
            _ => return,
        };
        out.lax(server, None, Laxity::NoLogin, what);
    }

    /// Who serves, by what only a client or only a server asks for (RFC 2326, 10); the first word holds.
    fn roles(&mut self, asker: Side, operation: &Operation) {
        let Operation::Verb(method) = operation else { return };
        let server = match *method {
            "DESCRIBE" | "SETUP" | "PLAY" | "PAUSE" | "RECORD" | "TEARDOWN" => asker.other(),
            "REDIRECT" | "PLAY_NOTIFY" => asker,
            _ => return,
        };
        self.server.get_or_insert(server);
    }
}

impl Half {
    /// Whether a frame on this channel is looked into: odd ones carry RTCP (10.12), of which the first ones say who sends.
    fn looks_into(&self, channel: u8) -> bool {
        channel & 1 == 1 && self.reports < MOST_REPORTS
    }

    /// A head is read, its body comes.
    fn begin(&mut self, length: u64, is_description: bool) -> Next {
        self.description = None;
        match length {
            0 => Next::More,
            1..=LONGEST_DESCRIPTION if is_description => {
                self.description = Some(Box::new(Description::new(length)));
                Next::Body(length)
            }
            _ => Next::Skip(length),
        }
    }
}

impl Asked {
    /// A request of HTTP with a login, which opens a tunnel.
    fn tunnel(asker: Side, operation: Operation, login: Box<Login>) -> Self {
        let (login, may_log_in) = (Some(login), true);
        Self { asker, operation, number: None, path: None, category: None, ports: None, login, user: None, may_log_in }
    }

    /// What an answer makes of its login: what a server can do it tells everybody.
    fn login_outcome(&self, login: &Login, code: u16, head: &Head<'_>) -> Outcome {
        match challenge::outcome(login, code, head) {
            Outcome::Accepted if self.operation == Operation::Verb("OPTIONS") => Outcome::Unknown,
            outcome => outcome,
        }
    }

    /// It was granted: what it asked for is there.
    fn served(&self, side: Side, head: &Head<'_>, out: &mut Out<'_>) {
        if self.operation == Operation::Verb("SETUP") {
            Ports::read(head).unwrap_or_default().or(self.ports).expect(side, out);
        }
        let is_of_stream = matches!(self.operation, Operation::Verb("DESCRIBE" | "PLAY"));
        if let Some(path) = self.path.as_ref().filter(|_| is_of_stream) {
            out.attribute(side, None, &PATH, path.as_bytes(), || Value::Text(path.clone()));
        }
    }
}

impl Request for Asked {
    const PATIENCE: Duration = Duration::from_secs(30);

    fn count(&self) -> Count {
        let operation = self.operation.clone();
        let is_control = self.category.is_some();
        Count { is_control, ..Count::of(self.asker, Direction::Request, operation, Mark::Plain) }
    }

    fn client_user(&self) -> Option<Box<str>> {
        self.user.clone()
    }

    fn login(&self) -> Option<Login> {
        self.login.as_deref().cloned()
    }

    fn command(&self) -> Option<Command> {
        let target = self.path.clone().unwrap_or_default();
        self.category.map(|category| Command::in_words(category, target, None))
    }
}

/// Whether a head or a path, as it is told, may hold a login.
fn may_log_in(head: &Head<'_>, path: Option<&str>) -> bool {
    head.value("authorization").is_some() || path.is_some_and(path::may_log_in)
}

/// What a request changes: parameters are set, a recording begins. Without a body it says that the client lives.
fn category(operation: &Operation, length: u64) -> Option<Category> {
    match operation {
        Operation::Verb("SET_PARAMETER") if length > 0 => Some(Category::Config),
        Operation::Verb("RECORD") => Some(Category::Operate),
        _ => None,
    }
}

/// Whether the body is a description of a stream: by its type, or, where none is told, by what was asked for.
fn is_description(head: &Head<'_>, operation: &Operation, method: &'static str) -> bool {
    match head.value("content-type") {
        Some(kind) => head::without_parameters(&kind).eq_ignore_ascii_case(b"application/sdp"),
        None => *operation == Operation::Verb(method),
    }
}

fn number(head: &Head<'_>) -> Option<u32> {
    std::str::from_utf8(&head.value("cseq")?).ok()?.parse().ok()
}

/// RFC 6455, 1.3.
const SWITCHING: u16 = 101;
const LONGEST_DESCRIPTION: u64 = 64 * 1024;
const LONGEST_REPORT: u16 = 1024;
/// The first reports of a side name it.
const MOST_REPORTS: u8 = 4;

#[cfg(test)]
mod tests;
