//! The sensor under measurement. This file alone knows how it is called.
//!
//! Until the pipeline stands, its first step stands in for it: each frame's headers are decoded, nothing is told.

use crate::capture::Frames;
use dissectors::packet::{LinkType, decode};
use std::hint::black_box;

/// What is measured here, in the words that stand under the table.
pub const WHAT: &str = "headers decoded only, on one thread whatever the number of workers: the pipeline is to come";

/// The sensor, started: what happens once per start (rules, tables, buffers) happens in `new` and is not measured.
#[derive(Debug)]
pub struct Pipeline;

/// What one capture gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Packets read.
    pub packets: u64,
    /// Observations that the lanes handed to the inventory.
    pub observations: u64,
}

impl Pipeline {
    /// A sensor with so many workers.
    pub fn new(_workers: usize) -> Self {
        Self
    }

    /// Reads a capture from its first byte to its last, as one run of its own: no state is left from the run before.
    pub fn read(&self, capture: &[u8]) -> Told {
        let mut told = Told::default();
        for frame in Frames::of(capture) {
            told.packets += 1;
            let length = frame.bytes.len() as u32;
            let _ = black_box(decode(LinkType::Ethernet, frame.bytes, length));
        }
        told
    }
}
