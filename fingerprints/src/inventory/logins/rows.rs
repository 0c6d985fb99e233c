//! The rows of logins.

use super::{Login, LoginKey, Logins};
use crate::asset::Attribute;
use crate::community;
use crate::credential::{Called, Verdict};
use crate::inventory::assets::{Asset, Assets};
use crate::inventory::rows::{int, ip, path_of};
use crate::inventory::sums::end_of;
use crate::record::{CredentialRow, Shared};
use dissectors::Timestamp;

/// All of them; what two addresses of one asset saw of one login is one row.
pub(in crate::inventory) fn rows(
    assets: &Assets<'_>,
    logins: &Logins,
    captures: &[Shared],
    before: Timestamp,
) -> Vec<CredentialRow> {
    let all = [&logins.rows, &logins.refused].into_iter().flat_map(|sums| sums.sorted());
    let all = all.filter(|(key, _)| key.window < before);
    let mut rows: Vec<CredentialRow> = all.map(|(key, login)| row(assets, logins, key, login, captures)).collect();
    rows.sort_by_cached_key(|row| (order(row), row.first_seen, row.frame));
    rows.dedup_by(|later, first| {
        let is_same = is_same(later, first);
        if is_same {
            first.count = first.count.saturating_add(later.count);
            first.last_seen = first.last_seen.max(later.last_seen);
        }
        is_same
    });
    rows
}

fn row(assets: &Assets<'_>, logins: &Logins, key: &LoginKey, login: &Login, captures: &[Shared]) -> CredentialRow {
    let account = &key.account;
    let is_known = !key.is_of_the_rest();
    let server = assets.of(account.server.host);
    let named = assets.place(&account.server).and_then(|place| assets.all.get(place)).or(server);
    let verdict = &login.verdict;
    let secret_hmac = logins.told_mark(verdict.mark);
    CredentialRow {
        window_start: key.window,
        window_end: end_of(key.window),
        client_asset_id: assets.id(key.client),
        client_ip: ip(key.client).filter(|_| is_known),
        server_asset_id: server.map(|asset| asset.id.clone()),
        server_ip: ip(account.server.host).filter(|_| is_known),
        server_port: is_known.then(|| i32::from(account.port)),
        child_key: account.server.child_key(),
        protocol: account.protocol,
        scheme: account.scheme,
        username: account.username.as_ref().map(ToString::to_string),
        realm: key.realm.as_ref().map(ToString::to_string),
        outcome: key.outcome.name(),
        encrypted: key.encrypted,
        exposure: key.exposure.map(dissectors::Exposure::name),
        strength: verdict.strength.name(),
        default_entry: default(verdict, named, account.username.as_deref(), account.protocol).map(|(words, _)| words),
        secret_key_id: secret_hmac.as_ref().and_then(|_| logins.key_id()).map(str::to_owned),
        secret_hmac,
        first_seen: login.seen.first,
        last_seen: login.seen.last,
        count: int(login.seen.count),
        community_id: community::id(&login.seen.evidence.flow).filter(|_| is_known),
        capture: path_of(key.told.capture, captures).filter(|_| is_known),
        frame: key.told.frame.map(int),
    }
}

/// Whose default a password is, in words, and whether it is one of the device's own maker.
pub(in crate::inventory) fn default(
    verdict: &Verdict,
    asset: Option<&Asset<'_>>,
    username: Option<&str>,
    protocol: &str,
) -> Option<(String, bool)> {
    let value = |attribute| asset.and_then(|asset| asset.value(attribute));
    let called =
        Called { vendor: value(Attribute::Vendor), model: value(Attribute::Model), serial: value(Attribute::Serial) };
    let row = verdict.entry.as_ref()?.best(&called, username.unwrap_or_default(), protocol)?;
    Some((row.words(), row.is_of_maker(&called)))
}

/// By the key of the table, then by what else tells rows apart.
fn order(row: &CredentialRow) -> impl Ord + use<> {
    let whose = (row.window_start, row.server_asset_id.clone(), row.server_port, row.scheme);
    let what = (row.username.clone(), row.outcome, row.child_key.clone(), row.client_asset_id.clone());
    let how = (row.realm.clone(), row.encrypted, row.exposure, row.strength);
    (whose, what, how, row.secret_hmac.clone())
}

/// Whether two rows differ by nothing but when, where and how often.
fn is_same(one: &CredentialRow, other: &CredentialRow) -> bool {
    let place = |row: &CredentialRow| CredentialRow {
        first_seen: Timestamp::default(),
        last_seen: Timestamp::default(),
        count: 0,
        community_id: None,
        capture: None,
        frame: None,
        ..row.clone()
    };
    place(one) == place(other)
}
