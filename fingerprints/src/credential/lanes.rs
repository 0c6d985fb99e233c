//! MD5 of sixteen texts side by side (RFC 1321): a step is one instruction for all, in vectors as wide as the processor
//! has them.
#![expect(
    clippy::inline_always,
    reason = "vectors are as wide as the processor's only in what is inlined into `dispatch!`"
)]

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u32x16};

/// As many texts.
pub(super) const LANES: usize = 16;

/// One word of each text.
pub(super) type Words = [u32; LANES];

/// The four words of each hash.
pub(super) type Hashes = [Words; 4];

/// The words of a block.
pub(super) const BLOCK: usize = 16;

/// What each hash begins with (3.3).
pub(super) const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The same words in all lanes.
pub(super) fn alike(words: [u32; 4]) -> Hashes {
    words.map(|word| [word; LANES])
}

/// Adds a block of each text to its hash (3.4).
pub(super) fn add(level: Level, hashes: &mut Hashes, block: &[Words; BLOCK]) {
    dispatch!(level, simd => add_to(simd, hashes, block));
}

#[inline(always)]
fn add_to<S: Simd>(simd: S, hashes: &mut Hashes, block: &[Words; BLOCK]) {
    let state = step_all(
        load(simd, hashes),
        #[inline(always)]
        |place| u32x16::from_slice(simd, &block[place]),
    );
    store(state, hashes);
}

/// Hashes texts that begin with a hash in hex and are the same otherwise. `blocks` are the texts, padded, without the hex.
pub(super) fn of_hex(level: Level, hashes: &mut Hashes, blocks: &[[u32; BLOCK]]) {
    let Some((first, others)) = blocks.split_first() else { return };
    dispatch!(level, simd => hash_hex(simd, hashes, first, others));
}

#[inline(always)]
fn hash_hex<S: Simd>(simd: S, hashes: &mut Hashes, first: &[u32; BLOCK], others: &[[u32; BLOCK]]) {
    let hex = hex(load(simd, hashes));
    let [a, b, c, d] = START;
    let start = [u32x16::splat(simd, a), u32x16::splat(simd, b), u32x16::splat(simd, c), u32x16::splat(simd, d)];
    let mut state = step_all(
        start,
        #[inline(always)]
        |place| match hex.get(place) {
            Some(letters) => *letters,
            None => u32x16::splat(simd, first[place]),
        },
    );
    for block in others {
        state = step_all(
            state,
            #[inline(always)]
            |place| u32x16::splat(simd, block[place]),
        );
    }
    store(state, hashes);
}

type State<S> = [u32x16<S>; 4];

#[inline(always)]
fn load<S: Simd>(simd: S, hashes: &Hashes) -> State<S> {
    let [a, b, c, d] = hashes;
    [u32x16::from_slice(simd, a), u32x16::from_slice(simd, b), u32x16::from_slice(simd, c), u32x16::from_slice(simd, d)]
}

#[inline(always)]
fn store<S: Simd>(state: State<S>, hashes: &mut Hashes) {
    for (words, kept) in state.iter().zip(hashes) {
        words.store_slice(kept);
    }
}

/// The hashes in hex: 32 letters each.
#[inline(always)]
fn hex<S: Simd>(state: State<S>) -> [u32x16<S>; 8] {
    let [a, b, c, d] = state;
    [
        letters(a & 0xffff),
        letters(a >> 16),
        letters(b & 0xffff),
        letters(b >> 16),
        letters(c & 0xffff),
        letters(c >> 16),
        letters(d & 0xffff),
        letters(d >> 16),
    ]
}

/// The four letters of two bytes: the high half of a byte stands before the low one.
#[inline(always)]
fn letters<S: Simd>(two: u32x16<S>) -> u32x16<S> {
    let apart = (two | two << 8) & 0x00ff_00ff;
    let halves = (apart >> 4) & 0x000f_000f | (apart & 0x000f_000f) << 8;
    let is_letter = ((halves + 0x0606_0606) >> 4) & 0x0101_0101;
    halves + 0x3030_3030 + is_letter * u32::from(b'a' - b'9' - 1)
}

/// The 64 steps of a block. Written out: the turn of each is a constant of its instruction.
#[inline(always)]
fn step_all<S: Simd>(before: State<S>, word: impl Fn(usize) -> u32x16<S>) -> State<S> {
    let [mut a, mut b, mut c, mut d] = before;
    macro_rules! round {
        ($mix:expr, $round:literal, $times:literal, $plus:literal, [$($four:literal)*]) => {$(
            round!(@ $mix, $round, $times, $plus, $four, a b c d, 0);
            round!(@ $mix, $round, $times, $plus, $four, d a b c, 1);
            round!(@ $mix, $round, $times, $plus, $four, c d a b, 2);
            round!(@ $mix, $round, $times, $plus, $four, b c d a, 3);
        )*};
        (@ $mix:expr, $round:literal, $times:literal, $plus:literal, $four:literal, $a:ident $b:ident $c:ident $d:ident, $at:literal) => {
            let step = 4 * $four + $at;
            let sum = $a + $mix($b, $c, $d) + word(($times * step + $plus) % BLOCK) + SINES[16 * $round + step];
            let turn = TURNS[$round][$at];
            $a = (sum << turn | sum >> (32 - turn)) + $b;
        };
    }
    round!(|x, y, z| z ^ (x & (y ^ z)), 0, 1, 0, [0 1 2 3]);
    round!(|x, y, z| y ^ (z & (x ^ y)), 1, 5, 1, [0 1 2 3]);
    round!(|x, y, z| x ^ y ^ z, 2, 3, 5, [0 1 2 3]);
    round!(|x, y, z: u32x16<S>| y ^ (x | !z), 3, 7, 0, [0 1 2 3]);
    let [first, second, third, fourth] = before;
    [first + a, second + b, third + c, fourth + d]
}

/// By how much each step of a round turns, over and over (3.4).
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// What each step adds: the first 32 bits behind the point of the sine of its number (3.4).
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};
    use proptest::prelude::*;

    /// As wide as this processor has them, and narrower.
    fn levels() -> Vec<Level> {
        let best = Level::new();
        #[cfg(target_arch = "x86_64")]
        let all = [
            Some(best),
            best.as_avx2().map(Level::Avx2),
            best.as_sse4_2().map(Level::Sse4_2),
            best.as_sse2().map(Level::Sse2),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let all = [Some(best)];
        all.into_iter().flatten().collect()
    }

    /// A text and what is behind every text: a one, zeros, and how many bits it has (3.1, 3.2).
    fn padded(text: &[u8]) -> Vec<[u32; BLOCK]> {
        let mut bytes = text.to_vec();
        bytes.push(0x80);
        bytes.resize((bytes.len() + 8).next_multiple_of(64), 0);
        let length = bytes.len();
        bytes[length - 8..].copy_from_slice(&(8 * text.len() as u64).to_le_bytes());
        let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let block = |bytes: &[u8]| bytes.chunks(4).map(word).collect::<Vec<u32>>().try_into().expect("sixteen");
        bytes.chunks(64).map(block).collect()
    }

    fn bytes(hashes: &Hashes, lane: usize) -> Vec<u8> {
        hashes.iter().flat_map(|words| words[lane].to_le_bytes()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn each_lane_has_the_hash_of_its_own_text(
            texts in (0usize..200).prop_flat_map(|length| {
                prop::collection::vec(prop::collection::vec(any::<u8>(), length), LANES)
            })
        ) {
            for level in levels() {
                let mut hashes = alike(START);
                let all: Vec<Vec<[u32; BLOCK]>> = texts.iter().map(|text| padded(text)).collect();
                // They are alike in length, and so in the number of blocks.
                (0..all[0].len()).for_each(|place| {
                    let word = |word: usize| std::array::from_fn(|lane| all[lane][place][word]);
                    add(level, &mut hashes, &std::array::from_fn(word));
                });
                for (lane, text) in texts.iter().enumerate() {
                    prop_assert_eq!(bytes(&hashes, lane), Md5::digest(text).to_vec(), "{:?}", level);
                }
            }
        }

        #[test]
        fn a_hash_in_hex_is_hashed_with_what_stands_behind_it(
            before in prop::collection::vec(any::<[u8; 16]>(), LANES),
            behind in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            // What stands where the hex comes does not matter.
            let blocks = padded(&[&[7; 32], behind.as_slice()].concat());
            for level in levels() {
                let word = |word: usize, lane: usize| {
                    u32::from_le_bytes(before[lane][4 * word..4 * word + 4].try_into().expect("four"))
                };
                let mut hashes: Hashes = std::array::from_fn(|at| std::array::from_fn(|lane| word(at, lane)));
                of_hex(level, &mut hashes, &blocks);
                for (lane, before) in before.iter().enumerate() {
                    let text = [dissectors::hex(before).as_bytes(), &behind].concat();
                    prop_assert_eq!(bytes(&hashes, lane), Md5::digest(&text).to_vec(), "{:?}", level);
                }
            }
        }
    }
}
