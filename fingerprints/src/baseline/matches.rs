//! Which devices of two states are the same: by their identity keys, the strongest first.
//!
//! A MAC address, then a vendor's serial number, then numbers that a protocol gives (a BACnet instance), then an address.
//! A weaker key joins nothing that a stronger one tells apart: another MAC at an old address is another device. Who is
//! known by a stronger key is not taken for somebody else by a weaker one. What stands behind a gateway is known by it
//! and by its own number there.

use super::{Device, Said};
use crate::table;
use std::collections::{BTreeMap, BTreeSet};

/// Which devices of an old state and of a new one are the same, by their places. One may be several of the other state:
/// joined since, or told apart since.
#[derive(Debug, Default)]
pub struct Matches {
    /// The old devices of each new one, the surest first.
    olds: Vec<Vec<usize>>,
    /// The new devices of each old one.
    news: Vec<Vec<usize>>,
}

/// How strong a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Mac,
    Serial,
    Identity,
    Address,
    Child,
}

impl Strength {
    const HOSTS: [Self; 4] = [Self::Mac, Self::Serial, Self::Identity, Self::Address];

    /// The strength of a key, if it tells devices apart at all: a MAC that routers share does not.
    fn of(key: &str) -> Option<Self> {
        match key.split_once(':') {
            Some(("mac", mac)) => table::words("shared_macs", mac).is_none().then_some(Self::Mac),
            Some(("serial", _)) => Some(Self::Serial),
            Some(("ip" | "node", _)) => Some(Self::Address),
            Some(("child", _)) => Some(Self::Child),
            _ => Some(Self::Identity),
        }
    }
}

impl Matches {
    /// Compares two states.
    pub fn of(old: &[Device], new: &[Device]) -> Self {
        let mut matches = Self { olds: vec![Vec::new(); new.len()], news: vec![Vec::new(); old.len()] };
        for strength in Strength::HOSTS {
            matches.join_by(strength, old, new);
        }
        matches.join_children(old, new);
        matches.join_folded(old, new);
        matches
    }

    /// Whether a new device stood there before.
    pub fn is_known(&self, new: usize) -> bool {
        self.olds.get(new).is_some_and(|olds| !olds.is_empty())
    }

    /// Whether an old device is seen now.
    pub fn is_seen(&self, old: usize) -> bool {
        self.news.get(old).is_some_and(|news| !news.is_empty())
    }

    /// The old device that a new one is, if it is one and no other is it too.
    pub fn old_of(&self, new: usize) -> Option<usize> {
        let [old] = self.olds.get(new)?.as_slice() else { return None };
        (self.news.get(*old)?.len() == 1).then_some(*old)
    }

    /// All old devices that a new one was, the surest first.
    pub fn olds_of(&self, new: usize) -> &[usize] {
        self.olds.get(new).map_or(&[], Vec::as_slice)
    }

    fn join_by(&mut self, strength: Strength, old: &[Device], new: &[Device]) {
        let mut bearers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, device) in old.iter().enumerate() {
            keys_of(device, strength).for_each(|key| bearers.entry(key).or_default().push(place));
        }
        let (known, seen) = (places(&self.olds), places(&self.news));
        for (n, device) in new.iter().enumerate() {
            let shared: BTreeSet<usize> =
                keys_of(device, strength).flat_map(|key| bearers.get(key).into_iter().flatten().copied()).collect();
            for o in shared {
                // Who is known already by a stronger key is somebody, and not a second one by a weaker key.
                let is_taken = seen.contains(&o) && (known.contains(&n) || strength >= Strength::Identity);
                if is_taken || contradict(&old[o], device, strength) {
                    continue;
                }
                if known.contains(&n) && strength == Strength::Address {
                    // Its address is in use; that the two were one cannot be told.
                    self.news[o].push(n);
                } else {
                    self.join(o, n);
                }
            }
        }
    }

    fn join(&mut self, old: usize, new: usize) {
        if !self.olds[new].contains(&old) {
            self.olds[new].push(old);
            self.news[old].push(new);
        }
    }

    /// Devices behind others: by their number there, behind the same one or at the same address.
    fn join_children(&mut self, old: &[Device], new: &[Device]) {
        let mut by_place: BTreeMap<(String, &str), usize> = BTreeMap::new();
        let old_ids: BTreeMap<&str, usize> =
            old.iter().enumerate().map(|(place, device)| (device.id.as_str(), place)).collect();
        for (o, device) in old.iter().enumerate() {
            let parent = device.parent.as_deref().and_then(|id| old_ids.get(id));
            for key in keys_of(device, Strength::Child) {
                by_place.insert((String::new(), key), o);
                if let (Some(parent), Some(number)) = (parent, number_of(key)) {
                    by_place.insert((parent.to_string(), number), o);
                }
            }
        }
        let new_ids: BTreeMap<&str, usize> =
            new.iter().enumerate().map(|(place, device)| (device.id.as_str(), place)).collect();
        for (n, device) in new.iter().enumerate().filter(|(_, device)| device.parent.is_some()) {
            let parent = device.parent.as_deref().and_then(|id| new_ids.get(id));
            let parents: Vec<usize> = parent.map(|parent| self.olds[*parent].clone()).unwrap_or_default();
            let behind = parents.iter().flat_map(|parent| {
                keys_of(device, Strength::Child).filter_map(|key| Some((parent.to_string(), number_of(key)?)))
            });
            let literally = keys_of(device, Strength::Child).map(|key| (String::new(), key));
            let found = behind.chain(literally).find_map(|place| by_place.get(&place).copied());
            let Some(o) = found.filter(|o| !self.is_known(n) && !self.is_seen(*o)) else { continue };
            if !contradict(&old[o], device, Strength::Child) {
                self.join(o, n);
            }
        }
    }

    /// A sole device behind a host is shown as the host, until a second one answers. Who says of itself what the host
    /// said, or the other way round, was there before; where neither says anything, nobody can tell.
    fn join_folded(&mut self, old: &[Device], new: &[Device]) {
        for (n, o) in folded(new, &self.olds, old) {
            self.join(o, n);
        }
        for (o, n) in folded(old, &self.news, new) {
            self.join(o, n);
        }
    }
}

/// Children of one state without a counterpart, each with the counterpart of its host if that stands for it.
fn folded(these: &[Device], others_of: &[Vec<usize>], others: &[Device]) -> Vec<(usize, usize)> {
    let ids: BTreeMap<&str, usize> =
        these.iter().enumerate().map(|(place, device)| (device.id.as_str(), place)).collect();
    let hosts: BTreeSet<&str> = others.iter().filter_map(|device| device.parent.as_deref()).collect();
    let lonely = these.iter().enumerate().filter(|(place, _)| others_of[*place].is_empty());
    let folded = lonely.filter_map(|(place, device)| {
        let parent = ids.get(device.parent.as_deref()?)?;
        let other = *others_of[*parent].first()?;
        let host = others.get(other)?;
        let is_whole = !hosts.contains(host.id.as_str());
        (is_whole && may_be_one(&host.said, &device.said)).then_some((place, other))
    });
    folded.collect()
}

/// Those that have counterparts.
fn places(all: &[Vec<usize>]) -> BTreeSet<usize> {
    all.iter().enumerate().filter(|(_, others)| !others.is_empty()).map(|(place, _)| place).collect()
}

/// Whether what two say does not tell them apart.
fn may_be_one(host: &[Said], child: &[Said]) -> bool {
    host.is_empty() || child.iter().any(|said| is_said(host, said))
}

fn is_said(all: &[Said], said: &Said) -> bool {
    all.iter().any(|other| (&other.attribute, &other.value) == (&said.attribute, &said.value))
}

fn keys_of(device: &Device, strength: Strength) -> impl Iterator<Item = &str> {
    device.keys.iter().map(String::as_str).filter(move |key| Strength::of(key) == Some(strength))
}

/// `modbus/2` of `child:vlan:7/10.0.0.1/modbus/2`: what it is behind its host.
fn number_of(key: &str) -> Option<&str> {
    let (front, _) = key.rsplit_once('/')?;
    let (front, _) = front.rsplit_once('/')?;
    key.get(front.len() + 1..)
}

/// Whether stronger keys say that these are two.
fn contradict(old: &Device, new: &Device, strength: Strength) -> bool {
    let stronger: &[Strength] = match strength {
        Strength::Mac | Strength::Serial => &[],
        Strength::Identity => &[Strength::Mac, Strength::Serial],
        Strength::Address => &[Strength::Mac, Strength::Serial, Strength::Identity],
        Strength::Child => &[Strength::Serial, Strength::Identity],
    };
    stronger.iter().any(|stronger| {
        let kinds = |device| -> BTreeMap<String, BTreeSet<String>> {
            let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for key in keys_of(device, *stronger) {
                // A device has several MAC addresses, and of every other kind of key one.
                let kind = if *stronger == Strength::Mac { "mac" } else { key.rsplit_once('/').map_or(key, |it| it.0) };
                kinds.entry(kind.to_owned()).or_default().insert(key.to_owned());
            }
            kinds
        };
        let (of_old, of_new) = (kinds(old), kinds(new));
        of_old.iter().any(|(kind, keys)| of_new.get(kind).is_some_and(|others| keys.is_disjoint(others)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(keys: &[&str]) -> Device {
        Device { id: keys.join(" "), keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..Device::default() }
    }

    fn child(parent: &Device, key: &str, model: Option<&str>) -> Device {
        let said = model.map(|model| Said { attribute: "model".into(), value: model.into(), ..Said::default() });
        Device { parent: Some(parent.id.clone()), said: said.into_iter().collect(), ..device(&[key]) }
    }

    fn olds(old: &[Device], new: &[Device]) -> Vec<Option<usize>> {
        let matches = Matches::of(old, new);
        (0..new.len()).map(|n| matches.old_of(n)).collect()
    }

    #[test]
    fn a_mac_goes_before_an_address_and_another_one_at_the_address_is_another_device() {
        let old = [device(&["mac:00:80:f4:00:00:01", "ip:/10.0.0.1"]), device(&["ip:/10.0.0.2"])];
        let moved = [device(&["mac:00:80:f4:00:00:01", "ip:/10.0.0.9"]), device(&["ip:/10.0.0.2"])];
        assert_eq!(olds(&old, &moved), [Some(0), Some(1)]);
        let replaced = [device(&["mac:00:80:f4:00:00:77", "ip:/10.0.0.1"])];
        assert_eq!(olds(&old, &replaced), [None]);
        let unsaid = [device(&["ip:/10.0.0.1"])];
        assert_eq!(olds(&old, &unsaid), [Some(0)], "that no MAC was told is no contradiction");
    }

    #[test]
    fn who_moved_leaves_its_address_to_a_stranger() {
        let old = [device(&["mac:00:80:f4:00:00:01", "ip:/10.0.0.1"])];
        let new = [device(&["ip:/10.0.0.1"]), device(&["mac:00:80:f4:00:00:01", "ip:/10.0.0.2"])];
        assert_eq!(olds(&old, &new), [None, Some(0)]);
    }

    #[test]
    fn a_serial_number_outlives_a_network_card_and_an_instance_does_not() {
        let old = [device(&["mac:00:80:f4:00:00:01", "serial:WAGO/4711", "bacnet:0/7"])];
        let card = [device(&["mac:00:80:f4:00:00:02", "serial:WAGO/4711"])];
        assert_eq!(olds(&old, &card), [Some(0)]);
        let other = [device(&["mac:00:80:f4:00:00:02", "bacnet:0/7"])];
        assert_eq!(olds(&old, &other), [None], "a spare part gets the number of what it replaces");
        let renumbered = [device(&["bacnet:0/8", "ip:/10.0.0.1"])];
        assert_eq!(olds(&[device(&["bacnet:0/7", "ip:/10.0.0.1"])], &renumbered), [None]);
    }

    #[test]
    fn a_mac_that_routers_share_is_nobody_s() {
        let old = [device(&["mac:00:00:5e:00:01:01", "ip:/10.0.0.1"])];
        let new = [device(&["mac:00:00:5e:00:01:01", "ip:/10.0.0.2"])];
        assert_eq!(olds(&old, &new), [None]);
    }

    #[test]
    fn what_was_two_and_is_one_is_neither_new_nor_gone() {
        let old = [device(&["ip:/10.0.0.1"]), device(&["ip:/10.0.0.2"])];
        let new = [device(&["serial:WAGO/4711", "ip:/10.0.0.1", "ip:/10.0.0.2"])];
        let matches = Matches::of(&old, &new);
        assert!(matches.is_known(0) && matches.is_seen(0) && matches.is_seen(1));
        assert_eq!(matches.old_of(0), None, "and nobody can say what of it changed");
    }

    #[test]
    fn children_are_known_by_their_gateway_wherever_it_stands() {
        let gateway = device(&["mac:00:80:f4:00:00:01", "ip:/10.0.0.1"]);
        let old = [gateway.clone(), child(&gateway, "child:/10.0.0.1/modbus/2", None)];
        let moved = device(&["mac:00:80:f4:00:00:01", "ip:/10.0.0.9"]);
        let new = [
            moved.clone(),
            child(&moved, "child:/10.0.0.9/modbus/2", None),
            child(&moved, "child:/10.0.0.9/modbus/3", None),
        ];
        assert_eq!(olds(&old, &new), [Some(0), Some(1), None]);
    }

    #[test]
    fn a_sole_child_that_was_shown_as_its_host_is_not_new() {
        let mut host = device(&["ip:/10.0.0.1"]);
        let said = Said { attribute: "model".into(), value: "PM5110".into(), ..Said::default() };
        host.said.push(said);
        let parent = device(&["ip:/10.0.0.1"]);
        let new = [
            parent.clone(),
            child(&parent, "child:/10.0.0.1/modbus/1", Some("PM5110")),
            child(&parent, "child:/10.0.0.1/modbus/2", Some("EM24")),
        ];
        let known = |old: &[Device], new: &[Device]| {
            let matches = Matches::of(old, new);
            (0..new.len()).map(|n| matches.is_known(n)).collect::<Vec<_>>()
        };
        assert_eq!(known(std::slice::from_ref(&host), &new), [true, true, false]);
        host.said.clear();
        assert_eq!(known(std::slice::from_ref(&host), &new), [true, true, true], "nobody can tell which it was");
        let matches = Matches::of(&new, &[Device { said: new[1].said.clone(), ..parent }]);
        assert_eq!([0, 1, 2].map(|old| matches.is_seen(old)), [true, true, false], "the other way round");
    }
}
