//! Rows of state: what they are, and when one says something new.
//!
//! A row is written when it changed since its last one, looked at each midnight of packet time, and at the end of a run.
//! That something was seen again is no change: sums of that stand in other tables.

use super::assets::Assets;
use super::channels::{self, Channels};
use super::findings::Findings;
use super::rows;
use crate::protocol::Protocols;
use crate::record::Record;
use crate::rules::Rules;
use dissectors::Timestamp;
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

/// What was told of state before the end of the run.
pub(super) struct History {
    told: Vec<Record>,
    /// Each row's last content, as a hash, and its revision.
    revisions: BTreeMap<(&'static str, String), (u64, i64)>,
    /// Seeded anew in each run, so that nobody makes a change that looks like none.
    hasher: RandomState,
    cap: usize,
    /// How many rows found no room.
    pub(super) dropped: u64,
}

impl History {
    pub(super) fn new(cap: usize) -> Self {
        Self { told: Vec::new(), revisions: BTreeMap::new(), hasher: RandomState::default(), cap, dropped: 0 }
    }

    /// Keeps those of a moment's rows that say something new.
    pub(super) fn tell(&mut self, rows: Vec<Record>) {
        for mut record in rows {
            let (key, hash) = (key(&record), self.hasher.hash_one(record.says()));
            let (known, revision) = self.revisions.get(&key).copied().unwrap_or_default();
            if revision > 0 && known == hash {
                continue;
            }
            if self.told.len() >= self.cap {
                self.dropped += 1;
                continue;
            }
            set_revision(&mut record, revision + 1);
            self.revisions.insert(key, (hash, revision + 1));
            self.told.push(record);
        }
    }

    /// The last rows of a run are written, whatever they say. What was told before of an id that has become an alias
    /// since is forgotten: the newest of each key is the truth.
    pub(super) fn close(&mut self, rows: &mut [Record]) {
        for record in rows.iter_mut() {
            // Runs within one day have no history, and need not look for it.
            let before = if self.revisions.is_empty() { None } else { self.revisions.get(&key(record)) };
            set_revision(record, before.map_or(0, |(_, revision)| *revision) + 1);
        }
        let ids: BTreeSet<&str> = rows.iter().filter_map(id).collect();
        self.told.retain(|record| id(record).is_some_and(|id| ids.contains(id)));
    }

    /// Takes what was told before the end.
    pub(super) fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.told)
    }
}

/// Assets, claims, certificates and findings of a moment, each in the order of its key.
pub(super) fn rows(
    assets: &Assets<'_>,
    findings: Findings,
    channels: &Channels,
    protocols: &Protocols,
    rules: &Rules,
    as_of: Timestamp,
) -> Vec<Record> {
    let mut in_order: Vec<_> = assets.all.iter().collect();
    in_order.sort_by(|a, b| a.id.cmp(&b.id));
    let open = findings.by_asset();
    let mut records = Vec::new();
    for asset in &in_order {
        let mut row = rows::asset(assets, asset, protocols, as_of);
        row.open_findings = open.get(&*asset.id).copied().unwrap_or(0);
        records.push(Record::from(row));
    }
    records.extend(in_order.iter().flat_map(|asset| rows::claims(asset, rules, as_of)).map(Record::from));
    let certificates = channels.by_asset(assets);
    let mut shown: Vec<_> =
        certificates.iter().filter_map(|(asset, shown)| Some((assets.all.get(*asset)?, shown))).collect();
    shown.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    for (asset, shown) in shown {
        records.extend(shown.iter().map(|(port, shown)| channels::row(asset, *port, shown, as_of)).map(Record::from));
    }
    records.extend(findings.rows.into_iter().map(Record::from));
    records
}

/// The id by which a row of state lives or dies.
fn id(record: &Record) -> Option<&str> {
    match record {
        Record::Assets(row) => Some(&row.asset_id),
        Record::Claims(row) => Some(&row.asset_id),
        Record::Certificates(row) => Some(&row.asset_id),
        Record::Findings(row) => Some(&row.finding_id),
        _ => None,
    }
}

fn key(record: &Record) -> (&'static str, String) {
    let key = match record {
        Record::Claims(row) => [&*row.asset_id, &row.attribute, &row.value, &row.field].join("\u{1f}"),
        Record::Certificates(row) => {
            format!("{}\u{1f}{}\u{1f}{}", row.asset_id, row.port.unwrap_or_default(), row.sha256)
        }
        _ => id(record).unwrap_or_default().to_owned(),
    };
    (record.table(), key)
}

fn set_revision(record: &mut Record, revision: i64) {
    match record {
        Record::Assets(row) => row.revision = revision,
        Record::Claims(row) => row.revision = revision,
        Record::Certificates(row) => row.revision = revision,
        Record::Findings(row) => row.revision = revision,
        _ => {}
    }
}
