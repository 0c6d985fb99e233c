//! What a human sees in the public captures of protocols that are spoken here, by the table beside them, is told with its frame.

use super::support::{otoscope, public_captures, records_of};
use fingerprints::record::{ActivityRow, AssetRow, ClaimRow, CredentialRow, OperationRow, Record};
use sensor::pipeline::Settings;
use std::collections::BTreeMap;
use std::path::Path;

const VENDORS: &str = include_str!("../../../fingerprints/data/tables/bacnet_vendors.tsv");

/// A row of the table.
#[derive(Debug)]
struct Seen<'a> {
    capture: &'a str,
    subject: &'a str,
    child: &'a str,
    attribute: &'a str,
    /// What is seen, without the remark in parentheses.
    value: &'a str,
    /// All of the cell.
    words: &'a str,
    frame: i64,
}

impl<'a> Seen<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [capture, subject, child, attribute, words, frame] = cells.try_into().ok()?;
        let value = words.split_once(" (").map_or(words, |(value, _)| value);
        Some(Self { capture, subject, child, attribute, value, words, frame: frame.parse().ok()? })
    }

    /// Whether it is about what a device is, in a protocol of these.
    fn is_identity(&self) -> bool {
        let is_act = self.capture.starts_with("bacnet/") && self.attribute == "scheme";
        ["modbus/", "bacnet/"].iter().any(|protocol| self.capture.starts_with(protocol)) && !is_act
    }

    /// Whether a line of `--why` shows it. A vendor's number is shown by the name, whose spelling leaves the legal form out.
    fn is_in(&self, line: &str) -> bool {
        if self.attribute != "vendor_id" {
            return line.contains(self.value);
        }
        let number = VENDORS.lines().find_map(|row| row.strip_prefix(&format!("{}\t", self.value)));
        let shown = line.strip_prefix(" * ").or(line.strip_prefix("   ")).and_then(|line| line.split_once("  ("));
        shown
            .is_some_and(|(name, _)| line.contains("bacnet.vendor_id") && number.is_some_and(|it| it.starts_with(name)))
    }
}

#[test]
fn every_fact_is_told() {
    let Some(folder) = public_captures() else { return };
    let table = std::fs::read_to_string(folder.join("FACTS.md")).expect("the facts stand beside the captures");
    let all: Vec<Seen> = table.lines().filter_map(Seen::of).collect();
    let ours = |seen: &&Seen| {
        let folders = ["modbus/", "bacnet/", "dnp3/", "rtsp/", "http/", "ftp/", "telnet/", "snmp/"];
        folders.iter().any(|protocol| seen.capture.starts_with(protocol))
    };
    let ours: Vec<&Seen> = all.iter().filter(ours).collect();
    assert!(ours.len() >= 20, "{} facts", ours.len());
    let mut readings: BTreeMap<&str, Told> = BTreeMap::new();
    let mut wrong = Vec::new();
    for seen in &ours {
        let told = readings.entry(seen.capture).or_insert_with(|| Told::of(&folder.join(seen.capture)));
        if let Err(what) = told.says(seen) {
            wrong.push(format!("{what}: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Who programs the Quantum of this capture, and what it does: its program is read, whole, by a client that gives a name.
#[test]
fn who_reads_a_program_is_told_with_its_hash() {
    let Some(folder) = public_captures() else { return };
    let told = Told::of(&folder.join("modbus/iti-modicon_test.pcap"));
    let row = |row: &OperationRow| {
        let OperationRow { operation, category, client_host_claimed, outcome, frame, image_bytes, .. } = row;
        let host = client_host_claimed.clone().unwrap_or_default();
        (operation.to_string(), *category, host, outcome.unwrap_or_default(), frame.unwrap_or(0), *image_bytes)
    };
    let host = || "USER-714E74F21B".to_owned();
    let rows: Vec<_> = told.operations().filter(|row| row.protocol == "umas").map(row).collect();
    assert_eq!(
        rows,
        [
            ("0x10".to_owned(), "user", host(), "accepted", 49, None),
            ("0x33".to_owned(), "backup", host(), "accepted", 76, Some(12_343)),
        ]
    );
    // By tshark's `modbus.data` of the 53 answers to 0x34, their headers taken away, and sha256sum.
    let hash = "223dfe4cb8497b9a16b23f20a369a1483f83903a85b749deb8c84f878186c5c1";
    assert_eq!(told.operations().find_map(|row| row.image_sha256.as_deref()), Some(hash));
    let client = told.assets().find(|asset| asset.ips == ["192.168.63.100"]).expect("the client");
    assert_eq!(
        (client.hostname.as_deref(), client.role.as_deref()),
        (Some("USER-714E74F21B"), Some("engineering_workstation"))
    );
    // Each message counts twice: as function 90, and as its own function.
    let sum =
        |protocol: &str| told.activity().filter(|row| row.protocol == protocol).map(|row| row.messages).sum::<i64>();
    assert_eq!((sum("modbus"), sum("umas")), (180, 180));
}

#[test]
fn every_fact_is_shown_with_its_frame() {
    let Some(folder) = public_captures() else { return };
    let table = std::fs::read_to_string(folder.join("FACTS.md")).expect("the facts stand beside the captures");
    let all: Vec<Seen> = table.lines().filter_map(Seen::of).collect();
    let mut shown = BTreeMap::new();
    for seen in all.iter().filter(|seen| seen.is_identity()) {
        let capture = folder.join(seen.capture);
        // Units 0 and 255 are the host, so is a sole one, and so is a device that is called by its instance.
        let behind = format!("{}/{}", seen.subject, seen.child);
        let output = [behind.as_str(), seen.subject].map(|asset| {
            let output = otoscope().args(["asset", asset, "--why"]).arg(&capture).output().expect("it runs");
            String::from_utf8(output.stdout).expect("it prints text")
        });
        let [of_child, of_host] = &output;
        let why = if of_child.is_empty() { of_host } else { of_child };
        if seen.words.ends_with("no identity may come of it") {
            assert!(!why.is_empty() && !why.contains("modbus."), "{seen:?}\n{why}");
        } else {
            // In this frame, or in an earlier one that said the same.
            let frame = |line: &str| line.rsplit_once("frame ")?.1.strip_suffix(')')?.parse::<i64>().ok();
            let is_shown = |line: &str| seen.is_in(line) && frame(line).is_some_and(|at| at <= seen.frame);
            assert!(why.lines().any(is_shown), "{seen:?}\n{why}");
        }
        *shown.entry(seen.capture.split('/').next().unwrap_or_default()).or_insert(0) += 1;
    }
    assert!(shown["modbus"] >= 2 && shown["bacnet"] >= 11, "{shown:?}");
}

/// What a capture told.
struct Told(Vec<Record>);

impl Told {
    fn of(capture: &Path) -> Self {
        Self(records_of(&[capture.to_owned()], Settings::default()).records)
    }

    fn assets(&self) -> impl Iterator<Item = &AssetRow> {
        self.0.iter().filter_map(|record| if let Record::Assets(row) = record { Some(row.as_ref()) } else { None })
    }

    fn claims<'a>(&'a self, asset: &'a AssetRow) -> impl Iterator<Item = &'a ClaimRow> {
        let claims =
            self.0.iter().filter_map(|record| if let Record::Claims(row) = record { Some(row.as_ref()) } else { None });
        claims.filter(|claim| claim.asset_id == asset.asset_id)
    }

    fn activity(&self) -> impl Iterator<Item = &ActivityRow> {
        self.0.iter().filter_map(|record| if let Record::Activity(row) = record { Some(row.as_ref()) } else { None })
    }

    fn operations(&self) -> impl Iterator<Item = &OperationRow> {
        self.0.iter().filter_map(|record| if let Record::Operations(row) = record { Some(row.as_ref()) } else { None })
    }

    fn credentials(&self) -> impl Iterator<Item = &CredentialRow> {
        self.0.iter().filter_map(|record| if let Record::Credentials(row) = record { Some(row.as_ref()) } else { None })
    }

    /// The asset that a row is about: at an address, or behind it.
    fn asset(&self, seen: &Seen) -> Result<&AssetRow, String> {
        let has_address = |asset: &AssetRow| asset.ips.iter().any(|ip| ip == seen.subject);
        let host = self.assets().find(|asset| has_address(asset)).ok_or("no such host")?;
        let is_behind = |asset: &&AssetRow| {
            asset.asset_id == host.asset_id || asset.parent_asset_id.as_ref() == Some(&host.asset_id)
        };
        let is_child = |asset: &&AssetRow| {
            let instance = format!("/{}", seen.child);
            let is_device = |key: &String| key.starts_with("bacnet:") && key.ends_with(&instance);
            asset.child_key.as_deref() == Some(seen.child) || asset.identity_keys.iter().any(is_device)
        };
        // A sole unit is shown as its host.
        let found = self.assets().filter(is_behind).find(is_child);
        Ok(found.unwrap_or(host))
    }

    /// Whether a row is told; if not, what is missing.
    fn says(&self, seen: &Seen) -> Result<(), String> {
        let asset = self.asset(seen)?;
        let child = Some(seen.child).filter(|child| child.contains(':'));
        if child.is_some() && asset.child_key.as_deref() != child {
            return Err("no such child".to_owned());
        }
        let names = |value: &str| value == seen.value;
        let shown = |column: &Option<String>| column.as_deref() == Some(seen.value);
        let protocol = seen.capture.split('/').next().unwrap_or_default();
        match (protocol, seen.attribute) {
            ("modbus", "scheme") if seen.words.ends_with("no identity may come of it") => {
                match self.claims(asset).find(|claim| claim.field.starts_with("modbus.")) {
                    Some(claim) => Err(format!("an identity came of it: {claim:?}")),
                    None => Ok(()),
                }
            }
            ("modbus", "model") if shown(&asset.model) => self.claimed(asset, "umas.model", names, seen),
            ("modbus", "firmware") if shown(&asset.firmware) => self.claimed(asset, "umas.firmware", names, seen),
            ("modbus", "name") if seen.words.contains("UMAS") && shown(&asset.name) => {
                self.claimed(asset, "umas.project_name", names, seen)
            }
            // What a server says of itself in free text is shown as its model, with little confidence.
            ("modbus", "name") => self.claimed(asset, "modbus.server_id_text", names, seen),
            ("bacnet", "name") if shown(&asset.name) => self.claimed(asset, "bacnet.object_name", names, seen),
            ("bacnet", "vendor") if shown(&asset.vendor) => self.claimed(asset, "bacnet.vendor_name", names, seen),
            ("bacnet", "model") if shown(&asset.model) => self.claimed(asset, "bacnet.model_name", names, seen),
            ("bacnet", "firmware") if shown(&asset.firmware) => {
                self.claimed(asset, "bacnet.firmware_revision", names, seen)
            }
            // Told by its name, whose spelling leaves the legal form out.
            ("bacnet", "vendor_id") => {
                let number = VENDORS.lines().find_map(|line| line.strip_prefix(&format!("{}\t", seen.value)));
                let name = number.ok_or("no vendor has this number")?;
                self.claimed(asset, "bacnet.vendor_id", |value| name.starts_with(value), seen)
            }
            ("bacnet", "scheme") => self.acted(asset, seen),
            ("dnp3", "role") => {
                let field = format!("dnp3.{}_address", seen.value);
                self.claimed(asset, &field, |value| value == format!("DNP3 address {}", seen.child), seen)
            }
            ("dnp3", "file") => {
                let is_it =
                    |row: &OperationRow| row.target.as_deref() == Some(seen.value) && row.frame == Some(seen.frame);
                self.operations().find(|row| is_it(row)).map(|_| ()).ok_or_else(|| "no such file".to_owned())
            }
            ("rtsp", "realm") => self.claimed(asset, "rtsp.realm", |_| true, seen),
            ("rtsp", "name") if shown(&asset.name) => self.claimed(asset, "rtsp.session_name", names, seen),
            ("rtsp", "software") => {
                let names = |value: &str| value.starts_with(seen.value);
                let asked = self.claimed(asset, "rtsp.user_agent", names, seen);
                asked.or_else(|_| self.claimed(asset, "rtsp.server", names, seen))
            }
            (_, "user") => self.logged_in(seen),
            ("http", "software") => self.claimed(asset, "http.server", names, seen),
            ("ftp", "software") => self.claimed(asset, "ftp.banner", names, seen),
            // Systems are spelt without their versions.
            ("telnet", "os") => self.claimed(asset, "telnet.welcome", |value| seen.value.starts_with(value), seen),
            ("snmp", "name") if shown(&asset.name) => self.claimed(asset, "snmp.name", names, seen),
            ("snmp", "default_credential") => {
                let is_it = |row: &&CredentialRow| {
                    let what = (row.scheme, row.outcome, row.strength);
                    let is_due = row.frame.is_some_and(|frame| frame <= seen.frame);
                    what == ("snmp_community", "accepted", "default") && is_due
                };
                self.credentials().find(is_it).map(|_| ()).ok_or_else(|| "no such community".to_owned())
            }
            _ => Err(format!("not told of {} {}", asset.asset_id, asset.name.as_deref().unwrap_or_default())),
        }
    }

    /// A claim of a field: in this frame, or in an earlier one that said the same.
    fn claimed(&self, asset: &AssetRow, field: &str, is_it: impl Fn(&str) -> bool, seen: &Seen) -> Result<(), String> {
        let is_due = |claim: &ClaimRow| claim.frame.is_some_and(|frame| frame <= seen.frame);
        let is_told = |claim: &&ClaimRow| is_it(&claim.value) && is_due(claim);
        let claims: Vec<&ClaimRow> = self.claims(asset).filter(|claim| claim.field == field).collect();
        let found = claims.iter().copied().find(is_told);
        found.map(|_| ()).ok_or_else(|| format!("no such claim of {field} among {claims:?}"))
    }

    /// A login of this user in this frame, by the scheme that the remark names first, with the outcome that it names.
    fn logged_in(&self, seen: &Seen) -> Result<(), String> {
        let remark = seen.words.split_once('(').map(|(_, remark)| remark).unwrap_or_default();
        let scheme = remark.split(',').next().unwrap_or_default();
        let outcome = if remark.contains("rejected") { "rejected" } else { "accepted" };
        // A name that stands alone is followed by its password, and that is where the login is told.
        let is_apart = ["ftp", "telnet"].contains(&scheme);
        let is_there = |frame: i64| frame == seen.frame || is_apart && (seen.frame..seen.frame + 10).contains(&frame);
        let is_it = |row: &&CredentialRow| {
            row.username.as_deref() == Some(seen.value)
                && row.server_ip.as_deref() == Some(seen.subject)
                && (row.scheme, row.outcome) == (scheme, outcome)
                && row.frame.is_some_and(is_there)
        };
        self.credentials().find(is_it).map(|_| ()).ok_or_else(|| format!("no login by {scheme} that was {outcome}"))
    }

    /// A control action of this frame, with its outcome. The password of it is never told.
    fn acted(&self, asset: &AssetRow, seen: &Seen) -> Result<(), String> {
        let refused = ["refused", "password-failure"].iter().any(|word| seen.words.contains(word));
        let outcome = if refused { "rejected" } else { "accepted" };
        let is_it = |operation: &&OperationRow| {
            let name = operation.operation_name.unwrap_or_default().to_lowercase();
            operation.frame == Some(seen.frame)
                && operation.outcome == Some(outcome)
                && operation.child_key == asset.child_key
                && operation.server_ip.as_deref() == Some(seen.subject)
                && seen.words.to_lowercase().starts_with(&name)
        };
        self.operations().find(is_it).map(|_| ()).ok_or_else(|| format!("no action that was {outcome}"))
    }
}
