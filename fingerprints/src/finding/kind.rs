//! Kinds of findings, as the data describes them: `data/findings.toml`.

use super::{Severity, fill};
use crate::record::FindingRow;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Control messages on a protocol that has no login.
pub const UNAUTHENTICATED_CONTROL: &str = "protocol.unauthenticated_control";
/// A device that is managed where everybody can read along.
pub const CLEARTEXT_MANAGEMENT: &str = "protocol.cleartext_management";
/// An asset that has not said what it is.
pub const UNIDENTIFIED: &str = "asset.unidentified";
/// An asset that the baseline does not know.
pub const ASSET_NEW: &str = "asset.new";
/// An asset that is called something else than in the baseline, or stands elsewhere.
pub const ASSET_CHANGED: &str = "asset.changed";
/// Two devices with one address.
pub const ADDRESS_CONFLICT: &str = "asset.address_conflict";
/// Requests that found no answer.
pub const UNANSWERED: &str = "communication.unanswered";
/// Requests that were always refused.
pub const FAILING: &str = "communication.failing";
/// Messages by the hundred that nobody asked for.
pub const STORM: &str = "communication.storm";
/// Somebody looks for what there is.
pub const SCAN: &str = "scan.active";
/// A device says itself that something is wrong with it.
pub const TROUBLE: &str = "device.trouble";
/// A device's clock is not that of the capture.
pub const CLOCK_SKEWED: &str = "clock.skewed";
/// The kinds that go by what a device says of itself.
pub const REPORTED: [&str; 2] = [TROUBLE, CLOCK_SKEWED];
/// An asset's firmware is another one than before.
pub const FIRMWARE_CHANGED: &str = "firmware.changed";

/// A connection is protected by what is broken or forbidden by now.
pub const TLS_OBSOLETE: &str = "tls.obsolete";
/// A protocol in a version that nobody should speak any more.
pub const PROTOCOL_OBSOLETE: &str = "protocol.obsolete";
/// A certificate that has ended.
pub const CERTIFICATE_EXPIRED: &str = "certificate.expired";
/// A certificate that ends soon.
pub const CERTIFICATE_EXPIRING: &str = "certificate.expiring";
/// A certificate that nobody else vouches for.
pub const CERTIFICATE_SELF_SIGNED: &str = "certificate.self_signed";
/// A certificate whose key can be found out.
pub const CERTIFICATE_WEAK_KEY: &str = "certificate.weak_key";
/// A certificate that can be forged.
pub const CERTIFICATE_WEAK_SIGNATURE: &str = "certificate.weak_signature";
/// A certificate that holds too long.
pub const CERTIFICATE_LONG_LIVED: &str = "certificate.long_lived";

/// A login was accepted with a password that devices are shipped with.
pub const CREDENTIAL_DEFAULT: &str = "credential.default";
/// A login was accepted without a password.
pub const CREDENTIAL_EMPTY: &str = "credential.empty";
/// A login was accepted with a password that follows from what everybody knows.
pub const CREDENTIAL_GUESSABLE: &str = "credential.guessable";
/// A password crossed the wire readable.
pub const CREDENTIAL_CLEARTEXT: &str = "credential.cleartext";
/// Something crossed the wire that a password can be found from.
pub const CREDENTIAL_EXPOSED_HASH: &str = "credential.exposed_hash";
/// A key crossed the wire readable.
pub const CREDENTIAL_KEY_EXPOSED: &str = "credential.key_exposed";
/// Several devices accept one password.
pub const CREDENTIAL_REUSED: &str = "credential.reused";
/// A password has been the same for long.
pub const CREDENTIAL_UNCHANGED: &str = "credential.unchanged";
/// Many logins were refused.
pub const CREDENTIAL_GUESSING: &str = "credential.guessing";
/// What should ask for a login does not.
pub const CREDENTIAL_NONE_REQUIRED: &str = "credential.none_required";

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
    /// The order among findings of one severity, before what is known of the single finding.
    pub weight: u8,
    /// What raises a single finding among those of its kind, by the names of what is looked at.
    #[serde(default)]
    pub points: BTreeMap<String, Points>,
    /// How sure such a finding is, in percent.
    pub confidence: u8,
    /// How sure it is where the capture does not show the answer; none is told without one, unless this is said.
    #[serde(default)]
    pub confidence_unseen: Option<u8>,
    /// How sure it is where it is known of the devices of another maker, or of no maker in particular.
    #[serde(default)]
    pub confidence_elsewhere: Option<u8>,
    /// How often it has to be seen before it is one.
    #[serde(default = "once")]
    pub at_least: u64,
    /// The share that makes it one, in percent, where it goes by a share.
    #[serde(default)]
    pub percent: u8,
    /// What it is known by, where several things make it one.
    #[serde(default)]
    pub signs: BTreeMap<String, Sign>,
    /// How fast what nobody asked for has to come, by what it is.
    #[serde(default)]
    pub rates: BTreeMap<String, Rate>,
    /// What a device says of itself that makes it one.
    #[serde(default)]
    pub reports: Vec<Report>,
    /// The categories of control actions that are findings of this kind.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Where it is less grave.
    #[serde(default)]
    pub milder: Vec<Milder>,
    /// One line; holds words in braces.
    pub title: String,
    /// The title of one that is rare, with what was done.
    #[serde(default)]
    pub title_rare: Option<String>,
    /// The title where the capture does not show the answer.
    #[serde(default)]
    pub title_unseen: Option<String>,
    /// What was seen; holds words in braces.
    pub summary: String,
    /// What comes of it, as a sentence, where that is not the same for all of its kind.
    #[serde(default)]
    pub meaning: Option<String>,
    /// When it is raised, in plain words; holds the kind's own numbers in braces.
    pub raised: String,
    /// What to do first, in a few words; holds words in braces.
    pub action: String,
    /// What to do, at length.
    pub remedy: String,
    /// What such a finding cannot tell.
    pub limits: String,
    /// What cures it, as a tool reads it.
    pub remediation: String,
    /// What the tool should enforce, where the remediation has a choice.
    #[serde(default)]
    pub policy: Option<String>,
    /// What must be seen for it to be cured.
    pub verification: String,
    /// Whether that can be seen on the wire.
    pub verifiable: String,
    /// At most four clauses that it is evidence for.
    pub controls: Vec<String>,
    /// Techniques of ATT&CK for ICS, where the operation itself does not tell them.
    pub techniques: Vec<String>,
}

/// One of several things that make a finding.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// As many have to be in vain.
    pub at_least: u64,
    /// And more than this share of all, in percent.
    pub percent: u8,
    /// And none of them more often than this.
    pub repeats: u64,
    /// What is meant; holds the three numbers in braces.
    pub words: String,
}

impl Sign {
    /// What it is, with its numbers put in.
    pub fn what(&self) -> String {
        let numbers = [
            ("at_least", self.at_least.to_string()),
            ("percent", self.percent.to_string()),
            ("repeats", self.repeats.to_string()),
        ];
        fill(&self.words, &BTreeMap::from(numbers))
    }

    /// Whether so many of all that were tried are enough.
    pub(crate) fn holds(&self, vain: u64, all: u64) -> bool {
        vain >= self.at_least && u128::from(vain) * 100 > u128::from(all) * u128::from(self.percent)
    }
}

/// How fast messages have to come to be too many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// As many within an hour.
    pub at_least: u64,
    /// And as many a minute while they come.
    pub a_minute: u64,
    /// What is meant; holds the two numbers in braces.
    pub words: String,
}

impl Rate {
    /// What it is, with its numbers put in.
    pub fn what(&self) -> String {
        let numbers = [("at_least", self.at_least.to_string()), ("a_minute", self.a_minute.to_string())];
        fill(&self.words, &BTreeMap::from(numbers))
    }

    /// Whether so many within an hour, and so many a minute, are too many.
    pub(crate) fn is_reached(&self, count: u64, a_minute: u64) -> bool {
        count >= self.at_least && a_minute >= self.a_minute
    }
}

/// What a control action may do that is less grave than others of its kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Milder {
    /// Over which protocol.
    pub protocol: String,
    /// On nothing but these targets.
    pub targets: Vec<String>,
    /// How much it matters then.
    pub severity: Severity,
    /// Why, as a sentence.
    pub words: String,
}

/// What a device says of itself, by which it reports trouble.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// In which field.
    pub field: String,
    /// Which values of it are meant: a pattern. Without one all are, and the field goes by how much its number grows.
    #[serde(default)]
    pub pattern: Option<String>,
    /// As often within a full hour, or so much growth from one value to a later one, is trouble.
    pub at_least: u64,
    /// What the device says by it, in a few words.
    pub words: String,
}

impl Report {
    /// What it is, with its number put in.
    pub fn what(&self) -> String {
        match self.pattern {
            Some(_) => format!("{}: {} or more", self.words, self.at_least),
            None => format!("{}: {} or more than at an earlier reading", self.words, self.at_least),
        }
    }
}

/// What one thing that is known of a finding adds to its score.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Points {
    /// How much.
    pub points: u8,
    /// The number that it goes by, if it goes by one.
    #[serde(default)]
    pub limit: u64,
    /// Why, as a sentence goes on; holds `{limit}`.
    pub words: String,
}

impl Points {
    /// Why, with its number put in.
    pub fn why(&self) -> String {
        fill(&self.words, &BTreeMap::from([("limit", self.limit.to_string())]))
    }
}

impl Kind {
    /// The largest weight, with all points, below the distance between two severities.
    pub const MAX_WEIGHT: u8 = 19;

    /// The one order in which everything is ranked: 20 for each step of severity, then the kind's weight and the points
    /// of the single finding, 19 at most; 0 to 99. A more severe finding always ranks above a less severe one.
    pub fn score(&self, points: impl IntoIterator<Item = u8>) -> i32 {
        let weight = points.into_iter().fold(self.weight, u8::saturating_add);
        20 * self.severity as i32 + i32::from(weight.min(Self::MAX_WEIGHT))
    }

    /// How grave one is that did something to these targets alone, where that is less grave.
    pub(crate) fn milder(&self, protocol: &str, targets: &[impl AsRef<str>]) -> Option<Severity> {
        let is_known = |milder: &Milder, target: &str| milder.targets.iter().any(|known| known == target);
        let is_it = |milder: &&Milder| {
            milder.protocol == protocol && targets.iter().all(|target| is_known(milder, target.as_ref()))
        };
        self.milder.iter().find(is_it).map(|milder| milder.severity)
    }

    /// When it is raised, with its numbers put in.
    pub fn raised(&self) -> String {
        let numbers = [("at_least", self.at_least.to_string()), ("percent", self.percent.to_string())];
        let signs = self.signs.values().map(Sign::what).chain(self.rates.values().map(Rate::what));
        let signs = signs.map(|what| format!("{what}."));
        let reports = self.reports.iter().map(Report::what).collect::<Vec<_>>().join("; ");
        let reports = Some(format!("{reports}.")).filter(|_| !self.reports.is_empty());
        let milder = self.milder.iter();
        let milder = milder.map(|milder| format!("It is {} where {}.", milder.severity.name(), milder.words));
        let raised = std::iter::once(fill(&self.raised, &BTreeMap::from(numbers)));
        let raised = raised.chain(signs).chain(reports).chain(milder);
        raised.collect::<Vec<_>>().join(" ")
    }

    /// What to do first, of no finding in particular.
    pub fn action_in_general(&self) -> String {
        fill(&self.action, &BTreeMap::from([("port", "PORT".to_owned())]))
    }

    /// Whether the techniques of a single finding are those of the operations that were seen, where they are known.
    pub fn follows_operations(&self) -> bool {
        !self.categories.is_empty() || self.title_rare.is_some()
    }

    /// What to do first about a finding of this kind.
    pub fn action_on(&self, finding: &FindingRow) -> String {
        let port = finding.port.map_or_else(|| "0".to_owned(), |port| port.to_string());
        fill(&self.action, &BTreeMap::from([("port", port)]))
    }

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
pub struct Kinds {
    by_name: BTreeMap<String, Kind>,
    by_category: BTreeMap<String, String>,
}

impl Kinds {
    /// Those that are compiled in.
    #[allow(clippy::missing_panics_doc, reason = "a test reads the same file")]
    pub fn builtin() -> Self {
        let by_name: BTreeMap<String, Kind> =
            toml::from_str(include_str!("../../data/findings.toml")).expect("a test reads the same file");
        let pairs = by_name.iter().flat_map(|(name, kind)| {
            let categories = kind.categories.iter();
            categories.map(|category| (category.clone(), name.clone()))
        });
        let by_category = pairs.collect();
        Self { by_name, by_category }
    }

    /// The kind of this name.
    pub fn of(&self, name: &str) -> Option<&Kind> {
        self.by_name.get(name)
    }

    /// The kind that a control action of this category is, if it matters one by one.
    pub fn of_category(&self, category: &str) -> Option<(&str, &Kind)> {
        let (name, kind) = self.by_name.get_key_value(self.by_category.get(category)?)?;
        Some((name, kind))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.by_name.iter().map(|(name, kind)| (name.as_str(), kind))
    }
}
