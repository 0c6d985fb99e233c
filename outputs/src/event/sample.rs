//! A sample of each event, for who writes a receiver before the first real one comes.

use std::collections::BTreeMap;

use dissectors::Timestamp;
use fingerprints::asset::id;
use fingerprints::finding::{Kind, Kinds};
use fingerprints::record::{AssetRow, CoverageRow, EvidenceRow, FindingRow, HealthRow, Provenance};
use serde_json::json;

use super::{Event, Nothing, TYPES, Teller, Told};

/// What a sample can be asked for: types of events, and kinds of findings (their `finding.opened`).
pub fn samples() -> Vec<String> {
    let types = TYPES.iter().map(|(name, _)| (*name).to_owned());
    types.chain(Kinds::builtin().iter().map(|(name, _)| name.to_owned())).collect()
}

/// A sample, if there is one of this name. Nothing of it was ever seen; addresses are of documentation (RFC 5737).
pub fn sample(name: &str) -> Option<Event> {
    let kinds = Kinds::builtin();
    let provenance = Provenance { site: "sample".into(), sensor: "otoscope".into(), run_id: "sample".into() };
    let mut teller = Teller::new(provenance);
    let mut memory = Nothing::default();
    let kind = kinds.of(name).map(|kind| (name, kind)).or_else(|| Some((USUAL, kinds.of(USUAL)?)))?;
    let Some((asked, _)) = TYPES.iter().find(|(known, _)| *known == name) else {
        kinds.of(name)?;
        teller.tell(&asset("4.4").into(), &mut memory);
        return teller.tell(&finding(kind, "open").into(), &mut memory).pop();
    };
    let mut events = teller.tell(&asset("4.4").into(), &mut memory);
    let status = match *asked {
        "asset.discovered" => return events.pop(),
        "asset.changed" => return teller.tell(&asset("4.5").into(), &mut memory).pop(),
        "asset.joined" => {
            let other = AssetRow { asset_id: id('a', ["sample", "two"]), ..asset("4.4") };
            teller.tell(&other.clone().into(), &mut memory);
            return teller.tell(&AssetRow { aliases: vec![other.asset_id], ..asset("4.4") }.into(), &mut memory).pop();
        }
        "coverage.lost" => return teller.tell(&coverage().into(), &mut memory).pop(),
        "sensor.health" => {
            let health = HealthRow { window_start: NOON, window_end: NOON, packets: 1_000, ..HealthRow::default() };
            return teller.tell(&health.into(), &mut memory).pop();
        }
        "inventory.snapshot" => {
            let said = [("vendor".to_owned(), json!("Siemens")), ("role".to_owned(), json!("plc"))];
            let told = Told { times: 1, time: NOON.micros(), said: said.into_iter().collect() };
            return teller.snapshot(&[(id('a', ["sample", "one"]), told)], "sample", 0).pop();
        }
        "asset.retired" | "webhook.test" => {
            let mut event = Event::new(teller.source(), asked, "sample", 0, "");
            event.time = NOON;
            return Some(event);
        }
        "finding.opened" => return teller.tell(&finding(kind, "open").into(), &mut memory).pop(),
        "finding.dispatched" => "dispatched",
        "finding.progress" => "in_progress",
        "finding.change_observed" => "change_observed",
        "finding.verified" => "verified",
        "finding.failed" => "failed",
        "finding.regressed" => "regressed",
        "finding.reopened" => {
            teller.tell(&finding(kind, "closed").into(), &mut memory);
            return teller.tell(&finding(kind, "open").into(), &mut memory).pop();
        }
        "finding.closed" => "closed",
        _ => "open",
    };
    teller.tell(&finding(kind, "open").into(), &mut memory);
    let mut next = finding(kind, status);
    match *asked {
        "finding.accepted" => next.disposition = Some("accepted_risk".to_owned()),
        "finding.updated" => next.ticket = Some("CHG-1000".to_owned()),
        _ => {}
    }
    teller.tell(&next.into(), &mut memory).pop()
}

/// The kind that is shown where a type is asked for.
const USUAL: &str = "credential.default";

/// 2026-01-02 12:00 UTC.
const NOON: Timestamp = Timestamp::from_micros(1_767_355_200_000_000);

fn asset(firmware: &str) -> AssetRow {
    AssetRow {
        as_of: NOON,
        revision: 1,
        asset_id: id('a', ["sample", "one"]),
        identity_keys: vec!["ip:192.0.2.10".into()],
        kind: "device".into(),
        name: Some("press 3".into()),
        ips: vec!["192.0.2.10".into()],
        vendor: Some("Siemens".into()),
        model: Some("S7-1200".into()),
        firmware: Some(firmware.to_owned()),
        role: Some("plc".into()),
        protocols: vec!["http".into()],
        first_seen: NOON,
        last_seen: NOON,
        confidence: Some(95),
        open_findings: 1,
        ..AssetRow::default()
    }
}

fn finding((name, kind): (&str, &Kind), status: &str) -> FindingRow {
    let device = [("vendor", "Siemens"), ("model", "S7-1200")];
    let login =
        [("address", "192.0.2.10"), ("port", "80"), ("protocol", "http"), ("scheme", "basic"), ("username", "admin")];
    let is_login = kind.remediation == "rotate_password";
    let parameters = device.iter().chain(login.iter().filter(|_| is_login));
    FindingRow {
        as_of: NOON,
        revision: 1,
        finding_id: id('f', ["sample", name]),
        kind: name.to_owned(),
        severity: kind.severity.name().to_owned(),
        score: kind.score([]),
        status: status.to_owned(),
        disposition: Some("none".into()),
        title: format!("a sample: {name}"),
        asset_id: Some(id('a', ["sample", "one"])),
        asset_name: Some("press 3".into()),
        asset_ip: Some("192.0.2.10".into()),
        protocol: Some("http".into()),
        port: Some(80),
        opened: NOON,
        first_seen: NOON,
        last_seen: NOON,
        count: 1,
        confidence: Some(i32::from(kind.confidence)),
        controls: kind.controls.clone(),
        techniques: kind.techniques.clone(),
        remediation: Some(kind.remediation.clone()),
        remediation_id: Some(id('r', ["sample", name])),
        remediation_parameters: parameters.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        verification: Some(kind.verification.clone()),
        verifiable: Some(kind.verifiable.clone()),
        details: BTreeMap::new(),
        evidence: vec![EvidenceRow {
            time: NOON,
            capture: Some("sample.pcap".into()),
            frame: Some(7),
            protocol: Some("http".into()),
            display_filter: Some("frame.number == 7".into()),
            ..EvidenceRow::default()
        }],
        ..FindingRow::default()
    }
}

fn coverage() -> CoverageRow {
    CoverageRow {
        window_start: NOON,
        window_end: NOON,
        subnet: Some("192.0.2.0/24".into()),
        packets: 1_000,
        lost_bytes: 52_000,
        state: "lossy".into(),
        ..CoverageRow::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_sample_of_everything_and_it_is_what_it_is_called() {
        for name in samples() {
            let event = sample(&name).unwrap_or_else(|| panic!("no sample of {name}"));
            if TYPES.iter().all(|(known, _)| *known != name) {
                assert_eq!((event.name, event.data["finding"]["kind"].as_str()), ("finding.opened", Some(&*name)));
            } else {
                assert_eq!(event.name, name);
            }
            assert_eq!(event, sample(&name).unwrap(), "{name} is another one the second time");
        }
        assert_eq!(sample("finding.lost"), None);
    }
}
