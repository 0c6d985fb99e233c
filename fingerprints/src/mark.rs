//! Marks by which scanners are known, as data: `data/marks.toml`.

use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mark: Vec<Mark>,
    walk: Vec<Walk>,
}

/// What a client tells, or does, that only a scanner does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// The tool that leaves it, where one alone does.
    #[serde(default)]
    pub(crate) tool: Option<String>,
    /// What it did, where it is no tool's own word.
    #[serde(default)]
    words: Option<String>,
    field: String,
    pattern: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests match it"))]
    example: String,
    #[expect(dead_code, reason = "for people")]
    source: String,
}

impl Mark {
    /// What its bearer did.
    pub(crate) fn what(&self) -> String {
        let tool = self.tool.as_deref().unwrap_or_default();
        self.words.clone().unwrap_or_else(|| format!("told by {} that it is {tool}", self.field))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Walk {
    tool: String,
    protocol: String,
    operations: Vec<String>,
    #[expect(dead_code, reason = "for people")]
    source: String,
}

/// All marks.
#[derive(Debug)]
pub(crate) struct Marks {
    all: Vec<Mark>,
    by_field: BTreeMap<String, Vec<(Regex, usize)>>,
    walks: Vec<Walk>,
}

impl Marks {
    /// Those that are compiled in.
    pub(crate) fn builtin() -> Self {
        let file: File = toml::from_str(include_str!("../data/marks.toml")).expect("a test reads the same file");
        let mut by_field: BTreeMap<String, Vec<(Regex, usize)>> = BTreeMap::new();
        for (place, mark) in file.mark.iter().enumerate() {
            let pattern = Regex::new(&mark.pattern).expect("a test reads the same file");
            by_field.entry(mark.field.clone()).or_default().push((pattern, place));
        }
        Self { all: file.mark, by_field, walks: file.walk }
    }

    /// The place of the mark that a value of a field is.
    pub(crate) fn place(&self, field: &str, value: &str) -> Option<usize> {
        let marks = self.by_field.get(field)?;
        marks.iter().find(|(pattern, _)| pattern.is_match(value)).map(|(_, place)| *place)
    }

    /// The mark at a place.
    pub(crate) fn at(&self, place: usize) -> Option<&Mark> {
        self.all.get(place)
    }

    /// The tool that asks each device for exactly these operations.
    pub(crate) fn walker<'a>(&self, protocol: &str, operations: impl Iterator<Item = &'a str>) -> Option<&str> {
        let asked: Vec<&str> = operations.collect();
        let walk = self.walks.iter().find(|walk| walk.protocol == protocol && walk.operations == asked);
        walk.map(|walk| walk.tool.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissectors::protocols;

    #[test]
    fn every_mark_matches_its_example_and_speaks_of_a_field() {
        let file: File = toml::from_str(include_str!("../data/marks.toml")).expect("well formed");
        let marks = Marks::builtin();
        for mark in &file.mark {
            let found = marks.place(&mark.field, &mark.example).and_then(|place| marks.at(place));
            assert_eq!(found.map(Mark::what), Some(mark.what()));
            assert!(mark.tool.is_some() || mark.words.is_some(), "{}", mark.example);
            assert!(protocols::fields().any(|field| field.name == mark.field), "{} is no field", mark.field);
        }
        for walk in &file.walk {
            assert!(protocols::named(&walk.protocol).is_some(), "{}", walk.protocol);
            assert!(walk.operations.is_sorted(), "{}: as the set is asked for", walk.tool);
        }
    }
}
