//! What devices say of themselves by which they report trouble: the ground of `device.trouble` and its like. What counts as
//! such, and from where on, stands in `data/findings.toml`.
//!
//! What is told again is counted by full hours of packet time, as lanes tell it; a number that grows is compared with
//! what the same service told before.

use super::book::Book;
use super::known::Key;
use super::matter::Matter;
use crate::finding::{Kinds, REPORTED};
use compact_str::{CompactString, ToCompactString};
use dissectors::Timestamp;
use dissectors::observation::Evidence;
use regex::Regex;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// A device, the port on which it spoke, and which of its kind's reports it is, by its place in the data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TroubleKey {
    pub(super) device: Key,
    pub(super) port: u16,
    pub(super) kind: &'static str,
    pub(super) report: usize,
}

/// What was reported.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// How often, or by how much a number grew.
    pub(super) matter: Matter,
    /// Of what is counted, the most within one hour.
    pub(super) most: u64,
    /// The values that said so, or from where to where a number grew last.
    pub(super) values: SmallVec<[CompactString; 2]>,
    /// The last hours and how often it was reported in each.
    hours: SmallVec<[(Timestamp, u64); 2]>,
    /// Whether the field's latest value is one that reports it.
    is_latest: bool,
    /// The number that was told last, and where.
    last: Option<(Evidence, i64)>,
}

impl Trouble {
    /// As many hours are open: lanes tell what belongs to an hour up to one later.
    const MOST_HOURS: usize = 3;
    /// As many values are named.
    const MOST_VALUES: usize = 8;

    /// It was reported so often, the last time at this place.
    fn count(&mut self, count: u64, evidence: Evidence) {
        self.matter.count = self.matter.count.saturating_add(count);
        self.matter.widen((evidence.time, evidence.time));
        self.matter.prove(evidence);
        let hour = evidence.time.hour();
        let place = self.hours.iter().position(|(known, _)| *known == hour).unwrap_or_else(|| {
            if self.hours.len() >= Self::MOST_HOURS {
                self.hours.remove(0);
            }
            self.hours.push((hour, 0));
            self.hours.len() - 1
        });
        let Some((_, sum)) = self.hours.get_mut(place) else { return };
        *sum = sum.saturating_add(count);
        self.most = self.most.max(*sum);
    }

    fn name(&mut self, value: &str) {
        if self.values.len() < Self::MOST_VALUES && !self.values.iter().any(|known| known == value) {
            self.values.push(value.into());
        }
    }

    /// A number was read: it is trouble as far as it is greater than at the reading before. One that is smaller was cleared.
    fn read(&mut self, number: i64, evidence: Evidence) {
        if self.last.is_some_and(|(before, _)| evidence.time < before.time) {
            return;
        }
        let Some((before, known)) = self.last.replace((evidence, number)) else { return };
        let grown = number.checked_sub(known).and_then(|grown| u64::try_from(grown).ok()).unwrap_or(0);
        if grown == 0 {
            return;
        }
        let known = known.to_compact_string();
        if self.values.last() != Some(&known) {
            self.values = SmallVec::from_iter([known]);
            self.matter.prove(before);
        }
        self.values.truncate(1);
        self.values.push(number.to_compact_string());
        self.matter.count = self.matter.count.saturating_add(grown);
        self.matter.widen((before.time, evidence.time));
        self.matter.prove(evidence);
    }
}

/// All of them.
pub(super) struct Troubles {
    book: Book<TroubleKey, Trouble>,
    by_field: BTreeMap<String, Vec<Sought>>,
}

/// A report of a kind, and the values that are meant.
struct Sought {
    kind: &'static str,
    report: usize,
    pattern: Option<Regex>,
}

/// As many one host may have, with the devices behind it: 247 units with a few each.
const MOST_OF_A_HOST: usize = 2_048;

impl Troubles {
    pub(super) fn within(cap: usize, kinds: &Kinds) -> Self {
        let mut by_field: BTreeMap<String, Vec<Sought>> = BTreeMap::new();
        for name in REPORTED {
            for (place, report) in kinds.of(name).into_iter().flat_map(|kind| &kind.reports).enumerate() {
                let pattern = report.pattern.as_deref();
                let pattern = pattern.map(|pattern| Regex::new(pattern).expect("a test reads the same file"));
                let sought = Sought { kind: name, report: place, pattern };
                by_field.entry(report.field.clone()).or_default().push(sought);
            }
        }
        Self { book: Book::new(cap, MOST_OF_A_HOST), by_field }
    }

    /// A device told a value of a field.
    pub(super) fn tell(&mut self, device: impl Fn() -> Key, port: u16, field: &str, value: &str, evidence: Evidence) {
        let Some(reports) = self.by_field.get(field) else { return };
        for Sought { kind, report, pattern } in reports {
            let key = TroubleKey { device: device(), port, kind, report: *report };
            let host = key.device.host;
            match pattern {
                Some(pattern) if pattern.is_match(value) => {
                    if let Some(trouble) = self.book.of(key, host) {
                        trouble.count(1, evidence);
                        trouble.name(value);
                        trouble.is_latest = true;
                    }
                }
                Some(_) => {
                    if let Some(trouble) = self.book.known(&key) {
                        trouble.is_latest = false;
                    }
                }
                None => {
                    if let Ok(number) = value.parse()
                        && let Some(trouble) = self.book.of(key, host)
                    {
                        trouble.read(number, evidence);
                    }
                }
            }
        }
    }

    /// What a field had told was told again: one of its codes, or its latest value.
    pub(super) fn again(
        &mut self,
        device: &Key,
        port: u16,
        (field, code): (&str, Option<u32>),
        count: u64,
        evidence: Evidence,
    ) {
        let Some(reports) = self.by_field.get(field) else { return };
        let code = code.map(|code| code.to_compact_string());
        for Sought { kind, report, pattern } in reports {
            let Some(pattern) = pattern else { continue };
            let key = TroubleKey { device: device.clone(), port, kind, report: *report };
            let Some(trouble) = self.book.known(&key) else { continue };
            if code.as_ref().map_or(trouble.is_latest, |code| pattern.is_match(code)) {
                trouble.count(count, evidence);
            }
        }
    }

    pub(super) fn sorted(&self) -> Vec<(&TroubleKey, &Trouble)> {
        self.book.sorted()
    }

    pub(super) fn refused(&self) -> u64 {
        self.book.refused
    }
}
