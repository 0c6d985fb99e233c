//! Observations in, records out.
//!
//! The inventory keeps what is known of hosts and of the devices behind them, and sums of what they did. Assets, claims
//! and findings are concluded from it when rows are written, so that what was learned late counts as much as what was
//! learned early. It is the one writer: no locks on the way in, no disk, no clock.
//!
//! A host comes into being when it sent something, or when a named protocol was spoken to it. A group address and the
//! mere destination of an attempt are no hosts.

mod aims;
mod assets;
mod book;
mod channels;
mod conduct;
mod contest;
mod coverage;
mod dealings;
mod deeds;
mod doubles;
mod findings;
mod joins;
mod known;
mod logins;
mod matter;
mod names;
mod networks;
mod registry;
mod rows;
mod sightings;
mod since;
mod state;
mod storms;
mod sums;
mod troubles;

use crate::baseline::Baseline;
use crate::credential::Credentials;
use crate::finding::Kinds;
use crate::mark::Marks;
use crate::protocol::Protocols;
use crate::record::{Record, Shared};
use crate::rules::Rules;
use aims::Aims;
use assets::Assets;
use channels::Channels;
use conduct::Conduct;
use coverage::Coverage;
pub use coverage::{Blind, Hidden, Subnet};
use dealings::{DealingKey, Dealings};
use deeds::Graves;
use dissectors::observation::{
    Activity, Address, Attempts, Binding, ChildProof, Control, Credential, Evidence, Host, Lax, Mac, RolesFrom,
    Subject, Traffic, Transport, Value,
};
use dissectors::{Direction, Field, Observation, Timestamp, observation::Fact};
use findings::{Findings, Ground, Tracks};
use known::{Key, Known, Part, Seen, Standing};
use logins::Logins;
pub use names::Names;
use registry::Registry;
use sightings::Sightings;
pub use since::Since;
use state::History;
use std::collections::BTreeMap;
use std::net::IpAddr;
use storms::Storms;
use sums::{Deed, DeedKey, Service, ServiceKey, Sums, Talk, TalkKey};
use troubles::Troubles;

/// What an inventory is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site; part of every id.
    pub site: String,
    /// Names of VLANs; part of every id too.
    pub names: Names,
    /// How logins are judged and told.
    pub credentials: Credentials,
    /// How many hosts and children are kept at most.
    pub max_assets: usize,
    /// How many rows of one table are summed at most before they are written.
    pub max_rows: usize,
    /// How many clients' dealings with servers are kept at most: the ground of findings.
    pub max_dealings: usize,
    /// How many bytes all that is known of hosts and children may cost, as rows too.
    pub max_known_bytes: usize,
    /// How many bytes the summed rows of all tables may cost, as they are written too; those of one table five eighths of it.
    pub max_row_bytes: usize,
}

impl Settings {
    /// As much as fits into so many bytes: three tenths for what is known, more than half for rows, the rest for dealings.
    #[must_use]
    pub fn within(self, bytes: usize) -> Self {
        Self {
            max_assets: (bytes / 4_096).max(1_024),
            max_rows: (bytes / 512).max(1_024),
            max_dealings: (bytes / 12 / DEALING).max(256),
            max_known_bytes: bytes / 10 * 3,
            max_row_bytes: bytes / 100 * 55,
            ..self
        }
    }
}

/// What a dealing costs, and the finding that it may be.
const DEALING: usize = 4_096;

impl Default for Settings {
    fn default() -> Self {
        Self {
            site: "default".to_owned(),
            names: Names::default(),
            credentials: Credentials::default(),
            max_assets: 65_536,
            max_rows: 1 << 20,
            max_dealings: 1 << 18,
            max_known_bytes: usize::MAX,
            max_row_bytes: usize::MAX,
        }
    }
}

/// A capture, by its place in the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureName {
    /// As the rows name it.
    pub path: String,
    /// Its row in `captures`.
    pub capture_id: String,
}

/// What is known, and what will be told of it.
pub struct Inventory {
    settings: Settings,
    rules: Rules,
    protocols: &'static Protocols,
    kinds: Kinds,
    marks: Marks,
    registry: Registry,
    dealings: Dealings,
    graves: Graves,
    aims: Aims,
    sightings: Sightings,
    troubles: Troubles,
    storms: Storms,
    services: Sums<ServiceKey, Service>,
    attempts: Sums<ServiceKey, Service>,
    activity: Sums<TalkKey, Talk>,
    operations: Sums<DeedKey, Deed>,
    channels: Channels,
    logins: Logins,
    coverage: Coverage,
    now: Option<Timestamp>,
    history: History,
    losses: Losses,
    blind: Vec<Blind>,
    baseline: Option<Baseline>,
    since: Option<Since>,
}

/// What had to be forgotten or could not be taken in.
#[derive(Debug, Default)]
struct Losses {
    claims: u64,
    values: u64,
    nobody: u64,
    crowded: u64,
    joins: u64,
}

impl Inventory {
    /// Knows nothing yet.
    pub fn new(settings: Settings, rules: Rules) -> Self {
        let of_a_table = settings.max_row_bytes / 8 * 5;
        let of_states = settings.max_row_bytes / 16;
        let protocols = Protocols::builtin();
        let kinds = Kinds::builtin();
        Self {
            registry: Registry::new(settings.max_assets, settings.max_known_bytes),
            dealings: Dealings::within(settings.max_dealings),
            graves: Graves::within((settings.max_dealings / 8).max(64)),
            services: Sums::within(settings.max_rows, of_a_table, Service::weight),
            attempts: Sums::within(settings.max_assets, of_a_table / 4, Service::weight),
            activity: Sums::within(settings.max_rows, of_a_table, Talk::weight),
            operations: Sums::within(settings.max_rows, of_a_table, Deed::weight),
            logins: Logins::new(settings.credentials.clone(), settings.max_dealings, of_a_table / 4),
            channels: Channels::new((of_states / 2 / Channels::COST).clamp(64, settings.max_rows)),
            coverage: Coverage::new(settings.max_rows.min(of_states / STATE_ROW)),
            aims: Aims::within((settings.max_dealings / 8).max(64), protocols),
            sightings: Sightings::new((settings.max_dealings / 8).max(64), sightings::MOST_OF_A_CLIENT),
            troubles: Troubles::within((settings.max_dealings / 8).max(64), &kinds),
            storms: Storms::within(settings.max_dealings),
            protocols,
            kinds,
            marks: Marks::builtin(),
            now: None,
            history: History::new(settings.max_rows.min(of_states / STATE_ROW)),
            losses: Losses::default(),
            blind: Vec::new(),
            baseline: None,
            since: None,
            settings,
            rules,
        }
    }

    /// Takes in one observation, in capture order.
    pub fn observe(&mut self, observation: Observation) {
        let Observation { time: _, subject, fact, evidence } = observation;
        self.close_full_tables();
        match fact {
            Fact::Attribute { field, value } => self.attribute(&subject, field, &value, evidence),
            Fact::Binding { mac, proof } => self.binding(subject.host, mac, proof, evidence),
            Fact::Child(proof) => self.child(&subject, proof, evidence),
            Fact::SameNetwork { other } => self.registry.networks.join(subject.host.context, other, evidence),
            Fact::Certificate { port, certificate } => self.channels.show(subject.host, port, certificate, evidence),
            Fact::Channel(channel) => self.channels.protect(subject.host, *channel, evidence),
            Fact::Again { field, code, count } => self.again(&subject, field, code, count, evidence),
            Fact::Traffic(traffic) => self.traffic(subject.host, &traffic, evidence),
            Fact::Activity(activity) => self.activity(&subject, &activity, evidence),
            Fact::Control(mut control) => {
                self.logins.hide_users(&mut control);
                self.control(&subject, &control, evidence);
            }
            Fact::Attempts(attempts) => self.attempted(subject.host, &attempts, evidence),
            Fact::Credential(credential) => self.login(&subject, &credential, evidence),
            Fact::Lax(lax) => self.lax(&subject, &lax, evidence),
        }
    }

    fn attribute(&mut self, subject: &Subject, field: &'static Field, value: &Value, evidence: Evidence) {
        let port = own_port(&subject.host, &evidence);
        if !self.registry.has_room() {
            self.losses.crowded += 1;
            return;
        }
        let Some(known) = see_subject(&mut self.registry, subject, evidence) else {
            self.losses.nobody += 1;
            return;
        };
        known.hours.see(evidence.time);
        let text = value.as_text();
        self.troubles.tell(|| key_of(subject, evidence.protocol), port, field.name, &text, evidence);
        if let Some(mark) = self.marks.place(field.name, &text) {
            self.sightings.sight(subject.host, mark, evidence);
        }
        let outcome =
            self.rules.apply(field.name, &text, subject.child.as_ref(), &known.values.seen_from(port, evidence));
        let names_device = outcome.told.iter().any(|told| logins::names_device(told.attribute));
        outcome.failed.into_iter().for_each(|rule| known.claims.retract(rule));
        self.losses.claims += known.claims.tell(outcome.told, evidence);
        if self.rules.keeps(field.name) {
            self.losses.values += u64::from(known.values.keep(field.name, port, evidence, &text));
        }
        if names_device && self.logins.holds(subject.host) {
            self.logins.learn(subject.host, evidence.time, &self.registry);
        }
    }

    fn binding(&mut self, host: Host, mac: Mac, proof: Binding, evidence: Evidence) {
        if !host.address.is_host() || !mac.is_device() {
            return;
        }
        let standing = if proof == Binding::Told { Standing::Announced } else { Standing::Rumour };
        let seen = Seen::once(evidence);
        match self.registry.see(Key::host(host), standing, seen) {
            Some(known) => {
                known.hours.see(evidence.time);
                known.bind(mac, proof, seen);
                let rivals = known.contest.as_deref().filter(|contest| contest.is_proven()).and_then(|it| it.macs);
                for mac in rivals.into_iter().flatten() {
                    self.pin(host, Host { address: Address::Mac(mac), ..host }, seen);
                }
            }
            None => self.registry.lose(mac),
        }
        if self.logins.holds(host) {
            self.logins.learn(host, evidence.time, &self.registry);
        }
    }

    fn child(&mut self, subject: &Subject, proof: ChildProof, evidence: Evidence) {
        if subject.child.is_none() {
            return;
        }
        match see_subject(&mut self.registry, subject, evidence) {
            Some(known) => {
                known.hours.see(evidence.time);
                known.prove(proof, Seen::once(evidence));
            }
            None => self.losses.nobody += 1,
        }
    }

    fn again(&mut self, subject: &Subject, field: &'static Field, code: Option<u32>, count: u64, evidence: Evidence) {
        let key = key_of(subject, evidence.protocol);
        self.troubles.again(&key, own_port(&subject.host, &evidence), (field.name, code), count, evidence);
        let Some(slot) = self.registry.find(&key) else { return };
        if let Some(known) = self.registry.get_mut(slot) {
            known.seen.last = known.seen.last.max(evidence.time);
            known.hours.see(evidence.time);
            known.claims.again(field.name, count, evidence.time);
        }
    }

    fn traffic(&mut self, server: Host, traffic: &Traffic, evidence: Evidence) {
        let (key, service) = Service::of(traffic, server);
        let is_group = key.server_is_group;
        self.serve(key, service);
        self.coverage.see(traffic, server, &evidence);
        let answered = traffic.to_client.packets > 0 || traffic.goes_on;
        let standing = if answered { Standing::Heard } else { Standing::Rumour };
        let seen = Seen::between(traffic.first_seen, traffic.last_seen, evidence);
        // Who is answered by the plant is a part of it.
        let is_of_plant = answered && traffic.protocol.is_some_and(|protocol| self.protocols.of(protocol).industrial);
        let client_standing = if is_of_plant { Standing::Proven } else { standing };
        if traffic.client.address.is_host()
            && let Some(client) = self.registry.see(Key::host(traffic.client), client_standing, seen)
        {
            share(client, traffic);
            if let Some(protocol) = traffic.protocol {
                client.speaks(protocol, if answered && !is_group { Part::Uses } else { Part::Speaks }, seen);
            }
        }
        if is_group || !server.address.is_host() || !(answered || traffic.protocol.is_some()) {
            return;
        }
        if !answered {
            return self.meet(server, standing, seen);
        }
        let standing = if traffic.protocol.is_some() { Standing::Proven } else { standing };
        let Some(known) = self.registry.see(Key::host(server), standing, seen) else { return };
        share(known, traffic);
        if let Some(protocol) = traffic.protocol {
            known.speaks(protocol, Part::Serves, seen);
        }
        let is_proven = traffic.transport == Transport::Tcp && traffic.roles_from >= RolesFrom::Syn;
        if traffic.protocol.is_some() || (is_proven && traffic.flows_two_way > 0) {
            known.listens(traffic.server_port, traffic.transport);
        }
    }

    fn activity(&mut self, server: &Subject, activity: &Activity, evidence: Evidence) {
        self.storms.hear(server, activity, self.protocols.of(activity.protocol), evidence);
        let (key, talk) = Talk::of(activity, server);
        let is_group = key.server_is_group;
        if let Some((key, talk)) = self.activity.add(key, talk, Talk::add) {
            self.activity.add_anyway(key.of_the_rest(), talk, Talk::add);
        }
        let seen = Seen::between(activity.first_seen, activity.last_seen, evidence);
        if activity.client.address.is_host()
            && activity.direction == Direction::Request
            && activity.messages > 0
            && let Some(client) = self.registry.see(Key::host(activity.client), Standing::Rumour, seen)
        {
            client.speaks(activity.protocol, Part::Speaks, seen);
            client.asks(activity.protocol, &activity.operation, seen);
        }
        if is_group || !server.host.address.is_host() {
            return;
        }
        if activity.direction == Direction::Response {
            self.answers(server, evidence.protocol, seen);
        } else {
            self.meet(server.host, Standing::Rumour, seen);
        }
        let key =
            dealing_key(key_of(server, evidence.protocol), activity.client, activity.protocol, activity.server_port);
        if self.dealings.see(key, activity, &evidence) {
            self.pin(server.host, activity.client, seen);
        }
    }

    /// A host answers, and a device behind it that is known.
    fn answers(&mut self, server: &Subject, protocol: &'static str, seen: Seen) {
        let _known = self.registry.see(Key::host(server.host), Standing::Heard, seen);
        let slot = server.child.as_ref().and_then(|_| self.registry.find(&key_of(server, protocol)));
        if let Some(child) = slot.and_then(|slot| self.registry.get_mut(slot)) {
            child.seen.add(seen);
            child.hours.see(seen.first);
            child.hours.see(seen.last);
        }
    }

    fn control(&mut self, server: &Subject, control: &Control, evidence: Evidence) {
        let (key, deed) = Deed::of(control, server, evidence);
        if let Some((key, deed)) = self.operations.add(key, deed, Deed::add) {
            self.operations.add_anyway(key.of_the_rest(), deed.of_the_rest(), Deed::add);
        }
        if !server.host.address.is_host() {
            return;
        }
        let seen = Seen::once(sums::at(evidence, control.first));
        let key = dealing_key(key_of(server, evidence.protocol), control.client, control.protocol, control.server_port);
        if self.kinds.of_category(control.category.name()).is_some() {
            self.graves.act(key.clone(), control, &evidence);
        }
        self.dealings.act(key, control, &evidence);
        self.pin(server.host, control.client, seen);
    }

    fn login(&mut self, server: &Subject, credential: &Credential, evidence: Evidence) {
        if !server.host.address.is_host() {
            self.losses.nobody += 1;
        } else if self.logins.see(server, credential, evidence, &self.registry) {
            self.pin(server.host, credential.client, Seen::once(evidence));
        }
    }

    fn lax(&mut self, server: &Subject, lax: &Lax, evidence: Evidence) {
        if !server.host.address.is_host() {
            self.losses.nobody += 1;
        } else if self.logins.open(server, lax, evidence) {
            self.pin(server.host, lax.client, Seen::once(evidence));
        }
    }

    fn attempted(&mut self, source: Host, attempts: &Attempts, evidence: Evidence) {
        let (key, service) = Service::of_attempts(attempts, source);
        self.attempt(key, service);
        self.coverage.see_attempts(attempts, source, &evidence);
        self.aims.see(source, attempts, evidence);
        if !source.address.is_host() {
            return;
        }
        let seen = Seen::between(attempts.first_seen, attempts.last_seen, evidence);
        if let Some(known) = self.registry.see(Key::host(source), Standing::Rumour, seen) {
            known.hours.see(attempts.first_seen);
            known.flows = known.flows.saturating_add(attempts.flows);
        }
    }

    /// Where the summed rows of all tables leave no room, none takes another.
    fn close_full_tables(&mut self) {
        let Self { services, attempts, activity, operations, logins, settings, .. } = self;
        let bytes = services.bytes() + attempts.bytes() + activity.bytes() + operations.bytes() + logins.bytes();
        let is_closed = bytes >= settings.max_row_bytes;
        (services.is_closed, attempts.is_closed) = (is_closed, is_closed);
        (activity.is_closed, operations.is_closed) = (is_closed, is_closed);
        logins.close(is_closed);
    }

    fn serve(&mut self, key: ServiceKey, service: Service) {
        if let Some((key, service)) = self.services.add(key, service, Service::add) {
            self.services.add_anyway(key.of_the_rest(), service, Service::add);
        }
    }

    fn attempt(&mut self, key: ServiceKey, service: Service) {
        if let Some((key, service)) = self.attempts.add(key, service, Service::add) {
            self.attempts.add_anyway(key.of_the_rest(), service, Service::add);
        }
    }

    /// A host was spoken to. One that has not sent anything, at the end of a /24, is a subnet's broadcast address whose
    /// frames were rewritten, far oftener than a device.
    fn meet(&mut self, host: Host, standing: Standing, seen: Seen) {
        let ends_subnet = matches!(host.address, Address::Ip(IpAddr::V4(ip)) if ip.octets()[3] == 255);
        if !ends_subnet {
            self.registry.meet(Key::host(host), standing, seen);
        }
    }

    /// Who stands in a finding never yields, and finds a place where others have to.
    fn pin(&mut self, server: Host, client: Host, seen: Seen) {
        for host in [server, client].into_iter().filter(|host| host.address.is_host()) {
            self.meet(host, Standing::Proven, seen);
        }
    }

    /// Packet time has come so far: ends hours and days. At midnight (UTC) the state that has changed is told.
    pub fn advance(&mut self, now: Timestamp) {
        let before = self.now.replace(self.now.map_or(now, |before| before.max(now)));
        self.logins.advance(now);
        let Some(before) = before.filter(|before| *before < now) else { return };
        if before.hour() < now.hour() {
            // A flow's share of an hour may be told up to an hour late.
            let window = Timestamp::from_nanos(now.hour().nanos().saturating_sub(NANOS_PER_HOUR));
            self.coverage.close_before(window);
        }
        let midnight = Timestamp::from_nanos(now.nanos().div_euclid(NANOS_PER_DAY).saturating_mul(NANOS_PER_DAY));
        if before < midnight {
            let rows = self.state_rows(midnight);
            self.history.tell(rows);
        }
    }

    /// Whoever reads captures saw that something of them cannot be seen. A finding comes of it if it is enough.
    pub fn blind(&mut self, blind: Blind) {
        self.blind.push(blind);
    }

    /// What stood there before: what is new or has changed since is a finding.
    pub fn compare_with(&mut self, baseline: Baseline) {
        self.baseline = Some(baseline);
    }

    /// How the last state differs from the baseline, if there is one.
    pub fn since(&self) -> Option<Since> {
        self.since
    }

    /// The run has ended: the last state, each key once, and all sums, in the order of tables and keys. `captures` are
    /// named by their place in the run.
    pub fn finish(&mut self, now: Timestamp, captures: &[CaptureName]) -> Vec<Record> {
        let (mut records, sums) = self.rows_before(Timestamp::MAX, now, captures);
        self.services.clear();
        self.attempts.clear();
        self.activity.clear();
        self.operations.clear();
        self.logins.clear();
        self.channels.protections.clear();
        self.history.close(&mut records);
        records.extend(self.coverage.rows(&self.kinds, Timestamp::MAX).into_iter().map(Record::from));
        self.coverage.clear();
        records.extend(sums);
        self.named_in_order(records, captures)
    }

    /// What is so at this moment, as if the run ended here; nothing ends by it.
    pub fn state(&self, now: Timestamp, captures: &[CaptureName]) -> Vec<Record> {
        self.named_in_order(self.state_rows(now), captures)
    }

    fn state_rows(&self, now: Timestamp) -> Vec<Record> {
        let assets = self.assets();
        let findings = self.findings(&assets, now);
        state::rows(&assets, findings, &self.channels, self.protocols, &self.rules, now)
    }

    /// After the end: the rows of state that were told at midnights of packet time, where something had changed. They
    /// belong into the lake, before the last ones, and into no summary.
    pub fn earlier(&mut self, captures: &[CaptureName]) -> Vec<Record> {
        let records = self.history.take();
        self.named_in_order(records, captures)
    }

    /// The records by table, their captures and VLANs called by name.
    fn named_in_order(&self, mut records: Vec<Record>, captures: &[CaptureName]) -> Vec<Record> {
        for record in &mut records {
            rows::name_captures(record, captures);
            self.settings.names.apply(record);
        }
        records.sort_by_cached_key(|record| TABLES.iter().position(|table| *table == record.table()));
        records
    }

    /// The hours before this one are over, and the run goes on: the state as far as it has changed since it was told last,
    /// and the sums of these hours, which are told once.
    pub fn close_hours(&mut self, before: Timestamp, captures: &[CaptureName]) -> Vec<Record> {
        let (state, sums) = self.rows_before(before, self.now.unwrap_or(before), captures);
        self.history.tell(state);
        let mut records = self.history.take();
        records.extend(self.coverage.rows(&self.kinds, before).into_iter().map(Record::from));
        records.extend(sums);
        let service = |key: ServiceKey| ServiceKey { window: Timestamp::MIN, ..key };
        self.services.fold(|key| key.window < before, service, Service::add);
        self.attempts.fold(|key| key.window < before, service, Service::add);
        self.activity.fold(|key| key.window < before, |key| TalkKey { window: Timestamp::MIN, ..key }, Talk::add);
        self.operations.fold(|key| key.window < before, |key| DeedKey { window: Timestamp::MIN, ..key }, Deed::add);
        self.logins.forget_before(before);
        self.channels.fold_before(before);
        self.coverage.wrote_before(before);
        self.named_in_order(records, captures)
    }

    /// The rows of state, and those of sums of the hours before this one.
    fn rows_before(
        &mut self,
        before: Timestamp,
        now: Timestamp,
        captures: &[CaptureName],
    ) -> (Vec<Record>, Vec<Record>) {
        let assets = self.assets();
        let refused = assets.refused;
        let findings = self.findings(&assets, now);
        let since = findings.since;
        let finding = |key: &DeedKey| findings.of_deed(&assets, key, key.category.name());
        let captures: Vec<Shared> = captures.iter().map(|capture| capture.path.as_str().into()).collect();
        let services = rows::services(&assets, [&self.services, &self.attempts], &self.channels, before)
            .into_iter()
            .map(Record::from);
        let activity = rows::activity(&assets, &self.activity, &captures, before).into_iter().map(Record::from);
        let operations = rows::operations(&assets, &self.operations, &captures, before, finding).into_iter();
        let operations = operations.map(Record::from);
        let logins = logins::rows(&assets, &self.logins, &captures, before).into_iter().map(Record::from);
        let sums = services.chain(activity).chain(operations).chain(logins).collect();
        let state = state::rows(&assets, findings, &self.channels, self.protocols, &self.rules, now);
        drop(assets);
        self.since = since;
        self.losses.joins = refused;
        (state, sums)
    }

    fn assets(&self) -> Assets<'_> {
        let conduct = Conduct::of(&self.activity, &self.operations, self.protocols);
        Assets::settle(&self.settings, &self.registry, &self.rules, self.protocols, &conduct)
    }

    fn findings(&self, assets: &Assets<'_>, as_of: Timestamp) -> Findings {
        let (protocols, kinds, rules) = (self.protocols, &self.kinds, &self.rules);
        let mut unseen = self.coverage.unseen(kinds, &self.settings.names);
        unseen.extend(self.blind.iter().filter_map(|blind| blind.unseen(kinds)));
        let (site, baseline) = (self.settings.site.as_str(), self.baseline.as_ref());
        let ground = Ground { site, as_of, assets, protocols, kinds, rules, baseline };
        let tracks = Tracks {
            channels: &self.channels,
            logins: &self.logins,
            dealings: &self.dealings,
            aims: &self.aims,
            services: &self.services,
            sightings: &self.sightings,
            troubles: &self.troubles,
            storms: &self.storms,
            marks: &self.marks,
        };
        Findings::of(&ground, &self.graves, &tracks, &unseen)
    }

    /// What had to be dropped, refused or forgotten, by name; never an unnamed loss.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let mut counters = BTreeMap::from([
            ("assets_evicted", self.registry.evicted),
            ("assets_refused", self.registry.refused),
            ("children_refused", self.registry.children_refused),
            ("claims_forgotten", self.losses.claims),
            ("values_forgotten", self.losses.values),
            ("facts_about_nobody", self.losses.nobody),
            ("facts_refused", self.losses.crowded),
            ("joins_refused", self.losses.joins),
            ("networks_refused", self.registry.networks.refused),
            ("dealings_refused", self.dealings.refused),
            ("control_hours_refused", self.graves.refused),
            ("troubles_refused", self.troubles.refused()),
            ("storms_refused", self.storms.refused),
            ("scans_refused", self.aims.refused() + self.sightings.refused),
            ("service_rows_lumped", self.services.crowded + self.attempts.crowded),
            ("activity_rows_lumped", self.activity.crowded),
            ("operation_rows_lumped", self.operations.crowded),
            ("state_rows_dropped", self.history.dropped),
            ("channels_refused", self.channels.refused()),
            ("coverage_rows_dropped", self.coverage.dropped()),
        ]);
        counters.extend(self.logins.losses());
        counters
    }

    /// How many hosts and children are known.
    pub fn len(&self) -> usize {
        self.registry.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// About what a row of state costs, or one of coverage while its hour lasts.
const STATE_ROW: usize = 1_536;

const NANOS_PER_HOUR: i64 = 3_600_000_000_000;
const NANOS_PER_DAY: i64 = 24 * NANOS_PER_HOUR;

/// The tables, in the order in which records are handed out.
const TABLES: [&str; 9] =
    ["assets", "claims", "services", "activity", "operations", "credentials", "certificates", "findings", "coverage"];

fn key_of(subject: &Subject, protocol: &'static str) -> Key {
    Key { host: subject.host, child: subject.child.clone().map(|child| (protocol, child)) }
}

fn dealing_key(server: Key, client: Host, protocol: &'static str, port: u16) -> DealingKey {
    DealingKey { server, client, protocol, port }
}

/// The subject, which has said something; a child brings its host along.
fn see_subject<'r>(registry: &'r mut Registry, subject: &Subject, evidence: Evidence) -> Option<&'r mut Known> {
    if !subject.host.address.is_host() {
        return None;
    }
    let seen = Seen::once(evidence);
    let host = registry.see(Key::host(subject.host), Standing::Proven, seen)?;
    if subject.child.is_none() {
        // Looked up again, because a borrow that is returned on one path is held on all.
        return registry.see(Key::host(subject.host), Standing::Proven, Seen { count: 0, ..seen });
    }
    host.hours.see(evidence.time);
    registry.see(key_of(subject, evidence.protocol), Standing::Proven, seen)
}

/// An end's share of a conversation.
fn share(known: &mut Known, traffic: &Traffic) {
    known.hours.see(traffic.first_seen);
    known.hours.see(traffic.last_seen);
    known.flows = known.flows.saturating_add(traffic.flows);
    known.flows_two_way = known.flows_two_way.saturating_add(traffic.flows_two_way);
    known.lost_bytes = known.lost_bytes.saturating_add(traffic.lost_bytes);
}

/// The port on the subject's own side; 0 when it was spoken of by others.
fn own_port(host: &Host, evidence: &Evidence) -> u16 {
    let flow = &evidence.flow;
    if flow.source == host.address {
        flow.source_port
    } else if flow.destination == host.address {
        flow.destination_port
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_s_own_port_is_that_of_its_host() {
        let address = |text: &str| dissectors::observation::Address::Ip(text.parse().expect("an address"));
        let host = |text: &str| Host { context: dissectors::observation::Context::default(), address: address(text) };
        let flow = dissectors::observation::FlowId {
            transport: Transport::Tcp,
            source: address("10.0.0.1"),
            source_port: 502,
            destination: address("10.0.0.2"),
            destination_port: 50_000,
        };
        let evidence = Evidence { capture: 0, frame: None, time: Timestamp::default(), protocol: "", flow };
        assert_eq!(own_port(&host("10.0.0.1"), &evidence), 502);
        assert_eq!(own_port(&host("10.0.0.2"), &evidence), 50_000);
        assert_eq!(own_port(&host("10.0.0.3"), &evidence), 0);
    }
}
