//! What ranks one finding of a kind before another: who commands a device rarely, and has no other business with it, is
//! looked at before those who do it all day.
//!
//! What is looked at stands here; how much each counts, and its number, stands with the kind in `data/findings.toml`.

use super::Ground;
use super::joined::{Between, Joined, Relations, earlier};
use crate::finding::{Kind, Points};
use crate::inventory::assets::Asset;
use dissectors::Timestamp;
use dissectors::observation::Address;
use std::net::IpAddr;

/// It commanded no more often than the limit says.
pub(super) const RARE: &str = "rare";
/// It asked the device for nothing else.
const ONLY_COMMANDS: &str = "only_commands";
/// Others had dealt with the device for as many seconds as the limit says before it came.
const LATE: &str = "late";
/// It is in another network than the device, and others who deal with the device are not.
const ELSEWHERE: &str = "elsewhere";

impl Ground<'_> {
    /// Which of a kind's points a client has.
    pub(super) fn points<'k>(
        &self,
        kind: &'k Kind,
        relations: &Relations,
        between: &Between,
        joined: &Joined,
        commands: u64,
    ) -> Vec<(&'k str, &'k Points)> {
        let holds = |name: &str, points: &Points| match name {
            RARE => commands <= points.limit,
            ONLY_COMMANDS => joined.requests <= joined.control.count,
            LATE => is_late(relations, between, points.limit),
            ELSEWHERE => self.is_elsewhere(relations, between),
            _ => false,
        };
        let all = kind.points.iter().map(|(name, points)| (name.as_str(), points));
        all.filter(|(name, points)| holds(name, points)).collect()
    }

    fn is_elsewhere(&self, relations: &Relations, between: &Between) -> bool {
        let network = |place: usize| self.assets.all.get(place).and_then(network);
        let home = network(between.asset);
        let own = between.peer.and_then(network);
        let mut others = relations.with(between.asset).filter(|(other, _)| other.peer != between.peer);
        home.is_some() && own.is_some() && own != home && others.any(|(other, _)| other.peer.and_then(network) == home)
    }
}

fn is_late(relations: &Relations, between: &Between, seconds: u64) -> bool {
    let since = |is_own: bool| -> Option<Timestamp> {
        let of = relations.with(between.asset).filter(|(other, _)| (other.peer == between.peer) == is_own);
        of.fold(None, |since, (_, joined)| earlier(since, joined.since))
    };
    let (Some(own), Some(others)) = (since(true), since(false)) else { return false };
    own > others && own.since(others).as_secs() >= seconds
}

/// The network of an asset's first address, as most are cut: a /24, of IPv6 a /64. A device behind a host is in its
/// host's.
fn network(asset: &Asset<'_>) -> Option<(usize, u128)> {
    match asset.homes.first()?.key.host.address {
        Address::Ip(IpAddr::V4(ip)) => Some((4, u128::from(ip.to_bits() >> 8))),
        Address::Ip(IpAddr::V6(ip)) => Some((6, ip.to_bits() >> 64)),
        Address::Mac(_) | Address::Node(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Kinds;

    #[test]
    fn the_data_counts_what_is_looked_at() {
        for (kind, points) in Kinds::builtin().iter().flat_map(|(_, kind)| &kind.points) {
            assert!([RARE, ONLY_COMMANDS, LATE, ELSEWHERE].contains(&kind.as_str()), "{kind}");
            assert!(points.points > 0 && !points.why().contains('{'), "{kind}");
        }
    }
}
