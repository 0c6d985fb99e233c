//! Logins of the protocols of mail (SASL, RFC 4422): PLAIN (RFC 4616), LOGIN (never a standard) and CRAM-MD5 (RFC 2195), in
//! base64 line by line. Of all other mechanisms nothing is read.

use crate::authorization::{Credentials, decode};
use crate::dissector::Next;
use crate::head;
use crate::line;
use crate::login::Login;
use crate::observation::{Outcome, Place};
use crate::out::Out;
use crate::proof::{Answering, Challenge, Proof, unhex};
use crate::secret::Secret;
use crate::side::Side;
use crate::upgrade::Upgrade;

/// What the next reply of a server of mail answers.
#[derive(Default)]
pub(crate) enum Asked {
    #[default]
    Other,
    /// A login, which is nothing where it cannot be read, and where it began.
    Login(Option<Login>, Place),
    /// A login of several lines, and where it began.
    Exchange(Exchange, Place),
    /// To go on in TLS.
    Protect,
}

impl Asked {
    /// A login that is whole.
    pub(crate) fn login(credentials: Option<Credentials>, server: Side, place: Place) -> Self {
        Self::Login(credentials.map(|credentials| credentials.login(server)), place)
    }

    /// A login by a mechanism, behind whose name the first answer may stand.
    pub(crate) fn by_mechanism(argument: &[u8], server: Side, place: Place) -> Self {
        let (mechanism, initial) = line::word(argument);
        let mut exchange = Exchange::new(mechanism);
        match (!initial.is_empty()).then(|| exchange.answered(initial)).flatten() {
            Some(credentials) => Self::login(Some(credentials), server, place),
            None => Self::Exchange(exchange, place),
        }
    }

    /// The client sends a line: whether it belongs to a login of several.
    pub(crate) fn takes(&mut self, line: &[u8], server: Side) -> bool {
        let Self::Exchange(exchange, place) = self else { return false };
        let place = *place;
        if let Some(credentials) = exchange.answered(line) {
            *self = Self::login(Some(credentials), server, place);
        }
        true
    }

    /// The server asks for the next line of a login.
    pub(crate) fn challenged(&mut self, text: &[u8]) {
        if let Self::Exchange(exchange, _) = self {
            exchange.challenged(text);
        }
    }

    /// The server of a mailbox accepts it or not. Whoever is let in reads mail, and that is not read here.
    pub(crate) fn decided(self, outcome: Outcome, upgrade: &mut Upgrade, out: &mut Out<'_>) -> Next {
        let is_accepted = outcome == Outcome::Accepted;
        if is_accepted && matches!(self, Self::Protect) {
            upgrade.begin();
        }
        let lets_in = is_accepted && matches!(self, Self::Login(..) | Self::Exchange(..));
        self.ended(outcome, out);
        if lets_in { Next::Enough } else { Next::More }
    }

    /// It is answered, or nobody answers it any more: tells what became of a login.
    pub(crate) fn ended(self, outcome: Outcome, out: &mut Out<'_>) {
        if let Self::Login(Some(login), place) = self {
            out.login(login, outcome, place);
        }
    }
}

/// A login that goes on for some lines.
pub(crate) struct Exchange {
    mechanism: Mechanism,
    /// The last that the server said.
    challenge: Option<Box<[u8]>>,
    username: Option<Box<[u8]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Login,
    CramMd5,
    Other,
}

impl Exchange {
    /// One begins, by the mechanism's name.
    fn new(mechanism: &[u8]) -> Self {
        let mechanism = match mechanism.to_ascii_uppercase().as_slice() {
            b"PLAIN" => Mechanism::Plain,
            b"LOGIN" => Mechanism::Login,
            b"CRAM-MD5" => Mechanism::CramMd5,
            _ => Mechanism::Other,
        };
        Self { mechanism, challenge: None, username: None }
    }

    /// The server says something.
    fn challenged(&mut self, text: &[u8]) {
        self.challenge = decode(text).map(|text| text.as_slice().into());
    }

    /// The client answers; a login, once it is whole.
    fn answered(&mut self, text: &[u8]) -> Option<Credentials> {
        let text = decode(text)?;
        match self.mechanism {
            Mechanism::Plain => {
                let (_acts_as, rest) = head::split_once(&text, 0)?;
                let (username, password) = head::split_once(rest, 0)?;
                Some(credentials("sasl_plain", username, Proof::clear(password)))
            }
            Mechanism::Login => {
                if let Some(username) = self.username.take() {
                    return Some(credentials("sasl_login", &username, Proof::clear(&text)));
                }
                self.username = Some(text.as_slice().into());
                None
            }
            Mechanism::CramMd5 => {
                let (username, digest) = head::split_at_last(&text, b' ')?;
                let proof = challenge(Answering::CramMd5, self.challenge.take()?, digest)?;
                Some(credentials("cram_md5", username, proof))
            }
            Mechanism::Other => None,
        }
    }
}

/// An answer to a challenge, an MD5 in hex.
pub(crate) fn challenge(answering: Answering, challenge: Box<[u8]>, digest: &[u8]) -> Option<Proof> {
    let response = unhex(digest).filter(|response| response.len() == 16)?;
    Some(Proof::Challenge(Box::new(Challenge { answering, challenge, response: Secret::new(&response) })))
}

/// A login by this scheme.
pub(crate) fn credentials(scheme: &'static str, username: &[u8], proof: Proof) -> Credentials {
    Credentials { scheme, username: Some(username.into()), realm: None, proof }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::{BASE64_STANDARD, Engine};

    fn told(exchange: &mut Exchange, text: &str) -> Option<(&'static str, String, Option<bool>)> {
        let found = exchange.answered(BASE64_STANDARD.encode(text).as_bytes())?;
        let name = String::from_utf8_lossy(found.username.as_deref().unwrap_or_default()).into_owned();
        Some((found.scheme, name, found.proof.is_of(b"tanstaaftanstaaf")))
    }

    #[test]
    fn each_mechanism_gives_its_login() {
        let mut plain = Exchange::new(b"plain");
        assert_eq!(told(&mut plain, "\0tim\0tanstaaftanstaaf"), Some(("sasl_plain", "tim".into(), Some(true))));
        let mut login = Exchange::new(b"LOGIN");
        assert_eq!(told(&mut login, "tim"), None);
        assert_eq!(told(&mut login, "tanstaaftanstaaf"), Some(("sasl_login", "tim".into(), Some(true))));
        // RFC 2195, 2.
        let mut cram = Exchange::new(b"CRAM-MD5");
        cram.challenged(b"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+");
        let answer = "tim b913a602c7eda7a495b4e6e7334d3890";
        assert_eq!(told(&mut cram, answer), Some(("cram_md5", "tim".into(), Some(true))));
        assert_eq!(told(&mut cram, answer), None, "the challenge is used up");
        assert_eq!(told(&mut Exchange::new(b"XOAUTH2"), "user=tim"), None);
    }
}
