//! Events: what changed, as `CloudEvents` 1.0 in structured JSON (cloudevents.io, "JSON Event Format", sections 3 and 4),
//! made from the rows that every sink gets.
//!
//! An event's id follows from what it says: the same capture, read twice by who remembers nothing, gives the same ids. The
//! attribute `sequence` (the extension of that name) counts the events of one `source`; texts of 20 digits sort as numbers
//! do. `data` has the same five members in every event, null where one does not apply; a snapshot has one more.

mod moments;
mod remedy;
mod sample;
mod teller;

pub use moments::Moments;
pub use sample::{sample, samples};
pub use teller::{Memory, Nothing, Teller, Told};

use dissectors::Timestamp;
use fingerprints::asset::id;
use fingerprints::finding::Severity;
use fingerprints::record::Provenance;
use serde_json::{Map, Value, json};

use crate::cell::rfc3339;
use crate::schema::VERSION;

/// What every type begins with.
pub const PREFIX: &str = "eu.otoscope.";

/// All types, without what they begin with, and what each tells.
pub const TYPES: [(&str, &str); 19] = [
    ("finding.opened", "something should be done about an asset"),
    ("finding.updated", "what is known of a finding has changed"),
    ("finding.dispatched", "a remediation tool took the finding"),
    ("finding.progress", "a remediation tool says that it works on the finding"),
    ("finding.change_observed", "the wire shows a change that may be the cure"),
    ("finding.verified", "the wire shows the cure"),
    ("finding.failed", "the cure is said to be done, and the wire shows that it is not"),
    ("finding.regressed", "what was cured is back"),
    ("finding.reopened", "what was closed is open again"),
    ("finding.accepted", "somebody accepts the risk"),
    ("finding.closed", "nothing more is to be done"),
    ("asset.discovered", "an asset was seen for the first time"),
    ("asset.changed", "an asset is another one than it was: firmware, model, addresses, role"),
    ("asset.joined", "two assets proved to be one; `aliases` holds the old ids"),
    ("asset.retired", "an asset is no more"),
    ("inventory.snapshot", "all that was known before the first change that is told"),
    ("coverage.lost", "a subnet is seen badly or not at all"),
    ("sensor.health", "what the sensor counted of itself"),
    ("webhook.test", "somebody tries whether events arrive"),
];

/// One event, before it has its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same for the same event, however often it is made or sent.
    pub id: String,
    /// The type without [`PREFIX`].
    pub name: &'static str,
    /// The sensor that tells.
    pub source: String,
    /// What it is about: a finding's id, an asset's, a site.
    pub subject: String,
    /// When that was, by the packets.
    pub time: Timestamp,
    /// What is told.
    pub data: Value,
    /// What receivers choose by.
    pub traits: Traits,
}

/// What receivers choose by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// The kind of a finding.
    pub kind: Option<String>,
    /// How severe it is.
    pub severity: Option<Severity>,
    /// The zone of the asset.
    pub zone: Option<String>,
    /// What the asset is.
    pub role: Option<String>,
}

impl Event {
    /// An event whose id follows from its type, its subject, how many there were of the subject before, and what it says.
    pub(crate) fn new(source: &str, name: &'static str, subject: &str, before: u64, said: &str) -> Self {
        Self {
            id: id('e', [source, name, subject, &before.to_string(), said]),
            name,
            source: source.to_owned(),
            subject: subject.to_owned(),
            time: Timestamp::default(),
            data: Data::default().into(),
            traits: Traits::default(),
        }
    }

    /// The event with its number, as it is sent.
    pub fn numbered(&self, sequence: u64) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": format!("{PREFIX}{}", self.name),
            "subject": self.subject,
            "time": rfc3339(self.time),
            "datacontenttype": "application/json",
            "dataschema": schema_uri(),
            "sequence": format!("{sequence:020}"),
            "data": self.data,
        })
    }
}

/// The members of `data`.
#[derive(Default)]
pub(crate) struct Data {
    pub(crate) finding: Value,
    pub(crate) asset: Value,
    pub(crate) previous: Value,
    pub(crate) remediation: Value,
}

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        let Data { finding, asset, previous, remediation } = data;
        // No chain of hashes is kept of events yet.
        json!({"finding": finding, "asset": asset, "previous": previous, "remediation": remediation, "chain": null})
    }
}

/// Who tells, as a URI.
pub fn source(provenance: &Provenance) -> String {
    let [site, sensor] = [&provenance.site, &provenance.sensor].map(|name| percent(name));
    format!("otoscope://{site}/{sensor}")
}

fn percent(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Which shape `data` has (`otoscope webhook schema` prints it). A name, and no address: nothing has to be fetched.
pub fn schema_uri() -> String {
    format!("tag:otoscope.eu,2026:event:{VERSION}")
}

/// A JSON Schema (2020-12) of an event. Rows are those of [`crate::schema::json`].
pub fn schema() -> Value {
    let rows = crate::schema::json();
    let row = |table: &str| {
        let mut row = rows["$defs"][table].clone();
        if let Some(properties) = row["properties"].as_object_mut() {
            properties.remove("table");
        }
        if let Some(required) = row["required"].as_array_mut() {
            required.retain(|name| name != "table");
        }
        json!({"anyOf": [row, {"type": "null"}]})
    };
    let text = || json!({"type": "string", "minLength": 1});
    let types: Vec<String> = TYPES.iter().map(|(name, _)| format!("{PREFIX}{name}")).collect();
    let mut data = Map::new();
    data.insert("finding".into(), row("findings"));
    data.insert("asset".into(), row("assets"));
    data.insert(
        "previous".into(),
        json!({"type": ["object", "null"], "description": "The old values of what changed."}),
    );
    data.insert("remediation".into(), remedy::schema());
    data.insert("chain".into(), json!({"type": ["object", "null"]}));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_uri(),
        "title": "An event of otoscope",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": text(),
            "source": text(),
            "type": {"type": "string", "examples": types, "pattern": "^eu\\.otoscope\\."},
            "subject": text(),
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "dataschema": text(),
            "sequence": {"type": "string", "pattern": "^[0-9]{20}$"},
            "data": {"type": "object", "properties": data, "required": ["finding", "asset", "previous", "remediation", "chain"]},
        },
        "required": [
            "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "sequence", "data"
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_uri_whatever_the_site_is_called() {
        let provenance = Provenance { site: "Werk 1/Süd".into(), sensor: "otoscope".into(), run_id: String::new() };
        assert_eq!(source(&provenance), "otoscope://Werk%201%2FS%C3%BCd/otoscope");
    }

    #[test]
    fn numbers_sort_as_text() {
        let event = Event::new("s", "finding.opened", "f-1", 0, "");
        let [nine, ten] = [9, 10].map(|number| event.numbered(number)["sequence"].clone());
        assert!(nine.as_str() < ten.as_str(), "{nine} {ten}");
        assert_eq!(event.numbered(9)["type"], "eu.otoscope.finding.opened");
    }

    #[test]
    fn an_id_tells_apart_what_differs_and_nothing_else() {
        let base = Event::new("s", "finding.opened", "f-1", 0, "x");
        assert_eq!(base.id, Event::new("s", "finding.opened", "f-1", 0, "x").id);
        let others = [
            Event::new("t", "finding.opened", "f-1", 0, "x"),
            Event::new("s", "finding.closed", "f-1", 0, "x"),
            Event::new("s", "finding.opened", "f-2", 0, "x"),
            Event::new("s", "finding.opened", "f-1", 1, "x"),
            Event::new("s", "finding.opened", "f-1", 0, "y"),
        ];
        assert!(others.iter().all(|other| other.id != base.id));
    }
}
