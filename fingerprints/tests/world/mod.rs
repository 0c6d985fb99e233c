//! A small world to observe: hosts, and what they say and do.
#![allow(dead_code, reason = "each test file uses a part of it")]

use arrayvec::ArrayVec;
use dissectors::observation::{
    Activity, Address, Aim, Attempts, Binding, Category, Child, ChildProof, Context, Control, Credential, Evidence,
    Fact, FlowId, Host, Lax, Operation, Outcome, RolesFrom, Subject, Tag, Tally, Traffic, Transport, Value,
};
use dissectors::{Direction, Laxity, Mac, Observation, Place, Proof, Timestamp, protocols};
use fingerprints::record::{AssetRow, ClaimRow, CredentialRow, FindingRow, Record, ServiceRow};
use fingerprints::{CaptureName, Inventory, Rules, Settings};
use std::sync::Arc;
use std::time::Duration;

/// 2026-01-01T00:00:00Z, and so many seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_767_225_600 + seconds) * 1_000_000)
}

pub(crate) fn host(ip: &str) -> Host {
    Host { context: Context::default(), address: Address::Ip(ip.parse().expect("an IP address")) }
}

pub(crate) fn in_vlan(vlan: u16, ip: &str) -> Host {
    Host { context: Context::default().within(Tag::Vlan(vlan)).expect("room for one"), ..host(ip) }
}

pub(crate) fn mac(last: u8) -> Mac {
    Mac([0x00, 0x80, 0xf4, 0, 0, last])
}

pub(crate) fn unit(number: u32) -> Child {
    Child::Number(number)
}

pub(crate) fn station(network: u16, address: u8) -> Child {
    Child::Station { network, address: ArrayVec::from_iter([address]) }
}

/// Something to observe, one second after what came before.
pub(crate) struct World {
    pub(crate) inventory: Inventory,
    pub(crate) second: i64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Settings { site: "test".to_owned(), ..Settings::default() })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self { inventory: Inventory::new(settings, Rules::builtin()), second: 0 }
    }

    pub(crate) fn observe(&mut self, observation: Observation) {
        self.inventory.observe(observation);
    }

    fn evidence(&mut self, from: Host, to: Host, port: u16, protocol: &'static str) -> Evidence {
        self.second += 1;
        evidence(self.second, from, to, port, protocol)
    }

    fn told(&mut self, subject: Subject, fact: Fact, evidence: Evidence) {
        self.observe(Observation { time: evidence.time, subject, fact, evidence });
    }

    /// A server, or a device behind it, says something of itself.
    pub(crate) fn says(&mut self, server: Host, child: Option<Child>, field: &str, value: &str) {
        let field = protocols::fields().find(|known| known.name == field).expect("a field of a dissector");
        let protocol = protocols::ALL
            .iter()
            .find(|protocol| protocol.fields.iter().any(|own| own.name == field.name))
            .expect("a protocol");
        let evidence = self.evidence(server, host("10.9.9.9"), 502, protocol.name);
        let fact = Fact::Attribute { field, value: Value::Text(value.into()) };
        self.told(Subject { host: server, child }, fact, evidence);
    }

    pub(crate) fn again(&mut self, server: Host, field: &str, count: u64) {
        let field = protocols::fields().find(|known| known.name == field).expect("a field of a dissector");
        let evidence = self.evidence(server, host("10.9.9.9"), 502, "modbus");
        self.told(server.into(), Fact::Again { field, code: None, count }, evidence);
    }

    /// A device gave a code again that it had given before.
    pub(crate) fn code_again(&mut self, server: Host, child: Option<Child>, field: &str, code: u32, count: u64) {
        let field = protocols::fields().find(|known| known.name == field).expect("a field of a dissector");
        let evidence = self.evidence(server, host("10.9.9.9"), 502, "modbus");
        let fact = Fact::Again { field, code: Some(code), count };
        self.told(Subject { host: server, child }, fact, evidence);
    }

    pub(crate) fn binding(&mut self, of: Host, mac: Mac, proof: Binding) {
        let evidence = self.evidence(of, host("10.9.9.9"), 0, "arp");
        self.told(of.into(), Fact::Binding { mac, proof }, evidence);
    }

    /// A packet proves two contexts one network.
    pub(crate) fn same_network(&mut self, of: Host, other: Host) {
        let evidence = self.evidence(of, host("10.9.9.9"), 502, "");
        self.told(of.into(), Fact::SameNetwork { other: other.context }, evidence);
    }

    pub(crate) fn child(&mut self, of: Host, child: Child, proof: ChildProof) {
        let protocol = if matches!(child, Child::Number(_)) { "modbus" } else { "bacnet" };
        let evidence = self.evidence(of, host("10.9.9.9"), 502, protocol);
        self.told(Subject { host: of, child: Some(child) }, Fact::Child(proof), evidence);
    }

    pub(crate) fn talks(&mut self, client: Host, server: Host, protocol: Option<&'static str>, answered: bool) {
        self.traffic(client, server, protocol, answered, |_| {});
    }

    pub(crate) fn traffic(
        &mut self,
        client: Host,
        server: Host,
        protocol: Option<&'static str>,
        answered: bool,
        change: impl FnOnce(&mut Traffic),
    ) {
        let evidence = self.evidence(client, server, 502, protocol.unwrap_or(""));
        let answer = if answered { Tally { packets: 8, bytes: 800 } } else { Tally::default() };
        let mut traffic = Traffic {
            window: evidence.time.hour(),
            client,
            server_is_group: false,
            server_port: 502,
            transport: Transport::Tcp,
            protocol,
            roles_from: RolesFrom::Syn,
            first_seen: evidence.time,
            last_seen: evidence.time.after(Duration::from_secs(1)),
            flows: 1,
            flows_two_way: u64::from(answered),
            to_server: Tally { packets: 10, bytes: 1_000 },
            to_client: answer,
            lost_bytes: 0,
            unknown_bytes: 0,
            begun_at: Some((Place { time: evidence.time, capture: 0, frame: evidence.frame }, evidence.flow)),
            lost_at: None,
            goes_on: false,
        };
        change(&mut traffic);
        self.told(server.into(), Fact::Traffic(Box::new(traffic)), evidence);
    }

    pub(crate) fn asks(
        &mut self,
        client: Host,
        server: Host,
        child: Option<Child>,
        change: impl FnOnce(&mut Activity),
    ) {
        self.asks_in("modbus", client, server, child, change);
    }

    /// The same in another protocol.
    pub(crate) fn asks_in(
        &mut self,
        protocol: &'static str,
        client: Host,
        server: Host,
        child: Option<Child>,
        change: impl FnOnce(&mut Activity),
    ) {
        let evidence = self.evidence(client, server, 502, protocol);
        let place = Place { time: evidence.time, capture: evidence.capture, frame: evidence.frame };
        let mut activity = Activity {
            window: evidence.time.hour(),
            client,
            server_is_group: false,
            server_port: 502,
            protocol,
            operation: Operation::Code(3),
            direction: Direction::Request,
            is_control: false,
            messages: 40,
            exceptions: 0,
            unanswered: 0,
            server_silent: false,
            first_seen: evidence.time,
            last_seen: evidence.time.after(Duration::from_secs(1)),
            first: place,
            first_unanswered: None,
        };
        change(&mut activity);
        self.told(Subject { host: server, child }, Fact::Activity(Box::new(activity)), evidence);
    }

    pub(crate) fn writes(&mut self, client: Host, server: Host, child: Option<Child>, target: &str, outcome: Outcome) {
        self.acts(client, server, child, |control| {
            control.target = target.into();
            control.outcome = outcome;
        });
    }

    /// A client changes something: three writes of 17, unless told otherwise.
    pub(crate) fn acts(&mut self, client: Host, server: Host, child: Option<Child>, change: impl FnOnce(&mut Control)) {
        let evidence = self.evidence(client, server, 502, "modbus");
        let mut control = Control {
            window: evidence.time.hour(),
            client,
            client_host: None,
            client_user: None,
            server_port: 502,
            protocol: "modbus",
            operation: Operation::Code(6),
            category: Category::Write,
            target: "register 1".into(),
            value: Some("17".into()),
            outcome: Outcome::Accepted,
            reason: None,
            image: None,
            count: 3,
            first: Place { time: evidence.time, capture: evidence.capture, frame: evidence.frame },
        };
        change(&mut control);
        self.told(Subject { host: server, child }, Fact::Control(Box::new(control)), evidence);
    }

    /// A client logs in by Basic as `admin`, and is let in, unless told otherwise.
    pub(crate) fn logs_in(
        &mut self,
        client: Host,
        server: Host,
        proof: Proof,
        change: impl FnOnce(&mut Credential),
    ) -> Place {
        let evidence = self.evidence(client, server, 80, "http");
        let told = Place { time: evidence.time, capture: evidence.capture, frame: evidence.frame };
        let mut credential = Credential {
            client,
            server_port: 80,
            scheme: "basic",
            username: Some("admin".into()),
            realm: None,
            outcome: Outcome::Accepted,
            encrypted: false,
            exposure: proof.exposure(),
            proof: Some(Arc::new(proof)),
            count: 1,
            told,
        };
        change(&mut credential);
        if credential.outcome == Outcome::Rejected {
            credential.proof = None;
        }
        self.told(server.into(), Fact::Credential(Box::new(credential)), evidence);
        told
    }

    /// A server lets a client do something without a login.
    pub(crate) fn is_lax(&mut self, client: Host, server: Host, laxity: Laxity, what: &'static str) {
        let evidence = self.evidence(client, server, 554, "rtsp");
        let lax = Lax { client, server_port: 554, laxity, what };
        self.told(server.into(), Fact::Lax(Box::new(lax)), evidence);
    }

    pub(crate) fn attempts(&mut self, source: Host, flows: u64) {
        self.aims(source, flows, Vec::new());
    }

    pub(crate) fn aims(&mut self, source: Host, flows: u64, aims: Vec<Aim>) {
        let evidence = self.evidence(source, host("10.9.9.9"), 502, "");
        let attempts = Attempts {
            window: evidence.time.hour(),
            transport: Transport::Tcp,
            flows,
            sent: Tally { packets: flows, bytes: 60 * flows },
            first_seen: evidence.time,
            last_seen: evidence.time,
            aims,
        };
        self.told(source.into(), Fact::Attempts(Box::new(attempts)), evidence);
    }

    pub(crate) fn finish(&mut self) -> Rows {
        Rows(self.inventory.finish(at(self.second + 1), &captures()))
    }

    pub(crate) fn earlier(&mut self) -> Rows {
        Rows(self.inventory.earlier(&captures()))
    }
}

pub(crate) fn evidence(second: i64, from: Host, to: Host, port: u16, protocol: &'static str) -> Evidence {
    let flow = FlowId {
        transport: Transport::Tcp,
        source: from.address,
        source_port: port,
        destination: to.address,
        destination_port: 50_000,
    };
    let frame = u64::try_from(second).ok();
    Evidence { capture: 0, frame, time: at(second), protocol, flow }
}

fn captures() -> [CaptureName; 1] {
    [CaptureName { path: "site.pcap".to_owned(), capture_id: "c-1".to_owned() }]
}

/// What came out.
pub(crate) struct Rows(pub(crate) Vec<Record>);

impl Rows {
    pub(crate) fn assets(&self) -> Vec<&AssetRow> {
        self.0.iter().filter_map(|record| if let Record::Assets(row) = record { Some(&**row) } else { None }).collect()
    }

    pub(crate) fn claims(&self) -> Vec<&ClaimRow> {
        self.0.iter().filter_map(|record| if let Record::Claims(row) = record { Some(&**row) } else { None }).collect()
    }

    pub(crate) fn findings(&self, kind: &str) -> Vec<&FindingRow> {
        let all =
            self.0.iter().filter_map(|record| if let Record::Findings(row) = record { Some(&**row) } else { None });
        all.filter(|row| row.kind == kind).collect()
    }

    pub(crate) fn credentials(&self) -> Vec<&CredentialRow> {
        let rows = self.0.iter();
        rows.filter_map(|record| if let Record::Credentials(row) = record { Some(&**row) } else { None }).collect()
    }

    pub(crate) fn services(&self) -> Vec<&ServiceRow> {
        self.0
            .iter()
            .filter_map(|record| if let Record::Services(row) = record { Some(&**row) } else { None })
            .collect()
    }

    /// The asset with this address, and no child of it.
    pub(crate) fn asset(&self, ip: &str) -> &AssetRow {
        let all = self.assets();
        all.into_iter().find(|row| row.ips.iter().any(|known| known == ip)).unwrap_or_else(|| panic!("no asset {ip}"))
    }

    pub(crate) fn has(&self, ip: &str) -> bool {
        self.assets().iter().any(|row| row.ips.iter().any(|known| known == ip))
    }

    /// The values of an attribute of an asset, the chosen one marked.
    pub(crate) fn values(&self, asset: &str, attribute: &str) -> Vec<(String, bool)> {
        let claims = self.claims().into_iter().filter(|row| row.asset_id == asset && row.attribute == attribute);
        claims.map(|row| (row.value.clone(), row.chosen)).collect()
    }
}
