//! Findings about talk that comes to nothing.

use super::joined::{Between, Joined};
use super::{Ground, operations};
use crate::finding::{FAILING, UNANSWERED};
use crate::inventory::rows::int;
use crate::record::FindingRow;
use std::collections::BTreeMap;

impl Ground<'_> {
    /// Requests without an answer.
    pub(super) fn unanswered(&self, between: &Between, joined: &Joined) -> Option<FindingRow> {
        let unanswered = joined.unanswered.count;
        if unanswered < self.kinds.of(UNANSWERED)?.at_least {
            return None;
        }
        let requests = joined.requests.max(unanswered);
        let mut details = BTreeMap::from([
            ("requests".to_owned(), requests.to_string()),
            ("unanswered".to_owned(), unanswered.to_string()),
            ("operations".to_owned(), operations(between.protocol, &joined.unanswered)),
        ]);
        details.extend(listed("silent", &joined.silent));
        let mut row = self.between(UNANSWERED, between, None, &joined.unanswered, details)?;
        row.count = int(unanswered);
        Some(row)
    }

    /// Requests that a device of the plant always refuses: whoever asks was set up for another device or another version
    /// of its program. What web servers refuse is their daily bread.
    pub(super) fn failing(&self, between: &Between, joined: &Joined) -> Option<FindingRow> {
        let refused = joined.failing.count;
        if refused == 0 || !self.protocols.of(between.protocol).industrial {
            return None;
        }
        let mut details = BTreeMap::from([
            ("answers".to_owned(), joined.failing_answers.to_string()),
            ("refused".to_owned(), refused.to_string()),
            ("operations".to_owned(), operations(between.protocol, &joined.failing)),
        ]);
        let behind = listed("refusing", &joined.refusing);
        let words = behind.as_ref().map_or(String::new(), |(_, children)| format!("; behind it: {children}"));
        details.insert("behind".to_owned(), words);
        details.extend(behind);
        let mut row = self.between(FAILING, between, None, &joined.failing, details)?;
        row.details.remove("behind");
        row.count = int(refused);
        Some(row)
    }
}

/// Devices behind a host and how often each, the first of them.
fn listed(name: &str, children: &BTreeMap<String, u64>) -> Option<(String, String)> {
    const MOST: usize = 16;
    let listed: Vec<String> = children.iter().take(MOST).map(|(child, count)| format!("{child} ({count})")).collect();
    (!listed.is_empty()).then(|| (name.to_owned(), listed.join(", ")))
}
