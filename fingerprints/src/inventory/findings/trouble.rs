//! Findings about devices that say themselves that something is wrong with them, be it their clock alone.

use super::{Ground, evidence_row};
use crate::finding::Report;
use crate::inventory::matter::Matter;
use crate::inventory::rows::int;
use crate::inventory::troubles::{Trouble, TroubleKey, Troubles};
use crate::record::FindingRow;
use std::collections::{BTreeMap, BTreeSet};

/// What one asset reported, over all its addresses and services.
#[derive(Default)]
struct Reported {
    matter: Matter,
    /// How much of each report, and the values that said so.
    reports: BTreeMap<usize, (u64, Vec<String>)>,
    protocols: BTreeSet<&'static str>,
    ports: BTreeSet<u16>,
}

impl Ground<'_> {
    /// Devices that report trouble of some kind, each once.
    pub(super) fn troubles(&self, troubles: &Troubles) -> Vec<FindingRow> {
        let mut by_asset: BTreeMap<(&str, usize), Reported> = BTreeMap::new();
        for (key, trouble) in troubles.sorted() {
            let report = self.kinds.of(key.kind).and_then(|kind| kind.reports.get(key.report));
            let (Some(place), Some(report)) = (self.assets.place(&key.device), report) else { continue };
            if enough(report, trouble) {
                by_asset.entry((key.kind, place)).or_default().add(key, trouble);
            }
        }
        by_asset.into_iter().filter_map(|((kind, place), reported)| self.trouble(kind, place, &reported)).collect()
    }

    fn trouble(&self, kind: &str, place: usize, reported: &Reported) -> Option<FindingRow> {
        let reports: &[Report] = &self.kinds.of(kind)?.reports;
        let asset = self.assets.all.get(place)?;
        let known = |report: &usize| reports.get(*report);
        let told = reported.reports.iter().filter_map(|(report, told)| Some((known(report)?, told)));
        let (what, values): (Vec<String>, Vec<String>) = told
            .map(|(report, (count, values))| match report.pattern {
                Some(_) => (format!("{} x {count}", report.words), format!("{} {}", report.field, values.join(", "))),
                None => (format!("{} +{count}", report.words), format!("{} {}", report.field, values.join(" -> "))),
            })
            .unzip();
        let what = what.join("; ");
        let plain: Vec<&str> = reported.reports.values().flat_map(|(_, values)| values).map(String::as_str).collect();
        let protocols: Vec<&str> = reported.protocols.iter().copied().collect();
        let words = BTreeMap::from([
            ("asset", asset.title().to_owned()),
            ("what", what.clone()),
            ("value", plain.join(", ")),
            ("protocol", protocols.join(", ")),
        ]);
        let mut row = self.of_asset(kind, asset, words)?;
        row.details = [("what", what), ("values", values.join("; "))].map(|(word, is)| (word.to_owned(), is)).into();
        row.count = int(reported.matter.count);
        row.protocol = protocols.first().filter(|_| protocols.len() == 1).map(|protocol| (*protocol).to_owned());
        let port = reported.ports.first().filter(|port| reported.ports.len() == 1 && **port != 0);
        row.port = port.map(|port| i32::from(*port));
        (row.first_seen, row.last_seen) = reported.matter.span?;
        row.opened = row.first_seen;
        row.evidence = reported.matter.evidence.iter().map(|evidence| evidence_row(evidence, Some(asset))).collect();
        row.evidence.sort_by_key(|evidence| (evidence.time, evidence.frame));
        Some(row)
    }
}

impl Reported {
    fn add(&mut self, key: &TroubleKey, trouble: &Trouble) {
        self.matter.join(&trouble.matter);
        let (count, values) = self.reports.entry(key.report).or_default();
        *count = count.saturating_add(trouble.matter.count);
        for value in trouble.values.iter().filter(|value| !values.contains(&value.to_string())).collect::<Vec<_>>() {
            values.push(value.to_string());
        }
        self.protocols.extend(trouble.matter.evidence.iter().map(|evidence| evidence.protocol));
        self.ports.insert(key.port);
    }
}

/// Whether it is more than what happens now and then.
fn enough(report: &Report, trouble: &Trouble) -> bool {
    let much = if report.pattern.is_some() { trouble.most } else { trouble.matter.count };
    much > 0 && much >= report.at_least
}
