//! What a login shows to prove that it knows a password, and how a candidate is held against it.
//!
//! Only the arithmetic stands here. Which candidates are worth a try, and what a match means, stands in the crate above.

mod digest;

use crate::secret::Secret;
use des::Des;
use des::cipher::BlockCipherEncrypt;
pub use digest::{Digest, Prepared, Protection};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest as Hash;
use sha2::{Sha256, Sha512_256};
use std::fmt;
use zeroize::Zeroizing;

/// How a login proved itself, or tried to.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// The password itself.
    Clear(Secret),
    /// The Digest of HTTP, RTSP and SIP (RFC 2069, 2617, 7616).
    Digest(Box<Digest>),
    /// The password digest of a WS-Security user name token (`UsernameToken` profile 1.1, 3.1).
    Wsse(Box<Wsse>),
    /// An answer to a challenge.
    Challenge(Box<Challenge>),
    /// What stands for a login made before, readable to all (a bearer token, a session's cookie): it is not kept.
    Token,
    /// Nothing of it can be read: a ticket, a certificate, a message of an exchange that hides all.
    Hidden,
}

/// How much of a password those who listened have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exposure {
    /// It, or what is as good as it.
    Cleartext,
    /// A hash of it, to be cracked off line.
    Hash,
    /// An answer to a challenge, to be cracked off line.
    Challenge,
}

impl Exposure {
    /// As the tables write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cleartext => "cleartext",
            Self::Hash => "hash",
            Self::Challenge => "challenge",
        }
    }
}

impl Proof {
    /// Some bytes of the wire that are a password.
    pub fn clear(password: &[u8]) -> Self {
        Self::Clear(Secret::new(password))
    }

    /// What those who listened have.
    pub fn exposure(&self) -> Option<Exposure> {
        match self {
            Self::Clear(_) | Self::Token => Some(Exposure::Cleartext),
            Self::Digest(_) | Self::Wsse(_) => Some(Exposure::Hash),
            Self::Challenge(_) => Some(Exposure::Challenge),
            Self::Hidden => None,
        }
    }

    /// Whether `candidate` is the password that was proved; `None` where nobody can say.
    pub fn is_of(&self, candidate: &[u8]) -> Option<bool> {
        match self {
            Self::Clear(secret) => Some(secret.is(candidate)),
            Self::Digest(digest) => digest.is_of(candidate),
            Self::Wsse(wsse) => Some(wsse.is_of(candidate)),
            Self::Challenge(challenge) => challenge.is_of(candidate),
            Self::Token | Self::Hidden => None,
        }
    }
}

/// The hash function of a Digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5, also where nothing is said.
    Md5,
    /// SHA-256 (RFC 7616).
    Sha256,
    /// SHA-512/256 (RFC 7616).
    Sha512,
}

impl Algorithm {
    /// The name of the scheme in the tables.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Md5 => "digest_md5",
            Self::Sha256 => "digest_sha256",
            Self::Sha512 => "digest_sha512_256",
        }
    }

    /// How many bytes a response has.
    pub const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha256 | Self::Sha512 => 32,
        }
    }

    /// The hash of some parts with colons between them.
    fn hash(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Md5 => joined::<Md5>(parts, b":"),
            Self::Sha256 => joined::<Sha256>(parts, b":"),
            Self::Sha512 => joined::<Sha512_256>(parts, b":"),
        }
    }

    /// The hash of some parts with nothing between them.
    fn hash_of(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Md5 => joined::<Md5>(parts, b""),
            Self::Sha256 => joined::<Sha256>(parts, b""),
            Self::Sha512 => joined::<Sha512_256>(parts, b""),
        }
    }
}

fn joined<H: Hash>(parts: &[&[u8]], between: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut hash = H::new();
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            hash.update(between);
        }
        hash.update(part);
    }
    Zeroizing::new(hash.finalize().to_vec())
}

/// A WS-Security password digest: SHA-1 over nonce, time and password.
#[derive(PartialEq, Eq)]
pub struct Wsse {
    /// The nonce, decoded.
    pub nonce: Box<[u8]>,
    /// When the token was made, as it was written.
    pub created: Box<[u8]>,
    /// The digest, decoded.
    pub digest: Secret,
}

impl Wsse {
    fn is_of(&self, candidate: &[u8]) -> bool {
        let hash = Sha1::new().chain_update(&self.nonce).chain_update(&self.created).chain_update(candidate);
        self.digest.is(&Zeroizing::new(hash.finalize().to_vec()))
    }
}

impl fmt::Debug for Wsse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wsse(..)")
    }
}

/// How an answer is made of a challenge and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answering {
    /// HMAC-MD5 of the challenge under the password (RFC 2195).
    CramMd5,
    /// MD5 of the challenge and then the password (RFC 1939, 7).
    Apop,
    /// DES of the challenge, both halves, under the password's first eight characters (RFC 6143, 7.2.2), whose bits stand
    /// the other way round in each.
    Vnc,
    /// MD5 of the user, what the camera drew, and an MD5 of user, realm and password, both in capital letters (Dahua's web
    /// interface). The challenge is the realm, what was drawn and the user, a zero behind each of the first two.
    Dahua,
    /// SHA-256 in hex, over and over (Hikvision's web interface): of the user, a salt and the password, or of the password
    /// alone; of the user, a second salt and that, if there is one; of that and what was drawn; and then of itself. The
    /// challenge is the user, the salts and what was drawn, a zero behind each of the first three.
    Hikvision {
        /// How often all of it is hashed, as the device says: the last of them count from what was drawn.
        rounds: u16,
    },
    /// Another way. Not recomputed.
    Other,
}

/// A challenge and its answer.
#[derive(PartialEq, Eq)]
pub struct Challenge {
    /// How it is answered.
    pub answering: Answering,
    /// The challenge as it is hashed.
    pub challenge: Box<[u8]>,
    /// The answer, as bytes.
    pub response: Secret,
}

impl Challenge {
    fn is_of(&self, candidate: &[u8]) -> Option<bool> {
        match self.answering {
            Answering::CramMd5 => {
                let mac = Hmac::<Md5>::new_from_slice(candidate).ok()?.chain_update(&self.challenge);
                Some(self.response.is(&Zeroizing::new(mac.finalize().into_bytes().to_vec())))
            }
            Answering::Apop => {
                let hash = Md5::new().chain_update(&self.challenge).chain_update(candidate);
                Some(self.response.is(&Zeroizing::new(hash.finalize().to_vec())))
            }
            Answering::Dahua => {
                let [realm, drawn, user] =
                    self.challenge.splitn(3, |byte| *byte == 0).collect::<Vec<_>>().try_into().ok()?;
                let capitals = |parts: &[&[u8]]| Zeroizing::new(hex(&joined::<Md5>(parts, b":")).to_ascii_uppercase());
                let secret = capitals(&[user, realm, candidate]);
                Some(self.response.is(&joined::<Md5>(&[user, drawn, &secret], b":")))
            }
            Answering::Hikvision { rounds } => {
                let parts = self.challenge.splitn(4, |byte| *byte == 0).collect::<Vec<_>>();
                let [user, salt, second, drawn] = parts.try_into().ok()?;
                let hashed = |parts: &[&[u8]]| {
                    let hash = parts.iter().fold(Sha256::new(), Hash::chain_update);
                    hex(&Zeroizing::new(hash.finalize().to_vec()))
                };
                let mut text = if salt.is_empty() { hashed(&[candidate]) } else { hashed(&[user, salt, candidate]) };
                if !second.is_empty() {
                    text = hashed(&[user, second, &text]);
                }
                text = hashed(&[&text, drawn]);
                for _ in 2..rounds {
                    text = hashed(&[&text]);
                }
                let answer = unhex(&text)?;
                Some(self.response.is(&answer))
            }
            Answering::Vnc => {
                let mut key = Zeroizing::new([0; 8]);
                key.iter_mut().zip(candidate).for_each(|(bits, letter)| *bits = letter.reverse_bits());
                let cipher = Des::new_from_slice(&*key).ok()?;
                let mut answer = Zeroizing::new(self.challenge.to_vec());
                for half in answer.chunks_exact_mut(8) {
                    cipher.encrypt_block(half.try_into().ok()?);
                }
                Some(self.response.is(&answer))
            }
            Answering::Other => None,
        }
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Challenge({:?}, ..)", self.answering)
    }
}

/// Bytes in lower-case hex, as digests are hashed again.
fn hex(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).and_then(|digit| u8::try_from(digit).ok());
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len().saturating_mul(2)));
    text.extend(bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).filter_map(digit));
    text
}

/// The bytes that hex digits of either case stand for; `None` of anything else.
pub(crate) fn unhex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |letter: &u8| char::from(*letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len().div_ceil(2)));
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    Some(bytes)
}

/// An MD5 in hex, for tests of those who read digests.
#[cfg(test)]
pub(crate) fn hex_of_md5(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&hex(&Algorithm::Md5.hash(&[bytes]))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::{BASE64_STANDARD as STANDARD, Engine};

    fn digest(algorithm: Algorithm, qop: Protection, response: &str) -> Digest {
        Digest {
            algorithm,
            is_session: false,
            username: Some((*b"Mufasa").into()),
            realm: (*b"http-auth@example.org").into(),
            nonce: (*b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v").into(),
            uri: (*b"/dir/index.html").into(),
            method: (*b"GET").into(),
            qop,
            count: (*b"00000001").into(),
            cnonce: (*b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ").into(),
            response: Secret::new(&unhex(response.as_bytes()).expect("hex")),
        }
    }

    fn only_of(proof: &Proof, password: &[u8]) {
        assert_eq!(proof.is_of(password), Some(true), "{proof:?}");
        for other in [b"".as_slice(), b"x", &password[1..], &[password, b" "].concat()] {
            assert_eq!(proof.is_of(other), Some(false), "{proof:?}");
        }
    }

    /// RFC 7616, 3.9.1; its SHA-256 example likewise.
    #[test]
    fn the_examples_of_rfc_7616_are_recomputed() {
        for (algorithm, response) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            only_of(&Proof::Digest(Box::new(digest(algorithm, Protection::Auth, response))), b"Circle of Life");
        }
    }

    /// RFC 2617, 3.5.
    #[test]
    fn the_example_of_rfc_2617_is_recomputed() {
        let digest = Digest {
            realm: (*b"testrealm@host.com").into(),
            nonce: (*b"dcd98b7102dd2f0e8b11d0f600bfb0c093").into(),
            cnonce: (*b"0a4f113b").into(),
            ..digest(Algorithm::Md5, Protection::Auth, "6629fae49393a05397450978507c4ef1")
        };
        only_of(&Proof::Digest(Box::new(digest)), b"Circle Of Life");
    }

    /// RFC 2069, 2.4, whose printed response is wrong; this is the one of its erratum 749.
    #[test]
    fn the_example_of_rfc_2069_is_recomputed() {
        let digest = Digest {
            realm: (*b"testrealm@host.com").into(),
            nonce: (*b"dcd98b7102dd2f0e8b11d0f600bfb0c093").into(),
            ..digest(Algorithm::Md5, Protection::Unsaid, "1949323746fe6a43ef61f9606e7febea")
        };
        only_of(&Proof::Digest(Box::new(digest)), b"CircleOfLife");
    }

    #[test]
    fn what_was_hashed_with_what_nobody_kept_is_not_tried() {
        let with = |change: fn(&mut Digest)| {
            let mut digest = digest(Algorithm::Md5, Protection::Auth, "8ca523f5e9506fed4657c9700eebdbec");
            change(&mut digest);
            Proof::Digest(Box::new(digest)).is_of(b"Circle of Life")
        };
        assert_eq!(with(|_| {}), Some(true));
        assert_eq!(with(|digest| digest.qop = Protection::AuthBody), None);
        assert_eq!(with(|digest| digest.username = None), None);
        assert_eq!(with(|digest| digest.is_session = true), Some(false));
        assert_eq!(with(|digest| digest.qop = Protection::AuthNoBody), Some(false));
        assert_eq!((Proof::Token.is_of(b""), Proof::Hidden.is_of(b"")), (None, None));
    }

    /// Made with Python's hashlib from the rules of RFC 7616, 3.4.
    #[test]
    fn sessions_and_integrity_are_recomputed() {
        for (algorithm, is_session, qop, response) in [
            (Algorithm::Md5, true, Protection::Auth, MD5_SESSION),
            (Algorithm::Sha256, true, Protection::Auth, SHA256_SESSION),
            (Algorithm::Md5, false, Protection::AuthNoBody, MD5_INTEGRITY),
            (Algorithm::Sha512, false, Protection::Auth, SHA512_AUTH),
        ] {
            let digest = Digest { is_session, ..digest(algorithm, qop, response) };
            only_of(&Proof::Digest(Box::new(digest)), b"Circle of Life");
        }
    }

    /// ONVIF Application Programmer's Guide 1.0, 6.1.1.3.
    #[test]
    fn the_example_of_the_onvif_guide_is_recomputed() {
        let decoded = |text: &str| STANDARD.decode(text).expect("base64");
        let wsse = Wsse {
            nonce: decoded("LKqI6G/AikKCQrN0zqZFlg==").into(),
            created: (*b"2010-09-16T07:50:45Z").into(),
            digest: Secret::new(&decoded("tuOSpGlFlIXsozq4HFNeeGeFLEI=")),
        };
        only_of(&Proof::Wsse(Box::new(wsse)), b"userpassword");
    }

    /// RFC 2195, 2 and RFC 1939, 7.
    #[test]
    fn challenges_are_answered_as_their_standards_show() {
        for (answering, challenge, password, response) in [
            (
                Answering::CramMd5,
                "<1896.697170952@postoffice.reston.mci.net>",
                "tanstaaftanstaaf",
                "b913a602c7eda7a495b4e6e7334d3890",
            ),
            (Answering::Apop, "<1896.697170952@dbc.mtview.ca.us>", "tanstaaf", "c4c9334bac560ecc979e58001b3e22fb"),
        ] {
            let response = Secret::new(&unhex(response.as_bytes()).expect("hex"));
            let challenge = Challenge { answering, challenge: challenge.as_bytes().into(), response };
            only_of(&Proof::Challenge(Box::new(challenge)), password.as_bytes());
        }
    }

    /// By Python's cryptography and by openssl: `des-ecb` under the letters with their bits turned round. Only eight count.
    #[test]
    fn screens_take_the_first_eight_letters() {
        let proof = |response: &str| {
            let response = Secret::new(&unhex(response.as_bytes()).expect("hex"));
            let challenge = Challenge { answering: Answering::Vnc, challenge: (*b"0123456789abcdef").into(), response };
            Proof::Challenge(Box::new(challenge))
        };
        let eight = proof("6d55e470e902f7543356ff7d467a1d97");
        assert_eq!(
            (eight.is_of(b"panel-7x"), eight.is_of(b"panel-7xyz"), eight.is_of(b"panel-7")),
            (Some(true), Some(true), Some(false))
        );
        only_of(&proof("4c942c3269c64ffdbd8f3ea87862a4d2"), b"panel-7");
    }

    #[test]
    fn a_proof_is_never_printed() {
        let digest = digest(Algorithm::Md5, Protection::Auth, "8ca523f5e9506fed4657c9700eebdbec");
        let printed = format!("{:?} {:?}", Proof::Digest(Box::new(digest)), Proof::clear(b"Circle of Life"));
        assert!(!printed.contains("Circle") && !printed.contains("8ca5") && !printed.contains("7ypf"), "{printed}");
    }

    #[test]
    fn hex_comes_in_pairs_of_digits() {
        assert_eq!(unhex(b"00fFa1").as_deref().map(Vec::as_slice), Some([0, 255, 161].as_slice()));
        assert!(unhex(b"0").is_none() && unhex(b"0g").is_none() && unhex(b"+1").is_none());
    }

    const MD5_SESSION: &str = "e783283f46242139c486a698fec7211d";
    const SHA256_SESSION: &str = "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7";
    const MD5_INTEGRITY: &str = "8804a53d3640a40a4f73cea12c5ba451";
    const SHA512_AUTH: &str = "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0";
}
