//! Ordinary IT traffic gives no OT protocol, no device of a plant, and nothing to be done about one.

use super::support::{Recording, captures_in, public_captures, read, records_of};
use fingerprints::record::{AssetRow, Record};
use sensor::pipeline::Settings;
use sensor::source::Input;
use std::collections::BTreeMap;

/// Protocols that only operational technology speaks.
const OT: [&str; 3] = ["modbus", "bacnet", "dnp3"];

/// What stands in a plant or a building and not in an office.
const OT_ROLES: [&str; 16] = [
    "bms_controller",
    "bms_frontend",
    "drive",
    "engineering_workstation",
    "environment_monitor",
    "gateway",
    "historian",
    "hmi",
    "ied",
    "inverter",
    "io",
    "lighting",
    "meter",
    "plc",
    "rtu",
    "scada_server",
];

/// Findings that speak of devices by what they say in a protocol.
const KINDS: [&str; 3] = ["protocol.unauthenticated_control", "asset.unidentified", "communication.unanswered"];

/// The captures of ordinary traffic, where they are.
fn it_traffic() -> Vec<Input> {
    let Some(folder) = public_captures() else { return Vec::new() };
    let inputs = captures_in(&folder.join("it"));
    assert!(inputs.len() > 100, "{} captures", inputs.len());
    inputs
}

/// Captures of other protocols of plants that have been taken for one that is spoken here.
const LOOKALIKES: [&str; 1] = ["iti-melsoft_129_clean.pcap"];

#[test]
fn other_protocols_of_plants_are_not_taken_for_those_that_are_spoken() {
    let Some(folder) = public_captures() else { return };
    let mut inputs = captures_in(&folder.join("other-ot"));
    inputs.retain(|input| LOOKALIKES.iter().any(|name| input.path.ends_with(name)));
    assert_eq!(inputs.len(), LOOKALIKES.len());
    names_no_ot_protocol(inputs);
}

#[test]
fn it_traffic_names_no_ot_protocol() {
    names_no_ot_protocol(it_traffic());
}

/// Calls of people in the traffic of offices: RTP by tshark too, with one source each whose numbers follow each other.
const CALLS: [&str; 2] = ["brute-sip-rtp-speex.pcap", "ndpi-line.pcap"];

#[test]
fn it_traffic_names_no_stream_of_pictures_that_nobody_announced() {
    for input in it_traffic() {
        let (notebook, _) = read(vec![input.clone()], Settings::default());
        let named = notebook.protocols().filter(|protocol| ["rtp", "rtcp"].contains(protocol)).count();
        let is_call = CALLS.iter().any(|name| input.path.ends_with(name));
        assert_eq!(named > 0, is_call, "{}: {named}", input.name);
    }
}

/// The first two bytes are those of RTP; of a source and its numbers nothing fits.
#[test]
fn what_only_begins_like_rtp_is_none() {
    let mut recording = Recording::new();
    let mut state = 1_u64;
    for number in 0..100_000_u32 {
        let mut payload = vec![0x80, 0x60];
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            payload.extend((state >> 16).to_be_bytes().into_iter().take(6));
        }
        // Forty conversations, in turns.
        let port = 20_000 + u16::try_from(number % 40).expect("below 40");
        recording.datagram(1, (0x000a_0101, port), (0x000a_0102, 30_000), &payload);
    }
    let (notebook, _) = read(vec![recording.input("begins like RTP")], Settings::default());
    let named: Vec<_> = notebook.protocols().collect();
    assert!(named.is_empty(), "{named:?}");
}

fn names_no_ot_protocol(inputs: Vec<Input>) {
    for input in inputs {
        let (notebook, _) = read(vec![input.clone()], Settings::default());
        let named = notebook.observations.iter().find(|told| OT.contains(&told.evidence.protocol));
        assert!(named.is_none(), "{}: {named:?}", input.name);
    }
}

#[test]
fn it_traffic_gives_no_row_about_operational_technology() {
    let mut assets = 0;
    for input in it_traffic() {
        let records = records_of(std::slice::from_ref(&input.path), Settings::default()).records;
        let protocols: BTreeMap<&str, &AssetRow> = records
            .iter()
            .filter_map(|record| if let Record::Assets(row) = record { Some(row.as_ref()) } else { None })
            .map(|asset| (asset.asset_id.as_str(), asset))
            .collect();
        assets += protocols.len();
        let wrong = records.iter().find(|record| is_of_ot(record, &protocols));
        assert!(wrong.is_none(), "{}: {wrong:?}", input.name);
    }
    assert!(public_captures().is_none() || assets > 500, "{assets} assets");
}

fn is_of_ot(record: &Record, assets: &BTreeMap<&str, &AssetRow>) -> bool {
    let speaks = |protocol: Option<&str>| protocol.is_some_and(|protocol| OT.contains(&protocol));
    let has_part = |asset: &AssetRow| {
        let has_role = asset.role.as_deref().is_some_and(|role| OT_ROLES.contains(&role));
        has_role || asset.protocols.iter().any(|protocol| speaks(Some(protocol)))
    };
    match record {
        Record::Assets(row) => has_part(row),
        Record::Claims(row) => {
            speaks(row.protocol.as_deref()) || (row.attribute == "role" && OT_ROLES.contains(&row.value.as_str()))
        }
        Record::Services(row) => speaks(row.protocol),
        Record::Activity(row) => speaks(Some(row.protocol)),
        Record::Operations(row) => speaks(Some(row.protocol)),
        Record::Findings(row) => {
            let about = row.asset_id.as_deref().and_then(|id| assets.get(id)).is_some_and(|asset| has_part(asset));
            KINDS.contains(&row.kind.as_str()) && (about || speaks(row.protocol.as_deref()))
        }
        _ => false,
    }
}
