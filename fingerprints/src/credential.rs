//! What a login's password is worth: whether it is a default, empty, easy to guess, or weak.
//!
//! A password, or what proves it, is held against what is known to be common and against what the device itself is called.
//! Combinations are never tried, and nothing is ever sent. What remains is a verdict, and a keyed hash by which the same
//! password is known again.

mod dictionary;
mod key;
mod verdict;

pub(crate) use dictionary::Called;
pub use dictionary::{Dictionary, DictionaryError};
pub(crate) use key::Mark;
pub use key::SiteKey;
pub(crate) use verdict::{Device, Strength, Trial, Verdict, Whose, can_be_judged, judge, judge_again, of_content};

/// How logins are judged and told.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// What is known of defaults.
    pub dictionary: Dictionary,
    /// The site's key; without one no keyed hash leaves the inventory.
    pub site_key: Option<SiteKey>,
    /// Whether user names are told as keyed tokens; only with a key.
    pub tokenise_users: bool,
}

impl Credentials {
    /// What the rows depend on, where it is not as usual: nothing of it is secret.
    pub fn describe(&self) -> String {
        let dictionary = self.dictionary.describe().map(|hash| format!(" dictionary={hash}"));
        let key = self.site_key.as_ref().map(|key| format!(" site_key={}", key.id()));
        let users = self.tokenise_users.then(|| " tokenise_users".to_owned());
        dictionary.into_iter().chain(key).chain(users).collect()
    }
}
