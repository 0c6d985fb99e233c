//! What could be seen of each subnet, hour by hour, without which no absence proves anything.
//!
//! A conversation between two subnets counts in both. Addresses that are not the site's own stand together under
//! `0.0.0.0/0` and `::/0`, so that the internet does not become a list of subnets. Conversations that nobody answered
//! are not told by their destination; they count as one-way where they came from.

use super::sums::{Sums, end_of};
use crate::record::CoverageRow;
use dissectors::observation::{Address, Attempts, Context, Host, Tally, Traffic};
use dissectors::{Timestamp, observation::Evidence};
use foldhash::fast::RandomState;
use hashbrown::HashSet;
use std::fmt;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 /24 or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Subnet {
    address: IpAddr,
    length: u8,
}

impl Subnet {
    fn of(host: Host) -> Option<Self> {
        let Address::Ip(ip) = host.address else { return None };
        Some(match ip {
            _ if is_global(ip) => Self { address: any(ip), length: 0 },
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self { address: Ipv4Addr::new(a, b, c, 0).into(), length: 24 }
            }
            IpAddr::V6(ip) => {
                let front = ip.to_bits() >> 64 << 64;
                Self { address: Ipv6Addr::from_bits(front).into(), length: 64 }
            }
        })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

fn any(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Whether an address belongs to the internet and to no site by itself (RFC 6890 lists the others).
pub(super) fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_benchmark = a == 198 && (b & 0xFE) == 18;
            let is_own = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation();
            !(is_own || is_shared || is_benchmark || ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast())
        }
        IpAddr::V6(ip) => (ip.segments()[0] & 0xE000) == 0x2000 && ip.segments()[..2] != [0x2001, 0xdb8],
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    window: Timestamp,
    context: Context,
    subnet: Subnet,
}

#[derive(Debug, Default)]
struct Cover {
    captures: Captures,
    tally: Tally,
    /// Hashes of the hosts that were seen: a scan of a million addresses must not cost a million addresses.
    hosts: HashSet<u64, RandomState>,
    hosts_before: u64,
    flows: u64,
    flows_two_way: u64,
    flows_one_way: u64,
    attempts: u64,
    lost_bytes: u64,
    unknown_bytes: u64,
}

/// Which capture showed it, while it was one alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Captures {
    #[default]
    None,
    One(u32),
    Several,
}

impl Captures {
    fn add(&mut self, capture: u32) {
        *self = match *self {
            Self::None => Self::One(capture),
            Self::One(one) if one == capture => Self::One(one),
            _ => Self::Several,
        };
    }
}

/// The coverage of every subnet and hour.
pub(super) struct Coverage {
    rows: Sums<Key, Cover>,
    /// Seeded anew in each run, so that nobody chooses addresses that count as one.
    hasher: RandomState,
}

/// As many hosts are told apart within one subnet and hour.
const MOST_HOSTS: usize = 4_096;

impl Coverage {
    pub(super) fn new(cap: usize) -> Self {
        Self { rows: Sums::new(cap), hasher: RandomState::default() }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.rows.crowded
    }

    pub(super) fn see(&mut self, traffic: &Traffic, server: Host, evidence: &Evidence) {
        let is_group = traffic.server_is_group || server.address.is_group();
        let client_subnet = Subnet::of(traffic.client);
        let server_subnet = Subnet::of(server).filter(|subnet| !is_group && Some(*subnet) != client_subnet);
        let sides = [(client_subnet, traffic.client), (server_subnet, server)];
        for (subnet, host) in sides {
            let Some(subnet) = subnet else { continue };
            let both = [Some(traffic.client), Some(server).filter(|_| !is_group && traffic.to_client.packets > 0)];
            let seen = both.into_iter().flatten().filter(|host| Subnet::of(*host) == Some(subnet));
            let mut tally = traffic.to_server;
            tally.add(traffic.to_client);
            // Nobody owes a group an answer.
            let one_way = if is_group { 0 } else { traffic.flows.saturating_sub(traffic.flows_two_way) };
            let cover = Cover {
                tally,
                hosts: seen.map(|host| self.hasher.hash_one(host)).collect(),
                flows: traffic.flows,
                flows_two_way: traffic.flows_two_way,
                flows_one_way: one_way,
                lost_bytes: traffic.lost_bytes,
                unknown_bytes: traffic.unknown_bytes,
                ..Cover::default()
            };
            self.add(traffic.window, host.context, subnet, cover, evidence);
        }
    }

    pub(super) fn see_attempts(&mut self, attempts: &Attempts, source: Host, evidence: &Evidence) {
        let Some(subnet) = Subnet::of(source) else { return };
        let cover = Cover {
            tally: attempts.sent,
            hosts: [self.hasher.hash_one(source)].into_iter().collect(),
            flows: attempts.flows,
            attempts: attempts.flows,
            ..Cover::default()
        };
        self.add(attempts.window, source.context, subnet, cover, evidence);
    }

    fn add(&mut self, window: Timestamp, context: Context, subnet: Subnet, mut cover: Cover, evidence: &Evidence) {
        cover.captures.add(evidence.capture);
        let capture = evidence.capture;
        let _dropped = self.rows.add(Key { window, context, subnet }, cover, |row, more| {
            row.captures.add(capture);
            row.tally.add(more.tally);
            for host in &more.hosts {
                if row.hosts.len() < MOST_HOSTS {
                    row.hosts.insert(*host);
                }
            }
            row.flows = row.flows.saturating_add(more.flows);
            row.flows_two_way = row.flows_two_way.saturating_add(more.flows_two_way);
            row.flows_one_way = row.flows_one_way.saturating_add(more.flows_one_way);
            row.attempts = row.attempts.saturating_add(more.attempts);
            row.lost_bytes = row.lost_bytes.saturating_add(more.lost_bytes);
            row.unknown_bytes = row.unknown_bytes.saturating_add(more.unknown_bytes);
        });
    }

    /// Hours before this one are over: only the number of their hosts is kept.
    pub(super) fn close_before(&mut self, window: Timestamp) {
        for cover in self.rows.rows_where(|key| key.window < window) {
            cover.hosts_before = cover.hosts_before.max(cover.hosts.len() as u64);
            cover.hosts = HashSet::default();
        }
    }

    pub(super) fn rows(&self) -> Vec<CoverageRow> {
        self.rows.sorted().into_iter().map(|(key, cover)| row(key, cover)).collect()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }
}

fn row(key: &Key, cover: &Cover) -> CoverageRow {
    CoverageRow {
        window_start: key.window,
        window_end: end_of(key.window),
        capture: match cover.captures {
            Captures::One(capture) => Some(capture.to_string()),
            _ => None,
        },
        context: super::rows::context(key.context),
        subnet: Some(key.subnet.to_string()),
        packets: super::rows::int(cover.tally.packets),
        bytes: super::rows::int(cover.tally.bytes),
        hosts: super::rows::int(cover.hosts_before.max(cover.hosts.len() as u64)),
        flows: super::rows::int(cover.flows),
        flows_two_way: super::rows::int(cover.flows_two_way),
        flows_one_way: super::rows::int(cover.flows_one_way.saturating_add(cover.attempts)),
        lost_bytes: super::rows::int(cover.lost_bytes),
        dropped: None,
        // Null until they are counted: a zero would say that there was none.
        cut_by_snaplen: None,
        unknown_protocol_bytes: super::rows::int(cover.unknown_bytes),
        encrypted_bytes: None,
        state: state(cover).to_owned(),
    }
}

/// `one_way`: of the conversations in which something was said, fewer than one in ten was seen both ways (attempts that
/// nobody answered decide only where there is nothing else: a scan makes no mirror one-way). `lossy`: more than one
/// byte in a hundred was lost.
fn state(cover: &Cover) -> &'static str {
    let said = cover.flows_two_way.saturating_add(cover.flows_one_way);
    let is_one_way = if said > 0 { cover.flows_two_way.saturating_mul(10) < said } else { cover.attempts > 0 };
    if is_one_way {
        "one_way"
    } else if cover.lost_bytes.saturating_mul(100) > cover.tally.bytes {
        "lossy"
    } else {
        "two_way"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_is_no_subnet_of_the_site() {
        let subnet = |text: &str| {
            let address = Address::Ip(text.parse().expect("an address"));
            Subnet::of(Host { context: Context::default(), address }).map(|subnet| subnet.to_string())
        };
        assert_eq!(subnet("192.168.7.9").as_deref(), Some("192.168.7.0/24"));
        assert_eq!(subnet("8.8.8.8").as_deref(), Some("0.0.0.0/0"));
        assert_eq!(subnet("100.64.3.3").as_deref(), Some("100.64.3.0/24"), "shared address space");
        assert_eq!(subnet("fe80::1:2").as_deref(), Some("fe80::/64"));
        assert_eq!(subnet("2600::1").as_deref(), Some("::/0"));
        assert_eq!(subnet("2001:db8:0:7::1").as_deref(), Some("2001:db8:0:7::/64"));
    }
}
