//! Captures in, observations out.

use dissectors::observation::{Activity, Channel, Control, Credential, Fact, Traffic};
use dissectors::{Observation, Subject, Timestamp};
use etherparse::{Ethernet2Header, PacketBuilder, PacketBuilderStep, TcpHeader};
use fingerprints::Credentials;
use fingerprints::inventory::Names;
use sensor::pipeline::{self, Settings, Totals, Witness};
use sensor::reading::{self, Job, Prepared, Reading};
use sensor::source::{self, Feed, Input};
use std::path::{Path, PathBuf};

/// Keeps all that is told.
#[derive(Default)]
pub(crate) struct Notebook {
    pub(crate) observations: Vec<Observation>,
}

impl Witness for Notebook {
    fn observe(&mut self, observation: Observation) {
        self.observations.push(observation);
    }

    fn advance(&mut self, _now: Timestamp) {}
}

impl Notebook {
    /// The sums of messages that were told.
    pub(crate) fn activity(&self) -> impl Iterator<Item = &Activity> {
        self.observations.iter().filter_map(|observation| match &observation.fact {
            Fact::Activity(activity) => Some(activity.as_ref()),
            _ => None,
        })
    }

    /// The protocols of the conversations that were summed up.
    pub(crate) fn protocols(&self) -> impl Iterator<Item = &'static str> {
        self.observations.iter().filter_map(|observation| match &observation.fact {
            Fact::Traffic(traffic) => traffic.protocol,
            _ => None,
        })
    }

    /// The logins that were told, each with who is logged in to.
    pub(crate) fn logins(&self) -> impl Iterator<Item = (&Subject, &Credential)> {
        self.observations.iter().filter_map(|observation| match &observation.fact {
            Fact::Credential(login) => Some((&observation.subject, login.as_ref())),
            _ => None,
        })
    }
}

/// The captures that we recorded.
pub(crate) fn pcaps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps")
}

/// The folder that holds all crates, and from which the commands of the documentation are typed.
pub(crate) fn workspace() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    path.expect("the crate lies in its workspace").to_owned()
}

/// The program, as if typed in the workspace.
pub(crate) fn otoscope() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_otoscope"));
    command.current_dir(workspace()).env_remove("RUST_BACKTRACE");
    command
}

/// The captures of public collections, where they are.
pub(crate) fn public_captures() -> Option<PathBuf> {
    std::env::var_os("OTOSCOPE_CAPTURES").map(PathBuf::from)
}

/// The captures of a folder, by their names relative to it.
pub(crate) fn captures_in(folder: &Path) -> Vec<Input> {
    source::find(&[folder.to_owned()]).expect("the folder holds captures").inputs
}

/// All that captures tell.
pub(crate) fn read(inputs: Vec<Input>, settings: Settings) -> (Notebook, Totals) {
    let feed = Feed::new(inputs).expect("the captures can be opened");
    let mut notebook = Notebook::default();
    let totals = pipeline::read(feed, settings, &mut notebook, &mut |_| {});
    (notebook, totals)
}

/// All rows that captures and folders of them give, as the commands read them.
pub(crate) fn records_of(paths: &[PathBuf], settings: Settings) -> Reading {
    prepared(paths, settings).read(&mut |_| {})
}

/// Captures and folders of them, ready to be read.
pub(crate) fn prepared(paths: &[PathBuf], settings: Settings) -> Prepared {
    let (site, sensor) = ("default".to_owned(), "otoscope".to_owned());
    let names = Names::default();
    let credentials = Credentials::default();
    let job = Job { paths: paths.to_vec(), site, sensor, settings, filter: None, names, credentials, baseline: None };
    reading::prepare(job).expect("the captures can be read")
}

/// What was told, without frames, times and packet counts: the same however TCP was cut.
pub(crate) fn story_of(notebook: &Notebook) -> Vec<String> {
    let mut story: Vec<String> = notebook.observations.iter().map(line_of).collect();
    story.sort();
    // A host's own word about its address is told again as time goes by, and cuts cost time.
    story.dedup_by(|one, other| one == other && one.contains(" Binding "));
    story
}

fn line_of(observation: &Observation) -> String {
    let Subject { host, child } = &observation.subject;
    let whom = format!("{} {} {child:?}", host.context, host.address);
    match &observation.fact {
        Fact::Again { field, code, count } => format!("{whom} again {} {code:?} {count}", field.name),
        Fact::Traffic(traffic) => {
            let Traffic { client, server_port, transport, protocol, roles_from, flows, .. } = traffic.as_ref();
            format!("{whom} serves {client:?} {transport}/{server_port} {protocol:?} {roles_from:?} {flows}")
        }
        Fact::Activity(activity) => {
            let Activity { client, protocol, operation, direction, messages, exceptions, unanswered, .. } =
                activity.as_ref();
            format!("{whom} {protocol} {operation} {direction:?} {client:?}: {messages} {exceptions} {unanswered}")
        }
        Fact::Control(control) => {
            let Control { client, operation, target, value, outcome, count, .. } = control.as_ref();
            format!("{whom} {operation} {target} {value:?} {outcome:?} {client:?}: {count}")
        }
        Fact::Attempts(attempts) => format!("{whom} attempts {}", attempts.flows),
        Fact::Credential(login) => {
            let Credential { client, scheme, username, realm, outcome, exposure, count, .. } = login.as_ref();
            format!("{whom} login {scheme} {username:?} {realm:?} {outcome:?} {exposure:?} {client:?}: {count}")
        }
        Fact::Channel(channel) => {
            let begun = Timestamp::default();
            format!("{whom} {:?}", Channel { begun, ..channel.as_ref().clone() })
        }
        fact => format!("{whom} {fact:?}"),
    }
}

fn ethernet() -> PacketBuilderStep<Ethernet2Header> {
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
}

/// A host of 10.0.0.0/8.
fn address((host, _): (u32, u16)) -> [u8; 4] {
    (0x0a00_0000 | host).to_be_bytes()
}

/// A capture in the making: nanosecond pcap, Ethernet.
pub(crate) struct Recording {
    bytes: Vec<u8>,
    nanos: u64,
}

impl Recording {
    pub(crate) fn new() -> Self {
        let mut bytes = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
        for word in [0x0004_0002_u32, 0, 0, 262_144, 1] {
            bytes.extend(word.to_le_bytes());
        }
        Self { bytes, nanos: 1_700_000_000_000_000_000 }
    }

    pub(crate) fn frame(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).expect("frames are short");
        let seconds = u32::try_from(self.nanos / 1_000_000_000).expect("before 2106");
        let nanos = u32::try_from(self.nanos % 1_000_000_000).expect("below a second");
        for word in [seconds, nanos, length, length] {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend(frame);
        self.nanos += 1_000_000;
    }

    /// The time of the next frame, in nanoseconds since the epoch.
    pub(crate) fn at(&mut self, nanos: u64) {
        self.nanos = nanos;
    }

    /// A SYN.
    pub(crate) fn syn(&mut self, from: (u32, u16), to: (u32, u16), sequence: u32) {
        let segment = ethernet().ipv4(address(from), address(to), 64).tcp(from.1, to.1, sequence, 4096);
        self.segment(segment.syn(), &[]);
    }

    /// A SYN-ACK.
    pub(crate) fn opening(&mut self, from: (u32, u16), to: (u32, u16), sequence: u32, acknowledgement: u32) {
        let segment = ethernet().ipv4(address(from), address(to), 64).tcp(from.1, to.1, sequence, 4096);
        self.segment(segment.syn().ack(acknowledgement), &[]);
    }

    /// A TCP segment in a VLAN.
    pub(crate) fn tagged(
        &mut self,
        vlan: u16,
        from: (u32, u16),
        to: (u32, u16),
        sequence: u32,
        acknowledgement: u32,
        payload: &[u8],
    ) {
        let tag = ethernet().single_vlan(etherparse::VlanId::try_new(vlan).expect("it is a VLAN id"));
        let segment = tag.ipv4(address(from), address(to), 64).tcp(from.1, to.1, sequence, 4096);
        self.segment(segment.ack(acknowledgement), payload);
    }

    /// A UDP datagram in a VLAN.
    pub(crate) fn datagram(&mut self, vlan: u16, from: (u32, u16), to: (u32, u16), payload: &[u8]) {
        let tag = ethernet().single_vlan(etherparse::VlanId::try_new(vlan).expect("it is a VLAN id"));
        let datagram = tag.ipv4(address(from), address(to), 64).udp(from.1, to.1);
        let mut frame = Vec::new();
        datagram.write(&mut frame, payload).expect("a vector takes all");
        self.frame(&frame);
    }

    /// A TCP segment between two hosts of 10.0.0.0/8, named by their last three bytes.
    pub(crate) fn tcp(
        &mut self,
        from: (u32, u16),
        to: (u32, u16),
        sequence: u32,
        acknowledgement: u32,
        payload: &[u8],
    ) {
        let segment = ethernet().ipv4(address(from), address(to), 64).tcp(from.1, to.1, sequence, 4096);
        self.segment(segment.ack(acknowledgement), payload);
    }

    fn segment(&mut self, segment: PacketBuilderStep<TcpHeader>, payload: &[u8]) {
        let mut frame = Vec::new();
        segment.write(&mut frame, payload).expect("a vector takes all");
        self.frame(&frame);
    }

    pub(crate) fn input(self, name: &str) -> Input {
        Input::held(name, self.bytes)
    }

    /// The whole file.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Fields that sum a conversation up, and are told at its end.
const SUMS: [&str; 2] = ["dnp3.terminal", "dnp3.terminal_octets"];

/// Whether a fact is told at once, and not when a conversation or an hour ends.
pub(crate) fn is_news(fact: &dissectors::Fact) -> bool {
    match fact {
        dissectors::Fact::Attribute { field, .. } => !SUMS.contains(&field.name),
        dissectors::Fact::Binding { .. } | dissectors::Fact::Child(_) => true,
        _ => false,
    }
}
