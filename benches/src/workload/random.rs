//! Chance that repeats: `SplitMix64` (Steele, Lea, Flood 2014), and a megabyte of noise made with it.

/// A generator of numbers, alike for the same seed.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of `least..=most`, evenly enough for traffic.
    pub(super) fn between(&mut self, least: u32, most: u32) -> u32 {
        let width = u64::from(most - least) + 1;
        least + (((self.next() >> 32) * width) >> 32) as u32
    }

    /// The same, for fields of two bytes.
    pub(super) fn short(&mut self, least: u16, most: u16) -> u16 {
        self.between(u32::from(least), u32::from(most)) as u16
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, share: u32) -> bool {
        self.between(0, 99) < share
    }

    /// One of `all`, which must not be empty.
    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.between(0, all.len() as u32 - 1) as usize]
    }
}

/// Bytes that look like video or cipher text, to copy from: drawing each anew would take longer than all the rest.
#[derive(Debug)]
pub(super) struct Noise(Vec<u8>);

impl Noise {
    pub(super) fn new(random: &mut Random) -> Self {
        Self((0..NOISE_BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect())
    }

    /// `length` bytes (64 KiB at most) from anywhere.
    pub(super) fn some(&self, random: &mut Random, length: usize) -> &[u8] {
        let start = random.between(0, (NOISE_BYTES - 65_536) as u32) as usize;
        &self.0[start..start + length]
    }
}

const NOISE_BYTES: usize = 1 << 20;
