//! A plant against its baseline: what is new, what has changed, and what is no change.

mod world;

use dissectors::observation::{Binding, ChildProof};
use fingerprints::baseline::{Baseline, Device};
use fingerprints::record::{ClaimRow, FindingRow};
use world::{Rows, World, host, mac, unit};

const PLC: &str = "10.0.0.2";
const SCADA: &str = "10.0.0.1";

/// A controller that is polled, with a MAC address and a firmware.
fn plant(world: &mut World, plc: &str, last: u8, firmware: &str) {
    world.binding(host(plc), mac(last), Binding::Told);
    world.binding(host(SCADA), mac(1), Binding::Told);
    world.says(host(plc), None, "modbus.vendor_name", "Schneider Electric");
    world.says(host(plc), None, "modbus.product_code", "BMX P34 2020");
    world.says(host(plc), None, "modbus.revision", firmware);
    world.talks(host(SCADA), host(plc), Some("modbus"), true);
}

fn baseline(rows: &Rows) -> Baseline {
    let claims = rows.claims();
    let of =
        |id: &str| claims.iter().filter(|row| row.asset_id == id).map(|row| (*row).clone()).collect::<Vec<ClaimRow>>();
    let devices = rows.assets().into_iter().map(|row| Device::of(row, &of(&row.asset_id))).collect();
    Baseline { name: "before".to_owned(), id: "1".to_owned(), devices }
}

/// What is found of a plant that was another one before.
fn since(before: impl FnOnce(&mut World), now: impl FnOnce(&mut World)) -> (Rows, fingerprints::inventory::Since) {
    let mut world = World::new();
    before(&mut world);
    let baseline = baseline(&world.finish());
    let mut world = World::new();
    world.second = 1_000;
    world.inventory.compare_with(baseline);
    now(&mut world);
    let rows = world.finish();
    (rows, world.inventory.since().expect("there is a baseline"))
}

fn sums(since: fingerprints::inventory::Since) -> [usize; 3] {
    [since.new, since.changed, since.unseen]
}

fn detail(row: &FindingRow, name: &str) -> String {
    row.details.get(name).cloned().unwrap_or_default()
}

#[test]
fn what_has_not_changed_is_no_finding() {
    let same = |world: &mut World| plant(world, PLC, 2, "v2.70");
    let (rows, sums_of) = since(same, same);
    assert_eq!(sums(sums_of), [0, 0, 0]);
    for kind in ["asset.new", "asset.changed", "firmware.changed"] {
        assert!(rows.findings(kind).is_empty(), "{kind}");
    }
}

#[test]
fn another_firmware_is_told_with_the_frame_that_says_so() {
    let (rows, sums_of) = since(|world| plant(world, PLC, 2, "v2.70"), |world| plant(world, PLC, 2, "v2.80"));
    assert_eq!(sums(sums_of), [0, 1, 0]);
    let found = rows.findings("firmware.changed");
    let [row] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(detail(row, "firmware"), "2.70 -> 2.80");
    assert_eq!(row.title, "Schneider Electric BMX P34 2020 runs another firmware: 2.70 -> 2.80");
    assert_eq!((row.severity.as_str(), row.evidence[0].frame), ("info", Some(1_005)));
    assert!(rows.findings("asset.changed").is_empty());
}

#[test]
fn another_device_at_an_old_address_is_new_and_says_whose_it_was() {
    let (rows, sums_of) = since(|world| plant(world, PLC, 2, "v2.70"), |world| plant(world, PLC, 77, "v2.70"));
    assert_eq!(sums(sums_of), [1, 0, 1]);
    let found = rows.findings("asset.new");
    let [row] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(detail(row, "address_was_of"), "Schneider Electric BMX P34 2020 (00:80:f4:00:00:02)");
    assert_eq!(row.evidence.len(), 1);
}

#[test]
fn a_known_device_that_moved_has_changed_and_keeps_its_story() {
    let (rows, sums_of) = since(|world| plant(world, PLC, 2, "v2.70"), |world| plant(world, "10.0.0.9", 2, "v2.70"));
    assert_eq!(sums(sums_of), [0, 1, 0]);
    let found = rows.findings("asset.changed");
    assert_eq!(detail(found[0], "ip"), "10.0.0.2 -> 10.0.0.9");
    assert!(detail(found[0], "asset_was").starts_with("a-"), "its id was another one");
}

#[test]
fn strangers_of_the_internet_and_who_was_never_heard_are_not_new() {
    let now = |world: &mut World| {
        plant(world, PLC, 2, "v2.70");
        world.talks(host(SCADA), host("8.8.8.8"), None, true);
        world.talks(host(SCADA), host("10.0.0.77"), Some("modbus"), false);
    };
    let (_, sums_of) = since(|world| plant(world, PLC, 2, "v2.70"), now);
    assert_eq!(sums(sums_of), [0, 0, 0]);
}

#[test]
fn a_second_unit_makes_one_device_new_and_not_its_elder() {
    let one = |world: &mut World| {
        world.child(host(PLC), unit(1), ChildProof::Answered);
        world.says(host(PLC), Some(unit(1)), "modbus.product_code", "BMX P34 2020");
    };
    let two = |world: &mut World| {
        one(world);
        world.child(host(PLC), unit(7), ChildProof::Answered);
        world.says(host(PLC), Some(unit(7)), "modbus.product_code", "ACS580-01");
    };
    let (rows, sums_of) = since(one, two);
    assert_eq!(sums(sums_of), [1, 0, 0]);
    assert_eq!(detail(rows.findings("asset.new")[0], "model"), "ACS580-01");
    let (_, sums_of) = since(two, one);
    assert_eq!(sums(sums_of), [0, 0, 1], "the other way round one was not seen");
}

#[test]
fn a_port_that_opens_has_changed_its_host() {
    let now = |world: &mut World| {
        plant(world, PLC, 2, "v2.70");
        world.traffic(host(SCADA), host(PLC), Some("http"), true, |traffic| traffic.server_port = 80);
    };
    let (rows, _) = since(|world| plant(world, PLC, 2, "v2.70"), now);
    assert_eq!(detail(rows.findings("asset.changed")[0], "port"), "80/tcp");
}
