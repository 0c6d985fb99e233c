//! One rule: what must be seen, and what follows.
//!
//! ```toml
//! [[rule]]
//! id         = "modbus-vendor"
//! when       = { "modbus.vendor_name" = '^(.+)$' }   # all conditions hold, in one scope
//! then       = { vendor = "$1" }                     # $1: what the pattern caught; $name: a named catch
//! confidence = 90                                    # percent; strong only when the device names itself
//! source     = "Modbus application protocol 1.1b3, 6.21"
//! examples   = [{ "modbus.vendor_name" = "WAGO", vendor = "WAGO" }]
//! ```
//!
//! `scope` says where all conditions must hold: `message`, `service` (a port of the host, unless said otherwise) or
//! `asset`. `table[$1]` stands for what a table of `data/tables/` holds beside `$1`, and claims nothing when it holds
//! nothing. `$network` is the network of a child that is a station of one, else 0. With several conditions the catches
//! are named. A vendor is spelled as `data/tables/vendor_spellings.tsv` says, where it says something.

use crate::asset::Attribute;
use crate::table::{self, Packed};
use compact_str::CompactString;
use dissectors::observation::Child;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::OnceLock;

/// A text of the compiled-in rules, or of a file that was read.
pub(crate) type Text = Cow<'static, str>;

/// Where all conditions of a rule must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In one message.
    Message,
    /// On one port of the host.
    #[default]
    Service,
    /// Anywhere on the asset.
    Asset,
}

impl Scope {
    /// As rules write it; nothing means a service.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "message" => Some(Self::Message),
            "" | "service" => Some(Self::Service),
            "asset" => Some(Self::Asset),
            _ => None,
        }
    }
}

/// One condition: a field, and the pattern that its value matches.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) field: &'static str,
    pub(crate) pattern: Text,
    compiled: OnceLock<Option<Regex>>,
}

impl Condition {
    pub(crate) fn new(field: &'static str, pattern: Text) -> Self {
        Self { field, pattern, compiled: OnceLock::new() }
    }

    /// Compiled when it is first needed: most rules never are in one run.
    pub(crate) fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.pattern).ok()).as_ref()
    }

    pub(crate) fn captures<'t>(&self, value: &'t str) -> Option<Captures<'t>> {
        self.regex()?.captures(value)
    }
}

/// A rule, checked.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Text,
    pub(crate) confidence: u8,
    pub(crate) scope: Scope,
    pub(crate) when: Vec<Condition>,
    pub(crate) then: Vec<(Attribute, Template)>,
}

impl Rule {
    /// The field under which the rule's claims stand: the first in the order of the alphabet.
    pub(crate) fn field(&self) -> &'static str {
        self.when.iter().map(|condition| condition.field).min().unwrap_or_default()
    }

    /// What the rule claims of these values, one per condition; `None` when one does not match.
    pub(crate) fn claims(&self, values: &[&str], child: Option<&Child>) -> Option<Vec<(Attribute, CompactString)>> {
        let caught = self.when.iter().zip(values).map(|(condition, value)| condition.captures(value));
        let caught: Vec<Captures<'_>> = caught.collect::<Option<_>>()?;
        let filled = self.then.iter().filter_map(|(attribute, template)| {
            let value = template.fill(&caught, child)?;
            Some((*attribute, spelled(*attribute, value)))
        });
        Some(filled.collect())
    }
}

/// A vendor's accepted spelling, where there is one; any other value as it is.
pub(crate) fn spelled(attribute: Attribute, value: CompactString) -> CompactString {
    let accepted = (attribute == Attribute::Vendor).then(|| table::words("vendor_spellings", &value.to_lowercase()));
    accepted.flatten().map_or(value, CompactString::const_new)
}

/// What a rule says of an attribute: text, catches, and perhaps a table to ask with them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template {
    table: Option<String>,
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Catch(String),
}

/// The name that stands for a station's network.
const NETWORK: &str = "network";

impl Template {
    /// Reads `Siemens`, `$1`, `bacnet:$network/$1`, `oui[$1]`; `$$` is a dollar.
    pub(crate) fn read(text: &str) -> Self {
        let table = text.strip_suffix(']').and_then(|front| front.split_once('['));
        match table.filter(|(name, _)| is_name(name)) {
            Some((name, inner)) => Self { table: Some(name.to_owned()), pieces: pieces(inner) },
            None => Self { table: None, pieces: pieces(text) },
        }
    }

    /// The catches it names.
    pub(crate) fn catches(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Catch(name) if name != NETWORK => Some(name.as_str()),
            _ => None,
        })
    }

    /// The table it asks.
    pub(crate) fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// The text, when it holds nothing that has to be caught.
    pub(crate) fn literal(&self) -> Option<String> {
        let texts = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Catch(_) => None,
        });
        self.table.is_none().then(|| texts.collect()).flatten()
    }

    /// The value; nothing when it is empty or its table has no such row.
    fn fill(&self, caught: &[Captures<'_>], child: Option<&Child>) -> Option<CompactString> {
        let mut value = CompactString::default();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => value.push_str(text),
                Piece::Catch(name) if name == NETWORK => value.push_str(&network(child)),
                Piece::Catch(name) => value.push_str(catch(caught, name)),
            }
        }
        let value = value.trim();
        let value = match &self.table {
            Some(table) => Packed::named(table)?.look_up(value)?,
            None => value,
        };
        (!value.is_empty()).then(|| value.into())
    }
}

fn network(child: Option<&Child>) -> String {
    match child {
        Some(Child::Station { network, .. }) => network.to_string(),
        _ => "0".to_owned(),
    }
}

fn catch<'t>(caught: &[Captures<'t>], name: &str) -> &'t str {
    let number: Option<usize> = name.parse().ok();
    let found = caught.iter().find_map(|captures| match number {
        Some(number) => captures.get(number),
        None => captures.name(name),
    });
    found.map_or("", |found| found.as_str())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((front, after)) = rest.split_once('$') {
        push_text(&mut pieces, front);
        if let Some(after) = after.strip_prefix('$') {
            push_text(&mut pieces, "$");
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, after) = braced.unwrap_or_else(|| after.split_at(name_length(after)));
        pieces.push(Piece::Catch(name.to_owned()));
        rest = after;
    }
    push_text(&mut pieces, rest);
    pieces
}

/// A number ends with its digits, a name with its letters, so that `$1st` is `$1` and `st`.
fn name_length(text: &str) -> usize {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let letters = text.bytes().take_while(|byte| *byte == b'_' || byte.is_ascii_alphanumeric()).count();
    if digits > 0 { digits } else { letters }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrayvec::ArrayVec;

    fn rule(when: &[(&'static str, &'static str)], then: &[(Attribute, &'static str)]) -> Rule {
        Rule {
            id: "test".into(),
            confidence: 90,
            scope: Scope::Service,
            when: when.iter().map(|(field, pattern)| Condition::new(field, (*pattern).into())).collect(),
            then: then.iter().map(|(attribute, text)| (*attribute, Template::read(text))).collect(),
        }
    }

    fn value(rule: &Rule, values: &[&str]) -> Option<String> {
        rule.claims(values, None)?.first().map(|(_, value)| value.to_string())
    }

    #[test]
    fn catches_by_number_and_by_name() {
        let one = rule(&[("a.x", r"^6ES7 (\d+)-.* V(\d+)")], &[(Attribute::Model, "S7 $1st ($$$2)")]);
        assert_eq!(value(&one, &["6ES7 214-1AG40 V4"]).as_deref(), Some("S7 214st ($4)"));
        assert_eq!(value(&one, &["6ES5"]), None);
        let two =
            rule(&[("a.x", "^(?<maker>.+)$"), ("b.x", "^PM(?<type>.+)$")], &[(Attribute::Model, "${maker} $type")]);
        assert_eq!(value(&two, &["ACME", "PM710"]).as_deref(), Some("ACME 710"));
    }

    #[test]
    fn tables_name_what_they_know_and_nothing_else() {
        let by_id = rule(&[("a.x", "^(.+)$")], &[(Attribute::Vendor, "bacnet_vendors[$1]")]);
        assert_eq!(value(&by_id, &["10"]).as_deref(), Some("Schneider Electric"));
        assert_eq!(value(&by_id, &["99999"]), None);
    }

    #[test]
    fn vendors_are_spelled_as_accepted_and_others_stand_as_they_came() {
        let vendor = rule(&[("a.x", "^(.+)$")], &[(Attribute::Vendor, "$1")]);
        assert_eq!(value(&vendor, &["WAGO KONTAKTTECHNIK GMBH & CO. KG"]).as_deref(), Some("WAGO"));
        assert_eq!(value(&vendor, &["Delta of Nowhere"]).as_deref(), Some("Delta of Nowhere"), "exact names only");
    }

    #[test]
    fn a_station_s_network_is_part_of_its_identity() {
        let identity = rule(&[("a.x", r"^(\d+)$")], &[(Attribute::Identity, "bacnet:$network/$1")]);
        assert_eq!(value(&identity, &["1234"]).as_deref(), Some("bacnet:0/1234"));
        let station = Child::Station { network: 8601, address: ArrayVec::from_iter([63]) };
        let claimed = identity.claims(&["1234"], Some(&station)).expect("it matches");
        assert_eq!(claimed, [(Attribute::Identity, "bacnet:8601/1234".into())]);
    }

    #[test]
    fn what_is_empty_is_not_claimed() {
        let optional = rule(&[("a.x", "^A(B)?$")], &[(Attribute::Model, " $1 ")]);
        assert_eq!(value(&optional, &["A"]), None);
        assert_eq!(value(&optional, &["AB"]).as_deref(), Some("B"));
    }
}
