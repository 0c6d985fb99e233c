//! Findings that an operator acts on: who did what, when it ranks first, and when nothing is to be said.

mod world;

use dissectors::Direction;
use dissectors::observation::{
    Activity, Address, Binding, Bus, Category, Child, ChildProof, Control, Host, Operation, Outcome,
};
use fingerprints::record::{FindingRow, Record};
use std::time::Duration;
use world::{Rows, World, host, mac, station, unit};

const PLC: &str = "10.0.0.2";
const SCADA: &str = "10.0.0.1";
const STRANGER: &str = "10.0.9.99";

/// The SCADA server polls and writes all day; so many seconds go by.
fn a_plant_at_work(world: &mut World, seconds: i64) {
    let (plc, scada) = (host(PLC), host(SCADA));
    world.talks(scada, plc, Some("modbus"), true);
    world.asks(scada, plc, Some(unit(1)), |activity| activity.messages = 4_000);
    commands(world, scada, plc, 6, 200);
    world.writes(scada, plc, Some(unit(1)), "register 40", Outcome::Accepted);
    world.second += seconds;
}

/// A client sends so many control messages.
fn commands(world: &mut World, client: Host, server: Host, function: u32, messages: u64) {
    world.asks(client, server, Some(unit(1)), |activity| {
        (activity.is_control, activity.operation, activity.messages) = (true, Operation::Code(function), messages);
    });
}

fn one_write(world: &mut World, client: Host) {
    commands(world, client, host(PLC), 6, 1);
    world.acts(client, host(PLC), Some(unit(1)), |control| {
        control.count = 1;
        control.target = "register 40".into();
        control.value = Some("1500".into());
    });
}

fn ranked(rows: &Rows) -> Vec<&FindingRow> {
    rows.0.iter().filter_map(|record| if let Record::Findings(row) = record { Some(&**row) } else { None }).collect()
}

#[test]
fn a_stranger_s_one_write_comes_first() {
    let mut world = World::new();
    a_plant_at_work(&mut world, 300);
    world.talks(host(STRANGER), host(PLC), Some("modbus"), true);
    one_write(&mut world, host(STRANGER));
    let rows = world.finish();
    let first = ranked(&rows)[0];
    assert_eq!((first.peer_ip.as_deref(), first.score), (Some(STRANGER), 59));
    assert_eq!(first.title, "10.0.9.99 commanded 10.0.0.2 once: register 40 = 1500, accepted");
    assert_eq!(
        first.details["why"],
        "it is in another network than the device and its other clients; others had dealt with the device for 60 \
         seconds and more before it came; it asked the device for nothing else; it commanded no more than 3 times"
    );
    let summary = first.summary.as_deref().unwrap_or_default();
    assert!(summary.ends_with("To do: ask who it is; let no stranger reach port 502."), "{summary}");
    assert_eq!(first.techniques, ["T0855"]);
    assert_eq!(first.remediation_parameters["policy"], "allow_intended_clients_only");
    let scada = rows.findings("protocol.unauthenticated_control");
    let scada = scada.iter().find(|row| row.peer_ip.as_deref() == Some(SCADA)).expect("the own system is found too");
    assert_eq!((scada.score, scada.details.get("why")), (44, None), "and ranks as low as it can");
}

#[test]
fn who_is_rare_but_known_ranks_between() {
    let mut world = World::new();
    a_plant_at_work(&mut world, 10);
    let panel = host("10.0.0.8");
    world.asks(panel, host(PLC), Some(unit(1)), |activity| activity.messages = 900);
    one_write(&mut world, panel);
    let rows = world.finish();
    let found = rows.findings("protocol.unauthenticated_control");
    let scores: Vec<(Option<&str>, i32)> = found.iter().map(|row| (row.peer_ip.as_deref(), row.score)).collect();
    assert!(scores.contains(&(Some("10.0.0.8"), 50)) && scores.contains(&(Some(SCADA), 44)), "{scores:?}");
}

/// A restart, unless told otherwise.
fn acts(world: &mut World, category: Category, outcome: Outcome, change: impl FnOnce(&mut Control)) {
    world.acts(host(SCADA), host(PLC), None, |control| {
        (control.operation, control.category, control.outcome) = (Operation::Code(8), category, outcome);
        (control.target, control.value, control.count) = ("communications".into(), None, 1);
        change(control);
    });
}

#[test]
fn a_restart_is_found_once_per_client_operation_and_hour() {
    let mut world = World::new();
    acts(&mut world, Category::Restart, Outcome::Rejected, |control| control.target = "refused".into());
    acts(&mut world, Category::Restart, Outcome::Accepted, |_| {});
    acts(&mut world, Category::Restart, Outcome::Accepted, |control| control.target = "others".into());
    world.second += 3_600;
    acts(&mut world, Category::Restart, Outcome::Accepted, |_| {});
    let rows = world.finish();
    let found = rows.findings("control.restart");
    assert_eq!(found.len(), 2, "one for each hour");
    let first = found.iter().find(|row| row.count == 2).expect("two in the first hour");
    assert_eq!((first.severity.as_str(), first.score, first.confidence), ("high", 70, Some(95)));
    assert_eq!(first.title, "10.0.0.1 restarted 10.0.0.2: communications", "what was refused is no sample");
    assert_eq!((first.details["accepted"].as_str(), first.details["rejected"].as_str()), ("2", "1"));
    assert_eq!(first.details["operation"], "Diagnostics (8)");
    assert_eq!(first.techniques, ["T0816"]);
    assert_eq!(first.evidence.len(), 2, "the accepted ones");
    let told = "10.0.0.1 sent Diagnostics (8) over modbus (communications), and 10.0.0.2 accepted it. \
                To do: see that it runs; ask who restarted it.";
    assert_eq!(first.summary.as_deref(), Some(told));
    let of_hour = |row: &&FindingRow| row.finding_id.clone();
    let operations: Vec<_> = rows
        .0
        .iter()
        .filter_map(|record| if let Record::Operations(row) = record { row.finding_id.as_deref() } else { None })
        .collect();
    assert_eq!(operations.len(), 4);
    assert!(
        operations.iter().all(|id| found.iter().map(of_hour).any(|known| known == *id)),
        "each belongs to its hour"
    );
}

#[test]
fn what_was_refused_or_found_no_answer_is_no_finding_of_its_own() {
    for outcome in [Outcome::Rejected, Outcome::Unanswered] {
        let mut world = World::new();
        acts(&mut world, Category::Program, outcome, |_| {});
        let rows = world.finish();
        assert!(rows.findings("control.program").is_empty(), "{outcome:?}");
        assert_eq!(rows.findings("protocol.unauthenticated_control").len(), 1, "it was tried all the same");
    }
}

#[test]
fn an_answer_that_is_not_in_the_capture_is_told_with_less_confidence() {
    let mut world = World::new();
    acts(&mut world, Category::Stop, Outcome::Unknown, |control| control.target = "port".into());
    let rows = world.finish();
    let found = rows.findings("control.stop")[0];
    assert_eq!(found.title, "10.0.0.1 told 10.0.0.2 to stop or be silent; no answer was seen");
    assert_eq!((found.confidence, found.count), (Some(60), 1));
    assert_eq!(found.techniques, ["T0814"]);
}

#[test]
fn each_category_that_matters_has_its_kind_and_no_other_has() {
    use Category::{
        Backup, Certificate, Config, File, Firmware, Mode, Operate, Program, Restart, Stop, Time, User, Write,
    };
    let kinds = [
        (Firmware, "control.firmware"),
        (Program, "control.program"),
        (Stop, "control.stop"),
        (Mode, "control.mode"),
        (Restart, "control.restart"),
        (Config, "control.config"),
    ];
    let mut world = World::new();
    for category in
        [Backup, Certificate, File, Operate, Time, User, Write].into_iter().chain(kinds.map(|(kind, _)| kind))
    {
        acts(&mut world, category, Outcome::Accepted, |_| {});
    }
    let rows = world.finish();
    for (_, kind) in kinds {
        assert_eq!(rows.findings(kind).len(), 1, "{kind}");
    }
    assert_eq!(ranked(&rows).iter().filter(|row| row.kind.starts_with("control.")).count(), kinds.len());
}

fn refuses(world: &mut World, child: u32, answers: u64, exceptions: u64) {
    world.asks(host(SCADA), host(PLC), Some(unit(child)), |activity| activity.messages = answers);
    world.asks(host(SCADA), host(PLC), Some(unit(child)), |activity| {
        activity.direction = Direction::Response;
        (activity.messages, activity.exceptions) = (answers, exceptions);
    });
}

#[test]
fn a_device_that_always_refuses_is_found_and_one_that_sometimes_does_is_not() {
    let mut world = World::new();
    refuses(&mut world, 1, 1_000, 400);
    refuses(&mut world, 2, 9, 9);
    assert!(world.finish().findings("communication.failing").is_empty());
    let mut world = World::new();
    refuses(&mut world, 1, 1_000, 0);
    refuses(&mut world, 9, 40, 40);
    let rows = world.finish();
    let found = rows.findings("communication.failing")[0];
    let told = "40 of 40 answers over modbus were refusals: Read Holding Registers (3) x 40; behind it: 9 (40). \
                To do: compare the client's list with the device.";
    assert_eq!(found.summary.as_deref(), Some(told));
    assert_eq!((found.count, found.score, found.evidence.len()), (40, 29, 1));
}

#[test]
fn another_firmware_of_the_same_device_is_found_with_both_versions() {
    let mut world = World::new();
    world.says(host(PLC), None, "modbus.revision", "V2.70");
    world.second += 60;
    world.says(host(PLC), None, "modbus.revision", "V2.80");
    let rows = world.finish();
    let found = rows.findings("firmware.changed")[0];
    assert_eq!(found.title, "10.0.0.2 runs another firmware: 2.70 -> 2.80");
    assert_eq!((found.severity.as_str(), found.evidence.len()), ("info", 2));
    assert_eq!(found.details["field"], "modbus.revision");
    assert!(found.evidence[0].time < found.evidence[1].time);
}

#[test]
fn versions_told_in_turns_or_with_another_model_are_no_new_firmware() {
    let mut world = World::new();
    for version in ["V2.70", "V2.80", "V2.70"] {
        world.says(host(PLC), None, "modbus.revision", version);
    }
    assert!(world.finish().findings("firmware.changed").is_empty(), "two devices share the address");
    let mut world = World::new();
    for (model, version) in [("BMX P34 2020", "V2.70"), ("BMX P34 2030", "V2.80")] {
        world.says(host(PLC), None, "modbus.model_name", model);
        world.says(host(PLC), None, "modbus.revision", version);
    }
    assert!(world.finish().findings("firmware.changed").is_empty(), "it is another device");
}

#[test]
fn counters_that_are_cleared_are_less_grave_than_another_configuration() {
    let graveness = |targets: &[&str]| {
        let mut world = World::new();
        for target in targets {
            acts(&mut world, Category::Config, Outcome::Accepted, |control| control.target = (*target).into());
        }
        let rows = world.finish();
        let found = rows.findings("control.config")[0];
        (found.severity.clone(), found.score)
    };
    assert_eq!(graveness(&["counters and diagnostic register", "overrun counter"]), ("low".to_owned(), 28));
    assert_eq!(graveness(&["overrun counter", "ASCII delimiter"]), ("high".to_owned(), 68));
}

#[test]
fn who_proves_who_it_is_does_not_command_for_free() {
    for (proof, found) in [(Some(32), 0), (None, 1)] {
        let mut world = World::new();
        let (relay, master) = (host(PLC), host(SCADA));
        world.talks(master, relay, Some("dnp3"), true);
        for function in [Some(5), proof].into_iter().flatten() {
            world.asks(master, relay, Some(unit(10)), |activity| {
                (activity.protocol, activity.operation) = ("dnp3", Operation::Code(function));
                activity.is_control = function == 5;
            });
        }
        assert_eq!(world.finish().findings("protocol.unauthenticated_control").len(), found, "{proof:?}");
    }
}

#[test]
fn an_outstation_that_indicates_trouble_is_told() {
    let mut world = World::new();
    world.talks(host(SCADA), host(PLC), Some("dnp3"), true);
    world.says(host(PLC), Some(unit(10)), "dnp3.outstation_address", "10");
    world.says(host(PLC), Some(unit(10)), "dnp3.device_trouble", "1");
    world.says(host(PLC), Some(unit(10)), "dnp3.event_buffer_overflow", "0");
    let rows = world.finish();
    let found = rows.findings("device.trouble");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].title, "10.0.0.2 reports trouble: trouble of the device itself (IIN1.6) x 1");
}

const INSTANCE: &str = "bacnet.device_instance";

/// Two hosts, each with its hardware address, say one instance; how many assets there are, and the conflicts.
fn two_with_one_instance(ips: [&str; 2], macs: [u8; 2], between: impl FnOnce(&mut World)) -> (usize, Vec<String>) {
    let mut world = World::new();
    for (ip, last) in ips.into_iter().zip(macs) {
        world.binding(host(ip), mac(last), Binding::Frame);
    }
    world.says(host(ips[0]), None, INSTANCE, "260001");
    between(&mut world);
    world.says(host(ips[1]), None, INSTANCE, "260001");
    let rows = world.finish();
    let conflicts = rows.findings("asset.address_conflict").into_iter().map(|row| {
        let is_key =
            |asset: &&fingerprints::record::AssetRow| asset.identity_keys.iter().any(|key| key.starts_with("bacnet:"));
        assert!(!rows.assets().iter().any(is_key), "by what both bear neither is known again");
        assert_eq!((row.peer_ip.as_deref(), row.evidence.len()), (Some(ips[1]), 2));
        format!("{}: {}", row.title, row.details["addresses"])
    });
    (rows.assets().len(), conflicts.collect())
}

#[test]
fn one_instance_of_two_devices_is_a_conflict_and_joins_nothing() {
    let nothing = |_: &mut World| {};
    let (near, far) = (["10.0.0.5", "10.0.0.6"], ["10.0.0.5", "10.0.1.6"]);
    let title = "BACnet device instance 260001 is claimed by two devices";
    assert_eq!(two_with_one_instance(near, [1, 77], nothing), (2, vec![format!("{title}: 10.0.0.5, 10.0.0.6")]));
    assert_eq!(two_with_one_instance(near, [1, 2], nothing), (1, Vec::new()), "two ports of one device");
    assert_eq!(two_with_one_instance(near, [1, 1], nothing), (1, Vec::new()), "it moved");
    assert_eq!(two_with_one_instance(far, [1, 77], nothing), (1, Vec::new()), "a router is in both networks");
    let later = |world: &mut World| world.second += 600;
    assert_eq!(two_with_one_instance(near, [1, 77], later), (1, Vec::new()), "it was replaced");
    let models = |world: &mut World| {
        world.says(host("10.0.0.5"), None, "bacnet.model_name", "PXC4");
        world.says(host("10.0.1.6"), None, "bacnet.model_name", "DSC-1616E");
    };
    let others = |world: &mut World| {
        world.says(host("10.0.0.6"), None, INSTANCE, "260002");
        world.second += 1;
    };
    assert_eq!(two_with_one_instance(near, [1, 77], others), (2, Vec::new()), "it passes on what others say");
    assert_eq!(two_with_one_instance(far, [1, 77], models), (2, vec![format!("{title}: 10.0.0.5, 10.0.1.6")]));
}

#[test]
fn one_instance_of_two_stations_of_a_network_is_a_conflict() {
    let router = host("10.0.0.1");
    let conflicts = |stations: [Child; 2]| {
        let mut world = World::new();
        for station in stations {
            world.child(router, station.clone(), ChildProof::Routed);
            world.says(router, Some(station), INSTANCE, "7");
        }
        let rows = world.finish();
        let conflicts = rows.findings("asset.address_conflict");
        conflicts.iter().map(|row| row.details["addresses"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(conflicts([station(2001, 5), station(2001, 6)]), ["10.0.0.1/2001:5, 10.0.0.1/2001:6"]);
    assert_eq!(conflicts([station(2001, 5), station(2002, 6)]), [""; 0], "a number holds within its network");
}

#[test]
fn one_instance_of_two_nodes_is_a_conflict_where_they_are_on_one_bus() {
    let conflicts = |nodes: [(Bus, u8); 2]| {
        let mut world = World::new();
        for (bus, number) in nodes {
            world.says(Host { address: Address::Node(bus, number), ..host(PLC) }, None, INSTANCE, "7");
        }
        world.finish().findings("asset.address_conflict").len()
    };
    assert_eq!(conflicts([(Bus::MsTp, 5), (Bus::MsTp, 6)]), 1);
    assert_eq!(conflicts([(Bus::MsTp, 5), (Bus::Arcnet, 5)]), 0);
}

/// Outstations answer by their link addresses to those who ask them for something.
fn on_lines(polls: &[(&str, &str, u32, Operation)]) -> Vec<(Option<i32>, String)> {
    let mut world = World::new();
    for (client, server, address, operation) in polls {
        let (client, server, child) = (host(client), host(server), Some(unit(*address)));
        world.says(server, child.clone(), "dnp3.outstation_address", &address.to_string());
        world.asks_in("dnp3", client, server, child.clone(), |poll| poll.operation = operation.clone());
        world.asks_in("dnp3", client, server, child, |answer| {
            (answer.operation, answer.direction) = (Operation::Code(129), Direction::Response);
        });
    }
    let rows = world.finish();
    let conflicts = rows.findings("asset.address_conflict");
    conflicts.iter().map(|row| (row.confidence, format!("{}: {}", row.title, row.details["addresses"]))).collect()
}

#[test]
fn one_link_address_of_two_that_a_master_polls_is_a_conflict_of_little_confidence() {
    let (one, two, master) = ("10.0.0.5", "10.0.7.6", "10.0.0.1");
    let poll = |client, server, address| (client, server, address, Operation::Code(1));
    let told = "DNP3 link address 10 is claimed by two devices: 10.0.0.5/10, 10.0.7.6/10".to_owned();
    assert_eq!(on_lines(&[poll(master, one, 10), poll(master, two, 10)]), [(Some(60), told)]);
    assert_eq!(on_lines(&[poll(master, one, 10), poll(master, two, 11)]), []);
    assert_eq!(on_lines(&[poll(master, one, 10), poll("10.0.0.2", two, 10)]), [], "each line has its own master");
    let keeps_alive = (master, two, 10, Operation::Kind('l', 9));
    assert_eq!(on_lines(&[poll(master, one, 10), keeps_alive]), [], "the second way to the same");
}

/// What so many messages within so many seconds are found to be.
fn storms(messages: u64, seconds: u64, change: impl Fn(&mut Activity)) -> Vec<(String, Option<String>, i64)> {
    let mut world = World::new();
    let (master, outstation) = (host("10.0.0.1"), host(PLC));
    // As lanes tell it: in several parts.
    for part in 0..4 {
        world.asks_in("dnp3", master, outstation, None, |activity| {
            (activity.operation, activity.direction) = (Operation::Code(130), Direction::Response);
            activity.messages = messages / 4;
            activity.first_seen = activity.first_seen.after(Duration::from_secs(part * seconds / 4));
            activity.last_seen = activity.first_seen.after(Duration::from_secs(seconds / 4));
            change(activity);
        });
    }
    let rows = world.finish();
    let storms = rows.findings("communication.storm").into_iter();
    storms.map(|row| (row.title.clone(), row.asset_ip.clone(), row.count)).collect()
}

#[test]
fn a_flood_of_what_nobody_asked_for_is_found() {
    let plain = |_: &mut Activity| {};
    let told = |title: &str, ip: &str, count| vec![(title.to_owned(), Some(ip.to_owned()), count)];
    assert_eq!(storms(800, 200, plain), told("10.0.0.2 sends 236 unsolicited messages a minute", PLC, 800));
    assert_eq!(storms(100, 10, plain), [], "a burst of a hundred is an event");
    assert_eq!(storms(800, 3000, plain), [], "sixteen a minute are a busy day");
    assert_eq!(storms(800, 200, |it| it.operation = Operation::Code(129)), [], "a master may poll as it likes");
    let to_all = |activity: &mut Activity| {
        (activity.protocol, activity.operation) = ("bacnet", Operation::Kind('u', 8));
        (activity.direction, activity.server_is_group) = (Direction::Request, true);
    };
    assert_eq!(storms(8000, 200, to_all), told("10.0.0.1 sends 2364 broadcasts a minute", "10.0.0.1", 8000));
    assert_eq!(storms(800, 200, to_all), []);
    assert_eq!(storms(8000, 200, |it| (to_all(it), it.protocol = "ws_discovery").1), [], "no protocol of the plant");
}
