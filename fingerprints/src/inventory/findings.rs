//! Findings of a moment, from dealings and assets.

use super::assets::{Asset, Assets};
use super::contest;
use super::coverage::Unseen;
use super::dealings::{Dealings, Deeds, Matter};
use super::known::Key;
use super::rows::{self, int};
use super::since::{self, Since};
use super::sums::DeedKey;
use crate::asset::{Attribute, id};
use crate::baseline::Baseline;
use crate::community;
use crate::finding::{Kind, Kinds, Status, UNANSWERED, UNAUTHENTICATED_CONTROL, UNIDENTIFIED, fill};
use crate::protocol::Protocols;
use crate::record::{EvidenceRow, FindingRow, Shared};
use crate::rules::Rules;
use dissectors::Timestamp;
use dissectors::observation::{Evidence, FlowId, Host, Transport};
use std::collections::BTreeMap;

/// What a finding about two assets is told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Between {
    asset: usize,
    peer: Option<usize>,
    protocol: &'static str,
    port: u16,
}

/// What two assets had to do with each other, over all their addresses.
#[derive(Default)]
struct Joined {
    requests: u64,
    control: Matter,
    deeds: Deeds,
    unanswered: Matter,
    /// Devices behind the asset that did not answer, and how often.
    silent: BTreeMap<String, u64>,
}

/// All findings of a moment.
pub(super) struct Findings {
    pub(super) rows: Vec<FindingRow>,
    control: BTreeMap<Between, Shared>,
    /// How this moment differs from the baseline.
    pub(super) since: Option<Since>,
}

/// What findings are made of.
pub(super) struct Ground<'a> {
    pub(super) site: &'a str,
    pub(super) as_of: Timestamp,
    pub(super) assets: &'a Assets<'a>,
    pub(super) protocols: &'a Protocols,
    pub(super) kinds: &'a Kinds,
    pub(super) rules: &'a Rules,
    pub(super) baseline: Option<&'a Baseline>,
}

impl Findings {
    pub(super) fn of(ground: &Ground<'_>, dealings: &Dealings, unseen: &[Unseen]) -> Self {
        let mut findings = Self { rows: Vec::new(), control: BTreeMap::new(), since: None };
        for (between, joined) in ground.joined(dealings) {
            if let Some(row) = ground.control(&between, &joined) {
                findings.control.insert(between.clone(), row.finding_id.as_str().into());
                findings.rows.push(row);
            }
            findings.rows.extend(ground.unanswered(&between, &joined));
        }
        findings.rows.extend(ground.assets.all.iter().filter_map(|asset| ground.unidentified(asset)));
        findings.rows.extend(contest::findings(ground));
        if let Some(baseline) = ground.baseline {
            let (rows, since) = since::findings(ground, baseline);
            findings.since = Some(since);
            findings.rows.extend(rows);
        }
        findings.rows.extend(unseen.iter().filter_map(|unseen| ground.unseen(unseen)));
        findings.rows.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.finding_id.cmp(&b.finding_id)));
        findings
    }

    /// The finding that a control action belongs to.
    pub(super) fn of_deed(&self, assets: &Assets<'_>, deed: &DeedKey) -> Option<Shared> {
        let server = Key { host: deed.server, child: deed.child.clone().map(|child| (deed.carrier, child)) };
        let between = Between {
            asset: assets.place(&server)?,
            peer: assets.place(&Key::host(deed.client)),
            protocol: deed.protocol,
            port: deed.port,
        };
        self.control.get(&between).cloned()
    }

    /// How many are about each asset.
    pub(super) fn by_asset(&self) -> BTreeMap<&str, i64> {
        let mut counts = BTreeMap::new();
        for id in self.rows.iter().filter_map(|row| row.asset_id.as_deref()) {
            *counts.entry(id).or_default() += 1;
        }
        counts
    }
}

impl Ground<'_> {
    fn joined(&self, dealings: &Dealings) -> BTreeMap<Between, Joined> {
        let mut all: BTreeMap<Between, Joined> = BTreeMap::new();
        for (key, dealing) in dealings.sorted() {
            let Some(asset) = self.assets.place(&key.server) else { continue };
            let peer = self.assets.place(&Key::host(key.client));
            let between = Between { asset, peer, protocol: key.protocol, port: key.port };
            let joined = all.entry(between).or_default();
            joined.requests = joined.requests.saturating_add(dealing.requests);
            joined.control.join(&dealing.control);
            joined.deeds.join(&dealing.deeds);
            if dealing.unanswered.count > 0 && (dealing.server_heard || self.gets_answers(key.client)) {
                joined.unanswered.join(&dealing.unanswered);
                if let Some(child) = key.server.child_key() {
                    *joined.silent.entry(child).or_default() += dealing.unanswered.count;
                }
            }
        }
        all
    }

    /// Whether anybody was seen to answer this client: else a mirror that shows one direction explains the silence.
    fn gets_answers(&self, client: Host) -> bool {
        let asset = self.assets.of(client);
        asset.is_some_and(|asset| asset.members.iter().any(|known| known.flows_two_way > 0))
    }

    /// Control messages without authentication, once per client and server.
    fn control(&self, between: &Between, joined: &Joined) -> Option<FindingRow> {
        let deeds = &joined.deeds;
        let counts = [
            ("accepted", deeds.accepted),
            ("rejected", deeds.rejected),
            ("unanswered", deeds.unanswered),
            ("unknown", deeds.unknown),
        ];
        let told = counts.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        let messages = joined.control.count.max(told);
        if messages == 0 || !self.protocols.of(between.protocol).is_open() {
            return None;
        }
        let operations = operations(between, &joined.control);
        let mut details = BTreeMap::from([("messages".to_owned(), messages.to_string())]);
        details.extend(counts.into_iter().filter(|(_, n)| *n > 0).map(|(word, n)| (word.to_owned(), n.to_string())));
        let operations = if operations.is_empty() { format!("{messages} in all") } else { operations };
        details.insert("operations".to_owned(), operations);
        if !deeds.targets.is_empty() {
            details.insert("targets".to_owned(), deeds.targets.join(", "));
        }
        let mut row = self.between(UNAUTHENTICATED_CONTROL, between, &joined.control, details)?;
        row.count = int(messages);
        self.prescribe(&mut row, between);
        Some(row)
    }

    fn unanswered(&self, between: &Between, joined: &Joined) -> Option<FindingRow> {
        let unanswered = joined.unanswered.count;
        if unanswered < self.kinds.of(UNANSWERED)?.at_least {
            return None;
        }
        let requests = joined.requests.max(unanswered);
        let mut details = BTreeMap::from([
            ("requests".to_owned(), requests.to_string()),
            ("unanswered".to_owned(), unanswered.to_string()),
            ("operations".to_owned(), operations(between, &joined.unanswered)),
        ]);
        if !joined.silent.is_empty() {
            let silent = joined.silent.iter().take(16).map(|(child, count)| format!("{child} ({count})"));
            details.insert("silent".to_owned(), silent.collect::<Vec<_>>().join(", "));
        }
        let mut row = self.between(UNANSWERED, between, &joined.unanswered, details)?;
        row.count = int(unanswered);
        Some(row)
    }

    /// An asset of the plant that did not say what it is.
    fn unidentified(&self, asset: &Asset<'_>) -> Option<FindingRow> {
        let protocols = asset.protocols();
        let serves_plant = protocols.iter().any(|name| self.protocols.of(name).industrial && asset.serves(name));
        if asset.names_itself() || !(serves_plant || asset.value(Attribute::Role).is_some()) {
            return None;
        }
        let kind = self.kinds.of(UNIDENTIFIED)?;
        let naming = protocols.iter().filter_map(|name| {
            let facts = self.protocols.of(name);
            let how = if asset.serves(name) { &facts.server } else { &facts.client };
            how.as_ref().map(|how| format!("{name}: {how}"))
        });
        let naming: Vec<String> = naming.collect();
        let mut details = BTreeMap::from([("what_would_name_it".to_owned(), naming.join("; "))]);
        if let Some(role) = asset.value(Attribute::Role) {
            details.insert("role".to_owned(), role.to_owned());
        }
        let spoken: Vec<&str> = protocols.into_iter().collect();
        let words = words(asset, None, &spoken.join(", "), &details);
        let mut row = self.row(UNIDENTIFIED, kind, Some(asset), &words, &[]);
        row.details = details;
        row.count = 1;
        (row.first_seen, row.last_seen) = (asset.first_seen(), asset.last_seen());
        row.opened = row.first_seen;
        let seen = asset.homes.iter().map(|home| home.seen.evidence).find(|evidence| evidence.frame.is_some());
        row.evidence = seen.map(|evidence| evidence_row(&evidence, Some(asset))).into_iter().collect();
        Some(row)
    }

    /// Something that the capture does not show. It is about the network, and no asset's.
    fn unseen(&self, unseen: &Unseen) -> Option<FindingRow> {
        let kind = self.kinds.of(unseen.kind)?;
        let mut words: BTreeMap<&str, String> = unseen.words.clone();
        words.extend(unseen.details.iter().map(|(word, value)| (word.as_str(), value.clone())));
        let mut row = self.row(unseen.kind, kind, None, &words, &[&unseen.key]);
        row.details = unseen.details.clone();
        row.count = int(unseen.count);
        (row.first_seen, row.last_seen) = unseen.span;
        row.opened = row.first_seen;
        row.evidence = unseen
            .evidence
            .iter()
            .map(|evidence| EvidenceRow { context: rows::context(unseen.context), ..evidence_row(evidence, None) })
            .collect();
        row.evidence.extend(unseen.place.map(|place| EvidenceRow {
            time: place.time,
            capture: Some(place.capture.to_string()),
            frame: place.frame.map(int),
            display_filter: place.frame.map(|frame| format!("frame.number == {frame}")),
            ..EvidenceRow::default()
        }));
        Some(row)
    }

    /// A finding about two assets.
    fn between(
        &self,
        name: &str,
        between: &Between,
        matter: &Matter,
        details: BTreeMap<String, String>,
    ) -> Option<FindingRow> {
        let kind = self.kinds.of(name)?;
        let asset = self.assets.all.get(between.asset)?;
        let peer = between.peer.and_then(|peer| self.assets.all.get(peer));
        let words = words(asset, peer, between.protocol, &details);
        let port = between.port.to_string();
        let key = [peer.map_or("", |peer| &*peer.id), &port, between.protocol];
        let mut row = self.row(name, kind, Some(asset), &words, &key);
        row.details = details;
        row.peer_asset_id = peer.map(|peer| peer.id.to_string());
        row.peer_name = peer.map(|peer| peer.title().to_owned());
        row.peer_ip = peer.and_then(rows::first_ip);
        row.protocol = Some(between.protocol.to_owned());
        row.port = (between.port != 0).then(|| i32::from(between.port));
        (row.first_seen, row.last_seen) = matter.span?;
        row.opened = row.first_seen;
        row.evidence = matter.evidence.iter().map(|evidence| evidence_row(evidence, Some(asset))).collect();
        Some(row)
    }

    /// What every finding has. Its id never changes: site, kind, asset and what tells it apart.
    pub(super) fn row(
        &self,
        name: &str,
        kind: &Kind,
        asset: Option<&Asset<'_>>,
        words: &BTreeMap<&str, String>,
        key: &[&str],
    ) -> FindingRow {
        let asset_id = asset.map_or("", |asset| &*asset.id);
        let parts = [self.site, name, asset_id].into_iter().chain(key.iter().copied());
        // Findings that one action cures share its id: those of an asset and port, or of a network.
        let target = key.get(usize::from(asset.is_some())..).unwrap_or_default().join("/");
        FindingRow {
            as_of: self.as_of,
            finding_id: id('f', parts),
            kind: name.to_owned(),
            severity: kind.severity.name().to_owned(),
            score: kind.score(),
            status: Status::Open.name().to_owned(),
            disposition: Some("none".to_owned()),
            title: fill(&kind.title, words),
            summary: Some(fill(&kind.summary, words)),
            asset_id: asset.map(|asset| asset.id.to_string()),
            asset_name: asset.map(|asset| asset.title().to_owned()),
            asset_ip: asset.and_then(rows::first_ip),
            confidence: Some(i32::from(kind.confidence)),
            controls: kind.controls.clone(),
            techniques: kind.techniques.clone(),
            remediation: Some(kind.remediation.clone()),
            remediation_id: Some(id('r', [asset_id, &kind.remediation, &target])),
            verification: Some(kind.verification.clone()),
            verifiable: Some(kind.verifiable.clone()),
            ..FindingRow::default()
        }
    }

    /// What the tool that acts has to know.
    fn prescribe(&self, row: &mut FindingRow, between: &Between) {
        let Some(asset) = self.assets.all.get(between.asset) else { return };
        let values = [
            ("peer", row.peer_ip.clone()),
            ("port", row.port.map(|port| port.to_string())),
            ("vendor", asset.value(Attribute::Vendor).map(str::to_owned)),
            ("model", asset.value(Attribute::Model).map(str::to_owned)),
            ("serial", asset.value(Attribute::Serial).map(str::to_owned)),
        ];
        let known = values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        row.remediation_parameters = known.collect();
    }
}

/// The words that a kind's texts may hold.
fn words<'w>(
    asset: &Asset<'_>,
    peer: Option<&Asset<'_>>,
    protocol: &str,
    details: &'w BTreeMap<String, String>,
) -> BTreeMap<&'w str, String> {
    let mut words: BTreeMap<&str, String> =
        details.iter().map(|(word, value)| (word.as_str(), value.clone())).collect();
    words.insert("asset", asset.title().to_owned());
    words.insert("peer", peer.map_or("an unknown host", Asset::title).to_owned());
    words.insert("protocol", protocol.to_owned());
    words
}

/// What was asked, the most frequent first.
fn operations(between: &Between, matter: &Matter) -> String {
    let mut operations = matter.operations.clone();
    operations.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    let named = operations
        .iter()
        .map(|(operation, count)| format!("{} x {count}", rows::operation_title(between.protocol, operation)));
    named.collect::<Vec<_>>().join(", ")
}

pub(super) fn evidence_row(evidence: &Evidence, asset: Option<&Asset<'_>>) -> EvidenceRow {
    EvidenceRow {
        time: evidence.time,
        capture: Some(evidence.capture.to_string()),
        capture_id: None,
        frame: evidence.frame.map(int),
        protocol: Some(evidence.protocol.to_owned()).filter(|protocol| !protocol.is_empty()),
        display_filter: Some(evidence.to_string()),
        community_id: community::id(&evidence.flow),
        context: asset.and_then(|asset| asset.homes.first()).and_then(|home| rows::context(home.key.host.context)),
        flow: Some(flow(&evidence.flow)),
        packet_file: None,
    }
}

/// `10.0.0.1:50000 > 10.0.0.2:502 tcp`; frames without IP have no ports.
fn flow(flow: &FlowId) -> String {
    let end = |address: dissectors::observation::Address, port: u16| match (flow.transport, address) {
        (Transport::Tcp | Transport::Udp, dissectors::observation::Address::Ip(std::net::IpAddr::V6(ip))) => {
            format!("[{ip}]:{port}")
        }
        (Transport::Tcp | Transport::Udp, address) => format!("{address}:{port}"),
        (_, address) => address.to_string(),
    };
    let source = end(flow.source, flow.source_port);
    let destination = end(flow.destination, flow.destination_port);
    format!("{source} > {destination} {}", flow.transport)
}
