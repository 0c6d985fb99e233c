//! Findings about devices that flood others with what nobody asked for.

use super::{Ground, evidence_row};
use crate::finding::STORM;
use crate::inventory::rows::{int, operation_title};
use crate::inventory::storms::{Hour, StormKind, Storms};
use crate::record::FindingRow;
use std::collections::BTreeMap;

/// What one asset sends: which protocol, and which kind of messages.
type Sent = (usize, &'static str, StormKind);

impl Ground<'_> {
    /// Those who send too much, each protocol and kind of messages once.
    pub(super) fn storms(&self, storms: &Storms) -> Vec<FindingRow> {
        let Some(kind) = self.kinds.of(STORM) else { return Vec::new() };
        let mut sent: BTreeMap<Sent, Vec<(String, Hour)>> = BTreeMap::new();
        for (key, storm) in storms.sorted() {
            let rate = kind.rates.get(key.kind.name());
            let fastest =
                storm.fastest().filter(|hour| rate.is_some_and(|rate| rate.is_reached(hour.count, hour.a_minute())));
            if let Some((place, hour)) = self.assets.place(&key.sender).zip(fastest) {
                let title = operation_title(key.protocol, &key.operation);
                sent.entry((place, key.protocol, key.kind)).or_default().push((title, hour));
            }
        }
        sent.into_iter().filter_map(|(sent, hours)| self.storm(sent, hours)).collect()
    }

    fn storm(&self, (place, protocol, kind): Sent, mut hours: Vec<(String, Hour)>) -> Option<FindingRow> {
        let asset = self.assets.all.get(place)?;
        hours.sort_by_key(|(_, hour)| std::cmp::Reverse(hour.count));
        let (_, most) = hours.first()?;
        let listed = hours.iter().map(|(title, hour)| format!("{title} x {}", hour.count));
        let details = BTreeMap::from([
            ("what", kind.name().to_owned()),
            ("rate", most.a_minute().to_string()),
            ("count", most.count.to_string()),
            ("operations", listed.collect::<Vec<_>>().join(", ")),
        ]);
        let mut words = details.clone();
        words.extend([("asset", asset.title().to_owned()), ("protocol", protocol.to_owned())]);
        let key = format!("{protocol} {}", kind.name());
        let mut row = self.one_of_asset(STORM, asset, &key, words)?;
        row.details = details.into_iter().map(|(word, is)| (word.to_owned(), is)).collect();
        row.protocol = Some(protocol.to_owned());
        row.count = int(most.count);
        row.first_seen = hours.iter().map(|(_, hour)| hour.span.0).min()?;
        (row.last_seen, row.opened) = (hours.iter().map(|(_, hour)| hour.span.1).max()?, row.first_seen);
        row.evidence = hours.iter().map(|(_, hour)| evidence_row(&hour.evidence, Some(asset))).collect();
        row.evidence.sort_by_key(|evidence| (evidence.time, evidence.frame));
        row.evidence.dedup();
        Some(row)
    }
}
