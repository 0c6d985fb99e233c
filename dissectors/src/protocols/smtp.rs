//! SMTP tells what a server of mail calls itself, by which name a client greets it, and how one logs in.
//!
//! RFC 5321 (greeting and EHLO, 4.1), RFC 4954 (AUTH), RFC 3207 (STARTTLS, after which the conversation is read as TLS).
//! Once a message begins (DATA, BDAT) nothing more is read: no mail is anybody's business here.

use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Part, Protocol, Side, Verdict};
use crate::line::{self, Front};
use crate::observation::{Operation, Outcome, Transport};
use crate::out::{Count, Mark, Out};
use crate::reader::{Reader, Stop};
use crate::sasl::Asked;
use crate::upgrade::{self, Upgrade};

pub(crate) static SMTP: Protocol = Protocol {
    name: "smtp",
    spec: "RFC 5321, RFC 4954",
    carriers: &[Carrier::Tcp(&[25, 587, 2525])],
    fields: &[&BANNER, &CLIENT],
    probe,
    max_message: upgrade::MOST,
    relates: true,
    open: || Box::<Smtp>::default(),
};

static BANNER: Field = Field::new("smtp.banner", "the greeting of the server (RFC 5321, 4.2: 220)");
static CLIENT: Field = Field::new("smtp.client_name", "by which name a client greets (RFC 5321, 4.1.1.1)");

#[derive(Default)]
struct Smtp {
    server: Option<Side>,
    asked: Asked,
    /// A message begins, if the next reply wants it.
    brings_mail: bool,
    upgrade: Upgrade,
    is_greeted: bool,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Tcp {
        return Verdict::NotMine;
    }
    let part = |direction| Verdict::Part(Part { exchange: 0, direction: Some(direction) });
    match line::front(front) {
        Front::Line(text) => match line::reply(text) {
            Some((220, _, text)) if line::mentions(text, b"smtp") => Verdict::Bits(64),
            Some((220 | 221 | 235 | 250 | 334 | 354 | 421 | 454 | 501..=504 | 530 | 535 | 550, ..)) => {
                part(Direction::Response)
            }
            Some(_) => Verdict::NotMine,
            None => match line::word(text) {
                // Four letters, a blank, a name, the end of the line.
                (word, name) if is_greeting(word) && !name.is_empty() => Verdict::Bits(56),
                (word, _) if COMMANDS.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes())) => {
                    part(Direction::Request)
                }
                _ => Verdict::NotMine,
            },
        },
        Front::Part(text) => {
            let begins = |word: &str| {
                let length = text.len().min(word.len());
                text.get(..length)
                    .zip(word.as_bytes().get(..length))
                    .is_some_and(|(text, word)| text.eq_ignore_ascii_case(word))
            };
            let is_near = COMMANDS.iter().chain(&["EHLO ", "HELO ", "LHLO "]).any(|word| begins(word));
            if is_near || line::reply(text).is_some() { Verdict::More } else { Verdict::NotMine }
        }
        Front::Other => Verdict::NotMine,
    }
}

fn is_greeting(word: &[u8]) -> bool {
    [&b"EHLO"[..], b"HELO", b"LHLO"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

impl Dissector for Smtp {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if let Some(next) = self.upgrade.message(side, reader, out) {
            return next;
        }
        let line = line::read(reader, LONGEST_LINE)?;
        let is_server = self.server.map_or_else(|| line::reply(line).is_some(), |server| server == side);
        let server = if is_server { side } else { side.other() };
        if is_server {
            let (code, goes_on, text) = line::reply(line).ok_or_else(|| reader.malformed("this is no reply"))?;
            self.server = Some(server);
            out.server(server);
            return Ok(if goes_on { Next::More } else { self.reply(server, code, text, out) });
        }
        let is_in_exchange = matches!(self.asked, Asked::Exchange(..));
        if !is_in_exchange && !line::word(line).0.iter().all(u8::is_ascii_alphanumeric) {
            return Err(reader.malformed("this is no command"));
        }
        self.server = Some(server);
        out.server(server);
        self.command(side, line, out);
        Ok(Next::More)
    }

    fn gap(&mut self, _side: Side, _bytes: u64) -> Footing {
        (self.asked, self.brings_mail) = (Asked::Other, false);
        self.upgrade.gap()
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        std::mem::take(&mut self.asked).ended(Outcome::Unknown, out);
        self.upgrade.finish(ending, out);
    }
}

impl Smtp {
    fn command(&mut self, side: Side, line: &[u8], out: &mut Out<'_>) {
        if self.asked.takes(line, side.other()) {
            return;
        }
        let (word, argument) = line::word(line);
        let word = word.to_ascii_uppercase();
        // A line that is no command may be a password whose question was not seen.
        let known = COMMANDS.iter().chain(&OTHERS).find(|known| word == known.as_bytes());
        out.count(Count::of(side, Direction::Request, Operation::Verb(known.unwrap_or(&"other")), Mark::Plain));
        self.asked = match word.as_slice() {
            b"AUTH" => Asked::by_mechanism(argument, side.other(), out.place()),
            b"STARTTLS" => Asked::Protect,
            _ => Asked::Other,
        };
        self.brings_mail = matches!(word.as_slice(), b"DATA" | b"BDAT");
        if is_greeting(&word) {
            out.text(side, None, &CLIENT, argument);
        }
    }

    fn reply(&mut self, server: Side, code: u16, text: &[u8], out: &mut Out<'_>) -> Next {
        let mark = if code >= 400 { Mark::Exception } else { Mark::Plain };
        out.count(Count::of(server, Direction::Response, Operation::Code(code.into()), mark));
        let brings_mail = std::mem::take(&mut self.brings_mail);
        let is_unasked = matches!(self.asked, Asked::Other) && !brings_mail;
        if !std::mem::replace(&mut self.is_greeted, true) && code == 220 && is_unasked {
            out.text(server, None, &BANNER, text);
        }
        if brings_mail && matches!(code, 354 | 250) {
            return Next::Enough;
        }
        if code == 334 && matches!(self.asked, Asked::Exchange(..)) {
            self.asked.challenged(text);
            return Next::More;
        }
        let outcome = match code {
            235 => Outcome::Accepted,
            535 | 534 | 538 => Outcome::Rejected,
            _ => Outcome::Unknown,
        };
        let asked = std::mem::take(&mut self.asked);
        if matches!(asked, Asked::Protect) && code == 220 {
            self.upgrade.begin();
        }
        asked.ended(outcome, out);
        Next::More
    }
}

/// RFC 5321, 4.1; RFC 3207; RFC 4954.
const COMMANDS: [&str; 9] = ["AUTH", "STARTTLS", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "VRFY", "QUIT"];
const OTHERS: [&str; 7] = ["EHLO", "HELO", "LHLO", "NOOP", "EXPN", "HELP", "ETRN"];
const LONGEST_LINE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn told(talk: &[(Side, &str)]) -> Vec<String> {
        Rig::tcp(&SMTP).with_ports(40_000, 25).told_of(talk)
    }

    const HELLO: [(Side, &str); 3] = [
        (Side::B, "220 mail.lab ESMTP Postfix\r\n"),
        (Side::A, "EHLO pump-7.lab\r\n"),
        (Side::B, "250-mail.lab\r\n250 AUTH PLAIN LOGIN\r\n"),
    ];

    #[test]
    fn each_way_of_logging_in_is_told() {
        for (talk, login) in [
            (
                &[(Side::A, "AUTH PLAIN AGFubgBzZWNyZXQ=\r\n"), (Side::B, "235 In.\r\n")][..],
                "sasl_plain as ann, accepted, cleartext (frame 4)",
            ),
            (
                &[
                    (Side::A, "AUTH PLAIN\r\n"),
                    (Side::B, "334 \r\n"),
                    (Side::A, "AGFubgBzZWNyZXQ=\r\n"),
                    (Side::B, "535 Out.\r\n"),
                ],
                "sasl_plain as ann, rejected, cleartext (frame 4)",
            ),
            (
                &[
                    (Side::A, "AUTH LOGIN YW5u\r\n"),
                    (Side::B, "334 UA==\r\n"),
                    (Side::A, "c2VjcmV0\r\n"),
                    (Side::B, "454 Later.\r\n"),
                ],
                "sasl_login as ann, unknown, cleartext (frame 4)",
            ),
        ] {
            let told = told(&[&HELLO[..], talk].concat());
            assert!(told.contains(&format!("10.0.0.1 logs in to 10.0.0.2 by {login}")), "{told:?}");
            assert_eq!(
                told[..2],
                ["10.0.0.2 smtp.banner = mail.lab ESMTP Postfix", "10.0.0.1 smtp.client_name = pump-7.lab"]
            );
        }
    }

    #[test]
    fn a_line_whose_question_was_not_seen_is_not_told() {
        let mut rig = Rig::tcp(&SMTP).with_ports(40_000, 25);
        rig.segment(Side::B, b"220 mail.lab ESMTP\r\n");
        rig.lose(Side::A, 12);
        rig.segment(Side::A, b"c2VjcmV0\r\n");
        let story = rig.story();
        assert!(
            story.contains(&"A request other".to_owned()) && !story.iter().any(|line| line.contains("c2VjcmV0")),
            "{story:?}"
        );
    }

    #[test]
    fn no_mail_is_read() {
        let talk =
            [(Side::A, "MAIL FROM:<a@b>\r\n"), (Side::B, "250 ok\r\n"), (Side::A, "DATA\r\n"), (Side::B, "354 go\r\n")];
        assert_eq!(told(&[&HELLO[..], &talk].concat()).last().map(String::as_str), Some("B has told enough"));
    }

    #[test]
    fn what_follows_an_agreement_on_tls_is_no_line() {
        let mut rig = Rig::tcp(&SMTP).with_ports(40_000, 25);
        for (side, text) in HELLO {
            rig.segment(side, text.as_bytes());
        }
        rig.segment(Side::A, b"STARTTLS\r\n");
        rig.segment(Side::B, b"220 go\r\n");
        rig.segment(Side::A, &[0x15, 3, 1, 0, 2, 2, 40]);
        assert!(rig.story().iter().any(|line| line.contains("alert exception")));
    }

    #[test]
    fn a_flow_is_named_by_a_greeting() {
        let rig = Rig::tcp(&SMTP);
        assert_eq!(rig.probe(b"220 mail.lab ESMTP\r\n"), Verdict::Bits(64));
        assert_eq!(rig.probe(b"EHLO pump-7.lab\r\n"), Verdict::Bits(56));
        assert!(matches!(rig.probe(b"220 ready\r\n"), Verdict::Part(_)));
        assert_eq!((rig.probe(b"EH"), rig.probe(b"220 ma")), (Verdict::More, Verdict::More));
        for other in ["200 news\r\n", "EHLOX\r\n", "GET / HTTP/1.1\r\n", "MAILBOX\r\n"] {
            assert_eq!(rig.probe(other.as_bytes()), Verdict::NotMine, "{other}");
        }
    }
}
