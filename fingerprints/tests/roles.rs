//! Roles that follow from what hosts do: only where there is enough of it.

mod world;

use dissectors::Direction;
use dissectors::observation::{Host, Operation, Outcome};
use world::{World, host};

const PANEL: &str = "10.0.0.1";

fn polls(world: &mut World, client: Host, servers: std::ops::Range<u8>, requests: u64, seconds: u64) {
    for last in servers {
        let server = host(&format!("10.0.0.{last}"));
        world.asks(client, server, None, |activity| activity.messages = requests);
        world.asks(client, server, None, |activity| {
            (activity.direction, activity.messages) = (Direction::Response, requests);
            activity.last_seen = activity.first_seen.after(std::time::Duration::from_secs(seconds));
        });
        world.talks(client, server, Some("modbus"), true);
    }
}

fn role(world: &mut World) -> Option<String> {
    world.finish().asset(PANEL).role.clone()
}

#[test]
fn who_polls_and_commands_a_machine_is_a_panel_and_a_plant_a_server() {
    for (servers, expected) in [(10..11, "hmi"), (10..13, "hmi"), (10..14, "scada_server")] {
        let mut world = World::new();
        polls(&mut world, host(PANEL), servers, 40, 60);
        world.writes(host(PANEL), host("10.0.0.10"), None, "register 1", Outcome::Accepted);
        let rows = world.finish();
        assert_eq!(rows.asset(PANEL).role.as_deref(), Some(expected));
        let claim =
            rows.claims().into_iter().find(|row| row.attribute == "role" && row.value == expected && row.chosen);
        assert_eq!(claim.map(|row| (row.field.as_str(), row.frame.is_some())), Some(("otoscope.conduct", true)));
    }
}

#[test]
fn a_few_polls_a_refused_write_and_a_controller_among_its_own_say_nothing() {
    let not_a_panel = |work: fn(&mut World)| {
        let mut world = World::new();
        work(&mut world);
        let role = role(&mut world);
        assert!(!matches!(role.as_deref(), Some("hmi")), "{role:?}");
    };
    not_a_panel(|world| {
        polls(world, host(PANEL), 10..11, 40, 2);
        world.writes(host(PANEL), host("10.0.0.10"), None, "register 1", Outcome::Accepted);
    });
    not_a_panel(|world| {
        polls(world, host(PANEL), 10..11, 3, 60);
        world.writes(host(PANEL), host("10.0.0.10"), None, "register 1", Outcome::Accepted);
    });
    not_a_panel(|world| {
        polls(world, host(PANEL), 10..11, 40, 60);
        world.writes(host(PANEL), host("10.0.0.10"), None, "register 1", Outcome::Rejected);
    });
    not_a_panel(|world| {
        polls(world, host(PANEL), 10..11, 40, 60);
        polls(world, host("10.0.0.99"), 1..2, 40, 60);
        world.writes(host(PANEL), host("10.0.0.10"), None, "register 1", Outcome::Accepted);
    });
}

#[test]
fn who_reads_a_plant_for_hours_and_commands_nothing_keeps_records_of_it() {
    let long = |world: &mut World, servers| polls(world, host(PANEL), servers, 4_000, 4_000);
    let mut world = World::new();
    long(&mut world, 10..14);
    let rows = world.finish();
    assert_eq!(rows.asset(PANEL).role.as_deref(), Some("historian"));
    let claim = rows.claims().into_iter().find(|row| row.attribute == "role" && row.chosen);
    assert_eq!(claim.map(|row| (row.field.as_str(), row.value.as_str())), Some(("otoscope.conduct", "historian")));
    for outcome in [Outcome::Rejected, Outcome::Unanswered] {
        let mut world = World::new();
        long(&mut world, 10..14);
        world.asks(host(PANEL), host("10.0.0.10"), None, |activity| {
            (activity.is_control, activity.operation) = (true, Operation::Code(6));
        });
        world.writes(host(PANEL), host("10.0.0.10"), None, "register 1", outcome);
        assert_eq!(role(&mut world), None, "it tried");
    }
    let mut world = World::new();
    long(&mut world, 10..13);
    polls(&mut world, host(PANEL), 13..20, 40, 60);
    assert_eq!(role(&mut world), None, "of three alone, and a short look at others");
}

#[test]
fn a_stranger_that_wrote_once_and_a_device_that_was_asked_have_no_role() {
    let mut world = World::new();
    world.talks(host(PANEL), host("10.0.0.10"), Some("modbus"), true);
    polls(&mut world, host(PANEL), 10..11, 1, 0);
    world.writes(host(PANEL), host("10.0.0.10"), None, "register 1", Outcome::Accepted);
    let rows = world.finish();
    assert_eq!((&rows.asset(PANEL).role, &rows.asset("10.0.0.10").role), (&None, &None));
    let unidentified = rows.findings("asset.unidentified");
    assert_eq!(unidentified.len(), 2, "neither said what it is");
    assert!(unidentified.iter().all(|row| !row.details.contains_key("role")));
}

#[test]
fn who_serves_in_one_protocol_what_it_polls_in_another_is_a_gateway() {
    let mut world = World::new();
    polls(&mut world, host("10.0.0.99"), 1..2, 40, 60);
    for direction in [Direction::Request, Direction::Response] {
        world.asks(host(PANEL), host("10.0.0.50"), None, |activity| {
            (activity.protocol, activity.direction) = ("bacnet", direction);
            activity.last_seen = activity.first_seen.after(std::time::Duration::from_mins(1));
        });
    }
    assert_eq!(role(&mut world).as_deref(), Some("gateway"));
}
