//! Findings: what should be done about an asset. The kinds and their texts are data, `data/findings.toml`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// How much a finding matters by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at.
    Low,
    /// To be planned.
    Medium,
    /// To be done soon.
    High,
    /// To be done now.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The one that the tables write so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }

    /// As the tables write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Where a finding stands in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nobody has been seen to act on it.
    #[default]
    Open,
}

impl Status {
    /// As the tables write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
        }
    }
}

/// Control messages on a protocol that has no login.
pub const UNAUTHENTICATED_CONTROL: &str = "protocol.unauthenticated_control";
/// An asset that has not said what it is.
pub const UNIDENTIFIED: &str = "asset.unidentified";
/// Requests that found no answer.
pub const UNANSWERED: &str = "communication.unanswered";

/// An asset that the baseline does not know.
pub const ASSET_NEW: &str = "asset.new";
/// An asset that is called something else than in the baseline, or stands elsewhere.
pub const ASSET_CHANGED: &str = "asset.changed";
/// An asset whose firmware is another one than it was.
pub const FIRMWARE_CHANGED: &str = "firmware.changed";
/// Two devices with one address.
pub const ADDRESS_CONFLICT: &str = "asset.address_conflict";

/// The mirror shows one direction.
pub const ONE_WAY: &str = "coverage.one_way";
/// The mirror or the capture loses packets.
pub const LOSS: &str = "coverage.loss";
/// Something of which nothing is seen.
pub const BLIND: &str = "coverage.blind";

/// A kind of finding, as the data describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// How much it matters by itself.
    pub severity: Severity,
    /// The order among findings of one severity.
    pub weight: u8,
    /// How sure such a finding is, in percent.
    pub confidence: u8,
    /// How often it has to be seen before it is one.
    #[serde(default = "once")]
    pub at_least: u64,
    /// The share that makes it one, in percent, where it goes by a share.
    #[serde(default)]
    pub percent: u8,
    /// One line; holds words in braces.
    pub title: String,
    /// What was seen; holds words in braces.
    pub summary: String,
    /// What cures it.
    pub remediation: String,
    /// What must be seen for it to be cured.
    pub verification: String,
    /// Whether that can be seen on the wire.
    pub verifiable: String,
    /// At most four clauses that it is evidence for.
    pub controls: Vec<String>,
    /// Techniques of ATT&CK for ICS.
    pub techniques: Vec<String>,
}

impl Kind {
    /// The largest weight, below the distance between two severities.
    pub const MAX_WEIGHT: u8 = 19;

    /// The one order in which everything is ranked: 20 for each step of severity, then the kind's weight; 0 to 99.
    /// A more severe finding always ranks above a less severe one.
    pub fn score(&self) -> i32 {
        20 * self.severity as i32 + i32::from(self.weight.min(Self::MAX_WEIGHT))
    }
}

impl Kind {
    /// Whether `part` is more than this kind's share of `whole`.
    pub(crate) fn is_beyond(&self, part: u64, whole: u64) -> bool {
        u128::from(part) * 100 > u128::from(whole) * u128::from(self.percent)
    }
}

const fn once() -> u64 {
    1
}

/// All kinds of findings.
#[derive(Debug)]
pub struct Kinds(BTreeMap<String, Kind>);

impl Kinds {
    /// Those that are compiled in.
    #[allow(clippy::missing_panics_doc, reason = "a test reads the same file")]
    pub fn builtin() -> Self {
        Self(toml::from_str(include_str!("../data/findings.toml")).expect("a test reads the same file"))
    }

    /// The kind of this name.
    pub fn of(&self, name: &str) -> Option<&Kind> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.0.iter().map(|(name, kind)| (name.as_str(), kind))
    }
}

/// A text with its words in braces put in. A brace without a known word stands as it is.
pub(crate) fn fill(text: &str, words: &BTreeMap<&str, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((front, after)) = rest.split_once('{') {
        filled.push_str(front);
        let known = after.split_once('}').and_then(|(word, after)| Some((words.get(word)?, after)));
        filled.push_str(known.map_or("{", |(value, _)| value));
        rest = known.map_or(after, |(_, after)| after);
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_more_severe_finding_always_ranks_higher() {
        let mut kinds: Vec<Kind> = Kinds::builtin().0.into_values().collect();
        kinds.sort_by_key(Kind::score);
        assert!(kinds.is_sorted_by_key(|kind| kind.severity));
        assert!(kinds.iter().all(|kind| (0..100).contains(&kind.score())));
    }

    #[test]
    fn words_in_braces_are_put_in() {
        let words = BTreeMap::from([("asset", "PLC {peer}".to_owned()), ("peer", "HMI".to_owned())]);
        assert_eq!(fill("{peer} writes to {asset}: {what}{", &words), "HMI writes to PLC {peer}: {what}{");
    }
}
