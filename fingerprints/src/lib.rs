//! What it means.
#![forbid(unsafe_code)]

pub mod record;
