//! How one logs in by text: HTTP and RTSP headers, addresses that hold a user and a password, forms, WS-Security tokens.
//!
//! Authorization and WWW-Authenticate are RFC 9110, 11; Basic is RFC 7617, Digest RFC 7616 with the forms of RFC 2617 and
//! RFC 2069, Bearer RFC 6750. Nothing here keeps what it reads: a password goes into a [`Secret`] at once, and what it was
//! decoded into is wiped.
//!
//! **What an answer makes of a login** ([`outcome`]): 401 and 407 refuse it, unless they call the nonce stale, which says
//! that the password may well hold. 2xx and 304 accept it. Anything else proves neither: devices answer 403 to the wrong
//! user, to the right one without the right, and to everybody while they lock him out; they redirect, fail and know no
//! such page before they ask who is there.

use crate::dissector::Side;
use crate::head::{self, Head, Part};
use crate::login::Login;
use crate::observation::Outcome;
use crate::out::Out;
use crate::proof::{Algorithm, Digest, Proof, Protection, Wsse, unhex};
use crate::secret::Secret;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Who logs in, how, and with what.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) scheme: &'static str,
    pub(crate) username: Option<Box<[u8]>>,
    pub(crate) realm: Option<Box<[u8]>>,
    pub(crate) proof: Proof,
}

impl Credentials {
    /// As a login to the host on a side, in clear.
    pub(crate) fn login(self, server: Side) -> Login {
        let Self { scheme, username, realm, proof } = self;
        Login { server, child: None, scheme, username, realm, proof: Arc::new(proof), encrypted: false }
    }

    /// A user and a password, readable.
    fn clear(scheme: &'static str, username: &[u8], password: &[u8]) -> Self {
        Self { scheme, username: Some(username.into()), realm: None, proof: Proof::clear(password) }
    }
}

/// What an answer of this status makes of the login in its request. `is_excused`: it has another reason than the password.
pub(crate) fn outcome(status: u16, is_excused: impl Fn() -> bool) -> Outcome {
    match status {
        UNAUTHORIZED | PROXY_UNAUTHORIZED if is_excused() => Outcome::Unknown,
        UNAUTHORIZED | PROXY_UNAUTHORIZED => Outcome::Rejected,
        200..=299 | NOT_MODIFIED => Outcome::Accepted,
        _ => Outcome::Unknown,
    }
}

/// The login of a request that its answer judges: the one in its head, or else the one in its target. A password in the
/// target beside a login in the head crossed the wire all the same, but nobody says whether it holds: it is told at once.
pub(crate) fn of_request(
    server: Side,
    (method, target): (&[u8], &[u8]),
    head: &Head<'_>,
    has_body: bool,
    out: &mut Out<'_>,
) -> Option<Box<Login>> {
    let header = head.value("authorization").and_then(|value| credentials(&value, method, has_body));
    let (first, second) = match (header, url(target)) {
        (Some(header), in_target) => (header, in_target),
        (None, in_target) => (in_target?, None),
    };
    if let Some(other) = second {
        out.login(other.login(server), Outcome::Unknown, out.place());
    }
    Some(Box::new(first.login(server)))
}

/// The value of an Authorization or Proxy-Authorization header, of a request with this method. `None` of what cannot be
/// read, and of the first messages of an exchange (NTLM, Negotiate), which hold no login yet.
pub(crate) fn credentials(value: &[u8], method: &[u8], has_body: bool) -> Option<Credentials> {
    let (word, after) = head::split_token(value.trim_ascii());
    if word.eq_ignore_ascii_case(b"basic") {
        basic(after)
    } else if word.eq_ignore_ascii_case(b"digest") {
        digest(value, method, has_body)
    } else if word.eq_ignore_ascii_case(b"bearer") {
        Some(Credentials { scheme: "bearer", username: None, realm: None, proof: Proof::Token })
    } else {
        None
    }
}

/// The user ends at the first colon: passwords hold colons, user names do not (RFC 7617, 2).
fn basic(text: &[u8]) -> Option<Credentials> {
    let pair = decode(text)?;
    let (username, password) = head::split_once(&pair, b':')?;
    Some(Credentials::clear("basic", username, password))
}

fn digest(value: &[u8], method: &[u8], has_body: bool) -> Option<Credentials> {
    let mut read = Parameters::default();
    for part in head::challenges(value) {
        if let Part::Parameter(name, value) = part {
            read.take(name, value);
        }
    }
    let (algorithm, is_session) = algorithm(read.algorithm.as_deref())?;
    let is_hashed = read.userhash.is_some_and(|value| value.eq_ignore_ascii_case(b"true"));
    let extended = || extended(read.extended.as_deref()?);
    let username = read.username.map(|name| name.into_owned().into_boxed_slice()).or_else(extended);
    let username = if is_hashed { None } else { Some(username?) };
    let response = unhex(read.response?.trim_ascii()).filter(|response| response.len() == algorithm.length())?;
    let qop = match read.qop.as_deref() {
        None | Some(b"") => Protection::Unsaid,
        Some(qop) if qop.eq_ignore_ascii_case(b"auth") => Protection::Auth,
        Some(qop) if qop.eq_ignore_ascii_case(b"auth-int") && !has_body => Protection::AuthNoBody,
        Some(_) => Protection::AuthBody,
    };
    let realm: Box<[u8]> = read.realm?.into();
    let digest = Digest {
        algorithm,
        is_session,
        username: username.clone(),
        realm: realm.clone(),
        nonce: read.nonce?.into(),
        uri: read.uri?.into(),
        method: method.into(),
        qop,
        count: read.count.unwrap_or_default().into(),
        cnonce: read.cnonce.unwrap_or_default().into(),
        response: Secret::new(&response),
    };
    let proof = Proof::Digest(Box::new(digest));
    Some(Credentials { scheme: algorithm.scheme(), username, realm: Some(realm), proof })
}

/// The parameters of a Digest, or of a challenge.
#[derive(Default)]
struct Parameters<'v> {
    algorithm: Option<Cow<'v, [u8]>>,
    cnonce: Option<Cow<'v, [u8]>>,
    count: Option<Cow<'v, [u8]>>,
    extended: Option<Cow<'v, [u8]>>,
    nonce: Option<Cow<'v, [u8]>>,
    qop: Option<Cow<'v, [u8]>>,
    realm: Option<Cow<'v, [u8]>>,
    response: Option<Cow<'v, [u8]>>,
    uri: Option<Cow<'v, [u8]>>,
    userhash: Option<Cow<'v, [u8]>>,
    username: Option<Cow<'v, [u8]>>,
}

impl<'v> Parameters<'v> {
    fn take(&mut self, name: &[u8], value: Cow<'v, [u8]>) {
        let slots: [(&[u8], _); 11] = [
            (b"algorithm", &mut self.algorithm),
            (b"cnonce", &mut self.cnonce),
            (b"nc", &mut self.count),
            (b"username*", &mut self.extended),
            (b"nonce", &mut self.nonce),
            (b"qop", &mut self.qop),
            (b"realm", &mut self.realm),
            (b"response", &mut self.response),
            (b"uri", &mut self.uri),
            (b"userhash", &mut self.userhash),
            (b"username", &mut self.username),
        ];
        if let Some((_, slot)) = slots.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) {
            slot.get_or_insert(value);
        }
    }
}

/// An algorithm by its name, and whether it is of the kind `-sess`. Where nothing is said it is MD5.
fn algorithm(name: Option<&[u8]>) -> Option<(Algorithm, bool)> {
    let name = name.unwrap_or_default().trim_ascii().to_ascii_uppercase();
    let (name, is_session) = name.strip_suffix(b"-SESS").map_or((name.as_slice(), false), |name| (name, true));
    let algorithm = match name {
        b"" | b"MD5" => Algorithm::Md5,
        b"SHA-256" => Algorithm::Sha256,
        b"SHA-512-256" => Algorithm::Sha512,
        _ => return None,
    };
    Some((algorithm, is_session))
}

/// A value with its character set and language before it: `UTF-8''J%C3%A4s` (RFC 8187, 3.2).
fn extended(value: &[u8]) -> Option<Box<[u8]>> {
    let (_, after) = head::split_once(value, b'\'')?;
    let (_, text) = head::split_once(after, b'\'')?;
    Some(percent_decoded(text).as_slice().into())
}

/// The user and the password in an address, or in its query: `rtsp://user:password@host/`, `/cgi?user=a&pwd=b`, and what
/// some recorders put where a path should stand: `/user=a&password=b&channel=1`, `/user=a_password=b_channel=1`.
pub(crate) fn url(target: &[u8]) -> Option<Credentials> {
    user_information(target).or_else(|| in_query(target))
}

/// RFC 3986, 3.2.1. The last `@` counts, for passwords hold them unescaped. A user alone is no login.
fn user_information(target: &[u8]) -> Option<Credentials> {
    let at = memchr::memmem::find(target, b"://")?;
    let after = target.get(at.saturating_add(3)..)?;
    let end = after.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(after.len());
    let (information, _) = head::split_at_last(after.get(..end)?, b'@')?;
    let (username, password) = head::split_once(information, b':')?;
    Some(Credentials::clear("url", &percent_decoded(username), &percent_decoded(password)))
}

fn in_query(target: &[u8]) -> Option<Credentials> {
    if let Some((_, query)) = head::split_once(target, b'?')
        && let Some(found) = pairs("url", query, b'&')
    {
        return Some(found);
    }
    let segment = memchr::memmem::find(target, b"/user=").and_then(|at| target.get(at.saturating_add(1)..))?;
    pairs("url", segment, b'&').or_else(|| pairs("url", segment, b'_'))
}

/// The user and the password in a form (`application/x-www-form-urlencoded`).
pub(crate) fn form(body: &[u8]) -> Option<Credentials> {
    pairs("form", body, b'&')
}

fn pairs(scheme: &'static str, text: &[u8], separator: u8) -> Option<Credentials> {
    let (mut username, mut password) = (None, None);
    for pair in text.split(|byte| *byte == separator).take(MOST_PAIRS) {
        let Some((name, value)) = head::split_once(pair, b'=') else { continue };
        let is_one_of = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if is_one_of(USER_NAMES) {
            username.get_or_insert(value);
        } else if is_one_of(PASSWORD_NAMES) {
            password.get_or_insert(value);
        }
    }
    Some(Credentials::clear(scheme, &form_decoded(username?), &form_decoded(password?)))
}

/// A WS-Security user name token with a password digest (`UsernameToken` profile 1.1, 3.1): nonce and digest in base64, the
/// time as it is written.
pub(crate) fn token_digest(nonce: &[u8], created: &[u8], digest: &[u8]) -> Option<Proof> {
    let digest = decode(digest).filter(|digest| digest.len() == SHA1_LENGTH)?;
    let nonce = decode(nonce)?.as_slice().into();
    Some(Proof::Wsse(Box::new(Wsse { nonce, created: created.into(), digest: Secret::new(&digest) })))
}

/// Base64, padded or not (RFC 4648, 4), into memory that is wiped.
pub(crate) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim_ascii();
    if text.len() > LONGEST_BASE64 {
        return None;
    }
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let length = BASE64.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// Percent-encoding undone (RFC 3986, 2.1); a percent sign that no two digits follow stands for itself.
fn percent_decoded(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let escaped = after.first_chunk::<2>().filter(|_| *first == b'%').and_then(|digits| unhex(digits));
        if let Some(byte) = escaped.as_ref().and_then(|bytes| bytes.first()) {
            decoded.push(*byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push(*first);
            rest = after;
        }
    }
    decoded
}

/// The same of a form's value, where a plus sign is a blank.
fn form_decoded(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let blanks = Zeroizing::new(text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<_>>());
    percent_decoded(&blanks)
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const UNAUTHORIZED: u16 = 401;
const PROXY_UNAUTHORIZED: u16 = 407;
const NOT_MODIFIED: u16 = 304;
const SHA1_LENGTH: usize = 20;
const LONGEST_BASE64: usize = 8 * 1024;
const MOST_PAIRS: usize = 64;
/// What user names are called in queries and forms of devices.
const USER_NAMES: &[&str] =
    &["user", "username", "usr", "uname", "userid", "user_name", "login", "loginuse", "account", "name", "j_username"];
/// What passwords are called there.
const PASSWORD_NAMES: &[&str] =
    &["password", "passwd", "pwd", "pass", "psw", "passcode", "user_password", "loginpas", "loginpass", "j_password"];

#[cfg(test)]
mod tests;
