//! Assets, as they stand at one moment: what is known, joined, and concluded from.
//!
//! Nothing here is kept: it is made anew from what is known whenever rows are written.

use super::conduct::Conduct;
use super::doubles::Doubles;
use super::joins::{self, Carriers, Group, Join};
use super::known::{Key, Known, Part, Seen};
use super::registry::{Registry, Slot};
use super::{Settings, rows};
use crate::asset::{Attribute, Claim, Told, id, winner};
use crate::protocol::Protocols;
use crate::record::Shared;
use crate::rule::Scope;
use crate::rules::{self, Rules, Values, is_own};
use compact_str::{CompactString, ToCompactString};
use dissectors::observation::{Address, Child, ChildProof, Context, Evidence, Host};
use dissectors::{Mac, Timestamp};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// All assets of a moment.
pub(super) struct Assets<'a> {
    pub(super) all: Vec<Asset<'a>>,
    registry: &'a Registry,
    /// Which asset stands for each slot of the registry.
    places: Vec<Option<usize>>,
    /// Keys whose bearers contradict each other, or that too many bear.
    pub(super) refused: u64,
    /// Identity keys that two devices bear.
    pub(super) doubles: Doubles<'a>,
}

/// One asset of a moment.
pub(super) struct Asset<'a> {
    pub(super) id: Shared,
    /// The name to show where there must be one.
    title: OnceCell<String>,
    pub(super) aliases: Vec<String>,
    /// The place of the asset behind which it stands.
    pub(super) parent: Option<usize>,
    /// What has a row of its own, the one seen first at the front.
    pub(super) homes: Vec<&'a Known>,
    /// With the children that are shown as it.
    pub(super) members: Vec<&'a Known>,
    /// Identity keys of it that another device bears too.
    doubled: Vec<&'a str>,
    pub(super) joins: Vec<(Join, String)>,
    /// All claims; no two of one attribute, value and field. Lists, not maps: a map's smallest node has room for eleven.
    pub(super) claims: Vec<Shown>,
    /// The places of those that win, one of each attribute.
    chosen: Vec<usize>,
    pub(super) macs: Vec<Carried>,
}

/// A MAC address of an asset, and how sure that is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carried {
    pub(super) mac: Mac,
    pub(super) seen: Seen,
    pub(super) sure: u8,
}

/// A claim and where it holds.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) claim: Claim,
    pub(super) context: Context,
}

/// How sure a MAC is that the host told of itself, and one that was merely the only one its packets came from.
const SURE: u8 = 95;
const UNSURE: u8 = 50;

impl<'a> Assets<'a> {
    pub(super) fn settle(
        settings: &Settings,
        registry: &'a Registry,
        rules: &Rules,
        protocols: &Protocols,
        conduct: &Conduct,
    ) -> Self {
        let carriers = Carriers::of(registry);
        let doubles = Doubles::among(registry, protocols, &carriers);
        let (groups, refused) = joins::groups(registry, protocols, &carriers, &doubles);
        let mut places = Vec::new();
        for (place, group) in groups.iter().enumerate() {
            for slot in group.homes.iter().chain(&group.folded) {
                places.resize(places.len().max(*slot + 1), None);
                places[*slot] = Some(place);
            }
        }
        let children = children(registry, &groups);
        let make = |group: &Group| {
            let mut asset = Asset::new(settings, registry, group);
            asset.find_macs(registry, &carriers);
            asset.doubled = doubles.of(&asset.members);
            asset.conclude(rules, &children, conduct);
            asset
        };
        let all = groups.iter().map(make).collect();
        let mut assets = Self { all, registry, places, refused, doubles };
        assets.find_parents();
        assets
    }

    /// The asset of a host or child; a child without a row is its host.
    pub(super) fn place(&self, key: &Key) -> Option<usize> {
        let own = self.registry.find(key);
        let slot = own.or_else(|| self.registry.find(&Key::host(key.host)))?;
        self.places.get(slot).copied().flatten()
    }

    /// What is known of a host or child.
    pub(super) fn known(&self, key: &Key) -> Option<&'a Known> {
        self.registry.get(self.registry.find(key)?)
    }

    pub(super) fn of(&self, host: Host) -> Option<&Asset<'a>> {
        self.place(&Key::host(host)).and_then(|place| self.all.get(place))
    }

    /// The id of a host's asset.
    pub(super) fn id(&self, host: Host) -> Option<Shared> {
        self.of(host).map(|asset| asset.id.clone())
    }

    fn find_parents(&mut self) {
        let parents: Vec<Option<usize>> = self
            .all
            .iter()
            .enumerate()
            .map(|(place, asset)| {
                let hosts = asset.homes.iter().all(|home| home.key.child.is_some());
                let parent = hosts.then(|| self.place(&Key::host(asset.homes.first()?.key.host))).flatten();
                parent.filter(|parent| *parent != place)
            })
            .collect();
        for (asset, parent) in self.all.iter_mut().zip(parents) {
            asset.parent = parent;
        }
    }
}

/// Children of one protocol that have rows of their own.
struct Children<'k> {
    /// The strongest proof that they are devices, and where it was seen first.
    proof: ChildProof,
    seen: Seen,
    /// What the first of them call themselves, by field, and where another calls itself otherwise.
    called: Vec<(&'static str, &'k str)>,
    differ: Option<Seen>,
}

type ChildrenByHost<'k> = BTreeMap<(Host, &'static str), Children<'k>>;

/// The protocols in which a host's children have rows of their own.
fn children<'k>(registry: &'k Registry, groups: &[Group]) -> ChildrenByHost<'k> {
    let mut children = ChildrenByHost::new();
    let homes = groups.iter().flat_map(|group| &group.homes).filter_map(|slot| registry.get(*slot));
    for known in homes {
        let (Some((protocol, _)), Some((proof, seen))) = (&known.key.child, known.proof) else { continue };
        let fresh = Children { proof, seen, called: Vec::new(), differ: None };
        let entry = children.entry((known.key.host, protocol)).or_insert(fresh);
        if proof > entry.proof || (proof == entry.proof && seen.first < entry.seen.first) {
            (entry.proof, entry.seen) = (proof, seen);
        }
        entry.call(known);
    }
    children
}

impl<'k> Children<'k> {
    /// One of them may say which model it is. Only what one field says is compared: another may hold another word for it.
    fn call(&mut self, known: &'k Known) {
        let models = known.claims.iter().filter(|claim| claim.stands && claim.told.attribute == Attribute::Model);
        for model in models {
            let told = (model.told.field, model.told.value.as_str());
            let called = self.called.iter().find(|(field, _)| *field == told.0);
            let is_earliest = self.differ.is_none_or(|seen| model.first_seen < seen.first);
            match called {
                None => self.called.push(told),
                Some(called) if *called != told && is_earliest => {
                    self.differ = Some(Seen::between(model.first_seen, model.last_seen, model.evidence));
                }
                Some(_) => {}
            }
        }
    }

    /// How they are known, in the words of [`rules::CHILDREN`].
    fn facts(&self) -> impl Iterator<Item = (&'static str, Seen)> {
        let (how, differ) = match self.proof {
            ChildProof::Routed => ("routed", None),
            ChildProof::Answered => ("answered", self.differ.map(|seen| ("differ", seen))),
        };
        [Some((how, self.seen)), differ].into_iter().flatten()
    }
}

impl<'a> Asset<'a> {
    fn new(settings: &Settings, registry: &'a Registry, group: &Group) -> Self {
        let get = |slot: &Slot| registry.get(*slot);
        let homes: Vec<&Known> = group.homes.iter().filter_map(get).collect();
        let mut members = homes.clone();
        members.extend(group.folded.iter().filter_map(get));
        let mut ids = homes.iter().map(|known| asset_id(settings, &known.key));
        let joined = |join: &Join| Some((join.clone(), asset_id(settings, &registry.get(join.slot)?.key)));
        let mut asset = Self {
            id: ids.next().unwrap_or_default().into(),
            title: OnceCell::new(),
            aliases: ids.collect(),
            parent: None,
            homes,
            members,
            doubled: Vec::new(),
            joins: group.joins.iter().filter_map(joined).collect(),
            claims: Vec::new(),
            chosen: Vec::new(),
            macs: Vec::new(),
        };
        for known in asset.members.clone() {
            known.claims.iter().for_each(|claim| asset.show(claim.clone(), known.key.host.context));
        }
        asset
    }

    /// Adds a claim; what several members claim alike is one.
    fn show(&mut self, claim: Claim, context: Context) {
        let same = |known: &Told, told: &Told| {
            (known.attribute, known.field, &known.value) == (told.attribute, told.field, &told.value)
        };
        let Some(shown) = self.claims.iter_mut().find(|shown| same(&shown.claim.told, &claim.told)) else {
            self.claims.push(Shown { claim, context });
            return;
        };
        let known = &mut shown.claim;
        if claim.first_seen < known.first_seen {
            known.evidence = claim.evidence;
        }
        known.first_seen = known.first_seen.min(claim.first_seen);
        known.last_seen = known.last_seen.max(claim.last_seen);
        known.count = known.count.saturating_add(claim.count);
        if (claim.stands, claim.told.confidence) > (known.stands, known.told.confidence) {
            known.told = claim.told;
        }
        known.stands |= claim.stands;
    }

    fn find_macs(&mut self, registry: &Registry, carriers: &Carriers) {
        let hosts = self.members.iter().filter(|known| known.key.child.is_none());
        let mut macs: Vec<Carried> = Vec::new();
        let mut have = |mac: Mac, seen: Seen, sure: u8| match macs.iter_mut().find(|carried| carried.mac == mac) {
            Some(carried) => {
                carried.seen.add(seen);
                carried.sure = carried.sure.max(sure);
            }
            None => macs.push(Carried { mac, seen, sure }),
        };
        for known in hosts {
            if let Address::Mac(mac) = known.key.host.address {
                have(mac, known.seen, SURE);
            }
            known.told_macs().for_each(|bound| have(bound.mac, bound.seen, SURE));
            if let Some(bound) = carriers.alone_at_first(known, registry) {
                have(bound.mac, bound.seen, UNSURE);
            }
        }
        macs.sort_by_key(|carried| carried.mac);
        self.macs = macs;
    }

    /// What follows from addresses and conduct, then which claims win.
    fn conclude(&mut self, rules: &Rules, children: &ChildrenByHost<'_>, conduct: &Conduct) {
        let facts = self.facts(children, conduct);
        let values = Everything::of(&facts, &self.members);
        for (field, value, seen, sure) in &facts {
            let told = rules.apply(field, value, None, &values).told;
            self.tell(told, *seen, *sure);
        }
        for known in self.members.clone() {
            for (field, value, evidence) in known.values.iter() {
                let mut told =
                    rules.apply(field, value, known.key.child.as_ref().map(|(_, child)| child), &values).told;
                told.retain(|told| rules.spans_asset(told.rule));
                self.tell(told, Seen::once(evidence), SURE);
            }
        }
        self.choose();
    }

    fn tell(&mut self, told: Vec<Told>, seen: Seen, sure: u8) {
        let context = self.homes.first().map_or_else(Context::default, |home| home.key.host.context);
        for mut told in told {
            if sure < SURE {
                told.confidence = told.confidence.div_ceil(2);
            }
            let mut claim = Claim::new(told, seen.evidence);
            (claim.first_seen, claim.last_seen, claim.count) = (seen.first, seen.last, seen.count);
            self.show(claim, context);
        }
    }

    /// The inventory's own fields of this asset, each with how sure it is.
    fn facts(&self, children: &ChildrenByHost<'_>, conduct: &Conduct) -> Vec<(&'static str, CompactString, Seen, u8)> {
        let macs = self.macs.iter();
        let macs = macs.map(|carried| (rules::MAC, carried.mac.to_compact_string(), carried.seen, carried.sure));
        let mut facts: Vec<_> = macs.collect();
        for known in &self.members {
            facts.extend(conduct.of_one(&known.key).map(|(what, seen)| (rules::CONDUCT, what.clone(), seen, SURE)));
            for speech in &known.speeches {
                let host = Some(&known.key.host).filter(|_| known.key.child.is_none());
                let follows = host.into_iter().flat_map(|host| conduct.of_speech(host, speech));
                facts.extend(follows.map(|what| (rules::CONDUCT, what.clone(), speech.seen, SURE)));
                let field = match speech.part {
                    Part::Serves => rules::SERVES,
                    Part::Uses => rules::USES,
                    Part::Speaks => continue,
                };
                facts.push((field, CompactString::const_new(speech.protocol), speech.seen, SURE));
            }
            for asked in &known.asked {
                let text = compact_str::format_compact!("{} {}", asked.protocol, asked.operation);
                facts.push((rules::ASKS, text, asked.seen, SURE));
            }
            if known.key.child.is_some() {
                continue;
            }
            for ((_, protocol), of_protocol) in of_host(children, known.key.host) {
                let hows = of_protocol.facts();
                facts.extend(hows.map(|(how, seen)| {
                    (rules::CHILDREN, compact_str::format_compact!("{protocol} {how}"), seen, SURE)
                }));
            }
        }
        facts
    }

    fn choose(&mut self) {
        let chosen = Attribute::ALL.iter().filter_map(|(attribute, _)| {
            let of = self.claims.iter().enumerate().filter(|(_, shown)| shown.claim.told.attribute == *attribute);
            let of: Vec<(usize, &Claim)> = of.map(|(place, shown)| (place, &shown.claim)).collect();
            let winner = winner(of.iter().map(|(_, claim)| *claim))?;
            of.get(winner).map(|(place, _)| *place)
        });
        self.chosen = chosen.collect();
    }

    /// The value that wins.
    pub(super) fn value(&self, attribute: Attribute) -> Option<&str> {
        self.chosen(attribute).map(|claim| claim.told.value.as_str())
    }

    /// The claim that wins.
    pub(super) fn chosen(&self, attribute: Attribute) -> Option<&Claim> {
        let mut winners = self.chosen.iter().filter_map(|place| self.claims.get(*place)).map(|shown| &shown.claim);
        winners.find(|claim| claim.told.attribute == attribute)
    }

    /// The program that it was last seen to serve a port with, or to use a protocol with.
    pub(super) fn application(&self, attribute: Attribute, protocol: &str, port: Option<u16>) -> Option<String> {
        let claims = self.claims.iter().map(|shown| &shown.claim).filter(|claim| {
            let is_there = port.is_none_or(|port| port == claim.evidence.flow.source_port);
            claim.told.attribute == attribute && claim.evidence.protocol == protocol && is_there
        });
        claims.max_by_key(|claim| claim.last_seen).map(|claim| claim.told.value.to_string())
    }

    /// Whether it said itself what it is.
    pub(super) fn names_itself(&self) -> bool {
        let names = [Attribute::Vendor, Attribute::Model, Attribute::OrderCode];
        let own_words = self.claims.iter().filter(|shown| shown.claim.stands && !is_own(shown.claim.told.field));
        own_words.into_iter().any(|shown| names.contains(&shown.claim.told.attribute))
    }

    /// Whether a claim is one of those by which the asset is known: the winner, or a key that nothing contests.
    pub(super) fn is_chosen(&self, claim: &Claim) -> bool {
        if claim.told.attribute == Attribute::Identity {
            return claim.stands && self.identities().any(|key| key == claim.told.value);
        }
        self.chosen(claim.told.attribute).is_some_and(|chosen| chosen.told == claim.told)
    }

    fn identities(&self) -> impl Iterator<Item = &str> {
        let claims: Vec<&Claim> = self.claims.iter().map(|shown| &shown.claim).collect();
        let keys = self.claims.iter().filter(|shown| shown.claim.told.attribute == Attribute::Identity);
        let keys = keys.map(|shown| shown.claim.told.value.as_str()).filter(|key| !self.doubled.contains(key));
        keys.filter(move |key| !joins::is_contested(&claims, key))
    }

    /// The keys by which the same device is known again, elsewhere and later.
    pub(super) fn identity_keys(&self) -> Vec<String> {
        let mut keys: BTreeSet<String> = self.identities().map(str::to_owned).collect();
        keys.extend(joins::serial_key(&self.members));
        keys.extend(
            self.macs.iter().filter(|carried| carried.sure >= SURE).map(|carried| format!("mac:{}", carried.mac)),
        );
        for home in &self.homes {
            match (&home.key.child, home.key.host.address) {
                (None, Address::Ip(ip)) => keys.insert(format!("ip:{}/{ip}", home.key.host.context)),
                (None, Address::Mac(_)) => false,
                (None, node @ Address::Node(..)) => keys.insert(format!("node:{}/{node}", home.key.host.context)),
                (Some((protocol, child)), address) => {
                    keys.insert(format!("child:{}/{address}/{protocol}/{child}", home.key.host.context))
                }
            };
        }
        keys.into_iter().collect()
    }

    /// Its own addresses in order, each with the first context in which it has it.
    pub(super) fn ips(&self) -> Vec<(Host, Seen)> {
        let mut ips: Vec<(Host, Seen)> = Vec::new();
        let hosts = self.homes.iter().filter(|home| home.key.child.is_none());
        for home in hosts.filter(|home| matches!(home.key.host.address, Address::Ip(_))) {
            match ips.iter_mut().find(|(host, _)| host.address == home.key.host.address) {
                Some((_, seen)) => seen.add(home.seen),
                None => ips.push((home.key.host, home.seen)),
            }
        }
        ips.sort_by_key(|(host, _)| host.address);
        ips
    }

    /// The address to reach it by: its first, or that of its host.
    pub(super) fn address(&self) -> Option<String> {
        self.homes.first().map(|home| home.key.host.address.to_string())
    }

    /// The first thing it is known by: as a child, or as a host.
    pub(super) fn child(&self) -> Option<&(&'static str, Child)> {
        let is_child = self.homes.iter().all(|home| home.key.child.is_some());
        self.homes.first().filter(|_| is_child)?.key.child.as_ref()
    }

    /// The best name to show: what it or its people call it, else what it is, else its address.
    pub(super) fn name(&self) -> Option<String> {
        let called = self.value(Attribute::Name).or_else(|| self.value(Attribute::Hostname)).map(str::to_owned);
        called.or_else(|| {
            let model = self.value(Attribute::Model)?;
            Some(match self.value(Attribute::Vendor).filter(|vendor| !model.starts_with(*vendor)) {
                Some(vendor) => format!("{vendor} {model}"),
                None => model.to_owned(),
            })
        })
    }

    /// The name to show where there must be one.
    pub(super) fn title(&self) -> &str {
        self.title.get_or_init(|| self.make_title())
    }

    fn make_title(&self) -> String {
        let place = || {
            let address = self.address().unwrap_or_default();
            match self.child() {
                Some((protocol, child)) => format!("{protocol} {child} behind {address}"),
                None => address,
            }
        };
        self.name().unwrap_or_else(place)
    }

    /// The protocols it takes part in.
    pub(super) fn protocols(&self) -> BTreeSet<&'static str> {
        let spoken = self.members.iter().flat_map(|known| known.speeches.iter().map(|speech| speech.protocol));
        spoken.chain(self.child().map(|(protocol, _)| *protocol)).collect()
    }

    /// Whether it was seen to get answers in a protocol.
    pub(super) fn uses(&self, protocol: &str) -> bool {
        let mut speeches = self.members.iter().flat_map(|known| &known.speeches);
        speeches.any(|speech| speech.part == Part::Uses && speech.protocol == protocol)
    }

    /// Whether it was seen to answer in a protocol.
    pub(super) fn serves(&self, protocol: &str) -> bool {
        let mut speeches = self.members.iter().flat_map(|known| &known.speeches);
        let is_child = self.child().is_some_and(|(own, _)| *own == protocol);
        is_child || speeches.any(|speech| speech.part == Part::Serves && speech.protocol == protocol)
    }

    pub(super) fn first_seen(&self) -> Timestamp {
        self.members.iter().map(|known| known.seen.first).min().unwrap_or_default()
    }

    pub(super) fn last_seen(&self) -> Timestamp {
        self.members.iter().map(|known| known.seen.last).max().unwrap_or_default()
    }
}

fn of_host<'m, V>(
    children: &'m BTreeMap<(Host, &'static str), V>,
    host: Host,
) -> impl Iterator<Item = (&'m (Host, &'static str), &'m V)> {
    children.range((host, "")..).take_while(move |((parent, _), _)| *parent == host)
}

/// Everything observed of one asset, for rules whose conditions may hold anywhere on it.
struct Everything<'v>(BTreeMap<&'static str, &'v str>);

impl<'v> Everything<'v> {
    fn of(facts: &'v [(&'static str, CompactString, Seen, u8)], members: &[&'v Known]) -> Self {
        let facts = facts.iter().map(|(field, value, ..)| (*field, value.as_str()));
        let mut values: Vec<(&'static str, &str, Option<Evidence>)> =
            facts.map(|(field, value)| (field, value, None)).collect();
        for known in members {
            values.extend(known.values.iter().map(|(field, value, evidence)| (field, value, Some(evidence))));
        }
        values.sort_by_key(|(_, _, evidence)| evidence.map(|evidence| evidence.time));
        Self(values.into_iter().map(|(field, value, _)| (field, value)).collect())
    }
}

impl Values for Everything<'_> {
    fn value(&self, field: &'static str, scope: Scope) -> Option<&str> {
        self.0.get(field).copied().filter(|_| scope == Scope::Asset)
    }
}

/// "a-" and the hash of site, context and the first address or child key by which it was seen.
pub(super) fn asset_id(settings: &Settings, key: &Key) -> String {
    let (site, context) = (settings.site.as_str(), settings.names.context(key.host.context));
    let address = key.host.address.to_string();
    match &key.child {
        None => id('a', [site, &context, &address]),
        Some((protocol, child)) => id('a', [site, &context, &address, protocol, &child.to_string()]),
    }
}

/// Context of a host for a row.
pub(super) fn context(known: &Known) -> Option<String> {
    rows::context(known.key.host.context)
}
