//! IMAP tells what its server calls itself, and how one logs in.
//!
//! RFC 9051 (greeting, 7.1; LOGIN, 6.2.3; AUTHENTICATE, 6.2.2; literals, 4.3), RFC 2595 (STARTTLS, after which the
//! conversation is read as TLS). Once somebody is let in nothing more is read.

use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Part, Protocol, Side, Verdict};
use crate::line::{self, Front};
use crate::observation::{Operation, Outcome, Transport};
use crate::out::{Count, Mark, Out};
use crate::proof::Proof;
use crate::reader::{Reader, Stop};
use crate::sasl::{self, Asked};
use crate::upgrade::{self, Upgrade};
use zeroize::Zeroizing;

pub(crate) static IMAP: Protocol = Protocol {
    name: "imap",
    spec: "RFC 9051",
    carriers: &[Carrier::Tcp(&[143])],
    fields: &[&BANNER],
    probe,
    max_message: upgrade::MOST,
    relates: true,
    open: || Box::<Imap>::default(),
};

static BANNER: Field =
    Field::new("imap.banner", "the greeting of the server, without its capabilities (RFC 9051, 7.1)");

#[derive(Default)]
struct Imap {
    server: Option<Side>,
    /// The tag of what was asked last, and what it was.
    tag: Box<[u8]>,
    asked: Asked,
    upgrade: Upgrade,
    is_greeted: bool,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Tcp {
        return Verdict::NotMine;
    }
    let part = |direction| Verdict::Part(Part { exchange: 0, direction: Some(direction) });
    match line::front(front) {
        Front::Line(line) if line.starts_with(b"* ") => match line::word(line.get(2..).unwrap_or_default()) {
            (b"OK" | b"PREAUTH", text) if line::mentions(text, b"imap") => Verdict::Bits(72),
            (b"OK" | b"PREAUTH" | b"BYE" | b"CAPABILITY", _) => part(Direction::Response),
            _ => Verdict::NotMine,
        },
        Front::Line(line) if command(line).is_some() => part(Direction::Request),
        Front::Part(text) if text.starts_with(b"* ") || text == b"*" => Verdict::More,
        Front::Part(text) => {
            let (tag, word) = line::word(text);
            let is_near = COMMANDS.iter().any(|known| known.len() >= word.len() && known.as_bytes().starts_with(word));
            if is_tag(tag) && !word.is_empty() && is_near { Verdict::More } else { Verdict::NotMine }
        }
        _ => Verdict::NotMine,
    }
}

fn is_tag(tag: &[u8]) -> bool {
    (1..=16).contains(&tag.len()) && tag.iter().all(u8::is_ascii_alphanumeric)
}

/// A tag, a command that is known, and what follows it.
fn command(line: &[u8]) -> Option<(&[u8], &'static str, &[u8])> {
    let (tag, rest) = line::word(line);
    let (word, argument) = line::word(rest);
    let known = COMMANDS.iter().find(|known| word.eq_ignore_ascii_case(known.as_bytes()))?;
    is_tag(tag).then_some((tag, *known, argument))
}

impl Dissector for Imap {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if let Some(next) = self.upgrade.message(side, reader, out) {
            return next;
        }
        let is_server = match self.server {
            Some(server) => server == side,
            None => reader.peek(1)?.starts_with(b"*"),
        };
        let server = if is_server { side } else { side.other() };
        let line = line::read(reader, LONGEST_LINE)?;
        if is_server {
            self.server = Some(server);
            out.server(server);
            return Ok(self.reply(server, line, out));
        }
        if self.asked.takes(line, server) {
            return Ok(Next::More);
        }
        let Some((tag, word, argument)) = command(line) else {
            // What others say is nobody's business.
            return if self.server.is_some() { Ok(Next::More) } else { Err(reader.malformed("this is no command")) };
        };
        let asked = match word {
            "LOGIN" => {
                let mut words = Words { rest: argument, reader };
                let (name, password) = (words.next()?, words.next()?);
                let credentials = sasl::credentials("imap", &name, Proof::clear(&password));
                Asked::login(Some(credentials), server, out.place())
            }
            "AUTHENTICATE" => Asked::by_mechanism(argument, server, out.place()),
            "STARTTLS" => Asked::Protect,
            _ => Asked::Other,
        };
        (self.server, self.tag, self.asked) = (Some(server), tag.into(), asked);
        out.server(server);
        count(side, Direction::Request, word, Mark::Plain, out);
        Ok(Next::More)
    }

    fn gap(&mut self, _side: Side, _bytes: u64) -> Footing {
        self.asked = Asked::Other;
        self.upgrade.gap()
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        std::mem::take(&mut self.asked).ended(Outcome::Unknown, out);
        self.upgrade.finish(ending, out);
    }
}

impl Imap {
    fn reply(&mut self, server: Side, line: &[u8], out: &mut Out<'_>) -> Next {
        let (tag, rest) = line::word(line);
        let (word, text) = line::word(rest);
        if tag == b"+" {
            self.asked.challenged(rest);
            return Next::More;
        }
        if tag == b"*" {
            if word == b"OK" && !std::mem::replace(&mut self.is_greeted, true) {
                let code = text.starts_with(b"[").then(|| memchr::memchr(b']', text)).flatten();
                let text = code.and_then(|at| text.get(at.saturating_add(1)..)).unwrap_or(text);
                out.text(server, None, &BANNER, text);
                count(server, Direction::Response, "greeting", Mark::Plain, out);
            }
            return Next::More;
        }
        let (verb, outcome) = match word {
            b"OK" => ("OK", Outcome::Accepted),
            b"NO" => ("NO", Outcome::Rejected),
            b"BAD" => ("BAD", Outcome::Unknown),
            _ => return Next::More,
        };
        if tag != &*self.tag {
            return Next::More;
        }
        let mark = if outcome == Outcome::Accepted { Mark::Plain } else { Mark::Exception };
        count(server, Direction::Response, verb, mark, out);
        std::mem::take(&mut self.asked).decided(outcome, &mut self.upgrade, out)
    }
}

/// Words of a command: as they are, in quotes, or as literals that go on behind the line.
struct Words<'r, 'a> {
    rest: &'a [u8],
    reader: &'r mut Reader<'a>,
}

impl Words<'_, '_> {
    fn next(&mut self) -> Result<Zeroizing<Vec<u8>>, Stop> {
        let rest = self.rest.trim_ascii_start();
        if let Some(length) = literal(rest) {
            let word = self.reader.take(length)?;
            self.rest = line::read(self.reader, LONGEST_LINE)?;
            return Ok(Zeroizing::new(word.to_vec()));
        }
        let Some(quoted) = rest.strip_prefix(b"\"") else {
            let (word, rest) = line::word(rest);
            self.rest = rest;
            return Ok(Zeroizing::new(word.to_vec()));
        };
        let mut word = Zeroizing::new(Vec::with_capacity(quoted.len()));
        let mut letters = quoted.iter();
        while let Some(letter) = letters.next() {
            match letter {
                b'"' => break,
                b'\\' => word.extend(letters.next()),
                letter => word.push(*letter),
            }
        }
        self.rest = letters.as_slice();
        Ok(word)
    }
}

/// `{5}` or `{5+}` at the end of a line.
fn literal(rest: &[u8]) -> Option<usize> {
    let digits = rest.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|length| *length <= LONGEST_LINE)
}

fn count(sender: Side, direction: Direction, verb: &'static str, mark: Mark, out: &mut Out<'_>) {
    out.count(Count::of(sender, direction, Operation::Verb(verb), mark));
}

/// What is said before somebody is let in (RFC 9051, 6.1 and 6.2; RFC 2971).
const COMMANDS: [&str; 7] = ["CAPABILITY", "LOGIN", "AUTHENTICATE", "STARTTLS", "NOOP", "ID", "LOGOUT"];
const LONGEST_LINE: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn told(talk: &[(Side, &str)]) -> Vec<String> {
        Rig::tcp(&IMAP).with_ports(40_000, 143).told_of(talk)
    }

    #[test]
    fn each_way_of_logging_in_is_told() {
        let greeting = (Side::B, "* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n");
        let talk = |login: &'static str, reply: &'static str| [greeting, (Side::A, login), (Side::B, reply)];
        for (talk, login) in [
            (talk("a1 LOGIN ann secret\r\n", "a1 OK In.\r\n"), "imap as ann, accepted, cleartext"),
            (
                talk("a1 login \"ann\" \"se\\\"cret\"\r\n", "* BYE\r\na1 NO Out.\r\n"),
                "imap as ann, rejected, cleartext",
            ),
            (talk("a1 LOGIN {3+}\r\nann {6+}\r\nsecret\r\n", "a1 OK In.\r\n"), "imap as ann, accepted, cleartext"),
            (
                talk("a1 AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=\r\n", "a1 BAD What?\r\n"),
                "sasl_plain as ann, unknown, cleartext",
            ),
        ] {
            let told = told(&talk);
            assert!(told.contains(&format!("10.0.0.1 logs in to 10.0.0.2 by {login} (frame 2)")), "{told:?}");
            assert_eq!(told.first().map(String::as_str), Some("10.0.0.2 imap.banner = Dovecot ready."));
            assert_eq!(
                told.last().map(String::as_str) == Some("B has told enough"),
                login.contains("accepted"),
                "{told:?}"
            );
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let talk = [(Side::B, "* OK IMAP\r\n"), (Side::A, "a2 LOGIN ann secret\r\n"), (Side::B, "a1 OK early\r\n")];
        assert!(
            told(&talk)
                .contains(&"10.0.0.1 logs in to 10.0.0.2 by imap as ann, unknown, cleartext (frame 2)".to_owned())
        );
    }

    #[test]
    fn a_flow_is_named_by_a_greeting_or_by_two_words() {
        let rig = Rig::tcp(&IMAP);
        assert_eq!(rig.probe(b"* OK IMAP4 ready\r\n"), Verdict::Bits(72));
        assert!(matches!(rig.probe(b"* OK ready\r\n"), Verdict::Part(_)));
        assert!(matches!(rig.probe(b"a1 CAPABILITY\r\n"), Verdict::Part(_)));
        assert_eq!((rig.probe(b"* O"), rig.probe(b"a1 CAPA")), (Verdict::More, Verdict::More));
        for other in ["* LIST\r\n", "a1 GET\r\n", "GET / HTTP/1.1\r\n", "hello\r\n"] {
            assert_eq!(rig.probe(other.as_bytes()), Verdict::NotMine, "{other}");
        }
    }
}
