//! What our captures hold, for tests: payloads in the order of the file, or the streams that they make.

use crate::observation::{Address, Transport};
use crate::packet::{Layer, LinkType, decode};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who sends to whom, over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) transport: Transport,
    pub(crate) from: (Address, u16),
    pub(crate) to: (Address, u16),
}

/// The captures of a protocol.
pub(crate) fn captures(protocol: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new("../pcaps").join(protocol)).expect("the folder is there").flatten();
    let pcap = |path: &PathBuf| path.extension().is_some_and(|end| end == "pcap");
    let mut captures: Vec<_> = entries.map(|entry| entry.path()).filter(pcap).collect();
    captures.sort();
    captures
}

/// The payloads of a capture, a pcap file of microseconds and low bytes first.
pub(crate) fn payloads(capture: &Path) -> Vec<(Way, Vec<u8>)> {
    let bytes = fs::read(capture).expect("it can be read");
    let (header, mut rest) = bytes.split_first_chunk::<24>().expect("a file header");
    let link_type = LinkType::from_number(u32::from_le_bytes([header[20], header[21], header[22], header[23]]));
    let mut payloads = Vec::new();
    while let Some((record, behind)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes([record[8], record[9], record[10], record[11]]);
        let (frame, behind) = behind.split_at(length as usize);
        rest = behind;
        let Ok((headers, payload)) = decode(link_type, frame, length) else { continue };
        let transport = match headers.layer {
            Layer::Tcp(_) => Transport::Tcp,
            Layer::Udp { .. } => Transport::Udp,
            Layer::Frame(_) => Transport::Ethernet,
            _ => continue,
        };
        let (source, destination) = headers.ports();
        let (from, to) = ((headers.sender().address, source), (headers.receiver().address, destination));
        if !payload.is_empty() {
            payloads.push((Way { transport, from, to }, payload.to_vec()));
        }
    }
    payloads
}

/// What is sent each way, in order: our captures have neither loss nor repeats.
pub(crate) fn streams(capture: &Path) -> Vec<Vec<u8>> {
    let mut streams: BTreeMap<Way, Vec<u8>> = BTreeMap::new();
    for (way, payload) in payloads(capture) {
        streams.entry(way).or_default().extend(payload);
    }
    streams.into_values().collect()
}
