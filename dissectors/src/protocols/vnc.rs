//! VNC tells how a screen is shared: in which version, by which kinds of login it offers, under which name, and who logs in.
//!
//! RFC 6143, 7.1 (handshake), 7.2 (security types), 7.3 (initialisation); versions 3.3, 3.7 and 3.8. Of the challenge of VNC
//! Authentication (7.2.2) the answer is kept as a proof. `VeNCrypt` (its own specification, version 0.2) gives a user and a
//! password readable, or goes on in TLS, which is read as such. Skipped on purpose: other logins (Tight, RA2, those of
//! makers), of which the kind is told, and all that is shown and typed.

use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Protocol, Side, Verdict};
use crate::login::{Laxity, Login};
use crate::observation::{Operation, Outcome, Place, Transport};
use crate::out::{Count, Mark, Out};
use crate::proof::{Answering, Challenge, Proof};
use crate::reader::{Reader, Stop};
use crate::secret::Secret;
use crate::upgrade::{self, Upgrade};
use compact_str::{CompactString, ToCompactString};
use std::sync::Arc;

pub(crate) static VNC: Protocol = Protocol {
    name: "vnc",
    spec: "RFC 6143",
    carriers: &[Carrier::Tcp(&[5900, 5901, 5902, 5903, 5800])],
    fields: &[&VERSION, &SECURITY, &VENCRYPT, &DESKTOP],
    probe,
    max_message: upgrade::MOST,
    relates: true,
    open: || Box::<Vnc>::default(),
};

static VERSION: Field = Field::new("vnc.version", "the version that the server offers, `3.8` (RFC 6143, 7.1.1)");
static SECURITY: Field =
    Field::new("vnc.security_types", "the kinds of login that the server offers, by their numbers (RFC 6143, 7.1.2)");
static VENCRYPT: Field =
    Field::new("vnc.vencrypt_types", "the kinds of login that it offers within VeNCrypt, by their numbers");
static DESKTOP: Field = Field::new("vnc.desktop", "the name of the screen (RFC 6143, 7.3.2)");

#[derive(Default)]
struct Vnc {
    server: Option<Side>,
    /// The minor version that both agree on, once the client has said it.
    minor: Option<u8>,
    server_next: Server,
    client_next: Client,
    chosen: u8,
    challenge: Option<[u8; 16]>,
    given: Option<(Login, Place)>,
    upgrade: Upgrade,
}

/// What the server says next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Server {
    #[default]
    Version,
    Security,
    Challenge,
    Result,
    Screen,
    /// Of `VeNCrypt`: its version, that it agrees on the client's, its kinds, that it begins TLS.
    Vencrypt,
    Agreement,
    Kinds,
    Consent,
}

/// What the client says next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Client {
    #[default]
    Version,
    Choice,
    Answer,
    Share,
    /// Of `VeNCrypt`: its version, its choice, a user with a password.
    Vencrypt,
    Kind,
    Plain,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    let whole = front.get(..LINE).unwrap_or(front);
    let fits = whole.iter().zip(PATTERN).all(|(byte, pattern)| match pattern {
        b'0' => byte.is_ascii_digit(),
        letter => byte == letter,
    });
    match (transport == Transport::Tcp && fits && !whole.is_empty(), whole.len() == LINE) {
        (false, _) => Verdict::NotMine,
        (true, false) => Verdict::More,
        (true, true) => Verdict::Bits(64),
    }
}

impl Dissector for Vnc {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if let Some(next) = self.upgrade.message(side, reader, out) {
            return next;
        }
        let server = *self.server.get_or_insert(side);
        out.server(server);
        if side == server { self.hear_server(side, reader, out) } else { self.hear_client(side, reader, out) }
    }

    /// Nothing tells where the next message begins.
    fn gap(&mut self, _side: Side, _bytes: u64) -> Footing {
        Footing::Lost
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.log_in(Outcome::Unknown, out);
        self.upgrade.finish(ending, out);
    }
}

impl Vnc {
    fn hear_server(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        match self.server_next {
            Server::Version => {
                let [major, minor] = version(reader)?;
                self.server_next = Server::Security;
                let text = [&major.to_compact_string(), ".", &minor.to_compact_string()].concat();
                out.text(side, None, &VERSION, text.as_bytes());
                count(side, Direction::Response, "version", Mark::Plain, out);
            }
            Server::Security => return self.security(side, reader, out),
            Server::Challenge => {
                self.challenge = Some(reader.array()?);
                self.server_next = Server::Result;
                count(side, Direction::Response, "challenge", Mark::Plain, out);
            }
            Server::Result => {
                let is_refused = reader.u32()? != 0;
                let mark = if is_refused { Mark::Exception } else { Mark::Plain };
                count(side, Direction::Response, "result", mark, out);
                self.log_in(if is_refused { Outcome::Rejected } else { Outcome::Accepted }, out);
                if is_refused {
                    return Ok(Next::Enough);
                }
                self.let_in(side, out);
                self.server_next = Server::Screen;
            }
            Server::Screen => {
                let _size_and_format = reader.take(2 + 2 + 16)?;
                let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
                let name = reader.take(length)?;
                // Without a result a login ends here (7.1.3: before 3.8).
                self.log_in(Outcome::Accepted, out);
                self.let_in(side, out);
                out.text(side, None, &DESKTOP, name);
                count(side, Direction::Response, "screen", Mark::Plain, out);
                return Ok(Next::Enough);
            }
            Server::Vencrypt => {
                let _version = reader.u16()?;
                self.server_next = Server::Agreement;
                count(side, Direction::Response, "vencrypt", Mark::Plain, out);
            }
            Server::Agreement => {
                let is_refused = reader.u8()? != 0;
                self.server_next = Server::Kinds;
                count(
                    side,
                    Direction::Response,
                    "agreement",
                    if is_refused { Mark::Exception } else { Mark::Plain },
                    out,
                );
                return Ok(if is_refused { Next::Enough } else { Next::More });
            }
            Server::Kinds => {
                let number = reader.u8()?;
                let kinds = reader.take(usize::from(number).saturating_mul(4))?;
                let kinds = kinds.as_chunks::<4>().0.iter().map(|kind| u32::from_be_bytes(*kind).to_compact_string());
                out.text(side, None, &VENCRYPT, kinds.collect::<Vec<_>>().join(",").as_bytes());
                (self.server_next, self.client_next) = (Server::Consent, Client::Kind);
                count(side, Direction::Response, "kinds", Mark::Plain, out);
            }
            Server::Consent => {
                let is_agreed = reader.u8()? == 1;
                count(side, Direction::Response, "consent", if is_agreed { Mark::Plain } else { Mark::Exception }, out);
                if !is_agreed {
                    return Ok(Next::Enough);
                }
                self.upgrade.begin();
            }
        }
        Ok(Next::More)
    }

    /// Which logins there are (7.1.2): before 3.7 the server has chosen one.
    fn security(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let is_chosen = self.minor.is_none_or(|minor| minor < 7);
        let kinds: Vec<u8> = if is_chosen {
            u8::try_from(reader.u32()?).into_iter().filter(|kind| *kind != 0).collect()
        } else {
            let number = reader.u8()?;
            reader.take(number.into())?.to_vec()
        };
        let mark = if kinds.is_empty() { Mark::Exception } else { Mark::Plain };
        count(side, Direction::Response, "security", mark, out);
        let list: Vec<CompactString> = kinds.iter().map(ToCompactString::to_compact_string).collect();
        out.text(side, None, &SECURITY, list.join(",").as_bytes());
        match (kinds.first(), is_chosen) {
            // It says why it will not talk, and goes.
            (None, _) => return Ok(Next::Enough),
            (Some(kind), true) => return Ok(self.choose(*kind)),
            (Some(_), false) => self.client_next = Client::Choice,
        }
        Ok(Next::More)
    }

    fn choose(&mut self, kind: u8) -> Next {
        self.chosen = kind;
        let has_result = self.minor.is_some_and(|minor| minor >= 8);
        (self.server_next, self.client_next) = match kind {
            NONE if has_result => (Server::Result, Client::Share),
            NONE => (Server::Screen, Client::Share),
            PASSWORD => (Server::Challenge, Client::Answer),
            VENCRYPT_KIND => (Server::Vencrypt, Client::Vencrypt),
            _ => return Next::Enough,
        };
        Next::More
    }

    fn hear_client(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        match self.client_next {
            Client::Version => {
                let [_, minor] = version(reader)?;
                self.minor = Some(minor);
                count(side, Direction::Request, "version", Mark::Plain, out);
            }
            Client::Choice => {
                let kind = reader.u8()?;
                count(side, Direction::Request, "choice", Mark::Plain, out);
                return Ok(self.choose(kind));
            }
            Client::Answer => {
                let response = Secret::new(reader.take(16)?);
                let challenge = self.challenge.unwrap_or_default().into();
                let challenge = Challenge { answering: Answering::Vnc, challenge, response };
                self.given = Some((login(side, "vnc", None, Proof::Challenge(Box::new(challenge))), out.place()));
                self.client_next = Client::Share;
                count(side, Direction::Request, "answer", Mark::Plain, out);
            }
            Client::Share => {
                let _shared = reader.u8()?;
                count(side, Direction::Request, "share", Mark::Plain, out);
                // What follows tells nothing, and the server has one word more to say.
                return Ok(Next::Skip(u64::MAX));
            }
            Client::Vencrypt => {
                let _version = reader.u16()?;
                count(side, Direction::Request, "vencrypt", Mark::Plain, out);
            }
            Client::Kind => {
                let kind = reader.u32()?;
                count(side, Direction::Request, "kind", Mark::Plain, out);
                match kind {
                    PLAIN => (self.server_next, self.client_next) = (Server::Result, Client::Plain),
                    WITHIN_TLS_FIRST..=WITHIN_TLS_LAST => {}
                    _ => return Ok(Next::Enough),
                }
            }
            Client::Plain => {
                let lengths =
                    [reader.u32()?, reader.u32()?].map(|length| usize::try_from(length).unwrap_or(usize::MAX));
                let [user, password] = lengths.map(|length| reader.take(length));
                let (user, password) = (user?, password?);
                self.given = Some((login(side, "vnc_plain", Some(user), Proof::clear(password)), out.place()));
                self.client_next = Client::Share;
                count(side, Direction::Request, "plain", Mark::Plain, out);
            }
        }
        Ok(Next::More)
    }

    fn log_in(&mut self, outcome: Outcome, out: &mut Out<'_>) {
        if let Some((login, place)) = self.given.take() {
            out.login(login, outcome, place);
        }
    }

    fn let_in(&self, server: Side, out: &mut Out<'_>) {
        out.lax(server, None, Laxity::Clear, "screen");
        if self.chosen == NONE {
            out.lax(server, None, Laxity::NoLogin, "screen");
        }
    }
}

fn login(client: Side, scheme: &'static str, user: Option<&[u8]>, proof: Proof) -> Login {
    let (server, username, proof) = (client.other(), user.map(Into::into), Arc::new(proof));
    Login { server, child: None, scheme, username, realm: None, proof, encrypted: false }
}

/// `RFB 003.008` and the end of the line: major and minor.
fn version(reader: &mut Reader<'_>) -> Result<[u8; 2], Stop> {
    let wrong = reader.malformed("this is no version");
    let line = reader.take(LINE)?;
    let number = |digits: Option<&[u8]>| std::str::from_utf8(digits?).ok()?.parse().ok();
    match (line.starts_with(b"RFB "), number(line.get(4..7)), number(line.get(8..11))) {
        (true, Some(major), Some(minor)) => Ok([major, minor]),
        _ => Err(wrong),
    }
}

fn count(sender: Side, direction: Direction, verb: &'static str, mark: Mark, out: &mut Out<'_>) {
    out.count(Count::of(sender, direction, Operation::Verb(verb), mark));
}

const PATTERN: &[u8; LINE] = b"RFB 000.000\n";
const LINE: usize = 12;
const NONE: u8 = 1;
const PASSWORD: u8 = 2;
const VENCRYPT_KIND: u8 = 19;
/// Kinds of `VeNCrypt`: a user and a password, and those that begin with TLS.
const PLAIN: u32 = 256;
const WITHIN_TLS_FIRST: u32 = 257;
const WITHIN_TLS_LAST: u32 = 264;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn told(talk: &[(Side, &[u8])]) -> Vec<String> {
        let mut rig = Rig::tcp(&VNC).with_ports(40_000, 5900);
        for (side, bytes) in talk {
            assert_eq!(rig.segment(*side, bytes), 0, "{bytes:?}");
        }
        rig.finish(Ending::Closed);
        let is_count = |line: &String| [" request ", " response "].iter().any(|word| line.contains(word));
        rig.story().into_iter().filter(|line| !is_count(line) && line != "B serves").collect()
    }

    const CHALLENGE: [u8; 16] = [9; 16];
    const SCREEN: &[u8] = b"\0\x20\0\x20\x10\x10\0\x01\0\x1f\0\x3f\0\x1f\x0b\x05\0\0\0\0\0\0\0\x05hmi-7";

    #[test]
    fn a_login_is_told_with_its_result_in_every_version() {
        for (version, security, choice) in [
            (&b"RFB 003.003\n"[..], &[0, 0, 0, 2][..], &[][..]),
            (b"RFB 003.007\n", &[2, 2, 16], &[2]),
            (b"RFB 003.008\n", &[1, 2], &[2]),
        ] {
            for (result, outcome) in [(0, "accepted"), (1, "rejected")] {
                let told = told(&[
                    (Side::B, version),
                    (Side::A, version),
                    (Side::B, security),
                    (Side::A, choice),
                    (Side::B, &CHALLENGE),
                    (Side::A, &[7; 16]),
                    (Side::B, &[0, 0, 0, result]),
                    (Side::A, &[1]),
                ]);
                let login = format!("10.0.0.1 logs in to 10.0.0.2 by vnc, {outcome}, challenge (frame 6)");
                assert!(told.contains(&login), "{told:?}");
                assert_eq!(told.contains(&"10.0.0.2 is lax to 10.0.0.1: Clear, screen".to_owned()), result == 0);
            }
        }
    }

    #[test]
    fn a_screen_that_anybody_sees_is_open_and_has_a_name() {
        for (version, result) in [(&b"RFB 003.008\n"[..], &[0; 4][..]), (b"RFB 003.007\n", &[])] {
            let told = told(&[
                (Side::B, version),
                (Side::A, version),
                (Side::B, &[2, 1, 2]),
                (Side::A, &[1]),
                (Side::B, result),
                (Side::A, &[1]),
                (Side::B, SCREEN),
                (Side::A, &[5, 0, 1]),
            ]);
            for line in [
                "10.0.0.2 vnc.security_types = 1,2",
                "10.0.0.2 vnc.desktop = hmi-7",
                "10.0.0.2 is lax to 10.0.0.1: NoLogin, screen",
            ] {
                assert!(told.contains(&line.to_owned()), "{told:?}");
            }
        }
    }

    #[test]
    fn other_logins_are_told_by_their_kind() {
        let told =
            told(&[(Side::B, b"RFB 003.008\n"), (Side::A, b"RFB 003.008\n"), (Side::B, &[1, 16]), (Side::A, &[16])]);
        assert!(
            told.contains(&"10.0.0.2 vnc.security_types = 16".to_owned())
                && told.contains(&"A has told enough".to_owned())
        );
    }

    const VENCRYPT_BEGINS: [(Side, &[u8]); 8] = [
        (Side::B, b"RFB 003.008\n"),
        (Side::A, b"RFB 003.008\n"),
        (Side::B, &[1, 19]),
        (Side::A, &[19]),
        (Side::B, &[0, 2]),
        (Side::A, &[0, 2]),
        (Side::B, &[0]),
        (Side::B, &[2, 0, 0, 1, 0, 0, 0, 1, 5]),
    ];

    #[test]
    fn vencrypt_gives_a_user_readable_or_goes_on_in_tls() {
        let plain: [(Side, &[u8]); 3] =
            [(Side::A, &[0, 0, 1, 0]), (Side::A, b"\0\0\0\x03\0\0\0\x06annsecret"), (Side::B, &[0, 0, 0, 0])];
        let story = told(&[&VENCRYPT_BEGINS[..], &plain].concat());
        for line in [
            "10.0.0.2 vnc.vencrypt_types = 256,261",
            "10.0.0.1 logs in to 10.0.0.2 by vnc_plain as ann, accepted, cleartext (frame 10)",
        ] {
            assert!(story.contains(&line.to_owned()), "{story:?}");
        }
        let tls: [(Side, &[u8]); 3] =
            [(Side::A, &[0, 0, 1, 5]), (Side::B, &[1]), (Side::A, &[0x15, 3, 1, 0, 2, 2, 40])];
        assert!(told(&[&VENCRYPT_BEGINS[..], &tls].concat()).iter().all(|line| !line.contains("stops")));
    }

    #[test]
    fn a_flow_is_named_by_its_first_line() {
        let rig = Rig::tcp(&VNC);
        assert_eq!(rig.probe(b"RFB 003.889\n\x01"), Verdict::Bits(64));
        assert_eq!(rig.probe(b"RFB 00"), Verdict::More);
        for other in [&b"RFC 003.008\n"[..], b"RFB 003.008\r", b"RFB 3.8\n"] {
            assert_eq!(rig.probe(other), Verdict::NotMine);
        }
    }
}
