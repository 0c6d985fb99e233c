//! Many candidates held against one Digest (RFC 2069, 2617, 7616) at once, where its hash is MD5.
//!
//! Most of the work depends on the password alone, the user and the realm: it is kept for an hour of packet time, so that
//! the devices of one maker, whose realms are alike, share it.

use super::lanes::{BLOCK, Hashes, LANES, START, Words, add, alike, of_hex};
use dissectors::Timestamp;
use dissectors::proof::{Algorithm, Prepared};
use fearless_simd::Level;
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// A Digest by MD5, and what is the same of it whatever the password.
pub(super) struct Digests<'p> {
    level: Level,
    user: &'p [u8],
    realm: &'p [u8],
    front: Front,
    /// What is hashed behind a hash, by and by.
    behind: Vec<Vec<[u32; BLOCK]>>,
    wanted: Zeroizing<[u32; 4]>,
    /// The hashes in work.
    hashes: Zeroizing<Hashes>,
}

impl<'p> Digests<'p> {
    /// `None` of another hash.
    pub(super) fn of(prepared: &Prepared<'p>) -> Option<Self> {
        let digest = prepared.digest();
        let response = digest.response.expose();
        if digest.algorithm != Algorithm::Md5 || response.len() != Algorithm::Md5.length() {
            return None;
        }
        let level = Level::new();
        let mut wanted = Zeroizing::new([0; 4]);
        for (word, bytes) in wanted.iter_mut().zip(words(response)) {
            *word = bytes;
        }
        let behind = prepared.session().into_iter().chain([prepared.rest()]).map(behind_hex).collect();
        let (user, realm) = (prepared.username(), &*digest.realm);
        let front = Front::of(level, &[user, b":", realm, b":"].concat());
        Some(Self { level, user, realm, front, behind, wanted, hashes: Zeroizing::new(alike(START)) })
    }

    /// The place of the password that it proves, among the first `most` of a list.
    pub(super) fn first(
        &mut self,
        list: &[impl AsRef<[u8]>],
        most: usize,
        mut kept: Option<&mut Kept>,
    ) -> Option<usize> {
        for (place, batch) in list.chunks(LANES).enumerate().take(most.div_ceil(LANES)) {
            match kept.as_deref_mut() {
                Some(kept) => *self.hashes = *kept.of(place, |hashes| self.front.hash(self.level, batch, hashes)),
                None => self.front.hash(self.level, batch, &mut self.hashes),
            }
            for behind in &self.behind {
                of_hex(self.level, &mut self.hashes, behind);
            }
            let is_it = |lane: &usize| self.hashes.iter().zip(*self.wanted).all(|(words, word)| words[*lane] == word);
            let found = (0..batch.len().min(most - place * LANES)).find(is_it);
            if let Some(lane) = found {
                return Some(place * LANES + lane);
            }
        }
        None
    }

    /// Of whom the hashes of a list may be kept.
    pub(super) fn whose(&self) -> (&'p [u8], &'p [u8]) {
        (self.user, self.realm)
    }
}

/// What stands before every candidate.
struct Front {
    /// Its whole blocks, hashed.
    hashes: Hashes,
    /// How many bytes they were.
    whole: usize,
    /// What is left of it.
    rest: Vec<u8>,
    /// It and a candidate, padded; and those of all lanes, word by word.
    text: Zeroizing<Vec<u8>>,
    blocks: Zeroizing<Vec<[Words; BLOCK]>>,
}

impl Front {
    fn of(level: Level, text: &[u8]) -> Self {
        let (blocks, rest) = text.split_at(text.len() / BLOCK_BYTES * BLOCK_BYTES);
        let mut hashes = alike(START);
        for block in blocks.chunks(BLOCK_BYTES) {
            let mut all = [[0; LANES]; BLOCK];
            for (words, word) in all.iter_mut().zip(words(block)) {
                *words = [word; LANES];
            }
            add(level, &mut hashes, &all);
        }
        let (text, rest) = (Zeroizing::default(), rest.to_vec());
        Self { hashes, whole: blocks.len(), rest, text, blocks: Zeroizing::default() }
    }

    /// The hashes of as many candidates as there are lanes.
    fn hash(&mut self, level: Level, batch: &[impl AsRef<[u8]>], hashes: &mut Hashes) {
        let before = self.rest.len();
        let blocks = |word: &[u8]| (before + word.len() + END).div_ceil(BLOCK_BYTES);
        let most = batch.iter().map(|word| blocks(word.as_ref())).max().unwrap_or(0);
        self.make_room(most);
        for (lane, word) in batch.iter().map(AsRef::as_ref).enumerate() {
            let length = before + word.len();
            let own = &mut self.text[..blocks(word) * BLOCK_BYTES];
            own[before..length].copy_from_slice(word);
            own[length..].fill(0);
            end(own, length, self.whole + length);
            for (block, bytes) in self.blocks.iter_mut().zip(own.chunks(BLOCK_BYTES)) {
                block.iter_mut().zip(words(bytes)).for_each(|(words, word)| words[lane] = word);
            }
        }
        let mut state = Zeroizing::new(self.hashes);
        for (place, block) in self.blocks.iter().take(most).enumerate() {
            add(level, &mut state, block);
            // Longer ones go on; what becomes of this lane then is nobody's.
            let ends = |word: &[u8]| blocks(word) == place + 1;
            for lane in (0..batch.len()).filter(|lane| ends(batch[*lane].as_ref())) {
                hashes.iter_mut().zip(&*state).for_each(|(words, state)| words[lane] = state[lane]);
            }
        }
    }

    /// For texts of so many blocks. What grew by itself would leave copies behind.
    fn make_room(&mut self, blocks: usize) {
        if self.blocks.len() < blocks {
            self.blocks = Zeroizing::new(vec![[[0; LANES]; BLOCK]; blocks]);
            self.text = Zeroizing::new(vec![0; blocks * BLOCK_BYTES]);
            self.text[..self.rest.len()].copy_from_slice(&self.rest);
        }
    }
}

/// What follows a hash in hex, padded: the letters of the hash themselves are left open.
fn behind_hex(text: &[u8]) -> Vec<[u32; BLOCK]> {
    let length = 2 * Algorithm::Md5.length() + text.len();
    let mut bytes = Zeroizing::new(vec![0; (length + END).div_ceil(BLOCK_BYTES) * BLOCK_BYTES]);
    bytes[length - text.len()..length].copy_from_slice(text);
    end(&mut bytes, length, length);
    bytes.chunks(BLOCK_BYTES).map(|block| std::array::from_fn(|place| words(block).nth(place).unwrap_or(0))).collect()
}

/// Ends a text of some bytes, the last of so many in all (RFC 1321, 3.1 and 3.2).
fn end(text: &mut [u8], length: usize, all: usize) {
    text[length] = 0x80;
    let bits = (all as u64).wrapping_mul(8);
    if let Some(last) = text.last_chunk_mut() {
        *last = bits.to_le_bytes();
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word))
}

const BLOCK_BYTES: usize = 4 * BLOCK;
/// A one, and the length.
const END: usize = 9;

/// Hashes of the candidates of a list with one user and realm, as far as they were made.
pub(super) struct Kept(Zeroizing<Vec<Hashes>>);

impl Kept {
    /// Of a list of so many. It never grows, so that it leaves no copy behind.
    fn within(candidates: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(candidates.div_ceil(LANES))))
    }

    /// Those of a batch: batches come one after the other.
    fn of(&mut self, place: usize, make: impl FnOnce(&mut Hashes)) -> &Hashes {
        if place >= self.0.len() {
            let mut hashes = Zeroizing::new([[0; LANES]; 4]);
            make(&mut hashes);
            self.0.push(*hashes);
        }
        &self.0[place]
    }
}

/// Which list, of which user name as it is told, and of which user and realm as they are hashed.
#[derive(PartialEq, Eq)]
struct KeptKey {
    list: (u8, Box<str>),
    user: Box<[u8]>,
    realm: Box<[u8]>,
}

/// What was hashed this hour.
#[derive(Default)]
pub(crate) struct KeptHashes {
    hour: Timestamp,
    all: VecDeque<(KeptKey, Kept)>,
}

impl KeptHashes {
    /// Some 20 KB each. A site has few realms, or one for each device: then they are no use.
    const MOST: usize = 32;

    /// What is kept of a list, if anything.
    pub(super) fn of(&mut self, list: (u8, &str), (user, realm): (&[u8], &[u8]), candidates: usize) -> &mut Kept {
        let is_it = |(key, _): &(KeptKey, Kept)| {
            (key.list.0, &*key.list.1, &*key.user, &*key.realm) == (list.0, list.1, user, realm)
        };
        let place = self.all.iter().position(is_it).unwrap_or_else(|| {
            if self.all.len() >= Self::MOST {
                self.all.pop_front();
            }
            let key = KeptKey { list: (list.0, list.1.into()), user: user.into(), realm: realm.into() };
            self.all.push_back((key, Kept::within(candidates)));
            self.all.len() - 1
        });
        &mut self.all[place].1
    }

    /// Packet time has come so far: what an hour gathered is wiped at its end.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        if self.hour != now.hour() {
            self.hour = now.hour();
            self.clear();
        }
    }

    /// All of it is wiped.
    pub(crate) fn clear(&mut self) {
        self.all.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Trial;
    use dissectors::Secret;
    use dissectors::proof::{Digest, Proof, Protection};
    use proptest::prelude::*;

    fn digest() -> impl Strategy<Value = Digest> {
        let text = || prop::collection::vec(1u8..255, 0..90).prop_map(Vec::into_boxed_slice);
        let qop = prop::sample::select(vec![Protection::Unsaid, Protection::Auth, Protection::AuthNoBody]);
        let how = (any::<bool>(), qop);
        (how, text(), text(), text(), text(), text()).prop_map(
            |((is_session, qop), user, realm, nonce, uri, cnonce)| Digest {
                algorithm: Algorithm::Md5,
                is_session,
                username: Some(user),
                realm,
                nonce,
                uri,
                method: (*b"PLAY").into(),
                qop,
                count: (*b"00000001").into(),
                cnonce,
                response: Secret::new(&[0; 16]),
            },
        )
    }

    /// With the response that this password gives, by the primitive alone.
    fn answered(mut digest: Digest, password: &[u8]) -> Digest {
        use md5::{Digest as _, Md5};
        let hash = |parts: &[&[u8]]| dissectors::hex(&Md5::digest(parts.join(&b':'))).as_bytes().to_vec();
        let mut secret = hash(&[digest.username.as_deref().unwrap_or_default(), &digest.realm, password]);
        if digest.is_session {
            secret = hash(&[&secret, &digest.nonce, &digest.cnonce]);
        }
        let (qop, target): (&[u8], _) = match digest.qop {
            Protection::AuthNoBody => (b"auth-int", hash(&[&digest.method, &digest.uri, &hash(&[b""])])),
            _ => (b"auth", hash(&[&digest.method, &digest.uri])),
        };
        let text = match digest.qop {
            Protection::Unsaid => [&secret, &*digest.nonce, &target].join(&b':'),
            _ => [&secret, &*digest.nonce, &digest.count, &digest.cnonce, qop, &target].join(&b':'),
        };
        digest.response = Secret::new(&Md5::digest(text));
        digest
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_password_is_found_in_its_place_and_no_other(
            digest in digest(),
            words in prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..150), 3..60),
            at in any::<prop::sample::Index>(),
            left in 0u64..80,
        ) {
            let words: Vec<Vec<u8>> = words.into_iter().collect();
            let at = at.index(words.len());
            let proof = Proof::Digest(Box::new(answered(digest, &words[at])));
            let mut kept = KeptHashes::default();
            // What was hashed the first time is used the second time.
            for list in [Some((0, "x")), Some((0, "x")), None] {
                let mut budget = left;
                let mut trial = Trial::new(&proof, &mut kept, &mut budget);
                let found = trial.first(&words, list);
                let untried = trial.untried;
                let tried = if found.is_some() { at as u64 + 1 } else { left.min(words.len() as u64) };
                prop_assert_eq!(found, Some(at).filter(|at| left > *at as u64));
                prop_assert_eq!((left - budget, untried), (tried, if found.is_some() { 0 } else { words.len() as u64 - tried }));
                let rest: Vec<&Vec<u8>> = words.iter().filter(|word| **word != words[at]).collect();
                prop_assert_eq!(Trial::new(&proof, &mut kept, &mut 100).first(&rest, None), None);
            }
            let singly: Vec<bool> = words.iter().map(|word| proof.is_of(word) == Some(true)).collect();
            prop_assert_eq!(singly.iter().position(|is| *is), Some(at));
        }
    }

    #[test]
    fn what_is_kept_is_of_one_user_and_realm_and_lasts_an_hour() {
        let mut kept = KeptHashes::default();
        let user = b"admin".as_slice();
        kept.of((0, "admin"), (user, b"one"), 40).of(0, |hashes| hashes[0][0] = 7);
        let first = |kept: &mut KeptHashes, list, realm: &[u8]| kept.of(list, (user, realm), 40).of(0, |_| {})[0][0];
        assert_eq!(first(&mut kept, (0, "admin"), b"one"), 7);
        assert_eq!(first(&mut kept, (0, "admin"), b"two"), 0);
        assert_eq!(first(&mut kept, (1, ""), b"one"), 0);
        kept.advance(Timestamp::from_micros(59 * 60_000_000));
        assert_eq!(first(&mut kept, (0, "admin"), b"one"), 7);
        kept.advance(Timestamp::from_micros(61 * 60_000_000));
        assert_eq!(first(&mut kept, (0, "admin"), b"one"), 0);
        for number in 0..200u32 {
            first(&mut kept, (0, "admin"), &number.to_be_bytes());
        }
        assert_eq!(kept.all.len(), KeptHashes::MOST);
    }
}
