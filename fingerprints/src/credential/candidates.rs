//! What may be the password of a user, in the order in which it is tried.

use super::dictionary::{Called, Dictionary, Entry, common};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

/// The candidates for a user name, whatever the device.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// What they are candidates for.
    pub(super) id: Box<str>,
    /// No password at all, then those that are defaults of this user name.
    pub(super) defaults: Vec<String>,
    /// The defaults themselves: one less.
    pub(super) entries: Vec<Entry>,
    /// Defaults that take the device's own name or number.
    pub(super) of_device: Vec<Entry>,
    /// The default that is no password at all.
    pub(super) empty: Option<Entry>,
    /// What the user is called.
    pub(super) own: Vec<String>,
}

impl Candidates {
    pub(super) fn of(dictionary: &Dictionary, username: &str, protocol: &'static str) -> Self {
        let id = id(username, protocol);
        let own = spellings(username).into_iter().collect();
        let mut candidates =
            Self { id, defaults: vec![String::new()], entries: Vec::new(), of_device: Vec::new(), empty: None, own };
        for entry in dictionary.of(username, protocol) {
            match entry.password(&Called::default()) {
                None => candidates.of_device.push(entry),
                Some(password) if password.is_empty() => candidates.empty = candidates.empty.or(Some(entry)),
                Some(password) => {
                    candidates.defaults.push(password.into_owned());
                    candidates.entries.push(entry);
                }
            }
        }
        candidates
    }
}

/// Where a login has no user name, its protocol decides.
fn id(username: &str, protocol: &str) -> Box<str> {
    if username.is_empty() { format!("\0{protocol}").into() } else { username.into() }
}

/// A word as people type it.
pub(super) fn spellings(text: &str) -> BTreeSet<String> {
    let cases = [text.to_owned(), text.to_lowercase(), text.to_uppercase()];
    cases.into_iter().filter(|text| !text.is_empty()).collect()
}

/// What most people choose.
pub(super) static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| common().collect());

/// The candidates for the user names that were met.
#[derive(Debug, Default)]
pub(crate) struct Lists(HashMap<Box<str>, Arc<Candidates>>);

impl Lists {
    /// As many are kept; who tries a list of names has them made anew.
    const MOST: usize = 256;

    pub(crate) fn of(&mut self, dictionary: &Dictionary, username: &str, protocol: &'static str) -> Arc<Candidates> {
        let id = id(username, protocol);
        if let Some(known) = self.0.get(&id) {
            return Arc::clone(known);
        }
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        let made = Arc::new(Candidates::of(dictionary, username, protocol));
        self.0.insert(id, Arc::clone(&made));
        made
    }
}
