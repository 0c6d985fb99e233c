//! How conversations are protected, and which certificates are shown.

use super::assets::{Asset, Assets};
use super::known::Seen;
use super::rows::int;
use super::sums::Sums;
use crate::record::{CertificateRow, ServiceRow};
use crate::table;
use dissectors::observation::{Channel, Evidence, Host, Version};
use dissectors::{Certificate, Timestamp, hex};
use std::collections::BTreeMap;

/// Whose conversations, at which port, in which hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChannelKey {
    pub(super) window: Timestamp,
    pub(super) server: Host,
    pub(super) port: u16,
    pub(super) client: Host,
}

/// What is known of them.
#[derive(Clone, Debug)]
pub(super) struct Protection {
    /// The latest.
    pub(super) channel: Channel,
    /// The first that is obsolete, and where.
    pub(super) obsolete: Option<(Channel, Seen)>,
}

impl Protection {
    fn of(channel: Channel, evidence: Evidence) -> Self {
        let obsolete = (!weaknesses(&channel).is_empty()).then(|| (channel.clone(), Seen::once(evidence)));
        Self { channel, obsolete }
    }

    fn add(&mut self, more: &Self) {
        // An attempt that came to nothing says nothing of how the others are protected.
        if more.channel.version.is_some() || self.channel.version.is_none() {
            self.channel.clone_from(&more.channel);
        }
        match (&mut self.obsolete, &more.obsolete) {
            (Some((_, seen)), Some((_, more))) => seen.add(*more),
            (known @ None, more) => known.clone_from(more),
            (Some(_), None) => {}
        }
    }
}

/// Who showed it, at which port, and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CertificateKey {
    pub(super) host: Host,
    /// 0 of a client.
    pub(super) port: u16,
    pub(super) sha256: [u8; 32],
}

/// A certificate that was shown.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) certificate: Box<Certificate>,
    pub(super) seen: Seen,
}

/// All of both, each at most so many.
pub(super) struct Channels {
    pub(super) protections: Sums<ChannelKey, Protection>,
    pub(super) certificates: Sums<CertificateKey, Shown>,
}

impl Channels {
    /// About what one of either costs.
    pub(super) const COST: usize = 1_024;

    pub(super) fn new(cap: usize) -> Self {
        Self { protections: Sums::new(cap), certificates: Sums::new(cap) }
    }

    /// How many found no room.
    pub(super) fn refused(&self) -> u64 {
        self.protections.crowded + self.certificates.crowded
    }

    pub(super) fn protect(&mut self, server: Host, channel: Channel, evidence: Evidence) {
        let (window, port, client) = (channel.begun.hour(), channel.port, channel.client);
        let key = ChannelKey { window, server, port, client };
        let _refused = self.protections.add(key, Protection::of(channel, evidence), Protection::add);
    }

    /// The rows of these hours are written.
    pub(super) fn fold_before(&mut self, before: Timestamp) {
        let without_window = |key: ChannelKey| ChannelKey { window: Timestamp::MIN, ..key };
        self.protections.fold(|key| key.window < before, without_window, Protection::add);
    }

    pub(super) fn show(&mut self, host: Host, port: u16, certificate: Box<Certificate>, evidence: Evidence) {
        let key = CertificateKey { host, port, sha256: certificate.sha256 };
        let shown = Shown { certificate, seen: Seen::once(evidence) };
        let _refused = self.certificates.add(key, shown, |known, more| known.seen.add(more.seen));
    }

    /// What is known of a conversation, for its row.
    pub(super) fn tell(&self, row: &mut ServiceRow, key: &ChannelKey) {
        let Some(Protection { channel, .. }) = self.protections.of(key) else { return };
        let text = |text: &Option<compact_str::CompactString>| text.as_ref().map(ToString::to_string);
        row.encrypted = channel.cipher.map(|cipher| !segments(&suite(cipher)).any(|part| part == "NULL"));
        row.tls_version = channel.version.as_ref().filter(|version| matches!(version, Version::Tls(_))).map(version);
        row.cipher = channel.cipher.map(suite);
        row.server_name = text(&channel.server_name);
        row.alpn = text(&channel.alpn);
        row.ja3 = text(&channel.ja3);
        row.ja3s = text(&channel.ja3s);
        row.ja4 = text(&channel.ja4);
        row.hassh = text(&channel.hassh);
        row.hassh_server = text(&channel.hassh_server);
        row.certificate_visible = channel.is_certificate_visible;
    }

    /// The certificates of each asset: what two of its addresses show is one row.
    pub(super) fn by_asset<'c>(&'c self, assets: &Assets<'_>) -> BTreeMap<usize, Vec<(u16, Shown)>> {
        let mut all: BTreeMap<(usize, u16, &'c [u8; 32]), Shown> = BTreeMap::new();
        for (key, shown) in self.certificates.sorted() {
            let Some(asset) = assets.place(&super::known::Key::host(key.host)) else { continue };
            let place = (asset, key.port, &key.sha256);
            all.entry(place).and_modify(|known| known.seen.add(shown.seen)).or_insert_with(|| shown.clone());
        }
        let mut by_asset: BTreeMap<usize, Vec<(u16, Shown)>> = BTreeMap::new();
        for ((asset, port, _), shown) in all {
            by_asset.entry(asset).or_default().push((port, shown));
        }
        by_asset
    }
}

/// The row of a certificate that an asset showed.
pub(super) fn row(asset: &Asset<'_>, port: u16, shown: &Shown, as_of: Timestamp) -> CertificateRow {
    let Shown { certificate, seen } = shown;
    CertificateRow {
        as_of,
        revision: 0,
        asset_id: asset.id.to_string(),
        port: (port != 0).then(|| i32::from(port)),
        source: seen.evidence.protocol.to_owned(),
        sha256: hex(&certificate.sha256).to_string(),
        subject: certificate.subject.to_string(),
        issuer: certificate.issuer.to_string(),
        serial: certificate.serial.to_string(),
        names: certificate.names.iter().map(ToString::to_string).collect(),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        key_algorithm: named("key_algorithms", &certificate.key_algorithm),
        key_bits: certificate.key_bits.and_then(|bits| i32::try_from(bits).ok()),
        signature_algorithm: named("signature_algorithms", &certificate.signature_algorithm),
        self_signed: certificate.is_self_signed,
        chain_length: i32::from(certificate.chain_length),
        chain_position: i32::from(certificate.place),
        first_seen: seen.first,
        last_seen: seen.last,
        capture: Some(seen.evidence.capture.to_string()),
        frame: seen.evidence.frame.map(int),
    }
}

/// What people call an algorithm; its object identifier if nobody has told.
pub(super) fn named(table: &str, identifier: &str) -> String {
    table::words(table, identifier).unwrap_or(identifier).to_owned()
}

/// What people call a version; the drafts of TLS 1.3 and the trials before it bear numbers of their own.
pub(super) fn version(version: &Version) -> String {
    let known = match version {
        Version::Tls(number) if matches!(number >> 8, 0x7e | 0x7f) => Version::Tls(0x0304),
        other => other.clone(),
    };
    table::words("tls_versions", &known.to_string()).map_or_else(|| version.to_string(), str::to_owned)
}

/// The name of a cipher suite, or its number.
pub(super) fn suite(number: u16) -> String {
    let digits = format!("0x{number:04x}");
    table::words("cipher_suites", &digits).map_or(digits.clone(), str::to_owned)
}

fn segments(suite: &str) -> impl Iterator<Item = &str> {
    suite.split('_')
}

/// Why a channel protects nobody any more; nothing of one that is as it should be.
pub(super) fn weaknesses(channel: &Channel) -> Vec<&'static str> {
    let of_version = channel.version.as_ref().and_then(|number| table::words("obsolete_versions", &version(number)));
    let suite = channel.cipher.map(suite).unwrap_or_default();
    let of_suite = segments(&suite).filter_map(|part| table::words("broken_ciphers", part));
    of_version.into_iter().chain(of_suite).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(version: u16, cipher: u16) -> Channel {
        Channel { version: Some(Version::Tls(version)), cipher: Some(cipher), ..Channel::default() }
    }

    #[test]
    fn what_is_obsolete_is_told_by_version_and_suite() {
        assert!(weaknesses(&channel(0x0303, 0xc02f)).is_empty(), "ECDHE, AES-GCM");
        assert!(weaknesses(&channel(0x0304, 0x1301)).is_empty());
        assert!(weaknesses(&Channel::default()).is_empty());
        for (version, cipher, count) in
            [(0x0301, 0xc014, 1), (0x0303, 0x0005, 1), (0x0300, 0x0003, 3), (0x0303, 0x0034, 1)]
        {
            assert_eq!(weaknesses(&channel(version, cipher)).len(), count, "{version:x} {}", suite(cipher));
        }
    }

    #[test]
    fn what_nobody_has_named_stands_as_its_number() {
        assert_eq!(suite(0xfafa), "0xfafa");
        assert_eq!(version(&Version::Tls(0x0305)), "0x0305");
        assert_eq!(version(&Version::Tls(0x7f1c)), "TLS 1.3", "a draft");
        assert_eq!(version(&Version::Ssh("2.0".into())), "SSH 2.0");
        assert_eq!(named("key_algorithms", "1.2.3"), "1.2.3");
    }
}
