//! Who looks for what there is, and who only works.

mod world;

use dissectors::Direction;
use dissectors::observation::{Address, Aim, Operation};
use fingerprints::record::FindingRow;
use world::{Rows, World, host, unit};

const PLC: &str = "10.0.0.2";
const CLIENT: &str = "10.0.0.1";
const KIND: &str = "scan.active";

/// A client asks a device behind the server by these functions; each request is answered well, or refused.
fn asks(world: &mut World, child: u32, functions: &[u32], requests: u64, is_refused: bool) {
    for direction in [Direction::Request, Direction::Response] {
        for function in functions {
            world.asks(host(CLIENT), host(PLC), Some(unit(child)), |activity| {
                (activity.direction, activity.operation) = (direction, Operation::Code(*function));
                activity.messages = requests;
                activity.exceptions = if is_refused && direction == Direction::Response { requests } else { 0 };
            });
        }
    }
}

fn scans(rows: &Rows) -> Vec<&FindingRow> {
    rows.findings(KIND)
}

#[test]
fn a_walk_over_units_is_a_scan_and_forty_dead_ones_of_a_line_are_not() {
    let mut world = World::new();
    asks(&mut world, 1, &[3], 2, false);
    (2..42).for_each(|child| asks(&mut world, child, &[3], 2, true));
    assert!(scans(&world.finish()).is_empty(), "a serial line without power");
    (42..100).for_each(|child| asks(&mut world, child, &[3], 2, true));
    let rows = world.finish();
    let [found] = scans(&rows)[..] else { panic!("one") };
    assert_eq!((found.severity.as_str(), found.score, found.count), ("high", 69, 99));
    assert_eq!((found.asset_ip.as_deref(), found.peer_ip.as_deref()), (Some(CLIENT), Some(PLC)));
    let what = "asked 99 devices behind one address, 98 of them in vain";
    assert_eq!(found.title, format!("10.0.0.1 scans the plant: {what}"));
    assert_eq!((found.details["what"].as_str(), found.details.get("tool")), (what, None));
    assert_eq!(found.evidence.len(), 1);
    assert!(rows.findings("communication.failing").is_empty() && rows.findings("communication.unanswered").is_empty());
}

#[test]
fn who_polls_dead_units_again_and_again_is_at_work() {
    let mut world = World::new();
    (1..=200).for_each(|child| asks(&mut world, child, &[3], 4, true));
    assert!(scans(&world.finish()).is_empty());
}

#[test]
fn who_polls_many_units_that_answer_is_at_work() {
    let mut world = World::new();
    (1..=200).for_each(|child| asks(&mut world, child, &[3], 1, child % 2 == 0));
    assert!(scans(&world.finish()).is_empty());
}

#[test]
fn a_walk_that_asks_for_identities_alone_needs_fewer_units_and_names_its_tool() {
    let mut world = World::new();
    (1..=15).for_each(|child| asks(&mut world, child, &[17, 43], 1, true));
    assert!(scans(&world.finish()).is_empty(), "an engineer's tool looks at a handful");
    (16..=40).for_each(|child| asks(&mut world, child, &[17, 43], 1, true));
    let rows = world.finish();
    assert_eq!(scans(&rows)[0].details["tool"], "nmap modbus-discover or plcscan");
    assert!(scans(&rows)[0].summary.as_deref().is_some_and(|text| text.contains("It looks like nmap modbus-discover")));
    asks(&mut world, 1, &[3], 2, false);
    assert!(scans(&world.finish()).is_empty(), "who polls as well found a line of dead devices");
}

#[test]
fn a_sweep_over_functions_is_a_scan_and_refused_polls_are_not() {
    let mut world = World::new();
    let functions: Vec<u32> = (1..=11).collect();
    asks(&mut world, 1, &functions, 1, true);
    assert!(scans(&world.finish()).is_empty());
    asks(&mut world, 1, &[20, 65], 1, true);
    let rows = world.finish();
    assert_eq!(scans(&rows)[0].details["what"], "asked for 13 functions of one device or more, 13 of them in vain");
    asks(&mut world, 1, &functions, 900, true);
    assert!(scans(&world.finish()).is_empty(), "again and again");
}

/// Attempts at a port of so many hosts in a row, each so often.
fn sweep(world: &mut World, port: u16, hosts: u8, times: u8) {
    let mut aim: Option<Aim> = None;
    for last in 0..hosts {
        for _ in 0..times {
            let one = Aim::at(port, Address::Ip([10, 0, 7, last].into()));
            match &mut aim {
                Some(aim) => aim.add(one),
                None => aim = Some(one),
            }
        }
    }
    world.aims(host(CLIENT), u64::from(hosts) * u64::from(times), aim.into_iter().collect());
}

#[test]
fn a_sweep_over_hosts_at_a_port_of_the_plant_is_a_scan() {
    let mut world = World::new();
    sweep(&mut world, 502, 60, 1);
    let rows = world.finish();
    let [found] = scans(&rows)[..] else { panic!("one") };
    let what = &found.details["what"];
    assert!(what.starts_with("tried ") && what.ends_with("hosts or more at port 502/tcp in vain"), "{what}");
    assert!(found.count >= 32 && found.count <= 60, "{}", found.count);
    assert_eq!((found.port, found.peer_ip.as_deref()), (Some(502), None));
}

#[test]
fn a_few_dead_hosts_other_ports_and_endless_attempts_are_no_scan() {
    for (port, hosts, times) in [(502, 20, 2), (445, 200, 1), (502, 60, 50)] {
        let mut world = World::new();
        sweep(&mut world, port, hosts, times);
        assert!(scans(&world.finish()).is_empty(), "{hosts} hosts at {port}, {times} times");
    }
}

#[test]
fn a_scanner_s_mark_counts_where_a_device_of_the_plant_is_asked() {
    let agent = "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)";
    let mut world = World::new();
    world.says(host(CLIENT), None, "http.user_agent", agent);
    assert!(scans(&world.finish()).is_empty(), "10.9.9.9 is no device of the plant");
    world.talks(host(CLIENT), host("10.9.9.9"), Some("modbus"), true);
    let rows = world.finish();
    assert_eq!(scans(&rows)[0].details["tool"], "nmap");
    assert_eq!(scans(&rows)[0].title, "10.0.0.1 scans the plant: told by http.user_agent that it is nmap");
}

#[test]
fn who_walks_from_address_to_address_scans_and_no_tool_is_named() {
    let mut world = World::new();
    world.says(host(CLIENT), None, "modbus.address_walk", "200");
    world.talks(host(CLIENT), host("10.9.9.9"), Some("modbus"), true);
    let rows = world.finish();
    let title = "10.0.0.1 scans the plant: read one stretch of addresses of a device after another";
    assert_eq!((scans(&rows)[0].title.as_str(), scans(&rows)[0].details.get("tool")), (title, None));
}

#[test]
fn who_asks_many_servers_for_nothing_but_what_they_are_scans_though_all_answer() {
    let look = |servers: u8, functions: &[u32], times: u64| {
        let mut world = World::new();
        for last in 1..=servers {
            for (direction, function) in functions
                .iter()
                .flat_map(|function| [Direction::Request, Direction::Response].map(|direction| (direction, *function)))
            {
                world.asks(host(CLIENT), host(&format!("10.0.3.{last}")), Some(unit(1)), |activity| {
                    (activity.direction, activity.operation) = (direction, Operation::Code(function));
                    activity.messages = times;
                });
            }
        }
        world.finish()
    };
    assert!(scans(&look(15, &[43], 1)).is_empty(), "an engineer's tool");
    assert!(scans(&look(40, &[43, 3], 1)).is_empty(), "who polls as well is at work");
    assert!(scans(&look(40, &[43], 9)).is_empty(), "again and again");
    let rows = look(20, &[43], 1);
    let [found] = scans(&rows)[..] else { panic!("one") };
    assert_eq!(found.details["what"], "asked 20 servers at port 502 for nothing but what they are");
    assert_eq!((found.details["tool"].as_str(), found.count), ("zgrab2 modbus", 20));
    assert_eq!(found.evidence.len(), 1);
}
