//! Two devices that claim one address, by their own word.
//!
//! Left out are those who share an address on purpose: MACs of redundant routers, the ports of one device, a pair that
//! shares several addresses, and who answers for many others.

use super::assets::Asset;
use super::findings::{Ground, evidence_row};
use super::joins::is_shared;
use super::known::{Contest, Known};
use super::rows::int;
use crate::finding::ADDRESS_CONFLICT;
use crate::record::FindingRow;
use crate::table::Packed;
use dissectors::Mac;
use dissectors::observation::{Address, Binding};
use std::collections::{BTreeMap, BTreeSet};

/// Who claims more addresses than its own and those of two others answers for a network.
const MOST_ADDRESSES: usize = 3;
/// The ports of one device are numbered one after the other.
const PORTS: u8 = 8;

/// What each MAC says of itself, and whom it merely carries.
#[derive(Default)]
struct Claimed {
    told: BTreeMap<Mac, BTreeSet<Address>>,
    carriers: BTreeSet<Mac>,
}

/// The conflicts of a moment, one at most of each asset.
pub(super) fn findings(ground: &Ground<'_>) -> Vec<FindingRow> {
    let mut claimed: Option<Claimed> = None;
    let all = ground.assets.all.iter().filter_map(|asset| {
        asset.members.iter().find_map(|known| {
            let contest = known.contest.as_deref().filter(|contest| contest.is_proven())?;
            let claimed = claimed.get_or_insert_with(|| Claimed::of(ground));
            let macs = contest.macs.filter(|macs| claimed.are_strangers(*macs))?;
            row(ground, asset, known, contest, macs)
        })
    });
    all.collect()
}

impl Claimed {
    fn of(ground: &Ground<'_>) -> Self {
        let mut claimed = Self::default();
        for known in ground.assets.all.iter().flat_map(|asset| &asset.members) {
            for bound in &known.macs {
                if bound.proof == Binding::Told {
                    claimed.told.entry(bound.mac).or_default().insert(known.key.host.address);
                } else {
                    claimed.carriers.insert(bound.mac);
                }
            }
        }
        claimed
    }

    /// Whether two MACs are of two devices that have nothing to do with each other.
    fn are_strangers(&self, [one, other]: [Mac; 2]) -> bool {
        let none = BTreeSet::new();
        let [first, second] = [one, other].map(|mac| self.told.get(&mac).unwrap_or(&none));
        let is_for_others = [one, other].iter().any(|mac| is_shared(*mac) || self.carriers.contains(mac));
        let is_many = first.len().max(second.len()) > MOST_ADDRESSES;
        let is_pair = first.intersection(second).count() > 1;
        !is_for_others && !is_many && !is_pair && !are_ports(one, other)
    }
}

/// Whether two MACs look like ports of one device.
pub(super) fn are_ports(Mac(one): Mac, Mac(other): Mac) -> bool {
    one[..5] == other[..5] && one[5].abs_diff(other[5]) <= PORTS
}

fn row(ground: &Ground<'_>, asset: &Asset<'_>, known: &Known, contest: &Contest, macs: [Mac; 2]) -> Option<FindingRow> {
    let address = known.key.host.address.to_string();
    let mut macs: Vec<String> = macs.iter().map(|mac| named(*mac)).collect();
    macs.sort_unstable();
    let details = BTreeMap::from([("address".to_owned(), address.clone()), ("macs".to_owned(), macs.join(", "))]);
    let meaning = ground.kinds.of(ADDRESS_CONFLICT)?.meaning.clone().unwrap_or_default();
    let words = BTreeMap::from([
        ("address", address),
        ("number", "two".to_owned()),
        ("bearers", macs.join(" and ")),
        ("meaning", meaning),
    ]);
    let mut row = ground.of_asset(ADDRESS_CONFLICT, asset, words)?;
    row.details = details;
    row.count = int(contest.turns.len() as u64);
    row.first_seen = contest.turns.first()?.time;
    (row.last_seen, row.opened) = (contest.turns.last()?.time, row.first_seen);
    row.evidence = contest.turns.iter().map(|evidence| evidence_row(evidence, Some(asset))).collect();
    Some(row)
}

/// A MAC with the organisation that it was given to.
fn named(mac: Mac) -> String {
    let mac = mac.to_string();
    match Packed::named("oui").and_then(|oui| oui.look_up(&mac)) {
        Some(vendor) => format!("{mac} ({vendor})"),
        None => mac,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(last: u8) -> Mac {
        Mac([0, 0x80, 0xf4, 0, 0, last])
    }

    fn claimed(told: &[(Mac, &[u8])], carriers: &[Mac]) -> Claimed {
        let address = |last: &u8| Address::Ip([10, 0, 0, *last].into());
        let told = told.iter().map(|(mac, all)| (*mac, all.iter().map(address).collect())).collect();
        Claimed { told, carriers: carriers.iter().copied().collect() }
    }

    #[test]
    fn those_who_share_an_address_on_purpose_are_no_strangers() {
        let (one, two) = (mac(1), mac(0x77));
        assert!(claimed(&[(one, &[5]), (two, &[5])], &[]).are_strangers([one, two]));
        assert!(claimed(&[(one, &[5]), (two, &[5, 6, 7])], &[]).are_strangers([one, two]), "it poisons two");
        assert!(!claimed(&[(one, &[5, 6]), (two, &[5, 6])], &[]).are_strangers([one, two]), "a redundant pair");
        assert!(!claimed(&[(one, &[5]), (two, &[5, 6, 7, 8])], &[]).are_strangers([one, two]), "a proxy");
        assert!(!claimed(&[(one, &[5]), (two, &[5])], &[two]).are_strangers([one, two]), "a router");
        assert!(!claimed(&[], &[]).are_strangers([one, mac(2)]), "two ports");
        assert!(!claimed(&[], &[]).are_strangers([one, Mac([0, 0, 0x5e, 0, 1, 7])]), "VRRP");
    }
}
