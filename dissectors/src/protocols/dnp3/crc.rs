//! The checksum of a link frame's header and of each block behind it (IEEE 1815-2012, 9.2.4.3): x^16 + x^13 + x^12 +
//! x^11 + x^10 + x^8 + x^6 + x^5 + x^2 + 1, low bit first, begun with 0 and sent inverted, the low byte first.

/// Whether the last two bytes are the checksum of those before them. Eight bytes go in one step: what each of them makes
/// of the checksum does not wait for the one before.
#[inline]
pub(super) fn is_right(block: &[u8]) -> bool {
    let Some((bytes, checksum)) = block.split_last_chunk::<2>() else { return false };
    of(bytes) == u16::from_le_bytes(*checksum)
}

/// The checksum of some bytes.
#[inline]
pub(super) fn of(bytes: &[u8]) -> u16 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let crc = eights.iter().fold(0, |crc, eight| eight_on(crc, *eight));
    !rest.iter().fold(crc, |crc, byte| one_on(crc, *byte))
}

#[inline]
fn eight_on(crc: u16, bytes: [u8; 8]) -> u16 {
    let [low, high] = crc.to_le_bytes();
    let [one, two, three, four, five, six, seven, eight] = bytes;
    let [alone, after_1, after_2, after_3, after_4, after_5, after_6, after_7] = &TABLES;
    let first = at(after_7, one ^ low) ^ at(after_6, two ^ high) ^ at(after_5, three) ^ at(after_4, four);
    first ^ at(after_3, five) ^ at(after_2, six) ^ at(after_1, seven) ^ at(alone, eight)
}

#[inline]
fn one_on(crc: u16, byte: u8) -> u16 {
    let [table, ..] = &TABLES;
    let [low, high] = crc.to_le_bytes();
    u16::from(high) ^ at(table, byte ^ low)
}

#[inline]
fn at(table: &[u16; 256], byte: u8) -> u16 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The polynomial, its highest coefficient in the lowest bit.
const POLYNOMIAL: u16 = 0xa6bc;

/// What a byte makes of the checksum when 0 to 7 others follow it.
static TABLES: [[u16; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut rest: &mut [[u16; 256]] = &mut tables;
    let mut behind = 1;
    while let [table, others @ ..] = rest {
        let mut entries: &mut [u16] = table;
        let mut byte = 0_u16;
        while let [entry, more @ ..] = entries {
            *entry = through_zeros(byte, behind);
            byte = byte.wrapping_add(1);
            entries = more;
        }
        behind = behind.wrapping_add(1);
        rest = others;
    }
    tables
};

/// A checksum after as many bytes of 0.
const fn through_zeros(mut crc: u16, bytes: u32) -> u16 {
    let mut bit = 0;
    while bit < bytes.wrapping_mul(8) {
        crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
        bit = bit.wrapping_add(1);
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::hex;
    use proptest::prelude::*;

    #[test]
    fn headers_and_blocks_of_real_frames_are_right() {
        // Of the captures of Arkime's tests: a header, and the block behind it.
        for block in ["05640bc401000200 699e", "c0c1013c0206 52c3"] {
            let block = hex(block);
            assert!(is_right(&block), "{block:x?}");
            for bit in 0..block.len() * 8 {
                let mut other = block.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_right(&other), "{other:x?}");
            }
        }
        assert!(!is_right(&[]) && !is_right(&[0xff]));
    }

    proptest! {
        #[test]
        fn eight_bytes_at_once_are_eight_times_one(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(of(&bytes), !bytes.iter().fold(0, |crc, byte| one_on(crc, *byte)));
        }
    }
}
