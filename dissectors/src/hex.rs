//! Bytes as people compare them.

use compact_str::CompactString;
use std::fmt::Write;

/// Two digits a byte, in lower case.
pub fn hex(bytes: &[u8]) -> CompactString {
    bytes.iter().fold(CompactString::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
