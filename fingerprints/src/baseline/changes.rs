//! What changed about a device between two states.
//!
//! A value is compared with what the same field said before: two fields may call one thing by two names. Of several
//! values that a field gives, one in common is enough for no change. What was not said this time is no change, nor is
//! what a weaker field says than the one by which the device was known.

use super::{Device, Said};
use crate::asset::Attribute;
use crate::rule::spelled;
use std::collections::BTreeSet;

/// One attribute that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which: as the claims table writes it, or `ip`, `mac`, `port`.
    pub attribute: &'static str,
    /// What it was; nothing where something was added.
    pub old: String,
    /// What it is.
    pub new: String,
    /// The word that says so, where one does.
    pub said: Option<Said>,
}

/// The attributes that are compared.
const COMPARED: [Attribute; 9] = [
    Attribute::Vendor,
    Attribute::Model,
    Attribute::OrderCode,
    Attribute::Serial,
    Attribute::Hardware,
    Attribute::Firmware,
    Attribute::Program,
    Attribute::Configuration,
    Attribute::Role,
];

/// From here on ports are lent to clients for a while (Linux: 32768 to 60999; RFC 6335: 49152 to 65535): one that is
/// open now need not be a service.
const FIRST_LENT_PORT: u16 = 32_768;

/// What changed about a device.
pub fn changes(old: &Device, new: &Device) -> Vec<Change> {
    let mut changes: Vec<Change> = COMPARED.into_iter().filter_map(|attribute| said(attribute, old, new)).collect();
    let is_v4 = |ip: &&String| ip.contains('.');
    let ips = |device: &Device| device.ips.iter().filter(is_v4).cloned().collect::<Vec<_>>();
    changes.extend(moved("ip", &ips(old), &ips(new)));
    changes.extend(moved("mac", &old.macs, &new.macs));
    let is_new = |port: &&String| !old.ports.contains(port) && !is_lent(port);
    changes.extend(new.ports.iter().filter(is_new).filter(|_| old.is_heard).map(|port| Change {
        attribute: "port",
        old: String::new(),
        new: port.clone(),
        said: None,
    }));
    changes
}

fn is_lent(port: &str) -> bool {
    let number = port.split('/').next().and_then(|number| number.parse::<u16>().ok());
    number.is_none_or(|number| number >= FIRST_LENT_PORT)
}

/// All addresses of a device are others than before.
fn moved(attribute: &'static str, old: &[String], new: &[String]) -> Option<Change> {
    let is_moved = !old.is_empty() && !new.is_empty() && !old.iter().any(|address| new.contains(address));
    is_moved.then(|| Change { attribute, old: old.join(", "), new: new.join(", "), said: None })
}

fn said(attribute: Attribute, old: &Device, new: &Device) -> Option<Change> {
    let name = attribute.name();
    let of = |device: &'_ Device| device.said.iter().filter(|said| said.attribute == name).cloned().collect::<Vec<_>>();
    let (before, now) = (of(old), of(new));
    let new = now.iter().find(|said| said.chosen)?;
    let known = before.iter().find(|said| said.chosen)?;
    let compared = |said: &Said| spelled(attribute, said.value.as_str().into()).to_lowercase().to_string();
    let values = |all: &[Said], field: &str, stands: bool| -> BTreeSet<String> {
        all.iter().filter(|said| said.field == field && (said.stands || !stands)).map(compared).collect()
    };
    let old = before.iter().filter(|said| said.field == new.field).max_by_key(|said| (said.stands, said.confidence))?;
    let is_same = !values(&before, &new.field, false).is_disjoint(&values(&now, &new.field, true));
    let is_weaker = new.confidence < known.confidence;
    let change = || Change { attribute: name, old: old.value.clone(), new: new.value.clone(), said: Some(new.clone()) };
    (!is_same && !is_weaker).then(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(attribute: &str, field: &str, value: &str, confidence: i32) -> Said {
        let text = str::to_owned;
        let (attribute, field, value) = (text(attribute), text(field), text(value));
        Said { attribute, field, value, confidence, chosen: true, stands: true, ..Said::default() }
    }

    fn device(said: Vec<Said>) -> Device {
        Device { is_heard: true, said, ..Device::default() }
    }

    fn told(old: Vec<Said>, new: Vec<Said>) -> Vec<String> {
        let changes = changes(&device(old), &device(new));
        changes.iter().map(|change| format!("{} {} -> {}", change.attribute, change.old, change.new)).collect()
    }

    #[test]
    fn a_field_that_says_something_else_is_a_change() {
        let old = || vec![word("firmware", "a.x", "1.0", 90)];
        assert_eq!(told(old(), vec![word("firmware", "a.x", "1.1", 90)]), ["firmware 1.0 -> 1.1"]);
        let program = |value| vec![word("program", "umas.project", value, 90)];
        assert_eq!(told(program("Line 0.0.8"), program("Line 0.0.9")), ["program Line 0.0.8 -> Line 0.0.9"]);
        assert_eq!(told(old(), vec![]), [""; 0], "not seen this time");
        assert_eq!(told(vec![], old()), [""; 0], "not seen before");
        assert_eq!(told(old(), vec![word("firmware", "b.x", "v1", 95)]), [""; 0], "another field's own way to say it");
        assert_eq!(told(vec![word("name", "a.x", "a", 90)], vec![word("name", "a.x", "b", 90)]), [""; 0]);
    }

    #[test]
    fn weaker_evidence_is_no_change() {
        let weak = |value: &str| Said { chosen: false, ..word("model", "w.x", value, 40) };
        let old = vec![word("model", "a.x", "M340", 90), weak("one")];
        assert_eq!(told(old, vec![Said { chosen: true, ..weak("two") }]), [""; 0]);
    }

    #[test]
    fn one_value_in_common_is_enough_and_spellings_are_no_change() {
        let also = |value: &str| Said { chosen: false, ..word("model", "a.x", value, 60) };
        let old = vec![word("model", "a.x", "METSEPM5110", 60)];
        assert_eq!(told(old, vec![word("model", "a.x", "PowerLogic PM5110", 90), also("METSEPM5110")]), [""; 0]);
        let vendor = |value: &str| vec![word("vendor", "a.x", value, 90)];
        assert_eq!(told(vendor("WAGO Kontakttechnik GmbH & Co. KG"), vendor("WAGO")), [""; 0]);
        assert_eq!(told(vendor("WAGO"), vendor("Siemens")), ["vendor WAGO -> Siemens"]);
    }

    #[test]
    fn a_value_that_came_and_went_before_is_no_news() {
        let was = Said { chosen: false, stands: false, ..word("firmware", "a.x", "1.1", 90) };
        let old = vec![word("firmware", "a.x", "1.0", 90), was];
        assert_eq!(told(old, vec![word("firmware", "a.x", "1.1", 90)]), [""; 0]);
    }

    #[test]
    fn addresses_move_and_are_not_merely_added_and_ports_open() {
        let with = |ips: &[&str], ports: &[&str]| {
            let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
            Device { ips: own(ips), ports: own(ports), ..device(Vec::new()) }
        };
        let told = |old: &Device, new: &Device| -> Vec<String> {
            changes(old, new).iter().map(|it| format!("{} {} -> {}", it.attribute, it.old, it.new)).collect()
        };
        let old = with(&["10.0.0.1", "fe80::1"], &["502/tcp"]);
        assert_eq!(told(&old, &with(&["10.0.0.9", "fe80::1"], &["502/tcp"])), ["ip 10.0.0.1 -> 10.0.0.9"]);
        assert_eq!(told(&old, &with(&["10.0.0.1", "10.0.0.9"], &["49152/tcp"])), [""; 0]);
        assert_eq!(told(&old, &with(&[], &["502/tcp", "80/tcp"])), ["port  -> 80/tcp"]);
    }
}
