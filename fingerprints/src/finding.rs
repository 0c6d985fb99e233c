//! Findings: what should be done about an asset. The kinds and their texts are data, `data/findings.toml`.

mod kind;

pub use kind::*;

use crate::table;
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
    /// The wire shows the cure.
    Verified,
    /// What was cured is back.
    Regressed,
}

impl Status {
    /// As the tables write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Verified => "verified",
            Self::Regressed => "regressed",
        }
    }
}

/// What ATT&CK for ICS calls a technique, as `T0855`.
pub fn technique(id: &str) -> Option<&'static str> {
    table::words("techniques", id)
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
        let kinds = Kinds::builtin();
        for (name, kind) in kinds.iter() {
            let floor = 20 * kind.severity as i32;
            let ceiling = kind.score(kind.points.values().map(|points| points.points));
            assert!(floor <= kind.score([]) && ceiling < floor + 20, "{name}: {ceiling}");
        }
    }

    #[test]
    fn words_in_braces_are_put_in() {
        let words = BTreeMap::from([("asset", "PLC {peer}".to_owned()), ("peer", "HMI".to_owned())]);
        assert_eq!(fill("{peer} writes to {asset}: {what}{", &words), "HMI writes to PLC {peer}: {what}{");
    }
}
