//! HTTP/1 tells what a server and its pages call themselves, which program asks, and how one logs in.
//!
//! RFC 9110 (what messages mean) and RFC 9112 (how they stand on a connection). Read: heads, the ends of bodies by
//! length, chunks or close, the titles of HTML pages, what carries ONVIF, logins in Authorization or in targets, told when
//! they are answered. Skipped on purpose: what other bodies say, and all else of targets. HTTP/2 is only met at its preface; what follows
//! 101 or a tunnel's 200 is another protocol.

use crate::authorization;
use crate::dialect::{Fit, LONGEST_LINE};
use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Protocol, Side, Sides};
use crate::head::{self, Head, Start};
use crate::image::Image;
use crate::login::Login;
use crate::observation::{Category, Operation};
use crate::out::{Count, Mark, Out, Words};
use crate::pending::{Command, Pending, Request, Waiting};
use crate::protocols::onvif::{self, Carried};
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use answer::{ISAPI, RPC, Reply};
use body::{Body, chunk_size, is_interim, is_tunnel};
use camera::{Api, Deed};
use gather::Gather;
use start::{DIALECT, probe};
use std::time::Duration;
use title::Title;
use upload::{Upload, Uploaded};
use zeroize::Zeroizing;

mod answer;
mod body;
mod camera;
mod gather;
mod isapi;
mod rpc;
mod start;
mod tell;
mod title;
mod upload;

pub(crate) static HTTP: Protocol = Protocol {
    name: "http",
    spec: "RFC 9110, RFC 9112",
    carriers: &[Carrier::Tcp(&[80, 8080, 8000, 81, 88, 8081, 8888])],
    fields: &[
        &SERVER,
        &USER_AGENT,
        &WEBSOCKET,
        &WEBSOCKET_OFFERED,
        &AUTHORIZATION,
        &AUTHENTICATE,
        &COOKIE,
        &REALM,
        &POWERED_BY,
        &TITLE,
        &HOST,
        &camera::API,
        &camera::VENDOR,
        &camera::MODEL,
        &camera::FIRMWARE,
        &camera::SERIAL,
        &camera::HARDWARE,
        &camera::NAME,
        &camera::MAC,
        &camera::KIND,
        &onvif::MANUFACTURER,
        &onvif::MODEL,
        &onvif::FIRMWARE,
        &onvif::SERIAL,
        &onvif::HARDWARE,
        &onvif::HOSTNAME,
        &onvif::ENDPOINT,
        &onvif::SCOPE,
        &onvif::SCOPE_NAME,
        &onvif::SCOPE_HARDWARE,
        &onvif::SCOPE_LOCATION,
        &onvif::SCOPE_MAC,
        &onvif::SCOPE_SERIAL,
        &onvif::MAC,
        &onvif::ADDRESS,
        &onvif::PROTOCOLS,
        &onvif::SERVICES,
        &onvif::CAPABILITIES,
        &onvif::CLOCK,
        &onvif::USERS,
        &onvif::PASSWORD_RULES,
        &onvif::STREAM,
    ],
    probe,
    max_message: 64 * 1024,
    relates: true,
    open: || Box::<Http>::default(),
};

static SERVER: Field = Field::new("http.server", "Server: the software that answers (RFC 9110, 10.2.4)");
static USER_AGENT: Field = Field::new("http.user_agent", "User-Agent: the software that asks (RFC 9110, 10.1.5)");
static WEBSOCKET: Field = Field::new(
    "http.websocket_protocol",
    "Sec-WebSocket-Protocol: what is spoken on a connection that it turned into a WebSocket (RFC 6455, 11.3.4)",
);
static WEBSOCKET_OFFERED: Field = Field::new(
    "http.websocket_offered",
    "Sec-WebSocket-Protocol: what it offered to speak over a WebSocket, in its order (RFC 6455, 11.3.4)",
);
static AUTHORIZATION: Field = Field::new(
    "http.authorization",
    "Authorization: the scheme of credentials sent to it (RFC 9110, 11.6.2), by the registry's name or `other`",
);
static AUTHENTICATE: Field = Field::new(
    "http.authenticate",
    "WWW-Authenticate: the schemes that one response offers, in its order (RFC 9110, 11.6.1)",
);
static COOKIE: Field = Field::new(
    "http.cookie",
    "Cookie: `sent`, if one was sent to it, which may stand for a login (RFC 6265, 4.2); never which",
);
static REALM: Field = Field::new("http.realm", "WWW-Authenticate: what is protected, by its own name (RFC 9110, 11.5)");
static POWERED_BY: Field = Field::new("http.powered_by", "X-Powered-By: what makes the pages; no standard");
static TITLE: Field = Field::new("http.title", "The title of an HTML page, of a response 200 or 401 (HTML, 4.2.2)");
static HOST: Field =
    Field::new("http.host", "Host: the name it is called by, when it is not an address (RFC 9110, 7.2)");

#[derive(Default)]
struct Http {
    halves: Sides<Half>,
    /// Answers come in the order of their requests (RFC 9112, 9.3.2).
    pending: Pending<Asked>,
    /// The number of the next request.
    ticket: u32,
    /// Few conversations carry any.
    calls: Option<Box<onvif::Calls>>,
}

/// What one side sends.
#[derive(Default)]
struct Half {
    stage: Stage,
    look: Look,
    /// How many bytes of the body, or of the chunk, are to come.
    left: u64,
    part: Part,
}

/// What the message under way is in its exchange.
#[derive(Debug, Default)]
enum Part {
    /// Its body tells nothing.
    #[default]
    None,
    /// A request.
    Request(Carried),
    /// An answer.
    Response(Reply),
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    /// A start line and headers.
    #[default]
    Head,
    /// The size of a chunk (RFC 9112, 7.1).
    Chunk,
    /// A trailer, or the empty line after the last one (RFC 9112, 7.1.2).
    Trailer,
}

/// Who looks at the body under way.
#[derive(Default)]
enum Look {
    #[default]
    Nobody,
    /// It is a page.
    Title(Title),
    /// It is a request's: no answer is owed before its end, and a firmware takes its minutes.
    Progress,
    /// It is XML.
    Gather(Gather),
    /// It may be a login.
    Login(Gather, Form),
    /// Something is loaded into the server.
    Upload(Upload),
}

/// How a login stands in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As a browser sends a form.
    Web,
    /// As Dahua's web interface does.
    Dahua,
    /// As Hikvision's does.
    Hikvision,
}

impl Form {
    /// The one that a request's body may be.
    fn of(target: &[u8], head: &Head<'_>) -> Option<Self> {
        if rpc::is_login(target) {
            return Some(Self::Dahua);
        }
        if isapi::is_login(target) {
            return Some(Self::Hikvision);
        }
        let kind = head.value("content-type")?;
        let is_form = head::without_parameters(&kind).eq_ignore_ascii_case(b"application/x-www-form-urlencoded");
        is_form.then_some(Self::Web)
    }
}

/// A request, as far as its answer needs it.
struct Asked {
    asker: Side,
    ticket: u32,
    operation: Operation,
    /// In a box, because nearly none has any.
    login: Option<Box<Login>>,
    /// The camera maker's API that it asks.
    api: Option<Api>,
    /// What it does, if that changes the server. In a box likewise.
    command: Option<Box<Command>>,
    /// What it loaded.
    image: Option<Box<Image>>,
    form: Option<Form>,
    /// Who logs in by it, if it does something.
    user: Option<Box<str>>,
}

impl Dissector for Http {
    /// A message is a head, the front of a chunk, a trailer or an empty line between them.
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let is_empty_line = head::pass_empty_line(reader)?;
        match (self.halves.of(side).stage, is_empty_line) {
            (Stage::Trailer, true) => {
                self.over(side, out);
                Ok(self.halves.of_mut(side).end())
            }
            (_, true) => Ok(Next::More),
            (Stage::Head, false) => self.head(side, reader, out),
            (Stage::Chunk, false) => self.chunk(side, reader, out),
            (Stage::Trailer, false) => self.trailer(side, reader, out),
        }
    }

    fn body(&mut self, side: Side, piece: &[u8], out: &mut Out<'_>) {
        let half = self.halves.of_mut(side);
        half.left = half.left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if matches!(half.part, Part::Request(_)) {
            self.pending.hear_latest(out.place().time);
        }
        match &mut half.look {
            Look::Nobody | Look::Progress => {}
            Look::Gather(gather) | Look::Login(gather, _) => gather.add(piece, out),
            Look::Upload(upload) => upload.add(piece, out),
            Look::Title(title) => {
                if let Some(text) = title.read(piece) {
                    out.text(side, None, &TITLE, text);
                }
                if title.is_over() {
                    half.look = Look::Nobody;
                }
            }
        }
        if half.keeps() && half.is_whole() {
            self.over(side, out);
        }
    }

    /// Answers may have been lost: which request the next one answers is not known any more. The stage stays, since
    /// the loss may stand within a chunk, and a start line is read at any stage.
    fn gap(&mut self, side: Side, bytes: u64) -> Footing {
        let half = self.halves.of_mut(side);
        half.left = half.left.saturating_sub(bytes);
        match &mut half.look {
            Look::Title(_) => half.look = Look::Nobody,
            Look::Gather(gather) | Look::Login(gather, _) => gather.cut(),
            Look::Upload(upload) => upload.cut(),
            Look::Nobody | Look::Progress => {}
        }
        self.pending.excuse(side);
        if let Some(calls) = &mut self.calls {
            calls.excuse(side);
        }
        Footing::Segment
    }

    fn let_go(&mut self) {
        for side in Side::BOTH {
            let half = self.halves.of_mut(side);
            if half.keeps() {
                half.look = Look::Nobody;
            }
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
        if let Some(calls) = &mut self.calls {
            calls.tick(now, out);
        }
    }

    /// What was gathered of bodies that did not end is told, the request's first.
    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        let is_request = |side: &Side| matches!(self.halves.of(*side).part, Part::Request(_));
        let mut sides = Side::BOTH;
        sides.sort_by_key(|side| !is_request(side));
        for side in sides {
            self.over(side, out);
        }
        self.pending.finish(ending, out);
        if let Some(calls) = &mut self.calls {
            calls.finish(ending, out);
        }
    }
}

impl Http {
    fn head(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let refused = reader.malformed("neither a request line nor a status line of HTTP/1");
        if DIALECT.fit(reader.rest()) == Fit::Not {
            return Err(refused);
        }
        let head = Head::read(reader)?;
        match head.start {
            start if DIALECT.is_preface(&start) => Ok(preface(side, out)),
            start if !DIALECT.is_mine(&start) => Err(refused),
            Start::Request { method, target, .. } => self.request(side, method, target, &head, out),
            Start::Status { code, .. } => self.response(side, code, &head, out),
        }
    }

    fn request(
        &mut self,
        side: Side,
        method: &[u8],
        target: &[u8],
        head: &Head<'_>,
        out: &mut Out<'_>,
    ) -> Result<Next, Stop> {
        let body = Body::of_request(head)?;
        let operation = DIALECT.operation(method);
        let login = authorization::of_request(side.other(), (method, target), head, body != Body::Nothing, out);

        let deed = Deed::of(method, target, head);
        let announced =
            head::path(target).and_then(|path| out.note::<Category>(side.other(), onvif::UPLOAD, path)).copied();
        let loads = deed.as_ref().map_or(announced.is_some(), |deed| deed.takes_file);
        let command = deed.map(|deed| deed.command()).or(announced.map(load));

        out.server(side.other());
        self.over(side, out);
        self.ticket = self.ticket.wrapping_add(1);
        let ticket = self.ticket;
        let has_body = body != Body::Nothing;
        // What Hikvision's devices draw is asked for without a body.
        let form = Form::of(target, head).filter(|form| (has_body || *form == Form::Hikvision) && !loads);
        let look = match form.filter(|_| has_body) {
            Some(form) => Gather::of(head).map(|gather| Look::Login(gather, form)),
            None if loads => Some(Look::Upload(Upload::of(head))),
            None => gathered(head).or_else(|| Upload::of_envelope(head).map(Look::Upload)),
        };
        let look = look.unwrap_or(Look::Progress);
        let user = login.as_ref().and_then(|login| login.user());
        let bears_login = login.is_some() || may_log_in(head);
        let carried = Carried { ticket, bears_login, user: user.clone(), image: None };
        let next = self.halves.of_mut(side).begin(body, look, Part::Request(carried));
        let (api, command) = (Api::of(target), command.map(Box::new));
        let user = command.as_ref().and(user);
        let asked = Asked { asker: side, ticket, operation, login, api, command, image: None, form, user };
        let counted = asked.count();
        self.pending.push(asked, true, out);
        out.count(counted);
        tell::request(side, target, head, out);
        Ok(next)
    }

    fn response(&mut self, side: Side, code: u16, head: &Head<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let is_next = |asked: &Waiting<Asked>| asked.request.asker != side && asked.is_owed_an_answer();
        let pair = self.pending.position(out.place().time, is_next);
        let method = pair.and_then(|at| self.pending.get(at)).map(|asked| &asked.operation);
        let is_tunnel = is_tunnel(code, method);
        let body = Body::of_response(code, method, head)?;
        let asked = pair.and_then(|at| self.pending.get(at)).filter(|_| code == 200);
        let (api, form) = asked.map(|asked| (asked.api, asked.form)).unwrap_or_default();
        let look = match (body, api) {
            (Body::Nothing, _) => Look::Nobody,
            (_, api) if api.is_some() || matches!(form, Some(Form::Dahua | Form::Hikvision)) => {
                Gather::of(head).map(Look::Gather).unwrap_or_default()
            }
            _ if has_title(code, body, head) => Look::Title(Title::new()),
            _ => gathered(head).unwrap_or_default(),
        };
        out.server(side);
        self.over(side, out);
        let asked = pair.filter(|_| !is_interim(code)).and_then(|at| self.pending.take(at));
        self.pending.give_up(out.place().time, out);
        let reply = Reply::of(asked, (api, form), code, head, out);
        let part = if is_interim(code) { Part::None } else { Part::Response(reply) };
        let is_told_later = matches!(look, Look::Gather(_)) && body != Body::Length(0);
        let next = self.halves.of_mut(side).begin(body, look, part);
        if !is_told_later {
            self.over(side, out);
        }

        let mark = if code < 400 { Mark::Plain } else { Mark::Exception };
        out.count(Count::of(side, Direction::Response, Operation::Code(u32::from(code)), mark));
        tell::response(side, head, out);
        Ok(if is_tunnel { Next::Enough } else { next })
    }

    /// The message of a side under way has ended, or will never: what was gathered of it is told.
    fn over(&mut self, side: Side, out: &mut Out<'_>) {
        let half = self.halves.of_mut(side);
        let is_whole = half.is_whole();
        let part = std::mem::take(&mut half.part);
        let (body, image) = match std::mem::take(&mut half.look) {
            Look::Gather(gather) => (Some(gather.take(out)), None),
            Look::Login(gather, form) => {
                let text = Zeroizing::new(gather.take(out));
                if let Part::Request(carried) = &part {
                    self.logs_in(side.other(), carried.ticket, form, &text, out);
                }
                return;
            }
            Look::Upload(upload) => {
                let Uploaded { envelope, image } = upload.take(is_whole, out);
                (Some(envelope).filter(|envelope| !envelope.is_empty()), image)
            }
            look => {
                half.look = look;
                (None, None)
            }
        };
        match (part, body) {
            (Part::Request(carried), Some(body)) => {
                let document = onvif::read(&body);
                self.calls.get_or_insert_default().asked(side, Carried { image, ..carried }, &document, out);
            }
            (Part::Request(carried), None) => self.loaded(carried.ticket, image, out),
            (Part::Response(reply), body) => self.answered(side, reply, body.as_deref(), out),
            (Part::None, _) => {}
        }
    }

    /// A request has brought this.
    fn loaded(&mut self, ticket: u32, image: Option<Image>, out: &Out<'_>) {
        if let Some(asked) = self.asked(ticket, out) {
            asked.image = image.map(Box::new);
        }
    }

    /// A request has brought this, which may be a login.
    fn logs_in(&mut self, server: Side, ticket: u32, form: Form, text: &[u8], out: &Out<'_>) {
        let found = match form {
            Form::Web => authorization::form(text),
            Form::Dahua => rpc::login(text, rpc::session(text).and_then(|session| out.note(server, RPC, session))),
            Form::Hikvision => isapi::login(text, |session| out.note(server, ISAPI, session)),
        };
        if let (Some(found), Some(asked)) = (found, self.asked(ticket, out)) {
            asked.login.get_or_insert_with(|| Box::new(found.login(server)));
        }
    }

    /// The request of a number, as long as it waits.
    fn asked(&mut self, ticket: u32, out: &Out<'_>) -> Option<&mut Asked> {
        let at = self.pending.position(out.place().time, |asked| asked.request.ticket == ticket)?;
        self.pending.get_mut(at)
    }

    fn chunk(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let line = line(reader)?;
        let Some(length) = chunk_size(line) else {
            return self.head_after_all(side, reader, out, "neither the size of a chunk nor a start line");
        };
        pass(reader, line)?;
        Ok(self.halves.of_mut(side).chunk(length))
    }

    fn trailer(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let line = line(reader)?;
        if !line.contains(&b':') || DIALECT.fit(reader.rest()) == Fit::Whole {
            return self.head_after_all(side, reader, out, "neither a trailer nor a start line");
        }
        pass(reader, line)?;
        Ok(Next::More)
    }

    /// Where chunks should go on a message starts: the end of the one before was lost.
    fn head_after_all(
        &mut self,
        side: Side,
        reader: &mut Reader<'_>,
        out: &mut Out<'_>,
        what: &'static str,
    ) -> Result<Next, Stop> {
        match DIALECT.fit(reader.rest()) {
            Fit::Whole => self.head(side, reader, out),
            Fit::Not | Fit::Maybe => Err(reader.malformed(what)),
        }
    }
}

impl Half {
    /// A head is read, its body comes.
    fn begin(&mut self, body: Body, look: Look, part: Part) -> Next {
        self.part = part;
        self.stage = if body == Body::Chunks { Stage::Chunk } else { Stage::Head };
        self.look = look;
        match body {
            Body::Nothing | Body::Chunks => Next::More,
            Body::Length(length) => self.pass(length),
            Body::Close => self.pass(u64::MAX),
        }
    }

    fn chunk(&mut self, size: u64) -> Next {
        if size == 0 {
            self.stage = Stage::Trailer;
        }
        self.pass(size)
    }

    /// Bytes of a body come.
    fn pass(&mut self, length: u64) -> Next {
        self.left = length;
        match (length, &self.look) {
            (0, _) => Next::More,
            (_, Look::Nobody) => Next::Skip(length),
            _ => Next::Body(length),
        }
    }

    /// Whether it keeps something of the body under way.
    fn keeps(&self) -> bool {
        matches!(self.look, Look::Gather(_) | Look::Login(..) | Look::Upload(_))
    }

    /// Whether nothing of the body under way is to come.
    fn is_whole(&self) -> bool {
        self.left == 0 && !matches!(self.stage, Stage::Chunk)
    }

    /// A message has ended: a new one comes.
    fn end(&mut self) -> Next {
        self.stage = Stage::Head;
        self.look = Look::Nobody;
        Next::More
    }
}

impl Request for Asked {
    const PATIENCE: Duration = Duration::from_secs(30);

    fn count(&self) -> Count {
        let is_control = self.command.as_ref().is_some_and(|command| command.category.is_command());
        Count { is_control, ..Count::of(self.asker, Direction::Request, self.operation.clone(), Mark::Plain) }
    }

    fn command(&self) -> Option<Command> {
        self.command.as_deref().cloned()
    }

    fn image(&self) -> Option<Image> {
        self.image.as_deref().copied()
    }

    fn client_user(&self) -> Option<Box<str>> {
        self.user.clone()
    }

    fn login(&self) -> Option<Login> {
        self.login.as_deref().cloned()
    }
}

/// Whether a head holds what stands for a login: of some the scheme is not known, and a session's cookie was given to who
/// logged in before.
fn may_log_in(head: &Head<'_>) -> bool {
    ["authorization", "cookie"].iter().any(|name| head.value(name).is_some())
}

/// What is loaded where a device has announced that it takes something.
fn load(category: Category) -> Command {
    Command { category, target: Words::from("announced upload"), value: None }
}

fn preface(side: Side, out: &mut Out<'_>) -> Next {
    out.server(side.other());
    out.count(Count::of(side, Direction::Request, Operation::Verb("PRI"), Mark::Plain));
    Next::Enough
}

/// Whether a title may be read from a body: that of an HTML page, small and plain.
fn has_title(code: u16, body: Body, head: &Head<'_>) -> bool {
    let is_small = match body {
        Body::Nothing => false,
        Body::Length(length) => length <= LONGEST_PAGE,
        Body::Chunks | Body::Close => true,
    };
    let is_html = || {
        let kind = head.value("content-type");
        kind.is_some_and(|kind| head::without_parameters(&kind).eq_ignore_ascii_case(b"text/html"))
    };
    is_small && matches!(code, 200 | 401) && is_html() && is_plain(head)
}

/// A body is gathered if it is XML.
fn gathered(head: &Head<'_>) -> Option<Look> {
    let kind = head.value("content-type")?;
    let is_xml = onvif::may_hold(head::without_parameters(&kind));
    if is_xml { Gather::of(head).map(Look::Gather) } else { None }
}

fn is_plain(head: &Head<'_>) -> bool {
    let coding = head.value("content-encoding");
    coding.is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"))
}

/// The line at hand without its LF, left where it is. Is asked again from its start when it is not whole: so it is short.
fn line<'a>(reader: &Reader<'a>) -> Result<&'a [u8], Stop> {
    let front = reader.rest().get(..LONGEST_LINE).unwrap_or(reader.rest());
    match memchr::memchr(b'\n', front) {
        Some(end) => reader.peek(end),
        None if front.len() == LONGEST_LINE => Err(reader.malformed("the line of a chunk is too long")),
        None => reader.peek(reader.remaining().saturating_add(1)),
    }
}

/// Passes over a line that [`line`] showed, and its LF.
fn pass(reader: &mut Reader<'_>, line: &[u8]) -> Result<(), Stop> {
    reader.skip(line.len().saturating_add(1))
}

const LONGEST_PAGE: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
