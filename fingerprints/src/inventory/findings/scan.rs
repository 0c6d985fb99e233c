//! Findings about whoever looks for what there is: many devices asked in vain, and each only a few times.
//!
//! A client at work asks what it knows to be there, again and again. What is asked in vain, by the dozen, and hardly ever
//! twice, is looked for. How much of it makes a scan stands in `data/findings.toml`.

use super::joined::{Between, earlier};
use super::{Ground, evidence_row};
use crate::finding::{SCAN, Sign};
use crate::inventory::aims::{AimKey, Aimed, Aims};
use crate::inventory::assets::Asset;
use crate::inventory::channels::Channels;
use crate::inventory::dealings::{Dealing, Dealings};
use crate::inventory::known::{Key, Seen};
use crate::inventory::logins::Logins;
use crate::inventory::sightings::Sightings;
use crate::inventory::storms::Storms;
use crate::inventory::sums::{Service, ServiceKey, Sums};
use crate::inventory::troubles::Troubles;
use crate::mark::Marks;
use crate::record::FindingRow;
use dissectors::observation::{Evidence, Host, Operation, Transport};
use std::collections::{BTreeMap, BTreeSet};

/// Many devices behind one server.
const UNITS: &str = "units";
/// Many devices behind one server, asked for nothing but what they are.
const IDENTITIES: &str = "identities";
/// Many servers, asked for nothing but what they are.
const SERVERS: &str = "servers";
/// Many functions of one device.
const FUNCTIONS: &str = "functions";
/// Many hosts at one port.
const HOSTS: &str = "hosts";

/// What scans, and findings of other kinds, are seen by.
pub(in crate::inventory) struct Tracks<'t> {
    pub(in crate::inventory) channels: &'t Channels,
    pub(in crate::inventory) logins: &'t Logins,
    pub(in crate::inventory) dealings: &'t Dealings,
    pub(in crate::inventory) aims: &'t Aims,
    pub(in crate::inventory) services: &'t Sums<ServiceKey, Service>,
    pub(in crate::inventory) sightings: &'t Sightings,
    pub(in crate::inventory) troubles: &'t Troubles,
    pub(in crate::inventory) storms: &'t Storms,
    pub(in crate::inventory) marks: &'t Marks,
}

/// What one asset did that only a scanner does.
#[derive(Default)]
pub(super) struct Scan {
    /// In words, in the order of what was found.
    words: Vec<String>,
    tools: BTreeSet<String>,
    /// What was touched, by its place among the assets.
    targets: BTreeSet<usize>,
    protocol: Option<&'static str>,
    port: Option<u16>,
    seen: Option<Seen>,
    tried: u64,
}

impl Scan {
    fn see(&mut self, seen: Seen) {
        match &mut self.seen {
            Some(known) => known.add(seen),
            known => *known = Some(seen),
        }
    }
}

/// All scans, by who makes them.
pub(super) struct Scans(BTreeMap<usize, Scan>);

impl Scans {
    pub(super) fn of(ground: &Ground<'_>, tracks: &Tracks<'_>) -> Self {
        let mut scans = Self(BTreeMap::new());
        scans.walks(ground, tracks);
        scans.inventories(ground, tracks);
        scans.sweeps(ground, tracks);
        scans.marked(ground, tracks);
        scans
    }

    /// Whether what a client asked of a server is a part of its scan: then it is no trouble of theirs.
    pub(super) fn explain(&self, between: &Between) -> bool {
        let scan = between.peer.and_then(|peer| self.0.get(&peer));
        scan.is_some_and(|scan| scan.targets.contains(&between.asset))
    }

    /// Devices behind one server, or functions of one, that were asked in vain.
    fn walks(&mut self, ground: &Ground<'_>, tracks: &Tracks<'_>) {
        let mut walks: BTreeMap<(Host, Host, &'static str, u16), Asked<'_>> = BTreeMap::new();
        for (key, dealing) in tracks.dealings.sorted() {
            let is_plant = ground.protocols.of(key.protocol).industrial;
            if is_plant && dealing.requests > 0 && (dealing.server_heard || ground.gets_answers(key.client)) {
                let ends = (key.client, key.server.host, key.protocol, key.port);
                walks.entry(ends).or_default().push((&key.server, dealing));
            }
        }
        for ((client, server, protocol, port), asked) in walks {
            let Some(place) = ground.assets.place(&Key::host(client)) else { continue };
            let told = [ground.units(protocol, &asked, tracks.marks), ground.functions(&asked)];
            for Told { words, tool, tried } in told.into_iter().flatten() {
                let scan = self.0.entry(place).or_default();
                scan.words.push(words);
                scan.tools.extend(tool);
                scan.tried = scan.tried.saturating_add(tried);
                scan.targets.extend(ground.assets.place(&Key::host(server)));
                scan.targets.extend(asked.iter().filter_map(|(key, _)| ground.assets.place(key)));
                (scan.protocol, scan.port) = (Some(protocol), Some(port));
                asked.iter().filter_map(|(_, dealing)| seen(dealing)).for_each(|seen| scan.see(seen));
            }
        }
    }

    /// Servers that were asked for nothing but what they are, answered or not: who works with a device asks for more.
    fn inventories(&mut self, ground: &Ground<'_>, tracks: &Tracks<'_>) {
        let Some(sign) = ground.sign(SERVERS) else { return };
        let mut looks: BTreeMap<(Host, &'static str, u16), BTreeMap<Host, Look<'_>>> = BTreeMap::new();
        for (key, dealing) in tracks.dealings.sorted().into_iter().filter(|(_, dealing)| dealing.requests > 0) {
            let servers = looks.entry((key.client, key.protocol, key.port)).or_default();
            servers.entry(key.server.host).or_default().add(dealing);
        }
        for ((client, protocol, port), servers) in looks {
            let facts = ground.protocols.of(protocol);
            let is_look = |look: &&Look<'_>| {
                look.most <= sign.repeats && look.asked.iter().all(|operation| facts.identifies(operation))
            };
            let count = servers.values().filter(is_look).count() as u64;
            let Some(place) = ground.assets.place(&Key::host(client)) else { continue };
            if !sign.holds(count, servers.len() as u64) {
                continue;
            }
            let asked: BTreeSet<&str> =
                servers.values().filter(is_look).flat_map(|look| &look.asked).map(String::as_str).collect();
            let scan = self.0.entry(place).or_default();
            scan.words.push(format!("asked {count} servers at port {port} for nothing but what they are"));
            scan.tools.extend(tracks.marks.walker(protocol, asked.into_iter()).map(str::to_owned));
            scan.tried = scan.tried.saturating_add(count);
            let targets = servers.keys().filter_map(|server| ground.assets.place(&Key::host(*server)));
            scan.targets.extend(targets);
            (scan.protocol, scan.port) = (Some(protocol), Some(port));
            servers
                .values()
                .flat_map(|look| &look.dealings)
                .filter_map(|dealing| begun(dealing))
                .for_each(|seen| scan.see(seen));
        }
    }

    /// Hosts that were tried in vain at one port of the plant.
    fn sweeps(&mut self, ground: &Ground<'_>, tracks: &Tracks<'_>) {
        let Some(sign) = ground.sign(HOSTS) else { return };
        for ((place, transport, port), sweep) in ground.tried(tracks) {
            let vain = sweep.aimed.hosts() + sweep.refused.len() as u64;
            let all = vain + sweep.served.len() as u64;
            let flows = sweep.aimed.flows() + sweep.refused.values().sum::<u64>();
            if !sign.holds(vain, all) || flows > vain * sign.repeats {
                continue;
            }
            let scan = self.0.entry(place).or_default();
            scan.words.push(format!("tried {vain} hosts or more at port {port}/{transport} in vain"));
            scan.tried = scan.tried.saturating_add(vain);
            scan.targets.extend(&sweep.served);
            scan.port = Some(port);
            sweep.aimed.seen.into_iter().chain(sweep.seen).for_each(|seen| scan.see(seen));
        }
    }

    /// Who bears a scanner's mark, and touched a device of the plant.
    fn marked(&mut self, ground: &Ground<'_>, tracks: &Tracks<'_>) {
        for (key, seen) in tracks.sightings.sorted() {
            let target = Host { context: key.client.context, address: key.target };
            let (Some(place), Some(target)) =
                (ground.assets.place(&Key::host(key.client)), ground.assets.place(&Key::host(target)))
            else {
                continue;
            };
            let Some(seen) = seen.filter(|_| ground.is_of_the_plant(target)) else { continue };
            let scan = self.0.entry(place).or_default();
            let Some(mark) = tracks.marks.at(key.mark) else { continue };
            let words = mark.what();
            if !scan.words.contains(&words) {
                scan.words.push(words);
            }
            scan.tools.extend(mark.tool.clone());
            scan.targets.insert(target);
            scan.tried = scan.tried.saturating_add(1);
            scan.protocol = scan.protocol.or(Some(seen.evidence.protocol));
            scan.port = scan.port.or(Some(seen.evidence.flow.destination_port));
            scan.see(seen);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Scan)> {
        self.0.iter().map(|(place, scan)| (*place, scan))
    }
}

/// What a client asked of a server, and of each device behind it.
type Asked<'d> = Vec<(&'d Key, &'d Dealing)>;

/// What a client asked of a server and the devices behind it.
#[derive(Default)]
struct Look<'d> {
    asked: BTreeSet<String>,
    /// The most requests to one of them.
    most: u64,
    dealings: Vec<&'d Dealing>,
}

impl<'d> Look<'d> {
    fn add(&mut self, dealing: &'d Dealing) {
        self.asked.extend(dealing.asked.iter().map(Operation::to_string));
        self.most = self.most.max(dealing.requests);
        self.dealings.push(dealing);
    }
}

/// Something that only a scanner does, in words.
struct Told {
    words: String,
    tool: Option<String>,
    tried: u64,
}

/// What one asset tried at one port of many hosts.
#[derive(Default)]
struct Sweep {
    aimed: Aimed,
    /// Hosts that answered without a word of the plant's protocols, and in how many conversations.
    refused: BTreeMap<Host, u64>,
    /// Assets that spoke.
    served: BTreeSet<usize>,
    seen: Option<Seen>,
}

impl Ground<'_> {
    fn sign(&self, name: &str) -> Option<&Sign> {
        self.kinds.of(SCAN)?.signs.get(name)
    }

    /// A walk over the devices behind a server.
    fn units(&self, protocol: &str, asked: &[(&Key, &Dealing)], marks: &Marks) -> Option<Told> {
        let units: Vec<&Dealing> =
            asked.iter().filter(|(key, _)| key.child.is_some()).map(|(_, dealing)| *dealing).collect();
        let operations: BTreeSet<String> =
            units.iter().flat_map(|dealing| &dealing.asked).map(Operation::to_string).collect();
        let only_identity = operations.iter().all(|operation| self.protocols.of(protocol).identifies(operation));
        let sign = self.sign(if only_identity { IDENTITIES } else { UNITS })?;
        let in_vain = |dealing: &&&Dealing| is_in_vain(dealing) && dealing.requests <= sign.repeats;
        let vain = units.iter().filter(in_vain).count() as u64;
        let all = units.len() as u64;
        sign.holds(vain, all).then(|| Told {
            words: format!("asked {all} devices behind one address, {vain} of them in vain"),
            tool: marks.walker(protocol, operations.iter().map(String::as_str)).map(str::to_owned),
            tried: all,
        })
    }

    /// A walk over the functions of a server or of what stands behind it.
    fn functions(&self, asked: &[(&Key, &Dealing)]) -> Option<Told> {
        let sign = self.sign(FUNCTIONS)?;
        let of = |dealing: &Dealing| {
            let refused = dealing.refusals.operations.iter().chain(&dealing.unanswered.operations);
            let few = refused.filter(|(_, count)| *count <= sign.repeats);
            few.map(|(operation, _)| operation.clone()).collect::<BTreeSet<Operation>>().len() as u64
        };
        let (vain, all) =
            asked.iter().map(|(_, dealing)| (of(dealing), dealing.asked.len() as u64)).max_by_key(|(vain, _)| *vain)?;
        let words = format!("asked for {all} functions of one device or more, {vain} of them in vain");
        sign.holds(vain, all).then_some(Told { words, tool: None, tried: all })
    }

    /// What was tried at the ports of the plant, by who tried.
    fn tried(&self, tracks: &Tracks<'_>) -> BTreeMap<(usize, Transport, u16), Sweep> {
        let mut sweeps: BTreeMap<(usize, Transport, u16), Sweep> = BTreeMap::new();
        for (AimKey { source, transport, port }, aimed) in tracks.aims.sorted() {
            let Some(place) = self.assets.place(&Key::host(*source)) else { continue };
            sweeps.entry((place, *transport, *port)).or_default().aimed.join(aimed);
        }
        for (key, service) in tracks.services.all() {
            let (Some(client), Some(server)) = (key.client, key.server) else { continue };
            if key.server_is_group || !tracks.aims.ports().holds(key.transport, key.port) {
                continue;
            }
            let Some(place) = self.assets.place(&Key::host(client)) else { continue };
            let sweep = sweeps.entry((place, key.transport, key.port)).or_default();
            let is_answered = service.to_client.packets > 0;
            match self.assets.place(&Key::host(server)) {
                Some(server) if key.protocol.is_some() && is_answered => {
                    sweep.served.insert(server);
                }
                _ if is_answered || self.gets_answers(client) => {
                    let flows = sweep.refused.entry(server).or_default();
                    *flows = flows.saturating_add(service.flows);
                }
                _ => {}
            }
        }
        sweeps
    }

    /// Whether a device of the plant is, or is spoken to as one.
    fn is_of_the_plant(&self, place: usize) -> bool {
        let asset = self.assets.all.get(place);
        asset.is_some_and(|asset| {
            asset.protocols().iter().any(|name| self.protocols.of(name).industrial && asset.serves(name))
        })
    }

    /// Who looks for what there is.
    pub(super) fn scan(&self, (place, scan): (usize, &Scan)) -> Option<FindingRow> {
        let asset: &Asset<'_> = self.assets.all.get(place)?;
        let seen = scan.seen?;
        let targets: Vec<&Asset<'_>> = scan.targets.iter().filter_map(|place| self.assets.all.get(*place)).collect();
        let tool: Vec<&str> = scan.tools.iter().map(String::as_str).collect();
        let what = scan.words.join("; ");
        let mut details = BTreeMap::from([("what".to_owned(), what.clone())]);
        if !tool.is_empty() {
            details.insert("tool".to_owned(), tool.join(", "));
        }
        if !targets.is_empty() {
            let named: Vec<&str> = targets.iter().take(MOST_TARGETS).map(|target| target.title()).collect();
            details.insert("targets".to_owned(), named.join(", "));
        }
        let mut words: BTreeMap<&str, String> = BTreeMap::from([("asset", asset.title().to_owned())]);
        words.insert("what", what);
        words.insert(
            "looks_like",
            if tool.is_empty() { String::new() } else { format!(" It looks like {}.", tool.join(", ")) },
        );
        let mut row = self.of_asset(SCAN, asset, words)?;
        row.details = details;
        if let [target] = targets.as_slice() {
            row.peer_asset_id = Some(target.id.to_string());
            row.peer_name = Some(target.title().to_owned());
            row.peer_ip = crate::inventory::rows::first_ip(target);
        }
        row.protocol = scan.protocol.map(str::to_owned);
        row.port = scan.port.filter(|port| *port != 0).map(i32::from);
        row.count = crate::inventory::rows::int(scan.tried);
        (row.opened, row.first_seen, row.last_seen) = (seen.first, seen.first, seen.last);
        row.evidence = vec![evidence_row(&seen.evidence, Some(asset))];
        Some(row)
    }
}

/// As many targets are named.
const MOST_TARGETS: usize = 8;

/// Whether not one request got what it asked for, as far as the capture shows.
fn is_in_vain(dealing: &Dealing) -> bool {
    let refused = dealing.refusals.count;
    dealing.answers == refused && refused.saturating_add(dealing.unanswered.count) >= dealing.requests
}

/// When a dealing was, and where its first request is seen.
fn begun(dealing: &Dealing) -> Option<Seen> {
    let evidence = dealing.begun?;
    let last =
        [&dealing.unanswered, &dealing.refusals].into_iter().filter_map(|matter| matter.span).map(|(_, last)| last);
    Some(Seen::between(evidence.time, last.max().unwrap_or(evidence.time).max(evidence.time), evidence))
}

/// When a dealing was, and where its first refusal or silence is seen.
fn seen(dealing: &Dealing) -> Option<Seen> {
    let matters = [&dealing.unanswered, &dealing.refusals];
    let first: Option<Evidence> =
        matters.iter().filter_map(|matter| matter.evidence.first()).min_by_key(|evidence| evidence.time).copied();
    let last = matters.iter().filter_map(|matter| matter.span).map(|(_, last)| last).max()?;
    let evidence = first?;
    let since = earlier(dealing.since, Some(evidence.time))?;
    Some(Seen::between(since, last, evidence))
}
