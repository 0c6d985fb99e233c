//! Which hosts and children are one asset: a function of what is known, whatever the order in which it was learned.
//!
//! A sole child of a host is the host itself, until a second one answers or a gateway is proven. Then keys join, the
//! strongest first: a vendor's serial number, identity keys that rules claim, the same address in contexts that packets
//! prove to be one network, a MAC that hosts told of themselves. A private address in two other contexts joins nothing,
//! nor does a MAC that merely carried packets. A key whose bearers
//! contradict each other (two serial numbers of a vendor, two instances of a network, two children of a host) joins
//! none of them; nor does a key of which one bearer has several.

use super::coverage::is_global;
use super::doubles::Doubles;
use super::known::{Bound, Key, Known};
use super::registry::{Registry, Slot};
use crate::asset::{Attribute, Claim, winner};
use crate::protocol::Protocols;
use crate::rules::is_own;
use crate::table;
use dissectors::Mac;
use dissectors::observation::{Address, Binding, ChildProof, Context, Evidence};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The hosts and children that are one asset.
#[derive(Debug)]
pub(super) struct Group {
    /// What has a row of its own, the one seen first at the front; it names the asset.
    pub(super) homes: Vec<Slot>,
    /// Children that are shown as their host.
    pub(super) folded: Vec<Slot>,
    /// Why the others joined the first.
    pub(super) joins: Vec<Join>,
}

/// Why one came to another.
#[derive(Clone, Debug)]
pub(super) struct Join {
    /// Who joined.
    pub(super) slot: Slot,
    /// By which key.
    pub(super) key: String,
    /// Of which kind, as the claims table writes it.
    pub(super) rule: &'static str,
    /// The word that completed it.
    pub(super) evidence: Evidence,
}

/// A role that hosts of several devices have.
const GATEWAY: &str = "gateway";
/// As many addresses may tell one MAC before it is taken for a router that answers for others (proxy ARP).
const MOST_ADDRESSES: usize = 8;
/// As many may bear one key at all.
const MOST_BEARERS: usize = 32;

/// As many addresses and children one asset may have: what chains of keys join beyond that is no device.
const MOST_HOMES: usize = 256;

/// What joins, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Serial,
    Identity,
    Network,
    Mac,
}

impl By {
    fn rule(self) -> &'static str {
        match self {
            Self::Serial => "same-serial",
            Self::Identity => "same-identity",
            Self::Network => "same-network",
            Self::Mac => "same-mac",
        }
    }

    fn most_bearers(self) -> usize {
        if self == Self::Mac { MOST_ADDRESSES } else { MOST_BEARERS }
    }
}

/// The partition of everything known into assets, in the order in which they were first seen, and how many keys were
/// refused.
pub(super) fn groups(
    registry: &Registry,
    protocols: &Protocols,
    carriers: &Carriers,
    doubles: &Doubles<'_>,
) -> (Vec<Group>, u64) {
    let mut order: Vec<Slot> = registry.iter().map(|(slot, _)| slot).collect();
    order.sort_by_cached_key(|slot| registry.get(*slot).map(|known| (known.seen.first, known.key.clone())));
    let homes = homes(registry, protocols, &order);
    let mut members: BTreeMap<Slot, Vec<Slot>> = BTreeMap::new();
    for slot in &order {
        members.entry(homes[slot]).or_default().push(*slot);
    }
    let mut union = Union::new(&order);
    let mut bearers: BTreeMap<(By, String), Vec<Bearer>> = BTreeMap::new();
    for (home, slots) in &members {
        let known: Vec<&Known> = slots.iter().filter_map(|slot| registry.get(*slot)).collect();
        for word in words(&known, carriers, doubles) {
            union.set_apart(*home, word.sets_apart);
            bearers.entry((word.by, word.key)).or_default().push(Bearer { slot: *home, evidence: word.evidence });
        }
    }
    for (slot, _) in homes.iter().filter(|(slot, home)| slot == home) {
        union.set_apart_siblings(*slot, registry);
    }
    let networks = registry.networks.settle();
    for (home, _) in homes.iter().filter(|(slot, home)| slot == home) {
        let Some(known) = registry.get(*home) else { continue };
        let Some((network, evidence)) = networks.get(&known.key.host.context) else { continue };
        let child = known.key.child.as_ref().map_or(String::new(), |(protocol, child)| format!(" {protocol} {child}"));
        let network = if network.is_root() { "untagged".to_owned() } else { network.to_string() };
        let key = format!("network:{network} {}{child}", known.key.host.address);
        bearers.entry((By::Network, key)).or_default().push(Bearer { slot: *home, evidence: *evidence });
    }
    let mut refused = doubles.len() as u64;
    for ((by, key), bearers) in &bearers {
        refused += u64::from(!union.join(*by, key, bearers));
    }
    (union.groups(&order, &members), refused)
}

/// Which MACs carry whom: one that carries hosts which did not tell it of themselves is a router's.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    hosts: BTreeMap<Mac, u32>,
    routers: BTreeSet<Mac>,
}

impl Carriers {
    pub(super) fn of(registry: &Registry) -> Self {
        let mut carriers = Self::default();
        for (_, known) in registry.iter() {
            for bound in &known.macs {
                *carriers.hosts.entry(bound.mac).or_default() += 1;
                if bound.proof == Binding::Frame && !is_link_local(known.key.host.address) {
                    carriers.routers.insert(bound.mac);
                }
            }
        }
        carriers
    }

    /// The one MAC from which all of a host's packets came, when nobody else's did.
    pub(super) fn alone<'a>(&self, known: &'a Known, registry: &Registry) -> Option<&'a Bound> {
        self.alone_at_first(known, registry).filter(|_| known.macs.len() == 1)
    }

    /// The same until the host had proven itself: what came later may be sent by anybody. What is later depends on the order
    /// of what is learned, so nothing joins by it. An address of the internet comes from a router's, even where it is the
    /// only one.
    pub(super) fn alone_at_first<'a>(&self, known: &'a Known, registry: &Registry) -> Option<&'a Bound> {
        let mut own = known.macs.iter().filter(|bound| !bound.is_late);
        let (Some(bound), None) = (own.next(), own.next()) else { return None };
        if matches!(known.key.host.address, Address::Ip(ip) if is_global(ip)) {
            return None;
        }
        let is_alone = self.hosts.get(&bound.mac) == Some(&1) && !registry.has_lost(bound.mac);
        (bound.proof == Binding::Frame && is_alone && !is_shared(bound.mac)).then_some(bound)
    }
}

/// Whether an address cannot have been routed.
fn is_link_local(address: Address) -> bool {
    match address {
        Address::Ip(IpAddr::V4(ip)) => ip.is_link_local(),
        Address::Ip(IpAddr::V6(ip)) => ip.is_unicast_link_local(),
        Address::Mac(_) | Address::Node(..) => true,
    }
}

/// Where each is shown: a folded child at its host, everything else at itself.
fn homes(registry: &Registry, protocols: &Protocols, order: &[Slot]) -> BTreeMap<Slot, Slot> {
    let mut children: BTreeMap<(Slot, &'static str), Vec<Slot>> = BTreeMap::new();
    let mut homes: BTreeMap<Slot, Slot> = BTreeMap::new();
    for slot in order {
        homes.insert(*slot, *slot);
        let Some(known) = registry.get(*slot) else { continue };
        let Some((protocol, child)) = &known.key.child else { continue };
        let Some(host) = registry.find(&Key::host(known.key.host)) else { continue };
        if protocols.of(protocol).is_itself(&child.to_string()) {
            homes.insert(*slot, host);
        } else {
            children.entry((host, *protocol)).or_default().push(*slot);
        }
    }
    for ((host, _), slots) in children {
        if let [only] = slots.as_slice()
            && !is_routed(registry, *only)
            && !registry.get(host).is_some_and(is_gateway)
        {
            homes.insert(*only, host);
        }
    }
    homes
}

fn is_routed(registry: &Registry, slot: Slot) -> bool {
    let proof = registry.get(slot).and_then(|known| known.proof);
    proof.is_some_and(|(proof, _)| proof == ChildProof::Routed)
}

fn is_gateway(known: &Known) -> bool {
    known
        .claims
        .iter()
        .any(|claim| claim.stands && claim.told.attribute == Attribute::Role && claim.told.value == GATEWAY)
}

/// What one subject says that may join it to others.
struct Word {
    by: By,
    key: String,
    /// What it can have only one of, and which one it has.
    sets_apart: Option<(String, String)>,
    evidence: Evidence,
}

fn words(known: &[&Known], carriers: &Carriers, doubles: &Doubles<'_>) -> Vec<Word> {
    let mut words = identities(known, doubles);
    words.extend(serial(known));
    words.extend(mac(known, carriers));
    words
}

/// Identity keys, but for kinds of which it claims several values, and those that two devices bear. A key holds within its context: networks are
/// numbered anew behind every tap.
fn identities(known: &[&Known], doubles: &Doubles<'_>) -> Vec<Word> {
    let claims = known.iter().flat_map(|known| known.claims.iter().map(|claim| (known.key.host.context, claim)));
    let mut kinds: BTreeMap<(Context, String), BTreeMap<String, Evidence>> = BTreeMap::new();
    let own = claims.filter(|(_, claim)| claim.told.attribute == Attribute::Identity);
    for (context, claim) in own.filter(|(context, claim)| !doubles.has(*context, &claim.told.value)) {
        let (kind, value) = claim.told.value.rsplit_once(['/', ':']).unwrap_or(("", &claim.told.value));
        kinds.entry((context, kind.to_owned())).or_default().insert(value.to_owned(), claim.evidence);
    }
    let single = kinds.into_iter().filter(|(_, values)| values.len() == 1);
    let words = single.flat_map(|((context, kind), values)| {
        values.into_iter().map(move |(value, evidence)| {
            let kind = format!("{kind} {context}");
            Word { by: By::Identity, key: format!("{kind} {value}"), sets_apart: Some((kind, value)), evidence }
        })
    });
    words.collect()
}

/// The identity claims that are contested: several values of one kind for one subject.
pub(super) fn is_contested(claims: &[&Claim], value: &str) -> bool {
    let kind = |value: &str| value.rsplit_once(['/', ':']).map(|(kind, _)| kind.to_owned());
    let of_kind = claims.iter().filter(|claim| claim.told.attribute == Attribute::Identity);
    of_kind.filter(|claim| kind(&claim.told.value) == kind(value)).any(|claim| claim.told.value != value)
}

/// The vendor's serial number, when the device itself names both, and only one of them.
fn serial(known: &[&Known]) -> Option<Word> {
    let of = |attribute| {
        let claims = known.iter().flat_map(|known| known.claims.iter());
        let claims = claims.filter(move |claim| claim.told.attribute == attribute && !is_own(claim.told.field));
        claims.collect::<Vec<&Claim>>()
    };
    let (vendors, serials) = (of(Attribute::Vendor), of(Attribute::Serial));
    let vendor = &vendors[winner(vendors.iter().copied())?].told.value;
    let serial = serials[winner(serials.iter().copied())?];
    let is_alone = serials.iter().all(|other| other.told.value == serial.told.value);
    if !is_alone || !is_telling(&serial.told.value) {
        return None;
    }
    let kind = format!("serial:{vendor}");
    let key = format!("{kind}/{}", serial.told.value);
    Some(Word {
        by: By::Serial,
        key,
        sets_apart: Some((kind, serial.told.value.to_string())),
        evidence: serial.evidence,
    })
}

/// The serial number as an identity key, when it is one.
pub(super) fn serial_key(known: &[&Known]) -> Option<String> {
    serial(known).map(|word| word.key)
}

/// Whether a serial number can name one device: no placeholder, and not one character over and over.
fn is_telling(serial: &str) -> bool {
    let used: BTreeSet<char> = serial.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let is_placeholder =
        include_str!("../../data/names/no_serials.txt").lines().any(|no| no.eq_ignore_ascii_case(serial));
    serial.len() >= 4 && used.len() >= 3 && used.iter().any(char::is_ascii_digit) && !is_placeholder
}

/// The one MAC that it told itself, or speaks from without IP. One that the registry gave out is one device in every
/// context; a locally made-up one only where it was seen (containers everywhere call themselves alike), and one that
/// routers share by a protocol, or that carries others' packets, nowhere.
fn mac(known: &[&Known], carriers: &Carriers) -> Option<Word> {
    let told =
        known.iter().flat_map(|known| known.told_macs().map(move |bound| (*known, bound.mac, bound.seen.evidence)));
    let own = known.iter().filter_map(|known| match known.key.host.address {
        Address::Mac(mac) if known.key.child.is_none() => Some((*known, mac, known.seen.evidence)),
        _ => None,
    });
    let all: Vec<(&Known, Mac, Evidence)> = told.chain(own).collect();
    let (first, mac, evidence) = *all.first()?;
    if all.iter().any(|(_, other, _)| *other != mac) || is_shared(mac) || carriers.routers.contains(&mac) {
        return None;
    }
    let is_local = mac.0[0] & 2 == 2;
    let key = if is_local { format!("mac:{mac} {}", first.key.host.context) } else { format!("mac:{mac}") };
    Some(Word { by: By::Mac, key, sets_apart: None, evidence })
}

/// Whether routers share this MAC by a redundancy protocol.
pub(super) fn is_shared(mac: Mac) -> bool {
    table::words("shared_macs", &mac.to_string()).is_some()
}

#[derive(Clone, Copy)]
struct Bearer {
    slot: Slot,
    evidence: Evidence,
}

/// Sets that grow together, each headed by who was seen first, with what sets each apart from others.
struct Union {
    heads: BTreeMap<Slot, Slot>,
    ranks: BTreeMap<Slot, usize>,
    sets: BTreeMap<Slot, Set>,
    joins: Vec<Join>,
}

/// What is known of a set, at its head.
#[derive(Default)]
struct Set {
    /// How many it holds, its head aside.
    others: usize,
    /// What it can have only one of, and which one it has.
    traits: BTreeMap<String, String>,
}

impl Union {
    fn new(order: &[Slot]) -> Self {
        Self {
            heads: order.iter().map(|slot| (*slot, *slot)).collect(),
            ranks: order.iter().enumerate().map(|(rank, slot)| (*slot, rank)).collect(),
            sets: BTreeMap::new(),
            joins: Vec::new(),
        }
    }

    fn set_apart(&mut self, slot: Slot, apart: Option<(String, String)>) {
        if let Some((kind, value)) = apart {
            self.sets.entry(slot).or_default().traits.insert(kind, value);
        }
    }

    /// A child is neither its host nor another child of it.
    fn set_apart_siblings(&mut self, slot: Slot, registry: &Registry) {
        let Some(known) = registry.get(slot) else { return };
        let Some((protocol, child)) = &known.key.child else { return };
        let kind = format!("under {} {}", known.key.host.context, known.key.host.address);
        if let Some(host) = registry.find(&Key::host(known.key.host)) {
            self.set_apart(host, Some((kind.clone(), String::new())));
        }
        self.set_apart(slot, Some((kind, format!("{protocol} {child}"))));
    }

    /// The head of a slot's set. Whoever is passed on the way is nearer to it next time, so that no chain is walked twice.
    fn head(&mut self, slot: Slot) -> Slot {
        let mut head = slot;
        while let Some(next) = self.heads.get(&head).copied().filter(|next| *next != head) {
            head = next;
        }
        let mut passed = slot;
        while passed != head {
            passed = self.heads.insert(passed, head).unwrap_or(head);
        }
        head
    }

    /// Joins the bearers of a key; `false` when there are too many or they contradict each other.
    fn join(&mut self, by: By, key: &str, bearers: &[Bearer]) -> bool {
        if bearers.len() > by.most_bearers() {
            // One that bears it many times over is no contradiction.
            let first = bearers.first().map(|bearer| self.head(bearer.slot));
            return bearers.iter().all(|bearer| Some(self.head(bearer.slot)) == first);
        }
        let mut words: BTreeMap<(usize, Slot), Evidence> = BTreeMap::new();
        for bearer in bearers {
            let head = self.head(bearer.slot);
            let word = words.entry((self.ranks.get(&head).copied().unwrap_or(usize::MAX), head));
            let first = word.or_insert(bearer.evidence);
            if bearer.evidence.time < first.time {
                *first = bearer.evidence;
            }
        }
        let mut words = words.into_iter().map(|((_, head), evidence)| (head, evidence));
        let Some((first, _)) = words.next() else { return true };
        let others: Vec<(Slot, Evidence)> = words.collect();
        let heads: Vec<Slot> = std::iter::once(first).chain(others.iter().map(|(head, _)| *head)).collect();
        if others.is_empty() {
            return true;
        }
        if !self.agree(&heads) {
            return false;
        }
        for (head, evidence) in others {
            self.joins.push(Join { slot: head, key: key.to_owned(), rule: by.rule(), evidence });
            self.heads.insert(head, first);
            self.merge(first, head);
        }
        true
    }

    /// Whether these may be one: not too many, and nothing sets them apart from each other.
    fn agree(&self, heads: &[Slot]) -> bool {
        let sets: Vec<&Set> = heads.iter().filter_map(|head| self.sets.get(head)).collect();
        if heads.len() + sets.iter().map(|set| set.others).sum::<usize>() > MOST_HOMES {
            return false;
        }
        // The largest is asked, not walked through.
        let Some(largest) = sets.iter().max_by_key(|set| set.traits.len()) else { return true };
        let mut traits: BTreeMap<&str, &str> = BTreeMap::new();
        let small = sets.iter().filter(|set| !std::ptr::eq(**set, *largest)).flat_map(|set| &set.traits);
        small.into_iter().all(|(kind, value)| {
            let is_first = *traits.entry(kind).or_insert(value) == value;
            is_first && largest.traits.get(kind).is_none_or(|known| known == value)
        })
    }

    /// What is known of one set goes to another: the shorter list to the longer.
    fn merge(&mut self, into: Slot, from: Slot) {
        let mut other = self.sets.remove(&from).unwrap_or_default();
        let set = self.sets.entry(into).or_default();
        set.others += other.others + 1;
        if set.traits.len() < other.traits.len() {
            std::mem::swap(&mut set.traits, &mut other.traits);
        }
        set.traits.extend(other.traits);
    }

    fn groups(mut self, order: &[Slot], members: &BTreeMap<Slot, Vec<Slot>>) -> Vec<Group> {
        let mut places: BTreeMap<Slot, usize> = BTreeMap::new();
        let mut groups: Vec<Group> = Vec::new();
        for slot in order.iter().filter(|slot| members.contains_key(slot)) {
            let place = *places.entry(self.head(*slot)).or_insert_with(|| {
                groups.push(Group { homes: Vec::new(), folded: Vec::new(), joins: Vec::new() });
                groups.len() - 1
            });
            let folded = members.get(slot).into_iter().flatten().copied().filter(|member| member != slot);
            groups[place].folded.extend(folded);
            groups[place].homes.push(*slot);
        }
        for join in std::mem::take(&mut self.joins) {
            if let Some(place) = places.get(&self.head(join.slot)) {
                groups[*place].joins.push(join);
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_no_serial_numbers() {
        for no in ["", "1", "0000000", "N/A", "12345678", "Default", "------1", "1111-1111"] {
            assert!(!is_telling(no), "{no}");
        }
        for yes in ["210113C41234", "DC-1616-004711", "21140012345"] {
            assert!(is_telling(yes), "{yes}");
        }
    }

    #[test]
    fn redundant_routers_share_their_mac() {
        let mac = |text: [u8; 6]| is_shared(Mac(text));
        assert!(mac([0x00, 0x00, 0x5e, 0x00, 0x01, 0x0a]), "VRRP");
        assert!(mac([0x00, 0x00, 0x0c, 0x07, 0xac, 0x01]), "HSRP");
        assert!(!mac([0x00, 0x80, 0xf4, 0x00, 0x00, 0x01]));
    }
}
