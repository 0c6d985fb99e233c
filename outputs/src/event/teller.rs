//! From rows to events: what is new, what has changed since it was told, and what it was before.
//!
//! What counts as a change is said by column. Counts, times of the last sight and scores change with every capture; if they
//! were told, every reading would tell everything again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dissectors::Timestamp;
use fingerprints::asset::id;
use fingerprints::finding::Severity;
use fingerprints::record::{AssetRow, CoverageRow, FindingRow, HealthRow, Provenance, Record};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Data, Event, Traits, remedy, source};
use crate::lines::Object;
use crate::schema::Table;

/// What was told of a subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// How many events.
    pub times: u64,
    /// Of when the last one was, in microseconds.
    #[serde(default)]
    pub time: i64,
    /// What they said in the end, column by column: what a change is told by.
    pub said: Map<String, Value>,
}

/// Who remembers what was told.
pub trait Memory {
    /// What was told of a subject, if anything.
    fn told(&self, subject: &str) -> Option<Told>;

    /// Now this was told.
    fn tell(&mut self, subject: &str, told: Told);
}

/// Remembers what this run told, and nothing from before.
#[derive(Debug, Default)]
pub struct Nothing(BTreeMap<String, Told>);

impl Memory for Nothing {
    fn told(&self, subject: &str) -> Option<Told> {
        self.0.get(subject).cloned()
    }

    fn tell(&mut self, subject: &str, told: Told) {
        self.0.insert(subject.to_owned(), told);
    }
}

/// Makes events from rows.
pub struct Teller {
    provenance: Provenance,
    source: String,
    /// The assets of this run: a finding's event holds its own.
    assets: HashMap<String, (Arc<AssetRow>, Arc<Value>)>,
}

/// The columns of a finding whose change is news.
const OF_FINDING: &[&str] = &[
    "kind",
    "severity",
    "status",
    "disposition",
    "resolution",
    "title",
    "asset_id",
    "asset_ip",
    "peer_asset_id",
    "zone",
    "protocol",
    "port",
    "due",
    "details",
    "cves",
    "advisory_ids",
    "kev",
    "fixed_version",
    "remediation",
    "remediation_id",
    "remediation_parameters",
    "verifiable",
    "ticket",
    "assigned_to",
    "accepted_by",
    "accepted_until",
    "compensating_measure",
];

/// The columns of an asset whose change is news.
const OF_ASSET: &[&str] = &[
    "aliases",
    "parent_asset_id",
    "kind",
    "child_key",
    "name",
    "macs",
    "ips",
    "context",
    "hostname",
    "vendor",
    "model",
    "order_code",
    "firmware",
    "hardware",
    "serial",
    "os",
    "role",
    "purdue_level",
    "zone",
    "location",
    "protocols",
    "listening_ports",
    "firmware_status",
    "latest_firmware",
    "vulnerability_status",
    "cves",
    "lifecycle",
    "support_ends",
    "tag",
    "owner",
    "unit",
    "criticality",
    "intended_zone",
];

/// What depends on the run and not on the packets: it decides no id.
const OF_RUN: [&str; 2] = ["run_id", "revision"];

impl Teller {
    /// A teller for the rows of a run.
    pub fn new(provenance: Provenance) -> Self {
        Self { source: source(&provenance), provenance, assets: HashMap::new() }
    }

    /// Who tells, as a URI.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The events of a row, in their order; assets come before the findings about them. What is told is remembered.
    pub fn tell(&mut self, record: &Record, memory: &mut dyn Memory) -> Vec<Event> {
        let row = self.row(record);
        match record {
            Record::Assets(asset) => self.asset(asset, row, memory),
            Record::Findings(finding) => self.finding(finding, row, memory).into_iter().collect(),
            Record::Coverage(coverage) => self.coverage(coverage, &row).into_iter().collect(),
            Record::Health(health) => vec![self.health(health, &row)],
            _ => Vec::new(),
        }
    }

    fn row(&self, record: &Record) -> Value {
        let (table, row) = Table::row(record, &self.provenance);
        let fields = table.columns.iter().zip(&row).collect();
        serde_json::to_value(Object { table: None, fields }).unwrap_or_default()
    }

    fn finding(&self, finding: &FindingRow, row: Value, memory: &mut dyn Memory) -> Option<Event> {
        let subject = &finding.finding_id;
        let said = pick(&row, OF_FINDING);
        let before = memory.told(subject);
        let name = name_of_finding(&said, before.as_ref())?;
        let asset = finding.asset_id.as_ref().and_then(|id| self.assets.get(id));
        let times = before.as_ref().map_or(0, |before| before.times);
        let mut event = Event::new(&self.source, name, subject, times, &content(&row));
        event.time = finding.as_of;
        event.traits = Traits {
            kind: Some(finding.kind.clone()),
            severity: Severity::named(&finding.severity),
            zone: finding.zone.clone().or_else(|| asset.and_then(|(asset, _)| asset.zone.clone())),
            role: asset.and_then(|(asset, _)| asset.role.clone()),
        };
        event.data = Data {
            previous: previous(before.as_ref(), &said),
            remediation: remedy::remediation(finding, asset.map(|(asset, _)| &**asset)),
            finding: row,
            asset: asset.map(|(_, row)| (**row).clone()).unwrap_or_default(),
        }
        .into();
        memory.tell(subject, Told { times: times + 1, time: finding.as_of.micros(), said });
        Some(event)
    }

    fn asset(&mut self, asset: &AssetRow, row: Value, memory: &mut dyn Memory) -> Vec<Event> {
        let subject = &asset.asset_id;
        let row = Arc::new(row);
        self.assets.insert(subject.clone(), (Arc::new(asset.clone()), Arc::clone(&row)));
        let said = pick(&row, OF_ASSET);
        let before = memory.told(subject);
        // Ids under which it was told before, and is no more.
        let joins = asset.aliases.iter().any(|alias| memory.told(alias).is_some_and(|told| !told.said.is_empty()));
        let name = match &before {
            _ if joins => "asset.joined",
            None => "asset.discovered",
            Some(before) if before.said != said => "asset.changed",
            Some(_) => return Vec::new(),
        };
        let mut times = before.as_ref().map_or(0, |before| before.times);
        if joins {
            for alias in &asset.aliases {
                if let Some(told) = memory.told(alias) {
                    times = times.max(told.times);
                    memory.tell(alias, Told { said: Map::new(), ..told });
                }
            }
        }
        let mut event = Event::new(&self.source, name, subject, times, &content(&row));
        event.time = asset.as_of;
        event.traits = Traits { zone: asset.zone.clone(), role: asset.role.clone(), ..Traits::default() };
        event.data =
            Data { previous: previous(before.as_ref(), &said), asset: (*row).clone(), ..Data::default() }.into();
        memory.tell(subject, Told { times: times + 1, time: asset.as_of.micros(), said });
        vec![event]
    }

    fn coverage(&self, coverage: &CoverageRow, row: &Value) -> Option<Event> {
        if !["lossy", "blind"].contains(&coverage.state.as_str()) {
            return None;
        }
        let subject = coverage.subnet.clone().unwrap_or_else(|| self.provenance.site.clone());
        let mut event = Event::new(&self.source, "coverage.lost", &subject, 0, &content(row));
        event.time = coverage.window_end;
        event.data["coverage"] = row.clone();
        Some(event)
    }

    fn health(&self, health: &HealthRow, row: &Value) -> Event {
        let mut event = Event::new(&self.source, "sensor.health", &self.provenance.sensor, 0, &content(row));
        event.time = health.window_end;
        event.data["health"] = row.clone();
        event
    }

    /// All that was told before, in pieces of a bearable size: for who hears of it for the first time. `before` is the number
    /// of the last event.
    pub fn snapshot(&self, known: &[(String, Told)], receiver: &str, before: u64) -> Vec<Event> {
        let known: Vec<&(String, Told)> = known.iter().filter(|(_, told)| !told.said.is_empty()).collect();
        let pages = known.len().div_ceil(PAGE);
        let page = |(number, page): (usize, &[&(String, Told)])| {
            let rows = |letter: char, key: &str| -> Vec<Value> {
                let ours = page.iter().filter(|(subject, _)| subject.starts_with(letter));
                let row = |(subject, told): &&(String, Told)| {
                    let mut row = told.said.clone();
                    row.insert(key.to_owned(), subject.as_str().into());
                    Value::Object(row)
                };
                ours.map(row).collect()
            };
            let snapshot = json!({
                "page": number + 1, "pages": pages, "assets": rows('a', "asset_id"), "findings": rows('f', "finding_id"),
            });
            let said = format!("{receiver} {}", digest(&snapshot));
            let mut event = Event::new(&self.source, "inventory.snapshot", &self.provenance.site, before, &said);
            event.time = Timestamp::from_micros(page.iter().map(|(_, told)| told.time).max().unwrap_or_default());
            event.data["snapshot"] = snapshot;
            event
        };
        known.chunks(PAGE).enumerate().map(page).collect()
    }
}

/// As many assets and findings stand in one event of a snapshot.
const PAGE: usize = 500;

/// What a finding's event is called, if its row is news.
fn name_of_finding(said: &Map<String, Value>, before: Option<&Told>) -> Option<&'static str> {
    let text =
        |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = text(said, "status");
    let old = before.map(|before| &before.said);
    if old == Some(said) {
        return None;
    }
    let is_new = |key: &str| old.is_none_or(|old| text(old, key) != text(said, key));
    if is_new("disposition") && text(said, "disposition") == "accepted_risk" {
        return Some("finding.accepted");
    }
    if !is_new("status") {
        return Some("finding.updated");
    }
    Some(match (status.as_str(), old.map(|old| text(old, "status")).as_deref()) {
        ("open", None) => "finding.opened",
        ("open", Some("closed" | "verified")) => "finding.reopened",
        ("dispatched", _) => "finding.dispatched",
        ("in_progress", _) => "finding.progress",
        ("change_observed", _) => "finding.change_observed",
        ("verified", _) => "finding.verified",
        ("failed", _) => "finding.failed",
        ("regressed", _) => "finding.regressed",
        ("closed", _) => "finding.closed",
        _ => "finding.updated",
    })
}

fn pick(row: &Value, columns: &[&str]) -> Map<String, Value> {
    columns.iter().filter_map(|column| Some(((*column).to_owned(), row.get(column)?.clone()))).collect()
}

/// The old values of what has changed.
fn previous(before: Option<&Told>, said: &Map<String, Value>) -> Value {
    let Some(before) = before else { return Value::Null };
    let changed = before.said.iter().filter(|(column, value)| said.get(*column).is_some_and(|now| now != *value));
    Value::Object(changed.map(|(column, value)| (column.clone(), value.clone())).collect())
}

/// What a row says, less what depends on the run.
fn content(row: &Value) -> String {
    let mut row = row.clone();
    if let Some(row) = row.as_object_mut() {
        row.retain(|column, _| !OF_RUN.contains(&column.as_str()));
    }
    digest(&row)
}

fn digest(value: &Value) -> String {
    id('d', [value.to_string().as_str()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn teller(run: &str) -> Teller {
        Teller::new(Provenance { site: "north".into(), sensor: "s1".into(), run_id: run.into() })
    }

    fn finding(status: &str) -> FindingRow {
        FindingRow {
            finding_id: "f-1".into(),
            kind: "credential.default".into(),
            severity: "critical".into(),
            status: status.into(),
            asset_id: Some("a-1".into()),
            ..FindingRow::default()
        }
    }

    fn names(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| event.name).collect()
    }

    #[test]
    fn a_finding_holds_its_asset_and_is_told_once() {
        let (mut teller, mut memory) = (teller("r"), Nothing::default());
        let asset = AssetRow { asset_id: "a-1".into(), role: Some("plc".into()), ..AssetRow::default() };
        assert_eq!(names(&teller.tell(&asset.clone().into(), &mut memory)), ["asset.discovered"]);
        let opened = teller.tell(&finding("open").into(), &mut memory);
        assert_eq!(names(&opened), ["finding.opened"]);
        assert_eq!(opened[0].traits.role.as_deref(), Some("plc"));
        assert_eq!(opened[0].data["asset"]["asset_id"], "a-1");
        assert_eq!(opened[0].data["previous"], Value::Null);
        let seen_again = FindingRow { count: 9, score: 3, ..finding("open") };
        assert!(teller.tell(&seen_again.into(), &mut memory).is_empty());
        assert!(teller.tell(&asset.into(), &mut memory).is_empty());
    }

    #[test]
    fn a_life_is_told_step_by_step_each_with_an_id_of_its_own() {
        let (mut teller, mut memory) = (teller("r"), Nothing::default());
        let steps = [
            ("open", "finding.opened"),
            ("dispatched", "finding.dispatched"),
            ("in_progress", "finding.progress"),
            ("change_observed", "finding.change_observed"),
            ("verified", "finding.verified"),
            ("closed", "finding.closed"),
            ("open", "finding.reopened"),
            ("closed", "finding.closed"),
            ("open", "finding.reopened"),
        ];
        let mut ids = std::collections::BTreeSet::new();
        for (status, name) in steps {
            let events = teller.tell(&finding(status).into(), &mut memory);
            assert_eq!(names(&events), [name]);
            assert!(ids.insert(events[0].id.clone()), "{status} has the id of an earlier event");
        }
        let worse = FindingRow { severity: "high".into(), ..finding("open") };
        let updated = teller.tell(&worse.into(), &mut memory);
        assert_eq!(names(&updated), ["finding.updated"]);
        assert_eq!(updated[0].data["previous"], json!({"severity": "critical"}));
    }

    #[test]
    fn the_run_decides_no_id_and_the_packets_do() {
        let told = |run: &str, count: i64| {
            let row = FindingRow { count, ..finding("open") };
            teller(run).tell(&row.into(), &mut Nothing::default())[0].id.clone()
        };
        assert_eq!(told("r1", 1), told("r2", 1));
        assert_ne!(told("r1", 1), told("r1", 2));
    }

    #[test]
    fn who_was_two_is_told_with_the_old_ids_and_then_no_more() {
        let (mut teller, mut memory) = (teller("r"), Nothing::default());
        for id in ["a-1", "a-2"] {
            teller.tell(&AssetRow { asset_id: id.into(), ..AssetRow::default() }.into(), &mut memory);
        }
        let joined = AssetRow { asset_id: "a-1".into(), aliases: vec!["a-2".into()], ..AssetRow::default() };
        let events = teller.tell(&joined.clone().into(), &mut memory);
        assert_eq!(names(&events), ["asset.joined"]);
        assert_eq!(events[0].data["asset"]["aliases"], json!(["a-2"]));
        assert!(teller.tell(&joined.into(), &mut memory).is_empty());
    }

    #[test]
    fn a_snapshot_comes_in_pages_and_holds_everything_once() {
        let told = Told { times: 1, time: 7, said: [("vendor".to_owned(), json!("x"))].into_iter().collect() };
        let known: Vec<(String, Told)> = (0..1_200).map(|n| (format!("a-{n:04}"), told.clone())).collect();
        let events = teller("r").snapshot(&known, "soc", 0);
        let sizes: Vec<usize> =
            events.iter().map(|event| event.data["snapshot"]["assets"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [500, 500, 200]);
        assert_eq!((events[2].data["snapshot"]["pages"].as_u64(), events[2].time.micros()), (Some(3), 7));
        assert!(teller("r").snapshot(&[], "soc", 0).is_empty());
    }
}
