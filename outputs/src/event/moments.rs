//! What of a moment's rows is told while packets still come: not all that looks so at first stays so.
//!
//! What was seen is told at once: a password, a command, a certificate. What was not seen yet waits, for the next packet may
//! show it: that a device does not say what it is, that nobody answers, that a direction is missing. And a device that is
//! new says most of what it is within its first seconds: it is told when they are over, and then not oftener than each
//! minute, unless a finding is about it.
//!
//! What was told as open and stands no more is told as closed: a device has said after all what it is, or two assets have
//! proved to be one, under whose id the finding goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::time::Duration;

use dissectors::Timestamp;
use fingerprints::record::{FindingRow, Record};
use foldhash::fast::RandomState;

/// A device has so long to say what it is, before it is told.
const FIRST_WORDS: Duration = Duration::from_secs(5);
/// What is told of a device changes no oftener than this.
const BETWEEN_CHANGES: Duration = Duration::from_mins(1);

/// How long a finding has to stand before it is told.
fn patience(kind: &str) -> Duration {
    match kind {
        "asset.unidentified" => Duration::from_mins(10),
        "communication.unanswered" => Duration::from_mins(1),
        _ if kind.starts_with("coverage.") => Duration::from_mins(5),
        _ => Duration::ZERO,
    }
}

/// Remembers what was told in earlier moments of a run.
#[derive(Debug, Default)]
pub struct Moments {
    known: BTreeMap<String, Known>,
    /// Whether something is to be told once it has stood long enough.
    has_some_to_tell: bool,
    /// Seeded anew in each run, so that nobody makes a change that looks like none.
    hasher: RandomState,
}

/// What is known of an asset or a finding.
#[derive(Debug)]
struct Known {
    /// Since when it stands.
    since: Timestamp,
    /// When it was told last, and what it said then, as a hash.
    told: Option<(Timestamp, u64)>,
    /// The finding as it was told last, if it was open.
    open: Option<Box<FindingRow>>,
}

impl Moments {
    /// Those of a moment's rows that are to be told now, assets before the findings about them.
    pub fn news(&mut self, records: &[Record], now: Timestamp) -> Vec<Record> {
        self.has_some_to_tell = false;
        let mut needed = BTreeSet::new();
        let mut findings = Vec::new();
        for record in records {
            let Record::Findings(finding) = record else { continue };
            let said = self.hasher.hash_one(record.says());
            let known = known(&mut self.known, &finding.finding_id, now);
            let is_told = known.told.is_some_and(|(_, told)| told == said);
            let is_due = now.since(known.since) >= patience(&finding.kind);
            self.has_some_to_tell |= !is_told && !is_due;
            if !is_told && is_due {
                known.told = Some((now, said));
                known.open = Some(finding.clone()).filter(|finding| finding.is_open());
                needed.extend([&finding.asset_id, &finding.peer_asset_id].into_iter().flatten().map(String::as_str));
                findings.push(record.clone());
            }
        }
        let mut news = Vec::new();
        for record in records {
            let Record::Assets(asset) = record else { continue };
            let said = self.hasher.hash_one(record.says());
            let known = known(&mut self.known, &asset.asset_id, now);
            let is_due = match known.told {
                Some((_, told)) if told == said => false,
                Some((at, _)) => now.since(at) >= BETWEEN_CHANGES,
                None => now.since(known.since) >= FIRST_WORDS,
            };
            let is_told = known.told.is_some_and(|(_, told)| told == said);
            let is_due = is_due || (known.told.is_none() && needed.contains(asset.asset_id.as_str()));
            self.has_some_to_tell |= !is_told && !is_due;
            if is_due {
                known.told = Some((now, said));
                news.push(record.clone());
            }
        }
        news.extend(findings);
        news.extend(self.closed(records, now));
        news
    }

    /// What stands no more: it begins anew when it comes back, and is closed if it was told as open.
    fn closed(&mut self, records: &[Record], now: Timestamp) -> Vec<Record> {
        let ids: BTreeSet<&str> = records.iter().filter_map(id).collect();
        let gone = self.known.extract_if(.., |id, _| !ids.contains(id.as_str()));
        let closed = gone.filter_map(|(_, known)| {
            let row = FindingRow {
                as_of: now,
                status: "closed".to_owned(),
                resolution: Some("superseded".to_owned()),
                status_changed: Some(now),
                ..*known.open?
            };
            Some(Record::from(row))
        });
        closed.collect()
    }

    /// Whether something is to be told once it has stood long enough.
    pub fn has_some_to_tell(&self) -> bool {
        self.has_some_to_tell
    }
}

/// What is known under an id, from now on.
fn known<'k>(all: &'k mut BTreeMap<String, Known>, id: &str, now: Timestamp) -> &'k mut Known {
    let known = all.entry(id.to_owned()).or_insert(Known { since: now, told: None, open: None });
    // Where time went back, it was another time.
    known.since = known.since.min(now);
    known.told = known.told.map(|(at, said)| (at.min(now), said));
    known
}

fn id(record: &Record) -> Option<&str> {
    match record {
        Record::Assets(row) => Some(&row.asset_id),
        Record::Findings(row) => Some(&row.finding_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fingerprints::record::{AssetRow, FindingRow};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_nanos(second * 1_000_000_000)
    }

    fn asset(firmware: &str) -> Record {
        AssetRow { asset_id: "a-1".into(), firmware: Some(firmware.into()), ..AssetRow::default() }.into()
    }

    fn finding(kind: &str, count: i64) -> Record {
        FindingRow {
            finding_id: "f-1".into(),
            kind: kind.into(),
            asset_id: Some("a-1".into()),
            count,
            ..FindingRow::default()
        }
        .into()
    }

    #[test]
    fn what_was_seen_is_told_at_once_with_its_asset_and_not_again() {
        let mut moments = Moments::default();
        let rows = [asset("1"), finding("credential.default", 1)];
        assert_eq!(moments.news(&rows, at(0)).len(), 2);
        let more = [asset("1"), finding("credential.default", 2)];
        assert!(moments.news(&more, at(9)).is_empty(), "that it was seen again is no news");
        let other = [asset("1"), finding("credential.cleartext", 2)];
        assert_eq!(moments.news(&other, at(10)), [other[1].clone()]);
    }

    #[test]
    fn what_was_not_seen_yet_has_to_stay_so() {
        let mut moments = Moments::default();
        let rows = [finding("asset.unidentified", 1)];
        assert!(moments.news(&rows, at(0)).is_empty());
        assert!(moments.news(&rows, at(599)).is_empty());
        assert!(moments.news(&[], at(599)).is_empty(), "it stands no more");
        assert!(moments.news(&rows, at(601)).is_empty(), "and begins anew");
        assert_eq!(moments.news(&rows, at(1_201)).len(), 1);
    }

    #[test]
    fn what_was_told_as_open_and_stands_no_more_is_closed_once() {
        let status = |records: &[Record]| -> Vec<String> {
            let status = |record: &Record| match record {
                Record::Findings(row) => row.status.clone(),
                _ => String::new(),
            };
            records.iter().map(status).collect()
        };
        let mut moments = Moments::default();
        let rows = [finding("credential.default", 1)];
        assert_eq!(moments.news(&rows, at(0)).len(), 1);
        assert_eq!(status(&moments.news(&[], at(1))), ["closed"]);
        assert!(moments.news(&[], at(2)).is_empty());
        assert_eq!(status(&moments.news(&rows, at(3))), [""], "and it may come back");
    }

    #[test]
    fn a_device_is_told_after_its_first_words_and_then_each_minute_at_most() {
        let mut moments = Moments::default();
        assert!(moments.news(&[asset("1")], at(0)).is_empty());
        assert!(moments.news(&[asset("2")], at(4)).is_empty());
        assert_eq!(moments.news(&[asset("2")], at(5)).len(), 1);
        assert!(moments.news(&[asset("3")], at(6)).is_empty());
        assert_eq!(moments.news(&[asset("3")], at(65)).len(), 1);
        assert!(moments.news(&[asset("3")], at(999)).is_empty());
    }
}
