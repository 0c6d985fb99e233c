//! Asking for memory before it is needed.
#![allow(unsafe_code, reason = "a prefetch; its one block says why it is sound")]

/// How many bytes come at once.
const CACHE_LINE: usize = 64;

/// Asks for the cache lines of a value, at most so many of them.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(value: &T, most_lines: usize) {
    let lines = size_of_val(value).div_ceil(CACHE_LINE).min(most_lines);
    #[cfg(target_arch = "x86_64")]
    for line in 0..lines {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = std::ptr::from_ref(value).cast::<i8>().wrapping_add(line * CACHE_LINE);
        // SAFETY: the address lies within a value at hand, and a prefetch changes nothing that the program sees.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = lines;
}
