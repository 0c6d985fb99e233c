//! Ports that are looked at for some seconds, all at the same time, and what each of them is.
//!
//! They are opened beside those that are listened to, and for receiving alone like them: what a port is does not depend on
//! a filter, and nobody has to wait for it.

use super::{Listening, MOST_AT_ONCE, NAP, Port, interfaces, words};
use crate::source::verdict::{Judgement, Own, Sight};
use dissectors::packet::LinkType;
use dissectors::{Mac, Timestamp};
use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The ring of each port, in bytes: many may be looked at, and of their frames the front is enough.
const RING_BYTES: i32 = 2 << 20;
/// Headers within a tunnel or two; of what they carry nothing is read.
const SNAPLEN: i32 = 256;
/// No frame is that short: with this filter the kernel hands none over.
const NOTHING: &str = "less 0";

/// Ports that are looked at.
pub(crate) struct Watch(Vec<Watching>);

/// One of them, or why it cannot be opened.
struct Watching {
    name: String,
    port: Result<(Sight, Port), String>,
}

/// What was seen at a port.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Its name.
    pub(crate) name: String,
    /// What it showed, or why it could not be looked at and what helps.
    pub(crate) seen: Result<Seen, String>,
}

/// What a port showed.
#[derive(Debug)]
pub(crate) struct Seen {
    /// How its frames begin.
    pub(crate) link_type: LinkType,
    /// How many came each second, to a tenth, those of this machine too.
    pub(crate) packets_per_second: f64,
    /// And how many bytes.
    pub(crate) bytes_per_second: u64,
    /// Those that came too fast to be looked at.
    pub(crate) missed: u32,
    /// VLANs that frames came from.
    pub(crate) vlans: BTreeSet<u16>,
    /// What the port is.
    pub(crate) judgement: Judgement,
}

impl Watch {
    /// Opens ports. One that cannot be opened says so at the end, and is no hindrance to the others.
    pub(crate) fn open(names: &[String]) -> Self {
        let own = Arc::new(own());
        let listening = Listening {
            interfaces: Vec::new(),
            filter: None,
            duration: None,
            ring_bytes: RING_BYTES,
            snaplen: SNAPLEN,
            write: None,
            stop: Arc::default(),
        };
        let open = |name: &String| {
            let sight = |port: &Port| Sight::new(Arc::clone(&own), LinkType::from_number(port.link_type.into()));
            let port = Port::open(name, &listening).map(|port| (sight(&port), port));
            Watching { name: name.clone(), port: port.map_err(|error| error.to_string()) }
        };
        Self(names.iter().map(open).collect())
    }

    /// Those that are open, as the kernel numbers them here.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        self.0.iter().flat_map(|watching| &watching.port).map(|(_, port)| port.capture.as_raw_fd()).collect()
    }

    /// Looks at all of them, for so long or until it shall stop.
    pub(crate) fn run(mut self, duration: Duration, stop: &AtomicBool) -> Vec<Watched> {
        let begun = Instant::now();
        let is_over = || begun.elapsed() >= duration || stop.load(Ordering::Relaxed);
        while !is_over() && self.0.iter().any(|watching| watching.port.is_ok()) {
            let busy = self.0.iter_mut().map(Watching::take).filter(|has_come| *has_come).count();
            if busy == 0 {
                std::thread::sleep(NAP.min(duration.saturating_sub(begun.elapsed())));
            }
        }
        let elapsed = begun.elapsed();
        self.0.into_iter().map(|watching| watching.end(elapsed)).collect()
    }
}

impl Watching {
    /// Takes what has come; tells whether anything has.
    fn take(&mut self) -> bool {
        let Ok((sight, port)) = &mut self.port else { return false };
        for taken in 0..MOST_AT_ONCE {
            match port.capture.next_packet() {
                Ok(packet) => {
                    // With nanoseconds the field for microseconds holds them.
                    let (seconds, nanos) = (packet.header.ts.tv_sec, packet.header.ts.tv_usec);
                    let time = Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos));
                    sight.frame(time, packet.data, packet.header.len);
                }
                Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => return taken > 0,
                // It may come up again.
                Err(error) if error.to_string().contains("went down") => return taken > 0,
                Err(error) => {
                    self.port = Err(format!("{}: {}", self.name, words(&error, &self.name)));
                    return true;
                }
            }
        }
        true
    }

    fn end(self, elapsed: Duration) -> Watched {
        let seen = self.port.map(|(sight, mut port)| {
            let missed = port.capture.stats().map_or(0, |counted| counted.dropped);
            // It stays open, as all ports do, and costs nothing more.
            let _ = port.capture.filter(NOTHING, false);
            let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
            let per_second = |count: u64| count.saturating_mul(1_000) / milliseconds;
            let tenths = u32::try_from(per_second(sight.all().packets.saturating_mul(10))).unwrap_or(u32::MAX);
            Seen {
                link_type: sight.link_type(),
                packets_per_second: f64::from(tenths) / 10.0,
                bytes_per_second: per_second(sight.all().bytes),
                missed,
                vlans: sight.vlans().clone(),
                judgement: sight.judge(),
            }
        });
        Watched { name: self.name, seen }
    }
}

/// The addresses of this machine, as the kernel tells them.
fn own() -> Own {
    let interfaces = interfaces();
    let ips =
        interfaces.iter().flat_map(|interface| &interface.addresses).filter_map(|text| text.parse::<IpAddr>().ok());
    let ports = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let macs = ports.filter_map(|port| mac(&fs::read_to_string(port.path().join("address")).ok()?));
    Own::new(macs, ips)
}

fn mac(text: &str) -> Option<Mac> {
    let bytes: Vec<u8> = text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect::<Option<_>>()?;
    Some(Mac(bytes.try_into().ok()?))
}
