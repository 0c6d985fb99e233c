//! FTP tells which program serves, on which system, how one logs in, and which files are fetched, written and deleted.
//!
//! RFC 959: commands (4.1), replies (4.2). RFC 2389: FEAT. RFC 4217: AUTH TLS, after which the conversation is read as TLS.
//! Read: the control connection. A login is USER and PASS, told when PASS is answered: 230 and 232 accept it, 430 and 530
//! refuse it. Skipped on purpose: data connections, accounts (ACCT), and what replies say but for the greeting, SYST and
//! FEAT. Commands and replies are few and three or four letters long, and mail has some of them: a flow is named by a
//! greeting that says FTP, or by a command and a reply that no other protocol has.

use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Part, Protocol, Side, Verdict};
use crate::line::{self, Front};
use crate::login::{Laxity, Login};
use crate::observation::{Category, Operation, Outcome, Transport};
use crate::out::{Count, Mark, Out};
use crate::pending::{Command, Pending, Request};
use crate::proof::Proof;
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use crate::upgrade::{self, Upgrade};
use compact_str::CompactString;
use std::sync::Arc;
use std::time::Duration;

pub(crate) static FTP: Protocol = Protocol {
    name: "ftp",
    spec: "RFC 959, RFC 4217",
    carriers: &[Carrier::Tcp(&[21, 2121])],
    fields: &[&BANNER, &SYSTEM, &OFFERS],
    probe,
    max_message: upgrade::MOST,
    relates: true,
    open: || Box::<Ftp>::default(),
};

static BANNER: Field = Field::new("ftp.banner", "the greeting of the server, all its lines (RFC 959, 4.2: 220)");
static SYSTEM: Field = Field::new("ftp.system", "the answer to SYST: the system of the server (RFC 959, 4.1.3)");
static OFFERS: Field =
    Field::new("ftp.protection", "how the server lets conversations be protected: `AUTH TLS`, by FEAT (RFC 4217, 6)");

#[derive(Default)]
struct Ftp {
    server: Option<Side>,
    pending: Pending<Asked>,
    /// Who has given his name, until he is let in as another.
    user: Option<Box<[u8]>>,
    is_logged_in: bool,
    /// A reply of which lines are to come.
    reply: Option<Reply>,
    upgrade: Upgrade,
}

/// The lines of a reply that have come.
struct Reply {
    code: u16,
    text: Vec<u8>,
    offers_tls: bool,
}

/// A command that waits for its reply.
struct Asked {
    sender: Side,
    verb: Verb,
    operation: Operation,
    password: Option<Arc<Proof>>,
    /// What the reply makes of it.
    ending: Option<Outcome>,
    user: Option<Box<[u8]>>,
    is_logged_in: bool,
    command: Option<Command>,
}

/// A command whose reply says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    User,
    System,
    Protect,
    Other,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Tcp {
        return Verdict::NotMine;
    }
    let part = |direction| Verdict::Part(Part { exchange: 0, direction: Some(direction) });
    match line::front(front) {
        Front::Line(text) => match line::reply(text) {
            Some((220, _, text)) if line::mentions(text, b"smtp") => Verdict::NotMine,
            // Four digits and blanks, three letters, the end of the line.
            Some((220, _, text)) if line::mentions(text, b"ftp") => Verdict::Bits(64),
            Some((code, ..)) if REPLIES.contains(&code) => part(Direction::Response),
            None if is_own(line::word(text).0) => part(Direction::Request),
            _ => Verdict::NotMine,
        },
        Front::Part(text) => {
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let begins = |known: &&str| known.len() >= text.len() && known.as_bytes().starts_with(text);
            let is_reply = line::reply(text).is_some_and(|(code, ..)| REPLIES.contains(&code))
                || text.len() < 4 && text.iter().all(u8::is_ascii_digit);
            let is_command =
                OWN.iter().any(|known| known.eq_ignore_ascii_case(&String::from_utf8_lossy(line::word(text).0)))
                    || OWN.iter().any(begins);
            if is_reply || is_command { Verdict::More } else { Verdict::NotMine }
        }
        Front::Other => Verdict::NotMine,
    }
}

/// Whether a command is of FTP alone.
fn is_own(word: &[u8]) -> bool {
    OWN.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

impl Dissector for Ftp {
    /// A message is a line: a command, or one of those of a reply.
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if let Some(next) = self.upgrade.message(side, reader, out) {
            return next;
        }
        let line = line::read(reader, LONGEST_LINE)?;
        let is_server = match self.server {
            Some(server) => server == side,
            None => line::reply(line).is_some(),
        };
        if is_server {
            self.reply(side, line, reader, out)?;
        } else {
            self.command(side, line, reader, out)?;
        }
        Ok(Next::More)
    }

    fn gap(&mut self, side: Side, _bytes: u64) -> Footing {
        self.reply = None;
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

impl Ftp {
    fn command(&mut self, side: Side, line: &[u8], reader: &Reader<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        // What interrupts comes behind a signal of Telnet (RFC 959, 4.1.3: ABOR).
        let signals = line.iter().take_while(|byte| **byte >= 0xf0).count();
        let (word, argument) = line::word(line.get(signals..).unwrap_or_default());
        if !(3..=4).contains(&word.len()) || !word.iter().all(u8::is_ascii_alphabetic) {
            return Err(reader.malformed("this is no command"));
        }
        let word = word.to_ascii_uppercase();
        let verb = match word.as_slice() {
            b"USER" => Verb::User,
            b"SYST" => Verb::System,
            b"AUTH" => Verb::Protect,
            _ => Verb::Other,
        };
        if verb == Verb::User {
            (self.user, self.is_logged_in) = ((!argument.is_empty()).then(|| argument.into()), false);
        }
        let asked = Asked {
            sender: side,
            verb,
            operation: Operation::word(&word),
            password: (word == b"PASS").then(|| Arc::new(Proof::clear(argument))),
            ending: None,
            user: self.user.clone(),
            is_logged_in: self.is_logged_in,
            command: category(&word)
                .map(|category| Command::in_words(category, CompactString::from_utf8_lossy(argument), None)),
        };
        self.server = Some(side.other());
        out.server(side.other());
        out.count(asked.count());
        self.pending.push(asked, true, out);
        Ok(())
    }

    fn reply(&mut self, side: Side, line: &[u8], reader: &Reader<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let told = line::reply(line);
        self.server = Some(side);
        if let Some(reply) = &mut self.reply {
            let of_this = told.filter(|(code, ..)| *code == reply.code);
            reply.add(of_this.map_or(line, |(.., text)| text));
            if of_this.is_none_or(|(_, goes_on, _)| goes_on) {
                return Ok(());
            }
        } else {
            let (code, goes_on, text) = told.ok_or_else(|| reader.malformed("this is no reply"))?;
            let mut reply = Reply { code, text: Vec::new(), offers_tls: false };
            reply.add(text);
            self.reply = Some(reply);
            if goes_on {
                return Ok(());
            }
        }
        out.server(side);
        if let Some(reply) = self.reply.take() {
            self.answer(side, &reply, out);
        }
        Ok(())
    }

    fn answer(&mut self, server: Side, reply: &Reply, out: &mut Out<'_>) {
        let code = reply.code;
        let mark = if code >= 400 { Mark::Exception } else { Mark::Plain };
        out.count(Count::of(server, Direction::Response, Operation::Code(code.into()), mark));
        let now = out.place().time;
        let at = self.pending.position(now, |waiting| waiting.request.sender != server);
        match at {
            // It goes on: another reply will come (RFC 959, 4.2.1).
            Some(at) if code < 200 => self.pending.hear(at, now),
            Some(at) => {
                if let Some(mut waiting) = self.pending.take(at) {
                    waiting.request.ending = Some(login_outcome(code));
                    self.settle(server, &waiting.request, reply, out);
                    waiting.answered(outcome(code), out);
                }
            }
            None if code == 220 => out.text(server, None, &BANNER, &reply.text),
            None => {}
        }
    }

    /// What a reply to a command says besides its outcome.
    fn settle(&mut self, server: Side, asked: &Asked, reply: &Reply, out: &mut Out<'_>) {
        let lets_in = matches!(reply.code, 230 | 232);
        if lets_in && (asked.password.is_some() || asked.verb == Verb::User) {
            self.is_logged_in = true;
            out.lax(server, None, Laxity::Clear, "files");
            let is_anybody = |name: &[u8]| [&b"anonymous"[..], b"ftp"].iter().any(|any| name.eq_ignore_ascii_case(any));
            if asked.verb == Verb::User {
                out.lax(server, None, Laxity::NoLogin, "files without a password");
            } else if self.user.as_deref().is_some_and(is_anybody) {
                out.lax(server, None, Laxity::NoLogin, "files for anonymous users");
            }
        }
        match (asked.verb, reply.code) {
            (Verb::System, 215) => out.text(server, None, &SYSTEM, &reply.text),
            (Verb::Protect, 234) => self.upgrade.begin(),
            (_, 211) if reply.offers_tls => out.text(server, None, &OFFERS, b"AUTH TLS"),
            _ => {}
        }
    }
}

impl Reply {
    /// One more line.
    fn add(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        self.offers_tls |= line.get(..8).is_some_and(|front| front.eq_ignore_ascii_case(b"AUTH TLS"));
        if !self.text.is_empty() && !line.is_empty() {
            self.text.push(b' ');
        }
        let room = LONGEST_TEXT.saturating_sub(self.text.len());
        self.text.extend_from_slice(line.get(..room).unwrap_or(line));
    }
}

impl Request for Asked {
    /// Passwords are looked up far away, or answered late on purpose; files take as long as they take.
    const PATIENCE: Duration = Duration::from_mins(2);

    fn count(&self) -> Count {
        let is_control = self.command.as_ref().is_some_and(|command| command.category.is_command());
        Count { is_control, ..Count::of(self.sender, Direction::Request, self.operation.clone(), Mark::Plain) }
    }

    fn command(&self) -> Option<Command> {
        self.command.clone()
    }

    fn client_user(&self) -> Option<Box<str>> {
        let name = self.user.as_deref().filter(|_| self.is_logged_in)?;
        Some(CompactString::from_utf8_lossy(name).as_str().into())
    }

    fn login(&self) -> Option<Login> {
        let proof = Arc::clone(self.password.as_ref()?);
        let username = self.user.clone();
        let server = self.sender.other();
        Some(Login { server, child: None, scheme: "ftp", username, realm: None, proof, encrypted: false })
    }

    fn login_ending(&self) -> Option<Outcome> {
        self.ending
    }
}

/// What a reply makes of a login.
fn login_outcome(code: u16) -> Outcome {
    match code {
        230 | 232 => Outcome::Accepted,
        430 | 530 => Outcome::Rejected,
        // An account is wanted (332); too many are there, or the server goes down (421); it was not asked (503).
        _ => Outcome::Unknown,
    }
}

/// What a command does to the files of the server.
fn category(word: &[u8]) -> Option<Category> {
    match word {
        b"STOR" | b"STOU" | b"APPE" | b"DELE" | b"RNTO" | b"MKD" | b"RMD" => Some(Category::File),
        b"RETR" => Some(Category::Backup),
        _ => None,
    }
}

/// What a reply makes of a command.
fn outcome(code: u16) -> Outcome {
    if code < 400 { Outcome::Accepted } else { Outcome::Rejected }
}

/// Commands that neither mail nor news has (RFC 959, 2228, 2389, 2428, 3659).
const OWN: [&str; 26] = [
    "USER", "PASS", "ACCT", "CWD", "CDUP", "PORT", "PASV", "EPRT", "EPSV", "TYPE", "STRU", "RETR", "STOR", "APPE",
    "DELE", "RMD", "MKD", "PWD", "NLST", "SYST", "FEAT", "OPTS", "PBSZ", "PROT", "MLSD", "SIZE",
];
/// Replies that news does not have, or that neither mail has.
const REPLIES: [u16; 18] = [120, 125, 150, 220, 226, 227, 229, 230, 232, 234, 250, 257, 331, 332, 350, 425, 530, 550];
/// Servers take no longer ones.
const LONGEST_LINE: usize = 4096;
/// As much of a reply is kept.
const LONGEST_TEXT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    /// A talk, each line by the side that sends it; what was told of it, without counts.
    fn told(talk: &[(Side, &str)]) -> Vec<String> {
        let mut rig = Rig::tcp(&FTP).with_ports(40_000, 21);
        for (side, text) in talk {
            assert_eq!(rig.segment(*side, text.as_bytes()), 0, "{text}");
        }
        let is_count = |line: &String| [" request ", " response "].iter().any(|word| line.contains(word));
        rig.story().into_iter().filter(|line| !is_count(line) && line != "B serves").collect()
    }

    const GREETING: (Side, &str) = (Side::B, "220 (vsFTPd 3.0.3)\r\n");
    const NAME: [(Side, &str); 3] = [GREETING, (Side::A, "USER ann\r\n"), (Side::B, "331 Password?\r\n")];

    #[test]
    fn a_login_is_told_with_what_the_server_makes_of_it() {
        for (reply, outcome) in
            [("230 In.", "accepted"), ("530 Out.", "rejected"), ("332 Account?", "unknown"), ("503 Who?", "unknown")]
        {
            let reply = format!("{reply}\r\n");
            let talk = [&NAME[..], &[(Side::A, "PASS secret\r\n"), (Side::B, &reply)]].concat();
            let told = told(&talk);
            let login = format!("10.0.0.1 logs in to 10.0.0.2 by ftp as ann, {outcome}, cleartext (frame 4)");
            assert!(told.contains(&login), "{told:?}");
            assert_eq!(told.iter().any(|line| line.ends_with("Clear, files")), outcome == "accepted", "{told:?}");
            assert!(!told.iter().any(|line| line.contains("secret")), "{told:?}");
        }
    }

    #[test]
    fn who_is_let_in_without_a_password_needs_none() {
        let told = told(&[GREETING, (Side::A, "USER ann\r\n"), (Side::B, "230 In.\r\n")]);
        let lax = "10.0.0.2 is lax to 10.0.0.1: NoLogin, files without a password".to_owned();
        assert!(told.contains(&lax), "{told:?}");
    }

    #[test]
    fn lines_of_a_greeting_are_one_and_systems_are_told() {
        let told = told(&[
            (Side::B, "220-FileZilla Server 0.9.60\r\n220-by Tim\r\n 220 not yet\r\n220 Welcome\r\n"),
            (Side::A, "SYST\r\n"),
            (Side::B, "215 UNIX Type: L8\r\n"),
            (Side::A, "FEAT\r\n"),
            (Side::B, "211-Features\r\n AUTH TLS\r\n UTF8\r\n211 End\r\n"),
        ]);
        assert_eq!(
            told,
            [
                "10.0.0.2 ftp.banner = FileZilla Server 0.9.60 by Tim 220 not yet Welcome",
                "10.0.0.2 ftp.system = UNIX Type: L8",
                "10.0.0.2 ftp.protection = AUTH TLS",
            ]
        );
    }

    #[test]
    fn files_that_are_written_are_told_with_their_outcome_and_their_user() {
        let login = [(Side::A, "PASS secret\r\n"), (Side::B, "230 In.\r\n")];
        let written = [
            (Side::A, "STOR firmware.bin\r\n"),
            (Side::B, "150 Go on.\r\n"),
            (Side::B, "226 Done.\r\n"),
            (Side::A, "RETR log\r\n"),
            (Side::B, "550 None.\r\n"),
        ];
        let told = told(&[&NAME[..], &login, &written].concat());
        let acts: Vec<_> = told.iter().filter(|line| line.starts_with("A as ")).map(String::as_str).collect();
        assert_eq!(
            acts,
            [
                "A as ann file by STOR: firmware.bin, accepted (frame 6)",
                "A as ann backup by RETR: log, rejected (frame 9)",
            ]
        );
    }

    #[test]
    fn what_follows_an_agreement_on_tls_is_no_line() {
        let mut rig = Rig::tcp(&FTP).with_ports(40_000, 21);
        rig.segment(Side::B, b"220 ftp\r\n");
        rig.segment(Side::A, b"AUTH TLS\r\n");
        rig.segment(Side::B, b"234 Go on.\r\n");
        rig.segment(Side::A, &[0x15, 3, 1, 0, 2, 2, 40]);
        assert!(rig.story().iter().any(|line| line.contains("alert exception")));
    }

    #[test]
    fn a_flow_is_named_by_what_no_other_protocol_says() {
        let rig = Rig::tcp(&FTP);
        assert_eq!(rig.probe(b"220 ProFTPD 1.3.0a\r\n"), Verdict::Bits(64));
        let part = |direction| Verdict::Part(Part { exchange: 0, direction: Some(direction) });
        assert_eq!(rig.probe(b"220 ready\r\n"), part(Direction::Response));
        assert_eq!(rig.probe(b"USER ann\r\n"), part(Direction::Request));
        for more in ["2", "220 re", "US", "USER a", "PASV\r"] {
            assert_eq!(rig.probe(more.as_bytes()), Verdict::More, "{more}");
        }
        for other in
            ["220 mail ESMTP\r\n", "+OK\r\n", "GET / HTTP/1.1\r\n", "200 news\r\n", "EHLO x\r\n", "\0\x01\0\0", "USERS"]
        {
            assert_eq!(rig.probe(other.as_bytes()), Verdict::NotMine, "{other}");
        }
    }

    #[test]
    fn what_is_neither_command_nor_reply_is_malformed() {
        for (side, bytes) in [(Side::A, &b"hello there\r\n"[..]), (Side::A, &[b'x'; 5000])] {
            let mut rig = Rig::tcp(&FTP);
            rig.segment(side, bytes);
            assert!(rig.story().iter().any(|line| line.contains("stops")));
        }
    }
}
