//! All that may leave the sensor: one row struct per public table.
//!
//! What each column means, and its unit, is said once, in `outputs::schema`, together with its type in Parquet; a column
//! that stands here and not there does not compile there. Three columns stand on every row and are the same for a whole
//! run, so the sinks stamp them: see [`Provenance`].
//!
//! Unknown is `None`, never an empty text or a zero; a list or a map of which nothing is known is empty. A reference to
//! an asset is `None` where no device is meant: a broadcast, a multicast group, or the sum of a scan's attempts.
#![allow(missing_docs, reason = "each column is documented in the schema, once")]

use dissectors::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Text that many rows have in common: an asset's id, an operation's code, a capture's path.
pub type Shared = Arc<str>;

/// Who tells, the same on every row of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    pub site: String,
    pub sensor: String,
    pub run_id: String,
}

impl FindingRow {
    /// Whether something is still to be done about it.
    pub fn is_open(&self) -> bool {
        !["verified", "closed"].contains(&self.status.as_str())
    }
}

impl Record {
    /// What a row of state says, but for when and how often it was seen: it changes only with what is known.
    pub fn says(&self) -> String {
        let mut record = self.clone();
        match &mut record {
            Self::Assets(row) => {
                (row.as_of, row.last_seen, row.revision) = Default::default();
                (row.observed_hours, row.lost_bytes, row.two_way) = (None, None, None);
            }
            Self::Claims(row) => (row.as_of, row.last_seen, row.revision, row.count) = Default::default(),
            Self::Certificates(row) => (row.as_of, row.last_seen, row.revision) = Default::default(),
            Self::Findings(row) => {
                (row.as_of, row.last_seen, row.revision, row.count) = Default::default();
                (row.summary, row.details) = Default::default();
            }
            _ => {}
        }
        format!("{record:?}")
    }
}

/// The enum of all rows, and each row's way into it.
macro_rules! records {
    ($($(#[$doc:meta])* $table:literal $variant:ident($row:ident),)+) => {
        /// A row of a public table.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record {
            $($(#[$doc])* $variant(Box<$row>),)+
        }

        impl Record {
            /// The table that this row belongs to.
            pub const fn table(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $table,)+
                }
            }
        }

        $(impl From<$row> for Record {
            fn from(row: $row) -> Self {
                Self::$variant(Box::new(row))
            }
        })+
    };
}

records! {
    /// What stands in the network.
    "assets" Assets(AssetRow),
    /// Why an asset is called what it is.
    "claims" Claims(ClaimRow),
    /// Who uses which service of whom.
    "services" Services(ServiceRow),
    /// What was said, summed.
    "activity" Activity(ActivityRow),
    /// Control actions that matter one by one.
    "operations" Operations(OperationRow),
    /// Logins, never their passwords.
    "credentials" Credentials(CredentialRow),
    /// Certificates that were shown.
    "certificates" Certificates(CertificateRow),
    /// What should be done about it.
    "findings" Findings(FindingRow),
    /// The captures that were read.
    "captures" Captures(CaptureRow),
    /// What could be seen, and what could not.
    "coverage" Coverage(CoverageRow),
    /// How the sensor itself fared.
    "health" Health(HealthRow),
}

/// A device, a child of one, or whatever else answers to a name: its state as of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssetRow {
    pub as_of: Timestamp,
    pub revision: i64,
    pub asset_id: String,
    pub aliases: Vec<String>,
    pub identity_keys: Vec<String>,
    pub parent_asset_id: Option<String>,
    pub kind: String,
    pub child_key: Option<String>,
    pub name: Option<String>,
    pub macs: Vec<String>,
    pub ips: Vec<String>,
    pub context: Option<String>,
    pub hostname: Option<String>,
    pub vendor: Option<String>,
    pub model: Option<String>,
    pub order_code: Option<String>,
    pub firmware: Option<String>,
    pub hardware: Option<String>,
    pub serial: Option<String>,
    pub os: Option<String>,
    pub mac_vendor: Option<String>,
    pub role: Option<String>,
    pub purdue_level: Option<f64>,
    pub zone: Option<String>,
    pub location: Option<String>,
    pub protocols: Vec<String>,
    pub listening_ports: Vec<String>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub confidence: Option<i32>,
    pub firmware_since: Option<Timestamp>,
    pub firmware_status: Option<String>,
    pub latest_firmware: Option<String>,
    pub vulnerability_status: Option<String>,
    pub cves: Vec<String>,
    pub lifecycle: Option<String>,
    pub support_ends: Option<Timestamp>,
    pub risk_score: Option<i32>,
    pub risk_reasons: Vec<String>,
    pub open_findings: i64,
    pub observed_hours: Option<f64>,
    pub lost_bytes: Option<i64>,
    pub two_way: Option<f64>,
    pub tag: Option<String>,
    pub owner: Option<String>,
    pub owner_contact: Option<String>,
    pub unit: Option<String>,
    pub criticality: Option<String>,
    pub intended_zone: Option<String>,
    pub intended_location: Option<String>,
    pub safety_related: Option<bool>,
    pub modified_by_operator: Option<bool>,
    pub in_service_since: Option<Timestamp>,
    pub external_id: Option<String>,
}

/// One value that something said of an asset's attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimRow {
    pub as_of: Timestamp,
    pub revision: i64,
    pub asset_id: String,
    pub attribute: String,
    pub value: String,
    pub protocol: Option<String>,
    pub field: String,
    pub rule: Option<String>,
    pub confidence: i32,
    pub chosen: bool,
    pub context: Option<String>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub count: i64,
    pub capture: Option<String>,
    pub frame: Option<i64>,
}

/// A client that used a port of a server within one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceRow {
    pub window_start: Timestamp,
    pub window_end: Timestamp,
    pub client_asset_id: Option<Shared>,
    pub client_ip: Option<String>,
    pub client_application: Option<String>,
    pub server_asset_id: Option<Shared>,
    pub server_ip: Option<String>,
    pub server_port: Option<i32>,
    pub transport: Option<String>,
    pub protocol: Option<&'static str>,
    pub server_application: Option<String>,
    pub roles_from: Option<&'static str>,
    pub context: Option<String>,
    pub encrypted: Option<bool>,
    pub tls_version: Option<String>,
    pub cipher: Option<String>,
    pub server_name: Option<String>,
    pub alpn: Option<String>,
    pub ja3: Option<String>,
    pub ja3s: Option<String>,
    pub ja4: Option<String>,
    pub hassh: Option<String>,
    pub hassh_server: Option<String>,
    pub certificate_visible: Option<bool>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub flows: i64,
    pub packets_to_server: i64,
    pub packets_to_client: i64,
    pub bytes_to_server: i64,
    pub bytes_to_client: i64,
    pub lost_bytes: i64,
    pub client_zone: Option<String>,
    pub server_zone: Option<String>,
    pub client_country: Option<String>,
    pub client_asn: Option<i64>,
    pub server_country: Option<String>,
    pub server_asn: Option<i64>,
}

/// One operation of a protocol between two assets within one window, in one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActivityRow {
    pub window_start: Timestamp,
    pub window_end: Timestamp,
    pub client_asset_id: Option<Shared>,
    pub server_asset_id: Option<Shared>,
    pub child_key: Option<String>,
    pub protocol: &'static str,
    pub operation: Shared,
    pub operation_name: Option<&'static str>,
    pub direction: &'static str,
    pub is_control: bool,
    pub messages: i64,
    pub exceptions: i64,
    pub unanswered: i64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub capture: Option<Shared>,
    pub frame: Option<i64>,
}

/// Logins of a user at a port of a server within one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CredentialRow {
    pub window_start: Timestamp,
    pub window_end: Timestamp,
    pub client_asset_id: Option<Shared>,
    pub client_ip: Option<String>,
    pub server_asset_id: Option<Shared>,
    pub server_ip: Option<String>,
    pub server_port: Option<i32>,
    pub child_key: Option<String>,
    pub protocol: &'static str,
    pub scheme: &'static str,
    pub username: Option<String>,
    pub realm: Option<String>,
    pub outcome: &'static str,
    pub encrypted: bool,
    pub exposure: Option<&'static str>,
    pub strength: &'static str,
    pub default_entry: Option<String>,
    pub secret_hmac: Option<String>,
    pub secret_key_id: Option<String>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub count: i64,
    pub community_id: Option<String>,
    pub capture: Option<Shared>,
    pub frame: Option<i64>,
}

/// A certificate that an asset showed: its state as of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CertificateRow {
    pub as_of: Timestamp,
    pub revision: i64,
    pub asset_id: String,
    pub port: Option<i32>,
    pub source: String,
    pub sha256: String,
    pub subject: String,
    pub issuer: String,
    pub serial: String,
    pub names: Vec<String>,
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    pub key_algorithm: String,
    pub key_bits: Option<i32>,
    pub signature_algorithm: String,
    pub self_signed: bool,
    pub chain_length: i32,
    pub chain_position: i32,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub capture: Option<String>,
    pub frame: Option<i64>,
}

/// A control action.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationRow {
    pub time: Timestamp,
    pub client_asset_id: Option<Shared>,
    pub client_ip: Option<String>,
    pub client_user: Option<String>,
    pub client_host_claimed: Option<String>,
    pub server_asset_id: Option<Shared>,
    pub server_ip: Option<String>,
    pub server_port: Option<i32>,
    pub child_key: Option<String>,
    pub context: Option<String>,
    pub protocol: &'static str,
    pub operation: Shared,
    pub operation_name: Option<&'static str>,
    pub category: &'static str,
    pub target: Option<String>,
    pub value: Option<String>,
    pub outcome: Option<&'static str>,
    pub count: i64,
    pub image_sha256: Option<String>,
    pub image_bytes: Option<i64>,
    pub community_id: Option<String>,
    pub finding_id: Option<Shared>,
    pub capture: Option<Shared>,
    pub frame: Option<i64>,
    pub reason: Option<String>,
}

/// A finding: its state as of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindingRow {
    pub as_of: Timestamp,
    pub revision: i64,
    pub finding_id: String,
    pub kind: String,
    pub severity: String,
    pub score: i32,
    pub status: String,
    pub disposition: Option<String>,
    pub resolution: Option<String>,
    pub title: String,
    pub summary: Option<String>,
    pub asset_id: Option<String>,
    pub asset_name: Option<String>,
    pub asset_ip: Option<String>,
    pub peer_asset_id: Option<String>,
    pub peer_name: Option<String>,
    pub peer_ip: Option<String>,
    pub zone: Option<String>,
    pub protocol: Option<String>,
    pub port: Option<i32>,
    pub opened: Timestamp,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub count: i64,
    pub confidence: Option<i32>,
    pub due: Option<Timestamp>,
    pub details: BTreeMap<String, String>,
    pub cves: Vec<String>,
    pub advisory_ids: Vec<String>,
    pub cvss: Option<f64>,
    pub epss: Option<f64>,
    pub kev: Option<bool>,
    pub fixed_version: Option<String>,
    pub controls: Vec<String>,
    pub techniques: Vec<String>,
    pub remediation: Option<String>,
    pub remediation_id: Option<String>,
    pub remediation_parameters: BTreeMap<String, String>,
    pub verification: Option<String>,
    pub verifiable: Option<String>,
    pub ticket: Option<String>,
    pub ticket_url: Option<String>,
    pub assigned_to: Option<String>,
    pub accepted_by: Option<String>,
    pub accepted_until: Option<Timestamp>,
    pub accepted_reason: Option<String>,
    pub compensating_measure: Option<String>,
    pub status_changed: Option<Timestamp>,
    pub status_actor: Option<String>,
    pub evidence: Vec<EvidenceRow>,
}

/// A packet that proves a finding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvidenceRow {
    pub time: Timestamp,
    pub capture: Option<String>,
    pub capture_id: Option<String>,
    pub frame: Option<i64>,
    pub protocol: Option<String>,
    pub display_filter: Option<String>,
    pub community_id: Option<String>,
    pub context: Option<String>,
    pub flow: Option<String>,
    pub packet_file: Option<String>,
}

/// A capture file that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaptureRow {
    pub capture_id: String,
    pub path: String,
    pub sha256: Option<String>,
    pub bytes: i64,
    pub link_types: Vec<String>,
    pub snaplen: Option<i64>,
    pub first_packet: Option<Timestamp>,
    pub last_packet: Option<Timestamp>,
    pub packets: i64,
    pub cut_by_snaplen: i64,
    pub damage: Option<String>,
    pub damage_offset: Option<i64>,
}

/// How well one subnet was seen within one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CoverageRow {
    pub window_start: Timestamp,
    pub window_end: Timestamp,
    pub capture: Option<String>,
    pub context: Option<String>,
    pub subnet: Option<String>,
    pub packets: i64,
    pub bytes: i64,
    pub hosts: i64,
    pub flows: i64,
    pub flows_two_way: i64,
    pub flows_one_way: i64,
    pub lost_bytes: i64,
    pub dropped: Option<i64>,
    pub cut_by_snaplen: Option<i64>,
    pub unknown_protocol_bytes: i64,
    pub encrypted_bytes: Option<i64>,
    pub state: String,
}

/// What the sensor counted of itself within one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthRow {
    pub window_start: Timestamp,
    pub window_end: Timestamp,
    pub packets: i64,
    pub bytes: i64,
    pub used: i64,
    pub filtered: Option<i64>,
    pub duplicates: Option<i64>,
    pub damaged: i64,
    pub dropped_kernel: Option<i64>,
    pub dropped_interface: Option<i64>,
    pub dropped_queue: Option<i64>,
    pub parse_errors: BTreeMap<String, i64>,
    pub lost_bytes: i64,
    pub flows_active: i64,
    pub flows_evicted: i64,
    pub evicted: BTreeMap<String, i64>,
    pub assets: i64,
    pub memory_bytes: Option<i64>,
    pub latencies: Vec<LatencyRow>,
    pub unread: i64,
    pub used_bytes: i64,
    pub filtered_bytes: Option<i64>,
    pub duplicate_bytes: Option<i64>,
    pub damaged_bytes: i64,
    pub unread_bytes: i64,
    pub unread_by: BTreeMap<String, i64>,
}

/// How long one stage took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatencyRow {
    pub stage: String,
    pub p50_ns: i64,
    pub p99_ns: i64,
    pub p999_ns: i64,
    pub max_ns: i64,
}
