//! SSH tells which software serves and which asks, in which version of the protocol, and by the lists that they offer which
//! program and configuration it is.
//!
//! RFC 4253: the version line (4.2) and the key exchange's first message (7.1). Read: both, in the clear; then nothing more
//! can be told, and the flow is quiet. SSH 1 is known by its version line alone. Skipped on purpose: lines that a server
//! may send before its version, and the exchange itself. Who has the lower port serves, for the messages do not say.

use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Next, Protocol, Side, Sides, Verdict};
use crate::hex::hex;
use crate::observation::{Channel, Operation, Place, Transport, Version};
use crate::out::{Count, Mark, Out};
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use compact_str::CompactString;
use md5::{Digest, Md5};

pub(crate) static SSH: Protocol = Protocol {
    name: "ssh",
    spec: "RFC 4253",
    carriers: &[Carrier::Tcp(&[22, 2222, 830])],
    fields: &[&SERVER, &CLIENT, &VERSION],
    probe,
    max_message: 4 + LONGEST_PACKET,
    relates: true,
    open: || Box::<Conversation>::default(),
};

static SERVER: Field = Field::new("ssh.server", "the software that serves, with its comment (RFC 4253, 4.2)");
static CLIENT: Field = Field::new("ssh.client", "the software that asks, with its comment (RFC 4253, 4.2)");
static VERSION: Field = Field::new(
    "ssh.version",
    "version of the protocol that the server speaks; 1.99 is 2.0 and 1 (RFC 4253, 4.2 and 5.1)",
);

/// The longest version line (4.2), with its end.
const LONGEST_LINE: usize = 255;
/// The longest packet that everybody takes (6.1).
const LONGEST_PACKET: usize = 35_000;
const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;

#[derive(Default)]
struct Conversation {
    halves: Sides<Half>,
    /// When the first version line came.
    begun: Option<Timestamp>,
    /// The last message that showed something of a side.
    shown: Place,
    is_told: bool,
}

/// What one side has said.
#[derive(Default)]
struct Half {
    version: Option<CompactString>,
    offer: Option<CompactString>,
    is_encrypting: bool,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    match (transport, front) {
        (Transport::Tcp, [b'S', b'S', b'H', b'-', major, b'.', ..]) if major.is_ascii_digit() => Verdict::Bits(44),
        (Transport::Tcp, front) if b"SSH-".starts_with(front.get(..4).unwrap_or(front)) => Verdict::More,
        _ => Verdict::NotMine,
    }
}

impl Dissector for Conversation {
    /// A message is a version line, then a packet.
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let server = server(out);
        out.server(server);
        if self.halves.of(side).version.is_none() {
            self.version(side, server, reader, out)?;
        } else {
            self.packet(side, server, reader, out)?;
        }
        let is_first =
            |half: &Half| half.version.as_deref().is_some_and(|version| version.starts_with("1.") && version != "1.99");
        let is_done = |half: &Half| half.offer.is_some() || half.is_encrypting || is_first(half);
        if is_done(&self.halves.a) && is_done(&self.halves.b) {
            self.tell(out);
            return Ok(Next::Enough);
        }
        Ok(Next::More)
    }

    fn finish(&mut self, _ending: Ending, out: &mut Out<'_>) {
        self.tell(out);
    }
}

/// Who has the lower port.
fn server(out: &Out<'_>) -> Side {
    if out.port(Side::A) < out.port(Side::B) { Side::A } else { Side::B }
}

impl Conversation {
    /// `SSH-VERSION-SOFTWARE COMMENT`, to the end of the line; some end it without CR.
    fn version(&mut self, side: Side, server: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let line = match reader.find(b"\n") {
            Ok(line) if line.len() <= LONGEST_LINE => line,
            Err(Stop::Short { missing }) if reader.remaining() <= LONGEST_LINE => return Err(Stop::Short { missing }),
            _ => return Err(reader.malformed("no version line is as long")),
        };
        let text = line.strip_prefix(b"SSH-").ok_or_else(|| reader.malformed("this is no version line"))?;
        let at = memchr::memchr(b'-', text).ok_or_else(|| reader.malformed("the version line names no software"))?;
        let (version, software) =
            (text.get(..at).unwrap_or(text), text.get(at.saturating_add(1)..).unwrap_or_default());
        let is_server = side == server;
        if is_server {
            out.text(side, None, &VERSION, version);
        }
        out.text(side, None, if is_server { &SERVER } else { &CLIENT }, software);
        count(side, is_server, Operation::Verb("version"), out);
        self.begun.get_or_insert(out.place().time);
        self.shown = out.place();
        self.halves.of_mut(side).version = Some(CompactString::from_utf8_lossy(version.get(..8).unwrap_or(version)));
        Ok(())
    }

    fn packet(&mut self, side: Side, server: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        if !(2..=LONGEST_PACKET).contains(&length) {
            return Err(reader.malformed("no packet is as long"));
        }
        let mut packet = reader.sub(length)?;
        let _padding = packet.u8()?;
        let kind = packet.u8()?;
        let half = self.halves.of_mut(side);
        match kind {
            KEXINIT => {
                half.offer = Some(offer(&mut packet, side == server)?);
                self.shown = out.place();
            }
            NEWKEYS => half.is_encrypting = true,
            _ => {}
        }
        count(side, side == server, Operation::Code(kind.into()), out);
        Ok(())
    }

    /// Tells what both offered, once.
    fn tell(&mut self, out: &mut Out<'_>) {
        let server = server(out);
        let is_silent = self.halves.a.version.is_none() && self.halves.b.version.is_none();
        if std::mem::replace(&mut self.is_told, true) || is_silent {
            return;
        }
        let channel = Channel {
            client: out.host(server.other()),
            port: out.port(server),
            begun: self.begun.unwrap_or(self.shown.time),
            version: self.halves.of_mut(server).version.take().map(Version::Ssh),
            hassh: self.halves.of_mut(server.other()).offer.take(),
            hassh_server: self.halves.of_mut(server).offer.take(),
            ..Channel::default()
        };
        out.channel(server, channel, self.shown);
    }
}

fn count(side: Side, is_server: bool, operation: Operation, out: &mut Out<'_>) {
    let direction = if is_server { Direction::Response } else { Direction::Request };
    out.count(Count::of(side, direction, operation, Mark::Plain));
}

/// HASSH (Salesforce, 2018): the lists of key exchanges, and of ciphers, checks and compressions in the direction of the
/// one who sends, hashed by MD5.
fn offer(packet: &mut Reader<'_>, is_server: bool) -> Result<CompactString, Stop> {
    let _cookie = packet.take(16)?;
    let exchanges = list(packet)?;
    let _host_keys = list(packet)?;
    let mut hash = Md5::new();
    hash.update(exchanges);
    // Each of the three comes twice: what goes to the server, and what comes from it.
    for _ in 0..3 {
        let (to_server, to_client) = (list(packet)?, list(packet)?);
        hash.update(b";");
        hash.update(if is_server { to_client } else { to_server });
    }
    Ok(hex(&hash.finalize()))
}

fn list<'a>(packet: &mut Reader<'a>) -> Result<&'a [u8], Stop> {
    let length = usize::try_from(packet.u32()?).unwrap_or(usize::MAX);
    packet.take(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn rig() -> Rig {
        Rig::tcp(&SSH).with_ports(40_000, 22)
    }

    /// A key exchange's first message with these lists in both directions.
    fn kexinit(exchanges: &str, ciphers: [&str; 2]) -> Vec<u8> {
        let list =
            |text: &str| [&u32::try_from(text.len()).expect("it is short").to_be_bytes(), text.as_bytes()].concat();
        let lists = [
            exchanges,
            "ssh-ed25519",
            ciphers[0],
            ciphers[1],
            "hmac-sha2-256",
            "hmac-sha2-256",
            "none",
            "none",
            "",
            "",
        ];
        let payload: Vec<u8> = lists.into_iter().flat_map(list).collect();
        let payload = [&[KEXINIT][..], &[7; 16], &payload, &[0; 5], &[0; 4]].concat();
        let length = u32::try_from(payload.len() + 1).expect("it is short").to_be_bytes();
        [&length[..], &[4], &payload].concat()
    }

    #[test]
    fn software_version_and_offers_are_told() {
        let mut rig = rig();
        rig.segment(Side::B, b"SSH-2.0-dropbear_2019.78\r\n");
        rig.segment(Side::A, b"SSH-2.0-PuTTY_Release_0.78\r\n");
        rig.segment(Side::B, &kexinit("curve25519-sha256", ["aes128-ctr", "aes256-ctr"]));
        rig.segment(Side::A, &kexinit("curve25519-sha256", ["aes128-ctr", "aes256-ctr"]));
        let story = rig.story();
        let told: Vec<_> = story.iter().filter(|line| line.starts_with("10.")).map(String::as_str).collect();
        assert_eq!(
            told,
            [
                "10.0.0.2 ssh.version = 2.0",
                "10.0.0.2 ssh.server = dropbear_2019.78",
                "10.0.0.1 ssh.client = PuTTY_Release_0.78",
                "10.0.0.1 to 10.0.0.2:22: SSH 2.0 - - -, certificate None",
            ]
        );
        assert_eq!(story.last().map(String::as_str), Some("A has told enough"));
    }

    /// By hand: the client's ciphers go to the server, the server's come from it.
    #[test]
    fn an_offer_is_hashed_in_the_direction_of_who_sends() {
        let packet = kexinit("a,b", ["c", "d"]);
        let of = |is_server| offer(&mut Reader::closed(&packet[6..]), is_server).expect("an offer");
        assert_eq!(of(false), hex(&Md5::digest(b"a,b;c;hmac-sha2-256;none")));
        assert_eq!(of(true), hex(&Md5::digest(b"a,b;d;hmac-sha2-256;none")));
    }

    #[test]
    fn the_first_version_ends_with_its_line() {
        let mut rig = rig();
        rig.segment(Side::B, b"SSH-1.5-1.2.27\n");
        rig.segment(Side::A, b"SSH-1.5-Cisco-1.25\n");
        let story = rig.story();
        assert!(story.contains(&"10.0.0.2 ssh.server = 1.2.27".to_owned()), "{story:?}");
        assert!(story.contains(&"10.0.0.1 ssh.client = Cisco-1.25".to_owned()), "{story:?}");
        assert_eq!(story.last().map(String::as_str), Some("A has told enough"));
    }

    #[test]
    fn what_is_no_version_line_is_malformed() {
        for bytes in [&b"SSH-2.0\r\n"[..], b"HELLO\r\n", &[b'x'; 300]] {
            let mut rig = rig();
            rig.segment(Side::B, bytes);
            assert!(rig.story().iter().any(|line| line.contains("stops")), "{bytes:?}");
        }
        assert_eq!(rig().probe(b"SS"), Verdict::More);
        assert_eq!(rig().probe(b"SSL"), Verdict::NotMine);
    }
}
