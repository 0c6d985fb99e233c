//! Candidates held against one proof, as long as there are tries left.

use super::digests::{Digests, KeptHashes};
use dissectors::proof::{Prepared, Proof};

/// Candidates held against one proof, as long as there are tries left.
pub(crate) struct Trial<'t> {
    proof: &'t Proof,
    prepared: Option<Prepared<'t>>,
    /// Made when many candidates are tried at once.
    digests: Option<Digests<'t>>,
    kept: &'t mut KeptHashes,
    left: &'t mut u64,
    /// How many candidates were not tried.
    pub(crate) untried: u64,
}

/// Which of the lists that are the same for many logins, and what else decides of what it consists.
pub(crate) type ListKey<'l> = (u8, &'l str);

impl<'t> Trial<'t> {
    pub(crate) fn new(proof: &'t Proof, kept: &'t mut KeptHashes, left: &'t mut u64) -> Self {
        let prepared = match proof {
            Proof::Digest(digest) => digest.prepare(),
            _ => None,
        };
        Self { proof, prepared, digests: None, kept, left, untried: 0 }
    }

    pub(super) fn proof(&self) -> &'t Proof {
        self.proof
    }

    /// Whether anything can be held against it.
    pub(crate) fn can_be_judged(&self) -> bool {
        self.prepared.is_some() || !matches!(self.proof, Proof::Digest(_)) && self.proof.is_of(b"").is_some()
    }

    /// Whether it is this one. A readable password is compared at once, and costs no try.
    pub(crate) fn is(&mut self, candidate: &[u8]) -> bool {
        self.first(&[candidate], None).is_some()
    }

    /// The place of the first that it is. What was made of a list that is `kept` is used again.
    pub(crate) fn first(&mut self, list: &[impl AsRef<[u8]>], kept: Option<ListKey<'_>>) -> Option<usize> {
        if let Proof::Clear(secret) = self.proof {
            return list.iter().position(|word| secret.is(word.as_ref()));
        }
        let most = usize::try_from(*self.left).unwrap_or(usize::MAX).min(list.len());
        let found = self.find(list, most, kept);
        let tried = found.map_or(most, |place| place + 1);
        *self.left -= tried as u64;
        self.untried += if found.is_some() { 0 } else { (list.len() - most) as u64 };
        found
    }

    fn find(&mut self, list: &[impl AsRef<[u8]>], most: usize, kept: Option<ListKey<'_>>) -> Option<usize> {
        let Some(prepared) = &self.prepared else {
            return list[..most].iter().position(|word| self.proof.is_of(word.as_ref()) == Some(true));
        };
        // One or two are made sooner one by one.
        if most > FEW {
            self.digests = self.digests.take().or_else(|| Digests::of(prepared));
        }
        match &mut self.digests {
            Some(digests) if most > FEW => {
                let kept = kept.map(|key| self.kept.of(key, digests.whose(), list.len()));
                digests.first(list, most, kept)
            }
            _ => list[..most].iter().position(|word| prepared.is_of(word.as_ref())),
        }
    }
}

const FEW: usize = 2;
