//! What is new or has changed since a baseline: findings, and the sums that a summary tells.

use super::assets::Asset;
use super::findings::{Ground, evidence_row};
use super::logins::Logins;
use super::rows::{self, int};
use crate::baseline::{Baseline, Change, Device, Matches, changes};
use crate::finding::{ASSET_CHANGED, ASSET_NEW, FIRMWARE_CHANGED};
use crate::record::FindingRow;
use dissectors::observation::Evidence;
use std::collections::BTreeMap;

/// How a state differs from a baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// How many devices were not there before.
    pub new: usize,
    /// How many say something else of themselves than before, or stand elsewhere.
    pub changed: usize,
    /// How many of the baseline were not seen.
    pub unseen: usize,
}

/// As many packets prove that a device has changed.
const MOST_EVIDENCE: usize = 8;

/// The findings that a baseline gives, and how many devices they are about.
pub(super) fn findings(ground: &Ground<'_>, logins: &Logins, baseline: &Baseline) -> (Vec<FindingRow>, Since) {
    let accounts = ground.accounts(logins);
    let devices: Vec<Device> = ground.assets.all.iter().map(|asset| device(ground, asset)).collect();
    let matches = Matches::of(&baseline.devices, &devices);
    let (mut rows, mut since) = (Vec::new(), Since::default());
    for (place, (device, asset)) in devices.iter().zip(&ground.assets.all).enumerate() {
        if !matches.is_known(place) {
            if device.is_of_the_plant() {
                since.new += 1;
                rows.extend(new(ground, baseline, device, asset));
            }
            continue;
        }
        let Some(old) = matches.old_of(place).and_then(|old| baseline.devices.get(old)) else { continue };
        rows.extend(ground.unchanged_since(logins, &accounts, place, old));
        let (firmware, others): (Vec<Change>, Vec<Change>) =
            changes(old, device).into_iter().partition(|change| change.attribute == "firmware");
        since.changed += usize::from(!firmware.is_empty() || !others.is_empty());
        rows.extend(changed(ground, ASSET_CHANGED, asset, old, &others));
        rows.extend(changed(ground, FIRMWARE_CHANGED, asset, old, &firmware));
    }
    let old = baseline.devices.iter().enumerate();
    since.unseen = old.filter(|(place, device)| device.is_of_the_plant() && !matches.is_seen(*place)).count();
    (rows, since)
}

/// The asset as a baseline would hold it.
fn device(ground: &Ground<'_>, asset: &Asset<'_>) -> Device {
    let row = rows::asset(ground.assets, asset, ground.protocols, ground.as_of);
    Device::of(&row, &rows::claims(asset, ground.rules, ground.as_of))
}

fn new(ground: &Ground<'_>, baseline: &Baseline, device: &Device, asset: &Asset<'_>) -> Option<FindingRow> {
    let mut details = BTreeMap::new();
    for attribute in ["vendor", "model", "order_code", "firmware", "serial"] {
        details.extend(device.value(attribute).map(|value| (attribute.to_owned(), value.to_owned())));
    }
    details.extend(rows::first_ip(asset).map(|ip| ("address".to_owned(), ip)));
    if !device.macs.is_empty() {
        details.insert("mac".to_owned(), device.macs.join(", "));
    }
    if let Some(before) = before(baseline, device) {
        details.insert("address_was_of".to_owned(), before);
    }
    let what: Vec<&str> = ["vendor", "model"].into_iter().filter_map(|attribute| device.value(attribute)).collect();
    let what = match what.join(" ") {
        what if what.is_empty() => "It did not say what it is.".to_owned(),
        what => format!("It calls itself {what}."),
    };
    let words = BTreeMap::from([("what", what), ("was", was(&details)), ("asset", asset.title().to_owned())]);
    let mut row = ground.of_asset(ASSET_NEW, asset, words)?;
    row.details = details;
    row.count = 1;
    (row.first_seen, row.last_seen, row.opened) = (asset.first_seen(), asset.last_seen(), asset.first_seen());
    let first = asset.homes.iter().map(|home| home.seen.evidence).find(|evidence| evidence.frame.is_some());
    row.evidence = first.map(|evidence| evidence_row(&evidence, Some(asset))).into_iter().collect();
    Some(row)
}

fn was(details: &BTreeMap<String, String>) -> String {
    details.get("address_was_of").map_or_else(String::new, |before| format!(" Its address was that of {before}."))
}

/// Who had the address of a newcomer in the baseline.
fn before(baseline: &Baseline, device: &Device) -> Option<String> {
    let is_address = |key: &&String| key.starts_with("ip:");
    let old =
        baseline.devices.iter().find(|old| device.keys.iter().filter(is_address).any(|it| old.keys.contains(it)))?;
    let macs = if old.macs.is_empty() { String::new() } else { format!(" ({})", old.macs.join(", ")) };
    Some(format!("{}{macs}", old.name))
}

fn changed(
    ground: &Ground<'_>,
    kind: &'static str,
    asset: &Asset<'_>,
    old: &Device,
    changes: &[Change],
) -> Option<FindingRow> {
    if changes.is_empty() {
        return None;
    }
    let mut details: BTreeMap<String, String> = BTreeMap::new();
    for Change { attribute, old, new, .. } in changes {
        let told = if old.is_empty() { new.clone() } else { format!("{old} -> {new}") };
        let entry = details.entry((*attribute).to_owned()).or_default();
        *entry = if entry.is_empty() { told } else { format!("{entry}, {told}") };
    }
    let said: Vec<String> = details.iter().map(|(attribute, told)| format!("{attribute} {told}")).collect();
    let mut words: BTreeMap<&str, String> = changes.first().map_or_else(BTreeMap::new, |change| {
        BTreeMap::from([("old", change.old.clone()), ("new", change.new.clone())])
    });
    words.extend([("changes", said.join("; ")), ("asset", asset.title().to_owned())]);
    let mut row = ground.of_asset(kind, asset, words)?;
    let evidence: Vec<Evidence> = changes.iter().filter_map(|change| place(asset, change)).collect();
    row.details = details;
    if old.id != *asset.id {
        row.details.insert("asset_was".to_owned(), old.id.clone());
    }
    row.count = int(changes.len() as u64);
    row.first_seen = evidence.iter().map(|evidence| evidence.time).min().unwrap_or_else(|| asset.first_seen());
    (row.last_seen, row.opened) = (asset.last_seen(), row.first_seen);
    row.evidence = evidence.iter().take(MOST_EVIDENCE).map(|evidence| evidence_row(evidence, Some(asset))).collect();
    Some(row)
}

/// The packet that says so: of a word its first, of an address or a port the first that was seen of the asset.
fn place(asset: &Asset<'_>, change: &Change) -> Option<Evidence> {
    let word = change.said.as_ref().and_then(|said| {
        let claims = asset.claims.iter().map(|shown| &shown.claim);
        let claim = claims.into_iter().find(|claim| {
            let told = &claim.told;
            told.attribute.name() == said.attribute && told.field == said.field && told.value == said.value
        });
        claim.map(|claim| claim.evidence)
    });
    word.or_else(|| asset.homes.first().map(|home| home.seen.evidence))
}
