//! Observations in, records out.

mod world;

use dissectors::observation::{Binding, Category, ChildProof, Operation, Outcome, Transport};
use dissectors::{Direction, Mac, Timestamp};
use fingerprints::Settings;
use fingerprints::record::Record;
use world::{Rows, World, at, host, in_vlan, mac, station, unit};

const PLC: &str = "10.0.0.2";
const SCADA: &str = "10.0.0.1";

fn a_plc_is_polled(world: &mut World) {
    let (plc, scada) = (host(PLC), host(SCADA));
    world.child(plc, unit(1), ChildProof::Answered);
    world.says(plc, Some(unit(1)), "modbus.vendor_name", "Schneider Electric");
    world.says(plc, Some(unit(1)), "modbus.product_code", "BMX P34 2020");
    world.says(plc, Some(unit(1)), "modbus.revision", "v2.70");
    world.asks(scada, plc, Some(unit(1)), |_| {});
    world.asks(scada, plc, Some(unit(1)), |activity| activity.direction = Direction::Response);
    world.talks(scada, plc, Some("modbus"), true);
}

#[test]
fn a_device_is_called_what_it_calls_itself() {
    let mut world = World::new();
    a_plc_is_polled(&mut world);
    let rows = world.finish();
    assert_eq!(rows.assets().len(), 2, "a sole child is its host");
    let plc = rows.asset(PLC);
    assert_eq!(plc.vendor.as_deref(), Some("Schneider Electric"));
    assert_eq!((plc.model.as_deref(), plc.order_code.as_deref()), (Some("BMX P34 2020"), Some("BMX P34 2020")));
    assert_eq!((plc.firmware.as_deref(), plc.role.as_deref()), (Some("2.70"), Some("plc")));
    assert_eq!((plc.kind.as_str(), plc.child_key.as_deref()), ("device", None));
    assert_eq!((&*plc.protocols, &*plc.listening_ports), (&["modbus".to_owned()][..], &["502/tcp".to_owned()][..]));
    assert_eq!((plc.observed_hours, plc.two_way), (Some(1.0), Some(1.0)));
    assert_eq!(plc.name.as_deref(), Some("Schneider Electric BMX P34 2020"));
    assert_eq!(plc.context, None, "no tag at all");
    let scada = rows.asset(SCADA);
    assert_eq!(scada.role, None, "a few polls say nothing of who makes them");
    assert!(scada.listening_ports.is_empty());
    let claim = rows.claims().into_iter().find(|row| row.attribute == "firmware").expect("it is claimed");
    assert_eq!((claim.field.as_str(), claim.rule.as_deref()), ("modbus.revision", Some("modbus-revision")));
    assert_eq!((claim.capture.as_deref(), claim.frame, claim.chosen), (Some("site.pcap"), Some(4), true));
}

#[test]
fn a_second_unit_makes_rows_of_both_and_a_gateway_of_the_host() {
    let mut world = World::new();
    a_plc_is_polled(&mut world);
    world.child(host(PLC), unit(7), ChildProof::Answered);
    world.says(host(PLC), Some(unit(7)), "modbus.vendor_name", "ABB");
    let rows = world.finish();
    let gateway = rows.asset(PLC);
    assert_eq!((gateway.role.as_deref(), gateway.vendor.as_deref()), (Some("gateway"), None));
    let children: Vec<_> = rows.assets().into_iter().filter(|row| row.kind == "child").collect();
    let told: Vec<_> = children
        .iter()
        .map(|row| (row.child_key.as_deref(), row.vendor.as_deref(), row.parent_asset_id.as_deref()))
        .collect();
    let parent = Some(gateway.asset_id.as_str());
    assert_eq!(told.len(), 2);
    assert!(told.contains(&(Some("1"), Some("Schneider Electric"), parent)));
    assert!(told.contains(&(Some("7"), Some("ABB"), parent)));
    assert!(children.iter().all(|row| row.ips.is_empty() && row.protocols == ["modbus"]));
}

#[test]
fn units_of_different_models_prove_a_gateway_and_a_server_that_answers_for_any_unit_does_not() {
    let sure_of_gateway = |words: &[(u32, &str, &str)]| {
        let mut world = World::new();
        for (number, field, value) in words {
            world.child(host(PLC), unit(*number), ChildProof::Answered);
            world.says(host(PLC), Some(unit(*number)), field, value);
        }
        let rows = world.finish();
        let gateway = rows.asset(PLC);
        let of_gateway = |claim: &&fingerprints::record::ClaimRow| {
            claim.asset_id == gateway.asset_id && claim.attribute == "role" && claim.chosen
        };
        let role = rows.claims().into_iter().find(of_gateway).expect("a role");
        (role.value.clone(), role.rule.clone().unwrap_or_default())
    };
    let sure = sure_of_gateway(&[(1, "modbus.product_code", "PM5110"), (2, "modbus.product_code", "EM24")]);
    assert_eq!(sure, ("gateway".to_owned(), "different-children".to_owned()));
    for alike in [
        [(1, "modbus.product_code", "PM5110"), (2, "modbus.product_code", "PM5110")],
        [(1, "modbus.product_code", "BMX P34 2020"), (2, "modbus.product_name", "Modicon M340")],
    ] {
        assert_eq!(sure_of_gateway(&alike).1, "several-modbus-units", "{alike:?}");
    }
}

#[test]
fn a_gateway_s_own_word_gives_its_sole_child_a_row_and_unit_255_is_itself() {
    let mut world = World::new();
    a_plc_is_polled(&mut world);
    world.says(host(PLC), None, "modbus.gateway_exception", "11");
    assert_eq!(world.finish().assets().len(), 3);

    let mut world = World::new();
    a_plc_is_polled(&mut world);
    world.child(host(PLC), unit(255), ChildProof::Answered);
    world.says(host(PLC), Some(unit(255)), "modbus.user_application_name", "Line 1");
    let rows = world.finish();
    assert_eq!(rows.assets().len(), 2);
    assert_eq!(rows.asset(PLC).name.as_deref(), Some("Line 1"));
}

#[test]
fn a_station_behind_a_router_has_its_own_row_and_its_network_in_its_key() {
    let mut world = World::new();
    world.child(host("10.0.0.3"), station(8601, 63), ChildProof::Routed);
    world.says(host("10.0.0.3"), Some(station(8601, 63)), "bacnet.device_instance", "1234");
    world.says(host("10.0.0.3"), None, "bacnet.device_instance", "99");
    let rows = world.finish();
    let child = rows.assets().into_iter().find(|row| row.kind == "child").expect("it has a row");
    assert_eq!(child.child_key.as_deref(), Some("8601:63"));
    assert!(child.identity_keys.contains(&"bacnet:8601/1234".to_owned()));
    let router = rows.asset("10.0.0.3");
    assert!(router.identity_keys.contains(&"bacnet:0/99".to_owned()));
    assert_eq!(router.role.as_deref(), Some("gateway"));
}

#[test]
fn groups_and_destinations_of_attempts_are_no_devices() {
    let mut world = World::new();
    world
        .traffic(host("10.0.0.5"), host("10.0.0.255"), Some("bacnet"), false, |traffic| traffic.server_is_group = true);
    world.talks(host("10.0.0.5"), host("239.255.255.250"), None, false);
    world.talks(host("0.0.0.0"), host("255.255.255.255"), None, false);
    world.attempts(host("10.0.0.6"), 254);
    world.attempts(host("10.0.0.6"), 46);
    let rows = world.finish();
    let ips: Vec<&str> = rows.assets().iter().map(|row| row.ips[0].as_str()).collect();
    assert_eq!(ips.len(), 2, "{ips:?}");
    assert!(rows.has("10.0.0.5") && rows.has("10.0.0.6"));
    assert!(rows.services().iter().all(|row| row.server_asset_id.is_none()));
    let scans: Vec<_> = rows.services().into_iter().filter(|row| row.server_ip.is_none()).collect();
    assert_eq!((scans.len(), scans[0].flows, scans[0].packets_to_server), (1, 300, 300));
    assert_eq!((scans[0].server_port, scans[0].transport.as_deref()), (None, Some("tcp")));
}

#[test]
fn a_server_that_never_answers_is_an_asset_and_is_not_seen() {
    let mut world = World::new();
    world.talks(host(SCADA), host(PLC), Some("modbus"), false);
    let first = world.second;
    world.asks(host(SCADA), host(PLC), None, |_| {});
    world.talks(host(SCADA), host("10.0.0.9"), None, false);
    world.talks(host(SCADA), host("10.0.0.255"), Some("bacnet"), false);
    let rows = world.finish();
    let plc = rows.asset(PLC);
    assert_eq!((plc.last_seen, plc.role.as_deref()), (at(first + 1), None), "to be spoken to is not to be seen");
    assert!(plc.protocols.is_empty() && plc.listening_ports.is_empty());
    assert!(!rows.has("10.0.0.9"), "nobody spoke a named protocol to it");
    assert!(!rows.has("10.0.0.255"), "a broadcast in rewritten frames");
}

#[test]
fn addresses_join_by_the_mac_that_they_told() {
    let mut world = World::new();
    world.binding(host("10.0.0.2"), mac(1), Binding::Told);
    world.binding(host("10.0.0.3"), mac(1), Binding::Told);
    world.talks(host("10.0.0.9"), host("10.0.0.2"), Some("modbus"), true);
    world.talks(host("10.0.0.9"), host("10.0.0.3"), Some("modbus"), true);
    let rows = world.finish();
    let both = rows.asset("10.0.0.2");
    assert_eq!(both.ips, ["10.0.0.2", "10.0.0.3"]);
    assert_eq!((both.macs.as_slice(), both.aliases.len()), (&["00:80:f4:00:00:01".to_owned()][..], 1));
    assert_eq!(both.mac_vendor.as_deref(), Some("Telemecanique Electrique"));
    assert_eq!(both.vendor.as_deref(), Some("Schneider Electric"), "the weakest evidence, and all there is");
    let why = rows.claims().into_iter().find(|row| row.attribute == "alias").expect("the join is kept");
    assert_eq!((why.value.as_str(), why.frame), (both.aliases[0].as_str(), Some(2)));
    assert_eq!(why.rule.as_deref(), Some("same-mac mac:00:80:f4:00:00:01"));
    assert!(rows.services().iter().all(|row| row.server_asset_id.as_deref() == Some(both.asset_id.as_str())));
    assert_eq!(rows.services().len(), 2, "addresses stay apart where they are told");
}

#[test]
fn a_mac_that_carries_several_is_a_router_s_and_says_nothing() {
    let mut world = World::new();
    world.binding(host("10.0.0.2"), mac(1), Binding::Frame);
    world.talks(host("10.0.0.9"), host("10.0.0.2"), Some("modbus"), true);
    let rows = world.finish();
    assert_eq!(rows.asset("10.0.0.2").mac_vendor.as_deref(), Some("Telemecanique Electrique"));
    assert!(!rows.asset("10.0.0.2").identity_keys.iter().any(|key| key.starts_with("mac:")), "too weak to be a key");
    let claim = rows.claims().into_iter().find(|row| row.attribute == "mac").expect("it is claimed");
    assert_eq!((claim.confidence, claim.field.as_str()), (50, "otoscope.mac"));

    world.binding(host("172.16.0.7"), mac(1), Binding::Frame);
    let rows = world.finish();
    assert_eq!(rows.asset("10.0.0.2").mac_vendor, None, "more came by the same MAC");
    assert_eq!((rows.asset("10.0.0.2").macs.len(), rows.assets().len()), (0, 3));

    // An address of the internet comes from a router's MAC, be it the only one.
    world.binding(host("93.184.215.14"), mac(2), Binding::Frame);
    let rows = world.finish();
    assert!(rows.asset("93.184.215.14").macs.is_empty());

    // The router tells two addresses of its own, too: still nothing joins.
    world.binding(host("10.0.0.254"), mac(1), Binding::Told);
    world.binding(host("10.0.0.253"), mac(1), Binding::Told);
    let rows = world.finish();
    assert_eq!(rows.assets().len(), 6);
    assert_eq!(rows.asset("10.0.0.254").macs.len(), 1);
}

#[test]
fn redundant_routers_and_proxies_join_nothing() {
    let mut world = World::new();
    let vrrp = Mac([0, 0, 0x5e, 0, 1, 9]);
    world.binding(in_vlan(5, "10.0.5.1"), vrrp, Binding::Told);
    world.binding(in_vlan(6, "10.0.6.1"), vrrp, Binding::Told);
    (1..=20).for_each(|last| world.binding(host(&format!("10.0.0.{last}")), mac(7), Binding::Told));
    let rows = world.finish();
    assert_eq!(rows.assets().len(), 22);
    assert_eq!(world.inventory.counters()["joins_refused"], 1, "twenty addresses of one MAC: a proxy");
}

#[test]
fn one_private_address_in_two_contexts_is_two_devices() {
    let mut world = World::new();
    for vlan in [5, 6] {
        world.talks(in_vlan(vlan, SCADA), in_vlan(vlan, PLC), Some("modbus"), true);
        world.says(in_vlan(vlan, PLC), None, "bacnet.device_instance", "1");
    }
    let rows = world.finish();
    assert_eq!(rows.assets().len(), 4, "cloned skids have equal addresses and equal instances");
    let contexts: Vec<_> = rows.assets().iter().map(|row| row.context.clone()).collect();
    assert_eq!(contexts.iter().filter(|context| context.as_deref() == Some("vlan:5")).count(), 2);

    // The registry's MAC is one device wherever it is told; a made-up one only where it is.
    world.binding(in_vlan(5, PLC), mac(1), Binding::Told);
    world.binding(in_vlan(6, PLC), mac(1), Binding::Told);
    let made_up = Mac([2, 0, 0, 0, 0, 1]);
    world.binding(in_vlan(5, SCADA), made_up, Binding::Told);
    world.binding(in_vlan(6, SCADA), made_up, Binding::Told);
    assert_eq!(world.finish().assets().len(), 3);
}

#[test]
fn serial_numbers_and_instances_join_and_contradictions_do_not() {
    let mut world = World::new();
    let (a, b, c) = (host("10.0.0.2"), host("10.0.0.3"), host("10.0.0.4"));
    for one in [a, b, c] {
        world.says(one, None, "bacnet.vendor_name", "Siemens Schweiz AG");
    }
    world.says(a, None, "bacnet.serial_number", "210113C41234");
    world.says(b, None, "bacnet.serial_number", "210113C41234");
    world.says(b, None, "bacnet.device_instance", "7");
    world.says(c, None, "bacnet.device_instance", "7");
    let rows = world.finish();
    assert_eq!(rows.assets().len(), 1);
    let one = rows.asset("10.0.0.2");
    assert_eq!(one.ips.len(), 3);
    assert!(one.identity_keys.contains(&"serial:Siemens/210113C41234".to_owned()));
    assert_eq!(rows.claims().iter().filter(|row| row.attribute == "alias").count(), 2);

    // Its second instance makes c's word worthless; both claims are kept.
    world.says(c, None, "bacnet.device_instance", "8");
    let rows = world.finish();
    assert_eq!(rows.assets().len(), 2);
    let c = rows.asset("10.0.0.4");
    let claims = rows.values(&c.asset_id, "identity");
    assert_eq!(claims, [("bacnet:0/7".to_owned(), false), ("bacnet:0/8".to_owned(), false)]);
    assert!(!c.identity_keys.iter().any(|key| key.starts_with("bacnet:")));
}

#[test]
fn one_instance_of_two_serial_numbers_joins_nothing() {
    let mut world = World::new();
    for (ip, serial) in [("10.0.0.2", "AAA-0001"), ("10.0.0.3", "AAA-0002")] {
        world.says(host(ip), None, "bacnet.vendor_name", "WAGO");
        world.says(host(ip), None, "bacnet.serial_number", serial);
        world.says(host(ip), None, "bacnet.device_instance", "7");
    }
    assert_eq!(world.finish().assets().len(), 2);
    assert_eq!(world.inventory.counters()["joins_refused"], 1);
}

#[test]
fn a_gateway_s_serial_number_is_not_that_of_its_children() {
    let mut world = World::new();
    let gateway = host("10.0.0.3");
    for child in [None, Some(station(5, 1)), Some(station(5, 2))] {
        if let Some(child) = child.clone() {
            world.child(gateway, child, ChildProof::Routed);
        }
        world.says(gateway, child.clone(), "bacnet.vendor_name", "WAGO");
        world.says(gateway, child, "bacnet.serial_number", "AAA-0001");
    }
    assert_eq!(world.finish().assets().len(), 3);
}

#[test]
fn a_new_value_replaces_the_old_and_the_old_is_shown() {
    let mut world = World::new();
    a_plc_is_polled(&mut world);
    world.says(host(PLC), Some(unit(1)), "modbus.revision", "v2.80");
    let changed = world.second;
    let rows = world.finish();
    let plc = rows.asset(PLC);
    assert_eq!((plc.firmware.as_deref(), plc.firmware_since), (Some("2.80"), Some(at(changed))));
    assert_eq!(rows.values(&plc.asset_id, "firmware"), [("2.70".to_owned(), false), ("2.80".to_owned(), true)]);
}

#[test]
fn control_without_authentication_is_found_once_per_client_and_server() {
    let mut world = World::new();
    a_plc_is_polled(&mut world);
    let (plc, scada) = (host(PLC), host(SCADA));
    for _ in 0..20 {
        world.asks(scada, plc, Some(unit(1)), |activity| {
            activity.is_control = true;
            activity.operation = dissectors::observation::Operation::Code(6);
            activity.messages = 2;
        });
    }
    world.writes(scada, plc, Some(unit(1)), "holding register 40001", Outcome::Accepted);
    world.writes(scada, plc, Some(unit(1)), "holding register 40002", Outcome::Rejected);
    world.asks(host("10.0.0.8"), plc, Some(unit(1)), |activity| activity.is_control = true);
    let rows = world.finish();
    let found = rows.findings("protocol.unauthenticated_control");
    assert_eq!(found.len(), 2, "once per client");
    let finding = found.into_iter().find(|row| row.peer_ip.as_deref() == Some(SCADA)).expect("of the SCADA server");
    assert_eq!((finding.severity.as_str(), finding.status.as_str(), finding.score), ("medium", "open", 44));
    assert_eq!((finding.count, finding.port, finding.protocol.as_deref()), (40, Some(502), Some("modbus")));
    assert_eq!(finding.details["operations"], "Write Single Register (6) x 40");
    assert_eq!(finding.details["targets"], "holding register 40001, holding register 40002");
    assert_eq!((finding.details["accepted"].as_str(), finding.details["rejected"].as_str()), ("3", "3"));
    assert_eq!(finding.title, "10.0.0.1 commands Schneider Electric BMX P34 2020 without authentication");
    let summary = finding.summary.as_deref().unwrap_or_default();
    assert!(summary.starts_with("Control messages over modbus, which has no login: Write Single Register (6) x 40."));
    assert_eq!(finding.controls.len(), 4);
    assert_eq!(finding.evidence.len(), 8, "the first eight");
    let proof = &finding.evidence[0];
    let ends = "ip.addr == 10.0.0.1 && ip.addr == 10.0.0.2 && tcp.port == 502 && tcp.port == 50000";
    assert_eq!(proof.display_filter, proof.frame.map(|frame| format!("frame.number == {frame} && {ends}")));
    assert_eq!((proof.capture.as_deref(), proof.capture_id.as_deref()), (Some("site.pcap"), Some("c-1")));
    assert_eq!(proof.flow.as_deref(), Some("10.0.0.1:502 > 10.0.0.2:50000 tcp"));
    assert!(proof.community_id.as_deref().is_some_and(|id| id.starts_with("1:")));
    assert_eq!(finding.remediation_parameters["peer"], SCADA);
    assert_eq!(rows.asset(PLC).open_findings, 2);
    let operations: Vec<_> = rows
        .0
        .iter()
        .filter_map(|record| if let Record::Operations(row) = record { Some(row) } else { None })
        .collect();
    assert_eq!(operations.len(), 2);
    assert!(operations.iter().all(|row| row.finding_id.as_deref() == Some(finding.finding_id.as_str())));
    assert_eq!((operations[0].child_key.as_deref(), operations[0].category), (Some("1"), "write"));
}

#[test]
fn a_copy_of_what_a_device_holds_is_an_operation_and_no_command() {
    let mut world = World::new();
    a_plc_is_polled(&mut world);
    world.acts(host(SCADA), host(PLC), Some(unit(1)), |control| {
        (control.category, control.target) = (Category::Backup, "file 4 records 0-299".into());
    });
    let rows = world.finish();
    assert!(rows.findings("protocol.unauthenticated_control").is_empty());
    let operations =
        rows.0.iter().filter_map(|record| if let Record::Operations(row) = record { Some(row) } else { None });
    let told: Vec<_> = operations.map(|row| (row.category, row.target.as_deref(), row.finding_id.is_some())).collect();
    assert_eq!(told, [("backup", Some("file 4 records 0-299"), false)]);
}

#[test]
fn a_finding_names_the_child_when_it_has_a_row() {
    let mut world = World::new();
    a_plc_is_polled(&mut world);
    world.child(host(PLC), unit(7), ChildProof::Answered);
    world.writes(host(SCADA), host(PLC), Some(unit(7)), "coil 1", Outcome::Accepted);
    let rows = world.finish();
    let child = rows.assets().into_iter().find(|row| row.child_key.as_deref() == Some("7")).expect("it has a row");
    let finding = rows.findings("protocol.unauthenticated_control")[0];
    assert_eq!(finding.asset_id.as_deref(), Some(child.asset_id.as_str()));
    assert_eq!(finding.asset_name.as_deref(), Some("modbus 7 behind 10.0.0.2"));
}

/// UMAS speaks to the units of the Modbus that carries it.
#[test]
fn what_a_protocol_carries_is_spoken_to_the_carriers_children() {
    let mut world = World::new();
    a_plc_is_polled(&mut world);
    world.child(host(PLC), unit(7), ChildProof::Answered);
    world.asks(host(SCADA), host(PLC), Some(unit(7)), |activity| {
        (activity.protocol, activity.operation) = ("umas", Operation::Within("umas", 0x41));
        activity.is_control = true;
    });
    let rows = world.finish();
    let finding = rows.findings("protocol.unauthenticated_control")[0];
    assert_eq!(finding.asset_name.as_deref(), Some("modbus 7 behind 10.0.0.2"));
    assert_eq!(finding.protocol.as_deref(), Some("umas"));
    let summary = finding.summary.as_deref().unwrap_or_default();
    assert!(summary.contains("over umas") && summary.contains("Stop Controller (0x41) x 40"), "{summary}");
}

#[test]
fn silence_is_found_only_where_answers_would_have_been_seen() {
    let silence = |activity: &mut dissectors::observation::Activity| {
        activity.unanswered = 12;
        activity.server_silent = true;
    };
    let mut world = World::new();
    world.asks(host(SCADA), host(PLC), None, silence);
    assert!(world.finish().findings("communication.unanswered").is_empty(), "the mirror may show one direction");

    world.talks(host(SCADA), host("10.0.0.3"), Some("modbus"), true);
    let rows = world.finish();
    let finding = rows.findings("communication.unanswered")[0];
    let told = "12 of 40 requests over modbus got no answer. To do: see whether it still exists and runs.";
    assert_eq!(finding.summary.as_deref(), Some(told));
    assert_eq!((finding.count, finding.severity.as_str(), finding.peer_ip.as_deref()), (12, "low", Some(SCADA)));
}

#[test]
fn what_has_not_said_what_it_is_is_found_with_what_would_name_it() {
    let mut world = World::new();
    world.binding(host(PLC), mac(1), Binding::Told);
    world.talks(host(SCADA), host(PLC), Some("modbus"), true);
    let rows = world.finish();
    assert_eq!(rows.asset(PLC).vendor.as_deref(), Some("Schneider Electric"), "only its MAC says so");
    let found = rows.findings("asset.unidentified");
    let plc = found.iter().find(|row| row.asset_ip.as_deref() == Some(PLC)).expect("it is found");
    assert!(plc.details["what_would_name_it"].contains("43/14"));
    assert_eq!(found.len(), 2, "the poller is answered, and has no name either");
    a_plc_is_polled(&mut world);
    assert_eq!(world.finish().findings("asset.unidentified").len(), 1);
}

#[test]
fn sums_of_a_window_add_up_and_windows_stay_apart() {
    let mut world = World::new();
    for _ in 0..3 {
        world.asks(host(SCADA), host(PLC), Some(unit(1)), |_| {});
    }
    world.talks(host(SCADA), host(PLC), Some("modbus"), true);
    world.talks(host(SCADA), host(PLC), Some("modbus"), true);
    world.second += 3_600;
    world.asks(host(SCADA), host(PLC), Some(unit(1)), |_| {});
    let rows = world.finish();
    let mut messages: Vec<(i64, Option<String>)> = Vec::new();
    for record in &rows.0 {
        if let Record::Activity(row) = record {
            messages.push((row.messages, row.operation_name.map(str::to_owned)));
            assert_eq!(row.window_end.since(row.window_start).as_secs(), 3_600);
        }
    }
    let name = Some("Read Holding Registers".to_owned());
    assert_eq!(messages, [(120, name.clone()), (40, name)]);
    assert_eq!((rows.services().len(), rows.services()[0].flows), (1, 2));
}

#[test]
fn coverage_tells_hosts_and_directions_by_subnet_and_hour() {
    let mut world = World::new();
    world.talks(host("10.0.0.1"), host("10.0.0.2"), Some("modbus"), true);
    world.talks(host("10.0.0.1"), host("10.0.1.2"), Some("modbus"), true);
    world.talks(host("10.0.1.9"), host("8.8.8.8"), None, false);
    world.inventory.advance(at(world.second));
    world.second += 7_200;
    world.inventory.advance(at(world.second));
    let rows = world.finish();
    let told: Vec<_> = rows
        .0
        .iter()
        .filter_map(|record| if let Record::Coverage(row) = record { Some(row) } else { None })
        .map(|row| (row.subnet.clone().unwrap_or_default(), row.hosts, row.flows, row.state.clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("0.0.0.0/0".to_owned(), 0, 1, "one_way".to_owned()),
            ("10.0.0.0/24".to_owned(), 2, 2, "two_way".to_owned()),
            ("10.0.1.0/24".to_owned(), 2, 2, "two_way".to_owned()),
        ]
    );
}

#[test]
fn midnight_tells_the_state_that_changed_and_the_end_all_of_it() {
    let mut world = World::new();
    world.inventory.advance(at(0));
    a_plc_is_polled(&mut world);
    for day in 1..4 {
        world.inventory.advance(at(day * 86_400 + 5));
        if day == 2 {
            world.second = 2 * 86_400 + 60;
            world.says(host(PLC), Some(unit(1)), "modbus.revision", "v2.80");
        }
        world.talks(host(SCADA), host(PLC), Some("modbus"), true);
    }
    let last = world.finish();
    let id = last.asset(PLC).asset_id.clone();
    let earlier = world.earlier();
    let plc = earlier.assets().into_iter().chain(last.assets()).filter(|row| row.asset_id == id);
    let told: Vec<_> = plc.map(|row| (row.as_of, row.revision, row.firmware.clone().unwrap_or_default())).collect();
    let two_seventy = || "2.70".to_owned();
    assert_eq!(
        told,
        [
            (at(86_400), 1, two_seventy()),
            (at(3 * 86_400), 2, "2.80".to_owned()),
            (at(world.second + 1), 3, "2.80".to_owned()),
        ],
        "to be seen again is no change"
    );
    assert_eq!((earlier.assets().len(), last.assets().len()), (3, 2), "the end tells each once");
    assert!(earlier.0.iter().all(|record| ["assets", "claims", "findings"].contains(&record.table())));
}

#[test]
fn the_same_observations_give_the_same_rows() {
    let tell = || {
        let mut world = World::new();
        a_plc_is_polled(&mut world);
        (1..100).for_each(|last| world.talks(host(&format!("10.0.7.{last}")), host(PLC), Some("modbus"), true));
        world.writes(host(SCADA), host(PLC), Some(unit(1)), "coil 1", Outcome::Accepted);
        world.attempts(host("10.0.0.6"), 254);
        world.finish().0
    };
    assert_eq!(tell(), tell());
    let tables: Vec<&str> = tell().iter().map(Record::table).collect();
    let mut grouped = tables.clone();
    grouped.dedup();
    assert_eq!(grouped, ["assets", "claims", "services", "activity", "operations", "findings", "coverage"]);
}

#[test]
fn a_flood_of_strangers_displaces_nobody_known() {
    let mut world = World::with(Settings { max_assets: 1_000, ..Settings::default() });
    a_plc_is_polled(&mut world);
    world.writes(host(SCADA), host(PLC), Some(unit(1)), "coil 1", Outcome::Accepted);
    for number in 0..100_000u32 {
        let stranger = host(&std::net::Ipv4Addr::from_bits(0xC633_6400_u32.wrapping_add(number * 7)).to_string());
        world.binding(stranger, mac(9), Binding::Frame);
        world.attempts(stranger, 1);
    }
    // A stranger that is heard, and one that names itself, still find a place.
    world.talks(host("10.0.0.50"), host(PLC), None, true);
    world.says(host("10.0.0.60"), None, "bacnet.vendor_name", "WAGO");
    let rows = world.finish();
    assert_eq!(world.inventory.len(), 1_000);
    assert!([PLC, SCADA, "10.0.0.50", "10.0.0.60"].iter().all(|ip| rows.has(ip)));
    assert_eq!(rows.findings("protocol.unauthenticated_control").len(), 1);
    assert!(rows.assets().iter().all(|row| !row.macs.contains(&mac(9).to_string())), "their MAC carried many");
    let counters = world.inventory.counters();
    assert!(counters["assets_evicted"] > 90_000, "{counters:?}");
    assert_eq!(counters["service_rows_lumped"], 100_000 - 1_000);
    let flows: i64 = rows.services().iter().map(|row| row.flows).sum();
    assert_eq!(flows, 100_000 + 2, "no flow goes uncounted");
    assert!(rows.services().len() < 1_100, "the rest is one row an hour");
    assert_eq!(counters["assets_refused"], 0);
}

#[test]
fn when_all_are_known_newcomers_are_refused_and_counted() {
    let mut world = World::with(Settings { max_assets: 3, ..Settings::default() });
    for last in 1..=5 {
        world.says(host(&format!("10.0.0.{last}")), None, "bacnet.vendor_name", "WAGO");
    }
    let rows = world.finish();
    assert_eq!(rows.assets().len(), 3);
    assert!(rows.has("10.0.0.1") && !rows.has("10.0.0.5"));
    assert_eq!(world.inventory.counters()["assets_refused"], 2);
    assert_eq!(world.inventory.counters()["facts_about_nobody"], 2);
}

#[test]
fn frames_without_ip_have_no_addresses_and_no_ports() {
    let mut world = World::new();
    let ethernet = |last| dissectors::observation::Host {
        context: dissectors::observation::Context::default(),
        address: dissectors::observation::Address::Mac(mac(last)),
    };
    world.traffic(ethernet(1), ethernet(2), Some("bacnet"), true, |traffic| {
        traffic.transport = Transport::Ethernet;
        traffic.server_port = 0;
    });
    world.binding(host("10.0.0.2"), mac(2), Binding::Told);
    let rows = world.finish();
    let service = rows.services()[0];
    assert_eq!((service.client_ip.as_deref(), service.server_ip.as_deref(), service.server_port), (None, None, None));
    assert!(service.client_asset_id.is_some());
    let server = rows.asset("10.0.0.2");
    assert_eq!((server.macs.as_slice(), rows.assets().len()), (&[mac(2).to_string()][..], 2), "one MAC, one device");
    assert_eq!(Some(server.asset_id.as_str()), service.server_asset_id.as_deref());
}

#[test]
fn the_internet_is_external_unless_it_belongs_to_the_plant() {
    let mut world = World::new();
    world.talks(host("10.0.0.1"), host("93.184.215.14"), None, true);
    world.talks(host("10.0.0.1"), host("141.81.0.10"), Some("modbus"), true);
    let rows = world.finish();
    let kinds = ["10.0.0.1", "93.184.215.14", "141.81.0.10"].map(|ip| rows.asset(ip).kind.clone());
    assert_eq!(kinds, ["device", "external", "device"]);
}

#[test]
fn programs_are_told_by_the_port_that_they_serve() {
    let mut world = World::new();
    world.says(host(PLC), None, "http.server", "nginx/1.22.1");
    for port in [502, 8080] {
        world.traffic(host(SCADA), host(PLC), Some("http"), true, |traffic| traffic.server_port = port);
    }
    let rows = world.finish();
    let told: Vec<_> = rows.services().iter().map(|row| (row.server_port, row.server_application.clone())).collect();
    assert_eq!(told, [(Some(502), Some("nginx/1.22.1".to_owned())), (Some(8080), None)]);
}

#[test]
fn a_silent_child_s_polls_do_not_make_it_seen_and_its_answers_do() {
    let mut world = World::new();
    a_plc_is_polled(&mut world);
    world.child(host(PLC), unit(7), ChildProof::Answered);
    let known = world.second;
    world.second += 7_200;
    world.asks(host(SCADA), host(PLC), Some(unit(7)), |_| {});
    world.asks(host(SCADA), host(PLC), Some(unit(1)), |activity| activity.direction = Direction::Response);
    let answered = world.second;
    let rows = world.finish();
    let last = |key: &str| {
        let child = rows.assets().into_iter().find(|row| row.child_key.as_deref() == Some(key)).expect("it has a row");
        (child.last_seen, child.observed_hours)
    };
    assert_eq!(last("7"), (at(known), Some(1.0)));
    assert_eq!(last("1"), (at(answered + 1), Some(2.0)));
}

#[test]
fn nothing_seen_is_nothing_told() {
    let Rows(records) = World::new().finish();
    assert!(records.is_empty());
}

#[test]
fn an_outcome_that_the_capture_does_not_show_is_unknown() {
    let mut world = World::new();
    for (target, outcome) in [("coil 1", Outcome::Unknown), ("coil 2", Outcome::Unanswered)] {
        world.writes(host(SCADA), host(PLC), None, target, outcome);
    }
    let rows = world.finish();
    let outcomes = rows.0.iter().filter_map(|record| match record {
        Record::Operations(row) => Some(row.outcome),
        _ => None,
    });
    assert_eq!(outcomes.collect::<Vec<_>>(), [None, Some("unanswered")]);
}

#[test]
fn time_may_stand_at_either_end() {
    for moments in [[Timestamp::MIN, at(0)], [at(0), Timestamp::MAX], [Timestamp::MIN, Timestamp::MAX]] {
        let mut world = World::new();
        a_plc_is_polled(&mut world);
        for moment in moments {
            world.inventory.advance(moment);
        }
        assert_eq!(world.finish().assets().len(), 2);
    }
}

/// Conversations of which one side alone was captured are a mirror's fault, if there are enough of them in an hour.
#[test]
fn a_one_sided_network_is_one_finding_of_its_context() {
    let client = host("10.1.0.9");
    let mut world = World::new();
    for _ in 0..2 {
        world.talks(client, host("10.2.0.1"), Some("modbus"), false);
    }
    assert!(world.finish().findings("coverage.one_way").len() == 1, "twenty packets");
    world = World::new();
    world.traffic(client, host("10.2.0.1"), None, false, |traffic| traffic.to_server.packets = 19);
    assert!(world.finish().findings("coverage.one_way").is_empty(), "the edge of a capture");
    world = World::new();
    for _ in 0..5 {
        world.talks(client, host("10.2.0.1"), Some("modbus"), false);
        world.talks(client, host("10.1.0.7"), Some("modbus"), true);
    }
    let rows = world.finish();
    let findings = rows.findings("coverage.one_way");
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(finding.title, "Only one direction is seen of 10.2.0.0/24", "of 10.1.0.0/24 much is seen both ways");
    assert_eq!((finding.asset_id.as_ref(), finding.count), (None, 1));
    assert_eq!(finding.details["one_sided_packets"], "50");
    let [evidence] = finding.evidence.as_slice() else { panic!("{finding:?}") };
    assert_eq!((evidence.capture.as_deref(), evidence.frame.is_some()), (Some("site.pcap"), true));
    world = World::new();
    for _ in 0..5 {
        world.traffic(client, host("10.2.0.1"), None, false, |traffic| traffic.transport = Transport::Udp);
        world.traffic(client, host("10.2.0.2"), Some("bacnet"), false, |traffic| traffic.server_is_group = true);
    }
    assert!(world.finish().findings("coverage.one_way").is_empty(), "a log and announcements want no answer");
}
