//! Packs `data/` into sorted binary tables, so that nothing is parsed or sorted when the program starts.
//!
//! What is packed is read back by `src/table.rs` and `src/rules.rs`. The data itself is proven by `tests/data.rs`;
//! here only what cannot be packed stops the build.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut list = String::from("pub(crate) static TABLES: &[(&str, Packed)] = &[\n");
    for path in files("data/tables", "tsv") {
        let text = fs::read_to_string(&path).expect("the table is readable");
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a table's name is plain").to_owned();
        let (kind, bytes) = if text.starts_with("prefix\t") {
            ("Prefixes", pack_prefixes(&text))
        } else {
            ("Words", pack_words(&text, text.starts_with("spelling\t")))
        };
        list_table(&out, &mut list, &name, kind, &bytes);
    }
    list_table(&out, &mut list, "default_credentials", "Words", &packed(pack_defaults()));
    list.push_str("];\n");
    fs::write(out.join("tables.rs"), list).expect("OUT_DIR is writable");
    fs::write(out.join("rules.txt"), pack_rules()).expect("OUT_DIR is writable");
}

fn list_table(out: &Path, list: &mut String, name: &str, kind: &str, bytes: &[u8]) {
    fs::write(out.join(format!("{name}.bin")), bytes).expect("OUT_DIR is writable");
    let include = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.bin\"))");
    writeln!(list, "    (\"{name}\", Packed::{kind}({kind}({include}))),").expect("a string takes all");
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let paths = entries.map(|entry| entry.expect("the folder is readable").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|is| is == extension)).collect();
    paths.sort();
    paths
}

/// The rows of a table below its head, as key and value: the last column is the value, the others joined are the key.
fn rows(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.lines().skip(1).map(|line| {
        let (key, value) = line.rsplit_once('\t').unwrap_or_else(|| panic!("a row of one column: {line}"));
        (key.replace('\t', " "), value)
    })
}

fn pack_words(text: &str, fold: bool) -> Vec<u8> {
    let rows = rows(text).map(|(key, value)| (if fold { key.to_lowercase() } else { key }, value.to_owned()));
    packed(rows.collect())
}

/// Default logins by user name in lower case: passwords with GS between, each followed by its rows with RS before each,
/// the parts of a row with US between. Read back by `src/credential/dictionary.rs`.
fn pack_defaults() -> BTreeMap<String, String> {
    let path = Path::new("data/credentials/defaults.tsv");
    let text = fs::read_to_string(path).expect("the list is readable");
    let mut by_user: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let [username, password, vendor, model, protocol, _source] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{}: not six columns: {line}", path.display())
        };
        let group = by_user.entry(username.to_lowercase()).or_default().entry(password).or_default();
        write!(group, "\u{1e}{username}\u{1f}{vendor}\u{1f}{model}\u{1f}{protocol}").expect("a string takes all");
    }
    let joined = |groups: BTreeMap<&str, String>| {
        let groups = groups.into_iter().map(|(password, rows)| format!("{password}{rows}"));
        groups.collect::<Vec<_>>().join("\u{1d}")
    };
    by_user.into_iter().map(|(username, groups)| (username, joined(groups))).collect()
}

/// `count`, then `count + 1` ends, then `key TAB value` after each other, sorted by key.
fn packed(rows: BTreeMap<String, String>) -> Vec<u8> {
    let mut bytes = u32::try_from(rows.len()).expect("tables are small").to_le_bytes().to_vec();
    let mut blob = Vec::new();
    bytes.extend(0u32.to_le_bytes());
    for (key, value) in rows {
        blob.extend_from_slice(format!("{key}\t{value}").as_bytes());
        bytes.extend(u32::try_from(blob.len()).expect("tables are small").to_le_bytes());
    }
    bytes.extend(blob);
    bytes
}

/// `count`, then records of 9 bytes sorted by prefix and length: prefix (40 bits, left-aligned), its length in hex
/// digits, the place of its name (24 bits). Then the names, each once, a length byte before each.
fn pack_prefixes(text: &str) -> Vec<u8> {
    let mut names = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut records: Vec<[u8; 9]> = rows(text)
        .map(|(prefix, name)| {
            let place = *places.entry(name).or_insert_with(|| {
                let place = names.len();
                names.push(u8::try_from(name.len()).unwrap_or_else(|_| panic!("a name of over 255 bytes: {name}")));
                names.extend_from_slice(name.as_bytes());
                place
            });
            let digits = u8::try_from(prefix.len()).ok().filter(|digits| *digits <= 10);
            let digits = digits.unwrap_or_else(|| panic!("a prefix of over ten digits: {prefix}"));
            let bits = u64::from_str_radix(&prefix, 16).unwrap_or_else(|_| panic!("no hex digits: {prefix}"));
            let bits = bits << (40 - 4 * u32::from(digits));
            let mut record = [0; 9];
            record[..5].copy_from_slice(&bits.to_be_bytes()[3..]);
            record[5] = digits;
            record[6..].copy_from_slice(&u32::try_from(place).expect("names are few").to_be_bytes()[1..]);
            record
        })
        .collect();
    assert!(names.len() < 1 << 24, "the names need more than 24 bits");
    records.sort_unstable();
    let mut bytes = u32::try_from(records.len()).expect("tables are small").to_le_bytes().to_vec();
    bytes.extend(records.into_iter().flatten());
    bytes.extend(names);
    bytes
}

/// One line a rule, sorted by id: id, confidence, scope, the number of conditions, then pairs.
fn pack_rules() -> String {
    let mut rules = BTreeMap::new();
    for path in files("data/rules", "toml") {
        for rule in rules_of(&path) {
            let text = |key: &str| rule.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
            let pairs = |key: &str| rule.get(key).and_then(toml::Value::as_table).cloned().unwrap_or_default();
            let confidence = rule.get("confidence").and_then(toml::Value::as_integer).unwrap_or_default();
            let when = pairs("when");
            let mut parts = vec![text("id"), confidence.to_string(), text("scope"), when.len().to_string()];
            for (name, value) in when.iter().chain(&pairs("then")) {
                parts.push(name.clone());
                parts.push(value.as_str().unwrap_or_default().to_owned());
            }
            assert!(
                parts.iter().all(|part| !part.contains(['\u{1e}', '\u{1f}'])),
                "{}: rule {} holds a separator",
                path.display(),
                text("id")
            );
            rules.insert(text("id"), parts.join("\u{1f}"));
        }
    }
    rules.into_values().collect::<Vec<_>>().join("\u{1e}")
}

fn rules_of(path: &Path) -> Vec<toml::Value> {
    let text = fs::read_to_string(path).expect("the rules are readable");
    let mut file: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match file.remove("rule") {
        Some(toml::Value::Array(rules)) => rules,
        _ => panic!("{}: no [[rule]]", path.display()),
    }
}
