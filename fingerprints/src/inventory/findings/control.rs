//! Findings about control actions: that a device can be commanded without a login, and each restart, stop or change of
//! what it is.

use super::joined::{Between, Joined, Relations};
use super::rank::RARE;
use super::{Ground, operations, words};
use crate::finding::{UNAUTHENTICATED_CONTROL, fill};
use crate::inventory::deeds::{Deed, Deeds, Grave, Graves};
use crate::inventory::rows::{self, int};
use crate::record::FindingRow;
use crate::table;
use dissectors::Timestamp;
use dissectors::observation::{Category, Operation, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// What control actions that matter one by one are told apart by: who, on what, by what, within which hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hour {
    asset: usize,
    peer: Option<usize>,
    protocol: &'static str,
    operation: Operation,
    category: String,
    window: Timestamp,
}

impl Hour {
    pub(super) fn of(between: &Between, operation: &Operation, category: &str, window: Timestamp) -> Self {
        Self {
            asset: between.asset,
            peer: between.peer,
            protocol: between.protocol,
            operation: operation.clone(),
            category: category.to_owned(),
            window: window.hour(),
        }
    }
}

impl Ground<'_> {
    /// Control messages without authentication, once per client and server.
    pub(super) fn control(&self, relations: &Relations, between: &Between, joined: &Joined) -> Option<FindingRow> {
        let kind = self.kinds.of(UNAUTHENTICATED_CONTROL)?;
        let deeds = &joined.deeds;
        let told = deeds.ends().fold(0u64, |sum, (_, count)| sum.saturating_add(count));
        let messages = joined.control.count.max(told);
        if messages == 0 || !joined.is_unproved || !self.protocols.of(between.protocol).is_open() {
            return None;
        }
        let operations = operations(between.protocol, &joined.control);
        let operations = if operations.is_empty() { format!("{messages} in all") } else { operations };
        let mut details = BTreeMap::from([("messages".to_owned(), messages.to_string())]);
        details.extend(ends(deeds));
        details.insert("operations".to_owned(), operations);
        details.extend(deeds.first.as_ref().map(|deed| ("first".to_owned(), ended(deed))));
        if !deeds.targets.is_empty() {
            details.insert("targets".to_owned(), deeds.targets.join(", "));
        }
        let points = self.points(kind, relations, between, joined, messages);
        let why = points.iter().map(|(_, points)| points.why()).collect::<Vec<_>>().join("; ");
        details.extend((!why.is_empty()).then(|| ("why".to_owned(), why.clone())));
        let asset = self.assets.all.get(between.asset)?;
        let mut words = words(asset, self.peer(between), between, &details);
        words.insert("times", times(messages));
        let title = kind.title_rare.as_ref().filter(|_| points.iter().any(|(name, _)| *name == RARE));
        let title = title.filter(|_| deeds.first.is_some()).map(|title| fill(title, &words));
        drop(words);
        let mut row = self.between(UNAUTHENTICATED_CONTROL, between, None, &joined.control, details)?;
        row.count = int(messages);
        row.score = kind.score(points.iter().map(|(_, points)| points.points));
        row.title = title.unwrap_or(row.title);
        if !why.is_empty() {
            row.summary = row.summary.map(|summary| format!("{summary} To be looked at before others: {why}."));
        }
        technique(&mut row, between.protocol, deeds);
        Some(row)
    }

    /// Restarts, stops and whatever else matters one by one, once per client, operation and hour. One that was refused or
    /// found no answer did nothing, as far as is known, and is told by the row of its operation alone. Where the capture
    /// does not show the answer, or none is due, it may well have been obeyed, and is told as such.
    pub(super) fn hours(&self, graves: &Graves) -> Vec<(Hour, FindingRow)> {
        let mut hours: BTreeMap<Hour, (Between, Grave)> = BTreeMap::new();
        for (key, grave) in graves.sorted() {
            let Some(between) = self.ends(&key.dealing) else { continue };
            let hour = Hour::of(&between, &key.operation, key.category.name(), key.window);
            let (_, sum) = hours.entry(hour).or_insert_with(|| (between, Grave::default()));
            sum.join(grave);
        }
        let row = |(hour, (between, grave))| Some((Hour::clone(&hour), self.hour(&hour, &between, &grave)?));
        hours.into_iter().filter_map(row).collect()
    }

    fn hour(&self, hour: &Hour, between: &Between, grave: &Grave) -> Option<FindingRow> {
        let (name, kind) = self.kinds.of_category(&hour.category)?;
        let deeds = &grave.deeds;
        let is_seen = deeds.accepted > 0;
        let matter = if is_seen { &grave.accepted } else { &grave.unknown };
        if matter.count == 0 || (!is_seen && kind.confidence_unseen.is_none()) {
            return None;
        }
        let first = deeds.first.as_ref()?;
        let mut details: BTreeMap<String, String> = ends(deeds).collect();
        details.insert("operation".to_owned(), rows::operation_title(hour.protocol, &hour.operation));
        details.insert("first".to_owned(), ended(first));
        details.insert("deed".to_owned(), first.words());
        details.insert("target".to_owned(), first.target.to_string());
        details.extend(first.value.as_ref().map(|value| ("value".to_owned(), value.to_string())));
        details.extend(first.client_host.iter().map(|host| ("client_host_claimed".to_owned(), host.to_string())));
        details.extend(first.image.iter().flat_map(|image| {
            let told = [("image_sha256", image.to_string()), ("image_bytes", image.bytes.to_string())];
            told.map(|(word, value)| (word.to_owned(), value))
        }));
        if deeds.targets.len() > 1 {
            details.insert("targets".to_owned(), deeds.targets.join(", "));
        }
        let outcome = if is_seen { "accepted it" } else { "was not seen to answer" };
        details.insert("answer".to_owned(), outcome.to_owned());
        let asset = self.assets.all.get(between.asset)?;
        let unseen = kind.title_unseen.as_ref().filter(|_| !is_seen);
        let unseen = unseen.map(|title| fill(title, &words(asset, self.peer(between), between, &details)));
        let operation = format!("{} {}", hour.protocol, hour.operation);
        let window = hour.window.micros().to_string();
        let mut row = self.between(name, between, Some(&[&operation, &window]), matter, details)?;
        for word in ["answer", "deed", "first"] {
            row.details.remove(word);
        }
        row.count = int(matter.count);
        if let Some(severity) = kind.milder(hour.protocol, &deeds.targets) {
            row.score -= 20 * (kind.severity as i32 - severity as i32);
            severity.name().clone_into(&mut row.severity);
        }
        if !is_seen {
            row.title = unseen.unwrap_or(row.title);
            row.confidence = kind.confidence_unseen.map(i32::from);
        }
        technique(&mut row, hour.protocol, deeds);
        Some(row)
    }
}

fn ends(deeds: &Deeds) -> impl Iterator<Item = (String, String)> {
    deeds.ends().map(|(word, count)| (word.to_owned(), count.to_string()))
}

/// `register 40 = 1500, accepted`.
fn ended(deed: &Deed) -> String {
    let end = if deed.outcome == Outcome::Unknown { "no answer was seen" } else { deed.outcome.name() };
    format!("{}, {end}", deed.words())
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}

/// The techniques of ATT&CK for ICS that the actions are by themselves; those of the kind where they tell none.
fn technique(row: &mut FindingRow, protocol: &str, deeds: &Deeds) {
    let of = |(operation, category): &(Operation, Category)| {
        table::words("operation_techniques", &format!("{protocol} {operation} {}", category.name()))
    };
    let told: BTreeSet<&str> = deeds.ways.iter().filter_map(of).flat_map(|techniques| techniques.split(',')).collect();
    if !told.is_empty() {
        row.techniques = told.into_iter().map(str::to_owned).collect();
    }
}
