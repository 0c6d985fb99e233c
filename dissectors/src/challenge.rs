//! What servers of HTTP's kind ask for before they answer, and by which scheme one logs in: nothing that could hold a
//! credential.

use crate::authorization;
use crate::dissector::{Field, Side};
use crate::head::{self, Head, Part};
use crate::login::Login;
use crate::observation::{Outcome, Value};
use crate::out::Out;
use smallvec::SmallVec;
use std::borrow::Cow;

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
        for value in head.values(ASKS) {
            for Challenge { scheme, realm, .. } in challenges(&value) {
                let separator: &[u8] = if schemes.is_empty() { b"" } else { b", " };
                schemes.extend_from_slice(separator);
                schemes.extend(scheme.iter().map(u8::to_ascii_lowercase));
                out.text(side, None, self.realm, &realm.unwrap_or_default());
            }
        }
        out.text(side, None, self.authenticate, &schemes);
    }
}

/// One way of logging in that a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Challenge<'v> {
    /// As it was written.
    scheme: &'v [u8],
    realm: Option<Cow<'v, [u8]>>,
    /// Whether the login before failed by its nonce alone.
    is_stale: bool,
}

/// The challenges in the value of a WWW-Authenticate header, in order. Several may stand in one, and several headers in
/// one answer.
fn challenges(value: &[u8]) -> SmallVec<[Challenge<'_>; 2]> {
    let mut all = SmallVec::<[Challenge<'_>; 2]>::new();
    for part in head::challenges(value) {
        match part {
            Part::Scheme(scheme) if all.len() < MOST_CHALLENGES => {
                all.push(Challenge { scheme, ..Challenge::default() });
            }
            Part::Scheme(_) => break,
            Part::Parameter(name, value) => {
                let Some(challenge) = all.last_mut() else { continue };
                if name.eq_ignore_ascii_case(b"realm") {
                    challenge.realm.get_or_insert(value);
                } else if name.eq_ignore_ascii_case(b"stale") {
                    challenge.is_stale |= value.eq_ignore_ascii_case(b"true");
                }
            }
        }
    }
    all
}

/// What an answer makes of the login in its request. A nonce that has grown old says nothing of the password; who is asked
/// for a login by header has not looked at the one in the address; and a page comes back to who fills in a form, whatever
/// stands in it.
pub(crate) fn outcome(login: &Login, status: u16, answer: &Head<'_>) -> Outcome {
    let is_in_url = login.scheme == "url";
    let outcome = authorization::outcome(status, || {
        answer.values(ASKS).any(|value| challenges(&value).iter().any(|one| one.is_stale || is_in_url))
    });
    if login.scheme == "form" && outcome == Outcome::Accepted { Outcome::Unknown } else { outcome }
}

/// Whether an answer asks for a login by header.
pub(crate) fn is_asked(answer: &Head<'_>) -> bool {
    answer.value(ASKS).is_some()
}

/// The scheme by its name in the list, which is all that is kept: some send a bare secret where the scheme should stand.
fn scheme_of(authorization: &[u8]) -> &'static str {
    let (word, _) = head::split_token(authorization);
    SCHEMES.split(' ').find(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes())).unwrap_or("other")
}

/// The IANA registry of HTTP authentication schemes, and two that are met without being in it.
const SCHEMES: &str = "basic digest bearer negotiate ntlm wsse hoba mutual oauth dpop gnap vapid concealed privatetoken \
    scram-sha-1 scram-sha-256";
const ASKS: &str = "www-authenticate";
const MOST_CHALLENGES: usize = 8;

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

    #[test]
    fn several_challenges_may_stand_in_one_header() {
        let value =
            br#"Digest realm="a, b", nonce="x", qop="auth,auth-int", algorithm=SHA-256, stale=TRUE, Basic realm="c""#;
        let all = challenges(value);
        let [digest, basic] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((digest.scheme, digest.realm.as_deref()), (b"Digest".as_slice(), Some(b"a, b".as_slice())));
        assert!(digest.is_stale && !basic.is_stale);
        assert_eq!((basic.scheme, basic.realm.as_deref()), (b"Basic".as_slice(), Some(b"c".as_slice())));
        assert!(challenges(b"realm=\"nobody's\"").is_empty());
        assert_eq!(challenges("A, ".repeat(99).as_bytes()).len(), 8);
    }
}
