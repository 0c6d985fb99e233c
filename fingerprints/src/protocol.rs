//! What the inventory has to know of protocols, as data: `data/protocols.toml`.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Whether the packets of a protocol are owed no answer: one side of it is all of it.
pub fn goes_one_way(protocol: &str) -> bool {
    Protocols::builtin().of(protocol).one_way
}

/// Facts about one protocol; what is not written does not hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Facts {
    /// A host that serves it belongs to the plant, and wants a name.
    pub(crate) industrial: bool,
    /// What guards it.
    authentication: Authentication,
    /// Child keys that mean the host itself.
    itself: Vec<String>,
    /// Operations that ask a device what it is.
    identify: Vec<String>,
    /// Its packets are owed no answer: pictures and sound go one way.
    pub(crate) one_way: bool,
    /// Operations by which a client proves who it is, where devices ask for that.
    proves: Vec<String>,
    /// Identity keys that only one device of a network may bear.
    unique_identity: Option<Unique>,
    /// Addresses of children that only one of those may bear whom one client asks.
    pub(crate) unique_child: Option<Unique>,
    /// Operations that servers send unasked, and more of them the more goes on.
    unsolicited: Vec<String>,
    /// What would name a server of it.
    pub(crate) server: Option<String>,
    /// What would name a client of it.
    pub(crate) client: Option<String>,
}

/// What only one device may bear.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unique {
    /// Which identity keys, by what stands before their colon.
    #[serde(default)]
    kind: String,
    /// What people call it.
    pub(crate) name: String,
    /// What comes of it where two bear it, as a sentence.
    pub(crate) meaning: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Authentication {
    /// Whoever reaches the device commands it.
    None,
    #[default]
    Unknown,
}

impl Facts {
    /// Whether whoever reaches the device commands it.
    pub(crate) fn is_open(&self) -> bool {
        self.authentication == Authentication::None
    }

    /// Whether this operation asks a device what it is.
    pub(crate) fn identifies(&self, operation: &str) -> bool {
        self.identify.iter().any(|known| known == operation)
    }

    /// Whether a server sends this unasked.
    pub(crate) fn is_unsolicited(&self, operation: &str) -> bool {
        self.unsolicited.iter().any(|known| known == operation)
    }

    /// Whether a client proves by this operation who it is.
    pub(crate) fn proves(&self, operation: &str) -> bool {
        self.proves.iter().any(|known| known == operation)
    }

    /// Whether this child key means the host itself.
    pub(crate) fn is_itself(&self, key: &str) -> bool {
        self.itself.iter().any(|own| own == key)
    }
}

/// The facts about every protocol of which something has to be known.
#[derive(Debug)]
pub(crate) struct Protocols {
    facts: BTreeMap<String, Facts>,
    unknown: Facts,
}

impl Protocols {
    /// Those that are compiled in.
    pub(crate) fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Protocols> = LazyLock::new(|| {
            let facts = toml::from_str(include_str!("../data/protocols.toml"));
            Protocols { facts: facts.expect("a test reads the same file"), unknown: Facts::default() }
        });
        &BUILTIN
    }

    /// What is known of a protocol.
    pub(crate) fn of(&self, protocol: &str) -> &Facts {
        self.facts.get(protocol).unwrap_or(&self.unknown)
    }

    /// What an identity key names, if only one device of a network may bear it.
    pub(crate) fn unique_identity(&self, key: &str) -> Option<&Unique> {
        let (kind, _) = key.split_once(':')?;
        let mut unique = self.facts.values().filter_map(|facts| facts.unique_identity.as_ref());
        unique.find(|unique| unique.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_has_its_protocol() {
        let protocols = Protocols::builtin();
        for name in protocols.facts.keys() {
            assert!(dissectors::protocols::is_told(name), "{name} is no protocol");
        }
        for facts in protocols.facts.values().filter(|facts| facts.industrial) {
            assert!(facts.server.is_some() && facts.client.is_some());
        }
    }

    #[test]
    fn what_is_not_written_does_not_hold() {
        let protocols = Protocols::builtin();
        let unheard = protocols.of("unheard");
        assert!(!unheard.is_open() && !unheard.industrial && !unheard.one_way && !unheard.is_itself("0"));
    }

    #[test]
    fn identity_keys_of_which_there_may_be_one_have_a_name() {
        let protocols = Protocols::builtin();
        let name = |key| protocols.unique_identity(key).map(|unique| unique.name.as_str());
        assert_eq!(name("bacnet:2001/7"), Some("BACnet device instance"));
        assert_eq!(name("uuid:7"), None, "a device with two addresses has it at both");
    }
}
