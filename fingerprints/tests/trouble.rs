//! Devices that say themselves that something is wrong with them.

mod world;

use world::{World, host, unit};

const PLC: &str = "10.0.0.2";
const KIND: &str = "device.trouble";
const EXCEPTION: &str = "modbus.device_exception";

#[test]
fn failures_are_counted_by_the_hour_each_code_for_itself() {
    let mut world = World::new();
    world.says(host(PLC), Some(unit(1)), EXCEPTION, "4");
    world.says(host(PLC), Some(unit(1)), EXCEPTION, "6");
    world.code_again(host(PLC), Some(unit(1)), EXCEPTION, 4, 3);
    world.code_again(host(PLC), Some(unit(1)), EXCEPTION, 6, 18);
    assert!(world.finish().findings(KIND).is_empty(), "4 failures, and 19 times busy");
    world.second += 3_600;
    world.code_again(host(PLC), Some(unit(1)), EXCEPTION, 4, 4);
    assert!(world.finish().findings(KIND).is_empty(), "and 4 in another hour");
    world.code_again(host(PLC), Some(unit(1)), EXCEPTION, 4, 1);
    let rows = world.finish();
    let [found] = rows.findings(KIND)[..] else { panic!("one") };
    let what = "failure while it carried out a request (exception 4) x 9";
    assert_eq!(found.title, format!("10.0.0.2 reports trouble: {what}"));
    assert_eq!((found.severity.as_str(), found.count, found.port), ("low", 9, Some(502)));
    assert_eq!(found.details["values"], "modbus.device_exception 4");
    assert_eq!((found.evidence.len(), found.protocol.as_deref()), (4, Some("modbus")));
    assert!(found.first_seen < found.last_seen);
}

#[test]
fn a_counter_that_grows_is_trouble_and_one_that_stands_or_was_cleared_is_not() {
    const ERRORS: &str = "modbus.bus_communication_errors";
    let mut world = World::new();
    for number in ["900", "902", "0", "2"] {
        world.says(host(PLC), None, ERRORS, number);
    }
    world.again(host(PLC), ERRORS, 500);
    assert!(world.finish().findings(KIND).is_empty(), "2 and 2");
    world.says(host(PLC), None, ERRORS, "3");
    let rows = world.finish();
    let [found] = rows.findings(KIND)[..] else { panic!("one") };
    assert_eq!(found.details["what"], "messages with a wrong checksum on its line +5");
    assert_eq!(found.details["values"], "modbus.bus_communication_errors 0 -> 3");
    assert_eq!((found.count, found.evidence.len()), (5, 5), "wherever it was read");
}

#[test]
fn what_must_never_be_is_trouble_at_once_and_all_of_a_device_is_one_finding() {
    let mut world = World::new();
    world.says(host(PLC), None, EXCEPTION, "8");
    world.says(host(PLC), None, "modbus.server_naks", "0");
    world.says(host(PLC), None, "modbus.server_naks", "1");
    world.says(host("10.0.0.3"), None, EXCEPTION, "6");
    let rows = world.finish();
    let [found] = rows.findings(KIND)[..] else { panic!("one") };
    assert_eq!(found.details["what"], "memory parity error (exception 8) x 1; negative acknowledgements +1");
    assert_eq!(found.count, 2);
}
