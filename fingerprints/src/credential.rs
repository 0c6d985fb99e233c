//! What a login's password is worth: whether it is a default, empty, easy to guess, or weak.
//!
//! A password, or what proves it, is held against what is known to be common and against what the device itself is called.
//! Combinations are never tried, and nothing is ever sent. What remains is a verdict, and a keyed hash by which the same
//! password is known again.

mod candidates;
mod dictionary;
mod digests;
mod key;
mod lanes;
mod trial;
mod verdict;

pub(crate) use candidates::{Candidates, Lists};
pub(crate) use dictionary::Called;
pub use dictionary::{Dictionary, DictionaryError};
pub(crate) use digests::KeptHashes;
pub(crate) use key::Mark;
pub use key::SiteKey;
pub(crate) use trial::Trial;
pub(crate) use verdict::{Device, Hint, Strength, Verdict, Whose, judge, judge_again, of_content};

use dissectors::proof::Proof;

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
    /// For holding proofs against the lists alone, without an inventory: what that costs can be measured.
    pub fn trials(&self) -> Trials<'_> {
        Trials { credentials: self, lists: Lists::default(), hashes: KeptHashes::default() }
    }

    /// What the rows depend on, where it is not as usual: nothing of it is secret.
    pub fn describe(&self) -> String {
        let dictionary = self.dictionary.describe().map(|hash| format!(" dictionary={hash}"));
        let key = self.site_key.as_ref().map(|key| format!(" site_key={}", key.id()));
        let users = self.tokenise_users.then(|| " tokenise_users".to_owned());
        dictionary.into_iter().chain(key).chain(users).collect()
    }
}

/// Proofs held against all that is known to be common, one after the other.
pub struct Trials<'c> {
    credentials: &'c Credentials,
    lists: Lists,
    hashes: KeptHashes,
}

impl Trials<'_> {
    /// How many candidates were held against a proof until one explained it, or none was left.
    pub fn try_all(&mut self, username: &str, proof: &Proof) -> u64 {
        let key = SiteKey::new(&[0; SiteKey::LENGTH]);
        let candidates = self.lists.of(&self.credentials.dictionary, username, "");
        let whose = Whose { username, is_accepted: false, device: &Device::default() };
        let mut left = u64::MAX;
        judge(&mut Trial::new(proof, &mut self.hashes, &mut left), &whose, &candidates, None, &key);
        u64::MAX - left
    }
}
