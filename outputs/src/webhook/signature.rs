//! Standard Webhooks 1.0.0 (standardwebhooks.com, "Verifying webhook authenticity"): who receives knows who sent, that it is
//! whole, and when it was sent. Symmetric keys alone; what is signed is `ID.TIMESTAMP.BODY`.

use base64::prelude::{BASE64_STANDARD, Engine};
use dissectors::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What every secret of the scheme begins with; it is no part of the key.
const MARK: &str = "whsec_";
/// The lengths that the specification asks for.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The key of a secret as people write it: `whsec_` and base64.
///
/// Says what is wrong with it, and never what stands there.
pub(super) fn key(text: &[u8]) -> Result<Secret, &'static str> {
    let text = text.trim_ascii();
    let encoded = text.strip_prefix(MARK.as_bytes()).unwrap_or(text);
    let wrong = "a secret is `whsec_` and base64 of 24 to 64 random bytes, as `openssl rand -base64 32` makes them";
    let key = BASE64_STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| wrong)?;
    if LENGTHS.contains(&key.len()) { Ok(Secret::new(&key)) } else { Err(wrong) }
}

/// The value of `webhook-signature`: one signature for each secret that holds, with a space between them.
pub(super) fn sign(keys: &[Secret], id: &str, seconds: i64, body: &[u8]) -> String {
    let signatures = keys.iter().filter_map(|key| {
        // A key of any length is one (RFC 2104, section 2).
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's own libraries test with.
    const SECRET: &[u8] = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_example_has_the_published_signature() {
        assert_eq!(sign(&[key(SECRET).unwrap()], ID, 1_614_265_330, BODY), SIGNATURE);
    }

    #[test]
    fn while_a_secret_is_changed_both_sign() {
        let other = key(b"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
        let both = sign(&[other, key(SECRET).unwrap()], ID, 1_614_265_330, BODY);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, SIGNATURE);
        assert_ne!(first, SIGNATURE);
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        for wrong in [&b""[..], b"whsec_", b"password", b"whsec_c2hvcnQ=", b"whsec_!!!!"] {
            let error = key(wrong).unwrap_err();
            assert!(!error.contains("password") && !error.contains("c2hvcnQ"), "{error}");
        }
    }
}
