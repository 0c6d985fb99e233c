//! The one border at which dissectors are tested: bytes in, a story in lines out.

use crate::certificate::Certificate;
use crate::dissector::{Dissector, Ending, Next, Protocol, Side, Sides};
use crate::observation::{Address, Channel, Context, Credential, Fact, Host, Lax, Observation, Place, Transport};
use crate::out::{Action, Count, Mark, Out, Scene, Tallies, Told};
use crate::proof::Exposure;
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use std::net::{IpAddr, Ipv4Addr};

/// A conversation between 10.0.0.1 (side A) and 10.0.0.2 (side B), one message a millisecond.
pub(crate) struct Rig {
    protocol: &'static Protocol,
    dissector: Box<dyn Dissector>,
    told: Told,
    scene: Scene,
    frame: u64,
    story: Story,
}

#[derive(Default)]
struct Story(Vec<String>);

impl Rig {
    /// A conversation on TCP.
    pub(crate) fn tcp(protocol: &'static Protocol) -> Self {
        Self::on(protocol, Transport::Tcp)
    }

    /// A conversation on UDP.
    pub(crate) fn udp(protocol: &'static Protocol) -> Self {
        Self::on(protocol, Transport::Udp)
    }

    /// Frames without IP.
    pub(crate) fn ethernet(protocol: &'static Protocol) -> Self {
        Self::on(protocol, Transport::Ethernet)
    }

    /// A conversation on any of them.
    pub(crate) fn on(protocol: &'static Protocol, transport: Transport) -> Self {
        let host = |last| Host {
            context: Context::default(),
            address: Address::Ip(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))),
        };
        let scene = Scene {
            hosts: Sides::new(host(1), host(2)),
            ports: Sides::new(40000, 502),
            group: Sides::new(false, false),
            transport,
            protocol: protocol.name,
        };
        let (dissector, told) = ((protocol.open)(), Told::new(64));
        Self { protocol, dissector, told, scene, frame: 0, story: Story::default() }
    }

    /// Another conversation of the two begins, in this one's place, which can be resumed.
    pub(crate) fn another(&mut self) -> Box<dyn Dissector> {
        self.resume((self.protocol.open)())
    }

    /// An earlier conversation goes on, in this one's place.
    pub(crate) fn resume(&mut self, earlier: Box<dyn Dissector>) -> Box<dyn Dissector> {
        std::mem::replace(&mut self.dissector, earlier)
    }

    /// Side B is a group address from here on.
    pub(crate) fn with_group(mut self) -> Self {
        self.scene.group.b = true;
        self
    }

    /// The sides speak from and to these ports.
    pub(crate) fn with_ports(mut self, a: u16, b: u16) -> Self {
        self.scene.ports = Sides::new(a, b);
        self
    }

    /// The capture lost bytes that a side sent.
    pub(crate) fn lose(&mut self, side: Side, bytes: u64) -> crate::dissector::Footing {
        self.dissector.gap(side, bytes)
    }

    /// A datagram: closed, read message by message until nothing is left. Tells how a stop came about.
    pub(crate) fn datagram(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        self.frame += 1;
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut reader = Reader::closed(rest);
            match self.message(side, &mut reader) {
                Ok(_) => rest = reader.rest(),
                Err(stop) => rest = self.behind(side, stop, rest),
            }
        }
        self
    }

    /// A segment that starts at a message: every whole message in it is read, bodies too. What is left over comes back.
    pub(crate) fn segment(&mut self, side: Side, bytes: &[u8]) -> usize {
        self.frame += 1;
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut reader = Reader::open(rest, 0);
            match self.message(side, &mut reader) {
                Ok(next) => rest = self.after(side, next, reader.rest()),
                Err(Stop::Short { .. }) => return rest.len(),
                Err(stop @ Stop::Bad { .. }) => rest = self.behind(side, stop, rest),
                Err(stop) => {
                    self.behind(side, stop, rest);
                    return rest.len();
                }
            }
        }
        0
    }

    /// Packet time passes, and nobody notices before the next message.
    pub(crate) fn later(&mut self, seconds: u64) -> &mut Self {
        self.frame += seconds * 1000;
        self
    }

    /// Packet time passes without a packet, and is noticed.
    pub(crate) fn wait(&mut self, seconds: u64) -> &mut Self {
        self.later(seconds);
        let place = self.place();
        let mut out = Out::new(&mut self.told, &self.scene, Side::A, place);
        self.dissector.tick(place.time, &mut out);
        self.told.commit(&mut self.story);
        self.take_ready();
        self
    }

    /// No more messages come.
    pub(crate) fn finish(&mut self, ending: Ending) -> &mut Self {
        let place = self.place();
        let mut out = Out::new(&mut self.told, &self.scene, Side::A, place);
        self.dissector.finish(ending, &mut out);
        self.told.commit(&mut self.story);
        self.take_ready();
        self
    }

    /// What a whole talk of lines tells besides its counts and who serves.
    pub(crate) fn told_of(mut self, talk: &[(Side, &str)]) -> Vec<String> {
        for (side, text) in talk {
            assert_eq!(self.segment(*side, text.as_bytes()), 0, "{text}");
        }
        self.finish(Ending::Closed);
        let is_count = |line: &String| [" request ", " response "].iter().any(|word| line.contains(word));
        self.story().into_iter().filter(|line| !is_count(line) && line != "B serves").collect()
    }

    /// What was told so far, a line each.
    pub(crate) fn story(&mut self) -> Vec<String> {
        std::mem::take(&mut self.story.0)
    }

    /// What a datagram between these ports was announced to hold, and which side serves.
    pub(crate) fn expects(&mut self, a: u16, b: u16) -> Option<(&'static str, Side)> {
        let scene = Scene { ports: Sides::new(a, b), transport: Transport::Udp, ..self.scene };
        self.told.expected(|| scene)
    }

    /// What of messages in segments could not be read so far.
    pub(crate) fn losses(&self) -> crate::out::Losses {
        self.told.losses()
    }

    /// Whether dissectors keep no more of messages that are not whole than a lane lets them.
    pub(crate) fn keeps_its_caps(&self) -> bool {
        self.told.keeps() <= crate::out::MOST_HELD
    }

    /// Whether they keep nothing.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.told.keeps() == 0
    }

    /// What the protocol's probe makes of some bytes.
    pub(crate) fn probe(&self, bytes: &[u8]) -> crate::dissector::Verdict {
        (self.protocol.probe)(bytes, self.scene.transport)
    }

    fn place(&self) -> Place {
        let time = Timestamp::from_micros(i64::try_from(self.frame).expect("frames are few") * 1000);
        Place { capture: 0, frame: Some(self.frame), time }
    }

    fn message(&mut self, side: Side, reader: &mut Reader<'_>) -> Result<Next, Stop> {
        let place = self.place();
        let before = reader.remaining();
        let mut out = Out::new(&mut self.told, &self.scene, side, place);
        let result = self.dissector.message(side, reader, &mut out);
        match result {
            Ok(_) => {
                assert!(reader.remaining() < before, "a message that takes no byte would never end");
                self.told.commit(&mut self.story);
                self.take_ready();
            }
            Err(_) => self.told.roll_back(),
        }
        result
    }

    /// What can be read behind a message that stopped.
    fn behind<'a>(&mut self, side: Side, stop: Stop, rest: &'a [u8]) -> &'a [u8] {
        self.story.0.push(format!("{side:?} stops: {stop}"));
        match stop {
            Stop::Bad { length, .. } => &rest[length.max(1).min(rest.len())..],
            Stop::Short { .. } | Stop::Malformed { .. } => &[],
        }
    }

    fn after<'a>(&mut self, side: Side, next: Next, rest: &'a [u8]) -> &'a [u8] {
        let length = match next {
            Next::More => return rest,
            Next::Enough => {
                self.story.0.push(format!("{side:?} has told enough"));
                return &[];
            }
            Next::Skip(length) | Next::Body(length) => length,
        };
        let (body, rest) = rest.split_at(rest.len().min(usize::try_from(length).unwrap_or(usize::MAX)));
        if matches!(next, Next::Body(_)) {
            let place = self.place();
            let mut out = Out::new(&mut self.told, &self.scene, side, place);
            self.dissector.body(side, body, &mut out);
            self.told.commit(&mut self.story);
            self.take_ready();
        }
        rest
    }

    fn take_ready(&mut self) {
        let lines = self.told.ready().drain(..).map(|observation| line_of(&observation));
        self.story.0.extend(lines);
    }
}

fn line_of(observation: &Observation) -> String {
    let Observation { subject, fact, .. } = observation;
    let child = subject.child.as_ref().map(|child| format!("[{child}]")).unwrap_or_default();
    let address = subject.host.address;
    match fact {
        Fact::Attribute { field, value } => format!("{address}{child} {} = {value}", field.name),
        Fact::Binding { mac, proof } => format!("{address} is at {mac} ({proof:?})"),
        Fact::Child(proof) => format!("{address}{child} exists ({proof:?})"),
        Fact::Certificate { port, certificate } => {
            let Certificate { subject, serial, names, place, chain_length, .. } = &**certificate;
            let place = place + 1;
            format!("{address} shows certificate {place} of {chain_length} at {port}: {subject}, {serial}, {names:?}")
        }
        Fact::Channel(channel) => {
            let Channel { client, port, version, cipher, server_name, alpn, is_certificate_visible: visible, .. } =
                &**channel;
            let version = version.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            let cipher = cipher.map_or_else(|| "-".to_owned(), |number| format!("{number:#06x}"));
            let text = |text: &Option<compact_str::CompactString>| text.as_deref().unwrap_or("-").to_owned();
            let [name, alpn] = [server_name, alpn].map(text);
            let client = client.address;
            format!("{client} to {address}:{port}: {version} {cipher} {name} {alpn}, certificate {visible:?}")
        }
        Fact::Credential(login) => line_of_login(login, &format!("{address}{child}")),
        Fact::Lax(lax) => {
            let Lax { client, laxity, what, .. } = lax.as_ref();
            format!("{address}{child} is lax to {}: {laxity:?}, {what}", client.address)
        }
        other => format!("{address}{child} {other:?}"),
    }
}

/// `10.0.0.1 logs in to 10.0.0.2 by basic as admin in Camera, accepted, cleartext (frame 3)`.
fn line_of_login(login: &Credential, server: &str) -> String {
    let Credential { client, scheme, username, realm, outcome, exposure, count, told, .. } = login;
    let username = username.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
    let realm = realm.as_ref().map(|realm| format!(" in {realm}")).unwrap_or_default();
    let exposure = exposure.map_or("hidden", Exposure::name);
    let (address, outcome, frame) = (client.address, outcome.name(), told.frame.expect("frames are numbered"));
    let again = if login.proof.is_none() && *count > 0 && outcome != "rejected" { " again" } else { "" };
    let times = if *count > 1 { format!(" {count} times") } else { String::new() };
    format!(
        "{address} logs in{again} to {server} by {scheme}{username}{realm}, {outcome}, {exposure} (frame {frame}){times}"
    )
}

impl Tallies for Story {
    fn serves(&mut self, server: Side) {
        self.0.push(format!("{server:?} serves"));
    }

    fn count(&mut self, count: &Count, place: &Place) {
        let Count { sender, direction, operation, child, mark, is_control } = count;
        let child = child.as_ref().map(|child| format!("[{child}]")).unwrap_or_default();
        let mark = match mark {
            Mark::Plain => String::new(),
            Mark::Exception => " exception".to_owned(),
            Mark::Unanswered => format!(" unanswered since frame {}", place.frame.expect("frames are numbered")),
        };
        let control = if *is_control { " control" } else { "" };
        self.0.push(format!("{sender:?} {}{child} {operation}{mark}{control}", direction.name()));
    }

    fn act(&mut self, action: Action) {
        let Action { sender, client_host, client_user, child, operation, category, .. } = action;
        let Action { target, value, outcome, reason, image, place, .. } = action;
        let child = child.map(|child| format!("[{child}]")).unwrap_or_default();
        let target = target.text();
        let value = value.map(|value| format!(" = {}", value.text())).unwrap_or_default();
        let image = image.map(|image| format!(" of {} bytes {:.8}", image.bytes, image.to_string()));
        let image = image.unwrap_or_default();
        let host = client_host.or(client_user).map(|who| format!(" as {who}")).unwrap_or_default();
        let reason = reason.map(|reason| format!(" ({})", reason.text())).unwrap_or_default();
        let frame = place.frame.expect("frames are numbered");
        let (category, outcome) = (category.name(), outcome.name());
        self.0.push(format!(
            "{sender:?}{host} {category}{child} by {operation}: {target}{value}{image}, {outcome}{reason} (frame {frame})"
        ));
    }
}

/// Bytes from hex; blanks and line breaks are for the eye.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(16)).collect();
    assert!(digits.len().is_multiple_of(2), "hex digits come in pairs");
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits make a byte")).collect()
}
