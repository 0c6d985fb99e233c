//! LDAP tells how clients of a directory log in.
//!
//! RFC 4511: messages (4.1.1), Bind (4.2), `StartTLS` (4.14, after which the conversation is read as TLS). Read: simple binds
//! and what the server makes of them. A bind by name without a password asks for nothing and is none (RFC 4513, 5.1.2).
//! Skipped on purpose: what is searched, found and changed; binds by SASL, after which messages may be sealed.

use crate::ber;
use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Protocol, Side, Verdict};
use crate::login::Login;
use crate::observation::{Operation, Outcome, Transport};
use crate::out::{Count, Mark, Out};
use crate::pending::{Pending, Request};
use crate::proof::Proof;
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use crate::upgrade::{self, Upgrade};
use std::sync::Arc;
use std::time::Duration;

pub(crate) static LDAP: Protocol = Protocol {
    name: "ldap",
    spec: "RFC 4511",
    carriers: &[Carrier::Tcp(&[389, 3268])],
    fields: &[&SASL],
    probe,
    max_message: upgrade::MOST,
    relates: true,
    open: || Box::<Ldap>::default(),
};

static SASL: Field = Field::new("ldap.mechanism", "by which mechanism of SASL a client logged in (RFC 4511, 4.2)");

#[derive(Default)]
struct Ldap {
    pending: Pending<Asked>,
    upgrade: Upgrade,
}

/// A request that waits for its answer: a bind, or one for TLS.
struct Asked {
    sender: Side,
    number: i64,
    kind: Kind,
}

enum Kind {
    Simple(Login),
    Sasl,
    Protect,
    Other,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Tcp || front.first() != Some(&ber::SEQUENCE) {
        return Verdict::NotMine;
    }
    let mut reader = Reader::open(front, 0);
    let read = |reader: &mut Reader<'_>| {
        let (_, length) = ber::head(reader)?;
        let end = reader.at().saturating_add(length);
        let number = ber::integer(reader)?;
        let (tag, inner) = ber::head(reader)?;
        Ok((end, number, tag, reader.at().saturating_add(inner)))
    };
    match read(&mut reader) {
        Err(Stop::Short { .. }) if front.len() < 20 => Verdict::More,
        Ok((end, 0..=0x7fff_ffff, tag, inner)) if OPERATIONS.contains(&tag) => {
            // Three tags, and lengths of two elements that end together, unless controls follow.
            let is_bind = tag == BIND && front.get(reader.at()..reader.at().saturating_add(3)) == Some(&[2, 1, 3]);
            match (end == inner, end == front.len() || is_bind) {
                (true, true) => Verdict::Bits(40),
                (true, false) => Verdict::Bits(28),
                (false, _) if inner < end => Verdict::Bits(20),
                _ => Verdict::NotMine,
            }
        }
        _ => Verdict::NotMine,
    }
}

impl Dissector for Ldap {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if let Some(next) = self.upgrade.message(side, reader, out) {
            return next;
        }
        let wrong = reader.malformed("this is no message");
        let (tag, length) = ber::head(reader)?;
        let before = reader.at();
        let number = ber::integer(reader)?;
        let (operation, inner) = ber::head(reader)?;
        let rest = length.checked_sub(reader.at().saturating_sub(before)).filter(|rest| inner <= *rest);
        let (ber::SEQUENCE, true, Some(rest)) = (tag, OPERATIONS.contains(&operation), rest) else { return Err(wrong) };
        if !matches!(operation, BIND | BOUND | EXTENDED | EXTENDED_ANSWER) || rest > LONGEST {
            Self::count(side, operation, Mark::Plain, out);
            return Ok(Next::Skip(u64::try_from(rest).unwrap_or(u64::MAX)));
        }
        let mut content = reader.sub(inner)?;
        reader.skip(rest.saturating_sub(inner))?;
        match operation {
            BIND | EXTENDED => {
                let kind = if operation == BIND { bind(side, &mut content, out)? } else { extended(&mut content) };
                Self::count(side, operation, Mark::Plain, out);
                out.server(side.other());
                self.pending.push(Asked { sender: side, number, kind }, true, out);
            }
            _ => return self.answer(side, (operation, number), &mut content, out),
        }
        Ok(Next::More)
    }

    fn gap(&mut self, side: Side, _bytes: u64) -> Footing {
        self.pending.excuse(side);
        self.upgrade.gap()
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.pending.finish(ending, out);
        self.upgrade.finish(ending, out);
    }
}

impl Ldap {
    fn answer(
        &mut self,
        side: Side,
        (operation, number): (u8, i64),
        content: &mut Reader<'_>,
        out: &mut Out<'_>,
    ) -> Result<Next, Stop> {
        let result = ber::expect(content, ber::ENUMERATED)?;
        let code = ber::number(result.rest()).unwrap_or(-1);
        let mark = if matches!(code, SUCCESS | IN_PROGRESS) { Mark::Plain } else { Mark::Exception };
        Self::count(side, operation, mark, out);
        out.server(side);
        let is_it = |asked: &Asked| asked.sender != side && asked.number == number;
        let at = self.pending.position(out.place().time, |waiting| is_it(&waiting.request));
        let Some(waiting) = at.and_then(|at| self.pending.take(at)) else { return Ok(Next::More) };
        let outcome = match code {
            SUCCESS => Outcome::Accepted,
            WRONG => Outcome::Rejected,
            _ => Outcome::Unknown,
        };
        waiting.answered(outcome, out);
        match (&waiting.request.kind, code) {
            (Kind::Sasl, SUCCESS) => return Ok(Next::Enough),
            (Kind::Protect, SUCCESS) => self.upgrade.begin(),
            _ => {}
        }
        Ok(Next::More)
    }

    fn count(side: Side, operation: u8, mark: Mark, out: &mut Out<'_>) {
        let direction = if ANSWERS.contains(&operation) { Direction::Response } else { Direction::Request };
        let operation = Operation::Code(u32::from(operation & 0x1f));
        out.count(Count::of(side, direction, operation, mark));
    }
}

fn bind(side: Side, content: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Kind, Stop> {
    let _version = ber::integer(content)?;
    let name = ber::bytes(content)?;
    let (choice, mut given) = ber::element(content)?;
    Ok(match choice {
        SIMPLE if !given.is_empty() => {
            let (username, realm) = user(name);
            let proof = Arc::new(Proof::clear(given.rest()));
            let (username, realm) = (Some(username.into()), realm.map(Into::into));
            let server = side.other();
            Kind::Simple(Login { server, child: None, scheme: "ldap_simple", username, realm, proof, encrypted: false })
        }
        SASL_CHOICE => {
            out.text(side, None, &SASL, ber::bytes(&mut given)?);
            Kind::Sasl
        }
        _ => Kind::Other,
    })
}

/// The user and where he stands: `cn=ann,dc=lab` is `ann` in `dc=lab`.
fn user(name: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = memchr::memchr(b',', name).unwrap_or(name.len());
    let (first, rest) = (name.get(..end).unwrap_or(name), name.get(end.saturating_add(1)..));
    let value = memchr::memchr(b'=', first).and_then(|at| first.get(at.saturating_add(1)..));
    value.map_or((name, None), |value| (value.trim_ascii(), rest))
}

fn extended(content: &mut Reader<'_>) -> Kind {
    match ber::element(content) {
        Ok((SIMPLE, name)) if name.rest() == START_TLS => Kind::Protect,
        _ => Kind::Other,
    }
}

impl Request for Asked {
    const PATIENCE: Duration = Duration::from_secs(30);

    fn count(&self) -> Count {
        let operation = if matches!(self.kind, Kind::Protect | Kind::Other) { EXTENDED } else { BIND };
        Count::of(self.sender, Direction::Request, Operation::Code(u32::from(operation & 0x1f)), Mark::Plain)
    }

    fn login(&self) -> Option<Login> {
        if let Kind::Simple(login) = &self.kind { Some(login.clone()) } else { None }
    }
}

const BIND: u8 = 0x60;
const BOUND: u8 = 0x61;
const EXTENDED: u8 = 0x77;
const EXTENDED_ANSWER: u8 = 0x78;
/// Every operation (RFC 4511, 4).
const OPERATIONS: [u8; 21] = [
    BIND,
    BOUND,
    0x42,
    0x63,
    0x64,
    0x65,
    0x66,
    0x67,
    0x68,
    0x69,
    0x4a,
    0x6b,
    0x6c,
    0x6d,
    0x6e,
    0x6f,
    0x50,
    0x73,
    EXTENDED,
    EXTENDED_ANSWER,
    0x79,
];
const ANSWERS: [u8; 11] = [BOUND, 0x64, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x73, EXTENDED_ANSWER, 0x79];
const SIMPLE: u8 = 0x80;
const SASL_CHOICE: u8 = 0xa3;
const SUCCESS: i64 = 0;
const IN_PROGRESS: i64 = 14;
/// invalidCredentials.
const WRONG: i64 = 49;
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const LONGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{Rig, hex};

    /// A message with its number, an operation, and its content.
    fn message(number: u8, operation: u8, content: &[u8]) -> Vec<u8> {
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("it is short");
        let inner = [&[2, 1, number, operation, length(content)], content].concat();
        [&[0x30, length(&inner)], &inner[..]].concat()
    }

    fn bind(name: &str, password: &str) -> Vec<u8> {
        let text = |tag: u8, text: &str| [&[tag, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
        message(1, BIND, &[vec![2, 1, 3], text(4, name), text(SIMPLE, password)].concat())
    }

    fn told(name: &str, password: &str, code: u8) -> Vec<String> {
        let mut rig = Rig::tcp(&LDAP).with_ports(40_000, 389);
        assert_eq!(rig.segment(Side::A, &bind(name, password)), 0);
        assert_eq!(rig.segment(Side::B, &message(1, BOUND, &[0x0a, 1, code, 4, 0, 4, 0])), 0);
        rig.finish(Ending::Closed);
        rig.story().into_iter().filter(|line| line.contains("logs in")).collect()
    }

    #[test]
    fn a_simple_bind_is_a_login() {
        for (name, who) in [("cn=ann,dc=lab", "ann in dc=lab"), ("LAB\\ann", "LAB\\ann"), ("ann@lab", "ann@lab")] {
            for (code, outcome) in [(0, "accepted"), (49, "rejected"), (53, "unknown")] {
                let login =
                    format!("10.0.0.1 logs in to 10.0.0.2 by ldap_simple as {who}, {outcome}, cleartext (frame 1)");
                assert_eq!(told(name, "secret", code), [login]);
            }
        }
        assert_eq!(told("", "", 0), [""; 0]);
        assert_eq!(told("cn=ann", "", 0), [""; 0], "who gives no password asks for nothing");
    }

    #[test]
    fn other_messages_are_counted_and_passed_over() {
        let mut rig = Rig::tcp(&LDAP).with_ports(40_000, 389);
        // A head, and a body that has not come yet.
        assert_eq!(rig.segment(Side::B, &hex("30 82 01 00 02 01 02 64 82 00 f9")), 0);
        assert_eq!(rig.segment(Side::A, &message(3, 0x42, &[])), 0);
        let story = rig.story();
        assert_eq!(story, ["B response 4", "A request 2"]);
    }

    #[test]
    fn what_follows_an_agreement_on_tls_is_no_message() {
        let mut rig = Rig::tcp(&LDAP).with_ports(40_000, 389);
        let name = [&[SIMPLE, 22][..], START_TLS].concat();
        rig.segment(Side::A, &message(1, EXTENDED, &name));
        rig.segment(Side::B, &message(1, EXTENDED_ANSWER, &[0x0a, 1, 0, 4, 0, 4, 0]));
        rig.segment(Side::A, &[0x15, 3, 1, 0, 2, 2, 40]);
        assert!(rig.story().iter().any(|line| line.contains("alert exception")));
    }

    #[test]
    fn a_flow_is_named_by_lengths_that_agree() {
        let rig = Rig::tcp(&LDAP);
        assert_eq!(rig.probe(&bind("cn=ann", "x")), Verdict::Bits(40));
        assert_eq!(rig.probe(&hex("30 0c 02 01 01 60 07 02 01 03")), Verdict::Bits(40));
        assert_eq!(rig.probe(&hex("30 0c 02 01")), Verdict::More);
        for other in [
            "30 0c 02 01 01 a0 07 02 01 00",
            "30 0c 02 01 01 60 08 02 01 03",
            "31 0c 02 01 01 60 07",
            "30 80 02 01 01 60 07",
        ] {
            assert_eq!(rig.probe(&hex(other)), Verdict::NotMine, "{other}");
        }
    }
}
