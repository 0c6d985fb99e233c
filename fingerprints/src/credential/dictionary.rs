//! Passwords that devices are shipped with, by user name; and those that most people choose.
//!
//! The lists are data (`data/credentials/`). A user may add one of his own: a line for each login, tab-separated, as
//! [`Dictionary::read`] says.

use crate::table::Packed;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The default logins that are compiled in, and those of the user's own list.
#[derive(Clone, Default)]
pub struct Dictionary {
    own: Option<Arc<Own>>,
}

/// A list of the user's own.
struct Own {
    by_user: BTreeMap<String, Vec<Entry>>,
    sha256: String,
}

/// Why a list cannot be used: which line, and what is wrong with it. A password is never told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct DictionaryError {
    /// From 1.
    pub line: usize,
    /// In the user's words.
    pub what: &'static str,
}

/// A password, and all rows that say it is a default of some user name.
///
/// One text, as `build.rs` packs it: the password, then a row for each device, with control characters between.
#[derive(Clone)]
pub(crate) enum Entry {
    Builtin(&'static str),
    Own(Arc<str>),
}

/// Whose default it is. A vendor `*` is any; an empty model is any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'e> {
    pub(crate) username: &'e str,
    pub(crate) vendor: &'e str,
    pub(crate) model: &'e str,
    /// Where the source saw it work, or `any`.
    pub(crate) protocol: &'e str,
    /// The line of the user's own list.
    pub(crate) line: Option<&'e str>,
}

/// What a device is called, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Called<'d> {
    pub(crate) vendor: Option<&'d str>,
    pub(crate) model: Option<&'d str>,
    pub(crate) serial: Option<&'d str>,
}

impl Dictionary {
    /// Adds a list of the user's own: a line for each login, its parts with tabs between: user name, password, and where
    /// they are known vendor, model and protocol. An empty user name is for what asks for none, an empty password is none;
    /// `{serial}` and `{model}` in a password stand for the device's own. Empty lines and those that begin with `#` are
    /// passed over.
    pub fn read(list: &[u8]) -> Result<Self, DictionaryError> {
        let mut groups: BTreeMap<(String, &str), String> = BTreeMap::new();
        for (number, line) in (1..).zip(list.split(|byte| *byte == b'\n')) {
            let fault = |what| DictionaryError { line: number, what };
            let line = std::str::from_utf8(line).map_err(|_| fault("it is no text (UTF-8)"))?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.trim().is_empty() && !line.contains('\t') || line.starts_with('#') {
                continue;
            }
            let parts: Vec<&str> = line.split('\t').collect();
            let [username, password, rest @ ..] = parts.as_slice() else {
                return Err(fault("a tab is wanted between user name and password"));
            };
            if rest.len() > 3 {
                return Err(fault("at most five parts are wanted: user name, password, vendor, model, protocol"));
            }
            if line.chars().any(|letter| letter.is_control() && letter != '\t') {
                return Err(fault("control characters stand in it"));
            }
            if line.len() > LONGEST_LINE {
                return Err(fault("it is too long to be a login"));
            }
            let part =
                |at: usize, else_: &'static str| rest.get(at).copied().filter(|it| !it.is_empty()).unwrap_or(else_);
            let row = [*username, part(0, "*"), part(1, ""), part(2, "any"), &number.to_string()].join(FIELD);
            let group = groups.entry((username.to_lowercase(), password)).or_insert_with(|| (*password).to_owned());
            group.push_str(ROW);
            group.push_str(&row);
        }
        let mut by_user: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for ((username, _), group) in groups {
            by_user.entry(username).or_default().push(Entry::Own(group.into()));
        }
        let sha256 = dissectors::hex(&Sha256::digest(list)).to_string();
        Ok(Self { own: Some(Arc::new(Own { by_user, sha256 })) })
    }

    /// What the rows that come of it depend on: the hash of the user's own list, if there is one.
    pub fn describe(&self) -> Option<&str> {
        self.own.as_ref().map(|own| own.sha256.as_str())
    }

    /// Every password that is known to be a default of this user name, whatever the vendor: the user's own first. Where a
    /// login has no user name, only those of its own protocol count, and those of any.
    pub(crate) fn of<'a>(&'a self, username: &str, protocol: &'a str) -> impl Iterator<Item = Entry> + 'a {
        let (folded, has_name) = (username.to_lowercase(), !username.is_empty());
        let own = self.own.as_ref().and_then(|own| own.by_user.get(&folded)).into_iter().flatten().cloned();
        let builtin = Packed::named("default_credentials").and_then(|table| table.look_up(&folded));
        let builtin = builtin.into_iter().flat_map(|groups| groups.split(GROUP)).map(Entry::Builtin);
        let fits = move |row: Row<'_>| has_name || row.protocol == ANY || row.protocol == protocol;
        own.chain(builtin).filter(move |entry| entry.rows().any(fits))
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary(own: {})", self.own.is_some())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({} rows)", self.rows().count())
    }
}

impl Entry {
    fn text(&self) -> &str {
        match self {
            Self::Builtin(text) => text,
            Self::Own(text) => text,
        }
    }

    /// The password of this device; `None` where it takes the device's own name or number, and that is not known.
    pub(crate) fn password(&self, called: &Called<'_>) -> Option<Cow<'_, str>> {
        let password = self.text().split(ROW).next().unwrap_or_default();
        let own = [("{serial}", called.serial), ("{model}", called.model)];
        let Some((word, value)) = own.into_iter().find(|(word, _)| password.contains(word)) else {
            return Some(Cow::Borrowed(password));
        };
        Some(Cow::Owned(password.replace(word, value?)))
    }

    /// All that say so.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.text().split(ROW).skip(1).filter_map(|row| {
            let mut fields = row.split(FIELD);
            let mut next = || fields.next();
            Some(Row { username: next()?, vendor: next()?, model: next()?, protocol: next()?, line: next() })
        })
    }

    /// The row that fits a device and a login best: by its maker, its model, its protocol, the case of its user name.
    pub(crate) fn best(&self, called: &Called<'_>, username: &str, protocol: &str) -> Option<Row<'_>> {
        let points = |row: &Row<'_>| {
            let of_maker = row.is_of_maker(called);
            let is_open = row.vendor == ANY_VENDOR;
            let of_model =
                of_maker && called.model.is_some_and(|model| !row.model.is_empty() && names(row.model, model));
            let of_all = row.model.is_empty();
            (
                of_maker,
                of_model,
                is_open,
                of_all,
                row.protocol == protocol,
                row.protocol == ANY,
                row.username == username,
            )
        };
        // Of equals the first, in the order of the list.
        self.rows().reduce(|best, row| if points(&row) > points(&best) { row } else { best })
    }
}

impl Row<'_> {
    /// Whether it is known to be of the device's maker.
    pub(crate) fn is_of_maker(&self, called: &Called<'_>) -> bool {
        called.vendor.is_some_and(|vendor| vendor.eq_ignore_ascii_case(self.vendor))
    }

    /// Whose default it is, in words. They hold neither user name nor password.
    pub(crate) fn words(&self) -> String {
        let vendor = if self.vendor == ANY_VENDOR { "devices of many makers" } else { self.vendor };
        let model = if self.model.is_empty() { String::new() } else { format!(" {}", self.model) };
        let line = self.line.map(|line| format!(", line {line} of the own list")).unwrap_or_default();
        format!("{vendor}{model}{line}")
    }
}

/// Whether one of the models of a row (several stand with commas or strokes between) is this one, word by word.
fn names(models: &str, model: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    let own = words(model);
    models.split([',', '/']).map(words).any(|listed| {
        let is_within =
            |some: &[String], all: &[String]| !some.is_empty() && some.iter().all(|word| all.contains(word));
        is_within(&listed, &own) || is_within(&own, &listed)
    })
}

/// The passwords that most people choose, the most frequent first.
pub(crate) fn common() -> impl Iterator<Item = &'static str> {
    include_str!("../../data/credentials/common.txt").lines()
}

/// Between passwords of one user name, between the rows of a password, between the parts of a row: as `build.rs` has it.
const GROUP: char = '\u{1d}';
const ROW: &str = "\u{1e}";
const FIELD: &str = "\u{1f}";
const ANY: &str = "any";
const ANY_VENDOR: &str = "*";
const LONGEST_LINE: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(dictionary: &Dictionary, username: &str, protocol: &str) -> Vec<String> {
        let called = Called::default();
        dictionary.of(username, protocol).filter_map(|entry| Some(entry.password(&called)?.into_owned())).collect()
    }

    fn fault(list: &[u8]) -> DictionaryError {
        Dictionary::read(list).expect_err("it is no list")
    }

    #[test]
    fn every_row_of_the_data_is_found_by_its_user_name() {
        let dictionary = Dictionary::default();
        let text = include_str!("../../data/credentials/defaults.tsv");
        for line in text.lines().skip(1) {
            let [username, password, vendor, model, protocol, _] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("six columns: {line}")
            };
            let entries = dictionary.of(&username.to_uppercase(), protocol);
            let is_it = |row: Row<'_>| {
                (row.username, row.vendor, row.model, row.protocol) == (username, vendor, model, protocol)
            };
            let mut found = entries.filter(|entry| entry.rows().any(is_it));
            let raw = found.any(|entry| entry.text().split(ROW).next() == Some(password));
            assert!(raw, "{line}");
        }
    }

    #[test]
    fn all_rows_with_the_user_name_count_whatever_the_vendor() {
        let all = passwords(&Dictionary::default(), "admin", "http");
        assert!(all.len() > 150, "{}", all.len());
        let once: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(once.len(), all.len(), "each password once");
        assert!(passwords(&Dictionary::default(), "nobody-at-all", "http").is_empty());
    }

    #[test]
    fn communities_are_no_passwords_of_other_protocols() {
        let dictionary = Dictionary::default();
        let is_there = |protocol| passwords(&dictionary, "", protocol).iter().any(|word| word == "0392a0");
        assert!(is_there("snmp") && !is_there("telnet"));
    }

    #[test]
    fn the_maker_decides_which_row_is_named() {
        let entry = Dictionary::default()
            .of("admin", "http")
            .find(|entry| entry.password(&Called::default()).is_some_and(|it| it == "12345"));
        let entry = entry.expect("a well-known default");
        let of = |vendor, model| {
            let called = Called { vendor, model, serial: None };
            entry.best(&called, "admin", "http").map(|row| (row.vendor.to_owned(), row.is_of_maker(&called)))
        };
        assert_eq!(of(Some("Hikvision"), None), Some(("Hikvision".to_owned(), true)));
        assert_eq!(of(Some("Nobody's"), None).map(|(_, is)| is), Some(false));
    }

    #[test]
    fn models_compare_word_by_word() {
        assert!(names("pCOWeb, pCO5", "PCO5"));
        assert!(names("Quantum NOE 771 xx", "NOE 771"));
        assert!(!names("AirConnect", "Air"));
    }

    #[test]
    fn a_device_s_own_number_is_put_in() {
        let entry = Dictionary::default()
            .of("maintainer", "ssh")
            .find(|entry| entry.password(&Called::default()).is_none())
            .expect("Fortinet's");
        let called = Called { serial: Some("FGT60C"), ..Called::default() };
        assert!(entry.password(&called).is_some_and(|password| password.ends_with("FGT60C")));
        assert_eq!(entry.password(&Called::default()), None);
    }

    #[test]
    fn a_list_of_ones_own_goes_first() {
        let list = b"# ours\n\nservice\tplant-a\tSiemens\tS7-1200\thttp\nservice\tx\r\n\topen\n";
        let dictionary = Dictionary::read(list).expect("a list");
        let first = dictionary.of("Service", "http").next().expect("the own one");
        assert_eq!(first.rows().next().expect("one row").words(), "Siemens S7-1200, line 3 of the own list");
        assert_eq!(passwords(&dictionary, "service", "http")[..2], ["plant-a", "x"]);
        assert_eq!(passwords(&dictionary, "", "telnet")[0], "open");
        assert!(dictionary.describe().is_some() && Dictionary::default().describe().is_none());
    }

    #[test]
    fn a_faulty_list_is_told_by_its_line_and_never_by_its_words() {
        assert_eq!(
            fault(b"a\tb\nadmin hunter2\n").to_string(),
            "line 2: a tab is wanted between user name and password"
        );
        assert_eq!(fault(b"a\tb\tc\td\te\tf").line, 1);
        assert_eq!(fault(b"a\tb\n\n\xff\tb").line, 3);
        assert_eq!(fault(b"a\tb\x07").line, 1);
        assert_eq!(fault(&[b"a\t".as_slice(), &[b'x'; 2_000]].concat()).line, 1);
        let printed = format!("{:?}", Dictionary::read(b"a\thunter2").expect("a list").of("a", "").next());
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
