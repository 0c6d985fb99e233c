//! What findings about logins stand on: accounts of devices, guesses at them, and what needs no login.

use super::LoginKey;
use crate::credential::{Hint, Mark, Strength, Verdict};
use crate::inventory::known::{Key, Seen};
use crate::inventory::matter::Matter;
use compact_str::CompactString;
use dissectors::observation::{Evidence, Host, Outcome};
use dissectors::proof::Proof;
use dissectors::{Exposure, Laxity, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A user of a device, and how he logs in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::inventory) struct AccountKey {
    pub(in crate::inventory) server: Key,
    pub(in crate::inventory) port: u16,
    pub(in crate::inventory) protocol: &'static str,
    pub(in crate::inventory) scheme: &'static str,
    pub(in crate::inventory) username: Option<CompactString>,
}

/// Why a password that was accepted is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::inventory) enum Grade {
    Empty,
    Default,
    Guessable,
}

impl Grade {
    fn of(strength: Strength) -> Option<Self> {
        match strength {
            Strength::Empty => Some(Self::Empty),
            Strength::Default => Some(Self::Default),
            Strength::Guessable => Some(Self::Guessable),
            Strength::Weak | Strength::Fair | Strength::Strong | Strength::Unknown => None,
        }
    }
}

/// What crossed the wire of an account, and what it was worth.
#[derive(Clone, Debug, Default)]
pub(in crate::inventory) struct Account {
    /// What those who listened have, by whether it was accepted or may have been.
    pub(in crate::inventory) crossed: BTreeMap<(Exposure, Outcome), Matter>,
    /// Accepted passwords that are none, each grade with the first of its kind.
    pub(in crate::inventory) poor: BTreeMap<Grade, (Verdict, Matter)>,
    /// Accepted passwords, by what they are known again by.
    pub(in crate::inventory) passwords: BTreeMap<Mark, Matter>,
    /// The first accepted login since then by which the password is another one: see [`Account::change`].
    changed: Option<Seen>,
    /// Whether a password that is none came back after such a login.
    is_back: bool,
    /// Of the last password that is none, what asked for it, and what it is known again by.
    poor_last: Option<(Option<CompactString>, Option<Mark>)>,
    in_vain: Option<Vain>,
    /// Where its password was found last.
    pub(super) hint: Option<Hint>,
}

/// An accepted login on which all was tried in vain.
#[derive(Clone, Debug)]
struct Vain {
    window: Timestamp,
    realm: Option<CompactString>,
    /// What was known of the device, and read of other logins, as a hash.
    known: u64,
}

impl Account {
    /// As many passwords of an account are told apart.
    const MOST_PASSWORDS: usize = 16;

    /// A secret crossed the wire; where there is none, nothing did.
    pub(super) fn cross(&mut self, key: &LoginKey, seen: Seen, verdict: &Verdict) {
        let exposure = key.exposure.filter(|_| !key.encrypted && verdict.strength != Strength::Empty);
        if let Some(exposure) = exposure {
            add(self.crossed.entry((exposure, key.outcome)).or_default(), seen);
        }
    }

    /// What an accepted password is worth.
    pub(super) fn stand(&mut self, key: &LoginKey, seen: Seen, verdict: &Verdict) {
        if key.outcome != Outcome::Accepted {
            return;
        }
        if let Some(grade) = Grade::of(verdict.strength) {
            self.poor_last = Some((key.realm.clone(), verdict.mark));
            self.is_back |= self.cured().is_some_and(|changed| changed.first < seen.first);
            let (_, matter) = self.poor.entry(grade).or_insert_with(|| (verdict.clone(), Matter::default()));
            add(matter, seen);
        }
        if let Some(mark) = verdict.mark
            && (self.passwords.len() < Self::MOST_PASSWORDS || self.passwords.contains_key(&mark))
        {
            add(self.passwords.entry(mark).or_default(), seen);
        }
    }

    /// A user was let in, and what he said was held against all passwords that are none: it is another one.
    ///
    /// Only who has a name has one password, in one realm: a device may have several communities and keys at a time.
    pub(super) fn change(&mut self, key: &LoginKey, seen: Seen, verdict: &Verdict) {
        let is_one = key.outcome == Outcome::Accepted && key.account.username.is_some() && key.exposure.is_some();
        let is_another = self
            .poor_last
            .as_ref()
            .is_none_or(|(realm, mark)| *realm == key.realm && verdict.mark.is_none_or(|is| *mark != Some(is)));
        if is_one && is_another && self.cured().is_none() {
            self.changed = Some(seen);
        }
    }

    /// The login that shows that the password is another one than those that are none, if none of them was accepted since.
    pub(in crate::inventory) fn cured(&self) -> Option<&Seen> {
        let last_poor = self.poor.values().filter_map(|(_, matter)| Some(matter.span?.1)).max();
        self.changed.as_ref().filter(|changed| last_poor.is_none_or(|last| last < changed.first))
    }

    /// Whether a password that is none is accepted again, after another one was.
    pub(in crate::inventory) fn is_back(&self) -> bool {
        self.is_back
    }

    /// Whether all was tried on its password in this hour, in vain.
    pub(super) fn is_tried(&self, key: &LoginKey, proof: &Proof) -> bool {
        let is_it = |vain: &Vain| (vain.window, &vain.realm) == (key.window, &key.realm);
        let is_readable = matches!(proof, Proof::Clear(_));
        key.outcome == Outcome::Accepted && !is_readable && self.in_vain.as_ref().is_some_and(is_it)
    }

    /// Whether nothing is known that was not known then.
    pub(super) fn is_tried_with(&self, known: u64) -> bool {
        self.in_vain.as_ref().is_some_and(|vain| vain.known == known)
    }

    pub(super) fn tried(&mut self, key: &LoginKey, proof: &Proof, known: u64) {
        if !matches!(proof, Proof::Clear(_)) && key.outcome == Outcome::Accepted {
            self.in_vain = Some(Vain { window: key.window, realm: key.realm.clone(), known });
        }
    }

    /// The same account, at another address of its device.
    pub(in crate::inventory) fn join(&mut self, other: &Self) {
        for (crossed, matter) in &other.crossed {
            self.crossed.entry(*crossed).or_default().join(matter);
        }
        for (grade, (verdict, matter)) in &other.poor {
            self.poor.entry(*grade).or_insert_with(|| (verdict.clone(), Matter::default())).1.join(matter);
        }
        for (mark, matter) in &other.passwords {
            self.passwords.entry(*mark).or_default().join(matter);
        }
        self.is_back |= other.is_back;
        self.poor_last = self.poor_last.take().or_else(|| other.poor_last.clone());
        self.changed = self.changed.into_iter().chain(other.changed).max_by_key(|changed| changed.first);
    }
}

fn add(matter: &mut Matter, seen: Seen) {
    matter.count = matter.count.saturating_add(seen.count);
    matter.widen((seen.first, seen.last));
    matter.prove(seen.evidence);
}

/// Who guesses at which device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::inventory) struct GuessKey {
    pub(in crate::inventory) server: Key,
    pub(in crate::inventory) port: u16,
    pub(in crate::inventory) protocol: &'static str,
    pub(in crate::inventory) client: Host,
}

impl GuessKey {
    pub(super) fn of(account: &AccountKey, client: Host) -> Self {
        Self { server: account.server.clone(), port: account.port, protocol: account.protocol, client }
    }
}

/// Logins of one client that were refused.
#[derive(Clone, Debug, Default)]
pub(in crate::inventory) struct Guesses {
    pub(in crate::inventory) matter: Matter,
    hour: Timestamp,
    in_hour: u64,
    /// In the hour that had most.
    pub(in crate::inventory) most: u64,
    /// By which names; the first ones.
    pub(in crate::inventory) names: BTreeSet<CompactString>,
    /// Where the client was let in after all.
    pub(in crate::inventory) let_in: Option<Evidence>,
}

impl Guesses {
    /// As many names are told.
    const MOST_NAMES: usize = 16;

    pub(super) fn add(&mut self, key: &LoginKey, seen: Seen) {
        add(&mut self.matter, seen);
        if self.hour != key.window {
            (self.hour, self.in_hour) = (key.window, 0);
        }
        self.in_hour = self.in_hour.saturating_add(seen.count);
        self.most = self.most.max(self.in_hour);
        if let Some(name) = key.account.username.as_ref().filter(|_| self.names.len() < Self::MOST_NAMES) {
            self.names.insert(name.clone());
        }
    }
}

/// What stood open, to whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::inventory) struct LaxKey {
    pub(in crate::inventory) server: Key,
    pub(in crate::inventory) port: u16,
    pub(in crate::inventory) laxity: Laxity,
    pub(in crate::inventory) what: &'static str,
    pub(in crate::inventory) protocol: &'static str,
    pub(in crate::inventory) client: Host,
}
