//! What must never be printed, logged, stored or sent.

use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A password, key or token that crossed the wire.
///
/// It cannot be printed (its `Debug` says only that it is there), has no `Display`, no `Clone` and no serialisation,
/// compares in constant time, and wipes its memory when it goes. It is sized once, so no growing buffer leaves copies.
///
/// ```compile_fail
/// let secret = dissectors::Secret::new(b"password");
/// println!("{secret}");
/// ```
///
/// ```compile_fail
/// let secret = dissectors::Secret::new(b"password");
/// let copy = secret.clone();
/// ```
///
/// ```compile_fail
/// fn can_be_written<T: serde::Serialize>(_: &T) {}
/// can_be_written(&dissectors::Secret::new(b"password"));
/// ```
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes the only copy that the house keeps of some bytes of the wire.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Whether this is `candidate`, in a time that depends on lengths alone.
    pub fn is(&self, candidate: &[u8]) -> bool {
        self.0.ct_eq(candidate).into()
    }

    /// The bytes themselves, for those who judge or hash them on the spot. They are copied nowhere.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is the empty password.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new(b"hunter2");
        let printed = format!("{secret:?} {:?} {:#?}", Some(&secret), [&secret]);
        assert!(!printed.contains("hunter") && !printed.contains('7'), "{printed}");
    }

    #[test]
    fn a_secret_is_compared_whole() {
        let secret = Secret::new(b"hunter2");
        assert!(secret.is(b"hunter2"));
        assert!(!secret.is(b"hunter") && !secret.is(b"hunter22") && !secret.is(b""));
        assert_eq!(secret, Secret::new(b"hunter2"));
        assert!(Secret::new(b"").is_empty());
    }
}
