//! TFTP tells which files are fetched and written: configurations of switches, firmware of phones and cameras. Nobody logs in.
//!
//! RFC 1350: requests go to port 69, and all else between the client's port and one that the server takes for each; RFC 2347:
//! options. Skipped on purpose: what stands in the files.

use crate::dissector::{Carrier, Direction, Dissector, Next, Part, Protocol, Side, Verdict};
use crate::expected::Expected;
use crate::login::Laxity;
use crate::observation::{Category, Operation, Outcome, Transport};
use crate::out::{Count, Mark, Out};
use crate::pending::{Command, Request, Waiting};
use crate::reader::{Reader, Stop};
use compact_str::CompactString;
use std::time::Duration;

pub(crate) static TFTP: Protocol = Protocol {
    name: "tftp",
    spec: "RFC 1350, RFC 2347",
    carriers: &[Carrier::Udp(&[PORT])],
    fields: &[],
    probe,
    max_message: 65_507,
    relates: true,
    open: || Box::<Tftp>::default(),
};

#[derive(Default)]
struct Tftp {
    server: Option<Side>,
}

/// A request, until the server answers it from another port.
#[derive(Clone)]
struct Asked {
    is_write: bool,
    file: CompactString,
    /// Who asks, in the conversation of the answer.
    sender: Side,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Udp {
        return Verdict::NotMine;
    }
    let part = |block: [u8; 2], direction| {
        Verdict::Part(Part { exchange: u16::from_be_bytes(block).into(), direction: Some(direction) })
    };
    match front {
        // The kind, and two texts, the second of which is one of few.
        [0, READ | WRITE, rest @ ..] if request(rest).is_some() => Verdict::Bits(64),
        [0, DATA, high, low, ..] => part([*high, *low], Direction::Request),
        [0, ACKNOWLEDGE, high, low] => part([*high, *low], Direction::Response),
        [0, ERROR, 0, 0..=8, .., 0] | [0, OPTIONS, b'a'..=b'z', .., 0] => Verdict::Bits(24),
        _ => Verdict::NotMine,
    }
}

/// The name of the file, if this is the rest of a request.
fn request(rest: &[u8]) -> Option<&[u8]> {
    let mut parts = rest.split(|byte| *byte == 0);
    let (file, mode) = (parts.next()?, parts.next()?);
    let is_mode = MODES.iter().any(|known| mode.eq_ignore_ascii_case(known.as_bytes()));
    let is_whole = rest.ends_with(&[0]) && !file.is_empty();
    (is_mode && is_whole && !file.iter().any(u8::is_ascii_control)).then_some(file)
}

impl Dissector for Tftp {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let wrong = reader.malformed("there is no such kind of message");
        let kind = reader.u16()?;
        let rest = reader.take(reader.remaining())?;
        match u8::try_from(kind) {
            Ok(READ | WRITE) => {
                let file = request(rest).ok_or(wrong)?;
                let is_write = kind == u16::from(WRITE);
                let asked = Asked { is_write, file: CompactString::from_utf8_lossy(file), sender: side };
                let server = side.other();
                self.server = Some(server);
                out.server(server);
                out.count(asked.count());
                let client_port = out.port(side);
                out.leave(server, TOPIC, &client_port.to_be_bytes(), asked);
                out.expect(Expected {
                    protocol: TFTP.name,
                    transport: Transport::Udp,
                    server,
                    client_port,
                    server_port: None,
                });
            }
            Ok(kind @ (DATA | ACKNOWLEDGE | ERROR | OPTIONS)) => {
                let is_refusal = kind == ERROR;
                let asker = Side::BOTH.into_iter().find(|asker| {
                    let key = out.port(*asker).to_be_bytes();
                    *asker != side && out.note::<Asked>(asker.other(), TOPIC, &key).is_some()
                });
                if let Some(asker) = asker {
                    self.server = Some(asker.other());
                    Self::answered(asker, is_refusal, out);
                }
                if let Some(server) = self.server {
                    out.server(server);
                }
                let is_server = self.server.is_none_or(|server| server == side);
                let mark = if is_refusal { Mark::Exception } else { Mark::Plain };
                let direction = if is_server { Direction::Response } else { Direction::Request };
                let operation = Operation::Code(kind.into());
                out.count(Count::of(side, direction, operation, mark));
            }
            _ => return Err(wrong),
        }
        Ok(Next::More)
    }
}

impl Tftp {
    fn answered(client: Side, is_refusal: bool, out: &mut Out<'_>) {
        let (server, key) = (client.other(), out.port(client).to_be_bytes());
        let Some(asked) = out.take_note::<Asked>(server, TOPIC, &key) else { return };
        out.server(server);
        let waiting = Waiting::from_elsewhere(Asked { sender: client, ..asked }, out);
        waiting.answered(if is_refusal { Outcome::Rejected } else { Outcome::Accepted }, out);
        if !is_refusal {
            out.lax_at(server, PORT, None, Laxity::Clear, "files");
        }
    }
}

impl Request for Asked {
    const PATIENCE: Duration = Duration::from_secs(30);

    fn count(&self) -> Count {
        let operation = Operation::Code(u32::from(if self.is_write { WRITE } else { READ }));
        Count { is_control: self.is_write, ..Count::of(self.sender, Direction::Request, operation, Mark::Plain) }
    }

    fn command(&self) -> Option<Command> {
        let category = if self.is_write { Category::File } else { Category::Backup };
        Some(Command::in_words(category, self.file.clone(), None))
    }
}

const TOPIC: &str = "tftp";
/// Where requests go; answers come from a port of their own.
const PORT: u16 = 69;
const READ: u8 = 1;
const WRITE: u8 = 2;
const DATA: u8 = 3;
const ACKNOWLEDGE: u8 = 4;
const ERROR: u8 = 5;
const OPTIONS: u8 = 6;
const MODES: [&str; 3] = ["octet", "netascii", "mail"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn asked(request: &[u8], answer: &[u8]) -> Vec<String> {
        let mut rig = Rig::udp(&TFTP).with_ports(40_000, 69);
        rig.datagram(Side::A, request);
        assert_eq!(rig.expects(40_000, 50_000), Some(("tftp", Side::B)));
        rig.another();
        let mut rig = rig.with_ports(40_000, 50_000);
        rig.datagram(Side::B, answer);
        rig.story()
    }

    #[test]
    fn files_are_told_with_what_becomes_of_them() {
        let read = b"\0\x01switch.cfg\0octet\0";
        let write = b"\0\x02switch.cfg\0netascii\0blksize\x001024\0";
        for (request, answer, told) in [
            (&read[..], &b"\0\x03\0\x01hello"[..], "A backup by 1: switch.cfg, accepted (frame 2)"),
            (read, b"\0\x05\0\x01none\0", "A backup by 1: switch.cfg, rejected (frame 2)"),
            (write, b"\0\x04\0\0", "A file by 2: switch.cfg, accepted (frame 2)"),
            (write, b"\0\x06blksize\x001024\0", "A file by 2: switch.cfg, accepted (frame 2)"),
        ] {
            let story = asked(request, answer);
            assert!(story.contains(&told.to_owned()), "{story:?}");
            assert_eq!(story.iter().any(|line| line.ends_with("Clear, files")), told.contains("accepted"), "{story:?}");
        }
    }

    #[test]
    fn a_flow_is_named_by_its_request_or_by_both_halves_of_an_exchange() {
        let rig = Rig::udp(&TFTP);
        assert_eq!(rig.probe(b"\0\x01a\0octet\0"), Verdict::Bits(64));
        let (data, acknowledged) = (rig.probe(b"\0\x03\0\x07text"), rig.probe(b"\0\x04\0\x07"));
        let (Verdict::Part(data), Verdict::Part(acknowledged)) = (data, acknowledged) else { panic!("parts") };
        assert!(data.completes(acknowledged) && !data.completes(data));
        for other in [&b"\0\x01a\0octets\0"[..], b"\0\x01\0octet\0", b"\0\x04\0\x07x", b"\0\x07", b"\x01\x01a\0octet\0"]
        {
            assert_eq!(rig.probe(other), Verdict::NotMine);
        }
    }
}
