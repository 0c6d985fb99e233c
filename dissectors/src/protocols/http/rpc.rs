//! Logins to the web interface of Dahua's cameras and recorders: JSON at `/RPC2_Login`. The first request asks for a challenge;
//! the second answers it, with MD5 over what was drawn, the realm and the password. No standard: as public clients do it.

use super::camera::json;
use crate::authorization::Credentials;
use crate::head;
use crate::observation::Outcome;
use crate::proof::{Answering, Challenge, Proof, unhex};
use crate::secret::Secret;

/// Whether a target is where one logs in.
pub(super) fn is_login(target: &[u8]) -> bool {
    head::path(target).is_some_and(|path| path.eq_ignore_ascii_case(b"/RPC2_Login"))
}

/// What a server drew for one session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    realm: Box<[u8]>,
    random: Box<[u8]>,
}

impl Drawn {
    /// The challenge in an answer.
    pub(super) fn of(answer: &[u8]) -> Option<Self> {
        Some(Self { realm: json(answer, "realm")?.into(), random: json(answer, "random")?.into() })
    }

    /// The realm, in which the device's serial number stands.
    pub(super) fn realm(&self) -> &[u8] {
        &self.realm
    }
}

/// What stands for a conversation over several connections: of a request and of its answer it is the same.
pub(super) fn session(body: &[u8]) -> Option<&[u8]> {
    json(body, "session")
}

/// What an answer says of the login.
pub(super) fn outcome(answer: &[u8]) -> Option<Outcome> {
    match json(answer, "result")? {
        b"true" => Some(Outcome::Accepted),
        b"false" => Some(Outcome::Rejected),
        _ => None,
    }
}

/// The login of a request, given what was drawn for it. The one that asks for a challenge has no password.
pub(super) fn login(request: &[u8], drawn: Option<&Drawn>) -> Option<Credentials> {
    let user = json(request, "userName")?;
    let response = unhex(json(request, "password")?).filter(|response| response.len() == MD5_LENGTH)?;
    let is_usual = json(request, "passwordType").is_none_or(|kind| kind == b"Default");
    let (answering, challenge) = match drawn.filter(|_| is_usual) {
        Some(Drawn { realm, random }) => (Answering::Dahua, [realm, &b"\0"[..], random, b"\0", user].concat()),
        None => (Answering::Other, Vec::new()),
    };
    let challenge = Challenge { answering, challenge: challenge.into(), response: Secret::new(&response) };
    Some(Credentials {
        scheme: "dahua_md5",
        username: Some(user.into()),
        realm: drawn.map(|drawn| drawn.realm.clone()),
        proof: Proof::Challenge(Box::new(challenge)),
    })
}

const MD5_LENGTH: usize = 16;
