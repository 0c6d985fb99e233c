//! What an asset is called, and why: attributes, claims, and how they settle.
//!
//! A new claim of the same subject, attribute and field replaces its predecessor, which stays as history. Among fields
//! confidence, then the latest time, then the rule's id decide. The losers are kept and shown.

use crate::rules::RuleId;
use compact_str::CompactString;
use dissectors::Timestamp;
use dissectors::observation::Evidence;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;

/// A property of an asset that rules may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// What people call the device.
    Name,
    /// Its name in the network.
    Hostname,
    /// Who makes it.
    Vendor,
    /// Which product it is.
    Model,
    /// By which number it is ordered.
    OrderCode,
    /// The version of what runs on it.
    Firmware,
    /// The version of its hardware.
    Hardware,
    /// Its serial number.
    Serial,
    /// Its operating system.
    Os,
    /// Who was assigned its MAC address.
    MacVendor,
    /// What it does in the plant.
    Role,
    /// Where it says it stands.
    Location,
    /// A key by which the same device is known again, `bacnet:0/1234`.
    Identity,
    /// The program that serves one of its ports.
    ServerApplication,
    /// The program with which it uses others.
    ClientApplication,
    /// The user's own program that it runs: its name, version and time of build, as far as it tells them.
    Program,
    /// The state of its configuration, as far as it numbers them.
    Configuration,
    /// What somebody noted of it.
    Description,
    /// Whether it runs, and why and when it started last, by its own word.
    Status,
    /// What it holds: its points, by their kinds.
    Points,
    /// One of its own network ports, by its own word.
    Interface,
    /// Which edition of a protocol it follows.
    Edition,
    /// Its place among networks of a protocol's own, in that protocol's numbers: which it leads to, whom it serves there.
    Network,
}

impl Attribute {
    /// Every attribute, by the name that rules and the `claims` table write.
    pub const ALL: &[(Self, &'static str)] = &[
        (Self::Name, "name"),
        (Self::Hostname, "hostname"),
        (Self::Vendor, "vendor"),
        (Self::Model, "model"),
        (Self::OrderCode, "order_code"),
        (Self::Firmware, "firmware"),
        (Self::Hardware, "hardware"),
        (Self::Serial, "serial"),
        (Self::Os, "os"),
        (Self::MacVendor, "mac_vendor"),
        (Self::Role, "role"),
        (Self::Location, "location"),
        (Self::Identity, "identity"),
        (Self::ServerApplication, "server_application"),
        (Self::ClientApplication, "client_application"),
        (Self::Program, "program"),
        (Self::Network, "network"),
        (Self::Configuration, "configuration"),
        (Self::Description, "description"),
        (Self::Status, "status"),
        (Self::Points, "points"),
        (Self::Interface, "interface"),
        (Self::Edition, "edition"),
    ];

    /// As the tables write it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(attribute, _)| *attribute == self).map_or("", |(_, name)| name)
    }

    /// The attribute of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(attribute, _)| *attribute)
    }
}

/// What a rule made of an observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which property.
    pub attribute: Attribute,
    /// What it is said to be.
    pub value: CompactString,
    /// By which field: the rule's first, in the order of the alphabet.
    pub field: &'static str,
    /// By which rule.
    pub rule: RuleId,
    /// How sure the rule is, in percent.
    pub confidence: u8,
}

/// One value that one field gives for an attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// What was told, by the surest of the rules that said so.
    pub told: Told,
    /// When it was said first.
    pub first_seen: Timestamp,
    /// When it was said last.
    pub last_seen: Timestamp,
    /// How often.
    pub count: u64,
    /// Where it was said first.
    pub evidence: Evidence,
    /// Whether it still stands: no later value of the same attribute and field has replaced it.
    pub stands: bool,
}

impl Claim {
    /// A claim told once.
    pub fn new(told: Told, evidence: Evidence) -> Self {
        Self { told, first_seen: evidence.time, last_seen: evidence.time, count: 1, evidence, stands: true }
    }

    /// The order in which standing claims win.
    fn rank(&self) -> (bool, u8, Timestamp, Reverse<RuleId>) {
        (self.stands, self.told.confidence, self.last_seen, Reverse(self.told.rule))
    }
}

/// Which of some claims of one attribute wins: its place, or `None` when none stands.
pub fn winner<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> Option<usize> {
    let ranked = claims.into_iter().enumerate().filter(|(_, claim)| claim.stands);
    ranked.max_by_key(|(index, claim)| (claim.rank(), Reverse(*index))).map(|(index, _)| index)
}

/// The claims about one subject, the latest and those before them.
#[derive(Clone, Debug, Default)]
pub struct Claims(Vec<Claim>);

impl Claims {
    /// How many claims a subject may have; history goes first.
    pub const CAP: usize = 64;

    /// All of them, in the order in which they were first told.
    pub fn iter(&self) -> impl Iterator<Item = &Claim> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in what the rules made of one observation; says how many claims had to be forgotten or refused.
    pub fn tell(&mut self, all: Vec<Told>, evidence: Evidence) -> u64 {
        for claim in &mut self.0 {
            let replaced = |told: &Told| (told.attribute, told.field) == (claim.told.attribute, claim.told.field);
            claim.stands &= !all.iter().any(replaced);
        }
        all.into_iter().map(|told| u64::from(!self.tell_one(told, evidence))).sum()
    }

    fn tell_one(&mut self, told: Told, evidence: Evidence) -> bool {
        let same = |claim: &&mut Claim| {
            let known = &claim.told;
            (known.attribute, known.field, &known.value) == (told.attribute, told.field, &told.value)
        };
        if let Some(claim) = self.0.iter_mut().find(same) {
            claim.count += u64::from(claim.last_seen != evidence.time || !claim.stands);
            claim.last_seen = claim.last_seen.max(evidence.time);
            if evidence.time < claim.first_seen {
                (claim.first_seen, claim.evidence) = (evidence.time, evidence);
            }
            let surer = |told: &Told| (told.confidence, Reverse(told.rule));
            if !claim.stands || surer(&told) > surer(&claim.told) {
                claim.told = told;
            }
            claim.stands = true;
            return true;
        }
        let whole = self.0.len() < Self::CAP;
        if whole || self.forget_oldest() {
            self.0.push(Claim::new(told, evidence));
        }
        whole
    }

    /// Makes room at the cost of history; claims that stand are never given up.
    fn forget_oldest(&mut self) -> bool {
        let history = self.0.iter().enumerate().filter(|(_, claim)| !claim.stands);
        let oldest = history.min_by_key(|(_, claim)| claim.last_seen).map(|(index, _)| index);
        oldest.map(|index| self.0.remove(index)).is_some()
    }

    /// What a field had told was told again.
    pub fn again(&mut self, field: &str, count: u64, at: Timestamp) {
        for claim in self.0.iter_mut().filter(|claim| claim.stands && claim.told.field == field) {
            claim.count = claim.count.saturating_add(count);
            claim.last_seen = claim.last_seen.max(at);
        }
    }

    /// A rule's conditions no longer hold together: what it claimed is history.
    pub fn retract(&mut self, rule: RuleId) {
        for claim in self.0.iter_mut().filter(|claim| claim.told.rule == rule) {
            claim.stands = false;
        }
    }
}

const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// A deterministic id: a letter, a dash, and SHA-256 of the parts, cut to 128 bits, in lower-case hex.
/// Each part is followed by a byte that no part holds, so that no two lists of parts run into each other.
pub fn id<'a>(letter: char, parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = String::with_capacity(34);
    id.extend([letter, '-']);
    for byte in &digest[..16] {
        id.push(DIGITS[usize::from(byte >> 4)]);
        id.push(DIGITS[usize::from(byte & 0xF)]);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissectors::observation::{Address, FlowId, Mac, Transport};

    fn told(attribute: Attribute, value: &str, field: &'static str, confidence: u8) -> Told {
        Told { attribute, value: value.into(), field, rule: RuleId(u32::from(confidence)), confidence }
    }

    fn at(second: i64) -> Evidence {
        let nobody = Address::Mac(Mac([0; 6]));
        let flow = FlowId {
            transport: Transport::Tcp,
            source: nobody,
            source_port: 0,
            destination: nobody,
            destination_port: 0,
        };
        let time = Timestamp::from_micros(second * 1_000_000);
        Evidence { capture: 0, frame: None, time, protocol: "test", flow }
    }

    fn chosen(claims: &Claims, attribute: Attribute) -> Option<&str> {
        let of: Vec<&Claim> = claims.iter().filter(|claim| claim.told.attribute == attribute).collect();
        winner(of.iter().copied()).map(|index| of[index].told.value.as_str())
    }

    #[test]
    fn a_new_value_of_a_field_replaces_the_old_one_which_stays_as_history() {
        let mut claims = Claims::default();
        claims.tell(vec![told(Attribute::Firmware, "1.0", "a.x", 90)], at(1));
        claims.tell(vec![told(Attribute::Firmware, "1.1", "a.x", 90)], at(2));
        assert_eq!(chosen(&claims, Attribute::Firmware), Some("1.1"));
        assert_eq!(claims.iter().count(), 2, "the old one is kept");
        claims.tell(vec![told(Attribute::Firmware, "1.0", "a.x", 90)], at(3));
        assert_eq!(chosen(&claims, Attribute::Firmware), Some("1.0"), "and may come back");
        assert_eq!(claims.iter().count(), 2);
    }

    #[test]
    fn among_fields_confidence_then_time_then_the_rule_decide() {
        let mut claims = Claims::default();
        claims.tell(vec![told(Attribute::Vendor, "sure", "a.x", 90)], at(1));
        claims.tell(vec![told(Attribute::Vendor, "late", "b.x", 60)], at(9));
        assert_eq!(chosen(&claims, Attribute::Vendor), Some("sure"));
        claims.tell(vec![told(Attribute::Vendor, "later", "c.x", 90)], at(5));
        assert_eq!(chosen(&claims, Attribute::Vendor), Some("later"));
        let mut tied = told(Attribute::Vendor, "first rule", "d.x", 90);
        tied.rule = RuleId(0);
        claims.tell(vec![tied], at(5));
        assert_eq!(chosen(&claims, Attribute::Vendor), Some("first rule"));
    }

    #[test]
    fn rules_that_agree_are_one_claim_of_the_surest() {
        let mut claims = Claims::default();
        let both = vec![told(Attribute::Vendor, "WAGO", "a.x", 60), told(Attribute::Vendor, "WAGO", "a.x", 95)];
        claims.tell(both, at(1));
        let all: Vec<&Claim> = claims.iter().collect();
        assert_eq!((all.len(), all[0].told.confidence, all[0].count), (1, 95, 1));
        claims.again("a.x", 5, at(7).time);
        assert_eq!(claims.iter().map(|claim| (claim.count, claim.last_seen)).next(), Some((6, at(7).time)));
    }

    #[test]
    fn claims_are_bounded_and_those_that_stand_do_not_yield() {
        let mut claims = Claims::default();
        claims.tell(vec![told(Attribute::Serial, "4711", "b.x", 90)], at(0));
        let forgotten: u64 = (0..200)
            .map(|round| claims.tell(vec![told(Attribute::Model, &format!("M{round}"), "a.x", 90)], at(round)))
            .sum();
        assert_eq!((claims.iter().count(), forgotten), (Claims::CAP, 201 - Claims::CAP as u64));
        assert_eq!(chosen(&claims, Attribute::Serial), Some("4711"));
        assert_eq!(chosen(&claims, Attribute::Model), Some("M199"));
    }

    #[test]
    fn ids_are_128_bits_of_sha_256_and_parts_do_not_run_together() {
        assert_eq!(id('a', ["site", "x"]), id('a', ["site", "x"]));
        assert_ne!(id('a', ["si", "tex"]), id('a', ["site", "x"]));
        assert_eq!(id('a', ["abc"]).len(), 34);
        assert!(id('f', ["abc"]).starts_with("f-"));
    }
}
