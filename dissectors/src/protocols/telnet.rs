//! Telnet tells what a console shows before and after a login, how one logs in there, and which terminal somebody has.
//!
//! RFC 854 (commands), RFC 855 (options), RFC 1091 (terminal types). A flow is named by the options that both sides agree
//! on; one without any, by what its console asks for. Who offers to echo, or asks for the other's terminal, serves; else the
//! lower port does. Logins are read as [`crate::console`] has it, typed key by key or line by line. Skipped on purpose: all
//! else that is typed and shown, and what options say but for the terminal's type.

use crate::console::{Attempt, Console};
use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Protocol, Side, Verdict};
use crate::login::{Laxity, Login};
use crate::observation::{Operation, Outcome, Place, Transport};
use crate::out::{Count, Mark, Out};
use crate::proof::Proof;
use crate::reader::{Reader, Stop};

pub(crate) static TELNET: Protocol = Protocol {
    name: "telnet",
    spec: "RFC 854",
    carriers: &[Carrier::Tcp(&[23, 2323, 992])],
    fields: &[&BANNER, &WELCOME, &TERMINAL],
    probe,
    max_message: 4096,
    relates: true,
    open: || Box::<Telnet>::default(),
};

static BANNER: Field = Field::new("telnet.banner", "what its console shows before it asks for a login");
static WELCOME: Field = Field::new("telnet.welcome", "what its console shows once somebody is let in");
static TERMINAL: Field = Field::new("telnet.terminal", "the type of the terminal that somebody has (RFC 1091)");

#[derive(Default)]
struct Telnet {
    server: Option<Side>,
    console: Console,
    shown: Shown,
    is_used: bool,
    is_behind_return: bool,
    /// Where the console ended a line last that is kept.
    last_line: Place,
}

/// What is kept of what the console shows.
#[derive(Default)]
struct Shown {
    what: Kept,
    text: Vec<u8>,
    /// Whether what came last ended a line of it.
    ended: bool,
    /// Within a sequence that moves the cursor, or behind its first letter.
    escape: Escape,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kept {
    /// All that comes before a prompt.
    #[default]
    Banner,
    /// The rest of the line in which a password was typed, which may be its echo: nothing.
    Echo,
    /// All that comes behind it.
    Welcome,
    Nothing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    No,
    Begun,
    Within,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Tcp {
        return Verdict::NotMine;
    }
    let mut rest = front;
    let mut bits = 0_u32;
    loop {
        rest = match rest {
            [IAC, WILL..=DONT, 0..=49 | 255, rest @ ..] => rest,
            [IAC, SB, 0..=49, rest @ ..] => match memchr::memmem::find(rest, &[IAC, SE]) {
                Some(at) => rest.get(at.saturating_add(2)..).unwrap_or_default(),
                None => &[],
            },
            [IAC] | [IAC, SB..=DONT] if bits < 32 => return Verdict::More,
            _ => break,
        };
        // IAC, one of few commands, one of few options.
        bits = bits.saturating_add(16);
    }
    if bits > 0 {
        return Verdict::Bits(bits);
    }
    let is_text = |byte: &u8| *byte >= b' ' || matches!(*byte, b'\r' | b'\n' | b'\t' | ESCAPE);
    let ends = matches!(front.trim_ascii_end().last(), Some(b':' | 0x9a));
    if ends && front.len() <= LONGEST_FRONT && front.iter().all(is_text) && Console::default().shown(front) {
        // A word that asks for a login, and nothing behind it.
        return Verdict::Bits(24);
    }
    Verdict::NotMine
}

impl Dissector for Telnet {
    /// A message is a command, or what stands before the next one.
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        match reader.rest() {
            [IAC, IAC, ..] => reader.skip(2)?,
            [IAC, ..] => self.command(side, reader, out)?,
            rest => {
                let data = reader.take(memchr::memchr(IAC, rest).unwrap_or(rest.len()))?;
                let server = *self.server.get_or_insert_with(|| lower(out));
                out.server(server);
                if side == server { self.show(server, data, out) } else { self.enter(side, data, out) }
            }
        }
        Ok(Next::More)
    }

    fn gap(&mut self, _side: Side, _bytes: u64) -> Footing {
        self.console = Console::default();
        self.shown.keep(Kept::Nothing);
        Footing::Segment
    }

    fn finish(&mut self, _ending: Ending, out: &mut Out<'_>) {
        if let (Some(server), Some(attempt)) = (self.server, self.console.finish()) {
            Self::log_in(server, attempt, out);
        }
    }
}

/// Who has the lower port.
fn lower(out: &Out<'_>) -> Side {
    if out.port(Side::A) < out.port(Side::B) { Side::A } else { Side::B }
}

impl Telnet {
    fn command(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let [_, command] = reader.array()?;
        let operation = match command {
            WILL..=DONT => {
                let option = reader.u8()?;
                let is_servers = match command {
                    WILL if option == ECHO => Some(true),
                    DO if option == ECHO => Some(false),
                    DO if OF_CLIENTS.contains(&option) => Some(true),
                    WILL if OF_CLIENTS.contains(&option) => Some(false),
                    _ => None,
                };
                if let Some(is_servers) = is_servers {
                    self.server.get_or_insert(if is_servers { side } else { side.other() });
                }
                Operation::Code(command.into())
            }
            SB => {
                let content = reader.find(&[IAC, SE])?;
                if let [TERMINAL_TYPE, IS, kind @ ..] = content {
                    let server = *self.server.get_or_insert(side.other());
                    out.server(server);
                    out.text(server.other(), None, &TERMINAL, kind);
                }
                Operation::Code(command.into())
            }
            _ => Operation::Code(command.into()),
        };
        let server = self.server.unwrap_or_else(|| lower(out));
        out.server(server);
        count(side, server, operation, out);
        Ok(())
    }

    fn show(&mut self, server: Side, data: &[u8], out: &mut Out<'_>) {
        self.shown.add(data);
        if self.shown.has_line() {
            self.last_line = out.place();
        }
        if self.console.shown(data) && self.shown.what == Kept::Banner {
            let text = self.shown.take();
            let before = text.iter().rposition(|byte| *byte == b'\n').and_then(|at| text.get(..at));
            tell(server, &BANNER, before.unwrap_or_default(), out.place(), out);
        }
    }

    fn enter(&mut self, client: Side, data: &[u8], out: &mut Out<'_>) {
        let server = client.other();
        for line in data.split_inclusive(|byte| *byte == b'\r' || *byte == b'\n') {
            if let Some(attempt) = self.console.typed(line, out.place()) {
                self.welcome(server, &attempt, out);
                Self::log_in(server, attempt, out);
            }
            if self.shown.what == Kept::Banner {
                self.shown.keep(Kept::Nothing);
            }
            // A line feed behind a return ends no other line.
            let is_behind_return = std::mem::replace(&mut self.is_behind_return, line.ends_with(b"\r"));
            if line.ends_with(b"\r") || line.ends_with(b"\n") && !(line.len() == 1 && is_behind_return) {
                count(client, server, Operation::Verb("line"), out);
                if !std::mem::replace(&mut self.is_used, true) {
                    out.lax(server, None, Laxity::Clear, "console");
                }
            }
            if self.console.is_awaited() && self.shown.what == Kept::Nothing {
                self.shown.keep(Kept::Echo);
            }
        }
    }

    /// Tells what was shown to somebody who was let in.
    fn welcome(&mut self, server: Side, attempt: &Attempt, out: &mut Out<'_>) {
        let text = self.shown.take();
        let lines = text.iter().rposition(|byte| *byte == b'\n').and_then(|at| text.get(..at)).unwrap_or_default();
        let holds = |secret: &[u8]| !secret.is_empty() && lines.windows(secret.len()).any(|part| part == secret);
        let is_echoed = matches!(&*attempt.proof, Proof::Clear(secret) if holds(secret.expose()));
        if attempt.outcome == Outcome::Accepted && !is_echoed {
            tell(server, &WELCOME, lines, self.last_line, out);
        }
    }

    fn log_in(server: Side, attempt: Attempt, out: &mut Out<'_>) {
        let Attempt { username, proof, outcome, place } = attempt;
        let login = Login { server, child: None, scheme: "telnet", username, realm: None, proof, encrypted: false };
        out.login(login, outcome, place);
    }
}

fn tell(server: Side, field: &'static Field, lines: &[u8], shown: Place, out: &mut Out<'_>) {
    let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    out.text_shown(server, field, &lines.collect::<Vec<_>>().join(&b' '), shown);
}

fn count(side: Side, server: Side, operation: Operation, out: &mut Out<'_>) {
    let direction = if side == server { Direction::Response } else { Direction::Request };
    out.count(Count { sender: side, direction, operation, child: None, mark: Mark::Plain, is_control: false });
}

impl Shown {
    fn add(&mut self, data: &[u8]) {
        self.ended = false;
        for byte in data {
            let escape = match (self.escape, *byte) {
                (_, ESCAPE) => Escape::Begun,
                (Escape::Begun, b'[') | (Escape::Within, b'0'..=b'?') => Escape::Within,
                _ => Escape::No,
            };
            let is_text = std::mem::replace(&mut self.escape, escape) == Escape::No && escape == Escape::No;
            if !is_text || *byte < b' ' && *byte != b'\n' && *byte != b'\t' {
                continue;
            }
            match self.what {
                Kept::Echo if *byte == b'\n' => self.what = Kept::Welcome,
                Kept::Banner | Kept::Welcome if self.text.len() < LONGEST_TEXT => {
                    self.text.push(*byte);
                    self.ended |= *byte == b'\n';
                }
                _ => {}
            }
        }
    }

    /// Whether what came last ended a line that is kept.
    fn has_line(&self) -> bool {
        self.ended && self.what == Kept::Welcome
    }

    /// What was kept; nothing more is.
    fn take(&mut self) -> Vec<u8> {
        self.what = Kept::Nothing;
        std::mem::take(&mut self.text)
    }

    fn keep(&mut self, what: Kept) {
        self.text.clear();
        self.what = what;
    }
}

const IAC: u8 = 255;
const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const DO: u8 = 253;
const DONT: u8 = 254;
const ECHO: u8 = 1;
const TERMINAL_TYPE: u8 = 24;
/// What clients alone have, and servers ask for: the terminal's type, size, speed and flow control, its display, the
/// environment (RFC 1091, 1073, 1079, 1372, 1096, 1572). Others, as encryption, either side may begin.
const OF_CLIENTS: [u8; 6] = [TERMINAL_TYPE, 31, 32, 33, 35, 39];
const IS: u8 = 0;
const ESCAPE: u8 = 0x1b;
const LONGEST_FRONT: usize = 512;
const LONGEST_TEXT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn told(talk: &[(Side, &[u8])]) -> Vec<String> {
        let mut rig = Rig::tcp(&TELNET).with_ports(40_000, 23);
        for (side, bytes) in talk {
            assert_eq!(rig.segment(*side, bytes), 0, "{bytes:?}");
        }
        rig.finish(Ending::Closed);
        let is_count = |line: &String| [" request ", " response "].iter().any(|word| line.contains(word));
        rig.story().into_iter().filter(|line| !is_count(line) && line != "B serves").collect()
    }

    const ASKED: [(Side, &[u8]); 3] = [
        (Side::B, b"\xff\xfb\x01\xff\xfd\x18\r\n\x1b[1mLS-8\x1b[0m\r\nfirmware 2.4\r\n\r\nlogin: "),
        (Side::A, b"\xff\xfb\x18ann\r\n"),
        (Side::B, b"Password: "),
    ];

    #[test]
    fn a_login_is_told_with_what_was_shown_before_and_behind_it() {
        let talk: [(Side, &[u8]); 4] = [
            (Side::A, b"secret\r\n"),
            (Side::B, b"\r\nLast login: Monday\r\nOpenBSD 2.6\r\n$ "),
            (Side::A, b"ls\r\n"),
            (Side::B, b"one two\r\n$ "),
        ];
        assert_eq!(
            told(&[&ASKED[..], &talk].concat()),
            [
                "10.0.0.2 telnet.banner = LS-8 firmware 2.4",
                "10.0.0.2 is lax to 10.0.0.1: Clear, console",
                "10.0.0.2 telnet.welcome = Last login: Monday OpenBSD 2.6",
                "10.0.0.1 logs in to 10.0.0.2 by telnet as ann, accepted, cleartext (frame 4)",
            ]
        );
    }

    #[test]
    fn key_by_key_and_line_by_line_are_one() {
        let lines =
            told(&[&ASKED[..], &[(Side::A, b"secret\r\0"), (Side::B, b"\r\nLogin incorrect\r\nlogin: ")]].concat());
        let keys: Vec<(Side, &[u8])> = b"secret\r\0".chunks(1).map(|key| (Side::A, key)).collect();
        let keys = told(&[&ASKED[..], &keys, &[(Side::B, b"\r\nLogin inc"), (Side::B, b"orrect\r\nlogin: ")]].concat());
        let login = "10.0.0.1 logs in to 10.0.0.2 by telnet as ann, rejected, cleartext";
        for (told, frame) in [(lines, "(frame 4)"), (keys, "(frame 10)")] {
            assert!(told.contains(&format!("{login} {frame}")), "{told:?}");
        }
    }

    /// The first line behind a password may be its echo; so may be any, of consoles that are odd.
    #[test]
    fn a_password_that_is_echoed_is_not_told() {
        for shown in [&b"secret\r\nHello\r\n$ "[..], b"\r\nyou said secret\r\n$ "] {
            let told = told(&[&ASKED[..], &[(Side::A, b"secret\r\n"), (Side::B, shown), (Side::A, b"x\r\n")]].concat());
            assert!(!told.iter().any(|line| line.contains("secret")), "{told:?}");
        }
    }

    #[test]
    fn options_name_a_flow_and_a_prompt_does_with_a_second() {
        let rig = Rig::tcp(&TELNET);
        assert_eq!(rig.probe(b"\xff\xfd\x18\xff\xfd\x20"), Verdict::Bits(32));
        assert_eq!(rig.probe(b"\xff\xfb\x01"), Verdict::Bits(16));
        assert_eq!(rig.probe(b"\r\nSwitch\r\nlogin: "), Verdict::Bits(24));
        for more in [&b"\xff"[..], b"\xff\xfd", b"\xff\xfd\x18\xff"] {
            assert_eq!(rig.probe(more), Verdict::More);
        }
        for other in [&b"\xff\xff\x18"[..], b"login\r\n", b"Content-Type:", b"\xff\xd8\xff\xe0", b"\xff\xfd\x80"] {
            assert_eq!(rig.probe(other), Verdict::NotMine);
        }
    }

    #[test]
    fn who_asks_for_the_terminal_serves_and_its_type_is_told() {
        let mut rig = Rig::tcp(&TELNET).with_ports(23, 40_000);
        rig.segment(Side::B, b"\xff\xfd\x18");
        rig.segment(Side::A, b"\xff\xfb\x18\xff\xfa\x18\x00XTERM\xff\xf0");
        let story = rig.story();
        assert!(story.contains(&"B serves".to_owned()) && !story.contains(&"A serves".to_owned()), "{story:?}");
        assert!(story.contains(&"10.0.0.1 telnet.terminal = XTERM".to_owned()), "{story:?}");
    }
}
