//! How messages lie in segments of TCP.

use super::random::Random;

/// How messages of one direction lie in segments.
#[derive(Clone, Copy)]
pub(super) enum Packing {
    /// Each in its own.
    Apart,
    /// All in one.
    Together,
    /// All in two, cut anywhere.
    Cut,
}

impl Packing {
    /// `cut` and `apart` in percent; together otherwise.
    pub(super) fn draw(cut: u32, apart: u32, random: &mut Random) -> Self {
        match random.between(0, 99) {
            drawn if drawn < cut => Self::Cut,
            drawn if drawn < cut + apart => Self::Apart,
            _ => Self::Together,
        }
    }

    pub(super) fn segments(self, units: &[Vec<u8>], random: &mut Random) -> Vec<Vec<u8>> {
        match self {
            Self::Apart => units.to_vec(),
            Self::Together => vec![units.concat()],
            Self::Cut => {
                let whole = units.concat();
                let (front, back) = whole.split_at(random.between(1, whole.len() as u32 - 1) as usize);
                vec![front.to_vec(), back.to_vec()]
            }
        }
    }
}
