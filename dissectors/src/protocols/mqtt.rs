//! MQTT tells how clients call themselves, how they log in to a broker, and whether one lets in anybody.
//!
//! MQTT 3.1 (2010), 3.1.1 (OASIS, 2014) and 5.0 (OASIS, 2019), section 3.1 (CONNECT) and 3.2 (CONNACK). Skipped on purpose:
//! what is published, properties of version 5, and authentication beyond user and password (AUTH).

use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Protocol, Side, Verdict};
use crate::login::{Laxity, Login};
use crate::observation::{Operation, Outcome, Place, Transport};
use crate::out::{Count, Mark, Out};
use crate::proof::Proof;
use crate::reader::{Reader, Stop};
use std::sync::Arc;

pub(crate) static MQTT: Protocol = Protocol {
    name: "mqtt",
    spec: "OASIS MQTT 3.1.1 and 5.0",
    carriers: &[Carrier::Tcp(&[1883])],
    fields: &[&CLIENT, &VERSION, &WILL],
    probe,
    max_message: LONGEST,
    relates: true,
    open: || Box::<Mqtt>::default(),
};

static CLIENT: Field = Field::new("mqtt.client_id", "how a client calls itself (MQTT 5.0, 3.1.3.1)");
static VERSION: Field =
    Field::new("mqtt.version", "level of the protocol that a client speaks: 3 is 3.1, 4 is 3.1.1 (3.1.2.2)");
static WILL: Field =
    Field::new("mqtt.will", "whether a client leaves word for when it is gone: `present` (MQTT 5.0, 3.1.2.5)");

#[derive(Default)]
struct Mqtt {
    client: Option<Side>,
    level: u8,
    /// Who has asked to be let in, until he is answered.
    asked: Option<Asked>,
}

struct Asked {
    /// `None` of who gives neither user nor password.
    login: Option<Login>,
    place: Place,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Tcp || front.first().is_none_or(|first| *first != CONNECT << 4) {
        return Verdict::NotMine;
    }
    let length = front.iter().skip(1).take(4).take_while(|byte| **byte > 0x7f).count().saturating_add(2);
    let name = front.get(length..).unwrap_or_default();
    for (known, levels) in NAMES {
        match name.strip_prefix(known) {
            // The first byte, the name of the protocol with its length, and its level.
            Some([level, ..]) if levels.contains(&(level & !BRIDGE)) => return Verdict::Bits(64),
            Some([]) => return Verdict::More,
            None if known.starts_with(name) => return Verdict::More,
            _ => {}
        }
    }
    Verdict::NotMine
}

impl Dissector for Mqtt {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let kind = reader.u8()? >> 4;
        let length = variable(reader)?;
        match kind {
            0 => return Err(reader.malformed("no packet has type 0")),
            CONNECT => {
                if length > LONGEST.saturating_sub(5) {
                    return Err(reader.malformed("no client says so much of itself"));
                }
                let mut packet = reader.sub(length)?;
                self.connect(side, &mut packet, out)?;
                self.count(side, kind, Mark::Plain, out);
                return Ok(Next::More);
            }
            CONNACK => {
                let mut packet = reader.sub(length)?;
                let (_flags, code) = (packet.u8()?, packet.u8()?);
                let client = *self.client.get_or_insert(side.other());
                out.server(client.other());
                self.count(side, kind, if code == 0 { Mark::Plain } else { Mark::Exception }, out);
                self.answered(code, out);
                return Ok(Next::More);
            }
            _ => {}
        }
        if let Some(client) = self.client {
            out.server(client.other());
        }
        self.count(side, kind, Mark::Plain, out);
        Ok(Next::Skip(u64::try_from(length).unwrap_or(u64::MAX)))
    }

    fn gap(&mut self, _side: Side, _bytes: u64) -> Footing {
        Footing::Segment
    }

    fn finish(&mut self, _ending: Ending, out: &mut Out<'_>) {
        if let Some(Asked { login: Some(login), place }) = self.asked.take() {
            out.login(login, Outcome::Unknown, place);
        }
    }
}

impl Mqtt {
    fn connect(&mut self, side: Side, packet: &mut Reader<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let name = string(packet)?;
        if !NAMES.iter().any(|(known, _)| known.get(2..) == Some(name)) {
            return Err(packet.malformed("this is another protocol"));
        }
        let level = packet.u8()? & !BRIDGE;
        let flags = packet.u8()?;
        let _keep_alive = packet.u16()?;
        let skip_properties = |packet: &mut Reader<'_>| match level {
            FIVE => variable(packet).and_then(|length| packet.skip(length)),
            _ => Ok(()),
        };
        skip_properties(packet)?;
        let client = string(packet)?;
        let has_will = flags & HAS_WILL != 0;
        if has_will {
            skip_properties(packet)?;
            let (_topic, _payload) = (string(packet)?, string(packet)?);
        }
        let username = if flags & HAS_USER == 0 { None } else { Some(string(packet)?) };
        let password = if flags & HAS_PASSWORD == 0 { None } else { Some(string(packet)?) };
        let server = side.other();
        let proof = || Arc::new(Proof::clear(password.unwrap_or_default()));
        let login = (username.is_some() || password.is_some()).then(|| Login {
            server,
            child: None,
            scheme: "mqtt",
            username: username.map(Into::into),
            realm: None,
            proof: proof(),
            encrypted: false,
        });
        (self.client, self.level) = (Some(side), level);
        self.asked = Some(Asked { login, place: out.place() });
        out.server(server);
        out.text(side, None, &CLIENT, client);
        out.number(side, None, &VERSION, level.into());
        if has_will {
            out.text(side, None, &WILL, b"present");
        }
        Ok(())
    }

    /// Codes up to 5 are those of 3.1.1 (3.2.2.3), those from 128 on are reasons of 5.0 (3.2.2.2).
    fn answered(&mut self, code: u8, out: &mut Out<'_>) {
        let Some(Asked { login, place }) = self.asked.take() else { return };
        let outcome = match code {
            0 => Outcome::Accepted,
            4 | 5 if self.level != FIVE => Outcome::Rejected,
            0x86 | 0x87 | 0x8a | 0x8c if self.level == FIVE => Outcome::Rejected,
            _ => Outcome::Unknown,
        };
        let server = self.client.map_or(Side::B, Side::other);
        match login {
            Some(login) => out.login(login, outcome, place),
            None if code == 0 => out.lax(server, None, Laxity::NoLogin, "messages of a broker"),
            None => {}
        }
    }

    fn count(&self, side: Side, kind: u8, mark: Mark, out: &mut Out<'_>) {
        let is_client = self.client.is_none_or(|client| client == side);
        let direction = if is_client { Direction::Request } else { Direction::Response };
        let operation = Operation::Code(kind.into());
        out.count(Count::of(side, direction, operation, mark));
    }
}

/// Seven bits a byte, the lowest first, in four bytes at most (1.5.5).
fn variable(reader: &mut Reader<'_>) -> Result<usize, Stop> {
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let byte = reader.u8()?;
        length |= usize::from(byte & 0x7f).wrapping_shl(shift);
        if byte <= 0x7f {
            return Ok(length);
        }
    }
    Err(reader.malformed("a length has four bytes at most"))
}

/// Two bytes of length, and so many more (1.5.4, 1.5.6).
fn string<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Stop> {
    let length = reader.u16()?;
    reader.take(length.into())
}

const CONNECT: u8 = 1;
const CONNACK: u8 = 2;
const FIVE: u8 = 5;
/// What bridges between brokers add to the level.
const BRIDGE: u8 = 0x80;
/// Names with their lengths, and levels: MQTT 3.1 had another.
const NAMES: [(&[u8], &[u8]); 2] = [(b"\0\x04MQTT", &[4, 5]), (b"\0\x06MQIsdp", &[3])];
const HAS_WILL: u8 = 0x04;
const HAS_PASSWORD: u8 = 0x40;
const HAS_USER: u8 = 0x80;
/// Six strings of 64 KiB might stand in it; nobody's do.
const LONGEST: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn string_of(text: &str) -> Vec<u8> {
        [&u16::try_from(text.len()).expect("it is short").to_be_bytes(), text.as_bytes()].concat()
    }

    fn packet(kind: u8, content: &[u8]) -> Vec<u8> {
        [&[kind << 4, u8::try_from(content.len()).expect("below 128")], content].concat()
    }

    /// A client that leaves word and gives its name and password.
    fn connect(level: u8) -> Vec<u8> {
        let name = if level == 3 { "MQIsdp" } else { "MQTT" };
        let properties: &[u8] = if level == 5 { &[0] } else { &[] };
        let strings = ["topic", "gone", "ann", "secret"].map(string_of).concat();
        let head =
            [&string_of(name), &[level, 0xc6, 0, 60][..], properties, &string_of("gateway-4"), properties].concat();
        packet(CONNECT, &[head, strings].concat())
    }

    fn told(level: u8, code: u8) -> Vec<String> {
        let mut rig = Rig::tcp(&MQTT).with_ports(40_000, 1883);
        assert_eq!(rig.segment(Side::A, &connect(level)), 0);
        let answer: &[u8] = if level == 5 { &[0, code, 0] } else { &[0, code] };
        assert_eq!(rig.segment(Side::B, &packet(CONNACK, answer)), 0);
        assert_eq!(rig.segment(Side::A, &packet(3, &[1; 100])), 0);
        rig.finish(Ending::Closed);
        rig.story()
    }

    #[test]
    fn clients_log_in_in_every_version() {
        for (level, code, outcome) in [
            (3, 0, "accepted"),
            (4, 0, "accepted"),
            (5, 0, "accepted"),
            (4, 4, "rejected"),
            (3, 5, "rejected"),
            (5, 0x86, "rejected"),
            (4, 3, "unknown"),
            (5, 0x88, "unknown"),
        ] {
            let told = told(level, code);
            let login = format!("10.0.0.1 logs in to 10.0.0.2 by mqtt as ann, {outcome}, cleartext (frame 1)");
            for line in
                [login, "10.0.0.1 mqtt.client_id = gateway-4".into(), format!("10.0.0.1 mqtt.version = {level}")]
            {
                assert!(told.contains(&line), "{line}: {told:?}");
            }
            assert!(
                told.contains(&"10.0.0.1 mqtt.will = present".to_owned()) && told.contains(&"A request 3".to_owned())
            );
        }
    }

    #[test]
    fn a_broker_that_asks_for_nothing_is_open() {
        let mut rig = Rig::tcp(&MQTT).with_ports(40_000, 1883);
        rig.segment(Side::A, &packet(CONNECT, &[&string_of("MQTT"), &[4, 2, 0, 60][..], &string_of("")].concat()));
        rig.segment(Side::B, &packet(CONNACK, &[0, 0]));
        assert!(rig.story().contains(&"10.0.0.2 is lax to 10.0.0.1: NoLogin, messages of a broker".to_owned()));
    }

    #[test]
    fn a_flow_is_named_by_the_name_that_a_client_says() {
        let rig = Rig::tcp(&MQTT);
        for level in [3, 4, 5] {
            let whole = connect(level);
            assert_eq!(rig.probe(&whole), Verdict::Bits(64));
            for length in 1..8 {
                assert_eq!(rig.probe(&whole[..length]), Verdict::More, "{length}");
            }
        }
        for other in [
            &[0x20, 2, 0, 0][..],
            &[0x10, 4, 0, 4, b'M', b'Q', b'T', b'X'],
            &[0x10, 9, 0, 4, b'M', b'Q', b'T', b'T', 9],
        ] {
            assert_eq!(rig.probe(other), Verdict::NotMine);
        }
    }
}
