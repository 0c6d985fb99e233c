//! A plant as it stood at one moment, as plain data, and what changed between two of them.
//!
//! Devices are known again by their identity keys, whatever their ids: see [`Matches`]. What one of them is called now
//! and was called then is compared field by field: see [`changes`]. What was merely not seen is no change.

mod changes;
mod matches;

pub use changes::{Change, changes};
pub use matches::Matches;

use crate::record::{AssetRow, ClaimRow};
use crate::rules::is_own;
use dissectors::Timestamp;
use std::collections::BTreeMap;

/// What stood in a plant, as runs before this one have told it.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// What people call it: the path of a lake.
    pub name: String,
    /// Which state it is: the same one gives the same text.
    pub id: String,
    /// All that stood there.
    pub devices: Vec<Device>,
}

impl Baseline {
    /// From when to when its devices were seen.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.devices.iter().map(|device| device.first_seen).min()?;
        Some((first, self.devices.iter().map(|device| device.last_seen).max()?))
    }
}

/// One asset of a state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Device {
    /// Its id in that state.
    pub id: String,
    /// The keys by which it is known again.
    pub keys: Vec<String>,
    /// As the assets table has it: `device`, `child`, `external`.
    pub kind: String,
    /// The id of the asset behind which it stands.
    pub parent: Option<String>,
    /// What it is called.
    pub name: String,
    /// Its hardware addresses.
    pub macs: Vec<String>,
    /// Its network addresses.
    pub ips: Vec<String>,
    /// The ports it was seen to listen on, `502/tcp`.
    pub ports: Vec<String>,
    /// When it was seen first.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// Whether anything came from it.
    pub is_heard: bool,
    /// What it said of itself.
    pub said: Vec<Said>,
    /// The passwords that it accepted, by their hashes under the site's key.
    pub passwords: Vec<Password>,
}

/// A password that a device accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Password {
    /// At which port.
    pub port: i32,
    /// How.
    pub scheme: String,
    /// Of whom.
    pub username: Option<String>,
    /// What it is known again by: of keys that differ none is ever equal.
    pub hash: String,
    /// When it was seen first.
    pub first_seen: Timestamp,
}

/// What a device's own words say of one attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Of which.
    pub attribute: String,
    /// What.
    pub value: String,
    /// By which field.
    pub field: String,
    /// How sure that is, in percent.
    pub confidence: i32,
    /// Whether it is the value by which the asset is known.
    pub chosen: bool,
    /// Whether it is the last that this field said.
    pub stands: bool,
    /// The capture in which it was said first.
    pub capture: Option<String>,
    /// The frame there.
    pub frame: Option<i64>,
}

impl Device {
    /// A device from the rows about it. What follows from addresses and conduct is not its own word, and is left out.
    pub fn of<'c>(row: &AssetRow, claims: impl IntoIterator<Item = &'c ClaimRow>) -> Self {
        let own_words: Vec<&ClaimRow> = claims.into_iter().filter(|claim| !is_own(&claim.field)).collect();
        let mut latest: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
        for claim in &own_words {
            let last = latest.entry((&claim.attribute, &claim.field)).or_insert(claim.last_seen);
            *last = claim.last_seen.max(*last);
        }
        let said = own_words.iter().map(|claim| Said {
            attribute: claim.attribute.clone(),
            value: claim.value.clone(),
            field: claim.field.clone(),
            confidence: claim.confidence,
            chosen: claim.chosen,
            stands: latest.get(&(claim.attribute.as_str(), claim.field.as_str())) == Some(&claim.last_seen),
            capture: claim.capture.clone(),
            frame: claim.frame,
        });
        let said: Vec<Said> = said.collect();
        let answers = !row.listening_ports.is_empty() || row.two_way.is_some_and(|share| share > 0.0);
        Self {
            id: row.asset_id.clone(),
            keys: row.identity_keys.clone(),
            kind: row.kind.clone(),
            parent: row.parent_asset_id.clone(),
            name: row.name.clone().unwrap_or_default(),
            macs: row.macs.clone(),
            ips: row.ips.clone(),
            ports: row.listening_ports.clone(),
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            is_heard: answers || !row.macs.is_empty() || !said.is_empty() || row.parent_asset_id.is_some(),
            said,
            passwords: Vec::new(),
        }
    }

    /// Whether it belongs to the plant, and something came from it.
    pub fn is_of_the_plant(&self) -> bool {
        self.is_heard && self.kind != "external"
    }

    /// The value by which it is known.
    pub fn value(&self, attribute: &str) -> Option<&str> {
        let chosen = self.said.iter().find(|said| said.chosen && said.attribute == attribute);
        chosen.map(|said| said.value.as_str())
    }
}
