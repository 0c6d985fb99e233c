//! Classic pcap in memory: written by the workloads, walked by the floor.
//!
//! Little endian, nanoseconds, `LINKTYPE_ETHERNET`: the one form that is needed here. Reading captures of every form
//! is the sensor's work.

use dissectors::Timestamp;
use std::time::Duration;

/// A capture that is being written.
#[derive(Debug)]
pub struct Capture {
    bytes: Vec<u8>,
    packets: u64,
}

impl Capture {
    /// A capture without packets.
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(FILE_HEADER);
        bytes.extend_from_slice(&MAGIC_NANOSECONDS.to_le_bytes());
        bytes.extend_from_slice(&2u16.to_le_bytes()); // version 2.4
        bytes.extend_from_slice(&4u16.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]); // time zone and accuracy, unused
        bytes.extend_from_slice(&SNAP_LENGTH.to_le_bytes());
        bytes.extend_from_slice(&LINKTYPE_ETHERNET.to_le_bytes());
        Self { bytes, packets: 0 }
    }

    /// Appends a whole frame, `at` after [`START`].
    ///
    /// # Panics
    ///
    /// When the moment lies beyond the 32-bit seconds of the format, or the frame is longer than 4 GiB.
    pub fn push(&mut self, at: Duration, frame: &[u8]) {
        let time = START + at;
        let seconds = u32::try_from(time.as_secs()).expect("workloads end long before 2106");
        let length = u32::try_from(frame.len()).expect("frames are short").to_le_bytes();
        self.bytes.extend_from_slice(&seconds.to_le_bytes());
        self.bytes.extend_from_slice(&time.subsec_nanos().to_le_bytes());
        self.bytes.extend_from_slice(&length);
        self.bytes.extend_from_slice(&length);
        self.bytes.extend_from_slice(frame);
        self.packets += 1;
    }

    /// How many frames it holds.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// The capture as a file's bytes.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.shrink_to_fit();
        self.bytes
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self::new()
    }
}

/// One frame of a capture. It is whole: workloads cut nothing off.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured.
    pub time: Timestamp,
    /// From the Ethernet header on.
    pub bytes: &'a [u8],
}

/// The frames of a capture written by [`Capture`].
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// Walks `capture`, from its first frame to the last whole one.
    pub fn of(capture: &'a [u8]) -> Self {
        Self { rest: capture.get(FILE_HEADER..).unwrap_or_default() }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        let (&header, rest) = self.rest.split_first_chunk::<RECORD_HEADER>()?;
        let [s0, s1, s2, s3, n0, n1, n2, n3, l0, l1, l2, l3, ..] = header;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes([l0, l1, l2, l3]) as usize)?;
        self.rest = rest;
        let seconds = i64::from(u32::from_le_bytes([s0, s1, s2, s3]));
        let nanos = i64::from(u32::from_le_bytes([n0, n1, n2, n3]));
        Some(Frame { time: Timestamp::from_nanos(seconds * 1_000_000_000 + nanos), bytes })
    }
}

/// When every workload begins, since 1970: 2026-01-01T00:00:00Z, a full hour.
pub const START: Duration = Duration::from_hours(490_896);

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const SNAP_LENGTH: u32 = 262_144;
const LINKTYPE_ETHERNET: u32 = 1;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_up_to_the_last_whole_frame() {
        let mut capture = Capture::new();
        capture.push(Duration::from_nanos(1), b"first");
        capture.push(Duration::from_millis(1_500), b"second");
        assert_eq!(capture.packets(), 2);
        let bytes = capture.into_bytes();
        let read =
            |bytes| Frames::of(bytes).map(|frame| (frame.time.nanos(), frame.bytes.to_vec())).collect::<Vec<_>>();
        let start = 1_767_225_600_000_000_000;
        assert_eq!(read(&bytes), [(start + 1, b"first".to_vec()), (start + 1_500_000_000, b"second".to_vec())]);
        assert_eq!(read(&bytes[..bytes.len() - 1]).len(), 1);
        assert_eq!(read(&[]).len(), 0);
    }
}
