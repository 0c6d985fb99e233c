//! The tables, column by column.
//!
//! `name: Type = "meaning";` where the type is that of the row's field in `fingerprints::record`.

use std::collections::BTreeMap;

use dissectors::Timestamp;
use fingerprints::record::{
    ActivityRow, AssetRow, CaptureRow, CertificateRow, ClaimRow, CoverageRow, CredentialRow, EvidenceRow, FindingRow,
    HealthRow, LatencyRow, OperationRow, Record, ServiceRow, Shared,
};

use super::{Column, Grain, Table};
use crate::cell::{Cell, Kind, Value};

/// All tables, in the order in which they are told.
pub static TABLES: [&Table; 11] = [
    &ASSETS,
    &CLAIMS,
    &SERVICES,
    &ACTIVITY,
    &OPERATIONS,
    &CREDENTIALS,
    &CERTIFICATES,
    &FINDINGS,
    &CAPTURES,
    &COVERAGE,
    &HEALTH,
];

/// The table of a record, and the cells of its columns after those of the provenance.
pub(super) fn row(record: &Record) -> (&'static Table, Vec<Cell>) {
    match record {
        Record::Assets(row) => (&ASSETS, row.cells()),
        Record::Claims(row) => (&CLAIMS, row.cells()),
        Record::Services(row) => (&SERVICES, row.cells()),
        Record::Activity(row) => (&ACTIVITY, row.cells()),
        Record::Operations(row) => (&OPERATIONS, row.cells()),
        Record::Credentials(row) => (&CREDENTIALS, row.cells()),
        Record::Certificates(row) => (&CERTIFICATES, row.cells()),
        Record::Findings(row) => (&FINDINGS, row.cells()),
        Record::Captures(row) => (&CAPTURES, row.cells()),
        Record::Coverage(row) => (&COVERAGE, row.cells()),
        Record::Health(row) => (&HEALTH, row.cells()),
    }
}

/// A row's values in the order of its table's columns.
trait Cells {
    fn cells(&self) -> Vec<Cell>;
}

/// The columns that every table begins with.
const SITE: Column = Column::of::<String>("site", 1, "The site that the lake was told to be of; `default` when none.");
const SENSOR: Column = Column::of::<String>("sensor", 1, "The sensor that tells.");
const RUN_ID: Column =
    Column::of::<String>("run_id", 1, "The run that wrote the row; of captures, a hash of what was read and how.");

macro_rules! table {
    (
        $table:ident: $grain:ident of $row:ident,
        $name:literal, $doc:literal,
        key: $key:expr,
        bloom: $bloom:expr,
        shown: $shown:expr,
        ranked: $ranked:expr,
        $(since $since:literal { $($column:ident: $type:ty = $about:literal;)+ })+
    ) => {
        #[doc = $doc]
        pub static $table: Table = Table {
            name: $name,
            doc: $doc,
            grain: Grain::$grain,
            key: &$key,
            bloom: &$bloom,
            shown: &$shown,
            ranked: $ranked,
            columns: &[SITE, SENSOR, RUN_ID, $($(Column::of::<$type>(stringify!($column), $since, $about),)+)+],
        };

        impl Cells for $row {
            fn cells(&self) -> Vec<Cell> {
                let Self { $($($column,)+)+ } = self;
                vec![$($(<$type as Value>::cell($column),)+)+]
            }
        }
    };
}

/// A struct inside a table. It never grows, so it knows no versions.
macro_rules! nested {
    ($row:ident { $($column:ident: $type:ty = $about:literal;)+ }) => {
        impl Value for $row {
            const KIND: Kind = Kind::Struct(&[$(Column::of::<$type>(stringify!($column), 1, $about),)+]);

            fn cell(&self) -> Cell {
                let Self { $($column,)+ } = self;
                Cell::Struct(vec![$(<$type as Value>::cell($column),)+])
            }
        }
    };
}

table! {
    ASSETS: State of AssetRow,
    "assets", "What stands in the network: devices, their children, and whatever else answers to a name.",
    key: ["asset_id"],
    bloom: ["asset_id", "parent_asset_id", "macs", "ips", "serial"],
    shown: ["asset_id", "name", "role", "vendor", "model", "firmware", "ips", "risk_score", "open_findings"],
    ranked: None,
    since 1 {
        as_of: Timestamp = "From when on the row holds.";
        revision: i64 = "Counts the asset's rows of one `as_of`.";
        asset_id: String = "The asset: a hash of the site, the context and the first address by which it was seen.";
        aliases: Vec<String> = "Ids of other assets that proved to be this one.";
        identity_keys: Vec<String> = "What it is recognised by: `mac:..`, `serial:VENDOR/..`, `onvif:UUID` and their like.";
        parent_asset_id: Option<String> = "The device that this is a child or a module of.";
        kind: String = "device, child, module, network, application or external.";
        child_key: Option<String> = "What names the child at its parent: a Modbus unit, a DNP3 or BACnet address.";
        name: Option<String> = "The name that is best to show.";
        macs: Vec<String> = "MAC addresses, lower-case, with colons.";
        ips: Vec<String> = "IP addresses in canonical form.";
        context: Option<String> = "Path of the VLANs and tunnel ids it was seen in; null without any.";
        hostname: Option<String> = "The host name that it gives itself or is given.";
        vendor: Option<String> = "Maker of the device.";
        model: Option<String> = "Model, as the maker names it.";
        order_code: Option<String> = "Order code of the maker.";
        firmware: Option<String> = "Version of the firmware.";
        hardware: Option<String> = "Version of the hardware.";
        serial: Option<String> = "Serial number.";
        os: Option<String> = "Operating system.";
        mac_vendor: Option<String> = "Maker of the network interface, by the MAC address alone.";
        role: Option<String> = "What it does: plc, rtu, hmi, camera, nvr, switch and so on.";
        purdue_level: Option<f64> = "Level in the Purdue model, 0 to 5; 3.5 is the zone between.";
        zone: Option<String> = "Zone by the policy.";
        location: Option<String> = "Where it says it stands.";
        protocols: Vec<String> = "Protocols that it spoke.";
        listening_ports: Vec<String> = "Ports on which it answered, like 502/tcp.";
        first_seen: Timestamp = "When it was first seen.";
        last_seen: Timestamp = "When it was last seen.";
        confidence: Option<i32> = "How sure vendor and model are, 0 to 100.";
        firmware_since: Option<Timestamp> = "Since when this firmware is seen.";
        firmware_status: Option<String> = "current, behind or unknown.";
        latest_firmware: Option<String> = "The latest firmware known of the model.";
        vulnerability_status: Option<String> = "affected, not_affected, cannot_tell or not_checked.";
        cves: Vec<String> = "CVEs that affect it.";
        lifecycle: Option<String> = "supported, ending, end_of_support or unknown.";
        support_ends: Option<Timestamp> = "When the maker's support ends.";
        risk_score: Option<i32> = "Risk, 0 to 100.";
        risk_reasons: Vec<String> = "What the risk comes from, the weightiest first.";
        open_findings: i64 = "How many findings are open.";
        observed_hours: Option<f64> = "Hours during which its network was watched.";
        lost_bytes: Option<i64> = "Bytes of its flows that the capture lost.";
        two_way: Option<f64> = "Share of its flows that were seen both ways, 0 to 1.";
        tag: Option<String> = "Entered by people: the plant's own label.";
        owner: Option<String> = "Entered by people: who answers for it.";
        owner_contact: Option<String> = "Entered by people: how to reach the owner.";
        unit: Option<String> = "Entered by people: the unit of the organisation.";
        criticality: Option<String> = "Entered by people: how much hangs on it.";
        intended_zone: Option<String> = "Entered by people: the zone it should stand in.";
        intended_location: Option<String> = "Entered by people: where it should stand.";
        safety_related: Option<bool> = "Entered by people: whether safety depends on it.";
        modified_by_operator: Option<bool> = "Entered by people: whether the operator modified it substantially.";
        in_service_since: Option<Timestamp> = "Entered by people: since when it is in service.";
        external_id: Option<String> = "Entered by people: its id in another inventory.";
    }
}

table! {
    CLAIMS: State of ClaimRow,
    "claims", "Why an asset is called what it is: every value that something said of one of its attributes.",
    key: ["asset_id", "attribute", "value", "field"],
    bloom: ["asset_id", "value"],
    shown: ["asset_id", "attribute", "value", "confidence", "chosen", "field", "rule", "capture", "frame"],
    ranked: None,
    since 1 {
        as_of: Timestamp = "From when on the row holds.";
        revision: i64 = "Counts the claim's rows of one `as_of`.";
        asset_id: String = "The asset that it is about.";
        attribute: String = "The attribute: vendor, model, firmware, ip, mac and so on.";
        value: String = "The value that is claimed.";
        protocol: Option<String> = "The protocol in which it was said.";
        field: String = "The field of the protocol that said it.";
        rule: Option<String> = "The rule that read the value off the field; null when the field is the value.";
        confidence: i32 = "How sure it is, 0 to 100.";
        chosen: bool = "Whether this is the value that the asset shows.";
        context: Option<String> = "Path of the VLANs and tunnel ids it was seen in; null without any.";
        first_seen: Timestamp = "When it was first said.";
        last_seen: Timestamp = "When it was last said.";
        count: i64 = "How often it was said.";
        capture: Option<String> = "The capture or interface of the first time.";
        frame: Option<i64> = "The frame of the first time, from 1; null when listening.";
    }
}

table! {
    SERVICES: Delta of ServiceRow,
    "services", "Who used which port of whom: the relationships of devices, applications and ports.",
    key: ["server_asset_id", "server_port", "client_asset_id"],
    bloom: ["server_asset_id", "client_asset_id", "server_ip", "client_ip"],
    shown: [
        "client_ip", "server_ip", "server_port", "transport", "protocol", "encrypted", "flows", "bytes_to_server",
        "bytes_to_client", "last_seen",
    ],
    ranked: None,
    since 1 {
        window_start: Timestamp = "Start of the window that is counted.";
        window_end: Timestamp = "End of the window; it lies outside.";
        client_asset_id: Option<Shared> = "The asset that asked.";
        client_ip: Option<String> = "Its address.";
        client_application: Option<String> = "The program it named itself.";
        server_asset_id: Option<Shared> = "The asset that was asked; null for the sum of a scan's attempts.";
        server_ip: Option<String> = "Its address.";
        server_port: Option<i32> = "The port that was asked; null where the transport has none.";
        transport: Option<String> = "tcp, udp and so on.";
        protocol: Option<&'static str> = "The protocol, by its content; null when it was not recognised.";
        server_application: Option<String> = "The program that the server named itself.";
        roles_from: Option<&'static str> = "What told client from server: syn, content or port.";
        context: Option<String> = "Path of the VLANs and tunnel ids; null without any.";
        encrypted: Option<bool> = "Whether what was said was encrypted.";
        tls_version: Option<String> = "The version of TLS that was agreed.";
        cipher: Option<String> = "The cipher that was agreed.";
        server_name: Option<String> = "The name that the client asked for.";
        alpn: Option<String> = "The application protocol that was agreed.";
        ja3: Option<String> = "Fingerprint of the TLS client, JA3.";
        ja3s: Option<String> = "Fingerprint of the TLS server, JA3S.";
        ja4: Option<String> = "Fingerprint of the TLS client, JA4.";
        hassh: Option<String> = "Fingerprint of the SSH client.";
        hassh_server: Option<String> = "Fingerprint of the SSH server.";
        certificate_visible: Option<bool> = "Whether the server's certificate could be read.";
        first_seen: Timestamp = "When a packet was first seen within the window.";
        last_seen: Timestamp = "When a packet was last seen within the window.";
        flows: i64 = "Flows that began within the window.";
        packets_to_server: i64 = "Packets to the server.";
        packets_to_client: i64 = "Packets to the client.";
        bytes_to_server: i64 = "Bytes to the server, frames as they were on the wire.";
        bytes_to_client: i64 = "Bytes to the client, frames as they were on the wire.";
        lost_bytes: i64 = "Bytes that the capture lost.";
        client_zone: Option<String> = "Zone of the client by the policy.";
        server_zone: Option<String> = "Zone of the server by the policy.";
        client_country: Option<String> = "Country of a client outside, two letters.";
        client_asn: Option<i64> = "Autonomous system of a client outside.";
        server_country: Option<String> = "Country of a server outside, two letters.";
        server_asn: Option<i64> = "Autonomous system of a server outside.";
    }
}

table! {
    ACTIVITY: Delta of ActivityRow,
    "activity", "What was said, summed: operations of a protocol between two assets, in one direction.",
    key: ["server_asset_id", "child_key", "client_asset_id", "protocol", "operation", "direction"],
    bloom: ["server_asset_id", "client_asset_id"],
    shown: [
        "client_asset_id", "server_asset_id", "child_key", "protocol", "operation", "operation_name", "direction",
        "messages", "exceptions", "unanswered",
    ],
    ranked: None,
    since 1 {
        window_start: Timestamp = "Start of the window that is counted.";
        window_end: Timestamp = "End of the window; it lies outside.";
        client_asset_id: Option<Shared> = "The asset that asks.";
        server_asset_id: Option<Shared> = "The host that is asked; null for a broadcast.";
        child_key: Option<String> = "The child of the host that is meant.";
        protocol: &'static str = "The protocol.";
        operation: Shared = "Code of the operation, as the protocol counts: a function code, a service, a method.";
        operation_name: Option<&'static str> = "Its name, a verb itself; null for a code that the standard does not name.";
        direction: &'static str = "request or response.";
        is_control: bool = "Whether it can change what the device does.";
        messages: i64 = "Messages of the window.";
        exceptions: i64 = "Of these, answers that refuse.";
        unanswered: i64 = "Of these, requests that no answer was seen to.";
        first_seen: Timestamp = "When it was first said within the window.";
        last_seen: Timestamp = "When it was last said within the window.";
        capture: Option<Shared> = "The capture or interface of the first message.";
        frame: Option<i64> = "The frame of the first message, from 1; null when listening.";
    }
}

table! {
    OPERATIONS: Log of OperationRow,
    "operations", "Control actions that matter one by one: writes, restarts, program transfers and their like.",
    key: ["time"],
    bloom: ["server_asset_id", "client_asset_id", "server_ip", "client_ip", "finding_id", "community_id"],
    shown: [
        "time", "client_ip", "server_ip", "child_key", "protocol", "operation_name", "category", "target", "value",
        "outcome", "count",
    ],
    ranked: None,
    since 1 {
        time: Timestamp = "When it was asked for.";
        client_asset_id: Option<Shared> = "The asset that asked.";
        client_ip: Option<String> = "Its address.";
        client_user: Option<String> = "The user it was logged in as.";
        client_host_claimed: Option<String> = "The host name that the client gave itself.";
        server_asset_id: Option<Shared> = "The host that was asked; null for a broadcast.";
        server_ip: Option<String> = "Its address.";
        server_port: Option<i32> = "The port that was asked; null where the transport has none.";
        child_key: Option<String> = "The child of the host that is meant.";
        context: Option<String> = "Path of the VLANs and tunnel ids; null without any.";
        protocol: &'static str = "The protocol.";
        operation: Shared = "Code of the operation, as the protocol counts.";
        operation_name: Option<&'static str> = "Its name, a verb itself; null for a code that the standard does not name.";
        category: &'static str = "write, operate, restart, stop, mode, program, firmware, file, config, user, certificate, backup or time.";
        target: Option<String> = "What was acted on: a register, a point, a file.";
        value: Option<String> = "The value that was asked for.";
        outcome: Option<&'static str> = "accepted, rejected or unanswered; null when the answers could not be seen.";
        count: i64 = "Cyclic repeats within the hour, the first included.";
        image_sha256: Option<String> = "SHA-256 of the program, firmware or file that was transferred, as far as it was seen.";
        image_bytes: Option<i64> = "Its size.";
        community_id: Option<String> = "Community ID of the flow.";
        finding_id: Option<Shared> = "The finding that it led to.";
        capture: Option<Shared> = "The capture or interface of the first time.";
        frame: Option<i64> = "The frame of the first time, from 1; null when listening.";
    }
    since 3 {
        reason: Option<String> = "Why it was rejected, in the protocol's own words, where the answer says so.";
    }
}

table! {
    CREDENTIALS: Delta of CredentialRow,
    "credentials", "Logins: who, where, how, with what outcome, and what the password is worth; never the password.",
    key: ["server_asset_id", "server_port", "scheme", "username", "outcome"],
    bloom: ["server_asset_id", "client_asset_id", "server_ip", "client_ip", "username", "secret_hmac"],
    shown: ["server_ip", "server_port", "scheme", "username", "outcome", "exposure", "strength", "default_entry", "client_ip", "count"],
    ranked: None,
    since 1 {
        window_start: Timestamp = "The full hour of packet time that the count belongs to.";
        window_end: Timestamp = "The end of that hour.";
        client_asset_id: Option<Shared> = "Who logs in.";
        client_ip: Option<String> = "Its address.";
        server_asset_id: Option<Shared> = "Who is logged in to.";
        server_ip: Option<String> = "Its address.";
        server_port: Option<i32> = "Its port.";
        child_key: Option<String> = "Which device behind it.";
        protocol: &'static str = "The protocol that carried the login.";
        scheme: &'static str = "basic, digest_md5, digest_sha256, wsse_text, wsse_digest, url, form, snmp_community and so on.";
        username: Option<String> = "The user name; with `--tokenise-users` a keyed token in its place; null where there is none.";
        realm: Option<String> = "What is logged in to, by the server's own name.";
        outcome: &'static str = "accepted, rejected or unknown.";
        encrypted: bool = "Whether nobody but the two could have read it.";
        exposure: Option<&'static str> = "What those who listen have: cleartext, hash or challenge; null where nothing can be read.";
        strength: &'static str = "empty, default, guessable, weak, fair, strong; unknown where it cannot be said: of what was rejected, or where only a hash is known and nothing that was tried gives it.";
        default_entry: Option<String> = "Whose default the password is; of the device's own maker where that is known.";
        secret_hmac: Option<String> = "HMAC-SHA-256 of the password under the site's key, in hex; null without `--site-key`, and where the password was not found.";
        secret_key_id: Option<String> = "Which key: hashes of different keys never compare.";
        first_seen: Timestamp = "When it was seen first in this hour.";
        last_seen: Timestamp = "When it was seen last.";
        count: i64 = "How often.";
        community_id: Option<String> = "Community ID of its conversation.";
        capture: Option<Shared> = "The capture or interface of the first one.";
        frame: Option<i64> = "The frame there.";
    }
}

table! {
    CERTIFICATES: State of CertificateRow,
    "certificates", "Certificates that devices showed, the whole of each chain; TLS 1.3 hides them (`services.certificate_visible`).",
    key: ["asset_id", "port", "sha256"],
    bloom: ["asset_id", "sha256"],
    shown: ["asset_id", "port", "subject", "issuer", "not_after", "key_algorithm", "key_bits", "self_signed"],
    ranked: None,
    since 1 {
        as_of: Timestamp = "From when on the row holds.";
        revision: i64 = "Counts the certificate's rows of one `as_of`.";
        asset_id: String = "Who showed it.";
        port: Option<i32> = "The port at which it serves; null of a client.";
        source: String = "The protocol that carried it.";
        sha256: String = "SHA-256 of the whole certificate in DER, in hex.";
        subject: String = "Whom it names.";
        issuer: String = "Who signed it.";
        serial: String = "Its number at the issuer, in hex.";
        names: Vec<String> = "DNS names, addresses, mail addresses and URIs that it is for; 64 at most.";
        not_before: Option<Timestamp> = "From when it holds.";
        not_after: Option<Timestamp> = "Until when it holds; null beyond the year 2262: it has no end.";
        key_algorithm: String = "rsa, ec, ed25519 and so on; an object identifier where nobody has named it.";
        key_bits: Option<i32> = "Length of the key in bits; of a curve, its field's.";
        signature_algorithm: String = "How it is signed, as OpenSSL names it.";
        self_signed: bool = "Whether it names itself as its issuer.";
        chain_length: i32 = "How many certificates were sent together.";
        chain_position: i32 = "Its place among them: 0 is the sender's own.";
        first_seen: Timestamp = "When it was shown first.";
        last_seen: Timestamp = "When it was shown last, to the hour if it is shown often.";
        capture: Option<String> = "The capture that shows it first.";
        frame: Option<i64> = "The frame there.";
    }
}

table! {
    FINDINGS: State of FindingRow,
    "findings", "What should be done about it: one thing that is wrong, or worth knowing, and how far it is cured.",
    key: ["finding_id"],
    bloom: ["finding_id", "asset_id", "peer_asset_id", "asset_ip", "peer_ip", "remediation_id"],
    shown: ["finding_id", "severity", "score", "kind", "title", "asset_name", "asset_ip", "status"],
    ranked: Some("-score"),
    since 1 {
        as_of: Timestamp = "From when on the row holds.";
        revision: i64 = "Counts the finding's rows of one `as_of`.";
        finding_id: String = "The finding: a hash of the site, its kind, the asset and what else makes it one.";
        kind: String = "What is found, like credential.default or firmware.vulnerable.";
        severity: String = "critical, high, medium, low or info.";
        score: i32 = "The one order in which everything is ranked, the worst highest.";
        status: String = "open, dispatched, in_progress, change_observed, verified, failed, regressed or closed.";
        disposition: Option<String> = "none, acknowledged, accepted_risk or false_positive.";
        resolution: Option<String> = "Why it is closed: verified, retired, superseded, false_positive or by_person.";
        title: String = "What is found, in a line.";
        summary: Option<String> = "What is found, in a few sentences.";
        asset_id: Option<String> = "The asset that it is about; null when it is about the network.";
        asset_name: Option<String> = "Its name.";
        asset_ip: Option<String> = "Its address.";
        peer_asset_id: Option<String> = "The asset at the other end.";
        peer_name: Option<String> = "Its name.";
        peer_ip: Option<String> = "Its address.";
        zone: Option<String> = "Zone of the asset by the policy.";
        protocol: Option<String> = "The protocol.";
        port: Option<i32> = "The port of the asset.";
        opened: Timestamp = "When it was opened.";
        first_seen: Timestamp = "When what is found was first seen.";
        last_seen: Timestamp = "When what is found was last seen.";
        count: i64 = "How often it was seen.";
        confidence: Option<i32> = "How sure it is, 0 to 100.";
        due: Option<Timestamp> = "By when the policy wants it cured.";
        details: BTreeMap<String, String> = "What else is known, by kind.";
        cves: Vec<String> = "CVEs.";
        advisory_ids: Vec<String> = "Advisories.";
        cvss: Option<f64> = "CVSS base score, the highest of the CVEs.";
        epss: Option<f64> = "EPSS probability, the highest of the CVEs, 0 to 1.";
        kev: Option<bool> = "Whether a CVE is known to be exploited.";
        fixed_version: Option<String> = "The first version that is not affected.";
        controls: Vec<String> = "Clauses that it is evidence for.";
        techniques: Vec<String> = "Techniques of ATT&CK for ICS.";
        remediation: Option<String> = "The action that cures it, like rotate_password or update_firmware.";
        remediation_id: Option<String> = "The action at this asset: all findings that it cures share the id.";
        remediation_parameters: BTreeMap<String, String> = "What a tool needs to act.";
        verification: Option<String> = "What must be seen on the wire as proof of the cure.";
        verifiable: Option<String> = "Whether that can be seen: yes, not_seen_lately or no.";
        ticket: Option<String> = "Ticket of another system.";
        ticket_url: Option<String> = "Where the ticket stands.";
        assigned_to: Option<String> = "Who works on it.";
        accepted_by: Option<String> = "Who accepted the risk.";
        accepted_until: Option<Timestamp> = "Until when the risk is accepted.";
        accepted_reason: Option<String> = "Why the risk is accepted.";
        compensating_measure: Option<String> = "What is done instead.";
        status_changed: Option<Timestamp> = "When the status last changed.";
        status_actor: Option<String> = "Who changed it.";
        evidence: Vec<EvidenceRow> = "The packets that prove it.";
    }
}

nested! {
    EvidenceRow {
        time: Timestamp = "When the packet was seen.";
        capture: Option<String> = "The capture or interface.";
        capture_id: Option<String> = "The capture's id in `captures`.";
        frame: Option<i64> = "The frame, from 1 as Wireshark counts; null when listening.";
        protocol: Option<String> = "The protocol.";
        display_filter: Option<String> = "A filter of Wireshark that selects exactly this frame.";
        community_id: Option<String> = "Community ID of the flow.";
        context: Option<String> = "Path of the VLANs and tunnel ids; null without any.";
        flow: Option<String> = "Addresses, ports and transport of the flow.";
        packet_file: Option<String> = "Where the packets were kept.";
    }
}

table! {
    CAPTURES: Log of CaptureRow,
    "captures", "The captures that were read.",
    key: ["capture_id"],
    bloom: ["capture_id"],
    shown: ["path", "bytes", "packets", "first_packet", "last_packet", "link_types", "snaplen", "damage"],
    ranked: None,
    since 1 {
        capture_id: String = "The capture, by its content.";
        path: String = "Its path, relative to the argument that was given; as it was typed where two would be alike.";
        sha256: Option<String> = "Hash of the file; null when it was not asked for.";
        bytes: i64 = "Size of the file.";
        link_types: Vec<String> = "Link types of its interfaces.";
        snaplen: Option<i64> = "Bytes at which frames were cut; null without a limit.";
        first_packet: Option<Timestamp> = "When the earliest packet was seen.";
        last_packet: Option<Timestamp> = "When the latest packet was seen.";
        packets: i64 = "Packets in the file.";
        cut_by_snaplen: i64 = "Packets that the capture cut.";
        damage: Option<String> = "What is damaged; null when nothing is.";
        damage_offset: Option<i64> = "Where in the file the damage begins; of a packed one, in what it holds, unless the packing is damaged.";
    }
}

table! {
    COVERAGE: Delta of CoverageRow,
    "coverage", "What could be seen and what could not, without which no absence proves anything.",
    key: ["window_start", "context", "subnet"],
    bloom: [],
    shown: [
        "window_start", "context", "subnet", "hosts", "packets", "flows_two_way", "flows_one_way", "lost_bytes", "state",
    ],
    ranked: None,
    since 1 {
        window_start: Timestamp = "Start of the window that is counted.";
        window_end: Timestamp = "End of the window; it lies outside.";
        capture: Option<String> = "The capture or interface.";
        context: Option<String> = "Path of the VLANs and tunnel ids; null without any.";
        subnet: Option<String> = "The network, as address and prefix length; null for what is not IP.";
        packets: i64 = "Packets.";
        bytes: i64 = "Bytes, frames as they were on the wire.";
        hosts: i64 = "Hosts that sent something.";
        flows: i64 = "Flows.";
        flows_two_way: i64 = "Flows that were seen both ways.";
        flows_one_way: i64 = "Flows that were seen one way only.";
        lost_bytes: i64 = "Bytes that the capture lost within flows.";
        dropped: Option<i64> = "Packets that the capture says it dropped; null when it says nothing.";
        cut_by_snaplen: Option<i64> = "Packets that the capture cut; null while they are not counted by subnet (`captures` has them).";
        unknown_protocol_bytes: i64 = "Bytes of flows whose protocol was not recognised.";
        encrypted_bytes: Option<i64> = "Bytes of encrypted flows; null while they are not counted.";
        state: String = "two_way, one_way, lossy or blind.";
    }
}

table! {
    HEALTH: Delta of HealthRow,
    "health", "What the sensor counted of itself.",
    key: ["window_start"],
    bloom: [],
    shown: [
        "window_start", "packets", "used", "filtered", "duplicates", "damaged", "unread", "lost_bytes", "assets",
    ],
    ranked: None,
    since 1 {
        window_start: Timestamp = "Start of the window that is counted.";
        window_end: Timestamp = "End of the window; it lies outside.";
        packets: i64 = "Packets that arrived.";
        bytes: i64 = "Bytes that arrived.";
        used: i64 = "Packets that were looked into.";
        filtered: Option<i64> = "Packets that the filter left out; null without a filter.";
        duplicates: Option<i64> = "Packets that were seen before and left out; null while duplicates are not looked for.";
        damaged: i64 = "Packets whose headers are cut or contradict themselves.";
        dropped_kernel: Option<i64> = "Packets that the kernel dropped; of captures, what they say that ended in the window; null where nobody says.";
        dropped_interface: Option<i64> = "Packets that the interface dropped; of captures, what they say that ended in the window; null where nobody says.";
        dropped_queue: Option<i64> = "Packets that a full queue dropped; null when reading.";
        parse_errors: BTreeMap<String, i64> = "Messages that broke their protocol's rules, by protocol.";
        lost_bytes: i64 = "Bytes that the capture lost within flows.";
        flows_active: i64 = "Flows in memory at the end of the window.";
        flows_evicted: i64 = "Flows that were given up for want of memory.";
        evicted: BTreeMap<String, i64> = "What else was given up for want of memory, or is counted together with others (`hours`, `frame_types`), by what it was.";
        assets: i64 = "Assets known at the end of the window.";
        memory_bytes: Option<i64> = "Memory in use at the end of the window; null when reading.";
        latencies: Vec<LatencyRow> = "How long the stages took; empty when reading.";
        unread: i64 = "Packets that nothing here reads, see `unread_by`. packets = used + filtered + duplicates + damaged + unread, the nulls aside.";
    }
    since 2 {
        used_bytes: i64 = "Bytes of the packets that were looked into.";
        filtered_bytes: Option<i64> = "Bytes of the packets that the filter left out; null without a filter.";
        duplicate_bytes: Option<i64> = "Bytes of the packets that were seen before; null while duplicates are not looked for.";
        damaged_bytes: i64 = "Bytes of the damaged packets.";
        unread_bytes: i64 = "Bytes of the unread packets. bytes = used_bytes + filtered_bytes + duplicate_bytes + damaged_bytes + unread_bytes, the nulls aside.";
        unread_by: BTreeMap<String, i64> = "Unread packets by what they are: link:NAME (link:others beyond 256 of them), ethertype:NUMBER, llc:NUMBER, mstp:TYPE, arcnet:CODE, or fragment for a piece whose packet is not whole.";
    }
}

nested! {
    LatencyRow {
        stage: String = "The stage.";
        p50_ns: i64 = "Half were not slower, in nanoseconds.";
        p99_ns: i64 = "99 of 100 were not slower, in nanoseconds.";
        p999_ns: i64 = "999 of 1,000 were not slower, in nanoseconds.";
        max_ns: i64 = "The slowest, in nanoseconds.";
    }
}
