//! Rules, loaded, checked and indexed by field.
//!
//! The compiled-in ones were packed by `build.rs` and are proven by `tests/data.rs`; files that are read at run time are
//! checked as they are read. A field's patterns become one set when that field is first observed: all at once would
//! cost a tenth of a second at the start.

use crate::asset::{Attribute, Told};
use crate::rule::{Condition, Rule, Scope, Template, Text};
use crate::table::Packed;
use dissectors::observation::Child;
use dissectors::{Field, protocols};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use regex::{Regex, RegexSet};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// What the inventory itself observes of a host, beside what dissectors tell.
pub static FIELDS: &[&Field] = &[
    &Field::new(MAC, "A MAC address that belongs to the host: told by itself, or the only one it was seen behind."),
    &Field::new(SERVES, "A protocol that the host was seen to serve."),
    &Field::new(USES, "A protocol of which the host was seen to get answers."),
    &Field::new(ASKS, "A protocol and an operation that the host asked of others, `bacnet 12`."),
    &Field::new(
        CONDUCT,
        "A protocol and what the host was seen to do in it, `modbus programs` or `modbus commands many`.",
    ),
    &Field::new(
        CHILDREN,
        "A protocol and how devices behind the host are known: `modbus answered`, `modbus differ` (in model), `bacnet routed`.",
    ),
];

pub(crate) const MAC: &str = "otoscope.mac";
pub(crate) const SERVES: &str = "otoscope.serves";
pub(crate) const USES: &str = "otoscope.uses";
pub(crate) const ASKS: &str = "otoscope.asks";
pub(crate) const CONDUCT: &str = "otoscope.conduct";
pub(crate) const CHILDREN: &str = "otoscope.children";

/// Whether a field is the inventory's own, and so not the device's word.
pub(crate) fn is_own(field: &str) -> bool {
    field.starts_with("otoscope.")
}

/// A rule's place in the order of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub(crate) u32);

/// All rules.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    by_field: HashMap<&'static str, Indexed, FixedState>,
}

/// The rules that look at one field.
#[derive(Debug, Default)]
struct Indexed {
    rules: Vec<(RuleId, usize)>,
    set: OnceLock<RegexSet>,
    /// Whether a rule of several conditions looks at it, so that values have to be kept.
    kept: bool,
}

/// Where the other conditions of a rule find their values.
pub(crate) trait Values {
    /// The value of a field that holds in the same scope as what was just observed.
    fn value(&self, field: &'static str, scope: Scope) -> Option<&str>;
}

/// What an observation makes of the rules.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) told: Vec<Told>,
    /// Rules of several conditions that look at the field and do not hold now.
    pub(crate) failed: Vec<RuleId>,
}

impl Rules {
    /// The rules that are compiled in. One whose field no dissector fills any more is left out; a test finds it.
    pub fn builtin() -> Self {
        let packed = include_str!(concat!(env!("OUT_DIR"), "/rules.txt"));
        let rules = packed.split('\u{1e}').filter_map(unpack).collect();
        Self::indexed(rules)
    }

    /// Reads and checks rule files, each with the name that errors call it by.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, RuleError> {
        let mut rules = Vec::new();
        let mut ids = BTreeSet::new();
        let names = Names::accepted();
        for (file, text) in files {
            let written: File = toml::from_str(text)
                .map_err(|error| RuleError::File { file: file.to_owned(), error: error.to_string() })?;
            for written in written.rule {
                let at = |problem| RuleError::Rule { file: file.to_owned(), rule: written.id.clone(), problem };
                if !ids.insert(written.id.clone()) {
                    return Err(at(Problem::Twice));
                }
                rules.push(written.check(&names).map_err(at)?);
            }
        }
        rules.sort_by(|a: &Rule, b| a.id.cmp(&b.id));
        Ok(Self::indexed(rules))
    }

    /// `rules` are sorted by id.
    fn indexed(rules: Vec<Rule>) -> Self {
        let mut by_field: HashMap<&'static str, Indexed, FixedState> = HashMap::default();
        for (id, rule) in (0u32..).zip(&rules) {
            for (place, condition) in rule.when.iter().enumerate() {
                let indexed = by_field.entry(condition.field).or_default();
                indexed.rules.push((RuleId(id), place));
                indexed.kept |= rule.when.len() > 1;
            }
        }
        Self { rules, by_field }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// A rule's id as it is written.
    pub fn id(&self, rule: RuleId) -> &str {
        self.rules.get(rule.0 as usize).map_or("", |rule| rule.id.as_ref())
    }

    /// Every rule as text, for a test that two ways of loading agree.
    pub fn describe(&self) -> impl Iterator<Item = String> {
        self.rules.iter().map(|rule| {
            let when = rule.when.iter().map(|condition| format!("{} {}", condition.field, condition.pattern));
            let when: Vec<String> = when.collect();
            format!("{} {} {:?} {when:?} {:?}", rule.id, rule.confidence, rule.scope, rule.then)
        })
    }

    /// Whether a rule's several conditions may hold anywhere on an asset.
    pub(crate) fn spans_asset(&self, rule: RuleId) -> bool {
        self.rules.get(rule.0 as usize).is_some_and(|rule| rule.when.len() > 1 && rule.scope == Scope::Asset)
    }

    /// Whether values of this field have to be kept, for rules of several conditions.
    pub(crate) fn keeps(&self, field: &str) -> bool {
        self.by_field.get(field).is_some_and(|indexed| indexed.kept)
    }

    /// What the rules make of a field's new value. Rules of several conditions find the others in `values`.
    pub(crate) fn apply(
        &self,
        field: &'static str,
        value: &str,
        child: Option<&Child>,
        values: &impl Values,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(indexed) = self.by_field.get(field) else { return outcome };
        let set = indexed.set.get_or_init(|| self.set_of(indexed));
        let matched = set.matches(value);
        for (index, (id, place)) in indexed.rules.iter().enumerate() {
            let Some(rule) = self.rules.get(id.0 as usize) else { continue };
            let claims = matched.matched(index).then(|| rule.with(*place, value, child, values)).flatten();
            match claims {
                Some(claims) => outcome.told.extend(claims.into_iter().map(|(attribute, value)| Told {
                    attribute,
                    value,
                    field: rule.field(),
                    rule: *id,
                    confidence: rule.confidence,
                })),
                None if rule.when.len() > 1 => outcome.failed.push(*id),
                None => {}
            }
        }
        outcome
    }

    fn set_of(&self, indexed: &Indexed) -> RegexSet {
        let patterns = indexed.rules.iter().filter_map(|(id, place)| {
            let condition = self.rules.get(id.0 as usize)?.when.get(*place)?;
            Some(condition.pattern.as_ref())
        });
        RegexSet::new(patterns).unwrap_or_else(|_| RegexSet::empty())
    }
}

impl Rule {
    /// What the rule claims when its condition at `place` has this value and the others find theirs.
    fn with(
        &self,
        place: usize,
        value: &str,
        child: Option<&Child>,
        values: &impl Values,
    ) -> Option<Vec<(Attribute, compact_str::CompactString)>> {
        let others = self.when.iter().enumerate().map(|(index, condition)| {
            if index == place { Some(value) } else { values.value(condition.field, self.scope) }
        });
        let all: Vec<&str> = others.collect::<Option<_>>()?;
        self.claims(&all, child)
    }
}

/// No other values: for fields that stand alone.
impl Values for () {
    fn value(&self, _field: &'static str, _scope: Scope) -> Option<&str> {
        None
    }
}

/// The field of this name.
pub(crate) fn field(name: &str) -> Option<&'static str> {
    protocols::fields().chain(FIELDS.iter().copied()).find(|field| field.name == name).map(|field| field.name)
}

fn unpack(line: &'static str) -> Option<Rule> {
    let mut parts = line.split('\u{1f}');
    let id = parts.next()?;
    let confidence = parts.next()?.parse().ok()?;
    let scope = Scope::named(parts.next()?)?;
    let conditions: usize = parts.next()?.parse().ok()?;
    let mut when = Vec::with_capacity(conditions);
    for _ in 0..conditions {
        when.push(Condition::new(field(parts.next()?)?, Text::Borrowed(parts.next()?)));
    }
    let mut then = Vec::new();
    while let (Some(name), Some(text)) = (parts.next(), parts.next()) {
        then.push((Attribute::named(name)?, Template::read(text)));
    }
    Some(Rule { id: Text::Borrowed(id), confidence, scope, when, then })
}

/// A rule file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    when: BTreeMap<String, String>,
    then: BTreeMap<String, String>,
    confidence: u8,
    source: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    examples: Vec<BTreeMap<String, String>>,
}

impl Written {
    fn check(&self, names: &Names) -> Result<Rule, Problem> {
        let is_plain = self.id.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit());
        require(is_plain && !self.id.is_empty(), || Problem::Id)?;
        require((1..=100).contains(&self.confidence), || Problem::Confidence(self.confidence))?;
        require(!self.source.is_empty(), || Problem::NoSource)?;
        require(!self.when.is_empty() && !self.then.is_empty(), || Problem::Empty)?;
        require(!self.examples.is_empty(), || Problem::NoExample)?;
        let scope = Scope::named(&self.scope).ok_or_else(|| Problem::Scope(self.scope.clone()))?;
        let when: Vec<Condition> = self.when.iter().map(condition).collect::<Result<_, _>>()?;
        let then = self.then.iter().map(|(name, text)| names.conclusion(name, text, &when));
        let then = then.collect::<Result<_, _>>()?;
        let rule = Rule { id: self.id.clone().into(), confidence: self.confidence, scope, when, then };
        self.examples.iter().try_for_each(|example| self.prove(&rule, example))?;
        Ok(rule)
    }

    /// The rule makes of the example what the example says.
    fn prove(&self, rule: &Rule, example: &BTreeMap<String, String>) -> Result<(), Problem> {
        let (given, expected): (Vec<_>, Vec<_>) = example.iter().partition(|(key, _)| self.when.contains_key(*key));
        let values = rule.when.iter().map(|condition| example.get(condition.field).map(String::as_str));
        let values: Option<Vec<&str>> = values.collect();
        let claims = values.and_then(|values| rule.claims(&values, None));
        let claims = claims.ok_or_else(|| Problem::Unmatched(format!("{given:?}")))?;
        for (attribute, value) in expected {
            let claimed = claims.iter().find(|(claimed, _)| claimed.name() == attribute);
            let claimed = claimed.map(|(_, value)| value.as_str()).unwrap_or_default();
            let wrong =
                || Problem::Example { attribute: attribute.clone(), expected: value.clone(), got: claimed.into() };
            require(claimed == value, wrong)?;
        }
        Ok(())
    }
}

fn require(holds: bool, problem: impl FnOnce() -> Problem) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(problem()) }
}

fn condition((name, pattern): (&String, &String)) -> Result<Condition, Problem> {
    let field = field(name).ok_or_else(|| Problem::Field(name.clone()))?;
    Regex::new(pattern).map_err(|error| Problem::Pattern { field, error: error.to_string() })?;
    Ok(Condition::new(field, pattern.clone().into()))
}

/// The accepted spellings.
struct Names {
    vendors: BTreeSet<&'static str>,
    roles: BTreeSet<&'static str>,
    systems: BTreeSet<&'static str>,
}

impl Names {
    fn accepted() -> Self {
        let list = |text: &'static str| text.lines().filter(|line| !line.is_empty()).collect();
        Self {
            vendors: list(include_str!("../data/names/vendors.txt")),
            roles: list(include_str!("../data/names/roles.txt")),
            systems: list(include_str!("../data/names/systems.txt")),
        }
    }

    fn conclusion(&self, name: &str, text: &str, when: &[Condition]) -> Result<(Attribute, Template), Problem> {
        let attribute = Attribute::named(name).ok_or_else(|| Problem::Attribute(name.to_owned()))?;
        let template = Template::read(text);
        if let Some(catch) = template.catches().find(|catch| !can_catch(when, catch)) {
            return Err(Problem::Catch { text: text.to_owned(), catch: catch.to_owned() });
        }
        if let Some(table) = template.table() {
            require(Packed::named(table).is_some(), || Problem::Table(table.to_owned()))?;
        }
        if let (Some(list), Some(value)) = (self.list(attribute), template.literal()) {
            let (file, accepted) = list;
            require(accepted.contains(value.as_str()), || Problem::Spelling { value, file })?;
        }
        Ok((attribute, template))
    }

    fn list(&self, attribute: Attribute) -> Option<(&'static str, &BTreeSet<&'static str>)> {
        match attribute {
            Attribute::Vendor => Some(("vendors.txt", &self.vendors)),
            Attribute::Role => Some(("roles.txt", &self.roles)),
            Attribute::Os => Some(("systems.txt", &self.systems)),
            _ => None,
        }
    }
}

/// Whether exactly one meaning can be given to a catch: a number only where there is one condition.
fn can_catch(when: &[Condition], catch: &str) -> bool {
    let mut regexes = when.iter().filter_map(Condition::regex);
    match catch.parse::<usize>() {
        Ok(number) => when.len() == 1 && regexes.all(|regex| number < regex.captures_len()),
        Err(_) => regexes.any(|regex| regex.capture_names().flatten().any(|name| name == catch)),
    }
}

/// A rule file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The file is no rule file.
    #[error("{file}: {error}")]
    File {
        /// The file.
        file: String,
        /// What the reader of TOML says, with the line.
        error: String,
    },
    /// A rule in it is wrong.
    #[error("{file}, rule {rule}: {problem}")]
    Rule {
        /// The file.
        file: String,
        /// The rule.
        rule: String,
        /// What is wrong, and what to do.
        problem: Problem,
    },
}

/// What is wrong with a rule, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// See the message.
    #[error("another rule bears this id; give it its own")]
    Twice,
    /// See the message.
    #[error("an id is made of lower-case letters, digits and dashes")]
    Id,
    /// See the message.
    #[error("confidence {0} is not between 1 and 100 percent")]
    Confidence(u8),
    /// See the message.
    #[error("source is empty; say where the pattern was seen")]
    NoSource,
    /// See the message.
    #[error("when and then need at least one entry each")]
    Empty,
    /// See the message.
    #[error("there is no example; add one value per condition and what follows from it")]
    NoExample,
    /// See the message.
    #[error("scope {0:?} is none of message, service, asset")]
    Scope(String),
    /// See the message.
    #[error("field {0} is not known; `otoscope fields` lists them")]
    Field(String),
    /// See the message.
    #[error("the pattern of {field} does not compile: {error}")]
    Pattern {
        /// The field.
        field: &'static str,
        /// What the regex crate says.
        error: String,
    },
    /// See the message.
    #[error("{0} is no attribute of an asset")]
    Attribute(String),
    /// See the message.
    #[error("{text}: nothing catches ${catch}; with several conditions catches are named, (?<{catch}>...)")]
    Catch {
        /// The template.
        text: String,
        /// What it asks for.
        catch: String,
    },
    /// See the message.
    #[error("there is no table {0} in data/tables")]
    Table(String),
    /// See the message.
    #[error("{value:?} is no accepted spelling; use one of data/names/{file} or add it there")]
    Spelling {
        /// What the rule writes.
        value: String,
        /// Where the accepted ones stand.
        file: &'static str,
    },
    /// See the message.
    #[error("the example {0} does not match")]
    Unmatched(String),
    /// See the message.
    #[error("the example says {attribute} = {expected:?}, the rule says {got:?}")]
    Example {
        /// Which attribute.
        attribute: String,
        /// What the example says.
        expected: String,
        /// What the rule says.
        got: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [[rule]]
        id         = "serves-modbus"
        when       = { "otoscope.serves" = '^modbus$' }
        then       = { role = "plc" }
        confidence = 30
        source     = "a guess"
        examples   = [{ "otoscope.serves" = "modbus", role = "plc" }]
    "#;

    fn error(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        Rules::read([("mine.toml", text.as_str())]).expect_err("it is wrong").to_string()
    }

    #[test]
    fn an_error_names_file_rule_and_remedy() {
        assert!(Rules::read([("mine.toml", GOOD)]).is_ok());
        let cases = [
            ("\"otoscope.serves\"", "\"no.field\"", "field no.field is not known; `otoscope fields` lists them"),
            ("role =", "rolle =", "rolle is no attribute"),
            ("\"plc\"", "\"PLC\"", "\"PLC\" is no accepted spelling; use one of data/names/roles.txt or add it there"),
            ("'^modbus$'", "'^(modbus$'", "the pattern of otoscope.serves does not compile"),
            ("{ role = \"plc\" }", "{ model = \"$1\" }", "nothing catches $1"),
            ("{ role = \"plc\" }", "{ vendor = \"cows[$0]\" }", "there is no table cows"),
            ("confidence = 30", "confidence = 0", "confidence 0 is not between"),
            ("[{ \"otoscope.serves\" = \"modbus\", role = \"plc\" }]", "[]", "there is no example"),
            ("\"modbus\", role", "\"dnp3\", role", "does not match"),
            ("role = \"plc\" }]", "role = \"rtu\" }]", "the example says role = \"rtu\", the rule says \"plc\""),
            ("\"a guess\"", "\"\"", "source is empty"),
            ("confidence = 30", "confidence = 30\nscope = \"site\"", "scope \"site\" is none of"),
        ];
        for (from, to, part) in cases {
            let message = error(from, to);
            assert!(message.starts_with("mine.toml, rule serves-modbus: "), "{message}");
            assert!(message.contains(part), "{message}");
        }
        assert!(error("confidence", "confidenc").contains("unknown field"), "and the line");
    }

    #[test]
    fn an_id_stands_once_over_all_files() {
        let error = Rules::read([("a.toml", GOOD), ("b.toml", GOOD)]).expect_err("twice");
        assert_eq!(error.to_string(), "b.toml, rule serves-modbus: another rule bears this id; give it its own");
    }

    #[test]
    fn rules_of_several_conditions_wait_for_all_and_say_when_they_fail() {
        struct Other(Option<&'static str>);
        impl Values for Other {
            fn value(&self, field: &'static str, _scope: Scope) -> Option<&str> {
                assert_eq!(field, USES);
                self.0
            }
        }
        let both = GOOD
            .replace("when       = {", "when       = { \"otoscope.uses\" = '^http$',")
            .replace("examples   = [{", "examples   = [{ \"otoscope.uses\" = \"http\",");
        let rules = Rules::read([("mine.toml", both.as_str())]).expect("it is right");
        assert!(rules.keeps(SERVES) && rules.keeps(USES) && !rules.keeps(MAC));
        assert_eq!(rules.apply(SERVES, "modbus", None, &Other(Some("http"))).told.len(), 1);
        let outcome = rules.apply(SERVES, "modbus", None, &Other(None));
        assert_eq!((outcome.told.len(), outcome.failed), (0, vec![RuleId(0)]));
    }
}
