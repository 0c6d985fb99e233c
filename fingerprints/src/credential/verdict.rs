//! What a password is found to be when it is held against what is common and what the device is called.

use super::candidates::{COMMON, Candidates, spellings};
use super::dictionary::{Called, Entry};
use super::key::{Mark, SiteKey};
use super::trial::Trial;
use dissectors::Mac;
use dissectors::proof::Proof;
use std::collections::BTreeSet;

/// How much a password withstands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Strength {
    /// There is none.
    Empty,
    /// Devices are shipped with it.
    Default,
    /// It follows from what everybody knows: the user, the device, what most people choose.
    Guessable,
    /// Short, or of few different letters.
    Weak,
    /// Neither weak nor strong.
    Fair,
    /// Long, and of letters of several kinds.
    Strong,
    /// It cannot be said: only a hash of it is known, and nothing that was tried gives it.
    #[default]
    Unknown,
}

impl Strength {
    /// As the tables write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Default => "default",
            Self::Guessable => "guessable",
            Self::Weak => "weak",
            Self::Fair => "fair",
            Self::Strong => "strong",
            Self::Unknown => "unknown",
        }
    }
}

/// What remains of a password.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) strength: Strength,
    /// The default that it is.
    pub(crate) entry: Option<Entry>,
    /// By what it can be guessed.
    pub(crate) guess: Option<&'static str>,
    /// By what it is known again; `None` where the password itself was not found.
    pub(crate) mark: Option<Mark>,
}

/// What a device is called, and so what its password may be.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Device {
    pub(crate) vendor: Option<String>,
    pub(crate) models: Vec<String>,
    pub(crate) serials: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) macs: Vec<Mac>,
}

impl Device {
    /// Under each of its models and numbers, for the list of defaults.
    fn called(&self) -> Vec<Called<'_>> {
        let vendor = self.vendor.as_deref();
        let models = self.models.iter().map(|model| Called { vendor, model: Some(model), serial: None });
        let serials = self.serials.iter().map(|serial| Called { vendor, model: None, serial: Some(serial) });
        models.chain(serials).collect()
    }

    /// What it is called, each with what that is.
    fn words(&self) -> Vec<(&'static str, String)> {
        let named = [("its serial number", &self.serials), ("its model", &self.models), ("its host name", &self.names)];
        let mut words: Vec<(&'static str, String)> = named
            .into_iter()
            .flat_map(|(what, all)| all.iter().map(move |text| (what, text.clone())))
            .flat_map(|(what, text)| spellings(&text).into_iter().map(move |text| (what, text)))
            .collect();
        words.extend(self.macs.iter().flat_map(|mac| of_mac(*mac)).map(|text| ("its MAC address", text)));
        words
    }
}

/// A MAC address as it is printed on devices.
fn of_mac(mac: Mac) -> impl Iterator<Item = String> {
    let colons = mac.to_string();
    let forms = [colons.replace(':', ""), colons.replace(':', "-"), colons];
    forms.into_iter().flat_map(|form| [form.to_uppercase(), form])
}

/// A login that is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose<'w> {
    /// Empty where there is none.
    pub(crate) username: &'w str,
    pub(crate) is_accepted: bool,
    pub(crate) device: &'w Device,
}

/// What explained a password: it is looked for there first when the same user logs in to the same device again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// No password, or one of the defaults.
    Default(usize),
    /// What the user is called.
    Own(usize),
    /// What most people choose.
    Common(usize),
}

/// Judges a password by all that is known, and says where it was found, if it will be found there again.
pub(crate) fn judge(
    trial: &mut Trial<'_>,
    whose: &Whose<'_>,
    candidates: &Candidates,
    hint: Option<Hint>,
    key: &SiteKey,
) -> (Verdict, Option<Hint>) {
    if !trial.can_be_judged() {
        return (Verdict::default(), None);
    }
    let hinted = hint.filter(|hint| trial.is(candidates.word(*hint).as_bytes()));
    let found = hinted.or_else(|| trial.first(&candidates.defaults, Some((0, &candidates.id))).map(Hint::Default));
    if let Some(found) = found {
        return (found_at(found, whose, candidates, key), Some(found));
    }
    if let Some(verdict) = judge_again(trial, whose, candidates, key) {
        return (verdict, None);
    }
    let own = trial.first(&candidates.own, None).map(Hint::Own);
    match own.or_else(|| trial.first(&COMMON, Some((1, ""))).map(Hint::Common)) {
        Some(found) => (found_at(found, whose, candidates, key), Some(found)),
        None => (of_content(trial.proof(), key), None),
    }
}

impl Candidates {
    fn word(&self, hint: Hint) -> &str {
        let word = match hint {
            Hint::Default(place) => self.defaults.get(place).map(String::as_str),
            Hint::Own(place) => self.own.get(place).map(String::as_str),
            Hint::Common(place) => COMMON.get(place).copied(),
        };
        word.unwrap_or_default()
    }
}

fn found_at(found: Hint, whose: &Whose<'_>, candidates: &Candidates, key: &SiteKey) -> Verdict {
    let word = candidates.word(found);
    match found {
        Hint::Default(0) => {
            // That nothing at all was asked for is a default only where it opened something.
            let is_told = whose.is_accepted || !whose.username.is_empty();
            let entry = candidates.empty.clone().filter(|_| is_told);
            Verdict { strength: Strength::Empty, entry, ..Verdict::default() }
        }
        Hint::Default(place) => is_default(candidates.entries.get(place - 1), word, key),
        Hint::Own(_) => guessed("its user name", word, key),
        Hint::Common(_) => guessed("one of the passwords that most people choose", word, key),
    }
}

/// Judges a password by what the device is called: again when more of that is known.
pub(crate) fn judge_again(
    trial: &mut Trial<'_>,
    whose: &Whose<'_>,
    candidates: &Candidates,
    key: &SiteKey,
) -> Option<Verdict> {
    let called = whose.device.called();
    let (defaults, words): (Vec<&Entry>, Vec<String>) = candidates
        .of_device
        .iter()
        .flat_map(|entry| called.iter().filter_map(move |called| Some((entry, entry.password(called)?.into_owned()))))
        .unzip();
    if let Some(found) = trial.first(&words, None) {
        return Some(is_default(defaults.get(found).copied(), &words[found], key));
    }
    let (guesses, words): (Vec<&'static str>, Vec<String>) = whose.device.words().into_iter().unzip();
    let found = trial.first(&words, None)?;
    Some(guessed(guesses[found], &words[found], key))
}

fn is_default(entry: Option<&Entry>, word: &str, key: &SiteKey) -> Verdict {
    let mark = Some(key.mark(word.as_bytes()));
    Verdict { strength: Strength::Default, entry: entry.cloned(), guess: None, mark }
}

fn guessed(guess: &'static str, word: &str, key: &SiteKey) -> Verdict {
    Verdict { strength: Strength::Guessable, entry: None, guess: Some(guess), mark: Some(key.mark(word.as_bytes())) }
}

/// A password that nothing explains, by its letters, if they can be read.
pub(crate) fn of_content(proof: &Proof, key: &SiteKey) -> Verdict {
    let Proof::Clear(secret) = proof else { return Verdict::default() };
    let mark = Some(key.mark(secret.expose()));
    Verdict { strength: withstands(secret.expose()), mark, ..Verdict::default() }
}

/// How much the letters of a password withstand who tries all: below eight letters, or of few different ones, they are
/// found within hours (NIST SP 800-63B, 5.1.1 wants eight at least); from twelve on of several kinds, or sixteen of any,
/// not within years.
fn withstands(password: &[u8]) -> Strength {
    let kinds = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit];
    let other = |byte: &u8| !byte.is_ascii_alphanumeric();
    let kinds = kinds.iter().filter(|is| password.iter().any(is)).count() + usize::from(password.iter().any(other));
    let different = password.iter().collect::<BTreeSet<_>>().len();
    match (password.len(), kinds, different) {
        (0..8, ..) | (_, _, 0..5) | (0..12, 1, _) => Strength::Weak,
        (16.., _, 8..) | (12.., 3.., _) => Strength::Strong,
        _ => Strength::Fair,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::dictionary::Dictionary;
    use crate::credential::digests::KeptHashes;

    const PLENTY: u64 = 1 << 20;

    fn key() -> SiteKey {
        SiteKey::new(&[1; 32])
    }

    fn judged(proof: &Proof, username: &str, is_accepted: bool, device: &Device) -> Verdict {
        let whose = Whose { username, is_accepted, device };
        let candidates = Candidates::of(&Dictionary::default(), username, "http");
        let (mut kept, mut left) = (KeptHashes::default(), PLENTY);
        judge(&mut Trial::new(proof, &mut kept, &mut left), &whose, &candidates, None, &key()).0
    }

    fn strength(username: &str, password: &str) -> Strength {
        judged(&Proof::clear(password.as_bytes()), username, true, &Device::default()).strength
    }

    #[test]
    fn each_password_has_its_class() {
        assert_eq!(strength("admin", ""), Strength::Empty);
        assert_eq!(strength("admin", "admin"), Strength::Default);
        assert_eq!(strength("Admin", "12345"), Strength::Default, "whatever the case of the user name");
        assert_eq!(strength("operator-7", "operator-7"), Strength::Guessable);
        assert_eq!(strength("operator-7", "letmein"), Strength::Guessable);
        assert_eq!(strength("operator-7", "qX4!"), Strength::Weak);
        assert_eq!(strength("operator-7", "zzzzzzzzzzzzzzzzzz"), Strength::Weak);
        assert_eq!(strength("operator-7", "bxqvtrwmkp"), Strength::Weak, "letters of one kind");
        assert_eq!(strength("operator-7", "bxqVtrwmk7"), Strength::Fair);
        assert_eq!(strength("operator-7", "bxqVtrwmk7-p"), Strength::Strong);
        assert_eq!(strength("operator-7", "correct horse battery"), Strength::Strong);
    }

    #[test]
    fn a_device_s_own_names_are_guesses() {
        let device = Device {
            models: vec!["DS-2CD2042".to_owned()],
            serials: vec!["SN-4711x".to_owned()],
            names: vec!["cam-north".to_owned()],
            macs: vec![Mac([0, 0x1b, 0x1b, 0xaa, 2, 3])],
            vendor: None,
        };
        for (password, guess) in [
            ("sn-4711X", None),
            ("SN-4711X", Some("its serial number")),
            ("ds-2cd2042", Some("its model")),
            ("cam-north", Some("its host name")),
            ("001B1BAA0203", Some("its MAC address")),
            ("00:1b:1b:aa:02:03", Some("its MAC address")),
        ] {
            let verdict = judged(&Proof::clear(password.as_bytes()), "operator-7", true, &device);
            assert_eq!(verdict.guess, guess, "{password}");
        }
    }

    #[test]
    fn what_asks_for_nothing_is_a_default_only_where_it_opens_something() {
        let device = Device::default();
        assert!(judged(&Proof::clear(b""), "", true, &device).entry.is_some());
        assert!(judged(&Proof::clear(b""), "", false, &device).entry.is_none());
    }

    #[test]
    fn what_nobody_can_recompute_is_unknown() {
        for proof in [Proof::Token, Proof::Hidden] {
            let verdict = judged(&proof, "admin", true, &Device::default());
            assert_eq!((verdict.strength, verdict.mark), (Strength::Unknown, None));
        }
    }

    #[test]
    fn what_is_left_untried_is_counted() {
        let proof = dissectors::proof::Wsse {
            nonce: (*b"n").into(),
            created: (*b"2026").into(),
            digest: dissectors::Secret::new(&[0; 20]),
        };
        let proof = Proof::Wsse(Box::new(proof));
        let device = Device::default();
        let whose = Whose { username: "admin", is_accepted: true, device: &device };
        let candidates = Candidates::of(&Dictionary::default(), "admin", "onvif");
        let (mut kept, mut left) = (KeptHashes::default(), 100);
        let mut trial = Trial::new(&proof, &mut kept, &mut left);
        let (verdict, _) = judge(&mut trial, &whose, &candidates, None, &key());
        assert_eq!(verdict.strength, Strength::Unknown);
        let untried = trial.untried;
        assert!(untried > 1_000, "{untried}");
        assert_eq!(left, 0);
    }
}
