//! What was said.
#![forbid(unsafe_code)]

pub mod time;

pub use time::Timestamp;
