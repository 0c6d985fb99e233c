//! What servers of HTTP's kind offer for a login, and by which scheme one comes: nothing that could hold a credential.

use crate::dissector::{Field, Side};
use crate::head::{self, Head, Part};
use crate::observation::Value;
use crate::out::Out;
use smallvec::SmallVec;

/// Where a protocol tells of its logins.
pub(crate) struct Logins {
    /// By which scheme one comes.
    pub(crate) authorization: &'static Field,
    /// Which schemes are offered.
    pub(crate) authenticate: &'static Field,
    /// What is protected.
    pub(crate) realm: &'static Field,
}

impl Logins {
    /// A request that `side` sent says by which scheme one logs in to whom it asks.
    pub(crate) fn asked(&self, side: Side, head: &Head<'_>, out: &mut Out<'_>) {
        if let Some(authorization) = head.value("authorization") {
            let scheme = scheme_of(&authorization);
            out.attribute(side.other(), None, self.authorization, scheme.as_bytes(), || Value::Text(scheme.into()));
        }
    }

    /// All schemes that a response offers are one value, since that is what a server offers: two values would take turns.
    pub(crate) fn offered(&self, side: Side, head: &Head<'_>, out: &mut Out<'_>) {
        let mut schemes = SmallVec::<[u8; 64]>::new();
        let mut realms = 0;
        for value in head.values("www-authenticate") {
            for part in head::challenges(&value) {
                match part {
                    Part::Scheme(scheme) => {
                        let separator: &[u8] = if schemes.is_empty() { b"" } else { b", " };
                        schemes.extend_from_slice(separator);
                        schemes.extend(scheme.iter().map(u8::to_ascii_lowercase));
                    }
                    Part::Parameter(name, realm) if realms < MOST_REALMS && name.eq_ignore_ascii_case(b"realm") => {
                        realms = realms.saturating_add(1);
                        out.text(side, None, self.realm, &realm);
                    }
                    Part::Parameter(..) => {}
                }
            }
        }
        out.text(side, None, self.authenticate, &schemes);
    }
}

/// The scheme by its name in the list, which is all that is kept: some send a bare secret where the scheme should stand.
fn scheme_of(authorization: &[u8]) -> &'static str {
    let (word, _) = head::split_token(authorization);
    SCHEMES.split(' ').find(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes())).unwrap_or("other")
}

/// The IANA registry of HTTP authentication schemes, and two that are met without being in it.
const SCHEMES: &str = "basic digest bearer negotiate ntlm wsse hoba mutual oauth dpop gnap vapid concealed privatetoken \
    scram-sha-1 scram-sha-256";
const MOST_REALMS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_a_word_of_the_list() {
        assert_eq!(scheme_of(b"Basic YWRtaW46MTIzNA=="), "basic");
        assert_eq!(scheme_of(b"DIGEST username=\"admin\""), "digest");
        assert_eq!(scheme_of(b"SCRAM-SHA-256"), "scram-sha-256");
        for secret in ["YWRtaW46MTIzNA==", "BasicYWRtaW46MTIzNA==", "hunter2 hunter2", "", "basic,digest x"] {
            let expected = if secret.starts_with("basic,") { "basic" } else { "other" };
            assert_eq!(scheme_of(secret.as_bytes()), expected, "{secret}");
        }
    }
}
