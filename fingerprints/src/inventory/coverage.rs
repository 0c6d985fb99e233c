//! What could be seen of each subnet, hour by hour, without which no absence proves anything.
//!
//! A conversation between two subnets counts in both. Addresses that are not the site's own stand together under
//! `0.0.0.0/0` and `::/0`, so that the internet does not become a list of subnets. Conversations that nobody answered
//! are not told by their destination; they count as one-way where they came from.

use super::names::Names;
use super::sums::{Sums, end_of};
use crate::finding::{BLIND, Kind, Kinds, LOSS, ONE_WAY};
use crate::protocol::goes_one_way;
use crate::record::CoverageRow;
use dissectors::observation::{Address, Attempts, Context, Evidence, FlowId, Host, Tally, Traffic, Transport};
use dissectors::{Place, Timestamp};
use foldhash::fast::RandomState;
use hashbrown::HashSet;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 /24 or an IPv6 /64, or all that belongs to no site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    address: IpAddr,
    length: u8,
}

impl Subnet {
    /// The one that a host stands in; none without IP.
    pub fn of(host: Host) -> Option<Self> {
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

    /// Whether it is all that belongs to no site.
    pub fn is_everything(&self) -> bool {
        self.length == 0
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
    /// Whether its row was written.
    is_written: bool,
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
    /// When its first and its last packet came.
    span: Option<(Timestamp, Timestamp)>,
    /// Packets of conversations that have two sides.
    mutual: u64,
    /// Those of them of which one side alone was seen.
    one_sided: u64,
    /// Where the first of these begins.
    one_sided_at: Option<Evidence>,
    /// The first packet behind a hole.
    lost_at: Option<Evidence>,
}

impl Cover {
    /// All bytes that were sent, as far as is known: those that were lost as well.
    fn sent_bytes(&self) -> u64 {
        self.tally.bytes.saturating_add(self.lost_bytes)
    }
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
        // Nobody owes a group an answer, nor the sender of pictures.
        let is_owed = !is_group && !traffic.protocol.is_some_and(goes_one_way);
        let client_subnet = Subnet::of(traffic.client);
        let server_subnet = Subnet::of(server).filter(|subnet| !is_group && Some(*subnet) != client_subnet);
        let sides = [(client_subnet, traffic.client), (server_subnet, server)];
        for (subnet, host) in sides {
            let Some(subnet) = subnet else { continue };
            let both = [Some(traffic.client), Some(server).filter(|_| !is_group && traffic.to_client.packets > 0)];
            let seen = both.into_iter().flatten().filter(|host| Subnet::of(*host) == Some(subnet));
            let mut tally = traffic.to_server;
            tally.add(traffic.to_client);
            let one_way = if is_owed { traffic.flows.saturating_sub(traffic.flows_two_way) } else { 0 };
            let is_mutual = is_owed && (traffic.transport == Transport::Tcp || traffic.protocol.is_some());
            let is_one_sided = is_mutual
                && !traffic.goes_on
                && [traffic.to_server, traffic.to_client].iter().any(|side| side.packets == 0);
            let at = |place: Option<(Place, FlowId)>| place.map(|(place, flow)| evidence_at(evidence, place, flow));
            let cover = Cover {
                tally,
                hosts: seen.map(|host| self.hasher.hash_one(host)).collect(),
                flows: traffic.flows,
                flows_two_way: traffic.flows_two_way,
                flows_one_way: one_way,
                lost_bytes: traffic.lost_bytes,
                unknown_bytes: traffic.unknown_bytes,
                span: Some((traffic.first_seen, traffic.last_seen)),
                mutual: if is_mutual { tally.packets } else { 0 },
                one_sided: if is_one_sided { tally.packets } else { 0 },
                one_sided_at: at(traffic.begun_at).filter(|_| is_one_sided),
                lost_at: at(traffic.lost_at),
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
            span: Some((attempts.first_seen, attempts.last_seen)),
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
            row.span = joined(row.span, more.span);
            row.mutual = row.mutual.saturating_add(more.mutual);
            row.one_sided = row.one_sided.saturating_add(more.one_sided);
            row.one_sided_at = earlier(row.one_sided_at, more.one_sided_at);
            row.lost_at = earlier(row.lost_at, more.lost_at);
        });
    }

    /// Hours before this one are over: only the number of their hosts is kept.
    pub(super) fn close_before(&mut self, window: Timestamp) {
        for cover in self.rows.rows_where(|key| key.window < window) {
            cover.hosts_before = cover.hosts_before.max(cover.hosts.len() as u64);
            cover.hosts = HashSet::default();
        }
    }

    /// The rows of the hours before this one that were not written yet.
    pub(super) fn rows(&self, kinds: &Kinds, before: Timestamp) -> Vec<CoverageRow> {
        let limits = Limits::of(kinds);
        let rows = self.rows.sorted().into_iter().filter(|(key, cover)| key.window < before && !cover.is_written);
        rows.map(|(key, cover)| row(key, cover, &limits)).collect()
    }

    /// The rows of these hours are written. What findings rest on is kept for a day.
    pub(super) fn wrote_before(&mut self, before: Timestamp) {
        self.rows.rows_where(|key| key.window < before).for_each(|cover| cover.is_written = true);
        let day = Timestamp::from_nanos(before.nanos().saturating_sub(super::NANOS_PER_DAY));
        self.rows.forget(|key| key.window < day);
    }

    /// What could not be seen, and is enough to be told as a finding: of each context what hours and networks show.
    pub(super) fn unseen(&self, kinds: &Kinds, names: &Names) -> Vec<Unseen> {
        let limits = Limits::of(kinds);
        let mut found: BTreeMap<(&'static str, Context), Vec<(&Key, &Cover)>> = BTreeMap::new();
        for (key, cover) in self.rows.sorted() {
            let kinds = [(ONE_WAY, limits.is_one_way(cover)), (LOSS, limits.is_lossy(cover))];
            for (kind, _) in kinds.into_iter().filter(|(_, holds)| *holds) {
                found.entry((kind, key.context)).or_default().push((key, cover));
            }
        }
        found.into_iter().map(|((kind, context), covers)| Unseen::of(kind, context, names, &covers)).collect()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }
}

fn row(key: &Key, cover: &Cover, limits: &Limits<'_>) -> CoverageRow {
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
        state: state(cover, limits).to_owned(),
    }
}

/// `one_way`: of the conversations in which something was said, fewer than one in ten was seen both ways (attempts that
/// nobody answered decide only where there is nothing else: a scan makes no mirror one-way), or it is a finding.
/// `lossy`: more than one byte in a hundred was lost.
fn state(cover: &Cover, limits: &Limits<'_>) -> &'static str {
    let said = cover.flows_two_way.saturating_add(cover.flows_one_way);
    let is_one_way = if said > 0 { cover.flows_two_way.saturating_mul(10) < said } else { cover.attempts > 0 };
    if is_one_way || limits.is_one_way(cover) {
        "one_way"
    } else if limits.loss.is_some_and(|kind| kind.is_beyond(cover.lost_bytes, cover.sent_bytes())) {
        "lossy"
    } else {
        "two_way"
    }
}

/// From when on it is a finding.
struct Limits<'k> {
    one_way: Option<&'k Kind>,
    loss: Option<&'k Kind>,
}

impl<'k> Limits<'k> {
    fn of(kinds: &'k Kinds) -> Self {
        Self { one_way: kinds.of(ONE_WAY), loss: kinds.of(LOSS) }
    }

    fn is_one_way(&self, cover: &Cover) -> bool {
        let is_beyond = |kind: &Kind| cover.one_sided >= kind.at_least && kind.is_beyond(cover.one_sided, cover.mutual);
        self.one_way.is_some_and(is_beyond)
    }

    fn is_lossy(&self, cover: &Cover) -> bool {
        let is_beyond =
            |kind: &Kind| cover.lost_bytes >= kind.at_least && kind.is_beyond(cover.lost_bytes, cover.sent_bytes());
        self.loss.is_some_and(is_beyond)
    }
}

/// Something that could not be seen.
#[derive(Debug)]
pub(super) struct Unseen {
    pub(super) kind: &'static str,
    /// What tells it apart from others of its kind.
    pub(super) key: String,
    /// What the texts may hold and the row does not.
    pub(super) words: BTreeMap<&'static str, String>,
    pub(super) details: BTreeMap<String, String>,
    pub(super) span: (Timestamp, Timestamp),
    /// In how many hours, or how many frames.
    pub(super) count: u64,
    pub(super) evidence: Vec<Evidence>,
    /// A frame that shows it, and belongs to no flow.
    pub(super) place: Option<Place>,
    pub(super) context: Context,
}

/// Why a capture does not show something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// Nothing of it is read.
    Unread,
    /// It was dropped before it reached the capture.
    Dropped,
}

/// Something that a capture does not show.
#[derive(Clone, Debug)]
pub struct Blind {
    /// Why.
    pub hidden: Hidden,
    /// What it is, in words: `frames of link type arcnet`; of what was dropped, the capture.
    pub segment: String,
    /// What tells it apart from others, the same whenever the same is read.
    pub key: String,
    /// What was seen of it, as a sentence.
    pub what: String,
    /// Frames that were not read, that were dropped, or that would have come at the rate of the others.
    pub missing: u64,
    /// All frames, with those.
    pub of: u64,
    /// From when until when.
    pub span: (Timestamp, Timestamp),
    /// A frame that shows it.
    pub place: Option<Place>,
}

impl Blind {
    /// What a finding tells of it, if it is enough.
    pub(super) fn unseen(&self, kinds: &Kinds) -> Option<Unseen> {
        let (kind, is_enough) = match self.hidden {
            Hidden::Unread => (BLIND, self.is_enough_unread(kinds.of(BLIND)?)),
            Hidden::Dropped => (LOSS, kinds.of(LOSS)?.signs.get("dropped")?.holds(self.missing, self.of)),
        };
        if !is_enough {
            return None;
        }
        let details = BTreeMap::from([
            ("segment".to_owned(), self.segment.clone()),
            ("missing_frames".to_owned(), self.missing.to_string()),
            ("share".to_owned(), percent(self.missing, self.of)),
        ]);
        Some(Unseen {
            kind,
            key: self.key.clone(),
            words: BTreeMap::from([("what", self.what.clone()), ("where", self.segment.clone())]),
            details,
            span: self.span,
            count: self.missing,
            evidence: Vec::new(),
            place: self.place,
            context: Context::default(),
        })
    }
}

impl Blind {
    fn is_enough_unread(&self, kind: &Kind) -> bool {
        self.missing >= kind.at_least && kind.is_beyond(self.missing, self.of)
    }
}

/// As many packets prove it, and as many networks are named.
const MOST_EVIDENCE: usize = 3;
const MOST_NAMED: usize = 16;

impl Unseen {
    fn of(kind: &'static str, context: Context, names: &Names, covers: &[(&Key, &Cover)]) -> Self {
        let sum = |of: fn(&Cover) -> u64| covers.iter().fold(0u64, |sum, (_, cover)| sum.saturating_add(of(cover)));
        let (part, whole) = match kind {
            ONE_WAY => (sum(|cover| cover.one_sided), sum(|cover| cover.mutual)),
            _ => (sum(|cover| cover.lost_bytes), sum(Cover::sent_bytes)),
        };
        let hours: BTreeSet<Timestamp> = covers.iter().map(|(key, _)| key.window).collect();
        let networks = by_weight(covers, &names.context(context));
        let listed: Vec<&str> = networks.iter().take(MOST_NAMED).map(String::as_str).collect();
        let mut details = BTreeMap::from([
            ("networks".to_owned(), listed.join(", ")),
            ("hours".to_owned(), counted(hours.len(), "hour")),
            ("share".to_owned(), percent(part, whole)),
        ]);
        let mut words = BTreeMap::from([("where", named(&networks))]);
        let at: fn(&Cover) -> Option<Evidence> = if kind == ONE_WAY {
            details.insert("one_sided_packets".to_owned(), part.to_string());
            |cover| cover.one_sided_at
        } else {
            details.insert("lost_bytes".to_owned(), part.to_string());
            let (share, hours) = (percent(part, whole), counted(hours.len(), "hour"));
            let what = format!(
                "{part} bytes are missing inside connections whose receivers had them, {share} % of all, in {hours}."
            );
            words.insert("what", what);
            |cover| cover.lost_at
        };
        let mut evidence: Vec<Evidence> = covers.iter().filter_map(|(_, cover)| at(cover)).collect();
        evidence.sort_by_key(|evidence| (evidence.time, evidence.capture, evidence.frame));
        evidence.dedup();
        evidence.truncate(MOST_EVIDENCE);
        let span = covers.iter().fold(None, |span, (_, cover)| joined(span, cover.span));
        Self {
            kind,
            key: names.context(context),
            words,
            details,
            span: span.unwrap_or_default(),
            count: hours.len() as u64,
            evidence,
            place: None,
            context,
        }
    }
}

/// The networks, the one with most packets first.
fn by_weight(covers: &[(&Key, &Cover)], context: &str) -> Vec<String> {
    let mut packets: BTreeMap<Subnet, u64> = BTreeMap::new();
    for (key, cover) in covers {
        let sum = packets.entry(key.subnet).or_default();
        *sum = sum.saturating_add(cover.tally.packets);
    }
    let mut packets: Vec<(Subnet, u64)> = packets.into_iter().collect();
    packets.sort_by_key(|(subnet, packets)| (subnet.length == 0, std::cmp::Reverse(*packets), *subnet));
    let name = |subnet: Subnet| match (subnet.length, context.is_empty()) {
        (0, _) => "the internet".to_owned(),
        (_, true) => subnet.to_string(),
        (_, false) => format!("{subnet} ({context})"),
    };
    let mut names: Vec<String> = packets.into_iter().map(|(subnet, _)| name(subnet)).collect();
    names.dedup();
    names
}

/// The first of some names, and how many more there are.
fn named(names: &[String]) -> String {
    match names {
        [] => "a network".to_owned(),
        [one] => one.clone(),
        [one, other] => format!("{one} and {other}"),
        [one, others @ ..] => format!("{one} and {} more networks", others.len()),
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A share in percent, to one digit behind the point below ten.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let tenths = (u128::from(part) * 1_000 + u128::from(whole) / 2).checked_div(u128::from(whole)).unwrap_or(0);
    if tenths < 100 { format!("{}.{}", tenths / 10, tenths % 10) } else { (tenths / 10).to_string() }
}

fn evidence_at(told: &Evidence, place: Place, flow: FlowId) -> Evidence {
    Evidence { time: place.time, capture: place.capture, frame: place.frame, flow, ..*told }
}

fn joined<T: Ord>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
    match (one, other) {
        (Some((first, last)), Some((begin, end))) => Some((first.min(begin), last.max(end))),
        (one, other) => one.or(other),
    }
}

fn earlier(one: Option<Evidence>, other: Option<Evidence>) -> Option<Evidence> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let is_later = (one.time, one.capture, one.frame) > (other.time, other.capture, other.frame);
            Some(if is_later { other } else { one })
        }
        (one, other) => one.or(other),
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
