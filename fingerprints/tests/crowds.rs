//! Where there is no room for all: who yields to whom, and what is counted.

mod world;

use dissectors::Mac;
use dissectors::observation::{Binding, ChildProof, Host, Outcome};
use fingerprints::Settings;
use fingerprints::record::Record;
use std::net::Ipv4Addr;
use world::{World, host, mac, unit};

const ROOM: usize = 1_000;
const PLC: &str = "10.0.0.2";
const SCADA: &str = "10.0.0.1";

fn crowded() -> World {
    World::with(Settings { max_assets: ROOM, ..Settings::default() })
}

fn stranger(number: u32) -> Host {
    host(&Ipv4Addr::from_bits(0xAC10_0000 + number).to_string())
}

/// Announces itself, as whoever writes an ARP frame can do for any address.
fn announce(world: &mut World, number: u32) {
    let [_, a, b, c] = number.to_be_bytes();
    world.binding(stranger(number), Mac([2, 0xaa, a, b, c, 1]), Binding::Told);
}

#[test]
fn announcements_shut_nobody_out_who_speaks() {
    let mut world = crowded();
    (0..5_000).for_each(|number| announce(&mut world, number));
    world.child(host(PLC), unit(1), ChildProof::Answered);
    world.says(host(PLC), Some(unit(1)), "modbus.vendor_name", "Schneider Electric");
    world.talks(host(SCADA), host(PLC), Some("modbus"), true);
    world.talks(host("10.0.0.3"), host("10.0.0.4"), None, true);
    (5_000..10_000).for_each(|number| announce(&mut world, number));
    let rows = world.finish();
    assert!([PLC, SCADA, "10.0.0.3", "10.0.0.4"].iter().all(|ip| rows.has(ip)));
    assert!(rows.has(&stranger(9_999).address.to_string()), "what announces itself is known while there is room");
    let counters = world.inventory.counters();
    assert_eq!((world.inventory.len(), counters["assets_refused"]), (ROOM, 0));
    assert_eq!(counters["assets_evicted"], 10_000 + 5 - ROOM as u64);
}

#[test]
fn who_is_in_conversation_does_not_yield_to_announcements() {
    let mut world = crowded();
    for number in 0..ROOM as u32 / 2 {
        let last = (number % 256, number / 256);
        world.talks(
            host(&format!("10.1.{}.{}", last.1, last.0)),
            host(&format!("10.2.{}.{}", last.1, last.0)),
            None,
            true,
        );
    }
    (0..5_000).for_each(|number| announce(&mut world, number));
    let rows = world.finish();
    assert!(["10.1.0.7", "10.2.1.200"].iter().all(|ip| rows.has(ip)));
    let counters = world.inventory.counters();
    assert_eq!((counters["assets_refused"], counters["assets_evicted"]), (5_000, 0));
}

#[test]
fn who_is_commanded_finds_a_place() {
    let mut world = crowded();
    (0..5_000).for_each(|number| announce(&mut world, number));
    world.writes(host(SCADA), host(PLC), None, "coil 1", Outcome::Accepted);
    let rows = world.finish();
    assert!([PLC, SCADA].iter().all(|ip| rows.has(ip)));
    assert_eq!(rows.findings("protocol.unauthenticated_control").len(), 1);
}

#[test]
fn one_host_s_children_do_not_fill_the_inventory() {
    let mut world = World::new();
    for number in 0..3_000 {
        world.child(host("10.0.0.9"), unit(number), ChildProof::Answered);
        world.says(host("10.0.0.9"), Some(unit(number)), "modbus.vendor_name", "WAGO");
    }
    world.child(host(PLC), unit(1), ChildProof::Answered);
    assert_eq!(world.inventory.len(), 1_024 + 3);
    let counters = world.inventory.counters();
    assert_eq!((counters["children_refused"], counters["facts_about_nobody"]), (2 * 1_976, 2 * 1_976));
}

/// Each is one with the next, by a MAC and a serial number in turns.
#[test]
fn a_chain_of_keys_makes_no_giant() {
    let mut world = World::new();
    let hosts = 4_000_u32;
    for number in 0..hosts {
        let [_, _, a, b] = (number / 2).to_be_bytes();
        world.binding(stranger(number), Mac([0, 0x80, 0xf4, a, b, 1]), Binding::Told);
        let pair = number.div_ceil(2);
        world.says(stranger(number), None, "bacnet.vendor_name", &format!("Vendor {pair}"));
        world.says(stranger(number), None, "bacnet.serial_number", &format!("SN-48{pair}"));
    }
    let rows = world.finish();
    let sizes: Vec<usize> = rows.assets().iter().map(|asset| asset.ips.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), hosts as usize, "nobody is lost");
    assert!(sizes.iter().all(|size| *size <= 256) && sizes.len() < 40, "{sizes:?}");
    assert!(world.inventory.counters()["joins_refused"] > 0);
}

/// Each speaks in its own words, at length.
#[test]
fn words_of_strangers_cost_no_more_than_there_is() {
    let mut world = World::with(Settings::default().within(16 << 20));
    world.says(host(PLC), None, "bacnet.vendor_name", "WAGO");
    world.says(host(PLC), None, "bacnet.model_name", "750-831");
    for number in 0..20_000 {
        world.says(stranger(number), None, "bacnet.object_name", &format!("{number} {}", "x".repeat(400)));
    }
    let rows = world.finish();
    let plc = rows.asset(PLC);
    assert_eq!((plc.vendor.as_deref(), plc.model.as_deref()), (Some("WAGO"), Some("750-831")));
    let counters = world.inventory.counters();
    assert!(counters["facts_refused"] + counters["assets_refused"] > 10_000, "{counters:?}");
    assert!(world.inventory.len() > 300, "{} of them found room", world.inventory.len());
}

/// What finds no room of its own stands in one row of all the rest, by hour and protocol; nothing goes uncounted.
#[test]
fn rows_that_find_no_room_add_up_in_one() {
    let mut world = World::with(Settings::default().within(4 << 20));
    let writes = 10_000;
    for number in 0..writes {
        world.writes(host(SCADA), host(PLC), None, &format!("holding register {number}"), Outcome::Accepted);
        world.asks(stranger(number), host(PLC), None, |_| {});
    }
    let rows = world.finish();
    let (mut actions, mut messages, mut of_the_rest) = (0, 0, 0);
    for record in &rows.0 {
        match record {
            Record::Operations(row) => {
                actions += row.count;
                let is_rest = row.client_ip.is_none();
                of_the_rest += i64::from(is_rest);
                assert_eq!(is_rest, &*row.operation == "others", "{row:?}");
                assert!(
                    !is_rest || (row.value.is_none() && row.target.is_none() && row.server_ip.is_none()),
                    "{row:?}"
                );
            }
            Record::Activity(row) => messages += row.messages,
            _ => {}
        }
    }
    assert_eq!((actions, messages), (3 * i64::from(writes), 40 * i64::from(writes)));
    assert!((1..=8).contains(&of_the_rest), "one for each hour: {of_the_rest}");
    let counters = world.inventory.counters();
    assert!(counters["operation_rows_lumped"] > 0 && counters["activity_rows_lumped"] > 0, "{counters:?}");
}

#[test]
fn a_stranger_who_sends_from_a_known_address_takes_nothing_from_it() {
    let maker = |told: &[(Mac, Binding)], late: &[(Mac, Binding)]| {
        let mut world = crowded();
        for (mac, proof) in told {
            world.binding(host(PLC), *mac, *proof);
        }
        world.talks(host(SCADA), host(PLC), Some("modbus"), true);
        for (mac, proof) in late {
            world.binding(host(PLC), *mac, *proof);
        }
        let rows = world.finish();
        rows.asset(PLC).mac_vendor.clone()
    };
    let (own, forged) = ((mac(1), Binding::Frame), (Mac([2, 0xbb, 0, 1, 2, 3]), Binding::Frame));
    let known = Some("Telemecanique Electrique".to_owned());
    assert_eq!(maker(&[own], &[]), known);
    assert_eq!(maker(&[own], &[forged]), known, "it had proven itself before");
    assert_eq!(maker(&[own, forged], &[]), None, "nobody knows whose it was");
    // A word of its own counts whenever it comes, however many strangers came before.
    let mut crowd: Vec<_> = (0..200).map(|last| (Mac([2, 0xbb, 0, 1, 3, last]), Binding::Frame)).collect();
    crowd.push((mac(1), Binding::Told));
    assert_eq!(maker(&[own], &crowd), known);
    assert_eq!(maker(&[(Mac([2, 0xcc, 0, 0, 0, 1]), Binding::Frame)], &crowd), known);
}
