//! Every rule proves itself, and every table is what it says.

use dissectors::protocols;
use fingerprints::Rules;
use fingerprints::finding::{Kind, Kinds};
use fingerprints::rules::FIELDS;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("the folder is readable").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|is| is == extension)).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn texts(folder: &str, extension: &str) -> Vec<(String, String)> {
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    files(folder, extension).iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// Fields exist, patterns compile, names are accepted, ids are unique, examples match: `Rules::read` checks them all.
#[test]
fn every_rule_proves_itself() {
    let texts = texts("rules", "toml");
    let files = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let read = Rules::read(files).unwrap_or_else(|error| panic!("{error}"));
    assert!(read.len() > 150, "{} rules", read.len());
}

#[test]
fn the_rules_that_are_compiled_in_are_those_of_the_files() {
    let texts = texts("rules", "toml");
    let files = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let read = Rules::read(files).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(Rules::builtin().describe().collect::<Vec<_>>(), read.describe().collect::<Vec<_>>());
}

#[test]
fn the_inventory_s_own_fields_are_no_dissector_s() {
    let dissected: BTreeSet<&str> = protocols::fields().map(|field| field.name).collect();
    assert!(FIELDS.iter().all(|field| field.name.starts_with("otoscope.") && !dissected.contains(field.name)));
}

#[test]
fn every_table_is_well_formed_sorted_and_without_doubles() {
    for (name, text) in texts("tables", "tsv") {
        assert!(text.ends_with('\n') && !text.contains('\r'), "{name}: lines end with LF");
        let columns = text.lines().next().map_or(0, |head| head.split('\t').count());
        assert!(columns >= 2, "{name}");
        let mut before: Option<(Vec<u64>, String)> = None;
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), columns, "{name}: {line}");
            assert!(cells.iter().all(|cell| !cell.is_empty() && cell.trim() == *cell), "{name}: {line}");
            let key = cells[..columns - 1].join("\t");
            // Numbers stand in their own order, everything else in that of its bytes.
            let is_numeric = columns == 2 && !name.contains("oui") && key.bytes().all(|byte| byte.is_ascii_digit());
            let numbers = if is_numeric { vec![key.parse().expect("digits")] } else { Vec::new() };
            let now = (numbers, key);
            assert!(before.is_none_or(|before| before < now), "{name}: {line} is out of order");
            before = Some(now);
        }
    }
}

#[test]
fn prefixes_of_macs_are_whole_hex_digits() {
    for (name, text) in texts("tables", "tsv").into_iter().filter(|(_, text)| text.starts_with("prefix\t")) {
        for line in text.lines().skip(1) {
            let prefix = line.split('\t').next().unwrap_or_default();
            let is_hex = prefix.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            assert!(is_hex && (6..=10).contains(&prefix.len()), "{name}: {line}");
        }
    }
}

#[test]
fn operations_are_of_protocols_that_exist() {
    let (_, text) =
        texts("tables", "tsv").into_iter().find(|(name, _)| name.ends_with("operations.tsv")).expect("there");
    for line in text.lines().skip(1) {
        let protocol = line.split('\t').next().unwrap_or_default();
        assert!(protocols::is_told(protocol), "{line}");
    }
}

#[test]
fn spellings_lead_to_accepted_vendors() {
    let vendors: BTreeSet<String> = list("vendors").into_iter().collect();
    let (_, text) =
        texts("tables", "tsv").into_iter().find(|(name, _)| name.ends_with("vendor_spellings.tsv")).expect("there");
    let mut spellings = BTreeSet::new();
    for line in text.lines().skip(1) {
        let (spelling, vendor) = line.split_once('\t').expect("two columns");
        assert!(vendors.contains(vendor), "{line}");
        assert!(spellings.insert(spelling.to_lowercase()), "{line} stands twice, whatever its case");
    }
}

#[test]
fn lists_of_names_are_sorted_and_without_doubles() {
    for (name, text) in texts("names", "txt") {
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| !line.is_empty() && line.trim() == *line), "{name}");
        let mut sorted = lines.clone();
        sorted.sort_by_key(|line| (line.to_lowercase(), *line));
        sorted.dedup();
        assert_eq!(lines, sorted, "{name}");
    }
}

fn list(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/names/{name}.txt"));
    fs::read_to_string(path).expect("the list is there").lines().map(str::to_owned).collect()
}

#[test]
fn default_logins_are_sorted_and_name_accepted_vendors() {
    let (_, text) = texts("credentials", "tsv").remove(0);
    let vendors: BTreeSet<String> = list("vendors").into_iter().collect();
    let folded: BTreeSet<String> = vendors.iter().map(|vendor| vendor.to_lowercase()).collect();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    for line in &lines {
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(cells.len(), 6, "{line}");
        assert!(
            cells.iter().all(|cell| cell.trim() == *cell) && !cells[2].is_empty() && !cells[5].is_empty(),
            "{line}"
        );
        let is_known = folded.contains(&cells[2].to_lowercase());
        assert!(!is_known || vendors.contains(cells[2]), "{line}: the vendor is spelt otherwise here");
    }
    let keys: BTreeSet<Vec<&str>> = lines.iter().map(|line| line.split('\t').take(5).collect()).collect();
    assert_eq!(keys.len(), lines.len(), "a row stands twice");
}

#[test]
fn techniques_of_operations_exist_and_so_do_their_categories() {
    let tables = texts("tables", "tsv");
    let (_, text) = tables.iter().find(|(name, _)| name.ends_with("operation_techniques.tsv")).expect("there");
    let (_, operations) = tables.iter().find(|(name, _)| name.ends_with("/operations.tsv")).expect("there");
    for line in text.lines().skip(1) {
        let [protocol, operation, category, techniques] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}")
        };
        assert!(operations.contains(&format!("\n{protocol}\t{operation}\t")), "{line}: no such operation");
        assert!(CATEGORIES.contains(&category), "{line}");
        assert!(techniques.split(',').all(|one| fingerprints::finding::technique(one).is_some()), "{line}");
    }
    for (name, kind) in Kinds::builtin().iter() {
        assert!(kind.categories.iter().all(|category| CATEGORIES.contains(&category.as_str())), "{name}");
    }
}

/// As the schema lists them.
const CATEGORIES: [&str; 13] = [
    "write",
    "operate",
    "restart",
    "stop",
    "mode",
    "program",
    "firmware",
    "file",
    "config",
    "user",
    "certificate",
    "backup",
    "time",
];

#[test]
fn kinds_of_findings_are_whole() {
    let remediations = [
        "rotate_password",
        "update_firmware",
        "replace_certificate",
        "disable_protocol",
        "restrict_access",
        "enable_authentication",
        "enable_encryption",
        "set_clock",
        "replace_device",
        "review",
    ];
    for (name, kind) in Kinds::builtin().iter() {
        assert!(name.contains('.') && kind.weight <= Kind::MAX_WEIGHT && kind.confidence <= 100, "{name}");
        assert!(remediations.contains(&kind.remediation.as_str()), "{name}");
        assert!(["yes", "no"].contains(&kind.verifiable.as_str()), "{name}");
        assert!((1..=4).contains(&kind.controls.len()), "{name}: one to four clauses");
        assert!(kind.techniques.iter().all(|technique| technique.len() == 5 && technique.starts_with('T')), "{name}");
        assert!(kind.action.chars().count() <= 48, "{name}: {} does not fit a line", kind.action);
        let texts = [&kind.title, &kind.summary, &kind.raised, &kind.action, &kind.remedy, &kind.limits];
        for text in texts.into_iter().chain([&kind.verification]) {
            assert!(!text.is_empty(), "{name}");
        }
        assert!(!kind.raised().contains('{'), "{name}: {}", kind.raised());
        assert_eq!(kind.policy.is_some(), kind.remediation == "restrict_access", "{name}");
        assert!(kind.milder.iter().all(|milder| milder.severity < kind.severity), "{name}");
        for report in &kind.reports {
            assert!(
                protocols::fields().any(|field| field.name == report.field),
                "{name}: {} is no field",
                report.field
            );
            assert!(report.at_least > 0 && !report.words.is_empty(), "{name}: {}", report.field);
        }
        for technique in &kind.techniques {
            assert!(fingerprints::finding::technique(technique).is_some(), "{name}: {technique}");
        }
    }
}
