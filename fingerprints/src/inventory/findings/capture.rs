//! Findings about what the captures do not show.

use super::{Draft, Ground, evidence_row};
use crate::inventory::coverage::Unseen;
use crate::inventory::rows::{self, int};
use crate::record::{EvidenceRow, FindingRow};
use std::collections::BTreeMap;

impl Ground<'_> {
    /// Something that the capture does not show. It is about the network, and no asset's.
    pub(super) fn unseen(&self, unseen: &Unseen) -> Option<FindingRow> {
        let mut words: BTreeMap<&str, String> = unseen.words.clone();
        words.extend(unseen.details.iter().map(|(word, value)| (word.as_str(), value.clone())));
        let draft = Draft { name: unseen.kind, asset: None, key: vec![&unseen.key], target: unseen.key.clone(), words };
        let mut row = self.row(draft)?;
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
}
