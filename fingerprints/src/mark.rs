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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    tool: String,
    field: String,
    pattern: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests match it"))]
    example: String,
    #[expect(dead_code, reason = "for people")]
    source: String,
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
    by_field: BTreeMap<String, Vec<(Regex, String)>>,
    walks: Vec<Walk>,
}

impl Marks {
    /// Those that are compiled in.
    pub(crate) fn builtin() -> Self {
        let file: File = toml::from_str(include_str!("../data/marks.toml")).expect("a test reads the same file");
        let mut by_field: BTreeMap<String, Vec<(Regex, String)>> = BTreeMap::new();
        for mark in file.mark {
            let pattern = Regex::new(&mark.pattern).expect("a test reads the same file");
            by_field.entry(mark.field).or_default().push((pattern, mark.tool));
        }
        Self { by_field, walks: file.walk }
    }

    /// The tool that tells this of itself.
    pub(crate) fn tool(&self, field: &str, value: &str) -> Option<&str> {
        let marks = self.by_field.get(field)?;
        marks.iter().find(|(pattern, _)| pattern.is_match(value)).map(|(_, tool)| tool.as_str())
    }

    /// The tool that asks each device behind a server for exactly these operations.
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
            assert_eq!(marks.tool(&mark.field, &mark.example), Some(mark.tool.as_str()));
            assert!(protocols::fields().any(|field| field.name == mark.field), "{} is no field", mark.field);
        }
        for walk in &file.walk {
            assert!(protocols::named(&walk.protocol).is_some(), "{}", walk.protocol);
            assert!(walk.operations.is_sorted(), "{}: as the set is asked for", walk.tool);
        }
    }
}
