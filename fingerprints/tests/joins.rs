//! What is one asset does not depend on the order in which it was learned.

mod world;

use dissectors::Observation;
use dissectors::observation::{Binding, Fact, Value};
use dissectors::protocols;
use proptest::prelude::*;
use proptest::sample::subsequence;
use world::{World, at, evidence, host, in_vlan, mac};

/// A fact, with the second at which it is told, whatever its place in the order.
fn fact() -> impl Strategy<Value = Observation> {
    let hosts = (0u8..6, prop::bool::ANY);
    let what = (0u8..5, 0u8..4);
    (1i64..1_000, hosts, what).prop_map(|(second, (last, tagged), (kind, value))| {
        let ip = format!("10.0.0.{last}");
        let subject = if tagged { in_vlan(5, &ip) } else { host(&ip) };
        let attribute = |name: &str, value: String| {
            let field = protocols::fields().find(|field| field.name == name).expect("a field");
            Fact::Attribute { field, value: Value::Text(value.into()) }
        };
        let fact = match kind {
            0 => Fact::Binding { mac: mac(value), proof: Binding::Told },
            1 => Fact::Binding { mac: mac(value), proof: Binding::Frame },
            2 => attribute("bacnet.device_instance", value.to_string()),
            3 if value == 0 => Fact::SameNetwork { other: in_vlan(5, "10.0.0.1").context },
            _ => attribute("bacnet.serial_number", format!("SN-7391{value}")),
        };
        let evidence = evidence(second, subject, host("10.9.9.9"), 47_808, "bacnet");
        Observation { time: at(second), subject: subject.into(), fact, evidence }
    })
}

/// Which addresses are one asset, under which id and keys.
fn partition(observations: &[Observation]) -> Vec<(String, Vec<String>, Vec<String>)> {
    let mut world = World::new();
    // The vendor is known of all: the order of vendors is none of this test's.
    for last in 0..6u8 {
        for subject in [host(&format!("10.0.0.{last}")), in_vlan(5, &format!("10.0.0.{last}"))] {
            world.says(subject, None, "bacnet.vendor_name", "WAGO");
        }
    }
    for observation in observations {
        world.observe(observation.clone());
    }
    let rows = world.finish();
    let assets = rows.assets().into_iter();
    assets.map(|row| (row.asset_id.clone(), row.aliases.clone(), row.identity_keys.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn joins_do_not_depend_on_order(
        (facts, shuffled) in prop::collection::vec(fact(), 0..24)
            .prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle()))
    ) {
        prop_assert_eq!(partition(&facts), partition(&shuffled));
    }

    #[test]
    fn an_address_stands_in_exactly_one_asset(facts in prop::collection::vec(fact(), 0..24)) {
        let keys: Vec<String> = partition(&facts).into_iter().flat_map(|(_, _, keys)| keys).collect();
        let mut addresses: Vec<&String> = keys.iter().filter(|key| key.starts_with("ip:")).collect();
        let count = addresses.len();
        addresses.sort();
        addresses.dedup();
        prop_assert_eq!((addresses.len(), count), (12, 12));
    }

    #[test]
    fn less_evidence_of_one_kind_never_invents_a_host(
        (all, some) in prop::collection::vec(fact(), 0..16)
            .prop_flat_map(|facts| { let n = facts.len(); (Just(facts.clone()), subsequence(facts, 0..=n)) })
    ) {
        let count = |facts: &[Observation]| partition(facts).iter().map(|(_, aliases, _)| 1 + aliases.len()).sum::<usize>();
        prop_assert_eq!(count(&all), count(&some));
    }
}

/// Two hosts of one instance, of which one says two serial numbers by turns: the one that it says last is no better than
/// the one before.
#[test]
fn a_serial_number_said_before_counts_as_much_as_the_last() {
    let told = |serials: [&str; 2]| {
        let (one, other) = (host("10.0.0.0"), host("10.0.0.4"));
        let mut all =
            vec![(628, other, "bacnet.device_instance", "3"), (1_000, other, "bacnet.serial_number", "SN-73912")];
        all.push((685, one, "bacnet.device_instance", "3"));
        all.extend(serials.map(|serial| (700, one, "bacnet.serial_number", serial)));
        let observations = all.into_iter().map(|(second, subject, name, value)| {
            let field = protocols::fields().find(|field| field.name == name).expect("a field");
            let evidence = evidence(second, subject, host("10.9.9.9"), 47_808, "bacnet");
            let fact = Fact::Attribute { field, value: Value::Text(value.into()) };
            Observation { time: at(second), subject: subject.into(), fact, evidence }
        });
        partition(&observations.collect::<Vec<_>>())
    };
    assert_eq!(told(["SN-73912", "SN-73913"]), told(["SN-73913", "SN-73912"]));
}

/// What packets prove one network holds the same hosts, unless they contradict each other.
#[test]
fn one_network_in_two_contexts_has_each_host_once() {
    let mut world = World::new();
    for place in [host("10.0.0.1"), host("10.0.0.2"), in_vlan(5, "10.0.0.1"), in_vlan(5, "10.0.0.2")] {
        world.says(place, None, "bacnet.vendor_name", "WAGO");
    }
    world.says(host("10.0.0.2"), None, "bacnet.serial_number", "SN-73911");
    world.says(in_vlan(5, "10.0.0.2"), None, "bacnet.serial_number", "SN-73912");
    world.says(in_vlan(6, "10.0.0.1"), None, "bacnet.vendor_name", "WAGO");
    world.same_network(in_vlan(5, "10.0.0.1"), host("10.0.0.1"));
    let rows = world.finish();
    let mut keys: Vec<Vec<&str>> = rows
        .assets()
        .iter()
        .map(|row| row.identity_keys.iter().filter(|key| key.starts_with("ip:")).map(String::as_str).collect())
        .collect();
    keys.sort();
    let expected: [&[&str]; 4] =
        [&["ip:/10.0.0.1", "ip:vlan:5/10.0.0.1"], &["ip:/10.0.0.2"], &["ip:vlan:5/10.0.0.2"], &["ip:vlan:6/10.0.0.1"]];
    assert_eq!(keys, expected);
    let why: Vec<_> = rows.claims().into_iter().filter(|row| row.field == "otoscope.join").collect();
    let [why] = why.as_slice() else { panic!("one join: {why:?}") };
    assert_eq!(why.rule.as_deref(), Some("same-network network:untagged 10.0.0.1"));
    assert!(why.frame.is_some(), "the packet that proves it");
    assert_eq!(world.inventory.counters()["joins_refused"], 1, "two serial numbers are two devices");
}
