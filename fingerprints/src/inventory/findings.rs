//! Findings of a moment, from dealings and assets: a file for each ground that they stand on.

mod capture;
mod communication;
mod control;
mod credential;
mod identity;
mod joined;
mod protection;
mod rank;
mod scan;
mod storm;
mod trouble;

use super::assets::{Asset, Assets};
use super::contest;
use super::coverage::Unseen;
use super::deeds::Graves;
use super::doubles;
use super::known::Key;
use super::matter::Matter;
use super::rows::{self, int};
use super::since::{self, Since};
use super::sums::DeedKey;
use crate::asset::{Attribute, id};
use crate::baseline::Baseline;
use crate::community;
use crate::finding::{Kind, Kinds, Status, fill};
use crate::protocol::Protocols;
use crate::record::{EvidenceRow, FindingRow, Shared};
use crate::rules::Rules;
use control::Hour;
use dissectors::Timestamp;
use dissectors::observation::{Evidence, FlowId, Transport};
use joined::{Between, Relations};
use scan::Scans;
pub(super) use scan::Tracks;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// All findings of a moment.
pub(super) struct Findings {
    pub(super) rows: Vec<FindingRow>,
    control: BTreeMap<Between, Shared>,
    /// How this moment differs from the baseline.
    pub(super) since: Option<Since>,
    /// Those about the control actions of one hour.
    hours: BTreeMap<Hour, Shared>,
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
    pub(super) fn of(ground: &Ground<'_>, graves: &Graves, tracks: &Tracks<'_>, unseen: &[Unseen]) -> Self {
        let mut findings = Self { rows: Vec::new(), control: BTreeMap::new(), hours: BTreeMap::new(), since: None };
        let relations = Relations::of(ground, tracks.dealings);
        let scans = Scans::of(ground, tracks);
        for (between, joined) in relations.iter() {
            if let Some(row) = ground.control(&relations, between, joined) {
                findings.control.insert(between.clone(), row.finding_id.as_str().into());
                findings.rows.push(row);
            }
            if !scans.explain(between) {
                findings.rows.extend(ground.unanswered(between, joined));
                findings.rows.extend(ground.failing(between, joined));
            }
        }
        findings.rows.extend(scans.iter().filter_map(|scan| ground.scan(scan)));
        for (hour, row) in ground.hours(graves) {
            findings.hours.insert(hour, row.finding_id.as_str().into());
            findings.rows.push(row);
        }
        findings.rows.extend(ground.obsolete(tracks.channels));
        findings.rows.extend(ground.certificates(tracks.channels));
        findings.rows.extend(ground.credentials(tracks.logins));
        let assets = &ground.assets.all;
        findings.rows.extend(assets.iter().filter_map(|asset| ground.unidentified(asset)));
        findings.rows.extend(ground.troubles(tracks.troubles));
        findings.rows.extend(ground.storms(tracks.storms));
        findings.rows.extend(contest::findings(ground));
        findings.rows.extend(doubles::findings(ground, tracks.dealings));
        let mut changed: BTreeMap<String, FindingRow> = BTreeMap::new();
        let in_this_run = assets.iter().filter_map(|asset| ground.firmware_changed(asset));
        changed.extend(in_this_run.map(|row| (row.finding_id.clone(), row)));
        if let Some(baseline) = ground.baseline {
            let (rows, since) = since::findings(ground, tracks.logins, baseline);
            findings.since = Some(since);
            // What was known before the run goes before what was seen first in it.
            changed.extend(rows.into_iter().map(|row| (row.finding_id.clone(), row)));
        }
        findings.rows.retain(|row| !changed.contains_key(&row.finding_id));
        findings.rows.extend(changed.into_values());
        findings.rows.extend(unseen.iter().filter_map(|unseen| ground.unseen(unseen)));
        for row in &mut findings.rows {
            ground.advise(row);
            ground.prescribe(row);
        }
        findings.rows.sort_by_cached_key(|row| (Reverse(row.score), row.finding_id.clone()));
        findings
    }

    /// The finding that a control action belongs to: that of its own hour before that of all its client does there.
    pub(super) fn of_deed(&self, assets: &Assets<'_>, deed: &DeedKey, category: &str) -> Option<Shared> {
        let server = Key { host: deed.server, child: deed.child.clone().map(|child| (deed.carrier, child)) };
        let between = Between {
            asset: assets.place(&server)?,
            peer: assets.place(&Key::host(deed.client)),
            protocol: deed.protocol,
            port: deed.port,
        };
        let hour = Hour::of(&between, &deed.operation, category, deed.window);
        self.hours.get(&hour).or_else(|| self.control.get(&between)).cloned()
    }

    /// How many are about each asset.
    pub(super) fn by_asset(&self) -> BTreeMap<&str, i64> {
        let mut counts = BTreeMap::new();
        for id in self.rows.iter().filter(|row| row.is_open()).filter_map(|row| row.asset_id.as_deref()) {
            *counts.entry(id).or_default() += 1;
        }
        counts
    }
}

/// What every finding about something of an asset begins with.
struct Draft<'d, 'a> {
    name: &'d str,
    asset: Option<&'d Asset<'a>>,
    /// What tells it apart from others of its kind and asset.
    key: Vec<&'d str>,
    /// What the remedy acts on: findings that one action cures share its id.
    target: String,
    /// The words of its texts; its details are among them.
    words: BTreeMap<&'d str, String>,
}

impl<'a> Ground<'a> {
    /// A finding about two assets, told apart by more than those if `key` says so.
    fn between(
        &self,
        name: &str,
        between: &Between,
        key: Option<&[&str]>,
        matter: &Matter,
        details: BTreeMap<String, String>,
    ) -> Option<FindingRow> {
        let asset = self.assets.all.get(between.asset)?;
        let peer = self.peer(between);
        let port = between.port.to_string();
        let mut parts = vec![peer.map_or("", |peer| &*peer.id)];
        parts.extend(key.unwrap_or(&[&port, between.protocol]));
        let words = words(asset, peer, between, &details);
        let target = format!("{port}/{}", between.protocol);
        let mut row = self.row(Draft { name, asset: Some(asset), key: parts, target, words })?;
        row.details = details;
        if let Some(peer) = peer {
            name_peer(&mut row, peer);
        }
        row.protocol = Some(between.protocol.to_owned());
        row.port = (between.port != 0).then(|| i32::from(between.port));
        (row.first_seen, row.last_seen) = matter.span?;
        row.opened = row.first_seen;
        row.evidence = matter.evidence.iter().map(|evidence| evidence_row(evidence, Some(asset))).collect();
        row.evidence.sort_by_key(|evidence| (evidence.time, evidence.frame));
        Some(row)
    }

    fn peer(&self, between: &Between) -> Option<&Asset<'a>> {
        between.peer.and_then(|peer| self.assets.all.get(peer))
    }

    /// What every finding has. Its id never changes: site, kind, asset and what tells it apart.
    fn row(&self, draft: Draft<'_, '_>) -> Option<FindingRow> {
        let Draft { name, asset, key, target, words } = draft;
        let kind: &Kind = self.kinds.of(name)?;
        let asset_id = asset.map_or("", |asset| &*asset.id);
        let parts = [self.site, name, asset_id].into_iter().chain(key);
        Some(FindingRow {
            as_of: self.as_of,
            finding_id: id('f', parts),
            kind: name.to_owned(),
            severity: kind.severity.name().to_owned(),
            score: kind.score([]),
            status: Status::Open.name().to_owned(),
            disposition: Some("none".to_owned()),
            title: fill(&kind.title, &words),
            summary: Some(fill(&kind.summary, &words)),
            asset_id: asset.map(|asset| asset.id.to_string()),
            asset_name: asset.map(|asset| asset.title().to_owned()),
            asset_ip: asset.and_then(rows::first_ip),
            confidence: Some(i32::from(kind.confidence)),
            controls: kind.controls.clone(),
            techniques: kind.techniques.clone(),
            remediation: Some(kind.remediation.clone()),
            remediation_id: Some(id('r', [asset_id, &kind.remediation, &target])),
            remediation_parameters: asset.map(device).unwrap_or_default(),
            verification: Some(kind.verification.clone()),
            verifiable: Some(kind.verifiable.clone()),
            ..FindingRow::default()
        })
    }

    /// What to do first is the last sentence of what was seen.
    fn advise(&self, row: &mut FindingRow) {
        let (Some(kind), Some(summary)) = (self.kinds.of(&row.kind), &row.summary) else { return };
        row.summary = Some(format!("{summary} To do: {}.", kind.action_on(row)));
    }

    /// What the tool that acts has to know besides the device: see "Parameters by remediation" in the schema.
    fn prescribe(&self, row: &mut FindingRow) {
        let Some(kind) = self.kinds.of(&row.kind).filter(|kind| kind.policy.is_some()) else { return };
        let port = row.port.map(|port| port.to_string());
        let values = [("peer", row.peer_ip.clone()), ("port", port), ("policy", kind.policy.clone())];
        let known = values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        row.remediation_parameters.extend(known);
    }

    /// A finding about an asset alone, of which there is one of its kind.
    pub(super) fn of_asset(&self, name: &str, asset: &Asset<'_>, words: BTreeMap<&str, String>) -> Option<FindingRow> {
        self.row(Draft { name, asset: Some(asset), key: Vec::new(), target: String::new(), words })
    }

    /// One of several findings of a kind about an asset alone, told apart by `key`.
    pub(super) fn one_of_asset(
        &self,
        name: &str,
        asset: &Asset<'_>,
        key: &str,
        words: BTreeMap<&str, String>,
    ) -> Option<FindingRow> {
        self.row(Draft { name, asset: Some(asset), key: vec![key], target: key.to_owned(), words })
    }
}

/// Who else a finding is about.
pub(super) fn name_peer(row: &mut FindingRow, peer: &Asset<'_>) {
    row.peer_asset_id = Some(peer.id.to_string());
    row.peer_name = Some(peer.title().to_owned());
    row.peer_ip = rows::first_ip(peer);
}

/// Which device it is, for the tool that acts.
fn device(asset: &Asset<'_>) -> BTreeMap<String, String> {
    let attributes = [Attribute::Vendor, Attribute::Model, Attribute::Serial];
    let known = attributes.into_iter().filter_map(|attribute| Some((attribute, asset.value(attribute)?)));
    known.map(|(attribute, value)| (attribute.name().to_owned(), value.to_owned())).collect()
}

/// The words that a kind's texts may hold.
fn words<'w>(
    asset: &Asset<'_>,
    peer: Option<&Asset<'_>>,
    between: &Between,
    details: &'w BTreeMap<String, String>,
) -> BTreeMap<&'w str, String> {
    let mut words: BTreeMap<&str, String> =
        details.iter().map(|(word, value)| (word.as_str(), value.clone())).collect();
    words.insert("asset", asset.title().to_owned());
    words.insert("peer", peer.map_or("an unknown host", Asset::title).to_owned());
    words.insert("protocol", between.protocol.to_owned());
    words.insert("port", between.port.to_string());
    words
}

/// What was asked, the most frequent first.
fn operations(protocol: &str, matter: &Matter) -> String {
    let mut operations = matter.operations.clone();
    operations.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    let named =
        operations.iter().map(|(operation, count)| format!("{} x {count}", rows::operation_title(protocol, operation)));
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
