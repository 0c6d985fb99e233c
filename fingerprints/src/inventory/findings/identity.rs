//! Findings about what an asset says it is.

use super::{Ground, evidence_row};
use crate::asset::{Attribute, Claim};
use crate::finding::{FIRMWARE_CHANGED, UNIDENTIFIED};
use crate::inventory::assets::Asset;
use crate::record::FindingRow;
use std::collections::BTreeMap;

impl Ground<'_> {
    /// An asset of the plant that did not say what it is.
    pub(super) fn unidentified(&self, asset: &Asset<'_>) -> Option<FindingRow> {
        let protocols = asset.protocols();
        let is_of_plant =
            protocols.iter().any(|name| self.protocols.of(name).industrial && (asset.serves(name) || asset.uses(name)));
        if asset.names_itself() || !(is_of_plant || asset.value(Attribute::Role).is_some()) {
            return None;
        }
        let naming = protocols.iter().filter_map(|name| {
            let facts = self.protocols.of(name);
            let how = if asset.serves(name) { &facts.server } else { &facts.client };
            how.as_ref().map(|how| format!("{name}: {how}"))
        });
        let naming: Vec<String> = naming.collect();
        let mut details = BTreeMap::from([("what_would_name_it".to_owned(), naming.join("; "))]);
        if let Some(role) = asset.value(Attribute::Role) {
            details.insert("role".to_owned(), role.to_owned());
        }
        let spoken: Vec<&str> = protocols.into_iter().collect();
        let mut words: BTreeMap<&str, String> =
            details.iter().map(|(word, value)| (word.as_str(), value.clone())).collect();
        words.insert("asset", asset.title().to_owned());
        words.insert("protocol", spoken.join(", "));
        let mut row = self.of_asset(UNIDENTIFIED, asset, words)?;
        row.details = details;
        row.count = 1;
        (row.first_seen, row.last_seen) = (asset.first_seen(), asset.last_seen());
        row.opened = row.first_seen;
        let seen = asset.homes.iter().map(|home| home.seen.evidence).find(|evidence| evidence.frame.is_some());
        row.evidence = seen.map(|evidence| evidence_row(&evidence, Some(asset))).into_iter().collect();
        Some(row)
    }

    /// The firmware of an asset became another one while it was watched.
    pub(super) fn firmware_changed(&self, asset: &Asset<'_>) -> Option<FindingRow> {
        let (earlier, later) = changed(asset)?;
        let (old, new) = (earlier.told.value.to_string(), later.told.value.to_string());
        let told = [("firmware", format!("{old} -> {new}")), ("field", later.told.field.to_owned())];
        let words = BTreeMap::from([("asset", asset.title().to_owned()), ("old", old), ("new", new)]);
        let mut row = self.of_asset(FIRMWARE_CHANGED, asset, words)?;
        row.details = told.map(|(word, value)| (word.to_owned(), value)).into();
        row.count = 1;
        (row.opened, row.first_seen, row.last_seen) = (later.first_seen, later.first_seen, later.last_seen);
        row.protocol = Some(later.evidence.protocol.to_owned()).filter(|protocol| !protocol.is_empty());
        row.evidence = [earlier, later].map(|claim| evidence_row(&claim.evidence, Some(asset))).into();
        Some(row)
    }
}

/// The last change of the firmware that one source of one device told: the same field, on the same port, told one value
/// and after it another, and never the first again.
///
/// Two devices that share an address would tell both in turns; and a device whose vendor, model or serial number became
/// another one as well is not the same device with a new firmware.
fn changed<'c>(asset: &'c Asset<'_>) -> Option<(&'c Claim, &'c Claim)> {
    let of = |attribute: Attribute| {
        asset.claims.iter().map(|shown| &shown.claim).filter(move |claim| claim.told.attribute == attribute)
    };
    let is_source = |one: &Claim, other: &Claim| {
        let port = |claim: &Claim| claim.evidence.flow.source_port;
        let address = |claim: &Claim| claim.evidence.flow.source;
        one.told.field == other.told.field && port(one) == port(other) && address(one) == address(other)
    };
    let others = [Attribute::Vendor, Attribute::Model, Attribute::Serial];
    if others.into_iter().any(|attribute| of(attribute).any(|claim| !claim.stands)) {
        return None;
    }
    let later = of(Attribute::Firmware).filter(|claim| claim.stands).max_by_key(|claim| claim.first_seen)?;
    let earlier = of(Attribute::Firmware)
        .filter(|claim| !claim.stands && is_source(claim, later) && claim.told.value != later.told.value);
    let earlier = earlier.max_by_key(|claim| claim.last_seen)?;
    (earlier.last_seen < later.first_seen).then_some((earlier, later))
}
