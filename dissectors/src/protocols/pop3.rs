//! POP3 tells what its server calls itself, and how one logs in.
//!
//! RFC 1939 (USER and PASS; APOP, 7), RFC 5034 (AUTH), RFC 2595 (STLS, after which the conversation is read as TLS). Once
//! somebody is let in nothing more is read.

use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Part, Protocol, Side, Verdict};
use crate::line::{self, Front};
use crate::observation::{Operation, Outcome, Transport};
use crate::out::{Count, Mark, Out};
use crate::proof::{Answering, Proof};
use crate::reader::{Reader, Stop};
use crate::sasl::{self, Asked};
use crate::upgrade::{self, Upgrade};

pub(crate) static POP3: Protocol = Protocol {
    name: "pop3",
    spec: "RFC 1939, RFC 5034",
    carriers: &[Carrier::Tcp(&[110])],
    fields: &[&BANNER],
    probe,
    max_message: upgrade::MOST,
    relates: true,
    open: || Box::<Pop3>::default(),
};

static BANNER: Field = Field::new("pop3.banner", "the greeting of the server, without its stamp (RFC 1939, 4 and 7)");

#[derive(Default)]
struct Pop3 {
    server: Option<Side>,
    /// What stands in the greeting for APOP: `<...>`.
    stamp: Option<Box<[u8]>>,
    user: Option<Box<[u8]>>,
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
        Front::Line(line) if line.starts_with(b"+OK ") && line::mentions(line, b"pop") => Verdict::Bits(56),
        Front::Line(line) if is_reply(line) => part(Direction::Response),
        Front::Line(line) if is_own(line) => part(Direction::Request),
        Front::Part(text) => {
            let begins =
                |word: &[u8]| word.get(..text.len().min(word.len())).is_some_and(|word| text.starts_with(word));
            let is_near = COMMANDS.iter().any(|word| begins(word.as_bytes())) || begins(b"+OK") || begins(b"-ERR");
            if is_near { Verdict::More } else { Verdict::NotMine }
        }
        _ => Verdict::NotMine,
    }
}

fn is_reply(line: &[u8]) -> bool {
    [&b"+OK"[..], b"-ERR"].contains(&line::word(line).0)
}

/// Whether a command is one that stores of other things, which answer with the same words, do not have.
fn is_own(line: &[u8]) -> bool {
    let (word, argument) = line::word(line);
    let is_one_of = |words: &[&str], word: &[u8]| words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()));
    is_one_of(&OWN, word) || word.eq_ignore_ascii_case(b"AUTH") && is_one_of(&MECHANISMS, line::word(argument).0)
}

fn is_command(word: &[u8]) -> bool {
    COMMANDS.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

impl Dissector for Pop3 {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if let Some(next) = self.upgrade.message(side, reader, out) {
            return next;
        }
        let line = line::read(reader, LONGEST_LINE)?;
        let is_server = self.server.map_or_else(|| is_reply(line), |server| server == side);
        let server = if is_server { side } else { side.other() };
        if !is_server && self.server.is_none() && !is_command(line::word(line).0) {
            return Err(reader.malformed("this is no command"));
        }
        self.server = Some(server);
        out.server(server);
        if is_server {
            return Ok(self.reply(server, line, out));
        }
        self.command(side, line, out);
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

impl Pop3 {
    fn command(&mut self, side: Side, line: &[u8], out: &mut Out<'_>) {
        if self.asked.takes(line, side.other()) {
            return;
        }
        let (word, argument) = line::word(line);
        let word = word.to_ascii_uppercase();
        if !is_command(&word) {
            return;
        }
        out.count(Count::of(side, Direction::Request, Operation::word(&word), Mark::Plain));
        let login = |credentials| Asked::login(credentials, side.other(), out.place());
        self.asked = match word.as_slice() {
            b"USER" => {
                self.user = Some(argument.into());
                Asked::Other
            }
            b"PASS" => {
                let name = self.user.as_deref().unwrap_or_default();
                login(Some(sasl::credentials("pop3", name, Proof::clear(argument))))
            }
            b"APOP" => {
                let (name, digest) = line::word(argument);
                let proof = self.stamp.clone().and_then(|stamp| sasl::challenge(Answering::Apop, stamp, digest));
                login(proof.map(|proof| sasl::credentials("apop", name, proof)))
            }
            b"AUTH" => Asked::by_mechanism(argument, side.other(), out.place()),
            b"STLS" => Asked::Protect,
            _ => Asked::Other,
        };
    }

    fn reply(&mut self, server: Side, line: &[u8], out: &mut Out<'_>) -> Next {
        let (word, text) = line::word(line);
        let outcome = match word {
            b"+OK" => Outcome::Accepted,
            b"-ERR" => Outcome::Rejected,
            b"+" => {
                self.asked.challenged(text);
                return Next::More;
            }
            // Lines of a longer answer.
            _ => return Next::More,
        };
        let mark = if outcome == Outcome::Accepted { Mark::Plain } else { Mark::Exception };
        out.count(Count::of(server, Direction::Response, Operation::word(word), mark));
        if !std::mem::replace(&mut self.is_greeted, true) && outcome == Outcome::Accepted {
            // The stamp is another each time, and says nothing of the server.
            let at = text.iter().rposition(|byte| *byte == b'<').unwrap_or(text.len());
            let (said, stamp) = text.split_at_checked(at).unwrap_or((text, &[]));
            let is_stamp = stamp.ends_with(b">") && stamp.contains(&b'@');
            self.stamp = is_stamp.then(|| stamp.into());
            out.text(server, None, &BANNER, if is_stamp { said } else { text });
        }
        std::mem::take(&mut self.asked).decided(outcome, &mut self.upgrade, out)
    }
}

/// RFC 1939, 9; RFC 2449; RFC 2595; RFC 5034.
const COMMANDS: [&str; 16] = [
    "USER", "PASS", "APOP", "AUTH", "STLS", "CAPA", "QUIT", "STAT", "LIST", "RETR", "DELE", "NOOP", "RSET", "TOP",
    "UIDL", "UTF8",
];
const OWN: [&str; 7] = ["USER", "PASS", "APOP", "STLS", "CAPA", "RETR", "UIDL"];
const MECHANISMS: [&str; 7] = ["PLAIN", "LOGIN", "CRAM-MD5", "NTLM", "GSSAPI", "XOAUTH2", "SCRAM-SHA-256"];
const LONGEST_LINE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn told(talk: &[(Side, &str)]) -> Vec<String> {
        Rig::tcp(&POP3).with_ports(40_000, 110).told_of(talk)
    }

    #[test]
    fn each_way_of_logging_in_is_told() {
        let greeting = (Side::B, "+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n");
        let ok = (Side::B, "+OK\r\n");
        for (talk, login) in [
            (
                &[(Side::A, "USER ann\r\n"), ok, (Side::A, "PASS secret\r\n"), ok][..],
                "pop3 as ann, accepted, cleartext (frame 4)",
            ),
            (
                &[(Side::A, "USER ann\r\n"), ok, (Side::A, "PASS a b\r\n"), (Side::B, "-ERR no\r\n")],
                "pop3 as ann, rejected, cleartext (frame 4)",
            ),
            (
                &[(Side::A, "APOP ann c4c9334bac560ecc979e58001b3e22fb\r\n"), ok],
                "apop as ann, accepted, challenge (frame 2)",
            ),
            (&[(Side::A, "AUTH PLAIN AGFubgBzZWNyZXQ=\r\n"), ok], "sasl_plain as ann, accepted, cleartext (frame 2)"),
            (
                &[
                    (Side::A, "AUTH LOGIN\r\n"),
                    (Side::B, "+ VXNlcg==\r\n"),
                    (Side::A, "YW5u\r\n"),
                    (Side::B, "+ UA==\r\n"),
                    (Side::A, "c2VjcmV0\r\n"),
                ],
                "sasl_login as ann, unknown, cleartext (frame 2)",
            ),
        ] {
            let told = told(&[&[greeting][..], talk].concat());
            assert!(told.contains(&format!("10.0.0.1 logs in to 10.0.0.2 by {login}")), "{told:?}");
            assert_eq!(told.first().map(String::as_str), Some("10.0.0.2 pop3.banner = ready"));
            assert_eq!(
                told.last().map(String::as_str) == Some("B has told enough"),
                login.contains("accepted"),
                "{told:?}"
            );
        }
    }

    #[test]
    fn what_follows_an_agreement_on_tls_is_no_line() {
        let mut rig = Rig::tcp(&POP3).with_ports(40_000, 110);
        rig.segment(Side::B, b"+OK POP3\r\n");
        rig.segment(Side::A, b"STLS\r\n");
        rig.segment(Side::B, b"+OK\r\n");
        rig.segment(Side::A, &[0x15, 3, 1, 0, 2, 2, 40]);
        assert!(rig.story().iter().any(|line| line.contains("alert exception")));
    }

    #[test]
    fn a_flow_is_named_by_a_greeting_or_by_two_words() {
        let rig = Rig::tcp(&POP3);
        assert_eq!(rig.probe(b"+OK POP3 server ready\r\n"), Verdict::Bits(56));
        assert!(matches!(rig.probe(b"+OK\r\n"), Verdict::Part(_)));
        assert!(matches!(rig.probe(b"USER ann\r\n"), Verdict::Part(_)));
        assert_eq!((rig.probe(b"+O"), rig.probe(b"CAPA\r")), (Verdict::More, Verdict::More));
        assert!(matches!(rig.probe(b"AUTH PLAIN\r\n"), Verdict::Part(_)));
        for other in ["+PONG\r\n", "AUTH secret\r\n", "PING\r\n", "220 ftp\r\n", "GET / HTTP/1.1\r\n", "+OKAY\r\n"] {
            assert_eq!(rig.probe(other.as_bytes()), Verdict::NotMine, "{other}");
        }
    }
}
