//! Logins: what was told of them, what their passwords are worth, and what stood open without one.
//!
//! A password, or what proves it, is judged as it comes, held for an hour of packet time at most in case the device says
//! meanwhile what else it is called, and wiped. Rows of the table add up by the hour; what findings stand on is kept by
//! account, and never yields to a flood of strangers.

mod account;
mod held;
mod rows;

use super::book::Book;
use super::known::{Key, Seen};
use super::matter::Matter;
use super::registry::Registry;
use super::sums::Sums;
use crate::asset::Attribute;
use crate::credential::{
    Candidates, Credentials, Device, Hint, KeptHashes, Lists, Mark, SiteKey, Strength, Trial, Verdict, judge,
    judge_again, of_content,
};
use crate::record::CredentialRow;
pub(super) use account::{Account, AccountKey, Grade, GuessKey, Guesses, LaxKey};
use compact_str::CompactString;
use dissectors::login::{Laxity, passing_key};
use dissectors::observation::{Address, Category, Context, Control, Credential, Evidence, Host, Lax, Outcome, Subject};
use dissectors::proof::Proof;
use dissectors::{Exposure, Mac, Place, Timestamp};
use foldhash::fast::RandomState;
use held::{Budget, Held, Item};
pub(super) use rows::{default, rows};
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A login as it was told: who, where, how, with which outcome.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LoginKey {
    pub(super) window: Timestamp,
    pub(super) account: AccountKey,
    pub(super) client: Host,
    pub(super) realm: Option<CompactString>,
    pub(super) outcome: Outcome,
    pub(super) encrypted: bool,
    pub(super) exposure: Option<Exposure>,
    /// Where it stands: its repeats are of it.
    pub(super) told: Place,
}

/// How often, and what its password is worth.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) seen: Seen,
    pub(super) verdict: Verdict,
}

impl LoginKey {
    fn of(server: &Subject, credential: &Credential, username: Option<CompactString>, evidence: &Evidence) -> Self {
        let account = AccountKey {
            server: super::key_of(server, evidence.protocol),
            port: credential.server_port,
            protocol: evidence.protocol,
            scheme: credential.scheme,
            username,
        };
        Self {
            window: credential.told.time.hour(),
            account,
            client: credential.client,
            realm: credential.realm.clone(),
            outcome: credential.outcome,
            encrypted: credential.encrypted,
            exposure: credential.exposure,
            told: credential.told,
        }
    }

    /// Whether a host logs in to itself: that crosses no wire, and no finding stands on it.
    fn is_at_home(&self) -> bool {
        self.account.server.host == self.client
    }

    /// The row of all that found no room, whoever logged in wherever.
    fn of_the_rest(self) -> Self {
        let nobody = Host { context: Context::ROOT, address: Address::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) };
        let account = AccountKey { server: Key::host(nobody), port: 0, username: None, ..self.account };
        Self { account, client: nobody, realm: None, told: Place::default(), ..self }
    }

    /// Whether it is that row.
    fn is_of_the_rest(&self) -> bool {
        self.told == Place::default() && self.account.port == 0
    }
}

impl Login {
    /// About what a row costs, here and as it is written.
    pub(super) fn weight(key: &LoginKey, _login: &Self) -> usize {
        let texts = [&key.account.username, &key.realm].into_iter().flatten().map(CompactString::len).sum::<usize>();
        size_of::<(LoginKey, Self)>() + size_of::<CredentialRow>() + 480 + 2 * texts
    }

    fn add(&mut self, other: &Self) {
        self.seen.add(other.seen);
    }
}

/// All of them.
pub(super) struct Logins {
    credentials: Credentials,
    /// Under which passwords are known again within the run, where nobody gave a key; it never leaves.
    passing: SiteKey,
    /// Those that were accepted, or may have been.
    pub(super) rows: Sums<LoginKey, Login>,
    /// Those that were refused: a flood of guesses takes no room from the others.
    pub(super) refused: Sums<LoginKey, Login>,
    pub(super) accounts: Book<AccountKey, Account>,
    pub(super) guesses: Book<GuessKey, Guesses>,
    pub(super) lax: Book<LaxKey, Matter>,
    held: Held,
    budget: Budget,
    lists: Lists,
    hashes: KeptHashes,
    /// Of what was known when all was tried.
    known: RandomState,
}

/// What a password was found to be.
#[derive(Default)]
struct Judged {
    verdict: Verdict,
    /// Where it was found.
    hint: Option<Hint>,
    /// Whether it was held against all that is known, and is none of it.
    is_another: bool,
}

impl Logins {
    /// With as many accounts, and as many bytes of rows and of what is held.
    pub(super) fn new(credentials: Credentials, cap: usize, row_bytes: usize) -> Self {
        // A recorder logs in to all cameras; who tries a list of names does not use up the room of all.
        let of_a_client = cap / 4 * 3;
        Self {
            credentials,
            passing: SiteKey::new(&passing_key(&RandomState::default())),
            rows: Sums::within(usize::MAX, row_bytes, Login::weight),
            refused: Sums::within(usize::MAX, row_bytes / 4, Login::weight),
            accounts: Book::new(cap, of_a_client),
            guesses: Book::new(cap, of_a_client),
            lax: Book::new(cap, of_a_client),
            held: Held::within(cap, row_bytes / 8),
            budget: Budget::of(cap),
            lists: Lists::default(),
            known: RandomState::default(),
            hashes: KeptHashes::default(),
        }
    }

    fn key(&self) -> &SiteKey {
        self.credentials.site_key.as_ref().unwrap_or(&self.passing)
    }

    /// The name of the key under which hashes are told; without one none is.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.credentials.site_key.as_ref().map(SiteKey::id)
    }

    /// A hash as it is told: only of a key that outlives the run.
    pub(super) fn told_mark(&self, mark: Option<Mark>) -> Option<String> {
        mark.filter(|_| self.credentials.site_key.is_some()).map(|mark| mark.to_string())
    }

    /// A user name as it is told.
    fn username(&self, username: Option<&CompactString>) -> Option<CompactString> {
        username.filter(|name| !name.is_empty()).map(|name| self.token(name).unwrap_or_else(|| name.clone()))
    }

    /// What stands for a name, where names are not told.
    fn token(&self, name: &str) -> Option<CompactString> {
        let key = self.credentials.site_key.as_ref().filter(|_| self.credentials.tokenise_users)?;
        Some(key.token(name).into())
    }

    /// A control action names the user who does it, and one on a user names him.
    pub(super) fn hide_users(&self, control: &mut Control) {
        if let Some(user) = &mut control.client_user
            && let Some(token) = self.token(user)
        {
            *user = token.as_str().into();
        }
        if control.category == Category::User
            && let Some(token) = self.token(&control.target)
        {
            control.target = token;
        }
    }

    /// How many candidates were left untried, and how many proofs found no place to wait.
    pub(super) fn losses(&self) -> [(&'static str, u64); 4] {
        [
            ("password_candidates_untried", self.budget.untried),
            ("login_proofs_not_held", self.held.refused),
            ("login_rows_lumped", self.rows.crowded + self.refused.crowded),
            ("accounts_refused", self.accounts.refused + self.guesses.refused + self.lax.refused),
        ]
    }

    /// Takes in a login; says whether a finding may stand on it.
    pub(super) fn see(
        &mut self,
        server: &Subject,
        credential: &Credential,
        evidence: Evidence,
        registry: &Registry,
    ) -> bool {
        let key = LoginKey::of(server, credential, self.username(credential.username.as_ref()), &evidence);
        let seen = Seen { count: credential.count, ..Seen::once(evidence) };
        if key.outcome == Outcome::Rejected {
            let is_kept = self.guess(&key, seen);
            let login = Login { seen, verdict: Verdict::default() };
            if let Some((key, login)) = self.refused.add(key, login, Login::add) {
                self.refused.add_anyway(key.of_the_rest(), login, Login::add);
            }
            return is_kept;
        }
        let judged = match &credential.proof {
            Some(proof) => self.judge(&key, credential, proof, seen, registry),
            None => Judged {
                verdict: self.rows.of(&key).map(|login| login.verdict.clone()).unwrap_or_default(),
                ..Judged::default()
            },
        };
        let is_kept = self.keep(&key, seen, &judged);
        let verdict = judged.verdict;
        let login = Login { seen, verdict };
        if let Some((key, login)) = self.rows.add(key, login, Login::add) {
            let login = Login { verdict: Verdict::default(), ..login };
            self.rows.add_anyway(key.of_the_rest(), login, Login::add);
        }
        is_kept
    }

    /// Something should have been closed.
    pub(super) fn open(&mut self, server: &Subject, lax: &Lax, evidence: Evidence) -> bool {
        let server = super::key_of(server, evidence.protocol);
        let Lax { client, server_port: port, laxity, what } = *lax;
        // What a host says to itself crosses no wire; that it asks for no login is so whoever finds out.
        if server.host == client && laxity != Laxity::NoLogin {
            return false;
        }
        let key = LaxKey { server, port, laxity, what, protocol: evidence.protocol, client };
        let Some(matter) = self.lax.of(key, client) else { return false };
        matter.count += 1;
        matter.widen((evidence.time, evidence.time));
        matter.prove(evidence);
        true
    }

    fn guess(&mut self, key: &LoginKey, seen: Seen) -> bool {
        if key.is_at_home() {
            return false;
        }
        let guess = GuessKey::of(&key.account, key.client);
        let Some(guesses) = self.guesses.of(guess, key.client) else { return false };
        guesses.add(key, seen);
        true
    }

    fn keep(&mut self, key: &LoginKey, seen: Seen, judged: &Judged) -> bool {
        if key.is_at_home() {
            return false;
        }
        if key.outcome == Outcome::Accepted
            && let Some(guesses) = self.guesses.known(&GuessKey::of(&key.account, key.client))
        {
            guesses.let_in.get_or_insert(seen.evidence);
        }
        let Some(account) = self.accounts.of(key.account.clone(), key.client) else { return false };
        account.hint = judged.hint.or(account.hint);
        account.cross(key, seen, &judged.verdict);
        account.stand(key, seen, &judged.verdict);
        if judged.is_another && judged.verdict.strength > Strength::Guessable {
            account.change(key, seen, &judged.verdict);
        }
        true
    }

    /// Judges a password by what is known now, and holds it for what will be.
    fn judge(
        &mut self,
        key: &LoginKey,
        credential: &Credential,
        proof: &Arc<Proof>,
        seen: Seen,
        registry: &Registry,
    ) -> Judged {
        let now = seen.first;
        // One account of one device has one password: what nothing explained this hour need not be tried all over again.
        let account = self.accounts.known(&key.account);
        let is_tried = account.as_ref().is_some_and(|account| account.is_tried(key, proof));
        let hint = account.as_ref().and_then(|account| account.hint);
        let device = device(registry, &key.account.server);
        let username = credential.username.clone().unwrap_or_default();
        let item = Item { since: now, seen, key: key.clone(), username, proof: Arc::clone(proof) };
        let known = self.known.hash_one((&device, self.held.read));
        if is_tried && account.is_some_and(|account| account.is_tried_with(known)) {
            self.held.add(item);
            return Judged::default();
        }
        let whose = item.whose(&device);
        let candidates = self.candidates(&item);
        let ((verdict, found, can_be_judged), untried) = self.try_on(&item, now, |trial, key| {
            if is_tried {
                return (judge_again(trial, &whose, &candidates, key).unwrap_or_default(), None, true);
            }
            let (verdict, found) = judge(trial, &whose, &candidates, hint, key);
            (verdict, found, trial.can_be_judged())
        });
        if verdict.strength <= Strength::Guessable || !can_be_judged {
            return Judged { verdict, hint: found, is_another: false };
        }
        if untried == 0
            && let Some(account) = self.accounts.of(key.account.clone(), key.client)
        {
            account.tried(key, proof, known);
        }
        Judged { verdict: self.explain(item, verdict), hint: None, is_another: untried == 0 }
    }

    fn candidates(&mut self, item: &Item) -> Arc<Candidates> {
        self.lists.of(&self.credentials.dictionary, &item.username, item.key.account.protocol)
    }

    /// One readable password that was accepted may explain what others only prove: the new one those that wait, or one of
    /// them the new one.
    fn explain(&mut self, item: Item, verdict: Verdict) -> Verdict {
        let now = item.since;
        if let Proof::Clear(secret) = &*item.proof {
            // One that was read within the hour was held against all that wait already.
            let mark = verdict.mark.filter(|_| item.is_accepted());
            let waiting =
                if mark.is_some_and(|mark| self.held.read(mark, &item)) { self.held.proofs(now) } else { Vec::new() };
            for (place, waiting) in waiting {
                if self.try_on(&waiting, now, |trial, _| trial.is(secret.expose())).0 {
                    self.find(place, &waiting, verdict.clone());
                }
            }
            self.held.add(item);
            return verdict;
        }
        let readable = self.held.readable(now);
        let is_it = |trial: &mut Trial<'_>| {
            let words = readable.iter().map(|proof| match &**proof {
                Proof::Clear(secret) => secret.expose(),
                _ => &[],
            });
            trial.first(&words.collect::<Vec<_>>(), None)
        };
        if let (Some(found), _) = self.try_on(&item, now, |trial, _| is_it(trial)) {
            return of_content(&readable[found], self.key());
        }
        self.held.add(item);
        verdict
    }

    /// Tries candidates on a proof, as many as are left for its device; says how many were not.
    fn try_on<T>(
        &mut self,
        item: &Item,
        now: Timestamp,
        tries: impl FnOnce(&mut Trial<'_>, &SiteKey) -> T,
    ) -> (T, u64) {
        let host = item.key.account.server.host;
        let mut left = self.budget.of_device(host, now);
        let key = self.credentials.site_key.as_ref().unwrap_or(&self.passing);
        let mut trial = Trial::new(&item.proof, &mut self.hashes, &mut left);
        let result = tries(&mut trial, key);
        let untried = trial.untried;
        self.budget.spend(host, left, untried);
        (result, untried)
    }

    /// More is known of what a device is called: what is held of it is tried again.
    pub(super) fn learn(&mut self, host: Host, now: Timestamp, registry: &Registry) {
        for (place, item) in self.held.of(host, now) {
            let device = device(registry, &item.key.account.server);
            let whose = item.whose(&device);
            let candidates = self.candidates(&item);
            let (found, _) = self.try_on(&item, now, |trial, key| judge_again(trial, &whose, &candidates, key));
            if let Some(verdict) = found {
                self.find(place, &item, verdict);
            }
        }
    }

    /// Whether anything of a host waits.
    pub(super) fn holds(&self, host: Host) -> bool {
        self.held.holds(host)
    }

    /// What was told of a login is known better.
    fn find(&mut self, place: (Host, u64), item: &Item, verdict: Verdict) {
        self.held.release(place);
        let key = &item.key;
        // The row of its hour may have been written.
        let login = self.rows.get_mut(key);
        let (seen, is_known_again) = match &login {
            Some(login) => (login.seen, login.verdict.mark.is_some()),
            None => (item.seen, item.is_readable()),
        };
        if let Some(account) = self.accounts.known(&key.account) {
            // What was readable is known again already.
            let mark = verdict.mark.filter(|_| !is_known_again);
            account.stand(key, seen, &Verdict { mark, ..verdict.clone() });
        }
        if let Some(login) = login {
            login.verdict = verdict;
        }
    }

    /// Packet time has come so far: what was held for its hour is wiped.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.held.forget_before(now);
        self.hashes.advance(now);
    }

    /// What the rows cost.
    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes() + self.refused.bytes()
    }

    /// Whether there is room for another row, in all tables together.
    pub(super) fn close(&mut self, is_closed: bool) {
        (self.rows.is_closed, self.refused.is_closed) = (is_closed, is_closed);
    }

    /// The rows of these hours are written.
    pub(super) fn forget_before(&mut self, before: Timestamp) {
        self.rows.forget(|key| key.window < before);
        self.refused.forget(|key| key.window < before);
    }

    /// All rows are written, and what is still held is wiped.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.refused.clear();
        self.held.clear();
        self.hashes.clear();
    }
}

/// What a device is called: by what it, and its host, said of themselves.
fn device(registry: &Registry, key: &Key) -> Device {
    let mut device = Device::default();
    let host = Key::host(key.host);
    let keys = std::iter::once(key).chain(key.child.is_some().then_some(&host));
    for known in keys.filter_map(|key| registry.get(registry.find(key)?)) {
        for claim in known.claims.iter().filter(|claim| claim.stands) {
            let value = claim.told.value.to_string();
            match claim.told.attribute {
                Attribute::Model | Attribute::OrderCode => device.models.push(value),
                Attribute::Serial => device.serials.push(value),
                Attribute::Name | Attribute::Hostname => device.names.push(value),
                _ => {}
            }
        }
        device.macs.extend(known.macs.iter().map(|bound| bound.mac).collect::<Vec<Mac>>());
    }
    device
}

/// Whether it says what a device is called.
pub(super) fn names_device(attribute: Attribute) -> bool {
    use Attribute::{Hostname, Model, Name, OrderCode, Serial};
    matches!(attribute, Model | OrderCode | Serial | Name | Hostname)
}
