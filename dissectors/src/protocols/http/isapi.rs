//! Logins to the web interface and the API of Hikvision's devices: XML at `/ISAPI/Security/sessionLogin`. What is drawn for a
//! session is asked for beforehand; the answer to it is SHA-256, over and over. No standard: as public clients do it.

use super::camera;
use crate::authorization::Credentials;
use crate::observation::Outcome;
use crate::proof::{Answering, Challenge, Proof, unhex};
use crate::protocols::onvif;
use crate::secret::Secret;
use crate::xml::Element;

/// Whether a target is where one logs in, or where one asks what is drawn for that.
pub(super) fn is_login(target: &[u8]) -> bool {
    const LOGIN: &[u8] = b"/isapi/security/sessionlogin";
    let path = camera::parts(target).map(|(path, _)| path.to_ascii_lowercase());
    path.is_some_and(|path| matches!(path.strip_prefix(LOGIN), Some(b"" | b"/capabilities")))
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// What is drawn for a session.
    Drawn(Box<[u8]>, Drawn),
    /// What became of a login.
    Outcome(Outcome),
}

impl Said {
    pub(super) fn by(answer: &[u8]) -> Option<Self> {
        let document = onvif::read(answer);
        let root = document.root()?;
        if root.name() == b"SessionLoginCap" {
            return Some(Self::Drawn(text_of(root, "sessionID")?, Drawn::by(root)?));
        }
        match &*text_of(root, "statusValue")? {
            b"200" => Some(Self::Outcome(Outcome::Accepted)),
            b"401" => Some(Self::Outcome(Outcome::Rejected)),
            _ => None,
        }
    }
}

/// What a device drew for one session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Drawn {
    challenge: Box<[u8]>,
    /// Of the user; devices before it was invented hash the password alone.
    salt: Box<[u8]>,
    second_salt: Box<[u8]>,
    rounds: u16,
}

impl Drawn {
    fn by(root: Element<'_, '_>) -> Option<Self> {
        let text = |name| text_of(root, name).unwrap_or_default();
        let is_salted = &*text("isIrreversible") == b"true";
        Some(Self {
            challenge: text_of(root, "challenge")?,
            salt: if is_salted { text("salt") } else { Box::default() },
            second_salt: if is_salted { text("salt2") } else { Box::default() },
            rounds: std::str::from_utf8(&text("iterations")).ok()?.parse().ok()?,
        })
    }

    /// How it is answered. Nobody asks for more rounds than some hundred, and each costs as much as a password otherwise.
    fn answering(&self) -> Answering {
        const MOST_ROUNDS: u16 = 256;
        let is_usual = (2..=MOST_ROUNDS).contains(&self.rounds);
        if is_usual { Answering::Hikvision { rounds: self.rounds } } else { Answering::Other }
    }
}

/// The login of a request, given what was drawn for its session.
pub(super) fn login<'n>(request: &[u8], drawn: impl FnOnce(&[u8]) -> Option<&'n Drawn>) -> Option<Credentials> {
    let document = onvif::read(request);
    let root = document.root().filter(|root| root.name() == b"SessionLogin")?;
    let drawn = text_of(root, "sessionID").and_then(|session| drawn(&session));
    let user = text_of(root, "userName")?;
    let response = unhex(&text_of(root, "password")?).filter(|response| response.len() == SHA256_LENGTH)?;
    let answering = drawn.map_or(Answering::Other, Drawn::answering);
    let challenge = drawn.map(|Drawn { challenge, salt, second_salt, .. }| {
        [&user[..], &salt[..], &second_salt[..], &challenge[..]].join(&0)
    });
    let challenge =
        Challenge { answering, challenge: challenge.unwrap_or_default().into(), response: Secret::new(&response) };
    let proof = Proof::Challenge(Box::new(challenge));
    Some(Credentials { scheme: "hikvision_sha256", username: Some(user), realm: None, proof })
}

fn text_of(parent: Element<'_, '_>, name: &str) -> Option<Box<[u8]>> {
    let found = parent.children().find(|child| child.name() == name.as_bytes())?;
    Some(found.text()?.into_owned().into())
}

const SHA256_LENGTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: &str = "<?xml version='1.0'?><SessionLoginCap version='2.0' xmlns='http://www.hikvision.com/ver20/XMLSchema'>\
        <sessionID>7f</sessionID><challenge>165528821e</challenge><iterations>100</iterations>\
        <isIrreversible>true</isIrreversible><salt>366e43db</salt></SessionLoginCap>";

    fn asked(password: &str) -> String {
        format!(
            "<SessionLogin><userName>admin</userName><password>{password}</password><sessionID>7f</sessionID></SessionLogin>"
        )
    }

    fn proof(drawn: &str, password: &str) -> Proof {
        let Some(Said::Drawn(session, drawn)) = Said::by(drawn.as_bytes()) else { panic!("it draws") };
        let request = asked(password);
        let of_session = |asked: &[u8]| (asked == &*session).then_some(&drawn);
        login(request.as_bytes(), of_session).expect("a login").proof
    }

    /// Made by Python's hashlib as public clients do it.
    #[test]
    fn answers_are_recomputed() {
        let salted = proof(DRAWN, SALTED);
        assert_eq!([&b"12345abc"[..], b"12345"].map(|password| salted.is_of(password)), [Some(true), Some(false)]);
        let twice = proof(&DRAWN.replace("</salt>", "</salt><salt2>0a0b</salt2>"), TWICE_SALTED);
        assert_eq!([&b"12345abc"[..], b"12345"].map(|password| twice.is_of(password)), [Some(true), Some(false)]);
        let unsalted = proof(&DRAWN.replace("true", "false"), UNSALTED);
        assert_eq!([&b"12345abc"[..], b"12345"].map(|password| unsalted.is_of(password)), [Some(true), Some(false)]);
    }

    #[test]
    fn what_was_not_drawn_here_is_not_judged() {
        let found = login(asked(SALTED).as_bytes(), |_| None).expect("a login");
        assert_eq!((found.username.as_deref(), found.proof.is_of(b"12345abc")), (Some(&b"admin"[..]), None));
        let many = proof(&DRAWN.replace("100", "60000"), SALTED);
        assert_eq!(many.is_of(b"12345abc"), None);
        assert!(login(asked("short").as_bytes(), |_| None).is_none());
    }

    #[test]
    fn targets_and_answers_are_known() {
        assert!(
            is_login(b"/ISAPI/Security/sessionLogin?timeStamp=1")
                && is_login(b"/ISAPI/Security/sessionLogin/capabilities?username=a")
        );
        assert!(!is_login(b"/ISAPI/Security/sessionLogout") && !is_login(b"/"));
        let answer = |status| format!("<SessionLogin><statusValue>{status}</statusValue></SessionLogin>");
        assert_eq!(Said::by(answer("200").as_bytes()), Some(Said::Outcome(Outcome::Accepted)));
        assert_eq!(Said::by(answer("401").as_bytes()), Some(Said::Outcome(Outcome::Rejected)));
        assert_eq!(Said::by(b"{}"), None);
    }

    const SALTED: &str = "4dd5ae7b85a9ed559d9d071aaa3bd176742027e4750d7bdd3eb00adc198e2f1d";
    const TWICE_SALTED: &str = "7d6578ca8aa827165ca1e54da513854fb9de7dddf1b738631b3a603ffe07b2c7";
    const UNSALTED: &str = "11513068d7fec54d96e815d719a4829b3bae92afc00dd2ad4d8933ff009a0f5f";
}
