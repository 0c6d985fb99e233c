//! Names that only one device may bear, borne by two: the instance of a device, an address on a line. Which those are
//! stands in `data/protocols.toml`.
//!
//! That two bear one name is proven when both say so at about the same time, and are two by more than their addresses: two
//! stations of one line or network, two hosts of one subnet, each with a hardware address of its own, or two that say
//! another maker, model or serial number. So a device that moved, one with several ports, and a router, which has its
//! instance in each of its networks, are none.

use super::contest::are_ports;
use super::dealings::Dealings;
use super::findings::{Ground, evidence_row, name_peer};
use super::joins::{Carriers, is_shared};
use super::known::{Key, Known, Seen};
use super::registry::Registry;
use super::rows::int;
use crate::asset::{Attribute, Claim, Told};
use crate::finding::ADDRESS_CONFLICT;
use crate::protocol::{Protocols, Unique};
use crate::record::FindingRow;
use dissectors::Mac;
use dissectors::observation::{Address, Context};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

/// The identity keys of a moment that two devices bear.
#[derive(Default)]
pub(super) struct Doubles<'a>(BTreeMap<(Context, &'a str), Double<'a>>);

/// One of them, by the name that people give it, and who bears it.
struct Double<'a> {
    name: String,
    /// What comes of it, as a sentence.
    meaning: String,
    bearers: Vec<Bearer<'a>>,
}

/// Who says that a name is its own, and when.
#[derive(Clone, Copy)]
struct Bearer<'a> {
    known: &'a Known,
    seen: Seen,
}

impl<'a> Doubles<'a> {
    pub(super) fn among(registry: &'a Registry, protocols: &Protocols, carriers: &Carriers) -> Self {
        let mut all: BTreeMap<(Context, &str), Double<'_>> = BTreeMap::new();
        for (_, known) in registry.iter() {
            let Some((claim, unique)) = sole_name(known, protocols) else { continue };
            let key = (known.key.host.context, claim.told.value.as_str());
            let double = all.entry(key).or_insert_with(|| Double::new(unique, number(&claim.told.value)));
            double.bearers.push(Bearer::of(known, claim));
        }
        all.retain(|_, double| double.is_proven(|one, other| are_two(one, other, registry, carriers)));
        Self(all)
    }

    /// Those of an asset.
    pub(super) fn of(&self, members: &[&Known]) -> Vec<&'a str> {
        let own = self.0.iter().filter(|(_, double)| {
            double.bearers.iter().any(|bearer| members.iter().any(|known| known.key == bearer.known.key))
        });
        own.map(|((_, key), _)| *key).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether two devices bear this identity key there.
    pub(super) fn has(&self, context: Context, key: &str) -> bool {
        !self.0.is_empty() && self.0.contains_key(&(context, key))
    }
}

/// The only name of its kind that it ever said was its own: who says several passes on what others say.
fn sole_name<'k, 'p>(known: &'k Known, protocols: &'p Protocols) -> Option<(&'k Claim, &'p Unique)> {
    let own = known.claims.iter().filter(|claim| claim.told.attribute == Attribute::Identity);
    let mut unique = own.filter_map(|claim| Some((claim, protocols.unique_identity(&claim.told.value)?)));
    let only = unique.next().filter(|(claim, _)| claim.stands);
    only.filter(|_| unique.next().is_none())
}

/// The last part of an identity key.
fn number(key: &str) -> &str {
    key.rsplit_once(['/', ':']).map_or(key, |(_, number)| number)
}

impl Double<'_> {
    fn new(unique: &Unique, number: impl Display) -> Self {
        Self { name: format!("{} {number}", unique.name), meaning: unique.meaning.clone(), bearers: Vec::new() }
    }

    fn is_proven(&mut self, are_two: impl Fn(&Known, &Known) -> bool) -> bool {
        self.bearers.sort_by_key(|bearer| (bearer.seen.first, bearer.known.key.clone()));
        let first = self.bearers.get(..self.bearers.len().min(MOST_BEARERS)).unwrap_or_default();
        let pairs =
            first.iter().enumerate().flat_map(|(at, one)| first[at + 1..].iter().map(move |other| (one, other)));
        pairs.into_iter().any(|(one, other)| one.is_near(other) && are_two(one.known, other.known))
    }
}

impl<'a> Bearer<'a> {
    fn of(known: &'a Known, claim: &Claim) -> Self {
        let Claim { first_seen: first, last_seen: last, count, evidence, .. } = *claim;
        Self { known, seen: Seen { first, last, count, evidence } }
    }

    /// Whether both say so at about the same time.
    fn is_near(&self, other: &Self) -> bool {
        let (one, other) = (self.seen, other.seen);
        one.first.max(other.first).since(one.last.min(other.last)) <= NEAR
    }

    /// Its address, and that behind it.
    fn address(&self) -> String {
        let Key { host, child } = &self.known.key;
        match child {
            Some((_, child)) => format!("{}/{child}", host.address),
            None => host.address.to_string(),
        }
    }
}

/// Whether two that bear one name are two devices, whatever they call themselves.
fn are_two(one: &Known, other: &Known, registry: &Registry, carriers: &Carriers) -> bool {
    if contradict(one, other) {
        return true;
    }
    match (&one.key.child, &other.key.child) {
        // One station may be seen behind two routers, but two stations of one network are two.
        (Some(one), Some(other)) => one != other,
        (None, None) => are_neighbours(one, other, registry, carriers),
        _ => false,
    }
}

/// Whether what they say of maker, model or serial number, each in the same words of its own, was never the same. What one
/// has said before counts as well: nobody knows in which order it was heard.
fn contradict(one: &Known, other: &Known) -> bool {
    fn own(known: &Known) -> impl Iterator<Item = &Told> {
        let told = known.claims.iter().map(|claim| &claim.told);
        told.filter(|told| [Attribute::Vendor, Attribute::Model, Attribute::Serial].contains(&told.attribute))
    }
    let are_alike = |one: &Told, other: &Told| (one.attribute, one.field) == (other.attribute, other.field);
    own(one).any(|told| {
        let mut theirs = own(other).filter(|known| are_alike(told, known)).peekable();
        let ours = || own(one).filter(|known| are_alike(told, known));
        theirs.peek().is_some() && theirs.all(|known| ours().all(|own| own.value != known.value))
    })
}

/// Whether two hosts are on one link and have each a hardware address of its own.
fn are_neighbours(one: &Known, other: &Known, registry: &Registry, carriers: &Carriers) -> bool {
    match (one.key.host.address, other.key.host.address) {
        (Address::Node(bus, first), Address::Node(other, second)) => bus == other && first != second,
        (Address::Mac(one), Address::Mac(other)) => are_strangers(one, other),
        (Address::Ip(first), Address::Ip(second)) if subnet(first) == subnet(second) => {
            let own = |known: &Known| {
                known.told_macs().map(|bound| bound.mac).next().or_else(|| Some(carriers.alone(known, registry)?.mac))
            };
            own(one).zip(own(other)).is_some_and(|(one, other)| are_strangers(one, other))
        }
        _ => false,
    }
}

/// Whether two hardware addresses are not those of one device, or of routers that stand in for each other.
fn are_strangers(one: Mac, other: Mac) -> bool {
    one != other && !is_shared(one) && !is_shared(other) && !are_ports(one, other)
}

/// Those whose devices are one hop apart, whatever their masks.
fn subnet(ip: IpAddr) -> (bool, u128) {
    match ip {
        IpAddr::V4(ip) => (true, u128::from(u32::from(ip) >> 8)),
        IpAddr::V6(ip) => (false, u128::from(ip) >> 64),
    }
}

/// The conflicts of a moment: of identity keys, and of addresses on lines.
pub(super) fn findings(ground: &Ground<'_>, dealings: &Dealings) -> Vec<FindingRow> {
    let identities = ground.assets.doubles.0.values().filter_map(|double| row(ground, double, None));
    let lines = on_lines(ground, dealings);
    let lines = lines.iter().filter_map(|double| row(ground, double, Some(UNSURE)));
    let rows = identities.chain(lines).map(|row| (row.finding_id.clone(), row));
    rows.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Addresses that several of those bear whom one client polls.
fn on_lines<'a>(ground: &Ground<'a>, dealings: &Dealings) -> Vec<Double<'a>> {
    let mut polled: BTreeMap<_, Double<'a>> = BTreeMap::new();
    for (key, dealing) in dealings.sorted() {
        let facts = ground.protocols.of(key.protocol);
        let Some((protocol, child)) = &key.server.child else { continue };
        let is_polled = dealing.answers > 0 && dealing.asked.iter().any(|asked| !facts.identifies(&asked.to_string()));
        if is_polled
            && !facts.is_itself(&child.to_string())
            && let Some(unique) = &facts.unique_child
            && let Some(known) = ground.assets.known(&key.server)
        {
            let polled = polled.entry((key.client, *protocol, child));
            polled.or_insert_with(|| Double::new(unique, child)).bearers.push(Bearer { known, seen: known.seen });
        }
    }
    let are_two = |one: &Known, other: &Known| ground.assets.place(&one.key) != ground.assets.place(&other.key);
    polled.into_values().filter_map(|mut double| double.is_proven(are_two).then_some(double)).collect()
}

fn row(ground: &Ground<'_>, double: &Double<'_>, confidence: Option<i32>) -> Option<FindingRow> {
    let Double { name, meaning, bearers } = double;
    let places: Vec<usize> = bearers.iter().filter_map(|bearer| ground.assets.place(&bearer.known.key)).collect();
    let first = *places.first()?;
    let asset = ground.assets.all.get(first)?;
    let mut addresses: Vec<String> = bearers.iter().map(Bearer::address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let words = BTreeMap::from([
        ("address", name.clone()),
        ("number", if addresses.len() == 2 { "two".to_owned() } else { addresses.len().to_string() }),
        ("bearers", listed(&addresses)),
        ("meaning", meaning.clone()),
    ]);
    let mut row = ground.one_of_asset(ADDRESS_CONFLICT, asset, name, words)?;
    row.details =
        [("address", name.clone()), ("addresses", addresses.join(", "))].map(|(word, is)| (word.to_owned(), is)).into();
    if let Some(peer) = places.iter().find(|place| **place != first).and_then(|place| ground.assets.all.get(*place)) {
        name_peer(&mut row, peer);
    }
    row.confidence = confidence.or(row.confidence);
    row.count = int(bearers.iter().map(|bearer| bearer.seen.count).sum());
    row.first_seen = bearers.iter().map(|bearer| bearer.seen.first).min()?;
    (row.last_seen, row.opened) = (bearers.iter().map(|bearer| bearer.seen.last).max()?, row.first_seen);
    let evidence = bearers.iter().take(MOST_EVIDENCE).map(|bearer| evidence_row(&bearer.seen.evidence, Some(asset)));
    row.evidence = evidence.collect();
    Some(row)
}

/// The first of them, in a sentence.
fn listed(addresses: &[String]) -> String {
    match addresses {
        [] | [_] => addresses.concat(),
        [others @ .., last] if others.len() < MOST_NAMED => format!("{} and {last}", others.join(", ")),
        _ => format!("{} and {} others", addresses[..MOST_NAMED].join(", "), addresses.len() - MOST_NAMED),
    }
}

/// Both say so within as long of each other.
const NEAR: Duration = Duration::from_mins(2);
/// As many who bear a name are held against each other.
const MOST_BEARERS: usize = 16;
const MOST_NAMED: usize = 6;
const MOST_EVIDENCE: usize = 8;
/// An outstation with two ports has one address at both, and hosts need not differ in it where each has a line of its own.
const UNSURE: i32 = 60;
