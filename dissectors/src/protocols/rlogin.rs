//! rlogin tells who logs in where, on whose word, and by which password if one is asked for.
//!
//! RFC 1282: four texts of the client, each with a zero behind it; then what is typed and shown. Skipped on purpose: all of
//! that but logins ([`crate::console`]), and sizes of windows.

use crate::console::{Attempt, Console};
use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Protocol, Side, Verdict};
use crate::login::{Laxity, Login};
use crate::observation::{Channel, Operation, Transport, Version};
use crate::out::{Count, Mark, Out};
use crate::reader::{Reader, Stop};

pub(crate) static RLOGIN: Protocol = Protocol {
    name: "rlogin",
    spec: "RFC 1282",
    carriers: &[Carrier::Tcp(&[513])],
    fields: &[&CLIENT_USER, &TERMINAL],
    probe,
    max_message: 1024,
    relates: true,
    open: || Box::<Rlogin>::default(),
};

static CLIENT_USER: Field = Field::new("rlogin.client_user", "whom a client says that it runs for (RFC 1282, 2)");
static TERMINAL: Field =
    Field::new("rlogin.terminal", "the type and speed of the terminal that somebody has (RFC 1282, 2)");

#[derive(Default)]
struct Rlogin {
    client: Option<Side>,
    user: Box<[u8]>,
    console: Console,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    match opening(front) {
        // Four zeros, a stroke, a number.
        Some(_) if transport == Transport::Tcp => Verdict::Bits(48),
        _ => Verdict::NotMine,
    }
}

/// The user of the client, that of the server, the terminal; and how long that is.
fn opening(front: &[u8]) -> Option<([&[u8]; 3], usize)> {
    let rest = front.strip_prefix(b"\0")?.get(..LONGEST_OPENING.min(front.len().saturating_sub(1)))?;
    let mut parts = rest.split(|byte| *byte == 0);
    let all = [parts.next()?, parts.next()?, parts.next()?];
    // What stands behind the last zero.
    parts.next()?;
    let [_, user, terminal] = all;
    let (name, speed) = crate::head::split_at_last(terminal, b'/')?;
    let is_text = all.iter().all(|text| text.iter().all(u8::is_ascii_graphic));
    let is_terminal = !name.is_empty() && (2..=8).contains(&speed.len()) && speed.iter().all(u8::is_ascii_digit);
    let length = all.iter().fold(1_usize, |sum, text| sum.saturating_add(text.len()).saturating_add(1));
    (is_text && is_terminal && !user.is_empty()).then_some((all, length))
}

impl Dissector for Rlogin {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let Some(client) = self.client else {
            let ([client_user, user, terminal], length) =
                opening(reader.rest()).ok_or_else(|| reader.malformed("this opens nothing"))?;
            reader.skip(length)?;
            (self.client, self.user) = (Some(side), user.into());
            let server = side.other();
            out.server(server);
            out.text(side, None, &CLIENT_USER, client_user);
            out.text(side, None, &TERMINAL, terminal);
            out.lax(server, None, Laxity::Clear, "console");
            let (client, port, begun) = (out.host(side), out.port(server), out.place().time);
            let version = Some(Version::Named("rlogin"));
            let shown = out.place();
            out.channel(server, Channel { client, port, begun, version, ..Channel::default() }, shown);
            out.count(Count::of(side, Direction::Request, Operation::Verb("open"), Mark::Plain));
            return Ok(Next::More);
        };
        let data = reader.take(reader.remaining())?;
        if side == client {
            if let Some(attempt) = self.console.typed(data, out.place()) {
                self.log_in(client.other(), attempt, out);
            }
        } else {
            self.console.shown(data);
        }
        Ok(Next::More)
    }

    /// Nothing tells where what is typed begins.
    fn gap(&mut self, _side: Side, _bytes: u64) -> Footing {
        Footing::Lost
    }

    fn finish(&mut self, _ending: Ending, out: &mut Out<'_>) {
        if let (Some(client), Some(attempt)) = (self.client, self.console.finish()) {
            self.log_in(client.other(), attempt, out);
        }
    }
}

impl Rlogin {
    fn log_in(&self, server: Side, attempt: Attempt, out: &mut Out<'_>) {
        let Attempt { username, proof, outcome, place } = attempt;
        let username = username.or_else(|| Some(self.user.clone()));
        let login = Login { server, child: None, scheme: "rlogin", username, realm: None, proof, encrypted: false };
        out.login(login, outcome, place);
    }
}

const LONGEST_OPENING: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    #[test]
    fn who_comes_is_told_and_a_password_that_is_asked_for_is_a_login() {
        let mut rig = Rig::tcp(&RLOGIN).with_ports(1023, 513);
        for (side, bytes) in [
            (Side::A, &b"\0ann\0operator\0xterm/38400\0"[..]),
            (Side::B, b"\0"),
            (Side::B, b"Password: "),
            (Side::A, b"secret\r"),
            (Side::B, b"\r\nLogin incorrect\r\nlogin: "),
        ] {
            assert_eq!(rig.segment(side, bytes), 0);
        }
        rig.finish(Ending::Closed);
        let story = rig.story();
        for line in [
            "10.0.0.1 rlogin.client_user = ann",
            "10.0.0.1 rlogin.terminal = xterm/38400",
            "10.0.0.2 is lax to 10.0.0.1: Clear, console",
            "10.0.0.1 to 10.0.0.2:513: rlogin - - -, certificate None",
            "10.0.0.1 logs in to 10.0.0.2 by rlogin as operator, rejected, cleartext (frame 4)",
        ] {
            assert!(story.contains(&line.to_owned()), "{line}: {story:?}");
        }
    }

    #[test]
    fn a_flow_is_named_by_how_it_opens() {
        let rig = Rig::tcp(&RLOGIN);
        assert_eq!(rig.probe(b"\0ann\0operator\0xterm/38400\0"), Verdict::Bits(48));
        for other in [
            &b"\0ann\0operator\0xterm/38400"[..],
            b"\0ann\0operator\0xterm\0",
            b"\0\0\0vt/96\0",
            b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x01",
            b"ann\0b\0c/96\0",
        ] {
            assert_eq!(rig.probe(other), Verdict::NotMine);
        }
    }
}
