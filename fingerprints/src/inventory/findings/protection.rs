//! Findings about how conversations are protected: certificates, versions, ciphers.

use super::joined::Between;
use super::{Draft, Ground, evidence_row};
use crate::finding::{
    CERTIFICATE_EXPIRED, CERTIFICATE_EXPIRING, CERTIFICATE_LONG_LIVED, CERTIFICATE_SELF_SIGNED, CERTIFICATE_WEAK_KEY,
    CERTIFICATE_WEAK_SIGNATURE, PROTOCOL_OBSOLETE, TLS_OBSOLETE,
};
use crate::inventory::assets::Asset;
use crate::inventory::channels::{self, Channels, Shown};
use crate::inventory::known::Key;
use crate::inventory::matter::Matter;
use crate::inventory::rows;
use crate::record::FindingRow;
use crate::table;
use dissectors::observation::{Channel, Version};
use dissectors::{Certificate, Timestamp, hex};
use std::collections::BTreeMap;

impl Ground<'_> {
    /// Clients and servers that agreed on what protects nobody any more: once for both and the port.
    pub(super) fn obsolete(&self, channels: &Channels) -> Vec<FindingRow> {
        let mut all: BTreeMap<Between, (Channel, Matter)> = BTreeMap::new();
        for (key, protection) in channels.protections.all_sorted() {
            let Some((channel, seen)) = &protection.obsolete else { continue };
            let Some(asset) = self.assets.place(&Key::host(key.server)) else { continue };
            let peer = self.assets.place(&Key::host(key.client));
            let between = Between { asset, peer, protocol: seen.evidence.protocol, port: key.port };
            let (_, matter) = all.entry(between).or_insert_with(|| (channel.clone(), Matter::default()));
            matter.count = matter.count.saturating_add(seen.count);
            matter.widen((seen.first, seen.last));
            matter.prove(seen.evidence);
        }
        let rows = all.iter().filter_map(|(between, (channel, matter))| {
            let told = [
                ("version", channel.version.as_ref().map(channels::version)),
                ("cipher", channel.cipher.map(channels::suite)),
                ("why", Some(channels::weaknesses(channel).join("; "))),
            ];
            let known = told.into_iter().filter_map(|(word, value)| Some((word.to_owned(), value?)));
            let kind = if matches!(channel.version, Some(Version::Ssh(_) | Version::Named(_))) {
                PROTOCOL_OBSOLETE
            } else {
                TLS_OBSOLETE
            };
            let mut row = self.between(kind, between, None, matter, known.collect())?;
            row.count = rows::int(matter.count);
            Some(row)
        });
        rows.collect()
    }

    /// What is wrong with the certificates that an asset shows of itself.
    pub(super) fn certificates(&self, channels: &Channels) -> Vec<FindingRow> {
        let by_asset = channels.by_asset(self.assets);
        let of_assets = by_asset.iter().filter_map(|(asset, shown)| Some((self.assets.all.get(*asset)?, shown)));
        let own = of_assets.flat_map(|(asset, shown)| {
            let own = shown.iter().filter(|(_, shown)| shown.certificate.place == 0);
            own.map(move |(port, shown)| (asset, *port, shown))
        });
        own.flat_map(|(asset, port, shown)| self.faults(asset, port, shown)).collect()
    }

    fn faults(&self, asset: &Asset<'_>, port: u16, shown: &Shown) -> Vec<FindingRow> {
        let certificate = &*shown.certificate;
        let days = |kind: &str| self.kinds.of(kind).map_or(0, |kind| kind.at_least);
        let left = certificate.not_after.map(|end| (end, days_between(shown.seen.last, end)));
        let life = certificate.not_before.zip(certificate.not_after).map(|(begin, end)| days_between(begin, end));
        let weak_key = least_bits(certificate).filter(|least| certificate.key_bits.is_some_and(|bits| bits < *least));
        let weak_signature = table::words("weak_signatures", &certificate.signature_algorithm);
        let expired = left.filter(|(_, left)| *left < 0);
        let expiring =
            left.filter(|(_, left)| (0..days(CERTIFICATE_EXPIRING)).contains(&(*left).cast_unsigned()) && *left >= 0);
        let faults = [
            (CERTIFICATE_EXPIRED, expired.map(|(_, left)| format!("{} days ago", left.unsigned_abs()))),
            (CERTIFICATE_EXPIRING, expiring.map(|(_, left)| format!("in {left} days"))),
            (CERTIFICATE_SELF_SIGNED, certificate.is_self_signed.then(String::new)),
            (CERTIFICATE_WEAK_KEY, weak_key.map(|least| least.to_string())),
            // Who signs himself proves nothing by his signature, however strong.
            (CERTIFICATE_WEAK_SIGNATURE, weak_signature.filter(|_| !certificate.is_self_signed).map(str::to_owned)),
            (CERTIFICATE_LONG_LIVED, life.and_then(|life| too_long(life, days(CERTIFICATE_LONG_LIVED)))),
        ];
        let told = faults.into_iter().filter_map(|(kind, why)| self.fault(kind, &why?, asset, port, shown));
        told.collect()
    }

    fn fault(&self, kind: &str, why: &str, asset: &Asset<'_>, port: u16, shown: &Shown) -> Option<FindingRow> {
        let Shown { certificate, seen } = shown;
        let (hash, port_text) = (hex(&certificate.sha256).to_string(), port.to_string());
        let date = |time: Option<Timestamp>| time.map_or_else(|| "no date".to_owned(), day);
        let details = BTreeMap::from([
            ("sha256".to_owned(), hash.clone()),
            ("subject".to_owned(), certificate.subject.to_string()),
            ("issuer".to_owned(), certificate.issuer.to_string()),
            ("not_before".to_owned(), date(certificate.not_before)),
            ("not_after".to_owned(), date(certificate.not_after)),
            ("key".to_owned(), key(certificate)),
            ("signature".to_owned(), channels::named("signature_algorithms", &certificate.signature_algorithm)),
        ]);
        let mut words: BTreeMap<&str, String> =
            details.iter().map(|(word, value)| (word.as_str(), value.clone())).collect();
        words.insert("asset", asset.title().to_owned());
        words.insert("why", why.to_owned());
        words.insert("where", if port == 0 { "as a client".to_owned() } else { format!("on port {port}") });
        let target = format!("{port}/{hash}");
        let mut row =
            self.row(Draft { name: kind, asset: Some(asset), key: vec![&port_text, &hash], target, words })?;
        let address = rows::first_ip(asset);
        let parameters = [
            ("address", address),
            ("port", (port != 0).then_some(port_text.clone())),
            ("sha256", Some(hash.clone())),
            ("subject", Some(certificate.subject.to_string())),
            ("not_after", Some(date(certificate.not_after))),
            ("why", Some(kind.to_owned())),
        ];
        let known = parameters.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        row.remediation_parameters.extend(known);
        row.details = details;
        row.count = rows::int(seen.count);
        row.protocol = Some(seen.evidence.protocol.to_owned());
        row.port = (port != 0).then(|| i32::from(port));
        (row.opened, row.first_seen, row.last_seen) = (seen.first, seen.first, seen.last);
        row.evidence = vec![evidence_row(&seen.evidence, Some(asset))];
        Some(row)
    }
}

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// Whole days from one moment to another, rounded down; negative when it is over.
fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    to.nanos().saturating_sub(from.nanos()).div_euclid(NANOS_PER_DAY)
}

fn too_long(life: i64, limit: u64) -> Option<String> {
    u64::try_from(life).ok().filter(|days| *days > limit).map(|days| format!("{days} days"))
}

/// The least bits that a key of this kind should have; `None` of kinds whose every key is strong, or that nobody knows.
fn least_bits(certificate: &Certificate) -> Option<u32> {
    table::words("least_key_bits", &certificate.key_algorithm)?.parse().ok()
}

fn key(certificate: &Certificate) -> String {
    let algorithm = channels::named("key_algorithms", &certificate.key_algorithm);
    certificate.key_bits.map_or(algorithm.clone(), |bits| format!("{algorithm}, {bits} bits"))
}

/// The day of a moment, as `2026-11-30`.
fn day(time: Timestamp) -> String {
    let moment = jiff::Timestamp::from_microsecond(time.micros());
    moment.map_or_else(|_| "no date".to_owned(), |moment| moment.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_after_the_end_is_a_day_ago() {
        let at = |day: i64| Timestamp::from_nanos(day * NANOS_PER_DAY);
        assert_eq!(days_between(at(5), at(5)), 0);
        assert_eq!(days_between(Timestamp::from_nanos(at(5).nanos() + 1), at(5)), -1);
        assert_eq!(days_between(at(1), at(31)), 30);
    }
}
