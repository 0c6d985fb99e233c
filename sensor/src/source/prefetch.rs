//! Asking for memory before it is needed.
#![allow(unsafe_code, reason = "a prefetch; its one block says why it is sound")]

/// How many bytes come at once.
const CACHE_LINE: usize = 64;

/// Asks for so many cache lines from where a value begins.
#[inline]
pub(crate) fn prefetch<const LINES: usize, T: ?Sized>(value: &T) {
    prefetch_at::<LINES>(std::ptr::from_ref(value).cast(), 0);
}

/// Asks for so many cache lines that stand so many bytes behind the first of some values, which may be behind the last.
#[inline]
pub(crate) fn prefetch_ahead<const LINES: usize, T>(values: &[T], ahead: usize) {
    prefetch_at::<LINES>(values.as_ptr().cast(), ahead);
}

#[inline]
fn prefetch_at<const LINES: usize>(from: *const u8, ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..LINES {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = from.cast::<i8>().wrapping_add(ahead + line * CACHE_LINE);
        // SAFETY: a prefetch reads nothing that the program sees and never faults, wherever the address points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, ahead);
}
