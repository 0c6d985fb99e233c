//! How fast, and compared to what: deterministic captures in memory, the floor that this machine could reach with
//! them at the very most, and the sensor between the two.
//!
//! The program `throughput` prints the figures; the README quotes them. Speeds of shared machines drift, so a figure
//! that is to be compared is always a ratio within one run: `x floor`.
#![forbid(unsafe_code)]

pub mod capture;
pub mod floor;
pub mod measure;
pub mod pipeline;
pub mod workload;
