//! Findings about logins: passwords that are none, that crossed the wire, that several devices share; guesses; and what
//! asks for no login at all.

use super::{Draft, Ground, evidence_row};
use crate::baseline::{Device, Password};
use crate::credential::{Mark, Verdict};
use crate::finding::{
    CLEARTEXT_MANAGEMENT, CREDENTIAL_CLEARTEXT, CREDENTIAL_DEFAULT, CREDENTIAL_EMPTY, CREDENTIAL_EXPOSED_HASH,
    CREDENTIAL_GUESSABLE, CREDENTIAL_GUESSING, CREDENTIAL_KEY_EXPOSED, CREDENTIAL_NONE_REQUIRED, CREDENTIAL_REUSED,
    CREDENTIAL_UNCHANGED, Kind, Status,
};
use crate::inventory::assets::Asset;
use crate::inventory::known::Key;
use crate::inventory::logins::{self, Account, Grade, Guesses, Logins};
use crate::inventory::matter::Matter;
use crate::inventory::rows::{self, int};
use crate::record::FindingRow;
use dissectors::observation::{Evidence, Host, Outcome};
use dissectors::{Exposure, Laxity, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A user of an asset, over all its addresses. Findings are told apart by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::inventory) struct Whose {
    asset: usize,
    port: u16,
    scheme: &'static str,
    username: Option<String>,
    protocol: &'static str,
}

impl Whose {
    /// Whether a password was accepted of the same user, in the same way.
    fn is_of(&self, password: &Password) -> bool {
        let Password { port, scheme, username, .. } = password;
        (i32::from(self.port), self.scheme, &self.username) == (*port, scheme.as_str(), username)
    }

    fn user(&self) -> String {
        self.username.as_ref().map_or_else(|| "no user name".to_owned(), |name| format!("user {name}"))
    }
}

/// Users of all assets.
type Accounts = BTreeMap<Whose, Account>;

/// What is said of one finding, by the words of its texts.
type Details = BTreeMap<String, String>;

impl Ground<'_> {
    /// All findings about logins.
    pub(super) fn credentials(&self, logins: &Logins) -> Vec<FindingRow> {
        let accounts = self.accounts(logins);
        let mut rows: Vec<FindingRow> = Vec::new();
        for (whose, account) in &accounts {
            rows.extend(account.poor.iter().filter_map(|(grade, (verdict, matter))| {
                let row = self.poor(whose, *grade, verdict, matter)?;
                Some(self.lived(row, whose, account))
            }));
            rows.extend(self.crossed(CREDENTIAL_CLEARTEXT, whose, account, &[Exposure::Cleartext]));
            rows.extend(self.crossed(CREDENTIAL_EXPOSED_HASH, whose, account, &[Exposure::Hash, Exposure::Challenge]));
            rows.extend(self.unchanged(whose, account));
        }
        rows.extend(self.reused(logins, &accounts));
        rows.extend(self.guessing(logins));
        rows.extend(self.lax(logins));
        rows
    }

    /// What is known of each, over all addresses of its asset.
    pub(in crate::inventory) fn accounts(&self, logins: &Logins) -> Accounts {
        let mut accounts = Accounts::new();
        for (key, account) in logins.accounts.sorted() {
            let Some(asset) = self.server(&key.server) else { continue };
            let username = key.username.as_ref().map(ToString::to_string);
            let whose = Whose { asset, port: key.port, scheme: key.scheme, username, protocol: key.protocol };
            accounts.entry(whose).or_default().join(account);
        }
        accounts
    }

    /// The device behind a host where it has a row of its own, else the host.
    fn server(&self, key: &Key) -> Option<usize> {
        self.assets.place(key).or_else(|| self.assets.place(&Key::host(key.host)))
    }

    /// A password that was accepted, and is none.
    fn poor(&self, whose: &Whose, grade: Grade, verdict: &Verdict, matter: &Matter) -> Option<FindingRow> {
        let name = match grade {
            Grade::Empty => CREDENTIAL_EMPTY,
            Grade::Default => CREDENTIAL_DEFAULT,
            Grade::Guessable => CREDENTIAL_GUESSABLE,
        };
        let asset = self.assets.all.get(whose.asset)?;
        let default = logins::default(verdict, Some(asset), whose.username.as_deref(), whose.protocol);
        let mut details = Details::new();
        details.extend(default.as_ref().map(|(words, _)| ("default_entry".to_owned(), words.clone())));
        details.extend(verdict.guess.map(|guess| ("guess".to_owned(), guess.to_owned())));
        let mut row = self.of_account(name, whose, matter, details)?;
        let elsewhere = self.kinds.of(name).and_then(|kind| kind.confidence_elsewhere);
        if let (Some((_, false)), Some(elsewhere)) = (default, elsewhere) {
            row.confidence = Some(i32::from(elsewhere));
        }
        Some(row)
    }

    /// How far the life of a finding about a password has come, as logins since show it.
    fn lived(&self, mut row: FindingRow, whose: &Whose, account: &Account) -> FindingRow {
        let asset = self.assets.all.get(whose.asset);
        if let Some(cure) = account.cured() {
            Status::Verified.name().clone_into(&mut row.status);
            row.resolution = Some(Status::Verified.name().to_owned());
            row.status_changed = Some(cure.first);
            row.status_actor = Some("otoscope".to_owned());
            row.evidence.push(evidence_row(&cure.evidence, asset));
            row.details.insert("cured".to_owned(), format!("{} was let in with another password", whose.user()));
        } else if account.is_back() {
            Status::Regressed.name().clone_into(&mut row.status);
        }
        row
    }

    /// A secret that crossed the wire, readable or as something that it can be found from.
    fn crossed(&self, name: &str, whose: &Whose, account: &Account, how: &[Exposure]) -> Option<FindingRow> {
        let mut matter = Matter::default();
        for ((_, _), of_outcome) in account.crossed.iter().filter(|((exposure, _), _)| how.contains(exposure)) {
            matter.join(of_outcome);
        }
        let is_accepted = how.iter().any(|exposure| account.crossed.contains_key(&(*exposure, Outcome::Accepted)));
        let answer = if is_accepted { "it was accepted" } else { "whether it was accepted was not seen" };
        let details = Details::from([("answer".to_owned(), answer.to_owned())]);
        let mut row = self.of_account(name, whose, &matter, details)?;
        if !is_accepted {
            row.confidence = self.kinds.of(name)?.confidence_unseen.map(i32::from);
        }
        Some(row)
    }

    /// A password that has been the same for longer than it should be.
    fn unchanged(&self, whose: &Whose, account: &Account) -> Option<FindingRow> {
        let passwords = account.passwords.values();
        let matter = passwords.max_by_key(|matter| (days(matter), Reverse(first_seen(matter))))?;
        self.unchanged_in(whose, matter)
    }

    fn unchanged_in(&self, whose: &Whose, matter: &Matter) -> Option<FindingRow> {
        let days = days(matter);
        if days <= self.kinds.of(CREDENTIAL_UNCHANGED)?.at_least {
            return None;
        }
        let details = Details::from([("days".to_owned(), days.to_string())]);
        self.of_account(CREDENTIAL_UNCHANGED, whose, matter, details)
    }

    /// Passwords that an asset accepts, and accepted when the baseline was told, if that was long ago.
    pub(in crate::inventory) fn unchanged_since(
        &self,
        logins: &Logins,
        accounts: &Accounts,
        place: usize,
        old: &Device,
    ) -> Vec<FindingRow> {
        let own = accounts.iter().filter(|(whose, _)| whose.asset == place);
        let rows = own.filter_map(|(whose, account)| {
            let since = account.passwords.iter().filter_map(|(mark, matter)| {
                let hash = logins.told_mark(Some(*mark))?;
                let is_it = |password: &&Password| password.hash == hash && whose.is_of(password);
                let mut matter = matter.clone();
                let first = old.passwords.iter().find(is_it)?.first_seen;
                matter.widen((first, first));
                Some(matter)
            });
            self.unchanged_in(whose, &since.max_by_key(|matter| (days(matter), Reverse(first_seen(matter))))?)
        });
        rows.collect()
    }

    /// Passwords that several devices accept, each once.
    fn reused(&self, logins: &Logins, accounts: &Accounts) -> Vec<FindingRow> {
        let mut by_mark: BTreeMap<Mark, Vec<(&Whose, &Matter)>> = BTreeMap::new();
        for (whose, account) in accounts {
            for (mark, matter) in &account.passwords {
                by_mark.entry(*mark).or_default().push((whose, matter));
            }
        }
        // Marks are in no order that means anything.
        let order = |(whose, matter): &(&Whose, &Matter)| (first_seen(matter), Whose::clone(whose));
        for uses in by_mark.values_mut() {
            uses.sort_by_key(order);
        }
        let mut sorted: Vec<_> = by_mark.into_iter().collect();
        sorted.sort_by_cached_key(|(_, uses)| uses.iter().map(order).collect::<Vec<_>>());
        let mut before: BTreeMap<&Whose, u32> = BTreeMap::new();
        let rows = sorted.into_iter().filter_map(|(mark, uses)| {
            let (first, _) = uses.first()?;
            let number = before.entry(first).or_default();
            *number += 1;
            self.reuse(logins, mark, *number, &uses)
        });
        rows.collect()
    }

    /// `number` tells passwords apart that were first seen of one account.
    fn reuse(&self, logins: &Logins, mark: Mark, number: u32, uses: &[(&Whose, &Matter)]) -> Option<FindingRow> {
        let (first, _) = *uses.first()?;
        let devices: BTreeSet<usize> = uses.iter().map(|(whose, _)| whose.asset).collect();
        if devices.len() < 2 {
            return None;
        }
        let title = |whose: &Whose| {
            let asset = self.assets.all.get(whose.asset).map_or("", Asset::title);
            format!("{asset} ({}, {}, port {})", whose.user(), whose.scheme, whose.port)
        };
        let mut where_: Vec<String> = uses.iter().take(MOST_NAMED).map(|(whose, _)| title(whose)).collect();
        where_.extend((uses.len() > MOST_NAMED).then(|| format!("and {} more", uses.len() - MOST_NAMED)));
        let mut matter = Matter::default();
        for (_, of_device) in uses {
            matter.join(of_device);
        }
        let told = logins.told_mark(Some(mark));
        let mut details =
            Details::from([("devices".to_owned(), devices.len().to_string()), ("where".to_owned(), where_.join("; "))]);
        details.extend(told.clone().map(|hash| ("secret_hmac".to_owned(), hash)));
        details.extend(logins.key_id().map(|id| ("secret_key_id".to_owned(), id.to_owned())));
        let (port, number) = (first.port.to_string(), number.to_string());
        // Without a key that outlives the run the first account stands for the password.
        let of_first = [port.as_str(), first.scheme, first.username.as_deref().unwrap_or_default(), &number];
        let key = told.as_deref().map_or_else(|| of_first.to_vec(), |hash| vec![hash]);
        self.told(CREDENTIAL_REUSED, first, key, &matter, details)
    }

    fn of_account(&self, name: &str, whose: &Whose, matter: &Matter, details: Details) -> Option<FindingRow> {
        let port = whose.port.to_string();
        let key = vec![port.as_str(), whose.scheme, whose.username.as_deref().unwrap_or_default()];
        self.told(name, whose, key, matter, details)
    }

    fn told(&self, name: &str, whose: &Whose, key: Vec<&str>, matter: &Matter, details: Details) -> Option<FindingRow> {
        let asset = self.assets.all.get(whose.asset)?;
        let port = whose.port.to_string();
        let mut words: BTreeMap<&str, String> = details.iter().map(|(word, is)| (word.as_str(), is.clone())).collect();
        words.insert("asset", asset.title().to_owned());
        words.insert("user", whose.user());
        words.insert("scheme", whose.scheme.to_owned());
        words.insert("protocol", whose.protocol.to_owned());
        words.insert("port", port.clone());
        let target = format!("{port}/{}/{}", whose.scheme, whose.username.as_deref().unwrap_or_default());
        let mut row = self.row(Draft { name, asset: Some(asset), key, target, words })?;
        row.details = details;
        let known = [
            ("address", rows::first_ip(asset)),
            ("port", Some(port)),
            ("protocol", Some(whose.protocol.to_owned())),
            ("scheme", Some(whose.scheme.to_owned()).filter(|scheme| !scheme.is_empty())),
            ("username", whose.username.clone()),
        ];
        for (name, value) in known.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            row.remediation_parameters.insert(name.to_owned(), value.clone());
            if ["scheme", "username"].contains(&name) {
                row.details.insert(name.to_owned(), value);
            }
        }
        row.protocol = Some(whose.protocol.to_owned());
        row.port = (whose.port != 0).then(|| i32::from(whose.port));
        row.count = int(matter.count);
        (row.first_seen, row.last_seen) = matter.span?;
        row.opened = row.first_seen;
        row.evidence = matter.evidence.iter().map(|evidence| evidence_row(evidence, Some(asset))).collect();
        row.evidence.sort_by_key(|evidence| (evidence.time, evidence.frame));
        Some(row)
    }

    /// Devices at which somebody guesses, each once.
    fn guessing(&self, logins: &Logins) -> Vec<FindingRow> {
        let Some(kind) = self.kinds.of(CREDENTIAL_GUESSING) else { return Vec::new() };
        let mut by_device: BTreeMap<Whose, Vec<(Host, &Guesses)>> = BTreeMap::new();
        for (key, guesses) in logins.guesses.sorted() {
            let Some(asset) = self.server(&key.server) else { continue };
            let whose = Whose { asset, port: key.port, scheme: "", username: None, protocol: key.protocol };
            by_device.entry(whose).or_default().push((key.client, guesses));
        }
        by_device.iter().filter_map(|(whose, all)| self.guesses(kind, whose, all)).collect()
    }

    fn guesses(&self, kind: &Kind, whose: &Whose, all: &[(Host, &Guesses)]) -> Option<FindingRow> {
        let mut all: Vec<_> = all.iter().filter(|(_, guesses)| guesses.most >= kind.at_least).collect();
        all.sort_by_key(|(client, guesses)| (Reverse(guesses.matter.count), *client));
        let (first, _) = **all.first()?;
        let title = |client: Host| {
            self.assets.of(client).map_or_else(|| client.address.to_string(), |asset| asset.title().to_owned())
        };
        let mut matter = Matter::default();
        for (_, guesses) in &all {
            matter.join(&guesses.matter);
        }
        let clients = all.iter().take(MOST_NAMED);
        let clients = clients.map(|(client, guesses)| format!("{} x {}", title(*client), guesses.matter.count));
        let names: BTreeSet<&str> =
            all.iter().flat_map(|(_, guesses)| &guesses.names).map(compact_str::CompactString::as_str).collect();
        let names: Vec<&str> = names.into_iter().take(MOST_NAMED).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let let_in: Vec<&Evidence> = all.iter().filter_map(|(_, guesses)| guesses.let_in.as_ref()).collect();
        let end = if let_in.is_empty() { "none of them was let in" } else { "then one of them was let in" };
        let details = Details::from([
            ("clients".to_owned(), clients.collect::<Vec<_>>().join(", ")),
            ("peer".to_owned(), title(first)),
            ("names".to_owned(), names),
            ("end".to_owned(), end.to_owned()),
            ("rejected".to_owned(), matter.count.to_string()),
        ]);
        for evidence in let_in {
            matter.prove(*evidence);
        }
        let port = whose.port.to_string();
        let mut row = self.told(CREDENTIAL_GUESSING, whose, vec![&port], &matter, details)?;
        let peer = self.assets.of(first);
        row.peer_asset_id = peer.map(|peer| peer.id.to_string());
        row.peer_name = peer.map(|peer| peer.title().to_owned());
        row.peer_ip = peer.and_then(rows::first_ip);
        row.details.remove("peer");
        Some(row)
    }

    /// Devices that ask for no login, or let a key cross the wire.
    fn lax(&self, logins: &Logins) -> Vec<FindingRow> {
        let mut all: BTreeMap<(Laxity, Whose), (BTreeSet<&str>, Matter)> = BTreeMap::new();
        for (key, matter) in logins.lax.sorted() {
            let Some(asset) = self.server(&key.server) else { continue };
            let whose = Whose { asset, port: key.port, scheme: "", username: None, protocol: key.protocol };
            let (what, sum) = all.entry((key.laxity, whose)).or_default();
            what.insert(key.what);
            sum.join(matter);
        }
        let rows = all.iter().filter_map(|((laxity, whose), (what, matter))| {
            let name = match laxity {
                Laxity::NoLogin => CREDENTIAL_NONE_REQUIRED,
                Laxity::Key => CREDENTIAL_KEY_EXPOSED,
                Laxity::Clear => CLEARTEXT_MANAGEMENT,
            };
            let what = what.iter().copied().collect::<Vec<_>>().join(", ");
            let port = whose.port.to_string();
            self.told(name, whose, vec![&port], matter, Details::from([("what".to_owned(), what)]))
        });
        rows.collect()
    }
}

/// How many days lie between the first time and the last.
fn days(matter: &Matter) -> u64 {
    matter.span.map_or(0, |(first, last)| last.since(first).as_secs() / 86_400)
}

fn first_seen(matter: &Matter) -> Option<Timestamp> {
    matter.span.map(|(first, _)| first)
}

/// As many devices, clients and names are called by name.
const MOST_NAMED: usize = 16;
