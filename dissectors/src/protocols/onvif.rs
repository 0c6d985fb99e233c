//! ONVIF tells what a camera or recorder is, which firmware it runs, how it is reached, who may use it, and what was done
//! to it.
//!
//! ONVIF Core, Media, Media2, PTZ, Imaging, Event, Recording, Advanced Security, Access Control and their like, over SOAP
//! in HTTP. A call is known by the namespace and name of the one element of its body, never by a prefix, a path or an
//! action, which devices get wrong. Which calls there are, who may make them and what they change stands in
//! `data/onvif_operations.tsv`. Read: every call and its answer; of identity, network and users what stands in
//! `identity.rs`; logins by WS-Security, told when they are answered, calls that need one and succeed without, and that a key
//! crossed the wire. Skipped on purpose: video settings, events, badges and who bears them, and every secret but the passwords that a call sets, which are
//! logins.

use crate::dissector::{Direction, Ending, Field, Side};
use crate::image::Image;
use crate::login::{Laxity, Login};
use crate::observation::{Category, Operation, Outcome};
use crate::out::{Count, Mark, Out, Words};
use crate::pending::{Command, Pending, Request};
use crate::soap::{self, Envelope};
use crate::time::Timestamp;
use crate::xml::Document;
use compact_str::CompactString;
use operation::{Row, term};
use std::time::Duration;

mod command;
mod identity;
mod key;
mod network;
mod operation;
mod password;

/// As rows write it.
pub(crate) const ONVIF: &str = "onvif";

pub(crate) static MANUFACTURER: Field =
    Field::new("onvif.manufacturer", "GetDeviceInformation: Manufacturer (Core, 8.3.1)");
pub(crate) static MODEL: Field = Field::new("onvif.model", "GetDeviceInformation: Model");
pub(crate) static FIRMWARE: Field = Field::new("onvif.firmware", "GetDeviceInformation: FirmwareVersion");
pub(crate) static SERIAL: Field = Field::new("onvif.serial", "GetDeviceInformation: SerialNumber");
pub(crate) static HARDWARE: Field = Field::new("onvif.hardware_id", "GetDeviceInformation: HardwareId");
pub(crate) static HOSTNAME: Field = Field::new("onvif.hostname", "GetHostname: Name");
pub(crate) static ENDPOINT: Field =
    Field::new("onvif.endpoint", "GetEndpointReference: the device's address that never changes, in small letters");
pub(crate) static SCOPE: Field = Field::new("onvif.scope", "GetScopes: each as it stands (Core, 7.3.3)");
pub(crate) static SCOPE_NAME: Field = Field::new("onvif.scope_name", "GetScopes: the device's name, decoded");
pub(crate) static SCOPE_HARDWARE: Field = Field::new("onvif.scope_hardware", "GetScopes: its hardware, decoded");
pub(crate) static SCOPE_LOCATION: Field = Field::new("onvif.scope_location", "GetScopes: where it stands, decoded");
pub(crate) static SCOPE_MAC: Field = Field::new("onvif.scope_mac", "GetScopes: its MAC address");
pub(crate) static SCOPE_SERIAL: Field = Field::new("onvif.scope_serial", "GetScopes: its serial number, decoded");
pub(crate) static MAC: Field = Field::new("onvif.mac", "GetNetworkInterfaces: HwAddress, of each interface");
pub(crate) static ADDRESS: Field =
    Field::new("onvif.address", "GetNetworkInterfaces: the IP addresses of each interface");
pub(crate) static PROTOCOLS: Field =
    Field::new("onvif.protocols", "GetNetworkProtocols: `HTTP 80, HTTPS 443 off, RTSP 554` (Core, 8.2.9)");
pub(crate) static SERVICES: Field =
    Field::new("onvif.services", "GetServices: `device 2.60, media 2.60` (Core, 8.1.2.3)");
pub(crate) static CAPABILITIES: Field = Field::new(
    "onvif.capabilities",
    "GetCapabilities: the services that it offers, `Device, Media, PTZ` (Core, 8.1.2.1)",
);
pub(crate) static CLOCK: Field = Field::new(
    "onvif.clock_ahead",
    "GetSystemDateAndTime: by how many minutes its clock is ahead of the capture's (Core, 8.3.5)",
);
pub(crate) static USERS: Field =
    Field::new("onvif.users", "GetUsers: `admin Administrator, viewer User`; never a password (Core, 8.4.3)");
pub(crate) static PASSWORD_RULES: Field = Field::new(
    "onvif.password_rules",
    "GetPasswordComplexityConfiguration, GetPasswordHistoryConfiguration, GetAuthFailureWarningConfiguration",
);
pub(crate) static STREAM: Field =
    Field::new("onvif.stream", "GetStreamUri, GetSnapshotUri: where its pictures are, without who may see them");

/// The calls of one conversation.
#[derive(Default)]
pub(crate) struct Calls {
    pending: Pending<Call>,
}

/// A call, as far as its answer needs it.
struct Call {
    asker: Side,
    /// Which request of the carrier it came with.
    ticket: u32,
    operation: Operation,
    row: Option<&'static Row>,
    command: Option<Command>,
    /// The login in the envelope. In a box, because many have none.
    login: Option<Box<Login>>,
    /// Whether a login came with it, in the envelope or by the carrier.
    bears_login: bool,
    image: Option<Box<Image>>,
    /// Who logs in by it or by its carrier, if it does something.
    user: Option<Box<str>>,
    /// The passwords that it sets.
    sets: Box<[password::Set]>,
}

/// A request of the carrier, as far as a call in it needs it.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    /// Its number.
    pub(crate) ticket: u32,
    /// Whether the carrier's own head holds what may be a login.
    pub(crate) bears_login: bool,
    /// Who logs in there.
    pub(crate) user: Option<Box<str>>,
    /// What came behind the envelope.
    pub(crate) image: Option<Image>,
}

/// An answer of the carrier, likewise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// The number of its request, if that is known.
    pub(crate) ticket: Option<u32>,
    /// Its status.
    pub(crate) code: u16,
    /// Whether it asks for a login by the carrier.
    pub(crate) is_challenge: bool,
}

impl Calls {
    /// A request of the carrier held this.
    pub(crate) fn asked(&mut self, side: Side, carried: Carried, document: &Document<'_>, out: &mut Out<'_>) {
        let Some(envelope) = Envelope::of(document) else { return };
        let Some(term) = term(envelope.content).filter(|term| term.direction == Direction::Request) else { return };
        let command = term.row.and_then(|row| command::of(row, envelope.content));
        if command.is_some()
            && let Some(what) = key::of(envelope.content)
        {
            out.lax(side.other(), None, Laxity::Key, what);
        }
        let login = envelope.login().map(|login| Box::new(login.login(side.other())));
        let sets = command.as_ref().map(|_| password::of(envelope.content, side.other())).unwrap_or_default();
        let user = || login.as_ref().and_then(|login| login.user()).or(carried.user);
        let call = Call {
            asker: side,
            ticket: carried.ticket,
            operation: term.operation,
            row: term.row,
            user: command.as_ref().and_then(|_| user()),
            command,
            login,
            bears_login: carried.bears_login || envelope.is_signed(),
            image: carried.image.map(Box::new),
            sets,
        };
        out.count(call.count());
        self.pending.push(call, true, out);
    }

    /// The carrier's answer to that request came and held this, if it is XML. What it makes of a login, if a call was asked.
    pub(crate) fn answered(
        &mut self,
        side: Side,
        answer: Answer,
        document: Option<&Document<'_>>,
        out: &mut Out<'_>,
    ) -> Option<Outcome> {
        let Answer { ticket, code, .. } = answer;
        let now = out.place().time;
        let at = self.pending.position(now, |call| call.request.asker != side && Some(call.request.ticket) == ticket);
        let call = at.and_then(|at| self.pending.take(at));
        self.pending.give_up(now, out);
        let envelope = document.and_then(Envelope::of);
        let is_refused = code >= 400 || envelope.is_some_and(Envelope::is_fault);
        let mark = if is_refused { Mark::Exception } else { Mark::Plain };
        if let Some(envelope) = envelope {
            let said = term(envelope.content).filter(|term| term.direction == Direction::Response);
            let operation = match (&said, &call) {
                (Some(said), _) => Some(said.operation.clone()),
                (None, Some(call)) if envelope.is_fault() => Some(call.request.operation.clone()),
                _ => None,
            };
            if let Some(operation) = operation {
                let row = said.as_ref().and_then(|said| said.row).or(call.as_ref().and_then(|call| call.request.row));
                out.count(count(side, Direction::Response, operation, mark, row));
            }
            if said.is_some() && code < 400 {
                identity::tell(side, envelope.content, out);
            }
        }
        let mut call = call?;
        let outcome = call.request.login_outcome(answer, envelope, is_refused);
        if let Some(login) = call.request.login.take() {
            out.login(*login, outcome, call.place());
        }
        if is_refused {
            call.refused(Some(&reason(code, envelope)), out);
        } else {
            call.answered(Outcome::Accepted, out);
            let is_done = envelope.and_then(|envelope| term(envelope.content)).is_some();
            if let Some(what) = call.request.asks_for_login().filter(|_| is_done && !call.request.bears_login) {
                out.lax(side, None, Laxity::NoLogin, what);
            }
        }
        Some(outcome)
    }

    /// Bytes of a side were lost.
    pub(crate) fn excuse(&mut self, side: Side) {
        self.pending.excuse(side);
    }

    /// Gives up what nobody answered.
    pub(crate) fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
    }

    /// No more messages come.
    pub(crate) fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.pending.finish(ending, out);
    }
}

impl Call {
    /// In a few words, what is done by it that nobody should do without a login.
    fn asks_for_login(&self) -> Option<&'static str> {
        self.row.and_then(Row::asks_for_login)
    }

    /// What the answer makes of the login that came with it. What is done for everybody proves nothing, nor does a fault of
    /// another kind, nor a carrier that asks for a login of its own.
    fn login_outcome(&self, answer: Answer, envelope: Option<Envelope<'_, '_>>, is_refused: bool) -> Outcome {
        let fault = envelope.filter(|envelope| envelope.is_fault()).and_then(Envelope::fault_code);
        let is_of_login = match &fault {
            Some(fault) => REFUSALS.iter().any(|known| known.as_bytes() == fault),
            None => answer.code == UNAUTHORIZED && !answer.is_challenge,
        };
        match (is_refused, self.asks_for_login()) {
            (true, _) if is_of_login => Outcome::Rejected,
            (false, Some(_)) => Outcome::Accepted,
            (true, _) | (false, None) => Outcome::Unknown,
        }
    }
}

impl Request for Call {
    const PATIENCE: Duration = Duration::from_secs(30);

    fn count(&self) -> Count {
        count(self.asker, Direction::Request, self.operation.clone(), Mark::Plain, self.row)
    }

    fn command(&self) -> Option<Command> {
        self.command.clone()
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

    fn sets(&self) -> Vec<(Login, Option<Outcome>)> {
        self.sets.iter().map(password::Set::login).collect()
    }
}

/// What notes about announced uploads are called. They say what is loaded.
pub(crate) const UPLOAD: &str = "onvif upload";

/// Why a call was refused: the fault's innermost code, or the carrier's.
fn reason(code: u16, envelope: Option<Envelope<'_, '_>>) -> Words {
    let fault = envelope.filter(|envelope| envelope.is_fault()).and_then(Envelope::fault_code);
    let word = |fault: Vec<u8>| match Operation::word(&fault) {
        Operation::Word(word) => word,
        _ => CompactString::default(),
    };
    let fault = fault.map(word).filter(|word| !word.is_empty());
    fault.map_or_else(|| status(code), Words::Text)
}

/// A reason where the carrier's status is all that is said.
pub(crate) fn status(code: u16) -> Words {
    Words::Text(compact_str::format_compact!("HTTP {code}"))
}

fn count(sender: Side, direction: Direction, operation: Operation, mark: Mark, row: Option<&'static Row>) -> Count {
    let is_command = row.and_then(|row| row.category).is_some_and(Category::is_command);
    let is_control = direction == Direction::Request && is_command;
    Count { sender, direction, operation, child: None, mark, is_control }
}

/// Whether a media type is XML, which an envelope may be: `application/soap+xml`.
pub(crate) fn may_hold(kind: &[u8]) -> bool {
    let is = |name: &[u8]| kind.eq_ignore_ascii_case(name);
    let (_, suffix) = kind.split_at_checked(kind.len().saturating_sub("+xml".len())).unwrap_or((&[], kind));
    is(b"text/xml") || is(b"application/xml") || suffix.eq_ignore_ascii_case(b"+xml")
}

/// Reads a body.
pub(crate) fn read(body: &[u8]) -> Document<'_> {
    Document::read(body, soap::space)
}

/// Reads the body of an answer, as far as it tells something: events and settings come by and by, and are long.
pub(crate) fn read_answer(body: &[u8]) -> Document<'_> {
    Document::read_until(body, soap::space, |outer, (_, name)| soap::is_body(outer) && !identity::tells(name))
}

const UNAUTHORIZED: u16 = 401;
/// Faults that refuse a login (ONVIF Core, 5.9.3.2; WS-Security 1.1, 12).
static REFUSALS: &[&str] = &["NotAuthorized", "FailedAuthentication", "InvalidSecurity", "InvalidSecurityToken"];

#[cfg(test)]
mod tests;
