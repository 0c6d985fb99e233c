//! Keys in calls that change something: that one crossed the wire is told, never the key.

use crate::soap;
use crate::xml::Element;

/// In a word, what key or passphrase a call holds for everybody to read.
pub(super) fn of(call: Element<'_, '_>) -> Option<&'static str> {
    let holds = |element: Element<'_, '_>| {
        let is_filled = |inner: Element<'_, '_>| inner.text().is_some_and(|text| !text.is_empty());
        is_filled(element) || element.descendants().any(is_filled)
    };
    call.descendants().filter(|element| soap::is_onvif(element.space())).find_map(|element| {
        let (_, what) = KEYS.iter().find(|(name, _)| name.as_bytes() == element.name())?;
        holds(element).then_some(*what)
    })
}

/// Elements of ONVIF's schema and of its Advanced Security service that hold a key. `PSK` is of a wireless network (Core,
/// 8.2.22), the client's secret of an authorization server.
static KEYS: &[(&str, &str)] = &[
    ("PrivateKey", "private key"),
    ("KeyPair", "private key"),
    ("CertWithPrivateKey", "private key"),
    ("Passphrase", "passphrase"),
    ("EncryptionPassphrase", "passphrase"),
    ("IntegrityPassphrase", "passphrase"),
    ("PSK", "wireless key"),
    ("ClientSecret", "client secret"),
];
